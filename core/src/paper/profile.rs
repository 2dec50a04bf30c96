//! The numbers that the synthetic network is made from, and where each comes from.

use serde::{Deserialize, Serialize};

use super::Origin;
use super::fit::Fit;
use crate::dataset::JUDGE;

/// Where figures with numbers come from.
pub(super) const POST: &str = "authors’ post";

// Published figures: the authors' company [D], the paper [P], a third party's summary [3].

/// Prompts in all [3]. How they split between the kinds of task is not known: assumed half and half.
pub(super) const TASKS: u32 = 400;
/// Pearson correlation of STS-DistilRoBERTa's score with truth [D].
pub(super) const STS_TRUTH: f64 = 0.66;
/// Pearson correlation of STS-DistilRoBERTa's score with the GPT judge's [D].
pub(super) const STS_JUDGE: f64 = 0.29;
/// Mean reward of Llama-3.2-3B, the best of the inference nodes [D].
pub(super) const LLAMA_REWARD: f64 = 0.62;
/// Mean reward of Phi-3-mini [D].
pub(super) const PHI_REWARD: f64 = 0.13;
/// Quality per millisecond of Llama-3.2-3B over that of Qwen2-1.5B, "about" [D].
pub(super) const LLAMA_PER_QWEN: f64 = 7.0;
/// The same of Gemma-2-2B [D].
pub(super) const GEMMA_PER_QWEN: f64 = 7.0;

// Assumed.

/// Seed of every random number of the dataset.
pub(super) const SEED: u64 = 2512_16317;
/// Words of a reference and of an answer, so that truth goes in steps of 10 / 20.
pub(super) const REFERENCE_WORDS: u32 = 20;
/// Standard deviation of truth over tasks, for each node, before it is kept within 0 to 10.
pub(super) const TRUTH_SD: f64 = 2.0;
/// Share of that variance that is the task's, alike for all nodes: how hard it is.
pub(super) const DIFFICULTY_SHARE: f64 = 0.5;
/// Mean latency of Llama-3.2-3B, in milliseconds: it sets the absolute scale, on which no reward depends.
pub(super) const LLAMA_MS: f64 = 1200.0;
/// Standard deviation of the logarithm of a latency, over answers.
pub(super) const LATENCY_LOG_SD: f64 = 0.2;
/// Mean level of the judge's scores.
pub(super) const JUDGE_LEVEL: f64 = 6.0;

/// Positions in [`NODES`].
pub(super) const QWEN: usize = 1;
/// As [`QWEN`].
pub(super) const GEMMA: usize = 2;
/// As [`QWEN`].
pub(super) const LLAMA: usize = 3;
/// As [`QWEN`].
pub(super) const PHI: usize = 4;
/// Position in [`EVALUATORS`].
pub(super) const STS: usize = 2;
/// Position in [`EVALUATORS`] of the judge, which is last.
pub(super) const THE_JUDGE: usize = 3;

/// What makes an inference node.
pub(super) struct NodeProfile {
    pub id: &'static str,
    pub name: &'static str,
    /// Parameters, as the model's name has them; Phi-3-mini's by its makers (arXiv 2404.14219).
    pub billions: f64,
    /// Mean truth before it is kept within 0 to 10 and rounded to whole words. Assumed.
    pub truth_mean: f64,
    pub latency: Latency,
    /// Points that all evaluators give its answers beyond what truth explains. Assumed; for Phi-3-mini, fitted.
    pub favour: Option<f64>,
}

/// What a node's mean latency follows from.
pub(super) enum Latency {
    /// That many times Llama-3.2-3B's. Assumed.
    Times(f64),
    /// Such that quality per millisecond is that many times Llama-3.2-3B's. Fitted.
    Efficiency(f64),
}

