//! Inference nodes: a task in, an answer out, with the time that it took.

mod decoder;
mod extractive;

use std::ops::ControlFlow;

use poq_core::dataset::Task;
use poq_models::ModelError;

pub use decoder::{Asked, DecoderNode, Generated, Progress, asked, generate};
pub use extractive::ExtractiveNode;

use crate::Pending;

/// A node that is ready to answer.
pub trait Node {
    /// Answers `task`, the `index`-th (from 0) of its dataset. `go_on` is asked after each token; an answer that it
    /// breaks off is none.
    fn answer<'a>(
        &'a self,
        index: usize,
        task: &'a Task,
        go_on: &'a dyn Fn() -> ControlFlow<()>,
    ) -> Pending<'a, Result<Option<Answer>, ModelError>>;

    /// Tokens that its model reads at most, the front of a longer prompt being cut off; none without a model.
    fn max_tokens(&self) -> Option<usize> {
        None
    }
}

/// An answer with what is measured of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The text, without blanks around it.
    pub text: String,
    /// Tokens of the prompt; words for a node without a tokenizer.
    pub tokens_in: usize,
    /// Tokens of the answer; words for a node without a tokenizer.
    pub tokens_out: usize,
    /// From prompt to answer, in milliseconds.
    pub latency_ms: f64,
    /// Whether the front of the prompt was cut off to fit the model.
    pub truncated_prompt: bool,
}
