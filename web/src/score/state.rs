//! What the Score place knows, and how it changes: by what the reader does and what the inference worker says.

mod initial;
mod source;

use std::collections::BTreeMap;
use std::rc::Rc;

use poq_core::dataset::{AddedEvaluator, Shipped};
use poq_core::weights::{self, KnownModel};
use yew::Reducible;

pub use self::source::Source;

use super::form::Form;
use poq_inference::protocol::{
    Blame, Corpus, DeviceKind, DeviceReport, EvaluatorHere, FromInference, Generate, Generated, LoadStep, Loaded,
    ModelHere, RecordedRow, Rescored, Score, Stored, ToInference,
};

/// What WebGPU is here.
#[derive(Clone, Debug, PartialEq)]
pub enum Gpu {
    /// The browser is being asked.
    Asking,
    /// There is none: in words, why.
    Absent(String),
    /// There is an adapter; what the browser calls it.
    Offered(String),
}

/// What is being brought into the browser.
#[derive(Clone, Debug, PartialEq)]
pub struct Transfer {
    /// The model.
    pub model: String,
    /// Bytes that are here.
    pub done: u64,
    /// Bytes in all.
    pub of: u64,
}

/// A piece of work that the worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Scoring one answer.
    Score,
    /// Scoring the dataset anew.
    Rescore,
    /// Answering.
    Generate,
}

/// What is asked of the decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The request.
    pub request: Generate,
    /// Tokens of the prompt read, and in all, where it is read in parts.
    pub read: Option<(u32, u32)>,
    /// The answer so far.
    pub text: String,
    /// Tokens so far.
    pub tokens: u32,
    /// Time so far, in milliseconds.
    pub ms: f64,
    /// The answer, once it is whole, or why there is none.
    pub outcome: Option<Result<Generated, String>>,
}

/// The Score place.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What WebGPU is here.
    pub gpu: Gpu,
    /// The device that the reader wants models on.
    pub wanted: DeviceKind,
    /// The program that is to run, and a number that goes up with each start.
    pub program: (DeviceKind, u32),
    /// The program's device, once it runs.
    pub device: Option<DeviceReport>,
    /// Whether that program is still being built, where the page comes from.
    pub is_built: bool,
    /// Why a program does not run.
    pub fault: Option<String>,
    /// Files that lie beside the page, by model; none known until the browser has looked.
    pub beside: BTreeMap<String, Vec<String>>,
    /// Why the CPU took over.
    pub fell_back: Option<String>,
    /// What is stored.
    pub stored: Option<Stored>,
    /// What is on its way.
    pub transfer: Option<Transfer>,
    /// The model that could not be brought or removed, and why.
    pub transfer_fault: Option<(String, String)>,
    /// Models to load, in this order; the first is being loaded, or is next.
    pub to_load: Vec<Source>,
    /// The model that is being loaded.
    pub loading: Option<(String, LoadStep)>,
    /// The model that could not be loaded, and why.
    pub load_fault: Option<(String, String)>,
    /// The encoders that are ready, each with what it is from.
    pub encoders: Vec<(Source, Loaded)>,
    /// The decoder that is ready, with what it is from.
    pub decoder: Option<(Source, Loaded)>,
    /// The dataset beside the page that the page has chosen.
    pub dataset: Shipped,
    /// It, or why it could not be read.
    pub corpus: Option<Result<Rc<Corpus>, String>>,
    /// The row that was picked.
    pub row: Option<Rc<RecordedRow>>,
    /// What is typed in.
    pub form: Form,
    /// Number of the last piece of work.
    pub work: u32,
    /// The work that is under way.
    pub doing: Option<Work>,
    /// What the evaluators made of `scored`.
    pub scores: Vec<(EvaluatorHere, Result<Score, String>)>,
    /// What was scored.
    pub scored: Option<Form>,
    /// The evaluator for the whole dataset, once it is known which run here.
    pub rescore_with: Option<EvaluatorHere>,
    /// Answers of the dataset scored, and in all.
    pub rescoring: Option<(u32, u32)>,
    /// The dataset scored anew.
    pub rescored: Option<Result<Rc<Rescored>, String>>,
    /// What is asked of the decoder.
    pub ask: Ask,
}

