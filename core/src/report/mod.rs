//! The report of a run: every figure with its uncertainty, and the digest that names the result.

mod audit;
mod leader;
mod mechanism;
mod nodes;
mod products;

use serde::{Deserialize, Serialize};

use crate::ENGINE_VERSION;
use crate::attack::Role;
use crate::dataset::{Dataset, JUDGE, TaskKind};
use crate::network::Network;
use crate::prompts::Prompts;
use crate::scenario::{Scenario, ScenarioError};
use crate::simulation::{RoundSample, Sampled, Series, Simulation};
use crate::stats::Interval;
pub use audit::{AnswerAudit, JudgeAudit};
pub use leader::Leader;
use nodes::Roles;
pub(crate) use products::Products;

/// Bins of a side of the density of consensus against truth, each one half point of the scale of 0 to 10 wide.
const DENSITY_BINS: usize = 20;

/// Which dataset a result stands on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetName {
    /// Id in the manifest.
    pub id: String,
    /// SHA-256 of the manifest, which holds the hashes of the other files.
    pub hash: String,
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// BLAKE3, hexadecimal, of this report's JSON with an empty digest: equal digests are equal results, to the bit.
    pub digest: String,
    /// Version of the arithmetic.
    pub engine_version: String,
    /// The dataset.
    pub dataset: DatasetName,
    /// The complete scenario.
    pub scenario: Scenario,
    /// Rounds that were run; fewer than the scenario's where the run was cancelled.
    pub rounds: u64,
    /// How many more runs of as many rounds, on other random numbers, the intervals stand on where the past decides a
    /// run's path (trust weights, stakes, routing by reward), and as many again on resampled prompts. 0 where rounds
    /// are independent, and where such runs would take too long: then there are no intervals.
    pub replicates: u32,
    /// Who earns most, and how surely; none where no inference node was paid, and where all that were are alike.
    pub leader: Option<Leader>,
    /// What inference nodes earned.
    pub inference_nodes: Vec<NodeReport>,
    /// What evaluator nodes earned.
    pub evaluator_nodes: Vec<NodeReport>,
    /// Inference nodes that differ in their names alone, taken together; empty where there are no such nodes.
    pub inference_groups: Vec<NodeReport>,
    /// The same for evaluator nodes.
    pub evaluator_groups: Vec<NodeReport>,
    /// What attackers gained, attack by attack.
    pub attackers: Vec<AttackerReport>,
    /// The same for attackers that differ in their names alone, taken together; empty where there are no such
    /// attackers.
    pub attacker_groups: Vec<AttackerReport>,
    /// How well the mechanism did.
    pub mechanism: MechanismReport,
    /// How well each recorded evaluator tracks truth, over all recorded outputs.
    pub evaluator_audit: Vec<EvaluatorAudit>,
    /// Data for plots.
    pub plots: Plots,
}

/// What one node earned, or a group of nodes that differ in their names alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Instance id; of a group, the recorded node's with what tells it from other groups.
    pub id: String,
    /// Id of the recorded node.
    pub model: String,
    /// How many nodes these figures are of.
    pub instances: u32,
    /// Kind of the attack that it takes part in.
    pub attack: Option<String>,
    /// Times that it was paid: rounds taken part in, for an evaluator times the answers of a round.
    pub rounds: u64,
    /// Mean reward; none before its first round.
    pub reward_mean: Option<f64>,
    /// Sample standard deviation of the reward.
    pub reward_sd: Option<f64>,
    /// 95% interval for the luck of the draws: of what the mean is over all runs of as many rounds on these prompts.
    pub ci95_monte_carlo: Option<Interval>,
    /// 95% interval for the choice of prompts: of what the mean over all draws is on others. A bootstrap of groups of
    /// tasks within their kind, costs with them, without the luck of the draws: more rounds do not narrow it, and the
    /// mean of few rounds may lie outside. Where the past decides a run's path, that luck is in it, and the run's mean
    /// in its middle. None for the nodes of a network so large that only its groups keep sums by task, and where each
    /// kind has one group.
    pub ci95_prompts: Option<Interval>,
    /// Share of its rounds with a reward below 0.
    pub negative_share: Option<f64>,
    /// In `[0, 10]`. Inference: mean truth of the recorded answers. Evaluator: 10 x mean closeness to the consensus.
    pub quality_mean: Option<f64>,
    /// Normalised cost in `[0, 1]`.
    pub cost: f64,
    /// Mean latency that the cost comes from, in milliseconds.
    pub latency_ms_mean: f64,
    /// An evaluator's trust weight at the end, under a rule that keeps such weights; of a group, their mean.
    pub weight: Option<f64>,
    /// Stake that an evaluator has left at the end, where stakes are at risk; of a group, the mean.
    pub stake: Option<f64>,
    /// Mean loss of stake each time it is paid, in units of reward; the reward is what is left after it.
    pub slashed_mean: Option<f64>,
    /// Mean profit each time it is paid, where the scenario says what rewards are worth.
    pub profit_mean: Option<f64>,
    /// The mean reward at which that profit is 0.
    pub break_even_reward: Option<f64>,
}

