//! `who`: processes, threads, groups, namespaces and names lead to whose they are.

use crate::support::{
    Held, Need, as_nobody, child_of, cost, has_ended, isolated, json, namespace, nsx, output,
    public_nsx, stderr, stdout, succeeds, test, until,
};
use libtest_mimic::Trial;
use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const ROOT: &[Need] = &[Need::Root];
const PERL: &[Need] = &[Need::Root, Need::Program("perl")];
const PYTHON: &[Need] = &[Need::Root, Need::Program("python3")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("who: a process, a thread and a child lead to their container", PYTHON, process),
        test("who: every process of a number inside is told", ROOT, inside),
        test("who: a group leads to what runs in it", ROOT, group),
        test("who: a group of many processes takes no more memory for each", PERL, crowd),
        test("who: a namespace leads to who is in it, by each spelling", ROOT, of_namespace),
        test("who: a namespace of nobody leads to what keeps it", ROOT, nobodys),
        test("who: a name leads to a container, running or not", ROOT, name),
        test("who: of two with one name each is told by what means it alone", ROOT, twins),
        test("who: clues come from standard input, and answers go to scripts", ROOT, script),
        test("who: what leads nowhere is 3, what is no clue is 2", ROOT, mistakes),
        test("who: a user is told what he may see, and what he may not", ROOT, of_a_user),
    ]
}

/// One is root's, the other a user's, whose directory of this kind login managers make.
fn twins() {
    struct Made(Vec<PathBuf>);
    impl Drop for Made {
        fn drop(&mut self) {
            for path in self.0.iter().rev() {
                let _ = std::fs::remove_dir_all(path);
            }
        }
    }
    let runtime = Path::new("/run/user/65534");
    let missing = [Path::new("/run/user"), runtime].into_iter().filter(|path| !path.exists());
    let made = Made(missing.map(Path::to_owned).collect());
    std::fs::create_dir_all(runtime).unwrap();
    std::os::unix::fs::chown(runtime, Some(65534), Some(65534)).unwrap();
    std::fs::set_permissions(runtime, PermissionsExt::from_mode(0o700)).unwrap();
    let (_root, roots) = named("who-twin", "sleep 1000");
    let (_directory, copy) = public_nsx();
    let mut spawn = as_nobody(&copy);
    spawn.args(["spawn", "-U", "--newpid", "--name", "who-twin", "sh", "-c"]);
    let (user, line) = Held::ready(
        spawn.arg("echo ready; sleep 1000").env("XDG_RUNTIME_DIR", runtime).stdin(Stdio::null()),
    );
    assert_eq!(line, "ready");
    for pid in [roots, child_of(user.pid()).unwrap()] {
        let pid = pid.to_string();
        assert_eq!(succeeds(&mut nsx(["who", "-q", &pid])), format!("{pid}\n"));
        assert_eq!(rows(&[&pid])[0]["owner"]["target"], *pid);
        let only = format!("pid == {pid}");
        assert_eq!(succeeds(&mut nsx(["ps", "-q", "-Q", &only])), format!("{pid}\n"));
    }
    drop((user, made));
}

/// The rows of JSON.
pub fn rows(clues: &[&str]) -> Vec<Value> {
    let said = json(nsx(["who", "--json"]).args(clues));
    said["data"].as_array().unwrap().clone()
}

/// A program that nsx spawned under a name, and its pid.
fn named(name: &str, script: &str) -> (Held, u32) {
    let options = ["spawn", "--newpid", "--name", name, "sh", "-c"];
    let (held, line) = Held::ready(nsx(options).arg(format!("echo ready; {script}")));
    assert_eq!(line, "ready");
    let pid = child_of(held.pid()).unwrap();
    (held, pid)
}

