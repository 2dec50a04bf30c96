//! The longest pieces of words: BERT's tokenizer.

use std::collections::BTreeMap;

use serde::Deserialize;
use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

use super::{Pieces, malformed, only, refused};
use crate::error::ModelError;

#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum Change {
    BertNormalizer { clean_text: bool, handle_chinese_chars: bool, strip_accents: Option<bool>, lowercase: bool },
    Sequence { normalizers: Vec<Change> },
}

#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum Split {
    BertPreTokenizer {},
    Sequence { pretokenizers: Vec<Split> },
}

/// The file's `model`.
#[derive(Deserialize)]
pub(super) struct WordPieces {
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    vocab: BTreeMap<String, u32>,
}

impl Pieces for WordPieces {
    type Change = Change;
    type Split = Split;
    type Normalizer = BertNormalizer;
    type PreTokenizer = BertPreTokenizer;
    type Model = WordPiece;

    fn unknown(&self) -> Option<&str> {
        Some(&self.unk_token)
    }

    fn has(&self, token: &str) -> bool {
        self.vocab.contains_key(token)
    }

    fn highest(&self) -> u32 {
        self.vocab.values().copied().max().unwrap_or(0)
    }

    fn normalizer(change: Change) -> Result<BertNormalizer, ModelError> {
        match change {
            Change::Sequence { normalizers } => Self::normalizer(only("normalizer", normalizers)?),
            Change::BertNormalizer { clean_text, handle_chinese_chars, strip_accents, lowercase } => {
                Ok(BertNormalizer::new(clean_text, handle_chinese_chars, strip_accents, lowercase))
            }
        }
    }

    fn pre_tokenizer(split: Split) -> Result<BertPreTokenizer, ModelError> {
        match split {
            Split::Sequence { pretokenizers } => Self::pre_tokenizer(only("pre_tokenizer", pretokenizers)?),
            Split::BertPreTokenizer {} => Ok(BertPreTokenizer),
        }
    }

    /// Names of special tokens are split at their brackets.
    fn model(self, _splitter: &BertPreTokenizer, _special: &[String]) -> Result<WordPiece, ModelError> {
        let Self { unk_token, continuing_subword_prefix, max_input_chars_per_word, vocab } = self;
        if !vocab.contains_key(&unk_token) {
            return refused("model.unk_token", &unk_token, "a word of the vocabulary");
        }
        let model = WordPiece::builder()
            .vocab(vocab.into_iter().collect::<Vocab>())
            .unk_token(unk_token)
            .continuing_subword_prefix(continuing_subword_prefix)
            .max_input_chars_per_word(max_input_chars_per_word)
            .build();
        model.map_err(|error| malformed(&error))
    }
}
