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
    /// Which nodes attack, where a share of them does.
    Attackers,
    /// What attackers leave to chance.
    Attacks,
    /// Resampling of prompts for intervals.
    Bootstrap,
    /// The synthetic dataset that is fitted to a paper's figures.
    FittedDataset,
    /// Where the trajectories of a sensitivity analysis start and which way they go.
    Trajectories,
    /// Seeds of the runs that confirm what a search found.
    FreshSeeds,
    /// Rearrangements of outputs, which say what luck alone does.
    Permutations,
    /// Which passages a trained judge does not see.
    Folds,
    /// Weights, dropout and the order of rows of a judge in training.
    Training,
}

impl Purpose {
    /// The key-derivation context of BLAKE3: a name that is used for nothing else.
    fn context(self) -> &'static str {
        match self {
            Self::Draws => "poq-core 1 draws",
            Self::ScoreNoise => "poq-core 1 score noise",
            Self::Attackers => "poq-core 1 attackers",
            Self::Attacks => "poq-core 1 attacks",
            Self::Bootstrap => "poq-core 1 bootstrap",
            Self::FittedDataset => "poq-core 1 fitted dataset",
            Self::Trajectories => "poq-core 1 trajectories",
            Self::FreshSeeds => "poq-core 1 fresh seeds",
            Self::Permutations => "poq-core 1 permutations",
            Self::Folds => "poq-core 1 folds",
            Self::Training => "poq-core 1 training",
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
        Self::of_run(seed, 0, purpose)
    }

    /// The stream of another run under `seed`; run 0 has that of [`Stream::new`].
    pub fn of_run(seed: u64, run: u32, purpose: Purpose) -> Self {
        let mut material = seed.to_le_bytes().to_vec();
        if run > 0 {
            material.extend(run.to_le_bytes());
        }
        let key = blake3::derive_key(purpose.context(), &material);
        Self { rng: ChaCha8Rng::from_seed(key), spare_normal: None }
    }

    /// Random words taken so far: the position in the stream.
    pub(crate) fn words(&self) -> u64 {
        self.rng.get_word_pos() as u64
    }

    /// A seed for another run, of 52 bits.
    pub fn seed(&mut self) -> u64 {
        let mut half = || u64::from(self.below(1 << 26));
        (half() << 26) | half()
    }

    /// A uniform number in `0..bound`, without bias (Lemire 2019, arXiv 1805.10941).
    ///
    /// `bound` must be positive; with 0 the result is 0.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        Words::number_below(self, bound)
    }

    /// One uniform number below each of `ranges`' bounds, independent and without bias.
    #[inline]
    pub fn below_each<const N: usize>(&mut self, ranges: &Ranges<N>) -> [u32; N] {
        Words::numbers_below(self, ranges)
    }

    /// The next word, where that is rare.
    #[cold]
    #[inline(never)]
    fn word_after(&mut self) -> u32 {
        self.rng.next_u32()
    }

    /// The next `bytes.len() / 4` words, taken all at once, and those after them one by one: quicker than each by
    /// itself where many numbers are drawn in a row.
    pub(crate) fn ahead<'a>(&'a mut self, bytes: &'a mut [u8]) -> Ahead<'a> {
        self.rng.fill_bytes(bytes);
        Ahead { words: bytes.as_chunks().0.iter(), stream: self }
    }

    /// A uniform number in `(0, 1]`, with 53 random bits.
    pub(crate) fn unit_open_left(&mut self) -> f64 {
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

/// A source of random words, and the numbers that are made of them.
pub(crate) trait Words {
    fn word(&mut self) -> u32;

    /// As [`Stream::below`].
    #[inline(always)]
    fn number_below(&mut self, bound: u32) -> u32 {
        let mut product = u64::from(self.word()) * u64::from(bound);
        if (product as u32) < bound {
            let threshold = bound.wrapping_neg().checked_rem(bound).unwrap_or(0);
            while (product as u32) < threshold {
                product = u64::from(self.word()) * u64::from(bound);
            }
        }
        (product >> 32) as u32
    }

    /// As [`Stream::below_each`].
    #[inline(always)]
    fn numbers_below<const N: usize>(&mut self, ranges: &Ranges<N>) -> [u32; N] {
        let Some(threshold) = ranges.threshold else {
            return ranges.bounds.map(|bound| self.number_below(bound));
        };
        loop {
            let mut word = self.word();
            let numbers = ranges.bounds.map(|bound| {
                let product = u64::from(word) * u64::from(bound);
                word = product as u32;
                (product >> 32) as u32
            });
            if word >= threshold {
                return numbers;
            }
        }
    }
}

impl Words for Stream {
    #[inline(always)]
    fn word(&mut self) -> u32 {
        self.rng.next_u32()
    }
}

/// A stream with its next words at hand.
pub(crate) struct Ahead<'a> {
    words: std::slice::Iter<'a, [u8; 4]>,
    stream: &'a mut Stream,
}

