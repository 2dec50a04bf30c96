//! What the worker does, without a browser: messages in, slices of work, messages out.

use poq_core::dataset::{AddedEvaluator, Shipped};
use poq_core::preset;
use poq_core::round::OpenedRound;
use poq_core::scenario::{Network, ScenarioError};
use poq_core::{Dataset, Report, Scenario, Simulation};

use super::datasets::Datasets;
use super::grouped;
use super::items::Items;
use crate::format;
use crate::protocol::{Chosen, Failure, FromWorker, Part, Summary, ToWorker, Written};

/// Length of a slice of work.
pub(super) const SLICE_MS: f64 = 20.0;
/// Progress is told no more often than this.
const PROGRESS_MS: f64 = 100.0;
/// A result so far is sent no more often than this ...
const PARTIAL_MS: f64 = 500.0;
/// ... and takes no more than one part in so many of the time.
const PARTIAL_SHARE: f64 = 8.0;
/// Nodes at most over all runs that a scenario takes: memory, and the time that a result takes. Each attack takes a run
/// of its own besides, in which its nodes are honest.
const MAX_NODES: usize = 400_000;
/// Groups times tasks at most over all these runs, which have sums for each: memory.
const MAX_CELLS: usize = 4_000_000;

/// What a run's refusal names in place of a field, where there is no dataset for it.
pub const DATASET: &str = "dataset";

/// The worker's state.
#[derive(Debug, Default)]
pub struct Host {
    datasets: Datasets,
    /// Hash of the dataset that the page was told of.
    announced: Option<String>,
    /// What came before its dataset did.
    waiting: Vec<ToWorker>,
    /// Datasets that are to be fetched, and all that were asked for and have not come.
    to_fetch: Vec<Shipped>,
    on_their_way: Vec<Shipped>,
    jobs: Vec<Job>,
    /// The simulation behind the last opened round: the next round is one step on.
    opened: Option<Box<Simulation>>,
    opened_scenario: Option<Scenario>,
    /// The work whose items this worker runs besides.
    items: Option<Items>,
}

#[derive(Debug)]
struct Job {
    goal: Goal,
    scenario: Scenario,
    simulation: Box<Simulation>,
    /// Runs the simulation up to this round.
    until: u64,
    /// Rounds to run between two looks at the clock.
    batch: u64,
    elapsed_ms: f64,
}

#[derive(Debug)]
enum Goal {
    Run { id: u32, progress_due_ms: f64, partial_due_ms: f64 },
    Round { number: u64 },
    Digest { token: u32 },
}

impl Goal {
    /// What is said in place of the result, where there is no dataset for it.
    fn refused(&self, reason: &str) -> FromWorker {
        match *self {
            Self::Run { id, .. } => failed(Part::Run { id, path: DATASET.to_owned() }, reason),
            Self::Round { .. } => failed(Part::Round, reason),
            Self::Digest { token } => FromWorker::Digest { token, outcome: Err(reason.to_owned()) },
        }
    }
}

/// The answer to a request whose dataset is not to be had. Whoever asked is told; nothing waits for ever.
fn without_dataset(message: &ToWorker, reason: &str) -> Option<FromWorker> {
    Some(match *message {
        ToWorker::Run { id, .. } => failed(Part::Run { id, path: DATASET.to_owned() }, reason),
        ToWorker::OpenRound { .. } => failed(Part::Round, reason),
        ToWorker::Digest { token, .. } => FromWorker::Digest { token, outcome: Err(reason.to_owned()) },
        ToWorker::Choose(Chosen { evaluator: Some(_), .. }) => failed(Part::Evaluator, reason),
        ToWorker::Prepare { .. } | ToWorker::Items { .. } | ToWorker::WriteDataset => failed(Part::Dataset, reason),
        // There is nothing to stop, and nothing to take out.
        ToWorker::Cancel { .. } | ToWorker::Stop | ToWorker::Choose(Chosen { evaluator: None, .. }) => return None,
    })
}

impl Host {
    /// Asks for a dataset that lies beside the page.
    pub fn want(&mut self, shipped: Shipped) {
        if !self.on_their_way.contains(&shipped) {
            self.on_their_way.push(shipped);
            self.to_fetch.push(shipped);
        }
    }

    /// A dataset that is to be fetched now and given to [`Host::loaded`]; each once.
    pub fn to_fetch(&mut self) -> Option<Shipped> {
        self.to_fetch.pop()
    }

