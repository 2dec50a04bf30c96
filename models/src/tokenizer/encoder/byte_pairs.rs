//! Bytes, merged in pairs: RoBERTa's tokenizer.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::{Pieces, malformed, only, refused};
use crate::error::ModelError;

#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum Split {
    ByteLevel {
        add_prefix_space: bool,
        #[serde(default = "is_so")]
        trim_offsets: bool,
        #[serde(default = "is_so")]
        use_regex: bool,
    },
    Sequence {
        pretokenizers: Vec<Split>,
    },
}

fn is_so() -> bool {
    true
}

/// The file's `model`.
#[derive(Deserialize)]
pub(super) struct BytePairs {
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    vocab: BTreeMap<String, u32>,
    merges: Vec<Merge>,
}

/// Newer files have pairs.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

impl Pieces for BytePairs {
    /// None is known.
    type Change = IgnoredAny;
    type Split = Split;
    type Normalizer = BertNormalizer;
    type PreTokenizer = ByteLevel;
    type Model = BPE;

    fn unknown(&self) -> Option<&str> {
        self.unk_token.as_deref()
    }

    fn has(&self, token: &str) -> bool {
        self.vocab.contains_key(token)
    }

    fn highest(&self) -> u32 {
        self.vocab.values().copied().max().unwrap_or(0)
    }

    fn normalizer(_change: IgnoredAny) -> Result<BertNormalizer, ModelError> {
        refused("normalizer", "a step", "null, for a BPE")
    }

    fn pre_tokenizer(split: Split) -> Result<ByteLevel, ModelError> {
        match split {
            Split::Sequence { pretokenizers } => Self::pre_tokenizer(only("pre_tokenizer", pretokenizers)?),
            Split::ByteLevel { use_regex: false, .. } => refused("pre_tokenizer.use_regex", "false", "true"),
            Split::ByteLevel { add_prefix_space, trim_offsets, use_regex } => {
                Ok(ByteLevel::new(add_prefix_space, trim_offsets, use_regex))
            }
        }
    }

    /// Names of special tokens are split at their brackets.
    fn model(self, _splitter: &ByteLevel, _special: &[String]) -> Result<BPE, ModelError> {
        let Self { unk_token, continuing_subword_prefix, end_of_word_suffix, byte_fallback, vocab, merges } = self;
        for (field, text) in [
            ("model.continuing_subword_prefix", continuing_subword_prefix),
            ("model.end_of_word_suffix", end_of_word_suffix),
        ] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                return refused(field, &text, "none");
            }
        }
        if byte_fallback {
            return refused("model.byte_fallback", "true", "false");
        }
        let merges = merges.into_iter().map(|merge| match merge {
            Merge::Pair(left, right) => Ok((left, right)),
            Merge::Line(line) => match line.split_once(' ') {
                Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
                None => refused("model.merges", &line, "pairs with a space between them"),
            },
        });
        let merges = merges.collect::<Result<Vec<_>, _>>()?;
        let mut model = BPE::builder().vocab_and_merges(vocab.into_iter().collect::<Vocab>(), merges);
        if let Some(unknown) = unk_token {
            model = model.unk_token(unknown);
        }
        model.build().map_err(|error| malformed(&error))
    }
}
