//! Two mechanisms on the same random numbers: how much more or less each node earns under B than under A, how sure that
//! is, and what would make it surer.
//!
//! Both runs read the same random words, so that most rounds have the same task and the same inference node under both,
//! and the luck of the draws largely cancels in the difference (common random numbers: Glasserman and Yao 1992). Where
//! draws do not coincide (another K, another draw of inference nodes) less cancels; the intervals hold either way,
//! since they stand on what the rounds of both runs pay together. Under a rule whose weights remember earlier rounds
//! they stand on batches of rounds; they are too narrow where a batch is no longer than that memory, and know nothing
//! of the luck of the first rounds, when weights leave their common start.

use serde::{Deserialize, Serialize};

use crate::attack::Role;
use crate::dataset::Dataset;
use crate::limits;
use crate::network::Instance;
use crate::report::{Brief, replicate_weights};
use crate::scenario::{Scenario, ScenarioError};
use crate::simulation::{Difference, Paired, PairedSums, Simulation, Tally, differences_of_pairs};
use crate::stats::Interval;

/// More prompts than this are not proposed.
const MAX_PROMPTS: f64 = 1e6;
/// An interval whose half width is this part of the difference excludes 0 four times in five, not one time in two: the
/// 0.975 quantile of the normal distribution by its sum with the 0.8 quantile.
const SURELY: f64 = 1.959_964 / (1.959_964 + 0.841_621);
/// Rewards that differ by less than this part of what a reward can be differ by rounding.
pub(crate) const ROUNDING: f64 = 1e-9;

/// Two runs in progress.
#[derive(Debug)]
pub struct Comparison {
    paired: Paired,
}

/// What two mechanisms pay, side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Rounds that both runs have done.
    pub rounds: u64,
    /// Rounds that begin at the same random word in both runs: the same task, and the same inference node where both
    /// draw one (unless a run refuses that word, as may happen once in millions of rounds in small networks).
    pub rounds_in_step: u64,
    /// Prompts that the rounds are drawn from.
    pub prompts: u64,
    /// How well A does.
    pub mechanism_a: Alignment,
    /// How well B does.
    pub mechanism_b: Alignment,
    /// Inference nodes, then evaluator nodes that both networks have, in the order of A's network.
    pub nodes: Vec<ComparedNode>,
}

/// How well a mechanism pays for what is true. A correlation is absent where it is not defined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alignment {
    /// Pearson correlation of consensus with truth, over answers.
    pub pearson_consensus_truth: Option<f64>,
    /// Kendall's tau-b of an inference node's mean reward with its truth per millisecond.
    pub kendall_reward_efficiency: Option<f64>,
}

/// What one node earns under both mechanisms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedNode {
    /// Instance id.
    pub id: String,
    /// Its role: both roles may have a node of that id.
    pub role: Role,
    /// Id of the recorded node.
    pub model: String,
    /// Mean reward under A, each time that it is paid; none before its first round.
    pub reward_mean_a: Option<f64>,
    /// Mean reward under B.
    pub reward_mean_b: Option<f64>,
    /// What B pays more than A; below 0, less.
    pub difference: Option<f64>,
    /// 95% interval of the difference for the luck of the draws, given these prompts.
    pub ci95_monte_carlo: Option<Interval>,
    /// 95% interval of the difference for the choice of prompts (percentile bootstrap over tasks).
    pub ci95_prompts: Option<Interval>,
    /// What the intervals say.
    pub verdict: Verdict,
    /// Where the interval for the luck of the draws includes 0: how many rounds in all would make it exclude 0 four
    /// times in five if the difference is what it seems, since it narrows with the root of their number. None beyond
    /// [`limits::ROUNDS`].
    pub rounds_to_settle: Option<u64>,
    /// Where the interval for the choice of prompts includes 0: how many prompts in all, with as many rounds for each
    /// as now, would make it exclude 0 four times in five if the difference is what it seems. None beyond a million.
    pub prompts_to_settle: Option<u64>,
}

/// Whether two mechanisms pay a node differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Both pay it the same in all rounds, but for rounding.
    Equal,
    /// Both intervals exclude 0, or the one there is: with a single prompt there is none over prompts.
    Settled,
    /// It may be the luck of the draws.
    NotSettledByRounds,
    /// It is not the luck of the draws, and may be the choice of prompts.
    NotSettledByPrompts,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Equal => "the same",
            Self::Settled => "settled",
            Self::NotSettledByRounds => "not settled by these rounds",
            Self::NotSettledByPrompts => "not settled by these prompts",
        }
    }
}

