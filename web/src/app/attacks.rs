//! The attackers: rows of attacks that can be added, changed and taken away.

use std::rc::Rc;

use poq_core::attack::{Attack, Attackers, Kind};
use poq_core::limits;
use poq_core::scenario::{Scenario, ScenarioError};
use serde_json::json;
use web_sys::{HtmlInputElement, HtmlSelectElement};
use yew::prelude::*;

use super::explain::Terms;
use super::network::BoundedBox;
use crate::attacks;
use crate::fields;
use crate::protocol::Summary;

/// The attackers.
#[derive(Clone, PartialEq, Properties)]
pub struct AttacksProps {
    /// The scenario.
    pub scenario: Scenario,
    /// The dataset.
    pub summary: Rc<Summary>,
    /// What was refused.
    pub fault: Option<ScenarioError>,
    /// Takes a change.
    pub on_change: Callback<Result<Scenario, ScenarioError>>,
}

/// The attackers.
#[component]
pub fn Attacks(props: &AttacksProps) -> Html {
    let AttacksProps { scenario, summary, fault, on_change } = props;
    let set = {
        let (scenario, on_change) = (scenario.clone(), on_change.clone());
        Callback::from(move |attacks: Vec<Attack>| {
            let changed = Scenario { attacks, ..scenario.clone() };
            on_change.emit(changed.check().map(|()| changed));
        })
    };
    let fault = fault.as_ref().filter(|fault| fault.path.starts_with("attacks"));
    let fault_at = |index: usize| {
        let path = format!("attacks.{index}");
        let fault = fault.filter(|fault| fault.path == path || fault.path.starts_with(&format!("{path}.")))?;
        Some(fault.message.clone())
    };
    let elsewhere = fault.filter(|_| (0..scenario.attacks.len()).all(|index| fault_at(index).is_none()));
    let add = {
        let (set, attacks) = (set.clone(), scenario.attacks.clone());
        move |_: MouseEvent| set.emit(attacks.iter().cloned().chain([attacks::fresh()]).collect())
    };
    let is_full = scenario.attacks.len() >= limits::ATTACKS;
    html! {
        <fieldset class="attacks">
            <legend>{ "Attackers" }</legend>
            if scenario.attacks.is_empty() {
                <p class="quiet plain">{ "Everybody is honest." }</p>
            }
            { for scenario.attacks.iter().enumerate().map(|(index, attack)| {
                let (set, attacks) = (set.clone(), scenario.attacks.clone());
                let replace = Callback::from(move |with: Option<Attack>| {
                    let mut attacks = attacks.clone();
                    match with {
                        Some(attack) => attacks[index] = attack,
                        None => drop(attacks.remove(index)),
                    }
                    set.emit(attacks);
                });
                html! {
                    <AttackRow key={index} {index} attack={attack.clone()} summary={Rc::clone(summary)} {replace} fault={fault_at(index)} />
                }
            }) }
            if let Some(fault) = elsewhere {
                <p class="fault" role="alert">{ format!("The attackers are as before: {}.", fault.message) }</p>
            }
            <button type="button" class="small" onclick={add} disabled={is_full}>{ "+ attack" }</button>
            <Terms ids={&["attack", "gain"][..]} />
        </fieldset>
    }
}

#[derive(Clone, PartialEq, Properties)]
struct AttackRowProps {
    index: usize,
    attack: Attack,
    summary: Rc<Summary>,
    /// Takes the attack that stands in its place; none takes it away.
    replace: Callback<Option<Attack>>,
    fault: Option<String>,
}

/// The choice that stands for a share of the nodes, which is no id.
const SHARE: &str = "";

