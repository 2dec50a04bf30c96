//! The figures as real tables.

use poq_core::Report;
use poq_core::report::{EvaluatorAudit, NodeReport};
use poq_core::stats::Interval;
use poq_core::without::{Track, tracks_of};
use yew::prelude::*;

use crate::format;
use crate::plot::audit::{correlation_words, kind_word};
use crate::plot::scatter;
use crate::protocol::Summary;

/// Rows of a table in the page at most; the CSV has all.
const MAX_ROWS: usize = 200;

/// What each node earned.
pub fn nodes(report: &Report, summary: &Summary) -> Html {
    html! {
        <>
            { role("Inference nodes", "truth, 0–10", &report.inference_nodes, summary) }
            { role("Evaluators", "closeness, 0–10", &report.evaluator_nodes, summary) }
        </>
    }
}

fn role(title: &str, quality: &str, nodes: &[NodeReport], summary: &Summary) -> Html {
    let mut sorted: Vec<&NodeReport> = nodes.iter().collect();
    let key = |node: &NodeReport| node.reward_mean.unwrap_or(f64::NEG_INFINITY);
    sorted.sort_by(|a, b| key(b).total_cmp(&key(a)));
    let in_money = nodes.iter().any(|node| node.break_even_reward.is_some());
    let at_stake = nodes.iter().any(|node| node.stake.is_some());
    html! {
        <table>
            <caption>{ title.to_owned() }{ more(nodes.len()) }</caption>
            <thead>
                <tr>
                    <th scope="col">{ "node" }</th>
                    <th scope="col">{ "times paid" }</th>
                    <th scope="col">{ "mean reward" }</th>
                    <th scope="col">{ "sd" }</th>
                    <th scope="col">{ "95%, luck of the draws" }</th>
                    <th scope="col">{ "95%, choice of prompts" }</th>
                    <th scope="col">{ "below 0" }</th>
                    <th scope="col">{ quality.to_owned() }</th>
                    <th scope="col">{ "cost, 0–1" }</th>
                    <th scope="col">{ "latency, ms" }</th>
                    if in_money {
                        <th scope="col">{ "profit" }</th>
                        <th scope="col">{ "break-even reward" }</th>
                    }
                    if at_stake {
                        <th scope="col">{ "stake left" }</th>
                        <th scope="col">{ "stake lost each time" }</th>
                    }
                </tr>
            </thead>
            <tbody>{ for sorted.into_iter().take(MAX_ROWS).map(|node| row(node, summary)) }</tbody>
        </table>
    }
}

fn row(node: &NodeReport, summary: &Summary) -> Html {
    let interval = |value: Option<Interval>| format::interval(value, node.rounds);
    let sd = match (node.reward_sd, node.rounds) {
        (Some(sd), _) => format::number(sd),
        (None, 0) => format::NO_ROUNDS.to_owned(),
        (None, _) => "one value only".to_owned(),
    };
    html! {
        <tr>
            <th scope="row">{ summary.node_name(node) }</th>
            <td>{ format::count(node.rounds) }</td>
            <td>{ format::mean(node.reward_mean) }</td>
            <td>{ sd }</td>
            <td>{ interval(node.ci95_monte_carlo) }</td>
            <td>{ interval(node.ci95_prompts) }</td>
            <td>{ node.negative_share.map_or_else(|| format::NO_ROUNDS.to_owned(), format::percent) }</td>
            <td>{ format::mean(node.quality_mean) }</td>
            <td>{ format::number(node.cost) }</td>
            <td>{ format::number(node.latency_ms_mean) }</td>
            if let Some(break_even) = node.break_even_reward {
                <td>{ format::mean(node.profit_mean) }</td>
                <td>{ format::number(break_even) }</td>
            }
            if let Some(stake) = node.stake {
                <td>{ format::number(stake) }</td>
                <td>{ format::mean(node.slashed_mean) }</td>
            }
        </tr>
    }
}

fn more(nodes: usize) -> String {
    if nodes > MAX_ROWS {
        format!(", the first {MAX_ROWS} of {} (all are in the CSV)", format::count(nodes as u64))
    } else {
        String::new()
    }
}

