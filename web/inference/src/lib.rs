//! Models in the page, on the reader's own device.
//!
//! A Web Worker of its own holds the weights and runs the models, so that neither the page nor the simulator ever waits
//! for it. Page and worker talk in the messages of [`protocol`], which is all of this crate that the page is made with.
//! The worker's program comes in three bundles of the same source, by feature: on the CPU `encoders`, which the worker
//! begins with, and `decoders`, which it loads with the first language model; and `webgpu`, which has both and is
//! loaded only where there is an adapter.
//!
//! It does not depend on the page's crate: what the page asks of the browser must not be a reason to build burn anew.

pub mod protocol;

#[cfg(feature = "program")]
pub mod program;
