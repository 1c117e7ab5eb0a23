//! `nsx pid`: what a process is called in another pid namespace.

use crate::cli::args::{self, Format, Output};
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::{Failure, Kind};
use crate::cli::output;
use crate::collect::host::collect_host;
use crate::collect::pids::{Inside, chain, chain_of, unseen};
use crate::collect::target::{self, TargetError};
use crate::model::gap::{Gap, Reason};
use crate::model::pid_chain::PidChain;
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::render::{json, pids};
use crate::sys::root::SysRoot;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

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
    schemars::schema_for!(json::Envelope<'_, Vec<PidChain>>)
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let args: Args = match args::parse(context, arguments)? {
        Ok(args) => args,
        Err(code) => return Ok(code),
    };
    args.output.refuse_columns("pid")?;
    let root = args.output.root(context)?;
    let (chains, is_list, shown) = answer(&root, &args)?;
    let mut gaps: Vec<Gap> = chains.iter().filter_map(unseen).collect();
    root.reach().complete(&mut gaps);
    match args.output.format() {
        Format::Json | Format::Jsonl => {
            let (host, data, gaps) = (&collect_host(&root), &chains, &gaps[..]);
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

/// Whether it is a list; and the one number that is the answer, where that is not the one here.
fn answer(root: &SysRoot, args: &Args) -> Result<(Vec<PidChain>, bool, Option<u32>), Failure> {
    if let Some(spelled) = &args.inside {
        let pid = number(spelled)?;
        let chain = chain(root, pid).map_err(|error| match error.reason() {
            Reason::Gone => TargetError::NoProcess(pid).into(),
            _ => Failure::from(error),
        })?;
        return Ok((vec![chain], true, None));
    }
    // With --from, N is the only word.
    let (from, spelled) = match (&args.from, &args.target) {
        (Some(from), spelled) => (from, spelled.as_ref()),
        (None, Some(target)) => (target, args.number.as_ref()),
        (None, None) => return Err(Failure::usage("a target is missing")),
    };
    let process = target::resolve_process(root, from.as_bytes())?;
    let inside = || -> Result<Inside, Failure> {
        let inside = Inside::of(process.handle.dir())?;
        process.handle.check_alive()?;
        Ok(inside)
    };
    if args.all {
        return Ok((inside()?.processes(root)?, true, None));
    }
    let chain = match spelled {
        None if args.from.is_some() => return Err(Failure::usage("--from: which process?")),
        None => {
            let chain = chain_of(process.handle.dir(), process.process.pid)?;
            process.handle.check_running().map(|()| chain)?
        }
        Some(spelled) => {
            let wanted = number(spelled)?;
            let absent = || Failure::new(Kind::NotFound, format!("there is no pid {wanted} there"));
            inside()?.numbered(root, wanted)?.ok_or_else(absent)?
        }
    };
    let Some(to) = &args.to else { return Ok((vec![chain], false, None)) };
    let there = target::resolve_process(root, to.as_bytes())?;
    let shown = chain.in_namespace(Inside::of(there.handle.dir())?.inode()?);
    let pid = chain.pid;
    let unseen = || Failure::new(Kind::NotFound, format!("pid {pid} is not seen from there"));
    Ok((vec![chain], false, Some(shown.ok_or_else(unseen)?)))
}

fn number(spelled: &OsString) -> Result<Pid, Failure> {
    let wrong = || Failure::usage(format!("{} is no pid", Text::new(spelled.as_bytes())));
    Pid::parse(spelled.as_bytes()).ok_or_else(wrong)
}
