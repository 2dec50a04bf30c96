//! Reading GGUF: metadata and tensor directory without a copy, tensors dequantised to f32 one at a time.
//!
//! candle-core's reader (`quantized::gguf_file` of 0.11.1) is not used: a file with `general.alignment` 0 makes it
//! panic (division by zero), a product of dimensions may wrap, and every array element becomes a 32-byte value, so
//! that a byte array in a hostile file costs 32 times its size in memory. Here lengths are checked against the
//! bytes that are left, and arrays stay slices of the file.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

mod cursor;
mod tensor;
mod value;

use std::collections::BTreeMap;

use cursor::Cursor;
pub(crate) use tensor::Stored;
use tensor::TensorInfo;
pub(crate) use value::Value;

use crate::error::{ModelError, Part, shorten};
use crate::format::foreign;

/// GGUF's own default, in bytes.
const DEFAULT_ALIGNMENT: u64 = 32;

/// A parsed GGUF file that borrows its bytes.
pub(crate) struct Gguf<'a> {
    metadata: BTreeMap<&'a str, Value<'a>>,
    tensors: BTreeMap<&'a str, TensorInfo>,
    /// Where the tensors' bytes start; offsets in the directory count from here.
    data: &'a [u8],
}

impl<'a> Gguf<'a> {
    /// Reads the header, the metadata and the tensor directory, and checks that every tensor lies within the file.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        foreign::check(Part::Gguf, bytes)?;
        let mut cursor = Cursor::new(bytes);
        let magic = cursor.take(4, "magic")?;
        if magic != b"GGUF" {
            return Err(ModelError::field(Part::Gguf, "magic", magic.escape_ascii().to_string(), "\"GGUF\""));
        }
        let version = cursor.u32("version")?;
        if !(2..=3).contains(&version) {
            return Err(ModelError::field(Part::Gguf, "version", version, "2 or 3 (little-endian)"));
        }
        let tensor_count = cursor.u64("tensor_count")?;
        let metadata_count = cursor.u64("metadata_kv_count")?;

        // Nothing is reserved for these counts: a count that is too large meets the end of the file.
        let mut metadata = BTreeMap::new();
        for index in 0..metadata_count {
            let key = cursor.string(&format!("metadata key {index}"))?;
            let value = Value::read(&mut cursor, key)?;
            if metadata.insert(key, value).is_some() {
                return Err(ModelError::malformed(Part::Gguf, format!("metadata key `{}` twice", shorten(key))));
            }
        }
        check_whole(&metadata)?;
        let mut tensors = BTreeMap::new();
        for index in 0..tensor_count {
            let name = cursor.string(&format!("name of tensor {index}"))?;
            let info = TensorInfo::read(&mut cursor, name)?;
            if tensors.insert(name, info).is_some() {
                return Err(ModelError::malformed(Part::Gguf, format!("tensor `{}` twice", shorten(name))));
            }
        }

