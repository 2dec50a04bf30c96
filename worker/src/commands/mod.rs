//! The commands, one file each; `precompute` has a folder of its own.

pub mod audit;
pub mod check;
pub mod compare;
pub mod embed;
pub mod fetch;
pub mod generate;
pub mod link;
mod parallel;
pub mod reproduce;
pub mod score;
pub mod search;
pub mod sensitivity;
pub mod simulate;
pub mod sweep;
mod table;

use std::io::Write as _;

use serde::Serialize;

use crate::fault::{Blame as _, Outcome};

/// Prints data.
fn print(text: &str) -> Outcome {
    writeln!(std::io::stdout(), "{}", text.trim_end()).environment("cannot write to standard output")
}

/// Prints data as JSON.
fn print_json(value: &impl Serialize) -> Outcome {
    print(&serde_json::to_string_pretty(value).environment("cannot serialise the result")?)
}
