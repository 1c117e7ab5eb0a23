//! The files of cgroup v1's controllers: admin-guide/cgroup-v1. pids is the same as on v2.

use super::group::{Group, Reader};
use super::levels::{self, CpuFiles, MemoryFiles};
use super::memory_stat::{self, MemoryStat};
use super::values::{Bound, keyed_value, millicores, number, text, v1_bytes, v1_quota};
use super::{io, v2};
use crate::model::cgroup::{
    Cpu, CpuInFull, CpuLevel, IoDevice, IoKind, Limit, Memory, MemoryEvents, MemoryInFull,
    MemoryLevel,
};
use crate::model::gap::Gap;
use crate::model::text::Text;

const NSEC_PER_USEC: u64 = 1000;
/// Clock ticks a second as programs are told (asm-generic/param.h; 1024 on alpha alone). Not asked of
/// the auxiliary vector, which a protected process may not read.
const USER_HZ: u64 = 100;

const MEMORY: MemoryFiles = MemoryFiles {
    usage: "memory.usage_in_bytes",
    max: "memory.limit_in_bytes",
    high: None,
    bound: v1_bytes,
    stat: memory_stat::parse_v1,
    own_events: None,
};
const CPU: CpuFiles = CpuFiles { quota, stat: throttling };

/// The memory controller, for a list. Its file cache and working set count the groups below, as
/// usage does.
pub fn memory(group: &Group, gaps: &mut Vec<Gap>) -> Option<Memory> {
    let mut files = Reader::new(group, "memory", gaps);
    let (mut memory, _) = basic_memory(&mut files)?;
    memory.limit = files.tightest(|files, levels| files.value_above(levels, MEMORY.max, v1_bytes));
    Some(memory)
}

/// `None` where the group has no memory controller; what else cannot be read is a gap.
pub fn memory_in_full(group: &Group, gaps: &mut Vec<Gap>) -> Option<MemoryInFull> {
    let mut files = Reader::new(group, "memory", gaps);
    let (mut basic, stat) = basic_memory(&mut files)?;
    // The kernel knows the tightest; whose it is must be looked for, unless there is none.
    let told = stat.hierarchical_limit.map(|limit| v1_bytes(limit.to_string().as_bytes()));
    let told = told.flatten();
    let own = MemoryLevel {
        usage_bytes: Some(basic.usage_bytes),
        working_set_bytes: basic.working_set_bytes,
        ..MemoryLevel::default()
    };
    let levels = levels::memory(&mut files, MEMORY, &own, told != Some(Bound::Unlimited));
    basic.limit = files.tightest_of(levels.iter().map(|level| (level.max_bytes, &level.path)));
    match told {
        Some(Bound::At(value)) if basic.limit.value().is_none_or(|found| value < found) => {
            let set_by = above(levels.last().map_or(b"/", |top| top.path.as_bytes()));
            basic.limit = Limit::Value { value, set_by };
        }
        Some(Bound::Unlimited) => basic.limit = Limit::Unlimited,
        _ => {}
    }
    let swap_limit = files.tightest(|files, levels| {
        files.value_above(levels, "memory.memsw.limit_in_bytes", v1_bytes)
    });
    let events = MemoryEvents {
        max: files.value("memory.failcnt", number),
        oom_kill: basic.oom_kills,
        ..MemoryEvents::default()
    };
    Some(MemoryInFull {
        swap_limit,
        sock_bytes: files.value("memory.kmem.tcp.usage_in_bytes", number),
        events,
        levels,
        basic,
        ..in_full(&stat)
    })
}

/// The kernel's way of naming what lies above the topmost group that can be seen.
fn above(path: &[u8]) -> Text {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    let up = names.filter(|name| *name == b"..").count() + 1;
    "/..".repeat(up).into()
}

