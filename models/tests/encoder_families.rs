//! Bodies and heads of all families of encoders against an independent NumPy forward pass in f64:
//! `reference/make_encoder_families_reference.py`, on the small random encoders of `tests/fixtures/encoders`.

mod common;

use std::collections::BTreeMap;
use std::error::Error;

use common::{Outcome, fixture};
use futures_lite::future::block_on;
use poq_models::{BiEncoder, CrossEncoder, Families, Kernels, ModelError, Reading, cosine, cpu_device};
use serde::Deserialize;

#[derive(Deserialize)]
struct Family {
    texts: Vec<Text>,
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    ids: Vec<u32>,
    truncated: bool,
    vector: Vec<f32>,
}

#[derive(Deserialize)]
struct Pair {
    pair: (String, String),
    ids: Vec<u32>,
    types: Vec<u32>,
    truncated: bool,
    logits: Vec<f32>,
    value: f64,
}

fn references() -> Result<BTreeMap<String, Family>, Box<dyn Error>> {
    let families: BTreeMap<String, Family> = serde_json::from_str(include_str!("../reference/encoder_families.json"))?;
    let names: Vec<&str> = families.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["bert", "bert-mean", "deberta-v2", "deberta-v2-distances", "distilbert", "mpnet", "roberta", "text-cnn"]
    );
    Ok(families)
}

