//! What a GGUF file says about its decoder, checked.

use super::DecoderOptions;
use crate::error::{ModelError, Part, shorten};
use crate::gguf::Gguf;

/// Far above any model that fits into memory; keeps sums of sizes far from overflow.
const MAX_SIZE: u32 = 1 << 24;

/// Sizes and constants of a Llama-family decoder.
#[derive(Debug, Clone)]
pub(super) struct DecoderConfig {
    pub name: String,
    /// Blocks that run; at most those in the file.
    pub layers: usize,
    pub context_length: usize,
    pub hidden: usize,
    pub feed_forward: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub rope_base: f64,
    pub rms_epsilon: f64,
}

impl DecoderConfig {
    pub(super) fn read(gguf: &Gguf<'_>, options: &DecoderOptions) -> Result<Self, ModelError> {
        let architecture = gguf.text("general.architecture")?;
        // Such as `bert`, `nomic-bert` and `jina-bert-v2`.
        if architecture.contains("bert") {
            let seen = format!("an encoder (`general.architecture`: {})", shorten(architecture));
            return Err(ModelError::OtherModel {
                part: Part::Gguf,
                seen,
                asked: "a decoder, which continues texts (`llama`)",
            });
        }
        if architecture != "llama" {
            return Err(ModelError::field(Part::Gguf, "general.architecture", architecture, "\"llama\""));
        }
        let hidden = gguf.count("llama.embedding_length", 1..=MAX_SIZE)?;
        let heads = gguf.count("llama.attention.head_count", 1..=MAX_SIZE)?;
        let kv_heads = gguf.optional_count("llama.attention.head_count_kv", 1..=MAX_SIZE)?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            let allowed = format!("a divisor of the {heads} attention heads");
            return Err(ModelError::field(Part::Gguf, "llama.attention.head_count_kv", kv_heads, allowed));
        }
        let head_dim = match gguf.optional_count("llama.attention.key_length", 2..=MAX_SIZE)? {
            Some(length) => length,
            None if hidden.is_multiple_of(heads) => hidden / heads,
            None => {
                let allowed = format!("a divisor of the embedding length {hidden}");
                return Err(ModelError::field(Part::Gguf, "llama.attention.head_count", heads, allowed));
            }
        };
        if !head_dim.is_multiple_of(2) {
            let allowed = "heads of an even width, as rotary positions turn pairs";
            return Err(ModelError::field(Part::Gguf, "llama.attention.head_count", heads, allowed));
        }
        for key in ["llama.attention.value_length", "llama.rope.dimension_count"] {
            if let Some(seen) = gguf.optional_count(key, 1..=MAX_SIZE)?.filter(|seen| *seen != head_dim) {
                return Err(ModelError::field(Part::Gguf, key, seen, format!("the head width {head_dim}")));
            }
        }
        let scaling = gguf.optional_text("llama.rope.scaling.type")?.unwrap_or("none");
        if scaling != "none" {
            return Err(ModelError::field(Part::Gguf, "llama.rope.scaling.type", scaling, "\"none\", or absent"));
        }
        if let Some(experts) = gguf.optional_count("llama.expert_count", 0..=MAX_SIZE)?.filter(|count| *count > 0) {
            return Err(ModelError::field(Part::Gguf, "llama.expert_count", experts, "0, or absent"));
        }
        let epsilon = "llama.attention.layer_norm_rms_epsilon";
        let blocks = gguf.count("llama.block_count", 1..=MAX_SIZE)?;
        let layers = match options.layers {
            None => blocks,
            Some(layers) if (1..=blocks).contains(&layers) => layers,
            Some(layers) => {
                let allowed = format!("1 to {blocks} (the model's block_count), or none for all");
                return Err(ModelError::argument("layers", layers, allowed));
            }
        };
        let name = gguf.optional_text("general.name")?.unwrap_or("unnamed").to_owned();
        Ok(Self {
            name,
            layers,
            context_length: gguf.count("llama.context_length", 2..=MAX_SIZE)?,
            hidden,
            feed_forward: gguf.count("llama.feed_forward_length", 1..=MAX_SIZE)?,
            heads,
            kv_heads,
            head_dim,
            rope_base: gguf.optional_positive("llama.rope.freq_base")?.unwrap_or(10_000.0),
            rms_epsilon: gguf.optional_positive(epsilon)?.ok_or_else(|| ModelError::missing(Part::Gguf, epsilon))?,
        })
    }
}
