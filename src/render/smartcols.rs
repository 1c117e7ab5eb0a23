//! Tables as the tools of util-linux print them: with a tree in a column, raw, or as JSON. See
//! scols-filter(5) and the `--raw` and `--json` of lsns(8), whose output is matched byte by byte.
//!
//! Where theirs would let something act on a terminal, or break its own format, ours does not:
//! texts from outside are [`Text`], escaped in each form.

mod json;
mod raw;
mod table;
mod tree;

use super::column::CellKind;
use crate::model::text::Text;

pub use json::{Json, json};
pub use raw::raw;
pub use table::table;

/// How the cells of a column are printed.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The heading, and in small letters the key in JSON.
    pub name: &'static str,
    /// A number is one in JSON.
    pub kind: CellKind,
    /// Cells stand to the right, whatever their kind is.
    pub right: bool,
    /// How wide it is at least once its cells are as wide as its heading.
    pub hint: usize,
    /// May lose its end when the terminal is too narrow.
    pub cuttable: bool,
    /// Rows are drawn as a tree in it.
    pub tree: bool,
}

/// What stands in one place of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// There is no value: an empty cell, null in JSON.
    Absent,
    /// As it is; in JSON a number.
    Number(u64),
    /// Escaped when it is written.
    Text(Text),
    /// One line each where lines may be wrapped.
    Lines(Vec<Text>),
}

/// One line, or several where a cell is wrapped.
#[derive(Clone, Debug)]
pub struct Row {
    /// One for each column.
    pub cells: Vec<Cell>,
    /// The row that this one hangs under: an earlier one.
    pub parent: Option<usize>,
}

/// A table before it has a form.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// What the rows are called in JSON.
    pub name: &'static str,
    /// In the order in which they are shown.
    pub columns: Vec<Column>,
    /// A parent before its children.
    pub rows: Vec<Row>,
}

impl Sheet {
    /// Without a column to draw it in there is no tree.
    fn is_tree(&self) -> bool {
        self.columns.iter().any(|column| column.tree)
    }
}

/// How a table is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The names of the columns stand above them.
    pub headings: bool,
    /// Columns of the terminal; `None`: nothing is cut.
    pub width: Option<usize>,
    /// Cells of several lines, instead of one joined by commas.
    pub wrap: bool,
    /// Without it trees are drawn with what ASCII has, and all else is escaped.
    pub utf8: bool,
}

/// The lines of a cell joined to one.
fn joined(lines: &[Text], by: &str) -> Text {
    let lines: Vec<&[u8]> = lines.iter().map(Text::as_bytes).collect();
    Text::from(lines.join(by.as_bytes()))
}

#[cfg(test)]
mod tests;
