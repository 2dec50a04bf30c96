//! What rounds add up to: per node and task, enough for every figure of the report.

use crate::network::Instance;
use crate::stats::Moments;

/// Sums over the rounds of one node on one task.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    /// Count, sum and sum of squares of quality, in `[0, 1]`.
    pub quality: Moments,
    /// Rounds whose reward was below 0.
    pub negative: u64,
}

impl Cell {
    fn merge(&mut self, other: &Self) {
        self.quality.merge(other.quality);
        self.negative += other.negative;
    }
}

/// The cells of one role, laid out as `[task drawn, node]`.
///
/// Rewards are not summed: a node's reward is `alpha * quality - beta * cost` with a constant cost, so that its mean and
/// deviation follow from those of quality.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    alpha: f64,
    beta: f64,
    /// By node: `beta * cost`.
    charges: Vec<f64>,
    cells: Vec<Cell>,
}

impl Tally {
    pub(crate) fn new(nodes: &[Instance], tasks: usize, alpha: f64, beta: f64) -> Self {
        let charges: Vec<f64> = nodes.iter().map(|node| beta * node.cost).collect();
        Self { alpha, beta, cells: vec![Cell::default(); tasks * charges.len()], charges }
    }

    #[inline]
    pub(crate) fn add(&mut self, task: usize, node: usize, quality: f64) {
        let cell = &mut self.cells[task * self.charges.len() + node];
        cell.quality.count += 1;
        cell.quality.sum += quality;
        cell.quality.sum_of_squares += quality * quality;
        cell.negative += u64::from(self.alpha * quality - self.charges[node] < 0.0);
    }

    pub(crate) fn alpha(&self) -> f64 {
        self.alpha
    }

    pub(crate) fn beta(&self) -> f64 {
        self.beta
    }

    pub(crate) fn nodes(&self) -> usize {
        self.charges.len()
    }

    /// The reward of `node` for a quality.
    pub(crate) fn reward(&self, node: usize, quality: f64) -> f64 {
        self.alpha * quality - self.charges[node]
    }

    /// The cells of each task, one for each node.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunks_exact(self.charges.len().max(1))
    }

    /// Each node's sums over all tasks.
    pub(crate) fn totals(&self) -> Vec<Cell> {
        let mut totals = vec![Cell::default(); self.nodes()];
        for task in self.tasks() {
            for (total, cell) in totals.iter_mut().zip(task) {
                total.merge(cell);
            }
        }
        totals
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
}

impl Series {
    pub(crate) fn new(rounds: u64, nodes: usize) -> Self {
        let step = if nodes <= MAX_NODES { rounds.div_ceil(POINTS).max(1) } else { u64::MAX };
        Self { step, next: step, rounds: Vec::new(), means: Vec::new() }
    }

    #[inline]
    pub(crate) fn is_due(&self, rounds_done: u64) -> bool {
        rounds_done == self.next
    }

    pub(crate) fn push(&mut self, rounds_done: u64, inference: &Tally, evaluators: &Tally) {
        self.next += self.step;
        self.rounds.push(rounds_done);
        let means = [inference, evaluators].into_iter().flat_map(|tally| {
            let totals = tally.totals();
            (0..tally.nodes()).map(move |node| totals[node].quality.mean().map(|quality| tally.reward(node, quality)))
        });
        self.means.push(means.collect());
    }
}
