//! What rounds add up to: per node and task, enough for every figure of the report.

use crate::network::{Cohorts, Network};
use crate::reward::{EVALUATOR_QUALITY, INFERENCE_QUALITY, RewardWeights};
use crate::scenario::InferenceDraw;
use crate::stats::{self, Interval, Moments};

/// Cells of a role up to which each node has its own, even beside others of its kind: what a processor's cache holds.
const CELLS: usize = 1 << 15;

/// Sums over the payments of one node on one task.
///
/// Aligned so that a cell lies in one line of the processor's cache.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(align(32))]
pub(crate) struct Cell {
    /// Moments of what the node is paid for, in `[0, 10]`: the consensus of an inference node's answer, the distance of
    /// an evaluator's score from the consensus.
    pub values: Moments,
    /// Payments below 0.
    pub negative: u64,
}

impl Cell {
    fn merge(&mut self, other: &Self) {
        self.values.merge(other.values);
        self.negative += other.negative;
    }
}

/// The sums of one role.
///
/// Rewards are not summed: a node's reward is affine in the value that it is paid for, `intercept + slope * value`, so
/// that its mean and deviation follow from those of the value.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Quality in `[0, 1]` of a value: intercept and slope.
    quality: (f64, f64),
    slope: f64,
    /// By cohort.
    intercepts: Vec<f64>,
    cohorts: Cohorts,
    /// Laid out as `[task drawn, node]`; as `[task drawn, cohort]` where nodes have sums of their own.
    cells: Vec<Cell>,
    /// By node: its sums over all tasks, in networks too large for cells of their own.
    nodes: Option<Vec<Cell>>,
    /// By node, where it is paid several times a round.
    node_rounds: Option<Vec<RoundMoments>>,
    /// By cohort, where some have several nodes.
    cohort_rounds: Option<Vec<RoundMoments>>,
}

/// Payments of one round go together, and rounds are independent: moments, over rounds, of the number `n` and the sum `v` of
/// the payments that a node or cohort has in a round.
#[derive(Clone, Copy, Debug, Default)]
struct RoundMoments {
    /// The last round with a payment, counted from 1, and what was paid in it so far.
    last: u64,
    last_n: f64,
    last_v: f64,
    /// Rounds with a payment.
    rounds: u64,
    /// Sums over rounds of `n`, `v` and their products.
    n: f64,
    v: f64,
    nn: f64,
    nv: f64,
    vv: f64,
}

impl RoundMoments {
    /// Adds a payment in `round`.
    #[inline]
    fn add(&mut self, round: u64, value: f64) {
        if self.last != round + 1 {
            self.last = round + 1;
            self.last_n = 0.0;
            self.last_v = 0.0;
            self.rounds += 1;
        }
        // Products of the round's sums grow by what this payment adds to them.
        let (n, v) = (self.last_n, self.last_v);
        self.n += 1.0;
        self.v += value;
        self.nn += 2.0 * n + 1.0;
        self.nv += v + (n + 1.0) * value;
        self.vv += (2.0 * v + value) * value;
        self.last_n = n + 1.0;
        self.last_v = v + value;
    }

    /// Standard error of the mean value `v / n`, a ratio of sums over rounds (delta method), and its degrees of freedom;
    /// none with fewer than two rounds.
    fn standard_error(&self) -> Option<(f64, u64)> {
        (self.rounds > 1).then(|| {
            let (mean, rounds) = (self.v / self.n, self.rounds as f64);
            let squares = (self.vv - 2.0 * mean * self.nv + mean * mean * self.nn).max(0.0);
            ((squares * rounds / (rounds - 1.0)).sqrt() / self.n, self.rounds - 1)
        })
    }
}

/// What the payments of one node or cohort come to, in units of reward.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Payments.
    pub count: u64,
    /// Mean of what it is paid for.
    pub value_mean: Option<f64>,
    pub reward_mean: Option<f64>,
    pub reward_sd: Option<f64>,
    pub negative_share: Option<f64>,
    pub ci95_monte_carlo: Option<Interval>,
    pub ci95_prompts: Option<Interval>,
}

