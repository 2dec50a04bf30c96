//! Scenarios: everything that a run depends on besides the dataset, as strict JSON.

mod path;

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::attack::Attack;
use crate::consensus::Consensus;
use crate::cost::CostNormalization;
use crate::dataset::TaskKind;
use crate::fields::{Fields, unknown_word};
use crate::json::{self, Fault, WHOLE};
use crate::limits;
use crate::preset;
use crate::reward::{Money, RewardWeights, Staking};
use crate::score::ScoreNormalization;

pub(crate) use path::parts;
pub use path::{setting, written};

/// A complete scenario. Defaults are the preset `default`; every field but `rounds` and `seed` is assumed, in the sense
/// that the papers leave it open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The preset that this scenario started from.
    pub preset: String,
    /// Rounds to run.
    pub rounds: u64,
    /// Seed of every random stream.
    pub seed: u64,
    /// K: evaluators drawn for a round, without repetition. Where nobody set it, as many as the pool has, up to 3.
    pub evaluators_per_round: u32,
    /// Whether somebody set K.
    #[serde(skip)]
    pub k: Asked,
    /// Who answers a task.
    pub inference_draw: InferenceDraw,
    /// How scores become the consensus.
    pub consensus: Consensus,
    /// Weights of quality and cost.
    pub reward: RewardWeights,
    /// What rewards are worth in money; nothing is said of money without it.
    pub money: Option<Money>,
    /// Evaluators' stakes at risk; without it, stakes matter to the Yuma rule alone and are never lost.
    pub staking: Option<Staking>,
    /// How latencies become costs.
    pub cost_normalization: CostNormalization,
    /// By evaluator id: a normalisation in place of the one that the dataset's manifest names.
    pub score_normalization: BTreeMap<String, ScoreNormalization>,
    /// Attacks; a node takes part in one at most.
    pub attacks: Vec<Attack>,
    /// Kinds of task that are drawn.
    pub task_kinds: Vec<TaskKind>,
    /// Who takes part.
    pub network: Network,
    /// What must hold of the result, as expressions for `poq check`; a run does not read them.
    pub assertions: Vec<String>,
}

/// Whether somebody asked for the value that a field has. It is no part of what a scenario is: scenarios are equal
/// where their values are, and links, files and reports do not hold it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked(pub bool);

impl PartialEq for Asked {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// K where nobody sets it and the pool is large enough.
pub(crate) const DEFAULT_K: u32 = 3;
/// The field of K.
const K: &str = "evaluators_per_round";

/// Which inference nodes answer the task of a round: `"uniform"`, `"all"`, or `{"rule": "softmax", ...}`; the bare word
/// `"softmax"` has its defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum InferenceDraw {
    /// One node, drawn uniformly.
    #[default]
    Uniform,
    /// Every node; the evaluators drawn for the round score each answer and are paid for each.
    All,
    /// One node, drawn by what nodes have earned: with a probability proportional to `exp(mean past reward /
    /// temperature)`.
    Softmax {
        /// The higher, the more even, in units of reward.
        temperature: f64,
        /// Reward that every node is taken to have had once before the first round.
        prior: f64,
    },
}

impl Serialize for InferenceDraw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Uniform | Self::All => serializer.serialize_str(self.name()),
            Self::Softmax { temperature, prior } => {
                let mut fields = serializer.serialize_struct("InferenceDraw", 3)?;
                fields.serialize_field("rule", self.name())?;
                fields.serialize_field("temperature", &temperature)?;
                fields.serialize_field("prior", &prior)?;
                fields.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for InferenceDraw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = match Value::deserialize(deserializer)? {
            Value::Object(fields) => Fields::new(fields),
            rule => Fields::new(Map::from_iter([("rule".to_owned(), rule)])),
        };
        Self::from_fields(fields).map_err(D::Error::custom)
    }
}

