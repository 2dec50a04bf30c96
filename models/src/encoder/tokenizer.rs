//! `tokenizer.json` of a BERT-family encoder.
//!
//! The library reads such files itself, but in 0.23.2 it panics on some damaged ones (a file cut off inside
//! `decoder`; a template that names a token it does not define). So the file is read here, only what BERT has is
//! allowed, and the library is given the parts.

use std::collections::{BTreeMap, HashMap};

use poq_core::json;
use serde::Deserialize;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, TokenizerImpl, TruncationParams};

use crate::error::{ModelError, Part, shorten};

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
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum PreTokenizer {
    BertPreTokenizer {},
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum PostProcessor {
    TemplateProcessing { single: Vec<Piece>, special_tokens: HashMap<String, SpecialToken> },
    BertProcessing { sep: NamedToken, cls: NamedToken },
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
#[serde(tag = "type")]
enum Model {
    WordPiece {
        unk_token: String,
        continuing_subword_prefix: String,
        max_input_chars_per_word: usize,
        vocab: BTreeMap<String, u32>,
    },
}

/// A tokenizer of these parts alone: the library's own `Tokenizer` brings the code of every kind there is, a tenth of what
/// a page loads to run models.
pub(super) type EncoderTokenizer =
    TokenizerImpl<WordPiece, BertNormalizer, BertPreTokenizer, BertProcessing, WordPieceDecoder>;

/// Reads the file for a network of `vocabulary` words; texts are cut to `max_tokens` and not padded.
pub(super) fn read(file: &[u8], max_tokens: usize, vocabulary: usize) -> Result<EncoderTokenizer, ModelError> {
    let malformed = |problem: String| ModelError::malformed(Part::TokenizerJson, shorten(&problem));
    let fields: Fields = json::parse(file).map_err(|fault| malformed(fault.to_string()))?;
    let Fields { added_tokens, normalizer, pre_tokenizer, post_processor, model } = fields;

    let Model::WordPiece { unk_token, continuing_subword_prefix, max_input_chars_per_word, vocab } = model;
    let field = |field: &str, seen: String, allowed: String| {
        Err(ModelError::field(Part::TokenizerJson, field, shorten(&seen), allowed))
    };
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

    let wordpiece = WordPiece::builder()
        .vocab(vocab.into_iter().collect::<Vocab>())
        .unk_token(unk_token)
        .continuing_subword_prefix(continuing_subword_prefix)
        .max_input_chars_per_word(max_input_chars_per_word)
        .build()
        .map_err(|error| malformed(error.to_string()))?;
    let mut tokenizer = EncoderTokenizer::new(wordpiece);
    let Normalizer::BertNormalizer { clean_text, handle_chinese_chars, strip_accents, lowercase } = normalizer;
    let normalizer = BertNormalizer::new(clean_text, handle_chinese_chars, strip_accents, lowercase);
    tokenizer.with_normalizer(Some(normalizer)).map_err(|error| malformed(error.to_string()))?;
    let PreTokenizer::BertPreTokenizer {} = pre_tokenizer;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(BertProcessing::new(sep, cls)));
    let added = added_tokens.into_iter().filter(|added| !added.content.is_empty()).map(|added| {
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
