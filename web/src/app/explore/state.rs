//! What Explore holds: the form of the map, the map, how far it is, what of it is shown.

use std::rc::Rc;

use poq_core::Scenario;
use yew::prelude::*;

use crate::app::pool::News;
use crate::map::form::{Form, Place as FormPlace};
use crate::map::paint::Shows;
use crate::map::{Map, Place};

/// The state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explore {
    /// What is filled in.
    pub form: Form,
    /// What of it was refused.
    pub fault: Option<(FormPlace, String)>,
    /// The map, perhaps of a form or scenario before.
    pub map: Option<Rc<Map>>,
    /// Rounds that were filled in for it, where they are not the scenario's own.
    pub rounds: Option<u64>,
    /// How far it is.
    pub phase: Phase,
    /// Workers that stopped, in words.
    pub weaker: Option<String>,
    /// What its cells show.
    pub shows: Shows,
    /// The node for [`Shows::Node`]; empty for the first.
    pub node: String,
    /// The cell in question.
    pub cursor: Place,
    opened: Option<Rc<Opened>>,
}

/// How far a map is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Phase {
    /// None was asked for.
    #[default]
    Idle,
    /// Under way.
    Running,
    /// Stopped; what is done stays.
    Cancelled,
    /// Every cell is done.
    Done {
        /// Time that it took.
        elapsed_ms: f64,
    },
    /// No worker is left, and why.
    Failed(String),
}

/// What was opened as the scenario: a cell, or what a study found.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// Its scenario.
    pub scenario: Scenario,
    /// What it is.
    pub words: String,
    /// The scenario before it.
    pub former: Scenario,
}

/// What changes the state.
#[derive(Debug)]
pub enum Action {
    /// Something was filled in.
    Edit(Form),
    /// What the form asks for cannot be.
    Refuse(FormPlace, String),
    /// A map is begun, with the rounds that were filled in for it.
    Start(Rc<Map>, Option<u64>),
    /// The workers said something.
    Heard(News),
    /// The map is stopped.
    Cancel,
    /// The dataset became another.
    Forget,
    /// The cells are to show something else.
    Show(Shows),
    /// The node for [`Shows::Node`].
    Node(String),
    /// Another cell is in question.
    Cursor(Place),
    /// A cell is opened as the scenario.
    Open(Rc<Opened>),
    /// The scenario before it is back.
    Close,
}

impl Explore {
    /// The cell that was opened as the scenario.
    #[must_use]
    pub fn opened(&self) -> Option<Rc<Opened>> {
        self.opened.clone()
    }

    /// Whether the map is no longer one of `scenario`.
    #[must_use]
    pub fn is_stale(&self, scenario: &Scenario) -> bool {
        self.map.as_ref().is_some_and(|map| !map.is_of(scenario, self.rounds))
    }

    fn heard(&mut self, news: News) {
        match news {
            News::Items(items) => {
                if let Some(map) = &mut self.map {
                    Rc::make_mut(map).take(items);
                }
            }
            News::Done { elapsed_ms } => self.phase = Phase::Done { elapsed_ms },
            News::Weaker(words) => self.weaker = Some(words),
            News::Failed(words) => self.phase = Phase::Failed(words),
        }
    }
}

impl Reducible for Explore {
    type Action = Action;

    fn reduce(self: Rc<Self>, action: Action) -> Rc<Self> {
        let mut state = Rc::unwrap_or_clone(self);
        match action {
            Action::Edit(form) => {
                state.form = form;
                state.fault = None;
            }
            Action::Refuse(place, words) => state.fault = Some((place, words)),
            Action::Start(map, rounds) => {
                // Nearest to the middle, so that the first arrow key has somewhere to go.
                state.cursor = (map.size().0 / 2, map.size().1 / 2);
                state.map = Some(map);
                state.rounds = rounds;
                state.phase = Phase::Running;
                state.fault = None;
                state.weaker = None;
            }
            Action::Heard(news) => state.heard(news),
            Action::Forget => state = Self::default(),
            Action::Cancel => state.phase = Phase::Cancelled,
            Action::Show(shows) => state.shows = shows,
            Action::Node(node) => state.node = node,
            Action::Cursor(place) => state.cursor = place,
            Action::Open(opened) => state.opened = Some(opened),
            Action::Close => state.opened = None,
        }
        Rc::new(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::map::form;
    use crate::protocol::{Item, Roster, Summary};

    fn after(actions: impl IntoIterator<Item = Action>) -> Rc<Explore> {
        actions.into_iter().fold(Rc::new(Explore::default()), |state, action| state.reduce(action))
    }

    fn start() -> Action {
        let map = form::map(&Form::default(), &Scenario::default(), &Summary::of(&fixture::dataset()));
        Action::Start(Rc::new(map.expect("a map")), None)
    }

    #[test]
    fn a_cancelled_map_keeps_what_it_has() {
        let items = vec![(Rc::new(Roster::default()), Item { item: 5, ..Item::default() })];
        let state = after([start(), Action::Heard(News::Items(items)), Action::Cancel]);
        assert_eq!((state.phase.clone(), state.map.as_ref().map(|map| map.done())), (Phase::Cancelled, Some(1)));
    }

    #[test]
    fn a_change_elsewhere_makes_the_map_stale_but_leaves_it() {
        let state = after([start()]);
        let along = Scenario::default().with("reward.alpha_inference", "0.1").expect("valid");
        assert!(!state.is_stale(&Scenario::default()) && !state.is_stale(&along));
        assert!(state.is_stale(&Scenario { seed: 7, ..along }) && state.map.is_some());
    }

    #[test]
    fn a_refusal_goes_with_the_next_edit() {
        let state = after([start(), Action::Refuse(FormPlace::Rounds, "no".to_owned())]);
        assert!(state.fault.is_some() && state.map.is_some());
        assert_eq!(state.reduce(Action::Edit(Form::default())).fault, None);
    }
}
