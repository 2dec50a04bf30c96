//! Several questions at once: of twenty intervals at 95% one misses by luck alone, so that the answers of a family
//! are held to a level that is right for all of them together.

use crate::stats::{self, Interval, Spread, student_t_975};

/// How often a family of questions of which none has an effect may show one.
pub const LEVEL: f64 = 0.05;
/// Fisher's z of a correlation of 1 is infinite.
const ALMOST_ONE: f64 = 1.0 - 1e-12;
/// Degrees of freedom from which Student's t is taken to be what it is there: the two differ by less than 0.01%.
const MOST_DEGREES: u64 = 10_000;

/// With which probability a Student's t of so many degrees of freedom is at least as far from 0 as `t` (Abramowitz
/// and Stegun 26.7.3 and 26.7.4; what is below 1e-15 is rounding); 1 without degrees of freedom.
#[must_use]
pub fn student_t_two_sided(t: f64, degrees: u64) -> f64 {
    if degrees == 0 || t.is_nan() {
        return 1.0;
    }
    let degrees = degrees.min(MOST_DEGREES);
    let angle = libm::atan2(t.abs(), (degrees as f64).sqrt());
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    let is_odd = degrees % 2 == 1;
    // The series: each term is the last times cos^2 and a ratio of neighbouring numbers.
    let mut term = if is_odd { cos } else { 1.0 };
    let mut sum = 0.0;
    let mut number = if is_odd { 1 } else { 0 };
    while number + 2 <= degrees {
        sum += term;
        number += 2;
        term *= cos * cos * (number - 1) as f64 / number as f64;
    }
    let within = if is_odd { std::f64::consts::FRAC_2_PI * (angle + sin * sum) } else { sin * sum };
    (1.0 - within).clamp(0.0, 1.0)
}

impl Spread {
    /// How probable an estimate at least so far from 0, either way, would be if 0 were true (Student's t); 1 for an
    /// estimate of 0.
    #[must_use]
    pub fn p_value(self, estimate: f64) -> f64 {
        if estimate == 0.0 { 1.0 } else { student_t_two_sided(estimate.abs() / self.error, self.degrees) }
    }
}

/// The distance from 0 that a Student's t of so many degrees of freedom reaches or exceeds with that probability, in
/// `(0, 1)`, to nine digits; infinite without degrees of freedom.
#[must_use]
pub fn student_t_quantile(two_sided: f64, degrees: u64) -> f64 {
    if degrees == 0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while student_t_two_sided(high, degrees) > two_sided && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if student_t_two_sided(middle, degrees) > two_sided { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The p-values of a family after Holm's correction (Scandinavian Journal of Statistics 6, 1979): where those up to a
/// level are taken for effects, the chance that any of them is none is at most that level, however they depend on
/// each other.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut corrected = vec![1.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (place, index) in order.into_iter().enumerate() {
        largest = largest.max(p_values[index] * (p_values.len() - place) as f64).min(1.0);
        corrected[index] = largest;
    }
    corrected
}

/// The same where some have no p value.
#[must_use]
pub(crate) fn holm_of_known(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut corrected = holm(&p_values.iter().copied().flatten().collect::<Vec<_>>()).into_iter();
    p_values.iter().map(|p_value| p_value.and_then(|_| corrected.next())).collect()
}

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
        None => libm::erfc(ratio * stats::Z_975 / core::f64::consts::SQRT_2),
        Some(0) => 1.0,
        Some(degrees) => student_t_two_sided(ratio * student_t_975(degrees), degrees),
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

/// The p value of a correlation with that interval, made with so many degrees of freedom, for its sign. On the scale of
/// Fisher's z, where the ends of the interval are about as far from the estimate on both sides.
#[must_use]
pub(crate) fn p_of_correlation(pearson: f64, ci95: Interval, degrees: Option<u64>) -> f64 {
    let z = |r: f64| libm::atanh(r.clamp(-ALMOST_ONE, ALMOST_ONE));
    p_of_side(z(pearson), ci95.map(z), Some(0.0), None, degrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference values: closed forms of one and two degrees of freedom, and SciPy's `2 * t.sf(t, degrees)`.
    #[test]
    fn tails_of_student_s_t() {
        for (t, degrees, want) in [
            (1.0, 1, 0.5),
            (2.0, 2, 1.0 - 2.0 / 6.0_f64.sqrt()),
            (12.706_204_736_2, 1, 0.05),
            (2.364_624_251_6, 7, 0.05),
            (-2.228_138_852, 10, 0.05),
            (0.0, 7, 1.0),
            (f64::INFINITY, 7, 0.0),
            (2.0, 24, 0.056_939_849_936_591_73),
            (5.0, 40, 1.184_006_566_965_951_1e-5),
            (2.0, 500, 0.046_040_682_769_031_456),
        ] {
            let got = student_t_two_sided(t, degrees);
            assert!((got - want).abs() < 1e-9, "{t} {degrees}: {got} is not {want}");
        }
        for degrees in 1..60 {
            let got = student_t_two_sided(student_t_975(degrees), degrees);
            assert!((got - 0.05).abs() < 3e-4, "{degrees}: {got}");
        }
        assert_eq!(student_t_two_sided(3.0, 0), 1.0);
        let p_value = |estimate: f64, error: f64| Spread { error, degrees: 24 }.p_value(estimate);
        assert_eq!(
            (p_value(-0.2, 0.1), p_value(0.0, 0.0), p_value(1e-9, 0.0)),
            (student_t_two_sided(2.0, 24), 1.0, 0.0)
        );
        for (two_sided, degrees, want) in [(0.05, 9, 2.262_157_162_8), (0.01, 4, 4.604_094_871_4), (0.5, 1, 1.0)] {
            let got = student_t_quantile(two_sided, degrees);
            assert!((got - want).abs() < 1e-8, "{two_sided} {degrees}: {got} is not {want}");
        }
    }

    #[test]
    fn holm_steps_down_and_never_turns_back() {
        let close = |got: Vec<f64>, want: &[f64]| {
            assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-12), "{got:?} is not {want:?}");
        };
        close(holm(&[0.01, 0.04, 0.03, 0.005]), &[0.03, 0.06, 0.06, 0.02]);
        close(holm(&[0.5, 0.9]), &[1.0, 1.0]);
        close(holm(&[0.04]), &[0.04]);
        assert!(holm(&[]).is_empty());
    }

    #[track_caller]
    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-9 * want.max(1e-3), "{got} is not {want}");
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
        assert_eq!(p_of_correlation(1.0, [1.0, 1.0], None), 0.0);
        close(p_of_correlation(-0.4, [-0.7, 0.0], None), 0.05);
        assert!(p_of_correlation(0.4, [0.1, 0.6], None) < 0.05 && p_of_correlation(0.4, [-0.1, 0.7], None) > 0.05);
        assert_eq!(p_of_correlation(0.0, [-0.1, 0.1], None), 1.0);
    }

    #[test]
    fn what_has_no_p_value_is_no_member_of_a_family() {
        assert_eq!(holm_of_known(&[Some(0.03), None, Some(0.01)]), [Some(0.03), None, Some(0.02)]);
        assert_eq!(holm_of_known(&[None]), [None]);
    }
}
