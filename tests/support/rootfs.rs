//! A small root file system: busybox and nothing else.

use super::{copy_program, find, succeeds};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory that ends with its test, and in it `root`.
#[derive(Debug)]
pub struct Small(tempfile::TempDir);

impl Small {
    /// With the directories that every system has.
    pub fn new() -> Self {
        Self::equipped(Self::bare())
    }

    /// The same where a set-user-ID file works: /tmp may be mounted without.
    pub fn with_set_id() -> Self {
        Self::equipped(Self::in_directory(set_id_directory()))
    }

    fn equipped(small: Self) -> Self {
        for name in ["dev", "etc", "proc", "run", "srv", "sys", "tmp"] {
            std::fs::create_dir(small.path(name)).expect("it is ours");
        }
        small
    }

    /// With programs alone.
    pub fn bare() -> Self {
        Self::in_directory(tempfile::tempdir().expect("a directory"))
    }

    fn in_directory(directory: tempfile::TempDir) -> Self {
        let small = Self(directory);
        std::fs::create_dir_all(small.path("bin")).expect("it is ours");
        let busybox = find("busybox").expect("a test that needs it says so");
        copy_program(busybox, small.path("bin/busybox"));
        let names = [
            "cat", "chmod", "echo", "find", "grep", "head", "id", "ls", "mkdir", "mkfifo", "mknod",
            "mount", "pwd", "readlink", "rm", "sh", "sleep", "stat", "touch", "umount", "wc",
        ];
        for name in names {
            std::os::unix::fs::symlink("busybox", small.path("bin").join(name)).expect("ours");
        }
        for path in [small.0.path(), &small.root()] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(path, mode).expect("it is ours");
        }
        small
    }

    pub fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    pub fn name(&self) -> String {
        self.root().to_str().expect("UTF-8").to_owned()
    }

    /// In the root.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join(name)
    }

    /// Beside the root.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Every path of the root with what it is, its size and its times: what changes when somebody
    /// writes.
    pub fn snapshot(&self) -> String {
        snapshot(&self.root())
    }
}

/// A directory in which set-user-ID files work: /tmp may be mounted without.
pub fn set_id_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/var/tmp").expect("a directory")
}

pub fn snapshot(directory: &Path) -> String {
    let format = "%P %y %m %U %G %s %T@ %l\\n";
    let listed = succeeds(Command::new("find").arg(directory).args(["-printf", format]));
    let mut lines: Vec<_> = listed.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// The mounts of this process.
pub fn mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").expect("there are mounts")
}
