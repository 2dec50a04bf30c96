//! Plans, tasks, scenarios and rows as people write them, by hand and with other programs.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{command, poq, run, small_plan, write};

fn precompute(plan: &str, out: &Path) -> crate::support::Ran {
    poq(&["precompute", plan, "--out", out.to_str().expect("UTF-8")], "")
}

#[test]
fn paths_in_a_plan_are_relative_to_the_plan() {
    let folder = tempfile::tempdir().expect("a folder");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let plan = small_plan(folder.path(), "");
    let in_folder = |plan: &str, out: &str| {
        let mut command = command(&["precompute", plan, "--out", out]);
        command.current_dir(elsewhere.path());
        run(command, "")
    };
    in_folder(&plan, "data").succeeds();
    assert!(elsewhere.path().join("data/manifest.json").exists());
    // What is not there is named with the place that was looked at, for tasks, nodes and evaluators.
    let looked = |change: &dyn Fn(&str) -> String, parts: &[&str]| {
        let text = fs::read_to_string(&plan).expect("the plan");
        let plan = write(folder.path(), "changed.toml", &change(&text));
        let ran = in_folder(&plan, "other");
        ran.fails(2, parts);
        assert!(ran.err.contains(folder.path().to_str().expect("UTF-8")), "{}", ran.err);
    };
    looked(&|text| text.replace("t.jsonl", "u.jsonl"), &["`tasks[0].path`", "u.jsonl", "looked at"]);
    let decoder = "\n[[inference_nodes]]\nid = \"d\"\nname = \"d\"\nkind = \"decoder\"\nmodel = \"./m.gguf\"\n";
    looked(&|text| format!("{text}{decoder}"), &["`inference_nodes[2].model`", "./m.gguf", "looked at"]);
    let encoder = "\n[[evaluators]]\nid = \"e\"\nname = \"e\"\nkind = \"bi_encoder\"\nmodel = \"no-such-model\"\nagainst = \"prompt\"\n";
    looked(&|text| format!("{text}{encoder}"), &["`evaluators[2].model`", "no-such-model", "allowed", "looked at"]);
    // A file beside the plan is found from anywhere: this one is no model, and is named by where it lies.
    write(folder.path(), "m.gguf", "");
    let text = fs::read_to_string(&plan).expect("the plan") + decoder;
    let found = write(folder.path(), "found.toml", &text);
    let ran = in_folder(&found, "third");
    assert!(!ran.err.contains("no such file"), "{}", ran.err);
}

#[test]
fn unknown_keys_of_a_plan_and_its_tasks_are_refused_with_the_nearest_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("data");
    let near = "did you mean `normalization`?";
    let plan = small_plan(folder.path(), "normalisation = \"min_max\"");
    precompute(&plan, &out).fails(2, &["plan.toml", "`evaluators[0]` (line", "`normalisation`", near]);
    let misspelt = fs::read_to_string(&plan).expect("the plan").replace("normalisation = \"min_max\"", "");
    let with = |from: &str, to: &str| write(folder.path(), "changed.toml", &misspelt.replacen(from, to, 1));
    let keyword = with("kind = \"keyword\"", "kind = \"keyword\"\ntemprature = 1");
    precompute(&keyword, &out).fails(2, &["`inference_nodes[1]` (line", "`temprature`"]);
    let top = with("licences =", "licence = 1\nlicences =");
    precompute(&top, &out).fails(2, &["`licence`", "did you mean `licences`?"]);
    let good = with("nothing", "");
    let rows = fs::read_to_string(folder.path().join("t.jsonl")).expect("rows");
    write(folder.path(), "t.jsonl", &rows.replace("\"context\"", "\"contexts\""));
    precompute(&good, &out).fails(2, &["t.jsonl row 1", "`contexts`", "did you mean `context`?"]);
    write(folder.path(), "t.jsonl", &rows.replacen("\"kind\":\"qa\"", "\"kind\":\"qa\",\"kind\":\"qa\"", 1));
    precompute(&good, &out).fails(2, &["t.jsonl row 1", "duplicate field `kind`"]);
    assert!(!out.exists());
}

