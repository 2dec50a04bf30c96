//! What is filled in to make a map, and what is wrong with it.

use poq_core::Scenario;
use poq_core::limits::{self, Bounds};
use poq_core::reward::Money;
use poq_core::scenario::ScenarioError;
use poq_core::simulation::SERIES_NODES;
use poq_core::sweep::Axis;
use serde_json::Value;

use super::{MAX_SIDE, Map, words};
use crate::fields;
use crate::format;
use crate::protocol::Summary;

/// Cells times nodes, or groups where these are told, at most: memory.
const MAX_FIGURES: u64 = 400_000;
/// Cells times nodes at most: time, since every cell lays its network out.
const MAX_NODES: u64 = 20_000_000;

/// One axis as it is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisForm {
    /// Path of the field.
    pub path: String,
    /// First number.
    pub from: String,
    /// Last number.
    pub to: String,
    /// How many numbers.
    pub steps: String,
    /// The values of a field that takes words, a comma between two.
    pub words: String,
}

/// All that is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The first axis (across) and the second (up).
    pub axes: [AxisForm; 2],
    /// Rounds of each cell; empty for the scenario's own.
    pub rounds: String,
    /// Runs on other random numbers that repeat each cell whose past decides its path: one of [`REPLICATES`].
    pub replicates: u32,
}

/// How often a cell may be repeated.
pub const REPLICATES: [u32; 3] = [0, 8, 24];

impl Default for Form {
    fn default() -> Self {
        let axis = |path: &str| AxisForm {
            path: path.to_owned(),
            from: "0".to_owned(),
            to: "2".to_owned(),
            steps: format::input(DEFAULT_STEPS),
            words: String::new(),
        };
        Self {
            axes: [axis("reward.alpha_inference"), axis("reward.beta_inference")],
            rounds: String::new(),
            replicates: 0,
        }
    }
}

/// Where in the form something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At an axis.
    Axis(usize),
    /// At the rounds.
    Rounds,
    /// In no single place.
    Whole,
}

impl AxisForm {
    /// The axis as `poq sweep --vary` takes it.
    #[must_use]
    pub fn text(&self, scenario: &Scenario) -> String {
        let path = self.path.trim();
        if takes_words(scenario, path) {
            format!("{path}={}", self.words.trim())
        } else {
            format!("{path}={}:{}:{}", self.from.trim(), self.to.trim(), self.steps.trim())
        }
    }

    /// The same axis for another field, with values that suit that field; `pool` evaluators are there to draw K from.
    #[must_use]
    pub fn for_path(&self, scenario: &Scenario, path: &str, pool: u64) -> Self {
        if path == self.path {
            return self.clone();
        }
        let mut form = Self { path: path.to_owned(), ..self.clone() };
        let own = fields::get(scenario, path);
        if takes_words(scenario, path) {
            form.words = words_of(path)
                .map_or_else(|| own.as_str().map_or_else(|| own.to_string(), str::to_owned), str::to_owned);
            return form;
        }
        let known = fields::all().find(|field| field.path == path);
        // Money that nobody set comes with its defaults.
        let value = own.as_f64().or_else(|| fields::preset_value(scenario, path).as_f64());
        let bounds = known.map_or_else(|| bounds_of(scenario, path), |field| field.bounds);
        let whole = known.map_or(own.is_u64(), |field| field.whole);
        let value = value.unwrap_or(bounds.min);
        let least_span = known.map_or(1.0, |field| field.step);
        let most = if path == K { bounds.max.min(pool as f64) } else { bounds.max };
        let wide = if path == K { most } else { 2.0 * value };
        let to = known.and_then(|field| field.slider_max).unwrap_or(wide.max(bounds.min + least_span)).min(most);
        form.from = format::input(bounds.min.min(value));
        form.to = format::input(to);
        form.steps = format::input(DEFAULT_STEPS);
        if whole {
            let span = to - bounds.min;
            let stride = (span / (MAX_SIDE - 1) as f64).ceil().max(1.0);
            let steps = (span / stride).floor();
            form.to = format::input(bounds.min + stride * steps);
            form.steps = format::input(steps + 1.0);
        }
        form
    }

