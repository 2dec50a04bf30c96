//! Language models as inference nodes.

use std::ops::ControlFlow;
use std::rc::Rc;

use poq_core::dataset::Task;
use poq_models::{Decoder, GenerateOptions, Generation, Message, ModelError, Prompt};
use web_time::Instant;

use super::{Answer, Node};
use crate::spec::DecoderSpec;
use crate::{Pending, milliseconds};

/// A decoder with its settings.
pub struct DecoderNode {
    decoder: Rc<Decoder>,
    settings: DecoderSpec<()>,
}

/// What a decoder is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request: a message, or a text to go on.
    pub prompt: Prompt,
    /// How it answers.
    pub options: GenerateOptions,
    /// Texts that end the answer, and are no part of it.
    pub stop: Vec<String>,
}

/// A message where the decoder has a template for them; a base model goes on with the text as it stands.
#[must_use]
pub fn asked(decoder: &Decoder, content: String) -> Prompt {
    match decoder.has_template() {
        true => Prompt::Messages(vec![Message { role: "user".into(), content }]),
        false => Prompt::Text(content),
    }
}

/// How far an answer is.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// Tokens of the prompt that are read, and in all.
    Reading {
        /// Read.
        done: usize,
        /// In all.
        of: usize,
    },
    /// A token more.
    Token {
        /// Whole characters; empty within one.
        text: &'a str,
        /// Tokens so far.
        tokens: usize,
        /// Since the beginning, in milliseconds.
        ms: f64,
    },
}

/// What a decoder answered.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The answer; its text ends before the first of the texts that end it.
    pub generation: Generation,
    /// Until the first token, in milliseconds.
    pub first_ms: f64,
    /// In all, in milliseconds.
    pub latency_ms: f64,
    /// Whether `watch` broke it off.
    pub is_broken_off: bool,
}

/// Answers, reading `part` tokens of the prompt at a time. `watch` is told how far it is and may break it off.
///
/// # Errors
/// As [`Decoder::begin`], and a device that fails.
pub async fn generate(
    decoder: &Decoder,
    asked: &Asked,
    part: usize,
    mut watch: impl AsyncFnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Generated, ModelError> {
    let started = Instant::now();
    let (mut said, mut tokens, mut first_ms) = (String::new(), 0, 0.0);
    let mut continuation = decoder.begin(&asked.prompt, &asked.options)?;
    let of = continuation.unread();
    let mut is_broken_off = false;
    while continuation.unread() > part && !is_broken_off {
        continuation.read(part).await?;
        is_broken_off = watch(Progress::Reading { done: of - continuation.unread(), of }).await.is_break();
    }
    let mut generation = loop {
        if is_broken_off || end(&said, &asked.stop).is_some() {
            break continuation.stop();
        }
        let Some(step) = continuation.step().await? else {
            break continuation.end();
        };
        said.push_str(&step.text);
        tokens += 1;
        let ms = milliseconds(started);
        if tokens == 1 {
            first_ms = ms;
        }
        is_broken_off = watch(Progress::Token { text: &step.text, tokens, ms }).await.is_break();
    };
    if let Some(end) = end(&generation.text, &asked.stop) {
        generation.text.truncate(end);
    }
    Ok(Generated { generation, first_ms, latency_ms: milliseconds(started), is_broken_off })
}

/// Where an answer ends before the end of `text`; blanks before it end nothing.
fn end(text: &str, stop: &[String]) -> Option<usize> {
    let begun = text.len() - text.trim_start().len();
    stop.iter().filter_map(|stop| text[begun..].find(stop)).min().map(|end| begun + end)
}

impl<M> DecoderSpec<M> {
    /// How it answers the `index`-th task (from 0) of its dataset.
    #[must_use]
    pub fn options(&self, index: usize, task: &Task) -> GenerateOptions {
        GenerateOptions {
            max_tokens: self.max_tokens(task.kind),
            temperature: self.temperature,
            seed: self.seed.wrapping_add(index as u64),
        }
    }
}

impl DecoderNode {
    /// A node of a decoder that has the spec's layers. It answers once unmeasured, so that no measured answer pays for
    /// first-use work, and so that a model whose template cannot take a request is refused before any answer is made.
    ///
    /// # Errors
    /// A template that cannot take a request, or a device that fails.
    pub async fn new<M>(decoder: Rc<Decoder>, spec: &DecoderSpec<M>) -> Result<Self, ModelError> {
        let options = GenerateOptions { max_tokens: 2, temperature: 0.0, seed: 0 };
        let first = Asked { prompt: asked(&decoder, "Hello".to_owned()), options, stop: Vec::new() };
        generate(&decoder, &first, usize::MAX, async |_| ControlFlow::Continue(())).await?;
        Ok(Self { decoder, settings: spec.settings() })
    }
}

impl Node for DecoderNode {
    fn answer<'a>(
        &'a self,
        index: usize,
        task: &'a Task,
        go_on: &'a dyn Fn() -> ControlFlow<()>,
    ) -> Pending<'a, Result<Option<Answer>, ModelError>> {
        Box::pin(async move {
            let asked = Asked {
                prompt: asked(&self.decoder, self.settings.request(task)),
                options: self.settings.options(index, task),
                stop: self.settings.stop.clone(),
            };
            let generated = generate(&self.decoder, &asked, usize::MAX, async |_| go_on()).await?;
            let Generated { generation, latency_ms, is_broken_off, .. } = generated;
            Ok((!is_broken_off).then(|| Answer {
                text: generation.text.trim().to_owned(),
                tokens_in: generation.tokens_in,
                tokens_out: generation.tokens_out,
                latency_ms,
                truncated_prompt: generation.truncated_prompt,
            }))
        })
    }

    fn max_tokens(&self) -> Option<usize> {
        Some(self.decoder.context_length())
    }
}
