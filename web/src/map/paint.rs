//! What a map shows, and its cells sorted into classes: one colour and one label each.

use poq_core::Scenario;

use super::{Cell, Map, Place};
use crate::format;
use crate::plot::scale::{Scale, tick_text};
use crate::protocol::Summary;

/// What the cells of a map show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shows {
    /// Which inference node earns most.
    #[default]
    Winner,
    /// How many nodes have a mean reward below 0.
    Losers,
    /// How many pairs of inference nodes stand the other way round than in the scenario that is varied.
    Flips,
    /// The mean reward of one node.
    Node,
    /// Pearson correlation of consensus with truth.
    Pearson,
    /// Kendall's tau-b of mean reward with truth per millisecond.
    Kendall,
    /// The gain of the attacker that gains most.
    Gain,
}

impl Shows {
    /// All, with the words of a select and the word in files.
    pub const ALL: [(Self, &'static str, &'static str); 7] = [
        (Self::Winner, "winner", "who earns most"),
        (Self::Losers, "losers", "how many nodes lose: mean reward below 0"),
        (Self::Flips, "flips", "how the ranking differs from the scenario’s own"),
        (Self::Node, "node", "the mean reward of a node"),
        (Self::Pearson, "pearson", "whether consensus follows truth (Pearson’s r)"),
        (Self::Kendall, "kendall", "whether reward follows efficiency (Kendall’s τ)"),
        (Self::Gain, "gain", "the largest gain of an attacker"),
    ];

    /// What the numbers are, with their unit.
    #[must_use]
    pub fn measure(self) -> &'static str {
        match self {
            Self::Winner => "earns most",
            Self::Losers => "nodes below 0",
            Self::Flips => "pairs of nodes the other way round",
            Self::Node => "mean reward",
            Self::Pearson => "r of consensus with truth",
            Self::Kendall => "τ of reward with efficiency",
            Self::Gain => "gain each time it is paid",
        }
    }

    /// Whether its numbers are counts.
    fn is_count(self) -> bool {
        matches!(self, Self::Losers | Self::Flips)
    }
}

/// What one cell shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// The inference node of that place in the roster earns most.
    Winner(usize),
    /// All inference nodes earn the same.
    Level,
    /// The inference node of that place is ahead, which may be the luck of the draws.
    Ahead(usize),
    /// A number.
    Number(f64),
    /// There is no such value here.
    Nothing,
}

/// Cells of one colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Style class of its colour.
    pub css: String,
    /// Marker that says the same as the colour, where it stands for a node.
    pub marker: Option<usize>,
    /// What it is, in words.
    pub label: String,
    /// Cells done that are of it.
    pub cells: usize,
}

/// A map's cells by class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Painted {
    /// The classes, those of numbers from the smallest up.
    pub classes: Vec<Class>,
    /// Class of each place in the grid's order; for one that is not done yet, its stand-in's.
    pub at: Vec<Option<usize>>,
}

/// Style class of a node's colour where its lead may be chance.
pub const FAINT: &str = "faint";
/// A cell names who earns most where that is so sure, over the draws on these prompts.
const SURE: f64 = 0.95;

/// Steps of the colour ramp on each side of 0; each has a style class.
const RAMP: i64 = 7;

/// What a cell shows; `node` is the id for [`Shows::Node`].
#[must_use]
pub fn shown(map: &Map, cell: &Cell, shows: Shows, node: &str) -> Shown {
    let number = |value: Option<f64>| value.map_or(Shown::Nothing, Shown::Number);
    match shows {
        Shows::Winner => winner(cell),
        Shows::Losers if cell.item.fault.is_some() => Shown::Nothing,
        Shows::Losers => Shown::Number(losers(cell) as f64),
        Shows::Flips => number(map.own().and_then(|own| flips(own, cell)).map(|flips| flips as f64)),
        Shows::Node => number(mean_of(cell, node)),
        Shows::Pearson => number(cell.item.pearson),
        Shows::Kendall => number(cell.item.kendall),
        Shows::Gain => number(best_gain(cell).map(|(_, gain)| gain)),
    }
}

/// Mean rewards of the inference nodes that were paid, with their places in the roster.
pub fn inference_means(cell: &Cell) -> impl Iterator<Item = (usize, f64)> + '_ {
    let means = cell.item.means.iter().take(cell.roster.inference.len());
    means.enumerate().filter_map(|(at, mean)| mean.map(|mean| (at, mean)))
}

