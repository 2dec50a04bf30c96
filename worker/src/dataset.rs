//! Datasets from a folder, or the shipped one that is compiled in.

use std::fs;
use std::path::Path;

use poq_core::Dataset;
use poq_core::dataset::DatasetFiles;

use crate::fault::{Blame as _, Outcome};

/// The dataset in `folder`, or the shipped one.
pub fn load(folder: Option<&Path>) -> Outcome<Dataset> {
    let Some(folder) = folder else {
        return Dataset::from_files(DatasetFiles {
            manifest: include_bytes!("../../static/dataset/manifest.json"),
            tasks: include_bytes!("../../static/dataset/tasks.jsonl"),
            outputs: include_bytes!("../../static/dataset/outputs.jsonl"),
            scores: include_bytes!("../../static/dataset/scores.jsonl"),
        })
        .input("the shipped dataset");
    };
    let mut bytes = Vec::new();
    for name in DatasetFiles::NAMES {
        let path = folder.join(name);
        bytes.push(fs::read(&path).input(format!("cannot read {}", path.display()))?);
    }
    let [manifest, tasks, outputs, scores] = bytes.as_slice() else {
        unreachable!("one entry for each name");
    };
    Dataset::from_files(DatasetFiles { manifest, tasks, outputs, scores })
        .input(format!("dataset {}", folder.display()))
}
