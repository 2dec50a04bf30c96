//! A map to take away: CSV, JSON, the command. The files come in parts, so that a page can go on between two of them.

use poq_core::ENGINE_VERSION;
use poq_core::csv::field;
use poq_core::report::DatasetName;
use serde_json::{Map as Object, Value, json};

use super::{Map, Place};
use crate::export::sweep_command;

/// Cells of a part.
const PART: usize = 128;

/// The columns after those of the axes: those of `poq sweep`, as far as a map keeps them.
const COLUMNS: [&str; 7] = [
    "role",
    "id",
    "reward_mean",
    "negative_share",
    "gain_mean",
    "pearson_consensus_truth",
    "kendall_reward_efficiency",
];

/// The command that runs the same grid in a terminal.
#[must_use]
pub fn command(map: &Map) -> String {
    let axes = map.axes().map(|axis| {
        let is_plain = |value: &Value| value.as_str().is_none_or(|word| !word.contains([',', ':', '[', '"']));
        let flat = axis.values.iter().all(|value| !value.is_array() && !value.is_object() && is_plain(value));
        // The range as it was filled in, where the values are one.
        let range = match (axis.values.first(), axis.values.last()) {
            (Some(from), Some(to)) => format!("{}={from}:{to}:{}", axis.path, axis.values.len()),
            _ => String::new(),
        };
        if range.parse::<poq_core::sweep::Axis>().is_ok_and(|same| same == *axis) {
            range
        } else if flat && axis.values.len() > 1 {
            format!("{}={}", axis.path, axis.values.iter().map(plain).collect::<Vec<_>>().join(","))
        } else {
            format!("{}={}", axis.path, Value::from(axis.values.clone()))
        }
    });
    sweep_command(map.base(), &axes, map.replicates())
}

/// A value as it is written after `--set path=`.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The places whose cells are done, a part of them at a time, in the grid's order.
fn parts(map: &Map) -> impl Iterator<Item = Vec<Place>> + use<> {
    let done: Vec<Place> = map.places().filter(|&place| map.cell(place).is_some()).collect();
    done.chunks(PART).map(<[Place]>::to_vec).collect::<Vec<_>>().into_iter()
}

/// The cells that are done as CSV (RFC 4180), a row for each node, in parts; an absent value is an empty field.
pub fn csv(map: &Map) -> impl Iterator<Item = String> + use<> {
    let [x, y] = map.axes();
    let mut heading = vec![field(&x.path), field(&y.path)];
    heading.extend(COLUMNS.map(str::to_owned));
    let map = map.clone();
    std::iter::once(heading.join(",") + "\r\n")
        .chain(parts(&map).map(move |places| places.into_iter().map(|place| rows(&map, place)).collect()))
}

fn rows(map: &Map, place: Place) -> String {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let Some(cell) = map.cell(place) else { return String::new() };
    let values = set(map, place).map(|(_, value)| field(&plain(value)));
    let roles = [("inference", &cell.roster.inference), ("evaluator", &cell.roster.evaluators)];
    let nodes = roles.into_iter().flat_map(|(role, nodes)| nodes.iter().map(move |(id, _)| (role, id)));
    let mut out = String::new();
    for (at, (role, id)) in nodes.enumerate().take(cell.item.means.len()) {
        let gain = cell.item.gains.iter().find(|(node, _)| *node as usize == at).and_then(|(_, gain)| *gain);
        let fields = [
            role.to_owned(),
            field(id),
            number(cell.item.means[at]),
            number(cell.item.negative[at]),
            number(gain),
            number(cell.item.pearson),
            number(cell.item.kendall),
        ];
        out.push_str(&format!("{},{},{}\r\n", values[0], values[1], fields.join(",")));
    }
    out
}

fn set(map: &Map, (x, y): Place) -> [(&String, &Value); 2] {
    let [across, up] = map.axes();
    [(&across.path, &across.values[x]), (&up.path, &up.values[y])]
}

/// The map as JSON, in parts: what it is of, and the cells that are done.
pub fn json(map: &Map, dataset: &DatasetName) -> impl Iterator<Item = String> + use<> {
    let axes: Vec<Value> = map.axes().map(|axis| json!({"path": axis.path, "values": axis.values})).to_vec();
    let mut scenario = map.base().patch();
    scenario["rounds"] = map.base().rounds.into();
    scenario["seed"] = map.base().seed.into();
    let heading = format!(
        "{{\n\"engine_version\": {},\n\"dataset\": {},\n\"scenario\": {scenario},\n\"axes\": {},\n\"replicates\": {},\n\"cells_of_the_grid\": {},\n\"cells\": [",
        json!(ENGINE_VERSION),
        json!(dataset),
        Value::from(axes),
        map.replicates(),
        map.len()
    );
    let map = map.clone();
    let cells = parts(&map).enumerate().map(move |(part, places)| {
        let cells: Vec<String> = places.into_iter().map(|place| object(&map, place).to_string()).collect();
        format!("{}\n{}", if part == 0 { "" } else { "," }, cells.join(",\n"))
    });
    std::iter::once(heading).chain(cells).chain(std::iter::once("\n]\n}\n".to_owned()))
}

