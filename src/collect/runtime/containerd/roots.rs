//! Where containerd's directories are: the usual ones, those of distributions of Kubernetes, those
//! that its configuration tells, and those that a shim worked in.

use super::Bundle;
use crate::collect::runtime::{setting, shim};
use crate::sys::bounded;
use crate::sys::owned::Place;
use crate::sys::root::SysRoot;
use std::path::{Path, PathBuf};

/// Of a boot, and of what outlives it.
const USUAL: [(&str, &str); 5] = [
    ("/run/containerd", "/var/lib/containerd"),
    ("/run/docker/containerd/daemon", "/var/lib/docker/containerd/daemon"),
    ("/run/k3s/containerd", "/var/lib/rancher/k3s/agent/containerd"),
    ("/run/k0s/containerd", "/var/lib/k0s/containerd"),
    ("/var/snap/microk8s/common/run/containerd", "/var/snap/microk8s/common/var/lib/containerd"),
];

const CONFIGURATION: &str = "/etc/containerd/config.toml";

#[derive(Debug, Default)]
pub(super) struct Roots {
    /// Come across so far.
    states: Vec<PathBuf>,
}

impl Roots {
    /// The directory of a boot that a bundle lies in.
    pub(super) fn add_state_of(&mut self, bundle: &Path) {
        // STATE/io.containerd.runtime.v2.task/NAMESPACE/ID
        if let Some(state) = bundle.ancestors().nth(3)
            && !self.states.iter().any(|known| known == state)
        {
            self.states.push(state.to_owned());
        }
    }

    pub(super) fn data_roots(&self, root: &SysRoot) -> Vec<PathBuf> {
        let mut roots: Vec<PathBuf> = USUAL.iter().map(|(_, data)| PathBuf::from(data)).collect();
        roots.extend(configured(root, "root"));
        roots.extend(self.bundles(root).iter().filter_map(Bundle::data_root));
        roots.sort_unstable();
        roots.dedup();
        roots
    }

    pub(super) fn bundles(&self, root: &SysRoot) -> Vec<Bundle> {
        self.each_namespace(root, all_below)
    }

    /// The one of an id, in whatever namespace.
    pub(super) fn bundle_of(&self, root: &SysRoot, id: &str) -> Option<Bundle> {
        let bundles = self.each_namespace(root, |place, namespace| {
            let bundle =
                |place| Bundle { place, namespace: namespace.to_owned(), id: id.to_owned() };
            place.enter(id).into_iter().map(bundle).collect()
        });
        bundles.into_iter().next()
    }

    fn each_namespace(
        &self,
        root: &SysRoot,
        bundles: impl Fn(&Place, &str) -> Vec<Bundle>,
    ) -> Vec<Bundle> {
        let mut states: Vec<PathBuf> =
            USUAL.iter().map(|(state, _)| PathBuf::from(state)).collect();
        states.extend(self.states.iter().cloned());
        states.extend(configured(root, "state"));
        states.sort_unstable();
        states.dedup();
        let states = states.iter().filter_map(|state| Place::of_root(root, state).ok());
        states.flat_map(|state| each_namespace_of(&state, &bundles)).collect()
    }
}

fn each_namespace_of(state: &Place, bundles: impl Fn(&Place, &str) -> Vec<Bundle>) -> Vec<Bundle> {
    let mut found = Vec::new();
    let Ok(tasks) = state.enter(TASKS) else { return found };
    for namespace in tasks.names().iter().filter(|name| !shim::is_dockers(name)) {
        if let Ok(place) = tasks.enter(namespace) {
            found.extend(bundles(&place, namespace));
        }
    }
    found
}

/// All below a directory of a boot.
pub(super) fn bundles_of(state: &Place) -> Vec<Bundle> {
    each_namespace_of(state, all_below)
}

fn all_below(place: &Place, namespace: &str) -> Vec<Bundle> {
    let ids = place.names().into_iter();
    ids.filter_map(|id| {
        let place = place.enter(&id).ok()?;
        Some(Bundle { place, namespace: namespace.to_owned(), id })
    })
    .collect()
}

/// In a directory of a boot: `TASKS/NAMESPACE/ID`.
const TASKS: &str = "io.containerd.runtime.v2.task";

pub(super) fn usual_data_root() -> &'static Path {
    let [(_, usual), ..] = USUAL;
    Path::new(usual)
}

/// For a bundle without a link to it: the one that goes with the bundle's directory.
pub(super) fn data_root_beside(root: &SysRoot, bundle: &Bundle) -> Option<PathBuf> {
    if bundle.place.uid() != 0 {
        return Some(usual_data_root().to_owned());
    }
    let state = bundle.place.path().ancestors().nth(3)?;
    if configured(root, "state").is_some_and(|configured| configured == state) {
        return configured(root, "root").or_else(|| Some(usual_data_root().to_owned()));
    }
    let usual = USUAL.iter().find(|(usual, _)| Path::new(usual) == state);
    let is_first = usual.is_some_and(|usual| Some(usual) == USUAL.first());
    let configured = configured(root, "root").filter(|_| is_first);
    configured.or_else(|| Some(PathBuf::from(usual?.1)))
}

fn configured(root: &SysRoot, key: &str) -> Option<PathBuf> {
    let toml = root.read(Path::new(CONFIGURATION), bounded::SMALL).ok()?;
    setting::text(&toml, "", key).map(PathBuf::from).filter(|path| path.is_absolute())
}
