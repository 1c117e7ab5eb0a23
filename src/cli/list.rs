//! A list in whichever form was asked for.

use super::args::{Format, Output};
use super::context::Context;
use super::error::Failure;
use super::output;
use crate::collect::host::collect_host;
use crate::model::gap::Gap;
use crate::render::column::{self, Column};
use crate::render::{json, table};
use crate::sys::root::SysRoot;
use serde::Serialize;

/// Rows, and how they are shown.
#[derive(Debug)]
pub struct List<'a, T, N> {
    /// In the order in which they are printed.
    pub rows: &'a [T],
    /// All that `--columns` may name.
    pub columns: &'a [Column<T>],
    /// Shown unless others are asked for.
    pub default: &'a [&'a str],
    /// Name and version of the JSON form.
    pub schema: &'static str,
    /// What `-o name` prints.
    pub names: N,
    /// What could not be seen; only the JSON document has it here.
    pub gaps: &'a [Gap],
}

impl<T, N: Fn(&[T]) -> String> List<'_, T, N> {
    /// To standard output; `json` is what a row is in JSON.
    pub fn print<'r, J: Serialize>(
        &'r self,
        context: &Context,
        wish: &Output,
        root: &SysRoot,
        json: impl Fn(&'r T) -> J,
    ) -> Result<(), Failure> {
        let layout = wish.layout(context);
        let columns = column::choose(self.columns, self.default, wish.columns.as_deref())
            .map_err(Failure::usage)?;
        let text = match wish.format() {
            Format::Table | Format::Wide => table::table(self.rows, &columns, layout),
            Format::Tsv => table::tsv(self.rows, &columns, layout.headings, layout.style),
            Format::Name => (self.names)(self.rows),
            Format::Jsonl => return output::write_json(self.rows.iter().map(json)),
            Format::Json => {
                let host = &collect_host(root);
                let data: Vec<_> = self.rows.iter().map(json).collect();
                let envelope = json::Envelope { schema: self.schema, host, data, gaps: self.gaps };
                return output::write_json([envelope]);
            }
        };
        output::write(&text)
    }
}
