//! Folders that one run at a time works on.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::fault::{Blame as _, Fault, Outcome};

/// Takes `folder` for this run, as long as the file lives: `path`, a file of it, which is made where it is absent.
pub fn locked(folder: &Path, path: &Path) -> Outcome<File> {
    let doing = || format!("cannot open {}", path.display());
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    loop {
        let file = options.open(path).environment(doing())?;
        match file.try_lock() {
            // Whoever had it may have removed it in between, and this one is no longer there.
            Ok(()) if is_at(&file, path) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Fault::Environment(anyhow::anyhow!("another `poq` is at work on {}", folder.display())));
            }
            Err(TryLockError::Error(error)) => return Err(error).environment(doing()),
        }
    }
}

/// Whether this is the file that the path leads to.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let there = std::fs::metadata(path).map(|there| (there.dev(), there.ino()));
    file.metadata().and_then(|own| Ok((own.dev(), own.ino()) == there?)).unwrap_or(false)
}

/// As above: an open file cannot be removed elsewhere.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}
