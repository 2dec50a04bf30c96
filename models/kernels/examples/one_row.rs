//! One row of inputs times packed blocks of each storage type, on one thread: billions of weights a second, the best of
//! some runs. With a matrix that stays in a core's second cache, and with one that does not.
//!
//!     cargo run --release -p poq-kernels --example one_row [TYPE]

use std::time::Instant;

use poq_kernels::{BLOCK_TYPES, Input, PackedBlocks};

const COLUMNS: usize = 1536;
const RUNS: usize = 7;
const SECONDS_A_RUN: f64 = 0.05;

fn main() {
    for rows in [80, 8960] {
        let wanted = std::env::args().nth(1);
        let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        for kind in BLOCK_TYPES.iter().filter(|kind| kind.elements > 1 && is_wanted(kind.name)) {
            let bytes = rows * COLUMNS / kind.elements * kind.bytes;
            // Of each half the upper byte is that of a number from 0.008 to 0.04.
            let byte = |at: usize| if at % 2 == 1 { 0x20 + at / 7 % 9 } else { at * at / 3 % 256 };
            let bytes: Vec<u8> = (0..bytes).map(|at| byte(at) as u8).collect();
            let Some(blocks) = PackedBlocks::new(kind, &bytes, COLUMNS) else { continue };
            let x = Input::new((0..COLUMNS).map(|at| libm::sinf((at * at) as f32 * 0.37)).collect());
            let run = || {
                let (started, mut products) = (Instant::now(), 0.0);
                while started.elapsed().as_secs_f64() < SECONDS_A_RUN {
                    std::hint::black_box(blocks.product(&x));
                    products += 1.0;
                }
                products / started.elapsed().as_secs_f64()
            };
            let best = (0..RUNS).map(|_| run()).fold(0.0, f64::max);
            println!("{rows:5} rows, {:5} {:6.1}", kind.name, best * (rows * COLUMNS) as f64 / 1e9);
        }
    }
}
