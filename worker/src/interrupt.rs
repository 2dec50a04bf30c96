//! Ctrl-C: long commands stop at the next row, token or chunk and keep what they have.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::fault::{Blame as _, Fault, Outcome};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C and SIGTERM are noted instead of ending the process; a second one ends it.
pub fn watch() -> Outcome {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .environment("cannot watch for Ctrl-C")
}

/// Whether the user asked to stop.
pub fn requested() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Fails if the user asked to stop.
pub fn check() -> Outcome {
    if requested() { Err(Fault::Interrupted) } else { Ok(()) }
}
