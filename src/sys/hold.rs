//! Files that a process holds for as long as it lives. The lock is the process's own: no child
//! inherits it, it goes with the process, and who asks is told whose it is, where `/proc` hides that.
//! See "Advisory record locking" in fcntl_locking(2).

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use std::os::fd::OwnedFd;

/// Holds a file that is open for writing. It is let go as soon as this process closes any descriptor
/// of that file.
pub fn hold(file: &OwnedFd) -> nix::Result<()> {
    fcntl(file, FcntlArg::F_SETLK(&whole())).map(drop)
}

/// Who holds it, by its number here; 0 for who has none here. `None`: nobody, or this process.
pub fn holder(file: &OwnedFd) -> nix::Result<Option<u32>> {
    let mut lock = whole();
    fcntl(file, FcntlArg::F_GETLK(&mut lock))?;
    if i32::from(lock.l_type) == libc::F_UNLCK {
        return Ok(None);
    }
    // -1 is no process: a lock of an open file.
    u32::try_from(lock.l_pid).map(Some).map_err(|_| Errno::EINVAL)
}

/// For writing, all of it.
#[expect(clippy::cast_possible_truncation, reason = "constants of one digit")]
fn whole() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::raw::fork::{self, Side};
    use nix::sys::wait::waitpid;
    use std::io::Read;

    #[test]
    fn who_holds_a_file_is_known_until_he_ends() {
        let file: OwnedFd = tempfile::tempfile().unwrap().into();
        let (mut told, tell) = std::io::pipe().unwrap();
        let (wait, mut end) = std::io::pipe().unwrap();
        let child = match fork::fork(0).unwrap() {
            Side::Child => {
                drop(end);
                let held = hold(&file).is_ok();
                // Its own child, which has all of its descriptors, holds nothing.
                let code = match fork::fork(0) {
                    Ok(Side::Child) => fork::exit_now(i32::from(
                        holder(&file) != Ok(Some(std::os::unix::process::parent_id())),
                    )),
                    Ok(Side::Parent(child)) => waitpid(child.pid, None),
                    Err(errno) => Err(errno),
                };
                let is_right = matches!(code, Ok(nix::sys::wait::WaitStatus::Exited(_, 0)));
                let _ = nix::unistd::write(&tell, &[u8::from(held && is_right)]);
                let _ = nix::unistd::read(&wait, &mut [0]);
                fork::exit_now(0)
            }
            Side::Parent(child) => child,
        };
        let mut word = [0];
        told.read_exact(&mut word).unwrap();
        assert_eq!(word, [1]);
        assert_eq!(holder(&file), Ok(Some(child.pid.as_raw().cast_unsigned())));
        std::io::Write::write_all(&mut end, &[0]).unwrap();
        waitpid(child.pid, None).unwrap();
        assert_eq!(holder(&file), Ok(None));
    }
}
