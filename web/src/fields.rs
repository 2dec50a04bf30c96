//! The scenario's fields as controls: label, unit, bounds, meaning and source of each.
//!
//! A control reads and writes its field by path, as `--set` does, so that the check and the words of an error are the
//! core's.

use poq_core::Scenario;
use poq_core::consensus::Consensus;
use poq_core::limits::{self, Bounds};
use poq_core::reward::{Money, Staking};
use poq_core::scenario::ScenarioError;
use serde_json::Value;

use crate::format;

/// A control of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberField {
    /// Path of the field.
    pub path: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// Its unit, in words.
    pub unit: &'static str,
    /// What is allowed.
    pub bounds: Bounds,
    /// Step of the box and the slider.
    pub step: f64,
    /// Largest value of the slider; the box takes more. None: no slider.
    pub slider_max: Option<f64>,
    /// Whether only whole numbers are allowed.
    pub whole: bool,
    /// What it does.
    pub help: &'static str,
    /// Whether the papers leave the value open.
    pub assumed: bool,
}

const WEIGHT: NumberField = NumberField {
    path: "",
    label: "",
    unit: "reward",
    bounds: limits::REWARD_WEIGHT,
    step: 0.05,
    slider_max: Some(2.0),
    whole: false,
    help: "",
    assumed: true,
};

/// The weights of an inference node's reward.
pub static INFERENCE_WEIGHTS: [NumberField; 2] = [
    NumberField {
        path: "reward.alpha_inference",
        label: "α quality",
        help: "What a consensus of 10 pays an inference node.",
        ..WEIGHT
    },
    NumberField {
        path: "reward.beta_inference",
        label: "β cost",
        help: "What the slowest inference node is charged.",
        ..WEIGHT
    },
];

/// The weights of an evaluator's reward.
pub static EVALUATOR_WEIGHTS: [NumberField; 2] = [
    NumberField {
        path: "reward.alpha_evaluator",
        label: "α closeness",
        help: "What a score equal to the consensus pays an evaluator.",
        ..WEIGHT
    },
    NumberField {
        path: "reward.beta_evaluator",
        label: "β cost",
        help: "What the slowest evaluator is charged.",
        ..WEIGHT
    },
];

/// K.
pub const EVALUATORS_PER_ROUND: NumberField = NumberField {
    path: "evaluators_per_round",
    label: "K, evaluators a round",
    unit: "nodes",
    bounds: limits::EVALUATORS_PER_ROUND,
    step: 1.0,
    slider_max: None,
    whole: true,
    help: "How many evaluators are drawn, without repetition, to score an answer; at most all of them.",
    assumed: true,
};

/// Rounds.
pub const ROUNDS: NumberField = NumberField {
    path: "rounds",
    label: "Rounds",
    unit: "rounds",
    bounds: limits::ROUNDS,
    step: 1.0,
    slider_max: None,
    whole: true,
    help: "How many rounds are run. 5,000 is the number in arXiv 2512.16317. More make the Monte Carlo interval narrower.",
    assumed: false,
};

/// The seed.
pub const SEED: NumberField = NumberField {
    path: "seed",
    label: "Seed",
    unit: "",
    bounds: limits::SEED,
    step: 1.0,
    slider_max: None,
    whole: true,
    help: "Decides every draw: the same seed gives the same result to the last bit.",
    assumed: false,
};

const PARAMETER: NumberField = NumberField {
    path: "",
    label: "",
    unit: "",
    bounds: limits::SHARE,
    step: 0.01,
    slider_max: None,
    whole: false,
    help: "",
    assumed: true,
};

const fn trust_weight(path: &'static str, label: &'static str, help: &'static str) -> NumberField {
    NumberField { path, label, help, unit: "weight", bounds: limits::TRUST_WEIGHT, ..PARAMETER }
}

const W_MIN: NumberField = trust_weight("consensus.w_min", "smallest weight", "A weight never falls below this.");
const W_MAX: NumberField = trust_weight("consensus.w_max", "largest weight", "A weight never rises above this.");
const W_INITIAL: NumberField =
    trust_weight("consensus.w_initial", "first weight", "Every evaluator’s weight before the first round.");

static TRIMMED_MEAN: [NumberField; 1] = [NumberField {
    path: "consensus.trim_share",
    label: "trimmed at each end",
    unit: "of K",
    bounds: limits::TRIM_SHARE,
    slider_max: Some(0.5),
    help: "This share of the scores, rounded up to whole scores, is dropped at each end.",
    ..PARAMETER
}];

