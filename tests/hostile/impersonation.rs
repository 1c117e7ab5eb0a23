//! A process that dresses as a container it is not: the name must not lead to it.

use crate::names::own_group;
use crate::support::{
    self, Held, Need, as_nobody, binary, child_of, finish, isolated, nsx, output, public_nsx,
    stderr, stdout, test, until,
};
use libtest_mimic::Trial;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const ROOT: &[Need] = &[Need::Root];
const SETPRIV: &[Need] = &[Need::Root, Need::Program("setpriv")];
const STRACE: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("strace")];
// Trials run beside one another, and an id that two containers have is ambiguous: each has its own.
const OLDER: &str = "5ca1ab1e00000000000000000000000000000000000000000000000000000042";
const DELEGATED: &str = "de1e9a7ed0000000000000000000000000000000000000000000000000000042";
const OF_POD: &str = "b0de9a7ed0000000000000000000000000000000000000000000000000000042";
const OUTER: &str = "0a7e5ca1ab1e0000000000000000000000000000000000000000000000000042";
const MOVER: &str = "0000e5ca1ab1e000000000000000000000000000000000000000000000000042";
const MOVED: &str = "f1a7e5ca1ab1e000000000000000000000000000000000000000000000000042";
const SPELLED: &str = "c0ffee0000000000000000000000000000000000000000000000000000000042";

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "an older process in a group of the same id is not taken for the container",
            ROOT,
            older,
        ),
        test(
            "an older process of another container that moved into its group is not taken for it",
            ROOT,
            moved,
        ),
        test(
            "what a user left on disk does not make a container of his process",
            SETPRIV,
            forged_bundle,
        ),
        test("swapping those files between two looks does not either", STRACE, swapped_bundle),
        test(
            "what a user notes of a runtime names nobody's process but his own",
            ROOT,
            forged_state,
        ),
        test(
            "a group that only spells a name does not hide the container of that id",
            ROOT,
            spelled,
        ),
        test("a group that a user may make does not make its name a target", ROOT, delegated),
        test("a group of a user's does not make a pod of root's of his process", ROOT, pod),
        test(
            "a user's or a nested container does not win a name, nor make it ambiguous",
            ROOT,
            ranked,
        ),
    ]
}

/// A group below ours that is removed with the test; its processes must have ended by then.
struct Group(PathBuf);

impl Group {
    fn new(path: &str) -> Self {
        let group = own_group().join(path);
        std::fs::create_dir_all(&group).unwrap();
        Self(group)
    }

    fn take(&self, pid: u32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        crate::support::until("the group can be removed", || {
            std::fs::remove_dir(&self.0).is_ok() || !self.0.exists()
        });
        let own = own_group();
        for above in self.0.ancestors().skip(1).take_while(|above| **above != own) {
            let _ = std::fs::remove_dir(above);
        }
    }
}

/// Who may make a control group anywhere (a user with a delegated one) may call it as he likes.
fn older() {
    let real = Group::new(&format!("nsx-test-real/docker-{OLDER}.scope"));
    let forged = Group::new(&format!("nsx-test-forged/docker-{OLDER}.scope"));
    let (_attacker, attacker) = isolated(&["-p", "-n", "-U"]);
    let (_victim, victim) = isolated(&["-p", "-n"]);
    forged.take(attacker);
    real.take(victim);
    let found = output(&mut nsx(["inspect", "-q", &OLDER[..12]]));
    let to_attacker = stdout(&found).trim() == attacker.to_string();
    assert!(!to_attacker, "the id leads to another process than the container's");
    let refused = found.status.code() == Some(2) && stderr(&found).contains("ambiguous");
    assert!(refused || stdout(&found).trim() == victim.to_string(), "{}", stderr(&found));
    let entered = output(&mut nsx(["enter", "-t", OLDER, "-a", "readlink", "/proc/self/ns/user"]));
    assert_ne!(stdout(&entered).trim(), crate::support::namespace(attacker, "user"));
}

