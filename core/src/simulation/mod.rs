//! The simulation: many rounds of Proof of Quality on recorded outputs.
//!
//! A round draws a task, an inference node to answer it (or takes all), and K evaluators without repetition; their
//! scores make the consensus; node and evaluators are rewarded. [`Simulation`] runs rounds in chunks of any size: the
//! result depends on how many rounds were run, not on how they were split.

mod block;
mod counterfactual;
mod dishonest;
mod draw;
mod luck;
mod paired;
mod rewards;
mod routing;
mod sample;
mod stakes;
mod tally;
mod twins;

use std::sync::{Arc, OnceLock};

use crate::attack::Role;
use crate::consensus::Rule;
use crate::dataset::Dataset;
use crate::network::{Cohorts, Network};
use crate::report::{Brief, DatasetName, Report};
use crate::rng::{Purpose, Ranges, Stream};
use crate::scenario::{InferenceDraw, Scenario, ScenarioError};

use block::Block;
pub(crate) use counterfactual::Counterfactual;
pub(crate) use dishonest::Dishonest;
use draw::EvaluatorDraw;
pub(crate) use luck::Spreads;
use luck::{Replicates, Resampled};
pub(crate) use paired::{Difference, Paired};
pub use rewards::RewardSamples;
use routing::Router;
pub(crate) use sample::{RoundSample, Sampled};
pub(crate) use stakes::Stakes;
pub use tally::SERIES_NODES;
pub(crate) use tally::{Figures, Series, Tally, Units};
pub(crate) use twins::{TwinAnswer, Twins};

/// Batches of a run where payments of one round go together (Schmeiser 1982 advises 10 to 30).
const BATCHES: u64 = 30;

/// Runs `scenario` from `seed` for `rounds` rounds: one whole result.
///
/// # Errors
/// For a scenario that is out of bounds or does not fit the dataset.
pub fn simulate(dataset: &Dataset, scenario: &Scenario, seed: u64, rounds: u64) -> Result<Report, ScenarioError> {
    let scenario = Scenario { seed, rounds, ..scenario.clone() };
    let mut simulation = Simulation::new(dataset, &scenario)?;
    simulation.run(rounds);
    Ok(simulation.report(dataset))
}

/// A run in progress.
#[derive(Debug)]
pub struct Simulation {
    pub(crate) dataset: DatasetName,
    pub(crate) scenario: Scenario,
    pub(crate) network: Arc<Network>,
    draws: Stream,
    noise: Stream,
    pub(crate) rounds_done: u64,
    pub(crate) inference: Tally,
    pub(crate) evaluators: Tally,
    pub(crate) sample: RoundSample,
    pub(crate) series: Series,
    /// By cohort of inference nodes: the recorded node whose outputs they have.
    models: Vec<u32>,
    /// By cohort of evaluators: what a score needs of them.
    scorers: Vec<Scorer>,
    /// Whether any score has noise.
    is_noisy: bool,
    pub(crate) rule: Rule,
    /// None but under routing by past reward.
    router: Option<Router>,
    /// None where no stake is at risk.
    pub(crate) stakes: Option<Stakes>,
    /// Answers that no evaluator with stake enough was drawn for.
    pub(crate) unjudged: u64,
    /// None where nobody attacks.
    pub(crate) dishonest: Option<Dishonest>,
    /// One for each attack.
    pub(crate) counterfactuals: Vec<Counterfactual>,
    /// Runs that repeat this one, where the past decides its path.
    pub(crate) replicates: Replicates,
    /// What other prompts might have given, once that was asked.
    resampled: OnceLock<Option<Resampled>>,
    /// Rounds of a batch, where payments of one round go together.
    batch: u64,
    /// Of a round's task, inference node (one where all answer) and set of evaluators.
    ranges: Ranges<3>,
    evaluator_draw: EvaluatorDraw,
    /// The scores that the K evaluators drawn for the round give to the answer at hand.
    scores: Vec<f64>,
    /// What these evaluators are paid for: the distances of their scores from the consensus.
    values: Vec<f64>,
    /// Those of the evaluators drawn that have stake enough, where stakes are at risk.
    heard: Vec<u32>,
    /// For rounds that are played some at a time.
    block: Block,
}

/// What the score of an evaluator depends on.
#[derive(Clone, Copy, Debug)]
struct Scorer {
    /// Position of the recorded evaluator.
    model: usize,
    noise_sd: f64,
}

