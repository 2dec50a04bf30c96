//! The report of a run: every figure with its uncertainty, and the digest that names the result.

use serde::{Deserialize, Serialize};

use crate::ENGINE_VERSION;
use crate::attack::Role;
use crate::dataset::{Dataset, JUDGE, TaskKind};
use crate::network::{Instance, Network};
use crate::reward::Money;
use crate::rng::{Purpose, Stream};
use crate::scenario::Scenario;
use crate::simulation::{Cell, Counterfactual, RoundSample, Sampled, Series, Simulation, Tally};
use crate::stats::{self, Interval, Moments};

/// Bootstrap replicates for the intervals over prompts.
const REPLICATES: usize = 1000;
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
    /// What inference nodes earned.
    pub inference_nodes: Vec<NodeReport>,
    /// What evaluator nodes earned.
    pub evaluator_nodes: Vec<NodeReport>,
    /// What attackers gained, attack by attack.
    pub attackers: Vec<AttackerReport>,
    /// How well the mechanism did.
    pub mechanism: MechanismReport,
    /// How well each recorded evaluator tracks truth, over all recorded outputs.
    pub evaluator_audit: Vec<EvaluatorAudit>,
    /// Data for plots.
    pub plots: Plots,
}

/// What one node earned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Instance id.
    pub id: String,
    /// Id of the recorded node.
    pub model: String,
    /// Times that it was paid: rounds taken part in, for an evaluator times the answers of a round.
    pub rounds: u64,
    /// Mean reward; none before its first round.
    pub reward_mean: Option<f64>,
    /// Sample standard deviation of the reward.
    pub reward_sd: Option<f64>,
    /// 95% interval of the mean for the luck of the draws, given these prompts.
    pub ci95_monte_carlo: Option<Interval>,
    /// 95% interval of the mean for the choice of prompts (percentile bootstrap over tasks).
    pub ci95_prompts: Option<Interval>,
    /// Share of its rounds with a reward below 0.
    pub negative_share: Option<f64>,
    /// In `[0, 10]`. Inference: mean truth of the recorded answers. Evaluator: 10 x mean closeness to the consensus.
    pub quality_mean: Option<f64>,
    /// Normalised cost in `[0, 1]`.
    pub cost: f64,
    /// Mean latency that the cost comes from, in milliseconds.
    pub latency_ms_mean: f64,
    /// An evaluator's trust weight at the end, under a rule that keeps such weights.
    pub weight: Option<f64>,
    /// Mean profit each time it is paid, where the scenario says what rewards are worth.
    pub profit_mean: Option<f64>,
    /// The mean reward at which that profit is 0.
    pub break_even_reward: Option<f64>,
}

/// What one attacker earns beside what it would earn if all nodes of its attack were honest: the same draws, the same other
/// attacks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackerReport {
    /// Instance id.
    pub id: String,
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
    /// Spearman correlation of score with truth.
    pub spearman_truth: Option<f64>,
    /// Pearson correlation of score with the first judge's, if the dataset has one.
    pub pearson_judge: Option<f64>,
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
    /// Spearman correlation of score with truth.
    pub spearman_truth: Option<f64>,
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
        let replicates = replicate_weights(scenario.seed, network.tasks.len());
        let Roles { inference_nodes, evaluator_nodes, attackers } = Roles::new(dataset, run, &replicates);
        let mechanism = mechanism(dataset, run, &inference_nodes);
        let mut report = Self {
            digest: String::new(),
            engine_version: ENGINE_VERSION.to_owned(),
            dataset: run.dataset.clone(),
            scenario: scenario.clone(),
            rounds: run.rounds_done,
            inference_nodes,
            evaluator_nodes,
            attackers,
            mechanism,
            evaluator_audit: audit(dataset, scenario),
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
    /// What inference nodes earned; without `ci95_prompts`.
    pub inference_nodes: Vec<NodeReport>,
    /// What evaluator nodes earned; without `ci95_prompts`.
    pub evaluator_nodes: Vec<NodeReport>,
    /// What attackers gained; without `ci95_prompts`.
    pub attackers: Vec<AttackerReport>,
    /// Pearson correlation of consensus with truth, over answers.
    pub pearson_consensus_truth: Option<f64>,
    /// Kendall's tau-b of an inference node's mean reward with its truth per millisecond.
    pub kendall_reward_efficiency: Option<f64>,
}