#[test]
fn ids_that_instances_would_take_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = fs::read_to_string(small_plan(folder.path(), "")).expect("the plan");
    for (from, to) in [("id = \"keyword\"", "id = \"lead#1\""), ("id = \"chrf\"", "id = \"rouge-l#12\"")] {
        let plan = write(folder.path(), "changed.toml", &plan.replace(from, to));
        precompute(&plan, &folder.path().join("data"))
            .fails(2, &[to.trim_start_matches("id = ").trim_matches('"'), "instance"]);
    }
}

#[test]
fn a_k_that_nobody_set_fits_a_small_pool() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("data");
    precompute(&small_plan(folder.path(), ""), &out).succeeds();
    let data = out.to_str().expect("UTF-8");
    let line = "evaluators_per_round is 2: nobody set it, and the pool has 2";
    for command in [
        &["simulate"][..],
        &["sweep", "--vary", "seed=1,2"],
        &["check", "--assert", "rounds.chrf > 0"],
        &["audit"],
        &["compare", "--change", "consensus.rule=median"],
        &["search", "--budget", "1", "--screening-rounds", "50", "--replicates", "2"],
        &["link", "encode"],
    ] {
        let run = |more: &[&str]| poq(&[command, &["--dataset", data, "--rounds", "50"], more].concat(), "");
        let ran = run(&[]);
        assert_eq!(ran.succeeds().err.matches(line).count(), 1, "{command:?}: {}", ran.err);
        run(&["--set", "evaluators_per_round=3"]).fails(2, &["evaluators_per_round", "allowed: 1 to 2"]);
        assert!(!run(&["--set", "evaluators_per_round=2"]).succeeds().err.contains("nobody set it"));
    }
    let report = poq(&["simulate", "--dataset", data, "--rounds", "50", "--json"], "").json();
    assert_eq!(report["scenario"]["evaluators_per_round"], 2);
    assert!(!poq(&["simulate", "--rounds", "50"], "").succeeds().err.contains("nobody set it"));
}

