//! Functions of each number, four at a time, or eight where the processor has such vectors.

use std::f32::consts::FRAC_1_SQRT_2;

use wide::f32x4;

#[cfg(target_arch = "x86_64")]
use crate::avx2::{self, elementwise as eight};
use crate::packed::dot;

/// Numbers that are computed together.
const LANES: usize = 4;

/// Beyond this, erf is 1 in f32.
pub(crate) const ERF_END: f32 = 4.0;

pub(crate) const SQRT_2_OVER_PI: f32 = 0.797_884_6;

/// Rational minimax approximation of erf on [-4, 4], as Eigen 3.3 has it (`generic_fast_erf_float`): odd powers of the
/// numerator from the highest, and even powers of the denominator.
pub(crate) const ERF_ODD: [f32; 7] =
    [-2.726_142_3e-10, 2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_3e-4, -2.954_6e-3, -1.609_603_3e-2];
pub(crate) const ERF_EVEN: [f32; 5] = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];

/// `x (1 + erf(x / sqrt 2)) / 2` of each number, erf within 5e-7.
pub fn gelu(values: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if avx2::is_here() {
        return eight::gelu(values);
    }
    gelu_in_fours(values);
}

fn gelu_in_fours(values: &mut [f32]) {
    let (half, one, scale) = (f32x4::splat(0.5), f32x4::ONE, f32x4::splat(FRAC_1_SQRT_2));
    each(values, |x| half * x * (one + erf(x * scale)));
}

/// What a gate is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// `x` times its logistic function.
    Silu,
    /// The Gaussian error linear unit by its approximation with `tanh`.
    GeluTanh,
}

/// `activation(gate) * up` to as many numbers: `gates_ups` holds all gates and then all ups.
pub fn gated(gates_ups: &[f32], activation: Gate, to: &mut [f32]) {
    let (gates, ups) = gates_ups.split_at(to.len());
    to.copy_from_slice(gates);
    gate(to, activation);
    to.iter_mut().zip(ups).for_each(|(to, up)| *to *= up);
}

fn gate(values: &mut [f32], activation: Gate) {
    #[cfg(target_arch = "x86_64")]
    if avx2::is_here() {
        return eight::gate(values, activation);
    }
    gate_in_fours(values, activation);
}

fn gate_in_fours(values: &mut [f32], activation: Gate) {
    match activation {
        Gate::Silu => each(values, |x| x / (f32x4::ONE + (-x).exp())),
        // (1 + tanh(u)) / 2 is the logistic function of 2 u.
        Gate::GeluTanh => each(values, |x| {
            let twice = x * (f32x4::splat(2.0 * SQRT_2_OVER_PI) * (f32x4::ONE + f32x4::splat(0.044_715) * x * x));
            x / (f32x4::ONE + (-twice).exp())
        }),
    }
}

/// Root mean square normalisation of a row: `x / sqrt(mean(x^2) + epsilon) * weight`.
pub fn rms_norm(row: &mut [f32], weight: &[f32], epsilon: f32) {
    let mean = dot(row, row) / row.len() as f32;
    let scale = 1.0 / (mean + epsilon).sqrt();
    row.iter_mut().zip(weight).for_each(|(x, weight)| *x *= scale * weight);
}

/// Layer normalisation of a row: `(x - mean) / sqrt(mean((x - mean)^2) + epsilon) * weight + bias`.
pub fn layer_norm(row: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    let mean = f32x4::splat(sum(row) / row.len() as f32);
    each(row, |x| x - mean);
    let scale = 1.0 / (dot(row, row) / row.len() as f32 + epsilon).sqrt();
    row.iter_mut().zip(weight.iter().zip(bias)).for_each(|(x, (weight, bias))| *x = *x * scale * weight + bias);
}

/// Turns each pair of neighbours `(a, b)` by its angle to `(a cos - b sin, b cos + a sin)`: `cos` and `sin` hold that
/// of each number.
pub fn turn(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let turns = cos.as_chunks::<2>().0.iter().zip(sin.as_chunks::<2>().0);
    for ([a, b], (cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
        (*a, *b) = (*a * cos[0] - *b * sin[0], *b * cos[1] + *a * sin[1]);
    }
}

/// Makes scores positive and their sum 1: `e^x` over the sum of all, to 1e-6. Scores far below the largest become as
/// good as 0. One that is NaN or infinity makes all NaN.
pub(crate) fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().fold(f32::NEG_INFINITY, |largest, score| larger(largest, *score));
    exp(scores, largest);
    let scale = 1.0 / sum(scores);
    for score in scores {
        *score *= scale;
    }
}

/// `e^(x - shift)` of each number.
fn exp(values: &mut [f32], shift: f32) {
    #[cfg(target_arch = "x86_64")]
    if avx2::is_here() {
        return eight::exp(values, shift);
    }
    exp_in_fours(values, shift);
}

fn exp_in_fours(values: &mut [f32], shift: f32) {
    let shift = f32x4::splat(shift);
    each(values, |x| (x - shift).exp());
}

