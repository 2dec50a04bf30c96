//! Evaluator scores: from a model's raw value to the common scale of 0 to 10.

use serde::{Deserialize, Serialize};

/// How an evaluator's raw value becomes a score in `[0, 10]` (assumed: the papers do not say).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreNormalization {
    /// `10 * raw`, raw clamped to `[0, 1]`: cosine similarities and F-scores.
    Unit,
    /// `10 / (1 + exp(-raw))`: logits.
    Sigmoid,
    /// `10 * (raw - min) / (max - min)` over that evaluator's range in the dataset; 0 where the range is empty.
    MinMax,
    /// raw clamped to `[0, 10]`: a judge that already answers on this scale.
    Ten,
}

impl ScoreNormalization {
    /// The names of all, as they are written.
    pub const NAMES: [&str; 4] = ["unit", "sigmoid", "min_max", "ten"];

    /// The score of `raw`; `range` is the evaluator's smallest and largest raw value in the dataset.
    ///
    /// ```
    /// use poq_core::score::ScoreNormalization;
    /// assert_eq!(ScoreNormalization::Unit.apply(0.25, (0.0, 1.0)), 2.5);
    /// assert_eq!(ScoreNormalization::Sigmoid.apply(0.0, (0.0, 1.0)), 5.0);
    /// assert_eq!(ScoreNormalization::MinMax.apply(3.0, (1.0, 5.0)), 5.0);
    /// assert_eq!(ScoreNormalization::Ten.apply(12.0, (0.0, 1.0)), 10.0);
    /// ```
    #[must_use]
    pub fn apply(self, raw: f64, range: (f64, f64)) -> f64 {
        match self {
            Self::Unit => 10.0 * raw.clamp(0.0, 1.0),
            Self::Sigmoid => 10.0 / (1.0 + libm::exp(-raw)),
            Self::MinMax => {
                let (min, max) = range;
                if max > min { 10.0 * ((raw - min) / (max - min)).clamp(0.0, 1.0) } else { 0.0 }
            }
            Self::Ten => raw.clamp(0.0, 10.0),
        }
    }
}