#[test]
fn a_preset_is_named_by_its_option_or_in_a_file() {
    let digest = |arguments: &[&str], input: &str| {
        poq(&[&["simulate", "--rounds", "60", "--json"], arguments].concat(), input).json()["digest"].clone()
    };
    let preset = digest(&["--preset", "drift-under-ema"], "");
    assert_eq!(digest(&["-"], r#"{"preset": "drift-under-ema"}"#), preset);
    assert_ne!(digest(&[], ""), preset);
    let refused = |arguments: &[&str]| {
        let ran = poq(arguments, "");
        ran.fails(2, &["`preset`", "use --preset"]);
        assert_eq!(ran.out, "");
    };
    refused(&["simulate", "--set", "preset=drift-under-ema"]);
    refused(&["sweep", "--rounds", "60", "--vary", "preset=default,drift-under-ema"]);
    refused(&["compare", "--change", "preset=drift-under-ema"]);
}

#[test]
fn ids_with_dots_and_quotes_are_reached() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("data");
    let plan = fs::read_to_string(small_plan(folder.path(), "")).expect("the plan");
    let plan = plan.replace("id = \"keyword\"", "id = \"llama-3.2-1b\"").replace("id = \"chrf\"", "id = \"chr.f-2.0\"");
    precompute(&write(folder.path(), "dotted.toml", &plan), &out).succeeds();
    let data = ["--dataset", out.to_str().expect("UTF-8"), "--rounds", "50"];
    let simulated = |setting: &str| poq(&[&["simulate", "--json", "--set", setting], &data[..]].concat(), "").json();
    for setting in [
        "score_normalization.chr.f-2.0=ten",
        "score_normalization.\"chr.f-2.0\"=ten",
        "score_normalization[\"chr.f-2.0\"]=ten",
    ] {
        assert_eq!(simulated(setting)["scenario"]["score_normalization"]["chr.f-2.0"], "ten");
    }
    let sweep = ["sweep", "--vary", "score_normalization.chr.f-2.0=unit,ten"];
    assert_eq!(poq(&[&sweep, &data[..]].concat(), "").succeeds().out.lines().count(), 1 + 2 * 4);
    let check = ["check", "--assert", "reward.mean[\"llama-3.2-1b\"] > -9 && reward.p05['chr.f-2.0'] > -9"];
    poq(&[&check, &data[..]].concat(), "").succeeds();
    poq(&[&["simulate", "--set", "score_normalization.chrf-2.0=ten"], &data[..]].concat(), "")
        .fails(2, &["score_normalization.chrf-2.0", "allowed: rouge-l, chr.f-2.0", "did you mean"]);
}

#[test]
fn byte_order_marks_and_blank_lines_are_skipped_everywhere() {
    let row = r#"{"prediction":"a","references":["a"]}"#;
    let scored = poq(&["score"], &format!("\u{feff}{row}\n\n  \r\n{row}\r\n"));
    assert_eq!(scored.succeeds().rows().len(), 2);
    poq(&["score"], &format!("\n\n{}\n", row.replace("prediction", "predicted"))).fails(3, &["row 3"]);
    assert_eq!(poq(&["simulate", "-", "--json"], "\u{feff}{\"rounds\": 7}").json()["rounds"], 7);
    let folder = tempfile::tempdir().expect("a folder");
    let plan = small_plan(folder.path(), "");
    for name in ["plan.toml", "t.jsonl"] {
        let text = fs::read_to_string(folder.path().join(name)).expect("a file");
        write(folder.path(), name, &format!("\u{feff}{}", text.replace('\n', "\r\n\r\n")));
    }
    let out = folder.path().join("data");
    precompute(&plan, &out).succeeds();
    // Our own files have neither, and a copy that has is told what happened to it.
    let rows = fs::read_to_string(out.join("scores.jsonl")).expect("rows");
    fs::write(out.join("scores.jsonl"), rows.replace('\n', "\r\n")).expect("a file");
    poq(&["simulate", "--dataset", out.to_str().expect("UTF-8")], "").fails(2, &["scores.jsonl", "SHA-256", "CR LF"]);
    // UTF-16 by its name.
    let utf16 =
        |text: &str| [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (name, command) in [("plan.toml", "precompute"), ("s.json", "simulate")] {
        let path = folder.path().join(name);
        fs::write(&path, utf16("{}")).expect("a file");
        let path = path.to_str().expect("UTF-8");
        let out = if command == "precompute" { &["--out", "/nowhere"][..] } else { &[] };
        poq(&[&[command, path], out].concat(), "").fails(2, &[name, "UTF-16", "UTF-8"]);
    }
}

#[test]
fn doubled_keys_are_refused_and_whole_floats_accepted() {
    let refused = |scenario: &str, path: &str| poq(&["simulate", "-"], scenario).fails(2, &[path, "stands twice"]);
    refused(r#"{"rounds":100,"rounds":5}"#, "`rounds`");
    refused(r#"{"reward":{"alpha_inference":1,"alpha_inference":2}}"#, "`reward.alpha_inference`");
    refused(r#"{"attacks":[{"nodes":["chrf"],"kind":"boost","by":1,"by":2}]}"#, "`attacks.0.by`");
    assert_eq!(poq(&["simulate", "-", "--json"], r#"{"rounds":100.0}"#).json()["rounds"], 100);
    assert_eq!(poq(&["simulate", "--rounds", "1e3", "--json"], "").json()["rounds"], 1000);
    assert_eq!(
        poq(&["simulate", "--set", "evaluators_per_round=2.0", "--rounds", "9", "--json"], "").json()["rounds"],
        9
    );
    poq(&["simulate", "--rounds", "10.5"], "").fails(2, &["`rounds`", "10.5"]);
}

#[test]
fn squad_is_read_whole_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let question = |id: &str| {
        format!(
            r#"{{"version":"1","data":[{{"title":"t","paragraphs":[{{"context":"It was built by a widow.","qas":[{{"id":{id},"question":"Who?","answers":[{{"text":"a widow","answer_start":16}}]}}]}}]}}]}}"#
        )
    };
    let plan = fs::read_to_string(small_plan(folder.path(), "")).expect("the plan").replace("t.jsonl", "t.json");
    let plan = write(folder.path(), "squad.toml", &plan);
    let tasks = |text: &str, out: &str| {
        write(folder.path(), "t.json", text);
        let out = folder.path().join(out);
        precompute(&plan, &out).succeeds();
        let rows = fs::read_to_string(out.join("tasks.jsonl")).expect("tasks");
        rows.lines().map(|row| serde_json::from_str(row).expect("a row")).collect::<Vec<Value>>()
    };
    let out = folder.path().join("none");
    write(folder.path(), "t.json", &(question("\"1\"") + "\n" + &question("\"2\"")));
    precompute(&plan, &out).fails(2, &["t.json", "trailing characters", "two files joined"]);
    assert_eq!(tasks(&question("1"), "integer")[0]["id"], "1");
    let row = r#"{"id":"1","title":"t","context":"It was built by a widow.","question":"Who?","answers":{"text":["a widow"],"answer_start":[16]}}"#;
    let rows = tasks(&format!("{{\"data\":[{row}]}}"), "rows");
    assert_eq!((&rows[0]["id"], &rows[0]["references"][0]), (&"1".into(), &"a widow".into()));
    write(folder.path(), "t.json", &question("1.5"));
    precompute(&plan, &out).fails(2, &["data[0].paragraphs[0].qas[0].id", "1.5", "allowed"]);
}

/// Questions without an answer, and an evaluator that is blind on these tasks.
#[test]
fn unanswerable_questions_and_blind_evaluators_are_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = small_plan(folder.path(), "");
    let task = |id: usize, reference: &str, context: &str| {
        format!(
            "{{\"id\":\"{id}\",\"kind\":\"qa\",\"prompt\":\"Who?\",\"references\":[\"{reference}\"],\"context\":\"{context}\"}}\n"
        )
    };
    let rain =
        task(1, "", "Rain fell. It was late.") + &task(2, "", "") + &task(3, "Rain fell", "Rain fell. It was late.");
    write(folder.path(), "t.jsonl", &rain);
    let out = folder.path().join("data");
    precompute(&plan, &out).succeeds();
    let scores = fs::read_to_string(out.join("scores.jsonl")).expect("rows");
    let right = scores.lines().map(|row| serde_json::from_str::<Value>(row).expect("a row"));
    // Task 2 has no text: both nodes say nothing, which is right.
    let right: Vec<f64> = right.filter(|row| row["task"] == "2").filter_map(|row| row["raw"].as_f64()).collect();
    assert_eq!(right, [1.0; 4]);
    let audit = poq(&["audit", "--dataset", out.to_str().expect("UTF-8"), "--rounds", "50"], "");
    let out_text = &audit.succeeds().out;
    assert!(out_text.contains(" answerable ") && out_text.contains(" unanswerable "), "{out_text}");
    assert!(!poq(&["audit", "--rounds", "50"], "").succeeds().out.contains("answerable"));

    write(folder.path(), "t.jsonl", &(task(1, "北京", "北京。首都是北京。") + &task(2, "上海", "上海。城市是上海。")));
    let cjk = folder.path().join("cjk");
    let ran = precompute(&plan, &cjk);
    let line = "rouge-l: this evaluator never differs from 0 on all tasks";
    assert!(ran.succeeds().err.contains(line) && !ran.err.contains("chrf: this"), "{}", ran.err);
    let cjk = cjk.to_str().expect("UTF-8");
    assert!(poq(&["audit", "--dataset", cjk, "--rounds", "50"], "").succeeds().out.contains(line));
    let json = poq(&["audit", "--dataset", cjk, "--rounds", "50", "--json"], "").json();
    assert!(json["notices"][0].as_str().is_some_and(|notice| notice.contains(line)));
}

#[test]
fn progress_speaks_in_three_digits_and_no_bytes() {
    let ran = poq(&["simulate", "--rounds", "9000000", "--json"], "");
    let line =
        ran.succeeds().err.lines().find(|line| line.starts_with("simulate:")).expect("a line of progress").to_owned();
    let rate = line.split(", ").last().and_then(|last| last.strip_suffix(" a second")).map(str::to_owned);
    assert!(line.contains("9,000,000 of 9,000,000 rounds"), "{line}");
    let rate = line
        .rsplit_once(" rounds, ")
        .and_then(|(_, rate)| rate.strip_suffix(" a second"))
        .or(rate.as_deref())
        .expect("a rate");
    let digits = rate.replace([',', '.'], "");
    assert!(digits.trim_start_matches('0').trim_end_matches('0').len() <= 3, "{line}");
    assert!(poq(&["models", "list"], "").succeeds().out.contains(" MB\t"));
}
