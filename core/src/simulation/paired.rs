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
//! Rounds are independent, but under a rule whose weights remember the rounds before. Their sums then go together in
//! batches of consecutive words, which hardly depend on each other where they are long beside that memory (batch means:
//! Schmeiser 1982, who advises 10 to 30 batches).

use std::collections::BTreeMap;

use crate::network::Instance;
use crate::stats::{self, Interval};

use super::tally::Units;
use super::{Scored, Simulation};

/// Batches of a run whose rounds begin at the same words on both sides; up to twice as many where they do not.
pub(super) const BATCHES: u64 = 30;

/// Two runs of one seed, word by word.
#[derive(Debug)]
pub(crate) struct Paired {
    pub runs: [Simulation; 2],
    pub inference: PairedSums,
    /// By pair of evaluators.
    pub evaluators: PairedSums,
    /// Evaluators of both runs with one id and one recorded node: their positions, in the order of the first run.
    pub evaluator_pairs: Vec<[usize; 2]>,
    /// By run and evaluator: its pair; none where the other run does not have it.
    pair_of: [Vec<Option<u32>>; 2],
    /// Rounds of one run that have begun at the same word as a round of the other.
    pub rounds_in_step: u64,
    /// Words at which a round began.
    words: u64,
    /// So many of them make a batch.
    batch: u64,
}

impl Paired {
    /// Both runs before their first round; they have the same seed, tasks and inference nodes.
    pub(crate) fn new(runs: [Simulation; 2]) -> Self {
        let Simulation { network, scenario, .. } = &runs[0];
        let remembers = runs.iter().any(Simulation::remembers);
        let evaluators = runs.each_ref().map(|run| run.network.evaluators.as_slice());
        let evaluator_pairs = pairs_of_nodes(evaluators);
        let mut pair_of = evaluators.map(|nodes| vec![None; nodes.len()]);
        for (pair, nodes) in (0..).zip(&evaluator_pairs) {
            for (pair_of, &node) in pair_of.iter_mut().zip(nodes) {
                pair_of[node] = Some(pair);
            }
        }
        Self {
            words: 0,
            batch: if remembers { scenario.rounds.div_ceil(BATCHES) } else { 1 },
            inference: PairedSums::new(network.inference.len()),
            evaluators: PairedSums::new(evaluator_pairs.len()),
            evaluator_pairs,
            pair_of,
            runs,
            rounds_in_step: 0,
        }
    }

    /// Rounds that both runs have done.
    pub(crate) fn rounds_done(&self) -> u64 {
        let [a, b] = &self.runs;
        a.rounds_done.min(b.rounds_done)
    }

    /// Plays on until both runs have done `rounds`, or all that they have. One of them may then be ahead.
    pub(crate) fn run_until(&mut self, rounds: u64) {
        while self.rounds_done() < rounds && self.play_word() {}
    }

    /// Plays the rounds that begin at the next word at which one does; false where no round is left.
    fn play_word(&mut self) -> bool {
        let begins = self.runs.each_ref().map(|run| (run.rounds_left() > 0).then(|| run.draws.words()));
        let Some(word) = begins.into_iter().flatten().min() else { return false };
        let Self { runs, inference, evaluators, pair_of, rounds_in_step, words, batch, .. } = self;
        for (side, run) in runs.iter_mut().enumerate() {
            if begins[side] != Some(word) {
                continue;
            }
            run.play::<0, false>(run.rounds_done + 1, &mut |answer: &Scored<'_>| {
                inference.pay(side, answer.node, answer.consensus);
                for (&evaluator, &value) in answer.drawn.iter().zip(answer.values) {
                    if let Some(pair) = pair_of[side][evaluator as usize] {
                        evaluators.pay(side, pair as usize, value);
                    }
                }
            });
        }
        *rounds_in_step += u64::from(begins[0] == begins[1]);
        *words += 1;
        if words.is_multiple_of(*batch) {
            inference.end_batch();
            evaluators.end_batch();
        }
        true
    }
}

