//! The whole dataset, scored anew on this device.

use wasm_bindgen::JsValue;
use web_sys::HtmlSelectElement;
use yew::prelude::*;

use super::part::{PartProps, begin};
use super::state::{Action, Work};
use super::{TAKES_PART, words};
use crate::app::browser;
use crate::protocol::encode;
use poq_core::dataset::AddedEvaluator;

/// The dataset, scored anew.
#[component]
pub fn Anew(props: &PartProps) -> Html {
    let PartProps { state, act } = props;
    // The evaluator that was handed over.
    let handed = use_state_eq(|| None::<AddedEvaluator>);
    let (evaluators, others) = match &state.corpus {
        Some(Ok(corpus)) => (corpus.evaluators.as_slice(), corpus.others.as_slice()),
        Some(Err(_)) | None => (&[][..], &[][..]),
    };
    let choose = {
        let (act, evaluators) = (act.clone(), evaluators.to_vec());
        move |event: Event| {
            let chosen = event.target_unchecked_into::<HtmlSelectElement>().selected_index();
            if let Some(evaluator) = usize::try_from(chosen).ok().and_then(|chosen| evaluators.get(chosen)) {
                act.change(Action::RescoreWith(evaluator.clone()));
            }
        }
    };
    let is_possible = state.device.is_some()
        && !state.is_busy()
        && state.rescore_with.as_ref().is_some_and(|evaluator| state.can_score(evaluator));
    html! {
        <section aria-labelledby="score-dataset">
            <h3 id="score-dataset">{ "Score the whole dataset anew" }</h3>
            <div class="buttons">
                <select aria-label="Evaluator" onchange={choose} disabled={state.is_busy()}>
                    { for evaluators.iter().map(|evaluator| html! {
                        <option value={evaluator.id.clone()} selected={Some(evaluator) == state.rescore_with.as_ref()}>
                            { &evaluator.name }
                        </option>
                    }) }
                </select>
                if state.doing == Some(Work::Rescore) {
                    <button type="button" onclick={{ let act = act.clone(); move |_: MouseEvent| act.stop() }}>{ "Stop" }</button>
                } else {
                    <button type="button" disabled={!is_possible} onclick={begin(act, Work::Rescore)}>{ "Score every answer" }</button>
                }
            </div>
            if !others.is_empty() {
                <p class="quiet">{ format!("Of this dataset's evaluators these do not run here: {}.", others.join("; ")) }</p>
            }
            if let Some((done, of)) = state.rescoring {
                <progress max={of.max(1).to_string()} value={done.to_string()} aria-label="Answers scored" />
            }
            <p role="status" data-rescored={state.rescored.is_some().to_string()}
                data-largest={state.rescored.iter().flatten().next().map(|scored| scored.largest.to_string())}>
                { words::rescored(state) }
            </p>
            { state.added().map(|added| part_in_the_network(added, &handed)) }
        </section>
    }
}

/// What can be done with an evaluator that scored the whole dataset.
fn part_in_the_network(added: &AddedEvaluator, handed: &UseStateHandle<Option<AddedEvaluator>>) -> Html {
    let take_part = {
        let (added, set) = (added.clone(), handed.clone());
        move |_: MouseEvent| match hand_over(&added) {
            Ok(()) => set.set(Some(added.clone())),
            Err(error) => wasm_bindgen::throw_val(error),
        }
    };
    html! {
        <>
            <div class="buttons">
                <button type="button" onclick={take_part}>{ "Let it take part in the network" }</button>
            </div>
            <p class="quiet" role="status">
                { if handed.as_ref() == Some(added) {
                    "It was handed to Results and Explore; the top of the page says whether it takes part, and takes it out."
                } else {
                    "In the network its time here is its cost."
                } }
            </p>
        </>
    }
}

/// The page around this program hears the event.
fn hand_over(added: &AddedEvaluator) -> Result<(), JsValue> {
    browser::tell(TAKES_PART, &encode(added)?)
}
