//! `spawn --seccomp`: what a profile denies is tried.

use crate::restrict::{refused, sets, status, status_of};
use crate::support::filtered::{Filtered, PERL};
use crate::support::{
    Need, as_nobody, isolated, json, nsx, output, public_nsx, stderr, stdout, succeeds, test,
};
use libtest_mimic::Trial;
use std::collections::{BTreeSet, HashMap};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

const DOCKERS: &[u8] = include_bytes!("../../fuzz/corpus/seccomp/docker");

const ROOT: &[Need] = &[Need::Root];
const SETPRIV: &[Need] = &[Need::Root, Need::Program("setpriv")];
#[cfg(target_arch = "x86_64")]
const CC: &[Need] = &[Need::Root, Need::Program("cc")];
#[cfg(not(target_arch = "x86_64"))]
const CC: &[Need] = &[Need::Machine("an x86_64 kernel", || false)];

pub fn tests() -> Vec<Trial> {
    vec![
        test("restrict: the default profile denies what it says", PERL, default_profile),
        test("restrict: the default profile denies what docker's own does", PERL, as_dockers),
        test("restrict: calls of i386 and x32 pass no filter that is not theirs", CC, other_abis),
        test("restrict: programs run under the default profile", ROOT, programs_run),
        test("restrict: a profile of docker's form does what it says", PERL, profile_of_a_file),
        test("restrict: profiles that cannot be obeyed are refused", ROOT, refused_profiles),
        test("restrict: filters need a right, which is kept until then", SETPRIV, right_to_filter),
    ]
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
    // Of the family the kernel takes 32 bits.
    let script = r#"for (1, 40, (1 << 32) | 40, (7 << 40) | 40) { $! = 0;
        syscall(int($ARGV[0]), $_, 1, 0); print $! + 0, "\n"; }"#;
    let mut command =
        nsx(["spawn", "-u", "--seccomp=default", "--cap-drop=all", "perl", "-e", script]);
    let said = succeeds(command.arg(libc::SYS_socket.to_string()));
    assert_eq!(said, "0\n1\n1\n1\n");
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
    let io_uring = ["io_uring_enter", "io_uring_register", "io_uring_setup"];
    assert_eq!(only(&ours, &dockers), io_uring, "docker has denied them since");
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
    printf("i386 socketcall %ld\n", i386(102));
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
    let i386 = format!(
        "i386 getpid same\ni386 mount -{}\ni386 socketcall -{}\n",
        libc::EPERM,
        libc::ENOSYS
    );
    assert_eq!(stdout(&told), format!("{x32}{i386}"), "{told:?}");
    // Docker's form: the 32-bit x86 has the rules of the profile where it is listed.
    let with = |listed: &str| {
        profile(&format!(
            r#"{{"defaultAction":"SCMP_ACT_ALLOW","architectures":[{listed}],
            "syscalls":[{{"names":["mount"],"action":"SCMP_ACT_ERRNO","errnoRet":18}}]}}"#
        ))
    };
    let told = run(path(&with(r#""SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32""#)));
    let i386 = format!("i386 getpid same\ni386 mount -18\ni386 socketcall -{}\n", libc::EINVAL);
    assert_eq!(stdout(&told), format!("{x32}{i386}"), "{told:?}");
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
