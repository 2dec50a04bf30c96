//! Judges learnt from a dataset: cross encoders that start from a sentence encoder, or convolutions over its vectors of
//! words ([`Architecture`]), fitted to what a dataset holds with burn's autodiff.
//!
//! Judges are cross-fitted ([`CrossFit`]): passages are dealt to folds, each fold has a judge that saw none of its
//! passages, and only that judge's values of its rows are counted ([`Training::held_out`]).
//!
//! - The same settings, rows and base give the same weights on one machine, interrupted or not.
//! - What a judge is written as, [`poq_models::CrossEncoder`] opens.
//! - No network and no clock; files only of the folder that [`CrossFit::run`] is given.

mod base;
mod error;
mod examples;
mod fit;
mod folds;
mod network;
mod train;

pub use base::Base;
pub use error::TrainingError;
pub use examples::{Example, Objective, examples};
pub use fit::{Seen, Settings};
pub use network::Architecture;
pub use train::{CrossFit, Epoch, Fold, Training};
