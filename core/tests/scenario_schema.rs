//! `static/scenario.schema.json` says what the code does: the same fields, defaults and bounds.

use poq_core::attack::Attack;
use poq_core::consensus::Consensus;
use poq_core::limits::{self, Bounds};
use poq_core::preset::PRESETS;
use poq_core::reward::{Money, Staking};
use poq_core::scenario::{Group, InferenceDraw};
use poq_core::{Scenario, attack};
use serde_json::{Value, json};

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../static/scenario.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect(path)).expect("JSON")
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// A number's field: type, bounds, default, and the word for what the papers leave open.
#[track_caller]
fn is_number(field: &Value, default: f64, bounds: Bounds) {
    assert_eq!(field["default"].as_f64(), Some(default), "{field}");
    assert_eq!((field["minimum"].as_f64(), field["maximum"].as_f64()), (Some(bounds.min), Some(bounds.max)), "{field}");
    assert!(field["description"].as_str().is_some_and(|words| words.starts_with("Assumed: ")), "{field}");
}

#[test]
fn the_scenarios_own_fields() {
    let (schema, default) = (schema(), json!(Scenario::default()));
    let properties = &schema["properties"];
    assert_eq!(keys(properties), keys(&default));
    for (name, field) in properties.as_object().expect("an object") {
        if let Some(value) = field.get("default") {
            assert_eq!(value, &default[name], "{name}");
        }
        let is_known = ["preset", "rounds", "seed", "assertions"].contains(&name.as_str());
        let words = field["description"].as_str().expect("a description");
        assert_eq!(words.starts_with("Assumed: "), !is_known, "{name}");
    }
    let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    assert_eq!(properties["preset"]["enum"], json!(names));
    for (name, bounds) in [("rounds", limits::ROUNDS), ("seed", limits::SEED)] {
        let field = &properties[name];
        assert_eq!((field["minimum"].as_f64(), field["maximum"].as_f64()), (Some(bounds.min), Some(bounds.max)));
    }
    is_number(&properties["evaluators_per_round"], 3.0, limits::EVALUATORS_PER_ROUND);
    assert_eq!(keys(&properties["reward"]["properties"]), keys(&default["reward"]));
    for (name, value) in default["reward"].as_object().expect("an object") {
        is_number(&properties["reward"]["properties"][name], value.as_f64().expect("a number"), limits::REWARD_WEIGHT);
    }
    let money = &properties["money"]["properties"];
    let default = Money::default();
    is_number(&money["price_per_round"], default.price_per_round, limits::PRICE_PER_ROUND);
    is_number(&money["cost_per_second"], default.cost_per_second, limits::COST_PER_SECOND);
    assert_eq!(properties["attacks"]["maxItems"], limits::ATTACKS);
    let staking = &properties["staking"]["properties"];
    let default = Staking::default();
    is_number(&staking["slash_distance"], default.slash_distance, limits::SCORE);
    is_number(&staking["slash_share"], default.slash_share, limits::SHARE);
    is_number(&staking["min_stake"], default.min_stake, limits::STAKE);
    let draws = &properties["inference_draw"]["oneOf"];
    assert_eq!(draws[0]["enum"], json!(InferenceDraw::RULES));
    let InferenceDraw::Softmax { temperature, prior } = serde_json::from_value(json!("softmax")).expect("a draw")
    else {
        panic!("not softmax");
    };
    is_number(&draws[2]["properties"]["temperature"], temperature, limits::TEMPERATURE);
    is_number(&draws[2]["properties"]["prior"], prior, limits::REWARD);
    for (name, words) in
        [("inference_draw", &draws[0]["enum"]), ("cost_normalization", &properties["cost_normalization"]["enum"])]
    {
        for word in words.as_array().expect("words") {
            assert!(Scenario::default().with(name, word.as_str().expect("a word")).is_ok(), "{name} {word}");
        }
    }
}

#[test]
fn groups_of_nodes() {
    let schema = schema();
    let fields = &schema["$defs"]["group"]["properties"];
    let group: Group = serde_json::from_value(json!({"model": "a"})).expect("valid");
    assert_eq!(keys(fields), keys(&json!(group)));
    is_number(&fields["latency_factor"], group.latency_factor, limits::LATENCY_FACTOR);
    is_number(&fields["score_noise_sd"], group.score_noise_sd, limits::SCORE_NOISE_SD);
    is_number(&fields["stake"], group.stake, limits::STAKE);
    assert_eq!(fields["count"]["maximum"].as_f64(), Some(limits::GROUP_COUNT.max));
}

/// The branch of a `oneOf` whose tag is `name`.
fn branch<'a>(branches: &'a Value, tag: &str, name: &str) -> &'a Value {
    let mut branches = branches["oneOf"].as_array().expect("branches").iter();
    branches.find(|branch| branch["properties"][tag]["const"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn every_rule_with_its_parameters() {
    let schema = schema();
    let rules = &schema["properties"]["consensus"];
    assert_eq!(rules["oneOf"].as_array().map(Vec::len), Some(Consensus::RULES.len()));
    for name in Consensus::RULES {
        let fields = &branch(rules, "rule", name)["properties"];
        let rule: Consensus = serde_json::from_value(json!({"rule": name})).expect("a rule");
        assert_eq!(keys(fields).len(), 1 + rule.parameters().len());
        for (parameter, default, bounds) in rule.parameters() {
            is_number(&fields[parameter], default, bounds);
        }
    }
}

#[test]
fn every_attack_with_its_parameters() {
    let schema = schema();
    let kinds = &schema["$defs"]["attack_kind"];
    assert_eq!(kinds["oneOf"].as_array().map(Vec::len), Some(attack::Kind::NAMES.len()));
    for name in attack::Kind::NAMES {
        let branch = branch(kinds, "kind", name);
        let mut value = json!({"nodes": ["a"], "kind": name});
        for field in branch["required"].as_array().expect("a list").iter().filter_map(Value::as_str) {
            match field {
                "own" => value["own"] = json!(["a"]),
                "to" => value["to"] = json!("a"),
                "attack" => value["attack"] = json!({"kind": "copycat"}),
                _ => {}
            }
        }
        let attack: Attack = serde_json::from_value(value).expect("valid");
        for (parameter, default, bounds) in attack.kind.parameters() {
            is_number(&branch["properties"][parameter], default, bounds);
        }
        let written = json!(attack);
        let fields: Vec<&str> = keys(&written).into_iter().filter(|&field| field != "nodes").collect();
        assert_eq!(keys(&branch["properties"]), fields, "{name}");
    }
}
