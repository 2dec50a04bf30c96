//! The result: five figures, a round opened, and files to take away.

use std::rc::Rc;

use poq_core::Report;
use poq_core::round::OpenedRound;
use yew::prelude::*;

use super::browser;
use super::opened::{self, Opened};
use super::tables;
use crate::export;
use crate::format;
use crate::plot::figure::Figure;
use crate::plot::{audit, density, intervals, scatter, series};
use crate::protocol::Summary;
use crate::study::sheet::Measure;

/// The place.
#[derive(Clone, PartialEq, Properties)]
pub struct ResultsProps {
    /// The result, perhaps of a run that is under way.
    pub report: Rc<Report>,
    /// The dataset.
    pub summary: Rc<Summary>,
    /// The opened round, once it is there.
    pub round: Option<Rc<OpenedRound>>,
    /// Its number, from 0.
    pub number: u64,
    /// Why it could not be opened.
    pub round_fault: Option<String>,
    /// Opens a round.
    pub on_open: Callback<u64>,
}

/// The place.
#[component]
pub fn Results(props: &ResultsProps) -> Html {
    let ResultsProps { report, summary, round, number, round_fault, on_open } = props;
    html! {
        <>
            <Figures report={Rc::clone(report)} summary={Rc::clone(summary)} on_open={on_open.clone()} />
            <Opened round={round.clone()} number={*number} rounds={report.rounds} fault={round_fault.clone()}
                summary={Rc::clone(summary)} on_open={on_open.clone()} />
            <TakeAway report={Rc::clone(report)} summary={Rc::clone(summary)} />
        </>
    }
}

/// The drawings, apart from the opened round: stepping through rounds draws none of them again.
#[derive(Clone, PartialEq, Properties)]
struct FiguresProps {
    report: Rc<Report>,
    summary: Rc<Summary>,
    on_open: Callback<u64>,
}

#[component]
fn Figures(props: &FiguresProps) -> Html {
    let FiguresProps { report, summary, on_open } = props;
    let open_and_go = on_open.reform(|number: u64| {
        browser::go_to(opened::ID);
        number
    });
    html! {
        <div class="figures">
            { earnings(report, summary) }
            { quality(report, summary) }
            { gains(report, summary) }
            { trust(report, &open_and_go) }
            { evaluators(report, summary) }
            { weights(report, summary) }
            { settling(report, summary) }
        </div>
    }
}

fn earnings(report: &Rc<Report>, summary: &Rc<Summary>) -> Html {
    let draw = {
        let (report, summary) = (Rc::clone(report), Rc::clone(summary));
        move |width: f64| {
            let groups = [
                ("Inference nodes", intervals::rows(&report.inference_nodes, &summary)),
                ("Evaluators", intervals::rows(&report.evaluator_nodes, &summary)),
            ];
            intervals::draw(&groups, &Measure::paid("mean reward"), "mean reward each time a node is paid", width)
        }
    };
    let caption = html! {
        <>{ "Dot: mean. " }<b>{ "Thick bar" }</b>{ ": 95% for the luck of the draws. " }<b>{ "Thin bar" }</b>
        { ": 95% for the choice of prompts." }
        if report.scenario.money.is_some() { { " ▾: where it would break even." } }</>
    };
    html! {
        <Figure id="earnings" heading="Who earns what" {caption} {draw} table={tables::nodes(report, summary)}
            terms={&["mean_reward", "reward", "cost", "profit", "monte_carlo", "prompt_interval"][..]} />
    }
}

fn gains(report: &Rc<Report>, summary: &Rc<Summary>) -> Html {
    if report.attackers.is_empty() {
        return Html::default();
    }
    let draw = {
        let (report, summary) = (Rc::clone(report), Rc::clone(summary));
        move |width: f64| {
            let nodes = [&report.inference_nodes[..], &report.evaluator_nodes[..]].concat();
            let rows = intervals::gains(&report.attackers, &nodes, &summary);
            intervals::draw(&[("Attackers", rows)], &Measure::paid("gain"), "gain each time it is paid", width)
        }
    };
    let caption = html! { "Right of 0 the attack pays. Each is set beside the same draws with its nodes honest and all else as it is." };
    html! {
        <Figure id="gains" heading="What attackers gain" {caption} {draw} table={tables::attackers(report, summary)}
            terms={&["attack", "gain", "monte_carlo", "prompt_interval"][..]} />
    }
}

