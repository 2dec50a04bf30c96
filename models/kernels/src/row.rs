//! One row of inputs times the rows of [`crate::packed`], in whole numbers: an input is the sum of two of 16 bits, with
//! a scale for each group of 32, and one instruction multiplies several of these with weights and adds pairs. So an
//! input is as it was to within a 2^-29th of the largest of its group. In vectors of eight lanes, weights of six bits
//! or fewer meet it as a sum of three bytes, to within a 2^-22nd ([`crate::avx2`]), or 1e-38 where that is more. ggml
//! rounds to a 254th of the largest here.

use std::sync::OnceLock;

use wide::{f32x4, i16x8, i32x4};

#[cfg(target_arch = "x86_64")]
use crate::avx2;
use crate::blocks::Quantised;
use crate::packed::{GROUP, HALF, HighBits, LANES, PLACES_OF_WORD, PackedBlocks, arranged, by_lane, dot, total};

/// A row of inputs has a multiple of so many groups, the last of them zeros: as many as there are lanes where there are
/// most, so that sums of groups fill vectors, and no fewer than share a vector of fifth bits.
pub(crate) const WHOLE: usize = 8;

/// The exponent of the largest input of a group in units of the first numbers, which have 16 bits with their sign.
const LARGEST: u32 = 13;

/// The exponent of a scale at least, as f32 has it: that of its smallest normal number.
pub(crate) const SMALLEST: u32 = 1;

/// What one of the second numbers is worth beside one of the first.
pub(crate) const FINE: f32 = 1.0 / 32_768.0;

/// The numbers of a group at four places of the low halves of its words and, between those, of the high halves.
type Numbers = [i16x8; PLACES_OF_WORD];

/// A row of inputs.
#[derive(Debug)]
pub(crate) struct Row {
    values: Vec<f32>,
    /// Two groups at a time. Made when they are first asked for, as some weights need these and others those below.
    pairs: OnceLock<Vec<Pair>>,
    /// The same in bytes.
    #[cfg(target_arch = "x86_64")]
    in_bytes: OnceLock<Vec<avx2::row::PairInBytes>>,
    /// The sum of each group.
    sums: Vec<f32>,
    /// The sum of each half of a group.
    half_sums: Vec<f32>,
}

/// Two groups of inputs. Aligned so that a vector of eight lanes is within a line of a cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(crate) struct Pair {
    /// At the places of [`Numbers`], the groups beside each other.
    pub(crate) inputs: [[i16x8; 2]; PLACES_OF_WORD],
    /// The same: what is to be added, in units of [`FINE`].
    pub(crate) rests: [[i16x8; 2]; PLACES_OF_WORD],
    /// What one of each group's inputs is worth, in each lane.
    pub(crate) scales: [f32x4; 2],
}

impl Row {
    /// Inputs in whole groups.
    pub(crate) fn new(values: Vec<f32>) -> Self {
        let (groups, _) = values.as_chunks::<GROUP>();
        let count = groups.len().next_multiple_of(WHOLE);
        let mut sums: Vec<f32> = groups.iter().map(|group| dot(group, &[1.0; GROUP])).collect();
        let halves = groups.as_flattened().as_chunks::<HALF>().0;
        let mut half_sums: Vec<f32> = halves.iter().map(|half| dot(half, &[1.0; HALF])).collect();
        sums.resize(count, 0.0);
        half_sums.resize(2 * count, 0.0);
        Self {
            values,
            pairs: OnceLock::new(),
            #[cfg(target_arch = "x86_64")]
            in_bytes: OnceLock::new(),
            sums,
            half_sums,
        }
    }

    /// The inputs as they were given.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Two groups at a time.
    pub(crate) fn pairs(&self) -> &[Pair] {
        self.pairs.get_or_init(|| pairs(self.values.as_chunks().0))
    }

