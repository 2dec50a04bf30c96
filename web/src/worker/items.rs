//! Many runs, of which a few figures each are wanted: the items of a [`Work`], one after the other.

use std::collections::VecDeque;

use poq_core::scenario::ScenarioError;
use poq_core::sweep::{Axis, Grid};
use poq_core::{Dataset, Scenario, Simulation};
use serde_json::Value;

use super::grouped;
use super::host::{SLICE_MS, check_size, paced};
use crate::protocol::{FromWorker, Item, Roster, Work};

/// What is done is sent no more often than this.
const SEND_MS: f64 = 80.0;

/// The work of which this worker runs some items.
#[derive(Debug)]
pub struct Items {
    job: u32,
    preset: String,
    scenarios: Vec<Value>,
    /// The grid of the first scenario over the axes, or why there is none.
    grid: Option<Result<Grid, ScenarioError>>,
    /// Runs that repeat an item whose past decides its path.
    replicates: u32,
    queue: VecDeque<u32>,
    /// The item under way.
    running: Option<(u32, Box<Simulation>)>,
    /// Rounds to run between two looks at the clock.
    batch: u64,
    roster: Roster,
    done: Vec<Item>,
    due_ms: f64,
}

impl Items {
    /// Ready for the items of `work`.
    #[must_use]
    pub fn new(job: u32, work: Work) -> Self {
        let preset = work.preset().to_owned();
        let Work { scenarios, axes, replicates, .. } = work;
        let base = scenarios.first().filter(|_| !axes.is_empty()).map(Scenario::from_patch);
        let axes = axes.into_iter().map(|(path, values)| Axis { path, values }).collect();
        let grid = base.map(|base| Grid::new(base?, axes)?.with_replicates(replicates));
        Self {
            job,
            preset,
            scenarios,
            grid,
            replicates,
            queue: VecDeque::new(),
            running: None,
            batch: 256,
            roster: Roster::default(),
            done: Vec::new(),
            due_ms: 0.0,
        }
    }

    /// The preset that its scenarios started from, which says what dataset they run on.
    #[must_use]
    pub fn preset(&self) -> &str {
        &self.preset
    }

    /// Names the work.
    #[must_use]
    pub fn job(&self) -> u32 {
        self.job
    }

    /// Takes more items.
    pub fn add(&mut self, items: &[u32]) {
        self.queue.extend(items);
    }

