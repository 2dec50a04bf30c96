//! Claim 3 of arXiv 2512.16317: whom the cost-aware reward pays more.

use super::readings::MATTERS;
use super::verdict::{Basis, Estimated, Found, Part, Reading};
use crate::Report;
use crate::dataset::Dataset;
use crate::report::NodeReport;
use crate::stats::Interval;

/// What intervals of mean rewards are for.
pub(super) const DRAWS_AND_PROMPTS: &str = "the luck of the draws and the choice of prompts together, at the widest";
/// Why the fitted dataset shows nothing of inference nodes.
const MADE_INFERENCE: &str = "Truth of all nodes was chosen, and latencies and scores were solved for or chosen, so \
                              that the published rewards come out.";
/// Nor of evaluators.
const MADE_EVALUATORS: &str = "The evaluators’ latencies were chosen, and with them their costs.";

/// The mean reward of the nodes that should earn more, less that of those that should earn less.
pub(super) fn rewards(dataset: &Dataset, report: &Report) -> Found {
    let Report { inference_nodes, evaluator_nodes, .. } = report;
    let quality = |node: &NodeReport| node.quality_mean.unwrap_or(0.0);
    let middle = median(&inference_nodes.iter().map(quality).collect::<Vec<_>>()).unwrap_or(0.0);
    let cost = median_cost(inference_nodes);
    let of_inference = lead(
        Side::of("inference nodes of more quality and less cost than the median", inference_nodes, |node| {
            quality(node) > middle && node.cost < cost
        }),
        Side::of("inference nodes of less quality and more cost than the median", inference_nodes, |node| {
            quality(node) < middle && node.cost > cost
        }),
        format!("more: by over {MATTERS} (assumed)"),
        report.scenario.reward.beta_inference,
    );
    let cost = median_cost(evaluator_nodes);
    let of_evaluators = lead(
        Side::of("evaluators that cost less than the median", evaluator_nodes, |node| node.cost < cost),
        Side::of("evaluators that cost more than the median", evaluator_nodes, |node| node.cost > cost),
        format!("efficient: cheap; more: by over {MATTERS} (assumed)"),
        report.scenario.reward.beta_evaluator,
    );
    let parts = match super::is_fitted(dataset) {
        true => {
            vec![of_inference.made(Basis::Fitted, MADE_INFERENCE), of_evaluators.made(Basis::Chosen, MADE_EVALUATORS)]
        }
        false => vec![of_inference, of_evaluators],
    };
    (parts, exceptions(report, middle))
}

pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let high = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { high } else { 0.5 * (sorted[middle - 1] + high) })
}

fn median_cost(nodes: &[NodeReport]) -> f64 {
    median(&nodes.iter().map(|node| node.cost).collect::<Vec<_>>()).unwrap_or(0.0)
}

/// Whether `node` surely earns less than each of the other `nodes` that were paid, of which there is one.
pub(super) fn earns_least(node: &NodeReport, nodes: &[NodeReport]) -> bool {
    all_others(node, nodes, |other| earns_less(node, other))
}

/// The same for most.
fn earns_most(node: &NodeReport, nodes: &[NodeReport]) -> bool {
    all_others(node, nodes, |other| earns_less(other, node))
}

fn all_others(node: &NodeReport, nodes: &[NodeReport], is_so: impl Fn(&NodeReport) -> bool) -> bool {
    let mut others = nodes.iter().filter(|other| other.model != node.model && other.reward_mean.is_some()).peekable();
    others.peek().is_some() && others.all(is_so)
}

/// Whether `less` surely earns less than `more`.
fn earns_less(less: &NodeReport, more: &NodeReport) -> bool {
    let gap = more.reward_mean.zip(less.reward_mean).map(|(more, less)| more - less);
    gap.zip(half_width(more)).zip(half_width(less)).is_some_and(|((gap, more), less)| gap > more + less)
}

/// Half the width of an interval of a mean reward for the luck of the draws and for the choice of prompts together.
pub(super) fn half_width(node: &NodeReport) -> Option<f64> {
    let mean = node.reward_mean?;
    let half = |[low, high]: Interval| (mean - low).max(high - mean);
    Some(libm::hypot(half(node.ci95_monte_carlo?), half(node.ci95_prompts?)))
}

/// Nodes that are compared with others.
struct Side<'a> {
    who: &'static str,
    nodes: Vec<&'a NodeReport>,
}

