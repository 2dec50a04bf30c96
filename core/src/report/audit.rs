//! How well each recorded evaluator tracks truth and judge, over all recorded outputs.

use crate::dataset::{Dataset, JUDGE, TaskKind};
use crate::prompts::Prompts;
use crate::scenario::Scenario;
use crate::stats::{self, Interval};

use super::products::Products;
use super::{EvaluatorAudit, KindAudit, first_judge};

pub(super) fn report(dataset: &Dataset, scenario: &Scenario) -> Vec<EvaluatorAudit> {
    let judge = first_judge(dataset);
    let truth = Column::new(dataset, |task, node| dataset.truth(task, node));
    let judged = judge.map(|judge| scores(dataset, scenario, judge));
    let correlation = |x: &Column, y: &Column, kind: Option<TaskKind>| {
        let is_wanted = |&task: &usize| kind.is_none_or(|kind| dataset.tasks[task].kind == kind);
        correlation(dataset, x, y, &(0..dataset.tasks.len()).filter(is_wanted).collect::<Vec<_>>())
    };
    (0..dataset.evaluators())
        .filter(|&evaluator| dataset.manifest.evaluators[evaluator].kind != JUDGE)
        .map(|evaluator| {
            let entry = &dataset.manifest.evaluators[evaluator];
            let scores = scores(dataset, scenario, evaluator);
            let [pearson_truth, pearson_judge] = [Some(&truth), judged.as_ref()]
                .map(|other| other.map_or((None, None), |other| correlation(&scores, other, None)));
            let by_task_kind = TaskKind::ALL.into_iter().map(|task_kind| {
                let is_of_kind = |task: usize| dataset.tasks[task].kind == task_kind;
                let against = |other| correlation(&scores, other, Some(task_kind));
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

/// Pearson's correlation of two columns on `tasks`, and its 95% interval for the choice of these.
fn correlation(dataset: &Dataset, x: &Column, y: &Column, tasks: &[usize]) -> (Option<f64>, Option<Interval>) {
    let prompts = Prompts::new(dataset, tasks);
    let mut groups = vec![Products::default(); prompts.groups()];
    for (&task, &group) in tasks.iter().zip(prompts.of()) {
        let [x, y] = [x, y].map(|column| &column.values[task * column.nodes..][..column.nodes]);
        groups[group as usize].add(Products::new(x, y), 1.0);
    }
    let estimate = prompts.correlation(&groups);
    (estimate.map(|estimate| estimate.value), estimate.and_then(|estimate| estimate.ci95))
}
