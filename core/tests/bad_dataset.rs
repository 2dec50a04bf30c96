//! Whatever is wrong with a dataset's files, reading them gives an error that says where and what, and never panics.

use crate::common::Files;
use poq_core::Dataset;
use poq_core::dataset::{DatasetError, DatasetFiles};
use serde_json::json;

fn tiny() -> Files {
    Files::made_up(2, 2, 2)
}

/// The error of the tiny dataset after `spoil`, with row counts and hashes that match the spoilt files.
fn sealed_error(spoil: impl FnOnce(&mut Files)) -> DatasetError {
    let mut files = tiny();
    spoil(&mut files);
    files.seal();
    files.read().expect_err("must be refused")
}

/// The same with the row counts and hashes as they were.
fn unsealed_error(spoil: impl FnOnce(&mut Files)) -> DatasetError {
    let mut files = tiny();
    spoil(&mut files);
    files.read().expect_err("must be refused")
}

/// Asserts that the error names that file and row, and holds each of those texts.
#[track_caller]
fn names(error: &DatasetError, file: &str, row: Option<usize>, texts: &[&str]) {
    assert_eq!((error.file.as_str(), error.row), (file, row), "{error}");
    let whole = error.to_string();
    assert!(whole.starts_with(file), "{whole}");
    for text in texts.iter().copied().chain(row.map(|row| format!("row {row}")).as_deref()) {
        assert!(whole.contains(text), "`{text}` is not in: {whole}");
    }
}

/// The bytes of row `row` (from 1) of `file`, put through `change`.
fn change_row(file: &mut Vec<u8>, row: usize, change: impl FnOnce(&[u8]) -> Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = file.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    lines[row - 1] = change(&lines[row - 1]);
    *file = lines.concat();
}

/// Sets a field of row `row` (from 1) to the JSON text `value`, which need not be valid.
fn set(file: &mut Vec<u8>, row: usize, field: &str, value: &str) {
    change_row(file, row, |line| {
        let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).expect("a row");
        assert!(fields.contains_key(field), "no field {field}");
        fields.insert(field.to_owned(), json!("@@"));
        let text = serde_json::to_string(&fields).expect("JSON").replace("\"@@\"", value);
        (text + "\n").into_bytes()
    });
}

fn remove(file: &mut Vec<u8>, row: usize) {
    change_row(file, row, |_| Vec::new());
}

#[test]
fn the_tiny_dataset_is_valid() {
    let dataset = tiny().read().expect("valid");
    assert_eq!((dataset.tasks.len(), dataset.inference_nodes(), dataset.evaluators()), (2, 2, 2));
}

#[test]
fn a_truncated_row() {
    let error =
        sealed_error(|files| change_row(&mut files.outputs, 3, |line| [&line[..line.len() / 2], b"\n"].concat()));
    names(&error, "outputs.jsonl", Some(3), &["EOF"]);
}

#[test]
fn text_that_is_not_utf8() {
    let error = sealed_error(|files| {
        let row = files.outputs.windows(4).position(|bytes| bytes == b"plum").expect("in every text");
        files.outputs[row] = 0xff;
    });
    names(&error, "outputs.jsonl", Some(1), &["field `text`", "invalid unicode"]);
}

#[test]
fn a_wrong_type() {
    let error = sealed_error(|files| set(&mut files.outputs, 2, "latency_ms", "\"fast\""));
    names(&error, "outputs.jsonl", Some(2), &["field `latency_ms`", "\"fast\"", "allowed: a number"]);
    let error = sealed_error(|files| set(&mut files.outputs, 2, "tokens_out", "-1"));
    names(&error, "outputs.jsonl", Some(2), &["field `tokens_out`", "-1", "allowed: a whole number of at least 0"]);
    let error = sealed_error(|files| set(&mut files.tasks, 1, "references", "[\"x\", 5]"));
    names(&error, "tasks.jsonl", Some(1), &["field `references[1]`", "5", "allowed: a text"]);
    let error = sealed_error(|files| set(&mut files.tasks, 1, "kind", "\"poem\""));
    names(&error, "tasks.jsonl", Some(1), &["field `kind`", "`poem`", "`qa` or `summarization`"]);
}

