//! A small dataset for unit tests: three tasks, two inference nodes, three evaluators.

use poq_core::dataset::{AddedEvaluator, Dataset, DatasetFiles, EvaluatorEntry, FileEntry, Manifest, RecordedScore};
use poq_core::{Report, Scenario};
use std::collections::BTreeMap;

/// The files' bytes, in the order of [`DatasetFiles::NAMES`].
pub fn files() -> [String; 4] {
    let tasks = [("t1", "qa", "Ann"), ("t2", "qa", "the river"), ("t3", "summarization", "It rained all day")];
    let nodes = [("quick", 2.0), ("slow", 90.0)];
    let evaluators = [("near", 1.0), ("far", 30.0), ("odd", 0.5)];
    let (mut task_rows, mut output_rows, mut score_rows) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (task, kind, reference)) in tasks.iter().enumerate() {
        task_rows.push(format!(
            r#"{{"id":"{task}","kind":"{kind}","prompt":"Question {index}?","references":["{reference}"]}}"#
        ));
        for (node, latency_ms) in nodes {
            let text = if node == "slow" || index == 0 { reference } else { "something else" };
            output_rows.push(format!(
                r#"{{"task":"{task}","node":"{node}","text":"{text}","tokens_in":5,"tokens_out":2,"latency_ms":{latency_ms}}}"#
            ));
            for (evaluator, latency_ms) in evaluators {
                let good = node == "slow" || index == 0;
                let raw = match evaluator {
                    "near" => 0.2 + 0.6 * f64::from(u8::from(good)) + 0.01 * index as f64,
                    "far" => 0.4 + 0.1 * f64::from(u8::from(good)),
                    _ => 0.9 - 0.3 * f64::from(u8::from(good)) - 0.02 * index as f64,
                };
                score_rows.push(format!(
                    r#"{{"task":"{task}","node":"{node}","evaluator":"{evaluator}","raw":{raw},"latency_ms":{latency_ms}}}"#
                ));
            }
        }
    }
    let rows = [("tasks.jsonl", task_rows), ("outputs.jsonl", output_rows), ("scores.jsonl", score_rows)];
    let texts = rows.each_ref().map(|(_, rows)| rows.join("\n"));
    let entries: BTreeMap<String, FileEntry> = rows
        .iter()
        .zip(&texts)
        .map(|((name, rows), text)| ((*name).to_owned(), FileEntry::of(rows.len() as u64, text.as_bytes())))
        .collect();
    let entry = |id: &str, name: &str| serde_json::json!({"id": id, "name": name, "kind": "test"});
    let evaluator = |id: &str, name: &str| {
        let mut entry = entry(id, name);
        entry["normalization"] = "unit".into();
        entry
    };
    let manifest: Manifest = serde_json::from_value(serde_json::json!({
        "schema": 1, "id": "tiny", "hardware": "a test", "licences": "none", "made_by": "a test",
        "inference_nodes": [entry("quick", "Quick node"), entry("slow", "Slow node")],
        "evaluators": [evaluator("near", "Near"), evaluator("far", "Far"), evaluator("odd", "Odd")],
        "files": entries,
    }))
    .expect("a valid manifest");
    let [tasks, outputs, scores] = texts;
    [serde_json::to_string(&manifest).expect("plain data"), tasks, outputs, scores]
}

/// The dataset.
pub fn dataset() -> Dataset {
    let [manifest, tasks, outputs, scores] = files();
    Dataset::from_files(DatasetFiles {
        manifest: manifest.as_bytes(),
        tasks: tasks.as_bytes(),
        outputs: outputs.as_bytes(),
        scores: scores.as_bytes(),
    })
    .expect("a valid dataset")
}

/// The report of a scenario, given as the fields that differ from the default.
pub fn report(scenario: &str) -> Report {
    let scenario = Scenario::from_json(scenario).expect("a valid scenario");
    poq_core::simulate(&dataset(), &scenario, scenario.seed, scenario.rounds).expect("a scenario that fits")
}

/// An evaluator that scored the dataset elsewhere: the best answer is the first.
pub fn added_evaluator() -> AddedEvaluator {
    let dataset = dataset();
    let outputs = dataset.tasks.len() * dataset.inference_nodes();
    AddedEvaluator {
        entry: EvaluatorEntry {
            id: "near@device".to_owned(),
            name: "Near, on this device".to_owned(),
            ..dataset.manifest.evaluators[0].clone()
        },
        hardware: "a device".to_owned(),
        scores: (0..outputs).map(|output| RecordedScore { raw: 1.0 / (1 + output) as f64, latency_ms: 9.0 }).collect(),
        dataset: dataset.hash,
    }
}
