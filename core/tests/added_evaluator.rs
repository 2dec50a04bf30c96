//! A dataset with one evaluator more is a dataset like any other: written, it reads back as itself, and it is drawn
//! from.

use crate::common::Files;
use poq_core::dataset::{AddedEvaluator, Dataset, DatasetFiles, EvaluatorEntry, RecordedScore};
use poq_core::link::{Link, Replay, View};
use poq_core::score::ScoreNormalization;
use poq_core::{Scenario, simulate};

/// Scores in reverse order of the outputs, slower than all others.
fn added(dataset: &Dataset) -> AddedEvaluator {
    let outputs = dataset.tasks.len() * dataset.inference_nodes();
    let score = |output: usize| RecordedScore { raw: (outputs - output) as f64 / 7.0, latency_ms: 900.5 };
    AddedEvaluator {
        dataset: dataset.hash.clone(),
        entry: EvaluatorEntry {
            id: "here".to_owned(),
            name: "Here".to_owned(),
            kind: "bi_encoder".to_owned(),
            normalization: ScoreNormalization::MinMax,
            model: None,
            spec: None,
        },
        hardware: "this device".to_owned(),
        scores: (0..outputs).map(score).collect(),
    }
}

#[test]
fn what_is_written_of_it_reads_back_as_the_same_dataset() {
    let files = Files::made_up(3, 2, 2);
    let dataset = files.read().expect("whole");
    let extended = dataset.with_evaluator(&added(&dataset)).expect("fits");
    let (manifest, scores) = (extended.manifest.to_json(), extended.scores_jsonl());
    let again = Dataset::from_files(DatasetFiles {
        manifest: manifest.as_bytes(),
        tasks: &files.tasks,
        outputs: &files.outputs,
        scores: scores.as_bytes(),
    });
    assert_eq!(again.as_ref(), Ok(&extended));
    assert_ne!(extended.hash, dataset.hash);
    for task in 0..3 {
        for node in 0..2 {
            for evaluator in 0..2 {
                assert_eq!(extended.score(task, node, evaluator), dataset.score(task, node, evaluator));
            }
            let expected = RecordedScore { raw: (6 - 2 * task - node) as f64 / 7.0, latency_ms: 900.5 };
            assert_eq!(extended.score(task, node, 2), expected);
        }
    }
    assert_eq!(extended.manifest.hardware, "none; here: this device");
}

/// As the slowest of the pool it bears the whole cost, and its score counts in the consensus.
#[test]
fn it_takes_part_in_the_network_and_its_time_is_its_cost() {
    let dataset = Files::made_up(3, 2, 2).read().expect("whole");
    let extended = dataset.with_evaluator(&added(&dataset)).expect("fits");
    let scenario = Scenario::from_json(r#"{"rounds": 300, "evaluators_per_round": 3}"#).expect("valid");
    assert!(simulate(&dataset, &scenario, 1, 300).is_err(), "there are two");
    let report = simulate(&extended, &scenario, 1, 300).expect("three of three");
    let nodes = &report.evaluator_nodes;
    assert_eq!(nodes.iter().map(|node| node.id.as_str()).collect::<Vec<_>>(), ["e0", "e1", "here"]);
    assert_eq!((nodes[2].cost, nodes[2].latency_ms_mean), (1.0, 900.5));
    assert_eq!(nodes[2].rounds, 300);

    // Whoever has the dataset without it is told so.
    let alone = Scenario { evaluators_per_round: 2, ..scenario };
    let report = simulate(&extended, &alone, 1, 300).expect("fits");
    let here = simulate(&dataset, &alone, 1, 300).expect("fits");
    assert!(matches!(Link::of(&report, View::default()).compare(&here), Replay::OtherDataset { .. }));
}

#[test]
fn what_does_not_fit_is_refused() {
    let dataset = Files::made_up(3, 2, 2).read().expect("whole");
    let refused = |spoil: fn(&mut AddedEvaluator), words: &str| {
        let mut evaluator = added(&dataset);
        spoil(&mut evaluator);
        let error = dataset.with_evaluator(&evaluator).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(|evaluator| evaluator.dataset = "0".repeat(64), "scored the dataset 0000");
    refused(|evaluator| evaluator.entry.id = "e1".to_owned(), "`e1`; allowed: an id");
    refused(|evaluator| evaluator.entry.id.clear(), "allowed: an id");
    refused(|evaluator| evaluator.scores.truncate(5), "5 scores; allowed: 6");
    refused(|evaluator| evaluator.scores[1].raw = f64::NAN, "raw NaN");
    refused(|evaluator| evaluator.scores[1].latency_ms = -1.0, "in -1 ms");
    refused(|evaluator| evaluator.scores[1].latency_ms = f64::INFINITY, "in inf ms");
}
