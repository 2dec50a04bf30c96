//! Nodes that differ in their names alone: their figures together, and networks in which they share sums.

use crate::common::Files;
use poq_core::report::NodeReport;
use poq_core::rng::{Purpose, Stream};
use poq_core::simulation::ScoredAnswer;
use poq_core::{Dataset, Report, Scenario, Simulation, simulate, stats};
use serde_json::{Value, json};

fn dataset() -> Dataset {
    Files::made_up(12, 4, 5).read().expect("valid")
}

fn scenario(patch: Value) -> Scenario {
    Scenario::from_patch(&patch).expect("a valid scenario")
}

fn report(dataset: &Dataset, scenario: &Scenario) -> Report {
    simulate(dataset, scenario, scenario.seed, scenario.rounds).expect("fits the dataset")
}

/// A network whose evaluators keep no cells of their own: 12 tasks x 3,000 nodes.
fn large(draw: &str, rounds: u64) -> Scenario {
    scenario(json!({"rounds": rounds, "inference_draw": draw, "evaluators_per_round": 40, "network": {
        "inference": [{"model": "n0", "count": 2}, {"model": "n2"}],
        "evaluators": [{"model": "e1", "count": 1990}, {"model": "e3", "count": 1000}, {"model": "e1", "count": 10, "latency_factor": 2}]}}))
}

fn close(what: &str, got: Option<f64>, want: f64) {
    let got = got.unwrap_or_else(|| panic!("no {what}"));
    assert!((got - want).abs() < 1e-9 * want.abs().max(1.0), "{what}: {got} is not {want}");
}

#[test]
fn groups_are_named_by_what_tells_them_apart() {
    let dataset = dataset();
    assert!(report(&dataset, &Scenario::default()).inference_groups.is_empty());
    let mut scenario = large("uniform", 10);
    scenario.attacks = serde_json::from_value(
        json!([{"nodes": ["e3"], "kind": "boost"}, {"nodes": ["n0#2"], "kind": "latency_misreport"}]),
    )
    .expect("attacks");
    let report = report(&dataset, &scenario);
    let names = |groups: &[NodeReport]| {
        Vec::from_iter(groups.iter().map(|group| format!("{} x {}", group.id, group.instances)))
    };
    assert_eq!(names(&report.evaluator_groups), ["e1 (group 1) x 1990", "e3, boost x 1000", "e1 (group 3) x 10"]);
    // Each inference node is a group of its own here.
    assert!(report.inference_groups.is_empty());
    assert_eq!(
        report.attacker_groups.iter().map(|group| (group.id.as_str(), group.instances)).collect::<Vec<_>>(),
        [("e3, boost", 1000)]
    );
}

/// What a group's payments come to, round by round: by task for the prompts, by batches of rounds for the draws.
#[test]
fn groups_agree_with_plain_arithmetic() {
    let dataset = dataset();
    for scenario in [large("uniform", 250), large("all", 60)] {
        let mut simulation = Simulation::new(&dataset, &scenario).expect("fits");
        let rounds: Vec<Vec<ScoredAnswer>> = (0..scenario.rounds).map(|_| simulation.open_next()).collect();
        let report = simulation.report(&dataset);
        let members = [0..1990, 1990..2990, 2990..3000];
        for (group, members) in report.evaluator_groups.iter().zip(members) {
            let cost = group.cost;
            let mut paid: Vec<f64> = Vec::new();
            let mut batches: Vec<(f64, f64)> = Vec::new();
            for rounds in rounds.chunks(rounds.len().div_ceil(30)) {
                let (mut n, mut sum) = (0.0, 0.0);
                for answer in rounds.iter().flatten() {
                    for given in answer.scores.iter().filter(|given| members.contains(&given.evaluator)) {
                        let reward = 1.0 - (given.score - answer.consensus).abs() / 10.0 - 0.5 * cost;
                        paid.push(reward);
                        n += 1.0;
                        sum += reward;
                    }
                }
                if n > 0.0 {
                    batches.push((n, sum));
                }
            }
            assert_eq!(group.rounds, paid.len() as u64);
            let mean = paid.iter().sum::<f64>() / paid.len() as f64;
            close("mean", group.reward_mean, mean);
            let squares: f64 = paid.iter().map(|reward| (reward - mean).powi(2)).sum();
            close("sd", group.reward_sd, (squares / (paid.len() as f64 - 1.0)).sqrt());
            // The ratio of two sums over batches (delta method).
            let count = batches.len() as f64;
            let residuals: f64 = batches.iter().map(|(n, sum)| (sum - mean * n).powi(2)).sum();
            let error = (residuals * count / (count - 1.0)).sqrt() / paid.len() as f64;
            let half = stats::student_t_975(batches.len() as u64 - 1) * error;
            let [low, high] = group.ci95_monte_carlo.expect("an interval");
            close("low", Some(low), mean - half);
            close("high", Some(high), mean + half);
            let [low, high] = group.ci95_prompts.expect("an interval");
            assert!(low < mean && mean < high && high - low < 1.0);
        }
        // Nodes keep sums of their own but for the tasks.
        for (at, node) in report.evaluator_nodes.iter().enumerate() {
            let paid: Vec<f64> = rounds
                .iter()
                .flatten()
                .flat_map(|answer| {
                    let own = answer.scores.iter().filter(|given| given.evaluator == at);
                    own.map(|given| 1.0 - (given.score - answer.consensus).abs() / 10.0 - 0.5 * node.cost)
                        .collect::<Vec<_>>()
                })
                .collect();
            assert_eq!((node.rounds, node.ci95_prompts), (paid.len() as u64, None));
            if !paid.is_empty() {
                close("node", node.reward_mean, paid.iter().sum::<f64>() / paid.len() as f64);
            }
        }
        assert!(report.inference_nodes.iter().all(|node| node.ci95_prompts.is_some()), "few nodes keep all");
    }
}

