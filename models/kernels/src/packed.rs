//! Blocks of few bits, packed for products in vectors, as large as their file has them.
//!
//! Four words side by side hold a group of 32 numbers, two words each half of it: at each place of a word a mask gives
//! four weights, lane by lane, without shuffles. Bits beyond the fourth lie in words of their own, where one shift
//! brings those of a group to their places.

#[cfg(target_arch = "x86_64")]
use std::ops::Range;

use wide::{f32x4, i32x4};

#[cfg(target_arch = "x86_64")]
use crate::avx2::{self, blocks as eight};
use crate::blocks::{BlockType, Form, Quantised};
use crate::row::Row;

/// Numbers that are computed together.
pub(crate) const LANES: usize = 4;

/// Numbers in half a group: those of the low 16 bits of four words.
pub(crate) const HALF: usize = 16;

/// Numbers in a group.
pub(crate) const GROUP: usize = 2 * HALF;

/// Numbers of a group that each word has, of which each half of the word has half.
pub(crate) const PLACES: usize = GROUP / LANES;

/// Places in each half of a word.
pub(crate) const PLACES_OF_WORD: usize = PLACES / 2;

/// Eight-bit numbers are used here, so that their sign is the word's.
pub(crate) const TOP_BYTE: i32 = 0xFF << 24;

/// What the scales of numbers at [`TOP_BYTE`] are multiplied with.
pub(crate) const TOP_BYTE_UNIT: f32 = 1.0 / 16_777_216.0;

/// Of numbers of eight bits, two vectors of words hold a group: at which place the number of each byte is.
pub(crate) const PLACES_OF_BYTES: [[usize; 4]; 2] = [[0, 1, 4, 5], [2, 3, 6, 7]];

/// Which number of a group is at `place` of word `lane`.
pub(crate) const fn number_at(place: usize, lane: usize) -> usize {
    lane / 2 * HALF + 2 * place + lane % 2
}

/// Numbers of a group by place and lane.
pub(crate) fn arranged<T: Copy + Default>(group: &[T; GROUP]) -> [[T; LANES]; PLACES] {
    let mut arranged = [[T::default(); LANES]; PLACES];
    for (place, lanes) in arranged.iter_mut().enumerate() {
        for (lane, number) in lanes.iter_mut().enumerate() {
            *number = group[number_at(place, lane)];
        }
    }
    arranged
}

/// One row of inputs, with what all rows of weights need of it.
#[derive(Debug)]
pub struct Input(Row);

impl Input {
    /// `values` in whole groups of 32.
    pub fn new(values: Vec<f32>) -> Self {
        Self(Row::new(values))
    }

    /// The inputs.
    pub fn values(&self) -> &[f32] {
        self.0.values()
    }
}

/// Several rows of inputs, where the processor has what multiplies them with blocks.
#[derive(Debug)]
pub struct Inputs(
    #[cfg(target_arch = "x86_64")] eight::Rows,
    #[cfg(not(target_arch = "x86_64"))] std::convert::Infallible,
);

impl Inputs {
    /// `[rows, inputs]`, one row at least, in whole groups of 32; none where the processor has no vectors of eight.
    pub fn new(values: &[f32], rows: usize) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        let inputs = avx2::is_here().then(|| Self(eight::Rows::new(values, rows)));
        #[cfg(not(target_arch = "x86_64"))]
        let (inputs, _) = (None, (values, rows));
        inputs
    }

    /// For each row of inputs one number for each row of weights, of all `blocks` one after another: they share what it
    /// costs to bring inputs near.
    pub fn product(&self, blocks: &[&PackedBlocks]) -> Vec<f32> {
        #[cfg(target_arch = "x86_64")]
        return eight::product_of_rows(blocks, &self.0);
        #[cfg(not(target_arch = "x86_64"))]
        match (self.0, blocks) {}
    }
}

/// Rows of quantised blocks.
#[derive(Debug)]
pub struct PackedBlocks {
    pub(crate) form: &'static Quantised,
    /// Groups of 32 in a row.
    pub(crate) groups: usize,
    /// The bytes of scales and minimums of a row.
    head_bytes: usize,
    heads: Vec<u8>,
    /// Of numbers of 8 bits, two for each group: see [`PLACES_OF_BYTES`]. Of others one: nibble `k` of a word has the
    /// low bits of the number at place `k`.
    pub(crate) words: Vec<i32x4>,
    /// The bits beyond the fourth: see [`HighBits`].
    pub(crate) high: Vec<i32x4>,
}

/// Where the bits beyond the fourth of numbers lie: those of the number at place `k` of group `j` at `4 k + bits j` of
/// the word of its lane, for as many groups as have room beside each other.
pub(crate) struct HighBits {
    pub(crate) bits: usize,
}

