//! Where a namespace to join may come from: a file, its number, a socket, the one above; and how it
//! is joined where a pidfd cannot.

use crate::enter::joined;
use crate::support::{
    Below, Held, KINDS, Need, asleep, binary, child_of, isolated, namespace, nsx, output, stderr,
    stdout, succeeds, test,
};
use libtest_mimic::Trial;
use std::process::{Command, Stdio};

const ROOT: &[Need] = &[Need::Root];
const PERL: &[Need] = &[Need::Root, Need::Program("perl")];
const STRACE: &[Need] = &[Need::Root, Need::Program("strace")];
const NUMBERED: &[Need] = &[
    Need::Root,
    Need::Machine("a kernel that gives namespaces a number", || number("self", "net").is_some()),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a file of each kind is joined, in every spelling, without a target", ROOT, files),
        test("a file overrides the target's namespace of that kind", ROOT, overrides),
        test("two namespaces of a kind are not joined for one another", ROOT, twice),
        test("what is no namespace of that kind is refused and nothing runs", ROOT, wrong_files),
        test("a namespace is joined by its number", NUMBERED, by_number),
        test("the network namespace of a socket is joined", PERL, of_a_socket),
        test("the user namespace above is joined, and the one above that", ROOT, above),
        test("without setns(2) on a pidfd the namespaces are joined one by one", STRACE, by_file),
        test("a target that ended is not joined one by one either", STRACE, by_file_of_the_dead),
    ]
}

