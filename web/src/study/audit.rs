//! What the mechanism does without each of its evaluators.

use poq_core::scenario::ScenarioError;
use poq_core::without::{Audit, Change, Effect, Without, told_at_once, tracks};
use serde_json::json;

use super::search::named;
use super::sheet::{self, Block, Drawn, Measure, Opens, Sheet, Table};
use super::{On, ROUNDS_BETWEEN, Tell};
use crate::format;
use crate::plot::intervals::{Row, sort};

/// Each evaluator left out in turn.
pub(super) fn answer(on: On, tell: &impl Tell) -> Result<Sheet, ScenarioError> {
    let audit = Audit::new(on.dataset, on.scenario)?;
    let tracks = tracks(on.dataset, on.scenario)?;
    let mut results = Vec::new();
    for run in 0..audit.runs() {
        let mut comparison = audit.start(on.dataset, run)?;
        while let Some(comparison) = comparison.as_mut().filter(|comparison| comparison.rounds_left() > 0) {
            let done = run as u64 * on.scenario.rounds + comparison.rounds_done();
            tell.progress("rounds", done, audit.runs() as u64 * on.scenario.rounds);
            comparison.run(ROUNDS_BETWEEN);
        }
        results.push(audit.finding(on.dataset, run, comparison.as_ref()));
    }
    told_at_once(&mut results);
    let told: Vec<_> = results
        .iter()
        .map(|result| {
            let mut value = serde_json::to_value(result).unwrap_or_default();
            value["words"] = result.words(str::to_owned).into();
            value
        })
        .collect();
    let mut rows: Vec<Row> = results.iter().filter_map(|result| row(on, result)).collect();
    sort(&mut rows);
    let drawn = Drawn {
        heading: "Without each evaluator".to_owned(),
        caption: "How much better (right of 0) or worse the consensus follows truth when all instances of an evaluator leave. The line is \
                  95% for the choice of prompts, of each by itself; the sentences are told for all evaluators at once \
                  (Holm, 5% in all)."
            .to_owned(),
        axis: "change of r of consensus with truth".to_owned(),
        measure: Measure {
            counted: ["round", "rounds"].map(str::to_owned),
            monte_carlo: String::new(),
            ..Measure::paid("change of r")
        },
        groups: vec![("Left out".to_owned(), rows)],
        table: table(on, &results),
    };
    let sentences = results.iter().flat_map(|result| {
        let name = on.summary.name_of(&result.leaving.evaluator);
        let changes = result.leaving.changes.iter().map(move |change| format!("Without {name}: {change}"));
        // A hyphen of a name is no minus.
        let words = result.words(|id| named(on, id).replace('-', "\0")).replace('-', "−").replace('\0', "-");
        std::iter::once(words).chain(changes)
    });
    Ok(Sheet {
        json: sheet::json(&json!({"evaluators": tracks, "without": told})),
        blocks: vec![
            Block::Headline(headline(on, &results)),
            Block::Drawing(Box::new(drawn)),
            Block::List(sentences.collect()),
            Block::Folded("What each node earns with and without each evaluator".to_owned(), rewards(on, &results)),
        ],
    })
}

fn headline(on: On, results: &[Without]) -> String {
    let with = |effect: Effect| {
        let is_it = |result: &&Without| result.outcome.as_ref().is_some_and(|outcome| outcome.effect == effect);
        let names = results.iter().filter(is_it).map(|result| on.summary.name_of(&result.leaving.evaluator));
        names.collect::<Vec<_>>().join("; ")
    };
    let (better, worse) = (with(Effect::Better), with(Effect::Worse));
    let better = match &better[..] {
        "" => "Of no evaluator is it sure that the consensus would follow truth better without it.".to_owned(),
        names => format!("The consensus would surely follow truth better without: {names}."),
    };
    match &worse[..] {
        "" => better,
        names => format!("{better} It would surely follow truth worse without: {names}."),
    }
}

fn row(on: On, result: &Without) -> Option<Row> {
    let Change { difference, ci95_prompts, .. } = result.outcome.as_ref()?.pearson_truth;
    Some(Row {
        name: on.summary.name_of(&result.leaving.evaluator),
        mean: difference,
        monte_carlo: None,
        prompts: ci95_prompts,
        rounds: on.scenario.rounds,
        break_even: None,
    })
}

fn table(on: On, results: &[Without]) -> Table {
    let mut table = Table::new(
        "r and root mean square distance (points) of consensus and truth; opened, each is the scenario without that evaluator",
        &[
            "without",
            "r with",
            "r without",
            "95% of the change",
            "~consensus follows truth",
            "distance with",
            "distance without",
            "95% of the change",
            "~earns most in these rounds",
        ],
    );
    for result in results {
        let name = on.summary.name_of(&result.leaving.evaluator);
        let mut cells = vec![name.clone()];
        match &result.outcome {
            Some(outcome) => {
                let effect = match outcome.effect {
                    Effect::Better => "better without",
                    Effect::Worse => "worse without",
                    Effect::Same => "the same",
                    Effect::NotSettled => "not settled",
                };
                let top = outcome.top_without.as_ref().map_or_else(|| "nobody".to_owned(), |id| named(on, id));
                cells.extend(change(&outcome.pearson_truth));
                cells.push(effect.to_owned());
                cells.extend(change(&outcome.rms_distance_truth));
                cells.push(top);
            }
            None => {
                let reason = result.leaving.reason.clone().unwrap_or_default();
                let nothing = || "–".to_owned();
                cells.extend([nothing(), nothing(), nothing(), reason, nothing(), nothing(), nothing(), nothing()]);
            }
        }
        table.rows.push(cells);
        let opens = |scenario| Opens { words: format!("Without {name}"), scenario };
        table.opens.push(result.leaving.scenario.clone().map(opens));
    }
    table
}

/// With the evaluator, without it, and the interval of the difference.
fn change(of: &Change) -> [String; 3] {
    let interval = of.ci95_prompts.map_or_else(
        || "–".to_owned(),
        |[low, high]| format!("{} to {}", format::fixed(low, 3), format::fixed(high, 3)),
    );
    [format::optional(of.with), format::optional(of.without), interval]
}

fn rewards(on: On, results: &[Without]) -> Table {
    let mut table = Table::new(
        "Mean reward with and without; verdicts are told for all rows at once (Holm, 5% in all)",
        &[
            "without",
            "~node",
            "with it",
            "without it",
            "change",
            "95%, luck of the draws",
            "95%, choice of prompts",
            "~verdict",
        ],
    );
    for result in results {
        let Some(outcome) = &result.outcome else { continue };
        let interval = |value| format::interval(value, outcome.rewards.rounds);
        for (position, node) in outcome.rewards.nodes.iter().enumerate() {
            table.rows.push(vec![
                on.summary.name_of(&result.leaving.evaluator),
                on.summary.instance_name(&node.model, &node.id),
                format::mean(node.reward_mean_a),
                format::mean(node.reward_mean_b),
                format::mean(node.difference),
                interval(node.ci95_monte_carlo),
                interval(node.ci95_prompts),
                outcome.verdict_words(position).to_owned(),
            ]);
        }
    }
    table
}
