//! Rounds a second on the shipped dataset, under each consensus rule, beside a bare loop that makes the same draws,
//! look-ups and sums and keeps no accounts: the distance between the two is what a report's figures cost.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use poq_core::consensus::Consensus;
use poq_core::dataset::DatasetFiles;
use poq_core::network::Network;
use poq_core::reward::{evaluator_quality, inference_quality};
use poq_core::rng::{Purpose, Ranges, Stream};
use poq_core::{Dataset, Scenario, Simulation};
use serde_json::json;

const ROUNDS: u64 = 1_000_000;

fn shipped_dataset() -> Dataset {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../static/datasets/poq-lab-2");
    let [manifest, tasks, outputs, scores] = DatasetFiles::NAMES.map(|name| {
        let path = folder.join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    });
    Dataset::from_files(DatasetFiles { manifest: &manifest, tasks: &tasks, outputs: &outputs, scores: &scores })
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// Draws, looks up and sums as the default scenario's rounds do; gives the sums of both roles' qualities.
fn bare_loop(network: &Network, evaluators_per_round: u32, seed: u64) -> [f64; 2] {
    let mut draws = Stream::new(seed, Purpose::Draws);
    let (tasks, nodes) = (network.tasks.len() as u32, network.inference.len() as u32);
    let pool = network.evaluators.len() as u32;
    let sets: Vec<u32> = (0..1_u32 << pool)
        .filter(|set| set.count_ones() == evaluators_per_round)
        .flat_map(|set| (0..pool).filter(move |member| set >> member & 1 == 1))
        .collect();
    let k = evaluators_per_round as usize;
    let ranges = Ranges::new([tasks, nodes, (sets.len() / k) as u32]);
    let mut scores = vec![0.0; evaluators_per_round as usize];
    let mut sums = [0.0; 2];
    for _ in 0..ROUNDS {
        let [task, node, set] = draws.below_each(&ranges).map(|number| number as usize);
        let recorded = network.scores(task, network.inference[node].model);
        let mut sum = 0.0;
        for (&evaluator, score) in sets[set * k..][..k].iter().zip(&mut scores) {
            *score = recorded[network.evaluators[evaluator as usize].model];
            sum += *score;
        }
        let consensus = sum / f64::from(evaluators_per_round);
        sums[0] += inference_quality(consensus);
        sums[1] += scores.iter().map(|&score| evaluator_quality(score, consensus)).sum::<f64>();
    }
    sums
}

fn rounds(criterion: &mut Criterion) {
    let dataset = shipped_dataset();
    let mut group = criterion.benchmark_group("rounds");
    group.throughput(Throughput::Elements(ROUNDS)).sample_size(20);
    let scenarios = [
        ("default, K = 3", json!({})),
        ("K = 5", json!({"evaluators_per_round": 5})),
        ("everyone answers, K = 3", json!({"inference_draw": "all"})),
        ("trust, clip rule, K = 3", json!({"consensus": {"rule": "trust_weighted"}})),
        ("trust, EMA rule, K = 3", json!({"consensus": {"rule": "ema_trust"}})),
        ("boost, with its counterfactual, K = 3", json!({"attacks": [{"nodes": ["chrf"], "kind": "boost"}]})),
    ];
    let of_eight = Consensus::RULES.map(|rule| {
        let pool = json!([{"model": "minilm-reference", "count": 4}, {"model": "chrf", "count": 4}, {"model": "rouge-l", "count": 4}]);
        let patch = json!({"consensus": {"rule": rule}, "evaluators_per_round": 8, "network": {"evaluators": pool}});
        (format!("{rule}, K = 8"), patch)
    });
    // A round should not cost more the larger the network is.
    let of_many = [100, 10_000].map(|count| {
        let groups = |ids: Vec<&String>| Vec::from_iter(ids.iter().map(|id| json!({"model": id, "count": count})));
        let inference = groups(dataset.manifest.inference_nodes.iter().map(|entry| &entry.id).collect());
        let evaluators = groups(dataset.manifest.evaluators.iter().map(|entry| &entry.id).collect());
        let nodes = count * (inference.len() + evaluators.len());
        (format!("{nodes} nodes, K = 3"), json!({"network": {"inference": inference, "evaluators": evaluators}}))
    });
    let scenarios = scenarios.into_iter().map(|(name, patch)| (name.to_owned(), patch)).chain(of_many).chain(of_eight);
    for (name, mut patch) in scenarios {
        patch["rounds"] = json!(ROUNDS);
        let scenario = Scenario::from_patch(&patch).expect("a valid scenario");
        let start = || Simulation::once(&dataset, &scenario).expect("fits the shipped dataset");
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(start, |simulation| simulation.run(ROUNDS), BatchSize::PerIteration);
        });
    }
    let scenario = Scenario::default();
    let network = Network::new(&dataset, &scenario).expect("fits the shipped dataset");
    group.bench_function("bare loop, K = 3", |bencher| {
        bencher.iter(|| bare_loop(black_box(&network), scenario.evaluators_per_round, scenario.seed));
    });
    group.finish();
}

criterion_group!(benches, rounds);
criterion_main!(benches);
