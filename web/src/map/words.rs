//! What a map shows, in words: its axes, a cell, the whole in a sentence.

use serde_json::Value;

use super::paint::{
    Class, FAINT, Painted, Shown, Shows, best_gain, flips, inference_means, losers, mean_of, number_words, shown,
};
use super::{Cell, Map, Place};
use crate::fields;
use crate::format;
use crate::protocol::{Roster, Summary};

/// What a field is called, and its unit; its path where the controls have no name for it.
#[must_use]
pub fn field(path: &str) -> (String, &'static str) {
    let known = fields::all().find(|field| field.path == path);
    let Some(field) = known else { return (path.to_owned(), "") };
    // The two roles' weights have the same names.
    let whose = if path.ends_with("_evaluator") { "evaluators’ " } else { "" };
    (format!("{whose}{}", field.label), field.unit)
}

/// A value of an axis.
#[must_use]
pub fn value(value: &Value) -> String {
    match value {
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), rounded),
        Value::String(word) => word.replace('_', " "),
        other => other.to_string(),
    }
}

/// A number with as many digits as tell the cells of an axis apart.
fn rounded(number: f64) -> String {
    let plain = format::plain(number);
    let rounded = format::number(number);
    if plain.chars().count() < rounded.chars().count() { plain } else { rounded }
}

/// The values of a cell: "α quality 0.6, β cost 1.2".
#[must_use]
pub fn place(map: &Map, (x, y): Place) -> String {
    let [across, up] = map.axes();
    format!("{} {}, {} {}", field(&across.path).0, value(&across.values[x]), field(&up.path).0, value(&up.values[y]))
}

/// A cell: its values, who earns most, who loses, and what the map shows.
#[must_use]
pub fn cell(map: &Map, at: Place, shows: Shows, node: &str, summary: &Summary) -> String {
    let place = place(map, at);
    let run = if is_alone(map, at) { " in its one run" } else { "" };
    let Some(cell) = map.cell(at) else { return format!("{place}: not run yet.") };
    if let Some((path, words)) = &cell.item.fault {
        return format!("{place}: cannot be run; {path}: {words}.");
    }
    let best = inference_means(cell).max_by(|a, b| a.1.total_cmp(&b.1));
    let first = match (shown(map, cell, Shows::Winner, ""), best) {
        (Shown::Level, Some((_, mean))) => format!("every inference node earns {}", format::number(mean)),
        (Shown::Winner(at), Some((_, mean))) => {
            let verb = if mean > 0.0 { "earns most" } else { "loses least" };
            format!("{} {verb}{run}, {}", name(&cell.roster, at, summary), format::number(mean))
        }
        (Shown::Ahead(at), Some((_, mean))) => {
            let who = name(&cell.roster, at, summary);
            format!("which inference node earns most is within chance, {who} with {} being ahead", format::number(mean))
        }
        _ => "no inference node has answered".to_owned(),
    };
    let nodes = cell.item.means.len();
    let mut words = format!("{place}: {first}; {} of {} nodes below 0", losers(cell), format::count(nodes as u64));
    let also = match shows {
        Shows::Winner | Shows::Losers => None,
        Shows::Flips => map.own().and_then(|own| flips(own, cell)).map(|flips| match flips {
            0 => "the ranking is the scenario’s own".to_owned(),
            flips => {
                format!("{} the other way round", format::counted(flips as u64, "pair of nodes", "pairs of nodes"))
            }
        }),
        Shows::Node => Some(match mean_of(cell, node) {
            Some(mean) => format!("{} earns {}", name_of(&cell.roster, node, summary), format::number(mean)),
            None => format!("{} is not paid", name_of(&cell.roster, node, summary)),
        }),
        Shows::Pearson => Some(correlation("r", cell.item.pearson)),
        Shows::Kendall => Some(correlation("τ", cell.item.kendall)),
        Shows::Gain => best_gain(cell).map(|(at, gain)| {
            format!("{} gains {} by its attack", name(&cell.roster, at, summary), format::number(gain))
        }),
    };
    if let Some(also) = also {
        words = format!("{words}; {also}");
    }
    words + "."
}

