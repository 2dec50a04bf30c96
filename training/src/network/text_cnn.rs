//! TextCNN: convolutions over the words of a pair of texts, of which each text keeps the largest (Kim 2014).

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};

use super::slots::{Slot, of_linear, of_norm};
use super::{Input, Values, longest, padded};
use crate::base::{Sizes, Tensors};

/// How many words a convolution reads.
const WIDTHS: [usize; 3] = [1, 3, 5];

/// Convolutions of each width.
const FILTERS: usize = 128;

/// What stands for the pair, of what is kept of both texts: both, and their distance.
const PARTS: usize = 3;

/// Share of these that is left out while it is trained, as Kim has it.
pub(super) const DROPOUT: f64 = 0.5;

/// Parameters that a base does not have.
pub(super) const NEW: &[&str] = &["convolutions.", "norm.", "classifier."];

/// Of layer normalisation.
const EPSILON: f64 = 1e-12;

/// The table of words.
pub(super) const WORDS: &str = "words.weight";

#[derive(Module, Debug)]
pub(crate) struct TextCnn {
    words: Embedding,
    /// By width: `[width * hidden]` to `[filters]`.
    convolutions: Vec<Linear>,
    norm: LayerNorm,
    pub(super) classifier: Linear,
}

/// `config.json`: what differs from the base's.
pub(super) fn config(sizes: &Sizes) -> serde_json::Value {
    serde_json::json!({
        "architectures": ["TextCnn"],
        "model_type": "text_cnn",
        "vocab_size": sizes.vocab_size,
        "hidden_size": sizes.hidden_size,
        "widths": WIDTHS,
        "filters": FILTERS,
    })
}

/// A base's vectors of words, in a size that convolutions learn from at once: their mean square is 1.
pub(super) fn words(base: &Tensors) -> Option<Values> {
    let (shape, values) = base.get("embeddings.word_embeddings.weight")?;
    let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
    let size = (squares / values.len().max(1) as f64).sqrt();
    let scaled = |value: &f32| if size > 0.0 { (f64::from(*value) / size) as f32 } else { *value };
    Some((shape.clone(), values.iter().map(scaled).collect()))
}

impl TextCnn {
    /// The network of these sizes, whose parameters have no values yet.
    pub(super) fn new(sizes: &Sizes, device: &Device) -> Self {
        let hidden = sizes.hidden_size;
        let convolution = |width| LinearConfig::new(width * hidden, FILTERS).init(device);
        let parts = PARTS * WIDTHS.len() * FILTERS;
        Self {
            words: EmbeddingConfig::new(sizes.vocab_size, hidden).init(device),
            convolutions: WIDTHS.into_iter().map(convolution).collect(),
            norm: LayerNormConfig::new(parts).with_epsilon(EPSILON).init(device),
            classifier: LinearConfig::new(parts, 1).init(device),
        }
    }

    /// What the head makes a logit of, `[rows, parts]`.
    pub(super) fn pairs(&self, rows: &[&Input], device: &Device) -> Tensor<2> {
        let (count, length) = (rows.len(), longest(rows));
        // 1 for the words of a text, and 0 for all else: [rows, length, 1]
        let mask = |text: u32| {
            let of_row = |row: &&Input| {
                let words: Vec<f32> = row.tokens.types.iter().map(|&of| if of == text { 1.0 } else { 0.0 }).collect();
                words.into_iter().chain(std::iter::repeat(0.0)).take(length)
            };
            let mask: Vec<f32> = rows.iter().flat_map(of_row).collect();
            Tensor::<3>::from_data(TensorData::new(mask, [count, length, 1]), device)
        };
        let masks = [mask(0), mask(1)];
        let words = self.words.forward(padded(rows.iter().map(|row| &row.tokens.ids), length, device));
        // What fills up shorter rows is no word.
        let words = words * (masks[0].clone() + masks[1].clone());
        let [_, _, hidden] = words.dims();
        let mut kept = [Vec::new(), Vec::new()];
        for (width, convolution) in WIDTHS.into_iter().zip(&self.convolutions) {
            let around = width / 2;
            let beyond = Tensor::zeros([count, length + 2 * around, hidden], device);
            let padded = beyond.slice_assign([0..count, around..around + length, 0..hidden], words.clone());
            let windows = (0..width).map(|offset| padded.clone().narrow(1, offset, length)).collect();
            let found = relu(convolution.forward(Tensor::cat(windows, 2)));
            for (kept, mask) in kept.iter_mut().zip(&masks) {
                // Nothing is below 0: what is masked does not count.
                kept.push((found.clone() * mask.clone()).max_dim(1).reshape([count, FILTERS]));
            }
        }
        let [first, second] = kept.map(|kept| Tensor::cat(kept, 1));
        let apart = (first.clone() - second.clone()).abs();
        self.norm.forward(Tensor::cat(vec![first, second, apart], 1))
    }

    /// All parameters by their names in files, in an order that does not change.
    pub(super) fn slots(&mut self) -> Vec<(String, Slot<'_>)> {
        let Self { words, convolutions, norm, classifier } = self;
        let mut slots = vec![(WORDS.to_owned(), Slot::Table(&mut words.weight))];
        for (width, convolution) in WIDTHS.into_iter().zip(convolutions) {
            let name = format!("convolutions.{width}");
            let bias = convolution.bias.as_mut().map(|bias| (format!("{name}.bias"), Slot::Vector(bias)));
            slots.push((format!("{name}.weight"), Slot::Filters(&mut convolution.weight)));
            slots.extend(bias);
        }
        of_norm(&mut slots, "norm".to_owned(), norm);
        of_linear(&mut slots, "classifier".to_owned(), classifier);
        slots
    }
}
