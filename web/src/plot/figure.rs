//! The frame of a drawing: heading, width, keyboard, table, terms, and the SVG file.

use wasm_bindgen::prelude::*;
use web_sys::{Element, HtmlElement, ResizeObserver, ResizeObserverEntry};
use yew::prelude::*;

use crate::app::browser;
use crate::app::explain::Terms;

/// A drawing for a certain width.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// Its height in pixels.
    pub height: f64,
    /// What stands in the `<svg>`.
    pub content: Html,
    /// What it shows, in a sentence or two.
    pub description: String,
}

/// What a figure needs.
#[derive(Clone, Debug, PartialEq, Properties)]
pub struct FigureProps {
    /// Names its file and its elements.
    pub id: AttrValue,
    /// Its heading.
    pub heading: AttrValue,
    /// How to read it.
    pub caption: Html,
    /// Draws it.
    pub draw: Callback<f64, Drawing>,
    /// The same as a table.
    pub table: Html,
    /// Terms that it uses.
    pub terms: &'static [&'static str],
    /// Widest that the drawing gets.
    #[prop_or(1200.0)]
    pub max_width: f64,
    /// Whether the table is open from the start.
    #[prop_or_default]
    pub is_open: bool,
}

/// A drawing with all that belongs to it.
#[component]
pub fn Figure(props: &FigureProps) -> Html {
    let FigureProps { id, heading, caption, draw, table, terms, max_width, is_open } = props;
    let measure = use_node_ref();
    let svg = use_node_ref();
    let width = use_width(&measure).min(*max_width);
    let download = {
        let svg = svg.clone();
        let name = format!("poq-{id}.svg");
        move |_: MouseEvent| {
            if let Some(text) = svg.cast::<Element>().and_then(|svg| browser::serialize(&svg)) {
                browser::download(&name, "image/svg+xml", &standalone(&text));
            }
        }
    };
    {
        let svg = svg.clone();
        use_effect(move || {
            if let Some(svg) = svg.cast::<Element>() {
                keep_one_tab_stop(&svg);
            }
        });
    }
    // Nothing can be laid out before the width is known.
    let drawing = (width > 0.0).then(|| draw.emit(width));
    html! {
        <section class="figure" id={id.clone()} aria-labelledby={format!("{id}-heading")}>
            <header>
                <h2 id={format!("{id}-heading")}>{ heading.clone() }</h2>
                <button type="button" class="small" onclick={download} aria-label={format!("Save “{heading}” as SVG")}>
                    { "SVG" }
                </button>
            </header>
            <p class="caption">{ caption.clone() }</p>
            <div class="measure" ref={measure} />
            if let Some(Drawing { height, content, description }) = drawing {
                <svg ref={svg} class="plot" role="group" width={width.to_string()} height={height.ceil().to_string()}
                    viewBox={format!("0 0 {width} {}", height.ceil())} aria-labelledby={format!("{id}-title")}
                    aria-describedby={format!("{id}-desc")} onkeydown={Callback::from(step_through_points)}
                    onfocusin={Callback::from(remember_point)}>
                    <title id={format!("{id}-title")}>{ heading.clone() }</title>
                    <desc id={format!("{id}-desc")}>{ description }</desc>
                    { content }
                </svg>
            }
            <Terms ids={*terms} />
            <details class="table" open={*is_open}>
                <summary>{ "Table" }</summary>
                <div class="scroll" role="region" tabindex="0" aria-label={format!("Table: {heading}")}>{ table.clone() }</div>
            </details>
        </section>
    }
}

