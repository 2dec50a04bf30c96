//! Reading GGUF: metadata and tensor directory from the file's beginning, tensors one at a time.
//!
//! candle-core's reader (`quantized::gguf_file` of 0.11.1) is not used: a file with `general.alignment` 0 makes it
//! panic (division by zero), a product of dimensions may wrap, and every array element becomes a 32-byte value, so
//! that a byte array in a hostile file costs 32 times its size in memory. Here lengths are checked against the
//! bytes that are left, and arrays stay slices of the file's beginning.
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
use crate::format::source::Source;

/// GGUF's own default, in bytes.
const DEFAULT_ALIGNMENT: u64 = 32;

/// Bytes of a file's beginning that are read first, and four times as many while its directory is not whole.
const FIRST: u64 = 1 << 20;

/// Bytes of a directory at most; vocabularies of a quarter of a million tokens take some ten millions.
const MOST: u64 = 1 << 28;

/// What a GGUF file begins with: header, metadata and tensor directory.
pub(crate) struct Head<'s> {
    bytes: Vec<u8>,
    source: &'s dyn Source,
}

impl<'s> Head<'s> {
    /// Reads as much as [`Gguf::parse`] needs; of a file that ends before its directory does, all.
    pub(crate) fn read(source: &'s dyn Source) -> Result<Self, ModelError> {
        let mut length = FIRST.min(source.size());
        loop {
            let mut bytes = vec![0; length as usize];
            tensor::read(source, 0, &mut bytes)?;
            let mut cursor = Cursor::new(&bytes, source.size());
            match directory(&mut cursor) {
                Ok(_) => {
                    let used = cursor.position();
                    bytes.truncate(used);
                    bytes.shrink_to_fit();
                    return Ok(Self { bytes, source });
                }
                Err(_) if cursor.ran_out() && length < MOST => length = (length * 4).min(source.size()),
                Err(_) if cursor.ran_out() => {
                    return Err(ModelError::malformed(Part::Gguf, format!("its directory has more than {MOST} bytes")));
                }
                // Other faults are told when it is parsed.
                Err(_) => return Ok(Self { bytes, source }),
            }
        }
    }
}

/// A parsed GGUF file that borrows its beginning.
pub(crate) struct Gguf<'a> {
    metadata: BTreeMap<&'a str, Value<'a>>,
    tensors: BTreeMap<&'a str, TensorInfo>,
    source: &'a dyn Source,
    /// Where the tensors' bytes start; offsets in the directory count from here.
    start: u64,
}

/// Metadata and tensors.
type Directory<'a> = (BTreeMap<&'a str, Value<'a>>, BTreeMap<&'a str, TensorInfo>);

