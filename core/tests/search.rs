//! Searches whose result is known: what the best attack is, what it gains, and that this is measured on seeds that the
//! search has not seen.

use crate::common::Files;
use poq_core::attack::{Attackers, Kind, Role};
use poq_core::preset::{Made, PRESETS};
use poq_core::scenario::ScenarioError;
use poq_core::search::{Aim, Finding, Search, Settings, Stage, Verdict, largest};
use poq_core::{Dataset, Report, Scenario, simulate, stats};
use serde_json::{Value, json};

const SETTINGS: Settings = Settings { screening_rounds: 150, replicates: 3 };

fn dataset() -> Dataset {
    Files::made_up(12, 4, 5).read().expect("valid")
}

fn scenario(patch: Value) -> Scenario {
    Scenario { rounds: 300, ..Scenario::from_patch(&patch).expect("valid") }
}

fn report(dataset: &Dataset, scenario: &Scenario) -> Report {
    simulate(dataset, scenario, scenario.seed, scenario.rounds).expect("fits")
}

/// What is found, and every stage with its scenarios.
fn finish(dataset: &Dataset, mut search: Search) -> (Vec<Finding>, Vec<(Stage, Vec<Scenario>)>) {
    let mut stages = Vec::new();
    loop {
        let measures: Vec<_> = (0..search.runs()).map(|run| search.run(dataset, run).expect("fits")).collect();
        stages.push((search.stage(), (0..search.runs()).map(|run| search.scenario(run)).collect()));
        if let Some(found) = search.advance(&measures) {
            return (found, stages);
        }
    }
}

fn attacks(dataset: &Dataset, base: &Scenario, budget: u32) -> (Vec<Finding>, Vec<(Stage, Vec<Scenario>)>) {
    finish(dataset, Search::attacks(base.clone(), dataset, budget, SETTINGS).expect("a search"))
}

fn deviations(dataset: &Dataset, base: &Scenario) -> Vec<Finding> {
    finish(dataset, Search::deviations(base.clone(), dataset, SETTINGS).expect("a search")).0
}

