//! The fit: the numbers that published figures determine, solved for on the very sample that becomes the dataset.
//!
//! The score of an answer with truth `t` by node `f` is `level + offset_m + b_m (t - mean t) + g_f + sd_m e`, where
//! `g_f`, how much all evaluators favour node `f`, has its part along truth taken out, and `e` is noise made
//! orthogonal, over the sample, to truth, to which node answered, and to the other evaluators' noise. So the
//! correlation of a score with truth is what `b_m` is solved for in closed form, and the mean consensus of a node,
//! hence its expected reward with K = 3 of three evaluators and the mean rule, holds no noise.

use super::profile::{
    DIFFICULTY_SHARE, EVALUATORS, LATENCY_LOG_SD, LLAMA, LLAMA_MS, LLAMA_REWARD, Latency, NODES, PHI, PHI_REWARD,
    REFERENCE_WORDS, SEED, TASKS, THE_JUDGE, TRUTH_SD,
};
use crate::dataset::RecordedScore;
use crate::reward::consensus_for;
use crate::rng::{Purpose, Stream};
use crate::scenario::Scenario;

/// Answers of the dataset, laid out as `[task, node]`.
const ANSWERS: usize = TASKS as usize * NODES.len();
/// Steps of a fixed point at most; each shrinks the error tenfold or better.
const STEPS: u32 = 50;

/// What is solved for, and the sample that it is solved on.
pub(super) struct Fit {
    /// By inference node: mean latency in milliseconds.
    pub latencies_ms: [f64; NODES.len()],
    /// By inference node: points that all evaluators give beyond truth.
    pub favours: [f64; NODES.len()],
    /// Level of the evaluators' scores.
    pub level: f64,
    /// By evaluator, then the judge: points of score for a point of truth.
    pub loadings: [f64; EVALUATORS.len()],
    /// Laid out as `[task, node]`.
    pub answers: Vec<Answer>,
}

/// A synthetic answer.
pub(super) struct Answer {
    /// Words that it shares with the reference.
    pub words: u32,
    pub latency_ms: f64,
    pub scores: [RecordedScore; EVALUATORS.len()],
}

impl Fit {
    pub(super) fn new() -> Self {
        let mut random = Stream::new(SEED, Purpose::FittedDataset);
        let words = draw_words(&mut random);
        let truth =
            Truth::of(words.iter().map(|&words| 10.0 * f64::from(words) / f64::from(REFERENCE_WORDS)).collect());
        let latencies_ms = fit_latencies(&truth);
        let noise = orthogonal_noise(&truth, &mut random);
        let favours = fit_favours(&truth, &latencies_ms);
        let slopes = Slopes::new(&truth, &favours);
        let level = wanted_consensus(LLAMA_REWARD, LLAMA, &latencies_ms) - slopes.consensus(&truth, &favours, LLAMA);
        let mean_favour = mean(&favours);

        let latencies: Vec<Vec<f64>> = latencies_ms.iter().map(|&ms| jitter(&mut random, TASKS as usize, ms)).collect();
        let evaluation_latencies = EVALUATORS.map(|evaluator| jitter(&mut random, ANSWERS, evaluator.latency_ms));
        let answers = words
            .iter()
            .enumerate()
            .map(|(index, &words)| {
                let (task, node) = (index / NODES.len(), index % NODES.len());
                let scores = std::array::from_fn(|evaluator| {
                    let profile = &EVALUATORS[evaluator];
                    let common = if evaluator == THE_JUDGE { 0.0 } else { level + favours[node] - mean_favour };
                    let raw = common
                        + profile.offset
                        + slopes.loadings[evaluator] * (truth.values[index] - truth.mean)
                        + profile.noise_sd * noise[evaluator][index];
                    RecordedScore {
                        raw: rounded(raw.clamp(0.0, 10.0)),
                        latency_ms: rounded(evaluation_latencies[evaluator][index]),
                    }
                });
                Answer { words, latency_ms: rounded(latencies[node][task]), scores }
            })
            .collect();
        Self { latencies_ms, favours, level, loadings: slopes.loadings, answers }
    }
}

/// To a thousandth, so that rows stay short.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// By answer: words that it shares with the reference.
fn draw_words(random: &mut Stream) -> Vec<u32> {
    let mut words = Vec::with_capacity(ANSWERS);
    let (task_sd, own_sd) = (TRUTH_SD * DIFFICULTY_SHARE.sqrt(), TRUTH_SD * (1.0 - DIFFICULTY_SHARE).sqrt());
    for _ in 0..TASKS {
        let ease = task_sd * random.normal();
        for node in &NODES {
            let truth = (node.truth_mean + ease + own_sd * random.normal()).clamp(0.0, 10.0);
            words.push((truth / 10.0 * f64::from(REFERENCE_WORDS)).round() as u32);
        }
    }
    words
}

/// `count` latencies with that mean, log-normal.
fn jitter(random: &mut Stream, count: usize, mean_ms: f64) -> Vec<f64> {
    let factors: Vec<f64> = (0..count).map(|_| libm::exp(LATENCY_LOG_SD * random.normal())).collect();
    let scale = mean_ms / mean(&factors);
    factors.iter().map(|factor| factor * scale).collect()
}

/// Truth of the sample.
struct Truth {
    /// By answer, in `[0, 10]`.
    values: Vec<f64>,
    mean: f64,
    variance: f64,
    /// By node.
    node_means: [f64; NODES.len()],
}

