//! Extractive baselines: answers made of the context's own words, by inference nodes that need no neural network.

use std::collections::{HashMap, HashSet};

use crate::dataset::TaskKind;

/// Sentences of a summary.
const SUMMARY_SENTENCES: usize = 2;

/// Words too frequent to say what a text is about.
const STOP_WORDS: [&str; 48] = [
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "did", "do", "does", "for", "from", "had", "has",
    "have", "how", "in", "is", "it", "its", "many", "much", "not", "of", "on", "or", "that", "the", "their", "they",
    "this", "to", "was", "were", "what", "when", "where", "which", "who", "whom", "why", "will", "with", "would",
    "than",
];

/// The lead baseline: the first sentence of `context` for a question, the first two for a summary.
#[must_use]
pub fn lead(context: &str, kind: TaskKind) -> String {
    let count = match kind {
        TaskKind::Qa => 1,
        TaskKind::Summarization => SUMMARY_SENTENCES,
    };
    sentences(context).into_iter().take(count).collect::<Vec<_>>().join(" ")
}

/// The keyword baseline. For a question: from the sentence that shares most words with it, the longest run of words
/// that are not in the question. For a summary: the two sentences whose words are the most frequent in the article
/// (after SumBasic, Nenkova and Vanderwende 2005), in the article's order.
#[must_use]
pub fn keyword(prompt: &str, context: &str, kind: TaskKind) -> String {
    match kind {
        TaskKind::Qa => keyword_span(prompt, context),
        TaskKind::Summarization => frequent_sentences(context).join(" "),
    }
}

fn keyword_span(question: &str, context: &str) -> String {
    let asked: HashSet<String> = content_words(question).collect();
    let overlap = |sentence: &&str| content_words(sentence).collect::<HashSet<_>>().intersection(&asked).count();
    let sentences = sentences(context);
    // The first of equals: `max_by_key` would take the last.
    let Some(best) = sentences.iter().rev().max_by_key(|sentence| overlap(sentence)) else {
        return String::new();
    };
    let words: Vec<&str> = best.split_whitespace().collect();
    let is_new = |word: &&str| {
        let word = bare(word);
        !word.is_empty() && !asked.contains(&word) && !STOP_WORDS.contains(&word.as_str())
    };
    let mut longest: &[&str] = &[];
    for run in words.chunk_by(|a, b| is_new(a) == is_new(b)) {
        if run.first().is_some_and(is_new) && run.len() > longest.len() {
            longest = run;
        }
    }
    longest.join(" ").trim_matches(|c: char| !c.is_alphanumeric()).to_owned()
}

fn frequent_sentences(article: &str) -> Vec<&str> {
    let mut frequency: HashMap<String, f64> = HashMap::new();
    for word in content_words(article) {
        *frequency.entry(word).or_default() += 1.0;
    }
    let sentences = sentences(article);
    let mut left: Vec<usize> = (0..sentences.len()).collect();
    let mut chosen = Vec::new();
    while chosen.len() < SUMMARY_SENTENCES && !left.is_empty() {
        let weight = |&index: &usize| {
            let words: Vec<String> = content_words(sentences[index]).collect();
            words.iter().map(|word| frequency.get(word).copied().unwrap_or(0.0)).sum::<f64>()
                / words.len().max(1) as f64
        };
        let Some(best) = left.iter().copied().rev().max_by(|a, b| weight(a).total_cmp(&weight(b))) else { break };
        left.retain(|&index| index != best);
        // Words that are said already count less for the next sentence.
        for word in content_words(sentences[best]).collect::<HashSet<_>>() {
            frequency.entry(word).and_modify(|count| *count *= 0.25);
        }
        chosen.push(best);
    }
    chosen.sort_unstable();
    chosen.into_iter().map(|index| sentences[index]).collect()
}

/// Sentences: ended by `.`, `!` or `?` (with closing quotes) before white space and anything but a lower-case letter.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut ended = false;
    for (at, c) in text.char_indices() {
        match c {
            '.' | '!' | '?' => ended = true,
            '"' | '\'' | '”' | '’' | ')' => {}
            c if c.is_whitespace() && ended => {
                let next = text[at..].trim_start().chars().next();
                if next.is_none_or(|next| !next.is_lowercase()) {
                    sentences.push(text[start..at].trim());
                    start = at;
                }
                ended = false;
            }
            _ => ended = false,
        }
    }
    sentences.push(text[start..].trim());
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

fn content_words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(bare).filter(|word| !word.is_empty() && !STOP_WORDS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSAGE: &str =
        "The mill stands by the river. It was built in 1820 by Anna Berg, a widow. Does it still run? Yes.";

    #[test]
    fn the_lead_is_the_first_sentence() {
        assert_eq!(lead(PASSAGE, TaskKind::Qa), "The mill stands by the river.");
        assert_eq!(lead("no end", TaskKind::Summarization), "no end");
        assert_eq!(lead("", TaskKind::Qa), "");
    }

    #[test]
    fn the_keyword_span_leaves_the_question_out() {
        assert_eq!(keyword("Who built the mill, and was it built in 1820?", PASSAGE, TaskKind::Qa), "Anna Berg");
        assert_eq!(keyword("Anything?", "", TaskKind::Qa), "");
    }

    #[test]
    fn a_summary_has_two_sentences_in_order() {
        let article = "Bees dance. Cars are red. Bees dance to tell bees where flowers are. Flowers feed bees.";
        let summary = keyword("Summarize.", article, TaskKind::Summarization);
        assert_eq!(sentences(&summary).len(), 2);
        assert!(summary.contains("Bees dance") && !summary.contains("Cars"));
    }

    #[test]
    fn an_abbreviation_before_a_small_letter_ends_no_sentence() {
        assert_eq!(sentences("He ran approx. two miles. \"Why?\" Nobody knew.").len(), 3);
    }
}
