//! What `spawn` cannot do it says with what can be done, from whichever process it is that fails.

use crate::support::{Need, as_nobody, kernel, nsx, output, public_nsx, stderr, stdout, test};
use libtest_mimic::Trial;
use std::process::{Command, Output};

const ROOT: &[Need] = &[Need::Root];
const NOBODY: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("unshare")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("advice: to root", ROOT, root),
        test("advice: a file is not blamed for its arguments", ROOT, arguments),
        test("advice: to an ordinary user", NOBODY, nobody),
        test("advice: where no namespace can be had any more", NOBODY, no_namespaces),
    ]
}

fn advised(done: &Output, words: &[&str], message: &str, hint: &str) {
    let said = stderr(done);
    let ran = stdout(done);
    assert!(matches!(done.status.code(), Some(125..=127)), "{words:?}: {said}");
    assert_eq!(ran, "", "{words:?} ran");
    let expected = format!("nsx spawn: {message}");
    let lines: Vec<&str> = said.lines().collect();
    let at = lines.iter().position(|line| line.starts_with(&expected));
    let advice = at.and_then(|at| lines.get(at + 1)).copied().unwrap_or_default();
    assert!(advice.starts_with("  hint: ") && advice.contains(hint), "{words:?}: {said}");
}

fn root() {
    let temporary = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = temporary.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (text, json) =
        (file("text", "hello"), file("json", "{\"defaultAction\":\"SCMP_ACT_NOPE\"}"));
    let squeezed = file("zst", "\x28");
    std::fs::write(&squeezed, b"\x28\xb5\x2f\xfd").unwrap();
    let here = temporary.path().to_str().unwrap();
    let landlock = if kernel::landlock() >= 3 {
        ("cannot open /no/such", "looked up inside")
    } else {
        ("Landlock of Linux 6.2 is needed", "/sys/kernel/security/lsm")
    };
    for (words, message, hint) in [
        // Of nsx itself.
        (&["-p", "--rootfs", "/no/such"][..], "cannot open /no/such", "docker export"),
        (&["-p", "--rootfs", "/dev/null"], "/dev/null is neither", "docker export"),
        (&["-p", "--seccomp", "/no/such"], "cannot open /no/such", "JSON"),
        (&["-p", "--seccomp", &text], "seccomp profile ", "JSON"),
        (&["-p", "--seccomp", &json], "seccomp profile ", "JSON"),
        (&["-p", "--overlay=/no/such"], "cannot open /no/such", "--overlay=DIR takes a directory"),
        (&["-p", "--bind", "/no/such"], "cannot open /no/such", "SOURCE:PATH"),
        (
            &["-p", "--pid-file", "/no/such/pid"],
            "cannot make /no/such/pid",
            "a directory that is there",
        ),
        (&["-p", "--pid-file", here], here, "name the file itself"),
        (&["-p", "--cpuset", "4000"], "cannot limit CPUs to 4000", "name some of those"),
        (&["-p", "--io", "/no/such:rbps=1M"], "cannot examine /no/such", "lsblk"),
        (&["-p", "--net", "veth:300.1.1.1/24"], "--net: 300.1.1.1 is no IP address", "--help"),
        (&["-p", "--nice", "99"], "--nice: 99", "--help"),
        (&["-p", "--detach", "--pty"], "--detach leaves the program without", "leave out --pty"),
        (&["-p", "--detach", "--report"], "--detach leaves nobody whom", "--status-fd N"),
        (&["-p", "--detach", "--report=json"], "--detach leaves nobody whom", "--status-fd N"),
        // Of the program's process.
        (&["-p", "--rootfs", &text], "cannot unpack ", "tar -t"),
        (&["-p", "--rootfs", &squeezed], "cannot unpack ", "use `zstd -d` first"),
        (&["-p", "--landlock-ro", "/no/such"], landlock.0, landlock.1),
        (&["-p", "--bind", "/etc:/no/such"], "cannot mount on /no/such", "make it"),
        (&["-p", "--tmpfs", "/etc/passwd"], "cannot mount on /etc/passwd", "is a file"),
        (&["-p", "--wd", "/no/such"], "cannot change to /no/such", "as it is called inside"),
        (&["-p", "--root", "/no/such"], "cannot change the root to /no/such", "--rootfs"),
        (
            &["--newtime", "--monotonic=-99999999999999"],
            "cannot write /proc/self/timens",
            "before 0",
        ),
        (&["-U", "--setuid", "5"], "cannot become user 5 inside", "--map-users"),
        (&["-U", "--setgid", "5"], "cannot set supplementary groups", "--map-groups=auto"),
        (&["-u", "--hostname", &"x".repeat(65)], "cannot set the hostname", "64 bytes"),
        (&["--newuts=/no/such"], "cannot mount a namespace on /no/such", "touch FILE"),
    ] {
        advised(&output(nsx(["spawn"]).args(words).args(["echo", "RAN"])), words, message, hint);
    }
    for (words, message, hint) in [
        (&["-p", "no-such"][..], "no-such does not exist", "by its path"),
        (&["-p", "/etc/passwd"], "cannot execute /etc/passwd", "executable"),
        (&["-p", "--rootfs", here, "/bin/sh"], "/bin/sh does not exist", "inside the root"),
    ] {
        advised(&output(nsx(["spawn"]).args(words)), words, message, hint);
    }
    let by_path = output(nsx(["spawn", "-p", "/no/such"]).stdin(std::process::Stdio::null()));
    assert_eq!(by_path.status.code(), Some(127));
    assert_eq!(stderr(&by_path), "nsx spawn: /no/such does not exist\n");
    for (words, code) in [
        (&["--stop", "any", "echo", "RAN"][..], 2),
        (&["--stop", "../any"], 2),
        (&["--kill-after", "1s", "--stop", ""], 2),
        (&["--stop"], 2),
        (&["--stop=any", "--no-such"], 2),
        (&["--no-such", "echo", "--stop"], 125),
        (&["--stop", "nsx:no-such-name"], 3),
    ] {
        let stopped = output(nsx(["spawn"]).args(words));
        assert_eq!(
            (stopped.status.code(), stdout(&stopped).as_str()),
            (Some(code), ""),
            "{words:?}"
        );
    }
}

