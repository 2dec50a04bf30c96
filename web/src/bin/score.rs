//! Entry point of the Score place: a program of its own, loaded when the place is first shown.

use poq_web::score;

fn main() {
    let document = web_sys::window().and_then(|window| window.document());
    let mounted = match document.and_then(|document| Some((document.get_element_by_id(score::ROOT)?, document))) {
        Some((root, document)) => score::mount(&document, root),
        None => wasm_bindgen::throw_str("the page has no place for it"),
    };
    if let Err(error) = mounted {
        wasm_bindgen::throw_val(error);
    }
}
