//! The audit of a network's evaluators: which of them track truth, and what the mechanism would do without each.
//!
//! One run for each recorded evaluator of the network: the mechanism as it is beside the mechanism without all
//! instances of that evaluator, on the same random words ([`crate::compare`]). A word gives a round's task, then its
//! inference node, then its set of evaluators, so that nearly all rounds have the same task and node on both sides,
//! and most have other evaluators.
//!
//! What is told of all evaluators together is corrected for being told at once (Holm): [`told_at_once`], [`tracks`].
//!
//! What changes is all that the leaving brings with it: fewer evaluators to draw from, a smaller K where too few are
//! left, and other costs of those that stay, since costs are normalised over the pool.

mod order;
mod tracks;

use serde::{Deserialize, Serialize};

pub use order::Overtaking;
use order::{Standing, lead, overtakings};
pub use tracks::{PromptDegrees, Sign, Track, tracks, tracks_of};

use crate::attack::{Attackers, Role};
use crate::compare::{Compared, ComparedNode, Comparison, ROUNDING, Verdict, decimals, includes_zero, rounded};
use crate::dataset::Dataset;
use crate::families::{LEVEL, holm_of_known, p_of_side};
use crate::network::{Instance, Network};
use crate::prompts::Prompts;
use crate::report::{Products, consensus_beside_truth};
use crate::scenario::{Group, Scenario, ScenarioError};
use crate::stats::Interval;

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
    /// What `pearson_truth` says: by its own interval, and after [`told_at_once`] by `p_holm`.
    pub effect: Effect,
    /// The chance of so large a change of that correlation, were there none, corrected (Holm) for all evaluators told
    /// at once; none before, and where there is no interval or nothing changes.
    pub p_holm: Option<f64>,
    /// By node of `rewards`: the same of the change of its mean reward, corrected for all nodes and all evaluators that
    /// leave. Empty before [`told_at_once`].
    pub rewards_p_holm: Vec<Option<f64>>,
    /// The inference node with the highest mean reward with the evaluator; none where none was paid.
    pub top_with: Option<String>,
    /// The one without it.
    pub top_without: Option<String>,
    /// The chance that `top_without` is ahead of the others by chance alone, at most: the largest p value of its lead
    /// over any. None where there is no interval, or no other.
    pub top_without_p: Option<f64>,
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
    /// 95% interval of the difference for the choice of prompts: Student's t with the standard error of a bootstrap of
    /// groups of tasks within their kind, both runs by the same weights. The luck of the draws is in it as far as it
    /// differs from task to task. None with fewer than four groups more than kinds.
    pub ci95_prompts: Option<Interval>,
    /// Its degrees of freedom.
    pub degrees: u64,
}

/// How the consensus follows truth without an evaluator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The correlation is higher, surely.
    Better,
    /// It is lower, surely.
    Worse,
    /// It is the same for all prompts, but for rounding.
    Same,
    /// It may be either.
    NotSettled,
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

