//! The consensus rule: which one, and its parameters.

use poq_core::scenario::{Scenario, ScenarioError};
use web_sys::HtmlSelectElement;
use yew::prelude::*;

use super::explain::Terms;
use super::number::{FieldHead, Number};
use crate::fields;

/// The rule's controls.
#[derive(Clone, PartialEq, Properties)]
pub struct ConsensusRuleProps {
    /// The scenario.
    pub scenario: Scenario,
    /// What was refused, if it was the rule or one of its parameters.
    pub fault: Option<ScenarioError>,
    /// Takes a change.
    pub on_change: Callback<Result<Scenario, ScenarioError>>,
}

/// The rule's controls.
#[component]
pub fn ConsensusRule(props: &ConsensusRuleProps) -> Html {
    let ConsensusRuleProps { scenario, fault, on_change } = props;
    let fault_of = |path: &str| fault.as_ref().filter(|fault| fault.path == path).map(|fault| fault.message.clone());
    let rule = scenario.consensus.name();
    let preset = fields::preset_value(scenario, "consensus.rule");
    let onchange = {
        let (scenario, on_change) = (scenario.clone(), on_change.clone());
        move |event: Event| {
            let word = event.target_unchecked_into::<HtmlSelectElement>().value();
            let changed = scenario.with("consensus.rule", &word);
            if changed.is_err() {
                // A refused change is not shown as made.
                event.target_unchecked_into::<HtmlSelectElement>().set_value(scenario.consensus.name());
            }
            on_change.emit(changed);
        }
    };
    let reset = {
        let (scenario, on_change) = (scenario.clone(), on_change.clone());
        Callback::from(move |_| on_change.emit(fields::reset(&scenario, "consensus")))
    };
    let terms: &'static [&'static str] = match rule {
        "median" => &["consensus", "median"],
        "trimmed_mean" => &["consensus", "trimmed_mean"],
        "trust_weighted" => &["consensus", "trust_weight"],
        "ema_trust" => &["consensus", "ema_trust"],
        "yuma" => &["consensus", "yuma"],
        _ => &["consensus"],
    };
    html! {
        <>
            <div class="field">
                <FieldHead id="consensus-rule" label="Consensus rule" path="consensus.rule" assumed=true
                    help="How the scores of the evaluators drawn become one. arXiv 2601.21189 compares the first four."
                    changed={preset.as_str() != Some(rule)} scenario={scenario.clone()} on_change={reset} />
                <select id="consensus-rule" {onchange}>
                    { for fields::CONSENSUS_RULES.iter().map(|&(word, words)| html! {
                        <option value={word} selected={word == rule}>{ words }</option>
                    }) }
                </select>
                // A refused rule has parameters that are not on view.
                if let Some(fault) = fault.as_ref().filter(|fault| fault.path.starts_with("consensus")) {
                    if !fields::consensus_parameters(&scenario.consensus).iter().any(|field| field.path == fault.path) {
                        <p class="fault" role="alert">{ format!("The rule is as before: {}.", fault.message) }</p>
                    }
                }
            </div>
            { for fields::consensus_parameters(&scenario.consensus).iter().map(|&field| html! {
                <Number key={field.path} {field} scenario={scenario.clone()} on_change={on_change.clone()} fault={fault_of(field.path)} />
            }) }
            <Terms ids={terms} />
        </>
    }
}
