//! The rows of a dataset's files, as serialised.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a task asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Extractive question answering.
    Qa,
    /// Abstractive summarisation.
    Summarization,
}

impl TaskKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Qa, Self::Summarization];

    /// The name in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Qa => "qa",
            Self::Summarization => "summarization",
        }
    }
}

/// A row of `tasks.jsonl`: one prompt with its references.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Stable id.
    pub id: String,
    /// What it asks for.
    pub kind: TaskKind,
    /// The question or instruction.
    pub prompt: String,
    /// Right answers, at least one; the empty text is the reference of an unanswerable question.
    pub references: Vec<String>,
    /// The passage or article that the prompt is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Names the tasks that belong together, as the questions about one passage do: what other prompts might have given
    /// is found by resampling groups. Absent, tasks of one kind with the same context are a group, and a task without
    /// context is its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// What the tasks of one group, which are of one kind, have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GroupKey<'a> {
    Group(&'a str),
    Context(&'a str),
    Task(&'a str),
}

impl Task {
    pub(crate) fn group_key(&self) -> GroupKey<'_> {
        match (&self.group, &self.context) {
            (Some(group), _) => GroupKey::Group(group),
            (None, Some(context)) => GroupKey::Context(context),
            (None, None) => GroupKey::Task(&self.id),
        }
    }

    /// The prompt, and on the next line its context where it has one: what an evaluator of answers against prompts
    /// reads.
    #[must_use]
    pub fn prompt_with_context(&self) -> String {
        match &self.context {
            Some(context) => format!("{}\n{context}", self.prompt),
            None => self.prompt.clone(),
        }
    }
}

/// A row of `outputs.jsonl`: what one inference node answered to one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Id of the task.
    pub task: String,
    /// Id of the inference node.
    pub node: String,
    /// The answer.
    pub text: String,
    /// Tokens of the prompt as the node read it; words for a node without a tokenizer.
    pub tokens_in: u64,
    /// Tokens of the answer; words for a node without a tokenizer.
    pub tokens_out: u64,
    /// Measured time from prompt to answer, in milliseconds.
    pub latency_ms: f64,
}

/// A row of `scores.jsonl`: what one evaluator made of one output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreRow {
    /// Id of the task.
    pub task: String,
    /// Id of the inference node that answered.
    pub node: String,
    /// Id of the evaluator.
    pub evaluator: String,
    /// The evaluator's raw value.
    pub raw: f64,
    /// Measured time of the evaluation, in milliseconds.
    pub latency_ms: f64,
}

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: 1.
    pub schema: u32,
    /// Name of the dataset.
    pub id: String,
    /// The inference nodes.
    pub inference_nodes: Vec<NodeEntry>,
    /// The evaluators.
    pub evaluators: Vec<EvaluatorEntry>,
    /// By name: row count and hash of each JSONL file.
    pub files: BTreeMap<String, FileEntry>,
    /// What the latencies were measured on.
    pub hardware: String,
    /// Licences of the texts and models.
    pub licences: String,
    /// How the dataset was made, so that it can be made again.
    pub made_by: String,
}

/// An inference node in the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    /// Stable id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What kind of node it is, such as `decoder` or `extractive`.
    pub kind: String,
    /// The model behind it, with its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// An evaluator in the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluatorEntry {
    /// Stable id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What kind of evaluator it is, such as `bi_encoder` or `rouge_l`; `judge` takes no part in consensus.
    pub kind: String,
    /// How its raw value becomes a score.
    pub normalization: crate::score::ScoreNormalization,
    /// The model behind it, with its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A file of the dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 of its bytes, lower-case hexadecimal.
    pub sha256: String,
}

impl FileEntry {
    /// The entry of a file with these bytes and that many rows.
    #[must_use]
    pub fn of(rows: u64, bytes: &[u8]) -> Self {
        Self { rows, sha256: super::read::sha256(bytes) }
    }
}
