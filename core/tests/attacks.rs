//! Attacks, held to their definitions by comparing each run with the honest one on the same draws.

use crate::common::Files;
use poq_core::report::NodeReport;
use poq_core::scenario::ScenarioError;
use poq_core::simulation::{GivenScore, ScoredAnswer};
use poq_core::{Dataset, Report, Scenario, Simulation, simulate, stats};
use serde_json::{Value, json};

const ROUNDS: u64 = 600;

fn dataset() -> Dataset {
    Files::made_up(12, 4, 5).read().expect("valid")
}

/// A scenario of [`ROUNDS`] rounds with these attacks, and whatever `patch` sets besides.
fn attacked(attacks: Value, mut patch: Value) -> Scenario {
    patch["attacks"] = attacks;
    patch["rounds"] = json!(ROUNDS);
    Scenario::from_patch(&patch).expect("a valid scenario")
}

fn honest(scenario: &Scenario) -> Scenario {
    Scenario { attacks: Vec::new(), ..scenario.clone() }
}

fn report(dataset: &Dataset, scenario: &Scenario) -> Report {
    simulate(dataset, scenario, scenario.seed, scenario.rounds).expect("fits the dataset")
}

fn answers(dataset: &Dataset, scenario: &Scenario) -> Vec<ScoredAnswer> {
    let mut simulation = Simulation::new(dataset, scenario).expect("fits the dataset");
    (0..scenario.rounds).flat_map(|_| simulation.open_next()).collect()
}

/// Every answer with and without the attacks; the draws must be the same.
fn both(dataset: &Dataset, scenario: &Scenario) -> Vec<(ScoredAnswer, ScoredAnswer)> {
    let pairs: Vec<_> = answers(dataset, scenario).into_iter().zip(answers(dataset, &honest(scenario))).collect();
    assert!(pairs.len() as u64 >= ROUNDS);
    for (with, without) in &pairs {
        assert_eq!((with.task, with.inference), (without.task, without.inference));
        let drawn = |answer: &ScoredAnswer| Vec::from_iter(answer.scores.iter().map(|given| given.evaluator));
        assert_eq!(drawn(with), drawn(without));
    }
    pairs
}

/// Every score with and without the attacks.
fn scores(pairs: &[(ScoredAnswer, ScoredAnswer)]) -> impl Iterator<Item = (GivenScore, GivenScore, &ScoredAnswer)> {
    pairs.iter().flat_map(|(with, without)| {
        with.scores.iter().zip(&without.scores).map(move |(with_one, without_one)| (*with_one, *without_one, with))
    })
}

fn error(dataset: &Dataset, attacks: Value) -> ScenarioError {
    match Scenario::from_patch(&json!({"attacks": attacks})) {
        Ok(scenario) => Simulation::new(dataset, &scenario).map(|_| ()).expect_err("must be refused"),
        Err(error) => error,
    }
}

#[test]
fn boost_and_sabotage_shift_scores_within_the_scale() {
    let dataset = dataset();
    let scenario = attacked(
        json!([{"nodes": ["e1"], "kind": "boost", "by": 4}, {"nodes": ["e3"], "kind": "sabotage", "by": 2.5}]),
        json!({}),
    );
    let mut clipped = 0;
    for (with, without, _) in scores(&both(&dataset, &scenario)) {
        let want = match with.evaluator {
            1 => (without.score + 4.0).min(10.0),
            3 => (without.score - 2.5).max(0.0),
            _ => without.score,
        };
        assert_eq!(with.score, want);
        clipped += usize::from(want == 10.0 || want == 0.0);
    }
    assert!(clipped > 50, "{clipped}");
}

