//! What rounds add up to: per node and task, enough for every figure of the report.

use std::borrow::Cow;

use crate::attack::Role;
use crate::network::Cohorts;
use crate::prompts::Prompts;
use crate::reward::{EVALUATOR_QUALITY, INFERENCE_QUALITY};
use crate::scenario::Scenario;
use crate::stats::{Interval, Moments, Spread};

use super::block::Payments;
use super::luck::Spreads;

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
    /// Weights of quality and cost in a reward.
    alpha: f64,
    beta: f64,
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

/// Moments, over batches of rounds, of the number `n` and the sum `v` of the payments that a node or cohort has in a
/// batch.
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

/// Payments of one round go together; batches of rounds are independent (batch means: Schmeiser 1982).
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

    /// Spread of the mean value `v / n`, a ratio of sums over batches (delta method); none with fewer than two batches.
    fn spread(&self) -> Option<Spread> {
        (self.batches > 1).then(|| {
            let (mean, batches) = (self.v / self.n, self.batches as f64);
            let squares = (self.vv - 2.0 * mean * self.nv + mean * mean * self.nn).max(0.0);
            Spread { error: (squares * batches / (batches - 1.0)).sqrt() / self.n, degrees: self.batches - 1 }
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
            alpha,
            beta,
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

    /// How many sums it holds.
    pub(crate) fn cell_count(&self) -> usize {
        self.cells.len() + self.nodes.as_ref().map_or(0, Vec::len)
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

    /// The reward for a value at another cost than the node's own.
    pub(crate) fn reward_at(&self, cost: f64, value: f64) -> f64 {
        self.alpha * self.quality.0 - self.beta * cost + self.slope * value
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

    /// The cells of each task, and the node that the cells in each column are of: any of its cohort where they share
    /// one.
    pub(crate) fn tasks(&self) -> (impl Iterator<Item = &[Cell]>, Vec<usize>) {
        let firsts = || self.cohorts.first.iter().map(|&first| first as usize).collect();
        let of = if self.nodes.is_some() { firsts() } else { (0..self.nodes()).collect() };
        (self.cells.chunks_exact(self.width().max(1)), of)
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
        let batches = self.batches.as_ref().map(|batches| self.closed(batches, &self.totals()).cohorts);
        Units { batches, ..self.by(&self.cohorts) }
    }

    /// What figures are taken of: every cohort of `partition`, which divides the tally's own.
    pub(crate) fn by(&self, partition: &Cohorts) -> Units<'_> {
        let mut totals = vec![Cell::default(); partition.len()];
        for (total, &unit) in self.totals().iter().zip(&partition.of) {
            totals[unit as usize].merge(total);
        }
        let columns = if self.nodes.is_none() {
            Some(partition.of.iter().map(|&unit| unit as usize).collect())
        } else {
            (*partition == self.cohorts).then(|| (0..partition.len()).collect())
        };
        let nodes = partition.first.iter().map(|&first| first as usize).collect();
        Units { tally: self, nodes, columns, totals: Cow::Owned(totals), batches: None }
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

    /// By unit: its mean reward.
    pub(crate) fn means(&self) -> Vec<Option<f64>> {
        (0..self.nodes.len()).map(|unit| self.mean(unit)).collect()
    }

    /// How far the mean reward of a unit may be from what it would be over all draws, where payments or batches of them
    /// are independent.
    pub(crate) fn spread_of_draws(&self, unit: usize) -> Option<Spread> {
        let values = self.totals[unit].values;
        let spread = match &self.batches {
            Some(batches) => batches[unit].spread(),
            None => values.sd().map(|sd| {
                let count = values.count;
                Spread { error: sd / (count as f64).sqrt(), degrees: count - 1 }
            }),
        };
        spread.map(|Spread { error, degrees }| Spread { error: self.tally.scale() * error, degrees })
    }

    /// The figures of a unit whose mean reward has these spreads.
    pub(crate) fn figures(&self, unit: usize, spreads: &Spreads) -> Figures {
        let Cell { values, negative } = self.totals[unit];
        let reward_mean = self.mean(unit);
        let interval =
            |mean: Option<f64>, spread: Option<Spread>| mean.zip(spread).map(|(mean, spread)| spread.interval(mean));
        Figures {
            count: values.count,
            value_mean: values.mean(),
            reward_mean,
            reward_sd: values.sd().map(|sd| self.tally.scale() * sd),
            negative_share: (values.count > 0).then(|| negative as f64 / values.count as f64),
            ci95_monte_carlo: interval(reward_mean, spreads.draws[unit]),
            ci95_prompts: interval(reward_mean.and(spreads.expected[unit].or(reward_mean)), spreads.prompts[unit]),
        }
    }

    /// What each group of prompts tells of each unit, the payments of `more`, a run of the same network, included; none
    /// where units share their cells.
    pub(crate) fn by_group(&self, prompts: &Prompts, more: &Tally) -> Option<ByGroup> {
        let columns = self.columns.as_ref()?;
        let units = self.nodes.len();
        let mut sums = vec![(0.0, 0.0); prompts.groups() * units];
        let mut within = vec![(0.0, 0.0, 0.0); units];
        let mut of_task = vec![Moments::default(); units];
        let (own, more) = (self.tally.tasks().0, more.tasks().0);
        for ((cells, more), &group) in own.zip(more).zip(prompts.of()) {
            of_task.fill(Moments::default());
            for ((&unit, cell), more) in columns.iter().zip(cells).zip(more) {
                of_task[unit].merge(cell.values);
                of_task[unit].merge(more.values);
            }
            let sums = &mut sums[group as usize * units..][..units];
            for ((values, (tasks, sum)), (squares, degrees, inverse)) in of_task.iter().zip(sums).zip(&mut within) {
                let Some(mean) = values.mean() else { continue };
                *tasks += 1.0;
                *sum += mean;
                *squares += (values.sum_of_squares - mean * values.sum).max(0.0);
                *degrees += (values.count - 1) as f64;
                *inverse += 1.0 / values.count as f64;
            }
        }
        let noise = |(unit, &(squares, degrees, inverse)): (usize, &(f64, f64, f64))| {
            let tasks: f64 = sums.iter().skip(unit).step_by(units).map(|(tasks, _)| tasks).sum();
            // The variance within a task, the same for all, by the number of payments for each.
            if degrees > 0.0 { squares / degrees * inverse / (tasks * tasks) } else { 0.0 }
        };
        let noise = within.iter().enumerate().map(noise).collect();
        Some(ByGroup { units, sums, noise })
    }
}

/// What groups of prompts tell of units: every task counts alike, however often it was drawn.
pub(crate) struct ByGroup {
    units: usize,
    /// Laid out as `[group, unit]`: how many tasks were paid for, and the sum of their mean values.
    sums: Vec<(f64, f64)>,
    /// By unit: the variance of its mean value by the luck of the draws.
    noise: Vec<f64>,
}

impl ByGroup {
    /// By unit: its mean value when each group counts as often as `weights` say.
    pub(crate) fn means(&self, weights: &[u32], means: &mut Vec<Option<f64>>) {
        let mut totals = vec![(0.0, 0.0); self.units];
        for (&weight, sums) in weights.iter().zip(self.sums.chunks_exact(self.units)).filter(|(weight, _)| **weight > 0)
        {
            for ((tasks, total), (of_group, sum)) in totals.iter_mut().zip(sums) {
                *tasks += f64::from(weight) * of_group;
                *total += f64::from(weight) * sum;
            }
        }
        means.clear();
        means.extend(totals.into_iter().map(|(tasks, total)| (tasks > 0.0).then(|| total / tasks)));
    }

    /// The variance of the mean value of `unit` by the luck of the draws.
    pub(crate) fn noise(&self, unit: usize) -> f64 {
        self.noise[unit]
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
