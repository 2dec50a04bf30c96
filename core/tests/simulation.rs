//! The simulation as a whole: chunks, cancelling, draws, and every figure of a report against plain arithmetic.

use std::collections::BTreeMap;

use crate::common::Files;
use crate::plain::{PlainNode, plain_run};
use poq_core::report::NodeReport;
use poq_core::rng::{Purpose, Stream};
use poq_core::scenario::Group;
use poq_core::simulation::ScoredAnswer;
use poq_core::{Dataset, Report, Scenario, Simulation, simulate, stats};
use serde_json::{Value, json};

fn dataset() -> Dataset {
    Files::made_up(12, 4, 5).read().expect("valid")
}

/// The same with `e1` as a judge.
fn judged_dataset() -> Dataset {
    let mut files = Files::made_up(12, 4, 5);
    files.manifest["evaluators"][1]["kind"] = json!("judge");
    files.read().expect("valid")
}

fn scenario(patch: Value) -> Scenario {
    Scenario::from_patch(&patch).expect("a valid scenario")
}

fn run(dataset: &Dataset, patch: Value) -> Report {
    let scenario = scenario(patch);
    simulate(dataset, &scenario, scenario.seed, scenario.rounds).expect("fits the dataset")
}

/// The report after chunks of those sizes.
fn in_chunks(dataset: &Dataset, scenario: &Scenario, chunks: impl IntoIterator<Item = u64>) -> Report {
    let mut simulation = Simulation::new(dataset, scenario).expect("fits the dataset");
    for chunk in chunks {
        simulation.run(chunk);
    }
    simulation.report(dataset)
}

/// Every round of a run, opened.
fn rounds(dataset: &Dataset, scenario: &Scenario) -> Vec<Vec<ScoredAnswer>> {
    let mut simulation = Simulation::new(dataset, scenario).expect("fits the dataset");
    (0..scenario.rounds).map(|_| simulation.open_next()).collect()
}

#[track_caller]
fn close(what: &str, got: f64, want: f64) {
    assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{what}: {got} is not {want}");
}

/// Scenarios that take every path of a round.
fn varied() -> Vec<Value> {
    vec![
        json!({"rounds": 300}),
        json!({"rounds": 300, "inference_draw": "all", "evaluators_per_round": 2}),
        json!({"rounds": 300, "evaluators_per_round": 5, "cost_normalization": "ratio_to_max", "seed": 3}),
        json!({"rounds": 300, "cost_normalization": "log_min_max", "task_kinds": ["summarization"], "reward":
            {"alpha_inference": 2.5, "beta_inference": 2, "alpha_evaluator": 0.5, "beta_evaluator": 0.6}}),
        json!({"rounds": 300, "score_normalization": {"e0": "min_max", "e3": "sigmoid", "e4": "ten"}}),
        json!({"rounds": 300, "consensus": {"rule": "median"}, "evaluators_per_round": 4}),
        json!({"rounds": 300, "consensus": {"rule": "median"}}),
        json!({"rounds": 300, "consensus": {"rule": "trimmed_mean"}, "evaluators_per_round": 5}),
        json!({"rounds": 300, "consensus": {"rule": "trust_weighted"}}),
        json!({"rounds": 300, "consensus": {"rule": "trust_weighted", "lambda": 0.7, "w_min": 0.5}, "inference_draw": "all"}),
        json!({"rounds": 300, "consensus": {"rule": "ema_trust"}, "evaluators_per_round": 4}),
        json!({"rounds": 300, "consensus": {"rule": "yuma"}}),
        json!({"rounds": 300, "consensus": {"rule": "yuma", "kappa": 0.3}, "evaluators_per_round": 4, "network": {
            "evaluators": [{"model": "e1", "count": 3, "stake": 0.5}, {"model": "e0", "stake": 7}, {"model": "e2"}]}}),
        json!({"rounds": 300, "network": {
            "inference": [{"model": "n2", "count": 3, "latency_factor": 0.5}, {"model": "n0"}],
            "evaluators": [{"model": "e1", "count": 2, "score_noise_sd": 2}, {"model": "e0"},
                           {"model": "e1", "latency_factor": 3}]}}),
    ]
}

#[test]
fn two_halves_equal_a_whole() {
    let dataset = dataset();
    let whole = run(&dataset, json!({}));
    assert_eq!(whole.rounds, 5000);
    assert_eq!(in_chunks(&dataset, &Scenario::default(), [2500, 2500]), whole);
}

