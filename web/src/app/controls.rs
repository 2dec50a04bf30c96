//! The controls of the scenario, grouped.

use std::rc::Rc;

use poq_core::dataset::Shipped;
use poq_core::preset;
use poq_core::scenario::{InferenceDraw, Scenario, ScenarioError};
use web_sys::{HtmlInputElement, HtmlSelectElement};
use yew::prelude::*;

use super::attacks::Attacks;
use super::consensus::ConsensusRule;
use super::explain::Terms;
use super::number::{FieldHead, Number};
use crate::fields::{self, Choice};
use crate::groups;
use crate::protocol::Summary;

/// The controls.
#[derive(Clone, PartialEq, Properties)]
pub struct ControlsProps {
    /// What they say.
    pub scenario: Scenario,
    /// The dataset, once it is read.
    pub summary: Option<Rc<Summary>>,
    /// The dataset of scenarios whose preset has none of its own.
    pub chosen: Shipped,
    /// Chooses that dataset.
    pub on_choose: Callback<Shipped>,
    /// What was refused.
    pub fault: Option<ScenarioError>,
    /// Takes a change.
    pub on_change: Callback<Result<Scenario, ScenarioError>>,
}

/// The controls.
#[component]
pub fn Controls(props: &ControlsProps) -> Html {
    let ControlsProps { scenario, summary, chosen, on_choose, fault, on_change } = props;
    let fault_of = |path: &str| {
        let fault = fault.as_ref().filter(|fault| fault.path == path || fault.path.starts_with(&format!("{path}.")))?;
        Some(fault.message.clone())
    };
    let number = |field: fields::NumberField, max: Option<f64>| {
        html! {
            <Number {field} scenario={scenario.clone()} on_change={on_change.clone()} {max} fault={fault_of(field.path)} />
        }
    };
    let pool = summary
        .as_ref()
        .map(|summary| groups::instances(&scenario.network.evaluators, summary.evaluators.len()) as f64);
    let choose = on_choose.reform(|event: Event| {
        // Its options are these.
        Shipped::of(&event.target_unchecked_into::<HtmlSelectElement>().value()).unwrap_or_default()
    });
    html! {
        <>
            // A preset that has a dataset of its own leaves nothing to choose.
            if preset::dataset_of(&scenario.preset).is_none() {
                <fieldset>
                    <legend><label for="dataset">{ "Dataset" }</label></legend>
                    <select id="dataset" onchange={choose}>
                        { for Shipped::ALL.into_iter().map(|shipped| html! {
                            <option value={shipped.id()} selected={shipped == *chosen}>{ shipped.id() }</option>
                        }) }
                    </select>
                    <p class="quiet">{ chosen.about() }</p>
                </fieldset>
            }
            <fieldset>
                <legend>{ "Reward of inference nodes" }</legend>
                { for fields::INFERENCE_WEIGHTS.iter().map(|&field| number(field, None)) }
            </fieldset>
            <fieldset>
                <legend>{ "Reward of evaluators" }</legend>
                { for fields::EVALUATOR_WEIGHTS.iter().map(|&field| number(field, None)) }
            </fieldset>
            if let Some(words) = fault_of("reward") {
                <p class="fault" role="alert">{ words }</p>
            }
            <fieldset>
                <legend>{ "A round" }</legend>
                { number(fields::EVALUATORS_PER_ROUND, pool) }
                <Select path="inference_draw" label="Who answers" choices={&fields::INFERENCE_DRAWS[..]}
                    help="Which inference nodes answer the task of a round." scenario={scenario.clone()}
                    on_change={on_change.clone()} />
                if matches!(scenario.inference_draw, InferenceDraw::Softmax { .. }) {
                    { for fields::SOFTMAX.iter().map(|&field| number(field, None)) }
                    <Terms ids={&["routing"][..]} />
                }
                <Select path="cost_normalization" label="Cost" choices={&fields::COST_NORMALIZATIONS[..]}
                    help="How mean latencies become costs from 0 to 1, within each pool of nodes."
                    scenario={scenario.clone()} on_change={on_change.clone()} />
                <TaskKinds scenario={scenario.clone()} on_change={on_change.clone()} fault={fault_of("task_kinds")} />
                { number(fields::ROUNDS, None) }
            </fieldset>
            <fieldset>
                <legend>{ "Consensus" }</legend>
                <ConsensusRule scenario={scenario.clone()} fault={fault.clone()} on_change={on_change.clone()} />
            </fieldset>
            <Optional path="staking" legend="Stakes of evaluators" label="stakes at risk" fields={&fields::STAKING[..]} terms={&["slashing"][..]}
                is_on={scenario.staking.is_some()} fault={fault.clone()} scenario={scenario.clone()} on_change={on_change.clone()} />
            <Optional path="money" legend="Money" label="profit in money" fields={&fields::MONEY[..]} terms={&["profit"][..]}
                is_on={scenario.money.is_some()} fault={fault.clone()} scenario={scenario.clone()} on_change={on_change.clone()} />
            if let Some(summary) = summary {
                <Attacks scenario={scenario.clone()} summary={Rc::clone(summary)} fault={fault.clone()}
                    on_change={on_change.clone()} />
                <details class="folded">
                    <summary>{ "From raw values to scores" }</summary>
                    { for summary.evaluators.iter().map(|evaluator| {
                        let own = evaluator.normalization
                            .and_then(|own| serde_json::to_value(own).ok())
                            .and_then(|own| own.as_str().map(str::to_owned));
                        html! {
                            <Select key={evaluator.id.clone()} path={format!("score_normalization.{}", evaluator.id)}
                                label={summary.name_of(&evaluator.id)} choices={&fields::SCORE_NORMALIZATIONS[..]}
                                help="How this evaluator’s raw value becomes a score from 0 to 10." {own}
                                scenario={scenario.clone()} on_change={on_change.clone()} />
                        }
                    }) }
                </details>
            }
        </>
    }
}

