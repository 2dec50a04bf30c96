//! Ratings: what a decoder holds of the ten numbers as the first token of its reply.

use super::network::Memory;
use super::{Decoder, Prompt};
use crate::error::{ModelError, Part};

/// The number that stands for the best rating; the worst is 0.
const BEST: u8 = 9;

/// How a decoder rates what a prompt shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rating {
    /// The expected number, 0 to 9, each weighed by its probability as G-Eval does (arXiv 2303.16634); not a number
    /// where `of_numbers` is 0.
    pub expected: f64,
    /// The probability of the ten numbers together, 0 to 1.
    pub of_numbers: f64,
    /// The likeliest first token of the reply, as text.
    pub reply: String,
    /// Whether that token is a number: if not, the decoder did not rate, and `expected` is of what it did not say.
    pub is_number: bool,
    /// Tokens of the prompt.
    pub tokens_in: usize,
    /// Whether the front of the prompt was cut off to fit the context.
    pub truncated_prompt: bool,
}

impl Rating {
    /// `expected` as a share of the best number, 0 to 1.
    pub fn share(&self) -> f64 {
        self.expected / f64::from(BEST)
    }
}

/// What a decoder keeps from one rating to the next: the beginning that prompts have in common. It belongs to the
/// decoder that made it.
pub struct Rater {
    /// The tokens of each number from 0 to 9, with and without a space before it.
    numbers: Vec<Vec<u32>>,
    /// Tokens that are kept.
    read: Vec<u32>,
    memory: Memory,
}

impl Decoder {
    /// Begins to rate.
    ///
    /// # Errors
    /// A vocabulary that lacks one of the numbers 0 to 9 as a token.
    pub fn rater(&self) -> Result<Rater, ModelError> {
        let mut numbers = vec![Vec::new(); usize::from(BEST) + 1];
        let mut bytes = Vec::new();
        for id in 0..self.tokenizer.len() as u32 {
            bytes.clear();
            self.tokenizer.push_bytes(id, &mut bytes)?;
            if let [digit @ b'0'..=b'9'] = bytes.strip_prefix(b" ").unwrap_or(&bytes) {
                numbers[usize::from(digit - b'0')].push(id);
            }
        }
        match numbers.iter().position(Vec::is_empty) {
            Some(number) => Err(ModelError::OtherModel {
                part: Part::Gguf,
                seen: format!("a model whose vocabulary has no token for {number}"),
                asked: "a judge, which rates by the numbers 0 to 9",
            }),
            None => Ok(Rater { numbers, read: Vec::new(), memory: self.network.memory(0) }),
        }
    }

    /// Reads what two prompts begin with, from the start, and keeps it: ratings of prompts that begin so read the rest
    /// alone.
    ///
    /// # Errors
    /// As [`Self::encode`], or a device that fails.
    pub async fn read_common(&self, rater: &mut Rater, prompts: [&Prompt; 2]) -> Result<(), ModelError> {
        let [first, second] = prompts.map(|prompt| self.encode(prompt));
        let (mut first, second) = (first?, second?);
        (rater.memory, rater.read) = (self.network.memory(first.len()), Vec::new());
        // A prompt that is cut begins elsewhere.
        if first.len().max(second.len()) < self.context_length() {
            first.truncate(common(&first, &second));
            self.network.remember(&first, &mut rater.memory).await?;
            rater.read = first;
        }
        Ok(())
    }

