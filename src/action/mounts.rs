//! The mounts that a new mount namespace needs before a program runs in it. Paths are the caller's,
//! as they are called inside.

use super::error::{ActionError, Advise, USER_NAMESPACES};
use crate::model::isolation::{Mounts, Propagation};
use crate::model::text::Text;
use crate::sys::error::{Context, SysError};
use crate::sys::fds::write_all;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use rustix::fs::{Mode, OFlags};
use std::ffi::CStr;

/// All of them, in their order.
pub fn set_up(wanted: &Mounts) -> Result<(), ActionError> {
    if let Some(propagation) = wanted.propagation {
        propagate(propagation)?;
    }
    // An interpreter that is kept open comes from the root that is left, its directory from the new
    // one: the formats are needed on both sides.
    let keeps_open = wanted.interpreter.as_deref().is_some_and(keeps_open);
    if let (Some(place), true) = (&wanted.binfmt, keeps_open && wanted.root.is_some()) {
        mount_binfmt(place)?;
        register(place, wanted.interpreter.as_deref())?;
    }
    if let Some(root) = &wanted.root {
        change_root(root)?;
    }
    if let Some(place) = &wanted.proc {
        let is_private = wanted.propagation == Some(Propagation::Private);
        // One on another is seen by whoever sees the other.
        if !(is_private && place.as_c_str() == c"/proc") {
            make_private(place)?;
        }
        mount_proc(place)?;
    }
    if let Some(place) = &wanted.binfmt {
        mount_binfmt(place)?;
        if !(keeps_open && wanted.root.is_some()) {
            register(place, wanted.interpreter.as_deref())?;
        }
    }
    Ok(())
}

/// Of all mounts. Private: nothing mounted or unmounted inside is seen outside, nor the other way
/// round.
fn propagate(propagation: Propagation) -> Result<(), ActionError> {
    let flag = match propagation {
        Propagation::Private => MsFlags::MS_PRIVATE,
        Propagation::Shared => MsFlags::MS_SHARED,
        Propagation::Slave => MsFlags::MS_SLAVE,
        Propagation::Unchanged => return Ok(()),
    };
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | flag, nothing)
        .context("change", "the propagation of the mounts")
        .advise(USER_NAMESPACES)
}

fn change_root(root: &CStr) -> Result<(), ActionError> {
    rustix::process::chroot(root)
        .with_context("change the root to", || text(root))
        .advise("--root takes a directory with a system in it; --rootfs an archive too")?;
    rustix::process::chdir(c"/").context("change to", "the new root")?;
    Ok(())
}

/// What is mounted there is somebody else's too, perhaps.
fn make_private(place: &CStr) -> Result<(), ActionError> {
    let nothing = None::<&str>;
    let changed = mount(nothing, place, nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing);
    if changed == Err(Errno::EINVAL) {
        // Nothing is mounted there.
        return Ok(());
    }
    Ok(changed.with_context("change the propagation of", || text(place))?)
}

/// One that shows the new pid namespace.
fn mount_proc(place: &CStr) -> Result<(), ActionError> {
    let nothing = None::<&str>;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match mount(Some("proc"), place, Some("proc"), flags, nothing) {
        // In a container part of ours is hidden, and a new one would show it.
        Err(Errno::EPERM) => Err(ActionError::refused(
            format!(
                "cannot mount proc on {}: parts of /proc are hidden here, and a new one would show \
                 them",
                text(place)
            ),
            "run it as root of the host, or where /proc is whole",
        )),
        mounted => mounted
            .with_context("mount proc on", || text(place))
            .advise("it takes a directory there: make it, or name another with --mount-proc=DIR"),
    }
}

/// Binary formats of the user namespace's own, Linux 6.7.
fn mount_binfmt(place: &CStr) -> Result<(), ActionError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("binfmt_misc"), place, Some("binfmt_misc"), flags, None::<&str>)
        .with_context("mount binfmt_misc on", || text(place))
        .advise("it takes a directory there, and Linux 6.7")
}

/// `:name:type:offset:magic:mask:interpreter:flags`, the separator being whatever it begins with.
fn keeps_open(interpreter: &CStr) -> bool {
    let bytes = interpreter.to_bytes();
    let flags = bytes.first().and_then(|mark| bytes.rsplit(|byte| byte == mark).next());
    flags.is_some_and(|flags| flags.contains(&b'F'))
}

fn register(place: &CStr, interpreter: Option<&CStr>) -> Result<(), ActionError> {
    let Some(interpreter) = interpreter else { return Ok(()) };
    let write = || {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(place, flags, Mode::empty())?;
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, c"register", flags, Mode::empty())?;
        write_all(&file, interpreter.to_bytes())
    };
    match write() {
        Ok(()) => Ok(()),
        Err(errno) => {
            let what = format!("the binary format {}", text(interpreter));
            Err(ActionError::from(SysError::new("register", what, errno))
                .advise(":NAME:TYPE:OFFSET:MAGIC:MASK:INTERPRETER:FLAGS, as binfmt_misc has it"))
        }
    }
}

fn text(path: &CStr) -> Text {
    Text::new(path.to_bytes())
}
