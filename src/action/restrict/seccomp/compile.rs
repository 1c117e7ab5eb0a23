//! Makes filters of a profile: programs that the kernel runs at every call. Pure.
//!
//! seccompiler writes the programs, each for one architecture with one action for what is on its
//! list and one for all else. Here they are joined: those of one architecture become one filter, in
//! which a call goes from list to list until one has it.

use super::profile::{Action, Comparison, Condition, Profile, Rule};
use crate::model::standing::Filter;
use crate::sys::calls::Abi;
use crate::sys::raw::ptrace::MOST_INSTRUCTIONS;
use nix::errno::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Operator,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, sock_filter,
};
use std::collections::{BTreeMap, BTreeSet};

/// What seccompiler begins with: which architecture it is, and that others are killed.
const ITS_HEAD: usize = 3;
/// `__X32_SYSCALL_BIT`
const X32: u32 = 0x4000_0000;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

/// A profile as the kernel takes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Compiled {
    /// In the order in which they are to be installed.
    pub filters: Vec<Filter>,
    /// Names that are no calls of any architecture here.
    pub unknown: BTreeSet<String>,
    /// Under it nsx cannot say why a program was not executed.
    pub mute: bool,
}

/// Why a profile cannot be installed here, or would let nothing be started.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// Neither x86-64 nor arm64: there is no table of its calls.
    #[error("filters are not made for this architecture")]
    Architecture,
    /// execve(2) is denied, or let through for some arguments only.
    #[error("it does not allow execve, and no program could be started")]
    NoExec,
    /// How many: those of one architecture are one filter. It may be found while it grows.
    #[error("its filter would have {0} instructions, and the kernel takes {MOST_INSTRUCTIONS}")]
    TooLong(usize),
    /// seccompiler refused a rule or a condition.
    #[error("it has a rule that no filter can express")]
    Rule,
}

/// Of calls that the profile names, those that no architecture here has are left out and told.
pub fn compile(profile: &Profile) -> Result<Compiled, Impossible> {
    let native = *Abi::HERE.first().ok_or(Impossible::Architecture)?;
    let target = TargetArch::try_from(native.name()).map_err(|_| Impossible::Architecture)?;
    let i386 = profile.i386 && Abi::HERE.contains(&Abi::I386);
    let mut known = BTreeSet::new();
    let mut filters = Vec::new();
    // The native one last: from there on the calls of nsx are as restricted as the program's.
    for abi in [Abi::I386, native].into_iter().filter(|abi| *abi == native || i386) {
        let numbers: BTreeMap<&str, u32> = abi.calls().collect();
        known.extend(numbers.keys().copied());
        if abi == native && !lets(profile, "execve") {
            return Err(Impossible::NoExec);
        }
        let elsewhere = match abi {
            // Each leaves the other's calls to the other.
            _ if i386 => Action::Allow,
            _ => Action::KillProcess,
        };
        let program = one(profile, abi, &numbers, target, elsewhere)?;
        filters.push(Filter { program: bytes(&program), logs: profile.logs });
    }
    let names = profile.rules.iter().flat_map(|rule| &rule.names);
    let unknown = names.filter(|name| !known.contains(name.as_str())).cloned().collect();
    // Of what nsx does itself only exec comes after the filter, and this if there is none.
    let mute = !lets(profile, "write") || !lets(profile, "exit_group");
    Ok(Compiled { filters, unknown, mute })
}

/// Whether a call is let through whatever its arguments are.
fn lets(profile: &Profile, call: &str) -> bool {
    let about = profile.rules.iter().filter(|rule| rule.names.iter().any(|name| name == call));
    let mut strictest = about.clone().map(|rule| rule.action).min();
    if about.filter(|rule| rule.conditions.is_empty()).count() == 0 {
        strictest = strictest.map(|one| one.min(profile.default)).or(Some(profile.default));
    }
    strictest.is_some_and(|action| matches!(action, Action::Allow | Action::Log | Action::Trace(_)))
}

/// The calls that an action is for: whatever their arguments are, or by rules.
type List = BTreeMap<i64, Option<Vec<SeccompRule>>>;

fn one(
    profile: &Profile,
    abi: Abi,
    numbers: &BTreeMap<&str, u32>,
    target: TargetArch,
    elsewhere: Action,
) -> Result<Vec<sock_filter>, Impossible> {
    // The strictest first, as of several filters the strictest counts.
    let mut lists: BTreeMap<Action, List> = BTreeMap::new();
    let mut last = 0;
    for rule in &profile.rules {
        for number in rule.names.iter().filter_map(|name| numbers.get(name.as_str())) {
            last = last.max(*number);
            let arguments = arguments(rule, abi)?;
            if arguments == Arguments::None {
                continue;
            }
            let list = lists.entry(rule.action).or_default();
            let entry = list.entry(i64::from(*number)).or_insert_with(|| Some(Vec::new()));
            match (arguments, entry) {
                (Arguments::Any, entry) => *entry = None,
                (Arguments::Of(rule), Some(rules)) => rules.push(rule),
                (Arguments::Of(_) | Arguments::None, _) => {}
            }
        }
    }
    let mut program = vec![load(ARCH), branch(EQUAL, abi.audit_arch(), 1, 0), ret(elsewhere)];
    let enosys = Action::Errno(Errno::ENOSYS as u32);
    if abi == Abi::X86_64 {
        // Calls of x32 pass for this architecture's. As where the kernel has none of them.
        program.extend([load(NUMBER), branch(AT_LEAST, X32, 0, 1), ret(enosys)]);
    }
    if matches!(profile.default, Action::Errno(_)) {
        // What is newer than the profile: programs go on without a call that is not there, and not
        // without one that is forbidden.
        program.extend([load(NUMBER), branch(ABOVE, last, 0, 1), ret(enosys)]);
    }
    for (action, list) in lists {
        program.extend(section(action, list, target)?);
    }
    program.push(ret(profile.default));
    if program.len() > MOST_INSTRUCTIONS {
        return Err(Impossible::TooLong(program.len()));
    }
    Ok(program)
}

