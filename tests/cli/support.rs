//! Running `poq` as a user would.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poq"));
    command.args(arguments);
    command
}

/// Runs `poq` with `input` on standard input.
pub fn poq(arguments: &[&str], input: &str) -> Ran {
    run(command(arguments), input)
}

pub fn run(mut command: Command, input: &str) -> Ran {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("poq starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    // A program that stops reading early closes the pipe; that is its right.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("poq ends");
    writer.join().expect("the writer ends");
    Ran::from(output)
}

pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// Asserts the exit code and that standard error names every one of `parts`.
    #[track_caller]
    pub fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.err);
        for part in parts {
            assert!(self.err.contains(part), "no `{part}` in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.succeeds().out).expect("JSON on standard output")
    }

    /// The JSON on standard output, whatever the exit code.
    #[track_caller]
    pub fn json_anyway(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).expect("JSON on standard output")
    }

    #[track_caller]
    pub fn rows(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("a JSON row")).collect()
    }
}

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Writes a file into `folder` and gives its path as text.
pub fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("the temporary folder is writable");
    path.to_str().expect("a UTF-8 path").to_owned()
}

/// A plan of two small tasks, two nodes and two evaluators beside its tasks; `more` goes into the first evaluator.
pub fn small_plan(folder: &Path, more: &str) -> String {
    let task = |id: usize| {
        format!(
            "{{\"id\":\"{id}\",\"kind\":\"qa\",\"prompt\":\"Who built it?\",\"references\":[\"a widow\"],\"context\":\"It was \
             built by a widow. It ran.\"}}\n"
        )
    };
    write(folder, "t.jsonl", &(task(1) + &task(2)));
    let head = "id = \"t\"\nlicences = \"none\"\n[[tasks]]\npath = \"t.jsonl\"\n";
    let part =
        |list: &str, id: &str, kind: &str| format!("[[{list}]]\nid = \"{id}\"\nname = \"n\"\nkind = \"{kind}\"\n");
    let nodes = part("inference_nodes", "lead", "lead") + &part("inference_nodes", "keyword", "keyword");
    let evaluators = part("evaluators", "rouge-l", "rouge_l") + more + "\n" + &part("evaluators", "chrf", "chrf");
    write(folder, "plan.toml", &(head.to_owned() + &nodes + &evaluators))
}
