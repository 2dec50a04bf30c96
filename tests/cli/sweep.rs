//! `poq sweep`.

use crate::support::poq;

const COLUMNS_AFTER_AXES: usize = 16;

#[test]
fn a_grid_has_a_row_for_each_node_of_each_cell_and_the_figures_of_single_runs() {
    let sweep = poq(
        &["sweep", "--rounds", "300", "--vary", "reward.beta_inference=0:1:3", "--vary", "consensus.rule=mean,median"],
        "",
    );
    let out = &sweep.succeeds().out;
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 1 + 3 * 2 * 14);
    assert_eq!(lines[0][..4], ["reward.beta_inference", "consensus.rule", "role", "id"]);
    assert!(lines.iter().all(|line| line.len() == 2 + COLUMNS_AFTER_AXES));
    // The last axis moves fastest.
    assert_eq!((lines[1][0], lines[1][1], lines[15][0], lines[15][1]), ("0", "mean", "0", "median"));
    let single = poq(
        &[
            "simulate",
            "--rounds",
            "300",
            "--set",
            "reward.beta_inference=0.5",
            "--set",
            "consensus.rule=median",
            "--json",
        ],
        "",
    )
    .json();
    let rows = || lines.iter().filter(|line| line[0] == "0.5" && line[1] == "median");
    assert_eq!(rows().count(), 14);
    for row in rows() {
        let list = if row[2] == "inference" { "inference_nodes" } else { "evaluator_nodes" };
        let nodes = single[list].as_array().expect("a list");
        let node = nodes.iter().find(|node| node["id"] == row[3]).expect("the node");
        assert_eq!(row[5].parse::<f64>().ok(), node["reward_mean"].as_f64(), "{row:?}");
        assert_eq!(row[16].parse::<f64>().ok(), single["mechanism"]["pearson_consensus_truth"].as_f64());
    }
}

#[test]
fn cells_come_as_json_with_attackers() {
    let attacks = r#"attacks=[[], [{"nodes": ["chrf"], "kind": "boost"}]]"#;
    let cells = poq(&["sweep", "--rounds", "200", "--vary", attacks, "--json"], "").json();
    let cells = cells.as_array().expect("a list");
    assert_eq!(cells.len(), 2);
    assert_eq!(cells[0]["set"]["attacks"], serde_json::json!([]));
    assert_eq!(cells[1]["attackers"][0]["id"], "chrf");
    assert!(cells[1]["attackers"][0]["gain_mean"].is_number());
    assert!(cells[1]["inference_nodes"][0].get("ci95_prompts").is_none());
}

#[test]
fn what_cannot_be_varied_is_refused() {
    let fails = |vary: &[&str], parts: &[&str]| {
        let arguments: Vec<&str> = ["sweep", "--dataset", "poq-lab-1"]
            .into_iter()
            .chain(vary.iter().flat_map(|axis| ["--vary", axis]))
            .collect();
        poq(&arguments, "").fails(2, parts);
    };
    fails(&[], &["--vary"]);
    fails(&["seed"], &["`seed`", "allowed: path=from:to:steps"]);
    fails(&["nothing=1,2"], &["nothing"]);
    fails(&["evaluators_per_round=4:6:3"], &["evaluators_per_round=6", "allowed: 1 to 5"]);
    fails(
        &["rounds=1:1000:1000", "seed=1:1000:1000", "reward.beta_inference=0:1:1000"],
        &["1000000000 cells", "allowed: up to 1000000"],
    );
    fails(&["seed=1,2", "seed=3,4"], &["`seed`", "varied twice"]);
}
