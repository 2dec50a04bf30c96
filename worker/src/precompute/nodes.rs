//! Inference nodes at work: a task in, an answer and its measured latency out.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Instant;

use futures_lite::future::block_on;
use poq_core::dataset::{Output, Task};
use poq_core::text::extractive;
use poq_models::{Decoder, Finish, GenerateOptions, Prompt, Step};

use super::plan::{NodeKind, NodePlan, Plan};
use crate::console::say;
use crate::fault::{Fault, Outcome};
use crate::models::Models;
use crate::{interrupt, models};

/// A node that is ready to answer.
pub struct Node<'a> {
    plan: &'a NodePlan,
    kind: Kind,
}

/// How it answers, with what it needs for that.
enum Kind {
    /// A decoder with its settings.
    Decoder(Box<Decoding>),
    /// The first sentences of the context.
    Lead,
    /// What the prompt's keywords point at in the context.
    Keyword,
}

/// A decoder with its settings.
struct Decoding {
    decoder: Rc<Decoder>,
    temperature: f32,
    seed: u64,
    stop: Vec<String>,
    /// Answers whose prompt was cut to fit the model.
    cut: Cell<usize>,
}

/// Reads a model file to name it with its hash, as the manifest does.
pub fn model_name(kind: &NodeKind, read: &Models) -> Outcome<Option<String>> {
    let NodeKind::Decoder { model, layers, .. } = kind else {
        return Ok(None);
    };
    let layers = layers.map(|layers| format!(", first {layers} layers")).unwrap_or_default();
    read.decoder_name(model.as_str(), &layers).map(Some)
}

impl<'a> Node<'a> {
    /// Loads what the node needs. A decoder answers once unmeasured, so that no measured answer pays for first-use
    /// work, and so that a model whose template cannot take a request is refused before any row is made.
    pub fn load(plan: &'a NodePlan, read: &Models) -> Outcome<Self> {
        let kind = match &plan.kind {
            NodeKind::Lead => Kind::Lead,
            NodeKind::Keyword => Kind::Keyword,
            NodeKind::Decoder { model, temperature, seed, layers, stop, .. } => {
                let decoder = read.decoder(model.as_str(), *layers)?;
                let options = GenerateOptions { max_tokens: 2, temperature: 0.0, seed: 0 };
                let asked = models::asked(&decoder, "Hello".into());
                block_on(decoder.generate(&asked, &options, &mut |_| ControlFlow::Continue(())))
                    .map_err(|error| Fault::from(error).of(format!("inference node `{}`", plan.id)))?;
                if let Some(date) = decoder.told_date() {
                    let (id, asks) = (&plan.id, "the model's chat template asks for today's date");
                    say(format_args!(
                        "{id}: {asks}; it is told {date}, on any day, so that the same plan gives the same answers"
                    ));
                }
                let (temperature, seed, stop) = (*temperature, *seed, stop.clone());
                Kind::Decoder(Box::new(Decoding { decoder, temperature, seed, stop, cut: Cell::new(0) }))
            }
        };
        Ok(Self { plan, kind })
    }

    /// What is to be said of the answers so far: that prompts were cut.
    pub fn notice(&self) -> Option<String> {
        let Kind::Decoder(decoding) = &self.kind else { return None };
        let (cut, id, tokens) = (decoding.cut.get(), &self.plan.id, decoding.decoder.context_length());
        (cut > 0).then(|| format!("{id}: in {cut} of its answers the prompt was cut to the model's {tokens} tokens"))
    }

    /// Answers `task`, the `index`-th of the plan.
    ///
    /// # Errors
    /// [`Fault::Input`] where this row alone is at fault; a fault of the environment or an interruption ends the run.
    pub fn answer(&self, plan: &Plan, index: usize, task: &Task) -> Outcome<Output> {
        let answered = match &self.kind {
            Kind::Lead => extracted(task, |context| extractive::lead(context, task.kind)),
            Kind::Keyword => extracted(task, |context| extractive::keyword(&task.prompt, context, task.kind)),
            Kind::Decoder(decoding) => {
                let options = GenerateOptions {
                    max_tokens: self.plan.kind.max_tokens(task.kind),
                    temperature: decoding.temperature,
                    seed: decoding.seed.wrapping_add(index as u64),
                };
                decoding.answer(&models::asked(&decoding.decoder, plan.request(&self.plan.kind, task)), &options)?
            }
        };
        Ok(Output {
            task: task.id.clone(),
            node: self.plan.id.clone(),
            text: answered.text,
            tokens_in: answered.tokens_in as u64,
            tokens_out: answered.tokens_out as u64,
            latency_ms: answered.latency_ms,
        })
    }
}

/// An answer with what is measured of it.
struct Answered {
    text: String,
    tokens_in: usize,
    tokens_out: usize,
    latency_ms: f64,
}

impl Decoding {
    /// Where an answer ends before the end of `text`; blanks before it end nothing.
    fn end(&self, text: &str) -> Option<usize> {
        let begun = text.len() - text.trim_start().len();
        self.stop.iter().filter_map(|stop| text[begun..].find(stop)).min().map(|end| begun + end)
    }

    fn answer(&self, prompt: &Prompt, options: &GenerateOptions) -> Outcome<Answered> {
        let mut said = String::new();
        let mut go_on = |step: &Step| {
            said.push_str(&step.text);
            if interrupt::requested() || self.end(&said).is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let started = Instant::now();
        let generation = block_on(self.decoder.generate(prompt, options, &mut go_on))?;
        let latency_ms = started.elapsed().as_secs_f64() * 1e3;
        if interrupt::requested() && generation.finish == Finish::Stopped {
            return Err(Fault::Interrupted);
        }
        self.cut.set(self.cut.get() + usize::from(generation.truncated_prompt));
        let text = &generation.text[..self.end(&generation.text).unwrap_or(generation.text.len())];
        let text = text.trim().to_owned();
        Ok(Answered { text, tokens_in: generation.tokens_in, tokens_out: generation.tokens_out, latency_ms })
    }
}

/// The text that `extract` takes from the task's context; its tokens are words.
fn extracted(task: &Task, extract: impl FnOnce(&str) -> String) -> Answered {
    let context = task.context.as_deref().unwrap_or(&task.prompt);
    let started = Instant::now();
    let text = extract(context);
    let latency_ms = started.elapsed().as_secs_f64() * 1e3;
    let words = |text: &str| text.split_whitespace().count();
    let (tokens_in, tokens_out) = (words(&task.prompt) + words(context), words(&text));
    Answered { text, tokens_in, tokens_out, latency_ms }
}
