//! Fetching the datasets that lie beside the page.

use poq_core::Dataset;
use poq_core::dataset::{DatasetFiles, Shipped};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, Response};

use crate::app::browser;

/// Where they lie, each in a folder of its id, seen from the worker's script.
const FOLDER: &str = "./datasets";

/// The dataset, or why there is none.
pub async fn dataset(scope: &DedicatedWorkerGlobalScope, shipped: Shipped) -> Result<Dataset, String> {
    let id = shipped.id();
    // All four are under way, with a listener for their failure each, before the first is waited for.
    let requests =
        DatasetFiles::NAMES.map(|name| (name, JsFuture::from(scope.fetch_with_str(&format!("{FOLDER}/{id}/{name}")))));
    let mut bytes: [Vec<u8>; 4] = Default::default();
    for (bytes, (name, request)) in bytes.iter_mut().zip(requests) {
        *bytes = body(request).await.map_err(|error| format!("{name} could not be fetched: {error}"))?;
    }
    let [manifest, tasks, outputs, scores] = bytes;
    Dataset::from_files(DatasetFiles { manifest: &manifest, tasks: &tasks, outputs: &outputs, scores: &scores })
        .map_err(|error| error.to_string())
}

/// The bytes of a response.
async fn body(request: JsFuture) -> Result<Vec<u8>, String> {
    let words = |error: JsValue| browser::words(&error);
    let response: Response = request.await.and_then(JsCast::dyn_into).map_err(words)?;
    if !response.ok() {
        return Err(format!("the server answered {} {}", response.status(), response.status_text()).trim().to_owned());
    }
    let buffer = JsFuture::from(response.array_buffer().map_err(words)?).await.map_err(words)?;
    Ok(js_sys::Uint8Array::new(&buffer).to_vec())
}
