//! Whole numbers as people write them on a command line.

/// The largest whole number that a float tells from its neighbours.
const MOST: f64 = 9_007_199_254_740_992.0;

/// A whole number, which may be written as `1e6` or `100.0`, as everywhere in a scenario.
///
/// # Errors
/// For what is no whole number, and for one that the option does not hold.
pub fn whole<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let float = || text.parse::<f64>().ok().filter(|value| value.fract() == 0.0 && (0.0..=MOST).contains(value));
    let number = text.parse::<u64>().ok().or_else(|| float().map(|value| value as u64));
    let number = number.ok_or("allowed: a whole number of at least 0, such as 1000 or 1e3")?;
    T::try_from(number).map_err(|_| "the number is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_be_written_as_floats() {
        for (text, want) in [("0", 0), ("1000", 1000), ("1e6", 1_000_000), ("2.5e3", 2500), ("100.0", 100)] {
            assert_eq!(whole::<u64>(text), Ok(want), "{text}");
        }
        assert_eq!(whole::<u64>("18446744073709551615"), Ok(u64::MAX));
        for text in ["", "-1", "1.5", "1e-3", "nan", "inf", "1e300", "ten"] {
            assert!(whole::<u64>(text).is_err_and(|words| words.contains("a whole number")), "{text}");
        }
        assert_eq!(whole::<u32>("1e10"), Err("the number is too large".to_owned()));
    }
}
