//! An encoder's tensors, wherever in a file they stand.

use super::config::{BI_ENCODER, CROSS_ENCODER};
use crate::error::{ModelError, Part, shorten};
use crate::format::safetensors::Safetensors;

/// A tensor that every encoder has: what stands before its name stands before all of the encoder's.
const WORDS: &str = "embeddings.word_embeddings.weight";

/// Heads for sequence classification begin so.
const CLASSIFIER: &str = "classifier.";

/// Names that heads of other tasks than vectors begin with.
const HEADS: [(&str, &str); 8] = [
    (CLASSIFIER, "a cross encoder or classifier, which gives scores and no vector"),
    ("qa_outputs.", "a model that marks answers in a passage"),
    ("cls.", "a masked language model"),
    ("vocab_transform.", "a masked language model"),
    ("lm_predictions.", "a masked language model"),
    ("mask_predictions.", "a model that tells changed tokens from others"),
    ("lm_head.", "a language model"),
    ("score.", "a model that gives scores and no vector"),
];

/// A file's tensors, of which some are an encoder's.
pub(super) struct Weights<'a> {
    file: Safetensors<'a>,
    /// Such as `bert.`, in files that hold the encoder inside a larger model.
    prefix: String,
}

impl<'a> Weights<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let file = Safetensors::parse(bytes)?;
        let names = file.names();
        let mut prefixes: Vec<&str> = names
            .iter()
            .filter_map(|name| name.strip_suffix(WORDS))
            .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            .collect();
        prefixes.sort_unstable();
        if let [first, second, ..] = prefixes[..] {
            let seen = format!("several encoders in one (tensors begin with `{first}` and with `{second}`)");
            return Err(ModelError::OtherModel { part: Part::Safetensors, seen: shorten(&seen), asked: "one encoder" });
        }
        let prefix = prefixes.first().copied().unwrap_or_default().to_owned();
        Ok(Self { file, prefix })
    }

    /// Refuses a file with a head for another task than vectors.
    pub(super) fn check_is_bi_encoder(&self) -> Result<(), ModelError> {
        match self.head() {
            None => Ok(()),
            Some((_, what, name)) => Err(Self::other(&format!("{what} (it has the tensor `{name}`)"), BI_ENCODER)),
        }
    }

    /// Refuses a file without a head for sequence classification.
    pub(super) fn check_is_cross_encoder(&self) -> Result<(), ModelError> {
        match self.head() {
            Some((CLASSIFIER, ..)) => Ok(()),
            None => Err(Self::other("an encoder without a head, which gives states and no score", CROSS_ENCODER)),
            Some((_, what, name)) => Err(Self::other(&format!("{what} (it has the tensor `{name}`)"), CROSS_ENCODER)),
        }
    }

    /// What a head's tensors begin with, what has such a head, and one of its tensors.
    fn head(&self) -> Option<(&'static str, &'static str, String)> {
        let names = self.file.names();
        HEADS.iter().find_map(|(start, what)| {
            let name = names.iter().find(|name| name.starts_with(start) && !self.is_of_encoder(name))?;
            Some((*start, *what, (*name).to_owned()))
        })
    }

    fn other(seen: &str, asked: &'static str) -> ModelError {
        ModelError::OtherModel { part: Part::Safetensors, seen: shorten(seen), asked }
    }

    fn is_of_encoder(&self, name: &str) -> bool {
        !self.prefix.is_empty() && name.starts_with(&self.prefix)
    }

    /// The encoder's tensor as f32, which must have the `expected` shape.
    pub(super) fn tensor(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ModelError> {
        self.file.tensor(&format!("{}{name}", self.prefix), expected)
    }
    /// The head's tensor, as [`Self::tensor`].
    pub(super) fn head_tensor(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ModelError> {
        self.file.tensor(name, expected)
    }

    /// The rows of a head's tensor; none where it is absent.
    pub(super) fn head_rows(&self, name: &str) -> Option<usize> {
        self.file.shape(name)?.first().copied()
    }
}
