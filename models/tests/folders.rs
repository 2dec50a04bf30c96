//! Encoders as their folders describe them: how vectors are made, old names, and models for other tasks.

mod common;
#[path = "common/edit.rs"]
#[allow(dead_code)] // This file changes no GGUF.
mod edit;

use std::collections::BTreeMap;
use std::error::Error;

use common::{Outcome, fixture};
use futures_lite::future::block_on;
use poq_models::{BiEncoder, Families, Kernels, ModelError, Part, cosine, cpu_device};

const TEXTS: [&str; 3] = ["the cat sat on the mat.", "dogs", ""];

/// A folder in memory.
#[derive(Clone)]
struct Folder(BTreeMap<String, Vec<u8>>);

impl Folder {
    fn tiny() -> Result<Self, Box<dyn Error>> {
        let names = ["config.json", "tokenizer.json", "model.safetensors"];
        let file = |name: &str| Ok((name.to_owned(), fixture(&format!("tiny-bert/{name}"))?));
        names.into_iter().map(file).collect::<Result<_, Box<dyn Error>>>().map(Self)
    }

    fn with(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.insert(name.to_owned(), bytes.into());
        self
    }

    /// With the steps of the library sentence-transformers, of the given pooling.
    fn with_steps(self, pooling: &str, last: &[&str]) -> Self {
        let step = |(index, kind): (usize, &&str)| {
            let path = if index == 0 { String::new() } else { format!("{index}_{kind}") };
            serde_json::json!({"idx": index, "path": path, "type": format!("sentence_transformers.models.{kind}")})
        };
        let types = [&["Transformer", "Pooling"], last].concat();
        let modules: Vec<_> = types.iter().enumerate().map(step).collect();
        let pooling =
            format!(r#"{{"pooling_mode_{pooling}": true, "pooling_mode_mean_tokens": {}}}"#, pooling == "mean_tokens");
        self.with("modules.json", serde_json::json!(modules).to_string()).with("1_Pooling/config.json", pooling)
    }

    /// With some text of a file replaced.
    fn replaced(self, name: &str, from: &str, to: &str) -> Self {
        let text = String::from_utf8_lossy(&self.0[name]).replace(from, to);
        assert_ne!(text.as_bytes(), self.0[name], "{from} is not in {name}");
        self.with(name, text)
    }

    fn with_tensors(self, rename: impl Fn(&str) -> String, more: Option<&str>) -> Result<Self, Box<dyn Error>> {
        let tensors = edit::safetensors(&self.0["model.safetensors"], rename, more)?;
        Ok(self.with("model.safetensors", tensors))
    }

    fn load(&self) -> Result<BiEncoder, ModelError> {
        self.load_with(Kernels::Burn)
    }

    fn load_with(&self, kernels: Kernels) -> Result<BiEncoder, ModelError> {
        BiEncoder::from_folder(&mut |name| Ok(self.0.get(name).cloned()), Families::ALL, kernels, &cpu_device())
    }

    fn vectors(&self) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
        Ok(block_on(self.load()?.embed(&TEXTS))?.into_iter().map(|embedding| embedding.vector).collect())
    }

    fn refusal(&self) -> String {
        self.load().map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
    }
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|x| x * x).sum::<f32>().sqrt()
}

#[test]
fn vectors_are_pooled_as_the_folder_says() -> Outcome {
    let plain = Folder::tiny()?.vectors()?;
    let of = |pooling: &str| Folder::tiny()?.with_steps(pooling, &["Normalize"]).vectors();
    let (mean, cls, max, root) = (of("mean_tokens")?, of("cls_token")?, of("max_tokens")?, of("mean_sqrt_len_tokens")?);
    assert_eq!(mean, plain, "the mean is what a folder gets that says nothing");
    for index in 0..TEXTS.len() {
        assert!(cosine(&root[index], &mean[index]) > 0.99999, "in unit length, a root of the count is as a count");
        for other in [&cls, &max] {
            assert!(cosine(&other[index], &mean[index]) < 0.999);
            assert!((length(&other[index]) - 1.0).abs() < 1e-5);
        }
        assert!(cosine(&cls[index], &max[index]) < 0.999);
    }
    Ok(())
}