/// The width that the element has now.
#[hook]
fn use_width(node: &NodeRef) -> f64 {
    let width = use_state_eq(|| 0.0);
    let setter = width.setter();
    use_effect_with(node.clone(), move |node| {
        let observer = node.cast::<Element>().and_then(|element| {
            let on_resize = Closure::<dyn FnMut(js_sys::Array)>::new(move |entries: js_sys::Array| {
                if let Ok(entry) = entries.get(0).dyn_into::<ResizeObserverEntry>() {
                    setter.set(entry.content_rect().width().floor());
                }
            });
            let observer = ResizeObserver::new(on_resize.as_ref().unchecked_ref()).ok()?;
            observer.observe(&element);
            Some((observer, on_resize))
        });
        move || {
            if let Some((observer, _on_resize)) = observer {
                observer.disconnect();
            }
        }
    });
    *width
}

const POINT: &str = "[data-point]";

fn points(svg: &Element) -> Vec<HtmlElement> {
    let Ok(list) = svg.query_selector_all(POINT) else {
        return Vec::new();
    };
    // SVG elements have `focus` and `tabIndex` as HTML elements do.
    (0..list.length()).filter_map(|index| list.item(index)).map(JsCast::unchecked_into).collect()
}

/// The drawing in which an event happened, and where. (Yew listens at the root: the event's current target says
/// nothing.)
fn drawing_of(event: &Event) -> Option<(Element, Element)> {
    let target: Element = event.target()?.dyn_into().ok()?;
    let svg = target.closest("svg").ok()??;
    Some((svg, target))
}

/// The tab key comes to the drawing's first point, or to the one it came from.
fn keep_one_tab_stop(svg: &Element) {
    let points = points(svg);
    if let Some(first) = points.first().filter(|_| points.iter().all(|point| point.tab_index() < 0)) {
        first.set_tab_index(0);
    }
}

/// One tab stop a drawing: arrow keys go from point to point.
fn step_through_points(event: KeyboardEvent) {
    let step: i64 = match event.key().as_str() {
        "ArrowRight" | "ArrowDown" => 1,
        "ArrowLeft" | "ArrowUp" => -1,
        _ => return,
    };
    let Some((svg, target)) = drawing_of(&event) else { return };
    let points = points(&svg);
    let at = points.iter().position(|point| js_sys::Object::is(point, &target));
    let next = at.and_then(|at| points.get(usize::try_from(at as i64 + step).ok()?));
    if at.is_some() {
        event.prevent_default();
        // The arrow keys of the opened round are not meant.
        event.stop_propagation();
    }
    if let Some(next) = next {
        // Focus on an element of this page fails in no way that matters here.
        next.focus().unwrap_or_default();
    }
}

/// The point last in focus is where the tab key comes back to.
fn remember_point(event: FocusEvent) {
    let Some((svg, target)) = drawing_of(&event) else { return };
    let points = points(&svg);
    if !points.iter().any(|point| js_sys::Object::is(point, &target)) {
        return;
    }
    for point in points {
        point.set_tab_index(if js_sys::Object::is(&point, &target) { 0 } else { -1 });
    }
}

const STYLE: &str = include_str!("../../../static/page/plot.css");
const PALETTE: &str = include_str!("../../../static/page/palette.css");

/// A file that shows the drawing alone: with its style, in the light colours, on white.
#[must_use]
pub fn standalone(svg: &str) -> String {
    let mut style = STYLE.to_owned();
    for line in PALETTE.lines() {
        let Some((name, value)) = line.trim().split_once(':') else { continue };
        let value = value.trim().trim_end_matches(';');
        let light =
            value.strip_prefix("light-dark(").and_then(|pair| pair.split_once(',')).map_or(value, |(light, _)| light);
        style = style.replace(&format!("var({})", name.trim()), light.trim());
    }
    let background = r##"<rect width="100%" height="100%" fill="#fff"/>"##;
    match svg.split_once('>') {
        Some((open, rest)) => {
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{open}><style>{style}</style>{background}{rest}\n")
        }
        None => svg.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_needs_no_style_from_elsewhere() {
        let text = standalone("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\"><title>x</title></svg>");
        assert!(text.starts_with("<?xml") && text.contains("<style>") && text.trim_end().ends_with("</svg>"));
        assert!(!text.contains("var(") && !text.contains("light-dark"), "{text}");
    }
}