impl InferenceDraw {
    /// The names of the ways to draw, each one of them by its defaults.
    pub const RULES: [&str; 3] = ["uniform", "all", "softmax"];

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let rule: String = fields.required("rule")?;
        let draw = match rule.as_str() {
            "uniform" => Self::Uniform,
            "all" => Self::All,
            "softmax" => {
                Self::Softmax { temperature: fields.number("temperature", 0.1)?, prior: fields.number("prior", 0.5)? }
            }
            other => return Err(unknown_word("draw", other, &Self::RULES)),
        };
        fields.finish()?;
        Ok(draw)
    }

    /// Its name, as it is written.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::All => "all",
            Self::Softmax { .. } => "softmax",
        }
    }
}

/// The groups of nodes that take part. An empty list stands for one instance of each recorded node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Groups of inference nodes.
    pub inference: Vec<Group>,
    /// Groups of evaluator nodes.
    pub evaluators: Vec<Group>,
}

/// Instances of one recorded node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Id of the recorded node whose outputs or scores the instances have.
    pub model: String,
    /// How many instances.
    #[serde(default = "one")]
    pub count: u32,
    /// Factor on the recorded latency.
    #[serde(default = "unity")]
    pub latency_factor: f64,
    /// Standard deviation of Gaussian noise on an evaluator's score, which then stays within 0 to 10; 0 for inference.
    #[serde(default)]
    pub score_noise_sd: f64,
    /// An evaluator's stake: its weight under the Yuma rule, and what it may lose where stakes are at risk.
    #[serde(default = "unity")]
    pub stake: f64,
}

impl Group {
    /// One instance of a recorded node, as it was recorded.
    #[must_use]
    pub fn one(model: &str) -> Self {
        Self { model: model.to_owned(), count: 1, latency_factor: 1.0, score_noise_sd: 0.0, stake: 1.0 }
    }
}

fn one() -> u32 {
    1
}

fn unity() -> f64 {
    1.0
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            preset: preset::DEFAULT.to_owned(),
            rounds: 5000,
            seed: 42,
            evaluators_per_round: DEFAULT_K,
            k: Asked(false),
            inference_draw: InferenceDraw::default(),
            consensus: Consensus::default(),
            reward: RewardWeights::default(),
            money: None,
            staking: None,
            cost_normalization: CostNormalization::default(),
            score_normalization: BTreeMap::new(),
            attacks: Vec::new(),
            task_kinds: TaskKind::ALL.to_vec(),
            network: Network::default(),
            assertions: Vec::new(),
        }
    }
}

/// What is wrong with a scenario: the path of the field, the value seen, what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scenario {}: {message}", if path == WHOLE { "as a whole".to_owned() } else { format!("field `{path}`") })]
pub struct ScenarioError {
    /// Path of the field, such as `reward.alpha_inference`.
    pub path: String,
    /// The value seen and the values allowed.
    pub message: String,
}

impl ScenarioError {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// One form of path throughout: `attacks.0`, as it is written to set a field.
    fn at(Fault { path, message, .. }: Fault) -> Self {
        Self::new(path.replace('[', ".").replace(']', ""), message)
    }
}

impl Scenario {
    /// The preset of that name.
    ///
    /// # Errors
    /// For a name that is not among [`preset::PRESETS`].
    pub fn preset(name: &str) -> Result<Self, ScenarioError> {
        let Some(patch) = preset::patch(name) else {
            let names: Vec<&str> = preset::PRESETS.iter().map(|preset| preset.name).collect();
            let message = format!("`{name}` is unknown; allowed: {}", names.join(", "));
            return Err(ScenarioError::new("preset", message));
        };
        let mut value = Self::default().to_value();
        merge(&mut value, &patch);
        let preset = Self::from_value(&value)?;
        Ok(Self { preset: name.to_owned(), ..preset })
    }

    /// A scenario from JSON text. Fields that are absent have the value of the preset that it names (else `default`).
    ///
    /// # Errors
    /// For text that is not JSON, unknown fields, wrong types and values out of bounds, each with its path.
    pub fn from_json(text: &str) -> Result<Self, ScenarioError> {
        let value = json::parse_strict(text.as_bytes()).map_err(|fault| match fault.place {
            Some([line, column]) => {
                let message = format!("{} at line {line} column {column}", fault.message);
                ScenarioError::new(WHOLE, message)
            }
            None => ScenarioError::at(fault),
        })?;
        Self::from_patch(&value)
    }

