//! What CNI keeps of the networks that containers were put into: the ports of the host that its
//! plugin `portmap` leads to them, for engines that note them nowhere else, or where an image could.
//!
//! A file for each interface of each container, which is removed with it; what a crash or a boot
//! left behind names a container that does not run.

use super::picked::{Path as Key, Picked};
use super::published::CNI;
use super::record;
use crate::model::container::Container;
use crate::model::text::Text;
use crate::model::trail::Published;
use crate::sys::bounded;
use crate::sys::root::{self, SysRoot};
use std::os::fd::AsFd;
use std::path::Path;

/// Where libcni keeps them, by version.
const PLACES: [&str; 2] = ["/var/lib/cni/results", "/var/lib/cni/cache/results"];
/// More files than this are passed over.
const MOST: usize = 4096;

const CONTAINER: Key = &["containerId"];

/// Adds what root's engines asked for to containers of theirs that run and have no ports yet.
pub fn add(root: &SysRoot, containers: &mut [Container]) {
    let lacks = |one: &&mut Container| {
        one.init.is_some() && one.published.is_empty() && one.owner_uid.unwrap_or(0) == 0
    };
    let mut lacking: Vec<&mut Container> = containers
        .iter_mut()
        .filter(|one| one.depth == 0 && one.id.is_some())
        .filter(lacks)
        .collect();
    if lacking.is_empty() {
        return;
    }
    for (id, published) in read(root) {
        for one in lacking.iter_mut().filter(|one| is_called(one, &id)) {
            one.published.extend(published.iter().copied());
            one.published.sort_unstable();
            one.published.dedup();
        }
    }
}

/// Kubernetes gives the id of the pod's own container; nerdctl puts the namespace before it.
fn is_called(container: &Container, noted: &str) -> bool {
    let Some(id) = container.id.as_ref() else { return false };
    let before = noted.as_bytes().strip_suffix(id.as_bytes());
    before.is_some_and(|before| {
        let namespace = before.strip_suffix(b"-");
        let of_its = || namespace == container.engine_namespace.as_ref().map(Text::as_bytes);
        before.is_empty() || (namespace.is_some() && of_its())
    })
}

fn read(root: &SysRoot) -> Vec<(String, Vec<Published>)> {
    let mut found = Vec::new();
    for place in PLACES.map(Path::new) {
        let Ok(directory) = root.open_data(place) else { continue };
        let names = root::list(directory.as_fd());
        let names: Vec<Text> = record::noted(root.reach(), names).unwrap_or_default();
        for name in names.iter().take(MOST) {
            let Ok(name) = std::str::from_utf8(name.as_bytes()) else { continue };
            let bytes = record::read(directory.as_fd(), place, name, bounded::SMALL);
            let bytes = record::noted(root.reach(), bytes);
            found.extend(bytes.as_deref().and_then(parse));
        }
    }
    found
}

/// The container, and its ports; those without are none.
pub fn parse(bytes: &[u8]) -> Option<(String, Vec<Published>)> {
    let paths: Vec<Key> = CNI.paths().chain([CONTAINER]).collect();
    let noted = Picked::from_json(bytes, &paths)?;
    let published = CNI.read(&noted);
    let id = noted.text(CONTAINER).filter(|id| !id.is_empty() && !published.is_empty())?;
    Some((id.to_owned(), published))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::runtime::fixture::Host;
    use crate::model::container::Init;
    use crate::model::process::{Pid, State};

    const ID: &str = "993fef54ff728793a1961134bd76392059fd4cb910d1a1238a26dcff4dba02f3";

    fn container(engine_namespace: &str) -> Container {
        Container {
            id: Some(ID.into()),
            engine_namespace: Some(engine_namespace.into()),
            init: Some(Init {
                pid: Pid::new(7).unwrap(),
                start_ticks: 1,
                comm: "pause".into(),
                state: State(b'S'),
            }),
            ..Container::default()
        }
    }

    #[test]
    fn ports_go_to_the_container_that_a_result_names() {
        let result = |id: &str, port: u16| {
            format!(
                r#"{{"kind":"cniCacheV1","containerId":"{id}","ifName":"eth0","networkName":"n",
                "capabilityArgs":{{"portMappings":[{{"hostPort":{port},"containerPort":80,"protocol":"TCP","hostIP":""}}]}}}}"#
            )
        };
        let host = Host::with(&[
            (&format!("var/lib/cni/results/n-{ID}-eth0"), &result(ID, 8080)),
            (
                &format!("var/lib/cni/cache/results/n-default-{ID}-eth0"),
                &result(&format!("default-{ID}"), 8081),
            ),
            ("var/lib/cni/results/broken", "{"),
        ]);
        let mut containers = [container("k8s.io"), container("default")];
        add(&host.root, &mut containers);
        let ports = |one: &Container| -> Vec<u16> {
            one.published.iter().map(|published| published.host_port).collect()
        };
        assert_eq!(ports(&containers[0]), [8080]);
        assert_eq!(ports(&containers[1]), [8080, 8081]);
        let mut others = [
            Container { owner_uid: Some(1000), ..container("default") },
            Container { depth: 1, ..container("default") },
            Container { init: None, ..container("default") },
        ];
        add(&host.root, &mut others);
        assert!(others.iter().all(|one| one.published.is_empty()));
    }

    #[test]
    fn a_result_without_a_container_or_without_ports_tells_nothing() {
        let noted = |id: &str, port: u16| {
            let json = format!(
                r#"{{"containerId":"{id}","capabilityArgs":{{"portMappings":[{{"hostPort":{port},"containerPort":80}}]}}}}"#
            );
            let (id, published) = parse(json.as_bytes())?;
            Some((id, published.len()))
        };
        assert_eq!(noted(ID, 8080), Some((ID.to_owned(), 1)));
        assert_eq!(noted("", 8080), None);
        assert_eq!(noted(ID, 0), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