fn winner(cell: &Cell) -> Shown {
    let mut best: Option<(usize, f64)> = None;
    let mut is_level = true;
    for (at, mean) in inference_means(cell) {
        if best.is_some_and(|(_, most)| most != mean) {
            is_level = false;
        }
        if best.is_none_or(|(_, most)| mean > most) {
            best = Some((at, mean));
        }
    }
    match best {
        None => Shown::Nothing,
        Some(_) if is_level && inference_means(cell).count() > 1 => Shown::Level,
        // A run that is not repeated, as the past decides its path, has no chance to tell.
        Some((at, _)) if cell.item.chance.is_some_and(|chance| chance < SURE) => Shown::Ahead(at),
        Some((at, _)) => Shown::Winner(at),
    }
}

/// Nodes of both roles with a mean reward below 0.
#[must_use]
pub fn losers(cell: &Cell) -> usize {
    cell.item.means.iter().flatten().filter(|&&mean| mean < 0.0).count()
}

/// Pairs of inference nodes that stand the other way round in `cell` than in `own`: Kendall's distance of the two
/// rankings, over the nodes that are in both.
#[must_use]
pub fn flips(own: &Cell, cell: &Cell) -> Option<usize> {
    let means: Vec<(f64, f64)> = inference_means(own)
        .filter_map(|(at, mean)| Some((mean, mean_of(cell, &own.roster.inference[at].0)?)))
        .collect();
    let pairs = means.iter().enumerate().flat_map(|(at, &a)| means[..at].iter().map(move |&b| (a, b)));
    (!means.is_empty()).then(|| pairs.filter(|(a, b)| (a.0 - b.0) * (a.1 - b.1) < 0.0).count())
}

/// The mean reward of the node of that id.
#[must_use]
pub fn mean_of(cell: &Cell, id: &str) -> Option<f64> {
    let nodes = cell.roster.inference.iter().chain(&cell.roster.evaluators);
    nodes.zip(&cell.item.means).find(|((node, _), _)| node == id).and_then(|(_, mean)| *mean)
}