    /// The same in bytes.
    ///
    /// # Panics
    /// On a processor without vectors of eight.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn in_bytes(&self) -> &[avx2::row::PairInBytes] {
        self.in_bytes.get_or_init(|| avx2::row::pairs_in_bytes(self.values.as_chunks().0))
    }

    /// One number for each row of weights. Minimums and offsets meet the sums of the inputs, so that only
    /// `number * input` is summed within a group.
    pub(crate) fn product(&self, blocks: &PackedBlocks) -> Vec<f32> {
        #[cfg(target_arch = "x86_64")]
        if avx2::is_here() {
            return avx2::row::product(self, blocks);
        }
        self.product_by_four(blocks)
    }

    /// The sum of each group of inputs that weights of these blocks share a scale in.
    pub(crate) fn sums_of(&self, blocks: &PackedBlocks) -> &[f32] {
        if blocks.form.group == GROUP { &self.sums } else { &self.half_sums }
    }

    fn product_by_four(&self, blocks: &PackedBlocks) -> Vec<f32> {
        let form = blocks.form;
        let count = blocks.groups * GROUP / form.group;
        let (mut scales, mut minimums) = (vec![0.0; count], vec![0.0; count]);
        let sums = &self.sums_of(blocks)[..count];
        let read = |form: &Quantised, heads: &[u8], scales: &mut [f32], minimums: &mut [f32]| {
            (form.scales)(heads, scales, minimums);
        };
        let row = |(row, heads): (usize, &[u8])| {
            form.read_scales(read, heads, &mut scales, &mut minimums);
            let sum = match form.bits {
                4 => self.nibbles(blocks, row, &scales),
                5 => self.more::<1>(blocks, row, &scales),
                6 => self.more::<2>(blocks, row, &scales),
                _ => return self.bytes(blocks, row, &scales),
            };
            sum + dot(&minimums, sums)
        };
        blocks.heads().enumerate().map(row).collect()
    }

    fn nibbles(&self, blocks: &PackedBlocks, row: usize, scales: &[f32]) -> f32 {
        let words = &blocks.words[row * blocks.groups..][..blocks.groups];
        let mut sum = f32x4::ZERO;
        for ((words, scales), pair) in words.chunks(2).zip(scales.chunks(2)).zip(self.pairs()) {
            for (which, (words, scale)) in words.iter().zip(scales).enumerate() {
                sum += pair.product(which, low_bits(*words)) * f32x4::splat(*scale);
            }
        }
        total(sum)
    }

    /// Numbers with `HIGH` bits beyond four.
    fn more<const HIGH: usize>(&self, blocks: &PackedBlocks, row: usize, scales: &[f32]) -> f32 {
        let layout = const { HighBits { bits: HIGH } };
        let together = const { HighBits { bits: HIGH }.groups() };
        let mask = i32x4::splat(((1 << HIGH) - 1) * 0x0010_0010);
        let words = blocks.words[row * blocks.groups..][..blocks.groups].chunks(together);
        // Of six bits each half of a group has a scale.
        let scales = scales.chunks(together * HIGH);
        let pairs = self.pairs().chunks(together / 2);
        let high = blocks.high_of::<HIGH>(row, 0).iter();
        let mut sum = f32x4::ZERO;
        for (((high, words), scales), pairs) in high.zip(words).zip(scales).zip(pairs) {
            for (j, words) in words.iter().enumerate() {
                let high: i32x4 = *high >> (layout.bits * j) as i32;
                let beside = [high << 4, high, high >> 4, high >> 8];
                let mut numbers = low_bits(*words);
                for (number, beside) in numbers.iter_mut().zip(beside) {
                    *number |= bytemuck::cast::<i32x4, i16x8>(beside & mask);
                }
                sum += pairs[j / 2].product(j % 2, numbers) * by_lane(&scales[HIGH * j..][..HIGH]);
            }
        }
        total(sum)
    }

    fn bytes(&self, blocks: &PackedBlocks, row: usize, scales: &[f32]) -> f32 {
        let words = &blocks.words[2 * row * blocks.groups..][..2 * blocks.groups];
        let mut sum = f32x4::ZERO;
        for ((words, scales), pair) in words.chunks(4).zip(scales.chunks(2)).zip(self.pairs()) {
            for (which, (words, scale)) in words.as_chunks().0.iter().zip(scales).enumerate() {
                let [first, second] = words.map(bytemuck::cast::<i32x4, i16x8>);
                let numbers = [first << 8 >> 8, first >> 8, second << 8 >> 8, second >> 8];
                sum += pair.product(which, numbers) * f32x4::splat(*scale);
            }
        }
        total(sum)
    }
}

/// Those of a group with an input that is not finite are not numbers.
fn pairs(groups: &[[f32; GROUP]]) -> Vec<Pair> {
    let none = Pair { inputs: Default::default(), rests: Default::default(), scales: [f32x4::ZERO; 2] };
    let mut pairs = vec![none; groups.len().next_multiple_of(WHOLE) / 2];
    for (number, group) in groups.iter().enumerate() {
        let (pair, which) = (&mut pairs[number / 2], number % 2);
        let parts = Parts::new(group);
        pair.scales[which] = f32x4::splat(parts.scale);
        for (to, numbers) in [(&mut pair.inputs, &parts.inputs), (&mut pair.rests, &parts.rests)] {
            let places = arranged(numbers);
            for (place, to) in to.iter_mut().enumerate() {
                let [low, high] = [places[place], places[place + PLACES_OF_WORD]];
                let lanes = std::array::from_fn(|at| if at % 2 == 0 { low[at / 2] } else { high[at / 2] });
                to[which] = i16x8::new(lanes);
            }
        }
    }
    pairs
}

