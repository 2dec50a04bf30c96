//! `poq simulate`: one run of a scenario.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use poq_core::report::{AttackerReport, NodeReport};
use poq_core::stats::Interval;
use poq_core::{Dataset, Report, Scenario, Simulation};

use crate::dataset;
use crate::fault::{Blame as _, Fault, Outcome};
use crate::interrupt;
use crate::progress::Progress;

/// Rounds between looks at Ctrl-C and the clock.
const CHUNK: u64 = 1 << 20;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    source: ScenarioSource,
    /// Print the whole report as JSON
    #[arg(long)]
    json: bool,
}

/// Where a scenario comes from, and what it runs on.
#[derive(Args)]
pub struct ScenarioSource {
    /// Scenario as JSON (`-`: standard input); without it, the preset
    scenario: Option<PathBuf>,
    /// Named scenario to start from
    #[arg(long)]
    preset: Option<String>,
    /// Folder of a dataset; without it, the shipped one
    #[arg(long)]
    dataset: Option<PathBuf>,
    /// Rounds to run
    #[arg(long)]
    rounds: Option<String>,
    /// Seed of all random draws
    #[arg(long)]
    seed: Option<String>,
    /// Set any field of the scenario, such as reward.alpha_inference=0.7
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
}

impl ScenarioSource {
    /// The dataset and the scenario that the arguments ask for.
    pub fn load(&self) -> Outcome<(Dataset, Scenario)> {
        let mut scenario = match (&self.scenario, &self.preset) {
            (None, None) => Scenario::default(),
            (None, Some(name)) => Scenario::preset(name)?,
            (Some(path), preset) => {
                let text = read_text(path)?;
                let scenario = Scenario::from_json(&text).input(path.display())?;
                if preset.as_ref().is_some_and(|name| *name != scenario.preset) {
                    return Err(Fault::input(format!(
                        "{} starts from the preset `{}`, but --preset names another",
                        path.display(),
                        scenario.preset
                    )));
                }
                scenario
            }
        };
        for (path, value) in [("rounds", &self.rounds), ("seed", &self.seed)] {
            if let Some(value) = value {
                scenario = scenario.with(path, value)?;
            }
        }
        for setting in &self.set {
            let (path, value) =
                setting.split_once('=').ok_or_else(|| Fault::input(format!("--set {setting}: allowed: path=value")))?;
            scenario = scenario.with(path, value)?;
        }
        Ok((dataset::load(self.dataset.as_deref())?, scenario))
    }
}

fn read_text(path: &Path) -> Outcome<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).input("standard input")?;
        return Ok(text);
    }
    fs::read_to_string(path).input(format!("cannot read {}", path.display()))
}

/// Runs the scenario to its end, or to Ctrl-C: then the report stands on the rounds that were run.
pub fn simulate(dataset: &Dataset, scenario: &Scenario) -> Outcome<Report> {
    let mut simulation = Simulation::new(dataset, scenario)?;
    let mut progress = (scenario.rounds > 8 * CHUNK).then(|| Progress::new("simulate", "rounds", scenario.rounds));
    while simulation.rounds_left() > 0 && !interrupt::requested() {
        let before = simulation.rounds_done();
        simulation.run(CHUNK);
        if let Some(progress) = &mut progress {
            progress.advance(simulation.rounds_done() - before);
        }
    }
    if let Some(progress) = progress {
        progress.finish();
    }
    Ok(simulation.report(dataset))
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let (dataset, scenario) = arguments.source.load()?;
    let report = simulate(&dataset, &scenario)?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&report).environment("cannot serialise the report")?
    } else {
        summary(&report)
    };
    writeln!(std::io::stdout(), "{text}").environment("cannot write to standard output")?;
    interrupt::check()
}

fn summary(report: &Report) -> String {
    let mechanism = &report.mechanism;
    let mut lines = vec![
        format!("dataset   {} ({})", report.dataset.id, &report.dataset.hash[..12]),
        format!("rounds    {}, seed {}", report.rounds, report.scenario.seed),
        String::new(),
        node_table("inference node", &report.inference_nodes).to_string(),
        String::new(),
        node_table("evaluator node", &report.evaluator_nodes).to_string(),
        String::new(),
    ];
    if !report.attackers.is_empty() {
        lines.extend([attacker_table(&report.attackers).to_string(), String::new()]);
    }
    lines.extend([
        format!("consensus against truth: Pearson {}", number(mechanism.pearson_consensus_truth)),
        format!("                         Spearman {}", number(mechanism.spearman_consensus_truth)),
        format!("reward against truth per millisecond: Kendall tau {}", number(mechanism.kendall_reward_efficiency)),
        format!("digest    {}", report.digest),
    ]);
    lines.join("\n")
}

fn attacker_table(attackers: &[AttackerReport]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["attacker", "attack", "mean reward", "if honest", "gain", "95% draws", "95% prompts"]);
    for attacker in attackers {
        table.add_row([
            attacker.id.clone(),
            format!("attacks.{} {}", attacker.attack, attacker.kind),
            number(attacker.reward_mean),
            number(attacker.honest_reward_mean),
            number(attacker.gain_mean),
            interval(attacker.ci95_monte_carlo),
            interval(attacker.ci95_prompts),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn node_table(role: &str, nodes: &[NodeReport]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let in_money = nodes.iter().any(|node| node.break_even_reward.is_some());
    let mut header =
        vec![role, "rounds", "mean reward", "95% draws", "95% prompts", "below 0", "quality /10", "cost", "latency ms"];
    if in_money {
        header.extend(["profit", "break-even"]);
    }
    table.set_header(header);
    let mut sorted: Vec<&NodeReport> = nodes.iter().collect();
    sorted.sort_by(|a, b| {
        b.reward_mean.unwrap_or(f64::NEG_INFINITY).total_cmp(&a.reward_mean.unwrap_or(f64::NEG_INFINITY))
    });
    for node in sorted {
        let mut row = vec![
            node.id.clone(),
            node.rounds.to_string(),
            number(node.reward_mean),
            interval(node.ci95_monte_carlo),
            interval(node.ci95_prompts),
            node.negative_share.map_or("none".into(), |share| format!("{:.1}%", 100.0 * share)),
            node.quality_mean.map_or("none".into(), |quality| format!("{quality:.2}")),
            format!("{:.3}", node.cost),
            format!("{:.3}", node.latency_ms_mean),
        ];
        if in_money {
            row.extend(
                [node.profit_mean, node.break_even_reward]
                    .map(|value| value.map_or("none".into(), |value| format!("{value:.6}"))),
            );
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn number(value: Option<f64>) -> String {
    value.map_or("not defined".into(), |value| format!("{value:.3}"))
}

fn interval(value: Option<Interval>) -> String {
    value.map_or("one value only".into(), |[low, high]| format!("{low:.3} to {high:.3}"))
}
