//! `poq compare`, `poq audit`, `poq search`, `poq sensitivity` and `poq reproduce`, and networks of many nodes.

use serde_json::Value;

use crate::support::poq;

fn mean(report: &Value, list: &str, id: &str) -> f64 {
    let nodes = report[list].as_array().expect("a list");
    nodes.iter().find(|node| node["id"] == id).and_then(|node| node["reward_mean"].as_f64()).expect("a mean")
}

#[test]
fn two_mechanisms_are_compared_node_by_node() {
    let shared = ["--rounds", "1500", "--seed", "5"];
    let compared = poq(&[&["compare", "--change", "consensus.rule=median", "--json"], &shared[..]].concat(), "").json();
    let a = poq(&[&["simulate", "--json"], &shared[..]].concat(), "").json();
    let b = poq(&[&["simulate", "--json", "--set", "consensus.rule=median"], &shared[..]].concat(), "").json();
    let nodes = compared["nodes"].as_array().expect("a list");
    assert_eq!((nodes.len(), &compared["rounds_in_step"]), (14, &Value::from(1500)));
    for node in nodes {
        let list = format!("{}_nodes", node["role"].as_str().expect("a role"));
        let id = node["id"].as_str().expect("an id");
        let difference = mean(&b, &list, id) - mean(&a, &list, id);
        assert!((node["difference"].as_f64().expect("a number") - difference).abs() < 1e-12);
    }
    let table = poq(&["compare", "--change", "evaluators_per_round=2", "--rounds", "500"], "");
    assert!(table.succeeds().out.contains("B pays") && table.out.contains("settled"), "{}", table.out);
    poq(&["compare"], "").fails(2, &["A and B are the same", "--change"]);
    poq(&["compare", "--change", "seed=3"], "").fails(2, &["`seed`", "3 in B"]);
    poq(&["compare", "--change", "consensus.rule=magic"], "").fails(2, &["consensus", "magic"]);
}

#[test]
fn evaluators_are_audited_and_left_out_one_by_one() {
    let audit = poq(&["audit", "--rounds", "800", "--json"], "").json();
    let tracks = audit["evaluators"].as_array().expect("a list");
    let results = audit["without"].as_array().expect("a list");
    let with = poq(&["simulate", "--rounds", "800", "--json"], "").json();
    assert_eq!(results.len(), with["evaluator_nodes"].as_array().map_or(0, Vec::len));
    for of in with["evaluator_audit"].as_array().expect("a list") {
        let all = tracks.iter().find(|track| track["evaluator"] == of["id"] && track["task_kind"].is_null());
        assert_eq!(all.expect("a track")["pearson_truth"], of["pearson_truth"]);
    }
    let result = &results[0];
    let left = poq(&["simulate", "-", "--json"], &result["leaving"]["scenario"].to_string()).json();
    assert_eq!(left["evaluator_nodes"].as_array().map(Vec::len), Some(results.len() - 1));
    for (side, report) in [("with", &with), ("without", &left)] {
        assert_eq!(result["outcome"]["pearson_truth"][side], report["mechanism"]["pearson_consensus_truth"]);
    }
    let text = poq(&["audit", "--rounds", "300"], "");
    // Whatever is told of several evaluators is told at once.
    for result in results {
        let (effect, p) = (&result["outcome"]["effect"], result["outcome"]["p_holm"].as_f64());
        assert_eq!(effect == "better" || effect == "worse", p.is_some_and(|p| p <= 0.05), "{effect} {p:?}");
    }
    for track in tracks {
        let is_sure = track["p_holm_truth"].as_f64().is_some_and(|p| p <= 0.05);
        assert_eq!(is_sure, track["sign_truth"] == "follows" || track["sign_truth"] == "inverted", "{track}");
    }
    let judge = &audit["judge"];
    assert_eq!((&judge[0]["id"], &judge[0]["task_kind"]), (&"qwen2.5-1.5b-judge".into(), &Value::Null));
    let r = judge[0]["pearson_truth"].as_f64().expect("a number");
    let told = format!("The judge, qwen2.5-1.5b-judge, takes no part. Its own r with truth, 95% prompts: all {r:.3}");
    assert!(text.succeeds().out.contains(&told), "no {told} in: {}", text.out);
    for words in ["r with judge", "Without ", " in place of ", "95% draws", "at once (Holm, 5% in all)"] {
        assert!(text.succeeds().out.contains(words), "no {words} in: {}", text.out);
    }
    let only = r#"{"rounds": 50, "network": {"evaluators": [{"model": "chrf", "count": 3}]}}"#;
    assert!(poq(&["audit", "-"], only).succeeds().out.contains("no other evaluator takes part"));
    poq(&["audit", "--set", "evaluators_per_round=99"], "").fails(2, &["evaluators_per_round", "allowed"]);
}

