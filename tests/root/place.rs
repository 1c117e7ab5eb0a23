//! As whom, in which directory and below which root the program starts, and what it is handed.

use crate::enter::entered;
use crate::support::{
    Held, Need, asleep, child_of, copy_program, find, isolated, nsx, output, status, stderr,
    stdout, succeeds, test,
};
use libtest_mimic::Trial;
use std::process::{Command, Stdio};

const ROOT: &[Need] = &[Need::Root];
const SETPRIV: &[Need] = &[Need::Root, Need::Program("setpriv")];
const CHROOT: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Program("chroot")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("the target's root and working directory are taken", CHROOT, of_the_target),
        test("a root of ours, and a directory in it", CHROOT, a_root_of_ours),
        test("ids are numbers, or the target's", SETPRIV, ids),
        test("a user of the target's own files has its groups and its home", ROOT, by_name),
        test("descriptors are handed on only where that was asked for", ROOT, descriptors),
        test("the environment is the caller's choice", ROOT, environment),
        test("without a program it is a login shell", ROOT, login_shell),
        test("a program that takes nsx's place stays in its pid namespace", ROOT, no_fork),
    ]
}

/// A process in a mount namespace of its own, below another root, in a directory there.
fn chrooted() -> (tempfile::TempDir, Held, u32) {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path();
    for directory in ["bin", "work", "etc"] {
        std::fs::create_dir(root.join(directory)).unwrap();
    }
    copy_program(find("busybox").unwrap(), root.join("bin/busybox"));
    std::fs::write(root.join("mark"), "inside\n").unwrap();
    let mut command = nsx(["spawn", "-m", "-u", "chroot"]);
    command.arg(root).args(["/bin/busybox", "sh", "-c"]);
    command.arg("cd /work; echo ready; exec /bin/busybox sleep 1000");
    let (held, line) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let pid = child_of(held.pid()).unwrap();
    crate::support::until("it sleeps", || {
        status(pid, "Name").is_some_and(|name| name == "busybox")
            && status(pid, "State").is_some_and(|state| state.starts_with('S'))
    });
    (temp, held, pid)
}

fn of_the_target() {
    let (_temp, _held, target) = chrooted();
    let target = target.to_string();
    let run = |options: &[&str], script: &str| {
        let mut command = nsx(["enter", "-t", &target]);
        output(command.args(options).args(["/bin/busybox", "sh", "-c", script]))
    };
    for options in [&["-m", "-r"][..], &["-a", "--root"], &["-u", "-r"]] {
        let inside = run(options, "pwd; /bin/busybox cat /mark");
        assert_eq!(stdout(&inside), "/\ninside\n", "{options:?}: {}", stderr(&inside));
        let placed = run(&[options, &["-w"]].concat(), "pwd; /bin/busybox cat /mark");
        assert_eq!(stdout(&placed), "/work\ninside\n", "{options:?}");
    }
    // The root of the mount namespace is not that of a process in it.
    assert_ne!(stdout(&run(&["-m"], "/bin/busybox cat /mark 2>/dev/null")), "inside\n");
    // Its directory is below its root, which is not ours: a place all the same.
    let placed = output(nsx(["enter", "-t", &target, "-u", "-w"]).args(["ls", ".."]));
    assert_eq!(stdout(&placed), "bin\netc\nmark\nwork\n", "{}", stderr(&placed));
}

fn a_root_of_ours() {
    let (temp, _held, target) = chrooted();
    let (_other, isolated) = isolated(&["-u", "-n"]);
    let root = format!("--root={}", temp.path().display());
    let run = |options: &[&str]| {
        let mut command = nsx(["enter", "-t", &isolated.to_string(), "-u", &root]);
        output(command.args(options).args([
            "/bin/busybox",
            "sh",
            "-c",
            "pwd; /bin/busybox cat /mark",
        ]))
    };
    assert_eq!(stdout(&run(&[])), "/\ninside\n");
    assert_eq!(stdout(&run(&["-W", "/work"])), "/work\ninside\n");
    let missing = output(nsx(["enter", "-t", &target.to_string(), "-u", "-r/no/such"]).arg("true"));
    assert_eq!(missing.status.code(), Some(125), "{}", stderr(&missing));
}