impl Comparison {
    /// The mechanisms of two scenarios on `dataset`, before the first round.
    ///
    /// # Errors
    /// For a scenario that is out of bounds or does not fit the dataset, and where they differ in what both runs must
    /// share: `seed`, `rounds`, the tasks that `task_kinds` leave, the nodes of `network.inference` and
    /// `network.evaluators` (ids and models, in order; latency factors, noise and stakes may differ).
    pub fn new(dataset: &Dataset, a: &Scenario, b: &Scenario) -> Result<Self, ScenarioError> {
        let runs = runs(dataset, a, b)?;
        let [a, b] = runs.each_ref().map(|run| &run.network);
        same_nodes("network.evaluators", &a.evaluators, &b.evaluators)?;
        Ok(Self { paired: Paired::new(runs) })
    }

    /// The same where the evaluators may differ too: of these, only those that both networks have are compared.
    ///
    /// # Errors
    /// As [`Comparison::new`], but for the nodes of `network.evaluators`.
    pub fn of_shared(dataset: &Dataset, a: &Scenario, b: &Scenario) -> Result<Self, ScenarioError> {
        Ok(Self { paired: Paired::new(runs(dataset, a, b)?) })
    }

    /// Both runs.
    pub(crate) fn runs(&self) -> &[Simulation; 2] {
        &self.paired.runs
    }

    /// Rounds that both runs have done.
    #[must_use]
    pub fn rounds_done(&self) -> u64 {
        self.paired.rounds_done()
    }

    /// Rounds still to run until the scenarios' number.
    #[must_use]
    pub fn rounds_left(&self) -> u64 {
        self.paired.runs[0].scenario.rounds.saturating_sub(self.rounds_done())
    }

    /// Runs up to `rounds` more rounds of both, never beyond the scenarios' number. What comes out does not depend on
    /// how the rounds are split.
    pub fn run(&mut self, rounds: u64) {
        self.paired.run_until(self.rounds_done() + rounds.min(self.rounds_left()));
    }

    /// What the rounds run so far show; one of the runs may be ahead until both are at their end. `dataset` must be the
    /// one that the comparison was made with.
    #[must_use]
    pub fn finding(&self, dataset: &Dataset) -> Compared {
        let Paired { runs: [a, b], inference, evaluators, evaluator_pairs, rounds_in_step, .. } = &self.paired;
        let prompts = a.network.tasks.len();
        let replicates = replicate_weights(a.scenario.seed, prompts);
        let counts = Counts { rounds: self.rounds_done(), prompts: prompts as u64 };
        let [mechanism_a, mechanism_b] = [a, b].map(|run| Alignment::new(&run.brief(dataset)));
        let models = dataset.manifest.inference_nodes.iter().map(|entry| entry.id.as_str()).collect();
        let nodes = &a.network.inference;
        let pairs: Vec<[usize; 2]> = (0..nodes.len()).map(|node| [node; 2]).collect();
        let pool = Pool { role: Role::Inference, nodes, pairs: &pairs, models, sums: inference };
        let mut nodes = pool.compared([&a.inference, &b.inference], &replicates, counts);
        let models = dataset.manifest.evaluators.iter().map(|entry| entry.id.as_str()).collect();
        let evaluator_nodes = &a.network.evaluators;
        let pool =
            Pool { role: Role::Evaluator, nodes: evaluator_nodes, pairs: evaluator_pairs, models, sums: evaluators };
        nodes.extend(pool.compared([&a.evaluators, &b.evaluators], &replicates, counts));
        Compared {
            rounds: counts.rounds,
            rounds_in_step: *rounds_in_step,
            prompts: counts.prompts,
            mechanism_a,
            mechanism_b,
            nodes,
        }
    }
}

impl Alignment {
    fn new(brief: &Brief) -> Self {
        Self {
            pearson_consensus_truth: brief.pearson_consensus_truth,
            kendall_reward_efficiency: brief.kendall_reward_efficiency,
        }
    }
}

