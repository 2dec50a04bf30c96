//! What an address answers, into a file.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use poq_core::weights::KnownModel;

use crate::cache;
use crate::fault::{Blame as _, Fault, Outcome};
use crate::progress::Progress;
use crate::{hash, interrupt};

/// Of what an address answered, where it is not the model's file: the server's doing, and the next try may bring
/// another answer.
pub(super) fn not_the_file(fault: Fault, address: &str) -> Fault {
    match fault {
        Fault::Input(error) => {
            let discarded = "what came is not the file and was discarded; the next try begins anew";
            Fault::Environment(error.context(format!("cannot use {address}: {discarded}")))
        }
        other => other,
    }
}

pub(super) fn discard(part: &Path) -> Outcome {
    fs::remove_file(part).environment(format!("cannot remove {}", part.display()))
}

/// Downloads an address; a download that broke off goes on where it stood.
pub(super) fn download(model: &KnownModel, address: &str) -> Outcome<PathBuf> {
    let folder = folder()?;
    let part = folder.join(format!("{}-{}.part", model.name, &hash::of_bytes(address.as_bytes())[..16]));
    let doing = || format!("cannot download {address}");
    let mut file = OpenOptions::new().create(true).append(true).open(&part).environment(doing())?;
    let have = file.metadata().environment(doing())?.len();
    let mut request = ureq::get(address);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = match request.call() {
        // Nothing is left to bring: the file is here, or it is another one.
        Err(ureq::Error::StatusCode(416)) if have > 0 => return Ok(part),
        other => other.environment(doing())?,
    };
    let Some(start) = begins_at(&response, have) else {
        discard(&part)?;
        let message = format!("{address} answered another part than was asked for; the next try begins anew");
        return Err(Fault::Environment(anyhow::anyhow!(message)));
    };
    if start < have {
        file.set_len(start).environment(doing())?;
    }
    let left = response.body().content_length();
    let mut progress = Progress::new(model.name, "bytes", left.map_or(0, |left| left + start));
    progress.advance(start);
    // Nothing that a model needs is larger than its package; twice its files is a generous bound.
    let bound = 2 * model.bytes();
    let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
    let (mut size, mut buffer) = (start, vec![0; 1 << 16]);
    loop {
        interrupt::check()?;
        let read = body.read(&mut buffer).environment(doing())?;
        if read == 0 {
            break;
        }
        size += read as u64;
        if size > bound {
            discard(&part)?;
            let message = format!("more than {bound} bytes came, and {} needs fewer", model.name);
            return Err(not_the_file(Fault::input(message), address));
        }
        file.write_all(&buffer[..read]).environment(doing())?;
        progress.advance(read as u64);
    }
    progress.finish();
    Ok(part)
}

/// Where an answer to a request for what follows `have` bytes begins: there, or at the file's start; none where it
/// begins elsewhere.
fn begins_at(response: &ureq::http::Response<ureq::Body>, have: u64) -> Option<u64> {
    if response.status().as_u16() != 206 {
        return Some(0);
    }
    // `bytes 100-199/200`
    let Some(range) = response.headers().get("Content-Range") else { return Some(have) };
    let range = range.to_str().ok()?.trim().strip_prefix("bytes")?.trim_start();
    let start = range.split('-').next()?.trim().parse::<u64>().ok()?;
    (start == have).then_some(have)
}

/// Where downloads are until they are taken.
pub(super) fn folder() -> Outcome<PathBuf> {
    let folder = cache::root()?.join("downloads");
    fs::create_dir_all(&folder).environment(format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
