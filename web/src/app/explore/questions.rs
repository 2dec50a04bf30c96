//! What each study asks: its words, and its form.

use poq_core::Scenario;
use poq_core::consensus::Consensus;
use poq_core::scenario::Group;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use crate::groups;
use crate::map::form::paths;
use crate::protocol::{NodeSummary, Summary};
use crate::study::About;
use crate::study::sensitivity::OUTPUTS;

/// A study.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The scenario, and the same with some fields set.
    Compare,
    /// The attack of so many evaluators that gains most.
    Attacks,
    /// Each node's best deviation from honesty.
    Deviations,
    /// What the mechanism does without each of its evaluators.
    Audit,
    /// Which assumption matters.
    Sensitivity,
}

/// What is filled in, for any of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// Fields in which mechanism B differs, and their values.
    pub changes: Vec<(String, String)>,
    /// How many evaluators attack together.
    pub budget: String,
    /// The number that may change.
    pub output: String,
    /// Whether the rule's parameters are varied in place of the rule.
    pub parameters: bool,
}

impl Form {
    /// What stands there at first.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        // Another rule than the scenario's.
        let rule = if matches!(scenario.consensus, Consensus::Median {}) { "mean" } else { "median" };
        Self {
            changes: vec![("consensus.rule".to_owned(), rule.to_owned())],
            budget: "1".to_owned(),
            output: OUTPUTS[0].0.to_owned(),
            parameters: false,
        }
    }
}

impl Kind {
    /// Names its elements and files.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Compare => "compare",
            Self::Attacks => "attacks",
            Self::Deviations => "deviations",
            Self::Audit => "without",
            Self::Sensitivity => "sensitivity",
        }
    }

    /// Its heading.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Compare => "Two mechanisms on the same random numbers",
            Self::Attacks => "The attack that gains most",
            Self::Deviations => "Each node’s best deviation from honesty",
            Self::Audit => "The mechanism without each evaluator",
            Self::Sensitivity => "Which assumption matters",
        }
    }

    /// What it tells.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Compare => {
                "Mechanism A is the scenario as it stands; B is the same but for the fields below. What B pays each node more or \
                 less, whether that is settled, and how many more rounds or prompts would settle it."
            }
            Self::Attacks => {
                "A search over who attacks, up to so many evaluators together, how and how strongly: what they gain for \
                 themselves, and together with an inference node whose answers they lift."
            }
            Self::Deviations => {
                "What each node could gain by itself, all others as they are. Where somebody gains, honesty is no equilibrium; other \
                 deviations may gain more."
            }
            Self::Audit => {
                "All instances of one evaluator leave, on the same random numbers: does the consensus follow truth better or worse, and \
                 who earns more or less?"
            }
            Self::Sensitivity => {
                "The papers leave many fields open. Each is moved through its range while the others stand anywhere in theirs, on \
                 several seeds, and they are ranked by how much the result moves."
            }
        }
    }

    /// Terms that it uses.
    #[must_use]
    pub fn terms(self) -> &'static [&'static str] {
        match self {
            Self::Compare => &["paired", "mean_reward", "monte_carlo", "prompt_interval"],
            Self::Attacks | Self::Deviations => &["attack", "gain", "monte_carlo"],
            Self::Audit => &["paired", "pearson", "prompt_interval", "inversion"],
            Self::Sensitivity => &["elementary_effect"],
        }
    }

    /// Its form, and what that asks; nothing where it says that it cannot be asked.
    pub fn form(
        self,
        form: &Form,
        scenario: &Scenario,
        summary: &Summary,
        on_edit: &Callback<Form>,
    ) -> (Html, Option<About>) {
        match self {
            Self::Compare => compare(form, scenario, on_edit),
            Self::Attacks => attacks(form, scenario, summary, on_edit),
            Self::Deviations => (Html::default(), Some(About::Deviations)),
            Self::Audit => (Html::default(), Some(About::Audit)),
            Self::Sensitivity => sensitivity(form, scenario, summary, on_edit),
        }
    }
}

/// Takes the text of a box or the chosen word into the form.
fn set<E: AsRef<Event>>(
    form: &Form,
    on_edit: &Callback<Form>,
    set: impl Fn(&mut Form, String) + 'static,
) -> Callback<E> {
    let form = form.clone();
    on_edit.reform(move |event: E| {
        let mut form = form.clone();
        let target = event.as_ref().target();
        // A box and a choice have their values at the same name.
        let value = target.map(|target| wasm_bindgen::JsCast::unchecked_into::<HtmlInputElement>(target).value());
        set(&mut form, value.unwrap_or_default());
        form
    })
}

