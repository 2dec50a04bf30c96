//! The map: its form, how far it is, the drawing, what of it may be taken away.

use std::rc::Rc;

use poq_core::Scenario;
use web_sys::HtmlSelectElement;
use yew::prelude::*;

use super::ExploreProps;
use super::form::MapForm;
use super::state::{Action, Explore, Opened, Phase};
use crate::app::browser;
use crate::app::results::copier;
use crate::export;
use crate::format;
use crate::groups;
use crate::map::form::{self, Form};
use crate::map::paint::{Shows, paint, position};
use crate::map::{Map, Place, files, words};
use crate::plot::figure::{Drawing, Figure};
use crate::plot::map::{Ground, Over, draw};
use crate::protocol::Summary;

/// The map with all that belongs to it.
#[component]
pub fn MapPart(props: &ExploreProps) -> Html {
    let ExploreProps { scenario, summary, chosen, explore, pool, .. } = props;
    let run = {
        let (scenario, summary, explore, pool) = (scenario.clone(), Rc::clone(summary), explore.clone(), pool.clone());
        let chosen = Rc::clone(chosen);
        Callback::from(move |()| match form::map(&explore.form, &scenario, &summary) {
            Err((place, words)) => explore.dispatch(Action::Refuse(place, words)),
            Ok(map) => {
                let rounds = (!explore.form.rounds.trim().is_empty()).then_some(map.base().rounds);
                let dispatch = explore.dispatcher();
                let map = Rc::new(map);
                // What the workers still had to say is of the map before.
                pool.0.stop();
                explore.dispatch(Action::Start(Rc::clone(&map), rounds));
                pool.0.start(&map.work(&chosen), map.order(), move |news| dispatch.dispatch(Action::Heard(news)));
            }
        })
    };
    // It already runs when its reader arrives.
    {
        let run = run.clone();
        let is_first = explore.phase == Phase::Idle && explore.fault.is_none();
        use_effect_with((), move |()| {
            if is_first {
                run.emit(());
            }
        });
    }
    let cancel = {
        let (explore, pool) = (explore.clone(), pool.clone());
        Callback::from(move |_: MouseEvent| {
            pool.0.stop();
            explore.dispatch(Action::Cancel);
        })
    };
    let on_edit = use_callback(explore.dispatcher(), |form: Form, dispatch| dispatch.dispatch(Action::Edit(form)));
    let is_stale = explore.is_stale(scenario);
    let again = run.reform(|_: MouseEvent| ());
    let evaluators = groups::instances(&scenario.network.evaluators, summary.evaluators.len());
    html! {
        <section class="map" aria-labelledby="map-part-heading" data-map-phase={phase_word(&explore.phase)}>
            <h2 id="map-part-heading">{ "The map: one scenario over two of its fields" }</h2>
            <MapForm form={explore.form.clone()} scenario={scenario.clone()} pool={evaluators} fault={explore.fault.clone()}
                button={if explore.phase == Phase::Running { "Start again" } else { "Make the map" }} {on_edit} on_run={run} />
            if is_stale {
                <div class="banner stale" role="status">
                    <p>{ "This map is of the former scenario." }</p>
                    <button type="button" class="small" onclick={again.clone()}>{ "Make it again" }</button>
                </div>
            }
            { progress(explore, cancel, again) }
            if let Some(map) = &explore.map {
                <MapFigure map={Rc::clone(map)} scenario={(!is_stale).then(|| scenario.clone())} former={scenario.clone()}
                    summary={Rc::clone(summary)} explore={explore.clone()} on_open={props.on_open.clone()} />
                <TakeAway map={Rc::clone(map)} summary={Rc::clone(summary)} />
            }
        </section>
    }
}

/// For tests and styles.
fn phase_word(phase: &Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Running => "running",
        Phase::Cancelled => "cancelled",
        Phase::Done { .. } => "done",
        Phase::Failed(_) => "failed",
    }
}

