//! Evaluators at work: a task and an answer in, a raw value and its measured latency out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use futures_lite::future::block_on;
use poq_core::dataset::{Output, ScoreRow, Task};
use poq_core::score::ScoreNormalization;
use poq_core::text::{chrf, rouge, structure};
use poq_models::{BiEncoder, CrossEncoder, Decoder, ModelError, Rater, Reading};

use super::plan::{Against, EvaluatorKind, EvaluatorPlan};
use crate::fault::{Blame as _, Fault, Outcome};
use crate::models::{self, Models};

/// An evaluator that is ready to score.
pub struct Evaluator<'a> {
    plan: &'a EvaluatorPlan,
    kind: Kind,
}

/// How it judges, with what it needs for that.
enum Kind {
    BiEncoder(Box<Comparing>),
    CrossEncoder(Box<Classifying>),
    LlmJudge(Box<Judging>),
    RougeL,
    Chrf,
    Structure,
}

/// A bi encoder at work.
struct Comparing {
    encoder: Rc<BiEncoder>,
    against: Against,
    /// Scores of which a text was cut to fit the model.
    cut: Cell<usize>,
}

/// A cross encoder at work.
struct Classifying {
    encoder: Rc<CrossEncoder>,
    against: Against,
    /// Scores of which a pair was cut to fit the model.
    cut: Cell<usize>,
}

/// A judge at work.
struct Judging {
    decoder: Rc<Decoder>,
    template: String,
    state: RefCell<JudgeState>,
}

/// What a judge keeps from one answer to the next.
struct JudgeState {
    rater: Rater,
    /// The task whose prompt is read, and how long that took.
    begun: Option<(String, f64)>,
    /// Ratings whose prompt was cut to fit the model.
    cut: usize,
}

/// The raw value of the best rating.
const BEST: f64 = 10.0;

/// Reads a model's weights to name them with their hash, as the manifest does.
pub fn model_name(kind: &EvaluatorKind, read: &Models) -> Outcome<Option<String>> {
    let model = match kind {
        EvaluatorKind::BiEncoder { model, .. } => model,
        EvaluatorKind::CrossEncoder { model, .. } => {
            let folder = models::encoder_folder(model.as_str())?;
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let reading = read.cross_encoder(model.as_str())?.reading().clone();
            let sha256 = read.sha256(&folder.join("model.safetensors"))?;
            return Ok(Some(format!("{name} (model.safetensors sha256 {sha256}, {reading})")));
        }
        EvaluatorKind::LlmJudge { model, template, .. } => {
            let template = serde_json::to_string(template).environment("cannot serialise a template")?;
            return read.decoder_name(model.as_str(), &format!(", template {template}")).map(Some);
        }
        EvaluatorKind::RougeL | EvaluatorKind::Chrf | EvaluatorKind::Structure => return Ok(None),
    };
    let folder = models::encoder_folder(model.as_str())?;
    let (settings, path) = models::sentence_settings(&folder)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // The same weights make other vectors where the folder asks for another pooling.
    Ok(Some(format!("{name} (model.safetensors sha256 {}{settings})", read.sha256(&path)?)))
}

impl<'a> Evaluator<'a> {
    /// Loads what the evaluator needs. An encoder embeds once unmeasured, so that no measured score pays for first-use
    /// work.
    pub fn load(plan: &'a EvaluatorPlan, read: &Models) -> Outcome<Self> {
        let kind = match &plan.kind {
            EvaluatorKind::BiEncoder { model, against } => {
                let encoder = read.bi_encoder(model.as_str())?;
                let about = || format!("evaluator `{}`", plan.id);
                block_on(encoder.embed(&["Hello"])).map_err(|error| Fault::from(error).of(about()))?;
                Kind::BiEncoder(Box::new(Comparing { encoder, against: *against, cut: Cell::new(0) }))
            }
            EvaluatorKind::CrossEncoder { model, against } => {
                let encoder = read.cross_encoder(model.as_str())?;
                let about = || format!("evaluator `{}`", plan.id);
                block_on(encoder.score(&[("Hello", "Hello")])).map_err(|error| Fault::from(error).of(about()))?;
                Kind::CrossEncoder(Box::new(Classifying { encoder, against: *against, cut: Cell::new(0) }))
            }
            EvaluatorKind::LlmJudge { model, template, .. } => {
                Kind::LlmJudge(Box::new(Judging::load(plan, read.decoder(model.as_str(), None)?, template)?))
            }
            EvaluatorKind::RougeL => Kind::RougeL,
            EvaluatorKind::Chrf => Kind::Chrf,
            EvaluatorKind::Structure => Kind::Structure,
        };
        Ok(Self { plan, kind })
    }

    /// What is to be said of the scores so far: that texts were cut, or that logits were taken for scores.
    pub fn notice(&self) -> Option<String> {
        let (cut, what, tokens) = match &self.kind {
            Kind::BiEncoder(comparing) => (comparing.cut.get(), "end", comparing.encoder.max_tokens()),
            Kind::CrossEncoder(classifying) => (classifying.cut.get(), "end", classifying.encoder.max_tokens()),
            Kind::LlmJudge(judging) => (judging.state.borrow().cut, "front", judging.decoder.context_length()),
            Kind::RougeL | Kind::Chrf | Kind::Structure => return None,
        };
        let id = &self.plan.id;
        let mut notices = Vec::new();
        if cut > 0 {
            notices.push(format!("in {cut} of its scores the {what} of a text was cut to the model's {tokens} tokens"));
        }
        if self.takes_logits_for_scores() {
            notices.push(
                "its raw values are logits, of which `unit` makes 0 of all below 0: `sigmoid` is for logits".to_owned(),
            );
        }
        (!notices.is_empty()).then(|| format!("{id}: {}", notices.join("; ")))
    }

