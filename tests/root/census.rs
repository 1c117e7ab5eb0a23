//! `nsx ns` on namespaces that are kept alive in every way there is.

use crate::support::{
    Held, Need, as_nobody, child_of, copy_program, has_ended, isolated, json, kernel, namespace,
    nsx, once_anew, output, public_nsx, status, stderr, stdout, succeeds, test, until,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

const ROOT: &[Need] = &[Need::Root];
const UNSHARE: &[Need] = &[Need::Root, Need::Program("unshare")];
const WALKED: &[Need] = &[Need::Root, kernel::WALKED];
const ALONE: &[Need] =
    &[Need::Root, Need::Program("unshare"), Need::Program("taskset"), kernel::WALKED];
const NOBODY: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("unshare")];
const PRLIMIT: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("prlimit")];

/// Run again by a test with this in its environment, the suite is that program instead.
pub const ROLE: &str = "NSX_TEST_ZOMBIE_LEADER";

const PORT: u16 = 7341;

pub fn tests() -> Vec<Trial> {
    vec![
        test("ns: one that a process is in", ROOT, process),
        test("ns: one that a descriptor keeps", ROOT, descriptor),
        test("ns: one that a descriptor keeps whose mount is gone", UNSHARE, descriptor_by_path),
        test("ns: one that is mounted in another mount namespace", UNSHARE, mounted_elsewhere),
        test("ns: one that is mounted where no process is", ALONE, mounted_alone),
        test("ns: one that is mounted outside of the first process's root", NOBODY, beside_a_root),
        test("ns: one that a socket is in", ROOT, socket),
        test("ns: one that a thread is in", ROOT, thread),
        test("ns: one whose only process has lost its first thread", ROOT, zombie_leader),
        test("ns: one that children will be in", UNSHARE, for_children),
        test("ns: one that only owns another", UNSHARE, only_child),
        test("ns: a mount namespace that nothing seen keeps", WALKED, unseen),
        test("ns: trees hang each below its owner, its parent, its processes", UNSHARE, trees),
        test("ns: the numbers of a namespace", ROOT, numbers),
        test("ns: the processes of one, and of one that nobody is in", ROOT, of_inode),
        test("ns: a /proc of another pid namespace means others", UNSHARE, foreign_proc),
        test("ns: a second process that is nobody's kernel is not the host", NOBODY, second),
        test("ns: an ordinary user sees his own, and how many he does not see", NOBODY, nobody),
        test("ns: hidepid is told, whatever it hides", NOBODY, hidepid),
        test("ns: few descriptors are enough", ROOT, few_descriptors),
        test("ns: without a child process all but commands is told", PRLIMIT, no_child),
    ]
}

/// The main of the suite, in the role of a program whose first thread ends before another.
pub fn play_role() {
    std::thread::spawn(|| {
        let _listener = std::net::TcpListener::bind(("0.0.0.0", PORT)).expect("it is free");
        println!("ready");
        loop {
            std::thread::park();
        }
    });
    // SAFETY: exit(2) ends the calling thread; nothing of it is used afterwards.
    #[expect(unsafe_code, reason = "no crate wraps the end of one thread")]
    unsafe {
        libc::syscall(libc::SYS_exit, 0)
    };
}

fn inode_of(link: &str) -> u64 {
    let digits = link.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{link}"))
}

fn find(listing: &Value, inode: u64) -> Option<Value> {
    let rows = listing["data"].as_array().expect("rows");
    rows.iter().find(|row| row["ns"] == inode).cloned()
}

/// A listing of namespaces. What nsx has found it holds by a descriptor, which another nsx would find:
/// they take turns.
fn listing(command: &mut Command) -> Value {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    json(command)
}

/// What `nsx ns OPTIONS` says of one namespace.
fn listed(options: &[&str], inode: u64) -> Option<Value> {
    find(&listing(nsx(["ns", "--json"]).args(options)), inode)
}

/// With everything that nsx can look for.
fn held(inode: u64) -> Value {
    listed(&["--all", "--sockets", "--threads"], inode).expect("it is found")
}