impl Tally {
    /// Reward of an inference node: `alpha * c / 10 - beta * cost`.
    pub(crate) fn of_inference(network: &Network, weights: &RewardWeights, draw: InferenceDraw) -> Self {
        let costs = network.inference.iter().map(|node| node.cost);
        let (alpha, beta) = (weights.alpha_inference, weights.beta_inference);
        let mut tally =
            Self::new(costs, network.inference_cohorts.clone(), network.tasks.len(), INFERENCE_QUALITY, alpha, beta);
        if draw == InferenceDraw::All {
            tally.group_by_rounds(false);
        }
        tally
    }

    /// Reward of an evaluator node: `alpha * (1 - |s - c| / 10) - beta * cost`.
    pub(crate) fn of_evaluators(network: &Network, weights: &RewardWeights, draw: InferenceDraw) -> Self {
        let costs = network.evaluators.iter().map(|node| node.cost);
        let (alpha, beta) = (weights.alpha_evaluator, weights.beta_evaluator);
        let mut tally =
            Self::new(costs, network.evaluator_cohorts.clone(), network.tasks.len(), EVALUATOR_QUALITY, alpha, beta);
        tally.group_by_rounds(draw == InferenceDraw::All && network.inference.len() > 1);
        tally
    }

    /// What inference nodes earn more in one run than in another: by node, how much more it costs; values are the
    /// differences of consensus.
    pub(crate) fn of_inference_gains(
        costs: &[f64],
        cohorts: Cohorts,
        tasks: usize,
        weights: &RewardWeights,
        draw: InferenceDraw,
    ) -> Self {
        let slope = (0.0, INFERENCE_QUALITY.1);
        let costs = costs.iter().copied();
        let mut tally = Self::new(costs, cohorts, tasks, slope, weights.alpha_inference, weights.beta_inference);
        if draw == InferenceDraw::All {
            tally.group_by_rounds(false);
        }
        tally
    }

    /// As [`Tally::of_inference_gains`], for evaluators; `several` if each is paid several times a round.
    pub(crate) fn of_evaluator_gains(
        costs: &[f64],
        cohorts: Cohorts,
        tasks: usize,
        weights: &RewardWeights,
        several: bool,
    ) -> Self {
        let slope = (0.0, EVALUATOR_QUALITY.1);
        let costs = costs.iter().copied();
        let mut tally = Self::new(costs, cohorts, tasks, slope, weights.alpha_evaluator, weights.beta_evaluator);
        tally.group_by_rounds(several);
        tally
    }

    fn new(
        costs: impl Iterator<Item = f64>,
        cohorts: Cohorts,
        tasks: usize,
        quality: (f64, f64),
        alpha: f64,
        beta: f64,
    ) -> Self {
        let by_node: Vec<f64> = costs.map(|cost| alpha * quality.0 - beta * cost).collect();
        let nodes = by_node.len();
        let own_cells = cohorts.are_single() || tasks * nodes <= CELLS;
        let width = if own_cells { nodes } else { cohorts.len() };
        Self {
            quality,
            slope: alpha * quality.1,
            cells: vec![Cell::default(); tasks * width],
            nodes: (!own_cells).then(|| vec![Cell::default(); nodes]),
            intercepts: cohorts.first.iter().map(|&first| by_node[first as usize]).collect(),
            cohorts,
            node_rounds: None,
            cohort_rounds: None,
        }
    }

    /// For payments of which several of a cohort's, or even (`several`) of a node's, fall in one round.
    fn group_by_rounds(&mut self, several: bool) {
        self.node_rounds = several.then(|| vec![RoundMoments::default(); self.nodes()]);
        self.cohort_rounds = (!self.cohorts.are_single()).then(|| vec![RoundMoments::default(); self.cohorts.len()]);
    }

    /// Whether each node is a cohort of its own, and no payments go together.
    pub(crate) fn is_plain(&self) -> bool {
        self.cohorts.are_single() && self.node_rounds.is_none()
    }

