//! Records of containers that no isolated process belongs to.

use super::containers::take;
use super::runtime::owners;
use super::runtime::record::{First, Record};
use super::runtime::waiting;
use super::scan;
use crate::model::container::{Container, Init, State};
use crate::model::namespace::NsSet;
use crate::model::process::Process;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::cgroupfs::paths::CgroupPaths;
use crate::sys::root::SysRoot;
use std::collections::HashSet;

/// What makes two records one container: the id, which an engine shares with what it runs
/// containers with, or else runtime and name. What a user says hides nothing of another's.
type Key = (u32, Option<Runtime>, Text);

fn key(
    runtime: Runtime,
    id: Option<&Text>,
    name: Option<&Text>,
    owner: Option<u32>,
) -> Option<Key> {
    let owner = owner.unwrap_or(0);
    match id {
        Some(id) => Some((owner, None, id.clone())),
        None => Some((owner, Some(runtime), name?.clone())),
    }
}

/// Of `records` those that none of `seen` is the container of. The first record of an id counts:
/// engines come before what they run containers with.
pub fn without_a_group(
    root: &SysRoot,
    host: &NsSet,
    seen: &[Container],
    records: Vec<Record>,
) -> Vec<Container> {
    // What is told by the name of a group alone may be called like anything.
    let mut known: HashSet<Key> = seen
        .iter()
        .filter(|one| one.has_record())
        .filter_map(|one| key(one.runtime, one.id.as_ref(), one.name.as_ref(), one.owner_uid))
        .collect();
    // Where a container was found may be its own doing: that hides no id of root's.
    let of_seen = |record: &Record| {
        let First::At { pid, start_ticks } = record.first else { return false };
        let mut begin_so = seen.iter().filter(|one| {
            one.init.as_ref().is_some_and(|init| {
                init.pid == pid && start_ticks.is_none_or(|ticks| ticks == init.start_ticks)
            })
        });
        let is_roots = record.owner_uid.unwrap_or(0) == 0 && !record.id.is_empty();
        begin_so.any(|one| !is_roots || one.id.as_ref() == Some(&record.id))
    };
    let mut reader = scan::Reader::default();
    let mut more = Vec::new();
    for record in records {
        let id = Some(&record.id).filter(|id| !id.is_empty());
        let key = key(record.runtime, id, record.name.as_ref(), record.owner_uid);
        let Some(key) = key.filter(|key| !known.contains(key) && !of_seen(&record)) else {
            continue;
        };
        known.insert(key);
        let process = match record.first {
            First::At { pid, start_ticks } => scan::read_process(root, pid, &mut reader)
                .filter(|process| is_of(process, &record.id, start_ticks))
                .filter(|_| owners::may_name(root, record.owner_uid.unwrap_or(0), pid)),
            _ => None,
        };
        let mut container = Container {
            state: match (&process, record.first) {
                (Some(process), _) if is_waiting(root, process, &record) => State::Created,
                (Some(_), _) => State::Running,
                (None, First::At { .. }) => State::Stale,
                (None, _) => record.state,
            },
            ..Container::default()
        };
        take(&mut container, record);
        if container.state != State::Running {
            // An engine keeps what was asked for; nothing of the host leads to it now.
            container.published.clear();
        }
        if let Some(process) = process {
            add_process(&mut container, &process, host);
        }
        more.push(container);
    }
    more
}

fn is_waiting(root: &SysRoot, process: &Process, record: &Record) -> bool {
    waiting::may_wait(process.comm.as_bytes()) && waiting::waits(root, None, record)
}

/// The very process, by its start or, where none is on record, by what its group is called.
fn is_of(process: &Process, id: &Text, start_ticks: Option<u64>) -> bool {
    !process.state.ended()
        && match start_ticks {
            Some(ticks) => process.start_ticks == ticks,
            None => {
                let (lines, id) = (process.cgroup.as_bytes(), id.as_bytes());
                !id.is_empty() && lines.windows(id.len()).any(|window| window == id)
            }
        }
}

