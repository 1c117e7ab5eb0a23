//! The personality `lsns`: the options, columns, trees and exit codes of lsns(8), util-linux 2.42.
//!
//! What differs does so on purpose: what could not be seen is said on standard error, a process
//! that is not there is an error, the owner of a namespace without processes is not made up, and
//! hostile names are escaped as everywhere in nsx.

mod columns;
mod forest;
pub mod options;

use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::{Failure, Kind};
use crate::cli::output;
use crate::collect::namespaces::{Describe, Wants, collect_census, host_users};
use crate::collect::{scan, target};
use crate::model::census::Census;
use crate::model::gap::Gap;
use crate::model::namespace::NsSet;
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::render::filter::{Filter, FilterError, Holder};
use crate::render::smartcols::{self, Cell, Json, Layout, Row, Sheet};
use crate::sys::passwd::Users;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::root::SysRoot;
use columns::Key;
use forest::Placed;
use nix::errno::Errno;
use options::{Form, Options, Request, Selection, Tree};
use std::ffi::OsString;

/// As it is entered in the list of personalities.
pub const COMMAND: Command = Command { name: "lsns", run };

const HELP: &str = include_str!("../help/lsns.txt");
const VERSION: &str =
    concat!("lsns from nsx ", env!("CARGO_PKG_VERSION"), ", as in util-linux 2.42\n");

/// Every failure is 1, as lsns has it, and a message alone.
fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    list(context, arguments).map_err(|failure| failed(failure.message))
}

fn failed(message: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Failed, message)
}

fn list(context: &Context, mut arguments: Vec<OsString>) -> Result<u8, Failure> {
    crate::sys::rlimits::allow_descriptors();
    let root = root(&mut arguments)?;
    let strict = context.variable("POSIXLY_CORRECT").is_some();
    let options = match options::parse(arguments, strict).map_err(failed)? {
        Request::Help => return output::write(HELP).map(|()| 0),
        Request::Version => return output::write(VERSION).map(|()| 0),
        Request::List(options) => options,
    };
    if options.list_columns {
        let options = Options { headings: false, ..options };
        return print(context, &options, &columns::list()).map(|()| 0);
    }
    let keys = columns::choose(&options).map_err(failed)?;
    let filter = options.filter.as_deref().map(read_filter).transpose()?;
    let root = &root;
    let task = match options.selection {
        Selection::Task(pid) => Some(namespaces_of(root, pid)?),
        _ => None,
    };
    let census = collect_census(root, wants(&options, &keys))?;
    let (users, _) = host_users(root);
    let placed = match options.selection {
        Selection::Namespace(inode) => {
            let missing = || failed(format!("not found namespace: {inode}"));
            let namespace = forest::find(&census, &options, inode).ok_or_else(missing)?;
            forest::of_processes(&census, namespace, options.tree.is_some())
        }
        _ => forest::of_namespaces(&census, &options, task.as_ref()),
    };
    let placed = match &filter {
        Some(filter) => {
            forest::filtered(placed, |line| filter.matches(&|at| line.shown(at, &users)))
        }
        None => placed,
    };
    print(context, &options, &sheet(&options, &keys, &placed, &users))?;
    let gaps = gaps(&census, &placed);
    if let Some(summary) = args::summary(&gaps, "nsx ns --all --json") {
        output::say(&context.program, &summary);
    }
    Ok(0)
}

/// `--sysroot DIR` in the first place: a directory to read instead of the running system.
fn root(arguments: &mut Vec<OsString>) -> Result<SysRoot, Failure> {
    if arguments.first().is_some_and(|first| first == "--sysroot")
        && let Some(directory) = arguments.get(1)
    {
        let root = SysRoot::fixture(std::path::Path::new(directory))?;
        arguments.drain(..2);
        return Ok(root);
    }
    Ok(SysRoot::real()?)
}

fn read_filter(expression: &str) -> Result<Filter, Failure> {
    let holder = |column: &columns::Definition| Holder { name: column.name, kind: column.kind };
    let holders: Vec<Holder<'_>> = columns::ALL.iter().map(holder).collect();
    Filter::parse(expression, &holders).map_err(|error| {
        let expression = Text::from(expression);
        failed(match error {
            FilterError::UnknownColumn { name, .. } => {
                format!("unknown column: {name}\nlsns: failed to initialize filter")
            }
            FilterError::Syntax(error) => {
                let expected = if error.after_all { ", expecting end of file" } else { "" };
                let class = error.class;
                format!(
                    "failed to parse {expression:?}: syntax error, unexpected {class}{expected}"
                )
            }
            FilterError::Pattern { reason, .. } => {
                format!("failed to parse {expression:?}: {reason}")
            }
            other => format!("failed to parse {expression:?}: {other}"),
        })
    })
}