/// The attacker that gains most, by its place in the roster, and its gain.
#[must_use]
pub fn best_gain(cell: &Cell) -> Option<(usize, f64)> {
    let gains = cell.item.gains.iter().filter_map(|&(at, gain)| Some((at as usize, gain?)));
    gains.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Sorts the cells of a map into classes.
#[must_use]
pub fn paint(map: &Map, summary: &Summary, shows: Shows, node: &str) -> Painted {
    let values: Vec<Option<Shown>> =
        map.places().map(|place| map.cell(place).map(|cell| shown(map, cell, shows, node))).collect();
    let (mut classes, class_of) =
        if shows == Shows::Winner { by_winner(map, summary, &values) } else { by_number(shows, &values) };
    let nothing = classes.len();
    classes.push(Class { css: "nothing".to_owned(), marker: None, label: "no such value".to_owned(), cells: 0 });
    let mut own: Vec<Option<usize>> = Vec::with_capacity(values.len());
    for class in class_of {
        let class = class.map(|class| class.unwrap_or(nothing));
        if let Some(class) = class {
            classes[class].cells += 1;
        }
        own.push(class);
    }
    let up = map.size().1;
    let at = map.places().map(|place| map.stand_in(place).and_then(|(x, y)| own[x * up + y])).collect();
    Painted { classes, at }
}

/// By cell: none if it is not done, else its class, if it has one.
type ClassOf = Vec<Option<Option<usize>>>;

fn by_winner(map: &Map, summary: &Summary, values: &[Option<Shown>]) -> (Vec<Class>, ClassOf) {
    let nodes = || summary.inference.iter().enumerate();
    let css = |index: usize| format!("c{}", index % crate::plot::CLASSES);
    let of_node = |css: String, index: usize, label: String| Class { css, marker: Some(index), label, cells: 0 };
    let mut classes: Vec<Class> =
        nodes().map(|(index, node)| of_node(css(index), index, summary.name_of(&node.id))).collect();
    let level = classes.len();
    classes.push(Class { css: "level".to_owned(), marker: None, label: "all the same".to_owned(), cells: 0 });
    classes.extend(nodes().map(|(index, node)| {
        let label = format!("{}, within chance", summary.name_of(&node.id));
        of_node(format!("{} {FAINT}", css(index)), index, label)
    }));
    let node_of = |place: Place, at: usize| {
        let model = map.cell(place).map(|cell| &cell.roster.inference[at].1);
        summary.inference.iter().position(|node| Some(&node.id) == model)
    };
    let class_of = map.places().zip(values).map(|(place, value)| {
        value.as_ref().map(|value| match value {
            Shown::Winner(at) => node_of(place, *at),
            Shown::Ahead(at) => node_of(place, *at).map(|node| level + 1 + node),
            Shown::Level => Some(level),
            Shown::Number(_) | Shown::Nothing => None,
        })
    });
    let class_of = class_of.collect();
    (classes, class_of)
}

fn by_number(shows: Shows, values: &[Option<Shown>]) -> (Vec<Class>, ClassOf) {
    let number = |value: &Shown| match value {
        Shown::Number(number) => Some(*number),
        Shown::Winner(_) | Shown::Ahead(_) | Shown::Level | Shown::Nothing => None,
    };
    let numbers = || values.iter().flatten().filter_map(number);
    let (low, high) = numbers().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), n| (low.min(n), high.max(n)));
    if low > high {
        return (Vec::new(), values.iter().map(|value| value.as_ref().map(|_| None)).collect());
    }
    let (step, decimals) = step(shows, low, high);
    let bin = |value: f64| ((value / step + 1e-9).floor()) as i64;
    let (first, mut last) = (bin(low), bin(high));
    // The largest value, if it stands on an edge, belongs to the class below.
    if !shows.is_count() && last > first && (high / step - last as f64).abs() < 1e-9 {
        last -= 1;
    }
    let farthest = (-first).max(last + 1);
    let class = |bin: i64| {
        // Steps away from 0, from 1 up.
        let (side, away) = if bin < 0 { ('n', -bin) } else { ('p', bin + 1) };
        let level =
            if farthest <= RAMP { away * RAMP / farthest } else { 1 + (away - 1) * (RAMP - 1) / (farthest - 1) };
        let label = if shows.is_count() && step == 1.0 {
            bin.to_string()
        } else if shows.is_count() {
            format!("{} to {}", bin * step as i64, (bin + 1) * step as i64 - 1)
        } else {
            format!("{} to {}", tick_text(bin as f64 * step, decimals), tick_text((bin + 1) as f64 * step, decimals))
        };
        Class { css: format!("{side}{}", level.clamp(1, RAMP)), marker: None, label, cells: 0 }
    };
    let classes = (first..=last).map(class).collect();
    let class_of = values
        .iter()
        .map(|value| value.as_ref().map(|value| number(value).map(|n| (bin(n).min(last) - first) as usize)))
        .collect();
    (classes, class_of)
}

/// The width of a class, 0 being an edge, and the decimals that tell edges apart.
fn step(shows: Shows, low: f64, high: f64) -> (f64, i32) {
    if shows.is_count() {
        let span = high - low + 1.0;
        return if span <= RAMP as f64 { (1.0, 0) } else { ((span / 5.0).ceil(), 0) };
    }
    let (ticks, decimals) = Scale::linear(low, high, 0.0, 1.0).ticks(6);
    match ticks[..] {
        [first, second, ..] => (second - first, decimals),
        _ => ((high - low).max(0.1), decimals.max(1)),
    }
}

/// A part of the map that is of one class, large enough for a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its class.
    pub class: usize,
    /// The cell farthest from its edge.
    pub place: Place,
    /// How many cells that one is from the edge, itself among them.
    pub depth: usize,
    /// First and last cell of its row around that cell.
    pub run: (usize, usize),
}

