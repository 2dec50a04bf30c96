//! Sums of products of pairs of values: what a correlation needs of each task, so that tasks can be resampled.

use crate::stats::{self, Moments};

/// Sums over pairs `(x, y)`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Products {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Products {
    /// Of pairs of values; one whose `y` is not a number is left out.
    pub(crate) fn new(x: &[f64], y: &[f64]) -> Self {
        let mut products = Self::default();
        for (&x, &y) in x.iter().zip(y).filter(|(_, y)| !y.is_nan()) {
            products.add(Self { n: 1.0, x, y, xx: x * x, yy: y * y, xy: x * y }, 1.0);
        }
        products
    }

    /// Of values with these moments, each beside the same `y`.
    pub(super) fn beside(x: Moments, y: f64) -> Self {
        let n = x.count as f64;
        Self { n, x: x.sum, y: n * y, xx: x.sum_of_squares, yy: n * y * y, xy: y * x.sum }
    }

    /// Adds the sums of `other`, `weight` times.
    pub(crate) fn add(&mut self, other: Self, weight: f64) {
        self.n += weight * other.n;
        self.x += weight * other.x;
        self.y += weight * other.y;
        self.xx += weight * other.xx;
        self.yy += weight * other.yy;
        self.xy += weight * other.xy;
    }

    /// Pearson's correlation, where both sides vary.
    pub(crate) fn pearson(&self) -> Option<f64> {
        let Self { n, x, y, xx, yy, xy } = *self;
        stats::correlation(xy - x * y / n, xx - x * x / n, yy - y * y / n)
    }

    /// The root of the mean of `(x - y)^2`; none without a pair.
    pub(crate) fn rms_distance(&self) -> Option<f64> {
        let Self { n, xx, yy, xy, .. } = *self;
        (n > 0.0).then(|| ((xx - 2.0 * xy + yy) / n).max(0.0).sqrt())
    }
}
