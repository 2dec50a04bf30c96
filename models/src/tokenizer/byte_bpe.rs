//! Byte-level BPE: texts are split, and the bytes of each piece are merged into tokens.

use std::collections::HashMap;

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

use super::bpe::{Bpe, Change, Splitter, internal};
use super::vocabulary::Vocabulary;
use crate::error::{ModelError, Part, shorten};
use crate::format::gguf::Gguf;

/// How texts are split, by the names of `tokenizer.ggml.pre`.
struct Pre {
    names: &'static [&'static str],
    /// Digits are pieces of their own, before all else.
    has_single_digits: bool,
    /// What pieces look like; none is GPT-2's, which the library has.
    pattern: Option<&'static str>,
    /// Texts are normalised to NFC first.
    is_nfc: bool,
    /// A piece that is a token is one, whatever merges make of it.
    keeps_whole: bool,
    /// Texts begin with a token of its own, where the file does not say otherwise.
    adds_bos: bool,
}

const GPT2: Pre = Pre {
    names: &["gpt-2", "default"],
    has_single_digits: false,
    pattern: None,
    is_nfc: false,
    keeps_whole: false,
    adds_bos: false,
};

/// Words with what precedes them, digits by `$digits`, runs of signs, blanks.
macro_rules! words {
    ($digits:literal) => {
        concat!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|",
            $digits,
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        )
    };
}

const PRES: [Pre; 4] = [
    GPT2,
    Pre { names: &["smollm", "starcoder", "refact", "command-r"], has_single_digits: true, ..GPT2 },
    Pre { names: &["qwen2"], pattern: Some(words!(r"\p{N}")), is_nfc: true, ..GPT2 },
    Pre {
        names: &["llama-bpe", "llama3", "llama-v3"],
        pattern: Some(words!(r"\p{N}{1,3}")),
        keeps_whole: true,
        adds_bos: true,
        ..GPT2
    },
];

/// The tokenizer of a file, with whether texts begin with a token of their own where the file does not say.
pub(super) fn read(gguf: &Gguf<'_>, vocabulary: &Vocabulary<'_>) -> Result<(Bpe, bool), ModelError> {
    let fault = |field: &str, seen: &str, allowed: &str| ModelError::field(Part::Gguf, field, seen, allowed);
    let name = gguf.optional_text("tokenizer.ggml.pre")?.unwrap_or("default");
    let pre = PRES.into_iter().find(|pre| pre.names.contains(&name)).ok_or_else(|| {
        let names: Vec<String> = PRES.iter().flat_map(|pre| pre.names).map(|name| format!("\"{name}\"")).collect();
        fault("tokenizer.ggml.pre", name, &format!("one of {}", names.join(", ")))
    })?;
    let merges: Option<Vec<(String, String)>> = gguf
        .texts("tokenizer.ggml.merges")?
        .into_iter()
        .map(|merge| merge.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())))
        .collect();
    let merges = merges
        .ok_or_else(|| fault("tokenizer.ggml.merges", "an entry without a space", "pairs with a space between them"))?;
    let bpe = BPE::builder().vocab_and_merges(vocabulary.ids()?, merges).ignore_merges(pre.keeps_whole).build();
    let bpe = bpe.map_err(|error| {
        let seen = shorten(&error.to_string());
        fault("tokenizer.ggml.merges", &seen, "merges of tokens in the vocabulary into tokens in the vocabulary")
    })?;

    let add_space = gguf.optional_bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(false);
    let split = pre.pattern.map(|pattern| {
        let pattern = SplitPattern::Regex(pattern.to_owned());
        Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(internal)
    });
    let splitter = Splitter {
        digits: pre.has_single_digits.then(|| Digits::new(true)),
        bytes: ByteLevel::new(add_space, true, pre.pattern.is_none()),
        split: split.transpose()?,
    };
    let change = pre.is_nfc.then_some(Change::Nfc);
    Ok((Bpe::new(bpe, change, Some(splitter), vocabulary.found_first())?, pre.adds_bos))
}

/// The bytes of a token that is written in `characters`; one that is not is text.
pub(super) fn bytes(token: &str, characters: &HashMap<char, u8>) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = token.chars().map(|character| characters.get(&character).copied()).collect();
    bytes.unwrap_or_else(|| token.as_bytes().to_vec())
}

/// GPT-2's table: each byte as one printable character, those that are not printable moved up to U+0100 and on.
pub(super) fn byte_characters() -> HashMap<char, u8> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let moved = (0..=255).filter(|byte| !printable(*byte)).zip('\u{100}'..);
    let same = (0..=255).filter(|byte| printable(*byte)).map(|byte| (byte, char::from(byte)));
    same.chain(moved).map(|(byte, character)| (character, byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_the_library_alphabet() {
        let table = byte_characters();
        assert_eq!(table.len(), 256);
        let alphabet = ByteLevel::alphabet();
        assert!(table.keys().all(|character| alphabet.contains(character)));
        assert_eq!(table.get(&'Ġ'), Some(&b' '));
        assert_eq!(table.get(&'Ċ'), Some(&b'\n'));
    }
}
