//! Searches whose result is known: what the best attack is, what it gains, and that this is measured on seeds that
//! the search has not seen.

use crate::common::{Files, of_preset};
use crate::robust::shipped;
use poq_core::attack::{Attack, Attackers, Kind, Role};
use poq_core::preset::PRESETS;
use poq_core::scenario::ScenarioError;
use poq_core::search::{
    Aim, Equilibrium, Finding, Search, Settings, Stage, Verdict, equilibrium, largest, words_of_scopes,
};
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

/// One copycat among three gives the mean of the two others, and so the consensus of all three, for nothing: no
/// attack earns more than `alpha`, and it does.
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
    assert!(names[0] == "copycat" && names.len() == 5, "{names:?}");
    assert!(best.tried.windows(2).all(|pair| pair[0].compared >= pair[1].compared), "{:?}", best.tried);
    // Each of five evaluators in 22 ways, and then some near the best.
    let scope = &best.scope;
    assert_eq!((scope.nodes, &scope.sizes[..], scope.sets, scope.sets_possible), (5, &[1][..], 5, 5));
    assert_eq!(scope.kinds, ["boost", "sabotage", "noise", "copycat", "lazy_constant"]);
    assert!(scope.attacks > 5 * 22 && scope.strengths > 22, "{scope:?}");
    let words = words_of_scopes(&found);
    assert!(words.len() == 2 && words[0].contains("all 5 sets of attackers, 1 of 5 nodes"), "{words:?}");
}

