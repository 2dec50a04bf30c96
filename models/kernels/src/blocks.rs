//! ggml's block formats: a few numbers of few bits that share a scale, and for some a minimum.
//!
//! Written here because candle-core, which unpacks them too, costs minutes of build time in each target for these
//! lines alone (see the reader of GGUF for why that of the container is not used). Held to the `gguf` Python
//! package, number for number, by the tests of `poq-models`.
//!
//! Layouts: `ggml-common.h` and `ggml-quants.c` of <https://github.com/ggml-org/ggml>.

use std::ops::Range;

use half::bf16;

/// The most numbers that a block holds.
pub(crate) const MAX_NUMBERS: usize = 256;

/// The most groups of numbers that a block holds.
pub(crate) const MAX_GROUPS: usize = 16;

/// One storage type.
#[derive(Debug)]
pub struct BlockType {
    /// Its number in the file.
    pub number: u32,
    /// What ggml calls it.
    pub name: &'static str,
    /// Numbers in a block.
    pub elements: usize,
    /// Bytes of a block.
    pub bytes: usize,
    pub(crate) form: Form,
}

/// What a block holds.
#[derive(Debug)]
pub(crate) enum Form {
    /// One number as it is.
    Number(fn(&[u8]) -> f32),
    /// Numbers of few bits.
    Quantised(Quantised),
}

/// How the numbers of a block are written: a weight is `(number - offset) * scale + minimum`.
#[derive(Debug)]
pub(crate) struct Quantised {
    /// Bits of a number: 4, 5, 6 or 8.
    pub bits: usize,
    /// What is subtracted from a number, as it is written without its sign; 0 where there are minimums.
    pub offset: u8,
    /// Numbers that share a scale: 32, or 16.
    pub group: usize,
    /// The bytes of a block that scales and minimums are in.
    pub head: Range<usize>,
    /// From these bytes of some blocks: the scale of each group, and its minimum where there are some.
    pub scales: fn(&[u8], &mut [f32], &mut [f32]),
    /// From a block: its numbers, written without their sign.
    numbers: fn(&[u8], &mut [u8]),
}

impl Quantised {
    /// The numbers of a block, as many as it has.
    pub(crate) fn numbers(&self, block: &[u8], elements: usize) -> [u8; MAX_NUMBERS] {
        let mut numbers = [0; MAX_NUMBERS];
        (self.numbers)(block, &mut numbers[..elements]);
        numbers
    }
}

/// Of the simple types: a scale for 32 numbers.
const SIMPLE: Quantised = Quantised {
    bits: 4,
    offset: 0,
    group: 32,
    head: 0..2,
    scales: one_scale,
    numbers: |block, numbers| nibbles(&block[2..], numbers),
};

