//! Cross-fitting: as many judges as folds, each held out from its own, with what is kept on the way.
//!
//! Of a folder: `training.json` when all is done, and for each fold `fold-N/` with the judge's files and `fold.json`;
//! while a judge is in training, `fold-N/` holds `state.json` with the weights and the optimizer after the last epoch,
//! under names that differ from epoch to epoch, so that a state never names files of another.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module as _;
use poq_core::agreement::Agreement;
use poq_core::dataset::sha256;
use poq_core::rng::Stream;
use poq_models::{CROSS_FITTED_RECORD, ModelError, PairTokenizer, PairTokens, Part, cpu_device, fold_folder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::base::{Base, Sizes, Tensors, tensors};
use crate::error::TrainingError;
use crate::examples::Example;
use crate::fit::{Fit, Row, Seen, Settings, draws, side_by_side, values};
use crate::folds::folds;
use crate::network::{Architecture, Network};

/// In a judge's folder, when it is done: what came of it.
const FOLD: &str = "fold.json";

/// In a judge's folder, when it is done: its weights.
const WEIGHTS: &str = "model.safetensors";

/// Rows at least, of all judges together.
const FEWEST_ROWS: usize = 20;

const GIB: usize = 1 << 30;

/// Bytes that the states of rows before the layers that are learnt may take.
const MOST_STATES: usize = 8 * GIB;

/// An epoch of a judge.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Mean cross entropy of the rows that were learnt from, dropout included.
    pub loss: f64,
    /// That of the rows that it is stopped by, without.
    pub validation: f64,
}

/// A judge and its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// Ids of the tasks that the judge did not see: neither learnt from nor stopped by.
    pub held_out: Vec<String>,
    /// SHA-256 of the texts that these are about.
    pub passages: Vec<String>,
    /// SHA-256 of the judge's `model.safetensors`.
    pub weights_sha256: String,
    /// Its epochs.
    pub epochs: Vec<Epoch>,
    /// The epoch with the lowest loss of validation, counted from 1, whose weights the judge has.
    pub kept: usize,
    /// What it makes of its held-out rows, in their order, in `[0, 1]`.
    pub values: Vec<f64>,
    /// Its mean cross entropy on them.
    pub held_out_loss: f64,
}

/// All judges, and how they do on what they did not see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// How they were trained.
    pub settings: Settings,
    /// Of values with targets, over all rows, each by the judge that did not see it.
    pub held_out: Agreement,
    /// The judges.
    pub folds: Vec<Fold>,
}

/// What stands after the last epoch of a judge in training.
#[derive(Serialize, Deserialize)]
struct State {
    epochs: Vec<Epoch>,
    kept: usize,
}

/// A cross-fitting that can begin: all that it needs is there and of use.
pub struct CrossFit<'a> {
    base: Base<'a>,
    settings: Settings,
    sizes: Sizes,
    weights: Tensors,
    examples: &'a [Example],
    tokens: Vec<PairTokens>,
    /// By passage.
    fold_of: Vec<usize>,
    max_tokens: usize,
}

impl<'a> CrossFit<'a> {
    /// One judge for each fold of `examples`. Fold `n` is held out from its judge, the fold after it says when to stop.
    ///
    /// # Errors
    /// Settings out of range, rows too few or too alike, or a base that is no BERT.
    pub fn new(base: Base<'a>, examples: &'a [Example], settings: Settings) -> Result<Self, TrainingError> {
        settings.check()?;
        let tokenizer = PairTokenizer::read(base.config, base.tokenizer, settings.max_tokens)?;
        let (sizes, weights) = (base.sizes()?, tensors(base.weights)?);
        check_base(&settings, &sizes, &weights, examples.len() * tokenizer.max_tokens())?;
        let passages = examples.iter().map(|example| example.passage as usize + 1).max().unwrap_or(0);
        let fold_of = folds(passages, settings.folds, settings.seed);
        check_rows(examples, settings.folds, &fold_of)?;
        let tokens = examples
            .iter()
            .map(|example| tokenizer.encode(&example.first, &example.second))
            .collect::<Result<Vec<_>, _>>()?;
        // A tensor that is missing or of another shape is found here, not after an hour.
        let (stream, device) = (&mut draws(&settings, 0, 0), cpu_device().autodiff());
        Network::new(settings.architecture, &sizes, &weights, stream, &device)?;
        Ok(Self { base, settings, sizes, weights, examples, tokens, fold_of, max_tokens: tokenizer.max_tokens() })
    }

