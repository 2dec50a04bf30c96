//! `poq train`: judges learnt from a dataset, cross-fitted.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use poq_core::Dataset;
use poq_core::dataset::Shipped;
use poq_models::CROSS_FITTED_RECORD;
use poq_training::{Architecture, Base, CrossFit, Objective, Seen, Settings, Training, TrainingError, examples};
use serde::{Deserialize, Serialize};

use crate::console::{print, print_json, say};
use crate::fault::{Blame as _, Fault, Outcome};
use crate::lock::locked;
use crate::progress::Progress;
use crate::words::{figure, interval, so_many};
use crate::{dataset, hash, interrupt, models, text};

/// What a folder of judges in training was asked for.
const ASKED: &str = "plan.json";

/// What PoQ-Judge reports of its DeBERTa on 300 held-out records (arXiv 2606.11196).
const PUBLISHED: &str = "PoQ-Judge published a Pearson of 0.747, 95% 0.663 to 0.816, on data and a truth of its own";

#[derive(Args)]
pub struct Arguments {
    /// The plan (TOML): the dataset, the encoder to start from, what is learnt
    plan: PathBuf,
    /// Folder of the judges; made where it is absent
    #[arg(long)]
    out: PathBuf,
    /// Another dataset than the plan's: a shipped id, or a folder
    #[arg(long, value_name = "DATASET")]
    dataset: Option<PathBuf>,
    /// Go on where an earlier run of the plan stood
    #[arg(long)]
    resume: bool,
    /// Print the training as JSON: folds, epochs with their losses, what the judges make of what they did not see
    #[arg(long)]
    json: bool,
}

/// A plan, as written. Paths are relative to the plan's folder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    /// A shipped dataset's id, or a folder.
    dataset: PathBuf,
    /// The encoder that the judges start from: a name, or a folder.
    base: String,
    objective: Objective,
    #[serde(default)]
    architecture: Kind,
    layers: Option<usize>,
    #[serde(default = "one")]
    seed: u64,
    #[serde(default = "five")]
    folds: usize,
    #[serde(default = "tokens")]
    max_tokens: usize,
    epochs: Option<usize>,
    patience: Option<usize>,
    #[serde(default = "batch")]
    batch: usize,
    learning_rate: Option<f64>,
}

fn one() -> u64 {
    1
}

fn five() -> usize {
    5
}

fn tokens() -> usize {
    320
}

fn batch() -> usize {
    16
}

/// What judges are, as a plan names it.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    CrossEncoder,
    TextCnn,
}

/// Layers of a cross encoder that are learnt, where a plan does not say.
const LAYERS: usize = 2;

impl Plan {
    fn settings(&self) -> Result<Settings, Fault> {
        // Where a plan does not say: for each architecture the one set that was run to its end on a shipped dataset.
        let (architecture, epochs, patience, rate) = match (self.architecture, self.layers) {
            (Kind::CrossEncoder, layers) => {
                (Architecture::CrossEncoder { layers: layers.unwrap_or(LAYERS) }, 8, 2, 3e-4)
            }
            (Kind::TextCnn, None) => (Architecture::TextCnn, 20, 3, 3e-4),
            (Kind::TextCnn, Some(_)) => {
                return Err(Fault::input(
                    "`layers`: a text_cnn has none; allowed: with `architecture = \"cross_encoder\"`",
                ));
            }
        };
        Ok(Settings {
            architecture,
            objective: self.objective,
            seed: self.seed,
            folds: self.folds,
            max_tokens: self.max_tokens,
            epochs: self.epochs.unwrap_or(epochs),
            patience: self.patience.unwrap_or(patience),
            batch: self.batch,
            learning_rate: self.learning_rate.unwrap_or(rate),
        })
    }
}

/// What the judges depend on: a run is gone on with only where all of it is the same.
#[derive(Serialize, Deserialize, PartialEq)]
struct Asked {
    /// The dataset's id, and the hash of what is learnt of it: scores and judges may be added meanwhile.
    dataset: String,
    rows_sha256: String,
    /// Of the base's `config.json`, `tokenizer.json` and `model.safetensors`.
    base_sha256: [String; 3],
    settings: Settings,
}

