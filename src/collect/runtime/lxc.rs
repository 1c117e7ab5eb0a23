//! LXC, and LXD and Incus that are built on it: told by the title of a container's monitor,
//! `[lxc monitor] LXCPATH NAME`.

use super::monitor::Monitor;
use super::record::{self, Case, Record, Source};
use crate::model::container::State;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::root::SysRoot;
use std::path::Path;

/// Where each keeps its containers unless it is told otherwise.
const PLACES: [(&str, Runtime); 4] = [
    ("/var/lib/lxc", Runtime::Lxc),
    ("/var/lib/incus/containers", Runtime::Incus),
    ("/var/lib/lxd/containers", Runtime::Lxd),
    ("/var/snap/lxd/common/lxd/containers", Runtime::Lxd),
];

/// Programs that start containers, as the kernel keeps their names; any other that does so by
/// liblxc makes a group whose name tells.
const STARTERS: [&[u8]; 4] = [b"lxc-start", b"lxc-execute", b"lxd", b"incusd"];

/// It keeps nothing: every case is told by its own monitor.
#[derive(Debug, Default)]
pub struct Lxc;

impl Source for Lxc {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let monitor = case.monitor().filter(|monitor| {
            STARTERS.contains(&monitor.comm.as_slice()) || case.id_of(&[Runtime::Lxc]).is_some()
        });
        let Some(monitor) = monitor else { return Ok(None) };
        let arguments = monitor.arguments();
        let title = arguments.first().and_then(|title| parse(title.as_bytes()));
        Ok(title.map(|title| of_title(title, monitor)))
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        PLACES.iter().flat_map(|(place, runtime)| kept(root, place, *runtime)).collect()
    }
}

fn of_title((lxcpath, name): (&[u8], &[u8]), monitor: &Monitor) -> Record {
    // Only root runs the engines: a user who calls himself one has a container of plain LXC.
    let runtime = if monitor.is_roots() { family(lxcpath, &monitor.comm) } else { Runtime::Lxc };
    Record {
        owner_uid: Some(monitor.uid),
        file: format!("pid {}", monitor.pid).into(),
        ..named(name, runtime)
    }
}

/// An engine's directory can be moved, its program keeps its name.
fn family(lxcpath: &[u8], comm: &[u8]) -> Runtime {
    let at = PLACES.iter().find(|(place, _)| place.as_bytes() == lxcpath);
    match (at, comm) {
        (Some((_, runtime)), _) => *runtime,
        (None, b"lxd") => Runtime::Lxd,
        (None, b"incusd") => Runtime::Incus,
        _ => Runtime::Lxc,
    }
}

fn named(whole: &[u8], runtime: Runtime) -> Record {
    let is_engines = matches!(runtime, Runtime::Lxd | Runtime::Incus);
    let (project, name) = if is_engines { instance(whole) } else { (None, whole) };
    Record {
        runtime,
        // Two projects may have one of the same name: this tells them apart.
        id: project.map(|_| Text::new(whole)).unwrap_or_default(),
        name: Some(Text::new(name)),
        labels: project.map(|project| ("project".into(), Text::new(project))).into_iter().collect(),
        ..Record::default()
    }
}

/// `PROJECT_NAME`, or `NAME` in the project that is always there. No name has an underscore.
fn instance(name: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let at = name.iter().rposition(|byte| *byte == b'_');
    match at.and_then(|at| Some((name.get(..at)?, name.get(at + 1..)?))) {
        Some((project, name)) if !project.is_empty() && !name.is_empty() => (Some(project), name),
        _ => (None, name),
    }
}

/// What there is a directory of; LXC's own have a file in it.
fn kept(root: &SysRoot, place: &str, runtime: Runtime) -> Vec<Record> {
    let Some((directory, names)) = record::listed(root, Path::new(place)) else {
        return Vec::new();
    };
    let is_kept = |name: &Text| {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let config = [name.as_bytes(), b"/config"].concat();
        runtime != Runtime::Lxc || rustix::fs::statat(&directory, config, flags).is_ok()
    };
    let record = |name: &Text| Record {
        owner_uid: Some(0),
        state: State::Stopped,
        file: [place.as_bytes(), b"/", name.as_bytes()].concat().into(),
        ..named(name.as_bytes(), runtime)
    };
    names.iter().filter(|name| is_kept(name)).map(record).collect()
}

