//! `/proc/PID/status`: proc_pid_status(5). Only the fields that nsx uses.

use crate::model::capability::CapSet;
use crate::model::group::CpuList;
use crate::model::process::Pid;

/// What it does not tell is `None`, or 0 and empty where every kernel tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Real, effective, saved and file-system uid, in the reader's user namespace.
    pub uids: [u32; 4],
    /// In the same order, as the reader's user namespace numbers groups.
    pub gids: [u32; 4],
    /// Supplementary ones, as the reader's user namespace numbers them.
    pub groups: Vec<u32>,
    /// Since Linux 4.7.
    pub umask: Option<u32>,
    /// The process that it is a thread of.
    pub process: Option<Pid>,
    /// The pid at each level, from the reader's pid namespace down to its own.
    pub pids_by_level: Vec<Pid>,
    /// The process that traces it, where there is one.
    pub tracer: Option<Pid>,
    /// Of the whole process, its first one too.
    pub threads: u32,
    /// Resident memory; a kernel thread and a zombie have none.
    pub rss_bytes: Option<u64>,
    /// Bit N−1 for signal N: ignored, and handled by the process.
    pub signals_ignored: u64,
    /// `SigBlk`: signals that wait, of its first thread, as bits of the same order.
    pub signals_blocked: u64,
    /// `SigCgt`: signals with a handler, as bits of the same order.
    pub signals_caught: u64,
    /// How often its first thread has given its processor away by itself, as who goes to sleep does.
    pub sleeps: u64,
    /// `CapInh`: what execve(2) keeps for files that allow it.
    pub cap_inheritable: CapSet,
    /// `CapPrm`: what it may make effective.
    pub cap_permitted: CapSet,
    /// `CapEff`: what the kernel checks.
    pub cap_effective: CapSet,
    /// `CapBnd`: beyond these no program gains any.
    pub cap_bounding: CapSet,
    /// Since Linux 4.3.
    pub cap_ambient: CapSet,
    /// Set by prctl(2): no program gains privileges. Since Linux 4.10; false before.
    pub no_new_privs: bool,
    /// 0 off, 1 strict, 2 filter.
    pub seccomp: u8,
    /// Since Linux 5.9.
    pub seccomp_filters: Option<u64>,
}

impl Status {
    /// Whether a signal would meet its default action. One that is blocked may be waited for.
    pub const fn leaves_default(&self, signal: i32) -> bool {
        self.has_default(signal) && !has(self.signals_blocked, signal)
    }

    /// The same once it is not blocked.
    pub const fn has_default(&self, signal: i32) -> bool {
        signal > 0 && signal <= 64 && !has(self.signals_ignored | self.signals_caught, signal)
    }
}

/// Of a signal that there is.
const fn has(signals: u64, signal: i32) -> bool {
    signals >> (signal - 1) & 1 == 1
}

/// Unknown fields are skipped, missing ones keep their default: older kernels have fewer.
pub fn parse(bytes: &[u8]) -> Option<Status> {
    let mut status = Status::default();
    let mut seen_uid = false;
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (key, value) = line.split_at(colon);
        // The name is the only field that the process chooses; nothing else needs bytes.
        let Ok(value) = std::str::from_utf8(value.get(1..).unwrap_or_default()) else {
            continue;
        };
        let value = value.trim();
        match key {
            b"Uid" => {
                status.uids = four(value)?;
                seen_uid = true;
            }
            b"Tgid" => status.process = Pid::parse(value.as_bytes()),
            b"TracerPid" => status.tracer = Pid::parse(value.as_bytes()),
            b"Gid" => status.gids = four(value)?,
            b"Groups" => {
                status.groups = value.split_ascii_whitespace().flat_map(str::parse).collect();
            }
            b"Umask" => status.umask = u32::from_str_radix(value, 8).ok(),
            b"NSpid" => {
                status.pids_by_level = value
                    .split_ascii_whitespace()
                    .filter_map(|n| Pid::parse(n.as_bytes()))
                    .collect();
            }
            b"Threads" => status.threads = value.parse().ok()?,
            b"VmRSS" => status.rss_bytes = kibibytes(value),
            b"SigIgn" => status.signals_ignored = u64::from_str_radix(value, 16).ok()?,
            b"SigBlk" => status.signals_blocked = u64::from_str_radix(value, 16).ok()?,
            b"SigCgt" => status.signals_caught = u64::from_str_radix(value, 16).ok()?,
            b"voluntary_ctxt_switches" => status.sleeps = value.parse().ok()?,
            b"CapInh" => status.cap_inheritable = CapSet::parse(value)?,
            b"CapPrm" => status.cap_permitted = CapSet::parse(value)?,
            b"CapAmb" => status.cap_ambient = CapSet::parse(value)?,
            b"CapEff" => status.cap_effective = CapSet::parse(value)?,
            b"CapBnd" => status.cap_bounding = CapSet::parse(value)?,
            b"NoNewPrivs" => status.no_new_privs = value == "1",
            b"Seccomp" => status.seccomp = value.parse().ok()?,
            b"Seccomp_filters" => status.seccomp_filters = value.parse().ok(),
            _ => {}
        }
    }
    seen_uid.then_some(status)
}

