//! The rows of [`super::packed`] in vectors of eight lanes, for processors of x86-64 that have them: both halves of a
//! group side by side. Sums are of other orders than in vectors of four.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_set1_ps, _mm_srai_epi32, _mm256_and_si256, _mm256_cvtepi32_ps, _mm256_cvtph_ps,
    _mm256_fmadd_ps, _mm256_mul_ps, _mm256_or_si256, _mm256_set_m128, _mm256_set_m128i, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi32, _mm256_sllv_epi32, _mm256_srlv_epi32,
};

use wide::i32x4;

use super::blocks::Quantised;
use super::packed::{HighBits, LANES, NIBBLES, PackedBlocks, TOP_BYTE, TOP_BYTE_UNIT};

/// The inputs that a group is multiplied with: lane `l` of vector `k` is for number `4 k + l` of its first half, lane
/// `4 + l` for that of its second.
pub(crate) type FoldedGroup = [[f32; 2 * LANES]; LANES];

/// Whether this processor has them.
pub(crate) fn is_here() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("fma")
        && std::arch::is_x86_feature_detected!("f16c")
}

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
    // SAFETY: the processor has the features that these functions are compiled for.
    unsafe {
        match blocks.form.bits {
            4 => nibbles(blocks, row, scales, x),
            5 => more::<1, 4>(blocks, row, scales, x),
            6 => more::<2, 2>(blocks, row, scales, x),
            _ => bytes(blocks, row, scales, x),
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn nibbles(blocks: &PackedBlocks, row: usize, scales: &[f32], x: &[FoldedGroup]) -> f32 {
    let masks = NIBBLES.map(|mask| _mm256_set1_epi32(mask));
    let words = &blocks.words[row * blocks.groups..][..blocks.groups];
    let mut sum = _mm256_setzero_ps();
    for ((words, scale), x) in words.iter().zip(scales).zip(x) {
        let words = both_halves(*words);
        let numbers = masks.map(|mask| _mm256_and_si256(words, mask));
        sum = _mm256_fmadd_ps(products(numbers, x), _mm256_set1_ps(*scale), sum);
    }
    total(sum)
}

/// Numbers with `HIGH` bits beyond four; those of `TOGETHER` groups are in one vector of words.
#[target_feature(enable = "avx2,fma")]
fn more<const HIGH: usize, const TOGETHER: usize>(
    blocks: &PackedBlocks,
    row: usize,
    scales: &[f32],
    x: &[FoldedGroup],
) -> f32 {
    let layout = const { HighBits { bits: HIGH } };
    let (groups, row_high) = (blocks.groups, layout.row(blocks.groups));
    let low_masks = NIBBLES.map(|mask| _mm256_set1_epi32(mask));
    let high_masks: [__m256i; LANES] =
        std::array::from_fn(|k| _mm256_set1_epi32(((1 << HIGH) - 1) << (LANES * k + LANES)));
    let shifts: [[__m256i; 2]; TOGETHER] = std::array::from_fn(|group| {
        let [left, right]: [[i32; 2 * LANES]; 2] =
            [true, false].map(|left| std::array::from_fn(|lane| layout.shift(2 * group + lane / LANES, left)));
        [bytemuck::cast(left), bytemuck::cast(right)]
    });
    let high = &blocks.high[row * row_high..][..row_high];
    let words = blocks.words[row * groups..][..groups].chunks(TOGETHER);
    let scales = scales.chunks(TOGETHER * HIGH);
    let mut sum = _mm256_setzero_ps();
    for (((high, words), x), scales) in high.iter().zip(words).zip(x.chunks(TOGETHER)).zip(scales) {
        let high: __m128i = bytemuck::cast(*high);
        let high = _mm256_set_m128i(high, high);
        for (((words, x), [left, right]), scales) in words.iter().zip(x).zip(&shifts).zip(scales.chunks_exact(HIGH)) {
            let words = both_halves(*words);
            let beside = _mm256_srlv_epi32(_mm256_sllv_epi32(high, *left), *right);
            let numbers: [__m256i; LANES] = std::array::from_fn(|k| {
                _mm256_or_si256(_mm256_and_si256(words, low_masks[k]), _mm256_and_si256(beside, high_masks[k]))
            });
            let scale = match HIGH {
                1 => _mm256_set1_ps(scales[0]),
                _ => _mm256_set_m128(_mm_set1_ps(scales[1]), _mm_set1_ps(scales[0])),
            };
            sum = _mm256_fmadd_ps(products(numbers, x), scale, sum);
        }
    }
    total(sum)
}

#[target_feature(enable = "avx2,fma")]
fn bytes(blocks: &PackedBlocks, row: usize, scales: &[f32], x: &[FoldedGroup]) -> f32 {
    let top = _mm256_set1_epi32(TOP_BYTE);
    let words = &blocks.words[row * 2 * blocks.groups..][..2 * blocks.groups];
    let mut sum = _mm256_setzero_ps();
    for ((halves, scale), x) in words.as_chunks::<2>().0.iter().zip(scales).zip(x) {
        let words: __m256i = bytemuck::cast(*halves);
        let numbers = [
            _mm256_and_si256(_mm256_slli_epi32::<24>(words), top),
            _mm256_and_si256(_mm256_slli_epi32::<16>(words), top),
            _mm256_and_si256(_mm256_slli_epi32::<8>(words), top),
            _mm256_and_si256(words, top),
        ];
        sum = _mm256_fmadd_ps(products(numbers, x), _mm256_set1_ps(*scale * TOP_BYTE_UNIT), sum);
    }
    total(sum)
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
    let numbers = numbers.map(|numbers| _mm256_cvtepi32_ps(numbers));
    let first = _mm256_fmadd_ps(numbers[1], x[1], _mm256_mul_ps(numbers[0], x[0]));
    _mm256_fmadd_ps(numbers[3], x[3], _mm256_fmadd_ps(numbers[2], x[2], first))
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
}
