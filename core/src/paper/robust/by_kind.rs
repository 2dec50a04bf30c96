//! Claim 3 of the study: how well an evaluator tracks truth varies by kind of task and can invert. From the recorded
//! scores alone.

use crate::Scenario;
use crate::dataset::{Dataset, JUDGE, TaskKind};
use crate::families::{LEVEL, holm_of_known, p_of_correlation};
use crate::paper::findings::{pair_sums, resampled_pearson};
use crate::paper::readings::{DIRECTION, NEAR_ZERO};
use crate::paper::verdict::{Basis, Estimated, Found, PROMPTS, Part, Reading};
use crate::paper::{is_fitted, resamplings};
use crate::stats::{self, Interval};

/// Why the fitted dataset shows nothing of the claim.
const MADE: &str = "The profiles are alike for both kinds of task by construction, so that a difference is the luck \
                    of the sample, and how far below zero a cross encoder’s correlation is was chosen.";

/// The correlation of an evaluator's scores with truth on tasks of some kind, and its bootstrap replicates.
struct Tracking<'a> {
    id: &'a str,
    kind: TaskKind,
    pearson: f64,
    resampled: Vec<Option<f64>>,
}

impl Tracking<'_> {
    fn title(&self) -> String {
        format!("{} on {} ({:.2})", self.id, kind_name(self.kind), self.pearson)
    }
}

fn kind_name(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Qa => "questions",
        TaskKind::Summarization => "summaries",
    }
}

/// The largest difference between an evaluator's correlations with truth on two kinds of task, and the lowest
/// correlation of any. Both are picked among many: their intervals hold for all that they are picked from at once
/// (Bonferroni).
pub(super) fn by_task_kind(scenario: &Scenario, dataset: &Dataset) -> Found {
    let trackings = trackings(scenario, dataset);
    let parts = vec![varies(&trackings), inverts(&trackings)];
    let parts = match is_fitted(dataset) {
        true => parts.into_iter().map(|part| part.made(Basis::Chosen, MADE)).collect(),
        false => parts,
    };
    (parts, signs(&trackings).into_iter().collect())
}

fn at_once(what: &str) -> String {
    format!("{PROMPTS}, for {what} at once")
}

