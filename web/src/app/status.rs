//! What the run is doing, and what a share link gave.

use std::rc::Rc;

use poq_core::Report;
use poq_core::dataset::{AddedEvaluator, Shipped};
use poq_core::link::Replay;
use poq_core::preset::{self, Origin};
use yew::prelude::*;

use super::browser;
use super::state::{DatasetState, Notice, Phase, State};
use crate::format;
use crate::headline::headline;
use crate::map::words;
use crate::protocol::{Summary, Written};

/// What the state and its actions need of the page.
#[derive(Clone, PartialEq, Properties)]
pub struct StatusProps {
    /// The state.
    pub state: Rc<State>,
    /// Stops the run.
    pub on_cancel: Callback<()>,
    /// Runs it again.
    pub on_again: Callback<()>,
    /// Takes this device's evaluator out of the network.
    pub on_leave: Callback<()>,
    /// Writes down the dataset with it.
    pub on_write: Callback<()>,
}

/// Headline, progress and notices.
#[component]
pub fn Status(props: &StatusProps) -> Html {
    let StatusProps { state, on_cancel, on_again, on_leave, on_write } = props;
    let summary = match &state.dataset {
        DatasetState::Ready(summary) => Some(summary),
        DatasetState::Loading | DatasetState::Failed(_) => None,
    };
    let sentence = state.report.as_deref().zip(summary).map(|(report, summary)| headline(report, summary));
    // Read out when a run ends, not at every step on the way.
    let spoken = use_state(String::new);
    {
        let (spoken, sentence) = (spoken.setter(), sentence.clone().unwrap_or_default());
        use_effect_with((state.phase, sentence), move |(phase, sentence)| {
            if let Phase::Ended { cancelled, .. } = phase {
                spoken.set(format!("{}{sentence}", if *cancelled { "Cancelled. " } else { "" }));
            }
        });
    }
    html! {
        <section class="status" aria-label="Result in a sentence" data-phase={phase_word(state.phase)}
            data-dataset={state.report.as_ref().map(|report| report.dataset.id.clone())}>
            { state.notice.as_ref().map(notice) }
            { state.chosen.evaluator.as_deref().map(|evaluator| taking_part(evaluator, state, on_leave, on_write)) }
            if let Some(words) = &state.engine_fault {
                <p class="fault banner" role="alert">{ words }</p>
            }
            if let DatasetState::Failed(words) = &state.dataset {
                <div class="fault banner" role="alert" data-fault="dataset">
                    <p><strong>{ "The dataset could not be read." }</strong></p>
                    <p>{ words }</p>
                    <p>{ format!("It must lie beside the page, in datasets/{}/, whole and as its manifest says. Put it right and reload the page.", shipped(state).id()) }</p>
                </div>
            }
            if let Some(sentence) = &sentence {
                <p class="headline">{ sentence }</p>
            } else if state.engine_fault.is_none() && !matches!(state.dataset, DatasetState::Failed(_)) {
                <p class="headline quiet">
                    { if summary.is_some() { "Running the first rounds …" } else { "Loading the dataset …" } }
                </p>
            }
            if let Some(k) = smaller_k(state) {
                <p class="quiet">{ format!("K is {k} here, all evaluators that there are: nobody set it, and by default it is 3.") }</p>
            }
            { fault(state) }
            { progress(state, summary, on_cancel, on_again) }
            <p class="visually-hidden" role="status" aria-live="polite">{ &*spoken }</p>
        </section>
    }
}

/// The dataset beside the page that the scenario runs on.
fn shipped(state: &State) -> Shipped {
    match preset::dataset_of(&state.scenario.preset) {
        Some(Origin::Shipped(own)) => own,
        Some(Origin::Made(_)) | None => state.chosen.dataset,
    }
}

/// The K of the result on view where the pool of evaluators has fewer than the K that nobody set.
fn smaller_k(state: &State) -> Option<u32> {
    let of_report = state.report.as_ref()?.scenario.evaluators_per_round;
    let is_fitted = of_report < state.scenario.evaluators_per_round;
    (is_fitted && matches!(state.phase, Phase::Ended { .. })).then_some(of_report)
}

/// A fault stands at its control as well; where the control may be out of sight, it is said here.
fn fault(state: &State) -> Option<Html> {
    let fault = state.fault.as_ref()?;
    let rest = if state.report.is_some() { " The last good result is shown." } else { "" };
    Some(html! {
        <p class="fault" role="alert" data-fault={fault.path.clone()}>
            { format!("{}: {}.{rest}", words::field(&fault.path).0, fault.message) }
        </p>
    })
}