    /// A scenario from the fields that differ from its preset; the inverse of [`Scenario::patch`].
    ///
    /// # Errors
    /// As [`Scenario::from_json`].
    pub fn from_patch(patch: &Value) -> Result<Self, ScenarioError> {
        let Some(fields) = patch.as_object() else {
            return Err(ScenarioError::new(WHOLE, "a scenario is a JSON object"));
        };
        let base = match fields.get("preset") {
            None => Self::default(),
            Some(Value::String(name)) => Self::preset(name)?,
            Some(other) => {
                return Err(ScenarioError::new("preset", format!("{other} is not a string")));
            }
        };
        let mut value = base.to_value();
        merge(&mut value, patch);
        Self::from_complete(value, fields.contains_key(K))
    }

    /// This scenario with the field at `path` set to `value`: JSON, or a bare word taken as a string.
    ///
    /// # Errors
    /// For a path that names no field, for `preset` (a scenario starts from one, see [`Scenario::preset`]), and as
    /// [`Scenario::from_json`].
    pub fn with(&self, path: &str, value: &str) -> Result<Self, ScenarioError> {
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        let mut parts = parts(path).map_err(|message| ScenarioError::new(path, message))?;
        if parts == ["preset"] {
            let message =
                "a scenario starts from its preset and keeps it: use --preset NAME, or `preset` in a scenario file";
            return Err(ScenarioError::new(path, message));
        }
        // As in a patch, a rule that changes its name takes nothing over from the old one.
        let value = match parts.last() {
            Some(last) if parts.len() > 1 && last == "rule" => {
                parts.pop();
                serde_json::json!({"rule": value})
            }
            _ => value,
        };
        let sets_k = parts == [K];
        let mut whole = self.to_value();
        let at = path::place(&mut whole, &parts).map_err(|message| ScenarioError::new(path, message))?;
        if value.get("rule").is_some() {
            merge(at, &value);
        } else {
            *at = value;
        }
        Self::from_complete(whole, self.k.0 || sets_k)
    }

    /// The value of the field at `path`, as [`Scenario::with`] finds it; none where there is no such field.
    #[must_use]
    pub fn value_at(&self, path: &str) -> Option<Value> {
        let parts = parts(path).ok()?;
        // A place that is made on the way is null.
        path::place(&mut self.to_value(), &parts).ok().filter(|value| !value.is_null()).cloned()
    }

    /// K in a pool of so many evaluators.
    pub(crate) fn k_for(&self, pool: usize) -> Result<u32, ScenarioError> {
        let k = self.evaluators_per_round;
        if k as usize <= pool {
            return Ok(k);
        }
        if self.k.0 || k != DEFAULT_K {
            let message = format!("{k} evaluators a round; allowed: 1 to {pool}, the size of the evaluator pool");
            return Err(ScenarioError::new(K, message));
        }
        check_consensus(&self.consensus, pool as u32)?;
        Ok(pool as u32)
    }

    /// The fields that differ from the scenario's preset, and the preset's name where it is not the default, as JSON
    /// with sorted keys.
    #[must_use]
    pub fn patch(&self) -> Value {
        let base = Self::preset(&self.preset).unwrap_or_default().to_value();
        let mut patch = difference(&base, &self.to_value()).unwrap_or_else(|| Value::Object(Map::new()));
        if self.preset != preset::DEFAULT {
            patch["preset"] = Value::String(self.preset.clone());
        }
        patch
    }

