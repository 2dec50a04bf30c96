//! `poq check`.

use crate::support::{poq, write};

const SCENARIO: &str = r#"{"rounds": 2000, "attacks": [{"nodes": ["chrf"], "kind": "sabotage", "by": 4}], "assertions": [
    "reward.mean[\"lead-sentence\"] > reward.mean[\"smollm2-greedy\"]",
    "gain.high['chrf'] < 0",
    "reward.p05[\"rouge-l\"] <= reward.p50[\"rouge-l\"] && reward.p50[\"rouge-l\"] <= reward.p95[\"rouge-l\"]"
]}"#;

#[test]
fn assertions_that_hold_pass() {
    let ran = poq(&["check", "-"], SCENARIO);
    let out = &ran.succeeds().out;
    assert!(out.starts_with("<?xml") && out.contains(r#"tests="3""#) && out.contains(r#"failures="0""#), "{out}");
    assert!(ran.err.contains("3 of 3 assertions hold"), "{}", ran.err);
    // What is checked is the run that `simulate` makes.
    let report = poq(&["simulate", "-", "--json"], SCENARIO).json();
    assert!(out.contains(report["digest"].as_str().expect("a digest")));
}

#[test]
fn an_assertion_that_does_not_hold_is_named_with_its_values() {
    let report = poq(&["simulate", "-", "--json"], SCENARIO).json();
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "s.json", SCENARIO);
    let ran = poq(&["check", &file, "--assert", "reward.mean[\"chrf\"] > reward.p95[\"chrf\"]"], "");
    ran.fails(100, &["1 of 4 assertions do not hold"]);
    assert!(ran.out.contains(r#"failures="1""#), "{}", ran.out);
    let nodes = report["evaluator_nodes"].as_array().expect("a list");
    let chrf = nodes.iter().find(|node| node["id"] == "chrf").expect("a node");
    let mean = chrf["reward_mean"].as_f64().expect("a mean");
    assert!(ran.out.contains(&format!("reward.mean[&quot;chrf&quot;] = {mean:.6}")), "{}", ran.out);
}

/// Quantiles are those of the rewards themselves: without cost, K = 1 pays every evaluator exactly 1.
#[test]
fn quantiles_and_names_of_several_nodes() {
    let one = r#"{"rounds": 500, "evaluators_per_round": 1, "reward": {"beta_evaluator": 0}, "network": {
        "evaluators": [{"model": "chrf", "count": 3}, {"model": "rouge-l"}]}, "attacks": [{"nodes": ["chrf#2"], "kind": "boost"}],
        "assertions": ["reward.p01.chrf == 1.0 && reward.p99['chrf#2'] == 1", "reward.mean.attackers == 1.0",
                       "rounds['chrf#1'] + rounds['chrf#2'] + rounds['chrf#3'] + rounds['rouge-l'] == 500.0",
                       "reward.p95['evaluator:honest'] == 1.0 && reward.p25.honest < 1.0"]}"#;
    poq(&["check", "-"], one).succeeds();
}

#[test]
fn what_cannot_be_checked_is_bad_input() {
    let fails = |assertion: &str, parts: &[&str]| poq(&["check", "--assert", assertion], "").fails(2, parts);
    fails("reward.mean[\"nobody\"] > 0", &["assertions.0", "nobody", "smollm2-greedy"]);
    fails("reward.p95[\"nobody\"] > 0", &["assertions.0", "nobody", "chrf"]);
    fails("reward.mean[", &["assertions.0", "Syntax error"]);
    fails("rewards.mean.chrf > 0", &["assertions.0", "rewards", "allowed: reward, gain"]);
    fails("2 * cost.chrf > 1", &["assertions.0", "2.0"]);
    fails("1 + 1", &["assertions.0", "true or false"]);
    fails(" ", &["assertions.0"]);
    poq(&["check"], "").fails(2, &["nothing to check"]);
    poq(&["check", "-"], r#"{"assertions": "reward.mean.chrf > 0"}"#).fails(2, &["assertions"]);
}