/// The inference nodes. Phi-3-mini is taken for the slowest: at a cost of 1 its published reward takes a consensus of
/// 6.3, which is Llama-3.2-3B's; a much quicker one would have to be scored far below all others by evaluators that
/// barely tell nodes apart.
pub(super) const NODES: [NodeProfile; 5] = [
    NodeProfile {
        id: "tinyllama-1.1b",
        name: "TinyLlama-1.1B",
        billions: 1.1,
        truth_mean: 2.6,
        latency: Latency::Times(3.5),
        favour: Some(0.0),
    },
    NodeProfile {
        id: "qwen2-1.5b",
        name: "Qwen2-1.5B",
        billions: 1.5,
        truth_mean: 3.2,
        latency: Latency::Efficiency(1.0 / LLAMA_PER_QWEN),
        favour: Some(0.0),
    },
    NodeProfile {
        id: "gemma-2-2b",
        name: "Gemma-2-2B",
        billions: 2.0,
        truth_mean: 5.2,
        latency: Latency::Efficiency(GEMMA_PER_QWEN / LLAMA_PER_QWEN),
        // As efficient as Llama-3.2-3B, it would earn as much; but that one is published as the best.
        favour: Some(-0.3),
    },
    NodeProfile {
        id: "llama-3.2-3b",
        name: "Llama-3.2-3B",
        billions: 3.0,
        truth_mean: 5.6,
        latency: Latency::Times(1.0),
        favour: Some(0.0),
    },
    NodeProfile {
        id: "phi-3-mini",
        name: "Phi-3-mini",
        billions: 3.8,
        truth_mean: 4.6,
        latency: Latency::Times(5.5),
        favour: None,
    },
];

/// What makes an evaluator or the judge.
pub(super) struct EvaluatorProfile {
    pub id: &'static str,
    pub name: &'static str,
    pub kind: &'static str,
    /// Pearson correlation of its scores with truth that the fit must give, and where that number comes from.
    pub pearson_truth: (f64, Origin),
    /// Mean score less the fitted common level; the judge's, in itself. Assumed.
    pub offset: f64,
    /// Standard deviation of what neither truth nor the answering node explains. Assumed.
    pub noise_sd: f64,
    /// Mean latency in milliseconds. Assumed.
    pub latency_ms: f64,
}

/// The evaluators, then the judge.
pub(super) const EVALUATORS: [EvaluatorProfile; 4] = [
    EvaluatorProfile {
        id: "ce-minilm",
        name: "CE-MiniLM",
        kind: "cross_encoder",
        // Published as near zero or negative.
        pearson_truth: (0.02, Origin::Assumed),
        offset: 0.5,
        noise_sd: 0.5,
        latency_ms: 8.0,
    },
    EvaluatorProfile {
        id: "ce-deberta",
        name: "CE-DeBERTa",
        kind: "cross_encoder",
        pearson_truth: (-0.10, Origin::Assumed),
        offset: 0.3,
        noise_sd: 0.5,
        latency_ms: 45.0,
    },
    EvaluatorProfile {
        id: "sts-distilroberta",
        name: "STS-DistilRoBERTa",
        kind: "bi_encoder",
        pearson_truth: (STS_TRUTH, Origin::Published),
        offset: -0.8,
        noise_sd: 0.9,
        latency_ms: 11.0,
    },
    EvaluatorProfile {
        id: "gpt-judge",
        name: "GPT judge",
        kind: JUDGE,
        // What makes the published 0.29 if judge and STS-DistilRoBERTa agree through truth alone.
        pearson_truth: (STS_JUDGE / STS_TRUTH, Origin::Fitted),
        offset: JUDGE_LEVEL,
        noise_sd: 1.0,
        latency_ms: 900.0,
    },
];

/// One number of the synthetic network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Number {
    /// Id of the node or evaluator that it belongs to; `all` for one of all.
    pub of: String,
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its unit; empty for a pure number.
    pub unit: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The source, the figure that it is fitted to, or why it is assumed so.
    pub because: String,
}

