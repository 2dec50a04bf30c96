//! `poq search`: the attack that gains most, or each node's best deviation from honesty.

use clap::Args;
use poq_core::search::{Aim, Finding, Search, Settings, largest};

use super::parallel::run_all;
use super::simulate::ScenarioSource;
use super::table::table;
use crate::fault::{Fault, Outcome};
use crate::interrupt;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    source: ScenarioSource,
    /// How many evaluators attack together
    #[arg(long, required_unless_present = "deviations", conflicts_with = "deviations")]
    budget: Option<u32>,
    /// Each node on its own: its best deviation from honesty
    #[arg(long)]
    deviations: bool,
    /// Rounds of each run before the best are run in full
    #[arg(long, default_value_t = Settings::default().screening_rounds)]
    screening_rounds: u64,
    /// Fresh seeds on which the best are run in full
    #[arg(long, default_value_t = Settings::default().replicates)]
    replicates: u32,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let (dataset, scenario) = arguments.source.load()?;
    let settings = Settings { screening_rounds: arguments.screening_rounds, replicates: arguments.replicates };
    let mut search = match arguments.budget {
        Some(budget) => Search::attacks(scenario, &dataset, budget, settings)?,
        None => Search::deviations(scenario, &dataset, settings)?,
    };
    let findings = loop {
        let stage = format!("{:?}", search.stage()).to_lowercase();
        let measures = run_all(&stage, search.runs(), |run| search.run(&dataset, run))?;
        if let Some(findings) = search.advance(&measures) {
            break findings;
        }
    };
    if findings.is_empty() {
        return Err(Fault::input("there is no attack to try: nobody is honest who could attack"));
    }
    if arguments.json {
        return super::print_json(&findings);
    }
    super::print(&summary(&findings))
}

fn summary(findings: &[Finding]) -> String {
    let row = |finding: &Finding| {
        let aim = match finding.aim {
            Aim::Attackers => "attackers, each time they are paid",
            Aim::OwnNode => "cabal and its node, each round",
            Aim::FalseReport => "false latency, each time it is paid",
        };
        let gain = match finding.aim {
            Aim::OwnNode => finding.coalition_gain,
            Aim::Attackers | Aim::FalseReport => finding.gain,
        };
        vec![
            aim.to_owned(),
            gain.map_or("never paid".to_owned(), |gain| {
                let [low, high] = gain.ci95_monte_carlo;
                format!("{:+.4} ({low:+.4} to {high:+.4})", gain.mean)
            }),
            finding.verdict.words().to_owned(),
            serde_json::to_string(&finding.attack).unwrap_or_default(),
        ]
    };
    let mut lines = vec![table(["whose gain", "gain", "", "attack"], 4, findings.iter().map(row)).to_string()];
    if let Some(finding) = largest(findings) {
        let scenario = serde_json::to_string(&finding.scenario.patch()).unwrap_or_default();
        lines.extend([String::new(), format!("shown by (`poq simulate -`): {scenario}")]);
    }
    lines.push("gains on fresh seeds; other attacks than those tried may gain more".to_owned());
    lines.join("\n")
}
