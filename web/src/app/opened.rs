//! One round opened: what was asked, what was said, how it was scored, and every reward as a sum.

use std::rc::Rc;

use poq_core::consensus::Consensus;
use poq_core::round::{Evaluation, OpenedAnswer, OpenedRound, RewardTerms};
use web_sys::{HtmlElement, HtmlInputElement};
use yew::prelude::*;

use super::explain::Terms;
use super::number::digits;
use crate::fields;
use crate::format;
use crate::protocol::Summary;

/// The section's element, to scroll to.
pub const ID: &str = "opened-round";
/// Answers spelt out at most, where every node answers.
const MAX_ANSWERS: usize = 12;

/// One round.
#[derive(Clone, PartialEq, Properties)]
pub struct OpenedProps {
    /// The round, once it is there.
    pub round: Option<Rc<OpenedRound>>,
    /// Its number, from 0.
    pub number: u64,
    /// Rounds of the run.
    pub rounds: u64,
    /// Why it could not be opened.
    pub fault: Option<String>,
    /// The dataset.
    pub summary: Rc<Summary>,
    /// Opens a round by number, from 0.
    pub on_open: Callback<u64>,
}

/// One round.
#[component]
pub fn Opened(props: &OpenedProps) -> Html {
    let OpenedProps { round, number, rounds, fault, summary, on_open } = props;
    let (number, rounds) = (*number, *rounds);
    let go = |to: Option<u64>| {
        let on_open = on_open.clone();
        move |_: MouseEvent| {
            if let Some(to) = to {
                on_open.emit(to);
            }
        }
    };
    let previous = number.checked_sub(1);
    let next = (number + 1 < rounds).then_some(number + 1);
    let step = {
        let on_open = on_open.clone();
        move |event: KeyboardEvent| {
            // In a box the arrows belong to its text.
            let in_input = event.target_dyn_into::<HtmlElement>().is_some_and(|target| target.tag_name() == "INPUT");
            let to = match event.key().as_str() {
                "ArrowLeft" => previous,
                "ArrowRight" => next,
                _ => None,
            };
            if let Some(to) = to.filter(|_| !in_input) {
                event.prevent_default();
                on_open.emit(to);
            }
        }
    };
    let jump = {
        let on_open = on_open.clone();
        move |event: Event| {
            let input = event.target_unchecked_into::<HtmlInputElement>();
            match input.value().trim().parse::<u64>() {
                Ok(wanted) if (1..=rounds).contains(&wanted) => on_open.emit(wanted - 1),
                _ => input.set_value(&(number + 1).to_string()),
            }
        }
    };
    let spoken =
        round.as_ref().map(|round| format!("Round {} asks: {}", format::count(round.number + 1), round.prompt));
    let is_there = round.as_ref().is_some_and(|round| round.number == number);
    html! {
        <section class="figure opened" id={ID} tabindex="-1" aria-labelledby="opened-heading" onkeydown={step}>
            <header>
                <h2 id="opened-heading">{ "One round opened" }</h2>
                <div class="stepper">
                    <button type="button" class="small" disabled={previous.is_none()} onclick={go(previous)}
                        aria-label="Previous round">{ "←" }</button>
                    <label for="round-number">{ "round" }</label>
                    <input id="round-number" type="number" min="1" max={rounds.to_string()} step="1" style={digits(rounds as f64)}
                        value={(number + 1).to_string()} onchange={jump} />
                    <span>{ format!("of {}", format::count(rounds)) }</span>
                    <button type="button" class="small" disabled={next.is_none()} onclick={go(next)}
                        aria-label="Next round">{ "→" }</button>
                </div>
            </header>
            <p class="caption">
                { "Everything that was asked, said and paid. Arrow keys step through rounds; a square in the plot of consensus and truth opens a round there." }
            </p>
            if let Some(fault) = fault {
                <p class="fault" role="alert">{ format!("The round could not be opened: {fault}.") }</p>
            }
            <p class="visually-hidden" role="status">{ spoken }</p>
            <div aria-busy={(!is_there).to_string()}>
                if let Some(round) = round {
                    { body(round, summary) }
                } else {
                    <p class="quiet">{ "Opening the round …" }</p>
                }
            </div>
            <Terms ids={&["round", "score", "consensus", "reward", "cost", "f1"][..]} />
        </section>
    }
}