/// One answer of a round, as it was scored: what a page shows when a round is opened.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredAnswer {
    /// Position of the task in the dataset.
    pub task: usize,
    /// Position of the inference node in the network.
    pub inference: usize,
    /// Position of the recorded node whose output it gave: its own model, if it was not downgraded.
    pub model: usize,
    /// What the evaluators drawn for the round gave.
    pub scores: Vec<GivenScore>,
    /// The consensus, in `[0, 10]`.
    pub consensus: f64,
}

/// A score as it was given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GivenScore {
    /// Position of the evaluator in the network.
    pub evaluator: usize,
    /// In `[0, 10]`.
    pub score: f64,
    /// Its weight in the consensus at that moment: trust, or stake, or 1 where all count alike.
    pub weight: f64,
    /// Stake that it loses for this score.
    pub slashed: f64,
}

impl Simulation {
    /// A run of `scenario` on `dataset`, before its first round.
    ///
    /// # Errors
    /// For a scenario that is out of bounds or does not fit the dataset.
    pub fn new(dataset: &Dataset, scenario: &Scenario) -> Result<Self, ScenarioError> {
        let mut simulation = Self::once(dataset, scenario)?;
        if simulation.remembers() {
            simulation.replicates = Replicates::new(dataset, &simulation, Replicates::number(&simulation))?;
        }
        Ok(simulation)
    }

    /// The same run without others that repeat it: quicker where the past decides its path, and then without intervals.
    ///
    /// # Errors
    /// As [`Simulation::new`].
    pub fn once(dataset: &Dataset, scenario: &Scenario) -> Result<Self, ScenarioError> {
        let mut simulation = Self::without_gains(dataset, scenario)?;
        simulation.counterfactuals = Counterfactual::all(dataset, scenario, &simulation.network)?;
        Ok(simulation)
    }

    /// The same run with `replicates` others on other random numbers where its past decides its path: with intervals
    /// over draws, and none over prompts. 0 are none.
    ///
    /// # Errors
    /// As [`Simulation::new`], and for more replicates than there is room for.
    pub fn repeated(dataset: &Dataset, scenario: &Scenario, replicates: u32) -> Result<Self, ScenarioError> {
        let mut simulation = Self::once(dataset, scenario)?;
        if simulation.remembers() {
            simulation.replicates = Replicates::on_other_draws(&simulation, replicates)?;
        }
        Ok(simulation)
    }

    /// The same without what its attacks gain either, which takes a run more for each: to open rounds, not for a
    /// report.
    ///
    /// # Errors
    /// As [`Simulation::new`].
    pub fn without_gains(dataset: &Dataset, scenario: &Scenario) -> Result<Self, ScenarioError> {
        Self::with_honest(dataset, scenario, None)
    }

    /// The run in which the nodes of attack `honest` do not attack; with no counterfactual of its own.
    fn with_honest(dataset: &Dataset, scenario: &Scenario, honest: Option<usize>) -> Result<Self, ScenarioError> {
        let network = Arc::new(Network::without(dataset, scenario, honest)?);
        let evaluators_per_round = scenario.k_for(network.evaluators.len())?;
        let scenario = Scenario { evaluators_per_round, ..scenario.clone() };
        let name = DatasetName { id: dataset.manifest.id.clone(), hash: dataset.hash.clone() };
        Ok(Self::assemble(name, &scenario, network, 0))
    }

