//! What `nsx spawn` isolated: told by the supervisor that it leaves outside, and by the record that
//! one with a name keeps.

use super::monitor::Monitor;
use super::owners::Owners;
use super::recognise::Recognised;
use super::record::{Case, First, Record, Source};
use crate::model::container::Label;
use crate::model::runtime::Runtime;
use crate::model::spawned::{DIRECTORY, Spawned};
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::incarnation;
use crate::sys::nsfs;
use crate::sys::owned::Place;
use crate::sys::root::{SysRoot, path_text};
use rustix::fs::AtFlags;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What is missing where one cannot be read: the supervisor vouches for the program all the same.
const WHAT: &str = "records of named programs";
/// Nobody has more of them.
const MOST: usize = 4096;

/// What each user's named programs left as records.
#[derive(Debug, Default)]
pub struct Nsx {
    owners: Owners,
    /// By user: read when first asked for.
    records: HashMap<u32, Vec<(Text, Spawned)>>,
}

impl Source for Nsx {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let supervisor = case.monitor().filter(|monitor| {
            case.named.is_none_or(Recognised::is_host_service)
                && matches!(monitor.comm.as_slice(), b"nsx" | b"nsx-spawn" | b"unshare")
        });
        let Some(supervisor) = supervisor else { return Ok(None) };
        let uid = supervisor.uid;
        let init = case.init.pid.number();
        let records = self.of(case.root, uid);
        let named = records.iter().find(|(_, spawned)| {
            spawned.supervisor.pid == supervisor.pid.number()
                && spawned.process.is_some_and(|process| process.pid == init)
        });
        if let Some((file, spawned)) = named {
            return Ok(Some(record(file, spawned, uid)));
        }
        // util-linux has one of that name.
        let is_ours = supervisor.comm != b"unshare" || is_ours(case.root, supervisor);
        Ok(is_ours.then(|| Record {
            runtime: Runtime::Nsx,
            owner_uid: Some(uid),
            file: format!("pid {}", supervisor.pid).into(),
            ..Record::default()
        }))
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        let mut uids = Owners::present(root);
        uids.push(0);
        let boot = incarnation::boot_id(root).unwrap_or_default();
        let mut all = Vec::new();
        for uid in uids {
            for (file, spawned) in self.of(root, uid) {
                let mut record = record(file, spawned, uid);
                if spawned.boot_id != boot {
                    record.first = First::NotRunning;
                }
                all.push(record);
            }
        }
        all
    }
}

impl Nsx {
    fn of(&mut self, root: &SysRoot, uid: u32) -> &[(Text, Spawned)] {
        let owners = &self.owners;
        self.records.entry(uid).or_insert_with(|| {
            let usual = if uid == 0 {
                let place = Place::of_root(root, Path::new(DIRECTORY));
                root.reach().told(|| DIRECTORY.into(), WHAT, place)
            } else {
                owners.runtime_dir(root, uid, "nsx").ok()
            };
            // Where it is said to us we keep our own, as spawn does.
            let said = root.runtime_dir().filter(|_| uid == rustix::process::geteuid().as_raw());
            let said = said.and_then(|said| Place::said(root, &said.join("nsx")).ok());
            let places = usual.into_iter().chain(said);
            let mut records: Vec<_> = places.flat_map(|place| read(root, &place)).collect();
            records.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
            // The same directory may have two paths.
            records.dedup_by(|(_, one), (_, other)| one == other);
            records
        })
    }
}

/// Whether a process runs our program, or the front program beside it.
fn is_ours(root: &SysRoot, process: &Monitor) -> bool {
    // Its file may be on a file system that does not answer.
    let file = |dir: BorrowedFd<'_>, path: &str| {
        let stat = nsfs::examine(dir, path, AtFlags::empty()).ok()?;
        Some((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino))
    };
    let own = "self/exe";
    let beside = || {
        let own = rustix::fs::readlinkat(root.proc(), own, Vec::new()).ok()?;
        let front = Path::new(OsStr::from_bytes(own.to_bytes())).with_file_name("nsx");
        file(rustix::fs::CWD, root.path(&front).to_str()?)
    };
    file(process.dir(), "exe")
        .is_some_and(|it| Some(it) == file(root.proc(), own) || Some(it) == beside())
}

fn read(root: &SysRoot, place: &Place) -> Vec<(Text, Spawned)> {
    let records = place.names().into_iter().take(MOST).filter_map(|file| {
        let name = file.strip_suffix(".json")?;
        let object = || path_text(&place.path().join(&file));
        let read = place.read(&file, Spawned::MOST_BYTES);
        let told = |read| root.reach().told(object, WHAT, read);
        let spawned = Spawned::parse(&if place.is_ours() { told(read) } else { read.ok() }?)?;
        (spawned.name == name).then(|| (path_text(&place.path().join(&file)), spawned))
    });
    records.collect()
}

