//! A dataset beside the page: the rows that a reader picks from, and which of its evaluators and nodes run here as
//! well, by what the manifest says of them.

use crate::protocol::{Corpus, EvaluatorHere, Generate, ModelHere, NodeHere, RecordedRow, Score};
use poq_core::Dataset;
use poq_core::dataset::{AddedEvaluator, DatasetFiles, EvaluatorEntry, JUDGE, ON_DEVICE, RecordedScore, Shipped, Task};
use poq_core::score::ScoreNormalization;
use poq_core::weights::{KnownModel, ModelRole, of_file};
use poq_pipeline::spec::{EvaluatorSpec, ModelFile, NodeSpec};

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use super::scope::{global, words};

/// A dataset, and which of its evaluators run here.
pub struct Rows {
    /// Which of those beside the page it is.
    pub shipped: Shipped,
    dataset: Dataset,
    evaluators: Vec<Scorer>,
}

/// An evaluator that runs here.
pub struct Scorer {
    /// What the page knows of it.
    pub here: EvaluatorHere,
    /// How it scores.
    pub spec: EvaluatorSpec,
    normalization: ScoreNormalization,
    recorded: Option<Recorded>,
}

/// What the dataset has of an evaluator.
#[derive(Clone, Copy)]
struct Recorded {
    number: usize,
    range: (f64, f64),
}

/// The known model that is a file of weights.
fn offered(file: &ModelFile, role: ModelRole) -> Option<&'static KnownModel> {
    of_file(&file.sha256).filter(|known| known.role == role)
}

/// What an encoder is known by: the same weights give other values where their output is read otherwise.
pub fn key(model: &ModelFile) -> String {
    format!("{} {}", model.sha256, model.reading.as_deref().unwrap_or_default()).trim_end().to_owned()
}

impl Scorer {
    /// An evaluator of the dataset; none where its model is a decoder that a page cannot have. Whether an encoder is of
    /// a family that the page opens is seen when it is loaded.
    fn of(dataset: &Dataset, number: usize) -> Option<Self> {
        let entry = &dataset.manifest.evaluators[number];
        let spec = EvaluatorSpec::of(entry).ok()??;
        let known = |known: &KnownModel| ModelHere::Known(known.name.to_owned());
        let model = match &spec {
            EvaluatorSpec::BiEncoder { model, .. } | EvaluatorSpec::CrossEncoder { model, .. } => {
                let offered = offered(model, ModelRole::BiEncoder).filter(|_| model.reading.is_none());
                let ModelFile { model: name, file, .. } = model;
                let folder = || ModelHere::Folder { name: name.clone(), file: file.clone(), key: key(model) };
                Some(offered.map_or_else(folder, known))
            }
            EvaluatorSpec::LlmJudge { model, .. } => Some(known(offered(model, ModelRole::Decoder)?)),
            EvaluatorSpec::RougeL | EvaluatorSpec::Chrf | EvaluatorSpec::Structure => None,
        };
        Some(Self {
            here: EvaluatorHere { id: entry.id.clone(), name: entry.name.clone(), model },
            spec,
            normalization: entry.normalization,
            recorded: Some(Recorded { number, range: dataset.raw_range(number) }),
        })
    }

    /// The evaluators that need neither a model nor a dataset.
    pub fn without_dataset() -> [Self; 3] {
        let plain = |id: &str, name: &str, spec| Self {
            here: EvaluatorHere { id: id.to_owned(), name: name.to_owned(), model: None },
            spec,
            normalization: ScoreNormalization::Unit,
            recorded: None,
        };
        [
            plain("rouge-l", "ROUGE-L", EvaluatorSpec::RougeL),
            plain("chrf", "chrF", EvaluatorSpec::Chrf),
            plain("structure", "Length, repetition and format", EvaluatorSpec::Structure),
        ]
    }

    /// The score of a raw value.
    pub fn score(&self, raw: f64) -> f64 {
        self.normalization.apply(raw, self.recorded.map_or((0.0, 1.0), |recorded| recorded.range))
    }

    fn before(&self, dataset: &Dataset, task: usize, node: usize) -> Option<Score> {
        let before = dataset.score(task, node, self.recorded?.number);
        let (raw, latency_ms) = (before.raw, before.latency_ms);
        Some(Score { raw, score: self.score(raw), latency_ms, tokens: None, truncated: false })
    }
}

impl Rows {
    /// Fetches and checks the dataset.
    pub async fn read(shipped: Shipped) -> Result<Self, String> {
        let id = shipped.id();
        let mut files: [Vec<u8>; 4] = Default::default();
        for (bytes, name) in files.iter_mut().zip(DatasetFiles::NAMES) {
            *bytes = get(&format!("./datasets/{id}/{name}")).await.map_err(|error| format!("{name}: {error}"))?;
        }
        let [manifest, tasks, outputs, scores] = &files;
        let dataset = Dataset::from_files(DatasetFiles { manifest, tasks, outputs, scores });
        let dataset = dataset.map_err(|error| error.to_string())?;
        let evaluators = (0..dataset.evaluators()).filter_map(|number| Scorer::of(&dataset, number)).collect();
        Ok(Self { shipped, dataset, evaluators })
    }

