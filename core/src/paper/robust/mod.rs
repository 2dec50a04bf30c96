//! The study of arXiv 2601.21189, "adaptive and robust cost-aware PoQ": its rules of consensus against its attacks,
//! over the malicious share of evaluators and K, on any dataset.
//!
//! The paper names the rules, the attacks and what it found; none of its parameters, grids or tables is known
//! ([`unsaid()`] lists them with our assumptions). What it says of its findings is tested here, with the weakness that
//! a third party saw in the trust rule.
//!
//! The rules are compared on the very same scores: neither draws nor attacks depend on the rule, so that one run gives
//! the figures of all. Beside each run with attackers goes the same run without them, on the same draws, to say how far
//! an attack moves the consensus. Intervals are over seeds, which decide the draws and who attacks; other prompts may
//! give other findings, which these intervals do not tell.

mod by_kind;
mod findings;
mod measure;
mod unsaid;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use measure::{Measured, OfRule, Weights};
pub use unsaid::unsaid;

use super::verdict::Finding;
use crate::attack::{Attack, Attackers, Kind};
use crate::consensus::Consensus;
use crate::dataset::{Dataset, JUDGE};
use crate::limits;
use crate::network::Network;
use crate::scenario::{self, Group, Scenario, ScenarioError};
use crate::simulation::Twins;
use crate::stats::{self, Interval, Moments};

/// The rules of consensus that the paper compares, each by its assumed defaults.
pub const RULES: [&str; 4] = ["mean", "median", "trimmed_mean", "trust_weighted"];
/// Evaluators drawn for a round. Assumed.
pub const KS: [u32; 4] = [3, 5, 7, 9];
/// Shares of the evaluators that attack. Assumed.
pub const SHARES: [f64; 4] = [0.1, 0.2, 0.3, 0.4];
/// Seeds that every scenario of the study is run with: the given one and those that follow.
pub const SEEDS: u32 = 10;
/// Rounds of a run by default. Assumed.
pub const ROUNDS: u64 = 2000;
/// Evaluators of the pool, at least: as many instances of each recorded one. Assumed.
pub const POOL: u32 = 30;
/// Standard deviation of the noise on an instance's scores, in points, so that instances of one evaluator do not give
/// the very same score. Assumed.
pub const NOISE_SD: f64 = 0.3;

/// Position in [`RULES`] of simple averaging.
const MEAN: usize = 0;
/// Position in [`RULES`] of the rule with weights.
const TRUST: usize = 3;
/// Attacks of the study.
const ATTACKS: usize = 4;
/// The scenarios of one seed: for each K one without an attack, then every attack by every share.
const CONDITIONS: usize = KS.len() * (1 + ATTACKS * SHARES.len());

/// The runs of the study on one dataset: seed after seed, so that a part of them is a study with fewer seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// Without an attack.
    base: Scenario,
    rules: [Consensus; RULES.len()],
    attacks: [Kind; ATTACKS],
    /// Hash of the dataset.
    dataset: String,
}

/// What is varied within a seed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Condition {
    k: u32,
    /// Position of the attack, and the share of evaluators that take part.
    attack: Option<(usize, f64)>,
}

impl Condition {
    /// Number `index`, below [`CONDITIONS`].
    fn number(index: usize) -> Self {
        let of_a_k = CONDITIONS / KS.len();
        let attack = (index % of_a_k).checked_sub(1);
        Self {
            k: KS[index / of_a_k],
            attack: attack.map(|attack| (attack / SHARES.len(), SHARES[attack % SHARES.len()])),
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..CONDITIONS).map(Self::number)
    }
}

