//! What one kernel has and another lacks: a test of it is ignored there.

use super::Need;
use std::path::Path;
use std::process::Command;

/// `PID:INODE`.
pub const INODES: Need =
    Need::Machine("a kernel that gives processes an inode (Linux 6.9)", || since(6, 9));
/// `NS_MNT_GET_NEXT`: mount namespaces without a process.
pub const WALKED: Need =
    Need::Machine("a kernel that walks through mount namespaces (Linux 6.12)", || since(6, 12));

/// It may be switched off, or not built in.
pub const IPV6: Need = Need::Machine("IPv6", || Path::new("/proc/net/if_inet6").exists());

/// Whether this one is that version, or newer.
pub fn since(major: u32, minor: u32) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
}

/// The version of its Landlock: landlock_create_ruleset(2) is asked for that.
pub fn landlock() -> i32 {
    let asked = Command::new("perl").args(["-e", "print syscall(444, 0, 0, 1)"]).output();
    let version = asked.ok().and_then(|said| String::from_utf8(said.stdout).ok()?.parse().ok());
    version.unwrap_or(0)
}
