//! The mechanism without each evaluator, against both mechanisms simulated plainly.

use crate::common::Files;
use poq_core::attack::{Attackers, Role};
use poq_core::compare::{Comparison, Verdict};
use poq_core::report::MechanismReport;
use poq_core::rng::{Purpose, Stream};
use poq_core::without::{Audit, Effect, Sign, Without, tracks};
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

fn audit(dataset: &Dataset, scenario: &Scenario) -> Vec<Without> {
    let audit = Audit::new(dataset, scenario).expect("fits the dataset");
    (0..audit.runs()).map(|run| audit.run(dataset, run).expect("may be run")).collect()
}

fn without<'a>(all: &'a [Without], evaluator: &str) -> &'a Without {
    all.iter().find(|one| one.leaving.evaluator == evaluator).expect("in the network")
}

/// Groups by hand: what each evaluator's leaving makes of a network that names none, and of one with several instances.
#[test]
fn all_instances_leave_and_nothing_else_does() {
    let dataset = dataset();
    let all = audit(&dataset, &scenario(json!({"rounds": 50})));
    let ids = |one: &Without| -> Vec<String> {
        let groups = one.leaving.scenario.as_ref().map(|left| left.network.evaluators.clone()).unwrap_or_default();
        groups.into_iter().map(|group| format!("{} x {}", group.model, group.count)).collect()
    };
    assert_eq!(
        all.iter().map(|one| one.leaving.evaluator.as_str()).collect::<Vec<_>>(),
        ["e0", "e1", "e2", "e3", "e4"]
    );
    assert_eq!(ids(&all[1]), ["e0 x 1", "e2 x 1", "e3 x 1", "e4 x 1"]);
    assert!(all.iter().all(|one| one.leaving.changes.is_empty() && one.leaving.reason.is_none()));

    let base = scenario(json!({"rounds": 50, "evaluators_per_round": 4, "network": {"evaluators": [
        {"model": "e1", "count": 2}, {"model": "e3", "count": 2, "stake": 3}, {"model": "e1", "latency_factor": 2}]}}));
    let all = audit(&dataset, &base);
    assert_eq!(all.len(), 2);
    assert_eq!(
        (ids(&all[0]), ids(&all[1])),
        (vec!["e3 x 2".to_owned()], vec!["e1 x 2".to_owned(), "e1 x 1".to_owned()])
    );
    let left = all[0].leaving.scenario.as_ref().expect("a scenario");
    let want = scenario(json!({"rounds": 50, "evaluators_per_round": 2, "network": {"evaluators": [
        {"model": "e3", "count": 2, "stake": 3}]}}));
    assert_eq!(*left, want);
    assert_eq!(all[0].leaving.changes, ["evaluators_per_round is 2 in place of 4."]);
    assert_eq!(all[1].leaving.changes, ["evaluators_per_round is 3 in place of 4."]);
    // The nodes that stay keep their names: they are compared, those that are alike as one.
    let rewards = &all[1].outcome.as_ref().expect("an outcome").rewards;
    let stay: Vec<&str> =
        rewards.nodes.iter().filter(|node| node.role == Role::Evaluator).map(|node| node.id.as_str()).collect();
    assert_eq!(stay, ["e1#1", "e1#3"]);
}

#[test]
fn attacks_lose_the_attackers_that_leave() {
    let dataset = dataset();
    let base = scenario(json!({"rounds": 50, "evaluators_per_round": 2,
        "network": {"evaluators": [{"model": "e0", "count": 2}, {"model": "e1", "count": 2}, {"model": "e2", "count": 4}, {"model": "e3"}]},
        "attacks": [{"nodes": ["e0#1"], "kind": "boost"}, {"nodes": ["e0#2", "e1"], "kind": "cabal", "own": ["n0"]},
                    {"nodes": ["n1"], "kind": "downgrade", "to": "n0"}, {"nodes": {"share": 0.25}, "kind": "copycat"}]}));
    let all = audit(&dataset, &base);
    let leaving = &without(&all, "e0").leaving;
    let attacks = &leaving.scenario.as_ref().expect("a scenario").attacks;
    let kinds: Vec<_> = attacks.iter().map(|attack| (attack.kind.name(), attack.nodes.clone())).collect();
    let named = |id: &str| Attackers::Named(vec![id.to_owned()]);
    assert_eq!(
        kinds,
        [("cabal", named("e1")), ("downgrade", named("n1")), ("copycat", Attackers::Share { share: 0.25 }),]
    );
    assert_eq!(
        leaving.changes,
        [
            "attacks.0 (boost) is gone with its attackers.",
            "attacks.1 (cabal) has fewer attackers.",
            "The attackers of attacks.3, a share of 0.25, are drawn anew among those left.",
        ]
    );
    let unnamed = &without(&all, "e2").leaving;
    assert_eq!(unnamed.scenario.as_ref().expect("a scenario").attacks, base.attacks);
}

