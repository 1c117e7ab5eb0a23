//! Whose layer a directory is, by where engines keep layers.

use crate::model::container::Container;
use crate::model::mount::{LayerOf, Mount};
use crate::model::runtime::Runtime;
use crate::model::text::Text;

const DOCKER: &str = "docker";
const CONTAINERD: &str = "containerd";
const STORAGE: &str = "containers-storage";

/// Tells it for each overlay. What is mounted on the root of a container is its own.
pub(super) fn add_layers(mounts: &mut [Mount], container: Option<&Container>) {
    for mount in mounts {
        let Some(overlay) = &mut mount.overlay else { continue };
        let top = overlay.upper.as_ref().or_else(|| overlay.lower.first());
        let Some((engine, layer)) = top.and_then(|path| place(path.as_bytes())) else { continue };
        let own = container.filter(|container| {
            mount.target == "/" && container.depth == 0 && is_by(container.runtime, engine)
        });
        overlay.layer_of = Some(LayerOf {
            engine,
            layer,
            own_upper: own.is_some() && overlay.upper.is_some(),
            container: own.and_then(Container::short_id),
        });
    }
}

/// The engine, and what it calls the layer.
fn place(path: &[u8]) -> Option<(&'static str, Text)> {
    let mut parts = path.rsplit(|byte| *byte == b'/');
    let (last, id, above) = (parts.next()?, parts.next()?, parts.next()?);
    if id.is_empty() {
        return None;
    }
    let engine = match (above, last) {
        (b"overlay2", b"diff") => DOCKER,
        (b"overlay", b"diff") => STORAGE,
        (b"snapshots", b"fs") if is_snapshotter(parts.next()?) => CONTAINERD,
        _ => return None,
    };
    Some((engine, Text::new(id)))
}

fn is_snapshotter(name: &[u8]) -> bool {
    name.starts_with(b"io.containerd.snapshotter.v1.")
}

fn is_by(runtime: Runtime, engine: &str) -> bool {
    match runtime {
        // Its images may be in containerd's store.
        Runtime::Docker => engine == DOCKER || engine == CONTAINERD,
        Runtime::Containerd => engine == CONTAINERD,
        Runtime::Podman | Runtime::Crio => engine == STORAGE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mount::Overlay;

    #[test]
    fn a_layer_is_known_by_where_it_lies() {
        let of = |path: &str| place(path.as_bytes()).map(|(engine, id)| format!("{engine} {id}"));
        let found = |text: &str| Some(text.to_owned());
        assert_eq!(of("/var/lib/docker/overlay2/ab12/diff"), found("docker ab12"));
        assert_eq!(
            of("/home/u/.local/share/containers/storage/overlay/ab12/diff"),
            found("containers-storage ab12")
        );
        let snapshots = "io.containerd.snapshotter.v1.overlayfs/snapshots/17/fs";
        assert_eq!(of(&format!("/var/lib/containerd/{snapshots}")), found("containerd 17"));
        for other in ["/a/snapshots/17/fs", "/overlay2/x/work", "/overlay2//diff", "diff", "", "u"]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn only_what_is_on_the_root_is_its_own() {
        let mount = |target: &str, upper: Option<&str>| Mount {
            target: target.into(),
            overlay: Some(Box::new(Overlay {
                lower: vec!["/d/overlay2/low/diff".into()],
                upper: upper.map(Text::from),
                ..Overlay::default()
            })),
            ..Mount::default()
        };
        let docker = Container {
            runtime: Runtime::Docker,
            id: Some("ab".repeat(32).into()),
            ..Container::default()
        };
        let told = |mut one: Mount, container: Option<&Container>| {
            add_layers(std::slice::from_mut(&mut one), container);
            one.overlay.unwrap().layer_of
        };
        let upper = Some("/d/overlay2/up/diff");
        let own = told(mount("/", upper), Some(&docker)).unwrap();
        assert_eq!((own.own_upper, own.container), (true, Some("abababababab".into())));
        assert_eq!(own.layer, "up");
        let beside = told(mount("/x", upper), Some(&docker)).unwrap();
        assert_eq!((beside.own_upper, beside.container), (false, None));
        let fixed = told(mount("/", None), Some(&docker)).unwrap();
        assert_eq!((fixed.own_upper, fixed.layer), (false, "low".into()));
        let podman = Container { runtime: Runtime::Podman, ..docker.clone() };
        assert!(!told(mount("/", upper), Some(&podman)).unwrap().own_upper);
        let inner = Container { depth: 1, ..docker };
        assert!(!told(mount("/", upper), Some(&inner)).unwrap().own_upper);
        assert_eq!(told(mount("/", Some("/u")), None), None);
    }
}
