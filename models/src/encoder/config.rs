//! `config.json` of a BERT-family encoder, checked.

use serde::Deserialize;

use crate::error::{ModelError, Part, read_json, shorten};

/// Far above any encoder; keeps products of sizes far from overflow.
const MAX_SIZE: usize = 1 << 24;

/// What a model is, in every family's file.
#[derive(Debug, Deserialize)]
struct Kind {
    model_type: Option<String>,
    /// Classes of the Python library transformers; the first is the model's.
    #[serde(default)]
    architectures: Vec<String>,
}

/// The fields that matter here; others may be present.
#[derive(Debug, Deserialize)]
struct Fields {
    hidden_act: String,
    position_embedding_type: Option<String>,
    hidden_size: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    vocab_size: usize,
    #[serde(default = "layer_norm_eps")]
    layer_norm_eps: f64,
}

/// Of files older than the field.
fn layer_norm_eps() -> f64 {
    1e-12
}

/// What models are that end in another way than in states of a text's tokens, by how the names of their classes end.
const HEADS: [(&str, &str); 8] = [
    ("ForSequenceClassification", "a cross encoder or classifier, which gives a score and no vector"),
    ("ForTokenClassification", "a classifier of tokens"),
    ("ForQuestionAnswering", "a model that marks answers in a passage"),
    ("ForMultipleChoice", "a model that chooses one of several answers"),
    ("ForNextSentencePrediction", "a model that tells whether one sentence follows another"),
    ("ForMaskedLM", "a masked language model"),
    ("ForPreTraining", "a masked language model"),
    ("LMHeadModel", "a language model"),
];

/// What a folder needs to be opened as a bi encoder.
pub(super) const ASKED: &str = "a bi encoder: a model without such a head, or a folder whose modules.json says how its states \
                                become a vector";

/// Sizes and constants of the encoder.
#[derive(Debug)]
pub(super) struct EncoderConfig {
    pub hidden: usize,
    pub intermediate: usize,
    pub heads: usize,
    pub layers: usize,
    pub positions: usize,
    pub types: usize,
    pub vocabulary: usize,
    pub epsilon: f64,
    architecture: String,
}

impl EncoderConfig {
    pub(super) fn read(config: &[u8]) -> Result<Self, ModelError> {
        // Other families have other fields: what the model is comes first.
        let Kind { model_type, architectures } = read_json(Part::ConfigJson, config)?;
        let architecture = architectures.into_iter().next().unwrap_or_default();
        if architecture.ends_with("ForCausalLM") {
            let seen = format!("a decoder (`architectures`: {architecture}), which continues texts");
            return Err(ModelError::OtherModel { part: Part::ConfigJson, seen: shorten(&seen), asked: ASKED });
        }
        let named = |field: &str, seen: &str, allowed: &str| match seen == allowed {
            true => Ok(()),
            false => Err(ModelError::field(Part::ConfigJson, field, seen, format!("{allowed:?}"))),
        };
        match model_type {
            Some(model_type) => named("model_type", &model_type, "bert")?,
            None if architecture.starts_with("Bert") => {}
            None => return Err(ModelError::missing(Part::ConfigJson, "model_type")),
        }
        let fields: Fields = read_json(Part::ConfigJson, config)?;
        named("hidden_act", &fields.hidden_act, "gelu")?;
        let positions = fields.position_embedding_type.as_deref().unwrap_or("absolute");
        named("position_embedding_type", positions, "absolute")?;

        let size = |field: &str, seen: usize| match (1..=MAX_SIZE).contains(&seen) {
            true => Ok(seen),
            false => Err(ModelError::field(Part::ConfigJson, field, seen, format!("1 to {MAX_SIZE}"))),
        };
        let hidden = size("hidden_size", fields.hidden_size)?;
        let heads = size("num_attention_heads", fields.num_attention_heads)?;
        if !hidden.is_multiple_of(heads) {
            let allowed = format!("a divisor of the hidden size {hidden}");
            return Err(ModelError::field(Part::ConfigJson, "num_attention_heads", heads, allowed));
        }
        let epsilon = fields.layer_norm_eps;
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return Err(ModelError::field(Part::ConfigJson, "layer_norm_eps", epsilon, "a number above 0"));
        }
        Ok(Self {
            hidden,
            intermediate: size("intermediate_size", fields.intermediate_size)?,
            heads,
            layers: size("num_hidden_layers", fields.num_hidden_layers)?,
            positions: size("max_position_embeddings", fields.max_position_embeddings)?,
            types: size("type_vocab_size", fields.type_vocab_size)?,
            vocabulary: size("vocab_size", fields.vocab_size)?,
            epsilon,
            architecture,
        })
    }

    /// Refuses a model that was made for another task than vectors.
    pub(super) fn check_head(&self) -> Result<(), ModelError> {
        match HEADS.iter().find(|(name, _)| self.architecture.ends_with(name)) {
            None => Ok(()),
            Some((_, what)) => {
                let seen = shorten(&format!("{what} (`architectures`: {})", self.architecture));
                Err(ModelError::OtherModel { part: Part::ConfigJson, seen, asked: ASKED })
            }
        }
    }
}
