//! A reading position in a byte slice that never passes its end.

use crate::error::{ModelError, Part, shorten};

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    /// Bytes of all that the slice is the beginning of.
    size: u64,
    position: usize,
    ran_out: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], size: u64) -> Self {
        Self { bytes, size, position: 0, ran_out: false }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// What was taken since the position was `start`.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.position).unwrap_or_default()
    }

    /// Whether more was asked for than the slice has, and no more than there is.
    pub(super) fn ran_out(&self) -> bool {
        self.ran_out
    }

    /// The next `count` bytes; `what` names them in the error.
    pub(super) fn take(&mut self, count: u64, what: &str) -> Result<&'a [u8], ModelError> {
        let left = self.bytes.get(self.position..).unwrap_or_default();
        match usize::try_from(count).ok().and_then(|count| left.get(..count)) {
            Some(taken) => {
                self.position += taken.len();
                Ok(taken)
            }
            None => {
                let left = self.size.saturating_sub(self.position as u64);
                self.ran_out = count <= left;
                Err(ModelError::malformed(
                    Part::Gguf,
                    format!(
                        "`{}` needs {count} bytes at byte {}, but {left} are left (a truncated download?)",
                        shorten(what),
                        self.position,
                    ),
                ))
            }
        }
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ModelError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self, what: &str) -> Result<u8, ModelError> {
        Ok(u8::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u16(&mut self, what: &str) -> Result<u16, ModelError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// Bytes with their length before them.
    pub(super) fn counted_bytes(&mut self, what: &str) -> Result<&'a [u8], ModelError> {
        let length = self.u64(what)?;
        self.take(length, what)
    }

    /// A UTF-8 string with its length before it.
    pub(super) fn string(&mut self, what: &str) -> Result<&'a str, ModelError> {
        let at = self.position;
        let bytes = self.counted_bytes(what)?;
        std::str::from_utf8(bytes)
            .map_err(|error| ModelError::malformed(Part::Gguf, format!("{what} at byte {at}: {error}")))
    }
}