#[test]
fn a_missing_field() {
    let error = sealed_error(|files| change_row(&mut files.scores, 1, |_| b"{\"task\": \"t0\"}\n".to_vec()));
    names(&error, "scores.jsonl", Some(1), &["missing field `node`"]);
}

#[test]
fn more_than_one_value_in_a_row() {
    let error = sealed_error(|files| change_row(&mut files.tasks, 1, |line| [b"{} ", line].concat()));
    names(&error, "tasks.jsonl", Some(1), &["missing field"]);
    let error =
        sealed_error(|files| change_row(&mut files.tasks, 1, |line| [line.trim_ascii_end(), b" {}\n"].concat()));
    names(&error, "tasks.jsonl", Some(1), &["trailing characters"]);
}

#[test]
fn unknown_ids() {
    let error = sealed_error(|files| set(&mut files.outputs, 2, "task", "\"t9\""));
    names(&error, "outputs.jsonl", Some(2), &["field `task`", "`t9`", "allowed: t0, t1"]);
    let error = sealed_error(|files| set(&mut files.outputs, 2, "node", "\"n9\""));
    names(&error, "outputs.jsonl", Some(2), &["field `node`", "`n9`", "allowed: n0, n1"]);
    let error = sealed_error(|files| set(&mut files.scores, 5, "task", "\"T0\""));
    names(&error, "scores.jsonl", Some(5), &["field `task`", "`T0`", "allowed: t0, t1"]);
    let error = sealed_error(|files| set(&mut files.scores, 5, "node", "\"\""));
    names(&error, "scores.jsonl", Some(5), &["field `node`", "``", "allowed: n0, n1"]);
    let error = sealed_error(|files| set(&mut files.scores, 8, "evaluator", "\"e9\""));
    names(&error, "scores.jsonl", Some(8), &["field `evaluator`", "`e9`", "allowed: e0, e1"]);
}

#[test]
fn a_row_twice() {
    let double = |line: &[u8]| [line, line].concat();
    let error = sealed_error(|files| change_row(&mut files.outputs, 2, double));
    names(&error, "outputs.jsonl", Some(3), &["`n1`", "`t0`", "twice"]);
    let error = sealed_error(|files| change_row(&mut files.scores, 4, double));
    names(&error, "scores.jsonl", Some(5), &["`e1`", "`n1`", "`t0`", "twice"]);
    let error = sealed_error(|files| change_row(&mut files.tasks, 1, double));
    names(&error, "tasks.jsonl", Some(2), &["field `id`", "`t0`", "second time"]);
}

#[test]
fn a_missing_row() {
    let error = sealed_error(|files| remove(&mut files.outputs, 4));
    names(&error, "outputs.jsonl", None, &["no answer", "`n1`", "`t1`"]);
    let error = sealed_error(|files| remove(&mut files.scores, 1));
    names(&error, "scores.jsonl", None, &["no score", "`e0`", "`n0`", "`t0`"]);
    let error = sealed_error(|files| remove(&mut files.tasks, 2));
    names(&error, "outputs.jsonl", Some(3), &["field `task`", "`t1`", "allowed: t0"]);
}

#[test]
fn a_row_count_that_differs() {
    let error = unsealed_error(|files| files.manifest["files"]["scores.jsonl"]["rows"] = json!(9));
    names(&error, "scores.jsonl", None, &["8 rows", "the manifest says 9"]);
    let error = unsealed_error(|files| remove(&mut files.outputs, 1));
    names(&error, "outputs.jsonl", None, &["3 rows", "the manifest says 4"]);
}

#[test]
fn a_hash_that_differs() {
    let zeros = "0".repeat(64);
    for file in ["tasks.jsonl", "outputs.jsonl", "scores.jsonl"] {
        let error = unsealed_error(|files| files.manifest["files"][file]["sha256"] = json!(zeros));
        names(&error, file, None, &["SHA-256", &zeros]);
    }
    let error = unsealed_error(|files| set(&mut files.scores, 1, "raw", "0.123456"));
    names(&error, "scores.jsonl", None, &["SHA-256", "the manifest says"]);
}

