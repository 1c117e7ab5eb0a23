//! What `stat` and `status` tell of how a process is scheduled and what it takes of limited things:
//! proc_pid_stat(5), proc_pid_status(5).

use crate::model::text::Text;

/// From `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Clock ticks in user and in kernel mode.
    pub ticks: u64,
    /// −20 to 19.
    pub nice: i32,
    /// 1 to 99 under SCHED_FIFO and SCHED_RR, else 0.
    pub realtime_priority: u32,
    /// SCHED_* of linux/sched.h.
    pub policy: u32,
}

/// From `/proc/PID/status`; bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `VmSize`: what RLIMIT_AS bounds.
    pub address_space_bytes: Option<u64>,
    /// `VmLck`: what RLIMIT_MEMLOCK bounds.
    pub locked_bytes: Option<u64>,
    /// `VmRSS`: what is in memory.
    pub resident_bytes: Option<u64>,
    /// `VmData`: what RLIMIT_DATA bounds.
    pub data_bytes: Option<u64>,
    /// `VmStk`: what RLIMIT_STACK bounds.
    pub stack_bytes: Option<u64>,
    /// `SigQ`: queued signals of all processes of its user, which RLIMIT_SIGPENDING bounds.
    pub pending_signals: Option<u64>,
    /// `Cpus_allowed_list`: `0-3,8`
    pub cpus_allowed: Option<Text>,
    /// `Mems_allowed_list`, nodes of memory: `0`
    pub mems_allowed: Option<Text>,
}

/// Fields are counted from the last `)`: the name is the process's own.
pub fn parse_stat(bytes: &[u8]) -> Option<Schedule> {
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    // Field 3 is the first.
    let mut fields = fields.split_ascii_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let nice = fields.nth(3)?.parse().ok()?;
    let realtime_priority = fields.nth(20)?.parse().ok()?;
    let policy = fields.next()?.parse().ok()?;
    Some(Schedule { ticks: user.saturating_add(system), nice, realtime_priority, policy })
}

/// Lines that are not there leave `None`.
pub fn parse_status(bytes: &[u8]) -> Claims {
    let mut claims = Claims::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (key, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        match key {
            b"VmSize" => claims.address_space_bytes = kib(value),
            b"VmLck" => claims.locked_bytes = kib(value),
            b"VmRSS" => claims.resident_bytes = kib(value),
            b"VmData" => claims.data_bytes = kib(value),
            b"VmStk" => claims.stack_bytes = kib(value),
            // `0/96364`: those of all processes of the user.
            b"SigQ" => {
                let queued = value.split(|byte| *byte == b'/').next();
                claims.pending_signals = queued.and_then(number);
            }
            b"Cpus_allowed_list" => claims.cpus_allowed = Some(Text::new(value)),
            b"Mems_allowed_list" => claims.mems_allowed = Some(Text::new(value)),
            _ => {}
        }
    }
    claims
}

/// `3060 kB`
fn kib(value: &[u8]) -> Option<u64> {
    number(value.strip_suffix(b"kB")?.trim_ascii())?.checked_mul(1024)
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // cat(1) on Linux 6.18, under chrt --rr 7 and nice 5.
    const STAT: &[u8] = b"21869 (a) R 1 (cat) R 21861 21861 10821 0 -1 4194304 97 0 0 0 12 30 0 0 -8 5 1 0 \
        2727056 3133440 371 18446744073709551615 94204458979328 94204458999209 140735701883776 0 0 0 0 0 0 0 0 0 \
        17 1 7 2 0 0 0 94204459015216 94204459016832 94205197586432 140735701887664 140735701887684 0 0 0\n";

    #[test]
    fn fields_of_stat_are_counted_from_the_name() {
        let found = parse_stat(STAT).unwrap();
        let expected = Schedule { ticks: 42, nice: 5, realtime_priority: 7, policy: 2 };
        assert_eq!(found, expected);
        assert_eq!(parse_stat(b"1 (x) S 1 1\n"), None);
    }

    #[test]
    fn fields_of_status() {
        let found = parse_status(
            b"Name:\tVmSize: 1 kB\nVmSize:\t    3060 kB\nVmLck:\t       4 kB\nVmData:\t 360 kB\n\
              VmStk:\t 132 kB\nSigQ:\t3/96364\nCpus_allowed_list:\t0-1\nMems_allowed_list:\t0\n",
        );
        assert_eq!(found.address_space_bytes, Some(3060 * 1024));
        assert_eq!((found.locked_bytes, found.resident_bytes), (Some(4096), None));
        assert_eq!((found.pending_signals, found.cpus_allowed), (Some(3), Some("0-1".into())));
        assert_eq!((found.data_bytes, found.stack_bytes), (Some(360 << 10), Some(132 << 10)));
        assert_eq!(found.mems_allowed, Some("0".into()));
        assert_eq!(parse_status(b"VmRSS:\t 8 kB\n").resident_bytes, Some(8192));
        assert_eq!(parse_status(b"VmSize: 18446744073709551615 kB\n"), Claims::default());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse_stat(&bytes), parse_status(&bytes));
        }

        #[test]
        fn a_cut_line_is_refused_or_right(cut in 0..STAT.len()) {
            if let Some(found) = parse_stat(&STAT[..cut]) {
                proptest::prop_assert_eq!(found.nice, 5);
            }
        }
    }
}
