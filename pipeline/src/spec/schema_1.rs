//! Manifests of schema 1 have no specs. Evaluators without a model need none; for the others of the one such dataset
//! that was shipped, `poq-lab-1`, stands here what its plan (`static/corpus/poq-lab-1.toml`) says.

use std::collections::BTreeMap;

use poq_core::dataset::{EvaluatorEntry, NodeEntry, TaskKind};

use super::{Against, DecoderSpec, EvaluatorSpec, ModelFile, NodeSpec};

fn minilm() -> ModelFile {
    ModelFile {
        model: "all-minilm-l6-v2".to_owned(),
        file: "model.safetensors".to_owned(),
        sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db".to_owned(),
        reading: None,
        trained_for: None,
    }
}

/// What SmolLM2 was asked, and the tokens that it had for it.
const ASKED: [(TaskKind, &str, usize); 2] = [
    (
        TaskKind::Qa,
        "Answer the question with a few words copied from the passage, nothing else.\n\n\
         Passage: {context}\n\n\
         Question: {prompt}",
        24,
    ),
    (TaskKind::Summarization, "{prompt}\n\n{context}", 80),
];

fn smollm2() -> DecoderSpec {
    DecoderSpec {
        model: ModelFile {
            model: "smollm2-135m-instruct".to_owned(),
            file: "SmolLM2-135M-Instruct.Q4_1.gguf".to_owned(),
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53".to_owned(),
            reading: None,
            trained_for: None,
        },
        temperature: 0.0,
        seed: 0,
        layers: None,
        max_tokens: ASKED.iter().map(|&(kind, _, tokens)| (kind, tokens)).collect(),
        templates: ASKED.iter().map(|&(kind, template, _)| (kind, template.to_owned())).collect::<BTreeMap<_, _>>(),
        stop: Vec::new(),
    }
}

/// How a node of such a dataset answered.
pub(super) fn node(entry: &NodeEntry) -> Option<NodeSpec> {
    let spec = match entry.id.as_str() {
        "smollm2-greedy" => Some(NodeSpec::Decoder(smollm2())),
        "smollm2-sampled" => Some(NodeSpec::Decoder(DecoderSpec { temperature: 1.0, seed: 20_261_122, ..smollm2() })),
        "smollm2-early-exit" => Some(NodeSpec::Decoder(DecoderSpec { layers: Some(28), ..smollm2() })),
        "lead-sentence" => Some(NodeSpec::Lead),
        "keyword-span" => Some(NodeSpec::Keyword),
        _ => None,
    };
    spec.filter(|spec| match spec {
        NodeSpec::Decoder(decoder) => names(entry.model.as_ref(), &decoder.model),
        NodeSpec::Lead | NodeSpec::Keyword => entry.kind == spec.kind(),
    })
}

/// Whether an entry's words name a model by the hash of its weights.
fn names(words: Option<&String>, model: &ModelFile) -> bool {
    words.is_some_and(|words| words.contains(&model.sha256))
}

/// How an evaluator of such a dataset scored.
pub(super) fn evaluator(entry: &EvaluatorEntry) -> Option<EvaluatorSpec> {
    let is_shipped = names(entry.model.as_ref(), &minilm());
    match (entry.kind.as_str(), entry.id.as_str()) {
        ("rouge_l", _) => Some(EvaluatorSpec::RougeL),
        ("chrf", _) => Some(EvaluatorSpec::Chrf),
        ("structure", _) => Some(EvaluatorSpec::Structure),
        (_, "minilm-reference") if is_shipped => {
            Some(EvaluatorSpec::BiEncoder { model: minilm(), against: Against::Reference })
        }
        (_, "minilm-prompt") if is_shipped => {
            Some(EvaluatorSpec::BiEncoder { model: minilm(), against: Against::Prompt })
        }
        _ => None,
    }
}
