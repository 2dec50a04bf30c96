//! The body of an encoder: embeddings, then blocks of attention and feed-forward with normalisation after each.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::config::EncoderConfig;
use super::relative::Distances;
use super::sentence::Pooling;
use super::weights::Weights;
use crate::error::ModelError;
use crate::host::{self, Kernels};
use crate::layers::fused;
use crate::layers::linear::{HostLinear, Linear};
use crate::layers::norm::{HostNorm, LayerNorm};
use crate::parallel;
use crate::room;
use crate::tokenizer::encoder::Encoded;

/// A block: matrices as `L`, normalisations as `N`.
struct Layer<L, N> {
    /// Query, key and value in one product: `hidden` to `3 * hidden`.
    query_key_value: L,
    attention_output: L,
    attention_norm: N,
    intermediate: L,
    output: L,
    output_norm: N,
}

enum Layers {
    OnDevice(Vec<Layer<Linear, LayerNorm>>),
    OnHost(Vec<Layer<HostLinear, HostNorm>>),
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
    layers: Layers,
    heads: usize,
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
        let norm = norm(weights, "embeddings.LayerNorm", config, kernels, device)?;
        let layers = match kernels {
            Kernels::Burn | Kernels::Half => {
                let linear = |weight, bias, [outputs, inputs]: [usize; 2]| {
                    Linear::for_kernels(weight, outputs, inputs, kernels, device).with_bias(bias, device)
                };
                let norm = |weight, bias| LayerNorm::new(weight, bias, config.epsilon, kernels, device);
                Layers::OnDevice(Layer::read_all(weights, config, kernels, device, &linear, &norm)?)
            }
            Kernels::Host => {
                let norm = |weight, bias| HostNorm::new(weight, bias, config.epsilon);
                Layers::OnHost(Layer::read_all(weights, config, kernels, device, &HostLinear::new, &norm)?)
            }
        };
        let relative = config.relative.as_ref();
        let distances = relative.map(|relative| relative.read(weights, config, device)).transpose()?;
        Ok(Self { words, positions, types, norm, distances, layers, heads: config.heads, device: device.clone() })
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
        let x = self.norm.forward(x.reshape([batch * seq, hidden]));
        let hidden_scores = (-mask.clone()).add_scalar(1.0).mul_scalar(fused::HIDDEN);
        let x = match &self.layers {
            Layers::OnDevice(layers) => self.states_on_device(layers, x, &hidden_scores),
            Layers::OnHost(layers) => self.states_on_host(layers, x, rows, &hidden_scores),
        };
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

    /// The last states of `[batch * seq, hidden]`, with `hidden_scores` of `[batch, seq]`.
    fn states_on_device(
        &self,
        layers: &[Layer<Linear, LayerNorm>],
        mut x: Tensor<2>,
        hidden_scores: &Tensor<2>,
    ) -> Tensor<2> {
        let [_, seq] = hidden_scores.dims();
        let distances = self.distances.as_ref().map(|distances| (distances, distances.pass(seq)));
        for (index, layer) in layers.iter().enumerate() {
            let all = layer.query_key_value.forward(x.clone());
            let added = distances.as_ref().and_then(|(distances, pass)| distances.added(pass, index, &all));
            let mixed = fused::attention(all, hidden_scores.clone(), added, self.heads);
            x = layer.attention_norm.forward(x + layer.attention_output.forward(mixed));
            let inner = layer.intermediate.forward_gelu(x.clone());
            x = layer.output_norm.forward(x + layer.output.forward(inner));
        }
        x
    }

