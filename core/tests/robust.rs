//! The study of arXiv 2601.21189: on datasets whose evaluators are made so that the outcome is known, beside plain runs
//! of the same scenarios, and on the fitted and the shipped dataset.

use std::sync::LazyLock;

use crate::common::{self, Files};
use poq_core::dataset::{JUDGE, TaskKind};
use poq_core::paper::robust::{Cell, KS, Measured, RULES, SEEDS, SHARES, Study, preset_patch};
use poq_core::paper::{self, Basis, Finding, Verdict};
use poq_core::{Dataset, Report, Scenario, Simulation, simulate};
use serde_json::{Value, json};

/// Runs of one seed.
const OF_A_SEED: usize = KS.len() * (1 + 4 * SHARES.len());

/// A dataset in which the evaluators' raw values are what `raw` makes of truth in `[0, 1]`, evaluator and kind of task.
fn dataset(evaluators: usize, raw: impl Fn(f64, usize, TaskKind) -> f64) -> Dataset {
    let mut files = Files::made_up(40, 3, evaluators);
    let plain = files.read().expect("valid");
    let mut scores = Vec::new();
    for (index, line) in files.scores.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
        let (answer, evaluator) = (index / evaluators, index % evaluators);
        let (task, node) = (answer / 3, answer % 3);
        let mut row: Value = serde_json::from_slice(line).expect("a row");
        row["raw"] = json!(raw(plain.truth(task, node) / 10.0, evaluator, plain.tasks[task].kind));
        row["latency_ms"] = json!(10);
        scores.extend_from_slice(row.to_string().as_bytes());
        scores.push(b'\n');
    }
    files.scores = scores;
    files.seal();
    files.read().expect("valid")
}

pub fn shipped() -> &'static Dataset {
    static DATASET: LazyLock<Dataset> = LazyLock::new(|| common::shipped().read().expect("valid"));
    &DATASET
}

/// The runs of so many seeds.
fn runs(study: &Study, dataset: &Dataset, seeds: usize) -> Vec<Measured> {
    (0..seeds * OF_A_SEED).map(|run| study.run(dataset, run).expect("fits")).collect()
}

fn verdicts(finding: &Finding) -> Vec<Verdict> {
    finding.parts.iter().map(|part| part.verdict).collect()
}

fn cell<'a>(cells: &'a [Cell], k: u32, attack: Option<&str>, share: f64, rule: &str) -> &'a Cell {
    let is_it = |cell: &&Cell| {
        cell.evaluators_per_round == k && cell.attack.as_deref() == attack && cell.share == share && cell.rule == rule
    };
    cells.iter().find(is_it).expect("a cell")
}

#[track_caller]
fn close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{what}: {got} is not {want}");
}