#[test]
fn any_split_gives_the_same_report() {
    let dataset = dataset();
    let mut random = Stream::new(5, Purpose::Draws);
    for patch in varied() {
        let scenario = scenario(patch);
        let whole = in_chunks(&dataset, &scenario, [scenario.rounds]);
        assert_eq!(in_chunks(&dataset, &scenario, vec![1; scenario.rounds as usize]), whole);
        for largest in [3, 40, 400] {
            let chunks = (0..scenario.rounds).map(|_| u64::from(random.below(largest)));
            assert_eq!(in_chunks(&dataset, &scenario, chunks.chain([u64::MAX])), whole);
        }
    }
}

#[test]
fn a_split_does_not_matter_when_the_sample_is_thinned() {
    let dataset = dataset();
    let scenario = scenario(json!({"rounds": 150_000}));
    let whole = in_chunks(&dataset, &scenario, [u64::MAX]);
    assert_eq!(in_chunks(&dataset, &scenario, [65_535, 1, 1, 65_537, 1000, 50_000]).digest, whole.digest);
    assert_eq!(whole.plots.density_answers, 37_500);
}

/// Rounds that are played some at a time are those played one by one, in networks with cells for each node and without,
/// with tables of sets and without, and under rules that remember.
#[test]
fn rounds_together_are_rounds_one_by_one() {
    let dataset = dataset();
    let groups = |ids: [&str; 2], count: u32| ids.map(|id| json!({"model": id, "count": count})).to_vec();
    let of = |count: u32| json!({"network": {"inference": groups(["n0", "n3"], count), "evaluators": groups(["e1", "e4"], count)}});
    let cases = [json!({}), of(3), of(30), of(1500)];
    for mut case in cases {
        for (k, rule) in [(1, "median"), (3, "mean"), (3, "trust_weighted"), (4, "ema_trust"), (5, "mean"), (5, "yuma")]
        {
            case["evaluators_per_round"] = json!(k);
            case["consensus"] = json!({"rule": rule});
            case["rounds"] = json!(1000);
            let scenario = scenario(case.clone());
            let mut simulation = Simulation::new(&dataset, &scenario).expect("fits");
            while simulation.rounds_left() > 0 {
                simulation.open_next();
            }
            let together = simulate(&dataset, &scenario, scenario.seed, scenario.rounds).expect("fits");
            assert_eq!(simulation.report(&dataset).digest, together.digest, "{case}");
        }
    }
}

/// More rounds than the sample of answers keeps, so that it is thinned on the way.
#[test]
fn rounds_together_thin_the_sample_as_rounds_one_by_one() {
    let dataset = dataset();
    let scenario = scenario(json!({"rounds": 140_000, "consensus": {"rule": "median"}}));
    let mut simulation = Simulation::without_gains(&dataset, &scenario).expect("fits");
    while simulation.rounds_left() > 0 {
        simulation.open_next();
    }
    let together = simulate(&dataset, &scenario, scenario.seed, scenario.rounds).expect("fits");
    assert_eq!(simulation.report(&dataset).digest, together.digest);
}

#[test]
fn a_cancelled_run_reports_what_it_has() {
    let dataset = dataset();
    let scenario = Scenario::default();
    let mut simulation = Simulation::new(&dataset, &scenario).expect("fits");
    simulation.run(1234);
    let cancelled = simulation.report(&dataset);
    assert_eq!((cancelled.rounds, cancelled.scenario.rounds), (1234, 5000));
    assert_eq!((simulation.rounds_done(), simulation.rounds_left()), (1234, 3766));
    assert_eq!(in_chunks(&dataset, &scenario, [1000, 234]), cancelled);
    // The same rounds as a run that was meant to be that short; only what the scenario says differs.
    let short = run(&dataset, json!({"rounds": 1234}));
    assert_eq!(short.inference_nodes, cancelled.inference_nodes);
    assert_eq!(short.evaluator_nodes, cancelled.evaluator_nodes);
    assert_eq!(short.mechanism, cancelled.mechanism);
    assert_ne!(short.digest, cancelled.digest);
    simulation.run(u64::MAX);
    assert_eq!(simulation.report(&dataset), run(&dataset, json!({})));
}

#[test]
fn a_report_before_the_first_round_has_no_figures() {
    let report = in_chunks(&dataset(), &Scenario::default(), []);
    assert_eq!(report.rounds, 0);
    for node in report.inference_nodes.iter().chain(&report.evaluator_nodes) {
        assert_eq!((node.rounds, node.reward_mean, node.ci95_monte_carlo, node.ci95_prompts), (0, None, None, None));
    }
    assert_eq!(report.mechanism.pearson_consensus_truth, None);
}

#[test]
fn the_digest_names_the_result() {
    let dataset = dataset();
    let report = run(&dataset, json!({"rounds": 500}));
    assert_eq!(report, run(&dataset, json!({"rounds": 500})));
    assert_eq!(report.digest, report.compute_digest());
    for other in [json!({"rounds": 501}), json!({"rounds": 500, "seed": 43}), json!({"rounds": 500, "seed": 0})] {
        assert_ne!(run(&dataset, other).digest, report.digest);
    }
    let other_dataset = judged_dataset();
    assert_ne!(run(&other_dataset, json!({"rounds": 500})).digest, report.digest);
    let text = serde_json::to_string(&report).expect("JSON");
    let back: Report = serde_json::from_str(&text).expect("a report");
    assert_eq!((back.compute_digest(), &back), (report.digest.clone(), &report));
}

