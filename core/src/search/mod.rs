//! What an attack gains at best: a search among the attacks of [`crate::attack`] and those who may make them, for a
//! number of colluding evaluators, or for every node on its own.
//!
//! A search has stages, each a list of runs that may be made in any order:
//!
//! 1. *screening*: a grid of attacks by every set of attackers where there are few, at few rounds, on the seed of the
//!    base scenario, so that all meet the same draws;
//! 2. *exchanging*, where there are more sets than that: sets of each size grow from the best smaller ones, and then
//!    members give way to other nodes, twice;
//! 3. *refining*, twice: numbers around those of the best few kinds, and these kinds now and then;
//! 4. *comparing*, where several sets compete: the best few of each size at all rounds on fresh seeds;
//! 5. *confirming*: the best of each size, at all rounds, several times on seeds that the search has not seen, so that
//!    what it is said to gain is not what luck made it look like (the winner's curse). What is found is the best of
//!    these; its verdict is right for all sizes together.
//!
//! A stage follows from the base, the settings and the measures of the stages before it: every worker of a pool may
//! hold a search of its own, and all of them go on alike when each is given all measures.
//!
//! A search for `budget` attackers tries up to so many, and all that a smaller budget tries, as it does and on the same
//! seeds: what it finds gains no less than what it finds for fewer (beyond 12 attackers not every number is tried).
//! What is found is a lower bound of what can be gained: other attacks and other strengths may gain more, and other
//! members where not all sets are tried.

mod candidates;
mod contest;
mod finding;
mod sets;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::attack::{Attack, Attackers, Kind, Role};
use crate::dataset::Dataset;
use crate::limits;
use crate::network::Network;
use crate::report::Brief;
use crate::rng::{Purpose, Stream};
use crate::scenario::{Scenario, ScenarioError};
use crate::simulation::Simulation;
use candidates::{LEAST_FACTOR, cabals, downgrades, false_reports, on_scores};
use contest::{Contest, Trial};
pub use finding::{
    Aim, Equilibrium, Finding, Gain, OfSize, Scope, Tried, Verdict, equilibrium, family_size, largest, words_of_scopes,
};
use sets::Sorts;

/// Stages that refine.
const REFINEMENTS: u32 = 2;
/// Passes of exchanges for sets of one size.
const EXCHANGES: u32 = 2;
/// All sets of a size are tried where that makes so many attacks at most.
const ALL_SETS: f64 = 1000.0;
/// Every number of attackers is tried up to this one.
const EVERY_SIZE: u32 = 12;
/// Attacks of a contest that are compared with those of other contests.
const COMPARED: usize = 3;

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Rounds of a run before the best few are run in full; the scenario's own where that is fewer.
    pub screening_rounds: u64,
    /// Fresh seeds of the confirmation; half as many others on which the best few are compared.
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
    /// Larger sets of attackers, and others in the place of their members.
    Exchanging,
    /// Numbers around the best few.
    Refining,
    /// The best few on fresh seeds.
    Comparing,
    /// The best on fresh seeds.
    Confirming,
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
    step: Step,
    groups: Vec<Group>,
    /// Those of a group one after the other, by size.
    contests: Vec<Contest>,
    /// Inference nodes that a cabal may have.
    own: Vec<String>,
    runs: Vec<Run>,
}

/// What one finding comes of.
#[derive(Clone, Debug, PartialEq)]
struct Group {
    aim: Aim,
    alike: u32,
    held_fixed: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Screen,
    /// Sets of that size grow.
    Grow(u32),
    /// Of that size, the so manieth pass.
    Exchange(u32, u32),
    Refine(u32),
    Compare,
    Confirm,
}

#[derive(Clone, Debug, PartialEq)]
struct Run {
    seed: u64,
    /// The contest, and its trial; none for the base itself.
    attack: Option<(usize, usize)>,
}

/// What one run says.
#[derive(Clone, Copy, Debug, Default)]
struct Gains {
    attackers: Option<f64>,
    together: Option<f64>,
    own_node: Option<f64>,
    coalition: Option<f64>,
}

/// Who may attack, for what, and how.
struct Sought {
    aim: Aim,
    sorts: Arc<Sorts>,
    alike: u32,
    sizes: Vec<u32>,
    kinds: Vec<Kind>,
    held_fixed: Vec<&'static str>,
}

