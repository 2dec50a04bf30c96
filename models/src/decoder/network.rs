//! The decoder as a function from token ids to the scores of the next token.

use std::cell::OnceCell;

use burn::tensor::{Device, Tensor, TensorData};

use super::block::{Block, RmsNorm};
use super::cache::LayerCache;
use super::config::DecoderConfig;
use super::weights::Weights;
use crate::error::{ModelError, Part};
use crate::fused::Positions;
use crate::gguf::Gguf;
use crate::linear::Linear;
use crate::parallel;

/// Rows that go through the network at once: bounds the attention scores of a long prompt.
const CHUNK: usize = 256;

/// Names of the tensors outside the blocks, and of those in each block.
const OUTER: [&str; 4] = ["token_embd.weight", "output_norm.weight", "output.weight", ROPE_FREQS];
const INNER: [&str; 9] =
    ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"];
const ROPE_FREQS: &str = "rope_freqs.weight";

pub(super) struct Network {
    /// One row for each token of the vocabulary.
    embedding: Linear,
    blocks: Vec<Block>,
    norm: RmsNorm,
    /// None where the file has no head of its own: it is the embedding then.
    head: Option<Linear>,
    /// `[head_dim, head_dim]`: takes each number to its partner in its pair, `(a, b)` to `(-b, a)`.
    rotate: Tensor<2>,
    /// Turn per position, for each pair.
    frequencies: Vec<f64>,
    parameters: u64,
    config: DecoderConfig,
    device: Device,
}

/// What the network remembers of a text.
pub(super) struct Memory {
    layers: Vec<LayerCache>,
    length: usize,
}

impl Memory {
    /// Tokens seen.
    pub(super) fn len(&self) -> usize {
        self.length
    }
}

impl Network {
    pub(super) fn read(weights: &Weights<'_>, config: DecoderConfig, vocabulary: usize) -> Result<Self, ModelError> {
        let &Weights { gguf, device, .. } = weights;
        check_names(gguf)?;
        let hidden = config.hidden;
        let table = |name: &str| weights.linear(&[(name, vocabulary)], hidden);
        let embedding = table("token_embd.weight")?;
        let head = gguf.has_tensor("output.weight").then(|| table("output.weight")).transpose()?;
        let mut blocks = Vec::new();
        for index in 0..config.layers {
            blocks.push(Block::read(weights, index, &config)?);
        }
        let qkv = (config.heads + 2 * config.kv_heads) * config.head_dim * hidden;
        let output = config.heads * config.head_dim * hidden;
        let block = qkv + output + 3 * config.feed_forward * hidden + 2 * hidden;
        let outer = (1 + usize::from(head.is_some())) * vocabulary * hidden + hidden;
        Ok(Self {
            embedding,
            blocks,
            norm: RmsNorm::read(weights, "output_norm.weight", &config)?,
            head,
            rotate: rotation(config.head_dim, device),
            frequencies: frequencies(gguf, &config)?,
            parameters: block as u64 * config.layers as u64 + outer as u64,
            config,
            device: device.clone(),
        })
    }

    pub(super) fn config(&self) -> &DecoderConfig {
        &self.config
    }

    pub(super) fn parameters(&self) -> u64 {
        self.parameters
    }

    pub(super) fn memory(&self) -> Memory {
        let layer = || LayerCache::new(self.config.kv_heads, self.config.head_dim, &self.device);
        Memory { layers: self.blocks.iter().map(|_| layer()).collect(), length: 0 }
    }

    /// Reads `ids` (at least one, each in the vocabulary) after what is remembered, and gives the scores of
    /// the token after them, one for each token of the vocabulary.
    pub(super) async fn next_scores(&self, ids: &[u32], memory: &mut Memory) -> Result<Vec<f32>, ModelError> {
        if ids.is_empty() {
            return Err(ModelError::argument("ids", "empty", "at least one token"));
        }
        let scores = match parallel::parts(&self.device) > 1 {
            true => parallel::in_pool(|| self.scores(ids, memory)),
            false => self.scores(ids, memory),
        };
        let data = scores.into_data_async().await.map_err(|error| ModelError::Device(format!("{error:?}")))?;
        let scores: Vec<f32> = data.try_into_vec().map_err(|error| ModelError::Device(format!("{error:?}")))?;
        match scores.iter().all(|score| score.is_finite()) {
            true => Ok(scores),
            false => Err(ModelError::NotFinite("next-token scores")),
        }
    }

