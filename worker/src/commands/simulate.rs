//! `poq simulate`: one run of a scenario.

use std::path::{Path, PathBuf};

use clap::Args;
use poq_core::dataset::Shipped;
use poq_core::preset::PRESETS;
use poq_core::report::{AttackerReport, NodeReport};
use poq_core::{Dataset, Report, Scenario, Simulation};

use super::table::{figure, interval, number, table};
use crate::console::say;
use crate::fault::{Blame as _, Fault, Outcome};
use crate::progress::Progress;
use crate::words::count;
use crate::{dataset, interrupt, text};

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
    #[arg(long, help = preset_help())]
    preset: Option<String>,
    #[arg(long, help = dataset_help())]
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

fn preset_help() -> String {
    format!("Named scenario to start from: {}", PRESETS.map(|preset| preset.name).join(", "))
}

fn dataset_help() -> String {
    let [newest, others @ ..] = Shipped::ALL.map(Shipped::id);
    format!(
        "Folder of a dataset, or the id of a shipped one: {newest} (without it, where the preset has none), {}",
        others.join(", ")
    )
}

impl ScenarioSource {
    /// The dataset and the scenario that the arguments ask for, as it runs on that dataset; what was chosen for it is
    /// said.
    pub fn load(&self) -> Outcome<(Dataset, Scenario)> {
        let (dataset, scenario) = self.load_as_written()?;
        let scenario = fitted(&dataset, &scenario)?;
        Ok((dataset, scenario))
    }