/// Directory and name in a monitor's title.
pub fn parse(title: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = title.strip_prefix(b"[lxc monitor] ")?;
    // A directory may have spaces, a name has none.
    let space = rest.iter().rposition(|byte| *byte == b' ')?;
    let (lxcpath, name) = (rest.get(..space)?, rest.get(space + 1..)?);
    (lxcpath.starts_with(b"/") && !name.is_empty()).then_some((lxcpath, name))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Group, Host};
    use super::*;

    #[test]
    fn a_monitors_title_tells_directory_and_name() {
        let told = |title: &'static str| parse(title.as_bytes());
        let expected = Some((&b"/var/lib/lxc"[..], &b"build1"[..]));
        assert_eq!(told("[lxc monitor] /var/lib/lxc build1"), expected);
        let expected = Some((&b"/home/a b/lxc"[..], &b"c"[..]));
        assert_eq!(told("[lxc monitor] /home/a b/lxc c"), expected);
        for none in ["[lxc monitor] /var/lib/lxc", "[lxc monitor] x y", "[lxc monitor] /x ", "lxc"]
        {
            assert_eq!(told(none), None, "{none}");
        }
    }

    #[test]
    fn the_directory_or_else_the_program_tells_the_engine() {
        assert_eq!(family(b"/var/lib/lxc", b"lxc-start"), Runtime::Lxc);
        assert_eq!(family(b"/srv/lxc", b"lxc-start"), Runtime::Lxc);
        assert_eq!(family(b"/var/lib/incus/containers", b"incusd"), Runtime::Incus);
        assert_eq!(family(b"/srv/incus/containers", b"incusd"), Runtime::Incus);
        assert_eq!(family(b"/srv/lxd/containers", b"lxd"), Runtime::Lxd);
        assert_eq!(family(b"/var/snap/lxd/common/lxd/containers", b"lxd"), Runtime::Lxd);
    }

    #[test]
    fn an_engines_instance_is_called_by_its_project_too() {
        let record = named(b"shop_web-1", Runtime::Incus);
        assert_eq!((record.name, record.id), (Some("web-1".into()), "shop_web-1".into()));
        assert_eq!(record.labels, [("project".into(), "shop".into())]);
        let record = named(b"web-1", Runtime::Incus);
        assert_eq!((record.labels, record.id), (vec![], Text::default()));
        assert_eq!(named(b"_x", Runtime::Lxd).name, Some("_x".into()));
        assert_eq!(named(b"a_b", Runtime::Lxc).name, Some("a_b".into()));
    }

    fn named_by(uid: u32, comm: &str, title: &str, cgroup: &str) -> Option<Record> {
        let host = Host::with(&[]);
        host.process(70, 1, comm, uid, "");
        host.write("proc/70/cmdline", title);
        host.find(&mut Lxc, &Group { pid: 71, parent: Some(70), cgroup, ..Group::default() })
    }

    #[test]
    fn a_monitor_speaks_for_its_owner() {
        let title = "[lxc monitor] /var/lib/incus/containers shop_web\0";
        let record = named_by(0, "incusd", title, "/lxc.payload.shop_web").unwrap();
        assert_eq!((record.runtime, record.name), (Runtime::Incus, Some("web".into())));
        assert_eq!((record.owner_uid, record.file), (Some(0), "pid 70".into()));
        // A user's is his, and no engine's.
        let record = named_by(1000, "incusd", title, "/x").unwrap();
        assert_eq!((record.runtime, record.owner_uid), (Runtime::Lxc, Some(1000)));
        assert_eq!(record.name, Some("shop_web".into()));
        // Nobody else is asked, unless the group's name is LXC's.
        let title = "[lxc monitor] /x web\0";
        assert_eq!(named_by(0, "bash", title, "/x"), None);
        assert!(named_by(0, "python3", title, "/lxc.payload.web").is_some());
        assert_eq!(named_by(0, "lxc-start", "lxc-start\0-n\0web\0", "/x"), None);
    }

    #[test]
    fn what_has_a_configuration_is_kept() {
        let host = Host::with(&[
            ("var/lib/lxc/a/config", "lxc.uts.name = a\n"),
            ("var/lib/lxc/b/rootfs/x", ""),
            ("var/lib/incus/containers/p_c/x", ""),
        ]);
        let records = Lxc.all(&host.root);
        let told: Vec<_> = records.iter().map(|r| (r.runtime, r.name.clone().unwrap())).collect();
        assert_eq!(told, [(Runtime::Lxc, "a".into()), (Runtime::Incus, "c".into())]);
        assert_eq!(records[0].file, "/var/lib/lxc/a");
        assert_eq!(records[0].state, State::Stopped);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = parse(&[b"[lxc monitor] ", bytes.as_slice()].concat());
            let (project, name) = instance(&bytes);
            proptest::prop_assert_eq!(
                name.len() + project.map_or(0, |project| project.len() + 1),
                bytes.len()
            );
        }
    }
}
