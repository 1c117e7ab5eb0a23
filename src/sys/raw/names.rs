//! setdomainname(2), which nix and rustix do not have.

use nix::errno::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Sets the NIS domain name of the UTS namespace.
pub fn set_domainname(name: &OsStr) -> nix::Result<()> {
    let bytes = name.as_bytes();
    // SAFETY: the kernel reads exactly the length that it is told.
    let done = unsafe { libc::setdomainname(bytes.as_ptr().cast(), bytes.len()) };
    Errno::result(done).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_too_long_changes_nothing() {
        let long = "x".repeat(65);
        assert!(set_domainname(OsStr::new(&long)).is_err());
    }
}