/// The positions of the nodes that both lists have, in the order of the first.
fn pairs_of_nodes([a, b]: [&[Instance]; 2]) -> Vec<[usize; 2]> {
    let name = |node: &Instance| (node.model, node.id.clone());
    let in_b: BTreeMap<_, usize> = b.iter().enumerate().map(|(at, node)| (name(node), at)).collect();
    a.iter().enumerate().filter_map(|(at, node)| Some([at, *in_b.get(&name(node))?])).collect()
}

/// Joint second moments, over batches, of what the nodes of one role are paid for in both runs.
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
    pub ci95_monte_carlo: Option<Interval>,
    pub ci95_prompts: Option<Interval>,
}

/// How the rewards of the same units differ between two runs, whose joint moments over batches are `sums`.
pub(crate) fn differences(sides: [&Units<'_>; 2], sums: &PairedSums, replicates: &[Vec<u32>]) -> Vec<Difference> {
    let same: Vec<[usize; 2]> = (0..sides[0].nodes.len()).map(|unit| [unit; 2]).collect();
    differences_of_pairs(sides, &same, sums, replicates)
}

/// The same for `pairs` of units, each one's position in both runs; `sums` are by pair.
pub(crate) fn differences_of_pairs(
    sides: [&Units<'_>; 2],
    pairs: &[[usize; 2]],
    sums: &PairedSums,
    replicates: &[Vec<u32>],
) -> Vec<Difference> {
    let [a, b] = sides;
    let mut resampled = vec![Vec::with_capacity(replicates.len()); pairs.len()];
    let (mut sums_a, mut sums_b) = (Vec::new(), Vec::new());
    for weights in replicates {
        if a.resample(weights, &mut sums_a) && b.resample(weights, &mut sums_b) {
            for (resampled, &[unit_a, unit_b]) in resampled.iter_mut().zip(pairs) {
                let ((count_a, sum_a), (count_b, sum_b)) = (sums_a[unit_a], sums_b[unit_b]);
                if count_a > 0.0 && count_b > 0.0 {
                    let reward = |side: &Units<'_>, unit: usize, mean| side.tally.reward(side.nodes[unit], mean);
                    resampled.push(reward(b, unit_b, sum_b / count_b) - reward(a, unit_a, sum_a / count_a));
                }
            }
        }
    }
    let difference = |(pair, resampled): (usize, &mut Vec<f64>)| {
        let [unit_a, unit_b] = pairs[pair];
        let means = [a.mean(unit_a), b.mean(unit_b)];
        let difference = means[0].zip(means[1]).map(|(a, b)| b - a);
        Difference {
            means,
            difference,
            ci95_monte_carlo: difference
                .and_then(|difference| monte_carlo_interval(sides, [unit_a, unit_b], sums, pair, difference)),
            ci95_prompts: stats::central_95(resampled),
        }
    };
    resampled.iter_mut().enumerate().map(difference).collect()
}

/// The interval of a unit's difference for the luck of the draws. Its degrees of freedom are those of the side on which
/// the unit takes part in fewer batches; where these are single rounds, and the unit has the same ones on both sides, it
/// is that of a paired t test.
fn monte_carlo_interval(
    sides: [&Units<'_>; 2],
    units: [usize; 2],
    sums: &PairedSums,
    pair: usize,
    difference: f64,
) -> Option<Interval> {
    let ratio = |side: &Units<'_>, unit: usize| {
        let values = side.totals[unit].values;
        // The slopes of one role have one sign, which a square does not show.
        Some(Ratio { scale: side.tally.scale(), mean: values.mean()?, payments: values.count as f64 })
    };
    let squares = sums.squared_influence(pair, [ratio(sides[0], units[0])?, ratio(sides[1], units[1])?]);
    let [count_a, count_b] = sums.took_part(pair);
    let count = count_a.min(count_b);
    // The error of the difference is the root of `squares * count / (count - 1)`.
    (count > 1).then(|| {
        let error = (squares * count as f64 / (count - 1) as f64).sqrt();
        stats::interval_around(difference, error, count - 1)
    })
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
