//! Consensus: one score in `[0, 10]` from the scores of the evaluators drawn for an output.
//!
//! arXiv 2512.16317 does not state its rule; the follow-up (arXiv 2601.21189) calls the baseline "simple averaging" and
//! compares it with the median, the trimmed mean and an adaptive trust-weighted mean. None of its parameters is known:
//! every default here is assumed.

use serde::{Deserialize, Deserializer, Serialize};

use crate::fields::{self, Fields, unknown_word};
use crate::limits::{self, Bounds};
use crate::network::Instance;

/// The rule that turns the drawn evaluators' scores into the consensus.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Consensus {
    /// The arithmetic mean.
    Mean {},
    /// The middle score, or the mean of the two in the middle.
    Median {},
    /// The mean of what is left when the lowest and the highest scores are dropped.
    TrimmedMean {
        /// Share dropped at each end, of K, rounded up.
        trim_share: f64,
    },
    /// The mean by trust weights that shrink or grow with each deviation `d = |s - c| / 10`:
    /// `w <- clip(w * (1 + lambda * (0.5 - d)), w_min, w_max)` (arXiv 2601.21189, eq. 21).
    TrustWeighted {
        /// How fast weights move.
        lambda: f64,
        /// Smallest weight.
        w_min: f64,
        /// Largest weight.
        w_max: f64,
        /// Weight before the first round.
        w_initial: f64,
    },
    /// The mean by trust weights that follow closeness: `w <- retention * w + (1 - retention) * max(0, 1 - 2 d)`, kept
    /// within `[w_min, w_max]`.
    EmaTrust {
        /// How much of the old weight stays.
        retention: f64,
        /// Smallest weight.
        w_min: f64,
        /// Largest weight.
        w_max: f64,
        /// Weight before the first round.
        w_initial: f64,
    },
    /// The mean by stake of the scores, each cut down to the largest score that at least a share `kappa` of the drawn
    /// stake supports (after Bittensor's Yuma consensus). Scores below are not raised.
    Yuma {
        /// Share of stake that a score needs behind it.
        kappa: f64,
    },
}

impl Default for Consensus {
    fn default() -> Self {
        Self::Mean {}
    }
}

impl<'de> Deserialize<'de> for Consensus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fields::read(deserializer, Self::from_fields)
    }
}

impl Consensus {
    /// A rule; absent parameters have their default.
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let rule: String = fields.required("rule")?;
        let rule = match rule.as_str() {
            "mean" => Self::Mean {},
            "median" => Self::Median {},
            "trimmed_mean" => Self::TrimmedMean { trim_share: fields.number("trim_share", 0.2)? },
            "trust_weighted" => Self::TrustWeighted {
                lambda: fields.number("lambda", 0.1)?,
                w_min: fields.number("w_min", 0.1)?,
                w_max: fields.number("w_max", 2.0)?,
                w_initial: fields.number("w_initial", 1.0)?,
            },
            "ema_trust" => Self::EmaTrust {
                retention: fields.number("retention", 0.95)?,
                w_min: fields.number("w_min", 0.05)?,
                w_max: fields.number("w_max", 1.0)?,
                w_initial: fields.number("w_initial", 0.5)?,
            },
            "yuma" => Self::Yuma { kappa: fields.number("kappa", 0.5)? },
            other => return Err(unknown_word("rule", other, &Self::RULES)),
        };
        fields.finish()?;
        Ok(rule)
    }

    /// The names of the rules, each a rule by its defaults when written as `{"rule": name}`.
    pub const RULES: [&str; 6] = ["mean", "median", "trimmed_mean", "trust_weighted", "ema_trust", "yuma"];

    /// Its name, as in `{"rule": name}`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mean {} => "mean",
            Self::Median {} => "median",
            Self::TrimmedMean { .. } => "trimmed_mean",
            Self::TrustWeighted { .. } => "trust_weighted",
            Self::EmaTrust { .. } => "ema_trust",
            Self::Yuma { .. } => "yuma",
        }
    }

    /// Its parameters: name, value and allowed range.
    #[must_use]
    pub fn parameters(&self) -> Vec<(&'static str, f64, Bounds)> {
        let weights = |w_min, w_max, w_initial| {
            [
                ("w_min", w_min, limits::TRUST_WEIGHT),
                ("w_max", w_max, limits::TRUST_WEIGHT),
                ("w_initial", w_initial, limits::TRUST_WEIGHT),
            ]
        };
        match *self {
            Self::Mean {} | Self::Median {} => Vec::new(),
            Self::TrimmedMean { trim_share } => vec![("trim_share", trim_share, limits::TRIM_SHARE)],
            Self::TrustWeighted { lambda, w_min, w_max, w_initial } => {
                let mut parameters = vec![("lambda", lambda, limits::TRUST_LAMBDA)];
                parameters.extend(weights(w_min, w_max, w_initial));
                parameters
            }
            Self::EmaTrust { retention, w_min, w_max, w_initial } => {
                let mut parameters = vec![("retention", retention, limits::SHARE)];
                parameters.extend(weights(w_min, w_max, w_initial));
                parameters
            }
            Self::Yuma { kappa } => vec![("kappa", kappa, limits::SHARE)],
        }
    }

    /// Whether the rule keeps a weight for each evaluator.
    #[must_use]
    pub fn has_weights(&self) -> bool {
        matches!(self, Self::TrustWeighted { .. } | Self::EmaTrust { .. })
    }

    /// Scores that the trimmed mean drops at each end of `k`; 0 under the other rules.
    #[must_use]
    pub fn trimmed(&self, k: u32) -> u32 {
        match *self {
            // A product that is whole but for rounding, as 0.07 x 100, is not rounded up.
            Self::TrimmedMean { trim_share } => libm::ceil(trim_share * f64::from(k) - 1e-9) as u32,
            _ => 0,
        }
    }
}

