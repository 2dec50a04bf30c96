//! `poq check`: what must hold of a result, as expressions of the Common Expression Language (CEL); JUnit out.

use std::collections::BTreeMap;

use cel::{Context, Value};
use clap::Args;
use poq_core::attack::Role;
use poq_core::json::with_nearest;
use poq_core::report::{AttackerReport, NodeReport};
use poq_core::scenario::ScenarioError;
use poq_core::simulation::RewardSamples;
use poq_core::stats::Interval;
use poq_core::{Dataset, Report, Scenario, Simulation};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Map, json};

use super::assertion::{Assertion, QUANTILES};
use super::simulate::ScenarioSource;
use crate::console::say;
use crate::fault::{Blame as _, Fault, Outcome};
use crate::interrupt;
use crate::progress::Progress;

/// Rounds between looks at Ctrl-C.
const CHUNK: u64 = 1 << 18;
/// Names whose quantiles are all kept where an assertion does not say before the run which ones it needs.
const NAMES_KEPT: usize = 256;

/// What assertions may speak of.
const HELP: &str = r#"Assertions are CEL expressions in the scenario's list `assertions`, such as
  reward.mean["node-a"] > reward.p95["node-b"]
  gain.high["attacker"] < 0.0 && mechanism.pearson_consensus_truth > 0.5
Figures: reward.mean .sd .low .high .prompts_low .prompts_high .negative_share .p01 .p05 .p25 .p50 .p75 .p95 .p99,
  gain.mean .low .high .prompts_low .prompts_high, quality, cost, latency_ms, rounds, weight, stake, profit,
  audit.pearson_truth .spearman_truth .pearson_judge, each by id; mechanism.pearson_consensus_truth,
  .spearman_consensus_truth, .pearson_consensus_judge, .kendall_reward_efficiency, .unjudged_answers
Ids: of an instance, of a recorded node for all its instances, of a group of the report; "attackers" and "honest";
  "inference:ID" or "evaluator:ID" where both roles have the id."#;

#[derive(Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    #[command(flatten)]
    source: ScenarioSource,
    /// One more assertion; may be repeated
    #[arg(long = "assert", value_name = "EXPRESSION")]
    assert: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let (dataset, mut scenario) = arguments.source.load()?;
    scenario.assertions.extend(arguments.assert.iter().cloned());
    scenario.check()?;
    if scenario.assertions.is_empty() {
        return Err(Fault::input(
            "there is nothing to check: the scenario has no `assertions`, and --assert is not given",
        ));
    }
    let compiled: Vec<Result<Assertion, String>> =
        scenario.assertions.iter().map(|text| Assertion::compile(text)).collect();

    let (report, context) = simulated(&dataset, &scenario, compiled.iter().flatten())?;
    let mut suite = TestSuite::new(scenario.preset.as_str());
    for (name, value) in [("dataset", &report.dataset.id), ("digest", &report.digest)] {
        suite.add_property((name, value.as_str()));
    }
    let (mut failed, mut errors) = (0, Vec::new());
    for (index, (text, assertion)) in scenario.assertions.iter().zip(&compiled).enumerate() {
        let value = |assertion: &Assertion| match assertion.value(&context) {
            Ok(Value::Bool(holds)) => Ok((holds, assertion.figures(&context))),
            Ok(other) => Err(format!("`{text}` is {other:?}; allowed: an expression that is true or false")),
            Err(error) => Err(format!("`{text}`: {}", explained(&error.to_string(), &report))),
        };
        let non_success = |kind, name: &str, message: String| {
            let mut status = TestCaseStatus::non_success(kind);
            status.set_type(name).set_message(message);
            status
        };
        let status = match assertion.as_ref().map_err(Clone::clone).and_then(value) {
            Ok((true, figures)) => {
                say(format_args!("holds    {text}   ({figures})"));
                TestCaseStatus::success()
            }
            Ok((false, figures)) => {
                failed += 1;
                say(format_args!("does NOT {text}   ({figures})"));
                non_success(NonSuccessKind::Failure, "assertion", format!("does not hold: {figures}"))
            }
            Err(message) => {
                say(format_args!("ERROR    {text}"));
                let error = with_nearest(&ScenarioError { path: format!("assertions.{index}"), message }.to_string());
                errors.push(error.clone());
                non_success(NonSuccessKind::Error, "expression", error)
            }
        };
        let mut case = TestCase::new(text.as_str(), status);
        case.set_classname(scenario.preset.as_str());
        suite.add_test_case(case);
    }
    let mut junit = quick_junit::Report::new("poq check");
    junit.add_test_suite(suite);
    super::print(&junit.to_string().environment("cannot write JUnit")?)?;
    let all = scenario.assertions.len();
    say(format_args!("{} of {all} assertions hold", all - failed - errors.len()));
    if !errors.is_empty() {
        return Err(Fault::input(errors.join("\npoq: ")));
    }
    if failed > 0 { Err(Fault::Assertions { failed, all }) } else { Ok(()) }
}

