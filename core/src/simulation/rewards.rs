//! Rewards one by one, where their distribution is asked for: a tally keeps moments alone.

use crate::attack::Role;
use crate::stats;

use super::{Scored, Simulation};

/// Rewards of a set of nodes kept at most; half of them are thinned away each time that it fills.
const CAPACITY: usize = 1 << 16;

/// The rewards of some sets of nodes: all of them while they are few, then an even sample of at most 65,536 a set.
#[derive(Debug)]
pub struct RewardSamples {
    /// By node: the sets that it is in.
    inference: Vec<Vec<u32>>,
    evaluators: Vec<Vec<u32>>,
    sets: Vec<Sample>,
}

#[derive(Clone, Debug)]
struct Sample {
    paid: u64,
    stride: u64,
    rewards: Vec<f64>,
}

impl Sample {
    fn add(&mut self, reward: f64) {
        if self.paid.is_multiple_of(self.stride) {
            if self.rewards.len() == CAPACITY {
                self.stride *= 2;
                let mut kept = 0;
                self.rewards.retain(|_| {
                    kept += 1;
                    kept % 2 == 1
                });
            }
            if self.paid.is_multiple_of(self.stride) {
                self.rewards.push(reward);
            }
        }
        self.paid += 1;
    }
}

impl RewardSamples {
    /// For these sets of nodes of `run`, each node by its role and its position in the network.
    #[must_use]
    pub fn new(run: &Simulation, sets: &[Vec<(Role, usize)>]) -> Self {
        let network = run.network();
        let mut samples = Self {
            inference: vec![Vec::new(); network.inference.len()],
            evaluators: vec![Vec::new(); network.evaluators.len()],
            sets: vec![Sample { paid: 0, stride: 1, rewards: Vec::new() }; sets.len()],
        };
        for (set, nodes) in (0..).zip(sets) {
            for &(role, node) in nodes {
                match role {
                    Role::Inference => samples.inference[node].push(set),
                    Role::Evaluator => samples.evaluators[node].push(set),
                }
            }
        }
        samples
    }

    /// The quantiles `at` of the rewards of a set, each in `[0, 1]` (linear interpolation between order statistics);
    /// none before its first reward.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, set: usize, at: [f64; N]) -> Option<[f64; N]> {
        let mut rewards = self.sets[set].rewards.clone();
        rewards.sort_unstable_by(f64::total_cmp);
        (!rewards.is_empty()).then(|| at.map(|at| stats::quantile(&rewards, at)))
    }
}

impl Simulation {
    /// As [`Simulation::run`], with the rewards of some nodes kept.
    pub fn run_sampling(&mut self, rounds: u64, samples: &mut RewardSamples) {
        let stop = self.rounds_done + rounds.min(self.rounds_left());
        let RewardSamples { inference: inference_sets, evaluators: evaluator_sets, sets } = samples;
        // What a value is worth to a node does not change within a run.
        let (inference, evaluators) = (self.inference.prices(), self.evaluators.prices());
        while self.rounds_done < stop {
            let step = stop.min(self.rounds_done + super::counterfactual::STEP);
            self.play_beside(step, &mut |answer: &Scored<'_>| {
                for &set in &inference_sets[answer.node] {
                    sets[set as usize].add(inference.reward(answer.node, answer.consensus));
                }
                for (&evaluator, &value) in answer.drawn.iter().zip(answer.values) {
                    for &set in &evaluator_sets[evaluator as usize] {
                        sets[set as usize].add(evaluators.reward(evaluator as usize, value));
                    }
                }
            });
        }
        self.replicates.follow(stop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_sample_keeps_every_second_reward() {
        let mut sample = Sample { paid: 0, stride: 1, rewards: Vec::new() };
        for reward in 0..200_000 {
            sample.add(f64::from(reward));
        }
        assert_eq!(sample.stride, 4);
        let want: Vec<f64> = (0..200_000).step_by(4).map(f64::from).collect();
        assert_eq!(sample.rewards, want);
    }
}
