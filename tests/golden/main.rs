//! Golden digests: each scenario of `scenarios.json`, on the dataset of its preset, else on that which it names, else
//! on `poq-lab-1`, gives the digest in
//! `digests.json`, here and in the browser tests. `POQ_BLESS=1 cargo test -p poq-core --test golden` writes them anew
//! after a change that is meant to alter results, with which `poq_core::ENGINE_VERSION` goes up.

use std::fs;
use std::path::{Path, PathBuf};

use poq_core::dataset::{DatasetFiles, Shipped};
use poq_core::preset::{self, Origin};
use poq_core::{Dataset, Report, Scenario, simulate};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default = "oldest")]
    dataset: Shipped,
    /// What differs from the preset.
    scenario: Value,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Golden {
    name: String,
    #[serde(default = "oldest", skip_serializing_if = "is_oldest")]
    dataset: Shipped,
    scenario: Value,
    digest: String,
}

/// That of the first scenarios.
fn oldest() -> Shipped {
    Shipped::PoqLab1
}

fn is_oldest(shipped: &Shipped) -> bool {
    *shipped == oldest()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shipped_dataset(shipped: Shipped) -> Dataset {
    let folder = root().join("static/datasets").join(shipped.id());
    let [manifest, tasks, outputs, scores] = DatasetFiles::NAMES.map(|name| read(&folder.join(name)));
    Dataset::from_files(DatasetFiles { manifest: &manifest, tasks: &tasks, outputs: &outputs, scores: &scores })
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// The digest of every scenario, as this build computes it.
fn computed() -> Vec<Golden> {
    let datasets = Shipped::ALL.map(|shipped| (shipped, shipped_dataset(shipped)));
    let of = |wanted: Shipped| &datasets.iter().find(|(shipped, _)| *shipped == wanted).expect("each is read").1;
    let named: Vec<Named> =
        serde_json::from_slice(&read(&root().join("tests/golden/scenarios.json"))).expect("scenarios.json");
    assert!(named.len() >= 24, "{} scenarios", named.len());
    let golden = named.into_iter().map(|Named { name, dataset, scenario: patch }| {
        let scenario = Scenario::from_patch(&patch).unwrap_or_else(|error| panic!("{name}: {error}"));
        let made;
        let on = match preset::dataset_of(&scenario.preset) {
            Some(Origin::Made(own)) => {
                made = own.make();
                &made
            }
            Some(Origin::Shipped(own)) => of(own),
            None => of(dataset),
        };
        let report =
            simulate(on, &scenario, scenario.seed, scenario.rounds).unwrap_or_else(|error| panic!("{name}: {error}"));
        Golden { name, dataset, scenario: patch, digest: report.digest }
    });
    golden.collect()
}

/// The presets show what they say: under the clip rule every weight ends at the top, the attackers' too, and the attack
/// gains more than under the EMA rule, where no weight does.
#[test]
fn the_clip_rule_drifts_and_the_ema_rule_does_not() {
    let dataset = shipped_dataset(Shipped::PoqLab1);
    let run = |preset: &str| {
        let scenario = Scenario::preset(preset).expect("a preset");
        simulate(&dataset, &scenario, scenario.seed, scenario.rounds).expect("fits the shipped dataset")
    };
    let (clip, ema) = (run("drift-under-clip"), run("drift-under-ema"));
    let weights = |report: &Report| -> Vec<f64> {
        report.evaluator_nodes.iter().map(|node| node.weight.expect("a rule with weights")).collect()
    };
    assert!(weights(&clip).iter().all(|&weight| weight > 1.95), "{:?}", weights(&clip));
    assert!(weights(&ema).iter().all(|&weight| weight < 0.95), "{:?}", weights(&ema));
    let most =
        |report: &Report| report.attackers.iter().filter_map(|attacker| attacker.gain_mean).fold(f64::MIN, f64::max);
    assert!(most(&clip) > 2.0 * most(&ema) && most(&ema) > 0.0, "{} {}", most(&clip), most(&ema));
    assert!(clip.mechanism.pearson_consensus_truth < ema.mechanism.pearson_consensus_truth);
}

#[test]
fn digests_are_as_recorded() {
    let path = root().join("tests/golden/digests.json");
    let computed = computed();
    if std::env::var_os("POQ_BLESS").is_some() {
        let rows: Vec<String> = computed.iter().map(|golden| serde_json::to_string(golden).expect("JSON")).collect();
        fs::write(&path, format!("[\n{}\n]\n", rows.join(",\n"))).expect("digests.json can be written");
        panic!("blessed {} digests, run again", computed.len());
    }
    let recorded: Vec<Golden> = serde_json::from_slice(&read(&path)).expect("digests.json");
    let names = |golden: &[Golden]| golden.iter().map(|golden| golden.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&computed), names(&recorded), "digests.json was made from other scenarios");
    let differ: Vec<String> = computed
        .iter()
        .zip(&recorded)
        .filter(|(computed, recorded)| computed != recorded)
        .map(|(computed, recorded)| format!("{}: {} instead of {}", computed.name, computed.digest, recorded.digest))
        .collect();
    assert!(differ.is_empty(), "{} of {} differ:\n{}", differ.len(), computed.len(), differ.join("\n"));
}
