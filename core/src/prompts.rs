//! What a run owes to the choice of its prompts.
//!
//! Prompts come in groups: questions about one passage are easy or hard together. Another dataset of the same make
//! would have had other passages, and as many of each kind of task. So the bootstrap draws whole groups with
//! repetition, kind by kind (a stratified cluster bootstrap: Davison and Hinkley, Bootstrap Methods and their
//! Application, 1997, chapters 3.2 and 3.8), and the delete-one-group jackknife leaves out one group at a time.

use std::collections::HashMap;

use crate::dataset::{Dataset, TaskKind};
use crate::report::Products;
use crate::rng::{Purpose, Stream};
use crate::stats::{self, Estimate, Interval, Moments, Spread};

/// Bootstrap resamples.
const RESAMPLES: usize = 1000;

/// The tasks of a run in the groups that are drawn together.
#[derive(Clone, Debug)]
pub(crate) struct Prompts {
    /// By position of a task: its group.
    of: Vec<u32>,
    /// How many groups each kind of task has; groups are numbered kind by kind.
    kinds: Vec<u32>,
}

impl Prompts {
    /// Groups of `tasks`, which are positions in `dataset`.
    pub(crate) fn new(dataset: &Dataset, tasks: &[usize]) -> Self {
        let mut of = vec![0; tasks.len()];
        let (mut groups, mut kinds) = (0, Vec::new());
        for kind in TaskKind::ALL {
            let (mut known, before) = (HashMap::new(), groups);
            for (of, &task) in of.iter_mut().zip(tasks) {
                if dataset.tasks[task].kind == kind {
                    *of = *known.entry(dataset.tasks[task].group_key()).or_insert_with(|| {
                        groups += 1;
                        groups - 1
                    });
                }
            }
            kinds.push(groups - before);
        }
        Self { of, kinds }
    }

    /// Groups of rows, each row by the number of its group, counted from 0, all drawn alike.
    pub(crate) fn of_one_kind(of: &[u32]) -> Self {
        Self { of: of.to_vec(), kinds: vec![of.iter().max().map_or(0, |last| last + 1)] }
    }

    /// How many groups there are.
    pub(crate) fn groups(&self) -> usize {
        self.kinds.iter().sum::<u32>() as usize
    }

    /// By position of a task: its group.
    pub(crate) fn of(&self) -> &[u32] {
        &self.of
    }

    /// Degrees of freedom of what groups tell: one less than there are, kind by kind; 0 where every kind has one group.
    pub(crate) fn degrees(&self) -> u64 {
        self.kinds.iter().map(|&groups| u64::from(groups.saturating_sub(1))).sum()
    }

    /// By resample: how often each group is drawn. None where no kind has two groups.
    pub(crate) fn resamples(&self, seed: u64) -> Vec<Vec<u32>> {
        if self.degrees() == 0 {
            return Vec::new();
        }
        let mut stream = Stream::new(seed, Purpose::Bootstrap);
        let resample = |_| {
            let mut weights = vec![0; self.groups()];
            let mut first = 0;
            for &groups in &self.kinds {
                for _ in 0..groups {
                    weights[(first + stream.below(groups)) as usize] += 1;
                }
                first += groups;
            }
            weights
        };
        (0..RESAMPLES).map(resample).collect()
    }

    /// The same by position of a task.
    pub(crate) fn task_resamples(&self, seed: u64) -> Vec<Vec<u32>> {
        let by_task = |weights: Vec<u32>| self.of.iter().map(|&group| weights[group as usize]).collect();
        self.resamples(seed).into_iter().map(by_task).collect()
    }

    /// By how much the distances of resamples from their middle are to be stretched, so that 95% of them reach as far
    /// as a 95% interval: a bootstrap of few groups is too narrow. None with fewer than four degrees of freedom.
    pub(crate) fn stretch(&self) -> Option<f64> {
        let (degrees, resampled) = (self.degrees(), self.resampled_groups());
        (degrees >= FEWEST_DEGREES)
            .then(|| stats::student_t_975(degrees) / stats::Z_975 * (f64::from(resampled) / degrees as f64).sqrt())
    }

    /// Groups of kinds that have several.
    fn resampled_groups(&self) -> u32 {
        self.kinds.iter().filter(|&&groups| groups > 1).sum()
    }

