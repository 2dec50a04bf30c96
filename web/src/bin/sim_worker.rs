//! Entry point of the simulation worker.

fn main() {
    if let Err(error) = poq_web::worker::port::listen() {
        wasm_bindgen::throw_val(error);
    }
}
