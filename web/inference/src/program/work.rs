//! What the models do: loading, comparing, answering.

use crate::protocol::{
    Blame, Embedded, Evaluator, Finish, FromInference, Generate, Generated, KnownAnswer, LoadStep, Loaded, Rescored,
    Score,
};
use std::rc::Rc;

use poq_core::dataset::Task;
use poq_core::score::ScoreNormalization;
use poq_core::stats::pearson;
use poq_core::text::{chrf, rouge, structure};
use poq_core::weights::{KnownModel, ModelRole};
use poq_models::{
    BiEncoder, Decoder, DecoderOptions, Device, Families, GenerateOptions, Kernels, Message, ModelError, Prompt,
    WeightStorage,
};

use super::rows::Rows;
use super::scope::{breath, now_ms, post};
use super::store;

/// Tokens of a prompt that are read at a time: less than a second's work of one thread for the models here.
const READ_TOKENS: usize = 64;

/// Time between two words of progress, in milliseconds.
const TELL_MS: f64 = 200.0;

/// A model that is ready.
pub enum Model {
    /// An evaluator's.
    Encoder(Rc<BiEncoder>),
    /// An inference node's.
    Decoder(Rc<Decoder>),
}

/// Why a model is not ready.
pub struct LoadFault {
    /// Why, in words.
    pub words: String,
    /// Whose fault it is.
    pub blame: Blame,
}

impl From<String> for LoadFault {
    fn from(words: String) -> Self {
        Self { words, blame: Blame::Model }
    }
}

impl LoadFault {
    /// Of a file.
    pub fn of(file: &str, error: ModelError) -> Self {
        let fault = Self::from(error);
        Self { words: format!("{file}: {}", fault.words), ..fault }
    }
}

impl From<ModelError> for LoadFault {
    fn from(error: ModelError) -> Self {
        let blame = match error {
            ModelError::WrongAnswer { .. } | ModelError::NotFinite(_) => Blame::DeviceIsWrong,
            ModelError::TooLarge { .. } => Blame::DeviceIsSmall,
            ModelError::Device(_) => Blame::DeviceFailed,
            _ => Blame::Model,
        };
        Self { blame, words: error.to_string() }
    }
}

/// Reads a known model from the browser's storage, puts it on the device, in half precision if it has that, and lets it
/// compute the known answer. `let_go` is called before the device is asked for room.
pub async fn load(
    known: &KnownModel,
    device: &Device,
    has_half: bool,
    let_go: impl FnOnce(),
) -> Result<(Model, Loaded), LoadFault> {
    let step = |step| post(&FromInference::Loading { model: known.name.to_owned(), step });
    step(LoadStep::Check);
    let begun = now_ms();
    let mut files = Vec::new();
    for file in known.files {
        files.push((file.name, store::read(known, file).await?));
    }
    let checked = now_ms();
    step(LoadStep::Upload);
    let_go();
    // The words are seen before the device is busy.
    breath().await?;
    let model = match known.role {
        ModelRole::Decoder => {
            let (_, gguf) = files.pop().ok_or_else(|| format!("{} has no files", known.name))?;
            Model::Decoder(Rc::new(decoder(&gguf, device, has_half)?))
        }
        ModelRole::BiEncoder => Model::Encoder(Rc::new(encoder(files, device, has_half)?)),
    };
    let uploaded = now_ms();
    step(LoadStep::KnownAnswer);
    breath().await?;
    let agreement = model.check_known_answer().await?;
    let first = now_ms();
    let mut second_ms = None;
    if let Model::Encoder(_) = model {
        breath().await?;
        let begun = now_ms();
        model.check_known_answer().await?;
        second_ms = Some(now_ms() - begun);
    }
    let loaded = Loaded {
        model: known.name.to_owned(),
        decoder: known.role == ModelRole::Decoder,
        check_ms: checked - begun,
        upload_ms: uploaded - checked,
        cpu_cosine: None,
        known_answer: Some(KnownAnswer { agreement, first_ms: first - uploaded, second_ms }),
    };
    Ok((model, loaded))
}

/// A decoder with all its layers. In the worker's own memory its weights stay quantised: as f32 they are five times as
/// large.
pub fn decoder(gguf: &[u8], device: &Device, has_half: bool) -> Result<Decoder, ModelError> {
    let weights = match *device == poq_models::cpu_device() {
        true => WeightStorage::AsStored,
        false if has_half => WeightStorage::F16,
        false => WeightStorage::F32,
    };
    Decoder::from_gguf(gguf, &DecoderOptions { weights, ..DecoderOptions::default() }, device)
}

impl Model {
    async fn check_known_answer(&self) -> Result<f64, ModelError> {
        match self {
            Self::Encoder(encoder) => encoder.check_known_answer().await,
            Self::Decoder(decoder) => decoder.check_known_answer().await,
        }
    }
}

/// The files are dropped as soon as the device has them.
fn encoder(mut files: Vec<(&str, Vec<u8>)>, device: &Device, has_half: bool) -> Result<BiEncoder, LoadFault> {
    let mut read = |name: &str| {
        let found = files.iter_mut().find(|(seen, _)| *seen == name);
        Ok(found.map(|(_, bytes)| std::mem::take(bytes)))
    };
    let kernels = if has_half { Kernels::Half } else { Kernels::fastest(device) };
    BiEncoder::from_folder(&mut read, Families::BERT, kernels, device)
}

