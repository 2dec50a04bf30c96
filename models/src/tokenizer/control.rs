//! Control tokens, which only a model's own chat template makes: what a message says is text, whatever it looks like.
//!
//! Whoever answers, asks or is quoted would otherwise end a turn, or begin one in another's name, by writing
//! `<|im_end|>`.

use std::collections::BTreeSet;

use crate::error::ModelError;

/// Where stand-ins are taken from: the last plane of characters for private use.
const PRIVATE: std::ops::RangeInclusive<u32> = 0x10_0000..=0x10_FFFD;

/// A vocabulary's control tokens by their text.
pub(crate) struct ControlTokens {
    /// In the order of their bytes; none is empty.
    tokens: Vec<(String, u32)>,
    /// All characters of theirs, in order.
    alphabet: Vec<char>,
}

/// A part of a text that a template made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text.
    Text(&'a str),
    /// A control token.
    Control(u32),
}

/// Characters that stand for those of control tokens while a template works on what people wrote.
#[derive(Debug, Clone)]
pub(crate) struct Veil<'a> {
    alphabet: &'a [char],
    /// What stands for the first character of the alphabet; the others follow.
    first: u32,
}

/// What a template made of messages.
pub(crate) struct Rendered<'a> {
    /// The text, with stand-ins for what in the messages looks like a control token.
    pub text: String,
    /// What takes the stand-ins away again.
    pub veil: Veil<'a>,
}

impl ControlTokens {
    pub(crate) fn new(tokens: impl Iterator<Item = (String, u32)>) -> Self {
        let mut tokens: Vec<(String, u32)> = tokens.filter(|(text, _)| !text.is_empty()).collect();
        tokens.sort_unstable();
        tokens.dedup();
        let alphabet: BTreeSet<char> = tokens.iter().flat_map(|(text, _)| text.chars()).collect();
        Self { tokens, alphabet: alphabet.into_iter().collect() }
    }

    /// Those that `text` begins with.
    fn beginning<'s>(&'s self, text: &'s str) -> impl Iterator<Item = &'s (String, u32)> {
        let first = text.as_bytes().first().copied();
        let start = self.tokens.partition_point(|(token, _)| token.as_bytes().first().copied() < first);
        let same = self.tokens[start..].iter().take_while(move |(token, _)| token.as_bytes().first().copied() == first);
        same.filter(|(token, _)| text.starts_with(token.as_str()))
    }

    /// The parts of a text, of which the leftmost and there the longest control tokens are some.
    pub(crate) fn split<'a>(&self, text: &'a str) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let (mut begun, mut rest) = (text, text);
        while let Some(character) = rest.chars().next() {
            let Some((token, id)) = self.beginning(rest).max_by_key(|(token, _)| token.len()) else {
                rest = &rest[character.len_utf8()..];
                continue;
            };
            let before = &begun[..begun.len() - rest.len()];
            if !before.is_empty() {
                pieces.push(Piece::Text(before));
            }
            pieces.push(Piece::Control(*id));
            rest = &rest[token.len()..];
            begun = rest;
        }
        if !begun.is_empty() {
            pieces.push(Piece::Text(begun));
        }
        pieces
    }

    /// Stand-ins that occur in none of `texts`.
    ///
    /// # Errors
    /// Texts that use up the characters for private use.
    pub(crate) fn veil<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Result<Veil<'_>, ModelError> {
        let used: BTreeSet<u32> =
            texts.flat_map(str::chars).map(u32::from).filter(|code| PRIVATE.contains(code)).collect();
        let mut first = *PRIVATE.start();
        for code in used.into_iter().chain([*PRIVATE.end() + 1]) {
            if (code - first) as usize >= self.alphabet.len() {
                return Ok(Veil { alphabet: &self.alphabet, first });
            }
            first = code + 1;
        }
        let allowed = "text that leaves some characters for private use (from U+100000 on) free";
        Err(ModelError::argument("messages", "text with nearly all of them", allowed))
    }

    /// `text` with stand-ins in each place where it is a control token, or could be a part of one that begins or ends
    /// outside of it. All else is as it was.
    pub(crate) fn veiled(&self, text: &str, veil: &Veil<'_>) -> String {
        let mut places = BTreeSet::new();
        for (at, _) in text.char_indices() {
            if self.beginning(&text[at..]).next().is_some() {
                places.insert(at);
            }
        }
        for (token, _) in &self.tokens {
            for (cut, _) in token.char_indices().skip(1) {
                let (head, tail) = token.split_at(cut);
                if text.ends_with(head) {
                    places.insert(text.len() - head.len());
                }
                if text.starts_with(tail) || (!text.is_empty() && tail.starts_with(text)) {
                    places.insert(0);
                }
            }
        }
        let veil_at = |(at, character): (usize, char)| match places.contains(&at) {
            true => veil.cover(character),
            false => character,
        };
        text.char_indices().map(veil_at).collect()
    }
}

