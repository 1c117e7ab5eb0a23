//! kcmp(2): whether two tasks share what belongs to them.

use nix::errno::Errno;
use std::cmp::Ordering;

/// linux/kcmp.h
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// The table of descriptors.
    Descriptors = 2,
    /// The root and the working directory.
    Directories = 3,
}

/// Whether both have the same. ENOSYS: the kernel was built without it (CONFIG_KCMP).
pub fn is_shared(one: i32, other: i32, what: Shared) -> nix::Result<bool> {
    Ok(kcmp((one, 0), (other, 0), what as libc::c_int)? == 0)
}

/// The order of what two tasks have open, each by its descriptor; by it every open file is one.
pub fn order_of_files(one: (i32, i32), other: (i32, i32)) -> nix::Result<Ordering> {
    const KCMP_FILE: libc::c_int = 0;
    Ok(match kcmp(one, other, KCMP_FILE)? {
        0 => Ordering::Equal,
        1 => Ordering::Less,
        _ => Ordering::Greater,
    })
}

fn kcmp(one: (i32, i32), other: (i32, i32), what: libc::c_int) -> nix::Result<libc::c_long> {
    let indices = (i64::from(one.1), i64::from(other.1));
    // SAFETY: of numbers alone; no memory of ours is read or written.
    let order =
        unsafe { libc::syscall(libc::SYS_kcmp, one.0, other.0, what, indices.0, indices.1) };
    Errno::result(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn an_open_file_is_one_by_every_descriptor() {
        let ours = i32::try_from(std::process::id()).unwrap();
        let file = std::fs::File::open("/").unwrap();
        let (copy, other) = (file.try_clone().unwrap(), std::fs::File::open("/").unwrap());
        let order = |one: &std::fs::File, other: &std::fs::File| {
            order_of_files((ours, one.as_raw_fd()), (ours, other.as_raw_fd())).unwrap()
        };
        assert_eq!(order(&file, &copy), Ordering::Equal);
        assert_ne!(order(&file, &other), Ordering::Equal);
        assert_eq!(order(&file, &other), order(&other, &copy).reverse());
        assert_eq!(order_of_files((ours, -1), (ours, -1)), Err(Errno::EBADF));
    }
}
