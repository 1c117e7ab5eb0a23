//! `nsx pid`: what a process is called in another pid namespace.

mod answer;

use crate::cli::args::{self, Format, Output};
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::Failure;
use crate::cli::output;
use crate::collect::host::collect_host;
use crate::collect::pids::unseen;
use crate::model::gap::Gap;
use crate::render::{json, pids};
use std::ffi::OsString;

/// As it is entered in the list of commands.
pub const COMMAND: Command = Command { name: "pid", run };

/// Translate PIDs between the host and what is inside.
#[derive(Debug, clap::Parser)]
#[command(name = "pid", version)]
struct Args {
    /// A container or process; alone, the answer is the PID of its first.
    #[arg(value_name = "TARGET", required_unless_present_any = ["inside", "from"])]
    target: Option<OsString>,
    /// A process or thread by its number inside TARGET, or in --from.
    #[arg(value_name = "N")]
    number: Option<OsString>,
    /// The other way: its numbers in each pid namespace.
    #[arg(long, value_name = "PID", conflicts_with_all = ["target", "number", "from", "to", "all"])]
    inside: Option<OsString>,
    /// From which target's numbers N is translated.
    #[arg(long, value_name = "TARGET", requires = "to", conflicts_with = "all")]
    from: Option<OsString>,
    /// To which target's.
    #[arg(long, value_name = "TARGET", requires = "from")]
    to: Option<OsString>,
    /// All processes inside TARGET, with all their numbers.
    #[arg(long, conflicts_with = "number")]
    all: bool,
    #[command(flatten)]
    output: Output,
}

/// For manual, completions and help.
pub fn definition() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// Of `-o json`: nsx.pid.1.
#[cfg(feature = "schema")]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(json::Envelope<'_, Vec<pids::JsonRow<'_>>>)
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let args: Args = match args::parse(context, arguments)? {
        Ok(args) => args,
        Err(code) => return Ok(code),
    };
    args.output.refuse_columns("pid")?;
    let root = args.output.root(context)?;
    let (chains, is_list, shown) = answer::answer(&root, &args)?;
    let mut gaps: Vec<Gap> = chains.iter().filter_map(unseen).collect();
    root.reach().complete(&mut gaps);
    match args.output.format() {
        Format::Json | Format::Jsonl => {
            let rows: Vec<_> = chains.iter().map(|chain| pids::JsonRow { chain, shown }).collect();
            let (host, data, gaps) = (&collect_host(&root), &rows, &gaps[..]);
            output::write_json([json::Envelope { schema: "nsx.pid/1", host, data, gaps }])?;
        }
        Format::Table | Format::Wide if is_list => output::write(&pids::table(&chains))?,
        Format::Tsv => return Err(Failure::usage("pid has no columns: use -o json")),
        _ => {
            let one = shown.map(|number| format!("{number}\n"));
            output::write(&one.unwrap_or_else(|| pids::numbers(&chains)))?;
        }
    }
    Ok(args.output.finish(context, &gaps))
}
