//! The cache of model weights.

use std::path::{Path, PathBuf};

use poq_core::weights::{KnownModel, MODELS};
use poq_models::CROSS_FITTED_RECORD;

use crate::fault::{Fault, Outcome};

/// The known model of that name, as [`poq_core::weights::known`] takes names.
pub fn known(name: &str) -> Outcome<&'static KnownModel> {
    poq_core::weights::known(name)
        .ok_or_else(|| Fault::input(format!("model `{name}` is unknown; allowed: {}", known_names())))
}

/// The names of the known models, for people.
pub fn known_names() -> String {
    let names: Vec<String> = MODELS.iter().map(|model| format!("{} ({})", model.name, model.hub)).collect();
    names.join(", ")
}

/// The cache folder: `POQ_CACHE`, else `poq-lab` in the user's cache folder (XDG).
pub fn root() -> Outcome<PathBuf> {
    if let Some(path) = std::env::var_os("POQ_CACHE").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    dirs::cache_dir()
        .map(|folder| folder.join("poq-lab"))
        .ok_or_else(|| Fault::Environment(anyhow::anyhow!("no cache folder: set POQ_CACHE to one")))
}

/// The folder of judges that `poq train` wrote into the cache under that name.
pub fn judges(name: &str) -> Option<PathBuf> {
    // A name and no path, which could lead out of the cache.
    let folder = root().ok()?.join("models").join(Path::new(name).file_name().filter(|part| *part == name)?);
    folder.join(CROSS_FITTED_RECORD).exists().then_some(folder)
}

/// Where the model's files are, or will be.
pub fn folder(model: &KnownModel) -> Outcome<PathBuf> {
    Ok(root()?.join("models").join(model.name))
}
