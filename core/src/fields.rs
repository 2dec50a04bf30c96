//! The fields of a JSON object, taken one by one, so that what is left over is unknown.
//!
//! For the tagged enums of a scenario. Serde derives such reading too, but it weighed 33 kB more, gzipped, in each of the
//! page's two programs.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize as _, Deserializer};
use serde_json::{Map, Value};

use crate::expected::in_words;

/// The fields of an object.
#[derive(Debug)]
pub(crate) struct Fields(pub Map<String, Value>);

/// What `from_fields` makes of an object. Its refusal is raised while the object is at hand, so that its place in a JSON
/// text is the object's.
pub(crate) fn read<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    from_fields: fn(Fields) -> Result<T, String>,
) -> Result<T, D::Error> {
    deserializer.deserialize_map(Object(from_fields))
}

struct Object<T>(fn(Fields) -> Result<T, String>);

impl<'de, T> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let fields = Map::deserialize(MapAccessDeserializer::new(map))?;
        (self.0)(Fields(fields)).map_err(A::Error::custom)
    }
}

impl Fields {
    /// The field `name`.
    pub(crate) fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, String> {
        let value = self.0.remove(name).ok_or_else(|| format!("missing field `{name}`"))?;
        serde_json::from_value(value).map_err(|error| format!("`{name}`: {}", in_words(&error.to_string())))
    }

    /// The number `name`, or `default` where it is absent.
    pub(crate) fn number(&mut self, name: &str, default: f64) -> Result<f64, String> {
        match self.0.remove(name) {
            None => Ok(default),
            Some(value) => value.as_f64().ok_or_else(|| format!("`{name}`: {value} is not a number")),
        }
    }

    /// An error for the first field that nobody took.
    pub(crate) fn finish(self) -> Result<(), String> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("unknown field `{name}`")),
        }
    }
}

/// The error for a word that is none of `allowed`.
pub(crate) fn unknown_word(what: &str, word: &str, allowed: &[&str]) -> String {
    format!("unknown {what} `{word}`; allowed: {}", allowed.join(", "))
}