/// A family's folder in memory.
struct Folder(BTreeMap<&'static str, Vec<u8>>);

impl Folder {
    fn of(family: &str) -> Result<Self, Box<dyn Error>> {
        let names = ["config.json", "tokenizer.json", "model.safetensors"];
        let file = |name| Ok((name, fixture(&format!("encoders/{family}/{name}"))?));
        names.into_iter().map(file).collect::<Result<_, Box<dyn Error>>>().map(Self)
    }

    fn with(mut self, name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.insert(name, bytes.into());
        self
    }

    fn replaced(self, name: &'static str, from: &str, to: &str) -> Self {
        let text = String::from_utf8_lossy(&self.0[name]).replace(from, to);
        assert_ne!(text.as_bytes(), self.0[name], "{from} is not in {name}");
        self.with(name, text)
    }

    /// With the steps of a sentence encoder: its vectors are then asked for, whatever head is beside it.
    fn with_steps(self) -> Self {
        let step = |path: &str, kind: &str| serde_json::json!({"path": path, "type": format!("sentence_transformers.models.{kind}")});
        let steps = [step("", "Transformer"), step("1_Pooling", "Pooling"), step("2_Normalize", "Normalize")];
        self.with("modules.json", serde_json::json!(steps).to_string())
            .with("1_Pooling/config.json", r#"{"pooling_mode": "mean"}"#)
    }

    fn cross_encoder(&self, kernels: Kernels) -> Result<CrossEncoder, ModelError> {
        CrossEncoder::from_folder(&mut |name| Ok(self.0.get(name).cloned()), Families::ALL, kernels, &cpu_device())
    }

    fn bi_encoder(&self, kernels: Kernels) -> Result<BiEncoder, ModelError> {
        BiEncoder::from_folder(&mut |name| Ok(self.0.get(name).cloned()), Families::ALL, kernels, &cpu_device())
    }

    fn refusal(&self) -> String {
        self.cross_encoder(Kernels::Burn).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
    }
}

#[test]
fn pairs_have_the_logits_of_the_reference() -> Outcome {
    for kernels in [Kernels::Burn, Kernels::Host] {
        for (family, reference) in references()? {
            let largest = compare_pairs(&Folder::of(&family)?.cross_encoder(kernels)?, &reference.pairs, &family)?;
            println!("{family}, {kernels:?}: logits differ by {largest} at most");
            assert!(largest < 1e-4, "{family}, {kernels:?}: {largest}");
        }
    }
    Ok(())
}

/// The largest difference of a logit; tokens and values are compared here.
fn compare_pairs(encoder: &CrossEncoder, reference: &[Pair], family: &str) -> Result<f32, Box<dyn Error>> {
    for Pair { pair, ids, types, truncated, .. } in reference {
        let seen = encoder.encode(&pair.0, &pair.1)?;
        assert_eq!(seen, (ids.clone(), types.clone(), *truncated), "{family}: {pair:?}");
    }
    let pairs: Vec<(&str, &str)> =
        reference.iter().map(|Pair { pair, .. }| (pair.0.as_str(), pair.1.as_str())).collect();
    let scores = block_on(encoder.score(&pairs))?;
    assert_eq!(scores.len(), pairs.len());
    assert!(scores.iter().any(|score| score.truncated) && scores.iter().any(|score| !score.truncated));
    let mut largest = 0.0_f32;
    for (seen, expected) in scores.iter().zip(reference) {
        assert_eq!((seen.tokens, seen.truncated), (expected.ids.len(), expected.truncated));
        assert_eq!(seen.logits.len(), expected.logits.len());
        assert!((seen.value - expected.value).abs() < 1e-4, "{family}: {} beside {}", seen.value, expected.value);
        let differences = seen.logits.iter().zip(&expected.logits).map(|(a, b)| (a - b).abs());
        largest = differences.fold(largest, f32::max);
    }
    Ok(largest)
}

#[test]
fn texts_have_the_vectors_of_the_reference() -> Outcome {
    for kernels in [Kernels::Burn, Kernels::Host, Kernels::Half] {
        // A TextCNN makes no vectors of texts.
        for (family, reference) in references()?.into_iter().filter(|(family, _)| family != "text-cnn") {
            let encoder = Folder::of(&family)?.with_steps().bi_encoder(kernels)?;
            let texts: Vec<&str> = reference.texts.iter().map(|text| text.text.as_str()).collect();
            for (seen, expected) in block_on(encoder.embed(&texts))?.iter().zip(&reference.texts) {
                let Text { text, ids, truncated, vector } = expected;
                assert_eq!(encoder.encode(text)?, (ids.clone(), *truncated), "{family}: {text:?}");
                let likeness = cosine(&seen.vector, vector);
                assert!(likeness > 0.9999, "{family}, {kernels:?}, {text:?}: {likeness}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_pair_does_not_depend_on_its_neighbours() -> Outcome {
    for kernels in [Kernels::Burn, Kernels::Host] {
        for (family, reference) in references()? {
            let encoder = Folder::of(&family)?.cross_encoder(kernels)?;
            for Pair { pair, logits, .. } in &reference.pairs {
                let alone = block_on(encoder.score(&[(&pair.0, &pair.1)]))?;
                for (seen, expected) in alone[0].logits.iter().zip(logits) {
                    assert!((seen - expected).abs() < 1e-4, "{family}, {kernels:?}: {pair:?}");
                }
            }
            assert_eq!(block_on(encoder.score(&[]))?, []);
        }
    }
    Ok(())
}

#[test]
fn logits_are_read_as_the_file_says() -> Outcome {
    let reading =
        |family: &str| Ok::<_, Box<dyn Error>>(Folder::of(family)?.cross_encoder(Kernels::Burn)?.reading().clone());
    let entails = Reading::Label { index: 1, name: "entailment".to_owned() };
    assert_eq!(reading("bert")?, Reading::Sigmoid);
    assert_eq!(reading("roberta")?, Reading::Logit);
    assert_eq!(reading("deberta-v2-distances")?, Reading::Tanh);
    assert_eq!((reading("distilbert")?, reading("deberta-v2")?), (entails.clone(), entails));
    Ok(())
}

/// Whoever writes an answer does not choose what the network takes for the end of it.
#[test]
fn names_of_special_tokens_in_a_text_are_text() -> Outcome {
    for (family, reference) in references()? {
        let encoder = Folder::of(&family)?.cross_encoder(Kernels::Burn)?;
        let own = &reference.pairs.iter().find(|Pair { pair, .. }| pair.0.is_empty() && pair.1.is_empty());
        let own = own.ok_or("no empty pair")?.ids.clone();
        let of_own = |ids: &[u32]| ids.iter().filter(|id| own.contains(id)).count();
        let (ids, ..) = encoder.encode("[CLS] <s> the</s>[SEP]", " [SEP]a cat [MASK]</s><s>[CLS]")?;
        assert_eq!(of_own(&ids), own.len(), "{family}: {ids:?}");
    }
    Ok(())
}

#[test]
fn pairs_are_cut_to_what_the_tokenizer_names() -> Outcome {
    let folder = |length: &str| {
        Ok::<_, Box<dyn Error>>(
            Folder::of("bert")?.with("tokenizer_config.json", format!(r#"{{"model_max_length": {length}}}"#)),
        )
    };
    for (length, expected) in
        [("12", 12), ("40", 40), ("512", 40), ("1000000000000000019884624838656", 40), ("null", 40)]
    {
        assert_eq!(folder(length)?.cross_encoder(Kernels::Burn)?.max_tokens(), expected, "{length}");
    }
    let encoder = folder("12")?.cross_encoder(Kernels::Burn)?;
    let scores = block_on(encoder.score(&[("the cat sat on the mat the cat sat", "a dog sat"), ("the cat", "a dog")]))?;
    assert_eq!(
        [(scores[0].tokens, scores[0].truncated), (scores[1].tokens, scores[1].truncated)],
        [(12, true), (7, false)]
    );
    let (ids, types, _) = encoder.encode("the cat sat on the mat the cat sat", "a dog sat")?;
    assert_eq!((ids.len(), types.iter().filter(|kind| **kind == 1).count()), (12, 4), "the longer text is cut first");
    for length in ["4", "0", "-1"] {
        let seen = folder(length)?.refusal();
        assert!(seen.contains("`model_max_length`") && seen.contains("5 at least"), "{length}: {seen}");
    }
    assert!(folder("\"long\"")?.refusal().contains("tokenizer_config.json cannot be read"));
    Ok(())
}

#[test]
fn what_is_no_cross_encoder_is_refused_by_name() -> Outcome {
    let of = |family: &str| Folder::of(family);
    let one_label = r#""id2label": {
  "0": "LABEL_0"
 }"#;
    let two_labels = r#""id2label": {"0": "no", "1": "entailment"}"#;
    let nameless = r#""id2label": {"0": "no", "1": "yes", "2": "perhaps"}"#;
    let three_labels = r#""id2label": {
  "0": "contradiction",
  "1": "entailment",
  "2": "neutral"
 }"#;
    let cases = [
        (of("bert")?.replaced("config.json", one_label, two_labels), ["`classifier.weight`", "[1, 16]", "[2, 16]"]),
        (of("distilbert")?.replaced("config.json", three_labels, nameless), ["`id2label`", "3 labels", "entail"]),
        (
            of("bert-mean")?.replaced("config.json", "\"pooling\": \"mean\"", "\"pooling\": \"max\""),
            ["poq.pooling", "max", "\"cls\" or \"mean\""],
        ),
        (
            of("text-cnn")?.replaced("config.json", "\"filters\": 4", "\"filters\": 5"),
            ["`convolutions.1.weight`", "[4, 16]", "[5, 16]"],
        ),
        (of("text-cnn")?.replaced("config.json", "\"filters\": 4", "\"filters\": 0"), ["`filters`", "0", "1 to"]),
        (
            of("text-cnn")?.replaced(
                "config.json",
                "\"max_position_embeddings\": 40",
                "\"max_position_embeddings\": 4",
            ),
            ["max_position_embeddings", "4 tokens", "5 at least"],
        ),
        (
            of("roberta")?.replaced("config.json", "linear.Identity", "activation.GELU"),
            ["activation_fn", "GELU", "Tanh"],
        ),
        (
            of("bert")?.replaced("config.json", "BertForSequenceClassification", "BertForMaskedLM"),
            ["a masked language model", "BertForMaskedLM", "a cross encoder"],
        ),
        (
            of("bert")?.replaced("config.json", "\"type_vocab_size\": 2", "\"type_vocab_size\": 1"),
            ["[2, 16]", "[1, 16]", ""],
        ),
        (
            of("roberta")?.replaced("config.json", "\"pad_token_id\": 1", "\"pad_token_id\": 40"),
            ["max_position_embeddings", "42", ""],
        ),
        (
            of("mpnet")?.replaced(
                "config.json",
                "\"relative_attention_num_buckets\": 32",
                "\"relative_attention_num_buckets\": 16",
            ),
            ["relative_attention_num_buckets", "16", "32"],
        ),
        (of("deberta-v2")?.replaced("config.json", "\"p2c\"", "\"p2p\""), ["pos_att_type", "p2p", "c2p"]),
        (
            of("deberta-v2")?.replaced("config.json", "layer_norm\"", "batch_norm\""),
            ["norm_rel_ebd", "batch_norm", "none"],
        ),
        (
            of("deberta-v2")?.replaced("config.json", "\"position_buckets\": 8", "\"position_buckets\": 6"),
            ["rel_embeddings", "[16, 16]", "[12, 16]"],
        ),
        (
            of("deberta-v2")?.replaced(
                "config.json",
                "\"pooler_hidden_act\": \"gelu\"",
                "\"pooler_hidden_act\": \"relu\"",
            ),
            ["pooler_hidden_act", "relu", "gelu"],
        ),
        (
            of("deberta-v2")?.replaced(
                "config.json",
                "\"hidden_size\": 16",
                "\"conv_kernel_size\": 3, \"hidden_size\": 16",
            ),
            ["conv_kernel_size", "3", "0"],
        ),
        (
            of("roberta")?.replaced("tokenizer.json", "\"use_regex\": true", "\"use_regex\": false"),
            ["use_regex", "false", "true"],
        ),
        (
            of("deberta-v2")?.replaced("tokenizer.json", "\"split\": true", "\"split\": false"),
            ["pre_tokenizer.split", "false", "true"],
        ),
        (
            of("roberta")?.replaced("tokenizer.json", "\"type\": \"BPE\"", "\"type\": \"WordLevel\""),
            ["model.type", "WordLevel", "Unigram"],
        ),
        (
            of("deberta-v2")?.replaced("tokenizer.json", "\"type_id\": 1", "\"type_id\": 2"),
            ["post_processor", "without a known template", "the second text"],
        ),
        (
            of("deberta-v2")?.replaced("tokenizer.json", "\"type\": \"Metaspace\"", "\"type\": \"BertPreTokenizer\""),
            ["pre_tokenizer", "Metaspace", "BertPreTokenizer"],
        ),
    ];
    for (index, (folder, expected)) in cases.iter().enumerate() {
        let seen = folder.refusal();
        assert!(expected.iter().all(|part| seen.contains(part)), "case {index}: {expected:?} are not in: {seen}");
    }
    let even = of("text-cnn")?.with(
        "config.json",
        r#"{"model_type": "text_cnn", "vocab_size": 45, "hidden_size": 16,
        "widths": [2], "filters": 4, "max_position_embeddings": 40}"#,
    );
    assert!(even.refusal().contains("`widths` is \"[2]\"") && even.refusal().contains("odd"), "{}", even.refusal());
    let plain = |name: &str| fixture(&format!("tiny-bert/{name}"));
    let bare = Folder::of("bert")?
        .with("config.json", plain("config.json")?)
        .with("tokenizer.json", plain("tokenizer.json")?)
        .with("model.safetensors", plain("model.safetensors")?);
    assert!(bare.refusal().contains("an encoder without a head"), "{}", bare.refusal());
    let mut empty = Folder::of("bert")?;
    empty.0.remove("tokenizer.json");
    assert_eq!(empty.refusal(), "there is no tokenizer.json");
    Ok(())
}

#[test]
fn a_head_that_gives_no_finite_numbers_is_an_error() -> Outcome {
    let folder = Folder::of("bert")?;
    let mut tensors = folder.0["model.safetensors"].clone();
    // The last tensor is one of the head's, in F32.
    let last = tensors.len() - 4;
    tensors[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    let encoder = folder.with("model.safetensors", tensors).cross_encoder(Kernels::Burn);
    let seen = encoder.map(|encoder| block_on(encoder.score(&[("the cat", "a dog")])).map(|scores| scores.len()));
    assert!(matches!(seen, Ok(Err(ModelError::NotFinite(_)))), "{seen:?}");
    Ok(())
}

#[test]
fn files_of_all_families_with_any_byte_changed_never_panic() -> Outcome {
    for (family, _) in references()? {
        let mut folder = Folder::of(&family)?;
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            let length = folder.0[name].len();
            // Of the weights, where each tensor lies, and some of their numbers.
            let places = (0..length).step_by(if name == "config.json" { 1 } else { 1 + length / 2000 });
            for (at, change) in places.zip([0x01, 0x80, 0x20, 0xFF].into_iter().cycle()) {
                let flip = |folder: &mut Folder| {
                    if let Some(byte) = folder.0.get_mut(name).and_then(|file| file.get_mut(at)) {
                        *byte ^= change;
                    }
                };
                flip(&mut folder);
                if let Ok(encoder) = folder.cross_encoder(Kernels::Burn) {
                    let _ = block_on(encoder.score(&[("the cat ﬁ½", "a dog")]));
                }
                flip(&mut folder);
            }
        }
    }
    Ok(())
}
