//! Which assumption matters: elementary effects of the assumed fields of a scenario on one number of its runs.
//!
//! The method is Morris's (Technometrics 33, 1991): several trajectories through the space of all fields, each of which
//! moves one field after the other, once each, by about half of its range. The difference that a move makes is an
//! elementary effect of that field. Their mean absolute value `mu_star` (Campolongo, Cariboni and Saltelli 2007) ranks
//! the fields; their deviation `sigma` is large where the effect depends on the other fields, or is not linear.
//!
//! Every run has the seed of the base scenario, so that the luck of the draws is the same on both sides of a
//! difference, as far as the move leaves the draws what they were (another number of evaluators a round does not).

mod factors;
mod output;

use serde::Serialize;
use serde_json::Value;

pub use factors::{OfRule, factors, overridden};
pub use output::{NodeName, Output};

use crate::dataset::Dataset;
use crate::limits;
use crate::network::shuffle;
use crate::report::Brief;
use crate::rng::{Purpose, Stream};
use crate::scenario::{Scenario, ScenarioError};
use crate::simulation::Simulation;
use crate::stats::{self, Interval, Moments};
use crate::sweep::Axis;

/// Trajectories by default: Morris's own example has 4, and 10 are usual.
pub const TRAJECTORIES: u32 = 10;
/// Levels of a numeric field by default, as is usual.
pub const LEVELS: u32 = 4;
/// How often a trajectory is drawn anew where it passes through a scenario that cannot be.
const DRAWS: u32 = 200;

/// The runs of a sensitivity analysis: trajectory after trajectory, each one run longer than there are factors.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    base: Scenario,
    factors: Vec<Axis>,
    trajectories: Vec<Trajectory>,
}

/// A way through the levels of all factors.
#[derive(Clone, Debug, PartialEq)]
struct Trajectory {
    /// By factor: its level before and after its move.
    levels: Vec<[u32; 2]>,
    /// By move: the factor that moves.
    order: Vec<usize>,
}

/// What one factor does to the output, over the whole of its range.
///
/// Numbers are levels of equal distance: an effect is the difference of two outputs over the share of the range that
/// lies between the levels, so that the effects of different factors compare. Between other values than numbers there
/// is no distance, and an effect is the difference itself; with more than two of them, no direction either.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// Path of the field.
    pub path: String,
    /// Mean effect, signed: from the first value to the last. None for three or more values that are not numbers.
    pub mu: Option<f64>,
    /// Mean absolute effect; none where no effect is defined.
    pub mu_star: Option<f64>,
    /// Sample standard deviation of the signed effects, from two effects on. None where `mu` is.
    pub sigma: Option<f64>,
    /// 95% interval of `mu_star` for the choice of trajectories, given the seed (Student's t, cut off at 0).
    pub ci95: Option<Interval>,
    /// Effects that are defined: one for each trajectory at most.
    pub effects: u32,
    /// Effects that are not, because the output is not defined on one side.
    pub undefined: u32,
}

impl Plan {
    /// So many trajectories from the seed of `base` over `factors`; their values are the levels, in order.
    ///
    /// A factor moves by half of its levels, rounded down: with `p` evenly spaced levels, `p` even, by the `p / (2 (p -
    /// 1))` of its range that Morris recommends. One that does not consist of numbers moves to any other value. A
    /// trajectory that passes through a scenario that cannot be is drawn anew.
    ///
    /// # Errors
    /// For no factor or too many, a field that is varied twice, a factor of fewer than two values, a value that its field
    /// does not take, too many runs, and factors of which hardly any combination can be.
    pub fn new(base: Scenario, factors: Vec<Axis>, trajectories: u32) -> Result<Self, ScenarioError> {
        limits::TRAJECTORIES.check("trajectories", f64::from(trajectories))?;
        if !(1..=limits::FACTORS).contains(&factors.len()) {
            let message = format!("{} factors; allowed: 1 to {}", factors.len(), limits::FACTORS);
            return Err(ScenarioError::new("vary", message));
        }
        let runs = trajectories as usize * (factors.len() + 1);
        if runs > limits::RUNS {
            return Err(ScenarioError::new("trajectories", format!("{runs} runs; allowed: up to {}", limits::RUNS)));
        }
        for (index, factor) in factors.iter().enumerate() {
            if factors[..index].iter().any(|other| other.path == factor.path) {
                return Err(ScenarioError::new(&factor.path, "the field is varied twice"));
            }
            if factor.values.len() < 2 {
                return Err(ScenarioError::new(&factor.path, "a single value; allowed: at least two"));
            }
            for value in &factor.values {
                base.with(&factor.path, &value.to_string())?;
            }
        }
        let mut stream = Stream::new(base.seed, Purpose::Trajectories);
        let mut plan = Self { base, factors, trajectories: Vec::new() };
        for _ in 0..trajectories {
            plan.draw_trajectory(&mut stream)?;
        }
        Ok(plan)
    }

