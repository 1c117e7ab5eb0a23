//! What the program may use, by its control groups.

use super::{Id as Any, opt};
use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::cli::spawn::request::Request;
use crate::model::cgroup::{Bound, IoKind};
use crate::model::group::{CPU_PERIOD_USEC, CpuList, LEAST_CPU_QUOTA_USEC};
use crate::model::text::Text;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::cmd::spawn) enum Id {
    Memory,
    Swap,
    Cpus,
    Cpuset,
    Pids,
    Io,
}

const HEADING: &str = "Limits";

const fn limit(id: Id, long: &'static str, value: &'static str, help: &'static str) -> Opt<Any> {
    opt(Any::Limits(id), None, long, Value::Required(value), (HEADING, help))
}

pub(super) const OPTIONS: &[Opt<Any>] = &[
    limit(
        Id::Memory,
        "memory",
        "SIZE",
        "Memory: bytes, or with K, M, G, T (binary); and no swap, unless --swap says so",
    ),
    limit(Id::Swap, "swap", "SIZE|max", "Swap, beside the memory"),
    limit(Id::Cpus, "cpus", "NUMBER", "CPU time: as much as so many CPUs have; 0.5 is half of one"),
    limit(Id::Cpuset, "cpuset", "LIST", "The CPUs on which the program may run: 0-3,8"),
    limit(Id::Pids, "pids", "NUMBER", "Processes and threads at one time"),
    limit(
        Id::Io,
        "io",
        "DEVICE:LIMITS",
        "A disk, per second: /dev/sda:rbps=10M,wbps=SIZE,riops=N,wiops=N; repeatable",
    ),
];

pub(super) fn take(request: &mut Request, id: Id, value: &OsStr) -> Result<(), Failure> {
    let bytes = value.as_bytes();
    let refused = |what: &str, hint: &str| {
        Failure::usage(format!("{} is {what}", Text::new(bytes))).hint(hint)
    };
    let asked = &mut request.limits;
    let limits = &mut asked.checked;
    match id {
        Id::Memory => {
            let size = size(bytes).ok_or_else(|| refused("not a size", "for example 64M"))?;
            limits.memory_bytes = Some(size);
        }
        Id::Swap => {
            let hint = "for example 64M, 0 for none, or max for no limit";
            let swap = match bytes {
                b"max" => Bound::Unlimited,
                b"0" => Bound::At(0),
                _ => Bound::At(size(bytes).ok_or_else(|| refused("not a size", hint))?),
            };
            limits.swap = Some(swap);
        }
        Id::Cpus => {
            let hint = "for example 2, or 0.5; the least is 0.01";
            let quota = quota_usec(bytes);
            let quota = quota.ok_or_else(|| refused("not a number of CPUs", hint))?;
            limits.cpu_quota_usec = Some(quota);
        }
        Id::Cpuset => {
            let cpus = CpuList::parse(bytes);
            let hint = "for example 0-3,8";
            limits.cpus = Some(cpus.ok_or_else(|| refused("not a list of CPUs", hint))?);
        }
        Id::Pids => {
            let count = number(bytes).filter(|count| (1..=MOST_PIDS).contains(count));
            let hint = format!("from 1 to {MOST_PIDS}");
            let count = count.ok_or_else(|| refused("not a number of processes", &hint))?;
            limits.pids = Some(count);
        }
        Id::Io => {
            let hint = "for example /dev/sda:rbps=10M,wiops=100";
            let rules = io_rules(bytes).ok_or_else(|| refused("not a device with limits", hint))?;
            for rule in rules {
                asked.by_device.retain(|known| (&known.0, known.1) != (&rule.0, rule.1));
                asked.by_device.push(rule);
            }
        }
    }
    Ok(())
}

/// `PID_MAX_LIMIT`; the kernel takes no more.
const MOST_PIDS: u64 = 1 << 22;

/// More CPUs than any kernel is built for, and little enough for any quota.
const MOST_CPUS: u64 = 8192;

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `67108864`, `64M`: binary units.
pub(super) fn size(text: &[u8]) -> Option<u64> {
    let (digits, shift) = match text.split_last()? {
        (b'K' | b'k', digits) => (digits, 10),
        (b'M' | b'm', digits) => (digits, 20),
        (b'G' | b'g', digits) => (digits, 30),
        (b'T' | b't', digits) => (digits, 40),
        _ => (text, 0),
    };
    number(digits)?.checked_mul(1 << shift).filter(|size| *size > 0)
}

/// `1.5`: of each period of 100 ms so much more or less than the whole, on all CPUs together.
/// Rounded down to microseconds.
fn quota_usec(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole = number(whole.as_bytes()).filter(|whole| *whole <= MOST_CPUS)?;
    if fraction.len() > 9 {
        return None;
    }
    let part = number(fraction.as_bytes())?;
    let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let quota = whole * CPU_PERIOD_USEC + part * CPU_PERIOD_USEC / scale;
    (quota >= LEAST_CPU_QUOTA_USEC).then_some(quota)
}