#[test]
fn a_copycat_gives_the_mean_of_the_others() {
    let dataset = dataset();
    let scenario =
        attacked(json!([{"nodes": ["e0", "e2"], "kind": "copycat"}, {"nodes": ["e4"], "kind": "boost"}]), json!({}));
    let mut alone = 0;
    for (answer, _) in both(&dataset, &scenario) {
        let (copied, others): (Vec<&GivenScore>, Vec<&GivenScore>) =
            answer.scores.iter().partition(|given| [0, 2].contains(&given.evaluator));
        let mean = others.iter().map(|given| given.score).sum::<f64>() / others.len() as f64;
        assert!(copied.iter().all(|given| (given.score - mean).abs() < 1e-12));
        alone += usize::from(others.len() == 1);
    }
    assert!(alone > 50);
    // With everybody copying there is nothing to copy; who does not score takes no time.
    let all = attacked(json!([{"nodes": {"share": 1}, "kind": "copycat"}]), json!({}));
    assert!(scores(&both(&dataset, &all)).all(|(with, ..)| with.score == 5.0));
    assert!(report(&dataset, &all).evaluator_nodes.iter().all(|node| node.latency_ms_mean == 0.0));
}

#[test]
fn a_lazy_evaluator_gives_its_constant_and_is_cheap() {
    let dataset = dataset();
    let attacks = json!([{"nodes": ["e2"], "kind": "lazy_constant", "score": 6.5, "latency_factor": 0.25}]);
    let scenario = attacked(attacks, json!({}));
    for (with, without, _) in scores(&both(&dataset, &scenario)) {
        assert_eq!(with.score, if with.evaluator == 2 { 6.5 } else { without.score });
    }
    let (with, without) = (report(&dataset, &scenario), report(&dataset, &honest(&scenario)));
    for (index, (with, without)) in with.evaluator_nodes.iter().zip(&without.evaluator_nodes).enumerate() {
        let factor = if index == 2 { 0.25 } else { 1.0 };
        assert!((with.latency_ms_mean - factor * without.latency_ms_mean).abs() < 1e-9);
    }
    assert!(with.evaluator_nodes[2].cost < without.evaluator_nodes[2].cost);
}

#[test]
fn a_cabal_lifts_its_own_and_sinks_rivals() {
    let dataset = dataset();
    let attacks = json!([{"nodes": ["e0", "e1"], "kind": "cabal", "own": ["n2"], "by": 3}]);
    let scenario = attacked(attacks, json!({"inference_draw": "all"}));
    for (with, without, answer) in scores(&both(&dataset, &scenario)) {
        let want = match (with.evaluator < 2, answer.inference == 2) {
            (true, true) => (without.score + 3.0).min(10.0),
            (true, false) => (without.score - 3.0).max(0.0),
            (false, _) => without.score,
        };
        assert_eq!(with.score, want);
    }
}

#[test]
fn a_downgraded_node_gives_another_ones_answer_in_its_time() {
    let dataset = dataset();
    let scenario = attacked(json!([{"nodes": ["n3"], "kind": "downgrade", "to": "n0"}]), json!({}));
    let honest_report = report(&dataset, &honest(&scenario));
    for (with, without) in both(&dataset, &scenario) {
        let model = if with.inference == 3 { 0 } else { with.inference };
        assert_eq!((with.model, without.model), (model, without.inference));
        for given in &with.scores {
            assert!((given.score - 10.0 * dataset.score(with.task, model, given.evaluator).raw).abs() < 1e-9);
        }
    }
    let with = report(&dataset, &scenario);
    let (cheat, cheap) = (&with.inference_nodes[3], &honest_report.inference_nodes[0]);
    assert_eq!((cheat.latency_ms_mean, cheat.quality_mean), (cheap.latency_ms_mean, cheap.quality_mean));
}

