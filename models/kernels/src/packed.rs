//! Blocks of four and of eight bits, packed for products in vectors of four lanes.
//!
//! Four words side by side hold four numbers that follow each other at each bit position: a mask and a conversion give
//! four weights, lane by lane, without shuffles and mostly without shifts. A number is used where its bits stand in the
//! word, that is, times a power of two, which the other factor makes up for without rounding.

use half::f16;
use wide::{f32x4, i32x4};

/// Numbers in a block.
const BLOCK: usize = 32;

/// Numbers that are computed together.
const LANES: usize = 4;

/// The inputs that a block is multiplied with.
type InputBlock = [f32x4; BLOCK / LANES];

/// Four-bit numbers are used at these places of a word, and of the word 16 bits to the right.
const NIBBLES: [i32; 4] = [0xF, 0xF0, 0xF00, 0xF000];

/// What the inputs of [`NIBBLES`] are multiplied with in turn.
const NIBBLE_UNITS: [f32; 4] = [1.0, 1.0 / 16.0, 1.0 / 256.0, 1.0 / 4096.0];

/// Eight-bit numbers are used here, so that their sign is the word's.
const TOP_BYTE: i32 = 0xFF << 24;

/// What the scales of numbers at [`TOP_BYTE`] are multiplied with.
const TOP_BYTE_UNIT: f32 = 1.0 / 16_777_216.0;

/// One row of inputs, with what all rows of weights need of it.
#[derive(Debug)]
pub struct Input {
    values: Vec<f32>,
    /// The same as vectors.
    blocks: Vec<InputBlock>,
    /// The same in [`NIBBLE_UNITS`].
    scaled: Vec<InputBlock>,
    /// The sum of each block.
    sums: Vec<f32>,
}

impl Input {
    /// `values` in whole blocks of 32.
    pub fn new(values: Vec<f32>) -> Self {
        let lanes: Vec<f32x4> = values.as_chunks().0.iter().copied().map(f32x4::new).collect();
        let scaled: Vec<f32x4> = lanes
            .iter()
            .zip(NIBBLE_UNITS.into_iter().cycle())
            .map(|(lanes, unit)| *lanes * f32x4::splat(unit))
            .collect();
        let (blocks, scaled) = (lanes.as_chunks().0.to_vec(), scaled.as_chunks().0.to_vec());
        let sums = values.as_chunks::<BLOCK>().0.iter().map(|block| dot(block, &[1.0; BLOCK])).collect();
        Self { values, blocks, scaled, sums }
    }

    /// The inputs.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Rows of blocks of unsigned four-bit numbers: a weight is `number * scale + minimum`.
#[derive(Debug)]
pub struct Nibbles {
    /// Number `4 k + lane` of a block is nibble `k` of word `lane`.
    words: Vec<i32x4>,
    scales: Vec<f32>,
    minimums: Vec<f32>,
}

impl Nibbles {
    /// Whole blocks of ggml's Q4_0.
    pub fn from_q4_0(bytes: &[u8]) -> Self {
        let blocks = bytes.chunks_exact(18);
        let scales: Vec<f32> = blocks.clone().map(|block| half_at(block, 0)).collect();
        let minimums = scales.iter().map(|scale| -8.0 * scale).collect();
        Self { words: blocks.map(|block| nibble_words(&block[2..])).collect(), scales, minimums }
    }

    /// Whole blocks of ggml's Q4_1.
    pub fn from_q4_1(bytes: &[u8]) -> Self {
        let blocks = bytes.chunks_exact(20);
        Self {
            scales: blocks.clone().map(|block| half_at(block, 0)).collect(),
            minimums: blocks.clone().map(|block| half_at(block, 2)).collect(),
            words: blocks.map(|block| nibble_words(&block[4..])).collect(),
        }
    }

    /// One number for each row: minimums meet the sums of the inputs, so that only `number * input` is summed within a
    /// block.
    pub fn product(&self, x: &Input) -> Vec<f32> {
        let blocks = x.sums.len();
        let rows = self.words.chunks_exact(blocks).zip(self.scales.chunks_exact(blocks));
        let rows = rows.zip(self.minimums.chunks_exact(blocks));
        let row = |((words, scales), minimums)| dot_nibbles(words, scales, &x.scaled) + dot(minimums, &x.sums);
        rows.map(row).collect()
    }