/// A part of the scenario that is there or not, with its fields.
#[derive(Clone, PartialEq, Properties)]
struct OptionalProps {
    path: &'static str,
    legend: &'static str,
    label: &'static str,
    fields: &'static [fields::NumberField],
    terms: &'static [&'static str],
    is_on: bool,
    scenario: Scenario,
    fault: Option<ScenarioError>,
    on_change: Callback<Result<Scenario, ScenarioError>>,
}

#[component]
fn Optional(props: &OptionalProps) -> Html {
    let OptionalProps { path, legend, label, fields, terms, is_on, scenario, fault, on_change } = props;
    let toggle = {
        let (scenario, on_change, path) = (scenario.clone(), on_change.clone(), *path);
        move |event: Event| {
            let input = event.target_unchecked_into::<HtmlInputElement>();
            let checked = input.checked();
            let outcome = scenario.with(path, if checked { "{}" } else { "null" });
            if outcome.is_err() {
                // A refused change is not shown as made.
                input.set_checked(!checked);
            }
            on_change.emit(outcome);
        }
    };
    let fault_of = |path: &str| fault.as_ref().filter(|fault| fault.path == path).map(|fault| fault.message.clone());
    html! {
        <fieldset>
            <legend>{ *legend }</legend>
            <label class="check"><input id={*path} type="checkbox" checked={*is_on} onchange={toggle} />{ *label }</label>
            if let Some(words) = fault_of(path) {
                <p class="fault" role="alert">{ words }</p>
            }
            if *is_on {
                { for fields.iter().map(|&field| html! {
                    <Number key={field.path} {field} scenario={scenario.clone()} on_change={on_change.clone()} fault={fault_of(field.path)} />
                }) }
                <Terms ids={*terms} />
            }
        </fieldset>
    }
}

/// A choice.
#[derive(Clone, PartialEq, Properties)]
struct SelectProps {
    path: AttrValue,
    label: AttrValue,
    help: AttrValue,
    choices: &'static [Choice],
    /// The value where the scenario has none.
    #[prop_or_default]
    own: Option<String>,
    scenario: Scenario,
    on_change: Callback<Result<Scenario, ScenarioError>>,
}

