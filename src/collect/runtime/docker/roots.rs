//! Data roots of docker: those of users, and those that a running engine was told.

use super::read_users;
use crate::collect::runtime::monitor::Monitor;
use crate::collect::runtime::owners::{MOST_ROOTS, Owners};
use crate::collect::runtime::picked::{Path as Key, Picked};
use crate::collect::runtime::record::Record;
use crate::collect::runtime::rootless;
use crate::collect::scan::Scan;
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::owned::Place;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns};
use std::path::{Path, PathBuf};

/// Data roots of users.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// Whose usual ones have been looked at.
    looked: Vec<u32>,
    list: Vec<Place>,
}

impl Users {
    /// The usual one of a user, and the one that he configured.
    pub(super) fn look(&mut self, root: &SysRoot, owners: &Owners, uid: u32) {
        if self.looked.contains(&uid) {
            return;
        }
        self.looked.push(uid);
        self.list.extend(owners.home(root, uid, rootless::DOCKER).ok());
        let configuration = owners
            .home(root, uid, ".config/docker")
            .and_then(|place| place.read("daemon.json", bounded::SMALL));
        if let Some(data_root) = configuration.ok().and_then(|json| configured(&json)) {
            self.add(root, owners, uid, &data_root);
        }
    }

    pub(super) fn add(&mut self, root: &SysRoot, owners: &Owners, uid: u32, data_root: &Path) {
        let is_new = !self.of(uid).any(|known| known.path() == data_root);
        if is_new && self.of(uid).count() < MOST_ROOTS {
            self.list.extend(owners.claimed(root, uid, data_root).ok());
        }
    }

    pub(super) fn of(&self, uid: u32) -> impl Iterator<Item = &Place> {
        self.list.iter().filter(move |place| place.uid() == uid)
    }

    pub(super) fn find(&self, uid: u32, id: &str) -> Option<Record> {
        self.of(uid).find_map(|place| read_users(place, id))
    }
}

/// Where snapd's docker keeps its records.
const SNAP: &str = "/var/snap/docker/common/var-lib-docker";

/// Data roots of root's that no process tells.
pub(super) fn of_root(root: &SysRoot) -> impl Iterator<Item = PathBuf> {
    let configuration = Place::of_root(root, Path::new("/etc/docker"))
        .and_then(|place| place.read("daemon.json", bounded::SMALL));
    let configured = configuration.ok().and_then(|json| configured(&json));
    configured.into_iter().chain([PathBuf::from(SNAP)])
}

/// An engine of root's is in these of the host, or may be in a container.
const TRUSTED: [Kind; 3] = [Kind::Pid, Kind::User, Kind::Mnt];

/// Engines among the isolated processes: a user's, and those of root's that have a network of their
/// own; and the one that root's pidfile notes.
#[derive(Debug, Default)]
pub(super) struct Engines {
    isolated: Vec<Pid>,
    host: NsSet,
    /// Those that were not asked yet, and whether each may speak for root.
    rest: Vec<(Pid, bool)>,
}

impl Engines {
    pub(super) fn see(&mut self, scan: &Scan) {
        let engines = scan.isolated.iter().filter(|process| process.comm == "dockerd");
        self.rest = engines
            .map(|engine| {
                let own = scan.host.differing(&engine.namespaces);
                let hidden = engine.namespaces.unknown();
                let is_hosts = |kind| !own.has(kind) && !hidden.has(kind);
                (engine.pid, TRUSTED.into_iter().all(is_hosts))
            })
            .collect();
        self.host = scan.host;
        self.isolated = self.rest.iter().map(|(pid, _)| *pid).collect();
    }

    /// The one of root's pidfile, which is not isolated as a rule.
    pub(super) fn add_roots(&mut self, root: &SysRoot) {
        let noted = Place::of_root(root, Path::new("/run"))
            .and_then(|place| place.read("docker.pid", bounded::SMALL));
        let pid = noted.ok().and_then(|digits| Pid::parse(digits.trim_ascii_end()));
        self.rest.extend(pid.filter(|pid| !self.isolated.contains(pid)).map(|pid| (pid, true)));
    }

    /// Whose each is, and where it was told to keep its records. They are asked once, and no more of
    /// a user whose one did not answer.
    pub(super) fn told(&mut self, root: &SysRoot) -> Vec<(u32, PathBuf)> {
        let mut silent = Vec::new();
        let engines = std::mem::take(&mut self.rest).into_iter();
        let told = engines.filter_map(|(pid, is_hosts)| {
            let engine = Monitor::of(root, pid).filter(|engine| engine.comm == b"dockerd")?;
            // What is isolated and root's may be in a container, and say anything; what has the
            // number now need not be what had it.
            let is_in = |kind| ns::identity(engine.dir(), kind).ok() == self.host.inode(kind);
            let speaks_for_root = || is_hosts && TRUSTED.into_iter().all(is_in);
            if (engine.is_roots() && !speaks_for_root()) || silent.contains(&engine.uid) {
                return None;
            }
            let arguments = engine.arguments();
            if arguments.iter().all(Text::is_empty) {
                silent.push(engine.uid);
            }
            Some((engine.uid, parse_arguments(&arguments)?))
        });
        told.collect()
    }
}

/// `--data-root` of an engine's command line, or what it was called before.
pub fn parse_arguments(arguments: &[Text]) -> Option<PathBuf> {
    const OPTIONS: [&str; 3] = ["--data-root", "--graph", "-g"];
    let mut arguments = arguments.iter().skip(1).map(Text::as_bytes);
    while let Some(argument) = arguments.next() {
        let value = OPTIONS.iter().find_map(|option| {
            let rest = argument.strip_prefix(option.as_bytes())?;
            match rest.strip_prefix(b"=") {
                Some(value) => Some(Some(value)),
                None => rest.is_empty().then_some(None),
            }
        });
        if let Some(value) = value {
            let value = std::str::from_utf8(value.or_else(|| arguments.next())?).ok()?;
            return value.starts_with('/').then(|| PathBuf::from(value));
        }
    }
    None
}

/// The data root that a `daemon.json` tells.
pub fn configured(json: &[u8]) -> Option<PathBuf> {
    const ROOT: Key = &["data-root"];
    let json = Picked::from_json(json, &[ROOT])?;
    json.text(ROOT).filter(|path| path.starts_with('/')).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_tells_the_data_root() {
        let told = |line: &str| {
            parse_arguments(&line.split(' ').map(Text::from).collect::<Vec<_>>())
                .map(|path| path.display().to_string())
        };
        assert_eq!(told("dockerd --data-root /d --bip x").unwrap(), "/d");
        assert_eq!(told("dockerd --data-root=/d").unwrap(), "/d");
        assert_eq!(told("dockerd -g /d").unwrap(), "/d");
        assert_eq!(told("dockerd --data-roots /d"), None);
        assert_eq!(told("dockerd --data-root d"), None);
        assert_eq!(told("dockerd --data-root"), None);
        assert_eq!(configured(br#"{"data-root":"/d","x":1}"#), Some("/d".into()));
        assert_eq!(configured(br#"{"data-root":"d"}"#), None);
    }

    proptest::proptest! {
        #[test]
        fn no_arguments_panic(arguments: Vec<Vec<u8>>, known in "(-g |--data-root |= |/a ){0,5}", json: Vec<u8>) {
            let arguments: Vec<Text> = arguments.into_iter().map(Text::from).collect();
            let known: Vec<Text> = known.split(' ').map(Text::from).collect();
            let _ = (parse_arguments(&arguments), parse_arguments(&known), configured(&json));
        }
    }
}