fn progress(explore: &Explore, cancel: Callback<MouseEvent>, again: Callback<MouseEvent>) -> Html {
    let (done, all) = explore.map.as_ref().map_or((0, 0), |map| (map.done(), map.len()));
    let of = format!("{} of {} cells", format::count(done as u64), format::count(all as u64));
    let line = match &explore.phase {
        Phase::Idle => Html::default(),
        Phase::Running => html! {
            <div class="progress">
                <progress max="1" value={(done as f64 / all.max(1) as f64).to_string()} aria-label="Cells run" />
                <span>{ of }</span>
                <button type="button" class="small" onclick={cancel}>{ "Cancel the map" }</button>
            </div>
        },
        Phase::Cancelled => html! {
            <div class="progress cancelled" role="status">
                <span>{ format!("Cancelled after {of}. A cell that was not run has the colour of one that was, near it.") }</span>
                <button type="button" class="small" onclick={again}>{ "Make it again" }</button>
            </div>
        },
        Phase::Done { elapsed_ms } => {
            let rounds = explore.map.as_ref().map_or(0, |map| map.base().rounds);
            html! {
                <p class="progress quiet" data-elapsed={elapsed_ms.to_string()}>
                    { format!("{} of {} each in {}.", format::counted(all as u64, "cell", "cells"),
                        format::counted(rounds, "round", "rounds"), format::duration(elapsed_ms.max(1.0))) }
                </p>
            }
        }
        Phase::Failed(words) => html! {
            <div class="fault banner" role="alert">
                <p>{ format!("The map stopped after {of}: {words}") }</p>
                <button type="button" class="small" onclick={again}>{ "Make it again" }</button>
            </div>
        },
    };
    html! {
        <>
            { line }
            if let Some(words) = &explore.weaker {
                <p class="fault" role="alert">{ format!("One of the workers stopped ({words}); the others go on.") }</p>
            }
        </>
    }
}

#[derive(Clone, PartialEq, Properties)]
struct MapFigureProps {
    map: Rc<Map>,
    /// The present scenario, if the map is of it.
    scenario: Option<Scenario>,
    /// The present scenario, to come back to.
    former: Scenario,
    summary: Rc<Summary>,
    explore: UseReducerHandle<Explore>,
    on_open: Callback<Scenario>,
}

#[component]
fn MapFigure(props: &MapFigureProps) -> Html {
    let MapFigureProps { map, scenario, former, summary, explore, on_open } = props;
    let shows = explore.shows;
    let node = chosen_node(explore, map);
    let ground = use_memo((Rc::clone(map), shows, node.clone(), Rc::clone(summary)), |(map, shows, node, summary)| {
        Ground::new(paint(map, summary, *shows, node), map.size())
    });
    let now = use_memo((Rc::clone(&ground), scenario.clone()), |(_, scenario)| {
        position(map, scenario.as_ref().unwrap_or(map.base()))
    });
    let table = use_memo((Rc::clone(&ground), Rc::clone(map)), |(ground, map)| table(map, ground));
    let sentence = words::sentence(map, ground.painted(), shows, &node, summary);
    let cell_words = words::cell(map, explore.cursor, shows, &node, summary);
    let open = {
        let (map, explore, former, on_open) = (Rc::clone(map), explore.clone(), former.clone(), on_open.clone());
        Callback::from(move |place: Place| {
            // A cell that cannot be run says so in its words.
            if let Ok(scenario) = map.scenario(place) {
                let words = format!("A cell of the map: {}", words::place(&map, place));
                let opened = Opened { scenario: scenario.clone(), words, former: former.clone() };
                explore.dispatch(Action::Cursor(place));
                explore.dispatch(Action::Open(Rc::new(opened)));
                on_open.emit(scenario);
            }
        })
    };
    let on_key = {
        let (explore, open, size) = (explore.clone(), open.clone(), map.size());
        Callback::from(move |event: KeyboardEvent| match event.key().as_str() {
            "Enter" | " " => {
                event.prevent_default();
                open.emit(explore.cursor);
            }
            key => {
                if let Some(place) = moved(explore.cursor, size, key) {
                    event.prevent_default();
                    explore.dispatch(Action::Cursor(place));
                }
            }
        })
    };
    let hover = {
        let explore = explore.clone();
        Callback::from(move |place: Place| {
            if place != explore.cursor {
                explore.dispatch(Action::Cursor(place));
            }
        })
    };
    let draw = {
        let (map, ground, now, words, cursor) =
            (Rc::clone(map), Rc::clone(&ground), *now, cell_words.clone(), explore.cursor);
        let title = title(shows, &node, &map, summary);
        move |width: f64| -> Drawing {
            let over = Over {
                now,
                cursor,
                words: words.clone(),
                on_key: on_key.clone(),
                on_hover: hover.clone(),
                on_open: open.clone(),
            };
            draw(&map, &ground, &over, shows, &title, width)
        }
    };
    let caption = html! {
        { "Each cell is a run of its own with the same seed. The ring is where the scenario stands now. Arrow keys or the pointer \
           tell a cell; Enter or a click opens it as the scenario." }
    };
    html! {
        <>
            <p class="headline map-sentence">{ sentence }</p>
            { chooser(explore, map, &node, summary) }
            <Figure id="map" heading={heading(shows)} {caption} {draw} table={(*table).clone()}
                terms={terms(shows)} max_width={760.0} />
            <p class="cell-words" aria-live="polite">{ cell_words }</p>
        </>
    }
}

