//! The whole dataset, scored anew on this device.

use web_sys::HtmlSelectElement;
use yew::prelude::*;

use super::part::{PartProps, begin};
use super::state::{Action, Work};
use super::words;
use poq_inference::protocol::Evaluator;

/// The dataset, scored anew.
#[component]
pub fn Anew(props: &PartProps) -> Html {
    let PartProps { state, act } = props;
    let choose = {
        let act = act.clone();
        move |event: Event| {
            let chosen = event.target_unchecked_into::<HtmlSelectElement>().value();
            if let Some(evaluator) = Evaluator::ALL.into_iter().find(|evaluator| evaluator.id() == chosen) {
                act.change(Action::RescoreWith(evaluator));
            }
        }
    };
    let is_possible = state.device.is_some()
        && !state.is_busy()
        && matches!(state.corpus, Some(Ok(_)))
        && (!state.rescore_with.is_neural() || state.encoder.is_some());
    html! {
        <section aria-labelledby="score-dataset">
            <h3 id="score-dataset">{ "Score the whole dataset anew" }</h3>
            <div class="buttons">
                <select aria-label="Evaluator" onchange={choose} disabled={state.is_busy()}>
                    { for Evaluator::ALL.iter().map(|evaluator| html! {
                        <option value={evaluator.id()} selected={*evaluator == state.rescore_with}>{ evaluator.name() }</option>
                    }) }
                </select>
                if state.doing == Some(Work::Rescore) {
                    <button type="button" onclick={{ let act = act.clone(); move |_: MouseEvent| act.stop() }}>{ "Stop" }</button>
                } else {
                    <button type="button" disabled={!is_possible} onclick={begin(act, Work::Rescore)}>{ "Score every answer" }</button>
                }
            </div>
            if let Some((done, of)) = state.rescoring {
                <progress max={of.max(1).to_string()} value={done.to_string()} aria-label="Answers scored" />
            }
            <p role="status" data-rescored={state.rescored.is_some().to_string()}
                data-largest={state.rescored.iter().flatten().next().map(|scored| scored.largest.to_string())}>
                { words::rescored(state) }
            </p>
        </section>
    }
}
