//! Entry point of the page and of its Web Workers.

use poq_web::app::App;
use poq_web::worker::port;
use wasm_bindgen::JsCast as _;
use web_sys::DedicatedWorkerGlobalScope;

fn main() {
    match js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() {
        Ok(scope) => port::listen(scope).unwrap_or_else(|error| wasm_bindgen::throw_val(error)),
        Err(_) => drop(yew::Renderer::<App>::with_root(root()).render()),
    }
}

/// The element that the page takes over from what stands there while it loads.
fn root() -> web_sys::Element {
    let document = web_sys::window().and_then(|window| window.document());
    let element = document.and_then(|document| document.get_element_by_id("page"));
    element.unwrap_or_else(|| wasm_bindgen::throw_str("the page has no element `page`"))
}
