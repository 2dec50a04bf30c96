//! What the parts of the place share.

use std::rc::Rc;

use web_sys::File;
use yew::prelude::*;

use super::engine::Engine;
use super::state::{Action, Source, State, Work};
use poq_inference::protocol::ToInference;

/// What the parts of the place do: changes of the state, and messages to the worker.
#[derive(Clone)]
pub struct Act {
    dispatch: UseReducerDispatcher<State>,
    engine: Rc<Engine>,
}

impl PartialEq for Act {
    fn eq(&self, other: &Self) -> bool {
        self.dispatch == other.dispatch
    }
}

impl Act {
    /// By this state and this worker.
    pub fn new(dispatch: UseReducerDispatcher<State>, engine: Rc<Engine>) -> Self {
        Self { dispatch, engine }
    }

    /// Changes the state.
    pub fn change(&self, action: Action) {
        self.dispatch.dispatch(action);
    }

    /// Tells the worker.
    pub fn send(&self, message: &ToInference) {
        self.engine.send(message, &[]);
    }

    /// Uses a file that the reader picked, once the device is free for it.
    pub fn open(&self, file: File) {
        let (name, number) = (file.name(), self.engine.hold(file));
        self.change(Action::Load(Source::File { name, number }));
    }

    /// Tells the worker to load a model.
    pub fn load(&self, source: &Source) {
        match source {
            Source::Stored(model) => self.send(&ToInference::Load { model: model.clone() }),
            Source::File { number, .. } => self.send_files(&ToInference::Open, &self.engine.held(*number)),
        }
    }

    /// Tells the worker, with files.
    pub fn send_files(&self, message: &ToInference, files: &[File]) {
        self.engine.send(message, files);
    }

    /// Stops the work that is under way.
    pub fn stop(&self) {
        self.send(&ToInference::Stop);
    }
}

/// What each part is given.
#[derive(Clone, PartialEq, Properties)]
pub struct PartProps {
    /// The state.
    pub state: UseReducerHandle<State>,
    /// What can be done.
    pub act: Act,
}

/// Begins a piece of work.
pub fn begin(act: &Act, work: Work) -> Callback<MouseEvent> {
    let act = act.clone();
    Callback::from(move |_: MouseEvent| act.change(Action::Begin(work)))
}