/// `/dev/sda:rbps=10M,wiops=100`, `8:0:rbps=10M`: the last colon is before the limits.
fn io_rules(text: &[u8]) -> Option<Vec<(Text, IoKind, u64)>> {
    let colon = text.iter().rposition(|byte| *byte == b':')?;
    let (device, limits) = (text.get(..colon)?, text.get(colon + 1..)?);
    if device.is_empty() {
        return None;
    }
    let rule = |limit: &[u8]| {
        let equals = limit.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (limit.get(..equals)?, limit.get(equals + 1..)?);
        // The kernel keeps operations in 32 bits, of which the largest number means no limit.
        let operations = || number(value).filter(|count| (1..u64::from(u32::MAX)).contains(count));
        let (kind, per_second) = match key {
            b"rbps" => (IoKind::ReadBytes, size(value)?),
            b"wbps" => (IoKind::WrittenBytes, size(value)?),
            b"riops" => (IoKind::Reads, operations()?),
            b"wiops" => (IoKind::Writes, operations()?),
            _ => return None,
        };
        Some((Text::new(device), kind, per_second))
    };
    limits.split(|byte| *byte == b',').map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::spawn::limits::Asked;

    fn taken(id: Id, value: &str) -> Result<Asked, String> {
        let mut request = Request::default();
        take(&mut request, id, value.as_ref()).map_err(|failure| failure.message)?;
        Ok(request.limits)
    }

    #[test]
    fn sizes_are_strict() {
        for (text, bytes) in [("64M", 64 << 20), ("1024", 1024), ("2g", 2 << 30), ("1T", 1 << 40)] {
            assert_eq!(size(text.as_bytes()), Some(bytes));
            assert_eq!(taken(Id::Memory, text).unwrap().checked.memory_bytes, Some(bytes));
        }
        for bad in ["", "M", "-1", "+1", "0", "1P", "1 M", "99999999999999999999", "17179869184G"] {
            assert_eq!(size(bad.as_bytes()), None);
            assert_eq!(taken(Id::Memory, bad).unwrap_err(), format!("{bad} is not a size"));
        }
    }

    #[test]
    fn swap_may_be_none_and_unlimited() {
        let swap = |text| taken(Id::Swap, text).map(|asked| asked.checked.swap);
        assert_eq!(swap("0"), Ok(Some(Bound::At(0))));
        assert_eq!(swap("max"), Ok(Some(Bound::Unlimited)));
        assert_eq!(swap("1K"), Ok(Some(Bound::At(1024))));
        assert!(swap("-1").is_err());
    }

    #[test]
    fn cpus_are_a_share_of_each_period() {
        for (text, usec) in [
            ("1", 100_000),
            ("0.5", 50_000),
            ("1.25", 125_000),
            ("2.0", 200_000),
            ("0.01", 1_000),
            ("0.333333333", 33_333),
            ("8192", 819_200_000),
        ] {
            assert_eq!(quota_usec(text.as_bytes()), Some(usec), "{text}");
        }
        let bad = ["", ".", "1.", ".5", "0", "0.009", "-1", "1e3", "1,5", "8193", "1.1234567890"];
        for text in bad {
            assert!(taken(Id::Cpus, text).is_err(), "{text}");
        }
    }

    #[test]
    fn processes_are_counted_from_one() {
        let pids = |text| taken(Id::Pids, text).map(|asked| asked.checked.pids).ok().flatten();
        assert_eq!((pids("1"), pids("4194304")), (Some(1), Some(4_194_304)));
        for text in ["0", "4194305", "max", "-1", "1K", ""] {
            assert_eq!(pids(text), None, "{text}");
        }
    }

    #[test]
    fn a_device_has_one_or_more_limits() {
        let io = |text| taken(Id::Io, text).map(|asked| asked.by_device).ok();
        let sda = Text::from("/dev/sda");
        assert_eq!(
            io("/dev/sda:rbps=10M,wiops=100"),
            Some(vec![(sda.clone(), IoKind::ReadBytes, 10 << 20), (sda, IoKind::Writes, 100)])
        );
        let by_number = vec![("8:0".into(), IoKind::WrittenBytes, 1)];
        assert_eq!(io("8:0:wbps=1"), Some(by_number));
        for text in [
            "",
            "/dev/sda",
            "/dev/sda:",
            ":rbps=1",
            "/dev/sda:rbps",
            "/dev/sda:rbps=0",
            "/dev/sda:rbps=max",
            "/dev/sda:riops=1K",
            "/dev/sda:wiops=4294967295",
            "/dev/sda:rbps=1,",
            "/dev/sda:weight=1",
        ] {
            assert_eq!(io(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_word_on_a_limit_holds() {
        let mut request = Request::default();
        assert!(request.limits.is_empty());
        for value in ["8:0:rbps=1,riops=2", "8:0:rbps=3", "8:16:rbps=4"] {
            take(&mut request, Id::Io, value.as_ref()).unwrap();
        }
        let asked = request.limits;
        let kept: Vec<_> =
            asked.by_device.iter().map(|(_, kind, per_second)| (*kind, *per_second)).collect();
        let (reads, bytes) = (IoKind::Reads, IoKind::ReadBytes);
        assert_eq!(kept, [(reads, 2), (bytes, 3), (bytes, 4)]);
        assert!(!asked.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_words_panic(text in "[0-9.:=,a-zKMGT/-]{0,24}") {
            let _ = (size(text.as_bytes()), quota_usec(text.as_bytes()), io_rules(text.as_bytes()));
        }
    }
}
