//! The program of the inference worker: it hears the page, and never blocks for longer than one text or one token.
//!
//! It has two parts: [`encoders`] are evaluators and the dataset, and with them weights come and stay ([`transfer`],
//! [`store`]); [`decoders`] are language models. On a GPU one program has both. On the CPU each is a program of its
//! own, so that nobody loads what he does not use: the worker starts with the first, which hands on to the second what
//! is asked of it, and has answers rated there by language models (`elsewhere`).

#[cfg(feature = "decoders")]
mod decoders;
#[cfg(not(feature = "decoders"))]
#[path = "elsewhere.rs"]
mod decoders;
#[cfg(feature = "encoders")]
mod encoders;
#[cfg(feature = "encoders")]
mod folder;
mod loading;
#[cfg(feature = "encoders")]
mod rows;
mod scope;
#[cfg(feature = "decoders")]
mod source;
mod store;
#[cfg(feature = "encoders")]
mod transfer;

use std::cell::Cell;
#[cfg(feature = "encoders")]
use std::cell::RefCell;
use std::rc::Rc;

use crate::protocol::{Blame, DeviceKind, DeviceReport, FromInference, Loaded, ToInference};
use poq_core::weights::{KnownModel, ModelRole, known};
use poq_models::Device;
#[cfg(feature = "encoders")]
use poq_models::Kernels;
#[cfg(not(feature = "encoders"))]
use poq_pipeline::evaluators::{Evaluator, RateFault};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::File;

use self::decoders::Decoders;
#[cfg(feature = "encoders")]
use self::folder::Folder;
use self::loading::LoadFault;
use self::scope::post;

/// One model is loaded at a time.
const BUSY: &str = "another model is being loaded; wait for it";

/// What the worker holds.
struct Host {
    shared: Shared,
    #[cfg(feature = "encoders")]
    encoders: encoders::Encoders,
    decoders: Decoders,
    /// Ends the transfer that is under way.
    #[cfg(feature = "encoders")]
    transfer: RefCell<Option<web_sys::AbortController>>,
}

/// What the parts have in common.
struct Shared {
    device: Device,
    report: DeviceReport,
    /// Goes up with each piece of work and each stop: what is older is no longer wanted.
    turn: Cell<u32>,
    is_loading: Cell<bool>,
}

/// Whether a piece of work is still wanted.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    turn: &'a Cell<u32>,
    own: u32,
}

impl Wanted<'_> {
    fn still(self) -> bool {
        self.turn.get() == self.own
    }
}

/// Why a decoder of another program did not rate an answer.
#[cfg(not(all(feature = "encoders", feature = "decoders")))]
#[derive(serde::Serialize, serde::Deserialize)]
enum Unrated {
    /// Its reply is no number.
    NoNumber { reply: String, latency_ms: f64 },
    /// In words.
    Fault(String),
}

/// What is asked of decoders: the known model, if it is one, and the message as it came.
struct Asks {
    model: Option<&'static KnownModel>,
    #[cfg_attr(feature = "decoders", expect(dead_code, reason = "it is handed on where decoders are elsewhere"))]
    data: JsValue,
}

impl Shared {
    /// Begins a piece of work, in place of the one before it.
    fn begin(&self) -> Wanted<'_> {
        self.turn.set(self.turn.get().wrapping_add(1));
        Wanted { turn: &self.turn, own: self.turn.get() }
    }

    /// How an encoder's weights are computed with.
    #[cfg(feature = "encoders")]
    fn kernels(&self) -> Kernels {
        if self.report.has_half { Kernels::Half } else { Kernels::fastest(&self.device) }
    }

    /// Loads a model, and tells the page what came of it.
    async fn load(&self, model: &str, load: impl AsyncFnOnce() -> Result<Loaded, LoadFault>) {
        let outcome = match self.is_loading.replace(true) {
            true => Err(BUSY.to_owned().into()),
            false => {
                let outcome = load().await;
                self.is_loading.set(false);
                outcome
            }
        };
        match outcome {
            Ok(loaded) => post(&FromInference::Loaded(loaded)),
            Err(LoadFault { words, blame }) => {
                post(&FromInference::LoadFailed { model: model.to_owned(), words, blame });
                // What was damaged is discarded.
                post(&FromInference::Stored(store::look().await));
            }
        }
    }
}

