//! The studies of Explore beside the map: what is filled in, how far it is, what was found.

use std::rc::Rc;

use poq_core::Scenario;
use yew::prelude::*;

use super::questions::{Form, Kind};
use crate::app::browser;
use crate::app::results::copier;
use crate::app::sheet::SheetView;
use crate::app::study::StudyWorker;
use crate::export;
use crate::format;
use crate::protocol::{Chosen, Summary};
use crate::study::sheet::{Block, Opens};
use crate::study::{FromStudy, Progress, Question, Sheet, ToStudy};

/// What is shown.
#[derive(Clone, PartialEq, Properties)]
pub struct StudyPartProps {
    /// Which study.
    pub kind: Kind,
    /// The scenario in question.
    pub scenario: Scenario,
    /// The dataset.
    pub summary: Rc<Summary>,
    /// What it is, where the preset has none of its own.
    pub chosen: Rc<Chosen>,
    /// Whether it is on view: it asks by itself when it first is.
    pub is_shown: bool,
    /// Opens a scenario that it found.
    pub on_open: Callback<Opens>,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq)]
enum Phase {
    #[default]
    Idle,
    Running(Option<Progress>),
    Cancelled,
    Done,
    Failed(String),
}

#[derive(Clone, Debug, PartialEq)]
struct Study {
    form: Form,
    /// What was asked last.
    asked: Option<Rc<Question>>,
    phase: Phase,
    /// The last answer.
    found: Option<Found>,
}

/// An answer, its question, and the same as JSON.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    question: Rc<Question>,
    blocks: Rc<Vec<Block>>,
    json: AttrValue,
}

enum Action {
    Edit(Form),
    Ask(Rc<Question>),
    Heard(FromStudy),
    Cancel,
}

impl Reducible for Study {
    type Action = Action;

    fn reduce(self: Rc<Self>, action: Action) -> Rc<Self> {
        let mut next = Rc::unwrap_or_clone(self);
        match action {
            Action::Edit(form) => next.form = form,
            Action::Ask(question) => (next.asked, next.phase) = (Some(question), Phase::Running(None)),
            Action::Heard(FromStudy::Progress(progress)) => next.phase = Phase::Running(Some(progress)),
            Action::Heard(FromStudy::Answer(sheet)) => {
                next.phase = Phase::Done;
                let Sheet { blocks, json } = *sheet;
                next.found =
                    next.asked.clone().map(|question| Found { question, blocks: Rc::new(blocks), json: json.into() });
            }
            Action::Heard(FromStudy::Failed(words)) => next.phase = Phase::Failed(words),
            // These are of the reproduction.
            Action::Heard(_) => {}
            Action::Cancel => next.phase = Phase::Cancelled,
        }
        Rc::new(next)
    }
}