#[test]
fn a_search_finds_an_attack_and_the_scenario_shows_it() {
    let on = ["search", "--dataset", "poq-lab-1", "--replicates", "3"];
    let arguments = [&on[..], &["--budget", "1", "--rounds", "500", "--screening-rounds", "200"]].concat();
    let findings = poq(&[&arguments[..], &["--json"]].concat(), "").json();
    let best = &findings[0];
    assert_eq!((best["aim"].as_str(), best["verdict"].as_str()), (Some("attackers"), Some("pays")));
    let shown = poq(&["simulate", "-", "--json"], &best["scenario"].to_string()).json();
    assert!(shown["attackers"][0]["gain_mean"].as_f64().is_some_and(|gain| gain > 0.0));
    assert_eq!((best["scope"]["sets"].as_u64(), best["scope"]["sets_possible"].as_u64()), (Some(5), Some(5)));
    let text = poq(&arguments, "");
    for words in ["shown by", "it pays beyond chance", "Tried: ", "all 5 sets of attackers", "Held fixed: "] {
        assert!(text.succeeds().out.contains(words), "no {words} in: {}", text.out);
    }
    let alone = [&on[..], &["--deviations", "--rounds", "300", "--screening-rounds", "100"]].concat();
    let deviations = poq(&[&alone[..], &["--json"]].concat(), "").json();
    let of_all = deviations.as_array().expect("a list");
    assert!(of_all.iter().any(|finding| finding["aim"] == "false_report" && finding["verdict"] == "pays"));
    assert!(poq(&alone, "").succeeds().out.contains("Honesty is no equilibrium"));
    poq(&[&on[..], &["--budget", "6"]].concat(), "").fails(2, &["`budget`", "6 of 5", "allowed: 1 to 5"]);
    poq(&["search"], "").fails(2, &["--budget"]);
}

#[test]
fn assumptions_are_ranked() {
    let of_a_node = ["--output", "reward_mean:inference:lead-sentence"];
    let arguments =
        [&["sensitivity", "--dataset", "poq-lab-1", "--rounds", "300", "--trajectories", "4"], &of_a_node[..]].concat();
    let ranking = poq(&[&arguments[..], &["--json"]].concat(), "").json();
    let effects = ranking["effects"].as_array().expect("a list");
    let sizes: Vec<f64> = effects.iter().filter_map(|effect| effect["size"].as_f64()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[0] > 0.0, "{sizes:?}");
    // What evaluators are paid cannot change what an inference node earns.
    let of = |path: &str| effects.iter().find(|effect| effect["path"] == path).expect("an effect")["mu_star"].as_f64();
    assert_eq!(of("reward.beta_evaluator"), Some(0.0));
    assert!(of("reward.alpha_inference") > Some(0.0));
    let k = effects.iter().find(|effect| effect["path"] == "evaluators_per_round").expect("an effect");
    assert_eq!(k["values"], serde_json::json!([1, 2, 3, 4, 5]));
    assert_eq!(ranking["replicates"], 4);
    let text = poq(&arguments, "");
    for words in ["beyond noise", "cannot be told from noise", "1, 2, 3, 4, 5", "unit, sigmoid, min_max, ten"] {
        assert!(text.succeeds().out.contains(words), "no {words} in: {}", text.out);
    }
    let few = [&arguments[..], &["--replicates", "1"]].concat();
    poq(&few, "").fails(2, &["`replicates`", "allowed: 2 to 100"]);
    poq(&["sensitivity", "--output", "magic"], "").fails(2, &["`output`", "magic", "allowed"]);
    poq(&["sensitivity", "--output", "reward_mean:inference:chrf"], "").fails(2, &["`output`", "smollm2-135m"]);
}