#[component]
fn Select(props: &SelectProps) -> Html {
    let SelectProps { path, label, help, choices, own, scenario, on_change } = props;
    // A choice with parameters is an object that names it.
    let name = |value: serde_json::Value| value.get("rule").unwrap_or(&value).as_str().map(str::to_owned);
    let set = name(fields::get(scenario, path));
    let value = set.clone().or_else(|| own.clone()).unwrap_or_default();
    let changed = name(fields::get(scenario, path)) != name(fields::preset_value(scenario, path));
    let id = path.replace('.', "-");
    let onchange = {
        let (scenario, on_change, path, own) = (scenario.clone(), on_change.clone(), path.clone(), own.clone());
        move |event: Event| {
            let word = event.target_unchecked_into::<HtmlSelectElement>().value();
            let entry = path.strip_prefix("score_normalization.");
            on_change.emit(match entry {
                // The dataset's own normalisation is said by saying nothing.
                Some(id) if own.as_deref() == Some(&word) => Ok(without_normalization(&scenario, id)),
                _ => scenario.with(&path, &word),
            });
        }
    };
    let reset = {
        let (on_change, path, scenario) = (on_change.clone(), path.clone(), scenario.clone());
        Callback::from(move |outcome: Result<Scenario, ScenarioError>| {
            on_change.emit(match path.strip_prefix("score_normalization.") {
                Some(id) => Ok(without_normalization(&scenario, id)),
                None => outcome,
            });
        })
    };
    html! {
        <div class="field">
            <FieldHead id={id.clone()} {label} {path} {help} assumed=true {changed} scenario={scenario.clone()} on_change={reset} />
            <select {id} {onchange}>
                { for choices.iter().map(|&(word, words)| html! {
                    <option value={word} selected={word == value}>
                        { words }
                        if own.as_deref() == Some(word) { { ", as the dataset says" } }
                    </option>
                }) }
            </select>
        </div>
    }
}

fn without_normalization(scenario: &Scenario, id: &str) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.score_normalization.remove(id);
    scenario
}

/// Which kinds of task are drawn.
#[derive(Clone, PartialEq, Properties)]
struct TaskKindsProps {
    scenario: Scenario,
    on_change: Callback<Result<Scenario, ScenarioError>>,
    fault: Option<String>,
}

#[component]
fn TaskKinds(props: &TaskKindsProps) -> Html {
    let TaskKindsProps { scenario, on_change, fault } = props;
    let chosen: Vec<&str> = scenario.task_kinds.iter().map(|kind| kind.as_str()).collect();
    let boxes = fields::TASK_KINDS.iter().map(|&(kind, words)| {
        let checked = chosen.contains(&kind);
        let (scenario, on_change) = (scenario.clone(), on_change.clone());
        let chosen: Vec<String> = chosen.iter().map(|&kind| kind.to_owned()).collect();
        let onchange = move |event: Event| {
            let input = event.target_unchecked_into::<HtmlInputElement>();
            let is_in =
                |word: &str| if word == kind { input.checked() } else { chosen.iter().any(|known| known == word) };
            let kinds: Vec<&str> =
                fields::TASK_KINDS.iter().map(|&(word, _)| word).filter(|word| is_in(word)).collect();
            let outcome = scenario.with("task_kinds", &serde_json::json!(kinds).to_string());
            if outcome.is_err() {
                // A refused change is not shown as made.
                input.set_checked(true);
            }
            on_change.emit(outcome);
        };
        html! {
            <label class="check"><input type="checkbox" {checked} {onchange} />{ words }</label>
        }
    });
    html! {
        <div class="field" role="group" aria-labelledby="task-kinds-label">
            <div class="field-head"><span id="task-kinds-label">{ "Tasks drawn" }</span></div>
            { for boxes }
            if let Some(words) = fault {
                <p class="fault" role="alert">{ words }</p>
            }
        </div>
    }
}
