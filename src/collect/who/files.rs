//! Files, file systems and layers: whose root, layer, volume or bind mount it is, and who holds it.
//!
//! What is looked for is a part of a file system, by the numbers of its device and a path in it; the
//! mounts of every mount namespace are compared with that, then what processes use. Where a path is
//! gone, what is left of it is a text: layers of overlays, and mounts on it that others still have.

mod claims;
pub mod layers;
mod loops;
mod mounts;
pub mod place;
mod records;
pub mod search;
mod uses;

use super::processes::key_of;
use super::{Host, namespaces};
use crate::collect::netspaces::name_among;
use crate::model::device::Device;
use crate::model::gap::{Gap, Reason};
use crate::model::mount::Mount;
use crate::model::namespace::{Kind, NsKey};
use crate::model::text::Text;
use crate::model::trail::{Owner, Step, Trail};
use crate::sys::error::{Problem, Result};
use crate::sys::{ns, nsfs, worker};
use claims::Maker;
use mounts::{Hit, Namespace};
use nix::errno::Errno;
use place::{Place, mount_at, normal};
use rustix::fs::{AtFlags, FileType, OFlags, ResolveFlags, StatxFlags, statx};
use search::{Found, Wanted};
use std::cell::OnceCell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use uses::Sought;

/// For the walk along a path that may lead through a file system that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// More is no answer: everybody uses the root of the host.
const MOST_USES: usize = 100;
const MOST_MOUNTS: usize = 1000;

/// Whoever has to do with a path of ours, which may be gone; where it is a namespace's, who is in
/// that.
pub(super) fn path(host: &Host<'_>, path: &[u8]) -> Result<Vec<Trail>> {
    let ours = mounts::own(host.root);
    let met = meet(host, &ours, path);
    if let Met::There(There { namespace: Some(key), .. }) = &met {
        return namespaces::by_inode(host, key.inode, Some(key.kind));
    }
    let path = if path.starts_with(b"/") { normal(path) } else { path.to_vec() };
    let ground = Ground::with(host, ours);
    let mut wanted = Wanted { paths: vec![path.clone()], ..Wanted::default() };
    wanted.exists = !matches!(met, Met::Nothing);
    let mut node = None;
    match &met {
        Met::There(there) => {
            if let Some(real) = &there.path {
                let at = ground.ours.iter().find(|mount| there.mount == Some(mount.id));
                let at = at.or_else(|| mount_at(&ground.ours, real));
                wanted.mount = at.filter(|mount| mount.target.as_bytes() == &real[..]).cloned();
                wanted.place = at.and_then(|mount| Place::of(mount, real));
                if *real != path {
                    wanted.paths.push(real.clone());
                }
            }
            node = there.node;
        }
        Met::Nothing | Met::Silence => {
            let at = mount_at(&ground.ours, &path);
            wanted.mount = at.filter(|mount| mount.target.as_bytes() == &path[..]).cloned();
            wanted.place = at.and_then(|mount| Place::of(mount, &path));
        }
    }
    if let Some((device, FileType::BlockDevice)) = node {
        wanted.devices.push(device);
    }
    let links = wanted.paths.iter().flat_map(|path| layers::links_of_path(host.root, path));
    wanted.layers.links = links.collect();
    let start = node.map(|(device, _)| step_of(host, device));
    let mut trails = ground.trails(host, &wanted, start.as_ref(), node)?;
    for device in loops::of_file(host.root, &wanted.paths) {
        let start = step_of(host, device);
        let devices = vec![device];
        let within = Wanted { devices, exists: true, ..Wanted::default() };
        let node = Some((device, FileType::BlockDevice));
        trails.extend(ground.trails(host, &within, Some(&start), node)?);
    }
    if trails.is_empty() {
        trails = records::of_path(host, &wanted.paths);
    }
    if trails.is_empty()
        && wanted.exists
        && let Some(place) = &wanted.place
    {
        let mount = wanted.mount.as_ref().or_else(|| mount_at(&ground.ours, wanted.paths.last()?));
        let step = mount.map(|mount| Step::Mount {
            target: mount.target.clone(),
            fs_type: mount.fs_type.clone(),
            device: Some(place.device),
            root: mount.root.clone(),
            namespace: None,
            role: "mount",
        });
        let steps = start.into_iter().chain(step).collect();
        trails.push(Trail { steps, owner: Owner::Host { unit: None } });
    }
    Ok(trails)
}

