//! What a run owes to luck: to its draws, and to its prompts.
//!
//! Where rounds are independent, their payments tell how far a mean may be from what it is over all draws. What other
//! prompts might have given is found by resampling groups of prompts: each task counts alike, however often it was
//! drawn, and costs are those of the tasks resampled. A run is too short for that when it draws a task a few times:
//! more rounds of the same network are then played.
//!
//! Where the past decides the path (trust weights, stakes, routing by reward) one path cannot tell what another would
//! have been. Such a run is repeated: some runs on other random numbers, and as many on other random numbers and
//! resampled prompts. The spread of a mean is the standard deviation over these runs. On resampled prompts it has the
//! luck of the draws in it.

use std::sync::Arc;

use crate::attack::Role;
use crate::dataset::Dataset;
use crate::limits;
use crate::network::{Network, recorded_latencies};
use crate::prompts::Prompts;
use crate::scenario::{InferenceDraw, Scenario, ScenarioError};
use crate::stats::{Moments, Spread};

use super::Simulation;
use super::counterfactual::Counterfactual;
use super::tally::{Tally, Units};

/// Runs of each kind that repeat one whose past decides its path.
const REPLICATES: u64 = 24;
/// With fewer of them there is no interval.
const FEWEST_REPLICATES: u64 = limits::CELL_REPLICATES.min as u64;
/// Answers of all the replicates of a kind, at most.
const MAX_ANSWERS: u64 = 24_000_000;
/// Numbers that the replicates of a kind hold, at most.
const MAX_NUMBERS: u64 = 20_000_000;
/// Number of the run that adds to the payments of each task; replicates are numbered from 1.
const EVEN_RUN: u32 = 1000;
/// Payments of a node for each task that such a run makes, on average.
const PAYMENTS_PER_TASK: u64 = 64;
/// Rounds of such a run at most.
const MAX_EVEN_ROUNDS: u64 = 1 << 18;

/// Runs that repeat one whose past decides its path.
#[derive(Debug, Default)]
pub(crate) struct Replicates {
    /// On other random numbers.
    draws: Vec<Simulation>,
    /// On other random numbers and other prompts.
    prompts: Vec<Simulation>,
}

impl Replicates {
    /// So many of each kind for `run`.
    ///
    /// # Errors
    /// None that the run did not have.
    pub(crate) fn new(dataset: &Dataset, run: &Simulation, count: u64) -> Result<Self, ScenarioError> {
        let Simulation { scenario, .. } = run;
        let tasks = &run.network.tasks;
        let prompts = Prompts::new(dataset, tasks);
        let elsewhere = |(number, weights): (u64, Vec<u32>)| {
            let drawn = weights.iter().zip(tasks).flat_map(|(&weight, &task)| (0..weight).map(move |_| task)).collect();
            run.elsewhere(dataset, (count + number) as u32, drawn)
        };
        let resamples = prompts.task_resamples(scenario.seed).into_iter().take(count as usize);
        let prompts = (1..).zip(resamples).map(elsewhere).collect::<Result<_, _>>()?;
        Ok(Self { draws: Self::draws(run, count), prompts })
    }

    /// So many on other random numbers alone.
    ///
    /// # Errors
    /// For more than there is room for.
    pub(crate) fn on_other_draws(run: &Simulation, count: u32) -> Result<Self, ScenarioError> {
        let room = MAX_NUMBERS / Self::numbers(run);
        if u64::from(count) > room {
            let message = format!("{count} of a network of this size; there is room for {room}");
            return Err(ScenarioError::new("replicates", message));
        }
        Ok(Self { draws: Self::draws(run, count.into()), prompts: Vec::new() })
    }

    fn draws(run: &Simulation, count: u64) -> Vec<Simulation> {
        (1..=count).map(|number| run.again(number as u32, run.scenario.rounds)).collect()
    }

    /// Numbers that a replicate holds, those of its counterfactuals included; at least 1.
    fn numbers(run: &Simulation) -> u64 {
        let Simulation { network, counterfactuals, .. } = run;
        let nodes = network.inference.len() + network.evaluators.len();
        let numbers = nodes + network.score_count() + run.inference.cell_count() + run.evaluators.cell_count();
        (numbers * (1 + counterfactuals.len())).max(1) as u64
    }

