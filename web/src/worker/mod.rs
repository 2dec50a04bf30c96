//! The page's Web Workers. [`host`] is the simulation worker without its browser: messages in, messages out; it holds the
//! datasets and runs what the page asks for, a slice at a time. [`port`] ties it to the Web Worker's event loop, to which
//! every slice returns, so that a newer request is heard within some 20 ms. [`study`] is a worker of its own, started when
//! it is first asked for.

pub mod datasets;
mod fetching;
pub mod host;
mod items;
mod port;
pub mod study;

use web_sys::DedicatedWorkerGlobalScope;

/// What the page calls the worker that reproduces the papers.
pub const STUDY: &str = "study";

/// Takes over the worker whose scope this is, by the name that the page gave it.
pub fn listen(scope: DedicatedWorkerGlobalScope) {
    if scope.name() == STUDY {
        study::listen(scope);
    } else if let Err(error) = port::listen(scope) {
        wasm_bindgen::throw_val(error);
    }
}
