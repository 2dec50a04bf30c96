//! Random streams: one ChaCha8 generator for each (seed, purpose).
//!
//! ChaCha8 is portable and named, so that the page and a server draw the same numbers. A stream of its own for each
//! purpose keeps draws comparable: switching noise on does not change which tasks are drawn.

use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};

/// What a stream of random numbers is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Which task, which inference node, which evaluators.
    Draws,
    /// Gaussian noise on evaluator scores.
    ScoreNoise,
    /// Resampling of prompts for intervals.
    Bootstrap,
}

impl Purpose {
    /// The key-derivation context of BLAKE3: a name that is used for nothing else.
    fn context(self) -> &'static str {
        match self {
            Self::Draws => "poq-core 1 draws",
            Self::ScoreNoise => "poq-core 1 score noise",
            Self::Bootstrap => "poq-core 1 bootstrap",
        }
    }
}

/// A stream of random numbers.
#[derive(Debug)]
pub struct Stream {
    rng: ChaCha8Rng,
    /// The second number of the last Box-Muller pair, if not yet used.
    spare_normal: Option<f64>,
}

impl Stream {
    /// The stream for `purpose` under `seed`.
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        let key = blake3::derive_key(purpose.context(), &seed.to_le_bytes());
        Self { rng: ChaCha8Rng::from_seed(key), spare_normal: None }
    }

    /// A uniform number in `0..bound`, without bias (Lemire 2019, arXiv 1805.10941).
    ///
    /// `bound` must be positive; with 0 the result is 0.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        let mut product = u64::from(self.rng.next_u32()) * u64::from(bound);
        if (product as u32) < bound {
            let threshold = bound.wrapping_neg().checked_rem(bound).unwrap_or(0);
            while (product as u32) < threshold {
                product = u64::from(self.rng.next_u32()) * u64::from(bound);
            }
        }
        (product >> 32) as u32
    }

    /// A uniform number in `(0, 1]`, with 53 random bits.
    fn unit_open_left(&mut self) -> f64 {
        ((self.rng.next_u64() >> 11) + 1) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// A standard normal number (Box-Muller; `libm`, so that the bits do not depend on the platform).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        let radius = (-2.0 * libm::log(self.unit_open_left())).sqrt();
        let angle = core::f64::consts::TAU * self.unit_open_left();
        self.spare_normal = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let take = |purpose| {
            let mut stream = Stream::new(7, purpose);
            (0..8).map(|_| stream.below(1_000_000)).collect::<Vec<_>>()
        };
        assert_eq!(take(Purpose::Draws), take(Purpose::Draws));
        assert_ne!(take(Purpose::Draws), take(Purpose::Bootstrap));
    }

    #[test]
    fn below_is_uniform() {
        let mut stream = Stream::new(1, Purpose::Draws);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1;
        }
        // Each count has sd sqrt(70000 * 1/7 * 6/7) = 93; five sd either way.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 465), "{counts:?}");
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let mut stream = Stream::new(1, Purpose::ScoreNoise);
        let draws: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.016 && (variance - 1.0).abs() < 0.023, "{mean} {variance}");
    }
}
