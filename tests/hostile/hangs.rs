//! What never answers: a FUSE mount whose server is silent, a memory lock that is held for ever, a
//! frozen container. Every report comes in time and in bounded memory, with one cell less, marked.

use crate::stopped::{FREEZER, Frozen};
use crate::support::cost::{self, Cost};
use crate::support::{
    Held, Need, asleep, child_of, isolated, nsx, pidfd, status, stderr, stdout, test,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

const FUSE: &[Need] = &[
    Need::Root,
    Need::Program("perl"),
    Need::Program("nsenter"),
    Need::Machine("/dev/fuse", || std::path::Path::new("/dev/fuse").exists()),
];
const BUSYBOX: &[Need] = &[
    Need::Root,
    Need::Program("perl"),
    Need::Program("nsenter"),
    Need::Program("ip"),
    Need::Program("busybox"),
    Need::Machine("/dev/fuse", || std::path::Path::new("/dev/fuse").exists()),
];
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile/scripts/silent.pl");

pub fn tests() -> Vec<Trial> {
    vec![
        test("a dead file system within a container costs nothing", FUSE, inside),
        test("a process whose memory is locked costs its command line", FUSE, beside),
        test("a first process whose memory is locked costs its command line", FUSE, locked),
        test("monitors whose memory is locked are waited for once", FUSE, monitors),
        test("the records on a dead file system are lost, and nothing else", FUSE, records),
        test("a frozen container costs nothing", FREEZER, frozen),
        test("whose a dead file system is, is told without it", FUSE, whose),
        test("a /proc that never answers does not keep who enters", FUSE, dead_proc),
        test("everything that is silent, at once, costs its own cells", BUSYBOX, at_once),
    ]
}

/// A container with a dead file system. Its server is ended first: then everybody else can be.
struct Silent {
    server: OwnedFd,
    _held: Held,
    first: u32,
    named: HashMap<String, u32>,
}

impl Silent {
    fn start(options: &[&str], roles: &[&str]) -> Self {
        let numbers =
            [libc::SYS_mount, libc::SYS_mmap, libc::SYS_prctl, libc::SYS_setns, libc::SYS_brk]
                .map(|number| number.to_string());
        let mut command = nsx(["spawn", "-m"]);
        command.args(options).args(["perl", SCRIPT]).args(numbers).args(roles);
        let (held, line) = Held::ready(command.stdin(Stdio::null()));
        let first = child_of(held.pid()).expect("the first process");
        let below = descendants(first);
        let named = line.strip_prefix("ready").expect(&line).split_whitespace().map(|word| {
            let (name, inside) = word.split_once('=').unwrap();
            let is_it = |pid: &u32| {
                status(*pid, "NSpid").is_some_and(|all| all.split('\t').next_back() == Some(inside))
            };
            (name.to_owned(), *below.iter().find(|pid| is_it(pid)).expect(name))
        });
        let named: HashMap<String, u32> = named.collect();
        let server = pidfd(named["server"]).unwrap();
        Self { server, _held: held, first, named }
    }

    /// A command in its mount namespace, and in no other of its own.
    fn there(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.first.to_string(), "-m"]);
        let nsx = nsx(arguments);
        command.arg(nsx.get_program()).args(nsx.get_args());
        command
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = rustix::process::pidfd_send_signal(&self.server, rustix::process::Signal::KILL);
    }
}

fn descendants(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children = children.split_whitespace().map(|child| child.parse().unwrap());
    children.flat_map(|child: u32| std::iter::once(child).chain(descendants(child))).collect()
}

/// The container's own, which is another than the one that nsx reads.
fn dead_proc() {
    let silent = Silent::start(&["-p"], &["at=/proc"]);
    let target = silent.first.to_string();
    for way in [&["-a"][..], &["-m"], &["-a", "--init"], &["-a", "-S", "follow"]] {
        let cost = cost::bounded(nsx(["enter", "-t", &target]).args(way).arg("/bin/true"));
        assert!(cost.output.status.success(), "{way:?}: {}", stderr(&cost.output));
    }
}

fn looks(pid: u32) -> Vec<Vec<String>> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    [
        "ps",
        "ps -o wide",
        "ps --all --json",
        "ps --usage --interval 0",
        "ps --orphans",
        "ns",
        "ns --json",
        "ns --threads",
        "ns --all --threads --sockets --json",
        "ps -o name",
        "inspect nobody-has-this-name",
        "inspect netns:nobody",
    ]
    .into_iter()
    .map(words)
    .chain([
        vec!["inspect".to_owned(), pid.to_string()],
        vec!["inspect".to_owned(), "--json".to_owned(), pid.to_string()],
        vec!["inspect".to_owned(), "--usage".to_owned(), pid.to_string()],
        vec!["ns".to_owned(), "-p".to_owned(), pid.to_string()],
    ])
    .collect()
}

