//! The interface: components around one state.

pub mod attacks;
pub mod browser;
pub mod consensus;
pub mod controls;
pub mod engine;
pub mod explain;
pub mod explore;
pub mod header;
pub mod network;
pub mod number;
pub mod opened;
pub mod pool;
pub mod reproduce;
pub mod results;
pub mod share;
pub mod sheet;
pub mod state;
pub mod status;
pub mod study;
pub mod tables;

use std::rc::Rc;

use poq_core::dataset::{AddedEvaluator, Shipped};
use poq_core::link::Place;
use wasm_bindgen::prelude::*;
use web_sys::CustomEvent;
use yew::prelude::*;

use self::controls::Controls;
use self::engine::Engine;
use self::explore::{Explore, PoolHandle};
use self::header::{Header, about_preset};
use self::network::Network;
use self::pool::Pool;
use self::reproduce::{Reproduce, use_reproduction};
use self::results::Results;
use self::share::{Console, Share};
use self::state::{Action, DatasetState, State};
use self::status::Status;
use crate::protocol::{Chosen, FromWorker, ToWorker, decode};
use crate::score;

/// A slider's steps within this time become one run.
const DEBOUNCE_MS: i32 = 60;

/// The page.
#[component]
pub fn App() -> Html {
    let state = use_reducer_eq(|| State::new(&browser::fragment()));
    let console = use_memo((), |()| Console::default());
    let engine = {
        let (dispatch, console) = (state.dispatcher(), Rc::clone(&console));
        use_memo((), move |()| {
            let heard = move |message| match message {
                FromWorker::Digest { token, outcome } => console.answer(token, outcome),
                message => dispatch.dispatch(Action::Heard(message)),
            };
            Engine::start(heard)
        })
    };
    use_effect_with((), {
        let (engine, console) = (Rc::clone(&engine), Rc::clone(&console));
        move |()| console.install(engine)
    });
    use_links(&state);
    use_effect_with(Rc::clone(&state.chosen), {
        let engine = Rc::clone(&engine);
        move |chosen| engine.send(&ToWorker::Choose(Chosen::clone(chosen)))
    });
    use_runs(&state, &engine);
    use_opened_round(&state, &engine);

    let shared = use_state(|| None::<Share>);
    {
        let shared = shared.setter();
        use_effect_with(state.run, move |_| shared.set(None));
    }
    let on_share = {
        let (state, shared) = (state.clone(), shared.setter());
        Callback::from(move |()| share::share(&state.share_link(), shared.clone()))
    };
    // The same callbacks at every render: what they are handed to is drawn again only when its data changes.
    let on_change = use_callback(state.dispatcher(), |outcome, dispatch| dispatch.dispatch(Action::Change(outcome)));
    let on_open = use_callback(state.dispatcher(), |round, dispatch| dispatch.dispatch(Action::Open(round)));
    let on_go = use_callback(state.dispatcher(), |place, dispatch| dispatch.dispatch(Action::Go(place)));
    let on_cancel = {
        let (engine, run) = (Rc::clone(&engine), state.run);
        Callback::from(move |()| engine.send(&ToWorker::Cancel { id: run }))
    };
    let on_again = {
        let dispatch = state.dispatcher();
        Callback::from(move |()| dispatch.dispatch(Action::Again))
    };
    let reproduction = use_reproduction(state.place == Place::Reproduce);
    let explore = use_reducer(explore::state::Explore::default);
    let pool = PoolHandle(use_memo((), |()| Pool::default()));
    // What Explore holds is of the dataset before.
    use_effect_with(Rc::clone(&state.chosen), {
        let (explore, pool) = (explore.dispatcher(), pool.clone());
        move |_| {
            pool.0.stop();
            explore.dispatch(explore::state::Action::Forget);
        }
    });
    let on_take_part = {
        let dispatch = state.dispatcher();
        Callback::from(move |evaluator: Option<Box<AddedEvaluator>>| dispatch.dispatch(Action::TakePart(evaluator)))
    };
    let on_choose = use_callback(state.dispatcher(), |dataset, dispatch| dispatch.dispatch(Action::Choose(dataset)));
    use_evaluator(on_take_part.clone());
    let on_write = {
        let engine = Rc::clone(&engine);
        Callback::from(move |()| engine.send(&ToWorker::WriteDataset))
    };
    let on_cell = use_callback(state.dispatcher(), |scenario, dispatch| {
        dispatch.dispatch(Action::Change(Ok(scenario)));
        dispatch.dispatch(Action::Go(Place::Results));
    });
    let back_to_explore = on_go.reform(|_: MouseEvent| Place::Explore);
    let way_back = explore::way_back(&explore, &state.scenario, back_to_explore, &on_change.reform(Ok));
    let was_exploring = use_seen(state.place, Place::Explore);
    let was_scoring = use_seen(state.place, Place::Score);
    let panel_open = use_state(|| false);
    let toggle_panel = {
        let panel_open = panel_open.clone();
        move |_: MouseEvent| panel_open.set(!*panel_open)
    };
    let summary = match &state.dataset {
        DatasetState::Ready(summary) => Some(Rc::clone(summary)),
        DatasetState::Loading | DatasetState::Failed(_) => None,
    };
    let fault_at =
        |path: &str| state.fault.as_ref().filter(|fault| fault.path == path).map(|fault| fault.message.clone());
    let whole: Rc<State> = Rc::new((*state).clone());
    html! {
        <>
            <a class="skip" href="#result" onclick={|event: MouseEvent| { event.prevent_default(); browser::go_to("result"); }}>
                { "Skip to the result" }
            </a>
            <Header scenario={state.scenario.clone()} place={state.place} fault={fault_at("seed")}
                on_change={on_change.clone()} on_go={on_go.clone()} {on_share} />
            <main id="main">
                if let Some(shared) = &*shared {
                    { shared.view() }
                }
                <div id="result" tabindex="-1">
                    { about_preset(&state.scenario) }
                    <Status state={whole} {on_cancel} {on_again} on_leave={on_take_part.reform(|()| None)} {on_write} />
                    { way_back }
                </div>
                <div class={classes!("controls", panel_open.then_some("open"))}>
                    <button type="button" class="panel-toggle" aria-expanded={panel_open.to_string()} aria-controls="controls"
                        onclick={toggle_panel}>{ "Settings" }</button>
                    <section id="controls" aria-label="Settings">
                        <Controls scenario={state.scenario.clone()} summary={summary.clone()} chosen={state.chosen.dataset}
                            {on_choose} fault={state.fault.clone()} on_change={on_change.clone()} />
                    </section>
                </div>
                <div class="place-view">
                    if state.place == Place::Reproduce {
                        <Reproduce {reproduction} on_change={on_change.clone()} on_go={on_go.clone()} />
                    } else {
                        { place_view(&state, summary.clone(), &on_change, &on_open) }
                    }
                    // Once it was on view it stays, with what was found there.
                    if let Some(summary) = summary.filter(|_| was_exploring) {
                        <div hidden={state.place != Place::Explore}>
                            <Explore key={explore_key(&state.chosen)} scenario={state.scenario.clone()} {summary}
                                chosen={Rc::clone(&state.chosen)} {explore} {pool} on_open={on_cell} />
                        </div>
                    }
                    if was_scoring {
                        <div hidden={state.place != Place::Score}><ScoreHost dataset={state.chosen.dataset} /></div>
                    }
                </div>
            </main>
        </>
    }
}

