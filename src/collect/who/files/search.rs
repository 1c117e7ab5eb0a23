//! What is looked for, and which mounts of a namespace have to do with it. Pure.

use super::layers::Layers;
use super::place::{Lies, Place, join, mount_at, removed, rest_below};
use crate::model::device::Device;
use crate::model::mount::Mount;
use crate::model::text::Text;
use crate::sys::crew::travel::{self, Rest};
use std::collections::{HashMap, HashSet};

/// Of one namespace no more are told: what binds a thousand directories says little by each.
const MOST: usize = 256;

/// What a clue means.
#[derive(Debug, Default)]
pub struct Wanted {
    /// How it is spelled, and where that leads; empty where it is no path.
    pub paths: Vec<Vec<u8>>,
    /// Which part of which file system the path means; None where the clue is no path.
    pub place: Option<Place>,
    /// Whether there is such a path, or, as long as nobody answers, may be.
    pub exists: bool,
    /// The mount of ours that the path is the root of.
    pub mount: Option<Mount>,
    /// File systems of which everything counts.
    pub devices: Vec<Device>,
    /// Layers of overlays that are meant; none for a clue that has to do with no layer.
    pub layers: Layers,
}

/// A mount that has to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Of the file system that is mounted.
    pub device: Device,
    /// The part of the file system that is mounted, as mountinfo tells it.
    pub root: Text,
    /// Where what is looked for is seen, or what is mounted of it.
    pub target: Text,
    /// `ext4`, `overlay`
    pub fs_type: Text,
    /// `root`, `bind`, `mount` or, of an overlay, `layer`.
    pub role: &'static str,
    /// Of an overlay: the directory it uses, and as what.
    pub layer: Option<(Text, &'static str)>,
}

/// The mounts that this process itself sees, as far as others are compared with them.
#[derive(Debug, Default)]
pub struct Own {
    /// What is mounted where: a copy of it in another namespace is no more than that.
    places: HashMap<(Device, Text, Text), &'static str>,
    root: Option<(Device, Text)>,
}

impl Own {
    /// By our own mountinfo.
    pub fn new(mounts: &[Mount]) -> Self {
        let places = mounts.iter().map(|mount| {
            ((mount.device, mount.root.clone(), mount.target.clone()), mount.propagation)
        });
        Self { places: places.collect(), root: root_of(mounts) }
    }

    /// How ours propagates that another one is a copy of.
    fn copied(&self, mount: &Mount) -> Option<&'static str> {
        let key = (mount.device, mount.root.clone(), mount.target.clone());
        self.places.get(&key).copied()
    }
}

/// What is on top at the root.
fn root_of(mounts: &[Mount]) -> Option<(Device, Text)> {
    let root = mounts.iter().rfind(|mount| mount.target == "/")?;
    Some((root.device, root.root.clone()))
}

/// The mounts of one namespace. Without `own` it is our own.
pub fn search(mounts: &[Mount], wanted: &Wanted, own: Option<&Own>) -> Vec<Found> {
    let side = own.map(|own| Side {
        own,
        // It began as a copy of ours; what a container has is there because somebody put it there.
        is_copy: own.root.is_some() && root_of(mounts) == own.root,
        by_id: mounts.iter().map(|mount| (mount.id, mount)).collect(),
    });
    let found = mounts.iter().filter_map(|mount| examine(mounts, mount, wanted, side.as_ref()));
    found.take(MOST).collect()
}

/// Another namespace than ours.
struct Side<'a> {
    own: &'a Own,
    is_copy: bool,
    by_id: HashMap<u32, &'a Mount>,
}

fn examine(
    mounts: &[Mount],
    mount: &Mount,
    wanted: &Wanted,
    side: Option<&Side<'_>>,
) -> Option<Found> {
    let copied = side.filter(|side| side.is_copy).and_then(|side| side.own.copied(mount));
    let found = |target: Text, role: &'static str| Found {
        device: mount.device,
        root: mount.root.clone(),
        target,
        fs_type: mount.fs_type.clone(),
        role,
        layer: None,
    };
    let here = |role| Some(found(mount.target.clone(), role));
    let role = || match side {
        Some(side) if mount.target == "/" && !side.is_copy => "root",
        _ if mount.bind => "bind",
        _ => "mount",
    };
    let holds = |propagation: &str| {
        // What is unmounted here goes there too.
        !(propagation.starts_with("shared") && mount.propagation != "private")
    };
    if wanted.devices.contains(&mount.device) {
        return if copied.is_none_or(holds) { here(role()) } else { None };
    }
    let place = wanted.place.as_ref();
    if let Some(place) = place.filter(|place| place.device == mount.device) {
        let root = mount.root.as_bytes();
        let lies = place.lies(removed(root).unwrap_or(root));
        match (lies, copied) {
            // Ours, and what is in it.
            (Some(Lies::Here), _) if side.is_none() && wanted.mount.as_ref() == Some(mount) => {}
            (Some(Lies::Here), None) if role() == "root" => return here("root"),
            (Some(Lies::Here), None) => {
                let as_ours = wanted.mount.as_ref().is_some_and(|our| our.target == mount.target);
                return here(if as_ours { "mount" } else { "bind" });
            }
            (Some(Lies::Here), Some(propagation)) => {
                // Everybody has a root, and nobody unmounts ours.
                let is_it = wanted.mount.as_ref().is_some_and(|our| our.target == mount.target);
                if is_it && mount.target != "/" && holds(propagation) {
                    return here("mount");
                }
            }
            (Some(Lies::Within), None) => {
                return here(if role() == "root" { "root" } else { "bind" });
            }
            (Some(Lies::Inside(rest)), None)
                if side.is_some() && wanted.exists && removed(root).is_none() =>
            {
                let target = join(mount.target.as_bytes(), rest);
                // Something else may be mounted on the way to it.
                if mount_at(mounts, &target).is_some_and(|top| top.id == mount.id) {
                    let role = if mount.target == "/" { "root" } else { "bind" };
                    return Some(found(target.into(), role));
                }
            }
            _ => {}
        }
    }
    if let Some(side) = side
        && side.own.copied(mount).is_none()
        && is_on(mount, wanted, side)
    {
        return here("mount");
    }
    let source = mount.source.as_bytes();
    if copied.is_none() && has_a_disk(mount) && wanted.paths.iter().any(|path| path == source) {
        return here(role());
    }
    let overlay = mount.overlay.as_ref().filter(|_| mount.root == "/" && copied.is_none())?;
    // Paths are those of whoever mounted it: a root was made from outside, anything else in a
    // container by its own engine, whose directories may well be called like the host's.
    let is_ours = side.is_none_or(|side| side.is_copy) || mount.target == "/";
    let paths = if is_ours { &wanted.paths[..] } else { &[] };
    let layer = wanted.layers.find(overlay, paths)?;
    Some(Found { layer: Some(layer), ..found(mount.target.clone(), "layer") })
}