        let alignment = match metadata.get("general.alignment") {
            None => DEFAULT_ALIGNMENT,
            Some(value) => match value.as_u64() {
                Some(alignment) if alignment.is_power_of_two() && alignment <= 1 << 16 => alignment,
                _ => {
                    let allowed = "a power of two up to 65536";
                    return Err(ModelError::field(Part::Gguf, "general.alignment", value, allowed));
                }
            },
        };
        let start = (cursor.position() as u64).next_multiple_of(alignment);
        let data = usize::try_from(start).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
        for (name, info) in &tensors {
            info.bytes(name, data)?;
        }
        Ok(Self { metadata, tensors, data })
    }

    /// The value of a metadata key, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.metadata.get(key)
    }

    /// A text that must be there.
    pub(crate) fn text(&self, key: &str) -> Result<&'a str, ModelError> {
        self.optional_text(key)?.ok_or_else(|| ModelError::missing(Part::Gguf, key))
    }

    /// A text that may be absent.
    pub(crate) fn optional_text(&self, key: &str) -> Result<Option<&'a str>, ModelError> {
        self.typed(key, "a UTF-8 string", Value::as_text)
    }

    /// A count that may be absent, within `allowed`.
    pub(crate) fn optional_count(
        &self,
        key: &str,
        allowed: std::ops::RangeInclusive<u32>,
    ) -> Result<Option<usize>, ModelError> {
        let text = format!("a whole number from {} to {}", allowed.start(), allowed.end());
        self.typed(key, &text, |value| {
            let count = u32::try_from(value.as_u64()?).ok()?;
            allowed.contains(&count).then_some(count as usize)
        })
    }

    /// A count that must be there, within `allowed`.
    pub(crate) fn count(&self, key: &str, allowed: std::ops::RangeInclusive<u32>) -> Result<usize, ModelError> {
        self.optional_count(key, allowed)?.ok_or_else(|| ModelError::missing(Part::Gguf, key))
    }

    /// A finite number above zero that may be absent.
    pub(crate) fn optional_positive(&self, key: &str) -> Result<Option<f64>, ModelError> {
        self.typed(key, "a finite number above 0", |value| value.as_f64().filter(|x| x.is_finite() && *x > 0.0))
    }

    /// A truth value that may be absent.
    pub(crate) fn optional_bool(&self, key: &str) -> Result<Option<bool>, ModelError> {
        self.typed(key, "a bool", Value::as_bool)
    }

    /// A list of strings that must be there.
    pub(crate) fn texts(&self, key: &str) -> Result<Vec<&'a str>, ModelError> {
        self.typed(key, "an array of UTF-8 strings", Value::as_texts)?
            .ok_or_else(|| ModelError::missing(Part::Gguf, key))
    }

    /// A list of whole numbers that may be absent.
    pub(crate) fn optional_integers(&self, key: &str) -> Result<Option<Vec<i64>>, ModelError> {
        self.typed(key, "an array of i32 or u32", Value::as_integers)
    }

    /// A list of numbers that must be there.
    pub(crate) fn numbers(&self, key: &str) -> Result<Vec<f64>, ModelError> {
        self.typed(key, "an array of f32", Value::as_numbers)?.ok_or_else(|| ModelError::missing(Part::Gguf, key))
    }

    fn typed<T>(
        &self,
        key: &str,
        allowed: &str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| ModelError::field(Part::Gguf, key, value, allowed)),
        }
    }

    /// The names of all tensors, in order.
    pub(crate) fn tensor_names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.tensors.keys().copied()
    }

    /// The numbers of a tensor, 0 where there is none.
    pub(crate) fn elements(&self, name: &str) -> u64 {
        self.tensors.get(name).map_or(0, |info| info.shape.iter().map(|size| *size as u64).product())
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A tensor as f32, which must have the `expected` shape (outermost dimension first).
    pub(crate) fn tensor(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, ModelError> {
        let Stored { kind, bytes } = self.stored(name, expected)?;
        Ok(kind.unpack(bytes))
    }

    /// A tensor as the file has it, which must have the `expected` shape (outermost dimension first).
    pub(crate) fn stored(&self, name: &str, expected: &[usize]) -> Result<Stored<'a>, ModelError> {
        let info = self.info(name)?;
        if info.shape != expected {
            return Err(ModelError::TensorShape {
                part: Part::Gguf,
                tensor: name.to_owned(),
                seen: info.shape.clone(),
                expected: expected.to_vec(),
            });
        }
        info.stored(name, self.data)
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, ModelError> {
        self.tensors.get(name).ok_or_else(|| ModelError::MissingTensor { part: Part::Gguf, tensor: name.to_owned() })
    }
}

/// Refuses a part of a model that was split: it lacks tensors, and all but the first lack what they mean.
fn check_whole(metadata: &BTreeMap<&str, Value<'_>>) -> Result<(), ModelError> {
    let number = |key: &str| metadata.get(key).and_then(Value::as_u64);
    match number("split.count") {
        Some(count @ 2..) => {
            let part = number("split.no").unwrap_or(0).saturating_add(1);
            let advice = "bring all and join them, as `llama-gguf-split --merge` does";
            Err(ModelError::OtherFile {
                part: Part::Gguf,
                seen: format!("part {part} of {count} of a model: {advice}"),
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_the_numbers_that_the_python_package_makes_of_them() -> Result<(), ModelError> {
        let gguf = Gguf::parse(include_bytes!("../../../tests/fixtures/blocks.gguf"))?;
        for kind in &poq_kernels::BLOCK_TYPES {
            let seen = gguf.tensor(kind.name, &[2, 256])?;
            let expected = gguf.tensor(&format!("{}.expected", kind.name), &[2, 256])?;
            assert_eq!(seen, expected, "{}", kind.name);
        }
        Ok(())
    }
}
