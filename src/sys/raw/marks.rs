//! Marks that a process shares with those that it makes.

use nix::errno::Errno;
use std::num::NonZero;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};

/// So many, none of which is set; whoever comes first sets one.
#[derive(Debug)]
pub struct Marks {
    first: NonNull<AtomicBool>,
    count: usize,
}

impl Marks {
    /// At least one.
    pub fn new(count: usize) -> nix::Result<Self> {
        let length = NonZero::new(count).ok_or(Errno::EINVAL)?.get();
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: new pages where nothing is.
        let pages = unsafe { libc::mmap(std::ptr::null_mut(), length, access, kind, -1, 0) };
        if pages == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let first = NonNull::new(pages.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Self { first, count })
    }

    /// Whether it is now, and was not before; false where there is none.
    pub fn set(&self, place: usize) -> bool {
        // SAFETY: there are as many, of a byte each; 0, as new pages are, is false; and nobody sees
        // one but as something that others change.
        let marks = unsafe { slice::from_raw_parts(self.first.as_ptr(), self.count) };
        marks.get(place).is_some_and(|mark| !mark.swap(true, Ordering::AcqRel))
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        // SAFETY: `new` made it of that size, and nobody here looks at it any more.
        unsafe { libc::munmap(self.first.as_ptr().cast(), self.count) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::raw::fork::{Side, exit_now, fork};
    use nix::sys::wait::{WaitStatus, waitpid};

    #[test]
    fn each_is_set_once_by_whoever_comes_first() {
        let marks = Marks::new(5000).unwrap();
        assert!(marks.set(0));
        let child = match fork(0).unwrap() {
            Side::Child => exit_now(i32::from(!marks.set(0) && marks.set(1) && marks.set(4999))),
            Side::Parent(child) => child,
        };
        assert_eq!(waitpid(child.pid, None).unwrap(), WaitStatus::Exited(child.pid, 1));
        assert_eq!([1, 4999].map(|place| marks.set(place)), [false; 2], "by the child");
        assert!(marks.set(2));
        assert!(!marks.set(5000), "there is none");
        assert!(Marks::new(0).is_err());
    }
}
