//! Where the tests find weights.

use std::error::Error;
use std::path::{Path, PathBuf};

/// What a test may fail with besides an assertion.
pub type Outcome = Result<(), Box<dyn Error>>;

/// A file made by `tests/fixtures/make_fixtures.py`.
#[allow(dead_code)] // Each test file uses one of these two.
pub fn fixture(name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name), "")
}

/// A file of real weights in the cache. Their absence fails a test: parity that was not checked must not look checked.
#[allow(dead_code)] // As above.
pub fn weights(model: &str, file: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let hint = format!("\nThe parity tests need real weights: run `poq models fetch {model}`, then test again.");
    read(&path_of_weights(model, file)?, &hint)
}

/// Where [`weights`] looks.
pub fn path_of_weights(model: &str, file: &str) -> Result<PathBuf, Box<dyn Error>> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = variable("POQ_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("poq-lab")))
        .or_else(|| Some(variable("HOME")?.join(".cache/poq-lab")))
        .ok_or("none of POQ_CACHE, XDG_CACHE_HOME and HOME is set")?;
    Ok(root.join("models").join(model).join(file))
}

fn read(path: &Path, hint: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    std::fs::read(path).map_err(|error| format!("{}: {error}{hint}", path.display()).into())
}
