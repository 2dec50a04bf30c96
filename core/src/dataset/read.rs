//! Reading and checking a dataset's files.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::rows::{Manifest, Output, ScoreRow, Task};
use super::{Dataset, JUDGE, RecordedScore, Scores};
use crate::json;

/// Versions of the format that this code reads.
const SCHEMAS: [u32; 2] = [1, 2];
/// The version that says how nodes answer and evaluators score, and may have a judge's reply that is no number.
const WITH_SPECS: u32 = 2;
/// Bytes of one file at most: what a page can hold beside its tables.
const MAX_FILE_BYTES: usize = 512 << 20;
/// The longest latency, 30 years: their sums stay finite.
const MAX_LATENCY_MS: f64 = 1e12;
/// Entries of the score table at most.
pub(super) const MAX_SCORES: usize = 50_000_000;

/// The bytes of a dataset's files.
#[derive(Clone, Copy, Debug)]
pub struct DatasetFiles<'a> {
    /// `manifest.json`
    pub manifest: &'a [u8],
    /// `tasks.jsonl`
    pub tasks: &'a [u8],
    /// `outputs.jsonl`
    pub outputs: &'a [u8],
    /// `scores.jsonl`
    pub scores: &'a [u8],
}

/// What is wrong with a dataset: the file, the row (from 1, blank lines apart) if it is one row, and what was seen and
/// is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", row.map(|row| format!(" row {row}")).unwrap_or_default())]
pub struct DatasetError {
    /// Name of the file within the dataset.
    pub file: String,
    /// The row, counted from 1.
    pub row: Option<usize>,
    /// The field, the value seen, the values allowed.
    pub message: String,
}

pub(super) fn fault<T>(file: &str, row: Option<usize>, message: impl Into<String>) -> Result<T, DatasetError> {
    Err(DatasetError { file: file.to_owned(), row, message: message.into() })
}

const MANIFEST: &str = "manifest.json";
const TASKS: &str = "tasks.jsonl";
const OUTPUTS: &str = "outputs.jsonl";
const SCORES: &str = "scores.jsonl";

impl DatasetFiles<'_> {
    /// The names of the files, in the order of the fields.
    pub const NAMES: [&'static str; 4] = [MANIFEST, TASKS, OUTPUTS, SCORES];
}

impl Dataset {
    /// Reads a dataset from the bytes of its files.
    ///
    /// # Errors
    /// For anything that is not as the module's documentation says, with file, row, field, value seen and allowed.
    pub fn from_files(files: DatasetFiles<'_>) -> Result<Self, DatasetError> {
        for (name, bytes) in
            [(MANIFEST, files.manifest), (TASKS, files.tasks), (OUTPUTS, files.outputs), (SCORES, files.scores)]
        {
            if bytes.len() > MAX_FILE_BYTES {
                return fault(name, None, format!("{} bytes; allowed: up to {MAX_FILE_BYTES}", bytes.len()));
            }
        }
        let manifest = read_manifest(files.manifest)?;
        let hash = sha256(files.manifest);

        let tasks: Vec<Task> = read_rows(TASKS, files.tasks, &manifest)?;
        let task_index = index_ids(TASKS, "id", tasks.iter().map(|task| task.id.as_str()))?;
        for (row, task) in tasks.iter().enumerate() {
            if task.references.is_empty() {
                return fault(TASKS, Some(row + 1), "field `references`: empty list; allowed: at least one text");
            }
        }
        let nodes = ids(&manifest.inference_nodes, |entry| &entry.id);
        let evaluators = ids(&manifest.evaluators, |entry| &entry.id);
        if tasks.len().saturating_mul(nodes.len()).saturating_mul(evaluators.len()) > MAX_SCORES {
            return fault(
                MANIFEST,
                None,
                format!(
                    "{} tasks x {} inference nodes x {} evaluators; allowed: up to {MAX_SCORES} scores",
                    tasks.len(),
                    nodes.len(),
                    evaluators.len()
                ),
            );
        }

        let outputs =
            place_outputs(read_rows(OUTPUTS, files.outputs, &manifest)?, &tasks, &task_index, &manifest, &nodes)?;
        let rows: Vec<ScoreRow> = read_rows(SCORES, files.scores, &manifest)?;
        let scores = place_scores(&rows, &tasks, &task_index, &manifest, &nodes, &evaluators)?;
        Ok(Self::new(manifest, hash, tasks, outputs, scores))
    }
}

type Index<'a> = HashMap<&'a str, usize>;

fn ids<T>(entries: &[T], id: impl Fn(&T) -> &str) -> Index<'_> {
    // The borrow of each id lives as long as its entry.
    let mut index = HashMap::with_capacity(entries.len());
    for (position, entry) in entries.iter().enumerate() {
        index.insert(id(entry), position);
    }
    index
}

