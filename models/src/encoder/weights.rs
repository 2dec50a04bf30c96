//! Tensors of a safetensors file as f32, by name and shape.

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use crate::error::{ModelError, Part};

/// A parsed safetensors file that borrows its bytes.
pub(super) struct Weights<'a> {
    file: SafeTensors<'a>,
    /// `bert.` in files that hold the encoder inside a larger model.
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| ModelError::malformed(Part::Safetensors, error.to_string()))?;
        let prefixed = file.names().iter().any(|name| name.starts_with("bert."));
        Ok(Self { file, prefix: if prefixed { "bert." } else { "" } })
    }

    /// The tensor as f32, which must have the `expected` shape.
    pub(super) fn tensor(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ModelError> {
        let name = format!("{}{name}", self.prefix);
        let Ok(view) = self.file.tensor(&name) else {
            return Err(ModelError::MissingTensor { part: Part::Safetensors, tensor: name });
        };
        if view.shape() != expected {
            return Err(ModelError::TensorShape {
                part: Part::Safetensors,
                tensor: name,
                seen: view.shape().to_vec(),
                expected: expected.to_vec(),
            });
        }
        let bytes = view.data();
        match view.dtype() {
            Dtype::F32 => Ok(bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect()),
            Dtype::F16 => Ok(halves(bytes).map(|bits| f16::from_bits(bits).to_f32()).collect()),
            Dtype::BF16 => Ok(halves(bytes).map(|bits| bf16::from_bits(bits).to_f32()).collect()),
            other => {
                let problem = format!("is stored as {other:?}; allowed: F32, F16, BF16");
                Err(ModelError::tensor(Part::Safetensors, &name, problem))
            }
        }
    }
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.as_chunks::<2>().0.iter().map(|word| u16::from_le_bytes(*word))
}