/// A single evaluator that gives the truth, in thirty instances with noise of sd 0.3: scores are independent and normal
/// around truth, but for the ends of the scale.
#[test]
fn evaluators_that_know_the_truth() {
    let dataset = dataset(1, |truth, _, _| truth);
    let study = Study::new(&dataset, 3, 1500).expect("fits");
    let measured = runs(&study, &dataset, 3);
    let cells = study.cells(&measured);
    let truths: Vec<f64> = (0..40)
        .flat_map(|task| (0..3).map(move |node| (task, node)))
        .map(|(task, node)| dataset.truth(task, node))
        .collect();
    let mean = |value: &dyn Fn(f64) -> f64| truths.iter().map(|&truth| value(truth)).sum::<f64>() / truths.len() as f64;

    // A boost of 3 moves the mean by the share of attackers among the drawn, times what the scale leaves of 3.
    let boost = mean(&|truth| (10.0 - truth).min(3.0));
    let sabotage = mean(&|truth| truth.min(3.0));
    for k in KS {
        for share in SHARES {
            for (attack, by) in [("boost", boost), ("sabotage", sabotage), ("intermittent boost", 0.5 * boost)] {
                let of = |rule| cell(&cells, k, Some(attack), share, rule);
                close(&format!("{attack} {share} {k}"), of("mean").moved.mean, share * by, 0.06);
                // Honest scores are at the truth, so that what moves the consensus takes it away from there.
                close("away", of("mean").truth_distance.mean, share * by, 0.2);
            }
            // Noise of sd 3 has no direction: it goes against itself where several inject it.
            let noise = cell(&cells, k, Some("noise"), share, "mean").moved.mean;
            assert!(noise < share * 3.0 * 0.8, "{noise}");
        }
    }
    // One of nine in three that boosts: the median takes the next honest score. Half of nine and more do so rarely.
    let of = |rule| cell(&cells, 9, Some("boost"), 0.1, rule);
    assert!(of("median").moved.mean < 0.06 && of("median").truth_distance.mean < 0.15, "{:?}", of("median"));
    assert!(of("trimmed_mean").moved.mean < 0.15, "{:?}", of("trimmed_mean"));
    assert!(of("median").pearson_truth.expect("varies").mean > of("mean").pearson_truth.expect("varies").mean + 0.003);
    // Two of three that boost take the median with them; a single one, of 30 nodes, hardly moves it.
    for (share, attackers) in SHARES.into_iter().zip([3.0, 6.0, 9.0, 12.0]) {
        let honest = 30.0 - attackers;
        let sets = 30.0 * 29.0 * 28.0 / 6.0;
        let two = attackers * (attackers - 1.0) / 2.0 * honest;
        let three = attackers * (attackers - 1.0) * (attackers - 2.0) / 6.0;
        let moved = cell(&cells, 3, Some("boost"), share, "median").moved.mean;
        let least = boost * (two + three) / sets;
        assert!((least - 0.06..least + 0.2).contains(&moved), "{share}: {moved}, {least}");
    }
    // With K = 3, the trimmed mean is the median.
    let of = |rule| cell(&cells, 3, Some("sabotage"), 0.4, rule).moved;
    assert_eq!(of("median"), of("trimmed_mean"));

    let [closer, moved, by_kind, larger_k, drift] = study.findings(&dataset, &measured);
    use Verdict::{Fails, Holds};
    assert_eq!(verdicts(&closer)[..3], [Holds, Holds, Fails], "{:?}", closer.parts);
    assert_eq!(verdicts(&moved), [Holds, Holds, Fails]);
    assert_eq!(verdicts(&by_kind), [Fails, Fails], "a correlation of 1 on both kinds");
    close("correlation", by_kind.parts[1].value.expect("varies"), 1.0, 1e-12);
    assert_eq!(drift.verdict, Holds, "{:?}", drift.parts);

    // s - c is normal with sd 0.3 sqrt(1 - 1 / K), so that |s - c| has mean and sd of these times sqrt(2 / pi) and
    // sqrt(1 - 2 / pi); nobody costs more than another.
    for k in KS {
        let honest = cell(&cells, k, None, 0.0, "mean");
        let (two_by_pi, sd) = (2.0 / std::f64::consts::PI, 0.03 * (1.0 - 1.0 / f64::from(k)).sqrt());
        close("mean", honest.evaluator_reward_mean.mean, 1.0 - sd * two_by_pi.sqrt(), 0.0006);
        close("sd", honest.evaluator_reward_sd.mean, sd * (1.0 - two_by_pi).sqrt(), 0.0006);
    }
    assert_eq!(verdicts(&larger_k)[..2], [Holds; 2], "{:?}", larger_k.parts);
    let slope = larger_k.parts[0].value.expect("measured");
    // By the same formula at K = 3, 5, 7 and 9, the least-squares slope by hand: weights -3, -1, 1, 3 by 20.
    let at = |k: f64| 0.03 * (1.0 - 1.0 / k).sqrt() * (2.0 / std::f64::consts::PI).sqrt();
    let want = (-3.0 * at(3.0) - at(5.0) + at(7.0) + 3.0 * at(9.0)) / 20.0;
    close("slope", slope, want, 0.0001);
}

