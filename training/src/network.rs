//! A BERT with a head of one label, as burn's modules, which have gradients. Its arithmetic is that of
//! [`poq_models::CrossEncoder`], which opens what is written here.

use burn::module::{Module, Param, ParamId};
use burn::nn::transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput};
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use poq_core::rng::Stream;
use poq_models::{ModelError, PairTokens, Part};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::base::{Sizes, Tensors};

/// Share of states that is left out while it is trained, as BERT was.
const DROPOUT: f64 = 0.1;

/// Standard deviation of weights that the base does not have, as BERT's were.
const NEW_WEIGHTS: f64 = 0.02;

#[derive(Module, Debug)]
pub(crate) struct Network {
    words: Embedding,
    positions: Embedding,
    types: Embedding,
    norm: LayerNorm,
    dropout: Dropout,
    body: TransformerEncoder,
    pooler: Linear,
    classifier: Linear,
}

/// A parameter as a file has it.
enum Slot<'a> {
    /// A table, row by row.
    Table(&'a mut Param<Tensor<2>>),
    /// Weights of a layer: `[out, in]` in files, `[in, out]` here.
    Weights(&'a mut Param<Tensor<2>>),
    Vector(&'a mut Param<Tensor<1>>),
}

impl Network {
    /// The network with the weights of `tensors`; a head that is not there is drawn from `stream`.
    pub(crate) fn new(
        sizes: &Sizes,
        tensors: &Tensors,
        stream: &mut Stream,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let hidden = sizes.hidden_size;
        let table = |rows| EmbeddingConfig::new(rows, hidden).init(device);
        let (heads, layers) = (sizes.num_attention_heads, sizes.num_hidden_layers);
        let mut network = Self {
            words: table(sizes.vocab_size),
            positions: table(sizes.max_position_embeddings),
            types: table(sizes.type_vocab_size),
            norm: LayerNormConfig::new(hidden).with_epsilon(sizes.layer_norm_eps).init(device),
            dropout: DropoutConfig::new(DROPOUT).init(),
            body: TransformerEncoderConfig::new(hidden, sizes.intermediate_size, heads, layers)
                .with_dropout(DROPOUT)
                .with_layer_norm_eps(sizes.layer_norm_eps)
                .init(device),
            pooler: LinearConfig::new(hidden, hidden).init(device),
            classifier: LinearConfig::new(hidden, 1).init(device),
        };
        for (id, (name, slot)) in network.slots().into_iter().enumerate() {
            slot.fill(id as u64, &name, tensors, stream, device)?;
        }
        Ok(network)
    }

    /// Logits of pairs, `[rows]`.
    pub(crate) fn logits(&self, rows: &[&PairTokens], device: &Device) -> Tensor<1> {
        let length = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        let shape = [rows.len(), length];
        let numbers = |of: fn(&PairTokens) -> &Vec<u32>| {
            let padded = rows.iter().flat_map(|row| {
                let values = of(row).iter().map(|&value| i64::from(value));
                values.chain(std::iter::repeat(0)).take(length)
            });
            Tensor::<2, Int>::from_data(TensorData::new(padded.collect::<Vec<i64>>(), shape), device)
        };
        let padding: Vec<bool> = rows.iter().flat_map(|row| (0..length).map(|place| place >= row.ids.len())).collect();
        let padding = Tensor::<2, Bool>::from_data(TensorData::new(padding, shape), device);
        let places = Tensor::<1, Int>::arange(0..length as i64, device).unsqueeze::<2>();
        let states = self.words.forward(numbers(|row| &row.ids))
            + self.types.forward(numbers(|row| &row.types))
            + self.positions.forward(places);
        let states = self.dropout.forward(self.norm.forward(states));
        let states = self.body.forward(TransformerEncoderInput::new(states).mask_pad(padding));
        let [count, _, hidden] = states.dims();
        let first = states.narrow(1, 0, 1).reshape([count, hidden]);
        let pooled = self.dropout.forward(self.pooler.forward(first).tanh());
        self.classifier.forward(pooled).reshape([count])
    }

    /// The weights as a safetensors file.
    pub(crate) fn to_safetensors(&self) -> Result<Vec<u8>, ModelError> {
        let mut network = self.clone();
        let tensors: Vec<(String, Vec<usize>, Vec<f32>)> = network
            .slots()
            .into_iter()
            .map(|(name, slot)| {
                let (shape, values) = slot.values()?;
                let name = if name.starts_with("classifier.") { name } else { format!("bert.{name}") };
                Ok((name, shape, values))
            })
            .collect::<Result<_, ModelError>>()?;
        let damaged = |error: safetensors::SafeTensorError| ModelError::malformed(Part::Safetensors, error.to_string());
        let views = tensors
            .iter()
            .map(|(name, shape, values)| {
                let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values)).map_err(damaged)?;
                Ok((name.as_str(), view))
            })
            .collect::<Result<Vec<_>, ModelError>>()?;
        safetensors::serialize(views, None).map_err(damaged)
    }

    /// All parameters by their names in BERT's files, in an order that does not change.
    fn slots(&mut self) -> Vec<(String, Slot<'_>)> {
        let Self { words, positions, types, norm, body, pooler, classifier, dropout: _ } = self;
        let mut slots = vec![
            ("embeddings.word_embeddings.weight".to_owned(), Slot::Table(&mut words.weight)),
            ("embeddings.position_embeddings.weight".to_owned(), Slot::Table(&mut positions.weight)),
            ("embeddings.token_type_embeddings.weight".to_owned(), Slot::Table(&mut types.weight)),
        ];
        of_norm(&mut slots, "embeddings.LayerNorm".to_owned(), norm);
        for (number, layer) in body.layers.iter_mut().enumerate() {
            let name = |part: &str| format!("encoder.layer.{number}.{part}");
            of_linear(&mut slots, name("attention.self.query"), &mut layer.mha.query);
            of_linear(&mut slots, name("attention.self.key"), &mut layer.mha.key);
            of_linear(&mut slots, name("attention.self.value"), &mut layer.mha.value);
            of_linear(&mut slots, name("attention.output.dense"), &mut layer.mha.output);
            of_norm(&mut slots, name("attention.output.LayerNorm"), &mut layer.norm_1);
            of_linear(&mut slots, name("intermediate.dense"), &mut layer.pwff.linear_inner);
            of_linear(&mut slots, name("output.dense"), &mut layer.pwff.linear_outer);
            of_norm(&mut slots, name("output.LayerNorm"), &mut layer.norm_2);
        }
        of_linear(&mut slots, "pooler.dense".to_owned(), pooler);
        of_linear(&mut slots, "classifier".to_owned(), classifier);
        slots
    }
}

