//! What the kubelet tells of pods, whatever engine runs their containers: labels, and the names of
//! its logs.
//!
//! `/var/log/pods/NAMESPACE_POD_UID` and `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log` are
//! root's. Names of pods have no underscore: they are labels of DNS.

use super::recognise::is_engine_id;
use crate::model::container::{Container, Label};
use crate::model::evidence::{Evidence, Source};
use crate::model::pod::Pod;
use crate::model::text::Text;
use crate::sys::owned::Place;
use crate::sys::root::SysRoot;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::Path;

const PODS: &str = "/var/log/pods";
const CONTAINERS: &str = "/var/log/containers";

/// The names of logs, read when a pod first has no name.
#[derive(Debug, Default)]
pub struct Kubernetes {
    /// By uid: namespace and pod.
    pods: OnceCell<HashMap<String, (Text, Text)>>,
    /// By id: what the container is called in its pod.
    containers: OnceCell<HashMap<String, Text>>,
}

impl Kubernetes {
    /// Names the pod that is known by its uid alone.
    pub fn complete(&self, root: &SysRoot, container: &mut Container) {
        let Some(pod) = container.pod.as_mut().filter(|pod| pod.name.is_none()) else { return };
        if !matches!(container.owner_uid, None | Some(0)) {
            return;
        }
        let text = |text: &Option<Text>| {
            let bytes = text.as_ref().map(Text::as_bytes).unwrap_or_default();
            std::str::from_utf8(bytes).unwrap_or_default().to_owned()
        };
        let uid = text(&pod.uid);
        let pods = self.pods.get_or_init(|| names(root, PODS, parse_pod));
        let Some((namespace, name)) = pods.get(&uid) else { return };
        let directory = format!("{PODS}/{namespace}_{name}_{uid}");
        let containers = self.containers.get_or_init(|| names(root, CONTAINERS, parse_container));
        pod.complete_from(Pod {
            namespace: Some(namespace.clone()),
            name: Some(name.clone()),
            container: containers.get(&text(&container.id)).cloned(),
            ..Pod::default()
        });
        container.name = container.name.take().or_else(|| pod.container.clone());
        container.evidence.push(Evidence { source: Source::State, object: directory.into() });
    }
}

fn names<T>(
    root: &SysRoot,
    directory: &str,
    parse: fn(&str) -> Option<(String, T)>,
) -> HashMap<String, T> {
    let names = Place::of_root(root, Path::new(directory)).map(|place| place.names());
    names.unwrap_or_default().iter().filter_map(|name| parse(name)).collect()
}

/// `NAMESPACE_POD_UID`.
pub fn parse_pod(directory: &str) -> Option<(String, (Text, Text))> {
    let [namespace, pod, uid] = three(directory)?;
    Some((uid.to_owned(), (namespace.into(), pod.into())))
}

/// `POD_NAMESPACE_CONTAINER-ID.log`.
pub fn parse_container(log: &str) -> Option<(String, Text)> {
    let (called, id) = log.strip_suffix(".log")?.rsplit_once('-')?;
    let [_, _, container] = three(called)?;
    is_engine_id(id.as_bytes()).then(|| (id.to_owned(), container.into()))
}

fn three(name: &str) -> Option<[&str; 3]> {
    let mut fields = name.split('_');
    let three = [fields.next()?, fields.next()?, fields.next()?];
    (fields.next().is_none() && three.iter().all(|field| !field.is_empty())).then_some(three)
}

/// The pod that the kubelet notes in the labels of docker's containers.
pub fn pod_of_labels(labels: &[Label]) -> Option<Pod> {
    let label = |name: &str| {
        let (_, value) = labels.iter().find(|(key, _)| *key == name)?;
        Some(value.clone()).filter(|value| !value.is_empty())
    };
    let sandbox = label("io.kubernetes.docker.type").is_some_and(|kind| kind == "podsandbox");
    Some(Pod {
        namespace: label("io.kubernetes.pod.namespace"),
        name: Some(label("io.kubernetes.pod.name")?),
        uid: label("io.kubernetes.pod.uid"),
        container: label("io.kubernetes.container.name").filter(|_| !sandbox),
        sandbox,
        ..Pod::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::runtime::fixture::Host;

    const ID: &str = "6961dd4fce83c1e2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f80912";
    const UID: &str = "6e6f8a2c-1111-2222-3333-444455556666";

    fn container(uid: &str) -> Container {
        let pod = Pod { uid: Some(uid.into()), ..Pod::default() };
        Container { id: Some(ID.into()), pod: Some(pod), ..Container::default() }
    }

    #[test]
    fn a_pod_without_a_name_is_called_as_its_logs_are() {
        let host = Host::with(&[
            (&format!("var/log/pods/shop_cart-7d4b9_{UID}/app/0.log"), ""),
            (&format!("var/log/containers/cart-7d4b9_shop_app-{ID}.log"), ""),
        ]);
        let kubernetes = Kubernetes::default();
        let mut known = container(UID);
        kubernetes.complete(&host.root, &mut known);
        assert_eq!(known.label(), "shop/cart-7d4b9/app");
        assert_eq!(known.name, Some("app".into()));
        let object = known.evidence[0].object.to_string();
        assert_eq!(object, format!("/var/log/pods/shop_cart-7d4b9_{UID}"));
        let mut other = container("6e6f8a2c-1111-2222-3333-444455556667");
        kubernetes.complete(&host.root, &mut other);
        assert_eq!((other.pod.unwrap().name, other.evidence.len()), (None, 0));
        let mut of_user = Container { owner_uid: Some(1001), ..container(UID) };
        kubernetes.complete(&host.root, &mut of_user);
        assert_eq!(of_user.pod.unwrap().name, None);
        let mut named = container(UID);
        named.pod.as_mut().unwrap().name = Some("told".into());
        kubernetes.complete(&host.root, &mut named);
        assert_eq!(named.pod.unwrap().namespace, None);
    }

    #[test]
    fn names_of_logs_are_taken_apart_or_refused() {
        assert_eq!(parse_pod("a_b_c").unwrap().0, "c");
        assert_eq!(parse_pod("a_b"), None);
        assert_eq!(parse_pod("a_b_c_d"), None);
        assert_eq!(parse_pod("a__c"), None);
        let (id, name) = parse_container(&format!("p_n_my-app-{ID}.log")).unwrap();
        assert_eq!((id.as_str(), name), (ID, "my-app".into()));
        assert_eq!(parse_container("p_n_app-1234.log"), None);
        assert_eq!(parse_container(&format!("p_n_app-{ID}")), None);
    }

    #[test]
    fn docker_labels_tell_the_pod() {
        let labels = |kind: &str| -> Vec<Label> {
            [
                ("io.kubernetes.container.name", "app"),
                ("io.kubernetes.docker.type", kind),
                ("io.kubernetes.pod.name", "cart"),
                ("io.kubernetes.pod.namespace", "shop"),
                ("io.kubernetes.pod.uid", UID),
            ]
            .map(|(key, value)| (key.into(), value.into()))
            .into()
        };
        let pod = pod_of_labels(&labels("container")).unwrap();
        assert_eq!((pod.path().unwrap(), pod.uid), ("shop/cart/app".into(), Some(UID.into())));
        let pod = pod_of_labels(&labels("podsandbox")).unwrap();
        assert!(pod.sandbox && pod.container.is_none());
        assert_eq!(pod_of_labels(&[]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text: String, name in "[a-c_.-]{0,20}") {
            let _ = (parse_pod(&text), parse_container(&text));
            let _ = (parse_pod(&name), parse_container(&format!("{name}-{ID}.log")));
        }
    }
}
