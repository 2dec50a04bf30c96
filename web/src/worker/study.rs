//! The worker of studies: it is asked one thing at a time, tells what it finds as it goes, and is ended from outside.

use std::cell::RefCell;
use std::rc::Rc;

use poq_core::preset;
use poq_core::scenario::ScenarioError;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use super::datasets::Datasets;
use super::fetching;
use super::host::check_size;
use crate::map::words;
use crate::protocol::{Chosen, decode, encode};
use crate::study::reproduce::reproduce;
use crate::study::{FromStudy, Question, ToStudy};

/// The preset of scenarios on the dataset that is chosen.
const SHIPPED: &str = preset::DEFAULT;

/// Takes over the worker.
pub fn listen(scope: DedicatedWorkerGlobalScope) {
    let (own, datasets) = (scope.clone(), Rc::new(RefCell::new(Datasets::default())));
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let (scope, datasets) = (own.clone(), Rc::clone(&datasets));
        wasm_bindgen_futures::spawn_local(async move {
            let send = |message: &FromStudy| post(&scope, message);
            let outcome = match decode(event.data().as_string()) {
                Ok(ToStudy::Reproduce) => on(&scope, &datasets, SHIPPED, Chosen::default(), |datasets| {
                    reproduce(datasets.get(SHIPPED)?, &send).map_err(|error| said(&error))
                })
                .await
                .map(FromStudy::Done),
                Ok(ToStudy::Ask(question)) => {
                    let (preset, chosen) = (&question.scenario.preset, question.chosen.clone());
                    on(&scope, &datasets, preset, chosen, |datasets| answer(datasets, &question, &send)).await
                }
                Err(words) => Err(words),
            };
            send(&outcome.unwrap_or_else(FromStudy::Failed));
        });
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // As long as the worker lives.
    on_message.forget();
    post(&scope, &FromStudy::Ready);
}

/// Does `what` once the datasets hold the one that scenarios of `preset` run on, where that is not its own the one that
/// is chosen.
async fn on<T>(
    scope: &DedicatedWorkerGlobalScope,
    datasets: &RefCell<Datasets>,
    preset: &str,
    chosen: Chosen,
    what: impl FnOnce(&Datasets) -> Result<T, String>,
) -> Result<T, String> {
    datasets.borrow_mut().choose(chosen.dataset);
    datasets.borrow_mut().make(preset);
    let lacking = datasets.borrow().lacks(preset);
    if let Some(shipped) = lacking {
        let dataset = fetching::dataset(scope, shipped).await;
        let dataset = dataset.map_err(|error| format!("the dataset beside the page could not be read: {error}"));
        datasets.borrow_mut().set(shipped, dataset);
    }
    if preset::dataset_of(preset).is_none() {
        datasets.borrow_mut().extend(chosen.evaluator)?;
    }
    what(&datasets.borrow())
}

fn answer(datasets: &Datasets, question: &Question, send: &impl Fn(&FromStudy)) -> Result<FromStudy, String> {
    let dataset = datasets.get(&question.scenario.preset)?;
    let sheet = check_size(dataset, &question.scenario)
        .and_then(|()| question.check_size([dataset.default_nodes().count(), dataset.evaluators()]))
        .and_then(|()| question.answer(dataset, send));
    sheet.map(|sheet| FromStudy::Answer(Box::new(sheet))).map_err(|error| said(&error))
}

/// A refusal as the controls say it: by the field's name.
fn said(error: &ScenarioError) -> String {
    format!("{}: {}", words::field(&error.path).0, error.message)
}

fn post(scope: &DedicatedWorkerGlobalScope, message: &FromStudy) {
    let sent =
        encode(message).map_err(|error| JsValue::from_str(&error)).and_then(|text| scope.post_message(&text.into()));
    if let Err(error) = sent {
        wasm_bindgen::throw_val(error);
    }
}
