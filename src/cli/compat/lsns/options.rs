//! The command line of lsns(8), util-linux 2.42.

use crate::cli::compat::getopt::{self, Argument, Item, Opt, Parser};
use crate::cli::compat::number::{Number, number};
use crate::model::namespace::{Kind, Kinds};
use crate::model::text::Text;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What the rows hang under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tree {
    /// The namespace of the parent process: what lsns does by itself.
    #[default]
    Process,
    /// `-Tparent`: the parent, which only pid and user namespaces have; others under nothing.
    Parent,
    /// `-T`, `-Towner`: the user namespace that owns it.
    Owner,
}

/// How the rows are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Aligned columns, with a tree drawn in one of them.
    #[default]
    Table,
    /// `-r`: one blank between cells; blanks within are escaped.
    Raw,
    /// `-J`: as libsmartcols writes it.
    Json,
}

/// Which namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Every one that lsns would see: no `-p`, no `-P`, no operand.
    #[default]
    All,
    /// Those of a process, if there is one of that number.
    Task(u32),
    /// Those without a process.
    Persistent,
    /// The processes of one.
    Namespace(u64),
}

/// What a command line asks for, nothing of it looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Those asked for; none is all.
    pub kinds: Kinds,
    /// By `-p`, `-P` or the operand, which goes before `-P`.
    pub selection: Selection,
    /// `None` is a list.
    pub tree: Option<Tree>,
    /// `-J` and `-r`, which exclude each other.
    pub form: Form,
    /// False with `-n`. JSON has its keys all the same.
    pub headings: bool,
    /// False with `-u`: lines may be longer than the terminal is wide.
    pub truncate: bool,
    /// False with `-W`: several mount points in one line, with commas between.
    pub wrap: bool,
    /// `-o`, not looked up yet: `NS,PID`. A `+` before it adds to those that are there anyway.
    pub columns: Option<OsString>,
    /// `--output-all`: all that there are in place of the default ones.
    pub all_columns: bool,
    /// Not empty.
    pub filter: Option<String>,
    /// `-H`: the columns are listed, and no namespace; an operand is not looked at.
    pub list_columns: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Namespaces, processes of one, or the columns.
    List(Options),
    /// `-h`; what comes before it must be right, what comes after it is not read.
    Help,
    /// `-V`; read as `-h` is.
    Version,
}

/// Why a command line is refused, in the words of lsns.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// It is no option, or lacks an argument or has one too many.
    #[error("{0}\nTry 'lsns --help' for more information.")]
    Option(#[from] getopt::Error),
    /// Their long names, in the order in which they came: `json`, `raw`.
    #[error("options --{0} and --{1} cannot be combined")]
    Exclusive(&'static str, &'static str),
    /// `-t`: none of the eight kinds.
    #[error("unknown namespace type: {0}")]
    Kind(Text),
    /// `-T`: not parent, owner or process; without a `=` before it.
    #[error("unknown tree type: {0}")]
    Tree(Text),
    /// `-p`: not a decimal number.
    #[error("invalid PID argument: '{0}'")]
    Pid(Text),
    /// `-p`: 0, negative, or more than an int holds.
    #[error("invalid PID argument: '{0}': Numerical result out of range")]
    PidRange(Text),
    /// The operand is not a decimal number.
    #[error("invalid namespace argument: '{0}'")]
    Namespace(Text),
    /// The operand is negative, or more than 64 bits hold.
    #[error("invalid namespace argument: '{0}': Numerical result out of range")]
    NamespaceRange(Text),
    /// `-p` and an operand.
    #[error("--task is mutually exclusive with <namespace>")]
    TaskOfNamespace,
    /// `-Q`: the expression is not UTF-8.
    #[error("invalid filter expression: '{0}': it is no UTF-8")]
    Filter(Text),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    Json,
    Task,
    Help,
    Output,
    OutputAll,
    Persistent,
    Version,
    NoTruncate,
    NoHeadings,
    NoWrap,
    List,
    Raw,
    Type,
    Tree,
    Filter,
    ListColumns,
}

const TABLE: &[Opt<Id>] = &[
    opt(Id::Json, b'J', "json", Argument::None),
    opt(Id::Task, b'p', "task", Argument::Required),
    opt(Id::Help, b'h', "help", Argument::None),
    opt(Id::Output, b'o', "output", Argument::Required),
    Opt { id: Id::OutputAll, short: None, long: "output-all", argument: Argument::None },
    opt(Id::Persistent, b'P', "persistent", Argument::None),
    opt(Id::Version, b'V', "version", Argument::None),
    opt(Id::NoTruncate, b'u', "notruncate", Argument::None),
    opt(Id::NoHeadings, b'n', "noheadings", Argument::None),
    opt(Id::NoWrap, b'W', "nowrap", Argument::None),
    opt(Id::List, b'l', "list", Argument::None),
    opt(Id::Raw, b'r', "raw", Argument::None),
    opt(Id::Type, b't', "type", Argument::Required),
    opt(Id::Tree, b'T', "tree", Argument::Optional),
    opt(Id::Filter, b'Q', "filter", Argument::Required),
    opt(Id::ListColumns, b'H', "list-columns", Argument::None),
];

