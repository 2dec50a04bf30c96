//! The byte-level BPE tokenizer that a GGUF file carries in its metadata.

use std::collections::HashMap;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::{AddedToken, PreTokenizedString, PreTokenizer, TokenizerImpl};

use crate::error::{ModelError, Part, shorten};
use crate::gguf::Gguf;

/// Pre-tokenisers that split off each digit, then as GPT-2 (llama.cpp puts these in one group).
const SINGLE_DIGITS: [&str; 4] = ["smollm", "starcoder", "refact", "command-r"];
/// Pre-tokenisers that split as GPT-2.
const GPT2: [&str; 2] = ["gpt-2", "default"];

const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// A tokenizer of these parts alone, as for encoders; it has no normaliser.
type ByteTokenizer = TokenizerImpl<BPE, NFC, Splitter, ByteLevel, ByteLevel>;

/// Where texts are split before their pieces become tokens.
struct Splitter {
    /// Splits off each digit.
    digits: Option<Digits>,
    /// Splits as GPT-2, and writes bytes as printable characters.
    bytes: ByteLevel,
}

impl PreTokenizer for Splitter {
    fn pre_tokenize(&self, text: &mut PreTokenizedString) -> tokenizers::Result<()> {
        if let Some(digits) = &self.digits {
            digits.pre_tokenize(text)?;
        }
        self.bytes.pre_tokenize(text)
    }
}

/// Text to token ids and back, with what ends a text.
pub(super) struct DecoderTokenizer {
    tokenizer: ByteTokenizer,
    /// Id to text as in the vocabulary (bytes written as printable characters).
    tokens: Vec<String>,
    control: Vec<bool>,
    user_defined: Vec<bool>,
    bytes: HashMap<char, u8>,
    bos: Option<u32>,
    add_bos: bool,
    end_of_text: Vec<u32>,
}

impl DecoderTokenizer {
    pub(super) fn read(gguf: &Gguf<'_>) -> Result<Self, ModelError> {
        let model = gguf.text("tokenizer.ggml.model")?;
        if model != "gpt2" {
            return Err(ModelError::field(Part::Gguf, "tokenizer.ggml.model", model, "\"gpt2\" (byte-level BPE)"));
        }
        let tokens = gguf.texts("tokenizer.ggml.tokens")?;
        let kinds = match gguf.optional_integers("tokenizer.ggml.token_type")? {
            Some(kinds) if kinds.len() == tokens.len() => kinds,
            Some(kinds) => {
                let field = "tokenizer.ggml.token_type";
                let allowed = format!("{}, one per token", tokens.len());
                return Err(ModelError::field(Part::Gguf, field, format!("{} types", kinds.len()), allowed));
            }
            None => vec![1; tokens.len()],
        };
        let id = |key: &str| -> Result<Option<u32>, ModelError> {
            let last = u32::try_from(tokens.len().saturating_sub(1)).unwrap_or(u32::MAX);
            Ok(gguf.optional_count(key, 0..=last)?.map(|id| id as u32))
        };
        let bos = id("tokenizer.ggml.bos_token_id")?;
        let add_bos = gguf.optional_bool("tokenizer.ggml.add_bos_token")?.unwrap_or(false);
        if add_bos && bos.is_none() {
            return Err(ModelError::missing(Part::Gguf, "tokenizer.ggml.bos_token_id"));
        }
        let named = ["<|im_end|>", "<|endoftext|>"];
        let mut end_of_text: Vec<u32> = id("tokenizer.ggml.eos_token_id")?.into_iter().collect();
        end_of_text.extend((0..).zip(&tokens).filter(|(_, token)| named.contains(token)).map(|(id, _)| id));
        end_of_text.sort_unstable();
        end_of_text.dedup();

        Ok(Self {
            tokenizer: build(gguf, &tokens, &kinds)?,
            control: kinds.iter().map(|kind| *kind == CONTROL).collect(),
            user_defined: kinds.iter().map(|kind| *kind == USER_DEFINED).collect(),
            tokens: tokens.into_iter().map(str::to_owned).collect(),
            bytes: byte_characters(),
            bos,
            add_bos,
            end_of_text,
        })
    }

