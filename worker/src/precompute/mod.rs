//! `poq precompute`: models x tasks -> outputs -> scores -> a dataset.
//!
//! Rows are appended to `outputs.jsonl` and `scores.jsonl` of the output folder as they come, task by task;
//! `manifest.json` is written last and makes the folder a dataset. A run that was ended in any way goes on with
//! `--resume` where it stood: each row is made once. The same option adds to a dataset: nodes and evaluators that it
//! has, and that the plan describes in the same words, keep their rows ([`folder`]). With `--rescore` the scores of the
//! evaluators that run are made once more, in place of those that are there.

mod beside;
pub mod evaluators;
mod folder;
mod hardware;
mod journal;
mod nodes;
pub mod plan;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use poq_core::dataset::{DatasetFiles, Manifest, Output, ScoreRow, Task};
use poq_core::json;
use serde::Serialize;

use crate::console::say;
use crate::fault::{Blame as _, Fault, Outcome};
use crate::models::Models;
use crate::progress::Progress;
use crate::words::so_many;
use crate::{dataset, hash, interrupt};
pub use beside::ModelName;
use evaluators::Evaluator;
use folder::{Folder, Made};
use journal::Journal;
use nodes::Node;
use plan::{EvaluatorPlan, Plan};

const MANIFEST: &str = DatasetFiles::NAMES[0];
const TASKS: &str = DatasetFiles::NAMES[1];
const OUTPUTS: &str = DatasetFiles::NAMES[2];
const SCORES: &str = DatasetFiles::NAMES[3];

#[derive(Args)]
pub struct Arguments {
    /// The plan (TOML): tasks, inference nodes, evaluators
    plan: PathBuf,
    /// Folder of the dataset; made where it is absent
    #[arg(long)]
    out: PathBuf,
    /// Go on where an earlier run of the plan stood, or add to the dataset that is there
    #[arg(long)]
    resume: bool,
    /// Run only these inference nodes of the plan, by id, separated by commas; those with rows stay
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    nodes: Option<Vec<String>>,
    /// Run only these evaluators of the plan, by id, separated by commas; those with rows stay
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    evaluators: Option<Vec<String>>,
    /// Take away what these evaluators have scored, and score it again: in one sitting, on this machine. Where that is
    /// broken off, --resume alone goes on
    #[arg(long, requires = "resume")]
    rescore: bool,
}

/// What a run keeps of the rows that are in its folder.
#[derive(Clone, Copy, PartialEq)]
enum Keeping {
    /// There may be none.
    Nothing,
    /// All of them.
    All,
    /// All but the scores by the evaluators that are asked for.
    AllButAskedScores,
}

