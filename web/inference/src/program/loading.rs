//! What loading models has in common: the steps that the page is told of, and whose fault it is where one fails.

use crate::protocol::{Blame, FromInference, LoadStep};
use poq_core::weights::{KnownFile, KnownModel};
use poq_models::ModelError;

use super::scope::{breath, now_ms, post};

/// Why a model is not ready.
pub struct LoadFault {
    /// Why, in words.
    pub words: String,
    /// Whose fault it is.
    pub blame: Blame,
}

impl From<String> for LoadFault {
    fn from(words: String) -> Self {
        Self { words, blame: Blame::Model }
    }
}

impl From<ModelError> for LoadFault {
    fn from(error: ModelError) -> Self {
        let blame = match error {
            ModelError::WrongAnswer { .. } | ModelError::NotFinite(_) => Blame::DeviceIsWrong,
            ModelError::TooLarge { .. } => Blame::DeviceIsSmall,
            ModelError::Device(_) => Blame::DeviceFailed,
            _ => Blame::Model,
        };
        Self { blame, words: error.to_string() }
    }
}

/// Tells the page what is done to a model now.
pub fn tell(model: &str, step: LoadStep) {
    post(&FromInference::Loading { model: model.to_owned(), step });
}

/// The files of a known model by name, out of the browser's storage as `read` gives them, checked, and the time that it
/// took, in milliseconds. The next step, which the page is told of, is to put them on the device.
pub async fn files<F>(
    known: &'static KnownModel,
    read: impl AsyncFn(&KnownModel, &KnownFile) -> Result<F, String>,
) -> Result<(Vec<(&'static str, F)>, f64), LoadFault> {
    tell(known.name, LoadStep::Check);
    let begun = now_ms();
    let mut files = Vec::new();
    for file in known.files {
        files.push((file.name, read(known, file).await?));
    }
    let check_ms = now_ms() - begun;
    tell(known.name, LoadStep::Upload);
    // The words are seen before the device is busy.
    breath().await?;
    Ok((files, check_ms))
}
