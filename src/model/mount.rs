//! Mounts as one process sees them.

use super::device::Device;
use super::text::Text;

/// One line of mountinfo, and what can be told from it and its neighbours. See
/// proc_pid_mountinfo(5).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Mount {
    /// A number of the kernel's; it may be given again once the mount is gone.
    pub id: u32,
    /// The `id` that it is mounted on. That of the process's root is of none that it sees.
    pub parent_id: u32,
    /// Of the file system.
    pub device: Device,
    /// The part of the file system that is mounted.
    pub root: Text,
    /// Where, seen from the process's root.
    pub target: Text,
    /// Options of this mount: `rw,nosuid`.
    pub options: Text,
    /// `shared`, `slave`, `private`, `unbindable`, or `shared slave`.
    pub propagation: &'static str,
    /// `ext4`, `overlay`, `fuse.sshfs`.
    pub fs_type: Text,
    /// What whoever mounted it named: a device, a directory, any word.
    pub source: Text,
    /// Options of the file system.
    pub fs_options: Text,
    /// By the options of the mount, or by those of the file system.
    pub read_only: bool,
    /// A part of a file system, not the whole of it.
    pub bind: bool,
    /// Ids of owners are mapped by the mount (Linux 5.12).
    pub idmapped: bool,
    /// Something else is mounted on it, or on the way to it: it cannot be reached by its path.
    pub overmounted: bool,
    /// It hides a part of /proc or /sys.
    pub masked: bool,
    /// Where the host has the same files, by their path there. Null where it has them nowhere.
    pub host_source: Option<Text>,
    /// Null where it is no overlay.
    pub overlay: Option<Box<Overlay>>,
    /// Only with `--usage`; null where the file system did not answer, too.
    pub usage: Option<Usage>,
}

/// What an overlay file system is laid together from, by the paths that whoever mounted it gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Overlay {
    /// The topmost first.
    pub lower: Vec<Text>,
    /// Layers below those, of which only the data of files is taken.
    pub data_only: Vec<Text>,
    /// Null: it cannot be written to.
    pub upper: Option<Text>,
    /// A directory that the kernel needs beside `upper`; null without that.
    pub work: Option<Text>,
    /// Whose layer the upper one is, or the topmost lower one where there is no upper; null where it
    /// does not lie where an engine keeps layers.
    pub layer_of: Option<LayerOf>,
}

/// Told by where it lies.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LayerOf {
    /// `docker`, `containerd`, or `containers-storage`: podman, CRI-O and buildah share that.
    pub engine: &'static str,
    /// What the engine calls the layer, which is not what it calls the container.
    pub layer: Text,
    /// The short id of the container whose root this is. Null for a layer of another one.
    pub container: Option<Text>,
    /// It is what this container itself writes to.
    pub own_upper: bool,
}

/// How full a file system is. See statvfs(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Usage {
    /// All blocks of it, whoever may use them.
    pub size_bytes: u64,
    /// Size less what is free. What is kept for root counts as free.
    pub used_bytes: u64,
    /// What an ordinary user may still write: less than what is not used.
    pub available_bytes: u64,
    /// 0: they are not counted.
    pub inodes: u64,
    /// Of those, the ones that are taken.
    pub inodes_used: u64,
}

/// Whether the process's root is one of them. Of a root that is none (chroot(2)) the kernel does not
/// show the mount it is in, nor any other outside it.
pub fn shows_root(mounts: &[Mount]) -> bool {
    mounts.iter().any(|mount| mount.target == "/")
}

impl Mount {
    /// With what its own fields tell.
    #[must_use]
    pub fn told(mut self) -> Self {
        // The kernel writes that of the file system first; what follows may hold any name.
        let of_file_system = options(&self.fs_options).next() == Some(b"ro");
        self.read_only = of_file_system || has(&self.options, b"ro");
        self.idmapped = has(&self.options, b"idmapped");
        self.bind = self.is_a_part();
        self.masked = self.is_a_mask();
        self
    }

    /// The root of a control group file system depends on the namespace it was mounted in, and what
    /// a subvolume is called stands in the options of its file system.
    fn is_a_part(&self) -> bool {
        let root = self.root.as_bytes();
        let is_subvolume = || {
            options(&self.fs_options).any(|option| option.strip_prefix(b"subvol=") == Some(root))
        };
        match self.fs_type.as_bytes() {
            _ if root == b"/" => false,
            b"cgroup" | b"cgroup2" => false,
            b"btrfs" => !is_subvolume(),
            _ => true,
        }
    }

    /// As runtimes make them: an empty directory, or `/dev/null`.
    fn is_a_mask(&self) -> bool {
        let is_empty = self.fs_type == "tmpfs" || self.fs_type == "devtmpfs";
        is_empty && self.is_in_kernels_trees() && !self.target.as_bytes().starts_with(GROUPS)
    }

    /// Below /proc or /sys.
    pub fn is_in_kernels_trees(&self) -> bool {
        let target = self.target.as_bytes();
        target.starts_with(b"/proc/") || target.starts_with(b"/sys/")
    }
}

const GROUPS: &[u8] = b"/sys/fs/cgroup";

fn options(list: &Text) -> impl Iterator<Item = &[u8]> {
    list.as_bytes().split(|byte| *byte == b',')
}

fn has(list: &Text, wanted: &[u8]) -> bool {
    options(list).any(|option| option == wanted)
}
