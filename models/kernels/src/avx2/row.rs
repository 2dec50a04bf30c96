//! [`crate::row`] in vectors of eight lanes, for processors of x86-64 that have them: two groups side by side. Sums
//! are of other orders than in vectors of four.
//!
//! Where weights have six bits or fewer, an input is the sum of three bytes with signs: one instruction multiplies 32
//! weights with a byte each and adds pairs, and the words of weights need less to be taken apart.

use std::arch::x86_64::{
    __m256, __m256i, _mm_add_ps, _mm_setzero_si128, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256,
    _mm256_castps_si256, _mm256_castps128_ps256, _mm256_castps256_ps128, _mm256_cvtepi32_ps, _mm256_cvtps_epi32,
    _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_max_epi32, _mm256_mul_ps,
    _mm256_or_si256, _mm256_packs_epi16, _mm256_packs_epi32, _mm256_permute2x128_si256, _mm256_permute4x64_epi64,
    _mm256_permutevar8x32_epi32, _mm256_permutevar8x32_ps, _mm256_set_m128i, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16,
    _mm256_slli_epi32, _mm256_srai_epi16, _mm256_srai_epi32, _mm256_srli_epi16, _mm256_srlv_epi32, _mm256_sub_epi32,
};

use wide::i32x4;

use super::blocks::scales as read_scales;
use super::is_here;
use crate::packed::{GROUP, HighBits, LANES, PLACES_OF_WORD, PackedBlocks};
use crate::row::{self, FINE, Row, SMALLEST, WHOLE};

/// The numbers of two groups at four places of the low halves of their words and, between those, of the high halves.
type Numbers = [__m256i; PLACES_OF_WORD];

/// The numbers of two groups in bytes: those at the lower nibbles of the bytes of words, and those at the upper ones.
type Bytes = [__m256i; 2];

/// Two groups of inputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairInBytes {
    /// The numbers of three bytes that inputs are, the uppermost bytes first.
    bytes: [Bytes; 3],
    /// What one of each group's numbers is worth, in each lane.
    scales: __m256,
}

/// The exponent of the largest input of a group in units of the numbers of three bytes: these are 2^22 in size at most.
const LARGEST_OF_BYTES: u32 = 21;

/// Eight of these times weights of six bits, what a lane sums of a group, stay within 32 bits.
const _: () = assert!(8 * 63 * (1_i64 << (LARGEST_OF_BYTES + 1)) <= i32::MAX as i64);

/// Where in half a group, 16 numbers, those at the lower nibbles of two words stand, byte by byte, and then those at
/// the upper ones: [`number_at`](crate::packed::number_at) for the place that a nibble is of.
const OF_NIBBLES: [u8; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];

/// Inputs in groups, two at a time and zeros after them. Those of a group with one that is not finite are not numbers.
///
/// # Panics
/// On a processor for which [`is_here`] does not hold.
#[allow(unsafe_code)]
pub(crate) fn pairs_in_bytes(groups: &[[f32; GROUP]]) -> Vec<PairInBytes> {
    assert!(is_here(), "the processor has no vectors of eight");
    // SAFETY: the processor has the features that the function is compiled for.
    unsafe { pairs_in_bytes_here(groups) }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn pairs_in_bytes_here(groups: &[[f32; GROUP]]) -> Vec<PairInBytes> {
    let mut pairs = Vec::with_capacity(groups.len().next_multiple_of(WHOLE) / 2);
    let nothing = Group { bytes: [_mm256_setzero_si256(); 3], scale: 0.0 };
    for both in groups.chunks(2) {
        let first = Group::new(&both[0]);
        let second = if let [_, second] = both { Group::new(second) } else { nothing };
        let mut bytes = [[_mm256_setzero_si256(); 2]; 3];
        for (of_pair, (first, second)) in bytes.iter_mut().zip(first.bytes.into_iter().zip(second.bytes)) {
            *of_pair =
                [_mm256_permute2x128_si256::<0x20>(first, second), _mm256_permute2x128_si256::<0x31>(first, second)];
        }
        pairs.push(PairInBytes { bytes, scales: by_group([first.scale, second.scale]) });
    }
    let bytes = [[_mm256_setzero_si256(); 2]; 3];
    pairs.resize(groups.len().next_multiple_of(WHOLE) / 2, PairInBytes { bytes, scales: _mm256_setzero_ps() });
    pairs
}

/// Inputs as they are multiplied, in their order.
#[cfg(test)]
pub(crate) fn values(pairs: &[PairInBytes]) -> Vec<f32> {
    use crate::packed::HALF;
    let mut values = vec![0.0; 2 * pairs.len() * GROUP];
    for (number, group) in values.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
        let (pair, which) = (&pairs[number / 2], number % 2);
        let scale = bytemuck::cast::<_, [f32; 8]>(pair.scales)[LANES * which];
        let bytes: [[[i8; 32]; 2]; 3] = bytemuck::cast(pair.bytes);
        for (at, value) in group.iter_mut().enumerate() {
            let (lane, place) = (at / HALF * 2 + at % 2, at % HALF / 2);
            let byte = |of: usize| i32::from(bytes[of][place % 2][HALF * which + LANES * lane + place / 2]);
            *value = (65_536 * byte(0) + 256 * byte(1) + byte(2)) as f32 * scale;
        }
    }
    values
}

