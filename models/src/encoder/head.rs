//! Heads for sequence classification: what makes scores of the state of a text's first token, or of the mean of all.

use std::collections::BTreeMap;
use std::fmt;

use burn::tensor::activation::{gelu, relu, tanh};
use burn::tensor::{Device, Tensor};
use serde::Deserialize;

use super::Pooling;
use super::config::EncoderConfig;
use super::weights::Weights;
use crate::error::{ModelError, Part, read_json, shorten};
use crate::layers::linear::Linear;

/// A family's head.
#[derive(Debug)]
pub(super) struct HeadSpec {
    /// `[hidden, hidden]`
    pub dense: Place,
    pub activation: Activation,
    /// `[labels, hidden]`
    pub out: &'static str,
}

/// Where a tensor stands.
#[derive(Debug)]
pub(super) enum Place {
    /// Among those of the body.
    Body(&'static str),
    /// Beside the body.
    File(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    Tanh,
    Relu,
    Gelu,
}

/// How a model's logits become one value, as the `CrossEncoder` of the Python library sentence-transformers has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// The logit as it is.
    Logit,
    /// The logistic function of the logit, in `[0, 1]`.
    Sigmoid,
    /// The hyperbolic tangent of the logit, in `[-1, 1]`.
    Tanh,
    /// The probability of one label among several, in `[0, 1]`.
    Label {
        /// Its number.
        index: usize,
        /// What `config.json` calls it; the name begins with "entail".
        name: String,
    },
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logit => f.write_str("its logit"),
            Self::Sigmoid => f.write_str("the logistic function of its logit"),
            Self::Tanh => f.write_str("the hyperbolic tangent of its logit"),
            Self::Label { name, .. } => write!(f, "the probability of its label {name:?}"),
        }
    }
}

impl Reading {
    /// The value that `logits` stand for.
    pub(super) fn value(&self, logits: &[f32]) -> f64 {
        let first = || logits.first().copied().map_or(f64::NAN, f64::from);
        match self {
            Self::Logit => first(),
            Self::Sigmoid => 1.0 / (1.0 + (-first()).exp()),
            Self::Tanh => first().tanh(),
            Self::Label { index, .. } => {
                let exponent = |logit: &f32| (f64::from(*logit) - f64::from(logits[*index])).exp();
                1.0 / logits.iter().map(exponent).sum::<f64>()
            }
        }
    }
}

pub(super) struct Head {
    pooling: Pooling,
    dense: Linear,
    activation: Activation,
    out: Linear,
    labels: usize,
    reading: Reading,
}

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    id2label: BTreeMap<String, String>,
    poq: Option<OfJudge>,
    sentence_transformers: Option<Library>,
    sbert_ce_default_activation_function: Option<String>,
}

/// What only judges of `poq train` say, under a name of our own: other programs would take the first token's state.
#[derive(Deserialize)]
struct OfJudge {
    pooling: Option<String>,
}

#[derive(Deserialize)]
struct Library {
    activation_fn: Option<String>,
}

impl Head {
    /// `config_json` is what `config` was read from.
    pub(super) fn read(
        weights: &Weights<'_>,
        config_json: &[u8],
        config: &EncoderConfig,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let HeadSpec { dense, activation, out } = &config.spec.head;
        let hidden = config.hidden;
        let fields: Fields = read_json(Part::ConfigJson, config_json)?;
        let pooling = match fields.poq.as_ref().and_then(|judge| judge.pooling.as_deref()) {
            None | Some("cls") => Pooling::Cls,
            Some("mean") => Pooling::Mean,
            Some(other) => {
                let field = "poq.pooling";
                return Err(ModelError::field(Part::ConfigJson, field, shorten(other), "\"cls\" or \"mean\""));
            }
        };
        let weight = format!("{out}.weight");
        let labels = match fields.id2label.len() {
            0 => weights.head_rows(&weight).unwrap_or(0),
            count => count,
        };
        let out = weights.head_tensor(&weight, &[labels, hidden])?;
        let out = Linear::new(out, labels, hidden, device)
            .with_bias(weights.head_tensor(&format!("{}.bias", config.spec.head.out), &[labels])?, device);
        let dense_tensor = |kind: &str, shape: &[usize]| match dense {
            Place::Body(name) => weights.tensor(&format!("{name}.{kind}"), shape),
            Place::File(name) => weights.head_tensor(&format!("{name}.{kind}"), shape),
        };
        let dense = Linear::new(dense_tensor("weight", &[hidden, hidden])?, hidden, hidden, device)
            .with_bias(dense_tensor("bias", &[hidden])?, device);
        Ok(Self { pooling, dense, activation: *activation, out, labels, reading: reading(fields, labels)? })
    }

    pub(super) fn reading(&self) -> &Reading {
        &self.reading
    }

    pub(super) fn labels(&self) -> usize {
        self.labels
    }

