//! The language of chat templates: Jinja as the Python library transformers sets it up.

use std::fmt::Write as _;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters, functions};
use minijinja_contrib::pycompat;

use super::date::Date;

/// Steps that a template may take: a loop that never ends is an error, not a hang.
const FUEL: u64 = 1_000_000;

/// Lists in lists that `tojson` writes.
const MAX_DEPTH: usize = 64;

/// What chat templates use of the language; a page would carry the rest of it in vain.
pub(super) fn language(date: Date) -> Environment<'static> {
    let mut language = Environment::empty();
    language.set_trim_blocks(true);
    language.set_lstrip_blocks(true);
    language.set_undefined_behavior(UndefinedBehavior::Lenient);
    language.set_fuel(Some(FUEL));
    language.set_unknown_method_callback(method);
    language.add_filter("abs", filters::abs);
    language.add_filter("capitalize", filters::capitalize);
    language.add_filter("count", filters::length);
    language.add_filter("d", filters::default);
    language.add_filter("default", filters::default);
    language.add_filter("dictsort", filters::dictsort);
    language.add_filter("first", filters::first);
    language.add_filter("float", filters::float);
    language.add_filter("indent", filters::indent);
    language.add_filter("int", filters::int);
    language.add_filter("items", filters::items);
    language.add_filter("join", filters::join);
    language.add_filter("last", filters::last);
    language.add_filter("length", filters::length);
    language.add_filter("list", filters::list);
    language.add_filter("lower", filters::lower);
    language.add_filter("map", filters::map);
    language.add_filter("reject", filters::reject);
    language.add_filter("rejectattr", filters::rejectattr);
    language.add_filter("replace", filters::replace);
    language.add_filter("reverse", filters::reverse);
    language.add_filter("safe", filters::safe);
    language.add_filter("select", filters::select);
    language.add_filter("selectattr", filters::selectattr);
    language.add_filter("sort", filters::sort);
    language.add_filter("string", filters::string);
    language.add_filter("title", filters::title);
    language.add_filter("tojson", tojson);
    language.add_filter("trim", filters::trim);
    language.add_filter("unique", filters::unique);
    language.add_filter("upper", filters::upper);
    language.add_test("boolean", minijinja::tests::is_boolean);
    language.add_test("defined", minijinja::tests::is_defined);
    language.add_test("eq", minijinja::tests::is_eq);
    language.add_test("equalto", minijinja::tests::is_eq);
    language.add_test("even", minijinja::tests::is_even);
    language.add_test("false", minijinja::tests::is_false);
    language.add_test("in", minijinja::tests::is_in);
    language.add_test("integer", minijinja::tests::is_integer);
    language.add_test("iterable", minijinja::tests::is_iterable);
    language.add_test("mapping", minijinja::tests::is_mapping);
    language.add_test("ne", minijinja::tests::is_ne);
    language.add_test("none", minijinja::tests::is_none);
    language.add_test("number", minijinja::tests::is_number);
    language.add_test("odd", minijinja::tests::is_odd);
    language.add_test("sequence", minijinja::tests::is_sequence);
    language.add_test("string", minijinja::tests::is_string);
    language.add_test("true", minijinja::tests::is_true);
    language.add_test("undefined", minijinja::tests::is_undefined);
    language.add_function("dict", functions::dict);
    language.add_function("namespace", functions::namespace);
    language.add_function("range", functions::range);
    language.add_function("raise_exception", |message: String| Err::<Value, _>(refused(message)));
    language.add_function("strftime_now", move |format: &str| date.strftime(format));
    language
}