#[test]
fn seed_and_rounds_are_arguments_of_simulate() {
    let dataset = dataset();
    let report = simulate(&dataset, &Scenario::default(), 9, 77).expect("fits");
    assert_eq!((report.scenario.seed, report.scenario.rounds, report.rounds), (9, 77, 77));
    assert_eq!(report, run(&dataset, json!({"seed": 9, "rounds": 77})));
}

/// What is independent are batches of so many rounds; nothing is where the past decides the path, and other runs tell.
fn same_node(report: &NodeReport, plain: &PlainNode, batch: Option<usize>) {
    let NodeReport { id, rounds, reward_mean, reward_sd, ci95_monte_carlo, negative_share, quality_mean, cost, .. } =
        report;
    assert_eq!(*rounds as usize, plain.rewards.len(), "{id}");
    close(id, reward_mean.expect("a mean"), plain.mean());
    close(id, reward_sd.expect("an sd"), plain.sd());
    close(id, negative_share.expect("a share"), plain.negative_share());
    close(id, *cost, plain.cost);
    close(id, report.latency_ms_mean, plain.latency_ms);
    close(id, quality_mean.expect("a quality"), plain.quality);
    let [low, high] = ci95_monte_carlo.expect("an interval");
    close(id, (low + high) / 2.0, plain.mean());
    let Some(batch) = batch else { return };
    let mean = plain.mean();
    let mut excess: BTreeMap<usize, f64> = BTreeMap::new();
    for (reward, round) in plain.rewards.iter().zip(&plain.rounds) {
        *excess.entry(round / batch).or_default() += reward - mean;
    }
    // The ratio of two sums over batches (delta method); with one payment a batch, the usual error of a mean.
    let n = excess.len() as f64;
    let squares: f64 = excess.values().map(|excess| excess * excess).sum();
    let error = (squares * n / (n - 1.0)).sqrt() / plain.rewards.len() as f64;
    let half = stats::student_t_975(excess.len() as u64 - 1) * error;
    close(id, (high - low) / 2.0, half);
}

#[test]
fn every_figure_agrees_with_plain_arithmetic() {
    for patch in varied() {
        agrees_with_plain_arithmetic(&dataset(), patch);
    }
    agrees_with_plain_arithmetic(&judged_dataset(), json!({"rounds": 300}));
    agrees_with_plain_arithmetic(&judged_dataset(), json!({"rounds": 300, "inference_draw": "all"}));
}

fn agrees_with_plain_arithmetic(dataset: &Dataset, patch: Value) {
    let scenario = scenario(patch);
    let report = in_chunks(dataset, &scenario, [scenario.rounds]);
    let plain = plain_run(dataset, &scenario, &rounds(dataset, &scenario));
    assert_eq!(report.inference_nodes.len(), plain.inference.len());
    assert_eq!(report.evaluator_nodes.len(), plain.evaluators.len());
    // Payments of one round go together: thirty batches of rounds do not.
    let batch = scenario.rounds.div_ceil(30) as usize;
    let remembers = scenario.consensus.has_weights();
    let everybody_answers = plain.inference.len() > 1 && json!(scenario.inference_draw) == "all";
    let shared = |nodes: &[Group]| nodes.iter().any(|group| group.count > 1);
    let pools = [
        (&report.inference_nodes, &plain.inference, everybody_answers && shared(&scenario.network.inference)),
        (&report.evaluator_nodes, &plain.evaluators, everybody_answers || shared(&scenario.network.evaluators)),
    ];
    for (nodes, plain, is_paid_twice) in pools {
        for (got, want) in nodes.iter().zip(plain) {
            same_node(got, want, (!remembers).then_some(if is_paid_twice { batch } else { 1 }));
        }
    }
    assert_eq!(report.replicates, if remembers { 24 } else { 0 });
    let mechanism = &report.mechanism;
    let [intercept, slope] = mechanism.fit_consensus_truth.expect("a line");
    let pearson = stats::pearson(&plain.consensus, &plain.truth).expect("varies");
    close("pearson", mechanism.pearson_consensus_truth.expect("varies"), pearson);
    let spearman = stats::spearman(&plain.consensus, &plain.truth).expect("varies");
    close("spearman", mechanism.spearman_consensus_truth.expect("varies"), spearman);
    let judge = (!plain.judge.is_empty()).then(|| stats::pearson(&plain.consensus, &plain.judge)).flatten();
    assert_eq!(mechanism.pearson_consensus_judge.is_some(), judge.is_some());
    close("judge", mechanism.pearson_consensus_judge.unwrap_or(0.0), judge.unwrap_or(0.0));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    // The least-squares line goes through the means, and leaves residuals that truth does not explain.
    close("line", intercept + slope * mean(&plain.truth), mean(&plain.consensus));
    let unexplained: f64 = plain.consensus.iter().zip(&plain.truth).map(|(c, t)| (c - intercept - slope * t) * t).sum();
    close("residuals", unexplained / plain.truth.len() as f64, 0.0);
    let rewards: Vec<f64> = plain.inference.iter().map(PlainNode::mean).collect();
    let efficiency: Vec<f64> = plain.inference.iter().map(|node| node.quality / node.latency_ms).collect();
    assert_eq!(mechanism.kendall_reward_efficiency, stats::kendall(&rewards, &efficiency));
    let points = report.plots.series_reward_mean.last().expect("a point");
    assert_eq!(report.plots.series_rounds.last(), Some(&scenario.rounds));
    for (point, node) in points.iter().zip(report.inference_nodes.iter().chain(&report.evaluator_nodes)) {
        assert_eq!(*point, node.reward_mean);
    }
    let shown: u32 = report.plots.density.iter().flatten().sum();
    assert_eq!((u64::from(shown), shown as usize), (report.plots.density_answers, plain.consensus.len()));
}

