//! The messages between the page and its simulation worker: one enum each way.

use poq_core::attack::Role;
use poq_core::dataset::{AddedEvaluator, Dataset, JUDGE, ON_DEVICE, Shipped};
use poq_core::report::{AttackerReport, Brief, DatasetName, NodeReport};
use poq_core::round::OpenedRound;
use poq_core::scenario::ScenarioError;
use poq_core::score::ScoreNormalization;
use poq_core::without::PromptDegrees;
use poq_core::{Report, Scenario};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::format;

/// The dataset that scenarios run on whose preset has none of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// One of those beside the page.
    pub dataset: Shipped,
    /// The evaluator that it has besides: one that ran on this device.
    pub evaluator: Option<Box<AddedEvaluator>>,
}

/// From the page to the worker, which reads the newest dataset beside it without being asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// This dataset is chosen from now on. Where it is another one, what runs is dropped.
    Choose(Chosen),
    /// Write down the chosen dataset as it is with the evaluator of this device.
    WriteDataset,
    /// Run a scenario. It replaces the run before it.
    Run {
        /// Names the run in answers.
        id: u32,
        /// What to run.
        scenario: Box<Scenario>,
    },
    /// Stop that run and report what it has.
    Cancel {
        /// The run.
        id: u32,
    },
    /// Open one round. It replaces the opening before it.
    OpenRound {
        /// The scenario whose round it is.
        scenario: Box<Scenario>,
        /// Number of the round, from 0.
        number: u64,
    },
    /// Run a scenario to its end for its digest alone, beside any other run.
    Digest {
        /// Names the question in the answer.
        token: u32,
        /// The scenario: fields that differ from its preset.
        scenario_json: String,
    },
    /// Get ready for the items of some work. It replaces the work before it, whose items are dropped.
    Prepare {
        /// Names the work in answers.
        job: u32,
        /// What the items are.
        work: Box<Work>,
    },
    /// Run these items of the work, after those asked for before.
    Items {
        /// The work.
        job: u32,
        /// Numbers of the items.
        items: Vec<u32>,
    },
    /// Drop the work.
    Stop,
}

/// Many runs of which a digest each is wanted. Its items are, in this order: the cells of the grid of the first
/// scenario over the axes, where there are axes; then each scenario as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// The scenarios: fields that differ from their presets.
    pub scenarios: Vec<Value>,
    /// Axes as path and values; the last moves fastest.
    pub axes: Vec<(String, Vec<Value>)>,
    /// Runs on other random numbers that repeat an item whose past decides its path.
    pub replicates: u32,
    /// The dataset.
    pub chosen: Chosen,
}

impl Work {
    /// The preset of its scenarios, which says what dataset they run on.
    #[must_use]
    pub fn preset(&self) -> &str {
        let named = self.scenarios.first().and_then(|scenario| scenario.get("preset"));
        named.and_then(Value::as_str).unwrap_or(poq_core::preset::DEFAULT)
    }
}

/// From the worker to the page.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// The worker listens.
    Ready,
    /// The dataset is read.
    Loaded(Summary),
    /// How far a run is.
    Progress {
        /// The run.
        id: u32,
        /// Rounds done.
        rounds_done: u64,
        /// The result so far, sent now and then.
        report: Option<Box<Report>>,
    },
    /// A run ended.
    Done {
        /// The run.
        id: u32,
        /// Its result.
        report: Box<Report>,
        /// Whether it was stopped before its last round.
        cancelled: bool,
        /// Computing time in milliseconds; never part of the result.
        elapsed_ms: f64,
    },
    /// The dataset is written down.
    Written(Box<Written>),
    /// A round is opened.
    Round(Box<OpenedRound>),
    /// Answer to a question for a digest.
    Digest {
        /// The question.
        token: u32,
        /// The digest, or what is wrong with the scenario.
        outcome: Result<String, String>,
    },
    /// Items of some work that are done since the last such message.
    Items {
        /// The work.
        job: u32,
        /// The nodes of these items' networks.
        roster: Roster,
        /// The items.
        items: Vec<Item>,
    },
    /// Something could not be done.
    Failed(Failure),
}

/// The files of a dataset with one evaluator more that differ from those beside the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// `manifest.json`
    pub manifest: String,
    /// `scores.jsonl`
    pub scores: String,
}

/// The nodes of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Id and recorded node of each inference node, in the network's order.
    pub inference: Vec<(String, String)>,
    /// The same for evaluators.
    pub evaluators: Vec<(String, String)>,
}

