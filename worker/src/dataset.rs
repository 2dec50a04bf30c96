//! Datasets: from a folder, the shipped one that is compiled in, or one that a preset makes.

use std::fs;
use std::path::Path;

use poq_core::dataset::DatasetFiles;
use poq_core::{Dataset, preset};

use crate::fault::{Blame as _, Outcome};
use crate::text::sought;

/// The shipped dataset.
pub fn shipped() -> Outcome<Dataset> {
    Dataset::from_files(DatasetFiles {
        manifest: include_bytes!("../../static/dataset/manifest.json"),
        tasks: include_bytes!("../../static/dataset/tasks.jsonl"),
        outputs: include_bytes!("../../static/dataset/outputs.jsonl"),
        scores: include_bytes!("../../static/dataset/scores.jsonl"),
    })
    .input("the shipped dataset")
}

/// The dataset in `folder`; without one, that of the preset, or the shipped one.
pub fn load(folder: Option<&Path>, preset: &str) -> Outcome<Dataset> {
    let Some(folder) = folder else {
        return preset::dataset_of(preset).map_or_else(shipped, |made| Ok(made.make()));
    };
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
