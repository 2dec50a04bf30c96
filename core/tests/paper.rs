//! The synthetic network fitted to the published figures of arXiv 2512.16317, against figures worked out plainly from
//! its rows; and the paper's claims on it and on datasets that are otherwise.

use std::sync::LazyLock;

use crate::common::Files;
use poq_core::dataset::TaskKind;
use poq_core::paper::{self, Basis, Figure, Number, Origin, Verdict};
use poq_core::{Dataset, Report, Scenario, Simulation, simulate};
use serde_json::{Map, json};

/// Made once: it takes a while without optimisation.
fn fitted() -> &'static Dataset {
    static DATASET: LazyLock<Dataset> = LazyLock::new(paper::dataset);
    &DATASET
}

fn run(dataset: &Dataset, seed: u64) -> Report {
    let scenario = Scenario::default();
    simulate(dataset, &scenario, seed, scenario.rounds).expect("fits the dataset")
}

fn verdicts(dataset: &Dataset, report: &Report) -> [Verdict; 3] {
    paper::findings(dataset, report).map(|finding| finding.verdict)
}

#[track_caller]
fn close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{what}: {got} is not {want}");
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// Every answer: task and node.
fn answers() -> impl Iterator<Item = (usize, usize)> {
    (0..400).flat_map(|task| (0..5).map(move |node| (task, node)))
}

/// By the textbook, in two passes.
fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let (mx, my) = (mean(x.iter().copied()), mean(y.iter().copied()));
    let sum = |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(x, y)| f(x - mx, y - my)).sum::<f64>();
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

#[test]
fn it_is_the_network_of_the_paper() {
    let dataset = fitted();
    assert_eq!(dataset.tasks.len(), 400);
    assert_eq!(dataset.tasks.iter().filter(|task| task.kind == TaskKind::Qa).count(), 200);
    let nodes: Vec<&str> = dataset.manifest.inference_nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(nodes, ["TinyLlama-1.1B", "Qwen2-1.5B", "Gemma-2-2B", "Llama-3.2-3B", "Phi-3-mini"]);
    let evaluators: Vec<(&str, &str)> =
        dataset.manifest.evaluators.iter().map(|entry| (entry.name.as_str(), entry.kind.as_str())).collect();
    assert_eq!(
        evaluators,
        [
            ("CE-MiniLM", "cross_encoder"),
            ("CE-DeBERTa", "cross_encoder"),
            ("STS-DistilRoBERTa", "bi_encoder"),
            ("GPT judge", "judge"),
        ]
    );
    let manifest = serde_json::to_string(&dataset.manifest).expect("JSON");
    assert!(manifest.contains("not the paper's data") && manifest.contains("latencies are synthetic"), "{manifest}");
}

/// Truth is what the words of an answer and of its reference say, and no score is at an end of the scale, where
/// clamping would have spoilt the fit.
#[test]
fn answers_are_made_up_words_and_scores_stay_within_the_scale() {
    let dataset = fitted();
    for (task, node) in answers() {
        let output = dataset.output(task, node);
        let shared = output.text.split(' ').filter(|word| word.starts_with('w')).count();
        assert_eq!(output.text.split(' ').count(), 20);
        close("truth", dataset.truth(task, node), shared as f64 / 2.0, 1e-9);
        for evaluator in 0..4 {
            let score = dataset.score(task, node, evaluator);
            assert!(score.raw > 0.0 && score.raw < 10.0 && score.latency_ms > 0.0, "{score:?}");
        }
    }
    assert_eq!(dataset.tasks[17].prompt, "Synthetic task 17: the words w0 to w19 are right");
}

/// A link names a dataset by its hash: whoever changes the synthetic network on purpose changes this too.
#[test]
fn the_same_bytes_each_time_and_on_every_machine() {
    let dataset = fitted();
    assert_eq!(*dataset, paper::dataset());
    assert_eq!(dataset.hash, "5c77a596ecc9f560bef12e94410806e1ae54e965a3c3e7a5565be7a37da018ca");
}

