//! The tokens around a text or a pair of texts.

use std::collections::HashMap;

use serde::Deserialize;
use tokenizers::{Encoding, PostProcessor as LibraryProcessor};

use super::{only, refused};
use crate::error::ModelError;

/// What templates for pairs may be.
pub(super) const PAIRS: &str = "one token, the first text, one token, or two where all are of type 0, the second text, of type \
                                1 where there is one, and the last token again";

/// The file's `post_processor`.
#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum PostProcessor {
    TemplateProcessing {
        single: Vec<Piece>,
        #[serde(default)]
        pair: Vec<Piece>,
        special_tokens: HashMap<String, SpecialToken>,
    },
    BertProcessing {
        sep: NamedToken,
        cls: NamedToken,
    },
    RobertaProcessing {
        sep: NamedToken,
        cls: NamedToken,
    },
    Sequence {
        processors: Vec<PostProcessor>,
    },
}

#[derive(Deserialize, PartialEq, Eq)]
pub(super) enum Piece {
    SpecialToken {
        id: String,
        #[serde(default)]
        type_id: u32,
    },
    Sequence {
        #[serde(default)]
        id: Text,
        #[serde(default)]
        type_id: u32,
    },
}

/// Which of two texts.
#[derive(Deserialize, Default, PartialEq, Eq)]
pub(super) enum Text {
    #[default]
    A,
    B,
}

#[derive(Deserialize)]
pub(super) struct SpecialToken {
    ids: Vec<u32>,
}

/// A token by name and id.
type NamedToken = (String, u32);

/// The tokens before and after each text, and how the second of a pair is joined to the first.
pub(super) struct Template {
    cls: NamedToken,
    sep: NamedToken,
    pair: Option<Pair>,
}

/// How the second of a pair is joined to the first.
#[derive(Clone, Copy)]
struct Pair {
    /// Tokens between them.
    between: usize,
    /// The type of the second's tokens, and of the one after them.
    kind: u32,
}

const BERT: Pair = Pair { between: 1, kind: 1 };
const ROBERTA: Pair = Pair { between: 2, kind: 0 };

pub(super) fn read(post_processor: PostProcessor) -> Result<Template, ModelError> {
    let (single, pair, special_tokens) = match post_processor {
        PostProcessor::Sequence { processors } => {
            return read(only("post_processor", processors)?);
        }
        PostProcessor::BertProcessing { sep, cls } => return Ok(Template { cls, sep, pair: Some(BERT) }),
        PostProcessor::RobertaProcessing { sep, cls } => return Ok(Template { cls, sep, pair: Some(ROBERTA) }),
        PostProcessor::TemplateProcessing { single, pair, special_tokens } => (single, pair, special_tokens),
    };
    let id = |name: &str| match special_tokens.get(name).map(|token| token.ids.as_slice()) {
        Some([id]) => Some((name.to_owned(), *id)),
        _ => None,
    };
    let around = match single.as_slice() {
        [Piece::SpecialToken { id: before, .. }, Piece::Sequence { .. }, Piece::SpecialToken { id: after, .. }] => {
            id(before).zip(id(after))
        }
        _ => None,
    };
    let Some((cls, sep)) = around else {
        let allowed = "one token, the text, one token, both defined in special_tokens by one id";
        return refused("post_processor", "another template", allowed);
    };
    let token = |token: &NamedToken, type_id| Piece::SpecialToken { id: token.0.clone(), type_id };
    let text = |id, type_id| Piece::Sequence { id, type_id };
    let bert = [token(&cls, 0), text(Text::A, 0), token(&sep, 0), text(Text::B, 1), token(&sep, 1)];
    let roberta = [token(&cls, 0), text(Text::A, 0), token(&sep, 0), token(&sep, 0), text(Text::B, 0), token(&sep, 0)];
    let pair = match pair {
        pair if pair == bert => Some(BERT),
        pair if pair == roberta => Some(ROBERTA),
        _ => None,
    };
    Ok(Template { cls, sep, pair })
}

impl Template {
    /// The tokens that it puts around texts.
    pub(super) fn own(&self) -> [&NamedToken; 2] {
        [&self.cls, &self.sep]
    }

    /// How many it puts around a pair; none where the file's template for pairs is not known here.
    pub(super) fn around_pairs(&self) -> Option<usize> {
        self.pair.map(|pair| pair.between + 2)
    }

    /// One more than the highest type of a token.
    pub(super) fn types(&self) -> usize {
        self.pair.map_or(1, |pair| pair.kind as usize + 1)
    }
}

/// Smaller than the library's own of the two forms, which also keep where in a text each token stands.
impl LibraryProcessor for Template {
    fn added_tokens(&self, is_pair: bool) -> usize {
        match is_pair {
            true => self.pair.unwrap_or(BERT).between + 2,
            false => 2,
        }
    }

    fn process(&self, first: Encoding, second: Option<Encoding>, _: bool) -> tokenizers::Result<Encoding> {
        let (cls, sep) = (self.cls.1, self.sep.1);
        let mut ids = vec![cls];
        ids.extend(first.get_ids());
        ids.push(sep);
        let mut types = vec![0; ids.len()];
        let mut is_cut = !first.get_overflowing().is_empty();
        if let Some(second) = second {
            let Pair { between, kind } = self.pair.unwrap_or(BERT);
            ids.extend(std::iter::repeat_n(sep, between - 1));
            types.resize(ids.len(), 0);
            ids.extend(second.get_ids());
            ids.push(sep);
            types.resize(ids.len(), kind);
            is_cut |= !second.get_overflowing().is_empty();
        }
        // What was cut off is of no use but for that it was.
        let cut = if is_cut { vec![Encoding::default()] } else { Vec::new() };
        Ok(Encoding::new(ids, types, vec![], vec![], vec![], vec![], vec![], cut, Default::default()))
    }

    fn process_encodings(&self, encodings: Vec<Encoding>, is_asked: bool) -> tokenizers::Result<Vec<Encoding>> {
        let mut encodings = encodings.into_iter();
        let (first, second) = (encodings.next().unwrap_or_default(), encodings.next());
        Ok(vec![self.process(first, second, is_asked)?])
    }
}
