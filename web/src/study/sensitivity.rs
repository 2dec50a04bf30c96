//! Which assumption matters.

use poq_core::scenario::ScenarioError;
use poq_core::sensitivity::{Effect, LEVELS, OfRule, Output, Plan, TRAJECTORIES, factors};
use serde_json::json;

use super::search::named;
use super::sheet::{self, Block, Drawn, Measure, Sheet, Table};
use super::{On, Tell, run_all};
use crate::format;
use crate::map::words;
use crate::plot::intervals::Row;

/// Numbers of a run as a whole, by word and in words.
pub const OUTPUTS: [(&str, &str); 4] = [
    ("pearson_consensus_truth", "r of consensus with truth"),
    ("kendall_reward_efficiency", "τ of reward with truth per millisecond"),
    ("reward_gap", "how far the best paid is ahead"),
    ("attacker_gain", "the largest gain of an attacker"),
];

/// An output in words.
fn told(on: On, output: &str) -> String {
    let whole = OUTPUTS.iter().find(|(word, _)| *word == output).map(|(_, words)| (*words).to_owned());
    whole.unwrap_or_else(|| {
        let (measure, node) = output.split_once(':').unwrap_or((output, ""));
        let id = node.split_once(':').map_or(node, |(_, id)| id);
        format!("{} of {}", measure.replace('_', " "), named(on, id))
    })
}

/// The assumed fields in the order of what they do to `output`.
pub(super) fn answer(on: On, output: &str, parameters: bool, tell: &impl Tell) -> Result<Sheet, ScenarioError> {
    let output: Output = output.parse()?;
    let of_rule = if parameters { OfRule::Parameters } else { OfRule::Rule };
    let factors = factors(on.scenario, on.dataset, LEVELS, of_rule)?;
    let plan = Plan::new(on.scenario.clone(), factors, TRAJECTORIES)?;
    let values = run_all("runs", plan.runs(), on.scenario.rounds, tell, |run| output.of(&plan.run(on.dataset, run)?))?;
    let effects = plan.effects(&values);
    let drawn = Drawn {
        heading: format!("What each assumption does to {}", told(on, &output.to_string())),
        caption: "The mean size of the change when the assumption moves through its whole range (μ*, Morris 1991), whatever the \
                  others are. The bar is 95% for the choice of the values tried."
            .to_owned(),
        axis: "mean size of the change, μ*".to_owned(),
        measure: Measure {
            name: "μ*".to_owned(),
            counted: ["change", "changes"].map(str::to_owned),
            monte_carlo: "the choice of the values tried".to_owned(),
            prompts: String::new(),
        },
        groups: vec![("Assumptions".to_owned(), effects.iter().map(|effect| row(on, effect)).collect())],
        table: table(on, &effects),
    };
    Ok(Sheet {
        json: sheet::json(&json!({"output": output.to_string(), "runs": plan.runs(), "effects": &effects})),
        blocks: vec![
            Block::Headline(headline(on, &effects, &told(on, &output.to_string()))),
            Block::Drawing(Box::new(drawn)),
            Block::Words(format!(
                "{}. The ranges are assumed too: half to one and a half times a weight’s value, every choice of a rule.",
                format::counted(plan.runs() as u64, "run", "runs")
            )),
        ],
    })
}

/// What a field is called.
fn field(on: On, path: &str) -> String {
    match (words::field(path).0, path.strip_prefix("score_normalization.")) {
        (_, Some(id)) => format!("normalisation of {}", on.summary.name_of(id)),
        (same, None) if same == path => path.replace(['_', '.'], " "),
        (known, None) => known,
    }
}

fn headline(on: On, effects: &[Effect], output: &str) -> String {
    let name = |effect: &Effect| field(on, &effect.path);
    let known: Vec<&Effect> = effects.iter().filter(|effect| effect.mu_star.is_some_and(|size| size > 0.0)).collect();
    let Some((first, rest)) = known.split_first() else {
        return format!("No assumption changes {output}.");
    };
    let size = first.mu_star.unwrap_or_default();
    let next = rest.first().map(|second| {
        let ratio = size / second.mu_star.unwrap_or(f64::INFINITY);
        format!(" Next comes {}; the first does {} times as much.", name(second), format::significant(ratio, 2))
    });
    format!(
        "{} matters most: it moves {output} by {} on average as it goes through its range.{}",
        name(first),
        format::number(size),
        next.unwrap_or_default()
    )
}

fn row(on: On, effect: &Effect) -> Row {
    Row {
        name: field(on, &effect.path),
        mean: effect.mu_star,
        monte_carlo: effect.ci95,
        prompts: None,
        rounds: u64::from(effect.effects),
        break_even: None,
    }
}

fn table(on: On, effects: &[Effect]) -> Table {
    let mut table = Table::new(
        "Elementary effects",
        &["assumption", "~field", "μ*", "95%", "μ, with its sign", "σ", "not defined"],
    );
    table.rows = effects
        .iter()
        .map(|effect| {
            vec![
                field(on, &effect.path),
                effect.path.clone(),
                format::optional(effect.mu_star),
                effect.ci95.map_or_else(
                    || "–".to_owned(),
                    |[low, high]| format!("{} to {}", format::number(low), format::number(high)),
                ),
                effect.mu.map_or_else(|| "–".to_owned(), format::number),
                effect.sigma.map_or_else(|| "–".to_owned(), format::number),
                format::count(u64::from(effect.undefined)),
            ]
        })
        .collect();
    table
}