    /// A run of `scenario` in `network`, the one of that number under the scenario's seed; only run 0 has data for
    /// plots.
    fn assemble(dataset: DatasetName, scenario: &Scenario, network: Arc<Network>, number: u32) -> Self {
        let everybody_answers = scenario.inference_draw == InferenceDraw::All && network.inference.len() > 1;
        let stream = |purpose| Stream::of_run(scenario.seed, number, purpose);
        let tally = |role, cohorts: &Cohorts, may_be_paid_twice: bool| {
            let costs: Vec<f64> = network.of(role).iter().map(|node| node.cost).collect();
            let tally = Tally::new(role, &costs, cohorts.clone(), network.tasks.len(), scenario);
            // Several payments of one round, to a node or to its like, are not independent.
            if may_be_paid_twice { tally.in_batches() } else { tally }
        };
        let (of_inference, of_evaluators) = (&network.inference_cohorts, &network.evaluator_cohorts);
        let inference = tally(Role::Inference, of_inference, everybody_answers && !of_inference.are_single());
        let evaluators = tally(Role::Evaluator, of_evaluators, everybody_answers || !of_evaluators.are_single());
        let evaluator_draw = EvaluatorDraw::new(network.evaluators.len() as u32, scenario.evaluators_per_round);
        let (nodes, router) = match scenario.inference_draw {
            InferenceDraw::Uniform => (network.inference.len() as u32, None),
            InferenceDraw::All => (1, None),
            InferenceDraw::Softmax { temperature, prior } => {
                (1, Some(Router::new(network.inference.len(), temperature, prior)))
            }
        };
        let nodes_with_series = network.inference.len() + network.evaluators.len();
        Self {
            dataset,
            draws: stream(Purpose::Draws),
            noise: stream(Purpose::ScoreNoise),
            rounds_done: 0,
            inference,
            evaluators,
            sample: RoundSample::default(),
            series: if number == 0 { Series::new(scenario.rounds, nodes_with_series) } else { Series::none() },
            is_noisy: network.evaluators.iter().any(|instance| instance.score_noise_sd > 0.0),
            models: network
                .inference_cohorts
                .first
                .iter()
                .map(|&first| network.inference[first as usize].model as u32)
                .collect(),
            scorers: network
                .evaluator_cohorts
                .first
                .iter()
                .map(|&first| &network.evaluators[first as usize])
                .map(|instance| Scorer { model: instance.model, noise_sd: instance.score_noise_sd })
                .collect(),
            ranges: Ranges::new([network.tasks.len() as u32, nodes, evaluator_draw.sets()]),
            evaluator_draw,
            batch: scenario.rounds.div_ceil(BATCHES),
            dishonest: Dishonest::new(&network, stream(Purpose::Attacks)),
            counterfactuals: Vec::new(),
            replicates: Replicates::default(),
            resampled: OnceLock::new(),
            rule: Rule::new(scenario.consensus, &network.evaluators, scenario.evaluators_per_round),
            router,
            stakes: scenario
                .staking
                .map(|staking| Stakes::new(staking, &network.evaluators, scenario.reward.alpha_evaluator)),
            unjudged: 0,
            scores: vec![0.0; scenario.evaluators_per_round as usize],
            values: vec![0.0; scenario.evaluators_per_round as usize],
            heard: Vec::new(),
            block: Block::default(),
            scenario: scenario.clone(),
            network,
        }
    }

    /// Whether rounds depend on those before them.
    pub(crate) fn remembers(&self) -> bool {
        self.scenario.remembers()
    }

    /// Rounds run so far.
    #[must_use]
    pub fn rounds_done(&self) -> u64 {
        self.rounds_done
    }

    /// Rounds still to run until the scenario's number.
    #[must_use]
    pub fn rounds_left(&self) -> u64 {
        self.scenario.rounds.saturating_sub(self.rounds_done)
    }

    /// What the nodes of a role were paid.
    pub(crate) fn tally(&self, role: Role) -> &Tally {
        match role {
            Role::Inference => &self.inference,
            Role::Evaluator => &self.evaluators,
        }
    }

    /// The network that the rounds are drawn from.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Runs up to `rounds` more rounds, never beyond the scenario's number.
    pub fn run(&mut self, rounds: u64) {
        let stop = self.rounds_done + rounds.min(self.rounds_left());
        self.run_to(stop);
        self.replicates.follow(stop);
    }

    fn run_to(&mut self, stop: u64) {
        while self.rounds_done < stop {
            if !self.counterfactuals.is_empty() {
                self.play_beside(stop.min(self.rounds_done + counterfactual::STEP), &mut |_| {});
                continue;
            }
            let is_plain = self.inference.is_plain() && self.evaluators.is_plain();
            match self.scores.len() {
                _ if !self.is_simple() => self.play::<0, false>(stop, &mut |_| {}),
                // In a small network such rounds wait for the weights of the one before: there is time for all else.
                3 if is_plain && self.rule.weights().is_some() => self.play::<3, true>(stop, &mut |_| {}),
                3 => self.play_in_blocks::<3>(stop),
                _ => self.play_in_blocks::<0>(stop),
            }
        }
    }

    /// Whether nothing but draws, look-ups and the rule makes a round, one answer at a time.
    fn is_simple(&self) -> bool {
        !self.is_noisy
            && self.dishonest.is_none()
            && self.stakes.is_none()
            && self.scenario.inference_draw == InferenceDraw::Uniform
    }