fn sum(values: &[f32]) -> f32 {
    let (lanes, rest) = values.as_chunks::<LANES>();
    let sums = lanes.iter().fold(f32x4::ZERO, |sums, lanes| sums + f32x4::new(*lanes)).to_array();
    sums.iter().chain(rest).sum()
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
        for gelu in [gelu, gelu_in_fours] {
            let mut y = x.clone();
            gelu(&mut y);
            let difference = |(x, y): (&f32, &f32)| {
                let x = f64::from(*x);
                (f64::from(*y) - 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2))).abs()
            };
            let seen = largest(x.iter().zip(&y).map(difference));
            assert!(seen < 2e-6, "{seen}");
        }
    }

    /// Relative to the function, down to where it is no normal number any more.
    #[test]
    fn exp_is_that_of_libm() {
        let x: Vec<f32> = grid(80).chain([-86.5, 88.0]).collect();
        for exp in [exp, exp_in_fours] {
            let mut y = x.clone();
            exp(&mut y, 0.5);
            let difference = |(x, y): (&f32, &f32)| {
                let expected = libm::exp(f64::from(x - 0.5));
                (f64::from(*y) - expected).abs() / expected.max(1e-37)
            };
            let seen = largest(x.iter().zip(&y).map(difference));
            assert!(seen < 3e-7, "{seen}");
            let mut ends = [-1.0e30, -200.0, 0.5, 200.0, f32::INFINITY, f32::NEG_INFINITY];
            exp(&mut ends, 0.5);
            assert_eq!(ends, [0.0, 0.0, 1.0, f32::INFINITY, f32::INFINITY, 0.0]);
        }
    }

    #[test]
    fn gates_are_their_definitions() {
        let x: Vec<f32> = grid(12).chain([-2e4, -200.0, -90.0, 90.0, 200.0, 2e4]).collect();
        let up: Vec<f32> = x.iter().map(|x| libm::sinf(x * 3.0) * 2.0).collect();
        let both = [x.as_slice(), &up].concat();
        for (gate, is_in_fours) in
            [(Gate::Silu, true), (Gate::GeluTanh, true), (Gate::Silu, false), (Gate::GeluTanh, false)]
        {
            let mut y = x.clone();
            match is_in_fours {
                true => {
                    gate_in_fours(&mut y, gate);
                    y.iter_mut().zip(&up).for_each(|(y, up)| *y *= up);
                }
                false => gated(&both, gate, &mut y),
            }
            for ((seen, x), up) in y.iter().zip(&x).zip(&up) {
                let x = f64::from(*x);
                let activated = match gate {
                    Gate::Silu => x / (1.0 + libm::exp(-x)),
                    Gate::GeluTanh => {
                        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                        0.5 * x * (1.0 + libm::tanh(inner))
                    }
                };
                let expected = activated * f64::from(*up);
                let bound = 2e-6 * (1.0 + expected.abs());
                assert!((f64::from(*seen) - expected).abs() < bound, "{gate:?} of {x}: {seen} for {expected}");
            }
        }
    }

    #[test]
    fn a_row_is_normalised_by_the_root_of_its_mean_square() {
        for length in [1, 3, 8, 70] {
            let row: Vec<f32> = (0..length).map(|index| libm::sinf((index * index) as f32) * 5.0 + 0.1).collect();
            let weight: Vec<f32> = (0..length).map(|index| 1.0 - index as f32 * 0.1).collect();
            let mut seen = row.clone();
            rms_norm(&mut seen, &weight, 1e-2);
            let mean = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>() / length as f64;
            for ((seen, x), weight) in seen.iter().zip(&row).zip(&weight) {
                let expected = f64::from(*x) / (mean + 1e-2).sqrt() * f64::from(*weight);
                assert!((f64::from(*seen) - expected).abs() < 1e-5, "{length}: {seen} for {expected}");
            }
        }
    }

    #[test]
    fn a_row_is_normalised_by_its_mean_and_deviation() {
        for length in [1, 3, 8, 70] {
            let row: Vec<f32> = (0..length).map(|index| libm::sinf((index * index) as f32) * 5.0 + 3.0).collect();
            let weight: Vec<f32> = (0..length).map(|index| 1.0 - index as f32 * 0.1).collect();
            let bias: Vec<f32> = (0..length).map(|index| libm::sinf(index as f32)).collect();
            let mut seen = row.clone();
            layer_norm(&mut seen, &weight, &bias, 1e-2);
            let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / length as f64;
            let variance = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / length as f64;
            for (index, seen) in seen.iter().enumerate() {
                let normalised = (f64::from(row[index]) - mean) / (variance + 1e-2).sqrt();
                let expected = normalised * f64::from(weight[index]) + f64::from(bias[index]);
                assert!((f64::from(*seen) - expected).abs() < 1e-5, "{length}: {seen} for {expected}");
            }
        }
    }

    #[test]
    fn pairs_turn_by_their_angle() {
        let mut head = [3.0, 1.0, -2.0, 0.5];
        let (sin, cos): (Vec<f32>, Vec<f32>) =
            [0.3_f32, 0.3, 1.9, 1.9].iter().map(|angle| libm::sincosf(*angle)).unzip();
        turn(&mut head, &cos, &sin);
        // Of (3, 1) turned by 0.3 and (-2, 0.5) by 1.9.
        let expected = [2.570_489_3, 1.841_897, 0.173_429, -2.054_245];
        for (seen, expected) in head.iter().zip(expected) {
            assert!((seen - expected).abs() < 1e-5, "{head:?}");
        }
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
            let mut gated_values = [0.0; 6];
            for gate in [Gate::Silu, Gate::GeluTanh] {
                gated(&[values, [1.0; 6]].concat(), gate, &mut gated_values);
                assert!(gated_values[place].is_nan(), "{gated_values:?}");
            }
            let mut normalised = values;
            rms_norm(&mut normalised, &[1.0; 6], 1e-5);
            assert!(normalised.iter().all(|value| value.is_nan()), "{normalised:?}");
            let mut normalised = values;
            layer_norm(&mut normalised, &[1.0; 6], &[0.0; 6], 1e-5);
            assert!(normalised.iter().all(|value| value.is_nan()), "{normalised:?}");
            gelu(&mut values);
            assert!(values[place].is_nan(), "{values:?}");
        }
        let mut scores = [0.0, f32::INFINITY];
        softmax(&mut scores);
        assert!(scores[0].is_nan() && scores[1].is_nan(), "{scores:?}");
    }
}
