//! The audit of a network's evaluators: which of them track truth, and what the mechanism would do without each.
//!
//! One run for each recorded evaluator of the network: the mechanism as it is beside the mechanism without all
//! instances of that evaluator, on the same random words ([`crate::compare`]). A word gives a round's task, then its
//! inference node, then its set of evaluators, so that nearly all rounds have the same task and node on both sides,
//! and most have other evaluators.
//!
//! What changes is all that the leaving brings with it: fewer evaluators to draw from, a smaller K where too few are
//! left, and other costs of those that stay, since costs are normalised over the pool.

use serde::{Deserialize, Serialize};

use crate::attack::{Attackers, Role};
use crate::compare::{Compared, ComparedNode, Comparison, ROUNDING, decimals, includes_zero, rounded};
use crate::dataset::{Dataset, TaskKind};
use crate::network::{Instance, Network};
use crate::report::{EvaluatorAudit, Products, consensus_beside_truth, evaluator_audit, replicate_weights};
use crate::scenario::{Group, Scenario, ScenarioError};
use crate::stats::{self, Interval};

/// Networks with more inference nodes than this are not searched for pairs that change places.
const RANKED: usize = 64;
/// Pairs of nodes that a sentence names.
const NAMED: usize = 2;

/// The runs of an audit: one for each recorded evaluator of the network, in the network's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    base: Scenario,
    leavings: Vec<Leaving>,
}

/// A scenario that an evaluator leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leaving {
    /// Id of the recorded evaluator: all its instances leave.
    pub evaluator: String,
    /// What else had to be changed, a sentence each.
    pub changes: Vec<String>,
    /// The scenario without it; none where there can be none.
    pub scenario: Option<Scenario>,
    /// Why there can be none.
    pub reason: Option<String>,
}

/// What the mechanism does without one evaluator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Without {
    /// Who left, and the scenario that is left.
    pub leaving: Leaving,
    /// What follows; none where no scenario is left.
    pub outcome: Option<Outcome>,
}

/// The mechanism with an evaluator and without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What each inference node earns, and each evaluator that stays: A is the mechanism with the evaluator, B without.
    pub rewards: Compared,
    /// Pearson correlation of consensus with truth, over answers.
    pub pearson_truth: Change,
    /// Root of the mean squared distance of consensus from truth, over answers, in points.
    pub rms_distance_truth: Change,
    /// What `pearson_truth` says.
    pub effect: Effect,
    /// The inference node with the highest mean reward with the evaluator; none where none was paid.
    pub top_with: Option<String>,
    /// The one without it.
    pub top_without: Option<String>,
    /// Pairs of inference nodes whose mean rewards change their order, as these rounds have it; pairs that differ in
    /// their names alone are left out. None in networks of more than 64 inference nodes.
    pub overtakings: Option<Vec<Overtaking>>,
}

/// A figure with the evaluator and without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// With the evaluator; none where it is not defined.
    pub with: Option<f64>,
    /// Without it.
    pub without: Option<f64>,
    /// Without less with.
    pub difference: Option<f64>,
    /// 95% interval of the difference for the choice of prompts (percentile bootstrap over tasks, both runs by the same
    /// weights). The luck of the draws is in it as far as it differs from task to task. None for a single prompt.
    pub ci95_prompts: Option<Interval>,
}

/// Two inference nodes that change places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overtaking {
    /// Who earns more without the evaluator.
    pub node: String,
    /// Who earns more with it.
    pub overtaken: String,
}

/// How the consensus follows truth without an evaluator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The correlation is higher; the interval of the difference lies above 0.
    Better,
    /// It is lower; the interval lies below 0.
    Worse,
    /// It is the same for all prompts, but for rounding.
    Same,
    /// The interval holds 0, or there is none.
    NotSettled,
}

/// What an interval of a correlation says of an evaluator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// It lies above 0: better answers get higher scores.
    Follows,
    /// It lies below 0: better answers get lower scores.
    Inverted,
    /// It holds 0, or there is none.
    NotShown,
}

/// How one evaluator tracks truth and the first judge, on all tasks of the dataset or on those of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Id of the recorded evaluator.
    pub evaluator: String,
    /// The kind of task; none for all tasks.
    pub task_kind: Option<TaskKind>,
    /// Pearson correlation of score with truth; none where it is not defined.
    pub pearson_truth: Option<f64>,
    /// Its 95% interval for the choice of prompts (percentile bootstrap over tasks).
    pub ci95_truth: Option<Interval>,
    /// What that says; none without a correlation.
    pub sign_truth: Option<Sign>,
    /// The same with the score of the dataset's first judge, if it has one.
    pub pearson_judge: Option<f64>,
    /// Its 95% interval.
    pub ci95_judge: Option<Interval>,
    /// What that says.
    pub sign_judge: Option<Sign>,
}