    /// The tally opened for payments.
    pub(crate) fn desk(&mut self) -> Desk<'_> {
        Desk {
            width: self.width(),
            cells: &mut self.cells,
            intercepts: &self.intercepts,
            slope: self.slope,
            cohorts: &self.cohorts.of,
            nodes: self.nodes.as_deref_mut(),
            node_rounds: self.node_rounds.as_deref_mut(),
            cohort_rounds: self.cohort_rounds.as_deref_mut(),
        }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.cohorts.of.len()
    }

    /// Columns of the cells.
    fn width(&self) -> usize {
        if self.nodes.is_some() { self.cohorts.len() } else { self.nodes() }
    }

    pub(crate) fn cohorts(&self) -> &Cohorts {
        &self.cohorts
    }

    /// The reward of `node` for a value.
    pub(crate) fn reward(&self, node: usize, value: f64) -> f64 {
        self.intercepts[self.cohorts.of[node] as usize] + self.slope * value
    }

    /// Quality in `[0, 1]` of a value.
    pub(crate) fn quality(&self, value: f64) -> f64 {
        self.quality.0 + self.quality.1 * value
    }

    /// The cells of each task, and the node that the cells in each column are of: any of its cohort where they share one.
    pub(crate) fn tasks(&self) -> (impl Iterator<Item = &[Cell]>, Vec<usize>) {
        let of = if self.nodes.is_some() {
            self.cohorts.first.iter().map(|&first| first as usize).collect()
        } else {
            (0..self.nodes()).collect()
        };
        (self.cells.chunks_exact(self.width().max(1)), of)
    }

    /// Each node's sums over all tasks.
    pub(crate) fn totals(&self) -> Vec<Cell> {
        if let Some(nodes) = &self.nodes {
            return nodes.clone();
        }
        let mut totals = vec![Cell::default(); self.nodes()];
        for task in self.cells.chunks_exact(self.nodes().max(1)) {
            for (total, cell) in totals.iter_mut().zip(task) {
                total.merge(cell);
            }
        }
        totals
    }

    /// The figures of every node; without the interval over prompts where nodes share their cells.
    pub(crate) fn by_node(&self, replicates: &[Vec<u32>]) -> Vec<Figures> {
        let prompts = if self.nodes.is_none() {
            let each: Vec<usize> = (0..self.nodes()).collect();
            self.prompt_intervals(&each, &each, replicates)
        } else {
            vec![None; self.nodes()]
        };
        let rounds = self.node_rounds.as_ref();
        let figures = |(node, (total, prompts)): (usize, (Cell, _))| {
            self.figures(node, &total, rounds.map(|rounds| &rounds[node]), prompts)
        };
        self.totals().into_iter().zip(prompts).enumerate().map(figures).collect()
    }

    /// The figures of every cohort.
    pub(crate) fn by_cohort(&self, replicates: &[Vec<u32>]) -> Vec<Figures> {
        let mut totals = vec![Cell::default(); self.cohorts.len()];
        for (total, &cohort) in self.totals().iter().zip(&self.cohorts.of) {
            totals[cohort as usize].merge(total);
        }
        let firsts: Vec<usize> = self.cohorts.first.iter().map(|&first| first as usize).collect();
        let columns: Vec<usize> = if self.nodes.is_some() {
            (0..self.cohorts.len()).collect()
        } else {
            self.cohorts.of.iter().map(|&cohort| cohort as usize).collect()
        };
        let prompts = self.prompt_intervals(&columns, &firsts, replicates);
        // A cohort of one is its node.
        let rounds = self.cohort_rounds.as_ref().or(self.node_rounds.as_ref());
        let figures = |(cohort, (total, prompts)): (usize, (Cell, _))| {
            self.figures(firsts[cohort], &total, rounds.map(|rounds| &rounds[cohort]), prompts)
        };
        totals.into_iter().zip(prompts).enumerate().map(figures).collect()
    }

    /// The figures of payments that come to `total`, as rewards of `node`.
    fn figures(&self, node: usize, total: &Cell, rounds: Option<&RoundMoments>, prompts: Option<Interval>) -> Figures {
        let count = total.values.count;
        let value_mean = total.values.mean();
        let reward_mean = value_mean.map(|mean| self.reward(node, mean));
        let standard_error = match rounds {
            Some(rounds) => rounds.standard_error(),
            None => total.values.sd().map(|sd| (sd / (count as f64).sqrt(), count - 1)),
        };
        Figures {
            count,
            value_mean,
            reward_mean,
            reward_sd: total.values.sd().map(|sd| self.slope.abs() * sd),
            negative_share: (count > 0).then(|| total.negative as f64 / count as f64),
            ci95_monte_carlo: reward_mean
                .zip(standard_error)
                .map(|(mean, (error, degrees))| stats::interval_around(mean, self.slope.abs() * error, degrees)),
            ci95_prompts: prompts,
        }
    }

    /// The central 95% of mean rewards when tasks are resampled, one for each of `firsts`, the nodes whose reward it is;
    /// `columns` has the one that each column of the cells counts for. None with fewer than two tasks.
    fn prompt_intervals(&self, columns: &[usize], firsts: &[usize], replicates: &[Vec<u32>]) -> Vec<Option<Interval>> {
        let tasks: Vec<_> = self.cells.chunks_exact(self.width().max(1)).collect();
        if tasks.len() < 2 {
            return vec![None; firsts.len()];
        }
        let mut means = vec![Vec::with_capacity(replicates.len()); firsts.len()];
        let mut sums = vec![(0.0, 0.0); firsts.len()];
        for weights in replicates {
            sums.fill((0.0, 0.0));
            for (cells, &weight) in tasks.iter().zip(weights) {
                if weight > 0 {
                    let weight = f64::from(weight);
                    for (&column, cell) in columns.iter().zip(*cells) {
                        let (count, sum) = &mut sums[column];
                        *count += weight * cell.values.count as f64;
                        *sum += weight * cell.values.sum;
                    }
                }
            }
            for ((means, &first), &(count, sum)) in means.iter_mut().zip(firsts).zip(&sums) {
                if count > 0.0 {
                    means.push(self.reward(first, sum / count));
                }
            }
        }
        means.iter_mut().map(|means| stats::central_95(means)).collect()
    }
}

