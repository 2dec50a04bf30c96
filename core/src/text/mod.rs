//! Text metrics: truth, and the evaluators that need no neural network. All are pure functions of two texts.

pub mod chrf;
pub mod extractive;
pub mod rouge;
pub mod squad;
pub mod structure;
