//! Phi-3: tensors that are joined, and factors for texts longer than those it was first trained on.

use super::{Spec, Windows, llama};
use crate::layers::rotary::Pairs;

pub(super) const PHI3: Spec =
    Spec { architecture: "phi3", pairs: Pairs::Halves, is_joined: true, windows: Windows::All, ..llama::LLAMA };
