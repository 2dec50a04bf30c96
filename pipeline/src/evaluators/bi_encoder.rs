//! Cosines of sentence embeddings.

use std::rc::Rc;

use poq_core::dataset::Task;
use poq_models::{BiEncoder, ModelError};
use web_time::Instant;

use super::{Evaluator, Limit, RateFault, Rated};
use crate::spec::Against;
use crate::{Pending, milliseconds};

/// The best cosine of an answer with what it is compared with, in `[-1, 1]`.
pub struct BiEncoderEvaluator {
    /// The model.
    pub encoder: Rc<BiEncoder>,
    /// What answers are compared with.
    pub against: Against,
}

impl Evaluator for BiEncoderEvaluator {
    fn rate<'a>(&'a self, task: &'a Task, answer: &'a str) -> Pending<'a, Result<Rated, RateFault>> {
        Box::pin(async move {
            let started = Instant::now();
            let others = self.against.texts(task);
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            let similarity = self.encoder.similarity(answer, &others).await?;
            Ok(Rated {
                raw: similarity.cosine,
                latency_ms: milliseconds(started),
                tokens: Some(similarity.tokens),
                is_cut: similarity.truncated,
            })
        })
    }

    fn warm_up(&self) -> Pending<'_, Result<(), ModelError>> {
        Box::pin(async { self.encoder.embed(&["Hello"]).await.map(drop) })
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit { tokens: self.encoder.max_tokens(), cut: "end" })
    }
}
