//! The rows of [`crate::packed`] in vectors of eight lanes, for processors of x86-64 that have them: both halves of a
//! group side by side. Sums are of other orders than in vectors of four.
//!
//! Loops are written as such: what `core` does with a closure, as `array::map` does, is compiled without these vectors,
//! and is called for each group.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_add_ps, _mm_set1_ps, _mm_srai_epi32, _mm256_and_si256, _mm256_castps256_ps128,
    _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_hadd_ps, _mm256_mul_ps,
    _mm256_or_si256, _mm256_set_m128, _mm256_set_m128i, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_slli_epi32, _mm256_sllv_epi32, _mm256_srlv_epi32,
};

use wide::i32x4;

use super::is_here;
use crate::blocks::Quantised;
use crate::packed::{HighBits, LANES, NIBBLE_UNITS, NIBBLES, PackedBlocks, TOP_BYTE, TOP_BYTE_UNIT};

/// The inputs that a group is multiplied with: lane `l` of vector `k` is for number `4 k + l` of its first half, lane
/// `4 + l` for that of its second.
pub(crate) type FoldedGroup = [[f32; 2 * LANES]; LANES];

/// Inputs in whole groups of 32.
pub(crate) fn folded(values: &[f32]) -> Vec<FoldedGroup> {
    let groups = values.as_chunks::<{ 8 * LANES }>().0.iter();
    let input =
        |group: &[f32; 8 * LANES], k: usize, lane: usize| group[lane / LANES * 4 * LANES + k * LANES + lane % LANES];
    groups.map(|group| std::array::from_fn(|k| std::array::from_fn(|lane| input(group, k, lane)))).collect()
}

/// Scales, and minimums where there are some, of a row of a simple type, eight halves at a time; what is lacking at the
/// end, and other types, as their form reads them.
///
/// # Panics
/// On a processor for which [`is_here`] does not hold.
#[allow(unsafe_code)]
pub(crate) fn scales(form: &Quantised, heads: &[u8], scales: &mut [f32], minimums: &mut [f32]) {
    assert!(is_here(), "the processor has no vectors of eight");
    let (whole, rest) = heads.as_chunks::<16>();
    let done = match form.head.len() {
        // SAFETY: the processor has the features that the function is compiled for.
        2 => {
            let (eights, _) = scales.as_chunks_mut::<8>();
            whole.iter().zip(eights).for_each(|(head, scales)| *scales = unsafe { halves(*head) });
            8 * whole.len()
        }
        4 => {
            let fours = scales.as_chunks_mut::<4>().0.iter_mut().zip(minimums.as_chunks_mut::<4>().0);
            for (head, (scales, minimums)) in whole.iter().zip(fours) {
                // SAFETY: as above.
                let [a, b, c, d, e, f, g, h] = unsafe { halves(*head) };
                (*scales, *minimums) = ([a, c, e, g], [b, d, f, h]);
            }
            4 * whole.len()
        }
        _ => return (form.scales)(heads, scales, minimums),
    };
    (form.scales)(rest, &mut scales[done..], &mut minimums[done..]);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn halves(bytes: [u8; 16]) -> [f32; 8] {
    bytemuck::cast(_mm256_cvtph_ps(bytemuck::cast(bytes)))
}

/// The sum of numbers times inputs of one row, group by group times its scale. `x` is in the units of the packing.
///
/// # Panics
/// On a processor for which [`is_here`] does not hold.
#[allow(unsafe_code)]
pub(crate) fn row(blocks: &PackedBlocks, row: usize, scales: &[f32], x: &[FoldedGroup]) -> f32 {
    assert!(is_here(), "the processor has no vectors of eight");
    // SAFETY: the processor has the features that the function is compiled for.
    unsafe { row_here(blocks, row, scales, x) }
}

#[target_feature(enable = "avx2,fma")]
fn row_here(blocks: &PackedBlocks, row: usize, scales: &[f32], x: &[FoldedGroup]) -> f32 {
    let mut sum = _mm256_setzero_ps();
    each_group(blocks, row, 0, scales, x.iter(), |numbers, scale, x| {
        sum = _mm256_fmadd_ps(products(numbers, x), scale, sum);
    });
    total(sum)
}

/// Calls `each` with the numbers of groups of 32 from `first` on, where they stand in their words, the scale, and the
/// group's item: as many groups as there are scales for. `first` is a multiple of 8.
#[target_feature(enable = "avx2,fma")]
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

#[target_feature(enable = "avx2,fma")]
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
    while at < TOGETHER * 2 * LANES {
        let (group, lane) = (at / (2 * LANES), at % (2 * LANES));
        let half = 2 * group + lane / LANES;
        shifts[group][0][lane] = layout.shift(half, true);
        shifts[group][1][lane] = layout.shift(half, false);
        at += 1;
    }
    shifts
}

