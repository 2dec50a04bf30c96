//! On the CPU decoders are a program of their own, with memory of its own, which is loaded with the first of them: what
//! is asked of them is handed on. It answers the page itself, but for ratings, which evaluators wait for here.

use std::cell::RefCell;

use crate::protocol::{Blame, FromInference, ToInference};
use poq_core::dataset::Task;
use poq_pipeline::Pending;
use poq_pipeline::evaluators::{Evaluator, RateFault, Rated};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::scope::{global, post, words};
use super::{Asks, Shared, Unrated};

/// The file that begins it.
const PROGRAM: &str = "inference-decoders.js";

#[wasm_bindgen]
extern "C" {
    /// What the program of the decoders exports.
    #[derive(Clone)]
    type Program;
    #[wasm_bindgen(method, catch)]
    fn receive(this: &Program, data: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn judge(this: &Program, sha256: &str, template: &str) -> Result<Option<Judge>, JsValue>;

    /// A decoder as an evaluator, in the memory of its program.
    type Judge;
    #[wasm_bindgen(method, catch)]
    async fn rate(this: &Judge, task: &str, answer: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method)]
    fn free(this: &Judge);
}

/// The program of the decoders, once it is loaded.
#[derive(Default)]
pub struct Decoders {
    program: RefCell<Option<Program>>,
}

impl Decoders {
    /// Hands on what is asked of a decoder.
    pub async fn hear(&self, shared: &Shared, asks: Asks, message: ToInference, files: Vec<File>) {
        if let ToInference::Generate { .. } = message {
            // It replaces the work that is under way here.
            shared.begin();
        }
        let handed = match self.program().await {
            Ok(program) => program.receive(&asks.data),
            Err(error) => Err(error),
        };
        let Err(error) = handed else { return };
        let words = words(&error);
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
        if let Some(program) = &*self.program.borrow() {
            let stop = serde_json::to_string(&ToInference::Stop).expect("plain data");
            // It cannot fail but by a panic, of which the page is told.
            let _ = program.receive(&stop.into());
        }
    }

    /// An evaluator that shows `template` to the decoder of this file; none unless that is the one that is ready.
    ///
    /// # Errors
    /// In words, if that program fails, or is of another version.
    pub fn judge(&self, sha256: &str, template: &str) -> Result<Option<LlmJudge>, String> {
        let program = self.program.borrow();
        let Some(program) = program.as_ref() else { return Ok(None) };
        let judge = program.judge(sha256, template).map_err(|error| words(&error))?;
        Ok(judge.map(LlmJudge))
    }

    async fn program(&self) -> Result<Program, JsValue> {
        if let Some(program) = &*self.program.borrow() {
            return Ok(program.clone());
        }
        // `static/page/worker.js` starts programs.
        let start: js_sys::Function = js_sys::Reflect::get(&global(), &"startProgram".into())?.dyn_into()?;
        let started = start.call1(&JsValue::NULL, &PROGRAM.into())?;
        let program: Program = JsFuture::from(js_sys::Promise::from(started)).await?.unchecked_into();
        *self.program.borrow_mut() = Some(program.clone());
        Ok(program)
    }
}

/// A decoder of the other program that rates answers.
pub struct LlmJudge(Judge);

impl Evaluator for LlmJudge {
    fn rate<'a>(&'a self, task: &'a Task, answer: &'a str) -> Pending<'a, Result<Rated, RateFault>> {
        Box::pin(async move {
            let elsewhere = |error: serde_json::Error| RateFault::Elsewhere(error.to_string());
            let task = serde_json::to_string(task).map_err(elsewhere)?;
            let rated = self.0.rate(&task, answer).await.map_err(|error| RateFault::Elsewhere(words(&error)))?;
            let rated: Result<Rated, Unrated> =
                serde_json::from_str(&rated.as_string().unwrap_or_default()).map_err(elsewhere)?;
            rated.map_err(|unrated| match unrated {
                Unrated::NoNumber { reply, latency_ms } => RateFault::NoNumber { reply, latency_ms },
                Unrated::Fault(words) => RateFault::Elsewhere(words),
            })
        })
    }
}

/// It holds the weights of the decoder.
impl Drop for LlmJudge {
    fn drop(&mut self) {
        self.0.free();
    }
}
