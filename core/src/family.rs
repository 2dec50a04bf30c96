//! Many findings told at once: how sure the surest of them are.
//!
//! Of a hundred differences that are none, five have a 95% interval without 0. So findings that are told together are
//! corrected as a family by Holm's method (Holm 1979): with 95% no finding of the family is told that is not so,
//! however the findings hang together.

use crate::stats::{Interval, student_t_975};

/// A finding is told where its corrected p value is no more than this: with 95%, none of a family is told wrongly.
pub(crate) const LEVEL: f64 = 0.05;
/// Fisher's z of a correlation of 1 is infinite.
const ALMOST_ONE: f64 = 1.0 - 1e-12;
/// Terms of a continued fraction at most; a dozen do for the arguments that there are.
const TERMS: u32 = 500;

/// The two-sided p value of an estimate that is `distance` from the bound in question, where the half of its 95%
/// interval on that side is `half_width` wide: by Student's t with so many degrees of freedom, or by the normal
/// distribution. 1 at the bound itself.
#[must_use]
pub(crate) fn p_value(distance: f64, half_width: f64, degrees: Option<u64>) -> f64 {
    if distance <= 0.0 {
        return 1.0;
    }
    // Without any width the estimate is exact, and its ratio infinite.
    let ratio = distance / half_width.max(0.0);
    match degrees {
        None => libm::erfc(ratio * Z_975 / core::f64::consts::SQRT_2),
        Some(0) => 1.0,
        Some(degrees) => student_t_two_sided(ratio * student_t_975(degrees), degrees as f64),
    }
}

/// The p value of an estimate with that 95% interval for lying on its side of the nearer of two bounds.
#[must_use]
pub(crate) fn p_of_side(
    value: f64,
    [low, high]: Interval,
    above: Option<f64>,
    below: Option<f64>,
    degrees: Option<u64>,
) -> f64 {
    let side = |bound: f64| {
        let half_width = if value > bound { value - low } else { high - value };
        p_value((value - bound).abs(), half_width, degrees)
    };
    let is_within = above.is_none_or(|bound| value > bound) && below.is_none_or(|bound| value < bound);
    let p_values = [above, below].into_iter().flatten();
    if is_within {
        // Both bounds must be kept.
        return p_values.map(side).fold(0.0, f64::max);
    }
    // One broken bound is enough.
    let broken = p_values.filter(|&bound| (above == Some(bound)) == (value <= bound));
    broken.map(side).fold(1.0, f64::min)
}

/// The p value of a correlation with that interval for its sign. On the scale of Fisher's z, where the ends of the
/// interval are about as far from the estimate on both sides.
#[must_use]
pub(crate) fn p_of_correlation(pearson: f64, ci95: Interval) -> f64 {
    let z = |r: f64| libm::atanh(r.clamp(-ALMOST_ONE, ALMOST_ONE));
    p_of_side(z(pearson), ci95.map(z), Some(0.0), None, None)
}

/// By p value, where there is one: what it is corrected to (Holm), so that it is to be held against [`LEVEL`].
#[must_use]
pub(crate) fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut sorted: Vec<(f64, usize)> =
        p_values.iter().enumerate().filter_map(|(index, p)| p.map(|p| (p, index))).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut corrected = vec![None; p_values.len()];
    let mut largest: f64 = 0.0;
    for (place, &(p, index)) in sorted.iter().enumerate() {
        largest = largest.max((p * (sorted.len() - place) as f64).min(1.0));
        corrected[index] = Some(largest);
    }
    corrected
}

/// The 0.975 quantile of the standard normal distribution.
const Z_975: f64 = 1.959_963_984_540_054;

/// The chance of a Student's t that is further from 0 than `t`.
fn student_t_two_sided(t: f64, degrees: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    incomplete_beta(degrees / (degrees + t * t), 0.5 * degrees, 0.5)
}