/// What each attacker gains.
pub fn attackers(report: &Report, summary: &Summary) -> Html {
    let nodes = || report.inference_nodes.iter().chain(&report.evaluator_nodes);
    html! {
        <table>
            <caption>{ "Attackers" }{ more(report.attackers.len()) }</caption>
            <thead>
                <tr>
                    <th scope="col">{ "node" }</th>
                    <th scope="col" class="text">{ "attack" }</th>
                    <th scope="col">{ "mean reward" }</th>
                    <th scope="col">{ "if honest" }</th>
                    <th scope="col">{ "gain" }</th>
                    <th scope="col">{ "95%, luck of the draws" }</th>
                    <th scope="col">{ "95%, choice of prompts" }</th>
                </tr>
            </thead>
            <tbody>
                { for report.attackers.iter().take(MAX_ROWS).map(|attacker| {
                    let node = nodes().find(|node| node.id == attacker.id);
                    let paid = node.map_or(0, |node| node.rounds);
                    html! {
                        <tr>
                            <th scope="row">{ node.map_or_else(|| attacker.id.clone(), |node| summary.node_name(node)) }</th>
                            <td class="text">{ format!("{}. {}", attacker.attack + 1, attacker.kind.replace('_', " ")) }</td>
                            <td>{ format::mean(attacker.reward_mean) }</td>
                            <td>{ format::mean(attacker.honest_reward_mean) }</td>
                            <td>{ format::mean(attacker.gain_mean) }</td>
                            <td>{ format::interval(attacker.ci95_monte_carlo, paid) }</td>
                            <td>{ format::interval(attacker.ci95_prompts, paid) }</td>
                        </tr>
                    }
                }) }
            </tbody>
        </table>
    }
}

/// Every evaluator's trust weight over time.
pub fn weights(report: &Report, summary: &Summary) -> Html {
    html! {
        <table>
            <caption>{ "Trust weights" }</caption>
            <thead>
                <tr>
                    <th scope="col">{ "rounds" }</th>
                    { for report.evaluator_nodes.iter().map(|node| html! { <th scope="col">{ summary.node_name(node) }</th> }) }
                </tr>
            </thead>
            <tbody>
                { for report.plots.series_rounds.iter().zip(&report.plots.series_weight).map(|(&round, weights)| html! {
                    <tr>
                        <th scope="row">{ format::count(round) }</th>
                        { for weights.iter().map(|&weight| html! { <td>{ format::number(weight) }</td> }) }
                    </tr>
                }) }
            </tbody>
        </table>
    }
}

/// Quality and cost of the inference nodes.
pub fn quality(report: &Report, summary: &Summary) -> Html {
    html! {
        <table>
            <caption>{ "Inference nodes" }{ more(report.inference_nodes.len()) }</caption>
            <thead>
                <tr>
                    <th scope="col">{ "node" }</th>
                    <th scope="col">{ "truth, 0–10" }</th>
                    <th scope="col">{ "mean consensus, 0–10" }</th>
                    <th scope="col">{ "latency, ms" }</th>
                    <th scope="col">{ "cost, 0–1" }</th>
                    <th scope="col">{ "mean reward" }</th>
                </tr>
            </thead>
            <tbody>
                { for report.inference_nodes.iter().take(MAX_ROWS).map(|node| html! {
                    <tr>
                        <th scope="row">{ summary.node_name(node) }</th>
                        <td>{ format::mean(node.quality_mean) }</td>
                        <td>{ format::optional(scatter::mean_consensus(report, node)) }</td>
                        <td>{ format::number(node.latency_ms_mean) }</td>
                        <td>{ format::number(node.cost) }</td>
                        <td>{ format::mean(node.reward_mean) }</td>
                    </tr>
                }) }
            </tbody>
        </table>
    }
}

/// How well the mechanism did.
pub fn mechanism(report: &Report) -> Html {
    let mechanism = &report.mechanism;
    let mut rows = vec![
        ("Pearson correlation of consensus with truth", format::optional(mechanism.pearson_consensus_truth)),
        ("Spearman rank correlation of consensus with truth", format::optional(mechanism.spearman_consensus_truth)),
        (
            "Kendall’s τ of mean reward with truth per millisecond",
            format::optional(mechanism.kendall_reward_efficiency),
        ),
    ];
    if let Some(r) = mechanism.pearson_consensus_judge {
        rows.push(("Pearson correlation of consensus with the judge", format::number(r)));
    }
    if let Some([intercept, slope]) = mechanism.fit_consensus_truth {
        rows.push(("Fit: consensus at truth 0", format::number(intercept)));
        rows.push(("Fit: consensus gained for each point of truth", format::number(slope)));
    }
    html! {
        <table>
            <thead><tr><th scope="col">{ "measure" }</th><th scope="col">{ "value" }</th></tr></thead>
            <tbody>
                { for rows.into_iter().map(|(name, value)| html! {
                    <tr><th scope="row">{ name }</th><td>{ value }</td></tr>
                }) }
            </tbody>
        </table>
    }
}

