//! Length, repetition and format of an answer.

use poq_core::dataset::Task;
use poq_core::text::structure;

use super::{Evaluator, RateFault, Rated, at_once};
use crate::Pending;

/// The heuristic of [`poq_core::text::structure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structure;

impl Evaluator for Structure {
    fn rate<'a>(&'a self, task: &'a Task, answer: &'a str) -> Pending<'a, Result<Rated, RateFault>> {
        at_once(|| structure::structure(answer, task.kind))
    }
}
