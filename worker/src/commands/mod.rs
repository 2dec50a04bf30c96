//! The commands, one file each; `precompute` has a folder of its own.

mod assertion;
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
pub mod train;
mod whole;

use crate::console::{print, print_json};