fn object(map: &Map, place: Place) -> Value {
    let set: Object<String, Value> =
        set(map, place).into_iter().map(|(path, value)| (path.clone(), value.clone())).collect();
    let Some(cell) = map.cell(place) else { return json!({"set": set}) };
    if let Some((path, message)) = &cell.item.fault {
        return json!({"set": set, "fault": {"path": path, "message": message}});
    }
    let node = |(at, (id, _)): (usize, &(String, String))| json!({"id": id, "reward_mean": cell.item.means[at], "negative_share": cell.item.negative[at]});
    let first = cell.roster.inference.len();
    let inference: Vec<Value> = cell.roster.inference.iter().enumerate().map(node).collect();
    let evaluators: Vec<Value> =
        cell.roster.evaluators.iter().enumerate().map(|(at, entry)| node((first + at, entry))).collect();
    let ids: Vec<&String> = cell.roster.inference.iter().chain(&cell.roster.evaluators).map(|(id, _)| id).collect();
    let attackers: Vec<Value> =
        cell.item.gains.iter().map(|&(at, gain)| json!({"id": ids.get(at as usize), "gain_mean": gain})).collect();
    json!({
        "set": set,
        "inference_nodes": inference,
        "evaluator_nodes": evaluators,
        "attackers": attackers,
        "pearson_consensus_truth": cell.item.pearson,
        "kendall_reward_efficiency": cell.item.kendall,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::map::tests::{ALPHA, BETA, map};
    use crate::protocol::Summary;

    #[test]
    fn the_csv_has_a_row_for_every_node_of_every_cell_that_is_done() {
        let map = map("{}", ALPHA, BETA, 4);
        let text: String = csv(&map).collect();
        let lines: Vec<&str> = text.trim_end().split("\r\n").collect();
        // The scenario itself is no cell: three are done, of five nodes each.
        assert_eq!((map.done(), lines.len()), (3, 1 + 3 * 5));
        assert!(lines[0].starts_with("reward.alpha_inference,reward.beta_inference,role,id,reward_mean,"));
        assert!(lines.iter().all(|line| line.split(',').count() == 9), "{text}");
        let report = fixture::report(r#"{"reward": {"alpha_inference": 0, "beta_inference": 0}}"#);
        let fields: Vec<&str> = lines[1].split(',').collect();
        assert_eq!(fields[..4], ["0", "0", "inference", "quick"]);
        assert_eq!(fields[4].parse().ok(), report.inference_nodes[0].reward_mean);
    }

    #[test]
    fn the_json_says_what_it_is_of() {
        let map = map(
            r#"{"rounds": 200, "attacks": [{"nodes": ["odd"], "kind": "boost", "by": 3}]}"#,
            "consensus.rule=mean,median",
            "evaluators_per_round=3:4:2",
            99,
        );
        let name = Summary::of(&fixture::dataset()).name;
        let text: String = json(&map, &name).collect();
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["dataset"]["hash"], json!(name.hash));
        assert_eq!((&value["engine_version"], &value["scenario"]["rounds"]), (&json!(ENGINE_VERSION), &json!(200)));
        assert_eq!(value["axes"][0], json!({"path": "consensus.rule", "values": ["mean", "median"]}));
        let cells = value["cells"].as_array().expect("a list");
        assert_eq!(cells.len(), 4);
        assert_eq!(cells[0]["set"], json!({"consensus.rule": "mean", "evaluators_per_round": 3}));
        assert_eq!(cells[0]["attackers"][0]["id"], "odd");
        assert_eq!(cells[1]["fault"]["path"], "evaluators_per_round");
        assert!(poq_core::Scenario::from_patch(&value["scenario"]).is_ok_and(|scenario| scenario == *map.base()));
    }

    #[test]
    fn the_command_makes_the_same_grid() {
        for (x, y) in
            [(ALPHA, BETA), ("consensus.rule=mean,median", "seed=3"), ("task_kinds=[[\"qa\"]]", "rounds=5,7,30")]
        {
            let map = map("{}", x, y, 0);
            let command = command(&map).replace('\'', "");
            let axes: Vec<poq_core::sweep::Axis> =
                command.split(" --vary ").skip(1).map(|text| text.parse().expect("an axis")).collect();
            assert_eq!(axes.iter().collect::<Vec<_>>(), map.axes(), "{command}");
        }
    }
}
