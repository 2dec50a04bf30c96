//! The vocabulary that a GGUF file carries in its metadata, and how texts become its tokens.

use tokenizers::AddedToken;
use tokenizers::models::bpe::Vocab;

use super::bpe::Bpe;
use super::control::{ControlTokens, Piece, Rendered};
use super::{NamedTokens, byte_bpe, sentence_piece};
use crate::error::{ModelError, Part};
use crate::format::gguf::Gguf;

/// Tokens that end a turn or a text, by the names that models give them.
const ENDS: [&str; 7] =
    ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<end_of_turn>", "<|end|>"];
/// Fields that name a token with a task of its own, whatever its type.
const OWN_TASK: [&str; 9] = ["bos", "eos", "eot", "eom", "unknown", "seperator", "separator", "padding", "mask"];

/// What a token is for, by the numbers of `tokenizer.ggml.token_type`.
pub(super) const NORMAL: i64 = 1;
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
pub(super) const BYTE: i64 = 6;

/// A file's tokens by their ids.
pub(super) struct Vocabulary<'a> {
    pub tokens: Vec<&'a str>,
    pub kinds: Vec<i64>,
    /// Whether only a chat template makes a token.
    is_control: Vec<bool>,
}

impl<'a> Vocabulary<'a> {
    fn read(gguf: &'a Gguf<'_>) -> Result<Self, ModelError> {
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
        let is_control = kinds.iter().map(|kind| [CONTROL, UNKNOWN].contains(kind)).collect();
        Ok(Self { tokens, kinds, is_control })
    }

    /// Each token's id, as the library wants it.
    pub(super) fn ids(&self) -> Result<Vocab, ModelError> {
        let ids: Vocab = self.tokens.iter().zip(0..).map(|(token, id)| ((*token).to_owned(), id)).collect();
        if ids.len() == self.tokens.len() {
            return Ok(ids);
        }
        let (seen, allowed) = ("a list with duplicates", "tokens that are all different");
        Err(ModelError::field(Part::Gguf, "tokenizer.ggml.tokens", seen, allowed))
    }

    /// Tokens that are found in a text before all others, as it is written. The library makes such tokens of their
    /// names in any text; so it is not told of those that are no text.
    pub(super) fn found_first(&self) -> Vec<AddedToken> {
        let all = self.tokens.iter().zip(&self.kinds).zip(&self.is_control);
        let found =
            all.filter(|((token, kind), is_control)| **kind == USER_DEFINED && !**is_control && !token.is_empty());
        found.map(|((token, _), _)| AddedToken::from(*token, false).normalized(false)).collect()
    }
}

/// Text to token ids and back, with what ends a text.
pub(crate) struct DecoderTokenizer {
    tokenizer: Bpe,
    /// What tokens stand for, one after another; a control token for nothing.
    bytes: Vec<u8>,
    /// Where each begins, by id, and where the last ends.
    begins: Vec<u32>,
    control_tokens: ControlTokens,
    named: NamedTokens,
    bos: Option<u32>,
    add_bos: bool,
    end_of_text: Vec<u32>,
    /// Control tokens take the blanks after them with them: all but these.
    keep_blanks: Option<Vec<u32>>,
}