/// Both runs before their first round, where they may be compared but for their evaluators.
fn runs(dataset: &Dataset, a: &Scenario, b: &Scenario) -> Result<[Simulation; 2], ScenarioError> {
    for (field, a, b) in [("seed", a.seed, b.seed), ("rounds", a.rounds, b.rounds)] {
        if a != b {
            return Err(ScenarioError::new(field, format!("{b} in B; allowed: {a}, as in A")));
        }
    }
    let run = |scenario, mechanism| {
        Simulation::without_gains(dataset, scenario)
            .map_err(|error| ScenarioError::new(error.path, format!("{} (mechanism {mechanism})", error.message)))
    };
    let runs = [run(a, "A")?, run(b, "B")?];
    let [a, b] = runs.each_ref().map(|run| &run.network);
    if a.tasks != b.tasks {
        return Err(ScenarioError::new("task_kinds", "B draws other tasks than A; allowed: the kinds of A"));
    }
    same_nodes("network.inference", &a.inference, &b.inference)?;
    Ok(runs)
}

fn same_nodes(path: &str, a: &[Instance], b: &[Instance]) -> Result<(), ScenarioError> {
    if a.len() != b.len() {
        return Err(ScenarioError::new(path, format!("{} nodes in B; allowed: {}, as in A", b.len(), a.len())));
    }
    match a.iter().zip(b).find(|(a, b)| (&a.id, a.model) != (&b.id, b.model)) {
        Some((a, b)) => Err(ScenarioError::new(path, format!("`{}` in B; allowed: `{}`, as in A", b.id, a.id))),
        None => Ok(()),
    }
}

/// What a finding stands on.
#[derive(Clone, Copy)]
struct Counts {
    rounds: u64,
    prompts: u64,
}

/// The nodes of one role under both mechanisms.
struct Pool<'a> {
    role: Role,
    /// Those under A.
    nodes: &'a [Instance],
    /// The positions under both of those that are compared.
    pairs: &'a [[usize; 2]],
    /// By recorded node: its id.
    models: Vec<&'a str>,
    sums: &'a PairedSums,
}

impl Pool<'_> {
    fn compared(&self, tallies: [&Tally; 2], replicates: &[Vec<u32>], counts: Counts) -> Vec<ComparedNode> {
        let sides = tallies.map(Tally::by_node);
        let differences = differences_of_pairs([&sides[0], &sides[1]], self.pairs, self.sums, replicates);
        let compared = |(&[node, node_b], paid): (&[usize; 2], Difference)| {
            let Difference { means, difference, ci95_monte_carlo, ci95_prompts } = paid;
            let verdict = verdict(ci95_monte_carlo, ci95_prompts, rounding(tallies, [node, node_b]));
            let to_settle = |interval, count, most| match verdict {
                Verdict::Equal => None,
                _ => to_settle(difference?, interval?, count, most),
            };
            ComparedNode {
                rounds_to_settle: to_settle(ci95_monte_carlo, counts.rounds, limits::ROUNDS.max),
                prompts_to_settle: to_settle(ci95_prompts, counts.prompts, MAX_PROMPTS),
                id: self.nodes[node].id.clone(),
                role: self.role,
                model: self.models[self.nodes[node].model].to_owned(),
                reward_mean_a: means[0],
                reward_mean_b: means[1],
                difference,
                ci95_monte_carlo,
                ci95_prompts,
                verdict,
            }
        };
        self.pairs.iter().zip(differences).map(compared).collect()
    }
}

/// How much the rewards of a node, which has these positions, may differ by rounding.
fn rounding(tallies: [&Tally; 2], nodes: [usize; 2]) -> f64 {
    let most = |side: usize| {
        let reward = |value| tallies[side].reward(nodes[side], value).abs();
        reward(0.0).max(reward(10.0))
    };
    let [a, b] = [most(0), most(1)];
    ROUNDING * a.max(b)
}

/// What the intervals for the luck of the draws and for the choice of prompts say; `rounding` is nothing.
fn verdict(monte_carlo: Option<Interval>, prompts: Option<Interval>, rounding: f64) -> Verdict {
    let is_nothing = |[low, high]: Interval| low >= -rounding && high <= rounding;
    match (monte_carlo, prompts) {
        (None, _) => Verdict::NotSettledByRounds,
        (Some(interval), _) if is_nothing(interval) => Verdict::Equal,
        (Some(interval), _) if includes_zero(interval) => Verdict::NotSettledByRounds,
        (_, Some(interval)) if includes_zero(interval) => Verdict::NotSettledByPrompts,
        _ => Verdict::Settled,
    }
}

