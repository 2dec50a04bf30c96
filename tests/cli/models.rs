//! Models of the user's own: what their files say decides, and what cannot work is refused before any row is made.

use std::fs;
use std::path::Path;

use crate::support::{Ran, poq, repository, write};

/// The tiny encoder with more files, in a folder of its own.
fn encoder(folder: &Path, files: &[(&str, &str)]) -> String {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(repository("models/tests/fixtures/tiny-bert").join(name), folder.join(name)).expect("a copy");
    }
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder.to_str().expect("UTF-8").to_owned()
}

fn embed(model: &str) -> Ran {
    poq(&["embed", "--model", model], "{\"text\": \"the cat sat\"}\n")
}

const CLS: [(&str, &str); 2] = [
    (
        "modules.json",
        r#"[{"path": "", "type": "sentence_transformers.models.Transformer"},
            {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]"#,
    ),
    ("1_Pooling/config.json", r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#),
];

#[test]
fn an_encoder_is_what_its_folder_says() {
    let folder = || tempfile::tempdir().expect("a folder");
    let (plain, cls, dense, cross) = (folder(), folder(), folder(), folder());
    let plain = embed(&encoder(plain.path(), &[])).succeeds().rows();
    let pooled = embed(&encoder(cls.path(), &CLS)).succeeds().rows();
    assert_ne!(plain[0]["embedding"], pooled[0]["embedding"]);
    let with_dense = CLS[0].1.replace("}]", r#"}, {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]"#);
    embed(&encoder(dense.path(), &[("modules.json", &with_dense), CLS[1]])).fails(2, &["modules.json", "models.Dense"]);
    let config = fs::read_to_string(repository("models/tests/fixtures/tiny-bert/config.json")).expect("a file");
    let config = config.replace("{\n", "{\"architectures\": [\"BertForSequenceClassification\"],\n");
    let cross = encoder(cross.path(), &[("config.json", &config)]);
    embed(&cross).fails(2, &["a cross encoder", "BertForSequenceClassification", &cross]);
    let shards = folder();
    let shards = encoder(shards.path(), &[("model-00001-of-00002.safetensors", "")]);
    fs::remove_file(Path::new(&shards).join("model.safetensors")).expect("it was there");
    embed(&shards).fails(2, &["there is no model.safetensors", "it holds model-00001-of-00002.safetensors"]);
}

/// A plan of one decoder, one baseline and one encoder over two long tasks.
fn plan(folder: &Path, decoder: &str, encoder: &str) -> String {
    let task = |id: u8| {
        let context = "The cat sat on the mat. ".repeat(20);
        format!(
            "{}\n",
            serde_json::json!({"id": id.to_string(), "kind": "qa", "prompt": "Who?", "context": context, "references": ["the cat"]})
        )
    };
    write(folder, "tasks.jsonl", &(task(1) + &task(2)));
    let plan = format!(
        r#"
            id = "test"
            licences = "none"
            [[tasks]]
            path = "tasks.jsonl"
            [[inference_nodes]]
            id = "own"
            name = "Own"
            kind = "decoder"
            model = {decoder:?}
            max_tokens = {{ qa = 4 }}
            [[inference_nodes]]
            id = "lead"
            name = "Lead"
            kind = "lead"
            [[evaluators]]
            id = "by-reference"
            name = "By reference"
            kind = "bi_encoder"
            model = {encoder:?}
            against = "reference"
        "#
    );
    write(folder, "plan.toml", &plan)
}

fn precompute(plan: &str, out: &Path) -> Ran {
    poq(&["precompute", plan, "--out", out.to_str().expect("UTF-8")], "")
}

#[test]
fn cut_prompts_are_counted_once_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let decoder = repository("models/tests/fixtures/tiny-llama.gguf");
    let encoder = encoder(folder.path(), &CLS);
    let out = folder.path().join("data");
    let ran = precompute(&plan(folder.path(), decoder.to_str().expect("UTF-8"), &encoder), &out);
    let err = &ran.succeeds().err;
    assert!(err.contains("own: in 2 of its answers the prompt was cut to the model's 64 tokens"), "{err}");
    assert_eq!(err.matches("was cut").count(), 1, "{err}");
    let manifest = fs::read_to_string(out.join("manifest.json")).expect("a dataset");
    assert!(manifest.contains("pooled by the first token, not in unit length"), "{manifest}");
}

#[test]
fn models_that_cannot_do_what_a_plan_asks_are_refused_before_any_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let tiny = fs::read(repository("models/tests/fixtures/tiny-llama.gguf")).expect("a file");
    let encoder = encoder(folder.path(), &[]);
    // A name of a field that is not known to templates, of the same length.
    let at = tiny.windows(11).position(|window| window == b"['content']").expect("the template reads it");
    let mut without_content = tiny.clone();
    without_content[at..at + 11].copy_from_slice(b"['kontent']");
    let decoder = folder.path().join("no-content.gguf");
    fs::write(&decoder, without_content).expect("a file");
    let out = folder.path().join("data");
    let ran = precompute(&plan(folder.path(), decoder.to_str().expect("UTF-8"), &encoder), &out);
    ran.fails(2, &["no-content.gguf", "chat template", "undefined"]);
    let rows = fs::read_to_string(out.join("outputs.jsonl")).unwrap_or_default();
    assert!(rows.is_empty(), "{rows}");
    // The folder is free for a plan that works.
    fs::write(&decoder, tiny).expect("a file");
    precompute(&plan(folder.path(), decoder.to_str().expect("UTF-8"), &encoder), &out).succeeds();

    let page = write(folder.path(), "page.gguf", &"<html>Sign in</html>".repeat(20));
    poq(&["generate", "--model", &page], "").fails(2, &["page.gguf", "the GGUF file is a web page"]);
    let config = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}"#;
    fs::write(folder.path().join("config.json"), config).expect("a file");
    embed(&encoder).fails(2, &["a decoder (`architectures`: LlamaForCausalLM)"]);
}