impl Words for Ahead<'_> {
    #[inline(always)]
    fn word(&mut self) -> u32 {
        match self.words.next() {
            Some(&bytes) => u32::from_le_bytes(bytes),
            None => self.stream.word_after(),
        }
    }
}

/// Bounds of numbers that are drawn together: from one random word where the product of the bounds fits in it
/// (Brackett-Rozinsky and Lemire 2024, arXiv 2408.06213), else each from a word of its own.
#[derive(Clone, Copy, Debug)]
pub struct Ranges<const N: usize> {
    bounds: [u32; N],
    /// What is left of an accepted word is at least this; `None` where the product does not fit.
    threshold: Option<u32>,
}

impl<const N: usize> Ranges<N> {
    /// For numbers in `0..bound` of each of `bounds`, all positive; a bound of 0 gives 0.
    #[must_use]
    pub fn new(bounds: [u32; N]) -> Self {
        let bounds = bounds.map(|bound| bound.max(1));
        let product = bounds.iter().try_fold(1_u32, |product, &bound| product.checked_mul(bound));
        Self { bounds, threshold: product.map(|product| product.wrapping_neg() % product) }
    }

    /// Words that a draw takes at least.
    pub(crate) fn words(&self) -> usize {
        if self.threshold.is_some() { 1 } else { N }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every combination equally often, for a product that fits a word well, one that fills most of it, and one that
    /// does not fit.
    #[test]
    fn numbers_drawn_together_are_uniform_and_independent() {
        for bounds in [[4, 3, 5], [4, 3, 200_000_000], [4, 3, 1_000_000_000]] {
            let ranges = Ranges::new(bounds);
            assert_eq!(ranges.threshold.is_some(), bounds[2] < 1_000_000_000);
            let mut stream = Stream::new(2, Purpose::Draws);
            let mut counts = [0_u32; 60];
            for _ in 0..60_000 {
                let [a, b, c] = stream.below_each(&ranges);
                let fifth = u64::from(c) * 5 / u64::from(bounds[2]);
                counts[((a * 3 + b) * 5) as usize + fifth as usize] += 1;
            }
            // Each count has sd sqrt(60000 * 1/60 * 59/60) = 31.4; five sd either way.
            assert!(counts.iter().all(|&count| count.abs_diff(1000) < 157), "{bounds:?}: {counts:?}");
        }
    }

    /// The bounds' product 3 * 2^30 refuses a quarter of all words; without that, small numbers would come up too
    /// often.
    #[test]
    fn words_that_would_bias_are_refused() {
        let ranges = Ranges::new([3, 1 << 30]);
        assert_eq!(ranges.threshold, Some(1 << 30));
        let mut stream = Stream::new(4, Purpose::Draws);
        let mut counts = [0_u32; 3];
        for _ in 0..90_000 {
            counts[stream.below_each(&ranges)[0] as usize] += 1;
        }
        // sd sqrt(90000 * 2/9) = 141.
        assert!(counts.iter().all(|&count| count.abs_diff(30_000) < 707), "{counts:?}");
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let take = |purpose| {
            let mut stream = Stream::new(7, purpose);
            (0..8).map(|_| stream.below(1_000_000)).collect::<Vec<_>>()
        };
        assert_eq!(take(Purpose::Draws), take(Purpose::Draws));
        assert_ne!(take(Purpose::Draws), take(Purpose::Bootstrap));
        let of_run = |run| Stream::of_run(7, run, Purpose::Draws).below(u32::MAX);
        assert_eq!(of_run(0), Stream::new(7, Purpose::Draws).below(u32::MAX));
        assert!(of_run(1) != of_run(0) && of_run(1) != of_run(2));
    }

    /// A tenth of the words is refused, so that more are taken than were at hand.
    #[test]
    fn numbers_from_words_ahead_are_the_same() {
        let ranges = Ranges::new([9, 430_000_000]);
        for at_hand in [0, 1, 63, 64, 65, 200] {
            let [mut stream, mut other] = [0; 2].map(|_| Stream::new(3, Purpose::Draws));
            let mut bytes = vec![0; 4 * at_hand];
            let mut ahead = stream.ahead(&mut bytes);
            for _ in 0..200 {
                assert_eq!(ahead.numbers_below(&ranges), other.below_each(&ranges));
                assert_eq!(ahead.number_below(3 << 30), other.below(3 << 30));
            }
            assert_eq!(stream.words(), other.words());
            assert!(stream.words() > 440);
        }
    }

    #[test]
    fn words_are_counted() {
        let mut stream = Stream::new(1, Purpose::Draws);
        for taken in 0..300 {
            assert_eq!(stream.words(), taken);
            stream.below(1 << 31);
        }
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
