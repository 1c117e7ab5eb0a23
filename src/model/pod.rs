//! Pods: containers that belong together, Kubernetes' and podman's.

use super::text::Text;

/// What is known of the pod that a container belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pod {
    /// Kubernetes' namespace; podman's pods have none.
    pub namespace: Option<Text>,
    /// `cart-7d4b9`; absent where no record tells.
    pub name: Option<Text>,
    /// Kubernetes' uid, with dashes; podman's id of the pod.
    pub uid: Option<Text>,
    /// What the container is called within its pod.
    pub container: Option<Text>,
    /// This is the pod's own container, which holds its namespaces, rather than one of its work.
    pub sandbox: bool,
    /// Absent of podman's, and where the path of its group does not tell.
    pub qos: Option<Qos>,
    /// kubelet and engine disagree over who makes cgroups, so that the pod's limits do not hold
    /// for this container.
    pub driver_mismatch: bool,
}

/// Kubernetes' class of service, from the cgroup that kubelet made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Qos {
    /// Requests are as high as limits: its group is directly below `kubepods`.
    Guaranteed,
    /// Some requests or limits are set, not all or not alike.
    Burstable,
    /// Neither requests nor limits are set.
    BestEffort,
}

impl Qos {
    /// As JSON spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "guaranteed",
            Self::Burstable => "burstable",
            Self::BestEffort => "best_effort",
        }
    }
}

impl Pod {
    /// `shop/cart-7d4b9/app`, as far as it is known; the sandbox is the pod itself.
    pub fn path(&self) -> Option<Text> {
        let name = self.name.as_ref()?;
        let mut path = Vec::new();
        if let Some(namespace) = &self.namespace {
            path.extend_from_slice(namespace.as_bytes());
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        if let Some(container) = self.container.as_ref().filter(|_| !self.sandbox) {
            path.push(b'/');
            path.extend_from_slice(container.as_bytes());
        }
        Some(path.into())
    }

    /// Takes from `other` what is not known here.
    pub fn complete_from(&mut self, other: Self) {
        self.namespace = self.namespace.take().or(other.namespace);
        self.name = self.name.take().or(other.name);
        self.uid = self.uid.take().or(other.uid);
        self.container = self.container.take().or(other.container);
        self.qos = self.qos.or(other.qos);
        self.sandbox |= other.sandbox;
        self.driver_mismatch |= other.driver_mismatch;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_called_by_its_namespace_and_its_sandbox_by_the_pods_name() {
        let mut pod = Pod {
            namespace: Some("shop".into()),
            name: Some("cart".into()),
            container: Some("app".into()),
            ..Pod::default()
        };
        assert_eq!(pod.path().unwrap(), "shop/cart/app");
        pod.sandbox = true;
        assert_eq!(pod.path().unwrap(), "shop/cart");
        assert_eq!(Pod::default().path(), None);
    }
}
