//! Which nodes of a network attack, and what that makes of them.

use crate::attack::{Attack, Attackers, Kind, Role};
use crate::network::Instance;
use crate::rng::Stream;
use crate::scenario::{Scenario, ScenarioError};

/// An attack laid over a network: positions in place of ids.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conduct {
    pub act: Act,
    /// With which probability an attacker acts, each time.
    pub probability: f64,
}

/// What an attacker does to a score, or to an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// Gaussian noise of that standard deviation.
    Noise { sd: f64 },
    /// So many points more, or fewer.
    Shift { by: f64 },
    /// The mean of the others.
    Copy,
    /// Always the same score.
    Constant { score: f64 },
    /// Points up for own inference nodes (`true` by position), down for the rest.
    Cabal { by: f64, own: Vec<bool> },
    /// The output of another recorded node.
    Downgrade { to: usize },
    /// Nothing that a score or answer would show.
    Misreport,
}

/// One role's nodes, with the ids of what is recorded for it.
pub(crate) struct Pool<'a> {
    pub role: Role,
    pub instances: &'a mut [Instance],
    pub recorded: &'a [&'a str],
}

impl Pool<'_> {
    /// Positions of the nodes that `id` names: one instance, or all of a recorded node.
    fn named(&self, id: &str) -> impl Iterator<Item = usize> {
        self.instances
            .iter()
            .enumerate()
            .filter(move |(_, instance)| instance.id == id || self.recorded[instance.model] == id)
            .map(|(position, _)| position)
    }

    /// Those of all `ids`; an error for one that names nobody.
    fn all_named(&self, ids: &[String], path: &str) -> Result<Vec<usize>, ScenarioError> {
        let mut positions = Vec::new();
        for id in ids {
            let before = positions.len();
            positions.extend(self.named(id));
            if positions.len() == before {
                let role = match self.role {
                    Role::Inference => "inference node",
                    Role::Evaluator => "evaluator",
                };
                let mut allowed: Vec<&str> =
                    self.instances.iter().map(|instance| self.recorded[instance.model]).collect();
                allowed.dedup();
                let message = format!(
                    "`{id}` is no {role} of this network; allowed: {}, or one instance as `id#1`",
                    allowed.join(", ")
                );
                return Err(ScenarioError::new(path, message));
            }
        }
        Ok(positions)
    }

    /// Sets the attack of every attacker of this role: those with names first, then the shares, each in the order of
    /// the scenario, from one shuffle of the pool.
    pub(crate) fn enlist(&mut self, scenario: &Scenario, chance: &mut Stream) -> Result<(), ScenarioError> {
        let attacks = || scenario.attacks.iter().enumerate().filter(|(_, attack)| attack.kind.role() == self.role);
        let mut enlisted: Vec<Option<usize>> = vec![None; self.instances.len()];
        for (index, attack) in attacks() {
            let Attackers::Named(ids) = &attack.nodes else { continue };
            let path = format!("attacks.{index}.nodes");
            for position in self.all_named(ids, &path)? {
                if let Some(other) = enlisted[position].filter(|&other| other != index) {
                    let id = &self.instances[position].id;
                    let message = format!("`{id}` takes part in attacks.{other} already; a node attacks in one way");
                    return Err(ScenarioError::new(path, message));
                }
                enlisted[position] = Some(index);
            }
        }
        let mut shuffled: Vec<usize> = Vec::new();
        for (index, attack) in attacks() {
            let Attackers::Share { share } = attack.nodes else { continue };
            if shuffled.is_empty() {
                shuffled = shuffle(self.instances.len(), chance);
            }
            let wanted = libm::round(share * self.instances.len() as f64) as usize;
            let free: Vec<usize> =
                shuffled.iter().copied().filter(|&position| enlisted[position].is_none()).take(wanted).collect();
            if free.len() < wanted {
                let message = format!(
                    "{wanted} of {} nodes would attack, and only {} take part in no other attack; allowed: a smaller share",
                    self.instances.len(),
                    free.len()
                );
                return Err(ScenarioError::new(format!("attacks.{index}.nodes.share"), message));
            }
            for position in free {
                enlisted[position] = Some(index);
            }
        }
        for (instance, attack) in self.instances.iter_mut().zip(enlisted) {
            instance.attack = attack;
        }
        Ok(())
    }
}

/// `0..count` in random order (Fisher and Yates).
pub(crate) fn shuffle(count: usize, chance: &mut Stream) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..count).collect();
    for left in (1..count).rev() {
        positions.swap(left, chance.below(left as u32 + 1) as usize);
    }
    positions
}

/// Every attack of the scenario by positions in these pools.
pub(crate) fn conducts(scenario: &Scenario, inference: &Pool<'_>) -> Result<Vec<Conduct>, ScenarioError> {
    let conduct = |(index, attack): (usize, &Attack)| {
        let (kind, probability) = attack.kind.unwrapped();
        let wrapped = if matches!(attack.kind, Kind::Intermittent { .. }) { ".attack" } else { "" };
        let path = |field: &str| format!("attacks.{index}{wrapped}.{field}");
        let act = match kind {
            Kind::Noise { sd } => Act::Noise { sd: *sd },
            Kind::Boost { by } => Act::Shift { by: *by },
            Kind::Sabotage { by } => Act::Shift { by: -by },
            Kind::Copycat { .. } => Act::Copy,
            Kind::LazyConstant { score, .. } => Act::Constant { score: *score },
            Kind::Cabal { own, by } => {
                let mut is_own = vec![false; inference.instances.len()];
                for position in inference.all_named(own, &path("own"))? {
                    is_own[position] = true;
                }
                Act::Cabal { by: *by, own: is_own }
            }
            Kind::Downgrade { to } => {
                let to = inference.recorded.iter().position(|id| id == to).ok_or_else(|| {
                    let message = format!("`{to}` is not recorded; allowed: {}", inference.recorded.join(", "));
                    ScenarioError::new(path("to"), message)
                })?;
                Act::Downgrade { to }
            }
            // An intermittent attack wraps no other.
            Kind::LatencyMisreport { .. } | Kind::Intermittent { .. } => Act::Misreport,
        };
        Ok(Conduct { act, probability })
    };
    scenario.attacks.iter().enumerate().map(conduct).collect()
}

/// The mean latency that an attack makes of an attacker whose honest one is `honest_ms`: what it reports, and what it
/// truly is. `recorded_ms` are those of the recorded nodes of its role, `factor` the node's own on them.
pub(crate) fn attackers_latency(
    honest_ms: f64,
    factor: f64,
    kind: &Kind,
    conduct: &Conduct,
    recorded_ms: &[f64],
) -> [f64; 2] {
    let acting = match (kind.unwrapped().0, &conduct.act) {
        (Kind::Copycat { latency_factor } | Kind::LazyConstant { latency_factor, .. }, _) => honest_ms * latency_factor,
        (Kind::LatencyMisreport { factor }, _) => honest_ms * factor,
        (_, &Act::Downgrade { to }) => recorded_ms[to] * factor,
        _ => return [honest_ms; 2],
    };
    let reported = conduct.probability * acting + (1.0 - conduct.probability) * honest_ms;
    [reported, if conduct.act == Act::Misreport { honest_ms } else { reported }]
}
