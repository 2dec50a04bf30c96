//! Paths of a scenario's fields as they are written by hand: `reward.alpha_inference`, `attacks.0.by`,
//! `score_normalization."llama-3.2-1b"`.

use serde_json::{Map, Value};

/// The parts of a path. A part in quotes, after a dot or in brackets, may hold anything.
///
/// # Errors
/// For a quote or bracket that is left open.
pub(crate) fn parts(path: &str) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    let mut rest = path;
    loop {
        let in_brackets = rest.starts_with('[');
        let start = rest.trim_start_matches('[');
        if let Some(quote) = start.chars().next().filter(|first| matches!(first, '"' | '\'')) {
            let (part, after) = start[1..]
                .split_once(quote)
                .ok_or_else(|| format!("`{start}` is left open; allowed: a closing {quote}"))?;
            parts.push(part.to_owned());
            rest = after;
        } else {
            let end = start.find(if in_brackets { &[']'][..] } else { &['.', '['][..] }).unwrap_or(start.len());
            parts.push(start[..end].to_owned());
            rest = &start[end..];
        }
        if in_brackets {
            rest = rest.strip_prefix(']').ok_or_else(|| "a bracket is left open; allowed: a closing ]".to_owned())?;
        }
        rest = match rest.strip_prefix('.') {
            Some(after) => after,
            None if rest.is_empty() => return Ok(parts),
            None if rest.starts_with('[') => rest,
            None => return Err(format!("`{rest}` after a part in quotes; allowed: a dot")),
        };
    }
}

/// The place that the parts lead to, made where it is not there. Of the keys that an object has, the longest counts, so
/// that an id with dots needs no quotes; a key that is new is left to the strict check, which names it.
///
/// # Errors
/// For an index that a list does not have, and for parts of what is neither object nor list.
pub(super) fn place<'a>(mut at: &'a mut Value, parts: &[String]) -> Result<&'a mut Value, String> {
    let mut left = parts;
    while let Some(part) = left.first() {
        if at.is_null() {
            // A field that is not there, such as `money`, comes with its defaults when a part of it is set.
            *at = Value::Object(Map::new());
        }
        at = match at {
            Value::Object(fields) => {
                let leads_on = |length: usize| match fields.get(&left[..length].join(".")) {
                    None => false,
                    Some(value) => length == left.len() || value.is_object() || value.is_array() || value.is_null(),
                };
                let length = (1..=left.len()).rev().find(|&length| leads_on(length)).unwrap_or(left.len());
                let key = left[..length].join(".");
                left = &left[length..];
                fields.entry(key).or_insert(Value::Null)
            }
            Value::Array(items) => {
                let length = items.len();
                left = &left[1..];
                part.parse::<usize>()
                    .ok()
                    .and_then(|index| items.get_mut(index))
                    .ok_or_else(|| format!("`{part}` is no index; the list has {length} entries"))?
            }
            _ => return Err("there is no such field".to_owned()),
        };
    }
    Ok(at)
}

/// A part as it is written in a path: in quotes where it holds a dot or another sign that would end it.
#[must_use]
pub fn written(part: &str) -> String {
    let is_plain = !part.is_empty() && !part.contains(['.', '[', ']', '=', '"', '\'']);
    match (is_plain, part.contains('"')) {
        (true, _) => part.to_owned(),
        (false, false) => format!("\"{part}\""),
        (false, true) => format!("'{part}'"),
    }
}

/// `path=value` as path and value: the first `=` that does not stand in quotes parts them.
#[must_use]
pub fn setting(text: &str) -> Option<(&str, &str)> {
    let mut open = None;
    let at = text.char_indices().find_map(|(at, c)| {
        match (open, c) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => open = Some(c),
            (Some(quote), c) if quote == c => open = None,
            _ => {}
        }
        None
    })?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_may_stand_in_quotes() {
        let of = |path: &str| parts(path).expect(path).join("|");
        assert_eq!(of("reward.alpha_inference"), "reward|alpha_inference");
        assert_eq!(of("a.\"b.c\".d"), "a|b.c|d");
        assert_eq!(of("a['b\"c'].d"), "a|b\"c|d");
        assert_eq!(of("a[\"=1+1\"]"), "a|=1+1");
        assert_eq!(of("attacks[0].by"), "attacks|0|by");
        for broken in ["a.\"b", "a['b", "a[0", "a.\"b\"c"] {
            assert!(parts(broken).is_err(), "{broken}");
        }
        for id in ["chrf", "llama-3.2-1b", "=1", "a\"b", "a[0]", "it's"] {
            assert_eq!(of(&format!("a.{}", written(id))), format!("a|{id}"));
        }
    }

    #[test]
    fn the_first_equals_sign_outside_quotes_parts_a_setting() {
        assert_eq!(setting("a=b=c"), Some(("a", "b=c")));
        assert_eq!(setting("a.\"=1+1\"=ten"), Some(("a.\"=1+1\"", "ten")));
        assert_eq!(setting("attacks=[{\"nodes\": [\"a\"]}]"), Some(("attacks", "[{\"nodes\": [\"a\"]}]")));
        assert_eq!(setting("nothing"), None);
    }
}