fn varies(trackings: &[Tracking<'_>]) -> Part {
    let mut differences: Vec<(&Tracking<'_>, &Tracking<'_>)> = Vec::new();
    for (index, a) in trackings.iter().enumerate() {
        for b in trackings[..index].iter().filter(|b| b.id == a.id) {
            differences.push(if a.pearson > b.pearson { (a, b) } else { (b, a) });
        }
    }
    let widest = differences.iter().max_by(|x, y| (x.0.pearson - x.1.pearson).total_cmp(&(y.0.pearson - y.1.pearson)));
    let reading = Reading::above(NEAR_ZERO, format!("varies: by more than {NEAR_ZERO} (assumed)"));
    let Some((more, less)) = widest else {
        let why = "No evaluator’s correlation with truth is defined on two kinds of task.";
        return Part::not_applicable(why, reading, PROMPTS);
    };
    let resampled = more.resampled.iter().zip(&less.resampled).filter_map(|(more, less)| Some((*more)? - (*less)?));
    let value = Estimated {
        value: more.pearson - less.pearson,
        ci95: simultaneous(resampled, differences.len()),
        degrees: None,
    };
    let what = format!("largest difference of correlations with truth: {}, less {}", more.title(), less.title());
    Part::measured(what, reading, value, &at_once("all evaluators"))
}

fn inverts(trackings: &[Tracking<'_>]) -> Part {
    let reading = Reading::below(DIRECTION, "inverted: below 0, however little");
    let Some(lowest) = trackings.iter().min_by(|a, b| a.pearson.total_cmp(&b.pearson)) else {
        return Part::not_applicable("No evaluator’s correlation with truth is defined.", reading, PROMPTS);
    };
    let ci95 = simultaneous(lowest.resampled.iter().copied().flatten(), trackings.len());
    let what = format!("lowest correlation with truth: {}", lowest.title());
    Part::measured(
        what,
        reading,
        Estimated { value: lowest.pearson, ci95, degrees: None },
        &at_once("all evaluators and kinds"),
    )
}

/// Which evaluators surely follow truth on which kind of task, which surely run against it, and of which that is not
/// clear, all told at once.
fn signs(trackings: &[Tracking<'_>]) -> Option<String> {
    let p_value = |tracking: &Tracking<'_>| {
        let own = simultaneous(tracking.resampled.iter().copied().flatten(), 1);
        own.map(|ci95| p_of_correlation(tracking.pearson, ci95, None))
    };
    let p_values: Vec<Option<f64>> = trackings.iter().map(p_value).collect();
    let sure: Vec<bool> = holm_of_known(&p_values).into_iter().map(|p| p.is_some_and(|p| p <= LEVEL)).collect();
    let of = |wanted: &dyn Fn(bool, f64) -> bool| -> Vec<String> {
        let are = trackings.iter().zip(&sure).filter(|(tracking, sure)| wanted(**sure, tracking.pearson));
        are.map(|(tracking, _)| tracking.title()).collect()
    };
    let named = |names: Vec<String>| match names.len() {
        0 => "0".to_owned(),
        count => format!("{count} ({})", names.join(", ")),
    };
    let [below, unclear] = [of(&|is_sure, r| is_sure && r < 0.0), of(&|is_sure, _| !is_sure)].map(named);
    let above = of(&|is_sure, r| is_sure && r >= 0.0).len();
    (!trackings.is_empty()).then(|| {
        format!(
            "Of {} correlations with truth, corrected (Holm) for these alone, surely above 0: {above}; surely below \
             0, which is inverted: {below}; unclear: {unclear}.",
            trackings.len()
        )
    })
}

/// Every evaluator but judges on every kind of task on which its correlation with truth is defined.
fn trackings<'a>(scenario: &Scenario, dataset: &'a Dataset) -> Vec<Tracking<'a>> {
    let resamplings = resamplings(dataset, scenario.seed);
    let mut trackings = Vec::new();
    for (evaluator, entry) in dataset.manifest.evaluators.iter().enumerate().filter(|(_, entry)| entry.kind != JUDGE) {
        let sums = pair_sums(dataset, scenario, evaluator);
        for kind in TaskKind::ALL {
            let of_kind = |weights: &[u32]| -> Vec<u32> {
                let tasks = dataset.tasks.iter().zip(weights);
                tasks.map(|(task, &weight)| if task.kind == kind { weight } else { 0 }).collect()
            };
            if let Some(pearson) = resampled_pearson(&sums, &of_kind(&vec![1; dataset.tasks.len()])) {
                let resampled = resamplings.iter().map(|weights| resampled_pearson(&sums, &of_kind(weights))).collect();
                trackings.push(Tracking { id: &entry.id, kind, pearson, resampled });
            }
        }
    }
    trackings
}

/// The interval of one of `count` values that holds for all of them at once with 95%.
fn simultaneous(resampled: impl Iterator<Item = f64>, count: usize) -> Option<Interval> {
    let tail = 0.025 / count.max(1) as f64;
    stats::quantiles(&mut resampled.collect::<Vec<_>>(), [tail, 1.0 - tail])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 to 1000 in equal steps: for five at once, half a percent is cut off at each end.
    #[test]
    fn intervals_of_many_values_are_wider() {
        let of = |count| simultaneous((0..=1000).map(f64::from), count);
        assert_eq!(of(1), Some([25.0, 975.0]));
        assert_eq!(of(5), Some([5.0, 995.0]));
        assert_eq!(simultaneous(std::iter::empty(), 5), None);
    }

    /// Five that follow truth, one that cannot be told: "none is inverted" would say too much.
    #[test]
    fn unclear_evaluators_are_named() {
        let tracking = |id: &'static str, pearson: f64, spread: f64| Tracking {
            id,
            kind: TaskKind::Qa,
            pearson,
            resampled: (-100..=100).map(|step| Some(pearson + spread * f64::from(step) / 100.0)).collect(),
        };
        let all = [tracking("a", 0.6, 0.1), tracking("b", 0.1, 0.2), tracking("c", -0.7, 0.1)];
        assert_eq!(
            signs(&all).as_deref(),
            Some(
                "Of 3 correlations with truth, corrected (Holm) for these alone, surely above 0: 1; surely below 0, \
                 which is inverted: 1 (c on questions (-0.70)); unclear: 1 (b on questions (0.10))."
            )
        );
        // Clear of 0 by its own interval alone: as one of 40 it is not told.
        let mut many: Vec<Tracking<'_>> = (0..39).map(|_| tracking("x", 0.01, 0.5)).collect();
        many.push(tracking("y", 0.3, 0.3));
        assert!(signs(&many).is_some_and(|words| words.contains("surely above 0: 0;")), "{:?}", signs(&many));
        assert!(signs(&many[39..]).is_some_and(|words| words.contains("surely above 0: 1;")));
        assert_eq!(signs(&[]), None);
    }
}
