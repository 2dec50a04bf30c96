//! JSON that is read with the path of what is wrong in it.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

use crate::expected::in_words;
use crate::limits;

/// What is wrong with a JSON text.
#[derive(Debug, thiserror::Error)]
#[error("{}{message}{}", named(path), place.map(|[line, column]| format!(" at line {line} column {column}")).unwrap_or_default())]
pub struct Fault {
    /// Path of the value, such as `evaluators[1].id`; [`WHOLE`] for all of it.
    pub path: String,
    /// What was seen, and what is allowed.
    pub message: String,
    /// Line and column of a text that is no JSON; where a value is at fault, its path says more.
    pub place: Option<[usize; 2]>,
}

/// The path of a whole value.
pub const WHOLE: &str = ".";

/// What begins a message on the value at `path`; nothing where that is the whole.
#[must_use]
pub fn named(path: &str) -> String {
    if path == WHOLE { String::new() } else { format!("field `{path}`: ") }
}

/// Reads a JSON text: a row, or what holds no maps by id, whose doubled keys its own type refuses.
///
/// serde_json tells the place of a fault as line and column. `serde_path_to_error` tells its path, at the price of a
/// second copy of the code that reads each type, which was a tenth of what a page loads; so the path is looked up in
/// the text. A whole number may be written as a float (`100.0`, `1e6`), as spreadsheets and data frames do.
///
/// # Errors
/// A text that is no JSON, or no such value; with its path.
pub fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Fault> {
    let json = utf8(json)?;
    serde_json::from_slice(json).or_else(|error| {
        // Only where a float may be at fault, so that rows are read once.
        let is_data = error.classify() == Category::Data;
        let value: Option<Value> = is_data.then(|| serde_json::from_slice(json).ok()).flatten();
        let Some(value) = value.and_then(|mut value| whole_numbers(&mut value).then_some(value)) else {
            return Err(fault(json, &error));
        };
        let whole = value.to_string();
        serde_json::from_slice(whole.as_bytes()).map_err(|error| fault(whole.as_bytes(), &error))
    })
}

/// Reads a JSON text in which no object, however deep, names a key twice.
///
/// # Errors
/// As [`parse`]; and for a doubled key.
pub fn parse_strict<T: DeserializeOwned>(json: &[u8]) -> Result<T, Fault> {
    let value = parse(json)?;
    match walk(utf8(json)?, usize::MAX, true).1 {
        None => Ok(value),
        Some(path) => Err(Fault { path, message: "the key stands twice; allowed: once".to_owned(), place: None }),
    }
}

/// The text without a byte order mark.
///
/// # Errors
/// For UTF-16, which is told by its byte order mark or its zeros.
pub fn utf8(text: &[u8]) -> Result<&[u8], Fault> {
    let is_utf16 = text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]);
    if is_utf16 || text.get(..2).is_some_and(|first| first.contains(&0)) {
        let message = "the text is UTF-16; allowed: UTF-8".to_owned();
        return Err(Fault { path: WHOLE.to_owned(), message, place: None });
    }
    Ok(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text))
}

/// Turns floats that are whole and exact into integers; whether there were any. A minus before 0 stays.
fn whole_numbers(value: &mut Value) -> bool {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() <= limits::SEED.max);
            let whole = whole.filter(|value| number.is_f64() && (*value != 0.0 || value.is_sign_positive()));
            whole.is_some_and(|whole| {
                *number = (whole as i64).into();
                true
            })
        }
        Value::Array(items) => items.iter_mut().fold(false, |any, item| whole_numbers(item) | any),
        Value::Object(fields) => fields.values_mut().fold(false, |any, field| whole_numbers(field) | any),
        _ => false,
    }
}

/// Begins what a misspelt name was meant to be.
const MEANT: &str = "did you mean";

/// `message` with the known name that is nearest to an unknown one, where one is near; for whoever writes by hand.
/// It reads the words that serde and this crate say of an unknown field or word.
#[must_use]
pub fn with_nearest(message: &str) -> String {
    let words = |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let near = (message.contains("unknown") && !message.contains(MEANT)).then(|| {
        let (left, known) = message.split_once(", expected").or_else(|| message.split_once("; allowed: "))?;
        let quoted = words(known);
        let known: Vec<&str> = match quoted.is_empty() {
            true => known.split(", ").collect(),
            false => quoted.iter().map(String::as_str).collect(),
        };
        nearest(words(left).last()?, known).map(str::to_owned)
    });
    near.flatten().map_or_else(|| message.to_owned(), |near| format!("{message}; {MEANT} `{near}`?"))
}

/// The one of `known` that `seen` was most likely meant to be: at most a third of its letters are other ones.
#[must_use]
pub fn nearest<'a>(seen: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let seen = seen.to_lowercase();
    let far = |word: &&str| strsim::osa_distance(&seen, &word.to_lowercase());
    let near = known.into_iter().min_by_key(far)?;
    (far(&near) * 3 <= seen.chars().count().max(3)).then_some(near)
}

