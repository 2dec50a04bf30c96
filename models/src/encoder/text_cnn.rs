//! TextCNN: convolutions over the words of a pair of texts, of which each text keeps the largest (Kim 2014;
//! arXiv 2606.11196 has such judges). It has no attention: a text costs as many products as it has words.

use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::Deserialize;

use crate::error::{ModelError, Part, read_json};
use crate::format::safetensors::Safetensors;
use crate::host::Kernels;
use crate::layers::linear::Linear;
use crate::layers::norm::LayerNorm;
use crate::room;
use crate::tokenizer::encoder::Encoded;

/// In `config.json`, as `model_type`.
pub(super) const MODEL_TYPE: &str = "text_cnn";

/// Far above any such network; keeps products of sizes far from overflow.
const MAX_SIZE: usize = 1 << 20;

/// What stands for the pair, of what is kept of both texts: both, and their distance.
const PARTS: usize = 3;

/// Of layer normalisation.
const EPSILON: f64 = 1e-12;

/// `config.json`; other fields may be present.
#[derive(Debug, Deserialize)]
pub(super) struct TextCnnConfig {
    /// Words with a vector.
    pub vocab_size: usize,
    /// Numbers of a word's vector.
    pub hidden_size: usize,
    /// How many words a convolution reads, each odd.
    pub widths: Vec<usize>,
    /// Convolutions of each width.
    pub filters: usize,
    /// Tokens that are read at most.
    pub max_position_embeddings: usize,
}

impl TextCnnConfig {
    pub(super) fn read(config: &[u8]) -> Result<Self, ModelError> {
        let read: Self = read_json(Part::ConfigJson, config)?;
        let refused =
            |field: &str, seen: String, allowed: String| Err(ModelError::field(Part::ConfigJson, field, seen, allowed));
        let sizes = [
            ("vocab_size", read.vocab_size),
            ("hidden_size", read.hidden_size),
            ("filters", read.filters),
            ("max_position_embeddings", read.max_position_embeddings),
        ];
        if let Some((field, size)) = sizes.into_iter().find(|(_, size)| !(1..=MAX_SIZE).contains(size)) {
            return refused(field, size.to_string(), format!("1 to {MAX_SIZE}"));
        }
        if read.widths.is_empty() || !read.widths.iter().all(|width| width % 2 == 1 && *width < 100) {
            return refused("widths", format!("{:?}", read.widths), "odd numbers below 100, one at least".to_owned());
        }
        Ok(read)
    }
}

pub(super) struct TextCnn {
    /// `[vocabulary, hidden]`
    words: Tensor<2>,
    /// By width: `[width * hidden]` to `[filters]`.
    convolutions: Vec<(usize, Linear)>,
    norm: LayerNorm,
    /// `[PARTS * widths * filters]` to one logit.
    out: Linear,
    device: Device,
}

impl TextCnn {
    pub(super) fn read(
        safetensors: &[u8],
        config: &TextCnnConfig,
        kernels: Kernels,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let file = Safetensors::parse(safetensors)?;
        let &TextCnnConfig { vocab_size, hidden_size, filters, .. } = config;
        room::check("words", Kernels::Burn.matrix_bytes(vocab_size, hidden_size), device)?;
        let words = file.tensor("words.weight", &[vocab_size, hidden_size])?;
        let words = Tensor::from_data(TensorData::new(words, [vocab_size, hidden_size]), device);
        let layer = |name: String, outputs: usize, inputs: usize| -> Result<Linear, ModelError> {
            let weight = file.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
            let bias = file.tensor(&format!("{name}.bias"), &[outputs])?;
            Ok(Linear::for_kernels(weight, outputs, inputs, kernels, device).with_bias(bias, device))
        };
        let convolutions = config
            .widths
            .iter()
            .map(|&width| Ok((width, layer(format!("convolutions.{width}"), filters, width * hidden_size)?)))
            .collect::<Result<_, ModelError>>()?;
        let parts = PARTS * config.widths.len() * filters;
        let of_norm = |name: &str| file.tensor(name, &[parts]);
        let norm = LayerNorm::new(of_norm("norm.weight")?, of_norm("norm.bias")?, EPSILON, kernels, device);
        let out = layer("classifier".to_owned(), 1, parts)?;
        Ok(Self { words, convolutions, norm, out, device: device.clone() })
    }

    /// `[rows, 1]`
    pub(super) fn logits(&self, rows: &[&Encoded]) -> Tensor<2> {
        let (batch, seq) = (rows.len(), rows.iter().map(|row| row.ids.len()).max().unwrap_or(0));
        let [_, hidden] = self.words.dims();
        let mut ids = vec![0; batch * seq];
        // By text of the pair: 1 for its words, and 0 for all else.
        let mut masks = [vec![0.0_f32; batch * seq], vec![0.0_f32; batch * seq]];
        for (row, first) in rows.iter().zip((0..).step_by(seq.max(1))) {
            for (place, (&id, &text)) in row.ids.iter().zip(&row.types).enumerate() {
                ids[first + place] = id as i32;
                masks[usize::from(text != 0)][first + place] = 1.0;
            }
        }
        let [first, second] =
            masks.map(|mask| Tensor::<3>::from_data(TensorData::new(mask, [batch, seq, 1]), &self.device));
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [batch * seq]), &self.device);
        let words = self.words.clone().select(0, ids).reshape([batch, seq, hidden]);
        // What fills up shorter rows is no word.
        let words = words * (first.clone() + second.clone());
        let mut kept = [Vec::new(), Vec::new()];
        for (width, convolution) in &self.convolutions {
            let seen = windows(words.clone(), *width).reshape([batch * seq, width * hidden]);
            let found = relu(convolution.forward(seen));
            let [_, filters] = found.dims();
            let found = found.reshape([batch, seq, filters]);
            for (kept, mask) in kept.iter_mut().zip([&first, &second]) {
                // Nothing is below 0: what is masked does not count.
                kept.push((found.clone() * mask.clone()).max_dim(1).reshape([batch, filters]));
            }
        }
        let [first, second] = kept.map(|kept| Tensor::cat(kept, 1));
        let apart = (first.clone() - second.clone()).abs();
        self.out.forward(self.norm.forward(Tensor::cat(vec![first, second, apart], 1)))
    }
}

/// Each word with those around it, `[batch, seq, width * hidden]`; beyond a row's ends are zeros.
fn windows(words: Tensor<3>, width: usize) -> Tensor<3> {
    let [batch, seq, hidden] = words.dims();
    let around = width / 2;
    let beyond = || Tensor::zeros([batch, around, hidden], &words.device());
    let padded = match around {
        0 => words,
        _ => Tensor::cat(vec![beyond(), words.clone(), beyond()], 1),
    };
    Tensor::cat((0..width).map(|offset| padded.clone().narrow(1, offset, seq)).collect(), 2)
}
