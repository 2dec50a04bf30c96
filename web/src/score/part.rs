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
        let (name, number) = (file.name(), self.engine.hold(vec![file]));
        self.change(Action::Load(Source::File { name, number }));
    }

    /// Uses a folder that the reader picked for a model that only the dataset names, once the device is free for it.
    pub fn open_folder(&self, name: &str, key: &str, files: Vec<File>) {
        let number = Some(self.engine.hold(files));
        self.change(Action::Load(Source::Folder { name: name.to_owned(), key: key.to_owned(), number }));
    }

    /// Tells the worker to load a model; `beside` are the paths of the files in its folder beside the page.
    pub fn load(&self, source: &Source, beside: &[String]) {
        match source {
            Source::Stored(model) => self.send(&ToInference::Load { model: model.clone() }),
            Source::File { number, .. } => self.send_files(&ToInference::Open, &self.engine.held(*number)),
            Source::Folder { name, key, number } => {
                let files = number.map(|number| self.engine.held(number)).unwrap_or_default();
                let paths = if number.is_some() { files.iter().map(path_within).collect() } else { beside.to_vec() };
                let message = ToInference::OpenFolder { name: name.clone(), key: key.clone(), paths };
                self.send_files(&message, &files);
            }
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

/// Path of a file within the folder that the reader picked; its name, where files were picked one by one.
fn path_within(file: &File) -> String {
    let path = js_sys::Reflect::get(file, &"webkitRelativePath".into()).ok().and_then(|path| path.as_string());
    path.as_deref().and_then(|path| path.split_once('/')).map_or_else(|| file.name(), |(_, within)| within.to_owned())
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
