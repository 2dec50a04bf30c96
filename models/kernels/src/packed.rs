//! Blocks of few bits, packed for products in vectors of four lanes, as large as their file has them.
//!
//! Four words side by side hold four numbers that follow each other at each bit position: a mask and a conversion give
//! four weights, lane by lane, without shuffles and mostly without shifts. A number is used where its bits stand in the
//! word, that is, times a power of two, which the other factor makes up for without rounding. Bits beyond the fourth
//! lie in words of their own, where one shift brings those of 16 numbers to their places.

#[cfg(target_arch = "x86_64")]
use std::ops::Range;

use wide::{f32x4, i32x4};

#[cfg(target_arch = "x86_64")]
use crate::avx2::{self, blocks as eight};
use crate::blocks::{BlockType, Form, Quantised};

/// Numbers that are computed together.
pub(crate) const LANES: usize = 4;

/// Numbers in half a group: those of the low 16 bits of four words.
const HALF: usize = 16;

/// Numbers in a group.
const GROUP: usize = 2 * HALF;

/// The inputs that a group is multiplied with.
type InputGroup = [f32x4; GROUP / LANES];

/// Four-bit numbers are used at these places of a word, and of the word 16 bits to the right.
pub(crate) const NIBBLES: [i32; 4] = [0xF, 0xF0, 0xF00, 0xF000];

/// What the inputs of [`NIBBLES`] are multiplied with in turn.
pub(crate) const NIBBLE_UNITS: [f32; 4] = [1.0, 1.0 / 16.0, 1.0 / 256.0, 1.0 / 4096.0];

/// Eight-bit numbers are used here, so that their sign is the word's.
pub(crate) const TOP_BYTE: i32 = 0xFF << 24;

/// What the scales of numbers at [`TOP_BYTE`] are multiplied with.
pub(crate) const TOP_BYTE_UNIT: f32 = 1.0 / 16_777_216.0;

/// One row of inputs, with what all rows of weights need of it.
#[derive(Debug)]
pub struct Input {
    values: Vec<f32>,
    /// The same as vectors.
    groups: Vec<InputGroup>,
    /// The same in [`NIBBLE_UNITS`].
    scaled: Vec<InputGroup>,
    /// The sum of each group.
    sums: Vec<f32>,
    /// The sum of each half of a group.
    half_sums: Vec<f32>,
    /// The inputs, and the same in [`NIBBLE_UNITS`], for vectors of eight; empty where the processor has none.
    #[cfg(target_arch = "x86_64")]
    folded: [Vec<eight::FoldedGroup>; 2],
}

impl Input {
    /// `values` in whole groups of 32.
    pub fn new(values: Vec<f32>) -> Self {
        let lanes: Vec<f32x4> = values.as_chunks().0.iter().copied().map(f32x4::new).collect();
        let scaled: Vec<f32x4> = lanes
            .iter()
            .zip(NIBBLE_UNITS.into_iter().cycle())
            .map(|(lanes, unit)| *lanes * f32x4::splat(unit))
            .collect();
        #[cfg(target_arch = "x86_64")]
        let folded = match avx2::is_here() {
            true => [eight::folded(&values), eight::folded(bytemuck::cast_slice(&scaled))],
            false => Default::default(),
        };
        let (groups, scaled) = (lanes.as_chunks().0.to_vec(), scaled.as_chunks().0.to_vec());
        let sums = values.as_chunks::<GROUP>().0.iter().map(|group| dot(group, &[1.0; GROUP])).collect();
        let half_sums = values.as_chunks::<HALF>().0.iter().map(|half| dot(half, &[1.0; HALF])).collect();
        Self {
            values,
            groups,
            scaled,
            sums,
            half_sums,
            #[cfg(target_arch = "x86_64")]
            folded,
        }
    }

    /// The inputs.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The inputs in the units of numbers at their places in words.
    #[cfg(all(test, target_arch = "x86_64"))]
    pub(crate) fn scaled(&self) -> &[InputGroup] {
        &self.scaled
    }
}

