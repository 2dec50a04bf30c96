//! Progress on standard error, with rate and time left: a bar on a terminal, else a line every few seconds.

use std::fmt::Write;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use crate::console::{say, show_bar};
use crate::words;

const LINE_EVERY: Duration = Duration::from_secs(10);

/// Progress through a known number of steps.
pub struct Progress {
    label: String,
    unit: &'static str,
    total: u64,
    done: u64,
    started: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts at 0 of `total` steps; `unit` is their name in the plural.
    pub fn new(label: impl Into<String>, unit: &'static str, total: u64) -> Self {
        let label = label.into();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_message(label.clone());
            if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {done}, {rate}, {eta} left") {
                let done = move |state: &ProgressState, out: &mut dyn Write| {
                    let words = words::progress(state.pos(), state.len().unwrap_or(total), unit);
                    // What cannot be drawn is not said.
                    let _ = out.write_str(&words);
                };
                let rate = move |state: &ProgressState, out: &mut dyn Write| {
                    let _ = out.write_str(&words::rate(state.per_sec(), unit));
                };
                bar.set_style(style.with_key("done", done).with_key("rate", rate));
            }
            show_bar(Some(bar.clone()));
            bar
        });
        let now = Instant::now();
        Self { label, unit, total, done: 0, started: now, last_line: now, bar }
    }

    /// `steps` more are done.
    pub fn advance(&mut self, steps: u64) {
        self.done += steps;
        match &self.bar {
            Some(bar) => bar.inc(steps),
            None if self.last_line.elapsed() >= LINE_EVERY => {
                self.last_line = Instant::now();
                self.line();
            }
            None => {}
        }
    }

    /// Ends with a last line.
    pub fn finish(self) {
        self.take_bar();
        self.line();
    }

    fn take_bar(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            show_bar(None);
        }
    }

    fn line(&self) {
        let elapsed = self.started.elapsed();
        let rate = self.done as f64 / elapsed.as_secs_f64().max(1e-9);
        let left = if self.done == 0 || self.done >= self.total {
            String::new()
        } else {
            let seconds = (self.total - self.done) as f64 / rate;
            format!(", {} left", HumanDuration(Duration::from_secs_f64(seconds)))
        };
        let Self { label, unit, total, done, .. } = self;
        say(format_args!("{label}: {}, {}{left}", words::progress(*done, *total, unit), words::rate(rate, unit)));
    }
}

/// A command that fails leaves no bar behind.
impl Drop for Progress {
    fn drop(&mut self) {
        self.take_bar();
    }
}
