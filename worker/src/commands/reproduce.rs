//! `poq reproduce`: what was published beside what is measured.

use clap::Args;
use poq_core::paper::{self, Figure, Finding, Number, Unsaid, Verdict};
use poq_core::report::DatasetName;
use poq_core::{Dataset, Scenario, simulate};
use serde::Serialize;

use super::table::{interval, number, table};
use crate::dataset;
use crate::fault::Outcome;

#[derive(Args)]
pub struct Arguments {
    /// Rounds to run
    #[arg(long, default_value_t = Scenario::default().rounds)]
    rounds: u64,
    /// Seed of all random draws
    #[arg(long, default_value_t = Scenario::default().seed)]
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
}

/// The paper's claims, tested on one dataset.
#[derive(Serialize)]
struct Claims {
    dataset: DatasetName,
    findings: Vec<Finding>,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let scenario = Scenario::preset(paper::DATASET_ID)?;
    let simulated = |dataset: &Dataset| simulate(dataset, &scenario, arguments.seed, arguments.rounds);
    let (fitted, shipped) = (paper::dataset(), dataset::shipped()?);
    let report = simulated(&fitted)?;
    let claims = |dataset: &Dataset, report| Claims {
        dataset: DatasetName { id: dataset.manifest.id.clone(), hash: dataset.hash.clone() },
        findings: paper::findings(dataset, report).into(),
    };
    let reproduction = Reproduction {
        digest: report.digest.clone(),
        figures: paper::figures(&report),
        claims: vec![claims(&fitted, &report), claims(&shipped, &simulated(&shipped)?)],
        profiles: paper::numbers(),
        unsaid: paper::unsaid(),
    };
    if arguments.json { super::print_json(&reproduction) } else { super::print(&summary(&reproduction)) }
}

fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Open => "open",
        Verdict::Fails => "does not hold",
        Verdict::NotApplicable => "does not apply to this dataset",
    }
}

fn summary(reproduction: &Reproduction) -> String {
    let figure = |figure: &Figure| {
        let published = match (figure.published, figure.at_least, figure.at_most) {
            (Some(published), ..) => published.to_string(),
            (None, Some(least), _) => format!("at least {least}"),
            (None, None, Some(most)) => format!("at most {most}"),
            (None, None, None) => figure.wording.clone(),
        };
        let agrees = figure.agrees.map_or("not measured", |agrees| if agrees { "agrees" } else { "differs" });
        vec![figure.name.clone(), agrees.to_owned(), published, number(figure.measured), number(figure.difference)]
    };
    let mut lines = vec![
        "arXiv 2512.16317 on a synthetic dataset that is fitted to its published figures:".to_owned(),
        table(["figure", "", "published", "measured", "difference"], 2, reproduction.figures.iter().map(figure))
            .to_string(),
    ];
    for Claims { dataset, findings } in &reproduction.claims {
        lines.extend([String::new(), format!("claims on the dataset {}:", dataset.id)]);
        for finding in findings {
            lines.push(format!("({}) {}: {}", finding.claim, finding.statement, words(finding.verdict)));
            for part in &finding.parts {
                lines.push(format!("    {}: {}, 95% {}", part.what, number(part.value), interval(part.ci95)));
            }
            lines.extend(finding.tensions.iter().map(|tension| format!("    but: {tension}")));
        }
    }
    let number_row = |number: &Number| {
        let origin = format!("{:?}", number.origin).to_lowercase();
        vec![number.of.clone(), number.name.clone(), origin, format!("{:.4} {}", number.value, number.unit)]
    };
    lines.extend([
        String::new(),
        table(["profile of", "number", "origin", "value"], 3, reproduction.profiles.iter().map(number_row)).to_string(),
        String::new(),
        "what the paper leaves unsaid, and what is assumed:".to_owned(),
    ]);
    let unsaid = |unsaid: &Unsaid| {
        vec![unsaid.what.to_owned(), unsaid.field.unwrap_or("not a field").to_owned(), unsaid.assumed.to_owned()]
    };
    lines.push(table(["left open", "field", "assumed"], 3, reproduction.unsaid.iter().map(unsaid)).to_string());
    lines.push(format!("digest    {}", reproduction.digest));
    lines.join("\n")
}