    /// How many of a kind there is time and room for.
    pub(crate) fn number(run: &Simulation) -> u64 {
        let Simulation { scenario, network, counterfactuals, .. } = run;
        let answers = match scenario.inference_draw {
            InferenceDraw::All => network.inference.len() as u64,
            _ => 1,
        };
        let runs = 1 + counterfactuals.len() as u64;
        let in_time = MAX_ANSWERS / (scenario.rounds.max(1) * answers * runs);
        let most = in_time.min(MAX_NUMBERS / Self::numbers(run));
        if most < FEWEST_REPLICATES { 0 } else { most.min(REPLICATES) }
    }

    /// How many there are on the same prompts.
    pub(crate) fn count(&self) -> u32 {
        self.draws.len() as u32
    }

    /// Runs all of them up to round `stop`.
    pub(crate) fn follow(&mut self, stop: u64) {
        for run in self.draws.iter_mut().chain(&mut self.prompts) {
            run.run(stop - run.rounds_done);
        }
    }
}

/// How far the figures of a run's units may be from what they would be over all draws, and on other prompts.
pub(crate) struct Spreads {
    pub draws: Vec<Option<Spread>>,
    pub prompts: Vec<Option<Spread>>,
    /// What each figure is over all draws on these prompts, as far as more rounds than the run's tell: the middle of
    /// its interval over prompts. None where that is the run's own figure.
    pub expected: Vec<Option<f64>>,
}

impl Spreads {
    pub(super) fn without_prompts(self) -> Self {
        Self { prompts: vec![None; self.draws.len()], ..self }
    }
}

/// The spreads of `own`, a figure of each unit, which has these values in replicates.
fn over_replicates(
    own: &[Option<f64>],
    replicates: impl ExactSizeIterator<Item = Vec<Option<f64>>>,
) -> Vec<Option<Spread>> {
    let count = replicates.len() as u64;
    let mut moments: Vec<Moments> = own.iter().map(|own| Moments::of(own.as_slice())).collect();
    for figures in replicates {
        for (moments, value) in moments.iter_mut().zip(figures) {
            value.into_iter().for_each(|value| moments.add(value));
        }
    }
    // A node that most runs never pay has no mean that they could tell of.
    let spread = |(moments, own): (&Moments, &Option<f64>)| {
        own.filter(|_| count > 0 && 2 * moments.count > count)?;
        moments.sd().map(|error| Spread { error, degrees: moments.count - 1 })
    };
    moments.iter().zip(own).map(spread).collect()
}

/// Values of each unit on the resamples, with the variance that each figure has by the luck of the draws.
pub(crate) struct OnResamples {
    pub by_unit: Vec<Vec<f64>>,
    pub noise: Vec<f64>,
    /// By unit: its figure on the prompts as they are.
    pub expected: Vec<Option<f64>>,
}

/// What other prompts might have given a run whose rounds are independent.
#[derive(Debug)]
pub(crate) struct Resampled {
    pub prompts: Prompts,
    /// By resample: how often each group of prompts counts.
    weights: Vec<Vec<u32>>,
    /// By role and resample: the mean latency of each recorded node, in milliseconds.
    latencies: [Vec<Vec<f64>>; 2],
    /// More rounds of the same network, so that every task is paid for.
    more: Box<Simulation>,
}

impl Resampled {
    /// None where the past decides the path, and where no other prompts could have been drawn.
    pub(crate) fn new(dataset: &Dataset, run: &Simulation) -> Option<Self> {
        let Simulation { network, scenario, .. } = run;
        if run.remembers() {
            return None;
        }
        let prompts = Prompts::new(dataset, &network.tasks);
        let weights = prompts.resamples(scenario.seed);
        if weights.is_empty() {
            return None;
        }
        let latencies = [Role::Inference, Role::Evaluator].map(|role| {
            let mut sums: Vec<(f64, Vec<f64>)> = vec![(0.0, Vec::new()); prompts.groups()];
            for (&task, &group) in network.tasks.iter().zip(prompts.of()) {
                let (tasks, sums) = &mut sums[group as usize];
                let of_task = recorded_latencies(dataset, role, &[task]);
                sums.resize(of_task.len(), 0.0);
                sums.iter_mut().zip(of_task).for_each(|(sum, latency_ms)| *sum += latency_ms);
                *tasks += 1.0;
            }
            weights.iter().map(|weights| weighted_mean(weights, &sums)).collect()
        });
        let mut more = Box::new(run.again(EVEN_RUN, even_rounds(run)));
        more.run(u64::MAX);
        Some(Self { prompts, weights, latencies, more })
    }

