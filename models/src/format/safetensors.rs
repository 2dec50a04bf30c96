//! Tensors of a safetensors file as f32, by name and shape.

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use super::foreign;
use crate::error::{ModelError, Part};

/// What old files call a tensor that is named in today's way.
const OLD_NAMES: [(&str, &str); 2] = [("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")];

/// A parsed safetensors file that borrows its bytes.
pub(crate) struct Safetensors<'a>(SafeTensors<'a>);

impl<'a> Safetensors<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        foreign::check(Part::Safetensors, bytes)?;
        let file = SafeTensors::deserialize(bytes);
        file.map(Self).map_err(|error| ModelError::malformed(Part::Safetensors, error.to_string()))
    }

    /// The names of all tensors.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.names()
    }

    /// The shape of a tensor; none where it is absent.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.0.tensor(name).ok().map(|view| view.shape().to_vec())
    }

    /// The tensor as f32, which must have the `expected` shape.
    pub(crate) fn tensor(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ModelError> {
        let old = || {
            let (new, old) = OLD_NAMES.iter().find(|(new, _)| name.ends_with(new))?;
            self.0.tensor(&format!("{}{old}", name.strip_suffix(new)?)).ok()
        };
        let Some(view) = self.0.tensor(name).ok().or_else(old) else {
            return Err(ModelError::MissingTensor { part: Part::Safetensors, tensor: name.to_owned() });
        };
        if view.shape() != expected {
            return Err(ModelError::TensorShape {
                part: Part::Safetensors,
                tensor: name.to_owned(),
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
                Err(ModelError::tensor(Part::Safetensors, name, problem))
            }
        }
    }
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.as_chunks::<2>().0.iter().map(|word| u16::from_le_bytes(*word))
}