/// With K = 3 of three evaluators and the mean rule, the consensus on an answer is the mean of its scores: no run is
/// needed.
#[test]
fn the_rows_give_the_published_figures_without_a_run() {
    let dataset = fitted();
    let latency = |node: usize| mean((0..400).map(|task| dataset.output(task, node).latency_ms));
    let latencies: Vec<f64> = (0..5).map(latency).collect();
    let quickest = latencies.iter().copied().fold(f64::INFINITY, f64::min);
    let slowest = latencies.iter().copied().fold(0.0, f64::max);
    let reward = |node: usize| {
        let consensus = |task| mean((0..3).map(|evaluator| dataset.score(task, node, evaluator).raw));
        mean((0..400).map(consensus)) / 10.0 - 0.5 * (latencies[node] - quickest) / (slowest - quickest)
    };
    close("Llama-3.2-3B", reward(3), 0.62, 1e-4);
    close("Phi-3-mini", reward(4), 0.13, 1e-4);
    for node in [0, 1, 2] {
        assert!((0.15..0.60).contains(&reward(node)), "node {node}: {}", reward(node));
    }
    let truth = |node: usize| mean((0..400).map(|task| dataset.truth(task, node)));
    let efficiency = |node: usize| truth(node) / latencies[node];
    close("Llama-3.2-3B over Qwen2-1.5B", efficiency(3) / efficiency(1), 7.0, 1e-4);
    close("Gemma-2-2B over Qwen2-1.5B", efficiency(2) / efficiency(1), 7.0, 1e-4);

    let truths: Vec<f64> = answers().map(|(task, node)| dataset.truth(task, node)).collect();
    let scores = |evaluator: usize| -> Vec<f64> {
        answers().map(|(task, node)| dataset.score(task, node, evaluator).raw).collect()
    };
    close("STS and truth", correlation(&scores(2), &truths), 0.66, 1e-4);
    close("STS and judge", correlation(&scores(2), &scores(3)), 0.29, 1e-4);
    assert!(correlation(&scores(0), &truths).abs() < 0.1);
    assert!(correlation(&scores(1), &truths) < 0.0);
}

/// A dataset with the rows of the fitted one that was not made for any figure, as far as its id tells.
fn found() -> Dataset {
    let mut dataset = fitted().clone();
    dataset.manifest.id = "found".to_owned();
    dataset
}

/// The fit hits what it was made for, whatever the seed, and none of that counts as agreeing.
#[test]
fn what_was_fitted_comes_out_and_does_not_count() {
    let dataset = fitted();
    for seed in [42, 0, 1, 2, 3, 4, 5, 6, 7, 8] {
        let figures = paper::figures(dataset, &run(dataset, seed));
        let words: Vec<&str> = figures.iter().map(Figure::words).collect();
        let want = [&["fitted"; 2][..], &["chosen"; 2], &["fitted", "chosen"], &["fitted"; 3], &["agrees", "differs"]];
        assert_eq!(words, want.concat(), "seed {seed}");
        for figure in &figures[..9] {
            assert_eq!(
                (figure.within, figure.agrees, figure.verdict),
                (Some(true), None, Verdict::PutIn),
                "{figure:?}"
            );
            let ([low, high], value) = (figure.ci95.expect("an interval"), figure.measured.expect("measured"));
            assert!(low < value && value < high, "{figure:?}");
            assert!(!figure.interval_of.is_empty() && figure.why.is_some(), "{figure:?}");
        }
        // "As much as": no less holds, the same does not.
        let [no_less, same] = &figures[9..] else { panic!("two readings of one figure") };
        assert_eq!((no_less.wording.as_str(), no_less.basis), (same.wording.as_str(), Basis::Free));
        assert_eq!((no_less.agrees, same.agrees), (Some(true), Some(false)));
        assert_eq!((same.at_least, same.at_most), (Some(-0.02), Some(0.02)));
    }
    let summary = Figure::summary(&paper::figures(dataset, &run(dataset, 1)));
    assert!(
        summary.contains("shows nothing: 9. Free: 2, of which agree: 1, differ: 1, cannot be told: 0."),
        "{summary}"
    );
}

/// Under another scenario rewards are no longer fitted, while what stands on the rows alone is.
#[test]
fn rewards_are_fitted_under_one_scenario_alone() {
    let dataset = fitted();
    let basis = |patch| {
        let scenario = Scenario::from_patch(&patch).expect("valid");
        let report = simulate(dataset, &scenario, 42, 500).expect("fits the dataset");
        let figures = paper::figures(dataset, &report);
        [0, 4, 5, 7].map(|index: usize| figures[index].basis)
    };
    use Basis::{Chosen, Fitted, Free};
    assert_eq!(basis(json!({"seed": 3})), [Fitted, Fitted, Chosen, Fitted]);
    assert_eq!(basis(json!({"consensus": {"rule": "median"}})), [Fitted, Free, Free, Fitted]);
    assert_eq!(basis(json!({"reward": {"beta_inference": 0.4}})), [Fitted, Free, Free, Fitted]);
}

