//! The families of encoders: what each has of its own, as data. All else is [`super::body::Body`].

mod bert;
mod deberta_v2;
mod distilbert;
mod mpnet;
mod roberta;

use super::head::HeadSpec;
use super::relative::Relative;
use crate::error::ModelError;
use crate::tokenizer::encoder::{self as tokenizer, TokenizerKind};

/// Which families an encoder may be of. What is not among them is not linked, so that a page need not load it.
#[derive(Debug)]
pub struct Families {
    pub(super) specs: &'static [&'static Spec],
    pub(super) tokenizers: &'static [&'static TokenizerKind],
}

impl Families {
    /// All that are known here: BERT, DistilBERT, RoBERTa, MPNet, and DeBERTa in its versions 2 and 3.
    pub const ALL: &'static Self = &Self {
        specs: &[&bert::SPEC, &distilbert::SPEC, &roberta::SPEC, &mpnet::SPEC, &deberta_v2::SPEC],
        tokenizers: &[&tokenizer::WORD_PIECE, &tokenizer::BYTE_PAIRS, &tokenizer::UNIGRAM],
    };

    /// BERT alone.
    pub const BERT: &'static Self = &Self { specs: &[&bert::SPEC], tokenizers: &[&tokenizer::WORD_PIECE] };

    /// BERT and MPNet: those of the known encoders, which a page loads.
    pub const PAGE: &'static Self =
        &Self { specs: &[&bert::SPEC, &mpnet::SPEC], tokenizers: &[&tokenizer::WORD_PIECE] };
}

/// What a family has of its own.
#[derive(Debug)]
pub(super) struct Spec {
    /// In `config.json`.
    pub model_type: &'static str,
    /// What the names of its classes in the Python library transformers begin with, for files without `model_type`.
    pub class: &'static str,
    pub layer: LayerNames,
    /// Where in the table of positions the first token of a text is.
    pub first_position: FirstPosition,
    /// Whether the two texts of a pair are told apart by an embedding.
    pub types: Types,
    /// Of layer normalisation, where a file does not say.
    pub epsilon: f64,
    /// What only this family's `config.json` says.
    pub own: fn(config: &[u8]) -> Result<Own, ModelError>,
    /// How a text or a pair is classified.
    pub head: HeadSpec,
}

/// Names of a layer's tensors.
#[derive(Debug)]
pub(super) struct LayerNames {
    /// Before the layer's number.
    pub before: &'static str,
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    pub attention_output: &'static str,
    pub attention_norm: &'static str,
    pub intermediate: &'static str,
    pub output: &'static str,
    pub output_norm: &'static str,
}

/// Names of BERT and of those that follow it.
const BERT_LAYER: LayerNames = LayerNames {
    before: "encoder.layer",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    intermediate: "intermediate.dense",
    output: "output.dense",
    output_norm: "output.LayerNorm",
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstPosition {
    /// At its beginning.
    Zero,
    /// After the one with the number of the padding token.
    AfterPadding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Types {
    /// `type_vocab_size` says how many there are.
    Always,
    /// There may be none.
    WhereAny,
    Never,
}

/// What only one family's `config.json` says.
#[derive(Debug)]
pub(super) struct Own {
    /// How distances between tokens are counted; none is not at all.
    pub relative: Option<Box<dyn Relative>>,
    /// Whether a token's place in its text is added to its embedding.
    pub has_positions: bool,
}

/// Of families whose `config.json` says no more than the others'.
fn nothing(_config: &[u8]) -> Result<Own, ModelError> {
    Ok(Own { relative: None, has_positions: true })
}
