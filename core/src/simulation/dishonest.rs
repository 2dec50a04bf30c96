//! What attackers make of scores and answers, round by round.

use crate::network::{Act, Conduct, Network};
use crate::rng::Stream;

use super::tally::Cell;

/// The score of a copycat that finds nobody to copy.
const NOBODY_TO_COPY: f64 = 5.0;

/// The attackers of a run at work.
#[derive(Debug)]
pub(crate) struct Dishonest {
    /// By evaluator: its attack.
    evaluators: Vec<Option<usize>>,
    /// By inference node: what it answers with instead, with which probability, and its column of `downgraded`.
    downgrades: Vec<Option<(usize, f64, usize)>>,
    conducts: Vec<Conduct>,
    chance: Stream,
    /// Places of a round's copycats among the evaluators drawn.
    copycats: Vec<usize>,
    /// Payments for answers that were downgraded, by task and column.
    downgraded: Vec<Cell>,
    columns: usize,
}

impl Dishonest {
    /// The attackers of `network`, if it has any that change a score or an answer.
    pub(crate) fn new(network: &Network, chance: Stream) -> Option<Self> {
        let evaluators: Vec<_> = network.evaluators.iter().map(|evaluator| evaluator.attack).collect();
        // A cohort's downgraded answers go together: all its nodes have the same recorded node and the same other one.
        let mut columns = 0;
        let mut column_of = vec![None; network.inference_cohorts.len()];
        let downgrade = |position: usize| {
            let (to, probability) = network.downgrade(position)?;
            let column = column_of[network.inference_cohorts.of[position] as usize].get_or_insert_with(|| {
                columns += 1;
                columns - 1
            });
            Some((to, probability, *column))
        };
        let downgrades: Vec<_> = (0..network.inference.len()).map(downgrade).collect();
        let any = evaluators.iter().any(Option::is_some) || columns > 0;
        any.then(|| Self {
            evaluators,
            downgrades,
            conducts: network.conducts.clone(),
            chance,
            copycats: Vec::new(),
            downgraded: vec![Cell::default(); network.tasks.len() * columns],
            columns,
        })
    }

    /// The recorded node whose output inference node `node`, itself a `model`, answers with.
    pub(crate) fn answers_as(&mut self, node: usize, model: usize) -> usize {
        match self.downgrades[node] {
            Some((to, probability, _)) if self.chance.unit_open_left() <= probability => to,
            _ => model,
        }
    }

    /// Keeps account of an answer that was downgraded.
    pub(crate) fn account(&mut self, task: usize, node: usize, consensus: f64) {
        if let Some((.., column)) = self.downgrades[node] {
            self.downgraded[task * self.columns + column].values.add(consensus);
        }
    }

    /// Payments of the cohort of inference node `node` on `task` for the output of another recorded node, and that
    /// node.
    pub(crate) fn downgraded(&self, task: usize, node: usize) -> Option<(&Cell, usize)> {
        let (to, _, column) = self.downgrades[node]?;
        Some((&self.downgraded[task * self.columns + column], to))
    }

    /// Turns the scores that `drawn` would honestly give to an answer of inference node `node` into those that they
    /// give.
    pub(crate) fn alter(&mut self, scores: &mut [f64], drawn: &[u32], node: usize) {
        self.copycats.clear();
        for (place, (score, &evaluator)) in scores.iter_mut().zip(drawn).enumerate() {
            let Some(attack) = self.evaluators[evaluator as usize] else { continue };
            let Conduct { act, probability } = &self.conducts[attack];
            if self.chance.unit_open_left() > *probability {
                continue;
            }
            let altered = match act {
                Act::Noise { sd } => *score + sd * self.chance.normal(),
                Act::Shift { by } => *score + by,
                Act::Constant { score } => *score,
                Act::Cabal { by, own } => *score + if own[node] { *by } else { -by },
                Act::Copy => {
                    self.copycats.push(place);
                    continue;
                }
                Act::Downgrade { .. } | Act::Misreport => continue,
            };
            *score = altered.clamp(0.0, 10.0);
        }
        if !self.copycats.is_empty() {
            let others = || (0..scores.len()).filter(|place| !self.copycats.contains(place));
            let copied = match others().count() {
                0 => NOBODY_TO_COPY,
                count => others().map(|place| scores[place]).sum::<f64>() / count as f64,
            };
            for &place in &self.copycats {
                scores[place] = copied;
            }
        }
    }
}
