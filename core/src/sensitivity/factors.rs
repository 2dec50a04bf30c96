//! The assumed fields of a scenario, each with a range around its value.
//!
//! No paper gives these ranges: they are assumptions as much as the values are.

use serde_json::Value;

use crate::attack::{Attackers, Kind, Role};
use crate::consensus::Consensus;
use crate::cost::CostNormalization;
use crate::dataset::Dataset;
use crate::limits::{self, Bounds};
use crate::network::Network;
use crate::reward::RewardWeights;
use crate::scenario::{Group, InferenceDraw, Scenario, ScenarioError, parts, written};
use crate::score::ScoreNormalization;
use crate::sweep::{Axis, steps_between};

/// Groups of a role at most, for fields of its groups to be factors.
const MAX_GROUPS: usize = 8;

/// What of the consensus rule is varied. Not both: a rule that changes takes its parameters with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OfRule {
    /// The rule: the scenario's own, and the others by their defaults.
    #[default]
    Rule,
    /// The parameters of the scenario's rule.
    Parameters,
}

/// The assumed fields that apply to `base`, with up to `levels` levels each:
///
/// - the four reward weights, the parameters of rule and attacks (shares of attackers too), and the latency factor,
///   score noise and stake of groups where they are not at their defaults: the value plus or minus half of its
///   distance to the nearer of its bounds, so that a weight goes from half to one and a half times its value, and a
///   field at a bound (switched off, say) stays there;
/// - `w_min`, `w_initial`, `w_max` of a rule: from half of the first to twice the last, parted half way between
///   neighbours, so that every combination is in order;
/// - `evaluators_per_round`: whole numbers from 1 to the size of the pool, all where there are at most twice
///   `levels`, and only those that the scenario's own rule takes, with each of its parameters that are varied (at
///   least 3 for a trimmed mean);
/// - `consensus.rule`, `cost_normalization`, `inference_draw`: every choice. A rule that does not take the scenario's
///   own number of evaluators is left out;
/// - `score_normalization` of each evaluator that takes part: every choice.
///
/// A field that could take one value only is left out, as are stakes where no rule uses them and fields of groups in
/// networks of more than 8 groups of that role.
///
/// # Errors
/// For a scenario that is out of bounds or does not fit the dataset, and for fewer than two levels.
pub fn factors(base: &Scenario, dataset: &Dataset, levels: u32, of_rule: OfRule) -> Result<Vec<Axis>, ScenarioError> {
    limits::LEVELS.check("levels", f64::from(levels))?;
    let network = Network::new(dataset, base)?;
    let mut factors = Factors { levels, axes: Vec::new() };

    let RewardWeights { alpha_inference, beta_inference, alpha_evaluator, beta_evaluator } = base.reward;
    factors.around("reward.alpha_inference", alpha_inference, limits::REWARD_WEIGHT);
    factors.around("reward.beta_inference", beta_inference, limits::REWARD_WEIGHT);
    factors.around("reward.alpha_evaluator", alpha_evaluator, limits::REWARD_WEIGHT);
    factors.around("reward.beta_evaluator", beta_evaluator, limits::REWARD_WEIGHT);

    let rules = match of_rule {
        OfRule::Rule => factors.rule(base)?,
        OfRule::Parameters => factors.parameters(base)?,
    };
    let own_rule = [base.consensus];
    let bounding = if of_rule == OfRule::Rule { &own_rule[..] } else { &rules };
    factors.evaluators_per_round(bounding, network.evaluators.len() as u32);
    factors.choices("cost_normalization", CostNormalization::NAMES);
    if network.inference.len() > 1 {
        let own = base.inference_draw;
        let draws = InferenceDraw::RULES.map(|name| {
            let is_own = name == own.name();
            if is_own { serde_json::to_value(own).unwrap_or_else(|_| name.into()) } else { name.into() }
        });
        factors.push("inference_draw", draws.to_vec());
    }
    factors.score_normalizations(dataset, &network);
    factors.attacks(base, &network);

    let uses_stake = rules.iter().any(|rule| matches!(rule, Consensus::Yuma { .. }));
    factors.groups("network.inference", &base.network.inference, false);
    factors.groups("network.evaluators", &base.network.evaluators, uses_stake);
    Ok(factors.axes)
}

