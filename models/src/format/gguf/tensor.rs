//! The tensor directory.

use poq_kernels::{BLOCK_TYPES, BlockType};

use super::cursor::Cursor;
use crate::error::{ModelError, Part, shorten};

/// ggml's own limit.
const MAX_DIMENSIONS: u32 = 4;

/// A tensor as the file has it.
pub(crate) struct Stored<'a> {
    pub(crate) kind: &'static BlockType,
    /// Whole blocks, row by row.
    pub(crate) bytes: &'a [u8],
}

/// One entry of the directory.
pub(super) struct TensorInfo {
    /// Outermost dimension first (the file has it the other way round).
    pub(super) shape: Vec<usize>,
    kind: &'static BlockType,
    length: u64,
    offset: u64,
}

impl TensorInfo {
    pub(super) fn read(cursor: &mut Cursor<'_>, name: &str) -> Result<Self, ModelError> {
        let fault = |problem: String| ModelError::tensor(Part::Gguf, name, problem);
        let rank = cursor.u32(name)?;
        if !(1..=MAX_DIMENSIONS).contains(&rank) {
            return Err(fault(format!("has {rank} dimensions; allowed: 1 to {MAX_DIMENSIONS}")));
        }
        let mut shape = Vec::with_capacity(rank as usize);
        for _ in 0..rank {
            let size = cursor.u64(name)?;
            match u32::try_from(size) {
                Ok(size @ 1..) => shape.push(size as usize),
                _ => return Err(fault(format!("has a dimension of {size}; allowed: 1 to {}", u32::MAX))),
            }
        }
        let number = cursor.u32(name)?;
        let Some(kind) = BLOCK_TYPES.iter().find(|kind| kind.number == number) else {
            let names: Vec<String> =
                BLOCK_TYPES.iter().map(|kind| format!("{} ({})", kind.name, kind.number)).collect();
            return Err(fault(format!("is stored as type {number}; allowed: {}", names.join(", "))));
        };
        let offset = cursor.u64(name)?;

        if !shape[0].is_multiple_of(kind.elements) {
            let problem = format!("has rows of {}, not whole blocks of {} ({})", shape[0], kind.elements, kind.name);
            return Err(fault(problem));
        }
        let elements = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        let elements = elements.filter(|elements| *elements <= isize::MAX as usize / size_of::<f32>());
        let Some(elements) = elements else {
            return Err(fault(format!("of shape {shape:?} has more elements than memory can hold")));
        };
        let length = (elements / kind.elements) as u64 * kind.bytes as u64;
        shape.reverse();
        Ok(Self { shape, kind, length, offset })
    }

    /// The tensor's bytes within the data part of the file.
    pub(super) fn bytes<'a>(&self, name: &str, data: &'a [u8]) -> Result<&'a [u8], ModelError> {
        let range = || {
            let start = usize::try_from(self.offset).ok()?;
            let end = start.checked_add(usize::try_from(self.length).ok()?)?;
            data.get(start..end)
        };
        range().ok_or_else(|| {
            ModelError::malformed(
                Part::Gguf,
                format!(
                    "tensor `{}` needs {} bytes at offset {}, but the data part has {} (a truncated download?)",
                    shorten(name),
                    self.length,
                    self.offset,
                    data.len()
                ),
            )
        })
    }

    /// The tensor's blocks within the data part of the file.
    pub(super) fn stored<'a>(&self, name: &str, data: &'a [u8]) -> Result<Stored<'a>, ModelError> {
        Ok(Stored { kind: self.kind, bytes: self.bytes(name, data)? })
    }
}
