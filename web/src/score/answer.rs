//! One answer: typed or picked, and scored; and one asked of the language model.

use std::rc::Rc;

use poq_core::dataset::TaskKind;
use web_sys::{HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};
use yew::prelude::*;

use super::form::Form;
use super::models::picker;
use super::part::{Act, PartProps, begin};
use super::state::{Action, State, Work};
use super::words;
use crate::format;
use poq_inference::protocol::{Corpus, EvaluatorHere, Generate, Score, ToInference};

/// A task and an answer, and what the evaluators make of them.
#[component]
pub fn Answer(props: &PartProps) -> Html {
    let PartProps { state, act } = props;
    let form = &state.form;
    let text = |label: &'static str, id: &'static str, value: &str, rows: u32, set: fn(&mut Form, String)| {
        let (act, form) = (act.clone(), form.clone());
        let oninput = move |event: InputEvent| {
            let mut form = form.clone();
            set(&mut form, event.target_unchecked_into::<HtmlTextAreaElement>().value());
            act.change(Action::Type(form));
        };
        html! {
            <div class="field">
                <label for={id}>{ label }</label>
                <textarea {id} rows={rows.to_string()} value={value.to_owned()} {oninput} />
            </div>
        }
    };
    let kind = {
        let (act, form) = (act.clone(), form.clone());
        move |event: Event| {
            let word = event.target_unchecked_into::<HtmlSelectElement>().value();
            let kind = TaskKind::ALL.into_iter().find(|kind| kind.as_str() == word).unwrap_or(form.kind);
            act.change(Action::Type(Form { kind, ..form.clone() }));
        }
    };
    let too_long = words::too_long(form);
    html! {
        <section aria-labelledby="score-answer">
            <h3 id="score-answer">{ "Score an answer" }</h3>
            <Pick corpus={state.corpus.clone()} at={state.row.as_ref().map_or((0, 0), |row| (row.number, row.node))} act={act.clone()} />
            <div class="score-form">
                <div class="field">
                    <label for="score-kind">{ "Kind of task" }</label>
                    <select id="score-kind" onchange={kind}>
                        { for TaskKind::ALL.iter().map(|kind| html! {
                            <option value={kind.as_str()} selected={*kind == form.kind}>{ kind.as_str() }</option>
                        }) }
                    </select>
                </div>
                { text("Prompt", "score-prompt", &form.prompt, 2, |form, text| form.prompt = text) }
                { text("Context (may be empty)", "score-context", &form.context, 4, |form, text| form.context = text) }
                { text("Answer", "score-text", &form.answer, 3, |form, text| form.answer = text) }
                { text("References, one a line", "score-references", &form.references, 2, |form, text| form.references = text) }
            </div>
            <div class="buttons">
                if state.doing == Some(Work::Score) {
                    <button type="button" onclick={{ let act = act.clone(); move |_: MouseEvent| act.stop() }}>{ "Stop" }</button>
                } else {
                    <button type="button" class="share" disabled={state.device.is_none() || state.is_busy() || too_long.is_some()} onclick={begin(act, Work::Score)}>
                        { "Score it" }
                    </button>
                }
            </div>
            if let Some(words) = too_long {
                <p class="fault" role="alert">{ words }</p>
            }
            <p role="status" class="quiet" data-scored={(!state.scores.is_empty() && state.doing.is_none()).to_string()}>
                { words::scoring(state) }
            </p>
            if !state.scores.is_empty() {
                <div class="scroll" role="region" tabindex="0" aria-label="Scores">{ scores(state) }</div>
            }
        </section>
    }
}

#[derive(PartialEq, Properties)]
struct PickProps {
    corpus: Option<Result<Rc<Corpus>, String>>,
    /// Numbers of the task and of the node that were picked.
    at: (u32, u32),
    act: Act,
}