/// Only root mounts those; what another file system gives as its source may be any word.
fn has_a_disk(mount: &Mount) -> bool {
    mount.device.major != 0 || mount.fs_type == "btrfs"
}

/// Whether something is mounted on the very path: it is not mounted there for us, or not any more.
fn is_on(mount: &Mount, wanted: &Wanted, side: &Side<'_>) -> bool {
    let Some(place) = &wanted.place else { return false };
    let parent = side.by_id.get(&mount.parent_id).filter(|parent| parent.id != mount.id);
    let Some(parent) = parent.filter(|parent| parent.device == place.device) else { return false };
    let on = Place::of(parent, mount.target.as_bytes()).map(|on| on.path);
    on.is_some_and(|on| match rest_below(&on, &place.path) {
        Some(b"") => true,
        // What was in it is gone for us.
        Some(_) => !wanted.exists && on.len() > 1,
        None => false,
    })
}

/// A mount of a file system that is looked for, by which what processes use is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// As mountinfo numbers it.
    pub id: u32,
    /// The part of the file system that is mounted.
    pub root: Text,
    /// Where, in its mount namespace.
    pub target: Text,
}

/// All of those.
pub fn known(mounts: &[Mount], wanted: &Wanted) -> Vec<Known> {
    let devices: HashSet<Device> = wanted.devices_of().collect();
    let is_wanted = |mount: &&Mount| devices.contains(&mount.device);
    let known = |mount: &Mount| Known {
        id: mount.id,
        root: mount.root.clone(),
        target: mount.target.clone(),
    };
    mounts.iter().filter(is_wanted).map(known).collect()
}

impl Wanted {
    /// The file systems that processes may use something of.
    pub fn devices_of(&self) -> impl Iterator<Item = Device> {
        // A node is used by its numbers; the file system that it lies on says nothing.
        let place = self.place.iter().filter(|_| self.exists && self.devices.is_empty());
        let place = place.map(|place| place.device);
        place.chain(self.devices.iter().copied())
    }
}

const ROLES: [&str; 7] = ["root", "bind", "mount", "layer", "upper", "lower", "work"];

fn write_role(role: &str, out: &mut Vec<u8>) {
    let at = ROLES.iter().position(|one| *one == role).unwrap_or(ROLES.len());
    out.push(u8::try_from(at).unwrap_or(u8::MAX));
}

fn read_role(rest: &mut Rest<'_>) -> Option<&'static str> {
    ROLES.get(usize::from(rest.byte()?)).copied()
}

impl Found {
    /// The other end is `read`.
    pub fn write(&self, out: &mut Vec<u8>) {
        for number in [self.device.major, self.device.minor] {
            out.extend(number.to_ne_bytes());
        }
        for text in [&self.root, &self.target, &self.fs_type] {
            travel::write(text.as_bytes(), out);
        }
        write_role(self.role, out);
        out.push(u8::from(self.layer.is_some()));
        if let Some((path, role)) = &self.layer {
            travel::write(path.as_bytes(), out);
            write_role(role, out);
        }
    }

    /// `None` for what was cut off.
    pub fn read(rest: &mut Rest<'_>) -> Option<Self> {
        let device = Device { major: rest.u32()?, minor: rest.u32()? };
        let [root, target, fs_type] = [rest.bytes()?, rest.bytes()?, rest.bytes()?].map(Text::new);
        let role = read_role(rest)?;
        let layer = match rest.byte()? {
            0 => None,
            _ => Some((Text::new(rest.bytes()?), read_role(rest)?)),
        };
        Some(Self { device, root, target, fs_type, role, layer })
    }
}

impl Known {
    /// The other end is `read`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.id.to_ne_bytes());
        travel::write(self.root.as_bytes(), out);
        travel::write(self.target.as_bytes(), out);
    }

    /// `None` for what was cut off.
    pub fn read(rest: &mut Rest<'_>) -> Option<Self> {
        let id = rest.u32()?;
        Some(Self { id, root: Text::new(rest.bytes()?), target: Text::new(rest.bytes()?) })
    }
}

#[cfg(test)]
mod tests;