/// Several rows of inputs, where the processor has what multiplies them with blocks.
#[derive(Debug)]
pub struct Inputs(
    #[cfg(target_arch = "x86_64")] eight::Rows,
    #[cfg(not(target_arch = "x86_64"))] std::convert::Infallible,
);

impl Inputs {
    /// `[rows, inputs]` in whole groups of 32; none where the processor has no vectors of eight.
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
    /// Of numbers of 8 bits, two for each group: number `16 half + 4 k + lane` is byte `k` of word `lane` of that half.
    /// Of others one: the low bits of number `4 k + lane` are nibble `k` of word `lane`.
    pub(crate) words: Vec<i32x4>,
    /// The bits beyond the fourth: see [`HighBits`].
    pub(crate) high: Vec<i32x4>,
}

/// Where the bits beyond the fourth of numbers lie: those of half group `j`, of the `4 k + lane`-th number in it, at
/// `16 (j / slots) + 4 k + bits (j % slots)` of word `lane`, for `2 * slots` half groups.
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
    /// Half groups whose bits lie between those of one another.
    #[inline(always)]
    pub(crate) const fn slots(&self) -> usize {
        LANES / self.bits
    }

    /// Half groups in one vector of words.
    #[inline(always)]
    pub(crate) const fn halves(&self) -> usize {
        2 * self.slots()
    }

    /// Vectors of words of a row.
    pub(crate) const fn row(&self, groups: usize) -> usize {
        (2 * groups).div_ceil(self.halves())
    }

    /// How far the words are shifted to the left, or to the right, for the bits of half group `j` to stand beside the
    /// nibbles that they belong to.
    #[inline(always)]
    pub(crate) const fn shift(&self, j: usize, left: bool) -> i32 {
        let slot = (j % self.slots() * self.bits) as i32;
        match (left, j < self.slots()) {
            (true, true) => 4 - slot,
            (false, false) => 12 + slot,
            (true, false) | (false, true) => 0,
        }
    }

    /// The words with the bits of half group `j` beyond the nibbles that they belong to.
    #[inline(always)]
    fn beside_nibbles(&self, words: i32x4, j: usize) -> i32x4 {
        // The sign that comes in from the left is beyond the bits that are used.
        if j < self.slots() { words << self.shift(j, true) } else { words >> self.shift(j, false) }
    }
}

impl PackedBlocks {
    /// Rows of `columns` numbers in whole blocks; none of types that are numbers as they are.
    pub fn new(kind: &'static BlockType, bytes: &[u8], columns: usize) -> Option<Self> {
        let Form::Quantised(form) = &kind.form else { return None };
        let (groups, row_blocks) = (columns / GROUP, columns / kind.elements);
        let of_row = form.high_bits().map_or(0, |layout| columns.div_ceil(HALF * layout.halves()));
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
        let word = |numbers: &[u8; GROUP], lane: usize| {
            (0..8).map(|k| i32::from(numbers[4 * k + lane] & 15) << (4 * k)).fold(0, |word, bits| word | bits)
        };
        for numbers in row.as_chunks::<GROUP>().0 {
            match self.form.bits {
                8 => {
                    let (halves, _) = numbers.as_chunks::<HALF>();
                    // With their sign again.
                    let byte = |half: &[u8; HALF], lane: usize, k: usize| half[4 * k + lane] ^ 0x80;
                    self.words.extend(halves.iter().map(|half| {
                        i32x4::new(std::array::from_fn(|lane| {
                            i32::from_le_bytes(std::array::from_fn(|k| byte(half, lane, k)))
                        }))
                    }));
                }
                _ => self.words.push(i32x4::new(std::array::from_fn(|lane| word(numbers, lane)))),
            }
        }
        if let Some(layout) = self.form.high_bits() {
            for halves in row.chunks(HALF * layout.halves()) {
                let mut words = [0; LANES];
                for (j, half) in halves.as_chunks::<HALF>().0.iter().enumerate() {
                    let at = 16 * (j / layout.slots()) + layout.bits * (j % layout.slots());
                    for (index, number) in half.iter().enumerate() {
                        words[index % LANES] |= i32::from(number >> 4) << (at + 4 * (index / LANES));
                    }
                }
                self.high.push(i32x4::new(words));
            }
        }
    }