/// Of found data the same values are told by their intervals: to the published side, to the other, or not at all.
#[test]
fn free_figures_are_told_by_their_intervals() {
    let dataset = found();
    let report = run(&dataset, 42);
    let figures = paper::figures(&dataset, &report);
    // The widest: +-0.025 about 0.66, so that within 0.02 cannot be told.
    assert_eq!(figures[0].words(), "cannot tell", "{:?}", figures[0]);
    assert_eq!((figures[0].within, figures[0].agrees), (Some(true), None));
    assert_eq!(figures[4].words(), "agrees", "{:?}", figures[4]);
    let mut far = report.clone();
    let shift = |interval: [f64; 2]| interval.map(|end| end - 0.05);
    let node = &mut far.inference_nodes[3];
    node.reward_mean = node.reward_mean.map(|mean| mean - 0.05);
    node.ci95_monte_carlo = node.ci95_monte_carlo.map(shift);
    node.ci95_prompts = node.ci95_prompts.map(shift);
    assert_eq!(paper::figures(&dataset, &far)[4].words(), "differs");
    // A report of other data has no place here.
    far.dataset.hash = "another".to_owned();
    assert!(paper::figures(&dataset, &far)[..9].iter().all(|figure| figure.words() == "not measured"));
}

#[test]
fn figures_say_how_far_they_are_from_the_published_ones() {
    let dataset = fitted();
    let mut report = run(dataset, 42);
    report.inference_nodes[3].reward_mean = Some(0.59);
    report.inference_nodes[2].reward_mean = Some(0.61);
    let figures = paper::figures(dataset, &report);
    let by_name = |start: &str| figures.iter().find(|figure| figure.name.starts_with(start)).expect("a figure");
    let llama = by_name("Llama-3.2-3B: mean reward");
    let Figure { published, measured, difference, within, agrees, at_least, at_most, .. } = llama;
    assert_eq!((*published, *measured, *within, *agrees), (Some(0.62), Some(0.59), Some(false), None));
    assert_eq!(llama.words(), "fitted, but missed");
    close("difference", difference.expect("measured"), -0.03, 1e-12);
    close("at least", at_least.expect("a bound"), 0.60, 1e-12);
    close("at most", at_most.expect("a bound"), 0.64, 1e-12);
    let lead = by_name("Llama-3.2-3B: mean reward less");
    close("lead", lead.measured.expect("measured"), -0.02, 1e-12);
    assert_eq!((lead.within, lead.published, lead.words()), (Some(false), None, "chosen, but missed"));
    let back: Vec<Figure> = serde_json::from_str(&serde_json::to_string(&figures).expect("JSON")).expect("figures");
    assert_eq!(back, figures);
}

#[test]
fn a_report_without_those_nodes_has_figures_of_none_of_them() {
    let dataset = Files::made_up(12, 4, 5).read().expect("valid");
    let report = run(&dataset, 1);
    let figures = paper::figures(&dataset, &report);
    assert!(figures[..9].iter().all(|figure| figure.measured.is_none() && figure.within.is_none()), "{figures:?}");
    let best = |nodes: &[poq_core::report::NodeReport]| {
        nodes.iter().filter_map(|node| node.reward_mean).fold(f64::MIN, f64::max)
    };
    let cheapest = report.evaluator_nodes.iter().find(|node| node.cost == 0.0).and_then(|node| node.reward_mean);
    let lead = cheapest.expect("paid") - best(&report.inference_nodes);
    close("lead", figures[9].measured.expect("any network has it"), lead, 1e-12);
}

