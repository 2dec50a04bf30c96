//! The folder of a model that the dataset names and that is none of the known ones, such as its trained judges: files
//! that the reader picked, or that lie beside the page. It is read once and not kept.

use std::collections::HashMap;

use poq_core::dataset::sha256;
use poq_models::{
    BiEncoder, CROSS_FITTED_RECORD, CrossEncoder, Device, Families, HeldOut, Kernels, ModelError, SentenceSettings,
};
use poq_pipeline::evaluators::CrossEncoders;
use poq_pipeline::spec::ModelFile;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::loading::LoadFault;
use super::rows::get;
use super::scope::words;

/// Name of a model's weights within its folder.
const WEIGHTS: &str = "model.safetensors";

/// The files that a cross encoder is made of.
const OF_CROSS_ENCODER: [&str; 4] = ["config.json", "tokenizer.json", "tokenizer_config.json", WEIGHTS];

/// Bytes of files by their paths.
type Files = HashMap<String, Vec<u8>>;

/// Where a folder's files are, by their paths within it.
pub enum Folder {
    /// The reader picked them.
    Picked(HashMap<String, File>),
    /// In a folder of this name among the models beside the page.
    Beside {
        /// Its name.
        name: String,
        /// What it has.
        paths: Vec<String>,
    },
}

impl Folder {
    /// The bytes of a file; none where there is none.
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        match self {
            Self::Picked(files) => {
                let Some(file) = files.get(path) else { return Ok(None) };
                let buffer = JsFuture::from(file.array_buffer()).await;
                let buffer = buffer.map_err(|error| format!("{path}: {}", words(&error)))?;
                Ok(Some(js_sys::Uint8Array::new(&buffer).to_vec()))
            }
            Self::Beside { name, paths } => match paths.iter().any(|there| there == path) {
                true => {
                    let parts = std::iter::once(name.as_str()).chain(path.split('/'));
                    let parts = parts.map(|part| String::from(js_sys::encode_uri_component(part)));
                    let address = format!("./models/{}", parts.collect::<Vec<_>>().join("/"));
                    get(&address).await.map(Some).map_err(|error| format!("{path}: {error}"))
                }
                false => Ok(None),
            },
        }
    }

    /// Files of these names in `within`, which is empty or ends in `/`, as far as they are there.
    async fn files<'a>(&self, within: &str, names: impl IntoIterator<Item = &'a str>) -> Result<Files, LoadFault> {
        let mut files = Files::new();
        for name in names {
            files.extend(self.read(&format!("{within}{name}")).await?.map(|bytes| (name.to_owned(), bytes)));
        }
        Ok(files)
    }

    /// Paths of its files in JSON, without those of judges.
    fn json(&self) -> Vec<&str> {
        let is_json = |path: &&str| path.ends_with(".json") && !path.starts_with("fold-");
        match self {
            Self::Picked(files) => files.keys().map(String::as_str).filter(is_json).collect(),
            Self::Beside { paths, .. } => paths.iter().map(String::as_str).filter(is_json).collect(),
        }
    }

    /// The bi encoder that the dataset names.
    ///
    /// # Errors
    /// If the folder has another one, or none that can be opened.
    pub async fn bi_encoder(
        &self,
        named: &ModelFile,
        kernels: Kernels,
        device: &Device,
    ) -> Result<BiEncoder, LoadFault> {
        let mut files = self.files("", self.json()).await?;
        let settings = SentenceSettings::read::<LoadFault>(&mut |name| Ok(files.get(name).cloned()))?;
        let weights = format!("{}{WEIGHTS}", settings.path);
        files.extend(self.files("", [weights.as_str()]).await?);
        check(named, &weights, files.get(&weights))?;
        check_reading(named, &settings.to_string())?;
        BiEncoder::from_folder(&mut |name| Ok(files.remove(name)), Families::PAGE, kernels, device)
    }

    /// The cross encoder that the dataset names, or its judges.
    ///
    /// # Errors
    /// If the folder has others, or none that can be opened.
    pub async fn cross_encoders(
        &self,
        named: &ModelFile,
        kernels: Kernels,
        device: &Device,
    ) -> Result<CrossEncoders, LoadFault> {
        let open = |mut files: Files| {
            CrossEncoder::from_folder::<LoadFault>(&mut |name| Ok(files.remove(name)), Families::PAGE, kernels, device)
        };
        let encoders = if named.file == CROSS_FITTED_RECORD {
            let record = self.read(CROSS_FITTED_RECORD).await?;
            check(named, CROSS_FITTED_RECORD, record.as_ref())?;
            let mut judges = Vec::new();
            for judge in HeldOut::of(&record.unwrap_or_default())? {
                // One after the other: a judge's files are dropped before those of the next are read.
                let files = self.files(&judge.folder, OF_CROSS_ENCODER).await?;
                let weights = files.get(WEIGHTS).ok_or_else(|| missing(format!("{}{WEIGHTS}", judge.folder)))?;
                judge.check(&sha256(weights))?;
                let in_folder =
                    |fault: LoadFault| LoadFault { words: format!("{}: {}", judge.folder, fault.words), ..fault };
                judges.push((open(files).map_err(in_folder)?, judge.passages));
            }
            CrossEncoders::cross_fitted(judges).ok_or_else(|| "the record names no judge".to_owned())?
        } else {
            let files = self.files("", OF_CROSS_ENCODER).await?;
            check(named, WEIGHTS, files.get(WEIGHTS))?;
            open(files)?.into()
        };
        check_reading(named, &encoders.reading().to_string())?;
        Ok(encoders)
    }
}

fn missing(file: String) -> LoadFault {
    ModelError::MissingFile { file }.into()
}

/// Refuses another file than the one by which the dataset names a model.
fn check(named: &ModelFile, path: &str, bytes: Option<&Vec<u8>>) -> Result<(), LoadFault> {
    let found = sha256(bytes.ok_or_else(|| missing(path.to_owned()))?);
    if found == named.sha256 {
        return Ok(());
    }
    let ModelFile { model, sha256, .. } = named;
    Err(format!("this {path} is not that of {model} in the dataset: its SHA-256 is {found}, there it is {sha256}")
        .into())
}

/// Refuses a model whose output is read otherwise than the dataset says.
fn check_reading(named: &ModelFile, found: &str) -> Result<(), LoadFault> {
    let expected = named.reading.as_deref().unwrap_or_default();
    if found == expected {
        return Ok(());
    }
    let words =
        |reading: &str| if reading.is_empty() { "as nothing is said".to_owned() } else { format!("as {reading}") };
    Err(format!("by this folder its output is read {}, in the dataset {}", words(found), words(expected)).into())
}
