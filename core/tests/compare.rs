//! Two mechanisms side by side, against rounds replayed one by one, plain arithmetic, and many seeds.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::Files;
use poq_core::attack::Role;
use poq_core::compare::{Compared, ComparedNode, Comparison, Verdict};
use poq_core::network::Instance;
use poq_core::report::NodeReport;
use poq_core::reward::{evaluator_quality, inference_quality, reward};
use poq_core::rng::{Purpose, Stream};
use poq_core::simulation::ScoredAnswer;
use poq_core::stats::{self, Interval};
use poq_core::{Dataset, Scenario, Simulation, simulate};
use serde_json::{Value, json};

fn dataset() -> Dataset {
    Files::made_up(12, 4, 5).read().expect("valid")
}

/// A scenario of `common` with what `own` sets besides.
fn scenario(common: &Value, own: &Value) -> Scenario {
    let mut patch = common.clone();
    for (key, value) in own.as_object().expect("an object") {
        patch[key] = value.clone();
    }
    Scenario::from_patch(&patch).expect("a valid scenario")
}

fn compare(dataset: &Dataset, a: &Scenario, b: &Scenario) -> Compared {
    let mut comparison = Comparison::new(dataset, a, b).expect("may be compared");
    comparison.run(u64::MAX);
    comparison.finding(dataset)
}

/// Pairs of mechanisms that differ in every way that they may.
fn varied() -> Vec<[Value; 2]> {
    let boost = json!([{"nodes": ["e1"], "kind": "boost"}]);
    vec![
        [json!({}), json!({"consensus": {"rule": "median"}})],
        [json!({"evaluators_per_round": 2}), json!({"evaluators_per_round": 3})],
        [json!({"evaluators_per_round": 1}), json!({"evaluators_per_round": 5, "cost_normalization": "ratio_to_max"})],
        [json!({}), json!({"inference_draw": "all"})],
        [
            json!({"inference_draw": "all", "evaluators_per_round": 4, "consensus": {"rule": "trimmed_mean"}}),
            json!({"inference_draw": "all", "reward": {"alpha_evaluator": 2, "beta_inference": 0.1}}),
        ],
        [json!({"consensus": {"rule": "ema_trust"}}), json!({"attacks": boost, "consensus": {"rule": "yuma"}})],
        [json!({"reward": {"alpha_inference": 0}}), json!({"score_normalization": {"e0": "min_max"}})],
        [
            json!({"network": {"evaluators": [{"model": "e1", "count": 3}, {"model": "e0", "score_noise_sd": 1}]}}),
            json!({"network": {"evaluators": [{"model": "e1", "count": 3, "stake": 2}, {"model": "e0"}]},
                   "consensus": {"rule": "median"}}),
        ],
    ]
}

/// What each node is paid in a round, beside the word at which the round begins and its task.
struct Round {
    begins: u64,
    task: usize,
    /// By node: inference nodes, then evaluators.
    rewards: Vec<Vec<f64>>,
}

/// The rounds of a run, opened one by one; `begins` are the words at which they begin.
fn opened(dataset: &Dataset, scenario: &Scenario, begins: impl IntoIterator<Item = u64>) -> Vec<Round> {
    let mut simulation = Simulation::new(dataset, scenario).expect("fits the dataset");
    let network = simulation.network().clone();
    let weights = &scenario.reward;
    let of_round = |answers: Vec<ScoredAnswer>, begins| {
        let mut rewards = vec![Vec::new(); network.inference.len() + network.evaluators.len()];
        for ScoredAnswer { inference, scores, consensus, .. } in &answers {
            let cost = network.inference[*inference].cost;
            let quality = inference_quality(*consensus);
            rewards[*inference].push(reward(weights.alpha_inference, quality, weights.beta_inference, cost));
            for given in scores {
                let cost = network.evaluators[given.evaluator].cost;
                let quality = evaluator_quality(given.score, *consensus);
                rewards[network.inference.len() + given.evaluator].push(reward(
                    weights.alpha_evaluator,
                    quality,
                    weights.beta_evaluator,
                    cost,
                ));
            }
        }
        Round { begins, task: answers[0].task, rewards }
    };
    begins.into_iter().take(scenario.rounds as usize).map(|word| of_round(simulation.open_next(), word)).collect()
}

