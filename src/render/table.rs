//! Rows as a borderless table or as tab-separated values.

use super::column::{CellKind, Column, Style};
use super::emphasis::heading;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use unicode_width::UnicodeWidthStr;

/// Narrower than this a column says nothing.
const NARROWEST: usize = 8;
/// Blanks between columns.
const GUTTER: usize = 2;

/// How the table is laid out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    /// The names of the columns stand above them.
    pub headings: bool,
    /// Columns of the terminal; `None`: nothing is cut.
    pub width: Option<usize>,
    /// Headings stand out.
    pub emphasis: bool,
    /// Whether numbers are shortened for reading.
    pub style: Style,
}

/// More rows than this are written as they come: comfy-table keeps every cell in several forms,
/// which for ten thousand rows takes longer than to collect them, and for fifty a twentieth of it.
const MANY: usize = 32;

/// Aligned columns, no borders, no blanks at line ends.
pub fn table<T>(rows: &[T], columns: &[&Column<T>], layout: Layout) -> String {
    if rows.len() > MANY {
        return long_table(rows, columns, layout);
    }
    let mut cells: Vec<Vec<String>> =
        rows.iter().map(|row| cells_of(row, columns, layout.style)).collect();
    if layout.headings {
        cells.insert(0, columns.iter().map(|column| column.heading.to_owned()).collect());
    }
    if let Some(width) = layout.width {
        let cuttable: Vec<bool> = columns.iter().map(|column| column.cuttable).collect();
        cut_to(&mut cells, &cuttable, width);
    }
    let right: Vec<bool> = columns.iter().map(|column| column.kind == CellKind::Number).collect();
    let text = cut_lines(&align(cells, &right), layout.width);
    match text.split_once('\n').filter(|_| layout.headings) {
        Some((headings, rows)) => heading(headings, layout.emphasis) + "\n" + rows,
        None => text,
    }
}

/// Leaves out of what is shown the spare columns, one after the other, until nothing has to be cut in a
/// terminal of that width.
pub fn leave_out<T>(
    keys: &mut Vec<&str>,
    spare: &[&str],
    rows: &[T],
    columns: &[Column<T>],
    width: Option<usize>,
) {
    let Some(width) = width else { return };
    for spare in spare {
        let shown: Vec<_> = columns.iter().filter(|one| keys.contains(&one.key)).collect();
        if natural_width(rows, &shown) > width {
            keys.retain(|key| key != spare);
        }
    }
}

/// How wide a table is that nothing is cut from.
fn natural_width<T>(rows: &[T], columns: &[&Column<T>]) -> usize {
    let widest = |column: &&Column<T>| {
        let cells = rows.iter().map(|row| (column.cell)(row, Style::default()));
        let widths = cells.map(|cell| display_width(&cell));
        widths.max().unwrap_or(0).max(column.heading.len())
    };
    columns.iter().map(widest).sum::<usize>() + GUTTER * columns.len().saturating_sub(1)
}

/// The same text, with all cells in one.
fn long_table<T>(rows: &[T], columns: &[&Column<T>], layout: Layout) -> String {
    let mut cells = Cells { columns: columns.len(), ..Cells::default() };
    if layout.headings {
        for column in columns {
            cells.push(column.heading);
        }
    }
    for row in rows {
        for column in columns {
            cells.push(&(column.cell)(row, layout.style));
        }
    }
    let mut widths = cells.widths(&vec![usize::MAX; columns.len()]);
    if let Some(width) = layout.width {
        let cuttable: Vec<bool> = columns.iter().map(|column| column.cuttable).collect();
        fit(&mut widths, &cuttable, width);
        // A cut through a wide character leaves less than it might.
        widths = cells.widths(&widths);
    }
    let mut text = String::with_capacity(cells.text.len() * 2);
    for (number, row) in cells.rows().enumerate() {
        let start = text.len();
        // Blanks are written before what follows them: none end a line.
        let mut gap = 0;
        for ((cell, column), width) in row.zip(columns).zip(&widths) {
            let (shown, mark) = fitting(cell, *width);
            let blanks = width.saturating_sub(display_width(shown) + usize::from(mark));
            let (before, after) =
                if column.kind == CellKind::Number { (blanks, 0) } else { (0, blanks) };
            gap += before;
            if !shown.is_empty() || mark {
                pad(&mut text, gap);
                text.push_str(shown);
                text.push_str(if mark { "…" } else { "" });
                gap = 0;
            }
            gap += after + GUTTER;
        }
        let line = text.get(start..).unwrap_or_default().trim_end();
        let (line, mark) = fitting(line, layout.width.unwrap_or(usize::MAX));
        text.truncate(start + line.len());
        text.extend(mark.then_some('…'));
        if layout.headings && number == 0 {
            text = heading(&text, layout.emphasis);
        }
        text.push('\n');
    }
    text
}

