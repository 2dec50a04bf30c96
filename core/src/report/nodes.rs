//! What the nodes of a run earned, each and in groups.

use crate::attack::Role;
use crate::dataset::Dataset;
use crate::network::{Cohorts, Instance, Network};
use crate::simulation::{Difference, Figures, Simulation, Tally, Units};

use super::{AttackerReport, NodeReport};

/// What the nodes of a run earned.
pub(super) struct Roles {
    pub inference_nodes: Vec<NodeReport>,
    pub evaluator_nodes: Vec<NodeReport>,
    pub inference_groups: Vec<NodeReport>,
    pub evaluator_groups: Vec<NodeReport>,
    pub attackers: Vec<AttackerReport>,
    pub attacker_groups: Vec<AttackerReport>,
}

impl Roles {
    /// Intervals over prompts take a while: without `over_prompts` there are none.
    pub(super) fn new(dataset: &Dataset, run: &Simulation, over_prompts: bool) -> Self {
        let resampled = over_prompts.then_some(dataset);
        let manifest = &dataset.manifest;
        let truths = recorded_truth_means(dataset, &run.network);
        let inference = Pool {
            run,
            role: Role::Inference,
            nodes: &run.network.inference,
            ids: manifest.inference_nodes.iter().map(|entry| entry.id.as_str()).collect(),
            tally: &run.inference,
        };
        let evaluators = Pool {
            run,
            role: Role::Evaluator,
            nodes: &run.network.evaluators,
            ids: manifest.evaluators.iter().map(|entry| entry.id.as_str()).collect(),
            tally: &run.evaluators,
        };
        let mut roles = Self {
            inference_nodes: inference.nodes(resampled),
            evaluator_nodes: evaluators.nodes(resampled),
            inference_groups: inference.groups(resampled),
            evaluator_groups: evaluators.groups(resampled),
            attackers: Vec::new(),
            attacker_groups: Vec::new(),
        };
        let truth = |node: usize| {
            let own = truths[run.network.inference[node].model];
            match run.network.downgrade(node) {
                Some((to, probability)) => probability * truths[to] + (1.0 - probability) * own,
                None => own,
            }
        };
        for (position, node) in roles.inference_nodes.iter_mut().enumerate() {
            node.quality_mean = Some(truth(position));
        }
        for (group, &first) in roles.inference_groups.iter_mut().zip(&run.inference.cohorts().first) {
            group.quality_mean = Some(truth(first as usize));
        }
        let each = Cohorts::single(run.network.evaluators.len());
        add_state(&mut roles.evaluator_nodes, run, &each);
        add_state(&mut roles.evaluator_groups, run, run.evaluators.cohorts());
        for (number, counterfactual) in run.counterfactuals.iter().enumerate() {
            let pool = match counterfactual.attackers.role {
                Role::Inference => &inference,
                Role::Evaluator => &evaluators,
            };
            roles.attackers.extend(pool.attackers(number, resampled));
            roles.attacker_groups.extend(pool.attacker_groups(number, resampled));
        }
        roles
    }
}

/// By recorded inference node: mean truth over the tasks drawn.
fn recorded_truth_means(dataset: &Dataset, network: &Network) -> Vec<f64> {
    (0..dataset.inference_nodes())
        .map(|node| {
            let sum: f64 = network.tasks.iter().map(|&task| dataset.truth(task, node)).sum();
            sum / network.tasks.len() as f64
        })
        .collect()
}

/// Adds what evaluators keep from round to round: trust weights and stakes, as means over each of `cohorts`.
fn add_state(reports: &mut [NodeReport], run: &Simulation, cohorts: &Cohorts) {
    let means = |by_node: &[f64]| {
        let mut sums = vec![0.0; cohorts.len()];
        for (&cohort, value) in cohorts.of.iter().zip(by_node) {
            sums[cohort as usize] += value;
        }
        sums.into_iter().zip(&cohorts.size).map(|(sum, &size)| sum / f64::from(size)).collect::<Vec<_>>()
    };
    if let Some(weights) = run.rule.weights() {
        for (report, mean) in reports.iter_mut().zip(means(weights)) {
            report.weight = Some(mean);
        }
    }
    if let Some(stakes) = &run.stakes {
        let alpha = run.scenario.reward.alpha_evaluator;
        let (left, slashed) = (means(&stakes.left), means(&stakes.slashed));
        for (report, (left, slashed)) in reports.iter_mut().zip(left.into_iter().zip(slashed)) {
            let slashed_mean =
                (report.rounds > 0).then(|| slashed * f64::from(report.instances) / report.rounds as f64);
            report.stake = Some(left);
            report.slashed_mean = slashed_mean;
            // What it is paid for counts a loss of stake as distance from the consensus, which it is not.
            report.quality_mean =
                report.quality_mean.zip(slashed_mean).map(|(quality, slashed)| quality + 10.0 * slashed / alpha);
        }
    }
}

