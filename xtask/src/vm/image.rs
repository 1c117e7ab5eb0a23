//! The VM's disk and kernel: made of Debian's packages, kept for as long as the recipe is the same.
//!
//! Below `target/vm`: a directory named by the recipe's hash, with `root.img` and the kernels. Half of
//! one is never kept.

use crate::attended::Attention;
use crate::{debian, run, say, workspace};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Debian 12: systemd 252, docker 20.10, podman 4.3.
const SUITE: &str = "bookworm";

/// The kernels that it boots, and the suites that have them.
const KERNELS: [(&str, &str); 2] = [("6.1", SUITE), ("6.12", "bookworm-backports")];

/// Their names, the usual one first.
pub(super) const KERNEL_NAMES: [&str; 2] = [KERNELS[0].0, KERNELS[1].0];

/// What is installed, without what is only recommended.
const PACKAGES: [&str; 35] = [
    "apparmor", // docker wants to load its profile
    "bsdutils",
    "bubblewrap",
    "busybox-static",
    "containerd",
    "crun",
    "dbus",
    "dbus-user-session",
    "docker.io",
    "fuse-overlayfs",
    "iproute2",
    "iptables",
    "iputils-ping",
    "jq",
    "kmod",
    "libpam-systemd",
    "login",
    "lxc",
    "nftables",
    "nginx-light",
    "passwd",
    "perl-base",
    "podman",
    "procps",
    "runc",
    "slirp4netns",
    "strace",
    "systemd",
    "systemd-container",
    "systemd-sysv",
    "tmux",
    "udev",
    "uidmap",
    "util-linux",
    "util-linux-extra",
];

/// Nobody reads there.
const LEFT_OUT: [&str; 4] =
    ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*"];

const CUSTOMISE: &str = include_str!("guest/customise.sh");
const RUN: &str = include_str!("guest/run.sh");
const SERVICE: &str = include_str!("guest/nsx-vm.service");

/// The disk's name in its partition table, by which the kernel finds its root.
const SIGNATURE: u32 = 0x6e73_7876;
const SECTOR: u64 = 512;
const FIRST_SECTOR: u32 = 2048;
const SECTORS: u32 = 4 << 20;

/// Sparse, so what it holds counts: a third of it.
const SIZE_MIB: u32 = 2048;

/// Enough for a slow mirror.
const LIMIT: Duration = Duration::from_mins(15);

/// What boots.
#[derive(Debug)]
pub(super) struct Image {
    dir: PathBuf,
}

impl Image {
    pub(super) fn disk(&self) -> PathBuf {
        self.dir.join("root.img")
    }

    /// One of [`KERNEL_NAMES`].
    pub(super) fn kernel(&self, name: &str) -> PathBuf {
        self.dir.join(format!("vmlinuz-{name}"))
    }

    /// The argument of the kernel that names the disk's first partition.
    pub(super) fn root() -> String {
        format!("root=PARTUUID={SIGNATURE:08x}-01")
    }
}

/// `target/vm`, made if need be.
pub(super) fn place() -> Result<PathBuf> {
    let place = workspace::target()?.join("vm");
    std::fs::create_dir_all(&place)?;
    Ok(place)
}

