//! A structure heuristic: is this the shape of an answer? Length, repetition and format, without any reference.

use std::collections::HashSet;

use crate::dataset::TaskKind;

/// How well-formed `answer` is for a task of `kind`, in `[0, 1]`: the product of three parts in `[0, 1]`.
///
/// - length: 1 within the words one expects (1 to 15 for an answer, 25 to 90 for a summary), falling in proportion
///   outside;
/// - repetition: the share of distinct word trigrams (1 where there are none);
/// - format: 1, less 0.25 for each of: markup or list marks, no end of sentence in a summary, an opening that talks about
///   the task ("Sure", "Here is", "The article").
///
/// Assumed throughout: the multi-dimensional quality paper (arXiv 2603.04028) names such a part but gives no formula.
#[must_use]
pub fn structure(answer: &str, kind: TaskKind) -> f64 {
    let words: Vec<&str> = answer.split_whitespace().collect();
    if words.is_empty() {
        return 0.0;
    }
    length(words.len(), kind) * distinct_trigrams(&words) * format(answer.trim(), kind)
}

fn length(words: usize, kind: TaskKind) -> f64 {
    let (low, high) = match kind {
        TaskKind::Qa => (1.0, 15.0),
        TaskKind::Summarization => (25.0, 90.0),
    };
    let words = words as f64;
    (words / low).min(high / words).min(1.0)
}

fn distinct_trigrams(words: &[&str]) -> f64 {
    let trigrams: Vec<&[&str]> = words.windows(3).collect();
    if trigrams.is_empty() {
        return 1.0;
    }
    let distinct: HashSet<&[&str]> = trigrams.iter().copied().collect();
    distinct.len() as f64 / trigrams.len() as f64
}

fn format(answer: &str, kind: TaskKind) -> f64 {
    const MARKUP: [&str; 5] = ["**", "```", "\n- ", "\n* ", "#"];
    const OPENINGS: [&str; 5] = ["sure", "here is", "here's", "the article", "this article"];
    let lower = answer.to_lowercase();
    let faults = [
        MARKUP.iter().any(|mark| answer.contains(mark)),
        kind == TaskKind::Summarization && !answer.ends_with(['.', '!', '?', '"']),
        OPENINGS.iter().any(|opening| lower.starts_with(opening)),
    ];
    1.0 - 0.25 * faults.iter().filter(|&&fault| fault).count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_answer_is_well_formed_and_a_loop_is_not() {
        assert_eq!(structure("Rollo", TaskKind::Qa), 1.0);
        assert_eq!(structure("  ", TaskKind::Qa), 0.0);
        assert!(structure(&"it is so ".repeat(30), TaskKind::Summarization) < 0.05);
        assert!(structure("Sure, Rollo", TaskKind::Qa) < 1.0);
    }

    #[test]
    fn length_falls_off_on_both_sides() {
        assert_eq!(length(5, TaskKind::Summarization), 0.2);
        assert_eq!(length(180, TaskKind::Summarization), 0.5);
        assert_eq!(length(30, TaskKind::Qa), 0.5);
    }
}
