//! The page's end of a worker of studies.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, Event, MessageEvent, Worker, WorkerOptions, WorkerType};

use super::browser;
use crate::protocol::{decode, encode};
use crate::study::{FromStudy, ToStudy};

/// The script of the worker, a program of its own.
const SCRIPT: &str = "./study-worker_loader.js";

/// A worker of studies: started when it is first asked, kept for the next question, ended where it is to stop.
#[derive(Default)]
pub struct StudyWorker {
    inner: Rc<RefCell<Inner>>,
}

#[derive(Default)]
struct Inner {
    worker: Option<Worker>,
    is_listening: bool,
    /// What was asked before it listened: it would be lost.
    waiting: Option<String>,
    /// Who asked, until all is told.
    heard: Option<Rc<dyn Fn(FromStudy)>>,
    /// What the worker in office says.
    on_message: Option<Closure<dyn FnMut(MessageEvent)>>,
    /// How it fails.
    on_error: Option<Closure<dyn FnMut(Event)>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            // Its listeners live until it has none.
            worker.set_onmessage(None);
            worker.set_onerror(None);
            worker.terminate();
        }
    }
}

impl StudyWorker {
    /// Asks, in place of what was asked before. `heard` is told what is found, and at last that all is told or why not.
    pub fn ask(&self, question: &ToStudy, heard: impl Fn(FromStudy) + 'static) {
        if self.inner.borrow().heard.is_some() {
            self.stop();
        }
        let heard: Rc<dyn Fn(FromStudy)> = Rc::new(heard);
        let text = match encode(question) {
            Ok(text) => text,
            Err(words) => return heard(FromStudy::Failed(words)),
        };
        self.inner.borrow_mut().heard = Some(Rc::clone(&heard));
        let is_there = self.inner.borrow().worker.is_some();
        if let Err(error) = if is_there { Ok(()) } else { self.start() } {
            self.stop();
            return heard(FromStudy::Failed(format!(
                "this browser did not start its worker ({})",
                browser::words(&error)
            )));
        }
        let mut inner = self.inner.borrow_mut();
        let sent = match (&inner.worker, inner.is_listening) {
            (Some(worker), true) => worker.post_message(&text.into()),
            _ => {
                inner.waiting = Some(text);
                Ok(())
            }
        };
        drop(inner);
        if let Err(error) = sent {
            wasm_bindgen::throw_val(error);
        }
    }

    /// Stops what is under way; nobody is told anything more.
    pub fn stop(&self) {
        drop(self.inner.take());
    }

    fn start(&self) -> Result<(), JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(SCRIPT, &options)?;
        let own = Rc::downgrade(&self.inner);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(inner) = own.upgrade() {
                hear(&inner, decode(event.data().as_string()).unwrap_or_else(FromStudy::Failed));
            }
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let own = Rc::downgrade(&self.inner);
        let on_error = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            let message = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message);
            let words = message.filter(|text| !text.is_empty()).unwrap_or_else(|| "it could not be loaded".to_owned());
            // The next question gets a fresh one.
            let ended = own.upgrade().map(|inner| inner.take());
            if let Some(heard) = ended.and_then(|mut ended| ended.heard.take()) {
                heard(FromStudy::Failed(format!("its worker stopped: {words}")));
            }
        });
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        let mut inner = self.inner.borrow_mut();
        inner.worker = Some(worker);
        inner.is_listening = false;
        inner.on_message = Some(on_message);
        inner.on_error = Some(on_error);
        Ok(())
    }
}

fn hear(inner: &RefCell<Inner>, message: FromStudy) {
    if matches!(message, FromStudy::Ready) {
        let mut inner = inner.borrow_mut();
        inner.is_listening = true;
        if let (Some(worker), Some(text)) = (inner.worker.clone(), inner.waiting.take()) {
            // It fails for what cannot be copied, which a text can.
            worker.post_message(&text.into()).unwrap_or_default();
        }
        return;
    }
    let is_last = matches!(message, FromStudy::Answer(_) | FromStudy::Done(_) | FromStudy::Failed(_));
    let heard = if is_last { inner.borrow_mut().heard.take() } else { inner.borrow().heard.clone() };
    if let Some(heard) = heard {
        heard(message);
    }
}
