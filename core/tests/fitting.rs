//! What a dataset brings with it: a pool smaller than K, ids that instances would take, evaluators that never differ,
//! questions without an answer.

use poq_core::compare::Comparison;
use poq_core::link::{Link, View};
use poq_core::report::answer_audit;
use poq_core::sweep::Grid;
use poq_core::without::Audit;
use poq_core::{Dataset, Scenario, Simulation, simulate};
use serde_json::{Value, json};

use crate::common::Files;

fn scenario(json: &str) -> Scenario {
    Scenario::from_json(json).expect("valid")
}

fn dataset(evaluators: usize) -> Dataset {
    Files::made_up(4, 3, evaluators).read().expect("valid")
}

#[test]
fn a_k_that_nobody_set_is_as_large_as_the_pool_up_to_three() {
    let run = |evaluators: usize, json: &str| {
        let scenario = scenario(json);
        simulate(&dataset(evaluators), &scenario, scenario.seed, 50)
    };
    let k = |evaluators: usize, json: &str| run(evaluators, json).map(|report| report.scenario.evaluators_per_round);
    assert_eq!([1, 2, 3, 4].map(|pool| k(pool, "{}").expect("runs")), [1, 2, 3, 3]);
    assert_eq!(k(2, r#"{"evaluators_per_round": 2}"#), Ok(2));
    for set in [r#"{"evaluators_per_round": 3}"#, r#"{"evaluators_per_round": 4}"#] {
        let error = run(2, set).expect_err("was set").to_string();
        assert!(error.contains("`evaluators_per_round`") && error.contains("allowed: 1 to 2"), "{error}");
    }
    let set = Scenario::default().with("evaluators_per_round", "3").expect("valid");
    assert!(Simulation::new(&dataset(2), &set).is_err());
    assert!(Simulation::new(&dataset(2), &set.with("seed", "3").expect("valid")).is_err());
    // It is the run of a K of 2 that somebody set.
    let digest = |json: &str| run(2, json).expect("runs").digest;
    assert_eq!(digest("{}"), digest(r#"{"evaluators_per_round": 2}"#));
    // A network that is made small counts as a small pool does.
    let small = r#"{"network": {"evaluators": [{"model": "e0"}, {"model": "e3"}]}}"#;
    assert_eq!(k(4, small), Ok(2));
    // A preset's own K was set.
    let robust = Scenario::preset("paper-2601.21189").expect("a preset");
    assert!(
        Simulation::new(&dataset(2), &Scenario { network: Default::default(), attacks: vec![], ..robust }).is_err()
    );
}

#[test]
fn a_fitted_scenario_says_so_in_a_line() {
    let (fitted, line) = Scenario::default().fitted(&dataset(2)).expect("fits");
    assert_eq!(fitted.evaluators_per_round, 2);
    let line = line.expect("a line");
    assert!(line.contains("evaluators_per_round is 2") && line.contains("the pool has 2"), "{line}");
    assert_eq!(Scenario::default().fitted(&dataset(4)), Ok((Scenario::default(), None)));
    assert!(scenario(r#"{"evaluators_per_round": 3}"#).fitted(&dataset(2)).is_err());
}

#[test]
fn sweeps_comparisons_audits_and_links_fit_k_too() {
    let small = dataset(2);
    let base = scenario(r#"{"rounds": 60}"#);
    let grid = Grid::new(base.clone(), vec!["evaluators_per_round=1,2".parse().expect("an axis")]).expect("a grid");
    assert!(grid.run(&small, 0).is_ok() && grid.run(&small, 1).is_ok());
    let pools = r#"network.evaluators=[[{"model":"e0"}],[{"model":"e0"},{"model":"e1"}]]"#;
    let grid = Grid::new(base.clone(), vec![pools.parse().expect("an axis")]).expect("a grid");
    assert!(grid.run(&small, 0).is_ok() && grid.run(&small, 1).is_ok());
    let median = base.with("consensus.rule", "median").expect("valid");
    assert!(Comparison::new(&small, &base, &median).is_ok());
    let audit = Audit::new(&small, &base).expect("fits");
    assert_eq!(audit.leavings()[0].changes, ["evaluators_per_round is 1 in place of 2."]);
    // A link of the result holds the K that was run, and gives the digest anywhere.
    let report = simulate(&small, &base, base.seed, base.rounds).expect("runs");
    let link: Link = Link::of(&report, View::default()).to_string().parse().expect("a link");
    assert_eq!(link.scenario.evaluators_per_round, 2);
    let again = simulate(&small, &link.scenario, link.scenario.seed, link.scenario.rounds).expect("runs");
    assert_eq!(Some(again.digest), link.digest);
}

#[test]
fn an_id_that_an_instance_of_another_node_takes_is_refused() {
    let mut files = Files::made_up(2, 2, 2);
    let rename = |text: &[u8]| String::from_utf8_lossy(text).replace("\"n1\"", "\"n0#1\"").into_bytes();
    (files.outputs, files.scores) = (rename(&files.outputs), rename(&files.scores));
    files.manifest["inference_nodes"][1]["id"] = json!("n0#1");
    files.seal();
    let dataset = files.read().expect("valid");
    assert!(Simulation::new(&dataset, &Scenario::default()).is_ok());
    let groups = |groups: Value| scenario(&json!({"network": {"inference": groups}}).to_string());
    let two = groups(json!([{"model": "n0", "count": 2}, {"model": "n0#1"}]));
    let error = Simulation::new(&dataset, &two).expect_err("twice").to_string();
    assert!(error.contains("network.inference") && error.contains("`n0#1`"), "{error}");
    assert!(Simulation::new(&dataset, &groups(json!([{"model": "n0", "count": 2}]))).is_ok());
    assert!(Simulation::new(&dataset, &groups(json!([{"model": "n0"}, {"model": "n0#1"}]))).is_ok());
}

/// The made-up dataset with the raw value of each score put through `raw`, which gets its row.
fn with_raw(tasks: usize, raw: impl Fn(&Value) -> Option<f64>) -> Dataset {
    let mut files = Files::made_up(tasks, 3, 2);
    let former = String::from_utf8_lossy(&files.scores).into_owned();
    let rows = former.lines().map(|line| {
        let mut row: Value = serde_json::from_str(line).expect("a row");
        if let Some(raw) = raw(&row) {
            row["raw"] = json!(raw);
        }
        format!("{row}\n")
    });
    files.scores = rows.collect::<String>().into_bytes();
    files.seal();
    files.read().expect("valid")
}

/// Tasks t0, t2 and t4 are of one kind, t1 of the other.
#[test]
fn groups_that_part_a_context_are_named() {
    let notices = |groups: [&str; 6], context: &str| {
        let mut files = Files::made_up(6, 3, 2);
        let rows = String::from_utf8(files.tasks).expect("text");
        let rows = rows.lines().zip(groups).map(|(line, group)| {
            let mut row: Value = serde_json::from_str(line).expect("JSON");
            row["context"] = context.into();
            if !group.is_empty() {
                row["group"] = group.into();
            }
            format!("{row}\n")
        });
        files.tasks = rows.collect::<String>().into_bytes();
        files.seal();
        files.read().expect("valid").notices()
    };
    assert_eq!(notices([""; 6], "A passage."), Vec::<String>::new());
    assert_eq!(notices(["one", "two", "one", "two", "one", "two"], "A passage."), Vec::<String>::new());
    let lines = notices(["one", "", "", "", "one", ""], "A passage.");
    assert!(
        lines[0].starts_with("groups: the tasks of one context stand in several groups (such as t0 and t2)"),
        "{lines:?}"
    );
    let lines = notices(["one", "a", "two", "b", "one", "b"], "A passage.");
    assert!(lines[0].starts_with("groups: the tasks of 2 contexts"), "{lines:?}");
}

#[test]
fn an_evaluator_without_variance_is_named() {
    assert_eq!(dataset(2).notices(), Vec::<String>::new());
    let of = |row: &Value, evaluator: &str| row["evaluator"] == evaluator;
    let lines = with_raw(4, |row| of(row, "e1").then_some(0.0)).notices();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("e1: this evaluator never differs from 0 on all tasks (12 answers)"), "{lines:?}");
    // Any value, and both of them.
    let lines = with_raw(4, |row| Some(if of(row, "e0") { 0.25 } else { 1.0 })).notices();
    assert!(
        lines[0].contains("e0: this evaluator never differs from 0.25") && lines[1].contains("from 1 on"),
        "{lines:?}"
    );
    // On tasks of one kind: the made-up ones take turns.
    let is_qa = |row: &Value| row["task"] == "t0" || row["task"] == "t2";
    let lines = with_raw(4, |row| (of(row, "e0") && is_qa(row)).then_some(0.5)).notices();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("from 0.5 on tasks of kind qa (6 answers)"), "{lines:?}");
}

#[test]
fn unanswerable_questions_are_told_apart() {
    assert_eq!(answer_audit(&dataset(2), &Scenario::default()), Ok(Vec::new()));
    let mut files = Files::made_up(8, 3, 2);
    let rows: Vec<&str> = std::str::from_utf8(&files.tasks).expect("UTF-8").lines().collect();
    let changed = rows.iter().enumerate().map(|(task, row)| {
        let mut row: Value = serde_json::from_str(row).expect("a row");
        if task >= 4 {
            row["references"] = json!(["", " "]);
        }
        format!("{row}\n")
    });
    files.tasks = changed.collect::<String>().into_bytes();
    // One node says nothing.
    files.outputs = String::from_utf8_lossy(&files.outputs)
        .lines()
        .map(|line| {
            let mut row: Value = serde_json::from_str(line).expect("a row");
            if row["node"] == "n1" {
                row["text"] = json!("");
            }
            format!("{row}\n")
        })
        .collect::<String>()
        .into_bytes();
    files.seal();
    let dataset = files.read().expect("valid");
    assert_eq!((dataset.truth(5, 1), dataset.truth(5, 0), dataset.truth(0, 1)), (10.0, 0.0, 0.0));
    let audits = answer_audit(&dataset, &Scenario::default()).expect("fits");
    let sorts: Vec<(&str, bool, u64)> =
        audits.iter().map(|audit| (audit.id.as_str(), audit.answerable, audit.outputs)).collect();
    assert_eq!(sorts, [("e0", true, 12), ("e0", false, 12), ("e1", true, 12), ("e1", false, 12)]);
    // By hand: Pearson of scores with truth over the last four tasks.
    let (mut scores, mut truth) = (Vec::new(), Vec::new());
    for task in 4..8 {
        for node in 0..3 {
            scores.push(10.0 * dataset.score(task, node, 0).raw);
            truth.push(dataset.truth(task, node));
        }
    }
    let r = poq_core::stats::pearson(&scores, &truth).expect("both vary");
    assert!((audits[1].pearson_truth.expect("both vary") - r).abs() < 1e-12);
}