    /// Rates by the first token of the reply to `prompt`, which should ask for a number from 0 to 9. A prompt that
    /// leaves no room in the context is cut from the front. What is kept of earlier prompts stays as it is, or goes
    /// where this one begins otherwise.
    ///
    /// # Errors
    /// A prompt without tokens, a chat template that fails, weights that give no finite numbers, or a device that
    /// fails.
    pub async fn rate(&self, rater: &mut Rater, prompt: &Prompt) -> Result<Rating, ModelError> {
        let mut ids = self.encode(prompt)?;
        if ids.is_empty() {
            return Err(ModelError::argument("prompt", "empty", "a text of at least one token"));
        }
        let truncated_prompt = ids.len() >= self.context_length();
        if truncated_prompt {
            ids.drain(..ids.len() + 1 - self.context_length());
        }
        // The last token is read anew: what follows it is asked for.
        let known = self.forget_but(rater, &ids[..ids.len() - 1], ids.len());
        let scores = self.network.next_scores(&ids[known..], &mut rater.memory).await?;
        rater.memory.truncate(known);
        let tokens_in = ids.len();

        let (best, highest) =
            (0..).zip(&scores).fold(
                (0, f32::NEG_INFINITY),
                |best: (u32, f32), (id, score)| {
                    if *score > best.1 { (id, *score) } else { best }
                },
            );
        let weight = |score: f32| f64::from(score - highest).exp();
        let all: f64 = scores.iter().map(|score| weight(*score)).sum();
        let of_number = |ids: &Vec<u32>| ids.iter().map(|id| weight(scores[*id as usize])).sum::<f64>() / all;
        let probabilities: Vec<f64> = rater.numbers.iter().map(of_number).collect();
        let of_numbers: f64 = probabilities.iter().sum();
        let expected =
            probabilities.iter().enumerate().map(|(number, probability)| number as f64 * probability).sum::<f64>();
        Ok(Rating {
            expected: expected / of_numbers,
            of_numbers,
            reply: self.decode(&[best])?,
            is_number: rater.numbers.iter().any(|ids| ids.contains(&best)),
            tokens_in,
            truncated_prompt,
        })
    }

    /// Forgets all that `ids` do not begin with too, of a text of `length` tokens; gives how many of them are known.
    fn forget_but(&self, rater: &mut Rater, ids: &[u32], length: usize) -> usize {
        let Rater { read, memory, .. } = rater;
        let fresh = self.network.memory(length);
        // What a memory for longer texts knows is of no use to a shorter one, and the other way round.
        if !memory.is_like(&fresh) {
            (*memory, *read) = (fresh, Vec::new());
        }
        let known = common(read, ids);
        memory.truncate(known);
        read.truncate(known);
        known
    }
}

/// How many tokens two texts begin with alike.
fn common(one: &[u32], other: &[u32]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::{DecoderOptions, cpu_device};

    const FIXTURE: &[u8] = include_bytes!("../../tests/fixtures/tiny-llama.gguf");

    /// From the scores themselves: the softmax over the whole vocabulary, of which ten tokens are numbers.
    #[test]
    fn the_expected_number_is_that_of_the_softmax() -> Result<(), ModelError> {
        let decoder = Decoder::from_gguf(FIXTURE, &DecoderOptions::default(), &cpu_device())?;
        for text in ["the cat", "a", "7", "in a hat: "] {
            let prompt = Prompt::Text(text.to_owned());
            let ids = decoder.encode(&prompt)?;
            let scores = block_on(decoder.network.next_scores(&ids, &mut decoder.network.memory(0)))?;
            let all: f64 = scores.iter().map(|score| f64::from(*score).exp()).sum();
            let (mut mass, mut weighed) = (0.0, 0.0);
            for number in 0..=9_u32 {
                let [id] = decoder.encode(&Prompt::Text(number.to_string()))?[..] else { panic!("one token") };
                let probability = f64::from(scores[id as usize]).exp() / all;
                (mass, weighed) = (mass + probability, weighed + probability * f64::from(number));
            }
            let seen = block_on(decoder.rate(&mut decoder.rater()?, &prompt))?;
            assert!((seen.of_numbers - mass).abs() < 1e-9, "{text}: {seen:?} for {mass}");
            assert!((seen.expected - weighed / mass).abs() < 1e-6, "{text}: {seen:?} for {}", weighed / mass);
        }
        Ok(())
    }
}
