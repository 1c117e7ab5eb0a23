//! `spawn --rootfs` whose system calls fail, and whose nsx is killed: at each call in turn nothing is
//! left, and nothing of the root has changed.

use crate::faults::{most, processes};
use crate::support::rootfs::{Small, mounts};
use crate::support::{Need, binary, output, stderr, succeeds, test, until};
use libtest_mimic::Trial;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Program("strace"),
    Need::Program("timeout"),
    Need::Program("busybox"),
    Need::Program("tar"),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("faults: a directory as root, with other owners and more mounts", NEEDS, || {
            sweep(&Run::new(directory));
        }),
        test("faults: an archive as root", NEEDS, || sweep(&Run::new(archive))),
        test("faults: a root below a layer", NEEDS, || sweep(&Run::new(layered))),
        test("faults: the host's root below a layer", NEEDS, || sweep(&Run::new(of_host))),
    ]
}

/// What makes the words of a run, and the files it needs.
type Shape = fn(&Small) -> Vec<String>;

fn directory(root: &Small) -> Vec<String> {
    let maps = ["--new-all", "--init", "--map-users=0:100000:9", "--map-groups=0:100000:9"];
    let more = ["--ro-bind=/etc/passwd:/dev/passwd", "--tmpfs=/srv:size=1M", "--hostname=inside"];
    words(&[&maps[..], &["--rootfs", &root.name()], &more].concat())
}

fn archive(root: &Small) -> Vec<String> {
    let archive = root.beside("root.tar.gz");
    if !archive.exists() {
        std::os::unix::fs::symlink("passwd", root.path("etc/link")).unwrap();
        std::fs::write(root.path("etc/passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
        succeeds(Command::new("tar").arg("-C").arg(root.root()).arg("-czf").arg(&archive).arg("."));
    }
    words(&["--newpid", "--read-only", "--rootfs", archive.to_str().unwrap()])
}

fn layered(root: &Small) -> Vec<String> {
    let layer = root.beside("layer");
    std::fs::create_dir_all(&layer).unwrap();
    let overlay = format!("--overlay={}", layer.display());
    words(&["--newpid", "--newuser", "--rootfs", &root.name(), &overlay])
}

fn of_host(_: &Small) -> Vec<String> {
    words(&["--newpid", "--overlay", "--read-only", "--tmpfs=/mnt"])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

struct Run {
    root: Small,
    words: Vec<String>,
    /// Of its program.
    name: String,
}

impl Run {
    fn new(shape: Shape) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = Small::new();
        let words = shape(&root);
        Self { root, words, name: format!("nsx-roots-{}-{number}", std::process::id()) }
    }

    /// Whoever of it lives on keeps the pipe of its output open, which is waited for.
    fn spawn(&self, strace: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", "60", "strace", "-qq", "-o"]).arg(self.trace()).args(strace);
        command.arg(binary("nsx")).arg("spawn").args(&self.words);
        output(command.args(["/bin/sh", "-c", "echo written > /tmp/x; exit 0", &self.name]))
    }

    fn trace(&self) -> PathBuf {
        self.root.beside("trace")
    }

    /// How often each call is made at most by one process.
    fn calls(&self, strace: &[&str]) -> BTreeMap<String, usize> {
        let done = self.spawn(strace);
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
        most(&std::fs::read_to_string(self.trace()).unwrap(), strace.contains(&"-f"))
    }

    fn look(&self) -> (String, String, Vec<String>) {
        (self.root.snapshot(), mounts(), processes(&self.name))
    }
}

/// One fault at a time: a call of anybody's that fails, and one of nsx's at which it is killed.
fn sweep(run: &Run) {
    let before = run.look();
    let mut failed = 0;
    for (strace, faults) in
        [(&["-f"][..], &["error=EIO", "error=ENOMEM", "signal=KILL"][..]), (&[], &["signal=KILL"])]
    {
        let calls = run.calls(strace);
        assert!(calls.len() > 20, "{calls:?}");
        for (call, count) in &calls {
            for (when, fault) in (1..=*count).zip(faults.iter().cycle()) {
                let inject = format!("inject={call}:{fault}:when={when}");
                let done = run.spawn(&[strace, &["-e", &inject]].concat());
                let said = stderr(&done);
                assert!(!said.contains("panicked"), "{inject}: {said}");
                failed += usize::from(!done.status.success());
                until(&format!("nothing is left of {inject}"), || run.look() == before);
            }
        }
    }
    assert!(failed > 50, "only {failed} of them failed");
}