#[test]
fn numbers_that_are_not_finite() {
    for literal in ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"] {
        for field in ["raw", "latency_ms"] {
            let error = sealed_error(|files| set(&mut files.scores, 7, field, literal));
            names(&error, "scores.jsonl", Some(7), &[&format!("field `{field}`")]);
        }
        let error = sealed_error(|files| set(&mut files.outputs, 1, "latency_ms", literal));
        names(&error, "outputs.jsonl", Some(1), &["field `latency_ms`"]);
    }
    let error = sealed_error(|files| set(&mut files.scores, 7, "raw", "null"));
    names(&error, "scores.jsonl", Some(7), &["field `raw`", "null", "allowed: a finite number"]);
}

#[test]
fn a_negative_latency() {
    let error = sealed_error(|files| set(&mut files.outputs, 3, "latency_ms", "-0.5"));
    names(&error, "outputs.jsonl", Some(3), &["field `latency_ms`", "-0.5", "allowed: 0 to 1000000000000"]);
    let error = sealed_error(|files| set(&mut files.scores, 6, "latency_ms", "-1"));
    names(&error, "scores.jsonl", Some(6), &["field `latency_ms`", "-1", "allowed: 0 to 1000000000000"]);
}

#[test]
fn no_references() {
    let error = sealed_error(|files| set(&mut files.tasks, 2, "references", "[]"));
    names(&error, "tasks.jsonl", Some(2), &["field `references`", "empty list", "at least one"]);
}

#[test]
fn empty_and_repeated_ids() {
    let error = sealed_error(|files| set(&mut files.tasks, 2, "id", "\"\""));
    names(&error, "tasks.jsonl", Some(2), &["field `id`", "empty"]);
    for role in ["inference_nodes", "evaluators"] {
        let field = format!("field `{role}.id`");
        let error = unsealed_error(|files| files.manifest[role][1]["id"] = files.manifest[role][0]["id"].clone());
        names(&error, "manifest.json", None, &[&field, "second time"]);
        let error = unsealed_error(|files| files.manifest[role][1]["id"] = json!(""));
        names(&error, "manifest.json", None, &[&field, "empty"]);
        let error = unsealed_error(|files| files.manifest[role] = json!([]));
        names(&error, "manifest.json", None, &[&format!("field `{role}`"), "empty list", "at least one"]);
    }
}

#[test]
fn faults_of_the_manifest() {
    let error = unsealed_error(|files| files.manifest["schema"] = json!(0));
    names(&error, "manifest.json", None, &["field `schema`", "0", "allowed: 1, 2"]);
    let error = unsealed_error(|files| {
        files.manifest["schema"] = json!(3);
        files.manifest["evaluators"][0]["later"] = json!({"kind": "chrf"});
    });
    names(&error, "manifest.json", None, &["field `schema`", "3", "allowed: 1, 2"]);
    let error = unsealed_error(|files| files.manifest["evaluators"][1]["spec"] = json!({"kind": "chrf"}));
    names(&error, "manifest.json", None, &["`e1`", "field `spec`: schema 1 has none"]);
    let error = unsealed_error(|files| {
        files.manifest["schema"] = json!(2);
        files.manifest["inference_nodes"][0]["spec"] = json!({"kind": 7});
    });
    names(&error, "manifest.json", None, &["`n0`", "field `spec.kind`"]);
    let error = unsealed_error(|files| files.manifest["evaluators"][1]["normalization"] = json!("z_score"));
    names(&error, "manifest.json", None, &["field `evaluators[1].normalization`", "`z_score`", "`min_max`"]);
    let error = unsealed_error(|files| files.manifest["files"]["tasks.jsonl"]["rows"] = json!(-2));
    names(&error, "manifest.json", None, &["rows`", "-2", "allowed: a whole number of at least 0"]);
    for file in ["tasks.jsonl", "outputs.jsonl", "scores.jsonl"] {
        let error = unsealed_error(|files| {
            files.manifest["files"].as_object_mut().expect("an object").remove(file);
        });
        names(&error, "manifest.json", None, &["field `files`", file]);
    }
    let error = unsealed_error(|files| files.manifest = json!([]));
    names(&error, "manifest.json", None, &["allowed: an object"]);
}

