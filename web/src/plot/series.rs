//! How the running mean reward of each node settles.

use poq_core::report::NodeReport;
use yew::prelude::*;

use super::axis::{self, Frame};
use super::figure::Drawing;
use super::scale::Scale;
use super::{CLASSES, cut, labels, marks, px, text_width};
use crate::format;
use crate::protocol::Summary;

/// The lines of one role: `nodes` with the columns from `first` on of the report's series.
#[derive(Clone, Copy, Debug)]
pub struct Role<'a> {
    /// What it is called.
    pub title: &'a str,
    /// The nodes.
    pub nodes: &'a [NodeReport],
    /// Ids of the recorded nodes: they give each line its colour.
    pub models: &'a [&'a str],
    /// First column.
    pub first: usize,
    /// Whether the early points, which jump about, may leave the frame.
    pub cuts_start: bool,
}

const PANEL: f64 = 190.0;
/// More lines than this cannot be told apart.
const MAX_LINES: usize = 12;

/// The drawing: a panel for each role, beside one another where there is room.
#[must_use]
pub fn draw(roles: &[Role<'_>], rounds: &[u64], means: &[Vec<Option<f64>>], summary: &Summary, width: f64) -> Drawing {
    let columns = if width >= 640.0 { roles.len().max(1) } else { 1 };
    let panel_width = (width - 24.0 * (columns - 1) as f64) / columns as f64;
    let panels = roles.iter().enumerate().map(|(index, role)| {
        let (column, row) = (index % columns, index / columns);
        let at = format!("translate({},{})", px(column as f64 * (panel_width + 24.0)), px(row as f64 * (PANEL + 56.0)));
        html! { <g transform={at}>{ panel(role, rounds, means, summary, panel_width) }</g> }
    });
    let height = roles.len().div_ceil(columns) as f64 * (PANEL + 56.0);
    let description = rounds.last().map_or_else(
        || "No rounds yet.".to_owned(),
        |last| format!("Running means after up to {}.", format::counted(*last, "round", "rounds")),
    );
    Drawing { height, content: html! { <>{ for panels }</> }, description }
}

/// The range of some columns, perhaps of the later nine tenths alone.
fn range(means: &[Vec<Option<f64>>], columns: std::ops::Range<usize>, cuts_start: bool) -> (f64, f64) {
    let skipped = if cuts_start { means.len() / 10 } else { 0 };
    let of = |means: &'_ Vec<Option<f64>>| means.get(columns.clone()).unwrap_or_default().to_vec();
    let values = || means[skipped..].iter().flat_map(of).flatten();
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let pad = 0.06 * (high - low).max(0.02);
    (low - pad, high + pad)
}

fn panel(role: &Role<'_>, rounds: &[u64], means: &[Vec<Option<f64>>], summary: &Summary, width: f64) -> Html {
    let (low, high) = range(means, role.first..role.first + role.nodes.len(), role.cuts_start);
    let names: Vec<String> = role.nodes.iter().map(|node| summary.node_name(node)).collect();
    let room = names.iter().map(|name| text_width(name)).fold(40.0, f64::max).min(0.42 * width) + 18.0;
    let frame = Frame { left: 36.0, top: 34.0, right: width - room, bottom: PANEL };
    let x = Scale::linear(0.0, rounds.last().copied().unwrap_or(1) as f64, frame.left, frame.right).whole();
    let y = Scale::linear(low, high, frame.bottom, frame.top);
    let lines: Vec<(usize, String, f64)> = (0..role.nodes.len().min(MAX_LINES))
        .filter_map(|node| {
            let points: Vec<(f64, f64)> = rounds
                .iter()
                .zip(means)
                .filter_map(|(&round, means)| {
                    let mean = (*means.get(role.first + node)?)?;
                    Some((x.at(round as f64), y.at(mean).clamp(frame.top, frame.bottom)))
                })
                .collect();
            let &(_, end) = points.last()?;
            let path: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", px(x), px(y))).collect();
            Some((node, format!("M{}", path.join("L")), end))
        })
        .collect();
    let ends: Vec<f64> = lines.iter().map(|&(_, _, end)| end).collect();
    let at = labels::spread(&ends, 13.0, frame.top, frame.bottom);
    html! {
        <>
            { axis::below(frame, &x, 3, "rounds") }
            { axis::beside(frame, &y, 4, role.title) }
            { for lines.iter().zip(at).map(|((node, path, end), label)| {
                let class = role.models.iter().position(|id| *id == role.nodes[*node].model).unwrap_or(*node) % CLASSES;
                let label_x = frame.right + 12.0;
                html! {
                    <g>
                        <path class={classes!("line", format!("c{class}"))} d={path.clone()} />
                        { marks::marker(class, frame.right, *end, 3.5) }
                        <line class="leader" x1={px(frame.right + 4.0)} y1={px(*end)} x2={px(label_x - 1.0)} y2={px(label)} />
                        <text x={px(label_x)} y={px(label + 4.0)}>{ cut(&names[*node], room - 12.0) }</text>
                    </g>
                }
            }) }
            if role.nodes.len() > MAX_LINES {
                <text class="quiet" x={px(frame.left)} y={px(frame.top - 22.0)}>
                    { format!("the first {MAX_LINES} of {} nodes", format::count(role.nodes.len() as u64)) }
                </text>
            }
        </>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_leaves_the_first_jumps_out_and_is_never_empty() {
        let mut means: Vec<Vec<Option<f64>>> = (0..50).map(|_| vec![Some(0.4), None]).collect();
        means[0] = vec![Some(9.0), None];
        assert!(range(&means, 0..2, false).1 > 9.0);
        let (low, high) = range(&means, 0..2, true);
        assert!(low < 0.4 && high > 0.4 && high < 1.0);
        let (low, high) = range(&[], 0..2, true);
        assert!(Scale::linear(low, high, 0.0, 1.0).at(0.5).is_finite());
    }
}
