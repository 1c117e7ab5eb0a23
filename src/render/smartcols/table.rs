//! Aligned columns, one blank between them.

use super::tree::{self, Placed};
use super::{Cell, Column, Layout, Row, Sheet, joined};
use std::fmt::Write as _;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A row's lines, column by column.
type Lines = Vec<Vec<String>>;

/// Without rows there is nothing to print, not even headings.
pub fn table(sheet: &Sheet, layout: Layout) -> String {
    if sheet.rows.is_empty() {
        return String::new();
    }
    let rows: Vec<Lines> = tree::place(sheet, layout.utf8)
        .iter()
        .filter_map(|placed| Some(lines(sheet, sheet.rows.get(placed.row)?, placed, layout)))
        .collect();
    let widths = widths(sheet, &rows, layout.width);
    let mut text = String::new();
    if layout.headings {
        let headings = sheet.columns.iter().map(|column| Some(column.name));
        write_line(&mut text, &sheet.columns, &widths, headings);
    }
    for row in &rows {
        for line in 0..row.iter().map(Vec::len).max().unwrap_or_default() {
            let cells = row.iter().map(|cell| cell.get(line).map(String::as_str));
            write_line(&mut text, &sheet.columns, &widths, cells);
        }
    }
    text
}

fn lines(sheet: &Sheet, row: &Row, placed: &Placed, layout: Layout) -> Lines {
    let mut lines: Lines = row.cells.iter().map(|cell| cell_lines(cell, layout)).collect();
    let height = lines.iter().map(Vec::len).max().unwrap_or_default();
    for (cell, column) in lines.iter_mut().zip(&sheet.columns) {
        if column.tree {
            cell.resize(height, String::new());
            for (at, line) in cell.iter_mut().enumerate() {
                line.insert_str(0, if at == 0 { &placed.before } else { &placed.beside });
            }
        }
    }
    lines
}

fn cell_lines(cell: &Cell, layout: Layout) -> Vec<String> {
    let escaped = |text: String| if layout.utf8 { text } else { ascii(&text) };
    match cell {
        Cell::Absent => vec![String::new()],
        Cell::Number(number) => vec![number.to_string()],
        Cell::Text(text) => vec![escaped(text.to_string())],
        Cell::Lines(texts) if layout.wrap => {
            texts.iter().map(|text| escaped(text.to_string())).collect()
        }
        Cell::Lines(texts) => vec![escaped(joined(texts, ",").to_string())],
    }
}

/// What is not ASCII as its bytes.
fn ascii(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii() {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "\\x{byte:02x}");
        }
    }
    escaped
}

/// As wide as the widest cell; where that is too wide in all, cuttable columns give, the first of
/// them first, and none more than leaves its heading.
fn widths(sheet: &Sheet, rows: &[Lines], width: Option<usize>) -> Vec<usize> {
    let widest = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.flatten().map(|line| line.width()).max().unwrap_or_default()
    };
    let mut widths: Vec<usize> = sheet
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| match widest(at) {
            narrow if narrow < column.name.len() => column.name.len(),
            wide => wide.max(column.hint),
        })
        .collect();
    let Some(width) = width else { return widths };
    let total = widths.iter().sum::<usize>() + widths.len().saturating_sub(1);
    let mut excess = total.saturating_sub(width);
    for (own, column) in widths.iter_mut().zip(&sheet.columns).filter(|(_, one)| one.cuttable) {
        let given = excess.min(*own - column.name.len());
        *own -= given;
        excess -= given;
    }
    widths
}

fn write_line<'a>(
    text: &mut String,
    columns: &[Column],
    widths: &[usize],
    cells: impl Iterator<Item = Option<&'a str>>,
) {
    let last = columns.len().saturating_sub(1);
    for (at, ((cell, column), width)) in cells.zip(columns).zip(widths).enumerate() {
        let cell = cut(cell.unwrap_or_default(), *width);
        let blanks = " ".repeat(width.saturating_sub(cell.width()));
        if at > 0 {
            text.push(' ');
        }
        match column.right {
            true if at == last && cell.is_empty() => {}
            true => text.extend([blanks.as_str(), cell]),
            false if at == last => text.push_str(cell),
            false => text.extend([cell, blanks.as_str()]),
        }
    }
    text.push('\n');
}

/// Nothing marks the cut.
fn cut(cell: &str, width: usize) -> &str {
    if cell.width() <= width {
        return cell;
    }
    let mut kept = 0;
    let end = cell.char_indices().find(|(_, c)| {
        kept += c.width().unwrap_or_default();
        kept > width
    });
    end.and_then(|(end, _)| cell.get(..end)).unwrap_or(cell)
}