/// Takes over the worker: from then on it answers messages.
#[cfg(feature = "encoders")]
pub fn listen() {
    tell_panics();
    spawn_local(async {
        let host = match open_device().await {
            Ok(opened) => Rc::new(Host::new(opened)),
            Err(words) => return post(&FromInference::NoDevice(words)),
        };
        let report = host.shared.report.clone();
        let on_message = Closure::<dyn FnMut(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
            host.receive(event.data());
        });
        scope::global().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        // As long as the worker lives.
        on_message.forget();
        post(&FromInference::Ready(report));
    });
}

/// Makes ready to hear what the program that began the worker hands on.
#[cfg(not(feature = "encoders"))]
pub fn listen() {
    tell_panics();
}

#[cfg(not(feature = "encoders"))]
std::thread_local! {
    /// There from the first message on.
    static HOST: Rc<Host> = Rc::new(Host::new(cpu()));
}

/// Hears a message to decoders.
#[cfg(not(feature = "encoders"))]
#[wasm_bindgen]
pub fn receive(data: JsValue) {
    HOST.with(|host| host.receive(data));
}

/// An evaluator that shows `template` to the decoder of this file; none unless that is the one that is ready.
#[cfg(not(feature = "encoders"))]
#[wasm_bindgen]
pub fn judge(sha256: &str, template: &str) -> Option<Judge> {
    HOST.with(|host| host.decoders.judge(sha256, template)).ok().flatten().map(Judge)
}

/// A decoder as an evaluator, for the program of the evaluators.
#[cfg(not(feature = "encoders"))]
#[wasm_bindgen]
pub struct Judge(poq_pipeline::evaluators::LlmJudge);

#[cfg(not(feature = "encoders"))]
#[wasm_bindgen]
impl Judge {
    /// Rates an answer to a task, which comes as JSON; gives a `Result<Rated, Unrated>` as JSON.
    pub async fn rate(&self, task: String, answer: String) -> Result<String, JsError> {
        let task = serde_json::from_str(&task)?;
        let rated = self.0.rate(&task, &answer).await.map_err(|fault| match fault {
            RateFault::NoNumber { reply, latency_ms } => Unrated::NoNumber { reply, latency_ms },
            fault => Unrated::Fault(fault.to_string()),
        });
        Ok(serde_json::to_string(&rated)?)
    }
}

/// A panic ends the program; its words would be lost with it.
fn tell_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("it failed");
        post(&FromInference::Lost(message.chars().take(300).collect()));
    }));
}

#[cfg(not(feature = "webgpu"))]
fn cpu() -> (Device, DeviceReport) {
    let report = DeviceReport { kind: DeviceKind::Cpu, name: "one thread".to_owned(), has_half: false };
    (poq_models::cpu_device(), report)
}

#[cfg(all(feature = "encoders", not(feature = "webgpu")))]
async fn open_device() -> Result<(Device, DeviceReport), String> {
    Ok(cpu())
}

#[cfg(feature = "webgpu")]
async fn open_device() -> Result<(Device, DeviceReport), String> {
    let gpu = poq_models::Gpu::open(|reason| post(&FromInference::Lost(reason))).await;
    let poq_models::Gpu { device, name, has_half } = gpu.map_err(|error| error.to_string())?;
    Ok((device, DeviceReport { kind: DeviceKind::WebGpu, name, has_half }))
}

impl Host {
    fn new((device, report): (Device, DeviceReport)) -> Self {
        Self {
            shared: Shared { device, report, turn: Cell::default(), is_loading: Cell::default() },
            #[cfg(feature = "encoders")]
            encoders: encoders::Encoders::default(),
            decoders: Decoders::default(),
            #[cfg(feature = "encoders")]
            transfer: RefCell::default(),
        }
    }

