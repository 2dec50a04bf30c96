//! BERT-family bi-encoders: a text becomes a vector.

mod bert;
mod config;
mod sentence;
mod weights;

use std::borrow::Cow;

use burn::tensor::Device;

use bert::Bert;
use config::EncoderConfig;
pub use sentence::{Pooling, ReadFile, SentenceSettings};
use weights::Weights;

use crate::cpu_device;
use crate::error::{ModelError, Part};
use crate::host::Kernels;
use crate::tokenizer::word_piece::{self, EncoderTokenizer};

/// Texts that go through the network at once at most.
const BATCH: usize = 32;

/// Tokens that do, those that fill up shorter texts counted: they bound its memory, and how large its tensors become,
/// whatever the caller's list.
const DEVICE_TOKENS: usize = 8192;

/// Tokens that do on one thread of the host: enough rows for its kernels, whose states then stay in its cache.
const HOST_TOKENS: usize = 96;

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

/// A BERT-family encoder with its tokenizer, and with how its folder makes one vector of a text.
pub struct BiEncoder {
    tokenizer: EncoderTokenizer,
    bert: Bert,
    settings: SentenceSettings,
    dimensions: usize,
    max_tokens: usize,
    kernels: Kernels,
}

/// A tokenised text and its place in the caller's list.
struct Row {
    index: usize,
    ids: Vec<u32>,
    truncated: bool,
}

impl BiEncoder {
    /// Reads a folder: `config.json`, `tokenizer.json`, `model.safetensors` (F32, F16 or BF16) and what
    /// [`SentenceSettings`] reads, and puts the weights on `device`. `read` gives the bytes of a file by its path
    /// within the folder, or none where there is none. With nothing but the three, vectors are the mean of the states,
    /// in unit length.
    ///
    /// # Errors
    /// What `read` fails with; a file that is missing, damaged or of another architecture than `bert`, a tensor that is
    /// missing or of another shape, settings that are not known here, or a model with a head for another task, as a
    /// cross encoder has, unless the folder declares it a sentence encoder.
    pub fn from_folder<E: From<ModelError>>(
        read: &mut ReadFile<'_, E>,
        kernels: Kernels,
        device: &Device,
    ) -> Result<Self, E> {
        let settings = SentenceSettings::read(read)?;
        let mut file = |name: &str| {
            let file = format!("{}{name}", settings.path);
            read(&file)?.ok_or_else(|| E::from(ModelError::MissingFile { file }))
        };
        let (config, tokenizer, tensors) = (file("config.json")?, file("tokenizer.json")?, file("model.safetensors")?);
        Ok(Self::build(&config, &tokenizer, &tensors, settings, kernels, device)?)
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
        Self::build(config_json, tokenizer_json, safetensors, settings, kernels, device)
    }

    fn build(
        config_json: &[u8],
        tokenizer_json: &[u8],
        safetensors: &[u8],
        settings: SentenceSettings,
        kernels: Kernels,
        device: &Device,
    ) -> Result<Self, ModelError> {
        if kernels == Kernels::Host && *device != cpu_device() {
            return Err(ModelError::argument(
                "kernels",
                format!("Host on {device:?}"),
                "Burn, Half, or Host on the CPU device",
            ));
        }
        let config = EncoderConfig::read(config_json)?;
        let weights = Weights::parse(safetensors)?;
        // A folder that declares itself has named all that its vectors are made with.
        if !settings.is_declared {
            config.check_head()?;
            weights.check_head()?;
        }
        let max_tokens = match settings.max_tokens {
            None => config.positions,
            Some(count) if (MIN_TOKENS..=config.positions).contains(&count) => count,
            Some(count) => {
                let allowed = format!("{MIN_TOKENS} to {} (max_position_embeddings)", config.positions);
                return Err(ModelError::field(Part::SentenceJson, "max_seq_length", count, allowed));
            }
        };
        let tokenizer = word_piece::read(tokenizer_json, max_tokens, config.vocabulary)?;
        let bert = Bert::read(&weights, &config, kernels, device)?;
        Ok(Self { tokenizer, bert, settings, dimensions: config.hidden, max_tokens, kernels })
    }

