//! What a listing of namespaces does with processes: its own, and the kernel's.

use crate::support::{Need, binary, isolated, namespace, nsx, succeeds, test, until};
use libtest_mimic::Trial;
use std::process::Command;

const NSENTER: &[Need] = &[Need::Root, Need::Program("nsenter")];
const KERNEL: &[Need] =
    &[Need::Root, Need::Machine("a view of the kernel's threads", || comm(2) == "kthreadd\n")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a listing leaves no process to an init that reaps none", NSENTER, nothing_left),
        test("the kernel's threads are among the processes of a namespace", KERNEL, kernel_threads),
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