    fn to_value(&self) -> Value {
        // A struct of numbers, strings, lists and maps with string keys always has a JSON value.
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    fn from_complete(value: Value, is_k_set: bool) -> Result<Self, ScenarioError> {
        let scenario = Self { k: Asked(is_k_set), ..Self::from_value(&value)? };
        scenario.check()?;
        Ok(scenario)
    }

    fn from_value(value: &Value) -> Result<Self, ScenarioError> {
        json::parse(value.to_string().as_bytes()).map_err(ScenarioError::at)
    }

    /// Checks every bound that does not depend on a dataset.
    ///
    /// # Errors
    /// Names the first field that is out of bounds.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let Self {
            preset,
            rounds,
            seed,
            evaluators_per_round,
            k: _,
            inference_draw,
            consensus,
            reward,
            money,
            staking,
            cost_normalization: _,
            score_normalization: _,
            attacks,
            task_kinds,
            network,
            assertions,
        } = self;
        Self::preset(preset)?;
        limits::ROUNDS.check("rounds", *rounds as f64)?;
        limits::SEED.check("seed", *seed as f64)?;
        limits::EVALUATORS_PER_ROUND.check("evaluators_per_round", f64::from(*evaluators_per_round))?;
        check_consensus(consensus, *evaluators_per_round)?;
        let weights = [
            ("reward.alpha_inference", reward.alpha_inference),
            ("reward.beta_inference", reward.beta_inference),
            ("reward.alpha_evaluator", reward.alpha_evaluator),
            ("reward.beta_evaluator", reward.beta_evaluator),
        ];
        for (path, value) in weights {
            limits::REWARD_WEIGHT.check(path, value)?;
        }
        if weights.iter().all(|&(_, value)| value == 0.0) {
            return Err(ScenarioError::new(
                "reward",
                "all weights are 0, so that nobody is paid; at least one above 0",
            ));
        }
        if let Some(Money { price_per_round, cost_per_second }) = *money {
            limits::PRICE_PER_ROUND.check("money.price_per_round", price_per_round)?;
            limits::COST_PER_SECOND.check("money.cost_per_second", cost_per_second)?;
        }
        if let InferenceDraw::Softmax { temperature, prior } = *inference_draw {
            limits::TEMPERATURE.check("inference_draw.temperature", temperature)?;
            limits::REWARD.check("inference_draw.prior", prior)?;
        }
        if let Some(Staking { slash_distance, slash_share, min_stake }) = *staking {
            limits::SCORE.check("staking.slash_distance", slash_distance)?;
            limits::SHARE.check("staking.slash_share", slash_share)?;
            limits::STAKE.check("staking.min_stake", min_stake)?;
            if reward.alpha_evaluator == 0.0 {
                let message = "evaluators with stakes at risk need a reward: allowed: reward.alpha_evaluator above 0";
                return Err(ScenarioError::new("staking", message));
            }
        }
        if attacks.len() > limits::ATTACKS {
            let message = format!("{} attacks; allowed: up to {}", attacks.len(), limits::ATTACKS);
            return Err(ScenarioError::new("attacks", message));
        }
        for (index, attack) in attacks.iter().enumerate() {
            attack.check(&format!("attacks.{index}"))?;
        }
        if task_kinds.is_empty() {
            return Err(ScenarioError::new("task_kinds", "the list is empty; at least one of qa, summarization"));
        }
        if task_kinds.iter().enumerate().any(|(index, kind)| task_kinds[..index].contains(kind)) {
            return Err(ScenarioError::new("task_kinds", "a kind is named twice"));
        }
        check_groups("network.inference", &network.inference, false)?;
        check_groups("network.evaluators", &network.evaluators, true)?;
        if assertions.len() > limits::ASSERTIONS {
            let message = format!("{} assertions; allowed: up to {}", assertions.len(), limits::ASSERTIONS);
            return Err(ScenarioError::new("assertions", message));
        }
        if let Some(index) =
            assertions.iter().position(|text| text.trim().is_empty() || text.len() > limits::ASSERTION_BYTES)
        {
            let message = format!("allowed: an expression of up to {} bytes", limits::ASSERTION_BYTES);
            return Err(ScenarioError::new(format!("assertions.{index}"), message));
        }
        Ok(())
    }
}

fn check_consensus(consensus: &Consensus, k: u32) -> Result<(), ScenarioError> {
    for (name, value, bounds) in consensus.parameters() {
        bounds.check(&format!("consensus.{name}"), value)?;
    }
    let trimmed = consensus.trimmed(k);
    if trimmed > 0 && 2 * trimmed >= k {
        let message = format!(
            "{trimmed} of K = {k} scores would be dropped at each end, which leaves none; allowed: a smaller share, or K of \
             at least {}",
            2 * trimmed + 1
        );
        return Err(ScenarioError::new("consensus.trim_share", message));
    }
    if let Consensus::TrustWeighted { w_min, w_max, w_initial, .. }
    | Consensus::EmaTrust { w_min, w_max, w_initial, .. } = *consensus
    {
        if w_min > w_max {
            return Err(ScenarioError::new(
                "consensus.w_min",
                format!("{w_min} is above w_max; allowed: up to {w_max}"),
            ));
        }
        if !(w_min..=w_max).contains(&w_initial) {
            let message =
                format!("{w_initial} is out of range; allowed: {w_min} to {w_max}, which are w_min and w_max");
            return Err(ScenarioError::new("consensus.w_initial", message));
        }
    }
    Ok(())
}

