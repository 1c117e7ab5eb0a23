//! `nsx ns`: every namespace of the host.

use crate::cli::args::{self, Format, Output};
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::{Failure, Kind};
use crate::collect::host::collect_host;
use crate::collect::namespaces::{Wants, collect_census};
use crate::model::census::{Census, Namespace};
use crate::model::namespace;
use crate::render::column::{self, Column};
use crate::render::{json, ns, ns_json, table};
use crate::sys::root::SysRoot;
use std::ffi::OsString;

pub const COMMAND: Command = Command { name: "ns", run };

/// List the namespaces of this host and who is in them.
#[derive(Debug, clap::Parser)]
#[command(name = "ns", version)]
struct Args {
    /// Only this type: mnt, uts, ipc, net, pid, cgroup, user or time; may be repeated.
    #[arg(short = 't', long = "type", value_name = "TYPE", value_parser = kind)]
    types: Vec<namespace::Kind>,
    #[command(flatten)]
    output: Output,
}

pub fn definition() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

#[cfg(feature = "schema")]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(json::Envelope<'_, Vec<ns_json::JsonRow<'_>>>)
}

fn kind(name: &str) -> Result<namespace::Kind, String> {
    let known = namespace::Kind::ALL.into_iter().find(|kind| kind.name() == name);
    known.ok_or_else(|| {
        let names: Vec<_> = namespace::Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("there are {}", names.join(", "))
    })
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let args: Args = match args::parse(context, arguments)? {
        Ok(args) => args,
        Err(code) => return Ok(code),
    };
    let columns = columns(&args)?;
    let root = args.output.root()?;
    let mut census = collect_census(&root, wants(&columns))?;
    census.keep(|namespace| args.types.is_empty() || args.types.contains(&namespace.kind));
    let text = print(context, &args.output, &root, &census, &columns)?;
    args.output.finish(context, &text, &census.gaps)
}

fn columns(args: &Args) -> Result<Vec<&'static Column<Namespace>>, Failure> {
    let default: &[&str] = match (args.output.format(), args.types.as_slice()) {
        (Format::Wide, _) => &ns::WIDE,
        (_, [namespace::Kind::Net]) => &ns::OF_NETWORKS,
        _ => &ns::DEFAULT,
    };
    column::choose(&ns::COLUMNS, default, args.output.columns.as_deref()).map_err(Failure::usage)
}

/// What has to be looked for, so that these columns can be shown.
fn wants(columns: &[&Column<Namespace>]) -> Wants {
    let has = |key| columns.iter().any(|column| column.key == key);
    Wants {
        users: has("user") || has("uid"),
        parents: has("ppid"),
        threads: has("threads"),
        holders: has("holders"),
        ..Wants::default()
    }
}

fn print(
    context: &Context,
    output: &Output,
    root: &SysRoot,
    census: &Census,
    columns: &[&Column<Namespace>],
) -> Result<String, Failure> {
    let layout = output.layout(context);
    let internal = |error| Failure::new(Kind::Internal, format!("cannot write JSON: {error}"));
    let rows = || census.namespaces.iter().map(ns_json::JsonRow::from);
    Ok(match output.format() {
        Format::Table | Format::Wide => table::table(&census.namespaces, columns, layout),
        Format::Tsv => table::tsv(&census.namespaces, columns, layout.headings, layout.style),
        Format::Name => census.namespaces.iter().map(|one| one.inode.to_string() + "\n").collect(),
        Format::Jsonl => {
            rows().map(|row| json::line(&row)).collect::<Result<_, _>>().map_err(internal)?
        }
        Format::Json => {
            let host = &collect_host(root);
            let data: Vec<_> = rows().collect();
            json::line(&json::Envelope { schema: "nsx.ns/1", host, data, gaps: &census.gaps })
                .map_err(internal)?
        }
    })
}
