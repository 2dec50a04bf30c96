//! Inference nodes and evaluators at work, natively and in a page: a task in, an answer out; a task and an answer in, a
//! raw value out. Each with the time that it took.
//!
//! - [`spec`]: what a plan and a dataset's manifest say of a node or an evaluator: the same words in both.
//! - [`nodes`]: what each kind of node does.
//! - [`evaluators`]: what each kind of evaluator does.
//!
//! Whoever calls opens the models, and knows a node or an evaluator by what its spec says, never by its id.

pub mod evaluators;
pub mod nodes;
pub mod spec;

use std::future::Future;
use std::pin::Pin;

/// What comes of a node or an evaluator, once the device has computed it.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Milliseconds since `started`.
fn milliseconds(started: web_time::Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}
