//! The families of decoders: what the files of an architecture have, as data for one kind of block.

mod gemma;
mod llama;
mod phi3;
mod qwen2;

use poq_kernels::Gate;

use crate::layers::rotary::Pairs;

/// What all decoders of an architecture have in common.
#[derive(Debug, PartialEq)]
pub(super) struct Spec {
    /// `general.architecture`: what the names of the file's fields begin with.
    pub architecture: &'static str,
    /// Which numbers of a head turn together.
    pub pairs: Pairs,
    /// Queries, keys and values have biases.
    pub has_biases: bool,
    /// Queries, keys and values are one tensor, and so are gates and ups.
    pub is_joined: bool,
    /// Each head's query and key is normalised before it is turned.
    pub has_head_norms: bool,
    /// What attention and feed-forward give is normalised before it is added.
    pub has_norms_after: bool,
    /// What gates are made of.
    pub gate: Gate,
    /// Embeddings are multiplied with the root of their length.
    pub has_scaled_embedding: bool,
    /// Scores of attention and of tokens are capped, where a file's fields say so.
    pub has_soft_caps: bool,
    /// Blocks of the size of this family whose scores of attention have a scale that no field of its files gives; it is
    /// not read.
    pub other_scale: Option<usize>,
    /// Which blocks look no farther back than the file's window.
    pub windows: Windows,
}

/// Which blocks see a window of the text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Windows {
    /// None of them.
    None,
    /// All of them, where the file names a window.
    All,
    /// All but each `period`-th. Where `base` is given, their heads turn by it, and the others' by the file's.
    AllBut { period: usize, base: Option<f64> },
}

impl Windows {
    /// Whether block `index` sees a window.
    pub(super) fn has(self, index: usize) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::AllBut { period, .. } => !(index + 1).is_multiple_of(period),
        }
    }
}

/// Every family that is known.
pub(super) const FAMILIES: [&Spec; 5] = [&llama::LLAMA, &qwen2::QWEN2, &gemma::GEMMA2, &gemma::GEMMA3, &phi3::PHI3];

impl Spec {
    /// The family of an architecture.
    pub(super) fn of(architecture: &str) -> Option<&'static Self> {
        FAMILIES.into_iter().find(|family| family.architecture == architecture)
    }

    /// The architectures that are known: `"llama", "qwen2"` and so on.
    pub(super) fn names() -> String {
        FAMILIES.map(|family| format!("\"{}\"", family.architecture)).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use serde::Deserialize;

    use crate::devices::devices;
    use crate::{Decoder, DecoderOptions, Device, WeightStorage, cpu_device};

    const REFERENCE: &str = include_str!("../../../reference/families.json");

    /// What a network in NumPy and float64 gives for the tiny model of a family.
    #[derive(Deserialize)]
    struct Reference {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        file: String,
        length: usize,
        tokens: Vec<u32>,
        /// After each token, for each of the vocabulary.
        logits: Vec<Vec<f64>>,
    }

    fn model(file: &str, weights: WeightStorage, device: &Device) -> Decoder {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families").join(file);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let options = DecoderOptions { weights, ..DecoderOptions::default() };
        Decoder::from_gguf(&bytes, &options, device).expect("a model of this family")
    }

    /// The largest difference to the reference, of tokens that are read one by one, and of all of them together.
    fn differences(decoder: &Decoder, case: &Case) -> [f64; 2] {
        let largest = |seen: Vec<f32>, expected: &[f64]| {
            assert_eq!(seen.len(), expected.len());
            let difference = |(seen, expected): (f32, &f64)| (f64::from(seen) - expected).abs();
            seen.into_iter().zip(expected).map(difference).fold(0.0, f64::max)
        };
        let mut apart = decoder.network.memory(case.length);
        let mut differences = [0.0_f64; 2];
        for (index, expected) in case.logits.iter().enumerate() {
            let tokens = &case.tokens[..=index];
            let one = block_on(decoder.network.next_scores(&tokens[index..], &mut apart)).expect("scores");
            let mut together = decoder.network.memory(case.length);
            let all = block_on(decoder.network.next_scores(tokens, &mut together)).expect("scores");
            for (difference, seen) in differences.iter_mut().zip([one, all]) {
                *difference = difference.max(largest(seen, expected));
            }
        }
        differences
    }

    #[test]
    fn every_family_gives_the_logits_of_an_independent_network() {
        let Reference { cases } = serde_json::from_str(REFERENCE).expect("cases");
        for family in super::FAMILIES {
            let file = format!("{}.gguf", family.architecture);
            let of_family: Vec<&Case> = cases.iter().filter(|case| case.file == file).collect();
            assert_eq!(of_family.len(), 2, "{file}");
            let as_f32 = devices().into_iter().map(|device| (WeightStorage::F32, device));
            for (weights, device) in as_f32.chain([(WeightStorage::AsStored, cpu_device())]) {
                let decoder = model(&file, weights, &device);
                for case in &of_family {
                    let seen = differences(&decoder, case);
                    assert!(
                        seen.iter().all(|seen| *seen < 1e-3),
                        "{file}, {weights:?} on {device:?}, {}: {seen:?}",
                        case.length
                    );
                }
            }
        }
    }
}
