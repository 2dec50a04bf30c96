//! `poq check`.

use crate::support::{poq, write};

const SCENARIO: &str = r#"{"rounds": 2000, "attacks": [{"nodes": ["chrf"], "kind": "sabotage", "by": 4}], "assertions": [
    "reward.mean[\"qwen2.5-0.5b\"] != reward.mean[\"smollm2-135m\"]",
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
    fails("reward.mean[\"nobody\"] > 0", &["assertions.0", "nobody", "smollm2-135m"]);
    fails("reward.p95[\"nobody\"] > 0", &["assertions.0", "nobody", "chrf"]);
    fails("reward.mean[", &["assertions.0", "Syntax error"]);
    fails("rewards.mean.chrf > 0", &["assertions.0", "rewards", "allowed: reward, gain"]);
    fails("\"a\" * cost.chrf > 1", &["assertions.0"]);
    fails("gain.mean.chrf > 0.0", &["assertions.0", "`gain` has no figures in this run"]);
    fails("1 + 1", &["assertions.0", "true or false"]);
    fails(" ", &["assertions.0"]);
    poq(&["check"], "").fails(2, &["nothing to check"]);
    poq(&["check", "-"], r#"{"assertions": "reward.mean.chrf > 0"}"#).fails(2, &["assertions"]);
}

/// An assertion that cannot be evaluated hides nothing of the others.
#[test]
fn junit_holds_what_could_be_evaluated_and_an_error_for_the_rest() {
    let both = ["reward.mean.chrf > 0", "reward.mean[\"nobody\"] > 0"];
    let check = |assertions: &[&str]| {
        let options = assertions.iter().flat_map(|&assertion| ["--assert", assertion]);
        poq(&["check", "--rounds", "200"].into_iter().chain(options).collect::<Vec<_>>(), "")
    };
    let ran = check(&both);
    ran.fails(
        2,
        &["holds    reward.mean.chrf", "ERROR    reward.mean[\"nobody\"]", "assertions.1", "1 of 2 assertions hold"],
    );
    for part in [r#"tests="2""#, r#"failures="0""#, r#"errors="1""#, "<error", "nobody"] {
        assert!(ran.out.contains(part), "no {part} in: {}", ran.out);
    }
    // A syntax error, a type error, and one that does not hold: all told, and bad input is what is said in the end.
    let ran = check(&["reward.mean[", "1 + 1", "cost.chrf + 'a' > 1", "reward.mean.chrf > 5", "cost.chrf >= 0"]);
    ran.fails(
        2,
        &["assertions.0", "assertions.1", "assertions.2", "does NOT reward.mean.chrf", "1 of 5 assertions hold"],
    );
    assert!(ran.out.contains(r#"errors="3""#) && ran.out.contains(r#"failures="1""#), "{}", ran.out);
    assert_eq!(ran.out.matches("<testcase").count(), 5);
}

#[test]
fn whole_numbers_go_with_figures() {
    let assertions = ["reward.mean.chrf > 0", "2 * cost.chrf <= 2", "1 - cost.chrf >= 0", "rounds.chrf >= 1"];
    let options = assertions.iter().flat_map(|&assertion| ["--assert", assertion]);
    poq(&["check", "--rounds", "200"].into_iter().chain(options).collect::<Vec<_>>(), "").succeeds();
}

#[test]
fn quantiles_of_any_name_are_kept() {
    let network = r#"{"rounds": 300, "network": {"evaluators": [{"model": "chrf", "count": 2}, {"model": "rouge-l"}]},
        "assertions": ["reward.p05['chrf' + '#1'] <= reward.p95[\"chrf#\" + \"1\"]",
                       "['chrf#1', 'chrf#2', 'rouge-l'].all(id, reward.p05[id] <= reward.p95[id])"]}"#;
    poq(&["check", "-"], network).succeeds();
    poq(&["check", "--assert", "reward.p05['no' + 'body'] > 0"], "").fails(2, &["assertions.0", "nobody"]);
}

#[test]
fn what_xml_cannot_hold_is_left_out_of_it() {
    let ran = poq(&["check", "--rounds", "50", "--assert", "reward.mean.chrf > 0 || 'a\u{1}\u{b}<&' == ''"], "");
    let out = &ran.succeeds().out;
    assert!(!out.contains('\u{1}') && !out.contains('\u{b}') && out.contains("&lt;&amp;"), "{out}");
    assert!(!ran.err.contains('\u{1}') && ran.err.contains("\\u0001"), "{}", ran.err);
}
