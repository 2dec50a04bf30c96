//! The page's end of a simulation worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use web_sys::{Event, MessageEvent, Worker};

use super::browser;
use crate::protocol::{Failure, FromWorker, Part, ToWorker, decode, encode};

/// What `index.html` calls the worker that it starts, what the worker has said since, and its failure.
const WORKER: &str = "poqWorker";
const HEARD: &str = "heard";
const FAULT: &str = "fault";

/// A running worker.
#[derive(Clone)]
pub struct Engine {
    inner: Rc<Inner>,
}

struct Inner {
    worker: RefCell<Option<Worker>>,
    is_ready: Cell<bool>,
    /// What was sent before the worker listened: it would be lost.
    waiting: RefCell<Vec<String>>,
    on_event: Box<dyn Fn(FromWorker)>,
}

impl Engine {
    /// Takes over the worker that `index.html` started; it answers through `on_event`, failures included.
    #[must_use]
    pub fn start(on_event: impl Fn(FromWorker) + 'static) -> Self {
        Self::with(on_event, take_over)
    }

    /// Starts one more worker, which reads the dataset itself.
    #[must_use]
    pub fn spawn(on_event: impl Fn(FromWorker) + 'static) -> Self {
        Self::with(on_event, |inner| {
            let options = web_sys::WorkerOptions::new();
            options.set_type(web_sys::WorkerType::Module);
            listen(inner, Worker::new_with_options(&browser::worker_address(), &options)?);
            Ok(())
        })
    }

    fn with(on_event: impl Fn(FromWorker) + 'static, begin: impl FnOnce(&Rc<Inner>) -> Result<(), JsValue>) -> Self {
        let inner = Rc::new(Inner {
            worker: RefCell::default(),
            is_ready: Cell::new(false),
            waiting: RefCell::default(),
            on_event: Box::new(on_event),
        });
        if let Err(error) = begin(&inner) {
            inner.fail(&format!("this browser did not start it ({})", browser::words(&error)));
        }
        Self { inner }
    }

    /// Whether the browser started it, and nobody ended it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.inner.worker.borrow().is_some()
    }

    /// Ends the worker at once.
    pub fn terminate(&self) {
        if let Some(worker) = self.inner.worker.borrow_mut().take() {
            worker.terminate();
        }
    }

    /// Sends a request.
    pub fn send(&self, message: &ToWorker) {
        match encode(message) {
            Ok(text) if self.inner.is_ready.get() => self.inner.post(&text),
            Ok(text) => self.inner.waiting.borrow_mut().push(text),
            Err(error) => self.inner.fail(&error),
        }
    }
}

fn take_over(inner: &Rc<Inner>) -> Result<(), JsValue> {
    let worker: Worker = js_sys::Reflect::get(&js_sys::global(), &WORKER.into())?.dyn_into()?;
    listen(inner, worker.clone());
    for message in js_sys::Reflect::get(&worker, &HEARD.into())?.dyn_into::<js_sys::Array>()? {
        inner.receive(message);
    }
    if let Some(fault) = js_sys::Reflect::get(&worker, &FAULT.into())?.as_string() {
        inner.fail(&fault);
    }
    Ok(())
}

fn listen(inner: &Rc<Inner>, worker: Worker) {
    let own = Rc::clone(inner);
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| own.receive(event.data()));
    worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // The worker lives as long as the page, and so do its listeners.
    on_message.forget();
    let own = Rc::clone(inner);
    let on_error = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
        let message = event.dyn_ref::<web_sys::ErrorEvent>().map(web_sys::ErrorEvent::message);
        own.fail(&message.filter(|text| !text.is_empty()).unwrap_or_else(|| "it could not be loaded".to_owned()));
    });
    worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    on_error.forget();
    *inner.worker.borrow_mut() = Some(worker);
}

impl Inner {
    fn receive(&self, data: JsValue) {
        match decode(data.as_string()) {
            Ok(FromWorker::Ready) => {
                self.is_ready.set(true);
                for text in self.waiting.take() {
                    self.post(&text);
                }
            }
            Ok(message) => (self.on_event)(message),
            Err(error) => self.fail(&error),
        }
    }

    fn post(&self, text: &str) {
        let posted = self.worker.borrow().as_ref().map(|worker| worker.post_message(&text.into()));
        if let Some(Err(error)) = posted {
            self.fail(&browser::words(&error));
        }
    }

    fn fail(&self, reason: &str) {
        let message = format!("the simulation worker stopped: {reason}. Reload the page to start it again.");
        (self.on_event)(FromWorker::Failed(Failure { part: Part::Worker, message }));
    }
}
