//! JSON Lines in and out.

use std::io::{self, BufRead as _, Write as _};

use poq_core::json;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::console::{self, Out, say};
use crate::fault::{Blame as _, Fault, Outcome};
use crate::interrupt;

/// Reads one row; the error names the field, and the known one that is nearest to an unknown one.
pub fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    json::parse(line).map_err(|fault| json::with_nearest(&fault.to_string()))
}

#[derive(Serialize)]
struct Failed {
    error: String,
}

/// Answers every line of standard input that is not blank with one line on standard output, in order. A row that cannot
/// be read or answered gives `{"error": ...}` in its place, is named on standard error by its line, and makes the
/// command end with [`Fault::Rows`].
pub fn map_rows<T: DeserializeOwned, R: Serialize>(mut answer: impl FnMut(usize, T) -> Result<R, String>) -> Outcome {
    let mut failed = 0;
    for (index, line) in io::stdin().lock().split(b'\n').enumerate() {
        interrupt::check()?;
        let line = line.environment("cannot read standard input")?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let row = index + 1;
        let result = parse(&line).and_then(|value| answer(row, value));
        let json = match result {
            Ok(value) => serde_json::to_string(&value),
            Err(error) => {
                say(format_args!("poq: standard input row {row}: {error}"));
                failed += 1;
                serde_json::to_string(&Failed { error })
            }
        };
        let json = json.environment("cannot serialise a row")?;
        let mut output = Out::lock();
        writeln!(output, "{json}").and_then(|()| output.flush()).environment(console::WRITING)?;
    }
    if failed > 0 { Err(Fault::Rows { failed }) } else { Ok(()) }
}
