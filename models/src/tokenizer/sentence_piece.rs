//! SentencePiece's BPE: characters of a text, blanks among them, are merged into the tokens of the best scores; what is
//! no token is written in bytes.

use std::collections::HashMap;

use tokenizers::models::bpe::BPE;

use super::bpe::{Bpe, Change};
use super::vocabulary::{BYTE, NORMAL, Vocabulary};
use crate::error::{ModelError, Part, shorten};
use crate::format::gguf::Gguf;

/// Stands for a space.
pub(super) const SPACE: char = '▁';

/// The tokenizer of a file.
pub(super) fn read(gguf: &Gguf<'_>, vocabulary: &Vocabulary<'_>) -> Result<Bpe, ModelError> {
    let field = "tokenizer.ggml.scores";
    let scores = gguf.numbers(field)?;
    let tokens = &vocabulary.tokens;
    if scores.len() != tokens.len() {
        let seen = format!("{} scores", scores.len());
        return Err(ModelError::field(Part::Gguf, field, seen, format!("{}, one per token", tokens.len())));
    }
    if let Some(score) = scores.iter().find(|score| score.is_nan()) {
        return Err(ModelError::field(Part::Gguf, field, score, "numbers"));
    }
    let unknown = gguf.optional_count("tokenizer.ggml.unknown_token_id", 0..=u32::MAX)?;
    let mut bpe = BPE::builder().vocab_and_merges(vocabulary.ids()?, merges(vocabulary, &scores)).byte_fallback(true);
    if let Some(unknown) = unknown.and_then(|id| tokens.get(id)) {
        bpe = bpe.unk_token((*unknown).to_owned()).fuse_unk(true);
    }
    let bpe = bpe.build().map_err(|error| {
        let seen = shorten(&error.to_string());
        ModelError::field(Part::Gguf, "tokenizer.ggml.tokens", seen, "tokens that merge into one another")
    })?;
    let is_first = gguf.optional_bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    Bpe::new(bpe, Some(Change::Spaces { is_first }), None, vocabulary.found_first())
}

/// Each way to make a token of two others: tokens of better scores first, and among the ways of one token those with
/// the shorter left parts, as Hugging Face makes them of such files.
fn merges(vocabulary: &Vocabulary<'_>, scores: &[f64]) -> Vec<(String, String)> {
    let all = vocabulary.tokens.iter().zip(&vocabulary.kinds).zip(scores);
    let pieces: HashMap<&str, f64> =
        all.filter(|((_, kind), _)| **kind == NORMAL).map(|((token, _), score)| (*token, *score)).collect();
    let mut merges: Vec<(f64, &str, &str)> = Vec::new();
    for (piece, score) in &pieces {
        let parts = piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at));
        let parts = parts.filter(|(left, right)| pieces.contains_key(left) && pieces.contains_key(right));
        merges.extend(parts.map(|(left, right)| (*score, left, right)));
    }
    merges.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1.len(), a.1, a.2).cmp(&(b.1.len(), b.1, b.2))));
    merges.into_iter().map(|(_, left, right)| (left.to_owned(), right.to_owned())).collect()
}

/// The bytes of a token.
pub(super) fn bytes(token: &str, kind: i64) -> Vec<u8> {
    let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| kind == BYTE) {
        Some(byte) => vec![byte],
        None => token.replace(SPACE, " ").into_bytes(),
    }
}
