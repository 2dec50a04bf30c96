//! The network: how many instances of each recorded node take part, and how they differ from what was recorded.

use std::rc::Rc;

use poq_core::limits::{self, Bounds};
use poq_core::scenario::{Scenario, ScenarioError};
use web_sys::HtmlInputElement;
use yew::prelude::*;

use crate::format;
use crate::groups::{self, Row};
use crate::protocol::{NodeSummary, Summary};

/// The place.
#[derive(Clone, PartialEq, Properties)]
pub struct NetworkProps {
    /// The scenario.
    pub scenario: Scenario,
    /// The dataset.
    pub summary: Rc<Summary>,
    /// What was refused.
    pub fault: Option<ScenarioError>,
    /// Takes a change.
    pub on_change: Callback<Result<Scenario, ScenarioError>>,
}

/// The place.
#[component]
pub fn Network(props: &NetworkProps) -> Html {
    let NetworkProps { scenario, summary, fault, on_change } = props;
    let words = fault.as_ref().filter(|fault| fault.path.starts_with("network")).map(|fault| fault.message.clone());
    html! {
        <>
            if let Some(words) = words {
                <p class="fault" role="alert">{ format!("The network is as before: {words}.") }</p>
            }
            <Role role={RoleOf::Inference} scenario={scenario.clone()} nodes={summary.inference.clone()}
                on_change={on_change.clone()} />
            <Role role={RoleOf::Evaluators} scenario={scenario.clone()} nodes={summary.evaluators.clone()}
                on_change={on_change.clone()} />
            <section class="figure about">
                <h2>{ "The dataset behind it" }</h2>
                <dl>
                    <dt>{ "Name" }</dt><dd>{ &summary.name.id }</dd>
                    <dt>{ "Tasks" }</dt>
                    <dd>{ format!("{} questions, {} summaries", format::count(summary.tasks[0]), format::count(summary.tasks[1])) }</dd>
                    <dt>{ "Measured on" }</dt><dd>{ &summary.hardware }</dd>
                    <dt>{ "Made by" }</dt><dd>{ &summary.made_by }</dd>
                    <dt>{ "Licences" }</dt><dd>{ &summary.licences }</dd>
                    <dt>{ "Hash" }</dt><dd><code class="hash">{ &summary.name.hash }</code></dd>
                </dl>
            </section>
        </>
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RoleOf {
    Inference,
    Evaluators,
}

/// The recorded nodes, each with whether it is in the default network.
fn recorded(nodes: &[NodeSummary]) -> Vec<(&str, bool)> {
    nodes.iter().map(|node| (node.id.as_str(), node.in_default_network)).collect()
}

#[derive(Clone, PartialEq, Properties)]
struct RoleProps {
    role: RoleOf,
    scenario: Scenario,
    nodes: Vec<NodeSummary>,
    on_change: Callback<Result<Scenario, ScenarioError>>,
}

#[component]
fn Role(props: &RoleProps) -> Html {
    let RoleProps { role, scenario, nodes, on_change } = props;
    let refusal = use_state(|| None::<String>);
    let is_noisy = *role == RoleOf::Evaluators;
    let (title, name, own) = match role {
        RoleOf::Inference => ("Inference nodes", "inference", &scenario.network.inference),
        RoleOf::Evaluators => ("Evaluators", "evaluators", &scenario.network.evaluators),
    };
    let rows = Rc::new(groups::rows(own, &recorded(nodes)));
    let set = {
        let (role, scenario, on_change, refusal) = (*role, scenario.clone(), on_change.clone(), refusal.clone());
        let nodes = nodes.clone();
        Callback::from(move |rows: Vec<Row>| match groups::groups(&rows, &recorded(&nodes)) {
            Ok(groups) => {
                refusal.set(None);
                let mut scenario = scenario.clone();
                match role {
                    RoleOf::Inference => scenario.network.inference = groups,
                    RoleOf::Evaluators => scenario.network.evaluators = groups,
                }
                on_change.emit(scenario.check().map(|()| scenario));
            }
            Err(words) => refusal.set(Some(words)),
        })
    };
    let reset = set.reform({
        let nodes = nodes.clone();
        move |_: MouseEvent| groups::rows(&[], &recorded(&nodes))
    });
    let instances =
        groups::instances(own, recorded(nodes).iter().filter(|(_, in_default_network)| *in_default_network).count());
    let heading_id = format!("network-{name}");
    html! {
        <section class="figure" aria-labelledby={heading_id.clone()}>
            <header>
                <h2 id={heading_id}>
                    { title }{ " " }
                    <span class="quiet">{ format!("{} in the network", format::count(instances)) }</span>
                </h2>
                if !own.is_empty() {
                    <button type="button" class="reset" onclick={reset}
                        aria-label={format!("{title} are changed; back to one of each")}>{ "● reset" }</button>
                }
            </header>
            <p class="caption">
                { if is_noisy {
                    "Each row stands for copies of one recorded evaluator. Noise is added to every score they give."
                } else {
                    "Each row stands for copies of one recorded node: same answers, latency times the factor."
                } }
            </p>
            if let Some(words) = &*refusal {
                <p class="fault" role="alert">{ format!("Not changed: {words}.") }</p>
            }
            <ul class="groups">
                { for rows.iter().enumerate().map(|(index, row)| {
                    let node = nodes.iter().find(|node| node.id == row.group.model).cloned();
                    html! { <GroupRow key={format!("{index}-{}", row.group.model)} {name} {index} rows={Rc::clone(&rows)} {node} {is_noisy} set={set.clone()} /> }
                }) }
            </ul>
        </section>
    }
}

#[derive(Clone, PartialEq, Properties)]
struct GroupRowProps {
    name: &'static str,
    index: usize,
    rows: Rc<Vec<Row>>,
    node: Option<NodeSummary>,
    is_noisy: bool,
    set: Callback<Vec<Row>>,
}

#[component]
fn GroupRow(props: &GroupRowProps) -> Html {
    let GroupRowProps { name, index, rows, node, is_noisy, set } = props;
    let Some(row) = rows.get(*index) else {
        return Html::default();
    };
    let title = node.as_ref().map_or(row.group.model.clone(), |node| node.name.clone());
    let kind = node.as_ref().map(|node| node.kind.replace('_', " ")).unwrap_or_default();
    let change = |apply: fn(&mut Row, f64)| {
        let (rows, set, index) = (Rc::clone(rows), set.clone(), *index);
        Callback::from(move |value: f64| {
            let mut rows = rows.to_vec();
            if let Some(row) = rows.get_mut(index) {
                apply(row, value);
            }
            set.emit(rows);
        })
    };
    let include = {
        let (rows, set, index) = (Rc::clone(rows), set.clone(), *index);
        move |event: Event| {
            let input = event.target_unchecked_into::<HtmlInputElement>();
            let mut rows = rows.to_vec();
            if let Some(row) = rows.get_mut(index) {
                row.included = input.checked();
            }
            // Where the change is refused, the scenario stays and the box must show it.
            if !rows.iter().any(|row| row.included) {
                input.set_checked(true);
            }
            set.emit(rows);
        }
    };
    let another = {
        let (rows, set, index) = (Rc::clone(rows), set.clone(), *index);
        move |_: MouseEvent| set.emit(groups::with_another(&rows, index))
    };
    let boxed = |label: &'static str, what: &str, bounds: Bounds, whole: bool, value: f64, apply: fn(&mut Row, f64)| {
        html! {
            <BoundedBox id={format!("{name}-{index}-{what}")} {label} of={title.clone()} {bounds} {whole} {value}
                on_value={change(apply)} />
        }
    };
    html! {
        <li class={classes!((!row.included).then_some("out"))}>
            <label class="check">
                <input type="checkbox" checked={row.included} onchange={include} />
                <span>{ &title }{ " " }<span class="quiet">{ kind }</span></span>
            </label>
            if row.included {
                <div class="boxes">
                    { boxed("copies", "count", limits::GROUP_COUNT, true, f64::from(row.group.count), |row, value| row.group.count = value as u32) }
                    { boxed("× latency", "latency", limits::LATENCY_FACTOR, false, row.group.latency_factor, |row, value| row.group.latency_factor = value) }
                    if *is_noisy {
                        { boxed("stake", "stake", limits::STAKE, false, row.group.stake, |row, value| row.group.stake = value) }
                        { boxed("noise sd, points", "noise", limits::SCORE_NOISE_SD, false, row.group.score_noise_sd, |row, value| row.group.score_noise_sd = value) }
                    }
                    <button type="button" class="small" onclick={another}
                        aria-label={format!("Add another group of {title}")}>{ "+ group" }</button>
                </div>
            }
        </li>
    }
}

/// A number box.
#[derive(Clone, PartialEq, Properties)]
pub struct BoundedBoxProps {
    /// Id of the input.
    pub id: AttrValue,
    /// What it is called.
    pub label: AttrValue,
    /// Of what, for those who do not see where it stands.
    pub of: AttrValue,
    /// What is allowed.
    pub bounds: Bounds,
    /// Whether only whole numbers are allowed.
    pub whole: bool,
    /// The value.
    pub value: f64,
    /// Takes an allowed value.
    pub on_value: Callback<f64>,
}

/// A number box that tells what is wrong with what is typed, and passes on only what is right.
#[component]
pub fn BoundedBox(props: &BoundedBoxProps) -> Html {
    let BoundedBoxProps { id, label, of, bounds, whole, value, on_value } = props;
    let typed = use_state(|| None::<(String, Option<String>)>);
    {
        let typed = typed.setter();
        use_effect_with(value.to_bits(), move |_| typed.set(None));
    }
    let edit = {
        let (typed, on_value, bounds, whole) = (typed.clone(), on_value.clone(), *bounds, *whole);
        move |event: InputEvent| {
            let text = event.target_unchecked_into::<HtmlInputElement>().value();
            match crate::fields::parse_within(bounds, whole, bounds.max, &text) {
                Ok(value) => {
                    typed.set(Some((text, None)));
                    on_value.emit(value);
                }
                Err(words) => typed.set(Some((text, Some(words)))),
            }
        }
    };
    let (text, fault) = match &*typed {
        Some((text, fault)) => (text.clone(), fault.clone()),
        None => (format::input(*value), None),
    };
    html! {
        <div class="box">
            <label for={id.clone()}>{ label }<span class="visually-hidden">{ format!(" of {of}") }</span></label>
            <input id={id.clone()} type="number" inputmode={if *whole { "numeric" } else { "decimal" }}
                min={format::input(bounds.min)} max={format::input(bounds.max)} step={if *whole { "1" } else { "any" }}
                value={text} oninput={edit} aria-invalid={fault.is_some().then_some("true")}
                aria-describedby={fault.is_some().then(|| format!("{id}-fault"))} />
            if let Some(words) = fault {
                <p class="fault" id={format!("{id}-fault")} role="alert">{ words }</p>
            }
        </div>
    }
}
