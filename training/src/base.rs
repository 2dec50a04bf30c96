//! The encoder that a judge starts from.

use std::collections::HashMap;

use half::{bf16, f16};
use poq_models::{ModelError, Part};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::Value;

use crate::fit::Settings;
use crate::network::Values;

/// The files of a BERT.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// `config.json`.
    pub config: &'a [u8],
    /// `tokenizer.json`.
    pub tokenizer: &'a [u8],
    /// `model.safetensors`, in F32, F16 or BF16.
    pub weights: &'a [u8],
}

/// Sizes of the network.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Sizes {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_attention_heads: usize,
    pub num_hidden_layers: usize,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    pub vocab_size: usize,
    #[serde(default = "epsilon")]
    pub layer_norm_eps: f64,
}

fn epsilon() -> f64 {
    1e-12
}

impl Base<'_> {
    /// Sizes as `config.json` has them.
    pub(crate) fn sizes(&self) -> Result<Sizes, ModelError> {
        serde_json::from_slice(self.config).map_err(|error| ModelError::malformed(Part::ConfigJson, error.to_string()))
    }

    /// `config.json` of a judge: the same, with one label, whose logit goes through a sigmoid.
    pub(crate) fn judge_config(&self, settings: &Settings) -> Result<Vec<u8>, ModelError> {
        let damaged = |error: serde_json::Error| ModelError::malformed(Part::ConfigJson, error.to_string());
        let mut config: serde_json::Map<String, Value> = serde_json::from_slice(self.config).map_err(damaged)?;
        for field in ["sentence_transformers", "sbert_ce_default_activation_function"] {
            config.remove(field);
        }
        if let Value::Object(own) = settings.architecture.config(&self.sizes()?) {
            config.extend(own);
        }
        let mut own = serde_json::json!({"trained_for": settings.objective.name()});
        if let Some(pooling) = settings.architecture.pooling() {
            own["pooling"] = pooling.into();
        }
        config.insert("poq".to_owned(), own);
        serde_json::to_vec_pretty(&config).map_err(damaged)
    }
}

/// Tensors of a file, by name without `bert.`, with their shapes.
pub(crate) type Tensors = HashMap<String, Values>;

/// Reads a file of tensors in F32, F16 or BF16, but for tables of the numbers of positions, which are not needed.
pub(crate) fn tensors(bytes: &[u8]) -> Result<Tensors, ModelError> {
    let damaged = |problem: String| ModelError::malformed(Part::Safetensors, problem);
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    let of_names = file.iter().filter(|(name, _)| !name.ends_with("position_ids")).map(|(name, view)| {
        let (words, halves) = (view.data().as_chunks::<4>().0.iter(), view.data().as_chunks::<2>().0.iter());
        let values = match view.dtype() {
            Dtype::F32 => words.map(|word| f32::from_le_bytes(*word)).collect(),
            Dtype::F16 => halves.map(|half| f16::from_le_bytes(*half).to_f32()).collect(),
            Dtype::BF16 => halves.map(|half| bf16::from_le_bytes(*half).to_f32()).collect(),
            other => return Err(damaged(format!("`{name}` is stored as {other:?}; allowed: F32, F16, BF16"))),
        };
        Ok((name.strip_prefix("bert.").unwrap_or(name).to_owned(), (view.shape().to_vec(), values)))
    });
    of_names.collect()
}