impl Pair {
    /// The products of one group.
    #[inline(always)]
    fn product(&self, which: usize, numbers: Numbers) -> f32x4 {
        let sum = |of: &[[i16x8; 2]]| {
            let product = |place: usize| numbers[place].dot(of[place][which]);
            ((product(0) + product(1)) + (product(2) + product(3))).round_float()
        };
        (sum(&self.inputs) + sum(&self.rests) * f32x4::splat(FINE)) * self.scales[which]
    }
}

/// A group of inputs in two numbers each.
struct Parts {
    inputs: [i16; GROUP],
    rests: [i16; GROUP],
    /// What one of `inputs` is worth, a power of two; not a number where an input is not finite.
    scale: f32,
}

impl Parts {
    fn new(group: &[f32; GROUP]) -> Self {
        let (mut largest, mut is_finite) = (0.0_f32, true);
        for value in group {
            is_finite &= value.is_finite();
            largest = largest.max(value.abs());
        }
        let exponent = (largest.to_bits() >> 23).max(SMALLEST + LARGEST) - LARGEST;
        // Powers of two, so that what is multiplied with them stays as it is.
        let power = |exponent: u32| f32::from_bits(exponent << 23);
        let per_one = f32x4::splat(power(254 - exponent));
        let mut parts =
            Self { inputs: [0; GROUP], rests: [0; GROUP], scale: if is_finite { power(exponent) } else { f32::NAN } };
        if is_finite {
            let (inputs, rests) = (parts.inputs.as_chunks_mut::<LANES>().0, parts.rests.as_chunks_mut::<LANES>().0);
            for ((four, inputs), rests) in group.as_chunks().0.iter().zip(inputs).zip(rests) {
                let value = f32x4::new(*four) * per_one;
                let whole = value.round_int();
                let rest = ((value - whole.round_float()) * f32x4::splat(1.0 / FINE)).round_int();
                *inputs = whole.to_array().map(|number| number as i16);
                *rests = rest.to_array().map(|number| number as i16);
            }
        }
        parts
    }
}