/// The report, and what assertions may speak of.
fn simulated<'a>(
    dataset: &Dataset,
    scenario: &Scenario,
    assertions: impl Iterator<Item = &'a Assertion>,
) -> Outcome<(Report, Context<'static, 'static>)> {
    let mut simulation = Simulation::new(dataset, scenario)?;
    let names = Names::new(dataset, &simulation);
    // Quantiles cost memory: they are kept for those that an assertion names.
    let asked: Vec<_> = assertions.map(Assertion::quantiles).collect();
    let keeps_all = asked.iter().any(|asked| asked.others) && names.0.len() <= NAMES_KEPT;
    let named: Vec<(&String, &Vec<(Role, usize)>)> =
        names.0.iter().filter(|(name, _)| keeps_all || asked.iter().any(|asked| asked.names.contains(name))).collect();
    let sets: Vec<Vec<(Role, usize)>> = named.iter().map(|(_, nodes)| (*nodes).clone()).collect();
    let mut samples = RewardSamples::new(&simulation, &sets);
    let mut progress = (scenario.rounds > 8 * CHUNK).then(|| Progress::new("check", "rounds", scenario.rounds));
    while simulation.rounds_left() > 0 {
        if interrupt::requested() {
            return Err(Fault::Interrupted);
        }
        let before = simulation.rounds_done();
        simulation.run_sampling(CHUNK, &mut samples);
        if let Some(progress) = &mut progress {
            progress.advance(simulation.rounds_done() - before);
        }
    }
    if let Some(progress) = progress {
        progress.finish();
    }
    let report = simulation.report(dataset);
    let mut tables = tables(&report);
    for (set, (name, _)) in named.iter().enumerate() {
        let at = QUANTILES.map(|(_, at)| at);
        if let Some(quantiles) = samples.quantiles(set, at) {
            for ((quantile, _), value) in QUANTILES.iter().zip(quantiles) {
                tables.entry(("reward", quantile)).or_default().insert((*name).clone(), json!(value));
            }
        }
    }
    for (name, nodes) in &names.0 {
        pooled(&report, name, nodes, &mut tables);
    }
    // A quantile that nobody is named with is still a table: an unknown name is then said to be one.
    for (quantile, _) in QUANTILES {
        tables.entry(("reward", quantile)).or_default();
    }
    let mut variables: BTreeMap<&str, Map<String, serde_json::Value>> = BTreeMap::new();
    for ((variable, field), table) in tables {
        let fields = variables.entry(variable).or_default();
        if field.is_empty() { fields.extend(table) } else { drop(fields.insert(field.to_owned(), table.into())) }
    }
    let mut context = Context::default();
    for (name, fields) in variables {
        context.add_variable(name, serde_json::Value::from(fields)).environment("cannot hand a report to CEL")?;
    }
    Ok((report, context))
}

/// What assertions may speak of; some runs lack figures of some, as those of `gain` where nobody attacks.
const VARIABLES: [&str; 11] =
    ["reward", "gain", "quality", "cost", "latency_ms", "rounds", "weight", "stake", "profit", "mechanism", "audit"];

/// By variable and field, figures by name; a variable without a field has them itself.
type Tables = BTreeMap<(&'static str, &'static str), Map<String, serde_json::Value>>;

/// Every name that stands for several nodes, and for each of them.
struct Names(BTreeMap<String, Vec<(Role, usize)>>);

impl Names {
    fn new(dataset: &Dataset, simulation: &Simulation) -> Self {
        let network = simulation.network();
        let manifest = &dataset.manifest;
        let mut names: BTreeMap<String, Vec<(Role, usize)>> = BTreeMap::new();
        let roles = [
            (
                Role::Inference,
                "inference",
                &network.inference,
                Vec::from_iter(manifest.inference_nodes.iter().map(|entry| &entry.id)),
            ),
            (
                Role::Evaluator,
                "evaluator",
                &network.evaluators,
                Vec::from_iter(manifest.evaluators.iter().map(|entry| &entry.id)),
            ),
        ];
        for (role, prefix, nodes, models) in roles {
            for (position, node) in nodes.iter().enumerate() {
                let model = models[node.model];
                let conduct = if node.attack.is_some() { "attackers" } else { "honest" };
                let mut own = vec![node.id.clone(), format!("{prefix}:{}", node.id), conduct.to_owned()];
                own.push(format!("{prefix}:{conduct}"));
                if *model != node.id {
                    own.extend([model.clone(), format!("{prefix}:{model}")]);
                }
                for name in own {
                    names.entry(name).or_default().push((role, position));
                }
            }
        }
        // A bare name that nodes of both roles have says nothing; those of conduct are meant for both.
        names.retain(|name, nodes| {
            ["attackers", "honest"].contains(&name.as_str()) || nodes.iter().all(|(role, _)| *role == nodes[0].0)
        });
        Self(names)
    }
}

