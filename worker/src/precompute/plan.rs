//! PLAN.toml: which models run over which tasks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use poq_core::dataset::{EvaluatorEntry, JUDGE, NodeEntry, Task, TaskKind};
use poq_core::fields::{self, Fields, unknown_word};
use poq_core::json;
use poq_core::score::ScoreNormalization;
use serde::{Deserialize, Deserializer, Serialize};

use super::beside::{Beside, ModelName};
use crate::fault::{Blame as _, Fault, Outcome};
use crate::{corpus, text};

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
#[derive(Debug, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NodeKind {
    /// A decoder from a GGUF file.
    Decoder {
        /// Name, file or folder of the model.
        model: ModelName,
        /// 0 is greedy.
        temperature: f32,
        /// Seed of the draws; task n (from 0) uses seed + n.
        seed: u64,
        /// Only the first so many layers.
        #[serde(skip_serializing_if = "Option::is_none")]
        layers: Option<usize>,
        /// Tokens at most, by kind of task.
        max_tokens: BTreeMap<TaskKind, usize>,
        /// What this node is asked, where not by the plan's templates.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        templates: BTreeMap<TaskKind, String>,
        /// Texts that end an answer, and are no part of it; for base models, which go on.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        stop: Vec<String>,
    },
    /// The first sentences of the context.
    Lead,
    /// What the prompt's keywords point at in the context.
    Keyword,
}

/// An evaluator.
#[derive(Debug, Serialize)]
pub struct EvaluatorPlan {
    /// Stable id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// How its raw value becomes a score.
    pub normalization: ScoreNormalization,
    /// How it judges.
    #[serde(flatten)]
    pub kind: EvaluatorKind,
}

/// How an evaluator judges.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EvaluatorKind {
    /// Cosine of sentence embeddings.
    BiEncoder {
        /// Name or folder of the model.
        model: ModelName,
        /// What the answer is compared with.
        against: Against,
    },
    /// A classifier of pairs of texts: what the answer is judged by, and the answer.
    CrossEncoder {
        /// Name or folder of the model.
        model: ModelName,
        /// What the answer is judged by.
        against: Against,
    },
    /// A decoder that is shown the task and the answer, and rates it by a number from 0 to 9.
    LlmJudge {
        /// Name, file or folder of the model.
        model: ModelName,
        /// What it is shown: `{answer}`, and `{prompt}`, `{context}`, `{reference}` where they stand in it.
        template: String,
        /// Whether its scores stand beside truth, and take no part in consensus.
        is_beside: bool,
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

const DEFAULT_MAX_TOKENS: usize = 128;

impl<'de> Deserialize<'de> for NodePlan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fields::read(deserializer, Self::from_fields)
    }
}

impl NodePlan {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let (id, name) = (fields.required("id")?, fields.required("name")?);
        let kind: String = fields.required("kind")?;
        let kind = match kind.as_str() {
            "decoder" => NodeKind::Decoder {
                model: fields.required("model")?,
                temperature: fields.optional("temperature")?,
                seed: fields.optional("seed")?,
                layers: fields.optional("layers")?,
                max_tokens: fields.optional("max_tokens")?,
                templates: fields.optional("templates")?,
                stop: fields.optional("stop")?,
            },
            "lead" => NodeKind::Lead,
            "keyword" => NodeKind::Keyword,
            other => return Err(unknown_word("kind", other, &["decoder", "lead", "keyword"])),
        };
        fields.finish()?;
        Ok(Self { id, name, kind })
    }
}

impl<'de> Deserialize<'de> for EvaluatorPlan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fields::read(deserializer, Self::from_fields)
    }
}

