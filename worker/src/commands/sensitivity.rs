//! `poq sensitivity`: which assumption matters.

use clap::Args;
use poq_core::scenario::ScenarioError;
use poq_core::sensitivity::{Effect, LEVELS, OfRule, Output, Plan, TRAJECTORIES, factors, overridden};
use poq_core::sweep::Axis;
use serde::Serialize;

use super::parallel::run_all;
use super::simulate::ScenarioSource;
use super::table::{interval, number, table};
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
    #[arg(long, default_value_t = TRAJECTORIES)]
    trajectories: u32,
    /// Values of a number
    #[arg(long, default_value_t = LEVELS)]
    levels: u32,
    /// Print the effects as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Ranking<'a> {
    output: String,
    runs: usize,
    effects: &'a [Effect],
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let (dataset, scenario) = arguments.source.load()?;
    let output: Output = arguments.output.parse()?;
    let axes = arguments.vary.iter().map(|text| text.parse()).collect::<Result<Vec<Axis>, ScenarioError>>()?;
    let of_rule = if arguments.parameters { OfRule::Parameters } else { OfRule::Rule };
    let factors = overridden(factors(&scenario, &dataset, arguments.levels, of_rule)?, axes);
    let plan = Plan::new(scenario, factors, arguments.trajectories)?;
    let values = run_all("sensitivity", plan.runs(), |run| output.of(&plan.run(&dataset, run)?))?;
    let effects = plan.effects(&values);
    if arguments.json {
        return super::print_json(&Ranking { output: output.to_string(), runs: plan.runs(), effects: &effects });
    }
    let row = |effect: &Effect| {
        vec![
            effect.path.clone(),
            number(effect.mu_star),
            interval(effect.ci95),
            number(effect.mu),
            number(effect.sigma),
            effect.undefined.to_string(),
        ]
    };
    let header = ["assumption", "mu*", "95%", "mu", "sigma", "undefined"];
    super::print(&format!(
        "{}\n\n{output} over {} runs: mu* is the mean size of the change when the assumption moves through its whole range \
         (Morris 1991)",
        table(header, 1, effects.iter().map(row)),
        plan.runs()
    ))
}
