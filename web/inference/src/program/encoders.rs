//! Evaluators: those that need no model, those of an encoder, and those that a decoder is asked for; one answer, or the
//! whole dataset anew.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::protocol::{Blame, DeviceKind, Embedded, FromInference, KnownAnswer, LoadStep, Loaded, Rescored, Score};
use poq_core::dataset::{Shipped, Task};
use poq_core::stats::pearson;
use poq_core::weights::{KnownModel, of_file};
use poq_models::{BiEncoder, Families, ModelError};
use poq_pipeline::evaluators::{
    BiEncoderEvaluator, CrossEncoderEvaluator, CrossEncoders, Evaluator, Overlap, RateFault, Structure,
};
use poq_pipeline::spec::{Against, EvaluatorSpec};

use super::decoders::Decoders;
use super::folder::Folder;
use super::loading::{self, LoadFault};
use super::rows::{Rows, Scorer, key};
use super::scope::{breath, now_ms, post};
use super::{Shared, Wanted, store};

/// Time between two words of progress, in milliseconds.
const TELL_MS: f64 = 200.0;

/// How far a score of a model without a known answer may be from the recorded one, of 10. It is far above what half
/// precision is meant to cost.
const MOST_DIFFERENCE: f64 = 0.5;

/// The encoders that are ready, and the dataset beside the page.
#[derive(Default)]
pub struct Encoders {
    /// By what the dataset knows them by ([`key`]).
    ready: RefCell<HashMap<String, Encoder>>,
    /// The bi encoder that was loaded last, which embeds texts.
    embedder: RefCell<Option<Rc<BiEncoder>>>,
    rows: RefCell<Option<Rc<Rows>>>,
    /// The dataset that was asked for last.
    dataset: Cell<Shipped>,
}

/// An encoder that is ready.
#[derive(Clone)]
enum Encoder {
    Bi(Rc<BiEncoder>),
    Cross(Rc<CrossEncoders>),
}

impl Encoder {
    /// Numbers of recorded answers that it is tried on: the first, or the first that each of several judges did not
    /// see.
    fn tries(&self, rows: &Rows) -> Vec<u32> {
        let Self::Cross(encoders) = self else { return vec![0] };
        let mut tries: Vec<(usize, u32)> = Vec::new();
        for index in 0..rows.len() {
            let judge = encoders.number_for(rows.task(index));
            if tries.iter().all(|(seen, _)| *seen != judge) {
                tries.push((judge, index));
            }
        }
        tries.into_iter().map(|(_, index)| index).collect()
    }

    fn by(self, against: Against) -> Box<dyn Evaluator> {
        match self {
            Self::Bi(encoder) => Box::new(BiEncoderEvaluator { encoder, against }),
            Self::Cross(encoders) => Box::new(CrossEncoderEvaluator { encoders, against }),
        }
    }
}

impl Encoders {
    /// The dataset, once it is read.
    pub fn rows(&self) -> Option<Rc<Rows>> {
        self.rows.borrow().clone()
    }

    fn ready(&self, key: &str) -> Option<Encoder> {
        self.ready.borrow().get(key).cloned()
    }

    fn keep(&self, key: &str, encoder: Encoder) {
        if let Encoder::Bi(encoder) = &encoder {
            *self.embedder.borrow_mut() = Some(Rc::clone(encoder));
        }
        self.ready.borrow_mut().insert(key.to_owned(), encoder);
    }

    /// Reads a dataset, unless that is done. Until it is there is none; one that comes after another was asked for is
    /// dropped.
    pub async fn read_dataset(&self, dataset: Shipped) {
        self.dataset.set(dataset);
        let there = self.rows().filter(|rows| rows.shipped == dataset);
        let outcome = match there {
            Some(rows) => Ok(rows),
            None => {
                self.rows.take();
                Rows::read(dataset).await.map(Rc::new)
            }
        };
        if self.dataset.get() != dataset {
            return;
        }
        if let Ok(rows) = &outcome {
            // What only the dataset before named is of no use.
            self.ready.borrow_mut().retain(|key, _| of_file(key).is_some() || rows.with_encoder(key).is_some());
            *self.rows.borrow_mut() = Some(Rc::clone(rows));
        }
        post(&FromInference::Corpus(outcome.map(|rows| rows.corpus())));
    }

