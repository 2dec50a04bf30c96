//! Language models that rate answers.

use std::cell::Cell;
use std::rc::Rc;

use poq_core::dataset::Task;
use poq_models::{Decoder, ModelError, Prompt, Rater};
use web_time::Instant;

use super::{Evaluator, Limit, RateFault, Rated};
use crate::nodes::asked;
use crate::spec::shown;
use crate::{Pending, milliseconds};

/// The raw value of the best rating.
const BEST: f64 = 10.0;

/// A decoder that is shown the task and the answer. The raw value, 0 to 10, is the expected number of its reply, each
/// weighed by its probability (G-Eval, arXiv 2303.16634).
pub struct LlmJudge {
    decoder: Rc<Decoder>,
    template: String,
    /// Taken out while it rates.
    begun: Cell<Option<Begun>>,
}

/// What a judge keeps from one answer to the next.
struct Begun {
    rater: Rater,
    /// What it is shown beside an empty answer: what of that all answers have in common is read.
    shown: String,
    /// How long that took, in milliseconds.
    ms: f64,
}

impl LlmJudge {
    /// A judge that is shown what `template` says.
    #[must_use]
    pub fn new(decoder: Rc<Decoder>, template: String) -> Self {
        Self { decoder, template, begun: Cell::default() }
    }

    fn shown(&self, task: &Task, answer: &str) -> Prompt {
        asked(&self.decoder, shown(&self.template, task, answer))
    }

    /// Reads what all answers to `task` are shown after, unless that was done for the answer before.
    async fn begin(&self, task: &Task, answer: &Prompt) -> Result<Begun, ModelError> {
        let empty = shown(&self.template, task, "");
        let rater = match self.begun.take() {
            Some(begun) if begun.shown == empty => return Ok(begun),
            Some(begun) => Ok(begun.rater),
            None => self.decoder.rater(),
        };
        let mut rater = rater?;
        let started = Instant::now();
        self.decoder.read_common(&mut rater, [answer, &asked(&self.decoder, empty.clone())]).await?;
        Ok(Begun { rater, shown: empty, ms: milliseconds(started) })
    }
}

impl Evaluator for LlmJudge {
    fn rate<'a>(&'a self, task: &'a Task, answer: &'a str) -> Pending<'a, Result<Rated, RateFault>> {
        Box::pin(async move {
            let prompt = self.shown(task, answer);
            let mut begun = self.begin(task, &prompt).await?;
            let started = Instant::now();
            let rating = self.decoder.rate(&mut begun.rater, &prompt).await?;
            let latency_ms = begun.ms + milliseconds(started);
            self.begun.set(Some(begun));
            if !rating.is_number {
                return Err(RateFault::NoNumber { reply: rating.reply, latency_ms });
            }
            Ok(Rated {
                raw: rating.share() * BEST,
                latency_ms,
                tokens: Some(rating.tokens_in),
                is_cut: rating.truncated_prompt,
            })
        })
    }

    fn warm_up(&self) -> Pending<'_, Result<(), ModelError>> {
        Box::pin(async {
            let mut rater = self.decoder.rater()?;
            self.decoder.rate(&mut rater, &asked(&self.decoder, "Hello".to_owned())).await.map(drop)
        })
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit { tokens: self.decoder.context_length(), cut: "front" })
    }
}