/// Starts a program and checks which namespaces it has of the target's.
fn check(options: &[&str], target: u32, expected: &[&str]) {
    let mut command = nsx(["enter"]);
    command.args(options).args(["sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(command.stdin(Stdio::null()).stderr(Stdio::piped()));
    assert_eq!(line, "ready", "{options:?}");
    let program = child_of(held.pid()).unwrap_or(held.pid());
    asleep(program);
    joined(program, target, expected);
}

fn twice() {
    let ((_one, one), (_other, other)) = (isolated(&["-n", "-u"]), isolated(&["-n"]));
    let (one, other) = (format!("/proc/{one}/ns/net"), format!("--net=/proc/{other}/ns/net"));
    let output = output(&mut nsx(["enter", "-t", &one, &other, "echo", "RAN"]));
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    assert!(stderr(&output).contains("two net namespaces are named"), "{}", stderr(&output));
    let uts = format!("--uts={}", one.replace("net", "uts"));
    assert_eq!(succeeds(&mut nsx(["enter", "-t", &one, &uts, "echo", "RAN"])), "RAN\n");
}

fn files() {
    let (_held, target) = isolated(&["--new-all"]);
    let flags = ["m", "u", "i", "n", "p", "C", "U", "T"];
    let long = ["mount", "uts", "ipc", "net", "pid", "cgroup", "user", "time"];
    for ((kind, short), long) in KINDS.into_iter().zip(flags).zip(long) {
        let file = format!("/proc/{target}/ns/{kind}");
        for spelled in
            [format!("-{short}{file}"), format!("-{short}={file}"), format!("--{long}={file}")]
        {
            check(&[&spelled], target, &[kind]);
        }
    }
    let all: Vec<String> = KINDS
        .into_iter()
        .zip(flags)
        .map(|(kind, short)| format!("-{short}/proc/{target}/ns/{kind}"))
        .collect();
    check(&all.iter().map(String::as_str).collect::<Vec<_>>(), target, &KINDS);
}

fn overrides() {
    let (_held, target) = isolated(&["-n", "-u", "-i"]);
    let (_other_held, other) = isolated(&["-n"]);
    let file = format!("-n=/proc/{other}/ns/net");
    for options in [&["-a"][..], &["-u", "-i"]] {
        let target_text = target.to_string();
        let options = [&["-t", &target_text, &file][..], options].concat();
        let mut command = nsx(["enter"]);
        let shown = succeeds(command.args(options).args([
            "readlink",
            "/proc/self/ns/net",
            "/proc/self/ns/uts",
            "/proc/self/ns/ipc",
        ]));
        let expected = [(other, "net"), (target, "uts"), (target, "ipc")];
        let expected = expected.map(|(pid, kind)| namespace(pid, kind)).join("\n");
        assert_eq!(shown.trim_end(), expected);
    }
}

fn wrong_files() {
    let (_held, target) = isolated(&["-n", "-u"]);
    let temp = tempfile::tempdir().unwrap();
    let fifo = temp.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let numbered = number("self", "net").is_some();
    let unseen = if numbered { "can be seen" } else { "this kernel gives namespaces no number" };
    let cases = [
        (format!("-n=/proc/{target}/ns/uts"), "is no net namespace"),
        ("-n=/etc/passwd".to_owned(), "is no net namespace"),
        (format!("-n={}", fifo.display()), "is no net namespace"),
        ("-n=/no/such/file".to_owned(), "No such file or directory"),
        ("-n=/proc/self/ns/net".to_owned(), "is our own namespace"),
        ("-n=:x".to_owned(), "is no namespace's number"),
        ("-n=:18446744073709551615".to_owned(), unseen),
        ("-n".to_owned(), "there is no target to take the net namespace from"),
    ];
    for (option, says) in cases {
        let output = output(nsx(["enter", &option]).args(["echo", "RAN"]));
        assert_eq!(output.status.code(), Some(125), "{option}");
        assert_eq!(stdout(&output), "", "{option}");
        assert!(stderr(&output).contains(says), "{option}: {}", stderr(&output));
    }
}

fn number(pid: impl std::fmt::Display, kind: &str) -> Option<u64> {
    let file = std::fs::File::open(format!("/proc/{pid}/ns/{kind}")).ok()?;
    nsx::sys::nsfs::id_of(std::os::fd::AsFd::as_fd(&file))
}

fn by_number() {
    let (_held, target) = isolated(&["--new-all"]);
    for (kind, option) in [("net", "-n"), ("uts", "-u="), ("mnt", "--mount="), ("user", "-U")] {
        let id = number(target, kind).unwrap();
        check(&[&format!("{option}:{id}")], target, &[kind]);
    }
}

/// A process of the host's network namespace with a socket of another.
const SOCKET: &str = r#"
    use Socket;
    my ($setns, $other) = @ARGV;
    open my $own, "<", "/proc/self/ns/net" or die;
    open my $there, "<", $other or die;
    syscall($setns, fileno $there, 0) == 0 or die "$!";
    socket my $socket, PF_INET, SOCK_DGRAM, 0 or die;
    syscall($setns, fileno $own, 0) == 0 or die "$!";
    close $there; close $own;
    $| = 1; print fileno($socket), "\n"; sleep 1000;
"#;

fn of_a_socket() {
    let (_held, target) = isolated(&["-n"]);
    let mut perl = Command::new("perl");
    perl.args(["-e", SOCKET, &libc::SYS_setns.to_string(), &format!("/proc/{target}/ns/net")]);
    let (holder, number) = Held::ready(&mut perl);
    assert!(number.parse::<u32>().is_ok(), "{number}");
    let pid = holder.pid().to_string();
    for option in ["-N", "--net-socket"] {
        check(&["-t", &pid, option, &number], target, &["net"]);
    }
    for (number, says) in [("0", "find the network namespace"), ("999", "Bad file")] {
        let output = output(nsx(["enter", "-t", &pid, "-N", number]).args(["echo", "RAN"]));
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
}

fn above() {
    let nested = format!(
        "{0} spawn -U {0} spawn -U sh -c 'echo ready; exec sleep 1000'",
        binary("nsx").display()
    );
    let (held, line) = Held::ready(nsx(["spawn", "-U"]).args(["sh", "-c", &nested]));
    assert_eq!(line, "ready");
    let _below = Below(held.pid());
    let mut chain = vec![child_of(held.pid()).unwrap()];
    while let Some(child) = child_of(*chain.last().unwrap()) {
        chain.push(child);
    }
    let innermost = *chain.last().unwrap();
    asleep(innermost);
    let mut levels: Vec<u32> = Vec::new();
    for pid in chain {
        if levels.last().is_none_or(|last| namespace(last, "user") != namespace(pid, "user")) {
            levels.push(pid);
        }
    }
    assert_eq!(levels.len(), 3, "three user namespaces");
    let target = innermost.to_string();
    check(&["-t", &target, "-U"], levels[2], &["user"]);
    check(&["-t", &target, "--user-parent"], levels[1], &["user"]);
    check(&["-t", &target, "--user-parent", "--user-parent"], levels[0], &["user"]);
    let file = format!("-U=/proc/{innermost}/ns/user");
    check(&[&file, "--user-parent"], levels[1], &["user"]);
    let up = ["--user-parent"; 3];
    let output = output(nsx(["enter", "-t", &target]).args(up).args(["echo", "RAN"]));
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""), "our own");
    let own = std::process::id().to_string();
    let mut none = nsx(["enter", "-t", &own, "--user-parent", "echo", "RAN"]);
    let output = crate::support::output(&mut none);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    let said = stderr(&output);
    assert!(said.contains("no user namespace above that we may see"), "{said}");
}

fn traced(inject: &str, target: u32, options: &[&str], program: &[&str]) -> std::process::Output {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={inject}")]);
    strace.arg(binary("nsx")).args(["enter", "-t", &target.to_string()]);
    output(strace.args(options).args(program))
}

fn by_file() {
    let (_held, target) = isolated(&["--new-all"]);
    for errno in ["EINVAL", "EBADF"] {
        for (options, kinds) in [(&["-a"][..], &KINDS[..]), (&["-n", "-u"], &["net", "uts"])] {
            let links: Vec<String> =
                kinds.iter().map(|kind| format!("/proc/self/ns/{kind}")).collect();
            let program: Vec<&str> =
                std::iter::once("readlink").chain(links.iter().map(String::as_str)).collect();
            let inject = format!("setns:error={errno}:when=1");
            let output = traced(&inject, target, options, &program);
            let expected: Vec<String> = kinds.iter().map(|kind| namespace(target, kind)).collect();
            assert_eq!(stdout(&output).trim_end(), expected.join("\n"), "{}", stderr(&output));
        }
    }
}

/// What is opened then may be another process's.
fn by_file_of_the_dead() {
    let (_held, target) = isolated(&["-n"]);
    let checks = "pidfd_send_signal:error=ESRCH:when=4+";
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "inject=setns:error=EINVAL:when=1"]);
    strace.args(["-e", &format!("inject={checks}")]);
    strace.arg(binary("nsx")).args(["enter", "-t", &target.to_string(), "-n", "echo", "RAN"]);
    let output = output(&mut strace);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    assert!(stderr(&output).contains("has ended"), "{}", stderr(&output));
}