    /// Reads a known bi encoder from the browser's storage, puts it on the device, in half precision if that has it,
    /// and lets it compute the known answer.
    pub async fn load(&self, shared: &Shared, known: &'static KnownModel) -> Result<Loaded, LoadFault> {
        let (mut files, check_ms) = loading::files(known, store::read).await?;
        let begun = now_ms();
        // Each file is dropped as soon as the device has it.
        let mut read = |name: &str| -> Result<_, LoadFault> {
            let found = files.iter_mut().find(|(seen, _)| *seen == name);
            Ok(found.map(|(_, bytes)| std::mem::take(bytes)))
        };
        let encoder = BiEncoder::from_folder(&mut read, Families::PAGE, shared.kernels(), &shared.device)?;
        let uploaded = now_ms();
        loading::tell(known.name, LoadStep::KnownAnswer);
        breath().await?;
        let hash = known.files[0].sha256;
        let agreement = encoder.check_known_answer(hash).await?;
        let first = now_ms();
        breath().await?;
        let again = now_ms();
        encoder.check_known_answer(hash).await?;
        let second_ms = Some(now_ms() - again);
        self.keep(hash, Encoder::Bi(Rc::new(encoder)));
        Ok(Loaded {
            model: known.name.to_owned(),
            decoder: false,
            check_ms,
            upload_ms: Some(uploaded - begun),
            cpu_cosine: None,
            difference: None,
            known_answer: agreement.map(|agreement| KnownAnswer { agreement, first_ms: first - uploaded, second_ms }),
        })
    }

    /// Puts a model that only the dataset names on the device, out of its folder.
    pub async fn open_folder(
        &self,
        shared: &Shared,
        name: &str,
        key: &str,
        folder: Folder,
    ) -> Result<Loaded, LoadFault> {
        let rows = self.rows().ok_or_else(|| "the dataset is not here".to_owned())?;
        let absent = || format!("no evaluator of the dataset needs {name}");
        let scorer = rows.with_encoder(key).ok_or_else(absent)?;
        loading::tell(name, LoadStep::Check);
        breath().await?;
        let begun = now_ms();
        let (encoder, against) = match &scorer.spec {
            EvaluatorSpec::BiEncoder { model, against } => {
                let encoder = folder.bi_encoder(model, shared.kernels(), &shared.device).await?;
                (Encoder::Bi(Rc::new(encoder)), *against)
            }
            EvaluatorSpec::CrossEncoder { model, against } => {
                let encoders = folder.cross_encoders(model, shared.kernels(), &shared.device).await?;
                (Encoder::Cross(Rc::new(encoders)), *against)
            }
            _ => return Err(absent().into()),
        };
        let load_ms = now_ms() - begun;
        loading::tell(name, LoadStep::KnownAnswer);
        breath().await?;
        let evaluator = encoder.clone().by(against);
        let mut difference = 0.0_f64;
        for index in encoder.tries(&rows) {
            breath().await?;
            let (task, answer, before) = rows.at(index, scorer)?;
            let score = score_by(evaluator.as_ref(), scorer, task, answer).await.map_err(|fault| match fault {
                RateFault::Model(error) => LoadFault::from(error),
                other => other.to_string().into(),
            })?;
            difference = difference.max((score.score - before.score).abs());
        }
        if difference > MOST_DIFFERENCE {
            let words = format!("its score of a recorded answer is {difference:.2} from the recorded one");
            // Where a GPU computes wrongly, the CPU does not; where the files are wrong, it does as well.
            let blame = match shared.report.kind {
                DeviceKind::WebGpu => Blame::DeviceIsWrong,
                DeviceKind::Cpu => Blame::Model,
            };
            return Err(LoadFault { words, blame });
        }
        self.keep(key, encoder);
        Ok(Loaded {
            model: name.to_owned(),
            decoder: false,
            check_ms: load_ms,
            upload_ms: None,
            cpu_cosine: None,
            known_answer: None,
            difference: Some(difference),
        })
    }

    /// Scores an answer with every evaluator whose model is here, while it is wanted.
    pub async fn score(&self, work: u32, task: &Task, answer: &str, decoders: &Decoders, wanted: Wanted<'_>) {
        let (rows, plain) = (self.rows(), Scorer::without_dataset());
        for scorer in rows.as_deref().map_or(&plain[..], Rows::evaluators) {
            if breath().await.is_err() || !wanted.still() {
                break;
            }
            let outcome = match self.open(&scorer.spec, decoders) {
                Ok(None) => continue,
                Ok(Some(evaluator)) => {
                    score_by(evaluator.as_ref(), scorer, task, answer).await.map_err(|fault| fault.to_string())
                }
                Err(words) => Err(words),
            };
            post(&FromInference::Scored { work, evaluator: scorer.here.clone(), outcome });
        }
        post(&FromInference::Done { work });
    }