/// One rule in one scenario, over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Evaluators drawn for a round.
    pub evaluators_per_round: u32,
    /// The attack, as [`Kind::title`] has it; none where nobody attacks.
    pub attack: Option<String>,
    /// Share of evaluators that attack.
    pub share: f64,
    /// One of [`RULES`].
    pub rule: String,
    /// Mean distance of the consensus from truth, in points.
    pub truth_distance: Estimate,
    /// Pearson correlation of consensus with truth; none where it is not defined under any seed.
    pub pearson_truth: Option<Estimate>,
    /// Mean distance of the consensus from that without the attack, in points.
    pub moved: Estimate,
    /// Mean reward of an evaluator each time that it is paid.
    pub evaluator_reward_mean: Estimate,
    /// Standard deviation of an evaluator's own rewards.
    pub evaluator_reward_sd: Estimate,
    /// Mean reward of an inference node each time that it is paid.
    pub inference_reward_mean: Estimate,
}

/// A mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its 95% interval (Student's t); none with a single seed.
    pub ci95: Option<Interval>,
    /// How many seeds it is a mean over.
    pub seeds: u64,
}

impl Estimate {
    /// None of no values.
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.collect();
        let mut moments = Moments::default();
        values.iter().for_each(|&value| moments.add(value));
        let mean = moments.mean()?;
        // Not from the sum of squares: what is the same under all seeds is so to the last bit.
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let sd = (squares / (moments.count.max(2) - 1) as f64).sqrt();
        Some(Self { mean, ci95: stats::mean_interval(mean, sd, moments.count), seeds: moments.count })
    }

    /// Of the values with their signs turned.
    fn negative(self) -> Self {
        Self { mean: -self.mean, ci95: self.ci95.map(|[low, high]| [-high, -low]), ..self }
    }
}

impl Study {
    /// The study of `dataset`, from `seed` and the nine that follow it, with so many rounds a run.
    ///
    /// # Errors
    /// For a seed or a number of rounds out of bounds, and a dataset with nobody to evaluate.
    pub fn new(dataset: &Dataset, seed: u64, rounds: u64) -> Result<Self, ScenarioError> {
        limits::STUDY_ROUNDS.check("rounds", rounds as f64)?;
        limits::SEED.check("seed", seed.saturating_add(u64::from(SEEDS - 1)) as f64)?;
        let network = scenario::Network { inference: Vec::new(), evaluators: pool(dataset) };
        let base = Scenario { seed, rounds, evaluators_per_round: KS[0], network, ..Scenario::default() };
        Network::new(dataset, &base)?;
        let rule = |name: &str| base.with("consensus.rule", name).map(|scenario| scenario.consensus);
        let [mean, median, trimmed_mean, trust_weighted] = RULES;
        let rules = [rule(mean)?, rule(median)?, rule(trimmed_mean)?, rule(trust_weighted)?];
        let kind = |mut kind: Value| {
            kind["nodes"] = json!({"share": SHARES[0]});
            let scenario = Scenario::from_patch(&json!({"attacks": [kind]}))?;
            let attack = scenario.attacks.into_iter().next();
            attack.map(|attack| attack.kind).ok_or_else(|| ScenarioError::new("attacks", "there is none"))
        };
        let attacks = [
            kind(json!({"kind": "noise"}))?,
            kind(json!({"kind": "boost"}))?,
            kind(json!({"kind": "sabotage"}))?,
            kind(json!({"kind": "intermittent", "attack": {"kind": "boost"}}))?,
        ];
        Ok(Self { base, rules, attacks, dataset: dataset.hash.clone() })
    }

    /// How many runs there are.
    #[must_use]
    pub fn runs(&self) -> usize {
        CONDITIONS * SEEDS as usize
    }

    /// The scenario of a run (from 0), under the mean; the other rules see the same scores.
    ///
    /// # Errors
    /// For a run that there is not.
    pub fn scenario(&self, run: usize) -> Result<Scenario, ScenarioError> {
        if run >= self.runs() {
            let message = format!("there is no run {run}; allowed: 0 to {}", self.runs() - 1);
            return Err(ScenarioError::new("run", message));
        }
        let Condition { k, attack } = Condition::number(run % CONDITIONS);
        let attacks = attack
            .map(|(attack, share)| Attack { nodes: Attackers::Share { share }, kind: self.attacks[attack].clone() });
        Ok(Scenario {
            seed: self.base.seed + (run / CONDITIONS) as u64,
            evaluators_per_round: k,
            attacks: attacks.into_iter().collect(),
            ..self.base.clone()
        })
    }