    /// Rows that are learnt from at most, each as often as it is.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.tokens.len() * (self.settings.folds - 2) * self.settings.epochs
    }

    /// Trains the judges, or goes on where an earlier run of the same into `out` stood, and writes them there. `go_on`
    /// hears how far it is, and ends it by false: then there is no training, and what was done is kept.
    ///
    /// # Errors
    /// Files that cannot be read or written, or a loss that is no number.
    pub fn run(&self, out: &Path, go_on: &mut dyn FnMut(Seen) -> bool) -> Result<Option<Training>, TrainingError> {
        let mut folds = Vec::new();
        let is_done = |fold: usize| out.join(fold_folder(fold + 1)).join(FOLD).exists();
        let rows = match (0..self.settings.folds).all(is_done) {
            true => Vec::new(),
            false => match self.rows(go_on)? {
                Some(rows) => rows,
                None => return Ok(None),
            },
        };
        for fold in 0..self.settings.folds {
            let Some(fold) = self.fold(fold, &rows, &out.join(fold_folder(fold + 1)), go_on)? else {
                return Ok(None);
            };
            folds.push(fold);
        }
        let mut predicted = vec![0.0; self.examples.len()];
        for (fold, judge) in folds.iter().enumerate() {
            for (row, value) in self.in_fold(fold).into_iter().zip(&judge.values) {
                predicted[row] = *value;
            }
        }
        let of: Vec<u32> = self.examples.iter().map(|example| example.passage).collect();
        let truth: Vec<f64> = self.examples.iter().map(|example| f64::from(example.target)).collect();
        let held_out = Agreement::of(&of, &predicted, &truth);
        let training = Training { settings: self.settings, held_out, folds };
        write_json(&out.join(CROSS_FITTED_RECORD), &training)?;
        Ok(Some(training))
    }

    /// The rows as networks read them; what networks do not learn is the same in all.
    fn rows(&self, go_on: &mut dyn FnMut(Seen) -> bool) -> Result<Option<Vec<Row>>, TrainingError> {
        let device = cpu_device();
        let architecture = self.settings.architecture;
        let stream = &mut draws(&self.settings, 0, 0);
        let network =
            Network::new(architecture, &self.sizes, &self.weights, stream, &device.clone().autodiff())?.valid();
        let row = |(tokens, example): &(&PairTokens, &Example)| {
            Ok(Row { input: network.input((*tokens).clone(), &device)?, target: example.target })
        };
        let all: Vec<(&PairTokens, &Example)> = self.tokens.iter().zip(self.examples).collect();
        let mut rows = Vec::with_capacity(all.len());
        for batch in all.chunks(self.settings.batch) {
            let parts = side_by_side(batch, |part| || part.iter().map(row).collect::<Result<Vec<Row>, ModelError>>())?;
            rows.extend(parts.into_iter().flatten());
            if !go_on(Seen::Rows(0)) {
                return Ok(None);
            }
        }
        Ok(Some(rows))
    }

    fn in_fold(&self, fold: usize) -> Vec<usize> {
        let of = |row: &usize| self.fold_of[self.examples[*row].passage as usize];
        (0..self.examples.len()).filter(|row| of(row) == fold).collect()
    }

    fn fold(
        &self,
        fold: usize,
        rows: &[Row],
        folder: &Path,
        go_on: &mut dyn FnMut(Seen) -> bool,
    ) -> Result<Option<Fold>, TrainingError> {
        let record = folder.join(FOLD);
        if record.exists() {
            let done: Fold = read_json(&record)?;
            let weights = folder.join(WEIGHTS);
            if sha256(&read(&weights)?) != done.weights_sha256 {
                return Err(TrainingError::left(&weights, "these are not the weights that were trained"));
            }
            remove_epochs(folder, &[])?;
            return Ok(Some(done));
        }
        fs::create_dir_all(folder).map_err(TrainingError::file(folder))?;
        let of = |fold: usize| -> Vec<&Row> { self.in_fold(fold).into_iter().map(|row| &rows[row]).collect() };
        let validation = of((fold + 1) % self.settings.folds);
        let learnt: Vec<&Row> = (2..self.settings.folds).flat_map(|n| of((fold + n) % self.settings.folds)).collect();

        let device = cpu_device().autodiff();
        let state_path = folder.join("state.json");
        let state: Option<State> = if state_path.exists() { Some(read_json(&state_path)?) } else { None };
        let mut state = state.unwrap_or(State { epochs: Vec::new(), kept: 0 });
        let mut stream = draws(&self.settings, fold, 0);
        let network = |weights: &Tensors, stream: &mut Stream| {
            Network::new(self.settings.architecture, &self.sizes, weights, stream, &device)
        };
        let weights_of = |epoch: usize| folder.join(format!("epoch-{epoch}.safetensors"));
        let optimizer_of = |epoch: usize| folder.join(format!("epoch-{epoch}.bpk"));
        let mut fit = match state.epochs.len() {
            0 => Fit::new(network(&self.weights, &mut stream)?, device.clone(), fold),
            epoch => {
                let weights = tensors(&read(&weights_of(epoch))?)?;
                let mut fit = Fit::new(network(&weights, &mut stream)?, device.clone(), fold);
                let path = optimizer_of(epoch);
                fit.optimizer = fit.optimizer.load(&path).map_err(|error| TrainingError::left(&path, error))?;
                fit
            }
        };
        for epoch in state.epochs.len()..self.settings.epochs {
            if epoch >= state.kept + self.settings.patience && epoch > 0 {
                break;
            }
            let Some(loss) = fit.epoch(&self.settings, epoch, &learnt, go_on)? else { return Ok(None) };
            let validation = fit.loss(epoch + 1, &validation, self.settings.batch)?;
            let best = state.epochs.get(state.kept.wrapping_sub(1)).map_or(f64::INFINITY, |best| best.validation);
            let (last, kept) = (epoch, state.kept);
            state.epochs.push(Epoch { loss, validation });
            let number = state.epochs.len();
            if validation < best {
                state.kept = number;
            }
            let path = optimizer_of(number);
            // What an earlier run left on its way is of no state.
            remove_epochs(folder, &[optimizer_of(last), weights_of(last), weights_of(kept)])?;
            fit.optimizer.save(&path).map_err(|error| TrainingError::left(&path, error))?;
            write(&weights_of(number), &fit.network.to_safetensors()?)?;
            write_json(&state_path, &state)?;
            remove_epochs(folder, &[optimizer_of(number), weights_of(number), weights_of(state.kept)])?;
            if !go_on(Seen::Epoch { fold: fold + 1, epoch: number, loss, validation }) {
                return Ok(None);
            }
        }
        let bytes = read(&weights_of(state.kept))?;
        let judge = network(&tensors(&bytes)?, &mut stream)?.valid();
        let held_out = self.in_fold(fold);
        let rows: Vec<&Row> = held_out.iter().map(|&row| &rows[row]).collect();
        let values = values(&judge, &rows, self.settings.batch, &device.clone().inner())?;
        let cross_entropy = |(value, row): (&f64, &&Row)| {
            let target = f64::from(row.target);
            -(target * value.max(1e-12).ln() + (1.0 - target) * (1.0 - value).max(1e-12).ln())
        };
        let held_out_loss = values.iter().zip(&rows).map(cross_entropy).sum::<f64>() / rows.len().max(1) as f64;
        let of_rows = |field: fn(&Example) -> &String| {
            let mut seen = HashSet::new();
            let all = held_out.iter().map(|&row| field(&self.examples[row]).clone());
            all.filter(|value| seen.insert(value.clone())).collect::<Vec<String>>()
        };
        let lengths = serde_json::json!({ "model_max_length": self.max_tokens });
        write(&folder.join("config.json"), &self.base.judge_config(&self.settings)?)?;
        write(&folder.join("tokenizer.json"), self.base.tokenizer)?;
        write(&folder.join("tokenizer_config.json"), lengths.to_string().as_bytes())?;
        write(&folder.join(WEIGHTS), &bytes)?;
        let State { epochs, kept } = state;
        let done = Fold {
            held_out: of_rows(|example| &example.task),
            passages: of_rows(|example| &example.text_sha256),
            weights_sha256: sha256(&bytes),
            epochs,
            kept,
            values,
            held_out_loss,
        };
        write_json(&record, &done)?;
        remove(&state_path)?;
        remove_epochs(folder, &[])?;
        Ok(Some(done))
    }
}

