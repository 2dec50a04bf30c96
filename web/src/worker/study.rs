//! The worker of the papers' reproduction: started when it is asked for, it tells what it finds as it goes, and is ended
//! from outside.

use poq_core::paper::robust::{self, Study};
use poq_core::paper::{self, Claims};
use poq_core::scenario::ScenarioError;
use poq_core::{Dataset, Scenario, simulate};
use wasm_bindgen::prelude::*;
use web_sys::DedicatedWorkerGlobalScope;

use super::fetching;
use crate::protocol::encode;
use crate::study::{FromStudy, Paper};

/// Runs between two messages of progress.
const STEP: usize = 20;

/// Takes over the worker.
pub fn listen(scope: DedicatedWorkerGlobalScope) {
    wasm_bindgen_futures::spawn_local(async move {
        let send = |message: &FromStudy| {
            let sent = encode(message)
                .map_err(|error| JsValue::from_str(&error))
                .and_then(|text| scope.post_message(&text.into()));
            if let Err(error) = sent {
                wasm_bindgen::throw_val(error);
            }
        };
        let shipped = fetching::dataset(&scope).await;
        let outcome = shipped
            .map_err(|error| format!("the dataset beside the page could not be read: {error}"))
            .and_then(|shipped| reproduce(&shipped, &send).map_err(|error| error.to_string()));
        send(&outcome.map_or_else(FromStudy::Failed, |()| FromStudy::Done));
    });
}

/// Both papers, on the fitted dataset and on the shipped one.
///
/// # Errors
/// None for datasets with inference nodes and evaluators enough for the studies.
pub fn reproduce(shipped: &Dataset, send: &impl Fn(&FromStudy)) -> Result<(), ScenarioError> {
    let scenario = Scenario::preset(paper::DATASET_ID)?;
    let fitted = paper::dataset();
    let report = simulate(&fitted, &scenario, scenario.seed, scenario.rounds)?;
    send(&FromStudy::Figures {
        digest: report.digest.clone(),
        figures: paper::figures(&report),
        profiles: paper::numbers(),
    });
    send(&FromStudy::Claims {
        paper: Paper::CostAware,
        claims: Claims::new(&fitted, paper::findings(&fitted, &report)),
    });
    let report = simulate(shipped, &scenario, scenario.seed, scenario.rounds)?;
    let claims = Claims::new(shipped, paper::findings(shipped, &report));
    send(&FromStudy::Claims { paper: Paper::CostAware, claims });
    let studies = [&fitted, shipped].map(|dataset| Study::new(dataset, scenario.seed, robust::ROUNDS));
    let [of_fitted, of_shipped] = studies;
    let studies = [(&fitted, of_fitted?), (shipped, of_shipped?)];
    let of = studies.iter().map(|(_, study)| study.runs()).sum();
    let mut done = 0;
    for (dataset, study) in studies {
        let mut measured = Vec::with_capacity(study.runs());
        for run in 0..study.runs() {
            measured.push(study.run(dataset, run)?);
            done += 1;
            if done % STEP == 0 {
                send(&FromStudy::Progress { done, of });
            }
        }
        let claims = Claims::new(dataset, study.findings(dataset, &measured));
        send(&FromStudy::Claims { paper: Paper::Robust, claims });
    }
    Ok(())
}
