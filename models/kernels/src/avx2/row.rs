//! [`crate::row`] in vectors of eight lanes, for processors of x86-64 that have them: two groups side by side. Sums
//! are of other orders than in vectors of four.

use std::arch::x86_64::{
    __m256, __m256i, _mm_add_ps, _mm_setzero_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_castps128_ps256,
    _mm256_castps256_ps128, _mm256_cvtepi32_ps, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_madd_epi16,
    _mm256_mul_ps, _mm256_or_si256, _mm256_permutevar8x32_ps, _mm256_set_m128i, _mm256_set1_epi16, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_slli_epi16, _mm256_srai_epi16, _mm256_srli_epi16, _mm256_srlv_epi32,
};

use wide::i32x4;

use super::blocks::scales as read_scales;
use super::is_here;
use crate::packed::{GROUP, HighBits, LANES, PLACES_OF_WORD, PackedBlocks};
use crate::row::{FINE, Pair, Row};

/// The numbers of two groups at four places of the low halves of their words and, between those, of the high halves.
type Numbers = [__m256i; PLACES_OF_WORD];

/// [`Row::product`].
///
/// # Panics
/// On a processor for which [`is_here`] does not hold.
#[allow(unsafe_code)]
pub(crate) fn product(x: &Row, blocks: &PackedBlocks) -> Vec<f32> {
    assert!(is_here(), "the processor has no vectors of eight");
    // SAFETY: the processor has the features that the function is compiled for.
    unsafe { product_here(x, blocks) }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn product_here(x: &Row, blocks: &PackedBlocks) -> Vec<f32> {
    let form = blocks.form;
    let count = blocks.groups * GROUP / form.group;
    let sums = x.sums_of(blocks);
    // Of groups that are not there they stay zeros.
    let (mut scales, mut minimums) = (vec![0.0; sums.len()], vec![0.0; sums.len()]);
    let offset = _mm256_set1_ps(if form.bits < 8 { -f32::from(form.offset) } else { 0.0 });
    let mut y = Vec::with_capacity(blocks.rows());
    for (row, heads) in blocks.heads().enumerate() {
        read_scales(form, heads, &mut scales[..count], &mut minimums[..count]);
        let groups = row * blocks.groups..(row + 1) * blocks.groups;
        let mut sum = match form.bits {
            4 => nibbles(x, &blocks.words[groups], &scales),
            5 => more::<1, 2>(x, &blocks.words[groups], blocks.high_of::<1>(row, 0), &scales),
            6 => more::<2, 1>(x, &blocks.words[groups], blocks.high_of::<2>(row, 0), &scales),
            _ => bytes(x, &blocks.words[2 * groups.start..2 * groups.end], &scales),
        };
        if form.offset == 0 {
            sum = add_dot(&minimums, sums, sum);
        } else if form.bits < 8 {
            sum = _mm256_fmadd_ps(add_dot(&scales, sums, _mm256_setzero_ps()), offset, sum);
        }
        y.push(total(sum));
    }
    y
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn nibbles(x: &Row, words: &[i32x4], scales: &[f32]) -> __m256 {
    let (whole, last) = words.as_chunks::<2>();
    let mut sum = _mm256_setzero_ps();
    for ((words, scales), pair) in whole.iter().zip(scales.as_chunks().0).zip(&x.pairs) {
        sum = add(low_bits(bytemuck::cast(*words)), pair, by_group(*scales), sum);
    }
    if let [words] = last {
        let (pair, scale) = (&x.pairs[whole.len()], scales[2 * whole.len()]);
        sum = add(low_bits(alone(*words)), pair, by_group([scale, 0.0]), sum);
    }
    sum
}

/// Numbers with `HIGH` bits beyond four, those of `PAIRS` pairs of groups in one vector of words.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn more<const HIGH: usize, const PAIRS: usize>(x: &Row, words: &[i32x4], high: &[i32x4], scales: &[f32]) -> __m256 {
    let shifts = const { shifts::<HIGH, PAIRS>() };
    let whole = words.chunks_exact(2 * PAIRS);
    let rest = whole.remainder();
    let of_scales = scales.chunks_exact(2 * PAIRS * HIGH);
    let mut sum = _mm256_setzero_ps();
    for (((words, high), scales), pairs) in whole.zip(high).zip(of_scales).zip(x.pairs.chunks_exact(PAIRS)) {
        let high = both(*high, *high);
        for pair in 0..PAIRS {
            let words = both(words[2 * pair], words[2 * pair + 1]);
            let scales = by_scale(&scales[2 * HIGH * pair..][..2 * HIGH]);
            sum = add(with_high::<HIGH>(words, high, shifts[pair]), &pairs[pair], scales, sum);
        }
    }
    if let (false, Some(high)) = (rest.is_empty(), high.last()) {
        let high = both(*high, *high);
        let first = (words.len() - rest.len()) / 2;
        for (pair, words) in rest.chunks(2).enumerate() {
            let words = if let [first, second] = words { both(*first, *second) } else { alone(words[0]) };
            let scales = by_scale(&scales[2 * HIGH * (first + pair)..][..2 * HIGH]);
            sum = add(with_high::<HIGH>(words, high, shifts[pair]), &x.pairs[first + pair], scales, sum);
        }
    }
    sum
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn bytes(x: &Row, words: &[i32x4], scales: &[f32]) -> __m256 {
    let (whole, last) = words.as_chunks::<4>();
    let mut sum = _mm256_setzero_ps();
    for ((words, scales), pair) in whole.iter().zip(scales.as_chunks().0).zip(&x.pairs) {
        let [first, second, third, fourth] = *words;
        sum = add(signed(both(first, third), both(second, fourth)), pair, by_group(*scales), sum);
    }
    if let [first, second] = last {
        let (pair, scale) = (&x.pairs[whole.len()], scales[2 * whole.len()]);
        sum = add(signed(alone(*first), alone(*second)), pair, by_group([scale, 0.0]), sum);
    }
    sum
}

/// How far the words of high bits are shifted to the right, lane by lane, for each of `PAIRS` pairs of groups.
const fn shifts<const HIGH: usize, const PAIRS: usize>() -> [[u32; 2 * LANES]; PAIRS] {
    let mut shifts = [[0; 2 * LANES]; PAIRS];
    let mut at = 0;
    while at < PAIRS * 2 * LANES {
        shifts[at / (2 * LANES)][at % (2 * LANES)] = (HIGH * (at / LANES)) as u32;
        at += 1;
    }
    shifts
}

const _: () = assert!(HighBits { bits: 1 }.groups() == 4 && HighBits { bits: 2 }.groups() == 2);

/// Adds the products of two groups.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn add(numbers: Numbers, pair: &Pair, scales: __m256, sum: __m256) -> __m256 {
    let whole = whole_sum(numbers, bytemuck::cast(pair.inputs));
    let both = _mm256_fmadd_ps(whole_sum(numbers, bytemuck::cast(pair.rests)), _mm256_set1_ps(FINE), whole);
    _mm256_fmadd_ps(both, _mm256_mul_ps(scales, bytemuck::cast(pair.scales)), sum)
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn whole_sum(numbers: Numbers, inputs: Numbers) -> __m256 {
    let first = _mm256_add_epi32(_mm256_madd_epi16(numbers[0], inputs[0]), _mm256_madd_epi16(numbers[1], inputs[1]));
    let second = _mm256_add_epi32(_mm256_madd_epi16(numbers[2], inputs[2]), _mm256_madd_epi16(numbers[3], inputs[3]));
    _mm256_cvtepi32_ps(_mm256_add_epi32(first, second))
}

/// Four bits of each number, and `HIGH` that are at the nibbles' places after a shift.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn with_high<const HIGH: usize>(words: __m256i, high: __m256i, shift: [u32; 2 * LANES]) -> Numbers {
    let mask = _mm256_set1_epi16(((1 << HIGH) - 1) << 4);
    let high = _mm256_srlv_epi32(high, bytemuck::cast(shift));
    let low = low_bits(words);
    [
        _mm256_or_si256(low[0], _mm256_and_si256(_mm256_slli_epi16::<4>(high), mask)),
        _mm256_or_si256(low[1], _mm256_and_si256(high, mask)),
        _mm256_or_si256(low[2], _mm256_and_si256(_mm256_srli_epi16::<4>(high), mask)),
        _mm256_or_si256(low[3], _mm256_and_si256(_mm256_srli_epi16::<8>(high), mask)),
    ]
}

/// Adds products of vectors of eight.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn add_dot(a: &[f32], b: &[f32], mut sum: __m256) -> __m256 {
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        sum = _mm256_fmadd_ps(bytemuck::cast(*a), bytemuck::cast(*b), sum);
    }
    sum
}

