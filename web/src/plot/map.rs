//! A map: cells in the colours of their classes, the edges between them, labels, and where the present scenario stands.

use yew::prelude::*;

use super::axis::{self, Frame};
use super::figure::Drawing;
use super::scale::Scale;
use super::{cut, marks, px, text_width};
use crate::map::paint::{Class, Painted, Region, Shows, regions};
use crate::map::{Map, Place, words};

/// What of a drawing depends on the cells alone: it stays while a pointer goes over them.
#[derive(Clone, Debug, PartialEq)]
pub struct Ground {
    painted: Painted,
    /// A path for each class, in cells.
    areas: Vec<String>,
    /// The line between winners, or between numbers below 0 and above.
    border: String,
    regions: Vec<Region>,
    size: Place,
}

impl Ground {
    /// Of the cells that are done.
    #[must_use]
    pub fn new(painted: Painted, size: Place) -> Self {
        let regions = if painted.classes.iter().any(|class| class.marker.is_some()) {
            regions(&painted, size)
        } else {
            Vec::new()
        };
        Self { areas: areas(&painted, size), border: border(&painted, size), regions, painted, size }
    }

    /// The cells by class.
    #[must_use]
    pub fn painted(&self) -> &Painted {
        &self.painted
    }
}

/// For each class the path of its cells, those side by side as one.
fn areas(painted: &Painted, (across, up): Place) -> Vec<String> {
    let mut paths = vec![String::new(); painted.classes.len()];
    for y in 0..up {
        let mut start = 0;
        for x in 1..=across {
            let class = painted.at[start * up + y];
            if x < across && painted.at[x * up + y] == class {
                continue;
            }
            if let Some(class) = class {
                paths[class].push_str(&format!("M{start} {y}h{}v1h-{0}z", x - start));
            }
            start = x;
        }
    }
    paths
}

/// The edges between cells on two sides of something: two nodes that earn most, or 0.
fn border(painted: &Painted, (across, up): Place) -> String {
    let side = |x: usize, y: usize| {
        let class = painted.at[x * up + y]?;
        let css = &painted.classes[class].css;
        Some(if painted.classes[class].marker.is_some() { class + 2 } else { usize::from(css.starts_with('n')) })
    };
    let differ = |a: Option<usize>, b: Option<usize>| a.zip(b).is_some_and(|(a, b)| a != b);
    let mut path = String::new();
    for x in 0..across {
        for y in 0..up {
            if x + 1 < across && differ(side(x, y), side(x + 1, y)) {
                path.push_str(&format!("M{} {y}v1", x + 1));
            }
            if y + 1 < up && differ(side(x, y), side(x, y + 1)) {
                path.push_str(&format!("M{x} {}h1", y + 1));
            }
        }
    }
    path
}

/// What stands on the ground.
pub struct Over {
    /// Where the present scenario is, in cells.
    pub now: Option<(f64, f64)>,
    /// The cell in question, and what it shows.
    pub cursor: Place,
    /// That in words.
    pub words: String,
    /// Keys on that cell.
    pub on_key: Callback<KeyboardEvent>,
    /// The pointer is over a cell.
    pub on_hover: Callback<Place>,
    /// A cell is chosen.
    pub on_open: Callback<Place>,
}

/// Height of a line of the legend.
const LINE: f64 = 20.0;