/// What both versions take from memory.stat.
pub(super) fn in_full(stat: &MemoryStat) -> MemoryInFull {
    MemoryInFull {
        active_file_bytes: stat.active_file,
        inactive_file_bytes: stat.inactive_file,
        shmem_bytes: stat.shmem,
        file_mapped_bytes: stat.file_mapped,
        file_dirty_bytes: stat.file_dirty,
        slab_bytes: stat.slab,
        kernel_stack_bytes: stat.kernel_stack,
        page_tables_bytes: stat.page_tables,
        sock_bytes: stat.sock,
        ..MemoryInFull::default()
    }
}

/// All but the limit.
fn basic_memory(files: &mut Reader<'_>) -> Option<(Memory, MemoryStat)> {
    let usage_bytes = files.value(MEMORY.usage, number)?;
    let stat = files.value("memory.stat", |bytes| Some(memory_stat::parse_v1(bytes)));
    let stat = stat.unwrap_or_default();
    let oom_kills = files.value("memory.oom_control", |bytes| {
        // Since 4.13. It counts at the group of the victim, not at the one whose limit was met.
        Some(keyed_value(bytes, b"oom_kill"))
    });
    let memory = Memory {
        usage_bytes,
        working_set_bytes: stat.inactive_file.map(|inactive| usage_bytes.saturating_sub(inactive)),
        anon_bytes: stat.anon,
        file_bytes: stat.file,
        kernel_bytes: files.value("memory.kmem.usage_in_bytes", number),
        peak_bytes: files.value("memory.max_usage_in_bytes", number),
        swap_bytes: stat.swap,
        limit: Limit::Unlimited,
        oom_kills: oom_kills.flatten(),
    };
    Some((memory, stat))
}

/// The cpu controller: throttling and the limit. The usage is cpuacct's.
pub fn cpu(group: &Group, gaps: &mut Vec<Gap>) -> Cpu {
    let mut files = Reader::new(group, "cpu", gaps);
    let own = files.value("cpu.stat", |bytes| Some(throttling(bytes))).unwrap_or_default();
    Cpu { limit_millicores: files.tightest(quota), ..v2::throttled(&own) }
}

/// What its files do not tell is null; `usage_usec` is in the files of another controller.
pub fn cpu_in_full(group: &Group, gaps: &mut Vec<Gap>) -> CpuInFull {
    let mut files = Reader::new(group, "cpu", gaps);
    let own = files.value("cpu.stat", |bytes| Some(throttling(bytes))).unwrap_or_default();
    let basic = v2::throttled(&own);
    let levels = levels::cpu(&mut files, CPU, own);
    let limit_millicores =
        files.tightest_of(levels.iter().map(|level| (level.limit_millicores, &level.path)));
    let is_set =
        levels.first().is_some_and(|own| matches!(own.limit_millicores, Some(Bound::At(_))));
    CpuInFull {
        basic: Cpu { limit_millicores, ..basic },
        burst_usec: is_set.then(|| files.value("cpu.cfs_burst_us", number)).flatten(),
        shares: files.value("cpu.shares", number),
        levels,
        ..CpuInFull::default()
    }
}

fn throttling(bytes: &[u8]) -> CpuLevel {
    levels::throttling(bytes, b"throttled_time", NSEC_PER_USEC)
}

fn quota(files: &mut Reader<'_>, levels: usize) -> Option<Bound> {
    match files.value_above(levels, "cpu.cfs_quota_us", v1_quota)? {
        Bound::Unlimited => Some(Bound::Unlimited),
        Bound::At(quota) => files.value_above(levels, "cpu.cfs_period_us", |bytes| {
            millicores(quota, number(bytes)?).map(Bound::At)
        }),
    }
}

/// The cpuacct controller, which may be in another hierarchy than cpu.
pub fn cpu_usage_usec(group: &Group, gaps: &mut Vec<Gap>) -> Option<u64> {
    let mut files = Reader::new(group, "cpu", gaps);
    files.value("cpuacct.usage", usage_usec_of)
}

