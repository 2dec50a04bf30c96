//! Classifiers of pairs of texts.

use std::collections::HashMap;
use std::rc::Rc;

use poq_core::dataset::{Task, sha256};
use poq_models::{CrossEncoder, ModelError, Reading};
use web_time::Instant;

use super::{Evaluator, Limit, RateFault, Rated};
use crate::spec::Against;
use crate::{Pending, milliseconds};

/// A cross encoder, or several that were trained on parts of a dataset: each judges what it did not see.
pub struct CrossEncoders {
    first: CrossEncoder,
    others: Vec<CrossEncoder>,
    /// By SHA-256 of a passage: which of them did not see it.
    unseen_by: HashMap<String, usize>,
}

impl CrossEncoders {
    /// Cross encoders with the SHA-256 of each passage ([`Task::passage`]) that they did not see, but the others may
    /// have; none where there are no cross encoders.
    #[must_use]
    pub fn cross_fitted(encoders: Vec<(CrossEncoder, Vec<String>)>) -> Option<Self> {
        let mut unseen_by = HashMap::new();
        let mut encoders = encoders.into_iter().enumerate().map(|(index, (encoder, passages))| {
            unseen_by.extend(passages.into_iter().map(|passage| (passage, index)));
            encoder
        });
        let (first, others) = (encoders.next()?, encoders.collect());
        Some(Self { first, others, unseen_by })
    }

    /// The one that did not see the passage of `task`; of a passage that is none of theirs, the first.
    fn of(&self, task: &Task) -> &CrossEncoder {
        self.number_for(task).checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.first)
    }

    /// Which of them rates answers to `task`, counted from 0.
    #[must_use]
    pub fn number_for(&self, task: &Task) -> usize {
        self.unseen(task).unwrap_or(0)
    }

    /// Which of several did not see the passage of `task`, if it is one of theirs.
    fn unseen(&self, task: &Task) -> Option<usize> {
        let of_passage = || self.unseen_by.get(&sha256(task.passage().as_bytes())).copied();
        if self.others.is_empty() { None } else { of_passage() }
    }

    /// How the logits of each become a value.
    #[must_use]
    pub fn reading(&self) -> &Reading {
        self.first.reading()
    }
}

impl From<CrossEncoder> for CrossEncoders {
    fn from(encoder: CrossEncoder) -> Self {
        Self { first: encoder, others: Vec::new(), unseen_by: HashMap::new() }
    }
}

/// The best value of an answer in a pair with what it is judged by, as the model's [`Reading`] has it.
pub struct CrossEncoderEvaluator {
    /// The model, or several of which each judges what it was not trained on.
    pub encoders: Rc<CrossEncoders>,
    /// What answers are judged by.
    pub against: Against,
}

impl Evaluator for CrossEncoderEvaluator {
    fn rate<'a>(&'a self, task: &'a Task, answer: &'a str) -> Pending<'a, Result<Rated, RateFault>> {
        Box::pin(async move {
            let encoder = self.encoders.of(task);
            let started = Instant::now();
            let firsts = self.against.texts(task);
            let pairs: Vec<(&str, &str)> = firsts.iter().map(|first| (first.as_str(), answer)).collect();
            let scores = encoder.score(&pairs).await?;
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
        Box::pin(async {
            for encoder in std::iter::once(&self.encoders.first).chain(&self.encoders.others) {
                encoder.score(&[("Hello", "Hello")]).await?;
            }
            Ok(())
        })
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit { tokens: self.encoders.first.max_tokens(), cut: "end" })
    }

    fn is_held_out(&self, task: &Task) -> bool {
        self.encoders.others.is_empty() || self.encoders.unseen(task).is_some()
    }

    fn gives_logits(&self) -> bool {
        *self.encoders.reading() == Reading::Logit
    }
}
