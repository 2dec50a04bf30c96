//! Quality against cost: consensus, which is paid for, and truth over latency, with the lines along which an inference
//! node earns the same. The lines are for the consensus; a thin segment leads from it to the truth.

use poq_core::Report;
use poq_core::report::NodeReport;
use poq_core::reward::consensus_for;
use yew::prelude::*;

use super::axis::{self, Frame};
use super::figure::Drawing;
use super::labels::{self, Area, LINE};
use super::marks;
use super::scale::{Scale, tick_text};
use super::{cut, px, text_width};
use crate::format;
use crate::protocol::Summary;

/// Nodes that stand on the same point.
#[derive(Clone, Debug, PartialEq)]
struct Point {
    label: String,
    model: usize,
    latency_ms: f64,
    truth: f64,
    /// Mean consensus on its answers, where its pay tells it.
    consensus: Option<f64>,
    reward: Option<f64>,
}

impl Point {
    /// Where its marker stands: what it is paid for, or its truth where quality does not pay.
    fn quality(&self) -> f64 {
        self.consensus.unwrap_or(self.truth)
    }
}

/// Latencies are drawn from here on: below it no clock tells them apart.
const FLOOR_MS: f64 = 1e-3;
/// Points named at most; the table names them all.
const MAX_LABELS: usize = 16;

/// From here on the points have their names beside them, not in a list below.
const WIDE: f64 = 420.0;
/// Tops of the truth axis: the least that leaves room above the best node.
const TOPS: [f64; 5] = [2.0, 4.0, 6.0, 8.0, 10.0];

/// The drawing.
#[must_use]
pub fn draw(report: &Report, summary: &Summary, width: f64) -> Drawing {
    let points = points(report, summary);
    let height = (0.72 * width).clamp(260.0, 400.0);
    let frame = Frame { left: 30.0, top: 28.0, right: width - 12.0, bottom: height - 42.0 };
    let latencies = || points.iter().map(|point| point.latency_ms.max(FLOOR_MS));
    let (low, high) = (latencies().fold(f64::INFINITY, f64::min), latencies().fold(0.0, f64::max));
    let room = (high / low).max(1.0).powf(0.12).max(1.3);
    let x = Scale::log(low / room, high * room, frame.left, frame.right);
    let best = points.iter().map(|point| point.truth.max(point.quality())).fold(0.0, f64::max);
    let top = TOPS.into_iter().find(|&top| top >= 1.25 * best).unwrap_or(10.0);
    let y = Scale::linear(0.0, top, frame.bottom, frame.top);

    let named = &points[..points.len().min(MAX_LABELS)];
    let at: Vec<(f64, f64)> =
        named.iter().map(|point| (x.at(point.latency_ms.max(FLOOR_MS)), y.at(point.quality()))).collect();
    let mut taken: Vec<Area> = at.iter().map(labels::marker).collect();
    let (names, list_height) = if width >= WIDE {
        let areas = areas_beside(named, &at, frame);
        taken.extend(&areas);
        (areas.iter().zip(named).zip(&at).map(|((area, point), &at)| label(area, &point.label, at)).collect(), 0.0)
    } else {
        names_below(named, height, width)
    };
    let lines = equal_reward_lines(report, (&x, &y), frame, top, &taken);
    let content = html! {
        <>
            { axis::below(frame, &x, (width / 80.0) as usize, "mean latency, ms (log)") }
            { axis::beside(frame, &y, 5, if points.iter().any(|point| point.consensus.is_some()) {
                "mean consensus, of 10; a line to the truth"
            } else {
                "truth, of 10"
            }) }
            { for lines.iter().map(EqualReward::draw) }
            { for points.iter().rev().map(|point| mark(point, &x, &y)) }
            { names }
        </>
    };
    Drawing { height: height + list_height, content, description: describe(&points) }
}

fn areas_beside(named: &[Point], at: &[(f64, f64)], frame: Frame) -> Vec<Area> {
    let widths: Vec<f64> = named.iter().map(|point| text_width(&point.label) + 4.0).collect();
    let inner = Area {
        x: frame.left,
        y: frame.top - 8.0,
        width: frame.right - frame.left + 10.0,
        height: frame.bottom - frame.top + 8.0,
    };
    labels::beside(at, &widths, inner)
}

/// A list under the axis, and its height.
fn names_below(named: &[Point], top: f64, width: f64) -> (Html, f64) {
    const ROW: f64 = 18.0;
    let rows = named.iter().enumerate().map(|(index, point)| {
        let middle = top + 8.0 + (index as f64 + 0.5) * ROW;
        html! {
            <g aria-hidden="true">
                { marks::marker(point.model, 8.0, middle, 5.0) }
                <text x="20" y={px(middle + 4.0)}>{ cut(&point.label, width - 20.0) }</text>
            </g>
        }
    });
    (rows.collect(), 8.0 + named.len() as f64 * ROW)
}

