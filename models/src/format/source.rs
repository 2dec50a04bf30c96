//! Files of weights, read piece by piece.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

/// A file whose pieces are read where they are used, so that it is not in memory as a whole beside what is made of it.
pub trait Source {
    /// Bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes from `at` on, all of which lie within the size.
    ///
    /// # Errors
    /// In words, why they cannot be read.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), String>;
}

impl<T: Source + ?Sized> Source for &T {
    fn size(&self) -> u64 {
        T::size(self)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), String> {
        T::read_at(self, at, buffer)
    }
}

/// What is in memory already.
impl Source for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), String> {
        let start = usize::try_from(at).ok();
        let bytes = start.and_then(|start| self.get(start..)?.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or("they are not there")?);
        Ok(())
    }
}

impl Source for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), String> {
        self.as_slice().read_at(at, buffer)
    }
}

impl<const N: usize> Source for [u8; N] {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), String> {
        self.as_slice().read_at(at, buffer)
    }
}

/// A file on a disk; 0 bytes where its size is not known.
impl Source for File {
    fn size(&self) -> u64 {
        self.metadata().map_or(0, |metadata| metadata.len())
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), String> {
        let mut file = self;
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(buffer));
        read.map_err(|error| error.to_string())
    }
}
