//! Leftovers as rows.

use super::column::{Column, Style, cuttable};
use super::ns;
use crate::model::orphan::Orphan;

/// All that `--columns` can name.
pub const COLUMNS: [Column<Orphan>; 3] = [
    cuttable("kind", "KIND", |orphan, _| orphan.kind.name().to_owned()),
    cuttable("object", "OBJECT", |orphan, _| orphan.object.to_string()),
    cuttable("because", "BECAUSE", because),
];

/// Holders that a table tells one by one.
const FEW: usize = 2;

/// What is shown unless something else is asked for.
pub const DEFAULT: [&str; 3] = ["kind", "object", "because"];

/// A mount is there again in each mount namespace that was copied since.
fn because(orphan: &Orphan, style: Style) -> String {
    let mut holders: Vec<String> = orphan.held_by.iter().map(ns::holder).collect();
    let more = holders.len().saturating_sub(FEW);
    if !style.whole && more > 0 {
        holders.truncate(FEW);
        holders.push(format!("{more} more"));
    }
    if holders.is_empty() {
        orphan.because.to_string()
    } else {
        format!("{}; held by {}", orphan.because, holders.join(", "))
    }
}
