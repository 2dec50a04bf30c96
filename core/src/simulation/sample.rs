//! An even sample of rounds, for scatter plots and rank correlations.

/// Answers kept at most; up to half as many are thinned away each time that it fills.
const CAPACITY: usize = 1 << 16;

/// One sampled answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sampled {
    pub round: u32,
    /// Position among the tasks drawn.
    pub task: u32,
    /// Position of the recorded node whose output was given.
    pub model: u32,
    pub consensus: f64,
}

/// The answers of every `stride`-th round; the stride doubles when the sample is full. All rounds while they are few.
#[derive(Clone, Debug)]
pub(crate) struct RoundSample {
    stride: u64,
    pub answers: Vec<Sampled>,
}

impl Default for RoundSample {
    fn default() -> Self {
        Self { stride: 1, answers: Vec::new() }
    }
}

impl RoundSample {
    /// Whether the answers of `round`, so many, are kept; makes room for them by thinning the sample if they are.
    #[inline]
    pub(crate) fn admits(&mut self, round: u64, answers: usize) -> bool {
        self.is_due(round) && self.makes_room(round, answers)
    }

    /// The first round from `round` on that may be kept.
    pub(crate) fn next_due(&self, round: u64) -> u64 {
        round.next_multiple_of(self.stride)
    }

    fn is_due(&self, round: u64) -> bool {
        round & (self.stride - 1) == 0
    }

    #[cold]
    fn thin(&mut self) {
        self.stride *= 2;
        let stride = self.stride;
        self.answers.retain(|kept| u64::from(kept.round) & (stride - 1) == 0);
    }

    fn makes_room(&mut self, round: u64, answers: usize) -> bool {
        // A round of so many answers that two would not fit leaves the first alone.
        while self.answers.len() + answers > CAPACITY && self.is_due(round) {
            self.thin();
        }
        self.is_due(round)
    }

    pub(crate) fn push(&mut self, answer: Sampled) {
        self.answers.push(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_sample_keeps_every_second_round() {
        let mut sample = RoundSample::default();
        for round in 0..200_000_u32 {
            if sample.admits(u64::from(round), 1) {
                sample.push(Sampled { round, task: 0, model: 0, consensus: 0.0 });
            }
        }
        assert_eq!(sample.stride, 4);
        let rounds: Vec<u32> = sample.answers.iter().map(|answer| answer.round).collect();
        assert_eq!(rounds, (0..200_000).step_by(4).collect::<Vec<_>>());
    }

    #[test]
    fn a_round_of_many_answers_is_kept_whole_or_not_at_all() {
        let mut sample = RoundSample::default();
        for round in 0..50_000_u32 {
            if sample.admits(u64::from(round), 5) {
                for model in 0..5 {
                    sample.push(Sampled { round, task: 0, model, consensus: 0.0 });
                }
            }
        }
        assert!(sample.answers.len() <= CAPACITY);
        assert!(sample.answers.chunks(5).all(|round| round.len() == 5 && round[0].round == round[4].round));
        assert_eq!(sample.answers.len(), 5 * 50_000_usize.div_ceil(sample.stride as usize));
    }
}
