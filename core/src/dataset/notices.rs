//! What is to be known of a dataset before its figures are believed: evaluators that tell no answer from another, and
//! groups that part what belongs together.

use std::collections::HashMap;

use super::{Dataset, JUDGE};
use crate::dataset::TaskKind;

impl Dataset {
    /// A line for each such thing.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        self.without_variance().into_iter().chain(self.parted_contexts()).chain(self.without_rating()).collect()
    }

    /// A line for each judge that did not rate every answer.
    fn without_rating(&self) -> impl Iterator<Item = String> {
        self.manifest.evaluators.iter().enumerate().filter_map(|(evaluator, entry)| {
            let (unrated, answers) = (self.unrated(evaluator), self.outputs.len());
            (unrated > 0).then(|| {
                format!(
                    "{}: {unrated} of its {answers} replies were no number; figures of it leave these answers out",
                    entry.id
                )
            })
        })
    }

    /// A line where tasks of one kind with the same context stand in several groups: an interval over prompts takes
    /// these for independent.
    fn parted_contexts(&self) -> Option<String> {
        let mut first_of: HashMap<_, usize> = HashMap::new();
        let mut parted: Vec<[usize; 2]> = Vec::new();
        for (task, row) in self.tasks.iter().enumerate() {
            let Some(context) = &row.context else { continue };
            let first = *first_of.entry((row.kind as u8, context.as_str())).or_insert(task);
            let is_new = self.tasks[first].group_key() != row.group_key();
            if is_new && !parted.iter().any(|&[known, _]| known == first) {
                parted.push([first, task]);
            }
        }
        let [first, other] = parted.first()?.map(|task| &self.tasks[task].id);
        Some(format!(
            "groups: the tasks of {} stand in several groups (such as {first} and {other}): intervals for other prompts \
             take them for independent, and are too narrow if they are not",
            match parted.len() {
                1 => "one context".to_owned(),
                count => format!("{count} contexts"),
            }
        ))
    }

    /// A line for each evaluator that gave every answer the same raw value: over all tasks, else over those of a kind.
    fn without_variance(&self) -> Vec<String> {
        let evaluators = self.manifest.evaluators.iter().enumerate().filter(|(_, entry)| entry.kind != JUDGE);
        evaluators
            .flat_map(|(evaluator, entry)| {
                let line = |raw: f64, answers: usize, of: String| {
                    format!(
                        "{}: this evaluator never differs from {raw} on {of} ({answers} answers): it tells no answer from \
                         another, and is paid all the same",
                        entry.id
                    )
                };
                let by_kind = || {
                    TaskKind::ALL.into_iter().filter_map(|kind| {
                        let (raw, answers) = self.only_value(evaluator, Some(kind))?;
                        Some(line(raw, answers, format!("tasks of kind {}", kind.as_str())))
                    })
                };
                match self.only_value(evaluator, None) {
                    Some((raw, answers)) => vec![line(raw, answers, "all tasks".to_owned())],
                    None => by_kind().collect(),
                }
            })
            .collect()
    }

    /// The raw value that an evaluator gave all of several answers, and how many they are.
    fn only_value(&self, evaluator: usize, kind: Option<TaskKind>) -> Option<(f64, usize)> {
        let tasks = (0..self.tasks.len()).filter(|&task| kind.is_none_or(|kind| self.tasks[task].kind == kind));
        let outputs = tasks.flat_map(|task| (0..self.inference_nodes()).map(move |node| (task, node)));
        let mut raw = outputs.map(|(task, node)| self.score(task, node, evaluator).raw);
        let first = raw.next()?;
        let mut answers = 1;
        for other in raw {
            if other != first {
                return None;
            }
            answers += 1;
        }
        (answers > 1).then_some((first, answers))
    }
}
