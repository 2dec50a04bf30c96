//! How much an answer has in common with the best reference.

use poq_core::dataset::Task;
use poq_core::text::{chrf, rouge};

use super::{Evaluator, RateFault, Rated, at_once};
use crate::Pending;

/// By what measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// The longest common subsequence of words.
    RougeL,
    /// n-grams of characters.
    Chrf,
}

impl Evaluator for Overlap {
    fn rate<'a>(&'a self, task: &'a Task, answer: &'a str) -> Pending<'a, Result<Rated, RateFault>> {
        at_once(|| match self {
            Self::RougeL => rouge::best_rouge_l(answer, &task.references),
            Self::Chrf => chrf::best_chrf(answer, &task.references),
        })
    }
}