/// The regions of a map, each with the place for its label.
#[must_use]
pub fn regions(painted: &Painted, (across, up): Place) -> Vec<Region> {
    let class = |x: usize, y: usize| painted.at.get(x * up + y).copied().flatten();
    let depth = depths(painted, (across, up));
    let mut seen = vec![false; across * up];
    let mut regions = Vec::new();
    for start in 0..across * up {
        let Some(own) = class(start / up, start % up).filter(|_| !seen[start]) else { continue };
        let mut best = start;
        let mut stack = vec![start];
        seen[start] = true;
        while let Some(at) = stack.pop() {
            if depth[at] > depth[best] {
                best = at;
            }
            let (x, y) = (at / up, at % up);
            let mut visit = |x: usize, y: usize| {
                if class(x, y) == Some(own) && !std::mem::replace(&mut seen[x * up + y], true) {
                    stack.push(x * up + y);
                }
            };
            if x > 0 {
                visit(x - 1, y);
            }
            if x + 1 < across {
                visit(x + 1, y);
            }
            if y > 0 {
                visit(x, y - 1);
            }
            if y + 1 < up {
                visit(x, y + 1);
            }
        }
        let (x, y) = (best / up, best % up);
        let left = (0..x).rev().take_while(|&x| class(x, y) == Some(own)).last().unwrap_or(x);
        let right = (x + 1..across).take_while(|&x| class(x, y) == Some(own)).last().unwrap_or(x);
        regions.push(Region { class: own, place: (x, y), depth: depth[best], run: (left, right) });
    }
    regions
}

/// How many cells each is from the edge of its region (or of the map), itself among them, as a king walks.
fn depths(painted: &Painted, (across, up): Place) -> Vec<usize> {
    let mut depth = vec![0_usize; across * up];
    let at = |x: usize, y: usize| x * up + y;
    let step = |depth: &[usize], x: usize, y: usize, neighbours: [(isize, isize); 4]| {
        let own = painted.at.get(at(x, y)).copied().flatten();
        let nearest = neighbours.iter().map(|&(dx, dy)| match (x.checked_add_signed(dx), y.checked_add_signed(dy)) {
            (Some(nx), Some(ny)) if nx < across && ny < up && painted.at[at(nx, ny)] == painted.at[at(x, y)] => {
                depth[at(nx, ny)] + 1
            }
            _ => 1,
        });
        if own.is_none() { 0 } else { nearest.min().unwrap_or(1) }
    };
    for x in 0..across {
        for y in 0..up {
            depth[at(x, y)] = step(&depth, x, y, [(-1, -1), (-1, 0), (-1, 1), (0, -1)]);
        }
    }
    for x in (0..across).rev() {
        for y in (0..up).rev() {
            let back = step(&depth, x, y, [(1, 1), (1, 0), (1, -1), (0, 1)]);
            depth[at(x, y)] = depth[at(x, y)].min(back);
        }
    }
    depth
}

/// Where the present scenario stands on the axes, in cells from 0: between two where its value is between theirs. None
/// where it is beyond an end, or is no value of the axis.
#[must_use]
pub fn position(map: &Map, scenario: &Scenario) -> Option<(f64, f64)> {
    let [x, y] = map.axes();
    Some((along(x, scenario)?, along(y, scenario)?))
}

fn along(axis: &poq_core::sweep::Axis, scenario: &Scenario) -> Option<f64> {
    let own = crate::fields::get(scenario, &axis.path);
    if let Some(at) = axis.values.iter().position(|value| *value == own) {
        return Some(at as f64);
    }
    let own = own.as_f64()?;
    let values: Option<Vec<f64>> = axis.values.iter().map(serde_json::Value::as_f64).collect();
    let values = values?;
    if let Some(at) = values.iter().position(|&value| value == own) {
        return Some(at as f64);
    }
    values
        .windows(2)
        .position(|pair| (pair[0] - own) * (pair[1] - own) < 0.0)
        .map(|at| at as f64 + (own - values[at]) / (values[at + 1] - values[at]))
}

