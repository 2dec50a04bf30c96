//! Tensors of a safetensors file as f32, by name and shape.

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use super::config::ASKED;
use crate::error::{ModelError, Part, shorten};
use crate::foreign;

/// A tensor that every encoder has: what stands before its name stands before all of the encoder's.
const WORDS: &str = "embeddings.word_embeddings.weight";

/// Names that heads of other tasks begin with.
const HEADS: [(&str, &str); 5] = [
    ("classifier.", "a cross encoder or classifier, which gives scores and no vector"),
    ("qa_outputs.", "a model that marks answers in a passage"),
    ("cls.", "a masked language model"),
    ("lm_head.", "a language model"),
    ("score.", "a model that gives scores and no vector"),
];

/// What old files call a tensor that is named in today's way.
const OLD_NAMES: [(&str, &str); 2] = [("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")];

/// A parsed safetensors file that borrows its bytes.
pub(super) struct Weights<'a> {
    file: SafeTensors<'a>,
    /// Such as `bert.`, in files that hold the encoder inside a larger model.
    prefix: String,
}

impl<'a> Weights<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        foreign::check(Part::Safetensors, bytes)?;
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| ModelError::malformed(Part::Safetensors, error.to_string()))?;
        let names = file.names();
        let mut prefixes: Vec<&str> = names
            .iter()
            .filter_map(|name| name.strip_suffix(WORDS))
            .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            .collect();
        prefixes.sort_unstable();
        if let [first, second, ..] = prefixes[..] {
            let seen = format!("several encoders in one (tensors begin with `{first}` and with `{second}`)");
            return Err(ModelError::OtherModel { part: Part::Safetensors, seen: shorten(&seen), asked: "one encoder" });
        }
        let prefix = prefixes.first().copied().unwrap_or_default().to_owned();
        Ok(Self { file, prefix })
    }

    /// Refuses a file with a head for another task than vectors.
    pub(super) fn check_head(&self) -> Result<(), ModelError> {
        let names = self.file.names();
        let found = HEADS.iter().find_map(|(start, what)| {
            let name = names.iter().find(|name| name.starts_with(start) && !self.is_of_encoder(name))?;
            Some((what, name))
        });
        match found {
            None => Ok(()),
            Some((what, name)) => {
                let seen = shorten(&format!("{what} (it has the tensor `{name}`)"));
                Err(ModelError::OtherModel { part: Part::Safetensors, seen, asked: ASKED })
            }
        }
    }

    fn is_of_encoder(&self, name: &str) -> bool {
        !self.prefix.is_empty() && name.starts_with(&self.prefix)
    }

    /// The tensor as f32, which must have the `expected` shape.
    pub(super) fn tensor(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ModelError> {
        let name = format!("{}{name}", self.prefix);
        let old = || {
            let (new, old) = OLD_NAMES.iter().find(|(new, _)| name.ends_with(new))?;
            self.file.tensor(&format!("{}{old}", name.strip_suffix(new)?)).ok()
        };
        let Some(view) = self.file.tensor(&name).ok().or_else(old) else {
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
