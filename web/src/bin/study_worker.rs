//! Entry point of the worker of studies: a program of its own, loaded when the first is asked for.

use wasm_bindgen::JsCast as _;

fn main() {
    match js_sys::global().dyn_into() {
        Ok(scope) => poq_web::worker::study::listen(scope),
        Err(_) => wasm_bindgen::throw_str("this program runs in a Web Worker alone"),
    }
}
