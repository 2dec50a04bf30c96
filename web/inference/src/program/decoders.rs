//! Language models: loaded from the browser's storage or opened from a file, and asked.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;

use crate::protocol::{
    DeviceKind, Finish, FromInference, Generate, Generated, KnownAnswer, LoadStep, Loaded, ToInference,
};
use poq_core::weights::KnownModel;
use poq_models::{Decoder, DecoderOptions, Device, GenerateOptions, ModelError, Prompt, WeightStorage};
use poq_pipeline::evaluators::LlmJudge;
use poq_pipeline::nodes::{self, Asked, Progress};
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::loading::{self, LoadFault};
use super::scope::{self, breath, now_ms, post};
use super::source::Pieces;
use super::store;
use super::{Asks, Shared, Wanted};

/// What a GGUF file begins with.
const GGUF: &[u8] = b"GGUF";

/// Bytes by which a file is known for what it is.
const FIRST_BYTES: f64 = 512.0;

/// Bytes of a file at most: its weights and all that is computed share the 4 GB of a WebAssembly program, and larger
/// files were not tried.
const LARGEST_FILE: f64 = 1.5e9;

/// Tokens of a prompt that are read at a time: less than a second's work of one thread for the models here.
const READ_TOKENS: usize = 64;

/// The decoder that is ready.
#[derive(Default)]
pub struct Decoders {
    ready: RefCell<Option<Ready>>,
}

/// A decoder that is ready.
struct Ready {
    /// SHA-256 of its file; none of a file that the reader opened.
    sha256: Option<&'static str>,
    decoder: Rc<Decoder>,
}

impl Decoders {
    /// Does what is asked of a decoder.
    pub async fn hear(&self, shared: &Shared, asks: Asks, message: ToInference, files: Vec<File>) {
        match message {
            ToInference::Load { .. } | ToInference::Open => {
                let model = asks
                    .model
                    .map_or_else(|| files.first().map(File::name).unwrap_or_default(), |known| known.name.to_owned());
                shared
                    .load(&model, async || match asks.model {
                        Some(known) => self.load(shared, known).await,
                        None => self.open_file(shared, files.first()).await,
                    })
                    .await;
            }
            ToInference::Generate { work, request } => {
                let outcome = self.generate(work, request, shared.begin()).await;
                post(&FromInference::Generated { work, outcome });
            }
            _ => {}
        }
    }

    /// Nothing is handed on to another program.
    pub fn stop(&self) {}

