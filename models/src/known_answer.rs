//! Known answers: what a device must compute right before its results are trusted. Some browsers' GPUs return wrong
//! numbers in silence.
//!
//! The values are of the NumPy reference (`models/reference/`), so they hold for the known weights alone.

use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::decoder::{Decoder, GenerateOptions, Prompt};
use crate::encoder::{BiEncoder, cosine};
use crate::error::{ModelError, Part};

/// Cosine with the reference above which a vector is right: half precision reaches it, a broken kernel does not.
const MIN_COSINE: f32 = 0.999;

/// Best minus second-best logit below which float noise may decide between two tokens.
const TINY_MARGIN: f32 = 0.05;

/// What [`Decoder::check_against`] lets both read.
const CHECK_TEXT: &str = "Seven wise owls quietly judge the answers of 12 machines; which of them was right?";

/// Tokens at the end of it that are read one at a time, as those of an answer are.
const CHECK_STEPS: usize = 8;

/// Less their mean: what all scores have in common says nothing of the next token.
fn centred(mut scores: Vec<f32>) -> Vec<f32> {
    let mean = scores.iter().map(|score| f64::from(*score)).sum::<f64>() / scores.len().max(1) as f64;
    scores.iter_mut().for_each(|score| *score -= mean as f32);
    scores
}

#[derive(Deserialize)]
struct KnownVector {
    weights_sha256: String,
    text: String,
    vector: Vec<f32>,
}

#[derive(Deserialize)]
struct KnownTokens {
    weights_sha256: String,
    prompt: String,
    tokens: Vec<u32>,
    margins: Vec<f32>,
}

fn known<T: DeserializeOwned>(text: &str, is_of: impl Fn(&T) -> bool) -> Result<Option<T>, ModelError> {
    let all: Vec<T> =
        serde_json::from_str(text).map_err(|error| ModelError::malformed(Part::KnownAnswer, error.to_string()))?;
    Ok(all.into_iter().find(is_of))
}

impl BiEncoder {
    /// Embeds the text that is known of these weights: the cosine of the vector with the reference. None where no text
    /// is known of them.
    ///
    /// # Errors
    /// [`ModelError::WrongAnswer`] if the device computed another vector; else as [`Self::embed`].
    pub async fn check_known_answer(&self, weights_sha256: &str) -> Result<Option<f64>, ModelError> {
        let is_of = |known: &KnownVector| known.weights_sha256 == weights_sha256;
        let Some(KnownVector { text, vector, .. }) = known(include_str!("../reference/known_encoders.json"), is_of)?
        else {
            return Ok(None);
        };
        let seen = match self.embed(&[&text]).await {
            Ok(embeddings) => embeddings.first().map_or(0.0, |embedding| cosine(&embedding.vector, &vector)),
            // Numbers that are not finite come of weights that are right, so they are the device's.
            Err(ModelError::NotFinite(_)) => 0.0,
            Err(other) => return Err(other),
        };
        match seen > MIN_COSINE {
            true => Ok(Some(f64::from(seen))),
            false => Err(ModelError::WrongAnswer {
                seen: format!("a vector with the cosine {seen:.4}"),
                expected: format!("above {MIN_COSINE}"),
            }),
        }
    }
}

impl Decoder {
    /// Lets this decoder and another of the same weights, on a device that is trusted, read a text: the cosine of their
    /// scores of the next token. For weights of which no known answer is stored.
    ///
    /// # Errors
    /// [`ModelError::WrongAnswer`] if the two differ by more than rounding, [`ModelError::Malformed`] if the weights
    /// give no finite numbers; else as [`Self::generate`].
    pub async fn check_against(&self, trusted: &Self) -> Result<f64, ModelError> {
        let expected = trusted.scores_after(CHECK_TEXT, CHECK_STEPS).await.map_err(|error| match error {
            // Of a device that is trusted, so they come of the weights.
            ModelError::NotFinite(what) => ModelError::malformed(Part::Gguf, format!("its {what} are not finite")),
            other => other,
        })?;
        let seen = match self.scores_after(CHECK_TEXT, CHECK_STEPS).await {
            Ok(scores) => cosine(&centred(scores), &centred(expected)),
            Err(ModelError::NotFinite(_)) => 0.0,
            Err(other) => return Err(other),
        };
        match seen > MIN_COSINE {
            true => Ok(f64::from(seen)),
            false => Err(ModelError::WrongAnswer {
                seen: format!("scores with the cosine {seen:.4}"),
                expected: format!("above {MIN_COSINE}"),
            }),
        }
    }

