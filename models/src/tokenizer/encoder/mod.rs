//! `tokenizer.json` of an encoder.
//!
//! The library reads such files itself, but in 0.23.2 it panics on some damaged ones (a file cut off inside
//! `decoder`; a template that names a token it does not define; a table of characters that points outside itself).
//! So the file is read here, only what the families have is allowed, and the library is given the parts.

mod byte_pairs;
mod charsmap;
mod template;
mod unigram;
mod word_piece;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    AddedToken, Decoder, EncodeInput, Encoding, Model, Normalizer, PostProcessor as LibraryProcessor, PreTokenizer,
    TokenizerImpl, TruncationParams,
};

use crate::error::{ModelError, Part, read_json, shorten};
use template::{PostProcessor, Template};

/// What the families call their own tokens, in files that do not mark them as special.
const SPECIAL: [&str; 10] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<pad>", "<unk>", "<s>", "</s>", "<mask>"];

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
#[serde(bound = "")]
struct Fields<P: Pieces> {
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Option<P::Change>,
    pre_tokenizer: P::Split,
    post_processor: PostProcessor,
    model: P,
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

/// A kind of tokenizer, as the file has it.
trait Pieces: DeserializeOwned {
    /// The file's `normalizer`.
    type Change: DeserializeOwned;
    /// The file's `pre_tokenizer`.
    type Split: DeserializeOwned;
    /// Of the library: what these and the file's `model` become.
    type Normalizer: Normalizer + Send + Sync + 'static;
    type PreTokenizer: PreTokenizer + Send + Sync + 'static;
    type Model: Model + Send + Sync + 'static;

    /// The token of what is no token.
    fn unknown(&self) -> Option<&str>;

    /// Whether `token` is one.
    fn has(&self, token: &str) -> bool;

    /// The highest id.
    fn highest(&self) -> u32;

    fn normalizer(change: Self::Change) -> Result<Self::Normalizer, ModelError>;

    fn pre_tokenizer(split: Self::Split) -> Result<Self::PreTokenizer, ModelError>;

    /// The model of the pieces of texts that `splitter` gives, where no text becomes one of the `special` tokens.
    fn model(self, splitter: &Self::PreTokenizer, special: &[String]) -> Result<Self::Model, ModelError>;
}

/// A tokenizer of these parts alone: the library's own `Tokenizer` brings the code of every kind there is, a tenth of
/// what a page loads to run models. Of the decoder there is only the type.
type Library<P> =
    TokenizerImpl<<P as Pieces>::Model, <P as Pieces>::Normalizer, <P as Pieces>::PreTokenizer, Template, ByteLevel>;

/// A tokenizer of the library, of whatever parts.
trait Encode: Send + Sync {
    fn encode(&self, input: EncodeInput<'_>) -> tokenizers::Result<Encoding>;
}

impl<M, N, P, T, D> Encode for TokenizerImpl<M, N, P, T, D>
where
    M: Model + Send + Sync,
    N: Normalizer + Send + Sync,
    P: PreTokenizer + Send + Sync,
    T: LibraryProcessor + Send + Sync,
    D: Decoder + Send + Sync,
{
    fn encode(&self, input: EncodeInput<'_>) -> tokenizers::Result<Encoding> {
        self.encode_fast(input, true)
    }
}

/// A kind of tokenizer.
#[derive(Debug)]
pub(crate) struct TokenizerKind {
    /// The file's `model.type`.
    name: &'static str,
    read: fn(&[u8], usize, usize) -> Result<EncoderTokenizer, ModelError>,
}

pub(crate) const WORD_PIECE: TokenizerKind = TokenizerKind { name: "WordPiece", read: read::<word_piece::WordPieces> };
pub(crate) const BYTE_PAIRS: TokenizerKind = TokenizerKind { name: "BPE", read: read::<byte_pairs::BytePairs> };
pub(crate) const UNIGRAM: TokenizerKind = TokenizerKind { name: "Unigram", read: read::<unigram::Unigrams> };

/// Makes tokens of texts as an encoder was trained to read them.
pub(crate) struct EncoderTokenizer {
    library: Box<dyn Encode>,
    /// Tokens around a pair of texts; none where the file does not say how pairs are joined.
    around_pairs: Option<usize>,
    /// One more than the highest type of a token that it gives.
    types: usize,
}

/// Tokens of a text or of a pair of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub ids: Vec<u32>,
    /// Which text of a pair each token belongs to, where the family tells them apart; else 0.
    pub types: Vec<u32>,
    /// Whether an end was cut off to fit.
    pub truncated: bool,
}

impl EncoderTokenizer {
    /// Reads the file, of one of the kinds in `known`, for a network of `vocabulary` words; what is encoded is cut to
    /// `max_tokens`, the longer text of a pair first, and not padded.
    pub(crate) fn read(
        file: &[u8],
        known: &[&TokenizerKind],
        max_tokens: usize,
        vocabulary: usize,
    ) -> Result<Self, ModelError> {
        let Kind { model: ModelKind { kind } } = read_json(Part::TokenizerJson, file)?;
        let kind = kind.as_deref().unwrap_or(WORD_PIECE.name);
        match known.iter().find(|known| known.name == kind) {
            Some(known) => (known.read)(file, max_tokens, vocabulary),
            None => {
                let known: Vec<String> = known.iter().map(|known| format!("{:?}", known.name)).collect();
                let allowed = format!("{}, or absent where the other fields are a WordPiece's", known.join(", "));
                refused("model.type", kind, &allowed)
            }
        }
    }