const fn opt(id: Id, short: u8, long: &'static str, argument: Argument) -> Opt<Id> {
    Opt { id, short: Some(short), long, argument }
}

/// Options of which one may be given.
const EXCLUSIVE: [(Id, Id); 3] =
    [(Id::Json, Id::Raw), (Id::Task, Id::Persistent), (Id::List, Id::Tree)];

/// What each option means is checked as it comes; `strict` is POSIXLY_CORRECT.
pub fn parse(words: Vec<OsString>, strict: bool) -> Result<Request, UsageError> {
    let mut options = Options { headings: true, truncate: true, wrap: true, ..Options::default() };
    let mut seen = Vec::new();
    let mut operand = None;
    let mut tree = Tree::default();
    for item in Parser::new(TABLE, words, strict) {
        let (id, value) = match item? {
            // Those after the first say nothing.
            Item::Operand(word) => {
                operand = operand.or(Some(word));
                continue;
            }
            Item::Option(id, value) => (id, value),
        };
        refuse_both(id, &seen)?;
        seen.push(id);
        let given = value.is_some();
        let value = value.unwrap_or_default();
        match id {
            Id::Help => return Ok(Request::Help),
            Id::Version => return Ok(Request::Version),
            Id::Json => options.form = Form::Json,
            Id::Raw => options.form = Form::Raw,
            Id::Task => options.selection = Selection::Task(pid(&value)?),
            Id::Persistent => options.selection = Selection::Persistent,
            Id::Output => options.columns = Some(value),
            Id::OutputAll => options.all_columns = true,
            Id::NoTruncate => options.truncate = false,
            Id::NoHeadings => options.headings = false,
            Id::NoWrap => options.wrap = false,
            Id::List => {}
            Id::Type => options.kinds = options.kinds.with(kind(&value)?),
            Id::Tree if !given => tree = Tree::Owner,
            Id::Tree => tree = related(&value)?,
            Id::Filter => options.filter = filter(&value)?,
            Id::ListColumns => options.list_columns = true,
        }
    }
    let has = |id| seen.contains(&id);
    // All columns of all namespaces are a list unless a tree is asked for.
    let list = has(Id::List) || (has(Id::OutputAll) && !has(Id::Tree) && operand.is_none());
    options.tree = (!list).then_some(tree);
    if let Some(word) = operand.filter(|_| !options.list_columns) {
        if matches!(options.selection, Selection::Task(_)) {
            return Err(UsageError::TaskOfNamespace);
        }
        options.selection = Selection::Namespace(namespace(&word)?);
    }
    Ok(Request::List(options))
}

/// The earlier of two is named first.
fn refuse_both(id: Id, seen: &[Id]) -> Result<(), UsageError> {
    for (one, other) in EXCLUSIVE {
        for (now, before) in [(one, other), (other, one)] {
            if id == now && seen.contains(&before) {
                return Err(UsageError::Exclusive(name(before), name(now)));
            }
        }
    }
    Ok(())
}

fn name(id: Id) -> &'static str {
    TABLE.iter().find(|option| option.id == id).map_or("", |option| option.long)
}

fn kind(value: &OsStr) -> Result<Kind, UsageError> {
    let known = Kind::ALL.into_iter().find(|kind| value == kind.name());
    known.ok_or_else(|| UsageError::Kind(Text::new(value.as_bytes())))
}

/// A sign of equality before it is none of it: `-T=parent`.
fn related(value: &OsStr) -> Result<Tree, UsageError> {
    let bytes = value.as_bytes();
    match bytes.strip_prefix(b"=").unwrap_or(bytes) {
        b"parent" => Ok(Tree::Parent),
        b"owner" => Ok(Tree::Owner),
        b"process" => Ok(Tree::Process),
        other => Err(UsageError::Tree(Text::new(other))),
    }
}

