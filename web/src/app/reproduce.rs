//! The papers, reproduced: what was published beside what is measured.

use std::rc::Rc;

use poq_core::link::Place;
use poq_core::paper::{self, Claims, Figure, Finding, Number, Origin, Part, Unsaid, Verdict};
use poq_core::scenario::{Scenario, ScenarioError};
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, Event, MessageEvent, Worker, WorkerOptions, WorkerType};
use yew::prelude::*;

use crate::format;
use crate::protocol::decode;
use crate::study::{FromStudy, Paper};

/// The script of its worker.
const WORKER: &str = "./study-worker_loader.js";

/// What is reproduced so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reproduction {
    digest: String,
    figures: Vec<Figure>,
    profiles: Vec<Number>,
    claims: Vec<(Paper, Claims)>,
    progress: Option<(usize, usize)>,
    is_done: bool,
    fault: Option<String>,
}

impl Reducible for Reproduction {
    type Action = FromStudy;

    fn reduce(self: Rc<Self>, message: FromStudy) -> Rc<Self> {
        let mut next = (*self).clone();
        match message {
            FromStudy::Figures { digest, figures, profiles } => {
                next = Self { digest, figures, profiles, ..next };
            }
            FromStudy::Claims { paper, claims } => next.claims.push((paper, claims)),
            FromStudy::Progress { done, of } => next.progress = Some((done, of)),
            FromStudy::Done => next.is_done = true,
            FromStudy::Failed(words) => next.fault = Some(words),
        }
        Rc::new(next)
    }
}

/// The reproduction, begun when it is first wanted and then kept.
#[hook]
pub fn use_reproduction(is_wanted: bool) -> Rc<Reproduction> {
    let reproduction = use_reducer_eq(Reproduction::default);
    let started = use_mut_ref(|| false);
    let dispatch = reproduction.dispatcher();
    use_effect_with(is_wanted, move |&is_wanted| {
        if !is_wanted || started.replace(true) {
            return;
        }
        if let Err(error) = start(dispatch.clone()) {
            dispatch.dispatch(FromStudy::Failed(format!("this browser did not start its worker ({error:?})")));
        }
    });
    Rc::new((*reproduction).clone())
}

fn start(dispatch: UseReducerDispatcher<Reproduction>) -> Result<(), JsValue> {
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    let worker = Worker::new_with_options(WORKER, &options)?;
    let (own, heard) = (worker.clone(), dispatch.clone());
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let message = decode(event.data().as_string()).unwrap_or_else(FromStudy::Failed);
        if matches!(message, FromStudy::Done | FromStudy::Failed(_)) {
            own.terminate();
        }
        heard.dispatch(message);
    });
    worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    let on_error = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
        let message = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message);
        let words = message.filter(|text| !text.is_empty()).unwrap_or_else(|| "it could not be loaded".to_owned());
        dispatch.dispatch(FromStudy::Failed(format!("its worker stopped: {words}")));
    });
    worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    on_error.forget();
    Ok(())
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
    let open = |preset: &'static str| {
        let (on_change, on_go) = (on_change.clone(), on_go.clone());
        let onclick = move |_| {
            on_change.emit(Scenario::preset(preset));
            on_go.emit(Place::Results);
        };
        html! { <button type="button" {onclick}>{ "Open as the scenario" }</button> }
    };
    let claims = |paper: Paper| {
        let of = reproduction.claims.iter().filter(move |(of, _)| *of == paper).map(|(_, claims)| claims);
        html! { { for of.map(|claims| of_dataset(paper, claims)) } }
    };
    html! {
        <section id="reproduce" aria-labelledby="reproduce-title">
            <h2 id="reproduce-title">{ "The papers, reproduced" }</h2>
            <p>
                { "Published figures beside what this program measures. The first paper’s network is a synthetic dataset, fitted to \
                   the figures published about it: no text of it is a model’s. Claims are tested on it and on the shipped \
                   dataset of real recorded outputs." }
            </p>
            <p role="status" data-state={if reproduction.is_done { "done" } else { "running" }}>{ status(reproduction) }</p>
            if let Some(words) = &reproduction.fault {
                <p class="fault" role="alert">{ format!("The reproduction stopped: {words}. Reload the page to begin it again.") }</p>
            }
            if !reproduction.figures.is_empty() {
                <h3>{ "arXiv 2512.16317: cost-aware Proof of Quality" }</h3>
                { open(paper::DATASET_ID) }
                { figures(&reproduction.figures) }
                <p class="quiet">{ format!("5,000 rounds, seed 42; digest {}", reproduction.digest) }</p>
                { claims(Paper::CostAware) }
                { profiles(&reproduction.profiles) }
                { unsaid(Paper::CostAware, paper::unsaid()) }
            }
            if reproduction.progress.is_some() {
                <h3>{ "arXiv 2601.21189: rules against attacks" }</h3>
                { open(poq_core::preset::ROBUST) }
                { claims(Paper::Robust) }
                { unsaid(Paper::Robust, paper::robust::unsaid()) }
            }
        </section>
    }
}

fn status(reproduction: &Reproduction) -> String {
    match reproduction {
        Reproduction { fault: Some(_), .. } => String::new(),
        Reproduction { is_done: true, figures, .. } => {
            let agree = figures.iter().filter(|figure| figure.agrees == Some(true)).count();
            format!("{agree} of {} published figures agree within their tolerance.", figures.len())
        }
        Reproduction { progress: Some((done, of)), .. } => {
            format!(
                "Running rules against attacks: {} of {} runs.",
                format::count(*done as u64),
                format::count(*of as u64)
            )
        }
        _ => "Fitting the dataset and running its first rounds …".to_owned(),
    }
}

