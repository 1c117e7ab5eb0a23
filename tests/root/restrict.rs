//! `spawn`: what a program may do, read from `/proc/self/status` and tried.

use crate::support::filtered::Filtered;
use crate::support::{
    Need, as_nobody, isolated, json, nsx, output, public_nsx, stderr, stdout, succeeds, test,
};
use libtest_mimic::Trial;
use std::collections::{BTreeSet, HashMap};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

const DOCKERS: &[u8] = include_bytes!("../../fuzz/corpus/seccomp/docker");

const ROOT: &[Need] = &[Need::Root];
const PERL: &[Need] = &[Need::Root, Need::Program("perl")];
#[cfg(target_arch = "x86_64")]
const CC: &[Need] = &[Need::Root, Need::Program("cc")];
#[cfg(not(target_arch = "x86_64"))]
const CC: &[Need] = &[Need::Machine("an x86_64 kernel", || false)];
const SETPRIV: &[Need] = &[Need::Root, Need::Program("setpriv")];
const LANDLOCK: &[Need] = &[Need::Root, Need::Machine("Landlock of Linux 6.2", has_landlock)];

pub fn tests() -> Vec<Trial> {
    vec![
        test("restrict: what was not asked for stays as it is", ROOT, nothing),
        test("restrict: capabilities of root", ROOT, capabilities_of_root),
        test("restrict: capabilities of another user", ROOT, capabilities_of_others),
        test("restrict: capabilities in a user namespace", SETPRIV, capabilities_inside),
        test("restrict: what nsx lacks cannot be added", SETPRIV, cannot_be_added),
        test("restrict: a bounding set that stays takes no_new_privs", SETPRIV, without_setpcap),
        test("restrict: no_new_privs, limits, nice value and mask", ROOT, settings),
        test("restrict: a limit that nsx may not raise is refused", SETPRIV, low_limits),
        test("restrict: a user by name, with groups and home", ROOT, users),
        test("restrict: a user of the new root", ROOT, users_of_a_root),
        test("restrict: the default profile denies what it says", PERL, default_profile),
        test("restrict: the default profile denies what docker's own does", PERL, as_dockers),
        test("restrict: calls of i386 and x32 pass no filter that is not theirs", CC, other_abis),
        test("restrict: programs run under the default profile", ROOT, programs_run),
        test("restrict: a profile of docker's form does what it says", PERL, profile_of_a_file),
        test("restrict: profiles that cannot be obeyed are refused", ROOT, refused_profiles),
        test("restrict: filters need a right, which is kept until then", SETPRIV, right_to_filter),
        test("restrict: Landlock lets a program read and write nowhere else", LANDLOCK, landlock),
        test("restrict: Landlock and who may not", SETPRIV, landlock_of_users),
        test("restrict: what makes no sense is refused", ROOT, wrong),
    ]
}

fn has_landlock() -> bool {
    // landlock_create_ruleset(2), asked for its version.
    let asked = Command::new("perl").args(["-e", "print syscall(444, 0, 0, 1)"]).output();
    let version = asked.ok().and_then(|said| String::from_utf8(said.stdout).ok()?.parse().ok());
    version.is_some_and(|version: i32| version >= 3)
}

type Status = HashMap<String, String>;

fn status_of(command: &mut Command) -> Status {
    let said = succeeds(command.args(["cat", "/proc/self/status"]));
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().replace('\t', " ")))
    };
    said.lines().filter_map(field).collect()
}

/// Of a program that is spawned with these options.
fn status(options: &[&str]) -> Status {
    status_of(nsx(["spawn", "-u"]).args(options))
}

fn set(status: &Status, name: &str) -> u64 {
    u64::from_str_radix(&status[&format!("Cap{name}")], 16).unwrap()
}

/// Inheritable, permitted, effective, bounding, ambient.
fn sets(status: &Status) -> [u64; 5] {
    ["Inh", "Prm", "Eff", "Bnd", "Amb"].map(|name| set(status, name))
}

/// Of the test, which runs as root.
fn own() -> Status {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().replace('\t', " ")))
        .collect()
}

const CHOWN: u64 = 1;
const NET_RAW: u64 = 1 << 13;
const SETUID: u64 = 1 << 7;