    /// The spread of a figure over the choice of prompts, from its values on the resamples; `noise` is the variance
    /// that the figure has by the luck of the draws. None with fewer than two values.
    ///
    /// A bootstrap of `G` groups has `(G - 1) / G` of the variance that their choice has: that is made good.
    pub(crate) fn spread(&self, values: &[f64], noise: f64) -> Option<Spread> {
        let moments = Moments::of(values);
        let (sd, degrees) = (moments.sd()?, self.degrees());
        let resampled = self.resampled_groups();
        let variance = sd * sd;
        // What the draws of few rounds leave of it is not known well: at most half is taken away.
        let own = (variance - noise).max(0.5 * variance);
        (degrees > 0).then(|| Spread { error: (own * f64::from(resampled) / degrees as f64).sqrt(), degrees })
    }

    /// The 95% interval over the choice of prompts of a figure that has this value, and `resampled` on the resamples:
    /// Student's t with the standard error that these tell. None with fewer than four degrees of freedom.
    pub(crate) fn interval(&self, value: f64, resampled: &[f64]) -> Option<Interval> {
        let spread = (self.degrees() >= FEWEST_DEGREES).then(|| self.spread(resampled, 0.0)).flatten();
        spread.map(|spread| spread.interval(value))
    }

    /// A correlation with its 95% interval over the choice of prompts, from what each group adds to it: Fisher's z with
    /// the standard error of the jackknife that leaves out one group at a time. None where it is not defined; no
    /// interval where it is not defined without some group, and with fewer than four degrees of freedom.
    pub(crate) fn correlation(&self, groups: &[Products]) -> Option<Estimate> {
        let mut all = Products::default();
        groups.iter().for_each(|&group| all.add(group, 1.0));
        let value = all.pearson()?;
        let spread = (self.degrees() >= FEWEST_DEGREES).then(|| self.jackknife(all, groups)).flatten();
        let ci95 = spread.map(|spread| spread.interval(fisher(value)).map(libm::tanh));
        Some(Estimate { value, ci95 })
    }

    fn jackknife(&self, all: Products, groups: &[Products]) -> Option<Spread> {
        let (mut variance, mut first) = (0.0, 0);
        for &count in &self.kinds {
            let of_kind = &groups[first..first + count as usize];
            first += count as usize;
            if count < 2 {
                continue;
            }
            let mut kind = Products::default();
            of_kind.iter().for_each(|&group| kind.add(group, 1.0));
            // Those that stay stand for the one that is left out.
            let count = f64::from(count);
            let share = count / (count - 1.0);
            let mut without = Moments::default();
            for &left_out in of_kind {
                let mut rest = all;
                rest.add(kind, share - 1.0);
                rest.add(left_out, -share);
                without.add(fisher(rest.pearson()?));
            }
            let sd = without.sd()?;
            variance += sd * sd * (count - 1.0) * (count - 1.0) / count;
        }
        Some(Spread { error: variance.sqrt(), degrees: self.degrees() })
    }
}

/// Fisher's z of a correlation.
fn fisher(correlation: f64) -> f64 {
    libm::atanh(correlation.clamp(-MOST_CORRELATED, MOST_CORRELATED))
}

