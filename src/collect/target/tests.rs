//! A host of two containers, a service of the host's, and one of a user's of the same name.

use super::*;
use crate::model::namespace::Kind;
use std::os::unix::fs::symlink;
use std::path::Path;

const WEB: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const DB: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const USERS: &str = "/user.slice/user-1000.slice/user@1000.service";

struct Host {
    temp: tempfile::TempDir,
    root: SysRoot,
}

impl Host {
    /// Pids 20 and 21 are of `web`, 22 is of `db`; 30 and 31 are of the service `s`, 31 the older;
    /// 40 is of a user's `s`, and 41 of his `t`.
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let host = Self { temp, root };
        host.write("proc/stat", "btime 1795530000\n");
        let mounts = "27 22 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        host.write("proc/self/mountinfo", mounts);
        host.process(1, 1, 100, "/init.scope", 'S');
        for (pid, start, id, namespaces) in
            [(20, 200, WEB, 200), (21, 210, WEB, 200), (22, 220, DB, 300)]
        {
            host.process(pid, start, namespaces, &format!("/docker/{id}"), 'S');
        }
        host.process(30, 300, 100, "/system.slice/s.service", 'S');
        host.process(31, 290, 100, "/system.slice/s.service/inner", 'S');
        host.process(32, 280, 100, "/system.slice/s.service", 'Z');
        host.process(40, 400, 100, &format!("{USERS}/s.service"), 'S');
        host.process(41, 410, 100, &format!("{USERS}/t.service"), 'S');
        host
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.temp.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Its namespaces have inodes from `namespaces` on, in the order of kinds.
    fn process(&self, pid: u32, start: u32, namespaces: u64, cgroup: &str, state: char) {
        let dir = format!("proc/{pid}");
        let stat = format!("{pid} (x) {state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {start} 0 0\n");
        self.write(&format!("{dir}/stat"), &stat);
        self.write(
            &format!("{dir}/status"),
            &format!("Name:\tx\nTgid:\t{pid}\nUid:\t0\t0\t0\t0\n"),
        );
        self.write(&format!("{dir}/comm"), "x\n");
        self.write(&format!("{dir}/cmdline"), "x\0");
        self.write(&format!("{dir}/cgroup"), &format!("0::{cgroup}\n"));
        std::fs::create_dir_all(self.temp.path().join(format!("sys/fs/cgroup{cgroup}"))).unwrap();
        let links = self.temp.path().join(dir).join("ns");
        std::fs::create_dir(&links).unwrap();
        for (kind, inode) in Kind::ALL.into_iter().zip(namespaces..) {
            symlink(format!("{kind}:[{inode}]"), links.join(kind.name())).unwrap();
        }
    }

    fn resolve(&self, spelled: &str) -> std::result::Result<PinnedProcess, String> {
        resolve_process(&self.root, spelled.as_bytes()).map_err(|error| error.to_string())
    }

    fn pid(&self, spelled: &str) -> std::result::Result<u32, String> {
        self.resolve(spelled).map(|pinned| pinned.process.pid.number())
    }

    fn containers(&self, spelled: &str) -> std::result::Result<Vec<String>, String> {
        let all = collect_containers(&self.root).unwrap();
        let found = containers_of(&self.root, &all, spelled.as_bytes());
        let found = found.map_err(|error| error.to_string())?;
        let id = |one: &&Container| one.id.as_ref().unwrap().to_string()[..1].to_owned();
        Ok(found.iter().map(id).collect())
    }
}

#[test]
fn a_unit_and_a_group_lead_to_their_oldest_process_that_runs() {
    let host = Host::new();
    for spelled in
        ["unit:s", "unit:s.service", "cgroup:/system.slice", "cgroup:/system.slice/s.service"]
    {
        let pinned = host.resolve(spelled).unwrap();
        assert_eq!(pinned.process.pid.number(), 31, "{spelled}");
        let numbers = pinned.processes(None).iter().map(|pid| pid.number()).collect::<Vec<_>>();
        assert_eq!(numbers, [30, 31], "{spelled}");
        let of_group = members_of(&host.root, spelled.as_bytes()).unwrap();
        let of_group: Vec<u32> = of_group.iter().map(|pid| pid.number()).collect();
        assert_eq!(of_group, [31, 30], "{spelled}");
    }
    let lines = host.resolve("unit:s").unwrap().group.unwrap().lines;
    assert_eq!(lines, "0::/system.slice/s.service\n");
    assert_eq!(host.pid("cgroup:/system.slice/s.service/inner"), Ok(31));
    assert_eq!(host.pid("unit:none"), Err("no process is in unit:none".to_owned()));
    assert_eq!(host.pid("cgroup:/none"), Err("no process is in cgroup:/none".to_owned()));
    assert!(members_of(&host.root, b"30").unwrap().is_empty());
}