/// The figures of a report by the ids of its nodes and groups.
fn tables(report: &Report) -> Tables {
    let mut tables = Tables::new();
    let clash = |id: &str| {
        report.inference_nodes.iter().any(|node| node.id == id)
            && report.evaluator_nodes.iter().any(|node| node.id == id)
    };
    let mut put = |prefix: &str, id: &str, figures: Vec<(&'static str, &'static str, Option<f64>)>| {
        for (variable, field, value) in figures {
            let table = tables.entry((variable, field)).or_default();
            if let Some(value) = value {
                if !clash(id) {
                    table.insert(id.to_owned(), json!(value));
                }
                table.insert(format!("{prefix}:{id}"), json!(value));
            }
        }
    };
    let roles = [
        ("inference", &report.inference_nodes, &report.inference_groups),
        ("evaluator", &report.evaluator_nodes, &report.evaluator_groups),
    ];
    for (prefix, nodes, groups) in roles {
        for node in nodes.iter().chain(groups) {
            put(prefix, &node.id, figures(node));
        }
    }
    for attacker in report.attackers.iter().chain(&report.attacker_groups) {
        let prefix = if attacker.role == Role::Inference { "inference" } else { "evaluator" };
        put(prefix, &attacker.id, gains(attacker));
    }
    for audit in &report.evaluator_audit {
        let correlations = [
            ("pearson_truth", audit.pearson_truth),
            ("spearman_truth", audit.spearman_truth),
            ("pearson_judge", audit.pearson_judge),
        ];
        put("evaluator", &audit.id, correlations.map(|(field, value)| ("audit", field, value)).into());
    }
    let mechanism = &report.mechanism;
    let figures = [
        ("pearson_consensus_truth", mechanism.pearson_consensus_truth),
        ("spearman_consensus_truth", mechanism.spearman_consensus_truth),
        ("pearson_consensus_judge", mechanism.pearson_consensus_judge),
        ("kendall_reward_efficiency", mechanism.kendall_reward_efficiency),
        ("unjudged_answers", Some(mechanism.unjudged_answers as f64)),
    ];
    let defined = figures.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
    tables.insert(("mechanism", ""), defined.collect());
    tables
}

fn bounds(interval: Option<Interval>) -> [Option<f64>; 2] {
    interval.map_or([None; 2], |[low, high]| [Some(low), Some(high)])
}

fn figures(node: &NodeReport) -> Vec<(&'static str, &'static str, Option<f64>)> {
    let [low, high] = bounds(node.ci95_monte_carlo);
    let [prompts_low, prompts_high] = bounds(node.ci95_prompts);
    vec![
        ("reward", "mean", node.reward_mean),
        ("reward", "sd", node.reward_sd),
        ("reward", "low", low),
        ("reward", "high", high),
        ("reward", "prompts_low", prompts_low),
        ("reward", "prompts_high", prompts_high),
        ("reward", "negative_share", node.negative_share),
        ("rounds", "", Some(node.rounds as f64)),
        ("quality", "", node.quality_mean),
        ("cost", "", Some(node.cost)),
        ("latency_ms", "", Some(node.latency_ms_mean)),
        ("weight", "", node.weight),
        ("stake", "", node.stake),
        ("profit", "", node.profit_mean),
    ]
}

fn gains(attacker: &AttackerReport) -> Vec<(&'static str, &'static str, Option<f64>)> {
    let [low, high] = bounds(attacker.ci95_monte_carlo);
    let [prompts_low, prompts_high] = bounds(attacker.ci95_prompts);
    vec![
        ("gain", "mean", attacker.gain_mean),
        ("gain", "low", low),
        ("gain", "high", high),
        ("gain", "prompts_low", prompts_low),
        ("gain", "prompts_high", prompts_high),
    ]
}

/// Adds what a report does not have of several nodes together: the means over all their payments.
fn pooled(report: &Report, name: &str, nodes: &[(Role, usize)], tables: &mut Tables) {
    let of = |&(role, position): &(Role, usize)| match role {
        Role::Inference => &report.inference_nodes[position],
        Role::Evaluator => &report.evaluator_nodes[position],
    };
    let rounds: u64 = nodes.iter().map(|node| of(node).rounds).sum();
    let mut put = |field, value: fn(&NodeReport) -> Option<f64>| {
        let table = tables.entry(("reward", field)).or_default();
        let sum: f64 = nodes.iter().filter_map(|node| Some(of(node).rounds as f64 * value(of(node))?)).sum();
        if rounds > 0 {
            table.entry(name).or_insert_with(|| json!(sum / rounds as f64));
        }
    };
    put("mean", |node| node.reward_mean);
    put("negative_share", |node| node.negative_share);
}

/// A fault of an expression with what to do about it.
fn explained(error: &str, report: &Report) -> String {
    if let Some(key) = error.strip_prefix("No such key: ") {
        let nodes = report.inference_nodes.iter().chain(&report.evaluator_nodes).take(20);
        let ids: Vec<&str> = nodes.map(|node| node.id.as_str()).collect();
        return format!(
            "`{key}` is unknown here, or has no such figure in this run; allowed: {}, attackers, honest",
            ids.join(", ")
        );
    }
    if let Some(seen) = error.strip_prefix("Undeclared reference to '").and_then(|rest| rest.split('\'').next()) {
        return match VARIABLES.contains(&seen) {
            true => format!("`{seen}` has no figures in this run"),
            false => format!("`{seen}` is unknown; allowed: {}", VARIABLES.join(", ")),
        };
    }
    error.to_owned()
}
