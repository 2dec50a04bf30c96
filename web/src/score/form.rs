//! What a reader types to have it scored.

use poq_core::dataset::{Task, TaskKind};

use poq_inference::protocol::RecordedRow;

/// What is typed in: a task and an answer to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// What the task asks for.
    pub kind: TaskKind,
    /// The question or instruction.
    pub prompt: String,
    /// What it is about; none if empty.
    pub context: String,
    /// The answer.
    pub answer: String,
    /// Right answers, one a line.
    pub references: String,
}

impl Form {
    /// A recorded answer.
    #[must_use]
    pub fn of(row: &RecordedRow) -> Self {
        Self {
            kind: row.task.kind,
            prompt: row.task.prompt.clone(),
            context: row.task.context.clone().unwrap_or_default(),
            answer: row.answer.clone(),
            references: row.task.references.join("\n"),
        }
    }

    /// The task that is typed in.
    #[must_use]
    pub fn task(&self) -> Task {
        let references: Vec<String> =
            self.references.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        Task {
            id: "typed".to_owned(),
            kind: self.kind,
            prompt: self.prompt.clone(),
            // The empty text is the reference of a question that has no answer.
            references: if references.is_empty() { vec![String::new()] } else { references },
            context: (!self.context.is_empty()).then(|| self.context.clone()),
            group: None,
        }
    }
}
