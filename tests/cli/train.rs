//! `poq train`, on a random encoder of a few kilobytes and a shipped dataset.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Ran, poq, repository, write};

/// A folder with the tiny encoder, whose tokenizer joins pairs, and a plan that starts from it.
fn begun(fields: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let base = folder.path().join("base");
    fs::create_dir(&base).expect("a folder");
    let tiny = repository("models/tests/fixtures/tiny-bert");
    for name in ["config.json", "model.safetensors"] {
        fs::copy(tiny.join(name), base.join(name)).expect("a copy");
    }
    let tokenizer = fs::read(tiny.join("tokenizer.json")).expect("a file");
    let mut tokenizer: Value = serde_json::from_slice(&tokenizer).expect("JSON");
    tokenizer["post_processor"]["pair"] = serde_json::json!([
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 1}}
    ]);
    fs::write(base.join("tokenizer.json"), tokenizer.to_string()).expect("a file");
    plan(folder.path(), fields);
    folder
}

fn plan(folder: &Path, fields: &str) {
    let common = "dataset = \"poq-lab-1\"\nbase = \"base\"\nmax_tokens = 16\n";
    fs::write(folder.join("plan.toml"), format!("{common}{fields}")).expect("a file");
}

fn train(folder: &Path, options: &[&str]) -> Ran {
    let (plan, out) = (folder.join("plan.toml"), folder.join("judges"));
    let mut arguments = vec!["train", plan.to_str().expect("UTF-8"), "--out", out.to_str().expect("UTF-8")];
    arguments.extend(options);
    poq(&arguments, "")
}

#[test]
fn judges_are_trained_and_scored_with() {
    let folder = begun("objective = \"quality\"\nfolds = 3\nepochs = 1\n");
    let ran = train(folder.path(), &[]);
    ran.succeeds();
    for part in
        ["judge 3: 1 epoch, epoch 1 kept", "Pearson", "Spearman", ", 95% ", " to ", "token F1", "0.747", "poq-lab-1"]
    {
        assert!(ran.out.contains(part), "no `{part}` in: {}", ran.out);
    }
    train(folder.path(), &[]).fails(2, &["is complete", "--resume"]);
    let again = train(folder.path(), &["--resume", "--json"]);
    let training: Value = serde_json::from_str(&again.succeeds().out).expect("JSON");
    let folds = training["folds"].as_array().expect("a list");
    let held_out: usize = folds.iter().map(|fold| fold["held_out"].as_array().expect("a list").len()).sum();
    let tasks =
        fs::read_to_string(repository("static/datasets/poq-lab-1/tasks.jsonl")).expect("a file").lines().count();
    assert_eq!((folds.len(), held_out), (3, tasks), "each task is held out once");

    let evaluators = "id = \"x\"\nlicences = \"\"\n[[tasks]]\npath = \"tasks.jsonl\"\n\
         [[inference_nodes]]\nid = \"n\"\nname = \"N\"\nkind = \"lead\"\n\
         [[evaluators]]\nid = \"judge\"\nname = \"Judge\"\nkind = \"cross_encoder\"\n\
         model = \"judges/fold-1\"\nagainst = \"prompt\"\n\
         normalization = \"unit\"\n";
    let scoring = write(folder.path(), "scoring.toml", evaluators);
    write(
        folder.path(),
        "tasks.jsonl",
        "{\"id\": \"t\", \"kind\": \"qa\", \"prompt\": \"the cat\", \"references\": [\"cat\"]}\n",
    );
    let row = "{\"prompt\": \"the cat\", \"prediction\": \"the dog\", \"references\": [\"cat\"]}\n";
    let scored = poq(&["score", "--plan", &scoring, "--evaluator", "judge"], row);
    let raw = scored.succeeds().rows()[0]["raw"].as_f64().expect("a number");
    assert!((0.0..=1.0).contains(&raw), "{raw}");

    let cross_fitted = evaluators.replace("judges/fold-1", "judges");
    let scoring = write(folder.path(), "scoring.toml", &cross_fitted);
    let raw_of = |fold: usize| {
        let one = write(folder.path(), "one.toml", &evaluators.replace("fold-1", &format!("fold-{fold}")));
        let task = &held_out_task(&training["folds"][fold - 1]["held_out"][0]);
        let of = |plan: &str| {
            let scored = poq(&["score", "--plan", plan, "--evaluator", "judge"], task);
            scored.succeeds().rows()[0]["raw"].as_f64().expect("a number")
        };
        (of(&scoring), of(&one))
    };
    for fold in 1..=3 {
        let (cross_fitted, alone) = raw_of(fold);
        assert_eq!(cross_fitted, alone, "a task is scored by the judge that did not see its passage: {fold}");
    }
    let all: Vec<f64> = (1..=3).map(|fold| raw_of(fold).0).collect();
    assert!(all[0] != all[1] && all[1] != all[2], "judges differ: {all:?}");
    for (plan, file) in [(&cross_fitted, "training.json"), (&evaluators.to_owned(), "model.safetensors")] {
        let plan = write(folder.path(), "made.toml", plan);
        let made = folder.path().join(format!("made-{file}"));
        let ran = poq(&["precompute", &plan, "--out", made.to_str().expect("UTF-8")], "");
        let is_strange = ran.succeeds().err.contains("in 1 of its scores the passage is, to the letter, none that");
        assert_eq!(is_strange, file == "training.json", "what the judges may have learnt from is told");
        let manifest = fs::read(made.join("manifest.json")).expect("a manifest");
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        let spec = &manifest["evaluators"][0]["spec"];
        assert_eq!((&spec["file"], &spec["trained_for"]), (&file.into(), &"quality".into()), "{spec}");
    }
    let weights = folder.path().join("judges/fold-2/model.safetensors");
    let mut bytes = fs::read(&weights).expect("a file");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&weights, bytes).expect("a file");
    poq(&["score", "--plan", &scoring, "--evaluator", "judge"], row)
        .fails(2, &["fold-2", "model.safetensors", "not the weights that were trained", "training.json"]);

    plan(folder.path(), "objective = \"relevance\"\nfolds = 3\nepochs = 1\n");
    train(folder.path(), &["--resume"]).fails(2, &["another plan", "another folder"]);
}

