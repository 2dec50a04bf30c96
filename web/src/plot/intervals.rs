//! Who earns what: a dot for the mean, a thick bar for the luck of the draws, a thin one for the choice of prompts.

use poq_core::report::{AttackerReport, NodeReport};
use poq_core::stats::Interval;
use serde::{Deserialize, Serialize};
use yew::prelude::*;

use super::axis::{self, Frame};
use super::figure::Drawing;
use super::scale::Scale;
use super::{cut, px, text_width};
use crate::format;
use crate::protocol::Summary;
use crate::study::sheet::Measure;

/// One node's row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name for people.
    pub name: String,
    /// Mean reward.
    pub mean: Option<f64>,
    /// 95% interval for the luck of the draws.
    pub monte_carlo: Option<Interval>,
    /// 95% interval for the choice of prompts.
    pub prompts: Option<Interval>,
    /// Times paid.
    pub rounds: u64,
    /// The mean at which it would break even, where there is money.
    pub break_even: Option<f64>,
}

/// The rows of one role, the best paid first; nodes that were not paid yet stand last.
#[must_use]
pub fn rows(nodes: &[NodeReport], summary: &Summary) -> Vec<Row> {
    let mut rows: Vec<Row> = nodes
        .iter()
        .map(|node| Row {
            name: summary.node_name(node),
            mean: node.reward_mean,
            monte_carlo: node.ci95_monte_carlo,
            prompts: node.ci95_prompts,
            rounds: node.rounds,
            break_even: node.break_even_reward,
        })
        .collect();
    sort(&mut rows);
    rows
}

/// The gains of attackers, the largest first.
#[must_use]
pub fn gains(attackers: &[AttackerReport], nodes: &[NodeReport], summary: &Summary) -> Vec<Row> {
    let mut rows: Vec<Row> = attackers
        .iter()
        .map(|attacker| {
            let node = nodes.iter().find(|node| node.id == attacker.id);
            Row {
                name: format!(
                    "{}, {}",
                    node.map_or_else(|| attacker.id.clone(), |node| summary.node_name(node)),
                    attacker.kind.replace('_', " ")
                ),
                mean: attacker.gain_mean,
                monte_carlo: attacker.ci95_monte_carlo,
                prompts: attacker.ci95_prompts,
                rounds: node.map_or(0, |node| node.rounds),
                break_even: None,
            }
        })
        .collect();
    sort(&mut rows);
    rows
}

/// The largest first, those without a value last.
pub fn sort(rows: &mut [Row]) {
    let key = |row: &Row| row.mean.unwrap_or(f64::NEG_INFINITY);
    rows.sort_by(|a, b| key(b).total_cmp(&key(a)));
}

/// More rows than this are cut to the best and the least paid.
const MAX_ROWS: usize = 24;
const VALUE_WIDTH: f64 = 56.0;
/// From here on names stand beside their bars, not above them.
const WIDE: f64 = 420.0;

/// The drawing of some named groups of rows.
#[must_use]
pub fn draw<T: AsRef<str>>(groups: &[(T, Vec<Row>)], measure: &Measure, axis_words: &str, width: f64) -> Drawing {
    let is_wide = width >= WIDE;
    let names = groups.iter().flat_map(|(_, rows)| shown(rows)).map(|row| text_width(&row.name));
    let name_width = if is_wide { names.fold(60.0, f64::max).min(0.47 * width) + 12.0 } else { 0.0 };
    let (left, right) = (name_width + 6.0, width - VALUE_WIDTH - 6.0);
    let row_height = if is_wide { 26.0 } else { 40.0 };

    let mut tops = Vec::new();
    let mut y = 0.0;
    for (_, rows) in groups {
        tops.push(y);
        y += 28.0 + shown(rows).count() as f64 * row_height + if hidden(rows) > 0 { 18.0 } else { 0.0 } + 6.0;
    }
    let frame = Frame { left, top: 4.0, right, bottom: y };
    let scale = domain(groups, left, right);
    let zero = scale.at(0.0);
    let decimals = decimals(groups);
    let content = html! {
        <>
            { axis::below(frame, &scale, ((right - left) / 48.0).clamp(2.0, 10.0) as usize, axis_words) }
            <line class="zero" x1={px(zero)} x2={px(zero)} y1={px(frame.top)} y2={px(frame.bottom)} />
            { for groups.iter().zip(tops).map(|((title, rows), top)| {
                group(title.as_ref(), rows, top, &scale, measure, Layout { row_height, name_width, width, decimals })
            }) }
        </>
    };
    Drawing { height: y + 40.0, content, description: describe(groups) }
}

