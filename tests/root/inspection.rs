//! What `inspect` tells of who a process is, whose its namespaces are, and how its processes are:
//! against links, the kernel's own answers and what was set up.

use crate::support::{
    Held, Need, as_nobody, child_of, find, finish, isolated, json, namespace, nsx, output,
    public_nsx, status, stderr, stdout, succeeds, test, until,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::Instant;

const ROOT: &[Need] = &[Need::Root, Need::Program("unshare")];
const PERL: &[Need] = &[Need::Root, Need::Program("unshare"), Need::Program("perl")];
const NSENTER: &[Need] = &[Need::Root, Need::Program("nsenter")];
const STRACE: &[Need] = &[Need::Root, Need::Program("strace")];
const USERS: &[Need] = &[Need::Root, Need::Program("unshare"), Need::Program("setpriv")];
const DUMPABLE: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("perl")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a namespace's owner and number are the kernel's", PERL, owned),
        test("how far the clocks of a time namespace are off is told", ROOT, clocks),
        test("the namespace of a next child is told where it differs", USERS, for_children),
        test("zombies that nobody reaps are told", ROOT, zombies),
        test("the user is told as the host and as the inside know him", USERS, user),
        test("who is not dumpable is told", DUMPABLE, dumpable),
        test("a process without its first thread holds sockets", ROOT, first_thread_ended),
        test("mounts that a process does not see from its root are missed", PERL, chroot),
        test("masks that something was mounted over are none", ROOT, buried),
        test(
            "that a thread may do more than the first one is told",
            &[Need::Root],
            stronger_thread,
        ),
        test("an engine's socket that is a directory opens nothing", ROOT, no_socket),
        test("what was asked for is read and nothing else", ROOT, sections),
        test(
            "nothing is written, and what is inside is opened as a place first",
            STRACE,
            only_read,
        ),
        test("a false /proc inside changes nothing", NSENTER, false_proc),
        test("a target that ends at any moment is told whole or not at all", ROOT, ends),
        test("a user sees what is his, and of others what /proc shows", USERS, unprivileged),
    ]
}

fn inspect(pid: u32, more: &[&str]) -> Value {
    let pid = pid.to_string();
    json(&mut nsx([&["inspect", "--json", &pid], more].concat()))["data"].clone()
}

fn of_kind<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let mut list = report["namespaces"].as_array().expect("a list").iter();
    list.find(|one| one["kind"] == kind).expect("it is there")
}