#[test]
fn empty_files() {
    let error = sealed_error(|files| files.tasks.clear());
    names(&error, "tasks.jsonl", None, &["no rows", "at least one"]);
    let error = sealed_error(|files| files.outputs.clear());
    names(&error, "outputs.jsonl", None, &["no rows", "at least one"]);
    let error = sealed_error(|files| files.scores.clear());
    names(&error, "scores.jsonl", None, &["no rows", "at least one"]);
    let error = Dataset::from_files(DatasetFiles { manifest: b"", tasks: b"", outputs: b"", scores: b"" });
    names(&error.expect_err("must be refused"), "manifest.json", None, &["EOF"]);
}

#[test]
fn blank_lines_are_skipped() {
    let mut files = tiny();
    files.tasks.extend(b"\n  \n");
    change_row(&mut files.scores, 2, |line| [b"\r\n", line].concat());
    let rows = tiny().read().expect("valid").manifest.files;
    files.seal();
    for (file, entry) in rows {
        files.manifest["files"][file]["rows"] = json!(entry.rows);
    }
    assert_eq!(files.read().expect("valid").tasks, tiny().read().expect("valid").tasks);
    let error = sealed_error(|files| files.outputs = b"\n".to_vec());
    names(&error, "outputs.jsonl", None, &["no rows"]);
    let error = sealed_error(|files| files.tasks = [b"\n\n{}\n", &files.tasks[..]].concat());
    names(&error, "tasks.jsonl", Some(1), &["missing field `id`"]);
}

#[test]
fn keys_that_nobody_knows_or_that_stand_twice() {
    let with =
        |line: &[u8], more: &str| [line.trim_ascii_end().strip_suffix(b"}").expect("a row"), more.as_bytes()].concat();
    let error = sealed_error(|files| change_row(&mut files.tasks, 2, |line| with(line, ",\"contexts\": \"x\"}\n")));
    names(&error, "tasks.jsonl", Some(2), &["unknown field `contexts`", "`context`"]);
    let error = sealed_error(|files| change_row(&mut files.outputs, 1, |line| with(line, ",\"latency\": 1}\n")));
    names(&error, "outputs.jsonl", Some(1), &["unknown field `latency`", "`latency_ms`"]);
    let error = sealed_error(|files| change_row(&mut files.scores, 3, |line| with(line, ",\"raw\": 1}\n")));
    names(&error, "scores.jsonl", Some(3), &["duplicate field `raw`"]);
    let error = unsealed_error(|files| files.manifest["evaluators"][1]["normalisation"] = json!("unit"));
    names(
        &error,
        "manifest.json",
        None,
        &["field `evaluators[1].normalisation`", "unknown field `normalisation`", "`normalization`"],
    );
    let files = tiny();
    let manifest = files.manifest.to_string();
    let twice = manifest.replacen("\"files\":{", "\"files\":{\"tasks.jsonl\":{\"rows\":9,\"sha256\":\"\"},", 1);
    let error = Dataset::from_files(DatasetFiles {
        manifest: twice.as_bytes(),
        tasks: &files.tasks,
        outputs: &files.outputs,
        scores: &files.scores,
    });
    names(&error.expect_err("must be refused"), "manifest.json", None, &["tasks.jsonl", "the key stands twice"]);
}

/// As data frames and other systems write.
#[test]
fn whole_floats_and_byte_order_marks_are_read() {
    let mut files = tiny();
    set(&mut files.outputs, 1, "tokens_in", "12.0");
    files.tasks = [b"\xef\xbb\xbf", &files.tasks[..]].concat();
    files.manifest["schema"] = json!(1.0);
    files.seal();
    assert_eq!(files.read().expect("valid").output(0, 0).tokens_in, 12);
    let error = sealed_error(|files| set(&mut files.outputs, 1, "tokens_in", "12.5"));
    names(&error, "outputs.jsonl", Some(1), &["field `tokens_in`", "12.5"]);
    let utf16: Vec<u8> = tiny().tasks.iter().flat_map(|&byte| [byte, 0]).collect();
    let error = sealed_error(|files| files.tasks = utf16);
    names(&error, "tasks.jsonl", None, &["UTF-16", "UTF-8"]);
}

