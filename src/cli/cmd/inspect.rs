//! `nsx inspect`: everything about one process or container.

use crate::cli::args::{self, Format, Output};
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::Failure;
use crate::cli::output;
use crate::collect::host::collect_host;
use crate::collect::inspect::inspect;
use crate::collect::target::{self, Target};
use crate::model::gap::Gap;
use crate::model::inspection::Section;
use crate::render::inspect::{Detail, screen};
use crate::render::inspect_json::JsonInspection;
use crate::render::{json, sandboxed};
use crate::sys::root::SysRoot;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

mod vacant;
mod wish;

/// As it is entered in the list of commands.
pub const COMMAND: Command = Command { name: "inspect", run };

/// Show everything about one process or container.
#[derive(Debug, clap::Parser)]
#[command(name = "inspect", version)]
struct Args {
    /// A PID, a container's name, id or RUNTIME:NAME; more in nsx(7).
    #[arg(value_name = "TARGET")]
    target: OsString,
    /// Only these sections, in full: identity, namespaces,
    /// uts, net, mounts, cgroup, security, limits, processes
    #[arg(long, verbatim_doc_comment, value_name = "LIST", value_delimiter = ',', conflicts_with = "skip", value_parser = wish::section)]
    only: Vec<Section>,
    /// All sections but these.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = wish::section)]
    skip: Vec<Section>,
    /// Watch the CPU for this long: 2s, 500ms.
    #[arg(long, value_name = "TIME", value_parser = args::duration)]
    interval: Option<Duration>,
    /// Ask every mounted file system how full it is.
    #[arg(long)]
    usage: bool,
    /// What its seccomp filters do (root); stops it a moment.
    #[arg(long)]
    seccomp: bool,
    #[command(flatten)]
    output: Output,
}

/// For manual, completions and help.
pub fn definition() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// Of `-o json`: nsx.inspect.1.
#[cfg(feature = "schema")]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(json::Envelope<'_, JsonInspection<'_>>)
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let args: Args = match args::parse(context, arguments)? {
        Ok(args) => args,
        Err(code) => return Ok(code),
    };
    args.output.refuse_cells("inspect")?;
    let wish = wish::of(&args)?;
    let root = args.output.root(context)?;
    let target = match target::resolve_occupied(&root, args.target.as_bytes())? {
        Target::Process(process) => *process,
        Target::Namespace(held) => return vacant::run(context, &args, &root, held, &wish),
    };
    let (report, gaps) = inspect(&root, &target, &wish)?;
    let note = sandboxed::of_one(&target.label(), report.container.as_ref());
    output::note(&context.program, note);
    match args.output.format() {
        Format::Json | Format::Jsonl => in_json(&root, JsonInspection::from(&report), &gaps)?,
        Format::Name => output::write(&format!("{}\n", report.pid))?,
        Format::Tsv => return Err(no_columns()),
        _ => output::write(&screen(&report, detail(context, &args)))?,
    }
    Ok(args.output.finish(context, &gaps))
}

fn in_json(root: &SysRoot, data: JsonInspection<'_>, gaps: &[Gap]) -> Result<(), Failure> {
    let host = &collect_host(root);
    output::write_json([json::Envelope { schema: "nsx.inspect/1", host, data, gaps }])
}

fn no_columns() -> Failure {
    Failure::usage("inspect has no columns: use -o json")
}

fn detail(context: &Context, args: &Args) -> Detail {
    let wide = args.output.format() == Format::Wide;
    let everything = wide || !args.only.is_empty();
    let (width, emphasis) = (args.output.width(context), args.output.colour(context));
    Detail { everything, wide, width, emphasis }
}