impl Sign {
    /// What `interval` of `pearson` says; none without a correlation.
    #[must_use]
    pub fn of(pearson: Option<f64>, interval: Option<Interval>) -> Option<Self> {
        pearson.map(|_| match interval {
            Some([low, _]) if low > 0.0 => Self::Follows,
            Some([_, high]) if high < 0.0 => Self::Inverted,
            _ => Self::NotShown,
        })
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Follows => "follows",
            Self::Inverted => "inverted",
            Self::NotShown => "unclear",
        }
    }
}

/// How every recorded evaluator of the dataset tracks truth: over all tasks, then by kind of task.
///
/// # Errors
/// For a scenario that is out of bounds or does not fit the dataset.
pub fn tracks(dataset: &Dataset, scenario: &Scenario) -> Result<Vec<Track>, ScenarioError> {
    Ok(evaluator_audit(dataset, scenario)?.iter().flat_map(tracks_of).collect())
}

/// The tracks of one evaluator of a report's audit: over all tasks, then by kind of task.
#[must_use]
pub fn tracks_of(audit: &EvaluatorAudit) -> Vec<Track> {
    let track = |task_kind, truth: (Option<f64>, Option<Interval>), judge: (Option<f64>, Option<Interval>)| Track {
        evaluator: audit.id.clone(),
        task_kind,
        pearson_truth: truth.0,
        ci95_truth: truth.1,
        sign_truth: Sign::of(truth.0, truth.1),
        pearson_judge: judge.0,
        ci95_judge: judge.1,
        sign_judge: Sign::of(judge.0, judge.1),
    };
    let all = track(None, (audit.pearson_truth, audit.ci95_truth), (audit.pearson_judge, audit.ci95_judge));
    let by_kind = audit
        .by_task_kind
        .iter()
        .map(|of| track(Some(of.task_kind), (of.pearson_truth, of.ci95_truth), (of.pearson_judge, of.ci95_judge)));
    std::iter::once(all).chain(by_kind).collect()
}

impl Audit {
    /// The audit of the evaluators of `scenario`.
    ///
    /// # Errors
    /// For a scenario that is out of bounds or does not fit the dataset.
    pub fn new(dataset: &Dataset, scenario: &Scenario) -> Result<Self, ScenarioError> {
        let scenario = &scenario.fitted(dataset)?.0;
        let network = Network::new(dataset, scenario)?;
        let mut models: Vec<usize> = Vec::new();
        for instance in &network.evaluators {
            if models.last() != Some(&instance.model) && !models.contains(&instance.model) {
                models.push(instance.model);
            }
        }
        let leavings = models.into_iter().map(|model| leaving(dataset, scenario, &network, model)).collect();
        Ok(Self { base: scenario.clone(), leavings })
    }

    /// By run: who leaves.
    #[must_use]
    pub fn leavings(&self) -> &[Leaving] {
        &self.leavings
    }

    /// How many runs there are. Each plays two scenarios.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.leavings.len()
    }

    /// A run before its first round, to be played in slices; none where no scenario is left.
    ///
    /// # Errors
    /// None that [`Audit::new`] would not have met.
    pub fn start(&self, dataset: &Dataset, run: usize) -> Result<Option<Comparison>, ScenarioError> {
        let scenario = self.leavings[run].scenario.as_ref();
        scenario.map(|without| Comparison::of_shared(dataset, &self.base, without)).transpose()
    }

    /// What follows from a run as far as it was played: what [`Audit::start`] gave, with the same dataset.
    #[must_use]
    pub fn finding(&self, dataset: &Dataset, run: usize, played: Option<&Comparison>) -> Without {
        let outcome = played.map(|comparison| Outcome::new(dataset, comparison));
        Without { leaving: self.leavings[run].clone(), outcome }
    }

    /// Plays one run to its end.
    ///
    /// # Errors
    /// As [`Audit::start`].
    pub fn run(&self, dataset: &Dataset, run: usize) -> Result<Without, ScenarioError> {
        let mut comparison = self.start(dataset, run)?;
        if let Some(comparison) = &mut comparison {
            comparison.run(u64::MAX);
        }
        Ok(self.finding(dataset, run, comparison.as_ref()))
    }
}

