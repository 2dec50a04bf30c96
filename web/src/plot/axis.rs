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

/// A horizontal axis under the frame, with grid lines through it.
pub fn below(frame: Frame, scale: &Scale, wanted: usize, title: &str) -> Html {
    let (ticks, decimals) = scale.ticks(wanted);
    let lines = ticks.iter().map(|&tick| {
        let x = scale.at(tick);
        let text = tick_text(tick, decimals);
        // A wide number at the right end stays within the drawing.
        let text_x = x.min(frame.right + MARGIN - text_width(&text) / 2.0);
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
    let (ticks, decimals) = scale.ticks(wanted);
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
