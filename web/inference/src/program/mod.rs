//! The program of the inference worker: it hears the page, and never blocks for longer than one text or one token.
//!
//! Weights come and stay through [`transfer`] and [`store`]; [`work`] is what the models do; [`rows`] is the dataset.

mod rows;
mod scope;
mod store;
mod transfer;
mod work;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::protocol::{Blame, DeviceKind, DeviceReport, FromInference, LoadStep, Loaded, ToInference};
use poq_core::weights::{KnownModel, ModelRole, known};
use poq_models::{BiEncoder, Decoder, Device};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, File, MessageEvent};

use self::rows::Rows;
use self::scope::{breath, global, now_ms, post};
use self::work::{LoadFault, Model};

/// What a GGUF file begins with.
const GGUF: &[u8] = b"GGUF";

/// Bytes by which a file is known for what it is.
const FIRST_BYTES: f64 = 512.0;

/// One model is loaded at a time.
const BUSY: &str = "another model is being loaded; wait for it";

/// Bytes of a file at most: it and the weights made of it share the 4 GB of a WebAssembly program.
const LARGEST_FILE: f64 = 1.5e9;

/// What the worker holds.
struct Host {
    device: Device,
    report: DeviceReport,
    encoder: RefCell<Option<Rc<BiEncoder>>>,
    decoder: RefCell<Option<Rc<Decoder>>>,
    rows: RefCell<Option<Rc<Rows>>>,
    /// Ends the transfer that is under way.
    transfer: RefCell<Option<AbortController>>,
    /// Goes up with each piece of work and each stop: what is older is no longer wanted.
    turn: Cell<u32>,
    is_loading: Cell<bool>,
}

/// Takes over the worker: from then on it answers messages.
pub fn listen() {
    tell_panics();
    spawn_local(async {
        let (device, report) = match open_device().await {
            Ok(opened) => opened,
            Err(words) => return post(&FromInference::NoDevice(words)),
        };
        let host = Rc::new(Host {
            device,
            report: report.clone(),
            encoder: RefCell::default(),
            decoder: RefCell::default(),
            rows: RefCell::default(),
            transfer: RefCell::default(),
            turn: Cell::default(),
            is_loading: Cell::default(),
        });
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let host = Rc::clone(&host);
            spawn_local(async move { host.receive(&event.data()).await });
        });
        global().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        // As long as the worker lives.
        on_message.forget();
        post(&FromInference::Ready(report));
    });
}

/// A panic ends the program; its words would be lost with it.
fn tell_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("it failed");
        post(&FromInference::Lost(message.chars().take(300).collect()));
    }));
}

#[cfg(not(feature = "webgpu"))]
async fn open_device() -> Result<(Device, DeviceReport), String> {
    Ok((
        poq_models::cpu_device(),
        DeviceReport { kind: DeviceKind::Cpu, name: "one thread".to_owned(), has_half: false },
    ))
}

#[cfg(feature = "webgpu")]
async fn open_device() -> Result<(Device, DeviceReport), String> {
    let gpu = poq_models::Gpu::open(|reason| post(&FromInference::Lost(reason))).await;
    let poq_models::Gpu { device, name, has_half } = gpu.map_err(|error| error.to_string())?;
    Ok((device, DeviceReport { kind: DeviceKind::WebGpu, name, has_half }))
}

impl Host {
    async fn receive(&self, data: &JsValue) {
        let (text, files) = match data.dyn_ref::<js_sys::Array>() {
            Some(list) => {
                (list.get(0).as_string(), list.iter().skip(1).filter_map(|file| file.dyn_into().ok()).collect())
            }
            None => (data.as_string(), Vec::new()),
        };
        let message = serde_json::from_str(&text.unwrap_or_default());
        match message {
            Ok(message) => self.act(message, files).await,
            Err(error) => post(&FromInference::Lost(format!("page and worker are of different versions ({error})"))),
        }
    }

