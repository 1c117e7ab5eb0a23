//! The mounts of one mount namespace, and what their neighbours and the host's mounts tell of them.
//!
//! Nothing below a mount is looked at, unless its usage is asked for.

use super::target::PinnedProcess;
use crate::model::container::Container;
use crate::model::gap::{Gap, Reason};
use crate::model::mount::{Mount, shows_root};
use crate::model::namespace::{Kind, NsSet};
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::proc::mountinfo;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, mounts, ns};
use std::os::fd::{AsFd, BorrowedFd};

mod host;
mod layers;
mod paths;
mod tree;
mod usage;

use host::Host;
use tree::Tree;
pub use usage::add_usage;

/// Enough for 20,000 mounts with long names. Each byte may be shown as five.
const LONGEST: usize = 8 << 20;

/// Those that a process sees.
pub fn collect_mounts(
    root: &SysRoot,
    target: &PinnedProcess,
    container: Option<&Container>,
    host: &NsSet,
    gaps: &mut Vec<Gap>,
) -> Option<Vec<Mount>> {
    let object = || Text::from(format!("pid {}", target.process.pid));
    let gap = |reason| Gap { object: object(), what: "mounts", reason };
    let read = match bounded::read_capped(target.handle.dir(), "mountinfo", LONGEST) {
        Ok(read) => read,
        Err(error) => {
            gaps.push(gap(error.reason()));
            return None;
        }
    };
    let (mut mounts, malformed) = mountinfo::parse_in_full(&read.bytes);
    if read.truncated {
        gaps.push(gap(Reason::Truncated));
    } else if malformed > 0 {
        gaps.push(gap(Reason::Malformed));
    } else if !shows_root(&mounts) {
        gaps.push(Gap { what: "mounts outside the root", ..gap(Reason::Unsupported) });
    }
    let room = LONGEST.saturating_sub(read.bytes.len());
    drop(read);
    layers::add_layers(&mut mounts, container);
    let host = read_host(root, host.inode(Kind::Mnt));
    complete(host, &mut mounts, room, &object(), gaps);
    Some(mounts)
}

/// Those of a mount namespace that no process is in, by an open file of it.
pub fn collect_mounts_of_namespace(
    root: &SysRoot,
    namespace: BorrowedFd<'_>,
    label: &Text,
    gaps: &mut Vec<Gap>,
) -> Result<Vec<Mount>> {
    let (mut mounts, truncated) = mounts::of_namespace(namespace, LONGEST / 2)?;
    if truncated {
        gaps.push(Gap { object: label.clone(), what: "mounts", reason: Reason::Truncated });
    }
    layers::add_layers(&mut mounts, None);
    complete(read_host(root, None), &mut mounts, LONGEST / 2, label, gaps);
    Ok(mounts)
}

/// What is told beside the lines themselves has only so much room.
fn complete(
    host: Result<Vec<Mount>>,
    mounts: &mut [Mount],
    mut room: usize,
    object: &Text,
    gaps: &mut Vec<Gap>,
) {
    mark_overmounted(mounts);
    let host = match host {
        Ok(host) => Some(Host::new(host)),
        Err(error) => {
            gaps.push(Gap { object: "the host".into(), ..error.gap("mounts") });
            None
        }
    };
    let mut is_cut = false;
    let mut fits = |bytes: usize| {
        let left = room.checked_sub(bytes);
        room = left.unwrap_or_default();
        is_cut |= left.is_none();
        left.is_some()
    };
    for mount in mounts.iter_mut() {
        if mount.overlay.as_ref().is_some_and(|overlay| !fits(length(overlay))) {
            mount.overlay = None;
        }
        let source = host.as_ref().and_then(|host| host.source_of(mount));
        mount.host_source = source.filter(|path| fits(path.as_bytes().len()));
    }
    if is_cut {
        let what = "layers and host paths of mounts";
        gaps.push(Gap { object: object.clone(), what, reason: Reason::Truncated });
    }
}

/// Those that cannot be reached by their paths.
pub fn mark_overmounted(mounts: &mut [Mount]) {
    let hidden = Tree::of(mounts).hidden(mounts);
    for (mount, hidden) in mounts.iter_mut().zip(hidden) {
        mount.overmounted = hidden;
    }
}

fn length(overlay: &crate::model::mount::Overlay) -> usize {
    let lists = overlay.lower.iter().chain(&overlay.data_only);
    let paths = lists.chain(&overlay.upper).chain(&overlay.work);
    paths.map(|path| path.as_bytes().len()).sum()
}

/// What the first process sees, or, where that is not shown, what this one does: mostly the same,
/// and read already. `mnt` is the host's mount namespace, where that is known.
fn read_host(root: &SysRoot, mnt: Option<u64>) -> Result<Vec<Mount>> {
    let own = || ns::identity(root.own_process().ok()?.as_fd(), Kind::Mnt).ok();
    let is_ours = mnt.is_some_and(|mnt| own() == Some(mnt));
    if !is_ours && let Ok(read) = bounded::read_capped(root.proc(), "1/mountinfo", LONGEST) {
        return Ok(mountinfo::parse(&read.bytes).0);
    }
    Ok(mountinfo::parse(root.mountinfo()?).0)
}