#[test]
fn the_fit_puts_the_claims_in_and_their_tensions_show() {
    let dataset = fitted();
    let report = run(dataset, 42);
    let findings = paper::findings(dataset, &report);
    for finding in &findings {
        assert_eq!((finding.verdict, finding.words()), (Verdict::PutIn, "It is put in by the fit.".to_owned()));
        assert!(finding.parts.iter().all(|part| part.basis != Basis::Free && part.why.is_some()), "{finding:?}");
        assert!(finding.tensions.last().is_some_and(|last| last.contains("synthetic profiles")), "{finding:?}");
    }
    let [encoders, sizes, rewards] = findings;
    let audit = |evaluator: usize| report.evaluator_audit[evaluator].pearson_truth.expect("varies");
    close("claim 1", encoders.parts[0].value.expect("measured"), audit(2) - audit(0), 1e-12);
    let [low, high] = encoders.parts[0].ci95.expect("an interval");
    // Without the dependence of answers to one task: se^2 = ((1 - 0.66^2)^2 + 1) / 2000, so that 1.96 se = 0.050.
    assert!((0.03..0.08).contains(&((high - low) / 2.0)), "{low} {high}");
    let want = "sts-distilroberta has the highest correlation with truth (0.66), but 2 of 2 other evaluators are \
                surely closer";
    assert!(encoders.tensions[0].starts_with(want), "{:?}", encoders.tensions);

    let efficiency = |node: usize| {
        let node = &report.inference_nodes[node];
        node.quality_mean.expect("has answers") / node.latency_ms_mean
    };
    let want = (efficiency(3) + efficiency(4)) / (efficiency(0) + efficiency(1));
    close("claim 2", sizes.parts[0].value.expect("measured"), want, 1e-9);
    let [low, high] = sizes.parts[0].ci95.expect("an interval");
    assert!(low < want && want < high && high - low < 1.0, "{low} {high}");
    // Without the one that carries it.
    let rest = 2.0 * efficiency(4) / (efficiency(0) + efficiency(1));
    close("claim 2", sizes.parts[1].value.expect("measured"), rest, 1e-9);
    assert!(sizes.parts[1].what.ends_with("without llama-3.2-3b, on which it rests most"), "{:?}", sizes.parts);
    assert!(
        sizes.tensions[0].starts_with("It rests on one model: without llama-3.2-3b the ratio is 1.07"),
        "{sizes:?}"
    );
    assert!(sizes.tensions.iter().any(|tension| tension == "phi-3-mini is the largest, yet earns least: 0.13."));

    let reward = |node: usize| report.inference_nodes[node].reward_mean.expect("paid");
    close("claim 3", rewards.parts[0].value.expect("measured"), (reward(2) + reward(3)) / 2.0 - reward(1), 1e-12);
    // Draws and prompts together.
    let half = |node: usize| {
        let node = &report.inference_nodes[node];
        let [draws, prompts] = [node.ci95_monte_carlo, node.ci95_prompts].map(|interval| {
            let ([low, high], mean) = (interval.expect("paid"), node.reward_mean.expect("paid"));
            (mean - low).max(high - mean)
        });
        (draws * draws + prompts * prompts).sqrt()
    };
    let [low, high] = rewards.parts[0].ci95.expect("an interval");
    close("claim 3", (high - low) / 2.0, (half(2) + half(3)) / 2.0 + half(1), 1e-12);
    let evaluator = |node: usize| report.evaluator_nodes[node].reward_mean.expect("paid");
    close("claim 3", rewards.parts[1].value.expect("measured"), evaluator(0) - evaluator(1), 1e-12);
    let want = "phi-3-mini earns least (0.13) although its quality (4.6 of 10) is not below the median: before its \
                cost of 1.00";
    assert!(rewards.tensions[0].starts_with(want), "{:?}", rewards.tensions);
}

#[test]
fn on_found_data_the_same_claims_hold_or_fail() {
    let mut dataset = found();
    let mut report = run(&dataset, 42);
    assert_eq!(verdicts(&dataset, &report), [Verdict::Holds; 3]);
    for finding in paper::findings(&dataset, &report) {
        assert!(
            finding.parts.iter().all(|part| part.p_holm >= part.p_value && part.basis == Basis::Free),
            "{finding:?}"
        );
    }
    let trained_for = |objective: &str| Some(Map::from_iter([("trained_for".to_owned(), json!(objective))]));
    for evaluator in &mut dataset.manifest.evaluators[..2] {
        evaluator.spec = trained_for("relevance");
    }
    let [encoders, ..] = paper::findings(&dataset, &report);
    let tells = |of: &paper::Finding, words: &str| of.tensions.iter().any(|note| note.contains(words));
    assert!(tells(&encoders, "was trained here, for relevance"), "{encoders:?}");
    assert!(!tells(&encoders, "reads the"), "nothing is said of what they read: {encoders:?}");
    assert_eq!(encoders.verdict, Verdict::Holds);
    for (evaluator, against) in dataset.manifest.evaluators.iter_mut().zip(["prompt", "prompt", "reference"]) {
        evaluator.spec = Some(Map::from_iter([("against".to_owned(), json!(against))]));
    }
    let [encoders, ..] = paper::findings(&dataset, &report);
    assert!(tells(&encoders, " reads the reference, "), "{encoders:?}");
    for evaluator in &mut dataset.manifest.evaluators[..2] {
        evaluator.spec = trained_for("quality");
    }
    // What learnt truth is none of the paper's cross encoders.
    let [encoders, ..] = paper::findings(&dataset, &report);
    assert_eq!(encoders.verdict, Verdict::NotApplicable);
    for evaluator in &mut dataset.manifest.evaluators[..2] {
        evaluator.spec = None;
    }
    dataset.manifest.evaluators[0].kind = "bi_encoder".to_owned();
    dataset.manifest.evaluators[2].kind = "cross_encoder".to_owned();
    for (node, billions) in dataset.manifest.inference_nodes.iter_mut().zip(["9B", "8B", "3B", "2B", "0.5B"]) {
        (node.name, node.model) = (billions.to_owned(), None);
    }
    report = run(&dataset, 42);
    assert_eq!(verdicts(&dataset, &report), [Verdict::Fails, Verdict::Fails, Verdict::Holds]);
    for node in &mut report.inference_nodes {
        node.ci95_monte_carlo = node.ci95_monte_carlo.map(|[low, high]| [-high, -low]);
        node.ci95_prompts = node.ci95_prompts.map(|[low, high]| [-high, -low]);
        node.reward_mean = node.reward_mean.map(|mean| -mean);
    }
    let [.., rewards] = paper::findings(&dataset, &report);
    assert_eq!(rewards.words(), "It does not hold as a whole; 1 of its 2 parts holds.");
}

