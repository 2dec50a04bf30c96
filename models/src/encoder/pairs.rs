//! Pairs of texts as tokens, for whoever trains a cross encoder.

use super::Families;
use super::config::{CROSS_ENCODER, EncoderConfig};
use crate::error::ModelError;
use crate::tokenizer::encoder::{Encoded, EncoderTokenizer};

/// The tokenizer of a BERT, which joins pairs as [`super::CrossEncoder`] does.
pub struct PairTokenizer {
    tokenizer: EncoderTokenizer,
    max_tokens: usize,
}

/// A pair as a network reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairTokens {
    /// At least those around the texts, and [`PairTokenizer::max_tokens`] at most.
    pub ids: Vec<u32>,
    /// Which text each belongs to: 0 or 1.
    pub types: Vec<u32>,
    /// Whether an end was cut off to fit, the longer text's first.
    pub truncated: bool,
}

impl PairTokenizer {
    /// Reads `config.json` and `tokenizer.json`; pairs are cut to `max_tokens`, or to the model's positions where these
    /// are fewer.
    ///
    /// # Errors
    /// A file that is damaged, a family other than BERT, a tokenizer that does not say how pairs are joined, or
    /// `max_tokens` too few for a pair.
    pub fn read(config_json: &[u8], tokenizer_json: &[u8], max_tokens: usize) -> Result<Self, ModelError> {
        let families = Families::BERT;
        let config = EncoderConfig::read(config_json, families, CROSS_ENCODER)?;
        config.check_is_cross_encoder()?;
        let max_tokens = max_tokens.min(config.max_tokens);
        let tokenizer = EncoderTokenizer::read(tokenizer_json, families.tokenizers, max_tokens, config.vocabulary)?;
        let least = tokenizer.around_pairs()? + 2;
        if max_tokens < least {
            let allowed = format!("{least} at least: a pair and what is around it");
            return Err(ModelError::argument("max_tokens", max_tokens.to_string(), allowed));
        }
        config.check_types(&tokenizer)?;
        Ok(Self { tokenizer, max_tokens })
    }

    /// Tokens that are read of a pair at most.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// The tokens of a pair.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub fn encode(&self, first: &str, second: &str) -> Result<PairTokens, ModelError> {
        let Encoded { ids, types, truncated } = self.tokenizer.encode((first, second))?;
        Ok(PairTokens { ids, types, truncated })
    }
}
