//! Tables for people.

use comfy_table::{CellAlignment, Table, presets};
use poq_core::text::terminal::printable;

pub use crate::words::{figure, interval, number};

/// A table without lines: words in the first `words` columns, numbers in the others.
pub fn table<H: Into<comfy_table::Row>>(header: H, words: usize, rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    for row in rows {
        // Escaped before it is laid out, so that columns stay in line, and in one line each.
        table.add_row(row.iter().map(|cell| printable(cell).replace('\n', "\\u000a").replace('\t', "\\u0009")));
    }
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
