//! Two runs on the same random numbers, with the sums that a paired difference of each node's mean needs.
//!
//! Both runs have a stream of draws of their own under one seed, so that they read the same random words. A round
//! begins at some word, and [`Ranges`](crate::rng::Ranges) makes its task, then its inference node, then its set of
//! evaluators of that word: task and node do not depend on how many sets there are. What goes together is therefore not
//! the rounds of equal number but those that begin at the same word. These are not the same where one run refuses a
//! word that the other takes (each round with a probability below tasks x nodes x sets / 2^32): it is then a round
//! behind for good. Where a round takes several words (more than 4,096 sets of evaluators, or bounds whose product
//! exceeds 32 bits) and not as many in both runs, only some rounds begin at the same word.
//!
//! Where rounds depend on those before them, the sums are of no use: both runs then have replicates, which go together
//! seed by seed.

use std::collections::BTreeMap;

use crate::attack::Role;
use crate::dataset::Dataset;
use crate::network::{Cohorts, Instance};
use crate::scenario::ScenarioError;
use crate::stats::{Interval, Spread};

use super::luck::{OnResamples, Replicates, Resampled, Spreads, differences};
use super::tally::Units;
use super::{Scored, Simulation};

/// Two runs of one seed, word by word.
#[derive(Debug)]
pub(crate) struct Paired {
    pub runs: [Simulation; 2],
    pub inference: PairedUnits,
    pub evaluators: PairedUnits,
    /// Rounds of one run that have begun at the same word as a round of the other.
    pub rounds_in_step: u64,
}

/// The nodes of one role that both runs have, taken together where they differ in nothing but their names in either
/// run.
#[derive(Debug)]
pub(crate) struct PairedUnits {
    /// By unit: the positions of its nodes, in the order of the first run.
    pub nodes: Vec<Vec<usize>>,
    /// By run: the unit of each node; nodes that the other run does not have are units after those of both.
    pub partitions: [Cohorts; 2],
    pub sums: PairedSums,
}

impl PairedUnits {
    fn new(nodes: [&[Instance]; 2], cohorts: [&Cohorts; 2]) -> Self {
        let pairs = pairs_of_nodes(nodes);
        let mut of = nodes.map(|nodes| vec![u32::MAX; nodes.len()]);
        let mut members: Vec<Vec<usize>> = Vec::new();
        let mut known = BTreeMap::new();
        for [a, b] in pairs {
            let unit = *known.entry((cohorts[0].of[a], cohorts[1].of[b])).or_insert_with(|| {
                members.push(Vec::new());
                members.len() - 1
            });
            members[unit].push(a);
            (of[0][a], of[1][b]) = (unit as u32, unit as u32);
        }
        let partitions = of.map(|of| Cohorts::of_units(of, members.len()));
        Self { sums: PairedSums::new(members.len()), nodes: members, partitions }
    }
}

impl Paired {
    /// Both runs before their first round; they have the same seed, tasks and inference nodes.
    pub(crate) fn new(runs: [Simulation; 2]) -> Self {
        let [a, b] = runs.each_ref().map(|run| &run.network);
        Self {
            inference: PairedUnits::new([&a.inference, &b.inference], [&a.inference_cohorts, &b.inference_cohorts]),
            evaluators: PairedUnits::new([&a.evaluators, &b.evaluators], [&a.evaluator_cohorts, &b.evaluator_cohorts]),
            runs,
            rounds_in_step: 0,
        }
    }

    /// Whether the past decides the path of either run.
    pub(crate) fn remembers(&self) -> bool {
        self.runs.iter().any(Simulation::remembers)
    }

    /// Adds runs that repeat both, seed by seed, where the past decides the path of either.
    ///
    /// # Errors
    /// None that the runs did not have.
    pub(crate) fn with_replicates(mut self, dataset: &Dataset) -> Result<Self, ScenarioError> {
        if self.remembers() {
            let counts = self.runs.each_ref().map(Replicates::number);
            let count = counts[0].min(counts[1]);
            for run in &mut self.runs {
                run.replicates = Replicates::new(dataset, run, count)?;
            }
        }
        Ok(self)
    }

    /// The position, in the second run, of a node that is like the first run's `node`.
    pub(crate) fn partner(&self, role: Role, node: usize) -> usize {
        let [a, b] = &self.of(role).partitions;
        b.first[a.of[node] as usize] as usize
    }

