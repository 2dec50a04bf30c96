//! Stakes at risk: an evaluator far from the consensus loses a share of its stake, and one with too little left is not
//! heard.

use crate::network::Instance;
use crate::reward::Staking;

/// The evaluators' stakes in a run.
#[derive(Debug)]
pub(crate) struct Stakes {
    rule: Staking,
    /// By evaluator: what is left.
    pub left: Vec<f64>,
    /// By evaluator: what it has lost.
    pub slashed: Vec<f64>,
    /// Distance from the consensus that costs an evaluator as much reward as a loss of 1.
    distance_per_loss: f64,
}

impl Stakes {
    pub(crate) fn new(rule: Staking, evaluators: &[Instance], alpha: f64) -> Self {
        Self {
            rule,
            left: evaluators.iter().map(|evaluator| evaluator.stake).collect(),
            slashed: vec![0.0; evaluators.len()],
            distance_per_loss: 10.0 / alpha,
        }
    }

    /// Those of `drawn` with stake enough to be heard.
    pub(crate) fn hear(&self, drawn: &[u32], heard: &mut Vec<u32>) {
        heard.clear();
        heard.extend(drawn.iter().filter(|&&evaluator| self.left[evaluator as usize] >= self.rule.min_stake));
    }

    /// Takes from an evaluator at that distance from the consensus what it loses; the distance that would have cost it
    /// as much reward in all.
    pub(crate) fn slash(&mut self, evaluator: usize, distance: f64) -> f64 {
        if distance <= self.rule.slash_distance {
            return distance;
        }
        let loss = self.rule.slash_share * self.left[evaluator];
        self.left[evaluator] -= loss;
        self.slashed[evaluator] += loss;
        distance + loss * self.distance_per_loss
    }
}