    /// Length of a vector.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Tokens that are read of a text at most.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
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
        let SentenceSettings { prefix, is_lower_cased, .. } = &self.settings;
        let mut text = Cow::Borrowed(text);
        if !prefix.is_empty() {
            text = Cow::Owned(format!("{prefix}{text}"));
        }
        if *is_lower_cased {
            text = Cow::Owned(text.to_lowercase());
        }
        let encoding = self
            .tokenizer
            .encode_fast(text.as_ref(), true)
            .map_err(|error| ModelError::Tokenizer(error.to_string()))?;
        Ok((encoding.get_ids().to_vec(), !encoding.get_overflowing().is_empty()))
    }

    /// The vectors of texts, in their order. A text's vector does not depend on its neighbours beyond float noise.
    ///
    /// # Errors
    /// A text that the tokenizer refuses, weights that give no finite numbers, or a device that fails.
    pub async fn embed(&self, texts: &[&str]) -> Result<Vec<Embedding>, ModelError> {
        let mut rows = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let (ids, truncated) = self.encode(text)?;
            rows.push(Row { index, ids, truncated });
        }
        // Neighbours of like length waste little on padding.
        rows.sort_by_key(|row| row.ids.len());
        let mut done = Vec::with_capacity(rows.len());
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(self.batch(rest));
            rest = others;
            let vectors = self.vectors(batch).await?;
            done.extend(batch.iter().zip(vectors).map(|(row, vector)| {
                (row.index, Embedding { vector, tokens: row.ids.len(), truncated: row.truncated })
            }));
        }
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, embedding)| embedding).collect())
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

    /// How many of `rows`, shorter ones first, go through the network at once: at least one, where there are any.
    fn batch(&self, rows: &[Row]) -> usize {
        let tokens = match self.kernels {
            Kernels::Burn | Kernels::Half => DEVICE_TOKENS,
            Kernels::Host => HOST_TOKENS,
        };
        let fits = |count: &usize| count * rows[count - 1].ids.len() <= tokens;
        (1..=rows.len().min(BATCH)).take_while(fits).last().unwrap_or(1)
    }

    async fn vectors(&self, rows: &[Row]) -> Result<Vec<Vec<f32>>, ModelError> {
        let seq = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        let (mut ids, mut mask) = (Vec::new(), Vec::new());
        for row in rows {
            let padding = seq - row.ids.len();
            ids.extend(row.ids.iter().map(|id| *id as i32).chain(std::iter::repeat_n(0, padding)));
            mask.extend(row.ids.iter().map(|_| 1.0).chain(std::iter::repeat_n(0.0, padding)));
        }
        let device_fault = |error: &dyn std::fmt::Debug| ModelError::Device(format!("{error:?}"));
        let data = self.bert.pooled(ids, mask, [rows.len(), seq], self.settings.pooling).into_data_async().await;
        let data = data.map_err(|error| device_fault(&error))?;
        let values: Vec<f32> = data.try_into_vec().map_err(|error| device_fault(&error))?;
        let finished = if self.settings.is_normalized { unit_length } else { finite };
        values.chunks_exact(self.dimensions).map(finished).collect()
    }
}

fn unit_length(vector: &[f32]) -> Result<Vec<f32>, ModelError> {
    let norm = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if !(norm.is_finite() && norm > 0.0) {
        return Err(ModelError::NotFinite("embedding"));
    }
    Ok(vector.iter().map(|x| (f64::from(*x) / norm) as f32).collect())
}

fn finite(vector: &[f32]) -> Result<Vec<f32>, ModelError> {
    match vector.iter().all(|x| x.is_finite()) {
        true => Ok(vector.to_vec()),
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
