//! systemd-nspawn, and libvirt's containers: what systemd-machined wrote of them, or else the
//! command line of the nspawn that looks after one.

use super::monitor::Monitor;
use super::owners;
use super::record::{self, Case, First, Record, Source};
use crate::model::container::State;
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::root::SysRoot;
use nix::errno::Errno;
use std::path::Path;

const MACHINES: &str = "/run/systemd/machines";
const CAP: usize = 64 << 10;

/// The machines that systemd-machined wrote down, read when first asked for.
#[derive(Debug, Default)]
pub struct Nspawn {
    machines: Option<Vec<Record>>,
}

impl Source for Nspawn {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let machines = self.machines.get_or_insert_with(|| machines(case.root));
        let leads = |record: &&Record| matches!(record.first, First::At { pid, .. } if pid == case.init.pid);
        let named = case.id_of(&[Runtime::Nspawn, Runtime::Libvirt]);
        let is_named = |record: &&Record| record.id.as_bytes() == named.unwrap_or_default();
        let known = machines.iter().find(leads).or_else(|| machines.iter().find(is_named));
        // A user may register what is his.
        let may_name = |record: &&Record| {
            owners::may_name(case.root, record.owner_uid.unwrap_or(0), case.init.pid)
        };
        if let Some(machine) = known.filter(may_name) {
            return Ok(Some(Record { id: Text::default(), ..machine.clone() }));
        }
        // A user may run a program of any name.
        let monitor = case.monitor().filter(|monitor| monitor.is_roots());
        Ok(monitor.and_then(of_monitor))
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        let machines = machines(root).into_iter();
        machines.map(|machine| Record { id: Text::default(), ..machine }).collect()
    }
}

fn of_monitor(monitor: &Monitor) -> Option<Record> {
    if monitor.comm != b"systemd-nspawn" {
        return None;
    }
    Some(Record {
        runtime: Runtime::Nspawn,
        name: name_of_arguments(&monitor.arguments()),
        owner_uid: Some(0),
        file: format!("pid {}", monitor.pid).into(),
        ..Record::default()
    })
}

/// What systemd-machined knows. Beside each file stands a link by the name of its unit.
fn machines(root: &SysRoot) -> Vec<Record> {
    record::each(root, Path::new(MACHINES), |directory, name| {
        let read = record::read(directory, Path::new(MACHINES), name, CAP);
        // Links by the names of units.
        let is_link = read.as_ref().is_err_and(|error| error.errno() == Some(Errno::ELOOP));
        let bytes = if is_link { read.ok()? } else { record::noted(root.reach(), read)? };
        let (mut machine, leader) = parse(&bytes)?;
        if leader.is_some_and(|inode| is_another(root, machine.first, inode)) {
            machine.first = First::NotRunning;
        }
        Some(Record { file: format!("{MACHINES}/{name}").into(), ..machine })
    })
}

/// Whether the process is not that of this inode (pidfs): it has got the number since.
fn is_another(root: &SysRoot, first: First, inode: u64) -> bool {
    let First::At { pid, .. } = first else { return false };
    let now = ProcessHandle::open(root, pid).and_then(|process| process.inode());
    matches!(now, Ok(Some(now)) if now != inode)
}

/// A machine's file, if that is a container, and the inode of its leader, which newer ones tell.
/// Its `id` is the name that its group bears.
pub fn parse(bytes: &[u8]) -> Option<(Record, Option<u64>)> {
    let value = |key: &str| {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let value = lines.find_map(|line| line.strip_prefix(key.as_bytes())?.strip_prefix(b"="))?;
        let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        Some(quoted.unwrap_or(value))
    };
    let machine = value("NAME").filter(|name| !name.is_empty())?;
    let (runtime, name) = match value("SERVICE")? {
        b"systemd-nspawn" => (Runtime::Nspawn, machine),
        b"libvirt-lxc" => (Runtime::Libvirt, without_number(machine)),
        // Virtual machines, and engines that tell more elsewhere.
        _ => return None,
    };
    let text = |key| value(key).map(|text| std::str::from_utf8(text).unwrap_or_default());
    let leader = value("LEADER").and_then(Pid::parse);
    let inode = text("LEADER_PIDFDID").and_then(|inode| inode.parse().ok());
    let record = Record {
        runtime,
        id: Text::new(machine),
        name: Some(Text::new(name)),
        created_unix_seconds: text("REALTIME")
            .and_then(|usec| Some(usec.parse::<u64>().ok()? / 1_000_000)),
        // Who registered it; older ones let nobody else.
        owner_uid: Some(text("UID").map_or(Ok(0), str::parse).ok()?),
        state: State::Stopped,
        first: leader.map_or(First::NotRunning, |pid| First::At { pid, start_ticks: None }),
        ..Record::default()
    };
    Some((record, inode))
}

