//! What can go wrong while reading a model or running it.

use std::fmt::{self, Debug};

use poq_core::json;
use serde::de::DeserializeOwned;

use crate::format::foreign;

/// The file (or part of one) that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// A GGUF file: metadata, tokenizer and weights in one.
    Gguf,
    /// `config.json` of an encoder.
    ConfigJson,
    /// `tokenizer.json` of an encoder.
    TokenizerJson,
    /// `tokenizer_config.json` of a cross encoder: how long pairs may be.
    TokenizerConfigJson,
    /// `model.safetensors` of an encoder.
    Safetensors,
    /// `modules.json` of a sentence encoder's folder: what makes a vector of a text, step by step.
    ModulesJson,
    /// `config.json` in the folder of the pooling step that `modules.json` names.
    PoolingJson,
    /// `sentence_bert_config.json`: how texts are cut and spelt before the tokenizer reads them.
    SentenceJson,
    /// `config_sentence_transformers.json`: what stands before each text, and how vectors are compared.
    PromptsJson,
    /// `training.json` of judges that `poq train` left: what each did not see.
    TrainingJson,
    /// The known answers that are compiled in.
    KnownAnswer,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gguf => "the GGUF file",
            Self::ConfigJson => "config.json",
            Self::TokenizerJson => "tokenizer.json",
            Self::TokenizerConfigJson => "tokenizer_config.json",
            Self::Safetensors => "the safetensors file",
            Self::ModulesJson => "modules.json",
            Self::PoolingJson => "the pooling step's config.json",
            Self::SentenceJson => "sentence_bert_config.json",
            Self::PromptsJson => "config_sentence_transformers.json",
            Self::TrainingJson => "training.json",
            Self::KnownAnswer => "the list of known answers",
        })
    }
}

/// Whose fault an error is: what to change before another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// A file's: it is damaged, of another kind, or asks for what this crate does not know.
    File,
    /// The caller's: what was asked for is out of range.
    Request,
    /// The device's: the same files and the same request may do elsewhere, or on another try.
    Device,
}

/// An error of this crate. Each names the file, the tensor or field, the value seen and the values allowed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The bytes are not what the format says.
    #[error("{part} cannot be read: {problem}")]
    Malformed {
        /// The file.
        part: Part,
        /// What is wrong, and where.
        problem: String,
    },
    /// The file is whole, but another one than its name says.
    #[error("{part} is {seen}")]
    OtherFile {
        /// The file.
        part: Part,
        /// What it is.
        seen: String,
    },
    /// The model is whole, but made for another task than the one it is opened for.
    #[error("{part}: this is {seen}; asked for: {asked}")]
    OtherModel {
        /// The file that shows it.
        part: Part,
        /// What the model is, and by what that is seen.
        seen: String,
        /// What it should be.
        asked: &'static str,
    },
    /// Weights are other ones than the record beside them says.
    #[error("{file}: {seen}; expected: {record}")]
    OtherWeights {
        /// The file's path within the model's folder.
        file: String,
        /// What it is.
        seen: String,
        /// What the record says.
        record: String,
    },
    /// A file that is needed is absent.
    #[error("there is no {file}")]
    MissingFile {
        /// Its path within the model's folder.
        file: String,
    },
    /// A field that is needed is absent.
    #[error("{part} lacks the field `{field}`")]
    MissingField {
        /// The file.
        part: Part,
        /// The field.
        field: String,
    },
    /// A field has a value that this crate cannot work with.
    #[error("{part}: field `{field}` is {seen}; allowed: {allowed}")]
    Field {
        /// The file.
        part: Part,
        /// The field.
        field: String,
        /// The value in the file.
        seen: String,
        /// The values allowed.
        allowed: String,
    },
    /// A tensor that is needed is absent.
    #[error("{part} lacks the tensor `{tensor}`")]
    MissingTensor {
        /// The file.
        part: Part,
        /// The tensor.
        tensor: String,
    },
    /// A tensor has another shape than the configuration asks for (outermost dimension first).
    #[error("{part}: tensor `{tensor}` has shape {seen:?}; its configuration asks for {expected:?}")]
    TensorShape {
        /// The file.
        part: Part,
        /// The tensor.
        tensor: String,
        /// The shape in the file.
        seen: Vec<usize>,
        /// The shape that the configuration asks for.
        expected: Vec<usize>,
    },
    /// A tensor is stored in a way that this crate cannot read, or has no place in this architecture.
    #[error("{part}: tensor `{tensor}`: {problem}")]
    Tensor {
        /// The file.
        part: Part,
        /// The tensor.
        tensor: String,
        /// What is wrong.
        problem: String,
    },
    /// An argument of the caller is out of range.
    #[error("`{name}` is {seen}; allowed: {allowed}")]
    Argument {
        /// The argument.
        name: &'static str,
        /// The value given.
        seen: String,
        /// The values allowed.
        allowed: String,
    },
    /// Text could not be turned into tokens or back.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The chat template could not be applied to the messages.
    #[error("chat template: {0}")]
    ChatTemplate(String),
    /// The model computed a number that is not finite: damaged weights, or a device that computes wrongly.
    #[error("the model's output holds a number that is not finite ({0}): damaged weights, or a faulty device")]
    NotFinite(&'static str),
    /// The device computed something else than the known answer: it is not to be trusted.
    #[error("the device computed {seen} for the known answer; expected: {expected}")]
    WrongAnswer {
        /// What it computed.
        seen: String,
        /// What is right.
        expected: String,
    },
    /// The device does not hold a tensor of this size, however much memory it has.
    #[error("tensor `{tensor}` takes {} MB, and the device holds at most {} MB in one piece", mb(*bytes), mb(*most))]
    TooLarge {
        /// The tensor, or several that are kept as one.
        tensor: String,
        /// Its size in bytes.
        bytes: u64,
        /// What the device holds at most, in bytes.
        most: u64,
    },
    /// The device failed to compute or to hand its result back.
    #[error("device: {0}")]
    Device(String),
}

