//! The byte-level BPE tokenizer that a GGUF file carries in its metadata.

use std::collections::HashMap;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::{AddedToken, PreTokenizedString, PreTokenizer, TokenizerImpl};

use super::chat::{NamedTokens, Rendered};
use super::control::{ControlTokens, Piece};
use crate::error::{ModelError, Part, shorten};
use crate::gguf::Gguf;

/// Pre-tokenisers that split off each digit, then as GPT-2 (llama.cpp puts these in one group).
const SINGLE_DIGITS: [&str; 4] = ["smollm", "starcoder", "refact", "command-r"];
/// Pre-tokenisers that split as GPT-2.
const GPT2: [&str; 2] = ["gpt-2", "default"];

/// Tokens that end a turn or a text, by the names that models give them.
const ENDS: [&str; 2] = ["<|im_end|>", "<|endoftext|>"];
/// Fields that name a token with a task of its own, whatever its type.
const OWN_TASK: [&str; 9] = ["bos", "eos", "eot", "eom", "unknown", "seperator", "separator", "padding", "mask"];

const NORMAL: i64 = 1;
const UNKNOWN: i64 = 2;
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
    control_tokens: ControlTokens,
    named: NamedTokens,
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
            None => vec![NORMAL; tokens.len()],
        };
        let id = |name: &str| -> Result<Option<u32>, ModelError> {
            let last = u32::try_from(tokens.len().saturating_sub(1)).unwrap_or(u32::MAX);
            Ok(gguf.optional_count(&format!("tokenizer.ggml.{name}_token_id"), 0..=last)?.map(|id| id as u32))
        };
        let bos = id("bos")?;
        let add_bos = gguf.optional_bool("tokenizer.ggml.add_bos_token")?.unwrap_or(false);
        if add_bos && bos.is_none() {
            return Err(ModelError::missing(Part::Gguf, "tokenizer.ggml.bos_token_id"));
        }
        let mut end_of_text: Vec<u32> = Vec::new();
        for name in ["eos", "eot", "eom"] {
            end_of_text.extend(id(name)?);
        }
        end_of_text.extend((0..).zip(&tokens).filter(|(_, token)| ENDS.contains(token)).map(|(id, _)| id));
        end_of_text.sort_unstable();
        end_of_text.dedup();

        let mut control: Vec<bool> = kinds.iter().map(|kind| [CONTROL, UNKNOWN].contains(kind)).collect();
        let mut own_task = end_of_text.clone();
        for name in OWN_TASK {
            own_task.extend(id(name)?);
        }
        // Some files name an ordinary token for lack of another.
        let is_marked =
            |id: usize| kinds[id] != NORMAL || tokens[id].starts_with(['<', '[']) && tokens[id].ends_with(['>', ']']);
        own_task.iter().map(|id| *id as usize).filter(|id| is_marked(*id)).for_each(|id| control[id] = true);
        let text = |id: Option<u32>| id.and_then(|id| tokens.get(id as usize)).map_or("", |text| text).to_owned();
        let named =
            NamedTokens { bos: text(bos), eos: text(id("eos")?), pad: text(id("padding")?), unk: text(id("unknown")?) };
        let control_tokens = (0..).zip(&tokens).zip(&control).filter(|(_, is_control)| **is_control);
        Ok(Self {
            tokenizer: build(gguf, &tokens, &kinds, &control)?,
            control_tokens: ControlTokens::new(control_tokens.map(|((id, text), _)| ((*text).to_owned(), id))),
            control: kinds.iter().map(|kind| *kind == CONTROL).collect(),
            named,
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

    /// The tokens that a chat template may name.
    pub(super) fn named(&self) -> &NamedTokens {
        &self.named
    }

    /// The tokens that only a chat template makes.
    pub(super) fn control_tokens(&self) -> &ControlTokens {
        &self.control_tokens
    }

    /// Token ids of a text, in which nothing is a control token.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        self.push_text(text, &mut ids)?;
        Ok(self.begun(ids))
    }

    /// Token ids of what a chat template made.
    pub(super) fn encode_rendered(&self, Rendered { text, veil }: &Rendered<'_>) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        for piece in self.control_tokens.split(text) {
            match piece {
                Piece::Text(text) => self.push_text(&veil.lifted(text), &mut ids)?,
                Piece::Control(id) => ids.push(id),
            }
        }
        Ok(self.begun(ids))
    }

    fn push_text(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), ModelError> {
        let encoding = self.tokenizer.encode_fast(text, false);
        ids.extend(encoding.map_err(|error| ModelError::Tokenizer(error.to_string()))?.get_ids());
        Ok(())
    }

    /// With the token that begins a text, where the file asks for it.
    fn begun(&self, mut ids: Vec<u32>) -> Vec<u32> {
        if let Some(bos) = self.bos.filter(|bos| self.add_bos && ids.first() != Some(bos)) {
            ids.insert(0, bos);
        }
        ids
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

fn build(gguf: &Gguf<'_>, tokens: &[&str], kinds: &[i64], control: &[bool]) -> Result<ByteTokenizer, ModelError> {
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
    // The library makes such tokens of their names in any text; so it is not told of those that are no text.
    let user_defined = tokens
        .iter()
        .zip(kinds)
        .zip(control)
        .filter(|((token, kind), is_control)| **kind == USER_DEFINED && !**is_control && !token.is_empty());
    let added: Vec<AddedToken> = user_defined.map(|((token, _), _)| AddedToken::from(*token, false)).collect();
    tokenizer.add_tokens(added).map_err(|error| ModelError::Tokenizer(error.to_string()))?;
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