fn of_linear<'a>(slots: &mut Vec<(String, Slot<'a>)>, name: String, linear: &'a mut Linear) {
    let bias = linear.bias.as_mut().map(|bias| (format!("{name}.bias"), Slot::Vector(bias)));
    slots.push((format!("{name}.weight"), Slot::Weights(&mut linear.weight)));
    slots.extend(bias);
}

fn of_norm<'a>(slots: &mut Vec<(String, Slot<'a>)>, name: String, norm: &'a mut LayerNorm) {
    let beta = norm.beta.as_mut().map(|beta| (format!("{name}.bias"), Slot::Vector(beta)));
    slots.push((format!("{name}.weight"), Slot::Vector(&mut norm.gamma)));
    slots.extend(beta);
}

impl Slot<'_> {
    /// The shape in files. What burn would draw for a parameter without a value is not drawn for it.
    fn shape(&self) -> Vec<usize> {
        match self {
            Self::Table(table) => table.lazy_shape().to_vec(),
            Self::Weights(weights) => weights.lazy_shape().iter().rev().copied().collect(),
            Self::Vector(vector) => vector.lazy_shape().to_vec(),
        }
    }

    fn fill(
        self,
        id: u64,
        name: &str,
        tensors: &Tensors,
        stream: &mut Stream,
        device: &Device,
    ) -> Result<(), ModelError> {
        let expected = self.shape();
        let is_head = name.starts_with("pooler.") || name.starts_with("classifier.");
        let (shape, values) = match tensors.get(name) {
            Some(found) => found.clone(),
            None if is_head => {
                let count = expected.iter().product();
                let drawn = |_| (NEW_WEIGHTS * stream.normal()) as f32;
                let values = if name.ends_with(".bias") { vec![0.0; count] } else { (0..count).map(drawn).collect() };
                (expected.clone(), values)
            }
            None => return Err(ModelError::MissingTensor { part: Part::Safetensors, tensor: name.to_owned() }),
        };
        if shape != expected {
            let (part, tensor) = (Part::Safetensors, name.to_owned());
            return Err(ModelError::TensorShape { part, tensor, seen: shape, expected });
        }
        let [rows, columns] = [shape[0], shape.get(1).copied().unwrap_or(1)];
        let (shape, values) = match &self {
            // Turned here and not as a view, whose sums would round differently from those of a network in training.
            Self::Weights(_) => {
                let turned = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
                (vec![columns, rows], turned.map(|place| values[place]).collect())
            }
            Self::Table(_) | Self::Vector(_) => (shape, values),
        };
        let data = TensorData::new(values, shape);
        // Numbered, so that what an optimizer keeps of a parameter finds it again after an interruption.
        let id = ParamId::from(id);
        match self {
            Self::Table(matrix) | Self::Weights(matrix) => {
                *matrix = Param::initialized(id, Tensor::from_data(data, device).require_grad());
            }
            Self::Vector(vector) => *vector = Param::initialized(id, Tensor::from_data(data, device).require_grad()),
        }
        Ok(())
    }

    fn values(self) -> Result<(Vec<usize>, Vec<f32>), ModelError> {
        let shape = self.shape();
        let data = match self {
            Self::Table(table) => table.val().into_data(),
            Self::Weights(weights) => weights.val().transpose().into_data(),
            Self::Vector(vector) => vector.val().into_data(),
        };
        let values = data.try_into_vec::<f32>().map_err(|error| ModelError::Device(format!("{error:?}")))?;
        Ok((shape, values))
    }
}
