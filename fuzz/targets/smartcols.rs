//! Tables as util-linux prints them, of texts that containers chose: no cell becomes two, a line, or
//! acts on a terminal; JSON is JSON with the same texts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::model::text::Text;
use nsx::render::column::CellKind;
use nsx::render::smartcols::{Cell, Column, Json, Layout, Row, Sheet, json, raw, table};

const PLAIN: Column = Column {
    name: "NAME",
    kind: CellKind::Text,
    right: false,
    hint: 4,
    cuttable: true,
    tree: false,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((flags, rest)) = bytes.split_first() else { return };
    let columns = vec![
        Column { tree: flags & 1 != 0, ..PLAIN },
        Column { name: "PID", kind: CellKind::Number, right: true, ..PLAIN },
        Column { name: "COMMAND", right: flags & 2 != 0, cuttable: flags & 4 != 0, ..PLAIN },
    ];
    let rows: Vec<Row> = rest
        .split(|byte| *byte == 0)
        .enumerate()
        .map(|(at, cell)| {
            let (above, cell) = cell.split_first().unwrap_or((&0, b""));
            let lines = || cell.split(|byte| *byte == 1).map(Text::new).collect();
            let last =
                if above & 1 == 0 { Cell::Lines(lines()) } else { Cell::Text(Text::new(cell)) };
            Row {
                cells: vec![Cell::Text(Text::new(cell)), Cell::Number(at as u64), last],
                parent: at.checked_sub(usize::from(above >> 1)).filter(|above| *above < at),
            }
        })
        .collect();
    let count = rows.len();
    let names: Vec<String> = rows
        .iter()
        .map(|row| match &row.cells[0] {
            Cell::Text(text) => text.to_string(),
            _ => String::new(),
        })
        .collect();
    let sheet = Sheet { name: "namespaces", columns, rows };
    let (utf8, wrap) = (flags & 8 != 0, flags & 16 != 0);

    let text = raw(&sheet, true, utf8);
    assert_eq!(text.lines().count(), count + 1);
    assert!(text.lines().all(|line| line.split(' ').count() == 3), "{text:?}");
    acts_on_nothing(&text);
    for width in [None, Some(usize::from(flags >> 2))] {
        let text = table(&sheet, Layout { headings: true, width, wrap, utf8 });
        assert!(wrap || text.lines().count() == count + 1, "{text:?}");
        acts_on_nothing(&text);
    }
    for form in [Json::Pretty, Json::Compact] {
        let text = json(&sheet, form, wrap).expect("JSON");
        let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let mut told = Vec::new();
        gather(&document["namespaces"], &mut told);
        told.sort_by_key(|(pid, _)| *pid);
        assert_eq!(told.into_iter().map(|(_, name)| name).collect::<Vec<_>>(), names);
    }
});

fn acts_on_nothing(text: &str) {
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}

fn gather(rows: &serde_json::Value, into: &mut Vec<(u64, String)>) {
    for row in rows.as_array().into_iter().flatten() {
        let name = row["name"].as_str().expect("a text").to_owned();
        into.push((row["pid"].as_u64().expect("a number"), name));
        gather(&row["children"], into);
    }
}