fn weights(report: &Rc<Report>, summary: &Rc<Summary>) -> Html {
    if report.plots.series_weight.is_empty() {
        return Html::default();
    }
    let draw = {
        let (report, summary) = (Rc::clone(report), Rc::clone(summary));
        move |width: f64| {
            let evaluators: Vec<&str> = summary.evaluators.iter().map(|node| node.id.as_str()).collect();
            let role = series::Role {
                title: "trust weight",
                nodes: &report.evaluator_nodes,
                models: &evaluators,
                first: 0,
                cuts_start: false,
            };
            let weights: Vec<Vec<Option<f64>>> =
                report.plots.series_weight.iter().map(|point| point.iter().copied().map(Some).collect()).collect();
            series::draw(&[role], &report.plots.series_rounds, &weights, &summary, width)
        }
    };
    html! {
        <Figure id="weights" heading="Who is trusted" caption={html! { "Each evaluator’s weight in the consensus after each part of the run." }}
            {draw} table={tables::weights(report, summary)} terms={&["trust_weight", "ema_trust"][..]} />
    }
}

fn quality(report: &Rc<Report>, summary: &Rc<Summary>) -> Html {
    let draw = {
        let (report, summary) = (Rc::clone(report), Rc::clone(summary));
        move |width: f64| scatter::draw(&report, &summary, width)
    };
    let caption = if report.scenario.reward.alpha_inference > 0.0 {
        "Up is better, left is cheaper. A node stands at its mean consensus, which it is paid for; along each dotted line it would earn the \
         same. The thin segment ends at its truth."
    } else {
        "Up is better, left is cheaper. With α at 0 quality does not pay: no line of equal reward."
    };
    html! {
        <Figure id="quality" heading="Quality against cost" caption={html! { caption }} {draw}
            table={tables::quality(report, summary)} terms={&["consensus", "truth", "f1", "cost", "equal_reward"][..]} />
    }
}

fn trust(report: &Rc<Report>, open: &Callback<u64>) -> Html {
    let draw = {
        let (report, open) = (Rc::clone(report), open.clone());
        move |width: f64| density::draw(&report, &open, width)
    };
    let caption = html! {
        { "A square’s area is the number of answers; it opens one of their rounds. Dashed: where consensus equals truth." }
    };
    html! {
        <Figure id="trust" heading="Can the consensus be trusted" {caption} {draw} table={tables::mechanism(report)}
            terms={&["consensus", "truth", "pearson", "spearman", "kendall"][..]} />
    }
}

fn evaluators(report: &Rc<Report>, summary: &Rc<Summary>) -> Html {
    let draw = {
        let (report, summary) = (Rc::clone(report), Rc::clone(summary));
        move |width: f64| audit::draw(&report.evaluator_audit, &summary, width)
    };
    let caption = html! {
        { "How each evaluator’s score goes with truth, over every recorded answer; the line is 95% for the choice of prompts. A square \
           marked “inverted” runs against truth; “unclear” could be either." }
    };
    html! {
        <Figure id="audit" heading="Evaluator audit" {caption} {draw} table={tables::audit(report, summary)}
            terms={&["score", "pearson", "inversion"][..]} />
    }
}