    fn receive(self: &Rc<Self>, data: JsValue) {
        let host = Rc::clone(self);
        spawn_local(async move { host.hear(data).await });
    }

    async fn hear(&self, data: JsValue) {
        let (text, files): (_, Vec<File>) = match data.dyn_ref::<js_sys::Array>() {
            Some(list) => {
                (list.get(0).as_string(), list.iter().skip(1).filter_map(|file| file.dyn_into().ok()).collect())
            }
            None => (data.as_string(), Vec::new()),
        };
        let message = match serde_json::from_str(&text.unwrap_or_default()) {
            Ok(message) => message,
            Err(error) => {
                let words = format!("page and worker are of different versions ({error})");
                return post(&FromInference::Lost(words));
            }
        };
        match &message {
            ToInference::Stop => {
                self.shared.begin();
                self.decoders.stop();
            }
            ToInference::Load { model } => match known(model) {
                Some(known) if known.role == ModelRole::Decoder => {
                    let asks = Asks { model: Some(known), data };
                    self.decoders.hear(&self.shared, asks, message, files).await;
                }
                Some(known) => self.load_encoder(known).await,
                None => {
                    let words = format!("the model `{model}` is unknown");
                    post(&FromInference::LoadFailed { model: model.clone(), words, blame: Blame::Model });
                }
            },
            ToInference::Open | ToInference::Generate { .. } => {
                self.decoders.hear(&self.shared, Asks { model: None, data }, message, files).await;
            }
            _ => self.act(message, files).await,
        }
    }
}

/// A program of decoders alone is asked nothing else.
#[cfg(not(feature = "encoders"))]
impl Host {
    async fn load_encoder(&self, _: &'static KnownModel) {}

    async fn act(&self, _: ToInference, _: Vec<File>) {}
}

#[cfg(feature = "encoders")]
impl Host {
    async fn load_encoder(&self, known: &'static KnownModel) {
        self.shared.load(known.name, async || self.encoders.load(&self.shared, known).await).await;
    }

    async fn act(&self, message: ToInference, files: Vec<File>) {
        let encoders = &self.encoders;
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
            ToInference::ReadDataset { dataset } => encoders.read_dataset(dataset).await,
            ToInference::OpenFolder { name, key, paths } => {
                let folder = if files.is_empty() {
                    Folder::Beside { name: name.clone(), paths }
                } else {
                    Folder::Picked(paths.into_iter().zip(files).collect())
                };
                let open = async || encoders.open_folder(&self.shared, &name, &key, folder).await;
                self.shared.load(&name, open).await;
            }
            ToInference::Row { task, node } => {
                if let Some(row) = encoders.rows().and_then(|rows| rows.row(task, node)) {
                    post(&FromInference::Row(Box::new(row)));
                }
            }
            ToInference::Score { work, task, answer } => {
                encoders.score(work, &task, &answer, &self.decoders, self.begin()).await;
            }
            ToInference::Rescore { work, evaluator, hardware } => {
                let outcome = encoders.rescore(work, &evaluator, &hardware, &self.decoders, self.begin()).await;
                post(&FromInference::Rescored { work, outcome: outcome.map(Box::new) });
            }
            ToInference::Embed { work, texts } => {
                self.begin();
                post(&FromInference::Embedded { work, outcome: encoders.embed(&texts).await });
            }
            ToInference::Load { .. } | ToInference::Open | ToInference::Generate { .. } | ToInference::Stop => {}
        }
    }

    /// Begins a piece of work, in place of the one before it, wherever that is done.
    fn begin(&self) -> Wanted<'_> {
        self.decoders.stop();
        self.shared.begin()
    }

    async fn transfer(&self, model: &str, files: Option<Vec<File>>) {
        let ended = |fault| post(&FromInference::TransferEnded { model: model.to_owned(), fault });
        let (Some(known), Ok(controller)) = (known(model), web_sys::AbortController::new()) else {
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
}