#[test]
fn where_nothing_is_left_a_reason_is() {
    let dataset = dataset();
    let reason = |patch: Value, evaluator: &str| {
        let all = audit(&dataset, &scenario(patch));
        let one = without(&all, evaluator);
        assert!(one.outcome.is_none() && one.leaving.scenario.is_none());
        let reason = one.leaving.reason.clone().expect("a reason");
        assert_eq!(
            one.words(str::to_owned),
            format!("Nothing can be said of the mechanism without {evaluator}: {reason}.")
        );
        reason
    };
    let only = json!({"rounds": 9, "network": {"evaluators": [{"model": "e1", "count": 3}]}});
    assert_eq!(reason(only, "e1"), "no other evaluator takes part");
    // Two scores are too few to drop one at each end.
    let trimmed = json!({"rounds": 9, "consensus": {"rule": "trimmed_mean"},
        "network": {"evaluators": [{"model": "e0"}, {"model": "e1"}, {"model": "e2"}]}});
    assert!(reason(trimmed, "e2").contains("`consensus.trim_share`: 1 of K = 2 scores"));
    let staked = json!({"rounds": 9, "evaluators_per_round": 1,
        "network": {"evaluators": [{"model": "e0", "stake": 0}, {"model": "e1"}]}});
    assert!(reason(staked, "e1").contains("every stake is 0"));
    let shared = json!({"rounds": 9, "evaluators_per_round": 1,
        "network": {"evaluators": [{"model": "e0", "count": 2}, {"model": "e1", "count": 2}]},
        "attacks": [{"nodes": ["e0"], "kind": "boost"}, {"nodes": {"share": 0.5}, "kind": "noise"}]});
    assert!(reason(shared, "e1").contains("only 0 take part in no other attack"));
}

/// By answer of a run: task, consensus, truth of the output that was given.
fn answers(dataset: &Dataset, scenario: &Scenario) -> Vec<(usize, f64, f64)> {
    let mut run = Simulation::new(dataset, scenario).expect("fits");
    let mut all = Vec::new();
    for _ in 0..scenario.rounds {
        let opened = run.open_next();
        all.extend(opened.iter().map(|one| (one.task, one.consensus, dataset.truth(one.task, one.model))));
    }
    all
}

/// Pearson's correlation and root mean squared distance when each task counts as often as `weights` say, by taking
/// answers that often.
fn figures(answers: &[(usize, f64, f64)], weights: &[u32]) -> [f64; 2] {
    let repeated = answers.iter().flat_map(|&(task, x, y)| (0..weights[task]).map(move |_| (x, y)));
    let (x, y): (Vec<f64>, Vec<f64>) = repeated.unzip();
    let squares: f64 = x.iter().zip(&y).map(|(x, y)| (x - y) * (x - y)).sum();
    [stats::pearson(&x, &y).expect("both vary"), (squares / x.len() as f64).sqrt()]
}

