//! Models from a file, a folder or the cache.

use std::fs;
use std::path::{Path, PathBuf};

use poq_core::weights::KnownModel;
use poq_models::{BiEncoder, cpu_device};
use serde::Deserialize;

use crate::cache;
use crate::fault::{Blame as _, Fault, Outcome};

/// What a user names a model by: a path that exists, else a known name.
fn locate(model: &str) -> Outcome<PathBuf> {
    let path = Path::new(model);
    if path.exists() {
        return Ok(path.to_owned());
    }
    if model.contains(['/', '\\']) || path.extension().is_some_and(|extension| extension == "gguf") {
        return Err(Fault::input(format!("--model {model}: there is no such file or folder")));
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

/// Path of a decoder's GGUF file.
pub fn decoder_path(model: &str) -> Outcome<PathBuf> {
    let path = locate(model)?;
    if path.is_file() {
        return Ok(path);
    }
    let entries = fs::read_dir(&path).input(format!("cannot read {}", path.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "gguf"))
        .collect();
    match (files.pop(), files.is_empty()) {
        (Some(file), true) => Ok(file),
        (None, _) => Err(Fault::input(format!("{}: there is no .gguf file in it", path.display()))),
        (Some(_), false) => Err(Fault::input(format!("{}: there are several .gguf files; name one", path.display()))),
    }
}

/// Bytes of a decoder's GGUF file.
pub fn decoder_bytes(model: &str) -> Outcome<Vec<u8>> {
    let path = decoder_path(model)?;
    fs::read(&path).input(format!("cannot read {}", path.display()))
}

/// Folder of an encoder.
pub fn encoder_folder(model: &str) -> Outcome<PathBuf> {
    let path = locate(model)?;
    if path.is_dir() { Ok(path) } else { Err(Fault::input(format!("--model {model}: allowed: a folder or a name"))) }
}

#[derive(Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
}

/// A bi encoder from its folder or name.
pub fn bi_encoder(model: &str) -> Outcome<BiEncoder> {
    let folder = encoder_folder(model)?;
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).input(format!("cannot read {}", path.display()))
    };
    let sentence_config = folder.join("sentence_bert_config.json");
    let max_tokens = if sentence_config.exists() {
        let config: SentenceConfig =
            serde_json::from_slice(&read("sentence_bert_config.json")?).input(sentence_config.display())?;
        config.max_seq_length
    } else {
        None
    };
    BiEncoder::from_parts(
        &read("config.json")?,
        &read("tokenizer.json")?,
        &read("model.safetensors")?,
        max_tokens,
        &cpu_device(),
    )
    .input(folder.display())
}