    /// Takes a dataset beside the page, or why there is none, and then what was asked for meanwhile.
    pub fn loaded(
        &mut self,
        shipped: Shipped,
        dataset: Result<Dataset, String>,
        now_ms: f64,
        send: &mut impl FnMut(FromWorker),
    ) {
        self.on_their_way.retain(|other| *other != shipped);
        // The reader may have chosen another one meanwhile.
        if self.datasets.chosen() == shipped || self.waiting.iter().any(|message| self.waits_for(message, shipped)) {
            match &dataset {
                Ok(dataset) => announce(&mut self.announced, dataset, send),
                Err(message) => {
                    // The page shows none now, and is to be told of the next.
                    self.announced = None;
                    send(failed(Part::Dataset, message));
                }
            }
        }
        self.datasets.set(shipped, dataset);
        for message in std::mem::take(&mut self.waiting) {
            self.receive(message, now_ms, send);
        }
    }

    fn waits_for(&self, message: &ToWorker, shipped: Shipped) -> bool {
        self.datasets.lacks(&self.preset_for(message)) == Some(shipped)
    }

    /// The preset that says what dataset a request is about.
    fn preset_for(&self, message: &ToWorker) -> String {
        match message {
            ToWorker::Run { scenario, .. } | ToWorker::OpenRound { scenario, .. } => scenario.preset.clone(),
            ToWorker::Digest { scenario_json, .. } => preset_named(scenario_json),
            ToWorker::Cancel { id } => self.preset_of(*id),
            ToWorker::Choose(_) | ToWorker::WriteDataset => preset::DEFAULT.to_owned(),
            ToWorker::Prepare { work, .. } => work.preset().to_owned(),
            ToWorker::Items { .. } | ToWorker::Stop => {
                self.items.as_ref().map(|items| items.preset().to_owned()).unwrap_or_default()
            }
        }
    }

    /// Takes a request; it waits for its dataset if need be.
    pub fn receive(&mut self, message: ToWorker, now_ms: f64, send: &mut impl FnMut(FromWorker)) {
        let preset = self.preset_for(&message);
        match &message {
            ToWorker::Choose(chosen) => self.choose(chosen.dataset, send),
            ToWorker::Prepare { work, .. } if preset::dataset_of(&preset).is_none() => {
                self.choose(work.chosen.dataset, send);
            }
            _ => {}
        }
        self.datasets.make(&preset);
        if let Some(lacking) = self.datasets.lacks(&preset) {
            self.want(lacking);
            self.waiting.push(message);
            return;
        }
        let dataset = match self.datasets.get(&preset) {
            Ok(dataset) => dataset,
            Err(reason) => return without_dataset(&message, reason).into_iter().for_each(send),
        };
        if matches!(message, ToWorker::Run { .. }) {
            announce(&mut self.announced, dataset, send);
        }
        match message {
            ToWorker::Run { id, scenario } => {
                self.jobs.retain(|job| !matches!(job.goal, Goal::Run { .. }));
                let goal = Goal::Run { id, progress_due_ms: now_ms + PROGRESS_MS, partial_due_ms: now_ms + PARTIAL_MS };
                match Job::new(dataset, goal, *scenario) {
                    // The run that the page shows comes before all else.
                    Ok(job) => self.jobs.insert(0, job),
                    Err(error) => send(failed(Part::Run { id, path: error.path.clone() }, &error.message)),
                }
            }
            ToWorker::Cancel { id } => {
                let is_it = |job: &Job| matches!(job.goal, Goal::Run { id: running, .. } if running == id);
                if let Some(position) = self.jobs.iter().position(is_it) {
                    let job = self.jobs.remove(position);
                    send(FromWorker::Done {
                        id,
                        report: partial(&job.simulation, dataset),
                        cancelled: true,
                        elapsed_ms: job.elapsed_ms,
                    });
                }
            }
            ToWorker::OpenRound { scenario, number } => {
                self.jobs.retain(|job| !matches!(job.goal, Goal::Round { .. }));
                let kept = self
                    .opened
                    .take()
                    .filter(|kept| self.opened_scenario.as_ref() == Some(&*scenario) && kept.rounds_done() <= number);
                let job = if number >= scenario.rounds {
                    let allowed = scenario.rounds.saturating_sub(1);
                    Err(ScenarioError {
                        path: "rounds".to_owned(),
                        message: format!("there is no round {number}; allowed: 0 to {allowed}"),
                    })
                } else if let Some(simulation) = kept {
                    Ok(Job::with(simulation, Goal::Round { number }, *scenario))
                } else {
                    Job::new(dataset, Goal::Round { number }, *scenario)
                };
                match job {
                    Ok(job) => self.jobs.push(Job { until: number, ..job }),
                    Err(error) => send(failed(Part::Round, &error.message)),
                }
            }
            ToWorker::Digest { token, scenario_json } => {
                let job = Scenario::from_json(&scenario_json)
                    .and_then(|scenario| Job::new(dataset, Goal::Digest { token }, scenario));
                match job {
                    Ok(job) => self.jobs.push(job),
                    Err(error) => send(FromWorker::Digest { token, outcome: Err(error.to_string()) }),
                }
            }
            ToWorker::Prepare { job, mut work } => {
                if preset::dataset_of(&preset).is_none() {
                    self.extend(work.chosen.evaluator.take(), send);
                }
                self.items = Some(Items::new(job, *work));
            }
            ToWorker::Items { job, items } => {
                if let Some(work) = self.items.as_mut().filter(|work| work.job() == job) {
                    work.add(&items);
                }
            }
            ToWorker::Stop => self.items = None,
            ToWorker::Choose(chosen) => self.extend(chosen.evaluator, send),
            ToWorker::WriteDataset => {
                let written = Written { manifest: dataset.manifest.to_json(), scores: dataset.scores_jsonl() };
                send(FromWorker::Written(Box::new(written)));
            }
        }
    }