/// Whoever has a file system mounted, uses something of it, or has its device open.
pub(super) fn device(host: &Host<'_>, device: Device) -> Result<Vec<Trail>> {
    let ground = Ground::read(host);
    let wanted = Wanted { devices: vec![device], exists: true, ..Wanted::default() };
    let step = step_of(host, device);
    let node = Some((device, FileType::BlockDevice));
    let mut trails = ground.trails(host, &wanted, Some(&step), node)?;
    if trails.is_empty() && matches!(step, Step::Device { name: Some(_), .. }) {
        trails.push(Trail { steps: vec![step], owner: Owner::Host { unit: None } });
    }
    Ok(trails)
}

/// Whose layer a directory is, by what an engine calls it.
pub(super) fn overlay(host: &Host<'_>, name: &[u8]) -> Result<Vec<Trail>> {
    let ground = Ground::read(host);
    let mut stores = mounts::stores(host.root, &ground.ours, &ground.all);
    layers::complete(&mut stores, &host.containers.list);
    let mut wanted = Wanted::default();
    let mut found = Vec::new();
    for store in &stores {
        let (names, links) = layers::named(host.root, store, name);
        found.extend(names.into_iter().map(|name| (store.clone(), name)));
        wanted.layers.links.extend(links);
    }
    wanted.layers.name = Some(name.to_vec());
    let mut trails = ground.trails(host, &wanted, None, None)?;
    if trails.is_empty() {
        trails = records::of_layers(host, &found);
    }
    if trails.is_empty() {
        let layer = |(store, name): (Vec<u8>, Vec<u8>)| Trail {
            steps: vec![Step::Layer {
                path: [&store[..], b"/", &name].concat().into(),
                role: "lower",
            }],
            owner: Owner::Host { unit: None },
        };
        trails = found.into_iter().take(MOST_USES).map(layer).collect();
    }
    Ok(trails)
}

/// What answers where a path leads.
enum Met {
    There(There),
    Nothing,
    /// A file system on the way to it does not answer.
    Silence,
}

struct There {
    /// The number of the mount it is on (Linux 5.8).
    mount: Option<u32>,
    /// Without links.
    path: Option<Vec<u8>>,
    node: Option<(Device, FileType)>,
    namespace: Option<NsKey>,
}

/// Walks to a path once, by a process that can be abandoned.
fn meet(host: &Host<'_>, ours: &[Mount], path: &[u8]) -> Met {
    if !host.root.is_real() {
        let path = Some(normal(path));
        return Met::There(There { mount: None, path, node: None, namespace: None });
    }
    // To walk below an automount would mount something.
    let straight = normal(path);
    if let Some(at) = mount_at(ours, &straight)
        && at.fs_type == "autofs"
        && at.target.as_bytes() != straight
    {
        host.note(Gap { object: Text::new(path), what: "automount", reason: Reason::Unsupported });
        return Met::Silence;
    }
    let walk = layers::path_of(path);
    let opened = worker::open_place(&walk, OFlags::empty(), ResolveFlags::empty(), PATIENCE);
    match opened {
        Ok(place) => Met::There(examine(host, &place)),
        Err(error) if error.problem == Problem::TimedOut => {
            host.note(error.gap("destination"));
            Met::Silence
        }
        Err(error) => {
            if !matches!(error.errno(), Some(Errno::ENOENT | Errno::ENOTDIR)) {
                host.note(error.gap("destination"));
            }
            Met::Nothing
        }
    }
}

