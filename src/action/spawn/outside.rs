//! What somebody outside does for a process in new namespaces: the id maps, the files on which the
//! namespaces stay.

use super::meeting::{Gone, Outside};
use crate::action::error::{ActionError, Advise};
use crate::action::supervise::asking_us;
use crate::model::gap::Reason;
use crate::model::isolation::Isolation;
use crate::model::namespace::Kind;
use crate::model::user_map::{UserMap, lines};
use crate::sys::error::Context;
use crate::sys::proc;
use crate::sys::raw::signal::{Arrivals, Mask};
use crate::sys::root::path_text;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

/// Whether anybody is needed before the program is prepared.
pub(super) fn is_needed_first(isolation: &Isolation) -> bool {
    isolation.users.as_ref().is_some_and(|map| !map.from_inside)
}

/// Or after that.
pub(super) fn is_needed_last(isolation: &Isolation) -> bool {
    !isolation.kept.is_empty()
}

/// Does it all, or what comes before the end that somebody asks for: false, and the one inside waits
/// on as long as the meeting is open. `end` is that of the program's time; `kept` are the files on which
/// namespaces were mounted, whatever came after. The process is one that cannot have been reaped: its
/// number is its own.
pub(super) fn attend(
    isolation: &Isolation,
    pid: Pid,
    meeting: &Outside,
    end: Option<Instant>,
    kept: &mut Vec<OwnedFd>,
    first: impl FnOnce() -> Result<(), ActionError>,
) -> Result<bool, ActionError> {
    first()?;
    if let Some(map) = isolation.users.as_ref().filter(|map| !map.from_inside) {
        write_maps(map, pid)?;
    }
    meeting.say_go();
    if is_needed_last(isolation) {
        // They stay where they are, for who is going to answer them.
        let unwanted = Arrivals::of(Mask::of(&asking_us())).context("catch", "signals")?;
        match meeting.wait_while_wanted(&unwanted, end) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            // One that has ended says itself why.
            Err(Gone) => return Ok(true),
        }
        for (kind, file) in &isolation.kept {
            kept.push(keep(pid, *kind, file)?);
        }
        meeting.say_go();
    }
    Ok(true)
}

fn write_maps(map: &UserMap, pid: Pid) -> Result<(), ActionError> {
    if let Some(setgroups) = map.setgroups {
        proc::write(pid, "setgroups", setgroups.word())?;
    }
    let sides = [("gid_map", &map.groups, "newgidmap"), ("uid_map", &map.users, "newuidmap")];
    for (file, ranges, tool) in sides {
        if ranges.is_empty() {
            continue;
        }
        match proc::write(pid, file, &lines(ranges)) {
            // Those who are set-id may, for ids that are set aside for the caller.
            Err(error) if error.reason() == Reason::Denied => {
                super::id_tools::run(tool, pid, ranges)?;
            }
            written => written?,
        }
    }
    Ok(())
}

/// Of a program that could not be started no namespace is kept.
pub(super) fn let_go(kept: &[OwnedFd]) {
    for file in kept.iter().rev() {
        let _ = umount2(link_to(file).as_str(), MntFlags::MNT_DETACH);
    }
}

/// The file itself: what the caller's name for it leads to may be another by the time it is let go.
fn link_to(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// A mount of the namespace keeps it when nobody is in it any more. Returns the file below the mount.
fn keep(pid: Pid, kind: Kind, file: &Path) -> Result<OwnedFd, ActionError> {
    const DOING: &str = "mount a namespace on";
    const NEEDED: &str =
        "it takes a file that is there: touch FILE; for a mount namespace on a private mount";
    let name = match kind {
        // Those that its children will be in: for one that does not fork these are the new ones.
        Kind::Pid => "pid_for_children",
        Kind::Time => "time_for_children",
        kind => kind.name(),
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let below = rustix::fs::open(file, flags, Mode::empty());
    let below = below.with_context(DOING, || path_text(file)).advise(NEEDED)?;
    let source = format!("{}/ns/{name}", proc::of_child(pid)?);
    let nothing = None::<&str>;
    mount(Some(source.as_str()), link_to(&below).as_str(), nothing, MsFlags::MS_BIND, nothing)
        .with_context(DOING, || path_text(file))
        .advise(NEEDED)?;
    Ok(below)
}
