//! Rewards: quality minus cost, for both roles (arXiv 2512.16317; the form as its authors describe it).

use serde::{Deserialize, Serialize};

/// The weights of quality (alpha) and cost (beta) for each role. Their values are assumed: the paper gives none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardWeights {
    /// What a consensus of 10 pays an inference node.
    pub alpha_inference: f64,
    /// What a cost of 1 takes from an inference node.
    pub beta_inference: f64,
    /// What a score equal to the consensus pays an evaluator node.
    pub alpha_evaluator: f64,
    /// What a cost of 1 takes from an evaluator node.
    pub beta_evaluator: f64,
}

impl Default for RewardWeights {
    fn default() -> Self {
        Self { alpha_inference: 1.0, beta_inference: 0.5, alpha_evaluator: 1.0, beta_evaluator: 0.5 }
    }
}

/// What an inference node's answer is worth: `c / 10`, for a consensus `c` in `[0, 10]`.
#[inline]
#[must_use]
pub fn inference_quality(consensus: f64) -> f64 {
    consensus / 10.0
}

/// What an evaluator's score is worth: its closeness to the consensus, `1 - |s - c| / 10` (form assumed).
#[inline]
#[must_use]
pub fn evaluator_quality(score: f64, consensus: f64) -> f64 {
    1.0 - (score - consensus).abs() / 10.0
}

/// [`inference_quality`] as intercept and slope, for sums that are turned into quality once.
pub(crate) const INFERENCE_QUALITY: (f64, f64) = (0.0, 0.1);

/// [`evaluator_quality`] as intercept and slope in the distance `|s - c|`.
pub(crate) const EVALUATOR_QUALITY: (f64, f64) = (1.0, -0.1);

/// `alpha * quality - beta * cost`, with quality and cost in `[0, 1]`.
#[inline]
#[must_use]
pub fn reward(alpha: f64, quality: f64, beta: f64, cost: f64) -> f64 {
    alpha * quality - beta * cost
}

/// What rewards are worth in money, and what a node's time costs it. Its values are assumed.
///
/// A node's profit each time it is paid is `price_per_round * reward - cost_per_second * latency`, with the latency
/// that it truly has, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Money {
    /// What a reward of 1 is worth.
    pub price_per_round: f64,
    /// What a second of a node's time costs it.
    pub cost_per_second: f64,
}

impl Default for Money {
    fn default() -> Self {
        Self { price_per_round: 0.01, cost_per_second: 0.001 }
    }
}

impl Money {
    /// The profit of a node with that latency from a payment of `reward`.
    #[must_use]
    pub fn profit(self, reward: f64, latency_ms: f64) -> f64 {
        self.price_per_round * reward - self.cost_per_second * latency_ms / 1000.0
    }

    /// The reward at which a node with that latency neither gains nor loses.
    #[must_use]
    pub fn break_even(self, latency_ms: f64) -> f64 {
        self.cost_per_second * latency_ms / 1000.0 / self.price_per_round
    }
}

/// Evaluators' stakes at risk. A stake counts in units of reward. All of it is assumed: the papers have no stakes.
///
/// An evaluator whose score lies more than `slash_distance` points from the consensus loses `slash_share` of the stake
/// that it has left, which is taken from its reward. With less than `min_stake` left it may be drawn but is not heard:
/// its score does not count, and it is not paid. An answer for which nobody drawn is heard pays nobody.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Staking {
    /// Points from the consensus beyond which a score costs stake.
    pub slash_distance: f64,
    /// Share of the stake left that is lost each time.
    pub slash_share: f64,
    /// Stake that an evaluator needs to be heard.
    pub min_stake: f64,
}

impl Default for Staking {
    fn default() -> Self {
        Self { slash_distance: 5.0, slash_share: 0.1, min_stake: 0.25 }
    }
}

/// The consensus at which an inference node with that cost earns `reward`: the line of equal reward. It may leave
/// `[0, 10]`; none where quality does not pay.
#[must_use]
pub fn consensus_for(reward: f64, alpha: f64, beta: f64, cost: f64) -> Option<f64> {
    (alpha > 0.0).then(|| 10.0 * (reward + beta * cost) / alpha)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_are_quality_minus_cost() {
        assert_eq!(reward(1.0, inference_quality(8.0), 0.5, 0.4), 0.6000000000000001);
        assert_eq!(evaluator_quality(3.0, 5.0), 0.8);
        assert_eq!(evaluator_quality(0.0, 10.0), 0.0);
    }

    #[test]
    fn intercepts_and_slopes_are_those_of_the_formulas() {
        for distance in [0.0, 0.7, 3.3, 10.0] {
            let (intercept, slope) = INFERENCE_QUALITY;
            assert!((intercept + slope * distance - inference_quality(distance)).abs() < 1e-15);
            let (intercept, slope) = EVALUATOR_QUALITY;
            assert!((intercept + slope * distance - evaluator_quality(distance, 0.0)).abs() < 1e-15);
        }
    }

    #[test]
    fn profit_is_nought_at_break_even() {
        let money = Money { price_per_round: 0.02, cost_per_second: 0.005 };
        assert!((money.profit(0.6, 800.0) - (0.012 - 0.004)).abs() < 1e-15);
        assert!(money.profit(money.break_even(800.0), 800.0).abs() < 1e-15);
    }

    #[test]
    fn a_line_of_equal_reward_earns_that_reward() {
        let consensus = consensus_for(0.3, 0.8, 0.5, 0.4).expect("quality pays");
        assert!((reward(0.8, inference_quality(consensus), 0.5, 0.4) - 0.3).abs() < 1e-12);
        assert_eq!(consensus_for(0.3, 0.0, 0.5, 0.4), None);
    }
}
