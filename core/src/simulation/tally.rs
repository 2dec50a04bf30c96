//! What rounds add up to: per node and task, enough for every figure of the report.

use std::borrow::Cow;

use crate::attack::Role;
use crate::network::Cohorts;
use crate::reward::{EVALUATOR_QUALITY, INFERENCE_QUALITY};
use crate::scenario::Scenario;
use crate::stats::{self, Interval, Moments};

use super::block::Payments;

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
    /// Where single payments are not independent.
    batches: Option<Batches>,
}

/// Moments, over batches of rounds, of the number `n` and the sum `v` of the payments that a node or cohort has in a batch.
#[derive(Clone, Copy, Debug, Default)]
struct BatchMoments {
    /// Batches with a payment.
    batches: u64,
    /// Sums over batches of `n`, `v` and their products.
    n: f64,
    v: f64,
    nn: f64,
    nv: f64,
    vv: f64,
}

/// Payments of one round go together, and under a rule that remembers rounds do; batches of rounds hardly depend on each other
/// (batch means: Schmeiser 1982).
#[derive(Clone, Debug)]
struct Batches {
    /// By node: number and sum of its payments before the batch at hand.
    before: Vec<(f64, f64)>,
    nodes: Vec<BatchMoments>,
    cohorts: Vec<BatchMoments>,
}

impl BatchMoments {
    /// Adds a batch of `n` payments that sum up to `v`.
    #[inline]
    fn add(&mut self, n: f64, v: f64) {
        // Without a payment the sums stay as they are.
        self.batches += u64::from(n > 0.0);
        self.n += n;
        self.v += v;
        self.nn += n * n;
        self.nv += n * v;
        self.vv += v * v;
    }

    /// Standard error of the mean value `v / n`, a ratio of sums over batches (delta method), and its degrees of freedom;
    /// none with fewer than two batches.
    fn standard_error(&self) -> Option<(f64, u64)> {
        (self.batches > 1).then(|| {
            let (mean, batches) = (self.v / self.n, self.batches as f64);
            let squares = (self.vv - 2.0 * mean * self.nv + mean * mean * self.nn).max(0.0);
            ((squares * batches / (batches - 1.0)).sqrt() / self.n, self.batches - 1)
        })
    }
}

impl Batches {
    fn new(cohorts: &Cohorts) -> Self {
        Self {
            before: vec![(0.0, 0.0); cohorts.of.len()],
            nodes: vec![BatchMoments::default(); cohorts.of.len()],
            cohorts: vec![BatchMoments::default(); cohorts.len()],
        }
    }

    /// Ends the batch at hand; `totals` are the sums of each node so far.
    fn close(&mut self, totals: &[Cell], cohorts: &Cohorts) {
        let mut of_cohorts = vec![(0.0, 0.0); cohorts.len()];
        let nodes = totals.iter().zip(&mut self.before).zip(&mut self.nodes).zip(&cohorts.of);
        for (((total, before), moments), &cohort) in nodes {
            let now = (total.values.count as f64, total.values.sum);
            let (n, v) = (now.0 - before.0, now.1 - before.1);
            *before = now;
            moments.add(n, v);
            let cohort = &mut of_cohorts[cohort as usize];
            cohort.0 += n;
            cohort.1 += v;
        }
        for (moments, (n, v)) in self.cohorts.iter_mut().zip(of_cohorts) {
            moments.add(n, v);
        }
    }
}

impl Tally {
    /// For nodes of `role` with these costs. Rewards are `alpha * c / 10 - beta * cost` and
    /// `alpha * (1 - |s - c| / 10) - beta * cost`.
    pub(crate) fn new(role: Role, costs: &[f64], cohorts: Cohorts, tasks: usize, scenario: &Scenario) -> Self {
        let weights = &scenario.reward;
        let (quality, alpha, beta) = match role {
            Role::Inference => (INFERENCE_QUALITY, weights.alpha_inference, weights.beta_inference),
            Role::Evaluator => (EVALUATOR_QUALITY, weights.alpha_evaluator, weights.beta_evaluator),
        };
        let nodes = costs.len();
        let own_cells = cohorts.are_single() || tasks * nodes <= CELLS;
        let width = if own_cells { nodes } else { cohorts.len() };
        Self {
            quality,
            slope: alpha * quality.1,
            intercepts: cohorts.first.iter().map(|&first| alpha * quality.0 - beta * costs[first as usize]).collect(),
            cells: vec![Cell::default(); tasks * width],
            nodes: (!own_cells).then(|| vec![Cell::default(); nodes]),
            batches: None,
            cohorts,
        }
    }

    /// The same where single payments are not independent: [`Tally::close_batch`] ends each batch of rounds.
    pub(crate) fn in_batches(self) -> Self {
        let batches = Some(Batches::new(&self.cohorts));
        Self { batches, ..self }
    }

    /// Ends a batch of rounds.
    pub(crate) fn close_batch(&mut self) {
        if let Some(mut batches) = self.batches.take() {
            batches.close(&self.totals(), &self.cohorts);
            self.batches = Some(batches);
        }
    }

