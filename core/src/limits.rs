//! The bounds of every number a user may set: one table that makes the check, the error text and the page's inputs.

use serde::Serialize;

/// An allowed range, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bounds {
    /// Path of the field in a scenario.
    pub field: &'static str,
    /// Smallest allowed value.
    pub min: f64,
    /// Largest allowed value.
    pub max: f64,
}

const fn bounds(field: &'static str, min: f64, max: f64) -> Bounds {
    Bounds { field, min, max }
}

/// Rounds of a run.
pub const ROUNDS: Bounds = bounds("rounds", 1.0, 1e9);
/// Seed: every whole number that a JSON number holds exactly.
pub const SEED: Bounds = bounds("seed", 0.0, 9_007_199_254_740_991.0);
/// Evaluators drawn for a round; the size of the pool is the tighter bound.
pub const EVALUATORS_PER_ROUND: Bounds = bounds("evaluators_per_round", 1.0, 1e4);
/// A weight of quality or cost.
pub const REWARD_WEIGHT: Bounds = bounds("reward", 0.0, 1000.0);
/// Instances of one group of the network.
pub const GROUP_COUNT: Bounds = bounds("count", 1.0, 1e4);
/// Factor on a group's recorded latency.
pub const LATENCY_FACTOR: Bounds = bounds("latency_factor", 1e-6, 1e6);
/// Standard deviation of the noise on an evaluator's score, on the scale of 0 to 10.
pub const SCORE_NOISE_SD: Bounds = bounds("score_noise_sd", 0.0, 10.0);
/// Stake of an instance.
pub const STAKE: Bounds = bounds("stake", 0.0, 1e12);
/// Instances of one role, all groups together: what the bootstrap over prompts does in seconds.
pub const INSTANCES: f64 = 1e4;

impl Bounds {
    /// Whether `value` is a number within the bounds.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }
}
