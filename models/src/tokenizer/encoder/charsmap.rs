//! SentencePiece's table of characters that are written in another way: its bytes, those of a trie of UTF-8 texts, in
//! the double array of Darts-clone, and then what each of them becomes, up to a zero byte.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokenizers::normalizers::Precompiled;

use crate::error::{ModelError, Part, shorten};

/// Reads the table, in Base64.
///
/// # Errors
/// A table that points outside itself: the library would follow it there.
pub(super) fn read(table: &str) -> Result<Precompiled, ModelError> {
    let fault = |problem: &str| {
        ModelError::malformed(Part::TokenizerJson, format!("`precompiled_charsmap` {}", shorten(problem)))
    };
    let table = STANDARD.decode(table).map_err(|error| fault(&format!("is no Base64: {error}")))?;
    check(&table).ok_or_else(|| fault("points outside itself"))?;
    Precompiled::from(&table).map_err(|error| fault(&error.to_string()))
}

/// Whether all that can be reached in a table is in it; none where not.
fn check(table: &[u8]) -> Option<()> {
    let (size, rest) = table.split_first_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    let (trie, texts) = rest.split_at_checked(size)?;
    let texts = str::from_utf8(texts).ok()?;
    let units: Vec<u32> = trie.as_chunks::<4>().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();

    // Where the children of a node begin, in blocks of 256.
    let children = |at: usize| {
        let unit = *units.get(at)?;
        let children = at ^ ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        ((children | 0xFF) < units.len()).then_some(children)
    };
    let mut open = vec![children(0)?];
    let mut seen: HashSet<usize> = open.iter().copied().collect();
    while let Some(parent) = open.pop() {
        for byte in 1..=0xFF {
            let at = parent ^ byte;
            let unit = *units.get(at)?;
            if unit & (1 << 31 | 0xFF) != byte as u32 {
                continue;
            }
            let next = children(at)?;
            let has_text = unit & (1 << 8) != 0;
            let text = (units.get(next)? & !(1 << 31)) as usize;
            if has_text && !texts.is_char_boundary(text) {
                return None;
            }
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::{NormalizedString, Normalizer};

    /// A table that turns `a` into `bc`: the root, and the blocks of its children and of those of `a`.
    fn table(change: impl Fn(&mut Vec<u32>)) -> Vec<u8> {
        let mut units = vec![0; 768];
        units[0] = 256 << 10;
        units[256 ^ 0x61] = ((256 ^ 0x61 ^ 512) << 10) | (1 << 8) | 0x61;
        units[512] = 1 << 31;
        change(&mut units);
        let trie: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        [&(trie.len() as u32).to_le_bytes(), trie.as_slice(), "bc\0é\0".as_bytes()].concat()
    }

    fn changed(table: &[u8], text: &str) -> Result<String, String> {
        let table = read(&STANDARD.encode(table)).map_err(|error| error.to_string())?;
        let mut text = NormalizedString::from(text);
        table.normalize(&mut text).map_err(|error| error.to_string())?;
        Ok(text.get().to_owned())
    }

    #[test]
    fn a_table_changes_what_it_names() {
        assert_eq!(changed(&table(|_| {}), "cat é"), Ok("cbct é".to_owned()));
        assert_eq!(changed(&table(|units| units[512] = 1 << 31 | 3), "cat"), Ok("cét".to_owned()));
        assert_eq!(changed(&table(|units| units[512] = 1 << 31 | 6), "cat"), Ok("ct".to_owned()));
    }

    #[test]
    fn a_table_that_points_outside_itself_is_refused() {
        let refusals = [
            table(|units| units[0] = 768 << 10),
            table(|units| units[256 ^ 0x61] |= 1 << 20),
            table(|units| units[512] = 1 << 31 | 4),
            table(|units| units[512] = 1 << 31 | 7),
            table(|units| units.clear()),
            table(|units| units.truncate(700)),
            vec![0xFF, 0xFF, 0xFF, 0xFF, 1, 2],
            vec![1],
            vec![],
        ];
        for table in refusals {
            let seen = changed(&table, "cat");
            assert!(seen.as_ref().is_err_and(|words| words.contains("points outside itself")), "{seen:?}");
        }
        assert!(read("not Base64!").is_err_and(|error| error.to_string().contains("is no Base64")));
    }
}