/// Its pid namespace began with another, which is no member: it was put there.
#[test]
fn a_process_of_a_container_that_was_moved_into_a_unit_does_not_lead_it() {
    let host = Host::new();
    host.process(23, 260, 200, "/system.slice/s.service", 'S');
    assert_eq!(host.pid("unit:s"), Ok(31));
    // Where it began there it leads, as the init of what a unit runs does.
    host.write("proc/20/cgroup", "0::/system.slice/s.service\n");
    assert_eq!(host.pid("unit:s"), Ok(20));
}

#[test]
fn a_hierarchy_that_is_not_mounted_here_makes_nobody_a_member() {
    let host = Host::new();
    let claim = |name: &str| {
        let lines = format!("9:name={name}:/system.slice/s.service\n0::/docker/{DB}\n");
        host.write("proc/22/cgroup", &lines);
        ["unit:s", "cgroup:/system.slice"].map(|spelled| host.pid(spelled))
    };
    assert_eq!(claim("evil"), [Ok(31), Ok(31)]);
    let mounts = "27 22 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
        28 27 0:25 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";
    host.write("proc/self/mountinfo", mounts);
    let root = SysRoot::fixture(host.temp.path()).unwrap();
    let host = Host { root, ..host };
    let of = |spelled: &str| resolve_process(&host.root, spelled.as_bytes()).unwrap().process.pid;
    assert_eq!(of("cgroup:/system.slice").number(), 31);
    host.write("proc/22/cgroup", "9:name=systemd:/system.slice/s.service\n0::/\n");
    assert_eq!(of("cgroup:/system.slice").number(), 22, "it is the oldest in it");
}

#[test]
fn a_users_unit_counts_where_the_host_has_none_of_that_name() {
    let host = Host::new();
    assert_eq!(host.pid("unit:t"), Ok(41));
    host.process(42, 420, 100, "/user.slice/user-1001.slice/user@1001.service/t.service", 'S');
    let ambiguous = host.pid("unit:t").unwrap_err();
    let expected = format!(
        "unit:t is ambiguous: cgroup:{USERS}/t.service (pid 41), \
         cgroup:/user.slice/user-1001.slice/user@1001.service/t.service (pid 42)"
    );
    assert_eq!(ambiguous, expected);
    // What is in a container comes last, whoever has the directory.
    host.process(50, 500, 200, &format!("/docker/{WEB}/system.slice/t.service"), 'S');
    assert_eq!(host.pid("unit:t").unwrap_err(), expected);
    host.process(51, 510, 200, &format!("/docker/{WEB}/system.slice/u.service"), 'S');
    assert_eq!(host.pid("unit:u"), Ok(51));
}

#[test]
fn a_unit_of_the_hosts_is_known_by_where_its_group_is() {
    let host = Host::new();
    // A service may have groups of its own, below which nobody else makes any.
    host.process(44, 440, 100, "/system.slice/outer.service/v.service", 'S');
    host.process(43, 430, 100, &format!("{USERS}/v.service"), 'S');
    assert_eq!(host.pid("unit:v"), Ok(44));
    // The manager of a user's units is the host's unit itself, whatever is called so below another.
    let others = "/user.slice/user-1001.slice/user@1001.service/user@1000.service";
    host.process(45, 50, 100, others, 'S');
    assert_eq!(host.pid("unit:user@1000.service"), Ok(40));
}

#[test]
fn a_group_that_another_user_has_is_not_taken_for_the_hosts() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let host = Host::new();
    let place = host.temp.path().join("sys/fs/cgroup/delegated.slice/w.service");
    host.process(46, 460, 100, "/delegated.slice/w.service", 'S');
    std::os::unix::fs::chown(&place, Some(1000), None).unwrap();
    assert_eq!(host.pid("unit:w"), Ok(46), "there is no other");
    host.process(47, 470, 100, "/system.slice/w.service", 'S');
    assert_eq!(host.pid("unit:w"), Ok(47));
}

