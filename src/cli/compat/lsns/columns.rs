//! The columns of lsns(8): what they are called, and what stands in them.

use super::options::{Options, Selection, Tree};
use crate::model::census::{Fact, Namespace, Occupant};
use crate::model::namespace::Kind;
use crate::model::text::Text;
use crate::render::column::CellKind;
use crate::render::smartcols::{Cell, Column, Row, Sheet};
use crate::sys::passwd::Users;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Ns,
    Type,
    Path,
    Nprocs,
    Pid,
    Ppid,
    Command,
    Uid,
    User,
    Netnsid,
    Nsfs,
    Pns,
    Ons,
}

pub(super) struct Definition {
    pub(super) key: Key,
    pub(super) name: &'static str,
    about: &'static str,
    pub(super) kind: CellKind,
}

const fn text(key: Key, name: &'static str, about: &'static str) -> Definition {
    Definition { key, name, about, kind: CellKind::Text }
}

const fn number(key: Key, name: &'static str, about: &'static str) -> Definition {
    Definition { key, name, about, kind: CellKind::Number }
}

/// In the order of `--output-all`.
pub(super) const ALL: [Definition; 13] = [
    number(Key::Ns, "NS", "inode number of the namespace"),
    text(Key::Type, "TYPE", "kind of namespace"),
    text(Key::Path, "PATH", "where the namespace can be opened"),
    number(Key::Nprocs, "NPROCS", "number of processes in the namespace"),
    number(Key::Pid, "PID", "lowest PID in the namespace"),
    number(Key::Ppid, "PPID", "parent of that PID"),
    text(Key::Command, "COMMAND", "command line of that PID"),
    number(Key::Uid, "UID", "user ID of that PID"),
    text(Key::User, "USER", "user name of that PID"),
    text(Key::Netnsid, "NETNSID", "what this network namespace calls that one"),
    text(Key::Nsfs, "NSFS", "where the namespace is mounted"),
    number(Key::Pns, "PNS", "inode number of the parent namespace"),
    number(Key::Ons, "ONS", "inode number of the owner namespace"),
];

/// What is not there is named, as lsns does.
#[derive(Debug, thiserror::Error)]
#[error("unknown column: {0}")]
pub(super) struct UnknownColumn(Text);

/// The chosen columns, by their place in [`ALL`].
pub(super) fn choose(options: &Options) -> Result<Vec<Key>, UnknownColumn> {
    let all = || ALL.iter().map(|column| column.key).collect();
    let mut keys: Vec<Key> = match options.selection {
        _ if options.all_columns => all(),
        Selection::Namespace(_) => vec![Key::Pid, Key::Ppid, Key::User, Key::Command],
        _ => {
            let mut keys = vec![Key::Ns, Key::Type, Key::Nprocs, Key::Pid, Key::User];
            if options.kinds.has(Kind::Net) {
                keys.extend([Key::Netnsid, Key::Nsfs]);
            }
            keys.push(Key::Command);
            keys
        }
    };
    let Some(list) = options.columns.as_deref().map(OsStr::as_bytes) else { return Ok(keys) };
    let list = match list.strip_prefix(b"+") {
        Some(more) => more,
        None => {
            keys.clear();
            list
        }
    };
    for name in list.split(|byte| *byte == b',') {
        let named = |column: &&Definition| column.name.as_bytes().eq_ignore_ascii_case(name);
        match ALL.iter().find(named) {
            Some(column) => keys.push(column.key),
            // Of a list with nothing between two commas the list.
            None if name.is_empty() => return Err(UnknownColumn(Text::new(list))),
            None => return Err(UnknownColumn(Text::new(name))),
        }
    }
    Ok(keys)
}

/// A namespace, or a process in one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) namespace: &'a Namespace,
    /// The process that it is about: of a namespace its first.
    pub(super) process: Option<&'a Occupant>,
}

