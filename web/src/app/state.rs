//! The page's state and everything that changes it.

use std::rc::Rc;

use poq_core::dataset::{AddedEvaluator, Shipped};
use poq_core::link::{Link, LinkError, Place, Replay, View};
use poq_core::preset;
use poq_core::round::OpenedRound;
use poq_core::scenario::{Group, ScenarioError};
use poq_core::{Report, Scenario};
use yew::prelude::*;

use crate::protocol::{Chosen, Failure, FromWorker, Part, Summary, Written};
use crate::worker::host::DATASET;

/// The state.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What the controls say.
    pub scenario: Scenario,
    /// The refusal of the last change, or why the run could not start; it stands at its control.
    pub fault: Option<ScenarioError>,
    /// The dataset.
    pub dataset: DatasetState,
    /// What scenarios run on whose preset has no dataset of its own.
    pub chosen: Rc<Chosen>,
    /// The dataset with it, as files.
    pub written: Option<Rc<Written>>,
    /// Names the run that `scenario` asks for; goes up with every change.
    pub run: u32,
    /// How far that run is.
    pub phase: Phase,
    /// The last good result, perhaps of a run before.
    pub report: Option<Rc<Report>>,
    /// Number of the round that is open, from 0.
    pub round: u64,
    /// That round, or the one before it until it is there.
    pub opened: Option<Rc<OpenedRound>>,
    /// Why the round could not be opened.
    pub round_fault: Option<String>,
    /// What is on view.
    pub place: Place,
    /// The link that is being replayed.
    pub link: Option<Rc<Link>>,
    /// What a link gave.
    pub notice: Option<Notice>,
    /// The worker's own failure: nothing can be run.
    pub engine_fault: Option<String>,
}

/// The dataset as the page knows it.
#[derive(Clone, Debug, PartialEq)]
pub enum DatasetState {
    /// On its way.
    Loading,
    /// Read.
    Ready(Rc<Summary>),
    /// Not to be had, and why.
    Failed(String),
}

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// Asked for; nothing heard yet.
    Waiting,
    /// Under way.
    Running {
        /// Rounds done.
        rounds_done: u64,
    },
    /// Ended.
    Ended {
        /// Whether it was stopped before its last round.
        cancelled: bool,
        /// Computing time.
        elapsed_ms: f64,
    },
    /// Could not be run; `fault` says why.
    Refused,
}

/// What a share link gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// It is no link that can be replayed; the default scenario stands in.
    Refused(String),
    /// It was replayed.
    Replayed(Replay),
    /// An evaluator of this device does not fit the dataset.
    NotTaken(String),
}

/// What changes the state.
#[derive(Debug)]
pub enum Action {
    /// A control was changed: the scenario that it asks for, or the core's refusal.
    Change(Result<Scenario, ScenarioError>),
    /// The worker said something.
    Heard(FromWorker),
    /// A round is to be opened.
    Open(u64),
    /// A place is to be shown.
    Go(Place),
    /// A dataset is to lie under scenarios whose preset has none of its own.
    Choose(Shipped),
    /// An evaluator of this device is to take part in the network, or none any more.
    TakePart(Option<Box<AddedEvaluator>>),
    /// The run is to be made again.
    Again,
    /// The address's fragment is a new one.
    Follow(String),
}

impl State {
    /// The state of a page opened with that fragment in its address.
    #[must_use]
    pub fn new(fragment: &str) -> Self {
        let mut state = Self {
            scenario: Scenario::default(),
            fault: None,
            dataset: DatasetState::Loading,
            chosen: Rc::default(),
            written: None,
            run: 0,
            phase: Phase::Waiting,
            report: None,
            round: 0,
            opened: None,
            round_fault: None,
            place: Place::default(),
            link: None,
            notice: None,
            engine_fault: None,
        };
        state.follow(fragment);
        state
    }

    /// The result, if it is the whole result of what the controls say.
    #[must_use]
    pub fn whole_report(&self) -> Option<&Rc<Report>> {
        let is_whole = matches!(self.phase, Phase::Ended { cancelled: false, .. });
        self.report.as_ref().filter(|_| is_whole)
    }

    /// The round to open and the scenario it is of, once a run has ended.
    #[must_use]
    pub fn round_to_open(&self) -> Option<(Rc<Report>, u64)> {
        let report = self.report.as_ref().filter(|report| report.rounds > 0)?;
        matches!(self.phase, Phase::Ended { .. }).then(|| (Rc::clone(report), self.round.min(report.rounds - 1)))
    }

