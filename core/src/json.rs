//! JSON that is read with the path of what is wrong in it.

use serde::de::DeserializeOwned;

/// What is wrong with a JSON text.
#[derive(Debug, thiserror::Error)]
#[error("field `{path}`: {message}")]
pub(crate) struct Fault {
    /// Path of the value, such as `evaluators[1].id`; empty for the whole.
    pub path: String,
    /// What was seen, and what is allowed.
    pub message: String,
}

/// Reads a JSON text.
///
/// serde_json tells the place of a fault as line and column. `serde_path_to_error` tells its path, at the price of a second
/// copy of the code that reads each type, which was a tenth of what a page loads; so the path is looked up in the text.
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(json).map_err(|error| {
        // Lines are counted from 1.
        let before = json.split_inclusive(|&byte| byte == b'\n').take(error.line().saturating_sub(1));
        let end = before.map(<[u8]>::len).sum::<usize>() + error.column();
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        Fault { path: path_at(json, end), message: message.strip_suffix(&place).unwrap_or(&message).to_owned() }
    })
}

/// The path of the value at byte `end` of a JSON text that was read as far as that.
fn path_at(json: &[u8], end: usize) -> String {
    let mut open: Vec<Place> = Vec::new();
    let mut bytes = json.iter().enumerate().take(end);
    while let Some((at, &byte)) = bytes.next() {
        match byte {
            b'}' | b']' => drop(open.pop()),
            // The value before it may be the fault, seen only now: the place moves on when the next begins.
            b',' => open.last_mut().map_or((), Place::end),
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                let key = open.last_mut().is_some_and(Place::begin);
                match byte {
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
                            let text = &json[at + 1..last.map_or(end.min(json.len()), |(at, _)| at)];
                            place.key = String::from_utf8_lossy(text).into_owned();
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
    path
}

/// A place in an object or a list.
#[derive(Default)]
struct Place {
    /// Of a list.
    index: Option<usize>,
    /// Of an object.
    key: String,
    is_key_next: bool,
    /// Whether a comma was read since the last value.
    is_next: bool,
}

impl Place {
    /// A comma ends a value.
    fn end(&mut self) {
        self.is_key_next = self.index.is_none();
        self.is_next = true;
    }

    /// A key or a value begins; whether it is a key.
    fn begin(&mut self) -> bool {
        if let (true, Some(index)) = (std::mem::take(&mut self.is_next), &mut self.index) {
            *index += 1;
        }
        std::mem::take(&mut self.is_key_next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault<T: DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
        let Fault { path, message } = parse::<T>(json.as_bytes()).expect_err("of another type");
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
        assert_eq!(fault::<Outer>(r#"{"a \"b": {"x": 300}, "list": []}"#), r#"a \"b.x"#);
        assert_eq!(fault::<Outer>(r#"{"a \"b": {"x": -1 , "y": 2}}"#), r#"a \"b.x"#);
        assert_eq!(fault::<Outer>(r#"{"a \"b": {"x": "}],{["}}"#), r#"a \"b.x"#);
        assert_eq!(fault::<Outer>(r#"{"y": [1, {"x": [2]}], "a \"b": 7}"#), r#"a \"b"#);
        assert_eq!(fault::<Outer>(r#"{"a \"b": {"x": 1}, "list": [{"x": 1}, {"y": 2}]}"#), "list[1]");
        assert_eq!(fault::<Outer>(r#"{"a \"b": {"x": 1}, "list": [{"x": 1}, 5]}"#), "list[1]");
        assert_eq!(fault::<Vec<u8>>("[1, 2, -3, 4]"), "[2]");
        assert_eq!(fault::<Vec<u8>>("[[1], 2]"), "[0]");
        assert_eq!(fault::<Outer>("{}"), "");
        assert_eq!(fault::<Outer>("[]"), "");
        assert_eq!(fault::<Outer>("{\n  \"list\": [\n    {\"x\": 1},\n    {\"x\": null}\n  ]\n}"), "list[1].x");
    }

    #[test]
    fn any_bytes_have_a_place() {
        for text in ["", "]", "}}", "\"", "{\"a\"", "[,,,", "{\"\\", "\u{1}\u{7f}"] {
            for end in 0..text.len() + 2 {
                path_at(text.as_bytes(), end);
            }
        }
    }
}