impl Brief {
    pub(crate) fn new(dataset: &Dataset, run: &Simulation) -> Self {
        let Roles { inference_nodes, evaluator_nodes, attackers } = Roles::new(dataset, run, &[]);
        Self {
            rounds: run.rounds_done,
            pearson_consensus_truth: against(run, |task, node| dataset.truth(task, node)).pearson,
            kendall_reward_efficiency: kendall_reward_efficiency(run, &inference_nodes),
            inference_nodes,
            evaluator_nodes,
            attackers,
        }
    }
}

/// What the nodes of a run earned.
struct Roles {
    inference_nodes: Vec<NodeReport>,
    evaluator_nodes: Vec<NodeReport>,
    attackers: Vec<AttackerReport>,
}

impl Roles {
    /// `replicates` are those of the intervals over prompts; none, no such interval.
    fn new(dataset: &Dataset, run: &Simulation, replicates: &[Vec<u32>]) -> Self {
        let Simulation { network, inference, evaluators, .. } = run;
        let money = run.scenario.money;
        let mut inference_nodes = node_reports(
            &network.inference,
            |model| &dataset.manifest.inference_nodes[model].id,
            inference,
            money,
            replicates,
        );
        let truths = recorded_truth_means(dataset, network);
        for (position, (node, instance)) in inference_nodes.iter_mut().zip(&network.inference).enumerate() {
            let own = truths[instance.model];
            node.quality_mean = Some(match network.downgrade(position) {
                Some((to, probability)) => probability * truths[to] + (1.0 - probability) * own,
                None => own,
            });
        }
        let mut evaluator_nodes = node_reports(
            &network.evaluators,
            |model| &dataset.manifest.evaluators[model].id,
            evaluators,
            money,
            replicates,
        );
        for (node, &weight) in evaluator_nodes.iter_mut().zip(run.rule.weights().unwrap_or_default()) {
            node.weight = Some(weight);
        }
        Self {
            inference_nodes,
            evaluator_nodes,
            attackers: run
                .counterfactuals
                .iter()
                .flat_map(|counterfactual| attacker_reports(run, counterfactual, replicates))
                .collect(),
        }
    }
}

/// By replicate: how often each task is drawn, when as many tasks as there are are drawn with repetition.
fn replicate_weights(seed: u64, tasks: usize) -> Vec<Vec<u32>> {
    let mut stream = Stream::new(seed, Purpose::Bootstrap);
    (0..REPLICATES)
        .map(|_| {
            let mut weights = vec![0; tasks];
            for _ in 0..tasks {
                weights[stream.below(tasks as u32) as usize] += 1;
            }
            weights
        })
        .collect()
}

fn attacker_reports(run: &Simulation, counterfactual: &Counterfactual, replicates: &[Vec<u32>]) -> Vec<AttackerReport> {
    let Counterfactual { attack, attackers, honest, gains, .. } = counterfactual;
    let (nodes, tally, honest_tally) = match attackers.role {
        Role::Inference => (&run.network.inference, &run.inference, &honest.inference),
        Role::Evaluator => (&run.network.evaluators, &run.evaluators, &honest.evaluators),
    };
    let totals = (tally.totals(), honest_tally.totals(), gains.totals());
    let mut prompts = prompt_intervals(gains, replicates);
    let kind = run.scenario.attacks[*attack].kind.title();
    attackers
        .positions
        .iter()
        .enumerate()
        .map(|(column, &position)| {
            let mean = |tally: &Tally, total: &Cell, node| total.values.mean().map(|mean| tally.reward(node, mean));
            let gain = mean(gains, &totals.2[column], column);
            AttackerReport {
                id: nodes[position].id.clone(),
                role: attackers.role,
                attack: *attack as u32,
                kind: kind.clone(),
                reward_mean: mean(tally, &totals.0[position], position),
                honest_reward_mean: mean(honest_tally, &totals.1[position], position),
                gain_mean: gain,
                ci95_monte_carlo: monte_carlo_interval(gains, column, &totals.2[column]),
                ci95_prompts: prompts[column].take(),
            }
        })
        .collect()
}

/// The interval of a node's mean reward for the luck of the draws, from its sums over all tasks.
fn monte_carlo_interval(tally: &Tally, node: usize, total: &Cell) -> Option<Interval> {
    let mean = tally.reward(node, total.values.mean()?);
    let independent = tally.independent(node, total);
    stats::mean_interval(mean, tally.reward_sd(independent.sd()?), independent.count)
}