#[test]
fn the_paper_is_reproduced() {
    let reproduction = poq(&["reproduce", "--json"], "").json();
    let figures = reproduction["figures"].as_array().expect("a list");
    // What the data were made for is hit, and does not count as agreeing.
    let made = figures.iter().filter(|figure| figure["basis"] != "free");
    assert_eq!(made.clone().count(), 9);
    assert!(made.clone().all(|figure| figure["within"] == true && figure["agrees"].is_null()), "{figures:?}");
    assert!(figures.iter().all(|figure| figure["ci95"].is_array() && figure["reading"].is_string()), "{figures:?}");
    let run = poq(&["simulate", "--preset", "paper-2512.16317", "--json"], "").json();
    assert_eq!(run["digest"], reproduction["digest"]);
    assert_eq!(run["dataset"]["id"], "paper-2512.16317");
    assert!((mean(&run, "inference_nodes", "llama-3.2-3b") - 0.62).abs() < 0.02);
    assert!((mean(&run, "inference_nodes", "phi-3-mini") - 0.13).abs() < 0.02);
    let robust = reproduction["robust"].as_array().expect("a list");
    assert_eq!(
        robust.iter().map(|study| &study["dataset"]["id"]).collect::<Vec<_>>(),
        ["paper-2512.16317", "poq-lab-2"]
    );
    for study in robust {
        let findings = study["findings"].as_array().expect("a list");
        assert_eq!(findings.len(), 5);
        assert!(
            findings.iter().all(|finding| finding["verdict"].is_string() && finding["parts"][0]["what"].is_string())
        );
        assert!(study["cells"].as_array().is_some_and(|cells| cells.len() > 200));
    }
    // What the clip rule is known for shows on the fitted network.
    assert_eq!(robust[0]["findings"][4]["verdict"], "holds");
    let preset = poq(&["simulate", "--preset", "paper-2601.21189", "--rounds", "300", "--json"], "").json();
    assert_eq!(
        (preset["attackers"].as_array().map(Vec::len), &preset["dataset"]["id"]),
        (Some(9), &Value::from("paper-2512.16317"))
    );
    let text = poq(&["reproduce"], "");
    for words in [
        "near zero or negative",
        "our reading (assumed)",
        "Free: 2, of which agree: 1, differ: 1, cannot be told: 0.",
        "minilm-reference reads the reference, ce-relevance the prompt; minilm-prompt, a bi encoder",
        "It is put in by the fit.",
        "It rests on one model: without llama-3.2-3b",
        "2 of its 3 parts hold.",
        "arXiv 2512.16317",
        "arXiv 2601.21189",
    ] {
        assert!(text.succeeds().out.contains(words), "no {words}");
    }
}

#[test]
fn a_large_network_is_listed_in_groups() {
    let network = r#"{"rounds": 20000, "attacks": [{"nodes": {"share": 0.1}, "kind": "boost"}], "network": {
        "inference": [{"model": "lead-sentence", "count": 40000}, {"model": "keyword-span", "count": 10000}],
        "evaluators": [{"model": "chrf", "count": 30000}, {"model": "rouge-l", "count": 20000}]}}"#;
    let report = poq(&["simulate", "-", "--json"], network).json();
    let groups = report["evaluator_groups"].as_array().expect("a list");
    let names: Vec<&str> = groups.iter().filter_map(|group| group["id"].as_str()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.contains(&"chrf, boost") && names.contains(&"rouge-l"), "{names:?}");
    let instances: u64 = groups.iter().filter_map(|group| group["instances"].as_u64()).sum();
    assert_eq!((instances, report["evaluator_nodes"].as_array().map(Vec::len)), (50_000, Some(50_000)));
    assert_eq!(report["attackers"].as_array().map(Vec::len), Some(5000));
    let table = poq(&["simulate", "-"], network);
    assert!(table.succeeds().out.contains("chrf, boost x ") && table.out.lines().count() < 40, "{}", table.out);
    let beyond = r#"{"network": {"evaluators": [{"model": "chrf", "count": 100000}, {"model": "rouge-l"}]}}"#;
    poq(&["simulate", "-"], beyond).fails(2, &["network.evaluators", "100001 instances", "up to 100000"]);
}
