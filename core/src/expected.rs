//! What serde says of a value of another type, in the words of whoever wrote the value: serde names the types of this
//! program.

/// The words of `message` for a reader: `"x"; allowed: a number` in place of `invalid type: string "x", expected f64`.
/// Any other message stays as it is.
#[must_use]
pub fn in_words(message: &str) -> String {
    if let Some((length, expected)) =
        message.strip_prefix("invalid length ").and_then(|rest| rest.split_once(", expected "))
    {
        return format!("a list of {length}; allowed: {}", allowed(expected));
    }
    let Some((kind, rest)) = message.split_once(": ").filter(|(kind, _)| kind.starts_with("invalid ")) else {
        return message.replace("unknown variant", "unknown word");
    };
    match rest.rsplit_once(", expected ") {
        Some((seen, expected)) if matches!(kind, "invalid type" | "invalid value") => {
            format!("{}; allowed: {}", value(seen), allowed(expected))
        }
        _ => message.to_owned(),
    }
}

/// A value as it was written, or what it is.
fn value(seen: &str) -> String {
    let kinds = ["string ", "integer ", "floating point ", "boolean ", "character "];
    match seen {
        "map" => "an object".to_owned(),
        "sequence" => "a list".to_owned(),
        "unit value" | "Option value" => "null".to_owned(),
        _ => kinds.iter().find_map(|kind| seen.strip_prefix(kind)).unwrap_or(seen).to_owned(),
    }
}

fn allowed(expected: &str) -> String {
    let words = match expected {
        "f32" | "f64" | "a number" => "a number",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a string" | "string" | "str" | "a borrowed string" => "a text",
        "a boolean" | "bool" => "true or false",
        "a sequence" => "a list",
        "a map" | "map" => "an object",
        "unit" => "null",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("enum ") || expected.ends_with("identifier") => "one of its words",
        _ if expected.starts_with("tuple ") || expected.starts_with("an array of ") => "a list of its length",
        other => other,
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    #[test]
    fn types_of_this_program_are_not_named() {
        for (message, want) in [
            ("invalid type: string \"x\", expected f64", "\"x\"; allowed: a number"),
            (
                "invalid type: string \", expected u8\", expected u32",
                "\", expected u8\"; allowed: a whole number from 0 to 4294967295",
            ),
            ("invalid value: integer `-1`, expected u64", "`-1`; allowed: a whole number of at least 0"),
            ("invalid type: map, expected a sequence", "an object; allowed: a list"),
            ("invalid type: sequence, expected struct Group", "a list; allowed: an object"),
            ("invalid type: null, expected a boolean", "null; allowed: true or false"),
            ("unknown variant `x`, expected one of `a`, `b`", "unknown word `x`, expected one of `a`, `b`"),
            ("invalid length 0, expected struct Weights with 4 elements", "a list of 0; allowed: an object"),
            ("missing field `nodes`", "missing field `nodes`"),
            ("expected `,` or `}`", "expected `,` or `}`"),
            ("invalid escape", "invalid escape"),
        ] {
            assert_eq!(in_words(message), want, "{message}");
        }
    }

    /// Whatever a field is given, what is said of it names none of Rust's types.
    #[test]
    fn no_refusal_of_a_scenario_names_a_type() {
        let types = ["f64", "u32", "u64", "i64", "struct ", "enum ", "variant", "sequence", "usize", "tuple", "unit "];
        let whole = serde_json::to_value(Scenario::default()).expect("plain data");
        let fields = whole.as_object().expect("an object").keys().cloned();
        let mut refused = 0;
        for path in fields.chain(["reward.alpha_inference", "consensus.rule", "network.inference"].map(str::to_owned)) {
            for value in ["\"x\"", "-1", "1.5", "[]", "{}", "true", "null", "[1]", "{\"a\": 1}", "[{}]"] {
                if let Err(error) = Scenario::default().with(&path, value) {
                    refused += 1;
                    let words = error.message;
                    assert!(types.iter().all(|name| !words.contains(name)), "{path} = {value}: {words}");
                }
            }
        }
        assert!(refused > 50, "{refused}");
    }
}