/// Whoever else looks at it holds it for a moment.
fn is_held_by(row: &Value, holder: &Value) -> bool {
    row["holders"].as_array().expect("a list").contains(holder)
}

fn held_by(inode: u64, holder: &Value) -> Value {
    let row = held(inode);
    assert!(is_held_by(&row, holder), "{row}");
    row
}

/// A namespace of `kind` and whoever keeps it, once `keep` has taken hold of it and the process it
/// was made by has ended.
fn kept<T>(option: &str, kind: &str, keep: impl FnOnce(u32) -> T) -> (u64, T) {
    let (maker, pid) = isolated(&[option]);
    let inode = inode_of(&namespace(pid, kind));
    let keeper = keep(pid);
    drop(maker);
    until("its maker has ended", || has_ended(pid));
    (inode, keeper)
}

fn process() {
    let (_held, pid) = isolated(&["-n", "-u"]);
    let row = listed(&[], inode_of(&namespace(pid, "net"))).expect("it is listed");
    assert_eq!((&row["type"], &row["nprocs"]), (&json!("net"), &json!(1)));
    assert_eq!((&row["pid"], &row["host"]), (&json!(pid), &json!(false)));
    assert_eq!((&row["uid"], &row["user"]), (&json!(0), &json!("root")));
    assert_eq!(row["command"], "sleep 1000");
    let host = listed(&[], inode_of(&namespace("self", "net"))).expect("it is listed");
    assert_eq!(host["host"], true);
    for spelled in [pid.to_string(), format!("ns:{}", row["ns"])] {
        let of_task = json(&mut nsx(["ns", "--json", "-p", &spelled]));
        let kinds = of_task["data"].as_array().expect("rows").len();
        assert_eq!(kinds, 8, "{spelled}");
        assert_eq!(find(&of_task, row["ns"].as_u64().unwrap()).unwrap()["nprocs"], 1);
    }
}

fn kept_by_descriptor() -> (u64, Held) {
    kept("-n", "net", |pid| {
        let script = format!("exec 9</proc/{pid}/ns/net; echo ready; exec sleep 1000");
        Held::ready(Command::new("sh").args(["-c", &script])).0
    })
}

fn descriptor() {
    let (inode, keeper) = kept_by_descriptor();
    assert_eq!(listed(&[], inode), None, "what no process is in is looked for on demand");
    let holder = json!({"kind": "descriptor", "pid": keeper.pid(), "number": 9});
    let row = held_by(inode, &holder);
    assert_eq!((&row["nprocs"], &row["pid"]), (&json!(0), &json!(null)));
    assert_eq!(row["uid"], json!(null), "nobody's, and not root's");
    assert_ne!(row["ons"], json!(null), "it was opened through that descriptor");
}

/// The link of a descriptor that was opened through a mount does not name the namespace.
fn descriptor_by_path() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    File::create(&file).unwrap();
    let (inode, keeper) = kept("-u", "uts", |pid| {
        let script = "mount --make-rprivate / && mount --bind /proc/$1/ns/uts $2 && exec 9<$2 &&
            umount -l $2 && echo ready && exec sleep 1000";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh", &pid.to_string()]).arg(&file);
        Held::ready(&mut command).0
    });
    let link = std::fs::read_link(format!("/proc/{}/fd/9", keeper.pid())).unwrap();
    assert!(!link.to_str().unwrap().contains(&inode.to_string()), "{}", link.display());
    held_by(inode, &json!({"kind": "descriptor", "pid": keeper.pid(), "number": 9}));
}

fn mounted_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a file");
    File::create(&file).unwrap();
    let (inode, keeper) = kept("-u", "uts", |pid| {
        let script = "mount --make-rprivate / && mount --bind /proc/$1/ns/uts \"$2\" &&
            echo ready && exec sleep 1000";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh", &pid.to_string()]).arg(&file);
        Held::ready(&mut command).0
    });
    assert_eq!(listed(&[], inode), None);
    let holder = json!({
        "kind": "mount", "namespace": inode_of(&namespace(keeper.pid(), "mnt")),
        "target": file.to_str().unwrap(), "through": keeper.pid(),
    });
    let row = held_by(inode, &holder);
    assert_eq!(row["nsfs"], json!([]), "it is not mounted here");
    assert_ne!(row["ons"], json!(null), "it was opened through that mount");
}

