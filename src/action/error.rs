//! Why a program could not be started where it was wanted.

use super::network::NetworkError;
use crate::model::namespace::Kinds;
use crate::model::plan::Held;
use crate::model::text::Text;
use crate::sys::error::SysError;
use nix::errno::Errno;

/// Where a start can fail: before anything is joined or made, at the join, or in the child.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// A system call of nsx's failed, with what it was to do.
    #[error(transparent)]
    System(#[from] SysError),
    /// The network of `spawn --net` could not be opened, joined or made.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The name as it was asked for, found nowhere.
    #[error("{0} does not exist")]
    CommandNotFound(Text),
    /// A program that is there, without what it names to run it: a script's, or the loader.
    #[error("cannot execute {0}: its interpreter does not exist")]
    NoInterpreter(Text),
    /// The first path that exec refused though something may be there, and why: `EACCES`.
    #[error("cannot execute {0}: {why}", why = .1.desc())]
    NotExecutable(Text, Errno),
    /// setns(2) refused a step of the plan; what the steps before it joined stays joined.
    #[error("cannot join {what}: {why}", what = joined(*kinds, *held), why = errno.desc())]
    Join {
        /// Those of this step: any number of a process, one of a single namespace.
        kinds: Kinds,
        /// Whose they are, or the single namespace.
        held: Held,
        /// EPERM: a right is missing; ESRCH: the target has ended.
        errno: Errno,
    },
    /// What the child reported before it could become the program.
    #[error("{message}")]
    InChild {
        /// What nsx exits with: 125, 126 or 127.
        exit: u8,
        /// `None` where it was not the kernel that refused.
        errno: Option<Errno>,
        /// The words of the child's error, safe to print; cut where they fill a page.
        message: String,
        /// What the child's error advises, if anything.
        hint: Option<String>,
    },
    /// nsx itself will not do it, or saw that it cannot work. The words are safe to print.
    #[error("{0}")]
    Refused(String),
    /// One of the others, and what can be done about it.
    #[error("{error}")]
    Advised {
        /// A system call that failed, or a refusal of ours; never another advice.
        error: Box<ActionError>,
        /// One line for the person.
        hint: &'static str,
    },
}

/// Where a user namespace cannot be made, or gives no right.
pub(super) const USER_NAMESPACES: &str = "run it as root of the host; or let users have namespaces, which sysctl user.max_user_namespaces, \
     kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns decide, and a \
     container's seccomp";

/// Says what can be done about an error where that is known.
pub trait Advise<T> {
    /// Where something nearer to what failed was said already, the hint is left out.
    fn advise(self, hint: &'static str) -> Result<T, ActionError>;
}

impl<T, E: Into<ActionError>> Advise<T> for Result<T, E> {
    fn advise(self, hint: &'static str) -> Result<T, ActionError> {
        self.map_err(|error| error.into().advise(hint))
    }
}

fn joined(kinds: Kinds, held: Held) -> String {
    let plural = if kinds.iter().nth(1).is_some() { "s" } else { "" };
    match held {
        Held::Process(pid) => format!("the {kinds} namespace{plural} of pid {pid}"),
        Held::Namespace(key) => format!("the namespace {key}"),
    }
}

impl ActionError {
    /// Our own refusal, in words that are safe to print.
    pub fn refused(message: impl Into<String>, hint: &'static str) -> Self {
        Self::Refused(message.into()).advise(hint)
    }

    /// What was said before is nearer to what failed.
    #[must_use]
    pub fn advise(self, hint: &'static str) -> Self {
        match self {
            Self::System(_) | Self::Refused(_) => Self::Advised { error: Box::new(self), hint },
            other => other,
        }
    }

    /// `None` where it was not the kernel that refused.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::System(error) => error.errno(),
            Self::Advised { error, .. } => error.errno(),
            Self::InChild { errno, .. } => *errno,
            Self::Join { errno, .. } | Self::NotExecutable(_, errno) => Some(*errno),
            Self::NoInterpreter(_) => Some(Errno::ENOENT),
            Self::Network(_) | Self::CommandNotFound(_) | Self::Refused(_) => None,
        }
    }

    /// The system call of ours that failed, if it was one.
    pub fn cause(&self) -> Option<&SysError> {
        match self {
            Self::System(error) => Some(error),
            Self::Advised { error, .. } => error.cause(),
            _ => None,
        }
    }

    /// 127 not found, 126 not executable, 125 anything else of ours.
    pub fn exit(&self) -> u8 {
        match self {
            Self::CommandNotFound(_) | Self::NoInterpreter(_) => 127,
            Self::NotExecutable(..) => 126,
            Self::InChild { exit, .. } => *exit,
            _ => 125,
        }
    }
}