    /// Reads `ids`, each in the vocabulary, after what is remembered, and waits until the device has.
    pub(super) async fn remember(&self, ids: &[u32], memory: &mut Memory) -> Result<(), ModelError> {
        if let Some(states) = self.read_on(ids, memory) {
            let one = states.narrow(0, 0, 1).narrow(1, 0, 1);
            one.into_data_async().await.map_err(|error| ModelError::Device(format!("{error:?}")))?;
        }
        Ok(())
    }

    /// What came of the last chunk.
    fn read_on(&self, ids: &[u32], memory: &mut Memory) -> Option<Tensor<2>> {
        let mut states = None;
        for chunk in ids.chunks(CHUNK) {
            states = Some(self.forward(chunk, memory));
        }
        states
    }

    /// `[1, vocabulary]`, for at least one token.
    fn scores(&self, ids: &[u32], memory: &mut Memory) -> Tensor<2> {
        let (first, last) = ids.split_at((ids.len() - 1) / CHUNK * CHUNK);
        self.read_on(first, memory);
        let states = self.forward(last, memory);
        let [seq, _] = states.dims();
        self.head.as_ref().unwrap_or(&self.embedding).forward(self.norm.forward(states.narrow(0, seq - 1, 1)))
    }

    /// Token ids to `[seq, hidden]`, before the last normalisation.
    fn forward(&self, ids: &[u32], memory: &mut Memory) -> Tensor<2> {
        let mut x = self.embedding.select(ids, &self.device);
        let positions = self.positions(memory.length, ids.len());
        for (block, cache) in self.blocks.iter().zip(&mut memory.layers) {
            x = block.forward(x, &positions, &self.rotate, cache);
        }
        memory.length += ids.len();
        x
    }

    fn positions(&self, start: usize, seq: usize) -> Positions {
        let angles = || {
            (start..start + seq).flat_map(|position| {
                // Both numbers of a pair turn by the same angle.
                self.frequencies.iter().flat_map(move |frequency| [position as f64 * frequency; 2])
            })
        };
        let table = |values: Vec<f32>| {
            Tensor::<3>::from_data(TensorData::new(values, [seq, 1, self.config.head_dim]), &self.device)
        };
        Positions {
            cos: table(angles().map(|angle| libm::cos(angle) as f32).collect()),
            sin: table(angles().map(|angle| libm::sin(angle) as f32).collect()),
            start,
            mask: OnceCell::new(),
        }
    }
}

/// A tensor without a place here (a bias, an expert) would be left out of the sum in silence.
fn check_names(gguf: &Gguf<'_>) -> Result<(), ModelError> {
    let known = |name: &str| {
        let inner = || {
            let (index, part) = name.strip_prefix("blk.")?.split_once('.')?;
            index.parse::<u32>().ok()?;
            INNER.contains(&part.strip_suffix(".weight")?).then_some(())
        };
        OUTER.contains(&name) || inner().is_some()
    };
    match gguf.tensor_names().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(ModelError::tensor(Part::Gguf, name, "has no place in a Llama decoder as it is known here")),
    }
}

/// llama.cpp's order for this architecture: numbers 2i and 2i + 1 of a head are a pair.
fn rotation(head_dim: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; head_dim * head_dim];
    for pair in (0..head_dim).step_by(2) {
        values[(pair + 1) * head_dim + pair] = -1.0;
        values[pair * head_dim + pair + 1] = 1.0;
    }
    Tensor::from_data(TensorData::new(values, [head_dim, head_dim]), device)
}

fn frequencies(gguf: &Gguf<'_>, config: &DecoderConfig) -> Result<Vec<f64>, ModelError> {
    let pairs = config.head_dim / 2;
    let plain = (0..pairs).map(|pair| libm::pow(config.rope_base, -(pair as f64) / pairs as f64));
    if !gguf.has_tensor(ROPE_FREQS) {
        return Ok(plain.collect());
    }
    let factors = gguf.tensor(ROPE_FREQS, &[pairs])?;
    Ok(plain.zip(factors).map(|(frequency, factor)| frequency / f64::from(factor)).collect())
}
