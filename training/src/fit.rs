//! One judge: epochs of steps down the gradient of its loss.

use std::panic::resume_unwind;
use std::thread;

use burn::module::Module as _;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor, TensorData};
use poq_core::rng::{Purpose, Stream};
use poq_models::ModelError;
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;
use crate::examples::Objective;
use crate::folds::shuffled;
use crate::network::{self, Architecture, Input, Network};

/// Share of steps in which the rate of learning grows.
const WARM_UP: f64 = 0.1;

/// Decay of weights in AdamW, of biases and normalisations too.
const DECAY: f32 = 0.01;

/// What AdamW adds where it divides by the gradient's size, as others have it. Burn's own 1e-5 holds back weights whose
/// gradients are no larger.
const EPSILON: f32 = 1e-8;

/// Rows that one thread reads at once. It is no count of the machine's: sums round alike on however many cores.
const ROWS_OF_A_THREAD: usize = 4;

/// Threads at most, each with gradients of its own.
const THREADS: usize = 8;

/// How judges are trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// What they are.
    pub architecture: Architecture,
    /// What they learn.
    pub objective: Objective,
    /// Of folds, new weights, dropout and the order of rows.
    pub seed: u64,
    /// Judges; 3 to 20.
    pub folds: usize,
    /// Tokens of a pair at most.
    pub max_tokens: usize,
    /// Passes over the rows at most, 1 to 1,000.
    pub epochs: usize,
    /// Epochs without a lower loss of validation after which a judge is done, 1 to 1,000.
    pub patience: usize,
    /// Rows of a step, 1 to 256.
    pub batch: usize,
    /// The highest rate; above 0.
    pub learning_rate: f64,
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        let refuse = |field: &str, seen: String, allowed: &str| {
            Err(TrainingError::Setting(format!("`{field}`: {seen}; allowed: {allowed}")))
        };
        if !(3..=20).contains(&self.folds) {
            return refuse(
                "folds",
                self.folds.to_string(),
                "3 to 20: one to learn from at least, one to stop by, one held out",
            );
        }
        let bounds = [("epochs", self.epochs, 1000), ("patience", self.patience, 1000), ("batch", self.batch, 256)];
        for (field, seen, most) in bounds {
            if !(1..=most).contains(&seen) {
                return refuse(field, seen.to_string(), &format!("1 to {most}"));
            }
        }
        if self.architecture == (Architecture::CrossEncoder { layers: 0 }) {
            return refuse("layers", "0".to_owned(), "1 or more");
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return refuse("learning_rate", self.learning_rate.to_string(), "a finite number above 0");
        }
        Ok(())
    }
}

/// How far training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// So many rows more were learnt from.
    Rows(usize),
    /// An epoch is over.
    Epoch {
        /// Counted from 1.
        fold: usize,
        /// Counted from 1.
        epoch: usize,
        /// Mean loss of the rows that were learnt from.
        loss: f64,
        /// That of the rows that it is stopped by.
        validation: f64,
    },
}

/// A row as the network has it.
pub(crate) struct Row {
    pub input: Input,
    pub target: f32,
}

/// A judge in training.
pub(crate) struct Fit {
    pub network: Network,
    pub optimizer: ModuleOptimizer,
    pub device: Device,
    pub fold: usize,
}

impl Fit {
    pub(crate) fn new(network: Network, device: Device, fold: usize) -> Self {
        Self {
            network,
            optimizer: AdamWConfig::new().with_weight_decay(DECAY).with_epsilon(EPSILON).init(),
            device,
            fold,
        }
    }

