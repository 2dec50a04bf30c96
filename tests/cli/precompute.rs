//! `poq precompute` with nodes and evaluators that need no weights: what a row costs is no matter here.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{command, poq, repository, run, write};

const NODES_AND_EVALUATORS: &str = r#"
[[inference_nodes]]
id = "lead"
name = "Lead"
kind = "lead"
[[inference_nodes]]
id = "keyword"
name = "Keyword"
kind = "keyword"
[[evaluators]]
id = "rouge-l"
name = "ROUGE-L"
kind = "rouge_l"
[[evaluators]]
id = "chrf"
name = "chrF"
kind = "chrf"
[[evaluators]]
id = "structure"
name = "Structure"
kind = "structure"
"#;

fn plan(folder: &Path, corpora: &[(&str, Option<usize>)]) -> String {
    let mut text = "id = \"test\"\nlicences = \"none\"\n".to_owned();
    for (path, limit) in corpora {
        let path = repository(path);
        text += &format!("[[tasks]]\npath = {:?}\n", path.to_str().expect("a UTF-8 path"));
        text += &limit.map(|limit| format!("limit = {limit}\n")).unwrap_or_default();
    }
    write(folder, "plan.toml", &(text + NODES_AND_EVALUATORS))
}

const CORPORA: [(&str, Option<usize>); 2] =
    [("static/corpus/qa.jsonl", None), ("static/corpus/summarization-1.jsonl", None)];

fn rows(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the file is there");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON row")).collect()
}

/// Everything of a row but what was measured.
fn key(row: &Value) -> String {
    let mut row = row.clone();
    row.as_object_mut().expect("an object").remove("latency_ms");
    row.to_string()
}

#[test]
fn a_plan_becomes_a_dataset_that_simulates() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan(folder.path(), &CORPORA);
    let out = folder.path().join("data");
    let out = out.to_str().expect("a UTF-8 path");
    poq(&["precompute", &plan, "--out", out], "").succeeds();
    let report = poq(&["simulate", "--dataset", out, "--set", "evaluators_per_round=2", "--json"], "").json();
    assert_eq!(report["dataset"]["id"], "test");
    assert_eq!(report["inference_nodes"].as_array().map(Vec::len), Some(2));
    // Complete: nothing to do with --resume, refused without.
    poq(&["precompute", &plan, "--out", out, "--resume"], "").succeeds();
    poq(&["precompute", &plan, "--out", out], "").fails(2, &["holds a dataset already"]);
}

#[test]
fn squad_json_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan(folder.path(), &[("tests/cli/squad.json", None)]);
    let out = folder.path().join("data");
    poq(&["precompute", &plan, "--out", out.to_str().expect("UTF-8")], "").succeeds();
    let tasks = rows(&out.join("tasks.jsonl"));
    assert_eq!(tasks.len(), 3);
    assert_eq!(tasks[2]["references"][0], "");
    let mut limited = fs::read_to_string(&plan).expect("the plan");
    limited = limited.replacen("\n[[inference", "\nlimit = 1\n[[inference", 1);
    let plan = write(folder.path(), "limited.toml", &limited);
    let out = folder.path().join("limited");
    poq(&["precompute", &plan, "--out", out.to_str().expect("UTF-8")], "").succeeds();
    assert_eq!(rows(&out.join("tasks.jsonl")).len(), 1);
}

#[test]
fn killed_at_any_moment_it_goes_on_and_neither_loses_nor_repeats() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan(folder.path(), &CORPORA);
    let whole = folder.path().join("whole");
    poq(&["precompute", &plan, "--out", whole.to_str().expect("UTF-8")], "").succeeds();

    let out = folder.path().join("killed");
    let arguments = ["precompute", &plan, "--out", out.to_str().expect("UTF-8"), "--resume"];
    let mut kills = 0;
    for attempt in 0.. {
        let mut child = command(&arguments).stderr(Stdio::null()).spawn().expect("poq starts");
        std::thread::sleep(Duration::from_micros(3000 + 700 * attempt));
        child.kill().expect("the child can be killed");
        if child.wait().expect("the child ends").success() {
            break;
        }
        kills += 1;
        assert!(attempt < 500, "it never got to its end");
    }
    assert!(kills >= 3, "only {kills} kills: the moments were badly chosen");
    for name in ["tasks.jsonl", "outputs.jsonl", "scores.jsonl"] {
        let keys = |folder: &Path| rows(&folder.join(name)).iter().map(key).collect::<Vec<_>>();
        assert_eq!(keys(&out), keys(&whole), "{name}");
    }
    let distinct: HashSet<String> = rows(&out.join("outputs.jsonl")).iter().map(key).collect();
    assert_eq!(distinct.len(), rows(&out.join("outputs.jsonl")).len());
}