impl EvaluatorPlan {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let (id, name) = (fields.required("id")?, fields.required("name")?);
        let normalization: Option<ScoreNormalization> = fields.optional("normalization")?;
        let kind: String = fields.required("kind")?;
        let kind = match kind.as_str() {
            "bi_encoder" => {
                EvaluatorKind::BiEncoder { model: fields.required("model")?, against: fields.required("against")? }
            }
            "cross_encoder" => {
                EvaluatorKind::CrossEncoder { model: fields.required("model")?, against: fields.required("against")? }
            }
            "llm_judge" | JUDGE => EvaluatorKind::LlmJudge {
                model: fields.required("model")?,
                template: fields.required("template")?,
                is_beside: kind == JUDGE,
            },
            "rouge_l" => EvaluatorKind::RougeL,
            "chrf" => EvaluatorKind::Chrf,
            "structure" => EvaluatorKind::Structure,
            other => {
                let known = ["bi_encoder", "cross_encoder", "llm_judge", "rouge_l", "chrf", "structure", JUDGE];
                return Err(unknown_word("kind", other, &known));
            }
        };
        if let EvaluatorKind::LlmJudge { template, .. } = &kind
            && !template.contains("{answer}")
        {
            return Err("`template`: it shows no {answer}, which is to be rated".to_owned());
        }
        let normalization = normalization.unwrap_or(match kind {
            EvaluatorKind::LlmJudge { .. } => ScoreNormalization::Ten,
            _ => ScoreNormalization::Unit,
        });
        fields.finish()?;
        Ok(Self { id, name, normalization, kind })
    }
}

/// The plan in a TOML text. It is read as the same JSON, so that its faults have paths.
fn parse(text: &str) -> Outcome<Plan> {
    let table: toml::Table = toml::from_str(text).map_err(|error| Fault::input(error.to_string().trim_end()))?;
    let whole = serde_json::to_vec(&table).input("it has no JSON form")?;
    json::parse(&whole).map_err(|fault| {
        let line = line_of(text, &fault.path).map(|line| format!(" (line {line})")).unwrap_or_default();
        match fault.path.as_str() {
            json::WHOLE => Fault::input(fault.message),
            path => Fault::input(format!("field `{path}`{line}: {}", fault.message)),
        }
    })
}

/// The line, from 1, at which the table of a list begins that a path such as `evaluators[1].kind` leads to.
fn line_of(text: &str, path: &str) -> Option<usize> {
    let (list, rest) = path.split_once('[')?;
    let index: usize = rest.split_once(']')?.0.parse().ok()?;
    let head = format!("[[{list}]]");
    let lines =
        text.lines().enumerate().filter(|(_, line)| line.split('#').next().is_some_and(|line| line.trim() == head));
    lines.map(|(line, _)| line + 1).nth(index)
}

impl Plan {
    /// Reads a plan and its tasks.
    pub fn read(path: &Path) -> Outcome<(Self, Vec<Task>)> {
        let named = |fault| match fault {
            Fault::Input(error) => Fault::Input(error.context(path.display().to_string())),
            other => other,
        };
        let mut plan = parse(&text::read(path)?).map_err(named)?;
        let beside = Beside(path.parent().unwrap_or(Path::new(".")));
        let mut tasks = Vec::new();
        for (index, Corpus { path, limit }) in plan.tasks.iter().enumerate() {
            let path = beside.file(&format!("tasks[{index}].path"), path).map_err(named)?;
            tasks.extend(corpus::read(&path, *limit)?);
        }
        plan.check(&tasks).map_err(named)?;
        for (index, node) in plan.inference_nodes.iter_mut().enumerate() {
            if let NodeKind::Decoder { model, .. } = &mut node.kind {
                beside.find(&format!("inference_nodes[{index}].model"), model).map_err(named)?;
            }
        }
        for (index, evaluator) in plan.evaluators.iter_mut().enumerate() {
            evaluator.find_model(&beside, index).map_err(named)?;
        }
        Ok((plan, tasks))
    }

    /// One evaluator of a plan, whose tasks and nodes need not be there.
    pub fn read_evaluator(path: &Path, id: &str) -> Outcome<EvaluatorPlan> {
        let named = |fault: Fault| fault.of(path.display());
        let plan = parse(&text::read(path)?).map_err(named)?;
        let ids: Vec<String> = plan.evaluators.iter().map(|evaluator| format!("`{}`", evaluator.id)).collect();
        let Some(index) = plan.evaluators.iter().position(|evaluator| evaluator.id == id) else {
            let message = format!("{}: there is no evaluator `{id}`; allowed: {}", path.display(), ids.join(", "));
            return Err(Fault::input(json::with_nearest(&message)));
        };
        let mut evaluator = plan.evaluators.into_iter().nth(index).expect("found");
        let beside = Beside(path.parent().unwrap_or(Path::new(".")));
        evaluator.find_model(&beside, index).map_err(named)?;
        Ok(evaluator)
    }

