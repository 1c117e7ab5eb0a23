//! Targets that are none, or none any more: a clear message, the documented code, and nothing runs.

use crate::support::{self, Held, Need, isolated, kernel, nsx, output, stderr, test, until};
use libtest_mimic::Trial;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &[Need] = &[Need::Root];
const REUSE: &[Need] = &[
    Need::Root,
    Need::Program("unshare"),
    kernel::INODES,
    Need::Machine("/proc/sys/kernel/ns_last_pid", || {
        Path::new("/proc/sys/kernel/ns_last_pid").exists()
    }),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("inspect of a pid that nobody has is code 3", ROOT, || {
            // The first that is not given.
            let most = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap();
            let said = refused(&mut nsx(["inspect", most.trim()]), 3);
            assert!(said.contains(&format!("no process has pid {}", most.trim())), "{said}");
        }),
        test("a target that is no pid and no name is refused, and nothing runs", ROOT, no_target),
        test("a pid beyond the kernel's is never truncated to a smaller one", ROOT, truncation),
        test("a zombie is refused, and nothing runs", ROOT, zombie),
        test("a thread is refused and its process is named", ROOT, thread),
        test("enter without a target runs nothing", ROOT, without_target),
        test("enter with nothing to join runs nothing", ROOT, nothing_to_join),
        test("PID:INODE is that process and no other", ROOT, inode),
        test("PID:INODE is refused once another process has the number", REUSE, inode_after_reuse),
        test("a control group leads to its oldest process", ROOT, control_group),
        test("a target given twice is refused", ROOT, || {
            let said = refused(&mut nsx(["enter", "-t", "1", "-t", "2", "echo", "RAN"]), 125);
            assert!(said.contains("only once"), "{said}");
        }),
    ]
}

/// Fails with `code`, an error and no output; what it said.
pub fn refused(command: &mut Command, code: i32) -> String {
    let output = output(command);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
    assert_eq!(support::stdout(&output), "", "{command:?}");
    assert!(said.starts_with("nsx "), "{said}");
    said
}

fn no_target() {
    let spellings =
        ["1x", "x1", "+1", " 1", "1 ", "01", "0", "0x1", "1.0", "-1", "１", "/proc/1", "4194305"];
    for spelled in spellings {
        let said = refused(&mut nsx(["enter", "-t", spelled, "echo", "RAN"]), 125);
        assert!(said.contains("hint"), "{spelled:?}: {said}");
        let inspected = output(&mut nsx(["inspect", "--", spelled]));
        assert_eq!(inspected.status.code(), Some(3), "{spelled:?}: {}", stderr(&inspected));
    }
    let said = refused(&mut nsx(["enter", "-t", "1x", "echo", "RAN"]), 125);
    assert!(said.contains("1x"), "{said}");
    refused(&mut nsx(["enter", "-t", "", "echo", "RAN"]), 125);
    refused(&mut nsx(["inspect", ""]), 2);
}

/// 2^32 and 2^64 more than the pid of a process that could be entered.
fn truncation() {
    let (_held, pid) = isolated(&["-n"]);
    for more in [1_u128 << 31, 1 << 32, 1 << 63, 1 << 64] {
        let spelled = (more + u128::from(pid)).to_string();
        let said = refused(&mut nsx(["enter", "-t", &spelled, "-n", "echo", "RAN"]), 125);
        assert!(said.contains(&spelled), "{said}");
        refused(&mut nsx(["inspect", &spelled]), 3);
    }
    let said = refused(&mut nsx(["enter", "-t", "4294967297", "echo", "RAN"]), 125);
    assert!(said.contains("4294967297"), "{said}");
}

/// A child that ended and that its parent does not collect.
fn zombie() {
    let mut parent = Command::new("sh");
    parent.args(["-c", "sh -c 'echo $$; exit 0' & exec sleep 1000"]);
    let (_held, pid) = Held::ready(&mut parent);
    let number: u32 = pid.parse().unwrap();
    until("it is a zombie", || {
        support::status(number, "State").is_some_and(|state| state.starts_with('Z'))
    });
    let said = refused(&mut nsx(["enter", "-t", &pid, "echo", "RAN"]), 125);
    assert!(said.contains("zombie"), "{said}");
    for flags in [&["-a"][..], &["-m"], &["-p"], &["-n", "-U"]] {
        refused(nsx(["enter", "-t", &pid]).args(flags).args(["echo", "RAN"]), 125);
    }
    let said = refused(&mut nsx(["inspect", &pid]), 3);
    assert!(said.contains("zombie"), "{said}");
}

fn thread() {
    let (tell, thread) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        tell.send(nix::unistd::gettid()).unwrap();
        let _ = ended.recv();
    });
    let tid = thread.recv().unwrap().to_string();
    let said = refused(&mut nsx(["enter", "-t", &tid, "echo", "RAN"]), 125);
    assert!(said.contains("thread"), "{said}");
    refused(&mut nsx(["inspect", &tid]), 3);
    drop(end);
    other.join().unwrap();
}

/// The inode of a process, by its pidfd.
fn inode_of(pid: u32) -> u64 {
    rustix::fs::fstat(support::pidfd(pid).unwrap()).unwrap().st_ino
}