/// Refuses a base with a head, which may have learnt from what is held out, one without the layers that it speaks of or
/// that are to be learnt, and more `tokens` than their states have room.
fn check_base(settings: &Settings, sizes: &Sizes, weights: &Tensors, tokens: usize) -> Result<(), TrainingError> {
    let refuse = |problem: String| Err(TrainingError::Setting(problem));
    if let Some(head) = weights.keys().find(|name| name.starts_with("classifier.")) {
        let allowed = "allowed: one without a head, which learnt from none of the rows";
        return refuse(format!("`base`: it has the tensor `{head}`, as judges have; {allowed}"));
    }
    let Architecture::CrossEncoder { layers } = settings.architecture else { return Ok(()) };
    let last = format!("encoder.layer.{}.output.dense.weight", sizes.num_hidden_layers.saturating_sub(1));
    if !weights.contains_key(&last) {
        return Err(ModelError::MissingTensor { part: Part::Safetensors, tensor: last }.into());
    }
    if layers > sizes.num_hidden_layers {
        return refuse(format!(
            "`layers`: {layers}; allowed: 1 to {}, as many as the base has",
            sizes.num_hidden_layers
        ));
    }
    let bytes = tokens.saturating_mul(sizes.hidden_size).saturating_mul(size_of::<f32>());
    if bytes > MOST_STATES {
        let (seen, most) = (bytes.div_ceil(GIB), MOST_STATES / GIB);
        let allowed = format!("allowed: {most}; fewer rows or a lower `max_tokens` take less");
        return refuse(format!("the states of all rows may take {seen} GiB of memory; {allowed}"));
    }
    Ok(())
}