fn refused(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// Python's methods of texts, lists and mappings, without those calls that no fuel would end.
fn method(state: &State<'_, '_>, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (name, value.as_str()) {
        // The library looks for an empty text for ever.
        ("count", Some(text)) if arguments.first().and_then(Value::as_str) == Some("") => {
            Ok(Value::from(text.chars().count() + 1))
        }
        // The width of a field is memory, at the word of whoever wrote the template.
        ("format", Some(text)) if text.contains(':') => {
            Err(refused("format: only fields without a width are known here"))
        }
        _ => pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

/// As Python's `json.dumps`, with text as it is.
fn tojson(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    let sorted: Option<bool> = options.get("sort_keys")?;
    if options.get::<Option<bool>>("ensure_ascii")? == Some(true) {
        return Err(refused("tojson: `ensure_ascii` is true; allowed: false"));
    }
    options.assert_all_used()?;
    let [between, after_key] = match separators.as_deref() {
        None => [if indent.is_some() { "," } else { ", " }, ": "],
        Some([between, after_key]) => [between.as_str(), after_key.as_str()],
        Some(_) => return Err(refused("tojson: `separators` are not two")),
    };
    let indent = indent.map(|indent| indent.min(16));
    let mut json = Json { text: String::new(), between, after_key, indent, is_sorted: sorted == Some(true) };
    json.write(value, 0)?;
    Ok(json.text)
}

struct Json<'a> {
    text: String,
    between: &'a str,
    after_key: &'a str,
    indent: Option<usize>,
    is_sorted: bool,
}

impl Json<'_> {
    fn write(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(refused(format!("tojson: lists in lists more than {MAX_DEPTH} deep")));
        }
        match value.kind() {
            ValueKind::None => self.text.push_str("null"),
            ValueKind::Bool => self.text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => _ = write!(self.text, "{value}"),
            ValueKind::String => self.string(value)?,
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.is_sorted {
                    keys.sort();
                }
                self.list(['{', '}'], depth, &keys, |json, key| {
                    json.string(key)?;
                    json.text.push_str(json.after_key);
                    json.write(&value.get_item(key)?, depth + 1)
                })?;
            }
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.list(['[', ']'], depth, &items, |json, item| json.write(item, depth + 1))?;
            }
            other => return Err(refused(format!("tojson: a value of kind {other} has no JSON"))),
        }
        Ok(())
    }

    fn string(&mut self, value: &Value) -> Result<(), Error> {
        let json = match value.as_str() {
            Some(text) => serde_json::to_string(text),
            None => serde_json::to_string(&value.to_string()),
        };
        self.text.push_str(&json.map_err(|error| refused(error.to_string()))?);
        Ok(())
    }

    fn list(
        &mut self,
        [open, close]: [char; 2],
        depth: usize,
        items: &[Value],
        mut each: impl FnMut(&mut Self, &Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.text.push(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text.push_str(self.between);
            }
            self.line(depth + 1);
            each(self, item)?;
        }
        if !items.is_empty() {
            self.line(depth);
        }
        self.text.push(close);
        Ok(())
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = self.indent {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n(' ', depth * indent));
        }
    }
}

/// The source with the marks of what a model generates, `{% generation %}` of the Python library, as conditions that
/// always hold: a mark is for training, what stands in it is written as it is. Comments, texts and raw parts are left
/// alone.
pub(super) fn without_marks(source: &str) -> String {
    let mut result = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        let (before, tag) = rest.split_at(at);
        result.push_str(before);
        let end = match tag.as_bytes().get(1) {
            Some(b'#') => tag.find("#}").map(|end| end + 2),
            Some(b'{') => end_of_tag(tag, "}}"),
            Some(b'%') => end_of_tag(tag, "%}"),
            _ => Some(1),
        };
        let Some(end) = end else {
            // The parser says what is not closed.
            rest = tag;
            break;
        };
        let (tag, after) = tag.split_at(end);
        rest = after;
        let word = tag.strip_prefix("{%").and_then(|tag| tag.strip_suffix("%}"));
        match word.map(|word| word.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+')) {
            Some("generation") => result.push_str(&tag.replacen("generation", "if true", 1)),
            Some("endgeneration") => result.push_str(&tag.replacen("endgeneration", "endif", 1)),
            Some("raw") => {
                let end = rest.find("endraw").unwrap_or(rest.len());
                result.push_str(tag);
                result.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            _ => result.push_str(tag),
        }
    }
    result + rest
}

