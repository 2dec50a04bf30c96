//! Corpora: tasks from our JSONL, from SQuAD 1.1/2.0 JSON, or from rows in SQuAD's fields as Hugging Face `datasets`
//! writes them.

use std::collections::HashSet;
use std::path::Path;

use poq_core::dataset::{Task, TaskKind};
use poq_core::json;
use serde::Deserialize;
use serde_json::Value;

use crate::fault::{Fault, Outcome};
use crate::{jsonl, text};

/// The tasks of a file, at most `limit` of them: SQuAD for `.json`, rows for `.jsonl`.
pub fn read(path: &Path, limit: Option<usize>) -> Outcome<Vec<Task>> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let parse: fn(&str) -> Result<Vec<Task>, String> = match extension {
        Some("json") => |text| squad(text).map_err(|error| format!(": {error}")),
        Some("jsonl") => |text| rows(text).map_err(|error| format!(" {error}")),
        _ => {
            let message =
                format!("{}: allowed: a .jsonl file of tasks or a .json file in SQuAD's layout", path.display());
            return Err(Fault::input(message));
        }
    };
    let mut tasks = parse(&text::read(path)?).map_err(|error| Fault::input(format!("{}{error}", path.display())))?;
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
        let named = |error: String| format!("row {}: {error}", index + 1);
        let task: Task =
            jsonl::parse(line.as_bytes()).or_else(|error| flat(line).unwrap_or(Err(error))).map_err(named)?;
        if task.references.is_empty() {
            return Err(named("field `references`: empty list; allowed: at least one text".to_owned()));
        }
        Ok(task)
    })
    .collect()
}

/// A row in SQuAD's fields; none where it is something else.
fn flat(line: &str) -> Option<Result<Task, String>> {
    let entry: Entry = json::parse(line.as_bytes()).ok()?;
    let context = entry.context.clone()?;
    Some(entry.question("")?.task(&context))
}

#[derive(Deserialize)]
struct Squad {
    data: Vec<Entry>,
}

/// An article with paragraphs, or a row.
#[derive(Deserialize)]
struct Entry {
    paragraphs: Option<Vec<Paragraph>>,
    context: Option<String>,
    id: Option<Value>,
    question: Option<String>,
    #[serde(default)]
    answers: Value,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    id: Value,
    question: String,
    #[serde(default)]
    answers: Value,
}

/// A question at its path in the file.
struct Question {
    path: String,
    id: Value,
    question: String,
    answers: Value,
}

impl Entry {
    fn question(self, path: &str) -> Option<Question> {
        Some(Question { path: path.to_owned(), id: self.id?, question: self.question?, answers: self.answers })
    }
}

impl Question {
    /// Equal answers of several annotators are one reference; an unanswerable question has the empty text as its
    /// reference, as the official script takes it.
    fn task(self, context: &str) -> Result<Task, String> {
        let Self { path, id, question, answers } = self;
        let field = |name: &str, message: String| {
            let dot = if path.is_empty() { "" } else { "." };
            format!("field `{path}{dot}{name}`: {message}")
        };
        let id = match id {
            Value::String(id) => id,
            Value::Number(id) if !id.is_f64() => id.to_string(),
            other => return Err(field("id", format!("{other}; allowed: a string or a whole number"))),
        };
        let not_answers = |seen: &Value| {
            let allowed = "allowed: a list of {\"text\"}, or {\"text\": [...]}";
            field("answers", format!("{seen}; {allowed}"))
        };
        let given = match answers {
            Value::Null => Vec::new(),
            Value::Array(answers) => answers
                .into_iter()
                .map(|mut answer| answer.get_mut("text").map(Value::take).ok_or_else(|| not_answers(&answer)))
                .collect::<Result<_, _>>()?,
            Value::Object(mut fields) => match fields.remove("text") {
                Some(Value::Array(texts)) => texts,
                other => return Err(not_answers(&other.unwrap_or_default())),
            },
            other => return Err(not_answers(&other)),
        };
        let mut references: Vec<String> = Vec::new();
        for answer in given {
            let Value::String(text) = answer else { return Err(not_answers(&answer)) };
            if !references.contains(&text) {
                references.push(text);
            }
        }
        if references.is_empty() {
            references.push(String::new());
        }
        Ok(Task {
            id,
            kind: TaskKind::Qa,
            prompt: question,
            references,
            context: Some(context.to_owned()),
            group: None,
        })
    }
}

