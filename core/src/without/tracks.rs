//! How evaluators track truth and the judge.

use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, TaskKind};
use crate::families::{LEVEL, holm_of_known, p_of_correlation};
use crate::prompts::Prompts;
use crate::report::{EvaluatorAudit, evaluator_audit};
use crate::scenario::{Scenario, ScenarioError};
use crate::stats::Interval;

/// What a correlation says of an evaluator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// It is surely above 0: better answers get higher scores.
    Follows,
    /// It is surely below 0: better answers get lower scores.
    Inverted,
    /// It may be either.
    NotShown,
}

/// How one evaluator tracks truth and the first judge, on all tasks of the dataset or on those of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Id of the recorded evaluator.
    pub evaluator: String,
    /// The kind of task; none for all tasks.
    pub task_kind: Option<TaskKind>,
    /// Pearson correlation of score with truth; none where it is not defined.
    pub pearson_truth: Option<f64>,
    /// Its 95% interval for the choice of prompts (as in a report's audit).
    pub ci95_truth: Option<Interval>,
    /// What that says; none without a correlation. Of [`tracks`], by `p_holm_truth`; of [`tracks_of`], by the interval.
    pub sign_truth: Option<Sign>,
    /// The chance of so large a correlation, were there none, corrected (Holm) for all correlations with truth that
    /// are told at once. None of [`tracks_of`], and without an interval.
    pub p_holm_truth: Option<f64>,
    /// The same with the score of the dataset's first judge, if it has one.
    pub pearson_judge: Option<f64>,
    /// Its 95% interval.
    pub ci95_judge: Option<Interval>,
    /// What that says.
    pub sign_judge: Option<Sign>,
    /// As for truth, for all correlations with the judge.
    pub p_holm_judge: Option<f64>,
}

impl Sign {
    /// What `interval` of `pearson` says by itself; none without a correlation.
    #[must_use]
    pub fn of(pearson: Option<f64>, interval: Option<Interval>) -> Option<Self> {
        pearson.map(|_| match interval {
            Some([low, _]) if low > 0.0 => Self::Follows,
            Some([_, high]) if high < 0.0 => Self::Inverted,
            _ => Self::NotShown,
        })
    }

    fn told(pearson: Option<f64>, p_holm: Option<f64>) -> Option<Self> {
        pearson.map(|pearson| match p_holm.is_some_and(|p| p <= LEVEL) {
            true if pearson > 0.0 => Self::Follows,
            true => Self::Inverted,
            false => Self::NotShown,
        })
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Follows => "follows",
            Self::Inverted => "inverted",
            Self::NotShown => "unclear",
        }
    }
}

/// How every recorded evaluator of the dataset tracks truth: over all tasks, then by kind of task. Their signs are
/// told at once: corrected (Holm) for all correlations with truth, and so for all with the judge.
///
/// # Errors
/// For a scenario that is out of bounds or does not fit the dataset.
pub fn tracks(dataset: &Dataset, scenario: &Scenario) -> Result<Vec<Track>, ScenarioError> {
    let mut tracks: Vec<Track> = evaluator_audit(dataset, scenario)?.iter().flat_map(tracks_of).collect();
    let degrees = |kind: Option<TaskKind>| {
        let is_of_kind = |&task: &usize| kind.is_none_or(|kind| dataset.tasks[task].kind == kind);
        Prompts::new(dataset, &Vec::from_iter((0..dataset.tasks.len()).filter(is_of_kind))).degrees()
    };
    let p_values = |of: fn(&Track) -> Option<(f64, Interval)>| {
        holm_of_known(
            &tracks
                .iter()
                .map(|track| of(track).map(|(r, ci95)| p_of_correlation(r, ci95, Some(degrees(track.task_kind)))))
                .collect::<Vec<_>>(),
        )
    };
    let truth = p_values(|track| track.pearson_truth.zip(track.ci95_truth));
    let judge = p_values(|track| track.pearson_judge.zip(track.ci95_judge));
    for (track, (truth, judge)) in tracks.iter_mut().zip(truth.into_iter().zip(judge)) {
        (track.p_holm_truth, track.p_holm_judge) = (truth, judge);
        track.sign_truth = Sign::told(track.pearson_truth, truth);
        track.sign_judge = Sign::told(track.pearson_judge, judge);
    }
    Ok(tracks)
}

/// The tracks of one evaluator of a report's audit: over all tasks, then by kind of task, each by its own interval.
#[must_use]
pub fn tracks_of(audit: &EvaluatorAudit) -> Vec<Track> {
    let track = |task_kind, truth: (Option<f64>, Option<Interval>), judge: (Option<f64>, Option<Interval>)| Track {
        evaluator: audit.id.clone(),
        task_kind,
        pearson_truth: truth.0,
        ci95_truth: truth.1,
        sign_truth: Sign::of(truth.0, truth.1),
        p_holm_truth: None,
        pearson_judge: judge.0,
        ci95_judge: judge.1,
        sign_judge: Sign::of(judge.0, judge.1),
        p_holm_judge: None,
    };
    let all = track(None, (audit.pearson_truth, audit.ci95_truth), (audit.pearson_judge, audit.ci95_judge));
    let by_kind = audit
        .by_task_kind
        .iter()
        .map(|of| track(Some(of.task_kind), (of.pearson_truth, of.ci95_truth), (of.pearson_judge, of.ci95_judge)));
    std::iter::once(all).chain(by_kind).collect()
}