/// The place that a key leads to.
fn moved((x, y): Place, (across, up): Place, key: &str) -> Option<Place> {
    Some(match key {
        "ArrowLeft" => (x.saturating_sub(1), y),
        "ArrowRight" => ((x + 1).min(across - 1), y),
        "ArrowUp" => (x, (y + 1).min(up - 1)),
        "ArrowDown" => (x, y.saturating_sub(1)),
        "Home" => (0, y),
        "End" => (across - 1, y),
        "PageUp" => (x, up - 1),
        "PageDown" => (x, 0),
        _ => return None,
    })
}

/// The node whose mean reward is shown: the chosen one, or the first.
fn chosen_node(explore: &Explore, map: &Map) -> String {
    if !explore.node.is_empty() {
        return explore.node.clone();
    }
    map.own().and_then(|own| own.roster.inference.first()).map(|(id, _)| id.clone()).unwrap_or_default()
}

fn heading(shows: Shows) -> &'static str {
    match shows {
        Shows::Winner => "Who earns most, where",
        Shows::Losers => "Where nodes lose",
        Shows::Flips => "Where the ranking differs",
        Shows::Node => "What a node earns, where",
        Shows::Pearson => "Where the consensus can be trusted",
        Shows::Kendall => "Where reward follows efficiency",
        Shows::Gain => "Where attacks pay",
    }
}

fn terms(shows: Shows) -> &'static [&'static str] {
    match shows {
        Shows::Winner | Shows::Losers | Shows::Flips | Shows::Node => &["mean_reward", "reward", "cost"],
        Shows::Pearson => &["consensus", "truth", "pearson"],
        Shows::Kendall => &["kendall", "mean_reward", "truth"],
        Shows::Gain => &["attack", "gain"],
    }
}

/// The title of the legend.
fn title(shows: Shows, node: &str, map: &Map, summary: &Summary) -> String {
    match (shows, map.own()) {
        (Shows::Node, Some(own)) => format!("{}, {}:", words::name_of(&own.roster, node, summary), shows.measure()),
        _ => format!("{}:", shows.measure()),
    }
}

/// What the cells show.
fn chooser(explore: &UseReducerHandle<Explore>, map: &Map, node: &str, summary: &Summary) -> Html {
    let choose = {
        let dispatch = explore.dispatcher();
        move |event: Event| {
            let word = event.target_unchecked_into::<HtmlSelectElement>().value();
            if let Some((shows, ..)) = Shows::ALL.into_iter().find(|(_, known, _)| *known == word) {
                dispatch.dispatch(Action::Show(shows));
            }
        }
    };
    let choose_node = {
        let dispatch = explore.dispatcher();
        move |event: Event| dispatch.dispatch(Action::Node(event.target_unchecked_into::<HtmlSelectElement>().value()))
    };
    let nodes = map.own().map(|own| Rc::clone(&own.roster)).unwrap_or_default();
    html! {
        <div class="chooser boxes">
            <div class="box">
                <label for="map-shows">{ "a cell shows" }</label>
                <select id="map-shows" onchange={choose}>
                    { for Shows::ALL.into_iter().map(|(shows, word, words)| html! {
                        <option value={word} selected={shows == explore.shows}>{ words }</option>
                    }) }
                </select>
            </div>
            if explore.shows == Shows::Node {
                <div class="box">
                    <label for="map-node">{ "node" }</label>
                    <select id="map-node" onchange={choose_node}>
                        { for nodes.inference.iter().chain(&nodes.evaluators).map(|(id, model)| html! {
                            <option value={id.clone()} selected={id == node}>{ summary.instance_name(model, id) }</option>
                        }) }
                    </select>
                </div>
            }
        </div>
    }
}