/// The image of this recipe, made if it is not there.
pub(super) fn get(attention: &Attention) -> Result<Image> {
    let place = place()?;
    let lock = File::create(place.join("lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    let dir = place.join(recipe());
    if !dir.exists() {
        if !run::is_root() {
            bail!("the image of the VM is made as root");
        }
        let start = std::time::Instant::now();
        clear(&place)?;
        let made = make(attention, &place);
        if let Ok(half) = &made {
            std::fs::rename(half, &dir)?;
        } else {
            clear(&place)?;
        }
        made?;
        let seconds = start.elapsed().as_secs();
        say::note(format_args!("vm: image made in {seconds} s: {}", dir.display()));
    }
    Ok(Image { dir })
}

fn recipe() -> String {
    let mut hash = DefaultHasher::new();
    (SUITE, KERNELS, PACKAGES, LEFT_OUT, SIGNATURE, FIRST_SECTOR, SECTORS).hash(&mut hash);
    (CUSTOMISE, RUN, SERVICE).hash(&mut hash);
    format!("{:016x}", hash.finish())
}

/// Older images, and what an interrupted run left.
fn clear(place: &Path) -> Result<()> {
    for entry in std::fs::read_dir(place)? {
        let path = entry?.path();
        if path.is_dir() {
            std::fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// A complete directory under a preliminary name.
fn make(attention: &Attention, place: &Path) -> Result<PathBuf> {
    let dir = place.join("half");
    let (guest, tree) = (dir.join("guest"), dir.join("tree"));
    std::fs::create_dir_all(&guest)?;
    for (name, text) in [("customise.sh", CUSTOMISE), ("run.sh", RUN), ("nsx-vm.service", SERVICE)]
    {
        std::fs::write(guest.join(name), text)?;
    }
    say::note(format_args!("vm: making the image of {} packages of {SUITE}", PACKAGES.len()));
    let mut mmdebstrap = run::plain("mmdebstrap");
    mmdebstrap
        .args(["--quiet", "--mode=root", "--variant=minbase", "--format=directory"])
        .arg(format!("--include={}", PACKAGES.join(",")))
        .args(LEFT_OUT.map(|glob| format!("--dpkgopt=path-exclude={glob}")))
        .arg(r#"--customize-hook=sh "$VM_GUEST/customise.sh" "$1""#)
        .env("VM_KERNELS", KERNELS.map(|(name, suite)| format!("{name}={suite}")).join(" "))
        .env("VM_OUT", &dir)
        .env("VM_GUEST", &guest)
        .env("TMPDIR", &dir)
        .args([SUITE.as_ref(), tree.as_os_str()])
        .args(sources());
    attention.succeed(&mut mmdebstrap, LIMIT)?;
    let image = Image { dir };
    let mut mke2fs = run::plain("mke2fs");
    let offset = u64::from(FIRST_SECTOR) * SECTOR;
    mke2fs
        .args(["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0"])
        .arg("-E")
        .arg(format!("offset={offset},lazy_itable_init=1"))
        .arg("-d")
        .args([&tree, &image.disk()])
        .arg(format!("{SIZE_MIB}M"));
    attention.succeed(&mut mke2fs, LIMIT)?;
    File::options().write(true).open(image.disk())?.write_all_at(&partition_table(), 0)?;
    std::fs::remove_dir_all(&tree)?;
    std::fs::remove_dir_all(&guest)?;
    Ok(image.dir)
}

/// Where the machine itself gets this release from, or else Debian's own servers; and the other
/// suites of the kernels from the same place.
fn sources() -> Vec<String> {
    let found = debian::source(SUITE);
    let mirror = debian::mirror(found.as_ref().map(|(_, text)| text.as_str()));
    let line = |suite: &str| format!("deb {mirror} {suite} main");
    let mut sources: Vec<String> = KERNELS
        .into_iter()
        .map(|(_, suite)| suite)
        .filter(|suite| *suite != SUITE)
        .map(line)
        .collect();
    match found {
        Some((path, _)) => sources.insert(0, path),
        None => sources.insert(0, line(SUITE)),
    }
    sources
}

/// One partition, of Linux, over the whole disk.
fn partition_table() -> [u8; 512] {
    let mut table = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| {
        for (place, byte) in table.iter_mut().skip(at).zip(bytes) {
            *place = *byte;
        }
    };
    put(440, &SIGNATURE.to_le_bytes());
    put(450, &[0x83]);
    put(454, &FIRST_SECTOR.to_le_bytes());
    put(458, &SECTORS.to_le_bytes());
    put(510, &[0x55, 0xaa]);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_is_the_file_system() {
        assert_eq!(u64::from(SECTORS) * SECTOR, u64::from(SIZE_MIB) << 20);
        let table = partition_table();
        assert_eq!(&table[440..444], b"vxsn");
        assert_eq!(&table[454..458], [0, 8, 0, 0]);
        assert_eq!(Image::root(), "root=PARTUUID=6e737876-01");
    }

    #[test]
    fn packages_are_sorted_and_named_once() {
        assert!(PACKAGES.is_sorted_by(|one, next| one < next));
    }
}
