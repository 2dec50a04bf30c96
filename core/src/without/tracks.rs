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
    /// What that says, by `p_holm_truth`; none without a correlation.
    pub sign_truth: Option<Sign>,
    /// The chance of so large a correlation, were there none, corrected (Holm) for all correlations with truth that
    /// are told at once. None without an interval.
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
    /// What a correlation says whose p value, corrected for all that are told with it, is `p_holm`; none without a
    /// correlation.
    #[must_use]
    pub fn told(pearson: Option<f64>, p_holm: Option<f64>) -> Option<Self> {
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

/// Degrees of freedom of what the groups of a dataset's prompts tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptDegrees {
    /// All of them.
    pub all: u64,
    /// By [`TaskKind::ALL`]: those of one kind.
    pub by_kind: [u64; TaskKind::ALL.len()],
}

impl PromptDegrees {
    /// Of the tasks of `dataset`.
    #[must_use]
    pub fn of(dataset: &Dataset) -> Self {
        let degrees = |is_wanted: &dyn Fn(TaskKind) -> bool| {
            let tasks = (0..dataset.tasks.len()).filter(|&task| is_wanted(dataset.tasks[task].kind));
            Prompts::new(dataset, &tasks.collect::<Vec<_>>()).degrees()
        };
        Self { all: degrees(&|_| true), by_kind: TaskKind::ALL.map(|kind| degrees(&|of| of == kind)) }
    }
}

/// How every recorded evaluator of the dataset tracks truth: over all tasks, then by kind of task, as [`tracks_of`]
/// tells it.
///
/// # Errors
/// For a scenario that is out of bounds or does not fit the dataset.
pub fn tracks(dataset: &Dataset, scenario: &Scenario) -> Result<Vec<Track>, ScenarioError> {
    Ok(tracks_of(&evaluator_audit(dataset, scenario)?, &PromptDegrees::of(dataset)))
}

/// By evaluator of a report's audit: how it tracks truth over all tasks, then by [`TaskKind::ALL`]. Their signs are
/// told at once: corrected (Holm) for all correlations with truth, and so for all with the judge.
#[must_use]
pub fn tracks_of(audits: &[EvaluatorAudit], degrees: &PromptDegrees) -> Vec<Track> {
    let degrees: Vec<u64> = std::iter::once(degrees.all).chain(degrees.by_kind).collect();
    let mut tracks: Vec<Track> = audits.iter().flat_map(of_evaluator).collect();
    let p_values = |of: fn(&Track) -> (Option<f64>, Option<Interval>)| {
        let p_value = |(track, &degrees): (&Track, &u64)| match of(track) {
            (Some(pearson), Some(ci95)) => Some(p_of_correlation(pearson, ci95, Some(degrees))),
            _ => None,
        };
        holm_of_known(&tracks.iter().zip(degrees.iter().cycle()).map(p_value).collect::<Vec<_>>())
    };
    let truth = p_values(|track| (track.pearson_truth, track.ci95_truth));
    let judge = p_values(|track| (track.pearson_judge, track.ci95_judge));
    for (track, (truth, judge)) in tracks.iter_mut().zip(truth.into_iter().zip(judge)) {
        (track.p_holm_truth, track.p_holm_judge) = (truth, judge);
        track.sign_truth = Sign::told(track.pearson_truth, truth);
        track.sign_judge = Sign::told(track.pearson_judge, judge);
    }
    tracks
}

/// The tracks of one evaluator, before anything is told of them.
fn of_evaluator(audit: &EvaluatorAudit) -> Vec<Track> {
    let track = |task_kind, truth: (Option<f64>, Option<Interval>), judge: (Option<f64>, Option<Interval>)| Track {
        evaluator: audit.id.clone(),
        task_kind,
        pearson_truth: truth.0,
        ci95_truth: truth.1,
        sign_truth: None,
        p_holm_truth: None,
        pearson_judge: judge.0,
        ci95_judge: judge.1,
        sign_judge: None,
        p_holm_judge: None,
    };
    let all = track(None, (audit.pearson_truth, audit.ci95_truth), (audit.pearson_judge, audit.ci95_judge));
    let by_kind = audit
        .by_task_kind
        .iter()
        .map(|of| track(Some(of.task_kind), (of.pearson_truth, of.ci95_truth), (of.pearson_judge, of.ci95_judge)));
    std::iter::once(all).chain(by_kind).collect()
}