    /// The mean rewards, on the resamples, of units of the nodes of `role`; none where units share their sums by task.
    pub(crate) fn rewards(&self, run: &Simulation, role: Role, units: &Units<'_>) -> Option<OnResamples> {
        let more = self.more.tally(role);
        let cohorts = &run.network.cohorts(role).of;
        self.on_resamples(&run.network, &run.scenario, role, units, more, &|node| cohorts[node] as usize)
    }

    /// The same for the attackers of `run`'s attack of that number, of which `units` are made, on either side: honest
    /// or not.
    pub(crate) fn attackers_rewards(
        &self,
        run: &Simulation,
        number: usize,
        side: usize,
        units: &Units<'_>,
    ) -> Option<OnResamples> {
        let more = &self.more.counterfactuals[number];
        let Counterfactual { attackers, .. } = &run.counterfactuals[number];
        let network = if side == 0 { &run.counterfactuals[number].honest.network } else { &run.network };
        let cohorts = &network.cohorts(attackers.role).of;
        let cohort_of = |attacker: usize| cohorts[attackers.positions[attacker]] as usize;
        self.on_resamples(network, &run.scenario, attackers.role, units, &more.sides[side], &cohort_of)
    }

    fn on_resamples(
        &self,
        network: &Network,
        scenario: &Scenario,
        role: Role,
        units: &Units<'_>,
        more: &Tally,
        cohort_of: &dyn Fn(usize) -> usize,
    ) -> Option<OnResamples> {
        let by_group = units.by_group(&self.prompts, more)?;
        let mut by_unit = vec![Vec::with_capacity(self.weights.len()); units.nodes.len()];
        let latencies = &self.latencies[usize::from(role == Role::Evaluator)];
        let mut means = Vec::new();
        for (weights, recorded_ms) in self.weights.iter().zip(latencies) {
            let costs = network.costs_of_cohorts(scenario, role, recorded_ms);
            by_group.means(weights, &mut means);
            for ((values, &node), mean) in by_unit.iter_mut().zip(&units.nodes).zip(&means) {
                // A unit that no prompt of a resample pays keeps its number of values, so that pairs of runs stay
                // pairs.
                values.push(mean.map_or(f64::NAN, |mean| units.tally.reward_at(costs[cohort_of(node)], mean)));
            }
        }
        let scale = units.tally.scale();
        let noise = (0..units.nodes.len()).map(|unit| scale * scale * by_group.noise(unit)).collect();
        by_group.means(&vec![1; self.prompts.groups()], &mut means);
        let expected =
            units.nodes.iter().zip(&means).map(|(&node, mean)| mean.map(|mean| units.tally.reward(node, mean)));
        Some(OnResamples { by_unit, noise, expected: expected.collect() })
    }
}

impl OnResamples {
    /// The share of resamples on which `holds`: units' figures are those that they have over all draws, with what the
    /// resample adds to them, `stretch` times.
    pub(crate) fn share(&self, stretch: f64, holds: &dyn Fn(Vec<Option<f64>>) -> bool) -> f64 {
        let resamples = self.by_unit.first().map_or(0, Vec::len);
        let centre = |values: &Vec<f64>| {
            let known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
            Moments::of(&known).mean().unwrap_or(f64::NAN)
        };
        let centres: Vec<f64> = self.by_unit.iter().map(centre).collect();
        let on = |at: usize| -> Vec<Option<f64>> {
            let figure = |((values, centre), expected): ((&Vec<f64>, &f64), &Option<f64>)| {
                expected.map(|expected| expected + stretch * (values[at] - centre)).filter(|figure| figure.is_finite())
            };
            self.by_unit.iter().zip(&centres).zip(&self.expected).map(figure).collect()
        };
        (0..resamples).filter(|&at| holds(on(at))).count() as f64 / resamples.max(1) as f64
    }