/// What one attacker earns beside what it would earn if all nodes of its attack were honest: the same draws, the same
/// other attacks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackerReport {
    /// Instance id, or that of a group as in a [`NodeReport`].
    pub id: String,
    /// How many nodes these figures are of.
    pub instances: u32,
    /// Its role: both roles may have a node of that id.
    pub role: Role,
    /// Position of its attack in the scenario.
    pub attack: u32,
    /// Kind of the attack; of the wrapped one with `intermittent ` before it.
    pub kind: String,
    /// Mean reward; none before its first round.
    pub reward_mean: Option<f64>,
    /// Mean reward of its honest self.
    pub honest_reward_mean: Option<f64>,
    /// The difference: what the attack gains it.
    pub gain_mean: Option<f64>,
    /// 95% interval of the gain for the luck of the draws, from paired differences.
    pub ci95_monte_carlo: Option<Interval>,
    /// 95% interval of the gain for the choice of prompts.
    pub ci95_prompts: Option<Interval>,
}

/// How well the mechanism did. A correlation is absent where it is not defined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MechanismReport {
    /// Pearson correlation of consensus with truth, over answers.
    pub pearson_consensus_truth: Option<f64>,
    /// Spearman correlation of consensus with truth, over an even sample of at most 65,536 answers.
    pub spearman_consensus_truth: Option<f64>,
    /// Kendall's tau-b of an inference node's mean reward with its truth per millisecond.
    pub kendall_reward_efficiency: Option<f64>,
    /// Pearson correlation of consensus with the first judge's score, if the dataset has a judge.
    pub pearson_consensus_judge: Option<f64>,
    /// Answers that paid nobody, because no evaluator with stake enough was drawn for them.
    pub unjudged_answers: u64,
    /// Intercept and slope of the least-squares line of consensus on truth.
    pub fit_consensus_truth: Option<[f64; 2]>,
}

/// How well one recorded evaluator tracks truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluatorAudit {
    /// Id of the recorded evaluator.
    pub id: String,
    /// Its kind in the manifest.
    pub kind: String,
    /// Pearson correlation of score with truth.
    pub pearson_truth: Option<f64>,
    /// 95% interval of `pearson_truth` for the choice of prompts: Fisher's z, jackknife over groups of tasks within
    /// their kind.
    pub ci95_truth: Option<Interval>,
    /// Spearman correlation of score with truth.
    pub spearman_truth: Option<f64>,
    /// Pearson correlation of score with the first judge's, if the dataset has one.
    pub pearson_judge: Option<f64>,
    /// 95% interval of `pearson_judge`, as for truth.
    pub ci95_judge: Option<Interval>,
    /// The same for each kind of task.
    pub by_task_kind: Vec<KindAudit>,
    /// Mean latency in milliseconds.
    pub latency_ms_mean: f64,
}