/// The drawing.
#[must_use]
pub fn draw(map: &Map, ground: &Ground, over: &Over, shows: Shows, title: &str, width: f64) -> Drawing {
    let [x_axis, y_axis] = map.axes();
    let (across, up) = ground.size;
    let row_names: Vec<String> = y_axis.values.iter().map(words::value).collect();
    let left = row_names.iter().map(|name| text_width(name)).fold(24.0, f64::max).min(0.3 * width) + 10.0;
    let side = (width - left - 14.0).max(60.0);
    let height = (0.75 * side).clamp(180.0, 480.0);
    let frame = Frame { left, top: 30.0, right: left + side, bottom: 30.0 + height };
    let (cell_width, cell_height) = (side / across as f64, height / up as f64);
    let at = |(x, y): (f64, f64)| (frame.left + (x + 0.5) * cell_width, frame.bottom - (y + 0.5) * cell_height);
    let to_ground = format!("translate({} {}) scale({cell_width} {})", px(frame.left), px(frame.bottom), -cell_height);
    let classes = &ground.painted.classes;
    let (legend, legend_height) = legend(classes, title, frame, width);
    let content = html! {
        <>
            <g transform={to_ground.clone()} class="ground">
                { for classes.iter().zip(&ground.areas).filter(|(_, path)| !path.is_empty()).map(|(class, path)| html! {
                    <path key={class.css.clone() + &class.label} class={classes!("area", class.css.clone())} d={path.clone()} />
                }) }
                <path key="border" class="border" d={ground.border.clone()} />
            </g>
            { below(frame, &x_axis.path, &x_axis.values, cell_width) }
            { beside(frame, &y_axis.path, &y_axis.values, &row_names, cell_height) }
            <g aria-hidden="true">
                { for ground.regions.iter().filter_map(|region| region_label(region, classes, frame, (cell_width, cell_height))) }
            </g>
            { over.now.map(|now| here(at(now), frame)) }
            { top(over, frame, ground.size, (cell_width, cell_height)) }
            { legend }
        </>
    };
    let description = format!(
        "{}: {} by {} cells, {} across and {} up. Arrow keys go from cell to cell, Enter opens one.",
        shows.measure(),
        across,
        up,
        words::field(&x_axis.path).0,
        words::field(&y_axis.path).0
    );
    Drawing { height: frame.bottom + 44.0 + legend_height, content, description }
}

/// The field's name and unit, and its path where there is room.
fn axis_title(path: &str, width: f64) -> String {
    let (name, unit) = words::field(path);
    let short = if unit.is_empty() { name.clone() } else { format!("{name}, {unit}") };
    let long = format!("{short} ({path})");
    if name != path && text_width(&long) <= width { long } else { cut(&short, width) }
}

fn numbers(values: &[serde_json::Value]) -> Option<Vec<f64>> {
    let numbers: Vec<f64> = values.iter().filter_map(serde_json::Value::as_f64).collect();
    (numbers.len() == values.len() && numbers.len() > 1 && is_even(&numbers)).then_some(numbers)
}

fn is_even(numbers: &[f64]) -> bool {
    let step = numbers[1] - numbers[0];
    step != 0.0 && numbers.windows(2).all(|pair| ((pair[1] - pair[0]) / step - 1.0).abs() < 1e-6)
}

/// The scale of an axis: its first value in the middle of the first cell, its last in that of the last.
fn scale(numbers: &[f64], from: f64, to: f64) -> Scale {
    let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
    let scale = if first < last { Scale::linear(first, last, from, to) } else { Scale::linear(last, first, to, from) };
    if numbers.iter().all(|number| number.fract() == 0.0) { scale.whole() } else { scale }
}

fn below(frame: Frame, path: &str, values: &[serde_json::Value], cell: f64) -> Html {
    let title = axis_title(path, frame.right - frame.left);
    if let Some(numbers) = numbers(values) {
        let scale = scale(&numbers, frame.left + cell / 2.0, frame.right - cell / 2.0);
        return axis::below(
            Frame { top: frame.bottom, ..frame },
            &scale,
            ((frame.right - frame.left) / 60.0) as usize,
            &title,
        );
    }
    let every = (40.0 / cell).ceil().max(1.0) as usize;
    let middle = (frame.left + frame.right) / 2.0;
    html! {
        <g aria-hidden="true">
            { for values.iter().enumerate().step_by(every).map(|(at, value)| html! {
                <text class="tick" x={px(frame.left + (at as f64 + 0.5) * cell)} y={px(frame.bottom + 16.0)} text-anchor="middle">
                    { cut(&words::value(value), cell * every as f64 - 4.0) }
                </text>
            }) }
            <text class="axis-title" x={px(middle)} y={px(frame.bottom + 34.0)} text-anchor="middle">{ title }</text>
        </g>
    }
}