    fn check(&self, tasks: &[Task]) -> Outcome {
        if tasks.is_empty() {
            return Err(Fault::input("field `tasks`: no task; allowed: at least one"));
        }
        corpus::check_ids(tasks)?;
        check_unique("inference_nodes", self.inference_nodes.iter().map(|node| node.id.as_str()))?;
        check_unique("evaluators", self.evaluators.iter().map(|evaluator| evaluator.id.as_str()))?;
        for node in &self.inference_nodes {
            if let NodeKind::Decoder { max_tokens, temperature, stop, .. } = &node.kind {
                if stop.iter().any(String::is_empty) {
                    return Err(Fault::input(format!("inference node `{}`: `stop`: an empty text", node.id)));
                }
                let bad_temperature = !temperature.is_finite() || *temperature < 0.0;
                if bad_temperature || max_tokens.values().any(|&tokens| tokens == 0) {
                    let message = "`temperature` must be a finite number, 0 or more, and `max_tokens` 1 or more";
                    return Err(Fault::input(format!("inference node `{}`: {message}", node.id)));
                }
            }
        }
        Ok(())
    }

    /// What a decoder is asked for `task`: by the node's own templates, else by the plan's.
    pub fn request(&self, node: &NodeKind, task: &Task) -> String {
        let default = match task.kind {
            TaskKind::Qa => {
                "Answer the question with a few words taken from the passage.\n\nPassage: {context}\n\nQuestion: {prompt}"
            }
            TaskKind::Summarization => "{prompt}\n\n{context}",
        };
        let own = match node {
            NodeKind::Decoder { templates, .. } => templates.get(&task.kind),
            NodeKind::Lead | NodeKind::Keyword => None,
        };
        let template = own.or_else(|| self.templates.get(&task.kind)).map_or(default, String::as_str);
        filled(template, &[("{prompt}", &task.prompt), ("{context}", task.context.as_deref().unwrap_or_default())])
    }
}

/// A template with each place that `texts` name filled. One pass, so that a text that holds `{context}` itself is left
/// alone.
fn filled(template: &str, texts: &[(&str, &str)]) -> String {
    let mut whole = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        whole.push_str(&rest[..at]);
        rest = &rest[at..];
        let (text, tail) = texts
            .iter()
            .find_map(|(place, text)| Some((*text, rest.strip_prefix(place)?)))
            .unwrap_or_else(|| rest.split_at(1));
        whole.push_str(text);
        rest = tail;
    }
    whole.push_str(rest);
    whole
}

impl EvaluatorKind {
    /// What a judge is shown of a task and an answer to it.
    pub fn shown(template: &str, task: &Task, answer: &str) -> String {
        let references = task.references.join(" / ");
        let context = task.context.as_deref().unwrap_or_default();
        let texts =
            [("{prompt}", &task.prompt), ("{reference}", &references)].map(|(place, text)| (place, text.as_str()));
        filled(template, &[&texts[..], &[("{context}", context), ("{answer}", answer)]].concat())
    }
}

