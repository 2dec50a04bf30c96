//! Byte pair encoding: texts are changed, split, and the characters of each piece merged into tokens.

use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::split::Split;
use tokenizers::{AddedToken, NormalizedString, Normalizer, PreTokenizedString, PreTokenizer, TokenizerImpl};

use super::sentence_piece::SPACE;
use crate::error::ModelError;

/// How texts are changed before all else.
pub(super) enum Change {
    /// To Unicode's NFC.
    Nfc,
    /// Spaces are written as tokens have them.
    Spaces {
        /// A text begins with one.
        is_first: bool,
    },
}

impl Normalizer for Change {
    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        match self {
            Self::Nfc => NFC.normalize(text),
            Self::Spaces { is_first } => {
                let mut space = [0; SPACE.len_utf8()];
                let space = SPACE.encode_utf8(&mut space);
                text.replace(' ', space)?;
                if *is_first {
                    text.prepend(space);
                }
                Ok(())
            }
        }
    }
}

/// Where texts are split before their pieces become tokens.
pub(super) struct Splitter {
    pub digits: Option<Digits>,
    pub split: Option<Split>,
    /// Writes bytes as printable characters, and splits as GPT-2 where nothing else does.
    pub bytes: ByteLevel,
}

impl PreTokenizer for Splitter {
    fn pre_tokenize(&self, text: &mut PreTokenizedString) -> tokenizers::Result<()> {
        if let Some(digits) = &self.digits {
            digits.pre_tokenize(text)?;
        }
        if let Some(split) = &self.split {
            split.pre_tokenize(text)?;
        }
        self.bytes.pre_tokenize(text)
    }
}

/// A tokenizer of these parts alone: the library's own `Tokenizer` brings the code of every kind there is.
pub(super) struct Bpe(TokenizerImpl<BPE, Change, Splitter, ByteLevel, ByteLevel>);

impl Bpe {
    /// `found_first` are found in a text before all others, as it is written.
    pub(super) fn new(
        bpe: BPE,
        change: Option<Change>,
        splitter: Option<Splitter>,
        found_first: Vec<AddedToken>,
    ) -> Result<Self, ModelError> {
        let mut tokenizer = TokenizerImpl::new(bpe);
        tokenizer.with_pre_tokenizer(splitter);
        tokenizer.with_normalizer(change).map_err(internal)?;
        tokenizer.add_tokens(found_first).map_err(internal)?;
        Ok(Self(tokenizer))
    }

    /// Token ids of a text.
    pub(super) fn ids(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        Ok(self.0.encode_fast(text, false).map_err(internal)?.get_ids().to_vec())
    }
}

pub(super) fn internal(error: tokenizers::Error) -> ModelError {
    ModelError::Tokenizer(error.to_string())
}
