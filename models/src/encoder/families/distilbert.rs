//! DistilBERT.

use super::{FirstPosition, LayerNames, Spec, Types, nothing};
use crate::encoder::head::{Activation, HeadSpec, Place};

pub(super) const SPEC: Spec = Spec {
    model_type: "distilbert",
    class: "DistilBert",
    layer: LayerNames {
        before: "transformer.layer",
        query: "attention.q_lin",
        key: "attention.k_lin",
        value: "attention.v_lin",
        attention_output: "attention.out_lin",
        attention_norm: "sa_layer_norm",
        intermediate: "ffn.lin1",
        output: "ffn.lin2",
        output_norm: "output_layer_norm",
    },
    first_position: FirstPosition::Zero,
    types: Types::Never,
    epsilon: 1e-12,
    own: nothing,
    head: HeadSpec { dense: Place::File("pre_classifier"), activation: Activation::Relu, out: "classifier" },
};
