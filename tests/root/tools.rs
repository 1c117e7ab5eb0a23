//! `enter --tools` and `--tools-inside`: the host's programs for a target that has none; nothing is
//! written into the target, nothing of the host's is given away, and nothing is left.

use crate::support::{
    Held, Need, as_nobody, child_of, nsx, output, public_nsx, status, stderr, stdout, succeeds,
    test, until,
};
use libtest_mimic::Trial;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const BUSYBOX: &[Need] = &[Need::Root, Need::Program("busybox")];
const STRACE: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Program("strace")];
const GDB: &[Need] = &[
    Need::Root,
    Need::Program("busybox"),
    Need::Machine("gdb", || crate::support::find("gdb").is_some()),
];
const USER: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Program("setpriv")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a target of one static file gets the host's shell and tools", BUSYBOX, shell),
        test("strace of the host traces a target of one static file", STRACE, strace),
        test("gdb of the host looks at a target of one static file", GDB, gdb),
        test("the target's files are beside the tools, and can be written", BUSYBOX, beside),
        test("tools leave nothing in the target and nothing on the host", BUSYBOX, nothing_left),
        test("tools give nothing secret of the host away", BUSYBOX, nothing_secret),
        test("what tools bring of the host cannot be written", BUSYBOX, read_only),
        test("the kernel's settings are not given away with a fresh /proc", BUSYBOX, settings),
        test("tools come from a directory where one is named", BUSYBOX, directory),
        test("tools work in a user namespace that is joined", BUSYBOX, user_namespace),
        test("a user without privileges brings tools into what is his", USER, unprivileged),
        test("tools whose mounts cannot be locked are not shown to others", BUSYBOX, unlocked),
        test("a target that is laid with links and oddities is no danger", BUSYBOX, hostile),
        test("what a target has made to look like the kernel's is not shown", BUSYBOX, made_up),
        test("a target with thousands of mounts has tools too", BUSYBOX, many_mounts),
        test("inside, the target's program comes before the host's", BUSYBOX, inside),
        test("inside, links and odd names of the target's root are as they are", BUSYBOX, odd_root),
        test("inside, the target's processes do not see the host's side", BUSYBOX, unseen),
        test("what tools cannot be had for is refused before anything runs", BUSYBOX, refused),
    ]
}

/// A target whose root is a file system of its own with one program in it.
pub struct Bare {
    held: Held,
    pub pid: u32,
    _directory: tempfile::TempDir,
}

impl Bare {
    pub fn name(&self) -> String {
        self.pid.to_string()
    }

    fn mountinfo(&self) -> Vec<u8> {
        fs::read(format!("/proc/{}/mountinfo", self.pid)).unwrap()
    }

    fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.pid).into()
    }

    fn enter(&self, options: &[&str], program: &[&str]) -> Command {
        let mut command = nsx(["enter", "-t", &self.name()]);
        command.args(options).args(program).stdin(Stdio::null());
        command
    }
}

/// `prepare` is done in the new root, with the host's programs, before it becomes the root.
pub fn bare(options: &[&str], prepare: &str) -> Bare {
    let directory = tempfile::tempdir().unwrap();
    let busybox = crate::support::find("busybox").unwrap();
    let script = format!(
        "set -e\nmount -t tmpfs -o mode=755 none {0}\ncd {0}\nmkdir bin .old\n\
         cp {1} bin/busybox\n{prepare}\n\
         pivot_root . .old\nexec /bin/busybox sh -c '/bin/busybox umount -l /.old; \
         /bin/busybox rmdir /.old; echo ready; exec /bin/busybox sleep 1000'",
        directory.path().display(),
        busybox.display(),
    );
    let mut command = nsx(["spawn", "-m"]);
    command.args(options).args(["sh", "-c", &script]);
    let (held, line) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let pid = child_of(held.pid()).unwrap();
    let sleeps = || {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.starts_with(b"/bin/busybox\0sleep\0")
    };
    until("it sleeps", sleeps);
    Bare { held, pid, _directory: directory }
}

fn both(check: impl Fn(&str)) {
    for option in ["--tools", "--tools-inside"] {
        check(option);
    }
}

