//! A map: one scenario over two of its fields, and what each cell of that grid shows.
//!
//! [`Map`] is the grid with the cells that are done; [`paint`] sorts its cells into classes to colour, [`words`] says
//! what they show, [`files`] are what may be taken away.

pub mod files;
pub mod form;
pub mod paint;
pub mod words;

use std::rc::Rc;

use poq_core::Scenario;
use poq_core::scenario::ScenarioError;
use poq_core::sweep::{Axis, Grid};

use crate::protocol::{Chosen, Item, Roster, Work};

/// Values of an axis at most.
pub const MAX_SIDE: usize = 64;

/// A cell that is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The nodes of its network.
    pub roster: Rc<Roster>,
    /// Its figures.
    pub item: Item,
}

/// The grid and what is done of it. Two maps are equal if one is a copy of the other.
#[derive(Clone, Debug)]
pub struct Map {
    grid: Rc<Grid>,
    base: Rc<Scenario>,
    /// By the grid's number of a cell.
    cells: Vec<Option<Rc<Cell>>>,
    /// The scenario itself.
    own: Option<Rc<Cell>>,
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Option<Rc<Cell>>, b: &Option<Rc<Cell>>| match (a, b) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        Rc::ptr_eq(&self.grid, &other.grid)
            && same(&self.own, &other.own)
            && self.cells.iter().zip(&other.cells).all(|(a, b)| same(a, b))
    }
}

/// A place in the map: the number of a value of the first axis, and of the second.
pub type Place = (usize, usize);

impl Map {
    /// The map of `base` over two axes, nothing of it done.
    ///
    /// # Errors
    /// As [`Grid::new`].
    pub fn new(base: Scenario, x: Axis, y: Axis) -> Result<Self, ScenarioError> {
        let grid = Grid::new(base.clone(), vec![x, y])?;
        let cells = vec![None; grid.cells()];
        Ok(Self { grid: Rc::new(grid), base: Rc::new(base), cells, own: None })
    }

    /// The scenario that is varied.
    #[must_use]
    pub fn base(&self) -> &Scenario {
        &self.base
    }

    /// The first axis (across) and the second (up).
    #[must_use]
    pub fn axes(&self) -> [&Axis; 2] {
        // `new` gives the grid two.
        [&self.grid.axes()[0], &self.grid.axes()[1]]
    }

    /// Values of each axis.
    #[must_use]
    pub fn size(&self) -> Place {
        let [x, y] = self.axes();
        (x.values.len(), y.values.len())
    }

    /// How many cells there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are none; there is always one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// How many cells are done.
    #[must_use]
    pub fn done(&self) -> usize {
        self.cells.iter().flatten().count()
    }

    /// The cell at a place, once it is done.
    #[must_use]
    pub fn cell(&self, (x, y): Place) -> Option<&Cell> {
        self.cells.get(x * self.size().1 + y)?.as_deref()
    }

    /// The scenario that is varied, run as it is, once that is done.
    #[must_use]
    pub fn own(&self) -> Option<&Cell> {
        self.own.as_deref()
    }

    /// The scenario of a cell.
    ///
    /// # Errors
    /// For a value that its field does not take.
    pub fn scenario(&self, (x, y): Place) -> Result<Scenario, ScenarioError> {
        self.grid.scenario(x * self.size().1 + y)
    }