/// Rewards, correlations and intervals of both sides as the two runs have them alone.
#[test]
fn figures_are_those_of_both_runs() {
    let dataset = dataset();
    let downgrade = json!([{"nodes": ["n2"], "kind": "intermittent", "attack": {"kind": "downgrade", "to": "n0"}},
                           {"nodes": ["e1"], "kind": "boost"}]);
    for patch in [
        json!({}),
        json!({"inference_draw": "all", "consensus": {"rule": "median"}}),
        json!({"attacks": downgrade}),
        json!({"evaluators_per_round": 5, "consensus": {"rule": "ema_trust"}}),
    ] {
        let base = Scenario { rounds: 200, seed: 3, ..scenario(patch) };
        let mut stream = Stream::new(base.seed, Purpose::Bootstrap);
        // As many tasks of each kind, which come in turn; each is a group of its own.
        let mut replicate = || {
            let mut weights = vec![0; 12];
            for kind in 0..2 {
                (0..6).for_each(|_| weights[2 * stream.below(6) as usize + kind] += 1);
            }
            weights
        };
        let replicates: Vec<Vec<u32>> = (0..1000).map(|_| replicate()).collect();
        let with = (report(&dataset, &base), answers(&dataset, &base));
        for one in audit(&dataset, &base) {
            let left = one.leaving.scenario.as_ref().expect("a scenario");
            let alone = (report(&dataset, left), answers(&dataset, left));
            let outcome = one.outcome.as_ref().expect("an outcome");
            let pearson = |of: &MechanismReport| of.pearson_consensus_truth;
            assert_eq!(outcome.pearson_truth.with, pearson(&with.0.mechanism));
            assert_eq!(outcome.pearson_truth.without, pearson(&alone.0.mechanism));
            for (node, (a, b)) in
                outcome.rewards.nodes.iter().zip(with.0.inference_nodes.iter().zip(&alone.0.inference_nodes))
            {
                assert_eq!((node.reward_mean_a, node.reward_mean_b), (a.reward_mean, b.reward_mean));
            }
            let evaluators = outcome.rewards.nodes.iter().filter(|node| node.role == Role::Evaluator);
            let mean = |report: &Report, id: &str| {
                report.evaluator_nodes.iter().find(|node| node.id == id).expect("stays").reward_mean
            };
            assert_eq!(evaluators.clone().count(), alone.0.evaluator_nodes.len());
            for node in evaluators {
                assert_ne!(node.id, one.leaving.evaluator);
                assert_eq!(
                    (node.reward_mean_a, node.reward_mean_b),
                    (mean(&with.0, &node.id), mean(&alone.0, &node.id))
                );
                assert!(node.ci95_monte_carlo.is_some() && node.ci95_prompts.is_some());
            }
            let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-9, "{got} is not {want}");
            for (at, change) in [&outcome.pearson_truth, &outcome.rms_distance_truth].into_iter().enumerate() {
                let whole = [&with.1, &alone.1].map(|answers| figures(answers, &[1; 12])[at]);
                close(change.with.expect("defined"), whole[0]);
                close(change.without.expect("defined"), whole[1]);
                close(change.difference.expect("defined"), whole[1] - whole[0]);
                let resampled = |weights| figures(&alone.1, weights)[at] - figures(&with.1, weights)[at];
                let resampled: Vec<f64> = replicates.iter().map(|weights| resampled(weights)).collect();
                let mean = resampled.iter().sum::<f64>() / 1000.0;
                let variance = resampled.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 999.0;
                // Twelve groups in two kinds have ten degrees of freedom.
                let half = stats::student_t_975(10) * (variance * 12.0 / 10.0).sqrt();
                let got = change.ci95_prompts.expect("an interval");
                close(got[0], whole[1] - whole[0] - half);
                close(got[1], whole[1] - whole[0] + half);
            }
            let [low, high] = outcome.pearson_truth.ci95_prompts.expect("an interval");
            let want = if low > 0.0 {
                Effect::Better
            } else if high < 0.0 {
                Effect::Worse
            } else {
                Effect::NotSettled
            };
            assert_eq!(outcome.effect, want);
            // Who changes places, pair by pair.
            let swaps: Vec<(String, String)> = outcome
                .overtakings
                .clone()
                .expect("few nodes")
                .into_iter()
                .map(|pair| (pair.node, pair.overtaken))
                .collect();
            let (a, b) = (&with.0.inference_nodes, &alone.0.inference_nodes);
            for up in 0..4 {
                for down in 0..4 {
                    let swapped = a[up].reward_mean < a[down].reward_mean && b[up].reward_mean > b[down].reward_mean;
                    assert_eq!(swaps.contains(&(a[up].id.clone(), a[down].id.clone())), swapped);
                }
            }
            for (top, nodes) in [(&outcome.top_with, a), (&outcome.top_without, b)] {
                let best = nodes.iter().find(|node| Some(&node.id) == top.as_ref()).expect("a node").reward_mean;
                assert!(nodes.iter().all(|node| node.reward_mean <= best));
            }
        }
    }
}