    fn takes_logits_for_scores(&self) -> bool {
        let is_unit = self.plan.normalization == ScoreNormalization::Unit;
        matches!(&self.kind, Kind::CrossEncoder(own) if is_unit && *own.encoder.reading() == Reading::Logit)
    }

    /// The row of what `output` answers to `task`.
    ///
    /// # Errors
    /// As [`Self::rate`].
    pub fn score(&self, task: &Task, output: &Output) -> Outcome<ScoreRow> {
        let Rated { raw, latency_ms } = self.rate(task, &output.text)?;
        Ok(ScoreRow {
            task: task.id.clone(),
            node: output.node.clone(),
            evaluator: self.plan.id.clone(),
            raw,
            latency_ms,
        })
    }

    /// Rates an answer to `task`. The latency is that of an evaluator that keeps nothing between answers: a bi encoder
    /// embeds both sides each time, and what a judge reads of a task once counts for each answer.
    ///
    /// # Errors
    /// [`Fault::Input`] where this answer alone is at fault; a fault of the environment ends the run.
    pub fn rate(&self, task: &Task, answer: &str) -> Outcome<Rated> {
        let measured = |raw: &dyn Fn() -> Outcome<f64>| {
            let started = Instant::now();
            Ok(Rated { raw: raw()?, latency_ms: milliseconds(started) })
        };
        match &self.kind {
            Kind::RougeL => measured(&|| Ok(rouge::best_rouge_l(answer, &task.references))),
            Kind::Chrf => measured(&|| Ok(chrf::best_chrf(answer, &task.references))),
            Kind::Structure => measured(&|| Ok(structure::structure(answer, task.kind))),
            Kind::BiEncoder(comparing) => measured(&|| comparing.similarity(task, answer)),
            Kind::CrossEncoder(classifying) => measured(&|| classifying.value(task, answer)),
            Kind::LlmJudge(judging) => judging.rate(task, answer),
        }
    }
}

/// What an evaluator says of an answer.
pub struct Rated {
    /// As its kind has it.
    pub raw: f64,
    pub latency_ms: f64,
}

fn milliseconds(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}

impl Judging {
    /// A judge rates once unmeasured, so that no measured score pays for first-use work.
    fn load(plan: &EvaluatorPlan, decoder: Rc<Decoder>, template: &str) -> Outcome<Self> {
        let about = |error: ModelError| Fault::from(error).of(format!("evaluator `{}`", plan.id));
        let mut rater = decoder.rater().map_err(about)?;
        block_on(decoder.rate(&mut rater, &models::asked(&decoder, "Hello".to_owned()))).map_err(about)?;
        let state = RefCell::new(JudgeState { rater, begun: None, cut: 0 });
        Ok(Self { decoder, template: template.to_owned(), state })
    }

    /// The rating of an answer, from 0 to [`BEST`]. A reply that is no number is never made one: it is the row's fault.
    fn rate(&self, task: &Task, answer: &str) -> Outcome<Rated> {
        let state = &mut *self.state.borrow_mut();
        let shown = |answer: &str| models::asked(&self.decoder, EvaluatorKind::shown(&self.template, task, answer));
        let begun_ms = match &state.begun {
            Some((id, begun_ms)) if *id == task.id => *begun_ms,
            _ => {
                let started = Instant::now();
                block_on(self.decoder.read_common(&mut state.rater, [&shown(answer), &shown("")]))?;
                let begun_ms = milliseconds(started);
                state.begun = Some((task.id.clone(), begun_ms));
                begun_ms
            }
        };
        let started = Instant::now();
        let rating = block_on(self.decoder.rate(&mut state.rater, &shown(answer)))?;
        let latency_ms = begun_ms + milliseconds(started);
        state.cut += usize::from(rating.truncated_prompt);
        if !rating.is_number {
            return Err(Fault::input(format!("its reply begins {:?}, no number from 0 to 9", rating.reply)));
        }
        Ok(Rated { raw: rating.share() * BEST, latency_ms })
    }
}

/// What an encoder reads beside an answer to `task`: one text, or several of which the best counts.
fn beside(against: Against, task: &Task) -> Vec<String> {
    match against {
        Against::Reference => task.references.clone(),
        Against::Prompt => vec![task.prompt_with_context()],
    }
}

impl Comparing {
    /// The best cosine of the answer with what it is compared with, in `[-1, 1]`.
    fn similarity(&self, task: &Task, answer: &str) -> Outcome<f64> {
        let others = beside(self.against, task);
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let similarity = block_on(self.encoder.similarity(answer, &others))?;
        self.cut.set(self.cut.get() + usize::from(similarity.truncated));
        Ok(similarity.cosine)
    }
}

impl Classifying {
    /// The best value of the answer in a pair with what it is judged by, as the model's [`Reading`] has it.
    fn value(&self, task: &Task, answer: &str) -> Outcome<f64> {
        let firsts = beside(self.against, task);
        let pairs: Vec<(&str, &str)> = firsts.iter().map(|first| (first.as_str(), answer)).collect();
        let scores = block_on(self.encoder.score(&pairs))?;
        self.cut.set(self.cut.get() + usize::from(scores.iter().any(|score| score.truncated)));
        let best = scores.iter().map(|score| score.value).max_by(f64::total_cmp);
        best.ok_or_else(|| Fault::input("the task has no reference to judge an answer by"))
    }
}