static TRUST_WEIGHTED: [NumberField; 4] = [
    NumberField {
        path: "consensus.lambda",
        label: "λ, speed",
        bounds: limits::TRUST_LAMBDA,
        slider_max: Some(1.0),
        help: "How fast weights move with each deviation from the consensus.",
        ..PARAMETER
    },
    W_MIN,
    W_MAX,
    W_INITIAL,
];

static EMA_TRUST: [NumberField; 4] = [
    NumberField {
        path: "consensus.retention",
        label: "retention",
        slider_max: Some(1.0),
        help: "How much of the old weight stays at each update.",
        ..PARAMETER
    },
    W_MIN,
    W_MAX,
    W_INITIAL,
];

static YUMA: [NumberField; 1] = [NumberField {
    path: "consensus.kappa",
    label: "κ, support",
    unit: "of stake",
    slider_max: Some(1.0),
    help: "A score stands only as high as one that this share of the drawn stake is at or above. Stake is set in Network.",
    ..PARAMETER
}];

/// The parameters of a consensus rule.
#[must_use]
pub fn consensus_parameters(rule: &Consensus) -> &'static [NumberField] {
    match rule {
        Consensus::Mean {} | Consensus::Median {} => &[],
        Consensus::TrimmedMean { .. } => &TRIMMED_MEAN,
        Consensus::TrustWeighted { .. } => &TRUST_WEIGHTED,
        Consensus::EmaTrust { .. } => &EMA_TRUST,
        Consensus::Yuma { .. } => &YUMA,
    }
}

/// How scores become the consensus.
pub const CONSENSUS_RULES: [Choice; 6] = [
    ("mean", "mean"),
    ("median", "median"),
    ("trimmed_mean", "trimmed mean"),
    ("trust_weighted", "trust-weighted mean (clip)"),
    ("ema_trust", "trust-weighted mean (EMA)"),
    ("yuma", "Yuma-style clipping by stake"),
];

/// Every number that has a control of its own.
pub fn all() -> impl Iterator<Item = &'static NumberField> {
    static OTHERS: [NumberField; 3] = [EVALUATORS_PER_ROUND, ROUNDS, SEED];
    let rules = TRIMMED_MEAN.iter().chain(&TRUST_WEIGHTED).chain(&EMA_TRUST).chain(&YUMA);
    let optional = MONEY.iter().chain(&SOFTMAX).chain(&STAKING);
    INFERENCE_WEIGHTS.iter().chain(&EVALUATOR_WEIGHTS).chain(&OTHERS).chain(optional).chain(rules)
}

/// What rewards are worth.
pub static MONEY: [NumberField; 2] = [
    NumberField {
        path: "money.price_per_round",
        label: "price of a reward of 1",
        unit: "money",
        bounds: limits::PRICE_PER_ROUND,
        help: "What a reward of 1 is worth in a round, in any currency.",
        ..PARAMETER
    },
    NumberField {
        path: "money.cost_per_second",
        label: "cost of a second",
        unit: "money",
        bounds: limits::COST_PER_SECOND,
        help: "What a second of a node’s time costs it: electricity, hardware, rent.",
        ..PARAMETER
    },
];

/// Routing by past reward.
pub static SOFTMAX: [NumberField; 2] = [
    NumberField {
        path: "inference_draw.temperature",
        label: "temperature",
        unit: "reward",
        bounds: limits::TEMPERATURE,
        help: "The higher, the more evenly nodes are asked; near 0, only who earned most is.",
        ..PARAMETER
    },
    NumberField {
        path: "inference_draw.prior",
        label: "reward taken for granted",
        unit: "reward",
        bounds: limits::REWARD,
        help: "Every node counts as having earned this once before the first round: a high one makes each be tried.",
        ..PARAMETER
    },
];