    /// As [`Simulation::play`], with every counterfactual at its side.
    fn play_beside(&mut self, stop: u64, watch: &mut impl FnMut(&Scored<'_>)) {
        let mut beside = std::mem::take(&mut self.counterfactuals);
        self.play::<0, false>(stop, &mut |answer| {
            watch(answer);
            beside.iter_mut().for_each(|counterfactual| counterfactual.note(answer));
        });
        for counterfactual in &mut beside {
            counterfactual.follow(self.rounds_done);
        }
        self.counterfactuals = beside;
    }

    /// The report on the rounds run so far. `dataset` must be the one that the run was made with.
    #[must_use]
    pub fn report(&self, dataset: &Dataset) -> Report {
        Report::new(dataset, self)
    }

    /// The few figures of the rounds run so far that cost little: what a sweep keeps of each cell. `dataset` must be
    /// the one that the run was made with.
    #[must_use]
    pub fn brief(&self, dataset: &Dataset) -> Brief {
        Brief::new(dataset, self)
    }

    /// Round `number` (from 0) of `scenario` as it was scored, found by replaying the run up to it.
    ///
    /// # Errors
    /// As [`Simulation::new`], and for a round beyond the scenario's number.
    pub fn open_round(
        dataset: &Dataset,
        scenario: &Scenario,
        number: u64,
    ) -> Result<(Network, Vec<ScoredAnswer>), ScenarioError> {
        if number >= scenario.rounds {
            let message = format!("there is no round {number}; allowed: 0 to {}", scenario.rounds.saturating_sub(1));
            return Err(ScenarioError::new("rounds", message));
        }
        let mut simulation = Self::without_gains(dataset, scenario)?;
        simulation.run(number);
        let answers = simulation.open_next();
        Ok((Arc::unwrap_or_clone(simulation.network), answers))
    }

    /// Runs one more round and gives its answers as they were scored; none beyond the scenario's number of rounds.
    /// With [`Simulation::run`] up to it, a page can open a late round in slices.
    pub fn open_next(&mut self) -> Vec<ScoredAnswer> {
        if self.rounds_left() == 0 {
            return Vec::new();
        }
        let mut answers = Vec::new();
        // Weights and stakes move with every answer: a second rule follows, to say what they were.
        let mut rule = self.rule.clone();
        let alpha = self.scenario.reward.alpha_evaluator;
        let tasks = self.network.tasks.clone();
        self.play_beside(self.rounds_done + 1, &mut |answer| {
            let Scored { node, model, consensus, .. } = *answer;
            let given = |((&evaluator, &score), &value): ((&u32, &f64), &f64)| {
                let evaluator = evaluator as usize;
                let penalty = value - (score - consensus).abs();
                let slashed = if penalty > 0.0 { alpha * penalty / 10.0 } else { 0.0 };
                let weight = rule.weight(evaluator);
                rule.set_stake(evaluator, weight - slashed);
                GivenScore { evaluator, score, weight, slashed }
            };
            let scores = answer.drawn.iter().zip(answer.scores).zip(answer.values).map(given).collect();
            rule.consensus(answer.drawn, answer.scores);
            answers.push(ScoredAnswer { task: tasks[answer.task], inference: node, model, scores, consensus });
        });
        self.replicates.follow(self.rounds_done);
        answers
    }

    /// Runs rounds until `stop`, or until the next point of the series.
    ///
    /// With a `K` above 0, that many evaluators are drawn, one node answers, and nobody is noisy or attacks: a quarter
    /// quicker where the compiler knows that it is so. `PLAIN` says that both tallies are known to be plain.
    fn play<const K: usize, const PLAIN: bool>(&mut self, stop: u64, watch: &mut impl FnMut(&Scored<'_>)) {
        let (stop, end_of_batch) = self.halt(stop);
        // What the loop reads is bound to locals: the compiler need not read it anew after each write to a tally.
        let Self { network, models, scorers, scores, values, heard, draws, noise, sample, ranges, rule, .. } = self;
        let (network, models, scorers, ranges) = (&*network, &**models, &**scorers, *ranges);
        let (evaluator_draw, unjudged) = (&mut self.evaluator_draw, &mut self.unjudged);
        let is_noisy = K == 0 && self.is_noisy;
        let all_answer = K == 0 && self.scenario.inference_draw == InferenceDraw::All;
        let dishonest = &mut self.dishonest.as_mut().filter(|_| K == 0);
        let router = &mut self.router.as_mut().filter(|_| K == 0);
        let stakes = &mut self.stakes.as_mut().filter(|_| K == 0);
        let cohort_of = |cohorts: &Cohorts, node: usize| if PLAIN { node } else { cohorts.of[node] as usize };
        let mut inference = self.inference.desk();
        let mut evaluators = self.evaluators.desk();
        for round in self.rounds_done..stop {
            let [task, node, set] = draws.below_each(&ranges);
            let (task, mut node) = (task as usize, node as usize);
            let drawn = evaluator_draw.draw(set, draws);
            if let Some(router) = router {
                node = router.draw(draws);
            }
            let answering = if all_answer { 0..network.inference.len() } else { node..node + 1 };
            let sampled = sample.admits(round, answering.len());
            for node in answering {
                let drawn = match stakes {
                    Some(stakes) => {
                        stakes.hear(drawn, heard);
                        &**heard
                    }
                    None => drawn,
                };
                if K == 0 && drawn.is_empty() {
                    *unjudged += 1;
                    continue;
                }
                let count = if K > 0 { K } else { drawn.len() };
                let (drawn, scores, values) = (&drawn[..count], &mut scores[..count], &mut values[..count]);
                let own = models[cohort_of(&network.inference_cohorts, node)] as usize;
                let model = dishonest.as_mut().map_or(own, |dishonest| dishonest.answers_as(node, own));
                let recorded = network.scores(task, model);
                for (score, &evaluator) in scores.iter_mut().zip(drawn) {
                    *score = recorded[scorers[cohort_of(&network.evaluator_cohorts, evaluator as usize)].model];
                }
                if is_noisy {
                    for (score, &evaluator) in scores.iter_mut().zip(drawn) {
                        let noise_sd = scorers[cohort_of(&network.evaluator_cohorts, evaluator as usize)].noise_sd;
                        if noise_sd > 0.0 {
                            *score = (*score + noise_sd * noise.normal()).clamp(0.0, 10.0);
                        }
                    }
                }
                if let Some(dishonest) = dishonest {
                    dishonest.alter(scores, drawn, node);
                }
                let consensus = rule.consensus(drawn, scores);
                for (value, &score) in values.iter_mut().zip(&*scores) {
                    *value = (score - consensus).abs();
                }
                if let Some(stakes) = stakes {
                    for (value, &evaluator) in values.iter_mut().zip(drawn) {
                        *value = stakes.slash(evaluator as usize, *value);
                        rule.set_stake(evaluator as usize, stakes.left[evaluator as usize]);
                    }
                }
                watch(&Scored { round, task, node, model, drawn, scores, values, consensus });
                inference.pay::<PLAIN>(task, node, consensus);
                for (&evaluator, &value) in drawn.iter().zip(&*values) {
                    evaluators.pay::<PLAIN>(task, evaluator as usize, value);
                }
                if let Some(router) = router {
                    router.paid(node, inference.reward(node, consensus));
                }
                if let Some(dishonest) = dishonest.as_mut().filter(|_| model != own) {
                    dishonest.account(task, node, consensus);
                }
                if sampled {
                    sample.push(Sampled { round: round as u32, task: task as u32, model: model as u32, consensus });
                }
            }
        }
        self.rounds_done = self.rounds_done.max(stop);
        self.rest(end_of_batch);
    }

    /// Where rounds up to `stop` first have to halt, for the series or at the end of a batch, and that end.
    fn halt(&self, stop: u64) -> (u64, u64) {
        let end_of_batch = (self.rounds_done / self.batch + 1) * self.batch;
        (stop.min(self.series.next()).min(end_of_batch), end_of_batch)
    }

    /// What is due after the rounds done.
    fn rest(&mut self, end_of_batch: u64) {
        if self.rounds_done == end_of_batch {
            self.inference.close_batch();
            self.evaluators.close_batch();
        }
        if self.rounds_done == self.series.next() {
            self.series.push(self.rounds_done, &self.inference, &self.evaluators, self.rule.weights());
        }
    }
}

impl Scenario {
    /// Whether rounds depend on those before them: by trust weights, by stakes, or by who is asked.
    #[must_use]
    pub fn remembers(&self) -> bool {
        self.consensus.has_weights()
            || self.staking.is_some()
            || matches!(self.inference_draw, InferenceDraw::Softmax { .. })
    }
}

/// An answer as the round loop has it.
pub(crate) struct Scored<'a> {
    round: u64,
    /// Position among the tasks drawn.
    task: usize,
    node: usize,
    /// The recorded node whose output was given.
    model: usize,
    drawn: &'a [u32],
    scores: &'a [f64],
    /// What the evaluators are paid for: distances from the consensus, a loss of stake included.
    values: &'a [f64],
    consensus: f64,
}
