//! An even sample of rounds, for scatter plots and rank correlations.

/// Answers kept at most; up to half as many are thinned away each time that it fills.
const CAPACITY: usize = 1 << 16;

/// One sampled answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sampled {
    pub round: u32,
    /// Position among the tasks drawn.
    pub task: u32,
    /// Position of the inference node in the network.
    pub inference: u32,
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
    /// Whether the answers of `round` are kept.
    #[inline]
    pub(crate) fn is_due(&self, round: u64) -> bool {
        round & (self.stride - 1) == 0
    }

    pub(crate) fn push(&mut self, answer: Sampled) {
        if self.answers.len() == CAPACITY {
            self.stride *= 2;
            let stride = self.stride;
            self.answers.retain(|kept| u64::from(kept.round) & (stride - 1) == 0);
            if u64::from(answer.round) & (stride - 1) != 0 {
                return;
            }
        }
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
            if sample.is_due(u64::from(round)) {
                sample.push(Sampled { round, task: 0, inference: 0, consensus: 0.0 });
            }
        }
        assert_eq!(sample.stride, 4);
        let rounds: Vec<u32> = sample.answers.iter().map(|answer| answer.round).collect();
        assert_eq!(rounds, (0..200_000).step_by(4).collect::<Vec<_>>());
    }
}
