//! Several rows of inputs times those of [`crate::packed`] in vectors of eight lanes, for processors of x86-64 that
//! have them: both halves of words side by side. A number is used where its bits stand in the word, that is, times a
//! power of two, which the scale makes up for without rounding.
//!
//! Loops are written as such: what `core` does with a closure, as `array::map` does, is compiled without these vectors,
//! and is called for each group.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_add_ps, _mm_set1_ps, _mm_srai_epi32, _mm_unpacklo_ps, _mm256_and_si256,
    _mm256_castps256_ps128, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32, _mm256_cvtph_ps,
    _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_hadd_ps, _mm256_mul_ps, _mm256_or_si256, _mm256_permutevar8x32_ps,
    _mm256_set_m128, _mm256_set_m128i, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi32,
    _mm256_sllv_epi32, _mm256_srlv_epi32,
};

use wide::i32x4;

use super::is_here;
use crate::blocks::{Quantised, k_numbers};
use crate::packed::{HighBits, LANES, PackedBlocks, TOP_BYTE, TOP_BYTE_UNIT, arranged};

/// Four-bit numbers are used at these places of a word, and of the word 16 bits to the right.
const NIBBLES: [i32; 4] = [0xF, 0xF0, 0xF00, 0xF000];

/// What scales of numbers at [`NIBBLES`] are multiplied with in turn.
const NIBBLE_UNITS: [f32; 4] = [1.0, 1.0 / 16.0, 1.0 / 256.0, 1.0 / 4096.0];

