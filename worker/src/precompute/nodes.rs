//! Inference nodes at work: a task in, an answer and its measured latency out.

use std::ops::ControlFlow;
use std::time::Instant;

use futures_lite::future::block_on;
use poq_core::dataset::{Output, Task};
use poq_core::text::extractive;
use poq_models::{Decoder, DecoderOptions, Finish, GenerateOptions, Message, Prompt, cpu_device};

use super::journal::sha256;
use super::plan::{NodeKind, NodePlan, Plan};
use crate::console::say;
use crate::fault::{Blame as _, Outcome};
use crate::{interrupt, models};

/// A node that is ready to answer.
pub enum Node<'a> {
    /// A decoder with its settings.
    Decoder { decoder: Box<Decoder>, plan: &'a NodePlan, temperature: f32, seed: u64 },
    /// One of the baselines.
    Extractive(&'a NodePlan),
}

/// Reads a model file to name it with its hash, as the manifest does.
pub fn model_name(kind: &NodeKind) -> Outcome<Option<String>> {
    let NodeKind::Decoder { model, layers, .. } = kind else {
        return Ok(None);
    };
    let path = models::decoder_path(model.as_str())?;
    let bytes = std::fs::read(&path).input(format!("cannot read {}", path.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let layers = layers.map(|layers| format!(", first {layers} layers")).unwrap_or_default();
    Ok(Some(format!("{name} (sha256 {}{layers})", sha256(&bytes))))
}

impl<'a> Node<'a> {
    /// Loads what the node needs. A decoder answers once unmeasured, so that no measured answer pays for first-use work.
    pub fn load(plan: &'a NodePlan) -> Outcome<Self> {
        let NodeKind::Decoder { model, temperature, seed, layers, .. } = &plan.kind else {
            return Ok(Self::Extractive(plan));
        };
        let bytes = models::decoder_bytes(model.as_str())?;
        let decoder = Decoder::from_gguf(
            &bytes,
            &DecoderOptions { layers: *layers, ..DecoderOptions::default() },
            &cpu_device(),
        )?;
        let options = GenerateOptions { max_tokens: 2, temperature: 0.0, seed: 0 };
        block_on(decoder.generate(&Prompt::Text("Hello".into()), &options, &mut |_| ControlFlow::Continue(())))?;
        Ok(Self::Decoder { decoder: Box::new(decoder), plan, temperature: *temperature, seed: *seed })
    }

    /// Answers `task`, the `index`-th of the plan.
    pub fn answer(&self, plan: &Plan, index: usize, task: &Task) -> Result<Output, String> {
        let row = |node: &NodePlan, text: String, tokens_in: usize, tokens_out: usize, latency_ms: f64| Output {
            task: task.id.clone(),
            node: node.id.clone(),
            text,
            tokens_in: tokens_in as u64,
            tokens_out: tokens_out as u64,
            latency_ms,
        };
        match self {
            Self::Extractive(node) => {
                let context = task.context.as_deref().unwrap_or(&task.prompt);
                let started = Instant::now();
                let text = match node.kind {
                    NodeKind::Keyword => extractive::keyword(&task.prompt, context, task.kind),
                    NodeKind::Lead | NodeKind::Decoder { .. } => extractive::lead(context, task.kind),
                };
                let latency_ms = started.elapsed().as_secs_f64() * 1e3;
                let words = |text: &str| text.split_whitespace().count();
                let (words_in, words_out) = (words(&task.prompt) + words(context), words(&text));
                Ok(row(node, text, words_in, words_out, latency_ms))
            }
            Self::Decoder { decoder, plan: node, temperature, seed } => {
                let message = Message { role: "user".into(), content: plan.request(task) };
                let options = GenerateOptions {
                    max_tokens: node.kind.max_tokens(task.kind),
                    temperature: *temperature,
                    seed: seed.wrapping_add(index as u64),
                };
                let mut go_on =
                    |_: &_| if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
                let started = Instant::now();
                let generation = block_on(decoder.generate(&Prompt::Messages(vec![message]), &options, &mut go_on))
                    .map_err(|error| error.to_string())?;
                let latency_ms = started.elapsed().as_secs_f64() * 1e3;
                if generation.finish == Finish::Stopped {
                    return Err("interrupted".to_owned());
                }
                if generation.truncated_prompt {
                    let (node, task) = (&node.id, &task.id);
                    say(format_args!("{node}: the prompt of task `{task}` was cut to the model's context"));
                }
                let text = generation.text.trim().to_owned();
                Ok(row(node, text, generation.tokens_in, generation.tokens_out, latency_ms))
            }
        }
    }
}
