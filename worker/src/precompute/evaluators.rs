//! The evaluators of a plan at work.

use std::cell::Cell;

use futures_lite::future::block_on;
use poq_core::dataset::{Output, ScoreRow, Task};
use poq_core::score::ScoreNormalization;
use poq_pipeline::evaluators::{self, RateFault, Rated};

use super::plan::EvaluatorPlan;
use crate::fault::{Fault, Outcome};
use crate::models::Models;

/// An evaluator that is ready to score.
pub struct Evaluator<'a> {
    plan: &'a EvaluatorPlan,
    evaluator: Box<dyn evaluators::Evaluator>,
    /// Scores of which a text was cut to fit the model.
    cut: Cell<usize>,
    /// Scores of passages that are none of those that its judges were held out from.
    strange: Cell<usize>,
}

impl<'a> Evaluator<'a> {
    /// Loads what the evaluator needs.
    pub fn load(plan: &'a EvaluatorPlan, models: &Models) -> Outcome<Self> {
        let evaluator = evaluators::open(&plan.spec, models)?;
        block_on(evaluator.warm_up()).map_err(|error| Fault::from(error).of(format!("evaluator `{}`", plan.id)))?;
        Ok(Self { plan, evaluator, cut: Cell::default(), strange: Cell::default() })
    }

    /// What is to be said of the scores so far: that texts were cut, that a judge may have learnt from what it judged,
    /// or that logits were taken for scores.
    pub fn notice(&self) -> Option<String> {
        let mut notices = Vec::new();
        if let (Some(limit), count @ 1..) = (self.evaluator.limit(), self.cut.get()) {
            let (cut, tokens) = (limit.cut, limit.tokens);
            notices
                .push(format!("in {count} of its scores the {cut} of a text was cut to the model's {tokens} tokens"));
        }
        if let count @ 1.. = self.strange.get() {
            notices.push(format!(
                "in {count} of its scores the passage is, to the letter, none that its judges were held out from: the \
                 first of them gave these"
            ));
        }
        if self.evaluator.gives_logits() && self.plan.normalization == ScoreNormalization::Unit {
            notices.push(
                "its raw values are logits, of which `unit` makes 0 of all below 0: `sigmoid` is for logits".to_owned(),
            );
        }
        (!notices.is_empty()).then(|| format!("{}: {}", self.plan.id, notices.join("; ")))
    }

    /// The row of what `output` answers to `task`. A judge's reply that is no number makes a row without a raw value.
    ///
    /// # Errors
    /// As [`Self::rate`]; for an evaluator that takes part in consensus also a reply that is no number.
    pub fn score(&self, task: &Task, output: &Output) -> Outcome<ScoreRow> {
        let row = |raw, reply, latency_ms| ScoreRow {
            task: task.id.clone(),
            node: output.node.clone(),
            evaluator: self.plan.id.clone(),
            raw,
            reply,
            latency_ms,
        };
        match self.rate(task, &output.text) {
            Ok(rated) => Ok(row(Some(rated.raw), None, rated.latency_ms)),
            Err(RateFault::NoNumber { reply, latency_ms }) if self.plan.is_judge => {
                Ok(row(None, Some(reply), latency_ms))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Rates an answer to `task`.
    ///
    /// # Errors
    /// Those of [`evaluators::Evaluator::rate`].
    pub fn rate(&self, task: &Task, answer: &str) -> Result<Rated, RateFault> {
        let rated = block_on(self.evaluator.rate(task, answer))?;
        self.cut.set(self.cut.get() + usize::from(rated.is_cut));
        self.strange.set(self.strange.get() + usize::from(!self.evaluator.is_held_out(task)));
        Ok(rated)
    }
}

/// [`Fault::Input`] where one answer alone is at fault; a fault of the environment ends the run.
impl From<RateFault> for Fault {
    fn from(fault: RateFault) -> Self {
        match fault {
            RateFault::Model(error) => error.into(),
            other => Self::input(other.to_string()),
        }
    }
}
