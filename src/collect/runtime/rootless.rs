//! Engines that a user runs for himself (rootlesskit): what their shims work in, and where what they
//! call it is on the host.
//!
//! Such an engine is root of a user namespace, in which `/run` is another one and some of root's
//! directories are the user's. All of it is his word: it is looked for in what root gave him, or
//! where no link leads, and counts only where it is his.

use super::owners::{self, Owners};
use super::record::Case;
use super::shim;
use crate::sys::error::Result;
use crate::sys::owned::Place;
use crate::sys::root::SysRoot;
use rustix::fs::readlinkat;
use std::path::{Path, PathBuf};

/// What a user's shim works in.
#[derive(Debug)]
pub struct Bundle {
    /// Where it is on the host, held and known to be the user's.
    pub place: Place,
    /// containerd's namespace.
    pub namespace: String,
    /// containerd's id of the container.
    pub id: String,
}

/// Where containerd keeps what outlives a boot, below a home.
pub const CONTAINERD: &str = ".local/share/containerd";
/// The same of docker.
pub const DOCKER: &str = ".local/share/docker";

/// The bundle of a user's shim that is the parent of a group's first process.
pub fn bundle(case: &Case<'_>, owners: &Owners) -> Option<Bundle> {
    let shim = case.users_monitor().filter(|shim| shim.comm == b"containerd-shim")?;
    let link = readlinkat(shim.dir(), "cwd", Vec::new()).ok()?;
    let path = PathBuf::from(link.into_string().ok()?);
    let (namespace, id) = shim::parse(path.as_os_str().as_encoded_bytes())?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let (namespace, id) = (text(namespace)?, text(id)?);
    Some(Bundle { place: place(case.root, owners, shim.uid, &path).ok()?, namespace, id })
}

/// A directory of `uid`'s that his engine calls `path`.
pub fn place(root: &SysRoot, owners: &Owners, uid: u32, path: &Path) -> Result<Place> {
    let below = |given: &str| path.strip_prefix(given).ok()?.to_str();
    // containerd-rootless.sh binds what is his to where containerd is used to find it.
    if let Some(rest) = below("/run/containerd") {
        return owners.runtime_dir(root, uid, &joined("containerd", rest));
    }
    if let Some(rest) = below("/var/lib/containerd") {
        return owners.home(root, uid, &joined(CONTAINERD, rest));
    }
    owners.claimed(root, uid, &of_the_host(path))
}

/// rootlesskit covers a directory with one of its own, from which links lead to the former one:
/// `/run/.ro3789400580/user/1000` was `/run/user/1000`.
fn of_the_host(path: &Path) -> PathBuf {
    let copied = path.strip_prefix("/run").ok().and_then(|rest| {
        let mut components = rest.components();
        let first = components.next()?.as_os_str().as_encoded_bytes().strip_prefix(b".ro")?;
        let is_number = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
        is_number.then(|| Path::new("/run").join(components.as_path()))
    });
    copied.unwrap_or_else(|| path.to_owned())
}

fn joined(directory: &str, rest: &str) -> String {
    if rest.is_empty() { directory.to_owned() } else { format!("{directory}/{rest}") }
}

/// The user in whose slice a group is that is called like one of an engine's, where he may speak of
/// its first process.
pub fn user_of_group(case: &Case<'_>) -> Option<u32> {
    let uid = case.named.and_then(|named| named.user).filter(|uid| *uid != 0)?;
    owners::may_name(case.root, uid, case.init.pid).then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::runtime::fixture::Host;

    #[test]
    fn what_rootlesskit_covers_is_found_on_the_host() {
        let of = |path: &str| of_the_host(Path::new(path)).display().to_string();
        assert_eq!(of("/run/.ro3789400580/user/2001/docker"), "/run/user/2001/docker");
        assert_eq!(of("/run/.rox/user"), "/run/.rox/user");
        assert_eq!(of("/run/.ro/user"), "/run/.ro/user");
        assert_eq!(of("/home/.ro1/user"), "/home/.ro1/user");
        assert_eq!(of("/run/.ro1"), "/run/");
    }

    #[test]
    fn roots_directories_are_the_users_there() {
        let host = Host::with(&[
            ("etc/passwd", "ann:x:1000:1000::/home/ann:/bin/sh\n"),
            ("run/user/1000/containerd/x/f", ""),
            ("home/ann/.local/share/containerd/f", ""),
            ("run/containerd/x/f", ""),
            ("srv/d/f", ""),
        ]);
        let owners = Owners::default();
        let path = |path: &str| {
            let place = place(&host.root, &owners, 1000, Path::new(path));
            place.ok().map(|place| place.path().display().to_string())
        };
        assert_eq!(path("/run/containerd/x").unwrap(), "/run/user/1000/containerd/x");
        assert_eq!(path("/run/containerd").unwrap(), "/run/user/1000/containerd");
        assert_eq!(path("/var/lib/containerd").unwrap(), "/home/ann/.local/share/containerd");
        assert_eq!(path("/run/containerd/y"), None, "what is root's is not his");
        assert_eq!(path("/srv/d").unwrap(), "/srv/d");
        assert_eq!(path("/run/.ro7/user/1000/containerd").unwrap(), "/run/user/1000/containerd");
    }

    proptest::proptest! {
        #[test]
        fn no_path_panics(path in "/run/[.ro0-9/]{0,12}") {
            let _ = of_the_host(Path::new(&path));
        }
    }
}