/// Who may write to the hierarchy puts a process of his container into any group of it.
fn moved() {
    let home = Group::new(&format!("nsx-test-mover/docker-{MOVER}.scope"));
    let group = Group::new(&format!("nsx-test-moved/docker-{MOVED}.scope"));
    let (_attacker, attacker) = isolated(&["-p", "-n"]);
    home.take(attacker);
    // As `docker exec` starts one: its parent is a process of the host.
    let mut inside = nsx(["enter", "-t", &attacker.to_string(), "-p", "sh", "-c"]);
    let (guest, _) = Held::ready(inside.arg("echo ready; exec sleep 1000"));
    let guest_pid = support::sleeper_of(guest.pid());
    group.take(guest_pid);
    let (victim_held, victim) = isolated(&["-p", "-n"]);
    group.take(victim);

    let found = |id: &str| output(&mut nsx(["inspect", "-q", id]));
    let led = found(MOVED);
    assert_eq!(stdout(&led).trim(), victim.to_string(), "{}", stderr(&led));
    assert_eq!(stdout(&found(MOVER)).trim(), attacker.to_string());
    let lines = std::fs::read_to_string(format!("/proc/{victim}/cgroup")).unwrap();
    let path = lines.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
    assert_eq!(stdout(&found(&format!("cgroup:{path}"))).trim(), victim.to_string());
    let entered = output(&mut nsx(["enter", "-t", MOVED, "-p", "readlink", "/proc/self/ns/pid"]));
    assert_eq!(stdout(&entered).trim(), support::namespace(victim, "pid"));
    drop(victim_held);
    until("the container ends", || !Path::new(&format!("/proc/{victim}")).exists());
    let gone = found(MOVED);
    assert_eq!(gone.status.code(), Some(3), "{}{}", stdout(&gone), stderr(&gone));
    drop(guest);
    until("the process ends", || !Path::new(&format!("/proc/{guest_pid}")).exists());
}

/// `a:docker:NAME` is the spelling of some runtimes; NAME can be any word.
fn spelled() {
    let real = Group::new(&format!("nsx-test-real2/docker-{SPELLED}.scope"));
    let forged = Group::new(&format!("nsx-test-forged2/a:docker:{SPELLED}"));
    let (_attacker, attacker) = isolated(&["-p", "-n", "-U"]);
    let (_victim, victim) = isolated(&["-p", "-n"]);
    forged.take(attacker);
    real.take(victim);
    let found = output(&mut nsx(["inspect", "-q", SPELLED]));
    assert_ne!(stdout(&found).trim(), attacker.to_string(), "it leads to the attacker");
    let refused = found.status.code() == Some(2) && stderr(&found).contains("ambiguous");
    assert!(refused || stdout(&found).trim() == victim.to_string(), "{}", stderr(&found));
}

/// A user's process that works where a shim would, with an engine's files of his own beside it.
struct Forged {
    /// Ends before its files.
    _held: Held,
    pid: u32,
    bundle: PathBuf,
    _files: tempfile::TempDir,
}

impl Forged {
    fn start(name: &str) -> Self {
        let (_directory, copy) = public_nsx();
        let files = tempfile::tempdir().unwrap();
        let id = OLDER.replace('a', "b");
        let bundle = files.path().join("io.containerd.runtime.v2.task/moby").join(&id);
        let record = files.path().join("data/containers").join(&id);
        for directory in [&bundle, &record] {
            std::fs::create_dir_all(directory).unwrap();
        }
        let config = serde_json::json!({"mounts": [{"source": record.join("hostname")}]});
        std::fs::write(bundle.join("config.json"), config.to_string()).unwrap();
        for entry in [files.path(), &bundle, &record] {
            std::os::unix::fs::chown(entry, Some(65534), Some(65534)).unwrap();
        }
        let mut spawn = as_nobody(&copy);
        spawn.args(["spawn", "-U", "-p", "sh", "-c", "echo ready; exec sleep 1000"]);
        let (held, _) = Held::ready(spawn.current_dir(&bundle).stdin(Stdio::null()));
        let pid = child_of(held.pid()).unwrap();
        let config = serde_json::json!({
            "ID": id, "Name": format!("/{name}"), "Config": {"Image": "nginx"}, "State": {"Pid": pid},
        });
        std::fs::write(record.join("config.v2.json"), config.to_string()).unwrap();
        Self { _held: held, pid, bundle, _files: files }
    }