    fn axis(&self, scenario: &Scenario) -> Result<Axis, String> {
        if self.path.contains('=') {
            return Err(format!("`{}` is no path of a field", self.path));
        }
        let axis: Axis = self.text(scenario).parse().map_err(|error: ScenarioError| error.message)?;
        if axis.values.len() > MAX_SIDE {
            return Err(format!("{} values; allowed: 1 to {MAX_SIDE}", format::count(axis.values.len() as u64)));
        }
        let is_whole = |value: &Value| value.as_f64().is_none_or(|number| number.fract() == 0.0);
        if fields::get(scenario, &axis.path).is_u64()
            && let Some(between) = axis.values.iter().find(|value| !is_whole(value))
        {
            return Err(format!(
                "{between} is between two whole numbers; allowed: as many steps as give whole numbers alone"
            ));
        }
        Ok(axis)
    }
}

/// K, whose values go with the evaluators that are there.
const K: &str = fields::EVALUATORS_PER_ROUND.path;
/// Numbers of an axis that goes through all of a range.
const DEFAULT_STEPS: f64 = 32.0;

/// What the core allows of a number that a group or an attack is made of.
fn bounds_of(scenario: &Scenario, path: &str) -> Bounds {
    let parts: Vec<&str> = path.split('.').collect();
    let name = parts.last().copied().unwrap_or_default();
    if let ["attacks", index, ..] = parts[..]
        && let Some(attack) = index.parse().ok().and_then(|index: usize| scenario.attacks.get(index))
    {
        let of = [attack.kind.unwrapped().0.parameters(), attack.kind.parameters()];
        if let Some((.., bounds)) = of.into_iter().flatten().find(|(known, ..)| *known == name) {
            return bounds;
        }
    }
    match name {
        "count" => limits::GROUP_COUNT,
        "latency_factor" => limits::LATENCY_FACTOR,
        "score_noise_sd" => limits::SCORE_NOISE_SD,
        "stake" => limits::STAKE,
        _ => limits::SHARE,
    }
}

/// Whether a field takes words (or lists) and not a number.
#[must_use]
pub fn takes_words(scenario: &Scenario, path: &str) -> bool {
    let own = fields::get(scenario, path.trim());
    !own.is_number() && !own.is_null()
}

/// The words of a field with few of them.
fn words_of(path: &str) -> Option<&'static str> {
    match path {
        "consensus.rule" => Some("mean,median,trimmed_mean,trust_weighted,ema_trust,yuma"),
        "inference_draw" => Some("uniform,all,softmax"),
        "cost_normalization" => Some("min_max,ratio_to_max,log_min_max"),
        "task_kinds" => Some(r#"[["qa"],["summarization"],["qa","summarization"]]"#),
        _ => None,
    }
}

/// Every path that can be set in this scenario.
#[must_use]
pub fn paths(scenario: &Scenario) -> Vec<String> {
    let mut paths = Vec::new();
    let mut whole = scenario.clone();
    // Money comes with its defaults when it comes.
    whole.money.get_or_insert(Money::default());
    leaves(&serde_json::to_value(&whole).unwrap_or_default(), "", &mut paths);
    paths.retain(|path| path != "preset");
    paths
}

fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                leaves(value, &below(key), out);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, &below(&index.to_string()), out);
            }
        }
        _ => out.push(path.to_owned()),
    }
}

