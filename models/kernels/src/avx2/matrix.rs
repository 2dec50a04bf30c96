//! The tiles of [`crate::matrix`] in vectors of eight lanes: twelve sums, two vectors of weights and the input fill 15
//! of 16 registers.

use std::arch::x86_64::{__m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_set1_ps, _mm256_setzero_ps};

use super::{fetch_line, is_here};
use crate::matrix::{OfPanel, OfTile};

/// Numbers that are computed together.
pub(crate) const LANES: usize = 8;

/// Outputs of a panel.
pub(crate) const WIDTH: usize = 2 * LANES;

/// Rows of a tile at most.
pub(crate) const HEIGHT: usize = 6;

/// Inputs that are summed at a time: this much of a panel takes three quarters of a first cache of 32 KiB, and stays
/// there while the rows of tiles pass by.
pub(crate) const DEPTH: usize = 384;

/// The weights of a panel's outputs for one input.
pub(crate) type Weights = [__m256; WIDTH / LANES];

/// Adds products of the rows of a tile, `height` of them, with a panel to the tile's outputs.
///
/// # Panics
/// On a processor for which [`is_here`] does not hold.
#[allow(unsafe_code)]
pub(crate) fn add_tile(x: &[f32], height: usize, panel: OfPanel<'_, Weights>, y: OfTile<'_>) {
    assert!(is_here(), "the processor has no vectors of eight");
    // SAFETY: the processor has the features that these functions are compiled for.
    unsafe {
        match height {
            1 => add_rows::<1>(x, panel, y),
            2 => add_rows::<2>(x, panel, y),
            3 => add_rows::<3>(x, panel, y),
            4 => add_rows::<4>(x, panel, y),
            5 => add_rows::<5>(x, panel, y),
            _ => add_rows::<HEIGHT>(x, panel, y),
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn add_rows<const ROWS: usize>(x: &[f32], OfPanel { weights, next }: OfPanel<'_, Weights>, y: OfTile<'_>) {
    let mut sums = [[_mm256_setzero_ps(); WIDTH / LANES]; ROWS];
    let mut next = next.iter();
    for (x, weights) in x.as_chunks::<ROWS>().0.iter().zip(weights) {
        if let Some(next) = next.next() {
            fetch_line(next);
        }
        for (sums, x) in sums.iter_mut().zip(x) {
            let x = _mm256_set1_ps(*x);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm256_fmadd_ps(x, *weights, *sum);
            }
        }
    }
    for (sums, y) in sums.iter().zip(y.rows::<ROWS>()) {
        match <&mut [f32; WIDTH]>::try_from(&mut *y) {
            Ok(y) => {
                let before: Weights = bytemuck::cast(*y);
                *y = bytemuck::cast([_mm256_add_ps(before[0], sums[0]), _mm256_add_ps(before[1], sums[1])]);
            }
            Err(_) => {
                let sums: [f32; WIDTH] = bytemuck::cast(*sums);
                y.iter_mut().zip(sums).for_each(|(y, sum)| *y += sum);
            }
        }
    }
}
