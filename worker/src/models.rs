//! Models from a file, a folder or the cache.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::Hash;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use poq_core::weights::KnownModel;
use poq_models::{
    BiEncoder, CROSS_FITTED_RECORD, CrossEncoder, Decoder, DecoderOptions, Families, HeldOut, Kernels, ModelError,
    SentenceSettings, WeightStorage, cpu_device,
};
use poq_pipeline::evaluators::{self, CrossEncoders, Models as _};
use poq_pipeline::spec::{EvaluatorSpec, ModelFile};
use poq_training::Training;

use crate::fault::{Blame as _, Fault, Outcome};
use crate::precompute::ModelName;
use crate::{cache, hash};

/// What a user names a model by: a path that exists, else a known name.
fn locate(model: &str) -> Outcome<PathBuf> {
    let path = Path::new(model);
    if path.exists() {
        return Ok(path.to_owned());
    }
    let is_known = poq_core::weights::known(model).is_some();
    let is_path = model.contains(['/', '\\']) || path.extension().is_some_and(|extension| extension == "gguf");
    if is_path && !is_known {
        let names = cache::known_names();
        return Err(Fault::input(format!("model {model}: there is no such file or folder; known by name: {names}")));
    }
    let known = cache::known(model)?;
    let folder = cache::folder(known)?;
    check_present(known, &folder)?;
    Ok(folder)
}

/// Fails if a file is missing or has another size; `poq models fetch` also checks the hashes.
fn check_present(model: &KnownModel, folder: &Path) -> Outcome {
    for file in model.files {
        let path = folder.join(file.name);
        let size = fs::metadata(&path).ok().map(|metadata| metadata.len());
        if size != Some(file.bytes) {
            let found = size.map_or("absent".to_owned(), |size| format!("{size} bytes, should be {}", file.bytes));
            return Err(Fault::Environment(anyhow::anyhow!(
                "{} is {found}: run `poq models fetch {}`",
                path.display(),
                model.name
            )));
        }
    }
    Ok(())
}

/// Files of a folder whose names end in one of `extensions`, in the order of their names.
fn files_in(folder: &Path, extensions: &[&str]) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).input(format!("cannot read {}", folder.display()))?;
    let is_such = |path: &PathBuf| {
        path.extension().is_some_and(|seen| extensions.iter().any(|extension| seen.eq_ignore_ascii_case(extension)))
    };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(is_such).collect();
    files.sort();
    Ok(files)
}

/// Names of files, for people.
fn listed(files: &[PathBuf]) -> String {
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap_or_default().to_string_lossy()).collect();
    names.join(", ")
}

/// Weights of other formats and of other kinds of models, for words on what a folder holds.
const WEIGHTS: [&str; 7] = ["safetensors", "bin", "gguf", "onnx", "pt", "pth", "h5"];

fn other_weights(folder: &Path) -> Outcome<String> {
    let files = files_in(folder, &WEIGHTS)?;
    Ok(if files.is_empty() { String::new() } else { format!("; it holds {}", listed(&files)) })
}

/// Path of a decoder's GGUF file.
pub fn decoder_path(model: &str) -> Outcome<PathBuf> {
    let path = locate(model)?;
    if path.is_file() {
        return Ok(path);
    }
    match files_in(&path, &["gguf"])?.as_slice() {
        [file] => Ok(file.clone()),
        [] => {
            let others = other_weights(&path)?;
            Err(Fault::input(format!("{}: there is no .gguf file of a decoder in it{others}", path.display())))
        }
        several => {
            let names = listed(several);
            Err(Fault::input(format!("{}: there are several .gguf files; name one: {names}", path.display())))
        }
    }
}

/// A decoder from its file, folder or name, of all its layers or the first so many. Its weights stay as the file has
/// them.
pub fn decoder(model: &str, layers: Option<usize>) -> Outcome<Decoder> {
    let path = decoder_path(model)?;
    let file = File::open(&path).input(format!("cannot read {}", path.display()))?;
    let options = DecoderOptions { layers, weights: WeightStorage::AsStored, ..DecoderOptions::default() };
    Decoder::from_gguf(file, &options, &cpu_device()).map_err(|error| Fault::from(error).of(path.display()))
}

