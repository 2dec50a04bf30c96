//! How well each evaluator tracks truth, for each kind of task; an inversion is marked by its sign and a word.

use poq_core::dataset::TaskKind;
use poq_core::report::EvaluatorAudit;
use poq_core::without::{Sign, Track, tracks_of};
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

/// A correlation with truth, with a word where it is turned over or its sign is not shown, told for all at once.
#[must_use]
pub fn correlation_words(track: &Track) -> String {
    let Some(number) = track.pearson_truth else {
        return "does not vary".to_owned();
    };
    match track.sign_truth {
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
    let tracks = tracks_of(audits, &summary.degrees);
    for (audit, tracks) in audits.iter().zip(tracks.chunk_by(|a, b| a.evaluator == b.evaluator)) {
        rows.push(html! {
            <text class="name halo" x="0" y={px(y + 14.0)}>{ cut(&summary.name_of(&audit.id), width) }</text>
        });
        y += NAME;
        for (kind, track) in of_kinds(audit, tracks) {
            rows.push(row(&summary.name_of(&audit.id), kind, track, &x, y, width));
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
    Drawing { height: y + 40.0, content, description: describe(&tracks, summary) }
}

/// The tracks of an evaluator on the kinds of task that there are.
fn of_kinds<'a>(audit: &'a EvaluatorAudit, tracks: &'a [Track]) -> impl Iterator<Item = (TaskKind, &'a Track)> {
    let there = audit.by_task_kind.iter().filter(|kind| kind.outputs > 0).map(|kind| kind.task_kind);
    there.filter_map(|kind| Some((kind, tracks.iter().find(|track| track.task_kind == Some(kind))?)))
}

fn row(name: &str, kind: TaskKind, track: &Track, x: &Scale, y: f64, width: f64) -> Html {
    let middle = y + LINE / 2.0;
    let (r, ci95, kind) = (track.pearson_truth, track.ci95_truth, kind_word(kind));
    let value = correlation_words(track);
    let interval =
        ci95.map(|[low, high]| format!(", for other prompts {} to {}", format::fixed(low, 2), format::fixed(high, 2)));
    let words = format!("{name}, {kind}: {value}{}", interval.unwrap_or_default());
    let is_inverted = track.sign_truth == Some(Sign::Inverted);
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

fn describe(tracks: &[Track], summary: &Summary) -> String {
    let named = |sign| {
        let are = tracks.iter().filter(|track| track.sign_truth == Some(sign));
        let names = are.filter_map(|track| {
            Some(format!("{} on {}", summary.name_of(&track.evaluator), kind_word(track.task_kind?)))
        });
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
    use poq_core::without::PromptDegrees;

    fn track(pearson: Option<f64>, sign: Sign) -> Track {
        Track {
            evaluator: "near".to_owned(),
            task_kind: Some(TaskKind::Qa),
            pearson_truth: pearson,
            ci95_truth: None,
            sign_truth: pearson.map(|_| sign),
            p_holm_truth: None,
            pearson_judge: None,
            ci95_judge: None,
            sign_judge: None,
            p_holm_judge: None,
        }
    }

    /// Nine correlations are told at once: an interval that is just clear of 0 by itself tells nothing of them.
    #[test]
    fn inversions_are_named() {
        let mut audits = fixture::report("{}").evaluator_audit;
        let mut summary = Summary::of(&fixture::dataset());
        // Three tasks are too few for intervals.
        summary.degrees = PromptDegrees { all: 20, by_kind: [20, 20] };
        let mut set = |width: f64| {
            for audit in &mut audits {
                for kind in &mut audit.by_task_kind {
                    let is_of_questions = kind.task_kind == TaskKind::Qa;
                    let near = |r: f64| [r - width, r + width].map(|r| r.clamp(-1.0, 1.0));
                    kind.ci95_truth = kind.pearson_truth.filter(|_| is_of_questions).map(near);
                }
            }
            describe(&tracks_of(&audits, &summary.degrees), &summary)
        };
        let words = set(0.01);
        assert!(words.starts_with("Inverted: Odd on questions. Unclear: Near on summaries"), "{words}");
        let odd = fixture::report("{}")
            .evaluator_audit
            .iter()
            .find(|audit| audit.id == "odd")
            .and_then(|odd| odd.by_task_kind.iter().find(|kind| kind.task_kind == TaskKind::Qa)?.pearson_truth);
        let words = set(0.99 * odd.expect("defined").abs());
        assert!(words.starts_with("No evaluator is surely inverted. Unclear: "), "{words}");
        assert_eq!(correlation_words(&track(Some(-0.12), Sign::Inverted)), "−0.12 inverted");
        assert_eq!(correlation_words(&track(Some(-0.12), Sign::NotShown)), "−0.12 unclear");
        assert_eq!(correlation_words(&track(Some(0.62), Sign::Follows)), "0.62");
        assert_eq!(correlation_words(&track(None, Sign::NotShown)), "does not vary");
    }
}