    /// Whether there is something to run or to send.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.running.is_some() || !self.queue.is_empty() || !self.done.is_empty()
    }

    /// Runs items for about [`SLICE_MS`], and sends what is done when it is time.
    pub fn work(&mut self, dataset: &Dataset, clock_ms: &impl Fn() -> f64, send: &mut impl FnMut(FromWorker)) {
        let start_ms = clock_ms();
        let mut now_ms = start_ms;
        while now_ms - start_ms < SLICE_MS && self.step(dataset, send) {
            let before_ms = std::mem::replace(&mut now_ms, clock_ms());
            self.batch = paced(self.batch, now_ms - before_ms);
        }
        let is_idle = self.running.is_none() && self.queue.is_empty();
        if is_idle || now_ms >= self.due_ms {
            self.due_ms = now_ms + SEND_MS;
            self.send(send);
        }
    }

    /// One batch of rounds; whether there was something to run.
    fn step(&mut self, dataset: &Dataset, send: &mut impl FnMut(FromWorker)) -> bool {
        let (item, mut simulation) = match self.running.take() {
            Some(running) => running,
            None => {
                let Some(item) = self.queue.pop_front() else { return false };
                match self.simulation(dataset, item) {
                    Ok(simulation) => (item, simulation),
                    Err(error) => {
                        self.done.push(Item::refused(item, error));
                        return true;
                    }
                }
            }
        };
        simulation.run(self.batch.min(simulation.rounds_left()));
        if simulation.rounds_left() > 0 {
            self.running = Some((item, simulation));
            return true;
        }
        let brief = grouped::brief(simulation.brief(dataset));
        let roster = Roster::of(&brief);
        if roster != self.roster {
            // What is done belongs to the nodes before.
            self.send(send);
            self.roster = roster;
        }
        self.done.push(Item::of(item, &brief));
        true
    }

    fn simulation(&self, dataset: &Dataset, item: u32) -> Result<Box<Simulation>, ScenarioError> {
        let none = || ScenarioError { path: "vary".to_owned(), message: format!("the work has no item {item}") };
        let cells = match &self.grid {
            None => 0,
            Some(grid) => grid.as_ref().map_err(Clone::clone)?.cells(),
        };
        let item = item as usize;
        let scenario = match &self.grid {
            Some(Ok(grid)) if item < cells => grid.scenario(item)?,
            _ => Scenario::from_patch(self.scenarios.get(item - cells).ok_or_else(none)?)?,
        };
        check_size(dataset, &scenario)?;
        Ok(Box::new(Simulation::repeated(dataset, &scenario, self.replicates)?))
    }

    fn send(&mut self, send: &mut impl FnMut(FromWorker)) {
        if !self.done.is_empty() {
            let items = std::mem::take(&mut self.done);
            send(FromWorker::Items { job: self.job, roster: self.roster.clone(), items });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use serde_json::json;
    use std::cell::Cell;

    fn scenario(json: &str) -> Scenario {
        Scenario::from_json(json).expect("valid")
    }

    /// Runs the items to their end by a clock that goes on by 1 ms at each look; what was sent.
    fn run(mut items: Items) -> Vec<(Roster, Vec<Item>)> {
        let dataset = fixture::dataset();
        let now_ms = Cell::new(0.0);
        let clock = || {
            now_ms.set(now_ms.get() + 1.0);
            now_ms.get()
        };
        let mut sent = Vec::new();
        while items.is_busy() {
            items.work(&dataset, &clock, &mut |message| match message {
                FromWorker::Items { job: 3, roster, items } => sent.push((roster, items)),
                other => panic!("unexpected {other:?}"),
            });
        }
        sent
    }

    #[test]
    fn an_item_is_what_a_run_of_its_scenario_gives() {
        let base = scenario(r#"{"rounds": 700, "evaluators_per_round": 2}"#);
        let axes = vec![
            ("reward.alpha_inference".to_owned(), vec![json!(0), json!(1.5)]),
            ("consensus.rule".to_owned(), vec![json!("mean"), json!("median")]),
        ];
        let mut items = Items::new(3, Work { scenarios: vec![base.patch()], axes, ..Work::default() });
        items.add(&[2, 4]);
        let sent = run(items);
        let got: Vec<&Item> = sent.iter().flat_map(|(_, items)| items).collect();
        let cell = Scenario {
            reward: poq_core::reward::RewardWeights { alpha_inference: 1.5, ..base.reward },
            ..base.clone()
        };
        for (item, number, scenario) in [(got[0], 2, &cell), (got[1], 4, &base)] {
            let report =
                poq_core::simulate(&fixture::dataset(), scenario, scenario.seed, scenario.rounds).expect("fits");
            let nodes = || report.inference_nodes.iter().chain(&report.evaluator_nodes);
            assert_eq!(item.item, number);
            assert_eq!(item.means, nodes().map(|node| node.reward_mean).collect::<Vec<_>>());
            assert_eq!(item.negative, nodes().map(|node| node.negative_share).collect::<Vec<_>>());
            assert_eq!(item.pearson, report.mechanism.pearson_consensus_truth);
            assert_eq!(item.kendall, report.mechanism.kendall_reward_efficiency);
        }
        assert_eq!(sent[0].0.inference[1], ("slow".to_owned(), "slow".to_owned()));
    }

    #[test]
    fn gains_stand_beside_their_nodes() {
        let attacked = scenario(r#"{"attacks": [{"nodes": ["odd"], "kind": "boost", "by": 3}]}"#);
        let mut items = Items::new(3, Work { scenarios: vec![attacked.patch()], ..Work::default() });
        items.add(&[0]);
        let sent = run(items);
        let report = poq_core::simulate(&fixture::dataset(), &attacked, 42, 5000).expect("fits");
        // Two inference nodes, then near, far and odd.
        assert_eq!(sent[0].1[0].gains, [(4, report.attackers[0].gain_mean)]);
    }

    #[test]
    fn of_a_large_network_an_item_keeps_groups() {
        let large = scenario(
            r#"{"rounds": 400, "network": {"inference": [{"model": "quick", "count": 90}, {"model": "slow"}]},
                "attacks": [{"nodes": ["odd"], "kind": "boost", "by": 3}]}"#,
        );
        let mut items = Items::new(3, Work { scenarios: vec![large.patch()], ..Work::default() });
        items.add(&[0]);
        let sent = run(items);
        let report = poq_core::simulate(&fixture::dataset(), &large, 42, 400).expect("fits");
        let nodes = report.inference_groups.iter().chain(&report.evaluator_nodes);
        assert_eq!(sent[0].1[0].means, nodes.map(|node| node.reward_mean).collect::<Vec<_>>());
        assert_eq!(sent[0].0.inference.len(), 2);
        assert_eq!(sent[0].1[0].gains, [(4, report.attackers[0].gain_mean)]);
    }

    #[test]
    fn items_of_other_networks_come_with_rosters_of_their_own_and_what_cannot_be_says_why() {
        let scenarios = [
            scenario(r#"{"rounds": 10}"#),
            scenario(r#"{"rounds": 10, "evaluators_per_round": 9}"#),
            scenario(r#"{"rounds": 10, "network": {"inference": [{"model": "quick", "count": 3}]}}"#),
        ];
        let scenarios = scenarios.iter().map(Scenario::patch).collect();
        let mut items = Items::new(3, Work { scenarios, ..Work::default() });
        items.add(&[0, 1, 2, 3]);
        let sent = run(items);
        let sizes: Vec<usize> = sent.iter().map(|(roster, _)| roster.inference.len()).collect();
        assert_eq!(sizes, [2, 3]);
        let faults: Vec<_> = sent.iter().flat_map(|(_, items)| items).map(|item| item.fault.clone()).collect();
        assert_eq!(faults[0], None);
        assert!(matches!(&faults[1], Some((path, _)) if path == "evaluators_per_round"), "{faults:?}");
        assert!(matches!(&faults[3], Some((_, words)) if words == "the work has no item 3"), "{faults:?}");
    }

    #[test]
    fn a_long_item_is_run_in_slices() {
        let mut items =
            Items::new(3, Work { scenarios: vec![scenario(r#"{"rounds": 1000000000}"#).patch()], ..Work::default() });
        items.add(&[0]);
        let now_ms = Cell::new(0.0);
        let clock = || {
            now_ms.set(now_ms.get() + 7.0);
            now_ms.get()
        };
        items.work(&fixture::dataset(), &clock, &mut |message| panic!("unexpected {message:?}"));
        assert!(items.is_busy() && now_ms.get() <= 4.0 * 7.0, "{}", now_ms.get());
    }
}