/// The map that the form asks for.
///
/// # Errors
/// Says where in the form something is wrong, and what.
pub fn map(form: &Form, scenario: &Scenario, summary: &Summary) -> Result<Map, (Place, String)> {
    let mut base = scenario.clone();
    if !form.rounds.trim().is_empty() {
        base = base.with("rounds", form.rounds.trim()).map_err(|error| (Place::Rounds, error.message))?;
    }
    let axis = |index: usize| form.axes[index].axis(&base).map_err(|words| (Place::Axis(index), words));
    let (x, y) = (axis(0)?, axis(1)?);
    let cells = (x.values.len() * y.values.len()) as u64;
    let map = Map::new(base.clone(), x, y).map_err(|error| (Place::Axis(1), error.message))?;
    let map = map.with_replicates(form.replicates).map_err(|error| (Place::Whole, error.message))?;
    check_values(&map)?;
    check_pool(&map, summary)?;
    let [inference, evaluators] = summary.by_default();
    let roles = [(&base.network.inference, inference), (&base.network.evaluators, evaluators)];
    let nodes: u64 = roles.iter().map(|(groups, recorded)| crate::groups::instances(groups, *recorded)).sum();
    let mut told = nodes;
    if nodes > SERIES_NODES as u64 {
        // Told in groups; each attack may part each group in two.
        let groups: usize = roles.iter().map(|(groups, recorded)| groups.len().max(*recorded)).sum();
        told = nodes.min((groups * (1 + base.attacks.len())) as u64);
    }
    let allowed = (MAX_FIGURES / told.max(1)).min(MAX_NODES / nodes.max(1));
    if cells > allowed {
        return Err((
            Place::Whole,
            format!(
                "{} cells of {} nodes are more than a page takes on; allowed: up to {} cells of such a network, `poq sweep` runs more",
                format::count(cells),
                format::count(nodes),
                format::count(allowed)
            ),
        ));
    }
    Ok(map)
}

/// Refuses a K that is more than the evaluators there are, where no axis changes who is there: no cell could be run.
fn check_pool(map: &Map, summary: &Summary) -> Result<(), (Place, String)> {
    let axes = map.axes();
    let pool = crate::groups::instances(&map.base().network.evaluators, summary.evaluators.len());
    let is_changed = axes.iter().any(|axis| axis.path.starts_with("network"));
    for (index, axis) in axes.into_iter().enumerate().filter(|(_, axis)| axis.path == K && !is_changed) {
        if let Some(value) = axis.values.iter().find(|value| value.as_f64().is_some_and(|k| k > pool as f64)) {
            let message = format!("{value} evaluators a round; allowed: 1 to {}, which there are", format::count(pool));
            return Err((Place::Axis(index), message));
        }
    }
    Ok(())
}

