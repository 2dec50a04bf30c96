//! Sweeps: one scenario over a grid of values of any of its fields.

use std::str::FromStr;

use serde_json::Value;

use crate::dataset::Dataset;
use crate::limits;
use crate::report::Brief;
use crate::scenario::{Scenario, ScenarioError, setting};
use crate::simulation::Simulation;

/// A field that is varied, with its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Path of the field, as for [`Scenario::with`].
    pub path: String,
    /// Its values, at least one.
    pub values: Vec<Value>,
}

impl FromStr for Axis {
    type Err = ScenarioError;

    /// From `path=from:to:steps` (numbers, both ends included), `path=one,two,three`, or `path=[...]`, a JSON list
    /// whose members are the values.
    ///
    /// ```
    /// use poq_core::sweep::Axis;
    /// let axis: Axis = "reward.beta_inference=0:1:3".parse()?;
    /// assert_eq!(axis.values, [0.0, 0.5, 1.0]);
    /// let axis: Axis = "consensus.rule=mean,median".parse()?;
    /// assert_eq!(axis.values, ["mean", "median"]);
    /// # Ok::<(), poq_core::scenario::ScenarioError>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let allowed = "allowed: path=from:to:steps, path=value,value,... or path=[JSON values]";
        let (path, values) = setting(text).ok_or_else(|| ScenarioError::new(text, format!("no values; {allowed}")))?;
        let fault = |message: String| ScenarioError::new(path, message);
        let parts: Vec<&str> = values.split(':').collect();
        let values = match parts.as_slice() {
            _ if values.starts_with('[') => {
                let list: Vec<Value> =
                    serde_json::from_str(values).map_err(|error| fault(format!("{error}; {allowed}")))?;
                if list.is_empty() {
                    return Err(fault(format!("the list is empty; {allowed}")));
                }
                list
            }
            [from, to, steps] => {
                let number = |text: &str| {
                    let value = text.trim().parse().ok().filter(|value: &f64| value.is_finite());
                    value.ok_or_else(|| fault(format!("`{text}` is not a number; {allowed}")))
                };
                let steps = steps.trim().parse::<u32>().ok().filter(|&steps| f64::from(steps) <= limits::CELLS);
                let steps = steps.filter(|&steps| steps > 0).ok_or_else(|| {
                    fault(format!("`{}` steps; allowed: whole numbers from 1 to {}", parts[2], limits::CELLS))
                })?;
                steps_between(number(from)?, number(to)?, steps)
            }
            [_] => values.split(',').map(|word| serde_json::from_str(word).unwrap_or_else(|_| word.into())).collect(),
            _ => return Err(fault(format!("`{values}` is no range; {allowed}"))),
        };
        Ok(Self { path: path.to_owned(), values })
    }
}

/// `steps` numbers from `from` to `to`; whole ones as such, since some fields take no other.
pub(crate) fn steps_between(from: f64, to: f64, steps: u32) -> Vec<Value> {
    let at = |step: u32| {
        if step + 1 == steps && steps > 1 {
            to
        } else {
            from + (to - from) * f64::from(step) / f64::from((steps - 1).max(1))
        }
    };
    let exact = |value: f64| {
        if value.fract() == 0.0 && value.abs() < limits::SEED.max { Value::from(value as i64) } else { value.into() }
    };
    (0..steps).map(|step| exact(at(step))).collect()
}

/// A scenario over every combination of the values of some axes; the last axis moves fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    base: Scenario,
    axes: Vec<Axis>,
    cells: usize,
    replicates: u32,
}

impl Grid {
    /// The grid of `base` over `axes`.
    ///
    /// # Errors
    /// For no axis, an axis that is there twice, and more cells than are allowed.
    pub fn new(base: Scenario, axes: Vec<Axis>) -> Result<Self, ScenarioError> {
        if axes.is_empty() {
            return Err(ScenarioError::new("vary", "nothing is varied; at least one axis"));
        }
        for (index, axis) in axes.iter().enumerate() {
            if axes[..index].iter().any(|other| other.path == axis.path) {
                return Err(ScenarioError::new(&axis.path, "the field is varied twice"));
            }
        }
        let cells: f64 = axes.iter().map(|axis| axis.values.len() as f64).product();
        if cells > limits::CELLS {
            let message = format!("{cells} cells; allowed: up to {}", limits::CELLS);
            return Err(ScenarioError::new("vary", message));
        }
        Ok(Self { base, axes, cells: cells as usize, replicates: 0 })
    }

