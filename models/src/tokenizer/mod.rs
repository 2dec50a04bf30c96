//! Texts to token ids and back.

mod bpe;
mod byte_bpe;
pub(crate) mod control;
pub(crate) mod encoder;
mod sentence_piece;
pub(crate) mod vocabulary;

/// Tokens that a template may name, by their text; empty where a vocabulary lacks one.
#[derive(Debug, Clone, Default)]
pub(crate) struct NamedTokens {
    pub bos: String,
    pub eos: String,
    pub pad: String,
    pub unk: String,
}
