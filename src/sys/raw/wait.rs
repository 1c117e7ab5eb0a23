//! waitpid(2) with signals by number: real-time ones have no name in nix.

use nix::errno::Errno;

/// What became of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// With this code.
    Exited(u8),
    /// By the signal of this number.
    Killed(i32),
    /// By that signal.
    Stopped(i32),
}

/// The next change of any child, without waiting; `None` where there is none to tell of.
pub fn next() -> nix::Result<Option<(i32, Change)>> {
    loop {
        let mut status = 0;
        let options = libc::WNOHANG | libc::WUNTRACED;
        // SAFETY: the status is written to a variable of ours.
        let waited = unsafe { libc::waitpid(-1, &raw mut status, options) };
        return match Errno::result(waited) {
            Ok(0) | Err(Errno::ECHILD) => Ok(None),
            Ok(pid) => Ok(change(status).map(|change| (pid, change))),
            Err(Errno::EINTR) => continue,
            Err(errno) => Err(errno),
        };
    }
}

fn change(status: i32) -> Option<Change> {
    if libc::WIFEXITED(status) {
        Some(Change::Exited(libc::WEXITSTATUS(status).to_le_bytes()[0]))
    } else if libc::WIFSIGNALED(status) {
        Some(Change::Killed(libc::WTERMSIG(status)))
    } else {
        libc::WIFSTOPPED(status).then(|| Change::Stopped(libc::WSTOPSIG(status)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_taken_apart() {
        assert_eq!(change(42 << 8), Some(Change::Exited(42)));
        assert_eq!(change(9), Some(Change::Killed(9)));
        assert_eq!(change(0x8b), Some(Change::Killed(11)), "with a core file");
        assert_eq!(change((19 << 8) | 0x7f), Some(Change::Stopped(19)));
        assert_eq!(change(0xffff), None, "continued");
    }
}