fn shell() {
    let target = bare(&["-p", "-n", "-u"], "");
    both(|option| {
        let script = "echo $((6*7)); ls /proc/self/status; cat /proc/1/comm; id -u";
        let said = succeeds(&mut target.enter(&[option], &["sh", "-c", script]));
        assert_eq!(said, "42\n/proc/self/status\nbusybox\n0\n", "{option}");
        let output = output(&mut target.enter(&[option], &["no-such-program"]));
        assert_eq!(output.status.code(), Some(127), "{}", stderr(&output));
    });
}

fn strace() {
    let target = bare(&["-p"], "");
    both(|option| {
        let script = "strace -p 1 2>/dev/said & pid=$!; \
                      until grep -q attached /dev/said; do :; done; \
                      kill $pid; wait $pid; head -n 1 /dev/said";
        let said = succeeds(&mut target.enter(&[option], &["sh", "-c", script]));
        assert_eq!(said, "strace: Process 1 attached\n", "{option}");
    });
    let version = succeeds(&mut target.enter(&["--tools-inside"], &["strace", "-V"]));
    assert!(version.starts_with("strace"), "{version}");
}

fn gdb() {
    let target = bare(&["-p"], "");
    both(|option| {
        let arguments = ["gdb", "-batch", "-p", "1", "-ex", "info inferiors"];
        let said = succeeds(&mut target.enter(&[option], &arguments));
        assert!(said.contains("process 1"), "{option}: {said}");
    });
}

fn beside() {
    let target = bare(&["-p"], "mkdir etc; echo inside > etc/word");
    let script = "cat /target/etc/word; echo written > /target/new; ls /target";
    let said = succeeds(&mut target.enter(&["--tools"], &["sh", "-c", script]));
    assert_eq!(said, "inside\nbin\netc\nnew\n");
    assert_eq!(fs::read_to_string(target.root().join("new")).unwrap(), "written\n");
    let said = succeeds(&mut target.enter(&["--tools", "--wd=/target/etc"], &["pwd"]));
    assert_eq!(said, "/target/etc\n");
}

fn nothing_left() {
    let host = || fs::read("/proc/self/mountinfo").unwrap();
    let target = bare(&["-p", "-n"], "mkdir proc; mount -t proc proc proc; echo x > file");
    let tree = || {
        let root = target.root();
        let find = ["-xdev", "-printf", "%P %y %s %T@ %C@\\n"];
        succeeds(Command::new("find").arg(format!("{}/", root.display())).args(find))
    };
    let (before, mounts, files) = (host(), target.mountinfo(), tree());
    both(|option| {
        let script = "mount -t tmpfs none /opt 2>/dev/null; mount -t tmpfs none /run; true";
        succeeds(&mut target.enter(&[option], &["sh", "-c", script]));
        let mut command = target.enter(&[option], &["sh", "-c", "echo ready; exec sleep 1000"]);
        let (held, line) = Held::ready(&mut command);
        assert_eq!(line, "ready");
        assert_eq!(target.mountinfo(), mounts, "{option}: while it runs");
        assert_eq!(host(), before, "{option}: while it runs");
        drop(held);
        // Its first process reaps nothing: whatever is left to it stays.
        let left = || fs::read_to_string(format!("/proc/{0}/task/{0}/children", target.pid));
        until("nothing is left to it", || left().unwrap().trim().is_empty());
    });
    assert_eq!(target.mountinfo(), mounts);
    assert_eq!(host(), before);
    assert_eq!(tree(), files);
}