/// The columns and rows of the drawing.
#[derive(Clone, Copy)]
struct Layout {
    row_height: f64,
    name_width: f64,
    width: f64,
    decimals: i32,
}

/// As many decimals for every value, so that they stand under one another: three digits for the largest.
fn decimals<T>(groups: &[(T, Vec<Row>)]) -> i32 {
    let largest =
        groups.iter().flat_map(|(_, rows)| rows).filter_map(|row| row.mean).fold(0.0, |a: f64, b| a.max(b.abs()));
    if largest > 0.0 { (2 - largest.log10().floor() as i32).clamp(0, 6) } else { 2 }
}

/// The best paid and the least paid where there are too many.
fn shown(rows: &[Row]) -> impl Iterator<Item = &Row> {
    let half = MAX_ROWS / 2;
    let all = rows.len() <= MAX_ROWS;
    rows.iter()
        .enumerate()
        .filter(move |&(index, _)| all || index < half || index + half >= rows.len())
        .map(|(_, row)| row)
}

fn hidden(rows: &[Row]) -> usize {
    rows.len().saturating_sub(MAX_ROWS)
}

fn domain<T>(groups: &[(T, Vec<Row>)], left: f64, right: f64) -> Scale {
    let (mut low, mut high) = (0.0_f64, 0.0_f64);
    for row in groups.iter().flat_map(|(_, rows)| rows) {
        let intervals = [row.monte_carlo, row.prompts].into_iter().flatten().flatten();
        for value in intervals.chain(row.mean).chain(row.break_even) {
            // An interval from two values may be hundreds wide: it is cut at the frame, not the others squeezed.
            low = low.min(value.max(-4.0 * row.mean.unwrap_or(0.0).abs() - 2.0));
            high = high.max(value.min(4.0 * row.mean.unwrap_or(0.0).abs() + 2.0));
        }
    }
    let pad = 0.03 * (high - low);
    Scale::linear(if low < 0.0 { low - pad } else { 0.0 }, if high > 0.0 { high + pad } else { 0.0 }, left, right)
}

fn group(title: &str, rows: &[Row], top: f64, scale: &Scale, measure: &Measure, layout: Layout) -> Html {
    let gap = hidden(rows);
    let mut y = top + 28.0;
    let mut drawn = Vec::new();
    for (index, row) in shown(rows).enumerate() {
        if gap > 0 && index == MAX_ROWS / 2 {
            drawn.push(html! {
                <text class="quiet" x="0" y={px(y + 12.0)}>
                    { format!("… {} more in the table …", format::count(gap as u64)) }
                </text>
            });
            y += 18.0;
        }
        drawn.push(row_of(row, y, scale, measure, layout));
        y += layout.row_height;
    }
    html! {
        <g>
            <text class="group-title halo" x="0" y={px(top + 18.0)}>{ title.to_owned() }</text>
            { for drawn }
        </g>
    }
}