pub fn run(arguments: &Arguments) -> Outcome {
    interrupt::watch()?;
    let plan: Plan = toml::from_str(&text::read(&arguments.plan)?).input(arguments.plan.display())?;
    let beside = |path: &Path| arguments.plan.parent().unwrap_or(Path::new("")).join(path);
    let at = beside(&plan.dataset);
    let (named, field) = match &arguments.dataset {
        Some(dataset) => (dataset, "--dataset".to_owned()),
        None if at.exists() => (&at, format!("{}: field `dataset`", arguments.plan.display())),
        None => (&plan.dataset, format!("{}: field `dataset`", arguments.plan.display())),
    };
    let dataset = dataset::load(Some(named), "", Shipped::default()).map_err(|fault| fault.of(field))?;
    let base = beside(Path::new(&plan.base));
    let base = if base.exists() { base.display().to_string() } else { plan.base.clone() };
    let folder = models::encoder_folder(&base)?;
    let read = |name: &str| fs::read(folder.join(name)).input(format!("cannot read {}", folder.join(name).display()));
    let (config, tokenizer, weights) = (read("config.json")?, read("tokenizer.json")?, read("model.safetensors")?);
    let settings = plan.settings().map_err(|fault| fault.of(arguments.plan.display()))?;
    let rows = examples(&dataset, &settings);
    let asked = Asked {
        dataset: dataset.manifest.id.clone(),
        rows_sha256: hash::of_bytes(&serde_json::to_vec(&rows).environment("cannot serialise the rows")?),
        base_sha256: [&config, &tokenizer, &weights].map(|file| hash::of_bytes(file)),
        settings,
    };
    let base = Base { config: &config, tokenizer: &tokenizer, weights: &weights };
    let judges =
        CrossFit::new(base, &rows, settings).map_err(|error| Fault::from(error).of(arguments.plan.display()))?;
    claim(&arguments.out, &asked, arguments.resume)?;
    let _locked = locked(&arguments.out, &arguments.out.join(ASKED))?;
    let mut progress = Progress::new("training, at most", "rows", judges.steps() as u64);
    let mut go_on = |seen: Seen| {
        match seen {
            Seen::Rows(count) => progress.advance(count as u64),
            Seen::Epoch { fold, epoch, loss, validation } => say(format_args!(
                "judge {fold} of {}, epoch {epoch}: loss {loss:.4}, of what it is stopped by {validation:.4}",
                settings.folds
            )),
        }
        !interrupt::requested()
    };
    let Some(training) = judges.run(&arguments.out, &mut go_on)? else {
        return Err(Fault::Interrupted);
    };
    if arguments.json {
        return print_json(&training);
    }
    print(&told(&training, plan.objective, &dataset))
}

/// What came of it, in sentences.
fn told(training: &Training, objective: Objective, dataset: &Dataset) -> String {
    let mut words = String::new();
    for (number, fold) in training.folds.iter().enumerate() {
        let (tasks, epochs) = (so_many(fold.held_out.len(), "tasks"), so_many(fold.epochs.len(), "epochs"));
        let (kept, loss) = (fold.kept, fold.held_out_loss);
        let judge = number + 1;
        let _ =
            writeln!(words, "judge {judge}: {epochs}, epoch {kept} kept; {tasks} held out, loss of these {loss:.4}");
    }
    let truth = match objective {
        Objective::Quality => "token F1",
        Objective::Relevance => "whether the passage belongs to the question",
    };
    let held_out = &training.held_out;
    let figure = |estimate: Option<poq_core::stats::Estimate>| {
        let (value, ci95) = (estimate.map(|estimate| estimate.value), estimate.and_then(|estimate| estimate.ci95));
        format!("{}, 95% {}", figure(value, ci95), interval(ci95))
    };
    let (pearson, spearman) = (figure(held_out.pearson), figure(held_out.spearman));
    let (rows, id) = (so_many(held_out.rows, "rows"), &dataset.manifest.id);
    let _ = writeln!(
        words,
        "held-out rows of {id} ({rows}, each by the judge that did not see its passage), with {truth}:"
    );
    let _ = writeln!(words, "  Pearson {pearson}\n  Spearman {spearman}");
    if objective == Objective::Quality {
        let _ = writeln!(words, "  {PUBLISHED}");
    }
    words
}

/// Takes the folder for what is asked; one that was asked for something else, or without `--resume`, is refused.
fn claim(out: &Path, asked: &Asked, resume: bool) -> Outcome {
    let path = out.join(ASKED);
    let doing = |path: &Path| format!("cannot write {}", path.display());
    if path.exists() {
        let left: Asked = serde_json::from_str(&text::read(&path)?).input(path.display())?;
        if left != *asked {
            let message = "holds judges of another plan, dataset or base; allowed: another folder";
            return Err(Fault::input(format!("{}: it {message}", out.display())));
        }
        if !resume {
            let state = if out.join(CROSS_FITTED_RECORD).exists() { "is complete" } else { "was begun" };
            return Err(Fault::input(format!("{}: the training {state}; go on with --resume", out.display())));
        }
        return Ok(());
    }
    fs::create_dir_all(out).environment(doing(out))?;
    if fs::read_dir(out).environment(doing(out))?.next().is_some() {
        return Err(Fault::input(format!("{}: the folder is not empty, and holds no training", out.display())));
    }
    let asked = serde_json::to_vec_pretty(asked).environment("cannot serialise the plan")?;
    fs::write(&path, asked).environment(doing(&path))
}

impl From<TrainingError> for Fault {
    fn from(error: TrainingError) -> Self {
        match error {
            TrainingError::Model(error) => error.into(),
            TrainingError::File { .. } => Self::Environment(error.into()),
            TrainingError::Rows(_)
            | TrainingError::Setting(_)
            | TrainingError::Left { .. }
            | TrainingError::Diverged { .. } => Self::Input(error.into()),
        }
    }
}