#[test]
fn a_process_that_cannot_be_read_is_an_error_and_one_that_has_ended_no_member() {
    let host = Host::new();
    std::fs::create_dir(host.temp.path().join("proc/50")).unwrap();
    host.write("proc/51/cgroup", "0::/system.slice/s.service\n");
    assert_eq!(host.pid("unit:s"), Ok(31));
    for file in ["cgroup", "stat"] {
        let host = Host::new();
        let path = host.temp.path().join("proc/30").join(file);
        std::fs::remove_file(&path).unwrap();
        // As long as somebody may write to it reading fails, as where there is no memory.
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _writer = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        for spelled in ["unit:s", "cgroup:/system.slice"] {
            let error = host.pid(spelled).unwrap_err();
            assert!(error.contains("/proc/30"), "{spelled}: {error}");
        }
    }
}

#[test]
fn a_namespace_leads_to_its_oldest_process() {
    let host = Host::new();
    for (inode, pid) in [(200, 20), (207, 20), (300, 22), (100, 1)] {
        assert_eq!(host.pid(&format!("ns:{inode}")), Ok(pid), "{inode}");
    }
    let none = "no namespace ns:999 can be seen".to_owned();
    assert_eq!(host.pid("ns:999"), Err(none));
    host.process(23, 190, 200, "/", 'Z');
    assert_eq!(host.pid("ns:200"), Ok(20), "who has ended lives nowhere");
    host.process(24, 195, 200, "/", 'S');
    assert_eq!(host.pid("ns:200"), Ok(24));
    assert_eq!(host.resolve("ns:200").unwrap().label(), "pid 24");
}

#[test]
fn a_container_is_what_it_was_named_by() {
    let host = Host::new();
    let pinned = host.resolve("aaaa").unwrap();
    let container = pinned.container.as_ref().unwrap();
    assert_eq!(container.id, Some(WEB.into()));
    assert_eq!(pinned.label(), container.label());
    assert_eq!(pinned.process.pid.number(), 20);
    let processes = pinned.processes(Some(container)).iter().map(|pid| pid.number());
    assert_eq!(processes.collect::<Vec<_>>(), [20, 21]);
    assert_eq!(pinned.others.unwrap().list.len(), 1, "the other container");
    let none = "no container on this host has the name or id web".to_owned();
    assert_eq!(host.pid("web"), Err(none));
}

