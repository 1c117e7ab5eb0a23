//! Parts of the host that a container can write to, or whose engines it can talk to.

use crate::model::finding::Finding;
use crate::model::inspection::Section;
use crate::model::mount::Mount;
use crate::model::runtime::Runtime;
use crate::model::security::Surroundings;
use std::cmp::Reverse;

/// Who writes there changes what the host runs.
const SENSITIVE: [&str; 20] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/etc/kubernetes",
    "/home",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
    "/var",
    "/var/lib",
];

/// Where engines and the kubelet keep what they run.
const ENGINES: [&str; 5] = [
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/etc/cni",
];

/// Who reads there finds the sockets of engines, and may connect to them.
const WITH_SOCKETS: [&str; 6] =
    ["/", "/run", "/run/containerd", "/run/crio", "/run/docker", "/run/podman"];

/// Of a container. One that has the host's root as its own is not kept from it by mounts, and what
/// merely packs a program is meant to see the host's files.
pub(super) fn findings(mounts: &[Mount], around: &Surroundings, runtime: Runtime) -> Vec<Finding> {
    if matches!(runtime, Runtime::Flatpak | Runtime::Snap | Runtime::Bubblewrap | Runtime::Unknown)
    {
        return Vec::new();
    }
    let at = |target: &str, mount: &&Mount| mount.target == target && !mount.overmounted;
    let root = mounts.iter().find(|mount| at("/", mount));
    if root.is_some_and(|root| root.host_source.as_ref().is_some_and(|path| *path == "/")) {
        return Vec::new();
    }
    let is_sensitive = |path: &str| SENSITIVE.contains(&path) || ENGINES.contains(&path);
    let seen = mounts.iter().filter(|mount| !mount.overmounted);
    let mut told: Vec<(&str, Finding)> = Vec::new();
    told.extend(seen.filter_map(|mount| {
        let path = std::str::from_utf8(mount.host_source.as_ref()?.as_bytes()).ok()?;
        if mount.read_only {
            let text = format!(
                "the host's {path} is mounted at {}: its engines' sockets can be reached there",
                mount.target
            );
            let finding = || (path, Finding::notice(Section::Mounts, text));
            return WITH_SOCKETS.contains(&path).then(finding);
        }
        if !is_sensitive(path) {
            return None;
        }
        let text = format!("the host's {path} is mounted writable at {}", mount.target);
        // Root in a user namespace of its own is nobody to the host's files, unless it is the host's.
        let finding = match around.hosts_users {
            Some(false) if !around.maps_hosts_root => Finding::notice(Section::Mounts, text),
            _ => Finding::warning(Section::Mounts, text),
        };
        Some((path, finding))
    }));
    // The worst first, and what has the others in it: who is inside chooses their order.
    told.sort_by_key(|(path, finding)| (Reverse(finding.level), path.len()));
    let rest = told.split_off(told.len().min(MOST));
    let mut findings: Vec<Finding> = told.into_iter().map(|(_, finding)| finding).collect();
    if let Some((_, worst)) = rest.first() {
        let text = format!("{} more mounts of the host's directories", rest.len());
        findings.push(Finding { text, ..worst.clone() });
    }
    findings
}

/// More than this nobody reads.
const MOST: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Level;
    use crate::model::text::Text;

    fn mount(target: &str, host_source: Option<&str>) -> Mount {
        Mount {
            target: target.into(),
            host_source: host_source.map(Text::from),
            ..Mount::default()
        }
    }

    fn texts(mounts: &[Mount]) -> Vec<String> {
        let found = findings(mounts, &Surroundings::default(), Runtime::Docker);
        found.into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn what_can_be_written_to_is_told() {
        let root = mount("/", Some("/var/lib/docker/overlay2/x/merged"));
        let mounts = [
            root,
            mount("/host", Some("/")),
            mount("/data", Some("/srv/data")),
            mount("/etc/hosts", Some("/var/lib/docker/containers/1/hosts")),
            Mount { read_only: true, ..mount("/e", Some("/etc")) },
            Mount { read_only: true, ..mount("/r", Some("/run")) },
            Mount { overmounted: true, ..mount("/u", Some("/usr")) },
            mount("/own", None),
        ];
        let expected = [
            "the host's / is mounted writable at /host",
            "the host's /run is mounted at /r: its engines' sockets can be reached there",
        ];
        assert_eq!(texts(&mounts), expected);
        let others = Surroundings { hosts_users: Some(false), ..Surroundings::default() };
        assert_eq!(findings(&mounts, &others, Runtime::Docker)[0].level, Level::Notice);
        let as_root = Surroundings { maps_hosts_root: true, ..others.clone() };
        assert_eq!(findings(&mounts, &as_root, Runtime::Docker)[0].level, Level::Warning);
        assert_eq!(findings(&mounts, &others, Runtime::Flatpak), []);
    }

    #[test]
    fn many_hide_nothing_that_is_worse() {
        let read = |at: usize| Mount { read_only: true, ..mount(&format!("/r{at}"), Some("/run")) };
        let mut mounts = vec![mount("/", Some("/srv/root"))];
        mounts.extend((0..6).map(read));
        mounts.extend([mount("/e", Some("/etc/cni")), mount("/host", Some("/"))]);
        let told = findings(&mounts, &Surroundings::default(), Runtime::Docker);
        let texts: Vec<&str> = told.iter().map(|finding| finding.text.as_str()).collect();
        let worst = [
            "the host's / is mounted writable at /host",
            "the host's /etc/cni is mounted writable at /e",
        ];
        assert_eq!((&texts[..2], texts.len()), (&worst[..], MOST + 1));
        assert_eq!(
            told[5],
            Finding::notice(Section::Mounts, "3 more mounts of the host's directories")
        );
    }

    #[test]
    fn one_on_the_hosts_root_is_not_spoken_of() {
        assert_eq!(texts(&[mount("/", Some("/")), mount("/etc", Some("/etc"))]), [""; 0]);
        // Of a root that is no mount (chroot) nothing is seen.
        let told = "the host's /etc is mounted writable at /etc";
        assert_eq!(texts(&[mount("/etc", Some("/etc"))]), [told]);
    }
}
