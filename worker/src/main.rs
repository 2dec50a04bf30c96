//! The `poq` binary.

fn main() {}
