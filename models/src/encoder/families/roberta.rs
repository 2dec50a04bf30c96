//! RoBERTa, and what has its form, as DistilRoBERTa.

use super::{BERT_LAYER, FirstPosition, Spec, Types, nothing};
use crate::encoder::head::{Activation, HeadSpec, Place};

pub(super) const SPEC: Spec = Spec {
    model_type: "roberta",
    class: "Roberta",
    layer: BERT_LAYER,
    first_position: FirstPosition::AfterPadding,
    types: Types::Always,
    epsilon: 1e-12,
    own: nothing,
    head: HeadSpec { dense: Place::File("classifier.dense"), activation: Activation::Tanh, out: "classifier.out_proj" },
};
