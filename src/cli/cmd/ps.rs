//! `nsx ps`: every container and isolated process group of the host.

use crate::cli::args::{self, Format, Output};
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::{Failure, Kind};
use crate::collect::containers::{collect_containers, collect_recorded_containers};
use crate::collect::{details::add_details, host::collect_host, target, usage::add_usage};
use crate::model::container::Container;
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::render::{column, json, ps, table};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

pub const COMMAND: Command = Command { name: "ps", run };

/// List every container and isolated process group of this host, whatever made it, asking no daemon.
#[derive(Debug, clap::Parser)]
#[command(name = "ps", version)]
struct Args {
    /// Only these containers: names, ids, id prefixes, PIDs in them.
    #[arg(value_name = "TARGET")]
    targets: Vec<OsString>,
    /// Services of systemd with namespaces of their own, too.
    #[arg(short, long)]
    units: bool,
    /// Those without a process, too: created, stopped, stale.
    #[arg(short, long)]
    all: bool,
    /// Memory, CPU and processes in use, beside their limits.
    #[arg(long)]
    usage: bool,
    /// How long --usage watches the CPU: 2s, 500ms.
    #[arg(long, value_name = "TIME", value_parser = args::duration, requires = "usage")]
    interval: Option<Duration>,
    #[command(flatten)]
    output: Output,
}

/// Long enough for a number that means something, short enough not to be waited for.
const INTERVAL: Duration = Duration::from_millis(200);

pub fn definition() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

#[cfg(feature = "schema")]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(json::Envelope<'_, Vec<ps::JsonRow<'_>>>)
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let args: Args = match args::parse(context, arguments)? {
        Ok(args) => args,
        Err(code) => return Ok(code),
    };
    let root = args.output.root()?;
    let mut containers =
        if args.all { collect_recorded_containers(&root)? } else { collect_containers(&root)? };
    if args.targets.is_empty() {
        containers.list.retain(|container| args.units || container.runtime != Runtime::Systemd);
    } else {
        let mut wanted = Vec::new();
        for spelled in &args.targets {
            // A pid names the container that it is in.
            let pid = Pid::parse(spelled.as_bytes());
            let owner = pid.and_then(|pid| containers.owner_of(pid));
            let found = match owner {
                Some(found) => found,
                None => target::find(&containers, spelled.as_bytes())?,
            };
            wanted.push((found.init.as_ref().map(|init| init.pid), found.id.clone()));
        }
        containers.list.retain(|container| {
            let pid = container.init.as_ref().map(|init| init.pid);
            wanted.iter().any(|(wanted, id)| *wanted == pid && *id == container.id)
        });
    }
    add_details(&root, &mut containers.list);
    if args.usage {
        let interval = args.interval.unwrap_or(INTERVAL);
        containers.gaps.extend(add_usage(&root, &mut containers.list, interval));
    }
    let text = print(context, &args, &root, &containers.list, &containers.gaps)?;
    args.output.finish(context, &text, &containers.gaps)
}

fn print(
    context: &Context,
    args: &Args,
    root: &crate::sys::root::SysRoot,
    list: &[Container],
    gaps: &[crate::model::gap::Gap],
) -> Result<String, Failure> {
    let output = &args.output;
    let layout = output.layout(context);
    let internal = |error| Failure::new(Kind::Internal, format!("cannot write JSON: {error}"));
    let rows = || list.iter().map(ps::JsonRow::from);
    let default = ps::default_columns(output.format() == Format::Wide, args.usage);
    let columns = column::choose(&ps::COLUMNS, &default, output.columns.as_deref())
        .map_err(Failure::usage)?;
    Ok(match output.format() {
        Format::Table | Format::Wide => table::table(list, &columns, layout),
        Format::Tsv => table::tsv(list, &columns, layout.headings, layout.style),
        Format::Name => list.iter().map(|container| ps::name(container) + "\n").collect(),
        Format::Jsonl => {
            rows().map(|row| json::line(&row)).collect::<Result<_, _>>().map_err(internal)?
        }
        Format::Json => {
            let host = &collect_host(root);
            let data: Vec<_> = rows().collect();
            json::line(&json::Envelope { schema: "nsx.ps/1", host, data, gaps })
                .map_err(internal)?
        }
    })
}
