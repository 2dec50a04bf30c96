//! Scales: from a value to a coordinate, and the values worth a tick.

/// Maps values to coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    is_log: bool,
    is_whole: bool,
}

impl Scale {
    /// Evenly from `[low, high]` to `[from, to]`. An empty or undefined range is widened to one that can be drawn.
    #[must_use]
    pub fn linear(low: f64, high: f64, from: f64, to: f64) -> Self {
        let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        let (low, high) = if high - low > 1e-12 { (low, high) } else { (low - 0.5, high + 0.5) };
        Self { low, high, from, to, is_log: false, is_whole: false }
    }

    /// By magnitudes from `[low, high]`, both positive, to `[from, to]`.
    #[must_use]
    pub fn log(low: f64, high: f64, from: f64, to: f64) -> Self {
        let low = if low.is_finite() { low.max(1e-9) } else { 1.0 };
        let high = if high.is_finite() { high.max(low) } else { 10.0 };
        let (low, high) = if high / low > 1.01 { (low, high) } else { (low / 2.0, high * 2.0) };
        Self { low: low.log10(), high: high.log10(), from, to, is_log: true, is_whole: false }
    }

    /// The same for whole numbers: no tick stands between two of them.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { is_whole: true, ..self }
    }

    /// The coordinate of a value.
    #[must_use]
    pub fn at(&self, value: f64) -> f64 {
        let value = if self.is_log { value.max(1e-9).log10() } else { value };
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// The value at a coordinate.
    #[must_use]
    pub fn value(&self, at: f64) -> f64 {
        let value = self.low + (at - self.from) / (self.to - self.from) * (self.high - self.low);
        if self.is_log { 10_f64.powf(value) } else { value }
    }

    /// Round values within the range, about `wanted` of them, with the decimals that tell them apart.
    #[must_use]
    pub fn ticks(&self, wanted: usize) -> (Vec<f64>, i32) {
        if !self.is_log {
            let steps = if self.is_whole { (self.high - self.low).floor() as usize } else { usize::MAX };
            return linear_ticks(self.low, self.high, wanted.min(steps));
        }
        let decades = (self.high - self.low).max(1e-9);
        if decades < 1.3 {
            let (ticks, decimals) = linear_ticks(10_f64.powf(self.low), 10_f64.powf(self.high), wanted);
            return (ticks.into_iter().filter(|&tick| tick > 0.0).collect(), decimals);
        }
        let step = (decades / wanted.max(2) as f64).ceil().max(1.0) as i32;
        let powers = (self.low.ceil() as i32..=self.high.floor() as i32).filter(|power| power.rem_euclid(step) == 0);
        (powers.map(|power| 10_f64.powi(power)).collect(), -1)
    }
}

fn linear_ticks(low: f64, high: f64, wanted: usize) -> (Vec<f64>, i32) {
    let rough = (high - low) / wanted.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    // The round step nearest to the wanted one, by ratio.
    let step = power
        * match rough / power {
            ratio if ratio < 2_f64.sqrt() => 1.0,
            ratio if ratio < 10_f64.sqrt() => 2.0,
            ratio if ratio < 50_f64.sqrt() => 5.0,
            _ => 10.0,
        };
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    let decimals = (-(step.log10() + 1e-9).floor()).max(0.0) as i32;
    ((first..=last).map(|index| index as f64 * step).collect(), decimals)
}

/// A tick's text: `decimals` as [`Scale::ticks`] gives them, below 0 for powers of ten.
#[must_use]
pub fn tick_text(value: f64, decimals: i32) -> String {
    if decimals < 0 { crate::format::plain(value) } else { crate::format::fixed(value, decimals) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_ticks_are_round_and_within() {
        let scale = Scale::linear(-0.13, 0.62, 0.0, 100.0);
        let (ticks, decimals) = scale.ticks(5);
        let texts: Vec<String> = ticks.iter().map(|&tick| tick_text(tick, decimals)).collect();
        assert_eq!(texts, ["0.0", "0.2", "0.4", "0.6"]);
        assert!((scale.value(scale.at(0.4)) - 0.4).abs() < 1e-12);
    }

    #[test]
    fn log_ticks_are_powers_of_ten_where_the_range_is_wide() {
        let texts = |low, high, wanted| {
            let (ticks, decimals) = Scale::log(low, high, 0.0, 1.0).ticks(wanted);
            ticks.iter().map(|&tick| tick_text(tick, decimals)).collect::<Vec<_>>()
        };
        assert_eq!(texts(0.02, 2000.0, 6), ["0.1", "1", "10", "100", "1,000"]);
        assert_eq!(texts(0.001, 1e6, 4), ["0.001", "1", "1,000", "1,000,000"]);
        assert_eq!(texts(100.0, 300.0, 4), ["100", "150", "200", "250", "300"]);
    }

    #[test]
    fn whole_numbers_have_whole_ticks() {
        for (low, high, wanted) in [(1.0, 5.0, 12), (1.0, 2.0, 9), (3.0, 3.0, 4), (1.0, 64.0, 10), (0.0, 1.0, 3)] {
            let (ticks, decimals) = Scale::linear(low, high, 0.0, 1.0).whole().ticks(wanted);
            assert!(!ticks.is_empty() && decimals == 0, "{low} {high}: {ticks:?}");
            assert!(ticks.iter().all(|tick| tick.fract() == 0.0), "{low} {high}: {ticks:?}");
        }
        assert_eq!(Scale::linear(1.0, 5.0, 0.0, 1.0).whole().ticks(12).0, [1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn an_empty_range_can_be_drawn() {
        for scale in [
            Scale::linear(1.0, 1.0, 0.0, 10.0),
            Scale::linear(f64::INFINITY, f64::NEG_INFINITY, 0.0, 10.0),
            Scale::log(5.0, 5.0, 0.0, 10.0),
            Scale::log(0.0, 0.0, 0.0, 10.0),
        ] {
            assert!(scale.at(1.0).is_finite() && !scale.ticks(4).0.is_empty(), "{scale:?}");
        }
    }
}
