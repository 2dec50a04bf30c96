//! Evaluators at work: a task and an answer in, a raw value and its measured latency out.

use std::cell::Cell;
use std::time::Instant;

use futures_lite::future::block_on;
use poq_core::dataset::{Output, ScoreRow, Task};
use poq_core::text::{chrf, rouge, structure};
use poq_models::BiEncoder;

use super::journal::sha256;
use super::plan::{Against, EvaluatorKind, EvaluatorPlan};
use crate::fault::{Blame as _, Fault, Outcome};
use crate::models;

/// An evaluator that is ready to score.
pub struct Evaluator<'a> {
    plan: &'a EvaluatorPlan,
    encoder: Option<BiEncoder>,
    /// Scores of which a text was cut to fit the model.
    cut: Cell<usize>,
}

/// Reads a model's weights to name them with their hash, as the manifest does.
pub fn model_name(kind: &EvaluatorKind) -> Outcome<Option<String>> {
    let EvaluatorKind::BiEncoder { model, .. } = kind else {
        return Ok(None);
    };
    let folder = models::encoder_folder(model.as_str())?;
    let path = folder.join("model.safetensors");
    let bytes = std::fs::read(&path).input(format!("cannot read {}", path.display()))?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Some(format!("{name} (model.safetensors sha256 {})", sha256(&bytes))))
}

impl<'a> Evaluator<'a> {
    /// Loads what the evaluator needs. An encoder embeds once unmeasured, so that no measured score pays for first-use
    /// work.
    pub fn load(plan: &'a EvaluatorPlan) -> Outcome<Self> {
        let encoder = match &plan.kind {
            EvaluatorKind::BiEncoder { model, .. } => {
                let encoder = models::bi_encoder(model.as_str())?;
                block_on(encoder.embed(&["Hello"])).map_err(Fault::from)?;
                Some(encoder)
            }
            EvaluatorKind::RougeL | EvaluatorKind::Chrf | EvaluatorKind::Structure => None,
        };
        Ok(Self { plan, encoder, cut: Cell::new(0) })
    }

    /// What is to be said of the scores so far: that texts were cut.
    pub fn notice(&self) -> Option<String> {
        let (cut, encoder) = (self.cut.get(), self.encoder.as_ref().filter(|_| self.cut.get() > 0)?);
        let (id, tokens) = (&self.plan.id, encoder.max_tokens());
        Some(format!("{id}: in {cut} of its scores the end of a text was cut to the model's {tokens} tokens"))
    }

    /// Scores what `output` answers to `task`. The latency is that of an evaluator that keeps nothing between scores: a
    /// bi encoder embeds both sides each time.
    pub fn score(&self, task: &Task, output: &Output) -> Result<ScoreRow, String> {
        let started = Instant::now();
        let answer = output.text.as_str();
        let raw = match &self.plan.kind {
            EvaluatorKind::RougeL => rouge::best_rouge_l(answer, &task.references),
            EvaluatorKind::Chrf => chrf::best_chrf(answer, &task.references),
            EvaluatorKind::Structure => structure::structure(answer, task.kind),
            EvaluatorKind::BiEncoder { against, .. } => self.similarity(task, answer, *against)?,
        };
        let latency_ms = started.elapsed().as_secs_f64() * 1e3;
        Ok(ScoreRow {
            task: task.id.clone(),
            node: output.node.clone(),
            evaluator: self.plan.id.clone(),
            raw,
            latency_ms,
        })
    }

    /// The best cosine of the answer with what it is compared with, in `[-1, 1]`.
    fn similarity(&self, task: &Task, answer: &str, against: Against) -> Result<f64, String> {
        let encoder = self.encoder.as_ref().ok_or_else(|| "the encoder is not loaded".to_owned())?;
        let others = match against {
            Against::Reference => task.references.clone(),
            Against::Prompt => vec![task.prompt_with_context()],
        };
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let similarity = block_on(encoder.similarity(answer, &others)).map_err(|error| error.to_string())?;
        self.cut.set(self.cut.get() + usize::from(similarity.truncated));
        Ok(similarity.cosine)
    }
}