/// A row of `poq score` for a task of the dataset.
fn held_out_task(id: &Value) -> String {
    let tasks = fs::read_to_string(repository("static/datasets/poq-lab-1/tasks.jsonl")).expect("a file");
    let mut tasks = tasks.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let task = tasks.find(|task| task["id"] == *id).expect("a task of the dataset");
    let mut row =
        serde_json::json!({"prediction": "the dog", "prompt": task["prompt"], "references": task["references"]});
    if let Some(context) = task.get("context") {
        row["context"] = context.clone();
    }
    format!("{row}\n")
}

#[test]
fn convolutions_are_trained_and_scored_with() {
    let folder = begun("objective = \"quality\"\narchitecture = \"text_cnn\"\nfolds = 3\nepochs = 1\n");
    train(folder.path(), &[]).succeeds();
    let scoring = write(
        folder.path(),
        "scoring.toml",
        "id = \"x\"\nlicences = \"\"\n[[tasks]]\npath = \"tasks.jsonl\"\n\
         [[inference_nodes]]\nid = \"n\"\nname = \"N\"\nkind = \"lead\"\n\
         [[evaluators]]\nid = \"cnn\"\nname = \"CNN\"\nkind = \"cross_encoder\"\n\
         model = \"judges\"\nagainst = \"prompt\"\nnormalization = \"unit\"\n",
    );
    let row = "{\"prompt\": \"the cat\", \"prediction\": \"the dog\", \"references\": [\"cat\"]}\n";
    let scored = poq(&["score", "--plan", &scoring, "--evaluator", "cnn"], row);
    let raw = scored.succeeds().rows()[0]["raw"].as_f64().expect("a number");
    assert!((0.0..=1.0).contains(&raw), "{raw}");
}

#[test]
fn relevance_is_learnt_from_the_passages_of_a_dataset() {
    let folder = begun("objective = \"relevance\"\nfolds = 3\nepochs = 1\n");
    let ran = train(folder.path(), &[]);
    ran.succeeds();
    assert!(ran.out.contains("whether the passage belongs to the question"), "{}", ran.out);
    assert!(!ran.out.contains("0.747"), "that figure is of quality: {}", ran.out);
}

#[test]
fn plans_that_nothing_can_be_learnt_by_are_refused() {
    for (fields, parts) in [
        ("", ["plan.toml", "objective"]),
        ("objective = \"beauty\"\n", ["beauty", "quality"]),
        ("objective = \"quality\"\nepoch = 3\n", ["epoch", "unknown field"]),
        ("objective = \"quality\"\narchitecture = \"rnn\"\n", ["rnn", "text_cnn"]),
        ("objective = \"quality\"\narchitecture = \"text_cnn\"\nlayers = 2\n", ["`layers`", "text_cnn"]),
        ("objective = \"quality\"\nlayers = 0\n", ["layers", "1 or more"]),
        ("objective = \"quality\"\nfolds = 2\n", ["folds", "3 to 20"]),
        ("objective = \"quality\"\nfolds = 3\nlearning_rate = 0.0\n", ["learning_rate", "above 0"]),
    ] {
        let folder = begun(fields);
        train(folder.path(), &[]).fails(2, &parts);
        assert!(!folder.path().join("judges").exists(), "nothing is begun: {fields}");
    }
    let folder = begun("objective = \"quality\"\n");
    fs::create_dir(folder.path().join("judges")).expect("a folder");
    fs::write(folder.path().join("judges/mine.txt"), "").expect("a file");
    train(folder.path(), &[]).fails(2, &["not empty"]);
    let other = begun("objective = \"quality\"\n");
    fs::write(other.path().join("plan.toml"), "dataset = \"poq-lab-9\"\nbase = \"base\"\nobjective = \"quality\"\n")
        .expect("a file");
    train(other.path(), &[]).fails(2, &["`dataset`", "poq-lab-9", "poq-lab-1"]);
}
