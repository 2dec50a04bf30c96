//! What is said of an inference node or an evaluator: in a plan, where a model is a name or a path, and in a manifest,
//! where it is a file with its hash.
//!
//! A spec of a manifest has everything that the answers or scores depend on, so that whoever has the model can do the
//! same again. Ids are names of this or that dataset; nothing is concluded from them.

mod model;
mod schema_1;
mod template;

use std::collections::BTreeMap;

use poq_core::dataset::{self, EvaluatorEntry, NodeEntry, Task, TaskKind};
use poq_core::fields::{Fields, unknown_word};
use serde::{Deserialize, Serialize};

pub use model::{ModelFields, ModelFile};
pub use template::JUDGE_MUST_SHOW;
pub(crate) use template::shown;

/// Tokens of an answer at most, where nothing is said.
const DEFAULT_MAX_TOKENS: usize = 128;

/// How an inference node answers; `M` is how its model is named.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NodeSpec<M = ModelFile> {
    /// A decoder from a GGUF file.
    Decoder(DecoderSpec<M>),
    /// The first sentences of the context.
    Lead,
    /// What the prompt's keywords point at in the context.
    Keyword,
}

/// A decoder with its settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DecoderSpec<M = ModelFile> {
    /// The model.
    #[serde(flatten)]
    pub model: M,
    /// 0 is greedy.
    pub temperature: f32,
    /// Seed of the draws; task n of the dataset (from 0) uses seed + n.
    pub seed: u64,
    /// Only the first so many layers; all where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Tokens of an answer at most, by kind of task; 128 for a kind that is not named.
    pub max_tokens: BTreeMap<TaskKind, usize>,
    /// What it is asked, by kind of task, with `{prompt}` and `{context}`; a kind that is not named has words of its
    /// own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<TaskKind, String>,
    /// Texts that end an answer, and are no part of it; for base models, which go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// How an evaluator scores; `M` is how its model is named.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EvaluatorSpec<M = ModelFile> {
    /// Cosine of sentence embeddings.
    BiEncoder {
        /// The model.
        #[serde(flatten)]
        model: M,
        /// What the answer is compared with.
        against: Against,
    },
    /// A classifier of pairs of texts: what the answer is judged by, and the answer.
    CrossEncoder {
        /// The model.
        #[serde(flatten)]
        model: M,
        /// What the answer is judged by.
        against: Against,
    },
    /// A decoder that is shown the task and the answer, and rates it by a number from 0 to 9.
    LlmJudge {
        /// The model.
        #[serde(flatten)]
        model: M,
        /// What it is shown: `{answer}`, and `{prompt}`, `{context}`, `{reference}` where they stand in it.
        template: String,
    },
    /// ROUGE-L against the best reference.
    RougeL,
    /// chrF against the best reference.
    Chrf,
    /// Length, repetition and format; needs no reference.
    Structure,
}

/// What an encoder reads beside an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The best of the references.
    Reference,
    /// Prompt and context.
    Prompt,
}

impl Against {
    /// What is read beside an answer to `task`: one text, or several of which the best counts.
    pub(crate) fn texts(self, task: &Task) -> Vec<String> {
        match self {
            Self::Reference => task.references.clone(),
            Self::Prompt => vec![task.prompt_with_context()],
        }
    }
}

impl<M: ModelFields> NodeSpec<M> {
    /// The kinds of nodes.
    pub const KINDS: [&str; 3] = ["decoder", "lead", "keyword"];

    /// Takes the fields of a node of `kind`.
    ///
    /// # Errors
    /// For an unknown kind, a field that is absent or of another type, and values that no answer comes of, with the
    /// field's name.
    pub fn from_fields(kind: &str, fields: &mut Fields) -> Result<Self, String> {
        match kind {
            "decoder" => DecoderSpec::from_fields(fields).map(Self::Decoder),
            "lead" => Ok(Self::Lead),
            "keyword" => Ok(Self::Keyword),
            other => Err(unknown_word("kind", other, &Self::KINDS)),
        }
    }
}

impl<M: ModelFields> DecoderSpec<M> {
    fn from_fields(fields: &mut Fields) -> Result<Self, String> {
        let spec = Self {
            model: M::from_fields(fields)?,
            temperature: fields.optional("temperature")?,
            seed: fields.optional("seed")?,
            layers: fields.optional("layers")?,
            max_tokens: fields.optional("max_tokens")?,
            templates: fields.optional("templates")?,
            stop: fields.optional("stop")?,
        };
        if spec.stop.iter().any(String::is_empty) {
            return Err("`stop`: an empty text; allowed: texts with a character".to_owned());
        }
        if !spec.temperature.is_finite() || spec.temperature < 0.0 {
            return Err(format!("`temperature`: {}; allowed: a finite number, 0 or more", spec.temperature));
        }
        if spec.max_tokens.values().any(|&tokens| tokens == 0) {
            return Err("`max_tokens`: 0; allowed: 1 or more".to_owned());
        }
        Ok(spec)
    }
}

impl<M> DecoderSpec<M> {
    /// What it says beside its model.
    #[must_use]
    pub fn settings(&self) -> DecoderSpec<()> {
        self.with_model(())
    }

    fn with_model<N>(&self, model: N) -> DecoderSpec<N> {
        DecoderSpec {
            model,
            temperature: self.temperature,
            seed: self.seed,
            layers: self.layers,
            max_tokens: self.max_tokens.clone(),
            templates: self.templates.clone(),
            stop: self.stop.clone(),
        }
    }

    /// Tokens of an answer to a task of `kind` at most.
    #[must_use]
    pub fn max_tokens(&self, kind: TaskKind) -> usize {
        self.max_tokens.get(&kind).copied().unwrap_or(DEFAULT_MAX_TOKENS)
    }
}

