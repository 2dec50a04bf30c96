//! Two mechanisms on the same random numbers: how much more or less each node earns under B than under A, how sure that
//! is, and what would make it surer.
//!
//! Both runs read the same random words, so that most rounds have the same task and the same inference node under both,
//! and the luck of the draws largely cancels in the difference (common random numbers: Glasserman and Yao 1992). Where
//! draws do not coincide (another K, another draw of inference nodes) less cancels; the intervals hold either way,
//! since they stand on what the rounds of both runs pay together. Where the past decides a run's path they stand on
//! replicates of both runs, seed by seed.
//!
//! Many nodes are compared at once: that a difference is settled is said after Holm's correction for their number.

use serde::{Deserialize, Serialize};

use crate::attack::Role;
use crate::dataset::Dataset;
use crate::families;
use crate::limits;
use crate::network::Instance;
use crate::report::Brief;
use crate::scenario::{Scenario, ScenarioError};
use crate::simulation::{Difference, Paired, Simulation};
use crate::stats::{self, Interval};

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
    /// How many more pairs of runs of as many rounds the intervals stand on where the past decides a run's path; 0
    /// where rounds are independent, and where such runs would take too long: then there are no intervals.
    pub replicates: u32,
    /// Inference nodes, then evaluator nodes that both networks have, in the order of A's network; nodes that differ in
    /// their names alone, under A and under B, are one.
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
    /// Instance id; of several nodes that are alike, the first one's.
    pub id: String,
    /// How many nodes these figures are of.
    pub instances: u32,
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
    /// 95% interval of the difference for the choice of prompts, as in a report.
    pub ci95_prompts: Option<Interval>,
    /// How probable so large a difference would be, by draws and prompts together, if there were none; after Holm's
    /// correction for the nodes compared.
    pub p_corrected: Option<f64>,
    /// What the intervals say.
    pub verdict: Verdict,
    /// Where the interval for the luck of the draws includes 0: how many rounds in all would make it exclude 0 four
    /// times in five, on these prompts, if the difference is what it seems, since it narrows with the root of their
    /// number. None beyond [`limits::ROUNDS`], and where the past decides a run's path.
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
    /// Both intervals exclude 0, and draws and prompts together explain the difference in fewer than one case in
    /// twenty, after Holm's correction for the nodes compared.
    Settled,
    /// It may be the luck of the draws.
    NotSettledByRounds,
    /// It is not the luck of the draws, and may be the choice of prompts.
    NotSettledByPrompts,
    /// Its own intervals exclude 0, as those of one node in twenty do without any difference.
    NotSettledAmongMany,
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
            Self::NotSettledAmongMany => "not settled among so many nodes",
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
        Ok(Self { paired: Paired::new(runs).with_replicates(dataset)? })
    }

    /// The same where the evaluators may differ too: of these, only those that both networks have are compared.
    ///
    /// # Errors
    /// As [`Comparison::new`], but for the nodes of `network.evaluators`.
    pub fn of_shared(dataset: &Dataset, a: &Scenario, b: &Scenario) -> Result<Self, ScenarioError> {
        Ok(Self { paired: Paired::new(runs(dataset, a, b)?).with_replicates(dataset)? })
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
        let Paired { runs: [a, b], rounds_in_step, .. } = &self.paired;
        let prompts = a.network.tasks.len();
        let counts = Counts { rounds: self.rounds_done(), prompts: prompts as u64, remembers: self.paired.remembers() };
        let [mechanism_a, mechanism_b] = [a, b].map(|run| Alignment::new(&run.brief(dataset)));
        let mut nodes = Vec::new();
        for (role, ids) in [
            (Role::Inference, Vec::from_iter(dataset.manifest.inference_nodes.iter().map(|entry| &entry.id))),
            (Role::Evaluator, Vec::from_iter(dataset.manifest.evaluators.iter().map(|entry| &entry.id))),
        ] {
            for (members, paid) in self.paired.differences(dataset, role) {
                let Instance { id, model, .. } = &a.network.of(role)[members[0]];
                let mut node = ComparedNode::new(paid, self.rounding(role, members), counts);
                (node.id, node.role, node.model) = (id.clone(), role, ids[*model].clone());
                node.instances = members.len() as u32;
                nodes.push(node);
            }
        }
        correct(&mut nodes);
        Compared {
            rounds: counts.rounds,
            rounds_in_step: *rounds_in_step,
            prompts: counts.prompts,
            replicates: a.replicates.count(),
            mechanism_a,
            mechanism_b,
            nodes,
        }
    }

    /// How much the rewards of nodes that are alike may differ by rounding.
    fn rounding(&self, role: Role, members: &[usize]) -> f64 {
        let most = |side: usize, node: usize| {
            let reward = |value| self.paired.runs[side].tally(role).reward(node, value).abs();
            reward(0.0).max(reward(10.0))
        };
        ROUNDING * most(0, members[0]).max(most(1, self.paired.partner(role, members[0])))
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
    /// Whether the past decides the path of a run.
    remembers: bool,
}

