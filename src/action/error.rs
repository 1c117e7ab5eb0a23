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
    #[error(transparent)]
    System(#[from] SysError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("{0} does not exist")]
    CommandNotFound(Text),
    #[error("cannot execute {0}: {why}", why = .1.desc())]
    NotExecutable(Text, Errno),
    #[error("cannot join {what}: {why}", what = joined(*kinds, *held), why = errno.desc())]
    Join { kinds: Kinds, held: Held, errno: Errno },
    /// What the child reported before it could become the program.
    #[error("{message}")]
    InChild { exit: u8, message: String },
    #[error("{0}")]
    Refused(String),
    /// The same, where something can be done about it.
    #[error("{message}")]
    Advised { message: String, hint: &'static str },
}

fn joined(kinds: Kinds, held: Held) -> String {
    let plural = if kinds.iter().nth(1).is_some() { "s" } else { "" };
    match held {
        Held::Process(pid) => format!("the {kinds} namespace{plural} of pid {pid}"),
        Held::Namespace(key) => format!("the namespace {key}"),
    }
}

impl ActionError {
    /// 127 not found, 126 not executable, 125 anything else of ours.
    pub fn exit(&self) -> u8 {
        match self {
            Self::CommandNotFound(_) => 127,
            Self::NotExecutable(..) => 126,
            Self::InChild { exit, .. } => *exit,
            _ => 125,
        }
    }
}