/// Four bits of each number.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn low_bits(words: __m256i) -> Numbers {
    let mask = _mm256_set1_epi16(15);
    [
        _mm256_and_si256(words, mask),
        _mm256_and_si256(_mm256_srli_epi16::<4>(words), mask),
        _mm256_and_si256(_mm256_srli_epi16::<8>(words), mask),
        _mm256_srli_epi16::<12>(words),
    ]
}

/// Numbers of eight bits with their sign, of both vectors of words.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn signed(first: __m256i, second: __m256i) -> Numbers {
    [
        _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(first)),
        _mm256_srai_epi16::<8>(first),
        _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(second)),
        _mm256_srai_epi16::<8>(second),
    ]
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn both(first: i32x4, second: i32x4) -> __m256i {
    _mm256_set_m128i(bytemuck::cast(second), bytemuck::cast(first))
}

/// A group without a second one.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn alone(words: i32x4) -> __m256i {
    _mm256_set_m128i(_mm_setzero_si128(), bytemuck::cast(words))
}

/// For each lane what its group has.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn by_group(of_groups: [f32; 2]) -> __m256 {
    let [first, second] = of_groups;
    let both = bytemuck::cast([first, second, 0.0, 0.0]);
    let lanes: [i32; 8] = [0, 0, 0, 0, 1, 1, 1, 1];
    _mm256_permutevar8x32_ps(_mm256_castps128_ps256(both), bytemuck::cast(lanes))
}

/// For each lane the scale of its number: of two groups there is one each, or one for each half.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn by_scale(scales: &[f32]) -> __m256 {
    if let [a, b, c, d] = scales {
        let lanes: [i32; 8] = [0, 0, 1, 1, 2, 2, 3, 3];
        let four = bytemuck::cast([*a, *b, *c, *d]);
        return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(four), bytemuck::cast(lanes));
    }
    by_group([scales[0], scales[1]])
}

/// The sum of all lanes.
#[target_feature(enable = "avx2,fma,f16c")]
fn total(lanes: __m256) -> f32 {
    let halves: [f32; LANES] =
        bytemuck::cast(_mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes)));
    (halves[0] + halves[1]) + (halves[2] + halves[3])
}
