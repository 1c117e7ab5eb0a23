//! Seccomp profiles as docker, podman and the OCI's runtime specification write them. Pure.
//!
//! What nsx cannot do is an error that names it. config-linux.md of the specification, "Seccomp";
//! docker's own fields are those of moby's profiles/seccomp.

use super::Facts;
use crate::model::capability::CapSet;
use crate::model::text::Text;
use nix::errno::Errno;
use serde::Deserialize;

/// The kernel takes no larger one as an error.
const LARGEST_ERRNO: u32 = 4095;

/// What becomes of a call, the strictest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// `SCMP_ACT_KILL_PROCESS`: all threads end as by SIGSYS.
    KillProcess,
    /// `SCMP_ACT_KILL_THREAD`, and `SCMP_ACT_KILL`: the thread alone ends.
    KillThread,
    /// `SCMP_ACT_TRAP`: the thread gets a SIGSYS that it may catch.
    Trap,
    /// The call fails with this number; 0: it seems to work and does nothing.
    Errno(u32),
    /// A tracer is asked, and told this number; without one the call fails with ENOSYS.
    Trace(u32),
    /// `SCMP_ACT_LOG`: it is done, and logged.
    Log,
    /// `SCMP_ACT_ALLOW`: it is done.
    Allow,
}

/// How an argument of a call is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `SCMP_CMP_EQ`
    Equal,
    /// `SCMP_CMP_NE`
    NotEqual,
    /// `SCMP_CMP_LT`: unsigned, as all of these.
    Less,
    /// `SCMP_CMP_LE`
    LessOrEqual,
    /// `SCMP_CMP_GT`
    Greater,
    /// `SCMP_CMP_GE`
    GreaterOrEqual,
    /// The argument's bits of this mask are the value.
    Masked(u64),
}

/// What an argument of a call must be like for a rule to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// From 0 to 5.
    pub argument: u8,
    /// The argument stands on the left: `Less` is an argument less than the value.
    pub comparison: Comparison,
    /// Of an i386 program's calls the lower 32 bits count.
    pub value: u64,
}

/// What becomes of calls, if all conditions hold for their arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Of calls; some may be unknown here.
    pub names: Vec<String>,
    /// Where several rules hold for a call, the strictest counts.
    pub action: Action,
    /// No two for one argument; empty: whatever the arguments are.
    pub conditions: Vec<Condition>,
}

/// What becomes of each call, as a profile's author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What becomes of all other calls.
    pub default: Action,
    /// Programs for the 32-bit x86 may run too.
    pub i386: bool,
    /// What is not allowed is logged.
    pub logs: bool,
    /// Those that hold on this machine; in which order does not matter.
    pub rules: Vec<Rule>,
}

