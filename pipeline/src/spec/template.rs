//! What models are shown of a task: templates with the task's texts in their places.

use std::collections::BTreeMap;

use poq_core::dataset::{Task, TaskKind};

use super::DecoderSpec;

/// What a judge's template must have: the answer.
pub const JUDGE_MUST_SHOW: &str = "{answer}";

/// What a decoder is asked where no template says it.
fn default(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Qa => {
            "Answer the question with a few words taken from the passage.\n\nPassage: {context}\n\nQuestion: {prompt}"
        }
        TaskKind::Summarization => "{prompt}\n\n{context}",
    }
}

impl<M> DecoderSpec<M> {
    /// Writes down what it is asked and how much it may answer wherever it does not say so itself: what `templates`
    /// say, else what goes without saying.
    pub fn complete(&mut self, templates: &BTreeMap<TaskKind, String>) {
        for kind in TaskKind::ALL {
            let other = || templates.get(&kind).cloned().unwrap_or_else(|| default(kind).to_owned());
            self.templates.entry(kind).or_insert_with(other);
            let tokens = self.max_tokens(kind);
            self.max_tokens.insert(kind, tokens);
        }
    }

    /// What it is asked for `task`.
    #[must_use]
    pub fn request(&self, task: &Task) -> String {
        let template = self.templates.get(&task.kind).map_or(default(task.kind), String::as_str);
        filled(template, &[("{prompt}", &task.prompt), ("{context}", task.context.as_deref().unwrap_or_default())])
    }
}

/// What a judge is shown of a task and an answer to it.
pub(crate) fn shown(template: &str, task: &Task, answer: &str) -> String {
    let references = task.references.join(" / ");
    let context = task.context.as_deref().unwrap_or_default();
    let texts = [
        ("{prompt}", task.prompt.as_str()),
        ("{reference}", &references),
        ("{context}", context),
        (JUDGE_MUST_SHOW, answer),
    ];
    filled(template, &texts)
}

/// A template with each place that `texts` name filled. One pass, so that a text that holds `{context}` itself is left
/// alone.
fn filled(template: &str, texts: &[(&str, &str)]) -> String {
    let mut whole = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        whole.push_str(&rest[..at]);
        rest = &rest[at..];
        let (text, tail) = texts
            .iter()
            .find_map(|(place, text)| Some((*text, rest.strip_prefix(place)?)))
            .unwrap_or_else(|| rest.split_at(1));
        whole.push_str(text);
        rest = tail;
    }
    whole.push_str(rest);
    whole
}
