//! The mounts of this mount namespace, as far as the lab needs them: taking away its own.

use anyhow::{Result, bail};
use rustix::mount::{UnmountFlags, unmount};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Unmounts everything at or below `dir`, the newest first.
pub(super) fn unmount_below(dir: &Path) -> Result<()> {
    // A mount may uncover another one at the same place.
    for _ in 0..100 {
        let below = points()?.into_iter().rev().filter(|point| point.starts_with(dir));
        let below: Vec<PathBuf> = below.collect();
        if below.is_empty() {
            return Ok(());
        }
        for mount in below {
            if unmount(&mount, UnmountFlags::empty()).is_err() {
                unmount(&mount, UnmountFlags::DETACH)?;
            }
        }
    }
    bail!("{}: mounts keep appearing", dir.display());
}

/// Mount points in the order of mounting.
fn points() -> Result<Vec<PathBuf>> {
    let bytes = std::fs::read("/proc/self/mountinfo")?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.filter_map(point).collect())
}

/// Field 5 of a line of proc_pid_mountinfo(5).
fn point(line: &[u8]) -> Option<PathBuf> {
    let field = line.split(|byte| *byte == b' ').nth(4)?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(&unescape(field))))
}

/// `\040` and its like, which stand for space, tab, newline and backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|_| *first == b'\\');
        let code = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_point_with_a_space() {
        let line = br"1 2 3:4 / /tmp/a\040b\134c rw shared:1 - ext4 /dev/vda rw";
        assert_eq!(super::point(line).unwrap(), std::path::Path::new(r"/tmp/a b\c"));
    }
}
