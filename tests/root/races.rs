//! A target that ends, or whose number goes to another process, between the first look and the
//! join. strace holds nsx at a system call while the test changes the target.

use crate::support::{
    self, Need, binary, finish, isolated, nsx, output, status, stderr, stdout, test, until,
};
use libtest_mimic::Trial;
use nsx::sys::raw::fork::{self, Side};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const ROOT: &[Need] = &[Need::Root];
const STRACE: &[Need] = &[Need::Root, Need::Program("strace")];
const REUSE: &[Need] = &[
    Need::Root,
    Need::Program("strace"),
    Need::Program("unshare"),
    Need::Machine("/proc/sys/kernel/ns_last_pid", || {
        Path::new("/proc/sys/kernel/ns_last_pid").exists()
    }),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("what is left of a container that is gone is not the host's", ROOT, left),
        test("a target that ends after it was pinned is not entered", STRACE, || {
            ends_at("pidfd_open:delay_exit=3000000:when=1", &["-n"], pinned, "no process has pid");
        }),
        test("a target that ends right before the join is not entered", STRACE, || {
            ends_at("setns:delay_enter=3000000", &["-n"], joining, "the target has ended");
        }),
        test("a target that ends right before the join of all is not entered", STRACE, || {
            ends_at("setns:delay_enter=3000000", &["-a"], joining, "the target has ended");
        }),
        test("a pid namespace that dies before the first child starts is reported", STRACE, || {
            ends_at(
                "clone3:delay_enter=3000000",
                &["-p"],
                joined,
                "first process of that pid namespace has ended",
            );
        }),
        test("a pid that goes to another process before the join is not entered", REUSE, || {
            reused_at("setns:delay_enter=3000000");
        }),
        test(
            "a pid that goes to another process after it was pinned is not entered",
            REUSE,
            || {
                reused_at("pidfd_open:delay_exit=3000000:when=1");
            },
        ),
        test(
            "a pid that goes to another process between look-up and join is not entered",
            REUSE,
            || {
                reused_at("prctl:delay_enter=3000000:when=1");
            },
        ),
    ]
}

/// The first process of a pid namespace, which nobody has waited for.
fn left() {
    let new = u64::from(libc::CLONE_NEWPID.cast_unsigned());
    let child = match fork::fork(new).unwrap() {
        Side::Child => fork::exit_now(0),
        Side::Parent(child) => child,
    };
    assert!(support::ends_within(&child.pidfd, support::PATIENCE));
    let clue = format!("pid:{}", child.pid);
    let found = support::json(&mut nsx(["who", &clue, "--json"]));
    let told = output(&mut nsx(["inspect", &child.pid.to_string()]));
    nix::sys::wait::waitpid(child.pid, None).unwrap();
    assert_eq!(found["data"][0]["owner"]["kind"], "unknown", "{found}");
    assert_eq!(told.status.code(), Some(3), "{}", stdout(&told));
}

/// strace is in the middle of the delayed call: it holds a pidfd of the target.
fn pinned(nsx: u32) -> bool {
    let descriptors = std::fs::read_dir(format!("/proc/{nsx}/fd")).into_iter().flatten();
    descriptors.flatten().any(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().contains("pidfd"))
    })
}

/// It stands before the join: the call has been made and strace has not let it through.
fn joining(nsx: u32) -> bool {
    let call = std::fs::read_to_string(format!("/proc/{nsx}/syscall")).unwrap_or_default();
    call.starts_with(&format!("{} ", libc::SYS_setns))
}

fn joined(nsx: u32) -> bool {
    let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid_for_children")).ok();
    let theirs = of(&nsx.to_string());
    theirs.is_some() && theirs != of("self")
}

fn ends_at(inject: &str, flags: &[&str], ready: fn(u32) -> bool, says: &str) {
    let (mut target, pid) = isolated(&["-p", "-n", "-u"]);
    let output = while_held(inject, pid, flags, ready, || {
        target.0.kill().unwrap();
        target.0.wait().unwrap();
        until("the target has gone", || support::has_ended(pid));
    });
    assert_eq!(stdout(&output), "", "it ran");
    assert_eq!(output.status.code(), Some(125), "{}", stderr(&output));
    let said = stderr(&output);
    // Where nobody reaps it, its number is still a zombie's.
    assert!(said.contains(says) || said.contains("(a zombie)"), "{said}");
}

fn while_held(
    inject: &str,
    target: u32,
    flags: &[&str],
    ready: fn(u32) -> bool,
    meanwhile: impl FnOnce(),
) -> Output {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={inject}")]);
    strace.arg(binary("nsx")).args(["enter", "-t", &target.to_string()]).args(flags);
    strace.args(["sh", "-c", "echo RAN"]);
    strace.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let strace = strace.spawn().unwrap();
    let mut nsx = None;
    until("nsx is held", || {
        nsx = nsx.or_else(|| tracee(strace.id()));
        nsx.is_some_and(ready)
    });
    meanwhile();
    finish(strace)
}

/// The traced nsx: strace has other children while it starts.
fn tracee(strace: u32) -> Option<u32> {
    let children =
        std::fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).ok()?;
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(|pid| {
        status(*pid, "Name").is_some_and(|name| name == "nsx")
            && status(*pid, "TracerPid") == Some(strace.to_string())
    })
}

/// In a pid namespace of its own, whose numbers can be chosen. The decoy is in another network
/// namespace, which the program would tell by its inode.
const REUSE_SCRIPT: &str = r#"
unshare -n sleep 1000 & target=$!
while [ "$(readlink /proc/$target/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do :; done
strace -f -qq -o /dev/null -e inject=$INJECT "$NSX" enter -t $target -n sh -c 'echo RAN' & tracer=$!
# It stands before the call, or it holds a pidfd.
held() {
    for nsx in $(cat /proc/$tracer/task/$tracer/children); do
        [ "$(cat /proc/$nsx/comm)" = nsx ] || continue
        case "$INJECT" in
            *enter*) grep -q "^$CALL " /proc/$nsx/syscall && return 0 ;;
            *) ls -l /proc/$nsx/fd | grep -q pidfd && return 0 ;;
        esac
    done 2>/dev/null
    return 1
}
for i in $(seq 2000); do held && break; done
held || echo "nsx was not held"
kill -KILL $target; wait $target 2>/dev/null
echo $((target - 1)) > /proc/sys/kernel/ns_last_pid
unshare -n sleep 1000 & decoy=$!
[ $decoy = $target ] || echo "the decoy is $decoy and not $target"
wait $tracer; echo "code $?"
kill -KILL $decoy
"#;

fn reused_at(inject: &str) {
    let mut script = Command::new("unshare");
    script.args(["--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", REUSE_SCRIPT]);
    let call = if inject.starts_with("prctl") { libc::SYS_prctl } else { libc::SYS_setns };
    script.env("INJECT", inject).env("NSX", binary("nsx")).env("CALL", call.to_string());
    let output = output(&mut script);
    let said = stdout(&output);
    // Otherwise another process of the namespace was faster, and nothing was tested.
    assert!(!said.contains("the decoy is"), "{said}");
    assert_eq!(said, "code 125\n", "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("ended") || said.contains("no process has pid"), "{said}");
}