struct Plain {
    difference: f64,
    monte_carlo: Interval,
}

/// The difference of the means of some nodes together with its interval, from lists of rounds; those that begin at the
/// same word go together.
fn plain(sides: [&[Round]; 2], nodes: std::ops::Range<usize>) -> Plain {
    let of_nodes = |round: &Round| -> Vec<f64> { round.rewards[nodes.clone()].concat() };
    let paid = sides.map(|rounds| rounds.iter().flat_map(of_nodes).count() as f64);
    let total = sides.map(|rounds| rounds.iter().flat_map(of_nodes).sum::<f64>());
    let mean = [total[0] / paid[0], total[1] / paid[1]];

    let mut influences: BTreeMap<u64, f64> = BTreeMap::new();
    for (side, sign) in [(0, -1.0), (1, 1.0)] {
        for round in sides[side] {
            let excess: f64 = of_nodes(round).iter().map(|reward| reward - mean[side]).sum();
            *influences.entry(round.begins).or_default() += sign * excess / paid[side];
        }
    }
    let took_part = sides.map(|rounds| {
        let own = rounds.iter().filter(|round| !of_nodes(round).is_empty());
        own.map(|round| round.begins).collect::<BTreeSet<u64>>().len()
    });
    let n = took_part[0].min(took_part[1]).min(influences.len());
    let variance =
        influences.values().map(|influence| influence * influence).sum::<f64>() * n as f64 / (n as f64 - 1.0);
    let half = stats::student_t_975(n as u64 - 1) * variance.sqrt();
    let difference = mean[1] - mean[0];

    Plain { difference, monte_carlo: [difference - half, difference + half] }
}

/// By row of `got`: the positions of its nodes, inference nodes first; those that are alike stand side by side in a
/// network.
fn members(got: &Compared, run: &Simulation) -> Vec<std::ops::Range<usize>> {
    let network = run.network();
    let position = |node: &ComparedNode| {
        let of = |nodes: &[Instance]| nodes.iter().position(|instance| instance.id == node.id).expect("known");
        let first = match node.role {
            Role::Inference => of(&network.inference),
            Role::Evaluator => network.inference.len() + of(&network.evaluators),
        };
        first..first + node.instances as usize
    };
    got.nodes.iter().map(position).collect()
}

#[track_caller]
fn agrees(got: &Compared, want: &[Plain]) {
    assert_eq!(got.nodes.len(), want.len());
    for (node, plain) in got.nodes.iter().zip(want) {
        let close = |what: &str, got: f64, want: f64| {
            assert!((got - want).abs() < 1e-9, "{} {what}: {got} is not {want}", node.id);
        };
        close("difference", node.difference.expect("paid"), plain.difference);
        let [low, high] = node.ci95_prompts.expect("an interval");
        let middle = (low + high) / 2.0;
        let [low, high] = node.ci95_monte_carlo.expect("an interval");
        if got.replicates == 0 {
            // The middle of the one over prompts is the difference over all draws, of which these are a few.
            assert!((middle - plain.difference).abs() <= 1.5 * (high - low) + 1e-9, "{}: {middle}", node.id);
            close("draws", low, plain.monte_carlo[0]);
            close("draws", high, plain.monte_carlo[1]);
        } else {
            // Other runs than these tell where the past decides the path: see the tests of coverage.
            close("draws", (low + high) / 2.0, plain.difference);
            close("prompts", middle, plain.difference);
        }
    }
}

#[test]
fn every_difference_agrees_with_rounds_replayed_one_by_one() {
    let dataset = dataset();
    for [a, b] in varied() {
        let common = json!({"rounds": 250, "seed": 5});
        let (a, b) = (scenario(&common, &a), scenario(&common, &b));
        let got = compare(&dataset, &a, &b);
        assert_eq!((got.rounds, got.rounds_in_step, got.prompts), (250, 250, 12));
        let sides = [opened(&dataset, &a, 0..), opened(&dataset, &b, 0..)];
        let remembers = [&a, &b].iter().any(|one| json!(one.consensus)["w_min"].is_number());
        assert_eq!(got.replicates > 0, remembers);
        let members = members(&got, &Simulation::new(&dataset, &a).expect("fits"));
        agrees(&got, &Vec::from_iter(members.into_iter().map(|nodes| plain([&sides[0], &sides[1]], nodes))));
    }
}