/// The CPUs on which it may run, of the same file.
pub fn cpus(bytes: &[u8]) -> Option<CpuList> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let list = lines.find_map(|line| line.strip_prefix(b"Cpus_allowed_list:"))?;
    CpuList::parse(list.trim_ascii())
}

/// `1234 kB`, which means KiB.
fn kibibytes(value: &str) -> Option<u64> {
    value.strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn four(value: &str) -> Option<[u32; 4]> {
    let mut numbers = value.split_ascii_whitespace().map(|number| number.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??, numbers.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"Name:\tsl\\nUid:\t9 9 9 9\\neep\xff\nUmask:\t0022\nState:\tS (sleeping)\n\
        Tgid:\t30221\nPid:\t30221\nPPid:\t30176\nUid:\t0\t101\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t1 27 \n\
        NStgid:\t30221\t29\nVmRSS:\t    4720 kB\nNSpid:\t30221\t29\nThreads:\t1\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000004002\nCapEff:\t00000000a80425fb\n\
        CapBnd:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";

    #[test]
    fn a_file_with_a_hostile_name() {
        let status = parse(FILE).unwrap();
        assert_eq!(status.uids, [0, 101, 0, 0]);
        assert_eq!(status.groups, [1, 27]);
        assert_eq!(status.umask, Some(0o22));
        assert_eq!(
            status.pids_by_level.iter().map(|p| p.number()).collect::<Vec<_>>(),
            [30221, 29]
        );
        assert_eq!((status.threads, status.rss_bytes), (1, Some(4720 * 1024)));
        assert_eq!(status.cap_bounding.len(), 14);
        assert!(status.no_new_privs);
        assert!(
            !status.leaves_default(2) && !status.leaves_default(13) && !status.leaves_default(15)
        );
        assert!(
            status.leaves_default(1) && status.leaves_default(64) && !status.leaves_default(65)
        );
        let waiting = parse(&[FILE, b"SigBlk:\t0000000000000001\n"].concat()).unwrap();
        assert!(!waiting.leaves_default(1) && waiting.leaves_default(64));
        let set = |sets: &[&str]| {
            let lines = sets.iter().map(|set| format!("{set}:\t0000000000000001\n"));
            let lines = ["Uid:\t0\t0\t0\t0\n".to_owned()].into_iter().chain(lines);
            parse(lines.collect::<String>().as_bytes()).unwrap().leaves_default(1)
        };
        assert!(set(&[]) && !set(&["SigIgn", "SigCgt"]) && !set(&["SigCgt", "SigBlk"]));
        assert!(!Status::default().leaves_default(0), "no signal");
        assert_eq!((status.seccomp, status.seccomp_filters), (2, Some(1)));
        let slept =
            [FILE, b"voluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t8\n"].concat();
        assert_eq!(parse(&slept).unwrap().sleeps, 7);
        let traced = [FILE, b"TracerPid:\t7\n"].concat();
        assert_eq!(parse(&traced).unwrap().tracer.map(Pid::number), Some(7));
        assert_eq!((status.tracer, status.process.map(Pid::number)), (None, Some(30221)));
        let caps = [FILE, b"CapInh:\t1\nCapPrm:\t3\nCapAmb:\t7\n"].concat();
        let caps = parse(&caps).unwrap();
        let lengths = [caps.cap_inheritable, caps.cap_permitted, caps.cap_ambient];
        assert_eq!(lengths.map(CapSet::len), [1, 2, 3]);
        assert!(status.cap_ambient.is_empty() && status.cap_permitted.is_empty());
    }

    #[test]
    fn its_cpus_are_told() {
        let listed = |line: &str| cpus([FILE, line.as_bytes()].concat().as_slice());
        assert_eq!(listed("Cpus_allowed_list:\t0-2,5\n").unwrap().to_string(), "0-2,5");
        assert_eq!((listed("Cpus_allowed:\tf\n"), listed("")), (None, None));
    }

    #[test]
    fn a_file_without_uids_is_no_status() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"Uid:\t0\t0\t0\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