/// Scales, and minimums where there are some, of whole blocks with these heads: those of the type's form.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn scales(form: &Quantised, heads: &[u8], scales: &mut [f32], minimums: &mut [f32]) {
    match form.head.len() {
        2 if scales.len() >= 8 => {
            let (whole, _) = heads.as_chunks();
            for (head, scales) in whole.iter().zip(scales.as_chunks_mut().0) {
                *scales = halves(*head);
            }
            // The last eight, some of them again.
            if let (Some(head), Some(scales)) = (heads.last_chunk(), scales.last_chunk_mut()) {
                *scales = halves(*head);
            }
        }
        4 if scales.len() >= 4 => {
            let (whole, _) = heads.as_chunks();
            let fours = scales.as_chunks_mut().0.iter_mut().zip(minimums.as_chunks_mut().0);
            for (head, (scales, minimums)) in whole.iter().zip(fours) {
                [*scales, *minimums] = halves_apart(*head);
            }
            if let (Some(head), Some(scales), Some(minimums)) =
                (heads.last_chunk(), scales.last_chunk_mut(), minimums.last_chunk_mut())
            {
                [*scales, *minimums] = halves_apart(*head);
            }
        }
        16 => {
            let groups = scales.as_chunks_mut().0.iter_mut().zip(minimums.as_chunks_mut().0);
            for (head, (scales, minimums)) in heads.as_chunks().0.iter().zip(groups) {
                let [scale, minimum, ..] = halves(*head);
                let [of_scales, of_minimums] = k_numbers(head);
                *scales = times(scale, _mm256_cvtepu8_epi32(low(of_scales)));
                *minimums = times(-minimum, _mm256_cvtepu8_epi32(low(of_minimums)));
            }
        }
        18 => {
            for (head, scales) in heads.as_chunks::<18>().0.iter().zip(scales.as_chunks_mut::<16>().0) {
                let numbers: [u64; 2] = bytemuck::pod_read_unaligned(&head[..16]);
                let scale = _mm256_cvtph_ps(low(u64::from(u16::from_le_bytes([head[16], head[17]]))));
                let [scale, ..]: [f32; 8] = bytemuck::cast(scale);
                for (numbers, scales) in numbers.into_iter().zip(scales.as_chunks_mut().0) {
                    *scales = times(scale, _mm256_cvtepi8_epi32(low(numbers)));
                }
            }
        }
        _ => (form.scales)(heads, scales, minimums),
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn halves(bytes: [u8; 16]) -> [f32; 8] {
    bytemuck::cast(_mm256_cvtph_ps(bytemuck::cast(bytes)))
}

/// The even ones, and the odd ones.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn halves_apart(bytes: [u8; 16]) -> [[f32; 4]; 2] {
    let order: [i32; 8] = [0, 2, 4, 6, 1, 3, 5, 7];
    let halves = _mm256_cvtph_ps(bytemuck::cast(bytes));
    bytemuck::cast(_mm256_permutevar8x32_ps(halves, bytemuck::cast(order)))
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn times(scale: f32, numbers: __m256i) -> [f32; 8] {
    bytemuck::cast(_mm256_mul_ps(_mm256_set1_ps(scale), _mm256_cvtepi32_ps(numbers)))
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn low(bytes: u64) -> __m128i {
    bytemuck::cast([bytes, 0])
}

/// Calls `each` with the numbers of groups of 32 from `first` on, where they stand in their words, the scale, and the
/// group's item: as many groups as there are scales for. `first` is a multiple of 8.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn each_group<T>(
    blocks: &PackedBlocks,
    row: usize,
    first: usize,
    scales: &[f32],
    items: impl Iterator<Item = T>,
    each: impl FnMut([__m256i; LANES], __m256, T),
) {
    let groups = scales.len() * blocks.form.group / (8 * LANES);
    let words = |of_group: usize| &blocks.words[(row * blocks.groups + first) * of_group..][..groups * of_group];
    match blocks.form.bits {
        4 => nibbles(words(1), scales, items, each),
        5 => more::<1, 4, _>(words(1), blocks.high_of::<1>(row, first), scales, items, each),
        6 => more::<2, 2, _>(words(1), blocks.high_of::<2>(row, first), scales, items, each),
        _ => bytes(words(2), scales, items, each),
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn nibbles<T>(
    words: &[i32x4],
    scales: &[f32],
    items: impl Iterator<Item = T>,
    mut each: impl FnMut([__m256i; LANES], __m256, T),
) {
    let masks = NIBBLES.map(|mask| _mm256_set1_epi32(mask));
    for ((words, scale), item) in words.iter().zip(scales).zip(items) {
        let words = both_halves(*words);
        let mut numbers = masks;
        for numbers in &mut numbers {
            *numbers = _mm256_and_si256(words, *numbers);
        }
        each(numbers, _mm256_set1_ps(*scale), item);
    }
}

/// How far the words of high bits are shifted to the left and then to the right, lane by lane, for each of `TOGETHER`
/// groups.
const fn shifts<const HIGH: usize, const TOGETHER: usize>() -> [[[i32; 2 * LANES]; 2]; TOGETHER] {
    let layout = HighBits { bits: HIGH };
    let mut shifts = [[[0; 2 * LANES]; 2]; TOGETHER];
    let mut at = 0;
    while at < TOGETHER * LANES {
        let (group, lane) = (at / LANES, at % LANES);
        // Those of the low half of a word, and those of the high half, that stand in the low one then.
        let left = 4 - (layout.bits * group) as i32;
        shifts[group][0][lane] = left;
        shifts[group][1][LANES + lane] = 16 - left;
        at += 1;
    }
    shifts
}

/// Numbers with `HIGH` bits beyond four; those of `TOGETHER` groups are in one vector of words.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn more<const HIGH: usize, const TOGETHER: usize, T>(
    words: &[i32x4],
    high: &[i32x4],
    scales: &[f32],
    mut items: impl Iterator<Item = T>,
    mut each: impl FnMut([__m256i; LANES], __m256, T),
) {
    let mut low_masks = [_mm256_set1_epi32(0); LANES];
    let mut high_masks = low_masks;
    for (k, (low, high)) in low_masks.iter_mut().zip(&mut high_masks).enumerate() {
        *low = _mm256_set1_epi32(NIBBLES[k]);
        *high = _mm256_set1_epi32(((1 << HIGH) - 1) << (LANES * k + LANES));
    }
    let shifts = const { shifts::<HIGH, TOGETHER>() };
    let scales = scales.chunks(TOGETHER * HIGH);
    for ((high, words), scales) in high.iter().zip(words.chunks(TOGETHER)).zip(scales) {
        let high: __m128i = bytemuck::cast(*high);
        let high = _mm256_set_m128i(high, high);
        let groups = words.iter().zip(shifts).zip(scales.chunks_exact(HIGH));
        for (((words, [left, right]), scales), item) in groups.zip(items.by_ref()) {
            let words = both_halves(*words);
            let beside = _mm256_srlv_epi32(_mm256_sllv_epi32(high, bytemuck::cast(left)), bytemuck::cast(right));
            let mut numbers = low_masks;
            for (numbers, high_mask) in numbers.iter_mut().zip(high_masks) {
                *numbers = _mm256_or_si256(_mm256_and_si256(words, *numbers), _mm256_and_si256(beside, high_mask));
            }
            each(numbers, by_lane(scales), item);
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn bytes<T>(
    words: &[i32x4],
    scales: &[f32],
    items: impl Iterator<Item = T>,
    mut each: impl FnMut([__m256i; LANES], __m256, T),
) {
    let top = _mm256_set1_epi32(TOP_BYTE);
    for (([first, second], scale), item) in words.as_chunks::<2>().0.iter().zip(scales).zip(items) {
        let (first, second) = (both_halves(*first), both_halves(*second));
        let numbers = [
            _mm256_slli_epi32::<24>(first),
            _mm256_and_si256(_mm256_slli_epi32::<16>(first), top),
            _mm256_slli_epi32::<24>(second),
            _mm256_and_si256(_mm256_slli_epi32::<16>(second), top),
        ];
        each(numbers, _mm256_set1_ps(*scale * TOP_BYTE_UNIT), item);
    }
}

/// Rows of weights that are multiplied together.
const WIDE: usize = 4;

/// Rows of inputs that are multiplied together: with [`WIDE`], twelve sums in registers.
const TALL: usize = 3;

/// Groups of inputs that are summed at a time: of [`WIDE`] rows of weights and [`TALL`] of inputs they stay in a core's
/// first cache. A multiple of 8, as the largest blocks have so many.
const DEPTH: usize = 24;

/// Tiles of inputs that rows of weights are unpacked for once: so many of [`DEPTH`] stay in a core's second cache.
const TILES: usize = 32;

/// Rows of inputs, in tiles of [`TALL`] and then one of what is left.
#[derive(Debug)]
pub(crate) struct Rows {
    /// For each [`DEPTH`] groups each tile; of a tile's groups the inputs at each of four places, and beside them those
    /// four places on, its rows beside each other.
    vectors: Vec<__m256>,
    rows: usize,
    groups: usize,
}

impl Rows {
    /// `[rows, inputs]` in whole groups of 32.
    pub(crate) fn new(values: &[f32], rows: usize) -> Self {
        let (values, _) = values.as_chunks::<{ 8 * LANES }>();
        let values: Vec<_> = values.iter().map(arranged).collect();
        let groups = values.len() / rows.max(1);
        let mut vectors = Vec::with_capacity(values.len() * LANES);
        for start in (0..groups).step_by(DEPTH) {
            for first in (0..rows).step_by(TALL) {
                let tile = first..rows.min(first + TALL);
                for group in start..groups.min(start + DEPTH) {
                    for k in 0..LANES {
                        vectors.extend(tile.clone().map(|row| {
                            let places = &values[row * groups + group];
                            bytemuck::cast::<_, __m256>([places[k], places[k + LANES]])
                        }));
                    }
                }
            }
        }
        Self { vectors, rows, groups }
    }
}

/// `[rows of inputs, rows of weights]`: sums of products of weights, which become f32 once for [`TILES`] tiles.
///
/// # Panics
/// On a processor for which [`is_here`] does not hold.
#[allow(unsafe_code)]
pub(crate) fn product_of_rows(blocks: &[&PackedBlocks], x: &Rows) -> Vec<f32> {
    assert!(is_here(), "the processor has no vectors of eight");
    // SAFETY: the processor has the features that the function is compiled for.
    unsafe { product_of_rows_here(blocks, x) }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn product_of_rows_here(blocks: &[&PackedBlocks], x: &Rows) -> Vec<f32> {
    let outputs = blocks.iter().map(|blocks| blocks.rows()).sum();
    let mut y = vec![0.0; x.rows * outputs];
    let mut weights = [[_mm256_setzero_ps(); WIDE]; DEPTH * LANES];
    for start in (0..x.groups).step_by(DEPTH) {
        let depth = DEPTH.min(x.groups - start);
        let weights = &mut weights[..depth * LANES];
        let x_block = &x.vectors[start * LANES * x.rows..][..depth * LANES * x.rows];
        let together = TALL * TILES;
        for (x_rows, y) in x_block.chunks(together * depth * LANES).zip(y.chunks_mut(together * outputs)) {
            let rows = blocks.iter().flat_map(|blocks| (0..blocks.rows()).map(move |row| (*blocks, row)));
            let mut rows = rows.enumerate().peekable();
            while let Some((first, _)) = rows.peek().copied() {
                let mut count = 0;
                for (_, (blocks, row)) in rows.by_ref().take(WIDE) {
                    unpack(blocks, row, start, count, weights);
                    count += 1;
                }
                let tiles = x_rows.chunks(TALL * depth * LANES).zip(y.chunks_mut(TALL * outputs));
                for (x, y) in tiles {
                    let y = y.chunks_exact_mut(outputs).map(|y| &mut y[first..first + count]);
                    match x.len() / weights.len() {
                        1 => add_tile::<1>(weights, x, y),
                        2 => add_tile::<2>(weights, x, y),
                        _ => add_tile::<TALL>(weights, x, y),
                    }
                }
            }
        }
    }
    y
}

/// The weights of groups of a row from group `start` on, as column `column` of `weights`.
#[target_feature(enable = "avx2,fma,f16c")]
fn unpack(blocks: &PackedBlocks, row: usize, start: usize, column: usize, weights: &mut [[__m256; WIDE]]) {
    let form = blocks.form;
    let depth = weights.len() / LANES;
    let (mut scales_here, mut minimums) = ([0.0; 2 * DEPTH], [0.0; 2 * DEPTH]);
    let of_group = 8 * LANES / form.group;
    let (scales_here, minimums) = (&mut scales_here[..depth * of_group], &mut minimums[..depth * of_group]);
    let heads = blocks.head(row, start..start + depth);
    form.read_scales(|form, heads, of, minimums| scales(form, heads, of, minimums), heads, scales_here, minimums);
    let units = if form.bits < 8 { NIBBLE_UNITS } else { [1.0; LANES] }.map(|unit| _mm256_set1_ps(unit));
    let items = weights.as_chunks_mut::<LANES>().0.iter_mut().zip(minimums.chunks_exact(of_group));
    each_group(blocks, row, start, scales_here, items, |numbers, scale, (weights, minimums)| {
        let minimum = by_lane(minimums);
        for ((weights, numbers), unit) in weights.iter_mut().zip(numbers).zip(units) {
            weights[column] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(numbers), _mm256_mul_ps(scale, unit), minimum);
        }
    });
}

/// Adds to the outputs of each row of a tile of inputs.
#[target_feature(enable = "avx2,fma,f16c")]
fn add_tile<'a, const ROWS: usize>(weights: &[[__m256; WIDE]], x: &[__m256], y: impl Iterator<Item = &'a mut [f32]>) {
    let mut sums = [[_mm256_setzero_ps(); ROWS]; WIDE];
    for (weights, x) in weights.iter().zip(x.as_chunks::<ROWS>().0) {
        for (sums, weights) in sums.iter_mut().zip(weights) {
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum = _mm256_fmadd_ps(*x, *weights, *sum);
            }
        }
    }
    for (row, y) in y.enumerate() {
        y.iter_mut().zip(totals(sums.map(|sums| sums[row]))).for_each(|(y, sum)| *y += sum);
    }
}

/// The sum of the lanes of each.
#[target_feature(enable = "avx2,fma,f16c")]
fn totals([a, b, c, d]: [__m256; WIDE]) -> [f32; WIDE] {
    let halves = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    bytemuck::cast(_mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves)))
}

/// The words, and beside them the same with the numbers of the second half in their places. The sign that comes in from
/// the left is beyond the numbers.
#[target_feature(enable = "avx2,fma,f16c")]
fn both_halves(words: i32x4) -> __m256i {
    let words: __m128i = bytemuck::cast(words);
    _mm256_set_m128i(_mm_srai_epi32::<16>(words), words)
}

/// For each lane what its half of a group has.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn by_lane(of_halves: &[f32]) -> __m256 {
    match of_halves {
        [first, second] => {
            let both = _mm_unpacklo_ps(_mm_set1_ps(*first), _mm_set1_ps(*second));
            let lanes = _mm_unpacklo_ps(both, both);
            _mm256_set_m128(lanes, lanes)
        }
        all => _mm256_set1_ps(all[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BLOCK_TYPES;

    /// Each type of blocks, with numbers of rows that fill tiles and that do not, and more than are unpacked for at
    /// once; with rows of weights that are no multiple of those multiplied together, and inputs that are none of those
    /// summed at a time.
    #[test]
    fn several_rows_are_sums_of_products() {
        let mut compared = 0;
        for kind in BLOCK_TYPES.iter().filter(|kind| kind.elements > 1) {
            for columns in [256, 288, 800, 1024, 2560].map(|columns| columns / kind.elements * kind.elements) {
                let outputs = 6;
                let blocks = outputs * columns / kind.elements;
                let bytes: Vec<u8> = (0..blocks * kind.bytes)
                    .map(|index| if index % 2 == 1 { 0x20 + (index / 7 % 9) as u8 } else { (index * index / 3) as u8 })
                    .collect();
                // Twice the same, one after the other.
                let weights = kind.unpack(&bytes).repeat(2);
                let blocks = PackedBlocks::new(kind, &bytes, columns).expect("quantised");
                for rows in [1, 2, 3, 4, 5, 100] {
                    let x: Vec<f32> =
                        (0..rows * columns).map(|index| libm::sinf((index * index) as f32 * 0.37)).collect();
                    if !is_here() {
                        assert!(crate::Inputs::new(&x, rows).is_none());
                        continue;
                    }
                    let y = product_of_rows(&[&blocks, &blocks], &Rows::new(&x, rows));
                    let outputs = 2 * outputs;
                    assert_eq!(y.len(), rows * outputs);
                    for (index, seen) in y.into_iter().enumerate() {
                        let (x, weights) = (
                            &x[index / outputs * columns..][..columns],
                            &weights[index % outputs * columns..][..columns],
                        );
                        let terms = || x.iter().zip(weights).map(|(x, weight)| f64::from(*x) * f64::from(*weight));
                        let (expected, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                        assert!(size > 0.0 && size.is_finite());
                        let place = format!("{}, {columns} columns, {rows} rows, {index}", kind.name);
                        assert!((f64::from(seen) - expected).abs() <= 1e-6 * size, "{place}: {seen} for {expected}");
                        compared += 1;
                    }
                }
            }
        }
        assert_eq!(compared, if is_here() { 8 * 5 * 12 * (1 + 2 + 3 + 4 + 5 + 100) } else { 0 });
    }
}
