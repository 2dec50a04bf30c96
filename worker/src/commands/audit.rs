//! `poq audit`: which evaluators track truth, and what the mechanism does without each.

use clap::Args;
use poq_core::dataset::TaskKind;
use poq_core::report::{AnswerAudit, JudgeAudit, answer_audit, judge_audit};
use poq_core::without::{Audit, Sign, Track, Without, told_at_once, tracks};
use serde::Serialize;

use super::parallel::run_all;
use super::simulate::ScenarioSource;
use super::table::{figure, interval, number, table};
use crate::fault::Outcome;
use crate::interrupt;

/// Rounds between looks at Ctrl-C.
const CHUNK: u64 = 1 << 18;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    source: ScenarioSource,
    /// Print the audit as JSON, with the scenario without each evaluator
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Audited<'a> {
    evaluators: &'a [Track],
    /// Apart for answerable and unanswerable tasks, where there are both.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    by_answerability: &'a [AnswerAudit],
    /// The judge itself, where the dataset has one.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    judge: &'a [JudgeAudit],
    /// What is to be known of the dataset: evaluators that tell no answer from another, groups that part contexts.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notices: &'a [String],
    without: Vec<Told<'a>>,
}

/// A result with its sentence.
#[derive(Serialize)]
struct Told<'a> {
    words: String,
    #[serde(flatten)]
    result: &'a Without,
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let (dataset, scenario) = arguments.source.load()?;
    let audit = Audit::new(&dataset, &scenario)?;
    let tracks = tracks(&dataset, &scenario)?;
    let answers = answer_audit(&dataset, &scenario)?;
    let judge = judge_audit(&dataset, &scenario)?;
    let notices = dataset.notices();
    let mut results = run_all("audit", audit.runs(), |run| {
        let mut comparison = audit.start(&dataset, run)?;
        while let Some(comparison) = comparison.as_mut().filter(|comparison| comparison.rounds_left() > 0) {
            if interrupt::requested() {
                break;
            }
            comparison.run(CHUNK);
        }
        Ok(audit.finding(&dataset, run, comparison.as_ref()))
    })?;
    interrupt::check()?;
    told_at_once(&mut results);
    if arguments.json {
        let without = results.iter().map(|result| Told { words: result.words(str::to_owned), result }).collect();
        return super::print_json(&Audited {
            evaluators: &tracks,
            by_answerability: &answers,
            judge: &judge,
            notices: &notices,
            without,
        });
    }
    super::print(&summary(&tracks, &answers, &judge, &notices, &results))
}

fn summary(
    tracks: &[Track],
    answers: &[AnswerAudit],
    judge: &[JudgeAudit],
    notices: &[String],
    results: &[Without],
) -> String {
    let sign = |sign: Option<Sign>| sign.map_or("not defined", Sign::words).to_owned();
    let track = |track: &Track| {
        vec![
            track.evaluator.clone(),
            track.task_kind.map_or("all", TaskKind::as_str).to_owned(),
            sign(track.sign_truth),
            number(track.pearson_truth),
            interval(track.ci95_truth),
            number(track.pearson_judge),
            interval(track.ci95_judge),
        ]
    };
    let header = ["evaluator", "tasks", "truth", "r with truth", "95% prompts", "r with judge", "95% prompts"];
    let answer = |audit: &AnswerAudit| {
        vec![
            audit.id.clone(),
            if audit.answerable { "answerable" } else { "unanswerable" }.to_owned(),
            sign(Sign::told(audit.pearson_truth, audit.p_holm_truth)),
            number(audit.pearson_truth),
            interval(audit.ci95_truth),
            number(audit.pearson_judge),
            interval(audit.ci95_judge),
        ]
    };
    let rows = tracks.iter().map(track).chain(answers.iter().map(answer));
    let mut lines = vec![
        table(header, 3, rows).to_string(),
        "Whether a score follows truth is told for all correlations of the kinds of task at once (Holm, 5% in all)."
            .to_owned(),
    ];
    if !answers.is_empty() {
        lines.push("And so is that of answerable and unanswerable tasks, all of these at once.".to_owned());
    }
    if let Some(JudgeAudit { id, .. }) = judge.first() {
        let figures = judge.iter().map(|audit| {
            let tasks = audit.task_kind.map_or("all", TaskKind::as_str);
            format!("{tasks} {}", figure(audit.pearson_truth, audit.ci95_truth))
        });
        let figures = figures.collect::<Vec<_>>().join(", ");
        lines.push(format!("The judge, {id}, takes no part. Its own r with truth, 95% prompts: {figures}."));
    }
    lines.push(String::new());
    if !notices.is_empty() {
        lines.extend(notices.iter().cloned());
        lines.push(String::new());
    }
    for result in results {
        lines.push(result.words(str::to_owned));
        lines.extend(result.leaving.changes.iter().map(|change| format!("  {change}")));
    }
    let rewards = results.iter().filter_map(|result| Some((&result.leaving.evaluator, result.outcome.as_ref()?)));
    let rows = rewards.flat_map(|(evaluator, outcome)| {
        outcome.rewards.nodes.iter().enumerate().map(move |(position, node)| {
            vec![
                evaluator.clone(),
                node.id.clone(),
                outcome.verdict_words(position).to_owned(),
                number(node.reward_mean_a),
                number(node.reward_mean_b),
                figure(node.difference, node.ci95_monte_carlo),
                interval(node.ci95_monte_carlo),
                interval(node.ci95_prompts),
            ]
        })
    });
    let header = ["without", "node", "difference is", "with", "without", "difference", "95% draws", "95% prompts"];
    let told = "Differences are told for all evaluators and all rows at once (Holm, 5% in all); each interval is 95% \
                by itself.";
    lines.extend([String::new(), table(header, 3, rows).to_string(), told.to_owned()]);
    lines.join("\n")
}
