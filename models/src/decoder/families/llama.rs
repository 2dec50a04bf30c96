//! Llama and what is built like it: TinyLlama, Llama 3, SmolLM2, Mistral.

use super::{Gate, Spec, Windows};
use crate::layers::rotary::Pairs;

pub(super) const LLAMA: Spec = Spec {
    architecture: "llama",
    pairs: Pairs::Neighbours,
    has_biases: false,
    is_joined: false,
    has_head_norms: false,
    has_norms_after: false,
    gate: Gate::Silu,
    has_scaled_embedding: false,
    has_soft_caps: false,
    other_scale: None,
    windows: Windows::None,
};
