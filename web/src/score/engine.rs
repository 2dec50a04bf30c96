//! The page's end of the inference worker.

use std::cell::RefCell;
use std::collections::BTreeMap;

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ErrorEvent, Event, File, MessageEvent, Response, Worker, WorkerOptions, WorkerType};

use super::state::Gpu;
use crate::app::browser;
use crate::protocol::{IS_BUILT, decode, encode};
use poq_inference::protocol::{DeviceKind, FromInference, ToInference};

/// The worker's script for a program, which `static/page/worker.js` starts.
fn script(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Cpu => "./worker.js#inference-cpu.js",
        DeviceKind::WebGpu => "./worker.js#inference-webgpu.js",
    }
}

/// What a program says.
pub enum Said {
    /// A message.
    Message(FromInference),
    /// It is still being built, where the page comes from.
    IsBuilt,
    /// It stopped, or could not be started: in words, why.
    Stopped(String),
}

/// The worker, one at a time.
#[derive(Default)]
pub struct Engine {
    running: RefCell<Option<Running>>,
    /// Files that the reader opened, each time some: the next program opens again what the one before had ready.
    files: RefCell<Vec<Vec<File>>>,
}

struct Running {
    worker: Worker,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(Event)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its listeners live until it has none.
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

impl Engine {
    /// Starts a program in place of the one before it.
    pub fn start(&self, kind: DeviceKind, heard: impl Fn(Said) + Clone + 'static) {
        drop(self.running.take());
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name("inference");
        let worker = match Worker::new_with_options(script(kind), &options) {
            Ok(worker) => worker,
            Err(error) => {
                return heard(Said::Stopped(format!(
                    "this browser did not start its worker ({})",
                    browser::words(&error)
                )));
            }
        };
        let tell = heard.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let text = event.data().as_string();
            tell(match text.as_deref() {
                Some(IS_BUILT) => Said::IsBuilt,
                _ => decode(text).map_or_else(Said::Stopped, Said::Message),
            });
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let on_error = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            let message = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message);
            let message = message.filter(|text| !text.is_empty());
            heard(Said::Stopped(message.map_or_else(|| "it could not be loaded".to_owned(), |text| in_words(&text))));
        });
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        *self.running.borrow_mut() = Some(Running { worker, _on_message: on_message, _on_error: on_error });
    }

    /// Keeps files at hand; gives their number.
    pub fn hold(&self, picked: Vec<File>) -> usize {
        let mut held = self.files.borrow_mut();
        held.push(picked);
        held.len() - 1
    }

    /// The files of a number.
    pub fn held(&self, number: usize) -> Vec<File> {
        self.files.borrow().get(number).cloned().unwrap_or_default()
    }

    /// Tells the worker, with files beside the message.
    pub fn send(&self, message: &ToInference, files: &[File]) {
        let running = self.running.borrow();
        let Some(Running { worker, .. }) = &*running else { return };
        let list = js_sys::Array::new();
        let sent = encode(message).map_err(|error| JsValue::from_str(&error)).and_then(|text| {
            list.push(&text.into());
            for file in files {
                list.push(file);
            }
            worker.post_message(&list)
        });
        if let Err(error) = sent {
            wasm_bindgen::throw_val(error);
        }
    }
}

/// An exception of the program. One that finds no memory ends as if it came where it never can.
fn in_words(exception: &str) -> String {
    let is_memory = ["unreachable", "memory", "RangeError"].iter().any(|sign| exception.contains(sign));
    match is_memory {
        true => format!(
            "the browser gives it no more memory, most likely; close other tabs, or load a smaller model ({exception})"
        ),
        false => exception.to_owned(),
    }
}

/// The files of models that lie beside the page, by the model's name: what `models.json` says, which whoever serves
/// weights writes. Nothing, where it says nothing.
pub async fn beside() -> BTreeMap<String, Vec<String>> {
    let read = async || {
        let window = web_sys::window().ok_or(JsValue::NULL)?;
        let response: Response = JsFuture::from(window.fetch_with_str("./models.json")).await?.dyn_into()?;
        JsFuture::from(response.text()?).await
    };
    let text = read().await.ok().and_then(|text| text.as_string()).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Asks the browser for a WebGPU adapter.
pub async fn find_gpu() -> Gpu {
    let get = |of: &JsValue, key: &str| js_sys::Reflect::get(of, &key.into()).unwrap_or_default();
    let navigator = get(&js_sys::global(), "navigator");
    let gpu = get(&navigator, "gpu");
    if gpu.is_falsy() {
        return Gpu::Absent("this browser has no WebGPU, or not for this address".to_owned());
    }
    let asked = get(&gpu, "requestAdapter").dyn_into::<js_sys::Function>().and_then(|ask| ask.call0(&gpu));
    let adapter = match asked {
        Ok(promise) => JsFuture::from(js_sys::Promise::from(promise)).await.unwrap_or_default(),
        Err(_) => JsValue::NULL,
    };
    if adapter.is_falsy() {
        return Gpu::Absent("this browser has WebGPU and found no graphics processor for it".to_owned());
    }
    let info = get(&adapter, "info");
    let known: Vec<String> = ["description", "vendor", "architecture"]
        .iter()
        .filter_map(|key| get(&info, key).as_string().filter(|text| !text.is_empty()))
        .collect();
    let name = match known.first() {
        None => "an adapter that the browser does not name".to_owned(),
        Some(description) if !get(&info, "description").as_string().unwrap_or_default().is_empty() => {
            description.clone()
        }
        Some(_) => known.join(" "),
    };
    Gpu::Offered(name)
}
