//! The generation loop.

use std::ops::ControlFlow;

use super::network::Memory;
use super::sampler::Sampler;
use super::text::TextStream;
use super::{Decoder, GenerateOptions, Prompt};
use crate::error::ModelError;

/// One token as it comes.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The token's id.
    pub token: u32,
    /// The text that is complete with this token: whole characters only, empty inside one and for control tokens.
    pub text: String,
    /// Best minus second-best logit: how clear the model's preference was (not the draw's, at a temperature).
    pub margin: f32,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model gave an end-of-text token.
    EndOfText,
    /// `max_tokens` were generated.
    MaxTokens,
    /// The caller asked to stop.
    Stopped,
    /// Prompt and answer fill the model's context.
    ContextFull,
}

/// A finished generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// The text, without the end-of-text token; a character left unfinished is U+FFFD.
    pub text: String,
    /// The tokens, without the end-of-text token.
    pub token_ids: Vec<u32>,
    /// Tokens of the prompt that the model read.
    pub tokens_in: usize,
    /// Tokens generated, without the end-of-text token.
    pub tokens_out: usize,
    /// Whether the front of the prompt was cut off to fit the context.
    pub truncated_prompt: bool,
    /// Why it ended.
    pub finish: Finish,
}

/// A text as it grows: one token at a time, so that whoever asks may do other things between two of them.
pub struct Continuation<'a> {
    decoder: &'a Decoder,
    sampler: Sampler,
    memory: Memory,
    stream: TextStream,
    /// Tokens to read before the next can be chosen: the prompt at first, then the last one chosen.
    unread: Vec<u32>,
    max_tokens: usize,
    generation: Generation,
    /// Whether `generation.finish` is decided.
    is_finished: bool,
}

impl Continuation<'_> {
    /// Tokens of the prompt that are not read yet; the next step reads them all.
    pub fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Reads so many tokens of the prompt, or all but the last, for a caller that does other things meanwhile. They are
    /// read when it returns, on a GPU too.
    ///
    /// # Errors
    /// A device that fails.
    pub async fn read(&mut self, tokens: usize) -> Result<(), ModelError> {
        let tokens = tokens.min(self.unread.len().saturating_sub(1));
        let rest = self.unread.split_off(tokens);
        let read = std::mem::replace(&mut self.unread, rest);
        self.decoder.network.remember(&read, &mut self.memory).await
    }

    /// The next token; none once the text has ended.
    ///
    /// # Errors
    /// Weights that give no finite numbers, or a device that fails.
    pub async fn step(&mut self) -> Result<Option<Step>, ModelError> {
        if self.is_finished {
            return Ok(None);
        }
        let tokenizer = &self.decoder.tokenizer;
        let scores = self.decoder.network.next_scores(&self.unread, &mut self.memory).await?;
        let choice = self.sampler.choose(&scores);
        if tokenizer.is_end(choice.token) {
            self.finish(Finish::EndOfText);
            return Ok(None);
        }
        let text = self.stream.push(choice.token, tokenizer)?;
        self.unread = vec![choice.token];
        self.generation.token_ids.push(choice.token);
        self.generation.text.push_str(&text);
        if self.generation.token_ids.len() == self.max_tokens {
            self.finish(Finish::MaxTokens);
        } else if self.memory.len() == self.decoder.context_length() {
            self.finish(Finish::ContextFull);
        }
        Ok(Some(Step { token: choice.token, text, margin: choice.margin }))
    }

    fn finish(&mut self, finish: Finish) {
        self.generation.finish = finish;
        self.is_finished = true;
    }

    /// Ends the text where it stands.
    pub fn stop(mut self) -> Generation {
        self.finish(Finish::Stopped);
        self.end()
    }

    /// The text so far; [`Finish::Stopped`] if it has not ended.
    pub fn end(mut self) -> Generation {
        self.generation.text.push_str(&self.stream.finish());
        self.generation.tokens_out = self.generation.token_ids.len();
        self.generation
    }
}

impl Decoder {
    /// Begins to continue `prompt`; nothing is computed yet.
    ///
    /// A prompt that leaves no room in the context is cut from the front, so that `max_tokens` fit, or half the
    /// context where `max_tokens` is more.
    ///
    /// # Errors
    /// Options out of range, a prompt without tokens, or a chat template that fails.
    pub fn begin(&self, prompt: &Prompt, options: &GenerateOptions) -> Result<Continuation<'_>, ModelError> {
        if options.max_tokens == 0 {
            return Err(ModelError::argument("max_tokens", 0, "1 or more"));
        }
        let sampler = Sampler::new(options)?;
        let mut ids = self.encode(prompt)?;
        if ids.is_empty() {
            return Err(ModelError::argument("prompt", "empty", "a text of at least one token"));
        }
        let context = self.context_length();
        let truncated_prompt = ids.len() >= context;
        if truncated_prompt {
            let room = options.max_tokens.min(context / 2).max(1);
            ids.drain(..ids.len() - (context - room));
        }
        let tokens_in = ids.len();
        let generation = Generation {
            text: String::new(),
            token_ids: Vec::new(),
            tokens_in,
            tokens_out: 0,
            truncated_prompt,
            finish: Finish::Stopped,
        };
        Ok(Continuation {
            decoder: self,
            sampler,
            memory: self.network.memory(tokens_in + options.max_tokens),
            stream: TextStream::default(),
            unread: ids,
            max_tokens: options.max_tokens,
            generation,
            is_finished: false,
        })
    }

    /// Continues `prompt` to its end, token by token; `on_token` sees each and may stop it. The prompt is cut as by
    /// [`Self::begin`].
    ///
    /// # Errors
    /// As [`Self::begin`] and [`Continuation::step`].
    pub async fn generate(
        &self,
        prompt: &Prompt,
        options: &GenerateOptions,
        on_token: &mut dyn FnMut(&Step) -> ControlFlow<()>,
    ) -> Result<Generation, ModelError> {
        let mut continuation = self.begin(prompt, options)?;
        while let Some(step) = continuation.step().await? {
            if on_token(&step).is_break() {
                return Ok(continuation.stop());
            }
        }
        Ok(continuation.end())
    }
}