/// A container that shares every namespace that isolates with the host.
fn add_process(container: &mut Container, process: &Process, host: &NsSet) {
    container.init = Some(Init::from(process));
    container.processes = vec![process.pid];
    container.namespaces = process.namespaces;
    container.own = host.differing(&process.namespaces);
    container.cgroup = Text::new(CgroupPaths::parse(process.cgroup.as_bytes()).best());
    container.cgroup_lines = process.cgroup.clone();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::evidence::{Evidence, Source};
    use crate::model::network::Protocol;
    use crate::model::process::{self, Pid};
    use crate::model::trail::Published;

    fn record(runtime: Runtime, id: &str, first: First) -> Record {
        Record { runtime, id: id.into(), first, state: State::Stopped, ..Record::default() }
    }

    fn told_by(source: Source) -> Container {
        let evidence = vec![Evidence { source, object: "x".into() }];
        Container { evidence, ..Container::default() }
    }

    #[test]
    fn a_group_that_is_called_like_a_container_hides_no_record() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        for (source, listed) in [(Source::Cgroup, 1), (Source::State, 0), (Source::Monitor, 0)] {
            let seen = Container { id: Some("ended".into()), ..told_by(source) };
            let ended = record(Runtime::Docker, "ended", First::NotRunning);
            let more = without_a_group(&root, &NsSet::default(), &[seen], vec![ended]);
            assert_eq!(more.len(), listed, "{source:?}");
        }
    }

    #[test]
    fn each_container_is_there_once_and_a_record_of_a_dead_process_is_stale() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let seen = [Container { id: Some("live".into()), ..told_by(Source::State) }];
        let gone = First::At { pid: Pid::new(4_000_000).unwrap(), start_ticks: Some(1) };
        let records = vec![
            record(Runtime::Podman, "live", First::NotRunning),
            record(Runtime::Podman, "ended", First::NotRunning),
            record(Runtime::Crun, "ended", gone),
            record(Runtime::Runc, "dead", gone),
        ];
        let more = without_a_group(&root, &NsSet::default(), &seen, records);
        let states: Vec<_> =
            more.iter().map(|one| (one.runtime, one.id.clone().unwrap(), one.state)).collect();
        assert_eq!(
            states,
            [
                (Runtime::Podman, "ended".into(), State::Stopped),
                (Runtime::Runc, "dead".into(), State::Stale)
            ]
        );
    }

    #[test]
    fn a_row_of_another_id_hides_no_record_of_roots() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let pid = Pid::new(7).unwrap();
        let init = Init { pid, start_ticks: 70, comm: "x".into(), state: process::State(b'S') };
        let seen = |id: Option<&str>| {
            let init = Some(init.clone());
            Container {
                id: id.map(Text::from),
                init,
                owner_uid: Some(1000),
                ..Container::default()
            }
        };
        let record = |id: &str, owner_uid| Record {
            owner_uid: Some(owner_uid),
            ..record(Runtime::Docker, id, First::At { pid, start_ticks: None })
        };
        let listed = |seen, record| {
            !without_a_group(&root, &NsSet::default(), &[seen], vec![record]).is_empty()
        };
        assert!(listed(seen(Some("another")), record("it", 0)));
        assert!(listed(seen(None), record("it", 0)));
        assert!(!listed(seen(Some("it")), record("it", 0)));
        assert!(!listed(seen(None), record("it", 1001)), "a user's");
        let by_name = Record { name: Some("web".into()), ..record("", 0) };
        assert!(!listed(seen(None), by_name), "it has no id to carry");
    }

    #[test]
    fn ports_lead_to_what_runs_only() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let port = Published {
            protocol: Protocol::Tcp,
            host_address: None,
            host_port: 8080,
            container_port: 80,
        };
        let ended = record(Runtime::Podman, "ended", First::NotRunning);
        let ended = Record { published: vec![port], ..ended };
        let more = without_a_group(&root, &NsSet::default(), &[], vec![ended]);
        assert_eq!((more.len(), &more[0].published[..]), (1, &[][..]));
    }

    #[test]
    fn what_a_user_says_hides_nothing_of_roots() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let lxc = |owner_uid| Container {
            runtime: Runtime::Lxc,
            name: Some("web".into()),
            owner_uid,
            ..told_by(Source::Monitor)
        };
        let record = || Record {
            runtime: Runtime::Lxc,
            name: Some("web".into()),
            owner_uid: Some(0),
            ..Record::default()
        };
        let more =
            |seen: Container| without_a_group(&root, &NsSet::default(), &[seen], vec![record()]);
        assert_eq!(more(lxc(Some(1000))).len(), 1);
        assert_eq!(more(lxc(Some(0))).len(), 0);
        assert_eq!(more(lxc(None)).len(), 0);
        assert_eq!(more(Container { runtime: Runtime::Nspawn, ..lxc(None) }).len(), 1);
    }
}
