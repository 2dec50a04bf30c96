//! The models: what they are, where they are, and how they come here and go.

use poq_core::weights::{KnownModel, MODELS};
use web_sys::{File, HtmlInputElement};
use yew::prelude::*;

use super::part::{Act, PartProps};
use super::state::{Action, Source, State};
use super::words;
use poq_inference::protocol::{ModelHere, ToInference};

/// The models.
#[component]
pub fn Models(props: &PartProps) -> Html {
    let PartProps { state, act } = props;
    html! {
        <section aria-labelledby="score-models">
            <h3 id="score-models">{ "Models" }</h3>
            <p class="plain">
                { "Weights come only when you ask for them: from beside this page (" }<code>{ "./lab open --models" }</code>
                { " puts there what " }<code>{ "poq models fetch" }</code>{ " brought), or from files or a folder of yours. They are kept in this browser, \
                   and checked each time that they are read. " }{ words::room(state) }
            </p>
            <ul class="groups">
                { for MODELS.iter().map(|model| row(model, state, act)) }
                { for state.folders().into_iter().map(|(model, evaluators)| folder_row(model, &evaluators, state, act)) }
            </ul>
            if let Some(words) = state.stored.as_ref().and_then(|stored| stored.fault.as_ref()) {
                <p class="fault" role="alert">{ words }</p>
            }
        </section>
    }
}

fn row(model: &'static KnownModel, state: &State, act: &Act) -> Html {
    let here = state.here(model.name);
    let is_whole = here == model.bytes();
    let transfer = state.transfer.as_ref().filter(|transfer| transfer.model == model.name);
    let is_idle = state.device.is_some() && state.transfer.is_none() && !state.is_busy();
    let name = || model.name.to_owned();
    let bring = {
        let act = act.clone();
        move |_: MouseEvent| {
            act.change(Action::Bring(name()));
            act.send(&ToInference::Fetch { model: name() });
        }
    };
    let load = {
        let act = act.clone();
        move |_: MouseEvent| act.change(Action::Load(Source::Stored(name())))
    };
    let delete = {
        let act = act.clone();
        move |_: MouseEvent| act.send(&ToInference::Delete { model: name() })
    };
    let stop = {
        let act = act.clone();
        move |_: MouseEvent| act.send(&ToInference::StopTransfer)
    };
    let keep = {
        let act = act.clone();
        Callback::from(move |files: Vec<File>| {
            if !files.is_empty() {
                act.change(Action::Bring(name()));
                act.send_files(&ToInference::Keep { model: name() }, &files);
            }
        })
    };
    let is_loaded = state.loaded(&ModelHere::Known(name())).is_some();
    html! {
        <li data-model={model.name} data-state={words::model_mark(state, model)}>
            <div class="model-words">
                <p><strong>{ model.title }</strong>{ ": " }{ words::role(model) }</p>
                <p class="quiet">{ words::origin(model) }</p>
                <p role="status">{ words::model(state, model) }</p>
                if let Some(transfer) = transfer {
                    <progress max={transfer.of.to_string()} value={transfer.done.to_string()} aria-label={format!("{} on its way", model.title)} />
                }
                { fault(&state.transfer_fault, model.name) }
                { fault(&state.load_fault, model.name) }
            </div>
            <div class="buttons">
                if transfer.is_some() {
                    <button type="button" onclick={stop}>{ "Stop" }</button>
                } else {
                    if !is_whole {
                        if state.is_beside(model) {
                            <button type="button" disabled={!is_idle} onclick={bring}>
                                { format!("{} {} MB", if here > 0 { "Download the other" } else { "Download" }, (model.bytes() - here).div_ceil(1_000_000)) }
                            </button>
                        } else {
                            <span class="quiet plain">{ "not beside this page" }</span>
                        }
                        { picker("files", &format!("Choose files: {}", model.title), !is_idle, keep.clone()) }
                        { picker("a folder", &format!("Choose a folder: {}", model.title), !is_idle, keep) }
                    } else if !is_loaded {
                        <button type="button" disabled={!is_idle} onclick={load}>{ "Load" }</button>
                    }
                    if here > 0 {
                        <button type="button" class="small" disabled={!is_idle} onclick={delete}
                            aria-label={format!("Delete {} from this browser", model.title)}>{ "Delete" }</button>
                    }
                }
            </div>
        </li>
    }
}

/// What failed of a model, if it is of this name.
fn fault(fault: &Option<(String, String)>, name: &str) -> Option<Html> {
    let (_, words) = fault.as_ref().filter(|(of, _)| of == name)?;
    Some(html! { <p class="fault" role="alert">{ words }</p> })
}

/// A model that only the dataset names, as its trained judges.
fn folder_row(model: &ModelHere, evaluators: &[&str], state: &State, act: &Act) -> Html {
    let ModelHere::Folder { name, file, key } = model else { return Html::default() };
    let is_idle = state.device.is_some() && state.transfer.is_none() && !state.is_busy();
    let load = {
        let (act, name, key) = (act.clone(), name.clone(), key.clone());
        move |_: MouseEvent| {
            act.change(Action::Load(Source::Folder { name: name.clone(), key: key.clone(), number: None }));
        }
    };
    let open = {
        let (act, name, key) = (act.clone(), name.clone(), key.clone());
        Callback::from(move |files: Vec<File>| {
            if !files.is_empty() {
                act.open_folder(&name, &key, files);
            }
        })
    };
    html! {
        <li data-model={name.clone()} data-state={words::folder_mark(state, model)}
            data-difference={state.loaded(model).and_then(|loaded| loaded.difference).map(|difference| difference.to_string())}>
            <div class="model-words">
                <p><strong>{ name }</strong>{ format!(": the model of {}", evaluators.join(" and of ")) }</p>
                <p class="quiet">{ words::folder_origin(file) }</p>
                <p role="status">{ words::folder(state, model) }</p>
                { fault(&state.load_fault, name) }
            </div>
            if state.loaded(model).is_none() {
                <div class="buttons">
                    if state.is_folder_beside(name, file) {
                        <button type="button" disabled={!is_idle} onclick={load}>{ "Load" }</button>
                    } else {
                        <span class="quiet plain">{ "not beside this page" }</span>
                    }
                    { picker("a folder", &format!("Choose a folder: {name}"), !is_idle, open) }
                </div>
            }
        </li>
    }
}

/// A button that lets the reader choose `what`: files, a file, or all those in a folder.
pub fn picker(what: &str, label: &str, disabled: bool, on_files: Callback<Vec<File>>) -> Html {
    let onchange = move |event: Event| {
        let input: HtmlInputElement = event.target_unchecked_into();
        let files = input.files();
        let files = files.iter().flat_map(|files| (0..files.length()).filter_map(|index| files.get(index)));
        on_files.emit(files.collect());
        // The same files may be picked once more.
        input.set_value("");
    };
    html! {
        <label class="picker">
            <span aria-hidden="true">{ format!("Choose {what} …") }</span>
            <input type="file" multiple={what != "a file"} webkitdirectory={what == "a folder"}
                aria-label={label.to_owned()} {disabled} {onchange} />
        </label>
    }
}
