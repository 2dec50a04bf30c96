//! Consensus against truth: squares whose area is the number of answers, the fitted line, and where both agree.

use poq_core::Report;
use yew::prelude::*;

use super::axis::{self, Frame};
use super::figure::Drawing;
use super::px;
use super::scale::Scale;
use crate::format;

/// The drawing; `open` is called with the round (from 0) of the square that is chosen.
#[must_use]
pub fn draw(report: &Report, open: &Callback<u64>, width: f64) -> Drawing {
    let plots = &report.plots;
    let bins = plots.density.len().max(1);
    let side = (width - 42.0).min(420.0);
    let frame = Frame { left: 30.0, top: 28.0, right: 30.0 + side, bottom: 28.0 + side };
    let x = Scale::linear(0.0, 10.0, frame.left, frame.right);
    let y = Scale::linear(0.0, 10.0, frame.bottom, frame.top);
    let most = plots.density.iter().flatten().copied().max().unwrap_or(0).max(1);
    let cell = side / bins as f64;
    let squares = plots.density_rounds.iter().map(|&[column, row, round]| {
        let count = plots.density.get(column as usize).and_then(|rows| rows.get(row as usize)).copied().unwrap_or(0);
        let size = (cell - 1.0) * (f64::from(count) / f64::from(most)).sqrt();
        square(
            Square { column, row, round, count, cell, size: size.max(2.0) },
            (frame.left + f64::from(column) * cell, frame.bottom - f64::from(row + 1) * cell),
            open,
        )
    });
    let content = html! {
        <>
            { axis::below(frame, &x, 5, "truth, 0 to 10") }
            { axis::beside(frame, &y, 5, "consensus, 0 to 10") }
            <line class="agree" x1={px(frame.left)} y1={px(frame.bottom)} x2={px(frame.right)} y2={px(frame.top)} />
            { for squares }
            { fit(report, &x, &y) }
        </>
    };
    Drawing { height: frame.bottom + 42.0, content, description: describe(report) }
}

#[derive(Clone, Copy)]
struct Square {
    column: u32,
    row: u32,
    round: u32,
    count: u32,
    cell: f64,
    size: f64,
}

fn square(square: Square, (left, top): (f64, f64), open: &Callback<u64>) -> Html {
    let Square { column, row, round, count, cell, size } = square;
    let number = u64::from(round);
    let half_points = |bin: u32| format!("{} to {}", f64::from(bin) / 2.0, f64::from(bin + 1) / 2.0);
    let words = format!(
        "truth {}, consensus {}: {}; open round {}",
        half_points(column),
        half_points(row),
        format::counted(u64::from(count), "answer", "answers"),
        format::count(number + 1)
    );
    let inset = (cell - size) / 2.0;
    let onclick = open.reform(move |_: MouseEvent| number);
    let onkeydown = {
        let open = open.clone();
        move |event: KeyboardEvent| {
            if matches!(event.key().as_str(), "Enter" | " ") {
                event.prevent_default();
                open.emit(number);
            }
        }
    };
    html! {
        <g class="point opens" data-point="" tabindex="-1" role="button" aria-label={words.clone()} {onclick} {onkeydown}>
            <title>{ words }</title>
            <rect class="hit" x={px(left)} y={px(top)} width={px(cell)} height={px(cell)} />
            <rect class="square" x={px(left + inset)} y={px(top + inset)} width={px(size)} height={px(size)} />
        </g>
    }
}

/// The least-squares line, within the frame.
fn fit(report: &Report, x: &Scale, y: &Scale) -> Html {
    let Some([intercept, slope]) = report.mechanism.fit_consensus_truth else {
        return Html::default();
    };
    let inside = |truth: f64| (intercept + slope * truth).clamp(0.0, 10.0);
    html! {
        <g aria-hidden="true">
            <line class="fit" x1={px(x.at(0.0))} y1={px(y.at(inside(0.0)))} x2={px(x.at(10.0))} y2={px(y.at(inside(10.0)))} />
            <text class="fit-label" x={px(x.at(10.0))} y={px(y.at(10.0) - 10.0)} text-anchor="end">
                { report.mechanism.pearson_consensus_truth.map(|r| format!("— fit, r = {}", format::fixed(r, 2))) }
            </text>
        </g>
    }
}

fn describe(report: &Report) -> String {
    let mechanism = &report.mechanism;
    format!(
        "Over {}: correlation r = {}, rank correlation {}.",
        format::counted(report.plots.density_answers, "answer", "answers"),
        format::optional(mechanism.pearson_consensus_truth),
        format::optional(mechanism.spearman_consensus_truth)
    )
}