    /// Continues the prompt that is known of these weights, with all their layers, greedily: the share of the eight
    /// known tokens that came, which is below 1 only where a choice was too close to call. None where no prompt is
    /// known of them.
    ///
    /// # Errors
    /// [`ModelError::WrongAnswer`] if the device computed another token; else as [`Self::generate`].
    pub async fn check_known_answer(&self, weights_sha256: &str) -> Result<Option<f64>, ModelError> {
        let is_of = |known: &KnownTokens| known.weights_sha256 == weights_sha256;
        let Some(KnownTokens { prompt, tokens, margins, .. }) =
            known(include_str!("../reference/known_decoders.json"), is_of)?
        else {
            return Ok(None);
        };
        let options = GenerateOptions { max_tokens: tokens.len(), temperature: 0.0, seed: 0 };
        let mut seen = Vec::new();
        let mut on_token = |step: &crate::decoder::Step| {
            seen.push(step.token);
            // What follows another token is another text.
            match tokens.get(seen.len() - 1) == Some(&step.token) {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        };
        match self.generate(&Prompt::Text(prompt), &options, &mut on_token).await {
            Ok(_) | Err(ModelError::NotFinite(_)) => {}
            Err(other) => return Err(other),
        }
        let right = seen.iter().zip(&tokens).take_while(|(seen, known)| seen == known).count();
        let is_close = margins.get(right).is_some_and(|margin| *margin < TINY_MARGIN);
        match right == tokens.len() || is_close {
            true => Ok(Some(right as f64 / tokens.len() as f64)),
            false => {
                Err(ModelError::WrongAnswer { seen: format!("the tokens {seen:?}"), expected: format!("{tokens:?}") })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    #[test]
    fn every_known_model_has_a_known_answer() {
        let all =
            concat!(include_str!("../reference/known_decoders.json"), include_str!("../reference/known_encoders.json"));
        for model in &poq_core::weights::MODELS {
            assert!(all.contains(model.files[0].sha256), "{}", model.name);
        }
    }

    /// The known answers are cases of the references, word for word and number for number.
    #[test]
    fn known_answers_are_those_of_the_references() {
        let parse = |text: &str| -> Value { serde_json::from_str(text).expect("a tracked file of ours is JSON") };
        let steps = |value: &Value| value.as_array().and_then(|steps| steps.get(..8)).map(<[Value]>::to_vec);
        let references = [
            include_str!("../reference/smollm2-135m-instruct.json"),
            include_str!("../reference/gemma-3-270m.json"),
            include_str!("../reference/qwen2.5-coder-0.5b-instruct.json"),
            include_str!("../reference/qwen2.5-coder-1.5b-instruct.json"),
        ];
        let known = parse(include_str!("../reference/known_decoders.json"));
        assert_eq!(known.as_array().map(Vec::len), Some(references.len()));
        for (reference, known) in references.into_iter().map(parse).zip(known.as_array().expect("a list")) {
            assert_eq!(known["weights_sha256"], reference["weights_sha256"]);
            let mut cases = reference["cases"].as_array().expect("a list").iter();
            let case = cases.find(|case| case["prompt"]["text"] == known["prompt"]).expect("a case of the reference");
            assert_eq!(case["layers"], Value::Null);
            for field in ["tokens", "margins"] {
                assert_eq!(known[field].as_array(), steps(&case[field]).as_ref());
            }
        }
        let references =
            [include_str!("../reference/encoder.json"), include_str!("../reference/all-mpnet-base-v2.json")];
        let known = parse(include_str!("../reference/known_encoders.json"));
        assert_eq!(known.as_array().map(Vec::len), Some(references.len()));
        for (reference, known) in references.into_iter().map(parse).zip(known.as_array().expect("a list")) {
            assert_eq!(known["weights_sha256"], reference["weights_sha256"]);
            let mut cases = reference["cases"].as_array().expect("a list").iter();
            let case = cases.find(|case| case["text"] == known["text"]).expect("a case of the reference");
            assert_eq!(known["vector"], case["vector"]);
        }
    }
}
