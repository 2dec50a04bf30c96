//! Folders that one run at a time works on.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::fault::{Blame as _, Fault, Outcome};

/// Takes `folder` for this run, as long as the file lives: `path`, a file of it, which is made where it is absent.
pub fn locked(folder: &Path, path: &Path) -> Outcome<File> {
    let doing = || format!("cannot open {}", path.display());
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(path).environment(doing())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Fault::Environment(anyhow::anyhow!("another `poq` is at work on {}", folder.display())))
        }
        Err(TryLockError::Error(error)) => Err(error).environment(doing()),
    }
}
