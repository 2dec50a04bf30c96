//! How fast a decoder reads and writes, and in how much memory, by how its weights are kept.
//!
//!     cargo run --release -p poq-models --example decode_speed -- MODEL.gguf f32|as-stored [TOKENS] [RUNS]
//!
//! One line of JSON for each run. `RAYON_NUM_THREADS=1` for one thread; `/usr/bin/time -v` for the memory.

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

use futures_lite::future::block_on;
use poq_models::{Decoder, DecoderOptions, GenerateOptions, Prompt, WeightStorage, cpu_device};

const PROMPT: &str = "A network of nodes answers questions. Each answer is scored by several others, of which some are \
    careless and some dishonest. What is paid for an answer goes with the scores. Write a story about such a network, \
    in which a careful node is paid less than a careless one, and say how it comes to an end. The story is this: once";

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: decode_speed MODEL.gguf f32|as-stored [TOKENS] [RUNS]";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = |index: usize, default: usize| arguments.get(index).map_or(Ok(default), |text| text.parse());
    let (max_tokens, runs) = (count(2, 32)?, count(3, 3)?);
    let (path, storage) = (arguments.first().ok_or(usage)?, arguments.get(1).ok_or(usage)?);
    let weights = match storage.as_str() {
        "f32" => WeightStorage::F32,
        "as-stored" => WeightStorage::AsStored,
        _ => return Err(usage.into()),
    };

    let bytes = std::fs::read(path)?;
    let start = Instant::now();
    let decoder = Decoder::from_gguf(&bytes, &DecoderOptions { weights, ..DecoderOptions::default() }, &cpu_device())?;
    drop(bytes);
    let load_s = start.elapsed().as_secs_f64();

    let prompt = Prompt::Text(PROMPT.to_owned());
    let options = GenerateOptions { max_tokens, temperature: 0.0, seed: 0 };
    for _ in 0..runs {
        let start = Instant::now();
        let mut times_s = Vec::new();
        let generation = block_on(decoder.generate(&prompt, &options, &mut |_| {
            times_s.push(start.elapsed().as_secs_f64());
            ControlFlow::Continue(())
        }))?;
        let (Some(first), Some(last)) = (times_s.first(), times_s.last()) else {
            return Err("the model ended its text at once".into());
        };
        println!(
            "{{\"weights\":\"{storage}\",\"load_s\":{load_s:.3},\"tokens_in\":{},\"read_tokens_per_s\":{:.1},\
             \"tokens_out\":{},\"written_tokens_per_s\":{:.2}}}",
            generation.tokens_in,
            generation.tokens_in as f64 / first,
            generation.tokens_out,
            (times_s.len() - 1) as f64 / (last - first)
        );
    }
    Ok(())
}