fn row_of(row: &Row, y: f64, scale: &Scale, measure: &Measure, layout: Layout) -> Html {
    let Layout { row_height: height, name_width, width, decimals } = layout;
    let is_wide = name_width > 0.0;
    let middle = if is_wide { y + height / 2.0 } else { y + height - 12.0 };
    let (name_y, name_room) = if is_wide { (middle + 4.0, name_width) } else { (y + 14.0, width) };
    let low = scale.value(name_width + 6.0);
    let high = scale.value(width - VALUE_WIDTH - 6.0);
    let bar = |interval: Option<Interval>, class: &'static str, thickness: f64| {
        interval.map(|[from, to]| {
            let (from, to) = (scale.at(from.clamp(low, high)), scale.at(to.clamp(low, high)));
            html! {
                <rect class={class} x={px(from)} y={px(middle - thickness / 2.0)} width={px((to - from).max(1.0))}
                    height={px(thickness)} />
            }
        })
    };
    let words = words(row, measure);
    html! {
        <g class="point" data-point="" tabindex="-1" role="img" aria-label={words.clone()}>
            <title>{ words }</title>
            <rect class="hit" x="0" y={px(y)} width={px(width)} height={px(height)} />
            <text class="halo" x="0" y={px(name_y)}>{ cut(&row.name, name_room) }</text>
            { bar(row.prompts, "prompts", 2.0) }
            { bar(row.monte_carlo, "monte-carlo", 12.0) }
            if let Some(at) = row.break_even.filter(|at| (low..=high).contains(at)) {
                <text class="break-even" x={px(scale.at(at))} y={px(middle - 5.0)} text-anchor="middle" aria-hidden="true">{ "▾" }</text>
            }
            if let Some(mean) = row.mean {
                <circle class="dot" cx={px(scale.at(mean))} cy={px(middle)} r="2.5" />
            }
            <text class="value" x={px(width)} y={px(middle + 4.0)} text-anchor="end">
                { row.mean.map_or_else(|| no_value(row.rounds).to_owned(), |mean| format::fixed(mean, decimals)) }
            </text>
        </g>
    }
}

fn no_value(rounds: u64) -> &'static str {
    if rounds == 0 { "no rounds" } else { "no value" }
}

fn words(row: &Row, measure: &Measure) -> String {
    let Row { name, mean, monte_carlo, prompts, rounds, break_even } = row;
    let Some(mean) = mean else {
        return format!("{name}: {}", no_value(*rounds));
    };
    let money = match break_even {
        Some(break_even) if break_even > mean => format!("; below break-even at {}", format::number(*break_even)),
        Some(break_even) => format!("; above break-even at {}", format::number(*break_even)),
        None => String::new(),
    };
    let [one, many] = &measure.counted;
    let mut words =
        format!("{name}: {} {} over {}", measure.name, format::number(*mean), format::counted(*rounds, one, many));
    for (what, interval) in [(&measure.monte_carlo, monte_carlo), (&measure.prompts, prompts)] {
        if !what.is_empty() {
            words.push_str(&format!("; for {what} {}", format::interval(*interval, *rounds)));
        }
    }
    words + &money
}

fn describe<T: AsRef<str>>(groups: &[(T, Vec<Row>)]) -> String {
    let best = |(title, rows): &(T, Vec<Row>)| {
        let (title, first) = (title.as_ref(), rows.first()?);
        Some(format!("{title}: the largest of {} is {}, {}", rows.len(), first.name, format::mean(first.mean)))
    };
    groups.iter().filter_map(best).collect::<Vec<_>>().join(". ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn rows_are_sorted_and_speak() {
        let report = fixture::report("{}");
        let rows = rows(&report.inference_nodes, &Summary::of(&fixture::dataset()));
        assert!(rows[0].mean > rows[1].mean);
        let words = words(&rows[0], &Measure::paid("mean reward"));
        assert!(words.starts_with("Quick node: mean reward 0."), "{words}");
    }

    #[test]
    fn many_rows_are_cut_to_both_ends() {
        let row = |index: usize| Row {
            name: format!("n{index}"),
            mean: Some(-(index as f64)),
            monte_carlo: None,
            prompts: None,
            rounds: 1,
            break_even: None,
        };
        let rows: Vec<Row> = (0..100).map(row).collect();
        let names: Vec<&str> = shown(&rows).map(|row| row.name.as_str()).collect();
        assert_eq!((names.len(), names[11], names[12], hidden(&rows)), (24, "n11", "n88", 76));
    }
}