/// Under the clip rule a node without stake is not heard: all three are drawn each time, and two without it.
#[test]
fn nothing_changes_without_one_that_nobody_hears() {
    let dataset = dataset();
    let base = scenario(json!({"rounds": 300, "consensus": {"rule": "yuma"}, "network": {"evaluators": [
        {"model": "e0"}, {"model": "e1", "stake": 0}, {"model": "e2", "stake": 2}]}}));
    let all = audit(&dataset, &base);
    let one = without(&all, "e1");
    assert_eq!(one.leaving.changes, ["evaluators_per_round is 2 in place of 3."]);
    let outcome = one.outcome.as_ref().expect("an outcome");
    assert_eq!((outcome.effect, outcome.rewards.rounds_in_step), (Effect::Same, 300));
    let inference = outcome.rewards.nodes.iter().filter(|node| node.role == Role::Inference);
    assert!(inference.clone().count() == 4 && inference.clone().all(|node| node.verdict == Verdict::Equal));
    assert_eq!((&outcome.top_with, outcome.overtakings.as_deref()), (&outcome.top_without, Some(&[][..])));
    assert!(
        one.words(str::to_owned).starts_with("Without e1 the consensus follows truth as it does with it (r "),
        "{}",
        one.words(str::to_owned)
    );
    assert!(
        one.words(str::to_owned).contains("; the inference nodes keep the order that they have in these rounds, "),
        "{}",
        one.words(str::to_owned)
    );
    // The others are heard.
    assert!(["e0", "e2"].iter().all(|id| without(&all, id).outcome.as_ref().expect("run").effect != Effect::Same));
}

/// Evaluators made by hand: `e0` gives truth itself, `e1` its reverse, `e2` always the same, `e3` is told by chance.
fn told(tasks: usize) -> Dataset {
    let mut files = Files::made_up(tasks, 4, 4);
    let plain = files.read().expect("valid");
    let mut rows: Vec<Value> = String::from_utf8(files.scores.clone())
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    for row in &mut rows {
        let number = |field: &str| row[field].as_str().expect("an id")[1..].parse::<usize>().expect("a number");
        let truth = plain.truth(number("task"), number("node")) / 10.0;
        match number("evaluator") {
            0 => row["raw"] = json!(truth),
            1 => row["raw"] = json!(1.0 - truth),
            2 => row["raw"] = json!(0.5),
            _ => {}
        }
    }
    files.scores = rows.iter().flat_map(|row| format!("{row}\n").into_bytes()).collect();
    files.seal();
    files.read().expect("valid")
}

#[test]
fn inverted_evaluators_are_flagged_by_kind_of_task_too() {
    let dataset = told(60);
    let all = tracks(&dataset, &scenario(json!({}))).expect("fits");
    assert_eq!(all.len(), 4 * 3);
    let signs: Vec<_> = all.iter().map(|track| (track.evaluator.as_str(), track.sign_truth)).collect();
    for (own, (id, sign)) in signs.chunks_exact(3).zip([
        ("e0", Some(Sign::Follows)),
        ("e1", Some(Sign::Inverted)),
        ("e2", None),
        ("e3", Some(Sign::NotShown)),
    ]) {
        assert_eq!(own, [(id, sign); 3]);
    }
    assert!(all.iter().all(|track| track.sign_judge.is_none()));
    // e2 does not vary: nine correlations are told at once, so that the surest has nine times its p value at most.
    assert_eq!(all.iter().filter(|track| track.p_holm_truth.is_some()).count(), 9);
    for track in all.iter().filter(|track| track.evaluator == "e3") {
        assert!(track.p_holm_truth.is_some_and(|p| p > 0.05), "{track:?}");
    }
    let told = [None, Some(0.06), Some(0.05)].map(|p_holm| Sign::told(Some(-0.5), p_holm));
    assert_eq!(told, [Sign::NotShown, Sign::NotShown, Sign::Inverted].map(Some));
    assert_eq!(Sign::told(None, None), None);
    assert_eq!(Sign::NotShown.words(), "unclear");
    let unknown = tracks(&dataset, &scenario(json!({"score_normalization": {"magic": "unit"}})));
    assert_eq!(unknown.expect_err("no such evaluator").path, "score_normalization.magic");
}

