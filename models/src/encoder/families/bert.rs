//! BERT, and what has its form, as MiniLM.

use super::{BERT_LAYER, FirstPosition, Spec, Types, nothing};
use crate::encoder::head::{Activation, HeadSpec, Place};

pub(super) const SPEC: Spec = Spec {
    model_type: "bert",
    class: "Bert",
    layer: BERT_LAYER,
    first_position: FirstPosition::Zero,
    types: Types::Always,
    epsilon: 1e-12,
    own: nothing,
    head: HeadSpec { dense: Place::Body("pooler.dense"), activation: Activation::Tanh, out: "classifier" },
};
