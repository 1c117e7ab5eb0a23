//! `enter --as-target`: the program is what the target is, field by field, or less and said.

use crate::enter::entered;
use crate::support::filtered::{Filtered, deny, hexadecimal};
use crate::support::{
    Held, Need, STANDING, child_of, isolated, namespace, nsx, output, public_nsx, status, stderr,
    stdout, succeeds, test, until,
};
use crate::users::target_of_other_ids;
use libtest_mimic::Trial;
use std::process::{Command, Stdio};

const ROOT: &[Need] = &[Need::Root];
const SETPRIV: &[Need] = &[Need::Root, Need::Program("setpriv")];
const UNSHARE: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("unshare")];
const LOWER: &[Need] = &[Need::Root, Need::Program("prlimit"), Need::Program("setpriv")];
const CHRT: &[Need] = &[Need::Root, Need::Program("chrt"), Need::Program("taskset")];
const PRLIMIT: &[Need] = &[Need::Root, Need::Program("prlimit")];
const DRY: &[Need] = &[Need::Root, Need::Program("perl"), Need::Program("strace")];
const PERL: &[Need] = &[Need::Root, Need::Program("perl")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("as the target, a program has its ids and capabilities", SETPRIV, credentials),
        test("as the target, a program has its limits, mask and oom_score_adj", PRLIMIT, limits),
        test("as the target, a program is scheduled as it is", CHRT, schedules),
        test("of limits that nsx may not raise a program has the lower", LOWER, lower_limits),
        test("as the target, a program has what is so in its user namespace", UNSHARE, namespaces),
        test("of a user namespace that is left out no capability is had", ROOT, left_out),
        test("as the target, a program is under its seccomp filters", PERL, filters),
        test("filters are installed where they forbid all that installs them", PERL, jealous),
        test(
            "root that dropped capabilities is not given them back, and it is said",
            PERL,
            dropped,
        ),
        test("with --strict nothing is run where something is missing", PERL, strict),
        test("as the target, a program has its environment and directory", ROOT, surroundings),
        test("a directory of the target's that was removed is said, and is no end", ROOT, removed),
        test("who the program is can be said only once", ROOT, said_once),
        test("the dry run of --as-target only looks", DRY, dry),
        test("without rights of its own nsx gives no more than it has", SETPRIV, unprivileged),
    ]
}

/// nsx stays beside the program.
const CHILD: [&str; 2] = ["--timeout", "1000s"];

fn standing(pid: u32) -> Vec<String> {
    let read = |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let fields = STANDING
        .iter()
        .chain(&["Cpus_allowed_list"])
        .map(|field| format!("{field} {}", status(pid, field).unwrap()));
    let stat = read("stat");
    let stat: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Nice value, priority and policy.
    let schedule = [stat[16], stat[37], stat[38]].join(" ");
    fields.chain(["limits", "oom_score_adj"].map(read)).chain([schedule]).collect()
}