/// A rule at work: with its evaluators' stakes or weights.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    Mean,
    Median { sorter: Sorter },
    TrimmedMean { trimmed: usize, sorter: Sorter },
    TrustWeighted { lambda: f64, trust: Trust },
    EmaTrust { retention: f64, trust: Trust },
    Yuma { kappa: f64, stakes: Vec<f64>, sorter: Sorter, by_score: Vec<(f64, f64)> },
}

/// By evaluator: its weight.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    weights: Vec<f64>,
    min: f64,
    max: f64,
}

impl Trust {
    fn new(evaluators: usize, min: f64, max: f64, initial: f64) -> Self {
        Self { weights: vec![initial; evaluators], min, max }
    }

    /// The mean of `scores` by the weights of `drawn`, then each of these weights as `next` of itself and the
    /// deviation.
    #[inline(always)]
    fn consensus(&mut self, drawn: &[u32], scores: &[f64], next: impl Fn(f64, f64) -> f64) -> f64 {
        let (mut sum, mut total) = (0.0, 0.0);
        for (&evaluator, &score) in drawn.iter().zip(scores) {
            let weight = self.weights[evaluator as usize];
            sum += weight * score;
            total += weight;
        }
        let consensus = sum / total;
        let (min, max) = (self.min, self.max);
        for (&evaluator, &score) in drawn.iter().zip(scores) {
            let weight = &mut self.weights[evaluator as usize];
            let next = next(*weight, (score - consensus).abs() * 0.1);
            let raised = if next < min { min } else { next };
            *weight = if raised > max { max } else { raised };
        }
        consensus
    }
}

impl Rule {
    pub(crate) fn new(consensus: Consensus, evaluators: &[Instance], k: u32) -> Self {
        match consensus {
            Consensus::Mean {} => Self::Mean,
            Consensus::Median {} => Self::Median { sorter: Sorter::default() },
            Consensus::TrimmedMean { .. } => {
                Self::TrimmedMean { trimmed: consensus.trimmed(k) as usize, sorter: Sorter::default() }
            }
            Consensus::TrustWeighted { lambda, w_min, w_max, w_initial } => {
                Self::TrustWeighted { lambda, trust: Trust::new(evaluators.len(), w_min, w_max, w_initial) }
            }
            Consensus::EmaTrust { retention, w_min, w_max, w_initial } => {
                Self::EmaTrust { retention, trust: Trust::new(evaluators.len(), w_min, w_max, w_initial) }
            }
            Consensus::Yuma { kappa } => Self::Yuma {
                kappa,
                stakes: evaluators.iter().map(|evaluator| evaluator.stake).collect(),
                sorter: Sorter::default(),
                by_score: Vec::with_capacity(k as usize),
            },
        }
    }

