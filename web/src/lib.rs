//! The page: PoQ Lab in a browser.
//!
//! One program runs in two places, so that what they share is loaded once. On the page's main thread it is the
//! interface ([`app`]): it shows and never simulates, so that it never blocks. In Web Workers ([`worker`]) it holds the
//! datasets and runs the simulation in slices. They talk in the messages of [`protocol`]. A second program answers
//! studies, and is loaded when the first is asked for ([`study`]).
//!
//! All meaning is in `poq_core`; what is here is words ([`headline`], [`mod@format`], [`glossary`]), forms ([`fields`],
//! [`groups`], [`attacks`]), drawings ([`plot`]), maps ([`map`]) and files to take away ([`export`]).
//!
//! This crate does no inference and knows no neural network. What the reader's device does with models it asks of
//! another program, in the messages of [`poq_inference`]; the place for that is a program of its own as well
//! ([`score`]).

pub mod app;
pub mod attacks;
pub mod export;
pub mod fields;
pub mod format;
pub mod glossary;
pub mod groups;
pub mod headline;
pub mod map;
pub mod plot;
pub mod protocol;
pub mod score;
pub mod study;
pub mod worker;

#[cfg(test)]
mod fixture;
