//! `spawn --rootfs`, `--overlay`, `--read-only`, `--bind`, `--ro-bind`, `--tmpfs`: the files that
//! the program sees.
//!
//! What is shown of the host is opened before the new namespaces are there. In them the root is
//! put together by descriptor: what is in it is not trusted, and no link of it is followed. The
//! host's own root, where no other is asked for, stays as it is but for what is mounted over it.

pub mod archive;
mod host;
mod kernel;
mod layers;
mod owners;
mod places;
mod source;

use super::error::{ActionError, Advise};
use crate::model::files::{Files, More, Writes};
use crate::model::namespace::{Kind, Kinds};
use crate::model::text::Text;
use crate::model::user_map::UserMap;
use crate::sys::error::Context;
use crate::sys::tree::{self, Guard, Tree};
use layers::Layer;
use nix::errno::Errno;
use places::{Places, Shape, text};
use rustix::fs::AtFlags;
use source::Source;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// All that is needed, opened. It must not outlive the start of the program, where it is still.
#[derive(Debug)]
pub struct Rootfs {
    base: Base,
    read_only: bool,
    mounts: Vec<Mount>,
    claim: Option<OwnedFd>,
    /// Where the caller is; there the program is too, where the root is the host's.
    directory: PathBuf,
    /// What a person should know.
    pub notes: Vec<String>,
}

#[derive(Debug)]
enum Base {
    /// The host's, as it is or below a layer.
    Host(Option<(Layer, Tree)>),
    Directory(Source, Option<Layer>),
    Archive(OwnedFd, Text, Option<Layer>),
}

#[derive(Debug)]
enum Mount {
    Bind { source: Source, at: PathBuf, guard: Guard },
    Memory { at: PathBuf, size_bytes: Option<u64>, mode: String },
}

impl Rootfs {
    /// Opens everything, as the caller, in the caller's namespaces; `maps` are those of a user
    /// namespace that is to be new. The caller has one thread.
    pub fn open(wanted: &Files, maps: Option<&UserMap>) -> Result<Self, ActionError> {
        wanted.more.iter().try_for_each(|mount| check_inner(mount.at()))?;
        let mut notes = Vec::new();
        let (layer, claim) = match &wanted.overlay {
            None => (None, None),
            Some(Writes::Memory) => (Some(Layer::Memory), None),
            Some(Writes::Directory(path)) => {
                let (layer, claim) = Layer::in_directory(path)?;
                (Some(layer), Some(claim))
            }
        };
        let base = match &wanted.root {
            None => Base::Host(match layer {
                Some(layer) => Some((layer, host::copy()?)),
                None => None,
            }),
            Some(path) => open_base(path, layer, maps, &mut notes)?,
        };
        let mounts = wanted.more.iter().map(Mount::open).collect::<Result<_, _>>()?;
        let directory = rustix::process::getcwd(Vec::new()).unwrap_or_default();
        let directory = PathBuf::from(std::ffi::OsString::from_vec(directory.into_bytes()));
        Ok(Self { base, read_only: wanted.read_only, mounts, claim, directory, notes })
    }

    /// What keeps others out of the directory that is written to, as long as it is open.
    pub fn claim(&mut self) -> Option<OwnedFd> {
        self.claim.take()
    }

    /// Makes it what this process sees, which is in a new mount namespace and in the others that
    /// are said to be new, and is root in its user namespace. Its mounts are kept apart from the
    /// host's. Returns the pseudo-terminals it has, where they are not the host's.
    pub fn assemble(self, new: Kinds) -> Result<Option<Tree>, ActionError> {
        self.put_together(new).map_err(|error| match error.errno() {
            Some(Errno::EOVERFLOW) => error.advise(
                "who has no id inside makes no files: something must be mapped to 0 there, by \
                 --map-users and --map-groups",
            ),
            _ => error,
        })
    }

    fn put_together(self, new: Kinds) -> Result<Option<Tree>, ActionError> {
        let Self { base, read_only, mounts, directory, .. } = self;
        // Before anything hides them.
        let mounts = mounts.into_iter().map(Mount::make).collect::<Result<Vec<_>, _>>()?;
        let by_user = new.has(Kind::User);
        let (root, is_ours) = match base {
            Base::Host(None) => {
                tree::part_all(read_only)?;
                let root = tree::root()?;
                let mut places = Places::of(root.as_fd());
                host::mount_proc(&places, new, read_only)?;
                let any = !mounts.is_empty();
                mount_all(mounts, &mut places)?;
                if any {
                    host::go_to(&directory)?;
                }
                return Ok(None);
            }
            Base::Host(Some((layer, copy))) => {
                tree::part_all(false)?;
                let root = layer.over(copy, by_user, Guard::AsItIs)?;
                let mut places = Places::of(root.as_fd());
                places.is_ours(root.as_fd())?;
                host::mount_proc(&places, new, read_only)?;
                mount_all(mounts, &mut places)?;
                if read_only {
                    root.make_read_only()?;
                }
                tree::become_root(&root)?;
                host::go_to(&directory)?;
                return Ok(None);
            }
            Base::Directory(source, layer) => {
                let is_ours = layer.is_some();
                let lower = source.settle(of_programs(by_user))?;
                tree::part_all(false)?;
                if read_only && !is_ours {
                    lower.make_all_read_only()?;
                }
                (layers::attach(lower, layer, by_user)?, is_ours)
            }
            Base::Archive(file, name, layer) => {
                tree::part_all(false)?;
                let memory = Tree::memory_for_programs(of_programs(by_user))?;
                archive::unpack(file, &name, memory.as_fd())?;
                (layers::attach(memory, layer, by_user)?, true)
            }
        };
        let mut places = Places::of(root.as_fd());
        if is_ours {
            places.is_ours(root.as_fd())?;
        }
        let terminals = kernel::mount(&mut places, new, read_only)?;
        mount_all(mounts, &mut places)?;
        if read_only && is_ours {
            root.make_read_only()?;
        }
        tree::become_root(&root)?;
        Ok(terminals)
    }

