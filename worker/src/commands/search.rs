//! `poq search`: the attack that gains most, or each node's best deviation from honesty.

use clap::Args;
use poq_core::search::{
    Aim, Equilibrium, Finding, Gain, Search, Settings, equilibrium, family_size, largest, words_of_scopes,
};

use super::parallel::run_all;
use super::simulate::ScenarioSource;
use super::table::table;
use super::whole::whole;
use crate::fault::{Fault, Outcome};
use crate::interrupt;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    source: ScenarioSource,
    /// How many evaluators attack together at most: who they are is searched
    #[arg(long, value_parser = whole::<u32>, required_unless_present = "deviations", conflicts_with = "deviations")]
    budget: Option<u32>,
    /// Each node on its own: its best deviation from honesty
    #[arg(long)]
    deviations: bool,
    /// Rounds of each run before the best few are run in full
    #[arg(long, value_parser = whole::<u64>, default_value_t = Settings::default().screening_rounds)]
    screening_rounds: u64,
    /// Fresh seeds on which the best are run in full
    #[arg(long, value_parser = whole::<u32>, default_value_t = Settings::default().replicates)]
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
    super::print(&summary(&findings, arguments))
}

fn summary(findings: &[Finding], arguments: &Arguments) -> String {
    let row = |finding: &Finding| {
        let aim = match finding.aim {
            Aim::Attackers => "attackers, each time they are paid",
            Aim::OwnNode => "cabal and its node, each round",
            Aim::FalseReport => "false latency, each time it is paid",
        };
        let alike = match finding.alike {
            1 => String::new(),
            nodes => format!(" (and {} alike)", nodes - 1),
        };
        vec![
            aim.to_owned(),
            finding.aimed_at().map_or("never paid".to_owned(), |gain| {
                let [low, high] = gain.ci95_monte_carlo;
                format!("{:+.4} ({low:+.4} to {high:+.4})", gain.mean)
            }),
            finding.verdict.words().to_owned(),
            serde_json::to_string(&finding.attack).unwrap_or_default() + &alike,
        ]
    };
    let header = ["whose gain", "gain (95% for the draws)", "", "attack"];
    let mut lines = vec![table(header, 4, findings.iter().map(row)).to_string(), String::new()];
    let by_size: Vec<Vec<String>> = findings.iter().flat_map(sizes).collect();
    if !by_size.is_empty() {
        let header = ["best of so many", "whose gain", "each time one is paid", "together, each round", "attack"];
        lines.extend([table(header, 5, by_size).to_string(), String::new()]);
    }
    if arguments.deviations {
        lines.extend(equilibrium(findings).map(|equilibrium| of_honesty(equilibrium, findings)));
    }
    let shown = if arguments.deviations { largest(findings) } else { findings.first() };
    if let Some(finding) = shown {
        let scenario = serde_json::to_string(&finding.scenario.patch()).unwrap_or_default();
        lines.push(format!("shown by (`poq simulate -`): {scenario}"));
    }
    lines.extend(words_of_scopes(findings));
    lines.push(format!(
        "Gains are means over {} fresh seeds, given these prompts. \"Beyond chance\" holds at 5% for {} gains together \
         (Holm). Attacks other than those tried may gain more.",
        arguments.replicates,
        family_size(findings)
    ));
    lines.join("\n")
}

/// The best of each number of attackers.
fn sizes(finding: &Finding) -> impl Iterator<Item = Vec<String>> {
    let told = |gain: Option<Gain>| gain.map_or("never paid".to_owned(), |gain| format!("{:+.4}", gain.mean));
    finding.by_size.iter().map(move |of| {
        let (whose, together) = match finding.aim {
            Aim::OwnNode => ("cabal and its node", of.coalition_gain),
            Aim::Attackers | Aim::FalseReport => ("attackers", of.gain_together),
        };
        let attack = serde_json::to_string(&of.attack).unwrap_or_default();
        vec![of.attackers.to_string(), whose.to_owned(), told(of.gain), told(together), attack]
    })
}

/// What deviations say of honesty.
fn of_honesty(equilibrium: Equilibrium, findings: &[Finding]) -> String {
    match equilibrium {
        Equilibrium::Broken { nodes } => {
            let others = largest(findings.iter().filter(|finding| finding.aim != Aim::FalseReport));
            let apart = others.and_then(Finding::aimed_at).map_or(String::new(), |gain| {
                format!(" False reports of latency apart, the largest gain found is {:+.4}.", gain.mean)
            });
            format!("Honesty is no equilibrium: {nodes} nodes would gain alone, beyond chance.{apart}")
        }
        Equilibrium::Held => {
            "No deviation that was tried pays: within this family, for these prompts, honesty is an equilibrium."
                .to_owned()
        }
        Equilibrium::Open { nodes } => format!(
            "Cannot tell whether honesty is an equilibrium: no deviation pays beyond chance, and for {nodes} nodes a \
             gain is not excluded either. More rounds or replicates may tell."
        ),
    }
}