#[test]
fn the_audit_stands_on_all_recorded_outputs() {
    let dataset = judged_dataset();
    let report = run(&dataset, json!({"rounds": 1, "task_kinds": ["qa"]}));
    let ids: Vec<&str> = report.evaluator_audit.iter().map(|audit| audit.id.as_str()).collect();
    assert_eq!(ids, ["e0", "e2", "e3", "e4"]);
    for audit in &report.evaluator_audit {
        let evaluator = dataset.manifest.evaluators.iter().position(|entry| entry.id == audit.id).expect("known");
        let (mut scores, mut judged, mut truth) = (Vec::new(), Vec::new(), Vec::new());
        for task in 0..12 {
            for node in 0..4 {
                scores.push(10.0 * dataset.score(task, node, evaluator).raw);
                judged.push(10.0 * dataset.score(task, node, 1).raw);
                truth.push(dataset.truth(task, node));
            }
        }
        let pearson = |other: &[f64]| stats::pearson(&scores, other).expect("varies");
        close("truth", audit.pearson_truth.expect("varies"), pearson(&truth));
        assert_eq!(audit.spearman_truth, stats::spearman(&scores, &truth));
        close("judge", audit.pearson_judge.expect("varies"), pearson(&judged));
        assert_eq!(audit.by_task_kind.iter().map(|kind| kind.outputs).collect::<Vec<_>>(), [24, 24]);
    }
}

/// Each count within five standard deviations of `trials / counts.len()`.
#[track_caller]
fn uniform(what: &str, counts: &[u64], trials: u64, probability: f64) {
    let expected = trials as f64 * probability;
    let sd = (expected * (1.0 - probability)).sqrt();
    assert!(counts.iter().all(|&count| (count as f64 - expected).abs() <= 5.0 * sd), "{what}: {counts:?} {expected}");
}

#[test]
fn draws_are_uniform() {
    let dataset = dataset();
    let scenario = scenario(json!({"rounds": 30_000}));
    let (mut tasks, mut nodes, mut evaluators) = ([0; 12], [0; 4], [0; 5]);
    let (mut pairs, mut sets) = ([0; 48], [0; 32]);
    for answers in rounds(&dataset, &scenario) {
        let [answer] = answers.as_slice() else { panic!("one answer a round") };
        tasks[answer.task] += 1;
        nodes[answer.inference] += 1;
        pairs[answer.task * 4 + answer.inference] += 1;
        let mut set = 0;
        for evaluator in answer.scores.iter().map(|given| given.evaluator) {
            evaluators[evaluator] += 1;
            set |= 1 << evaluator;
        }
        sets[set] += 1;
    }
    uniform("tasks", &tasks, 30_000, 1.0 / 12.0);
    uniform("nodes", &nodes, 30_000, 0.25);
    uniform("tasks with nodes", &pairs, 30_000, 1.0 / 48.0);
    uniform("evaluators", &evaluators, 30_000, 0.6);
    let sets: Vec<u64> = sets.into_iter().filter(|&count| count > 0).collect();
    assert_eq!(sets.len(), 10);
    uniform("sets of evaluators", &sets, 30_000, 0.1);
}

#[test]
fn the_whole_pool_may_be_drawn() {
    let report = run(&dataset(), json!({"rounds": 200, "evaluators_per_round": 5}));
    assert!(report.evaluator_nodes.iter().all(|node| node.rounds == 200));
}

