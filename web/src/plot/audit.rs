//! How well each evaluator tracks truth, for each kind of task; an inversion is marked by its sign and a word.

use poq_core::dataset::TaskKind;
use poq_core::report::{EvaluatorAudit, KindAudit};
use poq_core::stats::Interval;
use poq_core::without::Sign;
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

/// A correlation, with a word where it is turned over or where its interval holds 0.
#[must_use]
pub fn correlation_words(r: Option<f64>, ci95: Option<Interval>) -> String {
    let Some(number) = r else {
        return "does not vary".to_owned();
    };
    match Sign::of(r, ci95) {
        Some(sign @ (Sign::Inverted | Sign::NotShown)) => format!("{} {}", format::fixed(number, 2), sign.words()),
        Some(Sign::Follows) | None => format::fixed(number, 2),
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
            rows.push(row(&summary.name_of(&audit.id), kind, &x, y, width));
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

fn row(name: &str, kind: &KindAudit, x: &Scale, y: f64, width: f64) -> Html {
    let middle = y + LINE / 2.0;
    let (r, ci95, kind) = (kind.pearson_truth, kind.ci95_truth, kind_word(kind.task_kind));
    let value = correlation_words(r, ci95);
    let interval =
        ci95.map(|[low, high]| format!(", for other prompts {} to {}", format::fixed(low, 2), format::fixed(high, 2)));
    let words = format!("{name}, {kind}: {value}{}", interval.unwrap_or_default());
    let is_inverted = Sign::of(r, ci95) == Some(Sign::Inverted);
    html! {
        <g class="point" data-point="" tabindex="-1" role="img" aria-label={words.clone()}>
            <title>{ words }</title>
            <rect class="hit" x="0" y={px(y)} width={px(width)} height={px(LINE)} />
            <text class="quiet" x="8" y={px(middle + 4.0)}>{ kind }</text>
            if let Some([low, high]) = ci95 {
                <rect class="prompts" x={px(x.at(low))} y={px(middle - 1.0)} width={px((x.at(high) - x.at(low)).max(1.0))} height="2" />
            }
            if let Some(r) = r {
                { marks::marker(if is_inverted { 1 } else { 0 }, x.at(r), middle, 4.5) }
            }
            <text class={classes!("value", is_inverted.then_some("inverted"))} x={px(width - VALUE_WIDTH + 12.0)}
                y={px(middle + 4.0)}>
                { value }
            </text>
        </g>
    }
}

fn describe(audits: &[EvaluatorAudit], summary: &Summary) -> String {
    let named = |sign| {
        let kinds = audits.iter().flat_map(|audit| audit.by_task_kind.iter().map(move |kind| (audit, kind)));
        let are = kinds.filter(|(_, kind)| Sign::of(kind.pearson_truth, kind.ci95_truth) == Some(sign));
        let names = are.map(|(audit, kind)| format!("{} on {}", summary.name_of(&audit.id), kind_word(kind.task_kind)));
        names.collect::<Vec<_>>().join(", ")
    };
    let inverted = match &named(Sign::Inverted)[..] {
        "" => "No evaluator is surely inverted.".to_owned(),
        names => format!("Inverted: {names}."),
    };
    match &named(Sign::NotShown)[..] {
        "" => inverted,
        names => format!("{inverted} Unclear: {names}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use poq_core::dataset::TaskKind;

    #[test]
    fn inversions_are_named() {
        let mut report = fixture::report("{}");
        // Three tasks are too few for intervals.
        for audit in &mut report.evaluator_audit {
            for kind in &mut audit.by_task_kind {
                let is_of_questions = kind.task_kind == TaskKind::Qa;
                let near = |r: f64| [r - 0.01, r + 0.01].map(|r| r.clamp(-1.0, 1.0));
                kind.ci95_truth = kind.pearson_truth.filter(|_| is_of_questions).map(near);
            }
        }
        let words = describe(&report.evaluator_audit, &Summary::of(&fixture::dataset()));
        assert!(words.starts_with("Inverted: Odd on questions. Unclear: Near on summaries"), "{words}");
        // One that may be either is told, not counted among those that are not inverted.
        let mut audits = report.evaluator_audit.clone();
        for kind in audits.iter_mut().flat_map(|audit| &mut audit.by_task_kind) {
            (kind.pearson_truth, kind.ci95_truth) = (Some(0.1), Some([-0.1, 0.3]));
        }
        let words = describe(&audits, &Summary::of(&fixture::dataset()));
        assert!(
            words.starts_with("No evaluator is surely inverted. Unclear: ") && words.contains("Near on "),
            "{words}"
        );
        assert_eq!(correlation_words(Some(-0.12), Some([-0.2, -0.01])), "−0.12 inverted");
        assert_eq!(correlation_words(Some(-0.12), None), "−0.12 unclear");
        assert_eq!(correlation_words(Some(-0.12), Some([-0.3, 0.1])), "−0.12 unclear");
        assert_eq!(correlation_words(Some(0.12), Some([-0.1, 0.3])), "0.12 unclear");
        assert_eq!(correlation_words(Some(0.62), Some([0.5, 0.7])), "0.62");
        assert_eq!(correlation_words(None, None), "does not vary");
    }
}