impl Quantised {
    /// Scales and minimums of blocks with these heads, by `read`, where the weight is `number * scale + minimum`
    /// without an offset. Numbers of eight bits are used with their sign, which is their offset.
    pub(crate) fn read_scales(
        &self,
        read: impl FnOnce(&Self, &[u8], &mut [f32], &mut [f32]),
        heads: &[u8],
        scales: &mut [f32],
        minimums: &mut [f32],
    ) {
        read(self, heads, scales, minimums);
        if self.bits < 8 && self.offset > 0 {
            let offset = f32::from(self.offset);
            minimums.iter_mut().zip(scales).for_each(|(minimum, scale)| *minimum = -offset * *scale);
        }
    }

    /// Of numbers that have more than four.
    fn high_bits(&self) -> Option<HighBits> {
        matches!(self.bits, 5 | 6).then(|| HighBits { bits: self.bits - 4 })
    }
}

impl HighBits {
    /// Groups in one vector of words.
    pub(crate) const fn groups(&self) -> usize {
        4 / self.bits
    }

    /// Vectors of words of a row.
    pub(crate) const fn row(&self, groups: usize) -> usize {
        groups.div_ceil(self.groups())
    }
}

impl PackedBlocks {
    /// Rows of `columns` numbers in whole blocks; none of types that are numbers as they are.
    pub fn new(kind: &'static BlockType, bytes: &[u8], columns: usize) -> Option<Self> {
        let Form::Quantised(form) = &kind.form else { return None };
        let (groups, row_blocks) = (columns / GROUP, columns / kind.elements);
        let of_row = form.high_bits().map_or(0, |layout| layout.row(groups));
        let mut packed = Self {
            form,
            groups,
            head_bytes: row_blocks * form.head.len(),
            heads: Vec::with_capacity(bytes.len() / kind.bytes * form.head.len()),
            words: Vec::with_capacity(
                bytes.len() / kind.bytes * kind.elements / GROUP * if form.bits == 8 { 2 } else { 1 },
            ),
            high: Vec::with_capacity(bytes.len() / (kind.bytes * row_blocks) * of_row),
        };
        let mut row = vec![0; columns];
        for blocks in bytes.chunks_exact(kind.bytes * row_blocks) {
            for (block, row) in blocks.chunks_exact(kind.bytes).zip(row.chunks_exact_mut(kind.elements)) {
                packed.heads.extend_from_slice(&block[form.head.clone()]);
                row.copy_from_slice(&form.numbers(block, kind.elements)[..kind.elements]);
            }
            packed.push_row(&row);
        }
        Some(packed)
    }

    fn push_row(&mut self, row: &[u8]) {
        for numbers in row.as_chunks::<GROUP>().0 {
            let places = arranged(numbers);
            if self.form.bits == 8 {
                self.words.extend(PLACES_OF_BYTES.map(|of_bytes| {
                    // With their sign again.
                    let byte = |lane: usize, byte: usize| places[of_bytes[byte]][lane] ^ 0x80;
                    let word = |lane| i32::from_le_bytes(std::array::from_fn(|at| byte(lane, at)));
                    i32x4::new(std::array::from_fn(word))
                }));
            } else {
                let nibbles =
                    |lane: usize| places.iter().rev().fold(0, |word, at| word << 4 | i32::from(at[lane] & 15));
                self.words.push(i32x4::new(std::array::from_fn(nibbles)));
            }
        }
        if let Some(layout) = self.form.high_bits() {
            for groups in row.as_chunks::<GROUP>().0.chunks(layout.groups()) {
                let mut words = [0; LANES];
                for (j, numbers) in groups.iter().enumerate() {
                    for (place, lanes) in arranged(numbers).iter().enumerate() {
                        for (word, number) in words.iter_mut().zip(lanes) {
                            *word |= i32::from(number >> 4) << (4 * place + layout.bits * j);
                        }
                    }
                }
                self.high.push(i32x4::new(words));
            }
        }
    }

    /// One number for each row.
    pub fn product(&self, x: &Input) -> Vec<f32> {
        x.0.product(self)
    }