/// `factors` with `axes` in place of those that vary the same field, a part of it or the whole of it; the others of
/// `axes` come last. An axis over a parameter of the consensus rule takes the place of one over the rule, and the
/// other way round.
#[must_use]
pub fn overridden(mut factors: Vec<Axis>, axes: Vec<Axis>) -> Vec<Axis> {
    for axis in axes {
        let is_same = |other: &Axis| plain(&other.path) == plain(&axis.path);
        let at = factors.iter().position(is_same).unwrap_or(factors.len());
        factors.insert(at, axis);
        let path = factors[at].path.clone();
        let mut index = 0;
        factors.retain(|other| {
            index += 1;
            index == at + 1 || !overlap(&other.path, &path)
        });
    }
    factors
}

/// A path without the quotes that an id may stand in.
fn plain(path: &str) -> String {
    parts(path).map_or_else(|_| path.to_owned(), |parts| parts.join("."))
}

/// Whether setting one field may undo what was set at the other.
fn overlap(one: &str, other: &str) -> bool {
    let whole = |path: &str| plain(path).strip_suffix(".rule").map_or_else(|| plain(path), str::to_owned) + ".";
    let (one, other) = (whole(one), whole(other));
    one.starts_with(&other) || other.starts_with(&one)
}

struct Factors {
    levels: u32,
    axes: Vec<Axis>,
}

impl Factors {
    fn push(&mut self, path: impl Into<String>, values: Vec<Value>) {
        if values.len() > 1 {
            self.axes.push(Axis { path: path.into(), values });
        }
    }

    fn range(&mut self, path: impl Into<String>, low: f64, high: f64) {
        if low < high {
            self.push(path, steps_between(low, high, self.levels));
        }
    }

    /// `value` plus or minus half of its distance to the nearer bound.
    fn around(&mut self, path: impl Into<String>, value: f64, bounds: Bounds) {
        let reach = 0.5 * (value - bounds.min).min(bounds.max - value);
        self.range(path, value - reach, value + reach);
    }

    fn choices<const N: usize>(&mut self, path: &str, choices: [&str; N]) {
        self.push(path, choices.map(Value::from).to_vec());
    }

    /// The rule; returns the rules in question.
    fn rule(&mut self, base: &Scenario) -> Result<Vec<Consensus>, ScenarioError> {
        let mut names = Vec::new();
        let mut rules = Vec::new();
        for name in Consensus::RULES {
            match base.with("consensus.rule", name) {
                Ok(scenario) => {
                    names.push(Value::from(name));
                    rules.push(scenario.consensus);
                }
                Err(error) if error.path.starts_with("consensus.") => {}
                Err(error) => return Err(error),
            }
        }
        self.push("consensus.rule", names);
        Ok(rules)
    }

    /// The rule's parameters; returns the rules in question.
    fn parameters(&mut self, base: &Scenario) -> Result<Vec<Consensus>, ScenarioError> {
        for (name, value, bounds) in base.consensus.parameters() {
            if !name.starts_with("w_") {
                self.around(format!("consensus.{name}"), value, bounds);
            }
        }
        if let Consensus::TrustWeighted { w_min, w_max, w_initial, .. }
        | Consensus::EmaTrust { w_min, w_max, w_initial, .. } = base.consensus
        {
            let (lower, upper) = (0.5 * (w_min + w_initial), 0.5 * (w_initial + w_max));
            self.range("consensus.w_min", (0.5 * w_min).max(limits::TRUST_WEIGHT.min), lower);
            self.range("consensus.w_initial", lower, upper);
            self.range("consensus.w_max", upper, (2.0 * w_max).min(limits::TRUST_WEIGHT.max));
        }
        let mut rules = vec![base.consensus];
        if let Some(trim) = self.axes.iter_mut().find(|axis| axis.path == "consensus.trim_share") {
            trim.values.retain(|share| base.with(&trim.path, &share.to_string()).is_ok());
            for share in &trim.values {
                rules.push(base.with(&trim.path, &share.to_string())?.consensus);
            }
            if trim.values.len() < 2 {
                self.axes.retain(|axis| axis.path != "consensus.trim_share");
            }
        }
        Ok(rules)
    }

