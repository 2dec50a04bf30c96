//! Manifests of schema 2: what nodes and evaluators are stands in them, and a judge need not have rated every answer.

use crate::common::Files;
use poq_core::dataset::{AddedEvaluator, Dataset, DatasetFiles, EvaluatorEntry, RecordedScore};
use poq_core::score::ScoreNormalization;
use poq_core::{Scenario, simulate, stats};
use serde_json::{Value, json};

/// Of twelve tasks, four nodes and five evaluators; `e1` is a judge, which rated every answer but those at `unrated`.
fn judged(unrated: &[(usize, usize)]) -> Files {
    let mut files = Files::made_up(12, 4, 5);
    files.manifest["schema"] = json!(2);
    files.manifest["evaluators"][1]["kind"] = json!("judge");
    let rows = files.scores.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let rows = rows.map(|line| serde_json::from_slice::<Value>(line).expect("JSON"));
    let is_unrated = |row: &Value| {
        let is_at =
            |&(task, node): &(usize, usize)| row["task"] == format!("t{task}") && row["node"] == format!("n{node}");
        row["evaluator"] == "e1" && unrated.iter().any(is_at)
    };
    let rows = rows.map(|mut row| {
        if is_unrated(&row) {
            (row["raw"], row["reply"]) = (Value::Null, json!("As a"));
        }
        row.to_string() + "\n"
    });
    files.scores = rows.collect::<String>().into_bytes();
    files.seal();
    files
}