/// In a mount namespace that only another mount keeps.
fn mounted_alone() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs none "$1" && touch "$1/mnt" "$1/uts" &&
        unshare --mount="$1/mnt" --propagation private unshare --uts \
            sh -c 'readlink /proc/self/ns/uts; mount --bind /proc/self/ns/uts "$0/uts"' "$1" &&
        exec sleep 1000"#;
    // A mount namespace can be mounted only in one of a lower number, and each CPU gives its own.
    let mut command = Command::new("taskset");
    command.args(["-c", "0", "unshare", "-m", "--propagation", "private"]);
    command.args(["sh", "-c", script, "sh"]);
    let (keeper, uts) = Held::ready(command.arg(directory.path()));
    until("nobody is in it", || status(keeper.pid(), "Name").is_some_and(|name| name == "sleep"));
    let listing = listing(&mut nsx(["ns", "--json", "--all"]));
    let row = find(&listing, inode_of(&uts)).expect("it is found");
    let holder = &row["holders"][0];
    assert_eq!((&holder["kind"], &holder["through"]), (&json!("mount"), &json!(null)), "{row}");
    // There is no way to it.
    assert_eq!(row.get("ons"), Some(&Value::Null), "{row}");
    let gaps = listing["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["what"] == "owner"), "{gaps:?}");
    assert_eq!(holder["target"], directory.path().join("uts").to_str().unwrap());
}

/// Who has another root sees only what is mounted below that.
fn beside_a_root() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("beside");
    std::fs::create_dir_all(directory.path().join("root/bin")).unwrap();
    File::create(&file).unwrap();
    let Some(busybox) = crate::support::find("busybox") else { panic!("there is no busybox") };
    copy_program(busybox, directory.path().join("root/bin/busybox"));
    // The other is not there the second time, and no process sees the mount.
    let others = if kernel::since(6, 12) { &["sleep 1000", "true"][..] } else { &["sleep 1000"] };
    for other in others {
        let (inode, keeper) = kept("-u", "uts", |pid| {
            let script = r#"mount --bind /proc/$1/ns/uts "$2/beside" && { setpriv --pdeathsig KILL $3 & } &&
                echo ready && exec chroot "$2/root" /bin/busybox sleep 1000"#;
            let mut command = Command::new("unshare");
            command.args(["-m", "--propagation", "private", "sh", "-c", script, "sh"]);
            Held::ready(command.arg(pid.to_string()).arg(directory.path()).arg(other)).0
        });
        until("it has another root", || {
            status(keeper.pid(), "Name").is_some_and(|n| n == "busybox")
        });
        let row = held(inode);
        let mut holders = row["holders"].as_array().expect("a list").iter();
        let is_there = holders.any(|holder| holder["target"] == file.to_str().unwrap());
        assert!(is_there, "{other}: {row}");
    }
}

/// A thread of ours that has made something new of itself, and stays until it is told to end.
struct Stray {
    end: Sender<()>,
    thread: Option<JoinHandle<()>>,
    tid: i32,
}

impl Stray {
    fn start<T: Send + 'static>(make: impl FnOnce() -> T + Send + 'static) -> (Self, T) {
        let (tell, told) = channel();
        let (end, ended) = channel::<()>();
        let thread = std::thread::spawn(move || {
            tell.send((nix::unistd::gettid().as_raw(), make())).unwrap();
            let _ = ended.recv();
        });
        let (tid, made) = told.recv().expect("it has made it");
        (Self { end, thread: Some(thread), tid }, made)
    }
}

