//! `poq precompute`: models x tasks -> outputs -> scores -> a dataset.
//!
//! Rows are appended to `outputs.jsonl` and `scores.jsonl` of the output folder as they come, task by task;
//! `manifest.json` is written last and makes the folder a dataset. A run that was ended in any way goes on with
//! `--resume` where it stood: each row is made once. `.precompute` holds the plan that the rows belong to, is locked
//! while a run lasts, and goes away at the end.

mod beside;
pub mod evaluators;
mod hardware;
mod journal;
mod nodes;
pub mod plan;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use poq_core::dataset::{DatasetFiles, Manifest, Output, ScoreRow, Task};
use serde::Serialize;

use crate::console::say;
use crate::fault::{Blame as _, Fault, Outcome};
use crate::models::Models;
use crate::progress::Progress;
use crate::words::so_many;
use crate::{dataset, hash, interrupt};
use evaluators::Evaluator;
use journal::Journal;
use nodes::Node;
use plan::{EvaluatorPlan, NodePlan, Plan};

const MANIFEST: &str = DatasetFiles::NAMES[0];
const TASKS: &str = DatasetFiles::NAMES[1];
const OUTPUTS: &str = DatasetFiles::NAMES[2];
const SCORES: &str = DatasetFiles::NAMES[3];
const MARKER: &str = ".precompute";

#[derive(Args)]
pub struct Arguments {
    /// The plan (TOML): tasks, inference nodes, evaluators
    plan: PathBuf,
    /// Folder of the dataset; made where it is absent
    #[arg(long)]
    out: PathBuf,
    /// Go on where an earlier run of the same plan stood
    #[arg(long)]
    resume: bool,
}

/// What the rows in a folder were made from: a run may go on only with the same.
#[derive(Serialize)]
struct Fingerprint<'a> {
    plan: &'a Plan,
    tasks: &'a [Task],
    models: Vec<Option<String>>,
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let (plan, tasks) = Plan::read(&arguments.plan)?;
    let out = &arguments.out;
    let models = Models::default();
    let inference_nodes = plan
        .inference_nodes
        .iter()
        .map(|node| Ok(node.entry(nodes::model_name(&node.kind, &models)?)))
        .collect::<Outcome<Vec<_>>>()?;
    let evaluator_entries = plan
        .evaluators
        .iter()
        .map(|evaluator| Ok(evaluator.entry(evaluators::model_name(&evaluator.kind, &models)?)))
        .collect::<Outcome<Vec<_>>>()?;
    let names = inference_nodes
        .iter()
        .map(|entry| entry.model.clone())
        .chain(evaluator_entries.iter().map(|entry| entry.model.clone()))
        .collect();
    let fingerprint = serde_json::to_vec(&Fingerprint { plan: &plan, tasks: &tasks, models: names })
        .environment("cannot serialise the plan")?;
    let fingerprint = hash::of_bytes(&fingerprint);

    fs::create_dir_all(out).environment(format!("cannot make {}", out.display()))?;
    let Some(_lock) = claim(out, &fingerprint, arguments.resume)? else {
        say(format_args!("{} is complete; nothing to do", out.display()));
        return Ok(());
    };
    write_whole(&out.join(TASKS), &task_lines(&tasks)?)?;
    // Models that cannot do what the plan asks are refused before any row is made.
    let load = |evaluator| Evaluator::load(evaluator, &models);
    let evaluators = plan.evaluators.iter().map(load).collect::<Outcome<Vec<_>>>()?;
    let mut failed = 0;
    let outputs = answer_all(&plan, &tasks, &models, out, &mut failed)?;
    score_all(&evaluators, &plan, &tasks, &outputs, out, &mut failed)?;
    if failed > 0 {
        let advice = "is not complete: run again with --resume to try the failed rows again";
        say(format_args!("poq: {} {advice}", out.display()));
        return Err(Fault::Rows { failed });
    }

    let manifest = Manifest {
        schema: 1,
        id: plan.id.clone(),
        inference_nodes,
        evaluators: evaluator_entries,
        files: [TASKS, OUTPUTS, SCORES]
            .into_iter()
            .map(|name| Ok((name.to_owned(), journal::describe(&out.join(name))?)))
            .collect::<Outcome<_>>()?,
        hardware: hardware::describe(),
        licences: plan.licences.clone(),
        made_by: format!(
            "poq precompute {} (burn, CPU, decoders' weights as stored), plan and tasks sha256 {fingerprint}",
            env!("CARGO_PKG_VERSION")
        ),
    };
    write_whole(&out.join(MANIFEST), manifest.to_json().as_bytes())?;
    let complete = dataset::load(Some(out), "")?;
    fs::remove_file(out.join(MARKER)).environment(format!("cannot remove {}", out.join(MARKER).display()))?;
    let (tasks, outputs) = (so_many(tasks.len(), "tasks"), so_many(outputs.len(), "outputs"));
    say(format_args!("{}: {tasks}, {outputs}, complete", out.display()));
    complete.notices().iter().for_each(say);
    Ok(())
}