    /// Scores the whole dataset anew with an evaluator on `hardware`, while it is wanted.
    pub async fn rescore(
        &self,
        work: u32,
        id: &str,
        hardware: &str,
        decoders: &Decoders,
        wanted: Wanted<'_>,
    ) -> Result<Rescored, String> {
        let rows = self.rows().ok_or("the dataset is not here")?;
        let of = rows.len();
        let scorer = rows.evaluator(id).ok_or_else(|| format!("the evaluator `{id}` does not run here"))?;
        let evaluator = self.open(&scorer.spec, decoders)?.ok_or("its model is not loaded")?;
        let (mut new, mut recorded, mut unscored) = (Vec::new(), Vec::new(), 0);
        let mut told_ms = now_ms();
        for index in 0..of {
            breath().await?;
            if !wanted.still() {
                break;
            }
            let (task, answer, before) = rows.at(index, scorer)?;
            match score_by(evaluator.as_ref(), scorer, task, answer).await {
                Ok(score) => {
                    new.push(score);
                    recorded.push(before);
                }
                Err(RateFault::NoNumber { .. }) => unscored += 1,
                Err(fault) => return Err(fault.to_string()),
            }
            if now_ms() - told_ms > TELL_MS {
                told_ms = now_ms();
                post(&FromInference::Rescoring { work, done: index + 1, of });
            }
        }
        let values = |scores: &[Score]| scores.iter().map(|score| score.score).collect::<Vec<f64>>();
        let mean_ms =
            |scores: &[Score]| scores.iter().map(|score| score.latency_ms).sum::<f64>() / (scores.len().max(1) as f64);
        let differences = new.iter().zip(&recorded).map(|(new, before)| (new.score - before.score).abs());
        Ok(Rescored {
            evaluator: scorer.here.clone(),
            rows: new.len() as u32,
            of,
            pearson: pearson(&values(&new), &values(&recorded)),
            largest: differences.fold(0.0, f64::max),
            latency_ms: mean_ms(&new),
            recorded_ms: mean_ms(&recorded),
            truncated: new.iter().filter(|score| score.truncated).count() as u32,
            unscored,
            added: if new.len() as u32 == of { rows.added(scorer, hardware, &new).map(Box::new) } else { None },
        })
    }

    /// The vectors of texts, and the tokens that were read of them.
    pub async fn embed(&self, texts: &[String]) -> Result<Embedded, String> {
        let encoder = self.embedder.borrow().clone().ok_or("no model that embeds is loaded")?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let begun = now_ms();
        let embeddings = encoder.embed(&texts).await.map_err(|error| error.to_string())?;
        let latency_ms = now_ms() - begun;
        let token_ids: Result<_, ModelError> = texts.iter().map(|text| Ok(encoder.encode(text)?.0)).collect();
        Ok(Embedded {
            token_ids: token_ids.map_err(|error| error.to_string())?,
            vectors: embeddings.into_iter().map(|embedding| embedding.vector).collect(),
            latency_ms,
        })
    }

    /// An evaluator that runs here; none where its model is not loaded.
    fn open(&self, spec: &EvaluatorSpec, decoders: &Decoders) -> Result<Option<Box<dyn Evaluator>>, String> {
        Ok(Some(match spec {
            EvaluatorSpec::BiEncoder { model, against } | EvaluatorSpec::CrossEncoder { model, against } => {
                match self.ready(&key(model)) {
                    Some(encoder) => encoder.by(*against),
                    None => return Ok(None),
                }
            }
            EvaluatorSpec::LlmJudge { model, template } => match decoders.judge(&model.sha256, template)? {
                Some(judge) => Box::new(judge),
                None => return Ok(None),
            },
            EvaluatorSpec::RougeL => Box::new(Overlap::RougeL),
            EvaluatorSpec::Chrf => Box::new(Overlap::Chrf),
            EvaluatorSpec::Structure => Box::new(Structure),
        }))
    }
}

/// What one evaluator makes of an answer.
async fn score_by(evaluator: &dyn Evaluator, scorer: &Scorer, task: &Task, answer: &str) -> Result<Score, RateFault> {
    let rated = evaluator.rate(task, answer).await?;
    Ok(Score {
        raw: rated.raw,
        score: scorer.score(rated.raw),
        latency_ms: rated.latency_ms,
        tokens: rated.tokens.map(|tokens| tokens as u32),
        truncated: rated.is_cut,
    })
}