    /// One pass over `rows`; the mean loss, or none where `go_on` said no.
    pub(crate) fn epoch(
        &mut self,
        settings: &Settings,
        epoch: usize,
        rows: &[&Row],
        go_on: &mut dyn FnMut(Seen) -> bool,
    ) -> Result<Option<f64>, TrainingError> {
        // Each epoch draws anew from its own seed: one after an interruption is as one without.
        let mut stream = draws(settings, self.fold, epoch + 1);
        let order = shuffled(rows.len(), &mut stream);
        let steps = rows.len().div_ceil(settings.batch);
        let mut sum = 0.0;
        for (step, chosen) in order.chunks(settings.batch).enumerate() {
            let mut batch: Vec<&Row> = chosen.iter().map(|&row| rows[row]).collect();
            // Rows of like length together: what fills up the shorter is read for nothing.
            batch.sort_by_key(|row| row.input.length());
            let mut gradients = GradientsAccumulator::new();
            for rows in batch.chunks(ROWS_OF_A_THREAD * THREADS) {
                let parts = side_by_side(rows, |rows| {
                    // With a graph of its own, and with draws of its own: threads share nothing.
                    let network = self.network.clone().fork(&self.device);
                    let (device, mut stream) = (self.device.clone(), Stream::new(stream.seed(), Purpose::Training));
                    let share = rows.len() as f64 / batch.len() as f64;
                    move || {
                        let loss = losses(&network, rows, &device, Some(&mut stream)).mean() * share;
                        let value = scalar(&loss)?;
                        Ok((value, GradientsParams::from_grads(loss.backward(), &network)))
                    }
                })?;
                for (loss, of_part) in parts {
                    if !loss.is_finite() {
                        return Err(TrainingError::Diverged { fold: self.fold + 1, epoch: epoch + 1 });
                    }
                    sum += loss * batch.len() as f64;
                    gradients.accumulate(&self.network, of_part);
                }
            }
            let rate = settings.learning_rate * share(epoch * steps + step, settings.epochs * steps);
            self.network = self.optimizer.step(rate, self.network.clone(), gradients.grads());
            if !go_on(Seen::Rows(batch.len())) {
                return Ok(None);
            }
        }
        Ok(Some(sum / rows.len() as f64))
    }

    /// The mean loss of `rows` after so many epochs.
    pub(crate) fn loss(&self, epoch: usize, rows: &[&Row], batch: usize) -> Result<f64, TrainingError> {
        let (network, device) = (self.network.valid(), self.device.clone().inner());
        let mut sum = 0.0;
        for batch in rows.chunks(batch) {
            let parts = side_by_side(batch, |rows| || scalar(&losses(&network, rows, &device, None).sum()))?;
            sum += parts.into_iter().sum::<f64>();
        }
        if !sum.is_finite() {
            return Err(TrainingError::Diverged { fold: self.fold + 1, epoch });
        }
        Ok(sum / rows.len() as f64)
    }
}

/// What comes of parts of the rows, in their order, each on a thread of its own.
pub(crate) fn side_by_side<'a, Row, Of, Work>(
    rows: &'a [Row],
    mut work: impl FnMut(&'a [Row]) -> Work,
) -> Result<Vec<Of>, ModelError>
where
    Of: Send,
    Work: FnOnce() -> Result<Of, ModelError> + Send,
{
    thread::scope(|scope| {
        let threads: Vec<_> = rows.chunks(ROWS_OF_A_THREAD).map(|part| scope.spawn(work(part))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// What a judge draws from in an epoch, counted from 1; in 0, for new weights.
pub(crate) fn draws(settings: &Settings, fold: usize, epoch: usize) -> Stream {
    Stream::of_run(settings.seed, (fold * (settings.epochs + 1) + epoch) as u32, Purpose::Training)
}

/// What a network makes of rows, in `[0, 1]`.
pub(crate) fn values(network: &Network, rows: &[&Row], batch: usize, device: &Device) -> Result<Vec<f64>, ModelError> {
    let mut values = Vec::with_capacity(rows.len());
    for batch in rows.chunks(batch) {
        let parts = side_by_side(batch, |rows| || network::values(network.logits(&inputs(rows), device, None)))?;
        values.extend(parts.into_iter().flatten().map(|logit| 1.0 / (1.0 + (-f64::from(logit)).exp())));
    }
    Ok(values)
}

/// Cross entropy of each row with its target, `[rows]`.
fn losses(network: &Network, rows: &[&Row], device: &Device, stream: Option<&mut Stream>) -> Tensor<1> {
    let targets: Vec<f32> = rows.iter().map(|row| row.target).collect();
    let targets = Tensor::<1>::from_data(TensorData::new(targets, [rows.len()]), device);
    let logits = network.logits(&inputs(rows), device, stream);
    let yes = log_sigmoid(logits.clone()) * targets.clone();
    let no = log_sigmoid(logits.neg()) * (targets.neg() + 1.0);
    (yes + no).neg()
}

fn inputs<'a>(rows: &[&'a Row]) -> Vec<&'a Input> {
    rows.iter().map(|row| &row.input).collect()
}

fn scalar(tensor: &Tensor<1>) -> Result<f64, ModelError> {
    let values = network::values(tensor.clone())?;
    values.first().map(|&value| f64::from(value)).ok_or(ModelError::NotFinite("loss"))
}

/// Share of the highest rate at `step` of `steps`: it grows evenly, then falls evenly.
fn share(step: usize, steps: usize) -> f64 {
    let (step, steps) = (step as f64, steps as f64);
    let warm = (steps * WARM_UP).max(1.0);
    if step < warm { (step + 1.0) / (warm + 1.0) } else { (steps - step) / (steps - warm).max(1.0) }
}