/// Half of the time, so that a node's answers are those of two recorded nodes.
#[test]
fn correlation_with_truth_is_that_of_the_answers_given() {
    let dataset = dataset();
    let attacks = json!([{"nodes": ["n3", "n1"], "kind": "intermittent", "probability": 0.4,
        "attack": {"kind": "downgrade", "to": "n0"}}]);
    let scenario = attacked(attacks, json!({}));
    let answers = answers(&dataset, &scenario);
    let downgraded = answers.iter().filter(|answer| answer.model != answer.inference).count() as f64;
    let exposed = answers.iter().filter(|answer| [1, 3].contains(&answer.inference)).count() as f64;
    assert!((downgraded / exposed - 0.4).abs() < 5.0 * (0.24 / exposed).sqrt());
    let consensus: Vec<f64> = answers.iter().map(|answer| answer.consensus).collect();
    let truth: Vec<f64> = answers.iter().map(|answer| dataset.truth(answer.task, answer.model)).collect();
    let report = report(&dataset, &scenario);
    let close = |got: Option<f64>, want: Option<f64>| (got.expect("defined") - want.expect("defined")).abs() < 1e-9;
    assert!(close(report.mechanism.pearson_consensus_truth, stats::pearson(&consensus, &truth)));
    assert!(close(report.mechanism.spearman_consensus_truth, stats::spearman(&consensus, &truth)));
}

#[test]
fn a_misreported_latency_changes_costs_alone() {
    let dataset = dataset();
    let scenario = attacked(json!([{"nodes": ["n3"], "kind": "latency_misreport", "factor": 0.1}]), json!({}));
    assert!(both(&dataset, &scenario).iter().all(|(with, without)| with == without));
    let (with, without) = (report(&dataset, &scenario), report(&dataset, &honest(&scenario)));
    let latency = |report: &Report, node: usize| report.inference_nodes[node].latency_ms_mean;
    assert!((latency(&with, 3) - 0.1 * latency(&without, 3)).abs() < 1e-9);
    assert_eq!(latency(&with, 0), latency(&without, 0));
    assert_eq!(with.inference_nodes[3].quality_mean, without.inference_nodes[3].quality_mean);
}

/// A false latency moves rewards, and so revenue; what the node's time costs it stays what it is.
#[test]
fn profit_is_reward_in_money_less_the_true_cost_of_time() {
    let dataset = dataset();
    let money = json!({"money": {"price_per_round": 0.5, "cost_per_second": 2}});
    let scenario = attacked(json!([{"nodes": ["n3"], "kind": "latency_misreport", "factor": 0.1}]), money);
    let (with, without) = (report(&dataset, &scenario), report(&dataset, &honest(&scenario)));
    for (node, honest) in with.inference_nodes.iter().zip(&without.inference_nodes) {
        let cost = 2.0 * honest.latency_ms_mean / 1000.0;
        let want = 0.5 * node.reward_mean.expect("paid") - cost;
        assert!((node.profit_mean.expect("in money") - want).abs() < 1e-12, "{}", node.id);
        assert!((node.break_even_reward.expect("in money") - cost / 0.5).abs() < 1e-12, "{}", node.id);
    }
    let plain = report(&dataset, &attacked(json!([]), json!({})));
    assert!(plain.evaluator_nodes.iter().all(|node| node.profit_mean.is_none() && node.break_even_reward.is_none()));
}

#[test]
fn noise_is_gaussian_of_the_sd_that_was_set() {
    let dataset = dataset();
    let scenario = attacked(
        json!([{"nodes": ["e0", "e1", "e2"], "kind": "noise", "sd": 1.2}]),
        json!({"evaluators_per_round": 5}),
    );
    let shifts: Vec<f64> = scores(&both(&dataset, &scenario))
        .filter(|(with, without, _)| with.evaluator < 3 && (4.0..=6.0).contains(&without.score))
        .map(|(with, without, _)| with.score - without.score)
        .collect();
    let n = shifts.len() as f64;
    let sd = (shifts.iter().map(|shift| shift * shift).sum::<f64>() / n).sqrt();
    assert!(n > 100.0 && (sd - 1.2).abs() < 5.0 * 1.2 / (2.0 * n).sqrt(), "{n} {sd}");
}

