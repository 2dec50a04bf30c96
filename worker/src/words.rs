//! How numbers are said to people: figures with three decimals, more where an interval is narrow; counts in groups of
//! three digits, rates in three digits, sizes in MB.

use poq_core::stats::Interval;

/// A figure.
pub fn number(value: Option<f64>) -> String {
    figure(value, None)
}

/// An interval, with as many decimals as show two figures of its width.
pub fn interval(value: Option<Interval>) -> String {
    let [low, high] = match value {
        None => return "none".into(),
        Some(ends) => ends.map(|end| decimals(end, shown_of(ends))),
    };
    format!("{low} to {high}")
}

/// A figure with as many decimals as its interval.
pub fn figure(value: Option<f64>, ci95: Option<Interval>) -> String {
    value.map_or("not defined".into(), |value| decimals(value, ci95.map_or(FEWEST, shown_of)))
}

/// Decimals of a figure, at least.
const FEWEST: usize = 3;
/// And at most.
const MOST: f64 = 9.0;

/// Decimals that show two figures of an interval's width, and that it excludes 0 where it does.
fn shown_of([low, high]: Interval) -> usize {
    let place = |number: f64| if number > 0.0 { -number.log10().floor() } else { 0.0 };
    let nearest = if low * high > 0.0 { low.abs().min(high.abs()) } else { 0.0 };
    (1.0 + place(high - low)).max(place(nearest)).clamp(FEWEST as f64, MOST) as usize
}

/// So many decimals, and no minus before what rounds to 0.
fn decimals(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) => digits.to_owned(),
        _ => text,
    }
}

/// A count, its digits in groups of three.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many bytes.
pub fn size(bytes: u64) -> String {
    match bytes as f64 / 1e6 {
        mega if mega >= 999.5 => format!("{} GB", three_digits(mega / 1e3)),
        mega if mega >= 0.9995 => format!("{} MB", three_digits(mega)),
        mega if bytes >= 1000 => format!("{} kB", three_digits(mega * 1e3)),
        _ => format!("{bytes} bytes"),
    }
}

/// So much of `unit` each second, in three digits.
pub fn rate(per_second: f64, unit: &str) -> String {
    match unit {
        "bytes" => format!("{} a second", size(per_second.round() as u64)),
        _ => format!("{} a second", three_digits(per_second)),
    }
}

/// How much of a whole is done.
pub fn progress(done: u64, total: u64, unit: &str) -> String {
    match unit {
        "bytes" => format!("{} of {}", size(done), size(total)),
        _ => format!("{} of {} {unit}", count(done), count(total)),
    }
}

/// So many of what `unit` names in the plural with an `s`.
pub fn so_many(number: usize, unit: &str) -> String {
    let unit = if number == 1 { unit.strip_suffix('s').unwrap_or(unit) } else { unit };
    format!("{} {unit}", count(number as u64))
}

/// A number of 0 or more, rounded to three digits: `0.0123`, `1.23`, `12.3`, `123`, `12,300`.
fn three_digits(value: f64) -> String {
    if !value.is_finite() || value <= 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.log10().floor() as i32;
    let step = 10_f64.powi(magnitude - 2);
    let rounded = (value / step).round() * step;
    match (2 - rounded.log10().floor() as i32).clamp(0, 9) {
        0 => count(rounded.round() as u64),
        places => format!("{rounded:.*}", places as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_digits() {
        let said = |value| rate(value, "rounds");
        assert_eq!(said(169_931_223.75), "170,000,000 a second");
        assert_eq!(said(9_996.0), "10,000 a second");
        assert_eq!(said(1_234.0), "1,230 a second");
        assert_eq!(said(999.6), "1,000 a second");
        assert_eq!(said(12.345), "12.3 a second");
        assert_eq!(said(0.012_345), "0.0123 a second");
        assert_eq!((said(0.0), said(f64::NAN)), ("0 a second".to_owned(), "0 a second".to_owned()));
        assert_eq!(rate(10_234_567.0, "bytes"), "10.2 MB a second");
    }

    #[test]
    fn sizes_are_in_mb_and_counts_in_groups() {
        assert_eq!(
            [0, 999, 1_500, 270_898_432, 3_200_000_000].map(size),
            ["0 bytes", "999 bytes", "1.50 kB", "271 MB", "3.20 GB"]
        );
        assert_eq!([0, 999, 1_000, 73_285_568].map(count), ["0", "999", "1,000", "73,285,568"]);
        assert_eq!([so_many(1, "tasks"), so_many(2000, "tasks")], ["1 task", "2,000 tasks"]);
        assert_eq!(progress(1_000, 73_285_568, "rounds"), "1,000 of 73,285,568 rounds");
        assert_eq!(progress(42_100_000, 270_898_432, "bytes"), "42.1 MB of 271 MB");
    }

    #[test]
    fn figures_have_no_minus_zero() {
        assert_eq!((number(Some(-0.0001)), number(None)), ("0.000".to_owned(), "not defined".to_owned()));
        assert_eq!(interval(Some([-0.0004, 0.25])), "0.000 to 0.250");
    }

    #[test]
    fn narrow_intervals_are_told_from_0() {
        let narrow = Some([0.000_412, 0.000_731]);
        assert_eq!((interval(narrow), figure(Some(0.000_57), narrow)), ("0.00041 to 0.00073".into(), "0.00057".into()));
        assert_eq!(interval(Some([0.25, 0.25])), "0.250 to 0.250");
        assert_eq!(interval(Some([0.000_04, 0.013])), "0.00004 to 0.01300");
        assert_eq!(interval(Some([-2e-14, 1e-14])), "0.000000000 to 0.000000000");
        assert_eq!(interval(Some([1.0, 250.0])), "1.000 to 250.000");
    }
}
