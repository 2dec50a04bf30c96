//! `config.json` of an encoder, checked.

use serde::Deserialize;

use super::families::{Families, FirstPosition, Own, Spec, Types};
use super::relative::Relative;
use crate::error::{ModelError, Part, read_json, shorten};
use crate::tokenizer::encoder::EncoderTokenizer;

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

/// The fields that matter here, some under the names that DistilBERT has for them; others may be present.
#[derive(Debug, Deserialize)]
struct Fields {
    #[serde(alias = "activation")]
    hidden_act: String,
    position_embedding_type: Option<String>,
    #[serde(alias = "dim")]
    hidden_size: usize,
    #[serde(alias = "hidden_dim")]
    intermediate_size: usize,
    #[serde(alias = "n_heads")]
    num_attention_heads: usize,
    #[serde(alias = "n_layers")]
    num_hidden_layers: usize,
    max_position_embeddings: usize,
    type_vocab_size: Option<usize>,
    vocab_size: usize,
    layer_norm_eps: Option<f64>,
    pad_token_id: Option<usize>,
}

/// Of families that begin their positions after it, where a file does not say.
const PADDING: usize = 1;

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
pub(super) const BI_ENCODER: &str = "a bi encoder: a model without such a head, or a folder whose modules.json says how its states \
                                become a vector";

/// What a folder needs to be opened as a cross encoder.
pub(super) const CROSS_ENCODER: &str = "a cross encoder: a model with a head for sequence classification";

/// Sizes and constants of the encoder.
#[derive(Debug)]
pub(super) struct EncoderConfig {
    pub spec: &'static Spec,
    pub hidden: usize,
    pub intermediate: usize,
    pub heads: usize,
    pub layers: usize,
    /// Rows of the table of positions, or none, where a token's place in its text is not added to its embedding.
    pub positions: Option<usize>,
    /// The first of them.
    pub first_position: usize,
    /// Tokens that can be read at most.
    pub max_tokens: usize,
    /// Rows of the table of token types.
    pub types: usize,
    pub vocabulary: usize,
    pub epsilon: f64,
    /// How distances between tokens are counted; none is not at all.
    pub relative: Option<Box<dyn Relative>>,
    architecture: String,
}

