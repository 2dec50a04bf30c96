//! Datasets: recorded outputs of real models on real prompts, and what evaluators made of them.
//!
//! A dataset is a folder of `manifest.json`, `tasks.jsonl`, `outputs.jsonl` and `scores.jsonl`. [`Dataset::from_files`]
//! reads and checks it whole: sizes, hashes, row counts, ids, finite numbers, and that every inference node answered
//! every task and every evaluator scored every answer, because a simulated round may draw any of them.

mod added;
mod notices;
mod read;
mod rows;
mod shipped;

pub use added::{AddedEvaluator, ON_DEVICE};
pub use read::{DatasetError, DatasetFiles, sha256};
pub use rows::{
    EvaluatorEntry, FileEntry, LEARNT_QUALITY, Manifest, NodeEntry, Output, ScoreRow, Spec, Task, TaskKind,
};
pub use shipped::Shipped;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::text::squad;

/// The kind of an evaluator whose scores take no part in consensus. A reply of it that was no number has no raw value.
pub const JUDGE: &str = "judge";

/// A recorded score: an evaluator's raw value and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedScore {
    /// The evaluator's raw value: finite, but for [`JUDGE`]s, where it is not a number if the reply was none.
    pub raw: f64,
    /// What it took, in milliseconds.
    pub latency_ms: f64,
}

/// A checked dataset. Outputs are laid out as `[task, inference node]`, scores as `[task, inference node, evaluator]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The manifest as read.
    pub manifest: Manifest,
    /// Names the dataset's content: SHA-256 of `manifest.json`, which holds the hash of every other file.
    pub hash: String,
    /// The tasks, in file order.
    pub tasks: Vec<Task>,
    outputs: Vec<Output>,
    scores: Scores,
    /// Truth of each output, in `[0, 10]`.
    truth: Vec<f64>,
}

/// Recorded scores.
#[derive(Clone, Debug, Default, PartialEq)]
struct Scores {
    /// Those of `replies` are 0.
    rows: Vec<RecordedScore>,
    /// By position: what a judge replied where that was no number.
    replies: BTreeMap<usize, String>,
}

impl Scores {
    fn at(&self, position: usize) -> RecordedScore {
        let score = self.rows[position];
        match self.replies.contains_key(&position) {
            true => RecordedScore { raw: f64::NAN, ..score },
            false => score,
        }
    }
}

impl Dataset {
    /// How many inference nodes there are.
    #[must_use]
    pub fn inference_nodes(&self) -> usize {
        self.manifest.inference_nodes.len()
    }

    /// The inference nodes of a network whose scenario names none.
    pub fn default_nodes(&self) -> impl Iterator<Item = &NodeEntry> {
        self.manifest.inference_nodes.iter().filter(|entry| entry.in_default_network)
    }

    /// By task, the number of its passage, counted from 0 without a gap: tasks with one [`Task::passage`] or of one
    /// group have the same, of whatever kind they are.
    #[must_use]
    pub fn passages(&self) -> Vec<u32> {
        // Each task names an earlier one of its passage, or itself where there is none.
        let mut earlier: Vec<usize> = Vec::with_capacity(self.tasks.len());
        let first_of = |earlier: &[usize], mut task: usize| {
            while earlier[task] != task {
                task = earlier[task];
            }
            task
        };
        let (mut of_text, mut of_group) = (HashMap::new(), HashMap::new());
        for (task, here) in self.tasks.iter().enumerate() {
            let text = *of_text.entry(here.passage()).or_insert(task);
            let group = here.group.as_ref().map_or(task, |group| *of_group.entry(group).or_insert(task));
            earlier.push(task);
            let firsts = [text, group].map(|other| first_of(&earlier, other));
            let least = firsts[0].min(firsts[1]);
            // What this task holds together was apart so far.
            [firsts[0], firsts[1], text, group, task].into_iter().for_each(|other| earlier[other] = least);
        }
        let mut numbers: Vec<u32> = Vec::with_capacity(earlier.len());
        let mut passages = 0;
        for (task, earlier) in earlier.into_iter().enumerate() {
            numbers.push(if earlier == task { passages } else { numbers[earlier] });
            passages += u32::from(earlier == task);
        }
        numbers
    }

    /// How many evaluators there are, judges included.
    #[must_use]
    pub fn evaluators(&self) -> usize {
        self.manifest.evaluators.len()
    }

    /// What inference node `node` answered to task `task`.
    ///
    /// # Panics
    /// If an index is out of range, as in the other methods of this kind.
    #[must_use]
    pub fn output(&self, task: usize, node: usize) -> &Output {
        &self.outputs[self.output_index(task, node)]
    }

    /// What evaluator `evaluator` made of that answer.
    #[must_use]
    pub fn score(&self, task: usize, node: usize, evaluator: usize) -> RecordedScore {
        self.scores.at(self.output_index(task, node) * self.evaluators() + evaluator)
    }

    /// Truth of that answer: 10 times its best token F1 over the task's references, in `[0, 10]`. It never pays.
    #[must_use]
    pub fn truth(&self, task: usize, node: usize) -> f64 {
        self.truth[self.output_index(task, node)]
    }

    /// How many of `evaluator`'s replies were no number.
    #[must_use]
    pub fn unrated(&self, evaluator: usize) -> usize {
        self.scores.replies.keys().filter(|&&position| position % self.evaluators() == evaluator).count()
    }

    /// Smallest and largest raw value of `evaluator`.
    #[must_use]
    pub fn raw_range(&self, evaluator: usize) -> (f64, f64) {
        // A minimum passes over what is not a number.
        (evaluator..self.scores.rows.len())
            .step_by(self.evaluators().max(1))
            .map(|position| self.scores.at(position).raw)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), raw| (min.min(raw), max.max(raw)))
    }

    fn output_index(&self, task: usize, node: usize) -> usize {
        assert!(node < self.inference_nodes(), "inference node {node} of {}", self.inference_nodes());
        task * self.inference_nodes() + node
    }

    fn new(manifest: Manifest, hash: String, tasks: Vec<Task>, outputs: Vec<Output>, scores: Scores) -> Self {
        let nodes = manifest.inference_nodes.len().max(1);
        let truth = outputs
            .iter()
            .enumerate()
            .map(|(index, output)| 10.0 * squad::best_f1(&output.text, &tasks[index / nodes].references))
            .collect();
        Self { manifest, hash, tasks, outputs, scores, truth }
    }
}
