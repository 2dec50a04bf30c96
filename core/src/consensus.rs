//! Consensus: one score in `[0, 10]` from the scores of the evaluators drawn for an output.

use serde::{Deserialize, Serialize};

/// The rule that turns the drawn evaluators' scores into the consensus.
///
/// Assumed: arXiv 2512.16317 does not state its rule; the follow-up (arXiv 2601.21189) calls the baseline "simple
/// averaging".
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum Consensus {
    /// The arithmetic mean.
    #[default]
    Mean,
}

impl Consensus {
    /// The consensus of `scores`, each in `[0, 10]`; 0 for none.
    #[inline]
    #[must_use]
    pub fn of(self, scores: &[f64]) -> f64 {
        match self {
            Self::Mean => {
                let sum: f64 = scores.iter().sum();
                if scores.is_empty() { 0.0 } else { sum / scores.len() as f64 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_lies_within_the_scores() {
        assert_eq!(Consensus::Mean.of(&[2.0, 4.0, 9.0]), 5.0);
        assert_eq!(Consensus::Mean.of(&[]), 0.0);
    }
}
