//! What an attack gains: the same run with that attack's nodes honest, on the same draws.

use crate::attack::Role;
use crate::dataset::Dataset;
use crate::network::{Cohorts, Network};
use crate::scenario::{Scenario, ScenarioError};

use super::luck::{Replicates, differences};
use super::paired::{Difference, PairedSums, spreads_of_differences};
use super::tally::{Tally, Units};
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
    /// What the attackers are paid, honest and attacking.
    pub sides: [Tally; 2],
    nodes: PairedSums,
    /// None where each attacker is a cohort of its own.
    groups: Option<PairedSums>,
    /// Payments of both runs that have not been compared yet.
    payments: [Vec<Payment>; 2],
}

impl Counterfactual {
    /// For each attack that has nodes in `network`.
    pub(crate) fn all(dataset: &Dataset, scenario: &Scenario, network: &Network) -> Result<Vec<Self>, ScenarioError> {
        let has_nodes = |attack: &usize| {
            network.of(scenario.attacks[*attack].kind.role()).iter().any(|node| node.attack == Some(*attack))
        };
        let counterfactual = |attack| {
            let honest = Simulation::with_honest(dataset, scenario, Some(attack))?;
            Ok(Self::new(scenario, attack, network, honest))
        };
        (0..scenario.attacks.len()).filter(has_nodes).map(counterfactual).collect()
    }

    /// For one attack, which has nodes in `network`; in `honest` they are honest.
    pub(crate) fn new(scenario: &Scenario, attack: usize, network: &Network, honest: Simulation) -> Self {
        let attackers = Attackers::new(network, scenario, attack);
        let role = attackers.role;
        let own = |network: &Network| -> Vec<f64> {
            let nodes = network.of(role);
            attackers.positions.iter().map(|&position| nodes[position].cost).collect()
        };
        let cohorts = Cohorts::new(attackers.positions.iter().map(|&position| &network.of(role)[position]));
        let tasks = network.tasks.len();
        let sides =
            [&honest.network, network].map(|network| Tally::new(role, &own(network), cohorts.clone(), tasks, scenario));
        Self {
            attack,
            honest: Box::new(honest),
            sides,
            nodes: PairedSums::new(attackers.positions.len()),
            groups: (!cohorts.are_single()).then(|| PairedSums::new(cohorts.len())),
            attackers,
            payments: [Vec::new(), Vec::new()],
        }
    }

    /// Keeps the payments of an answer of the run with the attack.
    pub(crate) fn note(&mut self, answer: &Scored<'_>) {
        self.attackers.note(answer, &mut self.payments[1]);
    }

    /// Runs the honest run up to round `until` and compares the payments since the last time.
    pub(crate) fn follow(&mut self, until: u64) {
        let Self { attackers, honest, sides, nodes, groups, payments, .. } = self;
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
            nodes.end_batch();
            groups.iter_mut().for_each(PairedSums::end_batch);
        }
        payments.iter_mut().for_each(Vec::clear);
    }

    /// By cohort of attackers: their positions in the network; none where each is a cohort of its own.
    pub(crate) fn cohorts(&self) -> Option<Vec<Vec<usize>>> {
        self.groups.as_ref()?;
        let cohorts = self.sides[0].cohorts();
        let mut members = vec![Vec::new(); cohorts.len()];
        for (&cohort, &node) in cohorts.of.iter().zip(&self.attackers.positions) {
            members[cohort as usize].push(node);
        }
        Some(members)
    }
}

impl Simulation {
    /// What the attackers of counterfactual `number` earn, honest and attacking: each of them, or each cohort. Over
    /// prompts only where `dataset`, the one that the run was made with, is given.
    pub(crate) fn gains(&self, dataset: Option<&Dataset>, number: usize, by_cohort: bool) -> Vec<Difference> {
        let own = &self.counterfactuals[number];
        let units = if by_cohort { Tally::by_cohort } else { Tally::by_node };
        let [honest, attacking] = own.sides.each_ref().map(units);
        let sides = [&honest, &attacking];
        let spreads = if self.remembers() {
            let means = |side: usize| move |run: &Self| units(&run.counterfactuals[number].sides[side]).means();
            let own = differences(sides.map(Units::means));
            let spreads = Replicates::spreads_of_differences([&self.replicates; 2], &own, [&means(0), &means(1)]);
            if dataset.is_some() { spreads } else { spreads.without_prompts() }
        } else {
            let resampled = dataset.and_then(|dataset| self.resampled(dataset));
            let on_resamples = resampled.and_then(|resampled| {
                let [honest, attacking] =
                    [0, 1].map(|side| resampled.attackers_rewards(self, number, side, sides[side]));
                Some((resampled, [honest?, attacking?]))
            });
            let sums = if by_cohort { own.groups.as_ref().unwrap_or(&own.nodes) } else { &own.nodes };
            spreads_of_differences(sides, sums, on_resamples)
        };
        (0..honest.nodes.len()).map(|unit| Difference::new(sides, unit, &spreads)).collect()
    }
}
