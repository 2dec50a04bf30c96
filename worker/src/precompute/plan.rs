//! PLAN.toml: which models run over which tasks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use poq_core::dataset::{EvaluatorEntry, JUDGE, NodeEntry, Task, TaskKind};
use poq_core::fields::{self, Fields, unknown_word};
use poq_core::json;
use poq_core::score::ScoreNormalization;
use poq_pipeline::spec::{EvaluatorSpec, ModelFile, NodeSpec};
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
    /// Whether a scenario that names no inference node has it.
    pub in_default_network: bool,
    /// How it answers.
    #[serde(flatten)]
    pub spec: NodeSpec<ModelName>,
}

/// An evaluator, or a judge.
#[derive(Debug, Serialize)]
pub struct EvaluatorPlan {
    /// Stable id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// How its raw value becomes a score.
    pub normalization: ScoreNormalization,
    /// Whether its scores stand beside truth, and take no part in consensus.
    pub is_judge: bool,
    /// How it scores.
    #[serde(flatten)]
    pub spec: EvaluatorSpec<ModelName>,
}

impl<'de> Deserialize<'de> for NodePlan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fields::read(deserializer, Self::from_fields)
    }
}

impl NodePlan {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let (id, name) = (fields.required("id")?, fields.required("name")?);
        let in_default_network = fields.optional::<Option<bool>>("in_default_network")?.unwrap_or(true);
        let kind: String = fields.required("kind")?;
        let spec = NodeSpec::from_fields(&kind, &mut fields)?;
        fields.finish()?;
        Ok(Self { id, name, in_default_network, spec })
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
        let is_judge = kind == JUDGE;
        let kinds = EvaluatorSpec::<ModelName>::KINDS;
        if !is_judge && !kinds.contains(&kind.as_str()) {
            return Err(unknown_word("kind", &kind, &[&kinds[..], &[JUDGE]].concat()));
        }
        let spec = EvaluatorSpec::from_fields(if is_judge { "llm_judge" } else { &kind }, &mut fields)?;
        let normalization = normalization.unwrap_or(match spec {
            EvaluatorSpec::LlmJudge { .. } => ScoreNormalization::Ten,
            _ => ScoreNormalization::Unit,
        });
        fields.finish()?;
        Ok(Self { id, name, normalization, is_judge, spec })
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
    /// Reads a plan and its tasks. Models are looked for where the inference node or the evaluator with that id is
    /// asked for.
    pub fn read(
        path: &Path,
        node_is_asked: &dyn Fn(&str) -> bool,
        evaluator_is_asked: &dyn Fn(&str) -> bool,
    ) -> Outcome<(Self, Vec<Task>)> {
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
            if let NodeSpec::Decoder(decoder) = &mut node.spec {
                let field = format!("inference_nodes[{index}].model");
                if node_is_asked(&node.id) {
                    beside.find(&field, &mut decoder.model).map_err(named)?;
                }
                decoder.complete(&plan.templates);
            }
        }
        for (index, evaluator) in plan.evaluators.iter_mut().enumerate().filter(|(_, of)| evaluator_is_asked(&of.id)) {
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
            let message = format!("{}: unknown evaluator `{id}`; allowed: {}", path.display(), ids.join(", "));
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
        Ok(())
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
    /// The manifest's entry; `name` names a model by its file.
    pub fn entry(&self, name: impl FnOnce(&ModelName) -> Outcome<ModelFile>) -> Outcome<NodeEntry> {
        let spec = self.spec.with_model(name)?;
        let (id, name, kind) = (self.id.clone(), self.name.clone(), spec.kind().to_owned());
        let in_default_network = self.in_default_network;
        Ok(NodeEntry { id, name, kind, model: None, spec: Some(spec.to_manifest()), in_default_network })
    }
}

impl EvaluatorPlan {
    fn find_model(&mut self, beside: &Beside<'_>, index: usize) -> Outcome {
        match self.spec.model_mut() {
            Some(model) => beside.find(&format!("evaluators[{index}].model"), model),
            None => Ok(()),
        }
    }

    /// The manifest's entry; `name` names a model by its file.
    pub fn entry(&self, name: impl FnOnce(&ModelName) -> Outcome<ModelFile>) -> Outcome<EvaluatorEntry> {
        let spec = self.spec.with_model(name)?;
        let kind = if self.is_judge { JUDGE } else { spec.kind() };
        Ok(EvaluatorEntry {
            id: self.id.clone(),
            name: self.name.clone(),
            kind: kind.to_owned(),
            normalization: self.normalization,
            model: None,
            spec: Some(spec.to_manifest()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let NodeSpec::Decoder(decoder) = &plan.inference_nodes[1].spec else { panic!("a decoder") };
        assert_eq!((decoder.layers, decoder.max_tokens(TaskKind::Qa)), (Some(2), 8));
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