/// A program with tools, and its root as others see it.
fn running(target: &Bare, option: &str) -> (Held, PathBuf) {
    let mut command = target.enter(&[option], &["sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    let nsx = held.pid();
    let mut program = None;
    until("the program sleeps", || {
        let children = fs::read_to_string(format!("/proc/{nsx}/task/{nsx}/children")).unwrap();
        // Beside it there may be readers that have ended and were not waited for.
        let mut pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        program = pids.find(|pid| status(*pid, "Name").is_some_and(|name| name == "sleep"));
        program.is_some()
    });
    let root = PathBuf::from(format!("/proc/{}/root", program.unwrap()));
    let side = if option == "--tools" { "usr/bin/env" } else { ".nsx/usr/bin/env" };
    assert!(root.join(side).exists(), "it can be looked at");
    (held, root)
}

fn nothing_secret() {
    let target = bare(&["-p"], "");
    both(|option| {
        let (_held, root) = running(&target, option);
        let side = if option == "--tools" { root.clone() } else { root.join(".nsx") };
        for secret in [
            "etc/shadow",
            "etc/gshadow",
            "etc/ssh",
            "etc/sudoers",
            "etc/ssl/private",
            "home",
            "boot",
            "var/lib",
            "var/log",
            "etc/machine-id",
            "lost+found",
            "work",
            "srv",
            "mnt",
        ] {
            assert!(!side.join(secret).exists(), "{option}: {secret}");
            assert!(!root.join(secret).exists(), "{option}: {secret}");
        }
        let empty = |name: &str| {
            let entries = fs::read_dir(root.join(name));
            entries.is_ok_and(|mut entries| entries.next().is_none())
        };
        assert!(option == "--tools-inside" || (empty("root") && empty("run")));
        // Neither the way up nor the first process's root leads out.
        let script = "for way in /usr/.. /.nsx/usr/.. /target/.. /proc/1/root /proc/self/root; do \
                      cat $way/etc/shadow; done; ls /proc/self/fd";
        let output = output(&mut target.enter(&[option], &["sh", "-c", script]));
        assert!(stdout(&output).lines().all(|line| line.len() == 1), "{}", stdout(&output));
    });
}

/// Asked for, not done: what may be written would be the host's.
fn read_only() {
    for options in [&["-p"][..], &["-p", "-U"]] {
        let target = bare(options, "");
        both(|option| {
            let side = if option == "--tools" { "" } else { "/.nsx" };
            let script = format!(
                "test -w {side}/usr && echo written; mount -o remount,rw,bind {side}/usr; \
                 test -w {side}/usr && echo remounted; umount -l {side}/usr; ls {side}/usr/bin/env"
            );
            let output = output(&mut target.enter(&[option], &["sh", "-c", &script]));
            assert_eq!(stdout(&output), format!("{side}/usr/bin/env\n"), "{}", stderr(&output));
        });
    }
}

fn settings() {
    let target = bare(&["-p", "-n"], "");
    both(|option| {
        let script = "test -w /proc/sys/kernel/core_pattern && echo written; \
                      grep -c ' /proc/sys ro,' /proc/self/mountinfo; \
                      grep -c ' /sys ro,' /proc/self/mountinfo";
        let output = output(&mut target.enter(&[option], &["sh", "-c", script]));
        assert_eq!(stdout(&output), "1\n1\n", "{option}: {}", stderr(&output));
    });
}

fn directory() {
    let target = bare(&["-p"], "echo x > of-target");
    let tools = tempfile::tempdir().unwrap();
    let at = |path: &str| tools.path().join(path);
    for directory in ["bin", "etc", "etc/deep", "proc", "root"] {
        fs::create_dir(at(directory)).unwrap();
    }
    crate::support::copy_program(crate::support::find("busybox").unwrap(), at("bin/tool"));
    std::os::unix::fs::symlink("/bin/tool", at("bin/busybox")).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", at("shadow")).unwrap();
    fs::write(at("etc/hosts"), "127.0.0.1 of-directory\n").unwrap();
    fs::write(at("etc/deep/word"), "found\n").unwrap();
    let option = format!("--tools={}", tools.path().display());
    let script = "PATH=/bin; b=/bin/busybox; $b ls /target; $b cat /etc/deep/word /etc/hosts; \
                  $b cat /shadow; $b touch /bin/planted /etc/deep/planted; $b ls /usr";
    let output = output(&mut target.enter(&[&option], &["/bin/busybox", "sh", "-c", script]));
    assert_eq!(stdout(&output), "bin\nof-target\nfound\n", "{}", stderr(&output));
    assert!(!at("bin/planted").exists() && !at("etc/deep/planted").exists());
    for number in 0..1001 {
        fs::write(at(&format!("{number}")), "").unwrap();
    }
    let ended = crate::support::output(&mut target.enter(&[&option], &["/bin/busybox", "true"]));
    assert_eq!(ended.status.code(), Some(125), "it would not be all of it");
    assert!(stderr(&ended).contains("show all of"), "{}", stderr(&ended));
}

fn user_namespace() {
    let target = bare(&["-p", "-U", "-n"], "mkdir tmp; chmod 1777 tmp");
    both(|option| {
        let script = "id -u; echo x > /tmp/file && cat /tmp/file; cat /proc/1/comm";
        let said = succeeds(&mut target.enter(&[option], &["sh", "-c", script]));
        assert_eq!(said, "0\nx\nbusybox\n", "{option}");
        let said = succeeds(&mut target.enter(&[option, "-m", "-p"], &["cat", "/proc/1/comm"]));
        assert_eq!(said, "busybox\n", "{option}: without the user namespace");
    });
}

fn unprivileged() {
    let (_directory, copy) = public_nsx();
    let mut spawn = as_nobody(&copy);
    spawn.args(["spawn", "-U", "-m", "-p", "-n", "sh", "-c"]);
    spawn.arg("mount -t tmpfs none /mnt; echo inside > /mnt/word; echo ready; exec sleep 1000");
    let (held, line) = Held::ready(spawn.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let target = child_of(held.pid()).unwrap().to_string();
    let run = |option: &str, script: &str| {
        let mut enter = as_nobody(&copy);
        enter.args(["enter", "-t", &target, option, "sh", "-c", script]);
        succeeds(enter.stdin(Stdio::null()))
    };
    let said = run("--tools", "id -u; cat /target/mnt/word; cat /proc/1/comm; touch /root/x");
    assert_eq!(said, "0\ninside\nsleep\n");
    let said =
        run("--tools-inside", "id -u; cat /mnt/word; cat /proc/1/comm; ls /.nsx/usr/bin/env");
    assert_eq!(said, "0\ninside\nsleep\n/.nsx/usr/bin/env\n");
}

fn unlocked() {
    let script = "unshare -Urm sleep 1000 & target=$!
        until [ $(readlink /proc/$target/ns/mnt) != $(readlink /proc/self/ns/mnt) ]; do :; done
        $0 enter -t $target --tools echo shown
        echo 1 > /proc/sys/user/max_user_namespaces
        $0 enter -t $target --tools echo shown; echo $?
        $0 enter -t $target -m -U echo without; kill $target";
    let mut spawn = nsx(["spawn", "-U", "-m", "-p", "sh", "-c", script]);
    let ended = output(spawn.arg(crate::support::binary("nsx")).stdin(Stdio::null()));
    assert_eq!(stdout(&ended), "shown\n125\nwithout\n", "{}", stderr(&ended));
    assert!(stderr(&ended).contains("make a user namespace"), "{}", stderr(&ended));
}

fn made_up() {
    let prepare = "mkdir -p proc/self sys/kernel dev; echo 'made up' > proc/version; \
                   echo x > sys/kernel/made-up; mknod dev/null c 1 5";
    let target = bare(&[], prepare);
    both(|option| {
        let script = "cat /proc/version; ls /sys/kernel/made-up; head -c 5 /dev/null | wc -c";
        let ended = output(&mut target.enter(&[option], &["sh", "-c", script]));
        let version = fs::read_to_string("/proc/version").unwrap();
        assert_eq!(stdout(&ended), format!("{version}0\n"), "{option}: {}", stderr(&ended));
    });
}

fn hostile() {
    let prepare = "ln -s /proc/1/root etc; ln -s / proc; ln -s ../../../.. dev; mkfifo sys; \
                   ln -s /etc usr; ln -s / .nsx; ln -s /root target; \
                   seq -f 'odd name %g' 3000 | tr '\\n' '\\0' | xargs -0 mkdir";
    let target = bare(&["-p"], prepare);
    both(|option| {
        let script = "head -c 0 /etc/shadow 2>/dev/null && echo BAD; ls -d /proc/self /dev/null; \
                      cat /proc/1/comm 2>/dev/null; true";
        let mut enter = target.enter(&[option], &["sh", "-c", script]);
        let ended = output(&mut enter);
        let said = stdout(&ended);
        assert!(ended.status.success(), "{option}: {}", stderr(&ended));
        assert!(!said.contains("BAD"), "{option}: {said}");
        if option == "--tools" {
            assert_eq!(said, "/dev/null\n/proc/self\nbusybox\n", "{}", stderr(&ended));
        } else {
            assert!(stderr(&ended).contains("only 1000 entries"), "{}", stderr(&ended));
        }
    });
    let links = prepare.split("seq").next().unwrap();
    let target = bare(&["-p"], links);
    let script = "readlink /proc /dev /.nsx; test -p /sys && echo pipe; ls -d /.nsx/usr";
    let ended = output(&mut target.enter(&["--tools-inside"], &["sh", "-c", script]));
    let expected = "/\n../../../..\npipe\n/.nsx/usr\n";
    assert_eq!(stdout(&ended), expected, "{}", stderr(&ended));
    let target = bare(&["-p"], "mkdir etc; mkfifo etc/resolv.conf; mkdir etc/passwd");
    let ended =
        output(&mut target.enter(&["--tools"], &["cat", "/etc/resolv.conf", "/etc/passwd"]));
    assert_eq!(stdout(&ended), "root:x:0:0:root:/root:/bin/sh\n");
    assert!(stderr(&ended).contains("/etc/resolv.conf counts as missing"), "{}", stderr(&ended));
}

fn many_mounts() {
    let prepare = "mkdir m m/a; mount -t tmpfs none m/a; i=0; \
                   while [ $i -lt 11 ]; do mkdir m/a/$i; mount --rbind m m/a/$i; i=$((i+1)); done";
    let target = bare(&["-p"], prepare);
    let count = target.mountinfo().split(|byte| *byte == b'\n').count();
    assert!(count > 2000, "{count} mounts");
    both(|option| {
        let script = "grep -c . /proc/self/mountinfo";
        let said = succeeds(&mut target.enter(&[option], &["sh", "-c", script]));
        assert!(said.trim().parse::<usize>().unwrap() >= count, "{option}: {said}");
    });
}

fn inside() {
    let prepare = "ln -s busybox bin/tail; printf '#!/bin/busybox sh\\necho own $*\\n' > bin/ls; \
                   chmod 755 bin/ls; ln -s /bin/busybox bin/sh";
    let target = bare(&["-p"], prepare);
    let run = |program: &[&str]| succeeds(&mut target.enter(&["--tools-inside"], program));
    assert_eq!(run(&["ls", "a"]), "own a\n");
    assert_eq!(run(&["/.nsx/bin/ls", "-d", "/bin"]), "/bin\n", "the host's by its path");
    assert!(run(&["tail", "--help"]).is_empty(), "busybox says that on standard error");
    assert_eq!(run(&["sh", "-c", "cat /proc/1/comm; /.nsx/usr/bin/env true"]), "busybox\n");
    let own = run(&["sh"]);
    assert!(own.is_empty());
}

fn odd_root() {
    let prepare = "mkdir 'a b' \"$(printf 'c\\nd')\" \"$(printf '\\377')\"; echo x > 'a b/file'; \
                   ln -s 'a b/file' link; ln -s nowhere dangling; echo y > plain; mkfifo pipe; \
                   mknod null c 1 3";
    let target = bare(&["-p"], prepare);
    let script = "cat link plain; readlink dangling; test -p pipe && echo pipe; \
                  test -c null && echo null; test -d \"$(printf 'c\\nd')\" && echo newline; \
                  test -d \"$(printf '\\377')\" && echo byte; echo z > plain";
    let said = succeeds(&mut target.enter(&["--tools-inside"], &["sh", "-c", script]));
    assert_eq!(said, "x\ny\nnowhere\npipe\nnull\nnewline\nbyte\n");
    assert_eq!(fs::read_to_string(target.root().join("plain")).unwrap(), "z\n");
}

fn unseen() {
    let target = bare(&["-p"], "");
    let (_held, root) = running(&target, "--tools-inside");
    assert!(root.join(".nsx/usr").is_dir());
    assert!(!target.root().join(".nsx").exists() && !target.root().join("lib64").exists());
    assert_eq!(fs::metadata(root.join(".nsx")).unwrap().permissions().mode() & 0o777, 0o755);
    drop(target.held);
}

fn refused() {
    let target = bare(&["-p", "-n"], "");
    let cases: [(&[&str], &str); 7] = [
        (&["--tools", "-n"], "the mount namespace"),
        (&["--tools-inside", "-p"], "the mount namespace"),
        (&["--tools", "--tools-inside"], "one choice"),
        (&["--tools", "--root"], "another"),
        (&["--tools", "--wd"], "inside"),
        (&["--tools=/no/such/directory"], "/no/such/directory"),
        (&["--dns", "-m"], "--dns"),
    ];
    for (options, said) in cases {
        let output = output(&mut target.enter(options, &["echo", "RAN"]));
        assert_eq!(output.status.code(), Some(125), "{options:?}");
        assert_eq!(stdout(&output), "", "{options:?}");
        assert!(stderr(&output).contains(said), "{options:?}: {}", stderr(&output));
    }
}