fn points(report: &Report, summary: &Summary) -> Vec<Point> {
    let mut points: Vec<(Point, u64)> = Vec::new();
    for node in &report.inference_nodes {
        let Some(truth) = node.quality_mean else { continue };
        let model = summary.inference.iter().position(|entry| entry.id == node.model).unwrap_or(0);
        let same = |(point, _): &&mut (Point, u64)| {
            point.model == model && point.truth == truth && point.latency_ms == node.latency_ms_mean
        };
        if let Some((_, count)) = points.iter_mut().find(same) {
            *count += 1;
            continue;
        }
        let point = Point {
            label: summary.node_name(node),
            model,
            latency_ms: node.latency_ms_mean,
            truth,
            consensus: mean_consensus(report, node),
            reward: node.reward_mean,
        };
        points.push((point, 1));
    }
    points
        .into_iter()
        .map(|(point, count)| {
            if count == 1 {
                return point;
            }
            let name =
                summary.inference.get(point.model).map_or(point.label.clone(), |entry| summary.name_of(&entry.id));
            Point { label: format!("{name} ×{}", format::count(count)), ..point }
        })
        .collect()
}

/// The mean consensus on a node's answers: its reward is a straight line in it. None where quality does not pay.
#[must_use]
pub fn mean_consensus(report: &Report, node: &NodeReport) -> Option<f64> {
    let weights = report.scenario.reward;
    consensus_for(node.reward_mean?, weights.alpha_inference, weights.beta_inference, node.cost)
}

fn mark(point: &Point, x: &Scale, y: &Scale) -> Html {
    let consensus =
        point.consensus.map_or_else(String::new, |mean| format!("mean consensus {}, ", format::number(mean)));
    let words = format!(
        "{}: {consensus}truth {}, latency {} ms, mean reward {}",
        point.label,
        format::number(point.truth),
        format::number(point.latency_ms),
        format::mean(point.reward)
    );
    let (at_x, truth) = (x.at(point.latency_ms.max(FLOOR_MS)), y.at(point.truth));
    html! {
        <g class="point" data-point="" tabindex="-1" role="img" aria-label={words.clone()}>
            <title>{ words }</title>
            if point.consensus.is_some() {
                <path class="to-truth" d={format!("M{},{}V{}m-4,0h8", px(at_x), px(y.at(point.quality())), px(truth))} />
            }
            { marks::marker(point.model, at_x, y.at(point.quality()), 5.5) }
        </g>
    }
}

fn label(area: &Area, text: &str, (x, y): (f64, f64)) -> Html {
    let middle = area.y + area.height / 2.0;
    let far = (middle - y).abs() > 1.5 * LINE;
    // From the point to the nearer end of the label.
    let end = x.clamp(area.x, area.x + area.width);
    let near_y = if middle < y { area.y + area.height } else { area.y };
    html! {
        <g aria-hidden="true">
            if far {
                <line class="leader" x1={px(x)} y1={px(y)} x2={px(end)} y2={px(near_y)} />
            }
            <text class="halo" x={px(area.x + 2.0)} y={px(middle + 4.0)}>{ text.to_owned() }</text>
        </g>
    }
}

struct EqualReward {
    path: String,
    text: String,
    label: Area,
}

impl EqualReward {
    fn draw(&self) -> Html {
        html! {
            <g aria-hidden="true">
                <path class="equal" d={self.path.clone()} />
                <text class="equal-label" x={px(self.label.x)} y={px(self.label.y + 11.0)}>{ self.text.clone() }</text>
            </g>
        }
    }
}

