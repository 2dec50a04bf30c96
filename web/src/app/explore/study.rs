//! The studies of Explore beside the map: what is filled in, how far it is, what was found.

use std::rc::Rc;

use poq_core::Scenario;
use yew::prelude::*;

use super::questions::{Form, Kind};
use crate::app::browser;
use crate::app::results::copier;
use crate::app::sheet;
use crate::app::study::StudyWorker;
use crate::format;
use crate::protocol::Summary;
use crate::study::sheet::Opens;
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
    /// The last answer, and its question.
    found: Option<(Rc<Question>, Rc<Sheet>)>,
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
                next.found = next.asked.clone().map(|question| (question, Rc::new(*sheet)));
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
    let StudyPartProps { kind, scenario, summary, is_shown, on_open } = props;
    let kind = *kind;
    let study = use_reducer(|| Study { form: Form::new(scenario), asked: None, phase: Phase::Idle, found: None });
    let said = use_state(String::new);
    let worker = use_memo((), |()| StudyWorker::default());
    let on_edit = {
        let dispatch = study.dispatcher();
        Callback::from(move |form| dispatch.dispatch(Action::Edit(form)))
    };
    let (form, about) = kind.form(&study.form, scenario, summary, &on_edit);
    let can_ask = about.is_some();
    let ask = {
        let (dispatch, worker) = (study.dispatcher(), Rc::clone(&worker));
        let question = about.map(|about| Question { scenario: scenario.clone(), about });
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
        let (ask, is_first) = (ask.clone(), study.phase == Phase::Idle);
        use_effect_with(*is_shown, move |is_shown| {
            if *is_shown && is_first {
                ask.emit(());
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
    let stale = !is_running && study.found.as_ref().is_some_and(|(asked, _)| asked.scenario != *scenario);
    let id = kind.id();
    let found = study.found.as_ref().map(|(asked, sheet)| {
        let (command, json) = (asked.command(), Rc::clone(sheet));
        let save = move |_: MouseEvent| browser::download(&format!("poq-{id}.json"), "application/json", &json.json);
        html! {
            <>
                { sheet::view(id, &sheet.blocks, kind.terms(), on_open) }
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
        <section class="study" id={format!("{id}-part")} aria-labelledby={format!("{id}-part-heading")} data-study={phase_word(&study.phase)}>
            <h2 id={format!("{id}-part-heading")}>{ kind.heading() }</h2>
            <p class="caption">{ kind.about() }</p>
            <form class="study-form boxes" onsubmit={submit} novalidate=true aria-label={kind.heading()}>
                { form }
                <button type="submit" disabled={!can_ask}>{ if is_running { "Start again" } else { "Find out" } }</button>
            </form>
            if stale {
                <div class="banner stale" role="status">
                    <p>{ "This is of the former scenario." }</p>
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