impl Line<'_> {
    pub(super) fn cell(self, key: Key, users: &Users) -> Cell {
        let Self { namespace, process } = self;
        let number = |number: Option<u64>| number.map_or(Cell::Absent, Cell::Number);
        let text = |text: Option<String>| text.map_or(Cell::Absent, |text| Cell::Text(text.into()));
        let uid = process.map(|process| process.uid).or(namespace.uid);
        match key {
            Key::Ns => Cell::Number(namespace.inode),
            Key::Type => text(Some(namespace.kind.to_string())),
            Key::Path => text(process.map(|one| crate::render::ns::link(one, namespace.kind))),
            Key::Nprocs => number(u64::try_from(namespace.processes).ok()),
            Key::Pid => number(process.map(|process| process.pid.number().into())),
            Key::Ppid => number(process.and_then(parent)),
            Key::Command => {
                process.map_or(Cell::Absent, |process| Cell::Text(process.command.clone()))
            }
            Key::Uid => number(uid.map(u64::from)),
            Key::User => match uid.map(|uid| (uid, users.name(uid))) {
                None => Cell::Absent,
                Some((_, Some(name))) => Cell::Text(name.clone()),
                Some((uid, None)) => text(Some(uid.to_string())),
            },
            Key::Netnsid => text(net_id(namespace)),
            Key::Nsfs if namespace.mounts.is_empty() => Cell::Absent,
            Key::Nsfs => Cell::Lines(namespace.mounts.clone()),
            Key::Pns => Cell::Number(related(namespace.parent)),
            Key::Ons => Cell::Number(related(namespace.owner)),
        }
    }

    /// As a filter sees it: what is displayed, in one line.
    pub(super) fn shown(self, at: usize, users: &Users) -> Option<String> {
        match self.cell(ALL.get(at)?.key, users) {
            Cell::Absent => None,
            Cell::Number(number) => Some(number.to_string()),
            Cell::Text(text) => Some(text.to_string()),
            Cell::Lines(lines) => {
                Some(lines.iter().map(Text::to_string).collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

/// 0 is none, as /proc has it.
fn parent(process: &Occupant) -> Option<u64> {
    let parent = process.parent.known()?;
    Some(parent.map_or(0, |parent| parent.number().into()))
}

/// 0 is none, and what could not be seen.
fn related(namespace: Fact<Option<u64>>) -> u64 {
    namespace.known().copied().flatten().unwrap_or(0)
}

fn net_id(namespace: &Namespace) -> Option<String> {
    match namespace.net_id {
        Fact::Known(Some(id)) => Some(id.to_string()),
        Fact::Known(None) if namespace.kind == Kind::Net => Some("unassigned".to_owned()),
        _ => None,
    }
}

/// Whether a filter may name a column; one that is not in it is not looked for.
pub(super) fn names(key: Key, filter: &str) -> bool {
    let name = ALL.iter().find(|column| column.key == key).map_or("", |column| column.name);
    filter.to_ascii_uppercase().contains(name)
}

/// How the columns stand in the output.
pub(super) fn layout(keys: &[Key], tree: Option<Tree>) -> Vec<Column> {
    let drawn = tree.map(|tree| if tree == Tree::Process { Key::Command } else { Key::Ns });
    let column = |key: &Key| {
        let definition = ALL.iter().find(|column| column.key == *key)?;
        let tree = drawn == Some(*key);
        let right = definition.kind == CellKind::Number || *key == Key::Netnsid;
        Some(Column {
            name: definition.name,
            kind: definition.kind,
            right: right && !tree,
            hint: match key {
                Key::Ns | Key::Pns | Key::Ons => 10,
                Key::Type | Key::Nprocs | Key::Pid | Key::Ppid => 5,
                _ => 0,
            },
            cuttable: *key == Key::Command,
            tree,
        })
    };
    keys.iter().filter_map(column).collect()
}

/// What `--list-columns` prints.
pub(super) fn list() -> Sheet {
    let column = |name, right| Column {
        name,
        kind: CellKind::Text,
        right,
        hint: 0,
        cuttable: false,
        tree: false,
    };
    let row = |column: &Definition| {
        let kind = match column.kind {
            CellKind::Number => "<integer>",
            CellKind::Text => "<string>",
        };
        let cells = [column.name, kind, column.about].map(|cell| Cell::Text(cell.into()));
        Row { cells: cells.into(), parent: None }
    };
    Sheet {
        name: "lsns-columns",
        columns: vec![column("HOLDER", true), column("TYPE", false), column("DESCRIPTION", false)],
        rows: ALL.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(list: Option<&str>, options: Options) -> Result<String, String> {
        let options = Options { columns: list.map(Into::into), ..options };
        let keys = choose(&options).map_err(|error| error.to_string())?;
        let names: Vec<_> = layout(&keys, None).iter().map(|column| column.name).collect();
        Ok(names.join(" "))
    }

    #[test]
    fn columns_are_chosen_as_by_lsns() {
        let default = Options::default;
        let net = || Options { kinds: [Kind::Net, Kind::Mnt].into_iter().collect(), ..default() };
        let process = || Options { selection: Selection::Namespace(7), ..default() };
        let all = || Options { all_columns: true, ..default() };
        let list = "NS TYPE NPROCS PID USER COMMAND";
        let every = "NS TYPE PATH NPROCS PID PPID COMMAND UID USER NETNSID NSFS PNS ONS";
        for (given, options, expected) in [
            (None, default(), list.to_owned()),
            (None, net(), "NS TYPE NPROCS PID USER NETNSID NSFS COMMAND".to_owned()),
            (None, process(), "PID PPID USER COMMAND".to_owned()),
            (None, all(), every.to_owned()),
            (Some("ns,tYpE,NS"), default(), "NS TYPE NS".to_owned()),
            (Some("+PNS,ons"), default(), format!("{list} PNS ONS")),
            (Some("+NS"), all(), format!("{every} NS")),
            (Some("NS"), all(), "NS".to_owned()),
        ] {
            assert_eq!(chosen(given, options), Ok(expected), "{given:?}");
        }
        for (given, expected) in [
            ("foo,NS", "foo"),
            ("NS, TYPE", " TYPE"),
            ("", ""),
            ("NS,", "NS,"),
            ("\u{1b}", "\\x1b"),
        ] {
            assert_eq!(
                chosen(Some(given), default()),
                Err(format!("unknown column: {expected}")),
                "{given:?}"
            );
        }
    }
}