/// Docker's record of a container of root's, which has the name `name`.
fn docker_has(host: &Host, id: &str, name: &str, pid: u32) {
    let record = format!(r#"{{"ID":"{id}","Name":"/{name}","State":{{"Pid":{pid}}}}}"#);
    host.write(&format!("var/lib/docker/containers/{id}/config.v2.json"), &record);
}

#[test]
fn what_a_user_runs_is_not_taken_for_what_root_has_on_record() {
    let host = Host::new();
    let (users, roots) = ("c".repeat(64), format!("cccc{}", "d".repeat(60)));
    host.process(60, 600, 400, &format!("{USERS}/docker-{users}.scope"), 'S');
    assert_eq!(host.pid("cccc"), Ok(60));
    docker_has(&host, &roots, "shop", 0);
    for spelled in ["cccc", "shop"] {
        let ended = "shop has no process: it is created".to_owned();
        assert_eq!(host.pid(spelled), Err(ended), "{spelled}");
    }
    assert_eq!(host.pid(&users), Ok(60));
    // What root runs is not looked for among records.
    let others = host.resolve("aaaa").unwrap().others.unwrap().list;
    let pid = |one: &Container| one.init.as_ref().unwrap().pid.number();
    assert_eq!(others.iter().map(pid).collect::<Vec<_>>(), [22, 60]);
}

#[test]
fn who_has_a_record_alone_is_said_not_to_run() {
    let host = Host::new();
    let (ended, hosts) = ("d".repeat(64), "e".repeat(64));
    docker_has(&host, &ended, "shop", 0);
    // One that shares the namespaces of the host.
    docker_has(&host, &hosts, "net", 61);
    host.process(61, 610, 100, &format!("/docker/{hosts}"), 'S');
    let none = |name: &str| format!("no container on this host has the name or id {name}");
    let said = |name: &str| {
        by_record(&host.root, name.as_bytes(), TargetError::NoContainer(name.into())).to_string()
    };
    assert_eq!(said("shop"), "shop has no process: it is created");
    assert_eq!((said("net"), said("web")), (none("net"), none("web")));
    let other = by_record(&host.root, b"shop", TargetError::NoPod("shop".into())).to_string();
    assert_eq!(other, "no container in shop is known");
}

#[test]
fn whose_namespaces_may_not_be_read_is_in_a_container_or_not() {
    let host = Host::new();
    let kernels = |pid: u32| {
        host.process(pid, pid, 100, "/", 'S');
        let stat =
            format!("{pid} (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 {pid} 0 0\n");
        host.write(&format!("proc/{pid}/stat"), &stat);
    };
    kernels(2);
    kernels(3);
    for pid in [1, 3, 30] {
        std::fs::remove_file(host.temp.path().join(format!("proc/{pid}/ns/mnt"))).unwrap();
    }
    for pid in [1, 3, 31] {
        let spelled = pid.to_string();
        assert_eq!(host.containers(&spelled), Err(format!("pid {pid} is in no container")));
    }
    let unseen = host.containers("30").unwrap_err();
    assert!(unseen.starts_with("whether pid 30 is in a container is not known"), "{unseen}");
}

#[test]
fn processes_that_cannot_be_targets_are_told_apart() {
    let host = Host::new();
    assert_eq!(host.pid("99"), Err("no process has pid 99".to_owned()));
    let zombie = "pid 32 has ended and waits for its parent to collect it (a zombie)";
    assert_eq!(host.pid("32"), Err(zombie.to_owned()));
    assert_eq!(host.pid("30"), Ok(30));
    let alone = host.resolve("30").unwrap();
    assert_eq!(alone.processes(None).iter().map(|pid| pid.number()).collect::<Vec<_>>(), [30]);
    let label = Text::from("it");
    let pid = Pid::new(30).unwrap();
    let namespaces = pin::pin(&host.root, pid).unwrap().process.namespaces;
    assert!(pin::pin_known(&host.root, (pid, 300, &namespaces), &label).is_ok());
    let other = pin::pin_known(&host.root, (pid, 301, &namespaces), &label).unwrap_err();
    assert!(matches!(other, TargetError::Ended(_)), "{other}");
}

#[test]
fn a_target_lies_in_containers_by_what_it_is() {
    let host = Host::new();
    let of = |spelled: &str| host.containers(spelled);
    let found = |ids: &[&str]| Ok(ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
    assert_eq!(of("21"), found(&["a"]));
    assert_eq!(of("30"), Err("pid 30 is in no container".to_owned()));
    assert_eq!(of("99"), Err("no process has pid 99".to_owned()));
    assert_eq!(of("bbbb"), found(&["b"]));
    assert_eq!(of("ns:200"), found(&["a"]));
    assert_eq!(of("ns:100"), Err("ns:100 is in no container".to_owned()));
    host.process(23, 230, 200, &format!("/docker/{WEB}"), 'S');
    let net = host.temp.path().join("proc/23/ns/net");
    std::fs::remove_file(&net).unwrap();
    symlink("net:[403]", net).unwrap();
    assert_eq!(of("ns:403"), found(&["a"]), "a process of it alone is in that");
    assert_eq!(of("cgroup:/docker"), found(&["a", "b"]));
    assert_eq!(of(&format!("cgroup:/docker/{DB}")), found(&["b"]));
    assert_eq!(of("cgroup:/none"), Err("no process is in cgroup:/none".to_owned()));
    assert_eq!(of("unit:s"), Err("unit:s is in no container".to_owned()));
    assert_eq!(of("pod:web"), Err("no container in pod:web is known".to_owned()));
    let all = collect_containers(&host.root).unwrap();
    let named = |spelled: &str| all_named(&all, spelled.as_bytes()).unwrap().len();
    assert_eq!((named("aaaa"), named("cccc"), named("ns:200")), (1, 0, 0));
}