/// A row for each value of the axis that goes up, told in stretches along the other.
fn table(map: &Map, ground: &Ground) -> Html {
    let [x, y] = map.axes();
    let painted = ground.painted();
    html! {
        <table>
            <caption>{ format!("By {}: where along {} a cell shows what", words::field(&y.path).0, words::field(&x.path).0) }</caption>
            <thead>
                <tr>
                    <th scope="col">{ words::field(&y.path).0 }</th>
                    <th scope="col" class="text">{ words::field(&x.path).0 }</th>
                </tr>
            </thead>
            <tbody>
                { for y.values.iter().enumerate().rev().map(|(row, value)| {
                    let stretches: Vec<String> = words::stretches(map, painted, row)
                        .into_iter()
                        .map(|(range, class)| format!("{range}: {}", painted.classes[class].label))
                        .collect();
                    let words = if stretches.is_empty() { "not run yet".to_owned() } else { stretches.join("; ") };
                    html! { <tr><th scope="row">{ words::value(value) }</th><td class="text">{ words }</td></tr> }
                }) }
            </tbody>
        </table>
    }
}

#[derive(Clone, PartialEq, Properties)]
struct TakeAwayProps {
    map: Rc<Map>,
    summary: Rc<Summary>,
}

#[component]
fn TakeAway(props: &TakeAwayProps) -> Html {
    let TakeAwayProps { map, summary } = props;
    let said = use_state(String::new);
    let command = use_memo((Rc::clone(map), Rc::clone(summary)), |(map, summary)| {
        export::on_dataset(files::command(map), summary)
    });
    let csv = {
        let map = Rc::clone(map);
        move |_: MouseEvent| browser::download_parts("poq-map.csv", "text/csv", files::csv(&map))
    };
    let json = {
        let (map, name) = (Rc::clone(map), summary.name.clone());
        move |_: MouseEvent| browser::download_parts("poq-map.json", "application/json", files::json(&map, &name))
    };
    html! {
        <div class="take-away">
            <div class="buttons">
                <button type="button" onclick={csv}>{ "CSV of the cells" }</button>
                <button type="button" onclick={json}>{ "JSON of the map" }</button>
                <button type="button" onclick={copier(&said, "Command", (*command).clone())}>{ "Copy as command" }</button>
            </div>
            <pre class="scroll" tabindex="0" role="region" aria-label="The same map in a terminal"><code>{ &*command }</code></pre>
            <p class="quiet" role="status">{ &*said }</p>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::moved;

    #[test]
    fn keys_lead_to_the_next_cell_and_not_beyond() {
        let size = (4, 3);
        for (key, want) in [
            ("ArrowLeft", (0, 1)),
            ("ArrowRight", (2, 1)),
            ("ArrowUp", (1, 2)),
            ("ArrowDown", (1, 0)),
            ("Home", (0, 1)),
            ("End", (3, 1)),
            ("PageUp", (1, 2)),
            ("PageDown", (1, 0)),
        ] {
            assert_eq!(moved((1, 1), size, key), Some(want), "{key}");
        }
        assert_eq!(moved((0, 0), size, "ArrowLeft"), Some((0, 0)));
        assert_eq!(moved((3, 2), size, "ArrowUp"), Some((3, 2)));
        assert_eq!(moved((1, 1), size, "a"), None);
    }
}
