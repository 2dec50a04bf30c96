//! What is learnt: pairs of texts with the value that a judge should give them.

use poq_core::Dataset;
use poq_core::rng::{Purpose, Stream};
use serde::{Deserialize, Serialize};

use crate::folds::folds;

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
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Task, by its number in the dataset.
    pub task: usize,
    /// Passage, numbered from 0 without a gap; all rows of one are in one fold.
    pub passage: u32,
    /// What the second text is judged by.
    pub first: String,
    /// What is judged.
    pub second: String,
    /// In `[0, 1]`.
    pub target: f32,
}

/// The rows of a dataset for `objective`. Of relevance, those of tasks with a context, each beside passages of other
/// tasks from the same of `count` folds, so that no judge is shown a passage that it is held out from.
#[must_use]
pub fn examples(dataset: &Dataset, objective: Objective, count: usize, seed: u64) -> Vec<Example> {
    let passages = dataset.passages();
    match objective {
        Objective::Quality => {
            let rows = dataset.tasks.iter().enumerate().flat_map(|(task, of)| {
                let (first, passage) = (of.prompt_with_context(), passages[task]);
                (0..dataset.inference_nodes()).map(move |node| Example {
                    task,
                    passage,
                    first: first.clone(),
                    second: dataset.output(task, node).text.clone(),
                    target: (dataset.truth(task, node) / 10.0) as f32,
                })
            });
            rows.collect()
        }
        Objective::Relevance => {
            let groups = passages.iter().max().map_or(0, |last| *last as usize + 1);
            let fold = folds(groups, count.max(1), seed);
            let fold_of = |task: usize| fold[passages[task] as usize];
            let mut stream = Stream::of_run(seed, 1, Purpose::Folds);
            let mut rows = Vec::new();
            for (task, of) in dataset.tasks.iter().enumerate() {
                let Some(own) = &of.context else { continue };
                let mut pair = |second: &String, target| {
                    let (first, passage) = (of.prompt.clone(), passages[task]);
                    rows.push(Example { task, passage, first, second: second.clone(), target });
                };
                pair(own, 1.0);
                let others: Vec<&String> = (0..dataset.tasks.len())
                    .filter(|&other| passages[other] != passages[task] && fold_of(other) == fold_of(task))
                    .filter_map(|other| dataset.tasks[other].context.as_ref())
                    .collect();
                for _ in 0..NEGATIVES.min(others.len()) {
                    pair(others[stream.below(others.len() as u32) as usize], 0.0);
                }
            }
            rows
        }
    }
}
