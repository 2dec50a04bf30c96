//! The tensor directory.

use poq_kernels::{BLOCK_TYPES, BlockType};

use super::cursor::Cursor;
use crate::error::{ModelError, Part, shorten};
use crate::format::source::Source;

/// ggml's own limit.
const MAX_DIMENSIONS: u32 = 4;

/// A tensor as the file has it: whole blocks, row by row, which are read where they are used.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) kind: &'static BlockType,
    source: &'a dyn Source,
    /// Of its first byte in the file.
    at: u64,
    length: usize,
}

impl<'a> Stored<'a> {
    /// A tensor whose bytes are in memory.
    pub(crate) fn of(kind: &'static BlockType, bytes: &'a Vec<u8>) -> Self {
        Self { kind, source: bytes, at: 0, length: bytes.len() }
    }

    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, ModelError> {
        self.part(0, self.length)
    }

    /// `length` bytes from `start` on, within its own.
    pub(crate) fn part(&self, start: usize, length: usize) -> Result<Vec<u8>, ModelError> {
        let mut bytes = vec![0; length];
        read(self.source, self.at + start as u64, &mut bytes)?;
        Ok(bytes)
    }
}

/// Fills `bytes` from the file.
pub(super) fn read(source: &dyn Source, at: u64, bytes: &mut [u8]) -> Result<(), ModelError> {
    let length = bytes.len();
    source
        .read_at(at, bytes)
        .map_err(|words| ModelError::malformed(Part::Gguf, format!("the {length} bytes from byte {at} on: {words}")))
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

    /// The tensor's blocks within the data part of the file, which begins at `start`.
    pub(super) fn stored<'a>(&self, name: &str, source: &'a dyn Source, start: u64) -> Result<Stored<'a>, ModelError> {
        let room = source.size().saturating_sub(start);
        let is_within = self.offset.checked_add(self.length).is_some_and(|end| end <= room);
        match usize::try_from(self.length) {
            Ok(length) if is_within => Ok(Stored { kind: self.kind, source, at: start + self.offset, length }),
            _ => Err(ModelError::malformed(
                Part::Gguf,
                format!(
                    "tensor `{}` needs {} bytes at offset {}, but the data part has {room} (a truncated download?)",
                    shorten(name),
                    self.length,
                    self.offset,
                ),
            )),
        }
    }
}
