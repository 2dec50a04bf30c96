//! Text as a cell of a CSV file that people open in a spreadsheet.
//!
//! A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` as a formula, whatever quotes stand around it, and a
//! name from a plan, a dataset or a link may begin so. Numbers that this program writes go past this module: `-0.3` is
//! a value.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What makes a spreadsheet take a cell for a formula; the wide forms count where its language writes them so. A tab or
/// a line break in front is skipped by the spreadsheet.
const STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// The text with an apostrophe in front where a spreadsheet would run it, and with its control characters written out,
/// as `\u{1b}`. Tabs and line breaks stay. A text that is a number stays as it is: to a spreadsheet it is that number.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    let is_kept = |c: char| !c.is_control() || matches!(c, '\t' | '\r' | '\n');
    let is_formula = text.starts_with(STARTS) && !text.parse().is_ok_and(f64::is_finite);
    if !is_formula && text.chars().all(is_kept) {
        return Cow::Borrowed(text);
    }
    let mut out = String::from(if is_formula { "'" } else { "" });
    for c in text.chars() {
        if is_kept(c) {
            out.push(c);
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "{}", c.escape_unicode());
        }
    }
    Cow::Owned(out)
}

/// The text as a field of a CSV file (RFC 4180): [`plain`], in quotes where it needs them.
#[must_use]
pub fn field(text: &str) -> String {
    let text = plain(text);
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_made_plain() {
        for (text, want) in [
            ("=HYPERLINK(\"http://h\")", "'=HYPERLINK(\"http://h\")"),
            ("+1+1", "'+1+1"),
            ("-2+3+cmd", "'-2+3+cmd"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("＝1+1", "'＝1+1"),
            ("a\u{1b}[31mred", "a\\u{1b}[31mred"),
            ("=\u{7}", "'=\\u{7}"),
            ("a\u{9b}", "a\\u{9b}"),
        ] {
            assert_eq!(plain(text), want, "{text:?}");
        }
    }

    #[test]
    fn other_text_and_numbers_stay() {
        for text in ["", "quick", "smollm2-greedy#2", "a=b", "-0.5", "+3", "-1e-9", "two\nlines", "名前", "1-2"] {
            assert_eq!(plain(text), text);
        }
        assert_eq!(plain("-inf"), "'-inf");
    }

    #[test]
    fn a_field_is_quoted_where_it_needs_it() {
        assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(field("=1,2"), "\"'=1,2\"");
        assert_eq!(field("two\nlines"), "\"two\nlines\"");
        assert_eq!(field("plain"), "plain");
    }
}
