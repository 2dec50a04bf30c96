//! Numbers in words: three significant digits, a true minus sign, and a sentence where there is no number.

use poq_core::stats::Interval;

/// Stands where a value is not defined.
pub const NO_VALUE: &str = "not defined";
/// Stands where nothing has been drawn yet.
pub const NO_ROUNDS: &str = "no rounds yet";
/// Stands where an interval needs a second value.
pub const NO_INTERVAL: &str = "one value only, no interval";

/// A number to three significant digits.
#[must_use]
pub fn number(value: f64) -> String {
    significant(value, 3)
}

/// A number to `digits` significant digits; whole digits are never cut.
#[must_use]
pub fn significant(value: f64, digits: i32) -> String {
    if !value.is_finite() {
        return NO_VALUE.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = magnitude(value);
    if !(-4..9).contains(&magnitude) {
        let power: String = magnitude.to_string().chars().map(superscript).collect();
        return format!("{} × 10{power}", fixed(value / 10_f64.powi(magnitude), digits - 1));
    }
    let decimals = digits - 1 - magnitude;
    // Rounding may carry into the next magnitude (0.9996 is 1.00, not 1.000).
    let unit = 10_f64.powi(decimals);
    let carried = (value.abs() * unit).round() / unit >= 10_f64.powi(magnitude + 1);
    let decimals = decimals - i32::from(carried);
    if decimals < 0 {
        let unit = 10_f64.powi(-decimals);
        return fixed((value / unit).round() * unit, 0);
    }
    fixed(value, decimals)
}

/// A number with `decimals` decimals, thousands apart and a true minus sign; no minus before a zero.
#[must_use]
pub fn fixed(value: f64, decimals: i32) -> String {
    if !value.is_finite() {
        return NO_VALUE.to_owned();
    }
    let text = format!("{:.*}", decimals.max(0) as usize, value.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut out = String::new();
    if value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        out.push('−');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A whole number, thousands apart.
#[must_use]
pub fn count(value: u64) -> String {
    fixed(value as f64, 0)
}

/// `one` or `many`, after the number.
#[must_use]
pub fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// A value with its half-width: as many decimals as the half-width's first digit needs, two for a leading 1.
#[must_use]
pub fn plus_minus(value: f64, half_width: f64) -> String {
    if half_width <= 0.0 || !half_width.is_finite() || !value.is_finite() {
        return number(value);
    }
    let lead = half_width / 10_f64.powi(magnitude(half_width));
    let decimals = (i32::from(lead < 1.95) - magnitude(half_width)).clamp(0, 6);
    // The value's own third significant digit is enough, however narrow the interval.
    let decimals = decimals.min((2 - magnitude(value)).max(2));
    if half_width < 0.5 * 10_f64.powi(-decimals) {
        return format!("{} ± under {}", fixed(value, decimals), fixed(10_f64.powi(-decimals), decimals));
    }
    format!("{} ± {}", fixed(value, decimals), fixed(half_width, decimals))
}

/// A value that may be absent.
#[must_use]
pub fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| NO_VALUE.to_owned(), number)
}

/// A node's mean, absent before its first round.
#[must_use]
pub fn mean(value: Option<f64>) -> String {
    value.map_or_else(|| NO_ROUNDS.to_owned(), number)
}

/// An interval of a mean over `rounds` values.
#[must_use]
pub fn interval(value: Option<Interval>, rounds: u64) -> String {
    match (value, rounds) {
        (Some([low, high]), _) => format!("{} to {}", number(low), number(high)),
        (None, 0) => NO_ROUNDS.to_owned(),
        (None, 1) => NO_INTERVAL.to_owned(),
        (None, _) => "one prompt only, no interval".to_owned(),
    }
}

/// A share as a percentage.
#[must_use]
pub fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.001 {
        return "under 0.1%".to_owned();
    }
    format!("{}%", fixed(100.0 * share, i32::from(share > 0.0 && share < 1.0)))
}

