//! Why a program could not be started where it was wanted.

use crate::model::text::Text;
use crate::sys::error::SysError;
use nix::errno::Errno;

#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    #[error(transparent)]
    System(#[from] SysError),
    #[error("{0} does not exist")]
    CommandNotFound(Text),
    #[error("cannot execute {0}: {why}", why = .1.desc())]
    NotExecutable(Text, Errno),
    #[error("cannot join the {kinds} namespace{plural} of pid {pid}: {why}", plural = if kinds.contains(' ') { "s" } else { "" }, why = errno.desc())]
    Join { kinds: String, pid: u32, errno: Errno },
    /// What the child reported before it could become the program.
    #[error("{message}")]
    InChild { exit: u8, message: String },
    #[error("{0}")]
    Refused(String),
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
