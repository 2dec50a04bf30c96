//! Explore: many runs side by side.

pub mod form;
pub mod map;
pub mod questions;
pub mod state;
pub mod study;

use std::rc::Rc;

use poq_core::Scenario;
use yew::prelude::*;

use self::map::MapPart;
use self::questions::Kind;
use self::state::{Action, Explore as ExploreState, Opened};
use self::study::StudyPart;
use super::pool::Pool;
use crate::protocol::{Chosen, Summary};
use crate::study::sheet::Opens;

/// The place.
#[derive(Clone, PartialEq, Properties)]
pub struct ExploreProps {
    /// What the controls say.
    pub scenario: Scenario,
    /// The dataset.
    pub summary: Rc<Summary>,
    /// What it is, where the preset has none of its own.
    pub chosen: Rc<Chosen>,
    /// What is on view here, kept while other places are.
    pub explore: UseReducerHandle<ExploreState>,
    /// The workers.
    pub pool: PoolHandle,
    /// Opens the scenario of a cell, or one that a study found.
    pub on_open: Callback<Scenario>,
}

/// The pool, the same at every render.
#[derive(Clone)]
pub struct PoolHandle(pub Rc<Pool>);

impl PartialEq for PoolHandle {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// The parts after the map: what each is called, and its studies.
const PARTS: [(&str, &[Kind]); 4] = [
    ("Two mechanisms", &[Kind::Compare]),
    ("Attack search", &[Kind::Attacks, Kind::Deviations]),
    ("Without an evaluator", &[Kind::Audit]),
    ("Assumptions", &[Kind::Sensitivity]),
];

/// The place. Every part stays as it was left.
#[component]
pub fn Explore(props: &ExploreProps) -> Html {
    let ExploreProps { scenario, summary, chosen, explore, on_open, .. } = props;
    // The map is part 0.
    let part = use_state(|| 0);
    // The same callback at every render, so that what was found is not drawn again for each change of the scenario.
    let latest = use_mut_ref(|| scenario.clone());
    *latest.borrow_mut() = scenario.clone();
    let open = use_callback((explore.dispatcher(), on_open.clone()), move |opens: Opens, (dispatch, on_open)| {
        let former = latest.borrow().clone();
        // A study has seeds of its own; the reader's stays.
        let scenario = Scenario { seed: former.seed, ..opens.scenario };
        dispatch.dispatch(Action::Open(Rc::new(Opened { scenario: scenario.clone(), words: opens.words, former })));
        on_open.emit(scenario);
    });
    let tab = |to: usize, words: &'static str| {
        let (part, is_current) = (part.clone(), *part == to);
        html! {
            <button type="button" class="part" aria-current={is_current.then_some("true")} onclick={move |_: MouseEvent| part.set(to)}>
                { words }
            </button>
        }
    };
    html! {
        <>
            <nav class="parts" aria-label="Studies">
                { tab(0, "Map") }
                { for (1..).zip(PARTS).map(|(to, (words, _))| tab(to, words)) }
            </nav>
            <div hidden={*part != 0}><MapPart ..props.clone() /></div>
            { for (1..).zip(PARTS).map(|(to, (_, kinds))| html! {
                <div hidden={*part != to}>
                    { for kinds.iter().map(|&kind| html! {
                        <StudyPart {kind} scenario={scenario.clone()} summary={Rc::clone(summary)} chosen={chosen.clone()} is_shown={*part == to} on_open={open.clone()} />
                    }) }
                </div>
            }) }
        </>
    }
}

/// Says what the present scenario was opened from, with the ways back; nothing once it is another.
#[must_use]
pub fn way_back(
    explore: &UseReducerHandle<ExploreState>,
    scenario: &Scenario,
    on_explore: Callback<MouseEvent>,
    on_former: &Callback<Scenario>,
) -> Option<Html> {
    let opened = explore.opened().filter(|opened| opened.scenario == *scenario)?;
    let former = {
        let (on_former, dispatch, opened) = (on_former.clone(), explore.dispatcher(), opened.clone());
        move |_: MouseEvent| {
            dispatch.dispatch(Action::Close);
            on_former.emit(opened.former.clone());
        }
    };
    Some(html! {
        <div class="banner way-back" role="status">
            <p>{ format!("{}.", opened.words) }</p>
            <div class="buttons">
                <button type="button" class="small" onclick={on_explore}>{ "Back to Explore" }</button>
                <button type="button" class="small" onclick={former}>{ "Back to the scenario before" }</button>
            </div>
        </div>
    })
}
