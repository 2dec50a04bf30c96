//! One transformer block: attention with rotary positions and a key-value cache, then a gated feed-forward network;
//! with the parts that its family has.

use burn::tensor::{Tensor, s};
use poq_kernels::Gate;

use super::config::DecoderConfig;
use super::families::Spec;
use super::weights::{Matrix, Weights};
use crate::error::ModelError;
use crate::host::{self, HeadShape, Kernels};
use crate::layers::fused::{self, Positions};
use crate::layers::kv_cache::LayerCache;
use crate::layers::linear::Linear;
use crate::layers::norm::RmsNorm;

pub(super) struct Block {
    attention_norm: RmsNorm,
    /// Query, key and value in one product: `hidden` to `(heads + 2 * kv_heads) * head_dim`.
    query_key_value: Linear,
    /// Of each head's query, and of each head's key.
    head_norms: Option<[RmsNorm; 2]>,
    output: Linear,
    /// Of what attention gives, and of what the feed-forward network gives.
    norms_after: Option<[RmsNorm; 2]>,
    feed_forward_norm: RmsNorm,
    /// Gate and up in one product: `hidden` to `2 * feed_forward`.
    gate_up: Linear,
    down: Linear,
    gate: Gate,
    attention_cap: Option<f64>,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    sees_window: bool,
    kernels: Kernels,
}

/// What all blocks need to know of the rows of a pass.
pub(super) struct Pass {
    /// For blocks that see the whole text.
    pub whole: Positions,
    /// For those that see a window; none where there are none.
    pub window: Option<Positions>,
    /// `[head_dim, head_dim]`: takes each number to its partner in its pair.
    pub rotate: Tensor<2>,
}

/// The names of the tensors of a block of `spec`, after `blk.N.`.
pub(super) fn tensor_names(spec: &Spec) -> Vec<&'static str> {
    let mut names =
        vec!["attn_norm.weight", "attn_output.weight", "ffn_norm.weight", "ffn_up.weight", "ffn_down.weight"];
    names.extend(match spec.is_joined {
        true => &["attn_qkv.weight"][..],
        false => &["attn_q.weight", "attn_k.weight", "attn_v.weight", "ffn_gate.weight"],
    });
    if spec.has_biases {
        names.extend(["attn_q.bias", "attn_k.bias", "attn_v.bias"]);
    }
    if spec.has_head_norms {
        names.extend(["attn_q_norm.weight", "attn_k_norm.weight"]);
    }
    if spec.has_norms_after {
        names.extend(["post_attention_norm.weight", "post_ffw_norm.weight"]);
    }
    names
}

impl Block {
    pub(super) fn read(weights: &Weights<'_>, index: usize) -> Result<Self, ModelError> {
        let &DecoderConfig { spec, hidden, feed_forward, heads, kv_heads, head_dim, .. } = weights.config;
        let name = |part: &str| format!("blk.{index}.{part}");
        let norm = |part: &str| weights.norm(&name(part), false);
        let pair = |is_there: bool, parts: [&str; 2], is_of_head: bool| -> Result<Option<[RmsNorm; 2]>, ModelError> {
            let read = |part: &str| weights.norm(&name(part), is_of_head);
            if is_there { Ok(Some([read(parts[0])?, read(parts[1])?])) } else { Ok(None) }
        };
        let (queries, keys) = (heads * head_dim, kv_heads * head_dim);
        let matrix = |part: &str, outputs: usize| Matrix::new(name(part), outputs);
        let turning = |part: &str, outputs: usize, turning: usize| Matrix { turning, ..matrix(part, outputs) };
        let (query_key_value, gate_up) = match spec.is_joined {
            true => (
                vec![turning("attn_qkv", queries + 2 * keys, heads + kv_heads)],
                vec![matrix("ffn_up", 2 * feed_forward)],
            ),
            false => (
                vec![turning("attn_q", queries, heads), turning("attn_k", keys, kv_heads), matrix("attn_v", keys)],
                vec![matrix("ffn_gate", feed_forward), matrix("ffn_up", feed_forward)],
            ),
        };
        Ok(Self {
            attention_norm: norm("attn_norm")?,
            query_key_value: weights.linear(&query_key_value, hidden, spec.has_biases)?,
            head_norms: pair(spec.has_head_norms, ["attn_q_norm", "attn_k_norm"], true)?,
            output: weights.linear(&[matrix("attn_output", hidden)], queries, false)?,
            norms_after: pair(spec.has_norms_after, ["post_attention_norm", "post_ffw_norm"], false)?,
            feed_forward_norm: norm("ffn_norm")?,
            gate_up: weights.linear(&gate_up, hidden, false)?,
            down: weights.linear(&[matrix("ffn_down", hidden)], feed_forward, false)?,
            gate: spec.gate,
            attention_cap: weights.config.attention_cap,
            heads,
            kv_heads,
            head_dim,
            sees_window: spec.windows.has(index),
            kernels: weights.kernels(),
        })
    }