/// SQuAD's layout, or rows in its fields under `data` or as a list.
fn squad(text: &str) -> Result<Vec<Task>, String> {
    let is_list = text.trim_start().starts_with('[');
    let entries = match is_list {
        true => json::parse_strict::<Vec<Entry>>(text.as_bytes()),
        false => json::parse_strict::<Squad>(text.as_bytes()).map(|squad| squad.data),
    };
    let entries = entries.map_err(|fault| match fault.message.ends_with("trailing characters") {
        true => format!("{fault}; the file goes on after its end: are two files joined?"),
        false => fault.to_string(),
    })?;
    let mut tasks = Vec::new();
    for (index, mut entry) in entries.into_iter().enumerate() {
        let path = if is_list { format!("[{index}]") } else { format!("data[{index}]") };
        if let Some(paragraphs) = entry.paragraphs.take() {
            for (paragraph, Paragraph { context, qas }) in paragraphs.into_iter().enumerate() {
                for (asked, Asked { id, question, answers }) in qas.into_iter().enumerate() {
                    let path = format!("{path}.paragraphs[{paragraph}].qas[{asked}]");
                    tasks.push(Question { path, id, question, answers }.task(&context)?);
                }
            }
        } else {
            let missing = || format!("field `{path}`: allowed: `paragraphs`, or `id`, `question` and `context`");
            let context = entry.context.take().ok_or_else(missing)?;
            tasks.push(entry.question(&path).ok_or_else(missing)?.task(&context)?);
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
        let error = squad("{\"data\": [{}]}").expect_err("must be refused");
        assert!(error.contains("data[0]") && error.contains("paragraphs"), "{error}");
        let twice = squad(&format!("{text}\n{text}")).expect_err("must be refused");
        assert!(twice.contains("trailing characters") && twice.contains("two files joined"), "{twice}");
        let doubled = squad(&text.replace("\"context\": \"c\"", "\"context\": \"c\", \"context\": \"d\""));
        assert!(doubled.expect_err("must be refused").contains("data[0].paragraphs[0].context"));
    }

    #[test]
    fn rows_in_squads_fields_are_read_wherever_they_stand() {
        let row = r#"{"id": 7, "title": "t", "context": "c", "question": "q?", "answers": {"text": ["x", "x"], "answer_start": [0, 1]}}"#;
        let none = r#"{"id": "8", "title": "t", "context": "c", "question": "q?", "answers": {"text": [], "answer_start": []}}"#;
        for tasks in [
            squad(&format!("{{\"data\": [{row}, {none}]}}")),
            squad(&format!("\n [{row}, {none}]")),
            rows(&format!("{row}\n\n{none}\n")),
        ] {
            let tasks = tasks.expect("valid");
            assert_eq!((tasks[0].id.as_str(), tasks[0].references.as_slice()), ("7", &["x".to_owned()][..]));
            assert_eq!((tasks[1].id.as_str(), tasks[1].references.as_slice()), ("8", &[String::new()][..]));
        }
        let error = squad(r#"[{"id": "1", "context": "c", "question": "q?", "answers": {"text": "x"}}]"#);
        assert!(error.is_err_and(|error| error.contains("field `[0].answers`")));
        let error = squad(r#"[{"id": 1.5, "context": "c", "question": "q?"}]"#);
        assert!(error.is_err_and(|error| error.contains("field `[0].id`: 1.5; allowed: a string or a whole number")));
    }

    #[test]
    fn a_bad_row_is_named() {
        assert!(rows("{\"id\": \"a\"}").expect_err("must be refused").contains("row 1: missing field"));
        let empty = r#"{"id": "a", "kind": "qa", "prompt": "p", "references": []}"#;
        assert!(rows(empty).expect_err("must be refused").contains("references"));
        let misspelt = r#"{"id": "a", "kind": "qa", "prompt": "p", "references": ["x"], "contexts": "c"}"#;
        let error = rows(&format!("\n{misspelt}")).expect_err("must be refused");
        assert!(error.starts_with("row 2") && error.contains("did you mean `context`?"), "{error}");
    }
}
