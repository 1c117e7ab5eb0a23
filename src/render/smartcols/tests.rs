//! The layouts, as the tools of util-linux 2.42 print them.

use super::*;

const LAYOUT: Layout = Layout { headings: true, width: None, wrap: true, utf8: true };

const fn column(name: &'static str, kind: CellKind, right: bool, tree: bool) -> Column {
    Column { name, kind, right, hint: 0, cuttable: false, tree }
}

/// Namespaces with what is mounted where, drawn as a tree in NS or not.
fn sheet(tree: bool) -> Sheet {
    let columns = vec![
        column("NS", CellKind::Number, !tree, tree),
        column("NSFS", CellKind::Text, false, false),
        Column { cuttable: true, ..column("COMMAND", CellKind::Text, false, false) },
    ];
    let row = |ns, mounts: &[&str], command: Option<&str>, parent| Row {
        cells: vec![
            Cell::Number(ns),
            match mounts {
                [] => Cell::Absent,
                some => Cell::Lines(some.iter().map(Text::from).collect()),
            },
            command.map_or(Cell::Absent, |command| Cell::Text(command.into())),
        ],
        parent,
    };
    let rows = vec![
        row(1, &[], Some("init"), None),
        row(22, &["/run/a", "/run/bb c"], None, Some(0)),
        row(333, &[], Some("a\\b\u{1b} é"), Some(1)),
        row(4, &[], Some("sleep 1"), Some(0)),
        row(5, &["/x", "/y"], Some("sh"), None),
    ];
    Sheet { name: "namespaces", columns, rows }
}

#[test]
fn a_list() {
    let expected = " NS NSFS      COMMAND
  1           init
 22 /run/a    \n    /run/bb c \n333           a\\\\b\\x1b é
  4           sleep 1
  5 /x        sh
    /y        \n";
    assert_eq!(table(&sheet(false), LAYOUT), expected);
    let joined = table(&sheet(false), Layout { wrap: false, headings: false, ..LAYOUT });
    assert_eq!(joined.lines().nth(1), Some(" 22 /run/a,/run/bb c "));
    assert_eq!(joined.lines().count(), 5);
}

#[test]
fn a_tree() {
    let expected = "NS      NSFS      COMMAND
1                 init
├─22    /run/a    \n│ │     /run/bb c \n│ └─333           a\\\\b\\x1b é
└─4               sleep 1
5       /x        sh
        /y        \n";
    assert_eq!(table(&sheet(true), LAYOUT), expected);
    let ascii = table(&sheet(true), Layout { utf8: false, ..LAYOUT });
    let expected = "NS      NSFS      COMMAND
1                 init
|-22    /run/a    \n| |     /run/bb c \n| `-333           a\\\\b\\x1b \\xc3\\xa9
`-4               sleep 1
5       /x        sh
        /y        \n";
    assert_eq!(ascii, expected);
}

#[test]
fn the_cuttable_column_gives_down_to_its_heading() {
    let mut sheet = sheet(false);
    sheet.rows.truncate(1);
    sheet.rows[0].cells[2] = Cell::Text("0123456789é".into());
    let shown = |width| table(&sheet, Layout { width: Some(width), ..LAYOUT });
    assert_eq!(shown(19), "NS NSFS COMMAND\n 1      0123456789é\n");
    assert_eq!(shown(18), "NS NSFS COMMAND\n 1      0123456789\n");
    assert_eq!(shown(3), "NS NSFS COMMAND\n 1      0123456\n");
}

/// As libsmartcols 2.38 has it: a hint is no minimum.
#[test]
fn a_hint_counts_where_the_heading_does_not_decide() {
    let columns = vec![
        Column { hint: 5, ..column("TYPE", CellKind::Text, false, false) },
        column("PID", CellKind::Number, true, false),
    ];
    let row =
        |kind: &str| Row { cells: vec![Cell::Text(kind.into()), Cell::Number(1)], parent: None };
    for (kind, expected) in [
        ("net", "TYPE PID\nnet    1\n"),
        ("user", "TYPE  PID\nuser    1\n"),
        ("cgroup", "TYPE   PID\ncgroup   1\n"),
    ] {
        let sheet = Sheet { name: "namespaces", columns: columns.clone(), rows: vec![row(kind)] };
        assert_eq!(table(&sheet, LAYOUT), expected);
    }
}

