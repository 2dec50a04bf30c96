//! chrF (Popović 2015): F-score of character n-grams, with sacreBLEU's settings (n up to 6, beta 2, no spaces).

use std::collections::HashMap;

use super::squad::is_python_space;
use super::{is_unanswerable, of_unanswerable};

const MAX_ORDER: usize = 6;
const BETA_SQUARED: f64 = 4.0;

/// chrF of `prediction` against `reference`, in `[0, 1]`; 0 where a side has no character.
///
/// ```
/// assert_eq!(poq_core::text::chrf::chrf("a b", "ab"), 1.0);
/// ```
#[must_use]
pub fn chrf(prediction: &str, reference: &str) -> f64 {
    let prediction: Vec<char> = prediction.chars().filter(|c| !is_python_space(*c)).collect();
    let reference: Vec<char> = reference.chars().filter(|c| !is_python_space(*c)).collect();
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for order in 1..=MAX_ORDER {
        let (predicted, gold) = (ngrams(&prediction, order), ngrams(&reference, order));
        let total = |counts: &HashMap<&[char], u32>| counts.values().map(|&count| u64::from(count)).sum::<u64>();
        let (predicted_total, gold_total) = (total(&predicted), total(&gold));
        // An order that one side is too short for does not count (sacreBLEU's effective order).
        if predicted_total == 0 || gold_total == 0 {
            continue;
        }
        let common: u64 =
            predicted.iter().map(|(gram, &count)| u64::from(count.min(gold.get(gram).copied().unwrap_or(0)))).sum();
        precision += common as f64 / predicted_total as f64;
        recall += common as f64 / gold_total as f64;
        orders += 1.0;
    }
    if precision + recall == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (precision / orders, recall / orders);
    (1.0 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall)
}

/// The best [`chrf`] over the references. Of an unanswerable question (every reference is blank): 1 for a blank answer,
/// else 0.
#[must_use]
pub fn best_chrf(prediction: &str, references: &[String]) -> f64 {
    if is_unanswerable(references) {
        return of_unanswerable(prediction);
    }
    references.iter().map(|reference| chrf(prediction, reference)).fold(0.0, f64::max)
}

fn ngrams(characters: &[char], order: usize) -> HashMap<&[char], u32> {
    let mut counts = HashMap::new();
    for gram in characters.windows(order) {
        *counts.entry(gram).or_default() += 1;
    }
    counts
}
