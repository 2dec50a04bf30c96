//! Weights in the browser's own file system (OPFS): a folder for each model, in it its files under their names.
//!
//! A file is whole when it has its size; whether it is right is checked each time that it is read. So one that broke
//! off is only shorter, and goes on from there.

#[cfg(feature = "encoders")]
mod write;

use crate::protocol::Stored;
use js_sys::Uint8Array;
use poq_core::weights::{KnownFile, KnownModel, MODELS};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions, FileSystemRemoveOptions,
    StorageManager,
};

use super::scope::{exact, global, is_named, words};

#[cfg(feature = "encoders")]
pub use write::{Writer, delete, size};

/// The folder of all models.
const FOLDER: &str = "models";

fn storage() -> Option<StorageManager> {
    let storage = js_sys::Reflect::get(&global().navigator(), &"storage".into()).ok()?;
    // A page that is not from a secure origin has none.
    (!storage.is_undefined()).then(|| storage.unchecked_into())
}

async fn folder(model: &KnownModel) -> Result<FileSystemDirectoryHandle, String> {
    let nothing_kept = "this browser keeps no files for this page (it does for an address with https or on this machine, and \
                        outside private windows)";
    let storage = storage().ok_or(nothing_kept)?;
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(true);
    let opened = async {
        let root = JsFuture::from(storage.get_directory()).await?;
        let root: FileSystemDirectoryHandle = root.unchecked_into();
        let models = JsFuture::from(root.get_directory_handle_with_options(FOLDER, &options)).await?;
        let models: FileSystemDirectoryHandle = models.unchecked_into();
        JsFuture::from(models.get_directory_handle_with_options(model.name, &options)).await
    };
    let opened: Result<JsValue, JsValue> = opened.await;
    opened.map(JsCast::unchecked_into).map_err(|error| format!("{nothing_kept}: {}", words(&error)))
}

/// A file's name here, where a model's folder has no folders in it.
fn kept_name(known: &KnownFile) -> String {
    known.name.replace('/', "-")
}

/// The file as it is, if there is one.
async fn file(model: &KnownModel, known: &KnownFile) -> Result<Option<File>, String> {
    let folder = folder(model).await?;
    let handle = match JsFuture::from(folder.get_file_handle(&kept_name(known))).await {
        Ok(handle) => handle.unchecked_into::<FileSystemFileHandle>(),
        Err(error) if is_named(&error, "NotFoundError") => return Ok(None),
        Err(error) => return Err(words(&error)),
    };
    let file = JsFuture::from(handle.get_file()).await.map_err(|error| words(&error))?;
    Ok(Some(file.unchecked_into()))
}

/// What is stored of the known models.
pub async fn look() -> Stored {
    let mut stored = Stored { models: Vec::new(), room: room().await, fault: None };
    for model in &MODELS {
        let mut bytes = 0;
        for known in model.files {
            match file(model, known).await {
                Ok(file) => bytes += file.map_or(0, |file| (file.size() as u64).min(known.bytes)),
                Err(words) => stored.fault = Some(words),
            }
        }
        stored.models.push((model.name.to_owned(), bytes));
    }
    stored
}

/// Bytes that the browser still gives, as far as it tells.
pub async fn room() -> Option<u64> {
    let estimate = JsFuture::from(storage()?.estimate().ok()?).await.ok()?;
    let number = |key: &str| js_sys::Reflect::get(&estimate, &key.into()).ok()?.as_f64();
    Some((number("quota")? - number("usage")?).max(0.0) as u64)
}

/// The file's bytes, as [`checked`].
#[cfg(feature = "encoders")]
pub async fn read(model: &KnownModel, known: &KnownFile) -> Result<Vec<u8>, String> {
    let (_, buffer) = whole(model, known).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// The file, its hash checked. One that is not what it should be is discarded.
pub async fn checked(model: &KnownModel, known: &KnownFile) -> Result<File, String> {
    whole(model, known).await.map(|(file, _)| file)
}

async fn whole(model: &KnownModel, known: &KnownFile) -> Result<(File, js_sys::ArrayBuffer), String> {
    let absent = || format!("{} is not in this browser", known.name);
    let file = file(model, known).await?.ok_or_else(absent)?;
    let found = file.size() as u64;
    if found < known.bytes {
        return Err(format!("{} is not whole: {} of {} are here", known.name, exact(found), exact(known.bytes)));
    }
    let buffer = JsFuture::from(file.array_buffer()).await.map_err(|error| words(&error))?;
    let buffer: js_sys::ArrayBuffer = buffer.unchecked_into();
    let hash = sha256(&buffer).await?;
    if hash != known.sha256 {
        discard(model, known).await?;
        return Err(format!(
            "{} was damaged and is discarded: its SHA-256 is {hash}, it should be {}",
            known.name, known.sha256
        ));
    }
    Ok((file, buffer))
}

async fn sha256(buffer: &js_sys::ArrayBuffer) -> Result<String, String> {
    let subtle = global().crypto().map_err(|error| words(&error))?.subtle();
    let digest = subtle.digest_with_str_and_buffer_source("SHA-256", buffer).map_err(|error| words(&error))?;
    let digest = JsFuture::from(digest).await.map_err(|error| words(&error))?;
    Ok(Uint8Array::new(&digest).to_vec().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Removes one file.
pub async fn discard(model: &KnownModel, known: &KnownFile) -> Result<(), String> {
    remove(&folder(model).await?, &kept_name(known)).await
}

async fn remove(folder: &FileSystemDirectoryHandle, name: &str) -> Result<(), String> {
    match JsFuture::from(folder.remove_entry_with_options(name, &FileSystemRemoveOptions::new())).await {
        Ok(_) => Ok(()),
        Err(error) if is_named(&error, "NotFoundError") => Ok(()),
        Err(error) if is_named(&error, "NoModificationAllowedError") => Err(in_use()),
        Err(error) => Err(words(&error)),
    }
}

fn in_use() -> String {
    "another tab of this page is writing this model; wait until it has ended there".to_owned()
}
