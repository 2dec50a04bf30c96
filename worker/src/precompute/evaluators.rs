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
    kind: Kind,
}

/// How it judges, with what it needs for that.
enum Kind {
    BiEncoder(Box<Comparing>),
    RougeL,
    Chrf,
    Structure,
}

/// A bi encoder at work.
struct Comparing {
    encoder: BiEncoder,
    against: Against,
    /// Scores of which a text was cut to fit the model.
    cut: Cell<usize>,
}

/// Reads a model's weights to name them with their hash, as the manifest does.
pub fn model_name(kind: &EvaluatorKind) -> Outcome<Option<String>> {
    let EvaluatorKind::BiEncoder { model, .. } = kind else {
        return Ok(None);
    };
    let folder = models::encoder_folder(model.as_str())?;
    let (settings, path) = models::sentence_settings(&folder)?;
    let bytes = std::fs::read(&path).input(format!("cannot read {}", path.display()))?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // The same weights make other vectors where the folder asks for another pooling.
    Ok(Some(format!("{name} (model.safetensors sha256 {}{settings})", sha256(&bytes))))
}

impl<'a> Evaluator<'a> {
    /// Loads what the evaluator needs. An encoder embeds once unmeasured, so that no measured score pays for first-use
    /// work.
    pub fn load(plan: &'a EvaluatorPlan) -> Outcome<Self> {
        let kind = match &plan.kind {
            EvaluatorKind::BiEncoder { model, against } => {
                let encoder = models::bi_encoder(model.as_str())?;
                let about = || format!("evaluator `{}`", plan.id);
                block_on(encoder.embed(&["Hello"])).map_err(|error| Fault::from(error).of(about()))?;
                Kind::BiEncoder(Box::new(Comparing { encoder, against: *against, cut: Cell::new(0) }))
            }
            EvaluatorKind::RougeL => Kind::RougeL,
            EvaluatorKind::Chrf => Kind::Chrf,
            EvaluatorKind::Structure => Kind::Structure,
        };
        Ok(Self { plan, kind })
    }

    /// What is to be said of the scores so far: that texts were cut.
    pub fn notice(&self) -> Option<String> {
        let Kind::BiEncoder(comparing) = &self.kind else { return None };
        let (cut, id, tokens) = (comparing.cut.get(), &self.plan.id, comparing.encoder.max_tokens());
        (cut > 0)
            .then(|| format!("{id}: in {cut} of its scores the end of a text was cut to the model's {tokens} tokens"))
    }

    /// Scores what `output` answers to `task`. The latency is that of an evaluator that keeps nothing between scores: a
    /// bi encoder embeds both sides each time.
    ///
    /// # Errors
    /// [`Fault::Input`] where this row alone is at fault; a fault of the environment ends the run.
    pub fn score(&self, task: &Task, output: &Output) -> Outcome<ScoreRow> {
        let started = Instant::now();
        let answer = output.text.as_str();
        let raw = match &self.kind {
            Kind::RougeL => rouge::best_rouge_l(answer, &task.references),
            Kind::Chrf => chrf::best_chrf(answer, &task.references),
            Kind::Structure => structure::structure(answer, task.kind),
            Kind::BiEncoder(comparing) => comparing.similarity(task, answer)?,
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
}

impl Comparing {
    /// The best cosine of the answer with what it is compared with, in `[-1, 1]`.
    fn similarity(&self, task: &Task, answer: &str) -> Outcome<f64> {
        let others = match self.against {
            Against::Reference => task.references.clone(),
            Against::Prompt => vec![task.prompt_with_context()],
        };
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let similarity = block_on(self.encoder.similarity(answer, &others))?;
        self.cut.set(self.cut.get() + usize::from(similarity.truncated));
        Ok(similarity.cosine)
    }
}
