//! Explore: many scenarios side by side.

pub mod form;
pub mod map;
pub mod state;

use std::rc::Rc;

use poq_core::Scenario;
use yew::prelude::*;

use self::map::MapPart;
use self::state::{Action, Explore as ExploreState};
use super::pool::Pool;
use crate::protocol::Summary;

/// The place.
#[derive(Clone, PartialEq, Properties)]
pub struct ExploreProps {
    /// What the controls say.
    pub scenario: Scenario,
    /// The dataset.
    pub summary: Rc<Summary>,
    /// What is on view here, kept while other places are.
    pub explore: UseReducerHandle<ExploreState>,
    /// The workers.
    pub pool: PoolHandle,
    /// Opens the scenario of a cell.
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

/// The place.
#[component]
pub fn Explore(props: &ExploreProps) -> Html {
    html! { <MapPart ..props.clone() /> }
}

/// Says which cell the present scenario is, with the ways back; nothing once it is another.
#[must_use]
pub fn way_back(
    explore: &UseReducerHandle<ExploreState>,
    scenario: &Scenario,
    on_map: Callback<MouseEvent>,
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
            <p>{ format!("A cell of the map: {}.", opened.words) }</p>
            <div class="buttons">
                <button type="button" class="small" onclick={on_map}>{ "Back to the map" }</button>
                <button type="button" class="small" onclick={former}>{ "Back to the scenario before" }</button>
            </div>
        </div>
    })
}