fn record(file: &Text, spawned: &Spawned, uid: u32) -> Record {
    let command = spawned.command.join(" ");
    Record {
        runtime: Runtime::Nsx,
        name: Some(spawned.name.as_str().into()),
        labels: labels(spawned, &command),
        program: (!command.is_empty()).then(|| command.as_str().into()),
        created_unix_seconds: Some(spawned.created_unix_seconds),
        owner_uid: Some(uid),
        first: spawned.process.map_or(First::NotRunning, |process| {
            First::of(process.pid.into(), Some(process.start_ticks))
        }),
        file: file.clone(),
        ..Record::default()
    }
}

/// What it runs, and what it may use: `nsx.command`, `nsx.limit.memory`.
fn labels(spawned: &Spawned, command: &str) -> Vec<Label> {
    let limits =
        spawned.limits.iter().map(|(name, value)| (format!("nsx.limit.{name}"), value.as_str()));
    let all = limits.chain([("nsx.command".to_owned(), command)]);
    let mut labels: Vec<Label> =
        all.map(|(name, value)| (name.as_str().into(), value.into())).collect();
    labels.sort();
    labels
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Group, Host};
    use super::*;

    const BOOT: &str = "3f1a5e5e-0000-4000-8000-000000000001";

    /// The record of `web`, whose supervisor is pid 70 and whose first process is pid 71.
    fn web() -> String {
        format!(
            r#"{{"schema": "nsx.spawned/1", "name": "web", "boot_id": "{BOOT}", "seen_from": null,
            "supervisor": {{"pid": 70, "start_ticks": 700}},
            "process": {{"pid": 71, "start_ticks": 710}}, "created_unix_seconds": 1795530060,
            "command": ["nginx", "-g", "daemon off;"], "limits": {{"memory": "1G", "cpus": "2"}},
            "cgroups": []}}"#
        )
    }

    fn host(files: &[(&str, &str)]) -> Host {
        let host = Host::with(files);
        host.write("proc/sys/kernel/random/boot_id", &format!("{BOOT}\n"));
        for (pid, comm) in [(60, "sh"), (70, "nsx-spawn"), (80, "nsx"), (90, "unshare")] {
            host.process(pid, 1, comm, 0, comm);
        }
        host
    }

    fn find(host: &Host, parent: u32, cgroup: &str) -> Option<Record> {
        let group = Group { pid: parent + 1, parent: Some(parent), cgroup, ..Group::default() };
        host.find(&mut Nsx::default(), &group)
    }

    #[test]
    fn one_with_a_name_is_told_by_its_record() {
        let host = host(&[("run/nsx/web.json", &web())]);
        let record = find(&host, 70, "/x").unwrap();
        assert_eq!((record.runtime, record.owner_uid), (Runtime::Nsx, Some(0)));
        assert_eq!(record.name, Some("web".into()));
        assert_eq!(record.program, Some("nginx -g daemon off;".into()));
        assert_eq!(record.created_unix_seconds, Some(1_795_530_060));
        assert_eq!(record.first, First::of(71, Some(710)));
        assert_eq!(record.file, "/run/nsx/web.json");
        let label = |name: &str, value: &str| -> Label { (name.into(), value.into()) };
        let labels = [
            label("nsx.command", "nginx -g daemon off;"),
            label("nsx.limit.cpus", "2"),
            label("nsx.limit.memory", "1G"),
        ];
        assert_eq!(record.labels, labels);
    }

    #[test]
    fn a_record_of_another_process_or_supervisor_is_not_its() {
        for (of_web, of_another) in [(": 71,", ": 72,"), (": 70,", ": 69,")] {
            let other = web().replace(of_web, of_another);
            let host = host(&[("run/nsx/web.json", &other)]);
            let record = find(&host, 70, "/x").unwrap();
            assert_eq!((record.name, record.file), (None, "pid 70".into()));
        }
    }

    #[test]
    fn the_supervisor_is_known_by_what_it_is_called() {
        let host = host(&[]);
        for parent in [70, 80] {
            let record = find(&host, parent, "/system.slice/a.service").unwrap();
            assert_eq!((record.runtime, record.first), (Runtime::Nsx, First::Untold));
            assert_eq!(record.file, format!("pid {parent}").as_str());
        }
        assert_eq!(find(&host, 60, "/x"), None, "a shell");
        let docker = format!("/docker/{}", "a".repeat(64));
        assert_eq!(find(&host, 70, &docker), None, "the group says otherwise");
    }

    #[test]
    fn one_that_is_called_unshare_runs_our_file_or_has_a_record() {
        let host = host(&[("proc/90/exe", ""), ("proc/self/exe", ""), ("usr/bin/nsx", "")]);
        assert_eq!(find(&host, 90, "/x"), None, "that of util-linux");
        let exe = host.path("proc/self/exe");
        let is_link_to = |path: &str| {
            std::fs::remove_file(&exe).unwrap();
            std::fs::hard_link(host.path(path), &exe).unwrap();
        };
        is_link_to("usr/bin/nsx");
        assert_eq!(find(&host, 90, "/x"), None);
        is_link_to("proc/90/exe");
        assert_eq!(find(&host, 90, "/x").unwrap().runtime, Runtime::Nsx);
        // We are one of the single commands.
        std::fs::remove_file(&exe).unwrap();
        std::os::unix::fs::symlink("/usr/bin/nsx-ps", &exe).unwrap();
        assert_eq!(find(&host, 90, "/x"), None);
        std::fs::remove_file(host.path("usr/bin/nsx")).unwrap();
        std::fs::hard_link(host.path("proc/90/exe"), host.path("usr/bin/nsx")).unwrap();
        assert_eq!(find(&host, 90, "/x").unwrap().runtime, Runtime::Nsx);
        std::fs::remove_file(host.path("proc/90/exe")).unwrap();
        assert_eq!(find(&host, 90, "/x"), None);
        host.write("run/nsx/web.json", &web().replace(": 70,", ": 90,").replace(": 71,", ": 91,"));
        assert_eq!(find(&host, 90, "/x").unwrap().name, Some("web".into()));
    }

    #[test]
    fn a_users_are_in_his_runtime_directory() {
        let host = host(&[("run/user/1000/nsx/web.json", &web())]);
        host.process(70, 1, "nsx", 1000, "nsx");
        let record = find(&host, 70, "/x").unwrap();
        assert_eq!((record.name, record.owner_uid), (Some("web".into()), Some(1000)));
        let all = Nsx::default().all(&host.root);
        assert_eq!((all.len(), all[0].owner_uid), (1, Some(1000)));
        host.process(80, 1, "nsx", 1000, "nsx");
        let unnamed = find(&host, 80, "/x").unwrap();
        assert_eq!((unnamed.name, unnamed.owner_uid), (None, Some(1000)));
    }

    #[test]
    fn who_runs_nsx_has_more_where_it_is_said_to_him() {
        let own = rustix::process::geteuid().as_raw();
        let said = |directory: &str, files: &[(&str, &str)]| {
            let mut host = host(files);
            host.root = host.root.with_runtime_dir(Some(directory.into()));
            host
        };
        let at = said("/srv/run", &[("srv/run/nsx/web.json", &web())]);
        let name_of = |uid| {
            at.process(70, 1, "nsx", uid, "nsx");
            find(&at, 70, "/x").unwrap().name
        };
        assert_eq!(name_of(own), Some("web".into()));
        assert_eq!(name_of(own + 1), None, "another's are not there");
        // What he is told may be the usual place by another path, and has each once all the same.
        let usual = if own == 0 { "run".to_owned() } else { format!("run/user/{own}") };
        let other = web().replace("web", "db");
        let (web_file, db_file) = (format!("{usual}/nsx/web.json"), format!("{usual}/nsx/db.json"));
        let host = said("/again", &[(&web_file, &web()), (&db_file, &other)]);
        std::os::unix::fs::symlink(host.path(&usual), host.path("again")).unwrap();
        let all = Nsx::default().of(&host.root, own).len();
        assert_eq!(all, 2);
    }

    #[test]
    fn what_ran_before_the_machine_was_started_again_does_not_run() {
        let host = host(&[
            ("run/nsx/web.json", &web()),
            ("run/nsx/old.json", &web().replace("web", "old").replace(BOOT, "another")),
            ("run/nsx/soon.json", &{
                let (before, after) = (r#"{"pid": 71, "start_ticks": 710}"#, "null");
                web().replace("web", "soon").replace(before, after)
            }),
            ("run/nsx/other.json", &web()),
            ("run/nsx/web.lock", &web()),
            ("run/nsx/broken.json", "{"),
        ]);
        let mut all = Nsx::default().all(&host.root);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        let told: Vec<_> = all.iter().map(|one| (one.name.as_ref().unwrap(), one.first)).collect();
        let expected: [(Text, First); 3] = [
            ("old".into(), First::NotRunning),
            ("soon".into(), First::NotRunning),
            ("web".into(), First::of(71, Some(710))),
        ];
        assert_eq!(told, expected.each_ref().map(|(name, first)| (name, *first)));
    }

    #[test]
    fn a_program_without_words_has_none() {
        let bare = web().replace(r#"["nginx", "-g", "daemon off;"]"#, "[]");
        let host = host(&[("run/nsx/web.json", &bare)]);
        assert_eq!(find(&host, 70, "/x").unwrap().program, None);
    }
}