/// A group of inputs in numbers of three bytes.
#[derive(Clone, Copy)]
struct Group {
    /// The uppermost bytes first; of each those at lower nibbles, and those at upper ones.
    bytes: [__m256i; 3],
    /// What one is worth, a power of two; not a number where an input is not finite.
    scale: f32,
}

impl Group {
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn new(group: &[f32; GROUP]) -> Self {
        let values: [__m256; 4] = bytemuck::cast(*group);
        let magnitude = _mm256_set1_epi32(i32::MAX);
        let mut largest = _mm256_setzero_si256();
        for value in values {
            // Sizes are in the order of their bits.
            largest = _mm256_max_epi32(largest, _mm256_and_si256(_mm256_castps_si256(value), magnitude));
        }
        let largest: [u32; 8] = bytemuck::cast(largest);
        let largest = largest.iter().fold(0, |largest, lane| largest.max(*lane));
        if largest >= f32::INFINITY.to_bits() {
            return Self { bytes: [_mm256_setzero_si256(); 3], scale: f32::NAN };
        }
        let exponent = (largest >> 23).max(SMALLEST + LARGEST_OF_BYTES) - LARGEST_OF_BYTES;
        // Powers of two, so that what is multiplied with them stays as it is.
        let power = |exponent: u32| f32::from_bits(exponent << 23);
        let per_one = _mm256_set1_ps(power(254 - exponent));
        let mut numbers = [_mm256_setzero_si256(); 4];
        for (numbers, value) in numbers.iter_mut().zip(values) {
            *numbers = _mm256_cvtps_epi32(_mm256_mul_ps(value, per_one));
        }
        let mut bytes = [_mm256_setzero_si256(); 3];
        for bytes in bytes.iter_mut().rev() {
            // The lowest byte with a sign of its own; what is left without it is a multiple of 256.
            let mut lowest = numbers;
            for (lowest, number) in lowest.iter_mut().zip(&mut numbers) {
                *lowest = _mm256_srai_epi32::<24>(_mm256_slli_epi32::<24>(*number));
                *number = _mm256_srai_epi32::<8>(_mm256_sub_epi32(*number, *lowest));
            }
            *bytes = by_nibbles(lowest);
        }
        Self { bytes, scale: power(exponent) }
    }
}

/// Bytes of a group's numbers in their order, as numbers of 32 bits, to those at lower nibbles and those at upper ones.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn by_nibbles([a, b, c, d]: [__m256i; 4]) -> __m256i {
    // Four numbers of each in turn, of the lower lanes and then of the upper ones.
    let packed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    let in_order = _mm256_permutevar8x32_epi32(packed, bytemuck::cast([0, 4, 1, 5, 2, 6, 3, 7]));
    let of_halves = _mm256_shuffle_epi8(in_order, bytemuck::cast([OF_NIBBLES; 2]));
    _mm256_permute4x64_epi64::<0b1101_1000>(of_halves)
}

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
            4 => nibbles(x.in_bytes(), &blocks.words[groups], &scales),
            5 => more::<1, 2>(x.in_bytes(), &blocks.words[groups], blocks.high_of::<1>(row, 0), &scales),
            6 => more::<2, 1>(x.in_bytes(), &blocks.words[groups], blocks.high_of::<2>(row, 0), &scales),
            _ => bytes(x.pairs(), &blocks.words[2 * groups.start..2 * groups.end], &scales),
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
fn nibbles(pairs: &[PairInBytes], words: &[i32x4], scales: &[f32]) -> __m256 {
    let (whole, last) = words.as_chunks::<2>();
    let mut sum = _mm256_setzero_ps();
    for ((words, scales), pair) in whole.iter().zip(scales.as_chunks().0).zip(pairs) {
        sum = add(low_bits(bytemuck::cast(*words)), pair, by_group(*scales), sum);
    }
    if let [words] = last {
        let (pair, scale) = (&pairs[whole.len()], scales[2 * whole.len()]);
        sum = add(low_bits(alone(*words)), pair, by_group([scale, 0.0]), sum);
    }
    sum
}

