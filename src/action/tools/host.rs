//! The host's side of a root that is made for a program: which of its trees, and what of its /etc.
//!
//! The target's processes may see it by `/proc/PROGRAM/root`: nothing that only root of the host
//! may read belongs here, and nothing of the host's can be written.

use crate::sys::entries::{self, Entry, What};
use crate::sys::error::{Context, Result, SysError};
use crate::sys::tree::{Guard, Tree};
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Where the host's programs and their libraries are.
const TREES: [&CStr; 9] =
    [c"usr", c"bin", c"sbin", c"lib", c"lib32", c"lib64", c"libx32", c"nix", c"gnu"];

/// What programs look up in /etc, and everybody may read.
const ETC: &[&CStr] = &[
    c"alternatives",
    c"bash.bashrc",
    c"bindresvport.blacklist",
    c"ca-certificates",
    c"ca-certificates.conf",
    c"crypto-policies",
    c"debian_version",
    c"ethertypes",
    c"gai.conf",
    c"gdb",
    c"host.conf",
    c"inputrc",
    c"iproute2",
    c"ld.so.cache",
    c"ld.so.conf",
    c"ld.so.conf.d",
    c"locale.alias",
    c"locale.conf",
    c"localtime",
    c"magic",
    c"magic.mime",
    c"mime.types",
    c"networks",
    c"os-release",
    c"perl",
    c"pki/ca-trust/extracted",
    c"pki/tls/cert.pem",
    c"pki/tls/certs",
    c"pki/tls/openssl.cnf",
    c"profile",
    c"profile.d",
    c"protocols",
    c"python3",
    c"redhat-release",
    c"rpc",
    c"selinux/config",
    c"services",
    c"shells",
    // Not all of ssl: private keys are in it.
    c"ssl/cert.pem",
    c"ssl/certs",
    c"ssl/openssl.cnf",
    c"terminfo",
    c"timezone",
    c"vim",
];

/// As many entries of a directory as are shown.
pub(super) const MOST: usize = 1000;

/// Where the host's programs are taken from.
#[derive(Debug)]
pub(super) struct Source(OwnedFd);

impl Source {
    pub(super) fn open(path: &CStr) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::open(path, flags, Mode::empty());
        Ok(Self(open.with_context("open", || path.to_bytes().to_vec())?))
    }

    /// Lays its trees of programs below `prefix`, which ends with a slash or is empty.
    pub(super) fn lay_trees(&self, base: &Tree, prefix: &str) -> Result<()> {
        TREES.iter().try_for_each(|name| self.lay(base, name, &below(prefix, name)))
    }

    /// Lays what programs need of its /etc.
    pub(super) fn lay_etc(&self, base: &Tree) -> Result<()> {
        for name in ETC {
            let name = below("etc/", name);
            if let Some(entry) = self.find(&name) {
                make_parents(base, &name)?;
                lay_entry(self.0.as_fd(), base, &entry, &name)?;
            }
        }
        Ok(())
    }

    /// Lays all of it, but what is in `ours`; below /etc too. E2BIG: that is too much.
    pub(super) fn lay_everything(&self, base: &Tree, ours: &[&CStr]) -> Result<()> {
        let is_ours = |name: &CStr| ours.contains(&name);
        let whole = |(entries, cut): (Vec<Entry>, bool)| {
            let too_much = || SysError::new("show all of", "a directory", Errno::E2BIG);
            if cut { Err(too_much()) } else { Ok(entries) }
        };
        let entries = whole(entries::list(self.0.as_fd(), MOST)?)?;
        let others = |entry: &&Entry| entry.name.as_c_str() != c"etc" && !is_ours(&entry.name);
        for entry in entries.iter().filter(others) {
            lay_entry(self.0.as_fd(), base, entry, &entry.name)?;
        }
        if let Some(Entry { what: What::Directory, .. }) = self.find(c"etc") {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let etc = rustix::fs::openat(&self.0, c"etc", flags, Mode::empty());
            let etc = etc.context("open", "etc")?;
            for entry in &whole(entries::list(etc.as_fd(), MOST)?)? {
                let name = below("etc/", &entry.name);
                if !is_ours(&name) {
                    lay_entry(etc.as_fd(), base, entry, &name)?;
                }
            }
        }
        Ok(())
    }

    /// Lays one file of it, if it is there: what a link leads to, not the link.
    pub(super) fn lay_file(&self, base: &Tree, from: &CStr, to: &CStr, guard: Guard) -> Result<()> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(&self.0, from, flags, Mode::empty()) else {
            return Ok(());
        };
        base.file(to, b"")?;
        Tree::copy_of(file.as_fd(), guard)?.attach(base.as_fd(), to)
    }

    fn lay(&self, base: &Tree, from: &CStr, to: &CStr) -> Result<()> {
        match self.find(from) {
            Some(entry) => lay_entry(self.0.as_fd(), base, &entry, to),
            None => Ok(()),
        }
    }

    /// What stands at a path, if anything does.
    fn find(&self, path: &CStr) -> Option<Entry> {
        let stat = rustix::fs::statat(&self.0, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => What::Directory,
            FileType::Symlink => {
                What::Link(rustix::fs::readlinkat(&self.0, path, Vec::new()).ok()?)
            }
            _ => What::Other,
        };
        Some(Entry { name: path.to_owned(), what })
    }
}

/// Read-only; a link stays a link.
fn lay_entry(dir: BorrowedFd<'_>, base: &Tree, entry: &Entry, to: &CStr) -> Result<()> {
    if place(base, entry, to)? {
        Tree::copy(dir, &entry.name, Guard::ReadOnly)?.attach(base.as_fd(), to)?;
    }
    Ok(())
}

/// Makes what an entry can be mounted on; false for a link, which is made as it is.
pub(super) fn place(base: &Tree, entry: &Entry, to: &CStr) -> Result<bool> {
    match &entry.what {
        What::Directory => base.directory(to, 0o755)?,
        What::Other => base.file(to, b"")?,
        What::Link(target) => base.link(to, target)?,
    }
    Ok(!matches!(entry.what, What::Link(_)))
}

/// Makes the directories above a name that are not there.
fn make_parents(base: &Tree, name: &CStr) -> Result<()> {
    let bytes = name.to_bytes();
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        let above = CString::new(bytes.get(..at).unwrap_or_default()).unwrap_or_default();
        match base.directory(&above, 0o755) {
            Err(error) if error.errno() == Some(Errno::EEXIST) => {}
            made => made?,
        }
    }
    Ok(())
}

fn below(prefix: &str, name: &CStr) -> CString {
    CString::new([prefix.as_bytes(), name.to_bytes()].concat()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_of_etc_is_named() {
        let secret = ["shadow", "gshadow", "sudoers", "ssh", "ssl", "pki", "ssl/private", "docker"];
        for name in ETC.iter().map(|name| name.to_str().unwrap()) {
            assert!(!secret.contains(&name), "{name}");
        }
        assert!(ETC.is_sorted());
    }
}