fn arguments() {
    let many = (0..30_000).map(|number| number.to_string());
    let mut command = nsx(["spawn", "-u", "--rlimit", "stack=100K", "/bin/true"]);
    let done = output(command.args(many));
    let said = stderr(&done);
    assert_eq!(done.status.code(), Some(126), "{said}");
    assert!(said.contains("Argument list too long") && !said.contains("hint"), "{said}");
}

fn nobody() {
    let (_directory, copy) = public_nsx();
    let closed = tempfile::tempdir().unwrap();
    std::fs::create_dir(closed.path().join("proc")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(closed.path(), mode).unwrap();
    let closed = closed.path().to_str().unwrap();
    for (words, message, hint) in [
        (&["-p"][..], "cannot start a process with new", "add --newuser"),
        (&["-U", "--net", "veth:198.51.100.2/24"], "cannot put an interface", "CAP_NET_ADMIN"),
        (&["-U", "--memory", "64M"], "cannot limit memory", "run it as root"),
        (&["-U", "--map-users=auto"], "cannot find subordinate ids", "usermod"),
        (&["-U", "--nice=-5"], "cannot set the nice value to -5", "CAP_SYS_NICE"),
        (&["--cap-add", "net_raw", "-u"], "--cap-add: nsx itself lacks NET_RAW", "--newuser"),
        (
            &["-r", "--setgroups=allow"],
            "--setgroups allow: with your own group alone it takes CAP_SETGID",
            "--map-groups=auto",
        ),
        (&["--owner", "5:5"], "cannot drop supplementary groups", "run it as root"),
        (&["-U", "--rootfs", closed], "cannot mount on /proc", "must be open"),
    ] {
        let mut command = as_nobody(&copy);
        let done = output(command.arg("spawn").args(words).args(["echo", "RAN"]));
        advised(&done, words, message, hint);
    }
}

/// In a user namespace in which there may be no other.
fn no_namespaces() {
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$0\" spawn -U echo RAN";
    let mut command = Command::new("unshare");
    command.args(["-Ur", "sh", "-c", script]).arg(nsx(["spawn"]).get_program());
    let done = output(&mut command);
    advised(
        &done,
        &["-U"],
        "cannot start a process with new user",
        "sysctl user.max_user_namespaces",
    );
}
