//! Gemma 2 and Gemma 3. Their files have 1 added to the weights of norms already.

use super::{Gate, Spec, Windows, llama};
use crate::layers::rotary::Pairs;

/// Soft caps; every second block sees a window.
pub(super) const GEMMA2: Spec = Spec {
    architecture: "gemma2",
    pairs: Pairs::Halves,
    has_norms_after: true,
    gate: Gate::GeluTanh,
    has_scaled_embedding: true,
    has_soft_caps: true,
    other_scale: Some(46),
    windows: Windows::AllBut { period: 2, base: None },
    ..llama::LLAMA
};

/// Norms of queries and keys in place of soft caps; of six blocks five see a window, with a base of their own.
pub(super) const GEMMA3: Spec = Spec {
    architecture: "gemma3",
    has_head_norms: true,
    has_soft_caps: false,
    other_scale: Some(62),
    windows: Windows::AllBut { period: 6, base: Some(10_000.0) },
    ..GEMMA2
};