/// The regularised incomplete beta function (Abramowitz and Stegun 26.5.8, by Lentz's method).
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast on this side of the mean alone.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let scale = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x);
    let (mut fraction, mut c, mut d) = (1.0, 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0)));
    fraction *= d;
    for m in (1..TERMS).map(f64::from) {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut step = 1.0;
        for term in [even, odd] {
            d = 1.0 / (1.0 + term * d);
            c = 1.0 + term / c;
            step = c * d;
            fraction *= step;
        }
        if (step - 1.0).abs() < 1e-15 {
            break;
        }
    }
    libm::exp(scale) * fraction / a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-9 * want.max(1e-3), "{got} is not {want}");
    }

    /// Closed forms: one degree of freedom is Cauchy's distribution, two have `1 - t / sqrt(2 + t^2)`, and the four of
    /// the table's 2.776.
    #[test]
    fn tails_of_students_t_are_those_of_their_closed_forms() {
        for t in [0.1, 0.7, 1.0, 2.5, 12.706_204_736_432_095, 400.0_f64] {
            close(student_t_two_sided(t, 1.0), 1.0 - 2.0 / core::f64::consts::PI * libm::atan(t));
            close(student_t_two_sided(t, 2.0), 1.0 - t / (2.0 + t * t).sqrt());
        }
        close(student_t_two_sided(2.776_445_105_197_793, 4.0), 0.05);
        assert_eq!(student_t_two_sided(f64::INFINITY, 9.0), 0.0);
        assert_eq!(student_t_two_sided(0.0, 9.0), 1.0);
    }

    /// An interval that ends at the bound has a p value of 5%, whatever it is made from.
    #[test]
    fn the_end_of_a_95_percent_interval_is_at_5_percent() {
        close(p_value(2.0, 2.0, None), 0.05);
        // The quantile of `stats` is an expansion, good to 0.2%.
        for degrees in [1, 4, 9, 200] {
            assert!((p_value(0.3, 0.3, Some(degrees)) - 0.05).abs() < 2e-4, "{degrees}");
        }
        assert_eq!(p_value(0.0, 1.0, None), 1.0);
        assert_eq!(p_value(1.0, 0.0, Some(9)), 0.0);
        assert_eq!(p_value(1.0, 1.0, Some(0)), 1.0, "a single seed");
    }

    #[test]
    fn a_side_is_as_sure_as_its_nearest_bound() {
        let p = |value, above, below| p_of_side(value, [value - 1.0, value + 2.0], above, below, None);
        close(p(3.0, Some(2.0), None), 0.05);
        close(p(0.0, Some(2.0), None), 0.05);
        close(p(3.0, Some(2.0), Some(50.0)), 0.05);
        close(p(3.0, Some(-50.0), Some(5.0)), 0.05);
        // Beyond the upper bound by one half width.
        close(p(4.0, Some(-50.0), Some(3.0)), 0.05);
        assert_eq!(p(2.0, Some(2.0), None), 1.0);
        assert_eq!(p_of_side(1.0, [1.0, 1.0], Some(0.5), None, Some(9)), 0.0);
    }

    #[test]
    fn the_sign_of_a_correlation() {
        assert_eq!(p_of_correlation(1.0, [1.0, 1.0]), 0.0);
        close(p_of_correlation(-0.4, [-0.7, 0.0]), 0.05);
        assert!(p_of_correlation(0.4, [0.1, 0.6]) < 0.05 && p_of_correlation(0.4, [-0.1, 0.7]) > 0.05);
        assert_eq!(p_of_correlation(0.0, [-0.1, 0.1]), 1.0);
    }

    /// By hand: 0.01, 0.02, 0.03 and 0.04 by 4, 3, 2 and 1, never falling.
    #[test]
    fn holm_by_hand() {
        let got = holm(&[Some(0.03), None, Some(0.01), Some(0.04), Some(0.02)]);
        let want = [Some(0.06), None, Some(0.04), Some(0.06), Some(0.06)];
        for (got, want) in got.iter().zip(want) {
            assert_eq!(got.is_some(), want.is_some());
            close(got.unwrap_or(0.0), want.unwrap_or(0.0));
        }
        assert_eq!(holm(&[Some(0.7), Some(0.9)]), [Some(1.0), Some(1.0)]);
        assert_eq!(holm(&[]), []);
    }
}
