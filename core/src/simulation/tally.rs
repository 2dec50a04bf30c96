//! What rounds add up to: per node and task, enough for every figure of the report.

use crate::network::Network;
use crate::reward::{EVALUATOR_QUALITY, INFERENCE_QUALITY, RewardWeights};
use crate::scenario::InferenceDraw;
use crate::stats::Moments;

/// Sums over the payments of one node on one task.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    /// Moments of what the node is paid for, in `[0, 10]`: the consensus of an inference node's answer, the distance of
    /// an evaluator's score from the consensus.
    pub values: Moments,
    /// Payments below 0.
    pub negative: u64,
}

/// The cells of one role, laid out as `[task drawn, node]`.
///
/// Rewards are not summed: a node's reward is affine in the value that it is paid for, `intercept + slope * value`, so
/// that its mean and deviation follow from those of the value.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Quality in `[0, 1]` of a value: intercept and slope.
    quality: (f64, f64),
    slope: f64,
    /// By node.
    intercepts: Vec<f64>,
    cells: Vec<Cell>,
    rounds: Option<RoundMeans>,
}

/// Where a node is paid several times a round, its payments of one round go together: the means of rounds are what is
/// independent.
#[derive(Clone, Debug)]
struct RoundMeans {
    /// By node: sum of the values of the round at hand.
    open: Vec<f64>,
    /// Payments of each drawn node in a round.
    payments: f64,
    /// By node: moments of the rounds' mean values.
    means: Vec<Moments>,
}

impl Tally {
    /// Reward of an inference node: `alpha * c / 10 - beta * cost`.
    pub(crate) fn of_inference(network: &Network, weights: &RewardWeights) -> Self {
        let costs = network.inference.iter().map(|node| node.cost);
        Self::new(costs, network.tasks.len(), INFERENCE_QUALITY, weights.alpha_inference, weights.beta_inference)
    }

    /// What inference nodes earn more in one run than in another: by node, how much more it costs; values are the
    /// differences of consensus.
    pub(crate) fn of_inference_gains(costs: &[f64], tasks: usize, weights: &RewardWeights) -> Self {
        let slope = (0.0, INFERENCE_QUALITY.1);
        Self::new(costs.iter().copied(), tasks, slope, weights.alpha_inference, weights.beta_inference)
    }

    /// As [`Tally::of_inference_gains`], for evaluators that are paid for `answers` answers a round.
    pub(crate) fn of_evaluator_gains(costs: &[f64], tasks: usize, weights: &RewardWeights, answers: usize) -> Self {
        let slope = (0.0, EVALUATOR_QUALITY.1);
        Self::new(costs.iter().copied(), tasks, slope, weights.alpha_evaluator, weights.beta_evaluator)
            .paid_in_rounds(answers)
    }

    /// Reward of an evaluator node: `alpha * (1 - |s - c| / 10) - beta * cost`.
    pub(crate) fn of_evaluators(network: &Network, weights: &RewardWeights, draw: InferenceDraw) -> Self {
        let costs = network.evaluators.iter().map(|node| node.cost);
        let answers = match draw {
            InferenceDraw::Uniform => 1,
            InferenceDraw::All => network.inference.len(),
        };
        let (alpha, beta) = (weights.alpha_evaluator, weights.beta_evaluator);
        Self::new(costs, network.tasks.len(), EVALUATOR_QUALITY, alpha, beta).paid_in_rounds(answers)
    }

    /// For nodes that are paid for so many answers in each round that they take part in.
    fn paid_in_rounds(mut self, answers: usize) -> Self {
        let nodes = self.nodes();
        self.rounds = (answers > 1).then(|| RoundMeans {
            open: vec![0.0; nodes],
            payments: answers as f64,
            means: vec![Moments::default(); nodes],
        });
        self
    }

    fn new(costs: impl Iterator<Item = f64>, tasks: usize, quality: (f64, f64), alpha: f64, beta: f64) -> Self {
        let intercepts: Vec<f64> = costs.map(|cost| alpha * quality.0 - beta * cost).collect();
        Self {
            quality,
            slope: alpha * quality.1,
            cells: vec![Cell::default(); tasks * intercepts.len()],
            intercepts,
            rounds: None,
        }
    }