impl ComparedNode {
    /// What the runs paid, without a name; `rounding` is nothing. Its verdict and `p_corrected` are its own, before any
    /// correction.
    fn new(paid: Difference, rounding: f64, counts: Counts) -> Self {
        let [ci95_monte_carlo, ci95_prompts] = [paid.ci95_monte_carlo(), paid.ci95_prompts()];
        let verdict = verdict(ci95_monte_carlo, ci95_prompts, rounding);
        let to_settle = |interval: Option<Interval>, count, most| match verdict {
            Verdict::Equal => None,
            _ => to_settle(paid.difference?, interval?, count, most),
        };
        let p_value = || {
            let (draws, difference) = (paid.draws?, paid.difference?);
            let prompts = paid.prompts.unwrap_or(stats::Spread { error: 0.0, degrees: draws.degrees });
            let error = libm::hypot(draws.error, prompts.error);
            Some(stats::Spread { error, degrees: draws.degrees.min(prompts.degrees) }.p_value(difference))
        };
        Self {
            id: String::new(),
            instances: 1,
            role: Role::Inference,
            model: String::new(),
            reward_mean_a: paid.means[0],
            reward_mean_b: paid.means[1],
            difference: paid.difference,
            // More rounds of a run whose past decides its path are another run.
            rounds_to_settle: to_settle(ci95_monte_carlo, counts.rounds, limits::ROUNDS.max)
                .filter(|_| !counts.remembers),
            prompts_to_settle: to_settle(ci95_prompts, counts.prompts, MAX_PROMPTS),
            ci95_monte_carlo,
            ci95_prompts,
            p_corrected: match verdict {
                Verdict::Equal => Some(1.0),
                _ => p_value(),
            },
            verdict,
        }
    }
}

/// Corrects what is said of each node for how many there are.
fn correct(nodes: &mut [ComparedNode]) {
    let own: Vec<f64> = nodes.iter().map(|node| node.p_corrected.unwrap_or(1.0)).collect();
    for (node, corrected) in nodes.iter_mut().zip(families::holm(&own)) {
        node.p_corrected = node.p_corrected.map(|_| corrected);
        if node.verdict == Verdict::Settled && corrected > families::LEVEL {
            node.verdict = Verdict::NotSettledAmongMany;
        }
    }
}