    /// The spread of each unit's figure.
    pub(crate) fn spreads(&self, prompts: &Prompts) -> Vec<Option<Spread>> {
        let spread = |(values, &noise): (&Vec<f64>, &f64)| {
            let known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
            prompts.spread(&known, noise)
        };
        self.by_unit.iter().zip(&self.noise).map(spread).collect()
    }
}

/// The mean of sums over tasks, by group with how many tasks it has, when each group counts as often as `weights` say.
fn weighted_mean(weights: &[u32], sums: &[(f64, Vec<f64>)]) -> Vec<f64> {
    let mut means = vec![0.0; sums.first().map_or(0, |(_, sums)| sums.len())];
    let mut count = 0.0;
    for (&weight, (tasks, sums)) in weights.iter().zip(sums).filter(|(weight, _)| **weight > 0) {
        count += f64::from(weight) * tasks;
        means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean += f64::from(weight) * sum);
    }
    means.iter_mut().for_each(|mean| *mean /= count);
    means
}

/// Rounds in which each node is paid so often for each task.
fn even_rounds(run: &Simulation) -> u64 {
    let Simulation { network, scenario, .. } = run;
    let answering = if scenario.inference_draw == InferenceDraw::All { 1 } else { network.inference.len() as u64 };
    let heard = (network.evaluators.len() as u64).div_ceil(u64::from(scenario.evaluators_per_round));
    (PAYMENTS_PER_TASK * network.tasks.len() as u64 * answering.max(heard)).min(MAX_EVEN_ROUNDS)
}

impl Simulation {
    /// What other prompts might have given; none where the past decides the path.
    pub(crate) fn resampled(&self, dataset: &Dataset) -> Option<&Resampled> {
        self.resampled.get_or_init(|| Resampled::new(dataset, self)).as_ref()
    }

    /// The spreads of the mean rewards of `role`'s units, which `units` makes of a tally; over prompts only where
    /// `dataset`, the one that the run was made with, is given.
    pub(crate) fn spreads(
        &self,
        dataset: Option<&Dataset>,
        role: Role,
        units: for<'a> fn(&'a Tally) -> Units<'a>,
    ) -> Spreads {
        let own = units(self.tally(role));
        if self.remembers() {
            let spreads = self.replicates.spreads(&own.means(), &|run| units(run.tally(role)).means());
            return if dataset.is_some() { spreads } else { spreads.without_prompts() };
        }
        let resampled = dataset.and_then(|dataset| self.resampled(dataset));
        let rewards = resampled.and_then(|resampled| Some((resampled, resampled.rewards(self, role, &own)?)));
        let count = own.nodes.len();
        let (prompts, expected) = rewards.map_or_else(
            || (vec![None; count], vec![None; count]),
            |(resampled, rewards)| (rewards.spreads(&resampled.prompts), rewards.expected),
        );
        Spreads { draws: (0..own.nodes.len()).map(|unit| own.spread_of_draws(unit)).collect(), prompts, expected }
    }

    /// The run on the same network with other random numbers, before its first round.
    fn again(&self, number: u32, rounds: u64) -> Self {
        let scenario = Scenario { rounds, ..self.scenario.clone() };
        let mut run = Self::assemble(self.dataset.clone(), &scenario, Arc::clone(&self.network), number);
        run.counterfactuals = self
            .counterfactuals
            .iter()
            .map(|own| {
                let network = Arc::clone(&own.honest.network);
                let honest = Self::assemble(self.dataset.clone(), &scenario, network, number);
                Counterfactual::new(&scenario, own.attack, &self.network, honest)
            })
            .collect();
        run
    }

    /// The run with other random numbers on `tasks`, before its first round.
    fn elsewhere(&self, dataset: &Dataset, number: u32, tasks: Vec<usize>) -> Result<Self, ScenarioError> {
        let Self { scenario, .. } = self;
        let run = |honest| {
            let network = Arc::new(Network::on_tasks(dataset, scenario, honest, tasks.clone())?);
            Ok(Self::assemble(self.dataset.clone(), scenario, network, number))
        };
        let mut elsewhere = run(None)?;
        for own in &self.counterfactuals {
            let counterfactual = Counterfactual::new(scenario, own.attack, &elsewhere.network, run(Some(own.attack))?);
            elsewhere.counterfactuals.push(counterfactual);
        }
        Ok(elsewhere)
    }
}