fn compare(form: &Form, scenario: &Scenario, on_edit: &Callback<Form>) -> (Html, Option<About>) {
    let checked = check(scenario, &form.changes);
    let fault = checked.as_ref().err();
    let click = |change: fn(&mut Form, usize), index: usize| {
        set::<MouseEvent>(form, on_edit, move |form, _| change(form, index))
    };
    let row = |(index, (path, value)): (usize, &(String, String))| {
        let words = fault.filter(|(at, _)| *at == index).map(|(_, words)| words.clone());
        let invalid = words.is_some().then_some("true");
        let described = words.is_some().then(|| format!("change-{index}-fault"));
        html! {
            <div class="boxes" key={index}>
                <div class="box field-path">
                    <label for={format!("change-{index}-path")}>{ if index == 0 { "B differs in" } else { "and in" } }</label>
                    <input id={format!("change-{index}-path")} type="text" list="compare-paths" autocomplete="off" spellcheck="false"
                        value={path.clone()} oninput={set::<InputEvent>(form, on_edit, move |form, text| form.changes[index].0 = text)}
                        aria-invalid={invalid} aria-describedby={described.clone()} />
                </div>
                <div class="box">
                    <label for={format!("change-{index}-value")}>{ "to" }</label>
                    <input id={format!("change-{index}-value")} type="text" autocomplete="off" spellcheck="false"
                        value={value.clone()} oninput={set::<InputEvent>(form, on_edit, move |form, text| form.changes[index].1 = text)}
                        aria-invalid={invalid} aria-describedby={described.clone()} />
                </div>
                if form.changes.len() > 1 {
                    <button type="button" class="small" onclick={click(|form, index| drop(form.changes.remove(index)), index)}
                        aria-label={format!("Take away the change of {path}")}>{ "take away" }</button>
                }
                if let Some(words) = words {
                    <p class="fault" role="alert" id={format!("change-{index}-fault")}>{ words }</p>
                }
            </div>
        }
    };
    let html = html! {
        <div class="changes">
            <datalist id="compare-paths">{ for paths(scenario).into_iter().map(|path| html! { <option value={path} /> }) }</datalist>
            { for form.changes.iter().enumerate().map(row) }
            <button type="button" class="small" onclick={click(|form, _| form.changes.push(Default::default()), 0)}>{ "another field" }</button>
        </div>
    };
    (html, checked.ok().map(|changes| About::Compare { changes }))
}

/// The changes, or which of them cannot be and why.
fn check(scenario: &Scenario, changes: &[(String, String)]) -> Result<Vec<(String, String)>, (usize, String)> {
    let mut other = scenario.clone();
    let mut checked = Vec::new();
    for (index, (path, value)) in changes.iter().enumerate() {
        let (path, value) = (path.trim(), value.trim());
        if path.is_empty() {
            return Err((index, "no field yet; take one from the list".to_owned()));
        }
        if matches!(path, "seed" | "rounds" | "preset") {
            return Err((index, format!("both mechanisms have the same {path}; allowed: any other field")));
        }
        other = other.with(path, value).map_err(|error| (index, error.message))?;
        checked.push((path.to_owned(), value.to_owned()));
    }
    if other == *scenario {
        return Err((0, "B is the same as A; allowed: a value that differs".to_owned()));
    }
    Ok(checked)
}

fn attacks(form: &Form, scenario: &Scenario, summary: &Summary, on_edit: &Callback<Form>) -> (Html, Option<About>) {
    let most = groups::instances(&scenario.network.evaluators, summary.evaluators.len());
    let text = form.budget.trim();
    let budget = text.parse::<u32>().ok().filter(|number| (1..=most).contains(&u64::from(*number)));
    let fault = budget.is_none().then(|| format!("`{text}`; allowed: 1 to {most} evaluators"));
    let html = html! {
        <div class="box">
            <label for="attacks-budget">{ "evaluators that attack together, at most" }</label>
            <input id="attacks-budget" type="number" inputmode="numeric" min="1" max={most.to_string()} value={form.budget.clone()}
                oninput={set::<InputEvent>(form, on_edit, |form, text| form.budget = text)}
                aria-invalid={fault.is_some().then_some("true")} aria-describedby={fault.is_some().then_some("attacks-budget-fault")} />
            if let Some(words) = fault {
                <p class="fault" role="alert" id="attacks-budget-fault">{ words }</p>
            }
        </div>
    };
    (html, budget.map(|budget| About::Attacks { budget }))
}

