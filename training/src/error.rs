//! What can go wrong when a judge is trained.

use std::io;
use std::path::{Path, PathBuf};

use poq_models::ModelError;

/// Why a judge was not trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The base or a text cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The rows are too few or too alike, in words.
    #[error("the rows that are to be learnt from: {0}")]
    Rows(String),
    /// A setting is out of range, in words with its name.
    #[error("{0}")]
    Setting(String),
    /// What an earlier run left does not go with this one, in words.
    #[error("{}: {problem}", path.display())]
    Left {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The loss is no finite number: the learning rate is too high for this base.
    #[error("the loss of fold {fold}, epoch {epoch}, is no finite number; a lower `learning_rate` may help")]
    Diverged {
        /// Counted from 1.
        fold: usize,
        /// Counted from 1.
        epoch: usize,
    },
}

impl TrainingError {
    pub(crate) fn left(path: &Path, problem: impl ToString) -> Self {
        Self::Left { path: path.to_owned(), problem: problem.to_string() }
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::File { path: path.to_owned(), source }
    }
}