/// A plan of small tasks with many answers: its rows outgrow its tasks.
fn small_tasks(folder: &Path) -> String {
    let task = |n: usize| {
        format!(
            "{{\"id\": \"t{n}\", \"kind\": \"qa\", \"prompt\": \"Who ran?\", \"references\": [\"Bo\"], \"context\": \"Bo ran.\"}}\n"
        )
    };
    let corpus = write(folder, "small.jsonl", &(0..300).map(task).collect::<String>());
    plan(folder, &[(&corpus, None)])
}

/// A folder as a run leaves it that found the disk full.
fn half_done(folder: &Path, plan: &str) -> std::path::PathBuf {
    let out = folder.join("half");
    // A file size limit stands in for a full disk: the write fails, the process does not die of the signal.
    let script = "trap '' XFSZ; ulimit -f 40; exec \"$@\"";
    let mut shell = Command::new("bash");
    shell.args(["-c", script, "bash", env!("CARGO_BIN_EXE_poq"), "precompute", plan, "--out"]).arg(&out);
    run(shell, "").fails(1, &["outputs.jsonl", "cannot write"]);
    out
}

#[test]
fn a_full_disk_is_named_and_what_was_done_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = small_tasks(folder.path());
    let out = half_done(folder.path(), &plan);
    let kept = fs::read_to_string(out.join("outputs.jsonl")).expect("rows").lines().count();
    assert!(kept > 10, "{kept} rows were kept");
    assert!(!out.join("manifest.json").exists());
    let out_text = out.to_str().expect("UTF-8");
    poq(&["simulate", "--dataset", out_text], "").fails(2, &["manifest.json"]);
    poq(&["precompute", &plan, "--out", out_text], "").fails(2, &["--resume"]);
    poq(&["precompute", &plan, "--out", out_text, "--resume"], "").succeeds();
    poq(&["simulate", "--dataset", out_text], "").succeeds();
}

#[test]
fn rows_of_another_plan_are_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = half_done(folder.path(), &small_tasks(folder.path()));
    let other = plan(folder.path(), &[("static/corpus/qa.jsonl", Some(3))]);
    poq(&["precompute", &other, "--out", out.to_str().expect("UTF-8"), "--resume"], "").fails(2, &["another plan"]);
}

#[test]
fn a_second_run_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan(folder.path(), &[("static/corpus/qa.jsonl", Some(2))]);
    let out = folder.path().join("data");
    fs::create_dir(&out).expect("a folder");
    let marker = fs::File::create(out.join(".precompute")).expect("a file");
    marker.lock().expect("a lock");
    poq(&["precompute", &plan, "--out", out.to_str().expect("UTF-8")], "").fails(1, &["another `poq precompute`"]);
}

#[test]
fn bad_plans_and_folders_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("data");
    let out = out.to_str().expect("UTF-8");
    let try_plan = |text: &str| poq(&["precompute", &write(folder.path(), "bad.toml", text), "--out", out], "");
    try_plan("id = ").fails(2, &["bad.toml"]);
    try_plan("id = \"x\"\nlicences = \"\"\ntasks = []\ninference_nodes = []\nevaluators = []").fails(2, &["`tasks`"]);
    let good = fs::read_to_string(plan(folder.path(), &[("static/corpus/qa.jsonl", Some(2))])).expect("the plan");
    try_plan(&good.replace("\"lead\"\nname", "\"keyword\"\nname")).fails(2, &["`inference_nodes`", "keyword"]);
    try_plan(&good.replace("kind = \"lead\"", "kind = \"oracle\"")).fails(2, &["bad.toml", "oracle"]);
    try_plan(&good.replace("qa.jsonl", "none.jsonl")).fails(2, &["none.jsonl"]);
    let decoder = "kind = \"decoder\"\nmodel = \"no-such-model\"";
    try_plan(&good.replace("kind = \"lead\"", decoder)).fails(2, &["no-such-model"]);
    let corpus = write(
        folder.path(),
        "corpus.jsonl",
        "{\"id\": \"a\", \"kind\": \"poem\", \"prompt\": \"p\", \"references\": []}\n",
    );
    let in_corpus = good.replace(repository("static/corpus/qa.jsonl").to_str().expect("UTF-8"), &corpus);
    try_plan(&in_corpus).fails(2, &["corpus.jsonl row 1", "`kind`", "poem"]);

    let plan = write(folder.path(), "good.toml", &good);
    let file = write(folder.path(), "file", "");
    poq(&["precompute", &plan, "--out", &format!("{file}/data")], "").fails(1, &["cannot make", "file/data"]);
}