/// A process that waits, made what it is by the words before.
fn target(before: &[&str]) -> Held {
    let (program, arguments) = before.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).args(["sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(line, "ready", "{before:?}");
    crate::support::asleep(held.pid());
    held
}

fn same(target: u32, options: &[&str]) {
    let (_held, program) = entered(target, &[options, &["--as-target"]].concat());
    assert_eq!(standing(program), standing(target), "{options:?}");
}

fn credentials() {
    for words in [
        &["--bounding-set=-all,+chown,+kill,+net_raw,+setpcap"][..],
        &["--bounding-set=-all,+chown,+kill", "--no-new-privs"],
        &["--inh-caps=-all,+net_raw,+chown", "--groups=4,6,20"],
        &["--reuid=1234", "--regid=2345", "--groups=5,6,7", "--bounding-set=-all,+chown"],
        &["--reuid=1234", "--regid=2345", "--clear-groups", "--no-new-privs"],
        &[
            "--reuid=1234",
            "--regid=2345",
            "--clear-groups",
            "--inh-caps=-all,+net_raw,+chown",
            "--ambient-caps=-all,+net_raw",
        ],
    ] {
        let target = target(&[&["setpriv"], words].concat());
        for options in [&[][..], &CHILD] {
            same(target.pid(), options);
        }
    }
    // What is inheritable may have left the bounding set since.
    let one_after_the_other =
        ["setpriv", "--inh-caps=-all,+net_raw,+kill", "setpriv", "--bounding-set=-net_raw"];
    same(target(&one_after_the_other).pid(), &[]);
    // Of another target's namespaces.
    let (_held, other) = isolated(&["-p", "-n"]);
    same(other, &[]);
}

fn limits() {
    let script = "umask 027; echo 500 >/proc/self/oom_score_adj; exec \"$@\"";
    let limits = [
        "prlimit",
        "--nofile=50:60",
        "--nproc=900",
        "--core=0",
        "--stack=4194304:",
        "--as=9000000000",
    ];
    let target = target(&[&["sh", "-c", script, "sh"][..], &limits].concat());
    same(target.pid(), &[]);
    let (held, program) = entered(target.pid(), &[&CHILD[..], &["--as-target"]].concat());
    assert_ne!(held.pid(), program);
    let own = |pid| std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
    assert_eq!(own(held.pid()), own(std::process::id()), "nsx has its own again");
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", held.pid()));
    let guard = children.unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert_ne!(guard, program);
    assert_eq!(own(guard), own(std::process::id()), "who guards it is not killed for it");
}

fn schedules() {
    for words in [
        &["nice", "-n", "7", "chrt", "--batch", "0"][..],
        &["chrt", "--idle", "0"],
        &["nice", "-n", "-3", "taskset", "-c", "0"],
    ] {
        let target = target(words);
        for options in [&[][..], &CHILD] {
            same(target.pid(), options);
        }
    }
    // Without the right to it, it has less and that is said.
    let target = target(&["nice", "-n", "-3"]);
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-sys_nice"]).arg(nsx([""; 0]).get_program());
    command.args(["enter", "-t", &target.pid().to_string(), "--as-target", "nice"]);
    let output = output(&mut command);
    assert_eq!(stdout(&output), succeeds(&mut Command::new("nice")));
    assert!(stderr(&output).contains("not as the target: scheduling"), "{}", stderr(&output));
}

/// Who may not raise limits gives the lower of both, and says so.
fn lower_limits() {
    let target = target(&["prlimit", "--nofile=900:1000", "--core=0:"]);
    let mut command = Command::new("prlimit");
    command.args(["--nofile=500:600", "setpriv", "--bounding-set=-sys_resource"]);
    command.arg(nsx([""; 0]).get_program()).args(["enter", "-t", &target.pid().to_string()]);
    command.args(["--as-target", "sh", "-c", "ulimit -S -n; ulimit -H -n"]);
    let output = output(&mut command);
    assert_eq!(stdout(&output), "600\n600\n", "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("open files of 600 at most, not of 1000"), "{said}");
}

fn namespaces() {
    let (_held, mapped) = target_of_other_ids();
    let (_spawned, spawned) = isolated(&["-U", "-p", "-n"]);
    for (pid, options) in [(mapped, &[][..]), (mapped, &["-U"]), (spawned, &[]), (spawned, &["-U"])]
    {
        same(pid, options);
    }
    // A user that its namespace has no number for, and groups that it does not know either.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=4321", "--regid=4322", "--groups=9", "unshare", "-U", "sleep", "1000"]);
    let unmapped = Held(command.stdin(Stdio::null()).spawn().unwrap());
    until("it has a user namespace", || {
        status(unmapped.pid(), "Name").as_deref() == Some("sleep")
            && namespace(unmapped.pid(), "user") != namespace("self", "user")
    });
    same(unmapped.pid(), &[]);
}

fn left_out() {
    let (_held, target) = isolated(&["-U", "-n"]);
    let mut command = nsx(["enter", "-t", &target.to_string(), "-n", "--as-target"]);
    let output = output(command.args(["grep", "Cap", "/proc/self/status"]));
    assert_eq!(stdout(&output).matches("0000000000000000").count(), 5, "{}", stdout(&output));
    assert!(stderr(&output).contains("in its user namespace, which is not joined"));
}

/// Calls of a program: errno, or 0.
fn calls(target: u32, numbers: &[i64]) -> String {
    let script = "$! = 0; for (@ARGV) { my $r = syscall(int($_), 0, 0, 0, 0, 0, 0); \
        print $r == -1 ? $! + 0 : 0, ' ' }";
    let mut command = nsx(["enter", "-t", &target.to_string(), "--as-target"]);
    command.args(["perl", "-e", script]).args(numbers.iter().map(ToString::to_string));
    let output = output(&mut command);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).trim().to_owned()
}

fn filters() {
    let filters =
        [deny(&[libc::SYS_bpf], libc::EDOM), deny(&[libc::SYS_bpf, libc::SYS_fsync], libc::ENOTTY)];
    let mut command = Filtered::command(&filters);
    command.args(["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"]);
    command.args(["sh", "-c", "echo ready; exec sleep 1000"]);
    let (target, line) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    crate::support::asleep(target.pid());
    assert_eq!(status(target.pid(), "Seccomp_filters").as_deref(), Some("2"));
    same(target.pid(), &[]);
    let denied = calls(target.pid(), &[libc::SYS_bpf, libc::SYS_fsync, libc::SYS_fstat]);
    // fstat(0, NULL) is none of their business.
    assert_eq!(denied, [libc::ENOTTY, libc::ENOTTY, libc::EFAULT].map(|n| n.to_string()).join(" "));
}

/// A target with a filter and without no_new_privs, as root installs one; it waits in perl.
fn root_with_filter(filter: &[u8], more: &str) -> Held {
    let digits = hexadecimal(filter);
    let script = format!(
        "my $filter = pack 'H*', '{digits}'; \
         my $program = pack 'S x6 P', length($filter) / 8, $filter; \
         {more} \
         if ($filter) {{ syscall({prctl}, 22, 2, $program) == 0 or die $! }} \
         $| = 1; print \"ready\\n\"; sleep 1000",
        prctl = libc::SYS_prctl
    );
    let mut command = Command::new("perl");
    let (held, line) = Held::ready(command.args(["-e", &script]).stdin(Stdio::null()));
    assert_eq!(line, "ready");
    held
}

fn jealous() {
    let forbidden = [libc::SYS_capset, libc::SYS_prctl, libc::SYS_seccomp, libc::SYS_prlimit64];
    let target = root_with_filter(&deny(&forbidden, libc::EDOM), "");
    assert_eq!(status(target.pid(), "NoNewPrivs").as_deref(), Some("0"));
    same(target.pid(), &[]);
    let edom = libc::EDOM.to_string();
    assert_eq!(calls(target.pid(), &forbidden), [edom.as_str(); 4].join(" "));
}

/// CHOWN and KILL alone are permitted, and everything is in the bounding set.
fn root_without_capabilities() -> Held {
    let more = format!(
        "my $version = pack 'LL', 0x20080522, 0; my $sets = pack 'L6', 33, 33, 0, 0, 0, 0; \
         syscall({}, $version, $sets) == 0 or die $!;",
        libc::SYS_capset
    );
    root_with_filter(&[], &more)
}

fn dropped() {
    let target = root_without_capabilities();
    let mut command = nsx(["enter", "-t", &target.pid().to_string(), "--as-target"]);
    let output = output(command.args(["grep", "Cap", "/proc/self/status"]));
    let set = |name| {
        let said = stdout(&output);
        let line = said.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        line.unwrap_or_else(|| panic!("{name}: {said}{}", stderr(&output)))
    };
    for name in ["CapPrm:\t", "CapEff:\t", "CapBnd:\t"] {
        assert_eq!(set(name), "0000000000000021", "{name}");
    }
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("capability bounding set: without ") && said.contains("exec"), "{said}");
}

