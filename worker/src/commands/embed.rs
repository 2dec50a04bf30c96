//! `poq embed`: sentence embeddings.

use clap::Args;
use futures_lite::future::block_on;
use poq_models::{BiEncoder, Embedding, ModelError};
use serde::{Deserialize, Serialize};

use crate::fault::Outcome;
use crate::notices::Notices;
use crate::{interrupt, jsonl, models};

#[derive(Args)]
pub struct Arguments {
    /// A folder with config.json, tokenizer.json and model.safetensors, or a name that `poq models fetch` knows
    #[arg(long)]
    model: String,
    /// Rows that are embedded together: they are answered when so many have been read, or all
    #[arg(long, value_name = "ROWS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
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
    let outcome = jsonl::map_batches(usize::from(arguments.batch), |rows: Vec<(usize, Row)>| {
        let texts: Vec<&str> = rows.iter().map(|(_, row)| row.text.as_str()).collect();
        let embeddings = match block_on(encoder.embed(&texts)) {
            Ok(embeddings) => embeddings.into_iter().map(Ok).collect(),
            Err(error) if texts.len() == 1 => vec![Err(error)],
            // One text alone may be at fault.
            Err(_) => texts.iter().map(|text| one(&encoder, text)).collect::<Vec<_>>(),
        };
        let answer = |((row, _), embedding): (&(usize, Row), Result<Embedding, ModelError>)| {
            let embedding = embedding.map_err(|error| notices.fault(error))?;
            if embedding.truncated {
                notices.cut(*row);
            }
            Ok(Embedded { embedding: embedding.vector, tokens: embedding.tokens })
        };
        rows.iter().zip(embeddings).map(answer).collect()
    });
    notices.finish(outcome, "text", encoder.max_tokens())
}

fn one(encoder: &BiEncoder, text: &str) -> Result<Embedding, ModelError> {
    let mut embeddings = block_on(encoder.embed(&[text]))?;
    Ok(embeddings.remove(0))
}