/// Four bits of each number.
#[inline(always)]
fn low_bits(words: i32x4) -> Numbers {
    let mask = i32x4::splat(0x000F_000F);
    [words & mask, words >> 4 & mask, words >> 8 & mask, words >> 12 & mask].map(bytemuck::cast)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BLOCK_TYPES;
    #[cfg(target_arch = "x86_64")]
    use crate::avx2;

    /// Inputs as they are multiplied in each way, and the bits of the largest of a group that they are near in.
    fn all_values(x: &Row) -> Vec<(Vec<f32>, i32)> {
        let mut all = vec![(values(x.pairs()), 29)];
        #[cfg(target_arch = "x86_64")]
        if avx2::is_here() {
            all.push((avx2::row::values(x.in_bytes()), 22));
        }
        all
    }

    /// Inputs as they are multiplied, in their order.
    fn values(pairs: &[Pair]) -> Vec<f32> {
        let mut values = vec![0.0; 2 * pairs.len() * GROUP];
        for (number, group) in values.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
            let (pair, which) = (&pairs[number / 2], number % 2);
            let scale = pair.scales[which].to_array()[0];
            let [inputs, rests] = [pair.inputs, pair.rests].map(|of| of.map(|of| of[which].to_array()));
            for (at, value) in group.iter_mut().enumerate() {
                let (lane, place) = (at / HALF * 2 + at % 2, at % HALF / 2);
                let number = |of: &[[i16; 8]]| f32::from(of[place % PLACES_OF_WORD][2 * lane + place / PLACES_OF_WORD]);
                *value = (number(&inputs) + number(&rests) * FINE) * scale;
            }
        }
        values
    }

    /// Each type of blocks, in rows of even and odd numbers of groups, in both kinds of vectors.
    #[test]
    fn rows_are_sums_of_products() {
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
                let x: Vec<f32> = (0..columns).map(|index| libm::sinf((index * index) as f32 * 0.37)).collect();
                let x = Row::new(x);
                let all_values = all_values(&x);
                let four = x.product_by_four(&blocks);
                #[cfg(target_arch = "x86_64")]
                let eight = match avx2::is_here() {
                    true => avx2::row::product(&x, &blocks),
                    false => {
                        // Whoever asks all the same is refused.
                        let asked = || avx2::row::product(&x, &blocks);
                        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(asked)).is_err());
                        four.clone()
                    }
                };
                #[cfg(not(target_arch = "x86_64"))]
                let eight = four.clone();
                assert_eq!((four.len(), eight.len()), (3, 3));
                let weights = kind.unpack(&bytes);
                for (row, (four, eight)) in four.into_iter().zip(eight).enumerate() {
                    compared += 1;
                    let weights = &weights[row * columns..][..columns];
                    let sum = |(values, _): &(Vec<f32>, i32)| -> f64 {
                        weights.iter().zip(values).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum()
                    };
                    let expected = sum(&all_values[0]);
                    // Numbers of eight bits meet the inputs in two numbers whatever the vectors.
                    let expected_of_eight = if form.bits == 8 { expected } else { all_values.last().map_or(0.0, sum) };
                    // Numbers and offsets, or minimums, are summed each for itself.
                    let size =
                        weights.iter().map(|weight| f64::from(weight.abs())).fold(0.0, f64::max) * columns as f64;
                    for (seen, expected) in [(four, expected), (eight, expected_of_eight)] {
                        let place = format!("{}, {columns} columns, row {row}", kind.name);
                        assert!((f64::from(seen) - expected).abs() <= 3e-7 * size, "{place}: {seen} for {expected}");
                        assert!(expected.abs() > 1e-5 * size, "{place} tells nothing: {expected} of {size}");
                    }
                }
            }
        }
        assert_eq!(compared, 8 * 6 * 3);
    }

    /// The largest weights times the largest inputs: no sum leaves its bits.
    #[test]
    fn the_largest_numbers_are_multiplied() {
        let largest = f32::from_bits(2.0_f32.to_bits() - 1);
        let columns = 512;
        for kind in BLOCK_TYPES.iter().filter(|kind| kind.elements > 1) {
            let crate::blocks::Form::Quantised(form) = &kind.form else { panic!("{} has scales", kind.name) };
            // All bits but those of halves, which are 1.875.
            let mut block = vec![0xFF_u8; kind.bytes];
            let halves = if kind.name == "Q6_K" { kind.bytes - 2..kind.bytes } else { 0..form.head.len().min(4) };
            block[halves].as_chunks_mut().0.iter_mut().for_each(|half: &mut [u8; 2]| *half = [0x80, 0x3F]);
            let bytes = block.repeat(columns / kind.elements);
            let blocks = PackedBlocks::new(kind, &bytes, columns).expect("quantised");
            let weight: f64 = kind.unpack(&bytes).into_iter().map(f64::from).sum();
            for input in [largest, -largest] {
                let x = Row::new(vec![input; columns]);
                for seen in [x.product_by_four(&blocks)[0], x.product(&blocks)[0]] {
                    let expected = weight * f64::from(input);
                    // Of what is summed before minimums and offsets take some of it away.
                    let bound = 1e-6 * (expected.abs() + 128.0 * 1.875 * columns as f64);
                    assert!((f64::from(seen) - expected).abs() <= bound, "{}: {seen} for {expected}", kind.name);
                }
            }
        }
    }

    /// Whatever the size of all, and what is not finite is not made finite.
    #[test]
    fn an_input_is_near_what_it_was() {
        for size in [0.0, 1e-30, 1e-3, 1.0, 7e4, 1e30] {
            let group: [f32; GROUP] = std::array::from_fn(|index| size * libm::sinf((index * index) as f32 * 0.37));
            let other: [f32; GROUP] = std::array::from_fn(|index| index as f32);
            for groups in [&[group][..], &[other, group], &[group, other, other]] {
                for (values, bits) in all_values(&Row::new(groups.as_flattened().to_vec())) {
                    for (group, seen) in groups.iter().zip(values.as_chunks::<GROUP>().0) {
                        let largest = group.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                        let bound = f64::from(largest) * 2.0_f64.powi(-bits);
                        for (value, seen) in group.iter().zip(seen) {
                            let difference = (f64::from(*value) - f64::from(*seen)).abs();
                            // What was rounded in f32 stays within its own unit.
                            let bound = bound.max(f64::from(value.abs()) * 2.0_f64.powi(-24));
                            assert!(difference <= bound, "{seen} for {value} of {largest}, {bits} bits");
                        }
                    }
                }
            }
            for wrong in [f32::NAN, f32::INFINITY] {
                let mut group = group;
                group[5] = wrong;
                for (values, _) in all_values(&Row::new([other, group].as_flattened().to_vec())) {
                    assert!(values[GROUP..2 * GROUP].iter().all(|value| value.is_nan()));
                }
            }
        }
    }
}
