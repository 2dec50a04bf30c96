//! What an attack gains: the same run with that attack's nodes honest, payment by payment on the same draws.

use crate::attack::Role;
use crate::dataset::Dataset;
use crate::network::{Cohorts, Network};
use crate::scenario::{InferenceDraw, Scenario, ScenarioError};

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
    pub honest: Box<Simulation>,
    /// Differences of the attackers' rewards, attacking less honest.
    pub gains: Tally,
    /// Payments of the run with the attack that have not been compared yet.
    pub payments: Vec<Payment>,
    honest_payments: Vec<Payment>,
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
            let honest = Simulation::with_honest(dataset, scenario, Some(attack))?;
            let weights = &scenario.reward;
            let costs = |network: &Network| -> Vec<f64> {
                let nodes = network.of(attackers.role);
                attackers.positions.iter().map(|&position| nodes[position].cost).collect()
            };
            let differences: Vec<f64> =
                costs(network).into_iter().zip(costs(&honest.network)).map(|(cost, honest)| cost - honest).collect();
            let nodes = network.of(attackers.role);
            let cohorts = Cohorts::new(attackers.positions.iter().map(|&position| &nodes[position]));
            let (tasks, draw) = (network.tasks.len(), scenario.inference_draw);
            let gains = match attackers.role {
                Role::Inference => Tally::of_inference_gains(&differences, cohorts, tasks, weights, draw),
                Role::Evaluator => {
                    let several = draw == InferenceDraw::All && network.inference.len() > 1;
                    Tally::of_evaluator_gains(&differences, cohorts, tasks, weights, several)
                }
            };
            let honest = Box::new(honest);
            all.push(Self { attack, attackers, honest, gains, payments: Vec::new(), honest_payments: Vec::new() });
        }
        Ok(all)
    }

    /// Runs the honest run up to round `until` and compares the payments since the last time.
    pub(crate) fn follow(&mut self, until: u64) {
        let Self { attackers, honest, gains, payments, honest_payments, .. } = self;
        while honest.rounds_done() < until {
            honest.play::<0, false>(until, &mut |answer| attackers.note(answer, honest_payments));
        }
        let mut desk = gains.desk();
        for (payment, honest) in payments.iter().zip(&*honest_payments) {
            let (task, attacker) = (payment.task as usize, payment.attacker as usize);
            desk.pay::<false>(payment.round, task, attacker, payment.value - honest.value);
        }
        payments.clear();
        honest_payments.clear();
    }
}
