//! A container that kills everything it sees with SIGSEGV, for the core file of whoever joins it.

use crate::support::{Held, Need, child_of, nsx, output, test, until};
use libtest_mimic::Trial;
use std::path::Path;
use std::process::{Command, Stdio};

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Program("perl"),
    Need::Program("pivot_root"),
    Need::Machine("a core pattern that names a file in the working directory", || {
        std::fs::read_to_string("/proc/sys/kernel/core_pattern")
            .is_ok_and(|pattern| !pattern.starts_with(['|', '/', '\n']))
    }),
];
const SECRET: &str = "nsx-secret-of-the-operator";
const JOINS: usize = 100;

pub fn tests() -> Vec<Trial> {
    vec![test("a container that fires SIGSEGV gets no core file of nsx", NEEDS, fire)]
}

/// A root of its own on a tmpfs, in which core files land; then fire, until the file `stop` is there.
const SCRIPT: &str = r#"
    set -e
    mount -t tmpfs none "$1"; cd "$1"
    mkdir old usr proc dev
    for name in bin sbin lib lib64; do
        if [ -L /$name ]; then cp -P /$name .; else mkdir $name; mount --rbind /$name $name; fi
    done
    mount --rbind /usr usr; mount --rbind /dev dev; mount -t proc proc proc
    pivot_root . old; cd /; umount -l old
    echo ready
    exec perl -e '
        my $child = fork // die;
        unless ($child) { while (!-e "/stop") { kill "SEGV", -1 } exit }
        while (!-e "/stop") { wait; select undef, undef, undef, 0.01 }
        sleep 1000'
"#;

fn fire() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = nsx(["spawn", "-p", "-m", "-n", "sh", "-c", SCRIPT, "sh"]);
    let (held, line) = Held::ready(command.arg(directory.path()).stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let target = child_of(held.pid()).unwrap();
    let root = format!("/proc/{target}/root");
    let root = Path::new(&root);
    let mut killed = 0;
    for _ in 0..JOINS {
        let nsx = nsx(["enter", "-t", &target.to_string(), "-a", "true"]);
        let mut shell = Command::new("bash");
        shell.args(["-c", r#"ulimit -c unlimited; exec "$@""#, "bash"]);
        shell.arg(nsx.get_program()).args(nsx.get_args()).env("NSX_TEST_SECRET", SECRET);
        killed += usize::from(!output(&mut shell).status.success());
        for entry in std::fs::read_dir(root).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with("core") {
                let core = std::fs::read(entry.path()).unwrap();
                let found = core.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
                assert!(!found, "{} bytes of nsx", core.len());
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    assert!(killed > JOINS / 10, "the fire hit only {killed} times");
    std::fs::write(root.join("stop"), "").unwrap();
    until("the fire stops", || child_of(target).is_none());
}
