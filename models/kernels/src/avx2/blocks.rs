//! Several rows of inputs times those of [`crate::packed`] in vectors of eight lanes, for processors of x86-64 that
//! have them: both halves of words side by side. A number is used where its bits stand in the word, that is, times a
//! power of two, which the scale makes up for without rounding.
//!
//! Loops are written as such: what `core` does with a closure, as `array::map` does, is compiled without these vectors,
//! and is called for each group.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_set1_ps, _mm_srai_epi32, _mm_unpacklo_ps, _mm256_and_si256, _mm256_cvtepi8_epi32,
    _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_mul_ps, _mm256_or_si256,
    _mm256_permute2f128_ps, _mm256_permutevar8x32_ps, _mm256_set_m128, _mm256_set_m128i, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_shuffle_ps, _mm256_slli_epi32, _mm256_sllv_epi32, _mm256_srlv_epi32,
    _mm256_unpackhi_ps, _mm256_unpacklo_ps,
};

use wide::i32x4;

use super::{is_here, matrix};
use crate::blocks::{Quantised, k_numbers};
use crate::matrix::{OfPanel, PackedRows};
use crate::packed::{GROUP, HighBits, LANES, PLACES_OF_WORD, PackedBlocks, TOP_BYTE, TOP_BYTE_UNIT, arranged};

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

/// Inputs that are summed at a time: whole blocks of each type.
const DEPTH: usize = 256;

/// Groups of these.
const GROUPS: usize = DEPTH / GROUP;

/// Rows of inputs that rows of weights are unpacked for once: [`DEPTH`] inputs of so many, and the weights,
/// stay in a core's second cache.
const TOGETHER: usize = 64 * matrix::HEIGHT;

/// Rows of inputs.
#[derive(Debug)]
pub(crate) struct Rows {
    /// As few parts as there can be of at most [`TOGETHER`] rows; each group's inputs as its numbers are unpacked.
    parts: Vec<PackedRows>,
    /// Of a part, but the last may have fewer.
    rows_of_part: usize,
    rows: usize,
    inputs: usize,
}

impl Rows {
    /// `[rows, inputs]`, one row at least, in whole groups of 32.
    pub(crate) fn new(values: &[f32], rows: usize) -> Self {
        let inputs = values.len() / rows;
        let count = rows.div_ceil(TOGETHER);
        let rows_of_part = rows.div_ceil(count);
        let mut parts = Vec::with_capacity(count);
        for values in values.chunks(rows_of_part * inputs) {
            let (groups, _) = values.as_chunks::<GROUP>();
            let mut unpacked = Vec::with_capacity(values.len());
            for group in groups {
                let places = arranged(group);
                for place in 0..PLACES_OF_WORD {
                    unpacked.extend_from_slice(&places[place]);
                    unpacked.extend_from_slice(&places[place + PLACES_OF_WORD]);
                }
            }
            parts.push(PackedRows::in_depths_of(DEPTH, &unpacked, values.len() / inputs, inputs));
        }
        Self { parts, rows_of_part, rows, inputs }
    }
}

/// `[rows of inputs, rows of weights]`: sums of products of weights, which become f32 once for [`TOGETHER`] rows.
///
/// # Panics
/// On a processor for which [`is_here`] does not hold.
#[allow(unsafe_code)]
pub(crate) fn product_of_rows(blocks: &[&PackedBlocks], x: &Rows) -> Vec<f32> {
    assert!(is_here(), "the processor has no vectors of eight");
    let outputs: usize = blocks.iter().map(|blocks| blocks.rows()).sum();
    let mut y = vec![0.0; x.rows * outputs];
    let mut panel: Vec<matrix::Weights> = vec![bytemuck::cast([0.0_f32; matrix::WIDTH]); DEPTH];
    for (part, y) in x.parts.iter().zip(y.chunks_mut(x.rows_of_part * outputs)) {
        for start in (0..x.inputs).step_by(DEPTH) {
            let panel = &mut panel[..DEPTH.min(x.inputs - start)];
            let mut rows = blocks.iter().flat_map(|blocks| (0..blocks.rows()).map(move |row| (*blocks, row)));
            for first in (0..outputs).step_by(matrix::WIDTH) {
                let columns = first..outputs.min(first + matrix::WIDTH);
                // SAFETY: the processor has the features that the function is compiled for.
                unsafe { unpack(rows.by_ref().take(columns.len()), start, panel) };
                let panel = OfPanel { weights: &*panel, next: &[] };
                part.add_panel(start, panel, y, outputs, columns, matrix::add_tile);
            }
        }
    }
    y
}

