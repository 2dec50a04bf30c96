//! The networks that judges are, as burn's modules, which have gradients. What is written of them opens as a
//! [`poq_models::CrossEncoder`], whose arithmetic is the same.

mod bert;
mod slots;
mod text_cnn;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use poq_core::rng::Stream;
use poq_models::{ModelError, PairTokens, Part};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};

use crate::base::{Sizes, Tensors};
use bert::Bert;
use slots::Slot;
pub(crate) use slots::Values;
use text_cnn::TextCnn;

/// What a judge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// The base with a head of one label, of the mean of its states, which other programs do not know to take.
    CrossEncoder {
        /// The last so many layers are learnt, 1 or more; what is before them stays as the base has it.
        layers: usize,
    },
    /// Convolutions over the base's vectors of words, which are scaled once and not learnt.
    TextCnn,
}

impl Architecture {
    /// What is made of its states, as its `config.json` says in a field of our own; none where there are no states.
    pub(crate) fn pooling(self) -> Option<&'static str> {
        match self {
            Self::CrossEncoder { .. } => Some("mean"),
            Self::TextCnn => None,
        }
    }

    /// Of a judge, from its base's: the fields that differ or are more.
    pub(crate) fn config(self, sizes: &Sizes) -> serde_json::Value {
        match self {
            Self::CrossEncoder { .. } => serde_json::json!({
                "architectures": ["BertForSequenceClassification"],
                "id2label": {"0": "LABEL_0"},
                "label2id": {"LABEL_0": 0},
            }),
            Self::TextCnn => text_cnn::config(sizes),
        }
    }
}

/// A pair as the part of a network that is learnt reads it.
pub(crate) struct Input {
    tokens: PairTokens,
    /// `[length, hidden]`; none where tokens are read.
    states: Option<Vec<f32>>,
}

impl Input {
    /// Tokens of the pair.
    pub(crate) fn length(&self) -> usize {
        self.tokens.ids.len()
    }
}

/// A judge in training.
#[derive(Module, Debug)]
pub(crate) enum Network {
    Bert(Bert),
    TextCnn(TextCnn),
}

impl Network {
    /// The network with the weights of `tensors`, which are its own or its base's; what a base does not have is drawn
    /// from `stream`.
    pub(crate) fn new(
        architecture: Architecture,
        sizes: &Sizes,
        tensors: &Tensors,
        stream: &mut Stream,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let mut network = match architecture {
            Architecture::CrossEncoder { layers } => Self::Bert(Bert::new(sizes, layers, device)),
            Architecture::TextCnn => Self::TextCnn(TextCnn::new(sizes, device)),
        };
        let (new, fixed, of_base) = match &network {
            Self::Bert(network) => (bert::NEW, network.fixed(), None),
            Self::TextCnn(_) => (text_cnn::NEW, vec![text_cnn::WORDS.to_owned()], text_cnn::words(tensors)),
        };
        for (id, (name, slot)) in network.slots().into_iter().enumerate() {
            // Bodies of cross encoders are named by their family, in files that hold a head beside them.
            let found = tensors.get(name.strip_prefix(bert::PREFIX).unwrap_or(&name));
            let found = found.or(of_base.as_ref().filter(|_| name == text_cnn::WORDS));
            let is_new = new.iter().any(|start| name.starts_with(start));
            let is_learnt = !fixed.iter().any(|start| name.starts_with(start));
            let values = match found {
                Some(found) => found.clone(),
                None if is_new => slot.drawn(&name, stream),
                None => return Err(ModelError::MissingTensor { part: Part::Safetensors, tensor: name }),
            };
            slot.fill(id as u64, &name, values, is_learnt, device)?;
        }
        Ok(network)
    }

    /// What a row is to the part that is learnt: all that is before it does not change.
    pub(crate) fn input(&self, tokens: PairTokens, device: &Device) -> Result<Input, ModelError> {
        let states = match self {
            Self::Bert(network) => Some(values(network.fixed_states(&tokens, device))?),
            Self::TextCnn(_) => None,
        };
        Ok(Input { tokens, states })
    }

    /// Logits of pairs, `[rows]`; while a network learns, with dropout that is drawn from `stream`.
    pub(crate) fn logits(&self, rows: &[&Input], device: &Device, stream: Option<&mut Stream>) -> Tensor<1> {
        let (pairs, share, classifier) = match self {
            Self::Bert(network) => (network.pairs(rows, device), bert::DROPOUT, &network.classifier),
            Self::TextCnn(network) => (network.pairs(rows, device), text_cnn::DROPOUT, &network.classifier),
        };
        let pairs = match stream {
            Some(stream) => drop_out(pairs, share, stream),
            None => pairs,
        };
        classifier.forward(pairs).reshape([rows.len()])
    }

    /// The weights as a safetensors file, as [`poq_models::CrossEncoder`] reads it.
    pub(crate) fn to_safetensors(&self) -> Result<Vec<u8>, ModelError> {
        let mut network = self.clone();
        let tensors: Vec<(String, Values)> = network
            .slots()
            .into_iter()
            .map(|(name, slot)| Ok((name, slot.values()?)))
            .collect::<Result<_, ModelError>>()?;
        let damaged = |error: safetensors::SafeTensorError| ModelError::malformed(Part::Safetensors, error.to_string());
        let views = tensors
            .iter()
            .map(|(name, (shape, values))| {
                let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values)).map_err(damaged)?;
                Ok((name.as_str(), view))
            })
            .collect::<Result<Vec<_>, ModelError>>()?;
        safetensors::serialize(views, None).map_err(damaged)
    }

    /// All parameters by their names in files, in an order that does not change.
    fn slots(&mut self) -> Vec<(String, Slot<'_>)> {
        match self {
            Self::Bert(network) => network.slots(),
            Self::TextCnn(network) => network.slots(),
        }
    }
}

/// Leaves out a share of the values at random, and makes the others as much larger. Burn's own draws from one generator
/// of the whole process, in the order in which threads come.
fn drop_out(values: Tensor<2>, share: f64, stream: &mut Stream) -> Tensor<2> {
    const STEPS: u32 = 1 << 24;
    let (dims, device) = (values.dims(), values.device());
    let dropped = (share * f64::from(STEPS)) as u32;
    let kept = (1.0 / (1.0 - share)) as f32;
    let mut draw = || if stream.below(STEPS) < dropped { 0.0 } else { kept };
    let mask: Vec<f32> = (0..dims.iter().product()).map(|_| draw()).collect();
    values * Tensor::from_data(TensorData::new(mask, dims), &device)
}

/// Numbers of the tokens of rows, `[rows, length]`, with 0 where a row is shorter.
fn padded<'a>(rows: impl ExactSizeIterator<Item = &'a Vec<u32>>, length: usize, device: &Device) -> Tensor<2, Int> {
    let shape = [rows.len(), length];
    let padded = rows.flat_map(|row| {
        let values = row.iter().map(|&value| i64::from(value));
        values.chain(std::iter::repeat(0)).take(length)
    });
    Tensor::from_data(TensorData::new(padded.collect::<Vec<i64>>(), shape), device)
}

/// Tokens of the longest row.
fn longest(rows: &[&Input]) -> usize {
    rows.iter().map(|row| row.length()).max().unwrap_or(0)
}

/// The numbers of a tensor.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ModelError> {
    tensor.into_data().try_into_vec::<f32>().map_err(|error| ModelError::Device(format!("{error:?}")))
}
