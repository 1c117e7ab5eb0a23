//! JSON in the layout of libsmartcols: three blanks a level, `},{` between objects, rows of a tree
//! in the `children` of the row they hang under.

use super::{Cell, Column, Sheet, joined, tree};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};
use std::io::{self, Write};

/// `LIBSMARTCOLS_JSON`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Json {
    /// Indented, one field a line.
    Pretty,
    /// One line for each row that hangs under none.
    Compact,
    /// The same without what is around them.
    Lines,
}

/// `wrap`: a cell of several lines has newlines in it, not commas.
pub fn json(sheet: &Sheet, form: Json, wrap: bool) -> serde_json::Result<String> {
    let roots = nodes(sheet, wrap);
    let mut out = Vec::new();
    if form == Json::Pretty {
        let mut serializer =
            serde_json::Serializer::with_formatter(&mut out, Indented { level: 0 });
        Document(sheet.name, &roots).serialize(&mut serializer)?;
        out.push(b'\n');
        return Ok(text(out));
    }
    let whole = form == Json::Compact;
    if whole {
        out.extend(format!("{{\"{}\":[\n", sheet.name).bytes());
    }
    for (at, root) in roots.iter().enumerate() {
        if at > 0 {
            out.extend(if whole { &b",\n"[..] } else { b"\n" });
        }
        root.serialize(&mut serde_json::Serializer::with_formatter(&mut out, CompactFormatter))?;
    }
    if !roots.is_empty() {
        out.push(b'\n');
    }
    if whole {
        out.extend(b"]}\n");
    }
    Ok(text(out))
}

/// A serializer writes text.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

struct Node<'a> {
    columns: &'a [Column],
    cells: &'a [Cell],
    children: Vec<Node<'a>>,
    wrap: bool,
}

/// The rows that hang under none, with all that hangs under them.
fn nodes(sheet: &Sheet, wrap: bool) -> Vec<Node<'_>> {
    let mut roots = Vec::new();
    // Those that are not complete yet, each within the one before.
    let mut open: Vec<Node<'_>> = Vec::new();
    for placed in tree::place(sheet, true) {
        close(&mut open, placed.depth, &mut roots);
        let row = sheet.rows.get(placed.row);
        let cells = row.map(|row| row.cells.as_slice()).unwrap_or_default();
        open.push(Node { columns: &sheet.columns, cells, children: Vec::new(), wrap });
    }
    close(&mut open, 0, &mut roots);
    roots
}

fn close<'a>(open: &mut Vec<Node<'a>>, depth: usize, roots: &mut Vec<Node<'a>>) {
    while open.len() > depth
        && let Some(node) = open.pop()
    {
        match open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => roots.push(node),
        }
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (cell, column) in self.cells.iter().zip(self.columns) {
            let key = column.name.to_ascii_lowercase();
            match cell {
                Cell::Absent => map.serialize_entry(&key, &())?,
                Cell::Number(number) => map.serialize_entry(&key, number)?,
                Cell::Text(text) => map.serialize_entry(&key, text)?,
                Cell::Lines(lines) if self.wrap => {
                    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
                    map.serialize_entry(&key, &lines.join("\n"))?;
                }
                Cell::Lines(lines) => map.serialize_entry(&key, &joined(lines, ","))?,
            }
        }
        if !self.children.is_empty() {
            map.serialize_entry("children", &List(&self.children))?;
        }
        map.end()
    }
}

struct List<'a>(&'a [Node<'a>]);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for node in self.0 {
            list.serialize_element(node)?;
        }
        list.end()
    }
}

struct Document<'a>(&'static str, &'a [Node<'a>]);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.0, &List(self.1))?;
        map.end()
    }
}

struct Indented {
    level: usize,
}

impl Indented {
    fn line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        self.indent(writer)
    }

    fn indent<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        (0..self.level).try_for_each(|_| writer.write_all(b"   "))
    }

    fn close<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.level = self.level.saturating_sub(1);
        self.line(writer)?;
        writer.write_all(bracket)
    }
}

impl Formatter for Indented {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.level += 1;
        // So that an empty one has an empty line.
        writer.write_all(b"[\n")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { self.indent(writer) } else { writer.write_all(b",") }
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.level += 1;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.line(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