/// Models that a run has read: each is read once, whoever uses it.
#[derive(Default)]
pub struct Models {
    /// By path and layers.
    decoders: Kept<(PathBuf, Option<usize>), Decoder>,
    bi_encoders: Kept<PathBuf, BiEncoder>,
    cross_encoders: Kept<PathBuf, CrossEncoders>,
    hashes: Kept<PathBuf, String>,
}

type Kept<K, M> = RefCell<HashMap<K, Rc<M>>>;

impl Models {
    /// As [`decoder`].
    pub fn decoder(&self, model: &str, layers: Option<usize>) -> Outcome<Rc<Decoder>> {
        kept(&self.decoders, (decoder_path(model)?, layers), || decoder(model, layers))
    }

    /// The hash of a file of weights.
    pub fn sha256(&self, path: &Path) -> Outcome<Rc<String>> {
        let doing = || format!("cannot read {}", path.display());
        kept(&self.hashes, path.to_owned(), || hash::of_file(path).input(doing()))
    }

    /// A decoder as a manifest names it.
    pub fn decoder_file(&self, model: &ModelName) -> Outcome<ModelFile> {
        self.file(&decoder_path(model.as_str())?, None, None)
    }

    /// The model of an evaluator as a manifest names it.
    pub fn file_of(&self, spec: &EvaluatorSpec<ModelName>, model: &ModelName) -> Outcome<ModelFile> {
        match spec {
            EvaluatorSpec::BiEncoder { .. } => {
                let folder = encoder_folder(model.as_str())?;
                let (settings, weights) = sentence_settings(&folder)?;
                // The same weights make other vectors where the folder asks for another pooling.
                self.file(&weights, Some(&folder), Some(settings.to_string()).filter(|words| !words.is_empty()))
            }
            EvaluatorSpec::CrossEncoder { .. } => {
                let folder = encoder_folder(model.as_str())?;
                let reading = self.cross_encoders(model)?.reading().to_string();
                let Some(training) = training(&folder)? else {
                    let file = self.file(&folder.join("model.safetensors"), Some(&folder), Some(reading))?;
                    return Ok(ModelFile { trained_for: trained_for(&folder)?, ..file });
                };
                // What names the weights of several judges stands for them all.
                let file = self.file(&folder.join(CROSS_FITTED_RECORD), Some(&folder), Some(reading))?;
                Ok(ModelFile { trained_for: Some(training.settings.objective.name().to_owned()), ..file })
            }
            EvaluatorSpec::LlmJudge { .. } => self.decoder_file(model),
            EvaluatorSpec::RougeL | EvaluatorSpec::Chrf | EvaluatorSpec::Structure => {
                unreachable!("an evaluator without a model names none")
            }
        }
    }

    /// A file of weights, of the model that is known to be in it, else named by `folder`, else by itself.
    fn file(&self, weights: &Path, folder: Option<&Path>, reading: Option<String>) -> Outcome<ModelFile> {
        let sha256 = self.sha256(weights)?.as_str().to_owned();
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let known = poq_core::weights::of_file(&sha256).map(|known| known.name.to_owned());
        let model = known.unwrap_or_else(|| name(folder.unwrap_or(weights)));
        Ok(ModelFile { model, file: name(weights), sha256, reading, trained_for: None })
    }
}

impl evaluators::Models<ModelName> for Models {
    type Fault = Fault;

    fn bi_encoder(&self, model: &ModelName) -> Outcome<Rc<BiEncoder>> {
        kept(&self.bi_encoders, encoder_folder(model.as_str())?, || bi_encoder(model.as_str()))
    }

    fn cross_encoders(&self, model: &ModelName) -> Outcome<Rc<CrossEncoders>> {
        let folder = encoder_folder(model.as_str())?;
        kept(&self.cross_encoders, folder.clone(), || cross_encoders(&folder))
    }

    fn decoder(&self, model: &ModelName) -> Outcome<Rc<Decoder>> {
        Models::decoder(self, model.as_str(), None)
    }
}