fn refused(command: &mut Command) -> String {
    let output = output(command);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""), "{command:?}");
    stderr(&output)
}

fn nothing() {
    let (own, program) = (own(), status(&[]));
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "Umask", "Uid"] {
        assert_eq!(program[name], own[name], "{name}");
    }
}

fn capabilities_of_root() {
    let all = set(&own(), "Bnd");
    for nnp in [&[][..], &["--no-new-privs"], &["--seccomp", "default"]] {
        for (options, wanted) in [
            (&["--cap-drop", "all"][..], 0),
            (&["--cap-drop=ALL", "--cap-add=net_raw"], NET_RAW),
            (&["--cap-add", "CAP_NET_RAW", "--cap-drop", "all"], 0),
            (&["--cap-drop", "net_raw,cap_chown"], all & !NET_RAW & !CHOWN),
            (&["--cap-drop", "all", "--cap-add", "all"], all),
            (&["--cap-drop", "all", "--cap-add", "chown", "--cap-add", "net_raw"], CHOWN | NET_RAW),
        ] {
            let status = status(&[options, nnp].concat());
            assert_eq!(sets(&status), [0, wanted, wanted, wanted, 0], "{options:?} {nnp:?}");
        }
    }
}

fn capabilities_of_others() {
    let all = set(&own(), "Bnd");
    for more in [
        &[][..],
        &["--no-new-privs"],
        &["--seccomp", "default"],
        &["--seccomp=default", "--no-new-privs"],
    ] {
        for (options, program, bounding) in [
            (&[][..], 0, all),
            (&["--cap-add", "net_raw"], NET_RAW, all),
            (&["--cap-drop", "all"], 0, 0),
            (
                &["--cap-drop", "all", "--cap-add", "net_raw,setuid"],
                NET_RAW | SETUID,
                NET_RAW | SETUID,
            ),
            (&["--cap-add", "all", "--cap-drop", "chown"], all & !CHOWN, all & !CHOWN),
        ] {
            for user in [&["--user=65534:65534"][..], &["-S", "65534", "-G", "65534"]] {
                let status = status(&[user, options, more].concat());
                assert_eq!(status["Uid"], "65534 65534 65534 65534");
                assert_eq!(status["Gid"], "65534 65534 65534 65534");
                assert_eq!(status["Groups"], "");
                let expected = [program, program, program, bounding, program];
                assert_eq!(sets(&status), expected, "{user:?} {options:?} {more:?}");
            }
        }
    }
}

fn capabilities_inside() {
    let (_directory, nsx) = public_nsx();
    let known = set(&status_of(as_nobody(&nsx).args(["spawn", "-U"])), "Bnd");
    for (options, wanted) in [
        (&[][..], known),
        (&["--cap-drop", "all"], 0),
        (&["--cap-drop", "all", "--cap-add", "sys_resource,net_raw"], 1 << 24 | NET_RAW),
        (&["--cap-drop", "net_raw", "--seccomp", "default"], known & !NET_RAW),
        (&["--user=0:0", "--cap-drop", "chown"], known & !CHOWN),
    ] {
        let status = status_of(as_nobody(&nsx).args(["spawn", "-U", "-m"]).args(options));
        assert_eq!(sets(&status), [0, wanted, wanted, wanted, 0], "{options:?}");
    }
    // Not root inside: nothing, but what is added.
    for (options, wanted) in [(&[][..], 0), (&["--cap-add", "net_raw"], NET_RAW)] {
        let status = status_of(as_nobody(&nsx).args(["spawn", "-U", "--map-user=5"]).args(options));
        assert_eq!((set(&status, "Eff"), set(&status, "Amb")), (wanted, wanted), "{options:?}");
    }
    let output = output(as_nobody(&nsx).args(["spawn", "-U", "--user=7:0", "true"]));
    assert!(stderr(&output).contains("cannot become user 7 inside"), "{}", stderr(&output));
}

