//! What a listing of namespaces does with processes: its own, and the kernel's.

use crate::support::{
    Need, asleep, binary, isolated, json, namespace, nsx, send, succeeds, test, until, write_script,
};
use libtest_mimic::Trial;
use serde_json::Value;
use std::process::Command;

const NSENTER: &[Need] = &[Need::Root, Need::Program("nsenter")];
const KERNEL: &[Need] =
    &[Need::Root, Need::Machine("a view of the kernel's threads", || comm(2) == "kthreadd\n")];
const AGENT: &[Need] = &[
    Need::Root,
    Need::Machine("programs that the kernel starts", || {
        let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        let is_hosts = || namespace(2, "mnt") == namespace("self", "mnt");
        comm(2) == "kthreadd\n" && known.contains("\tcgroup\n") && is_hosts()
    }),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a listing leaves no process to an init that reaps none", NSENTER, nothing_left),
        test("the kernel's threads are among the processes of a namespace", KERNEL, kernel_threads),
        test("a program that the kernel started is listed as others are", AGENT, started_by_kernel),
    ]
}

fn comm(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
}

fn nothing_left() {
    let (_held, init) = isolated(&["--newpid"]);
    for _ in 0..3 {
        let mut command = Command::new("nsenter");
        command.args(["-t", &init.to_string(), "-p", "-m"]).arg(binary("nsx")).arg("ns");
        succeeds(&mut command);
    }
    let children = std::fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
    assert_eq!(children, "", "children of the init");
}

fn kernel_threads() {
    let uts = namespace(2, "uts");
    let listed = succeeds(&mut nsx(["ns", "-q", &uts]));
    assert!(listed.lines().any(|pid| pid == "2"), "kthreadd");
    let children = std::fs::read_to_string("/proc/2/task/2/children").unwrap();
    let thread = children.split_whitespace().next().expect("a thread of the kernel");
    until("it is listed", || {
        succeeds(&mut nsx(["ns", "-q", &uts])).lines().any(|pid| pid == thread)
    });
}

/// The kernel starts the program that a hierarchy names for groups that became empty.
fn started_by_kernel() {
    const EMPTIED: &str = r#"
        cd "$0" && mkfifo told && mkdir groups &&
        mount -t cgroup -o "none,name=$1" none groups &&
        echo "$0/agent" >groups/release_agent && mkdir groups/one &&
        echo 1 >groups/one/notify_on_release &&
        sh -c 'echo $$ >groups/one/cgroup.procs' &&
        read -r pid <told && rmdir groups/one && echo "$pid""#;
    // A hierarchy ends some time after it was unmounted without groups; those go some time after
    // their names.
    const ENDED: &str = r#"
        while grep -q ":name=$1:" /proc/self/cgroup; do
            mount -t cgroup -o "none,name=$1" none "$0/groups" && umount "$0/groups"; sleep 0.2
        done"#;
    let temp = tempfile::tempdir().unwrap();
    let name = format!("nsx-{}", std::process::id());
    let private = |script: &str| {
        succeeds(
            Command::new("unshare").args(["-m", "sh", "-c", script]).arg(temp.path()).arg(&name),
        )
    };
    let told = temp.path().join("told");
    let agent = format!("#!/bin/sh\necho $$ >{}\nexec unshare -n -u sleep 299\n", told.display());
    write_script(temp.path().join("agent"), &agent);
    let pid: u32 = private(EMPTIED).trim().parse().unwrap();
    asleep(pid);
    let net: u64 =
        namespace(pid, "net").trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    let listed = json(&mut nsx(["ps", "--all", "--json"]));
    let of_it = json(&mut nsx(["ns", "--json", "-p", &pid.to_string()]));
    let networks = json(&mut nsx(["ns", "--json", "-t", "net"]));
    send(pid, nix::sys::signal::Signal::SIGKILL);
    private(ENDED);
    let has = |rows: &Value, key: &str, number: u64| {
        rows["data"].as_array().unwrap().iter().any(|row| row[key] == number)
    };
    assert!(has(&listed, "pid", pid.into()), "{listed}");
    for rows in [of_it, networks] {
        assert!(has(&rows, "ns", net), "{net}: {rows}");
    }
}
