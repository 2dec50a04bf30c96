//! What an attack gains at best: a search among the attacks of [`crate::attack`], for a number of colluding evaluators,
//! or for every node on its own.
//!
//! A search has stages, each a list of runs that may be made in any order:
//!
//! 1. *screening*: a grid of attacks, at few rounds, on the seed of the base scenario, so that all meet the same draws;
//! 2. *refining*, twice: numbers around those of the best few kinds, and these kinds now and then;
//! 3. *confirming*: the best, at all rounds, several times on fresh seeds that the search has not seen, so that what it
//!    is said to gain is not what luck made it look like (the winner's curse).
//!
//! A stage follows from the base, the settings and the measures of the stages before it: every worker of a pool may
//! hold a search of its own, and all of them go on alike when each is given all measures.
//!
//! What is found is a lower bound of what can be gained: other attacks, other members and other strengths may gain
//! more.

mod candidates;

use serde::{Deserialize, Serialize};

use crate::attack::{Attack, Attackers, Kind, Role};
use crate::dataset::Dataset;
use crate::limits;
use crate::network::{Instance, Network};
use crate::report::Brief;
use crate::rng::{Purpose, Stream};
use crate::scenario::{Scenario, ScenarioError};
use crate::simulation::Simulation;
use crate::stats::{self, Interval};
use candidates::{around, cabals, downgrades, false_reports, is_akin, on_scores};

/// Stages that refine.
const REFINEMENTS: u32 = 2;
/// Kinds of attack that are refined, for each aim and node.
const REFINED: usize = 3;
/// Nodes of a role that are tried one by one; in larger networks one stands for all of its like.
const MAX_NODES: usize = 64;
/// Gains closer to 0 than this are rounding.
const ROUNDING: f64 = 1e-9;

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Rounds of a run before confirmation; the scenario's own where that is fewer.
    pub screening_rounds: u64,
    /// Fresh seeds of the confirmation.
    pub replicates: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { screening_rounds: 2000, replicates: 8 }
    }
}

/// Where a search stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A grid of attacks.
    Screening,
    /// Numbers around the best few.
    Refining,
    /// The best on fresh seeds.
    Confirming,
}

/// Whose gain counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// The attackers' own, for each time that they are paid.
    Attackers,
    /// That of a cabal and its inference node together, in a round.
    OwnNode,
    /// That of an inference node that reports a false latency, for each time that it is paid. Apart from other attacks,
    /// since it pays wherever reported latency is believed and costs more than nothing.
    FalseReport,
}

/// What a confirmed gain says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The interval lies above 0.
    Pays,
    /// The interval lies below 0: nothing that was tried pays.
    Costs,
    /// The interval holds 0, or the attackers were hardly ever paid.
    NotShown,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Pays => "it pays: the interval lies above 0",
            Self::Costs => "it costs: the interval lies below 0",
            Self::NotShown => "neither a gain nor a loss is shown",
        }
    }
}

/// A gain over several fresh seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// The mean of the runs.
    pub mean: f64,
    /// 95% interval of the mean for the luck of the draws (Student's t over the runs), given these prompts.
    pub ci95_monte_carlo: Interval,
}

impl Gain {
    /// None for fewer than two runs.
    fn of(runs: &[f64]) -> Option<Self> {
        let count = runs.len() as f64;
        let mean = runs.iter().sum::<f64>() / count;
        let squares: f64 = runs.iter().map(|gain| (gain - mean) * (gain - mean)).sum();
        let sd = (squares / (count - 1.0)).sqrt();
        stats::mean_interval(mean, sd, runs.len() as u64).map(|ci95_monte_carlo| Self { mean, ci95_monte_carlo })
    }

    fn verdict(self) -> Verdict {
        let [low, high] = self.ci95_monte_carlo;
        match () {
            () if low > ROUNDING => Verdict::Pays,
            () if high < -ROUNDING => Verdict::Costs,
            () => Verdict::NotShown,
        }
    }
}