#[test]
fn without_rows_there_are_no_headings() {
    let mut sheet = sheet(true);
    sheet.rows.clear();
    assert_eq!(table(&sheet, LAYOUT), "");
    assert_eq!(raw(&sheet, true, true), "");
    assert_eq!(json(&sheet, Json::Pretty, true).unwrap(), "{\n   \"namespaces\": [\n\n   ]\n}\n");
    assert_eq!(json(&sheet, Json::Compact, true).unwrap(), "{\"namespaces\":[\n]}\n");
    assert_eq!(json(&sheet, Json::Lines, true).unwrap(), "");
}

#[test]
fn raw_cells_have_no_blank() {
    let expected = "NS NSFS COMMAND
1  init
22 /run/a,/run/bb\\x20c \n333  a\\x5cb\\x1b\\x20\\xc3\\xa9
4  sleep\\x201
5 /x,/y sh\n";
    assert_eq!(raw(&sheet(false), true, true), expected);
    let tree = raw(&sheet(true), false, false);
    assert!(tree.starts_with("1  init\n|-22 /run/a"), "{tree}");
    assert!(tree.contains("|\\x20`-333"), "{tree}");
}

#[test]
fn json_nests_what_is_drawn_as_a_tree() {
    let pretty = json(&sheet(true), Json::Pretty, true).unwrap();
    let expected = r#"{
   "namespaces": [
      {
         "ns": 1,
         "nsfs": null,
         "command": "init",
         "children": [
            {
               "ns": 22,
               "nsfs": "/run/a\n/run/bb c",
               "command": null,
               "children": [
                  {
                     "ns": 333,
                     "nsfs": null,
                     "command": "a\\\\b\\x1b é"
                  }
               ]
            },{
               "ns": 4,
               "nsfs": null,
               "command": "sleep 1"
            }
         ]
      },{
         "ns": 5,
         "nsfs": "/x\n/y",
         "command": "sh"
      }
   ]
}
"#;
    assert_eq!(pretty, expected);
    let flat = json(&sheet(false), Json::Compact, false).unwrap();
    let expected = r#"{"namespaces":[
{"ns":1,"nsfs":null,"command":"init"},
{"ns":22,"nsfs":"/run/a,/run/bb c","command":null},
{"ns":333,"nsfs":null,"command":"a\\\\b\\x1b é"},
{"ns":4,"nsfs":null,"command":"sleep 1"},
{"ns":5,"nsfs":"/x,/y","command":"sh"}
]}
"#;
    assert_eq!(flat, expected);
    let lines = json(&sheet(true), Json::Lines, false).unwrap();
    assert_eq!(lines.lines().count(), 2);
    for line in lines.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

/// A process may have as long a chain of descendants as it likes.
#[test]
fn a_tree_is_drawn_to_a_depth() {
    let columns = vec![column("PID", CellKind::Number, false, true)];
    let row = |at: usize| Row { cells: vec![Cell::Number(7)], parent: at.checked_sub(1) };
    let sheet = Sheet { name: "processes", columns, rows: (0..2000).map(row).collect() };
    let shown = table(&sheet, LAYOUT);
    assert_eq!(shown.lines().count(), 2001);
    assert!(shown.lines().all(|line| line.chars().count() <= 130));
    let whole: serde_json::Value =
        serde_json::from_str(&json(&sheet, Json::Pretty, true).unwrap()).unwrap();
    let text = whole.to_string();
    assert_eq!(text.matches("pid").count(), 2000);
}

#[test]
fn a_row_hangs_under_an_earlier_one_only() {
    let columns = vec![column("PID", CellKind::Number, false, true)];
    let row = |pid, parent| Row { cells: vec![Cell::Number(pid)], parent };
    let rows = vec![row(1, Some(0)), row(2, Some(7)), row(3, Some(1))];
    let sheet = Sheet { name: "processes", columns, rows };
    assert_eq!(table(&sheet, LAYOUT), "PID\n1\n2\n└─3\n");
}
