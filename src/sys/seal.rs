//! The program file of this process, out of reach of whoever sees the process.
//!
//! Root of a container that sees a process of nsx, or has it run `#!/proc/self/exe`, can open
//! `/proc/PID/exe`, keep that, and write to the host's file once nothing runs it (CVE-2019-5736).
//! So nsx runs itself once more from a place where nobody can open the file for writing: a
//! read-only mount of it that belongs to no mount namespace, so that nobody can change it.

use super::error::{Context, IntoErrno, Problem, Result, SysError};
use super::magic;
use super::raw::mount_attributes as attributes;
use super::root::SysRoot;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use rustix::fs::{Access, MemfdFlags, Mode, OFlags, SealFlags, StatVfsMountFlags};
use rustix::mount::OpenTreeFlags;
use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

const EXE: &str = "self/exe";

/// Arguments and environment.
pub type Again = (Vec<OsString>, Vec<(OsString, OsString)>);

/// Makes sure that the program file is sealed; runs the program again from a sealed one where it is
/// not, and then returns only on failure. The program starts over with the arguments and environment
/// that `again` tells: nothing may have been done yet.
pub fn ensure(root: &SysRoot, again: impl FnOnce() -> Again) -> Result<()> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let exe = rustix::fs::openat(root.proc(), EXE, flags, Mode::empty())
        .context("open", "the program file of nsx")?;
    if is_sealed(root, &exe)? || !is_in_danger(root, &exe)? {
        return Ok(());
    }
    let sealed = match mounted(root, &exe) {
        Ok(sealed) if is_sealed(root, &sealed)? => sealed,
        // Without the right to it, on a kernel without it, or where mounts cannot be cloned.
        Ok(_) | Err(Errno::EPERM | Errno::ENOSYS | Errno::EINVAL | Errno::EACCES) => copied(root)?,
        Err(errno) => Err(errno).context("seal", "the program file of nsx")?,
    };
    // Else it would be run again and again.
    if !is_sealed(root, &sealed)? {
        return Err(SysError::malformed("seal", "the program file of nsx", "seal"));
    }
    drop(exe);
    let (arguments, environment) = again();
    run(&sealed, &arguments, &environment)
}

/// Nobody can write to it through this descriptor or one made from it.
fn is_sealed(root: &SysRoot, exe: &OwnedFd) -> Result<bool> {
    let object = "the program file of nsx";
    if rustix::fs::fstatvfs(exe)
        .context("examine", object)?
        .f_flag
        .contains(StatVfsMountFlags::RDONLY)
        && is_detached(root, exe)?
    {
        return Ok(true);
    }
    if rustix::fs::fstatfs(exe).context("examine", object)?.f_type != magic::TMPFS {
        return Ok(false);
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let name = format!("self/fd/{}", exe.as_raw_fd());
    let file =
        rustix::fs::openat(root.proc(), name, flags, Mode::empty()).context("open", object)?;
    Ok(rustix::fs::fcntl_get_seals(&file).is_ok_and(|seals| seals.contains(SealFlags::WRITE)))
}

/// Of a mount that is in no namespace nobody can change the flags. One that the host has mounted
/// read-only it mounts writable again for its next upgrade, and whoever has kept the file may write
/// then. The kernel names a file from the root of its mount tree, and here the file is that root.
fn is_detached(root: &SysRoot, exe: &OwnedFd) -> Result<bool> {
    let name = format!("self/fd/{}", exe.as_raw_fd());
    let path = rustix::fs::readlinkat(root.proc(), name, Vec::new())
        .context("examine", "the program file of nsx")?;
    Ok(path.as_bytes() == b"/")
}

/// Whether who is entered could have the right to write to it: no more than we have.
fn is_in_danger(root: &SysRoot, exe: &OwnedFd) -> Result<bool> {
    let uid = rustix::process::geteuid();
    let owner = rustix::fs::fstat(exe).context("examine", "the program file of nsx")?.st_uid;
    let may_write = || {
        let flags = rustix::fs::AtFlags::EACCESS;
        rustix::fs::accessat(root.proc(), EXE, Access::WRITE_OK, flags).is_ok()
    };
    Ok(uid.is_root() || owner == uid.as_raw() || may_write())
}

/// A read-only mount of the file alone. As long as the descriptor of the tree is open the mount is
/// the root of a namespace, in which whoever holds a descriptor on it may change it: it is closed
/// before the program is run from it. 60 to 80 us, however long the file is.
fn mounted(root: &SysRoot, exe: &OwnedFd) -> nix::Result<OwnedFd> {
    let errno = rustix::io::Errno::into_errno;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = rustix::mount::open_tree(exe, "", flags).map_err(errno)?;
    attributes::set(tree.as_fd(), attributes::RDONLY | attributes::NOSUID | attributes::NODEV)?;
    let name = format!("self/fd/{}", tree.as_raw_fd());
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat(root.proc(), name, flags, Mode::empty()).map_err(errno)
}

/// A copy in memory that cannot be changed.
fn copied(root: &SysRoot) -> Result<OwnedFd> {
    const OBJECT: &str = "a copy of the program file of nsx";
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let exe = rustix::fs::openat(root.proc(), EXE, flags, Mode::empty()).context("read", OBJECT)?;
    let length = rustix::fs::fstat(&exe).context("read", OBJECT)?.st_size;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // MFD_EXEC, Linux 6.3: a host may make others not executable.
    let copy = rustix::fs::memfd_create("nsx", flags | MemfdFlags::EXEC)
        .or_else(|_| rustix::fs::memfd_create("nsx", flags))
        .context("make", OBJECT)?;
    let mut left = usize::try_from(length).unwrap_or_default();
    while left > 0 {
        match rustix::fs::sendfile(&copy, &exe, None, left).context("make", OBJECT)? {
            0 => {
                return Err(SysError {
                    doing: "make",
                    object: OBJECT.into(),
                    problem: Problem::Truncated,
                });
            }
            count => left -= count,
        }
    }
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&copy, seals).context("seal", OBJECT)?;
    Ok(copy)
}

fn run(
    sealed: &OwnedFd,
    arguments: &[OsString],
    environment: &[(OsString, OsString)],
) -> Result<()> {
    let string = |bytes: Vec<u8>| CString::new(bytes).context("run", "nsx");
    let arguments: Vec<CString> =
        arguments.iter().map(|word| string(word.as_bytes().to_vec())).collect::<Result<_>>()?;
    let environment: Vec<CString> = environment
        .iter()
        .map(|(key, value)| string([key.as_bytes(), value.as_bytes()].join(&b'=')))
        .collect::<Result<_>>()?;
    match nix::unistd::execveat(sealed, c"", &arguments, &environment, AtFlags::AT_EMPTY_PATH) {
        Err(errno) => Err(SysError::new("run", "nsx from a sealed file", errno)),
        Ok(never) => match never {},
    }
}