/// Everything that only looks, in time and in bounds. Most of the time they wait, together.
fn everything(pid: u32, command: impl Fn(&[&str]) -> Command + Sync) {
    let look = |words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let cost = cost::bounded(&command(&words));
        let is_unknown = words.iter().any(|word| word.contains("nobody"));
        // A record that was not read may have any name.
        let is_open = stderr(&cost.output).contains("cannot be told: names and images");
        let expected = match (is_unknown, is_open) {
            (true, true) => 1,
            (true, false) => 3,
            (false, _) => 0,
        };
        assert_eq!(cost.status.code(), Some(expected), "{words:?}: {}", stderr(&cost.output));
    };
    if cost::is_shown() {
        for words in looks(pid) {
            look(&words);
        }
        return;
    }
    std::thread::scope(|scope| {
        for words in looks(pid) {
            scope.spawn(move || look(&words));
        }
    });
}

fn parsed(cost: &Cost) -> Value {
    serde_json::from_str(&stdout(&cost.output)).unwrap()
}

fn report(arguments: &[&str]) -> Value {
    parsed(&cost::bounded(&nsx(arguments)))
}

fn row(report: &Value, pid: u32) -> &Value {
    let rows = report["data"].as_array().unwrap();
    rows.iter().find(|row| row["pid"] == pid).unwrap_or_else(|| panic!("no row of {pid}: {report}"))
}

/// What did not answer in time, by name.
fn silent_ones(report: &Value) -> BTreeSet<String> {
    let gaps = report["gaps"].as_array().unwrap().iter();
    let silent = gaps.filter(|gap| gap["reason"] == "timeout");
    silent.map(|gap| gap["object"].as_str().unwrap().to_owned()).collect()
}

fn pids(pids: &[u32]) -> BTreeSet<String> {
    pids.iter().map(|pid| format!("pid {pid}")).collect()
}

fn commands(report: &Value) -> HashMap<u64, Option<String>> {
    let processes = report["data"]["processes"].as_array().unwrap().iter();
    let command = |process: &Value| process["command"].as_str().map(str::to_owned);
    processes.map(|one| (one["pid"].as_u64().unwrap(), command(one))).collect()
}

/// A healthy neighbour, whose row never changes.
fn neighbour(pid: u32) {
    let listed = report(&["ps", "--json"]);
    assert_eq!(row(&listed, pid)["runtime"], "nsx", "{listed}");
    let one = report(&["inspect", "--json", &pid.to_string()]);
    assert_eq!(one["data"]["processes"][0]["command"], "sleep 1000");
    assert_eq!(one["gaps"], json!([]));
}

fn strict(pid: u32, code: i32) {
    let text = pid.to_string();
    let cost = cost::bounded(&nsx(["inspect", "--strict", &text]));
    assert_eq!(cost.status.code(), Some(code), "{}", stderr(&cost.output));
}

