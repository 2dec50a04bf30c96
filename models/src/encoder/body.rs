//! The body of an encoder: embeddings, then blocks of attention and feed-forward with normalisation after each.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::config::EncoderConfig;
use super::relative::Distances;
use super::sentence::Pooling;
use super::weights::Weights;
use crate::error::ModelError;
use crate::host::{self, Kernels};
use crate::layers::fused;
use crate::layers::linear::Linear;
use crate::layers::norm::LayerNorm;
use crate::room;
use crate::tokenizer::encoder::Encoded;

struct Layer {
    /// Query, key and value in one product: `hidden` to `3 * hidden`.
    query_key_value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
    heads: usize,
    kernels: Kernels,
}

pub(super) struct Body {
    /// `[vocabulary, hidden]`
    words: Tensor<2>,
    /// `[max_tokens, hidden]`: what is added to all tokens of type 0, of their places in a text and of their type.
    positions: Option<Tensor<2>>,
    /// `[types, hidden]`: what types differ by from type 0.
    types: Option<Tensor<2>>,
    norm: LayerNorm,
    distances: Option<Box<dyn Distances>>,
    layers: Vec<Layer>,
    device: Device,
}

impl Body {
    pub(super) fn read(
        weights: &Weights<'_>,
        config: &EncoderConfig,
        kernels: Kernels,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let &EncoderConfig { hidden, vocabulary, .. } = config;
        let table = |name: &str, rows: usize| -> Result<Tensor<2>, ModelError> {
            room::check(name, Kernels::Burn.matrix_bytes(rows, hidden), device)?;
            let values = weights.tensor(&format!("embeddings.{name}.weight"), &[rows, hidden])?;
            Ok(Tensor::from_data(TensorData::new(values, [rows, hidden]), device))
        };
        let types = match config.types {
            0 => None,
            count => Some(table("token_type_embeddings", count)?),
        };
        let mut words = table("word_embeddings", vocabulary)?;
        let first_type = types.as_ref().map(|types| types.clone().narrow(0, 0, 1));
        let positions = match config.positions {
            None => None,
            Some(count) => {
                let all = table("position_embeddings", count)?;
                Some(all.narrow(0, config.first_position, config.max_tokens))
            }
        };
        let positions = match (positions, &first_type) {
            (Some(positions), Some(first)) => Some(positions + first.clone()),
            (None, Some(first)) => {
                words = words + first.clone();
                None
            }
            (positions, None) => positions,
        };
        let types = types.zip(first_type).map(|(types, first)| types - first);
        let norm = norm(weights, "embeddings.LayerNorm", config, device)?;
        let mut layers = Vec::new();
        for index in 0..config.layers {
            layers.push(Layer::read(weights, index, config, kernels, device)?);
        }
        let relative = config.relative.as_ref();
        let distances = relative.map(|relative| relative.read(weights, config, device)).transpose()?;
        Ok(Self { words, positions, types, norm, distances, layers, device: device.clone() })
    }

    /// Numbers of a state.
    pub(super) fn hidden(&self) -> usize {
        let [_, hidden] = self.words.dims();
        hidden
    }

    /// What `pooling` makes of the last states of the tokens of each row: `[rows, hidden]`.
    pub(super) fn pooled(&self, rows: &[&Encoded], pooling: Pooling) -> Tensor<2> {
        let (batch, seq) = (rows.len(), rows.iter().map(|row| row.ids.len()).max().unwrap_or(0));
        let padded = |numbers: &dyn Fn(&Encoded) -> Vec<i32>| {
            let mut all = Vec::with_capacity(batch * seq);
            for row in rows {
                all.extend(numbers(row));
                all.extend(std::iter::repeat_n(0, seq - row.ids.len()));
            }
            Tensor::<1, Int>::from_data(TensorData::new(all, [batch * seq]), &self.device)
        };
        let ids = padded(&|row| row.ids.iter().map(|id| *id as i32).collect());
        let mut mask: Vec<f32> = Vec::with_capacity(batch * seq);
        for row in rows {
            mask.extend((0..seq).map(|place| if place < row.ids.len() { 1.0 } else { 0.0 }));
        }
        // 1 for tokens, and 0 for what fills up shorter rows: [batch, seq]
        let mask = Tensor::<2>::from_data(TensorData::new(mask, [batch, seq]), &self.device);
        let hidden_scores = (-mask.clone()).add_scalar(1.0).mul_scalar(fused::HIDDEN);

        let hidden = self.hidden();
        let mut x = self.words.clone().select(0, ids).reshape([batch, seq, hidden]);
        if let Some(positions) = &self.positions {
            x = x + positions.clone().narrow(0, 0, seq).unsqueeze_dim::<3>(0);
        }
        let is_typed = rows.iter().any(|row| row.types.iter().any(|kind| *kind != 0));
        if let Some(types) = self.types.as_ref().filter(|_| is_typed) {
            let kinds = padded(&|row| row.types.iter().map(|kind| *kind as i32).collect());
            x = x + types.clone().select(0, kinds).reshape([batch, seq, hidden]);
        }
        // Rows of all texts one after another: [batch * seq, hidden]
        let mut x = self.norm.forward(x.reshape([batch * seq, hidden]));
        let distances = self.distances.as_ref().map(|distances| (distances, distances.pass(seq)));
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, &hidden_scores, &|all| {
                let (distances, pass) = distances.as_ref()?;
                distances.added(pass, index, all)
            });
        }
        let x = x.reshape([batch, seq, hidden]);
        let mask = mask.unsqueeze_dim::<3>(2);
        let pooled = match pooling {
            Pooling::Mean => (x * mask.clone()).sum_dim(1) / mask.sum_dim(1),
            Pooling::MeanSqrtLen => (x * mask.clone()).sum_dim(1) / mask.sum_dim(1).sqrt(),
            Pooling::Cls => x.narrow(1, 0, 1),
            Pooling::Max => (x + hidden_scores.unsqueeze_dim::<3>(2)).max_dim(1),
        };
        pooled.reshape([batch, hidden])
    }
}