    /// The link to share. A run that is not whole has no digest to hold others to.
    #[must_use]
    pub fn share_link(&self) -> Link {
        let shown = self.report.as_ref().filter(|_| matches!(self.phase, Phase::Ended { .. }));
        let rounds = shown.map_or(self.scenario.rounds, |report| report.rounds);
        let view = View { place: self.place, round: (self.round > 0 && self.round < rounds).then_some(self.round) };
        // A cancelled run is shared as the rounds that were run, which its report names.
        let cancelled = match self.phase {
            Phase::Ended { cancelled: true, .. } => self.report.as_ref(),
            _ => None,
        };
        match (self.whole_report(), &self.report) {
            (Some(report), _) => Link::of(report, view),
            (None, report) => Link {
                scenario: cancelled.map_or(&self.scenario, |report| &report.scenario).clone(),
                dataset: report.as_ref().map(|report| report.dataset.clone()),
                engine_version: report.as_ref().map(|report| report.engine_version.clone()),
                digest: None,
                view,
            },
        }
    }

    /// Goes over to another scenario, whose run the page then asks for.
    fn take(&mut self, scenario: Scenario) {
        self.scenario = scenario;
        self.run += 1;
        self.phase = Phase::Waiting;
        self.fault = None;
    }

    fn follow(&mut self, fragment: &str) {
        if fragment.trim_start_matches('#').is_empty() {
            if self.run == 0 {
                self.take(Scenario::default());
            }
            return;
        }
        match fragment.parse::<Link>() {
            Ok(link) => {
                if preset::dataset_of(&link.scenario.preset).is_none() {
                    self.choose(link.shipped());
                }
                self.take(link.scenario.clone());
                self.place = link.view.place;
                self.round = link.view.round.unwrap_or(0);
                self.notice = None;
                self.link = Some(Rc::new(link));
            }
            Err(error) => self.refuse_link(&error),
        }
    }

    fn refuse_link(&mut self, error: &LinkError) {
        self.link = None;
        self.notice = Some(Notice::Refused(capitalised(&error.to_string())));
        self.take(Scenario::default());
    }

    fn change(&mut self, outcome: Result<Scenario, ScenarioError>) {
        match outcome {
            Ok(scenario) if scenario == self.scenario => self.fault = None,
            Ok(scenario) => {
                self.take(scenario);
                self.link = None;
                self.notice = None;
            }
            Err(error) => self.fault = Some(error),
        }
    }

    /// What is on view is of the dataset before until the run on this one is there. A scenario that names nodes of the
    /// former is refused at its control, and stays.
    fn choose(&mut self, dataset: Shipped) {
        if self.chosen.dataset != dataset {
            (self.chosen, self.written) = (Rc::new(Chosen { dataset, evaluator: None }), None);
        }
    }

    /// An empty list of groups stands for every evaluator that there is; where groups are named, it becomes one.
    fn take_part(&mut self, evaluator: Option<Box<AddedEvaluator>>) {
        let mut scenario = self.scenario.clone();
        let groups = &mut scenario.network.evaluators;
        if let Some(former) = &self.chosen.evaluator {
            groups.retain(|group| group.model != former.entry.id);
        }
        if let Some(evaluator) = evaluator.as_ref().filter(|_| !groups.is_empty()) {
            groups.push(Group::one(&evaluator.entry.id));
        }
        (self.chosen, self.written) = (Rc::new(Chosen { evaluator, ..*self.chosen }), None);
        self.take(scenario);
        (self.link, self.notice) = (None, None);
    }

    fn heard(&mut self, message: FromWorker) {
        match message {
            FromWorker::Loaded(summary) => self.dataset = DatasetState::Ready(Rc::new(summary)),
            FromWorker::Progress { id, rounds_done, report } if id == self.run => {
                self.phase = Phase::Running { rounds_done };
                if let Some(report) = report {
                    self.report = Some(Rc::new(*report));
                }
            }
            FromWorker::Done { id, report, cancelled, elapsed_ms } if id == self.run => {
                self.phase = Phase::Ended { cancelled, elapsed_ms };
                if !cancelled {
                    self.notice =
                        self.link.as_ref().map(|link| Notice::Replayed(link.compare(&report))).or(self.notice.take());
                }
                self.report = Some(Rc::new(*report));
            }
            FromWorker::Round(round) => {
                self.round_fault = None;
                self.opened = Some(Rc::new(*round));
            }
            FromWorker::Written(written) => self.written = Some(Rc::new(*written)),
            FromWorker::Failed(failure) => self.failed(failure),
            FromWorker::Ready
            | FromWorker::Digest { .. }
            | FromWorker::Progress { .. }
            | FromWorker::Done { .. }
            | FromWorker::Items { .. } => {}
        }
    }

