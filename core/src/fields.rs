//! The fields of a JSON object, taken one by one, so that what is left over is unknown.
//!
//! For the tagged enums of a scenario. Serde derives such reading too, but it weighed 33 kB more, gzipped, in each of
//! the page's two programs.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize as _, Deserializer};
use serde_json::{Map, Value};

use crate::expected::in_words;

/// The fields of an object that are left.
#[derive(Debug)]
pub struct Fields {
    left: Map<String, Value>,
    /// Every name that was asked for: the names that there are.
    known: Vec<&'static str>,
}

/// What `from_fields` makes of an object.
///
/// # Errors
/// For what is no object, and what `from_fields` refuses. Its refusal is raised while the object is at hand, so that
/// its place in a JSON text is the object's.
pub fn read<'de, T, D: Deserializer<'de>>(
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
        (self.0)(Fields::new(fields)).map_err(A::Error::custom)
    }
}

impl Fields {
    /// The fields of an object, none of them taken yet.
    #[must_use]
    pub fn new(fields: Map<String, Value>) -> Self {
        Self { left: fields, known: Vec::new() }
    }

    /// Takes the field `name`, if it is there.
    fn take(&mut self, name: &'static str) -> Option<Value> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.left.remove(name)
    }

    /// Takes the field `name`.
    ///
    /// # Errors
    /// If it is absent or of another type.
    pub fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, String> {
        let value = self.take(name).ok_or_else(|| format!("missing field `{name}`"))?;
        serde_json::from_value(value).map_err(|error| format!("`{name}`: {}", in_words(&error.to_string())))
    }

    /// Takes the field `name`, or gives its type's default where it is absent.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn optional<T: DeserializeOwned + Default>(&mut self, name: &'static str) -> Result<T, String> {
        self.known.push(name);
        if self.left.contains_key(name) { self.required(name) } else { Ok(T::default()) }
    }

    /// Takes the number `name`, or gives `default` where it is absent.
    ///
    /// # Errors
    /// For what is no number.
    pub fn number(&mut self, name: &'static str, default: f64) -> Result<f64, String> {
        match self.take(name) {
            None => Ok(default),
            Some(value) => value.as_f64().ok_or_else(|| format!("`{name}`: {value} is not a number")),
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// For the first field that nobody took, with the names that there are.
    pub fn finish(self) -> Result<(), String> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("unknown field `{name}`, expected one of `{}`", self.known.join("`, `"))),
        }
    }
}

/// The error for a word that is none of `allowed`.
#[must_use]
pub fn unknown_word(what: &str, word: &str, allowed: &[&str]) -> String {
    format!("unknown {what} `{word}`; allowed: {}", allowed.join(", "))
}
