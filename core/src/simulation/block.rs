//! Rounds played some at a time: first their draws, then their scores and consensus, then the sums of whom they pay.
//! What is drawn and added, and in which order, is as in rounds one by one. Each step by itself is a short loop; and in
//! a network too large for the processor's cache, look-ups all over the memory wait for it together, where in rounds
//! one by one each would hold up what follows it.

use crate::network::{Cohorts, Network};
use crate::rng::{Ranges, Stream, Words as _};

use super::draw::EvaluatorDraw;
use super::sample::Sampled;
use super::{Scorer, Simulation};

/// Rounds at a time: what they note for a few evaluators each stays in the nearest cache.
const ROUNDS: u64 = 128;

/// What some rounds note, round by round.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Random words, as bytes.
    words: Vec<u8>,
    /// Positions among the tasks drawn.
    tasks: Vec<u32>,
    /// Paid for the consensus.
    inference: Payments,
    /// K to a round, paid for the distance of their scores from it.
    evaluators: Payments,
    scores: Vec<f64>,
}

/// Payments to the nodes of one role.
#[derive(Debug, Default)]
pub(super) struct Payments {
    pub nodes: Vec<u32>,
    pub cohorts: Vec<u32>,
    /// What they are paid for.
    pub values: Vec<f64>,
}

impl Payments {
    fn resize(&mut self, payments: usize) {
        self.nodes.resize(payments, 0);
        self.cohorts.resize(payments, 0);
        self.values.resize(payments, 0.0);
    }

    #[inline(never)]
    fn look_up(&mut self, cohorts: &Cohorts) {
        if cohorts.are_single() {
            self.cohorts.copy_from_slice(&self.nodes);
        } else {
            for (cohort, &node) in self.cohorts.iter_mut().zip(&self.nodes) {
                *cohort = cohorts.of[node as usize];
            }
        }
    }
}

impl Simulation {
    /// Runs simple rounds until `stop`, or until the next point of the series. `K` is the number of evaluators, where
    /// the compiler is to know it, or 0.
    pub(super) fn play_in_blocks<const K: usize>(&mut self, stop: u64) {
        let (stop, end_of_batch) = self.halt(stop);
        while self.rounds_done < stop {
            self.play_block::<K>(stop.min(self.rounds_done + ROUNDS));
        }
        self.rest(end_of_batch);
    }

    fn play_block<const K: usize>(&mut self, stop: u64) {
        let Self { network, block, evaluator_draw, rule, .. } = self;
        let k = if K > 0 { K } else { self.scores.len() };
        let rounds = (stop - self.rounds_done) as usize;
        block.draw::<K>(rounds, k, &self.ranges, evaluator_draw, &mut self.draws);
        block.inference.look_up(&network.inference_cohorts);
        block.evaluators.look_up(&network.evaluator_cohorts);
        block.score::<K>(k, network, &self.models, &self.scorers);
        let Block { tasks, inference, evaluators, scores, .. } = block;
        rule.consensus_of_each::<K>(k, &evaluators.nodes, scores, &mut inference.values);
        set_distances::<K>(k, scores, &inference.values, &mut evaluators.values);

        let first = self.rounds_done;
        let mut round = self.sample.next_due(first);
        while round < stop {
            if self.sample.admits(round, 1) {
                let at = (round - first) as usize;
                let (task, model) = (tasks[at], self.models[inference.cohorts[at] as usize]);
                self.sample.push(Sampled { round: round as u32, task, model, consensus: inference.values[at] });
            }
            round = self.sample.next_due(round + 1);
        }
        self.inference.pay_all::<1>(1, tasks, inference);
        self.evaluators.pay_all::<K>(k, tasks, evaluators);
        self.rounds_done = stop;
    }
}

impl Block {
    /// Makes the draws of `rounds` rounds.
    #[inline(never)]
    fn draw<const K: usize>(
        &mut self,
        rounds: usize,
        k: usize,
        ranges: &Ranges<3>,
        evaluator_draw: &mut EvaluatorDraw,
        stream: &mut Stream,
    ) {
        let k = if K > 0 { K } else { k };
        self.words.resize(4 * rounds * (ranges.words() + evaluator_draw.words()), 0);
        self.tasks.resize(rounds, 0);
        self.inference.resize(rounds);
        self.evaluators.resize(rounds * k);
        self.scores.resize(rounds * k, 0.0);
        let mut words = stream.ahead(&mut self.words);
        let drawn = self.evaluators.nodes.chunks_exact_mut(k);
        for ((task, node), drawn) in self.tasks.iter_mut().zip(&mut self.inference.nodes).zip(drawn) {
            let set;
            [*task, *node, set] = words.numbers_below(ranges);
            evaluator_draw.draw_into::<K>(set, &mut words, drawn);
        }
    }

    /// Looks up the scores.
    #[inline(never)]
    fn score<const K: usize>(&mut self, k: usize, network: &Network, models: &[u32], scorers: &[Scorer]) {
        let k = if K > 0 { K } else { k };
        let given = self.scores.chunks_exact_mut(k).zip(self.evaluators.cohorts.chunks_exact(k));
        for ((&task, &cohort), (scores, cohorts)) in self.tasks.iter().zip(&self.inference.cohorts).zip(given) {
            let recorded = network.scores(task as usize, models[cohort as usize] as usize);
            for (score, &cohort) in scores.iter_mut().zip(cohorts) {
                *score = recorded[scorers[cohort as usize].model];
            }
        }
    }
}

/// Sets the distance of each score, `k` to a round, from the consensus of its round.
#[inline(never)]
fn set_distances<const K: usize>(k: usize, scores: &[f64], consensus: &[f64], distances: &mut [f64]) {
    let k = if K > 0 { K } else { k };
    let rounds = distances.chunks_exact_mut(k).zip(scores.chunks_exact(k)).zip(consensus);
    for ((distances, scores), consensus) in rounds {
        for (distance, score) in distances.iter_mut().zip(scores) {
            *distance = (score - consensus).abs();
        }
    }
}