/// What is kept of one item: a few figures of its [`Brief`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its number in the work.
    pub item: u32,
    /// Path and words of what its scenario cannot be; the figures are then empty.
    pub fault: Option<(String, String)>,
    /// How surely the inference node with the largest mean leads over all draws; none where that is not known.
    pub chance: Option<f64>,
    /// Mean reward of each node of the roster, inference first.
    pub means: Vec<Option<f64>>,
    /// Share of each one's rewards that are below 0.
    pub negative: Vec<Option<f64>>,
    /// Attackers by their place in the roster, evaluators after inference nodes, with what the attack gains each.
    pub gains: Vec<(u32, Option<f64>)>,
    /// Pearson correlation of consensus with truth.
    pub pearson: Option<f64>,
    /// Kendall's tau-b of mean reward with truth per millisecond.
    pub kendall: Option<f64>,
}

impl Roster {
    /// The nodes of a result.
    #[must_use]
    pub fn of(brief: &Brief) -> Self {
        let names = |nodes: &[NodeReport]| nodes.iter().map(|node| (node.id.clone(), node.model.clone())).collect();
        Self { inference: names(&brief.inference_nodes), evaluators: names(&brief.evaluator_nodes) }
    }
}

impl Item {
    /// What is kept of a result.
    #[must_use]
    pub fn of(item: u32, brief: &Brief) -> Self {
        let nodes = || brief.inference_nodes.iter().chain(&brief.evaluator_nodes);
        let place = |attacker: &AttackerReport| {
            let is_it = |node: &NodeReport| node.id == attacker.id;
            let found = match attacker.role {
                Role::Inference => brief.inference_nodes.iter().position(is_it),
                Role::Evaluator => {
                    brief.evaluator_nodes.iter().position(is_it).map(|at| at + brief.inference_nodes.len())
                }
            };
            found.map(|at| (at as u32, attacker.gain_mean))
        };
        Self {
            item,
            fault: None,
            chance: brief.leader.as_ref().and_then(|leader| leader.chance_draws),
            means: nodes().map(|node| node.reward_mean).collect(),
            negative: nodes().map(|node| node.negative_share).collect(),
            gains: brief.attackers.iter().filter_map(place).collect(),
            pearson: brief.pearson_consensus_truth,
            kendall: brief.kendall_reward_efficiency,
        }
    }

    /// An item whose scenario cannot be run.
    #[must_use]
    pub fn refused(item: u32, error: ScenarioError) -> Self {
        Self { item, fault: Some((error.path, error.message)), ..Self::default() }
    }
}

/// What could not be done, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What it was.
    pub part: Part,
    /// Why, in words.
    pub message: String,
}

/// A part of the worker's work that can fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Fetching or reading the dataset.
    Dataset,
    /// An evaluator that was to be added to it.
    Evaluator,
    /// A run: its scenario does not fit.
    Run {
        /// The run.
        id: u32,
        /// Path of the scenario's field.
        path: String,
    },
    /// Opening a round.
    Round,
    /// The worker itself.
    Worker,
}

/// What the page knows of the dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Id and hash.
    pub name: DatasetName,
    /// Tasks of each kind: question answering, summarisation.
    pub tasks: [u64; 2],
    /// Degrees of freedom of what its groups of prompts tell.
    pub degrees: PromptDegrees,
    /// Recorded inference nodes.
    pub inference: Vec<NodeSummary>,
    /// Recorded evaluators that take part in consensus.
    pub evaluators: Vec<NodeSummary>,
    /// What the latencies were measured on.
    pub hardware: String,
    /// Licences of the texts and models.
    pub licences: String,
    /// How the dataset was made.
    pub made_by: String,
}

/// A recorded node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSummary {
    /// Stable id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Kind, such as `decoder` or `bi_encoder`.
    pub kind: String,
    /// The model behind it.
    pub model: Option<String>,
    /// Whether a scenario that names no node has it.
    pub in_default_network: bool,
    /// An evaluator's normalisation in the manifest.
    pub normalization: Option<ScoreNormalization>,
}

/// A message as it is posted: JSON text, which keeps every number to the bit and is read faster than a JavaScript
/// object is taken apart.
///
/// # Errors
/// None for the messages of this module; their types cannot say so.
pub fn encode<T: Serialize>(message: &T) -> Result<String, String> {
    serde_json::to_string(message).map_err(|error| error.to_string())
}