    /// Chooses a dataset; what runs, or waits, is of the one before.
    fn choose(&mut self, dataset: Shipped, send: &mut impl FnMut(FromWorker)) {
        if self.datasets.choose(dataset) {
            self.drop_work(send);
        }
    }

    /// Drops what runs and what waits; who asked for a digest is told.
    fn drop_work(&mut self, send: &mut impl FnMut(FromWorker)) {
        let running = std::mem::take(&mut self.jobs).into_iter().filter_map(|job| match job.goal {
            Goal::Digest { token } => Some(token),
            Goal::Run { .. } | Goal::Round { .. } => None,
        });
        let waiting = std::mem::take(&mut self.waiting).into_iter().filter_map(|message| match message {
            ToWorker::Digest { token, .. } => Some(token),
            _ => None,
        });
        for token in running.chain(waiting) {
            send(FromWorker::Digest { token, outcome: Err("the dataset became another; ask again".to_owned()) });
        }
        (self.opened, self.opened_scenario, self.items) = (None, None, None);
    }

    /// Gives the chosen dataset an evaluator besides, or none; what runs is of the dataset before.
    fn extend(&mut self, evaluator: Option<Box<AddedEvaluator>>, send: &mut impl FnMut(FromWorker)) {
        match self.datasets.extend(evaluator) {
            Ok(false) => {}
            outcome => {
                self.drop_work(send);
                if let Err(message) = outcome {
                    send(failed(Part::Evaluator, &message));
                }
            }
        }
    }

    /// The preset of the scenario that run `id` runs.
    fn preset_of(&self, id: u32) -> String {
        let is_it = |job: &&Job| matches!(job.goal, Goal::Run { id: running, .. } if running == id);
        self.jobs.iter().find(is_it).map(|job| job.scenario.preset.clone()).unwrap_or_default()
    }

