//! Classifiers of pairs of texts.

use std::rc::Rc;

use poq_core::dataset::Task;
use poq_models::{CrossEncoder, ModelError, Reading};
use web_time::Instant;

use super::{Evaluator, Limit, RateFault, Rated};
use crate::spec::Against;
use crate::{Pending, milliseconds};

/// The best value of an answer in a pair with what it is judged by, as the model's [`Reading`] has it.
pub struct CrossEncoderEvaluator {
    /// The model.
    pub encoder: Rc<CrossEncoder>,
    /// What answers are judged by.
    pub against: Against,
}

impl Evaluator for CrossEncoderEvaluator {
    fn rate<'a>(&'a self, task: &'a Task, answer: &'a str) -> Pending<'a, Result<Rated, RateFault>> {
        Box::pin(async move {
            let started = Instant::now();
            let firsts = self.against.texts(task);
            let pairs: Vec<(&str, &str)> = firsts.iter().map(|first| (first.as_str(), answer)).collect();
            let scores = self.encoder.score(&pairs).await?;
            let best = scores.iter().map(|score| score.value).max_by(f64::total_cmp);
            Ok(Rated {
                raw: best.ok_or(RateFault::NoReference)?,
                latency_ms: milliseconds(started),
                tokens: Some(scores.iter().map(|score| score.tokens).sum()),
                is_cut: scores.iter().any(|score| score.truncated),
            })
        })
    }

    fn warm_up(&self) -> Pending<'_, Result<(), ModelError>> {
        Box::pin(async { self.encoder.score(&[("Hello", "Hello")]).await.map(drop) })
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit { tokens: self.encoder.max_tokens(), cut: "end" })
    }

    fn gives_logits(&self) -> bool {
        *self.encoder.reading() == Reading::Logit
    }
}