/// Why a file is no profile that nsx can keep to.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// No JSON, a key that is not known or a value of the wrong type: the parser's words.
    #[error("it is no profile: {0}")]
    Json(Text),
    /// An action that is none of the `SCMP_ACT_` words.
    #[error("{0} is no action")]
    Action(Text),
    /// `SCMP_ACT_NOTIFY`: somebody would have to answer for each call.
    #[error("SCMP_ACT_NOTIFY takes a supervisor that answers, which nsx is not")]
    Notify,
    /// `errno`, `defaultErrno`: no error's name here; `errnoRet` and its like: above 4095.
    #[error("{0} is no error number")]
    Errno(Text),
    /// The `op` of an argument: none of the `SCMP_CMP_` words.
    #[error("{0} is no comparison")]
    Comparison(Text),
    /// The `index` of an argument: above 5.
    #[error("a call has no argument {0}")]
    Argument(u32),
    /// None of `SECCOMP_FILTER_FLAG_LOG` and `SECCOMP_FILTER_FLAG_TSYNC`.
    #[error("nsx cannot do what the flag {0} asks for")]
    Flag(Text),
    /// It does not begin with `SCMP_ARCH_`.
    #[error("{0} is no architecture")]
    Architecture(Text),
    /// In `caps`: it does not begin with `CAP_`, or there is none of that name.
    #[error("{0} is no capability")]
    Capability(Text),
    /// In `minKernel`: it does not begin with two numbers, as `4.8` does.
    #[error("{0} is no kernel version")]
    Kernel(Text),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    default_action: String,
    default_errno_ret: Option<u32>,
    /// As podman writes it too: the error's name, which counts.
    default_errno: Option<String>,
    architectures: Option<Vec<String>>,
    arch_map: Option<Vec<WrittenArchitecture>>,
    flags: Option<Vec<String>>,
    syscalls: Option<Vec<WrittenRule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenArchitecture {
    architecture: String,
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenRule {
    /// Before there were several.
    name: Option<String>,
    names: Option<Vec<String>>,
    action: String,
    errno_ret: Option<u32>,
    errno: Option<String>,
    args: Option<Vec<WrittenCondition>>,
    #[serde(rename = "comment")]
    _comment: Option<String>,
    includes: Option<Circumstances>,
    excludes: Option<Circumstances>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenCondition {
    index: u32,
    value: u64,
    value_two: Option<u64>,
    op: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Circumstances {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// Rules that do not hold on this machine are left out; a key that is not known is an error.
pub fn parse(json: &[u8], facts: &Facts) -> Result<Profile, Wrong> {
    let written: Written = serde_json::from_slice(json)
        .map_err(|error| Wrong::Json(Text::new(error.to_string().as_bytes())))?;
    let default = action(
        &written.default_action,
        errno(written.default_errno_ret, written.default_errno.as_deref())?,
    )?;
    let mut rules = Vec::new();
    for rule in written.syscalls.unwrap_or_default() {
        let action = action(&rule.action, errno(rule.errno_ret, rule.errno.as_deref())?)?;
        let conditions = rule.args.iter().flatten().map(condition);
        let conditions: Vec<Condition> = conditions.collect::<Result<_, _>>()?;
        // All are read, those that do not apply too: a mistake does not wait for another machine.
        let included = rule.includes.map_or(Ok(true), |which| which.all_hold(facts))?;
        let excluded = rule.excludes.map_or(Ok(false), |which| which.any_holds(facts))?;
        if !included || excluded {
            continue;
        }
        let names: Vec<String> =
            rule.name.into_iter().chain(rule.names.into_iter().flatten()).collect();
        for conditions in as_engines_read(conditions) {
            rules.push(Rule { names: names.clone(), action, conditions });
        }
    }
    let mut logs = false;
    for flag in written.flags.unwrap_or_default() {
        match flag.as_str() {
            "SECCOMP_FILTER_FLAG_LOG" => logs = true,
            // Of a process with one thread there is nothing to synchronize.
            "SECCOMP_FILTER_FLAG_TSYNC" => {}
            _ => return Err(Wrong::Flag(text(&flag))),
        }
    }
    let i386 = allows_i386(
        &written.architectures.unwrap_or_default(),
        &written.arch_map.unwrap_or_default(),
    )?;
    Ok(Profile { default, i386, logs, rules })
}

/// Where a rule has two conditions for one argument, engines take each condition for a rule.
fn as_engines_read(conditions: Vec<Condition>) -> Vec<Vec<Condition>> {
    let twice = |condition: &Condition| {
        conditions.iter().filter(|other| other.argument == condition.argument).count() > 1
    };
    if conditions.iter().any(twice) {
        return conditions.into_iter().map(|one| vec![one]).collect();
    }
    vec![conditions]
}

fn text(foreign: &str) -> Text {
    Text::new(foreign.as_bytes())
}

/// EPERM where nothing is said.
fn errno(number: Option<u32>, name: Option<&str>) -> Result<u32, Wrong> {
    let number = match name.filter(|name| !name.is_empty()) {
        Some(name) => {
            // Second names of a number.
            let name = match name {
                "EWOULDBLOCK" => "EAGAIN",
                "ENOTSUP" => "EOPNOTSUPP",
                "EDEADLOCK" => "EDEADLK",
                name => name,
            };
            let number = (1..=LARGEST_ERRNO).find(|number| {
                let known = i32::try_from(*number).map(Errno::from_raw);
                known
                    .is_ok_and(|known| known != Errno::UnknownErrno && format!("{known:?}") == name)
            });
            number.ok_or_else(|| Wrong::Errno(text(name)))?
        }
        None => number.unwrap_or(Errno::EPERM as u32),
    };
    if number > LARGEST_ERRNO {
        return Err(Wrong::Errno(text(&number.to_string())));
    }
    Ok(number)
}

fn action(name: &str, errno: u32) -> Result<Action, Wrong> {
    Ok(match name {
        "SCMP_ACT_KILL_PROCESS" => Action::KillProcess,
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action::KillThread,
        "SCMP_ACT_TRAP" => Action::Trap,
        "SCMP_ACT_ERRNO" => Action::Errno(errno),
        "SCMP_ACT_TRACE" => Action::Trace(errno),
        "SCMP_ACT_LOG" => Action::Log,
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_NOTIFY" => return Err(Wrong::Notify),
        _ => return Err(Wrong::Action(text(name))),
    })
}

fn condition(written: &WrittenCondition) -> Result<Condition, Wrong> {
    let argument = u8::try_from(written.index).ok().filter(|argument| *argument < 6);
    let argument = argument.ok_or(Wrong::Argument(written.index))?;
    let (comparison, value) = match written.op.as_str() {
        "SCMP_CMP_EQ" => (Comparison::Equal, written.value),
        "SCMP_CMP_NE" => (Comparison::NotEqual, written.value),
        "SCMP_CMP_LT" => (Comparison::Less, written.value),
        "SCMP_CMP_LE" => (Comparison::LessOrEqual, written.value),
        "SCMP_CMP_GT" => (Comparison::Greater, written.value),
        "SCMP_CMP_GE" => (Comparison::GreaterOrEqual, written.value),
        // Here the first value is the mask.
        "SCMP_CMP_MASKED_EQ" => {
            (Comparison::Masked(written.value), written.value_two.unwrap_or_default())
        }
        other => return Err(Wrong::Comparison(text(other))),
    };
    Ok(Condition { argument, comparison, value })
}

fn allows_i386(listed: &[String], map: &[WrittenArchitecture]) -> Result<bool, Wrong> {
    let mut allows = false;
    for name in listed {
        allows |= architecture(name)? == "X86";
    }
    for of in map {
        let native = architecture(&of.architecture)? == "X86_64";
        for name in of.sub_architectures.iter().flatten() {
            allows |= architecture(name)? == "X86" && native;
        }
    }
    Ok(allows)
}

fn architecture(name: &str) -> Result<&str, Wrong> {
    name.strip_prefix("SCMP_ARCH_").ok_or_else(|| Wrong::Architecture(text(name)))
}

impl Circumstances {
    /// Whether each thing that is named is so.
    fn each(&self, facts: &Facts) -> Result<Vec<bool>, Wrong> {
        let mut each = Vec::new();
        for name in self.caps.iter().flatten() {
            let one = CapSet::named(name).filter(|_| name.starts_with("CAP_"));
            let one = one.ok_or_else(|| Wrong::Capability(text(name)))?;
            each.push(facts.capabilities.contains_all(one));
        }
        // Of several architectures one is enough.
        if let Some(arches) = self.arches.as_ref().filter(|arches| !arches.is_empty()) {
            each.push(arches.iter().any(|arch| arch == facts.architecture));
        }
        if let Some(minimum) = self.min_kernel.as_ref().filter(|minimum| !minimum.is_empty()) {
            let version = version(minimum).ok_or_else(|| Wrong::Kernel(text(minimum)))?;
            each.push(facts.kernel >= version);
        }
        Ok(each)
    }

    fn all_hold(&self, facts: &Facts) -> Result<bool, Wrong> {
        Ok(self.each(facts)?.into_iter().all(|holds| holds))
    }

    fn any_holds(&self, facts: &Facts) -> Result<bool, Wrong> {
        Ok(self.each(facts)?.into_iter().any(|holds| holds))
    }
}

/// `6.18.44-generic`: the first two numbers.
pub fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.splitn(3, ['.', '-', '+']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests;