    /// Whether there is work for [`Host::work`].
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.jobs.is_empty() || self.items.as_ref().is_some_and(Items::is_busy)
    }

    /// Works for a slice of about 20 ms by `clock_ms` on each job in turn, and for one on the items of a work.
    pub fn work(&mut self, clock_ms: &impl Fn() -> f64, send: &mut impl FnMut(FromWorker)) {
        if let Some(items) = &mut self.items {
            match self.datasets.get(items.preset()) {
                Ok(dataset) => items.work(dataset, clock_ms, send),
                Err(reason) => {
                    send(failed(Part::Dataset, reason));
                    self.items = None;
                }
            }
        }
        if self.jobs.is_empty() {
            return;
        }
        let mut job = self.jobs.remove(0);
        let dataset = match self.datasets.get(&job.scenario.preset) {
            Ok(dataset) => dataset,
            Err(reason) => return send(job.goal.refused(reason)),
        };
        if !job.slice(clock_ms) {
            if let Goal::Run { id, progress_due_ms, partial_due_ms } = &mut job.goal {
                let now_ms = clock_ms();
                if now_ms >= *progress_due_ms {
                    let report = (now_ms >= *partial_due_ms).then(|| partial(&job.simulation, dataset));
                    if report.is_some() {
                        let took_ms = clock_ms() - now_ms;
                        *partial_due_ms = now_ms + took_ms + PARTIAL_MS.max(PARTIAL_SHARE * took_ms);
                    }
                    *progress_due_ms = now_ms + PROGRESS_MS;
                    send(FromWorker::Progress { id: *id, rounds_done: job.simulation.rounds_done(), report });
                }
            }
            self.jobs.push(job);
            return;
        }
        match job.goal {
            Goal::Run { id, .. } => {
                let report = grouped::report(job.simulation.report(dataset));
                send(FromWorker::Done { id, report, cancelled: false, elapsed_ms: job.elapsed_ms });
            }
            Goal::Digest { token } => {
                send(FromWorker::Digest { token, outcome: Ok(job.simulation.report(dataset).digest) });
            }
            Goal::Round { number } => {
                let answers = job.simulation.open_next();
                let round = OpenedRound::new(dataset, &job.scenario, job.simulation.network(), number, &answers);
                if let Some(round) = round {
                    send(FromWorker::Round(Box::new(round)));
                }
                (self.opened, self.opened_scenario) = (Some(job.simulation), Some(job.scenario));
            }
        }
    }
}

impl Job {
    fn new(dataset: &Dataset, goal: Goal, scenario: Scenario) -> Result<Self, ScenarioError> {
        // A digest is short however large the network: its result never reaches the page.
        if !matches!(goal, Goal::Digest { .. }) {
            check_size(dataset, &scenario)?;
        }
        let simulation = match goal {
            Goal::Round { .. } => Simulation::without_gains(dataset, &scenario)?,
            _ => Simulation::new(dataset, &scenario)?,
        };
        Ok(Self::with(Box::new(simulation), goal, scenario))
    }

    fn with(simulation: Box<Simulation>, goal: Goal, scenario: Scenario) -> Self {
        Self { goal, until: scenario.rounds, scenario, simulation, batch: 64, elapsed_ms: 0.0 }
    }

    /// Runs for about [`SLICE_MS`]; whether the job has come to its end.
    fn slice(&mut self, clock_ms: &impl Fn() -> f64) -> bool {
        let start_ms = clock_ms();
        let mut now_ms = start_ms;
        while self.simulation.rounds_done() < self.until && now_ms - start_ms < SLICE_MS {
            let left = self.until - self.simulation.rounds_done();
            self.simulation.run(self.batch.min(left));
            let before_ms = std::mem::replace(&mut now_ms, clock_ms());
            self.batch = paced(self.batch, now_ms - before_ms);
        }
        self.elapsed_ms += now_ms - start_ms;
        self.simulation.rounds_done() >= self.until
    }
}

/// How many rounds to run before the next look at the clock, after `batch` of them took so long. The clock of a page
/// may be as coarse as a millisecond.
pub(super) fn paced(batch: u64, took_ms: f64) -> u64 {
    match took_ms {
        took_ms if took_ms < 2.0 => (batch * 2).min(1 << 20),
        took_ms if took_ms > 5.0 => (batch / 2).max(1),
        _ => batch,
    }
}

/// Refuses a network that is too large for a page before anything is laid out for it.
pub(super) fn check_size(dataset: &Dataset, scenario: &Scenario) -> Result<(), ScenarioError> {
    let Network { inference, evaluators } = &scenario.network;
    let roles = [(inference, dataset.default_nodes().count()), (evaluators, dataset.evaluators())];
    let nodes: u64 = roles.iter().map(|(groups, recorded)| crate::groups::instances(groups, *recorded)).sum();
    let groups: usize = roles.iter().map(|(groups, recorded)| groups.len().max(*recorded)).sum();
    let runs = 1 + scenario.attacks.len();
    let (allowed, most) = (MAX_NODES / runs, MAX_CELLS / runs / dataset.tasks.len().max(1));
    let refuse = |what: String| {
        let attacks = if runs > 1 { " with so many attacks" } else { "" };
        let message = format!("{what} on this dataset{attacks}, `poq simulate` runs larger networks");
        Err(ScenarioError { path: "network".to_owned(), message })
    };
    if nodes > allowed as u64 {
        return refuse(format!(
            "{} nodes; the page runs up to {}",
            format::count(nodes),
            format::count(allowed as u64)
        ));
    }
    if groups > most {
        let [groups, most] = [groups, most].map(|number| format::count(number as u64));
        return refuse(format!("{groups} groups of nodes; the page runs up to {most}"));
    }
    Ok(())
}

