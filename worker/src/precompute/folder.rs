//! The folder that a dataset is made in: who is at work on it, and what its rows were made with.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use poq_core::dataset::{EvaluatorEntry, Manifest, NodeEntry, ScoreRow, Spec};
use serde::{Deserialize, Serialize};

use super::journal::Journal;
use super::{Keeping, MANIFEST, OUTPUTS, SCORES, TASKS};
use crate::fault::{Blame as _, Fault, Outcome};
use crate::{dataset, hash, lock};

/// Marks a folder whose rows are being made, and is locked by the run that makes them.
const MARKER: &str = ".precompute";

/// Stands between what latencies were measured on.
pub const AND: &str = "; and ";

/// What the rows in a folder are made with. It stands in the marker from before the first row until the manifest, which
/// says the same, is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Id of the dataset.
    pub id: String,
    /// SHA-256 of `tasks.jsonl`.
    pub tasks: String,
    /// The nodes with rows.
    pub inference_nodes: Vec<NodeEntry>,
    /// The evaluators with rows.
    pub evaluators: Vec<EvaluatorEntry>,
    /// What latencies were measured on, in the order of the runs.
    pub hardware: Vec<String>,
    /// Evaluators whose rows are of an earlier run and are to be made anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rescored: Vec<String>,
}

/// A folder that belongs to this run.
pub struct Folder {
    path: PathBuf,
    marker: File,
    /// What the marker says, as far as it can be read.
    marked: Option<Made>,
}

impl Folder {
    /// Takes the folder for this run, which is to make what `asked` says; gives what its rows are made with from then
    /// on: what there was already and is kept, and what is asked. Gives none where all of it is there. What is there
    /// stays as it is until [`Self::begin`].
    pub fn claim(path: &Path, asked: &Made, keeping: Keeping) -> Outcome<Option<(Self, Made)>> {
        let resume = keeping != Keeping::Nothing;
        let rescores = keeping == Keeping::AllButAskedScores;
        fs::create_dir_all(path).environment(format!("cannot make {}", path.display()))?;
        let marker = lock::locked(path, &path.join(MARKER))?;
        let mut folder = Self { path: path.to_owned(), marker, marked: None };
        folder.marked = folder.read_marker()?;
        let is_whole = path.join(MANIFEST).exists();
        let is_complete = is_whole && folder.says_nothing();
        if is_complete && !resume {
            let message = "holds a dataset already; add to it with --resume, name another folder or remove it";
            return Err(Fault::input(format!("{} {message}", path.display())));
        }
        let there = match &folder.marked {
            Some(made) => Some(made.clone()),
            None if is_whole => Some(from_dataset(path)?),
            None => None,
        };
        let has_rows = fs::metadata(path.join(OUTPUTS)).is_ok_and(|metadata| metadata.len() > 0);
        let made = match there {
            // Nothing is lost to another plan where no row was made, as where a model was refused.
            _ if !has_rows => asked.clone(),
            None => {
                let message =
                    format!("{} holds rows of an unknown plan; name another folder or remove it", path.display());
                return Err(Fault::input(message));
            }
            Some(there) => {
                let made = together(&there, asked, rescores).map_err(|why| {
                    let message = format!("{} holds rows of another plan: {why}", path.display());
                    Fault::input(format!("{message}; name another folder or remove it"))
                })?;
                if !resume {
                    let message = "holds an unfinished run of this plan; go on with --resume, or remove the folder";
                    return Err(Fault::input(format!("{} {message}", path.display())));
                }
                if is_complete && made == there {
                    return Ok(None);
                }
                Made { hardware: joined(&there.hardware, &asked.hardware), ..made }
            }
        };
        Ok(Some((folder, made)))
    }

    /// From here on the folder is no dataset until [`Self::finish`]: the marker says what its rows are made with.
    pub fn begin(&mut self, made: &Made, tasks: &[u8]) -> Outcome {
        if self.marked.as_ref() != Some(made) {
            self.mark(made)?;
        }
        let manifest = self.path.join(MANIFEST);
        if manifest.exists() {
            // It tells of fewer rows than there will be.
            fs::remove_file(&manifest).environment(format!("cannot remove {}", manifest.display()))?;
        }
        super::write_whole(&self.path.join(TASKS), tasks)
    }

    /// Takes away the scores that are to be made anew, and says so.
    pub fn forget(&mut self, made: &mut Made) -> Outcome {
        if made.rescored.is_empty() {
            return Ok(());
        }
        let path = self.path.join(SCORES);
        let (_, mut rows) = Journal::open::<ScoreRow>(&path)?;
        rows.retain(|row| !made.rescored.contains(&row.evaluator));
        super::write_whole(&path, &super::lines(&rows)?)?;
        made.rescored.clear();
        self.mark(made)
    }

    /// Whether the marker is empty. What cannot be read is not: another version may read it.
    fn says_nothing(&self) -> bool {
        self.marker.metadata().is_ok_and(|metadata| metadata.len() == 0)
    }

