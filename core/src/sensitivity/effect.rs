//! What one factor does, from the outputs of runs that differ in it alone.

use serde::Serialize;
use serde_json::Value;

use super::noise::{chance_of, noise_of};
use crate::families::{LEVEL, student_t_quantile};
use crate::rng::Stream;
use crate::stats::{self, Interval, Moments};
use crate::sweep::Axis;

/// Effects smaller than this share of the outputs are rounding.
const ROUNDING: f64 = 1e-9;

/// What one factor does to the output, over the whole of its range.
///
/// *Numbers* are levels of equal distance: an effect is the difference of two outputs over the share of the range
/// that lies between the levels, so that the effects of different factors compare; its size is `mu_star`. Between
/// *choices*, values of which one at least is no number, there is no distance: every trajectory tries all of them,
/// and the size is the largest difference between the mean outputs of two.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// Path of the field.
    pub path: String,
    /// The values that were tried.
    pub values: Vec<Value>,
    /// How much it does: `mu_star` of numbers, the largest difference of choices; none where no effect is defined.
    pub size: Option<f64>,
    /// 95% interval of the size for the choice of trajectories and for the luck of the draws (Student's t over the
    /// trajectories, cut off at 0); of choices for whichever two differ most (Bonferroni).
    pub ci95: Option<Interval>,
    /// The mean size that luck alone would show, were the factor without effect: from how much runs of equal values
    /// differ between seeds.
    pub noise: Option<f64>,
    /// With which probability a factor without effect shows at least as much (a permutation test: within a trajectory
    /// and a seed, the outputs are as likely at any other of the values).
    pub p_value: Option<f64>,
    /// The same, corrected for the number of factors (Holm).
    pub p_corrected: Option<f64>,
    /// Whether the effect is more than luck, by that at 5%.
    pub beyond_noise: bool,
    /// Of choices: the one with the smallest output of the two that differ most, and the one with the largest.
    pub between: Option<[Value; 2]>,
    /// Mean effect, signed: from the first value to the last. None for three or more choices.
    pub mu: Option<f64>,
    /// Mean absolute effect; between any two choices. None where no effect is defined.
    pub mu_star: Option<f64>,
    /// Sample standard deviation of the signed effects, from two effects on. None where `mu` is.
    pub sigma: Option<f64>,
    /// Trajectories in which the effect is defined.
    pub effects: u32,
    /// Trajectories in which it is not, because the output is defined at fewer than two of its values.
    pub undefined: u32,
}

/// Runs of one trajectory that differ in one factor and in their seeds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    /// Levels of the factor; of numbers two, before and after the move.
    pub levels: Vec<usize>,
    /// By level: the outputs, one for each seed.
    pub outputs: Vec<Vec<f64>>,
    /// Of numbers the share of the range from the first level to the second, signed; 1 for choices.
    pub distance: f64,
    /// Whether the levels are numbers.
    pub is_numeric: bool,
}

impl Block {
    /// By level: what it has in common with levels of other blocks, to be the lower or the upper of numbers, and to
    /// be itself of choices.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        let upper = self.levels.iter().copied().max().unwrap_or_default();
        self.levels.iter().map(move |&level| if self.is_numeric { usize::from(level == upper) } else { level })
    }

    /// By level: the mean output.
    pub(super) fn means(&self) -> Vec<f64> {
        self.outputs.iter().map(|runs| runs.iter().sum::<f64>() / runs.len() as f64).collect()
    }
}

/// Whether a factor consists of numbers.
pub(super) fn is_numeric(factor: &Axis) -> bool {
    factor.values.iter().all(Value::is_number)
}

/// The two levels of choices that differ most, on average over the trajectories that have both, and the differences:
/// from the level of the smaller output to that of the larger.
struct Largest {
    levels: [usize; 2],
    differences: Moments,
}

/// The difference from level `one` to level `other`, where a block has both.
fn difference(block: &Block, means: &[f64], [one, other]: [usize; 2]) -> Option<f64> {
    let at = |level: usize| Some(means[block.levels.iter().position(|&known| known == level)?]);
    Some(at(other)? - at(one)?)
}

fn pairs(levels: usize) -> impl Iterator<Item = [usize; 2]> {
    (0..levels).flat_map(move |one| (one + 1..levels).map(move |other| [one, other]))
}