    /// One number for each row. Minimums and offsets meet the sums of the inputs, so that only `number * input` is
    /// summed within a group.
    pub fn product(&self, x: &Input) -> Vec<f32> {
        #[cfg(target_arch = "x86_64")]
        if avx2::is_here() {
            let folded = &x.folded[usize::from(self.form.bits < 8)];
            return self.row_by_row(x, eight::scales, |row, scales| eight::row(self, row, scales, folded));
        }
        let read = |form: &Quantised, heads: &[u8], scales: &mut [f32], minimums: &mut [f32]| {
            (form.scales)(heads, scales, minimums);
        };
        self.row_by_row(x, read, |row, scales| self.row(row, scales, x))
    }

    /// `read` gives scales and minimums of a row, and `numbers` what its numbers alone make, by its number and scales.
    fn row_by_row(
        &self,
        x: &Input,
        read: impl Fn(&Quantised, &[u8], &mut [f32], &mut [f32]),
        numbers: impl Fn(usize, &[f32]) -> f32,
    ) -> Vec<f32> {
        let Self { form, groups, .. } = self;
        let count = groups * GROUP / form.group;
        let (mut scales, mut minimums) = (vec![0.0; count], vec![0.0; count]);
        let sums = if form.group == GROUP { &x.sums } else { &x.half_sums };
        let has_minimums = form.has_minimums || form.offset > 0 && form.bits < 8;
        let row = |(row, heads): (usize, &[u8])| {
            form.read_scales(&read, heads, &mut scales, &mut minimums);
            let sum = numbers(row, &scales);
            if has_minimums { sum + dot(&minimums, sums) } else { sum }
        };
        self.heads().enumerate().map(row).collect()
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

    /// Rows of weights.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn rows(&self) -> usize {
        self.heads.len() / self.head_bytes
    }

    /// The words with bits beyond the fourth of a row, from group `first` on, whose bits do not lie between those of
    /// groups before it.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn high_of<const HIGH: usize>(&self, row: usize, first: usize) -> &[i32x4] {
        let layout = HighBits { bits: HIGH };
        let of_row = layout.row(self.groups);
        &self.high[row * of_row..][..of_row][2 * first / layout.halves()..]
    }

    /// The sum of numbers times inputs of one row, group by group times its scale.
    pub(crate) fn row(&self, row: usize, scales: &[f32], x: &Input) -> f32 {
        let groups = self.groups;
        match self.form.bits {
            4 => dot_nibbles(&self.words[row * groups..][..groups], scales, &x.scaled),
            5 => self.dot_more::<1>(row, scales, &x.scaled),
            6 => self.dot_more::<2>(row, scales, &x.scaled),
            _ => dot_bytes(&self.words[row * 2 * groups..][..2 * groups], scales, &x.groups),
        }
    }

    /// The numbers of a row, as [`BlockType::unpack`] gives them.
    pub fn unpack(&self, row: usize, values: &mut [f32]) {
        let Self { form, groups, head_bytes, .. } = self;
        let count = groups * GROUP / form.group;
        let (mut scales, mut minimums) = (vec![0.0; count], vec![0.0; count]);
        (form.scales)(&self.heads[row * head_bytes..][..*head_bytes], &mut scales, &mut minimums);
        let offset = if form.bits == 8 { 0.0 } else { f32::from(form.offset) };
        let layout = HighBits { bits: form.bits.clamp(5, 6) - 4 };
        for (half, values) in values.as_chunks_mut::<HALF>().0.iter_mut().enumerate() {
            let group = half * HALF / form.group;
            let (scale, minimum) = (f32x4::splat(scales[group]), f32x4::splat(minimums[group]));
            for (k, values) in values.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                let numbers = match form.bits {
                    8 => top_byte(self.words[row * 2 * groups + half], k) * f32x4::splat(TOP_BYTE_UNIT),
                    bits => {
                        let low = self.words[row * groups + half / 2] >> (16 * (half % 2) + 4 * k) as i32;
                        let mut number = low & i32x4::splat(15);
                        if bits > 4 {
                            let words = self.high[row * layout.row(*groups) + half / layout.halves()];
                            let high = layout.beside_nibbles(words, half % layout.halves()) >> (4 * k) as i32;
                            number |= high & i32x4::splat(((1 << layout.bits) - 1) << 4);
                        }
                        number.round_float()
                    }
                };
                *values = ((numbers - f32x4::splat(offset)) * scale + minimum).to_array();
            }
        }
    }

    /// Numbers with `HIGH` bits beyond four.
    fn dot_more<const HIGH: usize>(&self, row: usize, scales: &[f32], x: &[InputGroup]) -> f32 {
        let layout = const { HighBits { bits: HIGH } };
        let (groups, row_high) = (self.groups, layout.row(self.groups));
        let groups_together = const { HighBits { bits: HIGH }.halves() / 2 };
        let words = self.words[row * groups..][..groups].chunks(groups_together);
        let scales = scales.chunks(groups_together * if HIGH == 1 { 1 } else { 2 });
        let x = x.chunks(groups_together);
        let mut sum = f32x4::ZERO;
        for (((high, words), x), scales) in self.high[row * row_high..][..row_high].iter().zip(words).zip(x).zip(scales)
        {
            for (group, (words, x)) in words.iter().zip(x).enumerate() {
                let (first_x, second_x) = x.split_at(4);
                let first = dot_half::<HIGH>(*words, layout.beside_nibbles(*high, 2 * group), first_x);
                let second = dot_half::<HIGH>(*words >> 16, layout.beside_nibbles(*high, 2 * group + 1), second_x);
                if HIGH == 1 {
                    sum += (first + second) * f32x4::splat(scales[group]);
                } else {
                    sum += first * f32x4::splat(scales[2 * group]) + second * f32x4::splat(scales[2 * group + 1]);
                }
            }
        }
        total(sum)
    }
}