    /// Tokens that are put around a pair of texts.
    ///
    /// # Errors
    /// A file that does not say how pairs are joined, or in a way that no family here has.
    pub(crate) fn around_pairs(&self) -> Result<usize, ModelError> {
        self.around_pairs.ok_or_else(|| {
            ModelError::field(
                Part::TokenizerJson,
                "post_processor",
                "without a known template for pairs",
                template::PAIRS,
            )
        })
    }

    /// One more than the highest type of a token that it gives.
    pub(crate) fn types(&self) -> usize {
        self.types
    }

    /// Names of special tokens in the text, such as `[SEP]`, are text like any other: whoever writes an answer does
    /// not choose what the network takes for its end.
    pub(crate) fn encode<'a>(&self, input: impl Into<EncodeInput<'a>>) -> Result<Encoded, ModelError> {
        let encoding = self.library.encode(input.into()).map_err(|error| ModelError::Tokenizer(error.to_string()))?;
        Ok(Encoded {
            ids: encoding.get_ids().to_vec(),
            types: encoding.get_type_ids().to_vec(),
            truncated: !encoding.get_overflowing().is_empty(),
        })
    }
}

fn malformed(error: &tokenizers::Error) -> ModelError {
    ModelError::malformed(Part::TokenizerJson, shorten(&error.to_string()))
}

fn refused<T>(field: &str, seen: &str, allowed: &str) -> Result<T, ModelError> {
    Err(ModelError::field(Part::TokenizerJson, field, shorten(seen), allowed))
}

/// The one step of a list of steps.
fn only<T>(field: &str, steps: Vec<T>) -> Result<T, ModelError> {
    let count = steps.len();
    <[T; 1]>::try_from(steps).map(|[step]| step).map_err(|_| {
        let seen = format!("a Sequence of {count} steps");
        ModelError::field(Part::TokenizerJson, field, format_args!("{seen}"), "one step")
    })
}

fn read<P: Pieces>(file: &[u8], max_tokens: usize, vocabulary: usize) -> Result<EncoderTokenizer, ModelError> {
    let Fields::<P> { added_tokens, normalizer, pre_tokenizer, post_processor, model } =
        read_json(Part::TokenizerJson, file)?;
    let template = template::read(post_processor)?;
    let own = template.own();
    let is_special = |content: &str| {
        SPECIAL.contains(&content) || own.iter().any(|(name, _)| name == content) || model.unknown() == Some(content)
    };
    // The library would make special tokens of their names in any text, so it is not told of them.
    let (special, plain): (Vec<Added>, Vec<Added>) =
        added_tokens.into_iter().partition(|added| added.special || is_special(&added.content));
    if let Some(word) = plain.iter().find(|added| !model.has(&added.content)) {
        return refused("added_tokens", &word.content, "words of the vocabulary");
    }
    let highest = own.iter().map(|(_, id)| *id).chain([model.highest()]).max().unwrap_or(0);
    if highest as usize >= vocabulary {
        let allowed = format!("ids below vocab_size {vocabulary} of config.json");
        return refused("model.vocab", &format!("an id of {highest}"), &allowed);
    }

    let special: Vec<String> = special.into_iter().map(|added| added.content).collect();
    let splitter = P::pre_tokenizer(pre_tokenizer)?;
    let mut tokenizer = Library::<P>::new(model.model(&splitter, &special)?);
    let change = normalizer.map(P::normalizer).transpose()?;
    tokenizer.with_normalizer(change).map_err(|error| malformed(&error))?;
    tokenizer.with_pre_tokenizer(Some(splitter));
    let (around_pairs, types) = (template.around_pairs(), template.types());
    tokenizer.with_post_processor(Some(template));
    let plain = plain.into_iter().filter(|added| !added.content.is_empty());
    let plain = plain.map(|Added { content, single_word, lstrip, rstrip, normalized, special }| AddedToken {
        content,
        single_word,
        lstrip,
        rstrip,
        normalized,
        special,
    });
    tokenizer.add_tokens(plain).map_err(|error| malformed(&error))?;
    let truncation = TruncationParams { max_length: max_tokens, ..Default::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|error| malformed(&error))?;
    Ok(EncoderTokenizer { library: Box::new(tokenizer), around_pairs, types })
}