fn largest(levels: usize, blocks: &[Block], means: &[Vec<f64>]) -> Option<Largest> {
    let of_pair = |pair: [usize; 2]| {
        let mut differences = Moments::default();
        for (block, means) in blocks.iter().zip(means) {
            if let Some(difference) = difference(block, means, pair) {
                differences.add(difference);
            }
        }
        let mean = differences.mean()?;
        let levels = if mean < 0.0 { [pair[1], pair[0]] } else { pair };
        differences.sum = differences.sum.abs();
        Some(Largest { levels, differences })
    };
    let size = |of: &Largest| of.differences.mean().unwrap_or_default();
    pairs(levels).filter_map(of_pair).reduce(|best, other| if size(&other) > size(&best) { other } else { best })
}

/// How much a factor does, given the mean outputs of its blocks.
pub(super) fn size(factor: &Axis, blocks: &[Block], means: &[Vec<f64>]) -> Option<f64> {
    if is_numeric(factor) {
        let mut sizes = Moments::default();
        for (block, means) in blocks.iter().zip(means) {
            sizes.add(((means[1] - means[0]) / block.distance).abs());
        }
        return sizes.mean();
    }
    largest(factor.values.len(), blocks, means)?.differences.mean()
}

impl Effect {
    /// The values that were tried, in words: `0.5 to 1.5, 4 values`, or each of them, of choices with those that
    /// differ most.
    #[must_use]
    pub fn words_of_values(&self) -> String {
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let whole = self.values.iter().all(|value| value.is_i64() || value.is_u64());
        match (&self.values[..], &self.between) {
            ([first, .., last], None) if !whole => {
                format!("{} to {}, {} values", word(first), word(last), self.values.len())
            }
            (all, between) => {
                let mut words = all.iter().map(word).collect::<Vec<_>>().join(", ");
                if let Some([least, most]) = between.as_ref().filter(|_| all.len() > 2) {
                    words.push_str(&format!("; least with {}, most with {}", word(least), word(most)));
                }
                words
            }
        }
    }

    /// Whether there is an effect, in words.
    #[must_use]
    pub fn verdict_words(&self) -> &'static str {
        match self.size {
            None => "not defined",
            Some(_) if self.beyond_noise => "beyond noise",
            Some(0.0) => "none at all",
            Some(_) => "cannot be told from noise",
        }
    }

    /// From the blocks in which the effect is defined, of so many trajectories.
    pub(super) fn of(factor: &Axis, blocks: &[Block], trajectories: usize, stream: &mut Stream) -> Self {
        let means: Vec<Vec<f64>> = blocks.iter().map(Block::means).collect();
        let is_numeric = is_numeric(factor);
        let has_direction = is_numeric || factor.values.len() == 2;
        let (mut signed, mut absolute) = (Moments::default(), Moments::default());
        for (block, means) in blocks.iter().zip(&means) {
            if has_direction {
                let upwards = if block.levels[0] < block.levels[1] { 1.0 } else { -1.0 };
                let distance = if is_numeric { block.distance } else { upwards };
                signed.add((means[1] - means[0]) / distance);
            }
            let differences: Vec<f64> =
                pairs(means.len()).map(|[one, other]| ((means[other] - means[one]) / block.distance).abs()).collect();
            absolute.add(differences.iter().sum::<f64>() / differences.len() as f64);
        }
        let largest = if is_numeric { None } else { largest(factor.values.len(), blocks, &means) };
        let (of_size, questions) = match &largest {
            Some(largest) => (largest.differences, pairs(factor.values.len()).count()),
            None => (absolute, 1),
        };
        let size = of_size.mean();
        let interval = size.zip(of_size.sd()).map(|(mean, sd)| {
            let quantile = match questions {
                1 => stats::student_t_975(of_size.count - 1),
                _ => student_t_quantile(LEVEL / questions as f64, of_size.count - 1),
            };
            let half = quantile * sd / (of_size.count as f64).sqrt();
            [(mean - half).max(0.0), mean + half]
        });
        let scale = means.iter().flatten().fold(0.0, |most: f64, mean| most.max(mean.abs()));
        let is_rounding = absolute.mean().is_none_or(|size| size <= ROUNDING * scale);
        Self {
            path: factor.path.clone(),
            values: factor.values.clone(),
            size,
            ci95: interval,
            noise: noise_of(factor, blocks, stream),
            p_value: size.map(|_| if is_rounding { 1.0 } else { chance_of(blocks, stream) }),
            p_corrected: None,
            beyond_noise: false,
            between: largest.map(|largest| largest.levels.map(|level| factor.values[level].clone())),
            mu: signed.mean(),
            mu_star: absolute.mean(),
            sigma: signed.sd(),
            effects: blocks.len() as u32,
            undefined: (trajectories - blocks.len()) as u32,
        }
    }
}
