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
    map_batches(1, |rows| rows.into_iter().map(|(row, value)| answer(row, value)).collect())
}

/// As [`map_rows`], for `size` rows at a time, or what is left of them at the end: `answer` is given those that can be
/// read, each with its line, and gives as many results.
pub fn map_batches<T: DeserializeOwned, R: Serialize>(
    size: usize,
    mut answer: impl FnMut(Vec<(usize, T)>) -> Vec<Result<R, String>>,
) -> Outcome {
    let mut failed = 0;
    let mut batch = Vec::new();
    for (index, line) in io::stdin().lock().split(b'\n').enumerate() {
        interrupt::check()?;
        let line = line.environment("cannot read standard input")?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        batch.push((index + 1, parse(&line)));
        if batch.len() >= size {
            failed += answer_batch(std::mem::take(&mut batch), &mut answer)?;
        }
    }
    if !batch.is_empty() {
        interrupt::check()?;
        failed += answer_batch(batch, &mut answer)?;
    }
    if failed > 0 { Err(Fault::Rows { failed }) } else { Ok(()) }
}

/// Writes a line for each row; gives how many failed.
fn answer_batch<T, R: Serialize>(
    batch: Vec<(usize, Result<T, String>)>,
    answer: &mut impl FnMut(Vec<(usize, T)>) -> Vec<Result<R, String>>,
) -> Result<usize, Fault> {
    let mut readable = Vec::new();
    let mut rows = Vec::new();
    for (row, value) in batch {
        rows.push((row, value.map(|value| readable.push((row, value)))));
    }
    let mut answers = if readable.is_empty() { Vec::new() } else { answer(readable) }.into_iter();
    let mut failed = 0;
    for (row, read) in rows {
        let result = read.and_then(|()| answers.next().expect("each row that can be read has a result"));
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
    Ok(failed)
}