#[test]
fn an_intermittent_attack_acts_as_often_as_it_says() {
    let dataset = dataset();
    let boost = json!({"kind": "boost", "by": 1});
    let wrapped = |probability: f64| {
        let attack = json!({"nodes": ["e1"], "kind": "intermittent", "probability": probability, "attack": boost});
        attacked(json!([attack]), json!({}))
    };
    let half = scores(&both(&dataset, &wrapped(0.5)))
        .filter(|(with, without, _)| with.evaluator == 1 && without.score < 10.0)
        .map(|(with, without, _)| f64::from(u8::from(with.score != without.score)))
        .collect::<Vec<f64>>();
    let share = half.iter().sum::<f64>() / half.len() as f64;
    assert!((share - 0.5).abs() < 2.5 / (half.len() as f64).sqrt(), "{share} of {}", half.len());
    let always = attacked(json!([{"nodes": ["e1"], "kind": "boost", "by": 1}]), json!({}));
    let earned = |scenario: &Scenario| unlabelled(report(&dataset, scenario).evaluator_nodes);
    assert_eq!(earned(&wrapped(1.0)), earned(&always));
    assert_eq!(earned(&wrapped(0.0)), earned(&honest(&always)));
}

/// Reports on nodes without the names of their attacks.
fn unlabelled(nodes: Vec<NodeReport>) -> Vec<NodeReport> {
    nodes.into_iter().map(|node| NodeReport { attack: None, ..node }).collect()
}

#[test]
fn attacks_without_strength_or_nodes_change_nothing() {
    let dataset = dataset();
    let network =
        json!({"network": {"evaluators": [{"model": "e0", "count": 3, "score_noise_sd": 1}, {"model": "e4"}]}});
    for attacks in [
        json!([{"nodes": {"share": 0}, "kind": "lazy_constant"}]),
        json!([{"nodes": {"share": 0.5}, "kind": "boost", "by": 0}, {"nodes": ["n1"], "kind": "latency_misreport", "factor": 1}]),
        json!([{"nodes": ["e0"], "kind": "noise", "sd": 0}, {"nodes": ["n2"], "kind": "downgrade", "to": "n2"}]),
    ] {
        let scenario = attacked(attacks, network.clone());
        let (with, without) = (report(&dataset, &scenario), report(&dataset, &honest(&scenario)));
        assert_eq!(unlabelled(with.inference_nodes), without.inference_nodes);
        assert_eq!(unlabelled(with.evaluator_nodes), without.evaluator_nodes);
        assert_eq!(with.mechanism, without.mechanism);
        assert!(with.attackers.iter().all(|attacker| attacker.gain_mean.is_none_or(|gain| gain == 0.0)));
    }
}

/// Scenarios with attackers of both roles, for what must hold of every one.
fn varied() -> Vec<Scenario> {
    let every = json!([
        {"nodes": ["e0"], "kind": "intermittent", "probability": 0.3, "attack": {"kind": "noise", "sd": 2}},
        {"nodes": ["e1"], "kind": "copycat"},
        {"nodes": ["e2"], "kind": "cabal", "own": ["n1"]},
        {"nodes": ["n0"], "kind": "intermittent", "attack": {"kind": "downgrade", "to": "n2"}},
        {"nodes": ["n1"], "kind": "latency_misreport"},
    ]);
    let many = json!({"evaluators_per_round": 4, "consensus": {"rule": "median"}, "network": {"evaluators": [
        {"model": "e0", "count": 8}, {"model": "e1", "count": 6, "score_noise_sd": 1}]}});
    vec![
        attacked(every.clone(), json!({})),
        attacked(every.clone(), json!({"inference_draw": "all", "evaluators_per_round": 2})),
        attacked(every, json!({"consensus": {"rule": "trust_weighted"}, "cost_normalization": "ratio_to_max"})),
        attacked(
            json!([{"nodes": {"share": 0.4}, "kind": "sabotage"}, {"nodes": {"share": 0.3}, "kind": "boost"}]),
            many,
        ),
    ]
}