/// A tally opened for payments.
pub(crate) struct Desk<'a> {
    width: usize,
    cells: &'a mut [Cell],
    intercepts: &'a [f64],
    slope: f64,
    cohorts: &'a [u32],
    nodes: Option<&'a mut [Cell]>,
    node_rounds: Option<&'a mut [RoundMoments]>,
    cohort_rounds: Option<&'a mut [RoundMoments]>,
}

impl Desk<'_> {
    /// The reward of `node` for a value.
    pub(crate) fn reward(&self, node: usize, value: f64) -> f64 {
        self.intercepts[self.cohorts[node] as usize] + self.slope * value
    }

    /// Pays `node` for `value` on `task` in `round`. `PLAIN` says that the tally is known to be plain.
    #[inline(always)]
    pub(crate) fn pay<const PLAIN: bool>(&mut self, round: u64, task: usize, node: usize, value: f64) {
        let cohort = if PLAIN { node } else { self.cohorts[node] as usize };
        let negative = u64::from(self.intercepts[cohort] + self.slope * value < 0.0);
        let mut column = node;
        if !PLAIN {
            if let Some(nodes) = &mut self.nodes {
                nodes[node].values.add(value);
                nodes[node].negative += negative;
                column = cohort;
            }
            if let Some(rounds) = &mut self.node_rounds {
                rounds[node].add(round, value);
            }
            if let Some(rounds) = &mut self.cohort_rounds {
                rounds[cohort].add(round, value);
            }
        }
        let cell = &mut self.cells[task * self.width + column];
        cell.values.add(value);
        cell.negative += negative;
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