    /// What a reader picks from.
    pub fn corpus(&self) -> Corpus {
        let manifest = &self.dataset.manifest;
        let is_here = |entry: &EvaluatorEntry| self.evaluator(&entry.id).is_some();
        Corpus {
            shipped: self.shipped,
            id: manifest.id.clone(),
            prompts: self.dataset.tasks.iter().map(|task| task.prompt.clone()).collect(),
            nodes: manifest.inference_nodes.iter().map(|node| node.name.clone()).collect(),
            hardware: manifest.hardware.clone(),
            evaluators: self.evaluators.iter().map(|evaluator| evaluator.here.clone()).collect(),
            others: manifest
                .evaluators
                .iter()
                .filter(|entry| !is_here(entry))
                .map(|entry| entry.name.clone())
                .collect(),
        }
    }

    /// The evaluators that run here.
    pub fn evaluators(&self) -> &[Scorer] {
        &self.evaluators
    }

    /// One of them.
    pub fn evaluator(&self, id: &str) -> Option<&Scorer> {
        self.evaluators.iter().find(|evaluator| evaluator.here.id == id)
    }

    /// The first evaluator whose encoder is known by `sought`.
    pub fn with_encoder(&self, sought: &str) -> Option<&Scorer> {
        self.evaluators.iter().find(|evaluator| match &evaluator.spec {
            EvaluatorSpec::BiEncoder { model, .. } | EvaluatorSpec::CrossEncoder { model, .. } => key(model) == sought,
            _ => false,
        })
    }

    /// Recorded answers.
    pub fn len(&self) -> u32 {
        (self.dataset.tasks.len() * self.dataset.inference_nodes()) as u32
    }

    /// The task of recorded answer `index`.
    pub fn task(&self, index: u32) -> &Task {
        &self.dataset.tasks[index as usize / self.dataset.inference_nodes()]
    }

    /// Recorded answer `index`, task by task: the task, the answer, and what `evaluator` made of it then.
    pub fn at(&self, index: u32, evaluator: &Scorer) -> Result<(&Task, &str, Score), String> {
        let nodes = self.dataset.inference_nodes();
        let (task, node) = (index as usize / nodes, index as usize % nodes);
        let before = evaluator.before(&self.dataset, task, node);
        let before = before.ok_or_else(|| format!("the dataset has no evaluator `{}`", evaluator.here.id))?;
        Ok((&self.dataset.tasks[task], &self.dataset.output(task, node).text, before))
    }

    /// `evaluator` as one of the dataset's, with what it made of all recorded answers on `hardware`; none of a judge,
    /// which takes no part.
    pub fn added(&self, evaluator: &Scorer, hardware: &str, scores: &[Score]) -> Option<AddedEvaluator> {
        let recorded = &self.dataset.manifest.evaluators[evaluator.recorded?.number];
        if recorded.kind == JUDGE {
            return None;
        }
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

    /// An inference node at a task, if this device can be made to do its work: with all layers of a model that a page
    /// can have.
    fn node_here(&self, task: usize, node: usize) -> Option<NodeHere> {
        let manifest = &self.dataset.manifest;
        let entry = &manifest.inference_nodes[node];
        let NodeSpec::Decoder(spec) = NodeSpec::of(entry).ok()?? else { return None };
        let model = offered(&spec.model, ModelRole::Decoder).filter(|_| spec.layers.is_none())?;
        let (asked, output) = (&self.dataset.tasks[task], self.dataset.output(task, node));
        let options = spec.options(task, asked);
        Some(NodeHere {
            node: entry.name.clone(),
            model: model.name.to_owned(),
            request: Generate {
                prompt: spec.request(asked),
                chat: true,
                max_tokens: options.max_tokens as u32,
                temperature: options.temperature,
                seed: options.seed,
                stop: spec.stop,
            },
            latency_ms: output.latency_ms,
            tokens_out: output.tokens_out,
        })
    }

    /// A row, if there is one of these numbers.
    pub fn row(&self, number: u32, node: u32) -> Option<RecordedRow> {
        let (task, instance, nodes) = (number as usize, node as usize, self.dataset.inference_nodes());
        if instance >= nodes {
            return None;
        }
        let asked = self.dataset.tasks.get(task)?;
        let output = self.dataset.output(task, instance);
        let before =
            |evaluator: &Scorer| Some((evaluator.here.id.clone(), evaluator.before(&self.dataset, task, instance)?));
        Some(RecordedRow {
            number,
            node,
            task: asked.clone(),
            answer: output.text.clone(),
            node_here: self
                .node_here(task, instance)
                .or_else(|| (0..nodes).find_map(|node| self.node_here(task, node))),
            scores: self.evaluators.iter().filter_map(before).collect(),
        })
    }
}

/// The bytes of a file beside the page.
pub async fn get(address: &str) -> Result<Vec<u8>, String> {
    let response = JsFuture::from(global().fetch_with_str(address)).await.map_err(|error| words(&error))?;
    let response: Response = response.unchecked_into();
    if !response.ok() {
        return Err(format!("the server answered {}", response.status()));
    }
    let buffer = JsFuture::from(response.array_buffer().map_err(|error| words(&error))?).await;
    Ok(js_sys::Uint8Array::new(&buffer.map_err(|error| words(&error))?).to_vec())
}