fn figures(figures: &[Figure]) -> Html {
    let row = |figure: &Figure| {
        let published = match (figure.published, figure.at_least, figure.at_most) {
            (Some(published), ..) => format::number(published),
            (None, Some(least), _) => format!("at least {}", format::number(least)),
            (None, None, Some(most)) => format!("at most {}", format::number(most)),
            (None, None, None) => figure.wording.clone(),
        };
        let agrees = figure.agrees.map_or("not measured", |agrees| if agrees { "✓ agrees" } else { "✗ differs" });
        html! {
            <tr>
                <th scope="row" class="text">{ &figure.name }</th>
                <td>{ &figure.source }</td>
                <td>{ published }</td>
                <td>{ format::mean(figure.measured) }</td>
                <td>{ figure.difference.map_or_else(|| "–".to_owned(), |difference| format::fixed(difference, 3)) }</td>
                <td>{ agrees }</td>
            </tr>
        }
    };
    html! {
        <div class="scroll" tabindex="0" role="region" aria-label="Published figures">
            <table>
                <caption>{ "Published and measured" }</caption>
                <thead><tr>
                    <th scope="col">{ "figure" }</th><th scope="col">{ "source" }</th><th scope="col">{ "published" }</th>
                    <th scope="col">{ "measured" }</th><th scope="col">{ "difference" }</th><th scope="col">{ "outcome" }</th>
                </tr></thead>
                <tbody>{ for figures.iter().map(row) }</tbody>
            </table>
        </div>
    }
}

/// A verdict's sign, so that it is told by more than a word.
fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "✓",
        Verdict::Open => "?",
        Verdict::Fails => "✗",
        Verdict::NotApplicable => "–",
    }
}

/// Its number on arXiv.
fn number(paper: Paper) -> &'static str {
    match paper {
        Paper::CostAware => "2512.16317",
        Paper::Robust => "2601.21189",
    }
}

fn of_dataset(paper: Paper, claims: &Claims) -> Html {
    let number = number(paper);
    html! {
        <section class="claims" aria-label={format!("Claims of {number} on the dataset {}", claims.dataset.id)}>
            <h4>{ format!("Its claims on the dataset {}", claims.dataset.id) }</h4>
            <ol>{ for claims.findings.iter().map(finding) }</ol>
        </section>
    }
}

fn finding(finding: &Finding) -> Html {
    let part = |part: &Part| {
        let interval = part.ci95.map(|[low, high]| {
            format!(" ({} to {}, 95% for {})", format::number(low), format::number(high), part.interval_of)
        });
        let value = part.value.map(|value| format!(": {}", format::number(value)));
        html! {
            <li>
                { format!("{} {}{}{}", sign(part.verdict), part.what, value.unwrap_or_default(), interval.unwrap_or_default()) }
            </li>
        }
    };
    html! {
        <li value={finding.claim.to_string()}>
            <p><strong>{ format!("{} {}", sign(finding.verdict), finding.verdict.words()) }</strong>{ " " }{ &finding.statement }</p>
            <details>
                <summary>{ "By how much" }</summary>
                <ul>{ for finding.parts.iter().map(part) }</ul>
                if !finding.tensions.is_empty() {
                    <p>{ "What speaks against it, or limits it:" }</p>
                    <ul>{ for finding.tensions.iter().map(|tension| html! { <li>{ tension }</li> }) }</ul>
                }
            </details>
        </li>
    }
}

fn profiles(profiles: &[Number]) -> Html {
    let origin = |origin: Origin| match origin {
        Origin::Published => "published",
        Origin::Fitted => "fitted",
        Origin::Assumed => "assumed",
    };
    html! {
        <details class="folded">
            <summary>{ "Every number of the fitted dataset, and where it comes from" }</summary>
            <div class="scroll" tabindex="0" role="region" aria-label="Numbers of the fitted dataset">
                <table>
                    <caption>{ "Profiles" }</caption>
                    <thead><tr>
                        <th scope="col">{ "of" }</th><th scope="col" class="text">{ "number" }</th><th scope="col">{ "value" }</th>
                        <th scope="col" class="text">{ "unit" }</th><th scope="col" class="text">{ "origin" }</th>
                        <th scope="col" class="text">{ "because" }</th>
                    </tr></thead>
                    <tbody>{ for profiles.iter().map(|number| html! {
                        <tr>
                            <th scope="row">{ &number.of }</th>
                            <td class="text">{ &number.name }</td>
                            <td>{ format::number(number.value) }</td>
                            <td class="text">{ &number.unit }</td>
                            <td class="text">{ origin(number.origin) }</td>
                            <td class="text">{ &number.because }</td>
                        </tr>
                    }) }</tbody>
                </table>
            </div>
        </details>
    }
}

fn unsaid(paper: Paper, unsaid: &[Unsaid]) -> Html {
    html! {
        <details class="folded">
            <summary>{ "What the paper leaves unsaid" }</summary>
            <div class="scroll" tabindex="0" role="region" aria-label={format!("What {} leaves unsaid", number(paper))}>
                <table>
                    <caption>{ "Left open, and assumed" }</caption>
                    <thead><tr>
                        <th scope="col">{ "left open" }</th><th scope="col" class="text">{ "field" }</th>
                        <th scope="col" class="text">{ "assumed" }</th>
                    </tr></thead>
                    <tbody>{ for unsaid.iter().map(|unsaid| html! {
                        <tr>
                            <th scope="row">{ unsaid.what }</th>
                            <td class="text">{ unsaid.field.unwrap_or("not a field") }</td>
                            <td class="text">{ unsaid.assumed }</td>
                        </tr>
                    }) }</tbody>
                </table>
            </div>
        </details>
    }
}