/// How well each evaluator tracks truth and judge.
pub fn audit(report: &Report, summary: &Summary) -> Html {
    let interval = |ci95: Option<Interval>| {
        ci95.map_or_else(
            || "–".to_owned(),
            |[low, high]| format!("{} to {}", format::fixed(low, 2), format::fixed(high, 2)),
        )
    };
    let row = |audit: &EvaluatorAudit, track: &Track, rho: Option<f64>| {
        let name = summary.name_of(&audit.id);
        html! {
            <tr>
                <th scope="row">
                    { match track.task_kind {
                        None => format!("{name} ({} ms)", format::number(audit.latency_ms_mean)),
                        Some(_) => name,
                    } }
                </th>
                <td class="text">{ track.task_kind.map_or("all tasks", kind_word) }</td>
                <td>{ correlation_words(track) }</td>
                <td>{ interval(track.ci95_truth) }</td>
                <td>{ rho.map_or_else(|| "–".to_owned(), |rho| format::fixed(rho, 2)) }</td>
                <td>{ track.pearson_judge.map_or_else(|| "–".to_owned(), |r| format::fixed(r, 2)) }</td>
                <td>{ interval(track.ci95_judge) }</td>
            </tr>
        }
    };
    let tracks = tracks_of(&report.evaluator_audit, &summary.degrees);
    let rows = |(audit, tracks): (&EvaluatorAudit, &[Track])| {
        let kinds = audit.by_task_kind.iter().map(|kind| (kind.spearman_truth, kind.outputs > 0));
        let ranks = std::iter::once((audit.spearman_truth, true)).chain(kinds);
        let shown = tracks.iter().zip(ranks).filter(|(_, (_, is_there))| *is_there);
        shown.map(|(track, (rho, _))| row(audit, track, rho)).collect::<Html>()
    };
    let by_evaluator = tracks.chunk_by(|a, b| a.evaluator == b.evaluator);
    html! {
        <table>
            <caption>{ "Correlation of score with truth and with the judge over all recorded answers; each 95% is of its own, for the choice of prompts; \"inverted\" and \"unclear\" are told for all rows at once (Holm)" }</caption>
            <thead>
                <tr>
                    <th scope="col">{ "evaluator (mean latency)" }</th>
                    <th scope="col" class="text">{ "tasks" }</th>
                    <th scope="col">{ "r with truth" }</th>
                    <th scope="col">{ "95%" }</th>
                    <th scope="col">{ "rank correlation ρ" }</th>
                    <th scope="col">{ "r with the judge" }</th>
                    <th scope="col">{ "95%" }</th>
                </tr>
            </thead>
            <tbody>{ for report.evaluator_audit.iter().zip(by_evaluator).map(rows) }</tbody>
        </table>
    }
}

/// Running means, some points of them.
pub fn series(report: &Report, summary: &Summary) -> Html {
    let names = report.inference_nodes.iter().chain(&report.evaluator_nodes).map(|node| summary.node_name(node));
    let plots = &report.plots;
    let step = plots.series_rounds.len().div_ceil(10).max(1);
    let points = plots.series_rounds.iter().zip(&plots.series_reward_mean).skip(step - 1).step_by(step);
    html! {
        <table>
            <caption>{ "Running mean reward (the JSON has every point)" }</caption>
            <thead>
                <tr>
                    <th scope="col">{ "after round" }</th>
                    { for names.map(|name| html! { <th scope="col">{ name }</th> }) }
                </tr>
            </thead>
            <tbody>
                { for points.map(|(&round, means)| html! {
                    <tr>
                        <th scope="row">{ format::count(round) }</th>
                        { for means.iter().map(|&mean| html! { <td>{ format::mean(mean) }</td> }) }
                    </tr>
                }) }
            </tbody>
        </table>
    }
}
