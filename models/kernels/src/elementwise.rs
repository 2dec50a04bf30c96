//! Functions of each number, four at a time.

use std::f32::consts::FRAC_1_SQRT_2;

use wide::f32x4;

/// Numbers that are computed together.
const LANES: usize = 4;

/// Beyond this, erf is 1 in f32.
const ERF_END: f32 = 4.0;

/// Rational minimax approximation of erf on [-4, 4], as Eigen 3.3 has it (`generic_fast_erf_float`): odd powers of the
/// numerator from the highest, and even powers of the denominator.
const ERF_ODD: [f32; 7] =
    [-2.726_142_3e-10, 2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_3e-4, -2.954_6e-3, -1.609_603_3e-2];
const ERF_EVEN: [f32; 5] = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];

/// `x (1 + erf(x / sqrt 2)) / 2` of each number, erf within 5e-7.
pub fn gelu(values: &mut [f32]) {
    let (half, one, scale) = (f32x4::splat(0.5), f32x4::ONE, f32x4::splat(FRAC_1_SQRT_2));
    each(values, |x| half * x * (one + erf(x * scale)));
}

/// Makes scores positive and their sum 1: `e^x` over the sum of all, to 1e-6. Scores far below the largest become as
/// good as 0. One that is NaN or infinity makes all NaN.
pub(crate) fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().fold(f32::NEG_INFINITY, |largest, score| larger(largest, *score));
    let shift = f32x4::splat(largest);
    each(scores, |score| (score - shift).exp());
    let (lanes, rest) = scores.as_chunks::<LANES>();
    let sums = lanes.iter().fold(f32x4::ZERO, |sums, lanes| sums + f32x4::new(*lanes)).to_array();
    let scale = 1.0 / sums.iter().chain(rest).sum::<f32>();
    for score in scores {
        *score *= scale;
    }
}

/// `function` of each number; what is lacking at the end is 0.
#[inline(always)]
fn each(values: &mut [f32], function: impl Fn(f32x4) -> f32x4) {
    let (lanes, rest) = values.as_chunks_mut::<LANES>();
    for lanes in lanes {
        *lanes = function(f32x4::new(*lanes)).to_array();
    }
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    rest.copy_from_slice(&function(f32x4::new(last)).to_array()[..rest.len()]);
}

#[inline(always)]
fn erf(x: f32x4) -> f32x4 {
    // Where it is no number it stays none.
    let end = f32x4::splat(ERF_END);
    let x = x.min(end).max(-end);
    let square = x * x;
    x * polynomial(&ERF_ODD, square) / polynomial(&ERF_EVEN, square)
}

#[inline(always)]
fn polynomial<const COUNT: usize>(coefficients: &[f32; COUNT], x: f32x4) -> f32x4 {
    let first = f32x4::splat(coefficients[0]);
    coefficients[1..].iter().fold(first, |sum, coefficient| sum * x + f32x4::splat(*coefficient))
}

/// The larger of two, or `b` where that is no number.
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From -`end` to `end` in steps of a thousandth.
    fn grid(end: i32) -> impl Iterator<Item = f32> {
        (-1000 * end..=1000 * end).map(|step| step as f32 / 1000.0)
    }

    fn largest(differences: impl Iterator<Item = f64>) -> f64 {
        differences.inspect(|difference| assert!(!difference.is_nan())).fold(0.0, f64::max)
    }

    #[test]
    fn erf_is_that_of_libm() {
        let difference = |x: f32| (f64::from(erf(f32x4::splat(x)).to_array()[3]) - libm::erf(f64::from(x))).abs();
        let seen = largest(grid(10).chain([f32::INFINITY, f32::NEG_INFINITY]).map(difference));
        assert!(seen < 5e-7, "{seen}");
    }

    #[test]
    fn gelu_is_its_definition() {
        let x: Vec<f32> = grid(12).collect();
        let mut y = x.clone();
        gelu(&mut y);
        let difference = |(x, y): (&f32, &f32)| {
            let x = f64::from(*x);
            (f64::from(*y) - 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2))).abs()
        };
        let seen = largest(x.iter().zip(&y).map(difference));
        assert!(seen < 2e-6, "{seen}");
    }

    #[test]
    fn softmax_is_its_definition_for_any_length() {
        for length in 1..40_usize {
            let scores: Vec<f32> = (0..length).map(|index| libm::sinf((index * index) as f32) * 20.0).collect();
            let mut seen = scores.clone();
            softmax(&mut seen);
            let sum: f64 = scores.iter().map(|score| libm::exp(f64::from(*score))).sum();
            let expected = scores.iter().map(|score| libm::exp(f64::from(*score)) / sum);
            let difference =
                largest(seen.iter().zip(expected).map(|(seen, expected)| (f64::from(*seen) - expected).abs()));
            assert!(difference < 1e-6, "{length}: {difference}");
        }
        let mut scores = [3.0, -1.0e30, 3.0, -1.0e30];
        softmax(&mut scores);
        assert!((scores[0] - 0.5).abs() < 1e-6 && scores[1] < 1e-30, "{scores:?}");
    }

    /// What is not finite must be seen to be so at the end of the network.
    #[test]
    fn what_is_no_number_stays_none() {
        for place in 0..6 {
            let mut scores = [0.5, 2.0, -1.0, 3.0, 1.0, 0.0];
            scores[place] = f32::NAN;
            let mut values = scores;
            softmax(&mut scores);
            assert!(scores.iter().all(|score| score.is_nan()), "{scores:?}");
            gelu(&mut values);
            assert!(values[place].is_nan(), "{values:?}");
        }
        let mut scores = [0.0, f32::INFINITY];
        softmax(&mut scores);
        assert!(scores[0].is_nan() && scores[1].is_nan(), "{scores:?}");
    }
}
