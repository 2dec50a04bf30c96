//! `Decoder` against an independent NumPy forward pass: `reference/make_decoder_reference.py`.

mod common;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use common::{Outcome, weights};
use futures_lite::future::block_on;
use poq_models::{Decoder, DecoderOptions, Finish, GenerateOptions, ModelError, Prompt, WeightStorage, cpu_device};
use serde::Deserialize;

/// Best minus second-best logit below which float noise may decide.
const CLOSE: f32 = 0.01;

/// Share of all reference steps that must have been compared, or the test says little.
const MIN_COMPARED: f64 = 0.8;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    prompt: Prompt,
    layers: Option<usize>,
    prompt_ids: Vec<u32>,
    tokens: Vec<u32>,
    margins: Vec<f32>,
    ended: bool,
    text: String,
}

// Two tests, which run side by side: together they compare every case.
#[test]
fn tokens_are_those_of_the_reference_in_even_cases() -> Outcome {
    compare_with_reference(WeightStorage::F32, 0, 2)
}

#[test]
fn tokens_are_those_of_the_reference_in_odd_cases() -> Outcome {
    compare_with_reference(WeightStorage::F32, 1, 2)
}

#[test]
fn tokens_of_weights_as_stored_are_those_of_the_reference() -> Outcome {
    compare_with_reference(WeightStorage::AsStored, 0, 3)
}

/// Compares case `first` and one of `every` so many after it.
fn compare_with_reference(storage: WeightStorage, first: usize, every: usize) -> Outcome {
    let reference: Reference = serde_json::from_str(include_str!("../reference/decoder.json"))?;
    let gguf = weights("smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q4_1.gguf")?;
    let mut by_layers: BTreeMap<Option<usize>, Vec<(usize, &Case)>> = BTreeMap::new();
    for (number, case) in reference.cases.iter().enumerate().skip(first).step_by(every) {
        by_layers.entry(case.layers).or_default().push((number, case));
    }
    let (mut steps, mut compared, mut texts, mut worst) = (0, 0, 0, 0.0_f32);
    for (layers, cases) in by_layers {
        let decoder = Decoder::from_gguf(
            &gguf,
            &DecoderOptions { layers, weights: storage, ..DecoderOptions::default() },
            &cpu_device(),
        )?;
        assert_eq!(decoder.layers(), layers.unwrap_or(30));
        let known_answer = block_on(decoder.check_known_answer());
        match layers {
            None => assert_eq!(known_answer?, 1.0),
            // Another network than the known one, as a device that computes wrongly is.
            Some(_) => assert!(matches!(known_answer, Err(ModelError::WrongAnswer { .. })), "{known_answer:?}"),
        }
        for (number, case) in cases {
            assert_eq!(decoder.encode(&case.prompt)?, case.prompt_ids, "prompt {number}: {:?}", case.prompt);
            let options = GenerateOptions { max_tokens: 64, temperature: 0.0, seed: 0 };
            let mut margins = Vec::new();
            let mut streamed = String::new();
            let generation = block_on(decoder.generate(&case.prompt, &options, &mut |step| {
                margins.push(step.margin);
                streamed.push_str(&step.text);
                ControlFlow::Continue(())
            }))?;
            assert_eq!(generation.tokens_in, case.prompt_ids.len());
            assert_eq!(generation.tokens_out, generation.token_ids.len());
            assert!(generation.text.starts_with(&streamed), "{:?} is not the start of the text", streamed);
            assert_eq!(decoder.decode(&generation.token_ids)?, generation.text);

            steps += case.margins.len();
            let mut equal = true;
            for (step, margin) in case.margins.iter().enumerate() {
                // Past the last token stands the end of the text, as a choice like any other.
                let (seen, expected) = (generation.token_ids.get(step), case.tokens.get(step));
                if seen != expected {
                    let text = &generation.text;
                    assert!(*margin < CLOSE, "prompt {number}, step {step}: {seen:?} for {expected:?}: {text:?}");
                    equal = false;
                    break;
                }
                if let Some(seen) = margins.get(step) {
                    worst = worst.max((seen - margin).abs());
                }
                compared += 1;
            }
            if equal {
                let finish = if case.ended { Finish::EndOfText } else { Finish::MaxTokens };
                assert_eq!((generation.finish, &generation.text), (finish, &case.text), "prompt {number}");
                texts += 1;
            }
        }
    }
    println!("{compared} of {steps} steps compared, {texts} texts equal, margins differ by {worst} at most");
    assert!(steps >= 20 * 64 / every, "the reference has only {steps} steps");
    assert!(compared as f64 >= MIN_COMPARED * steps as f64, "only {compared} of {steps} steps were compared");
    assert!(worst < 0.02, "the logits are off: margins differ by {worst}");
    Ok(())
}
