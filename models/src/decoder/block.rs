//! One transformer block: attention with rotary positions and a key-value cache, then SwiGLU.

use burn::tensor::{Tensor, s};

use super::cache::LayerCache;
use super::config::DecoderConfig;
use super::weights::Weights;
use crate::error::ModelError;
use crate::fused::{self, Positions};
use crate::linear::Linear;

/// Root mean square normalisation over the last dimension.
pub(super) struct RmsNorm {
    /// `[1, hidden]`
    weight: Tensor<2>,
    epsilon: f64,
}

impl RmsNorm {
    pub(super) fn read(weights: &Weights<'_>, name: &str, config: &DecoderConfig) -> Result<Self, ModelError> {
        Ok(Self { weight: weights.row(name, config.hidden)?, epsilon: config.rms_epsilon })
    }

    /// `[seq, hidden]` to the same.
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        fused::rms_norm(x, &self.weight, self.epsilon)
    }
}

pub(super) struct Block {
    attention_norm: RmsNorm,
    /// Query, key and value in one product: `hidden` to `(heads + 2 * kv_heads) * head_dim`.
    query_key_value: Linear,
    output: Linear,
    feed_forward_norm: RmsNorm,
    /// Gate and up in one product: `hidden` to `2 * feed_forward`.
    gate_up: Linear,
    down: Linear,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
}

impl Block {
    pub(super) fn read(weights: &Weights<'_>, index: usize, config: &DecoderConfig) -> Result<Self, ModelError> {
        let &DecoderConfig { hidden, feed_forward, heads, kv_heads, head_dim, .. } = config;
        let name = |part: &str| format!("blk.{index}.{part}.weight");
        let norm = |part: &str| RmsNorm::read(weights, &name(part), config);
        let linear = |parts: &[(&str, usize)], inputs: usize| {
            let names: Vec<String> = parts.iter().map(|(part, _)| name(part)).collect();
            let tensors: Vec<(&str, usize)> =
                names.iter().zip(parts).map(|(name, (_, rows))| (name.as_str(), *rows)).collect();
            weights.linear(&tensors, inputs)
        };
        let (queries, keys) = (heads * head_dim, kv_heads * head_dim);
        Ok(Self {
            attention_norm: norm("attn_norm")?,
            query_key_value: linear(&[("attn_q", queries), ("attn_k", keys), ("attn_v", keys)], hidden)?,
            output: linear(&[("attn_output", hidden)], queries)?,
            feed_forward_norm: norm("ffn_norm")?,
            gate_up: linear(&[("ffn_gate", feed_forward), ("ffn_up", feed_forward)], hidden)?,
            down: linear(&[("ffn_down", hidden)], feed_forward)?,
            heads,
            kv_heads,
            head_dim,
        })
    }

    /// `[seq, hidden]` to the same; the rows' keys and values join the cache.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        positions: &Positions,
        rotate: &Tensor<2>,
        cache: &mut LayerCache,
    ) -> Tensor<2> {
        let attended = self.attend(self.attention_norm.forward(x.clone()), positions, rotate, cache);
        let x = x + attended;
        let both = self.gate_up.forward(self.feed_forward_norm.forward(x.clone()));
        x + self.down.forward(fused::gated(both))
    }

    fn attend(&self, x: Tensor<2>, positions: &Positions, rotate: &Tensor<2>, cache: &mut LayerCache) -> Tensor<2> {
        let &Self { heads, kv_heads, head_dim, .. } = self;
        let [seq, _] = x.dims();
        // [seq, heads + 2 * kv_heads, head_dim]
        let all = self.query_key_value.forward(x).reshape([seq, heads + 2 * kv_heads, head_dim]);
        let turned = fused::turned(all.clone(), positions, rotate, heads + kv_heads);
        let key = turned.clone().slice(s![.., heads.., ..]).swap_dims(0, 1);
        let value = all.slice(s![.., heads + kv_heads.., ..]).swap_dims(0, 1);
        let (keys, values) = cache.append(key, value);
        self.output.forward(fused::cached_attention(turned, keys, values, heads, positions))
    }
}
