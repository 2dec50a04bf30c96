//! Results to take away: CSV of the nodes, JSON of the report, the command that makes the same run.

use poq_core::csv::field;
use poq_core::dataset::Shipped;
use poq_core::report::{NodeReport, Report};
use poq_core::scenario::Scenario;
use serde_json::Value;

use crate::protocol::Summary;

/// The CSV's columns.
const COLUMNS: [&str; 21] = [
    "role",
    "id",
    "model",
    "instances",
    "attack",
    "rounds",
    "reward_mean",
    "reward_sd",
    "ci95_monte_carlo_low",
    "ci95_monte_carlo_high",
    "ci95_prompts_low",
    "ci95_prompts_high",
    "negative_share",
    "quality_mean",
    "cost",
    "latency_ms_mean",
    "weight",
    "stake",
    "slashed_mean",
    "profit_mean",
    "break_even_reward",
];

/// Every node of the report as CSV (RFC 4180), a heading first; an absent value is an empty field.
#[must_use]
pub fn csv(report: &Report) -> String {
    let mut out = COLUMNS.join(",") + "\r\n";
    for (role, nodes) in [("inference", &report.inference_nodes), ("evaluator", &report.evaluator_nodes)] {
        for node in nodes {
            out.push_str(&row(role, node).join(","));
            out.push_str("\r\n");
        }
    }
    out
}

fn row(role: &str, node: &NodeReport) -> [String; 21] {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let NodeReport {
        id,
        model,
        instances,
        attack,
        rounds,
        reward_mean,
        reward_sd,
        ci95_monte_carlo,
        ci95_prompts,
        negative_share,
        quality_mean,
        cost,
        latency_ms_mean,
        weight,
        stake,
        slashed_mean,
        profit_mean,
        break_even_reward,
    } = node;
    [
        role.to_owned(),
        field(id),
        field(model),
        instances.to_string(),
        field(attack.as_deref().unwrap_or_default()),
        rounds.to_string(),
        number(*reward_mean),
        number(*reward_sd),
        number(ci95_monte_carlo.map(|[low, _]| low)),
        number(ci95_monte_carlo.map(|[_, high]| high)),
        number(ci95_prompts.map(|[low, _]| low)),
        number(ci95_prompts.map(|[_, high]| high)),
        number(*negative_share),
        number(*quality_mean),
        cost.to_string(),
        latency_ms_mean.to_string(),
        number(*weight),
        number(*stake),
        number(*slashed_mean),
        number(*profit_mean),
        number(*break_even_reward),
    ]
}