#[test]
fn each_side_is_the_run_that_it_would_be_alone() {
    let dataset = dataset();
    for [a, b] in varied() {
        let common = json!({"rounds": 400});
        let (a, b) = (scenario(&common, &a), scenario(&common, &b));
        let got = compare(&dataset, &a, &b);
        let alone = [&a, &b].map(|one| simulate(&dataset, one, one.seed, one.rounds).expect("fits"));
        let nodes = |side: usize| alone[side].inference_nodes.iter().chain(&alone[side].evaluator_nodes);
        let members = members(&got, &Simulation::new(&dataset, &a).expect("fits"));
        for (row, members) in got.nodes.iter().zip(members) {
            let mean = |side: usize| {
                let own: Vec<&NodeReport> = nodes(side).skip(members.start).take(members.len()).collect();
                assert_eq!((&row.id, &row.model), (&own[0].id, &own[0].model));
                let paid = own.iter().map(|node| node.rounds as f64).sum::<f64>();
                own.iter().map(|node| node.rounds as f64 * node.reward_mean.expect("paid")).sum::<f64>() / paid
            };
            for (got, want) in [(row.reward_mean_a, mean(0)), (row.reward_mean_b, mean(1))] {
                assert!((got.expect("paid") - want).abs() < 1e-12, "{}: {got:?} is not {want}", row.id);
            }
        }
        for (alignment, report) in [&got.mechanism_a, &got.mechanism_b].into_iter().zip(&alone) {
            assert_eq!(alignment.pearson_consensus_truth, report.mechanism.pearson_consensus_truth);
            assert_eq!(alignment.kendall_reward_efficiency, report.mechanism.kendall_reward_efficiency);
        }
    }
}

#[test]
fn a_mechanism_does_not_differ_from_itself() {
    let dataset = dataset();
    for one in varied().into_iter().flatten() {
        let one = scenario(&json!({"rounds": 300}), &one);
        let got = compare(&dataset, &one, &one);
        for node in &got.nodes {
            assert_eq!((node.difference, node.verdict), (Some(0.0), Verdict::Equal));
            assert_eq!((node.ci95_monte_carlo, node.ci95_prompts), (Some([0.0; 2]), Some([0.0; 2])));
            assert_eq!((node.rounds_to_settle, node.prompts_to_settle), (None, None));
            assert_eq!(got.words(node), format!("A and B pay {} the same.", node.name()));
        }
        assert_eq!(got.mechanism_a, got.mechanism_b);
    }
}

/// Another weight of cost pays every node that much less for it in every round: no luck of draws or prompts is in that.
#[test]
fn a_difference_without_luck_is_settled_at_once() {
    let dataset = dataset();
    let common = json!({"rounds": 100});
    let a = scenario(&common, &json!({}));
    let b = scenario(&common, &json!({"reward": {"beta_inference": 0.75}}));
    let costs: Vec<f64> = {
        let run = Simulation::new(&dataset, &a).expect("fits");
        run.network().inference.iter().map(|node| node.cost).collect()
    };
    let got = compare(&dataset, &a, &b);
    for (node, cost) in got.nodes.iter().zip(costs) {
        assert!((node.difference.expect("paid") + 0.25 * cost).abs() < 1e-12);
        let [low, high] = node.ci95_monte_carlo.expect("an interval");
        assert_eq!(low, high);
        assert_eq!(node.verdict, if cost == 0.0 { Verdict::Equal } else { Verdict::Settled });
    }
}