#[test]
fn gains_are_the_paired_differences_of_rewards() {
    let dataset = dataset();
    for scenario in varied() {
        let whole = report(&dataset, &scenario);
        assert!(whole.attackers.len() >= 5);
        for attacker in &whole.attackers {
            // The same run in which this one attack is without effect, its nodes being honest.
            let mut muted = scenario.clone();
            let attack = attacker.attack as usize;
            muted.attacks[attack].kind = match muted.attacks[attack].kind.role() {
                poq_core::attack::Role::Evaluator => poq_core::attack::Kind::Boost { by: 0.0 },
                poq_core::attack::Role::Inference => poq_core::attack::Kind::LatencyMisreport { factor: 1.0 },
            };
            let silent = report(&dataset, &muted);
            let find = |report: &Report| {
                let mut nodes = report.inference_nodes.iter().chain(&report.evaluator_nodes);
                nodes.find(|node| node.id == attacker.id).expect("takes part").clone()
            };
            let (with, without) = (find(&whole), find(&silent));
            assert_eq!(with.rounds, without.rounds);
            let (with_mean, without_mean) = (with.reward_mean.expect("paid"), without.reward_mean.expect("paid"));
            assert_eq!(attacker.reward_mean, Some(with_mean));
            let stochastic = scenario.attacks.iter().any(|attack| attack.kind.unwrapped().1 < 1.0);
            // A muted attack leaves less to chance, so that other attackers' luck is another.
            let slack = if stochastic { 0.05 } else { 1e-9 };
            let gain = attacker.gain_mean.expect("paid");
            assert!((attacker.honest_reward_mean.expect("paid") - without_mean).abs() < slack, "{}", attacker.id);
            assert!((gain - (with_mean - attacker.honest_reward_mean.expect("paid"))).abs() < 1e-9, "{}", attacker.id);
            let [low, high] = attacker.ci95_monte_carlo.expect("many rounds");
            assert!(low <= gain && gain <= high);
        }
    }
}