fn beside(frame: Frame, path: &str, values: &[serde_json::Value], names: &[String], cell: f64) -> Html {
    let title = axis_title(path, frame.right);
    if let Some(numbers) = numbers(values) {
        let scale = scale(&numbers, frame.bottom - cell / 2.0, frame.top + cell / 2.0);
        return axis::beside(
            Frame { right: frame.left, ..frame },
            &scale,
            ((frame.bottom - frame.top) / 40.0) as usize,
            &title,
        );
    }
    let every = (16.0 / cell).ceil().max(1.0) as usize;
    html! {
        <g aria-hidden="true">
            { for names.iter().enumerate().step_by(every).map(|(at, name)| html! {
                <text class="tick" x={px(frame.left - 6.0)} y={px(frame.bottom - (at as f64 + 0.5) * cell + 4.0)} text-anchor="end">
                    { cut(name, frame.left - 8.0) }
                </text>
            }) }
            <text class="axis-title" x="0" y={px(frame.top - 12.0)}>{ title }</text>
        </g>
    }
}

/// A region's marker, with its name where there is room.
fn region_label(region: &Region, classes: &[Class], frame: Frame, (width, height): (f64, f64)) -> Option<Html> {
    let class = &classes[region.class];
    let marker = class.marker?;
    let deep = (2 * region.depth - 1) as f64;
    if deep * width < 16.0 || deep * height < 16.0 {
        return None;
    }
    let run = ((region.run.1 + 1 - region.run.0) as f64) * width;
    let y = frame.bottom - (region.place.1 as f64 + 0.5) * height;
    let name_width = text_width(&class.label);
    let is_named = run >= name_width + 34.0;
    let x = if is_named {
        frame.left + (region.run.0 + region.run.1 + 1) as f64 / 2.0 * width - name_width / 2.0
    } else {
        frame.left + (region.place.0 as f64 + 0.5) * width
    };
    Some(html! {
        <g>
            <path class={classes!("mark", "on-area", format!("c{}", marker % super::CLASSES))} d={marks::path(marker, 6.0)}
                transform={format!("translate({},{})", px(x), px(y))} />
            if is_named {
                <text class="name halo" x={px(x + 12.0)} y={px(y + 4.0)}>{ class.label.clone() }</text>
            }
        </g>
    })
}

/// Where the present scenario stands.
fn here((x, y): (f64, f64), frame: Frame) -> Html {
    let is_right = x + 40.0 < frame.right;
    html! {
        <g aria-hidden="true">
            <circle class="here-halo" cx={px(x)} cy={px(y)} r="6" />
            <circle class="here" cx={px(x)} cy={px(y)} r="6" />
            <text class="name halo" x={px(if is_right { x + 10.0 } else { x - 10.0 })} y={px(y - 7.0)}
                text-anchor={if is_right { "start" } else { "end" }}>{ "now" }</text>
        </g>
    }
}