/// The best attack that was found for one aim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What was maximised.
    pub aim: Aim,
    /// The attack.
    pub attack: Attack,
    /// What the attackers gain each time that one of them is paid, over their honest selves.
    pub gain: Option<Gain>,
    /// What a cabal's inference node gains each time that it is paid, over the run without the cabal.
    pub own_node_gain: Option<Gain>,
    /// What cabal and inference node gain together, in a round.
    pub coalition_gain: Option<Gain>,
    /// Whether what was maximised is above 0.
    pub verdict: Verdict,
    /// The best of each kind of attack that was tried (of each node, where the kind names one), as they stood when the
    /// first, which is this one, was chosen: inflated by the choice, and so not to be shown as gains.
    pub tried: Vec<Tried>,
    /// A scenario that shows it: the base with the attack, on the first of the fresh seeds.
    pub scenario: Scenario,
}

/// An attack that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// What the attackers did.
    pub kind: Kind,
    /// What was maximised, at few rounds on the seed of the base; none where the attackers were never paid.
    pub value: Option<f64>,
}

/// What is kept of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Payments to attackers.
    pub payments: u64,
    /// Sum of their gains.
    pub gain_sum: f64,
    /// Of each inference node that a cabal may have: its payments and its mean reward, 0 without payments.
    pub nodes: Vec<(u64, f64)>,
}

/// A stage of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    base: Scenario,
    settings: Settings,
    /// 0 for the screening, then that of the refinement; the confirmation comes after the last.
    step: u32,
    contests: Vec<Contest>,
    /// Inference nodes that a cabal may have.
    own: Vec<String>,
    runs: Vec<Run>,
}

/// Attacks of the same nodes, of which the best is looked for.
#[derive(Clone, Debug, PartialEq)]
struct Contest {
    aim: Aim,
    nodes: Vec<String>,
    tried: Vec<Tried>,
}

#[derive(Clone, Debug, PartialEq)]
struct Run {
    seed: u64,
    /// The contest, and the attack; none for the base itself.
    attack: Option<(usize, Kind)>,
}

/// What one run says.
#[derive(Clone, Copy, Debug, Default)]
struct Gains {
    attackers: Option<f64>,
    own_node: Option<f64>,
    coalition: Option<f64>,
}

impl Search {
    /// For the best attack of `budget` evaluators: one finding for what they gain themselves, and one for the best
    /// cabal, its inference node's gain included.
    ///
    /// The attacks of `base` stay (a share of attackers is drawn anew under each fresh seed). The evaluators come from
    /// those that are honest there: the ones that a share of attackers of that size would draw under the seed of
    /// `base`, by name, so that they stay the same under every seed. Cabals are tried for each inference node, or, in
    /// networks of more than 64, for one of each that differs in model, latency, noise or stake. Whoever copies scores
    /// or gives a constant is taken to need no time for it. Five evaluators and five nodes make some 80 runs before the
    /// confirmation, and 24 for it.
    ///
    /// # Errors
    /// For a budget that names `budget` and the numbers allowed, settings out of bounds, a scenario that does not fit the
    /// dataset or that has as many attacks as there may be.
    pub fn attacks(base: Scenario, dataset: &Dataset, budget: u32, settings: Settings) -> Result<Self, ScenarioError> {
        let network = Network::new(dataset, &base)?;
        let honest = network.evaluators.iter().filter(|evaluator| evaluator.attack.is_none()).count();
        if budget == 0 || budget as usize > honest {
            let message = format!(
                "{budget} of {} evaluators; allowed: 1 to {honest}, those that take part in no other attack",
                network.evaluators.len()
            );
            return Err(ScenarioError::new("budget", message));
        }
        let share = f64::from(budget) / network.evaluators.len() as f64;
        let drawn = Attack { nodes: Attackers::Share { share }, kind: Kind::Boost { by: 0.0 } };
        let attack = Some(base.attacks.len());
        let attacked = Network::new(dataset, &with_attack(&base, drawn))?;
        let attackers = attacked.evaluators.iter().filter(|evaluator| evaluator.attack == attack);
        let nodes: Vec<String> = attackers.map(|evaluator| evaluator.id.clone()).collect();
        let own: Vec<String> = representatives(&network.inference).map(|node| node.id.clone()).collect();
        let contests = vec![(Aim::Attackers, nodes.clone(), on_scores()), (Aim::OwnNode, nodes, cabals(&own))];
        Self::new(base, settings, own, contests)
    }