#[test]
fn the_gains_interval_is_that_of_the_paired_differences() {
    let dataset = dataset();
    let scenario = attacked(json!([{"nodes": ["e1"], "kind": "sabotage", "by": 4}]), json!({}));
    let (with, without) = (report(&dataset, &scenario), report(&dataset, &honest(&scenario)));
    let weights = scenario.reward;
    let reward = |answer: &ScoredAnswer, report: &Report| {
        let given = answer.scores.iter().find(|given| given.evaluator == 1)?;
        let closeness = 1.0 - (given.score - answer.consensus).abs() / 10.0;
        Some(weights.alpha_evaluator * closeness - weights.beta_evaluator * report.evaluator_nodes[1].cost)
    };
    let differences: Vec<f64> =
        both(&dataset, &scenario).iter().filter_map(|(a, b)| Some(reward(a, &with)? - reward(b, &without)?)).collect();
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let sd = (differences.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let want = stats::mean_interval(mean, sd, differences.len() as u64).expect("an interval");
    let [attacker] = &with.attackers[..] else { panic!("one attacker") };
    let got = attacker.ci95_monte_carlo.expect("an interval");
    assert!((attacker.gain_mean.expect("paid") - mean).abs() < 1e-9);
    assert!((got[0] - want[0]).abs() < 1e-9 && (got[1] - want[1]).abs() < 1e-9, "{got:?} {want:?}");
    assert!(attacker.ci95_prompts.is_some());
}

#[test]
fn any_split_gives_the_same_report() {
    let dataset = dataset();
    for scenario in varied() {
        let whole = report(&dataset, &scenario);
        for chunk in [1, 7, 100] {
            let mut simulation = Simulation::new(&dataset, &scenario).expect("fits");
            while simulation.rounds_left() > 0 {
                simulation.run(chunk);
            }
            assert_eq!(simulation.report(&dataset), whole);
        }
        let mut opened = Simulation::new(&dataset, &scenario).expect("fits");
        opened.run(13);
        opened.open_next();
        opened.run(u64::MAX);
        assert_eq!(opened.report(&dataset), whole);
    }
}

/// What a sweep keeps of a cell is what the cell's report says.
#[test]
fn a_brief_has_the_figures_of_the_report() {
    let dataset = dataset();
    for scenario in varied() {
        let mut simulation = Simulation::new(&dataset, &scenario).expect("fits");
        simulation.run(u64::MAX);
        let (brief, mut report) = (simulation.brief(&dataset), simulation.report(&dataset));
        for node in report.inference_nodes.iter_mut().chain(&mut report.evaluator_nodes) {
            node.ci95_prompts = None;
        }
        for attacker in &mut report.attackers {
            attacker.ci95_prompts = None;
        }
        assert_eq!((brief.rounds, &brief.inference_nodes), (report.rounds, &report.inference_nodes));
        assert_eq!((&brief.evaluator_nodes, &brief.attackers), (&report.evaluator_nodes, &report.attackers));
        assert_eq!(brief.pearson_consensus_truth, report.mechanism.pearson_consensus_truth);
        assert_eq!(brief.kendall_reward_efficiency, report.mechanism.kendall_reward_efficiency);
    }
}

#[test]
fn a_share_grows_by_adding_attackers() {
    let dataset = dataset();
    let network = json!({"network": {"evaluators": [{"model": "e0", "count": 30}, {"model": "e1", "count": 10}]}});
    let attackers = |share: f64| -> Vec<String> {
        let scenario = attacked(json!([{"nodes": {"share": share}, "kind": "boost"}]), network.clone());
        report(&dataset, &scenario).attackers.into_iter().map(|attacker| attacker.id).collect()
    };
    let (few, more, all) = (attackers(0.1), attackers(0.5), attackers(1.0));
    assert_eq!((few.len(), more.len(), all.len()), (4, 20, 40));
    assert!(few.iter().all(|id| more.contains(id)));
}

#[test]
fn contradictions_are_refused_with_their_field() {
    let dataset = dataset();
    for (attacks, path, words) in [
        (
            json!([{"nodes": ["e9"], "kind": "boost"}]),
            "attacks.0.nodes",
            "`e9` is no evaluator of this network; allowed: e0, e1",
        ),
        (json!([{"nodes": ["n0"], "kind": "boost"}]), "attacks.0.nodes", "`n0` is no evaluator"),
        (json!([{"nodes": ["e0"], "kind": "downgrade", "to": "n0"}]), "attacks.0.nodes", "`e0` is no inference node"),
        (
            json!([{"nodes": ["n0"], "kind": "downgrade", "to": "x"}]),
            "attacks.0.to",
            "`x` is not recorded; allowed: n0",
        ),
        (
            json!([{"nodes": ["e0"], "kind": "boost"}, {"nodes": ["e1", "e0"], "kind": "copycat"}]),
            "attacks.1.nodes",
            "takes part in attacks.0 already",
        ),
        (
            json!([{"nodes": {"share": 0.6}, "kind": "boost"}, {"nodes": {"share": 0.6}, "kind": "noise"}]),
            "attacks.1.nodes.share",
            "3 of 5 nodes would attack, and only 2 take part in no other attack",
        ),
        (json!([{"nodes": ["e0"], "kind": "cabal", "own": ["e1"]}]), "attacks.0.own", "`e1` is no inference node"),
        (
            json!([{"nodes": ["n0"], "kind": "intermittent", "attack": {"kind": "downgrade", "to": "x"}}]),
            "attacks.0.attack.to",
            "not recorded",
        ),
        (json!(vec![json!({"nodes": ["e0"], "kind": "boost"}); 17]), "attacks", "17 attacks; allowed: up to 16"),
        (
            json!([{"nodes": ["e0"], "kind": "boost", "by": 10.5}]),
            "attacks.0.by",
            "10.5 is out of range; allowed: 0 to 10",
        ),
    ] {
        let error = error(&dataset, attacks);
        assert_eq!(error.path, path, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}
