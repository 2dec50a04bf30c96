//! `poq embed`: sentence embeddings.

use clap::Args;
use futures_lite::future::block_on;
use serde::{Deserialize, Serialize};

use crate::fault::Outcome;
use crate::notices::Notices;
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
    let mut notices = Notices::default();
    let outcome = jsonl::map_rows(|row, Row { text }| {
        let mut embeddings = block_on(encoder.embed(&[&text])).map_err(|error| notices.fault(error))?;
        let embedding = embeddings.pop().ok_or_else(|| "the model gave no embedding".to_owned())?;
        if embedding.truncated {
            notices.cut(row);
        }
        Ok(Embedded { embedding: embedding.vector, tokens: embedding.tokens })
    });
    notices.finish(outcome, "text", encoder.max_tokens())
}
