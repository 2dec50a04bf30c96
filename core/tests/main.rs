//! What this crate promises, from the outside. One program, which is built much sooner than one for each file.

mod added_evaluator;
mod attacks;
mod bad_dataset;
mod common;
mod compare;
mod coverage;
mod fitting;
mod groups;
mod paper;
mod plain;
mod policies;
mod robust;
mod scenario_schema;
mod schema_2;
mod search;
mod sensitivity;
mod simulation;
mod stats;
mod text_metrics;
mod without;