fn cannot_be_added() {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-net_raw,-sys_time"]).arg(crate::support::binary("nsx"));
    command.args([
        "spawn",
        "-u",
        "--cap-drop=all",
        "--cap-add=sys_time,chown,net_raw",
        "echo",
        "RAN",
    ]);
    let said = refused(&mut command);
    assert!(said.contains("--cap-add: nsx itself lacks NET_RAW, SYS_TIME"), "{said}");
    let (_directory, nsx) = public_nsx();
    let said = refused(as_nobody(&nsx).args(["spawn", "--cap-add=kill", "echo", "RAN"]));
    assert!(said.contains("nsx itself lacks KILL"), "{said}");
}

fn without_setpcap() {
    let (_directory, nsx) = public_nsx();
    let said = refused(as_nobody(&nsx).args(["spawn", "--cap-drop=all", "echo", "RAN"]));
    assert!(said.contains("CAP_SETPCAP") && said.contains("hint: add --no-new-privs"), "{said}");
    let status = status_of(as_nobody(&nsx).args(["spawn", "--cap-drop=all", "--no-new-privs"]));
    assert_eq!((set(&status, "Prm"), status["NoNewPrivs"].as_str()), (0, "1"));
}

fn settings() {
    let options = [
        "--no-new-privs",
        "--umask=027",
        "--nice=7",
        "--rlimit=nofile=100:200",
        "--rlimit",
        "RLIMIT_CORE=0",
        "--rlimit=as=2G",
        "--rlimit=nproc=5000:5000",
    ];
    for more in [&[][..], &["--user=65534:65534"], &["-p", "--init"], &["--seccomp=default"]] {
        let all = [&options[..], more].concat();
        let status = status(&all);
        assert_eq!((status["NoNewPrivs"].as_str(), status["Umask"].as_str()), ("1", "0027"));
        let limits = succeeds(nsx(["spawn", "-u"]).args(&all).args(["cat", "/proc/self/limits"]));
        for (name, soft, hard) in [
            ("open files", "100", "200"),
            ("core file size", "0", "0"),
            ("address space", "2147483648", "2147483648"),
            ("processes", "5000", "5000"),
        ] {
            let line = limits.lines().find(|line| line.contains(&format!("Max {name}"))).unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(words.windows(2).any(|pair| pair == [soft, hard]), "{more:?}: {line}");
        }
        let stat = succeeds(nsx(["spawn", "-u"]).args(&all).args(["cat", "/proc/self/stat"]));
        let nice = stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap();
        assert_eq!(nice, "7", "{more:?}");
    }
    let own = own();
    assert_eq!((own["NoNewPrivs"].as_str(), own["Umask"].as_str()), ("0", "0022"), "of the test");
}

fn low_limits() {
    let low = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-sys_resource", "prlimit", "--nofile=50:60"]);
        command.arg(crate::support::binary("nsx")).args(["spawn", "-u"]).args(arguments);
        command
    };
    let said = refused(low(&["--rlimit=nofile=50:61"]).args(["echo", "RAN"]));
    assert!(said.contains("--rlimit nofile: the hard limit of nsx itself is 60"), "{said}");
    assert!(said.contains("CAP_SYS_RESOURCE"), "{said}");
    succeeds(low(&["--rlimit=nofile=60:60"]).arg("true"));
}

fn users() {
    let who = "id -u; id -g; id -G; echo $HOME";
    let lines =
        |options: &[&str]| succeeds(nsx(["spawn", "-u"]).args(options).args(["sh", "-c", who]));
    assert_eq!(lines(&["--user=daemon"]).lines().next(), Some("1"));
    let daemon = lines(&["--user=daemon"]);
    assert!(daemon.ends_with("/usr/sbin\n"), "{daemon}");
    assert_eq!(lines(&["--user=daemon:mail", "--env=HOME=/x"]), "1\n8\n8\n/x\n");
    assert!(lines(&["--user=4242:4343"]).starts_with("4242\n4343\n4343\n"));
    let said = refused(&mut nsx(["spawn", "-u", "--user=nobody-such", "echo", "RAN"]));
    assert!(
        said.contains("there is no user nobody-such") && said.contains("hint: numbers"),
        "{said}"
    );
    let said = refused(&mut nsx(["spawn", "-u", "--user=0", "--setuid=5", "echo", "RAN"]));
    assert!(said.contains("--setuid"), "{said}");
}