fn check_groups(path: &str, groups: &[Group], may_be_noisy: bool) -> Result<(), ScenarioError> {
    let mut total = 0.0;
    for (index, group) in groups.iter().enumerate() {
        let field = |name: &str| format!("{path}.{index}.{name}");
        limits::GROUP_COUNT.check(&field("count"), f64::from(group.count))?;
        limits::LATENCY_FACTOR.check(&field("latency_factor"), group.latency_factor)?;
        limits::SCORE_NOISE_SD.check(&field("score_noise_sd"), group.score_noise_sd)?;
        limits::STAKE.check(&field("stake"), group.stake)?;
        if group.score_noise_sd > 0.0 && !may_be_noisy {
            return Err(ScenarioError::new(field("score_noise_sd"), "an inference node gives no score; allowed: 0"));
        }
        total += f64::from(group.count);
    }
    if total > limits::INSTANCES {
        return Err(ScenarioError::new(path, format!("{total} instances; allowed: up to {}", limits::INSTANCES)));
    }
    if !groups.is_empty() && groups.iter().all(|group| group.stake == 0.0) {
        return Err(ScenarioError::new(path, "every stake is 0; at least one above 0"));
    }
    Ok(())
}

/// Lays `patch` over `base`: objects field by field, all else whole. A rule that changes its name takes nothing over
/// from the old one.
fn merge(base: &mut Value, patch: &Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch))
            if patch.get("rule").is_none_or(|rule| base.get("rule") == Some(rule)) =>
        {
            for (key, value) in patch {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, patch) => *base = patch.clone(),
    }
}