/// What the pointer and the keys meet: the whole map, and the cell in question.
fn top(over: &Over, frame: Frame, (across, up): Place, (width, height): (f64, f64)) -> Html {
    let place = move |event: &MouseEvent| -> Option<Place> {
        let target: web_sys::Element = event.target_dyn_into()?;
        let bounds = target.get_bounding_client_rect();
        let part = |at: f64, size: f64, cells: usize| ((at / size.max(1.0) * cells as f64) as usize).min(cells - 1);
        let x = part(f64::from(event.client_x()) - bounds.left(), bounds.width(), across);
        let y = part(bounds.bottom() - f64::from(event.client_y()), bounds.height(), up);
        Some((x, y))
    };
    let hover = over.on_hover.clone();
    let open = over.on_open.clone();
    let onmousemove = move |event: MouseEvent| {
        if let Some(place) = place(&event) {
            hover.emit(place);
        }
    };
    let onclick = move |event: MouseEvent| {
        if let Some(place) = place(&event) {
            open.emit(place);
        }
    };
    let (x, y) = over.cursor;
    html! {
        <>
            <rect class="point cursor" data-point="" tabindex="0" role="button" aria-label={over.words.clone()}
                x={px(frame.left + x as f64 * width)} y={px(frame.bottom - (y + 1) as f64 * height)}
                width={px(width)} height={px(height)} onkeydown={over.on_key.clone()} />
            <rect class="hit" data-map="" x={px(frame.left)} y={px(frame.top)} width={px(frame.right - frame.left)}
                height={px(frame.bottom - frame.top)} {onmousemove} {onclick} />
        </>
    }
}

/// The classes that are on the map, each with its colour and marker; and how high that is.
fn legend(classes: &[Class], title: &str, frame: Frame, width: f64) -> (Html, f64) {
    let mut at = (0.0, frame.bottom + 58.0);
    let lead = cut(title, width);
    let lead_width = text_width(&lead) + 14.0;
    let mut entries = vec![html! { <text class="quiet" x="0" y={px(at.1)}>{ lead }</text> }];
    at.0 = lead_width;
    for class in classes.iter().filter(|class| class.cells > 0) {
        let words = cut(&class.label, width - 24.0);
        let entry_width = 18.0 + text_width(&words) + 14.0;
        if at.0 + entry_width - 14.0 > width && at.0 > 0.0 {
            at = (0.0, at.1 + LINE);
        }
        let (x, y) = at;
        entries.push(html! {
            <g>
                <rect class={classes!("area", "swatch", class.css.clone())} x={px(x)} y={px(y - 10.0)} width="13" height="13" />
                if let Some(marker) = class.marker {
                    <path class={classes!("mark", "on-area", class.css.clone())} d={marks::path(marker, 4.0)}
                        transform={format!("translate({},{})", px(x + 6.5), px(y - 3.5))} />
                }
                <text x={px(x + 18.0)} y={px(y)}>{ words }</text>
            </g>
        });
        at.0 += entry_width;
    }
    (html! { <g>{ for entries }</g> }, at.1 - frame.bottom - 30.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(at: &[usize], markers: bool) -> Painted {
        let class = |index: usize| Class {
            css: if markers { format!("c{index}") } else { ["n1", "p1"][index].to_owned() },
            marker: markers.then_some(index),
            label: index.to_string(),
            cells: 1,
        };
        Painted { classes: vec![class(0), class(1)], at: at.iter().copied().map(Some).collect() }
    }

    #[test]
    fn cells_side_by_side_are_one_piece() {
        // Two columns of two, and one of another class.
        let painted = painted(&[0, 0, 0, 0, 1, 1], true);
        assert_eq!(areas(&painted, (3, 2)), ["M0 0h2v1h-2zM0 1h2v1h-2z", "M2 0h1v1h-1zM2 1h1v1h-1z"]);
        assert_eq!(border(&painted, (3, 2)), "M2 0v1M2 1v1");
    }

    #[test]
    fn zero_is_a_border_between_numbers() {
        assert_eq!(border(&painted(&[0, 1, 1, 1], false), (2, 2)), "M1 0v1M0 1h1");
    }

    #[test]
    fn uneven_numbers_are_named_cell_by_cell() {
        let values = |json: &str| serde_json::from_str::<Vec<serde_json::Value>>(json).expect("a list");
        assert!(numbers(&values("[0, 1, 2]")).is_some() && numbers(&values("[2, 1, 0]")).is_some());
        assert!(numbers(&values("[0, 1, 5]")).is_none() && numbers(&values("[3]")).is_none());
        assert!(numbers(&values(r#"["mean", "median"]"#)).is_none());
    }
}