/// Words, refusals and rounds of a large network, worked out from the stream itself: with 60 x 200 x 3,432 possible
/// draws one word in 363 is refused, with 60 x 200 x 3,003 one in 642.
#[test]
fn rounds_are_paired_by_the_word_at_which_they_begin() {
    const TASKS: u64 = 60;
    const NODES: u64 = 200;
    let dataset = Files::made_up(TASKS as usize, 4, 5).read().expect("valid");
    let groups = |ids: &str, counts: &[u32]| -> Value {
        let group = |(index, count)| json!({"model": format!("{ids}{index}"), "count": count});
        counts.iter().enumerate().map(group).collect()
    };
    let common = json!({"rounds": 3000, "network": {
        "inference": groups("n", &[50; 4]), "evaluators": groups("e", &[3, 3, 3, 3, 2])}});
    let a = scenario(&common, &json!({"evaluators_per_round": 7}));
    let b = scenario(&common, &json!({"evaluators_per_round": 8}));
    let begins = [&a, &b].map(|scenario| {
        let mut simulation = Simulation::new(&dataset, scenario).expect("fits");
        // All but the last bit of each word: enough to tell its task and node.
        let mut stream = Stream::new(scenario.seed, Purpose::Draws);
        let (mut begins, mut word) = (Vec::new(), 0);
        for _ in 0..scenario.rounds {
            let answers = simulation.open_next();
            begins.push(word);
            loop {
                let fraction = u64::from(stream.below(1 << 31)) << 1;
                let task = fraction * TASKS;
                let node = (task & 0xffff_ffff) * NODES;
                word += 1;
                if ((task >> 32) as usize, (node >> 32) as usize) == (answers[0].task, answers[0].inference) {
                    break;
                }
            }
        }
        begins
    });
    let refused = begins.each_ref().map(|begins| begins[2999] - 2999);
    assert!(refused[0] > 2 && refused[1] > 2 && refused[0] != refused[1], "{refused:?}");

    let (got, run) = (compare(&dataset, &a, &b), Simulation::new(&dataset, &a).expect("fits"));
    let [a, b] = [(&a, &begins[0]), (&b, &begins[1])].map(|(s, begins)| opened(&dataset, s, begins.iter().copied()));
    let same_task = a.iter().zip(&b).filter(|(a, b)| a.task == b.task).count();
    assert!(same_task < 2500, "of equal number: {same_task}");
    assert!(got.rounds == 3000 && got.rounds_in_step > 2980, "of equal word: {}", got.rounds_in_step);
    let members = members(&got, &run);
    assert_eq!(members.iter().map(std::ops::Range::len).collect::<Vec<_>>(), [50, 50, 50, 50, 3, 3, 3, 3, 2]);
    agrees(&got, &Vec::from_iter(members.into_iter().map(|nodes| plain([&a, &b], nodes))));
}

#[test]
fn any_split_gives_the_same_finding() {
    let dataset = dataset();
    let mut pairs = varied();
    // More than 4,096 sets of evaluators: one word more for each evaluator.
    let large = json!({"evaluators": [{"model": "e0", "count": 30}, {"model": "e1"}]});
    pairs.push([
        json!({"network": large, "evaluators_per_round": 4}),
        json!({"network": large, "evaluators_per_round": 7, "consensus": {"rule": "ema_trust"}}),
    ]);
    let mut random = Stream::new(5, Purpose::Draws);
    for [a, b] in pairs {
        let common = json!({"rounds": 200});
        let (a, b) = (scenario(&common, &a), scenario(&common, &b));
        let whole = compare(&dataset, &a, &b);
        let mut comparison = Comparison::new(&dataset, &a, &b).expect("may be compared");
        assert!(comparison.finding(&dataset).nodes.iter().all(|node| node.difference.is_none()));
        while comparison.rounds_left() > 0 {
            let done = comparison.rounds_done();
            let chunk = u64::from(random.below(30));
            comparison.run(chunk);
            assert_eq!(comparison.rounds_done(), (done + chunk).min(200));
            assert_eq!(comparison.rounds_left(), 200 - comparison.rounds_done());
        }
        let got = comparison.finding(&dataset);
        assert_eq!(got, whole);
        let text = serde_json::to_string(&got).expect("JSON");
        assert_eq!(serde_json::from_str::<Compared>(&text).expect("a finding"), got);
    }
}

/// Rounds of five and of eight words begin together at every fortieth word.
#[test]
fn draws_of_several_words_are_in_step_now_and_then() {
    let dataset = dataset();
    let common = json!({"rounds": 4000, "network": {"evaluators": [{"model": "e0", "count": 30}, {"model": "e1"}]}});
    let [four, seven, also_four] = [
        json!({"evaluators_per_round": 4}),
        json!({"evaluators_per_round": 7}),
        json!({"evaluators_per_round": 4, "consensus": {"rule": "median"}}),
    ]
    .map(|own| scenario(&common, &own));
    // The words of 4,000 rounds of the one are those of 2,500 rounds of the other.
    assert_eq!(compare(&dataset, &four, &seven).rounds_in_step, 4000 / 8);
    assert_eq!(compare(&dataset, &four, &also_four).rounds_in_step, 4000);
}