/// Fisher's z is infinite at 1.
const MOST_CORRELATED: f64 = 1.0 - 1e-9;
/// With fewer degrees of freedom an interval of a correlation says nothing.
const FEWEST_DEGREES: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts(kinds: &[u32]) -> Prompts {
        Prompts { of: (0..kinds.iter().sum()).collect(), kinds: kinds.to_vec() }
    }

    #[test]
    fn kinds_keep_their_number_of_groups() {
        let prompts = prompts(&[3, 0, 5]);
        assert_eq!((prompts.groups(), prompts.degrees()), (8, 6));
        let resamples = prompts.resamples(1);
        assert_eq!(resamples.len(), RESAMPLES);
        for weights in &resamples {
            assert_eq!((weights[..3].iter().sum::<u32>(), weights[3..].iter().sum::<u32>()), (3, 5));
        }
        // Each group is drawn once on average; the standard deviation of a mean of 1,000 is at most 0.03.
        for group in 0..8 {
            let mean = resamples.iter().map(|weights| f64::from(weights[group])).sum::<f64>() / 1000.0;
            assert!((mean - 1.0).abs() < 0.13, "{group}: {mean}");
        }
    }

    #[test]
    fn one_group_of_each_kind_says_nothing_of_others() {
        let prompts = prompts(&[1, 1]);
        assert!(prompts.resamples(1).is_empty());
        assert_eq!(prompts.spread(&[1.0, 2.0], 0.0), None);
        let groups = [[1.0, 2.0], [2.0, 5.0]].map(|[x, y]| Products::new(&[x], &[y]));
        assert_eq!(prompts.correlation(&groups), Some(Estimate { value: 1.0, ci95: None }));
    }

    /// Four groups with means 1, 2, 3, 6: the variance of the mean is 14 / 3 / 4.
    #[test]
    fn the_spread_is_that_of_a_mean_of_groups() {
        let prompts = prompts(&[4]);
        let values = [1.0, 2.0, 3.0, 6.0];
        let mean = |weights: &Vec<u32>| weights.iter().zip(values).map(|(&w, v)| f64::from(w) * v).sum::<f64>() / 4.0;
        let means: Vec<f64> = prompts.resamples(1).iter().map(mean).collect();
        let spread = prompts.spread(&means, 0.0).expect("a spread");
        // A standard deviation from 1,000 resamples has an error of 2.2%; four of them either way.
        assert!((spread.error / (14.0_f64 / 12.0).sqrt() - 1.0).abs() < 0.09, "{spread:?}");
        assert_eq!(spread.degrees, 3);
        let less = prompts.spread(&means, 0.19 * spread.error * spread.error * 0.75).expect("a spread");
        assert!((less.error / spread.error - 0.9).abs() < 1e-9, "{less:?}");
        let most = prompts.spread(&means, 100.0).expect("a spread");
        assert!((most.error / spread.error - 0.5_f64.sqrt()).abs() < 1e-9, "{most:?}");
    }

    /// By plain arithmetic: the correlation of all pairs, and of all but each group's with the others of its kind in
    /// its place.
    #[test]
    fn the_jackknife_leaves_out_one_group_at_a_time() {
        let prompts = prompts(&[3, 4]);
        let pairs = [[1.0, 2.0], [2.0, 1.0], [4.0, 3.0], [6.0, 8.0], [7.0, 5.0], [9.0, 9.0], [8.0, 4.0]];
        let groups = pairs.map(|[x, y]| Products::new(&[x], &[y]));
        let r = |weights: [f64; 7]| {
            let mean = |of: usize| weights.iter().zip(pairs).map(|(w, pair)| w * pair[of]).sum::<f64>() / 7.0;
            let [x, y] = [mean(0), mean(1)];
            let sum = |a: usize, b: usize| {
                weights.iter().zip(pairs).map(|(w, p)| w * (p[a] - [x, y][a]) * (p[b] - [x, y][b])).sum::<f64>()
            };
            sum(0, 1) / (sum(0, 0) * sum(1, 1)).sqrt()
        };
        let estimate = prompts.correlation(&groups).expect("defined");
        assert!((estimate.value - r([1.0; 7])).abs() < 1e-12);
        let mut variance = 0.0;
        for (of_kind, count) in [(0..3, 3.0), (3..7, 4.0)] {
            let without: Vec<f64> = of_kind
                .clone()
                .map(|left_out| {
                    let mut weights = [1.0; 7];
                    weights[of_kind.clone()].fill(count / (count - 1.0));
                    weights[left_out] = 0.0;
                    libm::atanh(r(weights))
                })
                .collect();
            let mean = without.iter().sum::<f64>() / count;
            variance += (count - 1.0) / count * without.iter().map(|z| (z - mean) * (z - mean)).sum::<f64>();
        }
        let half = stats::student_t_975(5) * variance.sqrt();
        let [low, high] = estimate.ci95.expect("an interval").map(libm::atanh);
        let centre = libm::atanh(estimate.value);
        assert!((low - centre + half).abs() < 1e-9 && (high - centre - half).abs() < 1e-9);
        assert_eq!(self::prompts(&[2, 3]).correlation(&groups[..5]).expect("defined").ci95, None);
    }
}