#[test]
fn an_evaluator_that_is_wrong_on_summaries_is_found() {
    let dataset =
        dataset(
            2,
            |truth, evaluator, kind| {
                if evaluator == 1 && kind == TaskKind::Summarization { 1.0 - truth } else { 0.5 * truth + 0.2 }
            },
        );
    let study = Study::new(&dataset, 3, 100).expect("fits");
    let [.., by_kind, _, _] = study.findings(&dataset, &runs(&study, &dataset, 1));
    assert_eq!(verdicts(&by_kind), [Verdict::Holds; 2]);
    close("difference", by_kind.parts[0].value.expect("varies"), 2.0, 1e-12);
    close("inverted", by_kind.parts[1].value.expect("varies"), -1.0, 1e-12);
    assert!(by_kind.parts[1].what.contains("e1 on summaries (-1.00)"), "{:?}", by_kind.parts);
    let want = "Of 4 correlations with truth, corrected (Holm) for these alone, surely above 0: 3; surely below 0, \
                which is inverted: 1 (e1 on summaries (-1.00)); unclear: 0.";
    assert_eq!(by_kind.tensions, [want]);
}

/// The correlations by kind are those of a report's audit.
#[test]
fn correlations_by_kind_are_those_of_the_audit() {
    let dataset = shipped();
    let study = Study::new(dataset, 42, 100).expect("fits");
    let [.., by_kind, _, _] = study.findings(dataset, &[]);
    let report = simulate(dataset, &Scenario::default(), 42, 10).expect("fits");
    let pearsons: Vec<[f64; 2]> = report
        .evaluator_audit
        .iter()
        .map(|audit| [0, 1].map(|kind: usize| audit.by_task_kind[kind].pearson_truth.expect("varies")))
        .collect();
    let widest = pearsons.iter().map(|[a, b]| (a - b).abs()).fold(0.0, f64::max);
    let lowest = pearsons.iter().flatten().copied().fold(1.0, f64::min);
    close("widest", by_kind.parts[0].value.expect("varies"), widest, 1e-12);
    close("lowest", by_kind.parts[1].value.expect("varies"), lowest, 1e-12);
}

/// Over all payments to evaluators.
fn paid_mean(report: &Report) -> f64 {
    let (sum, count) = report.evaluator_nodes.iter().fold((0.0, 0.0), |(sum, count), node| {
        let rounds = node.rounds as f64;
        (sum + rounds * node.reward_mean.unwrap_or(0.0), count + rounds)
    });
    sum / count
}

/// Each rule's figures are those of a plain run of the scenario under that rule.
#[test]
fn a_run_has_the_figures_of_each_rule_on_its_own() {
    let dataset = shipped();
    let study = Study::new(dataset, 9, 600).expect("fits");
    for run in [0, 3, 12, OF_A_SEED / 2 + 9, OF_A_SEED - 1, OF_A_SEED + 20] {
        let scenario = study.scenario(run).expect("a run");
        let measured = study.run(dataset, run).expect("fits");
        for (rule, of_rule) in RULES.into_iter().zip(&measured.rules) {
            let scenario = scenario.with("consensus.rule", rule).expect("a rule");
            let report = simulate(dataset, &scenario, scenario.seed, scenario.rounds).expect("fits");
            close("evaluators", of_rule.evaluator_reward_mean, paid_mean(&report), 1e-9);
            let pearson = report.mechanism.pearson_consensus_truth.expect("varies");
            close("pearson", of_rule.pearson_truth.expect("varies"), pearson, 1e-9);
            let paid = report.inference_nodes.iter().map(|node| node.reward_mean.unwrap_or(0.0) * node.rounds as f64);
            close("inference", of_rule.inference_reward_mean, paid.sum::<f64>() / 600.0, 1e-9);
            let variance =
                report.evaluator_nodes.iter().map(|node| node.reward_sd.map_or(0.0, |sd| sd * sd * node.rounds as f64));
            let payments = 600.0 * f64::from(scenario.evaluators_per_round);
            close("sd", of_rule.evaluator_reward_sd, (variance.sum::<f64>() / payments).sqrt(), 1e-9);
            if rule == "trust_weighted" {
                for (attacks, weights) in [(false, measured.honest_weights), (true, measured.attackers_weights)] {
                    let nodes = report
                        .evaluator_nodes
                        .iter()
                        .filter(|node| node.attack.is_some() == attacks && node.rounds > 0);
                    let ends: Vec<(f64, f64)> = nodes
                        .map(|node| (node.weight.expect("trust") / 2.0, node.quality_mean.expect("paid")))
                        .collect();
                    let mean = ends.iter().map(|end| end.0).sum::<f64>() / ends.len() as f64;
                    assert_eq!(weights.mean.is_some(), !ends.is_empty());
                    close("weight", weights.mean.unwrap_or(0.0), if ends.is_empty() { 0.0 } else { mean }, 1e-9);
                    let below: Vec<f64> = ends.iter().filter(|end| end.1 > 5.0).map(|end| end.0).collect();
                    let top = below.iter().filter(|&&weight| weight >= 0.99).count() as f64 / below.len() as f64;
                    close("top", weights.at_top.unwrap_or(0.0), if below.is_empty() { 0.0 } else { top }, 1e-9);
                }
            }
        }
        assert_eq!(measured.rules[0].moved == 0.0, scenario.attacks.is_empty());
    }
}

