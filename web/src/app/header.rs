//! The head of the page: name, preset, seed, share, places, colours, help.

use poq_core::link::Place;
use poq_core::preset::PRESETS;
use poq_core::scenario::{Scenario, ScenarioError};
use web_sys::{HtmlDialogElement, HtmlSelectElement};
use yew::prelude::*;

use super::browser;
use super::explain::definition;
use super::number::Number;
use crate::fields;
use crate::glossary::TERMS;

/// The head.
#[derive(Clone, PartialEq, Properties)]
pub struct HeaderProps {
    /// What the controls say.
    pub scenario: Scenario,
    /// What is on view.
    pub place: Place,
    /// What was refused, if it was the seed.
    pub fault: Option<String>,
    /// Takes a change.
    pub on_change: Callback<Result<Scenario, ScenarioError>>,
    /// Shows a place.
    pub on_go: Callback<Place>,
    /// Shares what is on view.
    pub on_share: Callback<()>,
}

/// The head.
#[component]
pub fn Header(props: &HeaderProps) -> Html {
    let HeaderProps { scenario, place, fault, on_change, on_go, on_share } = props;
    let help = use_node_ref();
    let choose_preset =
        on_change.reform(|event: Event| Scenario::preset(&event.target_unchecked_into::<HtmlSelectElement>().value()));
    let reset_all = {
        let (scenario, on_change) = (scenario.clone(), on_change.clone());
        move |_: MouseEvent| on_change.emit(Scenario::preset(&scenario.preset))
    };
    let new_seed = {
        let (scenario, on_change) = (scenario.clone(), on_change.clone());
        move |_: MouseEvent| on_change.emit(Ok(Scenario { seed: browser::fresh_seed(), ..scenario.clone() }))
    };
    let show_help = {
        let help = help.clone();
        move |_: MouseEvent| {
            if let Some(dialog) = help.cast::<HtmlDialogElement>() {
                // It fails only for a dialog that is already open.
                dialog.show_modal().unwrap_or_default();
            }
        }
    };
    let is_changed = Scenario::preset(&scenario.preset).is_ok_and(|preset| preset != *scenario);
    let tab = |to: Place, words: &'static str| {
        html! {
            <button type="button" class="place" aria-current={(*place == to).then_some("page")}
                onclick={on_go.reform(move |_: MouseEvent| to)}>{ words }</button>
        }
    };
    html! {
        <header class="top">
            <div class="brand">
                <h1>{ "PoQ Lab" }</h1>
                <p>{ "Who should a decentralised LLM network pay?" }</p>
            </div>
            <div class="run-bar">
                <div class="preset">
                    <label for="preset">{ "Preset" }</label>
                    <select id="preset" onchange={choose_preset}>
                        { for PRESETS.iter().map(|preset| html! {
                            <option value={preset.name} selected={preset.name == scenario.preset}>{ preset.title }</option>
                        }) }
                    </select>
                    if is_changed {
                        <button type="button" class="reset" onclick={reset_all}>{ "● reset all" }</button>
                    }
                </div>
                <div class="seed">
                    <Number field={fields::SEED} scenario={scenario.clone()} on_change={on_change.clone()} fault={fault.clone()} />
                    <button type="button" class="small" onclick={new_seed} aria-label="New seed">{ "new" }</button>
                </div>
                <button type="button" class="share" onclick={on_share.reform(|_: MouseEvent| ())}>{ "Share" }</button>
            </div>
            <nav class="places" aria-label="Places">
                { tab(Place::Network, "Network") }
                { tab(Place::Results, "Results") }
                { tab(Place::Explore, "Explore") }
                { tab(Place::Score, "Score") }
                { tab(Place::Reproduce, "Reproduce") }
            </nav>
            <div class="manners">
                <Theme />
                <button type="button" class="small" onclick={show_help}>{ "Help" }</button>
            </div>
            <dialog ref={help} class="help" aria-labelledby="help-heading">
                <Help />
            </dialog>
        </header>
    }
}

/// What the preset is about. The default needs no words of its own: the page is about it.
pub fn about_preset(scenario: &Scenario) -> Option<Html> {
    let preset = PRESETS.iter().skip(1).find(|preset| preset.name == scenario.preset)?;
    Some(html! { <p class="about-preset">{ preset.about }</p> })
}

const THEME_KEY: &str = "poq-theme";
const THEMES: [(&str, &str); 3] = [("auto", "system’s colours"), ("light", "light"), ("dark", "dark")];

#[component]
fn Theme() -> Html {
    let theme = use_state(|| {
        browser::stored(THEME_KEY)
            .filter(|theme| THEMES.iter().any(|(known, _)| known == theme))
            .unwrap_or_else(|| "auto".to_owned())
    });
    use_effect_with((*theme).clone(), |theme| browser::set_theme(theme));
    let onchange = {
        let theme = theme.clone();
        move |event: Event| {
            let chosen = event.target_unchecked_into::<HtmlSelectElement>().value();
            browser::store(THEME_KEY, &chosen);
            theme.set(chosen);
        }
    };
    html! {
        <select aria-label="Colours" class="theme" {onchange}>
            { for THEMES.iter().map(|&(word, words)| html! {
                <option value={word} selected={word == *theme}>{ words }</option>
            }) }
        </select>
    }
}

#[component]
fn Help() -> Html {
    html! {
        <>
            <form method="dialog">
                <h2 id="help-heading">{ "Help" }</h2>
                <button class="small">{ "Close" }</button>
            </form>
            <p>
                { "PoQ Lab plays thousands of rounds of Proof of Quality, simulated with what real models answered to real prompts, and \
                   shows who would be paid what, and how sure that is. Change a control and the result follows." }
            </p>
            <h3>{ "Keys" }</h3>
            <ul>
                <li>{ "Tab goes from control to control; each plot is one stop, in which the arrow keys go from point to point." }</li>
                <li>{ "In the map of Explore the arrow keys go from cell to cell, and Enter opens the cell as the scenario." }</li>
                <li>{ "Enter on a square of “Can the consensus be trusted” opens a round; ← and → then step through the rounds." }</li>
            </ul>
            <h3>{ "Sharing" }</h3>
            <p>
                { "“Share” copies a link that holds the settings and the result’s digest. Whoever opens it replays the run \
                   and is told whether it gives the same result to the last bit." }
            </p>
            <h3>{ "In the browser’s console" }</h3>
            <p>
                <code>{ "await poqLab.digest({ seed: 7 })" }</code>
                { " runs a scenario, given as the fields that differ from the default, and gives its digest." }
            </p>
            <h3>{ "Terms" }</h3>
            <div class="glossary">{ for TERMS.iter().map(|term| html! { <div class="definition">{ definition(term) }</div> }) }</div>
        </>
    }
}
