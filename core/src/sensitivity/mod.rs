//! Which assumption matters: elementary effects of the assumed fields of a scenario on one number of its runs.
//!
//! The method is Morris's (Technometrics 33, 1991): several trajectories through the space of all fields, each of
//! which moves one field after the other, once each, by about half of its range. The difference that a move makes is
//! an elementary effect of that field. Their mean absolute value `mu_star` (Campolongo, Cariboni and Saltelli 2007)
//! is the size of what a number does; their deviation `sigma` is large where the effect depends on the other fields,
//! or is not linear. A choice, such as a rule, is tried in all its values at the place where a trajectory moves it.
//!
//! Every trajectory has seeds of its own, and each of its points is run with all of them. Runs on one seed meet the
//! same draws on both sides of a difference, as far as the move leaves the draws what they were (another number of
//! evaluators a round does not); what is left of luck shows in how the seeds differ, and a permutation test tells
//! effects from it.

mod effect;
mod factors;
mod noise;
mod output;

use serde_json::Value;

pub use effect::Effect;
use effect::{Block, is_numeric};
pub use factors::{OfRule, factors, overridden};
pub use output::{NodeName, Output};

use crate::dataset::Dataset;
use crate::families::{self, holm};
use crate::limits;
use crate::network::shuffle;
use crate::report::Brief;
use crate::rng::{Purpose, Stream};
use crate::scenario::{Scenario, ScenarioError};
use crate::simulation::Simulation;
use crate::sweep::Axis;

/// Trajectories by default: Morris's own example has 4, and 10 are usual.
pub const TRAJECTORIES: u32 = 10;
/// Levels of a numeric field by default, as is usual.
pub const LEVELS: u32 = 4;
/// Seeds of a point by default.
pub const REPLICATES: u32 = 4;
/// How often a trajectory is drawn anew where it passes through a scenario that cannot be.
const DRAWS: u32 = 200;

/// The runs of a sensitivity analysis: trajectory after trajectory, point after point, each with all seeds of its
/// trajectory.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    base: Scenario,
    factors: Vec<Axis>,
    replicates: u32,
    trajectories: Vec<Trajectory>,
    points: Vec<Point>,
}

/// A way through the levels of all factors.
#[derive(Clone, Debug, PartialEq)]
struct Trajectory {
    seeds: Vec<u64>,
    /// By factor: the levels that it is tried at where it moves, and the point of each.
    tried: Vec<Vec<(usize, usize)>>,
}

/// A scenario of a trajectory.
#[derive(Clone, Debug, PartialEq)]
struct Point {
    trajectory: usize,
    /// By factor.
    levels: Vec<usize>,
    scenario: Scenario,
}

impl Plan {
    /// So many trajectories from the seed of `base` over `factors`, each point with so many seeds; the values of a
    /// factor are its levels, in order.
    ///
    /// A factor of numbers moves by half of its levels, rounded down: with `p` evenly spaced levels, `p` even, by the
    /// `p / (2 (p - 1))` of its range that Morris recommends. A choice moves to any other value, and the values that
    /// it neither leaves nor reaches are tried beside. A trajectory that passes through a scenario that cannot be is
    /// drawn anew; a value beside it that cannot be there is left out of that trajectory.
    ///
    /// # Errors
    /// For no factor or too many, a field that is varied twice, the seed or a factor of fewer than two values, a
    /// value that its field does not take, too many runs, and factors of which hardly any combination can be.
    pub fn new(base: Scenario, factors: Vec<Axis>, trajectories: u32, replicates: u32) -> Result<Self, ScenarioError> {
        limits::TRAJECTORIES.check("trajectories", f64::from(trajectories))?;
        limits::REPLICATES.check("replicates", f64::from(replicates))?;
        if !(1..=limits::FACTORS).contains(&factors.len()) {
            let message = format!("{} factors; allowed: 1 to {}", factors.len(), limits::FACTORS);
            return Err(ScenarioError::new("vary", message));
        }
        let beside = |factor: &Axis| if is_numeric(factor) { 0 } else { factor.values.len().saturating_sub(2) };
        let points = 1 + factors.len() + factors.iter().map(beside).sum::<usize>();
        let runs = trajectories as usize * replicates as usize * points;
        if runs > limits::RUNS {
            let message = format!("{runs} runs; allowed: up to {}", limits::RUNS);
            return Err(ScenarioError::new("trajectories", message));
        }
        for (index, factor) in factors.iter().enumerate() {
            if factors[..index].iter().any(|other| other.path == factor.path) {
                return Err(ScenarioError::new(&factor.path, "the field is varied twice"));
            }
            if factor.path == "seed" {
                return Err(ScenarioError::new(
                    "seed",
                    "every point has several seeds already; allowed: any other field",
                ));
            }
            if factor.values.len() < 2 {
                return Err(ScenarioError::new(&factor.path, "a single value; allowed: at least two"));
            }
            for value in &factor.values {
                base.with(&factor.path, &value.to_string())?;
            }
        }
        let mut stream = Stream::new(base.seed, Purpose::Trajectories);
        let mut plan = Self { base, factors, replicates, trajectories: Vec::new(), points: Vec::new() };
        for _ in 0..trajectories {
            plan.draw_trajectory(&mut stream)?;
        }
        Ok(plan)
    }

