//! Named programs where `/proc` hides nsx from who called it: hidepid.

use crate::support::{
    Need, as_nobody, ends_within, output, pidfd, public_nsx, stderr, stdout, test,
};
use libtest_mimic::Trial;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const HIDING: &[Need] = &[Need::Root, Need::Program("unshare"), Need::Program("setpriv")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("named: what /proc hides is neither taken for gone nor robbed", HIDING, hidden),
        test("named: of what nobody can tell whether it runs nothing is cleared", HIDING, untold),
    ]
}

/// A user with a runtime directory.
pub struct User {
    pub nsx: PathBuf,
    pub runtime: tempfile::TempDir,
    _copy: tempfile::TempDir,
}

impl User {
    pub fn new() -> Self {
        let (copy, nsx) = public_nsx();
        let runtime = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(runtime.path(), Some(65534), Some(65534)).unwrap();
        Self { nsx, runtime, _copy: copy }
    }

    fn run(&self, hides: Option<&str>, arguments: &[&str]) -> Output {
        let nsx = as_nobody(&self.nsx);
        let mut command = match hides {
            Some(how) => {
                let script = format!("mount -t proc -o hidepid={how} proc /proc && exec \"$@\"");
                let mut command = Command::new("unshare");
                command.args(["-m", "sh", "-c", &script, "sh"]).arg(nsx.get_program());
                command.args(nsx.get_args());
                command
            }
            None => nsx,
        };
        command.arg("spawn").args(arguments).env("XDG_RUNTIME_DIR", self.runtime.path());
        output(&mut command)
    }

    fn record(&self, name: &str) -> PathBuf {
        self.runtime.path().join(format!("nsx/{name}.json"))
    }

    fn start(&self, hides: Option<&str>) -> [std::os::fd::OwnedFd; 2] {
        let options = ["-U", "--init", "--detach", "--name", "mine", "sleep", "1000"];
        let started = self.run(hides, &options);
        assert_eq!(stdout(&started), "mine\n", "{}", stderr(&started));
        let supervisor = number(&self.record("mine"), "supervisor");
        let init = crate::support::child_of(supervisor).unwrap();
        let program = crate::support::child_of(init).unwrap();
        [supervisor, program].map(|pid| pidfd(pid).unwrap())
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.run(None, &["--stop", "mine"]);
    }
}

fn number(record: &Path, who: &str) -> u32 {
    let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    record[who]["pid"].as_u64().unwrap().try_into().unwrap()
}

fn hidden() {
    for (how, from_the_start) in [("1", false), ("2", false), ("2", true)] {
        let user = User::new();
        let [supervisor, program] = user.start(from_the_start.then_some(how));
        let second = user.run(Some(how), &["-U", "--name", "mine", "echo", "RAN"]);
        assert_eq!((second.status.code(), stdout(&second).as_str()), (Some(125), ""));
        assert!(stderr(&second).contains("is taken (nsx of pid "), "{}", stderr(&second));
        assert!(user.record("mine").exists() && !ends_within(&program, Duration::ZERO));
        let stopped = user.run(Some(how), &["--stop", "mine"]);
        assert_eq!(stopped.status.code(), Some(0), "{}", stderr(&stopped));
        assert!(ends_within(&supervisor, Duration::ZERO) && ends_within(&program, Duration::ZERO));
        assert!(!user.record("mine").exists());
    }
}

/// As an nsx left it that held no record: nothing proves that it lives, and nothing that it does not.
fn untold() {
    let user = User::new();
    let [supervisor, _] = user.start(None);
    let older = std::fs::read_to_string(user.record("mine")).unwrap();
    let copy = older.replace("\"mine\"", "\"older\"");
    std::fs::write(user.record("older"), &copy).unwrap();
    std::os::unix::fs::chown(user.record("older"), Some(65534), Some(65534)).unwrap();
    let stopped = user.run(Some("2"), &["--stop", "older"]);
    assert_eq!(stopped.status.code(), Some(1), "{}", stderr(&stopped));
    assert!(stderr(&stopped).contains("it cannot be told whether pid "), "{}", stderr(&stopped));
    let second = user.run(Some("2"), &["-U", "--name", "older", "echo", "RAN"]);
    assert_eq!((second.status.code(), stdout(&second).as_str()), (Some(125), ""));
    assert!(stderr(&second).contains("is taken (perhaps nsx of pid "), "{}", stderr(&second));
    assert_eq!(std::fs::read_to_string(user.record("older")).unwrap(), copy);
    // Where it can be told that it runs it is ended.
    assert!(!ends_within(&supervisor, Duration::ZERO));
    let stopped = user.run(None, &["--stop", "older"]);
    assert_eq!(stopped.status.code(), Some(0), "{}", stderr(&stopped));
    assert!(ends_within(&supervisor, Duration::ZERO));
    assert!(!user.record("older").exists() && !user.record("mine").exists());
}
