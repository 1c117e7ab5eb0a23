//! What the runtimes keep of their containers, wherever each keeps it.

use super::edit;
use super::store::{self, Store};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Files and links, copied. `*` stands for any part of one name, `~` for each user's home.
const STATE: [&str; 69] = [
    // docker
    "/run/docker/runtime-*/*/*/state.json",
    "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/*/*/*",
    "/var/lib/docker/containers/*/config.v2.json",
    "/var/lib/docker/containers/*/hostconfig.json",
    "/run/user/*/docker/runtime-*/*/*/state.json",
    "/run/user/*/docker/containerd/daemon/io.containerd.runtime.v2.task/*/*/*",
    "~/.local/share/docker/containers/*/config.v2.json",
    "~/.local/share/docker/containers/*/hostconfig.json",
    // containerd
    "/run/user/*/containerd/io.containerd.runtime.v2.task/*/*/*",
    "/run/user/*/containerd/runc/*/*/state.json",
    "~/.local/share/containerd/io.containerd.metadata.v1.bolt/meta.db",
    "/run/containerd/io.containerd.runtime.v2.task/*/*/*",
    "/run/containerd/runc/*/*/state.json",
    "/run/containerd/crun/*/*/status",
    "/run/containerd/runsc/*/*",
    "/run/containerd/io.containerd.grpc.v1.cri/sandboxes/*/hostname",
    "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
    "/var/lib/containerd/io.containerd.grpc.v1.cri/containers/*/status",
    "/var/lib/nerdctl/*/names/*/*",
    "/etc/containerd/config.toml",
    // OCI runtimes that were called directly, also by users
    "/run/runc/*/state.json",
    "/run/crun/*/status",
    "/run/crun/*/config.json",
    "/run/youki/*/state.json",
    "/run/runsc/*.state",
    "/run/user/*/runc/*/state.json",
    "/run/user/*/crun/*/status",
    "/run/user/*/crun/*/config.json",
    // podman and CRI-O
    "/run/containers/storage/*-containers/*/userdata/pidfile",
    "/run/containers/storage/*-containers/*/userdata/conmon.pid",
    "/run/libpod/exits/*",
    "/var/lib/containers/storage/*-containers/containers.json",
    "/var/lib/containers/storage/*-containers/volatile-containers.json",
    "/var/lib/containers/storage/*-containers/*/userdata/config.json",
    "/var/lib/containers/storage/*-images/images.json",
    "/var/lib/containers/storage/libpod/bolt_state.db",
    "/var/lib/containers/storage/db.sql",
    "/run/user/*/containers/*-containers/*/userdata/pidfile",
    "/run/user/*/containers/*-containers/*/userdata/conmon.pid",
    "/run/user/*/libpod/tmp/pause.pid",
    "/run/user/*/libpod/tmp/exits/*",
    "~/.local/share/containers/storage/*-containers/containers.json",
    "~/.local/share/containers/storage/*-containers/volatile-containers.json",
    "~/.local/share/containers/storage/*-containers/*/userdata/config.json",
    "~/.local/share/containers/storage/*-images/images.json",
    "~/.local/share/containers/storage/libpod/bolt_state.db",
    "~/.local/share/containers/storage/db.sql",
    "/run/crio/*",
    // lxc, LXD, Incus
    "/var/lib/lxc/*/config",
    "~/.local/share/lxc/*/config",
    "/var/lib/lxd/containers/*",
    "/var/lib/lxd/storage-pools/*/containers/*/backup.yaml",
    "/var/lib/incus/containers/*",
    "/var/lib/incus/storage-pools/*/containers/*/backup.yaml",
    "/var/log/lxd/*/lxc.conf",
    "/run/lxd/*/lxc.conf",
    "/run/incus/*/lxc.conf",
    // systemd
    "/run/systemd/machines/*",
    "/run/systemd/nspawn/*",
    // flatpak
    "/run/user/*/.flatpak/*/info",
    "/run/user/*/.flatpak/*/pid",
    "/run/user/*/.flatpak/*/bwrapinfo.json",
    // Kubernetes
    "/var/log/containers/*",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/pods/*/etc-hosts",
    "/var/lib/kubelet/cpu_manager_state",
    "/run/snapd/ns/*.fstab",
    "/etc/containers/storage.conf",
    "/etc/containers/containers.conf",
];

/// Whatever is there, kept as an empty file: only the name tells, or only the name can be kept.
const NAMES: [&str; 10] = [
    "/run/docker/netns/*",
    "/run/netns/*",
    "/run/lxc/lock/*/*/*/.*",
    "/run/systemd/nspawn/locks/*",
    "/run/snapd/ns/*.mnt",
    "/run/user/*/netns/*",
    "/var/log/pods/*/*/*.log",
    "/var/lib/kubelet/pods/*/containers/*/*",
    "/var/lib/kubelet/pods/*/plugins/*/*",
    "/var/lib/kubelet/pods/*/volumes/*/*",
];

pub(super) fn save(store: &mut Store) -> Result<()> {
    let homes =
        homes(&String::from_utf8_lossy(&store::read(Path::new("/etc/passwd")).unwrap_or_default()));
    for pattern in STATE {
        for path in matching(pattern, &homes) {
            save_one(&path, store)?;
        }
    }
    for pattern in NAMES {
        for path in matching(pattern, &homes) {
            store.write(&path, b"")?;
        }
    }
    Ok(())
}

fn save_one(path: &Path, store: &mut Store) -> Result<()> {
    if let Ok(text) = std::fs::read_link(path) {
        // Bundles link to where the container's files are: nothing to read, and not there later.
        let is_name = !path.starts_with("/run/containerd") && !path.starts_with("/run/docker");
        return if is_name { store.link(path, &text) } else { Ok(()) };
    }
    let Some(bytes) = store::read(path) else {
        return Ok(());
    };
    let is_log = path.file_name().is_some_and(|name| name == "log.json" || name == "ctr.log");
    if is_log {
        return Ok(());
    }
    if path.file_name().is_some_and(|name| name == "config" || name == "lxc.conf") {
        return store.write(path, &without_environment(&bytes));
    }
    store.write(path, &edit::json(&bytes))
}

/// A configuration of lxc sets variables one a line.
fn without_environment(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let kept = lines.filter(|line| !line.trim_ascii_start().starts_with(b"lxc.environment"));
    kept.flatten().copied().collect()
}

fn homes(passwd: &str) -> Vec<PathBuf> {
    let home = |line: &str| Some(PathBuf::from(line.split(':').nth(5)?));
    let mut homes: Vec<PathBuf> = passwd.lines().filter_map(home).collect();
    homes.retain(|home| home.is_absolute() && home.parent().is_some());
    homes.sort();
    homes.dedup();
    homes
}

/// What a pattern stands for, in the order of the names. Directories lead to files, and are none.
fn matching(pattern: &str, homes: &[PathBuf]) -> Vec<PathBuf> {
    let (mut found, parts) = match pattern.strip_prefix('~') {
        Some(rest) => (homes.to_vec(), rest),
        None => (vec![PathBuf::from("/")], pattern),
    };
    for part in parts.split('/').filter(|part| !part.is_empty()) {
        found = found.iter().flat_map(|path| step(path, part)).collect();
    }
    found.retain(|path| path.symlink_metadata().is_ok_and(|data| !data.is_dir()));
    found
}

fn step(directory: &Path, part: &str) -> Vec<PathBuf> {
    let Some((start, end)) = part.split_once('*') else {
        return vec![directory.join(part)];
    };
    // A link to a directory leads to what is found elsewhere too.
    let is_link = directory.symlink_metadata().is_ok_and(|data| data.is_symlink());
    let entries = std::fs::read_dir(directory).ok().filter(|_| !is_link);
    let names = entries.into_iter().flatten().flatten().map(|entry| entry.file_name());
    let fits = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
    };
    let mut names: Vec<_> = names.filter(fits).collect();
    names.sort();
    names.into_iter().map(|name| directory.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_files_and_links_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b-containers/x", "a-containers/y", "a-images/x"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        std::os::unix::fs::symlink("nowhere", dir.path().join("a-containers/z")).unwrap();
        std::fs::create_dir(dir.path().join("a-containers/directory")).unwrap();
        let homes = [dir.path().to_owned()];
        let found = matching("~/*-containers/*", &homes);
        let names: Vec<_> =
            found.iter().map(|path| path.strip_prefix(dir.path()).unwrap()).collect();
        let expected = ["a-containers/y", "a-containers/z", "b-containers/x"];
        assert_eq!(names, expected.map(Path::new));
        assert_eq!(matching("~/*-images/x", &homes).len(), 1);
        assert_eq!(matching("~/absent/*", &homes), [] as [PathBuf; 0]);
    }

    #[test]
    fn homes_are_the_users_and_the_root_is_none() {
        let passwd = "root:x:0:0::/root:/bin/sh\na:x:1:1::/:/no\nb:x:2:2::/home/b:\nbroken\n";
        assert_eq!(homes(passwd), [PathBuf::from("/home/b"), PathBuf::from("/root")]);
    }

    #[test]
    fn a_configuration_loses_its_variables() {
        let text = b"lxc.uts.name = a\n lxc.environment = A=b\nlxc.tty.max = 4\n";
        assert_eq!(without_environment(text), b"lxc.uts.name = a\nlxc.tty.max = 4\n");
    }
}