#[component]
fn AttackRow(props: &AttackRowProps) -> Html {
    let AttackRowProps { index, attack, summary, replace, fault } = props;
    let (kind, _) = attack.kind.unwrapped();
    let is_intermittent = matches!(attack.kind, Kind::Intermittent { .. });
    let number = index + 1;
    let candidates: Vec<String> = attacks::candidates(kind, summary).into_iter().map(str::to_owned).collect();
    let choose_kind = {
        let (attack, replace, summary) = (attack.clone(), replace.clone(), Rc::clone(summary));
        move |event: Event| {
            let word = event.target_unchecked_into::<HtmlSelectElement>().value();
            replace.emit(Some(attacks::with_kind(&attack, &word, &summary)));
        }
    };
    let choose_nodes = {
        let (attack, replace) = (attack.clone(), replace.clone());
        move |event: Event| {
            let id = event.target_unchecked_into::<HtmlSelectElement>().value();
            let nodes = if id == SHARE { Attackers::Share { share: 0.2 } } else { Attackers::Named(vec![id]) };
            replace.emit(Some(Attack { nodes, kind: attack.kind.clone() }));
        }
    };
    let choose_target = |field: &'static str| {
        let (attack, replace) = (attack.clone(), replace.clone());
        move |event: Event| {
            let id = event.target_unchecked_into::<HtmlSelectElement>().value();
            let value = if field == "own" { json!([id]) } else { json!(id) };
            replace.emit(Some(attacks::with_field(&attack, field, value)));
        }
    };
    let toggle = {
        let (attack, replace) = (attack.clone(), replace.clone());
        move |event: Event| {
            let checked = event.target_unchecked_into::<HtmlInputElement>().checked();
            replace.emit(Some(attacks::intermittent(&attack, checked)));
        }
    };
    let remove = {
        let replace = replace.clone();
        move |_: MouseEvent| replace.emit(None)
    };
    let parameter = |(name, value, bounds): (&'static str, f64, limits::Bounds)| {
        let (attack, replace) = (attack.clone(), replace.clone());
        let on_value = Callback::from(move |value: f64| {
            replace.emit(Some(attacks::with_field(&attack, name, json!(value))));
        });
        html! {
            <BoundedBox id={format!("attack-{index}-{name}")} label={fields::words(&attacks::NUMBERS, name)}
                of={format!("attack {number}")} {bounds} whole=false {value} {on_value} />
        }
    };
    let named = match &attack.nodes {
        Attackers::Share { .. } => None,
        Attackers::Named(ids) => Some(ids.join(", ")),
    };
    let (target, targets) = match kind {
        Kind::Cabal { own, .. } => (Some(("own", "own node", own.join(", "))), &summary.inference),
        Kind::Downgrade { to } => (Some(("to", "answers as", to.clone())), &summary.inference),
        _ => (None, &summary.inference),
    };
    html! {
        <div class="attack" role="group" aria-label={format!("Attack {number}")}>
            <select aria-label={format!("Kind of attack {number}")} onchange={choose_kind} id={format!("attack-{index}-kind")}>
                { for attacks::KINDS.iter().map(|&(word, words)| html! {
                    <option value={word} selected={word == kind.name()}>{ words }</option>
                }) }
            </select>
            <select aria-label={format!("Who makes attack {number}")} onchange={choose_nodes} id={format!("attack-{index}-nodes")}>
                <option value={SHARE} selected={named.is_none()}>{ "a share of them, drawn by the seed" }</option>
                { for candidates.iter().map(|id| html! {
                    <option value={id.clone()} selected={named.as_ref() == Some(id)}>{ summary.name_of(id) }</option>
                }) }
                if let Some(ids) = named.as_ref().filter(|ids| !candidates.contains(ids)) {
                    <option value={ids.clone()} selected=true>{ ids }</option>
                }
            </select>
            if let Some((field, label, id)) = target {
                <label class="inline">
                    { label }
                    <select onchange={choose_target(field)} id={format!("attack-{index}-{field}")}>
                        { for targets.iter().map(|node| html! {
                            <option value={node.id.clone()} selected={node.id == id}>{ &node.name }</option>
                        }) }
                        if !targets.iter().any(|node| node.id == id) {
                            <option value={id.clone()} selected=true>{ &id }</option>
                        }
                    </select>
                </label>
            }
            <div class="boxes">
                if let Attackers::Share { share } = attack.nodes {
                    <ShareBox {index} {share} attack={attack.clone()} replace={replace.clone()} />
                }
                { for kind.parameters().into_iter().map(parameter) }
                if is_intermittent {
                    { for attack.kind.parameters().into_iter().map(parameter) }
                }
            </div>
            <div class="attack-foot">
                <label class="check"><input type="checkbox" checked={is_intermittent} onchange={toggle} />{ "only at times" }</label>
                <button type="button" class="small" onclick={remove} aria-label={format!("Remove attack {number}")}>{ "remove" }</button>
            </div>
            if let Some(words) = fault {
                <p class="fault" role="alert">{ words }</p>
            }
        </div>
    }
}

#[derive(Clone, PartialEq, Properties)]
struct ShareBoxProps {
    index: usize,
    share: f64,
    attack: Attack,
    replace: Callback<Option<Attack>>,
}

#[component]
fn ShareBox(props: &ShareBoxProps) -> Html {
    let ShareBoxProps { index, share, attack, replace } = props;
    let on_value = {
        let (attack, replace) = (attack.clone(), replace.clone());
        Callback::from(move |share: f64| {
            replace.emit(Some(Attack { nodes: Attackers::Share { share }, kind: attack.kind.clone() }));
        })
    };
    html! {
        <BoundedBox id={format!("attack-{index}-share")} label="share, 0–1" of={format!("attack {}", index + 1)}
            bounds={limits::SHARE} whole=false value={*share} {on_value} />
    }
}