fn place_view(
    state: &State,
    summary: Option<Rc<crate::protocol::Summary>>,
    on_change: &Callback<Result<poq_core::Scenario, poq_core::scenario::ScenarioError>>,
    on_open: &Callback<u64>,
) -> Option<Html> {
    let summary = summary?;
    Some(match state.place {
        Place::Network => html! {
            <Network scenario={state.scenario.clone()} {summary} fault={state.fault.clone()} on_change={on_change.clone()} />
        },
        Place::Explore | Place::Score | Place::Reproduce => return None,
        Place::Results => {
            let report = Rc::clone(state.report.as_ref()?);
            let number = state.round.min(report.rounds.saturating_sub(1));
            html! {
                <Results {report} {summary} round={state.opened.clone()} {number} round_fault={state.round_fault.clone()}
                    on_open={on_open.clone()} />
            }
        }
    })
}

/// Whether a place was ever on view.
#[hook]
fn use_seen(place: Place, wanted: Place) -> bool {
    let seen = use_state_eq(|| false);
    let setter = seen.setter();
    use_effect_with(place, move |place| {
        if *place == wanted {
            setter.set(true);
        }
    });
    *seen
}

/// Explore begins anew where the dataset became another.
fn explore_key(chosen: &Rc<Chosen>) -> String {
    format!("{:p}", Rc::as_ptr(chosen))
}