/// Refuses rows that nothing can be learnt from.
fn check_rows(examples: &[Example], count: usize, fold_of: &[usize]) -> Result<(), TrainingError> {
    let refuse = |problem: String| Err(TrainingError::Rows(problem));
    if examples.len() < FEWEST_ROWS {
        return refuse(format!("there are {}; allowed: {FEWEST_ROWS} at least", examples.len()));
    }
    if fold_of.len() < count {
        let passages = fold_of.len();
        return refuse(format!("they are of {passages} passages, fewer than the {count} folds; each fold needs one"));
    }
    for held_out in 0..count {
        let of = |wanted: &dyn Fn(usize) -> bool| -> Vec<f32> {
            let rows = examples.iter().filter(|example| wanted(fold_of[example.passage as usize]));
            rows.map(|example| example.target).collect()
        };
        let validation = (held_out + 1) % count;
        let learnt = of(&|fold| fold != held_out && fold != validation);
        if of(&|fold| fold == held_out).is_empty() {
            return refuse(format!("fold {} has none; fewer folds may help", held_out + 1));
        }
        if learnt.iter().all(|target| *target == learnt[0]) {
            let judge = held_out + 1;
            return refuse(format!("all that judge {judge} learns from are of one class (every target is the same)"));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, TrainingError> {
    fs::read(path).map_err(TrainingError::file(path))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, TrainingError> {
    serde_json::from_slice(&read(path)?).map_err(|error| TrainingError::left(path, error))
}

/// Writes a file so that it is there whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), TrainingError> {
    let part = path.with_extension("part");
    fs::write(&part, bytes).map_err(TrainingError::file(&part))?;
    fs::rename(&part, path).map_err(TrainingError::file(path))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TrainingError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| TrainingError::left(path, error))?;
    write(path, &bytes)
}

/// Removes what epochs left in a judge's folder, but for `kept`.
fn remove_epochs(folder: &Path, kept: &[PathBuf]) -> Result<(), TrainingError> {
    for entry in fs::read_dir(folder).map_err(TrainingError::file(folder))? {
        let path = entry.map_err(TrainingError::file(folder))?.path();
        let is_of_epoch = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("epoch-"));
        if is_of_epoch && !kept.contains(&path) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), TrainingError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(TrainingError::file(path)(error)),
        _ => Ok(()),
    }
}
