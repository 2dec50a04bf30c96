//! Text that others wrote, made harmless where a terminal shows it: ids, names and answers may hold anything. For CSV
//! see [`crate::csv`].

use std::borrow::Cow;
use std::fmt::Write as _;

/// Text for a terminal: characters that command it or turn the reading direction are written as JSON escapes
/// (`\u001b`), so that JSON text stays the same JSON. Line ends and tabs stay.
///
/// ```
/// assert_eq!(poq_core::text::terminal::printable("red\u{1b}[31m"), r"red\u001b[31m");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let commands = |c: char| {
        (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(commands) {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if commands(c) {
            // Writing to a string cannot fail.
            let _ = write!(plain, "\\u{:04x}", u32::from(c));
        } else {
            plain.push(c);
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_a_terminal_is_escaped() {
        assert_eq!(printable("a\tb\nc é 首"), "a\tb\nc é 首");
        assert_eq!(printable("\u{7}\r\u{9b}31m\u{7f}"), r"\u0007\u000d\u009b31m\u007f");
        assert_eq!(printable("abc\u{202e}fdp.exe"), r"abc\u202efdp.exe");
        let text = serde_json::to_string("\u{9b}x\u{202e}\u{1b}").expect("JSON");
        assert_eq!(serde_json::from_str::<String>(&printable(&text)).ok().as_deref(), Some("\u{9b}x\u{202e}\u{1b}"));
    }
}
