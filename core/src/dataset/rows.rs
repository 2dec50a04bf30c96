//! The rows of a dataset's files, as serialised.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

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

    /// What it is about: its context, else its prompt.
    #[must_use]
    pub fn passage(&self) -> &str {
        self.context.as_deref().unwrap_or(&self.prompt)
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
    /// The evaluator's raw value; none, from schema 2 on, where a judge's reply was no number.
    #[serde(deserialize_with = "number_or_null")]
    pub raw: Option<f64>,
    /// What the judge replied where that was no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Measured time of the evaluation, in milliseconds.
    pub latency_ms: f64,
}

/// With a reader of its own, a field that may be null must still be there.
fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Option::deserialize(deserializer)
}

/// How an inference node answers or an evaluator scores: `kind`, and by kind `model`, `file`, `sha256`, `against`,
/// `template`, `max_tokens` and others. What does it (`poq-pipeline`) gives the fields their types.
pub type Spec = Map<String, Value>;

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: 1 or 2.
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
    /// The model behind it, with its hash, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How it answers, so that whoever has the model can do it again: schema 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
    /// Whether a scenario that names no inference node has it. One that is recorded for comparison stays out of such
    /// networks: schema 2.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub in_default_network: bool,
}

fn yes() -> bool {
    true
}

fn is_yes(flag: &bool) -> bool {
    *flag
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
    /// The model behind it, with its hash, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How it scores, so that whoever has the model can do it again: schema 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
}

/// The model behind an entry, in words.
fn model_in_words(model: Option<&String>, spec: Option<&Spec>) -> Option<String> {
    let field = |name| spec?.get(name)?.as_str();
    match (field("model"), field("file")) {
        (Some(name), Some(file)) if name != file => Some(format!("{name} ({file})")),
        (Some(name), _) => Some(name.to_owned()),
        (None, _) => model.cloned(),
    }
}

impl NodeEntry {
    /// The model behind it, in words; none where there is none, or it is not known.
    #[must_use]
    pub fn model_in_words(&self) -> Option<String> {
        model_in_words(self.model.as_ref(), self.spec.as_ref())
    }
}

/// What judges of `poq train` learn to tell: how good an answer is, as truth has it.
pub const LEARNT_QUALITY: &str = "quality";

impl EvaluatorEntry {
    /// What its model learnt from a dataset by `poq train`, as [`LEARNT_QUALITY`]; none for models from elsewhere.
    #[must_use]
    pub fn trained_for(&self) -> Option<&str> {
        self.spec.as_ref()?.get("trained_for")?.as_str()
    }

    /// What its model reads answers beside, as `reference` or `prompt`; none where the manifest does not say.
    #[must_use]
    pub fn against(&self) -> Option<&str> {
        self.spec.as_ref()?.get("against")?.as_str()
    }

    /// As [`NodeEntry::model_in_words`].
    #[must_use]
    pub fn model_in_words(&self) -> Option<String> {
        model_in_words(self.model.as_ref(), self.spec.as_ref())
    }
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
