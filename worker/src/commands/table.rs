//! Tables for people.

use comfy_table::{CellAlignment, Table, presets};
use poq_core::stats::Interval;

/// A table without lines: words in the first `words` columns, numbers in the others.
pub fn table<H: Into<comfy_table::Row>>(header: H, words: usize, rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

pub fn number(value: Option<f64>) -> String {
    value.map_or("not defined".into(), |value| format!("{value:.3}"))
}

pub fn interval(value: Option<Interval>) -> String {
    value.map_or("none".into(), |[low, high]| format!("{low:.3} to {high:.3}"))
}
