//! A small SVG plot module: scales, ticks, labels that keep apart, and the page's drawings.
//!
//! Each drawing is a function of data and width; [`figure`] frames it with its heading, its table and its exports.
//! Colour comes from classes (`c0` … `c7`, in `static/page/plot.css`), so that both colour schemes and the exported
//! file share the drawing; a marker's shape says the same as its colour.

pub mod audit;
pub mod axis;
pub mod density;
pub mod figure;
pub mod intervals;
pub mod labels;
pub mod map;
pub mod marks;
pub mod scale;
pub mod scatter;
pub mod series;

/// Distinct colours and marker shapes.
pub const CLASSES: usize = 8;

/// Width of a text in the plots' 12 px type: that of a wide face, so that what is laid out by it has room in any.
#[must_use]
pub fn text_width(text: &str) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '·' => 3.8,
        'f' | 'r' | 't' | '(' | ')' | '-' => 4.9,
        'm' | 'w' | 'M' | 'W' | '−' | '%' | '…' | '→' | '←' => 11.0,
        c if c.is_ascii_uppercase() => 8.3,
        _ => 7.3,
    };
    text.chars().map(of).sum()
}

/// A text cut to a width, with an ellipsis where it was cut.
#[must_use]
pub fn cut(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if text_width(&out) + text_width("…") > width {
            out.pop();
            break;
        }
    }
    format!("{}…", out.trim_end())
}

/// A coordinate as SVG writes it.
#[must_use]
pub fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_with_an_ellipsis() {
        assert_eq!(cut("short", 100.0), "short");
        let long = cut("SmolLM2 135M, sampled at temperature 1.0", 100.0);
        assert!(long.ends_with('…') && text_width(&long) <= 100.0, "{long}");
        assert_eq!((px(1.0), px(1.26)), ("1".to_owned(), "1.3".to_owned()));
    }
}