/// The patch that [`merge`] needs to turn `base` into `value`.
fn difference(base: &Value, value: &Value) -> Option<Value> {
    match (base, value) {
        _ if base == value => None,
        (Value::Object(from), Value::Object(to)) if from.get("rule") == to.get("rule") => {
            let fields = to.iter().filter_map(|(key, value)| {
                let changed = difference(from.get(key).unwrap_or(&Value::Null), value)?;
                Some((key.clone(), changed))
            });
            Some(Value::Object(fields.collect()))
        }
        _ => Some(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Scenario::from_json(text).expect_err("must be refused").to_string()
    }

    #[test]
    fn an_empty_object_is_the_default_preset() {
        assert_eq!(Scenario::from_json("{}"), Ok(Scenario::default()));
        assert_eq!(Scenario::default().patch(), serde_json::json!({}));
    }

    #[test]
    fn a_patch_gives_the_scenario_back() {
        let scenario = Scenario::from_json(
            r#"{"rounds": 7, "reward": {"beta_inference": 0.1},
                "score_normalization": {"rouge_l": "min_max"}, "task_kinds": ["qa"],
                "network": {"inference": [{"model": "a", "count": 3, "latency_factor": 0.3}]}}"#,
        )
        .expect("valid");
        assert_eq!(scenario.reward.alpha_inference, 1.0);
        assert_eq!(Scenario::from_patch(&scenario.patch()), Ok(scenario));
    }

    #[test]
    fn every_preset_is_a_valid_scenario_of_its_own() {
        let scenarios: Vec<Scenario> =
            preset::PRESETS.iter().map(|preset| Scenario::preset(preset.name).expect(preset.name)).collect();
        for (index, scenario) in scenarios.iter().enumerate() {
            scenario.check().expect(&scenario.preset);
            assert_eq!(scenario.preset, preset::PRESETS[index].name);
            let unnamed = |scenario: &Scenario| {
                (Scenario { preset: String::new(), ..scenario.clone() }, preset::dataset_of(&scenario.preset))
            };
            assert!(scenarios[..index].iter().all(|other| unnamed(other) != unnamed(scenario)));
            // From each preset to each scenario and back.
            for other in &scenarios {
                let moved = Scenario { preset: scenario.preset.clone(), ..other.clone() };
                assert_eq!(Scenario::from_patch(&moved.patch()), Ok(moved));
            }
        }
    }

    #[test]
    fn errors_name_the_path() {
        assert_eq!(error("{\"round\": 1}").split(':').next(), Some("scenario field `round`"));
        assert!(error(r#"{"reward": {"gamma": 1}}"#).contains("`reward.gamma`"));
        assert!(error(r#"{"reward": {"alpha_inference": "x"}}"#).contains("`reward.alpha_inference`"));
        assert!(error(r#"{"rounds": 0}"#).contains("`rounds`: 0 is out of range; allowed: 1 to 1000000000"));
        assert!(error(r#"{"rounds": -1}"#).contains("`rounds`"));
        assert!(error(r#"{"evaluators_per_round": 0}"#).contains("`evaluators_per_round`"));
        assert!(error(r#"{"reward": {"alpha_inference": 1e999}}"#).contains("not JSON"));
        assert!(error(r#"{"consensus": {"rule": "magic"}}"#).contains("`consensus"));
        let rule = |text: &str| error(&format!(r#"{{"consensus": {text}}}"#));
        assert!(rule(r#"{"rule": "mean", "kappa": 0.5}"#).contains("unknown field `kappa`"));
        assert!(
            rule(r#"{"rule": "yuma", "kappa": 2}"#).contains("`consensus.kappa`: 2 is out of range; allowed: 0 to 1")
        );
        let trimmed = rule(r#"{"rule": "trimmed_mean", "trim_share": 0.4}"#);
        assert!(
            trimmed.contains("`consensus.trim_share`: 2 of K = 3 scores") && trimmed.contains("at least 5"),
            "{trimmed}"
        );
        assert!(rule(r#"{"rule": "ema_trust", "w_min": 2}"#).contains("`consensus.w_min`: 2 is above w_max"));
        assert!(rule(r#"{"rule": "trust_weighted", "w_initial": 9}"#).contains("`consensus.w_initial`: 9"));
        assert!(rule(r#"{"rule": "trust_weighted", "w_min": 0}"#).contains("`consensus.w_min`: 0 is out of range"));
        assert!(error(r#"{"money": {"price_per_round": 0}}"#).contains("`money.price_per_round`: 0 is out of range"));
        assert!(error(r#"{"money": {"price": 1}}"#).contains("`money.price`"));
        assert!(error(r#"{"preset": "nope"}"#).contains("allowed: default"));
        assert!(error(r#"{"task_kinds": []}"#).contains("`task_kinds`"));
        assert!(error(r#"{"attacks": [{"kind": "noise"}]}"#).contains("`attacks.0`: missing field `nodes`"));
        assert!(
            error(r#"{"network": {"evaluators": [{"model": "a", "count": 0}]}}"#)
                .contains("`network.evaluators.0.count`")
        );
        assert!(
            error(
                r#"{"reward": {"alpha_inference": 0, "beta_inference": 0, "alpha_evaluator": 0, "beta_evaluator": 0}}"#
            )
            .contains("all weights are 0")
        );
        assert!(error("[]").contains("JSON object"));
    }

    #[test]
    fn doubled_keys_are_refused_and_whole_floats_taken() {
        assert!(error(r#"{"rounds": 100, "rounds": 5}"#).contains("`rounds`: the key stands twice"));
        assert!(
            error(r#"{"attacks": [{"nodes": ["a"], "kind": "boost", "by": 1, "by": 2}]}"#).contains("`attacks.0.by`")
        );
        assert!(error(r#"{"score_normalization": {"a": "unit", "a": "ten"}}"#).contains("`score_normalization.a`"));
        let rounds = |text: &str| Scenario::from_json(text).map(|scenario| scenario.rounds);
        assert_eq!(rounds(r#"{"rounds": 100.0}"#), Ok(100));
        assert_eq!(rounds("\u{feff}{\"rounds\": 1e3}"), Ok(1000));
        assert!(error(r#"{"rounds": 100.5}"#).contains("`rounds`"));
        let groups = r#"{"network": {"inference": [{"model": "a", "count": 2.0}]}}"#;
        assert_eq!(Scenario::from_json(groups).map(|scenario| scenario.network.inference[0].count), Ok(2));
        let with = |path: &str, value: &str| Scenario::default().with(path, value);
        assert_eq!(with("rounds", "1e6").map(|scenario| scenario.rounds), Ok(1_000_000));
        assert_eq!(with("seed", "7.0").map(|scenario| scenario.seed), Ok(7));
    }

    #[test]
    fn a_preset_is_not_set() {
        let error = Scenario::default().with("preset", "drift-under-ema").expect_err("must be refused").to_string();
        assert!(error.contains("`preset`") && error.contains("use --preset"), "{error}");
        let from_file = Scenario::from_json(r#"{"preset": "drift-under-ema"}"#);
        assert_eq!(from_file, Scenario::preset("drift-under-ema"));
    }

    #[test]
    fn with_sets_by_path() {
        let yuma = Scenario::default()
            .with("consensus.rule", "yuma")
            .and_then(|scenario| scenario.with("consensus.kappa", "0.7"));
        let yuma = yuma.expect("valid");
        assert_eq!(yuma.consensus, Consensus::Yuma { kappa: 0.7 });
        assert_eq!(yuma.with("consensus.rule", "yuma"), Ok(yuma.clone()));
        let money = Scenario::default().with("money.price_per_round", "0.5").map(|scenario| scenario.money);
        assert_eq!(money, Ok(Some(Money { price_per_round: 0.5, ..Money::default() })));
        assert_eq!(yuma.with("consensus.rule", "mean"), Ok(Scenario::default()));
        assert_eq!(
            yuma.with("consensus", r#"{"rule": "median"}"#).map(|scenario| scenario.consensus),
            Ok(Consensus::Median {})
        );
        let base = Scenario::default();
        assert_eq!(base.with("reward.alpha_inference", "0.7").map(|s| s.reward.alpha_inference), Ok(0.7));
        assert_eq!(base.with("inference_draw", "all").map(|s| s.inference_draw), Ok(InferenceDraw::All));
        assert_eq!(base.with("score_normalization.chrf", "min_max").map(|s| s.score_normalization.len()), Ok(1));
        assert!(base.with("reward.gamma", "1").is_err());
        assert!(base.with("nothing.here", "1").is_err());
        assert!(base.with("network.inference.0.count", "1").is_err());
    }

    #[test]
    fn ids_with_dots_are_reached() {
        let unit = |id: &str| BTreeMap::from([(id.to_owned(), ScoreNormalization::Ten)]);
        for path in [
            "score_normalization.llama-3.2-1b",
            "score_normalization.\"llama-3.2-1b\"",
            "score_normalization['llama-3.2-1b']",
        ] {
            let scenario = Scenario::default().with(path, "ten").expect(path);
            assert_eq!(scenario.score_normalization, unit("llama-3.2-1b"));
            assert_eq!(scenario.value_at(path), Some("ten".into()));
            assert_eq!(scenario.with(path, "unit").map(|scenario| scenario.score_normalization.len()), Ok(1));
        }
        // The longest key that is there, and a new one beside a shorter.
        let both = Scenario::default()
            .with("score_normalization.a", "unit")
            .and_then(|s| s.with("score_normalization.a.b", "ten"));
        assert_eq!(both.as_ref().map(|s| s.score_normalization.len()), Ok(2));
        assert_eq!(both.map(|s| s.value_at("score_normalization.a.b")), Ok(Some("ten".into())));
        let rule = Scenario::default().with("score_normalization.\"x.rule\"", "ten");
        assert_eq!(rule.map(|s| s.score_normalization), Ok(unit("x.rule")));
        assert!(Scenario::default().with("score_normalization.\"a", "ten").is_err());
        assert_eq!(Scenario::default().value_at("reward.gamma"), None);
        assert_eq!(Scenario::default().value_at("reward.alpha_inference"), Some(1.0.into()));
        assert_eq!(Scenario::default().value_at("money.price_per_round"), None);
    }
}
