//! A container with a root directory of its own on a tmpfs: what it plants there is nowhere else.

use crate::support::{Held, child_of, nsx};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The host's programs and libraries, and nothing else of the host's; then it becomes the rest of
/// its arguments.
const SCRIPT: &str = r#"
    set -e
    mount -t tmpfs none "$1"; cd "$1"; shift
    mkdir old usr proc dev etc tmp srv
    for name in bin sbin lib lib64; do
        if [ -L /$name ]; then cp -P /$name .; else mkdir $name; mount --rbind /$name $name; fi
    done
    mount --rbind /usr usr; mount --rbind /dev dev; mount -t proc proc proc
    touch inside
    pivot_root . old; cd /; umount -l old
    echo ready
    exec "$@"
"#;

#[derive(Debug)]
pub struct Rooted {
    _held: Held,
    pub target: u32,
    _mount_point: tempfile::TempDir,
}

impl Rooted {
    /// `options` are those of `nsx spawn`, `-p` and `-m` among them.
    pub fn start(options: &[&str]) -> Self {
        Self::running(options, &["sleep", "1000"])
    }

    pub fn running(options: &[&str], program: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = nsx(["spawn"]);
        command.args(options).args(["sh", "-c", SCRIPT, "sh"]).arg(directory.path());
        command.args(program).stdin(Stdio::null());
        let (held, line) = Held::ready(&mut command);
        assert_eq!(line, "ready");
        let target = child_of(held.pid()).unwrap();
        Self { _held: held, target, _mount_point: directory }
    }

    /// A path in the container, as the host reaches it.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        Path::new(&format!("/proc/{}/root", self.target)).join(inside)
    }
}
