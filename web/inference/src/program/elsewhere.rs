//! On the CPU decoders are a program of their own, with memory of its own, which is loaded with the first of them: what
//! is asked of them is handed on. It answers the page itself.

use std::cell::RefCell;

use crate::protocol::{Blame, FromInference, ToInference};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::scope::{global, post, words};
use super::{Asks, Shared};

/// The file that begins it.
const PROGRAM: &str = "inference-decoders.js";

/// The program of the decoders, once it is loaded.
#[derive(Default)]
pub struct Decoders {
    receive: RefCell<Option<js_sys::Function>>,
}

impl Decoders {
    /// Hands on what is asked of a decoder.
    pub async fn hear(&self, shared: &Shared, asks: Asks, message: ToInference, files: Vec<File>) {
        if let ToInference::Generate { .. } = message {
            // It replaces the work that is under way here.
            shared.begin();
        }
        let handed = match self.program().await {
            Ok(receive) => receive.call1(&JsValue::NULL, &asks.data).map(drop).map_err(|error| words(&error)),
            Err(error) => Err(words(&error)),
        };
        let Err(words) = handed else { return };
        match message {
            ToInference::Generate { work, .. } => post(&FromInference::Generated { work, outcome: Err(words) }),
            _ => {
                let opened = || files.first().map(File::name).unwrap_or_default();
                let model = asks.model.map_or_else(opened, |known| known.name.to_owned());
                post(&FromInference::LoadFailed { model, words, blame: Blame::Model });
            }
        }
    }

    /// Hands on that nothing more is wanted.
    pub fn stop(&self) {
        if let Some(receive) = &*self.receive.borrow() {
            let stop = serde_json::to_string(&ToInference::Stop).expect("plain data");
            // It cannot fail but by a panic, of which the page is told.
            let _ = receive.call1(&JsValue::NULL, &stop.into());
        }
    }

    async fn program(&self) -> Result<js_sys::Function, JsValue> {
        if let Some(receive) = &*self.receive.borrow() {
            return Ok(receive.clone());
        }
        // `static/page/worker.js` starts programs.
        let start: js_sys::Function = js_sys::Reflect::get(&global(), &"startProgram".into())?.dyn_into()?;
        let started = start.call1(&JsValue::NULL, &PROGRAM.into())?;
        let program = JsFuture::from(js_sys::Promise::from(started)).await?;
        let receive: js_sys::Function = js_sys::Reflect::get(&program, &"receive".into())?.dyn_into()?;
        *self.receive.borrow_mut() = Some(receive.clone());
        Ok(receive)
    }
}