    fn failed(&mut self, Failure { part, message }: Failure) {
        match part {
            Part::Dataset => self.dataset = DatasetState::Failed(message),
            // The dataset's own fault is on view.
            Part::Run { id, path } if id == self.run && path == DATASET => self.phase = Phase::Refused,
            Part::Run { id, path } if id == self.run => {
                let error = ScenarioError { path, message };
                if self.link.is_some() {
                    self.refuse_link(&LinkError::Scenario(error));
                } else {
                    self.fault = Some(error);
                    self.phase = Phase::Refused;
                }
            }
            Part::Run { .. } => {}
            Part::Evaluator => {
                self.take_part(None);
                self.notice = Some(Notice::NotTaken(message));
            }
            Part::Round => self.round_fault = Some(message),
            Part::Worker => self.engine_fault = Some(capitalised(&message)),
        }
    }
}

fn capitalised(text: &str) -> String {
    crate::app::explain::capital(text)
}

impl Reducible for State {
    type Action = Action;

    fn reduce(self: Rc<Self>, action: Action) -> Rc<Self> {
        let mut state = Self::clone(&self);
        match action {
            Action::Change(outcome) => state.change(outcome),
            Action::Heard(message) => state.heard(message),
            Action::Open(round) => state.round = round,
            Action::Go(place) => state.place = place,
            Action::Choose(dataset) if dataset == state.chosen.dataset => {}
            Action::Choose(dataset) => {
                state.choose(dataset);
                state.take(state.scenario.clone());
                (state.link, state.notice) = (None, None);
            }
            Action::TakePart(evaluator) => state.take_part(evaluator),
            Action::Again => state.take(state.scenario.clone()),
            Action::Follow(fragment) => state.follow(&fragment),
        }
        Rc::new(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn after(state: State, actions: impl IntoIterator<Item = Action>) -> State {
        let state = actions.into_iter().fold(Rc::new(state), |state, action| state.reduce(action));
        Rc::unwrap_or_clone(state)
    }

    fn done(id: u32, report: Report) -> Action {
        Action::Heard(FromWorker::Done { id, report: Box::new(report), cancelled: false, elapsed_ms: 1.0 })
    }

    #[test]
    fn a_change_asks_for_a_new_run_and_a_late_answer_to_the_old_one_is_not_heard() {
        let state = State::new("");
        assert_eq!(state.run, 1);
        let changed = state.scenario.with("seed", "7");
        let state = after(state, [Action::Change(changed), done(1, fixture::report("{}"))]);
        assert_eq!((state.run, state.phase), (2, Phase::Waiting));
        assert!(state.report.is_none());
        let state = after(state, [done(2, fixture::report(r#"{"seed": 7}"#))]);
        assert!(state.whole_report().is_some());
        assert_eq!(state.share_link().digest, state.report.map(|report| report.digest.clone()));
    }

    #[test]
    fn a_refused_change_leaves_the_result_and_says_where() {
        let state = after(State::new(""), [done(1, fixture::report("{}"))]);
        let refused = state.scenario.with("rounds", "0");
        let state = after(state, [Action::Change(refused)]);
        assert_eq!(state.fault.as_ref().map(|fault| fault.path.as_str()), Some("rounds"));
        assert!(state.whole_report().is_some());
    }

    #[test]
    fn a_link_is_replayed_and_compared_until_a_control_changes() {
        let report = fixture::report(r#"{"rounds": 50}"#);
        let link = Link::of(&report, View { place: Place::Network, round: Some(3) });
        let state = after(State::new(&link.to_string()), [done(1, report.clone())]);
        assert_eq!(state.notice, Some(Notice::Replayed(Replay::Reproduced)));
        assert_eq!((state.place, state.round), (Place::Network, 3));
        let changed = state.scenario.with("seed", "7");
        let state = after(state, [Action::Change(changed)]);
        assert_eq!((state.notice, state.link), (None, None));
    }

    #[test]
    fn a_broken_link_is_told_and_the_default_runs() {
        let state = State::new("#9.abc");
        assert!(matches!(&state.notice, Some(Notice::Refused(words)) if words.contains("version 9")));
        assert_eq!(state.scenario, Scenario::default());
        let state = after(state, [done(1, fixture::report("{}"))]);
        assert!(matches!(state.notice, Some(Notice::Refused(_))), "the words stay beside the default's result");
    }

    #[test]
    fn a_link_that_does_not_fit_the_dataset_gives_way_to_the_default() {
        let mut report = fixture::report(r#"{"rounds": 50}"#);
        report.scenario.evaluators_per_round = 9;
        let link = Link::of(&report, View::default());
        let failure = Failure {
            part: Part::Run { id: 1, path: "evaluators_per_round".into() },
            message: "9 evaluators a round; allowed: 1 to 3".into(),
        };
        let state = after(State::new(&link.to_string()), [Action::Heard(FromWorker::Failed(failure))]);
        assert!(matches!(&state.notice, Some(Notice::Refused(words)) if words.contains("allowed: 1 to 3")));
        assert_eq!((state.run, state.scenario), (2, Scenario::default()));
    }

    #[test]
    fn an_evaluator_of_this_device_becomes_a_group_where_groups_are_named_and_goes_again() {
        let join = || Action::TakePart(Some(Box::new(fixture::added_evaluator())));
        let state = after(State::new(""), [join()]);
        assert_eq!((state.run, state.scenario.network.evaluators.len()), (2, 0), "all take part");

        let named = state.scenario.with("network.evaluators", r#"[{"model": "near"}, {"model": "odd"}]"#);
        let state = after(State::new(""), [Action::Change(named), join()]);
        let models = |state: &State| -> Vec<String> {
            state.scenario.network.evaluators.iter().map(|group| group.model.clone()).collect()
        };
        assert_eq!(models(&state), ["near", "odd", "near@device"]);
        let state = after(state, [Action::TakePart(None)]);
        assert_eq!((models(&state), &state.chosen.evaluator), (vec!["near".to_owned(), "odd".to_owned()], &None));
    }

    #[test]
    fn a_dataset_is_chosen_by_hand_or_by_a_link_and_takes_the_evaluator_of_the_former_away() {
        let join = Action::TakePart(Some(Box::new(fixture::added_evaluator())));
        let state = after(State::new(""), [join, Action::Choose(Shipped::PoqLab1)]);
        assert_eq!((state.run, &*state.chosen), (3, &Chosen { dataset: Shipped::PoqLab1, evaluator: None }));
        let state = after(state, [Action::Choose(Shipped::PoqLab1)]);
        assert_eq!(state.run, 3, "it is chosen already");

        let mut report = fixture::report(r#"{"rounds": 50}"#);
        report.dataset.id = "poq-lab-1".to_owned();
        let link = Link::of(&report, View::default()).to_string();
        assert_eq!(State::new(&link).chosen.dataset, Shipped::PoqLab1);
        report.scenario.preset = preset::FREE_RIDERS.to_owned();
        let own = Link::of(&report, View::default()).to_string();
        assert_eq!(State::new(&own).chosen.dataset, Shipped::PoqLab2, "the preset has a dataset of its own");
    }

    #[test]
    fn an_evaluator_that_does_not_fit_is_told_and_does_not_stay() {
        let join = Action::TakePart(Some(Box::new(fixture::added_evaluator())));
        let refused = Failure { part: Part::Evaluator, message: "another dataset".into() };
        let state = after(State::new(""), [join, Action::Heard(FromWorker::Failed(refused))]);
        assert_eq!((&state.chosen.evaluator, state.run), (&None, 3));
        assert_eq!(state.notice, Some(Notice::NotTaken("another dataset".to_owned())));
    }

    #[test]
    fn a_run_without_a_dataset_ends_and_a_link_is_not_blamed() {
        let link = Link::of(&fixture::report(r#"{"rounds": 50}"#), View::default());
        let missing = |part| Action::Heard(FromWorker::Failed(Failure { part, message: "gone".into() }));
        let run = Part::Run { id: 1, path: DATASET.to_owned() };
        let state = after(State::new(&link.to_string()), [missing(Part::Dataset), missing(run)]);
        assert_eq!((state.phase, state.run, &state.notice), (Phase::Refused, 1, &None));
        assert!(matches!(state.dataset, DatasetState::Failed(words) if words == "gone"));
    }

    #[test]
    fn a_cancelled_run_shares_no_digest() {
        let mut report = fixture::report("{}");
        (report.rounds, report.scenario.rounds) = (10, 10);
        let message = FromWorker::Done { id: 1, report: Box::new(report), cancelled: true, elapsed_ms: 1.0 };
        let state = after(State::new(""), [Action::Heard(message), Action::Open(4999)]);
        let link = state.share_link();
        assert_eq!((link.digest, link.scenario.rounds, link.view.round), (None, 10, None));
        assert_eq!(state.scenario.rounds, 5000, "what is asked for stays");
        assert_eq!(state.round_to_open().map(|(_, round)| round), Some(9));
    }
}