/// A time in the unit that suits it.
#[must_use]
pub fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 1000.0 => format!("{} ms", number(ms)),
        ms if ms < 60_000.0 => format!("{} s", number(ms / 1000.0)),
        ms => {
            let seconds = (ms / 1000.0).round() as u64;
            format!("{} min {} s", count(seconds / 60), seconds % 60)
        }
    }
}

/// A number with all its digits and no more, thousands apart.
#[must_use]
pub fn plain(value: f64) -> String {
    let text = format!("{}", value.abs());
    let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    fixed(value, decimals as i32)
}

/// A number as a form writes it: shortest digits that give it back, with the plain minus that inputs read.
#[must_use]
pub fn input(value: f64) -> String {
    if value.abs() >= 1e17 { format!("{value:e}") } else { format!("{value}") }
}

fn magnitude(value: f64) -> i32 {
    if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 }
}

fn superscript(digit: char) -> char {
    match digit {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' | '4'..='9' => char::from_u32(0x2070 + digit as u32 - '0' as u32).unwrap_or(digit),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        for (value, want) in [
            (0.413_72, "0.414"),
            (-0.05, "−0.0500"),
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1.00"),
            (0.9996, "1.00"),
            (9.996, "10.0"),
            (1450.4, "1,450"),
            (12_345.0, "12,300"),
            (0.000_123_4, "0.000123"),
            (0.000_012_34, "1.23 × 10⁻⁵"),
            (5e10, "5.00 × 10¹⁰"),
            (f64::NAN, "not defined"),
            (f64::INFINITY, "not defined"),
        ] {
            assert_eq!(number(value), want, "{value}");
        }
    }

    #[test]
    fn a_minus_never_stands_before_a_zero() {
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(-0.006, 2), "−0.01");
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!(count(1_000_000_000), "1,000,000,000");
        assert_eq!(count(999), "999");
        assert_eq!(counted(1, "round", "rounds"), "1 round");
        assert_eq!(counted(5000, "round", "rounds"), "5,000 rounds");
    }

    #[test]
    fn the_half_width_sets_the_decimals() {
        assert_eq!(plus_minus(0.4137, 0.0093), "0.414 ± 0.009");
        assert_eq!(plus_minus(0.4137, 0.013), "0.414 ± 0.013");
        assert_eq!(plus_minus(0.4137, 0.03), "0.41 ± 0.03");
        assert_eq!(plus_minus(12.0, 3.0), "12 ± 3");
        assert_eq!(plus_minus(0.41, 0.000_02), "0.410 ± under 0.001");
        assert_eq!(plus_minus(0.41, 0.0), "0.410");
    }

    #[test]
    fn absent_values_are_words() {
        assert_eq!(interval(None, 0), NO_ROUNDS);
        assert_eq!(interval(None, 1), NO_INTERVAL);
        assert_eq!(interval(Some([-0.1, 0.2]), 9), "−0.100 to 0.200");
        assert_eq!(mean(None), NO_ROUNDS);
        assert_eq!(optional(None), NO_VALUE);
    }

    #[test]
    fn shares_and_times_have_their_units() {
        assert_eq!(percent(0.0), "0%");
        assert_eq!(percent(1.0), "100%");
        assert_eq!(percent(0.1234), "12.3%");
        assert_eq!(percent(0.000_01), "under 0.1%");
        assert_eq!(duration(12.34), "12.3 ms");
        assert_eq!(duration(1500.0), "1.50 s");
        assert_eq!(duration(119_700.0), "2 min 0 s");
    }

    #[test]
    fn plain_numbers_keep_their_digits() {
        assert_eq!(plain(1e9), "1,000,000,000");
        assert_eq!(plain(-0.25), "−0.25");
        assert_eq!(plain(1e-6), "0.000001");
    }

    #[test]
    fn inputs_give_the_number_back() {
        for value in [0.1, 1e-6, 1000.0, 0.333_333_333_333_333_3, 1e300] {
            assert_eq!(input(value).parse(), Ok(value));
        }
        assert_eq!(input(9_007_199_254_740_991.0), "9007199254740991", "a seed stays whole");
    }
}
