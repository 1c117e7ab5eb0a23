//! `enter -n --dns`: the host's programs find addresses as the target does.

use crate::support::{
    Held, Need, as_nobody, child_of, nsx, output, public_nsx, stderr, stdout, succeeds, test,
};
use crate::tools::bare;
use libtest_mimic::Trial;
use std::fmt::Write;
use std::fs;
use std::process::{Command, Stdio};

const BUSYBOX: &[Need] = &[Need::Root, Need::Program("busybox")];
const GETENT: &[Need] = &[Need::Root, Need::Program("getent"), Need::Program("perl")];
const UNSHARE: &[Need] = &[Need::Root, Need::Program("unshare")];
const USER: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("getent")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("the host's programs ask the target's resolver, an engine's too", GETENT, resolver),
        test("the target's files stand over the host's for the program alone", GETENT, files),
        test("where systemd-resolved has the host's file, it is covered too", UNSHARE, linked),
        test("files that the target lacks are not the host's", BUSYBOX, missing),
        test("a file that is none is told of and waits for nobody", BUSYBOX, no_file),
        test("a target's words choose no library of the host's", GETENT, modules),
        test("a user without privileges resolves as what is his", USER, unprivileged),
    ]
}

/// A target with a network of its own and these files over the host's.
fn target(files: &[(&str, &str)]) -> (Held, u32, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut script = String::from("set -e\n");
    for (name, content) in files {
        let file = directory.path().join(name);
        fs::write(&file, content).unwrap();
        writeln!(script, "mount --bind {} /etc/{name}", file.display()).unwrap();
    }
    script += "echo ready; exec sleep 1000";
    let mut command = nsx(["spawn", "-m", "-n", "sh", "-c", &script]);
    let (held, line) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let pid = child_of(held.pid()).unwrap();
    (held, pid, directory)
}

fn enter(target: u32, options: &[&str], program: &[&str]) -> Command {
    let mut command = nsx(["enter", "-t", &target.to_string(), "-n"]);
    command.args(options).args(program).stdin(Stdio::null());
    command
}

/// Answers every question with 192.0.2.7, and those for other records with none.
const SERVER: &str = r#"
    use Socket;
    socket(my $s, PF_INET, SOCK_DGRAM, 0) or die "socket: $!";
    bind($s, sockaddr_in(53, inet_aton("127.0.0.11"))) or die "bind: $!";
    $| = 1;
    print "ready\n";
    while (my $from = recv($s, my $q, 512, 0)) {
        my ($id) = unpack("n", $q);
        my $end = index($q, "\0", 12);
        my $question = substr($q, 12, $end - 12 + 5);
        my ($type) = unpack("n", substr($q, $end + 1, 2));
        my $answer = $type == 1 ? pack("nnnNnC4", 0xc00c, 1, 1, 60, 4, 192, 0, 2, 7) : "";
        my $head = pack("n6", $id, 0x8180, 1, $answer ? 1 : 0, 0, 0);
        send($s, $head . $question . $answer, 0, $from);
    }
"#;

const RESOLV_CONF: (&str, &str) = ("resolv.conf", "nameserver 127.0.0.11\noptions ndots:0\n");
const HOSTS: (&str, &str) = ("hosts", "198.51.100.9 inside.example\n");
const NSSWITCH: (&str, &str) = ("nsswitch.conf", "passwd: nothing\nhosts: files dns\n");

fn resolver() {
    let (_held, pid, _directory) = target(&[RESOLV_CONF, HOSTS, NSSWITCH]);
    let mut server = enter(pid, &[], &["perl", "-e", SERVER]);
    let (_server, line) = Held::ready(&mut server);
    assert_eq!(line, "ready");
    let ask =
        |options: &[&str], name: &str| output(&mut enter(pid, options, &["getent", "hosts", name]));
    let answer = ask(&["--dns"], "web.example");
    assert!(stdout(&answer).starts_with("192.0.2.7 "), "{}", stderr(&answer));
    let answer = ask(&["--dns"], "inside.example");
    assert!(stdout(&answer).starts_with("198.51.100.9 "), "{}", stderr(&answer));
    assert_eq!(stdout(&ask(&[], "inside.example")), "", "without the option it is the host's");
    if crate::support::find("curl").is_some() {
        let arguments = ["curl", "--max-time", "5", "-v", "-s", "http://web.example/"];
        let said = stderr(&output(&mut enter(pid, &["--dns"], &arguments)));
        assert!(said.contains("192.0.2.7"), "{said}");
    }
}