/// Its passwd is a link that on the host would lead elsewhere.
fn users_of_a_root() {
    let root = tempfile::tempdir().unwrap();
    for name in ["etc", "bin"] {
        std::fs::create_dir(root.path().join(name)).unwrap();
    }
    std::fs::copy(crate::support::binary("nsx"), root.path().join("bin/nsx")).unwrap();
    std::fs::write(root.path().join("users"), "web:x:4242:4343::/srv:/bin/sh\n").unwrap();
    std::os::unix::fs::symlink("/users", root.path().join("etc/passwd")).unwrap();
    let place = root.path().to_str().unwrap();
    let options = ["spawn", "-m", "--root", place, "--user=web"];
    // Of a root without a shell: nsx itself says who it is, by what it may not do.
    let output = output(nsx(options).args(["/bin/nsx", "--version"]));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = refused(nsx(["spawn", "-m", "--root", place, "--user=daemon"]).arg("/bin/nsx"));
    assert!(said.contains("there is no user daemon"), "{said}");
}

/// Makes calls without arguments and tells their errors, `name=errno`. In a process that could do no
/// harm if one went through: with null pointers and no right.
fn calls(options: &[&str], calls: &[(&str, i64)]) -> HashMap<String, i32> {
    let list: Vec<String> = calls.iter().map(|(name, number)| format!("{name}={number}")).collect();
    let script = r#"for (@ARGV) { my ($name, $number) = split /=/; $! = 0;
        my $returned = syscall(int($number), 0, 0, 0, 0, 0, 0);
        print "$name=", ($returned == -1 ? $! + 0 : 0), "\n"; }"#;
    let said =
        succeeds(nsx(["spawn", "-m", "-p"]).args(options).args(["perl", "-e", script]).args(&list));
    let answer = |line: &str| {
        let (name, errno) = line.split_once('=')?;
        Some((name.to_owned(), errno.parse().ok()?))
    };
    said.lines().filter_map(answer).collect()
}

fn default_profile() {
    let tried = [
        ("mount", libc::SYS_mount),
        ("umount2", libc::SYS_umount2),
        ("unshare", libc::SYS_unshare),
        ("setns", libc::SYS_setns),
        ("keyctl", libc::SYS_keyctl),
        ("add_key", libc::SYS_add_key),
        ("bpf", libc::SYS_bpf),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("clone3", libc::SYS_clone3),
        ("getpid", libc::SYS_getpid),
        ("open_tree", libc::SYS_open_tree),
    ];
    let denied = calls(&["--seccomp=default", "--cap-drop=all"], &tried);
    for (name, errno) in [
        ("mount", libc::EPERM),
        ("umount2", libc::EPERM),
        ("unshare", libc::EPERM),
        ("setns", libc::EPERM),
        ("keyctl", libc::EPERM),
        ("add_key", libc::EPERM),
        ("bpf", libc::EPERM),
        ("io_uring_setup", libc::EPERM),
        ("open_tree", libc::EPERM),
        ("clone3", libc::ENOSYS),
        ("getpid", 0),
    ] {
        assert_eq!(denied[name], errno, "{name}");
    }
    // unshare(0) does nothing, and says so. These are a capability's to allow.
    let allowed = calls(&["--seccomp=default", "--cap-drop=all", "--cap-add=sys_admin"], &tried);
    assert_eq!((allowed["unshare"], allowed["keyctl"]), (0, libc::EPERM));
    assert_ne!(allowed["mount"], libc::EPERM);
    // Without any: what the kernel says of null pointers.
    let open = calls(&["--cap-drop=all"], &tried);
    assert_eq!(open["unshare"], 0);
    assert_ne!(open["keyctl"], libc::EPERM);
    let said = succeeds(&mut nsx([
        "spawn",
        "-p",
        "--seccomp=default",
        "--cap-drop=all",
        "sh",
        "-c",
        "unshare -U true 2>&1; echo $?",
    ]));
    assert!(said.contains("Operation not permitted") && said.ends_with("1\n"), "{said}");
}

