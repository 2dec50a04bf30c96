//! The papers, reproduced: what was published beside what is measured.

use std::rc::Rc;

use poq_core::link::Place;
use poq_core::scenario::{Scenario, ScenarioError};
use yew::prelude::*;

use super::sheet::SheetView;
use super::study::StudyWorker;
use crate::format;
use crate::study::sheet::{Block, Opens};
use crate::study::{FromStudy, Progress, ToStudy};

/// What is reproduced so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reproduction {
    blocks: Rc<Vec<Block>>,
    progress: Option<Progress>,
    /// What is to be said of it, once it is whole.
    done: Option<String>,
    fault: Option<String>,
}

impl Reducible for Reproduction {
    type Action = FromStudy;

    fn reduce(self: Rc<Self>, message: FromStudy) -> Rc<Self> {
        let mut next = Rc::unwrap_or_clone(self);
        match message {
            FromStudy::More(blocks) => Rc::make_mut(&mut next.blocks).extend(blocks),
            FromStudy::Progress(progress) => next.progress = Some(progress),
            FromStudy::Done(words) => next.done = Some(words),
            FromStudy::Failed(words) => next.fault = Some(words),
            // They are of questions, which are not asked here.
            FromStudy::Ready | FromStudy::Answer(_) => {}
        }
        Rc::new(next)
    }
}

/// The reproduction, begun when it is first wanted and then kept.
#[hook]
pub fn use_reproduction(is_wanted: bool) -> Rc<Reproduction> {
    let reproduction = use_reducer_eq(Reproduction::default);
    let worker = use_mut_ref(|| None::<Rc<StudyWorker>>);
    let dispatch = reproduction.dispatcher();
    use_effect_with(is_wanted, move |&is_wanted| {
        if is_wanted && worker.borrow().is_none() {
            let own = Rc::new(StudyWorker::default());
            let asked = Rc::clone(&own);
            own.ask(&ToStudy::Reproduce, move |message| {
                if matches!(message, FromStudy::Done(_) | FromStudy::Failed(_)) {
                    asked.stop();
                }
                dispatch.dispatch(message);
            });
            *worker.borrow_mut() = Some(own);
        }
    });
    Rc::new((*reproduction).clone())
}

/// What is shown.
#[derive(Clone, PartialEq, Properties)]
pub struct ReproduceProps {
    /// What is reproduced so far.
    pub reproduction: Rc<Reproduction>,
    /// Takes the scenario of a paper.
    pub on_change: Callback<Result<Scenario, ScenarioError>>,
    /// Shows a place.
    pub on_go: Callback<Place>,
}

/// The papers, reproduced.
#[component]
pub fn Reproduce(props: &ReproduceProps) -> Html {
    let ReproduceProps { reproduction, on_change, on_go } = props;
    let open = use_callback((on_change.clone(), on_go.clone()), |opens: Opens, (on_change, on_go)| {
        on_change.emit(Ok(opens.scenario));
        on_go.emit(Place::Results);
    });
    html! {
        <section id="reproduce" aria-labelledby="reproduce-title">
            <h2 id="reproduce-title">{ "The papers, reproduced" }</h2>
            <p>
                { "Published figures beside what this program measures. The first paper’s network is a synthetic dataset, fitted to \
                   the figures published about it: no text of it is a model’s. Claims are tested on it and on the shipped \
                   dataset of real recorded outputs." }
            </p>
            <p role="status" data-state={if reproduction.done.is_some() { "done" } else { "running" }}>{ status(reproduction) }</p>
            if let Some(words) = &reproduction.fault {
                <p class="fault" role="alert">{ format!("The reproduction stopped: {words}. Reload the page to begin it again.") }</p>
            }
            <SheetView id="reproduced" blocks={Rc::clone(&reproduction.blocks)} terms={&[][..]} on_open={open} />
        </section>
    }
}

fn status(reproduction: &Reproduction) -> String {
    match reproduction {
        Reproduction { fault: Some(_), .. } => String::new(),
        Reproduction { done: Some(words), .. } => words.clone(),
        Reproduction { progress: Some(Progress { what, done, of }), .. } => {
            format!("{} of {} {what}.", format::count(*done), format::count(*of))
        }
        _ => "Fitting the dataset and running its first rounds …".to_owned(),
    }
}