    /// Makes a run, under every rule.
    ///
    /// # Errors
    /// As [`Study::scenario`], and for another dataset that the scenario does not fit.
    pub fn run(&self, dataset: &Dataset, run: usize) -> Result<Measured, ScenarioError> {
        let scenario = self.scenario(run)?;
        let twins = Twins::new(dataset, &scenario)?;
        Ok(measure::measure(dataset, &scenario, &self.rules, twins))
    }

    /// What the runs say of every claim; `measured` are those of the first runs, in order, of which only whole seeds
    /// count. Claims 1, 3 and 4 are the paper's, 2 is our reading of the first, 5 is a third party's.
    ///
    /// `dataset` must be the one that the study is of; for another, no claim applies.
    #[must_use]
    pub fn findings(&self, dataset: &Dataset, measured: &[Measured]) -> [Finding; 5] {
        findings::findings(self, dataset, measured)
    }

    /// Every rule in every scenario, over the whole seeds among `measured`, the first runs in order; none before the
    /// first seed is done.
    #[must_use]
    pub fn cells(&self, measured: &[Measured]) -> Vec<Cell> {
        let seeds = || measured.chunks_exact(CONDITIONS);
        let mut cells = Vec::new();
        for (index, condition) in Condition::all().enumerate() {
            for (rule, name) in RULES.into_iter().enumerate() {
                let of = |value: fn(&OfRule) -> f64| Estimate::of(seeds().map(|seed| value(&seed[index].rules[rule])));
                let (
                    Some(truth_distance),
                    Some(moved),
                    Some(evaluator_reward_mean),
                    Some(evaluator_reward_sd),
                    Some(inference_reward_mean),
                ) = (
                    of(|rule| rule.truth_distance),
                    of(|rule| rule.moved),
                    of(|rule| rule.evaluator_reward_mean),
                    of(|rule| rule.evaluator_reward_sd),
                    of(|rule| rule.inference_reward_mean),
                )
                else {
                    return Vec::new();
                };
                cells.push(Cell {
                    evaluators_per_round: condition.k,
                    attack: condition.attack.map(|(attack, _)| self.attacks[attack].title()),
                    share: condition.attack.map_or(0.0, |(_, share)| share),
                    rule: name.to_owned(),
                    truth_distance,
                    pearson_truth: Estimate::of(seeds().filter_map(|seed| seed[index].rules[rule].pearson_truth)),
                    moved,
                    evaluator_reward_mean,
                    evaluator_reward_sd,
                    inference_reward_mean,
                });
            }
        }
        cells
    }
}

/// At least [`POOL`] evaluators: as many instances of each recorded one.
fn pool(dataset: &Dataset) -> Vec<Group> {
    let models: Vec<&str> =
        dataset.manifest.evaluators.iter().filter(|entry| entry.kind != JUDGE).map(|entry| entry.id.as_str()).collect();
    let count = POOL.div_ceil((models.len() as u32).max(1));
    models
        .into_iter()
        .map(|model| Group {
            model: model.to_owned(),
            count,
            latency_factor: 1.0,
            score_noise_sd: NOISE_SD,
            stake: 1.0,
        })
        .collect()
}

/// A scenario of the study on the fitted dataset, as a patch of the default: the adaptive trust-weighted mean against
/// three evaluators in ten that add points to half of their scores. All its numbers are assumed.
#[must_use]
pub fn preset_patch() -> Value {
    let group = |model: &str| json!({"model": model, "count": 10, "score_noise_sd": NOISE_SD});
    json!({
        "evaluators_per_round": 5,
        "consensus": {"rule": "trust_weighted"},
        "network": {"evaluators": [group("ce-minilm"), group("ce-deberta"), group("sts-distilroberta")]},
        "attacks": [{
            "nodes": {"share": 0.3},
            "kind": "intermittent",
            "probability": 0.5,
            "attack": {"kind": "boost", "by": 3.0},
        }],
    })
}
