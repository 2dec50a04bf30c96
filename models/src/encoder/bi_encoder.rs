//! Bi-encoders: a text becomes a vector.

use std::borrow::Cow;

use burn::tensor::Device;

use super::body::Body;
use super::config::{BI_ENCODER, EncoderConfig};
use super::weights::Weights;
use super::{Families, Network, ReadFile, SentenceSettings};
use crate::error::{ModelError, Part};
use crate::host::Kernels;
use crate::parallel;
use crate::tokenizer::encoder::Encoded;

/// `[CLS]` and `[SEP]` and one token of text.
const MIN_TOKENS: usize = 3;

/// A text's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// Of unit length, unless the model's folder says otherwise ([`SentenceSettings::is_normalized`]).
    pub vector: Vec<f32>,
    /// Tokens that the model read, its own `[CLS]` and `[SEP]` among them.
    pub tokens: usize,
    /// Whether the end of the text was cut off to fit `max_tokens`.
    pub truncated: bool,
}

/// How like a text is to the likest of others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// Cosine with the likest, in [-1, 1]; -1 where there are no others.
    pub cosine: f64,
    /// Tokens that the model read of all texts together.
    pub tokens: usize,
    /// Whether the end of one of the texts was cut off to fit `max_tokens`.
    pub truncated: bool,
}

/// An encoder with its tokenizer, and with how its folder makes one vector of a text.
pub struct BiEncoder {
    network: Network,
    settings: SentenceSettings,
}

impl BiEncoder {
    /// Reads a folder: `config.json`, `tokenizer.json`, `model.safetensors` (F32, F16 or BF16) and what
    /// [`SentenceSettings`] reads, and puts the weights on `device`. `read` gives the bytes of a file by its path
    /// within the folder, or none where there is none. With nothing but the three, vectors are the mean of the states,
    /// in unit length.
    ///
    /// # Errors
    /// What `read` fails with; a file that is missing, damaged or of a family that is not one of `families`, a tensor
    /// that is missing or of another shape, settings that are not known here, or a model with a head for another task,
    /// as a cross encoder has, unless the folder declares it a sentence encoder.
    pub fn from_folder<E: From<ModelError>>(
        read: &mut ReadFile<'_, E>,
        families: &Families,
        kernels: Kernels,
        device: &Device,
    ) -> Result<Self, E> {
        let settings = SentenceSettings::read(read)?;
        let mut file = |name: &str| {
            let file = format!("{}{name}", settings.path);
            read(&file)?.ok_or_else(|| E::from(ModelError::MissingFile { file }))
        };
        let (config, tokenizer, tensors) = (file("config.json")?, file("tokenizer.json")?, file("model.safetensors")?);
        Ok(Self::build(families, &config, &tokenizer, &tensors, settings, kernels, device)?)
    }

    /// Reads the files of a folder that says nothing of how vectors are made: the mean of the states, in unit length.
    /// `max_tokens` is `max_seq_length` of `sentence_bert_config.json`; none takes all positions.
    ///
    /// # Errors
    /// As [`Self::from_folder`], or `max_tokens` out of range.
    pub fn from_parts(
        config_json: &[u8],
        tokenizer_json: &[u8],
        safetensors: &[u8],
        max_tokens: Option<usize>,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let kernels = Kernels::fastest(device);
        Self::from_parts_with(config_json, tokenizer_json, safetensors, max_tokens, kernels, device)
    }

    /// As [`Self::from_parts`], which takes [`Kernels::fastest`].
    ///
    /// # Errors
    /// As [`Self::from_parts`], or [`Kernels::Host`] for another device than the CPU.
    pub fn from_parts_with(
        config_json: &[u8],
        tokenizer_json: &[u8],
        safetensors: &[u8],
        max_tokens: Option<usize>,
        kernels: Kernels,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let settings = SentenceSettings { max_tokens, ..SentenceSettings::default() };
        Self::build(Families::ALL, config_json, tokenizer_json, safetensors, settings, kernels, device)
    }

    fn build(
        families: &Families,
        config_json: &[u8],
        tokenizer_json: &[u8],
        safetensors: &[u8],
        settings: SentenceSettings,
        kernels: Kernels,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let config = EncoderConfig::read(config_json, families, BI_ENCODER)?;
        let weights = Weights::parse(safetensors)?;
        // A folder that declares itself has named all that its vectors are made with.
        if !settings.is_declared {
            config.check_is_bi_encoder()?;
            weights.check_is_bi_encoder()?;
        }
        let max_tokens = match settings.max_tokens {
            None => config.max_tokens,
            Some(count) if (MIN_TOKENS..=config.max_tokens).contains(&count) => count,
            Some(count) => {
                let allowed = format!("{MIN_TOKENS} to {} (max_position_embeddings)", config.max_tokens);
                return Err(ModelError::field(Part::SentenceJson, "max_seq_length", count, allowed));
            }
        };
        let body = || Body::read(&weights, &config, kernels, device);
        let network = Network::read(families, tokenizer_json, config.vocabulary, max_tokens, kernels, device, body)?;
        Ok(Self { network, settings })
    }