/// The report on a run that has not come to its end. It names the rounds that were run, so that the command, the link
/// and the files that are made of it do. A run of just these has another digest, since its series and batches are
/// spaced for them: there is none here.
fn partial(simulation: &Simulation, dataset: &Dataset) -> Box<Report> {
    let mut report = grouped::report(simulation.report(dataset));
    report.scenario.rounds = report.rounds.max(1);
    report.digest.clear();
    report
}

/// Tells the page of the dataset, if it does not know of it as the last.
fn announce(announced: &mut Option<String>, dataset: &Dataset, send: &mut impl FnMut(FromWorker)) {
    if announced.as_ref() != Some(&dataset.hash) {
        *announced = Some(dataset.hash.clone());
        send(FromWorker::Loaded(Summary::of(dataset)));
    }
}

/// The preset that a scenario's JSON names.
fn preset_named(scenario_json: &str) -> String {
    Scenario::from_json(scenario_json).map(|scenario| scenario.preset).unwrap_or_default()
}

fn failed(part: Part, message: &str) -> FromWorker {
    FromWorker::Failed(Failure { part, message: message.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::protocol::Work;
    use poq_core::dataset::DatasetFiles;
    use std::cell::Cell;

    /// A worker whose clock goes on by `tick_ms` at each look.
    struct Bench {
        host: Host,
        now_ms: Cell<f64>,
        tick_ms: f64,
        sent: Vec<FromWorker>,
    }

    impl Bench {
        fn new(tick_ms: f64) -> Self {
            let mut bench = Self { host: Host::default(), now_ms: Cell::new(0.0), tick_ms, sent: Vec::new() };
            let Self { host, sent, .. } = &mut bench;
            host.loaded(Shipped::default(), Ok(fixture::dataset()), 0.0, &mut |message| sent.push(message));
            sent.clear();
            bench
        }

        fn ask(&mut self, message: ToWorker) {
            let Self { host, sent, now_ms, .. } = self;
            host.receive(message, now_ms.get(), &mut |message| sent.push(message));
        }

        fn work(&mut self) {
            let Self { host, sent, now_ms, tick_ms } = self;
            let clock = || {
                now_ms.set(now_ms.get() + *tick_ms);
                now_ms.get()
            };
            host.work(&clock, &mut |message| sent.push(message));
        }

        fn work_to_end(&mut self) -> Vec<FromWorker> {
            while self.host.is_busy() {
                self.work();
            }
            std::mem::take(&mut self.sent)
        }
    }

    fn run(id: u32, scenario: &str) -> ToWorker {
        ToWorker::Run { id, scenario: Box::new(Scenario::from_json(scenario).expect("valid")) }
    }

    fn choose(dataset: Shipped, evaluator: Option<Box<AddedEvaluator>>) -> ToWorker {
        ToWorker::Choose(Chosen { dataset, evaluator })
    }

    #[test]
    fn another_dataset_is_fetched_and_what_waited_for_the_former_is_dropped() {
        let mut bench = Bench::new(7.0);
        bench.host = Host::default();
        bench.host.want(Shipped::default());
        assert_eq!((bench.host.to_fetch(), bench.host.to_fetch()), (Some(Shipped::PoqLab2), None));
        bench.ask(ToWorker::Digest { token: 5, scenario_json: "{}".to_owned() });
        bench.ask(run(1, r#"{"rounds": 50}"#));
        bench.ask(choose(Shipped::PoqLab1, None));
        assert!(matches!(&bench.sent[..], [FromWorker::Digest { token: 5, outcome: Err(_) }]), "{:?}", bench.sent);
        bench.ask(run(2, r#"{"rounds": 50}"#));
        assert_eq!((bench.host.to_fetch(), bench.host.to_fetch()), (Some(Shipped::PoqLab1), None));
        let loaded = |bench: &mut Bench, shipped, dataset| {
            let Bench { host, sent, .. } = bench;
            host.loaded(shipped, dataset, 0.0, &mut |message| sent.push(message));
        };
        bench.sent.clear();
        loaded(&mut bench, Shipped::PoqLab2, Err("gone".to_owned()));
        assert!(bench.sent.is_empty(), "nobody waits for it: {:?}", bench.sent);
        loaded(&mut bench, Shipped::PoqLab1, Ok(fixture::dataset()));
        let sent = bench.work_to_end();
        assert!(matches!(&sent[0], FromWorker::Loaded(_)) && sent.len() > 1, "{sent:?}");
        assert!(sent[1..].iter().all(|message| matches!(message, FromWorker::Done { id: 2, .. })), "{sent:?}");
        // The one that failed is asked for again.
        bench.ask(choose(Shipped::PoqLab2, None));
        bench.ask(run(3, "{}"));
        assert_eq!(bench.host.to_fetch(), Some(Shipped::PoqLab2));
    }

    #[test]
    fn an_evaluator_besides_drops_what_runs_and_takes_part_in_what_comes_after() {
        let mut bench = Bench::new(7.0);
        bench.ask(run(1, r#"{"rounds": 1000000}"#));
        bench.ask(ToWorker::Digest { token: 5, scenario_json: r#"{"rounds": 1000000}"#.to_owned() });
        bench.work();
        bench.sent.clear();
        let evaluator = Box::new(fixture::added_evaluator());
        bench.ask(choose(Shipped::default(), Some(evaluator.clone())));
        assert!(!bench.host.is_busy());
        assert!(matches!(&bench.sent[..], [FromWorker::Digest { token: 5, outcome: Err(_) }]), "{:?}", bench.sent);

        bench.sent.clear();
        let extended = fixture::dataset().with_evaluator(&evaluator).expect("fits");
        bench.ask(run(2, r#"{"rounds": 50}"#));
        let sent = bench.work_to_end();
        assert!(matches!(&sent[0], FromWorker::Loaded(summary) if *summary == Summary::of(&extended)), "{sent:?}");
        let report = poq_core::simulate(&extended, &Scenario::default(), 42, 50).expect("fits");
        assert!(matches!(sent.last(), Some(FromWorker::Done { report: seen, .. }) if seen.digest == report.digest));

        bench.ask(ToWorker::WriteDataset);
        let [_, tasks, outputs, _] = fixture::files();
        let Some(FromWorker::Written(written)) = bench.sent.last() else { panic!("not written") };
        let again = Dataset::from_files(DatasetFiles {
            manifest: written.manifest.as_bytes(),
            tasks: tasks.as_bytes(),
            outputs: outputs.as_bytes(),
            scores: written.scores.as_bytes(),
        });
        assert_eq!(again, Ok(extended));

        let mut other = evaluator;
        other.dataset.clear();
        bench.ask(choose(Shipped::default(), Some(other)));
        let failure =
            |message: &FromWorker| matches!(message, FromWorker::Failed(Failure { part: Part::Evaluator, .. }));
        assert!(bench.sent.iter().any(failure), "{:?}", bench.sent);
    }

    #[test]
    fn slices_give_the_same_result_as_one_run() {
        let mut bench = Bench::new(7.0);
        bench.ask(run(1, r#"{"rounds": 20000}"#));
        let sent = bench.work_to_end();
        let partial = sent.iter().filter(|message| matches!(message, FromWorker::Progress { report: Some(_), .. }));
        assert!(partial.count() > 0);
        let Some(FromWorker::Done { id: 1, report, cancelled: false, .. }) = sent.last() else {
            panic!("no result in {sent:?}");
        };
        assert_eq!(report.digest, fixture::report(r#"{"rounds": 20000}"#).digest);
    }

    #[test]
    fn a_newer_run_replaces_the_older() {
        let mut bench = Bench::new(7.0);
        bench.ask(run(1, r#"{"rounds": 1000000}"#));
        bench.work();
        bench.ask(run(2, r#"{"rounds": 10}"#));
        let sent = bench.work_to_end();
        assert!(sent.iter().all(|message| !matches!(message, FromWorker::Done { id: 1, .. })));
        assert!(matches!(sent.last(), Some(FromWorker::Done { id: 2, .. })));
    }

    #[test]
    fn a_cancelled_run_reports_what_it_has() {
        let mut bench = Bench::new(7.0);
        bench.ask(run(1, r#"{"rounds": 1000000000}"#));
        bench.work();
        bench.ask(ToWorker::Cancel { id: 7 });
        assert!(bench.host.is_busy());
        bench.ask(ToWorker::Cancel { id: 1 });
        assert!(!bench.host.is_busy());
        let Some(FromWorker::Done { report, cancelled: true, .. }) = bench.sent.pop() else {
            panic!("no result");
        };
        assert!(report.rounds > 0 && report.rounds < 1_000_000_000);
        assert_eq!((report.scenario.rounds, &report.digest[..]), (report.rounds, ""), "it names what was run");
        // Its figures are those of the run that it names.
        let whole = poq_core::simulate(&fixture::dataset(), &report.scenario, 42, report.rounds).expect("fits");
        let means = |report: &Report| {
            let nodes = report.inference_nodes.iter().chain(&report.evaluator_nodes);
            nodes.map(|node| (node.rounds, node.reward_mean)).collect::<Vec<_>>()
        };
        assert_eq!(means(&report), means(&whole));
        assert!(crate::export::command(&report.scenario).contains(&format!("--rounds {} ", report.rounds)));
    }

    #[test]
    fn a_result_so_far_names_the_rounds_so_far() {
        let mut bench = Bench::new(7.0);
        bench.ask(run(1, r#"{"rounds": 20000000}"#));
        let so_far = loop {
            bench.work();
            let told = bench.sent.pop();
            if let Some(FromWorker::Progress { rounds_done, report: Some(report), .. }) = told {
                break (rounds_done, report.scenario.rounds, report.digest);
            }
        };
        assert_eq!((so_far.1, &so_far.2[..]), (so_far.0, ""));
    }

    #[test]
    fn whoever_asks_without_a_dataset_is_answered() {
        let mut host = Host::default();
        let mut sent = Vec::new();
        let scenario = || Box::new(Scenario::default());
        let work = || Box::new(Work::default());
        let ask = |host: &mut Host, sent: &mut Vec<FromWorker>| {
            for message in [
                ToWorker::Run { id: 3, scenario: scenario() },
                ToWorker::OpenRound { scenario: scenario(), number: 0 },
                ToWorker::Digest { token: 4, scenario_json: "{}".to_owned() },
                choose(Shipped::default(), Some(Box::new(fixture::added_evaluator()))),
                ToWorker::Prepare { job: 5, work: work() },
                ToWorker::WriteDataset,
                ToWorker::Cancel { id: 3 },
                choose(Shipped::default(), None),
            ] {
                host.receive(message, 0.0, &mut |message| sent.push(message));
            }
        };
        let parts = |sent: &[FromWorker]| {
            let part = |message: &FromWorker| match message {
                FromWorker::Failed(Failure { part, message }) if message == "gone" => format!("{part:?}"),
                FromWorker::Digest { token: 4, outcome: Err(words) } if words == "gone" => "Digest".to_owned(),
                other => panic!("{other:?}"),
            };
            sent.iter().map(part).collect::<Vec<_>>()
        };
        let run = r#"Run { id: 3, path: "dataset" }"#;
        let want = [run, "Round", "Digest", "Evaluator", "Dataset", "Dataset"];
        // Asked before it is known, and after.
        ask(&mut host, &mut sent);
        assert!(sent.is_empty());
        host.loaded(Shipped::default(), Err("gone".to_owned()), 0.0, &mut |message| sent.push(message));
        assert_eq!(parts(&sent)[1..], want);
        sent.clear();
        ask(&mut host, &mut sent);
        assert_eq!(parts(&sent), want);
        assert!(!host.is_busy());
    }

    #[test]
    fn attacks_and_groups_take_room_from_the_network() {
        let check = |count: u32, attacks: usize, groups: usize| {
            let group = format!(r#"{{"model": "quick", "count": {count}}}"#);
            let attack = r#"{"nodes": {"share": 0.1}, "kind": "noise"}"#;
            let [groups, attacks] = [vec![&group[..]; groups], vec![attack; attacks]].map(|list| list.join(","));
            let scenario = format!(r#"{{"network": {{"inference": [{groups}]}}, "attacks": [{attacks}]}}"#);
            check_size(&fixture::dataset(), &Scenario::from_json(&scenario).expect("valid"))
                .map_err(|error| error.message)
        };
        assert_eq!(check(99_997, 3, 1), Ok(()));
        let refused = check(99_998, 3, 1).expect_err("too many");
        assert!(refused.starts_with("100,001 nodes; the page runs up to 100,000"), "{refused}");
        assert_eq!(check(1, 15, 1000), Ok(()));
    }

    #[test]
    fn of_a_large_network_the_page_is_told_groups() {
        let mut bench = Bench::new(1.0);
        bench.ask(run(
            1,
            r#"{"rounds": 300, "network": {"inference": [{"model": "quick", "count": 100}, {"model": "slow"}]},
                "attacks": [{"nodes": ["odd"], "kind": "boost"}]}"#,
        ));
        let sent = bench.work_to_end();
        let [FromWorker::Done { report, .. }] = &sent[..] else { panic!("{sent:?}") };
        let told = |nodes: &[poq_core::report::NodeReport]| {
            nodes.iter().map(|node| (node.id.clone(), node.instances)).collect::<Vec<_>>()
        };
        assert_eq!(told(&report.inference_nodes), [("quick".to_owned(), 100), ("slow".to_owned(), 1)]);
        assert_eq!(report.evaluator_nodes.len(), 3);
        assert_eq!(report.attackers.iter().map(|attacker| &attacker.id[..]).collect::<Vec<_>>(), ["odd"]);
        let whole = poq_core::simulate(&fixture::dataset(), &report.scenario, 42, 300).expect("fits");
        assert_eq!(report.digest, whole.digest);
    }

    #[test]
    fn rounds_open_forwards_and_backwards_alike() {
        let scenario = Scenario::default();
        let dataset = fixture::dataset();
        let mut bench = Bench::new(1.0);
        for number in [3, 4, 900, 2] {
            bench.ask(ToWorker::OpenRound { scenario: Box::new(scenario.clone()), number });
            let sent = bench.work_to_end();
            let (network, answers) = Simulation::open_round(&dataset, &scenario, number).expect("fits");
            let want = OpenedRound::new(&dataset, &scenario, &network, number, &answers);
            assert!(matches!(&sent[..], [FromWorker::Round(round)] if Some(&**round) == want.as_ref()), "{sent:?}");
        }
        bench.ask(ToWorker::OpenRound { scenario: Box::new(scenario), number: 5000 });
        assert!(matches!(&bench.sent[..], [FromWorker::Failed(Failure { part: Part::Round, .. })]));
    }

    #[test]
    fn a_scenario_that_does_not_fit_is_told_with_its_path() {
        let mut bench = Bench::new(1.0);
        bench.ask(run(1, r#"{"evaluators_per_round": 4}"#));
        bench.ask(run(
            2,
            r#"{"network": {"inference": [{"model": "quick", "count": 100000}], "evaluators": [{"model": "odd", "count": 100000}]},
                "attacks": [{"nodes": ["odd"], "kind": "noise"}, {"nodes": {"share": 0.5}, "kind": "noise"}]}"#,
        ));
        bench.ask(ToWorker::Digest { token: 5, scenario_json: r#"{"rounds": 0}"#.to_owned() });
        let paths: Vec<_> = bench
            .sent
            .iter()
            .map(|message| match message {
                FromWorker::Failed(Failure { part: Part::Run { path, .. }, .. }) => path.clone(),
                FromWorker::Digest { token: 5, outcome: Err(message) } => message.clone(),
                other => panic!("unexpected {other:?}"),
            })
            .collect();
        assert_eq!(paths[..2], ["evaluators_per_round", "network"]);
        assert!(paths[2].contains("`rounds`"), "{}", paths[2]);
    }

    #[test]
    fn a_run_names_its_dataset_when_that_changes() {
        let mut bench = Bench::new(7.0);
        let mut told = Vec::new();
        for (id, preset) in [(1, "default"), (2, "paper-2512.16317"), (3, "paper-2512.16317"), (4, "default")] {
            bench.ask(run(id, &format!(r#"{{"preset": "{preset}", "rounds": 50}}"#)));
            for message in bench.work_to_end() {
                match message {
                    FromWorker::Loaded(summary) => told.push((id, summary.name.id)),
                    FromWorker::Done { id: done, report, .. } => {
                        assert_eq!((done, report.dataset.id == "paper-2512.16317"), (id, preset != "default"));
                    }
                    other => panic!("unexpected {other:?}"),
                }
            }
        }
        assert_eq!(told, [(2, "paper-2512.16317".to_owned()), (4, fixture::dataset().manifest.id)]);
    }

    #[test]
    fn requests_wait_for_the_dataset() {
        let mut host = Host::default();
        let mut sent = Vec::new();
        host.receive(
            ToWorker::Digest { token: 1, scenario_json: r#"{"rounds": 5}"#.to_owned() },
            0.0,
            &mut |message| {
                sent.push(message);
            },
        );
        assert!(!host.is_busy() && sent.is_empty());
        host.loaded(Shipped::default(), Err("tasks.jsonl row 3: broken".to_owned()), 0.0, &mut |message| {
            sent.push(message)
        });
        assert!(matches!(&sent[..], [FromWorker::Failed(_), FromWorker::Digest { outcome: Err(_), .. }]), "{sent:?}");
    }
}