    /// `[seq, hidden]` to the same; the rows' keys and values join the cache.
    pub(super) fn forward(&self, x: Tensor<2>, pass: &Pass, cache: &mut LayerCache) -> Tensor<2> {
        let after = |index: usize, x: Tensor<2>| match &self.norms_after {
            Some(norms) => norms[index].forward(x),
            None => x,
        };
        let attended = self.attend(self.attention_norm.forward(x.clone()), pass, cache);
        let x = x + after(0, attended);
        let both = self.gate_up.forward(self.feed_forward_norm.forward(x.clone()));
        let fed = self.down.forward(match self.kernels {
            Kernels::Burn | Kernels::Half => fused::gated(both, self.gate),
            Kernels::Host => host::gated(both, self.gate),
        });
        x + after(1, fed)
    }

    fn attend(&self, x: Tensor<2>, pass: &Pass, cache: &mut LayerCache) -> Tensor<2> {
        let &Self { heads, kv_heads, head_dim, .. } = self;
        let positions = pass.window.as_ref().filter(|_| self.sees_window).unwrap_or(&pass.whole);
        let [seq, _] = x.dims();
        let all = self.query_key_value.forward(x);
        let cache = match cache {
            LayerCache::Device(cache) => cache,
            LayerCache::Host(cache) => {
                let shape = HeadShape { heads, kv_heads, head_dim };
                let norms = self.head_norms.as_ref();
                let mixed = host::cached_attention(all, shape, norms, positions, self.attention_cap, cache);
                return self.output.forward(mixed);
            }
        };
        let all = all.reshape([seq, heads + 2 * kv_heads, head_dim]);
        let turned = fused::turned(self.normalised(all.clone()), positions, &pass.rotate, heads + kv_heads);
        let key = turned.clone().slice(s![.., heads.., ..]).swap_dims(0, 1);
        let value = all.slice(s![.., heads + kv_heads.., ..]).swap_dims(0, 1);
        let (keys, values) = cache.append(key, value);
        self.output.forward(fused::cached_attention(turned, keys, values, heads, positions, self.attention_cap))
    }

    /// Queries and keys of `[seq, heads + 2 * kv_heads, head_dim]`, each head's normalised where the family has it so.
    fn normalised(&self, all: Tensor<3>) -> Tensor<3> {
        let Some([of_query, of_key]) = &self.head_norms else { return all };
        let &Self { heads, kv_heads, head_dim, .. } = self;
        let [seq, ..] = all.dims();
        let of = |norm: &RmsNorm, heads: Tensor<3>| {
            let [_, count, _] = heads.dims();
            norm.forward(heads.reshape([seq * count, head_dim])).reshape([seq, count, head_dim])
        };
        let query = of(of_query, all.clone().slice(s![.., 0..heads, ..]));
        let key = of(of_key, all.slice(s![.., heads..heads + kv_heads, ..]));
        Tensor::cat(vec![query, key], 1)
    }
}