    async fn act(&self, message: ToInference, files: Vec<File>) {
        match message {
            ToInference::Look => post(&FromInference::Stored(store::look().await)),
            ToInference::Fetch { model } => self.transfer(&model, None).await,
            ToInference::Keep { model } => self.transfer(&model, Some(files)).await,
            ToInference::StopTransfer => {
                if let Some(controller) = &*self.transfer.borrow() {
                    controller.abort();
                }
            }
            ToInference::Delete { model } => self.delete(&model).await,
            ToInference::Load { model } => self.load(&model).await,
            ToInference::Open => self.open(files).await,
            ToInference::ReadDataset => self.read_dataset().await,
            ToInference::Row { task, node } => {
                if let Some(row) = self.rows().and_then(|rows| rows.row(task, node)) {
                    post(&FromInference::Row(Box::new(row)));
                }
            }
            ToInference::Score { work, task, answer } => {
                let turn = self.next_turn();
                let (encoder, rows) = (self.encoder.borrow().clone(), self.rows());
                let is_wanted = || self.turn.get() == turn;
                work::score(encoder.as_deref(), rows.as_deref(), work, &task, &answer, &is_wanted).await;
            }
            ToInference::Rescore { work, evaluator, hardware } => {
                let turn = self.next_turn();
                let encoder = self.encoder.borrow().clone();
                let outcome = match self.rows() {
                    Some(rows) => {
                        let is_wanted = || self.turn.get() == turn;
                        work::rescore(encoder.as_deref(), &rows, work, evaluator, &hardware, &is_wanted)
                            .await
                            .map(Box::new)
                    }
                    None => Err("the dataset is not here".to_owned()),
                };
                post(&FromInference::Rescored { work, outcome });
            }
            ToInference::Embed { work, texts } => {
                self.next_turn();
                let encoder = self.encoder.borrow().clone();
                let outcome = match encoder {
                    Some(encoder) => work::embed(&encoder, &texts).await,
                    None => Err("MiniLM is not loaded".to_owned()),
                };
                post(&FromInference::Embedded { work, outcome });
            }
            ToInference::Generate { work, request } => {
                let turn = self.next_turn();
                let decoder = self.decoder.borrow().clone();
                let outcome = match decoder {
                    Some(decoder) => work::generate(&decoder, work, request, &|| self.turn.get() == turn).await,
                    None => Err("no model that answers is loaded".to_owned()),
                };
                post(&FromInference::Generated { work, outcome });
            }
            ToInference::Stop => {
                self.next_turn();
            }
        }
    }

    fn next_turn(&self) -> u32 {
        self.turn.set(self.turn.get().wrapping_add(1));
        self.turn.get()
    }

    fn rows(&self) -> Option<Rc<Rows>> {
        self.rows.borrow().clone()
    }

    async fn read_dataset(&self) {
        let outcome = match self.rows() {
            Some(rows) => Ok(rows),
            None => Rows::read().await.map(Rc::new),
        };
        if let Ok(rows) = &outcome {
            *self.rows.borrow_mut() = Some(Rc::clone(rows));
        }
        post(&FromInference::Corpus(outcome.map(|rows| rows.corpus())));
    }

    async fn transfer(&self, model: &str, files: Option<Vec<File>>) {
        let ended = |fault| post(&FromInference::TransferEnded { model: model.to_owned(), fault });
        let (Some(known), Ok(controller)) = (known(model), AbortController::new()) else {
            return ended(Some(format!("the model `{model}` is unknown")));
        };
        if self.transfer.borrow().is_some() {
            return ended(Some("another model is on its way; stop it, or wait for it".to_owned()));
        }
        let signal = controller.signal();
        *self.transfer.borrow_mut() = Some(controller);
        let outcome = match files {
            Some(files) => transfer::keep(known, &files, &signal).await,
            None => transfer::fetch(known, &signal).await,
        };
        if let (Some(controller), Err(_)) = (self.transfer.take(), &outcome) {
            // What still comes is not wanted.
            controller.abort();
        }
        ended(outcome.err());
        post(&FromInference::Stored(store::look().await));
    }