/// The message in a posted text.
///
/// # Errors
/// For what is not such a message, as from a worker of another version; in its own words where `worker.js` says that it
/// could not start its program.
pub fn decode<T: DeserializeOwned>(text: Option<String>) -> Result<T, String> {
    let text = text.unwrap_or_default();
    if let Some(words) = text.strip_prefix(NOT_STARTED) {
        return Err(words.to_owned());
    }
    let other = "page and worker are of different versions; reload the page, without the browser’s cache";
    serde_json::from_str(&text).map_err(|_| other.to_owned())
}

/// What `static/page/worker.js` puts before the reason why it could not start its program.
const NOT_STARTED: char = '!';
/// What it posts while the server still builds that program.
pub const IS_BUILT: &str = "building";

impl Summary {
    /// The summary of a dataset.
    #[must_use]
    pub fn of(dataset: &Dataset) -> Self {
        let manifest = &dataset.manifest;
        let tasks = poq_core::dataset::TaskKind::ALL
            .map(|kind| dataset.tasks.iter().filter(|task| task.kind == kind).count() as u64);
        let inference = manifest.inference_nodes.iter().map(|entry| NodeSummary {
            id: entry.id.clone(),
            name: entry.name.clone(),
            kind: entry.kind.clone(),
            model: entry.model_in_words(),
            in_default_network: entry.in_default_network,
            normalization: None,
        });
        let paid = manifest.evaluators.iter().filter(|entry| entry.kind != JUDGE);
        let evaluators = paid.map(|entry| NodeSummary {
            id: entry.id.clone(),
            name: entry.name.clone(),
            kind: entry.kind.clone(),
            model: entry.model_in_words(),
            in_default_network: true,
            normalization: Some(entry.normalization),
        });
        Self {
            name: DatasetName { id: manifest.id.clone(), hash: dataset.hash.clone() },
            tasks,
            degrees: PromptDegrees::of(dataset),
            inference: inference.collect(),
            evaluators: evaluators.collect(),
            hardware: manifest.hardware.clone(),
            licences: manifest.licences.clone(),
            made_by: manifest.made_by.clone(),
        }
    }

    /// How many inference nodes and evaluators a network has whose scenario names none.
    #[must_use]
    pub fn by_default(&self) -> [usize; 2] {
        [&self.inference, &self.evaluators].map(|nodes| nodes.iter().filter(|node| node.in_default_network).count())
    }

    /// Whether it has an evaluator of this device, and so is no dataset that others have.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.evaluators.iter().any(|node| node.id.ends_with(ON_DEVICE))
    }

    /// The name for people of a recorded node; its id where the dataset has none.
    #[must_use]
    pub fn name_of(&self, id: &str) -> String {
        let named = self.inference.iter().chain(&self.evaluators).find(|node| node.id == id);
        named.map_or(id, |node| if node.name.is_empty() { id } else { &node.name }).to_owned()
    }

    /// The name for people of an instance: its model's, and its number where there are several.
    #[must_use]
    pub fn instance_name(&self, model: &str, instance: &str) -> String {
        let number = instance.strip_prefix(model).unwrap_or_default();
        let space = if number.starts_with('#') { " " } else { "" };
        format!("{}{space}{number}", self.name_of(model))
    }

    /// The name for people of a node in a report, or of a group of them.
    #[must_use]
    pub fn node_name(&self, node: &NodeReport) -> String {
        let name = self.instance_name(&node.model, &node.id);
        if node.instances > 1 { format!("{name} × {}", format::count(u64::from(node.instances))) } else { name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_through_to_the_bit() {
        let report = crate::fixture::report(r#"{"seed": 9007199254740991}"#);
        let message = FromWorker::Done { id: 1, report: Box::new(report.clone()), cancelled: false, elapsed_ms: 0.1 };
        let text = encode(&message).expect("plain data");
        let Ok(FromWorker::Done { report: back, .. }) = decode(Some(text)) else {
            panic!("not what was sent");
        };
        assert_eq!((&*back, back.compute_digest()), (&report, report.digest.clone()));
        assert!(decode::<FromWorker>(Some("{\"Other\": 1}".to_owned())).is_err());
        assert!(decode::<FromWorker>(None).is_err());
    }

    #[test]
    fn instances_are_called_by_their_models_name() {
        let dataset = crate::fixture::dataset();
        let summary = Summary::of(&dataset);
        assert_eq!(summary.tasks, [2, 1]);
        assert_eq!(summary.instance_name("quick", "quick"), "Quick node");
        assert_eq!(summary.instance_name("quick", "quick#12"), "Quick node #12");
        assert_eq!(summary.instance_name("quick", "quick (group 2), boost"), "Quick node (group 2), boost");
        assert_eq!(summary.name_of("nobody"), "nobody");
    }
}
