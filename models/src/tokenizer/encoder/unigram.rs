//! SentencePiece's pieces of the best scores: the tokenizer of DeBERTa's version 3.

use serde::Deserialize;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Precompiled, Replace, Strip};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::{NormalizedString, Normalizer};

use super::{Pieces, charsmap, malformed, only, refused};
use crate::error::ModelError;

/// The file's `normalizer`.
#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum ChangeStep {
    Lowercase {},
    Strip { strip_left: bool, strip_right: bool },
    Precompiled { precompiled_charsmap: Option<String> },
    Replace { pattern: ReplacePattern, content: String },
    Sequence { normalizers: Vec<ChangeStep> },
}

/// The file's `pre_tokenizer`.
#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum Split {
    Metaspace {
        replacement: char,
        /// Of files older than `prepend_scheme`.
        add_prefix_space: Option<bool>,
        prepend_scheme: Option<PrependScheme>,
        #[serde(default = "is_so")]
        split: bool,
    },
    Sequence {
        pretokenizers: Vec<Split>,
    },
}

fn is_so() -> bool {
    true
}

/// How texts are changed before all else: one step after another.
pub(super) struct Change(Vec<Changed>);

enum Changed {
    Lowercase,
    Strip(Strip),
    Characters(Box<Precompiled>),
    Replace(Replace),
}

impl ChangeStep {
    fn append(self, steps: &mut Vec<Changed>) -> Result<(), ModelError> {
        steps.push(match self {
            Self::Sequence { normalizers } => {
                return normalizers.into_iter().try_for_each(|step| step.append(steps));
            }
            Self::Lowercase {} => Changed::Lowercase,
            Self::Strip { strip_left, strip_right } => Changed::Strip(Strip::new(strip_left, strip_right)),
            Self::Precompiled { precompiled_charsmap: None } => return Ok(()),
            Self::Precompiled { precompiled_charsmap: Some(table) } => {
                Changed::Characters(Box::new(charsmap::read(&table)?))
            }
            Self::Replace { pattern, content } => {
                Changed::Replace(Replace::new(pattern, content).map_err(|error| malformed(&error))?)
            }
        });
        Ok(())
    }
}

impl Normalizer for Change {
    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        self.0.iter().try_for_each(|step| match step {
            Changed::Lowercase => {
                text.lowercase();
                Ok(())
            }
            Changed::Strip(step) => step.normalize(text),
            Changed::Characters(step) => step.normalize(text),
            Changed::Replace(step) => step.normalize(text),
        })
    }
}

/// The file's `model`.
#[derive(Deserialize)]
pub(super) struct Unigrams {
    unk_id: Option<usize>,
    #[serde(default)]
    byte_fallback: bool,
    vocab: Vec<(String, f64)>,
}

impl Pieces for Unigrams {
    type Change = ChangeStep;
    type Split = Split;
    type Normalizer = Change;
    type PreTokenizer = Metaspace;
    type Model = Unigram;

    fn unknown(&self) -> Option<&str> {
        Some(&self.vocab.get(self.unk_id?)?.0)
    }

    fn has(&self, token: &str) -> bool {
        self.vocab.iter().any(|(piece, _)| piece == token)
    }

    fn highest(&self) -> u32 {
        self.vocab.len().saturating_sub(1) as u32
    }

    fn normalizer(change: ChangeStep) -> Result<Change, ModelError> {
        let mut steps = Vec::new();
        change.append(&mut steps)?;
        Ok(Change(steps))
    }

    fn pre_tokenizer(split: Split) -> Result<Metaspace, ModelError> {
        match split {
            Split::Sequence { pretokenizers } => Self::pre_tokenizer(only("pre_tokenizer", pretokenizers)?),
            Split::Metaspace { split: false, .. } => refused("pre_tokenizer.split", "false", "true"),
            Split::Metaspace { replacement, add_prefix_space, prepend_scheme, split } => {
                let scheme = match add_prefix_space {
                    Some(false) => PrependScheme::Never,
                    _ => prepend_scheme.unwrap_or(PrependScheme::Always),
                };
                Ok(Metaspace::new(replacement, scheme, split))
            }
        }
    }

    fn model(self, splitter: &Metaspace, special: &[String]) -> Result<Unigram, ModelError> {
        let space = splitter.get_replacement();
        let Self { unk_id, byte_fallback, mut vocab } = self;
        if let Some((piece, score)) = vocab.iter().find(|(piece, score)| piece.is_empty() || !score.is_finite()) {
            return refused("model.vocab", &format!("{piece:?} of score {score}"), "texts with finite scores");
        }
        // A name of a special token would be found in a text. No piece of a text has a space but at its beginning.
        for (piece, _) in &mut vocab {
            if special.contains(piece) {
                *piece = format!("{space}{piece}{space}");
            }
        }
        Unigram::from(vocab, unk_id, byte_fallback).map_err(|error| malformed(&error))
    }
}