/// The evaluator of this device that takes part.
fn taking_part(evaluator: &AddedEvaluator, state: &State, on_leave: &Callback<()>, on_write: &Callback<()>) -> Html {
    let times = evaluator.scores.iter().map(|score| score.latency_ms).sum::<f64>();
    let mean_ms = times / evaluator.scores.len().max(1) as f64;
    let rest = match preset::dataset_of(&state.scenario.preset) {
        None => "It makes the dataset another one: links to results with it replay where that dataset is.",
        Some(_) => "It scored the dataset that is chosen; this preset runs on one of its own.",
    };
    html! {
        <div class="banner" role="status" data-evaluator={evaluator.entry.id.clone()}>
            <p>{ format!("One more evaluator takes part: {}, {} a score. {rest}", evaluator.entry.name, format::duration(mean_ms)) }</p>
            <div class="buttons">
                <button type="button" class="small" onclick={on_leave.reform(|_: MouseEvent| ())}>{ "Take it out" }</button>
                if let Some(written) = &state.written {
                    { save(written, "manifest.json", |written| &written.manifest) }
                    { save(written, "scores.jsonl", |written| &written.scores) }
                } else {
                    <button type="button" class="small" onclick={on_write.reform(|_: MouseEvent| ())}>{ "Write the dataset down" }</button>
                }
            </div>
            if state.written.is_some() {
                <p>{ "With tasks.jsonl and outputs.jsonl of the dataset here, these two files are one for `poq simulate --dataset`." }</p>
            }
        </div>
    }
}

fn save(written: &Rc<Written>, name: &'static str, text: fn(&Written) -> &str) -> Html {
    let written = Rc::clone(written);
    let save = move |_: MouseEvent| browser::download(name, "application/json", text(&written));
    html! { <button type="button" class="small" onclick={save}>{ format!("Save {name}") }</button> }
}

fn notice(notice: &Notice) -> Html {
    match notice {
        Notice::Refused(words) => html! {
            <div class="banner fault" role="alert" data-outcome="refused">
                <p><strong>{ "This share link cannot be replayed." }</strong></p>
                <p>{ format!("{words}. The default scenario is shown instead.") }</p>
            </div>
        },
        Notice::NotTaken(words) => html! {
            <p class="banner fault" role="alert" data-outcome="not_taken">
                { format!("The evaluator of this device cannot take part: {words}.") }
            </p>
        },
        Notice::Replayed(replay) => {
            let (outcome, sign) = match replay {
                Replay::Reproduced => ("reproduced", "✓ "),
                Replay::NoDigest => ("no_digest", ""),
                Replay::OtherDataset { .. } => ("other_dataset", "≠ "),
                Replay::OtherEngine { .. } => ("other_engine", "≠ "),
                Replay::OtherDigest { .. } => ("other_digest", "≠ "),
            };
            html! {
                <p class={classes!("banner", outcome)} role="status" data-outcome={outcome}>
                    <span aria-hidden="true">{ sign }</span>{ replay.to_string() }
                </p>
            }
        }
    }
}

fn progress(state: &State, summary: Option<&Rc<Summary>>, on_cancel: &Callback<()>, on_again: &Callback<()>) -> Html {
    let total = state.scenario.rounds;
    let cancel = on_cancel.reform(|_: MouseEvent| ());
    match state.phase {
        Phase::Running { rounds_done } => {
            let words = format!("{} of {} rounds", format::count(rounds_done), format::count(total));
            html! {
                <div class="progress">
                    <progress max="1" value={(rounds_done as f64 / total.max(1) as f64).to_string()} aria-label="Rounds run" />
                    <span>{ words }</span>
                    <button type="button" class="small" onclick={cancel}>{ "Cancel" }</button>
                </div>
            }
        }
        Phase::Ended { cancelled: true, .. } => {
            let done = state.report.as_ref().map_or(0, |report| report.rounds);
            html! {
                <div class="progress cancelled">
                    <span>{ format!("Cancelled after {} of {} rounds: the result is of those.", format::count(done), format::count(total)) }</span>
                    <button type="button" class="small" onclick={on_again.reform(|_: MouseEvent| ())}>{ "Run again" }</button>
                </div>
            }
        }
        Phase::Ended { elapsed_ms, .. } => {
            html! { <p class="progress quiet">{ state.report.as_deref().map(|report| took(report, elapsed_ms)) }</p> }
        }
        Phase::Waiting if summary.is_some() => html! { <p class="progress quiet">{ "Running …" }</p> },
        Phase::Waiting | Phase::Refused => html! { <p class="progress" /> },
    }
}

/// For tests and styles.
fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting",
        Phase::Running { .. } => "running",
        Phase::Ended { cancelled: true, .. } => "cancelled",
        Phase::Ended { cancelled: false, .. } => "done",
        Phase::Refused => "refused",
    }
}

fn took(report: &Report, elapsed_ms: f64) -> String {
    let rounds = format::counted(report.rounds, "round", "rounds");
    if elapsed_ms < 20.0 {
        return format!("{rounds} in {}.", format::duration(elapsed_ms.max(1.0)));
    }
    let rate = report.rounds as f64 / elapsed_ms / 1000.0;
    format!("{rounds} in {}, {} million a second.", format::duration(elapsed_ms), format::number(rate))
}
