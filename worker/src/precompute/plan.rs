//! PLAN.toml: which models run over which tasks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use poq_core::dataset::{EvaluatorEntry, NodeEntry, Task, TaskKind};
use poq_core::score::ScoreNormalization;
use serde::{Deserialize, Serialize};

use crate::corpus;
use crate::fault::{Blame as _, Fault, Outcome};

/// A plan, as written. Paths are relative to the plan's folder.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name of the dataset.
    pub id: String,
    /// Licences of the texts and models, for the manifest.
    pub licences: String,
    /// The tasks, file by file.
    pub tasks: Vec<Corpus>,
    /// What a decoder is asked, by kind of task, with `{prompt}` and `{context}`.
    #[serde(default)]
    pub templates: BTreeMap<TaskKind, String>,
    /// The inference nodes.
    pub inference_nodes: Vec<NodePlan>,
    /// The evaluators.
    pub evaluators: Vec<EvaluatorPlan>,
}

/// A file of tasks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    /// The file: `.jsonl` in our layout or `.json` in SQuAD's.
    pub path: PathBuf,
    /// Tasks taken from its start; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// An inference node.
#[derive(Debug, Serialize, Deserialize)]
pub struct NodePlan {
    /// Stable id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// How it answers.
    #[serde(flatten)]
    pub kind: NodeKind,
}

/// How an inference node answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NodeKind {
    /// A decoder from a GGUF file.
    Decoder {
        /// Name, file or folder of the model.
        model: String,
        /// 0 is greedy.
        #[serde(default)]
        temperature: f32,
        /// Seed of the draws; task n (from 0) uses seed + n.
        #[serde(default)]
        seed: u64,
        /// Only the first so many layers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        layers: Option<usize>,
        /// Tokens at most, by kind of task.
        #[serde(default)]
        max_tokens: BTreeMap<TaskKind, usize>,
    },
    /// The first sentences of the context.
    Lead,
    /// What the prompt's keywords point at in the context.
    Keyword,
}

/// An evaluator.
#[derive(Debug, Serialize, Deserialize)]
pub struct EvaluatorPlan {
    /// Stable id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// How its raw value becomes a score.
    #[serde(default = "unit")]
    pub normalization: ScoreNormalization,
    /// How it judges.
    #[serde(flatten)]
    pub kind: EvaluatorKind,
}

fn unit() -> ScoreNormalization {
    ScoreNormalization::Unit
}

/// How an evaluator judges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum EvaluatorKind {
    /// Cosine of sentence embeddings.
    BiEncoder {
        /// Name or folder of the model.
        model: String,
        /// What the answer is compared with.
        against: Against,
    },
    /// ROUGE-L against the best reference.
    RougeL,
    /// chrF against the best reference.
    Chrf,
    /// Length, repetition and format; needs no reference.
    Structure,
}

/// What a bi encoder compares an answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The best of the references.
    Reference,
    /// Prompt and context.
    Prompt,
}

const DEFAULT_MAX_TOKENS: usize = 128;

impl Plan {
    /// Reads a plan and its tasks.
    pub fn read(path: &Path) -> Outcome<(Self, Vec<Task>)> {
        let text = fs::read_to_string(path).input(format!("cannot read {}", path.display()))?;
        let plan: Self = toml::from_str(&text).input(path.display())?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut tasks = Vec::new();
        for Corpus { path, limit } in &plan.tasks {
            tasks.extend(corpus::read(&folder.join(path), *limit)?);
        }
        plan.check(&tasks).map_err(|fault| match fault {
            Fault::Input(error) => Fault::Input(error.context(path.display().to_string())),
            other => other,
        })?;
        Ok((plan, tasks))
    }