/// The cells of many rows.
#[derive(Debug, Default)]
struct Cells {
    columns: usize,
    text: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Cells {
    fn push(&mut self, cell: &str) {
        self.text.push_str(cell);
        self.ends.push(self.text.len());
    }

    fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        let mut start = 0;
        self.ends.chunks(self.columns.max(1)).map(move |ends| {
            let starts = std::iter::once(start).chain(ends.iter().copied());
            start = ends.last().copied().unwrap_or(start);
            starts.zip(ends).map(|(start, end)| self.text.get(start..*end).unwrap_or_default())
        })
    }

    /// Of the widest cell of each column, where none is wider than it may be.
    fn widths(&self, most: &[usize]) -> Vec<usize> {
        let mut widths = vec![0; self.columns];
        for row in self.rows() {
            for ((width, cell), most) in widths.iter_mut().zip(row).zip(most) {
                let (shown, mark) = fitting(cell, *most);
                *width = (display_width(shown) + usize::from(mark)).max(*width);
            }
        }
        widths
    }
}

fn pad(text: &mut String, mut blanks: usize) {
    const BLANKS: &str = "                                ";
    while blanks > 0 {
        let some = BLANKS.get(..blanks).unwrap_or(BLANKS);
        text.push_str(some);
        blanks -= some.len();
    }
}

/// Of many rows a wider cell moves the rest of its own line only: else one of them makes all others
/// as long as itself.
const WIDEST: usize = 160;

/// Lines of cells as one text, each column as wide as its widest cell.
pub fn align(cells: Vec<Vec<String>>, right: &[bool]) -> String {
    if cells.is_empty() {
        return String::new();
    }
    if cells.len() > MANY {
        return align_many(cells, right);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.add_rows(cells);
    let last = right.len().saturating_sub(1);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if at == last { 0 } else { u16::try_from(GUTTER).unwrap_or(2) }));
        if right.get(at).copied().unwrap_or_default() {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn align_many(cells: Vec<Vec<String>>, right: &[bool]) -> String {
    let mut widths = vec![0; right.len()];
    for row in &cells {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = cell.width().min(WIDEST).max(*widest);
        }
    }
    let mut text = String::new();
    for row in cells {
        let start = text.len();
        for ((cell, width), right) in row.iter().zip(&widths).zip(right) {
            let blanks = width.saturating_sub(cell.width());
            let (before, after) = if *right { (blanks, 0) } else { (0, blanks) };
            text.extend(std::iter::repeat_n(' ', before));
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', after + GUTTER));
        }
        let end = text.get(start..).map_or(0, |line| line.trim_end().len());
        text.truncate(start + end);
        text.push('\n');
    }
    text
}

/// Tab-separated, headed by the column keys. No cell holds a tab or a newline: they are escaped.
pub fn tsv<T>(rows: &[T], columns: &[&Column<T>], headings: bool, style: Style) -> String {
    let mut text = String::new();
    if headings {
        let keys: Vec<&str> = columns.iter().map(|column| column.key).collect();
        text.push_str(&keys.join("\t"));
        text.push('\n');
    }
    for row in rows {
        text.push_str(&cells_of(row, columns, style).join("\t"));
        text.push('\n');
    }
    text
}

fn cells_of<T>(row: &T, columns: &[&Column<T>], style: Style) -> Vec<String> {
    columns.iter().map(|column| (column.cell)(row, style)).collect()
}

fn cut_to(cells: &mut [Vec<String>], cuttable: &[bool], width: usize) {
    let count = cuttable.len();
    let mut widths: Vec<usize> = (0..count)
        .map(|at| {
            cells
                .iter()
                .filter_map(|row| row.get(at))
                .map(|cell| display_width(cell))
                .max()
                .unwrap_or(0)
        })
        .collect();
    fit(&mut widths, cuttable, width);
    for row in cells {
        for (cell, width) in row.iter_mut().zip(&widths) {
            cut(cell, *width);
        }
    }
}

/// Shortens the widest cuttable column, again and again, until the line fits or nothing is left
/// to give.
fn fit(widths: &mut [usize], cuttable: &[bool], width: usize) {
    let count = widths.len();
    loop {
        let total: usize = widths.iter().sum::<usize>() + GUTTER * count.saturating_sub(1);
        let Some(excess) = total.checked_sub(width).filter(|excess| *excess > 0) else {
            break;
        };
        let widest = widths
            .iter_mut()
            .zip(cuttable)
            .filter(|(width, cuttable)| **cuttable && **width > NARROWEST)
            .map(|(width, _)| width)
            .max();
        let Some(widest) = widest else { break };
        // One column at a time, so that two long columns end up equally long.
        *widest -= if excess > 16 { (*widest - NARROWEST).clamp(1, 4) } else { 1 };
    }
}

/// Where even the narrowest columns are too many, the lines end at the terminal's edge.
fn cut_lines(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    let line = |line: &str| {
        let mut line = line.to_owned();
        cut(&mut line, width);
        line + "\n"
    };
    text.lines().map(line).collect()
}