/// Whether a cell names who earns most of several and cannot say how surely: most often since its past decides its
/// path, and it was not repeated.
fn is_alone(map: &Map, place: Place) -> bool {
    let names = |cell: &Cell| matches!(shown(map, cell, Shows::Winner, ""), Shown::Winner(_));
    map.cell(place)
        .is_some_and(|cell| cell.item.chance.is_none() && inference_means(cell).nth(1).is_some() && names(cell))
}

fn correlation(sign: &str, value: Option<f64>) -> String {
    match value {
        Some(value) => format!("{sign} = {}", format::fixed(value, 2)),
        None => format!("{sign} is not defined"),
    }
}

/// The name of the node at a place in a roster, evaluators after inference nodes.
fn name(roster: &Roster, at: usize, summary: &Summary) -> String {
    let node = roster.inference.iter().chain(&roster.evaluators).nth(at);
    node.map(|(id, model)| summary.instance_name(model, id)).unwrap_or_default()
}

/// The name of the node of that id.
#[must_use]
pub fn name_of(roster: &Roster, id: &str, summary: &Summary) -> String {
    let node = roster.inference.iter().chain(&roster.evaluators).find(|(known, _)| known == id);
    node.map_or_else(|| id.to_owned(), |(id, model)| summary.instance_name(model, id))
}

/// The whole map in a sentence.
#[must_use]
pub fn sentence(map: &Map, painted: &Painted, shows: Shows, node: &str, summary: &Summary) -> String {
    let done = map.done();
    if done == 0 {
        return "No cell is done yet.".to_owned();
    }
    let cells = if done == map.len() {
        format::counted(done as u64, "cell", "cells")
    } else {
        format!("{} of {} cells", format::count(done as u64), format::count(map.len() as u64))
    };
    let share = |cells: usize| format::percent(cells as f64 / done as f64);
    if shows == Shows::Winner {
        let is_faint = |class: &Class| class.css.ends_with(FAINT);
        let (mut faint, mut classes): (Vec<_>, Vec<_>) =
            painted.classes.iter().filter(|class| class.cells > 0).partition(|class| is_faint(class));
        let largest_first = |class: &&Class| std::cmp::Reverse(class.cells);
        faint.sort_by_key(largest_first);
        classes.sort_by_key(largest_first);
        let mut words: Vec<String> = Vec::new();
        for class in classes.iter().take(3) {
            words.push(match (class.css.as_str(), words.len()) {
                ("level", _) => format!("all earn the same in {}", share(class.cells)),
                ("nothing", _) => format!("none can be named in {}", share(class.cells)),
                (_, 0) => format!("{} earns most in {}", class.label, share(class.cells)),
                _ => format!("{} in {}", class.label, share(class.cells)),
            });
        }
        if let Some(first) = faint.first() {
            let all = faint.iter().map(|class| class.cells).sum();
            words.push(format!(
                "in {} which node does is within chance ({} in {})",
                share(all),
                first.label.replace(", within chance", " is ahead"),
                share(first.cells)
            ));
        }
        let alone = map.places().filter(|&place| is_alone(map, place)).count();
        let unknown = match alone {
            0 => String::new(),
            _ => format!(
                " In {} a cell is one run, which cannot tell whether its first node leads by chance.",
                share(alone)
            ),
        };
        return format!("Over {cells} {}.{unknown}", words.join(", "));
    }
    let at = |cell: &Cell| shown(map, cell, shows, node);
    let mut numbers: Vec<(Place, f64)> = Vec::new();
    for place in map.places() {
        if let Some(Shown::Number(number)) = map.cell(place).map(at) {
            numbers.push((place, number));
        }
    }
    let lowest = numbers.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let highest = numbers.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let (Some(lowest), Some(highest)) = (lowest, highest) else {
        return format!(
            "Over {cells} there is no such value{}.",
            if shows == Shows::Gain { ": nobody attacks" } else { "" }
        );
    };
    let what = match shows {
        Shows::Node => format!(
            "{}’s mean reward",
            name_of(&map.own().map(|own| (*own.roster).clone()).unwrap_or_default(), node, summary)
        ),
        Shows::Losers => "the number of nodes below 0".to_owned(),
        Shows::Flips => "the number of pairs of nodes the other way round".to_owned(),
        Shows::Gain => "the largest gain of an attacker".to_owned(),
        Shows::Winner | Shows::Pearson | Shows::Kendall => shows.measure().to_owned(),
    };
    let say = |value: f64| number_words(shows, value);
    if lowest.1 == highest.1 {
        return format!("Over {cells} {what} is {} throughout.", say(lowest.1));
    }
    let zero = match shows {
        Shows::Losers => format!("; nobody is below 0 in {}", share(numbers.iter().filter(|(_, n)| *n == 0.0).count())),
        Shows::Flips => format!(
            "; the ranking is the scenario’s own in {}",
            share(numbers.iter().filter(|(_, n)| *n == 0.0).count())
        ),
        _ if lowest.1 < 0.0 => {
            format!("; it is below 0 in {}", share(numbers.iter().filter(|(_, n)| *n < 0.0).count()))
        }
        _ => String::new(),
    };
    format!(
        "Over {cells} {what} goes from {} ({}) to {} ({}){zero}.",
        say(lowest.1),
        place(map, lowest.0),
        say(highest.1),
        place(map, highest.0)
    )
}

