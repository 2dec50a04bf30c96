//! The host in a Web Worker: its event loop and its clock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use poq_core::dataset::Shipped;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, MessageChannel, MessageEvent, MessagePort};

use super::fetching;
use super::host::Host;
use crate::protocol::{Failure, FromWorker, Part, decode, encode};

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
/// If the browser gives the worker no message channel.
pub fn listen(scope: DedicatedWorkerGlobalScope) -> Result<(), JsValue> {
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
    // Most readers want the newest one, and the page is not there yet to say so.
    port.host.borrow_mut().want(Shipped::default());
    port.fetch();
    Ok(())
}

impl Port {
    /// Fetches the datasets that the host asks for.
    fn fetch(self: &Rc<Self>) {
        while let Some(shipped) = self.next_to_fetch() {
            let port = Rc::clone(self);
            wasm_bindgen_futures::spawn_local(async move {
                let dataset = fetching::dataset(&port.scope, shipped).await;
                port.host.borrow_mut().loaded(shipped, dataset, port.now_ms(), &mut |message| port.send(&message));
                port.fetch();
                port.take_turn();
            });
        }
    }

    fn next_to_fetch(&self) -> Option<Shipped> {
        self.host.borrow_mut().to_fetch()
    }

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

    fn receive(self: &Rc<Self>, data: JsValue) {
        match decode(data.as_string()) {
            Ok(message) => {
                self.host.borrow_mut().receive(message, self.now_ms(), &mut |message| self.send(&message));
                self.fetch();
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
}

/// Makes a fault that has no other way out visible: it becomes an `error` event of the worker, which the page shows.
fn rethrow(error: &JsValue) {
    wasm_bindgen::throw_val(error.clone());
}
