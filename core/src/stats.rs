//! Statistics on plain slices: moments, correlations, intervals. Sums run in index order, so that bits repeat.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The 0.975 quantile of the standard normal distribution.
pub(crate) const Z_975: f64 = 1.959_963_984_540_054;

/// An interval `[low, high]`.
pub type Interval = [f64; 2];

/// Count, sum and sum of squares of some values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_of_squares: f64,
}

impl Moments {
    /// The moments of `values`.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mut moments = Self::default();
        values.iter().for_each(|&value| moments.add(value));
        moments
    }

    /// Adds one value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.sum_of_squares += value * value;
    }

    /// Adds the values of `other`.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.sum_of_squares += other.sum_of_squares;
    }

    /// Takes away the values of `other`, which are among these.
    pub fn remove(&mut self, other: Self) {
        self.count -= other.count;
        self.sum -= other.sum;
        self.sum_of_squares -= other.sum_of_squares;
    }

    /// The mean, if there is a value.
    #[must_use]
    pub fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The sample standard deviation (divisor n - 1), if there are two values.
    #[must_use]
    pub fn sd(self) -> Option<f64> {
        let n = self.count as f64;
        (self.count > 1).then(|| ((self.sum_of_squares - self.sum * self.sum / n) / (n - 1.0)).max(0.0).sqrt())
    }
}

/// The 0.975 quantile of Student's t with `degrees` of freedom, to better than 0.2%: exact values up to four degrees,
/// then the expansion of Abramowitz and Stegun 26.7.5.
#[must_use]
pub fn student_t_975(degrees: u64) -> f64 {
    const EXACT: [f64; 4] = [12.706_204_736_2, 4.302_652_729_7, 3.182_446_305_3, 2.776_445_105_2];
    match degrees {
        0 => f64::INFINITY,
        1..=4 => EXACT[degrees as usize - 1],
        _ => {
            let (z, v) = (Z_975, degrees as f64);
            let z2 = z * z;
            let g1 = z * (z2 + 1.0) / 4.0;
            let g2 = z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
            let g3 = z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
            z + g1 / v + g2 / (v * v) + g3 / (v * v * v)
        }
    }
}

/// The 95% interval of a mean from `count` independent values with sample standard deviation `sd`.
#[must_use]
pub fn mean_interval(mean: f64, sd: f64, count: u64) -> Option<Interval> {
    (count > 1).then(|| {
        let half = student_t_975(count - 1) * sd / (count as f64).sqrt();
        [mean - half, mean + half]
    })
}

/// The 95% interval of an estimate with that standard error and so many degrees of freedom.
#[must_use]
pub fn interval_around(estimate: f64, standard_error: f64, degrees: u64) -> Interval {
    let half = student_t_975(degrees) * standard_error;
    [estimate - half, estimate + half]
}

/// How far an estimate may be from what it estimates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Standard error.
    pub error: f64,
    /// Degrees of freedom that it stands on.
    pub degrees: u64,
}

impl Spread {
    /// The 95% interval of an estimate with this spread (Student's t).
    #[must_use]
    pub fn interval(self, estimate: f64) -> Interval {
        let half = student_t_975(self.degrees) * self.error;
        [estimate - half, estimate + half]
    }
}

/// A figure with its 95% interval, where one is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Its interval.
    pub ci95: Option<Interval>,
}

/// Two quantiles of `values` (linear interpolation between order statistics), which are sorted in place.
pub(crate) fn quantiles(values: &mut [f64], shares: [f64; 2]) -> Option<Interval> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    Some(shares.map(|share| quantile(values, share)))
}

/// The quantile `p`, in `[0, 1]`, of values in ascending order, at least one (linear interpolation between order
/// statistics).
#[must_use]
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = p * (sorted.len() - 1) as f64;
    let low = position as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (position - low as f64) * (sorted[high] - sorted[low])
}