    /// The dataset and the scenario as it is written, for runs of what differs from it.
    pub fn load_as_written(&self) -> Outcome<(Dataset, Scenario)> {
        let mut scenario = match (&self.scenario, &self.preset) {
            (None, None) => Scenario::default(),
            (None, Some(name)) => Scenario::preset(name)?,
            (Some(path), preset) => {
                let scenario = read_scenario(path)?;
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
        let scenario = set_all(scenario, "--set", &self.set)?;
        Ok((dataset::load(self.dataset.as_deref(), &scenario.preset, Shipped::default())?, scenario))
    }
}

/// `scenario` with every PATH=VALUE of the option `option`.
pub fn set_all(mut scenario: Scenario, option: &str, settings: &[String]) -> Outcome<Scenario> {
    for setting in settings {
        let parted = poq_core::scenario::setting(setting);
        let (path, value) = parted.ok_or_else(|| Fault::input(format!("{option} {setting}: allowed: path=value")))?;
        scenario = scenario.with(path, value)?;
    }
    Ok(scenario)
}

/// The scenario in a file, or on standard input.
pub fn read_scenario(path: &Path) -> Outcome<Scenario> {
    Scenario::from_json(&text::read(path)?).input(text::name(path))
}

/// The scenario as it runs on the dataset; what was chosen for it is said.
pub fn fitted(dataset: &Dataset, scenario: &Scenario) -> Outcome<Scenario> {
    let (fitted, line) = scenario.fitted(dataset)?;
    line.iter().for_each(say);
    Ok(fitted)
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
    if arguments.json {
        super::print_json(&report)?
    } else {
        super::print(&summary(&report))?
    }
    interrupt::check()
}

/// In networks of more nodes than this, a table has groups of them.
const MAX_ROWS: usize = 100;

fn summary(report: &Report) -> String {
    let mechanism = &report.mechanism;
    let mut lines = vec![
        format!("dataset   {} ({})", report.dataset.id, &report.dataset.hash[..12]),
        format!("rounds    {}, seed {}", count(report.rounds), report.scenario.seed),
        String::new(),
        node_table("inference node", &report.inference_nodes, &report.inference_groups),
        String::new(),
        node_table("evaluator node", &report.evaluator_nodes, &report.evaluator_groups),
        String::new(),
    ];
    if !report.attackers.is_empty() {
        lines.extend([attacker_table(&report.attackers, &report.attacker_groups), String::new()]);
    }
    lines.extend([intervals_stand_on(report), leader(report), String::new()]);
    lines.extend([
        format!("consensus against truth: Pearson {}", number(mechanism.pearson_consensus_truth)),
        format!("                         Spearman {}", number(mechanism.spearman_consensus_truth)),
        format!("reward against truth per millisecond: Kendall tau {}", number(mechanism.kendall_reward_efficiency)),
    ]);
    if mechanism.unjudged_answers > 0 {
        lines.push(format!("answers that nobody with stake enough judged: {}", mechanism.unjudged_answers));
    }
    lines.push(format!("digest    {}", report.digest));
    lines.join("\n")
}

/// What the two columns of intervals are, and what they stand on.
fn intervals_stand_on(report: &Report) -> String {
    let draws = "95% draws: what the mean is over all draws on these prompts";
    let prompts = "95% prompts: what it is on other passages of the same kinds of task";
    match report.replicates {
        0 if report.scenario.remembers() => {
            format!(
                "{draws}, {prompts}; here the past decides a run's path, and it is too long to be repeated: there are none"
            )
        }
        0 => format!("{draws}; {prompts}, over all draws, so that the mean of few rounds may lie outside it"),
        count => format!(
            "{draws}; {prompts}, the luck of the draws included; the past decides a run's path: from {count} more runs of as many \
             rounds, and as many on other prompts"
        ),
    }
}

/// Who earns most, and how surely.
fn leader(report: &Report) -> String {
    let Some(leader) = &report.leader else { return "ahead: nobody, or all alike".to_owned() };
    let chance = |chance: Option<f64>| match chance {
        None => "with a chance that is not known".to_owned(),
        Some(chance) if chance > 0.999 => "with a chance of over 99.9%".to_owned(),
        Some(chance) => format!("with a chance of {:.1}%", 100.0 * chance),
    };
    format!(
        "ahead: {}; it earns most over all draws {}, on other prompts {}",
        leader.id,
        chance(leader.chance_draws),
        chance(leader.chance_prompts)
    )
}

/// A node's name in a table; a group's with its size.
fn named(id: &str, instances: u32) -> String {
    if instances > 1 { format!("{id} x {instances}") } else { id.to_owned() }
}

fn attacker_table(attackers: &[AttackerReport], groups: &[AttackerReport]) -> String {
    let shown = if attackers.len() > MAX_ROWS && !groups.is_empty() { groups } else { attackers };
    let row = |attacker: &AttackerReport| {
        vec![
            named(&attacker.id, attacker.instances),
            format!("attacks.{} {}", attacker.attack, attacker.kind),
            number(attacker.reward_mean),
            number(attacker.honest_reward_mean),
            figure(attacker.gain_mean, attacker.ci95_monte_carlo),
            interval(attacker.ci95_monte_carlo),
            interval(attacker.ci95_prompts),
        ]
    };
    let header = ["attacker", "attack", "mean reward", "if honest", "gain", "95% draws", "95% prompts"];
    table(header, 2, shown.iter().map(row)).to_string()
}

fn node_table(role: &str, nodes: &[NodeReport], groups: &[NodeReport]) -> String {
    let shown = if nodes.len() > MAX_ROWS && !groups.is_empty() { groups } else { nodes };
    let in_money = shown.iter().any(|node| node.break_even_reward.is_some());
    let at_stake = shown.iter().any(|node| node.stake.is_some());
    let mut header =
        vec![role, "rounds", "mean reward", "95% draws", "95% prompts", "below 0", "quality /10", "cost", "latency ms"];
    if in_money {
        header.extend(["profit", "break-even"]);
    }
    if at_stake {
        header.extend(["stake left", "lost each time"]);
    }
    let mut sorted: Vec<&NodeReport> = shown.iter().collect();
    sorted.sort_by(|a, b| {
        b.reward_mean.unwrap_or(f64::NEG_INFINITY).total_cmp(&a.reward_mean.unwrap_or(f64::NEG_INFINITY))
    });
    let row = |node: &NodeReport| {
        let mut row = vec![
            named(&node.id, node.instances),
            count(node.rounds),
            figure(node.reward_mean, node.ci95_monte_carlo),
            interval(node.ci95_monte_carlo),
            interval(node.ci95_prompts),
            node.negative_share.map_or("none".into(), |share| format!("{:.1}%", 100.0 * share)),
            node.quality_mean.map_or("none".into(), |quality| format!("{quality:.2}")),
            number(Some(node.cost)),
            number(Some(node.latency_ms_mean)),
        ];
        let exact = |value: Option<f64>| value.map_or("none".into(), |value| format!("{value:.6}"));
        if in_money {
            row.extend([node.profit_mean, node.break_even_reward].map(exact));
        }
        if at_stake {
            row.extend([node.stake, node.slashed_mean].map(exact));
        }
        row
    };
    table(header, 1, sorted.into_iter().map(row)).to_string()
}
