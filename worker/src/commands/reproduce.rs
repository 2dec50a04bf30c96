//! `poq reproduce`: what was published beside what is measured.

use std::path::PathBuf;

use clap::Args;
use poq_core::dataset::Shipped;
use poq_core::paper::robust::{self, Cell, Study};
use poq_core::paper::{self, Claims, Figure, Number, Part, Unsaid};
use poq_core::{Dataset, Scenario, preset, simulate};
use serde::Serialize;

use super::parallel::run_all;
use super::table::{figure, interval, number, table};
use super::whole::whole;
use crate::dataset;
use crate::fault::Outcome;
use crate::interrupt;

#[derive(Args)]
pub struct Arguments {
    /// Dataset on which the claims are tested, beside the fitted one: a folder, or the id of a shipped one; without it,
    /// the newest
    #[arg(long)]
    dataset: Option<PathBuf>,
    /// Rounds to run of the network of arXiv 2512.16317
    #[arg(long, value_parser = whole::<u64>, default_value_t = Scenario::default().rounds)]
    rounds: u64,
    /// Seed of all random draws
    #[arg(long, value_parser = whole::<u64>, default_value_t = Scenario::default().seed)]
    seed: u64,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Reproduction {
    digest: String,
    figures: Vec<Figure>,
    claims: Vec<Claims>,
    profiles: Vec<Number>,
    unsaid: &'static [Unsaid],
    robust: Vec<Robust>,
    robust_unsaid: &'static [Unsaid],
}

/// The findings of arXiv 2601.21189, tested on one dataset.
#[derive(Serialize)]
struct Robust {
    #[serde(flatten)]
    claims: Claims,
    /// By rule, K, attack and share.
    cells: Vec<Cell>,
}

fn robust(dataset: &Dataset, seed: u64) -> Outcome<Robust> {
    let study = Study::new(dataset, seed, robust::ROUNDS)?;
    let measured = run_all("arXiv 2601.21189", study.runs(), |run| study.run(dataset, run))?;
    let findings = study.findings(dataset, &measured);
    Ok(Robust { claims: Claims::new(dataset, findings), cells: study.cells(&measured) })
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let scenario = Scenario::preset(paper::DATASET_ID)?;
    let simulated = |dataset: &Dataset| simulate(dataset, &scenario, arguments.seed, arguments.rounds);
    let recorded = dataset::load(arguments.dataset.as_deref(), preset::DEFAULT, Shipped::default())?;
    let fitted = paper::dataset();
    let report = simulated(&fitted)?;
    let claims = |dataset: &Dataset, report| Claims::new(dataset, paper::findings(dataset, report));
    let reproduction = Reproduction {
        digest: report.digest.clone(),
        figures: paper::figures(&fitted, &report),
        claims: vec![claims(&fitted, &report), claims(&recorded, &simulated(&recorded)?)],
        profiles: paper::numbers(),
        unsaid: paper::unsaid(),
        robust: vec![robust(&fitted, arguments.seed)?, robust(&recorded, arguments.seed)?],
        robust_unsaid: robust::unsaid(),
    };
    if arguments.json { super::print_json(&reproduction) } else { super::print(&summary(&reproduction)) }
}

fn summary(reproduction: &Reproduction) -> String {
    let row = |of: &Figure| {
        let interval_of = of.ci95.map(|_| of.interval_of.clone()).unwrap_or_default();
        vec![
            of.name.clone(),
            of.words().to_owned(),
            of.wording.clone(),
            of.reading.clone(),
            interval_of,
            figure(of.measured, of.ci95),
            interval(of.ci95),
            number(of.difference),
        ]
    };
    let header = [
        "figure",
        "",
        "published",
        "our reading (assumed)",
        "95% is for",
        "measured",
        "95% interval",
        "less the published",
    ];
    let mut lines = vec![
        "arXiv 2512.16317 on a synthetic dataset that is fitted to its published figures:".to_owned(),
        table(header, 5, reproduction.figures.iter().map(row)).to_string(),
        Figure::summary(&reproduction.figures),
    ];
    lines.extend(reproduction.claims.iter().flat_map(claims_lines));
    let number_row = |number: &Number| {
        let origin = format!("{:?}", number.origin).to_lowercase();
        vec![number.of.clone(), number.name.clone(), origin, format!("{:.4} {}", number.value, number.unit)]
    };
    let left_open = |unsaid: &[Unsaid]| {
        let row = |unsaid: &Unsaid| {
            vec![unsaid.what.to_owned(), unsaid.field.unwrap_or("not a field").to_owned(), unsaid.assumed.to_owned()]
        };
        table(["left open", "field", "assumed"], 3, unsaid.iter().map(row)).to_string()
    };
    lines.extend([
        String::new(),
        table(["profile of", "number", "origin", "value"], 3, reproduction.profiles.iter().map(number_row)).to_string(),
        String::new(),
        "what the paper leaves unsaid, and what is assumed:".to_owned(),
        left_open(reproduction.unsaid),
        format!("digest    {}", reproduction.digest),
        String::new(),
        "arXiv 2601.21189: its rules against its attacks over malicious share and K, averaged over all of them"
            .to_owned(),
    ]);
    lines.extend(reproduction.robust.iter().flat_map(|robust| claims_lines(&robust.claims)));
    lines.extend([String::new(), "what that paper leaves unsaid, and what is assumed:".to_owned()]);
    lines.push(left_open(reproduction.robust_unsaid));
    lines.join("\n")
}

fn claims_lines(Claims { dataset, findings }: &Claims) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "claims on the dataset {}; verdicts are corrected for being told at once (Holm, 5% in all):",
            dataset.id
        ),
    ];
    for finding in findings {
        lines.push(format!("({}) {} {}", finding.claim, finding.statement, finding.words()));
        lines.extend(finding.parts.iter().map(part_line));
        lines.extend(finding.tensions.iter().map(|tension| format!("    but: {tension}")));
    }
    lines
}

fn part_line(part: &Part) -> String {
    let verdict = part.verdict.words();
    let why = part.why.as_ref().map(|why| format!(" {why}")).unwrap_or_default();
    let Some(value) = part.value else { return format!("    {}", part.what) };
    let interval = match part.ci95 {
        Some(_) => format!(", 95% {} for {}", interval(part.ci95), part.interval_of),
        None => ", without an interval".to_owned(),
    };
    let value = figure(Some(value), part.ci95);
    format!("    {}: {value}{interval}; read as {}. {verdict}{why}", part.what, part.reading)
}