    /// Length of a vector.
    pub fn dimensions(&self) -> usize {
        self.network.body.hidden()
    }

    /// Tokens that are read of a text at most.
    pub fn max_tokens(&self) -> usize {
        self.network.max_tokens
    }

    /// How vectors are made of texts.
    pub fn settings(&self) -> &SentenceSettings {
        &self.settings
    }

    /// Token ids of a text as the network reads it, and whether its end was cut off. Names of special tokens in the
    /// text, such as `[SEP]`, are text like any other: whoever writes an answer does not choose what the network takes
    /// for its end.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub fn encode(&self, text: &str) -> Result<(Vec<u32>, bool), ModelError> {
        let Encoded { ids, truncated, .. } = self.encoded(text)?;
        Ok((ids, truncated))
    }

    fn encoded(&self, text: &str) -> Result<Encoded, ModelError> {
        let SentenceSettings { prefix, is_lower_cased, .. } = &self.settings;
        let mut text = Cow::Borrowed(text);
        if !prefix.is_empty() {
            text = Cow::Owned(format!("{prefix}{text}"));
        }
        if *is_lower_cased {
            text = Cow::Owned(text.to_lowercase());
        }
        self.network.tokenizer.encode(text.as_ref())
    }

    /// The vectors of texts, in their order. A text's vector does not depend on its neighbours beyond float noise.
    ///
    /// # Errors
    /// A text that the tokenizer refuses, weights that give no finite numbers, or a device that fails.
    pub async fn embed(&self, texts: &[&str]) -> Result<Vec<Embedding>, ModelError> {
        let rows = parallel::map(texts, |text| self.encoded(text)).into_iter().collect::<Result<Vec<_>, _>>()?;
        let pooling = self.settings.pooling;
        let vectors = self.network.run(&rows, &|body, rows| body.pooled(rows, pooling)).await?;
        let finished = if self.settings.is_normalized { unit_length } else { finite };
        let embedding = |(row, vector): (Encoded, Vec<f32>)| {
            let Encoded { ids, truncated, .. } = row;
            Ok(Embedding { vector: finished(vector)?, tokens: ids.len(), truncated })
        };
        rows.into_iter().zip(vectors).map(embedding).collect()
    }

    /// How like `text` is to the likest of `others`: the raw value of a bi-encoder evaluator. All are embedded, in one
    /// batch where they are few; an evaluator keeps nothing between scores.
    ///
    /// # Errors
    /// As [`Self::embed`].
    pub async fn similarity(&self, text: &str, others: &[&str]) -> Result<Similarity, ModelError> {
        let texts: Vec<&str> = [text].into_iter().chain(others.iter().copied()).collect();
        let embeddings = self.embed(&texts).await?;
        let tokens = embeddings.iter().map(|embedding| embedding.tokens).sum();
        let truncated = embeddings.iter().any(|embedding| embedding.truncated);
        let cosines = embeddings.split_first().map(|(own, others)| {
            others.iter().map(|other| f64::from(cosine(&own.vector, &other.vector))).fold(-1.0, f64::max)
        });
        Ok(Similarity { cosine: cosines.unwrap_or(-1.0), tokens, truncated })
    }
}

fn unit_length(vector: Vec<f32>) -> Result<Vec<f32>, ModelError> {
    let norm = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if !(norm.is_finite() && norm > 0.0) {
        return Err(ModelError::NotFinite("embedding"));
    }
    Ok(vector.iter().map(|x| (f64::from(*x) / norm) as f32).collect())
}

fn finite(vector: Vec<f32>) -> Result<Vec<f32>, ModelError> {
    match vector.iter().all(|x| x.is_finite()) {
        true => Ok(vector),
        false => Err(ModelError::NotFinite("embedding")),
    }
}

/// Cosine of the angle between two vectors of one length, in [-1, 1]; 0 where one of them is zero or they differ in
/// length.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if a.len() != b.len() || norms == 0.0 {
        return 0.0;
    }
    (dot(a, b) / norms).clamp(-1.0, 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::cosine;

    #[test]
    fn cosine_of_known_angles() {
        assert_eq!(cosine(&[1.0, 0.0], &[3.0, 0.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
        assert_eq!(cosine(&[1.0, 2.0], &[-1.0, -2.0]), -1.0);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 2.0]), 0.0);
        assert_eq!(cosine(&[1.0], &[1.0, 2.0]), 0.0);
    }
}
