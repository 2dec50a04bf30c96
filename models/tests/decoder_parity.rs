//! `Decoder` with real weights against independent NumPy forward passes: `reference/make_decoder_reference.py` and
//! `reference/make_greedy_reference.py`.

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
    weights_sha256: String,
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

/// A known model and what is expected of it.
struct Subject {
    name: &'static str,
    file: &'static str,
    reference: &'static str,
    layers: usize,
    /// Tokens of each case at most.
    steps: usize,
}

const SMOLLM2: Subject = Subject {
    name: "smollm2-135m-instruct",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    reference: include_str!("../reference/smollm2-135m-instruct.json"),
    layers: 30,
    steps: 64,
};

const QWEN: Subject = Subject {
    name: "qwen2.5-coder-0.5b-instruct",
    file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    reference: include_str!("../reference/qwen2.5-coder-0.5b-instruct.json"),
    layers: 24,
    steps: 32,
};

const LARGER_QWEN: Subject = Subject {
    name: "qwen2.5-coder-1.5b-instruct",
    file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    reference: include_str!("../reference/qwen2.5-coder-1.5b-instruct.json"),
    layers: 28,
    ..QWEN
};

const GEMMA: Subject = Subject {
    name: "gemma-3-270m",
    file: "gemma-3-270m-Q4_K_M.gguf",
    reference: include_str!("../reference/gemma-3-270m.json"),
    layers: 18,
    steps: 32,
};

// Two tests, which run side by side: together they compare every case.
#[test]
fn tokens_are_those_of_the_reference_in_even_cases() -> Outcome {
    compare_with_reference(&SMOLLM2, WeightStorage::F32, 0, 2)
}

#[test]
fn tokens_are_those_of_the_reference_in_odd_cases() -> Outcome {
    compare_with_reference(&SMOLLM2, WeightStorage::F32, 1, 2)
}

#[test]
fn tokens_of_weights_as_stored_are_those_of_the_reference() -> Outcome {
    compare_with_reference(&SMOLLM2, WeightStorage::AsStored, 0, 3)
}

#[test]
fn tokens_of_a_qwen2_are_those_of_the_reference() -> Outcome {
    compare_with_reference(&QWEN, WeightStorage::AsStored, 0, 1)
}

/// Every third case, as it is large.
#[test]
fn tokens_of_a_larger_qwen2_are_those_of_the_reference() -> Outcome {
    compare_with_reference(&LARGER_QWEN, WeightStorage::AsStored, 0, 3)
}

#[test]
fn tokens_of_a_gemma_3_are_those_of_the_reference() -> Outcome {
    compare_with_reference(&GEMMA, WeightStorage::AsStored, 0, 1)
}

/// Compares case `first` and one of `every` so many after it.
fn compare_with_reference(subject: &Subject, storage: WeightStorage, first: usize, every: usize) -> Outcome {
    let reference: Reference = serde_json::from_str(subject.reference)?;
    let gguf = weights(subject.name, subject.file)?;
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
        assert_eq!(decoder.layers(), layers.unwrap_or(subject.layers));
        let known_answer = block_on(decoder.check_known_answer(&reference.weights_sha256));
        if layers.is_none() {
            assert_eq!(known_answer?, Some(1.0));
        } else {
            // Another network than the known one, as a device that computes wrongly is.
            assert!(matches!(known_answer, Err(ModelError::WrongAnswer { .. })), "{known_answer:?}");
        }
        for (number, case) in cases {
            assert_eq!(decoder.encode(&case.prompt)?, case.prompt_ids, "prompt {number}: {:?}", case.prompt);
            let options = GenerateOptions { max_tokens: subject.steps, temperature: 0.0, seed: 0 };
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
    let least = reference.cases.len() * subject.steps / every / 2;
    assert!(steps >= least, "the reference has only {steps} steps");
    assert!(compared as f64 >= MIN_COMPARED * steps as f64, "only {compared} of {steps} steps were compared");
    assert!(worst < 0.02, "the logits are off: margins differ by {worst}");
    Ok(())
}