/// Where a tag ends, texts in it aside.
fn end_of_tag(tag: &str, close: &str) -> Option<usize> {
    let (mut quote, mut is_escaped) = (None, false);
    for (at, byte) in tag.bytes().enumerate().skip(2) {
        match (quote, byte) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), b'\\') => is_escaped = true,
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, _) if tag.as_bytes()[at..].starts_with(close.as_bytes()) => return Some(at + close.len()),
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(template: &str) -> Result<String, Error> {
        let list = vec![vec![1, 2], vec![]];
        let context = minijinja::context! { list, quote => "\"<é>'\n", half => 0.5, none => () };
        language(Date::default()).render_str(&without_marks(template), context)
    }

    #[test]
    fn json_is_written_as_python_writes_it() -> Result<(), Error> {
        assert_eq!(rendered("{{ list | tojson }}")?, "[[1, 2], []]");
        assert_eq!(rendered("{{ [quote, half, none, true] | tojson }}")?, r#"["\"<é>'\n", 0.5, null, true]"#);
        assert_eq!(rendered("{{ {'a': {}} | tojson(indent=2) }}")?, "{\n  \"a\": {}\n}");
        assert_eq!(rendered("{{ list | tojson(indent=1) }}")?, "[\n [\n  1,\n  2\n ],\n []\n]");
        assert_eq!(rendered("{{ list | tojson(separators=[',', ':'], ensure_ascii=false) }}")?, "[[1,2],[]]");
        assert_eq!(rendered("{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}")?, r#"{"a": 2, "b": 1}"#);
        for wrong in ["list | tojson(other=1)", "list | tojson(ensure_ascii=true)", "range | tojson"] {
            assert!(rendered(&format!("{{{{ {wrong} }}}}")).is_err(), "{wrong}");
        }
        let deep = "{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}";
        assert!(rendered(&format!("{deep}{{{{ ns.x | tojson }}}}")).is_err());
        Ok(())
    }

    #[test]
    fn mappings_keep_the_order_in_which_they_were_written() -> Result<(), Error> {
        assert_eq!(rendered("{{ {'b': 1, 'a': 2} | tojson }}")?, r#"{"b": 1, "a": 2}"#);
        Ok(())
    }

    #[test]
    fn methods_of_python_and_loop_controls_are_known() -> Result<(), Error> {
        assert_eq!(rendered("{{ ' a b '.strip().split(' ')[1] + 'x'.upper() }}")?, "bX");
        assert_eq!(rendered("{{ 'a-b'.replace('-', '+').startswith('a+') }}")?, "True");
        assert_eq!(
            rendered(
                "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}{% if i > 3 %}{% break %}{% endif %}{{ i }}{% endfor %}"
            )?,
            "023"
        );
        assert_eq!(
            rendered("{{ {'a': 1}.get('b', 2) }}{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}")?,
            "2a1"
        );
        assert_eq!(rendered("{{ 'aé'.count('') }}{{ 'aba'.count('a') }}")?, "32");
        assert_eq!(rendered("{{ '{} and {}'.format(1, 'b') }}")?, "1 and b");
        for wrong in ["'{:999999999999}'.format(1)", "'a'.decode()", "1 | sum_of", "1 is divisible"] {
            assert!(rendered(&format!("{{{{ {wrong} }}}}")).is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn marks_of_what_is_generated_leave_what_they_hold() -> Result<(), Error> {
        assert_eq!(rendered("a {% generation %}b{% endgeneration %} c")?, "a b c");
        assert_eq!(rendered("a {%- generation -%} b {%- endgeneration -%} c")?, "abc");
        assert_eq!(rendered("{{ '{% generation %}' }}")?, "{% generation %}");
        assert_eq!(rendered("{% raw %}{% generation %}{% endraw %}")?, "{% generation %}");
        assert_eq!(rendered("{# {% generation %} #}{% if '%}' == \"%}\" %}x{% endif %}{ a")?, "x{ a");
        assert!(rendered("{% generation %}").is_err() && rendered("{% generations %}").is_err());
        assert_eq!(without_marks("{% a '"), "{% a '");
        Ok(())
    }
}
