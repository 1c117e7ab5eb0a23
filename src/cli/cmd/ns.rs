//! `nsx ns`: every namespace of the host.

use crate::cli::args::{self, Output};
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::{Failure, Kind, right_to_look};
use crate::cli::list::List;
use crate::cli::output;
use crate::collect::namespaces::collect_census;
use crate::collect::target::{self, PinnedProcess};
use crate::model::census::{Census, Relation};
use crate::model::namespace::{self, NsSet};
use crate::render::filter::Filter;
use crate::render::ns::{self, Row};
use crate::render::{ns_json, ns_tree};
use crate::sys::root::SysRoot;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

mod choice;
mod processes;

/// As it is entered in the list of commands.
pub const COMMAND: Command = Command { name: "ns", run };

/// List the namespaces of this host, who is in them, and what keeps them alive.
#[derive(Debug, clap::Parser)]
#[command(name = "ns", version)]
struct Args {
    /// Only the processes in this one, as a tree.
    #[arg(value_name = "INODE", value_parser = choice::meant)]
    inode: Option<choice::Meant>,
    /// Only those of a PID, a container or another TARGET.
    #[arg(short = 'p', long, value_name = "TARGET", conflicts_with = "inode")]
    task: Option<OsString>,
    /// mnt, uts, ipc, net, pid, cgroup, user, time; repeatable.
    #[arg(short = 't', long = "type", value_name = "TYPE", value_parser = choice::kind)]
    types: Vec<namespace::Kind>,
    /// Those too that something else than a process keeps.
    #[arg(short, long)]
    all: bool,
    /// Only those that no process is in.
    #[arg(short = 'P', long, conflicts_with_all = ["inode", "task"])]
    persistent: bool,
    /// Look for sockets that keep a network namespace alive, too.
    #[arg(long)]
    sockets: bool,
    /// Look for threads elsewhere than their process, too.
    #[arg(long)]
    threads: bool,
    /// As a tree by: owner, parent, process.
    #[arg(short = 'T', long, value_name = "BY", value_parser = choice::relation, conflicts_with = "inode")]
    tree: Option<Relation>,
    /// Only rows that match: 'type == "net" and nprocs == 0'.
    #[arg(short = 'Q', long, value_name = "EXPR", conflicts_with = "inode")]
    filter: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// For manual, completions and help.
pub fn definition() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// Of `-o json`: nsx.ns.1.
#[cfg(feature = "schema")]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(crate::render::json::Envelope<'_, Vec<ns_json::JsonRow<'_>>>)
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let args: Args = match args::parse(context, arguments)? {
        Ok(args) => args,
        Err(code) => return Ok(code),
    };
    let columns = ns::columns();
    let filter = args.filter.as_deref().map(|text| Filter::over(text, &columns)).transpose();
    let filter = filter.map_err(Failure::usage)?;
    let root = args.output.root(context)?;
    if let Some(meant) = args.inode {
        return processes::run(context, &args, &root, meant);
    }
    let task = args.task.as_ref().map(|spelled| task(&root, spelled)).transpose()?;
    let of_task = task.as_ref().map(|task| task.process.namespaces);
    let Census { namespaces, mut gaps, .. } = collect_census(&root, choice::wants(&args)?)?;
    if let Some(task) = &task {
        task.handle.check_running()?;
    }
    let is_kept = |row: &Row<'_>| {
        (args.types.is_empty() || args.types.contains(&row.kind))
            && of_task.is_none_or(|own| own.inode(row.kind) == Some(row.inode))
            && !(args.persistent && row.processes > 0)
            && filter.as_ref().is_none_or(|filter| filter.keeps(&ns::columns(), row))
    };
    let mut rows: Vec<Row<'_>> = namespaces.iter().map(|one| Row::new(one, &gaps)).collect();
    match args.tree {
        Some(relation) => rows = ns_tree::hang(rows, relation, is_kept),
        None => rows.retain(is_kept),
    }
    if !rows.iter().any(|row| row.of_host) {
        gaps.retain(|gap| !gap.is_of_init());
    }
    let list = List {
        rows: &rows,
        columns: &columns,
        default: choice::columns(&args),
        schema: "nsx.ns/1",
        names: ns::names,
        gaps: &gaps,
    };
    list.print(context, &args.output, &root, ns_json::JsonRow::from)?;
    let code = args.output.finish(context, &gaps);
    if args.persistent && rows.iter().any(|row| row.is_open) {
        output::say(
            &context.program,
            "processes that are not seen may be in those that are listed",
        );
    }
    Ok(code)
}

fn task(root: &SysRoot, spelled: &OsString) -> Result<PinnedProcess, Failure> {
    let target = target::resolve_process(root, spelled.as_bytes())?;
    if target.process.namespaces == NsSet::default() {
        let pid = target.process.pid;
        let failure =
            Failure::new(Kind::Denied, format!("cannot read the namespaces of pid {pid}"));
        return Err(failure.hint(right_to_look("")));
    }
    Ok(target)
}