impl Veil<'_> {
    fn cover(&self, character: char) -> char {
        let place = self.alphabet.binary_search(&character).ok();
        place.and_then(|place| char::from_u32(self.first + place as u32)).unwrap_or(character)
    }

    /// The text that was written, of one with stand-ins.
    pub(crate) fn lifted(&self, text: &str) -> String {
        let lift = |character: char| {
            let place =
                u32::from(character).checked_sub(self.first).and_then(|place| self.alphabet.get(place as usize));
            place.copied().unwrap_or(character)
        };
        text.chars().map(lift).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(texts: &[&str]) -> ControlTokens {
        ControlTokens::new(texts.iter().map(|text| (*text).to_owned()).zip(0..))
    }

    #[test]
    fn the_leftmost_and_longest_control_tokens_are_found() {
        let tokens = tokens(&["<s>", "<s>>", "</s>", "é|", ""]);
        assert_eq!(
            tokens.split("a<s>>b</s><s>é|é"),
            [
                Piece::Text("a"),
                Piece::Control(1),
                Piece::Text("b"),
                Piece::Control(2),
                Piece::Control(0),
                Piece::Control(3),
                Piece::Text("é")
            ]
        );
        assert_eq!(tokens.split("<s"), [Piece::Text("<s")]);
        assert_eq!(tokens.split(""), []);
    }

    /// Whatever stands before and after, nothing of what was written is a control token, and all of it comes back.
    #[test]
    fn what_was_written_makes_no_control_token() -> Result<(), ModelError> {
        let tokens = tokens(&["<|im_end|>", "<s>", "aXa", "\u{7}", "日本"]);
        let written = [
            "<|im_end|>",
            "a <s><s> b",
            "aXaXa",
            "\u{7}",
            "<|im_",
            "end|>",
            "|",
            "日",
            "本",
            "",
            ">",
            "plain 🙂",
            "\u{100000}<s>",
        ];
        for text in written {
            for (before, after) in
                [("", ""), ("<|im_", ""), ("", "end|>"), ("<|im_end", ">"), ("aX", "Xa"), ("日", "本")]
            {
                // Before and after make a token by themselves where nothing stands between.
                if text.is_empty() {
                    continue;
                }
                let veil = tokens.veil([text, before, after].into_iter())?;
                let veiled = tokens.veiled(text, &veil);
                assert_eq!(veil.lifted(&veiled), text);
                assert_eq!(veiled.chars().count(), text.chars().count());
                let whole = format!("{before}{veiled}{after}");
                let own = tokens.split(before).len() + tokens.split(after).len();
                let seen = tokens.split(&whole);
                assert!(own > 2 || seen.iter().all(|piece| matches!(piece, Piece::Text(_))), "{whole:?}: {seen:?}");
            }
            // Beside another's words too.
            for other in written {
                let veil = tokens.veil([text, other].into_iter())?;
                let whole = tokens.veiled(text, &veil) + &tokens.veiled(other, &veil);
                assert_eq!(tokens.split(&whole).len(), usize::from(!whole.is_empty()), "{text:?}, {other:?}");
            }
        }
        let veil = tokens.veil(["plain words"].into_iter())?;
        assert_eq!(tokens.veiled("plain words <b>", &veil), "plain words <b>");
        Ok(())
    }

    #[test]
    fn stand_ins_are_characters_that_nobody_wrote() -> Result<(), ModelError> {
        let tokens = tokens(&["<s>"]);
        let all: String = PRIVATE.filter_map(char::from_u32).collect();
        assert!(tokens.veil([all.as_str()].into_iter()).is_err());
        let free = all.replace(['\u{100100}', '\u{100101}', '\u{100102}'], "");
        let veil = tokens.veil([free.as_str()].into_iter())?;
        assert_eq!(veil.first, 0x10_0100);
        Ok(())
    }
}
