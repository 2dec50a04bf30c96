//! Cross-encoders: a pair of texts, read together, becomes a value.

use burn::tensor::Device;
use serde::Deserialize;

use super::config::{CROSS_ENCODER, EncoderConfig};
use super::head::{Head, Reading};
use super::weights::Weights;
use super::{Families, Network, Pooling, ReadFile};
use crate::error::{ModelError, Part, read_json};
use crate::host::Kernels;
use crate::tokenizer::encoder::Encoded;

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

/// An encoder with its tokenizer and a head for sequence classification.
pub struct CrossEncoder {
    network: Network,
    head: Head,
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
    /// whichever are fewer.
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
        let config = EncoderConfig::read(config_json, families, CROSS_ENCODER)?;
        config.check_is_cross_encoder()?;
        let weights = Weights::parse(safetensors)?;
        weights.check_is_cross_encoder()?;
        let longest = match tokenizer_config_json {
            None => None,
            Some(file) => read_json::<Lengths>(Part::TokenizerConfigJson, file)?.model_max_length,
        };
        let max_tokens = match longest {
            // NaN and what is below 0 become 0.
            Some(longest) => config.max_tokens.min(longest as usize),
            None => config.max_tokens,
        };
        let network = Network::read(&config, families, tokenizer_json, &weights, max_tokens, kernels, device)?;
        let least = network.tokenizer.around_pairs()? + 2;
        if max_tokens < least {
            let (part, field) = match max_tokens == config.max_tokens {
                true => (Part::ConfigJson, "max_position_embeddings"),
                false => (Part::TokenizerConfigJson, "model_max_length"),
            };
            let seen = format!("such that {max_tokens} tokens can be read");
            return Err(ModelError::field(
                part,
                field,
                seen,
                format!("{least} at least: a pair and what is around it"),
            ));
        }
        if config.types > 0 && network.tokenizer.types() > config.types {
            let allowed = format!("{} at least: so many types the tokenizer gives", network.tokenizer.types());
            return Err(ModelError::field(Part::ConfigJson, "type_vocab_size", config.types, allowed));
        }
        let head = Head::read(&weights, config_json, &config, device)?;
        Ok(Self { network, head })
    }

    /// Tokens that are read of a pair at most.
    pub fn max_tokens(&self) -> usize {
        self.network.max_tokens
    }

    /// How logits become a value.
    pub fn reading(&self) -> &Reading {
        self.head.reading()
    }

    /// Token ids of a pair as the network reads it, their types, and whether an end was cut off. Names of special
    /// tokens in the texts, such as `[SEP]`, are text like any other.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub fn encode(&self, first: &str, second: &str) -> Result<(Vec<u32>, Vec<u32>, bool), ModelError> {
        let Encoded { ids, types, truncated } = self.network.tokenizer.encode((first, second))?;
        Ok((ids, types, truncated))
    }

    /// What the model says of pairs, in their order. A pair's score does not depend on its neighbours beyond float
    /// noise.
    ///
    /// # Errors
    /// A text that the tokenizer refuses, weights that give no finite numbers, or a device that fails.
    pub async fn score(&self, pairs: &[(&str, &str)]) -> Result<Vec<PairScore>, ModelError> {
        let rows = pairs.iter().map(|pair| self.network.tokenizer.encode(*pair)).collect::<Result<Vec<_>, _>>()?;
        let logits = self.network.run(&rows, &|body, rows| self.head.forward(body.pooled(rows, Pooling::Cls))).await?;
        let score = |(row, logits): (Encoded, Vec<f32>)| {
            if logits.len() != self.head.labels() || !logits.iter().all(|logit| logit.is_finite()) {
                return Err(ModelError::NotFinite("logit"));
            }
            let value = self.head.reading().value(&logits);
            Ok(PairScore { logits, value, tokens: row.ids.len(), truncated: row.truncated })
        };
        rows.into_iter().zip(logits).map(score).collect()
    }
}
