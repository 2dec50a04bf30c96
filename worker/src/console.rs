//! All that `poq` says: data on standard output, messages on standard error. Nothing else writes there.
//!
//! A message that cannot be written is lost, and the work goes on: whoever closed standard error does not read it. Data
//! that cannot be written is a fault of the environment; where the reader went away (`| head -1`), the command ends
//! quietly.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;
use poq_core::text::terminal::printable;
use serde::Serialize;

use crate::fault::{Blame as _, Outcome};

static READER_IS_GONE: AtomicBool = AtomicBool::new(false);
/// The bar that is on the terminal, if any: messages go above it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Whether the reader of standard output went away.
pub fn reader_is_gone() -> bool {
    READER_IS_GONE.load(Ordering::Relaxed)
}

/// Sets the progress bar that messages are not to disturb.
pub fn show_bar(bar: Option<ProgressBar>) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = bar;
}

/// Says a message on standard error, as one line or several; control characters are escaped.
pub fn say(message: impl Display) {
    let line = format!("{}\n", printable(&message.to_string()));
    let write = || drop(io::stderr().lock().write_all(line.as_bytes()));
    match BAR.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Prints words and tables; control characters are escaped.
pub fn print(text: &str) -> Outcome {
    let mut out = Out::lock();
    writeln!(out, "{}", printable(text.trim_end())).and_then(|()| out.flush()).environment(WRITING)
}

/// Prints data as JSON.
pub fn print_json(value: &impl Serialize) -> Outcome {
    print(&serde_json::to_string_pretty(value).environment("cannot serialise the result")?)
}

/// What was being done when standard output failed.
pub const WRITING: &str = "cannot write to standard output";

/// Standard output, for data that is written bit by bit.
pub struct Out(io::StdoutLock<'static>);

impl Out {
    /// Takes standard output until it is dropped.
    pub fn lock() -> Self {
        Self(io::stdout().lock())
    }
}

fn noted<T>(result: io::Result<T>) -> io::Result<T> {
    if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        READER_IS_GONE.store(true, Ordering::Relaxed);
    }
    result
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        noted(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        noted(self.0.flush())
    }
}