/// What a number shown is, in words.
#[must_use]
pub fn number_words(shows: Shows, value: f64) -> String {
    if shows.is_count() { format::count(value as u64) } else { format::number(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::map::tests::{ALPHA, BETA, map};

    fn summary() -> Summary {
        Summary::of(&fixture::dataset())
    }

    /// The label at each place, a row of the second axis at a time.
    fn labels(map: &Map, shows: Shows, node: &str) -> Vec<Vec<String>> {
        let painted = paint(map, &summary(), shows, node);
        let (across, up) = map.size();
        let label = |x: usize, y: usize| painted.classes[painted.at[x * up + y].expect("done")].label.clone();
        (0..up).map(|y| (0..across).map(|x| label(x, y)).collect()).collect()
    }

    #[test]
    fn who_earns_most_changes_with_the_weights() {
        let labels = labels(&map("{}", ALPHA, BETA, 99), Shows::Winner, "");
        // No weight at all pays all nodes the same; without a cost the better node wins, with one the quicker.
        assert_eq!(labels[0][0], "all the same");
        assert_eq!(labels[0][4], "Slow node");
        assert_eq!(labels[2][1], "Quick node");
    }

    #[test]
    fn counts_have_a_class_each_and_labels_that_are_whole() {
        let map = map("{}", ALPHA, BETA, 99);
        let labels = labels(&map, Shows::Losers, "");
        for (y, row) in labels.iter().enumerate() {
            for (x, label) in row.iter().enumerate() {
                assert_eq!(*label, losers(map.cell((x, y)).expect("done")).to_string());
            }
        }
    }

    #[test]
    fn every_number_lies_in_its_class_and_zero_is_an_edge() {
        let map = map("{}", ALPHA, BETA, 99);
        for (shows, node) in [(Shows::Node, "slow"), (Shows::Node, "odd"), (Shows::Pearson, ""), (Shows::Kendall, "")] {
            let painted = paint(&map, &summary(), shows, node);
            for (at, place) in map.places().enumerate() {
                let class = &painted.classes[painted.at[at].expect("done")];
                match shown(&map, map.cell(place).expect("done"), shows, node) {
                    Shown::Number(value) => {
                        let (low, high) = class.label.split_once(" to ").expect("a range");
                        let edge = |text: &str| text.replace('−', "-").parse::<f64>().expect("a number");
                        assert!(edge(low) - 1e-9 <= value && value <= edge(high) + 1e-9, "{value} in {}", class.label);
                        assert_eq!(class.css.starts_with('n'), edge(high) <= 0.0, "{}", class.label);
                    }
                    other => assert_eq!((class.css.as_str(), other), ("nothing", Shown::Nothing)),
                }
            }
            assert_eq!(painted.classes.iter().map(|class| class.cells).sum::<usize>(), 15);
        }
    }

    #[test]
    fn the_ranking_of_the_scenario_itself_has_no_flip() {
        let map = map("{}", ALPHA, BETA, 99);
        let own = map.own().expect("done");
        assert_eq!(flips(own, own), Some(0));
        // The default has Quick node first; without a cost Slow node is.
        assert_eq!(flips(own, map.cell((4, 0)).expect("done")), Some(1));
        assert_eq!(flips(own, map.cell((2, 1)).expect("done")), Some(0));
    }

    #[test]
    fn the_largest_gain_is_shown_and_none_without_attacks() {
        assert_eq!(labels(&map("{}", ALPHA, BETA, 99), Shows::Gain, "")[0][0], "no such value");
        let attacked = map(r#"{"attacks": [{"nodes": {"share": 1}, "kind": "noise", "sd": 3}]}"#, ALPHA, BETA, 99);
        let cell = attacked.cell((2, 1)).expect("done");
        let most = cell.item.gains.iter().filter_map(|&(_, gain)| gain).fold(f64::NEG_INFINITY, f64::max);
        assert_eq!(best_gain(cell).map(|(_, gain)| gain), Some(most));
        assert_eq!(cell.item.gains.len(), 3);
    }

    #[test]
    fn a_label_stands_where_its_region_is_widest() {
        // Classes 0 and 1 in a map of 5 by 3: a block of 3 by 3, then 2 columns.
        let painted =
            Painted { classes: Vec::new(), at: [[0; 9].as_slice(), &[1; 6]].concat().into_iter().map(Some).collect() };
        let regions = regions(&painted, (5, 3));
        assert_eq!(regions.len(), 2);
        assert_eq!(regions[0], Region { class: 0, place: (1, 1), depth: 2, run: (0, 2) });
        assert_eq!((regions[1].class, regions[1].depth, regions[1].run), (1, 1, (3, 4)));
    }

    #[test]
    fn the_present_scenario_stands_between_the_cells() {
        let map = map("{}", ALPHA, "consensus.rule=mean,median", 0);
        let moved = Scenario::default().with("reward.alpha_inference", "0.25").expect("valid");
        assert_eq!(position(&map, &moved), Some((0.5, 0.0)));
        assert_eq!(position(&map, &Scenario::default()), Some((2.0, 0.0)));
        let beyond = Scenario::default().with("reward.alpha_inference", "3").expect("valid");
        assert_eq!(position(&map, &beyond), None);
        let other = Scenario::default().with("consensus.rule", "yuma").expect("valid");
        assert_eq!(position(&map, &other), None);
    }
}
