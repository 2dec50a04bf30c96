//! The form of a map: two axes and the rounds of a cell.

use poq_core::Scenario;
use web_sys::{HtmlInputElement, HtmlSelectElement};
use yew::prelude::*;

use crate::format;
use crate::map::form::{AxisForm, Form, Place, REPLICATES, paths, takes_words};

/// The form.
#[derive(Clone, PartialEq, Properties)]
pub struct MapFormProps {
    /// What is filled in.
    pub form: Form,
    /// The scenario that is varied.
    pub scenario: Scenario,
    /// Evaluators that K is drawn from.
    pub pool: u64,
    /// What was refused.
    pub fault: Option<(Place, String)>,
    /// What the button says.
    pub button: AttrValue,
    /// Takes a change.
    pub on_edit: Callback<Form>,
    /// Makes the map.
    pub on_run: Callback<()>,
}

/// The form.
#[component]
pub fn MapForm(props: &MapFormProps) -> Html {
    let MapFormProps { form, scenario, pool, fault, button, on_edit, on_run } = props;
    let paths = use_memo(scenario.clone(), paths);
    let at = |place: Place| fault.as_ref().filter(|(at, _)| *at == place).map(|(_, words)| words.clone());
    let submit = on_run.reform(|event: SubmitEvent| event.prevent_default());
    let axis = |index: usize, title: &'static str| {
        let change = {
            let (form, on_edit) = (form.clone(), on_edit.clone());
            Callback::from(move |axis: AxisForm| {
                let mut form = form.clone();
                form.axes[index] = axis;
                on_edit.emit(form);
            })
        };
        axis((index, title), &form.axes[index], (scenario, *pool), at(Place::Axis(index)), &change)
    };
    let rounds = {
        let (form, on_edit) = (form.clone(), on_edit.clone());
        move |event: InputEvent| on_edit.emit(Form { rounds: typed(&event), ..form.clone() })
    };
    let replicates = {
        let (form, on_edit) = (form.clone(), on_edit.clone());
        move |event: Event| {
            let chosen = event.target_unchecked_into::<HtmlSelectElement>().value().parse().unwrap_or_default();
            on_edit.emit(Form { replicates: chosen, ..form.clone() });
        }
    };
    let rounds_fault = at(Place::Rounds);
    html! {
        <form class="map-form" onsubmit={submit} novalidate=true aria-label="The map">
            <datalist id="field-paths">{ for paths.iter().map(|path| html! { <option value={path.clone()} /> }) }</datalist>
            { axis(0, "Across") }
            { axis(1, "Up") }
            <div class="map-run">
                <div class="box">
                    <label for="map-rounds">{ "rounds of a cell" }</label>
                    <input id="map-rounds" type="text" inputmode="numeric" value={form.rounds.clone()} oninput={rounds}
                        placeholder={format::plain(scenario.rounds as f64)}
                        aria-invalid={rounds_fault.is_some().then_some("true")}
                        aria-describedby={rounds_fault.is_some().then_some("map-rounds-fault")} />
                </div>
                <div class="box">
                    <label for="map-replicates">{ "repeat a cell" }</label>
                    <select id="map-replicates" onchange={replicates} aria-describedby="map-replicates-words">
                        { for REPLICATES.into_iter().map(|times| html! {
                            <option value={times.to_string()} selected={times == form.replicates}>
                                { if times == 0 { "never".to_owned() } else { format!("{times} times") } }
                            </option>
                        }) }
                    </select>
                </div>
                <button type="submit">{ button.clone() }</button>
            </div>
            <p class="quiet" id="map-replicates-words">
                { "A cell is repeated, on other random numbers, where its past decides its path (trust weights, stakes, answers \
                   routed by reward): one run cannot tell there which lead is chance." }
            </p>
            { rounds_fault.map(|words| html! { <p class="fault" role="alert" id="map-rounds-fault">{ words }</p> }) }
            { at(Place::Whole).map(|words| html! { <p class="fault" role="alert">{ words }</p> }) }
        </form>
    }
}

