//! Files that are something else than a model: what a download that went wrong leaves under a model's name, or a file
//! of another format.

use crate::error::{ModelError, Part, shorten};

/// Bytes of a text that are looked at.
const START: usize = 512;

/// Bytes below which a text is not told from the start of a file that was cut off.
const SHORTEST_TEXT: usize = 16;

/// What `file` is, where it is plain from its first bytes that no model's file starts so.
#[must_use]
pub fn foreign_file(file: &[u8]) -> Option<&'static str> {
    const GIT_LFS: &str =
        "a Git LFS pointer, which only names the file: `git lfs pull` brings the file itself, as a download does";
    const WEB_PAGE: &str = "a web page, as a sign-in or an error of a server looks";
    const OLD_GGML: &str = "a GGML file, a format that GGUF has replaced";
    let starts: [(&[u8], &str); 12] = [
        (b"version https://git-lfs.github.com/spec/", GIT_LFS),
        (b"version https://hawser.github.com/spec/", GIT_LFS),
        (b"/annex/objects/", "a git-annex pointer, which only names the file: `git annex get` brings the file itself"),
        (b"PK\x03\x04", "a zip archive, as PyTorch checkpoints and Python packages are"),
        (b"\x80\x02", "a Python pickle, as old PyTorch checkpoints are"),
        (b"\x1F\x8B", "compressed with gzip"),
        (b"\x89HDF", "an HDF5 file, as Keras checkpoints are"),
        (b"%PDF", "a PDF document"),
        (b"lmgg", OLD_GGML),
        (b"tjgg", OLD_GGML),
        (b"fmgg", OLD_GGML),
        (b"algg", "a GGLA file, an adapter and not a model"),
    ];
    if let Some((_, what)) = starts.iter().find(|(start, _)| file.starts_with(start)) {
        return Some(what);
    }
    let text = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file).trim_ascii_start();
    let begins = |start: &str| text.get(..start.len()).is_some_and(|seen| seen.eq_ignore_ascii_case(start.as_bytes()));
    if ["<!doctype html", "<html", "<head", "<body", "<!--", "<script"].iter().any(|start| begins(start)) {
        return Some(WEB_PAGE);
    }
    begins("<?xml").then_some("an XML document, as the error of a server looks")
}

/// Refuses a file that is of another kind than `part`, and names the kind.
pub(crate) fn check(part: Part, file: &[u8]) -> Result<(), ModelError> {
    let is_text = !matches!(part, Part::Gguf | Part::Safetensors);
    let other = |seen: &str| Err(ModelError::OtherFile { part, seen: seen.to_owned() });
    if let Some(seen) = foreign_file(file) {
        return other(seen);
    }
    match part {
        Part::Gguf if file.starts_with(b"GGUF") => return Ok(()),
        _ if file.starts_with(b"GGUF") => return other("a GGUF file"),
        Part::Safetensors => {}
        _ if is_safetensors(file) => return other("a safetensors file"),
        _ => {}
    }
    if is_text {
        return Ok(());
    }
    let start = &file[..file.len().min(START)];
    // A character may be torn where the start ends.
    let text = start.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let is_printable = |text: &str| text.chars().all(|character| !character.is_control() || character.is_whitespace());
    if text.len() + 3 >= start.len() && text.len() >= SHORTEST_TEXT && is_printable(text) {
        return other(&format!("a text that begins {:?}", shorten(text.lines().next().unwrap_or_default())));
    }
    Ok(())
}

/// Whether a header of JSON follows its own length.
fn is_safetensors(file: &[u8]) -> bool {
    let Some((length, header)) = file.split_first_chunk::<8>() else { return false };
    header.starts_with(b"{\"") && u64::from_le_bytes(*length) <= header.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(part: Part, file: &[u8]) -> String {
        check(part, file).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn files_are_named_for_what_they_are() {
        let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
        let page = b"\xEF\xBB\xBF \r\n<!DocType HTML><title>Sign in</title>";
        for part in [Part::Gguf, Part::Safetensors, Part::TokenizerJson, Part::ConfigJson, Part::ModulesJson] {
            assert!(seen(part, lfs).contains("is a Git LFS pointer"), "{part}");
            assert!(seen(part, page).contains("is a web page"), "{part}");
            assert!(seen(part, b"PK\x03\x04....").contains("zip archive"), "{part}");
            assert!(seen(part, b"<?xml version=\"1.0\"?><Error>").contains("an XML document"), "{part}");
            assert_eq!(seen(part, b""), "", "the reader says that it is cut off");
        }
        assert_eq!(seen(Part::Safetensors, b"GGUF\x03\0\0\0"), "the safetensors file is a GGUF file");
        assert_eq!(seen(Part::ConfigJson, b"GGUF\x03\0\0\0"), "config.json is a GGUF file");
        assert_eq!(seen(Part::Gguf, b"\x02\0\0\0\0\0\0\0{\"a\":1}"), "the GGUF file is a safetensors file");
        assert_eq!(seen(Part::Gguf, b"GGUF\x03\0\0\0"), "");
        let words = "the GGUF file is a text that begins \"Access to this model is restricted\"";
        assert_eq!(seen(Part::Gguf, b"Access to this model is restricted\nAsk."), words);
        assert!(seen(Part::Safetensors, br#"{"error": "Invalid credentials"}"#).contains("a text that begins"));
        assert_eq!(seen(Part::ConfigJson, br#"{"model_type": "bert"}"#), "");
        // The start of a file that was cut off, and numbers.
        assert_eq!(seen(Part::Gguf, b"GGU"), "");
        assert_eq!(seen(Part::Safetensors, &[7; 600]), "");
    }
}
