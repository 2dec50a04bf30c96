//! Costs: mean latency, normalised over a pool of nodes.

use serde::{Deserialize, Serialize};

/// Latencies below this count as this much under the logarithm: a finer clock than any node here is measured with.
const LOG_FLOOR_MS: f64 = 1e-3;

/// How mean latencies become costs in `[0, 1]` within one pool (assumed: the papers do not say).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostNormalization {
    /// `(x - min) / (max - min)`: the quickest node costs 0, the slowest 1.
    #[default]
    MinMax,
    /// `x / max`.
    RatioToMax,
    /// Min-max of `ln(x)`, for pools whose latencies span magnitudes; latencies under 0.001 ms count as that.
    LogMinMax,
}

impl CostNormalization {
    /// The names of all, as they are written.
    pub const NAMES: [&str; 3] = ["min_max", "ratio_to_max", "log_min_max"];

    /// The cost of each node of a pool, from its mean latency in milliseconds. A pool of equals costs 0 throughout
    /// under the min-max rules.
    ///
    /// ```
    /// use poq_core::cost::CostNormalization;
    /// assert_eq!(CostNormalization::MinMax.costs(&[10.0, 20.0, 30.0]), [0.0, 0.5, 1.0]);
    /// assert_eq!(CostNormalization::RatioToMax.costs(&[10.0, 20.0]), [0.5, 1.0]);
    /// ```
    #[must_use]
    pub fn costs(self, latencies_ms: &[f64]) -> Vec<f64> {
        match self {
            Self::MinMax => min_max(latencies_ms),
            Self::RatioToMax => {
                let max = latencies_ms.iter().copied().fold(0.0, f64::max);
                latencies_ms.iter().map(|&x| if max > 0.0 { x / max } else { 0.0 }).collect()
            }
            Self::LogMinMax => {
                let logs: Vec<f64> = latencies_ms.iter().map(|&x| libm::log(x.max(LOG_FLOOR_MS))).collect();
                min_max(&logs)
            }
        }
    }

    /// The cost that a latency has on the scale of a pool: that of [`CostNormalization::costs`] for a member, carried
    /// on for any other latency (so that it may leave `[0, 1]`).
    ///
    /// ```
    /// use poq_core::cost::CostNormalization;
    /// assert_eq!(CostNormalization::MinMax.cost_of(15.0, &[10.0, 20.0, 30.0]), 0.25);
    /// assert_eq!(CostNormalization::MinMax.cost_of(40.0, &[10.0, 20.0, 30.0]), 1.5);
    /// ```
    #[must_use]
    pub fn cost_of(self, latency_ms: f64, pool_latencies_ms: &[f64]) -> f64 {
        let scale = |x: f64| match self {
            Self::MinMax | Self::RatioToMax => x,
            Self::LogMinMax => libm::log(x.max(LOG_FLOOR_MS)),
        };
        let min = pool_latencies_ms.iter().copied().map(scale).fold(f64::INFINITY, f64::min);
        let max = pool_latencies_ms.iter().copied().map(scale).fold(f64::NEG_INFINITY, f64::max);
        let x = scale(latency_ms);
        match self {
            Self::RatioToMax if max > 0.0 => x / max,
            Self::MinMax | Self::LogMinMax if max > min => (x - min) / (max - min),
            _ => 0.0,
        }
    }
}

fn min_max(values: &[f64]) -> Vec<f64> {
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    values.iter().map(|&x| if max > min { (x - min) / (max - min) } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_latencies_and_a_single_node_cost_nothing_under_min_max() {
        assert_eq!(CostNormalization::MinMax.costs(&[5.0, 5.0]), [0.0, 0.0]);
        assert_eq!(CostNormalization::LogMinMax.costs(&[5.0]), [0.0]);
        assert_eq!(CostNormalization::RatioToMax.costs(&[0.0]), [0.0]);
    }

    #[test]
    fn the_log_rule_spreads_magnitudes_evenly() {
        let costs = CostNormalization::LogMinMax.costs(&[1.0, 100.0, 10_000.0]);
        assert!((costs[1] - 0.5).abs() < 1e-12 && costs[0] == 0.0 && costs[2] == 1.0);
        assert_eq!(CostNormalization::LogMinMax.costs(&[0.0, 1.0]), [0.0, 1.0]);
    }

    #[test]
    fn a_member_of_the_pool_has_the_same_cost_on_its_scale() {
        for pool in [&[1.0, 30.0, 10_000.0][..], &[5.0, 5.0], &[0.0]] {
            for rule in [CostNormalization::MinMax, CostNormalization::RatioToMax, CostNormalization::LogMinMax] {
                let on_scale: Vec<f64> = pool.iter().map(|&latency| rule.cost_of(latency, pool)).collect();
                assert_eq!(on_scale, rule.costs(pool), "{rule:?} {pool:?}");
            }
        }
    }
}
