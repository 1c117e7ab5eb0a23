//! CRI-O's containers: by the storage that lists them, which is podman's too, and by what CRI-O
//! notes in their specification.

use super::conmon::Conmon;
use super::picked::{Path as Key, Picked};
use super::record::{CAP, Case, First, Gaps, Record, Source};
use super::storage::{Found, Store, Stores, process};
use crate::model::container::{Label, State};
use crate::model::gap::Gap;
use crate::model::pod::Pod;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::root::SysRoot;

/// What it has found so far: the stores of root's and of users.
#[derive(Debug, Default)]
pub struct Crio {
    stores: Stores,
    gaps: Gaps,
}

impl Source for Crio {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let named = case.id_of(&[Runtime::Crio]).and_then(|id| std::str::from_utf8(id).ok());
        let of_another = case.named.is_some_and(|found| {
            named.is_none() && found.runtime != Runtime::Oci && !found.is_host_service()
        });
        if of_another {
            return Ok(None);
        }
        // CRI-O is root's.
        let conmon = Conmon::of(case).filter(|conmon| conmon.uid() == 0);
        if named.is_none() && conmon.is_none() {
            return Ok(None);
        }
        self.stores.look(case.root, 0)?;
        if let Some(id) = named
            && let Some(record) = self.known(case, id, conmon.as_ref())
        {
            return Ok(Some(record));
        }
        let Some(conmon) = conmon else { return Ok(None) };
        let Some(told) = conmon.told().filter(|told| !told.is_podmans) else { return Ok(None) };
        if let Some(graph) = &told.graph_root {
            let _ = self.stores.add(case.root, 0, graph, told.run_root.as_deref());
        }
        let known = self.known(case, &told.id, Some(&conmon));
        Ok(known.or_else(|| {
            Some(Record {
                runtime: Runtime::Crio,
                id: told.id.into(),
                name: told.name,
                owner_uid: Some(0),
                file: conmon.object(),
                ..Record::default()
            })
        }))
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        self.gaps.note(self.stores.look(root, 0));
        let cri_os = self.stores.of(0).flat_map(Store::all);
        cri_os
            .filter(|found| found.kept.is_cri_os)
            .filter_map(|found| {
                let noted = found.state(CAP).and_then(|bytes| parse_state(&bytes));
                let (state, first) = noted.unwrap_or((State::Created, First::NotRunning));
                let first = match process::still(root, first) {
                    First::NotRunning => self.stores.running(root, &found),
                    first => first,
                };
                let record = record(&found)?;
                // A pod need not have a process of its own.
                let is_empty_sandbox =
                    record.pod.as_ref().is_some_and(|pod| pod.sandbox) && found.pid().is_none();
                (!is_empty_sandbox).then_some(Record { state, first, ..record })
            })
            .collect()
    }

    fn gaps(&self) -> Vec<Gap> {
        self.gaps.list()
    }
}

impl Crio {
    fn known(&self, case: &Case<'_>, id: &str, conmon: Option<&Conmon<'_>>) -> Option<Record> {
        let found = self.stores.find(0, id)?;
        let record = record(&found)?;
        let (first, file) = self.stores.first_of(case, &found, conmon).or_else(|| {
            let (_, first) = parse_state(&found.state(CAP)?)?;
            let is_certain = matches!(first, First::At { start_ticks: Some(_), .. });
            is_certain.then(|| (first, found.list()))
        })?;
        Some(Record { first, file, ..record })
    }
}

/// `None`: it is not CRI-O's.
fn record(found: &Found<'_>) -> Option<Record> {
    let specification = found.specification(CAP);
    let noted = match specification.as_deref().and_then(parse) {
        Some(noted) => noted,
        None if found.kept.is_cri_os => {
            Record { name: found.kept.name.clone(), ..Record::default() }
        }
        None => return None,
    };
    Some(Record {
        runtime: Runtime::Crio,
        id: found.kept.id.as_str().into(),
        image: noted.image.or_else(|| found.kept.image.clone()),
        created_unix_seconds: found.kept.created_unix_seconds,
        owner_uid: Some(found.uid()),
        file: found.list(),
        ..noted
    })
}

const ANNOTATIONS: Key = &["annotations", "*"];

/// What CRI-O notes in the OCI specification of a container: name, image, pod and labels.
pub fn parse(specification: &[u8]) -> Option<Record> {
    let specification = Picked::from_json(specification, &[ANNOTATIONS])?;
    let note = |key: &str| {
        let (_, value) = specification.all(ANNOTATIONS).find(|(name, _)| *name == key)?;
        Some(value).filter(|value| !value.is_empty())
    };
    let cri_o = |key: &str| note(&format!("io.kubernetes.cri-o.{key}"));
    if note("io.container.manager") != Some("cri-o") {
        return None;
    }
    let sandbox = cri_o("ContainerType") == Some("sandbox");
    let text = |value: Option<&str>| value.map(Text::from);
    let pod = Pod {
        namespace: text(note("io.kubernetes.pod.namespace").or_else(|| cri_o("Namespace"))),
        name: text(note("io.kubernetes.pod.name").or_else(|| cri_o("KubeName"))),
        uid: text(note("io.kubernetes.pod.uid")),
        container: text(note("io.kubernetes.container.name")).filter(|_| !sandbox),
        sandbox,
        ..Pod::default()
    };
    Some(Record {
        name: if sandbox { pod.name.clone() } else { pod.container.clone() },
        image: text(cri_o("ImageName").or_else(|| cri_o("Image"))),
        pod: Some(pod),
        labels: cri_o("Labels").and_then(|json| parse_labels(json.as_bytes())).unwrap_or_default(),
        ..Record::default()
    })
}

const LABEL: Key = &["*"];

/// The labels that the kubelet gave it: JSON in a string.
fn parse_labels(json: &[u8]) -> Option<Vec<Label>> {
    Some(Picked::from_json(json, &[LABEL])?.labels(LABEL))
}

/// `state.json`. The start of the first process is in clock ticks where it is a string; earlier
/// versions wrote a number of seconds, which is worth nothing.
pub fn parse_state(bytes: &[u8]) -> Option<(State, First)> {
    const STATUS: Key = &["status"];
    const PID: Key = &["initPid"];
    const START: Key = &["initStartTime"];
    let state = Picked::from_json(bytes, &[STATUS, PID, START])?;
    let start = state.text(START).and_then(|ticks| ticks.parse().ok());
    let first = First::of(state.number(PID).unwrap_or(0), start);
    match state.text(STATUS)? {
        "created" => Some((State::Created, first)),
        "stopped" => Some((State::Stopped, First::NotRunning)),
        _ => Some((State::Stopped, first)),
    }
}

#[cfg(test)]
mod tests;