    fn of(&self, role: Role) -> &PairedUnits {
        match role {
            Role::Inference => &self.inference,
            Role::Evaluator => &self.evaluators,
        }
    }

    /// How the mean rewards of the nodes of `role` that both runs have differ; nodes that are alike are together: their
    /// positions in the first run. `dataset` must be the one that the runs were made with.
    pub(crate) fn differences(&self, dataset: &Dataset, role: Role) -> Vec<(&[usize], Difference)> {
        let PairedUnits { nodes, partitions, sums } = self.of(role);
        let [a, b] = [0, 1].map(|side| self.runs[side].tally(role).by(&partitions[side]));
        let sides = [&a, &b];
        let spreads = if self.remembers() {
            let means = |side: usize| move |run: &Simulation| run.tally(role).by(&partitions[side]).means();
            let replicates = self.runs.each_ref().map(|run| &run.replicates);
            let own = differences(sides.map(Units::means));
            Replicates::spreads_of_differences(replicates, &own, [&means(0), &means(1)])
        } else {
            let on_resamples = || {
                let resampled = self.runs[0].resampled(dataset)?;
                let a = resampled.rewards(&self.runs[0], role, &a)?;
                let b = self.runs[1].resampled(dataset)?.rewards(&self.runs[1], role, &b)?;
                Some((resampled, [a, b]))
            };
            spreads_of_differences(sides, sums, on_resamples())
        };
        nodes.iter().enumerate().map(|(unit, nodes)| (&**nodes, Difference::new(sides, unit, &spreads))).collect()
    }

    /// Rounds that both runs have done.
    pub(crate) fn rounds_done(&self) -> u64 {
        let [a, b] = &self.runs;
        a.rounds_done.min(b.rounds_done)
    }

    /// Plays on until both runs have done `rounds`, or all that they have. One of them may then be ahead.
    pub(crate) fn run_until(&mut self, rounds: u64) {
        while self.rounds_done() < rounds && self.play_word() {}
        for run in &mut self.runs {
            run.replicates.follow(run.rounds_done);
        }
    }

    /// Plays the rounds that begin at the next word at which one does; false where no round is left.
    fn play_word(&mut self) -> bool {
        let begins = self.runs.each_ref().map(|run| (run.rounds_left() > 0).then(|| run.draws.words()));
        let Some(word) = begins.into_iter().flatten().min() else { return false };
        let Self { runs, inference, evaluators, rounds_in_step } = self;
        for (side, run) in runs.iter_mut().enumerate() {
            if begins[side] != Some(word) {
                continue;
            }
            run.play::<0, false>(run.rounds_done + 1, &mut |answer: &Scored<'_>| {
                inference.pay(side, answer.node, answer.consensus);
                for (&evaluator, &value) in answer.drawn.iter().zip(answer.values) {
                    evaluators.pay(side, evaluator as usize, value);
                }
            });
        }
        *rounds_in_step += u64::from(begins[0] == begins[1]);
        inference.sums.end_batch();
        evaluators.sums.end_batch();
        true
    }
}

impl PairedUnits {
    #[inline]
    fn pay(&mut self, side: usize, node: usize, value: f64) {
        let unit = self.partitions[side].of[node] as usize;
        if unit < self.nodes.len() {
            self.sums.pay(side, unit, value);
        }
    }
}

/// The positions of the nodes that both lists have, in the order of the first.
fn pairs_of_nodes([a, b]: [&[Instance]; 2]) -> Vec<[usize; 2]> {
    let name = |node: &Instance| (node.model, node.id.clone());
    let in_b: BTreeMap<_, usize> = b.iter().enumerate().map(|(at, node)| (name(node), at)).collect();
    a.iter().enumerate().filter_map(|(at, node)| Some([at, *in_b.get(&name(node))?])).collect()
}

/// Joint second moments, over batches of what goes together (the rounds that begin at one word), of what the nodes of
/// one role, or units of them, are paid for in both runs.
///
/// Batches in which a node takes no part add nothing to any sum. Kept are the moments of A's payments and of what B's
/// differ by, not of B's: where two mechanisms hardly differ, the variance of the difference is then no small
/// difference of large sums.
#[derive(Debug)]
pub(crate) struct PairedSums {
    /// By node: its payments in the batch at hand, in either run.
    open: Vec<[Paid; 2]>,
    /// Nodes with a payment in the batch at hand.
    touched: Vec<u32>,
    /// By node: batches in which it took part, in each run.
    batches: Vec<[u64; 2]>,
    /// By node: sums of the products of [`terms`], the upper triangle row by row.
    products: Vec<[f64; 10]>,
}

