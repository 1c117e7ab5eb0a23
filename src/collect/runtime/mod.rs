//! What made a container, and what its engine left on disk about it.
//!
//! `recognise` is pure over a cgroup path. Each other file reads what one runtime leaves behind,
//! never its socket: an engine that hangs must not make nsx hang. To add a runtime: write a
//! [`record::Source`] in a file of its own and name it in [`Sources::default`].

pub mod bolt;
pub mod bubblewrap;
pub mod cni;
pub mod conmon;
pub mod containerd;
pub mod containerd_meta;
pub mod crio;
pub mod docker;
pub mod engine;
#[cfg(test)]
mod fixture;
pub mod flatpak;
pub mod gvisor;
pub mod kata;
pub mod kubernetes;
pub mod lxc;
pub mod monitor;
pub mod nspawn;
pub mod nsx;
pub mod oci_state;
pub mod owners;
pub mod picked;
pub mod podman;
pub mod podman_sqlite;
pub mod podman_state;
pub mod published;
pub mod recognise;
pub mod record;
pub mod rootless;
pub mod sandboxed;
pub mod setting;
pub mod shim;
pub mod snap;
pub mod sqlite;
pub mod storage;
pub mod timestamp;
pub mod waiting;

use crate::collect::scan::Scan;
use crate::sys::root::SysRoot;
use record::{Sandbox, Source};

/// Every runtime that can be asked, in the order of asking: engines before what they run
/// containers with.
pub struct Sources(pub Vec<Box<dyn Source>>);

impl Default for Sources {
    fn default() -> Self {
        Self(vec![
            Box::new(docker::Docker::default()),
            Box::new(containerd::Containerd::default()),
            Box::new(crio::Crio::default()),
            Box::new(podman::Podman::default()),
            Box::new(nsx::Nsx::default()),
            Box::new(oci_state::OciState::default()),
            Box::new(gvisor::source()),
            Box::new(kata::source()),
            Box::new(lxc::Lxc),
            Box::new(nspawn::Nspawn::default()),
            Box::new(flatpak::Flatpak::default()),
            Box::new(bubblewrap::Bubblewrap),
            Box::new(snap::Snap::default()),
            Box::new(engine::Engines::default()),
        ])
    }
}

impl Sources {
    /// Shows each the processes that are isolated.
    pub fn see(&mut self, scan: &Scan) {
        for source in &mut self.0 {
            source.see(scan);
        }
    }

    /// Containers with a kernel of their own.
    pub fn sandboxes(&mut self, root: &SysRoot) -> Vec<Sandbox> {
        self.0.iter_mut().flat_map(|source| source.sandboxes(root)).collect()
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} sources", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::Host;
    use super::*;
    use crate::model::runtime::Runtime;

    #[test]
    fn containers_with_a_kernel_of_their_own_are_told_by_every_runtime_that_has_such() {
        let kata = r#"{"HypervisorState":{"Pid":7}}"#;
        let gvisor = r#"{"id":"t1","status":"running","sandbox":{"id":"t1","pid":8}}"#;
        let host = Host::with(&[
            ("run/vc/sbs/abc/persist.json", kata),
            ("run/runsc/t1_sandbox:t1.state", gvisor),
        ]);
        host.process(7, 1, "qemu-kvm", 0, "qemu-kvm -name sandbox-abc");
        host.process(8, 1, "exe", 65534, "runsc-sandbox boot t1");
        let told = Sources::default().sandboxes(&host.root).into_iter();
        let told: Vec<_> = told.map(|one| (one.runtime, one.processes[0].number())).collect();
        assert_eq!(told, [(Runtime::Gvisor, 8), (Runtime::Kata, 7)]);
    }
}
