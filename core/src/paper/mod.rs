//! The network of arXiv 2512.16317 as a synthetic dataset whose profiles are fitted to the figures published about it.
//!
//! No model answered and none scored: a task, an answer and a score are made-up words and numbers. What is published
//! fixes a few of the numbers ([`numbers()`] lists each with its [`Origin`]); `fit` solves for those that the published
//! figures determine, under the default scenario; the rest is assumed. So a run on this dataset cannot confirm a
//! published figure that it is fitted to: it shows that the mechanism, as this program assumes it, can give them all at
//! once, and what else then follows.
//!
//! [`figures()`] sets the published figures beside those of a report, [`findings()`] tests the paper's claims on any
//! dataset, and [`unsaid()`] lists what the paper leaves open. [`robust`] is the study of the follow-up, arXiv
//! 2601.21189.

mod figures;
mod findings;
mod fit;
mod profile;
mod readings;
mod rewards;
pub mod robust;
mod sizes;
mod unsaid;
mod verdict;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use figures::{Figure, figures};
pub use findings::findings;
pub use profile::{Number, numbers};
pub use unsaid::{Unsaid, unsaid};
pub use verdict::{Basis, Claims, Finding, Part, Verdict};

use crate::dataset::{
    Dataset, DatasetFiles, EvaluatorEntry, FileEntry, Manifest, NodeEntry, Output, ScoreRow, Task, TaskKind,
};
use crate::report::replicate_weights;
use crate::score::ScoreNormalization;
use fit::Fit;
use profile::{EVALUATORS, NODES, REFERENCE_WORDS, TASKS};

/// Id of [`dataset()`].
pub const DATASET_ID: &str = "paper-2512.16317";

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Stated by the paper, by its authors' company, by a third party about it, or by the makers of a model.
    Published,
    /// Solved for, so that a published figure comes out.
    Fitted,
    /// Chosen by this program; nothing is known.
    Assumed,
}

/// The fitted dataset: 400 tasks, five inference nodes, three evaluators and a judge. The same bytes, and so the same
/// hash, each time.
///
/// # Panics
/// Never: the rows are complete and their hashes right by construction.
#[must_use]
pub fn dataset() -> Dataset {
    let rows = Rows::of(&Fit::new());
    Dataset::from_files(DatasetFiles {
        manifest: &rows.manifest,
        tasks: &rows.tasks.bytes,
        outputs: &rows.outputs.bytes,
        scores: &rows.scores.bytes,
    })
    .expect("every node answers every task and every evaluator scores every answer")
}

/// Whether `dataset` is the one of [`dataset()`], or was made from it.
fn is_fitted(dataset: &Dataset) -> bool {
    dataset.manifest.id == DATASET_ID
}

/// How often each task of `dataset` counts in each resampling of its prompts.
fn resamplings(dataset: &Dataset, seed: u64) -> Vec<Vec<u32>> {
    replicate_weights(dataset, &Vec::from_iter(0..dataset.tasks.len()), seed)
}

/// The files of a dataset.
struct Rows {
    manifest: Vec<u8>,
    tasks: JsonLines,
    outputs: JsonLines,
    scores: JsonLines,
}

impl Rows {
    fn of(fit: &Fit) -> Self {
        let mut tasks = JsonLines::default();
        let mut outputs = JsonLines::default();
        let mut scores = JsonLines::default();
        let words = |from: u32, to: u32, stem: &str| (from..to).map(|word| format!("{stem}{word}")).collect::<Vec<_>>();
        let reference = words(0, REFERENCE_WORDS, "w").join(" ");
        let mut answers = fit.answers.iter();
        for number in 0..TASKS {
            let kind = TaskKind::ALL[number as usize % TaskKind::ALL.len()];
            let task = format!("s{number}");
            let prompt = format!("Synthetic task {number}: the words w0 to w{} are right", REFERENCE_WORDS - 1);
            let tokens_in = prompt.split(' ').count() as u64;
            tasks.push(&Task {
                id: task.clone(),
                kind,
                prompt,
                references: vec![reference.clone()],
                context: None,
                group: None,
            });
            for (node, answer) in NODES.iter().zip(&mut answers) {
                let mut text = words(0, answer.words, "w");
                text.extend(words(answer.words, REFERENCE_WORDS, "x"));
                outputs.push(&Output {
                    task: task.clone(),
                    node: node.id.to_owned(),
                    text: text.join(" "),
                    tokens_in,
                    tokens_out: u64::from(REFERENCE_WORDS),
                    latency_ms: answer.latency_ms,
                });
                for (evaluator, score) in EVALUATORS.iter().zip(answer.scores) {
                    scores.push(&ScoreRow {
                        task: task.clone(),
                        node: node.id.to_owned(),
                        evaluator: evaluator.id.to_owned(),
                        raw: Some(score.raw),
                        reply: None,
                        latency_ms: score.latency_ms,
                    });
                }
            }
        }
        let manifest = manifest([&tasks, &outputs, &scores]);
        Self { manifest: serde_json::to_vec(&manifest).expect(WRITES), tasks, outputs, scores }
    }
}

fn manifest([tasks, outputs, scores]: [&JsonLines; 3]) -> Manifest {
    let [_, tasks_name, outputs_name, scores_name] = DatasetFiles::NAMES;
    let files = [(tasks_name, tasks), (outputs_name, outputs), (scores_name, scores)];
    Manifest {
        schema: 1,
        id: DATASET_ID.to_owned(),
        inference_nodes: NODES
            .iter()
            .map(|node| NodeEntry {
                id: node.id.to_owned(),
                name: node.name.to_owned(),
                kind: "synthetic".to_owned(),
                model: Some(format!("none was run: a synthetic profile of a model of {}B parameters", node.billions)),
                spec: None,
                in_default_network: true,
            })
            .collect(),
        evaluators: EVALUATORS
            .iter()
            .map(|evaluator| EvaluatorEntry {
                id: evaluator.id.to_owned(),
                name: evaluator.name.to_owned(),
                kind: evaluator.kind.to_owned(),
                normalization: ScoreNormalization::Ten,
                model: Some("none was run: a synthetic profile".to_owned()),
                spec: None,
            })
            .collect(),
        files: BTreeMap::from(files.map(|(name, file)| (name.to_owned(), FileEntry::of(file.rows, &file.bytes)))),
        hardware: "none: latencies are synthetic; the ratios that published figures determine are fitted, all else is \
                   assumed"
            .to_owned(),
        licences:
            "made-up words and numbers, under the licence of this program; no text or weight of any model or corpus"
                .to_owned(),
        made_by:
            "poq-core, `paper::dataset`: synthetic profiles fitted to figures published about arXiv 2512.16317; not \
                  the paper's data"
                .to_owned(),
    }
}

/// A file of one JSON value a line.
#[derive(Default)]
struct JsonLines {
    rows: u64,
    bytes: Vec<u8>,
}

impl JsonLines {
    fn push(&mut self, row: &impl Serialize) {
        self.rows += 1;
        serde_json::to_writer(&mut self.bytes, row).expect(WRITES);
        self.bytes.push(b'\n');
    }
}

/// Why writing JSON does not fail.
const WRITES: &str = "a struct of strings, numbers and lists has a JSON form, and memory takes it";