/// Of the usage, that of programs and that of the kernel for them: in clock ticks, so that the last
/// ones may be missing.
pub fn user_and_system_usec(group: &Group, gaps: &mut Vec<Gap>) -> (Option<u64>, Option<u64>) {
    let mut files = Reader::new(group, "cpu", gaps);
    let both = files.value("cpuacct.stat", |bytes| Some(user_and_system_usec_of(bytes)));
    both.unwrap_or_default()
}

/// What cpuacct.stat says.
pub fn user_and_system_usec_of(bytes: &[u8]) -> (Option<u64>, Option<u64>) {
    let field =
        |key| keyed_value(bytes, key).map(|ticks| ticks.saturating_mul(1_000_000 / USER_HZ));
    (field(b"user"), field(b"system"))
}

/// What cpuacct.usage says.
pub fn usage_usec_of(bytes: &[u8]) -> Option<u64> {
    Some(number(bytes)? / NSEC_PER_USEC)
}

/// The CPUs and memory nodes of the cpuset controller.
pub fn cpuset(group: &Group, gaps: &mut Vec<Gap>) -> (Option<Text>, Option<Text>) {
    let mut files = Reader::new(group, "cpuset", gaps);
    (files.value("cpuset.effective_cpus", text), files.value("cpuset.effective_mems", text))
}

/// The blkio controller: what was moved, and the limits, which on v1 are not those of groups above.
pub fn io(group: &Group, gaps: &mut Vec<Gap>) -> Option<(Vec<IoDevice>, v2::StatedIo)> {
    const LIMITS: [(&str, IoKind); 4] = [
        ("blkio.throttle.read_bps_device", IoKind::ReadBytes),
        ("blkio.throttle.write_bps_device", IoKind::WrittenBytes),
        ("blkio.throttle.read_iops_device", IoKind::Reads),
        ("blkio.throttle.write_iops_device", IoKind::Writes),
    ];
    let mut files = Reader::new(group, "io", gaps);
    let whole = |bytes: &[u8]| Some(bytes.to_vec());
    let moved = files.value("blkio.throttle.io_service_bytes_recursive", whole)?;
    let operations = files.value("blkio.throttle.io_serviced_recursive", whole);
    let path = files.path_above(0);
    let mut limits = Vec::new();
    for (file, kind) in LIMITS {
        let stated = files.value(file, |bytes| Some(io::v1_max(bytes))).unwrap_or_default();
        let with_path = |(device, value)| (device, kind, value, path.clone());
        limits.extend(stated.into_iter().map(with_path));
    }
    Some((io::v1_stat(&moved, &operations.unwrap_or_default()), limits))
}

/// The freezer; `None` in the root group, which cannot be frozen.
pub fn frozen(group: &Group, gaps: &mut Vec<Gap>) -> Option<bool> {
    let mut files = Reader::new(group, "freezer", gaps);
    files.value("freezer.state", |bytes| Some(frozen_of(bytes)))
}

/// What freezer.state says: `THAWED`, `FREEZING` or `FROZEN`.
pub fn frozen_of(bytes: &[u8]) -> bool {
    bytes.trim_ascii() == b"FROZEN"
}

#[cfg(test)]
mod tests {
    use super::super::hierarchy::Place;
    use super::*;
    use crate::sys::root::SysRoot;

    #[test]
    fn what_is_above_is_named_as_the_kernel_would() {
        assert_eq!(above(b"/docker/a"), "/..");
        assert_eq!(above(b"/../x"), "/../..");
    }

    /// A directory of a v1 hierarchy with a group above it, and files of both.
    fn group(files: &[(&str, &str)]) -> (tempfile::TempDir, Group) {
        let temp = tempfile::tempdir().unwrap();
        for directory in ["proc", "cg/a/b"] {
            std::fs::create_dir_all(temp.path().join(directory)).unwrap();
        }
        for (name, content) in files {
            std::fs::write(temp.path().join("cg/a/b").join(name), content).unwrap();
        }
        let root = SysRoot::fixture(temp.path()).unwrap();
        let (directory, path) = ("/cg/a/b".into(), "/docker/b".into());
        let place = Place { directory, path, ancestors: 1, is_v2: false };
        let group = Group::open(&root, place).unwrap();
        (temp, group)
    }

