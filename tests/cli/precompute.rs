//! `poq precompute` with nodes and evaluators that need no weights: what a row costs is no matter here.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Ran, command, poq, repository, run, write};

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

/// `poq precompute` of a plan into a folder, with more arguments.
fn precompute(plan: &str, out: &Path, more: &[&str]) -> Ran {
    let out = out.to_str().expect("UTF-8");
    poq(&[&["precompute", plan, "--out", out][..], more].concat(), "")
}

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

/// One node or evaluator more, and none run again: what was there keeps its rows, times and all.
#[test]
fn a_dataset_is_made_in_parts_and_added_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan(folder.path(), &[("static/corpus/qa.jsonl", Some(4))]);
    let out = folder.path().join("data");
    let out_text = out.to_str().expect("UTF-8");
    let make = |plan: &str, more: &[&str]| precompute(plan, &out, more);
    let ids = |list: &str| {
        let manifest = fs::read_to_string(out.join("manifest.json")).expect("a dataset");
        let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
        let entries = manifest[list].as_array().expect("a list").clone();
        entries.iter().map(|entry| entry["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let lines = |name: &str| fs::read_to_string(out.join(name)).expect("rows");
    make(&plan, &["--nodes", "lead", "--evaluators", "chrf,rouge-l"]).succeeds();
    assert_eq!(
        (ids("inference_nodes"), ids("evaluators")),
        (vec!["lead".into()], vec!["rouge-l".into(), "chrf".into()])
    );
    poq(&["simulate", "--rounds", "50", "--set", "evaluators_per_round=2", "--dataset", out_text], "").succeeds();
    let (answers, scores) = (lines("outputs.jsonl"), lines("scores.jsonl"));
    assert_eq!((answers.lines().count(), scores.lines().count()), (4, 8));

    // A node more has yet to be scored by whoever is there.
    let ran = make(&plan, &["--resume", "--nodes", "keyword", "--evaluators", "chrf"]);
    let waits = "no dataset yet: `rouge-l` has scored 4 of 8 answers";
    assert!(ran.succeeds().err.contains(waits), "{}", ran.err);
    assert!(!out.join("manifest.json").exists());
    make(&plan, &["--resume"]).succeeds();
    let order = vec!["rouge-l".to_owned(), "chrf".to_owned(), "structure".to_owned()];
    assert_eq!((ids("inference_nodes"), ids("evaluators")), (vec!["lead".into(), "keyword".into()], order));
    assert!(lines("outputs.jsonl").starts_with(&answers) && lines("scores.jsonl").starts_with(&scores));
    assert_eq!(lines("scores.jsonl").lines().count(), 2 * 4 * 3);
    let whole = fs::read_to_string(out.join("manifest.json")).expect("a dataset");
    assert!(make(&plan, &["--resume"]).succeeds().err.contains("complete; nothing to do"));
    assert_eq!(fs::read_to_string(out.join("manifest.json")).expect("a dataset"), whole);
    assert!(!out.join(".precompute").exists());

    // A plan of what is new is enough, and what is there under its id in other words is refused.
    let text = fs::read_to_string(&plan).expect("the plan");
    let decoder = repository("models/tests/fixtures/tiny-llama.gguf");
    let tiny = |tokens: u32| {
        let decoder = format!(
            "kind = \"decoder\"\nmodel = {:?}\nmax_tokens = {{ qa = {tokens} }}",
            decoder.to_str().expect("UTF-8")
        );
        let (head, rest) = text.split_once("[[inference_nodes]]").expect("a plan");
        let (_, evaluators) = rest.split_once("[[evaluators]]").expect("a plan");
        let node = format!("[[inference_nodes]]\nid = \"tiny\"\nname = \"T\"\n{decoder}\n");
        write(folder.path(), "tiny.toml", &format!("{head}{node}[[evaluators]]{evaluators}"))
    };
    make(&tiny(3), &["--resume"]).succeeds();
    assert_eq!(ids("inference_nodes"), ["lead", "keyword", "tiny"]);
    let differs = ["rows of another plan", "`max_tokens` of `tiny`", r#"{"qa":3,"summarization":128}"#, r#""qa":4"#];
    make(&tiny(4), &["--resume"]).fails(2, &differs);
    make(&plan, &["--resume", "--nodes", "leed"]).fails(2, &["--nodes: unknown id `leed`", "did you mean `lead`?"]);
    let other_id = write(folder.path(), "id.toml", &text.replace("id = \"test\"", "id = \"other\""));
    make(&other_id, &["--resume"]).fails(2, &["rows of another plan", "its id is `test`"]);

    // Scored anew: the other rows stay as they are, and what scores may be another than it was, at its old place.
    let before = lines("scores.jsonl");
    let others = |lines: &str| {
        lines.lines().filter(|line| !line.contains("rouge-l")).map(|line| format!("{line}\n")).collect::<String>()
    };
    let judged = text.replace("kind = \"rouge_l\"", "kind = \"chrf\"");
    assert_ne!(judged, text);
    let judged = write(folder.path(), "judged.toml", &judged);
    make(&judged, &["--rescore", "--evaluators", "rouge-l"]).fails(2, &["--resume"]);
    make(&judged, &["--resume", "--evaluators", "rouge-l"]).fails(2, &["`kind` of `rouge-l`"]);
    make(&other_id, &["--resume", "--rescore"]).fails(2, &["rows of another plan"]);
    assert_eq!(lines("scores.jsonl"), before);
    let broken_off = folder.path().join("broken off");
    let names = ["tasks.jsonl", "outputs.jsonl", "scores.jsonl"];
    fs::create_dir(&broken_off).expect("a folder");
    for name in names {
        fs::copy(out.join(name), broken_off.join(name)).expect("a copy");
    }
    make(&judged, &["--resume", "--rescore", "--evaluators", "rouge-l"]).succeeds();
    let after = lines("scores.jsonl");
    assert!(after.starts_with(&others(&before)) && others(&after) == others(&before));
    assert_eq!(after.lines().count(), before.lines().count());
    let values = |folder: &Path, evaluator: &str| {
        let rows = rows(&folder.join("scores.jsonl")).into_iter().filter(|row| row["evaluator"] == evaluator);
        let mut rows: Vec<String> = rows.map(|row| key(&row).replace(evaluator, "")).collect();
        rows.sort();
        rows
    };
    assert_eq!(values(&out, "rouge-l"), values(&out, "chrf"));
    assert_eq!(ids("evaluators"), ["rouge-l", "chrf", "structure"]);

    // One that was killed before it took anything away goes on, and keeps none of what it was to make anew.
    let manifest = fs::read_to_string(out.join("manifest.json")).expect("a dataset");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let made = serde_json::json!({
        "id": manifest["id"],
        "tasks": manifest["files"]["tasks.jsonl"]["sha256"],
        "inference_nodes": manifest["inference_nodes"],
        "evaluators": manifest["evaluators"],
        "hardware": [manifest["hardware"]],
        "rescored": ["rouge-l"],
    });
    fs::write(broken_off.join(".precompute"), format!("{made}\n")).expect("a marker");
    assert_ne!(values(&broken_off, "rouge-l"), values(&broken_off, "chrf"));
    poq(&["precompute", &judged, "--out", broken_off.to_str().expect("UTF-8"), "--resume"], "").succeeds();
    assert_eq!(values(&broken_off, "rouge-l"), values(&broken_off, "chrf"));
    assert_eq!(rows(&broken_off.join("scores.jsonl")).len(), after.lines().count());
    poq(&["simulate", "--rounds", "50", "--dataset", out_text], "").succeeds();
}

#[test]
fn a_node_of_a_plan_stays_out_of_the_default_network() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(plan(folder.path(), &[(CORPORA[0].0, Some(3))])).expect("a plan");
    let apart = |plan: &str, id: &str| {
        plan.replace(&format!("id = \"{id}\"\n"), &format!("id = \"{id}\"\nin_default_network = false\n"))
    };
    let one = write(folder.path(), "one.toml", &apart(&text, "lead"));
    let out = folder.path().join("data");
    let data = out.to_str().expect("UTF-8");
    poq(&["precompute", &one, "--out", data], "").succeeds();
    let nodes = |more: &[&str]| -> Vec<String> {
        let report = poq(
            &[&["simulate", "--rounds", "50", "--set", "evaluators_per_round=2", "--dataset", data, "--json"], more]
                .concat(),
            "",
        )
        .json();
        let nodes = report["inference_nodes"].as_array().expect("a list");
        nodes.iter().map(|node| node["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(nodes(&[]), ["keyword"]);
    assert_eq!(nodes(&["--set", r#"network.inference=[{"model":"lead"}]"#]), ["lead"]);
    // It is no part of how the node answers: the rows stay, and the manifest says what the plan says now.
    let rows = fs::read_to_string(out.join("outputs.jsonl")).expect("rows");
    let whole = write(folder.path(), "whole.toml", &text);
    poq(&["precompute", &whole, "--out", data, "--resume"], "").succeeds();
    assert_eq!(
        (nodes(&[]), fs::read_to_string(out.join("outputs.jsonl")).expect("rows")),
        (vec!["lead".to_owned(), "keyword".to_owned()], rows)
    );

    let none = write(folder.path(), "none.toml", &apart(&apart(&text, "lead"), "keyword"));
    let other = folder.path().join("other");
    let refused = ["none.toml", "`in_default_network`: no inference node has it true"];
    poq(&["precompute", &none, "--out", other.to_str().expect("UTF-8")], "").fails(2, &refused);
    let word = write(
        folder.path(),
        "word.toml",
        &text.replace("id = \"lead\"\n", "id = \"lead\"\nin_default_network = \"no\"\n"),
    );
    poq(&["precompute", &word, "--out", other.to_str().expect("UTF-8")], "")
        .fails(2, &["`inference_nodes[0]`", "in_default_network"]);
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
    poq(&["precompute", &plan, "--out", out.to_str().expect("UTF-8")], "").fails(1, &["another `poq`"]);
}

#[test]
fn a_run_that_is_refused_leaves_a_dataset_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan(folder.path(), &[("static/corpus/qa.jsonl", Some(2))]);
    let out = folder.path().join("data");
    let make = |plan: &str, more: &[&str]| precompute(plan, &out, more);
    make(&plan, &[]).succeeds();
    let files = || {
        let entries = fs::read_dir(&out).expect("a folder").map(|entry| entry.expect("an entry").path());
        let mut files: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).expect("a file"))).collect();
        files.sort();
        files
    };
    let before = files();
    let text = fs::read_to_string(&plan).expect("the plan");
    let broken = write(folder.path(), "broken.gguf", "GGUF and no more");
    let node = format!("[[inference_nodes]]\nid = \"x\"\nname = \"X\"\nkind = \"decoder\"\nmodel = {broken:?}\n");
    let node = format!("{node}max_tokens = {{ qa = 3 }}\n\n[[evaluators]]");
    let with_node = write(folder.path(), "node.toml", &text.replacen("[[evaluators]]", &node, 1));
    let judge = format!("id = \"x\"\nname = \"X\"\nkind = \"judge\"\nmodel = {broken:?}\ntemplate = \"{{answer}}\"\n");
    let with_judge = write(folder.path(), "judge.toml", &format!("{text}\n[[evaluators]]\n{judge}"));
    let other = write(folder.path(), "other.toml", &text.replacen("id = \"", "id = \"other-", 1));
    make(&with_node, &["--resume"]).fails(2, &["broken.gguf"]);
    assert_eq!(files(), before, "a node without a model");
    make(&with_judge, &["--resume"]).fails(2, &["broken.gguf"]);
    assert_eq!(files(), before, "a judge without a model");
    make(&other, &["--resume"]).fails(2, &["its id is"]);
    assert_eq!(files(), before, "another plan");
    make(&plan, &[]).fails(2, &["holds a dataset already"]);
    assert_eq!(files(), before, "no --resume");

    // What a run leaves that is killed before it begins is no unfinished run.
    write(&out, ".precompute", "");
    make(&plan, &[]).fails(2, &["holds a dataset already"]);
    write(&out, ".precompute", "");
    make(&plan, &["--resume"]).succeeds();
    assert_eq!(files(), before, "an empty marker");

    // What cannot be read may be another version's.
    write(&out, ".precompute", "{\"id\": 7}\n");
    make(&plan, &[]).fails(2, &["an unfinished run"]);
    assert_eq!(fs::read_to_string(out.join(".precompute")).expect("a marker"), "{\"id\": 7}\n");
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

/// A plan with one judge more, whose kind and model are given.
fn judged_plan(folder: &Path, kind: &str, model: &str, template: &str) -> String {
    let task = |id: &str, prompt: &str, reference: &str, context: &str| {
        json!({"id": id, "kind": "qa", "prompt": prompt, "references": [reference], "context": context}).to_string()
    };
    let tasks = [
        task("a", "What is the capital of France?", "Paris", "Paris is the capital of France. London is not."),
        task("b", "What colour is snow?", "white", "Snow is white. Coal is black."),
    ];
    write(folder, "t.jsonl", &tasks.join("\n"));
    let judge = format!(
        "[[evaluators]]\nid = \"j\"\nname = \"J\"\nkind = {kind:?}\nmodel = {model:?}\ntemplate = {template:?}\n"
    );
    let head = "id = \"judged\"\nlicences = \"none\"\n[[tasks]]\npath = \"t.jsonl\"\n";
    write(folder, "plan.toml", &[head, NODES_AND_EVALUATORS, &judge].concat())
}

/// Qwen's expected rating of each answer; as a judge it stands beside truth, as an evaluator it is paid.
#[test]
fn a_decoder_judges() {
    let template = "Question: {prompt}\nRight answer: {reference}\n\nHow well does this answer agree with the right \
                    answer, from 0 (not at all) to 9 (fully)? Reply with one digit and nothing else.\nAnswer: {answer}";
    let folder = tempfile::tempdir().expect("a folder");
    let out = |name: &str| folder.path().join(name);
    let mut raws = Vec::new();
    for kind in ["judge", "llm_judge"] {
        let plan = judged_plan(folder.path(), kind, "qwen2.5-coder-0.5b-instruct", template);
        let out = out(kind);
        poq(&["precompute", &plan, "--out", out.to_str().expect("UTF-8")], "").succeeds();
        let manifest: Value =
            serde_json::from_slice(&fs::read(out.join("manifest.json")).expect("a file")).expect("JSON");
        let entry = &manifest["evaluators"][3];
        assert_eq!((&entry["kind"], &entry["normalization"]), (&Value::from(kind), &Value::from("ten")));
        let spec = &entry["spec"];
        let field = |name: &str| spec[name].as_str().unwrap_or_else(|| panic!("no {name} in {spec}"));
        assert_eq!((field("kind"), field("model")), ("llm_judge", "qwen2.5-coder-0.5b-instruct"));
        assert!(field("sha256").starts_with("1d9614638d18") && field("template") == template, "{spec}");
        let of_judge = rows(&out.join("scores.jsonl")).into_iter().filter(|row| row["evaluator"] == "j");
        let scores: Vec<(f64, f64)> = of_judge
            .map(|row| (row["raw"].as_f64().expect("raw"), row["latency_ms"].as_f64().expect("latency")))
            .collect();
        assert_eq!(scores.len(), 4);
        assert!(scores.iter().all(|(raw, latency)| (0.0..=10.0).contains(raw) && *latency > 0.0), "{scores:?}");
        raws.push(scores.into_iter().map(|(raw, _)| raw).collect::<Vec<_>>());
        let simulate = ["simulate", "--rounds", "200", "--json", "--dataset", out.to_str().expect("UTF-8")];
        let paid = poq(&simulate, "").json()["evaluator_nodes"].as_array().map(Vec::len);
        assert_eq!(paid, Some(if kind == "judge" { 3 } else { 4 }));
    }
    assert_eq!(raws[0], raws[1]);
}

#[test]
fn a_reply_that_is_no_number_is_no_score() {
    let folder = tempfile::tempdir().expect("a folder");
    let tiny = repository("models/tests/fixtures/tiny-llama.gguf");
    let tiny = tiny.to_str().expect("UTF-8");
    let out = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let run = |kind: &str, template: &str| {
        poq(&["precompute", &judged_plan(folder.path(), kind, tiny, template), "--out", &out(kind)], "")
    };
    let faults = ["evaluator `j`", "its reply begins", "no number from 0 to 9", "--resume"];
    run("llm_judge", "{answer}").fails(3, &faults);
    // The others are done, and no score was made up.
    let scores = rows(&folder.path().join("llm_judge/scores.jsonl"));
    assert_eq!(scores.iter().filter(|row| row["evaluator"] != "j").count(), 12);
    assert!(scores.len() < 16);
    // A judge takes no part: what it did not rate is kept as it replied, counted, and left out of its figures.
    let ran = run("judge", "{answer}");
    let err = &ran.succeeds().err;
    let scores = rows(&folder.path().join("judge/scores.jsonl"));
    let unrated: Vec<_> = scores.iter().filter(|row| row["raw"].is_null()).collect();
    assert!(!unrated.is_empty() && scores.len() == 16);
    assert!(unrated.iter().all(|row| row["evaluator"] == "j" && row["reply"].is_string()), "{unrated:?}");
    assert!(err.contains(&format!("j: {} of its 4 replies were no number", unrated.len())), "{err}");
    poq(&["simulate", "--rounds", "100", "--dataset", &out("judge")], "").succeeds();
    run("judge", "{prompt}").fails(2, &["evaluators[3]", "{answer}"]);
    run("judg", "{answer}").fails(2, &["unknown kind `judg`", "did you mean `judge`?"]);
}

/// A base model has no chat template: it is asked by a text of its own, and goes on until it is stopped.
#[test]
fn a_base_model_answers_until_it_is_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = judged_plan(folder.path(), "rouge_l", "", "");
    let text = fs::read_to_string(&plan).expect("a plan");
    let (head, _) = text.split_once("[[evaluators]]\nid = \"j\"").expect("a judge");
    let node = |stop: &str| {
        let shown = "Passage: Cats purr. Dogs bark.\nQuestion: What purrs?\nAnswer: cats\n\nPassage: The sky is blue.\n\
                     Question: What is blue?\nAnswer: the sky\n\nPassage: {context}\nQuestion: {prompt}\nAnswer:";
        let head = "[[inference_nodes]]\nid = \"gemma\"\nname = \"G\"\nkind = \"decoder\"\nmodel = \"gemma-3-270m\"\n";
        format!("{head}max_tokens = {{ qa = 12 }}\ntemplates = {{ qa = {shown:?} }}\n{stop}")
    };
    let answers = |name: &str, stop: &str| -> Vec<String> {
        let (plan, out) =
            (write(folder.path(), "base.toml", &(head.to_owned() + &node(stop))), folder.path().join(name));
        poq(&["precompute", &plan, "--out", out.to_str().expect("UTF-8")], "").succeeds();
        let rows = rows(&out.join("outputs.jsonl")).into_iter().filter(|row| row["node"] == "gemma");
        rows.map(|row| row["text"].as_str().expect("a text").to_owned()).collect()
    };
    let (on, stopped) = (answers("on", ""), answers("stopped", "stop = [\"\\n\"]\n"));
    for (on, stopped) in on.iter().zip(&stopped) {
        assert!(!stopped.is_empty() && on.starts_with(stopped) && on.contains('\n'), "{on:?}, {stopped:?}");
        assert!(!stopped.contains('\n'), "{stopped:?}");
    }
    assert_eq!(stopped.iter().map(|text| text.to_lowercase()).collect::<Vec<_>>(), ["paris", "white"]);
    let bad = write(folder.path(), "base.toml", &(head.to_owned() + &node("stop = [\"\"]\n")));
    poq(&["precompute", &bad, "--out", "nowhere"], "").fails(2, &["`inference_nodes[2]` (line 26)", "`stop`", "empty"]);
}

/// The same raw values as in the dataset that the plan makes, whose tasks need not be there.
#[test]
fn one_evaluator_of_a_plan_scores_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = judged_plan(folder.path(), "bi_encoder", "all-minilm-l6-v2", "");
    let text = fs::read_to_string(&plan).expect("a plan").replace("template = \"\"", "against = \"reference\"");
    let plan = write(folder.path(), "plan.toml", &text);
    let out = folder.path().join("data");
    poq(&["precompute", &plan, "--out", out.to_str().expect("UTF-8")], "").succeeds();
    let [tasks, outputs, scores] = ["tasks", "outputs", "scores"].map(|name| rows(&out.join(format!("{name}.jsonl"))));
    let of = |evaluator: &str| {
        let answers: Vec<String> = outputs
            .iter()
            .map(|output| {
                let mut row = tasks.iter().find(|task| task["id"] == output["task"]).expect("a task").clone();
                row.as_object_mut().expect("an object").remove("id");
                row["prediction"] = output["text"].clone();
                row.to_string()
            })
            .collect();
        poq(&["score", "--plan", &plan, "--evaluator", evaluator], &answers.join("\n")).succeeds().rows()
    };
    fs::remove_file(folder.path().join("t.jsonl")).expect("the tasks go");
    for evaluator in ["j", "rouge-l", "structure"] {
        let seen = of(evaluator);
        assert_eq!(seen.len(), 4);
        for (seen, output) in seen.iter().zip(&outputs) {
            let same = |row: &&Value| {
                row["evaluator"] == evaluator && row["task"] == output["task"] && row["node"] == output["node"]
            };
            let expected = scores.iter().find(same).expect("a score")["raw"].as_f64().expect("raw");
            assert_eq!(seen["raw"].as_f64(), Some(expected));
            assert_eq!(seen["score"].as_f64(), Some(10.0 * expected.clamp(0.0, 1.0)));
            assert!(seen["latency_ms"].as_f64().is_some_and(|latency| latency > 0.0));
        }
    }
    poq(&["score", "--plan", &plan, "--evaluator", "rouge-1"], "")
        .fails(2, &["unknown evaluator `rouge-1`", "`chrf`", "did you mean `rouge-l`?"]);
    poq(&["score", "--plan", &plan], "").fails(2, &["--evaluator"]);
    let rows = "{\"prompt\": \"p\", \"prediction\": \"a\"}\n";
    poq(&["score", "--plan", &plan, "--evaluator", "chrf"], rows).fails(3, &["row 1", "`references`"]);
}