/// By vectors that are not brought to unit length: their numbers are those of the states.
#[test]
fn poolings_are_what_their_names_say() -> Outcome {
    let of = |pooling: &str| Folder::tiny()?.with_steps(pooling, &[]).vectors();
    let (mean, cls, max, root) = (of("mean_tokens")?, of("cls_token")?, of("max_tokens")?, of("mean_sqrt_len_tokens")?);
    let encoder = Folder::tiny()?.load()?;
    for (index, text) in TEXTS.iter().enumerate() {
        let count = encoder.encode(text)?.0.len() as f32;
        for place in 0..mean[index].len() {
            let (mean, cls, max, root) = (mean[index][place], cls[index][place], max[index][place], root[index][place]);
            assert!((root - mean * count.sqrt()).abs() < 1e-5, "{text:?}");
            assert!(max >= mean && max >= cls, "{text:?}: {max} is not the largest, {mean} {cls}");
        }
        assert!((length(&mean[index]) - 1.0).abs() > 1e-3);
    }
    // The largest of few texts in one batch is not that of padding.
    let alone = block_on(Folder::tiny()?.with_steps("max_tokens", &[]).load()?.embed(&["dogs"]))?;
    let differ = alone[0].vector.iter().zip(&max[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(differ < 1e-5, "{differ}");
    let host = Folder::tiny()?.with_steps("cls_token", &[]).load_with(Kernels::Host)?;
    let host = block_on(host.embed(&TEXTS))?;
    assert!(host.iter().zip(&cls).all(|(a, b)| a.vector.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)));
    Ok(())
}

#[test]
fn steps_and_settings_that_are_not_known_are_refused_by_name() -> Outcome {
    let tiny = Folder::tiny()?;
    for (folder, named) in [
        (tiny.clone().with_steps("cls_token", &["Dense"]), "sentence_transformers.models.Dense"),
        (tiny.clone().with_steps("cls_token", &["Normalize", "Dense"]), "[3].type"),
        (tiny.clone().with_steps("lasttoken", &["Normalize"]), "lasttoken"),
        (
            tiny.clone().with("sentence_bert_config.json", r#"{"max_seq_length": 512}"#),
            "`max_seq_length` is 512; allowed: 3 to 24",
        ),
        (tiny.clone().with("config_sentence_transformers.json", r#"{"similarity_fn_name": "manhattan"}"#), "manhattan"),
    ] {
        let seen = folder.refusal();
        assert!(seen.contains(named), "{named}: {seen}");
    }
    Ok(())
}

#[test]
fn texts_are_cased_and_begun_as_the_folder_says() -> Outcome {
    let cased = Folder::tiny()?.replaced("tokenizer.json", "\"lowercase\": true", "\"lowercase\": false");
    let lower = cased.clone().with("sentence_bert_config.json", r#"{"do_lower_case": true, "max_seq_length": 8}"#);
    assert_eq!(cased.load()?.encode("The CAT")?.0, [2, 1, 1, 3]);
    assert_eq!(lower.load()?.encode("The CAT")?.0, [2, 4, 5, 3]);
    assert_eq!(lower.load()?.max_tokens(), 8);
    let prompts = r#"{"prompts": {"query": "the cat ", "none": ""}, "default_prompt_name": "query"}"#;
    let begun = Folder::tiny()?.with("config_sentence_transformers.json", prompts);
    assert_eq!(begun.load()?.encode("sat")?.0, Folder::tiny()?.load()?.encode("the cat sat")?.0);
    Ok(())
}

#[test]
fn a_network_may_lie_in_a_folder_of_its_own() -> Outcome {
    let tiny = Folder::tiny()?.with_steps("cls_token", &["Normalize"]);
    let moved = Folder(
        tiny.0
            .clone()
            .into_iter()
            .map(|(name, bytes)| match name.contains(['/', 'm']) && name != "model.safetensors" {
                true => (name, bytes),
                false => (format!("0_Transformer/{name}"), bytes),
            })
            .collect(),
    );
    let moved = moved.replaced("modules.json", "\"path\":\"\"", "\"path\":\"0_Transformer\"");
    assert_eq!(moved.vectors()?, tiny.vectors()?);
    Ok(())
}

#[test]
fn models_with_another_head_are_named() -> Outcome {
    let tiny = Folder::tiny()?;
    let class =
        |name: &str| tiny.clone().replaced("config.json", "{\n", &format!("{{\"architectures\": [\"{name}\"],\n"));
    for (name, what) in [
        ("BertForSequenceClassification", "a cross encoder"),
        ("BertForTokenClassification", "a classifier of tokens"),
        ("BertForQuestionAnswering", "marks answers"),
        ("BertForMaskedLM", "a masked language model"),
        ("LlamaForCausalLM", "a decoder"),
    ] {
        let error = class(name).load().err().ok_or(name)?;
        assert!(matches!(error, ModelError::OtherModel { part: Part::ConfigJson, .. }), "{error:?}");
        let words = error.to_string();
        assert!(words.contains(what) && words.contains(name) && words.contains("a bi encoder"), "{words}");
    }
    class("BertModel").load()?;
    // Where no class is named, the tensors tell.
    let inside = |name: &str| format!("bert.{name}");
    for (tensor, what) in [
        ("classifier.bias", "a cross encoder"),
        ("qa_outputs.bias", "marks answers"),
        ("cls.predictions.bias", "a masked language model"),
    ] {
        let seen = tiny.clone().with_tensors(inside, Some(tensor))?.refusal();
        assert!(seen.contains(what) && seen.contains(tensor) && seen.contains("the safetensors file"), "{seen}");
    }
    // A folder that declares itself a sentence encoder is one.
    let declared = class("BertForMaskedLM").with_tensors(inside, Some("cls.predictions.bias"))?;
    assert_eq!(declared.with_steps("mean_tokens", &["Normalize"]).vectors()?, tiny.vectors()?);
    Ok(())
}

#[test]
fn old_names_of_tensors_are_read() -> Outcome {
    let tiny = Folder::tiny()?;
    let expected = tiny.vectors()?;
    let old =
        |name: &str| name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    assert_eq!(tiny.clone().with_tensors(old, None)?.vectors()?, expected);
    for prefix in ["bert.", "0.auto_model.", "module.bert.", "model."] {
        let inside = |name: &str| format!("{prefix}{}", old(name));
        assert_eq!(
            tiny.clone().with_tensors(inside, Some("embeddings.position_ids"))?.vectors()?,
            expected,
            "{prefix}"
        );
    }
    let neither =
        tiny.clone().with_tensors(|name| name.replace("LayerNorm.weight", "LayerNorm.scale"), None)?.refusal();
    assert!(neither.contains("lacks the tensor `embeddings.LayerNorm.weight`"), "{neither}");
    let two =
        tiny.clone().with_tensors(|name| format!("query.{name}"), Some("passage.embeddings.word_embeddings.weight"))?;
    assert!(two.refusal().contains("several encoders in one"), "{}", two.refusal());
    Ok(())
}

#[test]
fn older_tokenizer_files_are_read() -> Outcome {
    let tiny = Folder::tiny()?;
    let expected = tiny.vectors()?;
    let changed = |change: &dyn Fn(&mut serde_json::Value)| -> Result<Folder, Box<dyn Error>> {
        let mut tokenizer = serde_json::from_slice(&tiny.0["tokenizer.json"])?;
        change(&mut tokenizer);
        Ok(tiny.clone().with("tokenizer.json", tokenizer.to_string()))
    };
    let without_type = changed(&|file| _ = file["model"].as_object_mut().map(|model| model.remove("type")))?;
    assert_eq!(without_type.vectors()?, expected);
    for (field, kind, list) in [
        ("normalizer", "normalizers", 1),
        ("pre_tokenizer", "pretokenizers", 1),
        ("post_processor", "processors", 1),
        ("normalizer", "normalizers", 2),
        ("pre_tokenizer", "pretokenizers", 0),
        ("post_processor", "processors", 2),
    ] {
        let folder = changed(&|file| {
            let steps = vec![file[field].clone(); list];
            file[field] = serde_json::json!({"type": "Sequence", kind: steps});
        })?;
        match list {
            1 => assert_eq!(folder.vectors()?, expected, "{field}"),
            _ => assert!(
                folder.refusal().contains(&format!("`{field}` is a Sequence of {list} steps")),
                "{}",
                folder.refusal()
            ),
        }
    }
    let twice = changed(&|file| {
        let inner = serde_json::json!({"type": "Sequence", "normalizers": [file["normalizer"]]});
        file["normalizer"] = serde_json::json!({"type": "Sequence", "normalizers": [inner]});
    })?;
    assert_eq!(twice.vectors()?, expected);
    let other = changed(&|file| file["model"] = serde_json::json!({"type": "WordLevel", "vocab": {}}))?;
    assert!(other.refusal().contains("`model.type` is \"WordLevel\""), "{}", other.refusal());
    let changed_bytes = changed(&|file| file["model"] = serde_json::json!({"type": "BPE", "vocab": {}, "merges": []}))?;
    assert!(changed_bytes.refusal().contains("pre_tokenizer"), "{}", changed_bytes.refusal());
    Ok(())
}

#[test]
fn special_tokens_in_a_text_are_text() -> Outcome {
    let encoder = Folder::tiny()?.load()?;
    for text in ["[SEP]", "the [CLS] cat", "[PAD][MASK]", "a [UNK] b[SEP]"] {
        let (ids, _) = encoder.encode(text)?;
        // The vocabulary has no brackets, so that they are unknown; nothing is a token that the network is steered by.
        assert!(ids[1..ids.len() - 1].iter().all(|id| ![0, 2, 3].contains(id)), "{text}: {ids:?}");
        assert!(ids.len() >= 5, "{text}: {ids:?}");
    }
    let unmarked = Folder::tiny()?.replaced("tokenizer.json", "\"special\": true", "\"special\": false").load()?;
    assert_eq!(unmarked.encode("the [SEP]")?, encoder.encode("the [SEP]")?);
    Ok(())
}

#[test]
fn files_that_are_none_of_the_model_are_named() -> Outcome {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let seen = Folder::tiny()?.with(name, pointer).refusal();
        assert!(seen.contains("is a Git LFS pointer"), "{name}: {seen}");
        let seen = Folder::tiny()?.with(name, "\n<!DOCTYPE html><html>Sign in</html>").refusal();
        assert!(seen.contains("is a web page"), "{name}: {seen}");
        let mut folder = Folder::tiny()?;
        folder.0.remove(name);
        assert_eq!(folder.refusal(), format!("there is no {name}"));
    }
    Ok(())
}
