//! `poq compare`: two mechanisms on the same random numbers.

use std::path::PathBuf;

use clap::Args;
use poq_core::Scenario;
use poq_core::compare::{Compared, Comparison};

use super::simulate::{ScenarioSource, read_scenario, set_all};
use super::table::{figure, interval, number, table};
use crate::console::say;
use crate::fault::{Fault, Outcome};
use crate::interrupt;
use crate::progress::Progress;
use crate::words::count;

/// Rounds between looks at Ctrl-C.
const CHUNK: u64 = 1 << 18;

/// The scenario, with its own --preset and --set, is mechanism A.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    source: ScenarioSource,
    /// Scenario of mechanism B (seed and rounds are those of A); without it, B is A with --change
    #[arg(long, value_name = "SCENARIO")]
    against: Option<PathBuf>,
    /// Set any field of mechanism B, such as consensus.rule=median
    #[arg(long, value_name = "PATH=VALUE")]
    change: Vec<String>,
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let (dataset, a) = arguments.source.load_as_written()?;
    let other = match &arguments.against {
        Some(path) => Scenario { seed: a.seed, rounds: a.rounds, ..read_scenario(path)? },
        None => a.clone(),
    };
    let b = set_all(other, "--change", &arguments.change)?;
    if a == b {
        return Err(Fault::input("A and B are the same; give --against SCENARIO or --change PATH=VALUE"));
    }
    // What is chosen for both is said once.
    let (a, of_a) = a.fitted(&dataset)?;
    let (b, of_b) = b.fitted(&dataset)?;
    let lines = [("A: ", &of_a), ("B: ", &of_b)].into_iter().filter_map(|(name, line)| Some((name, line.as_ref()?)));
    for (name, line) in lines.take(if of_a == of_b { 1 } else { 2 }) {
        say(format_args!("{}{line}", if of_a == of_b { "" } else { name }));
    }
    let mut comparison = Comparison::new(&dataset, &a, &b)?;
    let mut progress = (a.rounds > 8 * CHUNK).then(|| Progress::new("compare", "rounds", a.rounds));
    while comparison.rounds_left() > 0 && !interrupt::requested() {
        let before = comparison.rounds_done();
        comparison.run(CHUNK);
        if let Some(progress) = &mut progress {
            progress.advance(comparison.rounds_done() - before);
        }
    }
    if let Some(progress) = progress {
        progress.finish();
    }
    let compared = comparison.finding(&dataset);
    if arguments.json {
        super::print_json(&compared)?
    } else {
        super::print(&summary(&compared))?
    }
    interrupt::check()
}

fn summary(compared: &Compared) -> String {
    let row = |node: &poq_core::compare::ComparedNode| {
        vec![
            node.name(),
            number(node.reward_mean_a),
            number(node.reward_mean_b),
            figure(node.difference, node.ci95_monte_carlo),
            interval(node.ci95_monte_carlo),
            interval(node.ci95_prompts),
        ]
    };
    let header = ["node", "A", "B", "B less A", "95% draws", "95% prompts"];
    let mut lines = vec![
        format!(
            "{} rounds of each mechanism, {} begun by the same random number",
            count(compared.rounds),
            count(compared.rounds_in_step)
        ),
        String::new(),
        table(header, 1, compared.nodes.iter().map(row)).to_string(),
        "95% draws: the difference over all draws on these prompts; 95% prompts: on other passages of the same kinds of task".into(),
        "settled: both exclude 0, and at 5% still do after Holm's correction for all nodes compared".into(),
        String::new(),
    ];
    if compared.replicates > 0 {
        let count = compared.replicates;
        lines.insert(3, format!("the past decides a run's path: intervals stand on {count} more pairs of runs, and as many on other prompts"));
    }
    lines.extend(compared.nodes.iter().map(|node| compared.words(node)));
    lines.push(String::new());
    for (name, mechanism) in [("A", &compared.mechanism_a), ("B", &compared.mechanism_b)] {
        lines.push(format!(
            "{name}: consensus against truth, Pearson {}; reward against truth per millisecond, Kendall tau {}",
            number(mechanism.pearson_consensus_truth),
            number(mechanism.kendall_reward_efficiency)
        ));
    }
    lines.join("\n")
}
