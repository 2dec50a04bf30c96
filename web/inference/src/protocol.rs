//! The messages between the page and the inference worker: one enum each way, as JSON text.

use poq_core::dataset::{AddedEvaluator, Shipped, Task};
use serde::{Deserialize, Serialize};

/// From the page to the worker. Files that the reader picked come beside [`ToInference::Keep`],
/// [`ToInference::Open`] and [`ToInference::OpenFolder`]: the message is then a list of the text and the files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToInference {
    /// Say what is stored and what room there is.
    Look,
    /// Download from beside the page what is missing of a known model.
    Fetch {
        /// Its name.
        model: String,
    },
    /// Keep the files beside this message as those of a known model.
    Keep {
        /// Its name.
        model: String,
    },
    /// Stop bringing weights. What is there stays, and the next download goes on from it.
    StopTransfer,
    /// Remove a known model from this browser.
    Delete {
        /// Its name.
        model: String,
    },
    /// Put a known model on the device, and let it compute a known answer.
    Load {
        /// Its name.
        model: String,
    },
    /// Use the file beside this message, a decoder in GGUF, until the next one. It is not kept.
    Open,
    /// Put a model that only the dataset names on the device: out of the files beside this message or, without files,
    /// out of its folder beside the page. It is not kept.
    OpenFolder {
        /// Name of the folder.
        name: String,
        /// What the dataset knows it by, as [`ModelHere::Folder`] has it.
        key: String,
        /// Paths of its files within the folder, in the order of the files beside this message.
        paths: Vec<String>,
    },
    /// Read a dataset beside the page, in place of the one before it.
    ReadDataset {
        /// Which.
        dataset: Shipped,
    },
    /// Show one of its rows.
    Row {
        /// Number of the task.
        task: u32,
        /// Number of the inference node.
        node: u32,
    },
    /// Score an answer with every evaluator that this device has; the neural ones if their model is loaded. It replaces
    /// the work before it.
    Score {
        /// Names the work in answers.
        work: u32,
        /// What was asked.
        task: Box<Task>,
        /// What was answered.
        answer: String,
    },
    /// Score every recorded answer of the dataset anew. It replaces the work before it.
    Rescore {
        /// Names the work in answers.
        work: u32,
        /// With which evaluator, by its id.
        evaluator: String,
        /// What its latencies are measured on.
        hardware: String,
    },
    /// Embed texts, in one batch where they are few, with the encoder that is loaded. It replaces the work before it.
    Embed {
        /// Names the work in the answer.
        work: u32,
        /// The texts.
        texts: Vec<String>,
    },
    /// Answer, with the decoder that is loaded. It replaces the work before it.
    Generate {
        /// Names the work in answers.
        work: u32,
        /// What to answer, and how.
        request: Generate,
    },
    /// Stop scoring and answering.
    Stop,
}

/// An evaluator of the dataset that runs on this device as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluatorHere {
    /// Its id in the dataset.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The model that it needs; none where it needs none.
    pub model: Option<ModelHere>,
}

/// A model that an evaluator of the dataset needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelHere {
    /// A known one, by name.
    Known(String),
    /// One that only the dataset names, as its trained judges: the reader picks its folder, or it lies beside the page.
    Folder {
        /// Name of the folder.
        name: String,
        /// The file in it by whose hash the dataset knows it.
        file: String,
        /// That hash, and how the output is read where the folder says so.
        key: String,
    },
}

impl ModelHere {
    /// Its name: a known one's, or that of its folder.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Known(name) | Self::Folder { name, .. } => name,
        }
    }
}

/// What a decoder is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generate {
    /// The prompt.
    pub prompt: String,
    /// Whether it goes through the model's chat template, as a user's message; else it is continued as it stands.
    pub chat: bool,
    /// At most this many tokens.
    pub max_tokens: u32,
    /// 0 takes the best token each time.
    pub temperature: f32,
    /// Names the draws.
    pub seed: u64,
    /// Texts that end the answer, and are no part of it.
    #[serde(default)]
    pub stop: Vec<String>,
}

