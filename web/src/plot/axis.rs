//! Axes: ticks, grid lines, titles.

use yew::prelude::*;

use super::scale::{Scale, tick_text};
use super::{px, text_width};

/// What every drawing leaves free right of its frame, at least.
const MARGIN: f64 = 12.0;

/// The frame of a drawing: the coordinates of its inner edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Left edge.
    pub left: f64,
    /// Top edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Bottom edge.
    pub bottom: f64,
}

/// Between two ticks' texts, at least.
const GAP: f64 = 7.0;
/// Between the middles of two ticks' texts above one another, at least.
const LINE: f64 = 13.0;

/// A tick: its value's coordinate, the middle of its text, its text.
type Tick = (f64, f64, String);

/// Up to `wanted` ticks whose texts keep apart and end before `end`: fewer where numbers are wide, down to the first
/// alone.
fn fitting(scale: &Scale, wanted: usize, end: f64) -> Vec<Tick> {
    let of = |wanted: usize| {
        let (ticks, decimals) = scale.ticks(wanted);
        let tick = |value: f64| {
            let (x, text) = (scale.at(value), tick_text(value, decimals));
            // A wide number at an end stays within the drawing.
            let half = text_width(&text) / 2.0;
            (x, x.min(end - half).max(half), text)
        };
        ticks.into_iter().map(tick).collect::<Vec<_>>()
    };
    let keep_apart = |ticks: &Vec<Tick>| !ticks.is_empty() && ticks.windows(2).all(|pair| apart(&pair[0], &pair[1]));
    (1..=wanted.max(2)).rev().map(of).find(keep_apart).unwrap_or_else(|| {
        let mut kept: Vec<Tick> = Vec::new();
        for tick in of(2) {
            if kept.last().is_none_or(|last| apart(last, &tick)) {
                kept.push(tick);
            }
        }
        kept
    })
}

fn apart((_, a, first): &Tick, (_, b, second): &Tick) -> bool {
    (b - a).abs() >= (text_width(first) + text_width(second)) / 2.0 + GAP
}

/// A horizontal axis under the frame, with grid lines through it.
pub fn below(frame: Frame, scale: &Scale, wanted: usize, title: &str) -> Html {
    let lines = fitting(scale, wanted, frame.right + MARGIN).into_iter().map(|(x, text_x, text)| {
        html! {
            <g>
                <line class="grid" x1={px(x)} x2={px(x)} y1={px(frame.top)} y2={px(frame.bottom)} />
                <text class="tick" x={px(text_x)} y={px(frame.bottom + 16.0)} text-anchor="middle">{ text }</text>
            </g>
        }
    });
    let middle = (frame.left + frame.right) / 2.0;
    html! {
        <g aria-hidden="true">
            { for lines }
            <text class="axis-title" x={px(middle)} y={px(frame.bottom + 34.0)} text-anchor="middle">{ title.to_owned() }</text>
        </g>
    }
}

/// A vertical axis left of the frame, with grid lines through it; its title stands above it.
pub fn beside(frame: Frame, scale: &Scale, wanted: usize, title: &str) -> Html {
    let room = ((frame.bottom - frame.top) / LINE) as usize;
    let (ticks, decimals) = scale.ticks(wanted.min(room));
    let lines = ticks.iter().map(|&tick| {
        let y = scale.at(tick);
        html! {
            <g>
                <line class="grid" x1={px(frame.left)} x2={px(frame.right)} y1={px(y)} y2={px(y)} />
                <text class="tick" x={px(frame.left - 6.0)} y={px(y + 4.0)} text-anchor="end">
                    { tick_text(tick, decimals) }
                </text>
            </g>
        }
    });
    html! {
        <g aria-hidden="true">
            { for lines }
            <text class="axis-title" x="0" y={px(frame.top - 10.0)}>{ title.to_owned() }</text>
        </g>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_ticks_keep_apart_and_within_the_drawing() {
        let ranges =
            [(-1e-4, 3e-4), (-0.0123, 0.0456), (0.0, 1e9), (-3e6, 2e6), (99.99, 100.01), (0.0, 1e-12), (-5.0, 1.0)];
        let (mut axes, mut fewer) = (0, 0);
        for (low, high) in ranges {
            for width in [40.0, 120.0, 200.0, 420.0, 1100.0] {
                for wanted in [0, 2, 10, 40] {
                    let scales = [Scale::linear(low, high, 0.0, width), Scale::log(low.max(1e-6), high, 0.0, width)];
                    for scale in scales {
                        let ticks = fitting(&scale, wanted, width + MARGIN);
                        axes += 1;
                        fewer += usize::from(ticks.len() < scale.ticks(wanted).0.len());
                        assert!(!ticks.is_empty(), "{scale:?}");
                        let ends = |(_, x, text): &Tick| [x - text_width(text) / 2.0, x + text_width(text) / 2.0];
                        for pair in ticks.windows(2) {
                            let ([_, end], [begin, _]) = (ends(&pair[0]), ends(&pair[1]));
                            assert!(end + GAP <= begin + 1e-9, "{pair:?} of {scale:?}");
                        }
                        let end = width + MARGIN + 1e-9;
                        for tick in ticks.iter().filter(|(.., text)| text_width(text) <= end) {
                            let [from, to] = ends(tick);
                            assert!(from >= -1e-9 && to <= end, "{tick:?} of {scale:?}");
                        }
                    }
                }
            }
        }
        assert!(fewer > 0 && fewer < axes, "{fewer} of {axes}");
    }
}
