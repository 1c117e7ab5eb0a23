//! Leftovers as rows.

use super::column::{CellKind, Column, Style};
use crate::model::orphan::Orphan;

const fn column(
    key: &'static str,
    heading: &'static str,
    cell: fn(&Orphan, Style) -> String,
) -> Column<Orphan> {
    Column { key, heading, kind: CellKind::Text, cuttable: true, cell }
}

pub const COLUMNS: [Column<Orphan>; 3] = [
    column("kind", "KIND", |orphan, _| orphan.kind.name().to_owned()),
    column("object", "OBJECT", |orphan, _| orphan.object.to_string()),
    column("because", "BECAUSE", |orphan, _| orphan.because.to_string()),
];

pub const DEFAULT: [&str; 3] = ["kind", "object", "because"];
