//! The BERT encoder: embeddings, then blocks of attention and feed-forward with normalisation after each.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::config::EncoderConfig;
use super::sentence::Pooling;
use super::weights::Weights;
use crate::error::ModelError;
use crate::host::{self, Kernels};
use crate::layers::fused;
use crate::layers::linear::Linear;
use crate::layers::norm::LayerNorm;
use crate::room;

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

pub(super) struct Bert {
    /// `[vocabulary, hidden]`
    words: Tensor<2>,
    /// `[positions, hidden]`, with the embedding of token type 0 added: all tokens here are of that type.
    positions: Tensor<2>,
    norm: LayerNorm,
    layers: Vec<Layer>,
    device: Device,
}

impl Bert {
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
        let types = table("token_type_embeddings", config.types)?;
        let words = table("word_embeddings", vocabulary)?;
        let positions = table("position_embeddings", config.positions)? + types.narrow(0, 0, 1);
        let norm = norm(weights, "embeddings.LayerNorm", config, device)?;
        let mut layers = Vec::new();
        for index in 0..config.layers {
            layers.push(Layer::read(weights, index, config, kernels, device)?);
        }
        Ok(Self { words, positions, norm, layers, device: device.clone() })
    }

    /// Token ids, padded to one length with `mask` 1 for tokens and 0 for padding, to `[batch, hidden]`: what `pooling`
    /// makes of the tokens' last states.
    pub(super) fn pooled(
        &self,
        ids: Vec<i32>,
        mask: Vec<f32>,
        [batch, seq]: [usize; 2],
        pooling: Pooling,
    ) -> Tensor<2> {
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [batch * seq]), &self.device);
        let mask = Tensor::<2>::from_data(TensorData::new(mask, [batch, seq]), &self.device);
        // [batch, seq]: padding is hidden.
        let hidden_scores = (-mask.clone()).add_scalar(1.0).mul_scalar(fused::HIDDEN);

        let [_, hidden] = self.words.dims();
        let positions = self.positions.clone().narrow(0, 0, seq).unsqueeze_dim::<3>(0);
        let x = self.words.clone().select(0, ids).reshape([batch, seq, hidden]) + positions;
        // Rows of all texts one after another: [batch * seq, hidden]
        let mut x = self.norm.forward(x.reshape([batch * seq, hidden]));
        for layer in &self.layers {
            x = layer.forward(x, &hidden_scores);
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

/// The normalisation of that name.
fn norm(weights: &Weights<'_>, name: &str, config: &EncoderConfig, device: &Device) -> Result<LayerNorm, ModelError> {
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
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let matrix = |part: &str, rows: usize, columns: usize| {
            weights.tensor(&format!("{}.weight", name(part)), &[rows, columns])
        };
        let bias = |part: &str, rows: usize| weights.tensor(&format!("{}.bias", name(part)), &[rows]);
        let linear = |part: &str, rows: usize, columns: usize| -> Result<Linear, ModelError> {
            room::check(part, kernels.matrix_bytes(rows, columns), device)?;
            let linear = Linear::for_kernels(matrix(part, rows, columns)?, rows, columns, kernels, device);
            Ok(linear.with_bias(bias(part, rows)?, device))
        };
        room::check("attention.self", kernels.matrix_bytes(3 * hidden, hidden), device)?;
        let (mut rows, mut biases) = (Vec::new(), Vec::new());
        for part in ["attention.self.query", "attention.self.key", "attention.self.value"] {
            rows.extend(matrix(part, hidden, hidden)?);
            biases.extend(bias(part, hidden)?);
        }
        Ok(Self {
            query_key_value: Linear::for_kernels(rows, 3 * hidden, hidden, kernels, device).with_bias(biases, device),
            attention_output: linear("attention.output.dense", hidden, hidden)?,
            attention_norm: norm(weights, &name("attention.output.LayerNorm"), config, device)?,
            intermediate: linear("intermediate.dense", intermediate, hidden)?,
            output: linear("output.dense", hidden, intermediate)?,
            output_norm: norm(weights, &name("output.LayerNorm"), config, device)?,
            heads,
            kernels,
        })
    }

    /// `[batch * seq, hidden]` to the same, with `hidden_scores` of `[batch, seq]`.
    fn forward(&self, x: Tensor<2>, hidden_scores: &Tensor<2>) -> Tensor<2> {
        let all = self.query_key_value.forward(x.clone());
        let mixed = match self.kernels {
            Kernels::Burn | Kernels::Half => fused::attention(all, hidden_scores.clone(), self.heads),
            Kernels::Host => {
                let [[_, seq], [rows, hidden]] = [hidden_scores.dims(), x.dims()];
                let hidden_scores = host::values(hidden_scores.clone());
                host::tensor(
                    poq_kernels::attention(&host::values(all), &hidden_scores, seq, self.heads),
                    [rows, hidden],
                )
            }
        };
        let x = self.attention_norm.forward(x + self.attention_output.forward(mixed));
        let inner = self.intermediate.forward_gelu(x.clone());
        self.output_norm.forward(x + self.output.forward(inner))
    }
}