    /// What is made of the states of a row's tokens.
    pub(super) fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Pooled states, `[rows, hidden]`, to logits, `[rows, labels]`.
    pub(super) fn forward(&self, states: Tensor<2>) -> Tensor<2> {
        let x = self.dense.forward(states);
        let x = match self.activation {
            Activation::Tanh => tanh(x),
            Activation::Relu => relu(x),
            Activation::Gelu => gelu(x),
        };
        self.out.forward(x)
    }
}

fn reading(fields: Fields, labels: usize) -> Result<Reading, ModelError> {
    let refused = |field: &str, seen: &str, allowed: &str| {
        Err(ModelError::field(Part::ConfigJson, field, shorten(seen), allowed))
    };
    if labels != 1 {
        let entails = |label: &str| label.to_lowercase().starts_with("entail");
        let found = fields.id2label.iter().find(|(_, label)| entails(label));
        let index = found.and_then(|(id, label)| Some((id.parse().ok().filter(|index| *index < labels)?, label)));
        let Some((index, name)) = index else {
            let names: Vec<String> = fields.id2label.iter().map(|(id, label)| format!("{id}: {label:?}")).collect();
            let allowed = "one label, or several of which one begins with \"entail\", with their numbers from 0 on";
            return refused("id2label", &format!("{labels} labels ({})", names.join(", ")), allowed);
        };
        return Ok(Reading::Label { index, name: name.clone() });
    }
    let (field, name) = match fields.sentence_transformers.and_then(|library| library.activation_fn) {
        Some(name) => ("sentence_transformers.activation_fn", name),
        None => match fields.sbert_ce_default_activation_function {
            Some(name) => ("sbert_ce_default_activation_function", name),
            None => return Ok(Reading::Sigmoid),
        },
    };
    let short = name.strip_prefix("torch.").and_then(|name| name.rsplit('.').next());
    match short {
        Some("Identity") => Ok(Reading::Logit),
        Some("Sigmoid") => Ok(Reading::Sigmoid),
        Some("Tanh") => Ok(Reading::Tanh),
        _ => refused(field, &name, "Identity, Sigmoid or Tanh, of torch"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(config: &str, labels: usize) -> Result<Reading, String> {
        let fields = read_json(Part::ConfigJson, config.as_bytes()).map_err(|error| error.to_string())?;
        reading(fields, labels).map_err(|error| error.to_string())
    }

    #[test]
    fn one_logit_is_read_as_the_file_says() {
        assert_eq!(of("{}", 1), Ok(Reading::Sigmoid));
        let named = |name: &str| of(&format!(r#"{{"sbert_ce_default_activation_function": "{name}"}}"#), 1);
        assert_eq!(named("torch.nn.modules.linear.Identity"), Ok(Reading::Logit));
        assert_eq!(named("torch.nn.modules.activation.Sigmoid"), Ok(Reading::Sigmoid));
        let newer = r#"{"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "4"},
            "sbert_ce_default_activation_function": "torch.nn.modules.activation.Sigmoid"}"#;
        assert_eq!(of(newer, 1), Ok(Reading::Logit));
        assert_eq!(of(r#"{"sentence_transformers": {"version": "4"}}"#, 1), Ok(Reading::Sigmoid));
        for name in ["torch.nn.modules.activation.GELU", "my_code.Sigmoid", ""] {
            let seen = named(name);
            assert!(
                seen.as_ref().is_err_and(|words| words.contains("sbert_ce") && words.contains("Identity, Sigmoid")),
                "{seen:?}"
            );
        }
    }

    #[test]
    fn of_several_labels_the_one_that_entails_is_read() {
        let labels = r#"{"id2label": {"0": "contradiction", "1": "Entailment", "2": "neutral"}}"#;
        assert_eq!(of(labels, 3), Ok(Reading::Label { index: 1, name: "Entailment".to_owned() }));
        for (config, labels) in [
            (r#"{"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}"#, 2),
            (r#"{"id2label": {"0": "no", "7": "entailment"}}"#, 2),
            (r#"{"id2label": {"0": "no", "x": "entailment"}}"#, 2),
            ("{}", 2),
            ("{}", 0),
        ] {
            let seen = of(config, labels);
            assert!(seen.as_ref().is_err_and(|words| words.contains("begins with \"entail\"")), "{config}: {seen:?}");
        }
    }

    #[test]
    fn values_are_those_of_the_functions() {
        let near = |reading: Reading, logits: &[f32], expected: f64| {
            let seen = reading.value(logits);
            assert!((seen - expected).abs() < 1e-12, "{reading:?}: {seen}");
        };
        near(Reading::Logit, &[-2.5], -2.5);
        near(Reading::Sigmoid, &[2.0], 0.880_797_077_977_882_3);
        near(Reading::Tanh, &[0.5], 0.462_117_157_260_009_8);
        let label = |index| Reading::Label { index, name: "entailment".to_owned() };
        near(label(1), &[1.0, 2.0, 0.0], 0.665_240_955_774_821_9);
        near(label(0), &[1000.0, -1000.0], 1.0);
        near(label(1), &[1000.0, -1000.0], 0.0);
    }
}