impl Arguments {
    fn keeping(&self) -> Keeping {
        match (self.resume, self.rescore) {
            (false, _) => Keeping::Nothing,
            (true, false) => Keeping::All,
            (true, true) => Keeping::AllButAskedScores,
        }
    }
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let asked_in = |ids: &Option<Vec<String>>, id: &str| ids.as_ref().is_none_or(|ids| ids.iter().any(|of| of == id));
    let node_is_asked = |id: &str| asked_in(&arguments.nodes, id);
    let evaluator_is_asked = |id: &str| asked_in(&arguments.evaluators, id);
    let (mut plan, tasks) = Plan::read(&arguments.plan, &node_is_asked, &evaluator_is_asked)?;
    keep_only(&mut plan.inference_nodes, "--nodes", &arguments.nodes, |node| &node.id)?;
    keep_only(&mut plan.evaluators, "--evaluators", &arguments.evaluators, |evaluator| &evaluator.id)?;
    let out = &arguments.out;
    let models = Models::default();
    let task_lines = lines(&tasks)?;
    let keeping = arguments.keeping();
    let asked = Made {
        id: plan.id.clone(),
        tasks: hash::of_bytes(&task_lines),
        inference_nodes: plan
            .inference_nodes
            .iter()
            .map(|node| node.entry(|model| models.decoder_file(model)))
            .collect::<Outcome<_>>()?,
        evaluators: plan
            .evaluators
            .iter()
            .map(|evaluator| evaluator.entry(|model| models.file_of(&evaluator.spec, model)))
            .collect::<Outcome<_>>()?,
        hardware: vec![hardware::describe()],
        rescored: Vec::new(),
    };
    let Some((mut folder, mut made)) = Folder::claim(out, &asked, keeping)? else {
        say(format_args!("{} is complete; nothing to do", out.display()));
        return Ok(());
    };
    if made.inference_nodes.iter().all(|node| !node.in_default_network) {
        let message = "field `in_default_network`: no inference node has it true; allowed: at least one";
        return Err(Fault::input(format!("{}: {message}", arguments.plan.display())));
    }
    // Models that cannot do what the plan asks are refused while what the folder has is as it was.
    let load = |evaluator| Evaluator::load(evaluator, &models);
    let evaluators = plan.evaluators.iter().map(load).collect::<Outcome<Vec<_>>>()?;
    let (mut answers, outputs) = Journal::open::<Output>(&out.join(OUTPUTS))?;
    let work = Work::load(&plan, &tasks, &outputs, &models)?;
    folder.begin(&made, &task_lines)?;
    let mut failed = 0;
    let outputs = answer_all(work, &tasks, &mut answers, outputs, &mut failed)?;
    folder.forget(&mut made)?;
    let scores = score_all(&evaluators, &plan, &tasks, &outputs, out, &mut failed)?;
    if failed > 0 {
        let advice = "is not complete: run again with --resume to try the failed rows again";
        say(format_args!("poq: {} {advice}", out.display()));
        return Err(Fault::Rows { failed });
    }
    let missing = missing(&made, tasks.len(), &outputs, &scores);
    if !missing.is_empty() {
        // Those of the folder that were not asked for.
        let advice = "run again with --resume and these";
        say(format_args!("{} is no dataset yet: {}; {advice}", out.display(), missing.join("; ")));
        return Ok(());
    }

    let fingerprint = Made { hardware: Vec::new(), ..made.clone() };
    let fingerprint = serde_json::to_vec(&fingerprint).environment("cannot serialise the plan")?;
    let manifest = Manifest {
        schema: 2,
        id: made.id,
        inference_nodes: made.inference_nodes,
        evaluators: made.evaluators,
        files: [TASKS, OUTPUTS, SCORES]
            .into_iter()
            .map(|name| Ok((name.to_owned(), journal::describe(&out.join(name))?)))
            .collect::<Outcome<_>>()?,
        hardware: made.hardware.join(folder::AND),
        licences: plan.licences.clone(),
        made_by: format!(
            "poq precompute {} (burn, CPU, decoders' weights as stored), plan and tasks sha256 {}",
            env!("CARGO_PKG_VERSION"),
            hash::of_bytes(&fingerprint)
        ),
    };
    write_whole(&out.join(MANIFEST), manifest.to_json().as_bytes())?;
    let complete = dataset::in_folder(out)?;
    folder.finish()?;
    let (tasks, outputs) = (so_many(tasks.len(), "tasks"), so_many(outputs.len(), "outputs"));
    say(format_args!("{}: {tasks}, {outputs}, complete", out.display()));
    complete.notices().iter().for_each(say);
    Ok(())
}

/// Leaves of a plan's list those whose ids an option names; all where it names none.
fn keep_only<T>(list: &mut Vec<T>, option: &str, ids: &Option<Vec<String>>, id: impl Fn(&T) -> &str) -> Outcome {
    let Some(ids) = ids else { return Ok(()) };
    if let Some(unknown) = ids.iter().find(|wanted| !list.iter().any(|entry| id(entry) == wanted.as_str())) {
        let known: Vec<String> = list.iter().map(|entry| format!("`{}`", id(entry))).collect();
        let message = format!("{option}: unknown id `{unknown}`; allowed: {}", known.join(", "));
        return Err(Fault::input(json::with_nearest(&message)));
    }
    list.retain(|entry| ids.iter().any(|wanted| id(entry) == wanted.as_str()));
    Ok(())
}