    /// For the best deviation of every node on its own, all others as they are in `base`: one finding for each honest
    /// evaluator (an attack on scores) and each honest inference node (the output of another recorded node, where there
    /// is one), then one for the latency that each honest inference node could report.
    ///
    /// The largest of these gains ([`largest`]) says how far `base` is from an equilibrium *within this family of
    /// deviations*, as finely as it was searched: where none pays, no node has a reason to deviate alone in any of the
    /// ways that were tried. Each interval is for its own node, not for all of them at once.
    ///
    /// In networks of more than 64 nodes of a role, one node stands for all of its like. Five evaluators and five nodes
    /// make some 360 runs, 120 of them in full.
    ///
    /// # Errors
    /// As [`Search::attacks`], and for a network of too many different nodes.
    pub fn deviations(base: Scenario, dataset: &Dataset, settings: Settings) -> Result<Self, ScenarioError> {
        let network = Network::new(dataset, &base)?;
        let recorded = &dataset.manifest.inference_nodes;
        let mut contests = Vec::new();
        for node in representatives(&network.evaluators).filter(|node| node.attack.is_none()) {
            contests.push((Aim::Attackers, vec![node.id.clone()], on_scores()));
        }
        let inference = || representatives(&network.inference).filter(|node| node.attack.is_none());
        for node in inference() {
            let model = &recorded[node.model].id;
            let kinds = downgrades(recorded.iter().map(|entry| entry.id.as_str()), model);
            contests.push((Aim::Attackers, vec![node.id.clone()], kinds));
        }
        contests.extend(inference().map(|node| (Aim::FalseReport, vec![node.id.clone()], false_reports())));
        Self::new(base, settings, Vec::new(), contests)
    }

    fn new(
        base: Scenario,
        settings: Settings,
        own: Vec<String>,
        contests: Vec<(Aim, Vec<String>, Vec<Kind>)>,
    ) -> Result<Self, ScenarioError> {
        limits::SCREENING_ROUNDS.check("screening_rounds", settings.screening_rounds as f64)?;
        limits::REPLICATES.check("replicates", f64::from(settings.replicates))?;
        let mut search = Self { base, settings, step: 0, contests: Vec::new(), own, runs: Vec::new() };
        let mut tries = Vec::new();
        for (aim, nodes, kinds) in contests.into_iter().filter(|(.., kinds)| !kinds.is_empty()) {
            let contest = search.contests.len();
            tries.extend(kinds.into_iter().map(|kind| (contest, kind)));
            search.contests.push(Contest { aim, nodes, tried: Vec::new() });
        }
        if tries.len() > limits::RUNS {
            let message = format!("{} attacks to try; allowed: up to {}", tries.len(), limits::RUNS);
            return Err(ScenarioError::new("network", message));
        }
        search.set_runs(&[search.base.seed], &tries);
        if !search.runs.is_empty() {
            search.scenario(search.runs.len() - 1).check()?;
        }
        Ok(search)
    }

    /// By contest: attacks to try.
    fn of_each<I: IntoIterator<Item = Kind>>(&self, kinds: impl Fn(&Contest) -> I) -> Vec<(usize, Kind)> {
        let mut all = Vec::new();
        for (index, contest) in self.contests.iter().enumerate() {
            all.extend(kinds(contest).into_iter().map(|kind| (index, kind)));
        }
        all
    }

    /// The runs of `tries` under each of `seeds`, after the base itself where cabals are compared with it.
    fn set_runs(&mut self, seeds: &[u64], tries: &[(usize, Kind)]) {
        self.runs.clear();
        for &seed in seeds {
            if !self.own.is_empty() && !tries.is_empty() {
                self.runs.push(Run { seed, attack: None });
            }
            self.runs.extend(tries.iter().map(|attack| Run { seed, attack: Some(attack.clone()) }));
        }
    }

