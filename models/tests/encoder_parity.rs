//! `BiEncoder` against an independent NumPy forward pass: `reference/make_encoder_reference.py`.

mod common;

use common::{Outcome, weights};
use futures_lite::future::block_on;
use poq_models::{BiEncoder, Families, Kernels, cosine, cpu_device};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    weights_sha256: String,
    max_tokens: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    truncated: bool,
    vector: Vec<f32>,
}

#[test]
fn embeddings_are_those_of_the_reference() -> Outcome {
    compare(Kernels::Burn)
}

#[test]
fn embeddings_by_the_kernels_of_the_host_are_those_of_the_reference() -> Outcome {
    compare(Kernels::Host)
}

/// As on a GPU whose shaders know half precision; here on the CPU.
#[test]
fn embeddings_in_half_precision_are_near_those_of_the_reference() -> Outcome {
    compare(Kernels::Half)
}

#[test]
fn embeddings_of_mpnet_are_those_of_the_reference() -> Outcome {
    let reference: Reference = serde_json::from_str(include_str!("../reference/all-mpnet-base-v2.json"))?;
    let mut folder = |name: &str| -> Result<Option<Vec<u8>>, Box<dyn std::error::Error>> {
        Ok(weights("all-mpnet-base-v2", name).ok())
    };
    let device = cpu_device();
    let encoder = BiEncoder::from_folder(&mut folder, Families::ALL, Kernels::fastest(&device), &device)?;
    assert_eq!((encoder.dimensions(), encoder.max_tokens(), reference.cases.len()), (768, 384, 30));
    compare_with(&encoder, &reference)
}

fn compare(kernels: Kernels) -> Outcome {
    let reference: Reference = serde_json::from_str(include_str!("../reference/encoder.json"))?;
    let file = |name: &str| weights("all-minilm-l6-v2", name);
    let (config, tokenizer, tensors) = (file("config.json")?, file("tokenizer.json")?, file("model.safetensors")?);
    let limit = Some(reference.max_tokens);
    let encoder = BiEncoder::from_parts_with(&config, &tokenizer, &tensors, limit, kernels, &cpu_device())?;
    assert_eq!((encoder.dimensions(), encoder.max_tokens(), reference.cases.len()), (384, 256, 50));
    println!("{kernels:?}");
    compare_with(&encoder, &reference)
}

fn compare_with(encoder: &BiEncoder, reference: &Reference) -> Outcome {
    assert_eq!(encoder.max_tokens(), reference.max_tokens);
    let texts: Vec<&str> = reference.cases.iter().map(|case| case.text.as_str()).collect();
    let embeddings = block_on(encoder.embed(&texts))?;
    let (mut lowest, mut largest) = (1.0_f32, 0.0_f32);
    for (case, embedding) in reference.cases.iter().zip(&embeddings) {
        let text: String = case.text.chars().take(60).collect();
        assert_eq!(encoder.encode(&case.text)?, (case.ids.clone(), case.truncated), "{text:?}");
        assert_eq!((embedding.tokens, embedding.truncated), (case.ids.len(), case.truncated), "{text:?}");
        let likeness = cosine(&embedding.vector, &case.vector);
        assert!(likeness > 0.9999, "{text:?}: cosine {likeness}");
        lowest = lowest.min(likeness);
        let differences = embedding.vector.iter().zip(&case.vector).map(|(a, b)| (a - b).abs());
        largest = differences.fold(largest, f32::max);
    }
    let known = block_on(encoder.check_known_answer(&reference.weights_sha256))?;
    assert!(known.is_some_and(|cosine| cosine > 0.9999), "{known:?}");
    println!("lowest cosine {lowest}, largest difference of a number {largest}");
    Ok(())
}
