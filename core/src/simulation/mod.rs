//! The simulation: many rounds of Proof of Quality on recorded outputs.
//!
//! A round draws a task, an inference node to answer it (or takes all), and K evaluators without repetition; their
//! scores make the consensus; node and evaluators are rewarded. [`Simulation`] runs rounds in chunks of any size: the
//! result depends on how many rounds were run, not on how they were split.

mod sample;
mod tally;

use crate::consensus::Consensus;
use crate::dataset::Dataset;
use crate::network::Network;
use crate::report::{DatasetName, Report};
use crate::reward::{evaluator_quality, inference_quality, reward};
use crate::rng::{Purpose, Stream};
use crate::scenario::{InferenceDraw, Scenario, ScenarioError};

pub(crate) use sample::{RoundSample, Sampled};
pub(crate) use tally::{Series, Tally};

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
    dataset: DatasetName,
    scenario: Scenario,
    network: Network,
    draws: Stream,
    noise: Stream,
    rounds_done: u64,
    inference: Tally,
    evaluators: Tally,
    sample: RoundSample,
    series: Series,
    /// The evaluators drawn for the round, and the scores that they give to the answer at hand.
    drawn: Vec<u32>,
    scores: Vec<f64>,
    /// By evaluator: the round (from 1) for which it was last drawn.
    last_drawn: Vec<u64>,
}

/// One answer of a round, as it was scored: what a page shows when a round is opened.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredAnswer {
    /// Position of the task in the dataset.
    pub task: usize,
    /// Position of the inference node in the network.
    pub inference: usize,
    /// Positions of the evaluators in the network, with the score in `[0, 10]` that each gave.
    pub scores: Vec<(usize, f64)>,
    /// The consensus, in `[0, 10]`.
    pub consensus: f64,
}

impl Simulation {
    /// A run of `scenario` on `dataset`, before its first round.
    ///
    /// # Errors
    /// For a scenario that is out of bounds or does not fit the dataset.
    pub fn new(dataset: &Dataset, scenario: &Scenario) -> Result<Self, ScenarioError> {
        let network = Network::new(dataset, scenario)?;
        let (alpha, beta) = (scenario.reward.alpha_inference, scenario.reward.beta_inference);
        let inference = Tally::new(&network.inference, network.tasks.len(), alpha, beta);
        let (alpha, beta) = (scenario.reward.alpha_evaluator, scenario.reward.beta_evaluator);
        let evaluators = Tally::new(&network.evaluators, network.tasks.len(), alpha, beta);
        Ok(Self {
            dataset: DatasetName { id: dataset.manifest.id.clone(), hash: dataset.hash.clone() },
            draws: Stream::new(scenario.seed, Purpose::Draws),
            noise: Stream::new(scenario.seed, Purpose::ScoreNoise),
            rounds_done: 0,
            inference,
            evaluators,
            sample: RoundSample::default(),
            series: Series::new(scenario.rounds, network.inference.len() + network.evaluators.len()),
            drawn: Vec::with_capacity(scenario.evaluators_per_round as usize),
            scores: Vec::with_capacity(scenario.evaluators_per_round as usize),
            last_drawn: vec![0; network.evaluators.len()],
            scenario: scenario.clone(),
            network,
        })
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

    /// The network that the rounds are drawn from.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Runs up to `rounds` more rounds, never beyond the scenario's number.
    pub fn run(&mut self, rounds: u64) {
        for _ in 0..rounds.min(self.rounds_left()) {
            self.round(&mut |_, _, _, _, _| {});
            if self.series.is_due(self.rounds_done) {
                self.series.push(self.rounds_done, &self.inference, &self.evaluators);
            }
        }
    }

    /// The report on the rounds run so far. `dataset` must be the one that the run was made with.
    #[must_use]
    pub fn report(&self, dataset: &Dataset) -> Report {
        Report::new(
            dataset,
            self.dataset.clone(),
            &self.scenario,
            &self.network,
            self.rounds_done,
            &self.inference,
            &self.evaluators,
            &self.sample,
            &self.series,
        )
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
        let mut simulation = Self::new(dataset, scenario)?;
        simulation.run(number);
        let mut answers = Vec::new();
        simulation.round(&mut |position, inference, drawn, scores, consensus| {
            answers.push((position, inference, drawn.to_vec(), scores.to_vec(), consensus));
        });
        let answers = answers
            .into_iter()
            .map(|(position, inference, drawn, scores, consensus)| ScoredAnswer {
                task: simulation.network.tasks[position],
                inference,
                scores: drawn.iter().map(|&evaluator| evaluator as usize).zip(scores).collect(),
                consensus,
            })
            .collect();
        Ok((simulation.network, answers))
    }

    #[inline]
    fn round(&mut self, watch: &mut impl FnMut(usize, usize, &[u32], &[f64], f64)) {
        let task = self.draws.below(self.network.tasks.len() as u32) as usize;
        let nodes = self.network.inference.len();
        let answering = match self.scenario.inference_draw {
            InferenceDraw::Uniform => {
                let node = self.draws.below(nodes as u32) as usize;
                node..node + 1
            }
            InferenceDraw::All => 0..nodes,
        };
        self.draw_evaluators();
        let due = self.sample.is_due(self.rounds_done);
        for node in answering {
            let consensus = self.score(task, node);
            watch(task, node, &self.drawn, &self.scores, consensus);
            self.inference.add(task, node, inference_quality(consensus));
            for (&evaluator, &score) in self.drawn.iter().zip(&self.scores) {
                self.evaluators.add(task, evaluator as usize, evaluator_quality(score, consensus));
            }
            if due {
                let round = self.rounds_done as u32;
                self.sample.push(Sampled { round, task: task as u32, inference: node as u32, consensus });
            }
        }
        self.rounds_done += 1;
    }

    /// Draws K evaluators without repetition (Floyd's method: exactly K draws, each set equally likely).
    #[inline]
    fn draw_evaluators(&mut self) {
        let pool = self.network.evaluators.len() as u32;
        let stamp = self.rounds_done + 1;
        self.drawn.clear();
        for last in pool - self.scenario.evaluators_per_round..pool {
            let mut pick = self.draws.below(last + 1);
            if self.last_drawn[pick as usize] == stamp {
                pick = last;
            }
            self.last_drawn[pick as usize] = stamp;
            self.drawn.push(pick);
        }
    }

    /// Fills in the drawn evaluators' scores of an answer and gives their consensus.
    #[inline]
    fn score(&mut self, task: usize, node: usize) -> f64 {
        let recorded = self.network.scores(task, self.network.inference[node].model);
        self.scores.clear();
        for &evaluator in &self.drawn {
            let instance = &self.network.evaluators[evaluator as usize];
            let mut score = recorded[instance.model];
            if instance.score_noise_sd > 0.0 {
                score = (score + instance.score_noise_sd * self.noise.normal()).clamp(0.0, 10.0);
            }
            self.scores.push(score);
        }
        match self.scenario.consensus {
            rule @ Consensus::Mean => rule.of(&self.scores),
        }
    }
}

/// The reward of a node with normalised cost `cost` for `quality`, by role.
pub(crate) fn reward_of(tally: &Tally, quality: f64, cost: f64) -> f64 {
    reward(tally.alpha(), quality, tally.beta(), cost)
}
