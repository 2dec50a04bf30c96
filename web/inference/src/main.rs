//! Entry point of the inference worker.

fn main() {
    #[cfg(feature = "webgpu")]
    construct();
    poq_inference::program::listen();
}

/// Runs the constructors that the shader compiler's crates register (through `inventory`), once. A program that does
/// not call them itself gets all of them called anew by the linker at each call from JavaScript, which took ten times
/// as long as the GPU.
#[cfg(feature = "webgpu")]
#[allow(unsafe_code)]
fn construct() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker makes this function, which takes and gives nothing; nothing else calls it.
    unsafe {
        __wasm_call_ctors();
    }
}