/// A single score is the consensus: whatever the score, its giver is paid the same; only what time costs can be
/// saved.
#[test]
fn who_scores_alone_gains_nothing_but_time() {
    let dataset = dataset();
    let alone = |beta: u32| scenario(json!({"evaluators_per_round": 1, "reward": {"beta_evaluator": beta}}));
    let (found, _) = attacks(&dataset, &alone(0), 2);
    let gain = found[0].gain.expect("paid");
    assert_eq!((gain.mean, gain.ci95_monte_carlo, found[0].verdict), (0.0, [0.0, 0.0], Verdict::Nothing));
    assert!(found[0].tried.iter().all(|tried| tried.value == Some(0.0)));

    let base = alone(2);
    let costs = report(&dataset, &base).evaluator_nodes;
    let found = deviations(&dataset, &base);
    for (node, finding) in costs.iter().zip(&found) {
        assert_eq!(finding.attack.nodes, Attackers::Named(vec![node.id.clone()]));
        let gain = finding.gain.expect("paid");
        assert!((gain.mean - 2.0 * node.cost).abs() < 1e-12, "{} {gain:?}", node.id);
        assert_eq!(finding.verdict, if node.cost > 0.0 { Verdict::Pays } else { Verdict::Nothing });
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

/// With time alone paid for, the slowest node does best to give the quickest one's answers, and the quickest cannot
/// do better.
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
    // A finding for each of five evaluators, and two for each of four inference nodes.
    assert_eq!(found.len(), 13);
    assert!((largest(&found).and_then(Finding::aimed_at).expect("a gain").mean - 1.0).abs() < 1e-12);
    let words = words_of_scopes(&found);
    assert!(
        words.len() == 3 && words[0].contains("5 nodes, each alone") && words[2].contains("misreport"),
        "{words:?}"
    );
    // The quickest node has no way to cost less, and every other one has, by false answers or a false report.
    let inference: Vec<Finding> =
        found.iter().filter(|finding| finding.attack.kind.role() == Role::Inference).cloned().collect();
    assert_eq!(equilibrium(&inference), Some(Equilibrium::Broken { nodes: 3 }));
    let reports: Vec<Finding> = found.into_iter().filter(|finding| finding.aim == Aim::FalseReport).collect();
    assert_eq!(equilibrium(&reports), Some(Equilibrium::Broken { nodes: 3 }));
}

/// Time alone is paid for, and both inference nodes are the quickest there is: they lose by other answers, and nobody
/// gains.
#[test]
fn honesty_is_an_equilibrium_only_where_that_is_shown() {
    let dataset = dataset();
    let time_alone = json!({"alpha_inference": 0, "beta_inference": 1, "alpha_evaluator": 0, "beta_evaluator": 0});
    let quickest = json!({"inference": [{"model": "n0", "count": 2}]});
    let held = deviations(&dataset, &scenario(json!({"reward": time_alone, "network": quickest})));
    for finding in &held {
        let downgrades = matches!(finding.attack.kind, Kind::Downgrade { .. });
        assert_eq!(finding.verdict, if downgrades { Verdict::Costs } else { Verdict::Nothing }, "{finding:?}");
    }
    assert_eq!(equilibrium(&held), Some(Equilibrium::Held));
    // A false report alone breaks it.
    let slower = json!({"inference": [{"model": "n0"}, {"model": "n0", "latency_factor": 3}]});
    let slow = scenario(json!({"reward": time_alone, "network": slower}));
    let found = deviations(&dataset, &slow);
    let paying: Vec<Aim> =
        found.iter().filter(|finding| finding.verdict == Verdict::Pays).map(|finding| finding.aim).collect();
    assert_eq!(paying, [Aim::FalseReport]);
    assert_eq!(equilibrium(&found), Some(Equilibrium::Broken { nodes: 1 }));
    // What cannot be told is not taken for shown.
    let mut open = held;
    open[0].verdict = Verdict::NotShown;
    assert_eq!(equilibrium(&open), Some(Equilibrium::Open { nodes: 1 }));
    assert_eq!(equilibrium(&[]), None);
}

#[test]
fn the_best_is_confirmed_at_all_rounds_on_fresh_seeds() {
    let dataset = dataset();
    let base = scenario(json!({}));
    let (found, stages) = attacks(&dataset, &base, 2);
    let names: Vec<Stage> = stages.iter().map(|(stage, _)| *stage).collect();
    assert_eq!(names, [Stage::Screening, Stage::Refining, Stage::Refining, Stage::Comparing, Stage::Confirming]);
    for (stage, scenarios) in &stages {
        for scenario in scenarios {
            scenario.check().expect("valid");
            let is_fresh = scenario.seed != base.seed;
            let is_full = matches!(stage, Stage::Comparing | Stage::Confirming);
            assert_eq!((is_fresh, scenario.rounds), if is_full { (true, 300) } else { (false, 150) });
        }
    }
    // The base, and the best attack and the best cabal of one and of two under each of three seeds.
    let confirmed = &stages[4].1;
    assert!(stages[3].1.iter().all(|compared| confirmed.iter().all(|scenario| scenario.seed != compared.seed)));
    assert_eq!(confirmed.len(), 15);
    assert!(confirmed[0].seed != confirmed[5].seed && confirmed[5].seed != confirmed[10].seed);

    for finding in &found {
        let place = confirmed.iter().position(|scenario| *scenario == finding.scenario).expect("confirmed");
        assert!(place < 5, "{place}");
        // Over both attackers, each as often as it is paid.
        let gains: Vec<f64> = [place, place + 5, place + 10]
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

/// The gain of an attack for each payment of an attacker, from a report.
fn gain_of(dataset: &Dataset, base: &Scenario, attack: Attack) -> f64 {
    let mut attacked = base.clone();
    attacked.attacks.push(attack);
    let report = report(dataset, &attacked);
    let paid = |id: &str| report.evaluator_nodes.iter().find(|node| node.id == id).expect("a node").rounds as f64;
    let payments: f64 = report.attackers.iter().map(|attacker| paid(&attacker.id)).sum();
    let gains = report.attackers.iter().map(|attacker| paid(&attacker.id) * attacker.gain_mean.expect("paid"));
    gains.sum::<f64>() / payments
}

/// Every set of one or two of `ids`.
fn up_to_two(ids: &[&str]) -> Vec<Vec<String>> {
    let mut sets = Vec::new();
    for (place, one) in ids.iter().enumerate() {
        sets.push(vec![(*one).to_owned()]);
        sets.extend(ids[place + 1..].iter().map(|other| vec![(*one).to_owned(), (*other).to_owned()]));
    }
    sets
}

/// On the shipped dataset, by brute force over who and what: a search takes nothing for the best that is worse, and
/// on fresh seeds what it names gains as much as the best pair of copycats, or more.
#[test]
fn the_search_finds_what_brute_force_finds_on_the_shipped_dataset() {
    let dataset = shipped();
    let base = Scenario { rounds: 600, ..Scenario::default() };
    let settings = Settings { screening_rounds: 600, replicates: 4 };
    let (found, stages) = finish(dataset, Search::attacks(base.clone(), dataset, 2, settings).expect("a search"));

    let ids = ["minilm-reference", "minilm-prompt", "rouge-l", "chrf", "structure"];
    let mut best = f64::NEG_INFINITY;
    for set in up_to_two(&ids) {
        for kind in [
            json!({"kind": "copycat"}),
            json!({"kind": "boost", "by": 4}),
            json!({"kind": "sabotage", "by": 2}),
            json!({"kind": "sabotage", "by": 10}),
            json!({"kind": "noise", "sd": 2}),
            json!({"kind": "lazy_constant", "score": 4}),
            json!({"kind": "lazy_constant", "score": 2}),
        ] {
            let kind: Kind = serde_json::from_value(kind).expect("a kind");
            best = best.max(gain_of(dataset, &base, Attack { nodes: Attackers::Named(set.clone()), kind }));
        }
    }
    let tried = found[0].tried.iter().filter_map(|tried| tried.value).fold(f64::NEG_INFINITY, f64::max);
    assert!(tried >= best - 1e-12, "{tried} below {best}");

    let seeds: Vec<u64> = stages.last().expect("stages").1.iter().map(|scenario| scenario.seed).collect();
    let pair = Attackers::Named(vec!["minilm-prompt".to_owned(), "structure".to_owned()]);
    let copycats = Attack { nodes: pair, kind: Kind::Copycat { latency_factor: 0.0 } };
    let of_pair =
        mean(seeds.into_iter().map(|seed| gain_of(dataset, &Scenario { seed, ..base.clone() }, copycats.clone())));
    let gain = found[0].gain.expect("paid");
    let width = gain.ci95_monte_carlo[1] - gain.ci95_monte_carlo[0];
    assert!(of_pair > 0.45 && gain.mean > of_pair - width, "{gain:?} beside {of_pair}");
    assert_eq!(found[0].verdict, Verdict::Pays);
    // The best pair is told whether or not a single one gains more each time.
    let [single, both] = &found[0].by_size[..] else { panic!("{:?}", found[0].by_size) };
    assert_eq!((single.attackers, both.attackers), (1, 2));
    let gain_of_both = both.gain.expect("paid").mean;
    assert!(gain_of_both > of_pair - width, "{gain_of_both} beside {of_pair}");
    // Three of five evaluators are paid in a round: two of them 1.2 times.
    let together = both.gain_together.expect("a gain").mean;
    assert!((together - 1.2 * gain_of_both).abs() < 0.05, "{together} of {gain_of_both}");
    let scope = &found[0].scope;
    assert_eq!((&scope.sizes[..], scope.sets, scope.sets_possible), (&[1, 2][..], 15, 15));
}

/// Who scores alone is paid for nothing but time: the slowest evaluator saves most, and every other one that joins it
/// saves less. For a cabal it is the other way round: the more, the better.
#[test]
fn who_attacks_is_searched() {
    for evaluators in [5, 14] {
        let dataset = Files::made_up(12, 2, evaluators).read().expect("valid");
        let base = scenario(json!({"evaluators_per_round": 1, "reward": {"beta_evaluator": 2}}));
        let slowest = format!("e{}", evaluators - 1);
        for budget in [1, 3] {
            let (found, stages) = attacks(&dataset, &base, budget);
            assert_eq!(found[0].attack.nodes, Attackers::Named(vec![slowest.clone()]), "{budget} of {evaluators}");
            assert!((found[0].gain.expect("paid").mean - 2.0).abs() < 1e-12);
            // Whoever joins a cabal lifts its node when drawn, at no cost.
            let Attackers::Named(cabal) = &found[1].attack.nodes else { panic!("{:?}", found[1].attack) };
            assert_eq!(cabal.len(), budget as usize);
            // Of fourteen not all sets are tried.
            let grows = stages.iter().any(|(stage, _)| *stage == Stage::Exchanging);
            assert_eq!(grows, evaluators == 14 && budget > 1);
            let scope = &found[0].scope;
            assert_eq!(scope.sets < scope.sets_possible, grows, "{scope:?}");
            assert_eq!(words_of_scopes(&found)[0].contains("grown and exchanged"), grows, "{scope:?}");
        }
    }
}

/// What a search finds for a budget, it finds among all that smaller budgets try, and on the same seeds.
#[test]
fn a_larger_budget_finds_no_less() {
    for (evaluators, seeds) in [(4, [1, 2, 3]), (13, [4, 5, 6])] {
        let dataset = Files::made_up(6, 2, evaluators).read().expect("valid");
        for seed in seeds {
            let base = Scenario { seed, ..scenario(json!({"reward": {"beta_evaluator": 0.1}})) };
            let mut before: Option<Vec<Finding>> = None;
            for budget in 1..=3 {
                let (found, _) = attacks(&dataset, &base, budget);
                for (smaller, larger) in before.iter().flatten().zip(&found) {
                    let gain = |finding: &Finding| finding.aimed_at().expect("paid").mean;
                    let (less, more) = (gain(smaller), gain(larger));
                    assert!(more >= less, "{budget} of {evaluators}: {more} below {less}");
                    // Fewer than the budget are found as a smaller budget finds them.
                    assert_eq!(larger.by_size.len(), budget as usize);
                    let of_fewer = &larger.by_size[..budget as usize - 1];
                    assert!(of_fewer.iter().any(|of| of.attack == smaller.attack && of.gain == smaller.gain));
                }
                before = Some(found);
            }
        }
    }
}

#[test]
fn attackers_are_among_those_who_are_honest_and_others_stay_as_they_are() {
    let dataset = dataset();
    let base =
        scenario(json!({"attacks": [{"nodes": ["e2"], "kind": "noise"}, {"nodes": {"share": 0.2}, "kind": "boost"}]}));
    let taken: Vec<String> = report(&dataset, &base).attackers.into_iter().map(|attacker| attacker.id).collect();
    let search = Search::attacks(base.clone(), &dataset, 2, SETTINGS).expect("a search");
    assert_eq!(search, Search::attacks(base.clone(), &dataset, 2, SETTINGS).expect("a search"));
    let mut sets = Vec::new();
    for run in 1..search.runs() {
        let attacks = search.scenario(run).attacks;
        assert_eq!(attacks[..2], base.attacks);
        let Attackers::Named(nodes) = &attacks[2].nodes else { panic!("{attacks:?}") };
        assert!((1..=2).contains(&nodes.len()) && nodes.iter().all(|node| !taken.contains(node)), "{nodes:?}");
        sets.push(nodes.clone());
    }
    sets.sort_unstable();
    sets.dedup();
    // Three, and three pairs of them.
    assert_eq!(sets.len(), 6);
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

/// Presets, and networks in which one node stands for its like.
#[test]
fn every_scenario_of_a_search_is_valid() {
    let dataset = dataset();
    let valid = |search: &Search| (0..search.runs()).for_each(|run| search.scenario(run).check().expect("valid"));
    for preset in PRESETS {
        let base = scenario(json!({"preset": preset.name}));
        let dataset = of_preset(preset.name, &dataset);
        let search = Search::attacks(base.clone(), &dataset, 1, SETTINGS).expect("a search");
        // The base, and for each evaluator 22 attacks on scores, and cabals of 5 strengths for each node.
        let each = 22 + 5 * dataset.inference_nodes();
        assert!(search.runs() > each && (search.runs() - 1).is_multiple_of(each), "{}: {}", preset.name, search.runs());
        valid(&search);
        valid(&Search::deviations(base, &dataset, SETTINGS).expect("a search"));
    }
    let groups =
        json!([{"model": "e0", "count": 4}, {"model": "e1", "count": 3}, {"model": "e1", "count": 1, "stake": 2}]);
    let alike = scenario(json!({"network": {"evaluators": groups}}));
    let search = Search::deviations(alike.clone(), &dataset, SETTINGS).expect("a search");
    // Three evaluators; four inference nodes with three others each, and four false reports.
    assert_eq!(search.runs(), 3 * 22 + 4 * 3 + 4 * 4);
    valid(&search);
    let (found, _) = finish(&dataset, search);
    let alike_nodes: Vec<u32> = found.iter().take(4).map(|finding| finding.alike).collect();
    assert_eq!(alike_nodes, [4, 3, 1, 1]);
    // Two of four alike, one each of two sorts, and so on: five pairs of 28 differ in more than names.
    let search = Search::attacks(alike, &dataset, 2, SETTINGS).expect("a search");
    assert_eq!(search.runs(), 1 + (3 + 5) * (22 + 4 * 5));
    valid(&search);
}
