//! Containers of containerd that are not docker's: by the bundle that their shim works in.

use super::picked::{Path as Key, Picked};
use super::record::{CAP, Case, Record, Source};
use super::shim::{self, Bundle};
use crate::model::pod::Pod;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::root::{self, SysRoot};
use std::os::fd::AsFd;

#[derive(Debug, Default)]
pub struct Containerd;

impl Source for Containerd {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let bundle = case
            .monitor()
            .and_then(|monitor| shim::bundle(case.root, monitor))
            .filter(|bundle| bundle.namespace != b"moby");
        Ok(bundle.map(|bundle| of_bundle(&bundle)))
    }

    fn all(&mut self, _: &SysRoot) -> Vec<Record> {
        Vec::new()
    }
}

fn of_bundle(bundle: &Bundle) -> Record {
    let spec = root::read_beneath(bundle.directory.as_fd(), "config.json", CAP).ok();
    let record = Record {
        runtime: Runtime::Containerd,
        id: Text::new(&bundle.id),
        engine_namespace: Some(Text::new(&bundle.namespace)),
        owner_uid: Some(0),
        file: root::path_text(&bundle.path),
        ..Record::default()
    };
    match spec.and_then(|bytes| parse(&bytes)) {
        Some(annotated) => Record {
            name: annotated.name,
            image: annotated.image,
            pod: annotated.pod,
            labels: annotated.labels,
            ..record
        },
        None => record,
    }
}

const ANNOTATIONS: Key = &["annotations", "*"];

/// What CRI and nerdctl note in the OCI specification of a container.
pub fn parse(spec: &[u8]) -> Option<Record> {
    let spec = Picked::from_json(spec, &[ANNOTATIONS])?;
    let note = |key: &str| {
        let (_, value) = spec.all(ANNOTATIONS).find(|(name, _)| *name == key)?;
        Some(Text::from(value))
    };
    let cri = |key: &str| note(&format!("io.kubernetes.cri.{key}"));
    let pod = cri("container-type").map(|kind| Pod {
        namespace: cri("sandbox-namespace"),
        name: cri("sandbox-name"),
        uid: cri("sandbox-uid"),
        container: cri("container-name"),
        sandbox: kind == "sandbox",
        ..Pod::default()
    });
    let name = match &pod {
        Some(pod) if pod.sandbox => pod.name.clone(),
        Some(pod) => pod.container.clone(),
        None => note("nerdctl/name"),
    };
    Some(Record {
        name,
        image: cri("image-name").or_else(|| cri("podsandbox.image-name")),
        pod,
        labels: spec.labels(ANNOTATIONS),
        ..Record::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_tell_the_pod() {
        let spec = br#"{"annotations":{"io.kubernetes.cri.container-type":"container",
            "io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-name":"cart-7d4b9",
            "io.kubernetes.cri.container-name":"app","io.kubernetes.cri.image-name":"registry/cart:2.1"}}"#;
        let record = parse(spec).unwrap();
        assert_eq!(record.pod.unwrap().path().unwrap(), "shop/cart-7d4b9/app");
        assert_eq!(record.name.unwrap(), "app");
        assert_eq!(record.image.unwrap(), "registry/cart:2.1");
        assert_eq!(parse(b"{}").unwrap().pod, None);
        assert_eq!(parse(b"["), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
