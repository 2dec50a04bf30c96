//! What luck alone does to the size of an effect.

use super::effect::{Block, size};
use crate::network::shuffle;
use crate::rng::Stream;
use crate::sweep::Axis;

/// Random rearrangements of a test: a family of a hundred factors can be told from luck with so many.
const REARRANGEMENTS: u32 = 1999;
/// Random signs from which the mean of what luck does is taken.
const SIGNS: u32 = 200;

/// With which probability blocks without an effect are as far apart as these, by rearranging the outputs of each
/// trajectory and seed among the levels. The probability is right whatever the distribution of the outputs is.
pub(super) fn chance_of(blocks: &[Block], stream: &mut Stream) -> f64 {
    let found = spread(blocks);
    let mut rearranged = blocks.to_vec();
    let mut as_far = 0;
    for _ in 0..REARRANGEMENTS {
        for (block, original) in rearranged.iter_mut().zip(blocks) {
            for seed in 0..original.outputs[0].len() {
                for (level, from) in shuffle(original.levels.len(), stream).into_iter().enumerate() {
                    block.outputs[level][seed] = original.outputs[from][seed];
                }
            }
        }
        // Equal but for rounding counts as equal.
        as_far += u32::from(spread(&rearranged) >= found * (1.0 - 1e-9));
    }
    f64::from(as_far + 1) / f64::from(REARRANGEMENTS + 1)
}

/// How far the levels of blocks are apart: the squares of their mean outputs' distances from the block's own mean,
/// and the same of the levels' means over all blocks, so that few blocks that agree in direction say more than such
/// that do not.
fn spread(blocks: &[Block]) -> f64 {
    let slots = blocks.iter().flat_map(|block| block.slots()).max().map_or(0, |last| last + 1);
    let mut of_slots = vec![(0.0, 0.0); slots];
    let mut sum = 0.0;
    for block in blocks {
        let means = block.means();
        let centre = means.iter().sum::<f64>() / means.len() as f64;
        for (mean, slot) in means.into_iter().zip(block.slots()) {
            let apart = (mean - centre) / block.distance.abs();
            sum += apart * apart;
            of_slots[slot].0 += apart;
            of_slots[slot].1 += 1.0;
        }
    }
    sum + of_slots.iter().filter(|(_, count)| *count > 0.0).map(|(total, count)| total * total / count).sum::<f64>()
}

/// The mean size of the effect that luck alone would show: that of what is left of the outputs when the effects are
/// taken away, with random signs. None for fewer than two seeds, or no block.
pub(super) fn noise_of(factor: &Axis, blocks: &[Block], stream: &mut Stream) -> Option<f64> {
    let seeds = blocks.first()?.outputs[0].len();
    if seeds < 2 {
        return None;
    }
    let left: Vec<Vec<Vec<f64>>> = blocks.iter().map(|block| residuals(block, seeds)).collect();
    let mut sum = 0.0;
    for _ in 0..SIGNS {
        let with_signs = |of_block: &Vec<Vec<f64>>| {
            let signs: Vec<f64> = (0..seeds).map(|_| if stream.below(2) == 0 { 1.0 } else { -1.0 }).collect();
            let mean = |of_level: &Vec<f64>| {
                of_level.iter().zip(&signs).map(|(residual, sign)| residual * sign).sum::<f64>() / seeds as f64
            };
            of_block.iter().map(mean).collect::<Vec<f64>>()
        };
        let means: Vec<Vec<f64>> = left.iter().map(with_signs).collect();
        sum += size(factor, blocks, &means)?;
    }
    Some(sum / f64::from(SIGNS))
}

/// By level and seed: the output without what is the level's and what is the seed's, as wide as luck makes it.
fn residuals(block: &Block, seeds: usize) -> Vec<Vec<f64>> {
    let means = block.means();
    let levels = block.outputs.len() as f64;
    let whole = means.iter().sum::<f64>() / levels;
    let of_seed: Vec<f64> =
        (0..seeds).map(|seed| block.outputs.iter().map(|runs| runs[seed]).sum::<f64>() / levels).collect();
    // Means over so many seeds were taken away.
    let wider = (seeds as f64 / (seeds - 1) as f64).sqrt();
    let residual = |(runs, mean): (&Vec<f64>, &f64)| -> Vec<f64> {
        runs.iter().zip(&of_seed).map(|(run, of_seed)| (run - mean - of_seed + whole) * wider).collect()
    };
    block.outputs.iter().zip(&means).map(residual).collect()
}