/// Takes the folder for this run: the lock, or none where the dataset is complete already.
fn claim(out: &Path, fingerprint: &str, resume: bool) -> Outcome<Option<File>> {
    let path = out.join(MARKER);
    let doing = || format!("cannot open {}", path.display());
    let is_dataset = out.join(MANIFEST).exists();
    let has_rows = fs::metadata(out.join(OUTPUTS)).is_ok_and(|metadata| metadata.len() > 0);
    if is_dataset && !path.exists() {
        if resume {
            dataset::load(Some(out), "")?;
            return Ok(None);
        }
        return Err(Fault::input(format!(
            "{} holds a dataset already; name another folder or remove it",
            out.display()
        )));
    }
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).environment(doing())?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let message = format!("another `poq precompute` is at work on {}", out.display());
            return Err(Fault::Environment(anyhow::anyhow!(message)));
        }
        Err(TryLockError::Error(error)) => return Err(error).environment(doing()),
    }
    let mut marked = String::new();
    file.read_to_string(&mut marked).environment(doing())?;
    if !has_rows {
        // Where no row was made, as where a model was refused, nothing is lost to another plan.
        file.set_len(0).and_then(|()| file.rewind()).environment(doing())?;
        file.write_all(fingerprint.as_bytes()).and_then(|()| file.sync_all()).environment(doing())?;
    } else if marked.is_empty() {
        let message = format!("{} holds rows of an unknown plan; name another folder or remove it", out.display());
        return Err(Fault::input(message));
    } else if marked != fingerprint {
        let message = "holds rows of another plan, other tasks or other models; name another folder or remove it";
        return Err(Fault::input(format!("{} {message}", out.display())));
    } else if !resume {
        let message = "holds an unfinished run of this plan; go on with --resume, or remove the folder";
        return Err(Fault::input(format!("{} {message}", out.display())));
    }
    Ok(Some(file))
}

/// Every node's answer to every task; those that are in the journal are kept. The nodes take turns on each task, so
/// that a change in the machine's load falls on all of them alike.
fn answer_all(plan: &Plan, tasks: &[Task], models: &Models, out: &Path, failed: &mut usize) -> Outcome<Vec<Output>> {
    let (mut journal, rows) = Journal::open::<Output>(&out.join(OUTPUTS))?;
    let mut done: HashMap<(String, String), Output> =
        rows.into_iter().map(|row| ((row.node.clone(), row.task.clone()), row)).collect();
    let key = |node: &NodePlan, task: &Task| (node.id.clone(), task.id.clone());
    let nodes = plan
        .inference_nodes
        .iter()
        .map(|node| {
            let missing = tasks.iter().filter(|task| !done.contains_key(&key(node, task))).count();
            Ok((node, if missing > 0 { Some(Node::load(node, models)?) } else { None }, missing))
        })
        .collect::<Outcome<Vec<_>>>()?;
    let missing = nodes.iter().map(|(_, _, missing)| *missing as u64).sum();
    let mut progress = Progress::new("inference nodes", "answers", missing);
    let mut outputs = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        for (node_plan, node, _) in &nodes {
            if let Some(output) = done.remove(&key(node_plan, task)) {
                outputs.push(output);
                continue;
            }
            interrupt::check()?;
            let Some(node) = node else { continue };
            let answer = node.answer(plan, index, task);
            interrupt::check()?;
            match answer {
                Ok(output) => {
                    journal.append(&output)?;
                    outputs.push(output);
                }
                Err(Fault::Input(error)) => {
                    *failed += 1;
                    say(format_args!("poq: node `{}`, task `{}`: {error:#}", node_plan.id, task.id));
                }
                Err(fault) => return Err(fault),
            }
            progress.advance(1);
        }
    }
    journal.sync()?;
    progress.finish();
    for notice in nodes.iter().filter_map(|(_, node, _)| node.as_ref()?.notice()) {
        say(notice);
    }
    Ok(outputs)
}

/// Every evaluator's score of every answer; those that are in the journal are kept. The evaluators take turns on each
/// answer, as the nodes on each task.
fn score_all(
    evaluators: &[Evaluator<'_>],
    plan: &Plan,
    tasks: &[Task],
    outputs: &[Output],
    out: &Path,
    failed: &mut usize,
) -> Outcome {
    let (mut journal, rows) = Journal::open::<ScoreRow>(&out.join(SCORES))?;
    let done: HashSet<(String, String, String)> =
        rows.into_iter().map(|row| (row.evaluator, row.node, row.task)).collect();
    let is_done = |evaluator: &EvaluatorPlan, output: &Output| {
        done.contains(&(evaluator.id.clone(), output.node.clone(), output.task.clone()))
    };
    let tasks: HashMap<&str, &Task> = tasks.iter().map(|task| (task.id.as_str(), task)).collect();
    let missing: usize = plan
        .evaluators
        .iter()
        .map(|evaluator| outputs.iter().filter(|output| !is_done(evaluator, output)).count())
        .sum();
    let mut progress = Progress::new("evaluators", "scores", missing as u64);
    for output in outputs {
        for (evaluator_plan, evaluator) in plan.evaluators.iter().zip(evaluators) {
            if is_done(evaluator_plan, output) {
                continue;
            }
            interrupt::check()?;
            match evaluator.score(tasks[output.task.as_str()], output) {
                Ok(score) => journal.append(&score)?,
                Err(Fault::Input(error)) => {
                    *failed += 1;
                    say(format_args!(
                        "poq: evaluator `{}`, node `{}`, task `{}`: {error:#}",
                        evaluator_plan.id, output.node, output.task
                    ));
                }
                Err(fault) => return Err(fault),
            }
            progress.advance(1);
        }
    }
    journal.sync()?;
    progress.finish();
    for notice in evaluators.iter().filter_map(Evaluator::notice) {
        say(notice);
    }
    Ok(())
}

fn task_lines(tasks: &[Task]) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    for task in tasks {
        serde_json::to_writer(&mut bytes, task).environment("cannot serialise a task")?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// Writes a file so that it is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Outcome {
    let doing = || format!("cannot write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).environment(doing())?;
    file.write_all(bytes).environment(doing())?;
    file.as_file().sync_all().environment(doing())?;
    // Temporary files are private; a dataset is read by web servers too.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644)).environment(doing())?;
    }
    file.persist(path).environment(doing())?;
    Ok(())
}