#[test]
fn every_scenario_of_the_study_can_be() {
    for dataset in [&paper::dataset(), shipped(), &dataset(7, |truth, _, _| truth)] {
        let study = Study::new(dataset, 1, 2000).expect("fits");
        assert_eq!(study.runs(), OF_A_SEED * SEEDS as usize);
        let mut seen = std::collections::BTreeSet::new();
        for run in 0..study.runs() {
            let scenario = study.scenario(run).expect("a run");
            scenario.check().expect("within bounds");
            let pool: u32 = scenario.network.evaluators.iter().map(|group| group.count).sum();
            let models = dataset.manifest.evaluators.iter().filter(|entry| entry.kind != JUDGE).count();
            assert!((30..30 + models as u32).contains(&pool) && scenario.network.evaluators.len() == models, "{pool}");
            assert!(seen.insert(scenario.patch().to_string()), "each is another");
        }
    }
}

#[test]
fn it_repeats_and_a_part_of_it_is_a_smaller_study() {
    let dataset = dataset(2, |truth, evaluator, _| truth * [1.0, 0.5][evaluator]);
    let study = Study::new(&dataset, 5, 100).expect("fits");
    let measured = runs(&study, &dataset, 2);
    let again = Study::new(&dataset, 5, 100).expect("fits");
    assert_eq!(again, study);
    assert_eq!(again.run(&dataset, OF_A_SEED + 7), Ok(measured[OF_A_SEED + 7].clone()));
    let text = serde_json::to_string(&measured).expect("JSON");
    assert_eq!(serde_json::from_str::<Vec<Measured>>(&text).expect("measured"), measured);

    // The seed that is not done does not count; one seed has no interval.
    let findings = study.findings(&dataset, &measured[..OF_A_SEED + 7]);
    assert_eq!(findings, study.findings(&dataset, &measured[..OF_A_SEED]));
    assert!([0, 1, 3, 4].iter().all(|&claim: &usize| findings[claim].verdict == Verdict::CannotTell), "{findings:?}");
    assert!(findings[0].parts[0].value.is_some() && findings[0].parts[0].ci95.is_none());
    assert!(study.findings(&dataset, &measured)[1].parts[0].ci95.is_some());
    assert_eq!(study.cells(&measured[..OF_A_SEED]).len(), OF_A_SEED * RULES.len());

    let none = study.findings(&dataset, &measured[..7]);
    assert_eq!([none[0].verdict, none[1].verdict, none[3].verdict, none[4].verdict], [Verdict::NotApplicable; 4]);
    assert!(study.cells(&measured[..7]).is_empty());
    let of_another = study.findings(shipped(), &measured);
    assert!(of_another.iter().all(|finding| finding.verdict == Verdict::NotApplicable), "{of_another:?}");
}