    /// An evaluator that shows `template` to the decoder of this file; none unless that is the one that is ready.
    ///
    /// # Errors
    /// None here; where decoders are elsewhere that program may be of another version.
    #[cfg_attr(
        feature = "encoders",
        expect(clippy::unnecessary_wraps, reason = "it is as where decoders are elsewhere")
    )]
    pub fn judge(&self, sha256: &str, template: &str) -> Result<Option<LlmJudge>, String> {
        let ready = self.ready.borrow();
        let ready = ready.as_ref().filter(|ready| ready.sha256 == Some(sha256));
        Ok(ready.map(|ready| LlmJudge::new(Rc::clone(&ready.decoder), template.to_owned())))
    }

    async fn load(&self, shared: &Shared, known: &'static KnownModel) -> Result<Loaded, LoadFault> {
        let (mut files, check_ms) = loading::files(known, store::checked).await?;
        let begun = now_ms();
        // There may be no room for both.
        self.ready.take();
        let (_, gguf) = files.pop().ok_or_else(|| format!("{} has no files", known.name))?;
        let decoder = decoder(&Pieces::new(gguf)?, &shared.device, shared.report.has_half)?;
        let uploaded = now_ms();
        loading::tell(known.name, LoadStep::KnownAnswer);
        breath().await?;
        let agreement = decoder.check_known_answer(known.files[0].sha256).await?;
        let first_ms = now_ms() - uploaded;
        let sha256 = Some(known.files[0].sha256);
        *self.ready.borrow_mut() = Some(Ready { sha256, decoder: Rc::new(decoder) });
        Ok(Loaded {
            model: known.name.to_owned(),
            decoder: true,
            check_ms,
            upload_ms: Some(uploaded - begun),
            cpu_cosine: None,
            difference: None,
            known_answer: agreement.map(|agreement| KnownAnswer { agreement, first_ms, second_ms: None }),
        })
    }

    /// A decoder from a file, for which there is no known answer: a GPU must compute what the CPU does.
    async fn open_file(&self, shared: &Shared, file: Option<&File>) -> Result<Loaded, LoadFault> {
        let file = file.ok_or_else(|| "no file was chosen".to_owned())?;
        let model = file.name();
        post(&FromInference::Loading { model: model.clone(), step: LoadStep::Check });
        let begun = now_ms();
        is_gguf(file).await?;
        let pieces = Pieces::new(file.clone())?;
        let read = now_ms();
        post(&FromInference::Loading { model: model.clone(), step: LoadStep::Upload });
        // There may be no room for both.
        self.ready.take();
        breath().await?;
        let named = |error: ModelError| {
            let fault = LoadFault::from(error);
            LoadFault { words: format!("{model}: {}", fault.words), ..fault }
        };
        let opened = decoder(&pieces, &shared.device, shared.report.has_half).map_err(named)?;
        let uploaded = now_ms();
        let mut cpu_cosine = None;
        if shared.report.kind == DeviceKind::WebGpu {
            post(&FromInference::Loading { model: model.clone(), step: LoadStep::KnownAnswer });
            breath().await?;
            let trusted = decoder(&pieces, &poq_models::cpu_device(), false).map_err(named)?;
            cpu_cosine = Some(opened.check_against(&trusted).await.map_err(named)?);
        }
        *self.ready.borrow_mut() = Some(Ready { sha256: None, decoder: Rc::new(opened) });
        Ok(Loaded {
            model,
            decoder: true,
            check_ms: read - begun,
            upload_ms: Some(uploaded - read),
            known_answer: None,
            cpu_cosine,
            difference: None,
        })
    }

    /// Reads the prompt part by part, and answers token by token, while it is wanted.
    async fn generate(&self, work: u32, request: Generate, wanted: Wanted<'_>) -> Result<Generated, String> {
        let decoder = self.ready.borrow().as_ref().map(|ready| Rc::clone(&ready.decoder));
        let decoder = decoder.ok_or("no model that answers is loaded")?;
        let Generate { prompt, chat, max_tokens, temperature, seed, stop } = request;
        let prompt = match chat {
            // A base model, which has no template for messages, goes on with the text.
            true => nodes::asked(&decoder, prompt),
            false => Prompt::Text(prompt),
        };
        let asked =
            Asked { prompt, options: GenerateOptions { max_tokens: max_tokens as usize, temperature, seed }, stop };
        let tell = async |progress: Progress<'_>| {
            post(&match progress {
                Progress::Reading { done, of } => FromInference::Reading { work, done: done as u32, of: of as u32 },
                Progress::Token { text, tokens, ms } => {
                    FromInference::Token { work, text: text.to_owned(), tokens: tokens as u32, ms }
                }
            });
            let is_heard = breath().await.is_ok();
            if is_heard && wanted.still() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let generated =
            nodes::generate(&decoder, &asked, READ_TOKENS, tell).await.map_err(|error| error.to_string())?;
        let nodes::Generated { generation, first_ms, latency_ms, .. } = generated;
        Ok(Generated {
            text: generation.text,
            token_ids: generation.token_ids,
            tokens_in: generation.tokens_in as u32,
            finish: finish(generation.finish),
            truncated_prompt: generation.truncated_prompt,
            first_ms,
            latency_ms,
        })
    }
}

/// A decoder with all its layers. In the worker's own memory its weights stay quantised: as f32 they are five times as
/// large.
pub fn decoder(gguf: &Pieces, device: &Device, has_half: bool) -> Result<Decoder, ModelError> {
    let weights = match *device == poq_models::cpu_device() {
        true => WeightStorage::AsStored,
        false if has_half => WeightStorage::F16,
        false => WeightStorage::F32,
    };
    Decoder::from_gguf(gguf, &DecoderOptions { weights, ..DecoderOptions::default() }, device)
}

fn finish(finish: poq_models::Finish) -> Finish {
    match finish {
        poq_models::Finish::EndOfText => Finish::EndOfText,
        poq_models::Finish::MaxTokens => Finish::MaxTokens,
        poq_models::Finish::Stopped => Finish::Stopped,
        poq_models::Finish::ContextFull => Finish::ContextFull,
    }
}

/// Whether a file may be read: one that is no GGUF, or is larger than what there is room for, is refused before.
async fn is_gguf(file: &File) -> Result<(), String> {
    let (name, size) = (file.name(), file.size());
    let slice = file.slice_with_f64_and_f64(0.0, FIRST_BYTES).map_err(|error| scope::words(&error))?;
    let buffer = JsFuture::from(slice.array_buffer()).await.map_err(|error| scope::words(&error))?;
    let start = js_sys::Uint8Array::new(&buffer).to_vec();
    if let Some(what) = poq_models::foreign_file(&start) {
        return Err(format!("{name} is no GGUF file: it is {what}"));
    }
    if !start.starts_with(GGUF) {
        return Err(format!("{name} is no GGUF file: it does not begin with the magic bytes `GGUF`"));
    }
    if size > LARGEST_FILE {
        let mb = |bytes: f64| (bytes / 1e6).ceil();
        return Err(format!(
            "{name} has {} MB; a page has room for a model of {} MB at most",
            mb(size),
            mb(LARGEST_FILE)
        ));
    }
    Ok(())
}