#[derive(Clone, PartialEq, Properties)]
struct FieldPathProps {
    id: String,
    path: String,
    invalid: Option<&'static str>,
    described: Option<String>,
    on_choose: Callback<String>,
}

/// The name of a scenario's field. It counts once it is whole; until then what is typed stays, whatever is drawn anew
/// around it.
#[component]
fn FieldPath(props: &FieldPathProps) -> Html {
    let FieldPathProps { id, path, invalid, described, on_choose } = props;
    let draft = use_state_eq(|| None::<String>);
    let write = {
        let draft = draft.clone();
        move |event: InputEvent| draft.set(Some(typed(&event)))
    };
    let choose = {
        let (draft, on_choose) = (draft.clone(), on_choose.clone());
        move |event: Event| {
            draft.set(None);
            on_choose.emit(event.target_unchecked_into::<HtmlInputElement>().value());
        }
    };
    html! {
        <input id={id.clone()} type="text" list="field-paths" value={draft.as_ref().unwrap_or(path).clone()} autocomplete="off"
            spellcheck="false" oninput={write} onchange={choose} aria-invalid={*invalid} aria-describedby={described.clone()} />
    }
}

fn typed(event: &InputEvent) -> String {
    event.target_unchecked_into::<HtmlInputElement>().value()
}

fn axis(
    (index, title): (usize, &'static str),
    axis: &AxisForm,
    (scenario, pool): (&Scenario, u64),
    fault: Option<String>,
    on_change: &Callback<AxisForm>,
) -> Html {
    let id = |part: &str| format!("axis-{index}-{part}");
    let set = |set: fn(&mut AxisForm, String)| {
        let (axis, on_change) = (axis.clone(), on_change.clone());
        move |event: InputEvent| {
            let mut axis = axis.clone();
            set(&mut axis, typed(&event));
            on_change.emit(axis);
        }
    };
    // A field that is chosen brings values that suit it.
    let choose = {
        let (axis, on_change, scenario) = (axis.clone(), on_change.clone(), scenario.clone());
        move |path: String| on_change.emit(axis.for_path(&scenario, path.trim(), pool))
    };
    let described = fault.is_some().then(|| id("fault"));
    let invalid = fault.is_some().then_some("true");
    let number = |part: &'static str, value: &str, oninput: fn(&mut AxisForm, String)| {
        html! {
            <div class="box">
                <label for={id(part)}>{ part }</label>
                <input id={id(part)} type="text" inputmode="decimal" value={value.to_owned()} oninput={set(oninput)}
                    aria-invalid={invalid} aria-describedby={described.clone()} />
            </div>
        }
    };
    html! {
        <fieldset class="axis" id={format!("axis-{index}")}>
            <legend>{ title }</legend>
            <div class="boxes">
                <div class="box field-path">
                    <label for={id("path")}>{ "field" }</label>
                    <FieldPath id={id("path")} path={axis.path.clone()} on_choose={choose} {invalid} described={described.clone()} />
                </div>
                if takes_words(scenario, &axis.path) {
                    <div class="box words">
                        <label for={id("words")}>{ "values, a comma between two" }</label>
                        <input id={id("words")} type="text" value={axis.words.clone()} autocomplete="off" spellcheck="false"
                            oninput={set(|axis, text| axis.words = text)} aria-invalid={invalid} aria-describedby={described.clone()} />
                    </div>
                } else {
                    { number("from", &axis.from, |axis, text| axis.from = text) }
                    { number("to", &axis.to, |axis, text| axis.to = text) }
                    { number("steps", &axis.steps, |axis, text| axis.steps = text) }
                }
            </div>
            { fault.map(|words| html! { <p class="fault" role="alert" id={id("fault")}>{ words }</p> }) }
        </fieldset>
    }
}