fn read_manifest(bytes: &[u8]) -> Result<Manifest, DatasetError> {
    let manifest: Manifest = match json::parse_strict(bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            // A later format has fields that this one does not know: its number says more than they do.
            let later = json::parse::<Value>(bytes).ok().and_then(|manifest| manifest.get("schema")?.as_u64());
            return match later.filter(|&schema| SCHEMAS.iter().all(|&known| schema != u64::from(known))) {
                Some(schema) => other_schema(schema),
                None => fault(MANIFEST, None, error.to_string()),
            };
        }
    };
    if !SCHEMAS.contains(&manifest.schema) {
        return other_schema(manifest.schema.into());
    }
    check_schema_2(&manifest)?;
    if manifest.inference_nodes.is_empty() {
        return fault(MANIFEST, None, "field `inference_nodes`: empty list; allowed: at least one node");
    }
    if manifest.inference_nodes.iter().all(|entry| !entry.in_default_network) {
        let message = "field `in_default_network`: no inference node has it true; allowed: at least one";
        return fault(MANIFEST, None, message);
    }
    if manifest.evaluators.is_empty() {
        return fault(MANIFEST, None, "field `evaluators`: empty list; allowed: at least one evaluator");
    }
    index_ids(MANIFEST, "inference_nodes.id", manifest.inference_nodes.iter().map(|entry| entry.id.as_str()))?;
    index_ids(MANIFEST, "evaluators.id", manifest.evaluators.iter().map(|entry| entry.id.as_str()))?;
    Ok(manifest)
}

fn other_schema<T>(schema: u64) -> Result<T, DatasetError> {
    fault(
        MANIFEST,
        None,
        format!("field `schema`: {schema}; allowed: {}", SCHEMAS.map(|known| known.to_string()).join(", ")),
    )
}

/// What came with schema 2: specs, which name their kind, and nodes that stay out of the default network.
fn check_schema_2(manifest: &Manifest) -> Result<(), DatasetError> {
    let with_specs = manifest.schema >= WITH_SPECS;
    if let Some(entry) = manifest.inference_nodes.iter().find(|entry| !entry.in_default_network && !with_specs) {
        let message = format!("`{}`: field `in_default_network`: schema {} has none", entry.id, manifest.schema);
        return fault(MANIFEST, None, message);
    }
    let nodes = manifest.inference_nodes.iter().map(|entry| (&entry.id, &entry.spec));
    let evaluators = manifest.evaluators.iter().map(|entry| (&entry.id, &entry.spec));
    for (id, spec) in nodes.chain(evaluators) {
        let Some(spec) = spec else { continue };
        if !with_specs {
            return fault(MANIFEST, None, format!("`{id}`: field `spec`: schema {} has none", manifest.schema));
        }
        if !spec.get("kind").is_some_and(Value::is_string) {
            return fault(
                MANIFEST,
                None,
                format!("`{id}`: field `spec.kind`: absent or no text; allowed: a kind's name"),
            );
        }
    }
    Ok(())
}

/// Position by id; an empty or repeated id is an error.
fn index_ids<'a>(file: &str, field: &str, ids: impl Iterator<Item = &'a str>) -> Result<Index<'a>, DatasetError> {
    let mut index = HashMap::new();
    for (position, id) in ids.enumerate() {
        let row = (file != MANIFEST).then_some(position + 1);
        if id.is_empty() {
            return fault(file, row, format!("field `{field}`: empty; allowed: an id"));
        }
        if index.insert(id, position).is_some() {
            return fault(file, row, format!("field `{field}`: `{id}` for the second time"));
        }
    }
    Ok(index)
}

fn read_rows<T: DeserializeOwned>(file: &str, bytes: &[u8], manifest: &Manifest) -> Result<Vec<T>, DatasetError> {
    let Some(entry) = manifest.files.get(file) else {
        return fault(MANIFEST, None, format!("field `files`: no entry for {file}"));
    };
    let mut rows = Vec::new();
    let text = json::utf8(bytes).or_else(|error| fault(file, None, error.message))?;
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    for (index, line) in lines.enumerate() {
        match json::parse(line) {
            Ok(row) => rows.push(row),
            Err(error) => return fault(file, Some(index + 1), error.to_string()),
        }
    }
    if rows.is_empty() {
        return fault(file, None, "no rows; allowed: at least one");
    }
    if rows.len() as u64 != entry.rows {
        return fault(file, None, format!("{} rows, but the manifest says {}", rows.len(), entry.rows));
    }
    let found = sha256(bytes);
    if found != entry.sha256 {
        let message = format!("its SHA-256 is {found}, but the manifest says {}", entry.sha256);
        return fault(file, None, message + changed_on_the_way(bytes, &entry.sha256));
    }
    Ok(rows)
}

/// What a program that copied the file made of it, where that is all that its hash differs by.
fn changed_on_the_way(bytes: &[u8], sha256_then: &str) -> &'static str {
    let has_mark = bytes.starts_with(b"\xef\xbb\xbf");
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    let unix = lines.iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect::<Vec<_>>().join(&b'\n');
    match (has_mark, lines.iter().any(|line| line.ends_with(b"\r"))) {
        (true, false) if sha256(text) == sha256_then => "; a byte order mark was put before it: take it away",
        (_, true) if sha256(&unix) == sha256_then => {
            "; its lines end with CR LF, and with LF alone the hash is right: it was changed on the way, as Git does with \
             core.autocrlf"
        }
        _ => "",
    }
}

