//! A file of weights in the browser, read piece by piece.

use std::cell::RefCell;

use js_sys::Uint8Array;
use poq_models::Source;
use web_sys::{File, FileReaderSync};

use super::scope::{exact, words};

/// Bytes that are fetched from the browser at once, so that not each piece that is used is asked for.
const WINDOW: u64 = 8 << 20;

/// A file that the reader picked, or that the browser keeps.
pub struct Pieces {
    file: File,
    reader: FileReaderSync,
    window: RefCell<Window>,
}

/// Some of a file's bytes.
struct Window {
    at: u64,
    bytes: Uint8Array,
}

impl Pieces {
    /// Nothing of the file is read yet.
    pub fn new(file: File) -> Result<Self, String> {
        let reader = FileReaderSync::new().map_err(|error| words(&error))?;
        Ok(Self { file, reader, window: RefCell::new(Window { at: 0, bytes: Uint8Array::new_with_length(0) }) })
    }

    /// From `at` on, as many as a window has, or as the file has.
    fn window(&self, at: u64) -> Result<Window, String> {
        let end = (at + WINDOW).min(self.size());
        let slice = self.file.slice_with_f64_and_f64(at as f64, end as f64).map_err(|error| words(&error))?;
        let bytes = self.reader.read_as_array_buffer(&slice).map_err(|error| words(&error))?;
        Ok(Window { at, bytes: Uint8Array::new(&bytes) })
    }
}

impl Source for Pieces {
    fn size(&self) -> u64 {
        self.file.size() as u64
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), String> {
        let (mut at, mut rest) = (at, buffer);
        while !rest.is_empty() {
            let mut window = self.window.borrow_mut();
            if !window.holds(at) {
                *window = self.window(at)?;
            }
            let start = (at - window.at) as u32;
            let end = window.bytes.length().min(start.saturating_add(rest.len() as u32));
            if start >= end {
                return Err(format!("the file ends at {}", exact(self.size())));
            }
            let (filled, after) = rest.split_at_mut((end - start) as usize);
            window.bytes.subarray(start, end).copy_to(filled);
            at += filled.len() as u64;
            rest = after;
        }
        Ok(())
    }
}

impl Window {
    fn holds(&self, at: u64) -> bool {
        (self.at..self.at + u64::from(self.bytes.length())).contains(&at)
    }
}
