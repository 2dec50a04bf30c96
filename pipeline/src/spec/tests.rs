use poq_core::dataset::{EvaluatorEntry, Manifest, Task, TaskKind};

use super::*;

fn task(kind: TaskKind) -> Task {
    Task {
        id: "t".into(),
        kind,
        prompt: "why {context}?".into(),
        references: vec!["r".into(), "s".into()],
        context: Some("because {answer}".into()),
        group: None,
    }
}

fn read_evaluator(json: &str) -> Result<EvaluatorSpec, String> {
    read(&serde_json::from_str(json).expect("JSON"), EvaluatorSpec::from_fields)
}

fn read_node(json: &str) -> Result<NodeSpec, String> {
    read(&serde_json::from_str(json).expect("JSON"), NodeSpec::from_fields)
}

const MODEL: &str = r#""model": "m", "file": "m.gguf", "sha256": "00""#;

const JUDGE: &str = r#""reading": "sigmoid", "trained_for": "quality""#;

#[test]
fn what_is_written_is_read_again() {
    let evaluators = [
        format!(r#"{{"kind": "bi_encoder", {MODEL}, "against": "prompt"}}"#),
        format!(r#"{{"kind": "cross_encoder", {MODEL}, {JUDGE}, "against": "reference"}}"#),
        format!(r#"{{"kind": "llm_judge", {MODEL}, "template": "{{prompt}} {{answer}}"}}"#),
        r#"{"kind": "rouge_l"}"#.to_owned(),
        r#"{"kind": "chrf"}"#.to_owned(),
        r#"{"kind": "structure"}"#.to_owned(),
    ];
    assert_eq!(evaluators.len(), EvaluatorSpec::<ModelFile>::KINDS.len());
    for (json, kind) in evaluators.iter().zip(EvaluatorSpec::<ModelFile>::KINDS) {
        let spec = read_evaluator(json).unwrap_or_else(|fault| panic!("{json}: {fault}"));
        assert_eq!(
            (spec.kind(), serde_json::to_value(spec.to_manifest()).ok()),
            (kind, serde_json::from_str(json).ok())
        );
    }
    let decoder = format!(
        r#"{{"kind": "decoder", {MODEL}, "temperature": 0.75, "seed": 7, "layers": 3, "max_tokens": {{"qa": 8}},
            "templates": {{"qa": "{{prompt}}"}}, "stop": ["\n"]}}"#
    );
    for json in [decoder.as_str(), r#"{"kind": "lead"}"#, r#"{"kind": "keyword"}"#] {
        let spec = read_node(json).unwrap_or_else(|fault| panic!("{json}: {fault}"));
        assert_eq!(serde_json::to_value(spec.to_manifest()).ok(), serde_json::from_str(json).ok());
    }
}

#[test]
fn a_field_that_is_unknown_absent_or_out_of_range_is_named() {
    let refused = |outcome: Result<(), String>, parts: &[&str]| {
        let fault = outcome.expect_err("must be refused");
        assert!(parts.iter().all(|part| fault.contains(part)), "no {parts:?} in: {fault}");
    };
    let evaluator = |json: &str| read_evaluator(json).map(drop);
    let node = |fields: &str| read_node(&format!(r#"{{"kind": "decoder", {MODEL}{fields}}}"#)).map(drop);
    refused(evaluator(r#"{"kind": "chrf", "model": "m"}"#), &["unknown field `model`"]);
    refused(evaluator(r#"{"kind": "bertscore"}"#), &["unknown kind `bertscore`", "cross_encoder"]);
    refused(evaluator(&format!(r#"{{"kind": "bi_encoder", {MODEL}}}"#)), &["missing field `against`"]);
    refused(evaluator(r#"{"kind": "bi_encoder", "model": "m", "against": "prompt"}"#), &["missing field `file`"]);
    refused(evaluator(&format!(r#"{{"kind": "llm_judge", {MODEL}, "template": "rate it"}}"#)), &["{answer}"]);
    refused(node(r#", "temperature": -0.5"#), &["`temperature`: -0.5"]);
    refused(node(r#", "max_tokens": {"qa": 0}"#), &["`max_tokens`: 0"]);
    refused(node(r#", "max_tokens": {"poem": 1}"#), &["`max_tokens`", "poem"]);
    refused(node(r#", "stop": ["a", ""]"#), &["`stop`: an empty text"]);
}

#[test]
fn a_template_is_filled_once() {
    let spec = |templates: &str| {
        let json = format!(r#"{{"kind": "decoder", {MODEL}{templates}}}"#);
        match read_node(&json).expect("a decoder") {
            NodeSpec::Decoder(decoder) => decoder,
            other => panic!("a decoder, not {other:?}"),
        }
    };
    let own = spec(r#", "templates": {"qa": "{prompt} | {context} | {other}"}"#);
    assert_eq!(own.request(&task(TaskKind::Qa)), "why {context}? | because {answer} | {other}");
    assert_eq!(own.request(&task(TaskKind::Summarization)), "why {context}?\n\nbecause {answer}");
    assert!(spec("").request(&task(TaskKind::Qa)).starts_with("Answer the question with a few words"));
    assert_eq!(
        shown("{reference}: {answer} {context}", &task(TaskKind::Qa), "{prompt}"),
        "r / s: {prompt} because {answer}"
    );
}

/// What stands here for the shipped dataset, which has no specs, is what its plan says.
#[test]
fn the_shipped_dataset_of_schema_1_has_the_specs_of_its_plan() {
    let manifest: Manifest =
        serde_json::from_str(include_str!("../../../static/datasets/poq-lab-1/manifest.json")).expect("a manifest");
    let plan: toml::Table = include_str!("../../../static/corpus/poq-lab-1.toml").parse().expect("a plan");
    assert_eq!((manifest.schema, manifest.id.as_str()), (1, plan["id"].as_str().expect("an id")));
    let rows = |name: &str| plan[name].as_array().expect("a list").clone();
    for (entry, row) in manifest.inference_nodes.iter().zip(rows("inference_nodes")) {
        let spec = NodeSpec::of(entry).expect("no fault").expect("known");
        let mut fields = Fields::new(spec.to_manifest());
        assert_eq!(fields.required::<String>("kind").ok().as_deref(), row["kind"].as_str());
        let NodeSpec::Decoder(decoder) = spec else { continue };
        assert_eq!(Some(decoder.model.model.as_str()), row["model"].as_str());
        assert!(entry.model.as_ref().is_some_and(|words| words.contains(&decoder.model.sha256)));
        for kind in TaskKind::ALL {
            assert_eq!(decoder.templates.get(&kind).map(String::as_str), plan["templates"][kind.as_str()].as_str());
            assert_eq!(Some(decoder.max_tokens(kind) as i64), row["max_tokens"][kind.as_str()].as_integer());
        }
        let number = |name: &str| row.get(name).and_then(toml::Value::as_integer);
        assert_eq!(decoder.seed, number("seed").unwrap_or(0) as u64);
        assert_eq!(decoder.layers.map(|layers| layers as i64), number("layers"));
        assert_eq!(
            f64::from(decoder.temperature),
            row.get("temperature").and_then(toml::Value::as_float).unwrap_or(0.0)
        );
    }
    for (entry, row) in manifest.evaluators.iter().zip(rows("evaluators")) {
        let spec = EvaluatorSpec::of(entry).expect("no fault").expect("known");
        assert_eq!(Some(spec.kind()), row["kind"].as_str());
        if let EvaluatorSpec::BiEncoder { model, against } = &spec {
            assert_eq!(Some(model.model.as_str()), row["model"].as_str());
            assert!(entry.model.as_ref().is_some_and(|words| words.contains(&model.sha256)));
            assert_eq!(serde_json::to_value(against).ok(), row["against"].as_str().map(Into::into));
        }
    }
    let other = EvaluatorEntry { model: Some("another".to_owned()), ..manifest.evaluators[0].clone() };
    assert_eq!(EvaluatorSpec::of(&other), Ok(None), "an id says nothing of another model");
}