    /// Draws trajectories until one has no scenario that cannot be, and keeps that.
    fn draw_trajectory(&mut self, stream: &mut Stream) -> Result<(), ScenarioError> {
        let mut refused = None;
        for _ in 0..DRAWS {
            let levels = self.factors.iter().map(|factor| draw_move(factor, stream)).collect();
            self.trajectories.push(Trajectory { levels, order: shuffle(self.factors.len(), stream) });
            let first = self.runs() - self.factors.len() - 1;
            match (first..self.runs()).find_map(|run| self.scenario(run).err()) {
                None => return Ok(()),
                error => refused = error,
            }
            self.trajectories.pop();
        }
        Err(refused.unwrap_or_else(|| ScenarioError::new("vary", "no trajectory")))
    }

    /// The factors, in the order in which they were given.
    #[must_use]
    pub fn factors(&self) -> &[Axis] {
        &self.factors
    }

    /// How many runs there are.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.trajectories.len() * (self.factors.len() + 1)
    }

    /// By factor: its value in a run.
    #[must_use]
    pub fn values(&self, run: usize) -> Vec<&Value> {
        let length = self.factors.len() + 1;
        let Trajectory { levels, order } = &self.trajectories[run / length];
        let moved = &order[..run % length];
        let values = self.factors.iter().zip(levels).enumerate();
        values
            .map(|(index, (factor, levels))| &factor.values[levels[usize::from(moved.contains(&index))] as usize])
            .collect()
    }

    /// The scenario of a run.
    ///
    /// # Errors
    /// None that [`Plan::new`] would not have met.
    pub fn scenario(&self, run: usize) -> Result<Scenario, ScenarioError> {
        let mut scenario = self.base.clone();
        for (factor, value) in self.factors.iter().zip(self.values(run)) {
            scenario = scenario.with(&factor.path, &value.to_string())?;
        }
        Ok(scenario)
    }

    /// Runs one run to its end.
    ///
    /// # Errors
    /// For a scenario that does not fit the dataset.
    pub fn run(&self, dataset: &Dataset, run: usize) -> Result<Brief, ScenarioError> {
        let mut simulation = Simulation::new(dataset, &self.scenario(run)?)?;
        simulation.run(u64::MAX);
        Ok(simulation.brief(dataset))
    }

    /// The effect of every factor on an output of which `outputs` has the value in each run, in order; a run beyond its
    /// end has none. The largest `mu_star` comes first, equal ones in the order of the factors, those without one last.
    #[must_use]
    pub fn effects(&self, outputs: &[Option<f64>]) -> Vec<Effect> {
        let output = |run: usize| outputs.get(run).copied().flatten();
        let mut signed: Vec<Vec<f64>> = vec![Vec::new(); self.factors.len()];
        for (trajectory, Trajectory { levels, order }) in self.trajectories.iter().enumerate() {
            let first = trajectory * (self.factors.len() + 1);
            for (run, &factor) in (first..).zip(order) {
                if let (Some(before), Some(after)) = (output(run), output(run + 1)) {
                    signed[factor].push((after - before) / distance(&self.factors[factor], levels[factor]));
                }
            }
        }
        let mut effects: Vec<Effect> =
            self.factors.iter().zip(&signed).map(|(factor, of)| self.effect(factor, of)).collect();
        let key = |effect: &Effect| effect.mu_star.unwrap_or(f64::NEG_INFINITY);
        effects.sort_by(|a, b| key(b).total_cmp(&key(a)));
        effects
    }

    fn effect(&self, factor: &Axis, signed: &[f64]) -> Effect {
        let (mut of_signed, mut of_absolute) = (Moments::default(), Moments::default());
        for &effect in signed {
            of_signed.add(effect);
            of_absolute.add(effect.abs());
        }
        let has_direction = factor.values.len() == 2 || is_numeric(factor);
        let mu_star = of_absolute.mean();
        let interval =
            mu_star.zip(of_absolute.sd()).and_then(|(mean, sd)| stats::mean_interval(mean, sd, of_absolute.count));
        Effect {
            path: factor.path.clone(),
            mu: of_signed.mean().filter(|_| has_direction),
            mu_star,
            sigma: of_signed.sd().filter(|_| has_direction),
            ci95: interval.map(|[low, high]| [low.max(0.0), high]),
            effects: signed.len() as u32,
            undefined: (self.trajectories.len() - signed.len()) as u32,
        }
    }
}

fn is_numeric(factor: &Axis) -> bool {
    factor.values.iter().all(Value::is_number)
}

/// The level at which `factor` starts, each equally likely, and the one to which it moves.
fn draw_move(factor: &Axis, stream: &mut Stream) -> [u32; 2] {
    let count = factor.values.len() as u32;
    let start = stream.below(count);
    if !is_numeric(factor) {
        let other = stream.below(count - 1);
        return [start, other + u32::from(other >= start)];
    }
    let step = count / 2;
    let may_rise = start + step < count;
    let may_fall = start >= step;
    let rises = if may_rise && may_fall { stream.below(2) == 1 } else { may_rise };
    [start, if rises { start + step } else { start - step }]
}

/// From the first level to the second: the share of the range, signed; 1 or -1 where levels are no numbers.
fn distance(factor: &Axis, [from, to]: [u32; 2]) -> f64 {
    let steps = f64::from(to) - f64::from(from);
    if is_numeric(factor) { steps / (factor.values.len() - 1) as f64 } else { steps.signum() }
}

#[cfg(test)]
mod tests;
