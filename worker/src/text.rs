//! Text from files and from standard input.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use poq_core::json;

use crate::fault::{Blame as _, Fault, Outcome};

/// The text of a file (`-`: standard input): UTF-8, with or without a byte order mark.
pub fn read(path: &Path) -> Outcome<String> {
    let mut bytes = Vec::new();
    if is_input(path) {
        std::io::stdin().lock().read_to_end(&mut bytes).input(name(path))?;
    } else {
        bytes = fs::read(path).input(format!("cannot read {}", sought(path)))?;
    }
    decoded(bytes).map_err(|message| Fault::input(format!("{}: {message}", name(path))))
}

/// What messages call a file.
pub fn name(path: &Path) -> String {
    if is_input(path) { "standard input".to_owned() } else { path.display().to_string() }
}

fn is_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// A path as it is written, and where that is.
pub fn sought(path: &Path) -> String {
    match std::path::absolute(path) {
        Ok(absolute) if absolute != path => format!("{} ({})", path.display(), absolute.display()),
        _ => path.display().to_string(),
    }
}

/// Bytes as text without its byte order mark.
pub fn decoded(bytes: Vec<u8>) -> Result<String, String> {
    let mark = bytes.len() - json::utf8(&bytes).map_err(|fault| fault.message)?.len();
    let mut text = String::from_utf8(bytes).map_err(|error| {
        format!("the text is not UTF-8 at byte {}; allowed: UTF-8", error.utf8_error().valid_up_to())
    })?;
    text.drain(..mark);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf_8_with_or_without_a_mark() {
        assert_eq!(decoded("é".into()), Ok("é".to_owned()));
        assert_eq!(decoded("\u{feff}é".into()), Ok("é".to_owned()));
        assert!(decoded(b"a\xff".to_vec()).is_err_and(|error| error.contains("byte 1")));
        assert!(decoded(b"\xff\xfea\0".to_vec()).is_err_and(|error| error.contains("UTF-16")));
        assert!(decoded(b"a\0b\0".to_vec()).is_err_and(|error| error.contains("UTF-16")));
    }
}
