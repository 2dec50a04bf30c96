//! A dataset with one evaluator more: scores of its outputs that were made elsewhere, as on a reader's own device.

use serde::{Deserialize, Serialize};

use super::read::{DatasetError, MAX_SCORES, fault, sha256};
use super::rows::{EvaluatorEntry, FileEntry, Manifest, ScoreRow};
use super::{Dataset, DatasetFiles, RecordedScore, Scores};

const MANIFEST: &str = DatasetFiles::NAMES[0];
const SCORES: &str = DatasetFiles::NAMES[3];
/// Rows of the module's own types can be written whatever they hold.
const WRITES: &str = "plain data";

/// Ends the id of an evaluator that ran on a reader's own device.
pub const ON_DEVICE: &str = "@device";

/// An evaluator, and what it made of every output of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddedEvaluator {
    /// Hash of the dataset whose outputs it scored.
    pub dataset: String,
    /// The evaluator, of an id that the dataset does not have.
    pub entry: EvaluatorEntry,
    /// What its latencies were measured on.
    pub hardware: String,
    /// Laid out as `[task, inference node]`.
    pub scores: Vec<RecordedScore>,
}

impl Dataset {
    /// This dataset with one evaluator more, after the others. It is another dataset, and has the hash of its own
    /// manifest ([`Manifest::to_json`]).
    ///
    /// # Errors
    /// If the evaluator scored another dataset, or not each output once, has the id of another, or made a score or took
    /// a time that is no finite number, or a time below 0; or if the scores become too many.
    pub fn with_evaluator(&self, added: &AddedEvaluator) -> Result<Self, DatasetError> {
        let AddedEvaluator { dataset, entry, hardware, scores } = added;
        if *dataset != self.hash {
            let message =
                format!("the evaluator `{}` scored the dataset {dataset}, and this is {}", entry.id, self.hash);
            return fault(MANIFEST, None, message);
        }
        if entry.id.is_empty() || self.manifest.evaluators.iter().any(|other| other.id == entry.id) {
            let message = format!("field `evaluators.id`: `{}`; allowed: an id that no other evaluator has", entry.id);
            return fault(MANIFEST, None, message);
        }
        if scores.len() != self.outputs.len() {
            let message = format!("`{}` made {} scores; allowed: {}", entry.id, scores.len(), self.outputs.len());
            return fault(SCORES, None, message);
        }
        if self.outputs.len().saturating_mul(self.evaluators() + 1) > MAX_SCORES {
            return fault(SCORES, None, format!("more than {MAX_SCORES} scores with those of `{}`", entry.id));
        }
        if let Some(score) = scores.iter().find(|score| !score.is_possible()) {
            let RecordedScore { raw, latency_ms } = score;
            let message =
                format!("`{}`: raw {raw} in {latency_ms} ms; allowed: finite, and a time of 0 or more", entry.id);
            return fault(SCORES, None, message);
        }
        let mut rows = Vec::with_capacity(self.scores.rows.len() + scores.len());
        for (others, own) in self.scores.rows.chunks_exact(self.evaluators()).zip(scores) {
            rows.extend_from_slice(others);
            rows.push(*own);
        }
        // One score more stands between the outputs.
        let replies = self.scores.replies.iter();
        let replies =
            replies.map(|(position, reply)| (position + position / self.evaluators(), reply.clone())).collect();
        let mut extended = Self { scores: Scores { rows, replies }, ..self.clone() };
        let manifest = &mut extended.manifest;
        manifest.evaluators.push(entry.clone());
        manifest.hardware = format!("{}; {}: {hardware}", manifest.hardware, entry.id);
        let rows = extended.scores_jsonl();
        extended
            .manifest
            .files
            .insert(SCORES.to_owned(), FileEntry::of(extended.scores.rows.len() as u64, rows.as_bytes()));
        extended.hash = sha256(extended.manifest.to_json().as_bytes());
        Ok(extended)
    }

    /// The rows of `scores.jsonl`, output by output.
    #[must_use]
    pub fn scores_jsonl(&self) -> String {
        let mut text = String::new();
        for (position, score) in self.scores.rows.iter().enumerate() {
            let reply = self.scores.replies.get(&position);
            let (output, evaluator) = (&self.outputs[position / self.evaluators()], position % self.evaluators());
            let row = ScoreRow {
                task: output.task.clone(),
                node: output.node.clone(),
                evaluator: self.manifest.evaluators[evaluator].id.clone(),
                raw: reply.is_none().then_some(score.raw),
                reply: reply.cloned(),
                latency_ms: score.latency_ms,
            };
            text += &serde_json::to_string(&row).expect(WRITES);
            text.push('\n');
        }
        text
    }
}

impl Manifest {
    /// `manifest.json` as it is written: its SHA-256 names the dataset.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect(WRITES) + "\n"
    }
}

impl RecordedScore {
    /// Whether raw value and time are finite, and the time 0 or more.
    fn is_possible(self) -> bool {
        self.raw.is_finite() && self.latency_ms.is_finite() && self.latency_ms >= 0.0
    }
}