fn sensitivity(form: &Form, scenario: &Scenario, summary: &Summary, on_edit: &Callback<Form>) -> (Html, Option<About>) {
    let options = outputs(scenario, summary);
    let known = options.iter().find(|(word, _)| *word == form.output);
    let output = known.map_or(OUTPUTS[0].0, |(word, _)| word).to_owned();
    let html = html! {
        <>
            <div class="box">
                <label for="sensitivity-output">{ "what may change" }</label>
                <select id="sensitivity-output" onchange={set::<Event>(form, on_edit, |form, word| form.output = word)}>
                    { for options.iter().map(|(word, words)| html! {
                        <option value={word.clone()} selected={*word == output}>{ words }</option>
                    }) }
                </select>
            </div>
            <div class="box">
                <label for="sensitivity-rule">{ "of the consensus" }</label>
                <select id="sensitivity-rule" onchange={set::<Event>(form, on_edit, |form, word| form.parameters = word == "parameters")}>
                    <option value="rule" selected={!form.parameters}>{ "the rule is varied" }</option>
                    <option value="parameters" selected={form.parameters}>{ "the rule’s parameters are varied" }</option>
                </select>
            </div>
        </>
    };
    (html, Some(About::Sensitivity { output, parameters: form.parameters }))
}

/// Numbers that may change, by word and in words: of the run, and of nodes that come once; others are asked for in a
/// terminal.
fn outputs(scenario: &Scenario, summary: &Summary) -> Vec<(String, String)> {
    let whole = OUTPUTS.iter().filter(|(word, _)| *word != "attacker_gain" || !scenario.attacks.is_empty());
    let mut all: Vec<(String, String)> = whole.map(|(word, words)| ((*word).to_owned(), (*words).to_owned())).collect();
    let roles: [(&str, &[Group], &[NodeSummary]); 2] = [
        ("inference", &scenario.network.inference, &summary.inference),
        ("evaluator", &scenario.network.evaluators, &summary.evaluators),
    ];
    for (role, groups, nodes) in roles {
        let count = |id: &str| groups.iter().filter(|group| group.model == id).map(|group| group.count).sum::<u32>();
        let single = nodes.iter().filter(|node| match groups.is_empty() {
            true => node.in_default_network,
            false => count(&node.id) == 1,
        });
        all.extend(single.map(|node| {
            (format!("reward_mean:{role}:{}", node.id), format!("mean reward of {}", summary.name_of(&node.id)))
        }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(changes: &[(&str, &str)]) -> Result<usize, (usize, String)> {
        let changes: Vec<_> = changes.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
        check(&Scenario::default(), &changes).map(|changes| changes.len())
    }

    #[test]
    fn what_is_wrong_with_b_is_said_at_its_row() {
        assert_eq!(checked(&[("consensus.rule", "median")]), Ok(1));
        assert_eq!(checked(&[("reward.alpha_inference", "0.5"), ("consensus.rule", "yuma")]), Ok(2));
        let (row, words) =
            checked(&[("consensus.rule", "median"), ("reward.alpha_inference", "-1")]).expect_err("negative");
        assert!(row == 1 && words.contains("allowed"), "{words}");
        assert!(checked(&[("seed", "7")]).is_err_and(|(_, words)| words.contains("the same seed")));
        assert!(checked(&[("", "7")]).is_err_and(|(_, words)| words.contains("no field yet")));
        assert!(checked(&[("consensus.rule", "mean")]).is_err_and(|(_, words)| words.contains("the same as A")));
        assert!(checked(&[("nonsense", "7")]).is_err());
    }

    #[test]
    fn b_begins_with_another_rule_than_the_scenario_has() {
        let median = Scenario::default().with("consensus.rule", "median").expect("valid");
        assert_eq!(Form::new(&median).changes[0].1, "mean");
        assert_eq!(Form::new(&Scenario::default()).changes[0].1, "median");
    }

    #[test]
    fn nodes_that_come_once_are_outputs() {
        let summary = Summary::of(&crate::fixture::dataset());
        let scenario = Scenario::from_json(
            r#"{"network": {"inference": [{"model": "quick", "count": 2}, {"model": "slow"}]}, "attacks": [{"nodes": ["odd"], "kind": "boost"}]}"#,
        );
        let words =
            |scenario: &Scenario| outputs(scenario, &summary).into_iter().map(|(word, _)| word).collect::<Vec<_>>();
        let of = words(&scenario.expect("valid"));
        assert!(
            of.contains(&"attacker_gain".to_owned()) && of.contains(&"reward_mean:inference:slow".to_owned()),
            "{of:?}"
        );
        assert!(!of.contains(&"reward_mean:inference:quick".to_owned()), "{of:?}");
        assert_eq!(words(&Scenario::default()).len(), 3 + 2 + 3);
    }
}