    /// The same with the host's kernels. Between two attentions rows have nothing to do with each other: threads share
    /// them. What fills up shorter rows is left out where no distances are counted, and zeros take its place.
    fn states_on_host(
        &self,
        layers: &[Layer<HostLinear, HostNorm>],
        x: Tensor<2>,
        rows: &[&Encoded],
        hidden_scores: &Tensor<2>,
    ) -> Tensor<2> {
        let [[batch, seq], [_, hidden]] = [hidden_scores.dims(), x.dims()];
        let distances = self.distances.as_ref().map(|distances| (distances, distances.pass(seq)));
        let length = |row: &&Encoded| if distances.is_some() { seq } else { row.ids.len() };
        let texts = host::Texts::new(rows.iter().map(length), seq, host::values(hidden_scores.clone()));
        let mut x = texts.without_filling(host::values(x), hidden);
        let count = x.len() / hidden;
        let (mut all, mut mixed) = (vec![0.0; 3 * x.len()], vec![0.0; x.len()]);
        for index in 0..=layers.len() {
            let (before, next) = (index.checked_sub(1).map(|before| &layers[before]), layers.get(index));
            let share = parallel::share(count);
            let shares = x.chunks_mut(share * hidden).zip(mixed.chunks(share * hidden));
            parallel::each(shares.zip(all.chunks_mut(share * 3 * hidden)).collect(), |((x, mixed), all)| {
                if let Some(layer) = before {
                    layer.after_attention(mixed, x);
                }
                if let Some(layer) = next {
                    layer.query_key_value.forward_to(x, all);
                }
            });
            if next.is_some() {
                let added = distances.as_ref().and_then(|(distances, pass)| {
                    let all = host::tensor(all.clone(), [count, 3 * hidden]);
                    distances.added(pass, index, &all).map(host::values)
                });
                mixed = host::attention(&all, &texts, added.as_deref(), self.heads);
            }
        }
        host::tensor(texts.with_filling(x, hidden), [batch * seq, hidden])
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
    kernels: Kernels,
    device: &Device,
) -> Result<LayerNorm, ModelError> {
    let read = |part: &str| weights.tensor(&format!("{name}.{part}"), &[config.hidden]);
    Ok(LayerNorm::new(read("weight")?, read("bias")?, config.epsilon, kernels, device))
}

impl<L, N> Layer<L, N> {
    /// All layers: `matrix` takes weights, biases and `[outputs, inputs]`, and `normalisation` weights and biases.
    fn read_all(
        weights: &Weights<'_>,
        config: &EncoderConfig,
        kernels: Kernels,
        device: &Device,
        matrix: &dyn Fn(Vec<f32>, Vec<f32>, [usize; 2]) -> L,
        normalisation: &dyn Fn(Vec<f32>, Vec<f32>) -> N,
    ) -> Result<Vec<Self>, ModelError> {
        let &EncoderConfig { hidden, intermediate, .. } = config;
        let names = &config.spec.layer;
        let layer = |index: usize| {
            let name = |part: &str| format!("{}.{index}.{part}", names.before);
            let row =
                |part: &str, kind: &str, columns: usize| weights.tensor(&format!("{}.{kind}", name(part)), &[columns]);
            let has_room = |part: &str, [outputs, inputs]: [usize; 2]| {
                room::check(part, kernels.matrix_bytes(outputs, inputs), device)
            };
            let linear = |part: &str, shape: [usize; 2]| -> Result<L, ModelError> {
                has_room(part, shape)?;
                let weight = weights.tensor(&format!("{}.weight", name(part)), &shape)?;
                Ok(matrix(weight, row(part, "bias", shape[0])?, shape))
            };
            let norm = |part: &str| -> Result<N, ModelError> {
                Ok(normalisation(row(part, "weight", hidden)?, row(part, "bias", hidden)?))
            };
            let of_all = [3 * hidden, hidden];
            has_room(names.query, of_all)?;
            let (mut all, mut biases) = rows(weights, config, index, names.query, Rows::OfQueries)?;
            for part in [names.key, names.value] {
                let (weight, bias) = rows(weights, config, index, part, Rows::AsTheyAre)?;
                all.extend(weight);
                biases.extend(bias);
            }
            Ok(Self {
                query_key_value: matrix(all, biases, of_all),
                attention_output: linear(names.attention_output, [hidden, hidden])?,
                attention_norm: norm(names.attention_norm)?,
                intermediate: linear(names.intermediate, [intermediate, hidden])?,
                output: linear(names.output, [hidden, intermediate])?,
                output_norm: norm(names.output_norm)?,
            })
        };
        (0..config.layers).map(layer).collect()
    }
}

impl Layer<HostLinear, HostNorm> {
    /// From what attention has mixed for some rows to their states after the layer: `x` holds those before it.
    fn after_attention(&self, mixed: &[f32], x: &mut [f32]) {
        self.attention_norm.normalise_sum(x, &self.attention_output.forward(mixed));
        let mut inner = self.intermediate.forward(x);
        poq_kernels::gelu(&mut inner);
        self.output_norm.normalise_sum(x, &self.output.forward(&inner));
    }
}
