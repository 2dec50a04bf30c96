//! How well each evaluator tracks truth, for each kind of task; an inversion is marked by its sign and a word.

use poq_core::dataset::TaskKind;
use poq_core::report::EvaluatorAudit;
use yew::prelude::*;

use super::axis::{self, Frame};
use super::figure::Drawing;
use super::marks;
use super::scale::Scale;
use super::{cut, px};
use crate::format;
use crate::protocol::Summary;

const NAME: f64 = 20.0;
const LINE: f64 = 20.0;
const KIND_WIDTH: f64 = 74.0;
const VALUE_WIDTH: f64 = 104.0;

/// A kind of task in a word.
#[must_use]
pub fn kind_word(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Qa => "questions",
        TaskKind::Summarization => "summaries",
    }
}

/// A correlation with its sign in words where it is turned over.
#[must_use]
pub fn correlation_words(r: Option<f64>) -> String {
    match r {
        None => "does not vary".to_owned(),
        Some(r) if r <= -0.005 => format!("{} inverted", format::fixed(r, 2)),
        Some(r) => format::fixed(r, 2),
    }
}

/// The drawing.
#[must_use]
pub fn draw(audits: &[EvaluatorAudit], summary: &Summary, width: f64) -> Drawing {
    let (left, right) = (KIND_WIDTH, width - VALUE_WIDTH);
    let x = Scale::linear(-1.0, 1.0, left, right);
    let is_wide = right - left > 260.0;
    let top = if is_wide { 24.0 } else { 4.0 };
    let mut y = top;
    let mut rows = Vec::new();
    for audit in audits {
        rows.push(html! {
            <text class="name halo" x="0" y={px(y + 14.0)}>{ cut(&summary.name_of(&audit.id), width) }</text>
        });
        y += NAME;
        for kind in audit.by_task_kind.iter().filter(|kind| kind.outputs > 0) {
            rows.push(row(&summary.name_of(&audit.id), kind.task_kind, kind.pearson_truth, &x, y, width));
            y += LINE;
        }
        y += 6.0;
    }
    let frame = Frame { left, top, right, bottom: y };
    let zero = px(x.at(0.0));
    let content = html! {
        <>
            { axis::below(frame, &x, if is_wide { 4 } else { 2 }, "correlation r of score with truth") }
            <line class="zero" x1={zero.clone()} x2={zero} y1={px(frame.top)} y2={px(frame.bottom)} />
            if is_wide {
                <g aria-hidden="true">
                    <text class="tick" x={px(left)} y="14">{ "← runs against truth" }</text>
                    <text class="tick" x={px(right)} y="14" text-anchor="end">{ "follows truth →" }</text>
                </g>
            }
            { for rows }
        </>
    };
    Drawing { height: y + 40.0, content, description: describe(audits, summary) }
}

fn row(name: &str, kind: TaskKind, r: Option<f64>, x: &Scale, y: f64, width: f64) -> Html {
    let middle = y + LINE / 2.0;
    let words = format!("{name}, {}: {}", kind_word(kind), correlation_words(r));
    let is_inverted = r.is_some_and(|r| r <= -0.005);
    html! {
        <g class="point" data-point="" tabindex="-1" role="img" aria-label={words.clone()}>
            <title>{ words }</title>
            <rect class="hit" x="0" y={px(y)} width={px(width)} height={px(LINE)} />
            <text class="quiet" x="8" y={px(middle + 4.0)}>{ kind_word(kind) }</text>
            if let Some(r) = r {
                <line class={classes!("stem", is_inverted.then_some("inverted"))} x1={px(x.at(0.0))} x2={px(x.at(r))}
                    y1={px(middle)} y2={px(middle)} />
                { marks::marker(if is_inverted { 1 } else { 0 }, x.at(r), middle, 4.5) }
            }
            <text class={classes!("value", is_inverted.then_some("inverted"))} x={px(width - VALUE_WIDTH + 12.0)}
                y={px(middle + 4.0)}>
                { correlation_words(r) }
            </text>
        </g>
    }
}

fn describe(audits: &[EvaluatorAudit], summary: &Summary) -> String {
    let inverted: Vec<String> = audits
        .iter()
        .flat_map(|audit| audit.by_task_kind.iter().map(move |kind| (audit, kind)))
        .filter(|(_, kind)| kind.pearson_truth.is_some_and(|r| r <= -0.005))
        .map(|(audit, kind)| format!("{} on {}", summary.name_of(&audit.id), kind_word(kind.task_kind)))
        .collect();
    if inverted.is_empty() {
        return "No evaluator is inverted.".to_owned();
    }
    format!("Inverted: {}.", inverted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn inversions_are_named() {
        let report = fixture::report("{}");
        let words = describe(&report.evaluator_audit, &Summary::of(&fixture::dataset()));
        assert!(words.contains("Odd on questions") && !words.contains("Near"), "{words}");
        assert_eq!(correlation_words(Some(-0.12)), "−0.12 inverted");
        assert_eq!(correlation_words(Some(-0.001)), "0.00");
        assert_eq!(correlation_words(None), "does not vary");
    }
}
