//! The host in a Web Worker: its event loop, its clock, and the fetching of the dataset.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use poq_core::Dataset;
use poq_core::dataset::DatasetFiles;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, MessageChannel, MessageEvent, MessagePort, Response};

use super::host::Host;
use crate::protocol::{Failure, FromWorker, Part, decode, encode};

/// Where the dataset lies, seen from the worker's script.
const FOLDER: &str = "./dataset/";

struct Port {
    scope: DedicatedWorkerGlobalScope,
    host: RefCell<Host>,
    /// A message to this port comes back as an event after those that wait already: a slice of work for each.
    turn: MessagePort,
    turn_is_due: Cell<bool>,
}

/// Takes over the worker: from now on it answers messages.
///
/// # Errors
/// If this is not a dedicated Web Worker.
pub fn listen() -> Result<(), JsValue> {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().dyn_into()?;
    let channel = MessageChannel::new()?;
    let port = Rc::new(Port { scope, host: RefCell::default(), turn: channel.port2(), turn_is_due: Cell::new(false) });
    let own = Rc::clone(&port);
    let on_turn = Closure::<dyn FnMut()>::new(move || own.work());
    channel.port1().set_onmessage(Some(on_turn.as_ref().unchecked_ref()));
    on_turn.forget();
    let own = Rc::clone(&port);
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| own.receive(event.data()));
    port.scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    port.send(&FromWorker::Ready);
    wasm_bindgen_futures::spawn_local(async move {
        let dataset = port.load().await;
        port.host.borrow_mut().loaded(dataset, port.now_ms(), &mut |message| port.send(&message));
        port.take_turn();
    });
    Ok(())
}

impl Port {
    fn send(&self, message: &FromWorker) {
        let sent = encode(message)
            .map_err(|error| JsValue::from_str(&error))
            .and_then(|text| self.scope.post_message(&text.into()));
        if let Err(error) = sent {
            rethrow(&error);
        }
    }

    fn now_ms(&self) -> f64 {
        self.scope.performance().map_or(0.0, |performance| performance.now())
    }

    fn receive(&self, data: JsValue) {
        match decode(data.as_string()) {
            Ok(message) => {
                self.host.borrow_mut().receive(message, self.now_ms(), &mut |message| self.send(&message));
                self.take_turn();
            }
            Err(error) => self.send(&FromWorker::Failed(Failure { part: Part::Worker, message: error })),
        }
    }

    fn work(&self) {
        self.turn_is_due.set(false);
        self.host.borrow_mut().work(&|| self.now_ms(), &mut |message| self.send(&message));
        self.take_turn();
    }

    fn take_turn(&self) {
        if self.host.borrow().is_busy() && !self.turn_is_due.replace(true) {
            // Posting to an open port of this same worker does not fail.
            if let Err(error) = self.turn.post_message(&JsValue::NULL) {
                rethrow(&error);
            }
        }
    }

    async fn load(&self) -> Result<Dataset, String> {
        // All four are under way, with a listener for their failure each, before the first is waited for.
        let requests = DatasetFiles::NAMES
            .map(|name| (name, JsFuture::from(self.scope.fetch_with_str(&format!("{FOLDER}{name}")))));
        let mut bytes: [Vec<u8>; 4] = Default::default();
        for (bytes, (name, request)) in bytes.iter_mut().zip(requests) {
            *bytes = body(request).await.map_err(|error| format!("{name} could not be fetched: {error}"))?;
        }
        let [manifest, tasks, outputs, scores] = bytes;
        Dataset::from_files(DatasetFiles { manifest: &manifest, tasks: &tasks, outputs: &outputs, scores: &scores })
            .map_err(|error| error.to_string())
    }
}

/// The bytes of a response.
async fn body(request: JsFuture) -> Result<Vec<u8>, String> {
    let words = |error: JsValue| {
        error.dyn_ref::<js_sys::Error>().map_or_else(|| format!("{error:?}"), |error| String::from(error.message()))
    };
    let response: Response = request.await.and_then(JsCast::dyn_into).map_err(words)?;
    if !response.ok() {
        return Err(format!("the server answered {} {}", response.status(), response.status_text()).trim().to_owned());
    }
    let buffer = JsFuture::from(response.array_buffer().map_err(words)?).await.map_err(words)?;
    Ok(js_sys::Uint8Array::new(&buffer).to_vec())
}

/// Makes a fault that has no other way out visible: it becomes an `error` event of the worker, which the page shows.
fn rethrow(error: &JsValue) {
    wasm_bindgen::throw_val(error.clone());
}