/// Every number that the synthetic network is made from.
#[must_use]
pub fn numbers() -> Vec<Number> {
    use Origin::{Assumed, Fitted, Published};
    let fit = Fit::new();
    let mut list = List(Vec::new());
    list.add("all", "tasks", f64::from(TASKS), "", Published, "third party’s summary");
    list.add("all", "share of qa tasks", 0.5, "", Assumed, "the split is not known; profiles are alike for both kinds");
    list.add("all", "seed of the random numbers", SEED as f64, "", Assumed, "any would do");
    list.add(
        "all",
        "words of a reference",
        f64::from(REFERENCE_WORDS),
        "",
        Assumed,
        "truth goes in steps of half a point",
    );
    list.add("all", "sd of truth over tasks", TRUTH_SD, "points", Assumed, "not known");
    list.add("all", "share of its variance due to the task", DIFFICULTY_SHARE, "", Assumed, "not known");
    list.add("all", "sd of the logarithm of a latency", LATENCY_LOG_SD, "", Assumed, "not known");
    let because = "the reward of Llama-3.2-3B, 0.62, under the default scenario";
    for (node, published) in [(LLAMA, LLAMA_REWARD), (PHI, PHI_REWARD)] {
        list.add(NODES[node].id, "mean reward aimed at", published, "", Published, POST);
    }
    for (node, published) in [(LLAMA, LLAMA_PER_QWEN), (GEMMA, GEMMA_PER_QWEN)] {
        list.add(NODES[node].id, "quality per millisecond aimed at", published, "times Qwen2-1.5B’s", Published, POST);
    }
    list.add(EVALUATORS[STS].id, "correlation with the judge aimed at", STS_JUDGE, "", Published, POST);
    list.add("all", "common level of scores", fit.level, "points", Fitted, because);
    for (position, node) in NODES.iter().enumerate() {
        let because = if position == PHI { "its makers" } else { "its name" };
        list.add(node.id, "parameters", node.billions, "billions", Published, because);
        list.add(node.id, "mean truth asked for", node.truth_mean, "points", Assumed, "not known");
        let (origin, because) = match node.latency {
            Latency::Efficiency(_) => {
                (Fitted, "quality per millisecond of Llama-3.2-3B and Gemma-2-2B, about 7 times Qwen2-1.5B’s")
            }
            Latency::Times(_) if position == LLAMA => (Assumed, "sets the scale, on which no reward depends"),
            Latency::Times(_) if position == PHI => {
                (Assumed, "the slowest: its reward then takes a consensus like that of Llama-3.2-3B")
            }
            Latency::Times(_) => (Assumed, "slow, as small ones are said to be"),
        };
        list.add(node.id, "mean latency", fit.latencies_ms[position], "ms", origin, because);
        let (origin, because) = match node.favour {
            None => (Fitted, "the reward of Phi-3-mini, 0.13, under the default scenario"),
            Some(0.0) => (Assumed, "none, for want of a reason"),
            Some(_) => (Assumed, "so that Llama-3.2-3B, which is as efficient, earns most"),
        };
        list.add(node.id, "evaluators’ favour beyond truth", fit.favours[position], "points", origin, because);
    }
    for (position, evaluator) in EVALUATORS.iter().enumerate() {
        let (pearson, origin) = evaluator.pearson_truth;
        let because = match origin {
            Published => POST,
            Fitted => "its correlation with STS-DistilRoBERTa, 0.29, if they agree through truth alone",
            Assumed => "published as near zero or negative; the value is chosen",
        };
        list.add(evaluator.id, "correlation with truth", pearson, "", origin, because);
        let because = "that correlation, given the noise";
        list.add(evaluator.id, "points of score for a point of truth", fit.loadings[position], "", Fitted, because);
        let level = if position == THE_JUDGE { "mean score" } else { "mean score above the common level" };
        list.add(evaluator.id, level, evaluator.offset, "points", Assumed, "not known");
        list.add(evaluator.id, "sd of noise", evaluator.noise_sd, "points", Assumed, "not known");
        list.add(evaluator.id, "mean latency", evaluator.latency_ms, "ms", Assumed, "by the sizes of such models");
    }
    list.0
}

struct List(Vec<Number>);

impl List {
    fn add(&mut self, of: &str, name: &str, value: f64, unit: &str, origin: Origin, because: &str) {
        let [of, name, unit, because] = [of, name, unit, because].map(str::to_owned);
        self.0.push(Number { of, name, value, unit, origin, because });
    }
}
