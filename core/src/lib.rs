//! Proof of Quality (PoQ): scoring, costs, consensus, rewards and simulation as pure functions.
//!
//! A network pays *inference nodes* for answering and *evaluator nodes* for judging the answers. This crate holds
//! everything that decides who is paid what: text metrics ([`text`]), evaluator scores on a common 0 to 10 scale
//! ([`score`]), costs ([`cost`]), consensus ([`consensus`]), rewards ([`reward`]), the simulation of many rounds
//! ([`simulation`]) on recorded model outputs ([`dataset`]), and the links that name a result ([`link`]).
//!
//! It does no IO, reads no clock, knows no browser and no neural network, and has no `cfg` on the target: the same
//! input gives the same bits natively and as WebAssembly. Randomness comes from named streams ([`rng`]); `exp` and its
//! kin go through `libm`.
//!
//! Formulas: arXiv 2512.16317 (cost-aware PoQ). What that paper leaves open is a field of [`scenario::Scenario`].

pub mod agreement;
pub mod attack;
pub mod compare;
pub mod consensus;
pub mod cost;
pub mod csv;
pub mod dataset;
mod expected;
pub mod families;
pub mod fields;
pub mod json;
pub mod limits;
pub mod link;
pub mod network;
pub mod paper;
pub mod preset;
mod prompts;
pub mod report;
pub mod reward;
pub mod rng;
pub mod round;
pub mod scenario;
pub mod score;
pub mod search;
pub mod sensitivity;
pub mod simulation;
pub mod stats;
pub mod sweep;
pub mod text;
pub mod weights;
pub mod without;

pub use dataset::Dataset;
pub use report::Report;
pub use scenario::Scenario;
pub use simulation::{Simulation, simulate};

/// Names the arithmetic: it is part of every report and its digest, and goes up when any result changes.
pub const ENGINE_VERSION: &str = "4";
