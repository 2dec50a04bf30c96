//! Files of weights, and what is none.

pub(crate) mod foreign;
pub(crate) mod gguf;
pub(crate) mod safetensors;
pub(crate) mod source;
