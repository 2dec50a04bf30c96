//! What `poq` says when nobody reads it, or the disk behind it is full; and what it makes of text that commands a
//! terminal or a spreadsheet.

use std::fs::{self, OpenOptions};
use std::process::{Command, Stdio};

use crate::support::{Ran, poq, run, write};

fn shell(script: &str) -> Ran {
    let mut shell = Command::new("bash");
    shell.args(["-o", "pipefail", "-c", &script.replace("poq", env!("CARGO_BIN_EXE_poq"))]);
    run(shell, &"x\n".repeat(20_000))
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    for script in [
        "poq score 2>&1 | head -1",
        "poq score | head -1",
        "poq sweep --rounds 5 --vary seed=1:400:400 | head -1",
        "poq sweep --rounds 5 --vary seed=1:400:400 --json | head -1",
        "poq simulate --json | head -1",
        "poq reproduce --help | true; poq simulate --json | true",
    ] {
        let ran = shell(script);
        assert!(matches!(ran.code, Some(0 | 1)), "{script}: {:?} {}", ran.code, ran.err);
        assert!(!ran.err.contains("panicked") && !ran.err.contains("cannot write"), "{script}: {}", ran.err);
    }
    assert_eq!(shell("poq score | head -1").code, Some(1));
}

#[test]
fn messages_that_nobody_reads_change_nothing() {
    let full = || Stdio::from(OpenOptions::new().write(true).open("/dev/full").expect("Linux has /dev/full"));
    let ran = |arguments: &[&str], input: &str| {
        let mut command = crate::support::command(arguments);
        let folder = tempfile::tempdir().expect("a folder");
        let input = write(folder.path(), "in", input);
        let stdin = fs::File::open(input).expect("the file");
        let output = command.stdin(stdin).stderr(full()).output().expect("poq ends");
        (output.status.code(), output.stdout.len())
    };
    assert_eq!(ran(&["score"], "x\n").0, Some(3));
    assert_eq!(ran(&["simulate", "--rounds", "0"], "").0, Some(2));
    assert_eq!(ran(&["no-such-command"], "").0, Some(2));
    let (code, printed) = ran(&["audit", "--rounds", "50"], "");
    assert!(code == Some(0) && printed > 100, "{code:?} {printed}");
    assert_eq!(ran(&["check", "--rounds", "50", "--assert", "cost.chrf > 9"], "").0, Some(100));
    // The same with a pipe that is closed.
    assert_eq!(shell("poq score 2> >(true) >/dev/null").code, Some(3));
}

#[test]
fn data_that_cannot_be_written_is_a_fault_of_the_environment() {
    for command in [
        "score",
        "simulate --rounds 50",
        "simulate --json --rounds 50",
        "sweep --rounds 5 --vary seed=1,2",
        "link encode --rounds 50",
        "check --rounds 50 --assert true",
        "models list",
        "--help",
        "--version",
    ] {
        let ran = shell(&format!("poq {command} > /dev/full"));
        ran.fails(1, &["cannot write to standard output"]);
        // Both behind one full disk.
        assert_eq!(shell(&format!("poq {command} > /dev/full 2>&1")).code, Some(1), "{command}");
    }
}

#[test]
fn every_exit_code_stands_in_the_help_and_in_the_readme() {
    let help = poq(&["--help"], "");
    let codes = help.succeeds().out.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u8>().ok());
    let codes: Vec<u8> = codes.collect();
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 100, 130]);
    let readme = fs::read_to_string(crate::support::repository("README.md")).expect("README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse::<u8>().ok());
    assert_eq!(rows.collect::<Vec<_>>(), codes);
}

const ROW: &str =
    r#"{"id":"1","kind":"qa","prompt":"Who?","references":["a widow"],"context":"It was built by a widow. It ran."}"#;

/// A dataset of two nodes, of which one has the id `id` (as TOML), in a folder.
fn dataset(folder: &std::path::Path, id: &str) -> String {
    let row = |task: usize| ROW.replace("\"1\"", &format!("\"{task}\"")) + "\n";
    write(folder, "t.jsonl", &(row(1) + &row(2)));
    let node = |id: &str, kind: &str| format!("[[inference_nodes]]\nid = {id}\nname = \"n\"\nkind = \"{kind}\"\n");
    let evaluator = |kind: &str| format!("[[evaluators]]\nid = \"{kind}\"\nname = \"n\"\nkind = \"{kind}\"\n");
    let head = "id = \"t\"\nlicences = \"none\"\n[[tasks]]\npath = \"t.jsonl\"\n";
    let plan =
        [head, &node("\"lead\"", "lead"), &node(id, "keyword"), &evaluator("rouge_l"), &evaluator("chrf")].concat();
    let plan = write(folder, "plan.toml", &plan);
    let out = folder.join("data").to_str().expect("UTF-8").to_owned();
    poq(&["precompute", &plan, "--out", &out], "").succeeds();
    out
}

#[test]
fn cells_that_a_spreadsheet_would_run_are_text() {
    for id in ["=1+1", "@SUM(A1)", "-2+3", "+1+cmd"] {
        let folder = tempfile::tempdir().expect("a folder");
        let data = dataset(folder.path(), &format!("{id:?}"));
        let sweep = poq(&["sweep", "--dataset", &data, "--rounds", "20", "--vary", "reward.beta_inference=-0,0.5"], "");
        let lines: Vec<&str> = sweep.succeeds().out.lines().collect();
        assert!(lines.iter().any(|line| line.contains(&format!(",'{id},"))), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains(&format!(",{id},"))), "{lines:?}");
        // JSON is data for programs: the id is as it is.
        let report = poq(&["simulate", "--dataset", &data, "--rounds", "20", "--json"], "").json();
        assert!(report["inference_nodes"].as_array().expect("a list").iter().any(|node| node["id"] == id));
    }
    // Numbers stay numbers.
    let sweep = poq(&["sweep", "--rounds", "20", "--vary", "inference_draw=[{\"rule\":\"softmax\",\"prior\":-1}]"], "");
    assert!(!sweep.succeeds().out.contains("'-"), "{}", sweep.out);
    let rows = poq(&["sweep", "--rounds", "20", "--vary", "reward.beta_inference=3"], "");
    assert!(rows.succeeds().out.lines().any(|line| line.contains(",-")), "{}", rows.out);
}

#[test]
fn control_characters_are_escaped_in_tables_and_messages() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = dataset(folder.path(), r#""red\u001b[31m\u0007""#);
    for command in ["simulate", "audit"] {
        let ran = poq(&[command, "--dataset", &data, "--rounds", "20"], "");
        assert!(!ran.succeeds().out.contains(['\u{1b}', '\u{7}']), "{:?}", ran.out);
        assert!(ran.out.contains(r"red\u001b[31m\u0007"), "{}", ran.out);
    }
    let message = poq(&["simulate", "--set", "network.inference=[{\"model\":\"\\u001b[2J\"}]"], "");
    message.fails(2, &[r"\u001b[2J"]);
    assert!(!message.err.contains('\u{1b}'), "{:?}", message.err);
    let named = poq(&["simulate", "/no/\u{1b}[31mfile"], "");
    named.fails(2, &[r"\u001b[31mfile"]);
    let report = poq(&["simulate", "--dataset", &data, "--rounds", "20", "--json"], "").json();
    let ids = report["inference_nodes"].as_array().expect("a list");
    assert!(ids.iter().any(|node| node["id"] == "red\u{1b}[31m\u{7}"));
}
