//! Errors as people and scripts see them: one message, one hint, one exit code.

use crate::action::error::ActionError;
use crate::action::plan::{PlanError, TERMINAL};
use crate::collect::target::{TargetError, grammar};
use crate::model::gap::Reason;
use crate::model::namespace::Kind as NsKind;
use crate::model::text::Text;
use crate::sys::error::{Problem, SysError};
use nix::errno::Errno;
use std::fmt;

/// Exit codes; nsx(1) documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// None of the others: no more memory or descriptors, no answer in time, a malformed file.
    Failed = 1,
    /// The command line is wrong, or a target is ambiguous.
    Usage = 2,
    /// There is no such target, or it ended meanwhile.
    NotFound = 3,
    /// A permission is missing: EPERM or EACCES, or a process that `/proc` hides.
    Denied = 4,
    /// The kernel or host lacks what is needed; `enter --strict`: something cannot be taken over.
    Unsupported = 5,
    /// Only with `--strict`: something could not be seen.
    Partial = 6,
    /// A mistake in nsx.
    Internal = 70,
    /// `enter` and `spawn`: nsx itself failed.
    Launcher = 125,
    /// `enter` and `spawn`: the program is there, and exec refused it.
    NotExecutable = 126,
    /// `enter` and `spawn`: the program is not there.
    CommandNotFound = 127,
}

impl Kind {
    fn of(error: &SysError) -> Self {
        match error.reason() {
            Reason::Denied => Self::Denied,
            Reason::Gone => Self::NotFound,
            Reason::Unsupported => Self::Unsupported,
            Reason::Failed
            | Reason::Malformed
            | Reason::Timeout
            | Reason::Truncated
            | Reason::Incomplete => Self::Failed,
        }
    }
}

/// Where a `--user` cannot be looked up.
pub const AS_NUMBERS: &str = "numbers need no line there: --user=UID:GID";
/// Where one would be root by another name.
pub const AS_ZERO: &str = "it is believed as a number: --user=0:0";

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// Its number becomes the exit code.
    pub kind: Kind,
    /// Safe to print: made of our own words and escaped text.
    pub message: String,
    /// What can be done about it, printed on a second line; `None` where nobody knows.
    pub hint: Option<String>,
}

impl Failure {
    /// Bytes from outside have to be escaped in the message: make it of `Text`.
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string(), hint: None }
    }

    /// Exit code 2: the words on the command line cannot be meant.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// From a parser of arguments, whose text repeats them as they are.
    pub fn unescaped_usage(message: &str) -> Self {
        Self::usage(Text::from(message))
    }

    /// Adds a line on what to do about it, in place of what is there.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Where nothing better was said.
    #[must_use]
    pub fn or_hint(self, hint: &str) -> Self {
        Self { hint: self.hint.or_else(|| Some(hint.to_owned())), ..self }
    }

    /// The same failure of a command whose own codes belong to the program it runs.
    #[must_use]
    pub fn of_launcher(self) -> Self {
        match self.kind {
            Kind::NotExecutable | Kind::CommandNotFound => self,
            _ => Self { kind: Kind::Launcher, ..self },
        }
    }
}

impl From<SysError> for Failure {
    fn from(error: SysError) -> Self {
        let kind = Kind::of(&error);
        let advice = remedy(&error);
        let failure = Self::new(kind, error);
        if let Some(advice) = advice {
            return failure.hint(advice);
        }
        if kind == Kind::Denied && !rustix::process::geteuid().is_root() {
            return failure.hint("run it as root");
        }
        failure
    }
}

/// What who may not look at a process can do; root alone is told of what root may lack, too.
pub fn right_to_look(or: &str) -> String {
    if rustix::process::geteuid().is_root() {
        "it has capabilities that this root has not; CAP_SYS_PTRACE, of its user namespace, is needed"
            .to_owned()
    } else {
        format!("run it as root{or}")
    }
}

/// What the host or the caller's limits lack.
fn remedy(error: &SysError) -> Option<&'static str> {
    match error.problem {
        Problem::NoProcfs => Some("mount it: `mount -t proc proc /proc`"),
        Problem::ForeignProcfs => Some(
            "pids mean others here than there: mount one of your own in a mount namespace of your own",
        ),
        Problem::Errno(Errno::EMFILE) => Some("allow it more descriptors: `ulimit -n 256`"),
        Problem::Errno(Errno::EAGAIN) if error.doing == "start" => Some(
            "there may be no more processes: `ulimit -u` for this user, pids.max for its group",
        ),
        _ => None,
    }
}

