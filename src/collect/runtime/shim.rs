//! containerd's shim: the parent of every container that containerd runs, docker's too.
//!
//! Anybody can work in a directory of any name. A shim is root's, and what it says of its container
//! lies in a directory that is root's too.

use super::monitor::Monitor;
use super::picked::{Path as Key, Picked};
use crate::model::runtime::Runtime;
use crate::sys::root::{self, SysRoot};
use rustix::fs::{ResolveFlags, readlinkat};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A shim's working directory: `…/io.containerd.runtime.v2.task/NAMESPACE/ID`, whatever roots the
/// engine was given.
#[derive(Debug)]
pub struct Bundle {
    /// Held, so that no later look can be led elsewhere.
    pub directory: OwnedFd,
    /// The text of the shim's `cwd` link.
    pub path: PathBuf,
    /// containerd's namespace: see [`is_dockers`]; `k8s.io` is Kubernetes'.
    pub namespace: Vec<u8>,
    /// containerd's id of the container; never empty.
    pub id: Vec<u8>,
}

/// The bundle of the container that this monitor looks after, if it is a shim.
pub fn bundle(root: &SysRoot, monitor: &Monitor) -> Option<Bundle> {
    // The kernel keeps fifteen bytes of containerd-shim-runc-v2 and its like.
    if monitor.comm != b"containerd-shim" || !monitor.is_roots() {
        return None;
    }
    let link = readlinkat(monitor.dir(), "cwd", Vec::new()).ok()?;
    let (namespace, id) = parse(link.to_bytes())?;
    let path = PathBuf::from(link.to_str().ok()?);
    let directory = open(root, &path)?;
    Some(Bundle { directory, namespace: namespace.to_vec(), id: id.to_vec(), path: path.clone() })
}

/// Whose kernel the container of this monitor runs on, if not the host's, as its shim or what
/// that was told to call is named.
pub fn guest_of(root: &SysRoot, monitor: &Monitor) -> Option<Runtime> {
    let bundle = bundle(root, monitor)?;
    let read = |name| root::read_beneath(bundle.directory.as_fd(), name, SMALL).unwrap_or_default();
    let program = |path: &[u8]| {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        let has = |word: &[u8]| name.windows(word.len()).any(|window| window == word);
        match (has(b"kata"), has(b"runsc")) {
            (true, _) => Some(Runtime::Kata),
            (_, true) => Some(Runtime::Gvisor),
            _ => None,
        }
    };
    program(&read("shim-binary-path")).or_else(|| {
        let options = Picked::from_json(&read("options.json"), &[BINARY])?;
        program(options.text(BINARY)?.as_bytes())
    })
}

/// Where the shim was told to have runc, or what is called in its place, keep its records.
pub fn runtime_root(bundle: &Bundle) -> Option<PathBuf> {
    const ROOT: Key = &["root"];
    let options = root::read_beneath(bundle.directory.as_fd(), "options.json", SMALL).ok()?;
    let options = Picked::from_json(&options, &[ROOT])?;
    options.text(ROOT).filter(|path| path.starts_with('/')).map(PathBuf::from)
}

const SMALL: usize = 64 << 10;

/// What the shim is to call instead of runc.
const BINARY: Key = &["binary_name"];

/// A bundle's directory, if it is root's. The kernel's own name of it leads through no link.
pub fn open(root: &SysRoot, path: &Path) -> Option<OwnedFd> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let directory = root.open_data_by(path, resolve).ok()?;
    let owner = rustix::fs::fstat(&directory).ok()?.st_uid;
    // The files of a fixture belong to whoever keeps it.
    (owner == 0 || !root.is_real()).then_some(directory)
}

/// Whether a namespace of containerd's is docker's: `moby`, or `moby-UID.GID` where docker gives its
/// containers other users than the host's (userns-remap).
pub fn is_dockers(namespace: impl AsRef<[u8]>) -> bool {
    let namespace = std::str::from_utf8(namespace.as_ref()).unwrap_or_default();
    let Some(rest) = namespace.strip_prefix("moby") else { return false };
    rest.is_empty() || rest.strip_prefix('-').is_some_and(is_remapped)
}

/// `UID.GID`, as docker calls what it keeps for users that are not the host's.
pub fn is_remapped(name: &str) -> bool {
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    name.split_once('.').is_some_and(|(uid, gid)| is_number(uid) && is_number(gid))
}

