//! A list in whichever form was asked for.

use super::args::{Format, Output};
use super::context::Context;
use super::error::{Failure, Kind};
use crate::collect::host::collect_host;
use crate::model::gap::Gap;
use crate::render::column::{self, Column};
use crate::render::{json, table};
use crate::sys::root::SysRoot;
use serde::Serialize;

/// Rows, and how they are shown.
#[derive(Debug)]
pub struct List<'a, T> {
    pub rows: &'a [T],
    pub columns: &'a [Column<T>],
    /// Shown unless others are asked for.
    pub default: &'a [&'a str],
    /// Name and version of the JSON form.
    pub schema: &'static str,
    /// What `-o name` prints.
    pub names: fn(&[T]) -> String,
    pub gaps: &'a [Gap],
}

impl<T> List<'_, T> {
    /// `json` is what a row is in JSON.
    pub fn print<'r, J: Serialize>(
        &'r self,
        context: &Context,
        output: &Output,
        root: &SysRoot,
        json: impl Fn(&'r T) -> J,
    ) -> Result<String, Failure> {
        let layout = output.layout(context);
        let internal = |error| Failure::new(Kind::Internal, format!("cannot write JSON: {error}"));
        let columns = column::choose(self.columns, self.default, output.columns.as_deref())
            .map_err(Failure::usage)?;
        Ok(match output.format() {
            Format::Table | Format::Wide => table::table(self.rows, &columns, layout),
            Format::Tsv => table::tsv(self.rows, &columns, layout.headings, layout.style),
            Format::Name => (self.names)(self.rows),
            Format::Jsonl => {
                let lines = self.rows.iter().map(|row| json::line(&json(row)));
                lines.collect::<Result<_, _>>().map_err(internal)?
            }
            Format::Json => {
                let host = &collect_host(root);
                let data: Vec<_> = self.rows.iter().map(json).collect();
                json::line(&json::Envelope { schema: self.schema, host, data, gaps: self.gaps })
                    .map_err(internal)?
            }
        })
    }
}