/// The storage types that can be read.
pub const BLOCK_TYPES: [BlockType; 11] = [
    number(0, "F32", 4, |bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
    number(1, "F16", 2, |bytes| half_at(bytes, 0)),
    simple(2, "Q4_0", 18, Quantised { offset: 8, ..SIMPLE }),
    simple(
        3,
        "Q4_1",
        20,
        Quantised {
            head: 0..4,
            scales: scale_and_minimum,
            numbers: |block, numbers| nibbles(&block[4..], numbers),
            ..SIMPLE
        },
    ),
    simple(
        6,
        "Q5_0",
        22,
        Quantised {
            bits: 5,
            offset: 16,
            numbers: |block, numbers| with_fifths(&block[2..6], &block[6..], numbers),
            ..SIMPLE
        },
    ),
    simple(
        7,
        "Q5_1",
        24,
        Quantised {
            bits: 5,
            head: 0..4,
            scales: scale_and_minimum,
            numbers: |block, numbers| with_fifths(&block[4..8], &block[8..], numbers),
            ..SIMPLE
        },
    ),
    simple(8, "Q8_0", 34, Quantised { bits: 8, offset: 128, numbers: signed_bytes, ..SIMPLE }),
    large(12, "Q4_K", 144, Quantised { numbers: |block, numbers| pairs_of_groups(&block[16..], numbers), ..K }),
    large(13, "Q5_K", 176, Quantised { bits: 5, numbers: q5_k, ..K }),
    large(
        14,
        "Q6_K",
        210,
        Quantised { bits: 6, offset: 32, group: 16, head: 192..210, scales: q6_k_scales, numbers: q6_k },
    ),
    number(30, "BF16", 2, |bytes| bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32()),
];

/// Of the large types but one: eight groups of 32 numbers with scales and minimums of six bits.
const K: Quantised = Quantised {
    bits: 4,
    offset: 0,
    group: 32,
    head: 0..16,
    scales: k_scales,
    numbers: |block, numbers| pairs_of_groups(&block[16..], numbers),
};

const fn number(number: u32, name: &'static str, bytes: usize, read: fn(&[u8]) -> f32) -> BlockType {
    BlockType { number, name, elements: 1, bytes, form: Form::Number(read) }
}

const fn simple(number: u32, name: &'static str, bytes: usize, form: Quantised) -> BlockType {
    BlockType { number, name, elements: 32, bytes, form: Form::Quantised(form) }
}

const fn large(number: u32, name: &'static str, bytes: usize, form: Quantised) -> BlockType {
    BlockType { number, name, elements: MAX_NUMBERS, bytes, form: Form::Quantised(form) }
}

impl BlockType {
    /// Whole blocks to f32.
    pub fn unpack(&self, raw: &[u8]) -> Vec<f32> {
        let mut values = vec![0.0; raw.len() / self.bytes * self.elements];
        self.unpack_into(raw, &mut values);
        values
    }

    /// Whole blocks to as many f32 as they hold.
    pub fn unpack_into(&self, raw: &[u8], values: &mut [f32]) {
        let blocks = raw.chunks_exact(self.bytes).zip(values.chunks_exact_mut(self.elements));
        match &self.form {
            Form::Number(read) => blocks.for_each(|(block, values)| values[0] = read(block)),
            Form::Quantised(form) => {
                let (mut scales, mut minimums) = ([0.0; MAX_GROUPS], [0.0; MAX_GROUPS]);
                for (block, values) in blocks {
                    let groups = self.elements / form.group;
                    (form.scales)(&block[form.head.clone()], &mut scales[..groups], &mut minimums[..groups]);
                    let numbers = form.numbers(block, self.elements);
                    for (index, value) in values.iter_mut().enumerate() {
                        let group = index / form.group;
                        let number = f32::from(i16::from(numbers[index]) - i16::from(form.offset));
                        *value = number * scales[group] + minimums[group];
                    }
                }
            }
        }
    }
}

const TWO_TO_112: f32 = f32::from_bits((112 + 127) << 23);

/// Without a branch, so that the compiler makes vectors of it.
#[inline(always)]
fn half_at(bytes: &[u8], at: usize) -> f32 {
    let bits = u32::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    // The exponent of an f32 is 112 more; so those below the normal ones come out right too.
    let magnitude = (f32::from_bits((bits & 0x7FFF) << 13) * TWO_TO_112).to_bits();
    let is_finite = bits & 0x7C00 != 0x7C00;
    let exponent = if is_finite { 0 } else { 0xFF << 23 };
    f32::from_bits(magnitude | exponent | (bits & 0x8000) << 16)
}

fn one_scale(heads: &[u8], scales: &mut [f32], _minimums: &mut [f32]) {
    for (head, scale) in heads.chunks_exact(2).zip(scales) {
        *scale = half_at(head, 0);
    }
}

fn scale_and_minimum(heads: &[u8], scales: &mut [f32], minimums: &mut [f32]) {
    for ((head, scale), minimum) in heads.chunks_exact(4).zip(scales).zip(minimums) {
        (*scale, *minimum) = (half_at(head, 0), half_at(head, 2));
    }
}

/// The low four bits of 16 bytes are the first half of a block, the high four the second.
fn nibbles(packed: &[u8], numbers: &mut [u8]) {
    let (low, high) = numbers.split_at_mut(16);
    for ((byte, low), high) in packed.iter().zip(low).zip(high) {
        (*low, *high) = (byte & 15, byte >> 4);
    }
}

/// [`nibbles`], with the fifth bits of 32 numbers in their order.
fn with_fifths(bits: &[u8], packed: &[u8], numbers: &mut [u8]) {
    nibbles(packed, numbers);
    let bits = u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]);
    for (index, number) in numbers.iter_mut().enumerate() {
        *number |= (bits >> index & 1) as u8 * 16;
    }
}

