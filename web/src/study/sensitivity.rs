//! Which assumption matters.

use poq_core::scenario::ScenarioError;
use poq_core::sensitivity::{Effect, LEVELS, OfRule, Output, Plan, REPLICATES, TRAJECTORIES, factors};
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
    let plan = Plan::new(on.scenario.clone(), factors, TRAJECTORIES, REPLICATES)?;
    let values = run_all("runs", plan.runs(), on.scenario.rounds, tell, |run| output.of(&plan.run(on.dataset, run)?))?;
    let effects = plan.effects(&values);
    let drawn = Drawn {
        heading: format!("What each assumption does to {}", told(on, &output.to_string())),
        caption: "The mean size of the change when a number moves through its whole range (μ*, Morris 1991), and of \
                  a choice the largest difference between two of its values, whatever the others are. The bar is 95% \
                  for the values tried and the luck of the draws; of a choice, for whichever two differ most, so that it \
                  may begin at 0 where only some of the ways show that it does something."
            .to_owned(),
        axis: "size of the change".to_owned(),
        measure: Measure {
            name: "size".to_owned(),
            counted: ["change", "changes"].map(str::to_owned),
            monte_carlo: "the values tried and the luck of the draws".to_owned(),
            prompts: String::new(),
        },
        groups: vec![("Assumptions".to_owned(), effects.iter().map(|effect| row(on, effect)).collect())],
        table: table(on, &effects),
    };
    Ok(Sheet {
        json: sheet::json(&json!({
            "output": output.to_string(),
            "runs": plan.runs(),
            "trajectories": TRAJECTORIES,
            "replicates": REPLICATES,
            "effects": &effects,
        })),
        blocks: vec![
            Block::Headline(headline(on, &effects, &told(on, &output.to_string()))),
            Block::Drawing(Box::new(drawn)),
            Block::Words(format!(
                "{}, each point on {REPLICATES} seeds. “Noise” is the size that the luck of the draws alone would \
                 show; “beyond noise” holds at 5% for all rows together (Holm’s correction). The ranges are assumed \
                 too: half to one and a half times a weight’s value, every option of every choice; combinations \
                 that cannot be are left out.",
                format::counted(plan.runs() as u64, "run", "runs")
            )),
        ],
    })
}

/// What a field is called.
fn field(on: On, path: &str) -> String {
    match (words::field(path).0, path.strip_prefix("score_normalization.")) {
        (_, Some(id)) => format!("normalisation of {}", on.summary.name_of(id.trim_matches(['"', '\'']))),
        (same, None) if same == path => path.replace(['_', '.'], " "),
        (known, None) => known,
    }
}

fn headline(on: On, effects: &[Effect], output: &str) -> String {
    let name = |effect: &Effect| field(on, &effect.path);
    let known: Vec<&Effect> = effects.iter().filter(|effect| effect.beyond_noise).collect();
    let Some((first, rest)) = known.split_first() else {
        return format!("No assumption changes {output} beyond noise.");
    };
    let size = first.size.unwrap_or_default();
    let moves =
        if first.between.is_some() { "between two of its options" } else { "on average as it goes through its range" };
    let low = |effect: &Effect| effect.ci95.map_or(f64::NEG_INFINITY, |[low, _]| low);
    let high = |effect: &Effect| effect.ci95.map_or(f64::INFINITY, |[_, high]| high);
    let is_first = rest.iter().all(|other| high(other) < low(first));
    let next = rest.first().map(|second| {
        let size = second.size.map_or_else(String::new, format::number);
        format!(" Next comes {}, {size}{}.", name(second), if is_first { "" } else { ": the order may be chance" })
    });
    let luck = effects.len() - known.len();
    let luck = (luck > 0).then(|| format!(" {luck} of {} cannot be told from noise, or do nothing.", effects.len()));
    format!(
        "{} {} most of those tried: it moves {output} by {} {moves}.{}{}",
        name(first),
        if is_first { "matters" } else { "seems to matter" },
        format::number(size),
        next.unwrap_or_default(),
        luck.unwrap_or_default()
    )
}

fn row(on: On, effect: &Effect) -> Row {
    Row {
        name: field(on, &effect.path),
        mean: effect.size,
        monte_carlo: effect.ci95,
        prompts: None,
        rounds: u64::from(effect.effects),
        break_even: None,
    }
}

fn table(on: On, effects: &[Effect]) -> Table {
    let mut table = Table::new(
        "What each assumption does",
        &[
            "assumption",
            "~field",
            "size",
            "95%",
            "noise",
            "~verdict",
            "μ, with its sign",
            "σ",
            "not defined",
            "~values tried",
        ],
    );
    let or_dash = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), format::number);
    table.rows = effects
        .iter()
        .map(|effect| {
            vec![
                field(on, &effect.path),
                effect.path.clone(),
                format::optional(effect.size),
                effect.ci95.map_or_else(
                    || "–".to_owned(),
                    |[low, high]| format!("{} to {}", format::number(low), format::number(high)),
                ),
                or_dash(effect.noise),
                effect.verdict_words().to_owned(),
                or_dash(effect.mu),
                or_dash(effect.sigma),
                format::count(u64::from(effect.undefined)),
                effect.words_of_values(),
            ]
        })
        .collect();
    table
}