fn files() {
    let (_held, pid, _directory) = target(&[RESOLV_CONF, HOSTS, NSSWITCH]);
    let host = || {
        let read = |path| fs::read(path).unwrap_or_default();
        ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/proc/self/mountinfo"].map(read)
    };
    let inside = || fs::read(format!("/proc/{pid}/mountinfo")).unwrap();
    let before = (host(), inside());
    let script = "cat /etc/resolv.conf /etc/hosts; grep hosts: /etc/nsswitch.conf; \
                  getent passwd root | cut -d: -f1; pwd; test -w /etc/hosts && echo written; echo ready; \
                  exec sleep 1000";
    let mut command = enter(pid, &["--dns"], &["sh", "-c", script]);
    command.current_dir("/usr/lib").stderr(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = crate::support::Lines::of(child.stdout.take().unwrap());
    let held = Held(child);
    let said: Vec<String> = (0..7).map(|_| lines.next().trim().to_owned()).collect();
    let expected = [
        "nameserver 127.0.0.11",
        "options ndots:0",
        "198.51.100.9 inside.example",
        "hosts: files dns",
        "root",
        "/usr/lib",
        "ready",
    ];
    assert_eq!(said, expected);
    assert_eq!((host(), inside()), before, "while it runs");
    drop(held);
    assert_eq!((host(), inside()), before);
}

/// A host with the link that systemd-resolved makes: it leads up from /etc.
const RESOLVED: &str = r#"set -e
mkdir "$0"/etc
cp /etc/passwd "$0"/etc
touch "$0"/etc/hosts "$0"/etc/nsswitch.conf
ln -s ../run/systemd/resolve/stub-resolv.conf "$0"/etc/resolv.conf
mount --bind "$0"/etc /etc
mount -t tmpfs none /run
mkdir -p /run/systemd/resolve
echo "nameserver 127.0.0.53" >/run/systemd/resolve/stub-resolv.conf
exec "$@""#;

fn linked() {
    let (_held, pid, _directory) = target(&[RESOLV_CONF, HOSTS, NSSWITCH]);
    let host = tempfile::tempdir().unwrap();
    let on_host = |options: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", RESOLVED]).arg(host.path());
        let program = enter(pid, options, &["cat", "/etc/resolv.conf"]);
        let shown = succeeds(command.arg(program.get_program()).args(program.get_args()));
        fs::remove_dir_all(host.path().join("etc")).unwrap();
        shown
    };
    assert_eq!(on_host(&[]), "nameserver 127.0.0.53\n");
    assert_eq!(on_host(&["--dns"]), RESOLV_CONF.1);
}

fn missing() {
    let target = bare(&["-n"], "");
    let script = "wc -c < /etc/resolv.conf; wc -c < /etc/hosts; grep hosts: /etc/nsswitch.conf";
    let output = output(&mut enter(target.pid, &["--dns"], &["sh", "-c", script]));
    assert_eq!(stdout(&output), "0\n0\nhosts: files dns\n", "{}", stderr(&output));
    assert_eq!(stderr(&output), "", "what is missing is as it is in the target");
}

fn no_file() {
    let prepare = "mkdir etc; mkfifo etc/resolv.conf; ln -s /proc/1/root/etc/hosts etc/hosts; \
                   mkdir proc; mkdir etc/nsswitch.conf";
    let target = bare(&["-n"], prepare);
    let script = "wc -c < /etc/resolv.conf; wc -c < /etc/hosts; grep hosts: /etc/nsswitch.conf";
    let output = output(&mut enter(target.pid, &["--dns"], &["sh", "-c", script]));
    assert_eq!(stdout(&output), "0\n0\nhosts: files dns\n", "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("/etc/resolv.conf counts as missing: it is no regular file"), "{said}");
}

fn modules() {
    let words = "hosts: ../../../tmp/evil no_such_module [NOTFOUND=return] files\n";
    let (_held, pid, _directory) = target(&[HOSTS, ("nsswitch.conf", words)]);
    let script = "grep hosts: /etc/nsswitch.conf; getent hosts inside.example";
    let output = output(&mut enter(pid, &["--dns"], &["sh", "-c", script]));
    let said = stdout(&output);
    assert!(said.starts_with("hosts: files\n198.51.100.9 "), "{said}");
    let notes = stderr(&output);
    assert!(notes.contains("no_such_module") && notes.contains("evil"), "{notes}");
}

fn unprivileged() {
    let (_directory, copy) = public_nsx();
    let script = "mount -t tmpfs none /mnt; echo '198.51.100.9 inside.example' > /mnt/hosts; \
                  mount --bind /mnt/hosts /etc/hosts; echo ready; exec sleep 1000";
    let mut spawn = as_nobody(&copy);
    spawn.args(["spawn", "-U", "-m", "-n", "sh", "-c", script]);
    let (held, line) = Held::ready(spawn.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let target = child_of(held.pid()).unwrap().to_string();
    let mut command = as_nobody(&copy);
    command.args([
        "enter",
        "-t",
        &target,
        "-U",
        "-n",
        "--dns",
        "getent",
        "hosts",
        "inside.example",
    ]);
    assert!(succeeds(command.stdin(Stdio::null())).starts_with("198.51.100.9 "));
}