/// Which arguments a rule is for.
#[derive(PartialEq)]
enum Arguments {
    Any,
    Of(SeccompRule),
    None,
}

fn arguments(rule: &Rule, abi: Abi) -> Result<Arguments, Impossible> {
    if rule.conditions.is_empty() {
        return Ok(Arguments::Any);
    }
    let mut all = Vec::new();
    for condition in &rule.conditions {
        match of_condition(condition, abi)? {
            Some(condition) => all.push(condition),
            None => return Ok(Arguments::None),
        }
    }
    Ok(Arguments::Of(SeccompRule::new(all).map_err(|_| Impossible::Rule)?))
}

fn of_condition(condition: &Condition, abi: Abi) -> Result<Option<SeccompCondition>, Impossible> {
    let Condition { argument, comparison, value } = *condition;
    let operator = match comparison {
        Comparison::Equal => Operator::Eq,
        Comparison::NotEqual => Operator::Ne,
        Comparison::Less => Operator::Lt,
        Comparison::LessOrEqual => Operator::Le,
        Comparison::Greater => Operator::Gt,
        Comparison::GreaterOrEqual => Operator::Ge,
        // Bits that the mask takes away are never there; seccompiler takes them away on both sides.
        Comparison::Masked(mask) if value & !mask != 0 => return Ok(None),
        Comparison::Masked(mask) => Operator::MaskedEq(mask),
    };
    // An i386 program has no more than 32 bits, of which a profile may say −1 with 64.
    let length = if abi == Abi::I386 { Length::Dword } else { Length::Qword };
    SeccompCondition::new(argument, length, operator, value).map(Some).map_err(|_| Impossible::Rule)
}

/// A program that ends with `action` for what is on the list, and otherwise goes on behind itself.
fn section(action: Action, list: List, target: TargetArch) -> Result<Vec<sock_filter>, Impossible> {
    let goes_on = if action == Action::Allow { Action::Log } else { Action::Allow };
    let rules = list.into_iter().map(|(number, rules)| (number, rules.unwrap_or_default()));
    let filter = SeccompFilter::new(rules.collect(), theirs(goes_on), theirs(action), target)
        .map_err(|_| Impossible::Rule)?;
    let program = BpfProgram::try_from(filter).map_err(|error| match error {
        seccompiler::BackendError::FilterTooLarge(length) => Impossible::TooLong(length),
        _ => Impossible::Rule,
    })?;
    let goes_on = ret(goes_on);
    let length = program.len();
    let joined = program.into_iter().enumerate().map(|(at, instruction)| {
        if instruction != goes_on {
            return Ok(instruction);
        }
        let rest = u32::try_from(length - at - 1).map_err(|_| Impossible::TooLong(length))?;
        Ok(sock_filter { code: JUMP, jt: 0, jf: 0, k: rest })
    });
    joined.skip(ITS_HEAD).collect()
}

fn theirs(action: Action) -> SeccompAction {
    match action {
        Action::KillProcess => SeccompAction::KillProcess,
        Action::KillThread => SeccompAction::KillThread,
        Action::Trap => SeccompAction::Trap,
        Action::Errno(errno) => SeccompAction::Errno(errno),
        Action::Trace(message) => SeccompAction::Trace(message),
        Action::Log => SeccompAction::Log,
        Action::Allow => SeccompAction::Allow,
    }
}

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const RETURN: u16 = 0x06;
const EQUAL: u16 = 0x15;
const ABOVE: u16 = 0x25;
const AT_LEAST: u16 = 0x35;

fn load(offset: u32) -> sock_filter {
    branch(LOAD, offset, 0, 0)
}

fn ret(action: Action) -> sock_filter {
    branch(RETURN, u32::from(theirs(action)), 0, 0)
}

fn branch(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// As the kernel takes it.
fn bytes(program: &[sock_filter]) -> Vec<u8> {
    let of_one = |one: &sock_filter| {
        let ([c0, c1], [k0, k1, k2, k3]) = (one.code.to_ne_bytes(), one.k.to_ne_bytes());
        [c0, c1, one.jt, one.jf, k0, k1, k2, k3]
    };
    program.iter().flat_map(of_one).collect()
}

#[cfg(test)]
mod tests;