/// A study.
#[component]
pub fn StudyPart(props: &StudyPartProps) -> Html {
    let StudyPartProps { kind, scenario, summary, chosen, is_shown, on_open } = props;
    let kind = *kind;
    let study = use_reducer(|| Study { form: Form::new(scenario), asked: None, phase: Phase::Idle, found: None });
    let said = use_state(String::new);
    let worker = use_memo((), |()| StudyWorker::default());
    let on_edit = {
        let dispatch = study.dispatcher();
        Callback::from(move |form| dispatch.dispatch(Action::Edit(form)))
    };
    let (form, about) = kind.form(&study.form, scenario, summary, &on_edit);
    let question = about.map(|about| Question { scenario: scenario.clone(), about, chosen: (**chosen).clone() });
    // Said before any work begins.
    let recorded = summary.by_default();
    let too_large = question.as_ref().and_then(|question| question.check_size(recorded).err());
    let question = question.filter(|_| too_large.is_none());
    let ask = {
        let (dispatch, worker) = (study.dispatcher(), Rc::clone(&worker));
        let question = question.clone();
        Callback::from(move |()| {
            if let Some(question) = &question {
                let heard = dispatch.clone();
                dispatch.dispatch(Action::Ask(Rc::new(question.clone())));
                let question = ToStudy::Ask(Box::new(question.clone()));
                worker.ask(&question, move |message| heard.dispatch(Action::Heard(message)));
            }
        })
    };
    {
        let (ask, dispatch, scenario) = (ask.clone(), study.dispatcher(), scenario.clone());
        let is_first = study.phase == Phase::Idle;
        use_effect_with((*is_shown, question.is_some()), move |(is_shown, can_ask)| {
            match (*is_shown && is_first, can_ask) {
                (false, _) => {}
                (true, true) => ask.emit(()),
                // It was made for a scenario before.
                (true, false) => dispatch.dispatch(Action::Edit(Form::new(&scenario))),
            }
        });
    }
    let cancel = {
        let (dispatch, worker) = (study.dispatcher(), Rc::clone(&worker));
        Callback::from(move |_: MouseEvent| {
            worker.stop();
            dispatch.dispatch(Action::Cancel);
        })
    };
    let submit = ask.reform(|event: SubmitEvent| event.prevent_default());
    let is_running = matches!(study.phase, Phase::Running(_));
    let stale = study.found.as_ref().filter(|_| !is_running).and_then(|found| match &question {
        _ if found.question.scenario != *scenario => Some("This is of the former scenario."),
        Some(question) if found.question.about != question.about => Some("This answers what was asked before."),
        _ => None,
    });
    let id = kind.id();
    let found = study.found.as_ref().map(|found| {
        let (command, json) = (export::on_dataset(found.question.command(), summary), found.json.clone());
        let save = move |_: MouseEvent| browser::download(&format!("poq-{id}.json"), "application/json", &json);
        html! {
            <>
                <SheetView {id} blocks={Rc::clone(&found.blocks)} terms={kind.terms()} on_open={on_open.clone()} />
                <div class="take-away">
                    <div class="buttons">
                        <button type="button" onclick={save}>{ "JSON" }</button>
                        <button type="button" onclick={copier(&said, "Command", command.clone())}>{ "Copy as command" }</button>
                    </div>
                    <pre class="scroll" tabindex="0" role="region" aria-label={format!("In a terminal: {}", kind.heading())}><code>{ command }</code></pre>
                    <p class="quiet" role="status">{ &*said }</p>
                </div>
            </>
        }
    });
    html! {
        <section class="study" id={format!("{id}-part")} aria-labelledby={format!("{id}-part-heading")} data-study={if too_large.is_some() { "refused" } else { phase_word(&study.phase) }}>
            <h2 id={format!("{id}-part-heading")}>{ kind.heading() }</h2>
            <p class="caption">{ kind.about() }</p>
            <form class="study-form boxes" onsubmit={submit} novalidate=true aria-label={kind.heading()}>
                { form }
                <button type="submit" disabled={question.is_none()}>{ if is_running { "Start again" } else { "Find out" } }</button>
            </form>
            if let Some(error) = too_large {
                <p class="fault" role="alert">{ format!("{}.", error.message) }</p>
            }
            if let Some(words) = stale {
                <div class="banner stale" role="status">
                    <p>{ words }</p>
                    <button type="button" class="small" onclick={ask.reform(|_: MouseEvent| ())}>{ "Find it out again" }</button>
                </div>
            }
            { progress(&study.phase, cancel) }
            { found }
        </section>
    }
}

/// For tests and styles.
fn phase_word(phase: &Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Running(_) => "running",
        Phase::Cancelled => "cancelled",
        Phase::Done => "done",
        Phase::Failed(_) => "failed",
    }
}

fn progress(phase: &Phase, cancel: Callback<MouseEvent>) -> Html {
    match phase {
        Phase::Idle | Phase::Done => Html::default(),
        Phase::Running(progress) => {
            let (share, words) =
                progress.as_ref().map_or((0.0, "Starting …".to_owned()), |Progress { what, done, of }| {
                    let words = format!("{} of {} {what}", format::count(*done), format::count(*of));
                    (*done as f64 / (*of).max(1) as f64, words)
                });
            html! {
                <div class="progress">
                    <progress max="1" value={share.to_string()} aria-label="How far it is" />
                    <span>{ words }</span>
                    <button type="button" class="small" onclick={cancel}>{ "Cancel" }</button>
                </div>
            }
        }
        Phase::Cancelled => {
            html! { <p class="progress" role="status">{ "Cancelled. What was found before stays." }</p> }
        }
        Phase::Failed(words) => {
            html! { <p class="fault banner" role="alert">{ format!("Nothing new was found: {words}.") }</p> }
        }
    }
}