/// A claim that rests on one model is not told of larger models: without Llama-3.2-3B the others are no more efficient.
#[test]
fn a_claim_on_sizes_rests_on_more_than_one_model() {
    let mut dataset = found();
    // The slowest is now larger than all but one, and everything else small.
    for (node, billions) in dataset.manifest.inference_nodes.iter_mut().zip(["8B", "2B", "1B", "9B", "7B"]) {
        (node.name, node.model) = (billions.to_owned(), None);
    }
    let [_, sizes, _] = paper::findings(&dataset, &run(&dataset, 42));
    let verdicts: Vec<Verdict> = sizes.parts.iter().map(|part| part.verdict).collect();
    assert_eq!(verdicts, [Verdict::CannotTell, Verdict::Fails], "{:?}", sizes.parts);
    // One alone is larger.
    for (node, billions) in dataset.manifest.inference_nodes.iter_mut().zip(["1B", "1B", "1B", "9B", "1B"]) {
        node.name = billions.to_owned();
    }
    let [_, sizes, _] = paper::findings(&dataset, &run(&dataset, 42));
    assert_eq!(sizes.parts[1].what, "llama-3.2-3b is the only one of the larger models: the claim rests on it alone.");
    assert_eq!((sizes.parts[1].verdict, sizes.verdict), (Verdict::NotApplicable, Verdict::Holds));
}

#[test]
fn a_claim_about_what_is_not_there_does_not_apply() {
    let plain = Files::made_up(12, 4, 5).read().expect("valid");
    let findings = paper::findings(&plain, &run(&plain, 1));
    assert_eq!([findings[0].verdict, findings[1].verdict], [Verdict::NotApplicable; 2]);
    assert!(findings[0].parts[0].what.contains("not both a bi encoder and a cross encoder"), "{findings:?}");
    assert!(findings[1].parts[0].what.contains("Fewer than two different sizes"), "{findings:?}");
    assert_eq!(verdicts(&plain, &run(fitted(), 1)), [Verdict::NotApplicable; 3]);

    let mut files = Files::made_up(12, 1, 3);
    files.manifest["inference_nodes"][0]["name"] = json!("One-7B");
    let single = files.read().expect("valid");
    let unpaid = Simulation::new(&single, &Scenario::default()).expect("fits").report(&single);
    let findings = paper::findings(&single, &unpaid);
    assert_eq!(findings[2].parts[0].verdict, Verdict::NotApplicable);
    assert_eq!(findings[2].parts[1].what, "Some of the nodes to compare were never paid.");
}

/// Nothing is called published but what PAPERS says, and every other number has another origin.
#[test]
fn only_published_numbers_are_called_published() {
    let published: Vec<(String, f64)> = paper::numbers()
        .into_iter()
        .filter(|number| number.origin == Origin::Published)
        .map(|Number { of, name, value, .. }| (format!("{of}: {name}"), value))
        .collect();
    let want = [
        ("all: tasks", 400.0),
        ("llama-3.2-3b: mean reward aimed at", 0.62),
        ("phi-3-mini: mean reward aimed at", 0.13),
        ("llama-3.2-3b: quality per millisecond aimed at", 7.0),
        ("gemma-2-2b: quality per millisecond aimed at", 7.0),
        ("sts-distilroberta: correlation with the judge aimed at", 0.29),
        ("tinyllama-1.1b: parameters", 1.1),
        ("qwen2-1.5b: parameters", 1.5),
        ("gemma-2-2b: parameters", 2.0),
        ("llama-3.2-3b: parameters", 3.0),
        ("phi-3-mini: parameters", 3.8),
        ("sts-distilroberta: correlation with truth", 0.66),
    ];
    assert_eq!(published, want.map(|(name, value)| (name.to_owned(), value)));
}
