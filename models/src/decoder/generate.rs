//! The generation loop.

use std::ops::ControlFlow;

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
    /// The caller's `on_token` asked to stop.
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

impl Decoder {
    /// Continues `prompt`, token by token; `on_token` sees each and may stop it.
    ///
    /// A prompt that leaves no room in the context is cut from the front, so that `max_tokens` fit, or half the
    /// context where `max_tokens` is more.
    ///
    /// # Errors
    /// Options out of range, a prompt without tokens, a chat template that fails, weights that give no finite
    /// numbers, or a device that fails.
    pub async fn generate(
        &self,
        prompt: &Prompt,
        options: &GenerateOptions,
        on_token: &mut dyn FnMut(&Step) -> ControlFlow<()>,
    ) -> Result<Generation, ModelError> {
        if options.max_tokens == 0 {
            return Err(ModelError::argument("max_tokens", 0, "1 or more"));
        }
        let mut sampler = Sampler::new(options)?;
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

        let mut memory = self.network.memory();
        let mut stream = TextStream::default();
        let mut text = String::new();
        let mut token_ids = Vec::new();
        let mut scores = self.network.next_scores(&ids, &mut memory).await?;
        let finish = loop {
            let choice = sampler.choose(&scores);
            if self.tokenizer.is_end(choice.token) {
                break Finish::EndOfText;
            }
            token_ids.push(choice.token);
            let step =
                Step { token: choice.token, text: stream.push(choice.token, &self.tokenizer)?, margin: choice.margin };
            text.push_str(&step.text);
            if on_token(&step).is_break() {
                break Finish::Stopped;
            }
            if token_ids.len() == options.max_tokens {
                break Finish::MaxTokens;
            }
            if memory.len() == context {
                break Finish::ContextFull;
            }
            scores = self.network.next_scores(&[choice.token], &mut memory).await?;
        };
        text.push_str(&stream.finish());
        Ok(Generation { text, tokens_in: ids.len(), tokens_out: token_ids.len(), token_ids, truncated_prompt, finish })
    }
}