/// `scenario`, whose network is `network`, without the recorded evaluator `model`.
fn leaving(dataset: &Dataset, scenario: &Scenario, network: &Network, model: usize) -> Leaving {
    let id = |model: usize| dataset.manifest.evaluators[model].id.as_str();
    let evaluator = id(model).to_owned();
    let refused = |reason: String| Leaving {
        evaluator: evaluator.clone(),
        changes: Vec::new(),
        scenario: None,
        reason: Some(reason),
    };
    let staying: Vec<&Instance> = network.evaluators.iter().filter(|instance| instance.model != model).collect();
    if staying.is_empty() {
        return refused("no other evaluator takes part".to_owned());
    }
    let mut without = scenario.clone();
    let groups = &mut without.network.evaluators;
    if groups.is_empty() {
        // One of each, as the network has them.
        *groups = staying.iter().map(|instance| single(id(instance.model))).collect();
    } else {
        groups.retain(|group| group.model != evaluator);
    }
    let mut changes = Vec::new();
    let k = scenario.evaluators_per_round;
    if k as usize > staying.len() {
        without.evaluators_per_round = staying.len() as u32;
        changes.push(format!("evaluators_per_round is {} in place of {k}.", staying.len()));
    }
    let names_staying = |name: &String| staying.iter().any(|node| node.id == *name || id(node.model) == name);
    let mut position = 0;
    without.attacks.retain_mut(|attack| {
        let path = format!("attacks.{position}");
        position += 1;
        if attack.kind.role() != Role::Evaluator {
            return true;
        }
        match &mut attack.nodes {
            Attackers::Named(names) => {
                let before = names.len();
                names.retain(names_staying);
                if names.is_empty() {
                    changes.push(format!("{path} ({}) is gone with its attackers.", attack.kind.title()));
                } else if names.len() < before {
                    changes.push(format!("{path} ({}) has fewer attackers.", attack.kind.title()));
                }
                !names.is_empty()
            }
            Attackers::Share { share } => {
                changes.push(format!("The attackers of {path}, a share of {share}, are drawn anew among those left."));
                true
            }
        }
    });
    match Network::new(dataset, &without) {
        Ok(_) => Leaving { evaluator, changes, scenario: Some(without), reason: None },
        Err(error) => refused(error.to_string()),
    }
}

fn single(model: &str) -> Group {
    Group { model: model.to_owned(), count: 1, latency_factor: 1.0, score_noise_sd: 0.0, stake: 1.0 }
}

impl Outcome {
    fn new(dataset: &Dataset, comparison: &Comparison) -> Self {
        let [with, without] = comparison.runs();
        let rewards = comparison.finding(dataset);
        let replicates = replicate_weights(dataset, &with.network.tasks, with.scenario.seed);
        let by_task = [with, without].map(|run| consensus_beside_truth(dataset, run));
        let pearson = [&rewards.mechanism_a, &rewards.mechanism_b].map(|side| side.pearson_consensus_truth);
        let pearson_truth = Change::new(pearson, Products::pearson, &by_task, &replicates);
        let whole = by_task.each_ref().map(|tasks| total(tasks.iter().map(|&task| (task, 1.0))).rms_distance());
        let inference: Vec<&ComparedNode> = rewards.nodes.iter().filter(|node| node.role == Role::Inference).collect();
        let highest = |mean: fn(&ComparedNode) -> Option<f64>| {
            // The first of equal ones.
            let paid = inference.iter().rev().filter_map(|node| Some((mean(node)?, &node.id)));
            paid.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, id)| id.clone())
        };
        Self {
            effect: pearson_truth.effect(),
            rms_distance_truth: Change::new(whole, Products::rms_distance, &by_task, &replicates),
            pearson_truth,
            top_with: highest(|node| node.reward_mean_a),
            top_without: highest(|node| node.reward_mean_b),
            overtakings: (inference.len() <= RANKED).then(|| overtakings(&inference)),
            rewards,
        }
    }
}

/// The pairs of `nodes`, inference nodes of which no two are alike, that change places.
fn overtakings(nodes: &[&ComparedNode]) -> Vec<Overtaking> {
    let means: Vec<_> = nodes.iter().map(|node| node.reward_mean_a.zip(node.reward_mean_b)).collect();
    let mut pairs = Vec::new();
    for (winner, node) in nodes.iter().enumerate() {
        for (loser, overtaken) in nodes.iter().enumerate() {
            let (Some((winner_a, winner_b)), Some((loser_a, loser_b))) = (means[winner], means[loser]) else {
                continue;
            };
            let swap = loser_a - winner_a > ROUNDING && winner_b - loser_b > ROUNDING;
            if swap {
                pairs.push(Overtaking { node: node.id.clone(), overtaken: overtaken.id.clone() });
            }
        }
    }
    pairs
}

