//! How well predictions go with what they predict, where several rows belong to one passage.

use serde::{Deserialize, Serialize};

use crate::prompts::Prompts;
use crate::report::Products;
use crate::stats::{Estimate, ranks};

/// Correlations of predictions with truth, each with its 95% interval over the choice of passages: Fisher's z with the
/// standard error of the jackknife that leaves out one passage at a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// How many rows were compared.
    pub rows: usize,
    /// Pearson's r; none where a side does not vary.
    pub pearson: Option<Estimate>,
    /// Spearman's rho, ties at their mean rank over all rows. The jackknife keeps the ranks.
    pub spearman: Option<Estimate>,
}

impl Agreement {
    /// Of rows that are each of a passage, numbered from 0 without a gap, with a predicted and a true value.
    ///
    /// # Panics
    /// If the slices differ in length.
    #[must_use]
    pub fn of(passages: &[u32], predicted: &[f64], truth: &[f64]) -> Self {
        assert!(passages.len() == predicted.len() && passages.len() == truth.len(), "a value of each for each row");
        let prompts = Prompts::of_one_kind(passages);
        let correlation = |x: &[f64], y: &[f64]| {
            let mut groups = vec![Products::default(); prompts.groups()];
            for ((&passage, x), y) in passages.iter().zip(x).zip(y) {
                groups[passage as usize].add(Products::new(&[*x], &[*y]), 1.0);
            }
            prompts.correlation(&groups)
        };
        Self {
            rows: passages.len(),
            pearson: correlation(predicted, truth),
            spearman: correlation(&ranks(predicted), &ranks(truth)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Agreement;
    use crate::stats::{pearson, spearman};

    #[test]
    fn the_figures_are_those_of_all_rows_and_the_intervals_those_of_passages() {
        let x: Vec<f64> = (0..40).map(|row| f64::from(row % 9)).collect();
        let y: Vec<f64> = (0..40).map(|row| f64::from((row * 5 + 2) % 9) + f64::from(row % 9)).collect();
        let passages: Vec<u32> = (0..40).map(|row| row / 4).collect();
        let Agreement { rows, pearson: r, spearman: rho } = Agreement::of(&passages, &x, &y);
        let (r, rho) = (r.expect("it varies"), rho.expect("it varies"));
        assert_eq!(rows, 40);
        assert!((r.value - pearson(&x, &y).expect("it varies")).abs() < 1e-12);
        assert!((rho.value - spearman(&x, &y).expect("it varies")).abs() < 1e-12);
        for estimate in [r, rho] {
            let [low, high] = estimate.ci95.expect("ten passages");
            assert!(low < estimate.value && estimate.value < high);
        }
        // Each row four times over in its passage: no more is known.
        let four = |values: &[f64]| -> Vec<f64> { values.iter().flat_map(|&value| [value; 4]).collect() };
        let of_four: Vec<u32> = passages.iter().flat_map(|&passage| [passage; 4]).collect();
        let again = Agreement::of(&of_four, &four(&x), &four(&y)).pearson.expect("it varies");
        let (one, more) = (r.ci95.expect("ten passages"), again.ci95.expect("ten passages"));
        assert!((one[0] - more[0]).abs() < 1e-9 && (one[1] - more[1]).abs() < 1e-9);
    }

    #[test]
    fn what_does_not_vary_has_no_correlation() {
        let Agreement { pearson, spearman, .. } = Agreement::of(&[0, 1, 2], &[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]);
        assert_eq!((pearson, spearman), (None, None));
    }
}
