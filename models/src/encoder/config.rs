//! `config.json` of a BERT-family encoder, checked.

use poq_core::json;
use serde::Deserialize;

use crate::error::{ModelError, Part, shorten};

/// Far above any encoder; keeps products of sizes far from overflow.
const MAX_SIZE: usize = 1 << 24;

/// The fields that matter here; others may be present.
#[derive(Debug, Deserialize)]
struct Fields {
    model_type: String,
    hidden_act: String,
    position_embedding_type: Option<String>,
    hidden_size: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    vocab_size: usize,
    layer_norm_eps: f64,
}

/// Sizes and constants of the encoder.
#[derive(Debug)]
pub(super) struct EncoderConfig {
    pub hidden: usize,
    pub intermediate: usize,
    pub heads: usize,
    pub layers: usize,
    pub positions: usize,
    pub types: usize,
    pub vocabulary: usize,
    pub epsilon: f64,
}

impl EncoderConfig {
    pub(super) fn read(config: &[u8]) -> Result<Self, ModelError> {
        let fields: Fields = json::parse(config)
            .map_err(|fault| ModelError::malformed(Part::ConfigJson, shorten(&fault.to_string())))?;
        let named = |field: &str, seen: &str, allowed: &str| match seen == allowed {
            true => Ok(()),
            false => Err(ModelError::field(Part::ConfigJson, field, seen, format!("{allowed:?}"))),
        };
        named("model_type", &fields.model_type, "bert")?;
        named("hidden_act", &fields.hidden_act, "gelu")?;
        let positions = fields.position_embedding_type.as_deref().unwrap_or("absolute");
        named("position_embedding_type", positions, "absolute")?;

        let size = |field: &str, seen: usize| match (1..=MAX_SIZE).contains(&seen) {
            true => Ok(seen),
            false => Err(ModelError::field(Part::ConfigJson, field, seen, format!("1 to {MAX_SIZE}"))),
        };
        let hidden = size("hidden_size", fields.hidden_size)?;
        let heads = size("num_attention_heads", fields.num_attention_heads)?;
        if !hidden.is_multiple_of(heads) {
            let allowed = format!("a divisor of the hidden size {hidden}");
            return Err(ModelError::field(Part::ConfigJson, "num_attention_heads", heads, allowed));
        }
        let epsilon = fields.layer_norm_eps;
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return Err(ModelError::field(Part::ConfigJson, "layer_norm_eps", epsilon, "a number above 0"));
        }
        Ok(Self {
            hidden,
            intermediate: size("intermediate_size", fields.intermediate_size)?,
            heads,
            layers: size("num_hidden_layers", fields.num_hidden_layers)?,
            positions: size("max_position_embeddings", fields.max_position_embeddings)?,
            types: size("type_vocab_size", fields.type_vocab_size)?,
            vocabulary: size("vocab_size", fields.vocab_size)?,
            epsilon,
        })
    }
}