    /// `nsx ps --json` must show it as what it is: a process without a name.
    fn is_nobody(&self, listing: &[u8]) {
        let rows: Value = serde_json::from_slice(listing).unwrap();
        let rows = rows["data"].as_array().unwrap();
        let row = rows.iter().find(|row| row["pid"] == self.pid).unwrap();
        assert_eq!((&row["name"], &row["id"]), (&Value::Null, &Value::Null), "{row}");
    }
}

fn forged_bundle() {
    let forged = Forged::start("nsx-forged-web");
    forged.is_nobody(&output(&mut nsx(["ps", "--json"])).stdout);
    let entered = output(&mut nsx(["enter", "-t", "nsx-forged-web", "-a", "echo", "RAN"]));
    assert_eq!((entered.status.code(), stdout(&entered).as_str()), (Some(125), ""));
}

/// While its directory is looked at, a link to one of root's stands in its place. strace holds nsx
/// whenever it asks for that path.
fn swapped_bundle() {
    let forged = Forged::start("nsx-swapped-web");
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-qq", "-e", "inject=?open,openat:delay_enter=1500000", "-P"])
        .arg(&forged.bundle);
    strace.arg("-o").arg(log.path()).arg(binary("nsx")).args(["ps", "--json"]);
    strace.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let strace = strace.spawn().unwrap();
    let done = support::pidfd(strace.id()).unwrap();
    let ended = || support::ends_within(&done, Duration::ZERO);
    let mut held = 0;
    let mut before = None;
    until("nsx is held at the path, or has no use for it", || {
        let call = child_of(strace.id())
            .and_then(|nsx| std::fs::read_to_string(format!("/proc/{nsx}/syscall")).ok());
        held = if call.is_some() && call == before { held + 1 } else { 0 };
        before = call;
        held > 100 || ended()
    });
    let aside = forged.bundle.with_extension("aside");
    std::fs::rename(&forged.bundle, &aside).unwrap();
    std::os::unix::fs::symlink("/", &forged.bundle).unwrap();
    // The call's line ends when it returns.
    until("nsx has looked", || {
        ended() || std::fs::read_to_string(log.path()).unwrap().contains('\n')
    });
    std::fs::remove_file(&forged.bundle).unwrap();
    std::fs::rename(&aside, &forged.bundle).unwrap();
    forged.is_nobody(&finish(strace).stdout);
}

/// A directory that is removed with the test.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A record of crun's: root's names the process, a user's does not.
fn forged_state() {
    let name = "nsx-forged-state";
    // In a group of crun's, or it would be what `nsx spawn` made.
    let group = Group::new("nsx-test-records/crun-nsx-test-group.scope");
    let (_held, pid) = isolated(&["-p", "-n"]);
    group.take(pid);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after) = stat.rsplit_once(')').unwrap();
    let start: u64 = after.split_whitespace().nth(19).unwrap().parse().unwrap();
    let status = serde_json::json!({
        "pid": pid,
        "process-start-time": start,
        "created": "2026-11-24T14:21:25Z",
        "bundle": "/srv/forged",
    });
    let note = |state: &str| {
        let container = PathBuf::from(state).join("crun").join(name);
        std::fs::create_dir_all(&container).unwrap();
        std::fs::write(container.join("status"), status.to_string()).unwrap();
        container
    };
    let row = || {
        let listed = support::json(&mut nsx(["ps", "--all", "--json"]));
        let rows = listed["data"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["name"] == name)
    };
    // Root may say what he likes: the test can fail.
    let of_root = Directory(note("/run"));
    assert_eq!(row().unwrap()["pid"], pid);
    drop(of_root);
    assert_eq!(row(), None);
    let of_user = Directory(PathBuf::from("/run/user/65534"));
    let container = note("/run/user/65534");
    for path in container.ancestors().take(3).map(PathBuf::from).chain([container.join("status")]) {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    }
    let row = row().unwrap();
    assert_eq!((&row["pid"], &row["owner_uid"]), (&Value::Null, &65534.into()), "{row}");
    drop(of_user);
}