/// Half a group of numbers, of which `words` has the low bits at [`NIBBLES`] and `high` `HIGH` bits beside each of
/// these.
#[inline(always)]
fn dot_half<const HIGH: usize>(words: i32x4, high: i32x4, x: &[f32x4]) -> f32x4 {
    let number = |k: usize| {
        let beside = i32x4::splat(((1 << HIGH) - 1) << (4 * k + 4));
        (words & i32x4::splat(NIBBLES[k]) | high & beside).round_float()
    };
    (number(0) * x[0] + number(1) * x[1]) + (number(2) * x[2] + number(3) * x[3])
}

/// Byte `k` of each word, as the signed number that it is at the top of the word.
#[inline(always)]
fn top_byte(words: i32x4, k: usize) -> f32x4 {
    (words << (24 - 8 * k as i32) & i32x4::splat(TOP_BYTE)).round_float()
}

fn dot_nibbles(words: &[i32x4], scales: &[f32], x: &[InputGroup]) -> f32 {
    let mut sum = f32x4::ZERO;
    for ((words, scale), x) in words.iter().zip(scales).zip(x) {
        // The sign that comes in from the left is beyond the nibbles.
        let high: i32x4 = *words >> 16;
        let (mut first, mut second) = (f32x4::ZERO, f32x4::ZERO);
        for (k, nibble) in NIBBLES.into_iter().enumerate() {
            let nibble = i32x4::splat(nibble);
            first += (*words & nibble).round_float() * x[k];
            second += (high & nibble).round_float() * x[k + 4];
        }
        sum += (first + second) * f32x4::splat(*scale);
    }
    total(sum)
}

fn dot_bytes(words: &[i32x4], scales: &[f32], x: &[InputGroup]) -> f32 {
    let mut sum = f32x4::ZERO;
    for (([low, high], scale), x) in words.as_chunks().0.iter().zip(scales).zip(x) {
        let (mut first, mut second) = (f32x4::ZERO, f32x4::ZERO);
        for k in 0..4 {
            first += top_byte(*low, k) * x[k];
            second += top_byte(*high, k) * x[k + 4];
        }
        sum += (first + second) * f32x4::splat(*scale * TOP_BYTE_UNIT);
    }
    total(sum)
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
fn total(lanes: f32x4) -> f32 {
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