fn inode() {
    let (_held, pid) = isolated(&["-n"]);
    let inode = inode_of(pid);
    let right = format!("{pid}:{inode}");
    if !kernel::since(6, 9) {
        let said = refused(&mut nsx(["inspect", "-q", &right]), 5);
        assert!(said.contains("this kernel gives processes no inode"), "{said}");
        return;
    }
    assert_eq!(support::succeeds(&mut nsx(["inspect", "-q", &right])), format!("{pid}\n"));
    let told = support::json(&mut nsx(["inspect", "--json", &right, "--only", "namespaces"]));
    assert_eq!(told["data"]["pid_inode"], inode);
    let ran = output(&mut nsx(["enter", "-t", &right, "-n", "echo", "RAN"]));
    assert_eq!(support::stdout(&ran), "RAN\n", "{}", stderr(&ran));
    let listed = support::json(&mut nsx(["ps", "--json", &right]));
    assert_eq!(listed["data"][0]["pid"], pid);
    let wrong = format!("{pid}:{}", inode + 1);
    let said = refused(&mut nsx(["inspect", &wrong]), 3);
    assert!(said.contains("another process"), "{said}");
    refused(&mut nsx(["enter", "-t", &wrong, "-n", "echo", "RAN"]), 125);
    refused(&mut nsx(["ps", &wrong]), 3);
    refused(&mut nsx(["inspect", &format!("{pid}:")]), 2);
}

/// In a pid namespace of its own, whose numbers can be chosen.
const REUSE_SCRIPT: &str = r#"
sleep 1000 & first=$!
inode=$("$NSX" inspect --json --only namespaces $first | grep -o '"pid_inode":[0-9]*' | cut -d: -f2)
"$NSX" inspect -q $first:$inode
kill -KILL $first; wait $first 2>/dev/null
"$NSX" inspect -q $first:$inode; echo "code $?"
echo $((first - 1)) > /proc/sys/kernel/ns_last_pid
sleep 1000 & second=$!
[ $second = $first ] || echo "the second is $second and not $first"
"$NSX" inspect -q $second >/dev/null; echo "code $?"
"$NSX" inspect -q $second:$inode; echo "code $?"
kill -KILL $second
"#;

fn inode_after_reuse() {
    let mut script = Command::new("unshare");
    script.args(["--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", REUSE_SCRIPT]);
    let output = output(script.env("NSX", support::binary("nsx")));
    let (told, said) = (support::stdout(&output), stderr(&output));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[1..], ["code 3", "code 0", "code 3"], "{told}{said}");
    assert!(said.contains("no process has pid") && said.contains("another process"), "{said}");
}

fn control_group() {
    let group = own_group().join("nsx-test-target.slice/inner");
    std::fs::create_dir_all(&group).unwrap();
    let (first, elder) = isolated(&["-n"]);
    let (second, younger) = isolated(&["-n"]);
    for pid in [younger, elder] {
        std::fs::write(group.join("cgroup.procs"), pid.to_string()).unwrap();
    }
    let lines = std::fs::read_to_string(format!("/proc/{elder}/cgroup")).unwrap();
    let path = lines.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned();
    let outer = path.strip_suffix("/inner").unwrap();
    for target in [format!("cgroup:{path}"), format!("cgroup:{outer}"), format!("cgroup:{outer}/")]
    {
        let found = support::succeeds(&mut nsx(["inspect", "-q", &target]));
        assert_eq!(found, format!("{elder}\n"), "{target}");
        let ran = output(&mut nsx(["enter", "-t", &target, "readlink", "/proc/self/ns/net"]));
        assert_eq!(support::stdout(&ran).trim(), support::namespace(elder, "net"));
    }
    // What was named is the group, not the one that its oldest process is in.
    for target in [format!("cgroup:{outer}"), "unit:nsx-test-target.slice".to_owned()] {
        let report = support::json(&mut nsx(["inspect", "--json", &target]));
        assert_eq!(report["data"]["cgroup"]["path"], outer, "{target}");
        let members = report["data"]["processes"].as_array().unwrap().iter();
        let members: Vec<u64> = members.map(|one| one["pid"].as_u64().unwrap()).collect();
        let mut expected = [u64::from(elder), u64::from(younger)];
        expected.sort_unstable();
        assert_eq!(members, expected, "{target}");
    }
    let unit = support::succeeds(&mut nsx(["inspect", "-q", "unit:nsx-test-target.slice"]));
    assert_eq!(unit, format!("{elder}\n"));
    drop((first, second));
    until("the groups can be removed", || std::fs::remove_dir(&group).is_ok() || !group.exists());
    let said = refused(&mut nsx(["inspect", &format!("cgroup:{path}")]), 3);
    assert!(said.contains("no process is in"), "{said}");
    std::fs::remove_dir(group.parent().unwrap()).unwrap();
}

/// The directory of our own group in the v2 hierarchy.
fn own_group() -> PathBuf {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let v2 = mounts.find(|mount| mount[2] == "cgroup2").expect("a v2 hierarchy")[1].to_owned();
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let ours = groups.lines().find_map(|line| line.strip_prefix("0::/")).expect("a v2 group");
    Path::new(&v2).join(ours)
}

fn without_target() {
    for flags in [&[][..], &["-a"], &["-n"], &["--mount", "--pid"]] {
        let said = refused(nsx(["enter"]).args(flags).args(["echo", "RAN"]), 125);
        assert!(said.contains("no target"), "{said}");
    }
}

fn nothing_to_join() {
    let (_held, pid) = isolated(&["-u"]);
    let pid = pid.to_string();
    for flags in [&["-n"][..], &["-U"], &["-m", "-p", "-i", "-n", "-C", "-U", "-T"]] {
        let said = refused(nsx(["enter", "-t", &pid]).args(flags).args(["echo", "RAN"]), 125);
        assert!(said.contains("nothing to join"), "{said}");
    }
    let me = std::process::id().to_string();
    let said = refused(&mut nsx(["enter", "-t", &me, "-a", "echo", "RAN"]), 125);
    assert!(said.contains("nothing to join"), "{said}");
    let ran: Output = output(&mut nsx(["enter", "-t", &pid, "-u", "echo", "RAN"]));
    assert_eq!(support::stdout(&ran), "RAN\n");
}