    /// Which stage this is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.step {
            0 => Stage::Screening,
            1..=REFINEMENTS => Stage::Refining,
            _ => Stage::Confirming,
        }
    }

    /// How many runs this stage has.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// The scenario of a run of this stage.
    #[must_use]
    pub fn scenario(&self, run: usize) -> Scenario {
        let Run { seed, attack } = &self.runs[run];
        let base = Scenario { seed: *seed, rounds: self.rounds(), ..self.base.clone() };
        match attack {
            Some((contest, kind)) => with_attack(&base, self.contests[*contest].attack(kind)),
            None => base,
        }
    }

    fn rounds(&self) -> u64 {
        match self.stage() {
            Stage::Confirming => self.base.rounds,
            _ => self.base.rounds.min(self.settings.screening_rounds),
        }
    }

    /// What is kept of a run of any stage.
    #[must_use]
    pub fn measure(&self, brief: &Brief) -> Measure {
        let (mut payments, mut gain_sum) = (0, 0.0);
        let mut attackers =
            brief.attackers.iter().filter(|attacker| attacker.attack as usize == self.base.attacks.len()).peekable();
        let role = attackers.peek().map(|attacker| attacker.role);
        let nodes = if role == Some(Role::Inference) { &brief.inference_nodes } else { &brief.evaluator_nodes };
        // Attackers stand in the order of the nodes.
        for node in nodes {
            if let Some(attacker) = attackers.next_if(|attacker| attacker.id == node.id) {
                payments += node.rounds;
                gain_sum += node.rounds as f64 * attacker.gain_mean.unwrap_or(0.0);
            }
        }
        let own = self.own.iter().filter_map(|id| brief.inference_nodes.iter().find(|node| node.id == *id));
        let nodes = own.map(|node| (node.rounds, node.reward_mean.unwrap_or(0.0))).collect();
        Measure { payments, gain_sum, nodes }
    }

    /// Runs one run to its end.
    ///
    /// # Errors
    /// For a scenario that does not fit the dataset.
    pub fn run(&self, dataset: &Dataset, run: usize) -> Result<Measure, ScenarioError> {
        let mut simulation = Simulation::new(dataset, &self.scenario(run))?;
        simulation.run(u64::MAX);
        Ok(self.measure(&simulation.brief(dataset)))
    }

    /// Goes on to the next stage, given the measures of this stage's runs in order; after the last stage, what was
    /// found, by aim and then by node.
    pub fn advance(&mut self, measures: &[Measure]) -> Option<Vec<Finding>> {
        let gains: Vec<Gains> = (0..self.runs.len()).map(|run| self.gains(run, measures)).collect();
        if self.stage() == Stage::Confirming {
            return Some(self.findings(&gains));
        }
        for (Run { attack, .. }, gains) in std::mem::take(&mut self.runs).into_iter().zip(gains) {
            if let Some((contest, kind)) = attack {
                let contest = &mut self.contests[contest];
                let value = gains.of(contest.aim);
                contest.tried.push(Tried { kind, value });
            }
        }
        while self.runs.is_empty() && self.step < REFINEMENTS {
            self.step += 1;
            let near = self.of_each(|contest| contest.refined(self.step));
            self.set_runs(&[self.base.seed], &near);
        }
        if self.runs.is_empty() {
            self.step = REFINEMENTS + 1;
            let best = self.of_each(|contest| contest.best_of_each_kind().first().map(|best| best.kind.clone()));
            self.set_runs(&fresh_seeds(self.base.seed, self.settings.replicates), &best);
        }
        None
    }

    /// What a run says, beside the run of the base on the same seed.
    fn gains(&self, run: usize, measures: &[Measure]) -> Gains {
        let Run { seed, attack } = &self.runs[run];
        let (Some((_, kind)), Some(measure)) = (attack, measures.get(run)) else { return Gains::default() };
        let attackers = (measure.payments > 0).then(|| measure.gain_sum / measure.payments as f64);
        let mut gains = Gains { attackers, ..Gains::default() };
        if let Kind::Cabal { own, .. } = kind.unwrapped().0 {
            let base = self.runs.iter().position(|other| other.attack.is_none() && other.seed == *seed);
            let base = base.and_then(|base| measures.get(base));
            let node = self.own.iter().position(|id| own.contains(id));
            let reward = |measure: &Measure| measure.nodes.get(node?).copied();
            if let Some(((payments, with), (_, without))) = reward(measure).zip(base.and_then(reward)) {
                gains.own_node = (payments > 0).then_some(with - without);
                gains.coalition = Some((measure.gain_sum + payments as f64 * (with - without)) / self.rounds() as f64);
            }
        }
        gains
    }

    /// From the gains of the confirmation.
    fn findings(&self, gains: &[Gains]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (index, contest) in self.contests.iter().enumerate() {
            let runs: Vec<usize> = (0..self.runs.len())
                .filter(|&run| self.runs[run].attack.as_ref().is_some_and(|(contest, _)| *contest == index))
                .collect();
            let tried = contest.best_of_each_kind();
            let (Some(&first), Some(best)) = (runs.first(), tried.first()) else { continue };
            let over_runs = |of: fn(&Gains) -> Option<f64>| {
                Gain::of(&runs.iter().filter_map(|&run| of(&gains[run])).collect::<Vec<f64>>())
            };
            let (gain, coalition_gain) = (over_runs(|gains| gains.attackers), over_runs(|gains| gains.coalition));
            let aimed_at = if contest.aim == Aim::OwnNode { coalition_gain } else { gain };
            findings.push(Finding {
                aim: contest.aim,
                attack: contest.attack(&best.kind),
                gain,
                own_node_gain: over_runs(|gains| gains.own_node),
                coalition_gain,
                verdict: aimed_at.map_or(Verdict::NotShown, Gain::verdict),
                scenario: self.scenario(first),
                tried,
            });
        }
        findings
    }
}