fn strict() {
    let target = root_without_capabilities();
    let mut command = nsx(["enter", "-t", &target.pid().to_string(), "--as-target", "--strict"]);
    let refused = output(command.args(["echo", "RAN"]));
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(5), ""));
    assert!(stderr(&refused).contains("capability bounding set"), "{}", stderr(&refused));
    let whole = isolated(&["-n"]);
    let mut command = nsx(["enter", "-t", &whole.1.to_string(), "--as-target", "--strict"]);
    let run = output(command.args(["echo", "RAN"]));
    assert_eq!(stdout(&run), "RAN\n", "{}", stderr(&run));
}

fn surroundings() {
    let mut command = nsx(["spawn", "-m", "-u", "env", "-i", "KEY=value", "PATH=/usr/bin:/bin"]);
    command.args(["sh", "-c", "cd /usr; echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let target = child_of(held.pid()).unwrap();
    crate::support::asleep(target);
    // Who cannot run something is not told of an option that he has not given.
    let denied =
        output(&mut nsx(["enter", "-t", &target.to_string(), "--as-target", "/etc/passwd"]));
    assert_eq!(denied.status.code(), Some(126));
    assert!(!stderr(&denied).contains("--wd"), "{}", stderr(&denied));
    let mut command = nsx(["enter", "-t", &target.to_string(), "--as-target"]);
    let output = output(command.args(["sh", "-c", "pwd; tr '\\0' '\\n' </proc/$$/environ"]));
    let said = stdout(&output);
    let mut lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.remove(0), "/usr", "{}", stderr(&output));
    lines.sort_unstable();
    let environ = std::fs::read_to_string(format!("/proc/{target}/environ")).unwrap();
    let mut expected: Vec<&str> = environ.split_terminator('\0').collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert!(lines.contains(&"KEY=value"));
}

fn removed() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = nsx(["spawn", "-m", "-p", "sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(command.current_dir(directory.path()).stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let target = child_of(held.pid()).unwrap().to_string();
    let enter = |options: &[&str]| {
        output(nsx(["enter", "-t", &target]).args(options).args(["sh", "-c", "pwd"]))
    };
    directory.close().unwrap();
    let started = enter(&["--as-target"]);
    assert_eq!(stdout(&started), "/\n", "{}", stderr(&started));
    let said = "nsx enter: not as the target: working directory: it has been removed; \
                the program starts in /\n";
    assert_eq!(stderr(&started), said);
    assert_eq!(enter(&["--as-target", "--strict"]).status.code(), Some(5));
    let refused = enter(&["-a", "--wd"]);
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(125), ""));
    assert!(stderr(&refused).ends_with("the working directory has been removed\n"));
}