    /// The consensus on `scores`, each in `[0, 10]` and given by the evaluator at the same place of `drawn`; 0 for
    /// none. It lies within the scores, to rounding.
    #[inline(always)]
    pub(crate) fn consensus(&mut self, drawn: &[u32], scores: &[f64]) -> f64 {
        if scores.is_empty() {
            return 0.0;
        }
        match self {
            Self::Mean => mean(scores),
            Self::Median { sorter } => {
                let sorted = sorter.sort(scores);
                let middle = sorted.len() / 2;
                if sorted.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) }
            }
            Self::TrimmedMean { trimmed, sorter } => {
                let sorted = sorter.sort(scores);
                // Fewer than K scores are there where evaluators without stake are not heard.
                let trimmed = (*trimmed).min((sorted.len() - 1) / 2);
                mean(&sorted[trimmed..sorted.len() - trimmed])
            }
            Self::TrustWeighted { lambda, trust } => {
                trust.consensus(drawn, scores, |weight, deviation| weight * (1.0 + *lambda * (0.5 - deviation)))
            }
            Self::EmaTrust { retention, trust } => trust.consensus(drawn, scores, |weight, deviation| {
                let closeness = 1.0 - 2.0 * deviation;
                *retention * weight + (1.0 - *retention) * if closeness > 0.0 { closeness } else { 0.0 }
            }),
            Self::Yuma { kappa, stakes, sorter, by_score } => {
                let first = stakes[drawn[0] as usize];
                if drawn.iter().all(|&drawn| stakes[drawn as usize] == first) {
                    // Of scores with equal stakes, sorting need not know whose they are.
                    let stake = if first == 0.0 { 1.0 } else { first };
                    return clipped_mean(sorter.sort(scores).iter().rev().map(|&score| (score, stake)), *kappa);
                }
                by_score.clear();
                by_score.extend(drawn.iter().zip(scores).map(|(&drawn, &score)| (score, stakes[drawn as usize])));
                by_score.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
                clipped_mean(by_score.iter().copied(), *kappa)
            }
        }
    }

    /// The consensus of each round, of which `k` evaluators and scores follow each other. `K` is `k`, where the
    /// compiler is to know it, or 0.
    #[inline(never)]
    pub(crate) fn consensus_of_each<const K: usize>(
        &mut self,
        k: usize,
        drawn: &[u32],
        scores: &[f64],
        consensus: &mut [f64],
    ) {
        let k = if K > 0 { K } else { k };
        let rounds = consensus.iter_mut().zip(drawn.chunks_exact(k).zip(scores.chunks_exact(k)));
        if let Self::Mean = self {
            rounds.for_each(|(consensus, (_, scores))| *consensus = mean(scores));
        } else {
            rounds.for_each(|(consensus, (drawn, scores))| *consensus = self.consensus(drawn, scores));
        }
    }

    /// The weight of an evaluator in the consensus: its trust or stake, or 1 where all count alike.
    pub(crate) fn weight(&self, evaluator: usize) -> f64 {
        match self {
            Self::Mean | Self::Median { .. } | Self::TrimmedMean { .. } => 1.0,
            Self::TrustWeighted { trust, .. } | Self::EmaTrust { trust, .. } => trust.weights[evaluator],
            Self::Yuma { stakes, .. } => stakes[evaluator],
        }
    }

    /// Tells the rule what is left of an evaluator's stake.
    pub(crate) fn set_stake(&mut self, evaluator: usize, stake: f64) {
        if let Self::Yuma { stakes, .. } = self {
            stakes[evaluator] = stake;
        }
    }

    /// By evaluator: its trust weight, under a rule that keeps such weights.
    pub(crate) fn weights(&self) -> Option<&[f64]> {
        match self {
            Self::TrustWeighted { trust, .. } | Self::EmaTrust { trust, .. } => Some(&trust.weights),
            _ => None,
        }
    }
}

#[inline]
fn mean(scores: &[f64]) -> f64 {
    let sum: f64 = scores.iter().sum();
    sum / scores.len() as f64
}

/// Up to so many scores are sorted by a network.
const FEW: usize = 8;

/// Sorts the scores of a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sorter {
    few: [f64; FEW],
    many: Vec<f64>,
}