#[test]
fn everyone_answers_under_all() {
    let dataset = dataset();
    let patch = json!({"rounds": 200, "inference_draw": "all"});
    let report = run(&dataset, patch.clone());
    assert!(report.inference_nodes.iter().all(|node| node.rounds == 200));
    assert_eq!(report.evaluator_nodes.iter().map(|node| node.rounds).sum::<u64>(), 200 * 4 * 3);
    for answers in rounds(&dataset, &scenario(patch)) {
        assert_eq!(answers.iter().map(|answer| answer.inference).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let drawn = |answer: &ScoredAnswer| Vec::from_iter(answer.scores.iter().map(|given| given.evaluator));
        assert!(answers.iter().all(|answer| answer.task == answers[0].task && drawn(answer) == drawn(&answers[0])));
    }
}

#[test]
fn a_round_opens_to_what_was_run() {
    let dataset = dataset();
    for patch in varied() {
        let scenario = scenario(patch);
        let all = rounds(&dataset, &scenario);
        for number in [0, 1, 137, 299] {
            let (_, answers) = Simulation::open_round(&dataset, &scenario, number).expect("fits");
            assert_eq!(answers, all[number as usize]);
        }
        let error = Simulation::open_round(&dataset, &scenario, 300).expect_err("beyond the last");
        assert!(error.message.contains("300") && error.message.contains("0 to 299"), "{error}");
    }
}

#[test]
fn explicit_groups_of_one_are_the_default_network() {
    let dataset = dataset();
    let groups = |letter: &str, count: usize| -> Value {
        (0..count).map(|index| json!({"model": format!("{letter}{index}"), "count": 1})).collect()
    };
    let explicit =
        run(&dataset, json!({"rounds": 400, "network": {"inference": groups("n", 4), "evaluators": groups("e", 5)}}));
    let default = run(&dataset, json!({"rounds": 400}));
    assert_eq!(explicit.inference_nodes, default.inference_nodes);
    assert_eq!(explicit.evaluator_nodes, default.evaluator_nodes);
    assert_eq!(explicit.mechanism, default.mechanism);
}

#[test]
fn instances_of_a_group_are_numbered_across_groups() {
    let network = json!({"inference": [{"model": "n1", "count": 2}, {"model": "n0"}, {"model": "n1", "latency_factor": 9}],
                         "evaluators": [{"model": "e4", "count": 3}]});
    let report = run(&dataset(), json!({"rounds": 50, "network": network}));
    let ids = |nodes: &[NodeReport]| nodes.iter().map(|node| node.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&report.inference_nodes), ["n1#1", "n1#2", "n0", "n1#3"]);
    assert_eq!(ids(&report.evaluator_nodes), ["e4#1", "e4#2", "e4#3"]);
    let costs: Vec<f64> = report.inference_nodes.iter().map(|node| node.cost).collect();
    assert!(costs[0] == costs[1] && costs[0] > 0.0 && costs[2] == 0.0 && costs[3] == 1.0, "{costs:?}");
    assert_eq!(report.inference_nodes[3].latency_ms_mean, 9.0 * report.inference_nodes[0].latency_ms_mean);
    assert!(report.inference_nodes.iter().skip(1).all(|node| node.model == "n0" || node.model == "n1"));
}

#[test]
fn noise_changes_scores_and_not_draws() {
    let dataset = dataset();
    let network = |sd: f64| {
        let groups: Value = (0..5).map(|index| json!({"model": format!("e{index}"), "score_noise_sd": sd})).collect();
        json!({"rounds": 2000, "network": {"evaluators": groups}})
    };
    let (plain, noisy) = (rounds(&dataset, &scenario(network(0.0))), rounds(&dataset, &scenario(network(1.5))));
    for (plain, noisy) in plain.iter().flatten().zip(noisy.iter().flatten()) {
        assert_eq!((plain.task, plain.inference), (noisy.task, noisy.inference));
        for (before, after) in plain.scores.iter().zip(&noisy.scores) {
            assert_eq!(before.evaluator, after.evaluator);
            assert!((0.0..=10.0).contains(&after.score));
        }
    }
    // Where the scale's ends are three or more deviations away, the noise is Gaussian as it was asked for.
    let middle: Vec<f64> = plain
        .iter()
        .flatten()
        .zip(noisy.iter().flatten())
        .flat_map(|(plain, noisy)| plain.scores.iter().zip(&noisy.scores))
        .filter(|(old, _)| (4.5..=5.5).contains(&old.score))
        .map(|(old, new)| new.score - old.score)
        .collect();
    let n = middle.len() as f64;
    let sd = (middle.iter().map(|shift| shift * shift).sum::<f64>() / n).sqrt();
    assert!(n > 100.0 && (sd - 1.5).abs() < 5.0 * 1.5 / (2.0 * n).sqrt(), "{n} {sd}");
}

