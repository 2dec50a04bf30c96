//! JSON Lines in and out.

use std::io::{self, BufRead as _, Write as _};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fault::{Blame as _, Fault, Outcome};
use crate::interrupt;

/// Reads one row; the error names the field.
pub fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let row = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| format!("field `{}`: {}", error.path(), error.inner()))?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(row)
}

#[derive(Serialize)]
struct Failed {
    error: String,
}

/// Answers every line of standard input with one line on standard output, in order. A row that cannot be read or
/// answered gives `{"error": ...}` in its place, is named on standard error, and makes the command end with
/// [`Fault::Rows`].
pub fn map_rows<T: DeserializeOwned, R: Serialize>(mut answer: impl FnMut(usize, T) -> Result<R, String>) -> Outcome {
    let mut output = io::stdout().lock();
    let mut failed = 0;
    for (index, line) in io::stdin().lock().split(b'\n').enumerate() {
        interrupt::check()?;
        let line = line.environment("cannot read standard input")?;
        let row = index + 1;
        let result = parse(&line).and_then(|value| answer(row, value));
        let json = match result {
            Ok(value) => serde_json::to_string(&value),
            Err(error) => {
                eprintln!("poq: standard input row {row}: {error}");
                failed += 1;
                serde_json::to_string(&Failed { error })
            }
        };
        let json = json.environment("cannot serialise a row")?;
        writeln!(output, "{json}").and_then(|()| output.flush()).environment("cannot write to standard output")?;
    }
    if failed > 0 { Err(Fault::Rows { failed }) } else { Ok(()) }
}
