//! A recorded task as it was put to the decoders of the shipped dataset, so that this device is asked the same.

use poq_core::dataset::TaskKind;

use poq_inference::protocol::{Generate, RecordedRow};

/// What a decoder was asked (`templates` of `static/corpus/plan.toml`).
fn template(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Qa => {
            "Answer the question with a few words copied from the passage, nothing else.\n\nPassage: {context}\n\nQuestion: {prompt}"
        }
        TaskKind::Summarization => "{prompt}\n\n{context}",
    }
}

/// Tokens at most (`max_tokens` of its greedy node).
fn max_tokens(kind: TaskKind) -> u32 {
    match kind {
        TaskKind::Qa => 24,
        TaskKind::Summarization => 80,
    }
}

/// The row's task for a decoder, as the greedy node was asked it.
#[must_use]
pub fn request(row: &RecordedRow) -> Generate {
    let task = &row.task;
    // The context last: what stands in it is text, whatever it looks like.
    let (before, after) = template(task.kind).split_once("{context}").unwrap_or_default();
    let fill = |part: &str| part.replace("{prompt}", &task.prompt);
    let context = task.context.as_deref().unwrap_or_default();
    let prompt = format!("{}{context}{}", fill(before), fill(after));
    Generate { prompt, chat: true, max_tokens: max_tokens(task.kind), temperature: 0.0, seed: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poq_inference::protocol::GREEDY;

    #[test]
    fn templates_are_those_of_the_plan() {
        let plan: toml::Table = include_str!("../../../static/corpus/plan.toml").parse().expect("our plan is TOML");
        let greedy = &plan["inference_nodes"][0];
        assert_eq!(greedy["id"].as_str(), Some(GREEDY));
        for kind in TaskKind::ALL {
            assert_eq!(plan["templates"][kind.as_str()].as_str(), Some(template(kind)));
            assert_eq!(greedy["max_tokens"][kind.as_str()].as_integer(), Some(i64::from(max_tokens(kind))));
        }
    }
}
