//! podman's containers, root's and users': by the storage that lists them and the conmon that
//! looks after them.

use super::conmon::{Conmon, Told};
use super::monitor::Monitor;
use super::owners;
use super::picked::{Path as Key, Picked};
use super::podman_state;
use super::record::{CAP, Case, First, Gaps, Record, Source};
use super::storage::{Found, Stores};
use crate::model::container::State;
use crate::model::gap::Gap;
use crate::model::pod::Pod;
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::root::{self, SysRoot};

/// What it has found so far: the stores of root's and of users.
#[derive(Debug, Default)]
pub struct Podman {
    stores: Stores,
    /// Users whose conmon did not answer: they are not waited for again.
    silent: Vec<u32>,
    gaps: Gaps,
}

impl Source for Podman {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        if let Some(helper) = self.helper(case) {
            return Ok(Some(helper));
        }
        if case.id_of(&[Runtime::Crio]).is_some() {
            return Ok(None);
        }
        let conmon = Conmon::of(case);
        let named = case.id_of(&[Runtime::Podman]).and_then(|id| std::str::from_utf8(id).ok());
        let told_by_group = || case.named.and_then(|named| named.user);
        let uid = match (&conmon, named) {
            (Some(conmon), _) => conmon.uid(),
            (None, Some(_)) => told_by_group().unwrap_or(0),
            (None, None) => return Ok(None),
        };
        if !owners::may_name(case.root, uid, case.init.pid) {
            return Ok(None);
        }
        self.stores.look(case.root, uid)?;
        if let Some(id) = named
            && let Some(record) = self.known(case, uid, id, conmon.as_ref())
        {
            return Ok(Some(record));
        }
        let Some(conmon) = conmon else { return Ok(None) };
        let Some(told) = self.told(&conmon) else { return Ok(None) };
        if let Some(graph) = &told.graph_root {
            let _ = self.stores.add(case.root, uid, graph, told.run_root.as_deref());
        }
        let known = self.known(case, uid, &told.id, Some(&conmon));
        Ok(known.or_else(|| {
            Some(Record {
                runtime: Runtime::Podman,
                id: told.id.into(),
                name: told.name,
                owner_uid: Some(uid),
                file: conmon.object(),
                ..Record::default()
            })
        }))
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        let mut records = Vec::new();
        for uid in self.stores.owners.all(root) {
            let looked = self.stores.look(root, uid);
            // Whether a user has such a thing is his affair.
            if uid == 0 {
                self.gaps.note(looked);
            }
            for store in self.stores.of(uid) {
                let podmans = store.all().filter(|found| !found.kept.is_cri_os);
                records.extend(podmans.map(|found| {
                    let first = self.stores.running(root, &found);
                    Record { first, ..record(&found, None) }
                }));
            }
        }
        records
    }

    fn gaps(&self) -> Vec<Gap> {
        self.gaps.list().into_iter().chain(self.stores.gaps()).collect()
    }
}

impl Podman {
    fn told(&mut self, conmon: &Conmon<'_>) -> Option<Told> {
        let uid = conmon.uid();
        if self.silent.contains(&uid) {
            return None;
        }
        let told = conmon.told();
        if told.is_none() && uid != 0 {
            self.silent.push(uid);
        }
        told.filter(|told| told.is_podmans)
    }

    /// What the storage says.
    fn known(
        &self,
        case: &Case<'_>,
        uid: u32,
        id: &str,
        conmon: Option<&Conmon<'_>>,
    ) -> Option<Record> {
        let found = self.stores.find(uid, id).filter(|found| !found.kept.is_cri_os)?;
        let named = case.named.filter(|named| named.id == id.as_bytes());
        let pod = named.and_then(|named| named.pod.as_ref()).map(|pod| Text::new(&pod.uid));
        let (first, file) = self.stores.first_of(case, &found, conmon)?;
        Some(Record { first, file, ..record(&found, pod) })
    }

    /// The process that holds the namespaces in which podman works for a user.
    fn helper(&self, case: &Case<'_>) -> Option<Record> {
        if !matches!(case.init.comm.as_bytes(), b"podman pause" | b"catatonit") {
            return None;
        }
        let init = case.init.pid;
        let uid = Monitor::of(case.root, init)?.uid;
        let place = self.stores.owners.runtime_dir(case.root, uid, "libpod/tmp").ok()?;
        let noted = Pid::parse(place.read("pause.pid", 64).ok()?.trim_ascii_end());
        let is_his = noted == Some(init) && owners::may_name(case.root, uid, init);
        is_his.then(|| Record {
            runtime: Runtime::Podman,
            program: Some("podman pause".into()),
            owner_uid: Some(uid),
            first: First::At { pid: init, start_ticks: None },
            file: root::path_text(&place.path().join("pause.pid")),
            ..Record::default()
        })
    }
}

/// By podman's database where there is one, else by the list and the specification.
fn record(found: &Found<'_>, pod: Option<Text>) -> Record {
    let kept = found.kept;
    let record = Record {
        runtime: Runtime::Podman,
        id: kept.id.as_str().into(),
        name: kept.name.clone(),
        image: kept.image.clone(),
        created_unix_seconds: kept.created_unix_seconds,
        owner_uid: Some(found.uid()),
        file: found.list(),
        ..Record::default()
    };
    if let Some(noted) = found.podmans() {
        // What ran when podman last looked runs no more where this counts.
        let state = match noted.state {
            Some(State::Created) => State::Created,
            _ => State::Stopped,
        };
        let podman_state::Record { pod, labels, published, .. } = noted;
        return Record { pod, labels, published, state, ..record }.kept(found.place());
    }
    let specification = found.specification(CAP);
    Record {
        pod: pod_of(found, pod, specification.as_deref()),
        // A container has a specification from its first start on.
        state: if specification.is_some() { State::Stopped } else { State::Created },
        ..record
    }
    .kept(found.place())
}

/// The pod by its group, else by what is noted in the specification, which is the id of the pod's
/// own container where it has one.
fn pod_of(found: &Found<'_>, uid: Option<Text>, specification: Option<&[u8]>) -> Option<Pod> {
    let uid = uid.or_else(|| {
        let noted = parse_sandbox(specification?)?;
        (!found.is_beside(&noted)).then(|| noted.into())
    })?;
    let name = found.kept.name.clone();
    let start = uid.as_bytes().get(..12).unwrap_or_default();
    let infra = [start, b"-infra"].concat();
    let sandbox = name.as_ref().is_some_and(|name| name.as_bytes() == infra);
    Some(Pod { uid: Some(uid), container: name, sandbox, ..Pod::default() })
}

const SANDBOX: Key = &["annotations", "io.kubernetes.cri-o.SandboxID"];

/// The pod that an OCI specification of podman's names.
pub fn parse_sandbox(specification: &[u8]) -> Option<String> {
    let specification = Picked::from_json(specification, &[SANDBOX])?;
    specification.text(SANDBOX).filter(|id| !id.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
