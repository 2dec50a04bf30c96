//! Who is asked and who is heard: routing by past reward, and stakes at risk, each followed round by round.

use std::collections::BTreeMap;

use crate::common::Files;
use poq_core::simulation::ScoredAnswer;
use poq_core::{Dataset, Report, Scenario, Simulation, simulate};
use serde_json::{Value, json};

fn dataset() -> Dataset {
    Files::made_up(12, 4, 5).read().expect("valid")
}

fn played(dataset: &Dataset, patch: Value) -> (Scenario, Report, Vec<ScoredAnswer>) {
    let scenario = Scenario::from_patch(&patch).expect("a valid scenario");
    let mut simulation = Simulation::new(dataset, &scenario).expect("fits the dataset");
    let answers: Vec<ScoredAnswer> = (0..scenario.rounds).flat_map(|_| simulation.open_next()).collect();
    (scenario, simulation.report(dataset), answers)
}

fn error(patch: Value) -> String {
    Scenario::from_patch(&patch).expect_err("must be refused").to_string()
}

/// The probability of each drawn node, worked out from all that was paid before, sums up to how often it is drawn.
#[test]
fn routing_follows_the_softmax_of_past_rewards() {
    let dataset = dataset();
    for (temperature, prior, network) in
        [(0.2, 0.5, json!([])), (0.05, 0.0, json!([{"model": "n1", "count": 6}, {"model": "n3"}]))]
    {
        let (scenario, report, answers) = played(
            &dataset,
            json!({"rounds": 4000, "inference_draw": {"rule": "softmax", "temperature": temperature, "prior": prior},
                   "network": {"inference": network}}),
        );
        let costs: Vec<f64> = report.inference_nodes.iter().map(|node| node.cost).collect();
        let mut past = vec![(prior, 1.0); costs.len()];
        let mut expected = vec![(0.0, 0.0); costs.len()];
        for answer in &answers {
            let weights: Vec<f64> =
                past.iter().map(|(sum, count): &(f64, f64)| (sum / count / temperature).exp()).collect();
            let total: f64 = weights.iter().sum();
            for ((sum, variance), weight) in expected.iter_mut().zip(&weights) {
                let p = weight / total;
                *sum += p;
                *variance += p * (1.0 - p);
            }
            let (sum, count) = &mut past[answer.inference];
            *sum += scenario.reward.alpha_inference * answer.consensus / 10.0
                - scenario.reward.beta_inference * costs[answer.inference];
            *count += 1.0;
        }
        for (node, (expected, variance)) in report.inference_nodes.iter().zip(&expected) {
            // The draws are a martingale around their probabilities: five standard deviations.
            assert!((node.rounds as f64 - expected).abs() < 5.0 * variance.sqrt() + 1.0, "{}: {expected}", node.id);
        }
        let most = report.inference_nodes.iter().max_by_key(|node| node.rounds).expect("a node");
        let best = report.inference_nodes.iter().filter_map(|node| node.reward_mean).fold(f64::MIN, f64::max);
        assert!(most.reward_mean.is_some_and(|mean| best - mean < 3.0 * temperature), "{most:?}");
        assert!(most.rounds > 2 * answers.len() as u64 / costs.len() as u64 || temperature > 0.1);
    }
}

#[test]
fn the_bare_word_has_the_defaults_and_parts_can_be_set() {
    let softmax = Scenario::default().with("inference_draw", "softmax").expect("valid");
    assert_eq!(json!(softmax.inference_draw), json!({"rule": "softmax", "temperature": 0.1, "prior": 0.5}));
    let cooler = softmax.with("inference_draw.temperature", "0.02").expect("valid");
    assert_eq!(json!(cooler.inference_draw)["temperature"], 0.02);
    assert_eq!(Scenario::from_patch(&cooler.patch()).as_ref(), Ok(&cooler));
    assert_eq!(cooler.with("inference_draw.rule", "all").map(|s| json!(s.inference_draw)), Ok(json!("all")));
    assert!(error(json!({"inference_draw": "magic"})).contains("`inference_draw`"));
    assert!(error(json!({"inference_draw": {"rule": "uniform", "prior": 1}})).contains("unknown field `prior`"));
    let cold = error(json!({"inference_draw": {"rule": "softmax", "temperature": 0}}));
    assert!(cold.contains("`inference_draw.temperature`: 0 is out of range"), "{cold}");
}