fn ids() {
    let (_held, target) = isolated(&["-n"]);
    let four = |id: u32| format!("{id}\t{id}\t{id}\t{id}");
    for (options, uid, gid) in [
        (&["-S", "7"][..], 7, 0),
        (&["-G", "8"], 0, 8),
        (&["-S7", "-G8"], 7, 8),
        (&["--setuid=7", "--setgid=8"], 7, 8),
        (&["-S", "follow", "-G", "follow"], 0, 0),
    ] {
        let (_program, program) = entered(target, &[&["-n"], options].concat());
        assert_eq!(status(program, "Uid"), Some(four(uid)), "{options:?}");
        assert_eq!(status(program, "Gid"), Some(four(gid)), "{options:?}");
        if options.iter().any(|option| option.contains('G') || option.contains("gid")) {
            assert_eq!(status(program, "Groups").as_deref(), Some(""), "{options:?}");
        }
    }
    // In a user namespace of other numbers the target's own is another one inside.
    let (_directory, copy) = crate::support::public_nsx();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "1234", "--regid", "1235", "--clear-groups"]).arg(copy);
    command.args(["spawn", "-U", "sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, _) = Held::ready(&mut command);
    let isolated = child_of(held.pid()).unwrap();
    assert_eq!(status(isolated, "Uid"), Some(four(1234)));
    let inside = |option: &[&str]| {
        let mut command = nsx(["enter", "-t", &isolated.to_string(), "-U"]);
        succeeds(command.args(option).args(["id", "-u"]))
    };
    assert_eq!(inside(&["-S", "follow"]), "0\n");
    assert_eq!(inside(&["--preserve-credentials"]), "65534\n", "ours is nobody there");
}

fn by_name() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path();
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::create_dir_all(root.join("etc")).unwrap();
    copy_program(find("busybox").unwrap(), root.join("bin/busybox"));
    std::fs::write(root.join("etc/passwd"), "web:x:501:502::/srv/web:/bin/busybox\n").unwrap();
    std::fs::write(root.join("etc/group"), "web:x:502:\nlogs:x:600:web,ann\nann:x:7:\n").unwrap();
    let mut command = nsx(["spawn", "-m", "chroot"]);
    command.arg(root).args([
        "/bin/busybox",
        "sh",
        "-c",
        "echo ready; exec /bin/busybox sleep 1000",
    ]);
    let (held, line) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let target = child_of(held.pid()).unwrap().to_string();
    let id = |user: &str| {
        let mut command = nsx(["enter", "-t", &target, "-m", "-r", user]);
        output(command.args([
            "/bin/busybox",
            "sh",
            "-c",
            "for f in -u -g -G; do /bin/busybox id $f; done; echo $HOME $USER $LOGNAME",
        ]))
    };
    let said = |user| stdout(&id(user)).replace('\n', " ");
    assert_eq!(said("--user=web"), "501 502 502 600 /srv/web web web ");
    assert_eq!(said("--user=web:ann"), "501 7 7 /srv/web web web ");
    assert_eq!(said("--user=9:9"), "9 9 9 /root ");
    let nobody = id("--user=nobody");
    assert_eq!(nobody.status.code(), Some(125));
    assert!(stderr(&nobody).contains("there is no user nobody"), "{}", stderr(&nobody));
    // What its files lead to is not the host's.
    std::fs::remove_file(root.join("etc/passwd")).unwrap();
    std::os::unix::fs::symlink("/proc/self/root/etc/passwd", root.join("etc/passwd")).unwrap();
    let led = id("--user=root");
    assert_eq!(led.status.code(), Some(125), "{}", stdout(&led));
}

