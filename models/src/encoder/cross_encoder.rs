//! Cross-encoders: a pair of texts, read together, becomes a value; by a transformer with a head, or by a TextCNN.

use burn::tensor::Device;
use serde::Deserialize;

use super::body::Body;
use super::config::{CROSS_ENCODER, EncoderConfig};
use super::head::{Head, Reading};
use super::text_cnn::{self, TextCnn, TextCnnConfig};
use super::weights::Weights;
use super::{Families, Network, ReadFile};
use crate::error::{ModelError, Part, read_json};
use crate::host::Kernels;
use crate::tokenizer::encoder::{Encoded, EncoderTokenizer};

/// What a model says of a pair of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct PairScore {
    /// One for each of the model's labels.
    pub logits: Vec<f32>,
    /// What they stand for, as the model's [`Reading`] has it.
    pub value: f64,
    /// Tokens that the model read, its own around the texts among them.
    pub tokens: usize,
    /// Whether the end of a text was cut off to fit [`CrossEncoder::max_tokens`], the longer text's first.
    pub truncated: bool,
}

/// An encoder with its tokenizer and a head for sequence classification, or a TextCNN.
pub struct CrossEncoder(Classifier);

enum Classifier {
    Transformer(Box<Transformer>),
    TextCnn(Box<Network<TextCnn>>),
}

struct Transformer {
    network: Network,
    head: Head,
}

/// Which network a `config.json` is of.
#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}

/// What `tokenizer_config.json` says of lengths; some files have numbers far above all others.
#[derive(Deserialize)]
struct Lengths {
    model_max_length: Option<f64>,
}

impl CrossEncoder {
    /// Reads a folder: `config.json`, `tokenizer.json`, `model.safetensors` (F32, F16 or BF16) and, where there is
    /// one, `tokenizer_config.json`, and puts the weights on `device`. `read` gives the bytes of a file by its path
    /// within the folder, or none where there is none. A pair is cut to `model_max_length` or to the model's positions,
    /// whichever are fewer. A `model_type` of `text_cnn` is a TextCNN, whatever the families.
    ///
    /// # Errors
    /// What `read` fails with; a file that is missing, damaged or of a family that is not one of `families`, a tensor
    /// that is missing or of another shape, a model without a head for sequence classification, one of several labels
    /// none of which begins with "entail", an activation that is not known here, or a tokenizer that does not say how
    /// pairs are joined.
    pub fn from_folder<E: From<ModelError>>(
        read: &mut ReadFile<'_, E>,
        families: &Families,
        kernels: Kernels,
        device: &Device,
    ) -> Result<Self, E> {
        let mut file = |name: &str| read(name)?.ok_or_else(|| E::from(ModelError::MissingFile { file: name.into() }));
        let (config, tokenizer, tensors) = (file("config.json")?, file("tokenizer.json")?, file("model.safetensors")?);
        let lengths = read("tokenizer_config.json")?;
        Ok(Self::build(families, &config, &tokenizer, lengths.as_deref(), &tensors, kernels, device)?)
    }

    fn build(
        families: &Families,
        config_json: &[u8],
        tokenizer_json: &[u8],
        tokenizer_config_json: Option<&[u8]>,
        safetensors: &[u8],
        kernels: Kernels,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let longest = match tokenizer_config_json {
            None => None,
            Some(file) => read_json::<Lengths>(Part::TokenizerConfigJson, file)?.model_max_length,
        };
        let max_tokens = |positions: usize| match longest {
            // NaN and what is below 0 become 0.
            Some(longest) => positions.min(longest as usize),
            None => positions,
        };
        let Kind { model_type } = read_json(Part::ConfigJson, config_json)?;
        if model_type.as_deref() == Some(text_cnn::MODEL_TYPE) {
            let config = TextCnnConfig::read(config_json)?;
            let (vocabulary, positions) = (config.vocab_size, config.max_position_embeddings);
            let body = || TextCnn::read(safetensors, &config, kernels, device);
            let max_tokens = max_tokens(positions);
            let network = Network::read(families, tokenizer_json, vocabulary, max_tokens, kernels, device, body)?;
            check_length(&network, positions)?;
            return Ok(Self(Classifier::TextCnn(Box::new(network))));
        }
        let config = EncoderConfig::read(config_json, families, CROSS_ENCODER)?;
        config.check_is_cross_encoder()?;
        let weights = Weights::parse(safetensors)?;
        weights.check_is_cross_encoder()?;
        let (vocabulary, max_tokens) = (config.vocabulary, max_tokens(config.max_tokens));
        let body = || Body::read(&weights, &config, kernels, device);
        let network = Network::read(families, tokenizer_json, vocabulary, max_tokens, kernels, device, body)?;
        check_length(&network, config.max_tokens)?;
        config.check_types(&network.tokenizer)?;
        let head = Head::read(&weights, config_json, &config, device)?;
        Ok(Self(Classifier::Transformer(Box::new(Transformer { network, head }))))
    }