#[test]
fn what_cannot_be_is_refused() {
    let dataset = shipped();
    let path = |seed, rounds| Study::new(dataset, seed, rounds).expect_err("must be refused").path;
    assert_eq!(path(1, 99), "rounds");
    assert_eq!(path(1, 1_000_001), "rounds");
    assert_eq!(path(9_007_199_254_740_991 - 8, 100), "seed");
    assert_eq!(path(u64::MAX, 100), "seed");
    let study = Study::new(dataset, 9_007_199_254_740_991 - 9, 100).expect("the last seeds");
    assert!(study.run(dataset, study.runs() - 1).is_ok());
    let error = study.run(dataset, study.runs()).expect_err("no such run").to_string();
    assert!(error.contains("`run`: there is no run 680; allowed: 0 to 679"), "{error}");
    let other = paper::dataset();
    assert_eq!(study.run(&other, 0).expect_err("other evaluators").path, "network.evaluators.0.model");
}

/// Under several seeds these are the verdicts on the fitted dataset; fewer rounds and seeds than the whole study has
/// suffice.
#[test]
fn on_the_fitted_dataset() {
    use Verdict::{CannotTell, Fails, Holds, PutIn};
    let dataset = paper::dataset();
    let study = Study::new(&dataset, 42, 1000).expect("fits");
    let [closer, moved, by_kind, larger_k, drift] = study.findings(&dataset, &runs(&study, &dataset, 5));
    // How far scores are from truth was fitted to rewards or chosen, so that it decides nothing: the mean does better
    // here.
    assert_eq!(closer.words(), "It cannot be told.");
    assert!(closer.parts.iter().all(|part| part.verdict == CannotTell && part.basis == Basis::Chosen), "{closer:?}");
    assert!(closer.parts[3..5].iter().all(|part| part.value.is_some_and(|lead| lead < -0.01)), "{closer:?}");
    assert!(
        closer.tensions.iter().any(|tension| tension.contains("than the median under") && tension.contains("sabotage"))
    );
    assert_eq!(verdicts(&moved), [Holds, Holds, Fails], "{:?}", moved.parts);
    assert_eq!(moved.words(), "It does not hold as a whole; 2 of its 3 parts hold.");
    assert_eq!(verdicts(&by_kind), [CannotTell, PutIn]);
    let why = by_kind.parts[0].why.as_deref();
    assert!(why.is_some_and(|why| why.contains("by construction")), "{by_kind:?}");
    assert_eq!(verdicts(&larger_k)[..2], [Holds; 2], "{:?}", larger_k.parts);
    assert_eq!(drift.verdict, Holds, "{:?}", drift.parts);
}

#[test]
fn on_the_shipped_dataset() {
    let dataset = shipped();
    let study = Study::new(dataset, 42, 500).expect("fits");
    let measured = runs(&study, dataset, 3);
    let findings = study.findings(dataset, &measured);
    for finding in &findings {
        assert_ne!(finding.verdict, Verdict::NotApplicable, "{finding:?}");
        for part in &finding.parts {
            let (value, [low, high]) = (part.value.expect("measured"), part.ci95.expect("three seeds"));
            assert!(low <= value && value <= high, "{part:?}");
        }
    }
    // Its prompt evaluator tracks truth on summaries and hardly on questions.
    assert_eq!(findings[2].parts[0].verdict, Verdict::Holds);
    assert!(findings[2].parts[0].what.contains("minilm-prompt on summaries"), "{:?}", findings[2].parts);
}