fn node_reports<'a>(
    instances: &[Instance],
    model_id: impl Fn(usize) -> &'a String,
    tally: &Tally,
    money: Option<Money>,
    replicates: &[Vec<u32>],
) -> Vec<NodeReport> {
    let totals = tally.totals();
    let mut prompts = prompt_intervals(tally, replicates);
    instances
        .iter()
        .enumerate()
        .map(|(node, instance)| {
            let total = totals[node];
            let paid = total.values.count;
            let value_mean = total.values.mean();
            let reward_mean = value_mean.map(|mean| tally.reward(node, mean));
            NodeReport {
                id: instance.id.clone(),
                model: model_id(instance.model).clone(),
                rounds: paid,
                reward_mean,
                reward_sd: total.values.sd().map(|sd| tally.reward_sd(sd)),
                ci95_monte_carlo: monte_carlo_interval(tally, node, &total),
                ci95_prompts: prompts[node].take(),
                negative_share: (paid > 0).then(|| total.negative as f64 / paid as f64),
                quality_mean: value_mean.map(|mean| 10.0 * tally.quality(mean)),
                cost: instance.cost,
                latency_ms_mean: instance.latency_ms,
                weight: None,
                profit_mean: money.zip(reward_mean).map(|(money, mean)| money.profit(mean, instance.true_latency_ms)),
                break_even_reward: money.map(|money| money.break_even(instance.true_latency_ms)),
            }
        })
        .collect()
}

/// By node: the central 95% of its mean reward when tasks are resampled; none with fewer than two tasks.
fn prompt_intervals(tally: &Tally, replicates: &[Vec<u32>]) -> Vec<Option<Interval>> {
    let tasks: Vec<_> = tally.tasks().collect();
    if tasks.len() < 2 {
        return vec![None; tally.nodes()];
    }
    let mut means = vec![Vec::with_capacity(replicates.len()); tally.nodes()];
    let mut sums = vec![(0.0, 0.0); tally.nodes()];
    for weights in replicates {
        sums.fill((0.0, 0.0));
        for (cells, &weight) in tasks.iter().zip(weights) {
            if weight > 0 {
                let weight = f64::from(weight);
                for ((count, sum), cell) in sums.iter_mut().zip(*cells) {
                    *count += weight * cell.values.count as f64;
                    *sum += weight * cell.values.sum;
                }
            }
        }
        for (node, &(count, sum)) in sums.iter().enumerate() {
            if count > 0.0 {
                means[node].push(tally.reward(node, sum / count));
            }
        }
    }
    means.iter_mut().map(|means| stats::central_95(means)).collect()
}

/// By recorded inference node: mean truth over the tasks drawn.
fn recorded_truth_means(dataset: &Dataset, network: &Network) -> Vec<f64> {
    (0..dataset.inference_nodes())
        .map(|node| {
            let sum: f64 = network.tasks.iter().map(|&task| dataset.truth(task, node)).sum();
            sum / network.tasks.len() as f64
        })
        .collect()
}

fn mechanism(dataset: &Dataset, run: &Simulation, nodes: &[NodeReport]) -> MechanismReport {
    let Simulation { network, sample, .. } = run;
    let truth = against(run, |task, node| dataset.truth(task, node));
    let judge = first_judge(dataset).and_then(|judge| {
        let (normalization, range) = (dataset.manifest.evaluators[judge].normalization, dataset.raw_range(judge));
        let fit = against(run, |task, node| normalization.apply(dataset.score(task, node, judge).raw, range));
        fit.pearson
    });
    let (consensus, sampled_truth): (Vec<f64>, Vec<f64>) =
        sample.answers.iter().map(|answer| (answer.consensus, sampled_truth(dataset, network, answer))).unzip();
    MechanismReport {
        pearson_consensus_truth: truth.pearson,
        spearman_consensus_truth: stats::spearman(&consensus, &sampled_truth),
        kendall_reward_efficiency: kendall_reward_efficiency(run, nodes),
        pearson_consensus_judge: judge,
        fit_consensus_truth: truth.line,
    }
}

fn kendall_reward_efficiency(run: &Simulation, nodes: &[NodeReport]) -> Option<f64> {
    let (rewards, efficiency): (Vec<f64>, Vec<f64>) = nodes
        .iter()
        .zip(&run.network.inference)
        .filter_map(|(node, instance)| {
            Some((node.reward_mean?, node.quality_mean? / instance.true_latency_ms.max(f64::MIN_POSITIVE)))
        })
        .take(KENDALL_NODES)
        .unzip();
    stats::kendall(&rewards, &efficiency)
}

/// Kendall's tau takes quadratic time: in larger networks it stands on the first so many nodes.
const KENDALL_NODES: usize = 2000;

