//! What a decoder takes of the memory while it is read and while it answers. Alone in its process, whose peak it is.
#![cfg(target_os = "linux")]

mod common;

use std::error::Error;
use std::fs::File;
use std::ops::ControlFlow;

use common::{Outcome, path_of_weights};
use futures_lite::future::block_on;
use poq_models::{Decoder, DecoderOptions, GenerateOptions, Prompt, Source as _, WeightStorage, cpu_device};

const MODEL: &str = "qwen2.5-coder-0.5b-instruct";

/// Of the file's size, as a share, beside what is remembered of a text.
const MOST: f64 = 1.15;

/// Bytes of keys and values: blocks, both, heads of them, rows that there is room for, numbers of a head, an f32.
const REMEMBERED: f64 = 24.0 * 2.0 * 2.0 * 256.0 * 64.0 * 4.0;

/// `VmHWM` of this process in bytes: the most of it that was ever in memory.
fn peak() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024.0)
}

#[test]
fn a_decoder_takes_little_more_than_its_file() -> Outcome {
    let path = path_of_weights(MODEL, "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")?;
    let file = File::open(&path).map_err(|error| format!("{}: {error}; `poq models fetch {MODEL}`", path.display()))?;
    let size = file.size() as f64;
    let before = peak()?;
    let options = DecoderOptions { weights: WeightStorage::AsStored, ..DecoderOptions::default() };
    let decoder = Decoder::from_gguf(file, &options, &cpu_device())?;
    let read = peak()? - before;
    let prompt = Prompt::Text("The lighthouse was built in 1870, and its keeper ".repeat(20));
    let options = GenerateOptions { max_tokens: 8, temperature: 0.0, seed: 0 };
    block_on(decoder.generate(&prompt, &options, &mut |_| ControlFlow::Continue(())))?;
    let answered = peak()? - before - REMEMBERED;
    println!("{:.3} of the file's size while it is read, {:.3} with an answer", read / size, answered / size);
    assert!(read > 0.5 * size, "weights are in memory");
    assert!(answered < MOST * size, "{:.3} of the file's size", answered / size);
    Ok(())
}
