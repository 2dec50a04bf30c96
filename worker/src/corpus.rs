//! Corpora: tasks from our JSONL or from SQuAD 1.1/2.0 JSON.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use poq_core::dataset::{Task, TaskKind};
use serde::Deserialize;

use crate::fault::{Blame as _, Fault, Outcome};
use crate::jsonl;

/// The tasks of a file, at most `limit` of them: SQuAD for `.json`, our rows for `.jsonl`.
pub fn read(path: &Path, limit: Option<usize>) -> Outcome<Vec<Task>> {
    let text = fs::read_to_string(path).input(format!("cannot read {}", path.display()))?;
    let mut tasks = match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => squad(&text).input(path.display())?,
        Some("jsonl") => rows(&text).map_err(|error| Fault::input(format!("{} {error}", path.display())))?,
        _ => {
            let message =
                format!("{}: allowed: a .jsonl file of tasks or a .json file in SQuAD's layout", path.display());
            return Err(Fault::input(message));
        }
    };
    tasks.truncate(limit.unwrap_or(usize::MAX));
    Ok(tasks)
}

/// Fails where two tasks have one id.
pub fn check_ids(tasks: &[Task]) -> Outcome {
    let mut seen = HashSet::new();
    match tasks.iter().find(|task| !seen.insert(task.id.as_str())) {
        Some(task) => Err(Fault::input(format!("task id `{}` stands twice in the plan's corpora", task.id))),
        None => Ok(()),
    }
}

fn rows(text: &str) -> Result<Vec<Task>, String> {
    let rows = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    rows.map(|(index, line)| {
        let task: Task = jsonl::parse(line.as_bytes()).map_err(|error| format!("row {}: {error}", index + 1))?;
        if task.references.is_empty() {
            return Err(format!("row {}: field `references`: empty list; allowed: at least one text", index + 1));
        }
        Ok(task)
    })
    .collect()
}

#[derive(Deserialize)]
struct Squad {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    id: String,
    question: String,
    #[serde(default)]
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
}

/// SQuAD's layout. Equal answers of several annotators are one reference; an unanswerable question has the empty text
/// as its reference, as the official script takes it.
fn squad(text: &str) -> Result<Vec<Task>, serde_path_to_error::Error<serde_json::Error>> {
    let squad: Squad = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text))?;
    let mut tasks = Vec::new();
    for Paragraph { context, qas } in squad.data.into_iter().flat_map(|article| article.paragraphs) {
        for Question { id, question, answers } in qas {
            let mut references: Vec<String> = Vec::new();
            for answer in answers {
                if !references.contains(&answer.text) {
                    references.push(answer.text);
                }
            }
            if references.is_empty() {
                references.push(String::new());
            }
            tasks.push(Task {
                id,
                kind: TaskKind::Qa,
                prompt: question,
                references,
                context: Some(context.clone()),
                group: None,
            });
        }
    }
    Ok(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squad_answers_are_merged_and_unanswerable_questions_kept() {
        let text = r#"{"version": "v2.0", "data": [{"title": "t", "paragraphs": [{"context": "c", "qas": [
            {"question": "q?", "id": "1", "answers": [{"text": "x", "answer_start": 0}, {"text": "x", "answer_start": 0}]},
            {"question": "r?", "id": "2", "answers": [], "is_impossible": true}]}]}]}"#;
        let tasks = squad(text).expect("valid");
        assert_eq!(tasks[0].references, ["x"]);
        assert_eq!(tasks[1].references, [""]);
        assert!(squad("{\"data\": [{}]}").expect_err("must be refused").to_string().contains("data[0]"));
    }

    #[test]
    fn a_bad_row_is_named() {
        assert!(rows("{\"id\": \"a\"}").expect_err("must be refused").contains("row 1: field"));
        let empty = r#"{"id": "a", "kind": "qa", "prompt": "p", "references": []}"#;
        assert!(rows(empty).expect_err("must be refused").contains("references"));
    }
}