/// Whether rows of a layer's matrix make queries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Smaller by the root of the number of sums that a score is made of.
    OfQueries,
    AsTheyAre,
}

/// `[hidden, hidden]` of a layer, with its bias.
pub(super) fn rows(
    weights: &Weights<'_>,
    config: &EncoderConfig,
    layer: usize,
    part: &str,
    rows: Rows,
) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
    let name = format!("{}.{layer}.{part}", config.spec.layer.before);
    let mut weight = weights.tensor(&format!("{name}.weight"), &[config.hidden, config.hidden])?;
    let mut bias = weights.tensor(&format!("{name}.bias"), &[config.hidden])?;
    let parts = config.relative.as_ref().map_or(1, |relative| relative.parts());
    if rows == Rows::OfQueries && parts > 1 {
        let scale = 1.0 / (parts as f32).sqrt();
        weight.iter_mut().chain(&mut bias).for_each(|value| *value *= scale);
    }
    Ok((weight, bias))
}

/// The normalisation of that name.
pub(super) fn norm(
    weights: &Weights<'_>,
    name: &str,
    config: &EncoderConfig,
    device: &Device,
) -> Result<LayerNorm, ModelError> {
    let read = |part: &str| weights.tensor(&format!("{name}.{part}"), &[config.hidden]);
    Ok(LayerNorm::new(read("weight")?, read("bias")?, config.epsilon, device))
}

impl Layer {
    fn read(
        weights: &Weights<'_>,
        index: usize,
        config: &EncoderConfig,
        kernels: Kernels,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let &EncoderConfig { hidden, intermediate, heads, .. } = config;
        let names = &config.spec.layer;
        let name = |part: &str| format!("{}.{index}.{part}", names.before);
        let matrix = |part: &str, rows: usize, columns: usize| {
            weights.tensor(&format!("{}.weight", name(part)), &[rows, columns])
        };
        let bias = |part: &str, rows: usize| weights.tensor(&format!("{}.bias", name(part)), &[rows]);
        let linear = |part: &str, rows: usize, columns: usize| -> Result<Linear, ModelError> {
            room::check(part, kernels.matrix_bytes(rows, columns), device)?;
            let linear = Linear::for_kernels(matrix(part, rows, columns)?, rows, columns, kernels, device);
            Ok(linear.with_bias(bias(part, rows)?, device))
        };
        room::check(names.query, kernels.matrix_bytes(3 * hidden, hidden), device)?;
        let (mut all, mut biases) = rows(weights, config, index, names.query, Rows::OfQueries)?;
        for part in [names.key, names.value] {
            let (weight, bias) = rows(weights, config, index, part, Rows::AsTheyAre)?;
            all.extend(weight);
            biases.extend(bias);
        }
        Ok(Self {
            query_key_value: Linear::for_kernels(all, 3 * hidden, hidden, kernels, device).with_bias(biases, device),
            attention_output: linear(names.attention_output, hidden, hidden)?,
            attention_norm: norm(weights, &name(names.attention_norm), config, device)?,
            intermediate: linear(names.intermediate, intermediate, hidden)?,
            output: linear(names.output, hidden, intermediate)?,
            output_norm: norm(weights, &name(names.output_norm), config, device)?,
            heads,
            kernels,
        })
    }

    /// `[batch * seq, hidden]` to the same, with `hidden_scores` of `[batch, seq]`, and with what `added` adds to scores.
    fn forward(
        &self,
        x: Tensor<2>,
        hidden_scores: &Tensor<2>,
        added: &dyn Fn(&Tensor<2>) -> Option<Tensor<4>>,
    ) -> Tensor<2> {
        let all = self.query_key_value.forward(x.clone());
        let added = added(&all);
        let mixed = match self.kernels {
            Kernels::Burn | Kernels::Half => fused::attention(all, hidden_scores.clone(), added, self.heads),
            Kernels::Host => {
                let [[_, seq], [rows, hidden]] = [hidden_scores.dims(), x.dims()];
                let (all, hidden_scores) = (host::values(all), host::values(hidden_scores.clone()));
                let added = added.map(host::values);
                let mixed = host::attention(&all, &hidden_scores, added.as_deref(), seq, self.heads);
                host::tensor(mixed, [rows, hidden])
            }
        };
        let x = self.attention_norm.forward(x + self.attention_output.forward(mixed));
        let inner = self.intermediate.forward_gelu(x.clone());
        self.output_norm.forward(x + self.output.forward(inner))
    }
}