fn kept<K: Eq + Hash, M>(models: &Kept<K, M>, key: K, read: impl FnOnce() -> Outcome<M>) -> Outcome<Rc<M>> {
    if let Some(model) = models.borrow().get(&key) {
        return Ok(Rc::clone(model));
    }
    let model = Rc::new(read()?);
    models.borrow_mut().insert(key, Rc::clone(&model));
    Ok(model)
}

/// Folder of an encoder.
pub fn encoder_folder(model: &str) -> Outcome<PathBuf> {
    let path = locate(model)?;
    if path.is_dir() {
        return Ok(path);
    }
    let allowed = "allowed: a folder with config.json, tokenizer.json and model.safetensors, or a name";
    Err(Fault::input(format!("model {model}: this is a file; {allowed}")))
}

/// A file of a folder by its path in it; none where it is absent.
fn read_in(folder: &Path, name: &str) -> Outcome<Option<Vec<u8>>> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).input(format!("cannot read {}", path.display())),
    }
}

/// What makes a vector of a text, as an encoder's folder says, and the path of its weights.
pub fn sentence_settings(folder: &Path) -> Outcome<(SentenceSettings, PathBuf)> {
    let settings =
        SentenceSettings::read(&mut |name| read_in(folder, name)).map_err(|fault| fault.of(folder.display()))?;
    let weights = folder.join(format!("{}model.safetensors", settings.path));
    Ok((settings, weights))
}

/// A file of an encoder's folder; where there are no weights, it is said which others there are.
fn read_of_encoder(folder: &Path, name: &str) -> Outcome<Option<Vec<u8>>> {
    match read_in(folder, name)? {
        None if name.ends_with("model.safetensors") => {
            let others = other_weights(&folder.join(name.strip_suffix("model.safetensors").unwrap_or_default()))?;
            Err(Fault::input(format!("there is no {name}{others}")))
        }
        found => Ok(found),
    }
}

/// A bi encoder from its folder or name.
pub fn bi_encoder(model: &str) -> Outcome<BiEncoder> {
    let folder = encoder_folder(model)?;
    let device = cpu_device();
    let mut read = |name: &str| read_of_encoder(&folder, name);
    BiEncoder::from_folder(&mut read, Families::ALL, Kernels::fastest(&device), &device)
        .map_err(|fault| fault.of(folder.display()))
}

/// The cross encoder of a folder, or those that `poq train` left in it.
fn cross_encoders(folder: &Path) -> Outcome<CrossEncoders> {
    let Some(record) = read_in(folder, CROSS_FITTED_RECORD)? else {
        return cross_encoder(folder).map(CrossEncoders::from);
    };
    let of_folder = |error: ModelError| Fault::from(error).of(folder.display());
    let mut judges = Vec::new();
    for judge in HeldOut::of(&record).map_err(of_folder)? {
        let within = folder.join(&judge.folder);
        let weights = within.join("model.safetensors");
        let found = hash::of_file(&weights).input(format!("cannot read {}", weights.display()))?;
        judge.check(&found).map_err(of_folder)?;
        judges.push((cross_encoder(&within)?, judge.passages));
    }
    CrossEncoders::cross_fitted(judges).ok_or_else(|| Fault::input(format!("{}: there is no judge", folder.display())))
}

/// What `poq train` wrote of the judges of a folder; none in other folders.
fn training(folder: &Path) -> Outcome<Option<Training>> {
    let path = folder.join(CROSS_FITTED_RECORD);
    let record = read_in(folder, CROSS_FITTED_RECORD)?;
    record.map(|record| serde_json::from_slice(&record).input(path.display())).transpose()
}

/// What one judge of `poq train` learnt, as its `config.json` says; none of models from elsewhere.
fn trained_for(folder: &Path) -> Outcome<Option<String>> {
    let path = folder.join("config.json");
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).input(path.display())?).input(path.display())?;
    Ok(config["poq"]["trained_for"].as_str().map(str::to_owned))
}

/// The cross encoder of a folder.
fn cross_encoder(folder: &Path) -> Outcome<CrossEncoder> {
    let device = cpu_device();
    let mut read = |name: &str| read_of_encoder(folder, name);
    CrossEncoder::from_folder(&mut read, Families::ALL, Kernels::fastest(&device), &device)
        .map_err(|fault| fault.of(folder.display()))
}