/// A group of few nodes has the figures of its nodes together, and the same interval over prompts as one node would
/// that had all their payments.
#[test]
fn a_small_group_is_its_nodes_together() {
    let dataset = dataset();
    let scenario = scenario(json!({"rounds": 3000, "evaluators_per_round": 1, "network": {
        "inference": [{"model": "n1", "count": 3}], "evaluators": [{"model": "e2"}]}}));
    let three = report(&dataset, &scenario);
    let one = report(
        &dataset,
        &Scenario {
            network: serde_json::from_value(json!({
        "inference": [{"model": "n1"}], "evaluators": [{"model": "e2"}]}))
            .expect("a network"),
            ..scenario
        },
    );
    let (group, node) = (&three.inference_groups[0], &one.inference_nodes[0]);
    assert_eq!((group.instances, group.rounds, three.inference_nodes.len()), (3, 3000, 3));
    // The tasks drawn are others, since the word that draws them draws a node too: close, not equal.
    let width = |node: &NodeReport| node.ci95_prompts.map(|[low, high]| high - low).expect("an interval");
    assert!((width(group) / width(node) - 1.0).abs() < 0.1);
    let sum: f64 = three.inference_nodes.iter().map(|node| node.rounds as f64 * node.reward_mean.expect("paid")).sum();
    close("mean", group.reward_mean, sum / 3000.0);
}

/// Consensus against truth does not depend on who keeps sums.
#[test]
fn downgraded_answers_of_a_group_count_with_the_truth_they_have() {
    let dataset = dataset();
    for count in [1, 4, 4000] {
        let scenario = scenario(json!({"rounds": 3000,
            "attacks": [{"nodes": ["n1"], "kind": "intermittent", "probability": 0.4, "attack": {"kind": "downgrade", "to": "n3"}}],
            "network": {"inference": [{"model": "n1", "count": count}, {"model": "n0", "count": count}]}}));
        let mut simulation = Simulation::without_gains(&dataset, &scenario).expect("fits");
        let answers: Vec<ScoredAnswer> = (0..scenario.rounds).flat_map(|_| simulation.open_next()).collect();
        let (consensus, truth): (Vec<f64>, Vec<f64>) =
            answers.iter().map(|answer| (answer.consensus, dataset.truth(answer.task, answer.model))).unzip();
        let pearson = stats::pearson(&consensus, &truth).expect("varies");
        let got = report(&dataset, &scenario).mechanism.pearson_consensus_truth;
        assert!((got.expect("varies") - pearson).abs() < 1e-9, "{count}: {got:?} {pearson}");
    }
}

#[test]
fn passages_are_held_together_by_texts_and_groups_of_any_kind() {
    let task = |id: &str, kind: &str, context: &str, group: &str| {
        let mut task = json!({"id": id, "kind": kind, "prompt": format!("What of {id}?"), "references": ["it"]});
        for (field, value) in [("context", context), ("group", group)] {
            if !value.is_empty() {
                task[field] = json!(value);
            }
        }
        format!("{task}\n")
    };
    let mut files = Files::made_up(6, 2, 2);
    files.tasks = [
        task("t0", "qa", "one", ""),
        task("t1", "qa", "two", ""),
        task("t2", "summarization", "one", ""),
        task("t3", "qa", "three", "g"),
        // It holds together what was apart so far.
        task("t4", "qa", "two", "g"),
        task("t5", "qa", "", ""),
    ]
    .concat()
    .into_bytes();
    files.seal();
    let dataset = files.read().expect("valid");
    assert_eq!(dataset.passages(), [0, 1, 0, 1, 1, 2]);
}

/// Texts and groups at random, against the smallest relation that holds like tasks together.
#[test]
fn passages_are_the_smallest_parts_that_texts_and_groups_hold_together() {
    let mut stream = Stream::new(7, Purpose::Draws);
    for _ in 0..200 {
        let count = 2 + stream.below(11) as usize;
        let drawn: Vec<[u32; 2]> = (0..count).map(|_| [stream.below(9), stream.below(12)]).collect();
        let mut files = Files::made_up(count, 2, 2);
        let task = |(index, [text, group]): (usize, &[u32; 2])| {
            let mut task = json!({"id": format!("t{index}"), "kind": "qa", "prompt": "What?", "references": ["it"],
                "context": format!("text {text}")});
            // Half of them are of no group.
            if *group < 6 {
                task["group"] = json!(format!("g{group}"));
            }
            format!("{task}\n")
        };
        files.tasks = drawn.iter().enumerate().map(task).collect::<String>().into_bytes();
        files.seal();
        let dataset = files.read().expect("valid");
        let mut of: Vec<usize> = (0..count).collect();
        for _ in 0..count {
            for (a, b) in (0..count).flat_map(|a| (0..count).map(move |b| (a, b))) {
                let ([text, group], other) = (drawn[a], drawn[b]);
                if text == other[0] || (group < 6 && group == other[1]) {
                    of[a] = of[a].min(of[b]);
                    of[b] = of[a];
                }
            }
        }
        let mut firsts = of.clone();
        firsts.sort_unstable();
        firsts.dedup();
        let expected: Vec<u32> =
            of.iter().map(|first| firsts.iter().position(|other| other == first).expect("there") as u32).collect();
        assert_eq!(dataset.passages(), expected, "{drawn:?}");
    }
}
