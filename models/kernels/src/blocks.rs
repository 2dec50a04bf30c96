//! ggml's block formats, to f32: a few numbers that share a scale, and for most a minimum.
//!
//! Written here because candle-core, which unpacks them too, costs minutes of build time in each target for these
//! lines alone (see the reader of GGUF for why that of the container is not used). Held to the `gguf` Python
//! package, number for number, by the tests of `poq-models`.
//!
//! Layouts: `ggml-common.h` and `ggml-quants.c` of <https://github.com/ggml-org/ggml>.

use half::{bf16, f16};

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
    /// Fills `elements` numbers from `bytes` bytes.
    unpack: fn(&[u8], &mut [f32]),
}

/// The storage types that can be read.
pub const BLOCK_TYPES: [BlockType; 11] = [
    BlockType { number: 0, name: "F32", elements: 1, bytes: 4, unpack: f32_block },
    BlockType { number: 1, name: "F16", elements: 1, bytes: 2, unpack: f16_block },
    BlockType { number: 2, name: "Q4_0", elements: 32, bytes: 18, unpack: q4_0 },
    BlockType { number: 3, name: "Q4_1", elements: 32, bytes: 20, unpack: q4_1 },
    BlockType { number: 6, name: "Q5_0", elements: 32, bytes: 22, unpack: q5_0 },
    BlockType { number: 7, name: "Q5_1", elements: 32, bytes: 24, unpack: q5_1 },
    BlockType { number: 8, name: "Q8_0", elements: 32, bytes: 34, unpack: q8_0 },
    BlockType { number: 12, name: "Q4_K", elements: 256, bytes: 144, unpack: q4_k },
    BlockType { number: 13, name: "Q5_K", elements: 256, bytes: 176, unpack: q5_k },
    BlockType { number: 14, name: "Q6_K", elements: 256, bytes: 210, unpack: q6_k },
    BlockType { number: 30, name: "BF16", elements: 1, bytes: 2, unpack: bf16_block },
];

impl BlockType {
    /// Whole blocks to f32.
    pub fn unpack(&self, raw: &[u8]) -> Vec<f32> {
        let mut values = vec![0.0; raw.len() / self.bytes * self.elements];
        self.unpack_into(raw, &mut values);
        values
    }

    /// Whole blocks to as many f32 as they hold.
    pub fn unpack_into(&self, raw: &[u8], values: &mut [f32]) {
        for (block, values) in raw.chunks_exact(self.bytes).zip(values.chunks_exact_mut(self.elements)) {
            (self.unpack)(block, values);
        }
    }
}

fn f32_block(block: &[u8], values: &mut [f32]) {
    values[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
}

fn bf16_block(block: &[u8], values: &mut [f32]) {
    values[0] = bf16::from_le_bytes([block[0], block[1]]).to_f32();
}

fn f16_block(block: &[u8], values: &mut [f32]) {
    values[0] = half_at(block, 0);
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The low four bits of 16 bytes are the first half of a block, the high four the second; `bit` finds the fifth.
fn nibbles(packed: &[u8], values: &mut [f32], value: impl Fn(u8, usize) -> f32) {
    let (low, high) = values.split_at_mut(16);
    for (index, byte) in packed.iter().enumerate() {
        low[index] = value(byte & 15, index);
        high[index] = value(byte >> 4, index + 16);
    }
}

fn q4_0(block: &[u8], values: &mut [f32]) {
    let scale = half_at(block, 0);
    nibbles(&block[2..], values, |q, _| f32::from(q as i8 - 8) * scale);
}

fn q4_1(block: &[u8], values: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    nibbles(&block[4..], values, |q, _| f32::from(q) * scale + minimum);
}

/// The fifth bits of 32 numbers, in their order, as 16 or 0.
fn fifth(bits: &[u8]) -> impl Fn(usize) -> u8 {
    let bits = u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]);
    move |index| (bits >> index & 1) as u8 * 16
}

fn q5_0(block: &[u8], values: &mut [f32]) {
    let (scale, fifth) = (half_at(block, 0), fifth(&block[2..6]));
    nibbles(&block[6..], values, |q, index| f32::from((q | fifth(index)) as i8 - 16) * scale);
}

fn q5_1(block: &[u8], values: &mut [f32]) {
    let (scale, minimum, fifth) = (half_at(block, 0), half_at(block, 2), fifth(&block[4..8]));
    nibbles(&block[8..], values, |q, index| f32::from(q | fifth(index)) * scale + minimum);
}

fn q8_0(block: &[u8], values: &mut [f32]) {
    let scale = half_at(block, 0);
    for (byte, value) in block[2..].iter().zip(values) {
        *value = f32::from(*byte as i8) * scale;
    }
}

/// Scale and minimum, six bits each, of the eight groups of 32 in a block: 12 bytes hold them.
fn group(packed: &[u8], index: usize) -> (f32, f32) {
    let (scale, minimum) = if index < 4 {
        (packed[index] & 63, packed[index + 4] & 63)
    } else {
        let (low, high) = (packed[index + 4], index - 4);
        (low & 15 | packed[high] >> 6 << 4, low >> 4 | packed[high + 4] >> 6 << 4)
    };
    (f32::from(scale), f32::from(minimum))
}

fn q4_k(block: &[u8], values: &mut [f32]) {
    k_with_minimum(block, &block[16..], values, |_, _| 0);
}

fn q5_k(block: &[u8], values: &mut [f32]) {
    let fifths = &block[16..48];
    k_with_minimum(block, &block[48..], values, |group, index| (fifths[index] >> group & 1) * 16);
}

/// Four times 32 bytes: the low bits of each are one group of 32, the high bits the next.
fn k_with_minimum(block: &[u8], packed: &[u8], values: &mut [f32], fifth: impl Fn(usize, usize) -> u8) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    for (number, values) in values.chunks_exact_mut(32).enumerate() {
        let (group_scale, group_minimum) = group(&block[4..16], number);
        let (scale, minimum) = (scale * group_scale, minimum * group_minimum);
        let bytes = &packed[number / 2 * 32..][..32];
        for (index, (byte, value)) in bytes.iter().zip(values).enumerate() {
            let low = if number % 2 == 0 { byte & 15 } else { byte >> 4 };
            *value = f32::from(low | fifth(number, index)) * scale - minimum;
        }
    }
}

fn q6_k(block: &[u8], values: &mut [f32]) {
    let scale = half_at(block, 208);
    for (half, values) in values.chunks_exact_mut(128).enumerate() {
        let (low, high) = (&block[half * 64..][..64], &block[128 + half * 32..][..32]);
        let scales = &block[192 + half * 8..][..8];
        for (index, value) in values.iter_mut().enumerate() {
            let (quarter, column) = (index / 32, index % 32);
            let byte = low[quarter % 2 * 32 + column];
            let four = if quarter < 2 { byte & 15 } else { byte >> 4 };
            let two = high[column] >> (quarter * 2) & 3;
            let q = (four | two << 4) as i8 - 32;
            *value = scale * f32::from(scales[index / 16] as i8) * f32::from(q);
        }
    }
}
