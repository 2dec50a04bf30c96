//! Parameters as files have them.

use burn::module::{Param, ParamId};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Device, Tensor, TensorData};
use poq_core::rng::Stream;
use poq_models::{ModelError, Part};

/// Numbers as a file has them, with their shape.
pub(crate) type Values = (Vec<usize>, Vec<f32>);

/// A parameter as a file has it.
pub(super) enum Slot<'a> {
    /// A table, row by row.
    Table(&'a mut Param<Tensor<2>>),
    /// Weights of a layer: `[out, in]` in files, `[in, out]` here.
    Weights(&'a mut Param<Tensor<2>>),
    /// As [`Slot::Weights`], of a layer whose outputs go through a ReLU.
    Filters(&'a mut Param<Tensor<2>>),
    Vector(&'a mut Param<Tensor<1>>),
}

pub(super) fn of_linear<'a>(slots: &mut Vec<(String, Slot<'a>)>, name: String, linear: &'a mut Linear) {
    let bias = linear.bias.as_mut().map(|bias| (format!("{name}.bias"), Slot::Vector(bias)));
    slots.push((format!("{name}.weight"), Slot::Weights(&mut linear.weight)));
    slots.extend(bias);
}

pub(super) fn of_norm<'a>(slots: &mut Vec<(String, Slot<'a>)>, name: String, norm: &'a mut LayerNorm) {
    let beta = norm.beta.as_mut().map(|beta| (format!("{name}.bias"), Slot::Vector(beta)));
    slots.push((format!("{name}.weight"), Slot::Vector(&mut norm.gamma)));
    slots.extend(beta);
}

impl Slot<'_> {
    /// The shape in files. What burn would draw for a parameter without a value is not drawn for it.
    fn shape(&self) -> Vec<usize> {
        match self {
            Self::Table(table) => table.lazy_shape().to_vec(),
            Self::Weights(weights) | Self::Filters(weights) => weights.lazy_shape().iter().rev().copied().collect(),
            Self::Vector(vector) => vector.lazy_shape().to_vec(),
        }
    }

    /// Standard deviation of new values: what keeps the size of states through a ReLU (He and others 2015), else
    /// BERT's.
    fn deviation(&self) -> f64 {
        match self {
            Self::Filters(weights) => (2.0 / weights.lazy_shape()[0] as f64).sqrt(),
            _ => 0.02,
        }
    }

    /// New values of the parameter that files call `name`, with their shape there.
    pub(super) fn drawn(&self, name: &str, stream: &mut Stream) -> Values {
        let (shape, deviation) = (self.shape(), self.deviation());
        let count = shape.iter().product();
        let drawn = |_| (deviation * stream.normal()) as f32;
        let values = match self {
            Self::Vector(_) if name.ends_with(".bias") => vec![0.0; count],
            // Of a normalisation.
            Self::Vector(_) => vec![1.0; count],
            _ => (0..count).map(drawn).collect(),
        };
        (shape, values)
    }

    /// Takes values as a file has them; they are learnt, or stay as they are.
    pub(super) fn fill(
        self,
        id: u64,
        name: &str,
        (shape, values): Values,
        is_learnt: bool,
        device: &Device,
    ) -> Result<(), ModelError> {
        let expected = self.shape();
        if shape != expected {
            let (part, tensor) = (Part::Safetensors, name.to_owned());
            return Err(ModelError::TensorShape { part, tensor, seen: shape, expected });
        }
        let [rows, columns] = [shape[0], shape.get(1).copied().unwrap_or(1)];
        let (shape, values) = match &self {
            // Turned here and not as a view, whose sums would round differently from those of a network in training.
            Self::Weights(_) | Self::Filters(_) => {
                let turned = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
                (vec![columns, rows], turned.map(|place| values[place]).collect())
            }
            Self::Table(_) | Self::Vector(_) => (shape, values),
        };
        let data = TensorData::new(values, shape);
        // Numbered, so that what an optimizer keeps of a parameter finds it again after an interruption.
        let id = ParamId::from(id);
        match self {
            Self::Table(matrix) | Self::Weights(matrix) | Self::Filters(matrix) => {
                let values = Tensor::from_data(data, device);
                *matrix = Param::initialized(id, if is_learnt { values.require_grad() } else { values });
            }
            Self::Vector(vector) => {
                let values = Tensor::from_data(data, device);
                *vector = Param::initialized(id, if is_learnt { values.require_grad() } else { values });
            }
        }
        Ok(())
    }

    pub(super) fn values(self) -> Result<Values, ModelError> {
        let shape = self.shape();
        let data = match self {
            Self::Table(table) => table.val().into_data(),
            Self::Weights(weights) | Self::Filters(weights) => weights.val().transpose().into_data(),
            Self::Vector(vector) => vector.val().into_data(),
        };
        let values = data.try_into_vec::<f32>().map_err(|error| ModelError::Device(format!("{error:?}")))?;
        Ok((shape, values))
    }
}