/// The choice of a recorded row. It has as many options as there are tasks: it is drawn anew only when they, or the
/// choice, change.
#[component]
fn Pick(props: &PickProps) -> Html {
    let PickProps { corpus, at, act } = props;
    let (of_task, of_node) = (use_node_ref(), use_node_ref());
    let corpus = match corpus {
        None => return html! { <p class="quiet">{ "Reading the dataset beside the page …" }</p> },
        Some(Err(words)) => {
            return html! { <p class="fault" role="alert">{ format!("No recorded rows to pick from: {words}.") }</p> };
        }
        Some(Ok(corpus)) => corpus,
    };
    let (task, node) = *at;
    // What both lists show: one may be changed again before the row of the change before has come.
    let go = {
        let (act, of_task, of_node) = (act.clone(), of_task.clone(), of_node.clone());
        Callback::from(move |_: Event| {
            let shown = |list: &NodeRef| {
                let number = list.cast::<HtmlSelectElement>().map(|list| list.selected_index());
                number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
            };
            act.send(&ToInference::Row { task: shown(&of_task), node: shown(&of_node) });
        })
    };
    let options = |names: &[String], chosen: u32| {
        let short = |text: &str| text.chars().take(90).collect::<String>();
        (0..)
            .zip(names)
            .map(|(number, name)| html! { <option selected={number == chosen}>{ short(name) }</option> })
            .collect::<Html>()
    };
    html! {
        <div class="score-pick">
            <div class="field">
                <label for="score-task">{ format!("Recorded task ({})", corpus.prompts.len()) }</label>
                <select id="score-task" ref={of_task} onchange={go.clone()}>{ options(&corpus.prompts, task) }</select>
            </div>
            <div class="field">
                <label for="score-node">{ "answered by" }</label>
                <select id="score-node" ref={of_node} onchange={go}>{ options(&corpus.nodes, node) }</select>
            </div>
        </div>
    }
}

fn scores(state: &State) -> Html {
    let row = |(evaluator, outcome): &(EvaluatorHere, Result<Score, String>)| {
        let recorded = state
            .recorded()
            .and_then(|row| row.scores.iter().find(|(id, _)| *id == evaluator.id))
            .map(|(_, score)| score);
        let cells = match outcome {
            Err(words) => html! { <td colspan="6" class="text fault">{ words }</td> },
            Ok(score) => html! {
                <>
                    <td data-raw={score.raw.to_string()}>{ format::fixed(score.score, 3) }</td>
                    <td>{ recorded.map_or_else(|| "–".to_owned(), |before| format::fixed(before.score, 3)) }</td>
                    <td data-difference={recorded.map(|before| (score.score - before.score).to_string())}>
                        { recorded.map_or_else(|| "–".to_owned(), |before| format::fixed(score.score - before.score, 3)) }
                    </td>
                    <td>{ format::number(score.latency_ms) }</td>
                    <td>{ recorded.map_or_else(|| "–".to_owned(), |before| format::number(before.latency_ms)) }</td>
                    <td class="text">{ words::read(score) }</td>
                </>
            },
        };
        html! { <tr data-evaluator={evaluator.id.clone()}><th scope="row">{ &evaluator.name }</th>{ cells }</tr> }
    };
    html! {
        <table>
            <caption>
                { if state.scored.as_ref() == Some(&state.form) { "Scores, 0 to 10" } else { "Scores, 0 to 10, of what stood here before" } }
            </caption>
            <thead><tr>
                <th scope="col">{ "evaluator" }</th>
                <th scope="col">{ "here" }</th>
                <th scope="col">{ "recorded" }</th>
                <th scope="col">{ "difference" }</th>
                <th scope="col">{ "here, ms" }</th>
                <th scope="col">{ "recorded, ms" }</th>
                <th scope="col" class="text">{ "read" }</th>
            </tr></thead>
            <tbody>{ for state.scores.iter().map(row) }</tbody>
        </table>
    }
}

