//! What an attack gains: the same run with that attack's nodes honest, on the same draws.

use crate::attack::Role;
use crate::dataset::Dataset;
use crate::network::{Cohorts, Network};
use crate::scenario::{Scenario, ScenarioError};

use super::paired::{Difference, PairedSums, differences};
use super::tally::Tally;
use super::{Scored, Simulation};

/// Rounds between two comparisons: their payments to attackers are kept until then.
pub(crate) const STEP: u64 = 1024;

/// One payment to an attacker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payment {
    round: u64,
    task: u32,
    /// Its column among the attack's nodes.
    attacker: u32,
    /// What it is paid for, as in a tally.
    value: f64,
}

/// Who takes part in one attack.
#[derive(Clone, Debug)]
pub(crate) struct Attackers {
    pub role: Role,
    /// Positions in the network.
    pub positions: Vec<usize>,
    /// By position: column in `positions`.
    columns: Vec<Option<u32>>,
}

impl Attackers {
    fn new(network: &Network, scenario: &Scenario, attack: usize) -> Self {
        let role = scenario.attacks[attack].kind.role();
        let nodes = network.of(role);
        let positions: Vec<usize> = (0..nodes.len()).filter(|&node| nodes[node].attack == Some(attack)).collect();
        let mut columns = vec![None; nodes.len()];
        for (column, &position) in (0..).zip(&positions) {
            columns[position] = Some(column);
        }
        Self { role, positions, columns }
    }

    /// Adds the payments of an answer to the attackers among those who took part in it.
    pub(crate) fn note(&self, answer: &Scored<'_>, payments: &mut Vec<Payment>) {
        let mut pay = |node: usize, value| {
            if let Some(attacker) = self.columns[node] {
                payments.push(Payment { round: answer.round, task: answer.task as u32, attacker, value });
            }
        };
        match self.role {
            Role::Inference => pay(answer.node, answer.consensus),
            Role::Evaluator => {
                for (&evaluator, &value) in answer.drawn.iter().zip(answer.values) {
                    pay(evaluator as usize, value);
                }
            }
        }
    }
}

/// The run in which one attack's nodes are honest, beside the run in which they are not.
#[derive(Debug)]
pub(crate) struct Counterfactual {
    /// Position of the attack in the scenario.
    pub attack: usize,
    pub attackers: Attackers,
    honest: Box<Simulation>,
    /// What the attackers are paid, honest and attacking.
    sides: [Tally; 2],
    nodes: PairedSums,
    /// None where each attacker is a cohort of its own.
    groups: Option<PairedSums>,
    /// Payments of both runs that have not been compared yet.
    payments: [Vec<Payment>; 2],
}

impl Counterfactual {
    /// For each attack that has nodes.
    pub(crate) fn all(dataset: &Dataset, scenario: &Scenario, network: &Network) -> Result<Vec<Self>, ScenarioError> {
        let mut all = Vec::new();
        for attack in 0..scenario.attacks.len() {
            let attackers = Attackers::new(network, scenario, attack);
            if attackers.positions.is_empty() {
                continue;
            }
            let honest = Box::new(Simulation::with_honest(dataset, scenario, Some(attack))?);
            let role = attackers.role;
            let own = |network: &Network| -> Vec<f64> {
                let nodes = network.of(role);
                attackers.positions.iter().map(|&position| nodes[position].cost).collect()
            };
            let cohorts = Cohorts::new(attackers.positions.iter().map(|&position| &network.of(role)[position]));
            let tasks = network.tasks.len();
            let sides = [&honest.network, network]
                .map(|network| Tally::new(role, &own(network), cohorts.clone(), tasks, scenario));
            all.push(Self {
                attack,
                honest,
                sides,
                nodes: PairedSums::new(attackers.positions.len()),
                groups: (!cohorts.are_single()).then(|| PairedSums::new(cohorts.len())),
                attackers,
                payments: [Vec::new(), Vec::new()],
            });
        }
        Ok(all)
    }

    /// Keeps the payments of an answer of the run with the attack.
    pub(crate) fn note(&mut self, answer: &Scored<'_>) {
        self.attackers.note(answer, &mut self.payments[1]);
    }

    /// Runs the honest run up to round `until` and compares the payments since the last time.
    pub(crate) fn follow(&mut self, until: u64) {
        let Self { attackers, honest, sides, nodes, groups, payments, .. } = self;
        // What is independent: rounds, or batches of them.
        let batch = if honest.remembers() { honest.batch } else { 1 };
        let mut round = honest.rounds_done();
        while honest.rounds_done() < until {
            honest.play::<0, false>(until, &mut |answer| attackers.note(answer, &mut payments[0]));
        }
        let cohorts = sides[0].cohorts().of.clone();
        let mut rest = payments.each_ref().map(Vec::as_slice);
        while round < until {
            for (side, rest) in rest.iter_mut().enumerate() {
                let mut desk = sides[side].desk();
                while let Some((&Payment { task, attacker, value, .. }, after)) =
                    rest.split_first().filter(|(first, _)| first.round == round)
                {
                    *rest = after;
                    let attacker = attacker as usize;
                    desk.pay::<false>(task as usize, attacker, value);
                    nodes.pay(side, attacker, value);
                    if let Some(groups) = groups {
                        groups.pay(side, cohorts[attacker] as usize, value);
                    }
                }
            }
            round += 1;
            if round.is_multiple_of(batch) {
                nodes.end_batch();
                groups.iter_mut().for_each(PairedSums::end_batch);
            }
        }
        payments.iter_mut().for_each(Vec::clear);
    }

    /// What each attacker earns, honest and attacking.
    pub(crate) fn by_node(&self, replicates: &[Vec<u32>]) -> Vec<Difference> {
        let sides = self.sides.each_ref().map(Tally::by_node);
        differences([&sides[0], &sides[1]], &self.nodes, replicates)
    }

    /// The same for each cohort, with its attackers; none where each is a cohort of its own.
    pub(crate) fn by_cohort(&self, replicates: &[Vec<u32>]) -> Option<Vec<(Vec<usize>, Difference)>> {
        let sides = self.sides.each_ref().map(Tally::by_cohort);
        let differences = differences([&sides[0], &sides[1]], self.groups.as_ref()?, replicates);
        let cohorts = self.sides[0].cohorts();
        let mut members = vec![Vec::new(); cohorts.len()];
        for (&cohort, &node) in cohorts.of.iter().zip(&self.attackers.positions) {
            members[cohort as usize].push(node);
        }
        Some(members.into_iter().zip(differences).collect())
    }
}
