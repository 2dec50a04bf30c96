//! Changes to the tiny models: other metadata of a GGUF file, other names of a safetensors file.

use std::error::Error;

use serde_json::{Map, Value};

/// GGUF's numbers of types.
pub const U16: u32 = 2;
pub const U32: u32 = 4;
pub const STRING: u32 = 8;
const ARRAY: u32 = 9;

fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    bytes[at..at + width].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Where a value of `kind` ends that begins at `at`.
fn end(bytes: &[u8], at: usize, kind: u32) -> usize {
    match kind {
        STRING => at + 8 + number(bytes, at, 8) as usize,
        ARRAY => {
            let (kind, count) = (number(bytes, at, 4) as u32, number(bytes, at + 4, 8));
            (0..count).fold(at + 12, |at, _| end(bytes, at, kind))
        }
        0 | 1 | 7 => at + 1,
        2 | 3 => at + 2,
        4..=6 => at + 4,
        _ => at + 8,
    }
}

/// A text as a GGUF file has it.
pub fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A GGUF file with other values of some keys, or with more keys: key, type and bytes of the value.
pub fn gguf(bytes: &[u8], changes: &[(&str, u32, Vec<u8>)]) -> Vec<u8> {
    let (tensors, count) = (number(bytes, 8, 8), number(bytes, 16, 8));
    let (mut at, mut pairs) = (24, Vec::new());
    for _ in 0..count {
        let start = at;
        at = end(bytes, at, STRING);
        let key = String::from_utf8_lossy(&bytes[start + 8..at]).into_owned();
        at = end(bytes, at + 4, number(bytes, at, 4) as u32);
        if changes.iter().all(|(changed, ..)| *changed != key) {
            pairs.push(bytes[start..at].to_vec());
        }
    }
    pairs.extend(
        changes.iter().map(|(key, kind, value)| [text(key), kind.to_le_bytes().to_vec(), value.clone()].concat()),
    );
    let start = at;
    for _ in 0..tensors {
        at = end(bytes, at, STRING);
        at += 4 + 8 * number(bytes, at, 4) as usize + 12;
    }
    let mut changed = bytes[..16].to_vec();
    changed.extend((pairs.len() as u64).to_le_bytes());
    changed.extend(pairs.concat());
    changed.extend(&bytes[start..at]);
    changed.resize(changed.len().next_multiple_of(32), 0);
    changed.extend(&bytes[at.next_multiple_of(32)..]);
    changed
}

/// A safetensors file with other names, and with one more tensor of one number.
pub fn safetensors(
    bytes: &[u8],
    rename: impl Fn(&str) -> String,
    more: Option<&str>,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let size = number(bytes, 0, 8) as usize;
    let (header, mut data) = (&bytes[8..8 + size], bytes[8 + size..].to_vec());
    let header: Map<String, Value> = serde_json::from_slice(header)?;
    let mut changed: Map<String, Value> = header.into_iter().map(|(name, value)| (rename(&name), value)).collect();
    if let Some(name) = more {
        let place = [data.len(), data.len() + 4];
        changed.insert(name.to_owned(), serde_json::json!({"dtype": "F32", "shape": [1], "data_offsets": place}));
        data.extend(0.1_f32.to_le_bytes());
    }
    let mut header = serde_json::to_vec(&changed)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok([(header.len() as u64).to_le_bytes().to_vec(), header, data].concat())
}