    /// Whether it will have pseudo-terminals of its own.
    pub fn has_terminals(&self) -> bool {
        match &self.base {
            Base::Host(_) => false,
            Base::Directory(source, None) => !lacks(source, "dev"),
            Base::Directory(_, Some(_)) | Base::Archive(..) => true,
        }
    }
}

const A_ROOT: &str =
    "a root is a directory with a system in it, or a tar archive: `docker export NAME > root.tar`";

/// A directory or an archive.
fn open_base(
    path: &Path,
    layer: Option<Layer>,
    maps: Option<&UserMap>,
    notes: &mut Vec<String>,
) -> Result<Base, ActionError> {
    let mut source = Source::open(path).advise(A_ROOT)?;
    if source.is_directory() {
        source.copy(of_programs(maps.is_some()))?;
        if let (Some(maps), Some(copy)) = (maps, source.has_copy())
            && !owners::are_known(source.as_fd(), maps)?
            && let Err(error) = owners::give(copy, maps)
        {
            notes.push(format!("{error}: files of {} are nobody's inside", source.name()));
        }
        if layer.is_none() {
            notes.extend(lacking(&source));
        }
        return Ok(Base::Directory(source, layer));
    }
    if !source.is_file() {
        let text = format!("{} is neither a directory nor an archive", source.name());
        return Err(ActionError::refused(text, A_ROOT));
    }
    // In memory it is anyway.
    let layer = layer.filter(|layer| !matches!(layer, Layer::Memory));
    Ok(Base::Archive(source.reader()?, source.name().clone(), layer))
}

/// What of the kernel's a directory has no place for; none is made in what is the caller's.
fn lacking(source: &Source) -> Option<String> {
    let missing: Vec<&str> =
        ["proc", "sys", "dev"].into_iter().filter(|name| lacks(source, name)).collect();
    let name = source.name();
    (!missing.is_empty()).then(|| {
        let missing = missing.join(", ");
        format!("{name} has no directory for {missing}: the program is without; --overlay makes it")
    })
}

fn lacks(source: &Source, name: &str) -> bool {
    let looked = rustix::fs::statat(source.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW);
    matches!(looked, Err(rustix::io::Errno::NOENT))
}

impl Mount {
    fn open(wanted: &More) -> Result<Self, ActionError> {
        match wanted {
            More::Bind { source, at, read_only } => {
                let mut source = Source::open(source)
                    .advise("what is shown is named as it is called outside: SOURCE:PATH")?;
                let guard = match read_only {
                    true => Guard::ReadOnly,
                    // Who names a device wants to use it.
                    false if source.is_device() => Guard::Device,
                    false => Guard::Files,
                };
                source.copy(guard)?;
                Ok(Self::Bind { source, at: at.clone(), guard })
            }
            More::Memory { at, size_bytes, mode } => {
                let mode = format!("{:o}", mode.unwrap_or(0o1777));
                Ok(Self::Memory { at: at.clone(), size_bytes: *size_bytes, mode })
            }
        }
    }

    fn make(self) -> Result<Made, ActionError> {
        Ok(match self {
            Self::Bind { source, at, guard } => {
                let shape = if source.is_directory() { Shape::Directory } else { Shape::File };
                Made { tree: source.settle(guard)?, at, shape, is_ours: false }
            }
            Self::Memory { at, size_bytes, mode } => {
                let tree = Tree::memory_for_files(&mode, size_bytes)?;
                Made { tree, at, shape: Shape::Directory, is_ours: true }
            }
        })
    }
}

/// A mount that is attached nowhere yet.
#[derive(Debug)]
struct Made {
    tree: Tree,
    at: PathBuf,
    shape: Shape,
    is_ours: bool,
}

fn mount_all(mounts: Vec<Made>, places: &mut Places<'_>) -> Result<(), ActionError> {
    for mount in mounts {
        let at = text(&mount.at);
        let Some(place) = places.find(&mount.at, mount.shape)? else {
            return Err(ActionError::refused(
                format!("cannot mount on {at}: it does not exist, and is made only in memory"),
                "make it, or use --overlay, or --tmpfs above it",
            ));
        };
        let attached = mount.tree.attach_on(place.as_fd()).context("mount on", at);
        attached.advise("a directory goes on a directory, and a file on a file")?;
        if mount.is_ours {
            places.is_ours(mount.tree.as_fd())?;
        }
    }
    Ok(())
}

/// Set-id files count where they reach no further than a user namespace. A device in a root is
/// none: those that are needed are the host's.
const fn of_programs(by_user: bool) -> Guard {
    if by_user { Guard::Programs } else { Guard::Files }
}

/// Where something is mounted is said from the root on, and not by way of what is above it.
fn check_inner(at: &Path) -> Result<(), ActionError> {
    let leads_up = at.components().any(|part| part == Component::ParentDir);
    if at.is_absolute() && !leads_up {
        return Ok(());
    }
    Err(ActionError::refused(
        format!("cannot mount on {}: it is no path inside the root", text(at)),
        "a place in the root is named by its whole path, without `..`",
    ))
}