    /// The number of tokens; ids are below it.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn is_end(&self, id: u32) -> bool {
        self.end_of_text.contains(&id)
    }

    /// The text of the end-of-text and begin-of-text tokens, for chat templates.
    pub(super) fn token_text(&self, id: Option<u32>) -> &str {
        id.and_then(|id| self.tokens.get(id as usize)).map_or("", String::as_str)
    }

    pub(super) fn bos(&self) -> Option<u32> {
        self.bos
    }

    pub(super) fn eos(&self) -> Option<u32> {
        self.end_of_text.last().copied()
    }

    /// Token ids of a text. Names of control tokens in it become these tokens.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding =
            self.tokenizer.encode_fast(text, false).map_err(|error| ModelError::Tokenizer(error.to_string()))?;
        let mut ids = encoding.get_ids().to_vec();
        if let Some(bos) = self.bos.filter(|bos| self.add_bos && ids.first() != Some(bos)) {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    /// Appends the bytes that a token stands for; a control token stands for none.
    pub(super) fn push_bytes(&self, id: u32, bytes: &mut Vec<u8>) -> Result<(), ModelError> {
        let index = id as usize;
        let Some(token) = self.tokens.get(index) else {
            return Err(ModelError::argument("token id", id, format!("below {}", self.tokens.len())));
        };
        if self.control[index] {
            return Ok(());
        }
        let start = bytes.len();
        for character in token.chars() {
            match self.bytes.get(&character) {
                Some(byte) if !self.user_defined[index] => bytes.push(*byte),
                _ => {
                    // A token that was added by name is plain text, not bytes in disguise.
                    bytes.truncate(start);
                    bytes.extend_from_slice(token.as_bytes());
                    break;
                }
            }
        }
        Ok(())
    }
}

fn build(gguf: &Gguf<'_>, tokens: &[&str], kinds: &[i64]) -> Result<ByteTokenizer, ModelError> {
    let fault = |field: &str, seen: &str, allowed: &str| ModelError::field(Part::Gguf, field, seen, allowed);
    let merges: Option<Vec<(String, String)>> = gguf
        .texts("tokenizer.ggml.merges")?
        .into_iter()
        .map(|merge| merge.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())))
        .collect();
    let merges = merges
        .ok_or_else(|| fault("tokenizer.ggml.merges", "an entry without a space", "pairs with a space between them"))?;
    let vocabulary: Vocab = tokens.iter().zip(0..).map(|(token, id)| ((*token).to_owned(), id)).collect();
    if vocabulary.len() != tokens.len() {
        return Err(fault("tokenizer.ggml.tokens", "a list with duplicates", "tokens that are all different"));
    }
    let bpe = BPE::builder().vocab_and_merges(vocabulary, merges).build().map_err(|error| {
        let seen = shorten(&error.to_string());
        fault("tokenizer.ggml.merges", &seen, "merges of tokens in the vocabulary into tokens in the vocabulary")
    })?;

    let pre = gguf.optional_text("tokenizer.ggml.pre")?.unwrap_or("default");
    let digits = SINGLE_DIGITS.contains(&pre).then(|| Digits::new(true));
    if digits.is_none() && !GPT2.contains(&pre) {
        let allowed = format!("one of {SINGLE_DIGITS:?} or {GPT2:?}");
        return Err(fault("tokenizer.ggml.pre", pre, &allowed));
    }
    let add_space = gguf.optional_bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(false);

    let mut tokenizer = ByteTokenizer::new(bpe);
    tokenizer.with_pre_tokenizer(Some(Splitter { digits, bytes: ByteLevel::new(add_space, true, true) }));
    let added = |kind: i64, special: bool| {
        let chosen = tokens.iter().zip(kinds).filter(move |(token, seen)| **seen == kind && !token.is_empty());
        chosen.map(move |(token, _)| AddedToken::from(*token, special)).collect::<Vec<_>>()
    };
    let tokenizer_error = |error: tokenizers::Error| ModelError::Tokenizer(error.to_string());
    tokenizer.add_special_tokens(added(CONTROL, true)).map_err(tokenizer_error)?;
    tokenizer.add_tokens(added(USER_DEFINED, false)).map_err(tokenizer_error)?;
    Ok(tokenizer)
}

/// GPT-2's table: each byte as one printable character, those that are not printable moved up to U+0100 and on.
fn byte_characters() -> HashMap<char, u8> {
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
