//! Nodes without a model, which take their answers from the context: baselines that cost almost nothing.

use std::ops::ControlFlow;

use poq_core::dataset::Task;
use poq_core::text::extractive;
use poq_models::ModelError;
use web_time::Instant;

use super::{Answer, Node};
use crate::{Pending, milliseconds};

/// What it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtractiveNode {
    /// The first sentences of the context.
    Lead,
    /// What the prompt's keywords point at in the context.
    Keyword,
}

impl Node for ExtractiveNode {
    fn answer<'a>(
        &'a self,
        _: usize,
        task: &'a Task,
        _: &'a dyn Fn() -> ControlFlow<()>,
    ) -> Pending<'a, Result<Option<Answer>, ModelError>> {
        let context = task.context.as_deref().unwrap_or(&task.prompt);
        let started = Instant::now();
        let text = match self {
            Self::Lead => extractive::lead(context, task.kind),
            Self::Keyword => extractive::keyword(&task.prompt, context, task.kind),
        };
        let latency_ms = milliseconds(started);
        let words = |text: &str| text.split_whitespace().count();
        let (tokens_in, tokens_out) = (words(&task.prompt) + words(context), words(&text));
        let answer = Answer { text, tokens_in, tokens_out, latency_ms, truncated_prompt: false };
        Box::pin(std::future::ready(Ok(Some(answer))))
    }
}
