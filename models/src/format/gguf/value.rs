//! Metadata values. Strings and arrays stay slices of the file: their memory cost is nil whatever they claim.

use super::cursor::Cursor;
use crate::error::{ModelError, Part, shorten};

/// Arrays may hold arrays; no file in use nests deeper than one level.
const MAX_DEPTH: usize = 4;

/// Element types by their number in the file.
const NAMES: [&str; 13] =
    ["u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"];
const I32: u32 = 5;
const F32: u32 = 6;
const U32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// One metadata value.
#[derive(Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    /// Bytes that should be UTF-8; checked when they are asked for, as many files hold odd ones where it does not
    /// matter.
    Text(&'a [u8]),
    /// The elements as they lie in the file, all of them within it.
    Array {
        kind: u32,
        count: u64,
        bytes: &'a [u8],
    },
}

impl<'a> Value<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>, key: &str) -> Result<Self, ModelError> {
        let kind = cursor.u32(key)?;
        Ok(match kind {
            0 => Self::Unsigned(cursor.u8(key)?.into()),
            1 => Self::Signed((cursor.u8(key)? as i8).into()),
            2 => Self::Unsigned(cursor.u16(key)?.into()),
            3 => Self::Signed((cursor.u16(key)? as i16).into()),
            4 => Self::Unsigned(cursor.u32(key)?.into()),
            5 => Self::Signed((cursor.u32(key)? as i32).into()),
            6 => Self::Float(f32::from_bits(cursor.u32(key)?).into()),
            7 => Self::Bool(cursor.u8(key)? != 0),
            STRING => Self::Text(cursor.counted_bytes(key)?),
            ARRAY => read_array(cursor, key, 0)?,
            10 => Self::Unsigned(cursor.u64(key)?),
            11 => Self::Signed(cursor.u64(key)? as i64),
            12 => Self::Float(f64::from_bits(cursor.u64(key)?)),
            _ => return Err(unknown_kind(key, kind)),
        })
    }

    pub(crate) fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Unsigned(value) => Some(*value),
            Self::Signed(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    pub(crate) fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    pub(crate) fn as_texts(&self) -> Option<Vec<&'a str>> {
        match *self {
            Self::Array { kind: STRING, count, bytes } => {
                let mut cursor = Cursor::new(bytes, bytes.len() as u64);
                (0..count).map(|_| cursor.string("element").ok()).collect()
            }
            _ => None,
        }
    }

    /// Of an array of f32.
    pub(crate) fn as_numbers(&self) -> Option<Vec<f64>> {
        let Self::Array { kind: F32, bytes, .. } = *self else { return None };
        Some(bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word).into()).collect())
    }

    pub(crate) fn as_integers(&self) -> Option<Vec<i64>> {
        let (words, signed) = match *self {
            Self::Array { kind: U32, bytes, .. } => (bytes, false),
            Self::Array { kind: I32, bytes, .. } => (bytes, true),
            _ => return None,
        };
        let words = words.as_chunks::<4>().0.iter();
        Some(if signed {
            words.map(|word| i32::from_le_bytes(*word).into()).collect()
        } else {
            words.map(|word| u32::from_le_bytes(*word).into()).collect()
        })
    }
}

/// Reads past an array and keeps the bytes of its elements.
fn read_array<'a>(cursor: &mut Cursor<'a>, key: &str, depth: usize) -> Result<Value<'a>, ModelError> {
    let kind = cursor.u32(key)?;
    let count = cursor.u64(key)?;
    let width = match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        STRING | ARRAY => {
            return skip_elements(cursor, key, kind, count, depth);
        }
        _ => return Err(unknown_kind(key, kind)),
    };
    let bytes = cursor.take(count.saturating_mul(width), key)?;
    Ok(Value::Array { kind, count, bytes })
}

fn skip_elements<'a>(
    cursor: &mut Cursor<'a>,
    key: &str,
    kind: u32,
    count: u64,
    depth: usize,
) -> Result<Value<'a>, ModelError> {
    if depth >= MAX_DEPTH {
        let problem = format!("`{}` nests arrays deeper than {MAX_DEPTH}", shorten(key));
        return Err(ModelError::malformed(Part::Gguf, problem));
    }
    let start = cursor.position();
    for _ in 0..count {
        if kind == STRING {
            cursor.counted_bytes(key)?;
        } else {
            read_array(cursor, key, depth + 1)?;
        }
    }
    Ok(Value::Array { kind, count, bytes: cursor.since(start) })
}

fn unknown_kind(key: &str, kind: u32) -> ModelError {
    ModelError::field(Part::Gguf, format!("type of {}", shorten(key)), kind, "0 to 12")
}

/// As error messages show it: short, and without the elements of an array.
impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(bytes) => {
                write!(f, "{:?}", shorten(&String::from_utf8_lossy(&bytes[..bytes.len().min(800)])))
            }
            Self::Array { kind, count, .. } => {
                write!(f, "an array of {count} x {}", NAMES.get(*kind as usize).unwrap_or(&"?"))
            }
        }
    }
}