/// Pearson's correlation; none for fewer than two pairs or where a side does not vary.
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len().min(y.len());
    if n < 2 {
        return None;
    }
    let mean_x = x[..n].iter().sum::<f64>() / n as f64;
    let mean_y = y[..n].iter().sum::<f64>() / n as f64;
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (&a, &b) in x.iter().zip(y) {
        let (da, db) = (a - mean_x, b - mean_y);
        xx += da * da;
        yy += db * db;
        xy += da * db;
    }
    correlation(xy, xx, yy)
}

/// `xy / sqrt(xx * yy)` clamped to `[-1, 1]`, where both sides vary.
pub(crate) fn correlation(xy: f64, xx: f64, yy: f64) -> Option<f64> {
    // Sums of squared deviations of constant data are rounding noise or 0.
    (xx > 1e-12 && yy > 1e-12).then(|| (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

/// Spearman's rank correlation, ties at their mean rank.
#[must_use]
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len().min(y.len());
    pearson(&ranks(&x[..n]), &ranks(&y[..n]))
}

/// The rank of each value from 1, ties at their mean rank.
pub(crate) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean_rank = start as f64 + (tied.len() as f64 + 1.0) / 2.0;
        for &index in tied {
            ranks[index] = mean_rank;
        }
        start += tied.len();
    }
    ranks
}

/// Kendall's tau-b; none for fewer than two pairs or where a side does not vary. Quadratic time.
#[must_use]
pub fn kendall(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len().min(y.len());
    let (mut agree, mut untied_x, mut untied_y) = (0_i64, 0_i64, 0_i64);
    for i in 0..n {
        for j in 0..i {
            let side = |v: &[f64]| match v[i].total_cmp(&v[j]) {
                _ if v[i] == v[j] => 0,
                Ordering::Less => -1,
                Ordering::Equal => 0,
                Ordering::Greater => 1_i64,
            };
            let (dx, dy) = (side(x), side(y));
            agree += dx * dy;
            untied_x += dx.abs();
            untied_y += dy.abs();
        }
    }
    (untied_x > 0 && untied_y > 0).then(|| agree as f64 / ((untied_x as f64).sqrt() * (untied_y as f64).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: Option<f64>, want: f64) {
        let got = got.expect("a value");
        assert!((got - want).abs() < 1e-12, "{got} is not {want}");
    }

    // Reference values: SciPy 1.17 (pearsonr, spearmanr, kendalltau) on the same vectors.
    const X: [f64; 8] = [1.0, 2.0, 2.0, 4.0, 5.0, 7.0, 7.5, 9.0];
    const Y: [f64; 8] = [2.0, 1.0, 3.0, 3.0, 6.0, 5.0, 9.0, 7.0];

    #[test]
    fn correlations_match_scipy() {
        close(pearson(&X, &Y), 0.869_375_611_279_941_6);
        close(spearman(&X, &Y), 0.897_590_361_445_783_1);
        close(kendall(&X, &Y), 0.740_740_740_740_740_7);
    }

    #[test]
    fn constant_or_short_data_has_no_correlation() {
        assert_eq!(pearson(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(spearman(&[1.0], &[1.0]), None);
        assert_eq!(kendall(&[], &[]), None);
    }

    #[test]
    fn t_quantiles_match_tables() {
        for (degrees, want) in [(1, 12.706), (4, 2.776), (5, 2.571), (10, 2.228), (30, 2.042), (1000, 1.962)] {
            assert!((student_t_975(degrees) - want).abs() < 0.002 * want, "{degrees}: {}", student_t_975(degrees));
        }
    }

    #[test]
    fn quantiles_interpolate() {
        let mut values: Vec<f64> = (0..=1000).rev().map(f64::from).collect();
        assert_eq!(quantiles(&mut values, [0.025, 0.975]), Some([25.0, 975.0]));
        assert_eq!(quantiles(&mut [], [0.025, 0.975]), None);
    }

    #[test]
    fn moments_give_mean_and_sd() {
        let mut moments = Moments { count: 2, sum: 3.0, sum_of_squares: 5.0 };
        moments.merge(Moments { count: 1, sum: 6.0, sum_of_squares: 36.0 });
        assert_eq!(moments.mean(), Some(3.0));
        assert_eq!(moments.sd(), Some(7.0_f64.sqrt()));
        assert_eq!(Moments::default().sd(), None);
    }
}