fn body(round: &OpenedRound, summary: &Summary) -> Html {
    let kind = fields::words(&fields::TASK_KINDS, round.kind.as_str());
    let answered: Vec<&str> = round.answers.iter().map(|answer| answer.answered_as.as_str()).collect();
    let left = round.answers.len().saturating_sub(MAX_ANSWERS);
    html! {
        <>
            <h3>{ "Asked " }<span class="quiet">{ format!("{kind}, task {}", round.task) }</span></h3>
            <blockquote>{ &round.prompt }</blockquote>
            if let Some(context) = &round.context {
                <details class="folded"><summary>{ "The text that it is about" }</summary><blockquote>{ context }</blockquote></details>
            }
            <p><span class="quiet">{ "Reference: " }</span>{ round.references.join(" / ") }</p>
            <h3>{ "What each node says to it" }</h3>
            <div class="scroll" role="region" tabindex="0" aria-label="Table: what each node says">
                <table class="texts">
                    <thead>
                        <tr>
                            <th scope="col">{ "node" }</th>
                            <th scope="col" class="text">{ "answer" }</th>
                            <th scope="col">{ "truth" }</th>
                            <th scope="col">{ "ms" }</th>
                        </tr>
                    </thead>
                    <tbody>
                        { for round.recorded.iter().map(|answer| {
                            let in_round = answered.contains(&answer.model.as_str());
                            html! {
                                <tr class={classes!(in_round.then_some("answered"))}>
                                    <th scope="row">
                                        { summary.name_of(&answer.model) }
                                        if in_round { <span class="badge">{ "answered" }</span> }
                                    </th>
                                    <td class="text">{ if answer.text.is_empty() { "(nothing)" } else { &answer.text } }</td>
                                    <td>{ format::number(answer.truth) }</td>
                                    <td>{ format::number(answer.latency_ms) }</td>
                                </tr>
                            }
                        }) }
                    </tbody>
                </table>
            </div>
            { for round.answers.iter().take(MAX_ANSWERS).map(|answer| arithmetic(answer, &round.consensus, summary)) }
            if left > 0 {
                <p class="quiet">{ format!("and {} that answered besides", format::counted(left as u64, "node", "nodes")) }</p>
            }
        </>
    }
}

fn arithmetic(answer: &OpenedAnswer, rule: &Consensus, summary: &Summary) -> Html {
    let weighs = rule.has_weights() || matches!(rule, Consensus::Yuma { .. });
    html! {
        <div class="answer">
            <h3>{ format!("How {} was scored and paid", summary.instance_name(&answer.model, &answer.node)) }</h3>
            if let Some(attack) = &answer.attack {
                <p class="plain">
                    <span class="badge">{ "attacker" }</span>
                    { format!(" {}", attack.replace('_', " ")) }
                    if answer.answered_as != answer.model {
                        { format!(": it gave the answer of {}", summary.name_of(&answer.answered_as)) }
                    }
                </p>
            }
            <div class="scroll" role="region" tabindex="0" aria-label="Table: scores and rewards of the evaluators">
                <table>
                    <thead>
                        <tr>
                            <th scope="col">{ "evaluator drawn" }</th>
                            <th scope="col">{ "raw" }</th>
                            <th scope="col" class="text">{ "becomes" }</th>
                            <th scope="col">{ "score s" }</th>
                            if weighs {
                                <th scope="col">{ if rule.has_weights() { "weight w" } else { "stake" } }</th>
                            }
                            <th scope="col">{ "reward = α (1 − |s − c|/10) − β cost" }</th>
                        </tr>
                    </thead>
                    <tbody>{ for answer.evaluations.iter().map(|evaluation| evaluator_row(evaluation, answer.consensus, weighs, summary)) }</tbody>
                </table>
            </div>
            <dl class="sums">
                <dt>{ "Consensus" }</dt>
                <dd class="sum" data-sum="consensus">{ consensus_sum(answer, rule) }</dd>
                <dt>{ "Reward of the node" }</dt>
                <dd class="sum" data-sum="inference">{ node_sum(&answer.reward, answer.consensus) }</dd>
                <dt>{ "Truth" }</dt>
                <dd>{ format!("{} of 10; it pays nobody", format::number(answer.truth)) }</dd>
            </dl>
        </div>
    }
}

/// Terms of a sum, the middle ones left out where there are many.
fn joined(terms: &[String], sign: &str) -> String {
    if terms.len() > 8 {
        format!("{}{sign}…{sign}{}", terms[..2].join(sign), terms[terms.len() - 1])
    } else {
        terms.join(sign)
    }
}

