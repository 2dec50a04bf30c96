//! Entry point of the worker that reproduces the papers: a program of its own, loaded when that is first asked for.

use wasm_bindgen::JsCast as _;

fn main() {
    match js_sys::global().dyn_into() {
        Ok(scope) => poq_web::worker::study::listen(scope),
        Err(_) => wasm_bindgen::throw_str("this program runs in a Web Worker alone"),
    }
}