/// What is denied to one process, whatever the arguments are, of this machine's own calls.
fn denied(pid: u32) -> BTreeSet<String> {
    let options = ["--only", "security", "--seccomp", "--json"];
    let report = json(nsx(["inspect", &pid.to_string()]).args(options));
    let calls = &report["data"]["security"]["seccomp_dump"]["architectures"][0]["calls"];
    let calls = calls.as_array().unwrap().iter().filter(|call| call["conditional"] == false);
    calls.map(|call| call["name"].as_str().unwrap().to_owned()).collect()
}

/// docker's was captured of a container with its usual capabilities.
fn as_dockers() {
    let target = Filtered::start(&[DOCKERS.to_vec()]);
    let usual = "--cap-add=chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,\
        net_bind_service,net_raw,sys_chroot,mknod,audit_write,setfcap";
    let (_held, pid) = isolated(&["-u", "--seccomp=default", "--cap-drop=all", usual]);
    let (dockers, ours) = (denied(target.pid()), denied(pid));
    let only = |some: &BTreeSet<String>, others: &BTreeSet<String>| -> Vec<String> {
        some.difference(others).cloned().collect()
    };
    assert_eq!(only(&dockers, &ours), LATER, "allowed by ours alone");
    assert_eq!(only(&ours, &dockers), [""; 0], "denied by ours alone");
}

/// Newer than the docker whose filter it is.
const LATER: [&str; 19] = [
    "cachestat",
    "fchmodat2",
    "file_getattr",
    "file_setattr",
    "futex_requeue",
    "futex_wait",
    "futex_wake",
    "getxattrat",
    "listxattrat",
    "map_shadow_stack",
    "mseal",
    "name_to_handle_at",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    "process_vm_readv",
    "process_vm_writev",
    "removexattrat",
    "setxattrat",
];

/// int 0x80 makes a call of i386 in a program of 64 bits; bit 30 makes one of x32.
const OTHER_ABIS: &str = r#"
#include <stdio.h>
#include <unistd.h>
static long i386(long number) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(0L), "c"(0L), "d"(0L), "S"(0L), "D"(0L) : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}
static long own(long number) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(0L), "S"(0L), "d"(0L) : "memory", "rcx", "r11");
    return result;
}
int main(void) {
    printf("x32 mount %ld\n", own(0x40000000 + 165));
    printf("x32 getpid %ld\n", own(0x40000000 + 39));
    fflush(stdout);
    printf("i386 getpid %s\n", i386(20) == getpid() ? "same" : "another");
    printf("i386 mount %ld\n", i386(21));
    return 0;
}
"#;

