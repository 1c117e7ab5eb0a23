//! Columns apart by one blank and nothing else: in a cell every blank, backslash and byte that is
//! not printable ASCII is `\xNN`.

use super::{Cell, Sheet, joined, tree};
use std::fmt::Write as _;

/// Nothing at all where there are no rows; `utf8` decides how a tree is drawn.
pub fn raw(sheet: &Sheet, headings: bool, utf8: bool) -> String {
    let mut text = String::new();
    if sheet.rows.is_empty() {
        return text;
    }
    if headings {
        let names: Vec<&str> = sheet.columns.iter().map(|column| column.name).collect();
        text.push_str(&names.join(" "));
        text.push('\n');
    }
    for placed in tree::place(sheet, utf8) {
        let cells = sheet.rows.get(placed.row).map(|row| row.cells.as_slice()).unwrap_or_default();
        for (at, (cell, column)) in cells.iter().zip(&sheet.columns).enumerate() {
            if at > 0 {
                text.push(' ');
            }
            if column.tree {
                escape(placed.before.as_bytes(), &mut text);
            }
            match cell {
                Cell::Absent => {}
                Cell::Number(number) => text.push_str(&number.to_string()),
                Cell::Text(own) => escape(own.as_bytes(), &mut text),
                Cell::Lines(lines) => escape(joined(lines, ",").as_bytes(), &mut text),
            }
        }
        text.push('\n');
    }
    text
}

fn escape(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        if byte.is_ascii_graphic() && *byte != b'\\' {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}
