//! Token F1 and exact match with SQuAD's normalisation, equal to the official evaluation script of SQuAD 2.0
//! (Rajpurkar, Jia, Liang 2018).

use std::collections::HashMap;

use unicode_general_category::{GeneralCategory, get_general_category};

/// The script's normalisation: lower case, no ASCII punctuation, no articles (a, an, the), single spaces.
#[must_use]
pub fn normalize_answer(text: &str) -> String {
    let no_punctuation: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let mut spaced = String::with_capacity(no_punctuation.len());
    let mut word = String::new();
    for c in no_punctuation.chars() {
        if is_word(c) {
            word.push(c);
        } else {
            push_unless_article(&mut spaced, &word);
            word.clear();
            spaced.push(c);
        }
    }
    push_unless_article(&mut spaced, &word);
    let tokens: Vec<&str> = spaced.split(is_python_space).filter(|token| !token.is_empty()).collect();
    tokens.join(" ")
}

fn push_unless_article(text: &mut String, word: &str) {
    text.push_str(if matches!(word, "a" | "an" | "the") { " " } else { word });
}

/// Python's `\w`: `str.isalnum` (letters and numbers by general category) or an underscore. Rust's `is_alphanumeric`
/// also counts vowel signs, which would move the script's word boundaries.
fn is_word(c: char) -> bool {
    use GeneralCategory as C;
    c == '_'
        || matches!(
            get_general_category(c),
            C::UppercaseLetter
                | C::LowercaseLetter
                | C::TitlecaseLetter
                | C::ModifierLetter
                | C::OtherLetter
                | C::DecimalNumber
                | C::LetterNumber
                | C::OtherNumber
        )
}

/// Python's `str.split()` also splits at the four ASCII separators.
pub(super) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Token F1 of `prediction` against `reference`, in `[0, 1]`; where a side has no token, 1 if both have none.
///
/// ```
/// use poq_core::text::squad::f1;
/// assert_eq!(f1("The Cat sat.", "cat sat"), 1.0);
/// assert_eq!(f1("", "an"), 1.0);
/// ```
#[must_use]
pub fn f1(prediction: &str, reference: &str) -> f64 {
    let (prediction, reference) = (normalize_answer(prediction), normalize_answer(reference));
    let predicted: Vec<&str> = prediction.split(' ').filter(|token| !token.is_empty()).collect();
    let gold: Vec<&str> = reference.split(' ').filter(|token| !token.is_empty()).collect();
    if predicted.is_empty() || gold.is_empty() {
        return f64::from(u8::from(predicted.is_empty() && gold.is_empty()));
    }
    let mut left: HashMap<&str, u32> = HashMap::new();
    for token in &gold {
        *left.entry(token).or_default() += 1;
    }
    let mut common = 0_u32;
    for token in &predicted {
        if let Some(count) = left.get_mut(token).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    if common == 0 {
        return 0.0;
    }
    let precision = f64::from(common) / predicted.len() as f64;
    let recall = f64::from(common) / gold.len() as f64;
    2.0 * precision * recall / (precision + recall)
}

/// Whether the normalised texts are equal.
#[must_use]
pub fn exact_match(prediction: &str, reference: &str) -> bool {
    normalize_answer(prediction) == normalize_answer(reference)
}

/// The references that count: the script leaves out those that normalise to nothing, and takes the empty text where
/// none is left.
fn counting(references: &[String]) -> Vec<&str> {
    let kept: Vec<&str> =
        references.iter().map(String::as_str).filter(|text| !normalize_answer(text).is_empty()).collect();
    if kept.is_empty() { vec![""] } else { kept }
}

/// The best [`f1`] over the references, in `[0, 1]`.
#[must_use]
pub fn best_f1(prediction: &str, references: &[String]) -> f64 {
    counting(references).into_iter().map(|reference| f1(prediction, reference)).fold(0.0, f64::max)
}

/// Whether any reference is an [`exact_match`].
#[must_use]
pub fn any_exact_match(prediction: &str, references: &[String]) -> bool {
    counting(references).into_iter().any(|reference| exact_match(prediction, reference))
}
