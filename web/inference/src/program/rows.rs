//! The dataset beside the page: the rows that a reader picks from, and what was recorded of them.

use crate::protocol::{Corpus, Evaluator, GREEDY, RecordedAnswer, RecordedRow, Score};
use poq_core::Dataset;
use poq_core::dataset::{AddedEvaluator, DatasetFiles, EvaluatorEntry, ON_DEVICE, RecordedScore, Task};
use poq_core::score::ScoreNormalization;

use super::scope::get;

/// A dataset, and which of its evaluators are of this device's kinds.
pub struct Rows {
    dataset: Dataset,
    /// Number of the recorded evaluator, its normalisation and its range of raw values, as [`Evaluator::ALL`].
    recorded: [Option<Recorded>; Evaluator::ALL.len()],
}

#[derive(Clone, Copy)]
struct Recorded {
    number: usize,
    normalization: ScoreNormalization,
    range: (f64, f64),
}

impl Rows {
    /// Fetches and checks the dataset.
    pub async fn read() -> Result<Self, String> {
        let mut files: [Vec<u8>; 4] = Default::default();
        for (bytes, name) in files.iter_mut().zip(DatasetFiles::NAMES) {
            *bytes = get(&format!("./dataset/{name}")).await.map_err(|error| format!("{name}: {error}"))?;
        }
        let [manifest, tasks, outputs, scores] = &files;
        let dataset = Dataset::from_files(DatasetFiles { manifest, tasks, outputs, scores });
        let dataset = dataset.map_err(|error| error.to_string())?;
        let recorded = Evaluator::ALL.map(|evaluator| {
            let entries = &dataset.manifest.evaluators;
            let number = entries.iter().position(|entry| entry.id == evaluator.id())?;
            let normalization = entries[number].normalization;
            Some(Recorded { number, normalization, range: dataset.raw_range(number) })
        });
        Ok(Self { dataset, recorded })
    }

    /// What a reader picks from.
    pub fn corpus(&self) -> Corpus {
        let manifest = &self.dataset.manifest;
        let is_here = |entry: &EvaluatorEntry| Evaluator::ALL.iter().any(|evaluator| evaluator.id() == entry.id);
        Corpus {
            id: manifest.id.clone(),
            prompts: self.dataset.tasks.iter().map(|task| task.prompt.clone()).collect(),
            nodes: manifest.inference_nodes.iter().map(|node| node.name.clone()).collect(),
            hardware: manifest.hardware.clone(),
            evaluators: Evaluator::ALL.into_iter().filter(|evaluator| self.recorded(*evaluator).is_some()).collect(),
            others: manifest
                .evaluators
                .iter()
                .filter(|entry| !is_here(entry))
                .map(|entry| entry.name.clone())
                .collect(),
        }
    }

    /// Recorded answers.
    pub fn len(&self) -> u32 {
        (self.dataset.tasks.len() * self.dataset.inference_nodes()) as u32
    }

    fn recorded(&self, evaluator: Evaluator) -> Option<Recorded> {
        let index = Evaluator::ALL.iter().position(|seen| *seen == evaluator)?;
        self.recorded[index]
    }

    /// The score of a raw value: with the recorded evaluator's normalisation, or as a similarity without one.
    pub fn score(&self, evaluator: Evaluator, raw: f64) -> f64 {
        let similarity = (ScoreNormalization::Unit, (0.0, 1.0));
        let (normalization, range) =
            self.recorded(evaluator).map_or(similarity, |recorded| (recorded.normalization, recorded.range));
        normalization.apply(raw, range)
    }

    fn before(&self, task: usize, node: usize, evaluator: Evaluator) -> Option<Score> {
        let recorded = self.recorded(evaluator)?;
        let before = self.dataset.score(task, node, recorded.number);
        Some(Score {
            raw: before.raw,
            score: recorded.normalization.apply(before.raw, recorded.range),
            latency_ms: before.latency_ms,
            tokens: None,
            truncated: false,
        })
    }

    /// Recorded answer `index`, task by task: the task, the answer, and what `evaluator` made of it then.
    pub fn at(&self, index: u32, evaluator: Evaluator) -> Result<(&Task, &str, Score), String> {
        let nodes = self.dataset.inference_nodes();
        let (task, node) = (index as usize / nodes, index as usize % nodes);
        let before = self.before(task, node, evaluator);
        let before = before.ok_or_else(|| format!("the dataset has no evaluator `{}`", evaluator.id()))?;
        Ok((&self.dataset.tasks[task], &self.dataset.output(task, node).text, before))
    }

    /// `evaluator` as one of the dataset's, with what it made of all recorded answers on `hardware`.
    pub fn added(&self, evaluator: Evaluator, hardware: &str, scores: &[Score]) -> Option<AddedEvaluator> {
        let recorded = &self.dataset.manifest.evaluators[self.recorded(evaluator)?.number];
        let score = |score: &Score| RecordedScore { raw: score.raw, latency_ms: score.latency_ms };
        Some(AddedEvaluator {
            dataset: self.dataset.hash.clone(),
            entry: EvaluatorEntry {
                id: format!("{}{ON_DEVICE}", recorded.id),
                name: format!("{}, on this device", recorded.name),
                ..recorded.clone()
            },
            hardware: hardware.to_owned(),
            scores: scores.iter().map(score).collect(),
        })
    }

    fn greedy(&self, task: usize) -> Option<RecordedAnswer> {
        let nodes = &self.dataset.manifest.inference_nodes;
        let node = nodes.iter().position(|node| node.id == GREEDY)?;
        let output = self.dataset.output(task, node);
        let (latency_ms, tokens_out) = (output.latency_ms, output.tokens_out);
        Some(RecordedAnswer { node: nodes[node].name.clone(), latency_ms, tokens_out })
    }

    /// A row, if there is one of these numbers.
    pub fn row(&self, number: u32, node: u32) -> Option<RecordedRow> {
        let (task, instance) = (number as usize, node as usize);
        if instance >= self.dataset.inference_nodes() {
            return None;
        }
        let asked = self.dataset.tasks.get(task)?;
        let output = self.dataset.output(task, instance);
        let scores = Evaluator::ALL.iter().filter_map(|&kind| Some((kind, self.before(task, instance, kind)?)));
        Some(RecordedRow {
            number,
            node,
            task: asked.clone(),
            answer: output.text.clone(),
            greedy: self.greedy(task),
            scores: scores.collect(),
        })
    }
}
