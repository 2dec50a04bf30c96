//! The decoder as a function from token ids to the scores of the next token.

use burn::tensor::{Device, Tensor};

use super::block::{Block, Pass, tensor_names};
use super::config::{DecoderConfig, FACTORS, FACTORS_LONG, FACTORS_SHORT};
use super::families::Windows;
use super::weights::{Matrix, Weights};
use crate::error::{ModelError, Part};
use crate::format::gguf::Gguf;
use crate::host::Kernels;
use crate::layers::fused;
use crate::layers::kv_cache::LayerCache;
use crate::layers::linear::Linear;
use crate::layers::norm::RmsNorm;
use crate::layers::rotary::{Rotary, rotation};
use crate::parallel;

/// Rows that go through the network at once: bounds the attention scores of a long prompt.
const CHUNK: usize = 256;

/// Names of the tensors outside the blocks.
const OUTER: [&str; 3] = ["token_embd.weight", "output_norm.weight", "output.weight"];

pub(super) struct Network {
    /// One row for each token of the vocabulary.
    embedding: Linear,
    blocks: Vec<Block>,
    norm: RmsNorm,
    /// None where the file has no head of its own: it is the embedding then.
    head: Option<Linear>,
    /// `[head_dim, head_dim]`: takes each number to its partner in its pair.
    rotate: Tensor<2>,
    parameters: u64,
    config: DecoderConfig,
    kernels: Kernels,
    device: Device,
}

/// What the network remembers of a text.
pub(super) struct Memory {
    layers: Vec<LayerCache>,
    length: usize,
    /// Whether the text will be longer than those that the model was first trained on.
    is_long: bool,
}

impl Memory {
    /// Tokens seen.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Whether both are for texts of like lengths.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.is_long == other.is_long
    }

    /// Forgets all but the first `length` tokens.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        self.layers.iter_mut().for_each(|layer| layer.truncate(length));
    }
}

impl Network {
    pub(super) fn read(weights: &Weights<'_>, vocabulary: usize) -> Result<Self, ModelError> {
        let &Weights { gguf, device, config, .. } = weights;
        check_names(gguf, config)?;
        let table = |name: &str| weights.linear(&[Matrix::new(name, vocabulary)], config.hidden, false);
        let head = gguf.has_tensor("output.weight").then(|| table("output")).transpose()?;
        let mut blocks = Vec::new();
        for index in 0..config.layers {
            blocks.push(Block::read(weights, index)?);
        }
        let is_used = |name: &str| match block_of(name) {
            Some((index, _)) => (index as usize) < config.layers,
            None => OUTER.contains(&name),
        };
        Ok(Self {
            embedding: table("token_embd")?,
            blocks,
            norm: weights.norm("output_norm", false)?,
            head,
            rotate: rotation(config.head_dim, device),
            parameters: gguf.tensor_names().filter(|name| is_used(name)).map(|name| gguf.elements(name)).sum(),
            config: config.clone(),
            kernels: weights.kernels(),
            device: device.clone(),
        })
    }

    pub(super) fn config(&self) -> &DecoderConfig {
        &self.config
    }

    pub(super) fn parameters(&self) -> u64 {
        self.parameters
    }

    /// For a text of `length` tokens at most.
    pub(super) fn memory(&self, length: usize) -> Memory {
        let DecoderConfig { kv_heads, head_dim, turns, .. } = &self.config;
        let layers = self.blocks.iter().map(|_| LayerCache::new(*kv_heads, *head_dim, self.kernels, &self.device));
        let is_long = turns.long.as_ref().is_some_and(|(first, _)| length > *first);
        Memory { layers: layers.collect(), length: 0, is_long }
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
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        let scores = head.forward(self.norm.forward(states.narrow(0, seq - 1, 1)));
        fused::capped(scores, self.config.score_cap)
    }

    /// Token ids to `[seq, hidden]`, before the last normalisation.
    fn forward(&self, ids: &[u32], memory: &mut Memory) -> Tensor<2> {
        let mut x = self.embedding.select(ids, &self.device);
        if self.config.spec.has_scaled_embedding {
            x = x.mul_scalar((self.config.hidden as f64).sqrt());
        }
        let pass = self.pass(memory, ids.len());
        for (block, cache) in self.blocks.iter().zip(&mut memory.layers) {
            x = block.forward(x, &pass, cache);
        }
        memory.length += ids.len();
        x
    }

    fn pass(&self, memory: &Memory, seq: usize) -> Pass {
        let DecoderConfig { spec, turns, window, .. } = &self.config;
        let whole = turns.long.as_ref().filter(|_| memory.is_long).map_or(&turns.whole, |(_, long)| long);
        let positions = |rotary: &Rotary, window| rotary.positions(memory.length, seq, window, &self.device);
        let of_window = match spec.windows {
            Windows::None => None,
            Windows::All => window.map(|window| positions(whole, Some(window))),
            Windows::AllBut { .. } => Some(positions(&turns.window, *window)),
        };
        Pass { whole: positions(whole, None), window: of_window, rotate: self.rotate.clone() }
    }
}

/// The number of a tensor's block, and the rest of its name.
fn block_of(name: &str) -> Option<(u32, &str)> {
    let (index, part) = name.strip_prefix("blk.")?.split_once('.')?;
    Some((index.parse().ok()?, part))
}

/// A tensor without a place here (a bias, an expert) would be left out of the sum in silence.
fn check_names(gguf: &Gguf<'_>, config: &DecoderConfig) -> Result<(), ModelError> {
    let of_block = tensor_names(config.spec);
    let is_known = |name: &str| match block_of(name) {
        Some((_, part)) => of_block.contains(&part),
        None => OUTER.contains(&name) || [FACTORS, FACTORS_SHORT, FACTORS_LONG].contains(&name),
    };
    match gguf.tensor_names().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => {
            let family = config.spec.architecture;
            Err(ModelError::tensor(Part::Gguf, name, format!("has no place in a decoder of the family `{family}`")))
        }
    }
}