    /// Every place, in the grid's order.
    pub fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let (across, up) = self.size();
        (0..across).flat_map(move |x| (0..up).map(move |y| (x, y)))
    }

    /// The same map, each of whose cells is repeated so often where the past decides the path of its run.
    ///
    /// # Errors
    /// As [`Grid::with_replicates`].
    pub fn with_replicates(self, replicates: u32) -> Result<Self, ScenarioError> {
        let grid = (*self.grid).clone().with_replicates(replicates)?;
        Ok(Self { grid: Rc::new(grid), ..self })
    }

    /// How often each cell is repeated where the past decides the path of its run.
    #[must_use]
    pub fn replicates(&self) -> u32 {
        self.grid.replicates()
    }

    /// What workers are to run, where the preset has no dataset of its own on the one that is chosen.
    #[must_use]
    pub fn work(&self, chosen: &Chosen) -> Work {
        let axes = self.grid.axes().iter().map(|axis| (axis.path.clone(), axis.values.clone())).collect();
        let (scenarios, replicates) = (vec![self.base().patch()], self.replicates());
        Work { scenarios, axes, replicates, chosen: chosen.clone() }
    }

    /// The items of [`Map::work`] in the order that gives an even picture early: the scenario itself, then cells far
    /// apart, then those between.
    #[must_use]
    pub fn order(&self) -> Vec<u32> {
        let (across, up) = self.size();
        let coarse = across.max(up).next_power_of_two();
        let mut items = vec![self.len() as u32];
        let mut stride = coarse;
        while stride > 0 {
            for x in (0..across).step_by(stride) {
                for y in (0..up).step_by(stride) {
                    let is_new = stride == coarse || !x.is_multiple_of(2 * stride) || !y.is_multiple_of(2 * stride);
                    if is_new {
                        items.push((x * up + y) as u32);
                    }
                }
            }
            stride /= 2;
        }
        items
    }

    /// The place whose colour stands at `place`: its own if that is done, else that of the coarser cell that it is part
    /// of.
    #[must_use]
    pub fn stand_in(&self, (x, y): Place) -> Option<Place> {
        let coarse = self.size().0.max(self.size().1).next_power_of_two();
        let strides = std::iter::successors(Some(1), |stride| Some(stride * 2)).take_while(|&stride| stride <= coarse);
        strides.map(|stride| (x - x % stride, y - y % stride)).find(|&place| self.cell(place).is_some())
    }

    /// Takes items that are done.
    pub fn take(&mut self, items: impl IntoIterator<Item = (Rc<Roster>, Item)>) {
        let own = self.cells.len();
        for (roster, item) in items {
            let at = item.item as usize;
            let cell = Some(Rc::new(Cell { roster, item }));
            if at == own {
                self.own = cell;
            } else if let Some(place) = self.cells.get_mut(at) {
                *place = cell;
            }
        }
    }

    /// Whether `scenario` is a cell of this map, or differs from one in the fields of the axes alone. `rounds` are
    /// those that every cell has, where they are not the scenario's own.
    #[must_use]
    pub fn is_of(&self, scenario: &Scenario, rounds: Option<u64>) -> bool {
        let level = |scenario: &Scenario| {
            let axes = self.grid.axes();
            let level = axes
                .iter()
                .try_fold(scenario.clone(), |level, axis| level.with(&axis.path, &axis.values[0].to_string()));
            level.map(|level| Scenario { rounds: rounds.unwrap_or(level.rounds), ..level })
        };
        scenario == self.base() || level(scenario).is_ok_and(|level_of| level(self.base()) == Ok(level_of))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::fixture;
    use crate::protocol::ToWorker;
    use crate::worker::host::Host;
    use poq_core::dataset::Shipped;

    /// The map of a scenario over two axes, the first `items` of its order done.
    pub(crate) fn map(scenario: &str, x: &str, y: &str, items: usize) -> Map {
        let base = Scenario::from_json(scenario).expect("a scenario");
        run(Map::new(base, x.parse().expect("an axis"), y.parse().expect("an axis")).expect("a map"), items)
    }

    /// The map with all of its items done anew.
    pub(crate) fn run_all(map: Map) -> Map {
        run(map, usize::MAX)
    }

    fn run(mut map: Map, items: usize) -> Map {
        let mut host = Host::default();
        let mut came = Vec::new();
        let mut send = |message| {
            if let crate::protocol::FromWorker::Items { roster, items, .. } = message {
                let roster = Rc::new(roster);
                came.extend(items.into_iter().map(|item| (Rc::clone(&roster), item)));
            }
        };
        host.loaded(Shipped::default(), Ok(fixture::dataset()), 0.0, &mut send);
        host.receive(ToWorker::Prepare { job: 1, work: Box::new(map.work(&Chosen::default())) }, 0.0, &mut send);
        let items = map.order().into_iter().take(items).collect();
        host.receive(ToWorker::Items { job: 1, items }, 0.0, &mut send);
        while host.is_busy() {
            host.work(&|| 0.0, &mut send);
        }
        map.take(came);
        map
    }

    pub(crate) const ALPHA: &str = "reward.alpha_inference=0:2:5";
    pub(crate) const BETA: &str = "reward.beta_inference=0:2:3";

    #[test]
    fn the_order_has_every_item_once_and_the_coarse_ones_first() {
        for (x, y) in [("seed=1:64:64", "rounds=1:64:64"), ("seed=1:5:5", "rounds=1:3:3"), ("seed=1,2", "rounds=1")] {
            let map =
                Map::new(Scenario::default(), x.parse().expect("an axis"), y.parse().expect("an axis")).expect("a map");
            let order = map.order();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().copied().eq(0..=map.len() as u32), "{x} {y}");
            assert_eq!(order[0], map.len() as u32, "the scenario itself comes first");
        }
        let map = Map::new(
            Scenario::default(),
            "seed=1:8:8".parse().expect("an axis"),
            "rounds=1:8:8".parse().expect("an axis"),
        );
        // Place (0, 0), then (0, 4), (4, 0), (4, 4).
        assert_eq!(map.expect("a map").order()[1..5], [0, 4, 32, 36]);
    }

    #[test]
    fn a_cell_that_is_not_done_has_the_coarser_ones_colour() {
        let map = map("{}", ALPHA, BETA, 3);
        // Strides 8, 4, ...: the scenario itself, (0, 0) and (4, 0).
        assert_eq!((map.done(), map.len(), map.size()), (2, 15, (5, 3)));
        assert!(map.own().is_some() && map.cell((4, 0)).is_some() && map.cell((1, 1)).is_none());
        assert_eq!(map.stand_in((4, 0)), Some((4, 0)));
        assert_eq!(map.stand_in((4, 2)), Some((4, 0)));
        assert_eq!(map.stand_in((3, 2)), Some((0, 0)));
    }

    #[test]
    fn a_cell_is_the_run_of_its_scenario() {
        let map = map("{}", ALPHA, BETA, 99);
        assert_eq!(map.done(), 15);
        let scenario = map.scenario((3, 1)).expect("valid");
        assert_eq!((scenario.reward.alpha_inference, scenario.reward.beta_inference), (1.5, 1.0));
        let report = fixture::report(r#"{"reward": {"alpha_inference": 1.5, "beta_inference": 1}}"#);
        let means: Vec<_> = report.inference_nodes.iter().map(|node| node.reward_mean).collect();
        assert_eq!(map.cell((3, 1)).expect("done").item.means[..2], means);
    }

    #[test]
    fn a_scenario_moved_along_the_axes_is_still_of_the_map() {
        let map = map("{}", ALPHA, BETA, 0);
        let moved = Scenario::default().with("reward.alpha_inference", "0.33").expect("valid");
        assert!(map.is_of(&moved, None));
        let longer = Scenario { rounds: 7, ..moved.clone() };
        assert!(!map.is_of(&longer, None) && map.is_of(&longer, Some(7)));
        assert!(!map.is_of(&Scenario { seed: 1, ..moved }, None));
    }
}