/// Scores an answer with every evaluator, while `is_wanted`; the neural ones with `encoder`, if it is there.
pub async fn score(
    encoder: Option<&BiEncoder>,
    rows: Option<&Rows>,
    work: u32,
    task: &Task,
    answer: &str,
    is_wanted: &impl Fn() -> bool,
) {
    for evaluator in Evaluator::ALL {
        if evaluator.is_neural() && encoder.is_none() {
            continue;
        }
        if breath().await.is_err() || !is_wanted() {
            break;
        }
        let outcome = score_by(evaluator, encoder, rows, task, answer).await;
        post(&FromInference::Scored { work, evaluator, outcome });
    }
    post(&FromInference::Done { work });
}

/// What one evaluator makes of an answer, as one that keeps nothing between scores.
async fn score_by(
    evaluator: Evaluator,
    encoder: Option<&BiEncoder>,
    rows: Option<&Rows>,
    task: &Task,
    answer: &str,
) -> Result<Score, String> {
    let begun = now_ms();
    let (raw, read) = match evaluator {
        Evaluator::RougeL => (rouge::best_rouge_l(answer, &task.references), None),
        Evaluator::Chrf => (chrf::best_chrf(answer, &task.references), None),
        Evaluator::Structure => (structure::structure(answer, task.kind), None),
        Evaluator::Reference | Evaluator::Prompt => {
            let prompt = task.prompt_with_context();
            let others: Vec<&str> = match evaluator {
                Evaluator::Prompt => vec![&prompt],
                _ => task.references.iter().map(String::as_str).collect(),
            };
            let encoder = encoder.ok_or("MiniLM is not loaded")?;
            let similarity = encoder.similarity(answer, &others).await.map_err(|error| error.to_string())?;
            (similarity.cosine, Some((similarity.tokens as u32, similarity.truncated)))
        }
    };
    let latency_ms = now_ms() - begun;
    let score = rows.map_or_else(|| ScoreNormalization::Unit.apply(raw, (0.0, 1.0)), |rows| rows.score(evaluator, raw));
    let (tokens, truncated) = read.map_or((None, false), |(tokens, truncated)| (Some(tokens), truncated));
    Ok(Score { raw, score, latency_ms, tokens, truncated })
}

/// Scores all of `rows` anew on `hardware`, while `is_wanted`.
pub async fn rescore(
    encoder: Option<&BiEncoder>,
    rows: &Rows,
    work: u32,
    evaluator: Evaluator,
    hardware: &str,
    is_wanted: &impl Fn() -> bool,
) -> Result<Rescored, String> {
    let of = rows.len();
    let (mut new, mut recorded) = (Vec::new(), Vec::new());
    let mut told_ms = now_ms();
    for index in 0..of {
        breath().await?;
        if !is_wanted() {
            break;
        }
        let (task, answer, before) = rows.at(index, evaluator)?;
        let score = score_by(evaluator, encoder, Some(rows), task, answer).await?;
        new.push(score);
        recorded.push(before);
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
        evaluator,
        rows: new.len() as u32,
        of,
        pearson: pearson(&values(&new), &values(&recorded)),
        largest: differences.fold(0.0, f64::max),
        latency_ms: mean_ms(&new),
        recorded_ms: mean_ms(&recorded),
        truncated: new.iter().filter(|score| score.truncated).count() as u32,
        added: if new.len() as u32 == of { rows.added(evaluator, hardware, &new).map(Box::new) } else { None },
    })
}

/// The vectors of texts, and the tokens that were read of them.
pub async fn embed(encoder: &BiEncoder, texts: &[String]) -> Result<Embedded, String> {
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

/// Reads the prompt part by part, and answers token by token, while `is_wanted`.
pub async fn generate(
    decoder: &Decoder,
    work: u32,
    request: Generate,
    is_wanted: &impl Fn() -> bool,
) -> Result<Generated, String> {
    let fault = |error: ModelError| error.to_string();
    let Generate { prompt, chat, max_tokens, temperature, seed } = request;
    let prompt = match chat {
        true => Prompt::Messages(vec![Message { role: "user".to_owned(), content: prompt }]),
        false => Prompt::Text(prompt),
    };
    let options = GenerateOptions { max_tokens: max_tokens as usize, temperature, seed };
    let (begun, mut tokens, mut first_ms) = (now_ms(), 0, 0.0);
    let mut continuation = decoder.begin(&prompt, &options).map_err(fault)?;
    let of = continuation.unread() as u32;
    let mut is_stopped = false;
    while continuation.unread() > READ_TOKENS && !is_stopped {
        continuation.read(READ_TOKENS).await.map_err(fault)?;
        post(&FromInference::Reading { work, done: of - continuation.unread() as u32, of });
        breath().await?;
        is_stopped = !is_wanted();
    }
    let generation = loop {
        if is_stopped {
            break continuation.stop();
        }
        let Some(step) = continuation.step().await.map_err(fault)? else {
            break continuation.end();
        };
        let ms = now_ms() - begun;
        if tokens == 0 {
            first_ms = ms;
        }
        tokens += 1;
        post(&FromInference::Token { work, text: step.text, tokens, ms });
        breath().await?;
        is_stopped = !is_wanted();
    };
    Ok(Generated {
        text: generation.text,
        token_ids: generation.token_ids,
        tokens_in: generation.tokens_in as u32,
        finish: finish(generation.finish),
        truncated_prompt: generation.truncated_prompt,
        first_ms,
        latency_ms: now_ms() - begun,
    })
}

fn finish(finish: poq_models::Finish) -> Finish {
    match finish {
        poq_models::Finish::EndOfText => Finish::EndOfText,
        poq_models::Finish::MaxTokens => Finish::MaxTokens,
        poq_models::Finish::Stopped => Finish::Stopped,
        poq_models::Finish::ContextFull => Finish::ContextFull,
    }
}