/// The report as JSON, indented.
#[must_use]
pub fn json(report: &Report) -> String {
    // Numbers, strings and lists always serialise.
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

/// The command that makes the same run in a terminal, quoted for a POSIX shell.
#[must_use]
pub fn command(scenario: &Scenario) -> String {
    format!("poq simulate{} --json", flags(scenario))
}

/// The command that runs the scenario over a grid; `axes` as `poq sweep --vary` takes them.
#[must_use]
pub fn sweep_command(scenario: &Scenario, axes: &[String], replicates: u32) -> String {
    let repeated = if replicates == 0 { String::new() } else { format!(" --replicates {replicates}") };
    let vary: String = axes.iter().map(|axis| format!(" --vary {}", shell(axis))).collect();
    format!("poq sweep{}{vary}{repeated}", flags(scenario))
}

/// The command of a study of the scenario, with the options given.
#[must_use]
pub fn study_command(name: &str, scenario: &Scenario, options: impl IntoIterator<Item = String>) -> String {
    let options: String = options.into_iter().map(|option| format!(" {}", shell(&option))).collect();
    format!("poq {name}{}{options}", flags(scenario))
}

/// The command on the dataset in question: where it is this device's own, the reader names the folder that it was saved
/// in; an older one that is shipped is named by its id.
#[must_use]
pub fn on_dataset(command: String, summary: &Summary) -> String {
    match Shipped::of(&summary.name.id) {
        _ if summary.is_own() => command + " --dataset FOLDER",
        Some(shipped) if shipped != Shipped::default() => format!("{command} --dataset {}", shipped.id()),
        _ => command,
    }
}

/// What makes a command run this scenario.
fn flags(scenario: &Scenario) -> String {
    let mut out = String::new();
    let mut patch = scenario.patch();
    if let Some(fields) = patch.as_object_mut() {
        for apart in ["preset", "seed", "rounds"] {
            fields.remove(apart);
        }
    }
    if scenario.preset != Scenario::default().preset {
        out.push_str(&format!(" --preset {}", shell(&scenario.preset)));
    }
    for (path, value) in leaves(&patch) {
        out.push_str(&format!(" --set {}", shell(&format!("{path}={value}"))));
    }
    out.push_str(&format!(" --seed {} --rounds {}", scenario.seed, scenario.rounds));
    out
}

/// Paths and values, objects taken apart.
fn leaves(value: &Value) -> Vec<(String, String)> {
    let Some(fields) = value.as_object() else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for (key, value) in fields {
        match value {
            // A key with a dot is no path, and a rule's parameters are none of another's: such an object goes whole.
            Value::Object(inner)
                if !inner.is_empty() && inner.keys().all(|key| !key.contains('.') && key != "rule") =>
            {
                out.extend(leaves(value).into_iter().map(|(path, value)| (format!("{key}.{path}"), value)));
            }
            Value::String(word) => out.push((key.clone(), word.clone())),
            other => out.push((key.clone(), other.to_string())),
        }
    }
    out
}

fn shell(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-=/:,".contains(&byte);
    if text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_dataset_of_this_device_is_named_in_the_command() {
        let dataset = fixture::dataset();
        let extended = dataset.with_evaluator(&fixture::added_evaluator()).expect("fits");
        let on = |dataset| on_dataset("poq audit".to_owned(), &Summary::of(dataset));
        assert_eq!((on(&dataset).as_str(), on(&extended).as_str()), ("poq audit", "poq audit --dataset FOLDER"));
        let mut older = Summary::of(&dataset);
        older.name.id = "poq-lab-1".to_owned();
        assert_eq!(on_dataset("poq audit".to_owned(), &older), "poq audit --dataset poq-lab-1");
    }

    #[test]
    fn the_csv_has_a_row_for_every_node_and_full_precision() {
        let report = fixture::report(r#"{"rounds": 50}"#);
        let text = csv(&report);
        let lines: Vec<&str> = text.trim_end().split("\r\n").collect();
        assert_eq!(lines.len(), 6);
        assert!(lines.iter().all(|line| line.split(',').count() == COLUMNS.len()));
        let column = COLUMNS.iter().position(|name| *name == "reward_mean").expect("a column");
        let mean: f64 = lines[1].split(',').nth(column).and_then(|field| field.parse().ok()).expect("a number");
        assert_eq!(Some(mean), report.inference_nodes[0].reward_mean);
    }

    #[test]
    fn a_name_that_a_spreadsheet_would_run_is_made_plain_in_the_csv() {
        let mut report = fixture::report(r#"{"rounds": 50}"#);
        report.inference_nodes[0].id = "=1+1".to_owned();
        report.evaluator_nodes[0].model = "@sum, of".to_owned();
        let text = csv(&report);
        assert!(text.contains("inference,'=1+1,") && text.contains("\"'@sum, of\""), "{text}");
    }

    #[test]
    fn absent_values_are_empty_fields() {
        let text = csv(&fixture::report(r#"{"rounds": 1}"#));
        assert!(text.contains(",,"), "{text}");
        assert!(!text.contains("NaN") && !text.contains("null"), "{text}");
    }

    #[test]
    fn the_json_reads_back_with_the_same_digest() {
        let report = fixture::report("{}");
        let back: Report = serde_json::from_str(&json(&report)).expect("a report");
        assert_eq!(back.compute_digest(), report.digest);
    }

    #[test]
    fn the_command_sets_what_differs() {
        assert_eq!(command(&Scenario::default()), "poq simulate --seed 42 --rounds 5000 --json");
        let scenario = Scenario::from_json(
            r#"{"reward": {"alpha_inference": 0.7}, "inference_draw": "all", "rounds": 9,
                "score_normalization": {"rouge-l": "min_max"}, "network": {"inference": [{"model": "it's"}]}}"#,
        )
        .expect("valid");
        let text = command(&scenario);
        assert!(text.starts_with("poq simulate --set inference_draw=all --set 'network.inference=[{"), "{text}");
        assert!(text.contains("it'\\''s") && text.contains("--set reward.alpha_inference=0.7"), "{text}");
        assert!(text.contains("--set score_normalization.rouge-l=min_max --seed 42 --rounds 9 --json"), "{text}");
    }

    #[test]
    fn a_sweep_is_the_same_scenario_with_its_axes() {
        let scenario = Scenario::from_json(r#"{"rounds": 9, "inference_draw": "all"}"#).expect("valid");
        let axes = ["seed=1:3:3".to_owned(), "attacks=[[], 1]".to_owned()];
        assert_eq!(
            sweep_command(&scenario, &axes, 0),
            "poq sweep --set inference_draw=all --seed 42 --rounds 9 --vary seed=1:3:3 --vary 'attacks=[[], 1]'"
        );
        assert!(sweep_command(&scenario, &axes, 8).ends_with(" --replicates 8"));
    }

    #[test]
    fn every_set_of_the_command_is_understood() {
        let scenario = Scenario::from_json(
            r#"{"consensus": {"rule": "yuma", "kappa": 0.3}, "task_kinds": ["qa"], "reward": {"beta_evaluator": 0},
                "score_normalization": {"a": "ten"}, "attacks": [{"nodes": ["a"], "kind": "boost"}], "network": {"evaluators": [{"model": "a", "count": 2}]}}"#,
        )
        .expect("valid");
        let mut again = Scenario::default();
        for (path, value) in leaves(&scenario.patch()) {
            again = again.with(&path, &value).expect("understood");
        }
        assert_eq!(again, scenario);
    }
}