impl DecoderTokenizer {
    pub(crate) fn read(gguf: &Gguf<'_>) -> Result<Self, ModelError> {
        let mut vocabulary = Vocabulary::read(gguf)?;
        let id = |name: &str| -> Result<Option<u32>, ModelError> {
            let last = u32::try_from(vocabulary.tokens.len().saturating_sub(1)).unwrap_or(u32::MAX);
            Ok(gguf.optional_count(&format!("tokenizer.ggml.{name}_token_id"), 0..=last)?.map(|id| id as u32))
        };
        let mut end_of_text: Vec<u32> = Vec::new();
        for name in ["eos", "eot", "eom"] {
            end_of_text.extend(id(name)?);
        }
        let with_names = |names: &[&str]| -> Vec<u32> {
            (0..).zip(&vocabulary.tokens).filter(|(_, token)| names.contains(token)).map(|(id, _)| id).collect()
        };
        end_of_text.extend(with_names(&ENDS));
        end_of_text.sort_unstable();
        end_of_text.dedup();

        let mut own_task = end_of_text.clone();
        for name in OWN_TASK {
            own_task.extend(id(name)?);
        }
        let bos = id("bos")?;
        let text =
            |id: Option<u32>| id.and_then(|id| vocabulary.tokens.get(id as usize)).map_or("", |text| text).to_owned();
        let named =
            NamedTokens { bos: text(bos), eos: text(id("eos")?), pad: text(id("padding")?), unk: text(id("unknown")?) };
        // As its makers' own tokenizer does.
        let keep_blanks = (gguf.optional_text("general.architecture")? == Some("phi3"))
            .then(|| with_names(&["<unk>", "<s>", "<|endoftext|>"]));
        for id in own_task.into_iter().map(|id| id as usize) {
            // Some files name an ordinary token for lack of another.
            let token = vocabulary.tokens[id];
            let is_marked = token.starts_with(['<', '[']) && token.ends_with(['>', ']']);
            vocabulary.is_control[id] |= is_marked || vocabulary.kinds[id] != NORMAL;
        }

        let is_sentence_piece = match gguf.text("tokenizer.ggml.model")? {
            "gpt2" => false,
            "llama" => true,
            other => {
                let allowed = "\"gpt2\" (byte-level BPE) or \"llama\" (SentencePiece)";
                return Err(ModelError::field(Part::Gguf, "tokenizer.ggml.model", other, allowed));
            }
        };
        let (tokenizer, adds_bos) = match is_sentence_piece {
            true => (sentence_piece::read(gguf, &vocabulary)?, true),
            false => byte_bpe::read(gguf, &vocabulary)?,
        };
        let add_bos = gguf.optional_bool("tokenizer.ggml.add_bos_token")?.unwrap_or(adds_bos && bos.is_some());
        if add_bos && bos.is_none() {
            return Err(ModelError::missing(Part::Gguf, "tokenizer.ggml.bos_token_id"));
        }
        let Vocabulary { tokens, kinds, is_control } = vocabulary;
        let characters = byte_bpe::byte_characters();
        let (mut bytes, mut begins) = (Vec::new(), vec![0]);
        for (token, kind) in tokens.iter().zip(&kinds) {
            match *kind {
                CONTROL => {}
                // A token that was added by name is plain text, not bytes in disguise.
                USER_DEFINED => bytes.extend_from_slice(token.as_bytes()),
                kind if is_sentence_piece => bytes.extend(sentence_piece::bytes(token, kind)),
                _ => bytes.extend(byte_bpe::bytes(token, &characters)),
            }
            begins.push(u32::try_from(bytes.len()).map_err(|_| {
                ModelError::field(Part::Gguf, "tokenizer.ggml.tokens", "longer than 4 GiB", "less than 4 GiB in all")
            })?);
        }
        let control_tokens = (0..).zip(&tokens).zip(&is_control).filter(|(_, is_control)| **is_control);
        Ok(Self {
            bytes,
            begins,
            control_tokens: ControlTokens::new(control_tokens.map(|((id, text), _)| ((*text).to_owned(), id))),
            tokenizer,
            named,
            bos,
            add_bos,
            end_of_text,
            keep_blanks,
        })
    }

    /// The number of tokens; ids are below it.
    pub(crate) fn len(&self) -> usize {
        self.begins.len() - 1
    }

    pub(crate) fn is_end(&self, id: u32) -> bool {
        self.end_of_text.contains(&id)
    }

    /// The tokens that a chat template may name.
    pub(crate) fn named(&self) -> &NamedTokens {
        &self.named
    }

    /// The tokens that only a chat template makes.
    pub(crate) fn control_tokens(&self) -> &ControlTokens {
        &self.control_tokens
    }

    /// Token ids of a text, in which nothing is a control token.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        Ok(self.begun(self.tokenizer.ids(text)?))
    }

    /// Token ids of what a chat template made.
    pub(crate) fn encode_rendered(&self, Rendered { text, veil }: &Rendered<'_>) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        let mut drops_blanks = false;
        for piece in self.control_tokens.split(text) {
            match piece {
                Piece::Text(text) => {
                    let text = if drops_blanks { text.trim_start() } else { text };
                    ids.extend(self.tokenizer.ids(&veil.lifted(text))?);
                    drops_blanks = false;
                }
                Piece::Control(id) => {
                    ids.push(id);
                    drops_blanks = self.keep_blanks.as_ref().is_some_and(|keep| !keep.contains(&id));
                }
            }
        }
        Ok(self.begun(ids))
    }

    /// With the token that begins a text, where the file asks for it.
    fn begun(&self, mut ids: Vec<u32>) -> Vec<u32> {
        if let Some(bos) = self.bos.filter(|bos| self.add_bos && ids.first() != Some(bos)) {
            ids.insert(0, bos);
        }
        ids
    }

    /// Appends the bytes that a token stands for; a control token stands for none.
    pub(crate) fn push_bytes(&self, id: u32, bytes: &mut Vec<u8>) -> Result<(), ModelError> {
        let ends = (self.begins.get(id as usize), self.begins.get(id as usize + 1));
        let token = match ends {
            (Some(start), Some(end)) => self.bytes.get(*start as usize..*end as usize),
            _ => None,
        };
        let token = token.ok_or_else(|| ModelError::argument("token id", id, format!("below {}", self.len())))?;
        bytes.extend_from_slice(token);
        Ok(())
    }
}