impl Search {
    /// For the best attack of up to `budget` evaluators: one finding for what they gain themselves, and one for the
    /// best cabal, its inference node's gain included.
    ///
    /// The attacks of `base` stay (a share of attackers is drawn anew under each fresh seed). The evaluators come
    /// from those that are honest there. Of nodes that differ in nothing but their names any may stand for the
    /// others. All sets of a size are tried where that makes 1,000 attacks at most, and otherwise those that grow
    /// from the best smaller ones by exchanges. All who attack do the same. Cabals are tried for each inference node
    /// (one of each sort). Whoever copies scores or gives a constant is taken to need no time for it.
    ///
    /// # Errors
    /// For a budget that names `budget` and the numbers allowed, settings out of bounds, a scenario that does not fit
    /// the dataset or that has as many attacks as there may be, and a network of too many different nodes.
    pub fn attacks(base: Scenario, dataset: &Dataset, budget: u32, settings: Settings) -> Result<Self, ScenarioError> {
        let network = Network::new(dataset, &base)?;
        let sorts = Sorts::of(network.evaluators.iter().filter(|evaluator| evaluator.attack.is_none()));
        let honest = sorts.nodes();
        if budget == 0 || budget as usize > honest {
            let message = format!(
                "{budget} of {} evaluators; allowed: 1 to {honest}, those that take part in no other attack",
                network.evaluators.len()
            );
            return Err(ScenarioError::new("budget", message));
        }
        let own: Vec<String> = Sorts::of(network.inference.iter()).first().cloned().collect();
        let sorts = Arc::new(sorts);
        let sought = |aim, kinds, also: &'static str| Sought {
            aim,
            sorts: Arc::clone(&sorts),
            alike: 1,
            sizes: sizes(budget),
            kinds,
            held_fixed: vec![
                "the mechanism, the prompts and what other nodes do",
                "all who attack do the same, as strongly",
                also,
            ],
        };
        let no_time = "who copies or gives a constant reports no latency";
        let sought = vec![
            sought(Aim::Attackers, on_scores(), no_time),
            sought(Aim::OwnNode, cabals(&own), "a cabal lifts one inference node"),
        ];
        Self::new(base, settings, own, sought)
    }

    /// For the best deviation of every node on its own, all others as they are in `base`: one finding for each honest
    /// evaluator (an attack on scores) and each honest inference node (the output of another recorded node, where
    /// there is one), then one for the latency that each honest inference node could report. Of nodes that differ in
    /// nothing but their names the first stands for all.
    ///
    /// The largest of these gains ([`largest`]) says how far `base` is from an equilibrium *within this family of
    /// deviations*, as finely as it was searched, and [`equilibrium`] whether that is beyond chance. Verdicts are
    /// right for all findings together (Holm); each interval is for its own.
    ///
    /// # Errors
    /// As [`Search::attacks`].
    pub fn deviations(base: Scenario, dataset: &Dataset, settings: Settings) -> Result<Self, ScenarioError> {
        let network = Network::new(dataset, &base)?;
        let recorded = &dataset.manifest.inference_nodes;
        let alone = |aim, role, sorts: &Sorts, sort: usize, kinds: Vec<Kind>| Sought {
            aim,
            sorts: Arc::new(sorts.alone(sort)),
            alike: sorts.size(sort),
            sizes: vec![1],
            kinds,
            held_fixed: [
                Some("the mechanism, the prompts and what all other nodes do"),
                (role == Role::Evaluator).then_some("who copies or gives a constant reports no latency"),
                (aim == Aim::FalseReport).then_some("the answers"),
                (aim == Aim::FalseReport).then_some(LEAST_FACTOR),
            ]
            .into_iter()
            .flatten()
            .collect(),
        };
        let honest = |role| Sorts::of(network.of(role).iter().filter(|node| node.attack.is_none()));
        let mut sought = Vec::new();
        let evaluators = honest(Role::Evaluator);
        for sort in 0..evaluators.len() {
            sought.push(alone(Aim::Attackers, Role::Evaluator, &evaluators, sort, on_scores()));
        }
        let inference = honest(Role::Inference);
        for (sort, id) in inference.first().enumerate() {
            let node = network.inference.iter().find(|node| node.id == *id);
            let model = node.map_or("", |node| &recorded[node.model].id);
            let kinds = downgrades(recorded.iter().map(|entry| entry.id.as_str()), model);
            sought.push(alone(Aim::Attackers, Role::Inference, &inference, sort, kinds));
        }
        for sort in 0..inference.len() {
            sought.push(alone(Aim::FalseReport, Role::Inference, &inference, sort, false_reports()));
        }
        Self::new(base, settings, Vec::new(), sought)
    }

    fn new(base: Scenario, settings: Settings, own: Vec<String>, sought: Vec<Sought>) -> Result<Self, ScenarioError> {
        limits::SCREENING_ROUNDS.check("screening_rounds", settings.screening_rounds as f64)?;
        limits::REPLICATES.check("replicates", f64::from(settings.replicates))?;
        let mut search = Self {
            base,
            settings,
            step: Step::Screen,
            groups: Vec::new(),
            contests: Vec::new(),
            own,
            runs: Vec::new(),
        };
        let mut attacks = 0.0;
        for Sought { aim, sorts, alike, sizes, kinds, held_fixed } in sought {
            if kinds.is_empty() {
                continue;
            }
            let group = search.groups.len();
            search.groups.push(Group { aim, alike, held_fixed });
            for (place, size) in sizes.into_iter().enumerate() {
                let of_size = sorts.count(size) * kinds.len() as f64;
                let from = (place > 0 && of_size > ALL_SETS).then(|| search.contests.len() - 1);
                attacks += if from.is_none() { of_size } else { 0.0 };
                let (sorts, kinds) = (Arc::clone(&sorts), kinds.clone());
                search.contests.push(Contest { aim, group, sorts, size, from, kinds, tried: Vec::new() });
            }
        }
        if attacks > limits::RUNS as f64 {
            let message = format!("{attacks} attacks to try; allowed: up to {}", limits::RUNS);
            return Err(ScenarioError::new("network", message));
        }
        let all = search.plan(|contest, _| if contest.from.is_none() { contest.everything() } else { Vec::new() });
        search.set_runs(&[search.base.seed], &all);
        if !search.runs.is_empty() {
            search.scenario(search.runs.len() - 1).check()?;
        }
        Ok(search)
    }

    /// By contest, in order: trials to run; a contest sees those before it.
    fn plan(&mut self, trials: impl Fn(&mut Contest, &[Contest]) -> Vec<usize>) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        for index in 0..self.contests.len() {
            let (before, from) = self.contests.split_at_mut(index);
            all.extend(trials(&mut from[0], before).into_iter().map(|trial| (index, trial)));
        }
        all
    }

    /// The runs of `trials` under each of `seeds`, after the base itself where cabals are compared with it.
    fn set_runs(&mut self, seeds: &[u64], trials: &[(usize, usize)]) {
        self.runs.clear();
        for &seed in seeds {
            if !self.own.is_empty() && !trials.is_empty() {
                self.runs.push(Run { seed, attack: None });
            }
            self.runs.extend(trials.iter().map(|&attack| Run { seed, attack: Some(attack) }));
        }
    }

    /// Which stage this is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.step {
            Step::Screen => Stage::Screening,
            Step::Grow(_) | Step::Exchange(..) => Stage::Exchanging,
            Step::Refine(_) => Stage::Refining,
            Step::Compare => Stage::Comparing,
            Step::Confirm => Stage::Confirming,
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
        match *attack {
            Some((contest, trial)) => with_attack(&base, self.attack(contest, trial)),
            None => base,
        }
    }

    fn attack(&self, contest: usize, trial: usize) -> Attack {
        let contest = &self.contests[contest];
        let Trial { members, kind, .. } = &contest.tried[trial];
        Attack { nodes: Attackers::Named(contest.sorts.members(members)), kind: kind.clone() }
    }

    fn rounds(&self) -> u64 {
        match self.stage() {
            Stage::Comparing | Stage::Confirming => self.base.rounds,
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
        let mut simulation = Simulation::once(dataset, &self.scenario(run))?;
        simulation.run(u64::MAX);
        Ok(self.measure(&simulation.brief(dataset)))
    }

    /// Goes on to the next stage, given the measures of this stage's runs in order; after the last stage, what was
    /// found, by aim and then by node.
    pub fn advance(&mut self, measures: &[Measure]) -> Option<Vec<Finding>> {
        let gains: Vec<Gains> = (0..self.runs.len()).map(|run| self.gains(run, measures)).collect();
        if self.step == Step::Confirm {
            return Some(self.findings(&gains));
        }
        for (Run { attack, .. }, gains) in std::mem::take(&mut self.runs).into_iter().zip(gains) {
            if let Some((contest, trial)) = attack {
                let contest = &mut self.contests[contest];
                let value = gains.of(contest.aim);
                match self.step {
                    Step::Compare => contest.tried[trial].compared.push(value),
                    _ => contest.tried[trial].value = value,
                }
            }
        }
        while self.runs.is_empty() && self.step != Step::Confirm {
            self.step = self.next();
            self.set_step();
        }
        None
    }

    fn next(&self) -> Step {
        let grow_beyond = |size: u32| {
            let sizes = self.contests.iter().filter(|contest| contest.from.is_some()).map(|contest| contest.size);
            sizes.filter(|&larger| larger > size).min().map_or(Step::Refine(1), Step::Grow)
        };
        match self.step {
            Step::Screen => grow_beyond(0),
            Step::Grow(size) => Step::Exchange(size, 1),
            Step::Exchange(size, pass) if pass < EXCHANGES => Step::Exchange(size, pass + 1),
            Step::Exchange(size, _) => grow_beyond(size),
            Step::Refine(refinement) if refinement < REFINEMENTS => Step::Refine(refinement + 1),
            Step::Refine(_) => Step::Compare,
            Step::Compare | Step::Confirm => Step::Confirm,
        }
    }

    /// The runs of the step that has come.
    fn set_step(&mut self) {
        let replicates = self.settings.replicates as usize;
        let seeds = fresh_seeds(self.base.seed, replicates + replicates.div_ceil(2));
        let (confirming, comparing) = seeds.split_at(replicates);
        match self.step {
            Step::Screen => {}
            Step::Grow(size) => {
                let new = self.plan(|contest, before| match contest.from {
                    Some(from) if contest.size == size => contest.grow(&before[from]),
                    _ => Vec::new(),
                });
                self.set_runs(&[self.base.seed], &new);
            }
            Step::Exchange(size, _) => {
                let new = self.plan(|contest, before| {
                    if contest.from.is_none() || contest.size != size {
                        return Vec::new();
                    }
                    let single = before.iter().find(|single| single.group == contest.group);
                    let ranked = single.map_or_else(|| contest.ranked_sorts(), Contest::ranked_sorts);
                    contest.exchange(&ranked)
                });
                self.set_runs(&[self.base.seed], &new);
            }
            Step::Refine(refinement) => {
                let new = self.plan(|contest, _| contest.refine(refinement));
                self.set_runs(&[self.base.seed], &new);
            }
            Step::Compare => {
                // A node that deviates alone has no other set to be compared with.
                let is_alone = |contest: &Contest| contest.sorts.nodes() == 1;
                let best = self.plan(|contest, _| match contest.best_of_each_kind() {
                    _ if is_alone(contest) => Vec::new(),
                    best => best.into_iter().take(COMPARED).collect(),
                });
                self.set_runs(comparing, &best);
            }
            Step::Confirm => {
                let best = self.plan(|contest, _| contest.best_of_each_kind().into_iter().take(1).collect());
                self.set_runs(confirming, &best);
            }
        }
    }

    /// What a run says, beside the run of the base on the same seed.
    fn gains(&self, run: usize, measures: &[Measure]) -> Gains {
        let Run { seed, attack } = &self.runs[run];
        let (Some((contest, trial)), Some(measure)) = (*attack, measures.get(run)) else { return Gains::default() };
        let attackers = (measure.payments > 0).then(|| measure.gain_sum / measure.payments as f64);
        let together = Some(measure.gain_sum / self.rounds() as f64);
        let mut gains = Gains { attackers, together, ..Gains::default() };
        if let Kind::Cabal { own, .. } = self.contests[contest].tried[trial].kind.unwrapped().0 {
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
        for (index, group) in self.groups.iter().enumerate() {
            let runs_of =
                |attack: (usize, usize)| (0..self.runs.len()).filter(move |&run| self.runs[run].attack == Some(attack));
            let over_runs = |attack: (usize, usize), of: fn(&Gains) -> Option<f64>| {
                Gain::of(&runs_of(attack).filter_map(|run| of(&gains[run])).collect::<Vec<f64>>())
            };
            let of_size = |contest: usize| {
                let attack = (contest, *self.contests[contest].best_of_each_kind().first()?);
                let of = OfSize {
                    attackers: self.contests[contest].size,
                    attack: self.attack(attack.0, attack.1),
                    gain: over_runs(attack, |gains| gains.attackers),
                    gain_together: over_runs(attack, |gains| gains.together),
                    coalition_gain: over_runs(attack, |gains| gains.coalition),
                };
                Some((attack, of))
            };
            let contests = (0..self.contests.len()).filter(|&contest| self.contests[contest].group == index);
            let (places, by_size): (Vec<(usize, usize)>, Vec<OfSize>) = contests.filter_map(of_size).unzip();
            // Equals by the smaller set.
            let gain = |place: usize| by_size[place].aimed_at(group.aim).map_or(f64::NEG_INFINITY, |gain| gain.mean);
            let best = (0..places.len()).reduce(|best, other| if gain(other) > gain(best) { other } else { best });
            let Some(best) = best.map(|best| places[best]) else { continue };
            let Some(first) = runs_of(best).next() else { continue };
            findings.push(Finding {
                aim: group.aim,
                attack: self.attack(best.0, best.1),
                alike: group.alike,
                gain: over_runs(best, |gains| gains.attackers),
                own_node_gain: over_runs(best, |gains| gains.own_node),
                coalition_gain: over_runs(best, |gains| gains.coalition),
                p_corrected: None,
                verdict: Verdict::NotShown,
                tried: self.best_of_each_kind(index, best),
                by_size: if by_size.len() > 1 { by_size } else { Vec::new() },
                scope: self.scope(index),
                scenario: self.scenario(first),
            });
        }
        let weights = self.base.reward;
        let scale = [weights.alpha_inference, weights.beta_inference, weights.alpha_evaluator, weights.beta_evaluator];
        finding::judge(&mut findings, scale.into_iter().fold(0.0, f64::max));
        findings
    }

    /// Of all sizes of a group: `best`, then the best of every other kind.
    fn best_of_each_kind(&self, group: usize, best: (usize, usize)) -> Vec<Tried> {
        let mut places = vec![best];
        for (index, contest) in self.contests.iter().enumerate().filter(|(_, contest)| contest.group == group) {
            places.extend(contest.best_of_each_kind().into_iter().map(|trial| (index, trial)));
        }
        let trial = |(contest, trial): (usize, usize)| &self.contests[contest].tried[trial];
        let rank = |place| trial(place).rank();
        places[1..].sort_by(|&a, &b| rank(b).0.total_cmp(&rank(a).0).then(rank(b).1.total_cmp(&rank(a).1)));
        let mut tried: Vec<Tried> = Vec::new();
        for place in places {
            let one = trial(place);
            if !tried.iter().any(|other| candidates::is_akin(&other.kind, &one.kind)) {
                tried.push(Tried {
                    nodes: self.contests[place.0].sorts.members(&one.members),
                    kind: one.kind.clone(),
                    value: one.value,
                    compared: one.mean_compared(),
                });
            }
        }
        tried
    }

    fn scope(&self, group: usize) -> Scope {
        let mut scope = Scope { held_fixed: self.groups[group].held_fixed.clone(), ..Scope::default() };
        let mut strengths: Vec<&Kind> = Vec::new();
        for contest in self.contests.iter().filter(|contest| contest.group == group) {
            scope.nodes = contest.sorts.nodes() as u32;
            scope.sizes.push(contest.size);
            scope.sets_possible = scope.sets_possible.saturating_add(contest.sorts.count(contest.size) as u64);
            scope.attacks += contest.tried.len() as u64;
            let mut sets: Vec<&[u32]> = contest.tried.iter().map(|trial| &trial.members[..]).collect();
            sets.sort_unstable();
            sets.dedup();
            scope.sets += sets.len() as u64;
            for Trial { kind, .. } in &contest.tried {
                if !strengths.contains(&kind) {
                    strengths.push(kind);
                }
                let name = kind.unwrapped().0.name();
                if !scope.kinds.contains(&name) {
                    scope.kinds.push(name);
                }
            }
        }
        scope.strengths = strengths.len() as u64;
        scope
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

fn with_attack(base: &Scenario, attack: Attack) -> Scenario {
    let mut scenario = base.clone();
    scenario.attacks.push(attack);
    scenario
}

/// Numbers of attackers that are tried: all up to 12, then half as many more each time, and `budget` itself.
fn sizes(budget: u32) -> Vec<u32> {
    let grid = std::iter::successors(Some(1), |&size: &u32| {
        Some(if size < EVERY_SIZE { size + 1 } else { size.saturating_add(size / 2) })
    });
    let mut sizes: Vec<u32> = grid.take_while(|&size| size < budget).collect();
    sizes.push(budget);
    sizes
}

/// Seeds other than `seed`, all different, from a stream of their own.
fn fresh_seeds(seed: u64, count: usize) -> Vec<u64> {
    let mut stream = Stream::new(seed, Purpose::FreshSeeds);
    let mut seeds = Vec::with_capacity(count);
    while seeds.len() < count {
        let fresh = stream.seed();
        if fresh != seed && !seeds.contains(&fresh) {
            seeds.push(fresh);
        }
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_a_smaller_budget_are_among_those_of_a_larger_one() {
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(4), [1, 2, 3, 4]);
        assert_eq!(sizes(40), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 18, 27, 40]);
        let seeds = fresh_seeds(7, 12);
        assert_eq!(seeds[..8], fresh_seeds(7, 8));
        assert!(!seeds.contains(&7));
    }
}