/// The mean reward of inference node 0 and of evaluator 0, exactly: over every task, node and set of three evaluators.
fn expectations(dataset: &Dataset, costs: (f64, f64)) -> (f64, f64) {
    let (mut inference, mut evaluator) = (Vec::new(), Vec::new());
    for task in 0..dataset.tasks.len() {
        for node in 0..dataset.inference_nodes() {
            for (a, b, c) in (0..5).flat_map(|a| (a + 1..5).flat_map(move |b| (b + 1..5).map(move |c| (a, b, c)))) {
                let score = |evaluator: usize| 10.0 * dataset.score(task, node, evaluator).raw;
                let consensus = (score(a) + score(b) + score(c)) / 3.0;
                if node == 0 {
                    inference.push(consensus / 10.0 - 0.5 * costs.0);
                }
                if a == 0 {
                    evaluator.push(1.0 - (score(0) - consensus).abs() / 10.0 - 0.5 * costs.1);
                }
            }
        }
    }
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    (mean(inference), mean(evaluator))
}

#[test]
fn monte_carlo_intervals_hold_the_exact_expectation() {
    let dataset = dataset();
    let (mut held, mut means) = ([0; 2], [0.0; 2]);
    let mut exact = (0.0, 0.0);
    for seed in 0..200 {
        let report = run(&dataset, json!({"rounds": 400, "seed": seed}));
        let (inference, evaluator) = (&report.inference_nodes[0], &report.evaluator_nodes[0]);
        exact = expectations(&dataset, (inference.cost, evaluator.cost));
        for (index, (node, exact)) in [(inference, exact.0), (evaluator, exact.1)].into_iter().enumerate() {
            let [low, high] = node.ci95_monte_carlo.expect("an interval");
            held[index] += u32::from((low..=high).contains(&exact));
            means[index] += node.reward_mean.expect("a mean") / 200.0;
        }
    }
    assert!(held.iter().all(|held| (180..=198).contains(held)), "of 200 intervals: {held:?}");
    assert!((means[0] - exact.0).abs() < 0.005 && (means[1] - exact.1).abs() < 0.005, "{means:?} {exact:?}");
}

#[test]
fn prompt_intervals_have_the_width_of_a_ratio_of_sums() {
    let dataset = Files::made_up(60, 3, 4).read().expect("valid");
    let scenario = scenario(json!({"rounds": 20_000}));
    let report = in_chunks(&dataset, &scenario, [u64::MAX]);
    let mut by_task = vec![vec![Vec::new(); 60]; 3];
    for answer in rounds(&dataset, &scenario).into_iter().flatten() {
        by_task[answer.inference][answer.task].push(answer.consensus / 10.0);
    }
    for (node, by_task) in report.inference_nodes.iter().zip(by_task) {
        let mean = node.reward_mean.expect("a mean");
        let [low, high] = node.ci95_prompts.expect("an interval");
        assert!(low < mean && mean < high);
        // The linearised standard error of sum / count when whole tasks are resampled.
        let quality = mean + 0.5 * node.cost;
        let squares: f64 =
            by_task.iter().map(|values| values.iter().map(|value| value - quality).sum::<f64>().powi(2)).sum();
        let half = 1.96 * squares.sqrt() / node.rounds as f64;
        assert!(((high - low) / 2.0 / half - 1.0).abs() < 0.15, "{low} {high} {half}");
    }
}

#[test]
fn prompts_have_no_interval_where_there_is_one() {
    let report = run(&Files::made_up(1, 2, 3).read().expect("valid"), json!({"rounds": 100}));
    assert!(report.inference_nodes.iter().chain(&report.evaluator_nodes).all(|node| node.ci95_prompts.is_none()));
}

#[test]
fn a_judge_takes_no_part() {
    let report = run(&judged_dataset(), json!({"rounds": 100}));
    let ids: Vec<&str> = report.evaluator_nodes.iter().map(|node| node.id.as_str()).collect();
    assert_eq!(ids, ["e0", "e2", "e3", "e4"]);
    assert!(report.mechanism.pearson_consensus_judge.is_some());
    assert_eq!(run(&dataset(), json!({"rounds": 100})).mechanism.pearson_consensus_judge, None);
}

