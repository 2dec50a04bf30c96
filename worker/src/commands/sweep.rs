//! `poq sweep`: a scenario over a grid of values.

use std::borrow::Cow;
use std::io::Write;

use clap::Args;
use poq_core::attack::Role;
use poq_core::csv::plain as plain_cell;
use poq_core::report::{Brief, NodeReport};
use poq_core::scenario::ScenarioError;
use poq_core::sweep::{Axis, Grid};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde_json::Value;

use super::simulate::ScenarioSource;
use super::whole::whole;
use crate::console::{Out, WRITING, say};
use crate::fault::{Blame as _, Fault, Outcome};
use crate::interrupt;
use crate::progress::Progress;

/// Cells of a batch for each thread: between two batches rows are written and Ctrl-C is looked at.
const CELLS_PER_THREAD: usize = 16;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    source: ScenarioSource,
    /// A field and its values, as path=from:to:steps or path=value,value,...; may be repeated, the last moves fastest
    #[arg(long, value_name = "PATH=VALUES", required = true)]
    vary: Vec<String>,
    /// Runs on other random numbers (8 to 100) that repeat each cell where the past decides its path; without them such
    /// a cell has no intervals
    #[arg(long, value_parser = whole::<u32>, default_value_t = 0)]
    replicates: u32,
    /// Print a JSON array of cells in place of CSV
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let (dataset, scenario) = arguments.source.load_as_written()?;
    let axes = arguments.vary.iter().map(|text| text.parse()).collect::<Result<Vec<Axis>, ScenarioError>>()?;
    // A cell may fit the dataset where the scenario as it is written does not.
    if let Ok((_, Some(line))) = scenario.fitted(&dataset) {
        say(line);
    }
    let grid = Grid::new(scenario, axes)?.with_replicates(arguments.replicates)?;

    // A field that cannot be varied is refused before anything is printed.
    grid.scenario(0).map_err(|error| Fault::input(format!("{}: {error}", named(&grid, 0))))?;

    let out = std::io::BufWriter::new(Out::lock());
    let mut out: Box<dyn Sink> = if arguments.json { Box::new(Json::new(out)) } else { Box::new(Csv::new(out)) };
    out.begin(&grid).environment(WRITING)?;
    let mut progress = Progress::new("sweep", "cells", grid.cells() as u64);
    let batch = CELLS_PER_THREAD * rayon::current_num_threads();
    for start in (0..grid.cells()).step_by(batch) {
        if interrupt::requested() {
            break;
        }
        let cells = start..(start + batch).min(grid.cells());
        let done = cells.len() as u64;
        let briefs: Vec<_> = cells.clone().into_par_iter().map(|cell| grid.run(&dataset, cell)).collect();
        for (cell, brief) in cells.zip(briefs) {
            let brief = brief.map_err(|error| Fault::input(format!("{}: {error}", named(&grid, cell))))?;
            out.cell(&grid, cell, &brief).environment(WRITING)?;
        }
        progress.advance(done);
    }
    progress.finish();
    out.end().environment(WRITING)?;
    interrupt::check()
}

/// A cell by its values.
fn named(grid: &Grid, cell: usize) -> String {
    let values =
        grid.axes().iter().zip(grid.values(cell)).map(|(axis, value)| format!("{}={}", axis.path, plain(value)));
    values.collect::<Vec<_>>().join(" ")
}

/// A value as it is written after `--set path=`.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Takes the cells in order.
trait Sink {
    fn begin(&mut self, grid: &Grid) -> anyhow::Result<()>;
    fn cell(&mut self, grid: &Grid, cell: usize, brief: &Brief) -> anyhow::Result<()>;
    fn end(&mut self) -> anyhow::Result<()>;
}

/// One row for each node of each cell.
struct Csv<W: Write>(csv::Writer<W>);

impl<W: Write> Csv<W> {
    fn new(out: W) -> Self {
        Self(csv::Writer::from_writer(out))
    }
}

/// The columns after those of the axes.
const COLUMNS: [&str; 16] = [
    "role",
    "id",
    "rounds",
    "reward_mean",
    "reward_sd",
    "ci95_monte_carlo_low",
    "ci95_monte_carlo_high",
    "negative_share",
    "quality_mean",
    "cost",
    "latency_ms_mean",
    "weight",
    "profit_mean",
    "gain_mean",
    "pearson_consensus_truth",
    "kendall_reward_efficiency",
];

impl<W: Write> Sink for Csv<W> {
    fn begin(&mut self, grid: &Grid) -> anyhow::Result<()> {
        let axes = grid.axes().iter().map(|axis| plain_cell(&axis.path));
        Ok(self.0.write_record(axes.chain(COLUMNS.map(Cow::from)).map(|cell| cell.into_owned()))?)
    }

    fn cell(&mut self, grid: &Grid, cell: usize, brief: &Brief) -> anyhow::Result<()> {
        for (role, nodes) in [(Role::Inference, &brief.inference_nodes), (Role::Evaluator, &brief.evaluator_nodes)] {
            for node in nodes {
                let axes = grid.values(cell).into_iter().map(|value| plain_cell(&plain(value)).into_owned());
                self.0.write_record(axes.chain(row(role, node, brief)))?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> anyhow::Result<()> {
        Ok(self.0.flush()?)
    }
}

fn row(role: Role, node: &NodeReport, brief: &Brief) -> [String; 16] {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let attacker = brief.attackers.iter().find(|attacker| attacker.role == role && attacker.id == node.id);
    let role = match role {
        Role::Inference => "inference",
        Role::Evaluator => "evaluator",
    };
    [
        role.to_owned(),
        plain_cell(&node.id).into_owned(),
        node.rounds.to_string(),
        number(node.reward_mean),
        number(node.reward_sd),
        number(node.ci95_monte_carlo.map(|[low, _]| low)),
        number(node.ci95_monte_carlo.map(|[_, high]| high)),
        number(node.negative_share),
        number(node.quality_mean),
        node.cost.to_string(),
        node.latency_ms_mean.to_string(),
        number(node.weight),
        number(node.profit_mean),
        number(attacker.and_then(|attacker| attacker.gain_mean)),
        number(brief.pearson_consensus_truth),
        number(brief.kendall_reward_efficiency),
    ]
}

/// One object for each cell, in an array.
struct Json<W: Write> {
    out: W,
    cells: usize,
}

impl<W: Write> Json<W> {
    fn new(out: W) -> Self {
        Self { out, cells: 0 }
    }
}

impl<W: Write> Sink for Json<W> {
    fn begin(&mut self, _: &Grid) -> anyhow::Result<()> {
        Ok(write!(self.out, "[")?)
    }

    fn cell(&mut self, grid: &Grid, cell: usize, brief: &Brief) -> anyhow::Result<()> {
        let mut whole = serde_json::to_value(brief)?;
        // A sweep has no intervals over prompts: their absence is not said of every node.
        for list in ["inference_nodes", "evaluator_nodes", "attackers"] {
            for node in whole[list].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                node.remove("ci95_prompts");
            }
        }
        let set = grid.axes().iter().zip(grid.values(cell)).map(|(axis, value)| (axis.path.clone(), value.clone()));
        whole["set"] = Value::Object(set.collect());
        let separator = if self.cells == 0 { "\n" } else { ",\n" };
        self.cells += 1;
        Ok(write!(self.out, "{separator}{whole}")?)
    }

    fn end(&mut self) -> anyhow::Result<()> {
        writeln!(self.out, "\n]")?;
        Ok(self.out.flush()?)
    }
}
