//! Bringing weights into the browser: from beside the page, or from files that the reader picked.

use crate::protocol::FromInference;
use js_sys::Uint8Array;
use poq_core::weights::{KnownFile, KnownModel};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, File, Headers, ReadableStreamDefaultReader, RequestCache, RequestInit, Response};

use super::scope::{exact, global, is_named, post, words};
use super::store::{self, Writer};

/// Bytes between two words of progress.
const STEP: u64 = 1 << 20;
/// Bytes of a picked file that are copied at once.
const SLICE: u64 = 4 << 20;

/// How far a model is.
struct Progress<'a> {
    model: &'a KnownModel,
    done: u64,
    told: u64,
}

impl<'a> Progress<'a> {
    fn new(model: &'a KnownModel) -> Self {
        Self { model, done: 0, told: 0 }
    }

    fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        if self.done - self.told >= STEP || self.done == self.model.bytes() {
            self.told = self.done;
            let model = self.model.name.to_owned();
            post(&FromInference::Transfer { model, done: self.done, of: self.model.bytes() });
        }
    }
}

/// Downloads what is missing of a model from the folder `models` beside the page, until `signal` stops it.
///
/// # Errors
/// In words, why it is not all here. What came stays, unless it is not what it should be.
pub async fn fetch(model: &KnownModel, signal: &AbortSignal) -> Result<(), String> {
    let mut missing = 0;
    for known in model.files {
        missing += known.bytes.saturating_sub(store::size(model, known).await?);
    }
    if let Some(room) = store::room().await.filter(|room| *room < missing) {
        return Err(format!(
            "{} MB are missing and the browser gives this page {} MB: free space, and go on",
            missing.div_ceil(1_000_000),
            room / 1_000_000
        ));
    }
    let mut progress = Progress::new(model);
    for known in model.files {
        fetch_file(model, known, signal, &mut progress).await?;
        // It is read once more before each use; a wrong one is found now, where it can still be fetched again.
        store::checked(model, known).await?;
    }
    Ok(())
}

async fn fetch_file(
    model: &KnownModel,
    known: &KnownFile,
    signal: &AbortSignal,
    progress: &mut Progress<'_>,
) -> Result<(), String> {
    let mut writer = Writer::open(model, known).await?;
    if writer.length() > known.bytes {
        writer.clear()?;
    }
    if writer.length() == known.bytes {
        progress.advance(known.bytes);
        return Ok(());
    }
    let response = request(model, known, writer.length(), signal).await?;
    match response.status() {
        206 => {}
        // What came is no part of what is there now.
        416 => {
            writer.clear()?;
            return Err(format!("{} beside the page is shorter than what came of it: it is another file", known.name));
        }
        _ => writer.clear()?,
    }
    progress.advance(writer.length());
    let too_long =
        || format!("{} beside the page has more than its {}: it is another file", known.name, exact(known.bytes));
    let body = response.body().ok_or("the answer has no body")?;
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    loop {
        let chunk = JsFuture::from(reader.read()).await.map_err(|error| interrupted(&error, known, writer.length()))?;
        let part = |key: &str| js_sys::Reflect::get(&chunk, &key.into()).unwrap_or_default();
        if part("done").is_truthy() {
            break;
        }
        let bytes: Uint8Array = part("value").unchecked_into();
        if writer.length() + u64::from(bytes.length()) > known.bytes {
            writer.clear()?;
            return Err(too_long());
        }
        writer.append(&bytes)?;
        progress.advance(u64::from(bytes.length()));
    }
    if writer.length() < known.bytes {
        let so_far = so_far(writer.length(), known);
        return Err(format!("{} broke off at {so_far}: go on with it from there", known.name));
    }
    Ok(())
}