/// Stakes at risk.
pub static STAKING: [NumberField; 3] = [
    NumberField {
        path: "staking.slash_distance",
        label: "distance that costs stake",
        unit: "points",
        bounds: limits::SCORE,
        step: 0.5,
        help: "A score further than this from the consensus costs its evaluator stake.",
        ..PARAMETER
    },
    NumberField {
        path: "staking.slash_share",
        label: "share lost each time",
        unit: "of the stake",
        bounds: limits::SHARE,
        help: "How much of the stake that is left is lost, and taken from the reward.",
        ..PARAMETER
    },
    NumberField {
        path: "staking.min_stake",
        label: "stake to be heard",
        unit: "reward",
        bounds: limits::STAKE,
        step: 0.05,
        help: "With less left, an evaluator’s score does not count and is not paid.",
        ..PARAMETER
    },
];

/// A choice: value in files and words.
pub type Choice = (&'static str, &'static str);

/// Who answers.
pub const INFERENCE_DRAWS: [Choice; 3] =
    [("uniform", "one node, drawn evenly"), ("all", "every node"), ("softmax", "one node, by what it earned so far")];
/// How latencies become costs.
pub const COST_NORMALIZATIONS: [Choice; 3] =
    [("min_max", "min-max"), ("ratio_to_max", "ratio to the slowest"), ("log_min_max", "min-max of the logarithm")];
/// How raw values become scores.
pub const SCORE_NORMALIZATIONS: [Choice; 4] = [
    ("unit", "unit (10 × raw)"),
    ("sigmoid", "sigmoid"),
    ("min_max", "min-max over the dataset"),
    ("ten", "ten (raw as it is)"),
];
/// Kinds of task.
pub const TASK_KINDS: [Choice; 2] = [("qa", "question answering"), ("summarization", "summarisation")];

/// The words for a value of a choice; the value itself where there are none.
#[must_use]
pub fn words<'a>(choices: &[(&'a str, &'a str)], value: &'a str) -> &'a str {
    choices.iter().find(|(known, _)| *known == value).map_or(value, |&(_, words)| words)
}

/// The value of a field.
#[must_use]
pub fn get(scenario: &Scenario, path: &str) -> Value {
    // A scenario is numbers, strings, lists and maps with string keys: it always has a JSON value.
    let whole = serde_json::to_value(scenario).unwrap_or(Value::Null);
    path.split('.').fold(whole, |value, part| {
        let item = || value.get(part.parse::<usize>().ok()?);
        value.get(part).or_else(item).cloned().unwrap_or(Value::Null)
    })
}

/// The value of a field in the scenario's preset.
#[must_use]
pub fn preset_value(scenario: &Scenario, path: &str) -> Value {
    let mut preset = Scenario::preset(&scenario.preset).unwrap_or_default();
    // A parameter of a rule that the preset does not have starts from that rule's own default.
    if preset.consensus.name() != scenario.consensus.name()
        && path.starts_with("consensus.")
        && path != "consensus.rule"
    {
        preset = preset.with("consensus.rule", scenario.consensus.name()).unwrap_or(preset);
    }
    // Money, stakes and routing come with their defaults when they come.
    if preset.money.is_none() && path.starts_with("money.") {
        preset.money = Some(Money::default());
    }
    if preset.staking.is_none() && path.starts_with("staking.") {
        preset.staking = Some(Staking::default());
    }
    if path.starts_with("inference_draw.") && preset.inference_draw.name() != scenario.inference_draw.name() {
        preset = preset.with("inference_draw", scenario.inference_draw.name()).unwrap_or(preset);
    }
    get(&preset, path)
}

/// The scenario with a field as its preset has it.
///
/// # Errors
/// As [`Scenario::with`].
pub fn reset(scenario: &Scenario, path: &str) -> Result<Scenario, ScenarioError> {
    scenario.with(path, &preset_value(scenario, path).to_string())
}

/// Reads what was typed into a field's box; `max` may be tighter than the field's own bound.
///
/// # Errors
/// As [`parse_within`].
pub fn parse(field: &NumberField, max: f64, text: &str) -> Result<f64, String> {
    parse_within(field.bounds, field.whole, max, text)
}