impl Drop for Stray {
    fn drop(&mut self) {
        let _ = self.end.send(());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn new_network() -> u64 {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    inode_of(&namespace("thread-self", "net"))
}

fn socket() {
    let (stray, (inode, socket)) =
        Stray::start(|| (new_network(), UdpSocket::bind("0.0.0.0:0").unwrap()));
    drop(stray);
    let number = std::os::fd::AsRawFd::as_raw_fd(&socket);
    assert_eq!(listed(&["--all"], inode), None, "sockets are looked at on demand");
    let holder = json!({"kind": "socket", "pid": std::process::id(), "number": number});
    let row = held_by(inode, &holder);
    assert_eq!(row["nprocs"], 0);
    assert_ne!(row["ons"], json!(null), "it was opened through that socket");
}

fn thread() {
    let (stray, inode) = Stray::start(new_network);
    assert_eq!(listed(&[], inode), None);
    let row = listed(&["--threads"], inode).expect("it is found");
    assert_eq!((&row["nprocs"], &row["threads"]), (&json!(0), &json!(1)));
    assert_eq!(row["pid"], std::process::id());
    held_by(inode, &json!({"kind": "thread", "pid": std::process::id(), "thread": stray.tid}));
    let path = stdout(&output(&mut nsx([
        "ns",
        "--threads",
        "-o",
        "tsv",
        "--no-headings",
        "--columns",
        "path",
        "-Q",
        &format!("ns == {inode}"),
    ])));
    let link = std::fs::read_link(path.trim()).unwrap();
    assert_eq!(inode_of(link.to_str().unwrap()), inode, "{path}");
}

/// Its own links are gone, those of its other thread are not.
fn zombie_leader() {
    let mut command = nsx(["spawn", "-u", "-n"]);
    command.arg(std::env::current_exe().unwrap()).env(ROLE, "1");
    let (spawn, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    let pid = child_of(spawn.pid()).unwrap();
    until("its first thread has ended", || {
        status(pid, "State").is_some_and(|state| state.starts_with('Z'))
    });
    assert!(std::fs::read_link(format!("/proc/{pid}/ns/net")).is_err(), "a zombie's is gone");
    let other = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let other = other
        .map(|task| task.unwrap().file_name().into_string().unwrap())
        .find(|task| *task != pid.to_string())
        .expect("it has another thread");
    let inode = inode_of(&namespace(format!("{pid}/task/{other}"), "net"));
    let row = listed(&["--columns", "+ons"], inode).expect("it is listed");
    assert_eq!((&row["nprocs"], &row["pid"]), (&json!(1), &json!(pid)));
    assert_ne!(row["ons"], json!(null), "it was opened through that thread");
    let lsns = |more: &[&str]| {
        let mut command = Command::new(crate::support::binary("nsx"));
        succeeds(command.arg0("lsns").args(["-n", "-t", "net"]).args(more))
    };
    let path = lsns(&["-p", &pid.to_string(), "-o", "PATH"]);
    assert_eq!(path.trim(), format!("/proc/{pid}/task/{other}/ns/net"));
    let found = json(&mut nsx(["who", "--json", &format!("port:{PORT}")]));
    assert!(found["data"].to_string().contains(&inode.to_string()), "{found}");
    // It lives: no list takes it for a zombie, and it can be looked at.
    let report = json(&mut nsx(["inspect", &pid.to_string(), "--json"]));
    assert_eq!(report["data"]["processes"][0]["state"], "Z");
    assert_eq!(report["data"]["container"]["state"], "running");
    let findings = report["data"]["findings"].to_string();
    assert!(!findings.contains("zombie"), "{findings}");
    let screen = succeeds(&mut nsx(["inspect", &pid.to_string(), "--only", "processes"]));
    assert!(screen.contains("(first thread ended)"), "{screen}");
}

/// The pid namespace that the next child of a process will be in lost its first process.
fn for_children() {
    let script = "sleep 0 & wait; echo ready; exec sleep 1000";
    let (keeper, _) = Held::ready(Command::new("unshare").args(["-p", "sh", "-c", script]));
    let inode = inode_of(&namespace(keeper.pid(), "pid_for_children"));
    assert_eq!(listed(&[], inode), None);
    held_by(inode, &json!({"kind": "for_children", "pid": keeper.pid()}));
}

/// A process in a user namespace within another, which nobody is in.
fn nested() -> (Held, u64) {
    let script = "echo ready; exec sleep 1000";
    let arguments = ["-Ur", "unshare", "-Ur", "sh", "-c", script];
    let (held, _) = Held::ready(Command::new("unshare").args(arguments));
    let inode = inode_of(&namespace(held.pid(), "user"));
    (held, inode)
}

fn only_child() {
    let (_held, inode) = nested();
    let above = listed(&["--columns", "+pns"], inode).expect("it is listed")["pns"].clone();
    let above = above.as_u64().expect("it has a parent");
    assert_ne!(above, inode_of(&namespace("self", "user")), "there is one between");
    assert_eq!(listed(&[], above), None);
    let row = held_by(above, &json!({"kind": "child", "of": "user", "inode": inode}));
    assert_eq!((&row["nprocs"], &row["uid"]), (&json!(0), &json!(0)), "who made it");
}

/// A descriptor that is on its way through a socket is in no process.
fn unseen() {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let (inode, _sockets) = kept("-m", "mnt", |pid| {
        let sockets = std::os::unix::net::UnixStream::pair().unwrap();
        let file = File::open(format!("/proc/{pid}/ns/mnt")).unwrap();
        let descriptors = [file.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut message = SendAncillaryBuffer::new(&mut space);
        assert!(message.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let bytes = [std::io::IoSlice::new(b"x")];
        sendmsg(&sockets.0, &bytes, &mut message, SendFlags::empty()).unwrap();
        sockets
    });
    let mut row = Value::Null;
    until("nothing that is seen keeps it", || {
        row = held(inode);
        is_held_by(&row, &json!({"kind": "unseen"}))
    });
    assert_eq!(row["nprocs"], 0);
    assert_ne!(row["ons"], json!(null), "the kernel's own walk has opened it");
}

fn trees() {
    let (held, inode) = nested();
    let pid = held.pid().to_string();
    let tree = |by: &str| {
        let columns = "ns,type,nprocs,pid";
        let mut command =
            nsx(["ns", "-T", by, "-t", "user", "--columns", columns, "--no-headings"]);
        stdout(&output(&mut command))
    };
    for by in ["owner", "parent"] {
        let text = tree(by);
        let at = text.lines().position(|line| line.contains(&inode.to_string())).expect(by);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("4026531837"), "the initial one is the root: {text}");
        let depth = |line: &str| line.chars().take_while(|c| !c.is_ascii_digit()).count();
        assert_eq!(depth(lines[at]), 4, "{text}");
        assert_eq!(depth(lines[at - 1]), 2, "the one that nobody is in stands above it: {text}");
    }
    let text = tree("process");
    let line = text.lines().find(|line| line.contains(&inode.to_string())).expect("process");
    assert!(line.contains('─') && line.ends_with(&pid), "{text}");
}

fn numbers() {
    let (_held, pid) = isolated(&["-n", "-p"]);
    let columns = ["--columns", "+nsid,netnsid,ons,pns,ppid,container,path"];
    let listing = json(nsx(["ns", "--json"]).args(columns));
    let row = |kind| find(&listing, inode_of(&namespace(pid, kind))).expect(kind);
    let (net, pids) = (row("net"), row("pid"));
    assert_eq!(net["ons"], inode_of(&namespace("self", "user")));
    assert_eq!((&net["pns"], &net["netnsid"]), (&json!(null), &json!(null)), "not assigned");
    assert_eq!(pids["pns"], inode_of(&namespace("self", "pid")));
    let parent: u32 = status(pid, "PPid").unwrap().parse().unwrap();
    assert_eq!(pids["ppid"], parent);
    let container = pids["container"].as_str().expect("an isolated process is listed by ps");
    assert!(container.contains(&pid.to_string()), "{container}");
    if let Some(id) = net["nsid"].as_str() {
        assert!(id.parse::<u64>().is_ok_and(|id| id > 0), "{id}");
        assert_ne!(net["nsid"], pids["nsid"]);
    }
}

fn of_inode() {
    let script = "sh -c 'sleep 1000; true' & until [ -e /proc/self ]; do :; done; echo ready; wait";
    let mut spawn = nsx(["spawn", "-n", "sh", "-c", script]);
    let (held_by, _) = Held::ready(&mut spawn);
    let first = child_of(held_by.pid()).unwrap();
    let _below = crate::support::Below(first);
    let inode = inode_of(&namespace(first, "net"));
    until("the innermost sleeps", || {
        let innermost = child_of(first).and_then(child_of);
        innermost.and_then(|pid| status(pid, "Name")).as_deref() == Some("sleep")
    });
    let text = stdout(&output(&mut nsx(["ns", &inode.to_string()])));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["PID", "PPID", "USER", "COMMAND"]);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(words(lines[1])[0], first.to_string());
    assert_eq!(words(lines[2])[1], first.to_string());
    assert!(lines[2].contains("└─sh -c") && lines[3].contains("  └─sleep 1000"), "{text}");

    once_anew(|| {
        let (inode, keeper) = kept_by_descriptor();
        let shown = output(&mut nsx(["ns", &inode.to_string()]));
        assert_eq!(shown.status.code(), Some(0));
        assert_eq!(stdout(&shown).lines().count(), 1, "headings alone");
        let said = format!("no process is in net:[{inode}]; kept by fd 9 of {}", keeper.pid());
        assert!(stderr(&shown).contains(&said), "{}", stderr(&shown));
        drop(keeper);
        output(&mut nsx(["ns", &inode.to_string()])).status.code() == Some(3)
    });
}

/// Of root's he sees nothing, and is told so in one line.
fn nobody() {
    let (_directory, copy) = public_nsx();
    let (_held, pid) = isolated(&["-n"]);
    let listing = output(as_nobody(&copy).args(["ns", "--json"]));
    assert_eq!(listing.status.code(), Some(0));
    let said = stderr(&listing);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("processes could not be read (permission denied)"), "{said}");
    let listing: Value = serde_json::from_str(&stdout(&listing)).unwrap();
    assert_eq!(find(&listing, inode_of(&namespace(pid, "net"))), None);
    let own = find(&listing, inode_of(&namespace("self", "user"))).expect("his own");
    assert_eq!(own["uid"], 65534);
    assert_eq!(listing["gaps"][0]["what"], "namespaces");
    let strict = output(as_nobody(&copy).args(["ns", "--strict"]));
    assert_eq!(strict.status.code(), Some(6));
    for options in
        [&["--all", "--sockets"][..], &["-T", "owner"], &["-T", "process"], &["-o", "wide"]]
    {
        let listing = output(as_nobody(&copy).arg("ns").args(options));
        assert_eq!(listing.status.code(), Some(0), "{options:?}: {}", stderr(&listing));
        assert_eq!(stderr(&listing).lines().count(), 1, "{options:?}: {}", stderr(&listing));
    }
    // The walk over all mount namespaces is not his: that is not "there are none".
    let listing = output(as_nobody(&copy).args(["ns", "--all", "--json"]));
    let listing: Value = serde_json::from_str(&stdout(&listing)).unwrap();
    let gaps = listing["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["object"] == "mount namespaces"), "{gaps:?}");
    let refused = output(as_nobody(&copy).args(["ns", "-p", &pid.to_string()]));
    assert_eq!(refused.status.code(), Some(4), "{}", stderr(&refused));
}

fn hidepid() {
    let (_directory, copy) = public_nsx();
    for (mode, what) in [("1", "namespaces of "), ("2", "processes of other users")] {
        let script = "mount -t proc -o hidepid=$1 proc /proc && exec setpriv --reuid 65534 \
            --regid 65534 --clear-groups \"$2\" ns";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh", mode]).arg(&copy);
        let listing = output(&mut command);
        assert_eq!(listing.status.code(), Some(0), "{}", stderr(&listing));
        let said = stderr(&listing);
        assert!(said.contains(what) && said.contains("permission denied"), "{mode}: {said}");
        assert!(stdout(&listing).contains(" user"), "his own are shown");
    }
    // Who is not listed may be anywhere.
    let (_held, pid) = isolated(&["-n"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let script = "mount --bind /proc/$3/ns/net $4; mount -t proc -o hidepid=$1 proc /proc && exec \
        setpriv --reuid 65534 --regid 65534 --clear-groups \"$2\" inspect $4";
    for mode in ["1", "2"] {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh", mode]).arg(&copy);
        let refused = output(command.arg(pid.to_string()).arg(file.path()));
        let said = stderr(&refused);
        assert!(!refused.status.success() && said.contains("can be seen"), "{mode}: {said}");
    }
}

fn few_descriptors() {
    let (_held, pid) = isolated(&["-n", "-u", "-m"]);
    let script = "ulimit -n $1; shift; exec \"$@\"";
    for limit in ["64", "20"] {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", limit]).arg(crate::support::binary("nsx"));
        let listing = listing(command.args(["ns", "--all", "--sockets", "--json"]));
        for kind in ["net", "uts", "mnt"] {
            let row = find(&listing, inode_of(&namespace(pid, kind))).expect(kind);
            assert_eq!((&row["pid"], &row["nprocs"]), (&json!(pid), &json!(1)), "{limit}");
        }
    }
}

/// What may block is left out rather than waited for.
fn no_child() {
    let (_directory, copy) = public_nsx();
    let mut command = as_nobody(std::path::Path::new("prlimit"));
    command.arg("--nproc=1").arg(&copy).args(["ns", "--json"]);
    let listing = output(&mut command);
    assert_eq!(listing.status.code(), Some(0), "{}", stderr(&listing));
    let listing: Value = serde_json::from_str(&stdout(&listing)).unwrap();
    let own = find(&listing, inode_of(&namespace("self", "user"))).expect("his own");
    assert_eq!(own["uid"], 65534);
    let gaps = listing["gaps"].as_array().unwrap();
    let command_line = |gap: &&Value| gap["what"] == "command line" && gap["reason"] == "failed";
    assert!(gaps.iter().any(|gap| command_line(&gap)), "{gaps:?}");
}

/// What is a pid to a call is another's there, or nobody's.
fn foreign_proc() {
    let (_held, pid) = isolated(&["-n"]);
    let inner = |command: &mut Command| {
        let mut outer = Command::new("unshare");
        outer.args(["-p", "-f"]).arg(command.get_program()).args(command.get_args());
        output(&mut outer)
    };
    for arguments in [&["enter", "-n", "-t"][..], &["inspect"], &["pid"], &["ns", "-p"]] {
        let refused = inner(nsx(arguments).args(
            [&pid.to_string(), "true"][..].iter().take(if arguments[0] == "enter" { 2 } else { 1 }),
        ));
        assert!(!refused.status.success() && stdout(&refused).is_empty(), "{arguments:?}");
        let said = stderr(&refused);
        assert!(said.contains("another pid namespace"), "{arguments:?}: {said}");
    }
}

fn second() {
    let (_directory, program) = public_nsx();
    // Whose pid 1 is root's, as most containers have it.
    let script = r#"
        setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Un sh -c 'echo >"$0"; exec sleep 1000' "$2" &
        read line <"$2"
        setpriv --reuid 65534 --regid 65534 --clear-groups "$1" ns --json -t net -p 2
        exit $?"#;
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_retain(0o666)).unwrap();
    std::fs::set_permissions(&pipe, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-p", "-f", "--mount-proc", "--kill-child", "sh", "-c", script, "sh"]);
    let row = json(command.arg(program).arg(pipe));
    assert_eq!((&row["data"][0]["pid"], &row["data"][0]["host"]), (&json!(2), &json!(false)));
}
