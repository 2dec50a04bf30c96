//! What changes what is stored.

use js_sys::Uint8Array;
use poq_core::weights::{KnownFile, KnownModel};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{FileSystemFileHandle, FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemSyncAccessHandle};

use super::super::scope::{is_named, words};
use super::{file, folder, in_use, kept_name, remove};

/// Bytes of the file that are here.
pub async fn size(model: &KnownModel, known: &KnownFile) -> Result<u64, String> {
    Ok(file(model, known).await?.map_or(0, |file| file.size() as u64))
}

/// Removes a model.
pub async fn delete(model: &KnownModel) -> Result<(), String> {
    let folder = folder(model).await?;
    for known in model.files {
        remove(&folder, &kept_name(known)).await?;
    }
    Ok(())
}

/// A file that is being written. No other tab can write it meanwhile.
pub struct Writer {
    handle: FileSystemSyncAccessHandle,
    /// Bytes that are there.
    length: u64,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl Writer {
    /// Opens the file, which is made if there is none.
    pub async fn open(model: &KnownModel, known: &KnownFile) -> Result<Self, String> {
        let folder = folder(model).await?;
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let file = JsFuture::from(folder.get_file_handle_with_options(&kept_name(known), &options)).await;
        let file: FileSystemFileHandle = file.map_err(|error| words(&error))?.unchecked_into();
        let handle = JsFuture::from(file.create_sync_access_handle())
            .await
            .map_err(|error| if is_named(&error, "NoModificationAllowedError") { in_use() } else { words(&error) })?;
        let handle: FileSystemSyncAccessHandle = handle.unchecked_into();
        let length = handle.get_size().map_err(|error| words(&error))? as u64;
        Ok(Self { handle, length })
    }

    /// Bytes that are there.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds to the end.
    pub fn append(&mut self, bytes: &Uint8Array) -> Result<(), String> {
        let options = FileSystemReadWriteOptions::new();
        options.set_at(self.length as f64);
        let written = self.handle.write_with_js_u8_array_and_options(bytes, &options);
        let wanted = f64::from(bytes.length());
        match written {
            Ok(written) => {
                self.length += written as u64;
                if written < wanted { Err(full()) } else { Ok(()) }
            }
            Err(error) if is_named(&error, "QuotaExceededError") => Err(full()),
            Err(error) => Err(words(&error)),
        }
    }

    /// Begins anew.
    pub fn clear(&mut self) -> Result<(), String> {
        self.handle.truncate_with_f64(0.0).map_err(|error| words(&error))?;
        self.length = 0;
        Ok(())
    }
}

fn full() -> String {
    "the browser gives this page no more room: delete a model here, or free space on the disk, and go on".to_owned()
}