/// Inputs from `start` on, as many as `panel` has: their weights in some rows, at most [`matrix::WIDTH`]. Where there
/// are fewer, what the columns of the others hold has no meaning.
#[target_feature(enable = "avx2,fma,f16c")]
fn unpack<'a>(mut rows: impl Iterator<Item = (&'a PackedBlocks, usize)>, start: usize, panel: &mut [matrix::Weights]) {
    let mut of_rows = [[_mm256_setzero_ps(); matrix::LANES]; GROUPS * PLACES_OF_WORD];
    let of_rows = &mut of_rows[..panel.len() / matrix::LANES];
    for half in 0..2 {
        for column in 0..matrix::LANES {
            let Some((blocks, row)) = rows.next() else { break };
            unpack_row(blocks, row, start / GROUP, column, of_rows);
            blocks.fetch(row + matrix::WIDTH, start / GROUP..(start + panel.len()) / GROUP);
        }
        for (weights, of_rows) in panel.as_chunks_mut::<{ matrix::LANES }>().0.iter_mut().zip(&*of_rows) {
            for (weights, of_input) in weights.iter_mut().zip(transposed(*of_rows)) {
                weights[half] = of_input;
            }
        }
    }
}

/// The weights of groups of a row from group `first` on, as column `column` of `of_rows`.
#[target_feature(enable = "avx2,fma,f16c")]
fn unpack_row(blocks: &PackedBlocks, row: usize, first: usize, column: usize, of_rows: &mut [[__m256; matrix::LANES]]) {
    let form = blocks.form;
    let depth = of_rows.len() / PLACES_OF_WORD;
    let (mut scales_here, mut minimums) = ([0.0; 2 * GROUPS], [0.0; 2 * GROUPS]);
    let of_group = GROUP / form.group;
    let (scales_here, minimums) = (&mut scales_here[..depth * of_group], &mut minimums[..depth * of_group]);
    let heads = blocks.head(row, first..first + depth);
    form.read_scales(|form, heads, of, minimums| scales(form, heads, of, minimums), heads, scales_here, minimums);
    let units = if form.bits < 8 { NIBBLE_UNITS } else { [1.0; LANES] }.map(|unit| _mm256_set1_ps(unit));
    let items = of_rows.as_chunks_mut::<PLACES_OF_WORD>().0.iter_mut().zip(minimums.chunks_exact(of_group));
    each_group(blocks, row, first, scales_here, items, |numbers, scale, (weights, minimums)| {
        let minimum = by_lane(minimums);
        for ((weights, numbers), unit) in weights.iter_mut().zip(numbers).zip(units) {
            weights[column] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(numbers), _mm256_mul_ps(scale, unit), minimum);
        }
    });
}

/// For each lane the eight rows' numbers of that lane.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn transposed(rows: [__m256; matrix::LANES]) -> [__m256; matrix::LANES] {
    let [a, b, c, d, e, f, g, h] = rows;
    let (ab, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let (cd, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    let (ef, ef_high) = (_mm256_unpacklo_ps(e, f), _mm256_unpackhi_ps(e, f));
    let (gh, gh_high) = (_mm256_unpacklo_ps(g, h), _mm256_unpackhi_ps(g, h));
    // Lanes 0 and 4, 1 and 5, 2 and 6, 3 and 7, of the first four rows and of the last.
    let first = [
        _mm256_shuffle_ps::<0x44>(ab, cd),
        _mm256_shuffle_ps::<0xEE>(ab, cd),
        _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
        _mm256_shuffle_ps::<0xEE>(ab_high, cd_high),
    ];
    let last = [
        _mm256_shuffle_ps::<0x44>(ef, gh),
        _mm256_shuffle_ps::<0xEE>(ef, gh),
        _mm256_shuffle_ps::<0x44>(ef_high, gh_high),
        _mm256_shuffle_ps::<0xEE>(ef_high, gh_high),
    ];
    [
        _mm256_permute2f128_ps::<0x20>(first[0], last[0]),
        _mm256_permute2f128_ps::<0x20>(first[1], last[1]),
        _mm256_permute2f128_ps::<0x20>(first[2], last[2]),
        _mm256_permute2f128_ps::<0x20>(first[3], last[3]),
        _mm256_permute2f128_ps::<0x31>(first[0], last[0]),
        _mm256_permute2f128_ps::<0x31>(first[1], last[1]),
        _mm256_permute2f128_ps::<0x31>(first[2], last[2]),
        _mm256_permute2f128_ps::<0x31>(first[3], last[3]),
    ]
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
    /// once; with rows of weights that fill panels, over the end of a matrix too, and that do not; with inputs that are
    /// no multiple of those summed at a time.
    #[test]
    fn several_rows_are_sums_of_products() {
        let mut compared = 0;
        for kind in BLOCK_TYPES.iter().filter(|kind| kind.elements > 1) {
            for (columns, most) in [(256, TOGETHER + 9), (288, 7), (800, 7), (1024, 7), (2560, 7)] {
                let columns = columns / kind.elements * kind.elements;
                let outputs = 37;
                let blocks = outputs * columns / kind.elements;
                let bytes: Vec<u8> = (0..blocks * kind.bytes)
                    .map(|index| if index % 2 == 1 { 0x20 + (index / 7 % 9) as u8 } else { (index * index / 3) as u8 })
                    .collect();
                // Twice the same, one after the other.
                let weights = kind.unpack(&bytes).repeat(2);
                let blocks = PackedBlocks::new(kind, &bytes, columns).expect("quantised");
                for rows in [1, 2, 3, 4, 5, most] {
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
        assert_eq!(compared, if is_here() { 8 * 74 * (5 * (1 + 2 + 3 + 4 + 5) + TOGETHER + 9 + 4 * 7) } else { 0 });
    }
}