/// Reads what was typed into a number box.
///
/// # Errors
/// For what is no number, not whole where it must be, or out of bounds, in words.
pub fn parse_within(bounds: Bounds, whole: bool, max: f64, text: &str) -> Result<f64, String> {
    let allowed = format!("{} to {}", format::plain(bounds.min), format::plain(max));
    // A comma is a decimal sign to some and parts thousands to others: neither is guessed.
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("nothing is filled in; allowed: {allowed}"));
    }
    let value = text.replace('−', "-").parse().ok().filter(|value: &f64| value.is_finite());
    let value = value.ok_or_else(|| format!("“{text}” is no number; allowed: {allowed}"))?;
    if whole && value.fract() != 0.0 {
        return Err(format!("{text} is not whole; allowed: whole numbers from {allowed}"));
    }
    if !(bounds.min..=max).contains(&value) {
        return Err(format!("{text} is out of range; allowed: {allowed}"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_in_the_scenario() {
        let scenario = Scenario::default();
        for field in INFERENCE_WEIGHTS.iter().chain(&EVALUATOR_WEIGHTS).chain([&EVALUATORS_PER_ROUND, &ROUNDS, &SEED]) {
            assert!(get(&scenario, field.path).is_number(), "{}", field.path);
            let changed = scenario.with(field.path, "2").expect("allowed");
            assert_eq!(get(&changed, field.path).as_f64(), Some(2.0));
            assert_eq!(reset(&changed, field.path), Ok(scenario.clone()));
        }
    }

    #[test]
    fn money_has_its_own_defaults() {
        let scenario = Scenario { money: Some(Money::default()), ..Scenario::default() };
        for field in MONEY {
            let changed = scenario.with(field.path, "0.5").expect("allowed");
            assert_eq!(get(&changed, field.path).as_f64(), Some(0.5));
            assert_eq!(reset(&changed, field.path), Ok(scenario.clone()));
        }
    }

    #[test]
    fn stakes_and_routing_have_their_own_defaults() {
        let scenario =
            Scenario { staking: Some(Staking::default()), ..Scenario::default() }.with("inference_draw", "softmax");
        let scenario = scenario.expect("allowed");
        for field in STAKING.iter().chain(&SOFTMAX) {
            let changed = scenario.with(field.path, "0.75").expect("allowed");
            assert_eq!(get(&changed, field.path).as_f64(), Some(0.75));
            assert_eq!(reset(&changed, field.path), Ok(scenario.clone()), "{}", field.path);
        }
    }

    #[test]
    fn every_parameter_of_every_rule_is_a_field() {
        let wide = Scenario::default().with("evaluators_per_round", "9").expect("allowed");
        for (rule, _) in CONSENSUS_RULES {
            let scenario = wide.with("consensus.rule", rule).expect("a rule");
            assert_eq!(scenario.consensus.name(), rule);
            let fields = consensus_parameters(&scenario.consensus);
            let names: Vec<String> =
                scenario.consensus.parameters().iter().map(|(name, ..)| format!("consensus.{name}")).collect();
            assert_eq!(names, fields.iter().map(|field| field.path).collect::<Vec<_>>(), "{rule}");
            for (field, (_, value, bounds)) in fields.iter().zip(scenario.consensus.parameters()) {
                assert_eq!(field.bounds, bounds);
                assert_eq!(preset_value(&scenario, field.path).as_f64(), Some(value));
                assert_eq!(reset(&scenario, field.path), Ok(scenario.clone()));
            }
        }
    }

    #[test]
    fn every_choice_is_understood() {
        for (path, choices) in [
            ("inference_draw", &INFERENCE_DRAWS[..]),
            ("cost_normalization", &COST_NORMALIZATIONS),
            ("score_normalization.x", &SCORE_NORMALIZATIONS),
        ] {
            for (value, _) in choices {
                assert!(Scenario::default().with(path, value).is_ok(), "{path} {value}");
            }
        }
        assert_eq!(words(&TASK_KINDS, "qa"), "question answering");
    }

    #[test]
    fn what_is_typed_is_checked_in_words() {
        let error = |text| parse(&EVALUATORS_PER_ROUND, 5.0, text).expect_err("must be refused");
        assert_eq!(parse(&EVALUATORS_PER_ROUND, 5.0, " 3 "), Ok(3.0));
        assert_eq!(error("7"), "7 is out of range; allowed: 1 to 5");
        assert_eq!(error(""), "nothing is filled in; allowed: 1 to 5");
        assert_eq!(error("x"), "“x” is no number; allowed: 1 to 5");
        assert_eq!(error("2.5"), "2.5 is not whole; allowed: whole numbers from 1 to 5");
        assert_eq!(error("NaN"), "“NaN” is no number; allowed: 1 to 5");
        assert!(parse(&ROUNDS, 1e9, "0").expect_err("too few").ends_with("allowed: 1 to 1,000,000,000"));
    }
}
