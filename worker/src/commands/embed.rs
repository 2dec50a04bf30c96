//! `poq embed`: sentence embeddings.

use clap::Args;
use futures_lite::future::block_on;
use serde::{Deserialize, Serialize};

use crate::console::say;
use crate::fault::Outcome;
use crate::{interrupt, jsonl, models};

#[derive(Args)]
pub struct Arguments {
    /// A folder with config.json, tokenizer.json and model.safetensors, or a name that `poq models fetch` knows
    #[arg(long)]
    model: String,
}

#[derive(Deserialize)]
struct Row {
    text: String,
}

#[derive(Serialize)]
struct Embedded {
    embedding: Vec<f32>,
    tokens: usize,
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let encoder = models::bi_encoder(&arguments.model)?;
    jsonl::map_rows(|row, Row { text }| {
        let mut embeddings = block_on(encoder.embed(&[&text])).map_err(|error| error.to_string())?;
        let embedding = embeddings.pop().ok_or_else(|| "the model gave no embedding".to_owned())?;
        if embedding.truncated {
            let tokens = encoder.max_tokens();
            say(format_args!("poq: standard input row {row}: the text was cut to the model's {tokens} tokens"));
        }
        Ok(Embedded { embedding: embedding.vector, tokens: embedding.tokens })
    })
}