/// In words, who of `made` has not as many rows as there are tasks or answers.
fn missing(made: &Made, tasks: usize, outputs: &[Output], scores: &HashMap<String, usize>) -> Vec<String> {
    let answers = outputs.iter().fold(HashMap::<&str, usize>::new(), |mut counts, output| {
        *counts.entry(&output.node).or_default() += 1;
        counts
    });
    let nodes = made.inference_nodes.iter().filter_map(|node| {
        let has = answers.get(node.id.as_str()).copied().unwrap_or(0);
        (has < tasks).then(|| format!("`{}` has answered {has} of {tasks} tasks", node.id))
    });
    let evaluators = made.evaluators.iter().filter_map(|evaluator| {
        let (has, of) = (scores.get(&evaluator.id).copied().unwrap_or(0), outputs.len());
        (has < of).then(|| format!("`{}` has scored {has} of {of} answers", evaluator.id))
    });
    nodes.chain(evaluators).collect()
}

/// What the inference nodes of a plan have still to answer.
struct Work<'a> {
    /// By node, with its id; none where it has answered all.
    nodes: Vec<(&'a str, Option<Node<'a>>)>,
    /// Node and task of the answers that are there.
    done: HashSet<(String, String)>,
    /// Answers that are not.
    missing: u64,
}

impl<'a> Work<'a> {
    /// Loads the nodes that have not answered all.
    fn load(plan: &'a Plan, tasks: &[Task], outputs: &[Output], models: &Models) -> Outcome<Self> {
        let done = outputs.iter().map(|output| (output.node.clone(), output.task.clone())).collect();
        let mut work = Self { nodes: Vec::new(), done, missing: 0 };
        for node in &plan.inference_nodes {
            let missing = tasks.iter().filter(|task| !work.is_done(&node.id, task)).count() as u64;
            work.missing += missing;
            work.nodes.push((&node.id, if missing > 0 { Some(Node::load(node, models)?) } else { None }));
        }
        Ok(work)
    }

    fn is_done(&self, node: &str, task: &Task) -> bool {
        self.done.contains(&(node.to_owned(), task.id.clone()))
    }
}

/// Every node's answer to every task; those that are there are kept. The nodes take turns on each task, so
/// that a change in the machine's load falls on all of them alike. Gives all answers in the journal, task by task.
fn answer_all(
    work: Work<'_>,
    tasks: &[Task],
    journal: &mut Journal,
    mut outputs: Vec<Output>,
    failed: &mut usize,
) -> Outcome<Vec<Output>> {
    let mut progress = Progress::new("inference nodes", "answers", work.missing);
    for (index, task) in tasks.iter().enumerate() {
        for (id, node) in &work.nodes {
            let Some(node) = node.as_ref().filter(|_| !work.is_done(id, task)) else { continue };
            interrupt::check()?;
            let answer = node.answer(index, task);
            interrupt::check()?;
            match answer {
                Ok(output) => {
                    journal.append(&output)?;
                    outputs.push(output);
                }
                Err(Fault::Input(error)) => {
                    *failed += 1;
                    say(format_args!("poq: node `{id}`, task `{}`: {error:#}", task.id));
                }
                Err(fault) => return Err(fault),
            }
            progress.advance(1);
        }
    }
    journal.sync()?;
    progress.finish();
    for notice in work.nodes.iter().filter_map(|(_, node)| node.as_ref()?.notice()) {
        say(notice);
    }
    // Whoever scores reads a task once for all answers to it.
    let place: HashMap<&str, usize> = tasks.iter().enumerate().map(|(index, task)| (task.id.as_str(), index)).collect();
    outputs.sort_by_key(|output| place.get(output.task.as_str()).copied());
    Ok(outputs)
}

/// Every evaluator's score of every answer; those that are in the journal are kept. The evaluators take turns on each
/// answer, as the nodes on each task. Gives how many scores there are, by evaluator.
fn score_all(
    evaluators: &[Evaluator<'_>],
    plan: &Plan,
    tasks: &[Task],
    outputs: &[Output],
    out: &Path,
    failed: &mut usize,
) -> Outcome<HashMap<String, usize>> {
    let (mut journal, rows) = Journal::open::<ScoreRow>(&out.join(SCORES))?;
    let mut counts = HashMap::new();
    for row in &rows {
        *counts.entry(row.evaluator.clone()).or_default() += 1;
    }
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
                Ok(score) => {
                    journal.append(&score)?;
                    *counts.entry(score.evaluator).or_default() += 1;
                }
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
    Ok(counts)
}

/// Rows as a JSONL file has them.
fn lines(rows: &[impl Serialize]) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut bytes, row).environment("cannot serialise a row")?;
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