    async fn delete(&self, model: &str) {
        let outcome = match known(model) {
            Some(known) => store::delete(known).await,
            None => Err(format!("the model `{model}` is unknown")),
        };
        if let Err(words) = outcome {
            post(&FromInference::TransferEnded { model: model.to_owned(), fault: Some(words) });
        }
        post(&FromInference::Stored(store::look().await));
    }

    async fn load(&self, model: &str) {
        let outcome = match known(model) {
            Some(known) => self.load_known(known).await,
            None => Err(format!("the model `{model}` is unknown").into()),
        };
        if let Err(LoadFault { words, blame }) = outcome {
            post(&FromInference::LoadFailed { model: model.to_owned(), words, blame });
            // What was damaged is discarded.
            post(&FromInference::Stored(store::look().await));
        }
    }

    async fn load_known(&self, known: &KnownModel) -> Result<(), LoadFault> {
        if self.is_loading.replace(true) {
            return Err(BUSY.to_owned().into());
        }
        let let_go = || {
            if known.role == ModelRole::Decoder {
                self.decoder.take();
            }
        };
        let outcome = work::load(known, &self.device, self.report.has_half, let_go).await;
        self.is_loading.set(false);
        let (model, loaded) = outcome?;
        self.hold(model);
        post(&FromInference::Loaded(loaded));
        Ok(())
    }

    fn hold(&self, model: Model) {
        match model {
            Model::Encoder(encoder) => *self.encoder.borrow_mut() = Some(encoder),
            Model::Decoder(decoder) => *self.decoder.borrow_mut() = Some(decoder),
        }
    }

    /// A decoder from a file, for which there is no known answer: a GPU must compute what the CPU does.
    async fn open(&self, files: Vec<File>) {
        let name = files.first().map(File::name).unwrap_or_default();
        let outcome = match self.is_loading.replace(true) {
            true => {
                return post(&FromInference::LoadFailed { model: name, words: BUSY.to_owned(), blame: Blame::Model });
            }
            false => self.open_file(files.first()).await,
        };
        self.is_loading.set(false);
        match outcome {
            Ok(loaded) => post(&FromInference::Loaded(loaded)),
            Err(LoadFault { words, blame }) => {
                post(&FromInference::LoadFailed { model: name, words, blame });
            }
        }
    }

    async fn open_file(&self, file: Option<&File>) -> Result<Loaded, LoadFault> {
        let file = file.ok_or_else(|| "no file was chosen".to_owned())?;
        let model = file.name();
        post(&FromInference::Loading { model: model.clone(), step: LoadStep::Check });
        let begun = now_ms();
        is_gguf(file).await?;
        let buffer = JsFuture::from(file.array_buffer()).await.map_err(|error| scope::words(&error))?;
        let bytes = js_sys::Uint8Array::new(&buffer).to_vec();
        drop(buffer);
        let read = now_ms();
        post(&FromInference::Loading { model: model.clone(), step: LoadStep::Upload });
        // There may be no room for both.
        self.decoder.take();
        breath().await?;
        let named = |error| LoadFault::of(&model, error);
        let decoder = work::decoder(&bytes, &self.device, self.report.has_half).map_err(named)?;
        let uploaded = now_ms();
        let mut cpu_cosine = None;
        if self.report.kind == DeviceKind::WebGpu {
            post(&FromInference::Loading { model: model.clone(), step: LoadStep::KnownAnswer });
            breath().await?;
            let trusted = work::decoder(&bytes, &poq_models::cpu_device(), false).map_err(named)?;
            cpu_cosine = Some(decoder.check_against(&trusted).await.map_err(named)?);
        }
        self.hold(Model::Decoder(Rc::new(decoder)));
        Ok(Loaded {
            model,
            decoder: true,
            check_ms: read - begun,
            upload_ms: uploaded - read,
            known_answer: None,
            cpu_cosine,
        })
    }
}

/// Whether a file may be read whole: one that is no GGUF, or is larger than what there is room for, is refused before.
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