/// Twenty evaluators of chance alone, with 60 correlations: some interval is clear of 0, and none is told.
#[test]
fn signs_of_many_evaluators_are_told_at_once() {
    let dataset = Files::made_up(60, 4, 20).read().expect("valid");
    let all = tracks(&dataset, &scenario(json!({}))).expect("fits");
    assert_eq!(all.len(), 20 * 3);
    let alone = all.iter().filter(|track| track.ci95_truth.is_some_and(|[low, high]| low > 0.0 || high < 0.0));
    assert!(alone.count() >= 1, "of 60 intervals, three miss on average");
    assert!(all.iter().all(|track| track.sign_truth == Some(Sign::NotShown)), "{all:?}");
}

/// With all four heard, truth and its reverse cancel: without the reverse what is left follows truth, without truth it
/// follows the reverse.
#[test]
fn the_leaving_of_an_inverted_evaluator_is_seen() {
    let dataset = told(60);
    let all = audit(&dataset, &scenario(json!({"rounds": 2000, "evaluators_per_round": 4})));
    let effect = |id: &str| without(&all, id).outcome.as_ref().expect("run").effect;
    assert_eq!((effect("e0"), effect("e1")), (Effect::Worse, Effect::Better));
    let words = without(&all, "e1").words(str::to_owned);
    assert!(words.starts_with("Without e1 the consensus follows truth better: r 0."), "{words}");
    assert!(words.contains(" in place of ") && words.contains(", 95% for other prompts); "), "{words}");
    assert!(
        without(&all, "e0").words(str::to_owned).starts_with("Without e0 the consensus follows truth worse: r -0.")
    );
    for one in &all {
        let text = serde_json::to_string(one).expect("JSON");
        assert_eq!(serde_json::from_str::<Without>(&text).expect("a result"), *one);
    }
}

#[test]
fn slices_give_the_same_and_bad_input_is_refused() {
    let dataset = dataset();
    let base = scenario(json!({"rounds": 100}));
    let audit = Audit::new(&dataset, &base).expect("fits");
    let mut comparison = audit.start(&dataset, 2).expect("may be run").expect("a scenario is left");
    let begun = audit.finding(&dataset, 2, Some(&comparison));
    assert!(begun.words(str::to_owned).contains("is not defined on both sides; "), "{}", begun.words(str::to_owned));
    while comparison.rounds_left() > 0 {
        comparison.run(7);
    }
    assert_eq!(audit.finding(&dataset, 2, Some(&comparison)), audit.run(&dataset, 2).expect("may be run"));
    assert_eq!(audit.finding(&dataset, 2, None).words(str::to_owned), "The mechanism without e2 was not run.");
    let refused = |patch: Value| Audit::new(&dataset, &scenario(patch)).expect_err("must be refused").path;
    assert_eq!(refused(json!({"evaluators_per_round": 6})), "evaluators_per_round");
    assert_eq!(refused(json!({"network": {"evaluators": [{"model": "n0"}]}})), "network.evaluators.0.model");
    // Evaluators may differ only where that is asked for.
    let other = audit.leavings()[2].scenario.clone().expect("a scenario");
    assert_eq!(Comparison::new(&dataset, &base, &other).expect_err("must be refused").path, "network.evaluators");
    let fewer = scenario(json!({"rounds": 100, "network": {"inference": [{"model": "n0"}]}}));
    assert_eq!(Comparison::of_shared(&dataset, &base, &fewer).expect_err("must be refused").path, "network.inference");
}
