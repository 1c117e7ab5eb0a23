//! The programs that are called `unshare`: the installed one, a newer one, nsx.

use crate::nsenter::probe::{self, Seen, Setting};
use crate::support::{self, Held, find, namespace, public_nsx, succeeds};
use std::path::PathBuf;
use std::process::Command;

pub struct Scene {
    /// Holds a link to nsx that is called unshare; everybody may run it.
    pub directory: tempfile::TempDir,
    ours: PathBuf,
    who: Who,
    /// Keeps a mount namespace whose mounts are shared.
    sharing: Option<Held>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Root,
    /// Nobody, without any privilege.
    Ordinary,
    /// The same with subordinate ids, and root with others; in a mount namespace of their own.
    Listed {
        root: bool,
    },
    /// Root, where all mounts are shared with others.
    Sharing,
}

/// Whom nsx is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    Installed,
    /// Of util-linux 2.42 or later.
    Newer,
}

const BOTH: [Reference; 2] = [Reference::Installed, Reference::Newer];

/// The subordinate users and groups of [`Who::Listed`].
const SUBUID: &str = "root:100000:65536\nnobody:300000:1000\nnobody:500000:1000\n";
const SUBGID: &str = "root:200000:65536\nnobody:400000:2000\n";

const AS_IT_IS: &str = r#"exec -a unshare "$0" "$@""#;
const AS_NOBODY: &str = r#"exec setpriv --reuid 65534 --regid 65534 --clear-groups \
bash -c 'exec -a unshare "$0" "$@"' "$0" "$@""#;

impl Scene {
    pub fn of(who: Who) -> Self {
        let (directory, copy) = public_nsx();
        let ours = directory.path().join("unshare");
        std::os::unix::fs::symlink(copy, &ours).unwrap();
        for (name, text) in [("subuid", SUBUID), ("subgid", SUBGID)] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let sharing = (who == Who::Sharing).then(|| {
            let mut command = Command::new("unshare");
            command.args(["-m", "--propagation", "shared", "sh", "-c"]);
            Held::ready(command.arg("echo ready; exec sleep 1000")).0
        });
        Self { directory, ours, who, sharing }
    }

    pub fn root() -> Self {
        Self::of(Who::Root)
    }

    fn as_who(&self, program: &PathBuf) -> Command {
        let mut command = Command::new("bash");
        let (list, user) = match self.who {
            Who::Root | Who::Sharing => (false, false),
            Who::Ordinary => (false, true),
            Who::Listed { root } => (true, !root),
        };
        let path = self.directory.path().display();
        let mut script = String::new();
        if list {
            let bind = |name| format!("mount --bind {path}/{name} /etc/{name} && ");
            script += &(bind("subuid") + &bind("subgid"));
        }
        script += if user { AS_NOBODY } else { AS_IT_IS };
        if list {
            command = Command::new("unshare");
            command.args(["-m", "bash"]);
        }
        if let Some(sharing) = &self.sharing {
            command = Command::new("nsenter");
            command.args(["-m", "-t", &sharing.pid().to_string(), "bash"]);
            script.insert_str(0, "cd /usr; ");
        }
        command.arg("-c").arg(script).arg(program);
        command
    }

    pub fn ours(&self) -> Command {
        self.as_who(&self.ours)
    }

    /// `None` where there is none.
    pub fn reference(&self, which: Reference) -> Option<Command> {
        program(which).map(|program| self.as_who(&program))
    }

    /// Those that there are.
    pub fn references(&self) -> Vec<Command> {
        BOTH.into_iter().filter_map(|which| self.reference(which)).collect()
    }

    /// A command line with `%directory` put in; `\` stands for a blank within a word.
    pub fn words(&self, line: &str) -> Vec<String> {
        let line = line.replace("%directory", &self.directory.path().display().to_string());
        line.split_whitespace().map(|word| word.replace("''", "").replace('\\', " ")).collect()
    }

    /// What the probe finds that is started by this command line.
    pub fn seen(&self, mut command: Command, line: &str) -> Seen {
        let setting = Setting { directory: "/usr", ..Setting::default() };
        relative(probe::run(command.args(self.words(line)), &setting))
    }

    /// nsx, and every reference that has what is asked for, find the same.
    pub fn same(&self, lines: &[&str]) {
        self.same_as(&BOTH, lines);
    }

    /// The same of options that only a newer reference has.
    pub fn same_as_newer(&self, lines: &[&str]) {
        self.same_as(&[Reference::Newer], lines);
    }

    fn same_as(&self, references: &[Reference], lines: &[&str]) {
        let mut different = Vec::new();
        for line in lines {
            let ours = self.seen(self.ours(), line);
            for which in references {
                let Some(command) = self.reference(*which) else { continue };
                let differing = probe::differing(&self.seen(command, line), &ours);
                if !differing.is_empty() {
                    let differing = differing.join("\n  ");
                    different
                        .push(format!("{:?}, {which:?}: unshare {line}\n  {differing}", self.who));
                }
            }
        }
        assert!(different.is_empty(), "{}", different.join("\n"));
    }

    /// How a command line ends, and what is said: the same, for each of these.
    pub fn same_endings(&self, references: &[Reference], lines: &[&str], input: &str) {
        let mut different = Vec::new();
        for line in lines {
            let ours = self.ending(self.ours(), line, input);
            for which in references {
                let Some(command) = self.reference(*which) else { continue };
                let theirs = self.ending(command, line, input);
                if theirs != ours {
                    different.push(format!(
                        "{:?}, {which:?}: unshare {line}\n  {theirs:?}, nsx\n  {ours:?}",
                        self.who
                    ));
                }
            }
        }
        assert!(different.is_empty(), "{}", different.join("\n"));
    }

    pub fn ending(&self, mut command: Command, line: &str, input: &str) -> Ending {
        let setting = Setting { directory: "/usr", ..Setting::default() };
        let mut ending = probe::ending(command.args(self.words(line)), &setting, input);
        ending.3 = without_pids(&ending.3);
        ending
    }
}

/// Code, signal, standard output, standard error.
pub type Ending = (Option<i32>, Option<i32>, String, String);

pub const NEWER: &[Reference] = &[Reference::Newer];
pub const ALL: &[Reference] = &BOTH;

pub fn program(which: Reference) -> Option<PathBuf> {
    let installed = find("unshare").expect("it is installed");
    match which {
        Reference::Installed => Some(installed),
        Reference::Newer if is_2_42(&installed) => Some(installed),
        Reference::Newer => support::newer("unshare"),
    }
}

fn is_2_42(program: &PathBuf) -> bool {
    let said = succeeds(Command::new(program).arg("--version"));
    let version = said.split_whitespace().nth(3).expect("unshare from util-linux VERSION");
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next(), parts.next()) >= (Some(2), Some(42))
}

/// Namespaces have another number each time: what counts is whether it is the caller's.
fn relative(mut seen: Seen) -> Seen {
    for (name, value) in &mut seen.fields {
        let Some(kind) = name.strip_prefix("ns ") else { continue };
        let of_caller = namespace("self", kind.strip_suffix("_for_children").unwrap_or(kind));
        if *value == of_caller { "shared" } else { "new" }.clone_into(value);
    }
    seen
}

/// `/proc/PID` is another each time.
fn without_pids(text: &str) -> String {
    let mut parts = text.split("/proc/");
    let mut without = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = if rest.len() < part.len() { "PID" } else { "" };
        without += "/proc/";
        without += number;
        without += rest;
    }
    without
}