/// Numbers with `HIGH` bits beyond four, those of `PAIRS` pairs of groups in one vector of words.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn more<const HIGH: usize, const PAIRS: usize>(
    of_x: &[PairInBytes],
    words: &[i32x4],
    high: &[i32x4],
    scales: &[f32],
) -> __m256 {
    let shifts = const { shifts::<HIGH, PAIRS>() };
    let whole = words.chunks_exact(2 * PAIRS);
    let rest = whole.remainder();
    let of_scales = scales.chunks_exact(2 * PAIRS * HIGH);
    let mut sum = _mm256_setzero_ps();
    for (((words, high), scales), pairs) in whole.zip(high).zip(of_scales).zip(of_x.chunks_exact(PAIRS)) {
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
            sum = add(with_high::<HIGH>(words, high, shifts[pair]), &of_x[first + pair], scales, sum);
        }
    }
    sum
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn bytes(pairs: &[row::Pair], words: &[i32x4], scales: &[f32]) -> __m256 {
    let (whole, last) = words.as_chunks::<4>();
    let mut sum = _mm256_setzero_ps();
    for ((words, scales), pair) in whole.iter().zip(scales.as_chunks().0).zip(pairs) {
        let [first, second, third, fourth] = *words;
        sum = add_signed(signed(both(first, third), both(second, fourth)), pair, by_group(*scales), sum);
    }
    if let [first, second] = last {
        let (pair, scale) = (&pairs[whole.len()], scales[2 * whole.len()]);
        sum = add_signed(signed(alone(*first), alone(*second)), pair, by_group([scale, 0.0]), sum);
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
fn add(numbers: Bytes, pair: &PairInBytes, scales: __m256, sum: __m256) -> __m256 {
    let [first, middle, last] = pair.bytes;
    let one = _mm256_set1_epi16(1);
    let first = _mm256_madd_epi16(products(numbers, first), _mm256_set1_epi16(256));
    let middle = _mm256_madd_epi16(products(numbers, middle), one);
    let last = _mm256_madd_epi16(products(numbers, last), one);
    let whole = _mm256_add_epi32(_mm256_slli_epi32::<8>(_mm256_add_epi32(first, middle)), last);
    _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), _mm256_mul_ps(scales, pair.scales), sum)
}

/// Sums of four products in 16 bits, which they do not leave: of numbers of six bits and bytes of 128 at most in size.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn products(numbers: Bytes, bytes: Bytes) -> __m256i {
    _mm256_add_epi16(_mm256_maddubs_epi16(numbers[0], bytes[0]), _mm256_maddubs_epi16(numbers[1], bytes[1]))
}

/// The same of numbers of eight bits with their sign.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn add_signed(numbers: Numbers, pair: &row::Pair, scales: __m256, sum: __m256) -> __m256 {
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
fn with_high<const HIGH: usize>(words: __m256i, high: __m256i, shift: [u32; 2 * LANES]) -> Bytes {
    let mask = _mm256_set1_epi8(((1 << HIGH) - 1) << 4);
    let high = _mm256_srlv_epi32(high, bytemuck::cast(shift));
    let [lower, upper] = low_bits(words);
    [
        _mm256_or_si256(lower, _mm256_and_si256(_mm256_slli_epi16::<4>(high), mask)),
        _mm256_or_si256(upper, _mm256_and_si256(high, mask)),
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
fn low_bits(words: __m256i) -> Bytes {
    let mask = _mm256_set1_epi8(15);
    [_mm256_and_si256(words, mask), _mm256_and_si256(_mm256_srli_epi16::<4>(words), mask)]
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