/// A figure of each unit of a run.
pub(super) type Figure<'a> = &'a dyn for<'r> Fn(&'r Simulation) -> Vec<Option<f64>>;

impl Replicates {
    /// The spreads of `own`, a figure of each unit of the run that these repeat.
    fn spreads(&self, own: &[Option<f64>], figure: Figure<'_>) -> Spreads {
        let over = |runs: &[Simulation]| over_replicates(own, runs.iter().map(figure));
        Spreads { draws: over(&self.draws), prompts: over(&self.prompts), expected: vec![None; own.len()] }
    }

    /// The share of runs, the one that these repeat included, in which `holds`, which holds in that one: of those on
    /// other random numbers, and of those on other prompts too.
    pub(crate) fn shares(&self, holds: &dyn Fn(&Simulation) -> bool) -> [Option<f64>; 2] {
        [&self.draws, &self.prompts].map(|runs| {
            let count = runs.iter().filter(|run| holds(run)).count();
            (!runs.is_empty()).then(|| (count + 1) as f64 / (runs.len() + 1) as f64)
        })
    }

    /// The spreads of `own`, how much more each unit has of a figure on the second side than on the first; both sides'
    /// runs have these replicates.
    pub(super) fn spreads_of_differences(
        replicates: [&Self; 2],
        own: &[Option<f64>],
        figures: [Figure<'_>; 2],
    ) -> Spreads {
        let over = |a: &[Simulation], b: &[Simulation]| {
            let differences = a.iter().zip(b).map(|(a, b)| differences([figures[0](a), figures[1](b)]));
            over_replicates(own, differences)
        };
        let [a, b] = replicates;
        Spreads {
            draws: over(&a.draws, &b.draws),
            prompts: over(&a.prompts, &b.prompts),
            expected: vec![None; own.len()],
        }
    }
}

/// The second side's figures less the first's.
pub(super) fn differences([a, b]: [Vec<Option<f64>>; 2]) -> Vec<Option<f64>> {
    a.into_iter().zip(b).map(|(a, b)| Some(b? - a?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper;
    use serde_json::json;

    fn run(patch: serde_json::Value) -> (Dataset, Simulation) {
        let dataset = paper::dataset();
        let scenario = Scenario::from_patch(&patch).expect("valid");
        let mut run = Simulation::new(&dataset, &scenario).expect("fits");
        run.run(u64::MAX);
        (dataset, run)
    }

    /// The interval is the mean of the run with Student's t times the standard deviation of its own mean and those of
    /// 24 other runs, which differ from it and from each other in their random numbers alone.
    #[test]
    fn replicates_are_other_runs_of_the_same_length() {
        let (dataset, run) = run(json!({"rounds": 400, "consensus": {"rule": "ema_trust"}}));
        let report = run.report(&dataset);
        assert_eq!((report.replicates, run.replicates.draws.len(), run.replicates.prompts.len()), (24, 24, 24));
        for (node, of_run) in report.evaluator_nodes.iter().enumerate() {
            let mean = |run: &Simulation| run.evaluators.by_node().mean(node).expect("paid");
            for (runs, interval) in
                [(&run.replicates.draws, of_run.ci95_monte_carlo), (&run.replicates.prompts, of_run.ci95_prompts)]
            {
                let mut means: Vec<f64> = runs.iter().map(mean).collect();
                means.push(mean(&run));
                let centre = means.iter().sum::<f64>() / 25.0;
                let sd = (means.iter().map(|mean| (mean - centre).powi(2)).sum::<f64>() / 24.0).sqrt();
                let half = crate::stats::student_t_975(24) * sd;
                let [low, high] = interval.expect("an interval");
                assert!((high - low - 2.0 * half).abs() < 1e-9 && (low + high - 2.0 * mean(&run)).abs() < 1e-9);
                means.sort_by(f64::total_cmp);
                assert!(means.windows(2).all(|pair| pair[0] < pair[1]), "all differ: {means:?}");
            }
        }
        let plain = |run: &Simulation| (run.rounds_done, run.network.tasks.clone());
        assert!(run.replicates.draws.iter().all(|other| plain(other) == plain(&run)));
        assert!(run.replicates.prompts.iter().all(|other| other.network.tasks != run.network.tasks));
    }

    /// A run of other prompts is the run on a dataset of just these prompts: its costs are theirs.
    #[test]
    fn runs_on_other_prompts_have_their_costs() {
        let (dataset, run) = run(json!({"rounds": 10, "consensus": {"rule": "ema_trust"}}));
        let other = &run.replicates.prompts[0].network;
        let mean = |node: usize| {
            let of_task = |&task: &usize| dataset.output(task, node).latency_ms;
            other.tasks.iter().map(of_task).sum::<f64>() / other.tasks.len() as f64
        };
        for instance in &other.inference {
            assert!((instance.latency_ms - mean(instance.model)).abs() < 1e-9 * instance.latency_ms);
        }
        assert_ne!(other.inference[0].latency_ms, run.network.inference[0].latency_ms);
    }

    /// A run so long that it cannot be repeated has no interval, and none of its differences is called settled.
    #[test]
    fn what_cannot_be_repeated_has_no_interval() {
        let dataset = paper::dataset();
        let long = json!({"rounds": 100_000_000, "consensus": {"rule": "ema_trust"}});
        let scenario = Scenario::from_patch(&long).expect("valid");
        let mut run = Simulation::new(&dataset, &scenario).expect("fits");
        run.run(1000);
        let report = run.report(&dataset);
        assert_eq!(report.replicates, 0);
        for node in report.inference_nodes.iter().chain(&report.evaluator_nodes) {
            assert_eq!((node.ci95_monte_carlo, node.ci95_prompts), (None, None));
        }
    }

    /// One inference node and all evaluators in each round leave nothing to chance but the task: what each is paid for
    /// a task is one number, and so the interval over prompts is that of a bootstrap worked out by hand, costs
    /// included.
    #[test]
    fn the_interval_over_prompts_is_a_bootstrap_of_groups() {
        let (dataset, run) = run(json!({"rounds": 300, "evaluators_per_round": 3,
            "network": {"inference": [{"model": "llama-3.2-3b"}]}}));
        let report = run.report(&dataset);
        let tasks = &run.network.tasks;
        let prompts = Prompts::new(&dataset, tasks);
        for (node, of_run) in report.evaluator_nodes.iter().enumerate() {
            let model = run.network.inference[0].model;
            let value = |position: usize| {
                let scores = run.network.scores(position, model);
                let own = run.network.evaluators.iter().map(|evaluator| scores[evaluator.model]);
                let consensus = own.clone().sum::<f64>() / 3.0;
                1.0 - (scores[run.network.evaluators[node].model] - consensus).abs() / 10.0
            };
            let rewards: Vec<f64> = prompts
                .task_resamples(run.scenario.seed)
                .iter()
                .map(|weights| {
                    let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
                    let mean = |of: &dyn Fn(usize) -> f64| {
                        weights.iter().enumerate().map(|(at, &weight)| f64::from(weight) * of(at)).sum::<f64>() / total
                    };
                    let latencies: Vec<f64> = run
                        .network
                        .evaluators
                        .iter()
                        .map(|evaluator| {
                            mean(&|at| {
                                let nodes = 0..dataset.inference_nodes();
                                let count = nodes.len() as f64;
                                nodes
                                    .map(|node| dataset.score(tasks[at], node, evaluator.model).latency_ms)
                                    .sum::<f64>()
                                    / count
                            })
                        })
                        .collect();
                    mean(&value) - 0.5 * run.scenario.cost_normalization.costs(&latencies)[node]
                })
                .collect();
            let want = prompts.spread(&rewards, 0.0).expect("a spread");
            let [low, high] = of_run.ci95_prompts.expect("an interval");
            let half = crate::stats::student_t_975(want.degrees) * want.error;
            assert!((high - low - 2.0 * half).abs() < 1e-9, "{}: {} is not {}", of_run.id, high - low, 2.0 * half);
        }
    }
}