    fn check(&self, tasks: &[Task]) -> Outcome {
        if tasks.is_empty() {
            return Err(Fault::input("field `tasks`: no task; allowed: at least one"));
        }
        corpus::check_ids(tasks)?;
        check_unique("inference_nodes", self.inference_nodes.iter().map(|node| node.id.as_str()))?;
        check_unique("evaluators", self.evaluators.iter().map(|evaluator| evaluator.id.as_str()))?;
        for node in &self.inference_nodes {
            if let NodeKind::Decoder { max_tokens, temperature, .. } = &node.kind {
                let bad_temperature = !temperature.is_finite() || *temperature < 0.0;
                if bad_temperature || max_tokens.values().any(|&tokens| tokens == 0) {
                    let message = "`temperature` must be a finite number, 0 or more, and `max_tokens` 1 or more";
                    return Err(Fault::input(format!("inference node `{}`: {message}", node.id)));
                }
            }
        }
        Ok(())
    }

    /// What a decoder is asked for `task`.
    pub fn request(&self, task: &Task) -> String {
        let default = match task.kind {
            TaskKind::Qa => {
                "Answer the question with a few words taken from the passage.\n\nPassage: {context}\n\nQuestion: {prompt}"
            }
            TaskKind::Summarization => "{prompt}\n\n{context}",
        };
        let template = self.templates.get(&task.kind).map_or(default, String::as_str);
        // One pass, so that a text that holds `{context}` itself is left alone.
        let mut request = String::new();
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            request.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(tail) = rest.strip_prefix("{prompt}") {
                request.push_str(&task.prompt);
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("{context}") {
                request.push_str(task.context.as_deref().unwrap_or_default());
                rest = tail;
            } else {
                request.push('{');
                rest = &rest[1..];
            }
        }
        request.push_str(rest);
        request
    }
}

fn check_unique<'a>(field: &str, ids: impl Iterator<Item = &'a str>) -> Outcome {
    let mut seen = Vec::new();
    for id in ids {
        if id.is_empty() || seen.contains(&id) {
            return Err(Fault::input(format!("field `{field}`: the id `{id}` is empty or stands twice")));
        }
        seen.push(id);
    }
    if seen.is_empty() {
        Err(Fault::input(format!("field `{field}`: empty list; allowed: at least one")))
    } else {
        Ok(())
    }
}

impl NodePlan {
    /// The manifest's entry; `model` names the weights with their hash.
    pub fn entry(&self, model: Option<String>) -> NodeEntry {
        let kind = match self.kind {
            NodeKind::Decoder { .. } => "decoder",
            NodeKind::Lead | NodeKind::Keyword => "extractive",
        };
        NodeEntry { id: self.id.clone(), name: self.name.clone(), kind: kind.to_owned(), model }
    }
}

impl NodeKind {
    /// Tokens that a decoder may generate for a task of `kind`.
    pub fn max_tokens(&self, kind: TaskKind) -> usize {
        match self {
            Self::Decoder { max_tokens, .. } => max_tokens.get(&kind).copied().unwrap_or(DEFAULT_MAX_TOKENS),
            Self::Lead | Self::Keyword => 0,
        }
    }
}

impl EvaluatorPlan {
    /// The manifest's entry; `model` names the weights with their hash.
    pub fn entry(&self, model: Option<String>) -> EvaluatorEntry {
        let kind = match self.kind {
            EvaluatorKind::BiEncoder { .. } => "bi_encoder",
            EvaluatorKind::RougeL => "rouge_l",
            EvaluatorKind::Chrf => "chrf",
            EvaluatorKind::Structure => "structure",
        };
        EvaluatorEntry {
            id: self.id.clone(),
            name: self.name.clone(),
            kind: kind.to_owned(),
            normalization: self.normalization,
            model,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_fills_the_template_once() {
        let plan: Plan = toml::from_str(
            r#"
            id = "x"
            licences = "none"
            tasks = []
            templates.qa = "{prompt} | {context} | {other}"
            inference_nodes = [{ id = "a", name = "A", kind = "lead" }]
            evaluators = [{ id = "b", name = "B", kind = "rouge_l" }]
            "#,
        )
        .expect("valid");
        let task = Task {
            id: "t".into(),
            kind: TaskKind::Qa,
            prompt: "why {context}?".into(),
            references: vec!["r".into()],
            context: Some("because".into()),
            group: None,
        };
        assert_eq!(plan.request(&task), "why {context}? | because | {other}");
    }
}