#[test]
fn what_a_judge_did_not_rate_is_counted_and_left_out() {
    let unrated = [(0, 1), (7, 3)];
    let dataset = judged(&unrated).read().expect("valid");
    assert_eq!((dataset.unrated(1), dataset.unrated(0)), (2, 0));
    assert!(dataset.score(0, 1, 1).raw.is_nan() && dataset.score(0, 2, 1).raw.is_finite());
    let (least, most) = dataset.raw_range(1);
    assert!(least.is_finite() && most.is_finite());
    let notices = dataset.notices();
    assert!(notices.iter().any(|line| line.starts_with("e1: 2 of its 48 replies were no number")), "{notices:?}");

    // Each answer by the same rule, so that the report's figures follow from the rows.
    let scenario = Scenario::from_json(r#"{"rounds": 400, "inference_draw": "all", "evaluators_per_round": 4}"#);
    let scenario = scenario.expect("valid");
    let report = simulate(&dataset, &scenario, 3, 400).expect("fits");
    let answers = || (0..12).flat_map(|task| (0..4).map(move |node| (task, node))).filter(|at| !unrated.contains(at));
    let of =
        |evaluator: usize| answers().map(|(task, node)| dataset.score(task, node, evaluator).raw).collect::<Vec<_>>();
    for (audit, evaluator) in report.evaluator_audit.iter().zip([0, 2, 3, 4]) {
        let expected = stats::pearson(&of(evaluator), &of(1)).expect("varies");
        assert!((audit.pearson_judge.expect("varies") - expected).abs() < 1e-12, "{audit:?}");
    }
    assert!(report.mechanism.pearson_consensus_judge.is_some_and(f64::is_finite));
    let judge = poq_core::report::judge_audit(&dataset, &scenario).expect("fits");
    let truth = answers().map(|(task, node)| dataset.truth(task, node)).collect::<Vec<_>>();
    let expected = stats::pearson(&of(1), &truth).expect("varies");
    assert!((judge[0].pearson_truth.expect("varies") - expected).abs() < 1e-12, "{judge:?}");
    assert!(judge.iter().all(|audit| audit.id == "e1"), "{judge:?}");
}

#[test]
fn a_judge_that_rated_nothing_has_no_figures() {
    let all: Vec<(usize, usize)> = (0..12).flat_map(|task| (0..4).map(move |node| (task, node))).collect();
    let dataset = judged(&all).read().expect("valid");
    let report = simulate(&dataset, &Scenario::default(), 3, 200).expect("fits");
    assert_eq!(report.mechanism.pearson_consensus_judge, None);
    assert!(report.evaluator_audit.iter().all(|audit| audit.pearson_judge.is_none() && audit.pearson_truth.is_some()));
}

/// Replies keep their places when another evaluator's scores stand between them.
#[test]
fn what_a_judge_replied_is_written_with_the_others() {
    let files = judged(&[(0, 1), (7, 3)]);
    let dataset = files.read().expect("valid");
    let score = RecordedScore { raw: 0.5, latency_ms: 1.0 };
    let entry = EvaluatorEntry {
        id: "here".to_owned(),
        name: "Here".to_owned(),
        kind: "chrf".to_owned(),
        normalization: ScoreNormalization::Unit,
        model: None,
        spec: serde_json::from_value(json!({"kind": "chrf"})).ok(),
    };
    let added =
        AddedEvaluator { dataset: dataset.hash.clone(), entry, hardware: "h".to_owned(), scores: vec![score; 48] };
    let extended = dataset.with_evaluator(&added).expect("fits");
    assert_eq!(extended.unrated(1), 2);
    assert!(extended.score(7, 3, 1).raw.is_nan() && extended.score(7, 3, 5) == score);
    let (manifest, scores) = (extended.manifest.to_json(), extended.scores_jsonl());
    assert!(manifest.contains(r#""spec""#) && scores.contains(r#""raw":null,"reply":"As a""#));
    let (tasks, outputs) = (&files.tasks, &files.outputs);
    let again = DatasetFiles { manifest: manifest.as_bytes(), tasks, outputs, scores: scores.as_bytes() };
    assert_eq!(Dataset::from_files(again).as_ref(), Ok(&extended));
}

#[test]
fn only_a_judge_of_schema_2_may_have_no_number() {
    let refused = |change: &dyn Fn(&mut Files)| {
        let mut files = judged(&[(0, 1)]);
        change(&mut files);
        files.seal();
        files.read().expect_err("must be refused").to_string()
    };
    let replace = |files: &mut Files, from: &str, to: &str| {
        let text = String::from_utf8(files.scores.clone()).expect("UTF-8");
        assert!(text.contains(from), "no {from}");
        files.scores = text.replacen(from, to, 1).into_bytes();
    };
    let schema_1 = refused(&|files| files.manifest["schema"] = json!(1));
    assert!(schema_1.contains("scores.jsonl row 7: field `raw`: null; allowed: a finite number"), "{schema_1}");
    let takes_part = refused(&|files| files.manifest["evaluators"][1]["kind"] = json!("llm_judge"));
    assert!(takes_part.contains("field `raw`: null"), "{takes_part}");
    let both = refused(&|files| replace(files, r#""raw":null"#, r#""raw":1.0"#));
    assert!(both.contains("field `reply`"), "{both}");
    let absent = refused(&|files| replace(files, r#""raw":null,"#, ""));
    assert!(absent.contains("missing field `raw`"), "{absent}");
}

/// Twelve tasks, four nodes and five evaluators; `n1` and `n3` are in no network that does not name them.
fn with_baselines(schema: u32) -> Files {
    let mut files = Files::made_up(12, 4, 5);
    files.manifest["schema"] = json!(schema);
    for node in [1, 3] {
        files.manifest["inference_nodes"][node]["in_default_network"] = json!(false);
    }
    files.seal();
    files
}

#[test]
fn a_node_that_stays_out_of_the_default_network_takes_part_where_it_is_named() {
    let dataset = with_baselines(2).read().expect("valid");
    let ids = |scenario: &str| {
        let scenario = Scenario::from_json(scenario).expect("valid");
        let report = simulate(&dataset, &scenario, 3, 100)?;
        Ok::<Vec<String>, poq_core::scenario::ScenarioError>(
            report.inference_nodes.into_iter().map(|node| node.id).collect(),
        )
    };
    assert_eq!(ids("{}"), Ok(vec!["n0".to_owned(), "n2".to_owned()]));
    let named = r#"{"network": {"inference": [{"model": "n3", "count": 2}, {"model": "n0"}]}}"#;
    assert_eq!(ids(named), Ok(vec!["n3#1".to_owned(), "n3#2".to_owned(), "n0".to_owned()]));
    let unknown = ids(r#"{"network": {"inference": [{"model": "n9"}]}}"#).expect_err("must be refused");
    assert!(unknown.message.contains("allowed: n0, n1, n2, n3"), "{unknown}");
    // Evaluators are audited on every recorded answer.
    let all = Files::made_up(12, 4, 5).read().expect("valid");
    let audit = |dataset: &Dataset| simulate(dataset, &Scenario::default(), 3, 100).expect("fits").evaluator_audit;
    assert_eq!(audit(&dataset), audit(&all));
}

#[test]
fn the_default_network_has_a_node_and_came_with_schema_2() {
    let refused = |files: Files| files.read().expect_err("must be refused").to_string();
    assert!(refused(with_baselines(1)).contains("`n1`: field `in_default_network`: schema 1 has none"));
    let mut none = with_baselines(2);
    for node in [0, 2] {
        none.manifest["inference_nodes"][node]["in_default_network"] = json!(false);
    }
    none.seal();
    assert!(refused(none).contains("`in_default_network`: no inference node has it true"));
}
