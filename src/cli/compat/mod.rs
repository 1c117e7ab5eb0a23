//! Personalities: nsx called by the name of a tool that it can stand in for. Options, output and
//! exit codes are that tool's; what is read, and how safely, is nsx's.

pub mod getopt;
pub mod lsns;
pub mod nsenter;
mod number;
mod reason;
pub mod unshare;

use super::entry::Command;
use std::ffi::OsStr;

/// The tool that a name is of.
pub fn find(name: &OsStr) -> Option<&'static Command> {
    [&lsns::COMMAND, &nsenter::COMMAND, &unshare::COMMAND]
        .into_iter()
        .find(|command| command.name == name)
}