fn total(weighted: impl Iterator<Item = (Products, f64)>) -> Products {
    let mut total = Products::default();
    weighted.for_each(|(products, weight)| total.add(products, weight));
    total
}

impl Change {
    /// Of a figure with these values, and what `figure` makes of each resampling of the tasks.
    fn new(
        [with, without]: [Option<f64>; 2],
        figure: fn(&Products) -> Option<f64>,
        by_task: &[Vec<Products>; 2],
        replicates: &[Vec<u32>],
    ) -> Self {
        let difference = with.zip(without).map(|(with, without)| without - with);
        let resampled = |weights: &Vec<u32>| {
            let of = |tasks: &[Products]| {
                let weighted = tasks.iter().zip(weights).map(|(&task, &weight)| (task, f64::from(weight)));
                figure(&total(weighted))
            };
            Some(of(&by_task[1])? - of(&by_task[0])?)
        };
        let is_known = difference.is_some() && by_task[0].len() > 1;
        let mut differences: Vec<f64> =
            if is_known { replicates.iter().filter_map(resampled).collect() } else { Vec::new() };
        Self { with, without, difference, ci95_prompts: stats::central_95(&mut differences) }
    }

    /// What it says where more is better.
    fn effect(&self) -> Effect {
        match self.ci95_prompts {
            Some([low, high]) if low >= -ROUNDING && high <= ROUNDING => Effect::Same,
            Some(interval) if includes_zero(interval) => Effect::NotSettled,
            Some([low, _]) if low > 0.0 => Effect::Better,
            Some(_) => Effect::Worse,
            None => Effect::NotSettled,
        }
    }
}

impl Without {
    /// One sentence: how the consensus follows truth without the evaluator, and who changes places; `name` is what a node of
    /// that id is called.
    #[must_use]
    pub fn words(&self, name: impl Fn(&str) -> String) -> String {
        let id = name(&self.leaving.evaluator);
        match (&self.outcome, &self.leaving.reason) {
            (Some(outcome), _) => format!("Without {id} {}; {}.", outcome.truth_words(), outcome.order_words(name)),
            (None, Some(reason)) => format!("Nothing can be said of the mechanism without {id}: {reason}."),
            (None, None) => format!("The mechanism without {id} was not run."),
        }
    }
}

impl Outcome {
    fn truth_words(&self) -> String {
        let Change { with, without, difference, ci95_prompts } = &self.pearson_truth;
        let (Some(with), Some(without), Some(difference)) = (*with, *without, *difference) else {
            return "the correlation of consensus with truth is not defined on both sides".to_owned();
        };
        let width = ci95_prompts.map_or(0.0, |[low, high]| high - low);
        let decimals = decimals(width, difference.abs()).clamp(2, 4);
        let text = |number| rounded(number, decimals);
        let how = match self.effect {
            Effect::Same => return format!("the consensus follows truth as it does with it (r {})", text(with)),
            Effect::Better => "the consensus follows truth better",
            Effect::Worse => "the consensus follows truth worse",
            Effect::NotSettled if difference < 0.0 => "the consensus seems to follow truth worse, which is not settled",
            Effect::NotSettled => "the consensus seems to follow truth better, which is not settled",
        };
        let interval = match ci95_prompts {
            Some([low, high]) => format!("difference {} to {} for other prompts", text(*low), text(*high)),
            None => "with a single prompt nothing is known of others".to_owned(),
        };
        format!("{how}: r {} in place of {} ({interval})", text(without), text(with))
    }

    fn order_words(&self, name: impl Fn(&str) -> String) -> String {
        let top = self.top_without.as_ref().map(|id| format!("{} earns most", name(id))).unwrap_or_default();
        let Some(pairs) = &self.overtakings else {
            return if self.top_without.is_some() { top } else { "no inference node is paid".to_owned() };
        };
        if pairs.is_empty() {
            return "the inference nodes keep their order".to_owned();
        }
        let named =
            pairs.iter().take(NAMED).map(|pair| format!("{} overtakes {}", name(&pair.node), name(&pair.overtaken)));
        let mut parts: Vec<String> = named.collect();
        match pairs.len().saturating_sub(NAMED) {
            0 => {}
            1 => parts.push("one other pair changes places".to_owned()),
            more => parts.push(format!("{more} other pairs change places")),
        }
        let is_new = self.top_with != self.top_without;
        parts.push(if is_new { format!("{top} now") } else { format!("{top} as before") });
        parts.join(", ")
    }
}
