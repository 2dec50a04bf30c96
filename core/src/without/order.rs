//! Who changes places when an evaluator leaves.

use serde::{Deserialize, Serialize};

use crate::attack::Role;
use crate::compare::{ComparedNode, ROUNDING};
use crate::dataset::Dataset;
use crate::families::p_value;
use crate::simulation::{Simulation, Spreads, Tally};
use crate::stats::{Spread, student_t_975};

/// Two inference nodes that change places.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overtaking {
    /// Who earns more without the evaluator.
    pub node: String,
    /// Who earns more with it.
    pub overtaken: String,
    /// The chance of such a change of places, were there none on one of the sides: the larger of the p values of both
    /// leads, each for the luck of the draws and the choice of prompts together. None without intervals.
    pub p_value: Option<f64>,
    /// That, corrected (Holm) for all pairs of inference nodes and all evaluators that leave; none before
    /// [`super::told_at_once`].
    pub p_holm: Option<f64>,
}

/// What a node earns in a run, to be set beside others.
pub(super) struct Standing {
    /// Nodes of one cohort differ in their names alone.
    cohort: u32,
    mean: Option<f64>,
    /// Half the width of its 95% interval for the luck of the draws and the choice of prompts together.
    half_width: Option<f64>,
}

impl Standing {
    /// Of `rows`, inference nodes of `run`, which was made with `dataset`.
    pub(super) fn of(run: &Simulation, dataset: &Dataset, rows: &[&ComparedNode]) -> Vec<Self> {
        let means = run.inference.by_cohort().means();
        let Spreads { draws, prompts, .. } = run.spreads(Some(dataset), Role::Inference, Tally::by_cohort);
        let standing = |row: &&ComparedNode| {
            let node = run.network.inference.iter().position(|node| node.id == row.id)?;
            let cohort = run.network.inference_cohorts.of[node];
            let unit = cohort as usize;
            let half = |spread: Spread| student_t_975(spread.degrees) * spread.error;
            let half_width = draws[unit].zip(prompts[unit]).map(|(a, b)| libm::hypot(half(a), half(b)));
            Some(Self { cohort, mean: means[unit], half_width })
        };
        rows.iter().filter_map(standing).collect()
    }

    /// The p value of a lead over `other`; none without intervals. Nodes mostly answer in rounds of their own, and what
    /// prompts do to them goes together, so that their errors add up by their squares at most.
    fn lead_over(&self, other: &Self) -> Option<f64> {
        let gap = self.mean? - other.mean?;
        Some(p_value(gap, libm::hypot(self.half_width?, other.half_width?), None))
    }
}

/// The largest p value of the lead of `leader` over another node that differs in more than its name.
pub(super) fn lead(standings: &[Standing], leader: usize) -> Option<f64> {
    let own = standings.get(leader)?;
    let others = standings.iter().filter(|other| other.cohort != own.cohort && other.mean.is_some());
    let p_values: Option<Vec<f64>> = others.map(|other| own.lead_over(other)).collect();
    p_values?.into_iter().max_by(f64::total_cmp)
}

/// The pairs of `nodes`, inference nodes with these standings in both runs, that change places.
pub(super) fn overtakings([with, without]: &[Vec<Standing>; 2], nodes: &[&ComparedNode]) -> Vec<Overtaking> {
    let means: Vec<_> = nodes.iter().map(|node| node.reward_mean_a.zip(node.reward_mean_b)).collect();
    let mut pairs = Vec::new();
    for (winner, node) in nodes.iter().enumerate() {
        for (loser, overtaken) in nodes.iter().enumerate() {
            let (Some((winner_a, winner_b)), Some((loser_a, loser_b))) = (means[winner], means[loser]) else {
                continue;
            };
            let swap = loser_a - winner_a > ROUNDING && winner_b - loser_b > ROUNDING;
            if swap && with[winner].cohort != with[loser].cohort {
                let leads = [with[loser].lead_over(&with[winner]), without[winner].lead_over(&without[loser])];
                pairs.push(Overtaking {
                    node: node.id.clone(),
                    overtaken: overtaken.id.clone(),
                    p_value: leads[0].zip(leads[1]).map(|(a, b)| a.max(b)),
                    p_holm: None,
                });
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(cohort: u32, mean: f64, half_width: f64) -> Standing {
        Standing { cohort, mean: Some(mean), half_width: Some(half_width) }
    }

    /// Half widths of 0.03 and 0.04 make 0.05: a lead of as much is at 5%, one of twice as much at the tail of 3.92 sd.
    #[test]
    fn a_lead_is_as_sure_as_its_interval() {
        let of = |lead: f64| standing(0, 0.5 + lead, 0.03).lead_over(&standing(1, 0.5, 0.04)).expect("intervals");
        assert!((of(0.05) - 0.05).abs() < 1e-9, "{}", of(0.05));
        assert!((of(0.1) - 8.857e-5).abs() < 1e-7, "{}", of(0.1));
        assert_eq!((of(0.0), of(-0.1)), (1.0, 1.0), "no lead at all");
        let without = Standing { cohort: 2, mean: Some(0.1), half_width: None };
        assert_eq!(standing(0, 0.5, 0.03).lead_over(&without), None);
    }

    /// The least sure lead decides; nodes that differ in their names alone are no rivals.
    #[test]
    fn the_first_leads_every_other() {
        let three = [standing(0, 0.6, 0.03), standing(1, 0.55, 0.04), standing(2, 0.1, 0.04), standing(0, 0.6, 0.03)];
        assert!((lead(&three, 0).expect("a lead") - 0.05).abs() < 1e-9);
        assert_eq!(lead(&three[..1], 0), None);
        assert_eq!(lead(&three, 9), None);
    }
}