/// Payments of one node in one batch.
#[derive(Clone, Copy, Debug, Default)]
struct Paid {
    count: f64,
    /// Of the values that it is paid for, as in a tally.
    sum: f64,
}

/// What is multiplied, pair by pair.
fn terms([a, b]: [Paid; 2]) -> [f64; 4] {
    [a.count, a.sum, b.count - a.count, b.sum - a.sum]
}

impl PairedSums {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            open: vec![<[Paid; 2]>::default(); nodes],
            touched: Vec::new(),
            batches: vec![[0; 2]; nodes],
            products: vec![[0.0; 10]; nodes],
        }
    }

    #[inline]
    pub(super) fn pay(&mut self, side: usize, node: usize, value: f64) {
        let [a, b] = &self.open[node];
        if a.count + b.count == 0.0 {
            self.touched.push(node as u32);
        }
        let paid = &mut self.open[node][side];
        paid.count += 1.0;
        paid.sum += value;
    }

    pub(super) fn end_batch(&mut self) {
        for &node in &self.touched {
            self.batches[node as usize] = self.took_part(node as usize);
            let terms = terms(std::mem::take(&mut self.open[node as usize]));
            for (sum, product) in self.products[node as usize].iter_mut().zip(pairs(terms)) {
                *sum += product;
            }
        }
        self.touched.clear();
    }

    /// Batches in which `node` took part, in each run, the one at hand included.
    fn took_part(&self, node: usize) -> [u64; 2] {
        let ([batches_a, batches_b], [a, b]) = (self.batches[node], self.open[node]);
        [batches_a + u64::from(a.count > 0.0), batches_b + u64::from(b.count > 0.0)]
    }

    /// The sum over batches, the one at hand included, of the squared influence of a batch on `mean_b - mean_a` of
    /// `node`, where each side's mean is its `scale` times a sum of values by a number of payments.
    ///
    /// A batch's influence on a ratio of sums is `(v - m n) / p` (linearisation, known as the delta method: Cochran,
    /// Sampling Techniques, 1977, chapter 6), with `v` the sum of its values, `n` their number, `p` the number of all
    /// payments and `m` the mean value.
    fn squared_influence(&self, node: usize, [a, b]: [Ratio; 2]) -> f64 {
        let (slope_a, slope_b) = (a.scale / a.payments, b.scale / b.payments);
        let (level_a, level_b) = (slope_a * a.mean, slope_b * b.mean);
        // B's terms are A's and what they differ by.
        let factors = [level_a - level_b, slope_b - slope_a, -level_b, slope_b];
        let at_hand = pairs(terms(self.open[node]));
        let products = self.products[node].iter().zip(at_hand).map(|(sum, product)| sum + product);
        let sum: f64 = products.zip(weighted(pairs(factors))).map(|(sum, factor)| sum * factor).sum();
        sum.max(0.0)
    }
}

/// What one unit earns in both runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Difference {
    /// Mean reward in each.
    pub means: [Option<f64>; 2],
    /// The second less the first.
    pub difference: Option<f64>,
    /// How far the difference may be from what it is over all draws.
    pub draws: Option<Spread>,
    /// The same over the choice of prompts.
    pub prompts: Option<Spread>,
    /// The difference over all draws on these prompts, as far as more rounds than the runs' tell.
    pub expected: Option<f64>,
}