/// A prompt, and what the language model answers.
#[component]
pub fn Ask(props: &PartProps) -> Html {
    let PartProps { state, act } = props;
    let request = &state.ask.request;
    let change = |set: fn(&mut Generate, &str)| {
        let (act, request) = (act.clone(), request.clone());
        move |text: &str| {
            let mut request = request.clone();
            set(&mut request, text);
            act.change(Action::Request(request));
        }
    };
    let prompt = {
        let change = change(|request, text| request.prompt = text.to_owned());
        move |event: InputEvent| change(&event.target_unchecked_into::<HtmlTextAreaElement>().value())
    };
    let number = |label: &'static str,
                  id: &'static str,
                  value: String,
                  max: &'static str,
                  step: &'static str,
                  set: fn(&mut Generate, &str)| {
        let change = change(set);
        let oninput = move |event: InputEvent| change(&event.target_unchecked_into::<HtmlInputElement>().value());
        let style = format!("--digits: {}", max.len().max(6));
        html! {
            <div class="box">
                <label for={id}>{ label }</label>
                <input {id} type="number" min="0" {max} {step} {value} {oninput} {style} />
            </div>
        }
    };
    let chat = {
        let (act, request) = (act.clone(), request.clone());
        move |_: Event| act.change(Action::Request(Generate { chat: !request.chat, ..request.clone() }))
    };
    let open = {
        let act = act.clone();
        Callback::from(move |files: Vec<web_sys::File>| files.into_iter().for_each(|file| act.open(file)))
    };
    let is_idle = state.device.is_some() && !state.is_busy();
    html! {
        <section aria-labelledby="score-ask">
            <h3 id="score-ask">{ "Ask a language model" }</h3>
            <p class="plain">
                { "A language model answers, token by token: this device as an inference node. Besides those above, \
                   one in GGUF, of the families Llama, Qwen2, Gemma or Phi-3, can be opened from a file; it is not \
                   kept." }
            </p>
            { picker("a file", "Open a model in GGUF", !is_idle || state.transfer.is_some(), open) }
            if let Some((_, words)) = state.load_fault.as_ref().filter(|(model, _)| state.is_opened(model)) {
                <p class="fault" role="alert">{ words }</p>
            }
            <div class="field">
                <label for="ask-prompt">{ "Prompt" }</label>
                <textarea id="ask-prompt" rows="4" value={request.prompt.clone()} oninput={prompt} />
            </div>
            <label class="check"><input type="checkbox" checked={request.chat} onchange={chat} />{ "as a chat message" }</label>
            <div class="boxes">
                { number("tokens at most", "ask-tokens", request.max_tokens.to_string(), "2048", "1", |request, text| {
                    if let Ok(count) = text.parse::<u32>() { request.max_tokens = count.clamp(1, 2048); }
                }) }
                { number("temperature", "ask-temperature", request.temperature.to_string(), "5", "any", |request, text| {
                    if let Ok(value) = text.parse::<f32>() { request.temperature = value.clamp(0.0, 5.0); }
                }) }
                { number("seed", "ask-seed", request.seed.to_string(), "4294967295", "1", |request, text| {
                    if let Ok(seed) = text.parse::<u32>() { request.seed = u64::from(seed); }
                }) }
            </div>
            <div class="buttons">
                if state.doing == Some(Work::Generate) {
                    <button type="button" onclick={{ let act = act.clone(); move |_: MouseEvent| act.stop() }}>{ "Stop" }</button>
                } else {
                    <button type="button" class="share" disabled={!is_idle || state.decoder.is_none()} onclick={begin(act, Work::Generate)}>
                        { "Ask" }
                    </button>
                }
            </div>
            <p role="status" class="quiet" data-ask={words::ask_mark(state)}>{ words::asking(state) }</p>
            if !state.ask.text.is_empty() {
                <blockquote class="answer" id="ask-answer">{ &state.ask.text }</blockquote>
            }
            if let Some(Err(words)) = &state.ask.outcome {
                <p class="fault" role="alert">{ words }</p>
            }
        </section>
    }
}
