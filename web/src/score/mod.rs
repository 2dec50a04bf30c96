//! The Score place: models on the reader's own device. A program of its own, loaded when the place is first shown, so
//! that nobody else waits for it; what it asks, the inference worker does ([`poq_inference`]).

mod answer;
mod dataset;
mod engine;
mod form;
mod models;
mod part;
mod state;
mod words;

use std::rc::Rc;

use poq_core::dataset::Shipped;
use wasm_bindgen::prelude::*;
use web_sys::{CustomEvent, Document, Element, Window};
use yew::prelude::*;

use self::engine::{Engine, Said, beside, find_gpu};
use self::part::Act;
use self::state::{Action, Gpu, State};
use poq_inference::protocol::{DeviceKind, ToInference};

/// Id of the element that it fills.
pub const ROOT: &str = "score-root";

/// Said while the programs for it are still being built, as by `lab open` after a change.
pub const IS_BUILT: &str = "What this place needs is still being built on the machine that serves the page; it starts by itself when it is \
                            there.";

/// The event by which it hands over an evaluator that is to take part in the network: its JSON is the detail.
pub const TAKES_PART: &str = "poq-evaluator";

/// The event by which the page around it says that another dataset is chosen: its id is the detail.
pub const DATASET: &str = "poq-dataset";

/// The attribute of the element it fills that says which dataset is chosen.
const DATASET_OF_ROOT: &str = "data-dataset";

/// Fills the element.
///
/// # Errors
/// If the document makes no element.
pub fn mount(document: &Document, root: Element) -> Result<(), JsValue> {
    // Yew tells whose an event is by a number that each program counts from one: without this, what is done here would
    // be done in the page around it as well, by whatever has the same number there.
    yew::Renderer::<Nothing>::with_root(document.create_element("div")?).render().destroy();
    yew::Renderer::<ScorePlace>::with_root(root).render();
    Ok(())
}

#[component]
fn Nothing() -> Html {
    Html::default()
}

/// The place.
#[component]
pub fn ScorePlace() -> Html {
    let state = use_reducer_eq(State::default);
    let engine = use_memo((), |()| Engine::default());
    let act = Act::new(state.dispatcher(), Rc::clone(&engine));
    use_effect_with((), {
        let act = act.clone();
        move |()| {
            let own = act.clone();
            wasm_bindgen_futures::spawn_local(async move { own.change(Action::Gpu(find_gpu().await)) });
            wasm_bindgen_futures::spawn_local(async move { act.change(Action::Beside(beside().await)) });
        }
    });
    use_effect_with(state.program, {
        let heard = act.clone();
        move |&(kind, number)| {
            engine.start(kind, move |said| {
                heard.change(match said {
                    Said::Message(message) => Action::Heard(number, message),
                    Said::IsBuilt => Action::IsBuilt(number),
                    Said::Stopped(words) => Action::Stopped(number, words),
                });
            });
        }
    });
    use_chosen_dataset(&act);
    // A program that runs is told what to do first.
    use_effect_with((state.program, state.device.is_some()), {
        let act = act.clone();
        move |&(_, is_running)| {
            if is_running {
                act.send(&ToInference::Look);
            }
        }
    });
    // The worker needs the rows, even where the page has seen them.
    use_effect_with((state.program, state.device.is_some(), state.dataset), {
        let (act, is_idle) = (act.clone(), state.doing.is_none());
        move |&(_, is_running, dataset)| {
            if is_running {
                // What was scored of the dataset before is not heard any more.
                if is_idle {
                    act.stop();
                }
                act.send(&ToInference::ReadDataset { dataset });
            }
        }
    });
    // The first row is on view before the reader picks one, or types.
    use_effect_with(matches!(state.corpus, Some(Ok(_))), {
        let (act, is_new) = (act.clone(), state.is_new());
        move |&is_read| {
            if is_read && is_new {
                act.send(&ToInference::Row { task: 0, node: 0 });
            }
        }
    });
    use_effect_with((state.program, state.next().cloned()), {
        let (act, state) = (act.clone(), state.clone());
        move |(_, next)| {
            if let Some(source) = next {
                act.load(source, state.beside.get(source.name()).map_or(&[], Vec::as_slice));
            }
        }
    });
    // Work that has begun is asked for.
    use_effect_with(state.work, {
        let (act, message) = (act.clone(), state.doing.map(|work| state.message(work)));
        move |_| {
            if let Some(message) = message {
                act.send(&message);
            }
        }
    });
    html! {
        <section id="score" class="score" aria-labelledby="score-title">
            <h2 id="score-title">{ "Score on this device" }</h2>
            <p class="plain">
                { "The evaluators and the small language models of the dataset, run here: type a task and an answer, or pick a \
                   recorded one, and see what each evaluator makes of it, and how long that takes, beside what was recorded. \
                   Nothing leaves this device." }
            </p>
            { device(&state, &act) }
            <models::Models state={state.clone()} act={act.clone()} />
            <answer::Answer state={state.clone()} act={act.clone()} />
            <dataset::Anew state={state.clone()} act={act.clone()} />
            <answer::Ask {state} {act} />
        </section>
    }
}

/// The page around this program says which dataset is chosen: on the element that this one fills, and then by events.
#[hook]
fn use_chosen_dataset(act: &Act) {
    let act = act.clone();
    use_effect_with((), move |()| {
        let choose = move |id: Option<String>| {
            if let Some(dataset) = id.as_deref().and_then(Shipped::of) {
                act.change(Action::Dataset(dataset));
            }
        };
        let window = web_sys::window();
        let root = window.as_ref().and_then(Window::document).and_then(|document| document.get_element_by_id(ROOT));
        choose(root.and_then(|root| root.get_attribute(DATASET_OF_ROOT)));
        let listener =
            Closure::<dyn FnMut(CustomEvent)>::new(move |event: CustomEvent| choose(event.detail().as_string()));
        if let Some(window) = window {
            // It fails for no event of this name.
            window.add_event_listener_with_callback(DATASET, listener.as_ref().unchecked_ref()).unwrap_or_default();
        }
        // As long as the page lives.
        listener.forget();
    });
}

/// The device, and the choice of it.
fn device(state: &State, act: &Act) -> Html {
    let choose = |kind: DeviceKind, words: String| {
        let (act, checked) = (act.clone(), state.kind() == kind);
        let disabled = state.is_busy()
            || state.transfer.is_some()
            || (kind == DeviceKind::WebGpu && !matches!(state.gpu, Gpu::Offered(_)));
        html! {
            <label class="check">
                <input type="radio" name="score-device" {checked} {disabled} onchange={move |_: Event| act.change(Action::Want(kind))} />
                { words }
            </label>
        }
    };
    html! {
        <fieldset class="score-device">
            <legend>{ "Device" }</legend>
            { choose(DeviceKind::WebGpu, words::gpu(&state.gpu)) }
            { choose(DeviceKind::Cpu, "CPU: one thread, in WebAssembly".to_owned()) }
            <p class="quiet" role="status" data-device={words::device_mark(state)}>{ words::device(state) }</p>
            if let Some(words) = &state.fell_back {
                <p class="fault banner" role="alert" data-fault="gpu">{ format!("The CPU took over from {words}.") }</p>
            }
            if let Some(words) = &state.fault {
                <div class="fault banner" role="alert" data-fault="program">
                    <p>{ format!("The program that runs models stopped: {words}.") }</p>
                    <button type="button" onclick={{ let act = act.clone(); move |_: MouseEvent| act.change(Action::Again) }}>
                        { "Start it again" }
                    </button>
                </div>
            }
        </fieldset>
    }
}