#[test]
fn scenarios_that_do_not_fit_the_dataset_are_refused_by_path() {
    let refused = |dataset: &Dataset, patch: Value, path: &str, texts: &[&str]| {
        let error = Simulation::new(dataset, &scenario(patch)).expect_err("must be refused");
        assert_eq!(error.path, path, "{error}");
        for text in texts {
            assert!(error.message.contains(text), "`{text}` is not in: {error}");
        }
    };
    let (dataset, judged) = (dataset(), judged_dataset());
    refused(&dataset, json!({"evaluators_per_round": 6}), "evaluators_per_round", &["6", "1 to 5"]);
    refused(&judged, json!({"evaluators_per_round": 5}), "evaluators_per_round", &["5", "1 to 4"]);
    let one = json!({"evaluators_per_round": 3, "network": {"evaluators": [{"model": "e0", "count": 2}]}});
    refused(&dataset, one, "evaluators_per_round", &["3", "1 to 2"]);
    let unknown = json!({"network": {"inference": [{"model": "n0"}, {"model": "n7"}]}});
    refused(&dataset, unknown, "network.inference.1.model", &["`n7`", "n0, n1, n2, n3"]);
    let unknown = json!({"network": {"evaluators": [{"model": "n0"}]}});
    refused(&dataset, unknown, "network.evaluators.0.model", &["`n0`", "e0, e1, e2, e3, e4"]);
    let judge = json!({"network": {"evaluators": [{"model": "e0"}, {"model": "e1", "count": 5}]}});
    refused(&judged, judge, "network.evaluators.1.model", &["`e1`", "e0, e2, e3, e4"]);
    let unknown = json!({"score_normalization": {"e0": "unit", "rouge": "unit"}});
    refused(&dataset, unknown, "score_normalization.rouge", &["e0, e1, e2, e3, e4"]);
    let only_qa = Files::made_up(1, 2, 3).read().expect("valid");
    refused(&only_qa, json!({"task_kinds": ["summarization"]}), "task_kinds", &["made-up"]);
    let mut files = Files::made_up(2, 2, 1);
    files.manifest["evaluators"][0]["kind"] = json!("judge");
    let only_judges = files.read().expect("valid");
    refused(&only_judges, json!({"evaluators_per_round": 1}), "network.evaluators", &["at least one"]);
}

#[test]
fn rewards_stay_within_the_weights_whatever_the_scenario() {
    let dataset = dataset();
    let mut random = Stream::new(11, Purpose::Draws);
    let mut pick = |choices: &[&str]| choices[random.below(choices.len() as u32) as usize].to_owned();
    for seed in 0..60 {
        let weights = ["0", "0.3", "1", "7.5", "1000"];
        let normalizations = ["unit", "sigmoid", "min_max", "ten"];
        let wrapped = match pick(&["noise", "boost", "sabotage", "copycat", "lazy_constant", "cabal"]).as_str() {
            "cabal" => json!({"kind": "cabal", "own": ["n0"], "by": 10}),
            kind => json!({"kind": kind}),
        };
        let mut number = |choices: &[&str]| pick(choices).parse::<f64>().expect("a number");
        let factor = ["0.000001", "0.5", "1", "1000000"];
        let attacks = json!([
            {"nodes": {"share": number(&["0", "0.4", "1"])}, "kind": "intermittent",
             "probability": number(&["0.2", "1"]), "attack": wrapped},
            {"nodes": ["n1"], "kind": "latency_misreport", "factor": number(&factor)},
        ]);
        let network = json!({
            "inference": [{"model": "n0", "latency_factor": number(&factor)}, {"model": "n1", "count": number(&["1", "40"]) as u32}],
            "evaluators": [{"model": "e0", "score_noise_sd": number(&["0", "0.1", "10"])},
                           {"model": "e1", "count": 2, "latency_factor": number(&factor)}]});
        let alpha_evaluator = number(&weights);
        let staking = if alpha_evaluator > 0.0 {
            [json!(null), json!({"slash_distance": 1})][seed as usize % 2].clone()
        } else {
            json!(null)
        };
        let scenario = scenario(json!({
            "staking": staking,
            "seed": seed, "rounds": ([1, 2, 50, 333][seed as usize % 4]),
            "evaluators_per_round": number(&["1", "2", "3"]) as u32,
            "reward": {"alpha_inference": number(&weights), "beta_inference": number(&weights),
                       "alpha_evaluator": alpha_evaluator, "beta_evaluator": number(&["0.1", "2"])},
            "network": network,
            "inference_draw": pick(&["uniform", "all", "softmax"]),
            "consensus": {"rule": pick(&["mean", "median", "trust_weighted", "ema_trust", "yuma"])},
            "attacks": attacks,
            "cost_normalization": pick(&["min_max", "ratio_to_max", "log_min_max"]),
            "score_normalization": {"e0": pick(&normalizations), "e1": pick(&normalizations)},
        }));
        let report = in_chunks(&dataset, &scenario, [u64::MAX]);
        let link = poq_core::link::Link::of(&report, poq_core::link::View::default()).to_string();
        let back: poq_core::link::Link = link.parse().expect("its own link");
        assert_eq!((back.scenario, back.digest), (scenario.clone(), Some(report.digest.clone())));
        // The most that a stake of 1 loses at once.
        let loss = scenario.staking.map_or(0.0, |staking| staking.slash_share);
        let spread = |alpha: f64, beta: f64| 2.0 * (alpha + beta + loss) * (1.0 + 1e-12);
        for attacker in &report.attackers {
            let (alpha, beta) = match attacker.role {
                poq_core::attack::Role::Inference => (scenario.reward.alpha_inference, scenario.reward.beta_inference),
                poq_core::attack::Role::Evaluator => (scenario.reward.alpha_evaluator, scenario.reward.beta_evaluator),
            };
            assert!(attacker.gain_mean.is_none_or(|gain| gain.abs() <= spread(alpha, beta)), "{attacker:?}");
        }
        let weights = &scenario.reward;
        let roles = [
            (&report.inference_nodes, weights.alpha_inference, weights.beta_inference),
            (&report.evaluator_nodes, weights.alpha_evaluator, weights.beta_evaluator),
        ];
        for (nodes, alpha, beta) in roles {
            let slack = 1e-12 * (alpha + beta);
            for node in nodes.iter().filter(|node| node.rounds > 0) {
                let mean = node.reward_mean.expect("a mean");
                assert!((-beta - loss - slack..=alpha + slack).contains(&mean), "{}: {mean}", node.id);
                assert!(
                    (0.0..=1.0).contains(&node.cost) && (0.0..=1.0).contains(&node.negative_share.expect("a share"))
                );
                let bounds = [node.ci95_monte_carlo, node.ci95_prompts].into_iter().flatten().flatten();
                assert!(bounds.chain(node.reward_sd).all(f64::is_finite));
            }
        }
        for answer in rounds(&dataset, &scenario).into_iter().flatten() {
            let scores = || answer.scores.iter().map(|given| given.score);
            assert!(scores().all(|score| (0.0..=10.0).contains(&score)));
            let (low, high) = (scores().fold(10.0, f64::min), scores().fold(0.0, f64::max));
            assert!((low - 1e-12..=high + 1e-12).contains(&answer.consensus));
        }
    }
}

