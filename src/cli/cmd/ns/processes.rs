//! `nsx ns INODE`: the processes in one namespace.

use super::Args;
use super::choice::Meant;
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{Failure, Kind};
use crate::cli::list::List;
use crate::cli::output;
use crate::collect::namespaces::{Describe, Wants, collect_census, host_users};
use crate::model::census::{Census, Member, Namespace};
use crate::model::gap;
use crate::render::branches::grow;
use crate::render::ns::Row;
use crate::render::ns_json::JsonRow;
use crate::render::ns_process::{self, JsonProcess};
use crate::sys::passwd::Users;
use crate::sys::root::SysRoot;

pub(super) fn run(
    context: &Context,
    args: &Args,
    root: &SysRoot,
    Meant { inode, kind }: Meant,
) -> Result<u8, Failure> {
    let wants = Wants {
        describe: Describe::In(inode),
        parents: true,
        users: true,
        holders: args.all || args.sockets,
        sockets: args.sockets,
        threads: args.threads,
        ..Wants::default()
    };
    let mut census = collect_census(root, wants)?;
    if census.find(inode).is_none() && !wants.holders {
        // One that no process is in can still be there.
        census = collect_census(root, Wants { holders: true, ..wants })?;
    }
    let Some(namespace) = census.find(inode).cloned() else {
        let what = format!("no namespace with the inode {inode} can be seen");
        let failure = Failure::new(Kind::NotFound, what);
        return Err(failure.hint("`nsx ns --all --threads --sockets` lists all that can be seen"));
    };
    let is_meant = kind.is_none_or(|kind| namespace.kind == kind)
        && (args.types.is_empty() || args.types.contains(&namespace.kind));
    if !is_meant {
        let what = format!("{inode} is a {} namespace", namespace.kind);
        return Err(Failure::new(Kind::NotFound, what));
    }
    if !namespace.of_host {
        census.gaps.retain(|gap| !gap.is_of_init());
    }
    let (users, gap) = host_users(root);
    if let Some(gap) = gap.filter(|gap| !census.gaps.contains(gap)) {
        census.gaps.push(gap);
    }
    let rows = rows(&users, &census, &namespace);
    let row = Row::new(&namespace, &census.gaps);
    let is_json = matches!(args.output.format(), Format::Json | Format::Jsonl);
    if is_json {
        let list = List {
            rows: std::slice::from_ref(&row),
            columns: &crate::render::ns::columns(),
            default: &crate::render::ns::DEFAULT,
            schema: "nsx.ns/1",
            names: crate::render::ns::names,
            gaps: &census.gaps,
        };
        list.print(context, &args.output, root, |row| JsonRow {
            processes: Some(rows.iter().map(JsonProcess::from).collect()),
            ..JsonRow::from(row)
        })?;
    } else {
        let list = List {
            rows: &rows,
            columns: &ns_process::COLUMNS,
            default: &ns_process::DEFAULT,
            schema: "nsx.ns/1",
            names: ns_process::names,
            gaps: &census.gaps,
        };
        list.print(context, &args.output, root, JsonProcess::from)?;
    }
    let code = args.output.finish(context, &census.gaps);
    if row.processes == 0 {
        let holders = crate::render::ns::holders(&row);
        let kept = holders.map_or_else(String::new, |holders| format!("; kept by {holders}"));
        let is_unsure = gap::leave_members_open(&census.gaps);
        let whom = if is_unsure { "no process that can be seen" } else { "no process" };
        output::say(&context.program, &format!("{whom} is in {}:[{inode}]{kept}", row.kind));
    }
    Ok(code)
}

/// Each below its parent, where that is in the namespace too.
fn rows(users: &Users, census: &Census, namespace: &Namespace) -> Vec<ns_process::Row> {
    let is_in = |member: &&Member| member.namespaces.inode(namespace.kind) == Some(namespace.inode);
    let members: Vec<&Member> = census.members.iter().filter(is_in).collect();
    let place = |pid| members.binary_search_by_key(&pid, |member| member.occupant.pid).ok();
    let parent = |at: usize| {
        let member = members.get(at)?;
        member.occupant.parent.known().copied().flatten().and_then(place)
    };
    let twigs = grow(members.len(), parent).into_iter();
    let rows = twigs.filter_map(|twig| {
        let member: Member = (*members.get(twig.at)?).clone();
        let user = users.name(member.occupant.uid).cloned();
        Some(ns_process::Row { member, user, branch: twig.branch })
    });
    rows.collect()
}