impl<'a> Side<'a> {
    /// Ids that are written out at most.
    const NAMED: usize = 5;

    fn of(who: &'static str, nodes: &'a [NodeReport], is_in: impl Fn(&NodeReport) -> bool) -> Self {
        Self { who, nodes: nodes.iter().filter(|node| is_in(node)).collect() }
    }

    fn title(&self) -> String {
        let ids: Vec<&str> = self.nodes.iter().take(Self::NAMED).map(|node| node.id.as_str()).collect();
        let more = self.nodes.len() - ids.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{} ({}{more})", self.who, ids.join(", "))
    }

    /// The mean of a value that every node has.
    fn mean(&self, value: impl Fn(&NodeReport) -> Option<f64>) -> Option<f64> {
        let values: Option<Vec<f64>> = self.nodes.iter().map(|node| value(node)).collect();
        values.filter(|values| !values.is_empty()).map(|values| values.iter().sum::<f64>() / values.len() as f64)
    }

    fn reward(&self) -> Option<f64> {
        self.mean(|node| node.reward_mean)
    }

    /// Half the width of an interval of [`Side::reward`] that is wide enough however the nodes' rewards hang together:
    /// the mean of the nodes' half widths.
    fn half_width(&self) -> Option<f64> {
        self.mean(half_width)
    }
}

/// The mean of one side's mean rewards, less that of the other's; and how much of it is that the reward takes `beta`
/// times their costs away. The half widths of their intervals add up, which again is wide enough whether or not the
/// sides are paid in the same rounds.
fn lead(more: Side<'_>, less: Side<'_>, reading: String, beta: f64) -> Part {
    let reading = Reading::above(MATTERS, reading);
    if let Some(side) = [&more, &less].into_iter().find(|side| side.nodes.is_empty()) {
        return Part::not_applicable(format!("The network has no {}.", side.who), reading, DRAWS_AND_PROMPTS);
    }
    let Some(value) = more.reward().zip(less.reward()).map(|(more, less)| more - less) else {
        return Part::not_applicable("Some of the nodes to compare were never paid.", reading, DRAWS_AND_PROMPTS);
    };
    let half = more.half_width().zip(less.half_width()).map(|(more, less)| more + less);
    let ci95 = half.map(|half| [value - half, value + half]);
    let by_cost = |side: &Side<'_>| beta * side.mean(|node| Some(node.cost)).unwrap_or(0.0);
    let by_cost = by_cost(&less) - by_cost(&more);
    let what = format!(
        "mean reward of {}, less that of {}; {by_cost:.3} of it is the cost that is taken away, {:.3} what is earned \
         before that",
        more.title(),
        less.title(),
        value - by_cost
    );
    Part::measured(what, reading, Estimated { value, ci95, degrees: None }, DRAWS_AND_PROMPTS)
}

/// The inference node that surely earns least, where its quality is not below the median; and the one that surely earns
/// most, where it is not above.
fn exceptions(report: &Report, median_quality: f64) -> Vec<String> {
    let nodes = &report.inference_nodes;
    let least = nodes.iter().find(|node| earns_least(node, nodes));
    let exception = |node: &NodeReport| {
        let (reward, quality) = (node.reward_mean?, node.quality_mean.filter(|&quality| quality >= median_quality)?);
        let before_cost =
            |node: &NodeReport| Some(node.reward_mean? + report.scenario.reward.beta_inference * node.cost);
        let own = before_cost(node)?;
        let others = nodes.iter().filter(|other| other.model != node.model).filter_map(before_cost);
        let by = if own > others.fold(f64::INFINITY, f64::min) {
            format!("before its cost of {:.2} is taken away, it does not", node.cost)
        } else {
            "the consensus on its answers is low".to_owned()
        };
        Some(format!(
            "{} earns least ({reward:.2}) although its quality ({quality:.1} of 10) is not below the median: {by}.",
            node.id
        ))
    };
    let most = nodes.iter().find(|node| earns_most(node, nodes));
    let reward_without_quality = |node: &NodeReport| {
        let (reward, quality) = (node.reward_mean?, node.quality_mean.filter(|&quality| quality <= median_quality)?);
        Some(format!(
            "{} earns most ({reward:.2}) although its quality ({quality:.1} of 10) is not above the median: its cost is \
             {:.2}.",
            node.id, node.cost
        ))
    };
    least.and_then(exception).into_iter().chain(most.and_then(reward_without_quality)).collect()
}