fn descriptors() {
    let (_held, target) = isolated(&["-n", "-m"]);
    let open = |count: &str, way: &str| {
        let mut shell = Command::new("bash");
        shell.args(["-c", r#"exec 3</etc/passwd 4</etc/group 5</etc/hosts; exec "$@""#, "bash"]);
        let nsx = nsx(["enter", "-t", &target.to_string(), way, "--preserve-fds", count]);
        let listed = shell.arg(nsx.get_program()).args(nsx.get_args());
        output(listed.args([
            "sh",
            "-c",
            "for n in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && echo $n; done; true",
        ]))
    };
    for way in ["-n", "-m", "-a"] {
        assert_eq!(stdout(&open("0", way)), "");
        assert_eq!(stdout(&open("1", way)), "3\n");
        assert_eq!(stdout(&open("3", way)), "3\n4\n5\n");
        let too_many = open("4", way);
        assert_eq!(too_many.status.code(), Some(125));
        assert!(stderr(&too_many).contains("descriptor 6 is not open"), "{}", stderr(&too_many));
    }
}

fn environment() {
    let mut spawn = nsx(["spawn", "-m", "-n", "sh", "-c", "echo ready; exec sleep 1000"]);
    spawn.env_clear().env("PATH", "/usr/bin:/bin").env("OF_TARGET", "1");
    let (held, line) = Held::ready(&mut spawn);
    assert_eq!(line, "ready");
    let target = child_of(held.pid()).unwrap();
    asleep(target);
    let environment = |options: &[&str]| {
        let mut command = nsx(["enter", "-t", &target.to_string()]);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("SECRET", "x").env("TERM", "vt100");
        let mut shown: Vec<String> =
            succeeds(command.args(options).arg("env")).lines().map(str::to_owned).collect();
        shown.sort_unstable();
        shown.join(" ")
    };
    let standard = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(environment(&["-n"]), "PATH=/usr/bin:/bin SECRET=x TERM=vt100");
    assert_eq!(environment(&["-m"]), format!("HOME=/root {standard} TERM=vt100"));
    assert_eq!(environment(&["-n", "--clean-env"]), format!("HOME=/root {standard} TERM=vt100"));
    // It would say what a program of the host runs and loads.
    let refused = output(nsx(["enter", "-t", &target.to_string(), "-n", "-e"]).arg("env"));
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(125), ""));
    assert!(stderr(&refused).contains("--env-add"), "{}", stderr(&refused));
    assert!(environment(&["-m", "-e"]).contains("OF_TARGET=1"));
    assert!(!environment(&["-m", "-e"]).contains("TERM"));
    let added = environment(&["-m", "--env-add", "A=1=2", "--env-add=TERM=dumb", "--env-add=B="]);
    assert_eq!(added, format!("A=1=2 B= HOME=/root {standard} TERM=dumb"));
}

fn login_shell() {
    let (_held, target) = isolated(&["-n", "-m"]);
    let target = target.to_string();
    for options in [&["-n"][..], &["-m"]] {
        let mut command = nsx(["enter", "-t", &target]);
        command.args(options).env("SHELL", "/bin/sh").env("HOME", "/nonexistent");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"echo $0\n").unwrap();
        let output = crate::support::finish(child);
        let name = stdout(&output);
        let name = name.lines().last().unwrap_or_default();
        assert!(["-sh", "-bash", "-dash"].contains(&name), "{options:?}: {name}");
    }
    let mut command = nsx(["enter", "-t", &target, "-n"]);
    let missing = output(command.env("SHELL", "/no/such/shell"));
    assert_eq!(missing.status.code(), Some(127));
    assert!(stderr(&missing).contains("/no/such/shell does not exist"), "{}", stderr(&missing));
}

fn no_fork() {
    let (_held, target) = isolated(&["-p"]);
    let target = target.to_string();
    let script = "echo $$; readlink /proc/$$/ns/pid /proc/$$/ns/pid_for_children";
    let mut command = nsx(["enter", "-t", &target, "-p", "-F", "sh", "-c"]);
    let mut child =
        command.arg(format!("{script}; exit 3")).stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let mut shown = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut shown).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let own = crate::support::namespace("self", "pid");
    let inside = crate::support::namespace(&target, "pid");
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[..2], [pid.to_string().as_str(), own.as_str()]);
    assert_eq!(lines.get(2), Some(&inside.as_str()));
}
