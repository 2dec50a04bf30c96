//! A number as a labelled box, with a slider beside it where one helps.

use poq_core::Scenario;
use poq_core::scenario::ScenarioError;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use crate::fields::{self, NumberField};
use crate::format;

/// A number's control.
#[derive(Clone, PartialEq, Properties)]
pub struct NumberProps {
    /// The field.
    pub field: NumberField,
    /// The scenario that it is part of.
    pub scenario: Scenario,
    /// Takes the scenario with the change, or the core's refusal.
    pub on_change: Callback<Result<Scenario, ScenarioError>>,
    /// Tighter upper bound than the field's own, such as the size of a pool.
    #[prop_or_default]
    pub max: Option<f64>,
    /// What was refused, if it was this field.
    #[prop_or_default]
    pub fault: Option<String>,
}

/// A number's control.
#[component]
pub fn Number(props: &NumberProps) -> Html {
    let NumberProps { field, scenario, on_change, max, fault } = props;
    let field = *field;
    let max = max.unwrap_or(field.bounds.max);
    let value = fields::get(scenario, field.path).as_f64().unwrap_or_default();
    let preset = fields::preset_value(scenario, field.path).as_f64().unwrap_or_default();
    // What is typed stands as it is until it is a value of the scenario, or until the scenario changes elsewhere.
    let typed = use_state(|| None::<(String, Option<String>)>);
    {
        let typed = typed.setter();
        use_effect_with(value.to_bits(), move |_| typed.set(None));
    }
    let edit = {
        let (typed, scenario, on_change) = (typed.clone(), scenario.clone(), on_change.clone());
        move |event: InputEvent| {
            let text = event.target_unchecked_into::<HtmlInputElement>().value();
            match fields::parse(&field, max, &text) {
                Ok(value) => {
                    typed.set(Some((text, None)));
                    on_change.emit(scenario.with(field.path, &format::input(value)));
                }
                Err(words) => typed.set(Some((text, Some(words)))),
            }
        }
    };
    let leave = {
        let typed = typed.clone();
        // The browser's own look at a number box is stricter than its text: what is wrong stays, with its words.
        move |_: FocusEvent| {
            if typed.as_ref().is_some_and(|(_, fault)| fault.is_none()) {
                typed.set(None);
            }
        }
    };
    let (text, own_fault) = match &*typed {
        Some((text, own_fault)) => (text.clone(), own_fault.clone()),
        None => (format::input(value), None),
    };
    let fault = own_fault.or_else(|| fault.clone());
    let id = field.path.replace('.', "-");
    let help = format!("{} Allowed: {} to {}.", field.help, format::plain(field.bounds.min), format::plain(max));
    let described = format!("{id}-help{}", if fault.is_some() { format!(" {id}-fault") } else { String::new() });
    html! {
        <div class="field">
            <FieldHead id={id.clone()} label={field.label} path={field.path} {help} assumed={field.assumed}
                changed={value != preset} scenario={scenario.clone()} on_change={on_change.clone()} />
            <div class="inputs">
                if let Some(slider_max) = field.slider_max {
                    <input type="range" min={format::input(field.bounds.min)} max={format::input(slider_max.max(value.ceil()))}
                        step={format::input(field.step)} value={format::input(value)} oninput={edit.clone()}
                        aria-label={format!("{} slider", field.label)} />
                }
                <input id={id.clone()} type="number" inputmode={if field.whole { "numeric" } else { "decimal" }}
                    min={format::input(field.bounds.min)} max={format::input(max)} step={if field.whole { "1" } else { "any" }}
                    style={digits(field.bounds.max)} value={text} oninput={edit} onblur={leave} aria-describedby={described}
                    aria-invalid={fault.is_some().then_some("true")} />
                if !field.unit.is_empty() {
                    <span class="unit">{ field.unit }</span>
                }
            </div>
            if let Some(fault) = fault {
                <p class="fault" id={format!("{id}-fault")} role="alert">{ fault }</p>
            }
        </div>
    }
}

/// The width of a number box whose largest value is `max`: no digit of it is cut. Small ones have room for decimals.
pub fn digits(max: f64) -> Option<String> {
    let digits = format::input(max).len();
    (digits > 6).then(|| format!("--digits:{digits}"))
}

/// Label, marks and help of any field.
#[derive(Clone, PartialEq, Properties)]
pub struct FieldHeadProps {
    /// Id of the input.
    pub id: AttrValue,
    /// What it is called.
    pub label: AttrValue,
    /// Path of the field.
    pub path: AttrValue,
    /// What it does.
    pub help: AttrValue,
    /// Whether the papers leave it open.
    pub assumed: bool,
    /// Whether it differs from the preset.
    pub changed: bool,
    /// The scenario.
    pub scenario: Scenario,
    /// Takes the scenario after a reset.
    pub on_change: Callback<Result<Scenario, ScenarioError>>,
}

/// Label, marks and help of any field.
#[component]
pub fn FieldHead(props: &FieldHeadProps) -> Html {
    let FieldHeadProps { id, label, path, help, assumed, changed, scenario, on_change } = props;
    let open = use_state(|| false);
    let toggle = {
        let open = open.clone();
        move |_: MouseEvent| open.set(!*open)
    };
    let preset = fields::preset_value(scenario, path);
    let reset = {
        let (scenario, on_change, path) = (scenario.clone(), on_change.clone(), path.clone());
        move |_: MouseEvent| on_change.emit(fields::reset(&scenario, &path))
    };
    html! {
        <>
            <div class="field-head">
                <label for={id.clone()}>{ label.clone() }</label>
                if *changed {
                    <button type="button" class="reset" onclick={reset}
                        aria-label={format!("{label} is changed; back to {}", default_words(&preset))}
                        title={format!("changed; back to {}", default_words(&preset))}>
                        { "● reset" }
                    </button>
                }
                <button type="button" class="term" aria-expanded={open.to_string()} aria-controls={format!("{id}-help")}
                    onclick={toggle} aria-label={format!("{}: about {label}", if *assumed { "assumed" } else { "help" })}>
                    { if *assumed { "assumed" } else { "?" } }
                </button>
            </div>
            <p class="help" id={format!("{id}-help")} hidden={!*open}>
                { help.clone() }
                { format!(" Default: {}.", default_words(&preset)) }
                if *assumed {
                    { " Assumed: the papers leave it open." }
                }
            </p>
        </>
    }
}

fn default_words(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), format::plain),
        serde_json::Value::String(word) => word.replace('_', " "),
        serde_json::Value::Array(items) => items.iter().map(default_words).collect::<Vec<_>>().join(", "),
        serde_json::Value::Null => "the dataset’s own".to_owned(),
        other => other.to_string(),
    }
}
