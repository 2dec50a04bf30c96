//! ROUGE-L (Lin 2004): the longest common subsequence of words.

use super::{is_unanswerable, of_unanswerable};

/// Words as the `rouge_score` package splits them: lower case, everything but ASCII letters and digits is a space.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// ROUGE-L F-measure (beta 1) of `prediction` against `reference`, in `[0, 1]`; 0 where a side has no word.
///
/// ```
/// assert_eq!(poq_core::text::rouge::rouge_l("the cat sat", "The cat!"), 0.8);
/// ```
#[must_use]
pub fn rouge_l(prediction: &str, reference: &str) -> f64 {
    let (prediction, reference) = (words(prediction), words(reference));
    let common = longest_common_subsequence(&prediction, &reference);
    if common == 0 {
        return 0.0;
    }
    let precision = common as f64 / prediction.len() as f64;
    let recall = common as f64 / reference.len() as f64;
    2.0 * precision * recall / (precision + recall)
}

/// The best [`rouge_l`] over the references. Of an unanswerable question (every reference is blank): 1 for a blank
/// answer, else 0.
#[must_use]
pub fn best_rouge_l(prediction: &str, references: &[String]) -> f64 {
    if is_unanswerable(references) {
        return of_unanswerable(prediction);
    }
    references.iter().map(|reference| rouge_l(prediction, reference)).fold(0.0, f64::max)
}

fn longest_common_subsequence(a: &[String], b: &[String]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if x == y { diagonal + 1 } else { above.max(row[j]) };
            diagonal = above;
        }
    }
    row[b.len()]
}
