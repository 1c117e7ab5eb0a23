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
    Err(ActionError::refused(
        format!("cannot set {file} to {value}: it is {now} afterwards"),
        "ask for what the kernel gives, or leave the limit out",
    ))
}

/// The largest on any architecture. (How large ours are is not asked: a protected process may not
/// read its own auxiliary vector.)
const LARGEST_PAGE: u64 = 64 << 10;

/// The kernel counts in pages. What is less than one would be nothing.
fn is_rounded(now: &[u8], asked: u64) -> bool {
    number(now)
        .is_some_and(|now| now <= asked && asked - now < LARGEST_PAGE && (now > 0 || asked == 0))
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
            return Err(ActionError::refused(format!("cannot limit swap: {why}"), "add --memory"));
        }
    };
    match part.read(file) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => {
            return match asked {
                None => Ok(()),
                Some(_) => Err(ActionError::refused(
                    format!(
                        "cannot limit swap: this kernel does not count it ({} is missing)",
                        part.path_of(file)
                    ),
                    "leave --swap out; or start the kernel with swapaccount=1",
                )),
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
            ActionError::refused(
                format!(
                    "cannot set {file} to {quota} of {CPU_PERIOD_USEC}: a group above has less"
                ),
                "ask for no more CPUs than that group has",
            )
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
        (_, Ok(above)) => Err(ActionError::refused(
            format!(
                "cannot limit CPUs to {cpus}: there are {} in {}",
                Text::new(above.trim_ascii()),
                part.directory.parent().map(crate::sys::root::path_text).unwrap_or_default()
            ),
            "name some of those; --cpus limits time on any of them",
        )),
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

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "reads fixtures of its own")]

    use super::*;
    use crate::action::cgroup::imitation::part;
    use crate::model::device::Device;

    /// What is in the files afterwards, or the refusal.
    fn written(
        limits: &Limits,
        is_v2: bool,
        files: &[(&str, &str)],
        asked: &[&str],
    ) -> Result<Vec<String>, String> {
        let temp = tempfile::tempdir().unwrap();
        let part = part(&temp, is_v2, files);
        let directory = part.directory.clone();
        let done = set(&[part], limits).map_err(|error| error.to_string());
        done.map_err(|error| error.replace(temp.path().to_str().unwrap(), ""))?;
        Ok(asked
            .iter()
            .map(|file| std::fs::read_to_string(directory.join(file)).unwrap())
            .collect())
    }

    fn memory(bytes: u64, swap: Option<Bound>) -> Limits {
        Limits { memory_bytes: Some(bytes), swap, ..Limits::default() }
    }

    #[test]
    fn without_a_word_there_is_no_swap_where_the_kernel_counts_it() {
        let v1 = [("memory.limit_in_bytes", ""), ("memory.memsw.limit_in_bytes", "")];
        let v2 = [("memory.max", ""), ("memory.swap.max", "")];
        let on = |is_v2, swap| {
            let files = if is_v2 { v2 } else { v1 };
            written(&memory(65536, swap), is_v2, &files, &files.map(|(name, _)| name)).unwrap()
        };
        assert_eq!(on(false, None), ["65536", "65536"]);
        assert_eq!(on(true, None), ["65536", "0"]);
        assert_eq!(on(false, Some(Bound::At(1))), ["65536", "65537"]);
        assert_eq!(on(true, Some(Bound::At(1))), ["65536", "1"]);
        assert_eq!(on(false, Some(Bound::Unlimited)), ["65536", ""]);
        assert_eq!(on(true, Some(Bound::Unlimited)), ["65536", ""]);
    }

    #[test]
    fn swap_that_is_not_counted_is_refused_only_where_it_was_asked_about() {
        let files = [("memory.max", "")];
        assert_eq!(written(&memory(7, None), true, &files, &["memory.max"]).unwrap(), ["7"]);
        assert_eq!(
            written(&memory(7, Some(Bound::At(0))), true, &files, &[]).unwrap_err(),
            "cannot limit swap: this kernel does not count it \
             (/above/group/memory.swap.max is missing)"
        );
        let alone = Limits { swap: Some(Bound::At(1)), ..Limits::default() };
        assert_eq!(
            written(&alone, false, &[("memory.memsw.limit_in_bytes", "")], &[]).unwrap_err(),
            "cannot limit swap: cgroup v1 limits it together with memory, which is not limited"
        );
    }

    #[test]
    fn what_the_kernel_rounds_to_pages_holds_and_anything_else_does_not() {
        assert!(is_rounded(b"8192\n", 8192) && is_rounded(b"8192\n", 9000));
        for now in ["12288\n", "9001\n", "max\n", ""] {
            assert!(!is_rounded(now.as_bytes(), 9000), "{now}");
        }
        assert!(!is_rounded(b"0\n", 1 << 20));
        assert!(!is_rounded(b"0\n", 1) && !is_rounded(b"0\n", 4095) && is_rounded(b"0\n", 0));
    }

    #[test]
    fn cpu_time_is_a_quota_of_a_period() {
        let limits = Limits { cpu_quota_usec: Some(50_000), ..Limits::default() };
        let v1 = ["cpu.cfs_period_us", "cpu.cfs_quota_us"];
        assert_eq!(
            written(&limits, false, &v1.map(|name| (name, "")), &v1).unwrap(),
            ["100000", "50000"]
        );
        assert_eq!(
            written(&limits, true, &[("cpu.max", "")], &["cpu.max"]).unwrap(),
            ["50000 100000"]
        );
    }

    #[test]
    fn the_cpus_that_are_given_are_those_that_were_asked_for() {
        let limits = Limits { cpus: CpuList::parse(b"0-2"), ..Limits::default() };
        let on = |given, above| {
            let files = [
                ("cpuset.cpus", ""),
                ("cpuset.cpus.effective", given),
                ("../cpuset.cpus.effective", above),
            ];
            written(&limits, true, &files, &["cpuset.cpus"])
        };
        assert_eq!(on("0-2\n", "0-7\n").unwrap(), ["0-2"]);
        assert_eq!(
            on("0-1\n", "0-1\n").unwrap_err(),
            "cannot limit CPUs to 0-2: there are 0-1 in /above"
        );
    }

    #[test]
    fn what_stands_in_the_file_afterwards_is_what_counts() {
        let device = Device { major: 8, minor: 0 };
        let rule = IoRule { device, kind: IoKind::Reads, per_second: 9 };
        let limits = Limits { io: vec![rule], ..Limits::default() };
        let file = "blkio.throttle.read_iops_device";
        assert_eq!(written(&limits, false, &[(file, "")], &[file]).unwrap(), ["8:0 9"]);
        let file = "io.max";
        assert_eq!(written(&limits, true, &[(file, "")], &[file]).unwrap(), ["8:0 riops=9"]);
        let temp = tempfile::tempdir().unwrap();
        let part = part(&temp, true, &[("pids.max", "")]);
        let refused = set_and_check(&part, "pids.max", "7", |_| false).unwrap_err().to_string();
        assert!(refused.ends_with("pids.max to 7: it is 7 afterwards"), "{refused}");
        let missing = set_and_check(&part, "io.max", "7", |_| true).unwrap_err().to_string();
        assert!(missing.ends_with("io.max to 7: No such file or directory"), "{missing}");
    }

    #[test]
    fn a_limit_without_a_group_for_it_is_refused() {
        let limits = Limits { pids: Some(1), ..Limits::default() };
        let refused = set(&[], &limits).unwrap_err().to_string();
        assert_eq!(refused, "cannot limit processes: no group for it");
    }
}
