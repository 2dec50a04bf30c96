//! Where models come from.

use poq_core::weights::{self, ModelRole};
use poq_inference::protocol::ModelHere;

/// What a model is loaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The browser's storage, by the known model's name.
    Stored(String),
    /// A file that the reader opened.
    File {
        /// Its name.
        name: String,
        /// Which of the opened ones it is.
        number: usize,
    },
    /// A folder, with a model that only the dataset names.
    Folder {
        /// Its name.
        name: String,
        /// What the dataset knows the model by.
        key: String,
        /// Which of the opened ones it is; none where it lies beside the page.
        number: Option<usize>,
    },
}

impl Source {
    /// The model's name, as the worker calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Stored(name) | Self::File { name, .. } | Self::Folder { name, .. } => name,
        }
    }

    /// Whether it has a decoder.
    pub(super) fn is_decoder(&self) -> bool {
        match self {
            Self::Stored(name) => weights::known(name).is_some_and(|model| model.role == ModelRole::Decoder),
            Self::File { .. } => true,
            Self::Folder { .. } => false,
        }
    }

    /// Whether it has this model.
    #[must_use]
    pub fn has(&self, model: &ModelHere) -> bool {
        match (self, model) {
            (Self::Stored(name), ModelHere::Known(known)) => name == known,
            (Self::Folder { key, .. }, ModelHere::Folder { key: sought, .. }) => key == sought,
            _ => false,
        }
    }
}
