//! What is there once: the kernel's clock and names, who the users are.

use super::store::{self, Store};
use anyhow::Result;
use std::path::Path;

const FILES: [&str; 11] = [
    "/proc/meminfo",
    "/proc/version",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/random/boot_id",
    "/etc/hostname",
    "/etc/passwd",
    "/etc/subuid",
    "/etc/os-release",
    "/usr/lib/os-release",
    "/etc/docker/daemon.json",
];

/// Of /proc/stat the rest is interrupts: as many numbers as the machine has lines for them.
const STAT_LINES: [&[u8]; 4] = [b"cpu", b"btime ", b"ctxt ", b"procs_"];

pub(super) fn save(store: &mut Store) -> Result<()> {
    for path in FILES {
        store.copy(Path::new(path))?;
    }
    let stat = Path::new("/proc/stat");
    if let Some(bytes) = store::read(stat) {
        store.write(stat, &short_stat(&bytes))?;
    }
    if let Ok(link) = std::fs::read_link("/etc/os-release") {
        store.link(Path::new("/etc/os-release"), &link)?;
    }
    store.link(Path::new("/proc/self"), Path::new(&std::process::id().to_string()))?;
    store.copy(Path::new("/proc/uptime"))
}

fn short_stat(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let kept = lines.filter(|line| STAT_LINES.iter().any(|start| line.starts_with(start)));
    kept.flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::short_stat;

    #[test]
    fn the_clock_stays_and_the_interrupts_go() {
        let text = b"cpu  1 2\ncpu0 1 2\nintr 12 0 0\nctxt 5\nbtime 1764\nprocesses 9\n";
        assert_eq!(short_stat(text), b"cpu  1 2\ncpu0 1 2\nctxt 5\nbtime 1764\n");
    }
}
