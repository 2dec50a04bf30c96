//! Who earns most, and how surely.

use serde::{Deserialize, Serialize};

use crate::attack::Role;
use crate::dataset::Dataset;
use crate::simulation::{Simulation, Tally};
use crate::stats::Spread;

/// The inference node with the largest mean reward, and how surely it would be the same one again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leader {
    /// Its id; of nodes that differ in their names alone, the first one's.
    pub id: String,
    /// How surely it leads over all draws on these prompts: 1 less the one-sided p values (Student's t) of its lead
    /// over each of the others, at least 0. Where the past decides a run's path: the share of replicates, and this run,
    /// in which it leads. None where its lead has no interval.
    pub chance_draws: Option<f64>,
    /// The share of resampled prompts on which it leads over all draws. None in a sweep's cell, and where there are too
    /// few groups of prompts to tell.
    pub chance_prompts: Option<f64>,
}

impl Leader {
    /// None where no inference node was paid, and where all that were are one, or earn the same.
    pub(super) fn new(dataset: &Dataset, run: &Simulation, over_prompts: bool) -> Option<Self> {
        let units = run.inference.by_cohort();
        let means = units.means();
        let leader = leads(&means)?;
        let ahead = |means: Vec<Option<f64>>| leads(&means) == Some(leader);
        let id = run.network.inference[units.nodes[leader]].id.clone();
        if run.remembers() {
            let of = |run: &Simulation| ahead(run.inference.by_cohort().means());
            let [chance_draws, chance_prompts] = run.replicates.shares(&of);
            return Some(Self { id, chance_draws, chance_prompts: chance_prompts.filter(|_| over_prompts) });
        }
        let spreads: Option<Vec<Spread>> =
            (0..means.len()).filter(|&unit| means[unit].is_some()).map(|unit| units.spread_of_draws(unit)).collect();
        let chance_draws = spreads.map(|spreads| {
            let paid: Vec<f64> = means.iter().copied().flatten().collect();
            let first = means[..leader].iter().flatten().count();
            // Nodes are paid in different rounds; where all answer, what they share makes the lead surer than this.
            let behind = |other: usize| {
                let error = libm::hypot(spreads[first].error, spreads[other].error);
                let degrees = spreads[first].degrees.min(spreads[other].degrees);
                Spread { error, degrees }.p_value(paid[first] - paid[other]) / 2.0
            };
            let others = (0..paid.len()).filter(|&other| other != first);
            (1.0 - others.map(behind).sum::<f64>()).max(0.0)
        });
        let resampled = || {
            let resampled = run.resampled(dataset)?;
            let rewards = resampled.rewards(run, Role::Inference, &Tally::by_cohort(&run.inference))?;
            Some(rewards.share(resampled.prompts.stretch()?, &ahead))
        };
        Some(Self { id, chance_draws, chance_prompts: if over_prompts { resampled() } else { None } })
    }
}

/// Which unit has the largest mean; none where fewer than two have one, and where they are all the same.
fn leads(means: &[Option<f64>]) -> Option<usize> {
    let mut paid = means.iter().enumerate().filter_map(|(unit, mean)| Some((unit, (*mean)?)));
    let first = paid.next()?;
    let (mut best, mut differ) = (first, false);
    for (unit, mean) in paid {
        differ |= mean != first.1;
        if mean > best.1 {
            best = (unit, mean);
        }
    }
    differ.then_some(best.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper;
    use crate::scenario::Scenario;
    use serde_json::json;

    #[test]
    fn the_largest_mean_leads() {
        assert_eq!(leads(&[None, Some(0.2), Some(0.5), Some(0.5), None]), Some(2));
        assert_eq!(leads(&[Some(0.2), None]), None);
        assert_eq!(leads(&[Some(0.2), Some(0.2)]), None);
        assert_eq!(leads(&[]), None);
    }

    /// Over a hundred seeds of a short run whose leader is uncertain, it is that of a long run about as often as its
    /// chances say.
    #[test]
    fn chances_over_draws_are_kept() {
        let dataset = paper::dataset();
        let run = |patch: serde_json::Value| {
            let scenario = Scenario::from_patch(&patch).expect("valid");
            let mut run = Simulation::new(&dataset, &scenario).expect("fits");
            run.run(u64::MAX);
            run.brief(&dataset).leader.expect("a leader")
        };
        for rule in ["mean", "ema_trust"] {
            let patch = |seed: u64, rounds: u64| json!({"seed": seed, "rounds": rounds, "consensus": {"rule": rule}, "reward": {"beta_inference": 0}});
            let truth = run(patch(1, 1_000_000)).id;
            let leaders: Vec<Leader> = (1..=100).map(|seed| run(patch(seed, 60))).collect();
            let right = leaders.iter().filter(|leader| leader.id == truth).count() as f64 / 100.0;
            let said = leaders.iter().filter_map(|leader| leader.chance_draws).sum::<f64>() / 100.0;
            // The share of right ones has a standard deviation of 0.05.
            assert!(right < 0.9 && (right - said).abs() < 0.15, "{rule}: {right}, said {said}");
        }
    }
}
