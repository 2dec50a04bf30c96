//! `tokenizer.json` of a BERT-family encoder.
//!
//! The library reads such files itself, but in 0.23.2 it panics on some damaged ones (a file cut off inside
//! `decoder`; a template that names a token it does not define). So the file is read here, only what BERT has is
//! allowed, and the library is given the parts.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, TokenizerImpl, TruncationParams};

use crate::error::{ModelError, Part, read_json, shorten};

/// What BERT's own tokens are called, in files that do not mark them as special.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// The kind of a file's model, which old files leave out where it has the fields of a WordPiece.
#[derive(Deserialize)]
struct Kind {
    model: ModelKind,
}

#[derive(Deserialize)]
struct ModelKind {
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// The fields that matter; the file's own `truncation` and `padding` are those of whoever saved it, and `decoder` is
/// of no use here.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Normalizer,
    pre_tokenizer: PreTokenizer,
    post_processor: PostProcessor,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Normalizer {
    BertNormalizer { clean_text: bool, handle_chinese_chars: bool, strip_accents: Option<bool>, lowercase: bool },
    Sequence { normalizers: Vec<Normalizer> },
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum PreTokenizer {
    BertPreTokenizer {},
    Sequence { pretokenizers: Vec<PreTokenizer> },
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum PostProcessor {
    TemplateProcessing { single: Vec<Piece>, special_tokens: HashMap<String, SpecialToken> },
    BertProcessing { sep: NamedToken, cls: NamedToken },
    Sequence { processors: Vec<PostProcessor> },
}

#[derive(Deserialize)]
enum Piece {
    SpecialToken { id: String },
    Sequence {},
}

#[derive(Deserialize)]
struct SpecialToken {
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Model {
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    vocab: BTreeMap<String, u32>,
}

/// The one step of a list of steps.
fn only<T>(field: &str, steps: Vec<T>) -> Result<T, ModelError> {
    let count = steps.len();
    <[T; 1]>::try_from(steps).map(|[step]| step).map_err(|_| {
        let seen = format!("a Sequence of {count} steps");
        ModelError::field(Part::TokenizerJson, field, format_args!("{seen}"), "one step")
    })
}

/// A tokenizer of these parts alone: the library's own `Tokenizer` brings the code of every kind there is, a tenth of
/// what a page loads to run models.
pub(crate) type EncoderTokenizer =
    TokenizerImpl<WordPiece, BertNormalizer, BertPreTokenizer, BertProcessing, WordPieceDecoder>;

/// Reads the file for a network of `vocabulary` words; texts are cut to `max_tokens` and not padded.
pub(crate) fn read(file: &[u8], max_tokens: usize, vocabulary: usize) -> Result<EncoderTokenizer, ModelError> {
    let malformed = |problem: String| ModelError::malformed(Part::TokenizerJson, shorten(&problem));
    let field = |field: &str, seen: String, allowed: String| {
        Err(ModelError::field(Part::TokenizerJson, field, shorten(&seen), allowed))
    };
    let Kind { model: ModelKind { kind } } = read_json(Part::TokenizerJson, file)?;
    if let Some(other) = kind.filter(|kind| kind != "WordPiece") {
        return field(
            "model.type",
            other,
            "\"WordPiece\", or absent where the other fields are a WordPiece's".to_owned(),
        );
    }
    let Fields { added_tokens, mut normalizer, mut pre_tokenizer, post_processor, model } =
        read_json(Part::TokenizerJson, file)?;
    let Model { unk_token, continuing_subword_prefix, max_input_chars_per_word, vocab } = model;
    if !vocab.contains_key(&unk_token) {
        return field("model.unk_token", unk_token, "a word of the vocabulary".to_owned());
    }
    if let Some(word) = added_tokens.iter().find(|added| !vocab.contains_key(&added.content)) {
        return field("added_tokens", word.content.clone(), "words of the vocabulary".to_owned());
    }
    let (cls, sep) = around(post_processor)?;
    let highest = vocab.values().copied().chain([cls.1, sep.1]).max().unwrap_or(0);
    if highest as usize >= vocabulary {
        let allowed = format!("ids below vocab_size {vocabulary} of config.json");
        return field("model.vocab", format!("an id of {highest}"), allowed);
    }

    let unk = unk_token.clone();
    let wordpiece = WordPiece::builder()
        .vocab(vocab.into_iter().collect::<Vocab>())
        .unk_token(unk_token)
        .continuing_subword_prefix(continuing_subword_prefix)
        .max_input_chars_per_word(max_input_chars_per_word)
        .build()
        .map_err(|error| malformed(error.to_string()))?;
    let mut tokenizer = EncoderTokenizer::new(wordpiece);
    let normalizer = loop {
        match normalizer {
            Normalizer::Sequence { normalizers } => normalizer = only("normalizer", normalizers)?,
            Normalizer::BertNormalizer { clean_text, handle_chinese_chars, strip_accents, lowercase } => {
                break BertNormalizer::new(clean_text, handle_chinese_chars, strip_accents, lowercase);
            }
        }
    };
    tokenizer.with_normalizer(Some(normalizer)).map_err(|error| malformed(error.to_string()))?;
    while let PreTokenizer::Sequence { pretokenizers } = pre_tokenizer {
        pre_tokenizer = only("pre_tokenizer", pretokenizers)?;
    }
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    // The library would make special tokens of their names in any text, so it is not told of them.
    let is_special = |added: &Added| {
        let is_named = [&cls.0, &sep.0, &unk].contains(&&added.content) || SPECIAL.contains(&added.content.as_str());
        added.special || is_named
    };
    let plain: Vec<Added> =
        added_tokens.into_iter().filter(|added| !added.content.is_empty() && !is_special(added)).collect();
    tokenizer.with_post_processor(Some(BertProcessing::new(sep, cls)));
    let added = plain.into_iter().map(|added| {
        let Added { content, single_word, lstrip, rstrip, normalized, special } = added;
        AddedToken { content, single_word, lstrip, rstrip, normalized, special }
    });
    tokenizer.add_tokens(added).map_err(|error| malformed(error.to_string()))?;
    let truncation = TruncationParams { max_length: max_tokens, ..Default::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|error| malformed(error.to_string()))?;
    Ok(tokenizer)
}

/// A token by name and id.
type NamedToken = (String, u32);

/// The tokens before and after each text.
fn around(post_processor: PostProcessor) -> Result<(NamedToken, NamedToken), ModelError> {
    let (single, special_tokens) = match post_processor {
        PostProcessor::Sequence { processors } => return around(only("post_processor", processors)?),
        PostProcessor::BertProcessing { sep, cls } => return Ok((cls, sep)),
        PostProcessor::TemplateProcessing { single, special_tokens } => (single, special_tokens),
    };
    let id = |name: &str| match special_tokens.get(name).map(|token| token.ids.as_slice()) {
        Some([id]) => Some((name.to_owned(), *id)),
        _ => None,
    };
    let found = match single.as_slice() {
        [Piece::SpecialToken { id: before }, Piece::Sequence {}, Piece::SpecialToken { id: after }] => {
            id(before).zip(id(after))
        }
        _ => None,
    };
    found.ok_or_else(|| {
        let allowed = "one token, the text, one token, both defined in special_tokens by one id";
        ModelError::field(Part::TokenizerJson, "post_processor", "another template", allowed)
    })
}
