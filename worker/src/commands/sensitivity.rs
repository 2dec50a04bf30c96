//! `poq sensitivity`: which assumption matters.

use clap::Args;
use poq_core::scenario::ScenarioError;
use poq_core::sensitivity::{Effect, LEVELS, OfRule, Output, Plan, REPLICATES, TRAJECTORIES, factors, overridden};
use poq_core::sweep::Axis;
use serde::Serialize;

use super::parallel::run_all;
use super::simulate::ScenarioSource;
use super::table::{figure, interval, table};
use super::whole::whole;
use crate::fault::Outcome;
use crate::interrupt;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    source: ScenarioSource,
    /// What is looked at: reward_gap, pearson_consensus_truth, kendall_reward_efficiency, attacker_gain, or
    /// reward_mean:inference:ID, negative_share:evaluator:ID and the like
    #[arg(long, default_value = "pearson_consensus_truth")]
    output: String,
    /// A field and its values, in place of those it has by default; may be repeated
    #[arg(long, value_name = "PATH=VALUES")]
    vary: Vec<String>,
    /// Vary the parameters of the scenario's rule in place of the rule
    #[arg(long)]
    parameters: bool,
    /// Ways through the space of assumptions
    #[arg(long, value_parser = whole::<u32>, default_value_t = TRAJECTORIES)]
    trajectories: u32,
    /// Values of a number
    #[arg(long, value_parser = whole::<u32>, default_value_t = LEVELS)]
    levels: u32,
    /// Seeds of each point of a way: how much they differ tells luck from effects
    #[arg(long, value_parser = whole::<u32>, default_value_t = REPLICATES)]
    replicates: u32,
    /// Print the effects as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Ranking<'a> {
    output: String,
    runs: usize,
    trajectories: u32,
    replicates: u32,
    effects: &'a [Effect],
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let (dataset, scenario) = arguments.source.load()?;
    let output: Output = arguments.output.parse()?;
    let axes = arguments.vary.iter().map(|text| text.parse()).collect::<Result<Vec<Axis>, ScenarioError>>()?;
    let of_rule = if arguments.parameters { OfRule::Parameters } else { OfRule::Rule };
    let factors = overridden(factors(&scenario, &dataset, arguments.levels, of_rule)?, axes);
    let &Arguments { trajectories, replicates, .. } = arguments;
    let plan = Plan::new(scenario, factors, trajectories, replicates)?;
    let values = run_all("sensitivity", plan.runs(), |run| output.of(&plan.run(&dataset, run)?))?;
    let effects = plan.effects(&values);
    if arguments.json {
        let (output, runs) = (output.to_string(), plan.runs());
        return super::print_json(&Ranking { output, runs, trajectories, replicates, effects: &effects });
    }
    let row = |effect: &Effect| {
        vec![
            effect.path.clone(),
            figure(effect.size, effect.ci95),
            interval(effect.ci95),
            figure(effect.noise, effect.ci95),
            effect.verdict_words().to_owned(),
            effect.mu.map_or("none".into(), |mu| format!("{mu:.3}")),
            effect.sigma.map_or("none".into(), |sigma| format!("{sigma:.3}")),
            effect.undefined.to_string(),
            effect.words_of_values(),
        ]
    };
    let header = ["assumption", "size", "95%", "of noise", "", "mu", "sigma", "undefined", "values tried"];
    super::print(&format!(
        "{}\n\n{output} over {} runs: {trajectories} ways through these values, each point on {replicates} seeds. \
         Size is, of a number, the mean size of the change as it moves through its whole range (mu*, Morris 1991), \
         and of a choice the largest difference between two of its values; 95% for the ways and the draws, of choices for \
         whichever two differ most: it may begin at 0 where a few ways alone show that the factor does something. \"Of \
         noise\" is the size that luck alone would show; \"beyond noise\" says that it changes the output at all, at \
         5% for all {} rows together (Holm). The ranges are assumed.",
        table(header, 1, effects.iter().map(row)),
        plan.runs(),
        effects.len()
    ))
}