/// A part of the hierarchy that is a user's, as service managers delegate it.
fn delegated() {
    for (name, target) in [
        ("lxc.payload.nsx-forged-lxc", "nsx-forged-lxc"),
        ("machine-nsx-forged.scope", "nsx-forged"),
        (&format!("x.slice:docker:{DELEGATED}"), DELEGATED),
        (&format!("libpod-{DELEGATED}.scope"), DELEGATED),
    ] {
        let group = Group::new(&format!("nsx-test-delegated/{name}"));
        let (_held, pid) = isolated(&["-p", "-n"]);
        group.take(pid);
        // Root's own group may name a container: the test can fail.
        let found = output(&mut nsx(["inspect", "-q", target]));
        assert_eq!(stdout(&found).trim(), pid.to_string(), "{name}: {}", stderr(&found));
        std::os::unix::fs::chown(&group.0, Some(65534), Some(65534)).unwrap();
        let found = output(&mut nsx(["inspect", "-q", target]));
        assert_eq!(found.status.code(), Some(3), "{name}: {}", stdout(&found));
        let listed = support::json(&mut nsx(["ps", "--json"]));
        let rows = listed["data"].as_array().unwrap();
        assert!(rows.iter().any(|row| row["pid"] == pid), "{name}: the process is listed still");
    }
}

/// Whose slice it is, and which pod, is said by groups that are a user's.
fn pod() {
    let uid = "6e6f8a2c-1111-2222-3333-444455556666";
    let pods = Path::new("/var/log/pods");
    let logs = Directory(pods.join(format!("nsx-test_cart-7d4b9_{uid}")));
    std::fs::create_dir_all(&logs.0).unwrap();
    let slice = format!("kubepods-pod{}.slice", uid.replace('-', "_"));
    for above in ["user-0.slice/kubepods.slice", "user-1001.slice/kubepods.slice", "kubepods.slice"]
    {
        let path = format!("nsx-test-pods/{above}/{slice}/cri-containerd-{OF_POD}.scope");
        let group = Group::new(&path);
        let (_held, pid) = isolated(&["-p", "-n"]);
        group.take(pid);
        let row = || {
            let listed = support::json(&mut nsx(["ps", "--json"]));
            let rows = listed["data"].as_array().unwrap();
            rows.iter().find(|row| row["pid"] == pid).unwrap().clone()
        };
        // Root may say so, but of its own: the test can fail.
        let told = row();
        let is_his = above.contains("1001");
        let name = if is_his { Value::Null } else { "cart-7d4b9".into() };
        assert_eq!((&told["pod"]["name"], &told["pod"]["uid"]), (&name, &uid.into()), "{told}");
        std::os::unix::fs::chown(&group.0, Some(65534), Some(65534)).unwrap();
        let told = row();
        assert_eq!((&told["pod"], &told["owner_uid"]), (&Value::Null, &65534.into()), "{told}");
    }
    drop(logs);
    // Where there are no others.
    let _ = std::fs::remove_dir(pods);
}

/// All three are older than the victim or younger, and of the very name.
fn ranked() {
    let name = "nsx-test-ranked";
    let payload = format!("lxc.payload.{name}");
    let of_user = Group::new(&format!("user-65534.slice/{payload}"));
    let nested = Group::new(&format!("docker-{OUTER}.scope/{payload}"));
    let of_root = Group::new(&format!("nsx-test-ranked/{payload}"));
    let (_elder, elder) = isolated(&["-p", "-n"]);
    let (victim_held, victim) = isolated(&["-p", "-n"]);
    let (_younger, younger) = isolated(&["-p", "-n"]);
    of_user.take(elder);
    of_root.take(victim);
    nested.take(younger);
    let found = |target: &str| output(&mut nsx(["inspect", "-q", target]));
    for target in [name, &format!("lxc:{name}")] {
        let found = found(target);
        assert_eq!(stdout(&found).trim(), victim.to_string(), "{target}: {}", stderr(&found));
    }
    let entered = output(&mut nsx(["enter", "-t", name, "-n", "readlink", "/proc/self/ns/net"]));
    assert_eq!(stdout(&entered).trim(), support::namespace(victim, "net"));
    // Alone they are found, and told apart: the test can fail.
    drop(victim_held);
    // It dies with its parent, which does not wait for that.
    until("it is gone", || support::has_ended(victim));
    let ambiguous = found(name);
    let said = stderr(&ambiguous);
    assert_eq!(ambiguous.status.code(), Some(2), "{said}");
    for told in ["uid 65534", "within", &elder.to_string(), &younger.to_string()] {
        assert!(said.contains(told), "{told}: {said}");
    }
}