/// Stakes, losses and who is heard, from each round's scores alone.
#[test]
fn stakes_are_lost_and_silence_those_who_lost_them() {
    let dataset = dataset();
    for (draw, rule) in [("uniform", "mean"), ("all", "mean"), ("uniform", "yuma"), ("softmax", "trimmed_mean")] {
        let (scenario, report, answers) = played(
            &dataset,
            json!({"rounds": 700, "inference_draw": draw, "consensus": {"rule": rule}, "evaluators_per_round": 4,
                   "staking": {"slash_distance": 2.5, "slash_share": 0.02, "min_stake": 0.3},
                   "network": {"evaluators": [{"model": "e0", "stake": 2}, {"model": "e1", "count": 3}, {"model": "e3", "stake": 0.2},
                                              {"model": "e4"}]}}),
        );
        let staking = scenario.staking.expect("set");
        let mut stakes = [2.0, 1.0, 1.0, 1.0, 0.2, 1.0];
        let mut lost = [0.0; 6];
        let mut rewards = vec![Vec::new(); 6];
        let mut closeness = [0.0; 6];
        for answer in &answers {
            assert!(!answer.scores.is_empty());
            for given in &answer.scores {
                let at = given.evaluator;
                assert!(stakes[at] >= staking.min_stake - 1e-12, "{at} was heard with {}", stakes[at]);
                let distance = (given.score - answer.consensus).abs();
                let loss = if distance > staking.slash_distance { staking.slash_share * stakes[at] } else { 0.0 };
                assert!((given.slashed - loss).abs() < 1e-9, "{} is not {loss}", given.slashed);
                stakes[at] -= loss;
                lost[at] += loss;
                closeness[at] += 1.0 - distance / 10.0;
                let cost = report.evaluator_nodes[at].cost;
                rewards[at].push(1.0 - distance / 10.0 - 0.5 * cost - loss);
            }
        }
        let judged: u64 = report.inference_nodes.iter().map(|node| node.rounds).sum();
        assert_eq!(judged, answers.len() as u64);
        let asked = if draw == "all" { 4 } else { 1 } * scenario.rounds;
        assert_eq!(report.mechanism.unjudged_answers, asked - judged);
        for (at, node) in report.evaluator_nodes.iter().enumerate() {
            assert_eq!(node.rounds, rewards[at].len() as u64);
            assert!((node.stake.expect("at risk") - stakes[at]).abs() < 1e-9);
            if at == 4 {
                assert_eq!((node.rounds, node.reward_mean, node.slashed_mean), (0, None, None));
                continue;
            }
            let count = rewards[at].len() as f64;
            let close =
                |got: Option<f64>, want: f64| assert!((got.expect("a value") - want).abs() < 1e-9, "{got:?} {want}");
            close(node.reward_mean, rewards[at].iter().sum::<f64>() / count);
            close(node.slashed_mean, lost[at] / count);
            close(node.quality_mean, 10.0 * closeness[at] / count);
            close(node.negative_share, rewards[at].iter().filter(|&&reward| reward < 0.0).count() as f64 / count);
        }
        assert!(lost.iter().sum::<f64>() > 0.1, "nothing was lost");
    }
}

#[test]
fn when_nobody_is_heard_nobody_is_paid() {
    let (_, report, answers) = played(
        &dataset(),
        json!({"rounds": 400, "staking": {"slash_distance": 0, "slash_share": 1}, "evaluators_per_round": 2}),
    );
    // Each round in which scores differ takes all that two evaluators have: of five, one at most is left in the end.
    assert!(report.evaluator_nodes.iter().filter(|node| node.stake > Some(0.25)).count() <= 1);
    assert!(report.mechanism.unjudged_answers > 100);
    assert_eq!(answers.len() as u64 + report.mechanism.unjudged_answers, 400);
    let counts: BTreeMap<usize, usize> = answers.iter().fold(BTreeMap::new(), |mut counts, answer| {
        *counts.entry(answer.scores.len()).or_default() += 1;
        counts
    });
    assert!(counts.keys().all(|&heard| heard == 1 || heard == 2), "{counts:?}");
}

#[test]
fn staking_that_cannot_be_is_refused() {
    assert!(error(json!({"staking": {"slash_share": 1.5}})).contains("`staking.slash_share`: 1.5 is out of range"));
    assert!(error(json!({"staking": {"slash_distance": -1}})).contains("`staking.slash_distance`"));
    assert!(error(json!({"staking": {"slash": 1}})).contains("`staking.slash`"));
    let unpaid = error(json!({"staking": {}, "reward": {"alpha_evaluator": 0}}));
    assert!(unpaid.contains("`staking`") && unpaid.contains("alpha_evaluator above 0"), "{unpaid}");
    let scenario = Scenario::default().with("staking.slash_share", "0.3").expect("valid");
    assert_eq!(json!(scenario.staking), json!({"slash_distance": 5.0, "slash_share": 0.3, "min_stake": 0.25}));
}

/// Where a run's past decides who takes part, attackers are not paid in the same rounds as their honest selves: a gain
/// is the difference of two means.
#[test]
fn gains_compare_means_where_the_past_decides_who_takes_part() {
    let dataset = dataset();
    let attacks =
        json!([{"nodes": ["e1"], "kind": "sabotage", "by": 6}, {"nodes": ["n0"], "kind": "downgrade", "to": "n3"}]);
    for patch in [
        json!({"inference_draw": {"rule": "softmax", "temperature": 0.05}}),
        json!({"staking": {"slash_distance": 2, "slash_share": 0.005}}),
        json!({"consensus": {"rule": "ema_trust"}}),
    ] {
        let mut scenario = Scenario::from_patch(&patch).expect("valid");
        scenario.attacks = serde_json::from_value(attacks.clone()).expect("attacks");
        let attacked = simulate(&dataset, &scenario, 3, 2000).expect("fits");
        assert_eq!(attacked.attackers.len(), 2);
        for (index, attacker) in attacked.attackers.iter().enumerate() {
            let mut honest = scenario.clone();
            honest.attacks.remove(index);
            let honest = simulate(&dataset, &honest, 3, 2000).expect("fits");
            let mean = |report: &Report| {
                let mut nodes = report.inference_nodes.iter().chain(&report.evaluator_nodes);
                nodes.find(|node| node.id == attacker.id).and_then(|node| node.reward_mean).expect("paid")
            };
            assert_eq!(
                (attacker.reward_mean, attacker.honest_reward_mean),
                (Some(mean(&attacked)), Some(mean(&honest)))
            );
            let gain = attacker.gain_mean.expect("paid");
            assert!((gain - mean(&attacked) + mean(&honest)).abs() < 1e-12);
            let [low, high] = attacker.ci95_monte_carlo.expect("an interval");
            assert!(low < gain && gain < high && high - low < 0.6, "{low} {high}");
        }
    }
}