/// What happens.
pub enum Action {
    /// The browser told what WebGPU is here.
    Gpu(Gpu),
    /// The reader wants models on this device.
    Want(DeviceKind),
    /// What lies beside the page.
    Beside(BTreeMap<String, Vec<String>>),
    /// The program of this number is still being built.
    IsBuilt(u32),
    /// The worker of the program of this number said something.
    Heard(u32, FromInference),
    /// The worker of the program of this number could not be started, or stopped: in words, why.
    Stopped(u32, String),
    /// Try the program once more.
    Again,
    /// The page chose a dataset.
    Dataset(Shipped),
    /// Weights are to be brought.
    Bring(String),
    /// A model is to be put on the device.
    Load(Source),
    /// What is typed in.
    Type(Form),
    /// The evaluator for the whole dataset.
    RescoreWith(EvaluatorHere),
    /// The request to the decoder.
    Request(Generate),
    /// Work begins.
    Begin(Work),
}

impl State {
    /// The kind of device that a model is put on next.
    #[must_use]
    pub fn kind(&self) -> DeviceKind {
        match (&self.gpu, &self.fell_back, self.wanted) {
            (Gpu::Offered(_), None, DeviceKind::WebGpu) => DeviceKind::WebGpu,
            _ => DeviceKind::Cpu,
        }
    }

