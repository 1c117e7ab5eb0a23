//! As whom the program runs.

use super::probe::{self, Seen, Setting};
use super::scene::Scene;
use crate::support::{Below, Held, asleep, child_of, public_nsx};
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub fn ids() {
    let scene = Scene::start();
    scene.same(
        &[
            "-t %all -n -S 0",
            "-t %all -n -S0",
            "-t %all -n --setuid=0",
            "-t %all -n --setuid 0",
            "-t %all -n -S 33",
            "-t %all -n -S33",
            "-t %all -n --setuid=33",
            "-t %all -n -S 033",
            "-t %all -n -S +33",
            "-t %all -n -G 34",
            "-t %all -n -G34",
            "-t %all -n --setgid=34",
            "-t %all -n --setg 34 --setu 33",
            "-t %all -n -S 33 -G 34",
            "-t %all -n -S 1 -S 33",
            "-t %all -p -S 33 -G 34",
            "-t %all -m -S 33 -G 34",
            "-t %all -n -S 4294967294",
            "-t %user -U -S 33 -G 34",
            "-t %user -U -S 33",
            "-t %user -U -G 34",
            "-t %user -U -S 65535 -G 65535",
            "-t %user -n -S 33 -G 34",
            "-t %denied -U -S 0 -G 0",
            "-U/proc/%user/ns/user -S 33 -G 34",
            "-t %user -a -S 33 -G 34",
        ],
        &Setting::default(),
    );
}

pub fn credentials() {
    let scene = Scene::start();
    scene.same(
        &[
            "-t %user -U",
            "-t %user -U --preserve-credentials",
            "-t %user -a --preserve",
            "-t %user -U --preserve-credentials -S 33",
            "-t %user -U --preserve-credentials -S 33 -G 34",
            "-t %user -U --preserve-credentials -G 34",
            "-t %all -n --preserve-credentials",
            "-t %denied -U",
            "-t %denied -U --preserve-credentials",
            "-t %unmapped -U --preserve-credentials",
            "-U/proc/%unmapped/ns/user --preserve-credentials",
            "-U/proc/%denied/ns/user",
        ],
        &Setting::default(),
    );
}

const NOBODY: [&str; 5] = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];

/// A user without privileges, and a process in namespaces of his own.
pub struct Ordinary {
    pub target: u32,
    link: PathBuf,
    _below: Below,
    _held: Held,
    _directory: tempfile::TempDir,
}

impl Ordinary {
    pub fn start() -> Self {
        let (directory, copy) = public_nsx();
        let link = directory.path().join("nsenter");
        std::os::unix::fs::symlink(copy, &link).unwrap();
        let mut command = Command::new("setpriv");
        command.args(NOBODY).args(["unshare", "-Urmnuip", "--fork", "--kill-child", "sh", "-c"]);
        command.arg("echo ready; exec sleep 1000").stdin(Stdio::null()).stderr(Stdio::null());
        let (held, line) = Held::ready(command.current_dir("/"));
        assert_eq!(line, "ready");
        let target = child_of(held.pid()).expect("a child");
        asleep(target);
        let below = Below(held.pid());
        Self { target, link, _below: below, _held: held, _directory: directory }
    }

    pub fn seen(&self, line: &str) -> [Seen; 2] {
        let line = line.replace("%own", &self.target.to_string());
        let setting = Setting { directory: "/usr", ..Setting::default() };
        [Scene::reference().get_program(), self.link.as_os_str()].map(|program| {
            let mut command = Command::new("setpriv");
            command.args(NOBODY).args(["bash", "-c", r#"exec -a nsenter "$0" "$@""#]).arg(program);
            probe::run(command.args(line.split_whitespace()), &setting)
        })
    }
}

/// In the namespaces of his own, and in those of others.
pub fn ordinary() {
    let user = Ordinary::start();
    let mut different = Vec::new();
    for line in [
        "-t %own -U --preserve-credentials",
        "-t %own -U -m -n --preserve-credentials",
        "-t %own -U -u -i -p -n -m --preserve-credentials",
        "-t %own -U -p --preserve-credentials -S 0",
        "-t %own -U -m --preserve-credentials -r -w",
        "-t %own -U -n/proc/%own/ns/net --preserve-credentials",
        "-U/proc/%own/ns/user -n/proc/%own/ns/net -m/proc/%own/ns/mnt --preserve-credentials",
        "-n/proc/%own/ns/net",
        "-n/no/such/file",
    ] {
        let [theirs, ours] = user.seen(line);
        let differing = probe::differing(&theirs, &ours);
        if !differing.is_empty() {
            different.push(format!("nsenter {line}\n  {}", differing.join("\n  ")));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