    const NO_LIMIT: &str = "9223372036854771712\n";

    /// The memory of a group by its own limit, that of the one above it, and what the kernel says is
    /// the tightest.
    fn limited(own: &str, above: &str, told: &str, is_cut_off: bool) -> MemoryInFull {
        let stat = format!("total_inactive_file 300\nhierarchical_memory_limit {told}\n");
        let (_temp, group) = group(&[
            ("memory.usage_in_bytes", "1000\n"),
            ("memory.limit_in_bytes", own),
            ("memory.stat", &stat),
            ("../memory.usage_in_bytes", "4000\n"),
            ("../memory.limit_in_bytes", above),
        ]);
        let group = if is_cut_off { group.cut_off() } else { group };
        memory_in_full(&group, &mut Vec::new()).unwrap()
    }

    #[test]
    fn whose_the_tightest_limit_of_memory_is_is_told() {
        let at = |value, set_by: &str| Limit::Value { value, set_by: set_by.into() };
        for (own, above, told, limit) in [
            ("5000\n", NO_LIMIT, "5000", at(5000, "/docker/b")),
            ("9000\n", "5000\n", "5000", at(5000, "/docker")),
            // That of a group that cannot be seen.
            ("9000\n", "8000\n", "5000", at(5000, "/..")),
            (NO_LIMIT, NO_LIMIT, "5000", at(5000, "/..")),
            (NO_LIMIT, NO_LIMIT, NO_LIMIT.trim(), Limit::Unlimited),
        ] {
            for is_cut_off in [false, true] {
                assert_eq!(limited(own, above, told, is_cut_off).basic.limit, limit, "{told}");
            }
        }
    }

    #[test]
    fn each_level_has_its_own_usage() {
        let own = MemoryLevel {
            path: "/docker/b".into(),
            max_bytes: Some(Bound::At(9000)),
            usage_bytes: Some(1000),
            working_set_bytes: Some(700),
            ..MemoryLevel::default()
        };
        let above = MemoryLevel {
            path: "/docker".into(),
            max_bytes: Some(Bound::At(8000)),
            usage_bytes: Some(4000),
            ..MemoryLevel::default()
        };
        assert_eq!(limited("9000\n", "8000\n", "8000", false).levels, [own, above]);
    }

    #[test]
    fn a_group_without_a_freezer_is_neither_frozen_nor_not() {
        for (files, expected) in [
            (&[("freezer.state", "FROZEN\n")][..], Some(true)),
            (&[("freezer.state", "THAWED\n")], Some(false)),
            (&[], None),
        ] {
            let (_temp, group) = group(files);
            assert_eq!(frozen(&group, &mut Vec::new()), expected);
        }
    }

    #[test]
    fn what_is_frozen_says_so() {
        let states = [&b"FROZEN\n"[..], b"FREEZING\n", b"THAWED\n", b""];
        assert_eq!(states.map(frozen_of), [true, false, false, false]);
    }

    #[test]
    fn each_number_of_memory_stat_stays_what_it_is() {
        let stat = MemoryStat {
            active_file: Some(1),
            inactive_file: Some(2),
            shmem: Some(3),
            file_mapped: Some(4),
            file_dirty: Some(5),
            slab: Some(6),
            kernel_stack: Some(7),
            page_tables: Some(8),
            sock: Some(9),
            ..MemoryStat::default()
        };
        let expected = MemoryInFull {
            active_file_bytes: Some(1),
            inactive_file_bytes: Some(2),
            shmem_bytes: Some(3),
            file_mapped_bytes: Some(4),
            file_dirty_bytes: Some(5),
            slab_bytes: Some(6),
            kernel_stack_bytes: Some(7),
            page_tables_bytes: Some(8),
            sock_bytes: Some(9),
            ..MemoryInFull::default()
        };
        assert_eq!(in_full(&stat), expected);
    }
}