    fn evaluators_per_round(&mut self, rules: &[Consensus], pool: u32) {
        let is_taken = |k: u32| rules.iter().all(|rule| rule.trimmed(k) == 0 || 2 * rule.trimmed(k) < k);
        let Some(least) = (1..=pool).find(|&k| is_taken(k)) else { return };
        let (last, steps) = (pool - least, if pool <= 2 * self.levels { pool - least + 1 } else { self.levels });
        let share = |step: u32| f64::from(step) / f64::from((steps - 1).max(1));
        let mut values: Vec<u32> =
            (0..steps).map(|step| least + libm::round(f64::from(last) * share(step)) as u32).collect();
        values.retain(|&k| is_taken(k));
        values.dedup();
        self.push("evaluators_per_round", values.into_iter().map(Value::from).collect());
    }

    fn score_normalizations(&mut self, dataset: &Dataset, network: &Network) {
        for (position, entry) in dataset.manifest.evaluators.iter().enumerate() {
            let takes_part = network.evaluators.iter().any(|evaluator| evaluator.model == position);
            if takes_part {
                self.choices(&format!("score_normalization.{}", written(&entry.id)), ScoreNormalization::NAMES);
            }
        }
    }

    fn attacks(&mut self, base: &Scenario, network: &Network) {
        for (index, attack) in base.attacks.iter().enumerate() {
            let path = format!("attacks.{index}");
            if let Attackers::Share { share } = attack.nodes {
                let max = share + 2.0 * room_to_grow(base, network, attack.kind.role());
                let bounds = Bounds { max: max.min(limits::SHARE.max), ..limits::SHARE };
                self.around(format!("{path}.nodes.share"), share, bounds);
            }
            for (name, value, bounds) in attack.kind.parameters() {
                self.around(format!("{path}.{name}"), value, bounds);
            }
            if let Kind::Intermittent { attack, .. } = &attack.kind {
                for (name, value, bounds) in attack.parameters() {
                    self.around(format!("{path}.attack.{name}"), value, bounds);
                }
            }
        }
    }

    fn groups(&mut self, path: &str, groups: &[Group], uses_stake: bool) {
        if groups.len() > MAX_GROUPS {
            return;
        }
        for (index, &Group { latency_factor, score_noise_sd, stake, .. }) in groups.iter().enumerate() {
            let field = |name: &str| format!("{path}.{index}.{name}");
            if latency_factor != 1.0 {
                self.around(field("latency_factor"), latency_factor, limits::LATENCY_FACTOR);
            }
            self.around(field("score_noise_sd"), score_noise_sd, limits::SCORE_NOISE_SD);
            if uses_stake && stake != 1.0 {
                self.around(field("stake"), stake, limits::STAKE);
            }
        }
    }
}

/// By how much every share of attackers of that role may grow at once, so that the role has nodes enough, whichever
/// way their numbers are rounded.
fn room_to_grow(base: &Scenario, network: &Network, role: Role) -> f64 {
    let nodes = match role {
        Role::Inference => &network.inference,
        Role::Evaluator => &network.evaluators,
    };
    let is_named = |attack: usize| matches!(base.attacks[attack].nodes, Attackers::Named(_));
    let named = nodes.iter().filter(|node| node.attack.is_some_and(is_named)).count();
    let shares =
        base.attacks.iter().filter(|attack| attack.kind.role() == role).filter_map(|attack| match attack.nodes {
            Attackers::Share { share } => Some(share),
            Attackers::Named(_) => None,
        });
    let (sum, count) = shares.fold((0.0, 0.0), |(sum, count), share| (sum + share, count + 1.0));
    let nodes = nodes.len() as f64;
    (((nodes - named as f64) / nodes - sum) / count - 0.5 / nodes).max(0.0)
}
