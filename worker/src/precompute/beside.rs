//! Paths in a plan: relative to the plan's folder, wherever the plan is run from.

use std::path::{Path, PathBuf};

use poq_core::fields::Fields;
use poq_pipeline::spec::ModelFields;
use serde::Serialize;

use crate::cache;
use crate::fault::{Fault, Outcome};

/// The folder of a plan.
pub struct Beside<'a>(pub &'a Path);

impl Beside<'_> {
    /// The file that `field` names.
    pub fn file(&self, field: &str, path: &Path) -> Outcome<PathBuf> {
        let found = self.0.join(path);
        if found.exists() {
            return Ok(found);
        }
        let looked = absolute(&found);
        Err(Fault::input(format!("field `{field}`: {}: there is no such file; looked at {looked}", path.display())))
    }

    /// Finds the model that `field` names: a file or folder beside the plan, else a known name, else
    /// that of judges in the cache.
    pub fn find(&self, field: &str, model: &mut ModelName) -> Outcome {
        let name = Path::new(&model.written);
        let path = self.0.join(name);
        let looked = absolute(&path);
        if path.exists() {
            model.found = path.to_string_lossy().into_owned();
            return Ok(());
        }
        if poq_core::weights::known(&model.written).is_some() {
            return Ok(());
        }
        if let Some(judges) = cache::judges(&model.written) {
            model.found = judges.to_string_lossy().into_owned();
            return Ok(());
        }
        let is_path =
            model.written.contains(['/', '\\']) || name.extension().is_some_and(|extension| extension == "gguf");
        if is_path {
            let message = format!("field `{field}`: {model}: there is no such file or folder; looked at {looked}");
            return Err(Fault::input(message));
        }
        cache::known(&model.written).map(drop).map_err(|fault| match fault {
            Fault::Input(error) => Fault::input(format!("field `{field}`: {error}; or a path: looked at {looked}")),
            other => other,
        })
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// A model as a plan names it, and the path or name that it is opened by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelName {
    /// What a plan is known by: where it lies makes no other plan of it.
    #[serde(rename = "model")]
    written: String,
    #[serde(skip)]
    found: String,
}

impl ModelName {
    /// What opens the model, from whatever folder.
    pub fn as_str(&self) -> &str {
        &self.found
    }
}

impl std::fmt::Display for ModelName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.written)
    }
}

impl ModelFields for ModelName {
    fn from_fields(fields: &mut Fields) -> Result<Self, String> {
        let written: String = fields.required("model")?;
        Ok(Self { found: written.clone(), written })
    }
}