fn said_once() {
    let (_held, target) = isolated(&["-n"]);
    let target = target.to_string();
    for more in [&["-S", "0"][..], &["-G", "0"], &["--user=root"], &["--keep-caps"]] {
        let mut command = nsx(["enter", "-t", &target, "--as-target"]);
        let output = output(command.args(more).args(["echo", "RAN"]));
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""), "{more:?}");
    }
    for alone in ["--strict", "--allow-frozen"] {
        let mut command = nsx(["enter", "-t", &target, alone, "echo", "RAN"]);
        let output = output(&mut command);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""), "{alone}");
    }
}

/// What a system call of a trace would change, if it would.
fn does_something(line: &str) -> bool {
    let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
    let to = |name: &str| call.strip_prefix(name).and_then(|rest| rest.strip_prefix('('));
    let writes = ["write", "pwrite64", "writev"].into_iter().find_map(to);
    // By a pipe answers a process of nsx's own that reads what may block.
    let harmless = |rest: &str| {
        let file = rest.split(", ").next().unwrap_or_default();
        file.starts_with("1<") || file.starts_with("2<") || file.contains("<pipe:")
    };
    writes.is_some_and(|rest| !harmless(rest))
        || ["ptrace", "mkdir", "mkdirat", "setrlimit"].into_iter().any(|name| to(name).is_some())
        || to("prlimit64").is_some_and(|rest| rest.split(", ").nth(2) != Some("NULL"))
}

fn dry() {
    for (line, does) in [
        ("7 prlimit64(0, RLIMIT_NOFILE, NULL, {rlim_cur=1, rlim_max=2}) = 0", false),
        ("7 prlimit64(0, RLIMIT_NOFILE, {rlim_cur=1, rlim_max=2}, NULL) = 0", true),
        ("7 write(1</dev/pts/3>, \"x\", 1) = 1", false),
        ("7 write(9<pipe:[7]>, \"x\", 1) = 1", false),
        ("7 write(10</proc/7/oom_score_adj>, \"x\", 1) = 1", true),
        ("7 ptrace(PTRACE_SEIZE, 42, NULL, 0) = 0", true),
    ] {
        assert_eq!(does_something(line), does, "{line}");
    }
    let mut command = Filtered::command(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
    // Another oom_score_adj than ours: there is something to take over.
    let script = "echo 500 >/proc/self/oom_score_adj; echo ready; exec sleep 1000";
    let (target, line) = Held::ready(command.args(["sh", "-c", script]).stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let traced = |options: &[&str]| {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-y", "-qq", "-e"]);
        strace.arg("trace=ptrace,write,pwrite64,writev,mkdir,mkdirat,prlimit64,setrlimit");
        strace.arg("-o").arg(&trace).arg(crate::support::binary("nsx"));
        strace.args(["enter", "-t", &target.pid().to_string(), "--as-target", "--timeout", "9s"]);
        let output = output(strace.args(options).arg("true"));
        let lines = std::fs::read_to_string(&trace).unwrap();
        let done = lines.lines().filter(|line| does_something(line)).map(str::to_owned);
        (output, done.collect::<Vec<_>>())
    };
    let (output, done) = traced(&["--dry-run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(done, Vec::<String>::new());
    let said = stdout(&output);
    assert!(said.contains("a seccomp filter") || said.contains("1 seccomp filter"), "{said}");
    assert!(said.contains("timeout  SIGTERM after 9s") && said.contains("chdir    "), "{said}");
    let (output, done) = traced(&[]);
    for does in ["PTRACE_SEIZE", "oom_score_adj>"] {
        assert!(done.iter().any(|line| line.contains(does)), "{done:?}{}", stderr(&output));
    }
}

/// As the target's own user, who may not drop anything from a bounding set.
fn unprivileged() {
    let (_directory, nsx) = public_nsx();
    let as_user = ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"];
    let target = target(&[&as_user[..], &["--bounding-set=-all,+chown"]].concat());
    let mut command = Command::new(as_user[0]);
    command.args(&as_user[1..]).arg(nsx).args(["enter", "-t", &target.pid().to_string()]);
    command.args(["--as-target", "grep", "-E", "^(NoNewPrivs|CapPrm)", "/proc/self/status"]);
    let output = output(&mut command);
    assert_eq!(
        stdout(&output),
        "CapPrm:\t0000000000000000\nNoNewPrivs:\t1\n",
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("no_new_privs stands in for it"), "{}", stderr(&output));
}