/// How well one evaluator tracks truth on tasks of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KindAudit {
    /// The kind of task.
    pub task_kind: TaskKind,
    /// Recorded outputs compared.
    pub outputs: u64,
    /// Pearson correlation of score with truth.
    pub pearson_truth: Option<f64>,
    /// 95% interval of `pearson_truth` for the choice of prompts; below 0 as a whole, the evaluator is inverted.
    pub ci95_truth: Option<Interval>,
    /// Spearman correlation of score with truth.
    pub spearman_truth: Option<f64>,
    /// Pearson correlation of score with the first judge's, if the dataset has one.
    pub pearson_judge: Option<f64>,
    /// 95% interval of `pearson_judge`.
    pub ci95_judge: Option<Interval>,
}

/// Data for plots, down-sampled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plots {
    /// Rounds at which the running means stand.
    pub series_rounds: Vec<u64>,
    /// By point: the running mean reward of each inference node, then of each evaluator node.
    pub series_reward_mean: Vec<Vec<Option<f64>>>,
    /// By point: the evaluators' trust weights; empty under a rule that keeps none.
    pub series_weight: Vec<Vec<f64>>,
    /// Counts of sampled answers, `[truth bin][consensus bin]`, half a point a bin from 0 to 10.
    pub density: Vec<Vec<u32>>,
    /// Sampled answers in `density`.
    pub density_answers: u64,
    /// A round of each non-empty bin of `density`, to open: `[truth bin, consensus bin, round]`.
    pub density_rounds: Vec<[u32; 3]>,
}

impl Report {
    /// The report on `run`, which was made with `dataset`.
    pub(crate) fn new(dataset: &Dataset, run: &Simulation) -> Self {
        let Simulation { scenario, network, sample, series, .. } = run;
        let roles = Roles::new(dataset, run, true);
        let mechanism = mechanism::report(dataset, run, &roles.inference_nodes);
        let mut report = Self {
            digest: String::new(),
            engine_version: ENGINE_VERSION.to_owned(),
            dataset: run.dataset.clone(),
            scenario: scenario.clone(),
            rounds: run.rounds_done,
            replicates: run.replicates.count(),
            leader: Leader::new(dataset, run, true),
            inference_nodes: roles.inference_nodes,
            evaluator_nodes: roles.evaluator_nodes,
            inference_groups: roles.inference_groups,
            evaluator_groups: roles.evaluator_groups,
            attackers: roles.attackers,
            attacker_groups: roles.attacker_groups,
            mechanism,
            evaluator_audit: audit::report(dataset, scenario),
            plots: plots(dataset, network, sample, series),
        };
        report.digest = report.compute_digest();
        report
    }

    /// The digest that this report should carry.
    #[must_use]
    pub fn compute_digest(&self) -> String {
        let unnamed = Self { digest: String::new(), ..self.clone() };
        // Numbers, strings and lists always serialise; a non-finite number would become null on every target.
        let bytes = serde_json::to_vec(&unnamed).unwrap_or_default();
        blake3::hash(&bytes).to_hex().to_string()
    }
}

/// What a sweep keeps of a run: a report without what takes longer than the run itself (intervals over prompts, rank
/// correlations, the audit, plots, the digest). Its figures are a report's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Brief {
    /// Rounds that were run.
    pub rounds: u64,
    /// Who earns most, and how surely over all draws.
    pub leader: Option<Leader>,
    /// What inference nodes earned; without `ci95_prompts`.
    pub inference_nodes: Vec<NodeReport>,
    /// What evaluator nodes earned; without `ci95_prompts`.
    pub evaluator_nodes: Vec<NodeReport>,
    /// Groups of inference nodes that differ in their names alone, as in a report.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inference_groups: Vec<NodeReport>,
    /// The same for evaluator nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evaluator_groups: Vec<NodeReport>,
    /// What attackers gained; without `ci95_prompts`.
    pub attackers: Vec<AttackerReport>,
    /// The same for groups of attackers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attacker_groups: Vec<AttackerReport>,
    /// Pearson correlation of consensus with truth, over answers.
    pub pearson_consensus_truth: Option<f64>,
    /// Kendall's tau-b of an inference node's mean reward with its truth per millisecond.
    pub kendall_reward_efficiency: Option<f64>,
}

