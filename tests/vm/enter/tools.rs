//! The host's programs in the containers of real engines, which have busybox alone.

use super::{SLEEP, for_alice, read};
use crate::containers::{Container, Engine};
use crate::host::INSIDE;
use crate::support::{asleep, nsx, output, stderr, stdout, succeeds, test};
use libtest_mimic::Trial;
use std::process::Command;

pub fn tests() -> Vec<Trial> {
    vec![
        test("enter --tools, docker", INSIDE, || {
            let container = Container::run(Engine::Docker, "bare", &[], SLEEP);
            brought(&container, || nsx([""; 0]));
        }),
        test("enter --tools, podman without root: by root, and by its user", INSIDE, || {
            let container = Container::run(Engine::Rootless, "bare-rootless", &[], SLEEP);
            brought(&container, || nsx([""; 0]));
            brought(&container, for_alice);
        }),
    ]
}

/// What only the host has, traces what only the container has, among its processes and files.
fn brought(container: &Container, nsx: impl Fn() -> Command) {
    asleep(container.pid);
    let mounts = read(container.pid, "mountinfo");
    let enter = |option: &str, script: &str| {
        let mut command = nsx();
        command.args(["enter", "-t", &container.pid.to_string(), option, "bash", "-c", script]);
        output(&mut command)
    };
    let script = "perl -e 'print 6 * 7, qq{\n}'; id -u; cat /proc/1/comm; \
        strace -p 1 2>/tmp/said & \
        until grep -q attached /tmp/said; do sleep 0.1; done; \
        kill $!; wait $!; head -n 1 /tmp/said; rm /tmp/said";
    for (option, release) in
        [("--tools", "/target/etc/os-release"), ("--tools-inside", "/etc/os-release")]
    {
        let said = enter(option, &format!("cat {release}; {script}"));
        let expected = "ID=nsx-vm\n42\n0\nsleep\nstrace: Process 1 attached\n";
        assert_eq!(stdout(&said), expected, "{option}: {}", stderr(&said));
        assert_eq!(read(container.pid, "mountinfo"), mounts, "{option}");
        let secret = enter(option, "cat /etc/shadow /.nsx/etc/shadow");
        assert_eq!((secret.status.code(), stdout(&secret).as_str()), (Some(1), ""), "{option}");
    }
    // Parts of a root of nsx's have its name as their source.
    let host = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!host.lines().any(|line| line.contains(" - tmpfs nsx ")), "{host}");
    let files = succeeds(Command::new("ls").arg("-A").arg(format!("/proc/{}/root", container.pid)));
    assert!(!files.contains("target") && !files.contains("nsx"), "{files}");
}