    fn tokenizer(&self) -> &EncoderTokenizer {
        match &self.0 {
            Classifier::Transformer(transformer) => &transformer.network.tokenizer,
            Classifier::TextCnn(network) => &network.tokenizer,
        }
    }

    /// Tokens that are read of a pair at most.
    pub fn max_tokens(&self) -> usize {
        match &self.0 {
            Classifier::Transformer(transformer) => transformer.network.max_tokens,
            Classifier::TextCnn(network) => network.max_tokens,
        }
    }

    /// How logits become a value.
    pub fn reading(&self) -> &Reading {
        match &self.0 {
            Classifier::Transformer(transformer) => transformer.head.reading(),
            Classifier::TextCnn(_) => &Reading::Sigmoid,
        }
    }

    /// Token ids of a pair as the network reads it, their types, and whether an end was cut off. Names of special
    /// tokens in the texts, such as `[SEP]`, are text like any other.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub fn encode(&self, first: &str, second: &str) -> Result<(Vec<u32>, Vec<u32>, bool), ModelError> {
        let Encoded { ids, types, truncated } = self.tokenizer().encode((first, second))?;
        Ok((ids, types, truncated))
    }

    /// What the model says of pairs, in their order. A pair's score does not depend on its neighbours beyond float
    /// noise.
    ///
    /// # Errors
    /// A text that the tokenizer refuses, weights that give no finite numbers, or a device that fails.
    pub async fn score(&self, pairs: &[(&str, &str)]) -> Result<Vec<PairScore>, ModelError> {
        let rows = pairs.iter().map(|pair| self.tokenizer().encode(*pair)).collect::<Result<Vec<_>, _>>()?;
        let (labels, logits) = match &self.0 {
            Classifier::Transformer(transformer) => {
                let Transformer { network, head } = transformer.as_ref();
                let forward = |body: &Body, rows: &[&Encoded]| head.forward(body.pooled(rows, head.pooling()));
                (head.labels(), network.run(&rows, &forward).await?)
            }
            Classifier::TextCnn(network) => (1, network.run(&rows, &TextCnn::logits).await?),
        };
        let score = |(row, logits): (Encoded, Vec<f32>)| {
            if logits.len() != labels || !logits.iter().all(|logit| logit.is_finite()) {
                return Err(ModelError::NotFinite("logit"));
            }
            let value = self.reading().value(&logits);
            Ok(PairScore { logits, value, tokens: row.ids.len(), truncated: row.truncated })
        };
        rows.into_iter().zip(logits).map(score).collect()
    }
}

/// Refuses a network that can read no pair; `positions` is what its `config.json` allows.
fn check_length<B>(network: &Network<B>, positions: usize) -> Result<(), ModelError> {
    let (max_tokens, least) = (network.max_tokens, network.tokenizer.around_pairs()? + 2);
    if max_tokens >= least {
        return Ok(());
    }
    let (part, field) = match max_tokens == positions {
        true => (Part::ConfigJson, "max_position_embeddings"),
        false => (Part::TokenizerConfigJson, "model_max_length"),
    };
    let seen = format!("such that {max_tokens} tokens can be read");
    Err(ModelError::field(part, field, seen, format!("{least} at least: a pair and what is around it")))
}