/// libvirt calls a machine `lxc-NUMBER-NAME`.
pub fn without_number(machine: &[u8]) -> &[u8] {
    let name = machine.strip_prefix(b"lxc-").and_then(|rest| {
        let dash = rest.iter().position(|byte| *byte == b'-')?;
        let (number, name) = (rest.get(..dash)?, rest.get(dash + 1..)?);
        let is_number = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
        (is_number && !name.is_empty()).then_some(name)
    });
    name.unwrap_or(machine)
}

/// Short options of systemd-nspawn that have a value, attached or in the argument that follows.
const WITH_VALUE: &[u8] = b"DiuLMSZpE";

/// Long ones without a value, or with one that stands in the same argument alone, as of systemd 257.
/// `--user` had one, and has none in newer ones. Any other has one, attached or in the argument that
/// follows.
const ALONE: [&[u8]; 18] = [
    b"help",
    b"version",
    b"quiet",
    b"boot",
    b"as-pid2",
    b"ephemeral",
    b"read-only",
    b"volatile",
    b"private-network",
    b"network-veth",
    b"private-users",
    b"private-users-chown",
    b"share-system",
    b"keep-unit",
    b"pipe",
    b"no-pager",
    b"cleanup",
    b"user",
];

/// `-M NAME`, else the last part of the directory or the image.
pub fn name_of_arguments(arguments: &[Text]) -> Option<Text> {
    let (mut machine, mut place) = (None, None);
    let mut rest = arguments.iter().skip(1).map(Text::as_bytes);
    while let Some(argument) = rest.next() {
        let (option, value) = match argument {
            b"--" => break,
            [b'-', b'-', long @ ..] => {
                let equals = long.iter().position(|byte| *byte == b'=');
                let name = long.get(..equals.unwrap_or(long.len())).unwrap_or(long);
                let option = match name {
                    b"machine" => b'M',
                    b"directory" => b'D',
                    b"image" => b'i',
                    _ if ALONE.contains(&name) => continue,
                    // It names nothing. A template is copied: the copy is called otherwise.
                    _ => b'-',
                };
                let value = equals.and_then(|at| long.get(at + 1..)).or_else(|| rest.next());
                (option, value)
            }
            [b'-', short @ ..] if !short.is_empty() => {
                // Several may stand together; the first that has a value ends them.
                let Some(at) = short.iter().position(|byte| WITH_VALUE.contains(byte)) else {
                    continue;
                };
                let attached = short.get(at + 1..).filter(|value| !value.is_empty());
                let option = short.get(at).copied().unwrap_or_default();
                (option, attached.or_else(|| rest.next()))
            }
            // The program of the container.
            _ => break,
        };
        match option {
            b'M' => machine = value,
            b'D' | b'i' => place = value,
            _ => {}
        }
    }
    let name = machine.or_else(|| {
        let path = place?;
        let last = path.rsplit(|byte| *byte == b'/').find(|part| !part.is_empty())?;
        Some(last.strip_suffix(b".raw").unwrap_or(last))
    });
    name.filter(|name| !name.is_empty() && *name != b"." && *name != b"..").map(Text::new)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Group, Host};
    use super::*;

    const MACHINE: &[u8] =
        b"# This is private data. Do not parse.\nNAME=nsm1\nSCOPE=machine-nsm1.scope\n\
        SERVICE=systemd-nspawn\nROOT=/var/lib/machines/nsm1\nID=0123456789abcdef0123456789abcdef\n\
        LEADER=4242\nCLASS=container\nREALTIME=1795528285123456\nMONOTONIC=99\nNETIF=3\n";

    #[test]
    fn a_machine_is_a_container_by_the_service_that_registered_it() {
        let (record, inode) = parse(MACHINE).unwrap();
        assert_eq!(inode, None);
        assert_eq!((record.runtime, record.name), (Runtime::Nspawn, Some("nsm1".into())));
        assert_eq!(record.first, First::At { pid: Pid::new(4242).unwrap(), start_ticks: None });
        assert_eq!(record.created_unix_seconds, Some(1_795_528_285));
        // A virtual machine as libvirt registers it; composed from systemd's and libvirt's sources.
        assert_eq!(parse(b"NAME=qemu-1-vm\nSERVICE=libvirt-qemu\nLEADER=7\nCLASS=vm\n"), None);
        assert_eq!((record.owner_uid, record.state), (Some(0), State::Stopped));
        let (libvirt, _) =
            parse(b"NAME=\"lxc-77-web\"\nSERVICE=libvirt-lxc\nCLASS=container\n").unwrap();
        assert_eq!((libvirt.runtime, libvirt.name), (Runtime::Libvirt, Some("web".into())));
        assert_eq!(libvirt.id, "lxc-77-web");
        assert_eq!(parse(b"NAME=\nSERVICE=systemd-nspawn\n"), None);
    }

    #[test]
    fn a_newer_file_tells_who_registered_it_and_which_process_leads() {
        let machine = String::from_utf8(MACHINE.to_vec()).unwrap();
        let newer = |uid: &str| {
            let lines = format!("UID={uid}\nLEADER=4242\nLEADER_PIDFDID=77\n");
            let (record, inode) = parse(machine.replace("LEADER=4242\n", &lines).as_bytes())?;
            Some((record.owner_uid?, inode?))
        };
        assert_eq!((newer("0"), newer("1000")), (Some((0, 77)), Some((1000, 77))));
        assert_eq!(newer("-1"), None, "nobody's is not root's");
        let root = SysRoot::real().unwrap();
        let pid = Pid::new(std::process::id()).unwrap();
        let first = First::At { pid, start_ticks: None };
        if let Some(inode) = ProcessHandle::open(&root, pid).unwrap().inode().unwrap() {
            assert!(!is_another(&root, first, inode));
            assert!(is_another(&root, first, inode + 1));
        }
        assert!(!is_another(&root, First::NotRunning, 77));
    }

    #[test]
    fn the_command_line_names_a_machine_that_is_not_registered() {
        let name = |line: &str| {
            let arguments: Vec<Text> = line.split(' ').map(Text::from).collect();
            name_of_arguments(&arguments).map(|name| name.to_string())
        };
        for (line, expected) in [
            ("nspawn -q -D /srv/root -M web --register=no /bin/sleep 1", Some("web")),
            ("nspawn --directory=/srv/root/ --machine=web", Some("web")),
            ("nspawn --machine web -bD /srv/x", Some("web")),
            ("nspawn -bD/srv/root/ -u user", Some("root")),
            ("nspawn -xi /srv/disk.raw -- prog -M evil", Some("disk")),
            ("nspawn -D /srv/root prog -M evil", Some("root")),
            ("nspawn -E M=x -u -M -D /r", Some("r")),
            ("nspawn --directory /srv/root --boot", Some("root")),
            ("nspawn --directory=/srv/root", Some("root")),
            ("nspawn --image=/srv/disk.raw", Some("disk")),
            ("nspawn --image /srv/disk.raw /bin/sh", Some("disk")),
            // A template is copied, to what the directory or the machine is called.
            ("nspawn --template /srv/base -D /srv/copy", Some("copy")),
            ("nspawn -D /srv/copy --template=/srv/base", Some("copy")),
            ("nspawn -D /srv/root - -M evil", Some("root")),
            ("nspawn --bind /srv/a --capability CAP_NET_ADMIN --machine web", Some("web")),
            ("nspawn --quiet --volatile --private-users -D /srv/root", Some("root")),
            ("nspawn --volatile=yes --bind=/srv/a -D /srv/root", Some("root")),
            ("nspawn -D /srv/root --bind", Some("root")),
            ("nspawn -D .", None),
            ("nspawn -M", None),
            ("nspawn", None),
        ] {
            assert_eq!(name(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn only_a_number_is_taken_off() {
        assert_eq!(without_number(b"lxc-77-my-web"), b"my-web");
        for whole in ["lxc-web-1", "lxc-77-", "lxc--x", "web"] {
            assert_eq!(without_number(whole.as_bytes()), whole.as_bytes());
        }
    }

    #[test]
    fn a_machine_is_found_by_its_leader_or_its_group_and_else_by_its_monitor() {
        let machine = std::str::from_utf8(MACHINE).unwrap();
        let host = Host::with(&[("run/systemd/machines/nsm1", machine)]);
        let link = host.path("run/systemd/machines/unit:machine-nsm1.scope");
        std::os::unix::fs::symlink("nsm1", link).unwrap();
        host.process(70, 1, "systemd-nspawn", 0, "systemd-nspawn -D /srv/root");
        host.process(80, 1, "systemd-nspawn", 1000, "systemd-nspawn -M web");
        let find = |pid, parent, cgroup| {
            let record = host
                .find(&mut Nspawn::default(), &Group { pid, parent, cgroup, ..Group::default() });
            record.map(|record| {
                assert_eq!((record.runtime, record.id), (Runtime::Nspawn, Text::default()));
                assert_eq!(record.owner_uid, Some(0));
                (record.name.unwrap().to_string(), record.file.to_string())
            })
        };
        let registered = ("nsm1".to_owned(), "/run/systemd/machines/nsm1".to_owned());
        assert_eq!(find(4242, None, "/x"), Some(registered.clone()));
        assert_eq!(find(7, None, "/machine.slice/machine-nsm1.scope/payload"), Some(registered));
        assert_eq!(find(7, Some(70), "/payload"), Some(("root".into(), "pid 70".into())));
        assert_eq!(find(7, Some(80), "/payload"), None);
        let all = Nspawn::default().all(&host.root);
        let [one] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((&one.name, &one.id), (&Some("nsm1".into()), &Text::default()));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, arguments: Vec<Vec<u8>>) {
            let _ = parse(&bytes);
            let _ = parse(&[b"NAME=a\nSERVICE=libvirt-lxc\n", bytes.as_slice()].concat());
            let _ = without_number(&bytes);
            let arguments: Vec<Text> = arguments.into_iter().map(Text::from).collect();
            let _ = name_of_arguments(&arguments);
        }
    }
}
