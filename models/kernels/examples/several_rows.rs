//! Several rows of inputs times packed blocks of each storage type, on one thread: billions of products a second, the
//! best of some runs.
//!
//!     cargo run --release -p poq-kernels --example several_rows [TYPE]

use std::time::Instant;

use poq_kernels::{BLOCK_TYPES, Inputs, PackedBlocks};

const COLUMNS: usize = 1536;
/// No power of two: then rows of outputs would share sets of a cache.
const OUTPUTS: usize = 2000;
const RUNS: usize = 7;

fn main() {
    let wanted = std::env::args().nth(1);
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    for rows in [8, 54, 384] {
        for kind in BLOCK_TYPES.iter().filter(|kind| kind.elements > 1 && is_wanted(kind.name)) {
            let bytes = OUTPUTS * COLUMNS / kind.elements * kind.bytes;
            // Of each half the upper byte is that of a number from 0.008 to 0.04.
            let byte = |at: usize| if at % 2 == 1 { 0x20 + at / 7 % 9 } else { at * at / 3 % 256 };
            let bytes: Vec<u8> = (0..bytes).map(|at| byte(at) as u8).collect();
            let Some(blocks) = PackedBlocks::new(kind, &bytes, COLUMNS) else { continue };
            let x: Vec<f32> = (0..rows * COLUMNS).map(|at| libm::sinf((at * at) as f32 * 0.37)).collect();
            let Some(x) = Inputs::new(&x, rows) else { return println!("this processor has no vectors of eight") };
            let run = || {
                let started = Instant::now();
                std::hint::black_box(x.product(&[&blocks]));
                started.elapsed().as_secs_f64()
            };
            let best = (0..RUNS).map(|_| run()).fold(f64::INFINITY, f64::min);
            println!("{rows:4} rows, {:5} {:6.1}", kind.name, (rows * OUTPUTS * COLUMNS) as f64 / best / 1e9);
        }
    }
}
