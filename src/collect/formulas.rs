//! The formulas of docker, podman and the kubelet over numbers that are read already.

use crate::model::cgroup::{Bound, Cgroup, CpuRate, MemoryInFull};
use crate::model::formulas::{Formulas, Stats, Top};
use crate::sys::bounded;
use crate::sys::root::SysRoot;

/// `None` where the memory is not known.
pub fn collect_formulas(root: &SysRoot, cgroup: &Cgroup) -> Option<Formulas> {
    let memory = cgroup.memory.as_ref()?;
    let info = bounded::read(root.proc(), "meminfo", bounded::SMALL).unwrap_or_default();
    let rate = cgroup.cpu.as_ref().and_then(|cpu| cpu.rate);
    Some(formulas(memory, rate, memory_total_bytes(&info)))
}

/// Each leaves out the file cache that is not in use. The engines do not where that would be more
/// than all (counters are read one after another); the kubelet then says nothing is used.
fn formulas(memory: &MemoryInFull, rate: Option<CpuRate>, total_bytes: Option<u64>) -> Formulas {
    let usage = memory.basic.usage_bytes;
    let inactive = memory.inactive_file_bytes.unwrap_or_default();
    let memory_bytes = if inactive < usage { usage - inactive } else { usage };
    // The engines know the limit of the container's own group alone.
    let own = memory.levels.first().and_then(|own| own.max_bytes).and_then(Bound::value);
    let memory_limit_bytes = own.into_iter().chain(total_bytes).min().unwrap_or_default();
    let stats = Stats {
        memory_bytes,
        memory_limit_bytes,
        memory_percent_hundredths: hundredths(memory_bytes, memory_limit_bytes),
        cpu_percent_hundredths: None,
    };
    let used_usec = |rate: &CpuRate| {
        let used = u128::from(rate.used_millicores) * u128::from(rate.interval_usec) / 1000;
        u64::try_from(used).unwrap_or(u64::MAX)
    };
    // docker divides by what all CPUs counted, and multiplies by their number.
    let docker_cpu = rate.and_then(|rate| {
        let of_host = hundredths(used_usec(&rate), rate.host_usec?);
        Some(of_host.saturating_mul(rate.host_cpus?))
    });
    let podman_cpu = rate.map(|rate| rate.used_millicores.saturating_mul(10));
    Formulas {
        docker: Stats { cpu_percent_hundredths: docker_cpu, ..stats },
        podman: Stats { cpu_percent_hundredths: podman_cpu, ..stats },
        kubelet: Top {
            memory_bytes: usage.saturating_sub(inactive),
            cpu_millicores: rate.map(|rate| rate.used_millicores),
        },
    }
}

/// Rounded to the nearest, as a formatted number is.
fn hundredths(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    let (part, whole) = (u128::from(part), u128::from(whole));
    u64::try_from((part * 10_000 + whole / 2) / whole).unwrap_or(u64::MAX)
}

/// `MemTotal:       32617340 kB`
fn memory_total_bytes(meminfo: &[u8]) -> Option<u64> {
    let mut lines = meminfo.split(|byte| *byte == b'\n');
    let line = lines.find_map(|line| line.strip_prefix(b"MemTotal:"))?;
    let words = std::str::from_utf8(line).ok()?;
    words.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cgroup::{Memory, MemoryLevel};

    fn memory(usage_bytes: u64, inactive: u64, max: Option<Bound>) -> MemoryInFull {
        MemoryInFull {
            basic: Memory { usage_bytes, ..Memory::default() },
            inactive_file_bytes: Some(inactive),
            levels: vec![MemoryLevel { max_bytes: max, ..MemoryLevel::default() }],
            ..MemoryInFull::default()
        }
    }

    #[test]
    fn inactive_file_cache_is_left_out() {
        let found =
            formulas(&memory(4_771_840, 954_368, Some(Bound::At(67_108_864))), None, Some(1 << 34));
        assert_eq!(found.docker.memory_bytes, 3_817_472);
        assert_eq!(found.docker.memory_limit_bytes, 67_108_864);
        assert_eq!(found.docker.memory_percent_hundredths, 569);
        assert_eq!(found.kubelet.memory_bytes, 3_817_472);
        assert_eq!(found.docker.cpu_percent_hundredths, None);
    }

    #[test]
    fn more_inactive_cache_than_usage_is_nothing_to_one_and_ignored_by_the_others() {
        let found = formulas(&memory(5, 9, Some(Bound::Unlimited)), None, Some(100));
        assert_eq!((found.docker.memory_bytes, found.kubelet.memory_bytes), (5, 0));
        assert_eq!(found.podman.memory_limit_bytes, 100, "the machine's");
        assert_eq!(
            formulas(&memory(5, 0, Some(Bound::At(900))), None, Some(100))
                .docker
                .memory_limit_bytes,
            100
        );
        assert_eq!(formulas(&memory(5, 0, None), None, None).docker.memory_percent_hundredths, 0);
    }

    #[test]
    fn half_a_core_of_four() {
        let rate = CpuRate {
            interval_usec: 200_000,
            used_millicores: 500,
            host_usec: Some(800_000),
            host_cpus: Some(4),
            ..CpuRate::default()
        };
        let found = formulas(&memory(5, 0, None), Some(rate), None);
        assert_eq!(found.docker.cpu_percent_hundredths, Some(5000));
        assert_eq!(found.podman.cpu_percent_hundredths, Some(5000));
        assert_eq!(found.kubelet.cpu_millicores, Some(500));
    }

    #[test]
    fn the_machines_memory() {
        assert_eq!(memory_total_bytes(b"MemTotal:       2 kB\nMemFree: 1 kB\n"), Some(2048));
        assert_eq!(memory_total_bytes(b"MemFree: 1 kB\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_numbers_panic(usage: u64, inactive: u64, max: u64, used: u64, host: u64, cpus: u64) {
            let rate = CpuRate {
                interval_usec: used,
                used_millicores: usage,
                host_usec: Some(host),
                host_cpus: Some(cpus),
                ..CpuRate::default()
            };
            formulas(&memory(usage, inactive, Some(Bound::At(max))), Some(rate), Some(host));
        }
    }
}
