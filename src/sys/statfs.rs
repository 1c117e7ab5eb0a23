//! How full file systems are: statfs(2), by a process that can be abandoned.

use super::error::{Problem, Result, SysError};
use super::worker::files::{Reading, Request, Way};
use crate::model::mount::{Mount, Usage};
use nix::errno::Errno;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Asks each mount at its path as a process sees it whose `/proc/PID` this is. ESTALE: something else
/// is there. The caller has one thread.
pub fn measure(
    process: BorrowedFd<'_>,
    mounts: &[&Mount],
    deadline: Duration,
) -> Vec<Result<Usage>> {
    // The kernel writes no NUL in a path.
    let path = |mount: &&Mount| CString::new(mount.target.as_bytes()).unwrap_or_default();
    let paths: Vec<CString> = mounts.iter().map(path).collect();
    // One that does not answer leaves time for others.
    let patience = if paths.len() == 1 { deadline } else { deadline / 4 };
    let request = |path| Request { dir: process, name: path, way: Way::Fullness, cap: 0, patience };
    let requests: Vec<Request<'_>> = paths.iter().map(|path| request(path.as_c_str())).collect();
    let answers = Reading::start(&requests).finish(&requests, deadline).into_iter();
    let usage = |(answer, mount): (Result<_>, &&Mount)| usage_of(answer, mount);
    answers.zip(mounts).map(usage).collect()
}

fn usage_of(answer: Result<super::bounded::Bytes>, mount: &Mount) -> Result<Usage> {
    let failed = |problem| SysError { doing: "ask", object: mount.target.clone(), problem };
    let bytes = answer.map_err(|error| failed(error.problem))?.bytes;
    let numbers: Vec<u64> =
        bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word)).collect();
    let [id, unit, blocks, free, available, inodes, inodes_free] = numbers[..] else {
        return Err(failed(Problem::Malformed("answer")));
    };
    if id != 0 && id != u64::from(mount.id) {
        return Err(failed(Problem::Errno(Errno::ESTALE)));
    }
    Ok(Usage {
        size_bytes: blocks.saturating_mul(unit),
        used_bytes: blocks.saturating_sub(free).saturating_mul(unit),
        available_bytes: available.saturating_mul(unit),
        inodes,
        inodes_used: inodes.saturating_sub(inodes_free),
    })
}

/// In the child: the number of the mount, and what [`Usage`] is counted from. A path opened as a place asks nobody at its end, not even for an automatic mount.
pub(super) fn examine(
    process: BorrowedFd<'_>,
    path: &CStr,
    numbers: &mut Vec<u8>,
) -> rustix::io::Result<()> {
    let place = OFlags::PATH | OFlags::CLOEXEC;
    let root = rustix::fs::openat(process, "root", place | OFlags::DIRECTORY, Mode::empty())?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let place = rustix::fs::openat2(&root, path, place, Mode::empty(), resolve)?;
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    // Linux 5.8; 0 before that.
    let stat = rustix::fs::statx(&place, "", flags, StatxFlags::MNT_ID)?;
    let has_id = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    let found = rustix::fs::fstatfs(&place)?;
    let unit = if found.f_frsize > 0 { found.f_frsize } else { found.f_bsize };
    let unit = u64::try_from(unit).unwrap_or_default();
    let id = if has_id { stat.stx_mnt_id } else { 0 };
    for number in
        [id, unit, found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree]
    {
        numbers.extend(number.to_ne_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::bounded;
    use crate::sys::proc::mountinfo;
    use std::os::fd::AsFd;

    #[test]
    fn our_own_root_is_as_full_as_the_library_says() {
        let process = std::fs::File::open("/proc/self").unwrap();
        let bytes = bounded::read(process.as_fd(), "mountinfo", bounded::LARGE).unwrap();
        let mounts = mountinfo::parse(&bytes).0;
        let root = mounts.iter().rfind(|mount| mount.target == "/").unwrap();
        let other = Mount { id: root.id + 1, ..root.clone() };
        let missing = Mount { target: "/nobody/made/this".into(), ..root.clone() };
        let places = [root, &other, &missing];
        let found = measure(process.as_fd(), &places, Duration::from_secs(20));
        let [Ok(usage), Err(another), Err(gone)] = &found[..] else { panic!("{found:?}") };
        let statvfs = nix::sys::statvfs::statvfs("/").unwrap();
        assert_eq!(usage.size_bytes, statvfs.blocks() * statvfs.fragment_size());
        assert_eq!(usage.inodes, statvfs.files());
        assert_eq!(another.errno(), Some(Errno::ESTALE));
        assert_eq!(gone.errno(), Some(Errno::ENOENT));
    }
}