impl Brief {
    pub(crate) fn new(dataset: &Dataset, run: &Simulation) -> Self {
        let roles = Roles::new(dataset, run, false);
        Self {
            rounds: run.rounds_done,
            leader: Leader::new(dataset, run, false),
            pearson_consensus_truth: mechanism::against(run, |task, node| dataset.truth(task, node)).pearson,
            kendall_reward_efficiency: mechanism::kendall_reward_efficiency(run, &roles.inference_nodes),
            inference_nodes: roles.inference_nodes,
            evaluator_nodes: roles.evaluator_nodes,
            inference_groups: roles.inference_groups,
            evaluator_groups: roles.evaluator_groups,
            attackers: roles.attackers,
            attacker_groups: roles.attacker_groups,
        }
    }
}

/// By resample: how often each of `tasks`, positions in `dataset`, is drawn.
pub(crate) fn replicate_weights(dataset: &Dataset, tasks: &[usize], seed: u64) -> Vec<Vec<u32>> {
    Prompts::new(dataset, tasks).task_resamples(seed)
}

/// How well each recorded evaluator tracks truth, as a report on `scenario` has it.
///
/// # Errors
/// For a scenario that is out of bounds or does not fit the dataset.
pub fn evaluator_audit(dataset: &Dataset, scenario: &Scenario) -> Result<Vec<EvaluatorAudit>, ScenarioError> {
    Network::new(dataset, scenario)?;
    Ok(audit::report(dataset, scenario))
}

/// The same apart for answerable and for unanswerable tasks; nothing where every task has an answer.
///
/// # Errors
/// As [`evaluator_audit`].
pub fn answer_audit(dataset: &Dataset, scenario: &Scenario) -> Result<Vec<AnswerAudit>, ScenarioError> {
    Network::new(dataset, scenario)?;
    Ok(audit::by_answerability(dataset, scenario))
}

/// By position of a task: consensus beside truth, over all answers of `run`.
pub(crate) fn consensus_beside_truth(dataset: &Dataset, run: &Simulation) -> Vec<Products> {
    mechanism::consensus_beside_truth(dataset, run)
}

/// How well the first judge itself tracks truth, over all tasks and by kind; nothing without a judge.
///
/// # Errors
/// As [`evaluator_audit`].
pub fn judge_audit(dataset: &Dataset, scenario: &Scenario) -> Result<Vec<JudgeAudit>, ScenarioError> {
    Network::new(dataset, scenario)?;
    Ok(audit::of_judge(dataset, scenario))
}

fn first_judge(dataset: &Dataset) -> Option<usize> {
    dataset.manifest.evaluators.iter().position(|entry| entry.kind == JUDGE)
}

fn sampled_truth(dataset: &Dataset, network: &Network, answer: &Sampled) -> f64 {
    dataset.truth(network.tasks[answer.task as usize], answer.model as usize)
}

fn plots(dataset: &Dataset, network: &Network, sample: &RoundSample, series: &Series) -> Plots {
    let bin = |score: f64| ((score * DENSITY_BINS as f64 / 10.0) as usize).min(DENSITY_BINS - 1);
    let mut density = vec![vec![0_u32; DENSITY_BINS]; DENSITY_BINS];
    let mut density_rounds = Vec::new();
    for answer in &sample.answers {
        let (x, y) = (bin(sampled_truth(dataset, network, answer)), bin(answer.consensus));
        if density[x][y] == 0 {
            density_rounds.push([x as u32, y as u32, answer.round]);
        }
        density[x][y] += 1;
    }
    Plots {
        series_rounds: series.rounds.clone(),
        series_reward_mean: series.means.clone(),
        series_weight: series.weights.clone(),
        density,
        density_answers: sample.answers.len() as u64,
        density_rounds,
    }
}