/// Numbers with `HIGH` bits beyond four; those of `TOGETHER` groups are in one vector of words.
#[target_feature(enable = "avx2,fma")]
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
            let scale = match HIGH {
                1 => _mm256_set1_ps(scales[0]),
                _ => _mm256_set_m128(_mm_set1_ps(scales[1]), _mm_set1_ps(scales[0])),
            };
            each(numbers, scale, item);
        }
    }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn bytes<T>(
    words: &[i32x4],
    scales: &[f32],
    items: impl Iterator<Item = T>,
    mut each: impl FnMut([__m256i; LANES], __m256, T),
) {
    let top = _mm256_set1_epi32(TOP_BYTE);
    for ((halves, scale), item) in words.as_chunks::<2>().0.iter().zip(scales).zip(items) {
        let words: __m256i = bytemuck::cast(*halves);
        let numbers = [
            _mm256_and_si256(_mm256_slli_epi32::<24>(words), top),
            _mm256_and_si256(_mm256_slli_epi32::<16>(words), top),
            _mm256_and_si256(_mm256_slli_epi32::<8>(words), top),
            _mm256_and_si256(words, top),
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
    /// For each [`DEPTH`] groups each tile; of a tile each vector of [`FoldedGroup`], its rows beside each other.
    vectors: Vec<__m256>,
    rows: usize,
    groups: usize,
}

impl Rows {
    /// `[rows, inputs]` in whole groups of 32.
    pub(crate) fn new(values: &[f32], rows: usize) -> Self {
        let (values, _) = values.as_chunks::<{ 8 * LANES }>();
        let groups = values.len() / rows.max(1);
        let mut vectors = Vec::with_capacity(values.len() * LANES);
        for start in (0..groups).step_by(DEPTH) {
            for first in (0..rows).step_by(TALL) {
                let tile = first..rows.min(first + TALL);
                for group in start..groups.min(start + DEPTH) {
                    for k in 0..LANES {
                        vectors.extend(tile.clone().map(|row| {
                            let (first, second) = values[row * groups + group].split_at(4 * LANES);
                            let lanes = |half: &[f32]| half.as_chunks::<LANES>().0[k];
                            bytemuck::cast::<_, __m256>([lanes(first), lanes(second)])
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

#[target_feature(enable = "avx2,fma")]
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
#[target_feature(enable = "avx2,fma")]
fn unpack(blocks: &PackedBlocks, row: usize, start: usize, column: usize, weights: &mut [[__m256; WIDE]]) {
    let form = blocks.form;
    let depth = weights.len() / LANES;
    let (mut scales_here, mut minimums) = ([0.0; 2 * DEPTH], [0.0; 2 * DEPTH]);
    let of_group = 8 * LANES / form.group;
    let (scales_here, minimums) = (&mut scales_here[..depth * of_group], &mut minimums[..depth * of_group]);
    form.read_scales(scales, blocks.head(row, start..start + depth), scales_here, minimums);
    let units = if form.bits < 8 { NIBBLE_UNITS } else { [1.0; LANES] }.map(|unit| _mm256_set1_ps(unit));
    let items = weights.as_chunks_mut::<LANES>().0.iter_mut().zip(minimums.chunks_exact(of_group));
    each_group(blocks, row, start, scales_here, items, |numbers, scale, (weights, minimums)| {
        let minimum = match minimums {
            [minimum] => _mm256_set1_ps(*minimum),
            [first, .., second] => _mm256_set_m128(_mm_set1_ps(*second), _mm_set1_ps(*first)),
            [] => _mm256_setzero_ps(),
        };
        for ((weights, numbers), unit) in weights.iter_mut().zip(numbers).zip(units) {
            weights[column] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(numbers), _mm256_mul_ps(scale, unit), minimum);
        }
    });
}

/// Adds to the outputs of each row of a tile of inputs.
#[target_feature(enable = "avx2,fma")]
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
#[target_feature(enable = "avx2,fma")]
fn totals([a, b, c, d]: [__m256; WIDE]) -> [f32; WIDE] {
    let halves = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    bytemuck::cast(_mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves)))
}

/// The words, and beside them the same with the numbers of the second half in their places. The sign that comes in from
/// the left is beyond the numbers.
#[target_feature(enable = "avx2,fma")]
fn both_halves(words: i32x4) -> __m256i {
    let words: __m128i = bytemuck::cast(words);
    _mm256_set_m128i(_mm_srai_epi32::<16>(words), words)
}

#[target_feature(enable = "avx2,fma")]
fn products(numbers: [__m256i; LANES], x: &FoldedGroup) -> __m256 {
    let x: [__m256; LANES] = bytemuck::cast(*x);
    let mut sum = _mm256_mul_ps(_mm256_cvtepi32_ps(numbers[0]), x[0]);
    for (numbers, x) in numbers.into_iter().zip(x).skip(1) {
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(numbers), x, sum);
    }
    sum
}

/// In the order of the lanes on every machine.
#[target_feature(enable = "avx2,fma")]
fn total(lanes: __m256) -> f32 {
    bytemuck::cast::<__m256, [f32; 2 * LANES]>(lanes).iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BLOCK_TYPES, Input};

    /// Each type of blocks, in rows of even and odd numbers of groups: what both kinds of vectors make of a row differs
    /// by the order of the sums, and scales do not differ.
    #[test]
    fn rows_are_those_of_vectors_of_four() {
        let mut seed = 1_u32;
        let mut bits = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        let mut compared = 0;
        for kind in BLOCK_TYPES.iter().filter(|kind| kind.elements > 1) {
            for columns in [256, 288, 512, 800, 1536, 2912].map(|columns| columns / kind.elements * kind.elements) {
                // Halves of the size of scales: their upper byte is between those of 0.0002 and 2.
                let mut block = || (0..kind.bytes).map(|_| bits()).collect::<Vec<u8>>();
                let mut bytes: Vec<u8> = (0..3 * columns / kind.elements).flat_map(|_| block()).collect();
                let crate::blocks::Form::Quantised(form) = &kind.form else { panic!("{} has scales", kind.name) };
                for block in bytes.chunks_exact_mut(kind.bytes) {
                    let halves = if kind.elements == 32 { form.head.len() / 2 } else { 2.min(form.head.len() / 2) };
                    let first = if kind.name == "Q6_K" { kind.bytes - 2 } else { 0 };
                    for half in 0..if kind.name == "Q6_K" { 1 } else { halves } {
                        block[first + 2 * half + 1] = 0x0C + block[first + 2 * half + 1] % 0x34;
                    }
                }
                let blocks = PackedBlocks::new(kind, &bytes, columns).expect("quantised");
                let x = Input::new((0..columns).map(|index| libm::sinf((index * index) as f32 * 0.37)).collect());
                let folded = [folded(x.values()), folded(bytemuck::cast_slice(x.scaled()))];
                let count = columns / form.group;
                for (number, heads) in blocks.heads().enumerate() {
                    compared += 1;
                    if !is_here() {
                        // Whoever asks all the same is refused.
                        let asked = || row(&blocks, number, &vec![1.0; count], &folded[0]);
                        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(asked)).is_err());
                        continue;
                    }
                    let (mut plain, mut eight) =
                        ([vec![0.0; count], vec![0.0; count]], [vec![0.0; count], vec![0.0; count]]);
                    let [of, minimums] = &mut plain;
                    (form.scales)(heads, of, minimums);
                    let [of, minimums] = &mut eight;
                    scales(form, heads, of, minimums);
                    assert_eq!(plain, eight, "{}", kind.name);
                    let four = blocks.row(number, &plain[0], &x);
                    let eight = row(&blocks, number, &plain[0], &folded[usize::from(form.bits < 8)]);
                    let size: f32 = plain[0].iter().map(|scale| scale.abs()).sum::<f32>() * 256.0 * 32.0;
                    assert!((four - eight).abs() <= 1e-6 * size, "{}, {columns}: {four} {eight}", kind.name);
                    assert!(four != 0.0, "{}, {columns}", kind.name);
                }
            }
        }
        assert_eq!(compared, 8 * 6 * 3);
    }

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
