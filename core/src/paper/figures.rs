//! Published figures beside those of a report.

use serde::{Deserialize, Serialize};

use super::profile::{
    EVALUATORS, GEMMA, GEMMA_PER_QWEN, LLAMA, LLAMA_PER_QWEN, LLAMA_REWARD, NODES, PHI, PHI_REWARD, POST, QWEN, STS,
    STS_JUDGE, STS_TRUTH,
};
use crate::Report;
use crate::report::{EvaluatorAudit, NodeReport};
use crate::stats::Interval;

/// How far a correlation or a reward may be from the published one, which has two digits. Assumed.
const TOLERANCE: f64 = 0.02;
/// How far a ratio may be from the published "about 7". Assumed.
const RATIO_TOLERANCE: f64 = 0.3;
/// Up to this, a correlation is near zero. Assumed.
const NEAR_ZERO: f64 = 0.1;

/// A published figure and what a report has in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is a figure of.
    pub name: String,
    /// Who published it.
    pub source: String,
    /// As it was published.
    pub wording: String,
    /// The published number, where there is one.
    pub published: Option<f64>,
    /// The smallest measured value that agrees with it: our reading (assumed).
    pub at_least: Option<f64>,
    /// The largest.
    pub at_most: Option<f64>,
    /// The report's value; none where it has not the nodes, or they never took part.
    pub measured: Option<f64>,
    /// The value's 95% interval for the luck of the draws, for a mean reward.
    pub ci95_monte_carlo: Option<Interval>,
    /// Measured less published.
    pub difference: Option<f64>,
    /// Whether the measured value is within the bounds.
    pub agrees: Option<bool>,
}

/// The published figures of arXiv 2512.16317 beside those of `report`, which may be of any dataset and scenario: nodes
/// are found by the ids of [`super::dataset()`], and only under the default scenario is that dataset fitted.
#[must_use]
pub fn figures(report: &Report) -> Vec<Figure> {
    let sts = audit(report, EVALUATORS[STS].id);
    let [llama, phi] = [LLAMA, PHI].map(|node| inference(report, NODES[node].id));
    let efficiency = |node: usize| inference(report, NODES[node].id).and_then(efficiency);
    let over_qwen = |node: usize| Some(efficiency(node)? / efficiency(QWEN).filter(|&qwen| qwen > 0.0)?);
    let mut figures = vec![
        about("STS-DistilRoBERTa: correlation with truth", STS_TRUTH, TOLERANCE, sts.and_then(|sts| sts.pearson_truth)),
        about(
            "STS-DistilRoBERTa: correlation with the judge",
            STS_JUDGE,
            TOLERANCE,
            sts.and_then(|sts| sts.pearson_judge),
        ),
    ];
    for evaluator in EVALUATORS.iter().filter(|evaluator| evaluator.kind == "cross_encoder") {
        let measured = audit(report, evaluator.id).and_then(|audit| audit.pearson_truth);
        let name = format!("{}: correlation with truth", evaluator.name);
        figures.push(bounded(name, "near zero or negative", None, Some(NEAR_ZERO), measured));
    }
    figures.extend([
        mean_reward("Llama-3.2-3B: mean reward", LLAMA_REWARD, llama),
        bounded(
            "Llama-3.2-3B: mean reward above that of the next best inference node".to_owned(),
            "the best",
            Some(0.0),
            None,
            llama.and_then(|llama| Some(llama.reward_mean? - best_reward(report, &llama.model)?)),
        ),
        mean_reward("Phi-3-mini: mean reward", PHI_REWARD, phi),
        about(
            "Llama-3.2-3B: quality per millisecond, times Qwen2-1.5B’s",
            LLAMA_PER_QWEN,
            RATIO_TOLERANCE,
            over_qwen(LLAMA),
        ),
        about(
            "Gemma-2-2B: quality per millisecond, times Qwen2-1.5B’s",
            GEMMA_PER_QWEN,
            RATIO_TOLERANCE,
            over_qwen(GEMMA),
        ),
        bounded(
            "cheapest evaluator: mean reward above that of the best inference node".to_owned(),
            "efficient evaluators earn as much as the best inference nodes",
            Some(-TOLERANCE),
            None,
            evaluators_lead(report),
        ),
    ]);
    figures
}

fn bounded(name: String, wording: &str, at_least: Option<f64>, at_most: Option<f64>, measured: Option<f64>) -> Figure {
    let agrees = measured
        .map(|measured| at_least.is_none_or(|least| measured >= least) && at_most.is_none_or(|most| measured <= most));
    Figure {
        name,
        source: POST.to_owned(),
        wording: wording.to_owned(),
        published: None,
        at_least,
        at_most,
        measured,
        ci95_monte_carlo: None,
        difference: None,
        agrees,
    }
}

fn about(name: &str, published: f64, tolerance: f64, measured: Option<f64>) -> Figure {
    let wording = if tolerance == RATIO_TOLERANCE { format!("about {published}") } else { format!("{published}") };
    Figure {
        published: Some(published),
        difference: measured.map(|measured| measured - published),
        ..bounded(name.to_owned(), &wording, Some(published - tolerance), Some(published + tolerance), measured)
    }
}

fn mean_reward(name: &str, published: f64, node: Option<&NodeReport>) -> Figure {
    Figure {
        ci95_monte_carlo: node.and_then(|node| node.ci95_monte_carlo),
        ..about(name, published, TOLERANCE, node.and_then(|node| node.reward_mean))
    }
}

fn audit<'a>(report: &'a Report, id: &str) -> Option<&'a EvaluatorAudit> {
    report.evaluator_audit.iter().find(|audit| audit.id == id)
}

/// The first instance of that recorded node.
fn inference<'a>(report: &'a Report, model: &str) -> Option<&'a NodeReport> {
    report.inference_nodes.iter().find(|node| node.model == model)
}

/// Mean truth per millisecond.
fn efficiency(node: &NodeReport) -> Option<f64> {
    node.quality_mean.filter(|_| node.latency_ms_mean > 0.0).map(|quality| quality / node.latency_ms_mean)
}

/// The best mean reward of the inference nodes that are not of `but_for`.
fn best_reward(report: &Report, but_for: &str) -> Option<f64> {
    report
        .inference_nodes
        .iter()
        .filter(|node| node.model != but_for)
        .filter_map(|node| node.reward_mean)
        .max_by(f64::total_cmp)
}

fn evaluators_lead(report: &Report) -> Option<f64> {
    let cheapest = report.evaluator_nodes.iter().min_by(|a, b| a.cost.total_cmp(&b.cost))?;
    Some(cheapest.reward_mean? - best_reward(report, "")?)
}
