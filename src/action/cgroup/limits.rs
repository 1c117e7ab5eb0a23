//! Sets the limits of a new group, and looks whether they stand: what the kernel did not take as it
//! was asked is an error.

use super::Part;
use crate::action::error::ActionError;
use crate::model::cgroup::{Bound, IoKind};
use crate::model::group::{CPU_PERIOD_USEC, Controller, CpuList, IoRule, Limits};
use crate::model::text::Text;
use crate::sys::cgroupfs::io;
use crate::sys::cgroupfs::values::{number, number_or_max};
use nix::errno::Errno;

type Done = Result<(), ActionError>;

pub(super) fn set(parts: &[Part], limits: &Limits) -> Done {
    if let Some(bytes) = limits.memory_bytes {
        memory(with(parts, Controller::Memory)?, bytes)?;
    }
    if limits.memory_bytes.is_some() || limits.swap.is_some() {
        swap(with(parts, Controller::Memory)?, limits.memory_bytes, limits.swap)?;
    }
    if let Some(quota) = limits.cpu_quota_usec {
        cpu_time(with(parts, Controller::Cpu)?, quota)?;
    }
    if let Some(cpus) = &limits.cpus {
        cpuset(with(parts, Controller::Cpuset)?, cpus)?;
    }
    if let Some(most) = limits.pids {
        let part = with(parts, Controller::Pids)?;
        set_and_check(part, "pids.max", &most.to_string(), |now| number(now) == Some(most))?;
    }
    limits.io.iter().try_for_each(|rule| io_rule(with(parts, Controller::Io)?, rule))
}

/// Sites are looked for by what the limits need.
fn with(parts: &[Part], controller: Controller) -> Result<&Part, ActionError> {
    parts.iter().find(|part| part.has(controller)).ok_or_else(|| {
        ActionError::Refused(format!("cannot limit {}: no group for it", controller.subject()))
    })
}

fn set_and_check(part: &Part, file: &str, value: &str, holds: impl Fn(&[u8]) -> bool) -> Done {
    part.write(file, value)?;
    let now = part.read(file)?;
    if holds(&now) {
        return Ok(());
    }
    let (file, now) = (part.path_of(file), Text::new(now.trim_ascii()));
    Err(ActionError::Refused(format!("cannot set {file} to {value}: it is {now} afterwards")))
}

/// The largest on any architecture. (How large ours are is not asked: a protected process may not
/// read its own auxiliary vector.)
const LARGEST_PAGE: u64 = 64 << 10;

/// The kernel counts in pages.
fn is_rounded(now: &[u8], asked: u64) -> bool {
    number(now).is_some_and(|now| now <= asked && asked - now < LARGEST_PAGE)
}

fn memory(part: &Part, bytes: u64) -> Done {
    let file = if part.is_v2 { "memory.max" } else { "memory.limit_in_bytes" };
    set_and_check(part, file, &bytes.to_string(), |now| is_rounded(now, bytes))
}

/// v2 limits swap, v1 memory and swap together. Without a word on swap there is to be none, where the
/// kernel counts it.
fn swap(part: &Part, memory: Option<u64>, asked: Option<Bound>) -> Done {
    let bytes = match asked {
        None => 0,
        Some(Bound::At(bytes)) => bytes,
        // That is how a group begins.
        Some(Bound::Unlimited) => return Ok(()),
    };
    let (file, bytes) = match (part.is_v2, memory) {
        (true, _) => ("memory.swap.max", bytes),
        (false, Some(memory)) => ("memory.memsw.limit_in_bytes", memory.saturating_add(bytes)),
        (false, None) => {
            let why = "cgroup v1 limits it together with memory, which is not limited";
            return Err(ActionError::Refused(format!("cannot limit swap: {why}")));
        }
    };
    match part.read(file) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => {
            return match asked {
                None => Ok(()),
                Some(_) => Err(ActionError::Refused(format!(
                    "cannot limit swap: this kernel does not count it ({} is missing)",
                    part.path_of(file)
                ))),
            };
        }
        _ => {}
    }
    let holds = |now: &[u8]| is_rounded(now, bytes) || number_or_max(now) == Some(Bound::At(bytes));
    set_and_check(part, file, &bytes.to_string(), holds)
}

fn cpu_time(part: &Part, quota: u64) -> Done {
    if part.is_v2 {
        let value = format!("{quota} {CPU_PERIOD_USEC}");
        return set_and_check(part, "cpu.max", &value, |now| now.trim_ascii() == value.as_bytes());
    }
    let is = |usec| move |now: &[u8]| number(now) == Some(usec);
    set_and_check(part, "cpu.cfs_period_us", &CPU_PERIOD_USEC.to_string(), is(CPU_PERIOD_USEC))?;
    let set = set_and_check(part, "cpu.cfs_quota_us", &quota.to_string(), is(quota));
    set.map_err(|error| match error {
        ActionError::System(error) if error.errno() == Some(Errno::EINVAL) => {
            let file = part.path_of("cpu.cfs_quota_us");
            ActionError::Refused(format!(
                "cannot set {file} to {quota} of {CPU_PERIOD_USEC}: a group above has less"
            ))
        }
        error => error,
    })
}

/// v2 takes CPUs that the machine does not have, and all there are where none is left.
fn cpuset(part: &Part, cpus: &CpuList) -> Done {
    let effective = if part.is_v2 { "cpuset.cpus.effective" } else { "cpuset.effective_cpus" };
    let written = part.write("cpuset.cpus", &cpus.to_string());
    let now = part.read(effective)?;
    if written.is_ok() && CpuList::parse(now.trim_ascii()).as_ref() == Some(cpus) {
        return Ok(());
    }
    match (written, part.read(&format!("../{effective}"))) {
        (Err(error), Ok(above)) if CpuList::parse(above.trim_ascii()).is_none() => {
            Err(error.into())
        }
        (_, Ok(above)) => Err(ActionError::Refused(format!(
            "cannot limit CPUs to {cpus}: there are {} in {}",
            Text::new(above.trim_ascii()),
            part.directory.parent().map(crate::sys::root::path_text).unwrap_or_default()
        ))),
        (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(error.into()),
    }
}

fn io_rule(part: &Part, rule: &IoRule) -> Done {
    let device = Text::from(rule.device.to_string());
    if part.is_v2 {
        let value = format!("{device} {}={}", rule.kind.key(), rule.per_second);
        let wanted = (device, rule.kind, rule.per_second);
        return set_and_check(part, "io.max", &value, |now| io::max(now).contains(&wanted));
    }
    let v1_file = match rule.kind {
        IoKind::ReadBytes => "blkio.throttle.read_bps_device",
        IoKind::WrittenBytes => "blkio.throttle.write_bps_device",
        IoKind::Reads => "blkio.throttle.read_iops_device",
        IoKind::Writes => "blkio.throttle.write_iops_device",
    };
    let value = format!("{device} {}", rule.per_second);
    let wanted = (device, rule.per_second);
    set_and_check(part, v1_file, &value, |now| io::v1_max(now).contains(&wanted))
}
