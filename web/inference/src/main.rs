//! Entry point of the inference worker.

fn main() {
    poq_inference::program::listen();
}