    /// The numbers of a row.
    pub fn unpack(&self, row: usize, values: &mut [f32]) {
        let (blocks, _) = values.as_chunks_mut::<BLOCK>();
        let at = row * blocks.len();
        let weights = self.words[at..].iter().zip(&self.scales[at..]).zip(&self.minimums[at..]);
        for (block, ((words, scale), minimum)) in blocks.iter_mut().zip(weights) {
            for (k, values) in block.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                let numbers = (*words >> (4 * k as i32) & i32x4::splat(15)).round_float();
                *values = (numbers * f32x4::splat(*scale) + f32x4::splat(*minimum)).to_array();
            }
        }
    }
}

/// Rows of blocks of signed eight-bit numbers: a weight is `number * scale`.
#[derive(Debug)]
pub struct Bytes {
    /// Number `16 half + 4 k + lane` of a block is byte `k` of word `lane` of that half.
    words: Vec<[i32x4; 2]>,
    /// In [`TOP_BYTE_UNIT`].
    scales: Vec<f32>,
}

impl Bytes {
    /// Whole blocks of ggml's Q8_0.
    pub fn from_q8_0(bytes: &[u8]) -> Self {
        let blocks = bytes.chunks_exact(34);
        Self {
            scales: blocks.clone().map(|block| half_at(block, 0) * TOP_BYTE_UNIT).collect(),
            words: blocks.map(|block| [byte_words(&block[2..18]), byte_words(&block[18..])]).collect(),
        }
    }

    /// One number for each row.
    pub fn product(&self, x: &Input) -> Vec<f32> {
        let blocks = x.sums.len();
        let rows = self.words.chunks_exact(blocks).zip(self.scales.chunks_exact(blocks));
        rows.map(|(words, scales)| dot_bytes(words, scales, &x.blocks)).collect()
    }

    /// The numbers of a row.
    pub fn unpack(&self, row: usize, values: &mut [f32]) {
        let (blocks, _) = values.as_chunks_mut::<BLOCK>();
        let at = row * blocks.len();
        let weights = self.words[at..].iter().zip(&self.scales[at..]);
        for (block, (words, scale)) in blocks.iter_mut().zip(weights) {
            for (k, values) in block.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                *values = (top_byte(words[k / 4], k % 4) * f32x4::splat(*scale)).to_array();
            }
        }
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// In a file, the low four bits of 16 bytes are the first half of a block, the high four the second.
fn nibble_words(bytes: &[u8]) -> i32x4 {
    i32x4::new(std::array::from_fn(|lane| {
        let nibble = |k: usize| i32::from(bytes[(4 * k + lane) % 16] >> (k / 4 * 4) & 15) << (4 * k);
        (0..8).map(nibble).fold(0, |word, nibble| word | nibble)
    }))
}

fn byte_words(bytes: &[u8]) -> i32x4 {
    i32x4::new(std::array::from_fn(|lane| i32::from_le_bytes(std::array::from_fn(|k| bytes[4 * k + lane]))))
}

/// Byte `k` of each word, as the signed number that it is at the top of the word.
#[inline(always)]
fn top_byte(words: i32x4, k: usize) -> f32x4 {
    (words << (24 - 8 * k as i32) & i32x4::splat(TOP_BYTE)).round_float()
}

fn dot_nibbles(words: &[i32x4], scales: &[f32], x: &[InputBlock]) -> f32 {
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

fn dot_bytes(words: &[[i32x4; 2]], scales: &[f32], x: &[InputBlock]) -> f32 {
    let mut sum = f32x4::ZERO;
    for (([low, high], scale), x) in words.iter().zip(scales).zip(x) {
        let (mut first, mut second) = (f32x4::ZERO, f32x4::ZERO);
        for k in 0..4 {
            first += top_byte(*low, k) * x[k];
            second += top_byte(*high, k) * x[k + 4];
        }
        sum += (first + second) * f32x4::splat(*scale);
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