impl EncoderConfig {
    /// `asked` says what the model is opened as.
    pub(super) fn read(config: &[u8], families: &Families, asked: &'static str) -> Result<Self, ModelError> {
        // Other families have other fields: what the model is comes first.
        let Kind { model_type, architectures } = read_json(Part::ConfigJson, config)?;
        let architecture = architectures.into_iter().next().unwrap_or_default();
        if architecture.ends_with("ForCausalLM") {
            let seen = format!("a decoder (`architectures`: {architecture}), which continues texts");
            return Err(ModelError::OtherModel { part: Part::ConfigJson, seen: shorten(&seen), asked });
        }
        let spec = family(families.specs, model_type.as_deref(), &architecture)?;
        let Own { relative, has_positions } = (spec.own)(config)?;
        let fields: Fields = read_json(Part::ConfigJson, config)?;
        let named = |field: &str, seen: &str, allowed: &str| match seen == allowed {
            true => Ok(()),
            false => Err(ModelError::field(Part::ConfigJson, field, seen, format!("{allowed:?}"))),
        };
        named("hidden_act", &fields.hidden_act, "gelu")?;
        let positions = fields.position_embedding_type.as_deref().unwrap_or("absolute");
        named("position_embedding_type", positions, "absolute")?;

        let within = |field: &str, seen: usize, least: usize| match (least..=MAX_SIZE).contains(&seen) {
            true => Ok(seen),
            false => Err(ModelError::field(Part::ConfigJson, field, seen, format!("{least} to {MAX_SIZE}"))),
        };
        let size = |field: &str, seen: usize| within(field, seen, 1);
        let hidden = size("hidden_size", fields.hidden_size)?;
        let heads = size("num_attention_heads", fields.num_attention_heads)?;
        if !hidden.is_multiple_of(heads) {
            let allowed = format!("a divisor of the hidden size {hidden}");
            return Err(ModelError::field(Part::ConfigJson, "num_attention_heads", heads, allowed));
        }
        let epsilon = fields.layer_norm_eps.unwrap_or(spec.epsilon);
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return Err(ModelError::field(Part::ConfigJson, "layer_norm_eps", epsilon, "a number above 0"));
        }
        let types = match (spec.types, fields.type_vocab_size) {
            (Types::Never, _) | (Types::WhereAny, None) => 0,
            (Types::WhereAny, Some(count)) => within("type_vocab_size", count, 0)?,
            (Types::Always, Some(count)) => size("type_vocab_size", count)?,
            (Types::Always, None) => return Err(ModelError::missing(Part::ConfigJson, "type_vocab_size")),
        };
        let first_position = match spec.first_position {
            FirstPosition::Zero => 0,
            FirstPosition::AfterPadding => {
                within("pad_token_id", fields.pad_token_id.unwrap_or(PADDING), 0)?.saturating_add(1)
            }
        };
        let positions =
            within("max_position_embeddings", fields.max_position_embeddings, first_position.saturating_add(1))?;
        Ok(Self {
            spec,
            hidden,
            intermediate: size("intermediate_size", fields.intermediate_size)?,
            heads,
            layers: size("num_hidden_layers", fields.num_hidden_layers)?,
            positions: has_positions.then_some(positions),
            first_position,
            max_tokens: positions - first_position,
            types,
            vocabulary: size("vocab_size", fields.vocab_size)?,
            epsilon,
            relative,
            architecture,
        })
    }

    /// Refuses a model that was made for another task than vectors.
    pub(super) fn check_is_bi_encoder(&self) -> Result<(), ModelError> {
        match self.head() {
            None => Ok(()),
            Some((_, what)) => Err(self.other(what, BI_ENCODER)),
        }
    }

    /// Refuses a model that was made for another task than the classification of texts.
    pub(super) fn check_is_cross_encoder(&self) -> Result<(), ModelError> {
        match self.head() {
            None | Some(("ForSequenceClassification", _)) => Ok(()),
            Some((_, what)) => Err(self.other(what, CROSS_ENCODER)),
        }
    }

    /// Refuses a tokenizer that gives types of tokens without an embedding.
    pub(super) fn check_types(&self, tokenizer: &EncoderTokenizer) -> Result<(), ModelError> {
        if self.types == 0 || tokenizer.types() <= self.types {
            return Ok(());
        }
        let allowed = format!("{} at least: so many types the tokenizer gives", tokenizer.types());
        Err(ModelError::field(Part::ConfigJson, "type_vocab_size", self.types, allowed))
    }

    fn head(&self) -> Option<&(&str, &str)> {
        HEADS.iter().find(|(name, _)| self.architecture.ends_with(name))
    }

    fn other(&self, what: &str, asked: &'static str) -> ModelError {
        let seen = shorten(&format!("{what} (`architectures`: {})", self.architecture));
        ModelError::OtherModel { part: Part::ConfigJson, seen, asked }
    }
}

/// The family that a file names, or that the name of its class begins with.
fn family(known: &[&'static Spec], model_type: Option<&str>, architecture: &str) -> Result<&'static Spec, ModelError> {
    let found = known.iter().copied().find(|spec| match model_type {
        Some(name) => spec.model_type == name,
        None => architecture.starts_with(spec.class),
    });
    found.ok_or_else(|| match model_type {
        None => ModelError::missing(Part::ConfigJson, "model_type"),
        Some(name) => {
            let known: Vec<String> = known.iter().map(|spec| format!("{:?}", spec.model_type)).collect();
            ModelError::field(Part::ConfigJson, "model_type", name, known.join(", "))
        }
    })
}
