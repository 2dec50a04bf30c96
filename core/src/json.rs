//! JSON that is read with the path of what is wrong in it.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::expected::in_words;

/// What is wrong with a JSON text.
#[derive(Debug, thiserror::Error)]
#[error("field `{path}`: {message}{}", place.map(|[line, column]| format!(" at line {line} column {column}")).unwrap_or_default())]
pub struct Fault {
    /// Path of the value, such as `evaluators[1].id`; `.` for the whole.
    pub path: String,
    /// What was seen, and what is allowed.
    pub message: String,
    /// Line and column of a text that is no JSON; where a value is at fault, its path says more.
    pub place: Option<[usize; 2]>,
}

/// Reads a JSON text.
///
/// serde_json tells the place of a fault as line and column. `serde_path_to_error` tells its path, at the price of a second
/// copy of the code that reads each type, which was a tenth of what a page loads; so the path is looked up in the text.
///
/// # Errors
/// A text that is no JSON, or no such value; with its path.
pub fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(json).map_err(|error| {
        // Lines are counted from 1.
        let before = json.split_inclusive(|&byte| byte == b'\n').take(error.line().saturating_sub(1));
        let end = before.map(<[u8]>::len).sum::<usize>() + error.column();
        let place = [error.line(), error.column()];
        let is_json = error.classify() == Category::Data;
        let message = error.to_string();
        let suffix = format!(" at line {} column {}", place[0], place[1]);
        Fault {
            path: path_at(json, end, is_json),
            message: in_words(message.strip_suffix(&suffix).unwrap_or(&message)),
            place: (!is_json).then_some(place),
        }
    })
}

/// The path of the value at byte `end` of a JSON text that was read as far as that. Where the text is no JSON, or no such
/// JSON, its last byte is the fault.
fn path_at(json: &[u8], end: usize, is_json: bool) -> String {
    let mut open: Vec<Place> = Vec::new();
    let mut bytes = json.iter().enumerate().take(end);
    while let Some((at, &byte)) = bytes.next() {
        match byte {
            b'}' | b']' => drop(open.pop()),
            // The value before the last byte may be the fault, seen only now.
            b',' if at + 1 < end => open.last_mut().map_or((), Place::end),
            byte if byte.is_ascii_whitespace() || byte == b',' => {}
            byte => {
                let key = open.last_mut().is_some_and(|place| std::mem::take(&mut place.is_key_next));
                match byte {
                    b'{' | b'[' if at + 1 == end && !is_json => {}
                    b'{' => open.push(Place { is_key_next: true, ..Place::default() }),
                    b'[' => open.push(Place { index: Some(0), ..Place::default() }),
                    b'"' => {
                        let mut is_escaped = false;
                        let last = bytes.find(|&(_, &byte)| {
                            let ends = byte == b'"' && !is_escaped;
                            is_escaped = byte == b'\\' && !is_escaped;
                            ends
                        });
                        if let (true, Some(place)) = (key, open.last_mut()) {
                            let text = &json[at..last.map_or(end.min(json.len()), |(at, _)| at + 1)];
                            place.key = serde_json::from_slice(text)
                                .unwrap_or_else(|_| String::from_utf8_lossy(text).into_owned());
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    let mut path = String::new();
    for place in open {
        match place.index {
            Some(index) => path.push_str(&format!("[{index}]")),
            None if path.is_empty() => path.push_str(&place.key),
            None => path.push_str(&format!(".{}", place.key)),
        }
    }
    if path.is_empty() { ".".to_owned() } else { path }
}

/// A place in an object or a list.
#[derive(Default)]
struct Place {
    /// Of a list.
    index: Option<usize>,
    /// Of an object.
    key: String,
    is_key_next: bool,
}

impl Place {
    /// A comma ends a value.
    fn end(&mut self) {
        self.is_key_next = self.index.is_none();
        self.index = self.index.map(|index| index + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::TaskKind;

    fn fault<T: DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
        let Fault { path, message, .. } = parse::<T>(json.as_bytes()).expect_err("of another type");
        assert!(!message.contains("column"), "{message}");
        path
    }

    #[derive(Debug, serde::Deserialize)]
    struct Outer {
        #[serde(rename = "a \"b")]
        _inner: Inner,
        #[serde(rename = "list")]
        _list: Vec<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Inner {
        #[serde(rename = "x")]
        _x: u8,
    }

    #[test]
    fn a_fault_has_its_place() {
        assert_eq!(fault::<Outer>(r#"{"a \"b": {"x": 300}, "list": []}"#), "a \"b.x");
        assert_eq!(fault::<Outer>(r#"{"a \"b": {"x": -1 , "y": 2}}"#), "a \"b.x");
        assert_eq!(fault::<Outer>(r#"{"a \"b": {"x": "}],{["}}"#), "a \"b.x");
        assert_eq!(fault::<Outer>(r#"{"y": [1, {"x": [2]}], "a \"b": 7}"#), "a \"b");
        assert_eq!(fault::<Outer>(r#"{"a \"b": {"x": 1}, "list": [{"x": 1}, {"y": 2}]}"#), "list[1]");
        assert_eq!(fault::<Outer>(r#"{"a \"b": {"x": 1}, "list": [{"x": 1}, 5]}"#), "list[1]");
        assert_eq!(fault::<Vec<u8>>("[1, 2, -3, 4]"), "[2]");
        assert_eq!(fault::<Vec<u8>>("[[1], 2]"), "[0]");
        assert_eq!(fault::<Vec<u8>>("[1, [2], 3]"), "[1]");
        assert_eq!(fault::<Vec<u8>>("[1, 2, {}]"), "[2]");
        assert_eq!(fault::<Vec<TaskKind>>("[\"qa\", []]"), "[1]");
        assert_eq!(fault::<Vec<TaskKind>>("[[\"qa\"]]"), "[0]");
        assert_eq!(fault::<Outer>("{}"), ".");
        assert_eq!(fault::<Outer>("[]"), ".");
        assert_eq!(fault::<Outer>("{\n  \"list\": [\n    {\"x\": 1},\n    {\"x\": null}\n  ]\n}"), "list[1].x");
    }

    #[test]
    fn a_text_that_is_no_json_keeps_its_line() {
        let fault = parse::<Vec<u8>>(b"[1,\n2 3]").expect_err("no JSON");
        assert_eq!(fault.to_string(), "field `[1]`: expected `,` or `]` at line 2 column 3");
    }

    #[test]
    fn any_bytes_have_a_place() {
        for text in ["", "]", "}}", "\"", "{\"a\"", "[,,,", "{\"\\", "\u{1}\u{7f}"] {
            for end in 0..text.len() + 2 {
                path_at(text.as_bytes(), end, end % 2 == 0);
            }
        }
    }
}
