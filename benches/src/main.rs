//! Runs the default scenario on a dataset folder and prints the time and every node's figures as JSON, for
//! `benches/compare.py` to set beside NumPy's.
//!
//! ```sh
//! cargo run --release -p poq-benches --bin rounds -- static/datasets/poq-lab-2 1000000 42
//! ```

use std::error::Error;
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use poq_core::dataset::DatasetFiles;
use poq_core::report::NodeReport;
use poq_core::{Dataset, Scenario, Simulation};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, rounds, seed] = arguments.as_slice() else {
        return Err("usage: rounds DATASET_FOLDER ROUNDS SEED".into());
    };
    let read = |name: &str| {
        let path = Path::new(folder).join(name);
        fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let [manifest, tasks, outputs, scores] = DatasetFiles::NAMES.map(read);
    let dataset = Dataset::from_files(DatasetFiles {
        manifest: &manifest?,
        tasks: &tasks?,
        outputs: &outputs?,
        scores: &scores?,
    })?;
    let scenario = Scenario { rounds: rounds.parse()?, seed: seed.parse()?, ..Scenario::default() };
    let mut simulation = Simulation::new(&dataset, &scenario)?;

    let start = Instant::now();
    simulation.run(scenario.rounds);
    let elapsed_secs = start.elapsed().as_secs_f64();

    let report = simulation.report(&dataset);
    let figures = |nodes: &[NodeReport]| -> Value {
        let rows = nodes.iter().map(|node| {
            json!({"id": node.id, "rounds": node.rounds, "reward_mean": node.reward_mean, "reward_sd": node.reward_sd})
        });
        rows.collect()
    };
    let result = json!({
        "rounds": report.rounds,
        "elapsed_secs": elapsed_secs,
        "inference": figures(&report.inference_nodes),
        "evaluators": figures(&report.evaluator_nodes),
    });
    println!("{result}");
    Ok(())
}