fn inside() {
    let (_held, healthy) = isolated(&["-p", "-n"]);
    let silent = Silent::start(&["-p", "-n"], &["inside", "titled"]);
    everything(silent.first, |words| nsx(words));
    let one = report(&["inspect", "--json", &silent.first.to_string()]);
    assert_eq!(one["gaps"], json!([]));
    let commands = commands(&one);
    assert_eq!(commands.len(), 4, "{one}");
    assert_eq!(commands[&u64::from(silent.named["inside"])].as_deref(), Some("sleep 2000"));
    // The kernel reads no file for it: it says nothing of arguments that lie in one.
    assert_eq!(commands[&u64::from(silent.named["titled"])], None);
    assert!(one["data"]["mounts"].to_string().contains(r#""fs_type":"fuse""#), "{one}");
    strict(silent.first, 0);
    strict(silent.named["inside"], 0);
    fullness(silent.first);
    neighbour(healthy);
}

/// Each file system is asked how full it is, and the dead one costs its own cell.
fn fullness(pid: u32) {
    let text = pid.to_string();
    let asked = ["inspect", "--usage", "--json", "--only", "mounts", &text];
    let one = report(&asked);
    assert_eq!(silent_ones(&one), BTreeSet::from(["/mnt".to_owned()]));
    let mounts = one["data"]["mounts"].as_array().unwrap();
    let is_told = |target: &str| {
        let mut of_it = mounts.iter().filter(|one| one["target"] == target);
        of_it.any(|mount| mount["usage"].is_object())
    };
    assert!(is_told("/") && is_told("/proc") && !is_told("/mnt"), "{one}");
    let strict = cost::bounded(&nsx([&asked[..], &["--strict"]].concat()));
    assert_eq!(strict.status.code(), Some(6));
    let unasked = report(&["inspect", "--json", "--only", "mounts", &text]);
    let mounts = unasked["data"]["mounts"].as_array().unwrap();
    assert!(mounts.iter().all(|mount| mount["usage"].is_null()), "{unasked}");
}

/// By its path as far as it can be walked, by its device, and beside a process that does not answer.
fn whose() {
    let silent = Silent::start(&["-n"], &["inside", "beside"]);
    let text = std::fs::read_to_string(format!("/proc/{}/mountinfo", silent.first)).unwrap();
    let line = text.lines().find(|line| line.split(' ').nth(4) == Some("/mnt")).unwrap();
    let device = line.split(' ').nth(2).unwrap();
    let told = |command: Command| {
        let said = cost::bounded(&command);
        let report: Value = parsed(&said);
        (report["data"].to_string(), report["gaps"].to_string())
    };
    let (data, _) = told(nsx(["who", "--json", &format!("dev:{device}")]));
    assert!(data.contains(r#""target":"/mnt""#), "{data}");
    let within = told(silent.there(&["who", "--json", &format!("dev:{device}")])).0;
    let used = |data: &str| data.contains(r#""by":"working_directory","comm":"sleep""#);
    assert!(used(&data) && used(&within), "{data}\n{within}");
    told(nsx(["who", "--json", "path:/sys"]));
    let (data, _) = told(silent.there(&["who", "--json", "path:/mnt"]));
    assert!(used(&data) && data.contains(r#""by":"mapping""#), "{data}");
    let (data, gaps) = told(silent.there(&["who", "--json", "path:/mnt/deep"]));
    assert!(data.contains(r#""target":"/mnt""#), "{data}");
    assert!(gaps.contains(r#""reason":"timeout","what":"destination""#), "{gaps}");
}

fn beside() {
    let (_held, healthy) = isolated(&["-p", "-n"]);
    let silent = Silent::start(&["-p", "-n"], &["beside"]);
    let stuck = silent.named["beside"];
    everything(silent.first, |words| nsx(words));
    everything(stuck, |words| nsx(words));
    let one = report(&["inspect", "--json", &silent.first.to_string()]);
    assert_eq!(silent_ones(&one), pids(&[stuck]));
    assert_eq!(one["gaps"].as_array().unwrap().len(), 1);
    for (pid, command) in commands(&one) {
        assert_eq!(command.is_none(), pid == u64::from(stuck), "{pid}: {command:?}");
    }
    strict(silent.first, 6);
    neighbour(healthy);
}

fn locked() {
    let (_held, healthy) = isolated(&["-p", "-n"]);
    let silent = Silent::start(&["-p", "-n"], &["locked"]);
    crate::support::until("it wants its lock", || {
        status(silent.first, "State").is_some_and(|state| state.starts_with('D'))
    });
    everything(silent.first, |words| nsx(words));
    let one = report(&["inspect", "--json", &silent.first.to_string()]);
    assert_eq!(silent_ones(&one), pids(&[silent.first]));
    let listed = report(&["ps", "--json"]);
    assert_eq!(row(&listed, silent.first)["runtime"], "nsx");
    assert!(silent_ones(&listed).is_disjoint(&pids(&[silent.first])));
    let namespaces = report(&["ns", "--json"]);
    assert!(silent_ones(&namespaces).is_superset(&pids(&[silent.first])));
    strict(silent.first, 6);
    neighbour(healthy);
}

fn monitors() {
    let (_held, healthy) = isolated(&["-p", "-n"]);
    let silent = Silent::start(&[], &["monitors"]);
    everything(silent.named["child0"], |words| nsx(words));
    let listed = report(&["ps", "--json"]);
    let monitors: Vec<u32> =
        (0..5).map(|number| silent.named[&format!("monitor{number}")]).collect();
    assert!(silent_ones(&listed).is_superset(&pids(&monitors)));
    for number in 0..5 {
        let row = row(&listed, silent.named[&format!("child{number}")]);
        assert_eq!((&row["runtime"], &row["name"]), (&"bubblewrap".into(), &Value::Null), "{row}");
    }
    let cost = cost::bounded(&nsx(["ps", "--strict"]));
    assert_eq!(cost.status.code(), Some(6));
    neighbour(healthy);
}

/// Where engines keep records; the last is a user's, and refused before anybody is asked.
const PLACES: [&str; 12] = [
    "/var/lib/docker",
    "/var/lib/containers/storage",
    "/var/lib/containerd",
    "/var/lib/lxc",
    "/run/containerd",
    "/run/runc",
    "/run/runsc",
    "/run/snapd/ns",
    "/run/systemd/machines",
    "/run/user",
    "/run/vc/sbs",
    "/run/user/65534",
];

fn records() {
    let (_held, healthy) = isolated(&["-p", "-n"]);
    // Every runtime is asked for one that nobody has made.
    let nobodys = Held(Command::new("unshare").args(["-n", "sleep", "1000"]).spawn().unwrap());
    asleep(nobodys.pid());
    let look = |way: &str, place: &str| {
        let silent = Silent::start(&[], &[&format!("{way}={place}")]);
        let listed = parsed(&cost::bounded(&silent.there(&["ps", "--all", "--json"])));
        assert_eq!(row(&listed, healthy)["runtime"], "nsx", "{place}");
        let lost = silent_ones(&listed);
        let is_lost = lost.iter().any(|object| object.starts_with(place));
        assert_eq!(is_lost, !place.ends_with("65534"), "{way} {place}: {lost:?}");
    };
    for places in PLACES.chunks(3) {
        std::thread::scope(|scope| {
            for place in places {
                scope.spawn(move || look("at", place));
            }
        });
    }
    look("link", "/var/lib/docker");
    look("link", "/run/runc");
    let places =
        ["at=/var/lib/docker", "link=/var/lib/containers", "at=/run/runc", "at=/run/netns"];
    let silent = Silent::start(&[], &places);
    everything(healthy, |words| silent.there(words));
    let strict = cost::bounded(&silent.there(&["ps", "--all", "--strict"]));
    assert_eq!(strict.status.code(), Some(6));
    let one = silent.there(&["inspect", "--json", &healthy.to_string()]);
    assert_eq!(parsed(&cost::bounded(&one))["data"]["processes"][0]["command"], "sleep 1000");
}

fn frozen() {
    let (held, pid) = isolated(&["-p", "-n", "-u"]);
    let _frozen = Frozen::new(held, pid);
    everything(pid, |words| nsx(words));
    let one = report(&["inspect", "--json", &pid.to_string()]);
    assert_eq!((&one["gaps"], &one["data"]["container"]["state"]), (&json!([]), &json!("paused")));
    strict(pid, 0);
}

/// Its own files do not answer, nor does a process of it; it has many interfaces and mounts.
fn at_once() {
    let (_held, healthy) = isolated(&["-p", "-n"]);
    let silent = Silent::start(&["-p", "-n"], &["beside", "inside", "titled", "at=/etc"]);
    let enter = |kind: &str, program: &[&str], script: &str| {
        let mut inside = Command::new("nsenter");
        inside.args(["-t", &silent.first.to_string(), kind]).args(program);
        crate::support::succeeds(inside.args(["-ec", script]));
    };
    let links = "for i in $(seq 50); do ip link add a$i type veth peer name b$i; done";
    enter("-n", &["sh"], links);
    // A program that the loader starts would read /etc.
    let mounts = "busybox mkdir /run/many; for i in $(busybox seq 500); do
        busybox mkdir /run/many/$i; busybox mount -t tmpfs -o size=4k many /run/many/$i; done";
    enter("-m", &["busybox", "sh"], mounts);
    everything(silent.first, |words| nsx(words));
    let one = report(&["inspect", "--json", "--usage", &silent.first.to_string()]);
    let stuck = silent.named["beside"];
    let mut lost = pids(&[stuck, silent.first]);
    lost.extend(["/mnt", "/etc"].map(str::to_owned));
    assert_eq!(silent_ones(&one), lost, "{}", one["gaps"]);
    assert_eq!(one["data"]["net"]["interfaces"].as_array().unwrap().len(), 101);
    assert_eq!(one["data"]["net"]["resolver"]["hosts"]["state"], "no_answer", "{one}");
    for (pid, command) in commands(&one) {
        let is_read = pid != u64::from(stuck) && pid != u64::from(silent.named["titled"]);
        assert_eq!(command.is_some(), is_read, "{pid}: {command:?}");
    }
    strict(silent.first, 6);
    neighbour(healthy);
}
