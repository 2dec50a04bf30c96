//! Qwen2 and Qwen2.5: Llama with biases of queries, keys and values.

use super::{Spec, llama};
use crate::layers::rotary::Pairs;

pub(super) const QWEN2: Spec = Spec { architecture: "qwen2", pairs: Pairs::Halves, has_biases: true, ..llama::LLAMA };