fn signed_bytes(block: &[u8], numbers: &mut [u8]) {
    for (byte, number) in block[2..].iter().zip(numbers) {
        *number = byte ^ 0x80;
    }
}

/// Scales and minimums of the eight groups of 32 in a block, six bits each in 12 bytes, times those of the block.
fn k_scales(heads: &[u8], scales: &mut [f32], minimums: &mut [f32]) {
    let groups = scales.chunks_exact_mut(8).zip(minimums.chunks_exact_mut(8));
    for (head, (scales, minimums)) in heads.as_chunks::<16>().0.iter().zip(groups) {
        let (scale, minimum) = (half_at(head, 0), half_at(head, 2));
        let [of_scales, of_minimums] = k_numbers(head).map(|bytes| bytes.to_le_bytes().map(f32::from));
        for (value, number) in scales.iter_mut().zip(of_scales) {
            *value = scale * number;
        }
        for (value, number) in minimums.iter_mut().zip(of_minimums) {
            *value = -(minimum * number);
        }
    }
}

/// The numbers of six bits in a block's head, a byte each in their order: of scales, and of minimums.
#[inline(always)]
pub(crate) fn k_numbers(head: &[u8; 16]) -> [u64; 2] {
    // Four groups at a time: the lower six bits of the first four bytes, the next four, and of the last four bytes each
    // half with the upper two bits of those.
    let [_, first, second, third]: [u32; 4] = bytemuck::pod_read_unaligned(head);
    let [low, more] = [0x3F3F_3F3F, 0x0303_0303];
    let of_scales = [first & low, third & 0x0F0F_0F0F | (first >> 6 & more) << 4];
    let of_minimums = [second & low, third >> 4 & 0x0F0F_0F0F | (second >> 6 & more) << 4];
    [of_scales, of_minimums].map(|[low, high]| u64::from(low) | u64::from(high) << 32)
}

/// Four times 32 bytes: the low bits of each are one group of 32, the high bits the next.
fn pairs_of_groups(packed: &[u8], numbers: &mut [u8]) {
    for (bytes, numbers) in packed.chunks_exact(32).zip(numbers.chunks_exact_mut(64)) {
        let (low, high) = numbers.split_at_mut(32);
        for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
            (*low, *high) = (byte & 15, byte >> 4);
        }
    }
}

fn q5_k(block: &[u8], numbers: &mut [u8]) {
    pairs_of_groups(&block[48..], numbers);
    for (group, numbers) in numbers.chunks_exact_mut(32).enumerate() {
        for (fifths, number) in block[16..48].iter().zip(numbers) {
            *number |= (fifths >> group & 1) * 16;
        }
    }
}

fn q6_k_scales(heads: &[u8], scales: &mut [f32], _minimums: &mut [f32]) {
    for (head, scales) in heads.chunks_exact(18).zip(scales.chunks_exact_mut(16)) {
        let scale = half_at(head, 16);
        for (byte, value) in head.iter().zip(scales) {
            *value = scale * f32::from(*byte as i8);
        }
    }
}

fn q6_k(block: &[u8], numbers: &mut [u8]) {
    for (half, numbers) in numbers.chunks_exact_mut(128).enumerate() {
        let (low, high) = (&block[half * 64..][..64], &block[128 + half * 32..][..32]);
        for (index, number) in numbers.iter_mut().enumerate() {
            let (quarter, column) = (index / 32, index % 32);
            let byte = low[quarter % 2 * 32 + column];
            let four = if quarter < 2 { byte & 15 } else { byte >> 4 };
            *number = four | (high[column] >> (quarter * 2) & 3) << 4;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::half_at;

    #[test]
    fn every_half_is_read() {
        for bits in 0..=u16::MAX {
            let (seen, expected) = (half_at(&bits.to_le_bytes(), 0), half::f16::from_bits(bits).to_f32());
            assert!(seen.to_bits() == expected.to_bits() || seen.is_nan() && expected.is_nan(), "{bits:#x}: {seen}");
        }
    }
}