#[test]
fn the_preset_is_a_scenario_of_the_fitted_dataset() {
    let scenario = Scenario::from_patch(&preset_patch()).expect("valid");
    let report = simulate(&paper::dataset(), &scenario, 42, 3000).expect("fits");
    assert_eq!(report.evaluator_nodes.len(), 30);
    assert_eq!(report.evaluator_nodes.iter().filter(|node| node.attack.is_some()).count(), 9);
    // Attackers keep the weight of all others.
    assert!(report.evaluator_nodes.iter().all(|node| node.weight.expect("trust") > 1.95));
    assert!(report.attackers.iter().all(|attacker| attacker.kind == "intermittent boost"));
    // Three in ten add 3 points every other time: 0.45 points of ten. The K = 5 drawn weigh alike at the end.
    let honest = Scenario { attacks: Vec::new(), ..scenario };
    let honest = simulate(&paper::dataset(), &honest, 42, 3000).expect("fits");
    let mean = |report: &Report| {
        report.inference_nodes.iter().map(|node| node.reward_mean.expect("paid") * node.rounds as f64).sum::<f64>()
            / 3000.0
    };
    close("the boost", mean(&report) - mean(&honest), 0.045, 0.004);
}

/// The share of deviations of a run that reach half the scale, and each evaluator's weight at its end.
fn drift(preset: &str) -> (f64, Vec<f64>) {
    let dataset = shipped();
    let scenario = Scenario::preset(preset).expect("a preset");
    let mut run = Simulation::new(dataset, &scenario).expect("fits");
    let (mut far, mut all) = (0.0, 0.0);
    for _ in 0..scenario.rounds {
        for answer in run.open_next() {
            all += answer.scores.len() as f64;
            far += answer.scores.iter().filter(|given| (given.score - answer.consensus).abs() >= 5.0).count() as f64;
        }
    }
    let report = simulate(dataset, &scenario, scenario.seed, scenario.rounds).expect("fits");
    (far / all, report.evaluator_nodes.iter().map(|node| node.weight.expect("trust")).collect())
}

/// What the words of both presets say: few deviations reach half the scale, but some do.
#[test]
fn the_drift_presets_do_what_their_words_say() {
    let (far, weights) = drift("drift-under-clip");
    assert!((0.02..0.05).contains(&far), "{far}");
    assert!(weights.iter().all(|&weight| weight > 0.99 * 2.0), "{weights:?}");
    let (_, weights) = drift("drift-under-ema");
    assert!(weights.iter().all(|&weight| weight < 0.9), "{weights:?}");
}

/// What the glossary says of the clipping: a booster of five may lift the consensus by more than it lifts a mean, but
/// on no answer above the highest honest score.
#[test]
fn a_minority_of_stake_lifts_the_clipped_mean_to_the_others_scores() {
    let dataset = shipped();
    let scenario = |rule: &str, attacks: Value| {
        let patch = json!({"evaluators_per_round": 5, "consensus": {"rule": rule}, "attacks": attacks});
        Scenario::from_patch(&patch).expect("valid")
    };
    let boost = json!([{"nodes": ["chrf"], "kind": "boost", "by": 3}]);
    let mean = |scenario: &Scenario| {
        let mut run = Simulation::new(dataset, scenario).expect("fits");
        let (mut sum, mut count) = (0.0, 0.0);
        for _ in 0..scenario.rounds {
            for answer in run.open_next() {
                let chrf = dataset.manifest.evaluators.iter().position(|entry| entry.id == "chrf").expect("is there");
                let others = answer.scores.iter().filter(|given| given.evaluator != chrf);
                let highest = others.map(|given| given.score).fold(0.0, f64::max);
                if scenario.consensus.name() == "yuma" {
                    assert!(answer.consensus <= highest + 1e-9, "{answer:?}");
                }
                sum += answer.consensus;
                count += 1.0;
            }
        }
        sum / count
    };
    let lift = |rule: &str| mean(&scenario(rule, boost.clone())) - mean(&scenario(rule, json!([])));
    let (yuma, plain) = (lift("yuma"), lift("mean"));
    close("yuma", yuma, 0.82, 0.02);
    close("mean", plain, 0.60, 0.02);
}