fn examine(host: &Host<'_>, place: &OwnedFd) -> There {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    let stat = statx(place, c"", flags, StatxFlags::TYPE | StatxFlags::MNT_ID).ok();
    let mount = stat.filter(|stat| stat.stx_mask & StatxFlags::MNT_ID.bits() != 0);
    let node = stat.and_then(|stat| {
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        let device = Device { major: stat.stx_rdev_major, minor: stat.stx_rdev_minor };
        let is_node = matches!(kind, FileType::BlockDevice | FileType::CharacterDevice);
        is_node.then_some((device, kind))
    });
    let link = format!("self/fd/{}", place.as_raw_fd());
    let text = rustix::fs::readlinkat(host.root.proc(), link, Vec::new()).ok();
    There {
        mount: mount.and_then(|stat| u32::try_from(stat.stx_mnt_id).ok()),
        path: text.map(std::ffi::CString::into_bytes).filter(|text| text.starts_with(b"/")),
        node,
        namespace: nsfs::from_place(host.root, place).ok().flatten().map(|file| file.key),
    }
}

fn step_of(host: &Host<'_>, device: Device) -> Step {
    let link = format!("/sys/dev/block/{device}");
    let name = host.root.read_link(Path::new(&link)).ok();
    let name =
        name.and_then(|link| link.as_bytes().rsplit(|byte| *byte == b'/').next().map(Text::new));
    Step::device(device, name)
}

/// What every clue of this kind needs.
struct Ground {
    ours: Vec<Mount>,
    own: Option<u64>,
    all: Vec<Namespace>,
}

impl Ground {
    fn read(host: &Host<'_>) -> Self {
        Self::with(host, mounts::own(host.root))
    }

    fn with(host: &Host<'_>, ours: Vec<Mount>) -> Self {
        let (own, all) = mounts::namespaces(host.root, &host.containers);
        Self { ours, own, all }
    }

    /// The mounts first, those of containers before those of the host; then uses.
    fn trails(
        &self,
        host: &Host<'_>,
        wanted: &Wanted,
        start: Option<&Step>,
        node: Option<(Device, FileType)>,
    ) -> Result<Vec<Trail>> {
        let mut gaps = Vec::new();
        let spaces = (self.own, &self.all[..]);
        let hits = mounts::search(host.root, &self.ours, spaces, wanted, &mut gaps);
        let mut mounted = Mounted::default();
        for hit in &hits {
            self.add(host, hit, wanted, start, &mut mounted);
        }
        if mounted.is_cut {
            gaps.push(cut("mounts of it"));
        }
        let mut trails = mounted.sorted();
        let is_sought = wanted.devices_of().next().is_some() || node.is_some();
        if is_sought && host.root.is_real() {
            let sought = Sought::new(wanted, &hits, node, self.own);
            let mut told = 0;
            for used in uses::find(host.root, &sought, &mut gaps)? {
                let owner = host.owner_of(used.pid);
                // Everything in it uses its root.
                if trails.iter().any(|trail| is_root_of(trail, &owner)) {
                    continue;
                }
                if told == MOST_USES {
                    gaps.push(cut("processes that use it"));
                    break;
                }
                told += 1;
                let step = Step::Use { pid: used.pid, comm: used.comm, by: used.by };
                trails.push(Trail {
                    steps: start.cloned().into_iter().chain([step]).collect(),
                    owner,
                });
            }
        }
        for gap in gaps {
            host.note(gap);
        }
        Ok(trails)
    }

