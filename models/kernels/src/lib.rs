//! What burn does slowly, or not at all, on one thread of a CPU: products with matrices that are packed once, with
//! weights that stay in their file's blocks of few bits, and attention. Plain loops over slices.
//!
//! A crate of its own so that a page, which is otherwise built for size, has these loops at full speed: at `opt-level` 3
//! the compiler makes vector instructions of them (SSE2, NEON, wasm's simd128).

mod attention;
mod blocks;
mod elementwise;
mod matrix;
mod packed;

pub use attention::attention;
pub use blocks::{BLOCK_TYPES, BlockType};
pub use elementwise::gelu;
pub use matrix::{PackedMatrix, PackedRows};
pub use packed::{Bytes, Input, Nibbles, dot};
