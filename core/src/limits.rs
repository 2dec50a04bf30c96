//! The bounds of every number a user may set: one table that makes the check, the error text and the page's inputs.

use serde::Serialize;

use crate::scenario::ScenarioError;

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
pub const GROUP_COUNT: Bounds = bounds("count", 1.0, 1e5);
/// Factor on a group's recorded latency.
pub const LATENCY_FACTOR: Bounds = bounds("latency_factor", 1e-6, 1e6);
/// Standard deviation of the noise on an evaluator's score, on the scale of 0 to 10.
pub const SCORE_NOISE_SD: Bounds = bounds("score_noise_sd", 0.0, 10.0);
/// A score, or points on its scale.
pub const SCORE: Bounds = bounds("score", 0.0, 10.0);
/// What a reward of 1 is worth in a round, in any currency.
pub const PRICE_PER_ROUND: Bounds = bounds("price_per_round", 1e-9, 1e9);
/// What a second of a node's time costs it, in that currency.
pub const COST_PER_SECOND: Bounds = bounds("cost_per_second", 0.0, 1e9);
/// Temperature of routing by past reward, in units of reward.
pub const TEMPERATURE: Bounds = bounds("temperature", 1e-3, 1000.0);
/// A reward that is taken for granted.
pub const REWARD: Bounds = bounds("reward", -1000.0, 1000.0);
/// Stake of an instance.
pub const STAKE: Bounds = bounds("stake", 0.0, 1e12);
/// Share of the scores dropped at each end.
pub const TRIM_SHARE: Bounds = bounds("trim_share", 0.0, 0.5);
/// How fast trust weights move.
pub const TRUST_LAMBDA: Bounds = bounds("lambda", 0.0, 2.0);
/// A trust weight: above 0, so that weights never all vanish.
pub const TRUST_WEIGHT: Bounds = bounds("weight", 1e-6, 1000.0);
/// A share of a whole, or a probability.
pub const SHARE: Bounds = bounds("share", 0.0, 1.0);
/// Attacks of a scenario: each is run once more without it, to say what it gains.
pub const ATTACKS: usize = 16;
/// Assertions of a scenario.
pub const ASSERTIONS: usize = 1000;
/// Bytes of one assertion.
pub const ASSERTION_BYTES: usize = 2000;
/// Cells of a sweep.
pub const CELLS: f64 = 1e6;
/// Instances of one role, all groups together: what a report lists in seconds.
pub const INSTANCES: f64 = 1e5;
/// Trajectories of a sensitivity analysis.
pub const TRAJECTORIES: Bounds = bounds("trajectories", 2.0, 1000.0);
/// Levels that a sensitivity analysis gives a numeric field.
pub const LEVELS: Bounds = bounds("levels", 2.0, 100.0);
/// Fields that one sensitivity analysis varies.
pub const FACTORS: usize = 40;
/// Runs of a sensitivity analysis, or of the first stage of a search.
pub const RUNS: usize = 20_000;
/// Rounds of each run of a search before its best is run in full.
pub const SCREENING_ROUNDS: Bounds = bounds("screening_rounds", 1.0, 1e6);
/// Rounds of each run of a paper's study: enough for every evaluator of a pool of 30 to take part.
pub const STUDY_ROUNDS: Bounds = bounds("rounds", 100.0, 1e6);
/// Runs on fresh seeds of what a search found.
pub const REPLICATES: Bounds = bounds("replicates", 2.0, 100.0);
/// Runs on other random numbers that repeat a sweep's cell, where there are any: fewer tell no interval.
pub const CELL_REPLICATES: Bounds = bounds("replicates", 8.0, 100.0);

impl Bounds {
    /// Whether `value` is a number within the bounds.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// An error that names `path` where `value` is out of bounds.
    pub(crate) fn check(&self, path: &str, value: f64) -> Result<(), ScenarioError> {
        if self.contains(value) {
            return Ok(());
        }
        Err(ScenarioError::new(path, format!("{value} is out of range; allowed: {} to {}", self.min, self.max)))
    }
}
