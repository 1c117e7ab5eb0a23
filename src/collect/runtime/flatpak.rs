//! Flatpak: `/run/user/UID/.flatpak/INSTANCE`, in which a user's own program says what it runs.
//!
//! All of it is that user's word, and counts for his processes only.

use super::owners::Owners;
use super::picked::{Path as Key, Picked};
use super::record::{Case, First, Record, Source};
use crate::model::container::State;
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::root::{self, SysRoot};
use std::collections::HashMap;

const CAP: usize = 64 << 10;

/// A user has some dozens.
const MOST_INSTANCES: usize = 1024;

/// What each user's instances say, read when first asked for.
#[derive(Debug, Default)]
pub struct Flatpak {
    owners: Owners,
    by_user: HashMap<u32, Vec<Record>>,
}

impl Source for Flatpak {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let Some(monitor) = case.monitor().filter(|monitor| monitor.comm == b"bwrap") else {
            return Ok(None);
        };
        let (uid, owners) = (monitor.uid, &self.owners);
        let instances =
            self.by_user.entry(uid).or_insert_with(|| instances(case.root, owners, uid));
        let is_it = |record: &&Record| matches!(record.first, First::At { pid, .. } if pid == case.init.pid);
        Ok(instances.iter().find(is_it).cloned())
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        let users = Owners::present(root).into_iter();
        users.flat_map(|uid| instances(root, &self.owners, uid)).collect()
    }
}

fn instances(root: &SysRoot, owners: &Owners, uid: u32) -> Vec<Record> {
    let Ok(place) = owners.runtime_dir(root, uid, ".flatpak") else {
        return Vec::new();
    };
    let one = |id: String| {
        // Anything else is no instance, and could be taken for an engine's id.
        id.parse::<u32>().ok()?;
        let instance = place.enter(&id).ok()?;
        let child = parse_child(&instance.read("bwrapinfo.json", CAP).ok()?)?;
        let app = instance.read("info", CAP).map(|bytes| parse(&bytes)).unwrap_or_default();
        Some(Record {
            runtime: Runtime::Flatpak,
            id: id.into(),
            name: app.name,
            image: app.image,
            owner_uid: Some(uid),
            state: State::Stopped,
            first: First::At { pid: child, start_ticks: None },
            file: root::path_text(instance.path()),
            ..Record::default()
        })
    };
    place.names().into_iter().take(MOST_INSTANCES).filter_map(one).collect()
}

const CHILD: Key = &["child-pid"];

/// The first process inside, as bwrap tells it.
pub fn parse_child(bytes: &[u8]) -> Option<Pid> {
    let pid = Picked::from_json(bytes, &[CHILD])?.number(CHILD)?;
    Pid::new(u32::try_from(pid).ok()?)
}

/// What an instance runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct App {
    /// The application, or the runtime that is run without one: `org.gnome.Maps`.
    pub name: Option<Text>,
    /// `NAME/ARCH/BRANCH`, as flatpak refers to it.
    pub image: Option<Text>,
}

/// `info`: sections of `KEY=VALUE`.
pub fn parse(bytes: &[u8]) -> App {
    let mut section: &[u8] = b"";
    let mut value = [None; 4];
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"[").and_then(|line| line.strip_suffix(b"]")) {
            section = name;
            continue;
        }
        let equals = line.iter().position(|byte| *byte == b'=');
        let Some((key, text)) = equals.map(|at| line.split_at(at)) else { continue };
        let text = text.get(1..).filter(|text| !text.is_empty());
        let [app, runtime, arch, branch] = &mut value;
        match (section, key) {
            (b"Application", b"name") => *app = text,
            // A runtime that is run without an application.
            (b"Runtime", b"name") => *runtime = text,
            (b"Instance", b"arch") => *arch = text,
            (b"Instance", b"branch") => *branch = text,
            _ => {}
        }
    }
    let [app, runtime, arch, branch] = value;
    let name = app.or(runtime);
    let image = match (name, arch, branch) {
        (Some(name), Some(arch), Some(branch)) => Some([name, arch, branch].join(&b'/').into()),
        _ => None,
    };
    App { name: name.map(Text::new), image }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Group, Host};
    use super::*;

    /// As flatpak 1.14 writes it, cut to what matters.
    const INFO: &[u8] =
        b"[Application]\nname=org.x.Y\nruntime=runtime/org.freedesktop.Platform/x86_64/23.08\n\n\
        [Instance]\ninstance-id=1234567890\ninstance-path=/home/u/.var/app/org.x.Y\n\
        branch=stable\narch=x86_64\nflatpak-version=1.14.10\n\n[Context]\nshared=network;ipc;\n";

    /// As bubblewrap 0.8 writes it.
    const CHILD: &[u8] = b"{\n    \"child-pid\": 21303,\n    \"mnt-namespace\": 4026533427,\n    \"pid-namespace\": 4026533428\n}\n";

    #[test]
    fn an_instance_tells_its_application_and_its_first_process() {
        let app = parse(INFO);
        assert_eq!(app.name, Some("org.x.Y".into()));
        assert_eq!(app.image, Some("org.x.Y/x86_64/stable".into()));
        assert_eq!(parse_child(CHILD), Pid::new(21303));
        assert_eq!(parse_child(b"{\"child-pid\":0}"), None);
        assert_eq!(parse(b"[Runtime]\nname=org.z\n").name, Some("org.z".into()));
        assert_eq!(parse(b"[Context]\nname=org.x.Y\n"), App::default());
    }

    #[test]
    fn a_users_instances_are_found_and_no_link_is_followed() {
        let (info, child) =
            (std::str::from_utf8(INFO).unwrap(), std::str::from_utf8(CHILD).unwrap());
        let host = Host::with(&[
            ("run/user/1000/.flatpak/11/info", info),
            ("run/user/1000/.flatpak/11/bwrapinfo.json", child),
            ("run/user/1000/.flatpak/docker/bwrapinfo.json", child),
            ("run/user/1000/.flatpak/12/pid", "7"),
            ("elsewhere/info", info),
            ("elsewhere/bwrapinfo.json", child),
        ]);
        let user = host.path("run/user/1000/.flatpak");
        let elsewhere = host.path("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, user.join("13")).unwrap();
        std::os::unix::fs::symlink(
            elsewhere.join("bwrapinfo.json"),
            user.join("12/bwrapinfo.json"),
        )
        .unwrap();
        let records = Flatpak::default().all(&host.root);
        let [record] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((record.id.clone(), record.owner_uid), ("11".into(), Some(1000)));
        assert_eq!(record.file, "/run/user/1000/.flatpak/11");
        assert_eq!((record.runtime, record.state), (Runtime::Flatpak, State::Stopped));
        assert_eq!(record.image, Some("org.x.Y/x86_64/stable".into()));
        // It speaks of what that user's bwrap started, and of nothing else.
        host.process(70, 1, "bwrap", 1000, "bwrap --args 41 firefox");
        host.process(80, 1, "bwrap", 1001, "bwrap --args 41 firefox");
        host.process(90, 1, "sh", 1000, "sh");
        let find = |pid, parent| {
            let group = Group { pid, parent: Some(parent), cgroup: "/x", ..Group::default() };
            host.find(&mut Flatpak::default(), &group).map(|record| record.name.unwrap())
        };
        assert_eq!(find(21303, 70), Some("org.x.Y".into()));
        assert_eq!((find(21304, 70), find(21303, 80), find(21303, 90)), (None, None, None));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse(&bytes), parse_child(&bytes));
        }
    }
}