/// A plan of one baseline and of one cross encoder among the fixtures, over two tasks.
fn crossed(folder: &Path, family: &str, more: &str) -> String {
    let model = repository("models/tests/fixtures/encoders").join(family);
    let task = |id: u8| {
        let context = "the cat sat on the mat. ".repeat(usize::from(id * id));
        format!(
            "{}\n",
            serde_json::json!({"id": format!("t{id}"), "kind": "qa", "prompt": "what is the cat on?", "context": context,
                "references": ["the mat", "paris"]})
        )
    };
    write(folder, "tasks.jsonl", &(task(1) + &task(4)));
    let plan = format!(
        r#"
            id = "test"
            licences = "none"
            [[tasks]]
            path = "tasks.jsonl"
            [[inference_nodes]]
            id = "lead"
            name = "Lead"
            kind = "lead"
            [[evaluators]]
            id = "cross"
            name = "Cross encoder"
            kind = "cross_encoder"
            model = {model:?}
            {more}
        "#
    );
    write(folder, "plan.toml", &plan)
}

#[test]
fn a_cross_encoder_scores_pairs_as_its_file_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let plan = crossed(folder, "distilbert", "against = \"prompt\"");
    let ran = precompute(&plan, &folder.join("data"));
    let err = &ran.succeeds().err;
    assert!(err.contains("cross: in 1 of its scores the end of a text was cut to the model's 40 tokens"), "{err}");
    let manifest = fs::read_to_string(folder.join("data/manifest.json")).expect("a dataset");
    assert!(manifest.contains("cross_encoder") && manifest.contains("the probability of its label"), "{manifest}");
    // The best of the references counts, and each is the first of its pair.
    let plan = crossed(folder, "roberta", "against = \"reference\"\nnormalization = \"sigmoid\"");
    let score = |references: &str| {
        let row = format!("{{\"prediction\": \"a mat\", \"prompt\": \"\", \"references\": {references}}}\n");
        let rows = poq(&["score", "--plan", &plan, "--evaluator", "cross"], &row).succeeds().rows();
        (rows[0]["raw"].as_f64().expect("a number"), rows[0]["score"].as_f64().expect("a number"))
    };
    let (first, second, both) = (score("[\"the mat\"]"), score("[\"paris\"]"), score("[\"the mat\", \"paris\"]"));
    assert_ne!(first.0, second.0);
    assert!((both.0 - first.0.max(second.0)).abs() < 1e-4);
    assert!((both.1 - 10.0 / (1.0 + (-both.0).exp())).abs() < 1e-4);
    let plan = crossed(folder, "roberta", "against = \"prompt\"");
    let ran = precompute(&plan, &folder.join("logits"));
    assert!(ran.succeeds().err.contains("`sigmoid` is for logits"), "{}", ran.err);
}

#[test]
fn what_is_no_cross_encoder_is_refused_before_any_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let plan = crossed(folder, "bert", "");
    precompute(&plan, &folder.join("data")).fails(2, &["evaluators[0]", "`against`"]);
    let plan = crossed(folder, "../tiny-bert", "against = \"prompt\"");
    precompute(&plan, &folder.join("data")).fails(2, &["tiny-bert", "an encoder without a head", "a cross encoder"]);
    let plan = crossed(folder, "bert", "against = \"prompt\"");
    let text = fs::read_to_string(&plan).expect("a plan").replace("cross_encoder", "bi_encoder");
    let plan = write(folder, "bi.toml", &text);
    precompute(&plan, &folder.join("data")).fails(2, &["BertForSequenceClassification", "a bi encoder"]);
}