/// With all nodes answering and all evaluators scoring, nothing but the tasks is drawn: whoever stands where in the
/// list earns the same. Where nodes are drawn, the draws fall on others, and means agree within their noise.
#[test]
fn the_order_of_nodes_does_not_matter() {
    let dataset = dataset();
    let attacks = json!([{"nodes": ["e2"], "kind": "boost"}, {"nodes": ["e4"], "kind": "cabal", "own": ["n1"]},
                         {"nodes": ["e1"], "kind": "copycat"}, {"nodes": ["n3"], "kind": "downgrade", "to": "n0"}]);
    for rule in poq_core::consensus::Consensus::RULES {
        for whole in [true, false] {
            let run = |inference: [usize; 4], evaluators: [usize; 5]| {
                let group = |letter: &str, id: usize| json!({"model": format!("{letter}{id}"), "stake": 1 + id % 3, "latency_factor": 1.0 + id as f64});
                let network = json!({"inference": inference.map(|id| group("n", id)), "evaluators": evaluators.map(|id| group("e", id))});
                let mut patch =
                    json!({"rounds": 4000, "network": network, "attacks": attacks, "consensus": {"rule": rule}});
                if whole {
                    patch["inference_draw"] = json!("all");
                    patch["evaluators_per_round"] = json!(5);
                    patch["rounds"] = json!(300);
                }
                in_chunks(&dataset, &scenario(patch), [u64::MAX])
            };
            // Trust moves from answer to answer: which is judged first within a round matters to it.
            let order = if whole && rule.contains("trust") { [0, 1, 2, 3] } else { [2, 0, 3, 1] };
            let (one, other) = (run([0, 1, 2, 3], [0, 1, 2, 3, 4]), run(order, [4, 2, 0, 1, 3]));
            for node in one.inference_nodes.iter().chain(&one.evaluator_nodes) {
                let same = other
                    .inference_nodes
                    .iter()
                    .chain(&other.evaluator_nodes)
                    .find(|other| other.id == node.id)
                    .expect("there");
                assert_eq!(
                    (node.cost, node.latency_ms_mean, &node.attack),
                    (same.cost, same.latency_ms_mean, &same.attack)
                );
                let (mean, same_mean) = (node.reward_mean.expect("paid"), same.reward_mean.expect("paid"));
                let width =
                    |node: &NodeReport| node.ci95_monte_carlo.map(|[low, high]| high - low).expect("an interval");
                let noise = 1e-9 + if whole { 0.0 } else { 2.0 * (width(node) + width(same)) };
                assert!((mean - same_mean).abs() < noise, "{rule} {}: {mean} {same_mean}", node.id);
                assert!(!whole || node.rounds == same.rounds);
            }
        }
    }
}