    /// Whether nothing may be begun now.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.doing.is_some() || self.loading.is_some() || !self.to_load.is_empty()
    }

    /// The model that the program is to load now.
    #[must_use]
    pub fn next(&self) -> Option<&Source> {
        let is_ready = self.device.is_some() && self.program.0 == self.kind();
        let is_free = is_ready && self.doing.is_none() && self.loading.is_none();
        // What only the dataset names is checked by it.
        let is_read = matches!(self.corpus, Some(Ok(_)));
        self.to_load.first().filter(|source| is_free && (is_read || !matches!(source, Source::Folder { .. })))
    }

    /// The evaluator that scored the whole dataset anew, as one that can take part in the network.
    #[must_use]
    pub fn added(&self) -> Option<&AddedEvaluator> {
        self.rescored.as_ref()?.as_ref().ok()?.added.as_deref()
    }

    /// Whether every file of a known model lies beside the page.
    #[must_use]
    pub fn is_beside(&self, model: &KnownModel) -> bool {
        let files = self.beside.get(model.name);
        files.is_some_and(|files| model.files.iter().all(|known| files.iter().any(|file| file == known.name)))
    }

    /// Whether an evaluator can score now: its model, if it has one, is ready.
    #[must_use]
    pub fn can_score(&self, evaluator: &EvaluatorHere) -> bool {
        evaluator.model.as_ref().is_none_or(|model| self.loaded(model).is_some())
    }

    /// A model that is ready.
    #[must_use]
    pub fn loaded(&self, model: &ModelHere) -> Option<&Loaded> {
        let mut ready = self.encoders.iter().chain(&self.decoder);
        ready.find(|(source, _)| source.has(model)).map(|(_, loaded)| loaded)
    }

    /// The models that only the dataset names, each with the names of the evaluators that need it.
    #[must_use]
    pub fn folders(&self) -> Vec<(&ModelHere, Vec<&str>)> {
        let mut folders: Vec<(&ModelHere, Vec<&str>)> = Vec::new();
        for evaluator in self.corpus.iter().flatten().flat_map(|corpus| &corpus.evaluators) {
            let Some(model @ ModelHere::Folder { .. }) = &evaluator.model else { continue };
            match folders.iter_mut().find(|(seen, _)| *seen == model) {
                Some((_, names)) => names.push(&evaluator.name),
                None => folders.push((model, vec![&evaluator.name])),
            }
        }
        folders
    }

    /// Whether the folder of a model that only the dataset names lies beside the page, with the file that it is known
    /// by.
    #[must_use]
    pub fn is_folder_beside(&self, name: &str, file: &str) -> bool {
        self.beside.get(name).is_some_and(|paths| paths.iter().any(|path| path == file))
    }

    /// Whether this is the name of a file that was opened: neither a known model nor one that only the dataset names.
    #[must_use]
    pub fn is_opened(&self, name: &str) -> bool {
        weights::known(name).is_none() && self.folders().iter().all(|(model, _)| model.name() != name)
    }

    /// Bytes of a known model that are here.
    #[must_use]
    pub fn here(&self, model: &str) -> u64 {
        let stored = self.stored.iter().flat_map(|stored| &stored.models);
        stored.filter(|(name, _)| name == model).map(|(_, bytes)| *bytes).sum()
    }

    /// Whether the reader has neither picked a row nor typed anything.
    #[must_use]
    pub fn is_new(&self) -> bool {
        let Self { form, ask, .. } = Self::default();
        self.row.is_none() && self.form == form && self.ask.request == ask.request
    }

    /// Whether a known model is here, as far as is known.
    fn is_whole(&self, model: &str) -> bool {
        self.stored.is_none() || weights::known(model).is_some_and(|known| self.here(model) == known.bytes())
    }

    /// Whether what is typed is the row that was picked, so that its recorded scores are of it.
    #[must_use]
    pub fn recorded(&self) -> Option<&Rc<RecordedRow>> {
        self.row.as_ref().filter(|row| self.scored.as_ref() == Some(&Form::of(row)))
    }

    /// What the worker is asked when `work` begins.
    #[must_use]
    pub fn message(&self, work: Work) -> ToInference {
        match work {
            Work::Score => ToInference::Score {
                work: self.work,
                task: Box::new(self.form.task()),
                answer: self.form.answer.clone(),
            },
            Work::Rescore => ToInference::Rescore {
                work: self.work,
                evaluator: self.rescore_with.as_ref().map(|here| here.id.clone()).unwrap_or_default(),
                hardware: self.device.as_ref().map(DeviceReport::in_words).unwrap_or_default(),
            },
            Work::Generate => ToInference::Generate { work: self.work, request: self.ask.request.clone() },
        }
    }

    /// Starts a program; what the one before it held is gone, and is loaded again.
    fn start(&mut self, kind: DeviceKind) {
        let ready = std::mem::take(&mut self.encoders).into_iter().chain(self.decoder.take());
        // A stored one that was deleted meanwhile is gone.
        let is_there = |source: &Source| match source {
            Source::Stored(name) => self.is_whole(name),
            Source::File { .. } | Source::Folder { .. } => true,
        };
        let mut again: Vec<Source> = ready.map(|(source, _)| source).filter(is_there).collect();
        if let Some(transfer) = &self.transfer {
            let words = "it broke off as the device changed; what came is kept".to_owned();
            self.transfer_fault = Some((transfer.model.clone(), words));
        }
        for source in self.to_load.drain(..) {
            if !again.contains(&source) {
                again.push(source);
            }
        }
        // Those that wait for the dataset hold no other up.
        again.sort_by_key(|source| matches!(source, Source::Folder { .. }));
        self.to_load = again;
        self.program = (kind, self.program.1 + 1);
        // The new program reads the dataset itself.
        (self.device, self.is_built, self.fault, self.corpus) = (None, false, None, None);
        (self.loading, self.transfer) = (None, None);
        self.end_work("its program was started anew");
    }

    fn end_work(&mut self, words: &str) {
        match self.doing.take() {
            Some(Work::Generate) => self.ask.outcome = Some(Err(words.to_owned())),
            Some(Work::Rescore) => self.rescored = Some(Err(words.to_owned())),
            Some(Work::Score) | None => {}
        }
        self.rescoring = None;
    }

    /// `words` say what the GPU does.
    fn fall_back(&mut self, words: &str) {
        let named = self.device.as_ref().map(|device| &device.name).filter(|name| !name.is_empty());
        let name = match (named, &self.gpu) {
            (Some(name), _) | (None, Gpu::Offered(name)) => name.as_str(),
            (None, _) => "this GPU",
        };
        self.fell_back = Some(format!("{name}: {words}"));
        self.start(DeviceKind::Cpu);
    }

    fn ended(&mut self, words: String) {
        if self.program.0 == DeviceKind::WebGpu {
            return self.fall_back(&words);
        }
        if self.fault.is_some() {
            // What a program says before it ends is the cause of what comes after.
            return;
        }
        self.device = None;
        self.loading = None;
        self.transfer = None;
        self.encoders.clear();
        self.decoder = None;
        self.to_load.clear();
        self.end_work(&words);
        self.fault = Some(words);
    }

    fn hear(&mut self, message: FromInference) {
        match message {
            FromInference::Ready(mut report) => {
                // In the worker the browser may say less.
                if let (true, DeviceKind::WebGpu, Gpu::Offered(name)) = (report.name.is_empty(), report.kind, &self.gpu) {
                    report.name.clone_from(name);
                }
                self.device = Some(report);
                self.is_built = false;
            }
            FromInference::NoDevice(words) | FromInference::Lost(words) => self.ended(words),
            FromInference::Stored(stored) => self.stored = Some(stored),
            FromInference::Transfer { model, done, of } => self.transfer = Some(Transfer { model, done, of }),
            FromInference::TransferEnded { model, fault } => {
                self.transfer = None;
                match fault {
                    Some(words) => self.transfer_fault = Some((model, words)),
                    None => self.load(Source::Stored(model)),
                }
            }
            FromInference::Loading { model, step } => {
                // The worker lets go of a decoder before it takes the next: there may be no room for both.
                if step == LoadStep::Upload && self.to_load.first().is_some_and(Source::is_decoder) {
                    self.decoder = None;
                }
                self.loading = Some((model, step));
            }
            FromInference::Loaded(loaded) => {
                self.loading = None;
                self.load_fault.take_if(|(model, _)| *model == loaded.model);
                let is_asked = self.to_load.first().is_some_and(|source| source.name() == loaded.model);
                // What nobody asked for any more has no place.
                let Some(source) = is_asked.then(|| self.to_load.remove(0)) else { return };
                if loaded.decoder {
                    self.decoder = Some((source, loaded));
                } else {
                    self.encoders.retain(|(before, _)| *before != source);
                    self.encoders.push((source, loaded));
                }
            }
            FromInference::LoadFailed { model, words, blame } => {
                self.loading = None;
                let fault = match blame {
                    Blame::Model => None,
                    Blame::DeviceIsWrong => Some("it computes wrongly"),
                    Blame::DeviceIsSmall => Some("it has no room"),
                    Blame::DeviceFailed => Some("it failed"),
                };
                if let (Some(fault), DeviceKind::WebGpu) = (fault, self.program.0) {
                    return self.fall_back(&format!("{fault}: {words}"));
                }
                if self.to_load.first().is_some_and(|source| source.name() == model) {
                    self.to_load.remove(0);
                }
                self.load_fault = Some((model, words));
            }
            // Of the dataset before.
            FromInference::Corpus(Ok(corpus)) if corpus.shipped != self.dataset => {}
            FromInference::Corpus(corpus) => {
                if let Ok(corpus) = &corpus {
                    let chosen = self.rescore_with.take().filter(|chosen| corpus.evaluators.contains(chosen));
                    self.rescore_with = chosen.or_else(|| corpus.evaluators.first().cloned());
                }
                // What it does not name cannot be checked by it, and is of no use.
                let evaluators = corpus.as_ref().map_or(&[][..], |corpus| &corpus.evaluators);
                let is_of_use = |source: &Source| {
                    let models = || evaluators.iter().filter_map(|evaluator| evaluator.model.as_ref());
                    !matches!(source, Source::Folder { .. }) || models().any(|model| source.has(model))
                };
                self.encoders.retain(|(source, _)| is_of_use(source));
                // The worker answers for the one that it is at.
                let at = self.loading.as_ref().map(|(name, _)| name.as_str());
                self.to_load.retain(|source| is_of_use(source) || Some(source.name()) == at);
                self.corpus = Some(corpus.map(Rc::new));
            }
            FromInference::Row(row) => {
                self.form = Form::of(&row);
                if let Some(node) = &row.node_here {
                    self.ask.request = node.request.clone();
                }
                self.row = Some(Rc::from(row));
            }
            FromInference::Scored { work, evaluator, outcome } if work == self.work => {
                self.scores.push((evaluator, outcome));
            }
            FromInference::Rescoring { work, done, of } if work == self.work => self.rescoring = Some((done, of)),
            FromInference::Rescored { work, outcome } if work == self.work => {
                self.doing = None;
                self.rescoring = None;
                self.rescored = Some(outcome.map(Rc::from));
            }
            FromInference::Reading { work, done, of } if work == self.work => self.ask.read = Some((done, of)),
            FromInference::Token { work, text, tokens, ms } if work == self.work => {
                self.ask.text.push_str(&text);
                (self.ask.tokens, self.ask.ms) = (tokens, ms);
            }
            FromInference::Generated { work, outcome } if work == self.work => {
                self.doing = None;
                // Without what ended it.
                if let Ok(answer) = &outcome {
                    self.ask.text.clone_from(&answer.text);
                }
                self.ask.outcome = Some(outcome);
            }
            FromInference::Done { work } if work == self.work => self.doing = None,
            // Of work that was stopped, or replaced.
            FromInference::Scored { .. }
            | FromInference::Rescoring { .. }
            | FromInference::Rescored { .. }
            | FromInference::Reading { .. }
            | FromInference::Token { .. }
            // Of a benchmark, which the page never asks for.
            | FromInference::Embedded { .. }
            | FromInference::Generated { .. }
            | FromInference::Done { .. } => {}
        }
    }

    /// What was of the dataset before is gone; what the reader typed stays.
    fn choose(&mut self, dataset: Shipped) {
        if self.dataset == dataset {
            return;
        }
        if self.row.take().is_some() {
            let Self { form, ask, .. } = Self::default();
            (self.form, self.ask.request) = (form, ask.request);
        }
        (self.dataset, self.corpus, self.scored) = (dataset, None, None);
        (self.rescore_with, self.rescored) = (None, None);
        self.scores.clear();
        if matches!(self.doing, Some(Work::Rescore | Work::Score)) {
            self.end_work("another dataset was chosen");
            // What still comes of it is not heard.
            self.work += 1;
        }
    }

    fn load(&mut self, source: Source) {
        self.load_fault = None;
        if !self.to_load.contains(&source) {
            self.to_load.push(source);
        }
    }

    /// Starts the program that the next model wants, once nothing is under way that would be lost.
    fn go_on(&mut self) {
        let is_free = self.doing.is_none() && self.loading.is_none() && self.transfer.is_none();
        if is_free && !self.to_load.is_empty() && self.kind() != self.program.0 {
            self.start(self.kind());
        }
    }

    fn begin(&mut self, work: Work) {
        self.work += 1;
        self.doing = Some(work);
        match work {
            Work::Score => {
                self.scores.clear();
                self.scored = Some(self.form.clone());
            }
            Work::Rescore => {
                self.rescored = None;
                self.rescoring = Some((0, 0));
            }
            Work::Generate => {
                self.ask.text.clear();
                (self.ask.read, self.ask.tokens, self.ask.ms, self.ask.outcome) = (None, 0, 0.0, None);
            }
        }
    }
}