    /// Whether each node is a cohort of its own.
    pub(crate) fn is_plain(&self) -> bool {
        self.cohorts.are_single()
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
        }
    }

    /// Makes `payments`, `per_round` for each round of which `tasks` has the task; `K` of them, where it is above 0.
    #[inline(never)]
    pub(super) fn pay_all<const K: usize>(&mut self, per_round: usize, tasks: &[u32], payments: &Payments) {
        let per_round = if K > 0 { K } else { per_round };
        let width = self.width();
        let Self { cells, nodes: sums, intercepts, slope, .. } = self;
        let Payments { nodes, cohorts, values } = payments;
        let nodes = nodes.chunks_exact(per_round);
        let rounds = tasks.iter().zip(nodes).zip(cohorts.chunks_exact(per_round)).zip(values.chunks_exact(per_round));
        if let Some(sums) = sums {
            for (((&task, nodes), cohorts), values) in rounds {
                let cells = &mut cells[task as usize * width..][..width];
                for ((&node, &cohort), &value) in nodes.iter().zip(cohorts).zip(values) {
                    let cohort = cohort as usize;
                    cells[cohort].values.add(value);
                    let sum = &mut sums[node as usize];
                    sum.values.add(value);
                    sum.negative += u64::from(intercepts[cohort] + *slope * value < 0.0);
                }
            }
        } else {
            for (((&task, nodes), cohorts), values) in rounds {
                let cells = &mut cells[task as usize * width..][..width];
                for ((&node, &cohort), &value) in nodes.iter().zip(cohorts).zip(values) {
                    let cell = &mut cells[node as usize];
                    cell.values.add(value);
                    cell.negative += u64::from(intercepts[cohort as usize] + *slope * value < 0.0);
                }
            }
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

    /// What values are worth, apart from the sums.
    pub(crate) fn prices(&self) -> Prices {
        Prices { intercepts: self.intercepts.clone(), slope: self.slope, cohorts: self.cohorts.of.clone() }
    }

    /// By how much a reward changes with a value, whichever way.
    pub(crate) fn scale(&self) -> f64 {
        self.slope.abs()
    }

    /// Quality in `[0, 1]` of a value.
    pub(crate) fn quality(&self, value: f64) -> f64 {
        self.quality.0 + self.quality.1 * value
    }

    /// The cells of each task, and the node that the cells in each column are of: any of its cohort where they share one.
    pub(crate) fn tasks(&self) -> (impl Iterator<Item = &[Cell]>, Vec<usize>) {
        let of = if self.nodes.is_some() { self.firsts() } else { (0..self.nodes()).collect() };
        (self.cells.chunks_exact(self.width().max(1)), of)
    }

    /// By cohort: its first node.
    fn firsts(&self) -> Vec<usize> {
        self.cohorts.first.iter().map(|&first| first as usize).collect()
    }

    /// Each node's sums over all tasks.
    pub(crate) fn totals(&self) -> Cow<'_, [Cell]> {
        if let Some(nodes) = &self.nodes {
            return Cow::Borrowed(nodes);
        }
        let mut totals = vec![Cell::default(); self.nodes()];
        for task in self.cells.chunks_exact(self.nodes().max(1)) {
            for (total, cell) in totals.iter_mut().zip(task) {
                total.merge(cell);
            }
        }
        Cow::Owned(totals)
    }

    /// What figures are taken of: every node.
    pub(crate) fn by_node(&self) -> Units<'_> {
        let totals = self.totals();
        let batches = self.batches.as_ref().map(|batches| self.closed(batches, &totals).nodes);
        let each: Vec<usize> = (0..self.nodes()).collect();
        Units { tally: self, columns: self.nodes.is_none().then(|| each.clone()), nodes: each, totals, batches }
    }

    /// What figures are taken of: every cohort.
    pub(crate) fn by_cohort(&self) -> Units<'_> {
        let by_node = self.totals();
        let batches = self.batches.as_ref().map(|batches| self.closed(batches, &by_node).cohorts);
        let mut totals = vec![Cell::default(); self.cohorts.len()];
        for (total, &cohort) in by_node.iter().zip(&self.cohorts.of) {
            totals[cohort as usize].merge(total);
        }
        let columns = if self.nodes.is_some() {
            (0..self.cohorts.len()).collect()
        } else {
            self.cohorts.of.iter().map(|&cohort| cohort as usize).collect()
        };
        Units { tally: self, nodes: self.firsts(), columns: Some(columns), totals: Cow::Owned(totals), batches }
    }

    /// The batches with the one at hand.
    fn closed(&self, batches: &Batches, totals: &[Cell]) -> Batches {
        let mut closed = batches.clone();
        closed.close(totals, &self.cohorts);
        closed
    }
}

