//! `poq generate`: a decoder over prompts.

use std::ops::ControlFlow;
use std::time::Instant;

use clap::Args;
use futures_lite::future::block_on;
use poq_models::{GenerateOptions, Message, Prompt};
use serde::{Deserialize, Serialize};

use super::whole::whole;
use crate::console::say;
use crate::fault::{Fault, Outcome};
use crate::notices::Notices;
use crate::{interrupt, jsonl, models};

#[derive(Args)]
pub struct Arguments {
    /// A GGUF file, a folder with one, or a name that `poq models fetch` knows
    #[arg(long)]
    model: String,
    /// Tokens to generate at most
    #[arg(long, value_parser = whole::<usize>, default_value_t = 128)]
    max_tokens: usize,
    /// 0 takes the likeliest token each time; above, tokens are drawn
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Seed of the draws; row n uses seed + n - 1
    #[arg(long, value_parser = whole::<u64>, default_value_t = 0)]
    seed: u64,
    /// Run only the first so many layers of the model
    #[arg(long, value_parser = whole::<usize>)]
    layers: Option<usize>,
}

/// A prompt that is continued as it stands, or messages that go through the model's chat template.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    prompt: Option<String>,
    messages: Option<Vec<Message>>,
}

#[derive(Serialize)]
struct Generated {
    text: String,
    token_ids: Vec<u32>,
    tokens_in: usize,
    tokens_out: usize,
    latency_ms: f64,
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let options = |row: usize| GenerateOptions {
        max_tokens: arguments.max_tokens,
        temperature: arguments.temperature,
        seed: arguments.seed.wrapping_add(row as u64 - 1),
    };
    check_options(arguments)?;
    let decoder = models::decoder(&arguments.model, arguments.layers)?;
    if let Some(date) = decoder.told_date() {
        say(format_args!("poq: the model's chat template asks for today's date; it is told {date}, on any day"));
    }
    let mut notices = Notices::default();
    let outcome = jsonl::map_rows(|row, Row { prompt, messages }| {
        let prompt = match (prompt, messages) {
            (Some(text), None) => Prompt::Text(text),
            (None, Some(messages)) => Prompt::Messages(messages),
            _ => return Err("allowed: either `prompt` or `messages`".to_owned()),
        };
        let started = Instant::now();
        let mut go_on = |_: &_| if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let generation = block_on(decoder.generate(&prompt, &options(row), &mut go_on));
        let generation = generation.map_err(|error| notices.fault(error))?;
        let latency_ms = started.elapsed().as_secs_f64() * 1e3;
        if generation.truncated_prompt {
            notices.cut(row);
        }
        Ok(Generated {
            text: generation.text,
            token_ids: generation.token_ids,
            tokens_in: generation.tokens_in,
            tokens_out: generation.tokens_out,
            latency_ms,
        })
    });
    notices.finish(outcome, "prompt", decoder.context_length())?;
    if interrupt::requested() { Err(Fault::Interrupted) } else { Ok(()) }
}

/// Refuses before the weights are read what the model would refuse at each row.
fn check_options(arguments: &Arguments) -> Outcome {
    if !arguments.temperature.is_finite() || arguments.temperature < 0.0 {
        let message = format!("--temperature {}: allowed: a finite number, 0 or more", arguments.temperature);
        return Err(Fault::input(message));
    }
    if arguments.max_tokens == 0 {
        return Err(Fault::input("--max-tokens 0: allowed: 1 or more"));
    }
    Ok(())
}
