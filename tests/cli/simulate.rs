//! `poq simulate`.

use std::process::Stdio;

use crate::support::{command, poq, write};

#[test]
fn the_default_run_is_the_shipped_dataset_and_repeats() {
    let first = poq(&["simulate", "--json"], "").json();
    assert_eq!(first["rounds"], 5000);
    assert_eq!(first["scenario"]["evaluators_per_round"], 3);
    assert!(first["inference_nodes"].as_array().is_some_and(|nodes| nodes.len() == 4));
    assert!(first["evaluator_nodes"].as_array().is_some_and(|nodes| nodes.len() >= 5));
    let second = poq(&["simulate", "--json", "--preset", "default", "--seed", "42"], "").json();
    assert_eq!(first, second);
    let other = poq(&["simulate", "--json", "--seed", "43"], "").json();
    assert_ne!(first["digest"], other["digest"]);
    let table = poq(&["simulate"], "");
    assert!(table.succeeds().out.contains(first["digest"].as_str().expect("a digest")));
}

#[test]
fn a_scenario_file_and_settings_are_laid_over_the_preset() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "s.json", r#"{"rounds": 100, "reward": {"beta_inference": 0.2}}"#);
    let report =
        poq(&["simulate", &file, "--set", "reward.alpha_inference=0.7", "--set", "inference_draw=all", "--json"], "");
    let report = report.json();
    assert_eq!(report["rounds"], 100);
    assert_eq!(report["scenario"]["reward"]["alpha_inference"], 0.7);
    assert_eq!(report["scenario"]["reward"]["beta_inference"], 0.2);
    assert_eq!(report["scenario"]["inference_draw"], "all");
    assert_eq!(poq(&["simulate", "-", "--json"], r#"{"rounds": 7}"#).json()["rounds"], 7);
}

#[test]
fn bad_scenarios_name_the_field_and_what_is_allowed() {
    let set = |setting: &str, parts: &[&str]| poq(&["simulate", "--set", setting], "").fails(2, parts);
    set("rounds=0", &["`rounds`", "0", "allowed: 1 to"]);
    set("evaluators_per_round=99", &["`evaluators_per_round`", "99", "allowed: 1 to"]);
    set("evaluators_per_round=0", &["`evaluators_per_round`"]);
    set("reward.gamma=1", &["reward.gamma"]);
    set("reward.alpha_inference=-1", &["reward.alpha_inference", "allowed: 0 to"]);
    set(
        "reward={\"alpha_inference\":0,\"beta_inference\":0,\"alpha_evaluator\":0,\"beta_evaluator\":0}",
        &["all weights are 0"],
    );
    set("score_normalization.nobody=unit", &["score_normalization.nobody", "allowed"]);
    set("network.inference=[{\"model\":\"nobody\"}]", &["network.inference.0.model", "nobody", "allowed"]);
    set("task_kinds=[]", &["task_kinds"]);
    set("consensus.rule=magic", &["consensus", "magic"]);
    set("consensus.kappa=0.5", &["consensus", "unknown field `kappa`"]);
    set(
        "consensus={\"rule\":\"trimmed_mean\",\"trim_share\":0.5}",
        &["consensus.trim_share", "2 of K = 3", "leaves none"],
    );
    set("attacks=[{\"nodes\":{\"share\":2},\"kind\":\"boost\"}]", &["attacks.0.nodes.share", "2", "allowed: 0 to 1"]);
    set(
        "attacks=[{\"nodes\":[\"nobody\"],\"kind\":\"boost\"}]",
        &["attacks.0.nodes", "nobody", "allowed: minilm-reference"],
    );
    set("attacks=[{\"nodes\":[\"chrf\"],\"kind\":\"boast\"}]", &["attacks.0", "boast", "allowed: noise, boost"]);
    set("nothing", &["path=value"]);
    poq(&["simulate", "--preset", "nope"], "").fails(2, &["nope", "allowed: default"]);
    poq(&["simulate", "/no/such.json"], "").fails(2, &["/no/such.json"]);
    poq(&["simulate", "-"], "{").fails(2, &["not JSON"]);
    poq(&["simulate", "--dataset", "/no/such"], "").fails(2, &["/no/such", "no folder", "poq-lab-1"]);
    poq(&["simulate", "--dataset", "poq-lab-3"], "")
        .fails(2, &["poq-lab-3", "allowed: a folder, `poq-lab-2`", "did you mean"]);
}

/// Shipped datasets stand side by side, and one preset adds the nodes that run no model.
#[test]
fn a_shipped_dataset_is_named_by_its_id_and_baselines_are_added_by_a_preset() {
    let nodes = |arguments: &[&str]| -> (String, Vec<String>) {
        let report = poq(&[&["simulate", "--rounds", "200", "--json"], arguments].concat(), "").json();
        let ids = report["inference_nodes"].as_array().expect("a list").iter().map(|node| node["id"].as_str());
        (report["dataset"]["id"].as_str().expect("an id").to_owned(), ids.flatten().map(str::to_owned).collect())
    };
    let models = ["smollm2-135m", "gemma-3-270m", "qwen2.5-0.5b", "qwen2.5-1.5b"];
    let is = |(id, nodes): (String, Vec<String>), dataset: &str, wanted: &[&str]| {
        assert_eq!((id.as_str(), nodes.iter().map(String::as_str).collect::<Vec<_>>()), (dataset, wanted.to_vec()));
    };
    is(nodes(&[]), "poq-lab-2", &models);
    is(nodes(&["--dataset", "poq-lab-2", "--preset", "drift-under-clip"]), "poq-lab-2", &models);
    let six = [&models[..], &["lead-sentence", "keyword-span"]].concat();
    is(nodes(&["--preset", "free-riders"]), "poq-lab-2", &six);
    let named = ["--set", r#"network.inference=[{"model":"keyword-span"},{"model":"qwen2.5-0.5b"}]"#];
    is(nodes(&named), "poq-lab-2", &["keyword-span", "qwen2.5-0.5b"]);
    let (id, older) = nodes(&["--dataset", "poq-lab-1"]);
    assert_eq!((id.as_str(), older.len()), ("poq-lab-1", 5));
    poq(&["simulate", "--dataset", "poq-lab-1", "--preset", "free-riders"], "")
        .fails(2, &["network.inference", "unknown"]);
}

#[test]
fn rules_and_attacks_are_set_by_path() {
    let attacks =
        r#"attacks=[{"nodes":["chrf"],"kind":"boost"},{"nodes":["smollm2-135m"],"kind":"latency_misreport"}]"#;
    let arguments = ["simulate", "--set", "consensus.rule=median", "--set", attacks];
    let report = poq(&[&arguments[..], &["--json"]].concat(), "").json();
    assert_eq!(report["scenario"]["consensus"]["rule"], "median");
    let attackers = report["attackers"].as_array().expect("a list");
    assert_eq!(attackers.iter().map(|attacker| &attacker["id"]).collect::<Vec<_>>(), ["chrf", "smollm2-135m"]);
    let difference = |name: &str| attackers[0][name].as_f64().expect("a number");
    let gain = difference("reward_mean") - difference("honest_reward_mean");
    assert!((difference("gain_mean") - gain).abs() < 1e-9);
    let table = poq(&arguments, "");
    assert!(table.succeeds().out.contains("attacks.0 boost"), "{}", table.out);
}

#[test]
fn money_adds_profit() {
    let plain = poq(&["simulate"], "");
    assert!(!plain.succeeds().out.contains("profit"));
    let arguments = ["simulate", "--set", "money.price_per_round=0.02"];
    let table = poq(&arguments, "");
    assert!(table.succeeds().out.contains("profit") && table.out.contains("break-even"), "{}", table.out);
    let report = poq(&[&arguments[..], &["--json"]].concat(), "").json();
    assert_eq!(report["scenario"]["money"], serde_json::json!({"price_per_round": 0.02, "cost_per_second": 0.001}));
    assert!(report["inference_nodes"][0]["profit_mean"].is_number());
    poq(&["simulate", "--set", "money.price_per_round=0"], "")
        .fails(2, &["money.price_per_round", "0 is out of range"]);
}

#[test]
fn a_full_disk_is_a_fault_of_the_environment() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has /dev/full");
    let output = command(&["simulate"]).stdout(Stdio::from(full)).output().expect("poq ends");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}