    /// Draws trajectories until one has no scenario that cannot be, and keeps that.
    fn draw_trajectory(&mut self, stream: &mut Stream) -> Result<(), ScenarioError> {
        let mut refused = None;
        for _ in 0..DRAWS {
            let moves: Vec<[usize; 2]> = self.factors.iter().map(|factor| draw_move(factor, stream)).collect();
            let order = shuffle(self.factors.len(), stream);
            match self.path(&moves, &order) {
                Ok(path) => {
                    self.keep(path, &moves, &order, stream);
                    return Ok(());
                }
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| ScenarioError::new("vary", "no trajectory")))
    }

    /// The points of a trajectory.
    fn path(&self, moves: &[[usize; 2]], order: &[usize]) -> Result<Vec<Point>, ScenarioError> {
        let mut levels: Vec<usize> = moves.iter().map(|[before, _]| *before).collect();
        let mut path = vec![self.point(levels.clone())?];
        for &factor in order {
            levels[factor] = moves[factor][1];
            path.push(self.point(levels.clone())?);
        }
        Ok(path)
    }

    /// A point of the trajectory that is drawn next.
    fn point(&self, levels: Vec<usize>) -> Result<Point, ScenarioError> {
        let mut scenario = self.base.clone();
        for (factor, &level) in self.factors.iter().zip(&levels) {
            scenario = scenario.with(&factor.path, &factor.values[level].to_string())?;
        }
        Ok(Point { trajectory: self.trajectories.len(), levels, scenario })
    }