fn settling(report: &Rc<Report>, summary: &Rc<Summary>) -> Html {
    if report.plots.series_rounds.is_empty() {
        return Html::default();
    }
    let draw = {
        let (report, summary) = (Rc::clone(report), Rc::clone(summary));
        move |width: f64| {
            let nodes: Vec<&str> = summary.inference.iter().map(|node| node.id.as_str()).collect();
            let evaluators: Vec<&str> = summary.evaluators.iter().map(|node| node.id.as_str()).collect();
            let roles = [
                series::Role {
                    title: "Inference nodes: mean reward",
                    nodes: &report.inference_nodes,
                    models: &nodes,
                    first: 0,
                    cuts_start: true,
                },
                series::Role {
                    title: "Evaluators: mean reward",
                    nodes: &report.evaluator_nodes,
                    models: &evaluators,
                    first: report.inference_nodes.len(),
                    cuts_start: true,
                },
            ];
            series::draw(&roles, &report.plots.series_rounds, &report.plots.series_reward_mean, &summary, width)
        }
    };
    html! {
        <Figure id="settling" heading="How the means settle" caption={html! { "The running mean reward after each part of the run." }}
            {draw} table={tables::series(report, summary)} terms={&["mean_reward", "monte_carlo"][..]} />
    }
}

/// What a button does that copies a text, and says so.
pub fn copier(said: &UseStateHandle<String>, what: &'static str, text: String) -> impl Fn(MouseEvent) + use<> {
    let said = said.clone();
    move |_: MouseEvent| {
        let (said, text) = (said.clone(), text.clone());
        wasm_bindgen_futures::spawn_local(async move {
            let done = browser::copy(&text).await;
            said.set(if done {
                format!("{what} copied.")
            } else {
                "This browser does not let the page copy: select the text instead.".to_owned()
            });
        });
    }
}

/// Files and the command.
#[derive(Clone, PartialEq, Properties)]
struct TakeAwayProps {
    report: Rc<Report>,
    summary: Rc<Summary>,
}

#[component]
fn TakeAway(props: &TakeAwayProps) -> Html {
    let TakeAwayProps { report, summary } = props;
    let said = use_state(String::new);
    let command = export::on_dataset(export::command(&report.scenario), summary);
    let save = |name: &'static str, mime: &'static str, text: fn(&Report) -> String| {
        let report = Rc::clone(report);
        move |_: MouseEvent| browser::download(name, mime, &text(&report))
    };
    html! {
        <section class="figure take-away" aria-labelledby="take-away-heading">
            <h2 id="take-away-heading">{ "Take it away" }</h2>
            <div class="buttons">
                <button type="button" onclick={save("poq-nodes.csv", "text/csv", export::csv)}>{ "CSV of the nodes" }</button>
                <button type="button" onclick={save("poq-report.json", "application/json", export::json)}>{ "JSON of the report" }</button>
                <button type="button" onclick={copier(&said, "Command", command.clone())}>{ "Copy as command" }</button>
            </div>
            <pre class="scroll" tabindex="0" role="region" aria-label="The same run in a terminal"><code>{ command }</code></pre>
            if report.digest.is_empty() {
                <p class="quiet" data-digest="">
                    { format!("No digest yet: the command, the link and the files are of the {} run so far. The command’s own run of \
                               these is whole, and has one.", format::counted(report.rounds, "round", "rounds")) }
                </p>
            } else {
            <p>
                { "Digest " }
                <code class="digest" data-digest={report.digest.clone()} title={report.digest.clone()}>
                    { report.digest.chars().take(16).collect::<String>() }{ "…" }
                </code>
                { " " }
                <button type="button" class="small" onclick={copier(&said, "Digest", report.digest.clone())} aria-label="Copy the whole digest">
                    { "copy" }
                </button>
                <span class="quiet">
                    { format!(" over {}, engine version {}", format::counted(report.rounds, "round", "rounds"), report.engine_version) }
                </span>
            </p>
            }
            if report.inference_nodes.iter().chain(&report.evaluator_nodes).any(|node| node.instances > 1) {
                <p class="quiet">
                    { "In so large a network, nodes that differ in their names alone are told as one group; the digest is over each \
                       of them, and the command prints each." }
                </p>
            }
            <p class="quiet" role="status">{ &*said }</p>
            <super::explain::Terms ids={&["digest"][..]} />
        </section>
    }
}
