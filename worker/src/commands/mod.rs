//! The commands, one file each; `precompute` has a folder of its own.

pub mod embed;
pub mod fetch;
pub mod generate;
pub mod link;
pub mod score;
pub mod simulate;
pub mod sweep;
