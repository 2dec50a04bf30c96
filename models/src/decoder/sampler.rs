//! Choosing the next token from the scores.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::GenerateOptions;
use crate::error::ModelError;

/// The token chosen, and how clear the choice was.
pub(super) struct Choice {
    pub token: u32,
    pub margin: f32,
}

/// Greedy at temperature 0, else a draw from the softmax of the scores over the temperature.
pub(super) struct Sampler {
    temperature: f64,
    rng: ChaCha8Rng,
}

impl Sampler {
    pub(super) fn new(options: &GenerateOptions) -> Result<Self, ModelError> {
        let temperature = f64::from(options.temperature);
        if !temperature.is_finite() || temperature < 0.0 {
            return Err(ModelError::argument("temperature", options.temperature, "0 (greedy) or above, finite"));
        }
        Ok(Self { temperature, rng: ChaCha8Rng::seed_from_u64(options.seed) })
    }

    /// Chooses from finite scores, of which there is at least one.
    pub(super) fn choose(&mut self, scores: &[f32]) -> Choice {
        let (mut best, mut best_score, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
        for (token, score) in (0..).zip(scores) {
            if *score > best_score {
                (best, best_score, second) = (token, *score, best_score);
            } else if *score > second {
                second = *score;
            }
        }
        let token = if self.temperature == 0.0 { best } else { self.draw(scores, best_score).unwrap_or(best) };
        Choice { token, margin: best_score - second }
    }

    /// A cumulative sum in double precision, in the order of the ids: the same on every device that gives the same
    /// scores.
    fn draw(&mut self, scores: &[f32], best_score: f32) -> Option<u32> {
        // libm, so that a browser and a server draw the same token from the same scores.
        let temperature = self.temperature;
        let weight = |score: f32| libm::exp(f64::from(score - best_score) / temperature);
        let total: f64 = scores.iter().map(|score| weight(*score)).sum();
        let target = self.rng.random::<f64>() * total;
        let mut sum = 0.0;
        (0..).zip(scores).find_map(|(token, score)| {
            sum += weight(*score);
            (sum > target).then_some(token)
        })
    }
}