    fn add(
        &self,
        host: &Host<'_>,
        hit: &Hit,
        wanted: &Wanted,
        start: Option<&Step>,
        mounted: &mut Mounted,
    ) {
        if hit.found.is_empty() {
            return;
        }
        let owner = match hit.namespace {
            None => Owner::Host { unit: None },
            Some(inode) => {
                let key = NsKey { kind: Kind::Mnt, inode };
                host.owner_of_namespace(key, hit.pid, self.name_of(key).as_ref())
            }
        };
        // What keeps a namespace that is no container's.
        let process = match (&owner, hit.namespace, hit.pid) {
            (Owner::Host { .. } | Owner::Unknown, Some(_), Some(pid)) => host.process(pid),
            _ => None,
        };
        // What runs in a container was mounted by an engine in there, whose paths are others.
        let is_nested = matches!(&owner, Owner::Container(one) if one.depth > 0);
        let is_foreign =
            |found: &Found| is_nested && found.layer.is_some() && wanted.layers.name.is_none();
        let maker = OnceCell::new();
        let is_claimed = |found: &Found| {
            let Some((layer, _)) = &found.layer else { return false };
            let maker = maker.get_or_init(|| Maker::of(host, hit.pid));
            !maker.knows(host, &self.ours, found.device, layer.as_bytes())
        };
        for found in hit.found.iter().filter(|found| !is_foreign(found) && !is_claimed(found)) {
            let mount = Step::Mount {
                target: found.target.clone(),
                fs_type: found.fs_type.clone(),
                device: Some(found.device),
                root: found.root.clone(),
                namespace: hit.namespace,
                role: found.role,
            };
            let layer = found.layer.clone().map(|(path, role)| Step::Layer { path, role });
            let steps = start.cloned().into_iter().chain(layer).chain([mount]);
            let steps = steps.chain(process.clone()).collect();
            mounted.add(hit, found, Trail { steps, owner: owner.clone() });
        }
    }

    /// By where a namespace is mounted.
    fn name_of(&self, key: NsKey) -> Option<Text> {
        let is_it = |mount: &&Mount| ns::parse_name(mount.root.as_bytes()) == Some(key);
        let targets = self.ours.iter().filter(is_it).map(|mount| mount.target.clone());
        name_among(&targets.collect::<Vec<_>>())
    }
}

fn cut(what: &'static str) -> Gap {
    Gap { object: "the clue".into(), what, reason: Reason::Truncated }
}

fn is_root_of(trail: &Trail, owner: &Owner) -> bool {
    let is_root = |step: &Step| match step {
        Step::Mount { target, role, namespace: Some(_), .. } => {
            *role == "root" || (*role == "layer" && *target == "/")
        }
        _ => false,
    };
    matches!(owner, Owner::Container(_))
        && trail.steps.iter().any(is_root)
        && key_of(&trail.owner) == key_of(owner)
}

/// The trails of mounts, each once.
#[derive(Default)]
struct Mounted {
    list: Vec<(Trail, Found)>,
    is_cut: bool,
}

impl Mounted {
    fn add(&mut self, hit: &Hit, found: &Found, trail: Trail) {
        // Of a container that has several mount namespaces one is enough.
        let is_same = |(known, one): &(Trail, Found)| {
            let layer = one.layer.is_some() && found.layer.is_some();
            let alike = if layer { one.device == found.device } else { one == found };
            alike
                && hit.namespace.is_some()
                && key_of(&known.owner) == key_of(&trail.owner)
                && matches!(trail.owner, Owner::Container(_))
        };
        if self.list.iter().any(is_same) {
            return;
        }
        if self.list.len() == MOST_MOUNTS {
            self.is_cut = true;
            return;
        }
        self.list.push((trail, found.clone()));
    }

    /// A container's own root is not told again where an engine has mounted it for it.
    fn sorted(self) -> Vec<Trail> {
        let is_own = |(trail, found): &(Trail, Found)| {
            let is_container = matches!(trail.owner, Owner::Container(_));
            is_container && found.layer.is_some() && found.target == "/"
        };
        let owned: Vec<Device> =
            self.list.iter().filter(|one| is_own(one)).map(|(_, found)| found.device).collect();
        let mut list = self.list;
        list.retain(|(trail, found)| {
            found.layer.is_none()
                || matches!(trail.owner, Owner::Container(_))
                || !owned.contains(&found.device)
        });
        list.sort_by_key(|(trail, found)| {
            let rank = match &trail.owner {
                Owner::Container(_) => 0,
                Owner::Namespace { .. } | Owner::Unknown => 1,
                Owner::Host { unit: Some(_) } => 2,
                Owner::Host { unit: None } => 3,
            };
            let role = u8::from(!(found.role == "root" || found.target == "/"));
            (rank, role)
        });
        list.into_iter().map(|(trail, _)| trail).collect()
    }
}
