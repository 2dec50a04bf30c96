//! Datasets: from a folder, one that is shipped and compiled in, or one that a preset makes.

use std::fs;
use std::path::Path;

use poq_core::dataset::{DatasetFiles, Shipped};
use poq_core::preset::{self, Origin};
use poq_core::{Dataset, json};

use crate::fault::{Blame as _, Fault, Outcome};
use crate::text::sought;

macro_rules! files {
    ($id:literal) => {
        DatasetFiles {
            manifest: include_bytes!(concat!("../../static/datasets/", $id, "/manifest.json")),
            tasks: include_bytes!(concat!("../../static/datasets/", $id, "/tasks.jsonl")),
            outputs: include_bytes!(concat!("../../static/datasets/", $id, "/outputs.jsonl")),
            scores: include_bytes!(concat!("../../static/datasets/", $id, "/scores.jsonl")),
        }
    };
}

/// A shipped dataset.
pub fn shipped(shipped: Shipped) -> Outcome<Dataset> {
    let files = match shipped {
        Shipped::PoqLab2 => files!("poq-lab-2"),
        Shipped::PoqLab1 => files!("poq-lab-1"),
    };
    Dataset::from_files(files).input(format!("the shipped dataset {}", shipped.id()))
}

/// The dataset that `--dataset` names, by its folder or, where it is shipped, by its id; without a name that of the
/// preset, else `other`.
pub fn load(named: Option<&Path>, preset: &str, other: Shipped) -> Outcome<Dataset> {
    let Some(named) = named else {
        return match preset::dataset_of(preset) {
            Some(Origin::Made(made)) => Ok(made.make()),
            Some(Origin::Shipped(own)) => shipped(own),
            None => shipped(other),
        };
    };
    // A folder of that name is nearer.
    if named.exists() {
        return in_folder(named);
    }
    named.to_str().and_then(Shipped::of).map_or_else(|| Err(unknown(named)), shipped)
}

fn unknown(named: &Path) -> Fault {
    let ids = Shipped::ALL.map(|shipped| format!("`{}`", shipped.id())).join(", ");
    let message =
        format!("--dataset: unknown `{}`, {}; allowed: a folder, {ids}", named.display(), "no folder is there");
    Fault::input(json::with_nearest(&message))
}

/// The dataset in `folder`.
pub fn in_folder(folder: &Path) -> Outcome<Dataset> {
    let mut bytes = Vec::new();
    for name in DatasetFiles::NAMES {
        let path = folder.join(name);
        bytes.push(fs::read(&path).input(format!("cannot read {}", sought(&path)))?);
    }
    let [manifest, tasks, outputs, scores] = bytes.as_slice() else {
        unreachable!("one entry for each name");
    };
    Dataset::from_files(DatasetFiles { manifest, tasks, outputs, scores })
        .input(format!("dataset {}", folder.display()))
}
