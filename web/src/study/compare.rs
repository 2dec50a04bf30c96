//! Two mechanisms on the same random numbers.

use poq_core::attack::Role;
use poq_core::compare::{Compared, ComparedNode, Comparison, Verdict};
use poq_core::scenario::{Scenario, ScenarioError};

use super::sheet::{self, Block, Drawn, Measure, Opens, Sheet, Table};
use super::{On, ROUNDS_BETWEEN, Tell};
use crate::format;
use crate::plot::intervals::{Row, sort};

/// What the scenario with `changes` pays more or less than it pays itself.
pub(super) fn answer(on: On, changes: &[(String, String)], tell: &impl Tell) -> Result<Sheet, ScenarioError> {
    let other = changed(on.scenario, changes)?;
    let mut comparison = Comparison::new(on.dataset, on.scenario, &other)?;
    while comparison.rounds_left() > 0 {
        tell.progress("rounds", comparison.rounds_done(), on.scenario.rounds);
        comparison.run(ROUNDS_BETWEEN);
    }
    let compared = comparison.finding(on.dataset);
    let opens = Opens { words: format!("Mechanism B: {}", told(changes)), scenario: other };
    let nodes = |role: Role| compared.nodes.iter().filter(move |node| node.role == role);
    let rows = |role: Role| {
        let mut rows: Vec<Row> = nodes(role).map(|node| row(on, &compared, node)).collect();
        sort(&mut rows);
        rows
    };
    let drawn = Drawn {
        heading: "What B pays more or less than A".to_owned(),
        caption: "Right of 0, B pays the node more. Thick bar: 95% for the luck of the draws. Thin bar: 95% for the choice of \
                  prompts. Both runs read the same random numbers, so that most of the luck cancels."
            .to_owned(),
        axis: "B less A, each time a node is paid".to_owned(),
        measure: Measure::paid("difference of mean reward"),
        groups: [("Inference nodes", Role::Inference), ("Evaluators", Role::Evaluator)]
            .map(|(title, role)| (title.to_owned(), rows(role)))
            .to_vec(),
        table: table(on, &compared),
    };
    let sentences = compared.nodes.iter().map(|node| {
        // A hyphen of a name is no minus.
        let blank = ComparedNode { id: "\0".to_owned(), instances: 1, ..node.clone() };
        compared.words(&blank).replace('-', "−").replace('\0', &name(on, node))
    });
    let mechanisms = [("A", &compared.mechanism_a), ("B", &compared.mechanism_b)].map(|(name, mechanism)| {
        format!(
            "Under {name} the consensus follows truth with r = {}, and reward follows truth per millisecond with τ = {}.",
            format::optional(mechanism.pearson_consensus_truth),
            format::optional(mechanism.kendall_reward_efficiency)
        )
    });
    Ok(Sheet {
        json: sheet::json(&compared),
        blocks: vec![
            Block::Headline(headline(on, changes, &compared)),
            Block::Drawing(Box::new(drawn)),
            Block::Words("Settled or not, node by node:".to_owned()),
            Block::List(sentences.collect()),
            Block::List(mechanisms.to_vec()),
            Block::Words(format!(
                "{} of each mechanism; {} of them begin at the same random number in both. {}",
                format::counted(compared.rounds, "round", "rounds"),
                format::count(compared.rounds_in_step),
                stands_on(&compared)
            )),
            Block::Open(Box::new(opens)),
        ],
    })
}

/// `scenario` with `changes`.
pub(super) fn changed(scenario: &Scenario, changes: &[(String, String)]) -> Result<Scenario, ScenarioError> {
    changes.iter().try_fold(scenario.clone(), |scenario, (path, value)| scenario.with(path, value))
}

fn told(changes: &[(String, String)]) -> String {
    changes.iter().map(|(path, value)| format!("{path} = {value}")).collect::<Vec<_>>().join(", ")
}

fn name(on: On, node: &ComparedNode) -> String {
    let name = on.summary.instance_name(&node.model, &node.id);
    match node.instances {
        1 => name,
        count => format!("{name} and {} like it", format::count(u64::from(count) - 1)),
    }
}

fn headline(on: On, changes: &[(String, String)], compared: &Compared) -> String {
    let count = |verdict: Verdict| compared.nodes.iter().filter(|node| node.verdict == verdict).count();
    let (equal, settled) = (count(Verdict::Equal), count(Verdict::Settled));
    let all = compared.nodes.len();
    let change = told(changes);
    if equal == compared.nodes.len() {
        return format!("With {change} every node is paid the same.");
    }
    let moved = compared.nodes.iter().filter(|node| node.verdict == Verdict::Settled);
    let size = |node: &ComparedNode| node.difference.unwrap_or_default().abs();
    let most = moved.reduce(|best, node| if size(node) > size(best) { node } else { best });
    let most = most.map_or_else(String::new, |node| {
        let difference = node.difference.unwrap_or_default();
        format!(
            " Of these {} moves most: {} {} each time.",
            name(on, node),
            format::number(difference.abs()),
            if difference < 0.0 { "less" } else { "more" }
        )
    });
    format!(
        "With {change}, of {}, {} paid differently, {equal} the same, and {} not settled.{most}",
        format::counted(all as u64, "node", "nodes"),
        format::counted(settled as u64, "is", "are"),
        all - equal - settled
    )
}

/// What the verdicts stand on.
fn stands_on(compared: &Compared) -> String {
    let many = "A difference is settled where its intervals exclude 0 and it stays below 5% after Holm’s correction for all of them; nodes \
                that are alike are one.";
    match compared.replicates {
        0 => many.to_owned(),
        count => format!(
            "The past decides the path of a run: intervals stand on {count} more pairs of runs, and as many on other prompts. {many}"
        ),
    }
}

fn row(on: On, compared: &Compared, node: &ComparedNode) -> Row {
    Row {
        name: name(on, node),
        mean: node.difference,
        monte_carlo: node.ci95_monte_carlo,
        prompts: node.ci95_prompts,
        rounds: compared.rounds,
        break_even: None,
    }
}

fn table(on: On, compared: &Compared) -> Table {
    let interval = |value| format::interval(value, compared.rounds);
    let mut table = Table::new(
        "Mean reward under both",
        &["node", "A", "B", "B less A", "95%, luck of the draws", "95%, choice of prompts"],
    );
    table.rows = compared
        .nodes
        .iter()
        .map(|node| {
            vec![
                name(on, node),
                format::mean(node.reward_mean_a),
                format::mean(node.reward_mean_b),
                format::mean(node.difference),
                interval(node.ci95_monte_carlo),
                interval(node.ci95_prompts),
            ]
        })
        .collect();
    table
}
