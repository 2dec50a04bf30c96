//! Functions of each number, eight at a time: those of [`crate::elementwise`], which says what they are.

use std::arch::x86_64::{
    __m256, _CMP_GT_OQ, _CMP_NLT_UQ, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps, _mm256_blendv_ps, _mm256_cmp_ps,
    _mm256_cvtepi32_ps, _mm256_cvtps_epi32, _mm256_div_ps, _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_max_ps,
    _mm256_min_ps, _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi32, _mm256_sub_ps,
};
use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

use super::is_here;
use super::matrix::LANES;
use crate::elementwise::{ERF_END, ERF_EVEN, ERF_ODD, Gate, SQRT_2_OVER_PI};

/// Within these, e^x and its parts are normal numbers; below it is 0 here, and above it is infinity.
const EXP_RANGE: [f32; 2] = [-87.0, 88.0];

/// The logarithm of 2 in two parts, of which a few times the first is exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// `(e^x - 1 - x) / x^2` where `|x|` is at most half the logarithm of 2, from the highest power: the minimax polynomial
/// of Cephes (`expf.c`).
const EXP: [f32; 6] = [1.987_569_2e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1];

/// # Panics
/// On a processor for which [`is_here`] does not hold.
#[allow(unsafe_code)]
pub(crate) fn gelu(values: &mut [f32]) {
    assert!(is_here(), "the processor has no vectors of eight");
    // SAFETY: the processor has the features that the function is compiled for.
    unsafe { gelu_of_each(values) }
}

/// # Panics
/// On a processor for which [`is_here`] does not hold.
#[allow(unsafe_code)]
pub(crate) fn gate(values: &mut [f32], activation: Gate) {
    assert!(is_here(), "the processor has no vectors of eight");
    // SAFETY: the processor has the features that the function is compiled for.
    unsafe { gate_of_each(values, activation) }
}

/// `e^(x - shift)` of each number.
///
/// # Panics
/// On a processor for which [`is_here`] does not hold.
#[allow(unsafe_code)]
pub(crate) fn exp(values: &mut [f32], shift: f32) {
    assert!(is_here(), "the processor has no vectors of eight");
    // SAFETY: the processor has the features that the function is compiled for.
    unsafe { exp_of_each(values, shift) }
}

#[target_feature(enable = "avx2,fma")]
fn gelu_of_each(values: &mut [f32]) {
    let (half, one, scale) = (_mm256_set1_ps(0.5), _mm256_set1_ps(1.0), _mm256_set1_ps(FRAC_1_SQRT_2));
    each(values, |x| {
        let erf = erf_of(_mm256_mul_ps(x, scale));
        _mm256_mul_ps(_mm256_mul_ps(half, x), _mm256_add_ps(one, erf))
    });
}

#[target_feature(enable = "avx2,fma")]
fn gate_of_each(values: &mut [f32], activation: Gate) {
    match activation {
        Gate::Silu => each(values, |x| times_logistic(x, x)),
        Gate::GeluTanh => each(values, |x| {
            let of_square = _mm256_fmadd_ps(_mm256_set1_ps(0.044_715), _mm256_mul_ps(x, x), _mm256_set1_ps(1.0));
            let twice = _mm256_mul_ps(_mm256_mul_ps(x, _mm256_set1_ps(2.0 * SQRT_2_OVER_PI)), of_square);
            times_logistic(x, twice)
        }),
    }
}

#[target_feature(enable = "avx2,fma")]
fn exp_of_each(values: &mut [f32], shift: f32) {
    let shift = _mm256_set1_ps(shift);
    each(values, |x| exp_of(_mm256_sub_ps(x, shift)));
}

/// `function` of each number; what is lacking at the end is 0.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn each(values: &mut [f32], function: impl Fn(__m256) -> __m256) {
    let (lanes, rest) = values.as_chunks_mut::<LANES>();
    for lanes in lanes {
        *lanes = bytemuck::cast(function(bytemuck::cast(*lanes)));
    }
    if !rest.is_empty() {
        let mut last = [0.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        let last: [f32; LANES] = bytemuck::cast(function(bytemuck::cast(last)));
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// `x` times the logistic function of `y`.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn times_logistic(x: __m256, y: __m256) -> __m256 {
    let below = exp_of(_mm256_sub_ps(_mm256_set1_ps(0.0), y));
    _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0), below))
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn exp_of(x: __m256) -> __m256 {
    let [low, high] = EXP_RANGE;
    let [low, high] = [_mm256_set1_ps(low), _mm256_set1_ps(high)];
    let (is_not_below, is_above) = (_mm256_cmp_ps::<_CMP_NLT_UQ>(x, low), _mm256_cmp_ps::<_CMP_GT_OQ>(x, high));
    // Of a number and what is none, these give the second.
    let x = _mm256_min_ps(high, _mm256_max_ps(low, x));
    let powers = _mm256_cvtps_epi32(_mm256_mul_ps(x, _mm256_set1_ps(LOG2_E)));
    let whole = _mm256_cvtepi32_ps(powers);
    let [ln_2, rest] = LN_2;
    let part = _mm256_fnmadd_ps(whole, _mm256_set1_ps(ln_2), x);
    let part = _mm256_fnmadd_ps(whole, _mm256_set1_ps(rest), part);
    let above_line = _mm256_mul_ps(polynomial(&EXP, part), _mm256_mul_ps(part, part));
    let of_part = _mm256_add_ps(_mm256_add_ps(above_line, part), _mm256_set1_ps(1.0));
    let exponents = _mm256_slli_epi32::<23>(_mm256_add_epi32(powers, _mm256_set1_epi32(127)));
    let power = _mm256_and_ps(_mm256_mul_ps(of_part, bytemuck::cast(exponents)), is_not_below);
    _mm256_blendv_ps(power, _mm256_set1_ps(f32::INFINITY), is_above)
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn erf_of(x: __m256) -> __m256 {
    let x = _mm256_max_ps(_mm256_set1_ps(-ERF_END), _mm256_min_ps(_mm256_set1_ps(ERF_END), x));
    let square = _mm256_mul_ps(x, x);
    let odd = _mm256_mul_ps(x, polynomial(&ERF_ODD, square));
    _mm256_div_ps(odd, polynomial(&ERF_EVEN, square))
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn polynomial<const COUNT: usize>(coefficients: &[f32; COUNT], x: __m256) -> __m256 {
    let mut sum = _mm256_set1_ps(coefficients[0]);
    for coefficient in &coefficients[1..] {
        sum = _mm256_fmadd_ps(sum, x, _mm256_set1_ps(*coefficient));
    }
    sum
}
