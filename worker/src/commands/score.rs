//! `poq score`: SQuAD's token F1 and exact match.

use poq_core::text::squad;
use serde::{Deserialize, Serialize};

use crate::fault::Outcome;
use crate::jsonl;

#[derive(Deserialize)]
struct Row {
    prediction: String,
    references: Vec<String>,
}

#[derive(Serialize)]
struct Scored {
    f1: f64,
    exact_match: bool,
}

/// Scores each row of standard input against the best of its references.
pub fn run() -> Outcome {
    jsonl::map_rows(|_, Row { prediction, references }| {
        if references.is_empty() {
            return Err("field `references`: empty list; allowed: at least one text".to_owned());
        }
        Ok(Scored {
            f1: squad::best_f1(&prediction, &references),
            exact_match: squad::any_exact_match(&prediction, &references),
        })
    })
}