fn known(file: &str, row: usize, field: &str, id: &str, index: &Index<'_>) -> Result<usize, DatasetError> {
    match index.get(id) {
        Some(&position) => Ok(position),
        None if index.len() <= 20 => {
            let mut allowed: Vec<&str> = index.keys().copied().collect();
            allowed.sort_unstable();
            fault(file, Some(row), format!("field `{field}`: `{id}` is unknown; allowed: {}", allowed.join(", ")))
        }
        None => {
            fault(file, Some(row), format!("field `{field}`: `{id}` is unknown; allowed: one of {} ids", index.len()))
        }
    }
}

fn check_latency(file: &str, row: usize, latency_ms: f64) -> Result<(), DatasetError> {
    if (0.0..=MAX_LATENCY_MS).contains(&latency_ms) {
        return Ok(());
    }
    fault(file, Some(row), format!("field `latency_ms`: {latency_ms}; allowed: 0 to {MAX_LATENCY_MS}"))
}

fn place_outputs(
    rows: Vec<Output>,
    tasks: &[Task],
    task_index: &Index<'_>,
    manifest: &Manifest,
    nodes: &Index<'_>,
) -> Result<Vec<Output>, DatasetError> {
    // By position, so that memory goes with the rows that are there and not with what the manifest promises.
    let mut placed = HashMap::with_capacity(rows.len());
    for (index, output) in rows.into_iter().enumerate() {
        let row = index + 1;
        let task = known(OUTPUTS, row, "task", &output.task, task_index)?;
        let node = known(OUTPUTS, row, "node", &output.node, nodes)?;
        check_latency(OUTPUTS, row, output.latency_ms)?;
        match placed.entry(task * nodes.len() + node) {
            Entry::Vacant(slot) => slot.insert(output),
            Entry::Occupied(_) => {
                return fault(OUTPUTS, Some(row), format!("`{}` answers task `{}` twice", output.node, output.task));
            }
        };
    }
    let mut outputs = Vec::with_capacity(placed.len());
    for index in 0..tasks.len() * nodes.len() {
        let (task, node) = (&tasks[index / nodes.len()], &manifest.inference_nodes[index % nodes.len()]);
        match placed.remove(&index) {
            Some(output) => outputs.push(output),
            None => return fault(OUTPUTS, None, format!("no answer of node `{}` to task `{}`", node.id, task.id)),
        }
    }
    Ok(outputs)
}

fn place_scores(
    rows: &[ScoreRow],
    tasks: &[Task],
    task_index: &Index<'_>,
    manifest: &Manifest,
    nodes: &Index<'_>,
    evaluators: &Index<'_>,
) -> Result<Scores, DatasetError> {
    let mut placed = HashMap::with_capacity(rows.len());
    let mut replies = BTreeMap::new();
    for (index, score) in rows.iter().enumerate() {
        let row = index + 1;
        let task = known(SCORES, row, "task", &score.task, task_index)?;
        let node = known(SCORES, row, "node", &score.node, nodes)?;
        let evaluator = known(SCORES, row, "evaluator", &score.evaluator, evaluators)?;
        let position = (task * nodes.len() + node) * evaluators.len() + evaluator;
        let may_be_none = manifest.schema >= WITH_SPECS && manifest.evaluators[evaluator].kind == JUDGE;
        let raw = match (score.raw, &score.reply) {
            (Some(raw), None) if raw.is_finite() => raw,
            (Some(_), Some(_)) => {
                return fault(SCORES, Some(row), "field `reply`: allowed: where `raw` is null");
            }
            (None, reply) if may_be_none => {
                replies.insert(position, reply.clone().unwrap_or_default());
                0.0
            }
            (raw, _) => {
                let raw = raw.map_or("null".to_owned(), |raw| raw.to_string());
                return fault(SCORES, Some(row), format!("field `raw`: {raw}; allowed: a finite number"));
            }
        };
        check_latency(SCORES, row, score.latency_ms)?;
        if placed.insert(position, RecordedScore { raw, latency_ms: score.latency_ms }).is_some() {
            let message = format!("`{}` scores `{}` on task `{}` twice", score.evaluator, score.node, score.task);
            return fault(SCORES, Some(row), message);
        }
    }
    let mut scores = Vec::with_capacity(placed.len());
    for position in 0..tasks.len() * nodes.len() * evaluators.len() {
        let (output, evaluator) = (position / evaluators.len(), position % evaluators.len());
        match placed.remove(&position) {
            Some(score) => scores.push(score),
            None => {
                let message = format!(
                    "no score by `{}` of node `{}` on task `{}`",
                    manifest.evaluators[evaluator].id,
                    manifest.inference_nodes[output % nodes.len()].id,
                    tasks[output / nodes.len()].id
                );
                return fault(SCORES, None, message);
            }
        }
    }
    Ok(Scores { rows: scores, replies })
}

/// SHA-256, lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
