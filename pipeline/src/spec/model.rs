//! How a model is named.

use poq_core::fields::Fields;
use serde::Serialize;

/// A way to name a model: in a plan by name or path, in a manifest by a file and its hash.
pub trait ModelFields: Sized {
    /// Takes the fields that name it.
    ///
    /// # Errors
    /// For a field that is absent or of another type.
    fn from_fields(fields: &mut Fields) -> Result<Self, String>;
}

/// A model as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelFile {
    /// Its name: a known one, or that of its folder or file.
    pub model: String,
    /// Name of the file of its weights.
    pub file: String,
    /// SHA-256 of that file, lower-case hexadecimal.
    pub sha256: String,
    /// How its output is read, where its folder says so: an encoder's pooling, or the activation of a cross encoder's
    /// logit. The same weights give other values read otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<String>,
    /// What it learnt from a dataset by `poq train`, such as `quality`; none for models from elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_for: Option<String>,
}

impl ModelFields for ModelFile {
    fn from_fields(fields: &mut Fields) -> Result<Self, String> {
        Ok(Self {
            model: fields.required("model")?,
            file: fields.required("file")?,
            sha256: fields.required("sha256")?,
            reading: fields.optional("reading")?,
            trained_for: fields.optional("trained_for")?,
        })
    }
}
