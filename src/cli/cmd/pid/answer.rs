//! Which process is meant, and what it is called where that is asked for.

use super::Args;
use crate::cli::error::{Failure, Kind};
use crate::collect::pids::{Inside, chain, chain_of};
use crate::collect::target::{self, TargetError};
use crate::model::gap::Reason;
use crate::model::pid_chain::PidChain;
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::root::SysRoot;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Whether all numbers are shown; and the one that is the answer, where that is not the one here.
pub(super) fn answer(
    root: &SysRoot,
    args: &Args,
) -> Result<(Vec<PidChain>, bool, Option<u32>), Failure> {
    if let Some(spelled) = &args.inside {
        let pid = number(spelled)?;
        let chain = chain(root, pid).map_err(|error| match error.reason() {
            Reason::Gone => TargetError::NoProcess(pid).into(),
            _ => Failure::from(error),
        })?;
        let innermost = chain.levels.last().map(|level| level.pid);
        return Ok((vec![chain], true, innermost));
    }
    if args.from.is_some() && args.number.is_some() {
        return Err(Failure::usage("--from: one process is translated at a time"));
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
