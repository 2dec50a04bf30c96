//! From tokens to text as they come: a character may take several tokens.

use crate::error::ModelError;
use crate::tokenizer::vocabulary::DecoderTokenizer;

/// Collects the bytes of tokens and gives them out as soon as they are whole characters.
#[derive(Default)]
pub(super) struct TextStream {
    pending: Vec<u8>,
}

impl TextStream {
    /// Takes one token, gives the text that is complete with it. Bytes that can never become UTF-8 become U+FFFD.
    pub(super) fn push(&mut self, id: u32, tokenizer: &DecoderTokenizer) -> Result<String, ModelError> {
        tokenizer.push_bytes(id, &mut self.pending)?;
        Ok(self.take(false))
    }

    /// What is left at the end: a character that was begun becomes U+FFFD.
    pub(super) fn finish(mut self) -> String {
        self.take(true)
    }

    fn take(&mut self, at_end: bool) -> String {
        let mut text = String::new();
        let mut kept = Vec::new();
        let mut chunks = self.pending.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let broken = chunk.invalid();
            if broken.is_empty() {
                continue;
            }
            let may_continue = chunks.peek().is_none() && !at_end && is_begun(broken);
            if may_continue {
                kept = broken.to_vec();
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.pending = kept;
        text
    }
}

/// Whether more bytes could make these a character.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::TextStream;

    fn pieces(parts: &[&[u8]]) -> (Vec<String>, String) {
        let mut stream = TextStream::default();
        let mut pieces = Vec::new();
        for part in parts {
            stream.pending.extend_from_slice(part);
            pieces.push(stream.take(false));
        }
        (pieces, stream.finish())
    }

    #[test]
    fn a_character_comes_out_once_and_whole() {
        assert_eq!(pieces(&[b"a\xF0\x9F", b"\x98", b"\x80b"]), (vec!["a".into(), "".into(), "😀b".into()], "".into()));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_at_once_and_a_torn_end_at_the_end() {
        assert_eq!(pieces(&[b"\xFFa", b"\xC3"]), (vec!["\u{FFFD}a".into(), "".into()], "\u{FFFD}".into()));
        assert_eq!(pieces(&[b"\xC3", b"a"]), (vec!["".into(), "\u{FFFD}a".into()], "".into()));
    }
}