/// Refuses a value that its field takes neither by itself nor in a cell at an end of the other axis. Of numbers, the
/// first two and the last are looked at; what else cannot be is said by the cells.
fn check_values(map: &Map) -> Result<(), (Place, String)> {
    let size = map.size();
    let sizes = [size.0, size.1];
    for (index, axis) in map.axes().into_iter().enumerate() {
        let other_last = sizes[1 - index] - 1;
        let looked_at = |at: &usize| !axis.values[*at].is_number() || *at < 2 || at + 1 == axis.values.len();
        for at in (0..axis.values.len()).filter(looked_at) {
            let run = |other: usize| map.scenario(if index == 0 { (at, other) } else { (other, at) });
            let alone = map.base().with(&axis.path, &axis.values[at].to_string()).err();
            let refused = alone.filter(|_| run(0).is_err() && run(other_last).is_err());
            if let Some(error) = refused {
                let words = if error.path == axis.path {
                    error.message
                } else {
                    format!("{}: {}", words::field(&error.path).0, error.message)
                };
                return Err((Place::Axis(index), words));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn ask(change: impl FnOnce(&mut Form)) -> Result<Map, (Place, String)> {
        let mut form = Form::default();
        change(&mut form);
        map(&form, &Scenario::default(), &Summary::of(&fixture::dataset()))
    }

    #[test]
    fn the_form_asks_for_the_weights_of_inference() {
        let map = ask(|_| {}).expect("a map");
        assert_eq!((map.size(), map.base()), ((32, 32), &Scenario::default()));
        assert_eq!(map.axes()[1].path, "reward.beta_inference");
    }

    #[test]
    fn what_is_wrong_is_said_where_it_stands() {
        type Change = fn(&mut Form);
        let wrong: [(Change, Place, &str); 11] = [
            (|form| form.axes[0].from = "x".to_owned(), Place::Axis(0), "`x` is not a number"),
            (|form| form.axes[1].steps = "0".to_owned(), Place::Axis(1), "`0` steps"),
            (|form| form.axes[1].steps = "65".to_owned(), Place::Axis(1), "65 values; allowed: 1 to 64"),
            (|form| form.axes[1].to = "2000".to_owned(), Place::Axis(1), "2000 is out of range; allowed: 0 to 1000"),
            (|form| form.axes[0].path = "reward.gamma".to_owned(), Place::Axis(0), "unknown field `gamma`"),
            (|form| form.axes[1].path = "reward.gamma".to_owned(), Place::Axis(1), "unknown field `gamma`"),
            (|form| form.axes[0].path = "a=b".to_owned(), Place::Axis(0), "no path"),
            (|form| form.axes[0].path = "reward.beta_inference".to_owned(), Place::Axis(1), "varied twice"),
            (
                |form| {
                    form.axes[0].path = "evaluators_per_round".to_owned();
                    form.axes[0].steps = "3".to_owned();
                },
                Place::Axis(0),
                "0 is out of range; allowed: 1 to",
            ),
            (
                |form| {
                    form.axes[0].path = "consensus.rule".to_owned();
                    form.axes[0].words = "mean,magic".to_owned();
                },
                Place::Axis(0),
                "magic",
            ),
            (|form| form.rounds = "0".to_owned(), Place::Rounds, "0 is out of range"),
        ];
        for (change, place, words) in wrong {
            let (at, said) = ask(change).expect_err("must be refused");
            assert!(at == place && said.contains(words), "{at:?} {said}");
        }
    }

    #[test]
    fn values_that_the_other_axis_makes_possible_are_let_in() {
        let map = ask(|form| {
            form.axes[0].path = "consensus.rule".to_owned();
            form.axes[0].words = "mean,yuma".to_owned();
            form.axes[1] = AxisForm {
                path: "evaluators_per_round".to_owned(),
                from: "1".to_owned(),
                to: "3".to_owned(),
                steps: "3".to_owned(),
                words: String::new(),
            };
            form.rounds = "100".to_owned();
        });
        let map = map.expect("a map");
        assert_eq!((map.size(), map.base().rounds), ((2, 3), 100));
    }

    #[test]
    fn a_network_of_many_groups_has_a_coarse_map() {
        let ask = |groups: usize, count: u32| {
            let group = format!(r#"{{"model": "quick", "count": {count}}}"#);
            let scenario = format!(r#"{{"network": {{"inference": [{}]}}}}"#, vec![&group[..]; groups].join(","));
            let scenario = Scenario::from_json(&scenario).expect("valid");
            map(&Form::default(), &scenario, &Summary::of(&fixture::dataset())).map(|map| map.len())
        };
        assert_eq!(ask(2, 5_000), Ok(1024));
        let refused = ask(1, 99_997);
        assert!(matches!(&refused, Err((_, words)) if words.contains("allowed: up to 200 cells")), "{refused:?}");
        let refused = ask(1997, 2);
        assert!(
            matches!(&refused, Err((Place::Whole, words)) if words.contains("allowed: up to 200 cells")),
            "{refused:?}"
        );
    }

    #[test]
    fn a_field_that_is_chosen_brings_a_range_of_its_own() {
        let scenario = Scenario::from_json(
            r#"{"attacks": [{"nodes": {"share": 0.2}, "kind": "boost", "by": 3}], "rounds": 900,
                "network": {"evaluators": [{"model": "near", "count": 3}]}}"#,
        )
        .expect("valid");
        let from = AxisForm { from: "7".into(), to: "9".into(), steps: "3".into(), ..Form::default().axes[0].clone() };
        for (path, want) in [
            ("attacks.0.by", "0:6:32"),
            ("attacks.0.nodes.share", "0:1:32"),
            ("network.evaluators.0.count", "1:6:6"),
            ("network.evaluators.0.score_noise_sd", "0:1:32"),
            ("staking.slash_distance", "0:10:32"),
            ("evaluators_per_round", "1:3:3"),
            ("rounds", "1:1799:63"),
        ] {
            let form = from.for_path(&scenario, path, 3);
            assert_eq!(form.text(&scenario), format!("{path}={want}"));
            assert!(form.axis(&scenario).is_ok(), "{path}");
        }
        assert_eq!(from.for_path(&scenario, &from.path, 3), from, "the field that stands there keeps its range");
    }

    #[test]
    fn k_stays_within_the_evaluators_and_whole() {
        let k = |from: &str, to: &str, steps: &str| {
            ask(|form| {
                form.axes[0] = AxisForm {
                    path: K.to_owned(),
                    from: from.to_owned(),
                    to: to.to_owned(),
                    steps: steps.to_owned(),
                    words: String::new(),
                };
            })
        };
        assert!(k("1", "3", "3").is_ok());
        let said = |map: Result<Map, (Place, String)>| map.expect_err("must be refused");
        let (place, words) = said(k("1", "4", "4"));
        assert!(place == Place::Axis(0) && words.contains("4 evaluators a round; allowed: 1 to 3"), "{words}");
        let (place, words) = said(k("1", "3", "5"));
        assert!(place == Place::Axis(0) && words.contains("1.5 is between two whole numbers"), "{words}");
    }

    #[test]
    fn every_path_can_be_set() {
        let scenario = Scenario::from_json(
            r#"{"consensus": {"rule": "yuma"}, "attacks": [{"nodes": {"share": 0.2}, "kind": "boost", "by": 3}],
                "network": {"evaluators": [{"model": "near", "count": 3}]}}"#,
        )
        .expect("valid");
        let paths = paths(&scenario);
        for path in [
            "reward.alpha_inference",
            "evaluators_per_round",
            "consensus.rule",
            "consensus.kappa",
            "attacks.0.by",
            "attacks.0.nodes.share",
            "network.evaluators.0.count",
            "money.price_per_round",
            "task_kinds",
        ] {
            assert!(paths.iter().any(|known| known == path), "{path} of {paths:?}");
        }
        for path in &paths {
            let own = fields::preset_value(&scenario, path);
            let own = if own.is_null() { fields::get(&scenario, path) } else { own };
            assert!(own.is_null() || scenario.with(path, &own.to_string()).is_ok(), "{path}");
        }
    }

    #[test]
    fn another_field_has_values_that_suit_it() {
        let scenario = Scenario::default();
        let form = &Form::default().axes[0];
        let text = |path: &str| form.for_path(&scenario, path, 5).text(&scenario);
        assert_eq!(text("evaluators_per_round"), "evaluators_per_round=1:5:5");
        assert_eq!(text("reward.alpha_evaluator"), "reward.alpha_evaluator=0:2:32");
        assert!(text("consensus.rule").starts_with("consensus.rule=mean,median,"));
        assert_eq!(text("inference_draw"), "inference_draw=uniform,all,softmax");
        for path in ["consensus.rule", "inference_draw", "cost_normalization", "task_kinds"] {
            let axis = form.for_path(&scenario, path, 5).axis(&scenario).expect("an axis");
            assert!(axis.values.iter().all(|value| scenario.with(path, &value.to_string()).is_ok()), "{path}");
        }
    }
}