/// What the intervals for the luck of the draws and for the choice of prompts say; `rounding` is nothing.
fn verdict(monte_carlo: Option<Interval>, prompts: Option<Interval>, rounding: f64) -> Verdict {
    let is_nothing = |[low, high]: Interval| low >= -rounding && high <= rounding;
    match (monte_carlo, prompts) {
        (None, _) => Verdict::NotSettledByRounds,
        (Some(interval), _) if is_nothing(interval) => Verdict::Equal,
        (Some(interval), _) if includes_zero(interval) => Verdict::NotSettledByRounds,
        (_, Some(interval)) if !includes_zero(interval) => Verdict::Settled,
        // Of other prompts nothing is known where there are none to resample.
        _ => Verdict::NotSettledByPrompts,
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
        let id = node.name();
        if node.verdict == Verdict::Equal {
            return format!("A and B pay {id} the same.");
        }
        let Some(difference) = node.difference else {
            return format!("Not settled: too few rounds to say what B pays {id} more or less.");
        };
        let word = if difference < 0.0 { "less" } else { "more" };
        let Some(interval) = node.widest_interval() else {
            let difference = rounded(difference.abs(), 3);
            return format!(
                "B pays {id} {difference} {word} each time in this run; how much of that is luck is not known, so that nothing \
                 is settled."
            );
        };
        let [low, high] = if difference < 0.0 { [-interval[1], -interval[0]] } else { interval };
        let decimals = decimals(high - low, difference.abs());
        let [difference, low, high] = [difference.abs(), low, high].map(|number| rounded(number, decimals));
        let what = format!("{id} {difference} {word} each time ({low} to {high})");
        let if_so = "if the difference is what it seems";
        let of_prompts = match node.prompts_to_settle {
            Some(prompts) => format!("about {} in place of {}", grouped(two_figures(prompts)), grouped(self.prompts)),
            None => format!("no number up to {} would do", grouped(MAX_PROMPTS as u64)),
        };
        match (node.verdict, node.rounds_to_settle) {
            (Verdict::Equal | Verdict::Settled, _) => format!("B pays {what}: settled."),
            (Verdict::NotSettledAmongMany, _) => {
                let nodes = self.nodes.len();
                format!(
                    "B seems to pay {what}: not settled, since the largest of {nodes} differences may be as large by luck."
                )
            }
            (Verdict::NotSettledByRounds, rounds) => {
                let by_rounds = match rounds {
                    Some(rounds) => {
                        let more = grouped(two_figures(rounds.saturating_sub(self.rounds)));
                        format!(
                            "about {more} more rounds would settle it for these prompts four times in five, {if_so}"
                        )
                    }
                    None if self.replicates > 0 => {
                        format!("what is paid differs that much among {} runs of other luck", self.replicates)
                    }
                    None => {
                        let most = grouped(limits::ROUNDS.max as u64);
                        format!("no number of rounds up to {most} would settle a difference so small")
                    }
                };
                let for_others = if node.ci95_prompts.is_some_and(includes_zero) {
                    format!("; for other prompts it takes more of these as well: {of_prompts}")
                } else {
                    String::new()
                };
                format!("B seems to pay {what}: not settled; {by_rounds}{for_others}.")
            }
            (Verdict::NotSettledByPrompts, _) if node.ci95_prompts.is_none() => {
                format!("B pays {what} on these prompts; of others nothing is known.")
            }
            (Verdict::NotSettledByPrompts, _) => {
                format!("B pays {what} on these prompts; only more of them would settle it for others: {of_prompts}.")
            }
        }
    }
}

impl ComparedNode {
    /// Its id; of several nodes that are alike, the first one's and how many there are.
    #[must_use]
    pub fn name(&self) -> String {
        match self.instances {
            1 => self.id.clone(),
            count => format!("{} and {} like it", self.id, count - 1),
        }
    }

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
    use crate::stats::Spread;

    fn node(difference: f64, monte_carlo: Option<Interval>, prompts: Option<Interval>) -> (Compared, ComparedNode) {
        let spread = |[low, high]: Interval| Spread { error: (high - low) / (2.0 * 1.959_964), degrees: 100_000_000 };
        let paid = Difference {
            means: [Some(0.5), Some(0.5 + difference)],
            difference: Some(difference),
            draws: monte_carlo.map(spread),
            prompts: prompts.map(spread),
            expected: Some(difference),
        };
        let counts = Counts { rounds: 5000, prompts: 123, remembers: false };
        let node = ComparedNode { id: "x".to_owned(), ..ComparedNode::new(paid, 1e-9, counts) };
        let alignment = Alignment { pearson_consensus_truth: None, kendall_reward_efficiency: None };
        let compared = Compared {
            rounds: 5000,
            rounds_in_step: 5000,
            prompts: 123,
            replicates: 0,
            mechanism_a: alignment.clone(),
            mechanism_b: alignment,
            nodes: vec![node.clone()],
        };
        (compared, node)
    }