/// Those of one process; an error where lsns would print nothing.
fn namespaces_of(root: &SysRoot, number: u32) -> Result<NsSet, Failure> {
    let missing = || failed(format!("cannot pin pid {number}: {}", Errno::ESRCH.desc()));
    let pid = Pid::new(number).ok_or_else(missing)?;
    let process = ProcessHandle::open(root, pid).map_err(|error| match error.errno() {
        Some(Errno::ENOENT | Errno::EINVAL) if target::is_thread(root, pid) => {
            failed(format!("pid {pid} is a thread of another process"))
        }
        Some(Errno::ENOENT | Errno::EINVAL) => missing(),
        _ => error.into(),
    })?;
    let read = scan::read_process_at(process.dir(), &mut scan::Reader::default());
    match read.map(|seen| seen.namespaces) {
        Ok(set) if set != NsSet::default() => Ok(set),
        read => {
            process.check_alive()?;
            // hidepid says that there is no such file.
            let errno = read.err().filter(|errno| *errno != Errno::ENOENT).unwrap_or(Errno::EACCES);
            Err(failed(format!("cannot read the namespaces of pid {number}: {}", errno.desc())))
        }
    }
}

/// What has to be looked for, so that these rows and columns can be shown.
fn wants(options: &Options, keys: &[Key]) -> Wants {
    let named = |key: Key| {
        keys.contains(&key)
            || options.filter.as_deref().is_some_and(|text| columns::names(key, text))
    };
    let describe = match options.selection {
        Selection::Namespace(inode) => Describe::In(inode),
        _ => Describe::First,
    };
    let by_kind = matches!(options.tree, Some(Tree::Parent | Tree::Owner));
    Wants {
        describe,
        users: true,
        parents: options.tree.is_some() || named(Key::Ppid),
        relations: by_kind || named(Key::Pns) || named(Key::Ons),
        ghosts: by_kind,
        net_ids: named(Key::Netnsid),
        holders: true,
        sockets: true,
        ..Wants::default()
    }
}

/// What is missing from these rows. What namespaces do not tell of themselves lsns leaves blank.
fn gaps(census: &Census, placed: &[Placed<'_>]) -> Vec<Gap> {
    const LEFT_BLANK: [&str; 4] = ["owner", "parent", "network number", "those without a process"];
    let with_host = placed.iter().any(|one| one.line.namespace.of_host);
    let concerns = |gap: &&Gap| !LEFT_BLANK.contains(&gap.what) && (with_host || !gap.is_of_init());
    census.gaps.iter().filter(concerns).cloned().collect()
}

fn sheet(options: &Options, keys: &[Key], placed: &[Placed<'_>], users: &Users) -> Sheet {
    let row = |one: &Placed<'_>| Row {
        cells: keys.iter().map(|key| one.line.cell(*key, users)).collect::<Vec<Cell>>(),
        parent: one.parent,
    };
    // The processes of a namespace are a tree of processes, whichever was asked for.
    let tree = match options.selection {
        Selection::Namespace(_) => options.tree.and(Some(Tree::Process)),
        _ => options.tree,
    };
    Sheet {
        name: "namespaces",
        columns: columns::layout(keys, tree),
        rows: placed.iter().map(row).collect(),
    }
}

fn print(context: &Context, options: &Options, sheet: &Sheet) -> Result<(), Failure> {
    let utf8 = context.utf8();
    let text = match options.form {
        Form::Raw => smartcols::raw(sheet, options.headings, utf8),
        Form::Table => {
            let width = context.width().filter(|_| options.truncate);
            let (headings, wrap) = (options.headings, options.wrap);
            smartcols::table(sheet, Layout { headings, width, wrap, utf8 })
        }
        Form::Json => {
            let form = match context.variable("LIBSMARTCOLS_JSON") {
                Some(form) if form == "compact" => Json::Compact,
                Some(form) if form == "lines" => Json::Lines,
                _ => Json::Pretty,
            };
            smartcols::json(sheet, form, options.wrap)
                .map_err(|error| failed(format!("cannot write JSON: {error}")))?
        }
    };
    output::write(&text)
}