impl Reducible for State {
    type Action = Action;

    fn reduce(self: Rc<Self>, action: Action) -> Rc<Self> {
        let mut next = Rc::unwrap_or_clone(self);
        match action {
            Action::Gpu(gpu) => next.gpu = gpu,
            Action::Want(kind) => {
                next.wanted = kind;
                // Who asks for the GPU again wants it tried again.
                next.fell_back = None;
                // The large program is not loaded before there is a model for it.
                let is_used = !next.encoders.is_empty() || next.decoder.is_some() || next.kind() == DeviceKind::Cpu;
                if is_used && next.kind() != next.program.0 {
                    next.start(next.kind());
                }
            }
            // Of a program that was replaced.
            Action::Heard(number, _) | Action::Stopped(number, _) | Action::IsBuilt(number)
                if number != next.program.1 => {}
            Action::IsBuilt(_) => next.is_built = true,
            Action::Beside(files) => next.beside = files,
            Action::Heard(_, message) => next.hear(message),
            Action::Stopped(_, words) => next.ended(words),
            Action::Again => next.start(next.program.0),
            Action::Dataset(dataset) => next.choose(dataset),
            Action::Bring(model) => {
                next.transfer_fault = None;
                let (done, of) = (next.here(&model), weights::known(&model).map_or(0, KnownModel::bytes));
                next.transfer = Some(Transfer { model, done, of });
            }
            Action::Load(source) => next.load(source),
            Action::Type(form) => next.form = form,
            Action::RescoreWith(evaluator) => next.rescore_with = Some(evaluator),
            Action::Request(request) => next.ask.request = request,
            Action::Begin(work) => next.begin(work),
        }
        next.go_on();
        Rc::new(next)
    }
}

#[cfg(test)]
mod tests;
