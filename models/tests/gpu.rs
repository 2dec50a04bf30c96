//! Real weights on the GPU of this machine, natively: the kernels that a page runs through WebGPU, in both precisions.
//! Lavapipe, Mesa's Vulkan on a CPU, is such a GPU.

mod common;

use std::sync::LazyLock;

use common::{Outcome, fixture, weights};
use futures_lite::future::block_on;
use poq_models::{
    BiEncoder, CrossEncoder, Decoder, DecoderOptions, Families, Gpu, Kernels, ModelError, WeightStorage, cosine,
    cpu_device,
};
use serde_json::Value;

static GPU: LazyLock<Gpu> = LazyLock::new(|| {
    let opened = block_on(Gpu::open(|reason| panic!("the GPU is lost: {reason}")));
    let gpu = opened.expect("these tests want a GPU");
    assert!(gpu.has_half, "{} does not compute in half precision; these tests want a GPU that does", gpu.name);
    gpu
});

#[test]
fn gpu_embeddings_are_those_of_the_reference() -> Outcome {
    let reference: Value = serde_json::from_str(include_str!("../reference/encoder.json"))?;
    let cases = reference["cases"].as_array().ok_or("the reference has cases")?;
    let (mut texts, mut vectors) = (Vec::new(), Vec::new());
    // Texts of all lengths, in one batch.
    for case in cases.iter().step_by(7) {
        texts.push(case["text"].as_str().ok_or("a case has a text")?);
        vectors.push(serde_json::from_value::<Vec<f32>>(case["vector"].clone())?);
    }
    let file = |name: &str| weights("all-minilm-l6-v2", name);
    let (config, tokenizer, tensors) = (file("config.json")?, file("tokenizer.json")?, file("model.safetensors")?);
    for (kernels, least) in [(Kernels::Burn, 0.9999), (Kernels::Half, 0.999)] {
        let encoder = BiEncoder::from_parts_with(&config, &tokenizer, &tensors, Some(256), kernels, &GPU.device)?;
        let embeddings = block_on(encoder.embed(&texts))?;
        assert_eq!(embeddings.len(), 8);
        let likenesses = embeddings.iter().zip(&vectors).map(|(seen, vector)| cosine(&seen.vector, vector));
        let lowest = likenesses.fold(1.0, f32::min);
        assert!(lowest > least, "{kernels:?}: cosine {lowest}");
        let hash = reference["weights_sha256"].as_str().ok_or("the reference names its weights")?;
        let known = block_on(encoder.check_known_answer(hash))?;
        assert!(known.is_some_and(|cosine| cosine > least.into()), "{known:?}");
        println!("{}, {kernels:?}: lowest cosine {lowest}", GPU.name);
    }
    Ok(())
}

/// SHA-256 of the weights of SmolLM2-135M-Instruct.
const SMOLLM2: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

#[test]
fn gpu_tokens_are_those_of_the_reference_and_scores_those_of_the_cpu() -> Outcome {
    let gguf = weights("smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q4_1.gguf")?;
    let decoder = |weights, device: &_| {
        Decoder::from_gguf(&gguf, &DecoderOptions { weights, ..DecoderOptions::default() }, device)
    };
    let trusted = decoder(WeightStorage::AsStored, &cpu_device())?;
    for weights in [WeightStorage::F32, WeightStorage::F16] {
        let decoder = decoder(weights, &GPU.device)?;
        assert_eq!(block_on(decoder.check_known_answer(SMOLLM2))?, Some(1.0), "{weights:?}");
        let cosine = block_on(decoder.check_against(&trusted))?;
        assert!(cosine > 0.9999, "{weights:?}: cosine {cosine}");
        println!("{}, {weights:?}: cosine {cosine}", GPU.name);
    }
    Ok(())
}

/// Small random encoders of all families, with their heads.
#[test]
fn gpu_logits_of_pairs_are_those_of_the_reference() -> Outcome {
    let reference: Value = serde_json::from_str(include_str!("../reference/encoder_families.json"))?;
    let families = reference.as_object().ok_or("the reference has families")?;
    assert_eq!(families.len(), 8);
    for (family, reference) in families {
        let cases = reference["pairs"].as_array().ok_or("a family has pairs")?;
        let text =
            |case: &Value, index: usize| case["pair"][index].as_str().map(str::to_owned).ok_or("a pair has texts");
        let mut pairs = Vec::new();
        for case in cases {
            pairs.push((text(case, 0)?, text(case, 1)?));
        }
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(first, second)| (first.as_str(), second.as_str())).collect();
        for (kernels, most) in [(Kernels::Burn, 1e-4), (Kernels::Half, 2e-2)] {
            let mut folder = |name: &str| Ok::<_, ModelError>(fixture(&format!("encoders/{family}/{name}")).ok());
            let encoder = CrossEncoder::from_folder(&mut folder, Families::ALL, kernels, &GPU.device)?;
            let mut largest = 0.0_f64;
            for (score, case) in block_on(encoder.score(&pairs))?.iter().zip(cases) {
                let expected: Vec<f64> = serde_json::from_value(case["logits"].clone())?;
                let differences = score.logits.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs());
                largest = differences.fold(largest, f64::max);
            }
            println!("{}, {family}, {kernels:?}: logits differ by {largest} at most", GPU.name);
            assert!(largest < most, "{family}, {kernels:?}: {largest}");
        }
    }
    Ok(())
}