impl Difference {
    pub(crate) fn new(sides: [&Units<'_>; 2], unit: usize, spreads: &Spreads) -> Self {
        let means = sides.map(|side| side.mean(unit));
        let [draws, prompts] = [&spreads.draws, &spreads.prompts].map(|spreads| spreads[unit]);
        let difference = means[0].zip(means[1]).map(|(a, b)| b - a);
        Self { means, difference, draws, prompts, expected: difference.and(spreads.expected[unit].or(difference)) }
    }

    /// The 95% interval of the difference for the luck of the draws.
    pub(crate) fn ci95_monte_carlo(&self) -> Option<Interval> {
        self.draws.zip(self.difference).map(|(spread, difference)| spread.interval(difference))
    }

    /// The 95% interval of the difference for the choice of prompts.
    pub(crate) fn ci95_prompts(&self) -> Option<Interval> {
        self.prompts.zip(self.expected).map(|(spread, difference)| spread.interval(difference))
    }
}

/// The spreads of the differences between the first units of two sides, whose joint moments are `sums`, where their
/// rounds are independent; `resampled` are the rewards of both sides on the same resamples of prompts.
pub(crate) fn spreads_of_differences(
    sides: [&Units<'_>; 2],
    sums: &PairedSums,
    resampled: Option<(&Resampled, [OnResamples; 2])>,
) -> Spreads {
    let units = sums.products.len();
    let (mut prompts, mut expected) = (vec![None; units], vec![None; units]);
    if let Some((resampled, [a, b])) = resampled {
        for (expected, (a, b)) in expected.iter_mut().zip(a.expected.iter().zip(&b.expected)) {
            *expected = a.zip(*b).map(|(a, b)| b - a);
        }
        for (spread, (a, b)) in prompts.iter_mut().zip(a.by_unit.iter().zip(&b.by_unit)) {
            // Both sides share their draws, which largely cancel: what noise is left is not known, and is left in.
            let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).filter(|x| x.is_finite()).collect();
            *spread = resampled.prompts.spread(&differences, 0.0);
        }
    }
    Spreads { draws: (0..units).map(|unit| spread_of_draws(sides, sums, unit)).collect(), prompts, expected }
}

/// The spread of a unit's difference for the luck of the draws. Its degrees of freedom are those of the side on which
/// the unit takes part in fewer batches; where these are single rounds, and the unit has the same ones on both sides,
/// it is that of a paired t test.
fn spread_of_draws(sides: [&Units<'_>; 2], sums: &PairedSums, unit: usize) -> Option<Spread> {
    let ratio = |side: &Units<'_>| {
        let values = side.totals[unit].values;
        // The slopes of one role have one sign, which a square does not show.
        Some(Ratio { scale: side.tally.scale(), mean: values.mean()?, payments: values.count as f64 })
    };
    let squares = sums.squared_influence(unit, [ratio(sides[0])?, ratio(sides[1])?]);
    let [count_a, count_b] = sums.took_part(unit);
    let count = count_a.min(count_b);
    // The error of the difference is the root of `squares * count / (count - 1)`.
    (count > 1).then(|| Spread { error: (squares * count as f64 / (count - 1) as f64).sqrt(), degrees: count - 1 })
}

/// A mean as the ratio of two sums.
#[derive(Clone, Copy, Debug)]
struct Ratio {
    /// Factor on the mean.
    scale: f64,
    /// Sum of values by number of payments.
    mean: f64,
    /// Number of payments, above 0.
    payments: f64,
}

/// The products of each of `x` with itself and those after it.
fn pairs(x: [f64; 4]) -> [f64; 10] {
    let [p, q, r, s] = x;
    [p * p, p * q, p * r, p * s, q * q, q * r, q * s, r * r, r * s, s * s]
}

/// Products of two different numbers counted twice, as in a square.
fn weighted(products: [f64; 10]) -> [f64; 10] {
    const TIMES: [f64; 10] = [1.0, 2.0, 2.0, 2.0, 1.0, 2.0, 2.0, 1.0, 2.0, 1.0];
    std::array::from_fn(|at| TIMES[at] * products[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rounds worked out by hand, then one, still at hand, in which the node is paid by B alone.
    #[test]
    fn influence_is_that_of_each_round() {
        let mut sums = PairedSums::new(2);
        let rounds: [[&[f64]; 2]; 3] = [[&[4.0], &[5.0, 7.0]], [&[8.0], &[6.0]], [&[], &[2.0]]];
        for sides in rounds {
            sums.end_batch();
            for (side, values) in sides.into_iter().enumerate() {
                values.iter().for_each(|&value| sums.pay(side, 1, value));
            }
        }
        // Means: A 12 / 2 = 6, B 20 / 4 = 5. Influence on B: (12 - 2 x 5) / 4, (6 - 5) / 4, (2 - 5) / 4; on A, doubled
        // by its scale: 2 (4 - 6) / 2, 2 (8 - 6) / 2, 0. Differences: 0.5 + 2, 0.25 - 2, -0.75.
        let a = Ratio { scale: 2.0, mean: 6.0, payments: 2.0 };
        let b = Ratio { scale: 1.0, mean: 5.0, payments: 4.0 };
        let want = 2.5 * 2.5 + 1.75 * 1.75 + 0.75 * 0.75;
        assert!((sums.squared_influence(1, [a, b]) - want).abs() < 1e-12);
        assert_eq!(sums.squared_influence(0, [a, b]), 0.0);
    }
}
