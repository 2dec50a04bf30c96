//! How well each recorded evaluator tracks truth and judge, over all recorded outputs.

use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, JUDGE, TaskKind};
use crate::families::{holm_of_known, p_of_correlation};
use crate::prompts::Prompts;
use crate::scenario::Scenario;
use crate::stats::{self, Interval};
use crate::text;

use super::products::Products;
use super::{EvaluatorAudit, KindAudit, first_judge};

pub(super) fn report(dataset: &Dataset, scenario: &Scenario) -> Vec<EvaluatorAudit> {
    let judge = first_judge(dataset);
    let truth = Column::new(dataset, |task, node| dataset.truth(task, node));
    let judged = judge.map(|judge| scores(dataset, scenario, judge));
    (0..dataset.evaluators())
        .filter(|&evaluator| dataset.manifest.evaluators[evaluator].kind != JUDGE)
        .map(|evaluator| {
            let entry = &dataset.manifest.evaluators[evaluator];
            let scores = scores(dataset, scenario, evaluator);
            let [pearson_truth, pearson_judge] = [Some(&truth), judged.as_ref()]
                .map(|other| other.map_or((None, None), |other| correlation(dataset, &scores, other, |_| true)));
            let by_task_kind = TaskKind::ALL.into_iter().map(|task_kind| {
                let is_of_kind = |task: usize| dataset.tasks[task].kind == task_kind;
                let against = |other| correlation(dataset, &scores, other, is_of_kind);
                let (pearson_truth, ci95_truth) = against(&truth);
                let (pearson_judge, ci95_judge) = judged.as_ref().map_or((None, None), against);
                let (own, true_own) = (scores.of(is_of_kind), truth.of(is_of_kind));
                KindAudit {
                    task_kind,
                    outputs: own.len() as u64,
                    pearson_truth,
                    ci95_truth,
                    spearman_truth: stats::spearman(&own, &true_own),
                    pearson_judge,
                    ci95_judge,
                }
            });
            let latencies = Column::new(dataset, |task, node| dataset.score(task, node, evaluator).latency_ms);
            EvaluatorAudit {
                id: entry.id.clone(),
                kind: entry.kind.clone(),
                pearson_truth: pearson_truth.0,
                ci95_truth: pearson_truth.1,
                spearman_truth: stats::spearman(&scores.values, &truth.values),
                pearson_judge: pearson_judge.0,
                ci95_judge: pearson_judge.1,
                by_task_kind: by_task_kind.collect(),
                latency_ms_mean: latencies.values.iter().sum::<f64>() / latencies.values.len() as f64,
            }
        })
        .collect()
}

/// How well an evaluator tracks truth and judge where there is an answer to be given, or where there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerAudit {
    /// Id of the evaluator.
    pub id: String,
    /// Whether the tasks have an answer; unanswerable ones have blank references alone.
    pub answerable: bool,
    /// Recorded outputs of these tasks.
    pub outputs: u64,
    /// Pearson correlation of scores with truth; none where a side does not vary.
    pub pearson_truth: Option<f64>,
    /// 95% interval of `pearson_truth` for the choice of prompts.
    pub ci95_truth: Option<Interval>,
    /// The chance of so large a correlation with truth, were there none, corrected (Holm) for those of all evaluators
    /// on either sort of task. None without an interval.
    pub p_holm_truth: Option<f64>,
    /// Pearson correlation of scores with the judge's.
    pub pearson_judge: Option<f64>,
    /// 95% interval of `pearson_judge` for the choice of prompts.
    pub ci95_judge: Option<Interval>,
}

/// By evaluator, over answerable tasks and over unanswerable ones; nothing where every task has an answer.
pub(super) fn by_answerability(dataset: &Dataset, scenario: &Scenario) -> Vec<AnswerAudit> {
    let is_answerable: Vec<bool> = dataset.tasks.iter().map(|task| !text::is_unanswerable(&task.references)).collect();
    if !is_answerable.contains(&false) {
        return Vec::new();
    }
    let judged = first_judge(dataset).map(|judge| scores(dataset, scenario, judge));
    let truth = Column::new(dataset, |task, node| dataset.truth(task, node));
    let evaluators = dataset.manifest.evaluators.iter().enumerate().filter(|(_, entry)| entry.kind != JUDGE);
    let mut audits: Vec<AnswerAudit> = evaluators
        .flat_map(|(evaluator, entry)| {
            let scores = scores(dataset, scenario, evaluator);
            [true, false].map(|answerable| {
                let is_of_sort = |task: usize| is_answerable[task] == answerable;
                let against = |other| correlation(dataset, &scores, other, is_of_sort);
                let (pearson_truth, ci95_truth) = against(&truth);
                let (pearson_judge, ci95_judge) = judged.as_ref().map_or((None, None), against);
                AnswerAudit {
                    id: entry.id.clone(),
                    answerable,
                    outputs: scores.of(is_of_sort).len() as u64,
                    pearson_truth,
                    ci95_truth,
                    p_holm_truth: None,
                    pearson_judge,
                    ci95_judge,
                }
            })
        })
        .filter(|audit| audit.outputs > 0)
        .collect();
    let degrees = [true, false].map(|answerable| {
        let tasks = (0..dataset.tasks.len()).filter(|&task| is_answerable[task] == answerable);
        Prompts::new(dataset, &tasks.collect::<Vec<_>>()).degrees()
    });
    let p_value = |audit: &AnswerAudit| {
        let degrees = degrees[usize::from(!audit.answerable)];
        Some(p_of_correlation(audit.pearson_truth?, audit.ci95_truth?, Some(degrees)))
    };
    let p_holm = holm_of_known(&audits.iter().map(p_value).collect::<Vec<_>>());
    audits.iter_mut().zip(p_holm).for_each(|(audit, p_holm)| audit.p_holm_truth = p_holm);
    audits
}

