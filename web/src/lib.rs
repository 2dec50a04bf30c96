//! The page: PoQ Lab in a browser.
//!
//! Two wasm binaries stand on this crate. `page` is the interface ([`app`]): it shows and never simulates, so that it
//! never blocks. `sim-worker` is a Web Worker ([`worker`]): it holds the dataset and runs the simulation in slices. They
//! talk in the messages of [`protocol`]. All meaning is in `poq_core`; what is here is words ([`headline`], [`mod@format`],
//! [`glossary`]), forms ([`fields`], [`groups`], [`attacks`]), drawings ([`plot`]) and files to take away ([`export`]).
//!
//! This crate does no inference and knows no neural network.

pub mod app;
pub mod attacks;
pub mod export;
pub mod fields;
pub mod format;
pub mod glossary;
pub mod groups;
pub mod headline;
pub mod plot;
pub mod protocol;
pub mod worker;

#[cfg(test)]
mod fixture;