fn process() {
    let script = "python3 -c 'import threading,time
t = threading.Thread(target=time.sleep, args=(1000,), daemon=True); t.start(); time.sleep(1000)'";
    let (_held, pid) = named("who-process", script);
    until("python has two threads", || {
        child_of(pid).and_then(|child| crate::support::status(child, "Threads")).as_deref()
            == Some("2")
    });
    let child = child_of(pid).unwrap();
    let threads = std::fs::read_dir(format!("/proc/{child}/task")).unwrap();
    let mut threads = threads.map(|one| one.unwrap().file_name().into_string().unwrap());
    let thread = threads.find(|one| *one != child.to_string()).unwrap();
    for (clue, step) in [
        (pid.to_string(), (pid, Value::Null, "sh")),
        (format!("pid:{child}"), (child, Value::Null, "python3")),
        (thread.clone(), (child, thread.parse::<u32>().unwrap().into(), "python3")),
    ] {
        let rows = rows(&[&clue]);
        assert_eq!(rows.len(), 1, "{clue}: {rows:?}");
        let found = &rows[0]["steps"][0];
        assert_eq!((&found["pid"], &found["thread"]), (&step.0.into(), &step.1), "{found}");
        assert_eq!(found["comm"], step.2);
        assert_eq!(rows[0]["owner"]["container"]["name"], "who-process", "{}", rows[0]);
        assert_eq!(rows[0]["owner"]["target"], "nsx:who-process");
        assert_eq!(rows[0]["owner"]["container"]["pid"], pid);
    }
    let own = rows(&[&std::process::id().to_string()]);
    assert_eq!(own[0]["owner"]["kind"], "host");
}

fn inside() {
    let (_one, first) = isolated(&["-p"]);
    let (_other, second) = isolated(&["-p"]);
    let rows = rows(&["nspid:1"]);
    let pids: Vec<u64> = rows.iter().filter_map(|row| row["steps"][0]["pid"].as_u64()).collect();
    assert!(pids.contains(&first.into()) && pids.contains(&second.into()), "{pids:?}");
    // As NSpid says of every process there is.
    for row in &rows {
        let pid = u32::try_from(row["steps"][0]["pid"].as_u64().unwrap()).unwrap();
        let Some(levels) = crate::support::status(pid, "NSpid") else { continue };
        let levels: Vec<&str> = levels.split_whitespace().collect();
        assert!(levels.last() == Some(&"1"), "{levels:?}");
    }
}

/// A control group with that process, and what it is called.
fn group_with(pid: u32) -> (tempfile::TempDir, String) {
    let mut directory = tempfile::Builder::new();
    let hierarchy = if std::path::Path::new("/sys/fs/cgroup/unified").exists() {
        "/sys/fs/cgroup/unified"
    } else {
        "/sys/fs/cgroup"
    };
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned();
    let below = directory.prefix("nsx-who-").tempdir_in(format!("{hierarchy}{own}")).unwrap();
    let name = below.path().file_name().unwrap().to_str().unwrap().to_owned();
    let path = format!("{}/{name}", own.trim_end_matches('/'));
    std::fs::write(below.path().join("cgroup.procs"), pid.to_string()).unwrap();
    (below, path)
}

/// Once nothing is in it. The files in it are the kernel's, and go with it.
fn remove_group(below: tempfile::TempDir) {
    let procs = below.path().join("cgroup.procs");
    until("the group is empty", || std::fs::read_to_string(&procs).unwrap().is_empty());
    std::fs::remove_dir(below.keep()).unwrap();
}

fn group() {
    let (held, pid) = isolated(&["-p"]);
    let (below, path) = group_with(pid);
    let clue = format!("cgroup:{path}");
    let found = rows(&[&clue]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["steps"][0]["path"], path.as_str());
    assert_eq!(found[0]["steps"][1]["pid"], pid);
    assert_eq!(found[0]["owner"]["container"]["pid"], pid);
    drop(held);
    until("the group is empty", || {
        std::fs::read_to_string(below.path().join("cgroup.procs")).unwrap().is_empty()
    });
    let none = output(&mut nsx(["who", &clue]));
    assert_eq!(none.status.code(), Some(3), "{}", stdout(&none));
    remove_group(below);
}

/// What many lead to is held once.
fn crowd() {
    const MANY: usize = 2000;
    let script = "$| = 1; print qq(ready\\n); <STDIN>;
        for (1 .. $ARGV[0]) { fork or do { sleep 1000; exit } } sleep 1000";
    let mut command = nsx(["spawn", "--newpid", "perl", "-e", script, &MANY.to_string()]);
    let (mut held, _) = Held::ready(command.stdin(Stdio::piped()));
    let pid = child_of(held.pid()).unwrap();
    let (below, path) = group_with(pid);
    held.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    let procs = below.path().join("cgroup.procs");
    until("all are there", || std::fs::read_to_string(&procs).unwrap().lines().count() == MANY + 1);
    let peak = |clue: &str| {
        let cost = cost::bounded(&nsx(["who", "-q", clue]));
        assert_eq!(String::from_utf8_lossy(&cost.output.stdout), format!("{pid}\n"));
        cost.peak_kib
    };
    let (one, all) = (peak(&format!("pid:{pid}")), peak(&format!("cgroup:{path}")));
    drop(held);
    remove_group(below);
    assert!(all < one + (6 << 10), "{one} KiB for one of them, {all} KiB for all");
}