    fn read_marker(&mut self) -> Outcome<Option<Made>> {
        let doing = || format!("cannot read {}", self.path.join(MARKER).display());
        let mut text = String::new();
        self.marker.read_to_string(&mut text).environment(doing())?;
        // A line that a killed run left cut does not count.
        Ok(text.lines().rev().find_map(|line| serde_json::from_str(line).ok()))
    }

    /// Adds a line, so that a run that is killed meanwhile leaves the one before it.
    fn mark(&mut self, made: &Made) -> Outcome {
        let doing = || format!("cannot write {}", self.path.join(MARKER).display());
        let mut line = serde_json::to_vec(made).environment("cannot serialise what rows are made with")?;
        line.insert(0, b'\n');
        line.push(b'\n');
        self.marker.seek(SeekFrom::End(0)).environment(doing())?;
        self.marker.write_all(&line).and_then(|()| self.marker.sync_all()).environment(doing())?;
        self.marked = Some(made.clone());
        Ok(())
    }

    /// The folder is a dataset from now on.
    pub fn finish(self) -> Outcome {
        let marker = self.path.join(MARKER);
        fs::remove_file(&marker).environment(format!("cannot remove {}", marker.display()))
    }
}

/// A run that was refused before it began leaves no marker behind.
impl Drop for Folder {
    fn drop(&mut self) {
        if self.says_nothing() {
            // One that stays says nothing, and counts for nothing.
            let _ = fs::remove_file(self.path.join(MARKER));
        }
    }
}

/// What a dataset says of itself.
fn from_dataset(folder: &Path) -> Outcome<Made> {
    let Manifest { id, inference_nodes, evaluators, hardware, .. } = dataset::in_folder(folder)?.manifest;
    let tasks = folder.join(TASKS);
    let tasks = hash::of_file(&tasks).input(format!("cannot read {}", tasks.display()))?;
    let hardware = hardware.split(AND).map(str::to_owned).collect();
    Ok(Made { id, tasks, inference_nodes, evaluators, hardware, rescored: Vec::new() })
}

/// What there was and what is asked; in words, why they do not belong together. Where the run rescores, an evaluator
/// may be another than it was.
fn together(there: &Made, asked: &Made, rescores: bool) -> Result<Made, String> {
    if there.id != asked.id {
        return Err(format!("its id is `{}`", there.id));
    }
    if there.tasks != asked.tasks {
        return Err("its tasks are others".to_owned());
    }
    let same_node = |old: &NodeEntry, new: &NodeEntry| same(&old.id, old.spec.as_ref(), new.spec.as_ref());
    let same_evaluator = |old: &EvaluatorEntry, new: &EvaluatorEntry| match rescores {
        true => Ok(()),
        false => same(&old.id, old.spec.as_ref(), new.spec.as_ref()),
    };
    let mut made = Made {
        inference_nodes: merged(&there.inference_nodes, &asked.inference_nodes, same_node, |entry| &entry.id)?,
        evaluators: merged(&there.evaluators, &asked.evaluators, same_evaluator, |entry| &entry.id)?,
        ..there.clone()
    };
    if rescores {
        let has_rows = |id: &String| there.evaluators.iter().any(|old| old.id == *id);
        let again = asked.evaluators.iter().map(|evaluator| &evaluator.id).filter(|id| has_rows(id));
        made.rescored.extend(again.filter(|id| !there.rescored.contains(id)).cloned());
    }
    Ok(made)
}

/// The entries that there were, as they are called now, and then the new ones. Those of one `id` are to be the `same`.
fn merged<E: Clone>(
    there: &[E],
    asked: &[E],
    same: impl Fn(&E, &E) -> Result<(), String>,
    id: impl Fn(&E) -> &String,
) -> Result<Vec<E>, String> {
    let find = |list: &[E], entry: &E| list.iter().position(|other| id(other) == id(entry));
    let mut entries = Vec::new();
    for old in there {
        let new = find(asked, old).map(|at| &asked[at]);
        if let Some(new) = new {
            same(old, new)?;
        }
        entries.push(new.unwrap_or(old).clone());
    }
    entries.extend(asked.iter().filter(|entry| find(there, entry).is_none()).cloned());
    Ok(entries)
}

/// What latencies were measured on, each once.
fn joined(there: &[String], asked: &[String]) -> Vec<String> {
    let new = asked.iter().filter(|hardware| !there.contains(hardware));
    there.iter().chain(new).cloned().collect()
}

/// Whether rows of both go together: in words, what differs.
fn same(id: &str, there: Option<&Spec>, asked: Option<&Spec>) -> Result<(), String> {
    let (Some(there), Some(asked)) = (there, asked) else {
        return Err(format!("it does not say how `{id}` was made, as datasets of schema 2 do"));
    };
    let fields = there.keys().chain(asked.keys());
    match fields.into_iter().find(|field| there.get(*field) != asked.get(*field)) {
        None => Ok(()),
        Some(field) => {
            let value = |spec: &Spec| spec.get(field).map_or("absent".to_owned(), ToString::to_string);
            Err(format!("`{field}` of `{id}` is {} in it, and {} in the plan", value(there), value(asked)))
        }
    }
}