fn check_unique<'a>(field: &str, ids: impl Iterator<Item = &'a str>) -> Outcome {
    let mut seen = Vec::new();
    for id in ids {
        if id.is_empty() || seen.contains(&id) {
            return Err(Fault::input(format!("field `{field}`: the id `{id}` is empty or stands twice")));
        }
        // Instances of one recorded node are called `id#1`, `id#2`, ...
        if let Some((before, number)) = id.rsplit_once('#')
            && !before.is_empty()
            && !number.is_empty()
            && number.bytes().all(|digit| digit.is_ascii_digit())
        {
            return Err(Fault::input(format!(
                "field `{field}`: the id `{id}` is one that an instance of `{before}` takes; allowed: an id that does not end \
                 in # and a number"
            )));
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
    fn find_model(&mut self, beside: &Beside<'_>, index: usize) -> Outcome {
        match &mut self.kind {
            EvaluatorKind::BiEncoder { model, .. }
            | EvaluatorKind::CrossEncoder { model, .. }
            | EvaluatorKind::LlmJudge { model, .. } => beside.find(&format!("evaluators[{index}].model"), model),
            EvaluatorKind::RougeL | EvaluatorKind::Chrf | EvaluatorKind::Structure => Ok(()),
        }
    }

    /// The manifest's entry; `model` names the weights with their hash.
    pub fn entry(&self, model: Option<String>) -> EvaluatorEntry {
        let kind = match self.kind {
            EvaluatorKind::BiEncoder { .. } => "bi_encoder",
            EvaluatorKind::CrossEncoder { .. } => "cross_encoder",
            EvaluatorKind::LlmJudge { is_beside: true, .. } => JUDGE,
            EvaluatorKind::LlmJudge { is_beside: false, .. } => "llm_judge",
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
        let plan = parse(
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
        assert_eq!(plan.request(&NodeKind::Lead, &task), "why {context}? | because | {other}");
        let text = r#"{"id": "a", "name": "A", "kind": "decoder", "model": "m", "templates": {"qa": "Q: {prompt}"}}"#;
        let own: NodePlan = json::parse(text.as_bytes()).expect("a node");
        assert_eq!(plan.request(&own.kind, &task), "Q: why {context}?");
    }

    const PLAN: &str = r#"
id = "x"
licences = "none"
tasks = []
[[inference_nodes]] # the first
id = "a"
name = "A"
kind = "lead"
[[inference_nodes]]
id = "b"
name = "B"
kind = "decoder"
model = "m"
layers = 2.0
max_tokens = { qa = 8.0 }
[[evaluators]]
id = "c"
name = "C"
kind = "structure"
"#;

    fn error(text: &str) -> String {
        parse(text).expect_err("must be refused").to_string()
    }

    #[test]
    fn whole_floats_are_read() {
        let plan = parse(PLAN).unwrap_or_else(|fault| panic!("{fault}"));
        let NodeKind::Decoder { layers, max_tokens, .. } = &plan.inference_nodes[1].kind else { panic!("a decoder") };
        assert_eq!((*layers, max_tokens[&TaskKind::Qa]), (Some(2), 8));
        assert!(error(&PLAN.replace("2.0", "2.5")).contains("`layers`: `2.5`; allowed: a whole number"));
    }

    #[test]
    fn an_unknown_key_is_refused_in_every_table() {
        let misspelt = |after: &str, line: &str, parts: &[&str]| {
            let error = error(&PLAN.replacen(after, &format!("{after}\n{line}"), 1));
            for part in parts {
                assert!(error.contains(part), "no {part} in: {error}");
            }
        };
        let near = "did you mean `normalization`?";
        misspelt("kind = \"structure\"", "normalisation = \"min_max\"", &["`evaluators[0]` (line 16)", near]);
        for kind in ["rouge_l", "chrf"] {
            let text = PLAN.replace("structure", kind) + "normalisation = \"min_max\"";
            assert!(error(&text).contains(near));
        }
        misspelt("kind = \"lead\"", "model = \"m\"", &["`inference_nodes[0]` (line 5)", "unknown field `model`"]);
        misspelt("kind = \"decoder\"", "temprature = 1", &["`inference_nodes[1]` (line 9)", "`temperature`?"]);
        misspelt("licences = \"none\"", "licence = \"none\"", &["unknown field `licence`", "`licences`?"]);
        misspelt("kind = \"lead\"", "kind = \"keyword\"", &["duplicate key"]);
        assert!(
            error(&PLAN.replace("\"structure\"", "\"struct\"")).contains("unknown kind `struct`; allowed: bi_encoder")
        );
        assert!(error(&PLAN.replace("\"structure\"", "\"structur\"")).contains("did you mean `structure`?"));
    }

    #[test]
    fn ids_of_instances_are_refused() {
        let refused = |id: &str| check_unique("f", [id, "lead"].into_iter()).is_err();
        assert!(refused("lead#1") && refused("other#12") && refused("#a#3"));
        assert!(!refused("lead#") && !refused("#1") && !refused("c#x") && !refused("lead#1a"));
    }
}