impl Sorter {
    #[inline]
    fn sort(&mut self, scores: &[f64]) -> &[f64] {
        if let Some(few) = self.few.get_mut(..scores.len()) {
            few.copy_from_slice(scores);
            self.few[scores.len()..].fill(f64::INFINITY);
            self.few = sort_eight(self.few);
            return &self.few[..scores.len()];
        }
        self.many.clear();
        self.many.extend_from_slice(scores);
        self.many.sort_unstable_by(f64::total_cmp);
        &self.many
    }
}

/// Batcher's odd-even merge sort (Knuth 5.3.4), written out: a fixed list of comparisons has no branch that the
/// processor could predict wrongly, as it does with random scores.
#[inline]
fn sort_eight(mut of: [f64; FEW]) -> [f64; FEW] {
    macro_rules! in_order {
        ($($low:literal $high:literal),*) => {$(
            let (a, b) = (of[$low], of[$high]);
            (of[$low], of[$high]) = (if b < a { b } else { a }, if b < a { a } else { b });
        )*};
    }
    in_order!(0 1, 2 3, 4 5, 6 7, 0 2, 1 3, 4 6, 5 7, 1 2, 5 6, 0 4, 1 5, 2 6, 3 7, 2 4, 3 5, 1 2, 3 4, 5 6);
    of
}

