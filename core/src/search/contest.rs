//! Attacks of sets of one size, of which the best is looked for.

use std::sync::Arc;

use super::candidates::{around, is_akin};
use super::finding::Aim;
use super::sets::{Members, Sorts};
use crate::attack::Kind;

/// Kinds of attack that are refined, and from which larger sets grow.
const REFINED: usize = 3;

/// Attacks by sets of one size for one aim.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contest {
    pub aim: Aim,
    /// Contests of one group differ in size alone: one finding comes of them.
    pub group: usize,
    /// Who may attack.
    pub sorts: Arc<Sorts>,
    /// How many attack.
    pub size: u32,
    /// The contest from whose best sets those of this one grow; none where all of its sets are tried at first.
    pub from: Option<usize>,
    /// Attacks to try at first.
    pub kinds: Vec<Kind>,
    pub tried: Vec<Trial>,
}

/// An attack by a set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trial {
    pub members: Members,
    pub kind: Kind,
    /// What is maximised, when it was first tried.
    pub value: Option<f64>,
    /// Values of the runs in which the best few are compared; empty for all others.
    pub compared: Vec<Option<f64>>,
}

impl Trial {
    /// Mean over the runs in which the best few are compared, those in which attackers were paid.
    pub(super) fn mean_compared(&self) -> Option<f64> {
        let known: Vec<f64> = self.compared.iter().copied().flatten().collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    /// Orders trials: those that were compared with others by that, all others by their first value.
    pub(super) fn rank(&self) -> (f64, f64) {
        let or_least = |value: Option<f64>| value.unwrap_or(f64::NEG_INFINITY);
        (or_least(self.mean_compared()), or_least(self.value))
    }
}

impl Contest {
    /// The best of each kind, the best of all first; equals in the order in which they were tried, without a value
    /// last.
    pub(super) fn best_of_each_kind(&self) -> Vec<usize> {
        let mut best: Vec<usize> = Vec::new();
        for trial in ranked(&self.tried) {
            if !best.iter().any(|&better| is_akin(&self.tried[better].kind, &self.tried[trial].kind)) {
                best.push(trial);
            }
        }
        best
    }

    /// Adds an attack that was not tried yet; its place.
    pub(super) fn try_out(&mut self, members: Members, kind: Kind) -> Option<usize> {
        let is_known = |trial: &Trial| trial.kind == kind && trial.members == members;
        if self.tried.iter().any(is_known) {
            return None;
        }
        self.tried.push(Trial { members, kind, value: None, compared: Vec::new() });
        Some(self.tried.len() - 1)
    }

    /// Every kind for every set.
    pub(super) fn everything(&mut self) -> Vec<usize> {
        let first = self.tried.len();
        for members in self.sorts.all(self.size) {
            for kind in &self.kinds {
                let (members, kind) = (members.clone(), kind.clone());
                self.tried.push(Trial { members, kind, value: None, compared: Vec::new() });
            }
        }
        (first..self.tried.len()).collect()
    }

    /// The sets that grow from the best of `smaller`, by the best few of its kinds.
    pub(super) fn grow(&mut self, smaller: &Self) -> Vec<usize> {
        let mut new = Vec::new();
        for best in smaller.best_of_each_kind().into_iter().take(REFINED) {
            let Trial { members, kind, .. } = &smaller.tried[best];
            for grown in self.sorts.grown(members, self.size - smaller.size) {
                new.extend(self.try_out(grown, kind.clone()));
            }
        }
        new
    }

    /// The sets in which a member of the best gives way to another node, and the best set with every kind; `ranked`
    /// are the sorts, the most promising first.
    pub(super) fn exchange(&mut self, ranked_sorts: &[usize]) -> Vec<usize> {
        let Some(Trial { members, kind, .. }) = ranked(&self.tried).next().map(|best| self.tried[best].clone()) else {
            return Vec::new();
        };
        let mut new = Vec::new();
        for other in self.sorts.exchanged(&members, ranked_sorts) {
            new.extend(self.try_out(other, kind.clone()));
        }
        for kind in self.kinds.clone() {
            new.extend(self.try_out(members.clone(), kind));
        }
        new
    }

    /// What to try next: near the best of each of the best few kinds.
    pub(super) fn refine(&mut self, refinement: u32) -> Vec<usize> {
        let best: Vec<Trial> =
            self.best_of_each_kind().into_iter().take(REFINED).map(|best| self.tried[best].clone()).collect();
        let mut new = Vec::new();
        for Trial { members, kind, .. } in best {
            for near in around(&kind, refinement) {
                new.extend(self.try_out(members.clone(), near));
            }
        }
        new
    }

    /// Sorts by the best that a set with a node of theirs does, the best first.
    pub(super) fn ranked_sorts(&self) -> Vec<usize> {
        let mut order: Vec<usize> = Vec::new();
        for trial in ranked(&self.tried) {
            let members = &self.tried[trial].members;
            let new: Vec<usize> =
                (0..members.len()).filter(|&sort| members[sort] > 0 && !order.contains(&sort)).collect();
            order.extend(new);
        }
        order.extend((0..self.sorts.len()).filter(|sort| !order.contains(sort)).collect::<Vec<_>>());
        order
    }
}

/// Places of trials, the best first, equals in their order.
fn ranked(tried: &[Trial]) -> impl Iterator<Item = usize> {
    let mut order: Vec<usize> = (0..tried.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (tried[a].rank(), tried[b].rank());
        b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1))
    });
    order.into_iter()
}