#[test]
fn what_must_be_shared_is_named() {
    let dataset = dataset();
    let refused = |a: Value, b: Value, path: &str, words: &str| {
        let (a, b) = (scenario(&json!({}), &a), scenario(&json!({}), &b));
        let error = Comparison::new(&dataset, &a, &b).map(|_| ()).expect_err("must be refused");
        assert!(error.path == path && error.message.contains(words), "{error}");
    };
    refused(json!({"seed": 1}), json!({"seed": 2}), "seed", "2 in B; allowed: 1, as in A");
    refused(json!({"rounds": 10}), json!({}), "rounds", "5000 in B; allowed: 10");
    refused(json!({}), json!({"task_kinds": ["qa"]}), "task_kinds", "other tasks");
    let nodes = |ids: &[&str]| -> Value { ids.iter().map(|id| json!({"model": id})).collect() };
    let [two, swapped, one] = [nodes(&["n1", "n0"]), nodes(&["n0", "n1"]), nodes(&["n1"])];
    refused(
        json!({"network": {"inference": two}}),
        json!({"network": {"inference": swapped}}),
        "network.inference",
        "`n0` in B; allowed: `n1`",
    );
    refused(
        json!({"network": {"inference": two}}),
        json!({"network": {"inference": one}}),
        "network.inference",
        "1 nodes in B; allowed: 2",
    );
    let evaluators = nodes(&["e0", "e1", "e2"]);
    refused(
        json!({}),
        json!({"network": {"evaluators": evaluators}}),
        "network.evaluators",
        "3 nodes in B; allowed: 5",
    );
    refused(json!({}), json!({"evaluators_per_round": 6}), "evaluators_per_round", "(mechanism B)");
    // Written out or by default, the same nodes.
    let written = nodes(&["e0", "e1", "e2", "e3", "e4"]);
    let (a, b) = (scenario(&json!({}), &json!({})), scenario(&json!({"network": {"evaluators": written}}), &json!({})));
    assert!(Comparison::new(&dataset, &a, &b).is_ok());
}

fn half_width(interval: Option<Interval>) -> f64 {
    let [low, high] = interval.expect("an interval");
    (high - low) / 2.0
}