/// Cells hold no control characters.
fn display_width(cell: &str) -> usize {
    if cell.is_ascii() { cell.len() } else { cell.width() }
}

/// Cuts to a display width, the cut marked by `…`.
pub fn cut(cell: &mut String, width: usize) {
    let (shown, mark) = fitting(cell, width);
    if mark {
        cell.truncate(shown.len());
        cell.push('…');
    }
}

/// As much of it as is shown in a display width, and whether the mark of a cut follows.
fn fitting(cell: &str, width: usize) -> (&str, bool) {
    // No character is wider than it is long.
    if cell.len() <= width || display_width(cell) <= width {
        return (cell, false);
    }
    let mut kept = 0;
    let exceeds = |(_, c): &(usize, char)| {
        kept += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
        kept > width.saturating_sub(1)
    };
    let end = cell.char_indices().find(exceeds).map_or(0, |(at, _)| at);
    (cell.get(..end).unwrap_or_default(), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::column::{cuttable, number};

    #[test]
    fn many_rows_are_aligned_like_few_and_one_wide_cell_is_wide_alone() {
        let row = |number: usize| {
            ["a".repeat(number % 7), format!("{}", number % 12), "é".repeat(number % 3)].to_vec()
        };
        let right = [false, true, false];
        let few = align((0..MANY).map(row).collect(), &right);
        let mut rows: Vec<_> = (0..=MANY).map(row).collect();
        let many = align(rows.clone(), &right);
        assert_eq!(many.lines().take(MANY).collect::<Vec<_>>(), few.lines().collect::<Vec<_>>());
        rows[5][0] = "a".repeat(100_000);
        assert!(align(rows, &right).len() < 100_000 + MANY * (WIDEST + 20));
    }

    const COLUMNS: [Column<(&str, u32)>; 2] = [
        cuttable("name", "NAME", |row, _| row.0.to_owned()),
        number("procs", "PROCS", |row, _| row.1.to_string()),
    ];

    fn layout(width: Option<usize>) -> Layout {
        Layout { headings: true, width, ..Layout::default() }
    }

    #[test]
    fn columns_are_aligned_and_wide_characters_count_twice() {
        let rows = [("web", 3), ("日本", 12)];
        let columns: Vec<_> = COLUMNS.iter().collect();
        assert_eq!(table(&rows, &columns, layout(None)), "NAME  PROCS\nweb       3\n日本     12\n");
    }

    #[test]
    fn a_narrow_terminal_cuts_the_cuttable_column_only() {
        let rows = [("a-very-long-name-indeed", 4_000_000)];
        let columns: Vec<_> = COLUMNS.iter().collect();
        let shown = table(&rows, &columns, layout(Some(24)));
        assert_eq!(shown.lines().last(), Some("a-very-long-na…  4000000"));
        let shown = table(&rows, &columns, layout(Some(17)));
        assert_eq!(shown.lines().last(), Some("a-very-…  4000000"));
    }

    #[test]
    fn where_no_column_can_give_more_the_line_ends_at_the_edge() {
        let rows = [("a-very-long-name-indeed", 4_000_000)];
        let columns: Vec<_> = COLUMNS.iter().collect();
        let shown = table(&rows, &columns, layout(Some(12)));
        assert_eq!(shown.lines().last(), Some("a-very-…  4…"));
    }

    #[test]
    fn tsv_is_complete_and_headed_by_keys() {
        let rows = [("web", 3)];
        let columns: Vec<_> = COLUMNS.iter().collect();
        assert_eq!(tsv(&rows, &columns, true, Style::default()), "name\tprocs\nweb\t3\n");
    }

    const OWNED: [Column<(String, u32)>; 2] = [
        cuttable("name", "NAME", |row, _| row.0.clone()),
        number("procs", "PROCS", |row, _| row.1.to_string()),
    ];

    proptest::proptest! {
        #[test]
        fn many_rows_look_like_few(
            names in proptest::collection::vec("[a日é ]{0,30}[a-z]", 1..20),
            width in proptest::option::of(1_usize..60),
            headings: bool,
            emphasis: bool,
        ) {
            let rows: Vec<(String, u32)> = names.into_iter().map(|name| (name, 7)).collect();
            let columns: Vec<_> = OWNED.iter().collect();
            let layout = Layout { headings, width, emphasis, style: Style::default() };
            proptest::prop_assert_eq!(
                long_table(&rows, &columns, layout),
                table(&rows, &columns, layout)
            );
        }
    }

    #[test]
    fn no_rows_are_no_text_but_the_headings() {
        let columns: Vec<_> = COLUMNS.iter().collect();
        assert_eq!(table(&[], &columns, layout(None)), "NAME  PROCS\n");
        assert_eq!(table(&[], &columns, Layout::default()), "");
    }
}
