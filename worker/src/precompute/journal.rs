//! Append-only rows: what `kill -9` at any moment leaves is a file of whole rows and at most one cut one.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fault::{Blame as _, Fault, Outcome};
use crate::{hash, jsonl};

/// A JSONL file that rows are added to.
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens or makes the file and gives the rows that are in it; a cut last row is taken away.
    pub fn open<T: DeserializeOwned>(path: &Path) -> Outcome<(Self, Vec<T>)> {
        let doing = || format!("cannot open {}", path.display());
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path).environment(doing())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).environment(doing())?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64).environment(doing())?;
            bytes.truncate(whole);
        }
        file.seek(SeekFrom::End(0)).environment(doing())?;
        let mut rows = Vec::new();
        for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let row = jsonl::parse(line).map_err(|error| {
                Fault::input(format!(
                    "{} row {}: {error}; it was not written by this program",
                    path.display(),
                    index + 1
                ))
            })?;
            rows.push(row);
        }
        Ok((Self { file, path: path.to_owned() }, rows))
    }

    /// Adds one row, in one write.
    pub fn append(&mut self, row: &impl Serialize) -> Outcome {
        let mut line = serde_json::to_vec(row).environment("cannot serialise a row")?;
        line.push(b'\n');
        self.file.write_all(&line).environment(format!("cannot write to {}", self.path.display()))
    }

    /// Waits until the rows are on the disk.
    pub fn sync(&self) -> Outcome {
        self.file.sync_data().environment(format!("cannot write to {}", self.path.display()))
    }
}

/// SHA-256 and number of rows of a finished file.
pub fn describe(path: &Path) -> Outcome<poq_core::dataset::FileEntry> {
    let bytes = std::fs::read(path).environment(format!("cannot read {}", path.display()))?;
    let rows = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
    Ok(poq_core::dataset::FileEntry { rows, sha256: hash::of_bytes(&bytes) })
}