/// Megabytes, as words say them.
fn mb(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

impl ModelError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Malformed { .. }
            | Self::OtherFile { .. }
            | Self::OtherModel { .. }
            | Self::OtherWeights { .. }
            | Self::MissingFile { .. }
            | Self::MissingField { .. }
            | Self::Field { .. }
            | Self::MissingTensor { .. }
            | Self::TensorShape { .. }
            | Self::Tensor { .. }
            | Self::ChatTemplate(_)
            // Of the CPU, which computes rightly; of another device only once its known answer was right.
            | Self::NotFinite(_) => Blame::File,
            Self::Argument { .. } | Self::Tokenizer(_) => Blame::Request,
            Self::WrongAnswer { .. } | Self::TooLarge { .. } | Self::Device(_) => Blame::Device,
        }
    }

    /// A file whose content is not what its format has, in words.
    pub fn malformed(part: Part, problem: impl Into<String>) -> Self {
        Self::Malformed { part, problem: problem.into() }
    }

    pub(crate) fn missing(part: Part, field: impl Into<String>) -> Self {
        Self::MissingField { part, field: field.into() }
    }

    pub(crate) fn field(part: Part, field: impl Into<String>, seen: impl Debug, allowed: impl Into<String>) -> Self {
        Self::Field { part, field: field.into(), seen: shorten(&format!("{seen:?}")), allowed: allowed.into() }
    }

    pub(crate) fn tensor(part: Part, tensor: &str, problem: impl Into<String>) -> Self {
        Self::Tensor { part, tensor: shorten(tensor), problem: problem.into() }
    }

    pub(crate) fn argument(name: &'static str, seen: impl Debug, allowed: impl Into<String>) -> Self {
        Self::Argument { name, seen: shorten(&format!("{seen:?}")), allowed: allowed.into() }
    }
}

/// Reads a JSON file; one that is something else altogether is named for what it is.
pub(crate) fn read_json<T: DeserializeOwned>(part: Part, file: &[u8]) -> Result<T, ModelError> {
    foreign::check(part, file)?;
    json::parse(file).map_err(|fault| ModelError::malformed(part, shorten(&fault.to_string())))
}

/// At most 200 characters: a hostile file must not choose how long our message is.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
