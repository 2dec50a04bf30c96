//! What burn does slowly, or not at all, on a thread of a CPU: products with matrices that are packed once, with
//! weights that stay in their file's blocks of few bits, attention, and what lies between products. Plain loops over
//! slices.
//!
//! A crate of its own so that a page, which is otherwise built for size, has these loops at full speed. Vectors of four
//! numbers are written as such (`wide`: SSE2, NEON, wasm's simd128), as the compiler makes none of plain loops where
//! what it links at the end is built for size. Where a processor of x86-64 has vectors of eight, products
//! with matrices, activations and softmax are in these (`avx2`). One row of inputs meets blocks in whole
//! numbers (`row`).

mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod blocks;
mod cached;
mod elementwise;
mod matrix;
mod packed;
mod row;

pub use attention::attend;
pub use blocks::{BLOCK_TYPES, BlockType};
pub use cached::{KeysValues, Look, PackedKeysValues};
pub use elementwise::{Gate, gated, gelu, layer_norm, rms_norm, turn};
pub use matrix::{OUTPUTS_TOGETHER, PackedMatrix, PackedRows};
pub use packed::{Input, Inputs, PackedBlocks, dot};

/// Whether this processor has vectors of eight: products with matrices are then in these.
pub fn has_vectors_of_eight() -> bool {
    #[cfg(target_arch = "x86_64")]
    return avx2::is_here();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}