/// The runs of the base on the seeds of a confirmation.
fn honest(dataset: &Dataset, base: &Scenario, stages: &[(Stage, Vec<Scenario>)]) -> Vec<Report> {
    let (_, confirmed) = stages.last().expect("stages");
    let mut seeds: Vec<u64> = confirmed.iter().map(|scenario| scenario.seed).collect();
    seeds.dedup();
    seeds.into_iter().map(|seed| report(dataset, &Scenario { seed, ..base.clone() })).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// One copycat among three gives the mean of the two others, and so the consensus of all three, for nothing: no attack
/// earns more than `alpha`, and it does.
#[test]
fn a_single_evaluator_does_best_to_copy() {
    let dataset = dataset();
    let base = scenario(json!({}));
    let (found, stages) = attacks(&dataset, &base, 1);
    let best = &found[0];
    assert_eq!((best.aim, &best.attack.kind), (Aim::Attackers, &Kind::Copycat { latency_factor: 0.0 }));
    assert_eq!(best.verdict, Verdict::Pays);
    let shown = report(&dataset, &best.scenario);
    let [attacker] = &shown.attackers[..] else { panic!("one attacker") };
    assert!((attacker.reward_mean.expect("paid") - 1.0).abs() < 1e-12);
    let earned = honest(&dataset, &base, &stages).into_iter().map(|report| {
        let node = report.evaluator_nodes.into_iter().find(|node| node.id == attacker.id).expect("the attacker");
        node.reward_mean.expect("paid")
    });
    let gain = best.gain.expect("paid").mean;
    assert!((gain - mean(earned.map(|reward| 1.0 - reward))).abs() < 1e-12, "{gain}");
    assert_eq!((best.own_node_gain, best.coalition_gain), (None, None));
    // The best of each kind that was tried, this one first.
    let names: Vec<&str> = best.tried.iter().map(|tried| tried.kind.unwrapped().0.name()).collect();
    assert_eq!(names[..2], ["copycat", "lazy_constant"]);
    assert!(best.tried.windows(2).all(|pair| pair[0].value >= pair[1].value) && names.len() == 5, "{names:?}");
}

/// A single score is the consensus: whatever the score, its giver is paid the same; only what time costs can be saved.
#[test]
fn who_scores_alone_gains_nothing_but_time() {
    let dataset = dataset();
    let alone = |beta: u32| scenario(json!({"evaluators_per_round": 1, "reward": {"beta_evaluator": beta}}));
    let (found, _) = attacks(&dataset, &alone(0), 2);
    let gain = found[0].gain.expect("paid");
    assert_eq!((gain.mean, gain.ci95_monte_carlo, found[0].verdict), (0.0, [0.0, 0.0], Verdict::NotShown));
    assert!(found[0].tried.iter().all(|tried| tried.value == Some(0.0)));

    let base = alone(2);
    let costs = report(&dataset, &base).evaluator_nodes;
    let found = deviations(&dataset, &base);
    for (node, finding) in costs.iter().zip(&found) {
        assert_eq!(finding.attack.nodes, Attackers::Named(vec![node.id.clone()]));
        let gain = finding.gain.expect("paid");
        assert!((gain.mean - 2.0 * node.cost).abs() < 1e-12, "{} {gain:?}", node.id);
        assert_eq!(finding.verdict, if node.cost > 0.0 { Verdict::Pays } else { Verdict::NotShown });
    }
    assert_eq!((costs[0].cost, costs[4].cost), (0.0, 1.0));
}

/// Where every evaluator is in the cabal, its node's consensus is as high as can be.
#[test]
fn a_cabal_of_all_lifts_its_node_to_the_top() {
    let dataset = dataset();
    let base = scenario(json!({"evaluators_per_round": 1, "reward": {"beta_evaluator": 0}}));
    let (found, stages) = attacks(&dataset, &base, 5);
    let cabal = &found[1];
    let Kind::Cabal { own, by } = &cabal.attack.kind else { panic!("{:?}", cabal.attack) };
    assert_eq!((cabal.aim, *by, cabal.verdict), (Aim::OwnNode, 10.0, Verdict::Pays));
    assert_eq!(cabal.gain.map(|gain| gain.mean), Some(0.0));
    let node =
        |report: &Report| report.inference_nodes.iter().find(|node| node.id == own[0]).expect("its node").clone();
    let honest: Vec<_> = honest(&dataset, &base, &stages).iter().map(node).collect();
    assert_eq!(honest.len(), 3);
    // alpha is 1, and cost is what it was.
    let gains: Vec<f64> = honest.iter().map(|node| 1.0 - 0.5 * node.cost - node.reward_mean.expect("paid")).collect();
    let want = mean(gains.iter().copied());
    assert!((cabal.own_node_gain.expect("paid").mean - want).abs() < 1e-12);
    let want = mean(gains.iter().zip(&honest).map(|(gain, node)| gain * node.rounds as f64 / 300.0));
    assert!((cabal.coalition_gain.expect("paid").mean - want).abs() < 1e-12);
}

/// With time alone paid for, the slowest node does best to give the quickest one's answers, and the quickest cannot do
/// better.
#[test]
fn the_slowest_node_answers_as_the_quickest_where_only_time_counts() {
    let dataset = dataset();
    let base = scenario(json!({"reward": {"alpha_inference": 0, "beta_inference": 1}}));
    let found = deviations(&dataset, &base);
    let of = |aim, id: &str| {
        let is = |finding: &&Finding| {
            finding.aim == aim
                && finding.attack.kind.role() == Role::Inference
                && finding.attack.nodes == Attackers::Named(vec![id.to_owned()])
        };
        found.iter().find(is).expect("a finding")
    };
    let slowest = of(Aim::Attackers, "n3");
    assert_eq!(slowest.attack.kind, Kind::Downgrade { to: "n0".to_owned() });
    assert!((slowest.gain.expect("paid").mean - 1.0).abs() < 1e-12);
    assert_ne!(of(Aim::Attackers, "n0").verdict, Verdict::Pays);
    let report = of(Aim::FalseReport, "n3");
    assert_eq!(report.attack.kind, Kind::LatencyMisreport { factor: 0.1 });
    assert!((report.gain.expect("paid").mean - 1.0).abs() < 1e-12);
    // A finding for each of five evaluators, and two for each of four inference nodes; false reports never are the
    // largest.
    assert_eq!(found.len(), 13);
    let most = largest(&found).expect("findings");
    assert_eq!((most.aim, most.gain), (Aim::Attackers, slowest.gain));
    let reports: Vec<Finding> = found.iter().filter(|finding| finding.aim == Aim::FalseReport).cloned().collect();
    assert_eq!(largest(&reports), None);
}

#[test]
fn the_best_is_confirmed_at_all_rounds_on_fresh_seeds() {
    let dataset = dataset();
    let base = scenario(json!({}));
    let (found, stages) = attacks(&dataset, &base, 2);
    let names: Vec<Stage> = stages.iter().map(|(stage, _)| *stage).collect();
    assert_eq!(names, [Stage::Screening, Stage::Refining, Stage::Refining, Stage::Confirming]);
    for (stage, scenarios) in &stages {
        for scenario in scenarios {
            scenario.check().expect("valid");
            let is_fresh = scenario.seed != base.seed;
            assert_eq!(
                (is_fresh, scenario.rounds),
                if *stage == Stage::Confirming { (true, 300) } else { (false, 150) }
            );
        }
    }
    // The base, the best attack and the best cabal under each of three seeds.
    let confirmed = &stages[3].1;
    assert_eq!(confirmed.len(), 9);
    assert!(confirmed[0].seed != confirmed[3].seed && confirmed[3].seed != confirmed[6].seed);

    for (place, finding) in (1..).zip(&found) {
        assert_eq!(finding.scenario, confirmed[place]);
        // Over both attackers, each as often as it is paid.
        let gains: Vec<f64> = [place, place + 3, place + 6]
            .map(|run| {
                let report = report(&dataset, &confirmed[run]);
                let paid =
                    |id: &str| report.evaluator_nodes.iter().find(|node| node.id == id).expect("a node").rounds as f64;
                let total: f64 = report.attackers.iter().map(|attacker| paid(&attacker.id)).sum();
                let gain =
                    report.attackers.iter().map(|attacker| paid(&attacker.id) * attacker.gain_mean.expect("paid"));
                gain.sum::<f64>() / total
            })
            .to_vec();
        let centre = mean(gains.iter().copied());
        let sd = (gains.iter().map(|gain| (gain - centre).powi(2)).sum::<f64>() / 2.0).sqrt();
        let interval = stats::mean_interval(centre, sd, 3).expect("an interval");
        let got = finding.gain.expect("paid");
        assert!((got.mean - centre).abs() < 1e-12 && (got.ci95_monte_carlo[0] - interval[0]).abs() < 1e-9, "{got:?}");
    }
}

#[test]
fn attackers_are_those_that_a_share_would_draw() {
    let dataset = dataset();
    let base =
        scenario(json!({"attacks": [{"nodes": ["e2"], "kind": "noise"}, {"nodes": {"share": 0.2}, "kind": "boost"}]}));
    let mut drawn = base.clone();
    drawn.attacks.push(serde_json::from_value(json!({"nodes": {"share": 0.4}, "kind": "copycat"})).expect("an attack"));
    let report = report(&dataset, &drawn);
    let drawn: Vec<String> =
        report.attackers.into_iter().filter(|attacker| attacker.attack == 2).map(|attacker| attacker.id).collect();
    let search = Search::attacks(base.clone(), &dataset, 2, SETTINGS).expect("a search");
    assert_eq!(search, Search::attacks(base.clone(), &dataset, 2, SETTINGS).expect("a search"));
    // The base first, without an attack of the search.
    assert_eq!(search.scenario(0).attacks, base.attacks);
    for run in 1..search.runs() {
        let attacks = search.scenario(run).attacks;
        assert_eq!((attacks.len(), &attacks[..2]), (3, &base.attacks[..]));
        assert_eq!(attacks[2].nodes, Attackers::Named(drawn.clone()));
    }
    let (found, stages) = finish(&dataset, search.clone());
    assert_eq!((found, stages), finish(&dataset, search));
}

#[test]
fn searches_that_cannot_be_are_refused() {
    let dataset = dataset();
    let refused = |patch: Value, budget: u32, settings: Settings| -> ScenarioError {
        Search::attacks(scenario(patch), &dataset, budget, settings).expect_err("must be refused")
    };
    for (budget, words) in [(0, "0 of 5 evaluators; allowed: 1 to 5"), (6, "6 of 5 evaluators; allowed: 1 to 5")] {
        let error = refused(json!({}), budget, SETTINGS);
        assert!(error.path == "budget" && error.message.contains(words), "{error}");
    }
    let taken = json!({"attacks": [{"nodes": {"share": 0.4}, "kind": "boost"}]});
    let error = refused(taken, 4, SETTINGS);
    assert!(error.path == "budget" && error.message.contains("allowed: 1 to 3"), "{error}");
    assert_eq!(refused(json!({}), 1, Settings { replicates: 1, ..SETTINGS }).path, "replicates");
    assert_eq!(refused(json!({}), 1, Settings { screening_rounds: 0, ..SETTINGS }).path, "screening_rounds");
    let full = json!({"attacks": vec![json!({"nodes": {"share": 0}, "kind": "boost"}); 16]});
    assert_eq!(refused(full.clone(), 1, SETTINGS).path, "attacks");
    assert_eq!(Search::deviations(scenario(full), &dataset, SETTINGS).expect_err("must be refused").path, "attacks");
}

/// Presets, and large networks, in which one node stands for its like.
#[test]
fn every_scenario_of_a_search_is_valid() {
    let dataset = dataset();
    let valid = |search: &Search| (0..search.runs()).for_each(|run| search.scenario(run).check().expect("valid"));
    for preset in PRESETS {
        let base = scenario(json!({"preset": preset.name}));
        let made = preset.dataset.map(Made::make);
        let dataset = made.as_ref().unwrap_or(&dataset);
        let search = Search::attacks(base.clone(), dataset, 1, SETTINGS).expect("a search");
        // The base, 22 attacks on scores, and cabals of 5 strengths for each node.
        assert_eq!(search.runs(), 23 + 5 * dataset.inference_nodes());
        valid(&search);
        valid(&Search::deviations(base, dataset, SETTINGS).expect("a search"));
    }
    let groups =
        json!([{"model": "e0", "count": 40}, {"model": "e1", "count": 30}, {"model": "e1", "count": 1, "stake": 2}]);
    let large = scenario(json!({"network": {"evaluators": groups}}));
    let search = Search::deviations(large, &dataset, SETTINGS).expect("a search");
    // Three evaluators; four inference nodes with three others each, and four false reports.
    assert_eq!(search.runs(), 3 * 22 + 4 * 3 + 4 * 4);
    valid(&search);
}