/// Corrects what `results`, one of each evaluator that leaves, say of correlations, of rewards and of the order of
/// inference nodes: each of these is a family (Holm).
pub fn told_at_once(results: &mut [Without]) {
    let mut outcomes: Vec<&mut Outcome> = results.iter_mut().filter_map(|result| result.outcome.as_mut()).collect();
    let effects: Vec<Option<f64>> = outcomes.iter().map(|outcome| outcome.pearson_truth.p_value()).collect();
    let rewards: Vec<Option<f64>> = outcomes.iter().flat_map(|outcome| outcome.p_of_nodes()).collect();
    let mut orders: Vec<Option<f64>> = Vec::new();
    let mut other_pairs = 0;
    for outcome in &outcomes {
        let changed = outcome.overtakings.as_deref().unwrap_or_default();
        orders.extend(changed.iter().map(|pair| pair.p_value));
        let nodes = outcome.rewards.nodes.iter().filter(|node| node.role == Role::Inference).count();
        other_pairs += if outcome.overtakings.is_some() {
            (nodes * nodes.saturating_sub(1) / 2).saturating_sub(changed.len())
        } else {
            0
        };
    }
    // Pairs that keep their order have been looked at too.
    orders.extend(std::iter::repeat_n(Some(1.0), other_pairs));
    let (mut rewards, mut orders) = (holm_of_known(&rewards).into_iter(), holm_of_known(&orders).into_iter());
    for (outcome, p_holm) in outcomes.iter_mut().zip(holm_of_known(&effects)) {
        outcome.p_holm = p_holm;
        outcome.effect = outcome.pearson_truth.effect(p_holm);
        outcome.rewards_p_holm = rewards.by_ref().take(outcome.rewards.nodes.len()).collect();
        for pair in outcome.overtakings.iter_mut().flatten() {
            pair.p_holm = orders.next().flatten();
        }
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
    /// By node of `rewards`: the chance of so large a change of its mean reward, were there none, by the less sure of
    /// its intervals. None where nothing is to be told.
    fn p_of_nodes(&self) -> Vec<Option<f64>> {
        let replicates = (self.rewards.replicates > 0).then_some(u64::from(self.rewards.replicates));
        let of_prompts = Some(replicates.unwrap_or(self.pearson_truth.degrees));
        let p_value = |node: &ComparedNode| {
            let difference = node.difference.filter(|_| node.verdict != Verdict::Equal)?;
            let p = |ci95: Interval, degrees| p_of_side(difference, ci95, Some(0.0), None, degrees);
            let by_prompts = node.ci95_prompts.map_or(0.0, |ci95| p(ci95, of_prompts));
            Some(p(node.ci95_monte_carlo?, replicates).max(by_prompts))
        };
        self.rewards.nodes.iter().map(p_value).collect()
    }

    fn new(dataset: &Dataset, comparison: &Comparison) -> Self {
        let [with, without] = comparison.runs();
        let rewards = comparison.finding(dataset);
        let prompts = Prompts::new(dataset, &with.network.tasks);
        let resamples = (&prompts, prompts.task_resamples(with.scenario.seed));
        let by_task = [with, without].map(|run| consensus_beside_truth(dataset, run));
        let pearson = [&rewards.mechanism_a, &rewards.mechanism_b].map(|side| side.pearson_consensus_truth);
        let pearson_truth = Change::new(pearson, Products::pearson, &by_task, &resamples);
        let whole = by_task.each_ref().map(|tasks| total(tasks.iter().map(|&task| (task, 1.0))).rms_distance());
        let inference: Vec<&ComparedNode> = rewards.nodes.iter().filter(|node| node.role == Role::Inference).collect();
        let highest = |mean: fn(&ComparedNode) -> Option<f64>| {
            // The first of equal ones.
            let paid = inference.iter().rev().filter_map(|node| Some((mean(node)?, &node.id)));
            paid.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, id)| id.clone())
        };
        let standings = [with, without].map(|run| Standing::of(run, dataset, &inference));
        let top_without = highest(|node| node.reward_mean_b);
        let leader = inference.iter().position(|node| Some(&node.id) == top_without.as_ref());
        Self {
            effect: pearson_truth.effect(pearson_truth.p_value()),
            p_holm: None,
            rewards_p_holm: Vec::new(),
            top_without_p: leader.and_then(|leader| lead(&standings[1], leader)),
            rms_distance_truth: Change::new(whole, Products::rms_distance, &by_task, &resamples),
            pearson_truth,
            top_with: highest(|node| node.reward_mean_a),
            overtakings: (inference.len() <= RANKED).then(|| overtakings(&standings, &inference)),
            top_without,
            rewards,
        }
    }
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
        (prompts, resamples): &(&Prompts, Vec<Vec<u32>>),
    ) -> Self {
        let difference = with.zip(without).map(|(with, without)| without - with);
        let resampled = |weights: &Vec<u32>| {
            let of = |tasks: &[Products]| {
                let weighted = tasks.iter().zip(weights).map(|(&task, &weight)| (task, f64::from(weight)));
                figure(&total(weighted))
            };
            Some(of(&by_task[1])? - of(&by_task[0])?)
        };
        let interval =
            |difference| prompts.interval(difference, &Vec::from_iter(resamples.iter().filter_map(resampled)));
        Self { with, without, difference, ci95_prompts: difference.and_then(interval), degrees: prompts.degrees() }
    }

    /// Whether nothing changes for any prompt, but for rounding.
    fn is_nothing(&self) -> bool {
        self.ci95_prompts.is_some_and(|[low, high]| low >= -ROUNDING && high <= ROUNDING)
    }

    /// The chance of so large a change, were there none; none where nothing changes, and without an interval.
    fn p_value(&self) -> Option<f64> {
        let (difference, ci95) = self.difference.zip(self.ci95_prompts).filter(|_| !self.is_nothing())?;
        Some(p_of_side(difference, ci95, Some(0.0), None, Some(self.degrees)))
    }

    /// What it says where more is better, if that is the p value to go by.
    fn effect(&self, p_value: Option<f64>) -> Effect {
        match (self.difference, p_value) {
            _ if self.is_nothing() => Effect::Same,
            (Some(difference), Some(p)) if p <= LEVEL => {
                if difference > 0.0 {
                    Effect::Better
                } else {
                    Effect::Worse
                }
            }
            _ => Effect::NotSettled,
        }
    }
}