/// How well the judge itself tracks truth, over all tasks or over those of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeAudit {
    /// Id of the judge.
    pub id: String,
    /// Of which tasks; none of all.
    pub task_kind: Option<TaskKind>,
    /// Pearson correlation of the judge's scores with truth; none where a side does not vary.
    pub pearson_truth: Option<f64>,
    /// 95% interval of `pearson_truth` for the choice of prompts.
    pub ci95_truth: Option<Interval>,
}

/// The first judge over all tasks and over those of each kind that the dataset has; nothing without a judge.
pub(super) fn of_judge(dataset: &Dataset, scenario: &Scenario) -> Vec<JudgeAudit> {
    let Some(judge) = first_judge(dataset) else { return Vec::new() };
    let truth = Column::new(dataset, |task, node| dataset.truth(task, node));
    let judged = scores(dataset, scenario, judge);
    let kinds = TaskKind::ALL.into_iter().filter(|kind| dataset.tasks.iter().any(|task| task.kind == *kind));
    std::iter::once(None)
        .chain(kinds.map(Some))
        .map(|task_kind| {
            let is_wanted = |task: usize| task_kind.is_none_or(|kind| dataset.tasks[task].kind == kind);
            // What the judge did not rate is known by its side.
            let (pearson_truth, ci95_truth) = correlation(dataset, &truth, &judged, is_wanted);
            let id = dataset.manifest.evaluators[judge].id.clone();
            JudgeAudit { id, task_kind, pearson_truth, ci95_truth }
        })
        .collect()
}

/// A value of every recorded output, laid out as `[task, inference node]`.
struct Column {
    values: Vec<f64>,
    nodes: usize,
}

impl Column {
    fn new(dataset: &Dataset, value: impl Fn(usize, usize) -> f64) -> Self {
        let nodes = dataset.inference_nodes();
        let values = (0..dataset.tasks.len()).flat_map(|task| (0..nodes).map(move |node| (task, node)));
        Self { values: values.map(|(task, node)| value(task, node)).collect(), nodes }
    }

    /// The values of some tasks.
    fn of(&self, is_wanted: impl Fn(usize) -> bool) -> Vec<f64> {
        let tasks = self.values.chunks_exact(self.nodes).enumerate();
        tasks.filter(|&(task, _)| is_wanted(task)).flat_map(|(_, values)| values.iter().copied()).collect()
    }
}

/// The scores in `[0, 10]` of one evaluator or judge.
fn scores(dataset: &Dataset, scenario: &Scenario, evaluator: usize) -> Column {
    let entry = &dataset.manifest.evaluators[evaluator];
    let normalization = scenario.score_normalization.get(&entry.id).copied().unwrap_or(entry.normalization);
    let range = dataset.raw_range(evaluator);
    Column::new(dataset, |task, node| normalization.apply(dataset.score(task, node, evaluator).raw, range))
}

/// Pearson's correlation of two columns on some tasks, without what `y` has no value of, and its 95% interval for the
/// choice of tasks.
fn correlation(
    dataset: &Dataset,
    x: &Column,
    y: &Column,
    is_wanted: impl Fn(usize) -> bool,
) -> (Option<f64>, Option<Interval>) {
    let tasks: Vec<usize> = (0..dataset.tasks.len()).filter(|&task| is_wanted(task)).collect();
    let prompts = Prompts::new(dataset, &tasks);
    let mut groups = vec![Products::default(); prompts.groups()];
    for (&task, &group) in tasks.iter().zip(prompts.of()) {
        let [x, y] = [x, y].map(|column| &column.values[task * column.nodes..][..column.nodes]);
        groups[group as usize].add(Products::new(x, y), 1.0);
    }
    let estimate = prompts.correlation(&groups);
    (estimate.map(|estimate| estimate.value), estimate.and_then(|estimate| estimate.ci95))
}