fn other_abis() {
    let directory = tempfile::tempdir().unwrap();
    let (source, program) = (directory.path().join("calls.c"), directory.path().join("calls"));
    std::fs::write(&source, OTHER_ABIS).unwrap();
    succeeds(Command::new("cc").arg("-o").arg(&program).arg(&source));
    let run = |profile: &str| {
        let mut command = nsx(["spawn", "-u", "--cap-drop=all", "--seccomp", profile]);
        output(command.arg(&program))
    };
    let x32 = format!("x32 mount -{0}\nx32 getpid -{0}\n", libc::ENOSYS);
    let told = run("default");
    let i386 = format!("i386 getpid same\ni386 mount -{}\n", libc::EPERM);
    assert_eq!(stdout(&told), format!("{x32}{i386}"), "{told:?}");
    // Docker's form: the 32-bit x86 has the rules of the profile where it is listed.
    let with = |listed: &str| {
        profile(&format!(
            r#"{{"defaultAction":"SCMP_ACT_ALLOW","architectures":[{listed}],
            "syscalls":[{{"names":["mount"],"action":"SCMP_ACT_ERRNO","errnoRet":18}}]}}"#
        ))
    };
    let told = run(path(&with(r#""SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32""#)));
    assert_eq!(stdout(&told), format!("{x32}i386 getpid same\ni386 mount -18\n"), "{told:?}");
    let told = run(path(&with(r#""SCMP_ARCH_X86_64""#)));
    assert_eq!((stdout(&told), told.status.signal()), (x32, Some(libc::SIGSYS)), "{told:?}");
}

fn programs_run() {
    for options in [
        &[][..],
        &["--cap-drop=all"],
        &["--user=65534:65534", "--no-new-privs"],
        &["--newuser", "--cap-drop=all"],
        &["--init"],
    ] {
        let mut command = nsx(["spawn", "-p", "-n", "--seccomp=default"]);
        let script = "ls -l /etc >/dev/null && (sleep 0 & wait) && echo a | tr a b | sort && \
            grep Seccomp: /proc/self/status";
        let said = succeeds(command.args(options).args(["sh", "-c", script]));
        assert_eq!(said, "b\nSeccomp:\t2\n", "{options:?}");
    }
    for program in ["perl", "python3"] {
        if crate::support::find(program).is_some() {
            let mut command = nsx(["spawn", "-p", "--seccomp=default", "--cap-drop=all"]);
            let code = if program == "perl" { "print 6*7, qq{\\n}" } else { "print(6*7)" };
            let flag = if program == "perl" { "-e" } else { "-c" };
            assert_eq!(succeeds(command.args([program, flag, code])), "42\n", "{program}");
        }
    }
}

const PROFILE: &str = r#"{
    "defaultAction": "SCMP_ACT_ALLOW",
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "syscalls": [
        {"names": ["mount", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 18},
        {"names": ["keyctl"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["getpgid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 33,
         "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_LT"}]},
        {"names": ["getsid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 33,
         "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_GE"}]},
        {"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 34, "includes": {"caps": ["CAP_CHOWN"]}},
        {"names": ["gettid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 35, "excludes": {"caps": ["CAP_CHOWN"]}},
        {"names": ["vhangup"], "action": "SCMP_ACT_KILL_PROCESS"}
    ]
}"#;

fn profile(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

fn profile_of_a_file() {
    let file = profile(PROFILE);
    let tried = [
        ("mount", libc::SYS_mount),
        ("keyctl", libc::SYS_keyctl),
        ("getpgid", libc::SYS_getpgid),
        ("getsid", libc::SYS_getsid),
        ("getppid", libc::SYS_getppid),
        ("gettid", libc::SYS_gettid),
    ];
    let told = calls(&["--seccomp", path(&file), "--cap-drop=chown"], &tried);
    let expected = [
        ("mount", 18),
        ("keyctl", 1),
        ("getpgid", 33),
        ("getsid", 0),
        ("getppid", 0),
        ("gettid", 35),
    ];
    for (name, errno) in expected {
        assert_eq!(told[name], errno, "{name}");
    }
    let told = calls(&["--seccomp", path(&file)], &tried[4..]);
    assert_eq!((told["getppid"], told["gettid"]), (34, 0));
    let mut command = nsx(["spawn", "-m", "--seccomp", path(&file), "perl", "-e"]);
    let killed = output(command.arg(format!("syscall({})", libc::SYS_vhangup)));
    assert_eq!(killed.status.signal(), Some(libc::SIGSYS), "{killed:?}");
    assert!(stderr(&killed).contains("note: seccomp profile"), "{}", stderr(&killed));
    assert!(stderr(&killed).contains("no_such_call is no system call here"), "{}", stderr(&killed));
}

fn refused_profiles() {
    for (text, why) in [
        ("", "it is no profile"),
        (r#"{"defaultAction":"SCMP_ACT_ERRNO"}"#, "does not allow execve"),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY"}]}"#,
            "SCMP_ACT_NOTIFY",
        ),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x"}"#, "listenerPath"),
    ] {
        let file = profile(text);
        let said = refused(&mut nsx(["spawn", "-u", "--seccomp", path(&file), "echo", "RAN"]));
        assert!(said.contains(why) && said.contains("seccomp profile"), "{said}");
    }
    let said = refused(&mut nsx(["spawn", "-u", "--seccomp=/no/such", "echo", "RAN"]));
    assert!(said.contains("cannot open /no/such: No such file"), "{said}");
}

fn right_to_filter() {
    let (_directory, nsx) = public_nsx();
    let said = refused(as_nobody(&nsx).args(["spawn", "--seccomp=default", "echo", "RAN"]));
    assert!(said.contains("CAP_SYS_ADMIN, or no_new_privs"), "{said}");
    for more in ["--no-new-privs", "--newuser"] {
        let status = status_of(as_nobody(&nsx).args(["spawn", "--seccomp=default", more]));
        assert_eq!(status["Seccomp"], "2", "{more}");
        assert_eq!(status["NoNewPrivs"] == "1", more == "--no-new-privs");
    }
    // Whom nothing is left has his filter too, and no_new_privs only where it was asked for.
    let status = status(&["--user=65534:65534", "--cap-drop=all", "--seccomp=default"]);
    assert_eq!((status["Seccomp"].as_str(), status["NoNewPrivs"].as_str()), ("2", "0"));
    assert_eq!(sets(&status), [0; 5]);
}

fn landlock() {
    let directory = tempfile::tempdir().unwrap();
    let (inside, outside) = (directory.path().join("in"), directory.path().join("out"));
    for place in [&inside, &outside] {
        std::fs::create_dir(place).unwrap();
        std::fs::write(place.join("file"), "text\n").unwrap();
    }
    let (inside, outside) = (inside.to_str().unwrap(), outside.to_str().unwrap());
    let script = |place: &str| {
        format!(
            "cd / ; cat {place}/file && echo read; echo x >> {place}/file && echo appended; \
             true > {place}/file && echo emptied; touch {place}/new && echo made; \
             mkdir {place}/sub && echo sub; mv {place}/file {place}/other && echo moved; \
             ls {place} >/dev/null && echo listed; rm -r {place}/* && echo removed; exit 0"
        )
    };
    let done = |options: &[&str], place: &str| {
        let mut command = nsx(["spawn", "-u", "--landlock-ro=/usr"]);
        for link in ["/bin", "/lib", "/lib64"] {
            if Path::new(link).exists() {
                command.arg(format!("--landlock-ro={link}"));
            }
        }
        let output = output(command.args(options).args(["sh", "-c", &script(place)]));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    let ro = format!("--landlock-ro={inside}");
    let rw = format!("--landlock-rw={inside}");
    let null = "--landlock-rw=/dev/null";
    assert_eq!(done(&[&ro, null], outside), "");
    assert_eq!(done(&[&ro, null], inside), "text\nread\nlisted\n");
    assert_eq!(
        done(&[&ro, null, "--cap-drop=all", "--no-new-privs"], inside),
        "text\nread\nlisted\n"
    );
    assert_eq!(std::fs::read_to_string(format!("{outside}/file")).unwrap(), "text\n");
    assert_eq!(std::fs::read_to_string(format!("{inside}/file")).unwrap(), "text\n");
    let everything = "text\nread\nappended\nemptied\nmade\nsub\nmoved\nlisted\nremoved\n";
    assert_eq!(done(&[&rw, null], inside), everything);
    // A program that is not beneath.
    let output = output(&mut nsx(["spawn", "-u", &ro, "/bin/true"]));
    assert_eq!(output.status.code(), Some(126), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("cannot execute /bin/true") && said.contains("--landlock-ro"), "{said}");
    let said = refused(&mut nsx(["spawn", "-u", "--landlock-ro=/no/such", "echo", "RAN"]));
    assert!(said.contains("cannot open /no/such: No such file"), "{said}");
}

fn landlock_of_users() {
    if !has_landlock() {
        return;
    }
    let (_directory, nsx) = public_nsx();
    let said = refused(as_nobody(&nsx).args(["spawn", "--landlock-ro=/", "echo", "RAN"]));
    assert!(said.contains("no_new_privs"), "{said}");
    for more in [&["--no-new-privs"][..], &["-U"], &["-U", "-p", "--cap-drop=all"]] {
        let mut command = as_nobody(&nsx);
        command.args(["spawn", "--landlock-ro=/"]).args(more);
        let said = succeeds(command.args(["sh", "-c", "echo x 2>&1 > /dev/null || echo denied"]));
        assert!(said.ends_with("denied\n"), "{more:?}: {said}");
    }
}

fn wrong() {
    for options in [
        &["--cap-drop", "everything"][..],
        &["--cap-add="],
        &["--rlimit", "nofile"],
        &["--nice", "20"],
        &["--umask", "9"],
        &["--seccomp="],
        &["--landlock-ro="],
        &["--user="],
    ] {
        let said = refused(nsx(["spawn", "-u"]).args(options).args(["echo", "RAN"]));
        assert!(said.starts_with("nsx spawn: --"), "{said}");
    }
}