    /// The bytes of scales and minimums, row by row.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &[u8]> {
        self.heads.chunks_exact(self.head_bytes)
    }

    /// The bytes of scales and minimums of groups of a row, in whole blocks.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn head(&self, row: usize, groups: Range<usize>) -> &[u8] {
        let at = |group: usize| group * self.head_bytes / self.groups;
        &self.heads[row * self.head_bytes..][at(groups.start)..at(groups.end)]
    }

    /// Asks for what there is of groups of a row, the first a multiple of 8, ahead of its use: it lies far from that of
    /// the rows beside it.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn fetch(&self, row: usize, groups: Range<usize>) {
        if row >= self.rows() {
            return;
        }
        avx2::fetch(self.head(row, groups.clone()));
        let of_group = self.words.len() / (self.rows() * self.groups);
        avx2::fetch(&self.words[(row * self.groups + groups.start) * of_group..][..groups.len() * of_group]);
        if let Some(layout) = self.form.high_bits() {
            let of_row = layout.row(self.groups);
            avx2::fetch(&self.high[row * of_row + groups.start / layout.groups()..][..layout.row(groups.len())]);
        }
    }

    /// Rows of weights.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn rows(&self) -> usize {
        self.heads.len() / self.head_bytes
    }

    /// The words with bits beyond the fourth of a row, from group `first` on, whose bits do not lie between those of
    /// groups before it.
    pub(crate) fn high_of<const HIGH: usize>(&self, row: usize, first: usize) -> &[i32x4] {
        let layout = HighBits { bits: HIGH };
        let of_row = layout.row(self.groups);
        &self.high[row * of_row..][..of_row][first / layout.groups()..]
    }

    /// The numbers of a row, as [`BlockType::unpack`] gives them.
    pub fn unpack(&self, row: usize, values: &mut [f32]) {
        let Self { form, groups, head_bytes, .. } = self;
        let count = groups * GROUP / form.group;
        let (mut scales, mut minimums) = (vec![0.0; count], vec![0.0; count]);
        (form.scales)(&self.heads[row * head_bytes..][..*head_bytes], &mut scales, &mut minimums);
        let offset = f32x4::splat(if form.bits == 8 { 0.0 } else { f32::from(form.offset) });
        let layout = HighBits { bits: form.bits.clamp(5, 6) - 4 };
        let halves = GROUP / form.group;
        for (group, values) in values.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
            let at = halves * group..halves * (group + 1);
            let (scale, minimum) = (by_lane(&scales[at.clone()]), by_lane(&minimums[at]));
            let (low, high) = values.split_at_mut(HALF);
            let pairs = low.as_chunks_mut::<2>().0.iter_mut().zip(high.as_chunks_mut::<2>().0);
            for (place, (first, second)) in pairs.enumerate() {
                let numbers = match form.bits {
                    8 => {
                        let (vector, byte) = (place / 2 % 2, place % 2 + place / 4 * 2);
                        top_byte(self.words[(row * groups + group) * 2 + vector], byte) * f32x4::splat(TOP_BYTE_UNIT)
                    }
                    bits => {
                        let low = self.words[row * groups + group] >> (4 * place) as i32;
                        let mut number = low & i32x4::splat(15);
                        if bits > 4 {
                            let words = self.high[row * layout.row(*groups) + group / layout.groups()];
                            let high = words >> (4 * place + layout.bits * (group % layout.groups())) as i32;
                            number |= (high & i32x4::splat((1 << layout.bits) - 1)) << 4;
                        }
                        number.round_float()
                    }
                };
                let [a, b, c, d] = ((numbers - offset) * scale + minimum).to_array();
                (*first, *second) = ([a, b], [c, d]);
            }
        }
    }
}

/// For each lane what its half of a group has.
#[inline(always)]
pub(crate) fn by_lane(of_halves: &[f32]) -> f32x4 {
    match of_halves {
        [first, second] => f32x4::new([*first, *first, *second, *second]),
        all => f32x4::splat(all[0]),
    }
}

/// Byte `k` of each word, as the signed number that it is at the top of the word.
#[inline(always)]
fn top_byte(words: i32x4, k: usize) -> f32x4 {
    (words << (24 - 8 * k as i32) & i32x4::splat(TOP_BYTE)).round_float()
}

/// The sum of products of two rows of one length.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sum = f32x4::ZERO;
    for (a, b) in a.iter().zip(b) {
        sum += f32x4::new(*a) * f32x4::new(*b);
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    total(sum) + rest
}

/// In the order of the lanes on every machine.
pub(crate) fn total(lanes: f32x4) -> f32 {
    lanes.to_array().iter().sum()
}

#[cfg(test)]
mod tests {
    use super::dot;

    #[test]
    fn rows_of_any_length_are_multiplied_to_their_end() {
        let numbers: Vec<f32> = (1..=11).map(|number| number as f32).collect();
        for length in 0..=11_usize {
            let expected: f32 = (1..=length).map(|number| (number * number) as f32).sum();
            assert_eq!(dot(&numbers[..length], &numbers[..length]), expected);
        }
    }
}