/// What figures are taken of: the nodes or the cohorts of a tally.
pub(crate) struct Units<'a> {
    pub tally: &'a Tally,
    /// By unit: a node whose rewards it has.
    pub nodes: Vec<usize>,
    /// By unit: sums over all tasks.
    pub totals: Cow<'a, [Cell]>,
    /// By column of the tally's cells: the unit that it counts for; none where units share their columns.
    columns: Option<Vec<usize>>,
    /// By unit, where single payments are not independent.
    batches: Option<Vec<BatchMoments>>,
}

/// What the payments of one unit come to, in units of reward.
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

impl Units<'_> {
    /// The mean reward of a unit.
    pub(crate) fn mean(&self, unit: usize) -> Option<f64> {
        self.totals[unit].values.mean().map(|mean| self.tally.reward(self.nodes[unit], mean))
    }

    /// The figures of every unit; no interval over prompts where units share their cells, or with fewer than two tasks.
    pub(crate) fn figures(&self, replicates: &[Vec<u32>]) -> Vec<Figures> {
        let mut means = vec![Vec::with_capacity(replicates.len()); self.nodes.len()];
        let mut sums = Vec::new();
        for weights in replicates {
            if self.resample(weights, &mut sums) {
                for (unit, &(count, sum)) in sums.iter().enumerate() {
                    if count > 0.0 {
                        means[unit].push(self.tally.reward(self.nodes[unit], sum / count));
                    }
                }
            }
        }
        let scale = self.tally.scale();
        let figures = |(unit, means): (usize, &mut Vec<f64>)| {
            let Cell { values, negative } = self.totals[unit];
            let count = values.count;
            let reward_mean = self.mean(unit);
            let standard_error = match &self.batches {
                Some(batches) => batches[unit].standard_error(),
                None => values.sd().map(|sd| (sd / (count as f64).sqrt(), count - 1)),
            };
            Figures {
                count,
                value_mean: values.mean(),
                reward_mean,
                reward_sd: values.sd().map(|sd| scale * sd),
                negative_share: (count > 0).then(|| negative as f64 / count as f64),
                ci95_monte_carlo: reward_mean
                    .zip(standard_error)
                    .map(|(mean, (error, degrees))| stats::interval_around(mean, scale * error, degrees)),
                ci95_prompts: stats::central_95(means),
            }
        };
        means.iter_mut().enumerate().map(figures).collect()
    }

    /// By unit: number and sum of its payments when each task counts as often as `weights` say; false where that is not
    /// known, or where there is but one task.
    pub(crate) fn resample(&self, weights: &[u32], sums: &mut Vec<(f64, f64)>) -> bool {
        let Some(columns) = self.columns.as_ref().filter(|_| weights.len() > 1) else { return false };
        sums.clear();
        sums.resize(self.nodes.len(), (0.0, 0.0));
        let (tasks, _) = self.tally.tasks();
        for (cells, &weight) in tasks.zip(weights) {
            if weight > 0 {
                let weight = f64::from(weight);
                for (&unit, cell) in columns.iter().zip(cells) {
                    let (count, sum) = &mut sums[unit];
                    *count += weight * cell.values.count as f64;
                    *sum += weight * cell.values.sum;
                }
            }
        }
        true
    }
}

/// What values are worth to the nodes of a tally.
pub(crate) struct Prices {
    intercepts: Vec<f64>,
    slope: f64,
    cohorts: Vec<u32>,
}

impl Prices {
    /// The reward of `node` for a value.
    pub(crate) fn reward(&self, node: usize, value: f64) -> f64 {
        self.intercepts[self.cohorts[node] as usize] + self.slope * value
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
}

impl Desk<'_> {
    /// The reward of `node` for a value.
    pub(crate) fn reward(&self, node: usize, value: f64) -> f64 {
        self.intercepts[self.cohorts[node] as usize] + self.slope * value
    }

    /// Pays `node` for `value` on `task`. `PLAIN` says that the tally is known to be plain.
    #[inline(always)]
    pub(crate) fn pay<const PLAIN: bool>(&mut self, task: usize, node: usize, value: f64) {
        let cohort = if PLAIN { node } else { self.cohorts[node] as usize };
        let negative = u64::from(self.intercepts[cohort] + self.slope * value < 0.0);
        let mut column = node;
        if let Some(nodes) = self.nodes.as_deref_mut().filter(|_| !PLAIN) {
            nodes[node].values.add(value);
            nodes[node].negative += negative;
            column = cohort;
        }
        let cell = &mut self.cells[task * self.width + column];
        cell.values.add(value);
        cell.negative += negative;
    }
}

/// Points of a series at most.
const POINTS: u64 = 50;
/// Networks larger than this have no series: a plot could not show them, and each point costs a pass over all cells.
pub const SERIES_NODES: usize = 64;

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
        let step = if nodes <= SERIES_NODES { rounds.div_ceil(POINTS).max(1) } else { u64::MAX };
        Self { step, next: step, rounds: Vec::new(), means: Vec::new(), weights: Vec::new() }
    }

    /// Without a point.
    pub(crate) fn none() -> Self {
        Self { step: u64::MAX, next: u64::MAX, rounds: Vec::new(), means: Vec::new(), weights: Vec::new() }
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
