//! containerd's bundle of a container, found through its shim: the shim's working directory is
//! `…/io.containerd.runtime.v2.task/NAMESPACE/ID`, whatever roots the engine was given.

use crate::model::process::Pid;
use crate::sys::root::SysRoot;
use rustix::fs::readlinkat;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    pub directory: PathBuf,
    /// containerd's namespace: `moby` is docker's, `k8s.io` Kubernetes'.
    pub namespace: Vec<u8>,
    pub id: Vec<u8>,
}

/// The bundle that the process works in, if it is a shim. The link is read, never followed.
/// Anybody can work in a directory of such a name: only one that is root's is an engine's.
pub fn of_shim(root: &SysRoot, shim: Pid) -> Option<Bundle> {
    let link = readlinkat(root.proc(), format!("{shim}/cwd"), Vec::new()).ok()?;
    let bundle = parse(link.to_bytes())?;
    let directory = root.open_dir(&bundle.directory).ok()?;
    (rustix::fs::fstat(directory).ok()?.st_uid == 0).then_some(bundle)
}

fn parse(path: &[u8]) -> Option<Bundle> {
    let mut from_the_end = path.rsplit(|byte| *byte == b'/');
    let (id, namespace, task) = (from_the_end.next()?, from_the_end.next()?, from_the_end.next()?);
    if !task.starts_with(b"io.containerd.runtime.") || id.is_empty() || namespace.is_empty() {
        return None;
    }
    Some(Bundle {
        directory: Path::new(OsStr::from_bytes(path)).to_owned(),
        namespace: namespace.to_vec(),
        id: id.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shims_directory_tells_namespace_and_id() {
        let found =
            parse(b"/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/abc").unwrap();
        assert_eq!(
            (found.namespace.as_slice(), found.id.as_slice()),
            (b"moby".as_slice(), b"abc".as_slice())
        );
        assert_eq!(parse(b"/"), None);
        assert_eq!(parse(b"/home/moby/abc"), None);
        assert_eq!(parse(b"io.containerd.runtime.v2.task/moby/"), None);
    }
}