    /// Takes in the points of a trajectory, and those beside it.
    fn keep(&mut self, path: Vec<Point>, moves: &[[usize; 2]], order: &[usize], stream: &mut Stream) {
        let first = self.points.len();
        self.points.extend(path);
        let mut tried: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.factors.len()];
        for (place, &factor) in (first..).zip(order) {
            let [before, after] = moves[factor];
            tried[factor] = vec![(before, place), (after, place + 1)];
            if is_numeric(&self.factors[factor]) {
                continue;
            }
            for level in (0..self.factors[factor].values.len()).filter(|level| !moves[factor].contains(level)) {
                let mut levels = self.points[place].levels.clone();
                levels[factor] = level;
                if let Ok(point) = self.point(levels) {
                    tried[factor].push((level, self.points.len()));
                    self.points.push(point);
                }
            }
        }
        let seeds = (0..self.replicates).map(|_| stream.seed()).collect();
        self.trajectories.push(Trajectory { seeds, tried });
    }

    /// The factors, in the order in which they were given.
    #[must_use]
    pub fn factors(&self) -> &[Axis] {
        &self.factors
    }

    /// How many runs there are.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.points.len() * self.replicates as usize
    }

    fn point_of(&self, run: usize) -> (&Point, usize) {
        let replicates = self.replicates as usize;
        (&self.points[run / replicates], run % replicates)
    }

    /// By factor: its value in a run.
    #[must_use]
    pub fn values(&self, run: usize) -> Vec<&Value> {
        let (point, _) = self.point_of(run);
        self.factors.iter().zip(&point.levels).map(|(factor, &level)| &factor.values[level]).collect()
    }

    /// The scenario of a run.
    #[must_use]
    pub fn scenario(&self, run: usize) -> Scenario {
        let (point, replicate) = self.point_of(run);
        Scenario { seed: self.trajectories[point.trajectory].seeds[replicate], ..point.scenario.clone() }
    }

    /// Runs one run to its end.
    ///
    /// # Errors
    /// For a scenario that does not fit the dataset.
    pub fn run(&self, dataset: &Dataset, run: usize) -> Result<Brief, ScenarioError> {
        let mut simulation = Simulation::new(dataset, &self.scenario(run))?;
        simulation.run(u64::MAX);
        Ok(simulation.brief(dataset))
    }

    /// The effect of every factor on an output of which `outputs` has the value in each run, in order; a run beyond
    /// its end has none. The largest size comes first, equal ones in the order of the factors, those without one
    /// last.
    #[must_use]
    pub fn effects(&self, outputs: &[Option<f64>]) -> Vec<Effect> {
        let mut stream = Stream::new(self.base.seed, Purpose::Permutations);
        let mut effects: Vec<Effect> = Vec::new();
        for (index, factor) in self.factors.iter().enumerate() {
            let tried = self.trajectories.iter().map(|trajectory| &trajectory.tried[index]);
            let blocks: Vec<Block> = tried.filter_map(|tried| self.block(factor, tried, outputs)).collect();
            effects.push(Effect::of(factor, &blocks, self.trajectories.len(), &mut stream));
        }
        let known: Vec<usize> = (0..effects.len()).filter(|&index| effects[index].p_value.is_some()).collect();
        let p_values: Vec<f64> = known.iter().filter_map(|&index| effects[index].p_value).collect();
        for (index, corrected) in known.into_iter().zip(holm(&p_values)) {
            effects[index].p_corrected = Some(corrected);
            effects[index].beyond_noise = corrected <= families::LEVEL;
        }
        let key = |effect: &Effect| effect.size.unwrap_or(f64::NEG_INFINITY);
        effects.sort_by(|a, b| key(b).total_cmp(&key(a)));
        effects
    }

    /// The outputs of a factor's levels in a trajectory, those at which it is defined under every seed; none for
    /// fewer than two.
    fn block(&self, factor: &Axis, tried: &[(usize, usize)], outputs: &[Option<f64>]) -> Option<Block> {
        let replicates = self.replicates as usize;
        let is_numeric = is_numeric(factor);
        let mut block = Block { levels: Vec::new(), outputs: Vec::new(), distance: 1.0, is_numeric };
        for &(level, point) in tried {
            let runs = (point * replicates..(point + 1) * replicates).map(|run| outputs.get(run).copied().flatten());
            if let Some(runs) = runs.collect::<Option<Vec<f64>>>() {
                block.levels.push(level);
                block.outputs.push(runs);
            }
        }
        let [first, second, ..] = block.levels[..] else { return None };
        if is_numeric {
            block.distance = (second as f64 - first as f64) / (factor.values.len() - 1) as f64;
        }
        Some(block)
    }
}

/// The level at which `factor` starts, each equally likely, and the one to which it moves.
fn draw_move(factor: &Axis, stream: &mut Stream) -> [usize; 2] {
    let count = factor.values.len() as u32;
    let start = stream.below(count);
    if !is_numeric(factor) {
        let other = stream.below(count - 1);
        return [start, other + u32::from(other >= start)].map(|level| level as usize);
    }
    let step = count / 2;
    let may_rise = start + step < count;
    let may_fall = start >= step;
    let rises = if may_rise && may_fall { stream.below(2) == 1 } else { may_rise };
    [start, if rises { start + step } else { start - step }].map(|level| level as usize)
}

#[cfg(test)]
mod tests;