/// One role's nodes with what they were paid.
struct Pool<'a> {
    run: &'a Simulation,
    role: Role,
    nodes: &'a [Instance],
    /// By recorded node.
    ids: Vec<&'a str>,
    tally: &'a Tally,
}

impl Pool<'_> {
    fn nodes(&self, resampled: Option<&Dataset>) -> Vec<NodeReport> {
        let report = |(node, figures): (usize, Figures)| self.report(node, self.nodes[node].id.clone(), 1, &figures);
        self.figures(resampled, Tally::by_node).into_iter().enumerate().map(report).collect()
    }

    /// None where each node is a group of its own.
    fn groups(&self, resampled: Option<&Dataset>) -> Vec<NodeReport> {
        let cohorts = self.tally.cohorts();
        if cohorts.are_single() {
            return Vec::new();
        }
        let report = |(cohort, figures): (usize, Figures)| {
            let first = cohorts.first[cohort] as usize;
            self.report(first, self.group_id(first), cohorts.size[cohort], &figures)
        };
        self.figures(resampled, Tally::by_cohort).into_iter().enumerate().map(report).collect()
    }

    fn figures(&self, resampled: Option<&Dataset>, units: for<'t> fn(&'t Tally) -> Units<'t>) -> Vec<Figures> {
        let spreads = self.run.spreads(resampled, self.role, units);
        let units = units(self.tally);
        (0..units.nodes.len()).map(|unit| units.figures(unit, &spreads)).collect()
    }

    /// The name of the group of `node`: its recorded node's, which group of it where there are several, and the attack.
    fn group_id(&self, node: usize) -> String {
        let Instance { model, group, .. } = self.nodes[node];
        let mut id = self.ids[model].to_owned();
        if self.nodes.iter().any(|other| other.model == model && other.group != group) {
            id.push_str(&format!(" (group {})", group + 1));
        }
        if let Some(attack) = self.attack(node) {
            id.push_str(&format!(", {attack}"));
        }
        id
    }

    fn attack(&self, node: usize) -> Option<String> {
        self.nodes[node].attack.map(|attack| self.run.scenario.attacks[attack].kind.title())
    }

    /// The report on `node`, or on `instances` like it.
    fn report(&self, node: usize, id: String, instances: u32, figures: &Figures) -> NodeReport {
        let instance = &self.nodes[node];
        let money = self.run.scenario.money;
        NodeReport {
            id,
            model: self.ids[instance.model].to_owned(),
            instances,
            attack: self.attack(node),
            rounds: figures.count,
            reward_mean: figures.reward_mean,
            reward_sd: figures.reward_sd,
            ci95_monte_carlo: figures.ci95_monte_carlo,
            ci95_prompts: figures.ci95_prompts,
            negative_share: figures.negative_share,
            quality_mean: figures.value_mean.map(|mean| 10.0 * self.tally.quality(mean)),
            cost: instance.cost,
            latency_ms_mean: instance.latency_ms,
            weight: None,
            stake: None,
            slashed_mean: None,
            profit_mean: money
                .zip(figures.reward_mean)
                .map(|(money, mean)| money.profit(mean, instance.true_latency_ms)),
            break_even_reward: money.map(|money| money.break_even(instance.true_latency_ms)),
        }
    }

    fn attackers(&self, number: usize, resampled: Option<&Dataset>) -> Vec<AttackerReport> {
        let positions = self.run.counterfactuals[number].attackers.positions.iter();
        let report =
            |(&node, gain): (&usize, Difference)| self.attacker_report(number, self.nodes[node].id.clone(), 1, &gain);
        positions.zip(self.run.gains(resampled, number, false)).map(report).collect()
    }

    /// None where each attacker is a group of its own.
    fn attacker_groups(&self, number: usize, resampled: Option<&Dataset>) -> Vec<AttackerReport> {
        let Some(groups) = self.run.counterfactuals[number].cohorts() else { return Vec::new() };
        let report = |(members, gain): (Vec<usize>, Difference)| {
            self.attacker_report(number, self.group_id(members[0]), members.len() as u32, &gain)
        };
        groups.into_iter().zip(self.run.gains(resampled, number, true)).map(report).collect()
    }

    fn attacker_report(&self, number: usize, id: String, instances: u32, gain: &Difference) -> AttackerReport {
        let counterfactual = &self.run.counterfactuals[number];
        let attack = counterfactual.attack;
        AttackerReport {
            id,
            instances,
            role: counterfactual.attackers.role,
            attack: attack as u32,
            kind: self.run.scenario.attacks[attack].kind.title(),
            reward_mean: gain.means[1],
            honest_reward_mean: gain.means[0],
            gain_mean: gain.difference,
            ci95_monte_carlo: gain.ci95_monte_carlo(),
            ci95_prompts: gain.ci95_prompts(),
        }
    }
}
