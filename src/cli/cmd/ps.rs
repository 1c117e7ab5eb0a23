//! `nsx ps`: every container and isolated process group of the host.

use crate::cli::args::{self, Format, Output};
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::Failure;
use crate::cli::list::List;
use crate::cli::output;
use crate::collect::containers::{Extent, collect_and_look};
use crate::collect::{clock::Clock, details::add_details, target, usage::add_usage};
use crate::model::container::Container;
use crate::model::runtime::Runtime;
use crate::model::targets::Targets;
use crate::render::filter::Filter;
use crate::render::{ps, sandboxed};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

mod orphans;

/// As it is entered in the list of commands.
pub const COMMAND: Command = Command { name: "ps", run };

/// List every container and isolated process group of this host; no daemon is asked.
#[derive(Debug, clap::Parser)]
#[command(name = "ps", version)]
struct Args {
    /// Only these containers, or those that hold these: see nsx(7).
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
    /// Leftovers instead: namespaces, stale state, shims.
    #[arg(long, conflicts_with_all = ["targets", "units", "all", "usage"])]
    orphans: bool,
    /// Only rows that match: 'state == "paused" or procs > 10'.
    #[arg(short = 'Q', long, value_name = "EXPR", conflicts_with = "orphans")]
    filter: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Long enough for a number that means something, short enough not to be waited for.
const INTERVAL: Duration = Duration::from_millis(200);

/// For manual, completions and help.
pub fn definition() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// Of `-o json`, with and without `--orphans`.
#[cfg(feature = "schema")]
pub fn schemas() -> [(&'static str, schemars::Schema); 2] {
    use crate::model::orphan::Orphan;
    use crate::render::json::Envelope;
    [
        ("nsx.ps.1", schemars::schema_for!(Envelope<'_, Vec<ps::JsonRow<'_>>>)),
        ("nsx.orphans.1", schemars::schema_for!(Envelope<'_, Vec<Orphan>>)),
    ]
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let args: Args = match args::parse(context, arguments)? {
        Ok(args) => args,
        Err(code) => return Ok(code),
    };
    if args.orphans {
        return orphans::run(context, &args.output);
    }
    let filter = args.filter.as_deref().map(|text| Filter::over(text, &ps::COLUMNS)).transpose();
    let filter = filter.map_err(Failure::usage)?;
    let root = args.output.root(context)?;
    let extent = if args.all { Extent::Recorded } else { Extent::Isolated };
    let (mut containers, mut ahead) = collect_and_look(&root, extent)?;
    // Of those too that are not shown.
    let is_named = args.output.format() == Format::Name;
    let targets = if is_named { Targets::of(&containers.list) } else { Targets::default() };
    if args.targets.is_empty() {
        containers.list.retain(|container| args.units || container.runtime != Runtime::Systemd);
    } else {
        let mut wanted = Vec::new();
        for spelled in &args.targets {
            let found = target::containers_of(&root, &containers, spelled.as_bytes());
            let found =
                found.map_err(|error| target::by_record(&root, spelled.as_bytes(), error))?;
            wanted.extend(found.into_iter().map(Container::identity));
        }
        containers.list.retain(|container| wanted.contains(&container.identity()));
    }
    let clock = Clock::read(&root);
    containers.gaps.extend(add_details(&root, &clock, &mut containers.list, &mut ahead));
    if args.usage || ps::ask_for_usage(args.output.columns.as_deref(), filter.as_ref()) {
        let interval = args.interval.unwrap_or(INTERVAL);
        containers.gaps.extend(add_usage(&root, &mut containers.list, interval));
    }
    if let Some(filter) = filter {
        containers.list.retain(|container| filter.keeps(&ps::COLUMNS, container));
    }
    root.reach().complete(&mut containers.gaps);
    let format = args.output.format();
    let width = args.output.width(context);
    let list = List {
        rows: &containers.list,
        columns: &ps::COLUMNS,
        default: &ps::default_columns(&containers.list, format == Format::Wide, args.usage, width),
        schema: "nsx.ps/1",
        names: |list: &[Container]| ps::names(list, &targets),
        gaps: &containers.gaps,
    };
    list.print(context, &args.output, &root, ps::JsonRow::from)?;
    let code = args.output.finish(context, &containers.gaps);
    output::note(&context.program, sandboxed::of_list(&containers.list));
    Ok(code)
}