/// A process of `unshare OPTIONS`, asleep.
fn unshared(options: &[&str]) -> Held {
    let mut command = Command::new("unshare");
    command.args(options).args(["sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    held
}

fn owned() {
    let held = unshared(&["--user", "--map-root-user", "--net"]);
    let report = inspect(held.pid(), &["--only", "namespaces"]);
    let user = namespace(held.pid(), "user");
    let owner = |kind: &str| format!("user:[{}]", of_kind(&report, kind)["owner_inode"]);
    assert_eq!(owner("net"), user, "its own");
    assert_eq!(owner("user"), namespace("self", "user"), "ours, in which it was made");
    // NS_GET_ID.
    let ask = "open(my $f, '<', $ARGV[0]) or die; my $id = pack('Q', 0); \
               ioctl($f, 0x8008b70d, $id) and print unpack('Q', $id);";
    let link = format!("/proc/{}/ns/net", held.pid());
    let id = succeeds(Command::new("perl").args(["-e", ask, &link]));
    // Before Linux 6.18 neither side knows one.
    let id = Some(id).filter(|id| !id.is_empty());
    assert_eq!(of_kind(&report, "net")["nsid"], json!(id));
    assert_eq!(of_kind(&report, "mnt")["nsid"], Value::Null, "one of the host's");
}

fn clocks() {
    let options = ["--time", "--fork", "--kill-child", "--boottime", "172800", "--monotonic", "-5"];
    let held = unshared(&options);
    let child = child_of(held.pid()).expect("it has forked");
    let report = inspect(child, &["--only", "uts"]);
    let (seconds, days) = (-5_000_000_000_i64, 172_800_000_000_000_i64);
    assert_eq!(
        report["clock_offsets"],
        json!({ "monotonic_nsec": seconds, "boottime_nsec": days })
    );
    let text = succeeds(&mut nsx(["inspect", "--only", "uts", &child.to_string()]));
    assert!(text.contains("clocks off by -5 s (monotonic), 172800 s (since boot)"), "{text}");
    assert_eq!(inspect(std::process::id(), &["--only", "uts"])["clock_offsets"], Value::Null);
}

fn for_children() {
    let mut command = Command::new("unshare");
    // Its child, which is the first in its namespace, would outlive it.
    let script = "setpriv --pdeathsig KILL sleep 1000 & echo ready; wait";
    command.args(["--pid", "sh", "-c", script]);
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    let report = inspect(held.pid(), &["--only", "namespaces"]);
    let link = namespace(held.pid(), "pid_for_children");
    let told = &of_kind(&report, "pid")["for_children_inode"];
    assert_eq!(format!("pid:[{told}]"), link);
    assert_ne!(link, namespace(held.pid(), "pid"), "the reference");
    assert_eq!(of_kind(&report, "time")["for_children_inode"], Value::Null);
}

fn zombies() {
    let mut command = Command::new("unshare");
    // None of them ends before the shell, which would reap it, has become something that does not.
    let wait = "until grep -q '^Name:.sleep$' /proc/1/status; do :; done";
    let script =
        format!("for i in 1 2 3 4; do sh -c \"{wait}\" & done; echo ready; exec sleep 1000");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", &script]);
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    let init = child_of(held.pid()).expect("it has forked");
    let children = || {
        let path = format!("/proc/{init}/task/{init}/children");
        std::fs::read_to_string(path).expect("it lives")
    };
    let is_zombie = |pid: &str| {
        let state = status(pid.parse().expect("a pid"), "State");
        state.is_some_and(|state| state.starts_with('Z'))
    };
    until("all have ended", || {
        let list = children();
        list.split_whitespace().count() == 4 && list.split_whitespace().all(is_zombie)
    });
    let report = inspect(init, &[]);
    let members = report["processes"].as_array().expect("a list");
    let ended: Vec<&Value> = members.iter().filter(|one| one["state"] == "Z").collect();
    assert_eq!(ended.len(), 4, "{members:#?}");
    assert!(ended.iter().all(|one| one["rss_bytes"].is_null() && one["command"].is_null()));
    let text = succeeds(&mut nsx(["inspect", &init.to_string()]));
    let told = format!("no process reaps zombies: 4 under pid {init} (sleep)");
    assert!(text.contains(&told), "{text}");
    assert!(text.contains("(zombie)  ×4"), "{text}");
}

fn user() {
    // The kernel gives the namespace's files to whoever made it.
    let unshare = find("unshare").expect("needed");
    let mut command = as_nobody(&unshare);
    command.args(["--user", "--map-root-user", "sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    let told = inspect(held.pid(), &["--only", "identity"])["identity"].clone();
    assert_eq!(
        (&told["uid"], &told["uid_inside"], &told["user_inside"]),
        (&json!(65534), &json!(0), &json!("root"))
    );
    let command = told["command"].as_str().expect("a command");
    assert!(command.ends_with("sleep 1000"), "{command}");
    let sleep = std::fs::canonicalize(find("sleep").expect("needed")).unwrap();
    let mut plain = as_nobody(&find("sh").expect("there is a shell"));
    let (held, line) = Held::ready(plain.args(["-c", "echo ready; exec sleep 1000"]));
    assert_eq!(line, "ready");
    until("it has become sleep", || status(held.pid(), "Name").as_deref() == Some("sleep"));
    let told = inspect(held.pid(), &["--only", "identity"])["identity"].clone();
    let named = succeeds(Command::new("getent").args(["passwd", "65534"]));
    let named = named.split(':').next().expect("a name");
    assert_eq!(
        (&told["uid"], &told["uid_inside"], &told["user_inside"]),
        (&json!(65534), &json!(65534), &json!(named))
    );
    assert_eq!(told["executable"], json!(sleep.to_str().expect("a path")));
}

fn dumpable() {
    for is in [true, false] {
        // PR_SET_DUMPABLE.
        let set =
            format!("syscall({}, 4, {}, 0, 0, 0) == 0 or die;", libc::SYS_prctl, u8::from(is));
        let script = format!("$| = 1; {set} print qq(ready\\n); sleep 1000");
        let mut command = Command::new("setpriv");
        command.args(["--reuid=4243", "--clear-groups", "perl", "-e", &script]);
        let (held, line) = Held::ready(&mut command);
        assert_eq!(line, "ready");
        let report = inspect(held.pid(), &["--only", "security"]);
        assert_eq!(report["security"]["dumpable"], json!(is));
    }
}

fn first_thread_ended() {
    let role = std::env::current_exe().unwrap();
    let script = format!("{}=1 {} & exec sleep 1000", crate::census::ROLE, role.display());
    // It would outlive the shell, but for the end of their pid namespace.
    let spawn = ["spawn", "--newnet", "--newpid", "sh", "-c", &script];
    let (spawn, line) = Held::ready(&mut nsx(spawn));
    assert_eq!(line, "ready");
    let pid = child_of(spawn.pid()).expect("a child");
    let headless = child_of(pid).expect("it has forked");
    until("its first thread has ended", || {
        status(headless, "State").is_some_and(|state| state.starts_with('Z'))
    });
    let report = inspect(pid, &["--only", "net"]);
    let owners = &report["net"]["sockets"]["listening"][0]["owners"];
    assert_eq!((&owners[0]["pid"], owners.as_array().map(Vec::len)), (&json!(headless), Some(1)));
    let report = inspect(headless, &["--only", "limits"]);
    let limits = report["limits"]["rlimits"].as_array().expect("a list").iter();
    let files = limits.clone().find(|one| one["resource"] == "open_files").expect("it is there");
    assert!(files["used"].as_u64().is_some_and(|used| used > 0), "{files}");
}

fn chroot() {
    let temp = tempfile::tempdir().unwrap();
    let jail = temp.path().display();
    std::fs::create_dir(temp.path().join("data")).unwrap();
    let scenes = [
        (String::new(), json!([]), true),
        (format!("mount -t tmpfs none {jail}/data;"), json!(["/data"]), true),
        (format!("mount -t tmpfs none {jail};"), json!(["/"]), false),
    ];
    for (mount, mounts, is_missed) in scenes {
        let script = format!(
            "{mount} exec perl -e '$| = 1; chroot q({jail}) or die; print qq(ready\\n); sleep 1000'"
        );
        let (held, line) = Held::ready(Command::new("unshare").args(["-m", "sh", "-c", &script]));
        assert_eq!(line, "ready");
        let target = held.pid().to_string();
        let report = json(&mut nsx(["inspect", "--json", "--only", "mounts", &target]));
        let targets = report["data"]["mounts"].as_array().expect("a list").iter();
        let targets: Vec<&Value> = targets.map(|mount| &mount["target"]).collect();
        assert_eq!(json!(targets), mounts);
        let object = format!("pid {target}");
        let gap = json!({
            "object": object, "what": "mounts outside the root", "reason": "unsupported",
        });
        assert_eq!(report["gaps"], if is_missed { json!([gap]) } else { json!([]) });
        for options in [&[][..], &["--only", "mounts"]] {
            let screen = succeeds(nsx(["inspect", &target]).args(options));
            assert_eq!(screen.contains("its root is no mount (chroot)"), is_missed, "{screen}");
        }
    }
}

fn buried() {
    let bury = "mount -t proc none /proc;";
    let scenes = [("", json!(["/proc/fs"]), json!(["/proc/sys"])), (bury, json!([]), json!([]))];
    for (bury, masked, read_only) in scenes {
        let script = format!(
            "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys;
            mount -t tmpfs -o ro none /proc/fs; {bury} echo ready; exec sleep 1000"
        );
        let (held, line) = Held::ready(Command::new("unshare").args(["-m", "sh", "-ec", &script]));
        assert_eq!(line, "ready");
        for sections in ["security", "security,mounts"] {
            let security = inspect(held.pid(), &["--only", sections])["security"].clone();
            assert_eq!(security["masked_paths"], masked, "{bury} {sections}");
            assert_eq!(security["read_only_paths"], read_only, "{bury} {sections}");
        }
    }
}

/// Run again with this in its environment, the suite gives up rights of its first thread alone.
pub const ROLE: &str = "NSX_TEST_STRONGER_THREAD";

pub fn play_role() -> ! {
    std::thread::spawn(|| {
        loop {
            std::thread::park();
        }
    });
    rustix::thread::set_no_new_privs(true).expect("it is there");
    println!("ready");
    loop {
        std::thread::park();
    }
}

fn stronger_thread() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let (held, line) = Held::ready(command.env(ROLE, "1"));
    assert_eq!(line, "ready");
    let security = inspect(held.pid(), &["--only", "security"])["security"].clone();
    assert_eq!(security["no_new_privs"], true);
    let threads = std::fs::read_dir(format!("/proc/{}/task", held.pid())).unwrap();
    let threads = threads.map(|it| it.unwrap().file_name().into_string().unwrap());
    let other = threads.filter(|it| *it != held.pid().to_string()).collect::<String>();
    let told = &security["stronger_threads"];
    assert_eq!(told["strongest"].to_string(), other, "{told}");
    assert_eq!((&told["count"], &told["no_new_privs"]), (&json!(1), &json!(false)));
    let own = inspect(std::process::id(), &["--only", "security"]);
    assert_eq!(own["security"]["stronger_threads"], Value::Null);
}

fn no_socket() {
    let temp = tempfile::tempdir().unwrap();
    let place = temp.path().display();
    std::fs::create_dir_all(temp.path().join("missing/docker.sock")).unwrap();
    std::fs::create_dir(temp.path().join("there")).unwrap();
    let socket = format!("{place}/there/docker.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let script = format!(
        "cd {place}; for one in missing there; do mount --bind $one/docker.sock $one/docker.sock; \
        done; echo ready; exec sleep 1000"
    );
    let (held, line) = Held::ready(Command::new("unshare").args(["-m", "sh", "-ec", &script]));
    assert_eq!(line, "ready");
    let security = inspect(held.pid(), &["--only", "security"])["security"].clone();
    assert_eq!(security["control_sockets"], json!([socket]));
}

fn sections() {
    let (_held, pid) = isolated(&["--newnet", "--newuts"]);
    let keys = [
        ("identity", "identity"),
        ("namespaces", "namespaces"),
        ("uts", "uts"),
        ("net", "net"),
        ("mounts", "mounts"),
        ("cgroup", "cgroup"),
        ("security", "security"),
        ("limits", "limits"),
        ("processes", "processes"),
    ];
    for (section, key) in keys {
        let only = inspect(pid, &["--only", section]);
        let skipped = inspect(pid, &["--skip", section]);
        for (_, other) in keys {
            assert_eq!(only[other].is_null(), other != key, "--only {section}: {other}");
            assert_eq!(skipped[other].is_null(), other == key, "--skip {section}: {other}");
        }
    }
}

fn only_read() {
    let (_held, pid) = isolated(&["--newnet", "--newpid", "--newns"]);
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(log.path());
    strace.args(["-e", "trace=open,openat,openat2,creat,file,setns,ptrace"]);
    let plain = nsx(["inspect", "--json", &pid.to_string()]);
    strace.arg(plain.get_program()).args(plain.get_args());
    assert!(output(&mut strace).status.success());
    let calls = std::fs::read_to_string(log.path()).unwrap();
    let mut inside = 0;
    for call in calls.lines() {
        let call = call.split_once(' ').map_or(call, |(_, call)| call.trim_start());
        let name = call.split('(').next().unwrap_or_default();
        let reads = [
            "open",
            "openat",
            "openat2",
            "readlink",
            "readlinkat",
            "statx",
            "newfstatat",
            "stat",
            "lstat",
            "access",
            "execve",
            "statfs",
            "getcwd",
            "setns",
            "faccessat2",
            // What a mount is, by the number of the call where strace is older than that.
            "statmount",
            "syscall_0x1c9",
            "listmount",
            "syscall_0x1ca",
        ];
        // What another thread or the end of a process says in between.
        if call.starts_with(['<', '+', '-']) {
            continue;
        }
        assert!(reads.contains(&name), "{call}");
        let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"];
        let is_standard = call.contains("\"/dev/null\"");
        assert!(is_standard || !writes.iter().any(|flag| call.contains(flag)), "{call}");
        assert!(!call.contains("/root/"), "{call}");
        // Below a directory, an absolute path is the target's and not the host's.
        if name == "openat2" && call.contains(", \"/") && !call.contains("AT_FDCWD") {
            assert!(call.contains("RESOLVE_IN_ROOT") && call.contains("O_PATH"), "{call}");
            inside += 1;
        }
        if name == "setns" {
            assert!(call.contains("CLONE_NEWNET") && !call.contains("CLONE_NEWNS"), "{call}");
        }
    }
    assert_eq!(inside, 3, "the resolver's files: {calls}");
}

fn false_proc() {
    let (_held, pid) = isolated(&["--newpid", "--newns", "--newnet"]);
    let look = || {
        let mut report = inspect(pid, &["--skip", "mounts,cgroup,limits"]);
        // That something is mounted over its /proc is a fact about it.
        for key in ["findings", "age_seconds", "security"] {
            report[key].take();
        }
        for member in report["processes"].as_array_mut().expect("a list") {
            member["age_seconds"].take();
        }
        report["container"]["age_seconds"].take();
        report["net"]["interfaces"].take();
        report
    };
    let before = look();
    let script = format!(
        "mount -t tmpfs false /proc
        mkdir -p /proc/1/ns /proc/self /proc/{pid}/ns
        for one in 1 {pid}; do
            printf 'Name:\\tliar\\nUid:\\t7\\t7\\t7\\t7\\nNSpid:\\t{pid}\\t9\\n' >/proc/$one/status
            echo '1 (liar) S 0 0 0' >/proc/$one/stat
            ln -s 'net:[1]' /proc/$one/ns/net
            mkfifo /proc/$one/cmdline /proc/$one/mountinfo /proc/$one/uid_map
        done"
    );
    let mut inside = Command::new("nsenter");
    succeeds(inside.args(["-t", &pid.to_string(), "-m", "sh", "-ec", &script]));
    assert_eq!(look(), before);
}

fn ends() {
    let mut codes = std::collections::BTreeMap::new();
    let look = || {
        let start = Instant::now();
        inspect(std::process::id(), &[]);
        start.elapsed()
    };
    let whole_look = look().min(look());
    // The first of them end before anybody looks: how long a process takes to die is not ours to say.
    for step in -10_i32..600 {
        // Some were caught before they ended and some were not. On a busy machine that takes longer.
        if step >= 60 && codes.len() == 2 {
            break;
        }
        let (held, pid) = isolated(&["--newnet", "--newpid", "--newns"]);
        let target = crate::support::pidfd(pid).unwrap();
        let wait = || std::thread::sleep(whole_look * step.unsigned_abs() / 30);
        let signal = rustix::process::Signal::KILL;
        let end = || rustix::process::pidfd_send_signal(&target, signal).unwrap();
        let mut command = nsx(["inspect", "--json", &pid.to_string()]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (child, held) = if step < 0 {
            end();
            // Reaped by who started it.
            drop(held);
            wait();
            (command.spawn().unwrap(), None)
        } else {
            let child = command.spawn().unwrap();
            wait();
            end();
            (child, Some(held))
        };
        drop(held);
        let done = finish(child);
        let code = done.status.code();
        let said = stderr(&done);
        *codes.entry(code).or_insert(0) += 1;
        match code {
            Some(0) => {
                let report: Value = serde_json::from_slice(&done.stdout).expect("JSON");
                assert_eq!(report["data"]["pid"], pid, "step {step}");
            }
            Some(3) => {
                let names_it = said.contains(&pid.to_string());
                assert!(stdout(&done).is_empty() && names_it, "step {step}: {said}");
            }
            other => panic!("step {step}: {other:?}: {said}"),
        }
    }
    assert!(codes.len() == 2, "{codes:?}");
}

fn unprivileged() {
    let (_directory, copy) = public_nsx();
    let look = |pid: u32, more: &[&str]| {
        let mut command = as_nobody(&copy);
        output(command.args(["inspect", "--json", &pid.to_string()]).args(more))
    };
    let unshare = find("unshare").expect("needed");
    let mut command = as_nobody(&unshare);
    command.args(["--user", "--map-root-user", "--net", "--uts", "sh", "-c"]);
    let (own, _) = Held::ready(command.arg("echo ready; exec sleep 1000"));
    let (_held, roots) = isolated(&["--newnet", "--newuts"]);
    let report = |done: &std::process::Output| -> Value {
        assert_eq!(done.status.code(), Some(0), "{}", stderr(done));
        serde_json::from_slice(&done.stdout).expect("JSON")
    };
    let mine = report(&look(own.pid(), &[]));
    let namespaces = mine["data"]["namespaces"].as_array().expect("a list");
    assert_eq!(namespaces.len(), 8);
    let of = |kind: &str| format!("{kind}:[{}]", of_kind(&mine["data"], kind)["inode"]);
    assert_eq!(of("net"), namespace(own.pid(), "net"));
    assert!(mine["data"]["mounts"].is_array() && mine["data"]["security"].is_object());
    let his = report(&look(roots, &[]));
    assert_eq!(his["data"]["namespaces"], json!([]), "root's links are not a user's to read");
    assert_eq!(his["data"]["processes"][0]["command"], "sleep 1000");
    assert!(his["data"]["mounts"].is_array(), "everybody may read them");
    assert_eq!((&his["data"]["uts"], &his["data"]["net"]), (&Value::Null, &Value::Null));
    let gaps = his["gaps"].as_array().expect("a list");
    for what in ["namespaces", "network", "hostname"] {
        let is_told = |gap: &Value| gap["what"] == what && gap["reason"] == "denied";
        assert!(gaps.iter().any(is_told), "{what}: {gaps:?}");
    }
    // What is hidden is not taken for the host's: the map, which everybody may read, tells.
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "1", "--regid", "1", "--clear-groups"]).arg(&unshare);
    command.args(["--user", "--map-root-user", "sh", "-c", "echo ready; exec sleep 1000"]);
    let (other, _) = Held::ready(&mut command);
    let identity = report(&look(other.pid(), &[]))["data"]["identity"].clone();
    assert_eq!((&identity["uid"], &identity["uid_inside"]), (&json!(1), &json!(0)), "{identity}");
    assert_eq!(look(roots, &["--strict"]).status.code(), Some(6));
    let screen = output(as_nobody(&copy).args(["inspect", &roots.to_string()]));
    assert_eq!(screen.status.code(), Some(0));
    assert!(stderr(&screen).lines().count() == 1, "one line: {}", stderr(&screen));
}