/// Asks for the file from byte `from` on.
async fn request(model: &KnownModel, known: &KnownFile, from: u64, signal: &AbortSignal) -> Result<Response, String> {
    let headers = Headers::new().map_err(|error| words(&error))?;
    if from > 0 {
        headers.set("Range", &format!("bytes={from}-")).map_err(|error| words(&error))?;
    }
    let options = RequestInit::new();
    options.set_headers(&headers);
    options.set_signal(Some(signal));
    // It is kept here: a second copy in the browser's cache would only take room.
    options.set_cache(RequestCache::NoStore);
    let address = format!("./models/{}/{}", model.name, known.name);
    let response = JsFuture::from(global().fetch_with_str_and_init(&address, &options)).await;
    let response: Response = response.map_err(|error| interrupted(&error, known, from))?.unchecked_into();
    let kind = response.headers().get("Content-Type").ok().flatten().unwrap_or_default();
    let comes = "`./lab open --models` puts it there, or choose the files yourself";
    match response.status() {
        404 => Err(format!("there is no {} beside this page: {comes}", known.name)),
        // Some servers answer with a page where there is no such file.
        _ if kind.starts_with("text/html") => Err(format!("the server has a page in place of {}: {comes}", known.name)),
        200 | 206 | 416 => Ok(response),
        status => Err(format!("the server answered {status} for {}", known.name)),
    }
}

/// How much of a file is here.
fn so_far(found: u64, known: &KnownFile) -> String {
    format!("{} of {} MB", megabytes(found), known.bytes.div_ceil(1_000_000))
}

fn interrupted(error: &JsValue, known: &KnownFile, at: u64) -> String {
    match is_named(error, "AbortError") {
        true => {
            format!("stopped at {} of {}; the next download goes on from there", so_far(at, known), known.name)
        }
        false => format!("{} could not be downloaded ({}); what came is kept", known.name, words(error)),
    }
}

/// Keeps files that the reader picked as a model's, until `signal` stops it. Those of other names are left alone.
///
/// # Errors
/// In words, what is missing or is not what it should be.
pub async fn keep(model: &KnownModel, files: &[File], signal: &AbortSignal) -> Result<(), String> {
    let mut progress = Progress::new(model);
    for known in model.files {
        let last = known.name.rsplit('/').next().unwrap_or(known.name);
        let named = || files.iter().filter(|file| file.name() == last);
        // A folder may have several of a name.
        let picked = named().find(|file| file.size() as u64 == known.bytes).or_else(|| named().next());
        let picked = picked.or(match (model.files, files) {
            // A model of one file, under whatever name.
            ([_], [file]) => Some(file),
            _ => None,
        });
        let Some(picked) = picked else {
            if store::size(model, known).await? == known.bytes {
                progress.advance(known.bytes);
                continue;
            }
            let names: Vec<&str> = model.files.iter().map(|file| file.name).collect();
            return Err(format!("{} is not among these files; {} has {}", known.name, model.title, names.join(", ")));
        };
        let found = picked.size() as u64;
        if found != known.bytes {
            return Err(format!(
                "{} has {}, {} has {}: it is another file",
                picked.name(),
                exact(found),
                known.name,
                exact(known.bytes)
            ));
        }
        copy(model, known, picked, signal, &mut progress).await?;
        store::checked(model, known).await?;
    }
    Ok(())
}

async fn copy(
    model: &KnownModel,
    known: &KnownFile,
    picked: &File,
    signal: &AbortSignal,
    progress: &mut Progress<'_>,
) -> Result<(), String> {
    let mut writer = Writer::open(model, known).await?;
    writer.clear()?;
    while writer.length() < known.bytes {
        if signal.aborted() {
            return Err(format!("stopped at {} of {}", so_far(writer.length(), known), known.name));
        }
        let (from, to) = (writer.length(), (writer.length() + SLICE).min(known.bytes));
        let slice = picked.slice_with_f64_and_f64(from as f64, to as f64).map_err(|error| words(&error))?;
        let buffer = JsFuture::from(slice.array_buffer()).await;
        let buffer = buffer.map_err(|error| format!("{} could not be read: {}", picked.name(), words(&error)))?;
        writer.append(&Uint8Array::new(&buffer))?;
        progress.advance(to - from);
    }
    Ok(())
}

/// A number of bytes in whole MB, as files are spoken of. What is missing is rounded up, what is there down.
fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}
