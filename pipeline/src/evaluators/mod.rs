//! Evaluators: a task and an answer in, a raw value out, with the time that it took.

mod bi_encoder;
mod cross_encoder;
mod llm_judge;
mod overlap;
mod structure;

use std::rc::Rc;

use poq_core::dataset::Task;
use poq_models::{BiEncoder, Decoder, ModelError};
use serde::{Deserialize, Serialize};

pub use bi_encoder::BiEncoderEvaluator;
pub use cross_encoder::{CrossEncoderEvaluator, CrossEncoders};
pub use llm_judge::LlmJudge;
pub use overlap::Overlap;
pub use structure::Structure;

use crate::Pending;
use crate::spec::EvaluatorSpec;

/// An evaluator that is ready to score.
pub trait Evaluator {
    /// Rates an answer to `task`. The latency is that of an evaluator that keeps nothing between answers: a bi encoder
    /// embeds both sides each time, and what a judge reads of a task once counts for each answer.
    fn rate<'a>(&'a self, task: &'a Task, answer: &'a str) -> Pending<'a, Result<Rated, RateFault>>;

    /// Works once, so that no measured score pays for first-use work.
    fn warm_up(&self) -> Pending<'_, Result<(), ModelError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// What its model reads at most; none without a model.
    fn limit(&self) -> Option<Limit> {
        None
    }

    /// Whether its raw values are logits, which `sigmoid` is for.
    fn gives_logits(&self) -> bool {
        false
    }

    /// False where it has judges that were held out from passages, and that of `task` is none of these.
    fn is_held_out(&self, _task: &Task) -> bool {
        true
    }
}

/// What a model reads at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Tokens.
    pub tokens: usize,
    /// Which part of a longer text is cut off: its `end` or its `front`.
    pub cut: &'static str,
}

/// What an evaluator says of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rated {
    /// As its kind has it.
    pub raw: f64,
    /// Measured time, in milliseconds.
    pub latency_ms: f64,
    /// Tokens that a model read; none without one.
    pub tokens: Option<usize>,
    /// Whether a text was cut to fit the model.
    pub is_cut: bool,
}

/// Why an answer has no raw value.
#[derive(Debug)]
pub enum RateFault {
    /// The judge's reply was no number. It is never made one.
    NoNumber {
        /// How the reply began.
        reply: String,
        /// Measured time, in milliseconds.
        latency_ms: f64,
    },
    /// The task has no reference to judge an answer by.
    NoReference,
    /// The model could not read it, or the device failed.
    Model(ModelError),
    /// In words, why another program that has the model did not rate it.
    Elsewhere(String),
}

impl From<ModelError> for RateFault {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl std::fmt::Display for RateFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoNumber { reply, .. } => write!(f, "its reply begins {reply:?}, no number from 0 to 9"),
            Self::NoReference => f.write_str("the task has no reference to judge an answer by"),
            Self::Model(error) => error.fmt(f),
            Self::Elsewhere(words) => f.write_str(words),
        }
    }
}

/// Whoever opens the models of evaluators; `M` is how specs name them.
pub trait Models<M> {
    /// Why one is not to be had.
    type Fault;

    /// A bi encoder.
    ///
    /// # Errors
    /// If it cannot be opened; so in all.
    fn bi_encoder(&self, model: &M) -> Result<Rc<BiEncoder>, Self::Fault>;

    /// A cross encoder, or several that were cross-fitted.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn cross_encoders(&self, model: &M) -> Result<Rc<CrossEncoders>, Self::Fault>;

    /// A decoder with all its layers.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn decoder(&self, model: &M) -> Result<Rc<Decoder>, Self::Fault>;
}

/// The evaluator that a spec describes.
///
/// # Errors
/// If `models` has not what it needs.
pub fn open<M, R: Models<M>>(spec: &EvaluatorSpec<M>, models: &R) -> Result<Box<dyn Evaluator>, R::Fault> {
    Ok(match spec {
        EvaluatorSpec::BiEncoder { model, against } => {
            Box::new(BiEncoderEvaluator { encoder: models.bi_encoder(model)?, against: *against })
        }
        EvaluatorSpec::CrossEncoder { model, against } => {
            Box::new(CrossEncoderEvaluator { encoders: models.cross_encoders(model)?, against: *against })
        }
        EvaluatorSpec::LlmJudge { model, template } => {
            Box::new(LlmJudge::new(models.decoder(model)?, template.clone()))
        }
        EvaluatorSpec::RougeL => Box::new(Overlap::RougeL),
        EvaluatorSpec::Chrf => Box::new(Overlap::Chrf),
        EvaluatorSpec::Structure => Box::new(Structure),
    })
}

/// A rating that waits for no device.
fn at_once<'a>(raw: impl FnOnce() -> f64) -> Pending<'a, Result<Rated, RateFault>> {
    let started = web_time::Instant::now();
    let raw = raw();
    let latency_ms = crate::milliseconds(started);
    Box::pin(std::future::ready(Ok(Rated { raw, latency_ms, tokens: None, is_cut: false })))
}