fn first_judge(dataset: &Dataset) -> Option<usize> {
    dataset.manifest.evaluators.iter().position(|entry| entry.kind == JUDGE)
}

fn sampled_truth(dataset: &Dataset, network: &Network, answer: &Sampled) -> f64 {
    dataset.truth(network.tasks[answer.task as usize], answer.model as usize)
}

struct Fit {
    pearson: Option<f64>,
    line: Option<[f64; 2]>,
}

/// Consensus against a value that is constant for each recorded answer, over all answers of the run.
fn against(run: &Simulation, value: impl Fn(usize, usize) -> f64) -> Fit {
    let (mut n, mut c, mut cc, mut v, mut vv, mut cv) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    let mut add = |consensus: Moments, value: f64| {
        let count = consensus.count as f64;
        n += count;
        c += consensus.sum;
        cc += consensus.sum_of_squares;
        v += count * value;
        vv += count * value * value;
        cv += value * consensus.sum;
    };
    for (position, (&task, cells)) in run.network.tasks.iter().zip(run.inference.tasks()).enumerate() {
        for (node, (instance, cell)) in run.network.inference.iter().zip(cells).enumerate() {
            let mut own = cell.values;
            if let Some((downgraded, to)) = run.dishonest.as_ref().and_then(|all| all.downgraded(position, node)) {
                add(downgraded.values, value(task, to));
                own.remove(downgraded.values);
            }
            add(own, value(task, instance.model));
        }
    }
    if n < 2.0 {
        return Fit { pearson: None, line: None };
    }
    let (covariance, variance_c, variance_v) = (cv - c * v / n, cc - c * c / n, vv - v * v / n);
    // Relative to the sums, a variance as small as this is rounding noise.
    let varies = |variance: f64, squares: f64| variance > 1e-12 * squares.max(1.0);
    if !varies(variance_v, vv) {
        return Fit { pearson: None, line: None };
    }
    let slope = covariance / variance_v;
    let line = Some([c / n - slope * v / n, slope]);
    let pearson = if varies(variance_c, cc) { stats::correlation(covariance, variance_c, variance_v) } else { None };
    Fit { pearson, line }
}

fn audit(dataset: &Dataset, scenario: &Scenario) -> Vec<EvaluatorAudit> {
    let scores = |evaluator: usize, kind: Option<TaskKind>| -> (Vec<f64>, Vec<f64>, Vec<(usize, usize)>) {
        let entry = &dataset.manifest.evaluators[evaluator];
        let normalization = scenario.score_normalization.get(&entry.id).copied().unwrap_or(entry.normalization);
        let range = dataset.raw_range(evaluator);
        let answers: Vec<(usize, usize)> = (0..dataset.tasks.len())
            .filter(|&task| kind.is_none_or(|kind| dataset.tasks[task].kind == kind))
            .flat_map(|task| (0..dataset.inference_nodes()).map(move |node| (task, node)))
            .collect();
        let scores = answers
            .iter()
            .map(|&(task, node)| normalization.apply(dataset.score(task, node, evaluator).raw, range))
            .collect();
        let truth = answers.iter().map(|&(task, node)| dataset.truth(task, node)).collect();
        (scores, truth, answers)
    };
    let judge = first_judge(dataset);
    (0..dataset.evaluators())
        .filter(|&evaluator| dataset.manifest.evaluators[evaluator].kind != JUDGE)
        .map(|evaluator| {
            let entry = &dataset.manifest.evaluators[evaluator];
            let (all, truth, answers) = scores(evaluator, None);
            let latency_sum: f64 =
                answers.iter().map(|&(task, node)| dataset.score(task, node, evaluator).latency_ms).sum();
            EvaluatorAudit {
                id: entry.id.clone(),
                kind: entry.kind.clone(),
                pearson_truth: stats::pearson(&all, &truth),
                spearman_truth: stats::spearman(&all, &truth),
                pearson_judge: judge.and_then(|judge| stats::pearson(&all, &scores(judge, None).0)),
                by_task_kind: TaskKind::ALL
                    .into_iter()
                    .map(|task_kind| {
                        let (scores, truth, answers) = scores(evaluator, Some(task_kind));
                        KindAudit {
                            task_kind,
                            outputs: answers.len() as u64,
                            pearson_truth: stats::pearson(&scores, &truth),
                            spearman_truth: stats::spearman(&scores, &truth),
                        }
                    })
                    .collect(),
                latency_ms_mean: latency_sum / answers.len().max(1) as f64,
            }
        })
        .collect()
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
