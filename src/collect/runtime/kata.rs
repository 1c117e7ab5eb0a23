//! Kata Containers: a virtual machine for each container or pod, by the state that its shim keeps
//! at `/run/vc/sbs/ID/persist.json`.
//!
//! The machine monitor (qemu, cloud-hypervisor, …) and virtiofsd are processes of the host; none
//! of what runs inside is.

use super::picked::{Path as Key, Picked};
use super::record::{self, CAP, Record};
use super::sandboxed::{self, Kept, Sandboxed};
use crate::model::container::State;
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::root::SysRoot;
use std::path::Path;

const STATE: &str = "/run/vc/sbs";

/// By what its shims keep in the usual places; no process may name others.
pub fn source() -> Sandboxed {
    Sandboxed::new(Runtime::Kata, |_| false, |root, _| read(root))
}

fn read(root: &SysRoot) -> Vec<Kept> {
    record::each(root, Path::new(STATE), |directory, id| {
        let path = format!("{id}/persist.json");
        let bytes =
            record::noted(root.reach(), record::read(directory, Path::new(STATE), &path, CAP))?;
        let file = format!("{STATE}/{path}");
        let mut processes = record::parsed(root.reach(), file.as_str(), parse(&bytes))?;
        let record = Record {
            runtime: Runtime::Kata,
            id: id.into(),
            owner_uid: Some(0),
            state: State::Stopped,
            first: sandboxed::first_of(&processes),
            file: file.into(),
            ..Record::default()
        };
        // Each is told paths, or a name, with the id in it.
        processes.retain(|pid| {
            sandboxed::arguments(root, *pid).iter().any(|argument| has(argument, id))
        });
        Some(Kept { record, processes, sandbox: id.into() })
    })
}

fn has(argument: &Text, id: &str) -> bool {
    argument.as_bytes().windows(id.len().max(1)).any(|window| window == id.as_bytes())
}

const MONITOR: Key = &["HypervisorState", "Pid"];
const FILES: Key = &["HypervisorState", "VirtiofsdPid"];

/// The machine monitor, then what serves it files.
pub fn parse(bytes: &[u8]) -> Option<Vec<Pid>> {
    let json = Picked::from_json(bytes, &[MONITOR, FILES])?;
    let pid = |key| json.number(key).and_then(|pid| Pid::new(u32::try_from(pid).ok()?));
    Some(pid(MONITOR).into_iter().chain(pid(FILES)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Group, Host};
    use super::*;
    use crate::collect::runtime::record::{First, Sandbox, Source};

    // No Kata ran for these: files and command lines are composed from its sources
    // (virtcontainers/persist/api) and from listings that its users published.

    #[test]
    fn a_state_file_names_monitor_and_file_server() {
        let pids = |json: &str| -> Option<Vec<u32>> {
            Some(parse(json.as_bytes())?.into_iter().map(Pid::number).collect())
        };
        let json = r#"{"PersistVersion":2,"State":"running","SandboxContainer":"abc","CgroupPath":"/kata_abc",
            "HypervisorState":{"Type":"qemu","UUID":"u","Bridges":[],"VirtiofsdPid":8,"Pid":7}}"#;
        assert_eq!(pids(json), Some(vec![7, 8]));
        assert_eq!(pids(r#"{"HypervisorState":{"Pid":0,"VirtiofsdPid":0}}"#), Some(vec![]));
        assert_eq!(pids("["), None);
    }

    #[test]
    fn only_processes_that_speak_of_the_sandbox_are_taken_from_a_file() {
        let state = r#"{"HypervisorState":{"Pid":7,"VirtiofsdPid":8}}"#;
        let host = Host::with(&[("run/vc/sbs/abc/persist.json", state)]);
        host.process(7, 1, "qemu-kvm", 0, "qemu-kvm -name sandbox-abc -daemonize");
        host.process(8, 1, "sshd", 0, "sshd");
        let processes = vec![Pid::new(7).unwrap()];
        assert_eq!(source().sandboxes(&host.root), [Sandbox { runtime: Runtime::Kata, processes }]);
        let find = |pid| {
            host.find(
                &mut source(),
                &Group { pid, parent: Some(1), cgroup: "/x", ..Group::default() },
            )
        };
        let told = First::At { pid: Pid::new(7).unwrap(), start_ticks: None };
        assert_eq!(source().all(&host.root)[0].first, told);
        let record = find(7).unwrap();
        // Of a process that is there it is known when it began, too.
        let found = First::At { pid: Pid::new(7).unwrap(), start_ticks: Some(70) };
        assert_eq!(record.first, found);
        assert_eq!((record.id, record.name), ("abc".into(), None));
        assert_eq!((record.runtime, record.owner_uid), (Runtime::Kata, Some(0)));
        assert_eq!(
            (record.state, record.file),
            (State::Stopped, "/run/vc/sbs/abc/persist.json".into())
        );
        assert_eq!(find(8), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