/// The mean by stake of scores cut down to the largest that stake of at least `kappa` of all is at or above. Scores
/// come with their stakes, not all 0, the largest first.
#[inline]
fn clipped_mean(downwards: impl Iterator<Item = (f64, f64)> + Clone, kappa: f64) -> f64 {
    let total: f64 = downwards.clone().map(|(_, stake)| stake).sum();
    let mut support = 0.0;
    let mut cut = 0.0;
    for (score, stake) in downwards.clone() {
        support += stake;
        cut = score;
        if support >= kappa * total {
            break;
        }
    }
    let sum: f64 = downwards.map(|(score, stake)| stake * score.min(cut)).sum();
    sum / total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluators(stakes: &[f64]) -> Vec<Instance> {
        stakes.iter().map(|&stake| Instance { stake, ..Instance::default() }).collect()
    }

    fn of(rule: &str, scores: &[f64]) -> f64 {
        let consensus: Consensus = serde_json::from_str(rule).expect("a rule");
        let pool = evaluators(&vec![1.0; scores.len()]);
        let drawn: Vec<u32> = (0..scores.len() as u32).collect();
        Rule::new(consensus, &pool, scores.len() as u32).consensus(&drawn, scores)
    }

    #[test]
    fn each_rule_on_scores_worked_out_by_hand() {
        let scores = [9.0, 2.0, 4.0, 10.0, 3.0];
        assert_eq!(of(r#"{"rule": "mean"}"#, &scores), 5.6);
        assert_eq!(of(r#"{"rule": "median"}"#, &scores), 4.0);
        assert_eq!(of(r#"{"rule": "median"}"#, &scores[..4]), 6.5);
        // One is dropped at each end of five.
        assert_eq!(of(r#"{"rule": "trimmed_mean"}"#, &scores), (9.0 + 4.0 + 3.0) / 3.0);
        assert_eq!(of(r#"{"rule": "trimmed_mean", "trim_share": 0.4}"#, &scores), 4.0);
        assert_eq!(of(r#"{"rule": "trimmed_mean", "trim_share": 0}"#, &scores), 5.6);
        // Three of five stand at 4 or above, so that 9 and 10 are cut to 4.
        assert_eq!(of(r#"{"rule": "yuma"}"#, &scores), (4.0 + 4.0 + 4.0 + 3.0 + 2.0) / 5.0);
        assert_eq!(of(r#"{"rule": "yuma", "kappa": 0.2}"#, &scores), 5.6);
        assert_eq!(of(r#"{"rule": "yuma", "kappa": 1}"#, &scores), 2.0);
        // Before the first update all weights are alike.
        assert_eq!(of(r#"{"rule": "trust_weighted"}"#, &scores), 5.6);
        assert_eq!(of(r#"{"rule": "ema_trust"}"#, &scores), 5.6);
    }

    #[test]
    fn the_trimmed_share_is_rounded_up_to_whole_scores() {
        let trimmed = |trim_share, k| Consensus::TrimmedMean { trim_share }.trimmed(k);
        assert_eq!((trimmed(0.2, 3), trimmed(0.2, 5), trimmed(0.2, 6)), (1, 1, 2));
        assert_eq!((trimmed(0.07, 100), trimmed(0.0, 100), trimmed(0.3, 10)), (7, 0, 3));
    }

    #[test]
    fn stake_moves_the_cut() {
        let mut rule = Rule::new(Consensus::Yuma { kappa: 0.5 }, &evaluators(&[1.0, 1.0, 6.0, 0.0]), 3);
        // The third holds six of eight.
        assert_eq!(rule.consensus(&[0, 1, 2], &[10.0, 8.0, 2.0]), 2.0);
        assert_eq!(rule.consensus(&[0, 1, 3], &[10.0, 8.0, 2.0]), 10.0 / 2.0 + 8.0 / 2.0);
        assert_eq!(rule.consensus(&[3], &[7.0]), 7.0, "no stake at all");
    }

    #[test]
    fn the_clip_rule_moves_weights_by_its_equation() {
        let consensus = Consensus::TrustWeighted { lambda: 0.4, w_min: 0.1, w_max: 1.5, w_initial: 1.0 };
        let mut rule = Rule::new(consensus, &evaluators(&[1.0; 3]), 2);
        assert_eq!(rule.consensus(&[0, 2], &[0.0, 10.0]), 5.0);
        // d = 0.5 for both: nothing moves.
        assert_eq!(rule.weights(), Some(&[1.0, 1.0, 1.0][..]));
        assert_eq!(rule.consensus(&[0, 1], &[6.0, 8.0]), 7.0);
        // d = 0.1: w = 1 + 0.4 * 0.4.
        let weights = rule.weights().expect("weights");
        assert!(
            weights.iter().zip([1.16, 1.16, 1.0]).all(|(weight, want)| (weight - want).abs() < 1e-12),
            "{weights:?}"
        );
        for _ in 0..10 {
            rule.consensus(&[0, 1], &[6.0, 8.0]);
        }
        assert_eq!(rule.weights(), Some(&[1.5, 1.5, 1.0][..]), "the drift to w_max");
    }

    #[test]
    fn the_ema_rule_settles_where_closeness_is() {
        let consensus = Consensus::EmaTrust { retention: 0.9, w_min: 0.05, w_max: 1.0, w_initial: 1.0 };
        let mut rule = Rule::new(consensus, &evaluators(&[1.0; 2]), 2);
        for _ in 0..500 {
            rule.consensus(&[0, 1], &[5.0, 9.0]);
        }
        // d = 0.2 for both, closeness 1 - 2 d = 0.6.
        for &weight in rule.weights().expect("weights") {
            assert!((weight - 0.6).abs() < 1e-9, "{weight}");
        }
    }

    /// By hand. Two agree and one is at the other end of the scale; with lambda 2 the factor is 1 + 2 (0.5 - d).
    #[test]
    fn the_clip_rule_holds_weights_within_both_bounds() {
        let consensus = Consensus::TrustWeighted { lambda: 2.0, w_min: 0.25, w_max: 4.0, w_initial: 1.0 };
        let mut rule = Rule::new(consensus, &evaluators(&[1.0; 3]), 3);
        // 0, 0 and 10: c = 10 / 3, d = 1/3, 1/3, 2/3, factors 4/3, 4/3, 2/3.
        rule.consensus(&[0, 1, 2], &[0.0, 0.0, 10.0]);
        let weights = rule.weights().expect("weights");
        for (weight, want) in weights.iter().zip([4.0 / 3.0, 4.0 / 3.0, 2.0 / 3.0]) {
            assert!((weight - want).abs() < 1e-12, "{weights:?}");
        }
        for _ in 0..20 {
            rule.consensus(&[0, 1, 2], &[0.0, 0.0, 10.0]);
            assert!(rule.weights().expect("weights").iter().all(|weight| (0.25..=4.0).contains(weight)));
        }
        assert_eq!(rule.weights(), Some(&[4.0, 4.0, 0.25][..]), "both bounds, exactly");
        // 10 x 0.25 of 8.25.
        assert!((rule.consensus(&[0, 1, 2], &[0.0, 0.0, 10.0]) - 2.5 / 8.25).abs() < 1e-12);
        // From w_min a weight rises again: with d = 0 by half of lambda.
        rule.consensus(&[2], &[10.0]);
        assert_eq!(rule.weights(), Some(&[4.0, 4.0, 0.5][..]));
    }

    /// By hand. Closeness is max(0, 1 - 2 d): 1 alone, 0 from d = 0.5 on; half of the old weight stays.
    #[test]
    fn the_ema_rule_holds_weights_within_both_bounds() {
        let consensus = Consensus::EmaTrust { retention: 0.5, w_min: 0.125, w_max: 0.75, w_initial: 0.5 };
        let mut rule = Rule::new(consensus, &evaluators(&[1.0; 3]), 3);
        // c = 10 / 3: closeness 1/3, 1/3 and, with d = 2/3, none.
        rule.consensus(&[0, 1, 2], &[0.0, 0.0, 10.0]);
        let weights = rule.weights().expect("weights");
        let want = [0.25 + 1.0 / 6.0, 0.25 + 1.0 / 6.0, 0.25];
        assert!(weights.iter().zip(want).all(|(weight, want)| (weight - want).abs() < 1e-12), "{weights:?}");
        // The liar halves to 0.125 and would go on to 0.0625.
        for _ in 0..3 {
            rule.consensus(&[0, 1, 2], &[0.0, 0.0, 10.0]);
        }
        assert_eq!(rule.weight(2), 0.125);
        // Alone it is always at its own consensus: it would rise to 1.
        for _ in 0..9 {
            rule.consensus(&[0], &[7.0]);
        }
        assert_eq!((rule.weight(0), rule.weight(2)), (0.75, 0.125));
    }

    /// A booster of five lifts the consensus up to the largest score that half of the stake supports, and no further:
    /// the honest scores alone decide how far that is.
    #[test]
    fn a_minority_lifts_the_clipped_mean_to_a_supported_score_alone() {
        let yuma = r#"{"rule": "yuma"}"#;
        // Three of five stand at 6 or above; once the lowest is boosted to 10, three stand at 7 or above.
        assert_eq!(of(yuma, &[2.0, 4.0, 6.0, 7.0, 9.0]), (2.0 + 4.0 + 6.0 * 3.0) / 5.0);
        let boosted = of(yuma, &[10.0, 4.0, 6.0, 7.0, 9.0]);
        assert_eq!(boosted, (4.0 + 6.0 + 7.0 * 3.0) / 5.0);
        assert_eq!(boosted, of(yuma, &[7.0, 4.0, 6.0, 7.0, 9.0]), "what is above the cut adds nothing");
    }

    /// A network that sorts every list of zeros and ones sorts every list (Knuth's 0-1 principle).
    #[test]
    fn few_scores_are_sorted() {
        let mut sorter = Sorter::default();
        for count in 1..=FEW {
            for bits in 0..1_u32 << count {
                let scores: Vec<f64> = (0..count).map(|place| f64::from(bits >> place & 1)).collect();
                let sorted = sorter.sort(&scores);
                assert!(sorted.is_sorted() && sorted.iter().sum::<f64>() == f64::from(bits.count_ones()), "{scores:?}");
            }
            let scores: Vec<f64> = (0..count).map(|place| (place * 7 % 17) as f64).collect();
            let mut want = scores.clone();
            want.sort_by(f64::total_cmp);
            assert_eq!(sorter.sort(&scores), want);
        }
    }

    #[test]
    fn many_scores_are_sorted_as_few_are() {
        let many: Vec<f64> = (0..41).map(|i| f64::from(i * 17 % 41) / 4.1).collect();
        assert_eq!(of(r#"{"rule": "median"}"#, &many), 20.0 / 4.1);
        let few: Vec<f64> = (0..15).map(|i| f64::from(i * 7 % 15) / 1.5).collect();
        assert_eq!(of(r#"{"rule": "median"}"#, &few), 7.0 / 1.5);
    }

    #[test]
    fn a_rule_takes_its_own_parameters_alone() {
        let read = |text: &str| serde_json::from_str::<Consensus>(text);
        for rule in Consensus::RULES {
            assert_eq!(read(&format!(r#"{{"rule": "{rule}"}}"#)).expect("a rule").name(), rule);
            assert!(read(&format!(r#"{{"rule": "{rule}", "nonsense": 1}}"#)).is_err(), "{rule}");
        }
        assert!(read(r#"{"rule": "mean", "kappa": 0.5}"#).is_err());
    }
}