/// The Score place, which is a program of its own, hands over an evaluator.
#[hook]
fn use_evaluator(on_take_part: Callback<Option<Box<AddedEvaluator>>>) {
    use_effect_with((), move |()| {
        let listener = Closure::<dyn FnMut(CustomEvent)>::new(move |event: CustomEvent| {
            if let Ok(evaluator) = decode(event.detail().as_string()) {
                on_take_part.emit(Some(Box::new(evaluator)));
            }
        });
        if let Some(window) = web_sys::window() {
            // It fails for no event of this name.
            window
                .add_event_listener_with_callback(score::TAKES_PART, listener.as_ref().unchecked_ref())
                .unwrap_or_default();
        }
        // As long as the page lives.
        listener.forget();
    });
}

#[derive(Clone, PartialEq, Properties)]
struct ScoreHostProps {
    /// The dataset whose rows the place shows.
    dataset: Shipped,
}

/// Where the program of the Score place goes, which is loaded with this.
#[component]
fn ScoreHost(props: &ScoreHostProps) -> Html {
    let dataset = props.dataset;
    use_effect_with(dataset, |dataset| {
        // A window is there.
        browser::tell(score::DATASET, dataset.id()).unwrap_or_default();
    });
    let said = use_state(|| ("quiet", "Loading …".to_owned()));
    let setter = said.setter();
    use_effect_with((), move |()| {
        wasm_bindgen_futures::spawn_local(async move {
            let wait = setter.clone();
            let built = move || wait.set(("quiet", score::IS_BUILT.to_owned()));
            if let Err(words) = browser::start_program("score.js", built).await {
                setter.set((
                    "fault banner",
                    format!("This place could not be loaded: {words}. Reload the page to try again."),
                ));
            }
        });
    });
    let (class, words) = &*said;
    html! { <div id={score::ROOT} data-dataset={dataset.id()}><p class={*class} role="status">{ words }</p></div> }
}

/// A link that is put into the address bar while the page is open is replayed.
#[hook]
fn use_links(state: &UseReducerHandle<State>) {
    let dispatch = state.dispatcher();
    use_effect_with((), move |()| {
        let listener = Closure::<dyn FnMut()>::new(move || dispatch.dispatch(Action::Follow(browser::fragment())));
        if let Some(window) = web_sys::window() {
            window.set_onhashchange(Some(listener.as_ref().unchecked_ref()));
        }
        move || drop(listener)
    });
}

/// Every change of the scenario asks for its run: at once for the first, a little later for the steps of a slider.
#[hook]
fn use_runs(state: &UseReducerHandle<State>, engine: &Rc<Engine>) {
    let last_timer = use_mut_ref(|| None::<Closure<dyn FnMut()>>);
    let (engine, scenario) = (Rc::clone(engine), state.scenario.clone());
    let has_link = state.link.is_some() || state.notice.is_some();
    use_effect_with(state.run, move |&id| {
        if !has_link {
            // What is shown is no longer what the address says.
            browser::set_fragment("");
        }
        let send = move || engine.send(&ToWorker::Run { id, scenario: Box::new(scenario.clone()) });
        let mut handle = None;
        if id <= 1 {
            send();
        } else {
            let timer = Closure::<dyn FnMut()>::new(send);
            handle = web_sys::window().and_then(|window| {
                let callback = timer.as_ref().unchecked_ref();
                window.set_timeout_with_callback_and_timeout_and_arguments_0(callback, DEBOUNCE_MS).ok()
            });
            *last_timer.borrow_mut() = Some(timer);
        }
        move || {
            if let Some((window, handle)) = web_sys::window().zip(handle) {
                window.clear_timeout_with_handle(handle);
            }
        }
    });
}

/// A result that has ended has one of its rounds open.
#[hook]
fn use_opened_round(state: &UseReducerHandle<State>, engine: &Rc<Engine>) {
    let wanted = state.round_to_open();
    // A part of a run has no digest.
    let key = wanted.as_ref().map(|(report, number)| (report.digest.clone(), state.run, *number));
    let engine = Rc::clone(engine);
    use_effect_with(key, move |_| {
        if let Some((report, number)) = wanted {
            engine.send(&ToWorker::OpenRound { scenario: Box::new(report.scenario.clone()), number });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::state::Phase;
    use super::*;

    #[test]
    fn a_page_waits_for_its_first_run() {
        assert_eq!(State::new("").phase, Phase::Waiting);
    }
}