impl Without {
    /// One sentence: how the consensus follows truth without the evaluator, and who changes places; `name` is what a
    /// node of that id is called.
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
        let Change { with, without, difference, ci95_prompts, .. } = &self.pearson_truth;
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
            Some([low, high]) => format!("difference {} to {}, 95% for other prompts", text(*low), text(*high)),
            None => "these are too few passages to tell of others".to_owned(),
        };
        let is_one_of_many =
            self.effect == Effect::NotSettled && ci95_prompts.is_some_and(|interval| !includes_zero(interval));
        let interval =
            if is_one_of_many { format!("{interval}; among all evaluators one such may be chance") } else { interval };
        format!("{how}: r {} in place of {} ({interval})", text(without), text(with))
    }

    fn order_words(&self, name: impl Fn(&str) -> String) -> String {
        let Some(top) = &self.top_without else { return "no inference node is paid".to_owned() };
        let has_rivals = self.rewards.nodes.iter().filter(|node| node.role == Role::Inference).count() > 1;
        let top = match self.top_without_p {
            Some(p) if p <= LEVEL => format!("{} surely earns most", name(top)),
            None if !has_rivals => format!("{} earns most", name(top)),
            _ => format!("{} earns most in these rounds, which may be chance", name(top)),
        };
        let Some(pairs) = &self.overtakings else { return top };
        if pairs.is_empty() {
            return format!("the inference nodes keep the order that they have in these rounds, {top}");
        }
        let (sure, unsure): (Vec<_>, Vec<_>) =
            pairs.iter().partition(|pair| pair.p_holm.or(pair.p_value).is_some_and(|p| p <= LEVEL));
        let named =
            sure.iter().take(NAMED).map(|pair| format!("{} overtakes {}", name(&pair.node), name(&pair.overtaken)));
        let mut parts: Vec<String> = named.collect();
        match sure.len().saturating_sub(NAMED) {
            0 => {}
            1 => parts.push("one other pair changes places".to_owned()),
            more => parts.push(format!("{more} other pairs change places")),
        }
        let other = if sure.is_empty() { "" } else { "other " };
        match unsure.len() {
            0 => {}
            1 => parts.push(format!("one {other}pair changes places in these rounds, which may be chance")),
            more => parts.push(format!("{more} {other}pairs change places in these rounds, which may be chance")),
        }
        parts.push(top);
        parts.join(", ")
    }

    /// What is to be said of the change of the reward of number `node` of [`Outcome::rewards`], in words.
    #[must_use]
    pub fn verdict_words(&self, node: usize) -> &'static str {
        let Some(compared) = self.rewards.nodes.get(node) else { return "not compared" };
        let p_holm = self.rewards_p_holm.get(node).copied().flatten();
        match compared.verdict {
            Verdict::Settled if p_holm.is_some_and(|p| p > LEVEL) => "not settled among so many",
            verdict => verdict.words(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Alignment;

    fn result(evaluator: &str, difference: f64, half_width: f64) -> Without {
        let change = Change {
            with: Some(0.5),
            without: Some(0.5 + difference),
            difference: Some(difference),
            ci95_prompts: Some([difference - half_width, difference + half_width]),
            degrees: 40,
        };
        let alignment = || Alignment { pearson_consensus_truth: None, kendall_reward_efficiency: None };
        let rewards = Compared {
            rounds: 1,
            rounds_in_step: 1,
            replicates: 0,
            prompts: 9,
            mechanism_a: alignment(),
            mechanism_b: alignment(),
            nodes: Vec::new(),
        };
        let overtaking = |p_value: f64| Overtaking {
            node: "up".to_owned(),
            overtaken: "down".to_owned(),
            p_value: Some(p_value),
            p_holm: None,
        };
        let outcome = Outcome {
            effect: change.effect(change.p_value()),
            p_holm: None,
            rewards_p_holm: Vec::new(),
            rewards,
            rms_distance_truth: change.clone(),
            pearson_truth: change,
            top_with: Some("up".to_owned()),
            top_without: Some("up".to_owned()),
            top_without_p: Some(0.001),
            overtakings: Some(vec![overtaking(0.02)]),
        };
        let leaving = Leaving { evaluator: evaluator.to_owned(), changes: Vec::new(), scenario: None, reason: None };
        Without { leaving, outcome: Some(outcome) }
    }

    /// An interval that just clears 0 settles one evaluator alone, and none of three; half as wide a one stays settled.
    #[test]
    fn effects_are_told_at_once() {
        let mut results = [result("a", 0.1, 0.09), result("b", -0.1, 0.09), result("c", 0.1, 0.05)];
        let effects = |results: &[Without]| -> Vec<Effect> {
            results.iter().filter_map(|result| Some(result.outcome.as_ref()?.effect)).collect()
        };
        assert_eq!(effects(&results), [Effect::Better, Effect::Worse, Effect::Better]);
        let p = results[0].outcome.as_ref().and_then(|outcome| outcome.pearson_truth.p_value()).expect("an interval");
        assert!(p > 0.025 && p < 0.05, "{p}");
        told_at_once(&mut results);
        assert_eq!(effects(&results), [Effect::NotSettled, Effect::NotSettled, Effect::Better]);
        let words = results[0].words(str::to_owned);
        assert!(
            words.contains(
                "seems to follow truth better, which is not settled: r 0.600 in place of 0.500 (difference 0.010 to \
                            0.190, 95% for other prompts; among all evaluators one such may be chance)"
            ),
            "{words}"
        );
        // 0.02 is sure of one pair, not of three.
        assert!(
            words.ends_with("one pair changes places in these rounds, which may be chance, up surely earns most."),
            "{words}"
        );
        let mut alone = [result("a", 0.1, 0.09)];
        told_at_once(&mut alone);
        assert_eq!(effects(&alone), [Effect::Better]);
        assert!(alone[0].words(str::to_owned).ends_with("; up overtakes down, up surely earns most."));
    }
}