impl From<ActionError> for Failure {
    fn from(error: ActionError) -> Self {
        let kind = match error.exit() {
            126 => Kind::NotExecutable,
            127 => Kind::CommandNotFound,
            _ => match error.cause() {
                Some(cause) => Kind::of(cause),
                None => Kind::Failed,
            },
        };
        let hint = match &error {
            ActionError::Network(error) => super::spawn::network::advice(error).map(str::to_owned),
            ActionError::Advised { hint, .. } => Some((*hint).to_owned()),
            ActionError::System(error) => remedy(error).map(str::to_owned),
            ActionError::InChild { hint, .. } => hint.clone(),
            _ => None,
        };
        Self { hint, ..Self::new(kind, error) }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Unreadable(_) => Self::new(Kind::Denied, error)
                .hint(right_to_look(", or as the target's user with -U")),
            PlanError::OwnUnreadable(_) => {
                Self::new(Kind::Failed, error).hint("mount a /proc of our own pid namespace")
            }
            PlanError::NothingToJoin(_) | PlanError::OwnNamespace(_) => {
                Self::new(Kind::Failed, error)
                    .hint("to run the program where you are, run it without nsx")
            }
            PlanError::NoTarget(_) => {
                Self::usage(error).hint("name a process or container with -t, or a file: -n=FILE")
            }
            PlanError::Unmapped(..) => {
                Self::new(Kind::Failed, error).hint("give a number that its user namespace has")
            }
            PlanError::NeedsFork(TERMINAL) => {
                Self::usage(error).hint("leave out --no-fork, or hand it over with --no-pty")
            }
            PlanError::NeedsFork(_) => Self::usage(error).hint("leave out --no-fork"),
        }
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        let message = error.to_string();
        let (kind, hint) = match error {
            TargetError::System(error) => return error.into(),
            TargetError::Misspelled(_) => (Kind::Usage, Some(SPELLINGS.to_owned())),
            TargetError::Ambiguous { .. } => (
                Kind::Usage,
                Some("name one of them as it is listed, by its id, or by its pid".to_owned()),
            ),
            TargetError::Hidden(_) => (
                Kind::Denied,
                Some(
                    "run it as root, or as the user of that process: hidepid, see proc(5)"
                        .to_owned(),
                ),
            ),
            TargetError::Unseen(_) => (Kind::Denied, Some(right_to_look(""))),
            TargetError::Unread { .. } => {
                (Kind::Failed, Some("name it by its pid, or by the whole id".to_owned()))
            }
            TargetError::NoInodes => (Kind::Unsupported, Some("name it by its pid".to_owned())),
            TargetError::NoIds => {
                (Kind::Unsupported, Some("name it by a file, or by a process in it".to_owned()))
            }
            error => (Kind::NotFound, advice(&error)),
        };
        Self { kind, message, hint }
    }
}

const SPELLINGS: &str = "nsx(7) lists what a target may be; `nsx ps` what there is";

/// What to do about a target that is not there.
fn advice(error: &TargetError) -> Option<String> {
    let hint = match error {
        TargetError::NoContainer(name) => match grammar::unknown_word(name.as_bytes()) {
            Some(word) => {
                let word = Text::new(word);
                return Some(format!("`{word}:` is no runtime and no kind of target; {SPELLINGS}"));
            }
            None if !rustix::process::geteuid().is_root() => {
                "`nsx ps --all` lists what this user may see; run it as root to see those of others"
            }
            None => "`nsx ps --all` lists what there is",
        },
        TargetError::NotAPid(_) | TargetError::NoPod(_) => "`nsx ps --all` lists what there is",
        TargetError::NoProcess(_)
        | TargetError::AnotherProcess { .. }
        | TargetError::InNoContainer(_) => "`nsx ps` lists what there is",
        TargetError::Zombie(_) => "its namespaces are gone; name another process of the container",
        TargetError::Thread(_) => "name the process: `Tgid` in /proc/TID/status",
        TargetError::NotRunning { .. } => "start it first; `nsx ps --all` shows its record",
        TargetError::NoNetns(_) => "`ip netns` lists those of /run/netns",
        TargetError::NoNamespace(_)
        | TargetError::NobodySeenIn(_)
        | TargetError::InNoSeenContainer(_)
            if !rustix::process::geteuid().is_root() =>
        {
            "run it as root to see those of others"
        }
        TargetError::NotANamespace { .. } => "a namespace file is a bind mount of /proc/PID/ns/…",
        TargetError::NobodyIn { label, key } => {
            let program = if key.kind == NsKind::Net { "ip addr" } else { "PROGRAM" };
            return Some(format!("`nsx enter -t {label} {program}` works"));
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
