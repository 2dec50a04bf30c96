//! What is learnt: pairs of texts with the value that a judge should give them.

use std::collections::HashMap;

use poq_core::Dataset;
use poq_core::dataset::{LEARNT_QUALITY, TaskKind, sha256};
use poq_core::rng::{Purpose, Stream};
use serde::{Deserialize, Serialize};

use crate::fit::Settings;
use crate::folds::{folds, shuffled};

/// Passages that do not belong to a question, for each that does.
const NEGATIVES: usize = 3;

/// What a judge learns to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// How good an answer is: task with context, answer, token F1 against the references.
    Quality,
    /// Whether a passage belongs to a question, as rankers of passages are trained; never whether an answer is good.
    Relevance,
}

/// A pair and its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// The task's id.
    pub task: String,
    /// Passage, numbered from 0 without a gap; all rows of one are in one fold.
    pub passage: u32,
    /// SHA-256 of the text that the task is about ([`poq_core::dataset::Task::passage`]).
    pub text_sha256: String,
    /// What the second text is judged by.
    pub first: String,
    /// What is judged.
    pub second: String,
    /// In `[0, 1]`.
    pub target: f32,
}

impl Objective {
    /// As a manifest names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Quality => LEARNT_QUALITY,
            Self::Relevance => "relevance",
        }
    }
}

/// The rows of a dataset. Of relevance, those of questions with a context, each beside passages of other questions from
/// the same fold, so that no judge is shown a passage that it is held out from.
#[must_use]
pub fn examples(dataset: &Dataset, settings: &Settings) -> Vec<Example> {
    match settings.objective {
        Objective::Quality => quality(dataset),
        Objective::Relevance => relevance(dataset, settings.folds, settings.seed),
    }
}

fn quality(dataset: &Dataset) -> Vec<Example> {
    let passages = dataset.passages();
    let rows = dataset.tasks.iter().enumerate().flat_map(|(task, of)| {
        let (first, passage) = (of.prompt_with_context(), passages[task]);
        let text_sha256 = sha256(of.passage().as_bytes());
        (0..dataset.inference_nodes()).map(move |node| Example {
            task: of.id.clone(),
            passage,
            text_sha256: text_sha256.clone(),
            first: first.clone(),
            second: dataset.output(task, node).text.clone(),
            target: (dataset.truth(task, node) / 10.0) as f32,
        })
    });
    rows.collect()
}

fn relevance(dataset: &Dataset, count: usize, seed: u64) -> Vec<Example> {
    // One request to summarise is like any other, and belongs to every passage.
    let questions: Vec<(usize, &str)> = (0..dataset.tasks.len())
        .filter(|&task| dataset.tasks[task].kind == TaskKind::Qa)
        .filter_map(|task| Some((task, dataset.tasks[task].context.as_deref()?)))
        .collect();
    // Numbered anew, without those that no question is about: whoever deals these rows to folds deals them so.
    let of_tasks = dataset.passages();
    let mut numbers = HashMap::new();
    let passages: Vec<u32> = questions
        .iter()
        .map(|(task, _)| {
            let next = numbers.len() as u32;
            *numbers.entry(of_tasks[*task]).or_insert(next)
        })
        .collect();
    let fold = folds(numbers.len(), count.max(1), seed);
    let mut stream = Stream::of_run(seed, 1, Purpose::Folds);
    let mut rows = Vec::new();
    for (&(task, own), &passage) in questions.iter().zip(&passages) {
        let mut others: Vec<&str> = Vec::new();
        for (&(_, context), &other) in questions.iter().zip(&passages) {
            let is_of_fold = fold[other as usize] == fold[passage as usize];
            if other != passage && is_of_fold && context != own && !others.contains(&context) {
                others.push(context);
            }
        }
        let negatives = shuffled(others.len(), &mut stream).into_iter().take(NEGATIVES);
        let pairs = std::iter::once((own, 1.0)).chain(negatives.map(|other| (others[other], 0.0)));
        let of = &dataset.tasks[task];
        rows.extend(pairs.map(|(second, target)| Example {
            task: of.id.clone(),
            passage,
            text_sha256: sha256(own.as_bytes()),
            first: of.prompt.clone(),
            second: second.to_owned(),
            target,
        }));
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use poq_core::dataset::DatasetFiles;

    use super::*;

    /// A dataset of both kinds of tasks, some of whose passages no question is about.
    fn dataset() -> Dataset {
        let files = DatasetFiles {
            manifest: include_bytes!("../../static/datasets/poq-lab-1/manifest.json"),
            tasks: include_bytes!("../../static/datasets/poq-lab-1/tasks.jsonl"),
            outputs: include_bytes!("../../static/datasets/poq-lab-1/outputs.jsonl"),
            scores: include_bytes!("../../static/datasets/poq-lab-1/scores.jsonl"),
        };
        Dataset::from_files(files).expect("the shipped dataset")
    }

    #[test]
    fn no_passage_is_on_both_sides_and_no_negative_belongs() {
        let dataset = dataset();
        let (count, seed) = (5, 9);
        let rows = relevance(&dataset, count, seed);
        let passages: HashSet<u32> = rows.iter().map(|row| row.passage).collect();
        assert_eq!(passages.iter().max().map(|last| *last as usize + 1), Some(passages.len()), "there is no gap");
        let fold = folds(passages.len(), count, seed);
        let shown = |side: &dyn Fn(usize) -> bool| -> HashSet<&str> {
            let rows = rows.iter().filter(|row| side(fold[row.passage as usize]));
            rows.map(|row| row.second.as_str()).collect()
        };
        for held_out in 0..count {
            assert!(shown(&|fold| fold == held_out).is_disjoint(&shown(&|fold| fold != held_out)), "{held_out}");
        }
        for row in &rows {
            let task = dataset.tasks.iter().find(|task| task.id == row.task).expect("a task of the dataset");
            let own = task.context.as_deref() == Some(&row.second);
            assert_eq!(own, row.target == 1.0);
            assert_eq!(task.kind, TaskKind::Qa);
            assert_eq!(row.text_sha256, sha256(task.passage().as_bytes()));
        }
        assert!(rows.iter().any(|row| row.target == 0.0));
    }

    #[test]
    fn every_answer_is_a_row_of_quality() {
        let dataset = dataset();
        let rows = quality(&dataset);
        assert_eq!(rows.len(), dataset.tasks.len() * dataset.inference_nodes());
        let last = rows.last().expect("rows");
        let (task, node) = (dataset.tasks.len() - 1, dataset.inference_nodes() - 1);
        assert_eq!((&last.task, &last.second), (&dataset.tasks[task].id, &dataset.output(task, node).text));
        assert!((f64::from(last.target) * 10.0 - dataset.truth(task, node)).abs() < 1e-5);
    }
}