/// The rule with the round's numbers filled in.
fn consensus_sum(answer: &OpenedAnswer, rule: &Consensus) -> String {
    let result = four(answer.consensus);
    let mut scores: Vec<f64> = answer.evaluations.iter().map(|evaluation| evaluation.score).collect();
    let texts = |scores: &[f64]| scores.iter().map(|&score| four(score)).collect::<Vec<_>>();
    match rule {
        Consensus::Mean {} => format!("c = ({}) / {} = {result}", joined(&texts(&scores), " + "), scores.len()),
        Consensus::Median {} => {
            scores.sort_by(f64::total_cmp);
            format!("c = the middle of {} = {result}", joined(&texts(&scores), ", "))
        }
        Consensus::TrimmedMean { .. } => {
            scores.sort_by(f64::total_cmp);
            let dropped = rule.trimmed(scores.len() as u32) as usize;
            let kept = scores.get(dropped..scores.len().saturating_sub(dropped)).unwrap_or_default();
            format!(
                "c = ({}) / {} = {result}, without the lowest {dropped} and the highest {dropped}",
                joined(&texts(kept), " + "),
                kept.len()
            )
        }
        Consensus::TrustWeighted { .. } | Consensus::EmaTrust { .. } => {
            let of = |evaluation: &Evaluation| format!("{} × {}", four(evaluation.weight), four(evaluation.score));
            let terms: Vec<String> = answer.evaluations.iter().map(of).collect();
            let total: f64 = answer.evaluations.iter().map(|evaluation| evaluation.weight).sum();
            format!("c = ({}) / {} = {result}", joined(&terms, " + "), four(total))
        }
        Consensus::Yuma { kappa } => format!(
            "c = the mean by stake of {}, each cut down to the highest that {} of the stake is at or above = {result}",
            joined(&texts(&scores), ", "),
            format::percent(*kappa)
        ),
    }
}

fn evaluator_row(evaluation: &Evaluation, consensus: f64, weighs: bool, summary: &Summary) -> Html {
    let word = serde_json::to_value(evaluation.normalization).ok();
    let word = word.as_ref().and_then(|word| word.as_str()).unwrap_or_default();
    let change = evaluation.score - evaluation.recorded_score;
    let by = evaluation.attack.as_deref().map_or_else(|| "noise".to_owned(), |attack| attack.replace('_', " "));
    html! {
        <tr>
            <th scope="row">
                { summary.instance_name(&evaluation.model, &evaluation.evaluator) }
                if evaluation.attack.is_some() { <span class="badge">{ "attacker" }</span> }
            </th>
            <td>{ four(evaluation.raw) }</td>
            <td class="text">
                { fields::words(&fields::SCORE_NORMALIZATIONS, word) }
                if change != 0.0 {
                    { format!(", {} {} {by}", if change < 0.0 { "−" } else { "+" }, four(change.abs())) }
                }
            </td>
            <td>{ four(evaluation.score) }</td>
            if weighs {
                <td>{ four(evaluation.weight) }</td>
            }
            <td class="sum" data-sum="evaluator">{ evaluator_sum(&evaluation.reward, evaluation.score, consensus) }</td>
        </tr>
    }
}

/// Four decimals: enough for the sums on the page to add up to what they say.
fn four(value: f64) -> String {
    format::fixed(value, 4)
}

fn node_sum(terms: &RewardTerms, consensus: f64) -> String {
    format!(
        "α c/10 − β cost = {} × {}/10 − {} × {} = {}",
        format::plain(terms.alpha),
        four(consensus),
        format::plain(terms.beta),
        four(terms.cost),
        four(terms.reward)
    )
}

fn evaluator_sum(terms: &RewardTerms, score: f64, consensus: f64) -> String {
    let slashed = if terms.slashed > 0.0 { format!(" − {} lost", four(terms.slashed)) } else { String::new() };
    format!(
        "{} × (1 − |{} − {}|/10) − {} × {}{slashed} = {}",
        format::plain(terms.alpha),
        four(score),
        four(consensus),
        format::plain(terms.beta),
        four(terms.cost),
        four(terms.reward)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_have_their_numbers_filled_in() {
        let terms = RewardTerms { alpha: 1.0, quality: 0.75, beta: 0.5, cost: 0.2, slashed: 0.0, reward: 0.65 };
        assert_eq!(node_sum(&terms, 7.5), "α c/10 − β cost = 1 × 7.5000/10 − 0.5 × 0.2000 = 0.6500");
        assert_eq!(evaluator_sum(&terms, 5.0, 7.5), "1 × (1 − |5.0000 − 7.5000|/10) − 0.5 × 0.2000 = 0.6500");
        let terms = RewardTerms { slashed: 0.1, reward: 0.55, ..terms };
        assert!(evaluator_sum(&terms, 5.0, 7.5).ends_with("− 0.5 × 0.2000 − 0.1000 lost = 0.5500"));
    }
}
