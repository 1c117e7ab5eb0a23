//! The seccomp filters of a target, taken apart: what each system call meets.

use crate::model::capability::CapSet;
use crate::model::gap::{Gap, Reason};
use crate::model::seccomp::{Architecture, Call, Filter, SeccompDump};
use crate::model::text::Text;
use crate::sys::calls::Abi;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::proc::stat;
use crate::sys::proc::status::{self, Status};
use crate::sys::root::SysRoot;
use crate::sys::seccomp::RawFilter;
use crate::sys::{bounded, seccomp};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};

pub mod interpret;
pub mod outcome;
pub mod program;

use interpret::{Budget, Call as Made};
use outcome::Outcomes;
use program::Instruction;

/// SECCOMP_FILTER_FLAG_LOG
const FLAG_LOG: u64 = 2;
/// SECCOMP_MODE_FILTER
const MODE_FILTER: u8 = 2;

/// `None` where it has no filter, or where they cannot be had: then there is a gap.
///
/// The caller has one thread.
pub fn collect_seccomp(
    root: &SysRoot,
    target: &ProcessHandle,
    gaps: &mut Vec<Gap>,
) -> Option<SeccompDump> {
    let mut lacks = |why: String, reason| {
        let object = Text::from(format!("pid {}{why}", target.pid()));
        gaps.push(Gap { object, what: "seccomp filters", reason });
    };
    match status_of(target.dir()) {
        Ok(theirs) if theirs.seccomp == MODE_FILTER => {}
        Ok(_) => return None,
        Err(reason) => {
            lacks(String::new(), reason);
            return None;
        }
    }
    if !root.is_real() {
        lacks(String::new(), Reason::Unsupported);
        return None;
    }
    // Asked first: a process is not stopped for nothing.
    let own = root.own_process().map_err(|error| error.reason());
    let own = match own.and_then(|own| status_of(own.as_fd())) {
        Ok(own) => own,
        Err(reason) => {
            lacks(", since nsx cannot read its own status,".to_owned(), reason);
            return None;
        }
    };
    if own.seccomp != 0 {
        lacks(", since nsx has a filter itself,".to_owned(), Reason::Denied);
        return None;
    }
    if !own.cap_effective.contains_all(CapSet::SYS_ADMIN) {
        lacks(String::new(), Reason::Denied);
        return None;
    }
    let filters = match seccomp::filters(target) {
        Ok(filters) => filters,
        Err(error) => {
            // The tracee's own word for it comes after the attempt, which alone is certain.
            let tracer = status_of(target.dir()).ok().and_then(|status| status.tracer);
            match (error.errno(), tracer) {
                (Some(Errno::EPERM), Some(tracer)) => {
                    lacks(format!(", which pid {tracer} traces,"), Reason::Denied);
                }
                (Some(Errno::EPERM), None) if has_ended(target) => {
                    lacks(String::new(), Reason::Gone);
                }
                _ => lacks(String::new(), error.reason()),
            }
            return None;
        }
    };
    let (dump, is_whole) = explain(&filters, Abi::HERE);
    if !is_whole {
        lacks(String::new(), Reason::Truncated);
    }
    Some(dump)
}

fn status_of(process: BorrowedFd<'_>) -> Result<Status, Reason> {
    let bytes = bounded::read(process, "status", bounded::LARGE).map_err(|error| error.reason())?;
    status::parse(&bytes).ok_or(Reason::Malformed)
}

/// Not yet collected by its parent, it can still be found but not traced.
fn has_ended(target: &ProcessHandle) -> bool {
    let stat = bounded::read(target.dir(), "stat", bounded::SMALL).ok();
    let stat = stat.as_deref().and_then(stat::parse);
    stat.is_some_and(|stat| matches!(stat.state.0, b'Z' | b'X'))
}

/// What filters come to, for the given ways to call the kernel; and whether all of it could be told.
pub fn explain(filters: &[RawFilter], abis: &[Abi]) -> (SeccompDump, bool) {
    explain_within(filters, abis, Budget::default())
}

fn explain_within(filters: &[RawFilter], abis: &[Abi], mut budget: Budget) -> (SeccompDump, bool) {
    let programs: Vec<Vec<Instruction>> =
        filters.iter().map(|filter| program::parse(&filter.bytes)).collect();
    let architectures = abis.iter().map(|abi| architecture(*abi, &programs, &mut budget)).collect();
    let described = filters.iter().zip(&programs).map(|(filter, program)| Filter {
        instructions: program.len(),
        logs: filter.flags.map(|flags| flags & FLAG_LOG != 0),
        program: program.iter().map(Instruction::to_string).collect(),
    });
    (SeccompDump { filters: described.collect(), architectures }, !budget.is_exhausted())
}

fn architecture(abi: Abi, programs: &[Vec<Instruction>], budget: &mut Budget) -> Architecture {
    let mut meets = |number| {
        let made = Made { number, arch: abi.audit_arch() };
        // The kernel runs the newest first, whose word counts among equals.
        let newest_first = programs.iter().rev();
        let each = newest_first.map(|program| interpret::outcomes(program, made, budget));
        each.fold(Outcomes::allow(), |newer, older| newer.and(&older)).verdict()
    };
    let mut architecture = Architecture {
        name: abi.name(),
        default: meets(abi.unused()),
        beyond: meets(abi.beyond()),
        allowed: 0,
        calls: Vec::new(),
    };
    for (name, number) in abi.calls() {
        let verdict = meets(number);
        if verdict.is_allowed() {
            architecture.allowed += 1;
        } else {
            architecture.calls.push(Call { name, number, verdict });
        }
    }
    architecture
}

#[cfg(test)]
mod tests;