/// The namespace and the id that a directory is named by.
pub fn parse(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from_the_end = path.rsplit(|byte| *byte == b'/');
    let (id, namespace, task) = (from_the_end.next()?, from_the_end.next()?, from_the_end.next()?);
    let named = !id.is_empty() && !namespace.is_empty();
    (named && task.starts_with(b"io.containerd.runtime.")).then_some((namespace, id))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Host;
    use super::*;
    use crate::model::process::Pid;

    #[test]
    fn a_shims_directory_tells_namespace_and_id() {
        let path = b"/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/abc";
        assert_eq!(parse(path), Some((&b"moby"[..], &b"abc"[..])));
        assert_eq!(parse(b"/"), None);
        assert_eq!(parse(b"/home/moby/abc"), None);
        assert_eq!(parse(b"io.containerd.runtime.v2.task/moby/"), None);
    }

    #[test]
    fn a_shim_tells_whose_kernel_and_where_records_are() {
        let bundle = "run/containerd/io.containerd.runtime.v2.task/k8s.io/abc";
        let of = |files: &[(&str, &str)]| {
            let host = Host::with(&[]);
            host.process(70, 1, "containerd-shim", 0, "x");
            host.process(80, 1, "containerd-shim", 1000, "x");
            host.process(90, 1, "sh", 0, "x");
            host.write(&format!("{bundle}/config.json"), "{}");
            for (name, text) in files {
                host.write(&format!("{bundle}/{name}"), text);
            }
            for pid in [70, 80, 90] {
                let link = host.path(&format!("proc/{pid}/cwd"));
                std::os::unix::fs::symlink(format!("/{bundle}"), link).unwrap();
            }
            let monitor = |pid| Monitor::of(&host.root, Pid::new(pid).unwrap()).unwrap();
            for pid in [80, 90] {
                assert!(super::bundle(&host.root, &monitor(pid)).is_none(), "{pid}");
            }
            let found = super::bundle(&host.root, &monitor(70)).unwrap();
            assert_eq!((&*found.namespace, &*found.id), (&b"k8s.io"[..], &b"abc"[..]));
            (guest_of(&host.root, &monitor(70)), runtime_root(&found))
        };
        assert_eq!(of(&[]), (None, None));
        let runc = ("shim-binary-path", "/usr/bin/containerd-shim-runc-v2");
        assert_eq!(of(&[runc]), (None, None));
        let kata = ("shim-binary-path", "/opt/kata/bin/containerd-shim-kata-v2");
        assert_eq!(of(&[kata]).0, Some(Runtime::Kata));
        let runsc = ("shim-binary-path", "/usr/bin/containerd-shim-runsc-v1");
        assert_eq!(of(&[runsc]).0, Some(Runtime::Gvisor));
        let options = r#"{"binary_name":"/usr/bin/runsc","root":"/run/r"}"#;
        let told = of(&[runc, ("options.json", options)]);
        assert_eq!(told, (Some(Runtime::Gvisor), Some("/run/r".into())));
        assert_eq!(of(&[("options.json", r#"{"root":"r"}"#)]).1, None);
    }

    #[test]
    fn a_bundle_is_roots_and_no_link_leads_to_it() {
        let host = Host::with(&[("run/b/config.json", "{}")]);
        std::os::unix::fs::symlink("b", host.path("run/link")).unwrap();
        assert!(open(&host.root, Path::new("/run/b")).is_some());
        assert!(open(&host.root, Path::new("/run/link")).is_none());
        let real = SysRoot::real().unwrap();
        let of_a_user = host.path("run/b");
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&of_a_user, Some(54321), None).unwrap();
        }
        assert!(open(&real, &of_a_user).is_none());
        // In a user namespace that root has no number in, nothing is root's.
        let is_roots = rustix::fs::stat("/proc/sys").unwrap().st_uid == 0;
        assert_eq!(open(&real, Path::new("/proc/sys")).is_some(), is_roots);
    }

    #[test]
    fn dockers_namespace_may_have_users_of_its_own() {
        for namespace in ["moby", "moby-165536.165536", "moby-0.0"] {
            assert!(is_dockers(namespace), "{namespace}");
        }
        for namespace in ["", "mobyx", "moby-", "moby-1", "moby-1.x", "moby-1.2.3", "plugins.moby"]
        {
            assert!(!is_dockers(namespace), "{namespace}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