#[test]
fn what_a_copy_changed_is_said_with_the_hash() {
    let crlf = |file: &[u8]| String::from_utf8_lossy(file).replace('\n', "\r\n").into_bytes();
    let error = unsealed_error(|files| files.outputs = crlf(&files.outputs));
    names(&error, "outputs.jsonl", None, &["SHA-256", "CR LF", "core.autocrlf"]);
    let error = unsealed_error(|files| files.scores = [b"\xef\xbb\xbf", &crlf(&files.scores)[..]].concat());
    names(&error, "scores.jsonl", None, &["SHA-256", "CR LF"]);
    let error = unsealed_error(|files| files.tasks = [b"\xef\xbb\xbf", &files.tasks[..]].concat());
    names(&error, "tasks.jsonl", None, &["SHA-256", "byte order mark"]);
    let error = unsealed_error(|files| set(&mut files.scores, 1, "raw", "0.123456"));
    assert!(!error.to_string().contains("CR LF"), "{error}");
    let error = unsealed_error(|files| {
        set(&mut files.scores, 1, "raw", "0.123456");
        files.scores = crlf(&files.scores);
    });
    assert!(!error.to_string().contains("CR LF"), "{error}");
}

#[test]
fn files_and_tables_too_large() {
    // Zeroed pages that are never written cost no memory.
    let large = vec![0; (512 << 20) + 1];
    let error = Dataset::from_files(DatasetFiles { manifest: b"", tasks: b"", outputs: &large, scores: b"" });
    names(&error.expect_err("must be refused"), "outputs.jsonl", None, &["536870913 bytes", "up to 536870912"]);
    let error = unsealed_error(|files| {
        for (role, letter) in [("inference_nodes", "n"), ("evaluators", "e")] {
            let entry = files.manifest[role][0].clone();
            let entries = (0..5001).map(|index| {
                let mut entry = entry.clone();
                entry["id"] = json!(format!("{letter}{index}"));
                entry
            });
            files.manifest[role] = entries.collect();
        }
    });
    names(&error, "manifest.json", None, &["2 tasks x 5001 inference nodes x 5001 evaluators", "up to 50000000"]);
}

#[test]
fn every_prefix_of_every_file_is_refused() {
    let files = tiny();
    let manifest = files.manifest.to_string();
    let whole = DatasetFiles {
        manifest: manifest.as_bytes(),
        tasks: &files.tasks,
        outputs: &files.outputs,
        scores: &files.scores,
    };
    assert!(Dataset::from_files(whole).is_ok());
    for cut in 0..whole.manifest.len() {
        let error = Dataset::from_files(DatasetFiles { manifest: &whole.manifest[..cut], ..whole });
        assert_eq!(error.expect_err("must be refused").file, "manifest.json", "{cut} bytes");
    }
    for cut in 0..whole.tasks.len() {
        let error = Dataset::from_files(DatasetFiles { tasks: &whole.tasks[..cut], ..whole });
        assert_eq!(error.expect_err("must be refused").file, "tasks.jsonl", "{cut} bytes");
    }
    for cut in 0..whole.outputs.len() {
        let error = Dataset::from_files(DatasetFiles { outputs: &whole.outputs[..cut], ..whole });
        assert_eq!(error.expect_err("must be refused").file, "outputs.jsonl", "{cut} bytes");
    }
    for cut in 0..whole.scores.len() {
        let error = Dataset::from_files(DatasetFiles { scores: &whole.scores[..cut], ..whole });
        assert_eq!(error.expect_err("must be refused").file, "scores.jsonl", "{cut} bytes");
    }
}

#[test]
fn every_changed_byte_of_a_table_is_refused() {
    let files = tiny();
    for position in 0..files.outputs.len() {
        for byte in [0, b'"', b'0', b'\n', 0xff] {
            let mut outputs = files.outputs.clone();
            if std::mem::replace(&mut outputs[position], byte) != byte {
                let spoilt = Files { outputs, manifest: files.manifest.clone(), ..tiny() };
                assert_eq!(spoilt.read().expect_err("must be refused").file, "outputs.jsonl", "{position} {byte}");
            }
        }
    }
}