/// A row of the map, one value of the second axis, as stretches of one class: "0 to 0.6".
#[must_use]
pub fn stretches(map: &Map, painted: &Painted, y: usize) -> Vec<(String, usize)> {
    let (across, up) = map.size();
    let class = |x: usize| map.cell((x, y)).and(painted.at[x * up + y]);
    let values = &map.axes()[0].values;
    let mut out = Vec::new();
    let mut start = 0;
    for x in 1..=across {
        if x < across && class(x) == class(start) {
            continue;
        }
        if let Some(class) = class(start) {
            let (from, to) = (value(&values[start]), value(&values[x - 1]));
            let range = match x - start {
                1 => from,
                _ if values[start].is_number() => format!("{from} to {to}"),
                _ => values[start..x].iter().map(value).collect::<Vec<_>>().join(", "),
            };
            out.push((range, class));
        }
        start = x;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::map::paint::paint;
    use crate::map::tests::{ALPHA, BETA, map, run_all};
    use serde_json::json;

    fn summary() -> Summary {
        Summary::of(&fixture::dataset())
    }

    #[test]
    fn a_cell_says_who_earns_most_and_how_many_lose() {
        let map = map("{}", ALPHA, BETA, 99);
        let report = fixture::report(r#"{"reward": {"alpha_inference": 2, "beta_inference": 0}}"#);
        let slow = report.inference_nodes[1].reward_mean.expect("paid");
        let nodes = report.inference_nodes.iter().chain(&report.evaluator_nodes);
        let below = nodes.filter(|node| node.reward_mean.is_some_and(|mean| mean < 0.0)).count();
        let words = cell(&map, (4, 0), Shows::Winner, "", &summary());
        assert_eq!(
            words,
            format!(
                "α quality 2, β cost 0: Slow node earns most, {}; {below} of 5 nodes below 0.",
                format::number(slow)
            )
        );
        let words = cell(&map, (4, 0), Shows::Node, "slow", &summary());
        assert!(words.ends_with(&format!("; Slow node earns {}.", format::number(slow))), "{words}");
        let words = cell(&map, (0, 0), Shows::Winner, "", &summary());
        assert!(words.contains("every inference node earns 0;"), "{words}");
        assert!(cell(&map, (4, 0), Shows::Flips, "", &summary()).contains("1 pair of nodes the other way round"));
    }

    #[test]
    fn what_is_not_run_or_cannot_be_says_so() {
        let none = map("{}", ALPHA, BETA, 0);
        assert_eq!(cell(&none, (1, 0), Shows::Winner, "", &summary()), "α quality 0.5, β cost 0: not run yet.");
        assert_eq!(sentence(&none, &Painted::default(), Shows::Winner, "", &summary()), "No cell is done yet.");
        let refused = map("{}", "evaluators_per_round=3:4:2", "seed=1,2", 99);
        let words = cell(&refused, (1, 0), Shows::Winner, "", &summary());
        assert!(words.contains("cannot be run; evaluators_per_round: 4"), "{words}");
    }

    #[test]
    fn the_sentence_is_made_from_the_result() {
        let map = map("{}", ALPHA, BETA, 99);
        let say =
            |shows: Shows, node: &str| sentence(&map, &paint(&map, &summary(), shows, node), shows, node, &summary());
        let painted = paint(&map, &summary(), Shows::Winner, "");
        let of = |label: &str| painted.classes.iter().find(|class| class.label == label).expect("a class").cells;
        let percent = |cells: usize| format::percent(cells as f64 / 15.0);
        let words = say(Shows::Winner, "");
        assert!(words.starts_with("Over 15 cells "), "{words}");
        for label in ["Quick node", "Slow node"] {
            assert!(words.contains(label) && words.contains(&format!("in {}", percent(of(label)))), "{words}");
        }
        let words = say(Shows::Node, "slow");
        assert!(words.contains("Slow node’s mean reward goes from −2.00 (α quality 0, β cost 2) to "), "{words}");
        assert!(words.contains("(α quality 2, β cost 0); it is below 0 in "), "{words}");
        assert_eq!(say(Shows::Gain, ""), "Over 15 cells there is no such value: nobody attacks.");
        assert!(say(Shows::Losers, "").contains("nobody is below 0 in "), "{}", say(Shows::Losers, ""));
    }

    #[test]
    fn a_leader_whose_chance_is_not_known_is_said_to_be_so() {
        let alone = map(r#"{"consensus": {"rule": "ema_trust"}}"#, ALPHA, BETA, 99);
        let mut often = alone.clone().with_replicates(8).expect("allowed");
        often = run_all(often);
        let words = |map: &Map| {
            let painted = paint(map, &summary(), Shows::Winner, "");
            (sentence(map, &painted, Shows::Winner, "", &summary()), cell(map, (4, 0), Shows::Winner, "", &summary()))
        };
        let (whole, one) = words(&alone);
        assert!(whole.contains(" a cell is one run, which cannot tell whether"), "{whole}");
        assert!(one.contains(" earns most in its one run, "), "{one}");
        let (whole, one) = words(&often);
        assert!(!whole.contains("one run") && !one.contains("one run"), "{whole} {one}");
    }

    #[test]
    fn a_row_is_told_in_stretches() {
        let map = map("{}", ALPHA, BETA, 99);
        let painted = paint(&map, &summary(), Shows::Winner, "");
        let row = stretches(&map, &painted, 0);
        let words: Vec<String> =
            row.iter().map(|(range, class)| format!("{range}: {}", painted.classes[*class].label)).collect();
        assert_eq!(words, ["0: all the same", "0.5 to 2: Slow node"]);
    }

    #[test]
    fn fields_and_values_have_short_names() {
        assert_eq!(field("reward.beta_evaluator"), ("evaluators’ β cost".to_owned(), "reward"));
        assert_eq!(field("consensus.rule"), ("consensus.rule".to_owned(), ""));
        assert_eq!(value(&json!(0.031_746_031)), "0.0317");
        assert_eq!((value(&json!(5)), value(&json!("trimmed_mean"))), ("5".to_owned(), "trimmed mean".to_owned()));
    }
}
