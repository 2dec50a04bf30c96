//! Text metrics: truth, and the evaluators that need no neural network. All are pure functions of two texts. And text
//! as it is shown.

pub mod chrf;
pub mod extractive;
pub mod rouge;
pub mod squad;
pub mod structure;
pub mod terminal;

/// Whether the right answer is to give none, as in SQuAD 2.0: every reference is blank.
#[must_use]
pub fn is_unanswerable(references: &[String]) -> bool {
    references.iter().all(|reference| is_blank(reference))
}

/// What a metric of overlap makes of an unanswerable question: 1 for an answer that is blank as well, else 0. The
/// packages that define these metrics give 0 here, which pays an evaluator for calling the right answer wrong.
fn of_unanswerable(prediction: &str) -> f64 {
    f64::from(u8::from(is_blank(prediction)))
}

fn is_blank(text: &str) -> bool {
    text.chars().all(squad::is_python_space)
}