fn filter(value: &OsStr) -> Result<Option<String>, UsageError> {
    let text = value.to_str().ok_or_else(|| UsageError::Filter(Text::new(value.as_bytes())))?;
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Positive, and no more than an int holds.
fn pid(value: &OsStr) -> Result<u32, UsageError> {
    let text = || Text::new(value.as_bytes());
    let number = match number(value) {
        Number::None => return Err(UsageError::Pid(text())),
        Number::OutOfRange => None,
        Number::Is(number) => i32::try_from(number).ok().filter(|number| *number > 0),
    };
    number.map(i32::cast_unsigned).ok_or_else(|| UsageError::PidRange(text()))
}

fn namespace(value: &OsStr) -> Result<u64, UsageError> {
    let text = || Text::new(value.as_bytes());
    match number(value) {
        Number::None => Err(UsageError::Namespace(text())),
        Number::OutOfRange => Err(UsageError::NamespaceRange(text())),
        Number::Is(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options, String> {
        match parse(words.iter().map(OsString::from).collect(), false) {
            Ok(Request::List(options)) => Ok(options),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    fn refused(words: &[&str]) -> String {
        parsed(words).unwrap_err()
    }

    #[test]
    fn what_is_not_said_is_lsns_s_default() {
        let options = parsed(&[]).unwrap();
        let expected = Options {
            tree: Some(Tree::Process),
            headings: true,
            truncate: true,
            wrap: true,
            ..Options::default()
        };
        assert_eq!(options, expected);
        assert!(options.kinds.is_empty());
    }

    #[test]
    fn trees_and_lists() {
        for (words, expected) in [
            (&["-T"][..], Some(Tree::Owner)),
            (&["--tree"], Some(Tree::Owner)),
            (&["-Tparent"], Some(Tree::Parent)),
            (&["-T=parent"], Some(Tree::Parent)),
            (&["--tree=process"], Some(Tree::Process)),
            (&["-Towner", "-Tparent"], Some(Tree::Parent)),
            (&["-l"], None),
            (&["--output-all"], None),
            (&["--output-all", "-Tprocess"], Some(Tree::Process)),
            (&["--output-all", "7"], Some(Tree::Process)),
        ] {
            assert_eq!(parsed(words).unwrap().tree, expected, "{words:?}");
        }
        assert_eq!(refused(&["-T", "parent"]), "invalid namespace argument: 'parent'");
        assert_eq!(refused(&["-Tpar"]), "unknown tree type: par");
        assert_eq!(refused(&["--tree="]), "unknown tree type: ");
    }

    #[test]
    fn what_to_list() {
        let selection = |words: &[&str]| parsed(words).unwrap().selection;
        assert_eq!(selection(&["-p", "42"]), Selection::Task(42));
        assert_eq!(selection(&["-p", " +042"]), Selection::Task(42));
        assert_eq!(selection(&["-p", "1", "-p", "2"]), Selection::Task(2));
        assert_eq!(selection(&["-P"]), Selection::Persistent);
        assert_eq!(selection(&["-P", "7", "8"]), Selection::Namespace(7));
        let kinds = parsed(&["-t", "net", "-tmnt", "--type=net"]).unwrap().kinds;
        assert_eq!(kinds, [Kind::Net, Kind::Mnt].into_iter().collect());
        assert_eq!(parsed(&["-Q", ""]).unwrap().filter, None);
    }

    #[test]
    fn what_is_wrong_is_said_in_lsns_s_words() {
        for (words, expected) in [
            (&["-p", "x"][..], "invalid PID argument: 'x'"),
            (&["-p", "1 "], "invalid PID argument: '1 '"),
            (&["-p", "0"], "invalid PID argument: '0': Numerical result out of range"),
            (&["-p", "-1"], "invalid PID argument: '-1': Numerical result out of range"),
            (
                &["-p", "2147483648"],
                "invalid PID argument: '2147483648': Numerical result out of range",
            ),
            (&["--task="], "invalid PID argument: ''"),
            (&["-t", "NET"], "unknown namespace type: NET"),
            (&["-t", "net,mnt"], "unknown namespace type: net,mnt"),
            (&["abc"], "invalid namespace argument: 'abc'"),
            (&[""], "invalid namespace argument: ''"),
            (&["0xf"], "invalid namespace argument: '0xf'"),
            (
                &["18446744073709551616"],
                "invalid namespace argument: '18446744073709551616': Numerical result out of range",
            ),
            (&["-J", "-r"], "options --json and --raw cannot be combined"),
            (&["-rJ"], "options --raw and --json cannot be combined"),
            (&["-p1", "-P"], "options --task and --persistent cannot be combined"),
            (&["-T", "-l"], "options --tree and --list cannot be combined"),
            (&["-p", "1", "abc"], "--task is mutually exclusive with <namespace>"),
            (&["-p", "0", "-t", "x"], "invalid PID argument: '0': Numerical result out of range"),
            (&["--x"], "unrecognized option '--x'\nTry 'lsns --help' for more information."),
            (
                &["--li"],
                "option '--li' is ambiguous; possibilities: '--list' '--list-columns'\n\
              Try 'lsns --help' for more information.",
            ),
            (
                &["--no"],
                "option '--no' is ambiguous; possibilities: '--notruncate' \
              '--noheadings' '--nowrap'\nTry 'lsns --help' for more information.",
            ),
            (
                &["--t"],
                "option '--t' is ambiguous; possibilities: '--task' '--type' '--tree'\n\
              Try 'lsns --help' for more information.",
            ),
            (&["-t", "\u{1b}"], "unknown namespace type: \\x1b"),
        ] {
            assert_eq!(refused(words), expected, "{words:?}");
        }
    }

    #[test]
    fn help_and_version_come_at_once() {
        assert_eq!(refused(&["-h", "-p0"]), "Help");
        assert_eq!(refused(&["-nV", "--nope"]), "Version");
        assert!(refused(&["-p0", "-h"]).starts_with("invalid PID"));
        assert!(parsed(&["-H", "abc"]).unwrap().list_columns);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(words: Vec<Vec<u8>>) {
            use std::os::unix::ffi::OsStringExt;
            let _ = parse(words.into_iter().map(OsString::from_vec).collect(), false);
        }
    }
}
