//! A made-up dataset, built in code with correct hashes, for tests to use as it is or to spoil.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use poq_core::Dataset;
use poq_core::dataset::{DatasetError, DatasetFiles, FileEntry, Shipped};
use poq_core::preset::{self, Origin};
use poq_core::rng::{Purpose, Stream};
use serde_json::{Value, json};

/// The files of the first shipped dataset.
pub fn shipped() -> Files {
    files_of(Shipped::PoqLab1)
}

/// The dataset that the preset of that name is made for, else `other`.
pub fn of_preset(preset: &str, other: &Dataset) -> Dataset {
    match preset::dataset_of(preset) {
        Some(Origin::Made(made)) => made.make(),
        Some(Origin::Shipped(shipped)) => files_of(shipped).read().expect("valid"),
        None => other.clone(),
    }
}

/// The files of a shipped dataset.
pub fn files_of(shipped: Shipped) -> Files {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../static/datasets").join(shipped.id());
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let [manifest, tasks, outputs, scores] = DatasetFiles::NAMES.map(read);
    Files { manifest: serde_json::from_slice(&manifest).expect("JSON"), tasks, outputs, scores }
}

/// The files of a dataset before they are read.
pub struct Files {
    pub manifest: Value,
    pub tasks: Vec<u8>,
    pub outputs: Vec<u8>,
    pub scores: Vec<u8>,
}

impl Files {
    /// Tasks `t0`, `t1`, ... of both kinds in turn, inference nodes `n0`, ... and evaluators `e0`, ... of which the
    /// later ones are slower.
    pub fn made_up(tasks: usize, nodes: usize, evaluators: usize) -> Self {
        let mut random = Stream::new(1, Purpose::Bootstrap);
        let mut files = Self {
            manifest: json!({
                "schema": 1, "id": "made-up", "hardware": "none", "licences": "none", "made_by": "a test",
                "inference_nodes": Vec::from_iter((0..nodes).map(|n| {
                    json!({"id": format!("n{n}"), "name": format!("Node {n}"), "kind": "extractive"})
                })),
                "evaluators": Vec::from_iter((0..evaluators).map(|e| {
                    json!({"id": format!("e{e}"), "name": format!("Evaluator {e}"), "kind": "chrf", "normalization": "unit"})
                })),
            }),
            tasks: Vec::new(),
            outputs: Vec::new(),
            scores: Vec::new(),
        };
        let mut latency_ms = |base: usize| (base * 10) as f64 + f64::from(random.below(1000)) / 100.0;
        let mut words = Stream::new(2, Purpose::Bootstrap);
        for task in 0..tasks {
            let id = format!("t{task}");
            let kind = ["qa", "summarization"][task % 2];
            let row = json!({"id": id, "kind": kind, "prompt": "Which?", "references": ["red green blue grey"]});
            push(&mut files.tasks, &row);
            for node in 0..nodes {
                let kept = ["red", "green", "blue", "grey"].into_iter().filter(|_| words.below(3) > 0);
                let text = kept.chain(["plum"]).collect::<Vec<_>>().join(" ");
                let node_id = format!("n{node}");
                let row = json!({"task": id, "node": node_id, "text": text, "tokens_in": 3, "tokens_out": 2,
                                 "latency_ms": latency_ms(node + 1)});
                push(&mut files.outputs, &row);
                for evaluator in 0..evaluators {
                    let row = json!({"task": id, "node": node_id, "evaluator": format!("e{evaluator}"),
                                     "raw": f64::from(words.below(1001)) / 1000.0, "latency_ms": latency_ms(evaluator)});
                    push(&mut files.scores, &row);
                }
            }
        }
        files.seal();
        files
    }

    /// The same with as many groups of tasks (one a context) of each kind, drawn from its own with repetition; each
    /// drawn one is a group of its own.
    pub fn with_other_groups(&self, seed: u64) -> Self {
        let rows = |file: &[u8]| -> Vec<Value> {
            file.split(|&byte| byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| serde_json::from_slice(line).expect("JSON"))
                .collect()
        };
        let mut kinds: BTreeMap<String, Vec<(String, Vec<Value>)>> = BTreeMap::new();
        for task in rows(&self.tasks) {
            let groups = kinds.entry(task["kind"].to_string()).or_default();
            let context = task["context"].to_string();
            match groups.iter_mut().find(|(known, _)| *known == context) {
                Some((_, tasks)) => tasks.push(task),
                None => groups.push((context, vec![task])),
            }
        }
        let mut of_task: HashMap<String, [Vec<Value>; 2]> = HashMap::new();
        for (at, file) in [&self.outputs, &self.scores].into_iter().enumerate() {
            for row in rows(file) {
                of_task.entry(row["task"].to_string()).or_default()[at].push(row);
            }
        }
        let mut random = Stream::new(seed, Purpose::Bootstrap);
        let (manifest, mut drawn) = (self.manifest.clone(), 0);
        let mut other = Self { manifest, tasks: Vec::new(), outputs: Vec::new(), scores: Vec::new() };
        for groups in kinds.values() {
            for _ in groups {
                let (_, tasks) = &groups[random.below(groups.len() as u32) as usize];
                drawn += 1;
                for task in tasks {
                    let id = json!(format!("{drawn} {}", task["id"]));
                    let [outputs, scores] = &of_task[&task["id"].to_string()];
                    let mut task = task.clone();
                    (task["id"], task["group"]) = (id.clone(), json!(drawn.to_string()));
                    push(&mut other.tasks, &task);
                    for (rows, file) in [(outputs, &mut other.outputs), (scores, &mut other.scores)] {
                        for row in rows {
                            let mut row = row.clone();
                            row["task"] = id.clone();
                            push(file, &row);
                        }
                    }
                }
            }
        }
        other.seal();
        other
    }

    /// Writes the present row counts and hashes into the manifest.
    pub fn seal(&mut self) {
        let entry = |bytes: &[u8]| {
            let rows = bytes.iter().filter(|&&byte| byte == b'\n').count();
            json!(FileEntry::of(rows as u64, bytes))
        };
        self.manifest["files"] = json!({
            "tasks.jsonl": entry(&self.tasks),
            "outputs.jsonl": entry(&self.outputs),
            "scores.jsonl": entry(&self.scores),
        });
    }

    /// Reads the files as a dataset.
    pub fn read(&self) -> Result<Dataset, DatasetError> {
        Dataset::from_files(DatasetFiles {
            manifest: self.manifest.to_string().as_bytes(),
            tasks: &self.tasks,
            outputs: &self.outputs,
            scores: &self.scores,
        })
    }
}

fn push(file: &mut Vec<u8>, row: &Value) {
    file.extend_from_slice(row.to_string().as_bytes());
    file.push(b'\n');
}
