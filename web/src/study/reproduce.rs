//! Both papers, on the fitted dataset and on the shipped one.

use poq_core::paper::robust::{self, Study};
use poq_core::paper::{self, Basis, Claims, Figure, Finding, Number, Origin, Part, Unsaid, Verdict};
use poq_core::scenario::ScenarioError;
use poq_core::{Dataset, Report, Scenario, preset, simulate};

use super::sheet::{Block, Claim, Opens, Table};
use super::{FromStudy, Tell as _};
use crate::format;

/// Runs between two messages of progress.
const STEP: u64 = 20;

/// Tells what is found as it goes; gives the last word.
///
/// # Errors
/// None for datasets with inference nodes and evaluators enough for the studies.
pub fn reproduce(shipped: &Dataset, send: &impl Fn(&FromStudy)) -> Result<String, ScenarioError> {
    let more = |blocks: Vec<Block>| send(&FromStudy::More(blocks));
    let scenario = Scenario::preset(paper::DATASET_ID)?;
    let fitted = paper::dataset();
    let report = simulate(&fitted, &scenario, scenario.seed, scenario.rounds)?;
    let figures = paper::figures(&fitted, &report);
    more(vec![
        Block::Heading("arXiv 2512.16317: cost-aware Proof of Quality".to_owned()),
        open(&scenario),
        Block::Table(figures_table(&figures)),
        Block::Quiet(format!(
            "{} rounds, seed {}; digest {}",
            format::count(report.rounds),
            scenario.seed,
            report.digest
        )),
    ]);
    let claims = |number: &str, dataset: &Dataset, findings: Vec<Finding>| {
        more(vec![told(number, &Claims::new(dataset, findings))]);
    };
    let on = |dataset: &Dataset| -> Result<Report, ScenarioError> {
        simulate(dataset, &scenario, scenario.seed, scenario.rounds)
    };
    claims("2512.16317", &fitted, paper::findings(&fitted, &report).into());
    claims("2512.16317", shipped, paper::findings(shipped, &on(shipped)?).into());
    more(vec![
        Block::Folded(
            "Every number of the fitted dataset, and where it comes from".to_owned(),
            numbers(&paper::numbers()),
        ),
        unsaid("2512.16317", paper::unsaid()),
        Block::Heading("arXiv 2601.21189: rules against attacks".to_owned()),
        open(&Scenario::preset(preset::ROBUST)?),
    ]);
    let studies = [&fitted, shipped].map(|dataset| Study::new(dataset, scenario.seed, robust::ROUNDS));
    let [of_fitted, of_shipped] = studies;
    let studies = [(&fitted, of_fitted?), (shipped, of_shipped?)];
    let of = studies.iter().map(|(_, study)| study.runs() as u64).sum();
    let mut done = 0;
    for (dataset, study) in studies {
        let mut measured = Vec::with_capacity(study.runs());
        for run in 0..study.runs() {
            measured.push(study.run(dataset, run)?);
            done += 1;
            if done % STEP == 0 {
                send.progress("runs of rules against attacks", done, of);
            }
        }
        claims("2601.21189", dataset, study.findings(dataset, &measured).into());
    }
    more(vec![unsaid("2601.21189", robust::unsaid())]);
    Ok(Figure::summary(&figures))
}

fn open(scenario: &Scenario) -> Block {
    let words = format!("The preset {}", scenario.preset);
    Block::Open(Box::new(Opens { words, scenario: scenario.clone() }))
}

fn figures_table(figures: &[Figure]) -> Table {
    let row = |figure: &Figure| {
        let sign = match figure.basis {
            Basis::Free => sign(figure.verdict),
            Basis::Fitted | Basis::Chosen => "·",
        };
        let interval = figure.ci95.map_or_else(
            || "–".to_owned(),
            |[low, high]| format!("{} to {}", format::fixed(low, 3), format::fixed(high, 3)),
        );
        vec![
            figure.name.clone(),
            figure.source.clone(),
            figure.wording.clone(),
            figure.reading.clone(),
            format::mean(figure.measured),
            interval,
            figure.ci95.map(|_| figure.interval_of.clone()).unwrap_or_default(),
            figure.difference.map_or_else(|| "–".to_owned(), |difference| format::fixed(difference, 3)),
            format!("{sign} {}", figure.words()),
            figure.why.clone().unwrap_or_default(),
        ]
    };
    Table {
        rows: figures.iter().map(row).collect(),
        ..Table::new(
            "Published and measured: a figure that the data were fitted to, or chosen for, shows nothing",
            &[
                "~figure",
                "source",
                "~published",
                "~our reading (assumed)",
                "measured",
                "95%",
                "~of what",
                "difference",
                "outcome",
                "~why",
            ],
        )
    }
}

/// A verdict's sign, so that it is told by more than a word.
fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "✓",
        Verdict::CannotTell => "?",
        Verdict::Fails => "✗",
        Verdict::PutIn => "·",
        Verdict::NotApplicable => "–",
    }
}

fn told(number: &str, claims: &Claims) -> Block {
    let part = |part: &Part| {
        let Some(value) = part.value else {
            return format!("{} {}", sign(part.verdict), part.what);
        };
        let interval = part.ci95.map(|[low, high]| {
            format!(" ({} to {}, 95% for {})", format::number(low), format::number(high), part.interval_of)
        });
        format!(
            "{} {}: {}{}; read as {}. {}{}",
            sign(part.verdict),
            part.what,
            format::number(value),
            interval.unwrap_or_default(),
            part.reading,
            part.verdict.words(),
            part.why.as_ref().map(|why| format!(" {why}")).unwrap_or_default()
        )
    };
    let claim = |finding: &Finding| Claim {
        number: finding.claim,
        verdict: format!("{} {}", sign(finding.verdict), finding.words()),
        statement: finding.statement.clone(),
        parts: finding.parts.iter().map(part).collect(),
        tensions: finding.tensions.clone(),
    };
    Block::Claims {
        of: format!(
            "Claims of {number} on the dataset {}, corrected for being told at once (Holm, 5% in all)",
            claims.dataset.id
        ),
        claims: claims.findings.iter().map(claim).collect(),
    }
}

fn numbers(numbers: &[Number]) -> Table {
    let origin = |origin: Origin| match origin {
        Origin::Published => "published",
        Origin::Fitted => "fitted",
        Origin::Assumed => "assumed",
    };
    let row = |number: &Number| {
        vec![
            number.of.clone(),
            number.name.clone(),
            format::number(number.value),
            number.unit.clone(),
            origin(number.origin).to_owned(),
            number.because.clone(),
        ]
    };
    Table {
        rows: numbers.iter().map(row).collect(),
        ..Table::new("Profiles", &["of", "~number", "value", "~unit", "~origin", "~because"])
    }
}

fn unsaid(number: &str, unsaid: &[Unsaid]) -> Block {
    let row = |unsaid: &Unsaid| {
        [unsaid.what, unsaid.field.unwrap_or("not a field"), unsaid.assumed].map(str::to_owned).to_vec()
    };
    let table = Table {
        rows: unsaid.iter().map(row).collect(),
        ..Table::new("Left open, and assumed", &["left open", "~field", "~assumed"])
    };
    Block::Folded(format!("What {number} leaves unsaid"), table)
}