impl<M> NodeSpec<M> {
    /// The kind of node in a manifest.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Decoder(_) => "decoder",
            Self::Lead | Self::Keyword => "extractive",
        }
    }

    /// The same with its model named by what `name` makes of it.
    ///
    /// # Errors
    /// Those of `name`.
    pub fn with_model<N, E>(&self, name: impl FnOnce(&M) -> Result<N, E>) -> Result<NodeSpec<N>, E> {
        Ok(match self {
            Self::Decoder(decoder) => NodeSpec::Decoder(decoder.with_model(name(&decoder.model)?)),
            Self::Lead => NodeSpec::Lead,
            Self::Keyword => NodeSpec::Keyword,
        })
    }
}

impl<M: ModelFields> EvaluatorSpec<M> {
    /// The kinds of evaluators.
    pub const KINDS: [&str; 6] = ["bi_encoder", "cross_encoder", "llm_judge", "rouge_l", "chrf", "structure"];

    /// Takes the fields of an evaluator of `kind`.
    ///
    /// # Errors
    /// For an unknown kind, a field that is absent or of another type, and a judge that is not shown the answer.
    pub fn from_fields(kind: &str, fields: &mut Fields) -> Result<Self, String> {
        Ok(match kind {
            "bi_encoder" => Self::BiEncoder { model: M::from_fields(fields)?, against: fields.required("against")? },
            "cross_encoder" => {
                Self::CrossEncoder { model: M::from_fields(fields)?, against: fields.required("against")? }
            }
            "llm_judge" => {
                let (model, template) = (M::from_fields(fields)?, fields.required::<String>("template")?);
                if !template.contains(JUDGE_MUST_SHOW) {
                    return Err(format!("`template`: it shows no {JUDGE_MUST_SHOW}, which is to be rated"));
                }
                Self::LlmJudge { model, template }
            }
            "rouge_l" => Self::RougeL,
            "chrf" => Self::Chrf,
            "structure" => Self::Structure,
            other => return Err(unknown_word("kind", other, &Self::KINDS)),
        })
    }
}

impl<M> EvaluatorSpec<M> {
    /// The kind of evaluator in a manifest, if it takes part in consensus.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BiEncoder { .. } => "bi_encoder",
            Self::CrossEncoder { .. } => "cross_encoder",
            Self::LlmJudge { .. } => "llm_judge",
            Self::RougeL => "rouge_l",
            Self::Chrf => "chrf",
            Self::Structure => "structure",
        }
    }

    /// The model, where it has one.
    #[must_use]
    pub fn model_mut(&mut self) -> Option<&mut M> {
        match self {
            Self::BiEncoder { model, .. } | Self::CrossEncoder { model, .. } | Self::LlmJudge { model, .. } => {
                Some(model)
            }
            Self::RougeL | Self::Chrf | Self::Structure => None,
        }
    }

    /// The same with its model named by what `name` makes of it.
    ///
    /// # Errors
    /// Those of `name`.
    pub fn with_model<N, E>(&self, name: impl FnOnce(&M) -> Result<N, E>) -> Result<EvaluatorSpec<N>, E> {
        Ok(match self {
            Self::BiEncoder { model, against } => EvaluatorSpec::BiEncoder { model: name(model)?, against: *against },
            Self::CrossEncoder { model, against } => {
                EvaluatorSpec::CrossEncoder { model: name(model)?, against: *against }
            }
            Self::LlmJudge { model, template } => {
                EvaluatorSpec::LlmJudge { model: name(model)?, template: template.clone() }
            }
            Self::RougeL => EvaluatorSpec::RougeL,
            Self::Chrf => EvaluatorSpec::Chrf,
            Self::Structure => EvaluatorSpec::Structure,
        })
    }
}

impl NodeSpec {
    /// What the manifest says of an inference node; none where it does not say how it answered.
    ///
    /// # Errors
    /// For a spec with a field that is unknown, absent or of another type.
    pub fn of(entry: &NodeEntry) -> Result<Option<Self>, String> {
        match &entry.spec {
            Some(spec) => read(spec, Self::from_fields).map(Some),
            None => Ok(schema_1::node(entry)),
        }
    }

    /// As a manifest holds it.
    #[must_use]
    pub fn to_manifest(&self) -> dataset::Spec {
        written(self)
    }
}

impl EvaluatorSpec {
    /// What the manifest says of an evaluator or judge; none where it does not say how it scored.
    ///
    /// # Errors
    /// For a spec with a field that is unknown, absent or of another type.
    pub fn of(entry: &EvaluatorEntry) -> Result<Option<Self>, String> {
        match &entry.spec {
            Some(spec) => read(spec, Self::from_fields).map(Some),
            None => Ok(schema_1::evaluator(entry)),
        }
    }

    /// As a manifest holds it.
    #[must_use]
    pub fn to_manifest(&self) -> dataset::Spec {
        written(self)
    }
}

fn read<T>(spec: &dataset::Spec, from_fields: fn(&str, &mut Fields) -> Result<T, String>) -> Result<T, String> {
    let mut fields = Fields::new(spec.clone());
    let kind: String = fields.required("kind")?;
    let read = from_fields(&kind, &mut fields)?;
    fields.finish()?;
    Ok(read)
}

fn written(spec: &impl Serialize) -> dataset::Spec {
    match serde_json::to_value(spec).expect("plain data") {
        serde_json::Value::Object(fields) => fields,
        other => unreachable!("a spec is an object, not {other}"),
    }
}

#[cfg(test)]
mod tests;