    /// The tally opened for payments.
    pub(crate) fn desk(&mut self) -> Desk<'_> {
        Desk { cells: &mut self.cells, intercepts: &self.intercepts, slope: self.slope, rounds: self.rounds.as_mut() }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.intercepts.len()
    }

    /// The reward of `node` for a value.
    pub(crate) fn reward(&self, node: usize, value: f64) -> f64 {
        self.intercepts[node] + self.slope * value
    }

    /// The standard deviation of a reward, from that of the value.
    pub(crate) fn reward_sd(&self, value_sd: f64) -> f64 {
        self.slope.abs() * value_sd
    }

    /// Quality in `[0, 1]` of a value.
    pub(crate) fn quality(&self, value: f64) -> f64 {
        self.quality.0 + self.quality.1 * value
    }

    /// The cells of each task, one for each node.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunks_exact(self.intercepts.len().max(1))
    }

    /// Each node's sums over all tasks.
    pub(crate) fn totals(&self) -> Vec<Cell> {
        let mut totals = vec![Cell::default(); self.nodes()];
        for task in self.tasks() {
            for (total, cell) in totals.iter_mut().zip(task) {
                total.values.merge(cell.values);
                total.negative += cell.negative;
            }
        }
        totals
    }

    /// Moments of `node`'s independent observations, whose sums over all tasks are `total`.
    pub(crate) fn independent(&self, node: usize, total: &Cell) -> Moments {
        self.rounds.as_ref().map_or(total.values, |rounds| rounds.means[node])
    }
}

/// A tally opened for payments.
pub(crate) struct Desk<'a> {
    cells: &'a mut [Cell],
    intercepts: &'a [f64],
    slope: f64,
    rounds: Option<&'a mut RoundMeans>,
}

impl Desk<'_> {
    /// Pays `node` for `value` on `task`.
    #[inline]
    pub(crate) fn pay(&mut self, task: usize, node: usize, value: f64) {
        let cell = &mut self.cells[task * self.intercepts.len() + node];
        cell.values.add(value);
        cell.negative += u64::from(self.intercepts[node] + self.slope * value < 0.0);
        if let Some(rounds) = &mut self.rounds {
            rounds.open[node] += value;
        }
    }

    /// The round is over; `drawn` are the nodes that were paid in it.
    #[inline]
    pub(crate) fn end_round(&mut self, drawn: &[u32]) {
        if let Some(rounds) = &mut self.rounds {
            for &node in drawn {
                let mean = std::mem::take(&mut rounds.open[node as usize]) / rounds.payments;
                rounds.means[node as usize].add(mean);
            }
        }
    }
}

/// Points of a series at most.
const POINTS: u64 = 50;
/// Networks larger than this have no series: a plot could not show them, and each point costs a pass over all cells.
const MAX_NODES: usize = 64;

/// The running mean reward of every node, at evenly spaced rounds.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    step: u64,
    next: u64,
    pub rounds: Vec<u64>,
    /// By point: inference nodes, then evaluators; none before a node's first round.
    pub means: Vec<Vec<Option<f64>>>,
    /// By point: the evaluators' trust weights, under a rule that keeps them.
    pub weights: Vec<Vec<f64>>,
}

impl Series {
    pub(crate) fn new(rounds: u64, nodes: usize) -> Self {
        let step = if nodes <= MAX_NODES { rounds.div_ceil(POINTS).max(1) } else { u64::MAX };
        Self { step, next: step, rounds: Vec::new(), means: Vec::new(), weights: Vec::new() }
    }

    /// Rounds done at the next point.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn push(&mut self, rounds_done: u64, inference: &Tally, evaluators: &Tally, weights: Option<&[f64]>) {
        self.next += self.step;
        self.rounds.push(rounds_done);
        let means = [inference, evaluators].into_iter().flat_map(|tally| {
            let totals = tally.totals();
            (0..tally.nodes()).map(move |node| totals[node].values.mean().map(|value| tally.reward(node, value)))
        });
        self.means.push(means.collect());
        self.weights.extend(weights.map(<[f64]>::to_vec));
    }
}