fn of_namespace() {
    let (_held, pid) = named("who-namespace", "exec sleep 1000");
    let link = namespace(pid, "pid");
    let inode = link.trim_start_matches("pid:[").trim_end_matches(']').to_owned();
    let file = format!("/proc/{pid}/ns/pid");
    for clue in [link.clone(), inode.clone(), format!("ns:{inode}"), file] {
        let rows = rows(&[&clue]);
        assert_eq!(rows.len(), 1, "{clue}: {rows:?}");
        assert_eq!(rows[0]["steps"][0]["inode"].to_string(), inode);
        assert_eq!(rows[0]["steps"][1]["pid"], pid);
        assert_eq!(rows[0]["owner"]["container"]["name"], "who-namespace");
    }
    let host = rows(&[&namespace("self", "user")]);
    assert_eq!((host.len(), &host[0]["owner"]["kind"]), (1, &"host".into()));
}

fn nobodys() {
    // Held by a descriptor of the shell alone.
    let hold = "exec 3<\"/proc/$1/ns/uts\"; echo ready; exec sleep 1000";
    let (program, pid) = isolated(&["-u"]);
    let kept = namespace(pid, "uts");
    let mut command = std::process::Command::new("sh");
    let (holder, ready) = Held::ready(command.args(["-c", hold, "sh", &pid.to_string()]));
    assert_eq!(ready, "ready");
    drop(program);
    until("it ends", || has_ended(pid));
    // Whoever else looks at it holds it for a moment.
    let rows = rows(&[&kept]);
    let row = rows.iter().find(|row| row["steps"][1]["pid"] == holder.pid());
    let row = row.unwrap_or_else(|| panic!("{rows:?}"));
    let step = &row["steps"][1];
    assert_eq!(
        (&step["kind"], &step["by"], &step["number"]),
        (&"use".into(), &"descriptor".into(), &3.into())
    );
    assert_eq!(row["owner"]["kind"], "host");
}

fn name() {
    let (_held, pid) = named("who-name", "exec sleep 1000");
    for clue in ["who-name", "nsx:who-name", "name:who-name"] {
        let rows = rows(&[clue]);
        assert_eq!(rows[0]["owner"]["container"]["pid"], pid, "{rows:?}");
        assert_eq!(rows[0]["steps"][0]["kind"], "record");
    }
}

fn script() {
    let (_held, pid) = named("who-script", "exec sleep 1000");
    let mut command = nsx(["who", "-q", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = format!("{pid}\n\n  who-script\n{}\n", namespace(pid, "pid"));
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let said = crate::support::finish(child);
    assert_eq!(stdout(&said), "who-script\n", "{}", stderr(&said));
    let lines = succeeds(&mut nsx(["who", "-o", "jsonl", &pid.to_string(), "who-script"]));
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&rows[0]["kind"], &rows[1]["kind"]), (&"pid".into(), &"name".into()));
}

fn mistakes() {
    for clue in ["4194304", "ns:7", "no-such-name", "cgroup:/no/such", "nspid:4194303"] {
        let said = output(&mut nsx(["who", clue]));
        assert_eq!((said.status.code(), stdout(&said).as_str()), (Some(3), ""), "{clue}");
        assert!(stderr(&said).contains("is, or leads to, "), "{}", stderr(&said));
    }
    // What is found is told all the same.
    let said = output(&mut nsx(["who", "1", "no-such-name"]));
    assert_eq!(said.status.code(), Some(3));
    assert!(stdout(&said).contains("pid 1 ("), "{}", stdout(&said));
    for clue in ["pid:x", "port:", "dev:1", "path:x", ""] {
        assert_eq!(output(&mut nsx(["who", clue])).status.code(), Some(2), "{clue}");
    }
    assert_eq!(output(nsx(["who", "-"]).stdin(Stdio::null())).status.code(), Some(2));
}

fn of_a_user() {
    let (_directory, program) = public_nsx();
    let (_held, pid) = isolated(&["-p"]);
    let said = output(as_nobody(&program).args(["who", &pid.to_string()]));
    assert_eq!(said.status.code(), Some(0), "{}", stderr(&said));
    assert!(stdout(&said).contains(&format!("pid {pid} (")), "{}", stdout(&said));
    // Nobody knows that it is the host's.
    assert!(stdout(&said).lines().nth(1).unwrap().starts_with("?  "), "{}", stdout(&said));
    assert!(stderr(&said).contains("run as root to see more"), "{}", stderr(&said));
}