pub(crate) fn includes_zero([low, high]: Interval) -> bool {
    low <= 0.0 && high >= 0.0
}

/// How many in place of `count` would surely make `interval` of `difference` exclude 0; none where it does, and beyond
/// `most`.
fn to_settle(difference: f64, interval: Interval, count: u64, most: f64) -> Option<u64> {
    let [low, high] = interval;
    // The side towards 0.
    let half = if difference > 0.0 { difference - low } else { high - difference };
    let ratio = half / (SURELY * difference);
    let needed = (count as f64 * ratio * ratio).floor() + 1.0;
    // Without a difference the ratio is infinite or not a number.
    (includes_zero(interval) && needed <= most).then_some(needed as u64)
}

impl Compared {
    /// One sentence on `node`, one of [`Compared::nodes`]: what B pays more or less, the wider of its intervals, and
    /// whether that is settled.
    #[must_use]
    pub fn words(&self, node: &ComparedNode) -> String {
        let id = &node.id;
        if node.verdict == Verdict::Equal {
            return format!("A and B pay {id} the same.");
        }
        let (Some(difference), Some(interval)) = (node.difference, node.widest_interval()) else {
            return format!("Not settled: too few rounds to say what B pays {id} more or less.");
        };
        let (word, [low, high]) =
            if difference < 0.0 { ("less", [-interval[1], -interval[0]]) } else { ("more", interval) };
        let decimals = decimals(high - low, difference.abs());
        let [difference, low, high] = [difference.abs(), low, high].map(|number| rounded(number, decimals));
        let what = format!("{id} {difference} {word} each time ({low} to {high})");
        match (node.verdict, node.rounds_to_settle, node.prompts_to_settle) {
            (Verdict::Equal | Verdict::Settled, ..) => format!("B pays {what}: settled."),
            (Verdict::NotSettledByRounds, Some(rounds), _) => {
                let more = grouped(two_figures(rounds.saturating_sub(self.rounds)));
                let would = "more rounds would settle it if the difference is what it seems";
                format!("B seems to pay {what}: not settled; about {more} {would}.")
            }
            (Verdict::NotSettledByRounds, None, _) => {
                let most = grouped(limits::ROUNDS.max as u64);
                let would = "would settle a difference so small";
                format!("B seems to pay {what}: not settled; no number of rounds up to {most} {would}.")
            }
            (Verdict::NotSettledByPrompts, _, Some(prompts)) => {
                let (needed, now) = (grouped(two_figures(prompts)), grouped(self.prompts));
                let would = "only more prompts would settle it for others";
                format!("B pays {what} on these prompts; {would}: about {needed} in place of {now}.")
            }
            (Verdict::NotSettledByPrompts, _, None) => {
                let most = grouped(MAX_PROMPTS as u64);
                format!("B pays {what} on these prompts; no number of prompts up to {most} would settle it for others.")
            }
        }
    }
}

impl ComparedNode {
    fn widest_interval(&self) -> Option<Interval> {
        let width = |[low, high]: Interval| high - low;
        let monte_carlo = self.ci95_monte_carlo?;
        Some(self.ci95_prompts.filter(|&prompts| width(prompts) > width(monte_carlo)).unwrap_or(monte_carlo))
    }
}

/// Decimals that show two figures of half an interval's width and one of the difference; three of it without a width.
pub(crate) fn decimals(width: f64, difference: f64) -> usize {
    let first_figure = |number: f64| if number > 0.0 { -libm::floor(libm::log10(number)) } else { f64::NEG_INFINITY };
    let place = if width > 0.0 {
        (1.0 + first_figure(width / 2.0)).max(first_figure(difference))
    } else {
        2.0 + first_figure(difference)
    };
    place.clamp(0.0, 12.0) as usize
}

/// `number` with so many decimals, and no sign where they are all 0.
pub(crate) fn rounded(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) => digits.to_owned(),
        _ => text,
    }
}

/// Rounded up to two figures.
fn two_figures(number: u64) -> u64 {
    let unit = 10_u64.pow(number.max(1).ilog10().saturating_sub(1));
    number.div_ceil(unit) * unit
}

