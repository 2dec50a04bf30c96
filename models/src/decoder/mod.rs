//! Decoders from GGUF: the network's inference nodes.

mod block;
mod chat;
mod config;
mod date;
mod families;
mod generate;
mod jinja;
mod network;
mod rating;
mod sampler;
mod text;
mod weights;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use chat::ChatTemplate;
pub use chat::Message;
use config::DecoderConfig;
pub use date::Date;
pub use generate::{Continuation, Finish, Generation, Step};
use network::Network;
pub use rating::{Rater, Rating};
use text::TextStream;
use weights::Weights;

use crate::error::{ModelError, Part};
use crate::format::gguf::{Gguf, Head};
use crate::format::source::Source;
use crate::tokenizer::vocabulary::DecoderTokenizer;

/// How to load a decoder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecoderOptions {
    /// Run only this many of the first blocks, then the last normalisation and the head: a cheaper node of the same
    /// weights. None runs all.
    pub layers: Option<usize>,
    /// How the weights are kept in memory.
    pub weights: WeightStorage,
    /// What a chat template is told that asks for today's date.
    pub date: Date,
}

/// How a decoder's weights are kept in memory. Results differ by rounding alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WeightStorage {
    /// As f32, whatever the file has: 4 bytes a weight, on any device.
    #[default]
    F32,
    /// In half precision, 2 bytes a weight, for a GPU whose shaders know it; what is computed with them there is f32.
    F16,
    /// In blocks of the bits that the file has and as large as there, on the CPU device only. F16 and BF16 become f32
    /// row by row as they are used, blocks of few bits are multiplied as they are.
    AsStored,
}

/// What a decoder is asked to continue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// A text, continued as it stands; nothing in it is a control token.
    Text(String),
    /// A conversation, put through the model's chat template up to where its answer begins.
    Messages(Vec<Message>),
}

/// How to generate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerateOptions {
    /// At most this many tokens; 1 or more.
    pub max_tokens: usize,
    /// 0 takes the best token each time; above, tokens are drawn from the softmax of logits / temperature.
    pub temperature: f32,
    /// Names the draws: the same seed, prompt and device give the same text.
    pub seed: u64,
}

/// A decoder with its tokenizer, ready to generate.
pub struct Decoder {
    tokenizer: DecoderTokenizer,
    template: Option<ChatTemplate>,
    network: Network,
}

impl Decoder {
    /// Reads a GGUF file and puts its weights on `device`, piece by piece.
    ///
    /// # Errors
    /// A file that is not GGUF, is truncated or damaged, is of an architecture that is not known here, lacks a tensor
    /// or field or has one that does not fit the rest, or a chat template that fails on any message; `layers` or `date`
    /// out of range, or `weights` that `device` cannot keep: of a kind that it does not know, or in larger pieces than
    /// it holds ([`ModelError::TooLarge`]).
    pub fn from_gguf(file: impl Source, options: &DecoderOptions, device: &Device) -> Result<Self, ModelError> {
        if !options.date.is_valid() {
            return Err(ModelError::argument("date", options.date, "a year from 1 to 9999, a month and a day of it"));
        }
        let head = Head::read(&file)?;
        let gguf = Gguf::parse(&head)?;
        let config = DecoderConfig::read(&gguf, options)?;
        let tokenizer = DecoderTokenizer::read(&gguf)?;
        let template = gguf.optional_text("tokenizer.chat_template")?;
        let template = template.map(|source| ChatTemplate::new(source, tokenizer.named().clone(), options.date));
        let template = template.transpose()?;
        let weights = Weights::new(&gguf, &config, options.weights, device)?;
        let network = Network::read(&weights, tokenizer.len())?;
        Ok(Self { tokenizer, template, network })
    }

    /// The model's own name for itself.
    pub fn name(&self) -> &str {
        &self.network.config().name
    }

    /// Whether messages can be put to it: base models have no template for them, and continue texts.
    pub fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// Blocks that run.
    pub fn layers(&self) -> usize {
        self.network.config().layers
    }

    /// Tokens that prompt and answer may have together.
    pub fn context_length(&self) -> usize {
        self.network.config().context_length
    }

    /// Weights in use: those of blocks that do not run are not counted.
    pub fn parameters(&self) -> u64 {
        self.network.parameters()
    }

    /// The date that the model's chat template is told, if it asks for today's.
    pub fn told_date(&self) -> Option<Date> {
        self.template.as_ref().and_then(ChatTemplate::told_date)
    }

    /// Scores of every token to come after a text. Its last `steps` tokens, at least one, are read one at a time, as
    /// those of an answer are, and what is before them together.
    pub(crate) async fn scores_after(&self, text: &str, steps: usize) -> Result<Vec<f32>, ModelError> {
        let ids = self.tokenizer.encode(text)?;
        let (together, alone) = ids.split_at(ids.len().saturating_sub(steps));
        let mut memory = self.network.memory(ids.len());
        self.network.remember(together, &mut memory).await?;
        let mut scores = Vec::new();
        for id in alone {
            scores = self.network.next_scores(std::slice::from_ref(id), &mut memory).await?;
        }
        Ok(scores)
    }

    /// The prompt's token ids, uncut.
    ///
    /// # Errors
    /// Messages for a model without a chat template, or which its template refuses.
    pub fn encode(&self, prompt: &Prompt) -> Result<Vec<u32>, ModelError> {
        match prompt {
            Prompt::Text(text) => self.tokenizer.encode(text),
            Prompt::Messages(messages) => {
                let template =
                    self.template.as_ref().ok_or_else(|| ModelError::missing(Part::Gguf, "tokenizer.chat_template"))?;
                self.tokenizer.encode_rendered(&template.render(messages, self.tokenizer.control_tokens())?)
            }
        }
    }

    /// The text of token ids; control tokens have none, bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// An id that is not in the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, ModelError> {
        let mut stream = TextStream::default();
        let mut text = String::new();
        for id in ids {
            text.push_str(&stream.push(*id, &self.tokenizer)?);
        }
        text.push_str(&stream.finish());
        Ok(text)
    }
}