impl Gains {
    fn of(&self, aim: Aim) -> Option<f64> {
        match aim {
            Aim::Attackers | Aim::FalseReport => self.attackers,
            Aim::OwnNode => self.coalition,
        }
    }
}

impl Contest {
    fn attack(&self, kind: &Kind) -> Attack {
        Attack { nodes: Attackers::Named(self.nodes.clone()), kind: kind.clone() }
    }

    /// The best of each kind, the best of all first; equals in the order in which they were tried, without a value
    /// last.
    fn best_of_each_kind(&self) -> Vec<Tried> {
        let key = |tried: &Tried| tried.value.unwrap_or(f64::NEG_INFINITY);
        let mut ranked: Vec<&Tried> = self.tried.iter().collect();
        ranked.sort_by(|a, b| key(b).total_cmp(&key(a)));
        let mut best: Vec<Tried> = Vec::new();
        for tried in ranked {
            if !best.iter().any(|better| is_akin(&better.kind, &tried.kind)) {
                best.push(tried.clone());
            }
        }
        best
    }

    /// What to try next: near the best of each of the best few kinds.
    fn refined(&self, refinement: u32) -> Vec<Kind> {
        let best = self.best_of_each_kind();
        let mut kinds: Vec<Kind> = best.iter().take(REFINED).flat_map(|best| around(&best.kind, refinement)).collect();
        kinds.retain(|kind| self.tried.iter().all(|tried| tried.kind != *kind));
        kinds
    }
}

/// The deviation that gains most among `findings` of [`Search::deviations`], false reports of latency apart.
#[must_use]
pub fn largest(findings: &[Finding]) -> Option<&Finding> {
    let gain = |finding: &Finding| finding.gain.map_or(f64::NEG_INFINITY, |gain| gain.mean);
    findings
        .iter()
        .filter(|finding| finding.aim == Aim::Attackers)
        .reduce(|best, finding| if gain(finding) > gain(best) { finding } else { best })
}

fn with_attack(base: &Scenario, attack: Attack) -> Scenario {
    let mut scenario = base.clone();
    scenario.attacks.push(attack);
    scenario
}

/// Every node, or the first of each that differs in more than its name where there are many.
fn representatives(nodes: &[Instance]) -> impl Iterator<Item = &Instance> {
    let is_like = |one: &Instance, other: &Instance| {
        let of = |node: &Instance| (node.model, node.latency_factor, node.score_noise_sd, node.stake, node.attack);
        of(one) == of(other)
    };
    let mut first: Vec<&Instance> = Vec::new();
    for node in nodes {
        if nodes.len() <= MAX_NODES || !first.iter().any(|other| is_like(other, node)) {
            first.push(node);
        }
    }
    first.into_iter()
}

/// Seeds other than `seed`, from a stream of their own.
fn fresh_seeds(seed: u64, count: u32) -> Vec<u64> {
    let mut stream = Stream::new(seed, Purpose::FreshSeeds);
    let mut half = || u64::from(stream.below(1 << 26));
    std::iter::from_fn(|| Some((half() << 26) | half())).filter(|&fresh| fresh != seed).take(count as usize).collect()
}