fn fault(json: &[u8], error: &serde_json::Error) -> Fault {
    // Lines are counted from 1.
    let before = json.split_inclusive(|&byte| byte == b'\n').take(error.line().saturating_sub(1));
    let end = before.map(<[u8]>::len).sum::<usize>() + error.column();
    let place = [error.line(), error.column()];
    let is_json = error.classify() == Category::Data;
    let message = error.to_string();
    let suffix = format!(" at line {} column {}", place[0], place[1]);
    let message = message.strip_suffix(&suffix).unwrap_or(&message);
    Fault {
        path: path_at(json, end, is_json),
        message: if is_json { in_words(message) } else { format!("not JSON: {message}") },
        place: (!is_json).then_some(place),
    }
}

/// The path of the value at byte `end` of a JSON text that was read as far as that. Where the text is no JSON, or no
/// such JSON, its last byte is the fault.
fn path_at(json: &[u8], end: usize, is_json: bool) -> String {
    walk(json, end, is_json).0
}

/// The path of the value at byte `end`, and the path of the first key before it that its object has twice.
fn walk(json: &[u8], end: usize, is_json: bool) -> (String, Option<String>) {
    let mut open: Vec<Place> = Vec::new();
    let mut doubled = None;
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
                            let is_new = place.keys.insert(place.key.clone());
                            if !is_new && doubled.is_none() {
                                doubled = Some(path_of(&open));
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    (path_of(&open), doubled)
}

fn path_of(open: &[Place]) -> String {
    let mut path = String::new();
    for place in open {
        match place.index {
            Some(index) => path.push_str(&format!("[{index}]")),
            None if path.is_empty() => path.push_str(&place.key),
            None => path.push_str(&format!(".{}", place.key)),
        }
    }
    if path.is_empty() { WHOLE.to_owned() } else { path }
}

/// A place in an object or a list.
#[derive(Default)]
struct Place {
    /// Of a list.
    index: Option<usize>,
    /// Of an object.
    key: String,
    /// Every key so far.
    keys: BTreeSet<String>,
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
        assert_eq!(fault.to_string(), "field `[1]`: not JSON: expected `,` or `]` at line 2 column 3");
        let fault = parse::<Vec<u8>>(b"nope").expect_err("no JSON");
        assert_eq!(fault.to_string(), "not JSON: expected ident at line 1 column 2");
        assert_eq!(parse::<Vec<u8>>(b"{}").expect_err("an object").to_string(), "an object; allowed: a list");
    }

    #[test]
    fn a_doubled_key_is_refused_at_any_depth() {
        let path = |json: &str| parse_strict::<Value>(json.as_bytes()).err().map(|fault| fault.path);
        assert_eq!(path(r#"{"a": 1, "b": {"a": 2}, "c": [{"a": 3}, {"a": 4}]}"#), None);
        assert_eq!(path(r#"{"rounds": 100, "rounds": 5}"#).as_deref(), Some("rounds"));
        assert_eq!(path(r#"{"a": {"b": [1, {"c": {}, "c": 1}]}}"#).as_deref(), Some("a.b[1].c"));
        // The same key, spelt with an escape; and a value that looks like a key.
        assert_eq!(path(r#"{"a": 1, "\u0061": 2}"#).as_deref(), Some("a"));
        assert_eq!(path(r#"{"a": "b", "b": "a"}"#), None);
        assert_eq!(path("\u{feff}{\"x\": 1, \"x\": 2}").as_deref(), Some("x"));
    }

    #[test]
    fn whole_floats_are_whole_numbers() {
        assert_eq!(parse::<Vec<u64>>(b"[100.0, 1e6, 2]").expect("whole"), [100, 1_000_000, 2]);
        assert_eq!(parse::<Vec<i64>>(b"[-3.0]").expect("whole"), [-3]);
        assert_eq!(fault::<Vec<u64>>("[1.0, 1.5]"), "[1]");
        assert_eq!(fault::<Vec<u8>>("[1.0, 300.0]"), "[1]");
        let numbers: Vec<f64> = parse(b"[-0.0, 0.5, 3]").expect("numbers");
        assert_eq!(
            numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>(),
            [(-0.0_f64).to_bits(), 0.5_f64.to_bits(), 3.0_f64.to_bits()]
        );
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_utf_16_is_told_by_name() {
        assert_eq!(parse::<Vec<u8>>(b"\xef\xbb\xbf[1]").expect("a list"), [1]);
        for utf16 in [&b"\xff\xfe[\0]\0"[..], b"\xfe\xff\0[\0]", b"[\0]\0", b"\0[\0]"] {
            let fault = parse::<Vec<u8>>(utf16).expect_err("UTF-16").to_string();
            assert!(fault.contains("UTF-16; allowed: UTF-8"), "{fault}");
        }
    }

    #[test]
    fn the_nearest_known_name_is_said() {
        let said = |message: &str| with_nearest(message).strip_prefix(message).map(str::to_owned);
        let near = |word: &str| Some(format!("; did you mean `{word}`?"));
        assert_eq!(said("unknown field `contexts`, expected one of `id`, `context`"), near("context"));
        assert_eq!(said("unknown field `normalisation`, expected `normalization`"), near("normalization"));
        assert_eq!(said("unknown rule `medain`; allowed: mean, median, yuma"), near("median"));
        assert_eq!(said("scenario field `a.b`: `chfr` is unknown; allowed: chrf, rouge-l"), near("chrf"));
        assert_eq!(said("unknown field `x`, expected one of `id`, `context`"), Some(String::new()));
        assert_eq!(said("unknown field `x`, there are no fields"), Some(String::new()));
        assert_eq!(said("missing field `id`"), Some(String::new()));
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
