//! The `poq` binary from outside: real input, broken input, exit codes.

mod check;
mod inputs;
mod links;
mod mechanisms;
mod models;
mod precompute;
mod rows;
mod simulate;
mod streams;
mod support;
mod sweep;
mod train;
mod weights;