/// The lines for round rewards between the least and the most that the frame shows, named where nothing is `taken`.
fn equal_reward_lines(
    report: &Report,
    (x, y): (&Scale, &Scale),
    frame: Frame,
    top: f64,
    taken: &[Area],
) -> Vec<EqualReward> {
    let weights = report.scenario.reward;
    let (alpha, beta) = (weights.alpha_inference, weights.beta_inference);
    let pool: Vec<f64> = report.inference_nodes.iter().map(|node| node.latency_ms_mean).collect();
    let rule = report.scenario.cost_normalization;
    let consensus = |reward: f64, at: f64| consensus_for(reward, alpha, beta, rule.cost_of(x.value(at), &pool));
    let (rewards, decimals) = Scale::linear(-beta, alpha * top / 10.0, 0.0, 1.0).ticks(6);
    let mut lines: Vec<EqualReward> = Vec::new();
    for reward in rewards {
        let steps = ((frame.right - frame.left) / 3.0) as usize;
        let on_line = (0..=steps).filter_map(|step| {
            let at = frame.left + (frame.right - frame.left) * step as f64 / steps as f64;
            let consensus = consensus(reward, at)?;
            (0.0..=top).contains(&consensus).then(|| (at, y.at(consensus)))
        });
        let on_line: Vec<(f64, f64)> = on_line.collect();
        let (Some(&(first_x, first_y)), true) = (on_line.first(), on_line.len() > 1) else { continue };
        let text = format!("reward {}", tick_text(reward, decimals));
        // Where it enters the frame, on the side that keeps the text within.
        let width = text_width(&text);
        let left = if first_x + width + 8.0 > frame.right { first_x - width - 4.0 } else { first_x + 4.0 };
        let top = if first_y - LINE < frame.top { first_y + 2.0 } else { first_y - LINE };
        let label = Area { x: left, y: top, width, height: LINE - 2.0 };
        let crowded = lines.iter().map(|line| &line.label).chain(taken).any(|other| other.overlaps(&label));
        let points: Vec<String> = on_line.iter().map(|&(x, y)| format!("{},{}", px(x), px(y))).collect();
        lines.push(EqualReward {
            path: format!("M{}", points.join("L")),
            text: if crowded { String::new() } else { text },
            label: if crowded { Area { width: 0.0, height: 0.0, ..label } } else { label },
        });
    }
    lines
}

fn describe(points: &[Point]) -> String {
    let by = |key: fn(&Point) -> f64| points.iter().max_by(|a, b| key(a).total_cmp(&key(b)));
    let (Some(best), Some(slowest)) = (by(|point| point.truth), by(|point| point.latency_ms)) else {
        return "No inference node.".to_owned();
    };
    format!(
        "{} has the highest truth, {}; {} is the slowest, {} ms.",
        best.label,
        format::number(best.truth),
        slowest.label,
        format::number(slowest.latency_ms)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn instances_on_the_same_point_are_counted() {
        let report = fixture::report(
            r#"{"network": {"inference": [{"model": "quick", "count": 3}, {"model": "slow", "latency_factor": 2}]}}"#,
        );
        let points = points(&report, &Summary::of(&fixture::dataset()));
        let labels: Vec<&str> = points.iter().map(|point| point.label.as_str()).collect();
        assert_eq!(labels, ["Quick node ×3", "Slow node"]);
    }

    #[test]
    fn a_node_stands_at_its_consensus_on_the_line_of_its_reward_with_a_segment_to_its_truth() {
        let summary = Summary::of(&fixture::dataset());
        let report = fixture::report(r#"{"reward": {"alpha_inference": 0.8, "beta_inference": 0.3}}"#);
        let points = points(&report, &summary);
        for (point, node) in points.iter().zip(&report.inference_nodes) {
            // reward = 0.8 c / 10 - 0.3 cost, by hand.
            let consensus = 10.0 * (node.reward_mean.expect("paid") + 0.3 * node.cost) / 0.8;
            assert!((point.consensus.expect("quality pays") - consensus).abs() < 1e-12);
            assert!((0.0..=10.0).contains(&point.quality()) && Some(point.truth) == node.quality_mean);
        }
        assert!(points.iter().any(|point| (point.quality() - point.truth).abs() > 0.5), "{points:?}");
        let unpaid = points_of(r#"{"reward": {"alpha_inference": 0}}"#);
        assert!(unpaid.iter().all(|point| point.consensus.is_none() && point.quality() == point.truth));
    }

    fn points_of(scenario: &str) -> Vec<Point> {
        points(&fixture::report(scenario), &Summary::of(&fixture::dataset()))
    }

    #[test]
    fn lines_of_equal_reward_fall_out_where_quality_does_not_pay() {
        let (frame, summary) =
            (Frame { left: 0.0, top: 0.0, right: 300.0, bottom: 200.0 }, Summary::of(&fixture::dataset()));
        let (x, y) = (Scale::log(1.0, 100.0, 0.0, 300.0), Scale::linear(0.0, 10.0, 200.0, 0.0));
        let lines = |scenario: &str| equal_reward_lines(&fixture::report(scenario), (&x, &y), frame, 10.0, &[]).len();
        assert!(lines("{}") > 3);
        assert_eq!(lines(r#"{"reward": {"alpha_inference": 0}}"#), 0);
        assert!(draw(&fixture::report("{}"), &summary, 320.0).height > 0.0);
    }
}
