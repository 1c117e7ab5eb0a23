//! A process that dresses as a container it is not: the name must not lead to it.

use crate::names::own_group;
use crate::support::{Need, isolated, nsx, output, stderr, stdout, test};
use libtest_mimic::Trial;
use std::path::PathBuf;

const ROOT: &[Need] = &[Need::Root];
const OLDER: &str = "5ca1ab1e00000000000000000000000000000000000000000000000000000042";
const SPELLED: &str = "c0ffee0000000000000000000000000000000000000000000000000000000042";

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "an older process in a group of the same id is not taken for the container",
            ROOT,
            older,
        ),
        test(
            "a group that only spells a name does not hide the container of that id",
            ROOT,
            spelled,
        ),
    ]
}

/// A group below ours that is removed with the test; its processes must have ended by then.
struct Group(PathBuf);

impl Group {
    fn new(path: &str) -> Self {
        let group = own_group().join(path);
        std::fs::create_dir_all(&group).unwrap();
        Self(group)
    }

    fn take(&self, pid: u32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        crate::support::until("the group can be removed", || {
            std::fs::remove_dir(&self.0).is_ok() || !self.0.exists()
        });
    }
}

/// Who may make a control group anywhere (a user with a delegated one) may call it as he likes.
fn older() {
    let real = Group::new(&format!("nsx-test-real/docker-{OLDER}.scope"));
    let forged = Group::new(&format!("nsx-test-forged/docker-{OLDER}.scope"));
    let (_attacker, attacker) = isolated(&["-p", "-n", "-U"]);
    let (_victim, victim) = isolated(&["-p", "-n"]);
    forged.take(attacker);
    real.take(victim);
    let found = output(&mut nsx(["inspect", "-q", &OLDER[..12]]));
    let to_attacker = stdout(&found).trim() == attacker.to_string();
    assert!(!to_attacker, "the id leads to another process than the container's");
    let refused = found.status.code() == Some(2) && stderr(&found).contains("ambiguous");
    assert!(refused || stdout(&found).trim() == victim.to_string(), "{}", stderr(&found));
    let entered = output(&mut nsx(["enter", "-t", OLDER, "-a", "readlink", "/proc/self/ns/user"]));
    assert_ne!(stdout(&entered).trim(), crate::support::namespace(attacker, "user"));
}

/// `a:docker:NAME` is the spelling of some runtimes; NAME can be any word.
fn spelled() {
    let real = Group::new(&format!("nsx-test-real2/docker-{SPELLED}.scope"));
    let forged = Group::new(&format!("nsx-test-forged2/a:docker:{SPELLED}"));
    let (_attacker, attacker) = isolated(&["-p", "-n", "-U"]);
    let (_victim, victim) = isolated(&["-p", "-n"]);
    forged.take(attacker);
    real.take(victim);
    let found = output(&mut nsx(["inspect", "-q", SPELLED]));
    assert_ne!(stdout(&found).trim(), attacker.to_string(), "it leads to the attacker");
    let refused = found.status.code() == Some(2) && stderr(&found).contains("ambiguous");
    assert!(refused || stdout(&found).trim() == victim.to_string(), "{}", stderr(&found));
}