/// From the worker to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromInference {
    /// The program runs, on this device.
    Ready(DeviceReport),
    /// The program runs, but has no device: in words, why. It ends here.
    NoDevice(String),
    /// The device or the program is gone: in words, why. It ends here.
    Lost(String),
    /// What is stored.
    Stored(Stored),
    /// How far the weights of a model are here.
    Transfer {
        /// The model.
        model: String,
        /// Bytes that are here.
        done: u64,
        /// Bytes in all.
        of: u64,
    },
    /// Weights are no longer on their way.
    TransferEnded {
        /// The model.
        model: String,
        /// In words, why they are not all here, if they are not.
        fault: Option<String>,
    },
    /// A model is on its way to the device.
    Loading {
        /// The model.
        model: String,
        /// What is done to it now.
        step: LoadStep,
    },
    /// A model is ready, and the device computed the known answer.
    Loaded(Loaded),
    /// A model could not be loaded.
    LoadFailed {
        /// The model.
        model: String,
        /// Why, in words.
        words: String,
        /// Whose fault it is.
        blame: Blame,
    },
    /// The dataset beside the page, or why it could not be read.
    Corpus(Result<Corpus, String>),
    /// A row of it.
    Row(Box<RecordedRow>),
    /// What one evaluator makes of an answer.
    Scored {
        /// The work.
        work: u32,
        /// The evaluator.
        evaluator: EvaluatorHere,
        /// What came of it.
        outcome: Result<Score, String>,
    },
    /// How far the dataset is scored anew.
    Rescoring {
        /// The work.
        work: u32,
        /// Answers scored.
        done: u32,
        /// Answers in all.
        of: u32,
    },
    /// The dataset scored anew, or as far as it came.
    Rescored {
        /// The work.
        work: u32,
        /// What came of it.
        outcome: Result<Box<Rescored>, String>,
    },
    /// Texts are embedded.
    Embedded {
        /// The work.
        work: u32,
        /// What came of it.
        outcome: Result<Embedded, String>,
    },
    /// How far a prompt is read.
    Reading {
        /// The work.
        work: u32,
        /// Tokens read.
        done: u32,
        /// Tokens in all.
        of: u32,
    },
    /// A part of an answer, as it comes.
    Token {
        /// The work.
        work: u32,
        /// Whole characters; empty within one.
        text: String,
        /// Tokens so far.
        tokens: u32,
        /// Time since the work began, in milliseconds.
        ms: f64,
    },
    /// An answer is whole, or is not to be had.
    Generated {
        /// The work.
        work: u32,
        /// What came of it.
        outcome: Result<Generated, String>,
    },
    /// An answer is scored by all that could.
    Done {
        /// The work.
        work: u32,
    },
}

/// The device that models run on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// The device.
    pub kind: DeviceKind,
    /// What the browser calls it; empty where it does not say.
    pub name: String,
    /// Whether weights are kept in half precision there: a GPU's shaders may know it, the CPU does not.
    pub has_half: bool,
}

impl DeviceReport {
    /// What latencies are measured on here.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self.kind {
            DeviceKind::Cpu => "one thread of a browser's CPU, in WebAssembly".to_owned(),
            DeviceKind::WebGpu => {
                let name = if self.name.is_empty() { "a GPU without a name" } else { self.name.as_str() };
                format!("{name}, through WebGPU{}", if self.has_half { ", with weights in half precision" } else { "" })
            }
        }
    }
}

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceKind {
    /// One thread of the processor.
    Cpu,
    /// The graphics processor, through WebGPU.
    WebGpu,
}

/// What is stored in this browser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Known models and how many of their bytes are here, in the order of the catalogue.
    pub models: Vec<(String, u64)>,
    /// Bytes that the browser still gives this page, as far as it tells.
    pub room: Option<u64>,
    /// In words, why nothing can be kept here, if so.
    pub fault: Option<String>,
}

/// A step of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadStep {
    /// Its files are read from the browser's storage and their hashes checked.
    Check,
    /// Its weights go to the device.
    Upload,
    /// It computes a known answer, for which the device may have to compile its kernels.
    KnownAnswer,
}

/// Whose fault it is that a model could not be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blame {
    /// Its files', or what was asked.
    Model,
    /// The device's: it computed something else than the known answer, or nothing finite.
    DeviceIsWrong,
    /// The device's: it does not hold the model.
    DeviceIsSmall,
    /// The device's: it gave no result.
    DeviceFailed,
}

/// A model on the device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loaded {
    /// The model's name: a known one's, that of its folder, or what a file calls itself.
    pub model: String,
    /// Whether it is a language model.
    pub decoder: bool,
    /// Time to read and check its files, in milliseconds; with that to put its weights on the device, where that is not
    /// told apart.
    pub check_ms: f64,
    /// Time to put its weights on the device, in milliseconds.
    pub upload_ms: Option<f64>,
    /// How it computed the known answer; none for a model of which none is known.
    pub known_answer: Option<KnownAnswer>,
    /// Cosine of its scores with those that the CPU computes: for a model without a known answer, on a GPU.
    pub cpu_cosine: Option<f64>,
    /// Largest difference of its scores, on the scale of 0 to 10, from recorded ones of answers that it was tried on:
    /// for a model without a known answer that the dataset names.
    pub difference: Option<f64>,
}