impl<'a> Gguf<'a> {
    /// Reads the header, the metadata and the tensor directory, and checks that every tensor lies within the file.
    pub(crate) fn parse(head: &'a Head<'a>) -> Result<Self, ModelError> {
        foreign::check(Part::Gguf, &head.bytes)?;
        let mut cursor = Cursor::new(&head.bytes, head.source.size());
        let (metadata, tensors) = directory(&mut cursor)?;
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
        for (name, info) in &tensors {
            info.stored(name, head.source, start)?;
        }
        Ok(Self { metadata, tensors, source: head.source, start })
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
        let stored = self.stored(name, expected)?;
        Ok(stored.kind.unpack(&stored.bytes()?))
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
        info.stored(name, self.source, self.start)
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, ModelError> {
        self.tensors.get(name).ok_or_else(|| ModelError::MissingTensor { part: Part::Gguf, tensor: name.to_owned() })
    }
}

/// Reads up to the end of the tensor directory.
fn directory<'a>(cursor: &mut Cursor<'a>) -> Result<Directory<'a>, ModelError> {
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
        let value = Value::read(cursor, key)?;
        if metadata.insert(key, value).is_some() {
            return Err(ModelError::malformed(Part::Gguf, format!("metadata key `{}` twice", shorten(key))));
        }
    }
    check_whole(&metadata)?;
    let mut tensors = BTreeMap::new();
    for index in 0..tensor_count {
        let name = cursor.string(&format!("name of tensor {index}"))?;
        let info = TensorInfo::read(cursor, name)?;
        if tensors.insert(name, info).is_some() {
            return Err(ModelError::malformed(Part::Gguf, format!("tensor `{}` twice", shorten(name))));
        }
    }
    Ok((metadata, tensors))
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
    use std::cell::Cell;

    use super::*;

    #[test]
    fn blocks_become_the_numbers_that_the_python_package_makes_of_them() -> Result<(), ModelError> {
        let head = Head::read(include_bytes!("../../../tests/fixtures/blocks.gguf"))?;
        let gguf = Gguf::parse(&head)?;
        for kind in &poq_kernels::BLOCK_TYPES {
            let seen = gguf.tensor(kind.name, &[2, 256])?;
            let expected = gguf.tensor(&format!("{}.expected", kind.name), &[2, 256])?;
            assert_eq!(seen, expected, "{}", kind.name);
        }
        Ok(())
    }

    /// A file without tensors whose one text is of `length` bytes.
    fn with_text(length: usize) -> Vec<u8> {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        let counted = |bytes: &mut Vec<u8>, text: &[u8]| {
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text);
        };
        [0_u64, 1].iter().for_each(|count| bytes.extend(count.to_le_bytes()));
        counted(&mut bytes, b"text");
        bytes.extend(8_u32.to_le_bytes());
        counted(&mut bytes, &vec![b'a'; length]);
        bytes
    }

    #[test]
    fn a_beginning_of_any_length_is_read_and_no_more() -> Result<(), ModelError> {
        for length in [0, FIRST as usize, 5 * FIRST as usize] {
            let bytes = with_text(length);
            let file = [bytes.as_slice(), &[7; 100]].concat();
            let head = Head::read(&file)?;
            assert_eq!(head.bytes.len(), bytes.len());
            assert_eq!(Gguf::parse(&head)?.text("text")?.len(), length);
            let cut = bytes[..bytes.len() - 1].to_vec();
            let error = Head::read(&cut).and_then(|head| Gguf::parse(&head).map(|_| ())).err();
            let error = error.map_or_else(String::new, |error| error.to_string());
            let words = if length == 0 { "needs 8 bytes" } else { "a truncated download?" };
            assert!(error.contains(words), "{length}: {error}");
        }
        Ok(())
    }

    /// A file of `size` bytes that begins so and goes on with zeros, and counts what is read of it.
    struct Sparse {
        start: Vec<u8>,
        size: u64,
        read: Cell<u64>,
    }

    impl Source for Sparse {
        fn size(&self) -> u64 {
            self.size
        }

        fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), String> {
            self.read.set(self.read.get() + buffer.len() as u64);
            let start = self.start.get(at as usize..).unwrap_or_default();
            buffer.iter_mut().zip(start).for_each(|(byte, given)| *byte = *given);
            Ok(())
        }
    }

    #[test]
    fn a_length_that_no_file_has_is_refused_before_it_is_read() {
        let sparse = |end: [u64; 2]| {
            let mut start = b"GGUF\x03\0\0\0".to_vec();
            [0, 1].into_iter().chain(end).for_each(|number: u64| start.extend(number.to_le_bytes()));
            Sparse { start, size: 1 << 40, read: Cell::new(0) }
        };
        let huge = sparse([1 << 60, 0]);
        let error =
            Head::read(&huge).and_then(|head| Gguf::parse(&head).map(|_| ())).err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains("but 1099511627744 are left")), "{error:?}");
        assert!(huge.read.get() <= FIRST);
        // An array of as many empty texts as the file has room for.
        let mut endless = sparse([0, 9]);
        endless.start.truncate(endless.start.len() - 4);
        endless.start.extend(8_u32.to_le_bytes());
        endless.start.extend((1_u64 << 36).to_le_bytes());
        let error = Head::read(&endless).err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains("more than 268435456 bytes")), "{error:?}");
    }

    /// A file whose disk fails at some place.
    struct Failing(Vec<u8>, usize);

    impl Source for Failing {
        fn size(&self) -> u64 {
            self.0.size()
        }

        fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), String> {
            if at as usize + buffer.len() > self.1 {
                return Err("the disk is gone".to_owned());
            }
            self.0.read_at(at, buffer)
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_on_is_named_with_the_place() -> Result<(), ModelError> {
        let bytes = include_bytes!("../../../tests/fixtures/blocks.gguf").to_vec();
        let words = |error: ModelError| error.to_string();
        let error = Head::read(&Failing(bytes.clone(), 0)).err().map(words).unwrap_or_default();
        assert!(error.contains("from byte 0 on: the disk is gone"), "{error}");
        let whole = Head::read(&bytes)?;
        let size = bytes.len();
        let failing = Head { bytes: whole.bytes.clone(), source: &Failing(bytes.clone(), size - 1) };
        let gguf = Gguf::parse(&failing)?;
        let errors: Vec<String> =
            gguf.tensors.iter().filter_map(|(name, info)| gguf.tensor(name, &info.shape).err().map(words)).collect();
        assert!(errors.len() == 1 && errors[0].contains("the disk is gone"), "{errors:?}");
        Ok(())
    }
}