    /// The same grid, each of whose cells is repeated so often on other random numbers where the past decides the path
    /// of its run: such a cell has intervals over draws then, and says how surely its leader leads. Where it does not,
    /// a run tells that by itself, and is not repeated.
    ///
    /// # Errors
    /// For fewer than an interval takes, and more than are allowed; 0 are none.
    pub fn with_replicates(self, replicates: u32) -> Result<Self, ScenarioError> {
        if replicates > 0 {
            limits::CELL_REPLICATES.check("replicates", f64::from(replicates))?;
        }
        Ok(Self { replicates, ..self })
    }

    /// How often each cell is repeated where the past decides the path of its run.
    #[must_use]
    pub fn replicates(&self) -> u32 {
        self.replicates
    }

    /// The axes.
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// How many cells there are.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// The values of the axes in a cell.
    #[must_use]
    pub fn values(&self, cell: usize) -> Vec<&Value> {
        let mut left = cell;
        let mut values: Vec<&Value> = Vec::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            values.push(&axis.values[left % axis.values.len()]);
            left /= axis.values.len();
        }
        values.reverse();
        values
    }

    /// The scenario of a cell.
    ///
    /// # Errors
    /// For a value that its field does not take.
    pub fn scenario(&self, cell: usize) -> Result<Scenario, ScenarioError> {
        let mut scenario = self.base.clone();
        for (axis, value) in self.axes.iter().zip(self.values(cell)) {
            scenario = scenario.with(&axis.path, &value.to_string())?;
        }
        Ok(scenario)
    }

    /// The run of a cell, before its first round.
    ///
    /// # Errors
    /// As [`Grid::scenario`], for a scenario that does not fit the dataset, and for more replicates than there is room
    /// for.
    pub fn simulation(&self, dataset: &Dataset, cell: usize) -> Result<Simulation, ScenarioError> {
        Simulation::repeated(dataset, &self.scenario(cell)?, self.replicates)
    }

    /// Runs a cell to its end. Without replicates it has no intervals where the past decides the path of its run.
    ///
    /// # Errors
    /// As [`Grid::simulation`].
    pub fn run(&self, dataset: &Dataset, cell: usize) -> Result<Brief, ScenarioError> {
        let mut simulation = self.simulation(dataset, cell)?;
        simulation.run(u64::MAX);
        Ok(simulation.brief(dataset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn axis(text: &str) -> Axis {
        text.parse().expect("an axis")
    }

    #[test]
    fn axes_are_ranges_or_lists() {
        assert_eq!(axis("a=1:5:3").values, [json!(1), json!(3), json!(5)]);
        assert_eq!(axis("a=0.1:0.3:3").values[2], json!(0.3));
        assert_eq!(axis("a=2:9:1").values, [json!(2)]);
        assert_eq!(axis(r#"a=[[], [{"x": "1:2,3"}]]"#).values, [json!([]), json!([{"x": "1:2,3"}])]);
        assert_eq!(axis("a=3,0.5,uniform").values, [json!(3), json!(0.5), json!("uniform")]);
        for (text, words) in [
            ("a", "no values"),
            ("a=1:2", "is no range"),
            ("a=[1", "EOF"),
            ("a=[]", "the list is empty"),
            ("a=1:x:3", "`x` is not a number"),
            ("a=1:2:0", "`0` steps"),
            ("a=1:2:9999999", "steps; allowed"),
            ("a=nan:2:3", "not a number"),
        ] {
            let error = text.parse::<Axis>().expect_err("must be refused").to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_path_may_hold_what_parts_it_from_its_values() {
        let axis = axis(r#"score_normalization."=1+1"=unit,ten"#);
        assert_eq!((axis.path.as_str(), axis.values.len()), (r#"score_normalization."=1+1""#, 2));
        let grid = Grid::new(Scenario::default(), vec![axis]).expect("a grid");
        assert!(grid.scenario(1).is_ok_and(|scenario| scenario.score_normalization.contains_key("=1+1")));
        let preset = "preset=default,drift-under-ema".parse().expect("an axis");
        let refused = Grid::new(Scenario::default(), vec![preset]).and_then(|grid| grid.scenario(1));
        assert!(refused.expect_err("must be refused").to_string().contains("use --preset"));
    }

    #[test]
    fn the_last_axis_moves_fastest() {
        let axes = vec![axis("reward.alpha_inference=0:1:2"), axis("seed=1,2,3")];
        let grid = Grid::new(Scenario::default(), axes).expect("a grid");
        assert_eq!(grid.cells(), 6);
        assert_eq!(grid.values(0), [&json!(0), &json!(1)]);
        assert_eq!(grid.values(4), [&json!(1), &json!(2)]);
        let scenario = grid.scenario(4).expect("valid");
        assert_eq!((scenario.reward.alpha_inference, scenario.seed), (1.0, 2));
    }

    /// A cell whose past decides its path is told with its chance once it is repeated; its figures stay those of its
    /// run, and a cell without a past is the same with replicates as without.
    #[test]
    fn cells_are_repeated_where_the_past_decides_their_path() {
        let dataset = crate::paper::dataset();
        let base = Scenario { rounds: 300, ..Scenario::default() };
        let rules = vec![axis("consensus.rule=mean,ema_trust")];
        let once = Grid::new(base, rules).expect("a grid");
        let often = once.clone().with_replicates(8).expect("so many are allowed");
        let run = |grid: &Grid, cell: usize| grid.run(&dataset, cell).expect("fits");
        assert_eq!(run(&once, 0), run(&often, 0));
        assert!(run(&once, 0).leader.expect("a leader").chance_draws.is_some());
        let (alone, repeated) = (run(&once, 1), run(&often, 1));
        let chance = |brief: &Brief| brief.leader.as_ref().expect("a leader").chance_draws;
        assert_eq!(chance(&alone), None);
        // Of nine runs, this one included.
        let nine = chance(&repeated).expect("a chance") * 9.0;
        assert!((1.0..=9.0).contains(&nine) && (nine - nine.round()).abs() < 1e-9, "{nine}");
        for (alone, repeated) in alone.evaluator_nodes.iter().zip(&repeated.evaluator_nodes) {
            assert_eq!(alone.reward_mean, repeated.reward_mean);
            assert_eq!((alone.ci95_monte_carlo, repeated.ci95_prompts), (None, None));
            let [low, high] = repeated.ci95_monte_carlo.expect("an interval");
            assert!(low < high);
        }
        for (count, is_allowed) in [(0, true), (7, false), (8, true), (100, true), (101, false)] {
            assert_eq!(once.clone().with_replicates(count).is_ok(), is_allowed, "{count}");
        }
    }

    #[test]
    fn grids_that_cannot_be_are_refused() {
        let refused = |axes: &[&str]| {
            let axes = axes.iter().map(|text| axis(text)).collect();
            Grid::new(Scenario::default(), axes).expect_err("must be refused").to_string()
        };
        assert!(refused(&[]).contains("at least one axis"));
        assert!(refused(&["seed=1,2", "seed=3"]).contains("`seed`: the field is varied twice"));
        let large = refused(&["seed=1:1000:1000", "rounds=1:1000:1000", "reward.alpha_inference=0:1:1000"]);
        assert!(large.contains("1000000000 cells; allowed: up to 1000000"), "{large}");
        let grid = Grid::new(Scenario::default(), vec![axis("evaluators_per_round=1:2:3")]).expect("a grid");
        let error = grid.scenario(1).expect_err("no whole number").to_string();
        assert!(error.contains("`evaluators_per_round`") && error.contains("1.5"), "{error}");
    }
}