    #[track_caller]
    fn says(difference: f64, monte_carlo: Interval, prompts: Option<Interval>, want: &str) {
        let (compared, node) = node(difference, Some(monte_carlo), prompts);
        assert_eq!(compared.words(&node), want);
    }

    #[test]
    fn each_verdict_has_its_sentence() {
        says(0.0, [0.0, 0.0], Some([0.0, 0.0]), "A and B pay x the same.");
        let narrow = Some([0.03, 0.032]);
        says(0.031, [0.027, 0.035], narrow, "B pays x 0.0310 more each time (0.0270 to 0.0350): settled.");
        says(-0.5, [-0.5, -0.5], Some([-0.5, -0.5]), "B pays x 0.500 less each time (0.500 to 0.500): settled.");
        let of_others = "B pays x 0.500 less each time (0.500 to 0.500) on these prompts; of others nothing is known.";
        says(-0.5, [-0.5, -0.5], None, of_others);
        says(
            -0.02,
            [-0.08, 0.04],
            Some([-0.06, 0.02]),
            "B seems to pay x 0.020 less each time (-0.040 to 0.080): not settled; about 87,000 more rounds would settle it \
             for these prompts four times in five, if the difference is what it seems; for other prompts it takes more of \
             these as well: about 1,100 in place of 123.",
        );
        says(
            1e-6,
            [-0.05, 0.05],
            None,
            "B seems to pay x 0.000001 more each time (-0.049999 to 0.050001): not settled; no number of rounds up to \
             1,000,000,000 would settle a difference so small.",
        );
        says(
            0.02,
            [0.01, 0.03],
            Some([-0.01, 0.05]),
            "B pays x 0.020 more each time (-0.010 to 0.050) on these prompts; only more of them would settle it for others: \
             about 570 in place of 123.",
        );
        says(
            1e-4,
            [1e-5, 19e-5],
            Some([-0.1, 0.1]),
            "B pays x 0.0001 more each time (-0.0999 to 0.1001) on these prompts; only more of them would settle it for \
             others: no number up to 1,000,000 would do.",
        );
    }

    #[test]
    fn without_an_interval_nothing_is_settled() {
        let (compared, node) = node(0.1, None, None);
        assert_eq!(
            compared.words(&node),
            "B pays x 0.100 more each time in this run; how much of that is luck is not known, so that nothing is settled."
        );
        let unpaid = ComparedNode { difference: None, instances: 3, ..node };
        let words = "Not settled: too few rounds to say what B pays x and 2 like it more or less.";
        assert_eq!(compared.words(&unpaid), words);
    }

    /// Two pairs of runs whose differences are 2.5 and 4 standard errors: among fifty the first may be luck.
    #[test]
    fn a_difference_is_settled_among_all_that_are_compared() {
        let exact = |x: f64| Some([x, x]);
        let same = node(0.0, Some([-0.01, 0.01]), exact(0.0)).1;
        let [mut seems, mut is] = [2.5, 4.0].map(|errors| {
            node(0.01 * errors, Some([0.01 * (errors - 1.96), 0.01 * (errors + 1.96)]), exact(0.01 * errors)).1
        });
        assert_eq!((seems.verdict, is.verdict), (Verdict::Settled, Verdict::Settled));
        let mut nodes = vec![same; 50];
        nodes.extend([seems, is]);
        correct(&mut nodes);
        (is, seems) = (nodes.pop().expect("there"), nodes.pop().expect("there"));
        assert_eq!((seems.verdict, is.verdict), (Verdict::NotSettledAmongMany, Verdict::Settled));
        // 52 times the probability of being 4 standard errors off.
        assert!((is.p_corrected.expect("known") - 52.0 * 6.334e-5).abs() < 1e-4, "{:?}", is.p_corrected);
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