impl Truth {
    fn of(values: Vec<f64>) -> Self {
        let mean = mean(&values);
        let variance = dot(&values, &values) / values.len() as f64 - mean * mean;
        let node_means =
            std::array::from_fn(|node| values.iter().skip(node).step_by(NODES.len()).sum::<f64>() / f64::from(TASKS));
        Self { values, mean, variance, node_means }
    }
}

/// Closed form, from the sample's mean truth: `t_f / latency_f = ratio * t_llama / latency_llama`.
fn fit_latencies(truth: &Truth) -> [f64; NODES.len()] {
    let llama_efficiency = truth.node_means[LLAMA] / LLAMA_MS;
    std::array::from_fn(|node| match NODES[node].latency {
        Latency::Times(times) => times * LLAMA_MS,
        Latency::Efficiency(ratio) => truth.node_means[node] / (ratio * llama_efficiency),
    })
}

/// The mean consensus at which that node's expected reward is `reward` under the default scenario.
fn wanted_consensus(reward: f64, node: usize, latencies_ms: &[f64]) -> f64 {
    let Scenario { reward: weights, cost_normalization, .. } = Scenario::default();
    let cost = cost_normalization.costs(latencies_ms)[node];
    consensus_for(reward, weights.alpha_inference, weights.beta_inference, cost).expect("by default, quality pays")
}

/// By evaluator, then the judge: noise with mean 0 for each node, variance 1, no correlation with truth within a node
/// or with each other (Gram-Schmidt).
fn orthogonal_noise(truth: &Truth, random: &mut Stream) -> [Vec<f64>; EVALUATORS.len()] {
    let mut basis: Vec<Vec<f64>> = (0..NODES.len())
        .map(|node| (0..ANSWERS).map(|index| f64::from(u8::from(index % NODES.len() == node))).collect())
        .collect();
    basis.push(residual(truth.values.clone(), &basis));
    EVALUATORS.map(|_| {
        let mut noise = residual((0..ANSWERS).map(|_| random.normal()).collect(), &basis);
        let sd = (dot(&noise, &noise) / ANSWERS as f64).sqrt();
        noise.iter_mut().for_each(|value| *value /= sd);
        basis.push(noise.clone());
        noise
    })
}

/// `vector` less its projection on each of `basis`, which are orthogonal to each other.
fn residual(mut vector: Vec<f64>, basis: &[Vec<f64>]) -> Vec<f64> {
    for direction in basis {
        let along = dot(&vector, direction) / dot(direction, direction);
        vector.iter_mut().zip(direction).for_each(|(value, direction)| *value -= along * direction);
    }
    vector
}

/// How scores follow truth, given how evaluators favour nodes.
struct Slopes {
    /// By evaluator, then the judge: points of score for a point of truth, the answering node being the same.
    loadings: [f64; EVALUATORS.len()],
}

impl Slopes {
    /// A score is `b t + g' + sd e`, three parts without correlation, `g'` being favour less its part along truth. It
    /// correlates by `r` with truth where `b^2 var t = r^2 / (1 - r^2) * (var g' + sd^2)`.
    fn new(truth: &Truth, favours: &[f64; NODES.len()]) -> Self {
        let n = NODES.len() as f64;
        let mean_favour = mean(favours);
        let variance = favours.iter().map(|favour| (favour - mean_favour) * (favour - mean_favour)).sum::<f64>() / n;
        let covariance = favours
            .iter()
            .zip(truth.node_means)
            .map(|(favour, truth_mean)| (favour - mean_favour) * (truth_mean - truth.mean))
            .sum::<f64>()
            / n;
        let along_truth = covariance / truth.variance;
        let left = variance - along_truth * covariance;
        let loadings = std::array::from_fn(|evaluator| {
            let profile = &EVALUATORS[evaluator];
            let (pearson, _) = profile.pearson_truth;
            let (along_truth, left) = if evaluator == THE_JUDGE { (0.0, 0.0) } else { (along_truth, left) };
            let unexplained = left + profile.noise_sd * profile.noise_sd;
            pearson * (unexplained / ((1.0 - pearson * pearson) * truth.variance)).sqrt() - along_truth
        });
        Self { loadings }
    }

    /// The mean consensus on a node's answers less the common level: the mean over all evaluators.
    fn consensus(&self, truth: &Truth, favours: &[f64; NODES.len()], node: usize) -> f64 {
        let offset = mean(&EVALUATORS[..THE_JUDGE].iter().map(|profile| profile.offset).collect::<Vec<_>>());
        offset + mean(&self.loadings[..THE_JUDGE]) * (truth.node_means[node] - truth.mean) + favours[node]
            - mean(favours)
    }
}

/// Phi-3-mini's favour, at which its reward is the published one where Llama-3.2-3B's is too: a fixed point, for the
/// loadings depend a little on it.
fn fit_favours(truth: &Truth, latencies_ms: &[f64]) -> [f64; NODES.len()] {
    let wanted = wanted_consensus(PHI_REWARD, PHI, latencies_ms) - wanted_consensus(LLAMA_REWARD, LLAMA, latencies_ms);
    let mut favours = NODES.map(|node| node.favour.unwrap_or(0.0));
    for _ in 0..STEPS {
        let slopes = Slopes::new(truth, &favours);
        let gap = slopes.consensus(truth, &favours, PHI) - slopes.consensus(truth, &favours, LLAMA);
        favours[PHI] += wanted - gap;
        if (wanted - gap).abs() < 1e-12 {
            break;
        }
    }
    favours
}
