//! What a container plants for programs that look something up in it: libraries, tables, a `/proc`
//! of its own making (CVE-2019-14271).

use crate::rooted::Rooted;
use crate::support::{KINDS, Need, binary, namespace, nsx, output, stderr, stdout, succeeds, test};
use libtest_mimic::Trial;
use std::process::Command;

const CC: &[Need] =
    &[Need::Root, Need::Program("cc"), Need::Program("pivot_root"), Need::Program("strace")];
const NEEDS: &[Need] = &[Need::Root, Need::Program("pivot_root"), Need::Program("mkfifo")];
const CONTAINER: &[&str] = &["-p", "-m", "-n", "-u"];
const USERS: &[&str] = &["-U", "-p", "-m", "-n", "-u"];

/// Ways that might have nsx look something up inside.
const WAYS: [&[&str]; 9] = [
    &["-m"],
    &["-a"],
    &["-a", "-e"],
    &["-a", "--wd=/srv"],
    &["-a", "-W", "/srv"],
    &["-a", "-r", "-w"],
    &["-a", "--user=planted"],
    &["-a", "--init"],
    &["-a", "-S", "follow", "-G", "follow", "--timeout", "100s"],
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("libraries that a container plants are not loaded by nsx", CC, libraries),
        test("a /proc that a container invents is not believed", NEEDS, invented),
    ]
}

/// Leaves its mark in whatever process it is loaded into.
const EVIL: &str = r#"
    #include <fcntl.h>
    #include <unistd.h>
    __attribute__((constructor)) static void mark(void) {
        int fd = open("/loaded", O_WRONLY | O_CREAT | O_APPEND, 0666);
        if (fd >= 0) { write(fd, "loaded\n", 7); close(fd); }
    }
"#;

fn libraries() {
    let environment = "LD_PRELOAD=/evil.so LD_LIBRARY_PATH=/evil LD_AUDIT=/evil.so \
                       GCONV_PATH=/evil LOCPATH=/evil NLSPATH=/evil/%N LANG=evil LC_ALL=evil";
    let start = format!("exec env {environment} sleep 1000 2>/dev/null");
    let container = Rooted::running(CONTAINER, &["sh", "-c", &start]);
    crate::support::asleep(container.target);
    plant(&container);
    // A program that loads nothing: the mark is nsx's, or nobody's.
    crate::support::copy_program(binary("nsx"), container.path("static"));
    for way in WAYS {
        let calls = calls(container.target, way);
        assert!(!container.path("loaded").exists(), "{way:?}: a library was loaded");
        let joined = calls.iter().position(|call| call.starts_with("setns(")).unwrap();
        let program = calls.iter().position(|call| call.starts_with("execve(\"/static\"")).unwrap();
        for call in &calls[joined..program] {
            let names = ["open", "stat", "readlink", "access", "newfstatat", "faccessat", "socket"];
            assert!(!names.iter().any(|name| call.starts_with(name)), "{way:?}: {call}");
        }
    }
    // One that loads its libraries finds what is planted: the test can fail.
    succeeds(&mut nsx(["enter", "-t", &container.target.to_string(), "-a", "/bin/true"]));
    assert!(container.path("loaded").exists());
}

fn plant(container: &Rooted) {
    let source = container.path("evil.c");
    std::fs::write(&source, EVIL).unwrap();
    let evil = container.path("evil.so");
    succeeds(Command::new("cc").args(["-shared", "-fPIC", "-w", "-o"]).arg(&evil).arg(&source));
    let write = |name: &str, text: &str| std::fs::write(container.path(name), text).unwrap();
    write("etc/ld.so.preload", "/evil.so\n");
    write("etc/nsswitch.conf", "passwd: evil files\ngroup: evil files\nhosts: evil\n");
    write("etc/passwd", "root:x:0:0::/root:/bin/sh\nplanted:x:1000:1000::/srv:/bin/sh\n");
    write("etc/group", "root:x:0:\nplanted:x:1000:\n");
    let directory = container.path("evil");
    std::fs::create_dir(&directory).unwrap();
    for name in ["libnss_evil.so.2", "libnss_files.so.2", "libc.so.6", "EVIL.so"] {
        std::fs::copy(&evil, directory.join(name)).unwrap();
    }
    write("evil/gconv-modules", "module INTERNAL EVIL// EVIL 1\nmodule EVIL// INTERNAL EVIL 1\n");
    for category in ["LC_CTYPE", "LC_MESSAGES", "locale-archive"] {
        write(&format!("evil/{category}"), "evil");
    }
}

/// Every call of nsx, of all its processes, without the pids before them.
fn calls(target: u32, way: &[&str]) -> Vec<String> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(log.path()).arg(binary("nsx"));
    strace.args(["enter", "-t", &target.to_string()]).args(way).args(["/static", "--version"]);
    let run = output(&mut strace);
    assert!(run.status.success(), "{way:?}: {}", stderr(&run));
    assert!(stdout(&run).starts_with("nsx "), "{way:?}: {}", stdout(&run));
    let log = std::fs::read_to_string(log.path()).unwrap();
    log.lines().map(|line| line.split_once(' ').unwrap().1.trim_start().to_owned()).collect()
}

/// Links that name other namespaces, maps that are pipes which nobody writes to, and a list of
/// children that names everybody.
fn invented() {
    for options in [CONTAINER, USERS] {
        let container = Rooted::running(options, &["sh", "-c", INVENT]);
        crate::support::asleep(container.target);
        assert!(container.path("proc/1/uid_map").exists());
        let first: Vec<_> = KINDS.map(|kind| namespace(container.target, kind)).into();
        for way in WAYS.iter().filter(|way| !way.contains(&"--user=planted")) {
            let mut command = nsx(["enter", "-t", &container.target.to_string()]);
            command.args(*way).args(["sh", "-c", "echo $$ $PPID; cat /proc/mark"]);
            let run = output(&mut command);
            let said = stdout(&run);
            assert!(said.ends_with("invented\n"), "{options:?} {way:?}: {said}{}", stderr(&run));
        }
        // Nobody was hit by what the list of children says.
        let after: Vec<_> = KINDS.map(|kind| namespace(container.target, kind)).into();
        assert_eq!(first, after, "{options:?}");
        joined_in_truth(&container);
    }
}

const INVENT: &str = r#"
    set -e
    umount -l /proc 2>/dev/null || true
    mount -t tmpfs none /proc
    echo invented > /proc/mark
    mkdir -p /proc/1/task/1 /proc/1/ns /proc/1/fd /proc/1/attr
    for kind in mnt uts ipc net pid cgroup user time; do ln -s "$kind:[4026531840]" /proc/1/ns/$kind; done
    for name in uid_map gid_map setgroups status stat cgroup environ; do mkfifo /proc/1/$name; done
    mkfifo /proc/1/attr/exec
    echo "1 2 3 4 5 6 7 8 9 10" > /proc/1/task/1/children
    ln -s 1 /proc/self; ln -s 1/task/1 /proc/thread-self
    for pid in $(seq 2 40); do ln -s 1 /proc/$pid; done
    exec sleep 1000
"#;

/// Seen from the host, where `/proc` is the kernel's.
fn joined_in_truth(container: &Rooted) {
    let mut command = nsx(["enter", "-t", &container.target.to_string(), "-a", "sleep", "1000"]);
    let held = crate::support::Held(command.stdin(std::process::Stdio::null()).spawn().unwrap());
    let program = crate::support::sleeper_of(held.pid());
    for kind in KINDS {
        assert_eq!(namespace(program, kind), namespace(container.target, kind), "{kind}");
    }
}