/// A known answer, computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnownAnswer {
    /// Cosine with the stored vector, or share of the stored tokens that came.
    pub agreement: f64,
    /// Time it took, in milliseconds, with what the device had to compile.
    pub first_ms: f64,
    /// Time it took once more, in milliseconds; none for a decoder, whose answer is several passes already.
    pub second_ms: Option<f64>,
}

/// What a reader picks a row from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Corpus {
    /// Which of the datasets beside the page was read.
    pub shipped: Shipped,
    /// Id of the dataset.
    pub id: String,
    /// The tasks' prompts.
    pub prompts: Vec<String>,
    /// The inference nodes' names.
    pub nodes: Vec<String>,
    /// What it was recorded on.
    pub hardware: String,
    /// The evaluators that run here.
    pub evaluators: Vec<EvaluatorHere>,
    /// Names of the other evaluators.
    pub others: Vec<String>,
}

/// An inference node that this device can be made to do the work of, and what it took for a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeHere {
    /// The node's name.
    pub node: String,
    /// Its model, a known one, by name.
    pub model: String,
    /// What it was asked.
    pub request: Generate,
    /// Measured time of the answer, in milliseconds.
    pub latency_ms: f64,
    /// Tokens of the answer.
    pub tokens_out: u64,
}

impl NodeHere {
    /// Whether `request` asks the same of the same model: without draws a seed says nothing.
    #[must_use]
    pub fn is_asked(&self, model: &str, request: &Generate) -> bool {
        let seed = if self.request.temperature > 0.0 { self.request.seed } else { request.seed };
        self.model == model && Generate { seed, ..self.request.clone() } == *request
    }
}

/// A recorded answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedRow {
    /// Number of the task.
    pub number: u32,
    /// Number of the inference node.
    pub node: u32,
    /// The task.
    pub task: Task,
    /// What the node answered.
    pub answer: String,
    /// The node that answered, else the first one that this device can be made to do the work of, if there is one.
    pub node_here: Option<NodeHere>,
    /// What the evaluators that run here recorded, by their ids.
    pub scores: Vec<(String, Score)>,
}

/// What an evaluator makes of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The evaluator's own value.
    pub raw: f64,
    /// On the common scale of 0 to 10.
    pub score: f64,
    /// Measured time, in milliseconds.
    pub latency_ms: f64,
    /// Tokens that a model read; none without one, and for what was recorded.
    pub tokens: Option<u32>,
    /// Whether a text was cut to fit the model.
    pub truncated: bool,
}

/// A dataset scored anew beside what was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rescored {
    /// The evaluator.
    pub evaluator: EvaluatorHere,
    /// Answers scored.
    pub rows: u32,
    /// Answers in all.
    pub of: u32,
    /// Pearson correlation of new and recorded scores; none where one of them does not vary.
    pub pearson: Option<f64>,
    /// Largest difference of a new score from the recorded one, on the scale of 0 to 10.
    pub largest: f64,
    /// Mean measured time of a score here, in milliseconds.
    pub latency_ms: f64,
    /// Mean recorded time of a score, in milliseconds.
    pub recorded_ms: f64,
    /// Answers of which a text was cut to fit the model.
    pub truncated: u32,
    /// Answers without a score: a language model's reply to them was no number.
    pub unscored: u32,
    /// The evaluator as one of the dataset's, if it scored all of it.
    pub added: Option<Box<AddedEvaluator>>,
}

/// Texts as an encoder sees them, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embedded {
    /// Token ids of each text, cut to what the model reads.
    pub token_ids: Vec<Vec<u32>>,
    /// Vector of each text, of unit length.
    pub vectors: Vec<Vec<f32>>,
    /// Time for all, in milliseconds.
    pub latency_ms: f64,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generated {
    /// The text.
    pub text: String,
    /// Its tokens, without the end of the text.
    pub token_ids: Vec<u32>,
    /// Tokens of the prompt that the model read.
    pub tokens_in: u32,
    /// Why it ended.
    pub finish: Finish,
    /// Whether the front of the prompt was cut off to fit the model.
    pub truncated_prompt: bool,
    /// Time until the first token, in milliseconds.
    pub first_ms: f64,
    /// Time in all, in milliseconds.
    pub latency_ms: f64,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finish {
    /// The model ended it.
    EndOfText,
    /// It has as many tokens as were asked for.
    MaxTokens,
    /// The reader stopped it.
    Stopped,
    /// The model can read no more.
    ContextFull,
}