/// At one K the rounds of a node are the same on both sides: its interval is that of a paired t test.
#[test]
fn common_random_numbers_pay() {
    let dataset = dataset();
    let common = json!({"rounds": 1000});
    let (a, b) = (scenario(&common, &json!({})), scenario(&common, &json!({"consensus": {"rule": "median"}})));
    let got = compare(&dataset, &a, &b);
    let [rounds_a, rounds_b] = [&a, &b].map(|one| opened(&dataset, one, 0..));
    let [report_a, report_b] = [&a, &b].map(|one| simulate(&dataset, one, one.seed, one.rounds).expect("fits"));
    let alone = |report: &poq_core::Report| {
        let nodes = report.inference_nodes.iter().chain(&report.evaluator_nodes);
        nodes.map(|node| half_width(node.ci95_monte_carlo)).collect::<Vec<_>>()
    };
    for (index, (node, (a, b))) in got.nodes.iter().zip(alone(&report_a).into_iter().zip(alone(&report_b))).enumerate()
    {
        let differences: Vec<f64> = rounds_a
            .iter()
            .zip(&rounds_b)
            .filter_map(|(a, b)| Some(b.rewards[index].first()? - a.rewards[index].first()?))
            .collect();
        let n = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let sd = (differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let half = half_width(node.ci95_monte_carlo);
        assert!((node.difference.expect("paid") - mean).abs() < 1e-12);
        assert!((half - stats::student_t_975(differences.len() as u64 - 1) * sd / n.sqrt()).abs() < 1e-12);
        let unpaired = (a * a + b * b).sqrt();
        assert!(half < 0.8 * unpaired, "{}: {half} beside {unpaired}", node.id);
    }
}

/// By node: share of seeds whose interval covers the difference of a long run.
fn coverage(dataset: &Dataset, common: &Value, own: &[Value; 2]) -> Vec<f64> {
    const SEEDS: u64 = 200;
    let finding = |seed: u64, rounds: u64| {
        let mut common = common.clone();
        (common["seed"], common["rounds"]) = (json!(seed), json!(rounds));
        compare(dataset, &scenario(&common, &own[0]), &scenario(&common, &own[1]))
    };
    // Its own error is a 20th of that of one seed.
    let truth: Vec<f64> = finding(1_000_000, 160_000).nodes.iter().map(|node| node.difference.expect("paid")).collect();
    let mut covered = vec![0.0; truth.len()];
    for seed in 0..SEEDS {
        for ((covered, truth), node) in covered.iter_mut().zip(&truth).zip(finding(seed, 400).nodes) {
            let [low, high] = node.ci95_monte_carlo.expect("an interval");
            *covered += f64::from(u8::from(low <= *truth && *truth <= high)) / SEEDS as f64;
        }
    }
    covered
}

#[test]
fn intervals_cover_the_difference_of_a_long_run() {
    let dataset = dataset();
    for own in [
        [json!({"evaluators_per_round": 2}), json!({"evaluators_per_round": 3})],
        [json!({}), json!({"consensus": {"rule": "median"}})],
    ] {
        let covered = coverage(&dataset, &json!({}), &own);
        let mean = covered.iter().sum::<f64>() / covered.len() as f64;
        assert!(covered.iter().all(|share| (0.90..=0.99).contains(share)), "{covered:?}");
        assert!((0.93..=0.97).contains(&mean), "{mean}");
    }
}

/// Trust weights make rounds depend on each other: taken as independent, they gave evaluators intervals that cover less
/// than half. Batches see all but the luck of the first rounds, when weights leave their common start: hence below 95%.
#[test]
fn intervals_hold_under_a_rule_with_memory() {
    let dataset = dataset();
    let runs: Vec<Vec<ComparedNode>> = (0..100)
        .map(|seed| {
            let common = json!({"seed": seed, "rounds": 3000});
            let b = scenario(&common, &json!({"consensus": {"rule": "ema_trust"}}));
            compare(&dataset, &scenario(&common, &json!({})), &b).nodes
        })
        .collect();
    let mut covered = 0;
    for evaluator in 4..9 {
        let difference = |run: &Vec<ComparedNode>| run[evaluator].difference.expect("paid");
        let mean = runs.iter().map(difference).sum::<f64>() / 100.0;
        let covers = |run: &&Vec<ComparedNode>| {
            let [low, high] = run[evaluator].ci95_monte_carlo.expect("an interval");
            low <= mean && mean <= high
        };
        covered += runs.iter().filter(covers).count();
    }
    assert!((430..=490).contains(&covered), "{covered} of 500");
}

/// Where 300 rounds do not settle a difference, the number of rounds that is then proposed mostly does.
#[test]
fn the_proposed_rounds_settle_most_differences() {
    let dataset = dataset();
    let at = |seed: u64, rounds: u64| {
        let common = json!({"seed": seed, "rounds": rounds});
        let a = scenario(&common, &json!({}));
        let b = scenario(&common, &json!({"consensus": {"rule": "median"}}));
        compare(&dataset, &a, &b).nodes
    };
    let includes_zero = |node: &ComparedNode| {
        let [low, high] = node.ci95_monte_carlo.expect("an interval");
        low <= 0.0 && high >= 0.0
    };
    let (mut proposed, mut settled) = (0, 0);
    for seed in 0..60 {
        for (index, node) in at(seed, 300).iter().enumerate().filter(|(index, _)| [0, 2, 5, 8].contains(index)) {
            assert_eq!(node.verdict == Verdict::NotSettledByRounds, includes_zero(node));
            assert!(node.rounds_to_settle.is_none() || includes_zero(node));
            let Some(rounds) = node.rounds_to_settle.filter(|&rounds| rounds < 20_000) else { continue };
            assert!(rounds > 300);
            proposed += 1;
            settled += u32::from(!includes_zero(&at(seed, rounds)[index]));
        }
    }
    assert!(proposed > 20 && 5 * settled > 3 * proposed, "{settled} of {proposed}");
}
