//! Namespaces that stay on files: made, entered afterwards, taken away. On a machine of their own,
//! whose mounts end with it.

use super::scene::{Reference, program};
use crate::machine::Machine;
use crate::support::{self, output, stderr, stdout, succeeds, until};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const KINDS: [(&str, &str); 8] = [
    ("mnt", "mount"),
    ("uts", "uts"),
    ("ipc", "ipc"),
    ("net", "net"),
    ("pid", "pid"),
    ("user", "user"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

pub fn all_kinds() {
    let directory = tempfile::tempdir().expect("a directory");
    let ours = directory.path().join("unshare");
    std::os::unix::fs::symlink(support::binary("nsx"), &ours).unwrap();
    let ours = story(&ours);
    let mut different = Vec::new();
    for which in [Reference::Installed, Reference::Newer] {
        let Some(unshare) = program(which) else { continue };
        for (what, theirs) in story(&unshare) {
            // Before 2.39 a user namespace could not be kept and mapped.
            let old = which == Reference::Installed && ["user", "several"].contains(&&*what);
            if !old && theirs != ours[&what] {
                different.push(format!("{which:?}: {what}: {theirs:?}\n  nsx: {:?}", ours[&what]));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    // The comparison is of something.
    for (kind, _) in KINDS.into_iter().filter(|(kind, _)| *kind != "pid") {
        assert_eq!(
            ours[kind].iter().filter(|told| **told == "entered: true ").count(),
            2,
            "{kind}"
        );
    }
}

/// All that happens with one program.
fn story(unshare: &Path) -> BTreeMap<String, Vec<String>> {
    let mut machine = Machine::start();
    let mut told = BTreeMap::<String, Vec<String>>::new();
    let mut tell = |of: &str, what: String| told.entry(of.to_owned()).or_default().push(what);
    for (kind, option) in KINDS {
        let file = format!("/run/{kind}");
        for more in ["", "-f"] {
            std::fs::write(machine.path(&file), "").unwrap();
            let script = format!("readlink /proc/self/ns/{kind} /proc/self/ns/{kind}_for_children");
            let mut command = machine.command(unshare);
            command.arg(format!("--{option}={file}")).args(more.split_whitespace());
            if kind == "user" {
                command.arg("-r");
            }
            command.args(["sh", "-c", &script]);
            let mut ran = output(&mut command);
            // Linux 6.18 takes a mount namespace for an older one than ours, which cannot be kept,
            // where another processor numbered it.
            until("the numbers are in order", || {
                let refused = kind == "mnt" && stderr(&ran).ends_with("Invalid argument\n");
                if refused {
                    ran = output(&mut command);
                }
                !refused
            });
            let inside = stdout(&ran);
            let said = stderr(&ran).replace(|c: char| c.is_ascii_digit(), "");
            let said = said.split(": ").skip(1).collect::<Vec<_>>().join(": ");
            tell(kind, format!("{more}: {:?} {said}", ran.status.code()));
            let number = std::fs::metadata(machine.path(&file)).unwrap().ino();
            let is_kept = inside.contains(&format!("[{number}]"));
            tell(kind, format!("kept: {is_kept}"));
            if is_kept {
                let entered = output(
                    machine
                        .command("nsenter")
                        .arg(format!("--{option}={file}"))
                        .args(["readlink", &format!("/proc/self/ns/{kind}")]),
                );
                let entered_it = stdout(&entered).contains(&format!("[{number}]"));
                tell(kind, format!("entered: {entered_it} {}", stderr(&entered)));
                succeeds(machine.command("umount").arg(&file));
            }
        }
    }
    // Several at once, of a program that fails.
    for file in ["a", "b", "c"] {
        std::fs::write(machine.path(&format!("/run/{file}")), "").unwrap();
    }
    let mut command = machine.command(unshare);
    command.args(["--net=/run/a", "--uts=/run/b", "-r", "--user=/run/c", "-f", "false"]);
    tell("several", format!("{:?}", output(&mut command).status.code()));
    let count = "grep -c nsfs /proc/self/mountinfo || true";
    let mounted = succeeds(machine.command("sh").args(["-c", count]));
    tell("several", mounted);
    let owner = "nsenter --user=/run/c --net=/run/a --uts=/run/b sh -c 'id -u; hostname inside'";
    let entered = output(machine.command("sh").args(["-c", owner]));
    tell("several", format!("{:?} {}", entered.status.code(), stdout(&entered)));
    assert!(machine.end().is_empty());
    told
}
