//! `poq score`: SQuAD's token F1 and exact match, or an evaluator of a plan.

use std::path::{Path, PathBuf};

use clap::Args;
use poq_core::dataset::{Task, TaskKind};
use poq_core::score::ScoreNormalization;
use poq_core::text::squad;
use poq_pipeline::evaluators::Rated;
use serde::{Deserialize, Serialize};

use crate::console::say;
use crate::fault::{Fault, Outcome};
use crate::models::Models;
use crate::precompute::evaluators::Evaluator;
use crate::precompute::plan::Plan;
use crate::{interrupt, jsonl};

#[derive(Args)]
pub struct Arguments {
    /// A plan, one of whose evaluators scores the rows
    #[arg(long, requires = "evaluator")]
    plan: Option<PathBuf>,
    /// The evaluator's id in the plan
    #[arg(long, requires = "plan")]
    evaluator: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    prediction: String,
    references: Vec<String>,
}

#[derive(Serialize)]
struct Scored {
    f1: f64,
    exact_match: bool,
}

/// An answer to a task.
#[derive(Deserialize)]
struct Answer {
    /// Question answering, where it is not said.
    kind: Option<TaskKind>,
    prompt: String,
    context: Option<String>,
    prediction: String,
    references: Vec<String>,
}

#[derive(Serialize)]
struct Evaluated {
    raw: f64,
    /// None where scores depend on the values of all answers.
    score: Option<f64>,
    latency_ms: f64,
}

pub fn run(arguments: &Arguments) -> Outcome {
    match (&arguments.plan, &arguments.evaluator) {
        (Some(plan), Some(evaluator)) => evaluate(plan, evaluator),
        _ => score(),
    }
}

/// Scores each row of standard input against the best of its references.
fn score() -> Outcome {
    jsonl::map_rows(|_, Row { prediction, references }| {
        if references.is_empty() {
            return Err("field `references`: empty list; allowed: at least one text".to_owned());
        }
        Ok(Scored {
            f1: squad::best_f1(&prediction, &references),
            exact_match: squad::any_exact_match(&prediction, &references),
        })
    })
}

/// Lets an evaluator of a plan score each row of standard input.
fn evaluate(plan: &Path, id: &str) -> Outcome {
    interrupt::watch()?;
    let plan = Plan::read_evaluator(plan, id)?;
    let evaluator = Evaluator::load(&plan, &Models::default())?;
    let depends_on_all = plan.normalization == ScoreNormalization::MinMax;
    if depends_on_all {
        say(format_args!(
            "{id}: its scores depend on the values of all answers (min_max), so none is given; raw values are"
        ));
    }
    // A fault of the environment is not a row's, and ends the run.
    let mut broken = None;
    let outcome = jsonl::map_rows(|row, Answer { kind, prompt, context, prediction, references }| {
        if let Some(fault) = &broken {
            return Err(format!("not tried: {fault}"));
        }
        if references.is_empty() {
            return Err("field `references`: empty list; allowed: at least one text".to_owned());
        }
        let kind = kind.unwrap_or(TaskKind::Qa);
        let task = Task { id: row.to_string(), kind, prompt, references, context, group: None };
        match evaluator.rate(&task, &prediction).map_err(Fault::from) {
            Ok(Rated { raw, latency_ms, .. }) => {
                let score = (!depends_on_all).then(|| plan.normalization.apply(raw, (0.0, 1.0)));
                Ok(Evaluated { raw, score, latency_ms })
            }
            Err(Fault::Input(error)) => Err(format!("{error:#}")),
            Err(fault) => {
                let words = fault.to_string();
                broken = Some(fault);
                Err(words)
            }
        }
    });
    if let Some(notice) = evaluator.notice() {
        say(notice);
    }
    match broken {
        Some(fault) => Err(fault),
        None => outcome,
    }
}