/// With commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(difference: f64, monte_carlo: Interval, prompts: Option<Interval>) -> (Compared, ComparedNode) {
        let node = ComparedNode {
            id: "x".to_owned(),
            role: Role::Inference,
            model: "x".to_owned(),
            reward_mean_a: Some(0.5),
            reward_mean_b: Some(0.5 + difference),
            difference: Some(difference),
            ci95_monte_carlo: Some(monte_carlo),
            ci95_prompts: prompts,
            verdict: verdict(Some(monte_carlo), prompts, 1e-9),
            rounds_to_settle: to_settle(difference, monte_carlo, 5000, limits::ROUNDS.max),
            prompts_to_settle: prompts.and_then(|prompts| to_settle(difference, prompts, 123, MAX_PROMPTS)),
        };
        let alignment = Alignment { pearson_consensus_truth: None, kendall_reward_efficiency: None };
        let compared = Compared {
            rounds: 5000,
            rounds_in_step: 5000,
            prompts: 123,
            mechanism_a: alignment.clone(),
            mechanism_b: alignment,
            nodes: Vec::new(),
        };
        (compared, node)
    }

    #[track_caller]
    fn says(difference: f64, monte_carlo: Interval, prompts: Option<Interval>, want: &str) {
        let (compared, node) = node(difference, monte_carlo, prompts);
        assert_eq!(compared.words(&node), want);
    }

    #[test]
    fn each_verdict_has_its_sentence() {
        says(0.0, [0.0, 0.0], Some([0.0, 0.0]), "A and B pay x the same.");
        let narrow = Some([0.03, 0.032]);
        says(0.031, [0.027, 0.035], narrow, "B pays x 0.0310 more each time (0.0270 to 0.0350): settled.");
        says(-0.5, [-0.5, -0.5], None, "B pays x 0.500 less each time (0.500 to 0.500): settled.");
        says(
            -0.02,
            [-0.08, 0.04],
            Some([-0.06, 0.02]),
            "B seems to pay x 0.020 less each time (-0.040 to 0.080): not settled; about 87,000 more rounds would \
             settle it if the difference is what it seems.",
        );
        says(
            1e-6,
            [-0.05, 0.05],
            None,
            "B seems to pay x 0.000001 more each time (-0.050000 to 0.050000): not settled; no number of rounds up to \
             1,000,000,000 would settle a difference so small.",
        );
        says(
            0.02,
            [0.01, 0.03],
            Some([-0.01, 0.05]),
            "B pays x 0.020 more each time (-0.010 to 0.050) on these prompts; only more prompts would settle it for \
             others: about 570 in place of 123.",
        );
        says(
            1e-4,
            [1e-5, 2e-4],
            Some([-0.1, 0.1]),
            "B pays x 0.0001 more each time (-0.1000 to 0.1000) on these prompts; no number of prompts up to \
             1,000,000 would settle it for others.",
        );
    }

    #[test]
    fn without_an_interval_nothing_is_settled() {
        let (compared, mut node) = node(0.1, [0.0, 0.2], None);
        (node.ci95_monte_carlo, node.verdict) = (None, verdict(None, None, 1e-9));
        assert_eq!(compared.words(&node), "Not settled: too few rounds to say what B pays x more or less.");
    }

    /// With nine times as many the interval of half 1.5 would just touch 0; (2.8016 / 1.96)^2 = 2.0432 times that, so
    /// that it excludes 0 four times in five.
    #[test]
    fn as_many_as_narrow_the_interval_to_less_than_the_difference() {
        assert_eq!(to_settle(0.5, [-1.0, 2.0], 1000, 1e9), Some(18_389));
        assert_eq!(to_settle(-0.5, [-2.0, 1.0], 1000, 1e9), Some(18_389));
        assert_eq!(to_settle(-0.5, [-2.0, 1.0], 1000, 18_388.0), None);
        assert_eq!(to_settle(0.5, [0.25, 0.75], 1000, 1e9), None);
        assert_eq!(to_settle(0.0, [-1.0, 1.0], 1000, 1e9), None);
        assert_eq!(to_settle(0.0, [0.0, 0.0], 1000, 1e9), None);
    }

    #[test]
    fn numbers_in_words() {
        assert_eq!([0, 7, 99, 101, 1_234, 999_001].map(two_figures), [0, 7, 99, 110, 1300, 1_000_000]);
        assert_eq!(
            ["7", "123", "1,234", "1,000,000"],
            [7, 123, 1234, 1_000_000].map(grouped).each_ref().map(String::as_str)
        );
        assert_eq!([rounded(-0.0004, 3), rounded(-0.0006, 3), rounded(2.0, 0)], ["0.000", "-0.001", "2"]);
    }
}
